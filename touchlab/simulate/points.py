"""Candidate moments of every touch and outcome, drawn before anything is decided.

For a process with rate at most c per customer-day, points are scattered evenly over
customers x time x height in [0, c] with density one. The process is exactly: those points
whose height lies below its rate at that moment, whatever the past did to the rate
(thinning; Lewis and Shedler 1979, Ogata 1981). A rerun with a touchpoint switched off
meets the same points, so that histories differ only where the touchpoint made them differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from touchlab.simulate.draws import Floats, stream
from touchlab.simulate.population import DAY, Population, end_of, held_out, reached
from touchlab.simulate.world import OUTCOMES, TouchpointSpec, World

Codes = npt.NDArray[np.int32]

SECOND_BITS = 28
PROCESS_BITS = 6


@dataclass(frozen=True)
class Points:
    """Candidates in the order in which they are decided.

    `turn` numbers the candidates of each customer in time; points are sorted by turn, then
    process. `log_base` is the part of the log rate per customer-day that is known
    beforehand: everything but the customer's own history.
    """

    turn: Codes
    process: Codes
    customer: Codes
    second: Codes
    height: Floats
    log_base: Floats

    def where(self, keep: npt.NDArray[np.generic]) -> Points:
        """The points of a mask, or at positions."""
        positions = np.flatnonzero(keep) if keep.dtype == bool else keep
        return Points(*(getattr(self, field.name).take(positions) for field in fields(self)))

    def __len__(self) -> int:
        return len(self.turn)


def processes(world: World) -> tuple[str, ...]:
    """Names by process code: outcomes first, so that within one second they see only
    earlier touches."""
    return (*OUTCOMES, *(spec.name for spec in world.touchpoints))


def draw_points(world: World, population: Population, *, seed: int, repeat: int = 0) -> Points:
    """All candidates of a world; another `repeat` gives the outcomes fresh ones."""
    parts = [
        outcome_points(world, population, name, stream(seed, f"points {name}", repeat))
        for name in OUTCOMES
        if name in world.outcomes
    ]
    parts += [touch_points(world, population, spec, seed) for spec in world.touchpoints]
    return in_turns(parts)


def outcome_points(
    world: World, population: Population, name: str, rng: np.random.Generator
) -> Points:
    spec = world.outcomes[name]
    part = scatter(world, population, name, rng)
    log_base = (
        log_rate(spec.rate)
        + population.log_hazard[name][part.customer]
        + moving_part(population, part, intent=spec.intent, seasonality=spec.seasonality)
    )
    return replace(part, log_base=log_base)


def touch_points(world: World, population: Population, spec: TouchpointSpec, seed: int) -> Points:
    part = scatter(world, population, spec.name, stream(seed, f"points {spec.name}"))
    part = part.where(reached(world, seed, spec.name, spec.reach)[part.customer])
    for held in world.holdouts:
        if held.touchpoint == spec.name:
            arm = held_out(world, seed, held)[part.customer]
            started = part.second >= held.start_day * DAY
            part = part.where(~(arm & started & (part.second < end_of(world, held) * DAY)))
    log_base = (
        log_rate(spec.rate)
        + population.log_touches[part.customer]
        + moving_part(population, part, intent=spec.targets_intent, seasonality=spec.seasonality)
    )
    part = replace(part, log_base=log_base)
    # Only history could still lift a rate above a height that lies over the known part.
    return part if depends_on_history(world, spec) else part.where(part.height < np.exp(log_base))


def depends_on_history(world: World, spec: TouchpointSpec) -> bool:
    return bool(spec.targets_history) or any(spec.name in s.induces for s in world.touchpoints)


def scatter(world: World, population: Population, name: str, rng: np.random.Generator) -> Points:
    """Even points over customers, seconds and heights, from the day a customer joined."""
    ceiling = world.ceiling_of(name)
    count = rng.poisson(world.customers * world.days * ceiling)
    part = Points(
        turn=np.zeros(count, np.int32),
        process=np.full(count, processes(world).index(name), np.int32),
        customer=rng.integers(0, world.customers, count, dtype=np.int32),
        second=rng.integers(0, world.days * DAY, count, dtype=np.int32),
        height=rng.random(count) * ceiling,
        log_base=np.zeros(count),
    )
    return part.where(part.second >= population.joined[part.customer])


def moving_part(
    population: Population, part: Points, *, intent: float, seasonality: float
) -> Floats:
    day = part.second // DAY
    total = np.zeros(len(part))
    if intent:
        total += intent * population.intent_at(part.customer, day)
    if seasonality:
        total += seasonality * population.log_season[day]
    return total


def log_rate(rate: float) -> float:
    return float(np.log(rate)) if rate > 0 else -np.inf


def in_turns(parts: Sequence[Points]) -> Points:
    """Put all candidates in the order of decision, with as few turns as there can be."""
    joined = Points(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Points))
    )
    # Packing the columns into one integer sorts several times faster than np.lexsort.
    place = (joined.customer.astype(np.int64) << SECOND_BITS) | joined.second
    order = np.argsort((place << PROCESS_BITS) | joined.process)
    first = np.flatnonzero(np.diff(joined.customer[order], prepend=-1))
    lengths = np.diff(first, append=len(order))
    turn = np.empty(len(order), np.int32)
    turn[order] = np.arange(len(order)) - np.repeat(first, lengths)
    joined = replace(joined, turn=turn).where(order)
    key = (joined.turn << PROCESS_BITS) | joined.process
    # NumPy's stable sort of 16-bit numbers is a radix sort: linear, and far faster.
    small = key.astype(np.min_scalar_type(key.max(initial=0)))
    return joined.where(np.argsort(small, kind="stable"))
