"""Drivers of value: how often outcomes come, times how much each is worth.

The hazard says how often. How much an outcome is worth is a second regression on the same
exposures and controls, at the moments of the outcomes: log mean value = controls + sum of
effects times saturated exposures, with half-lives of its own, by quasi-likelihood of the gamma
family, whose spread is in proportion to the mean (docs/decisions/0024). Both are log-linear, so
that a touchpoint is taken away from the two of them alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.data.customers import seconds
from touchlab.drivers.effects import Ahead, Ratios, along_diagonal, lost, share_rest
from touchlab.drivers.hazard import Curve, descend, limits, penalty_of, slopes, step_within
from touchlab.drivers.model import Model, Parameters, Sets, blocks, log_hazard, some_of
from touchlab.errors import MissingInput
from touchlab.moments.risk import risk_windows, within
from touchlab.moments.sample import Moments
from touchlab.numeric import (
    GROUPS,
    LEFT_OUT,
    Floats,
    customer_group,
    interval,
    jackknife,
    one_thread,
)
from touchlab.once import once

if TYPE_CHECKING:
    from touchlab.drivers.result import Drivers

EFFECT_SPREAD, CONTROL_SPREAD = 1.0, 0.5
"""Standard deviations of priors around no effect on the log of the value."""
LARGEST, MOST_TIMES = 5.0, 1_000.0
"""Bounds of an effect: on the log of the value by unit of exposure, and on the value at the
largest exposure there is."""
LEAST_SPREAD, ROUNDS, STEPS = 0.01, 2, 2
TOP, MUCH = 0.01, 0.25
"""If so few customers hold so much of the value, it is told."""


@dataclass(frozen=True)
class Sizes:
    """How much an outcome is worth, by moment: `packed` whole, then without each group."""

    packed: Floats
    totals: Floats
    """(sets,): value of all outcomes at risk, and without each group, scaled to as many."""
    most: float
    """Log of the largest value over the mean: no moment is worth more."""
    notes: tuple[str, ...]


@one_thread
def fit_sizes(drivers: Drivers) -> Sizes:
    """Fit the value of an outcome to what was known just before it.

    What an experiment corrected in the counts is not taken over: experiments on value stand
    beside these figures.
    """
    model = _size_model(drivers)
    values, totals, notes = _values(model.moments)
    events = some_of(model, np.flatnonzero(model.event == 1))
    scale = values.mean()
    given, k = np.zeros(model.size), model.touchpoints
    given[k : 2 * k] = drivers.parameters.log_half_lives
    spread = float(values.var()) / scale**2
    for _ in range(ROUNDS):
        curve = _curve(events, values / scale, np.ones(GROUPS), spread)
        given, _ = descend(curve, given, *_limits(events))
        eta = _log_size(events, given)
        spread = float(np.mean((values / scale * np.exp(-eta) - 1) ** 2))
    packed = [given]
    for weights in LEFT_OUT[1:]:
        curve, without = _curve(events, values / scale, weights, spread), given
        for _ in range(STEPS):  # from the whole fit, as `leave_group_out` does
            curvature, slope, _ = curve(without)
            without = step_within(without, curvature, slope, *_limits(events))
        packed.append(without)
    most = float(np.log(values.max() / scale))
    return Sizes(np.stack(packed), LEFT_OUT @ totals, most, notes)


def _size_model(drivers: Drivers) -> Model:
    """Controls and exposures as in the hazard before calibration; synergies are left to that."""
    model = getattr(drivers, "uncalibrated", drivers).model
    return replace(model, pairs=(), controls=replace(model.controls, held=()))


def _log_size(model: Model, packed: Floats) -> Floats:
    given = model.parameters(packed)
    return log_hazard(model, given, model.exposure(given))


def _curve(
    model: Model, value: Floats, weights: Floats, spread: float
) -> Callable[[Floats], Curve]:
    """Minus the quasi-likelihood of the gamma family, log link, with priors."""
    weight = weights[model.group] / max(spread, LEAST_SPREAD)
    penalty, target = penalty_of(model)
    k = model.touchpoints
    own = np.full(model.size, CONTROL_SPREAD**-2)
    own[:k], own[k : 2 * k], own[2 * k] = EFFECT_SPREAD**-2, 0.0, 0.0
    penalty = penalty + np.diag(own)

    def at(packed: Floats) -> Curve:
        given: Parameters = model.parameters(packed)
        exposure, design = slopes(model, given)
        eta, pull = log_hazard(model, given, exposure), penalty @ (packed - target)
        ratio = value * np.exp(-eta)
        loss = weight @ (ratio + eta) + 0.5 * pull @ (packed - target)
        slope = design @ (weight * (1 - ratio)) + pull
        return (design * weight) @ design.T + penalty, slope, float(loss)

    return at


def _limits(model: Model) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    low, high, free = limits(model)
    seen = model.saturated.max(axis=(1, 2), initial=0.0)
    high[: len(seen)] = np.minimum(LARGEST, np.log(MOST_TIMES) / np.maximum(seen, 1e-9))
    low[: len(seen)] = -high[: len(seen)]
    return low, high, free


def _values(moments: Moments) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Value of each event of the sample, of all by customer group, and what to say of them."""
    data, risk = moments.data, moments.risk
    if "value" not in data.outcomes.columns:
        raise MissingInput("outcomes has no value: with it, value is told beside outcomes.")
    rows = data.outcomes.filter(data.outcomes.outcome == risk.outcome)
    rows = rows.select("customer_id", "value", time=seconds(rows.timestamp))
    rows = within(rows, risk_windows(data, risk))
    each = rows.group_by("customer_id").aggregate(
        n=rows.count(), known=rows.value.count(), value=rows.value.sum().fill_null(0.0)
    )
    each = each.mutate(group=customer_group(each.customer_id)).drop("customer_id").to_pandas()
    total, n, known = each.value.sum(), int(each.n.sum()), int(each.known.sum())
    if not total > 0:
        raise MissingInput(f"No {risk.outcome} has a value: with it, value is told here.")
    notes = []
    if known < n:
        notes.append(f"{n - known:,} of {n:,} {risk.outcome} outcomes have no value; they count 0")
    top = each.value.nlargest(max(int(TOP * len(each)), 1)).sum() / total
    if top > MUCH:
        few = f"{top:.0%} of the value is that of {TOP:.0%} of the customers with a {risk.outcome}"
        notes.append(f"{few}; the figures lean on them")
    events = moments.table[moments.table.event == 1][["customer", "time"]]
    own = rows.group_by("customer_id", "time").aggregate(value=rows.value.fill_null(0.0).mean())
    own = own.rename(customer="customer_id").to_pandas()
    values = events.merge(own, on=["customer", "time"], how="left").value.fillna(0.0)
    groups = np.asarray(np.bincount(each.group, each.value, GROUPS), dtype=float)
    return values.to_numpy(float), groups, tuple(notes)


@dataclass(frozen=True)
class Game:
    """Outcomes expected at some moments, what each is worth, and what touchpoints add to both."""

    count: Floats
    ratios: Ratios
    size: Floats
    sizes: Ratios
    ahead: Ahead | None

    def parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Value as it is and without any touchpoint, (moments,); of outcomes that one touchpoint
        brings and of those that it makes larger, (touchpoints, moments)."""
        gone = lost(self.count, lambda found: found.each, self.ratios, self.ahead)
        larger = (self.count - gone) * self.size * -np.expm1(-self.sizes.single)
        return self.count * self.size, self._baseline(), gone * self.size, larger

    def _baseline(self) -> Floats:
        none = self.count - lost(self.count, lambda found: found.whole, self.ratios, self.ahead)
        return none * self.size * np.exp(-self.sizes.whole)

    def fair_shares(self) -> Floats:
        """Shapley shares of value minus its baseline, (touchpoints, moments).

        As `effects.fair_shares`, with the size of outcomes extended along the diagonal too.
        """
        least, order = self.size * np.exp(-self.sizes.whole), len(self.ratios.single) + 8
        shares = np.zeros_like(self.ratios.single)
        for node, weight, beyond, more in along_diagonal(
            self.count, self.ratios, self.ahead, order
        ):
            size, larger = self.sizes.along(node)
            shares += weight * least * (more * size + (self.count + beyond) * larger)
        left = self.count * self.size - self._baseline() - shares.sum(axis=0)
        return share_rest(shares, left, np.abs(self.ratios.each) + np.abs(self.sizes.single))


@one_thread
def worth(drivers: Drivers, sizes: Sizes, cells: Floats) -> dict[str, Floats]:
    """Value of all outcomes, `expected`, and without any touchpoint, `baseline`, (sets, cells);
    of outcomes that each touchpoint brings, `more`, and of those that would come without it,
    `larger`, (sets, touchpoints, cells); Shapley shares, `fair`, (touchpoints, cells).

    Scaled so that all outcomes together are worth what was observed.
    """
    model, own = drivers.model, _size_model(drivers)
    packed = np.vstack([drivers.parameters.packed, drivers.replicates])
    found: list[list[Floats]] = []
    whole, fair = np.zeros(len(packed)), np.zeros((model.touchpoints, cells.shape[1]))
    for rows in blocks(len(model.event)):
        sets, of_sizes = Sets.of(model, packed, rows), Sets.of(own, sizes.packed, rows)
        counts = sets.chances() * model.moments.events_each * LEFT_OUT[:, model.group[rows]]
        sized = np.exp(of_sizes.log_hazards().clip(max=sizes.most))
        whole += (counts * sized).sum(axis=1)
        ahead = drivers._earlier
        aheads = ahead.ahead(model, packed, rows) if ahead else repeat(None, len(packed))
        parts = []
        for i, (count, size, at) in enumerate(zip(counts, sized, aheads, strict=True)):
            game = Game(count, sets.ratios(i), size, of_sizes.ratios(i), at)
            parts.append([part @ cells[rows] for part in game.parts()])
            if i == 0:
                fair += game.fair_shares() @ cells[rows]
        found.append([np.stack(part) for part in zip(*parts, strict=True)])
    scale = sizes.totals / whole
    sums = [np.sum(part, axis=0) for part in zip(*found, strict=True)]
    names = ("expected", "baseline", "more", "larger")
    amounts = {n: (part.T * scale).T for n, part in zip(names, sums, strict=True)}
    return amounts | {"fair": fair * scale[0]}


@dataclass(frozen=True)
class Value:
    """What touchpoints do to the value of outcomes; see ``Drivers.value``."""

    drivers: Drivers
    sizes: Sizes

    @property
    def notes(self) -> tuple[str, ...]:
        """Values that are missing, and whether few customers hold much of the value."""
        return self.sizes.notes

    @cached_property
    def _whole(self) -> dict[str, Floats]:
        cells = np.ones((len(self.drivers.model.event), 1))
        asked = "worth", self.drivers.key
        compute = partial(worth, self.drivers, self.sizes, cells)
        return once(asked, compute, data=self.drivers.moments.data)

    @cached_property
    def baseline(self) -> pd.DataFrame:
        """Value expected without touches: outcome, baseline, share, ci_low, ci_high, value (of
        all outcomes), n (outcomes)."""
        found, moments = self._whole, self.drivers.moments
        low, high = (float(end[0]) for end in _ends(found["baseline"]))
        baseline, value = found["baseline"][0, 0], found["expected"][0, 0]
        row = {"outcome": moments.risk.outcome, "baseline": baseline, "share": baseline / value}
        row |= {"ci_low": max(low, 0.0), "ci_high": high, "value": value, "n": moments.events}
        return pd.DataFrame([row])

    @cached_property
    def table(self) -> pd.DataFrame:
        """What would be missing of the value without each touchpoint, all customers together."""
        return self._shown(["all"], self._whole).drop(columns="segment")

    def by(self, names: list[str], cells: Floats) -> pd.DataFrame:
        """The same by segment: its names, and the moments in each, (moments, segments).

        Columns: segment, touchpoint, incremental, share, ci_low, ci_high, more, more_low,
        more_high, larger, larger_low, larger_high, fair_share, size_ratio, size_ratio_low,
        size_ratio_high, n. `incremental` is `more`, the value of outcomes that would not have
        come, and `larger`, by how much those that would have come are worth more; `fair_share`
        adds up with the baseline to the value of all outcomes; `size_ratio` is by how much one
        first touch multiplies the value of an outcome just after it; `n` touches.
        """
        return self._shown(names, worth(self.drivers, self.sizes, cells))

    def _shown(self, names: list[str], found: dict[str, Floats]) -> pd.DataFrame:
        model, more, larger = self.drivers.model, found["more"], found["larger"]
        effects = self.sizes.packed[:, : model.touchpoints]
        ratio = np.exp(model.one_touch * np.stack([effects[0], *_ends(effects)]))
        frames = []
        for i, name in enumerate(names):
            whole = more[:, :, i] + larger[:, :, i]
            columns: dict[str, Any] = {"segment": name, "touchpoint": model.moments.touchpoints}
            columns |= {"incremental": whole[0], "share": whole[0] / found["expected"][0, i]}
            columns |= _interval("ci", whole)
            columns |= {"more": more[0, :, i]} | _interval("more", more[:, :, i])
            columns |= {"larger": larger[0, :, i]} | _interval("larger", larger[:, :, i])
            columns |= {"fair_share": found["fair"][:, i], "size_ratio": ratio[0]}
            columns |= {"size_ratio_low": ratio[1], "size_ratio_high": ratio[2]}
            frames.append(pd.DataFrame(columns | {"n": model.moments.touches.to_numpy()}))
        table = pd.concat(frames, ignore_index=True)
        table.attrs["notes"] = list(self.notes)
        return table

    def sentence(self, currency: str = "") -> str:
        """Say what would be missing of the value, and whether outcomes are more or larger."""
        from touchlab import sentences

        return sentences.about_value(self.table, self.baseline, currency)

    def beside(self, table: pd.DataFrame) -> pd.DataFrame:
        """Outcomes by touchpoint with what they are worth: value, value_low, value_high."""
        names = {"incremental": "value", "ci_low": "value_low", "ci_high": "value_high"}
        table = table.join(self.table[list(names)].rename(columns=names))
        table.attrs["notes"] = list(self.notes)
        return table


def _ends(sets: Floats) -> tuple[Floats, Floats]:
    """Interval of estimates, whole first, then without each group of customers."""
    return interval(sets[0], *jackknife(sets[0], sets[1:]))


def _interval(stem: str, sets: Floats) -> dict[str, Floats]:
    return dict(zip((f"{stem}_low", f"{stem}_high"), _ends(sets), strict=True))


def value_of(drivers: Drivers) -> Value:
    """The value of outcomes by what was known just before them, once in a run."""
    asked = "sizes", drivers.key
    return Value(drivers, once(asked, partial(fit_sizes, drivers), data=drivers.moments.data))
