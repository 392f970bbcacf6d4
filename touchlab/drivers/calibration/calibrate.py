"""Bring drivers in line with what experiments found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.contract import listing
from touchlab.drivers.calibration.holdouts import Holdouts
from touchlab.drivers.calibration.target import find_targets
from touchlab.drivers.design import Columns, Controls, Maker
from touchlab.drivers.fit import Drivers
from touchlab.drivers.hazard import Model, Parameters, between, one_thread, saturate
from touchlab.drivers.lead import lead_test
from touchlab.errors import ParameterError
from touchlab.moments import Points

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class CalibratedDrivers(Drivers):
    """Drivers whose effects agree with experiments; same questions, same answers' columns."""

    uncalibrated: Drivers = field(kw_only=True, repr=False)
    experiments: pd.DataFrame = field(kw_only=True, repr=False)
    """A row a calibrated touchpoint; see `change`."""

    @property
    def regression(self) -> Any:
        """statsmodels results before calibration: the likelihood is the same."""
        return self.uncalibrated.regression

    @cached_property
    def change(self) -> pd.DataFrame:
        """Before and after, a row a calibrated touchpoint.

        Columns: touchpoint, before, before_low, before_high, after, after_low, after_high
        (incremental outcomes, over all time at risk), hazard_ratio_before, hazard_ratio,
        experiment, model, target (incremental among the treated, during the experiment),
        weight (of the experiment in the target), doubted, covered (share of time at risk in
        the experiment), reached (whether an effect with that target exists), randomised.
        """
        columns = ["touchpoint", "incremental", "ci_low", "ci_high", "hazard_ratio"]
        names = ["touchpoint", "before", "before_low", "before_high", "hazard_ratio_before"]
        old = self.uncalibrated.incremental(total=False)[columns].set_axis(names, axis=1)
        names = ["touchpoint", "after", "after_low", "after_high", "hazard_ratio"]
        new = self.incremental(total=False)[columns].set_axis(names, axis=1)
        table = self.experiments.merge(old, on="touchpoint").merge(new, on="touchpoint")
        first = [*old.columns[:4], *new.columns[1:4], "hazard_ratio_before", "hazard_ratio"]
        return table[[*first, *self.experiments.columns[1:]]]


@one_thread
def calibrate(
    drivers: Drivers, holdouts: Holdouts, *, doubted: Collection[str] | None = None
) -> CalibratedDrivers:
    """Shift the effects of touchpoints with a holdout until the drivers repeat the experiment.

    Parameters
    ----------
    drivers
        As returned by ``fit_drivers``.
    holdouts
        As returned by ``holdout_effects`` for the same data and outcome, counted.
    doubted
        Touchpoints for which the model counts for nothing beside the experiment. None: those
        for which the lead test fires.

    Returns
    -------
    CalibratedDrivers
        Drivers, with ``.change`` (before and after).

    Raises
    ------
    ParameterError
        For holdouts of another outcome, of value, or of no touchpoint of the drivers, and for
        drivers that are calibrated already.

    Notes
    -----
    Let m(b) be the removal of touchpoint k with coefficient b that the model expects during the
    experiment, per treated customer minus per held-out customer, and t the intention-to-treat
    difference, less what chance and induced touches of *other* touchpoints brought to one arm
    more than to the other. The target is w t + (1 - w) m(b_model), where

        1 - w = (V_t - C) / (V_t + V_m - 2 C + max(B, (0.5 m')^2)), between 0 and 1,
        B = (t - m)^2 - 1.96^2 (V_t + V_m - 2 C), at least 0,

    with variances V_t, V_m and covariance C from leaving customer groups out (both use the
    same customers), and B the squared bias that shows: what the two disagree by beyond chance.
    Never less is granted than an error of 0.5 in b (m' is the slope of m). Touchpoints that are
    doubted have w = 1: hidden intent is bias, which no variance shows. b is solved for
    m(b) = target, in each replicate too, and intervals are widened by (1 - w)^2 B.

    What the fit found beyond b, b_model - b, is not thrown away: it is what the touches tell
    about customers without changing them (intent), and stays in the hazard as a control. Expected
    outcomes do not change, and other touchpoints do not inherit the confounding; they keep
    their own. Half-lives stay as estimated.

    Examples
    --------
    >>> import touchlab as tl
    >>> from touchlab.drivers.calibration import calibrate, holdout_effects
    >>> data = tl.open_data("data/sample")
    >>> calibrated = calibrate(tl.fit_drivers(data), holdout_effects(data))
    >>> calibrated.change.touchpoint.tolist()
    ['email_newsletter', 'retargeting']
    """
    names = _shared(drivers, holdouts)
    if doubted is None:
        lead = lead_test(holdouts.data, drivers)
        doubted = list(lead.touchpoint[lead.lead_fires])
    found = find_targets(drivers, holdouts, names, doubted=doubted)
    places = [drivers.moments.touchpoints.index(name) for name in names]
    replicates = np.column_stack([one.replicates for one in found])
    model = _keep_intent(drivers, places)
    own = {part.name: getattr(drivers, part.name) for part in fields(Drivers)}
    own |= {
        "model": model,
        "parameters": model.parameters(
            _shift(drivers.parameters, places, np.array([one.effect for one in found]))
        ),
        "replicates": np.stack(
            [
                _shift(drivers.model.parameters(packed), places, effects)
                for packed, effects in zip(drivers.replicates, replicates, strict=True)
            ]
        ),
        "notes": (*drivers.notes, *holdouts.notes, *(note for one in found for note in one.notes)),
    }
    table = pd.DataFrame([one.row for one in found])
    return CalibratedDrivers(**own, uncalibrated=drivers, experiments=table)


def _shared(drivers: Drivers, holdouts: Holdouts) -> list[str]:
    """Touchpoints with a holdout, once it is sure that the two speak of the same thing."""
    outcome, other = drivers.moments.risk.outcome, holdouts.risk.outcome
    known = drivers.moments.touchpoints
    names = [name for name in holdouts.table.touchpoint if name in known]
    if isinstance(drivers, CalibratedDrivers):
        wrong, mend = "the drivers are calibrated already", "give drivers.uncalibrated"
    elif outcome != other:
        wrong = f"the drivers are of {outcome}, the holdouts of {other}"
        mend = f"give holdout_effects(data, outcome={outcome!r})"
    elif holdouts.measure != "count":
        wrong, mend = "the holdouts are of value", "give holdout_effects(..., measure='count')"
    elif not names:
        found = listing(holdouts.table.touchpoint)
        wrong = f"no touchpoint of the drivers has a holdout; holdouts are of {found}"
        mend = f"name them as in touches: {listing(known)}"
    else:
        return names
    raise ParameterError(f"calibrate: {wrong}\n  {mend}")


def _keep_intent(drivers: Drivers, places: list[int]) -> Model:
    """Add the exposures of calibrated touchpoints to the controls, unscaled."""
    model, moments, controls = drivers.model, drivers.moments, drivers.model.controls
    makers = tuple(_exposure_of(drivers, place) for place in places)
    matrix = np.column_stack([*(next(iter(make(moments).values())) for make in makers)])
    names = tuple(f"intent shown by {moments.touchpoints[place]}" for place in places)
    wider = Controls(
        matrix=np.column_stack([controls.matrix, matrix]),
        names=(*controls.names, *names),
        notes=controls.notes,
        makers=(*controls.makers, *makers),
        centre=np.append(controls.centre, np.zeros(len(places))),
        spread=np.append(controls.spread, np.ones(len(places))),
    )
    return replace(model, controls=wider)


def _exposure_of(drivers: Drivers, place: int) -> Maker:
    moments, saturation = drivers.moments, drivers.model.saturation
    days = drivers.parameters.log_half_lives[place : place + 1]
    name = f"intent shown by {moments.touchpoints[place]}"
    return partial(_felt, name, place, saturation, moments.half_lives, days)


def _felt(
    name: str,
    place: int,
    saturation: str,
    half_lives: tuple[float, ...],
    days: Floats,
    points: Points,
) -> Columns:
    saturated = saturate(points.exposure[place : place + 1], saturation)
    return {name: between(saturated, half_lives, days)[0][0]}


def _shift(given: Parameters, places: list[int], effects: Floats) -> Floats:
    """Set effects, and add what they lose as coefficients of the new controls."""
    packed = given.packed.copy()
    lost = packed[places] - effects
    packed[places] = effects
    end = len(packed) - given.pairs
    return np.concatenate([packed[:end], lost, packed[end:]])
