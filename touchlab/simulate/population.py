"""Random numbers with an address, and the customers drawn with them.

Whatever is switched off in a world, every other number stays as it was: streams are keyed by
(seed, name), numbers of single events by (seed, name, customer, second).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from touchlab.numeric import Floats
from touchlab.simulate.world import Holdout, Trait, World

Integers = npt.NDArray[np.int64]
AnyIntegers = npt.NDArray[np.integer]
Flags = npt.NDArray[np.bool_]

DAY = 86_400
LATE_UNTIL = 0.8
MIDDLE_OF_MONTH = 15


def stream(seed: int, name: str, repeat: int = 0) -> np.random.Generator:
    """A generator of its own for one purpose."""
    # crc32 and not hash(): the latter changes from one Python process to the next.
    key = np.random.SeedSequence([seed, crc32(name.encode()), repeat])
    return np.random.Generator(np.random.Philox(key))


def uniform_at(seed: int, name: str, customer: npt.ArrayLike, second: npt.ArrayLike = 0) -> Floats:
    """One uniform number in (0, 1) for each address: splitmix64 of customer and second.

    The numbers do not depend on how many addresses are asked for, or in which order.

    >>> uniform_at(1, "cost", [3, 4], [50, 50])[1] == uniform_at(1, "cost", 4, 50)
    np.True_
    """
    key = np.random.SeedSequence([seed, crc32(name.encode())])
    start = key.generate_state(1, dtype=np.uint64)[0]
    places = np.asarray(customer).astype(np.uint64)
    with np.errstate(over="ignore"):  # hashing is arithmetic modulo 2^64
        mixed = splitmix64(start + splitmix64(places))
        mixed = splitmix64(mixed + np.asarray(second).astype(np.uint64))
    return ((mixed >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52


def normal_at(seed: int, name: str, customer: npt.ArrayLike, second: npt.ArrayLike = 0) -> Floats:
    """One standard normal number for each address, as `uniform_at`."""
    return np.asarray(ndtri(uniform_at(seed, name, customer, second)))


def splitmix64(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of Steele, Lea and Flood (2014), one step."""
    z = state + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class Population:
    """What is known about every customer before anything happens."""

    intent: Floats  # customers x days, or one column where it is constant
    joined: Integers  # seconds from the start of the world
    levels: Mapping[str, Integers]  # by trait, the index of each customer's level
    log_hazard: Mapping[str, Floats]  # by outcome, the sum of the customer's trait effects
    log_touches: Floats  # the same for the rate of all touchpoints
    log_season: Floats  # by day

    def intent_at(self, customer: AnyIntegers, day: AnyIntegers) -> Floats:
        constant = self.intent.shape[1] == 1
        return np.asarray(self.intent[customer, 0 if constant else day])


def draw_population(world: World, seed: int) -> Population:
    everyone, traits = np.arange(world.customers), world.traits
    levels = {trait.name: draw_levels(trait, seed, everyone) for trait in traits}
    return Population(
        intent=draw_intent(world, seed),
        joined=draw_joined(world, seed, everyone),
        levels=levels,
        log_hazard={
            outcome: trait_sum(world, levels, [t.hazards.get(outcome, {}) for t in traits])
            for outcome in world.outcomes
        },
        log_touches=trait_sum(world, levels, [t.touches for t in traits]),
        log_season=np.log(season_by_day(world)),
    )


def draw_intent(world: World, seed: int) -> Floats:
    """Constant, or an autoregressive path by day whose spread stays the same."""
    normal = stream(seed, "intent")
    first = normal.standard_normal(world.customers)
    if world.intent_half_life_days is None:
        return world.intent_spread * first[:, np.newaxis]
    kept = 0.5 ** (1.0 / world.intent_half_life_days)
    path = np.empty((world.days, world.customers))
    path[0] = first
    for day in range(1, world.days):
        path[day] = kept * path[day - 1] + np.sqrt(1 - kept**2) * normal.standard_normal(len(first))
    return world.intent_spread * path.T


def draw_joined(world: World, seed: int, everyone: Integers) -> Integers:
    late = uniform_at(seed, "joins late", everyone) < world.late_share
    moment = uniform_at(seed, "joined", everyone) * LATE_UNTIL * world.days * DAY
    return np.where(late, moment, 0).astype(np.int64)


def draw_levels(trait: Trait, seed: int, everyone: Integers) -> Integers:
    shares = np.array(list(trait.shares.values()), dtype=float)
    steps = np.cumsum(shares / shares.sum())[:-1]
    return np.searchsorted(steps, uniform_at(seed, f"trait {trait.name}", everyone), side="right")


def trait_sum(
    world: World, levels: Mapping[str, Integers], effects: Iterable[Mapping[str, float]]
) -> Floats:
    """Add up the effects of each customer's levels; `effects` are by level, trait for trait."""
    total = np.zeros(world.customers)
    for trait, effect in zip(world.traits, effects, strict=True):
        by_level = np.array([effect.get(level, 0.0) for level in trait.shares])
        total += by_level[levels[trait.name]]
    return total


def season_by_day(world: World) -> Floats:
    """Factors a day, straight lines between the middles of the months."""
    if not world.season:
        return np.ones(world.days)
    first = np.datetime64(world.start, "D")
    year = first.astype("datetime64[Y]")
    months = year.astype("datetime64[M]") + np.arange(-1, 14 + world.days // 28)
    middles = months.astype("datetime64[D]") + (MIDDLE_OF_MONTH - 1)
    factors = np.array(world.season)[months.astype(np.int64) % 12]
    days = np.arange(world.days)
    return np.asarray(np.interp(days, (middles - first).astype(np.int64), factors))


def reached(world: World, seed: int, touchpoint: str, share: float) -> Flags:
    """Which customers a touchpoint can touch at all."""
    return np.asarray(uniform_at(seed, f"reach {touchpoint}", np.arange(world.customers)) < share)


def held_out(world: World, seed: int, held: Holdout) -> Flags:
    """Which customers are in the holdout arm of an experiment."""
    key = f"holdout {held.touchpoint} {held.start_day}"
    return np.asarray(uniform_at(seed, key, np.arange(world.customers)) < held.share)
