"""Fit the drivers of an outcome."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from touchlab.contract import listing
from touchlab.dataset import Dataset
from touchlab.drivers.design import build_controls
from touchlab.drivers.hazard import SATURATIONS, Model, leave_group_out
from touchlab.drivers.result import Drivers
from touchlab.drivers.synergy import choose_pairs
from touchlab.drivers.troubles import find_troubles
from touchlab.errors import ParameterError, TouchlabWarning
from touchlab.moments import Moments, comes_again, sample_moments

__all__ = ["Drivers", "fit_drivers"]

Floats = npt.NDArray[np.float64]
Synergy = str | Sequence[tuple[str, str]] | None


def fit_drivers(
    data: Dataset | Moments,
    *,
    outcome: str = "conversion",
    half_lives: Mapping[str, float] | None = None,
    saturation: str = "log",
    traits: bool = True,
    touch_rate: bool = False,
    synergy: Synergy = None,
    seed: int = 1,
) -> Drivers:
    """Estimate which touchpoints change the rate of an outcome, and for how long.

    It answers what would not have happened without a touchpoint, for touches that come
    at random given what the data shows: time at risk, calendar, traits, earlier outcomes
    and the other touches. Touches aimed at an intent that nothing shows look better than
    they are; only an experiment corrects that.

    Parameters
    ----------
    data
        An opened Dataset, or moments already sampled (`outcome` and `seed` are theirs then).
    outcome
        A name in ``outcomes.outcome``. Risk of churn and referral starts at the first
        conversion; churn ends all risk. An outcome that nobody in the data has twice comes
        once, and ends its own.
    half_lives
        Days by touchpoint, to hold them fixed; None estimates them, shrunk towards a
        common one.
    saturation
        How exposure A enters the log hazard: ``"log"`` as log(1 + A), ``"exp"`` as
        1 - exp(-A).
    traits
        Whether traits of customers are controlled for.
    touch_rate
        Adds the customer's long-run rate of touches as a stand-in for intent.
    synergy
        Pairs of touchpoints, by name, that may work better or worse together than apart;
        ``"screen"`` looks for such pairs and keeps those beyond chance. None, the default,
        takes none: pairs tell more, but the amounts are no nearer to the truth
        (docs/decisions/0008).
    seed
        Of the sample of moments.

    Returns
    -------
    Drivers
        With ``.incremental()``, ``.baseline``, ``.hazard_ratios``, ``.synergies``,
        ``.regression``, ``.notes``.

    Raises
    ------
    ParameterError, DataError
        For unknown names, and where nobody is at risk or nothing happens.

    Warns
    -----
    TouchlabWarning
        For each trouble that leaves a usable result; also in ``.notes``.

    Notes
    -----
    Case-base sampling [Hanley & Miettinen 2009]; exposure A = sum of 0.5^(age / half-life).

    Examples
    --------
    >>> import touchlab as tl
    >>> from touchlab.drivers.fit import fit_drivers
    >>> drivers = fit_drivers(tl.open_data("data/sample"), outcome="churn")
    >>> drivers.incremental().columns.tolist()[:5]
    ['touchpoint', 'incremental', 'share', 'ci_low', 'ci_high']
    """
    if saturation not in SATURATIONS:
        raise ParameterError(f"saturation: {saturation!r} is not a choice\n  use 'log' or 'exp'")
    moments = data
    if not isinstance(moments, Moments):
        again = comes_again(moments, outcome)
        moments = sample_moments(moments, outcome=outcome, recurrent=again, seed=seed)
    controls = build_controls(moments, touch_rate=touch_rate, traits=traits)
    model = Model(moments, controls, saturation, _fixed(moments, half_lives))
    model, parameters, found = choose_pairs(model, synergy)
    troubles = find_troubles(model, parameters)
    for trouble in troubles:
        warnings.warn(trouble, TouchlabWarning, stacklevel=2)
    notes = (*controls.notes, *found, *troubles)
    return Drivers(model, parameters, leave_group_out(model, parameters), notes)


def _fixed(moments: Moments, half_lives: Mapping[str, float] | None) -> Floats | None:
    if half_lives is None:
        return None
    missing = [t for t in moments.touchpoints if t not in half_lives]
    unknown = [t for t in half_lives if t not in moments.touchpoints]
    if missing or unknown:
        failed = "none given for" if missing else "no touchpoint is named"
        raise ParameterError(
            f"half_lives: {failed} {listing(missing or unknown, most=5)}\n"
            "  give days for every touchpoint, or None to estimate them"
        )
    low, high = moments.half_lives[0], moments.half_lives[-1]
    wrong = [t for t, days in half_lives.items() if not low <= days <= high]
    if wrong:
        raise ParameterError(
            f"half_lives: {wrong[0]!r} has {half_lives[wrong[0]]!r}\n"
            f"  give days from {low:g} to {high:g}"
        )
    return np.array([float(half_lives[t]) for t in moments.touchpoints])
