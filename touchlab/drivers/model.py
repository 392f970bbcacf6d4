"""The hazard model: log hazard = controls + sum of effects times saturated exposures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from touchlab.drivers.design import Controls
from touchlab.drivers.effects import MOST, Ahead, Pairs, Ratios
from touchlab.moments.sample import Moments
from touchlab.numeric import Floats

Rows = npt.NDArray[np.int64]
Quantity = Callable[[Floats, Ratios, Floats, Ahead | None], Floats]
"""Of outcomes expected, what touchpoints add, cells and what is ahead; see `amounts`."""
SATURATIONS = ("log", "exp")
ALIKE, USUAL_DAYS = 0.95, 4.0
"""Correlation of exposures above which touchpoints are twins; half-life where none is known."""
BLOCK = 4_096
"""Moments looked at together: their columns fit the cache of a processor."""
PRESENT, NEGLIGIBLE = 0.05, 1e-4
"""Exposure above which a touchpoint counts as present (about four half-lives after one touch),
and below which a moment is as good as untouched."""
ALL = slice(None)


@dataclass(frozen=True)
class Model:
    """What the fit is made of: moments, controls, saturation, fixed half-lives, pairs."""

    moments: Moments
    controls: Controls
    saturation: str
    fixed: Floats | None
    """Half-lives in days, held fixed; None where they are estimated."""
    pairs: Pairs = ()
    """Touchpoints, by number, whose product of exposures has an effect of its own; a touchpoint
    paired with itself tires."""
    twins: Pairs = ()
    """Touchpoints, by number, that come together: they share one effect and one half-life."""
    shrinkage: float = 0.5
    """Penalty per squared doubling of a half-life away from the common one."""

    @property
    def touchpoints(self) -> int:
        return len(self.moments.exposure)

    @cached_property
    def event(self) -> Floats:
        """(moments,): 1 where the moment is an event."""
        return self.moments.table.event.to_numpy(float)

    @cached_property
    def group(self) -> Rows:
        """(moments,): group of the customer."""
        return self.moments.table.group.to_numpy()

    @property
    def size(self) -> int:
        """Parameters: effects, half-lives, controls, pairs."""
        return 2 * self.touchpoints + self.controls.matrix.shape[1] + len(self.pairs)

    @cached_property
    def saturated(self) -> npt.NDArray[np.float32]:
        """(touchpoints, half-lives, moments): exposure as it enters the log hazard."""
        return saturate(self.moments.exposure, self.saturation)

    @property
    def pair_names(self) -> list[str]:
        names = self.moments.touchpoints
        return [f"{names[a]} squared" if a == b else f"{names[a]} x {names[b]}"
                for a, b in self.pairs]  # fmt: skip

    def after_one(self, packed: Floats) -> Floats:
        """Log hazard ratio just after one first touch; (..., parameters) to (..., touchpoints)."""
        found, first = self.one_touch * packed[..., : self.touchpoints], self.size - len(self.pairs)
        for place, (a, b) in enumerate(self.pairs, start=first):
            found[..., a] += self.one_touch**2 * packed[..., place] * (a == b)
        return found

    @property
    def one_touch(self) -> float:
        """Exposure just after one touch, as it enters the log hazard."""
        return float(saturate(1.0, self.saturation))

    @cached_property
    def offset(self) -> float:
        """The log odds at a hazard of one event a day."""
        return float(np.log(self.moments.days_each / self.moments.events_each))

    def exposures(self, log_half_lives: Floats) -> tuple[Floats, Floats]:
        """Exposures at these half-lives, and their slopes; (touchpoints, moments)."""
        return between(self.saturated, self.moments.half_lives, log_half_lives)

    def exposure(self, given: Parameters) -> Floats:
        return self.exposures(given.log_half_lives)[0]

    def parameters(self, packed: Floats) -> Parameters:
        return Parameters(packed, self.touchpoints, len(self.pairs))


@dataclass(frozen=True)
class Parameters:
    """Log hazard ratios, log2 half-lives, controls and synergies, in one vector `packed`."""

    packed: Floats
    touchpoints: int
    pairs: int = 0

    @property
    def effects(self) -> Floats:
        return self.packed[: self.touchpoints]

    @property
    def log_half_lives(self) -> Floats:
        return self.packed[self.touchpoints : 2 * self.touchpoints]

    @property
    def controls(self) -> Floats:
        return self.packed[2 * self.touchpoints : len(self.packed) - self.pairs]

    @property
    def synergies(self) -> Floats:
        return self.packed[len(self.packed) - self.pairs :]


def saturate(exposure: Any, saturation: str) -> Any:
    """Turn exposure A into s(A) = log(1 + A) or 1 - exp(-A)."""
    return np.log1p(exposure) if saturation == "log" else -np.expm1(-exposure)


def unsaturated(seen: Any, saturation: str) -> Any:
    """Exposure A of s(A), the inverse of `saturate`."""
    return np.expm1(seen) if saturation == "log" else -np.log1p(-seen.clip(max=1 - 1e-7))


def between(
    saturated: npt.NDArray[np.float32], half_lives: tuple[float, ...], log_half_lives: Floats
) -> tuple[Floats, Floats]:
    """Read exposures, and their slopes, between grid points: linearly in the log2 half-life."""
    place, step, part = _place_in(half_lives, log_half_lives)
    rows = np.arange(len(saturated))
    low = saturated[rows, place]
    rise = saturated[rows, place + 1] - low
    return low + rise * part[:, None], rise / step[:, None]


def _place_in(half_lives: tuple[float, ...], log_half_lives: Floats) -> tuple[Rows, Floats, Floats]:
    """Number of the grid point below each half-life, distance to the next, part of the way."""
    grid = np.log2(half_lives)
    place = np.clip(np.searchsorted(grid, log_half_lives, side="right") - 1, 0, len(grid) - 2)
    step = grid[place + 1] - grid[place]
    return place, step, np.clip((log_half_lives - grid[place]) / step, 0.0, 1.0)


def chance(model: Model, given: Parameters, exposure: Floats | None = None) -> Floats:
    """Probability that each moment is an event; `exposure` where it is known already."""
    exposure = model.exposure(given) if exposure is None else exposure
    return np.asarray(expit(log_hazard(model, given, exposure) + model.offset))


def log_hazard(model: Model, given: Parameters, exposure: Floats) -> Floats:
    """Log of the hazard a day at each moment."""
    found = model.controls.matrix @ given.controls + given.effects @ exposure
    return np.asarray(found + given.synergies @ products(exposure, model.pairs))


def products(exposure: Floats, pairs: Pairs) -> Floats:
    """(pairs, moments): products of two touchpoints' exposures."""
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    return exposure[first] * exposure[second]


def ratios(model: Model, given: Parameters, exposure: Floats) -> Ratios:
    """What each touchpoint and pair adds to the log hazard where exposures are these."""
    joint = given.synergies[:, None] * products(exposure, model.pairs)
    return Ratios.within_reason(given.effects[:, None] * exposure, model.pairs, joint)


def only(moments: Moments, touchpoints: Sequence[int]) -> Moments:
    """The moments with the exposures to some touchpoints alone."""
    chosen = list(touchpoints)
    own = {"touches": moments.touches.iloc[chosen], "exposure": moments.exposure[chosen]}
    return replace(moments, **own, earlier=None)


def blocks(count: int) -> list[slice]:
    """Cut so many moments into blocks."""
    return [slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK)]


def some_of(model: Model, rows: Rows | slice, *, past: bool = False) -> Model:
    """The model on some of its moments, which stand for as many days and events each.

    Draws from their past are left out unless asked for.
    """
    moments, earlier = model.moments, model.moments.earlier if past else None
    if earlier is not None:
        draws = np.arange(len(earlier.table)).reshape(len(moments.table), -1)
        earlier = earlier.take(draws[rows].ravel())
    controls = replace(model.controls, matrix=model.controls.matrix[rows])
    return replace(model, moments=replace(moments.take(rows), earlier=earlier), controls=controls)


def find_twins(moments: Moments) -> Pairs:
    """Pairs of touchpoints whose touches come together, so that no data tells them apart."""
    place = int(np.searchsorted(moments.half_lives, USUAL_DAYS)) - 1
    exposure = saturate(moments.exposure[:, place], "log")
    varying = np.flatnonzero(exposure.std(axis=1) > 0)
    if len(varying) < 2:
        return ()
    alike = np.argwhere(np.triu(np.corrcoef(exposure[varying]), 1) > ALIKE)
    return tuple((int(varying[a]), int(varying[b])) for a, b in alike)


class Sets:
    """The same hazard at some moments for several sets of parameters, `packed`, at once.

    `saturated` (touchpoints, half-lives, moments) as in `Model`, `controls` (moments, columns).
    A set reads few grid points: low and rise hold each of them once for all sets.
    """

    def __init__(
        self, model: Model, packed: Floats, saturated: npt.NDArray[np.float32], controls: Floats
    ) -> None:
        k, lives = model.touchpoints, len(model.moments.half_lives)
        end = packed.shape[1] - len(model.pairs)
        self.controls, self.pairs, self.offset = controls, model.pairs, model.offset
        self.effects, self.synergies = packed[:, :k], packed[:, end:]
        self.of_controls = packed[:, 2 * k : end]
        place, self.step, self.part = _place_in(model.moments.half_lives, packed[:, k : 2 * k])
        points, where = np.unique(np.arange(k) * lives + place, return_inverse=True)
        self.where = where.reshape(place.shape)
        touchpoint, place = np.divmod(points, lives)
        low = saturated[touchpoint, place]
        self.low, rise = low.astype(float), saturated[touchpoint, place + 1] - low
        self.rise = rise.astype(float)

    @classmethod
    def of(cls, model: Model, packed: Floats, rows: slice = ALL) -> Sets:
        """The moments that a model is fitted to, or some of them."""
        return cls(model, packed, model.saturated[:, :, rows], model.controls.matrix[rows])

    def chances(self) -> Floats:
        """Probability that each moment is an event; (sets, moments)."""
        return np.asarray(expit(self.log_hazards() + self.offset))

    def log_hazards(self) -> Floats:
        """Log of the hazard a day; (sets, moments)."""
        low, rise = np.zeros((2, len(self.effects), len(self.low)))
        np.put_along_axis(low, self.where, self.effects, axis=1)
        np.put_along_axis(rise, self.where, self.effects * self.part, axis=1)
        found = low @ self.low + rise @ self.rise + self.of_controls @ self.controls.T
        for (a, b), own in zip(self.pairs, self.synergies.T, strict=True):
            found += own[:, None] * self._exposure(a) * self._exposure(b)
        return np.asarray(found)

    def slopes(self, residual: Floats) -> Floats:
        """Residuals (sets, moments) times slopes of the log hazard, summed; (sets, parameters)."""
        low, rise = (
            np.take_along_axis(residual @ at.T, self.where, axis=1) for at in (self.low, self.rise)
        )
        lives, pairs = self.effects * rise / self.step, []
        for (a, b), own in zip(self.pairs, self.synergies.T, strict=True):
            for one, other in ((a, b), (b, a)):
                bent = self.rise[self.where[:, one]] * self._exposure(other) * residual
                lives[:, one] += own * bent.sum(axis=1) / self.step[:, one]
            pairs.append((self._exposure(a) * self._exposure(b) * residual).sum(axis=1))
        return np.column_stack([low + self.part * rise, lives, residual @ self.controls, *pairs])

    def ratios(self, place: int) -> Ratios:
        """What each touchpoint and pair adds to the log hazard in one of the sets."""
        where = self.where[place]
        exposure = self.low[where] + self.part[place, :, None] * self.rise[where]
        joint = self.synergies[place, :, None] * products(exposure, self.pairs)
        single = self.effects[place, :, None] * exposure
        return Ratios.within_reason(single, self.pairs, joint)

    def _exposure(self, touchpoint: int) -> Floats:
        """Exposure to one touchpoint as it enters the log hazard; (sets, moments)."""
        where, part = self.where[:, touchpoint], self.part[:, touchpoint, None]
        return np.asarray(self.low[where] + part * self.rise[where])


@dataclass(frozen=True)
class Earlier:
    """How customers go on after each moment: as in draws from their time at risk so far.

    The draws of one moment stand together.
    """

    saturated: npt.NDArray[np.float32]
    controls: Floats
    days: Floats
    """Days ahead that each draw stands for."""
    room: Floats
    """(moments,): outcomes that a moment can gain; see `Ahead`."""

    @classmethod
    def of(cls, model: Model) -> Earlier | None:
        """For outcomes that come once; None for what recurs."""
        moments, earlier = model.moments, model.moments.earlier
        if earlier is None:
            return None
        left, since = moments.table.left.to_numpy(float), moments.table.since.to_numpy(float)
        draws = earlier.exposure.shape[-1] // len(left)
        saturated = saturate(earlier.exposure, model.saturation)
        days, room = np.repeat(left / draws, draws), moments.days_each / (since + left)
        return cls(saturated, model.controls.at(earlier), days, room)

    def ahead(self, model: Model, packed: Floats, rows: slice = ALL) -> Iterator[Ahead]:
        """What is ahead of some moments, next to one another, for each set of parameters."""
        draws = len(self.days) // len(model.event)
        first, last, _ = rows.indices(len(model.event))
        own = slice(first * draws, last * draws)
        sets = Sets(model, packed, self.saturated[:, :, own], self.controls[own])
        hazards = np.exp(sets.log_hazards().clip(max=MOST)) * self.days[own]
        for i, hazard in enumerate(hazards):
            yield Ahead(sets.ratios(i), hazard, last - first, self.room[first:last])


def amounts(
    model: Model,
    earlier: Earlier | None,
    packed: Floats,
    weights: Floats,
    quantity: Quantity,
    cells: Floats,
) -> Floats:
    """Add up a quantity over all moments, for each set of parameters; (sets, ...).

    `packed` has shape (sets, parameters), `weights` (sets, groups), `cells` (moments, cells).
    """
    found = []
    for rows in blocks(len(model.event)):
        sets = Sets.of(model, packed, rows)
        expected = sets.chances() * model.moments.events_each * weights[:, model.group[rows]]
        aheads = earlier.ahead(model, packed, rows) if earlier else repeat(None, len(packed))
        each = enumerate(zip(expected, aheads, strict=True))
        found.append([quantity(own, sets.ratios(i), cells[rows], at) for i, (own, at) in each])
    return np.sum(found, axis=0)
