"""What the settings of a world must keep; every broken rule is named at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from touchlab.data.contract import METRIC_RANGES, OWNERS, PHASES, STAGES, TABLES
from touchlab.errors import ParameterError

if TYPE_CHECKING:
    from touchlab.simulate.world import OutcomeSpec, TouchpointSpec, World

Problems = Iterator[str]
MOST_TOUCHPOINTS = 60
COLUMNS = TABLES["customers"].order


def check_touchpoint(spec: TouchpointSpec, *, outcomes: Sequence[str]) -> None:
    """Refuse a touchpoint whose settings make no sense."""
    title = f"TouchpointSpec {spec.name!r}"
    if not (isinstance(spec.name, str) and spec.name and spec.name not in outcomes):
        taken = ", ".join(outcomes)
        raise ParameterError(f"{title}: a name is text, not empty and none of {taken}")
    refuse(title, touchpoint_problems(spec, outcomes))


def touchpoint_problems(spec: TouchpointSpec, outcomes: Sequence[str]) -> Problems:
    yield from at_least_zero("rate", spec.rate, "touches per customer-day", "0 switches it off")
    yield from at_least_zero("cost", spec.cost, "euro per touch", "0 is free")
    yield from above_zero("half_life_days", spec.half_life_days, "days", "3 is common")
    yield from above_zero("echo_half_life_days", spec.echo_half_life_days, "days", "2 is common")
    yield from share("reach", spec.reach)
    for name in ("targets_intent", "seasonality", "quality", "weight"):
        yield from finite(name, getattr(spec, name))
    for outcome, effect in spec.effects.items():
        yield from one_of("effects", outcome, outcomes)
        yield from finite(f"effects[{outcome!r}]", effect)
    for name, exponent in spec.targets_history.items():
        yield from finite(f"targets_history[{name!r}]", exponent)
    for name, strength in spec.induces.items():
        yield from at_least_zero(
            f"induces[{name!r}]", strength, "induced touches per touch", "0 is none"
        )
    yield from one_of("response", spec.response, ("log", "saturating"))
    yield from one_of("stage", spec.stage, STAGES)
    yield from one_of("owner", spec.owner, OWNERS)
    yield from one_of("phase", spec.phase, PHASES)
    yield from one_of("direction", spec.direction, ("in", "out"))
    if spec.ceiling is not None:
        yield from above_zero("ceiling", spec.ceiling, "touches per customer-day", "None chooses")
    if spec.within_days is not None:
        yield from above_zero("within_days", spec.within_days, "days", "None is no end")
        if spec.phase != "after":
            yield (
                f"within_days: given with phase {spec.phase!r}; it counts days after the first "
                "conversion; set phase='after'"
            )


def check_outcome(spec: OutcomeSpec) -> None:
    """Refuse an outcome whose settings make no sense."""
    refuse("OutcomeSpec", outcome_problems(spec))


def outcome_problems(spec: OutcomeSpec) -> Problems:
    yield from at_least_zero("rate", spec.rate, "events per customer-day", "0 switches it off")
    yield from at_least_zero("value", spec.value, "euro", "0 is no value")
    yield from at_least_zero("value_spread", spec.value_spread, "log euro", "0 is equal values")
    for name in ("intent", "repeat", "seasonality"):
        yield from finite(name, getattr(spec, name))
    if spec.ceiling is not None:
        yield from above_zero("ceiling", spec.ceiling, "events per customer-day", "None chooses")


def check_world(world: World, *, outcomes: Sequence[str]) -> None:
    """Refuse a world whose settings make no sense or do not fit together."""
    refuse("World", size_problems(world, outcomes))
    refuse("World", name_problems(world, outcomes))
    refuse("World", part_problems(world))


def size_problems(world: World, outcomes: Sequence[str]) -> Problems:
    yield from whole_number("customers", world.customers, most=100_000_000)
    yield from whole_number("days", world.days, most=3_000)
    if not 1 <= len(world.touchpoints) <= MOST_TOUCHPOINTS:
        yield (
            f"touchpoints: {len(world.touchpoints)} were given; a world has 1 to "
            f"{MOST_TOUCHPOINTS}; leave out the ones without touches"
        )
    yield from at_least_zero(
        "intent_spread", world.intent_spread, "log hazard", "0 is equal intent"
    )
    yield from share("late_share", world.late_share)
    if world.intent_half_life_days is not None:
        yield from above_zero(
            "intent_half_life_days", world.intent_half_life_days, "days", "None keeps it constant"
        )
    if not is_date(world.start):
        yield f"start: {world.start!r} was given; it must be a day; give ISO 8601 (2025-01-01)"
    if world.season and (
        len(world.season) != 12 or not all(is_above_zero(f) for f in world.season)
    ):
        yield (
            f"season: {world.season!r} was given; it must be empty or twelve factors above 0, "
            "one a month; 1 is an average month"
        )
    for outcome in world.outcomes:
        yield from one_of("outcomes", outcome, outcomes)


def name_problems(world: World, outcomes: Sequence[str]) -> Problems:
    """Names that mean no touchpoint of this world, or mean two."""
    names = [spec.name for spec in world.touchpoints]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"touchpoints: {name!r} is given {names.count(name)} times; name each one once"
    for spec in world.touchpoints:
        for setting in ("induces", "targets_history"):
            for other in getattr(spec, setting):
                yield from one_of(f"touchpoint {spec.name!r}, {setting}", other, names)
    for synergy in world.synergies:
        yield from one_of("synergies", synergy.first, names)
        yield from one_of("synergies", synergy.second, names)
        yield from one_of("synergies", synergy.outcome, outcomes)
        yield from finite("synergies: effect", synergy.effect)
    for held in world.holdouts:
        yield from one_of("holdouts", held.touchpoint, world.names)
    for survey in world.surveys:
        yield from one_of("surveys", survey.touchpoint, world.names)


def part_problems(world: World) -> Problems:
    """Holdouts, surveys and traits that are out of range."""
    for held in world.holdouts:
        place = f"holdout of {held.touchpoint!r}"
        yield from share(f"{place}: share", held.share)
        end = world.days if held.end_day is None else held.end_day
        if not 0 <= held.start_day < end <= world.days:
            yield (
                f"{place}: days {held.start_day} to {end} were given; they must lie in order "
                f"within 0 to {world.days}; change start_day or end_day"
            )
    for survey in world.surveys:
        yield from one_of("surveys: metric", survey.metric, tuple(METRIC_RANGES))
        yield from share(f"survey of {survey.touchpoint!r}: sent", survey.sent)
        yield from share(f"survey of {survey.touchpoint!r}: answered", survey.answered)
        yield from finite("surveys: answered_slope", survey.answered_slope)
    for trait in world.traits:
        if trait.name in COLUMNS:
            yield f"trait {trait.name!r}: is a column of the contract; choose another name"
        if not trait.shares or not all(is_above_zero(part) for part in trait.shares.values()):
            yield (
                f"trait {trait.name!r}: shares {dict(trait.shares)!r} were given; they must be "
                "numbers above 0, one a level; leave out levels that nobody has"
            )
        used = [*trait.touches, *(level for by in trait.hazards.values() for level in by)]
        for level in used:
            yield from one_of(f"trait {trait.name!r}: levels", level, tuple(trait.shares))
        for outcome in trait.hazards:
            yield from one_of(f"trait {trait.name!r}: hazards", outcome, tuple(world.outcomes))


def refuse(title: str, problems: Iterable[str]) -> None:
    found = list(problems)
    if len(found) == 1:
        raise ParameterError(f"{title}: {found[0]}")
    if found:
        listed = "".join(f"\n  {problem}" for problem in found)
        raise ParameterError(f"{title}: {len(found)} settings cannot be used{listed}")


def is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_above_zero(value: Any) -> bool:
    return is_number(value) and value > 0


def is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def at_least_zero(name: str, value: Any, unit: str, hint: str) -> Problems:
    if not (is_number(value) and value >= 0):
        yield f"{name}: {value!r} was given; it must be 0 or more {unit}; {hint}"


def above_zero(name: str, value: Any, unit: str, hint: str) -> Problems:
    if not is_above_zero(value):
        yield f"{name}: {value!r} was given; it must be more than 0 {unit}; {hint}"


def share(name: str, value: Any) -> Problems:
    if not (is_number(value) and 0 <= value <= 1):
        yield f"{name}: {value!r} was given; it must be a share from 0 to 1; 0.25 is 25 %"


def finite(name: str, value: Any) -> Problems:
    if not is_number(value):
        yield f"{name}: {value!r} was given; it must be a finite number; 0 is no effect"


def whole_number(name: str, value: Any, *, most: int) -> Problems:
    if not (
        isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) <= most
    ):
        yield (
            f"{name}: {value!r} was given; it must be a whole number from 1 to {most:,}; "
            "1000 is a start"
        )


def one_of(name: str, value: Any, allowed: Sequence[str]) -> Problems:
    if value not in allowed:
        listed = ", ".join(allowed) or "none here"
        yield f"{name}: {value!r} is not known; allowed: {listed}; correct the name or add it"
