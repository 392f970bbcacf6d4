"""Statistical trouble that leaves a usable result, by name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import ibis
import numpy as np
from scipy import stats

from touchlab.data.contract import listing, shorten
from touchlab.data.dataset import Dataset
from touchlab.drivers.design import build_controls
from touchlab.drivers.effects import Pairs, tie
from touchlab.drivers.hazard import Scorer, fit, leave_group_out
from touchlab.drivers.model import SATURATIONS, Model, Parameters, some_of
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError, TouchlabWarning
from touchlab.moments.risk import comes_again, seconds
from touchlab.moments.sample import Moments, sample_moments
from touchlab.numeric import Floats

FEW_EVENTS, FEW_CUSTOMERS = 30, 100
FEW_MOMENTS = 50
PRESENT, ALWAYS = 0.05, 0.95
ALIKE = 0.95
EXTREME = 5.0
AT_ONCE = 0.05
"""Share of outcomes at the instant of a touch from which on it is told."""


def find_troubles(model: Model, given: Parameters) -> list[str]:
    """Name what makes the result weak; a sentence each."""
    return [
        *_few(model),
        *_at_once(model.moments),
        *_presence(model, given),
        *_separation(model, given),
        *_alike(model, given),
    ]


def _few(model: Model) -> list[str]:
    moments, found = model.moments, []
    events = int(moments.table.event.sum())
    if events < FEW_EVENTS:
        found.append(f"few events: {events} {moments.risk.outcome}; intervals are rough")
    if moments.customers < FEW_CUSTOMERS:
        found.append(f"few customers: {moments.customers} at risk; intervals are rough")
    if not moments.windows_known:
        found.append(
            "no customers table: people who were never touched are unknown, so the baseline and "
            "what leans on it hold for people who were touched at some time"
        )
    return found


def _at_once(moments: Moments) -> list[str]:
    """Outcomes whose touch has their very time: dates without times, or a log of both at once."""
    events = moments.table[moments.table.event == 1][["customer", "time"]]
    touches = moments.data.touches
    own = touches.select(customer="customer_id", time=seconds(touches.timestamp))
    met = own.semi_join(ibis.memtable(events), ["customer", "time"]).distinct().to_pandas()
    count = len(events.merge(met, on=["customer", "time"]))
    if count < AT_ONCE * len(events):
        return []
    return [
        f"{count:,} of {len(events):,} {moments.risk.outcome} come at the very instant of a touch, "
        "which cannot count as earlier; give times to the second, and the touch first"
    ]


def _presence(model: Model, given: Parameters) -> list[str]:
    exposure, _ = model.exposures(given.log_half_lives)
    present = exposure > PRESENT
    few, always = present.sum(axis=1) < FEW_MOMENTS, present.mean(axis=1) > ALWAYS
    found = []
    if few.any():
        rule = "hardly ever present at a moment at risk; the effect is a guess"
        found.append(f"{_names(model, few)}: {rule}")
    if always.any():
        rule = "nearly always present; the effect leans on how recent touches are"
        found.append(f"{_names(model, always)}: {rule}")
    return found


def _separation(model: Model, given: Parameters) -> list[str]:
    extreme = np.abs(given.effects) > EXTREME
    if not extreme.any():
        return []
    rule = "nearly separates outcomes from the rest; the effect is held finite"
    return [f"{_names(model, extreme)}: {rule}"]


def _alike(model: Model, given: Parameters) -> list[str]:
    exposure, _ = model.exposures(given.log_half_lives)
    varying = np.flatnonzero(exposure.std(axis=1) > 0)
    if len(varying) < 2:
        return []
    alike = np.triu(np.corrcoef(exposure[varying]), 1) > ALIKE
    names = np.array(model.moments.touchpoints, dtype=object)[varying]
    rule = "come together: their effects cannot be told apart"
    return [
        f"{_quote(names[i])} and {_quote(names[j])} {rule}"
        for i, j in zip(*np.nonzero(alike), strict=True)
    ]


def _names(model: Model, chosen: np.ndarray) -> str:
    return listing([t for t, yes in zip(model.moments.touchpoints, chosen, strict=True) if yes])


def _quote(name: str) -> str:
    return shorten(name)[1:-1]


LEVEL = 0.1
"""Chance that the screen takes any pair where there is none."""
FEWEST_TOGETHER = 20
"""Events at which both touchpoints are present, for a pair to be looked at."""
PRESENT = 0.05
MOST_PAIRS, MOST_TIED = 6, 8
"""Effects honour pairs by going through the coalitions of touchpoints tied together."""
MOST_WORK = 4e10
"""Multiplications; beyond it the screen looks at a part of the moments."""


@dataclass(frozen=True)
class Score:
    """How much a pair would gain: z of its score, 0 where too few events tell."""

    pairs: Pairs
    z: Floats


def choose_pairs(
    model: Model, synergy: str | Sequence[tuple[str, str]] | None
) -> tuple[Model, Parameters, list[str]]:
    """Fit the model with the pairs asked for, or those that the screen finds; and notes.

    The screen goes forward: it takes the pair whose score is furthest from 0, refits and
    looks again, until none is beyond the threshold.
    """
    if synergy is None:
        return model, fit(model), []
    if not isinstance(synergy, str):
        model = replace(model, pairs=_asked(model, synergy))
        return model, fit(model), []
    if synergy != "screen":
        raise ParameterError(
            f"synergy: {synergy!r} is not a choice\n  use 'screen', None, or pairs of touchpoints"
        )
    given = fit(model)
    while len(model.pairs) < MOST_PAIRS:
        score = score_pairs(model, given)
        found = _strongest(model, score)
        if found is None:
            break
        start = np.append(given.packed, 0.0)
        model = replace(model, pairs=(*model.pairs, found))
        given = fit(model, start)
    names = model.moments.touchpoints
    notes = [
        f"synergy found: {listing([names[a]])} with {listing([names[b]])}" for a, b in model.pairs
    ]
    return model, given, notes


def score_pairs(model: Model, given: Parameters) -> Score:
    """Score tests of all pairs that the model does not have."""
    model = _manageable(model)
    scorer, k = Scorer(model, given), model.touchpoints
    exposure = scorer.design[:k]
    here = (exposure > PRESENT) & (model.moments.table.event.to_numpy() == 1)
    together = here.astype(float) @ here.T.astype(float)
    pairs: list[tuple[int, int]] = []
    z: list[Floats] = []
    for a in range(k - 1):
        enough = [b for b in range(a + 1, k) if together[a, b] >= FEWEST_TOGETHER]
        others = [b for b in enough if (a, b) not in model.pairs]
        if others:
            z.append(scorer.z(exposure[a] * exposure[others]))
            pairs += [(a, b) for b in others]
    return Score(tuple(pairs), np.concatenate(z) if z else np.zeros(0))


def _strongest(model: Model, score: Score) -> tuple[int, int] | None:
    if not score.pairs:
        return None
    threshold = stats.norm.isf(LEVEL / 2 / len(score.pairs))
    for i in np.argsort(-np.abs(score.z)):
        if abs(score.z[i]) < threshold:
            return None
        if max(map(len, tie((*model.pairs, score.pairs[i])))) <= MOST_TIED:
            return score.pairs[i]
    return None


def _manageable(model: Model) -> Model:
    """Take every so many moments where all would be too much work; a part is a fair sample."""
    count, k = len(model.moments.table), model.touchpoints
    step = int(np.ceil(count * k**2 / 2 * (model.size + 4) / MOST_WORK))
    return model if step <= 1 else some_of(model, np.arange(0, count, step))


def _asked(model: Model, synergy: Sequence[tuple[str, str]]) -> Pairs:
    names = list(model.moments.touchpoints)
    found: list[tuple[int, int]] = []
    for pair in synergy:
        if len(pair) != 2 or pair[0] == pair[1] or any(name not in names for name in pair):
            raise ParameterError(
                f"synergy: {pair!r} is not a pair of touchpoints\n"
                f"  give two different ones of {listing(names)}"
            )
        a, b = sorted(names.index(name) for name in pair)
        found.append((a, b))
    pairs = tuple(dict.fromkeys(found))
    if pairs and max(map(len, tie(pairs))) > MOST_TIED:
        raise ParameterError(
            f"synergy: the pairs tie more than {MOST_TIED} touchpoints together\n  give fewer pairs"
        )
    return pairs


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
