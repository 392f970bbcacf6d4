"""The settings of a simulated world: what touches customers, and what it truly does.

Settings that make no sense are refused where they are made; every broken rule is named at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from numbers import Integral, Real
from typing import Any, Literal

from touchlab.data.contract import METRIC_RANGES, OWNERS, PHASES, STAGES, TABLES
from touchlab.errors import ParameterError

OUTCOMES = ("conversion", "churn", "referral")
"""The outcomes a world has, in the order in which they are decided within one second."""

CEILING_OF_OUTCOMES = 60.0
CEILING_OF_TOUCHES = 10.0
MOST_TOUCHPOINTS = 60


@dataclass(frozen=True)
class TouchpointSpec:
    """One touchpoint: how it comes about and what it does to the outcomes.

    A touch adds 1 to the customer's exposure A, which halves every `half_life_days`. The log
    hazard of an outcome is raised by ``effects[outcome] * g(A)`` with g(A) = log(1 + A)
    (`response="log"`), 1 - exp(-A) ("saturating"), or log(1 + A) - A / 3 ("fatigue": too much
    of it harms).
    """

    name: str
    rate: float  # touches per customer-day, of a customer of average intent who is reached
    effects: Mapping[str, float] = field(default_factory=dict)  # by outcome; left out: 0
    half_life_days: float = 3.0
    # A touch counts for nothing at first, most after so long, then fades. 0: at once, halving.
    peak_days: float = 0.0
    response: Literal["log", "saturating", "fatigue"] = "log"
    value_effect: float = 0.0  # times g(A): raises the logarithm of what a conversion is worth
    sent_on: tuple[int, ...] = ()  # days on which all who can be touched are, instead of `rate`
    reach: float = 1.0  # share of customers who can be touched at all, chosen at random
    targets_intent: float = 0.0  # log rate ratio per unit of the customer's hidden intent
    # Exponents f: the rate is multiplied by (1 + recent touches of the other touchpoint) ** f.
    targets_history: Mapping[str, float] = field(default_factory=dict)
    # Expected touches of the other touchpoint brought about by one touch of this one.
    induces: Mapping[str, float] = field(default_factory=dict)
    echo_half_life_days: float = 2.0  # how fast `targets_history` and `induces` forget a touch
    seasonality: float = 0.0  # exponent of the season of the world in the rate
    phase: Literal["before", "during", "after"] = "before"  # after: the first conversion
    within_days: float | None = None  # phase "after": touches stop so long after the conversion
    # Touches per customer-day are capped here (a frequency cap, part of the truth). None: 10
    # times `rate`, and room for induced touches.
    ceiling: float | None = None
    stage: str = "consideration"
    channel: str = "other"
    owner: str = "company"
    goal: str = ""
    direction: Literal["in", "out"] = "out"
    campaigns: tuple[str, ...] = ()  # follow each other in equal parts of the window
    cost: float = 0.0  # mean euro per touch; single touches cost 75 to 125 % of it
    quality: float = 0.0  # mean experience of customers, in standard deviations (surveys only)
    weight: float = 0.0  # share of this experience in the overall opinion asked by NPS
    hidden: bool = False  # happens and works, but is not in the tables: trouble with a delivery

    def __post_init__(self) -> None:
        title = f"TouchpointSpec {self.name!r}"
        if not (isinstance(self.name, str) and self.name and self.name not in OUTCOMES):
            taken = ", ".join(OUTCOMES)
            raise ParameterError(f"{title}: a name is text, not empty and none of {taken}")
        refuse(title, touchpoint_problems(self))


@dataclass(frozen=True)
class OutcomeSpec:
    """How often an outcome happens to a customer whom nothing has touched."""

    rate: float  # per customer-day at intent 0; churn happens once, and ends everything
    ends: bool = False  # the conversion does so too: no touch and no outcome comes after it
    intent: float = 0.0  # log hazard ratio per unit of intent
    repeat: float = 0.0  # log hazard ratio once the customer has converted (conversion only)
    needs_conversion: bool = False  # only customers who have converted are at risk
    seasonality: float = 0.0  # exponent of the season of the world in the hazard
    value: float = 0.0  # median, in euro
    value_spread: float = 0.0  # standard deviation of the logarithm of values
    ceiling: float | None = None  # hazards per day are capped here; None: 60 times `rate`

    def __post_init__(self) -> None:
        refuse("OutcomeSpec", broken(self, OF_AN_OUTCOME))


@dataclass(frozen=True)
class Synergy:
    """Two touchpoints that work better (or worse) together.

    Adds ``effect * g(A_first) * g(A_second)`` to the log hazard of the outcome.
    """

    first: str
    second: str
    effect: float
    outcome: str = "conversion"


@dataclass(frozen=True)
class Holdout:
    """A randomised experiment: a share of customers never gets the touchpoint in a window."""

    touchpoint: str
    share: float
    start_day: int = 0
    end_day: int | None = None  # not included; None: the end of the world


@dataclass(frozen=True)
class Trait:
    """A known property of customers that moves hazards and touch rates (a confounder).

    Levels that are numbers make a column of numbers.
    """

    name: str
    shares: Mapping[Any, float]  # by level; scaled to add up to 1
    # By outcome and level: log hazard ratios; by level: log rate ratio of every touchpoint.
    hazards: Mapping[str, Mapping[Any, float]] = field(default_factory=dict)
    touches: Mapping[Any, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SurveySpec:
    """A short survey after touches of one touchpoint."""

    touchpoint: str
    metric: Literal["nps", "csat", "ces"]
    sent: float  # share of touches after which the survey is sent
    answered: float = 0.3  # share of customers of average experience who answer
    answered_slope: float = 0.4  # log odds ratio of answering per standard deviation better


def usual_outcomes() -> Mapping[str, OutcomeSpec]:
    """Conversion of one customer in twelve over 180 days; churn and referral after it."""
    return {
        "conversion": OutcomeSpec(0.0005, intent=1.0, value=60.0, value_spread=0.5),
        "churn": OutcomeSpec(0.001, intent=-0.3, needs_conversion=True),
        "referral": OutcomeSpec(0.0008, intent=0.3, needs_conversion=True),
    }


@dataclass(frozen=True)
class World:
    """Everything that decides what happens to the customers of a simulated company.

    Examples
    --------
    >>> from touchlab.simulate import TouchpointSpec, World
    >>> ad = TouchpointSpec("ad", rate=0.02, effects={"conversion": 0.5})
    >>> World((ad,), customers=100, days=30).names
    ('ad',)
    """

    touchpoints: tuple[TouchpointSpec, ...]
    customers: int = 30_000
    days: int = 180
    outcomes: Mapping[str, OutcomeSpec] = field(default_factory=usual_outcomes)
    start: str = "2025-01-01"  # first day; times are UTC
    intent_spread: float = 0.0  # of the hidden intent, which is normal with mean 0
    intent_half_life_days: float | None = None  # of its correlation with itself; None: constant
    late_share: float = 0.0  # of customers who join later, evenly over the first 80 % of the days
    season: tuple[float, ...] = ()  # twelve factors, one a month (1 is an average month), or none
    synergies: tuple[Synergy, ...] = ()
    holdouts: tuple[Holdout, ...] = ()
    traits: tuple[Trait, ...] = ()
    surveys: tuple[SurveySpec, ...] = ()
    bot: Mapping[str, int] = field(default_factory=dict)  # touches of one customer who is a machine

    def __post_init__(self) -> None:
        for problems in (size_problems, name_problems, part_problems):
            refuse("World", problems(self))

    @property
    def names(self) -> tuple[str, ...]:
        """Touchpoints that are in the tables, in the order given."""
        return tuple(spec.name for spec in self.touchpoints if not spec.hidden)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Touchpoints that are not in the tables."""
        return tuple(spec.name for spec in self.touchpoints if spec.hidden)

    def end_of(self, held: Holdout) -> int:
        """The day on which an experiment ends."""
        return self.days if held.end_day is None else held.end_day

    def ceiling_of(self, process: str) -> float:
        """The highest rate or hazard per customer-day of a touchpoint or an outcome."""
        if process in self.outcomes:
            outcome = self.outcomes[process]
            return outcome.ceiling or CEILING_OF_OUTCOMES * outcome.rate
        spec = next(spec for spec in self.touchpoints if spec.name == process)
        if spec.ceiling is not None:
            return spec.ceiling
        echoes = (
            other.induces.get(process, 0.0) / other.echo_half_life_days
            for other in self.touchpoints
        )
        return CEILING_OF_TOUCHES * spec.rate + sum(echoes)


# --- What settings must keep --------------------------------------------------------

Rule = tuple[Callable[[Any], bool], str]
"""What a value must pass, and the words after one that does not."""


def is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_above_zero(value: Any) -> bool:
    return is_number(value) and value > 0


def is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def at_least_zero(unit: str, hint: str) -> Rule:
    words = f"was given; it must be 0 or more {unit}; {hint}"
    return lambda value: is_number(value) and value >= 0, words


def above_zero(unit: str, hint: str, *, optional: bool = False) -> Rule:
    words = f"was given; it must be more than 0 {unit}; {hint}"
    return lambda value: is_above_zero(value) or (optional and value is None), words


def whole_number(most: int) -> Rule:
    words = f"was given; it must be a whole number from 1 to {most:,}; 1000 is a start"
    return lambda value: is_whole(value) and 1 <= value <= most, words


def one_of(allowed: Iterable[str]) -> Rule:
    known = tuple(allowed)
    listed = ", ".join(map(str, known)) or "none here"
    words = f"is not known; allowed: {listed}; correct the name or add it"
    return known.__contains__, words


SHARE: Rule = (
    lambda value: is_number(value) and 0 <= value <= 1,
    "was given; it must be a share from 0 to 1; 0.25 is 25 %",
)
FINITE: Rule = (is_number, "was given; it must be a finite number; 0 is no effect")
OF_A_TOUCHPOINT = {
    "rate": at_least_zero("touches per customer-day", "0 switches it off"),
    "cost": at_least_zero("euro per touch", "0 is free"),
    "half_life_days": above_zero("days", "3 is common"),
    "echo_half_life_days": above_zero("days", "2 is common"),
    "reach": SHARE,
    **dict.fromkeys(("targets_intent", "seasonality", "quality", "weight"), FINITE),
    "value_effect": FINITE,
    "peak_days": at_least_zero("days", "0 works at once"),
    **dict.fromkeys(("effects", "targets_history"), FINITE),
    "induces": at_least_zero("induced touches per touch", "0 is none"),
    "response": one_of(("log", "saturating", "fatigue")),
    "stage": one_of(STAGES),
    "owner": one_of(OWNERS),
    "phase": one_of(PHASES),
    "direction": one_of(("in", "out")),
    "ceiling": above_zero("touches per customer-day", "None chooses", optional=True),
    "within_days": above_zero("days", "None is no end", optional=True),
}
OF_AN_OUTCOME = {
    "rate": at_least_zero("events per customer-day", "0 switches it off"),
    "value": at_least_zero("euro", "0 is no value"),
    "value_spread": at_least_zero("log euro", "0 is equal values"),
    **dict.fromkeys(("intent", "repeat", "seasonality"), FINITE),
    "ceiling": above_zero("events per customer-day", "None chooses", optional=True),
}
OF_A_WORLD: dict[str, Rule] = {
    "customers": whole_number(100_000_000),
    "days": whole_number(3_000),
    "intent_spread": at_least_zero("log hazard", "0 is equal intent"),
    "late_share": SHARE,
    "intent_half_life_days": above_zero("days", "None keeps it constant", optional=True),
    "start": (is_date, "was given; it must be a day; give ISO 8601 (2025-01-01)"),
    "season": (
        lambda season: len(season) in (0, 12) and all(map(is_above_zero, season)),
        "was given; it must be empty or twelve factors above 0, one a month; 1 is an average month",
    ),
}
OF_A_SURVEY = {
    "metric": one_of(METRIC_RANGES),
    "sent": SHARE,
    "answered": SHARE,
    "answered_slope": FINITE,
}


def refuse(title: str, problems: Iterable[str]) -> None:
    found = list(problems)
    if len(found) == 1:
        raise ParameterError(f"{title}: {found[0]}")
    if found:
        listed = "".join(f"\n  {problem}" for problem in found)
        raise ParameterError(f"{title}: {len(found)} settings cannot be used{listed}")


def broken(spec: object, rules: Mapping[str, Rule], place: str = "") -> Iterator[str]:
    """The rules that settings break, those of a mapping one by one."""
    for name, (holds, words) in rules.items():
        value = getattr(spec, name)
        many = isinstance(value, Mapping)
        values = {f"{name}[{key!r}]": v for key, v in value.items()} if many else {name: value}
        yield from (f"{place}{n}: {v!r} {words}" for n, v in values.items() if not holds(v))


def unknown(place: str, names: Iterable[str], allowed: Iterable[str]) -> Iterator[str]:
    known, words = one_of(allowed)
    return (f"{place}: {name!r} {words}" for name in names if not known(name))


def touchpoint_problems(spec: TouchpointSpec) -> Iterator[str]:
    yield from broken(spec, OF_A_TOUCHPOINT)
    yield from unknown("effects", spec.effects, OUTCOMES)
    if spec.within_days is not None and spec.phase != "after":
        yield (
            f"within_days: given with phase {spec.phase!r}; it counts days after the first "
            "conversion; set phase='after'"
        )


def size_problems(world: World) -> Iterator[str]:
    yield from broken(world, OF_A_WORLD)
    if not 1 <= len(world.touchpoints) <= MOST_TOUCHPOINTS:
        yield (
            f"touchpoints: {len(world.touchpoints)} were given; a world has 1 to "
            f"{MOST_TOUCHPOINTS}; leave out the ones without touches"
        )
    yield from unknown("outcomes", world.outcomes, OUTCOMES)


def name_problems(world: World) -> Iterator[str]:
    """Names that mean no touchpoint of this world, or mean two."""
    names = [spec.name for spec in world.touchpoints]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"touchpoints: {name!r} is given {names.count(name)} times; name each one once"
    for spec in world.touchpoints:
        for setting in ("induces", "targets_history"):
            place = f"touchpoint {spec.name!r}, {setting}"
            yield from unknown(place, getattr(spec, setting), names)
    for synergy in world.synergies:
        yield from unknown("synergies", (synergy.first, synergy.second), names)
        yield from unknown("synergies", (synergy.outcome,), OUTCOMES)
        yield from broken(synergy, {"effect": FINITE}, "synergies: ")
    yield from unknown("bot", world.bot, world.names)
    yield from unknown("holdouts", (held.touchpoint for held in world.holdouts), world.names)
    yield from unknown("surveys", (survey.touchpoint for survey in world.surveys), world.names)


def part_problems(world: World) -> Iterator[str]:
    """Holdouts, surveys and traits that are out of range."""
    for held in world.holdouts:
        place, end = f"holdout of {held.touchpoint!r}: ", world.end_of(held)
        yield from broken(held, {"share": SHARE}, place)
        if not 0 <= held.start_day < end <= world.days:
            yield (
                f"{place}days {held.start_day} to {end} were given; they must lie in order "
                f"within 0 to {world.days}; change start_day or end_day"
            )
    for survey in world.surveys:
        yield from broken(survey, OF_A_SURVEY, f"survey of {survey.touchpoint!r}: ")
    for trait in world.traits:
        place = f"trait {trait.name!r}"
        if trait.name in TABLES["customers"].order:
            yield f"{place}: is a column of the contract; choose another name"
        if not trait.shares or not all(map(is_above_zero, trait.shares.values())):
            yield (
                f"{place}: shares {dict(trait.shares)!r} were given; they must be numbers above "
                "0, one a level; leave out levels that nobody has"
            )
        for levels in (trait.touches, *trait.hazards.values()):
            yield from unknown(f"{place}: levels", levels, trait.shares)
        yield from unknown(f"{place}: hazards", trait.hazards, world.outcomes)
