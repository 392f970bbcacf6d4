"""What the drivers and an experiment say together about one touchpoint, and the effect for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.data.contract import listing
from touchlab.drivers.design import Columns, Controls, Maker
from touchlab.drivers.effects import Past, Ratios
from touchlab.drivers.experiments import ARMS, Holdouts, by_group
from touchlab.drivers.hazard import LARGEST, one_thread
from touchlab.drivers.lead import lead_test
from touchlab.drivers.model import (
    Model,
    Parameters,
    between,
    chance,
    exposures_at,
    ratios,
    saturate,
)
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError
from touchlab.moments.look import Points
from touchlab.numeric import GROUPS, Floats, jackknife

Flags = npt.NDArray[np.bool_]
DOUBT = 0.5
"""Hidden bias granted to a coefficient that no check speaks against (standard deviation).
Observational estimates of advertising were that far off, and farther [Gordon et al. 2019]."""
CHANCE = 1.96
"""Standard errors by which model and experiment may differ before it counts as bias."""
RANDOMISED = 0.5
"""Weight of the experiment from which on an effect is called randomised."""
ENOUGH, COVERED = 100, 0.1
"""Customers in each arm, and share of all time at risk in the experiment, for that name."""
HALVINGS = 40
STEP = 1e-3
NEGLIGIBLE = 1e-4
"""Exposure below which a moment adds nothing to a removal."""


@dataclass(frozen=True)
class Target:
    """The calibrated coefficient of a touchpoint, whole and without each group."""

    effect: float
    replicates: Floats
    row: dict[str, object]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Contrast:
    """Expected removal of one touchpoint: among the treated, beyond that in the holdout."""

    removed: Callable[[float], float]
    """By coefficient; in outcomes of all treated customers."""
    effect: float
    """The model's own coefficient."""
    others: float
    """What other touchpoints brought to the treated arm beyond the holdout."""


def find_targets(
    drivers: Drivers, holdouts: Holdouts, names: Sequence[str], *, doubted: Collection[str]
) -> list[Target]:
    """Weigh model and experiment, and solve for the coefficients that repeat the result."""
    places = [drivers.moments.touchpoints.index(name) for name in names]
    arms = [_arms(drivers, holdouts, name) for name in names]
    people = [by_group(holdouts.groups, name, "n") for name in names]
    found: list[list[Contrast]] = [[] for _ in names]
    for without, packed in enumerate([drivers.parameters.packed, *drivers.replicates], start=-1):
        expectation = _expect(drivers, packed, without)
        for own, place, arm, n in zip(found, places, arms, people, strict=True):
            own.append(_contrast(expectation, place, arm, n))
    return [
        _find_target(drivers, holdouts, name, contrasts, _base_share(drivers, arm), name in doubted)
        for name, contrasts, arm in zip(names, found, arms, strict=True)
    ]


def _find_target(
    drivers: Drivers,
    holdouts: Holdouts,
    name: str,
    found: list[Contrast],
    covered: float,
    doubted: bool,
) -> Target:
    people = by_group(holdouts.groups, name, "n")
    itt = _difference(people, by_group(holdouts.groups, name, "total"))
    direct = itt - np.array([one.others for one in found])
    model = np.array([one.removed(one.effect) for one in found])
    slope = _slope(found[0], found[0].effect)
    weight, bias = weigh(direct, model, doubt=DOUBT * slope, doubted=doubted)
    target = weight * direct + (1 - weight) * model
    enough = min(people.sum(axis=1)) >= ENOUGH and covered >= COVERED
    row = {
        "touchpoint": name,
        "experiment": direct[0],
        "model": model[0],
        "target": target[0],
        "weight": weight,
        "doubted": doubted,
        "covered": covered,
        "reached": False,
        "randomised": False,
    }
    effect = _solve(found[0].removed, target[0])
    if effect is None or slope <= 0:
        note = f"{name}: no effect agrees with its experiment; left as estimated"
        own = np.array([one.effect for one in found])
        return Target(own[0], own[1:], row | {"weight": 0.0, "target": model[0]}, (note,))
    replicates = _solve_again(found[1:], target[1:], effect)
    error, _ = jackknife(target[0], target[1:])
    if error > 0:
        replicates = effect + (replicates - effect) * np.hypot(1, (1 - weight) * bias / error)
    row |= {"reached": True, "randomised": bool(enough and weight >= RANDOMISED)}
    return Target(effect, replicates.clip(-LARGEST, LARGEST), row, ())


def weigh(direct: Floats, model: Floats, *, doubt: float, doubted: bool) -> tuple[float, float]:
    """Weight of the experiment, and by how much the two differ beyond chance.

    The first two have the estimate first, then those without each group.

    Examples
    --------
    >>> import numpy as np
    >>> rest = np.tile([-1.0, 1.0], 25)
    >>> experiment, model = np.r_[100, 100 + 3 * rest], np.r_[100, 100 + rest[::-1]]
    >>> weight, bias = weigh(experiment, model, doubt=10.0, doubted=False)
    >>> round(weight, 2), bias
    (0.33, 0.0)
    >>> weight, bias = weigh(experiment, model + 300, doubt=10.0, doubted=False)
    >>> round(weight, 2), round(bias)
    (0.99, 295)
    """
    apart, _ = jackknife(direct[0] - model[0], direct[1:] - model[1:])
    error, _ = jackknife(direct[0], direct[1:])
    own, _ = jackknife(model[0], model[1:])
    chance = float(apart) ** 2
    bias = max((direct[0] - model[0]) ** 2 - CHANCE**2 * chance, 0.0)
    shared = (float(error) ** 2 + float(own) ** 2 - chance) / 2
    whole = chance + max(bias, doubt**2)
    trust = (float(error) ** 2 - shared) / whole if whole > 0 else 0.0
    weight = 1.0 if doubted else 1.0 - float(np.clip(trust, 0.0, 1.0))
    return weight, float(np.sqrt(bias))


def _arms(drivers: Drivers, holdouts: Holdouts, name: str) -> Flags:
    """Which moments lie in the experiment of a touchpoint, by arm: (arms, moments)."""
    table = drivers.moments.table
    known = ibis.memtable(table[["customer"]].drop_duplicates())
    units = holdouts.units.filter(holdouts.units.touchpoint == name)
    units = units.semi_join(known, units.customer_id == known.customer).to_pandas()
    sample = table[["customer", "time"]].assign(moment=np.arange(len(table)))
    rows = sample.merge(units, left_on="customer", right_on="customer_id")
    rows = rows[(rows.time > rows.start) & (rows.time <= rows.stop)]
    inside = np.zeros((len(ARMS), len(table)), dtype=bool)
    for place, arm in enumerate(ARMS):
        inside[place, rows.moment[rows.arm == arm]] = True
    return inside


def _base_share(drivers: Drivers, arms: Flags) -> float:
    base = drivers.moments.table.event.to_numpy() == 0
    return float(arms[:, base].any(axis=0).mean())


def _difference(people: Floats, total: Floats) -> Floats:
    """Intention-to-treat effect in outcomes of all treated: whole, then without each group."""
    n = people.sum(axis=1)[:, None] - np.column_stack([np.zeros(2), people])
    sums = total.sum(axis=1)[:, None] - np.column_stack([np.zeros(2), total])
    rate = sums / n.clip(min=1)
    return np.asarray((rate[0] - rate[1]) * people[0].sum())


@dataclass(frozen=True)
class Expectation:
    """What the model expects at each moment, with some parameters, without one group."""

    drivers: Drivers
    given: Parameters
    without: int
    expected: Floats
    exposure: Floats
    found: Ratios
    past: Past | None


def _expect(drivers: Drivers, packed: Floats, without: int) -> Expectation:
    """Evaluate the model without one group of customers, or with all (-1)."""
    given = drivers.model.parameters(packed)
    exposure = exposures_at(drivers.model, given.log_half_lives)
    expected = chance(drivers.model, given, exposure) * drivers.moments.events_each
    if without >= 0:
        expected = expected * (drivers.moments.table.group.to_numpy() != without)
    found = ratios(drivers.model, given, exposure)
    return Expectation(drivers, given, without, expected, exposure, found, drivers._past(given))


def _contrast(model: Expectation, place: int, arms: Flags, people: Floats) -> Contrast:
    """Prepare the model's side of the comparison."""
    n = people.sum(axis=1) - (people[:, model.without] if model.without >= 0 else 0.0)
    rows = np.flatnonzero(arms.any(axis=0))
    cells = people[0].sum() * (arms[0, rows] / max(n[0], 1) - arms[1, rows] / max(n[1], 1))
    expected, whole = model.expected[rows] * cells, model.found.whole[rows]
    each = model.found.each[place, rows]
    others = float((expected * np.exp(-each)) @ -np.expm1(each - whole))
    if model.past is None:
        touched = model.exposure[place, rows] > NEGLIGIBLE
        rows, expected = rows[touched], expected[touched]
    own = model.exposure[place, rows]
    pairs = model.found.each[place, rows] - model.found.single[place, rows]
    again = _again(model, place, rows)

    def removed(effect: float) -> float:
        return float(expected @ -np.expm1(again(effect) - effect * own - pairs))

    return Contrast(removed, float(model.given.effects[place]), others)


def _again(
    model: Expectation, place: int, rows: npt.NDArray[np.int64]
) -> Callable[[float], Floats | float]:
    """How many more would be at risk (log), for outcomes that come once; see effects."""
    past = model.past
    if past is None:
        return lambda effect: 0.0
    each_moment = len(past.hazard) // past.moments
    draws = (rows[:, None] * each_moment + np.arange(each_moment)).ravel()
    hazard, own_effect = past.hazard[draws], model.given.effects[place]
    single, each = past.ratios.single[place, draws], past.ratios.each[place, draws]
    exposure = single / own_effect if own_effect else np.zeros(len(draws))

    def gather(effect: float) -> Floats:
        lost = hazard * -np.expm1(-(effect - own_effect) * exposure - each)
        return np.asarray(lost.reshape(len(rows), -1).sum(axis=1))

    return gather


def _solve(removed: Callable[[float], float], target: float) -> float | None:
    """Find the coefficient whose removal is the target, if there is one."""
    low, high = -LARGEST, LARGEST
    if not removed(low) < target < removed(high):
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if removed(middle) < target else (low, middle)
    return (low + high) / 2


def _solve_again(found: list[Contrast], target: Floats, effect: float) -> Floats:
    """One Newton step for each group left out, from the effect of all."""
    solved = np.full(GROUPS, effect)
    for g, one in enumerate(found):
        slope = _slope(one, effect)
        if slope > 0:
            solved[g] += (target[g] - one.removed(effect)) / slope
    return solved


def _slope(one: Contrast, effect: float) -> float:
    return (one.removed(effect + STEP) - one.removed(effect - STEP)) / (2 * STEP)


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
