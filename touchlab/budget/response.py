"""What more or fewer touches do to the hazard at a moment.

Buying m times as many touches of a touchpoint, for the same customers in the same pattern,
replaces the exposure A at a moment by a random one: for m below 1 each touch stays with
probability m, for m above 1 further touches come at the same rates. The moments hold A and,
at half the half-life, B = sum of squared decays; that is enough for the mean of the hazard
factor f(A), exp(effect * g(A)) or of a touchpoint that tires
exp(effect * g(A) + fatigue * g(A)^2), over that chance:

    one touch         1 + m (f(A) - 1)                                          exactly
    several touches   f(m A) exp(m (1 - m) / 2 * B * f''(m A) / f(m A))         to second order

Both go on in the same form above m = 1. That is right on average over customers whose touches
come at rates of their own, and no customer's rate need be known, as in the extrapolation of
Good & Toulmin [1956]; like theirs it should not go far beyond m = 2 (docs/decisions/0016).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

from touchlab.data.contract import listing
from touchlab.drivers.fit import EXTREME
from touchlab.drivers.model import (
    NEGLIGIBLE,
    Earlier,
    Parameters,
    Rows,
    Sets,
    between,
    saturate,
    some_of,
    unsaturated,
)
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, ParameterError
from touchlab.moments.look import Points
from touchlab.numeric import GROUPS, Floats

PRECISION = 1e-7
"""Of expected outcomes, as a share: where the search for the best plan ends."""
ALONE = 1.5
"""Effective number of touches, A^2 / B, below which a moment is taken to know one touch."""


@dataclass(frozen=True)
class Lift:
    """Hazard factor of one touchpoint, over what it is now, at the moments that it reaches."""

    rows: Rows
    exposure: Floats
    squares: Floats
    effect: float
    saturation: str
    fatigue: float = 0.0
    """Effect of the squared exposure; 0 where it does not tire."""

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
        raised = _factor(multiplier * exposure, self.effect, self.fatigue, self.saturation)
        f, _, bend, _ = raised
        spread, several = 0.5 * multiplier * (1 - multiplier), self._several
        factor[several] = np.exp(f + spread * squares * bend - self._now[several])
        return factor, raised

    @cached_property
    def _now(self) -> Floats:
        return _factor(self.exposure, self.effect, self.fatigue, self.saturation)[0]

    @cached_property
    def _without(self) -> Floats:
        """The factor without any touch; (rows,)."""
        return np.asarray(1 / np.exp(self._now))

    @cached_property
    def _several(self) -> Rows:
        """Rows that know more than one touch."""
        return np.flatnonzero(self.exposure**2 >= ALONE * self.squares)

    @cached_property
    def _seen(self) -> tuple[Floats, Floats]:
        """Exposure and squares on those rows."""
        return self.exposure[self._several], self.squares[self._several]


def _factor(exposure: Floats, effect: float, fatigue: float, saturation: str) -> tuple[Floats, ...]:
    """log f(A) with its slope, f''(A) / f(A) with its slope.

    f(A) = exp(effect * g(A) + fatigue * g(A)^2); g0 to g3 are g and its derivatives.
    """
    if saturation == "log":
        g1 = 1 / (1 + exposure)
        g0, g2, g3 = np.log1p(exposure), -(g1**2), 2 * g1**3
    else:
        g1 = np.exp(-exposure)
        g0, g2, g3 = 1 - g1, -g1, g1
    rate = effect + 2 * fatigue * g0
    slope, bend = rate * g1, rate * g2 + 2 * fatigue * g1**2
    twist = rate * g3 + 6 * fatigue * g1 * g2
    return (
        effect * g0 + fatigue * g0**2,
        slope,
        bend + slope**2,
        twist + 2 * slope * bend,
    )


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


@dataclass(frozen=True)
class Response:
    """Expected outcomes by the multipliers of touches, for one set of parameters.

    For an outcome that comes once, what is gained at a moment counts with the chance to get
    through the time `ahead`, at its `hazard`, without it; see `touchlab.drivers.effects`.
    """

    expected: Floats
    field: Field
    ahead: Field | None = None
    hazard: Floats | None = None
    room: Floats | float = np.inf
    """(moments,): outcomes that a moment can gain, as no customer has more than one."""

    @property
    def now(self) -> float:
        """Expected outcomes as things are."""
        return float(self.expected.sum())

    def outcomes(self, multipliers: Floats) -> float:
        """Expected outcomes, over the observed time at risk."""
        gained = np.minimum(self.expected * (self.field.ratio(multipliers) - 1), self.room)
        if self.ahead is not None and self.hazard is not None:
            gained *= _through(self.hazard * self.ahead.ratio(multipliers), len(gained))
        return self.now + float(gained.sum())

    @cached_property
    def slopes_now(self) -> Floats:
        """What one more unit of each multiplier would bring, as things are."""
        return self.with_slopes(np.ones(len(self.field.lifts)))[1]

    def with_slopes(self, multipliers: Floats) -> tuple[float, Floats]:
        """Expected outcomes with their slopes, in little more time than either."""
        ratio, slopes = self.field.at(multipliers)
        value = self.expected * ratio
        if self.ahead is None or self.hazard is None:
            return float(value.sum()), self.field.gather(value, slopes)
        later, later_slopes = self.ahead.at(multipliers)
        met = self.hazard * later
        through = _through(met, len(value))
        raised = value - self.expected
        gained = np.minimum(raised, self.room) * through
        fewer = met * np.repeat(gained, len(met) // len(gained))
        brought = self.field.gather(value * through * (raised < self.room), slopes)
        brought -= self.ahead.gather(fewer, later_slopes)
        return self.now + float(gained.sum()), brought


def _through(met: Floats, size: int) -> Floats:
    """Chance to meet so much hazard without the outcome; (moments,)."""
    return np.asarray(np.exp(-met.reshape(size, -1).sum(axis=1)))


def fill(gain: Floats, cost: Floats, budget: float, low: Floats, high: Floats) -> Floats:
    """Spend a budget where a euro brings most, and next most, as if returns never fell.

    `gain` is what one more unit of each multiplier brings, `cost` what it costs; multipliers
    stay between `low` and `high`. All of shape (touchpoints,). What brings nothing gets the
    least there is for it, even where budget is left.

    >>> cost, low, high = np.array([10.0, 30.0]), np.full(2, 0.5), np.full(2, 2.0)
    >>> fill(np.array([5.0, 6.0]), cost, 35.0, low, high).tolist()
    [2.0, 0.5]
    """
    order = np.argsort(-gain / cost, kind="stable")
    room = (cost * (high - low))[order]
    before = np.cumsum(room) - room
    spent = np.clip(budget - cost @ low - before, 0, room) * (gain[order] > 0)
    plan = low.copy()
    plan[order] += spent / cost[order]
    return plan


def best_plan(
    response: Response, cost: Floats, budget: float, low: Floats, high: Floats, wanted: int = 1
) -> Floats:
    """Multipliers that bring most expected outcomes within a budget; fewest if `wanted` is -1.

    Between the caps, outcomes per further euro are equal at the end. The search starts where
    it would end if returns did not fall [SLSQP, Kraft 1988].
    """
    scale, share = wanted / response.now, cost / budget
    start = fill(wanted * response.slopes_now, cost, budget, low, high)

    def lost(multipliers: Floats) -> tuple[float, Floats]:
        outcomes, slopes = response.with_slopes(multipliers)
        return -scale * outcomes, -scale * slopes

    found = optimize.minimize(
        lost,
        start,
        jac=True,
        method="SLSQP",
        bounds=list(zip(low, high, strict=True)),
        constraints=[{"type": "ineq", "fun": lambda m: 1 - share @ m, "jac": lambda m: -share}],
        options={"ftol": PRECISION},
    )
    return np.asarray(found.x.clip(low, high))


@dataclass(frozen=True)
class Known:
    """Exposure to one touchpoint by half-life, at the moments that it reaches."""

    rows: Rows
    exposure: npt.NDArray[np.float32]
    saturated: npt.NDArray[np.float32]


class Responses:
    """Make responses of one fit: as estimated, or drawn from its uncertainty.

    At most `most` moments are looked at, those of the past counted; every so many otherwise.
    """

    def __init__(
        self, drivers: Drivers, touchpoints: Sequence[str], most: int | None = None
    ) -> None:
        if any(a != b for a, b in drivers.model.pairs):
            raise ParameterError(
                "budget: the drivers hold synergies, which no budget is planned with\n"
                "  fit them again without `synergy`"
            )
        moments, size = drivers.moments, len(drivers.moments.table)
        _refuse_extremes(drivers, touchpoints)
        looked_at = size + (len(moments.earlier.table) if moments.earlier else 0)
        step = 1 if most is None else -(-looked_at // most)
        self.drivers, self.step, self.model = drivers, step, drivers.model
        if step > 1:
            self.model = some_of(drivers.model, np.arange(0, size, step), past=True)
        self.places = [moments.touchpoints.index(name) for name in touchpoints]
        self.known = self._know(self.model.moments)
        self.earlier = Earlier.of(self.model)
        if self.model.moments.earlier is not None:
            self.known_earlier = self._know(self.model.moments.earlier)

    def whole(self) -> Response:
        """The response as estimated."""
        return next(self._at(self.drivers.parameters.packed[None], np.ones((1, GROUPS))))

    def drawn(self, count: int, seed: int) -> Iterator[Response]:
        """Responses at parameters drawn with the covariance of the group jackknife.

        A draw leans on every customer group more or less by chance, in its parameters and in
        the weights of its moments alike, to first order.
        """
        leaning = np.random.default_rng([seed, 5]).standard_normal((count, GROUPS))
        leaning *= np.sqrt((GROUPS - 1) / GROUPS)
        rest = self.drivers.replicates - self.drivers.replicates.mean(axis=0)
        k, grid = self.model.touchpoints, np.log2(self.model.moments.half_lives)
        packed = self.drivers.parameters.packed + leaning @ rest
        packed[:, :k] = packed[:, :k].clip(-EXTREME, EXTREME)
        packed[:, k : 2 * k] = packed[:, k : 2 * k].clip(grid[0], grid[-1])
        return self._at(packed, 1 - (leaning - leaning.mean(axis=1, keepdims=True)))

    def _at(self, packed: Floats, weights: Floats) -> Iterator[Response]:
        """Responses at sets of parameters (sets, parameters), groups weighted (sets, groups)."""
        chances = Sets.of(self.model, packed).chances()
        for own, p, weight in zip(packed, chances, weights, strict=True):
            expected = p * self.model.moments.events_each * self.step * weight[self.model.group]
            yield self._response(self.model.parameters(own), expected)

    def _response(self, given: Parameters, expected: Floats) -> Response:
        field = self._field(given, self.known, len(expected))
        if self.earlier is None:
            return Response(expected, field)
        hazard = next(self.earlier.ahead(self.model, given.packed[None])).hazard
        ahead = self._field(given, self.known_earlier, len(hazard))
        return Response(expected, field, ahead, hazard, self.earlier.room * self.step)

    def _know(self, points: Points) -> list[Known]:
        found = []
        for place in self.places:
            rows = np.flatnonzero(points.exposure[place, -1] > NEGLIGIBLE)
            exposure = np.ascontiguousarray(points.exposure[place][:, rows])
            found.append(Known(rows, exposure, saturate(exposure, self.model.saturation)))
        return found

    def _field(self, given: Parameters, known: list[Known], size: int) -> Field:
        grid, saturation, lifts = self.model.moments.half_lives, self.model.saturation, []
        tired = dict(zip(self.model.pairs, given.synergies.tolist(), strict=True))
        for place, own in zip(self.places, known, strict=True):
            life = given.log_half_lives[place : place + 1]
            g = between(own.saturated[None], grid, life)[0][0]
            exposure = unsaturated(g, saturation)
            met = exposure > NEGLIGIBLE
            squares = exposure_at(own.exposure[:, met], grid, 0.5 * 2 ** life[0])
            effect, fatigue = float(given.effects[place]), tired.get((place, place), 0.0)
            lifts.append(Lift(own.rows[met], exposure[met], squares, effect, saturation, fatigue))
        return Field(tuple(lifts), size)


def _refuse_extremes(drivers: Drivers, touchpoints: Sequence[str]) -> None:
    effects = dict(zip(drivers.moments.touchpoints, drivers.parameters.effects, strict=True))
    extreme = [name for name in touchpoints if abs(effects[name]) > EXTREME]
    if extreme:
        raise MissingInput(
            f"budget: what more of {listing(extreme)} would bring cannot be told; its touches "
            "nearly separate outcomes from the rest\n  with more outcomes, or `costs` without it, "
            "this says where the next euro brings most"
        )
