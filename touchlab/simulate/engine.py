"""Candidate moments of every touch and outcome, drawn before anything is decided.

For a process with rate at most c per customer-day, points are scattered evenly over
customers x time x height in [0, c] with density one. The process is exactly: those points
whose height lies below its rate at that moment, whatever the past did to the rate
(thinning; Lewis and Shedler 1979, Ogata 1981). A rerun with a touchpoint switched off
meets the same points, so that histories differ only where the touchpoint made them differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from touchlab.numeric import Floats
from touchlab.simulate.population import DAY, Flags, Population, end_of, held_out, reached, stream
from touchlab.simulate.world import OUTCOMES, OutcomeSpec, TouchpointSpec, World

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


CONVERSION, CHURN = OUTCOMES.index("conversion"), OUTCOMES.index("churn")


@dataclass
class State:
    """What the past of each customer comes to; changed in place as turns are decided."""

    stock: Floats
    """Customers x touchpoints: exposure just after the last touch of the touchpoint."""
    echo: Floats
    """The same with the half-lives of echoes."""
    touched: Floats
    """Day of that last touch."""
    converted: Floats
    """Day of the first conversion, infinity before it."""
    churned: Flags


@dataclass(frozen=True)
class Law:
    """How one process depends on the past, with touchpoints as column numbers."""

    ceiling: float
    needs_conversion: bool
    within_days: float
    repeat: float = 0.0
    columns: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    pairs: tuple[tuple[int, int, float], ...] = ()
    """Outcomes: positions in `columns` of two touchpoints with synergy, and its effect."""
    sources: tuple[int, ...] = ()
    strengths: tuple[float, ...] = ()
    """Touchpoints: columns that induce, and induced touches per day and unit of echo."""


@dataclass(frozen=True)
class Decided:
    """Which candidates happened, and how many met a rate above the ceiling."""

    happened: Flags
    capped: Mapping[str, int]


def decide(world: World, points: Points, *, only: int | None = None) -> Decided:
    """Accept or refuse every candidate.

    With `only`, a process code, all points of other processes are taken as facts.
    """
    state, names = new_state(world), processes(world)
    laws = {code: law_of(world, code) for code in range(len(names))}
    happened = np.zeros(len(points), bool)
    capped = dict.fromkeys(names, 0)
    for code, group in groups_of(points):
        customer = points.customer[group]
        day = points.second[group] / DAY
        yes = np.arange(len(customer))
        if only is None or code == only:
            law, rate_of = laws[code], hazard if code < len(OUTCOMES) else touch_rate
            yes = np.flatnonzero(at_risk(law, state, customer, day))
            rate = rate_of(world, law, state, customer[yes], day[yes], points.log_base[group][yes])
            capped[names[code]] += int((rate > law.ceiling).sum())
            yes = yes[points.height[group][yes] < rate]
        happened[group][yes] = True
        record(world, state, code, customer[yes], day[yes])
    return Decided(happened, capped)


def groups_of(points: Points) -> Iterator[tuple[int, slice]]:
    """Runs of points of one turn and one process; no customer is twice in a run."""
    key = (points.turn.astype(np.int64) << PROCESS_BITS) | points.process
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    ends = np.append(starts[1:], len(key))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=False):
        yield int(points.process[start]), slice(start, end)


def new_state(world: World) -> State:
    shape = (world.customers, len(world.touchpoints))
    return State(
        stock=np.zeros(shape),
        echo=np.zeros(shape),
        touched=np.zeros(shape),
        converted=np.full(world.customers, np.inf),
        churned=np.zeros(world.customers, bool),
    )


def at_risk(law: Law, state: State, customer: Codes, day: Floats) -> Flags:
    alive = ~state.churned[customer]
    if not law.needs_conversion:
        return alive
    age = day - state.converted[customer]
    return np.asarray(alive & (age > 0) & (age <= law.within_days))


def touch_rate(
    world: World, law: Law, state: State, customer: Codes, day: Floats, log_base: Floats
) -> Floats:
    """Touches per customer-day: the known part times targeting, plus what others induce."""
    log_rate = log_base
    for column, exponent in zip(law.columns, law.weights, strict=True):
        log_rate = log_rate + exponent * np.log1p(echo_at(world, state, customer, day, column))
    rate = np.exp(log_rate)
    for column, strength in zip(law.sources, law.strengths, strict=True):
        rate = rate + strength * echo_at(world, state, customer, day, column)
    return rate


def hazard(
    world: World, law: Law, state: State, customer: Codes, day: Floats, log_base: Floats
) -> Floats:
    """Outcomes per customer-day at risk."""
    log_hazard = log_base
    if law.repeat:
        log_hazard = log_hazard + law.repeat * (state.converted[customer] < day)
    responses = [response_at(world, state, customer, day, column) for column in law.columns]
    for response, weight in zip(responses, law.weights, strict=True):
        log_hazard = log_hazard + weight * response
    for first, second, effect in law.pairs:
        log_hazard = log_hazard + effect * responses[first] * responses[second]
    return np.exp(log_hazard)


def response_at(world: World, state: State, customer: Codes, day: Floats, column: int) -> Floats:
    """g(A), the form in which the exposure to a touchpoint enters the log hazard."""
    spec = world.touchpoints[column]
    age = day - state.touched[customer, column]
    return respond(spec, state.stock[customer, column] * np.exp2(-age / spec.half_life_days))


def respond(spec: TouchpointSpec, exposure: npt.ArrayLike) -> Floats:
    """g(A) of a touchpoint."""
    stock = np.asarray(exposure, dtype=float)
    return np.asarray(np.log1p(stock) if spec.response == "log" else -np.expm1(-stock))


def echo_at(world: World, state: State, customer: Codes, day: Floats, column: int) -> Floats:
    age = day - state.touched[customer, column]
    half_life = world.touchpoints[column].echo_half_life_days
    return np.asarray(state.echo[customer, column] * np.exp2(-age / half_life))


def record(world: World, state: State, code: int, customer: Codes, day: Floats) -> None:
    """Make what happened part of the past."""
    if code == CONVERSION:
        state.converted[customer] = np.minimum(state.converted[customer], day)
    elif code == CHURN:
        state.churned[customer] = True
    elif code >= len(OUTCOMES):
        column = code - len(OUTCOMES)
        spec = world.touchpoints[column]
        age = day - state.touched[customer, column]
        stock = state.stock[customer, column] * np.exp2(-age / spec.half_life_days)
        state.stock[customer, column] = stock + 1.0
        state.echo[customer, column] = 1.0 + echo_at(world, state, customer, day, column)
        state.touched[customer, column] = day


def law_of(world: World, code: int) -> Law:
    if code < len(OUTCOMES):
        name = OUTCOMES[code]
        return outcome_law(world, name, world.outcomes.get(name, OutcomeSpec(0.0)))
    return touch_law(world, world.touchpoints[code - len(OUTCOMES)])


def outcome_law(world: World, name: str, outcome: OutcomeSpec) -> Law:
    names = [spec.name for spec in world.touchpoints]
    synergies = [synergy for synergy in world.synergies if synergy.outcome == name]
    paired = {part for synergy in synergies for part in (synergy.first, synergy.second)}
    working = [s for s in world.touchpoints if s.effects.get(name, 0.0) or s.name in paired]
    place = {spec.name: position for position, spec in enumerate(working)}
    return Law(
        ceiling=np.inf if name not in world.outcomes else world.ceiling_of(name),
        needs_conversion=outcome.needs_conversion,
        within_days=np.inf,
        repeat=outcome.repeat,
        columns=tuple(names.index(spec.name) for spec in working),
        weights=tuple(spec.effects.get(name, 0.0) for spec in working),
        pairs=tuple((place[s.first], place[s.second], s.effect) for s in synergies),
    )


def touch_law(world: World, spec: TouchpointSpec) -> Law:
    names = [other.name for other in world.touchpoints]
    inducing = [other for other in world.touchpoints if other.induces.get(spec.name)]
    return Law(
        ceiling=world.ceiling_of(spec.name),
        needs_conversion=spec.phase == "after",
        within_days=np.inf if spec.within_days is None else spec.within_days,
        columns=tuple(names.index(name) for name in spec.targets_history),
        weights=tuple(spec.targets_history.values()),
        sources=tuple(names.index(other.name) for other in inducing),
        strengths=tuple(
            # An echo integrates to half_life / ln 2 customer-days.
            other.induces[spec.name] * np.log(2.0) / other.echo_half_life_days
            for other in inducing
        ),
    )
