"""The hazard model: log hazard = controls + sum of effects times saturated exposures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from touchlab.drivers.design import Controls, take
from touchlab.drivers.effects import Pairs, Ratios
from touchlab.moments.sample import Moments
from touchlab.numeric import Floats

Rows = npt.NDArray[np.int64] | slice
SATURATIONS = ("log", "exp")
BLOCK = 4_096
"""Moments looked at together: their columns fit the cache of a processor."""


@dataclass(frozen=True)
class Model:
    """What the fit is made of: moments, controls, saturation, fixed half-lives, pairs."""

    moments: Moments
    controls: Controls
    saturation: str
    fixed: Floats | None
    """Half-lives in days, held fixed; None where they are estimated."""
    pairs: Pairs = ()
    """Touchpoints, by number, whose product of exposures has an effect of its own."""

    @property
    def touchpoints(self) -> int:
        return len(self.moments.exposure)

    @cached_property
    def event(self) -> Floats:
        """(moments,): 1 where the moment is an event."""
        return self.moments.table.event.to_numpy(float)

    @cached_property
    def group(self) -> npt.NDArray[np.int64]:
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

    @cached_property
    def offset(self) -> float:
        """The log odds at a hazard of one event a day."""
        return float(np.log(self.moments.days_each / self.moments.events_each))

    def exposures(self, log_half_lives: Floats) -> tuple[Floats, Floats]:
        """Read exposures between grid points, with their slope in the log2 half-life.

        Both of shape (touchpoints, moments).
        """
        return between(self.saturated, self.moments.half_lives, log_half_lives)

    def parameters(self, packed: Floats) -> Parameters:
        return Parameters(packed, self.touchpoints, len(self.pairs))


def saturate(exposure: Any, saturation: str) -> Any:
    """Turn exposure A into log(1 + A) or 1 - exp(-A)."""
    return np.log1p(exposure) if saturation == "log" else -np.expm1(-exposure)


def between(
    saturated: npt.NDArray[np.float32], half_lives: tuple[float, ...], log_half_lives: Floats
) -> tuple[Floats, Floats]:
    """Read exposures between grid points of half-lives, linearly in the log2 half-life."""
    low, rise, step, part = _places(saturated, half_lives, log_half_lives)
    exposure = rise * part
    exposure += low
    return exposure, rise / step


def exposures_at(model: Model, log_half_lives: Floats) -> Floats:
    """The same exposures without their slopes, in half the time."""
    return _read(model.saturated, model.moments.half_lives, log_half_lives)


def _read(saturated: Any, half_lives: tuple[float, ...], log_half_lives: Floats) -> Floats:
    low, rise, _, part = _places(saturated, half_lives, log_half_lives)
    exposure = rise * part
    exposure += low
    return np.asarray(exposure)


def _places(
    saturated: Any, half_lives: tuple[float, ...], log_half_lives: Floats
) -> tuple[Any, Any, Floats, Floats]:
    """Exposures at the grid point below, rise to the next, its distance, part of the way."""
    place, step, part = place_in(half_lives, log_half_lives)
    rows = np.arange(len(saturated))
    low = saturated[rows, place]
    return low, saturated[rows, place + 1] - low, step[:, None], part[:, None]


def place_in(
    half_lives: tuple[float, ...], log_half_lives: Floats
) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Number of the grid point below each half-life, distance to the next, part of the way."""
    grid = np.log2(half_lives)
    place = np.clip(np.searchsorted(grid, log_half_lives, side="right") - 1, 0, len(grid) - 2)
    step = grid[place + 1] - grid[place]
    return place, step, np.clip((log_half_lives - grid[place]) / step, 0.0, 1.0)


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


def probability(model: Model, given: Parameters) -> tuple[Floats, Floats, Floats]:
    """Return the probability that each moment is an event, exposures and their slopes."""
    exposure, slope = model.exposures(given.log_half_lives)
    return chance(model, given, exposure), exposure, slope


def chance(model: Model, given: Parameters, exposure: Floats) -> Floats:
    """Return the probability that each moment is an event, where exposures are known."""
    score = given.effects @ exposure + model.controls.matrix @ given.controls + model.offset
    if model.pairs:
        score = score + given.synergies @ products(exposure, model.pairs)
    return expit(score)


def products(exposure: Floats, pairs: Pairs) -> Floats:
    """(pairs, moments): products of two touchpoints' exposures."""
    if not pairs:
        return np.zeros((0, exposure.shape[1]))
    first, second = np.array(pairs).T
    return exposure[first] * exposure[second]


def ratios(model: Model, given: Parameters, exposure: Floats) -> Ratios:
    """What each touchpoint and pair adds to the log hazard where exposures are these."""
    joint = given.synergies[:, None] * products(exposure, model.pairs)
    return Ratios(given.effects[:, None] * exposure, model.pairs, joint)


def hazard_at(
    model: Model, given: Parameters, saturated: npt.NDArray[np.float32], controls: Floats
) -> tuple[Floats, Ratios]:
    """Return the hazard a day and its ratios at other moments.

    `saturated` are their exposures as `Model.saturated` has them, `controls` theirs.
    """
    exposure = _read(saturated, model.moments.half_lives, given.log_half_lives)
    found = ratios(model, given, exposure)
    return np.exp(found.whole + controls @ given.controls), found


def only(moments: Moments, touchpoints: Sequence[int]) -> Moments:
    """The moments with the exposures to some touchpoints alone."""
    chosen = list(touchpoints)
    own = {"touches": moments.touches.iloc[chosen], "exposure": moments.exposure[chosen]}
    return replace(moments, **own, earlier=None)


def blocks(count: int) -> list[slice]:
    """Cut so many moments into blocks."""
    return [slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK)]


def some_of(model: Model, rows: Rows) -> Model:
    """The model on some of its moments, which stand for as many days and events each."""
    moments = model.moments
    part = replace(
        moments,
        table=moments.table.iloc[rows].reset_index(drop=True),
        exposure=moments.exposure[:, :, rows],
        earlier=None,
    )
    return replace(model, moments=part, controls=take(model.controls, rows))


ALL = slice(None)


class Sets:
    """Some moments, and several sets of parameters.

    `saturated` (touchpoints, half-lives, moments) as in `Model`, `controls` (moments, columns),
    `packed` (sets, parameters).
    """

    def __init__(
        self,
        saturated: npt.NDArray[np.float32],
        controls: Floats,
        half_lives: tuple[float, ...],
        packed: Floats,
        pairs: Pairs = (),
    ) -> None:
        k, lives, end = len(saturated), len(half_lives), packed.shape[1] - len(pairs)
        self.controls, self.pairs = controls, pairs
        self.effects, self.synergies = packed[:, :k], packed[:, end:]
        self.of_controls = packed[:, 2 * k : end]
        place, self.step, self.part = place_in(half_lives, packed[:, k : 2 * k])
        points, where = np.unique(np.arange(k) * lives + place, return_inverse=True)
        self.where = where.reshape(place.shape)
        touchpoint, place = np.divmod(points, lives)
        low = saturated[touchpoint, place]
        self.low, rise = low.astype(float), saturated[touchpoint, place + 1] - low
        self.rise = rise.astype(float)

    @classmethod
    def of(cls, model: Model, packed: Floats, rows: slice = ALL) -> Sets:
        """The moments that a model is fitted to, or some of them."""
        saturated, controls = model.saturated[:, :, rows], model.controls.matrix[rows]
        return cls(saturated, controls, model.moments.half_lives, packed, model.pairs)

    def chances(self, offset: float) -> Floats:
        """Return the probability that each moment is an event; (sets, moments)."""
        return np.asarray(expit(self.log_hazards() + offset))

    def log_hazards(self) -> Floats:
        """Return the log of the hazard a day; (sets, moments)."""
        low, rise = np.zeros((2, len(self.effects), len(self.low)))
        np.put_along_axis(low, self.where, self.effects, axis=1)
        np.put_along_axis(rise, self.where, self.effects * self.part, axis=1)
        found = low @ self.low + rise @ self.rise + self.of_controls @ self.controls.T
        for (a, b), own in zip(self.pairs, self.synergies.T, strict=True):
            found += own[:, None] * self._exposure(a) * self._exposure(b)
        return np.asarray(found)

    def slopes(self, residual: Floats) -> Floats:
        """Add up residuals times the slope of the log hazard in each parameter.

        `residual` has shape (sets, moments), what is returned (sets, parameters).
        """
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
        joint = np.zeros((len(self.pairs), exposure.shape[1]))
        for i, (a, b) in enumerate(self.pairs):
            joint[i] = self.synergies[place, i] * exposure[a] * exposure[b]
        return Ratios(self.effects[place, :, None] * exposure, self.pairs, joint)

    def _exposure(self, touchpoint: int) -> Floats:
        """Exposure to one touchpoint as it enters the log hazard; (sets, moments)."""
        where, part = self.where[:, touchpoint], self.part[:, touchpoint, None]
        return np.asarray(self.low[where] + part * self.rise[where])
