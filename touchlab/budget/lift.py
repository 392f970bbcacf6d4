"""What more or fewer touches do to the hazard at a moment.

Buying m times as many touches of a touchpoint, for the same customers in the same pattern,
replaces the exposure A at a moment by a random one: for m below 1 each touch stays with
probability m, for m above 1 further touches come at the same rates. The moments hold A and,
at half the half-life, B = sum of squared decays; that is enough for the mean of the hazard
factor f(A) = exp(effect * g(A)) over that chance:

    one touch         1 + m (f(A) - 1)                                          exactly
    several touches   f(m A) exp(m (1 - m) / 2 * B * f''(m A) / f(m A))         to second order

Both go on in the same form above m = 1. That is right on average over customers whose touches
come at rates of their own, and no customer's rate need be known, as in the extrapolation of
Good & Toulmin [1956]; like theirs it should not go far beyond m = 2 (docs/decisions/0016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
ALONE = 1.5
"""Effective number of touches, A^2 / B, below which a moment is taken to know one touch."""


@dataclass(frozen=True)
class Lift:
    """Hazard factor of one touchpoint, over what it is now, at the moments that it reaches."""

    rows: Places
    exposure: Floats
    squares: Floats
    effect: float
    saturation: str

    def at(self, multiplier: float) -> tuple[Floats, Floats]:
        """Return the factor and its slope in the multiplier; both (rows,)."""
        factor, (_, first, bend, twist) = self._raised(multiplier)
        exposure, squares = self._seen
        slope = 1 - self._without
        slope[factor <= 0] = 0.0  # harm cannot go beyond none at all
        spread, several = 0.5 * multiplier * (1 - multiplier), self._several
        rise = exposure * (first + spread * squares * twist)
        slope[several] = factor[several] * (rise + (0.5 - multiplier) * squares * bend)
        return factor.clip(1e-9), slope

    def factor(self, multiplier: float) -> Floats:
        """Return the factor alone; (rows,)."""
        return self._raised(multiplier)[0].clip(1e-9)

    def _raised(self, multiplier: float) -> tuple[Floats, tuple[Floats, ...]]:
        """Return the factor, not cut off, and what `_factor` says of several touches."""
        factor = self._without + multiplier * (1 - self._without)
        exposure, squares = self._seen
        raised = _factor(multiplier * exposure, self.effect, self.saturation)
        f, _, bend, _ = raised
        spread, several = 0.5 * multiplier * (1 - multiplier), self._several
        factor[several] = np.exp(f + spread * squares * bend - self._now[several])
        return factor, raised

    @cached_property
    def _now(self) -> Floats:
        return _factor(self.exposure, self.effect, self.saturation)[0]

    @cached_property
    def _without(self) -> Floats:
        """The factor without any touch; (rows,)."""
        return np.asarray(1 / np.exp(self._now))

    @cached_property
    def _several(self) -> Places:
        """Rows that know more than one touch."""
        return np.flatnonzero(self.exposure**2 >= ALONE * self.squares)

    @cached_property
    def _seen(self) -> tuple[Floats, Floats]:
        """Exposure and squares on those rows."""
        return self.exposure[self._several], self.squares[self._several]


def _factor(exposure: Floats, effect: float, saturation: str) -> tuple[Floats, ...]:
    """log f(A) with its slope, f''(A) / f(A) with its slope, for f(A) = exp(effect * g(A))."""
    if saturation == "log":
        up = 1 + exposure
        bend = effect * (effect - 1) / up**2
        return effect * np.log(up), effect / up, bend, -2 * bend / up
    rise = effect * np.exp(-exposure)
    return effect - rise, rise, rise**2 - rise, rise - 2 * rise**2


@dataclass(frozen=True)
class Field:
    """The touchpoints that can be changed, at one set of moments."""

    lifts: tuple[Lift, ...]
    size: int

    def ratio(self, multipliers: Floats) -> Floats:
        """Return the hazard over what it is now; (moments,)."""
        ratio = np.ones(self.size)
        for lift, multiplier in zip(self.lifts, multipliers, strict=True):
            if multiplier != 1.0:
                ratio[lift.rows] *= lift.factor(multiplier)
        return ratio

    def at(self, multipliers: Floats) -> tuple[Floats, list[Floats]]:
        """Return the ratio, and the slope of its log in each multiplier on the rows of its lift."""
        ratio, slopes = np.ones(self.size), []
        for lift, multiplier in zip(self.lifts, multipliers, strict=True):
            factor, slope = lift.at(multiplier)
            ratio[lift.rows] *= factor
            slopes.append(slope / factor)
        return ratio, slopes

    def gather(self, weight: Floats, slopes: list[Floats]) -> Floats:
        """Add up the slopes over moments; (touchpoints,)."""
        pairs = zip(self.lifts, slopes, strict=True)
        return np.array([weight[lift.rows] @ slope for lift, slope in pairs])


def exposure_at(exposure: npt.NDArray[Any], half_lives: Sequence[float], days: float) -> Floats:
    """Read exposures (half-lives, moments) at another half-life, also below the shortest.

    The log exposure is linear in 1 / half-life, exactly so after a single touch.

    Examples
    --------
    >>> age, grid = 3.0, [1.0, 2.0, 4.0]
    >>> one = 0.5 ** (age / np.array(grid))[:, None]
    >>> round(float(exposure_at(one, grid, 0.5)[0]), 6), 0.5 ** (age / 0.5)
    (0.015625, 0.015625)
    """
    speed = 1 / np.array(half_lives)
    place = int(np.clip(np.searchsorted(half_lives, days) - 1, 0, len(speed) - 2))
    part = (1 / days - speed[place]) / (speed[place + 1] - speed[place])
    low, high = np.log(exposure[place : place + 2].astype(float).clip(1e-30))
    return np.asarray(np.exp(low + part * (high - low)))
