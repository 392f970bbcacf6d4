"""What the drivers and an experiment say together about one touchpoint, and the effect for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import ibis
import numpy as np
import numpy.typing as npt

from touchlab.drivers.calibration.holdouts import ARMS, Holdouts, by_group
from touchlab.drivers.effects import Past
from touchlab.drivers.fit import Drivers
from touchlab.drivers.hazard import LARGEST, Parameters, chance, exposures_at, ratios
from touchlab.drivers.ratios import Ratios
from touchlab.replicates import GROUPS, jackknife

Floats = npt.NDArray[np.float64]
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
