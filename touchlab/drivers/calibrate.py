"""Bringing the drivers in line with experiments: one target and one effect a touchpoint."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize

from touchlab.data.contract import listing
from touchlab.data.customers import DAY_SECONDS
from touchlab.drivers.arms import as_replicates, carried
from touchlab.drivers.design import Columns
from touchlab.drivers.effects import Ahead, Ratios
from touchlab.drivers.experiments import ARMS, Holdouts, by_group
from touchlab.drivers.hazard import LARGEST
from touchlab.drivers.lead import SEEN, lead_test
from touchlab.drivers.model import NEGLIGIBLE, Model, between, chance, ratios, saturate
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError
from touchlab.moments.look import Points
from touchlab.numeric import GROUPS, LEFT_OUT, Floats, jackknife, one_thread
from touchlab.once import once

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
STEP = 1e-3


@dataclass(frozen=True, repr=False)
class CalibratedDrivers(Drivers):
    """Drivers whose effects agree with experiments; same questions, same answers' columns."""

    uncalibrated: Drivers = field(kw_only=True, repr=False)
    experiments: pd.DataFrame = field(kw_only=True, repr=False)
    """A row a calibrated touchpoint; see `change`."""

    @property
    def regression(self) -> Any:
        """That before calibration: the likelihood is the same."""
        return self.uncalibrated.regression

    @property
    def beyond_reach(self) -> list[str]:
        """Touchpoints whose experiment no coefficient repeats."""
        return list(self.experiments.query("not reached").touchpoint)

    @cached_property
    def change(self) -> pd.DataFrame:
        """Before and after, a row a calibrated touchpoint.

        Columns: touchpoint, before, before_low, before_high, after, after_low, after_high
        (incremental outcomes, over all time at risk), hazard_ratio_before, hazard_ratio,
        experiment, model, target (incremental among the treated, during the experiment),
        weight (of the experiment in the target), doubted, covered (share of time at risk in
        the experiment), seen (the smallest bias of the model, in outcomes as `model`, that the
        experiment would have shown four times in five), reached (whether an effect with that
        target exists), randomised.
        """
        columns = ["touchpoint", "incremental", "ci_low", "ci_high", "hazard_ratio"]
        names = ["touchpoint", "before", "before_low", "before_high", "hazard_ratio_before"]
        old = self.uncalibrated.incremental(total=False)[columns].set_axis(names, axis=1)
        names = ["touchpoint", "after", "after_low", "after_high", "hazard_ratio"]
        new = self.incremental(total=False)[columns].set_axis(names, axis=1)
        table = self.experiments.merge(old, on="touchpoint").merge(new, on="touchpoint")
        first = [*old.columns[:4], *new.columns[1:4], "hazard_ratio_before", "hazard_ratio"]
        return table[[*first, *self.experiments.columns[1:]]]

    def before_and_after(self) -> pd.DataFrame:
        """The columns of `change` that a reader needs."""
        columns = ["touchpoint", "before", "before_low", "before_high"]
        return self.change[[*columns, "after", "after_low", "after_high", "weight"]]


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
        As returned by ``holdout_effects`` for the same data and outcome, counted; with it come
        lifts that are no list of customers, and comparisons of regions.
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
    m(b) = target, in each replicate too, and intervals are widened by
    (1 - w)^2 max(B, (0.5 m')^2): what is granted for the weight is granted for the width.

    What the fit found beyond b, b_model - b, is not thrown away: it is what the touches tell
    about customers without changing them (intent), and stays in the hazard as a control. Expected
    outcomes do not change, and other touchpoints do not inherit the confounding; they keep
    their own. Half-lives stay as estimated. A lift, or a comparison of clusters, stands for t
    with its standard error, and C = 0; of the model's removal in its window counts the share
    that touches within the window bring.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> calibrated = tl.calibrate(tl.fit_drivers(data), tl.holdout_effects(data))
    >>> calibrated.change.touchpoint.tolist()
    ['email_newsletter', 'retargeting']
    """
    names = _shared(drivers, holdouts)
    places = [drivers.moments.touchpoints.index(name) for name in names]
    asked = "calibrated", drivers.key, holdouts.table.to_csv(), doubted and sorted(doubted)
    found = once(
        asked, lambda: _find_targets(drivers, holdouts, places, doubted), data=holdouts.data
    )
    own = {part.name: getattr(drivers, part.name) for part in fields(Drivers)}
    own["model"] = model = _keep_intent(drivers, places)
    packed = np.vstack([drivers.parameters.packed, drivers.replicates])
    shifted = _shift(drivers.model, packed, places, np.column_stack([one.effects for one in found]))
    own |= {"parameters": model.parameters(shifted[0]), "replicates": shifted[1:]}
    own["notes"] = (*drivers.notes, *holdouts.notes, *(one.note for one in found if one.note))
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


def _find_targets(
    drivers: Drivers, holdouts: Holdouts, places: list[int], doubted: Collection[str] | None
) -> list[Target]:
    if doubted is None:
        lead = lead_test(holdouts.data, drivers)
        doubted = list(lead.touchpoint[lead.lead_fires])
    names = [drivers.moments.touchpoints[place] for place in places]
    arms = [_arms(drivers, holdouts, name) for name in names]
    contrasts = _contrasts(drivers, holdouts, places, arms)
    return [
        _find_target(drivers, holdouts, name, contrasts[name], arm, name in doubted)
        for name, arm in zip(names, arms, strict=True)
    ]


@dataclass(frozen=True)
class Target:
    """The calibrated coefficient of a touchpoint: whole, then without each group."""

    effects: Floats
    row: dict[str, object]
    note: str = ""


@dataclass(frozen=True)
class Contrast:
    """Expected removal of one touchpoint: among the treated, beyond that in the holdout."""

    removed: Callable[[float], float]
    """By coefficient; in outcomes of all treated customers."""
    effect: float
    """The model's own coefficient."""
    others: float
    """What other touchpoints brought to the treated arm beyond the holdout."""

    def slope(self, effect: float) -> float:
        return (self.removed(effect + STEP) - self.removed(effect - STEP)) / (2 * STEP)


def _find_target(
    drivers: Drivers,
    holdouts: Holdouts,
    name: str,
    found: list[Contrast],
    arms: Flags,
    doubted: bool,
) -> Target:
    """Weigh model and experiment, and solve for the coefficients that repeat the result."""
    people = by_group(holdouts.groups, name, "n")
    own = np.array([one.effect for one in found])
    model = np.array([one.removed(one.effect) for one in found])
    lift = holdouts.lifts[holdouts.lifts.touchpoint == name]
    if len(lift):
        given, error = lift[["lift", "se"]].to_numpy(float)[0]
        direct = as_replicates(given, error, model, int(lift.index[0]))
    else:
        itt = _difference(people, by_group(holdouts.groups, name, "total"))
        direct = itt - np.array([one.others for one in found])
    slope = found[0].slope(own[0])
    weight, bias = weigh(direct, model, doubt=DOUBT * slope, doubted=doubted)
    target = weight * direct + (1 - weight) * model
    covered = float(arms[:, drivers.model.event == 0].any(axis=0).mean())
    row = {"touchpoint": name, "experiment": direct[0], "model": model[0], "target": target[0]}
    row |= {"weight": weight, "doubted": doubted, "covered": covered}
    apart, _ = jackknife(direct[0] - model[0], direct[1:] - model[1:])
    row |= {"seen": SEEN * float(apart), "reached": False, "randomised": False}
    removed = found[0].removed
    if not removed(-LARGEST) < target[0] < removed(LARGEST) or slope <= 0:
        note = f"{name}: no effect agrees with its experiment; left as estimated"
        return Target(own, row | {"weight": 0.0, "target": model[0]}, note)
    effect = optimize.brentq(lambda b: removed(b) - target[0], -LARGEST, LARGEST, xtol=1e-12)
    replicates = np.full(GROUPS, effect)
    for g, one in enumerate(found[1:]):  # one Newton step from the effect of all
        if (slope := one.slope(effect)) > 0:
            replicates[g] += (target[g + 1] - one.removed(effect)) / slope
    error, _ = jackknife(target[0], target[1:])
    if error > 0:
        replicates = effect + (replicates - effect) * np.hypot(1, (1 - weight) * bias / error)
    listed = people.any()  # or a lift from elsewhere, of customers who are not known
    enough = (not listed or min(people.sum(axis=1)) >= ENOUGH) and covered >= COVERED
    row |= {"reached": True, "randomised": bool(enough and weight >= RANDOMISED)}
    return Target(np.append(effect, replicates.clip(-LARGEST, LARGEST)), row)


def weigh(direct: Floats, model: Floats, *, doubt: float, doubted: bool) -> tuple[float, float]:
    """Weight of the experiment, and the bias granted to the model: what shows, or the doubt.

    The first two have the estimate first, then those without each group.

    >>> rest = np.tile([-1.0, 1.0], 25)
    >>> experiment, model = np.r_[100, 100 + 3 * rest], np.r_[100, 100 + rest[::-1]]
    >>> weight, bias = weigh(experiment, model, doubt=10.0, doubted=False)
    >>> round(weight, 2), bias
    (0.33, 10.0)
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
    return weight, float(np.sqrt(max(bias, doubt**2)))


def _arms(drivers: Drivers, holdouts: Holdouts, name: str) -> Flags:
    """Which moments lie in the experiment of a touchpoint, by arm: (arms, moments)."""
    table = drivers.moments.table
    if name not in set(holdouts.groups.touchpoint):  # a lift: all customers, in its windows
        row = holdouts.lifts.set_index("touchpoint").loc[name]
        within = ((table.time >= row.start) & (table.time < row.stop)).to_numpy()
        return np.array([within, np.zeros_like(within)])
    known = ibis.memtable(table[["customer"]].drop_duplicates())
    units = holdouts.units.filter(holdouts.units.touchpoint == name)
    units = units.semi_join(known, units.customer_id == known.customer).to_pandas()
    sample = table[["customer", "time"]].assign(moment=np.arange(len(table)))
    rows = sample.merge(units, left_on="customer", right_on="customer_id")
    rows = rows[(rows.time >= rows.start) & (rows.time < rows.stop)]
    inside = np.zeros((len(ARMS), len(table)), dtype=bool)
    for place, arm in enumerate(ARMS):
        inside[place, rows.moment[rows.arm == arm]] = True
    return inside


def _difference(people: Floats, total: Floats) -> Floats:
    """Intention-to-treat effect in outcomes of all treated: whole, then without each group."""
    n = people.sum(axis=1)[:, None] - np.column_stack([np.zeros(2), people])
    sums = total.sum(axis=1)[:, None] - np.column_stack([np.zeros(2), total])
    rate = sums / n.clip(min=1)
    return np.asarray((rate[0] - rate[1]) * people[0].sum())


@dataclass(frozen=True)
class Expectation:
    """What the model expects at each moment, with some parameters."""

    expected: Floats
    effects: Floats
    exposure: Floats
    found: Ratios
    ahead: Ahead | None


def _contrasts(
    drivers: Drivers, holdouts: Holdouts, places: list[int], arms: list[Flags]
) -> dict[str, list[Contrast]]:
    """The model's side of each comparison: with all customers, then without each group."""
    names = [drivers.moments.touchpoints[place] for place in places]
    people = [by_group(holdouts.groups, name, "n") for name in names]
    contrasts: dict[str, list[Contrast]] = {name: [] for name in names}
    for without, packed in enumerate([drivers.parameters.packed, *drivers.replicates], start=-1):
        given = drivers.model.parameters(packed)
        exposure = drivers.model.exposure(given)
        expected = chance(drivers.model, given, exposure) * drivers.moments.events_each
        expected = expected * (drivers.model.group != without)
        found = ratios(drivers.model, given, exposure)
        now = Expectation(expected, given.effects, exposure, found, drivers._ahead(given))
        for name, place, arm, own in zip(names, places, arms, people, strict=True):
            n = own.sum(axis=1) - (own[:, without] if without >= 0 else 0.0)
            cells = own[0].sum() * (arm[0] / max(n[0], 1) - arm[1] / max(n[1], 1))
            if not own.any():
                row = holdouts.lifts.set_index("touchpoint").loc[name]
                days, whole = (row.stop - row.start) / DAY_SECONDS, LEFT_OUT[without + 1].max()
                cells = arm[0] * whole * carried(days, 2 ** given.log_half_lives[place])
            contrasts[name].append(_contrast(now, place, np.flatnonzero(arm.any(axis=0)), cells))
    return contrasts


def _contrast(now: Expectation, place: int, rows: npt.NDArray[np.int64], cells: Floats) -> Contrast:
    expected = now.expected[rows] * cells[rows]
    each, whole = now.found.each[place, rows], now.found.whole[rows]
    others = float((expected * np.exp(-each)) @ -np.expm1(each - whole))
    if now.ahead is None:
        touched = now.exposure[place, rows] > NEGLIGIBLE
        rows, expected = rows[touched], expected[touched]
    exposure, through = now.exposure[place, rows], _through(now, place, rows)
    pairs = now.found.each[place, rows] - now.found.single[place, rows]

    def removed(effect: float) -> float:
        return float((expected * through(effect)) @ -np.expm1(-effect * exposure - pairs))

    return Contrast(removed, float(now.effects[place]), others)


def _through(
    now: Expectation, place: int, rows: npt.NDArray[np.int64]
) -> Callable[[float], Floats | float]:
    """Chance that what is lost stays lost, for outcomes that come once; see effects."""
    ahead, own_effect = now.ahead, now.effects[place]
    if ahead is None:
        return lambda effect: 1.0
    draws = np.arange(len(ahead.hazard)).reshape(ahead.moments, -1)[rows].ravel()
    hazard, each = ahead.hazard[draws], ahead.ratios.each[place, draws]
    exposure = ahead.ratios.single[place, draws] / own_effect if own_effect else np.zeros_like(each)

    def gather(effect: float) -> Floats:
        without = hazard * np.exp((own_effect - effect) * exposure - each)
        return np.asarray(np.exp(-without.reshape(len(rows), -1).sum(axis=1)))

    return gather


def _keep_intent(drivers: Drivers, places: list[int]) -> Model:
    """Add the exposures of calibrated touchpoints to the controls, unscaled."""
    model, moments, controls = drivers.model, drivers.moments, drivers.model.controls
    lives = drivers.parameters.log_half_lives
    for place, seen in zip(places, model.exposure(drivers.parameters)[places], strict=True):
        name = f"intent shown by {moments.touchpoints[place]}"
        how = name, place, model.saturation, moments.half_lives, lives[[place]]
        controls = controls.and_one(name, seen, partial(_intent, *how))
    return replace(model, controls=controls)


def _intent(
    name: str,
    place: int,
    saturation: str,
    half_lives: tuple[float, ...],
    log_half_life: Floats,
    points: Points,
) -> Columns:
    saturated = saturate(points.exposure[place : place + 1], saturation)
    return {name: between(saturated, half_lives, log_half_life)[0][0]}


def _shift(model: Model, packed: Floats, places: list[int], effects: Floats) -> Floats:
    """Set effects, and add what they lose as coefficients of the new controls."""
    shifted, end = packed.copy(), packed.shape[1] - len(model.pairs)
    shifted[:, places] = effects
    return np.column_stack([shifted[:, :end], packed[:, places] - effects, packed[:, end:]])
