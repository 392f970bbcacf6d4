"""Decide every candidate moment in time order: all customers at once, turn by turn.

The n-th candidates of all customers are decided together. Exposures are kept as of the
last touch and decayed when they are looked at, so that nothing is done on days on which
nothing can happen, and hazards are exact at every moment: there are no daily steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from touchlab.simulate.draws import Flags, Floats
from touchlab.simulate.points import PROCESS_BITS, Codes, Points, processes
from touchlab.simulate.population import DAY
from touchlab.simulate.world import OUTCOMES, OutcomeSpec, TouchpointSpec, World

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
