"""Candidate moments of every touch and outcome, and which of them happen.

For a process with rate at most c per customer-day, points are scattered evenly over
customers x time x height in [0, c] with density one, before anything is decided. The process is
exactly: those points whose height lies below its rate at that moment, whatever the past did to
the rate (thinning; Lewis and Shedler 1979, Ogata 1981). A rerun with a touchpoint switched off
meets the same points, so that histories differ only where the touchpoint made them differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from touchlab.numeric import Floats
from touchlab.simulate.population import DAY, Flags, Population, held_out, reached, stream
from touchlab.simulate.world import OUTCOMES, OutcomeSpec, TouchpointSpec, World

Codes = npt.NDArray[np.int32]

HOUR = 3_600
SECOND_BITS = 28
PROCESS_BITS = 6
CONVERSION, CHURN = OUTCOMES.index("conversion"), OUTCOMES.index("churn")


@dataclass(frozen=True)
class Points:
    """Candidates in the order in which they are decided: by turn, then process."""

    turn: Codes  # numbers the candidates of each customer in time
    process: Codes
    customer: Codes
    second: Codes
    height: Floats
    log_base: Floats  # of the rate per customer-day, all but what the customer's history adds

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
    spec, part = world.outcomes[name], scatter(world, population, name, rng)
    traits = population.log_hazard[name]
    return based(population, part, spec.rate, traits, spec.intent, spec.seasonality)


def touch_points(world: World, population: Population, spec: TouchpointSpec, seed: int) -> Points:
    rng = stream(seed, f"points {spec.name}")
    part = (in_waves if spec.sent_on else scatter)(world, population, spec.name, rng)
    part = part.where(reached(world, seed, spec.name, spec.reach)[part.customer])
    for held in world.holdouts:
        if held.touchpoint == spec.name:
            arm = held_out(world, seed, held)[part.customer]
            started = part.second >= held.start_day * DAY
            part = part.where(~(arm & started & (part.second < world.end_of(held) * DAY)))
    traits = population.log_touches
    part = based(population, part, spec.rate, traits, spec.targets_intent, spec.seasonality)
    # Only history could still lift a rate above a height that lies over the known part.
    moved = spec.targets_history or any(spec.name in other.induces for other in world.touchpoints)
    return part if moved else part.where(part.height < np.exp(part.log_base))


def in_waves(world: World, population: Population, name: str, rng: np.random.Generator) -> Points:
    """Touches of everybody on the days given, in the hours after nine."""
    code = processes(world).index(name)
    days = [day for day in world.touchpoints[code - len(OUTCOMES)].sent_on if day < world.days]
    hours = rng.integers(9 * HOUR, 12 * HOUR, world.customers * len(days))
    customer = np.repeat(np.arange(world.customers, dtype=np.int32), len(days))
    second = (np.tile(np.array(days, np.int64), world.customers) * DAY + hours).astype(np.int32)
    height = np.zeros(len(second))  # below any rate: nothing keeps them from happening
    return since_joined(population, code, customer, second, height)


def scatter(world: World, population: Population, name: str, rng: np.random.Generator) -> Points:
    """Even points over customers, seconds and heights, from the day a customer joined."""
    ceiling = world.ceiling_of(name)
    count = rng.poisson(world.customers * world.days * ceiling)
    customer = rng.integers(0, world.customers, count, dtype=np.int32)
    second = rng.integers(0, world.days * DAY, count, dtype=np.int32)
    height = rng.random(count) * ceiling
    return since_joined(population, processes(world).index(name), customer, second, height)


def since_joined(
    population: Population, code: int, customer: Codes, second: Codes, height: Floats
) -> Points:
    """Points of one process, from the moment on when their customer joined; turns come later."""
    count = len(second)
    turn, process = np.zeros(count, np.int32), np.full(count, code, np.int32)
    part = Points(turn, process, customer, second, height, log_base=np.zeros(count))
    return part.where(second >= population.joined[customer])


def based(
    population: Population, part: Points, rate: float, traits: Floats, intent: float, season: float
) -> Points:
    """Points with their known part: rate, traits, and what intent and season move."""
    day = part.second // DAY
    moving = np.zeros(len(part))
    if intent:
        moving += intent * population.intent_at(part.customer, day)
    if season:
        moving += season * population.log_season[day]
    log_rate = float(np.log(rate)) if rate > 0 else -np.inf
    return replace(part, log_base=log_rate + traits[part.customer] + moving)


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


# --- Deciding -----------------------------------------------------------------------


class State:
    """What the past of each customer comes to; changed in place as turns are decided."""

    def __init__(self, world: World) -> None:
        self.touchpoints = world.touchpoints
        self.ends = "conversion" in world.outcomes and world.outcomes["conversion"].ends
        shape = (world.customers, len(world.touchpoints))
        self.stock = np.zeros(shape)  # exposure just after the last touch of the touchpoint
        self.risen = np.zeros(shape)  # exposure times age, of touches that work later
        self.echo = np.zeros(shape)  # the same with the half-lives of echoes
        self.touched = np.zeros(shape)  # day of that last touch
        self.converted = np.full(world.customers, np.inf)  # day of the first conversion
        self.over = np.zeros(world.customers, bool)

    def stock_at(self, customer: Codes, day: Floats, column: int) -> Floats:
        """The exposure; of touches that work later, the sum of age / peak * exp(1 - age / peak)."""
        peak = self.touchpoints[column].peak_days
        stock, risen = self.faded(customer, day, column)
        return risen * np.e / peak if peak else stock

    def faded(self, customer: Codes, day: Floats, column: int) -> tuple[Floats, Floats]:
        age, spec = day - self.touched[customer, column], self.touchpoints[column]
        left = np.exp2(-age / (spec.peak_days * np.log(2.0) or spec.half_life_days))
        stock = self.stock[customer, column] * left
        return stock, self.risen[customer, column] * left + age * stock

    def echo_at(self, customer: Codes, day: Floats, column: int) -> Floats:
        age = day - self.touched[customer, column]
        half_life = self.touchpoints[column].echo_half_life_days
        return np.asarray(self.echo[customer, column] * np.exp2(-age / half_life))

    def at_risk(self, law: Law, customer: Codes, day: Floats) -> Flags:
        alive = ~self.over[customer]
        if not law.needs_conversion:
            return alive
        age = day - self.converted[customer]
        return np.asarray(alive & (age > 0) & (age <= law.within_days))

    def record(self, code: int, customer: Codes, day: Floats) -> None:
        """Make what happened part of the past."""
        if code == CONVERSION:
            self.converted[customer] = np.minimum(self.converted[customer], day)
            self.over[customer] |= self.ends
        elif code == CHURN:
            self.over[customer] = True
        elif code >= len(OUTCOMES):
            column = code - len(OUTCOMES)
            stock, self.risen[customer, column] = self.faded(customer, day, column)
            self.stock[customer, column] = 1.0 + stock
            self.echo[customer, column] = 1.0 + self.echo_at(customer, day, column)
            self.touched[customer, column] = day


@dataclass(frozen=True)
class Law:
    """How one process depends on the past, with touchpoints as column numbers."""

    ceiling: float
    needs_conversion: bool
    within_days: float = np.inf
    repeat: float = 0.0
    columns: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    # Of outcomes: positions in `columns` of two touchpoints with synergy, and its effect.
    pairs: tuple[tuple[int, int, float], ...] = ()
    # Of touches: columns that induce them, and induced touches per day and unit of echo.
    sources: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Decided:
    """Which candidates happened, and how many met a rate above the ceiling."""

    happened: Flags
    capped: Mapping[str, int]
    lifts: Mapping[str, Floats]  # by touchpoint, what it adds to the log value of conversions


def decide(world: World, points: Points, *, only: int | None = None) -> Decided:
    """Accept or refuse every candidate.

    With `only`, a process code, all points of other processes are taken as facts.
    """
    state, names = State(world), processes(world)
    laws = [law_of(world, code) for code in range(len(names))]
    happened = np.zeros(len(points), bool)
    capped = dict.fromkeys(names, 0)
    raising = {
        spec.name: column for column, spec in enumerate(world.touchpoints) if spec.value_effect
    }
    lifts = {name: np.zeros(len(points)) for name in raising}
    for code, group in groups_of(points):
        customer = points.customer[group]
        day = points.second[group] / DAY
        yes = np.arange(len(customer))
        if only is None or code == only:
            law, rate_of = laws[code], hazard if code < len(OUTCOMES) else touch_rate
            yes = np.flatnonzero(state.at_risk(law, customer, day))
            rate = rate_of(law, state, customer[yes], day[yes], points.log_base[group][yes])
            capped[names[code]] += int((rate > law.ceiling).sum())
            yes = yes[points.height[group][yes] < rate]
        happened[group][yes] = True
        for name, column in raising.items() if code == CONVERSION else ():
            spec, stock = world.touchpoints[column], state.stock_at(customer, day, column)
            lifts[name][group] = spec.value_effect * respond(spec, stock)
        state.record(code, customer[yes], day[yes])
    return Decided(happened, capped, lifts)


def groups_of(points: Points) -> Iterator[tuple[int, slice]]:
    """Runs of points of one turn and one process; no customer is twice in a run."""
    key = (points.turn.astype(np.int64) << PROCESS_BITS) | points.process
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    ends = np.append(starts[1:], len(key))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=False):
        yield int(points.process[start]), slice(start, end)


def touch_rate(law: Law, state: State, customer: Codes, day: Floats, log_base: Floats) -> Floats:
    """Touches per customer-day: the known part times targeting, plus what others induce."""
    log_rate = log_base
    for column, exponent in zip(law.columns, law.weights, strict=True):
        log_rate = log_rate + exponent * np.log1p(state.echo_at(customer, day, column))
    rate = np.exp(log_rate)
    for column, strength in law.sources:
        rate = rate + strength * state.echo_at(customer, day, column)
    return rate


def hazard(law: Law, state: State, customer: Codes, day: Floats, log_base: Floats) -> Floats:
    """Outcomes per customer-day at risk."""
    log_hazard = log_base
    if law.repeat:
        log_hazard = log_hazard + law.repeat * (state.converted[customer] < day)
    responses = [
        respond(state.touchpoints[column], state.stock_at(customer, day, column))
        for column in law.columns
    ]
    for response, weight in zip(responses, law.weights, strict=True):
        log_hazard = log_hazard + weight * response
    for first, second, effect in law.pairs:
        log_hazard = log_hazard + effect * responses[first] * responses[second]
    return np.exp(log_hazard)


def respond(spec: TouchpointSpec, exposure: npt.ArrayLike) -> Floats:
    """g(A), the form in which the exposure to a touchpoint enters the log hazard."""
    stock = np.asarray(exposure, dtype=float)
    if spec.response == "saturating":
        return np.asarray(-np.expm1(-stock))
    return np.asarray(np.log1p(stock) - (stock / 3 if spec.response == "fatigue" else 0.0))


def law_of(world: World, code: int) -> Law:
    if code < len(OUTCOMES):
        return outcome_law(world, OUTCOMES[code])
    return touch_law(world, world.touchpoints[code - len(OUTCOMES)])


def outcome_law(world: World, name: str) -> Law:
    outcome = world.outcomes.get(name, OutcomeSpec(0.0))
    synergies = [synergy for synergy in world.synergies if synergy.outcome == name]
    paired = {part for synergy in synergies for part in (synergy.first, synergy.second)}
    working = {
        spec.name: (column, spec.effects.get(name, 0.0))
        for column, spec in enumerate(world.touchpoints)
        if spec.effects.get(name, 0.0) or spec.name in paired
    }
    place = list(working).index
    return Law(
        ceiling=world.ceiling_of(name) if name in world.outcomes else np.inf,
        needs_conversion=outcome.needs_conversion,
        repeat=outcome.repeat,
        columns=tuple(column for column, _ in working.values()),
        weights=tuple(weight for _, weight in working.values()),
        pairs=tuple((place(s.first), place(s.second), s.effect) for s in synergies),
    )


def touch_law(world: World, spec: TouchpointSpec) -> Law:
    names = [other.name for other in world.touchpoints]
    return Law(
        ceiling=world.ceiling_of(spec.name),
        needs_conversion=spec.phase == "after",
        within_days=np.inf if spec.within_days is None else spec.within_days,
        columns=tuple(names.index(name) for name in spec.targets_history),
        weights=tuple(spec.targets_history.values()),
        sources=tuple(
            # An echo integrates to half_life / ln 2 customer-days.
            (column, other.induces[spec.name] * np.log(2.0) / other.echo_half_life_days)
            for column, other in enumerate(world.touchpoints)
            if other.induces.get(spec.name)
        ),
    )
