"""The settings of a simulated world: what touches customers, and what it truly does.

Only declarations live here; `touchlab.simulate.rules` refuses settings that make no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from touchlab.simulate import rules

OUTCOMES = ("conversion", "churn", "referral")
"""The outcomes a world has, in the order in which they are settled within one second."""

CEILING_OF_OUTCOMES = 60.0
CEILING_OF_TOUCHES = 10.0


def no_numbers() -> Mapping[str, float]:
    return {}


@dataclass(frozen=True)
class TouchpointSpec:
    """One touchpoint: how it comes about and what it does to the outcomes.

    A touch adds 1 to the customer's exposure A, which halves every `half_life_days`.
    The log hazard of an outcome is raised by ``effects[outcome] * g(A)`` with
    g(A) = log(1 + A) (`response="log"`) or 1 - exp(-A) (`response="saturating"`).

    Parameters
    ----------
    name : str
    rate : float
        Touches per customer-day of a customer of average intent who is reached.
    effects : mapping of outcome to float
        Coefficient of g(A) in the log hazard; an outcome left out has effect 0.
    half_life_days : float
    response : {"log", "saturating"}
    reach : float
        Share of customers who can be touched at all, chosen at random.
    targets_intent : float
        Log rate ratio per unit of the customer's *hidden* intent.
    targets_history : mapping of touchpoint to float
        Exponent f: the rate is multiplied by (1 + recent touches of that touchpoint) ** f.
    induces : mapping of touchpoint to float
        Expected touches of the other touchpoint brought about by one touch of this one.
    echo_half_life_days : float
        How fast a touch is forgotten by `targets_history` and `induces` of others.
    seasonality : float
        Exponent of the season of the world in the rate.
    phase : {"before", "during", "after"}
        Touches of phase "after" happen only after the first conversion.
    within_days : float, optional
        Phase "after" only: touches stop so many days after the first conversion.
    ceiling : float, optional
        Touches per customer-day are capped here (a frequency cap, part of the truth).
        Default: 10 times `rate` plus room for induced touches.
    stage, channel, owner, goal, direction, campaigns
        As in the data contract. Campaigns follow each other in equal parts of the window.
    cost : float
        Mean euro per touch; single touches cost 75 to 125 % of it.
    quality : float
        Mean experience of customers, in standard deviations (surveys only).
    weight : float
        Share of this touchpoint's experience in the overall opinion asked by NPS.
    hidden : bool
        Happens and works, but is not in the tables: trouble with a delivery, say.
    """

    name: str
    rate: float
    effects: Mapping[str, float] = field(default_factory=no_numbers)
    half_life_days: float = 3.0
    response: Literal["log", "saturating"] = "log"
    reach: float = 1.0
    targets_intent: float = 0.0
    targets_history: Mapping[str, float] = field(default_factory=no_numbers)
    induces: Mapping[str, float] = field(default_factory=no_numbers)
    echo_half_life_days: float = 2.0
    seasonality: float = 0.0
    phase: Literal["before", "during", "after"] = "before"
    within_days: float | None = None
    ceiling: float | None = None
    stage: str = "consideration"
    channel: str = "other"
    owner: str = "company"
    goal: str = ""
    direction: Literal["in", "out"] = "out"
    campaigns: tuple[str, ...] = ()
    cost: float = 0.0
    quality: float = 0.0
    weight: float = 0.0
    hidden: bool = False

    def __post_init__(self) -> None:
        rules.check_touchpoint(self, outcomes=OUTCOMES)


@dataclass(frozen=True)
class OutcomeSpec:
    """How often an outcome happens to a customer whom nothing has touched.

    Parameters
    ----------
    rate : float
        Events per customer-day at intent 0 and without touches. Conversion and referral
        may happen again and again; churn ends everything.
    intent : float
        Log hazard ratio per unit of intent.
    repeat : float
        Log hazard ratio once the customer has converted (conversion only).
    needs_conversion : bool
        Only customers who have converted are at risk.
    seasonality : float
        Exponent of the season of the world in the hazard.
    value, value_spread : float
        Median value in euro and the standard deviation of its logarithm.
    ceiling : float, optional
        Hazards per day are capped here. Default: 60 times `rate`.
    """

    rate: float
    intent: float = 0.0
    repeat: float = 0.0
    needs_conversion: bool = False
    seasonality: float = 0.0
    value: float = 0.0
    value_spread: float = 0.0
    ceiling: float | None = None

    def __post_init__(self) -> None:
        rules.check_outcome(self)


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
    """A randomised experiment: a share of customers never gets the touchpoint in a window.

    `start_day` and `end_day` count days from the start of the world, end not included.
    """

    touchpoint: str
    share: float
    start_day: int = 0
    end_day: int | None = None


@dataclass(frozen=True)
class Trait:
    """A known property of customers that moves hazards and touch rates (a confounder).

    Parameters
    ----------
    name : str
    shares : mapping of level to float
        Shares of customers; scaled to add up to 1.
    hazards : mapping of outcome to mapping of level to float
        Log hazard ratios; levels left out have 0.
    touches : mapping of level to float
        Log rate ratio of every touchpoint; levels left out have 0.
    """

    name: str
    shares: Mapping[str, float]
    hazards: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    touches: Mapping[str, float] = field(default_factory=no_numbers)


@dataclass(frozen=True)
class SurveySpec:
    """A short survey after touches of one touchpoint.

    Parameters
    ----------
    touchpoint : str
    metric : {"nps", "csat", "ces"}
    sent : float
        Share of touches after which the survey is sent.
    answered : float
        Share of customers of average experience who answer.
    answered_slope : float
        Log odds ratio of answering per standard deviation of better experience.
    """

    touchpoint: str
    metric: Literal["nps", "csat", "ces"]
    sent: float
    answered: float = 0.3
    answered_slope: float = 0.4


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

    Parameters
    ----------
    touchpoints : tuple of TouchpointSpec
    customers, days : int
    outcomes : mapping of outcome to OutcomeSpec
        Keys among conversion, churn, referral; an outcome left out never happens.
    start : str
        First day, ISO 8601; times are UTC.
    intent_spread : float
        Standard deviation of the hidden intent, which is normal with mean 0.
    intent_half_life_days : float, optional
        Intent drifts: its correlation with itself halves in so many days. Default: constant.
    late_share : float
        Share of customers who join later, evenly over the first 80 % of the days.
    season : tuple of float
        Empty, or twelve factors, one a month (1 is an average month).
    synergies, holdouts, traits, surveys : tuples

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
    start: str = "2025-01-01"
    intent_spread: float = 0.0
    intent_half_life_days: float | None = None
    late_share: float = 0.0
    season: tuple[float, ...] = ()
    synergies: tuple[Synergy, ...] = ()
    holdouts: tuple[Holdout, ...] = ()
    traits: tuple[Trait, ...] = ()
    surveys: tuple[SurveySpec, ...] = ()

    def __post_init__(self) -> None:
        rules.check_world(self, outcomes=OUTCOMES)

    @property
    def names(self) -> tuple[str, ...]:
        """Touchpoints that are in the tables, in the order given."""
        return tuple(spec.name for spec in self.touchpoints if not spec.hidden)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Touchpoints that are not in the tables."""
        return tuple(spec.name for spec in self.touchpoints if spec.hidden)

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


CONVERSION_ONLY = {"conversion": OutcomeSpec(0.0006, intent=1.0, ceiling=0.05)}
RARE = {"conversion": OutcomeSpec(0.00006, intent=1.0, ceiling=0.005)}
HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 3.0, 3.0, 6.0, 1.5, 3.0, 5.0)
EFFECTS = (1.5, 0.0, 1.0, 0.6, 0.4, 0.0, 0.8, 1.2, 0.2, -0.2)
RATES = (0.006, 0.02, 0.012, 0.02, 0.015, 0.01, 0.006, 0.01, 0.02, 0.008)


def ten_touchpoints() -> tuple[TouchpointSpec, ...]:
    """t0 to t9: strong and idle ones (t1, t5), quick and slow ones, one that harms (t9)."""
    return tuple(
        TouchpointSpec(f"t{number}", rate, {"conversion": effect}, half_life)
        for number, (rate, effect, half_life) in enumerate(
            zip(RATES, EFFECTS, HALF_LIVES, strict=True)
        )
    )


def random_touches(customers: int, days: int) -> World:
    """Touches come at random: every sound method should be right."""
    return World(ten_touchpoints(), customers, days, CONVERSION_ONLY, intent_spread=0.7)


def observed_history(customers: int, days: int) -> World:
    """The idle t1 follows touches of t0 and t2: last-touch credit goes to the follower."""
    world = random_touches(customers, days)
    return changed(world, "t1", rate=0.01, targets_history={"t0": 1.0, "t2": 1.0}, ceiling=0.15)


def hidden_intent(customers: int, days: int) -> World:
    """t1, t2 and t7 seek customers who are about to buy, and intent drifts: nothing in the
    data tells. Only an experiment helps."""
    world = replace(random_touches(customers, days), intent_half_life_days=20.0)
    for name in ("t1", "t2", "t7"):
        world = changed(world, name, targets_intent=0.8)
    return world


def induced_touches(customers: int, days: int) -> World:
    """t3 brings touches of t0 and t7: its total effect is beyond its direct one."""
    return changed(random_touches(customers, days), "t3", induces={"t0": 0.15, "t7": 0.15})


def synergy(customers: int, days: int) -> World:
    """t3 and t4 help each other, t2 and t6 stand in each other's way."""
    pairs = (Synergy("t3", "t4", 1.2), Synergy("t2", "t6", -0.8))
    return replace(random_touches(customers, days), synergies=pairs)


def rare_outcomes(customers: int, days: int) -> World:
    """One customer in a hundred converts: intervals should be wide, not wrong."""
    return replace(random_touches(customers, days), outcomes=RARE)


WORLDS: dict[str, Callable[[int, int], World]] = {
    "random touches": random_touches,
    "observed history": observed_history,
    "hidden intent": hidden_intent,
    "induced touches": induced_touches,
    "synergy": synergy,
    "rare outcomes": rare_outcomes,
}
"""By name, functions of (customers, days). The seventh world, in which a whole journey
decides at once, is `touchlab.simulate.simulate_paths`."""


def changed(world: World, touchpoint: str, **settings: object) -> World:
    """The world with other settings of one touchpoint.

    Examples
    --------
    >>> changed(random_touches(100, 30), "t1", rate=0.5).touchpoints[1].rate
    0.5
    """
    return replace(
        world,
        touchpoints=tuple(
            replace(spec, **settings) if spec.name == touchpoint else spec  # type: ignore[arg-type]
            for spec in world.touchpoints
        ),
    )
