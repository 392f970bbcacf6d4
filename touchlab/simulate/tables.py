"""The tables that an analyst sees of a simulated world, and what stays hidden.

Surveys: the experience at a touch is, in standard deviations, the mean quality of the touchpoint,
how content the customer is in general, how this customer gets on with this touchpoint, and
chance; a hidden touch (trouble) in the two weeks before costs `TROUBLE` each. NPS asks for the
overall opinion: the touchpoints met so far, weighted by `weight`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray
from scipy.special import expit, logit

from touchlab.errors import ParameterError
from touchlab.numeric import Floats
from touchlab.simulate.engine import CHURN, Decided, Points, decide, draw_points, processes
from touchlab.simulate.population import (
    DAY,
    AnyIntegers,
    Integers,
    Population,
    draw_population,
    held_out,
    normal_at,
    stream,
    uniform_at,
)
from touchlab.simulate.world import OUTCOMES, SurveySpec, World, is_whole

COST_STEPS = 11
COST_SPREAD = 0.5
CENT_OF_A_CENT = 4
CONTENT, OWN, CHANCE, TROUBLE = 0.6, 0.6, 0.5, 0.9
TROUBLE_DAYS = 14
SLOWEST_DAYS = 7
MEAN_ANSWER_DAYS = 1.0
HOUR = 3_600
SCALES = {"nps": (7.4, 2.0, 0, 10), "csat": (3.8, 0.8, 1, 5), "ces": (5.1, 1.2, 1, 7)}
"""Score of an average experience, points per standard deviation, lowest, highest."""
ANSWERS = ["customer", "sent", "second", "touchpoint", "metric", "score"]


@dataclass(frozen=True)
class Simulation:
    """What one run of a world gives: the tables of the data contract, and what nobody would see.

    `hidden` has `intent` (customer_id, intent: mean over the window), `events` (touches of hidden
    touchpoints) and `capped`: by process, how many candidates met a rate above the ceiling of the
    world (where the log-linear form ends).
    """

    tables: dict[str, pd.DataFrame]
    hidden: dict[str, pd.DataFrame]
    world: World
    seed: int


def simulate(world: World, *, seed: int, without: Sequence[str] = ()) -> Simulation:
    """What happens to the customers of a world.

    Touchpoints named in `without` are switched off, and all other random numbers stay the same:
    the difference to a run with them is what they brought about, in total. Times are naive UTC
    at whole seconds; rows are sorted by customer and time.

    Examples
    --------
    >>> from touchlab.simulate import TouchpointSpec, World, simulate
    >>> ad = TouchpointSpec("ad", rate=0.02, effects={"conversion": 0.5})
    >>> run = simulate(World((ad,), customers=500, days=90), seed=1)
    >>> sorted(run.tables)
    ['customers', 'experiments', 'outcomes', 'surveys', 'touches', 'touchpoints']
    """
    check_seed(seed)
    check_without(world, without)
    population = draw_population(world, seed)
    points = draw_points(world, population, seed=seed)
    points = points.where(~np.isin(points.process, codes_of(world, without)))
    decided = decide(world, points)
    events = events_of(points, decided)
    until = np.full(world.customers, world.days * DAY)
    churn = events[events["process"] == CHURN]
    until[churn["customer"]] = churn["second"] + 1  # observation ends one second after churn
    customers = customer_table(world, population, until)
    outcomes = outcome_table(world, events, seed)
    tables = {
        "touches": touch_table(world, events, seed),
        "outcomes": outcomes,
        "customers": customers,
        "surveys": survey_table(world, events, until, seed),
        "touchpoints": map_table(world),
        "experiments": experiment_table(world, seed),
    }
    intent = {"customer_id": customers["customer_id"], "intent": population.intent.mean(axis=1)}
    unseen, names = events[events["process"].isin(codes_of(world, world.hidden))], processes(world)
    touchpoint = {"touchpoint": named(unseen["process"], names)}
    hidden = {
        "intent": pd.DataFrame(intent),
        "events": pd.DataFrame(who_and_when(world, unseen) | touchpoint),
        "capped": pd.DataFrame(
            {
                "process": pd.array(names, dtype="str"),
                "candidates": np.bincount(points.process, minlength=len(names)),
                "capped": list(decided.capped.values()),
            }
        ),
        "value_added": value_added(world, events, outcomes),
    }
    if world.bot:
        add_bot(world, tables, seed)
    return Simulation(tables, hidden, world, seed)


def check_seed(seed: int) -> None:
    if not is_whole(seed) or seed < 0:
        raise ParameterError(f"seed: {seed!r} was given; it must be a whole number, 0 or more")


def check_without(world: World, without: Sequence[str]) -> None:
    known = [spec.name for spec in world.touchpoints]
    for name in [without] if isinstance(without, str) else without:
        if name not in known or isinstance(without, str):
            raise ParameterError(
                f"without: {name!r} was given; it must be a list of touchpoints of the world; "
                f"allowed: {', '.join(known)}"
            )


def codes_of(world: World, names: Collection[str]) -> list[int]:
    return [code for code, name in enumerate(processes(world)) if name in names]


def events_of(points: Points, decided: Decided) -> pd.DataFrame:
    """Everything that happened, a row an event: customer, second and process as numbers, and
    what each touchpoint adds to the log value."""
    keys, happened = ["customer", "second", "process"], decided.happened
    columns = {**{key: getattr(points, key) for key in keys}, **decided.lifts}
    events = pd.DataFrame({key: column[happened] for key, column in columns.items()})
    whole = events.astype({"customer": np.int64, "second": np.int64})
    return whole.sort_values(keys, ignore_index=True)


def times(world: World, second: npt.ArrayLike) -> npt.NDArray[np.datetime64]:
    seconds = np.asarray(second).astype("timedelta64[s]")
    return (np.datetime64(world.start, "s") + seconds).astype("datetime64[us]")


def named(codes: npt.ArrayLike, names: Sequence[str]) -> ExtensionArray:
    """Text by number; -1 is missing. Far faster than making text of every row."""
    return pd.array(names, dtype="str").take(np.asarray(codes, dtype=np.int64), allow_fill=True)


def of_levels(codes: Integers, levels: Sequence[Any]) -> ExtensionArray | Floats:
    """Levels by number, as numbers where all are."""
    if all(isinstance(level, (int, float)) for level in levels):
        return np.array(levels, dtype=float)[codes]
    return named(codes, levels)


def ids(customers: int, customer: npt.ArrayLike) -> ExtensionArray:
    width = max(5, len(str(customers)))
    return named(customer, [f"c-{number:0{width}d}" for number in range(1, customers + 1)])


def who_and_when(world: World, events: pd.DataFrame) -> dict[str, Any]:
    return {
        "customer_id": ids(world.customers, events["customer"]),
        "timestamp": times(world, events["second"]),
    }


def touch_table(world: World, events: pd.DataFrame, seed: int) -> pd.DataFrame:
    touches = events[events["process"].isin(codes_of(world, world.names))]
    customer, second = touches["customer"].to_numpy(), touches["second"].to_numpy()
    column = touches["process"].to_numpy() - len(OUTCOMES)
    mean_cost = np.array([spec.cost for spec in world.touchpoints])
    # A few steps instead of a smooth spread: prices come in steps, and files stay small.
    step = np.floor(uniform_at(seed, "cost", customer, second) * COST_STEPS) / (COST_STEPS - 1)
    cost = mean_cost[column] * (1.0 + COST_SPREAD * (step - 0.5))
    is_inbound = np.array([spec.direction == "in" for spec in world.touchpoints])
    shown = {
        "touchpoint": named(column, [spec.name for spec in world.touchpoints]),
        "cost": cost.round(CENT_OF_A_CENT),
        "campaign": campaigns(world, column, second),
        "direction": named(is_inbound[column], ["out", "in"]),
    }
    return pd.DataFrame(who_and_when(world, touches) | shown)


def campaigns(world: World, column: AnyIntegers, second: AnyIntegers) -> ExtensionArray:
    """The campaign running at each touch: they take equal parts of the window in turn."""
    names = list(dict.fromkeys(name for spec in world.touchpoints for name in spec.campaigns))
    code = np.full(len(column), -1)
    for number, spec in enumerate(world.touchpoints):
        if spec.campaigns:
            rows = column == number
            part = second[rows] * len(spec.campaigns) // (world.days * DAY)
            code[rows] = np.array([names.index(name) for name in spec.campaigns])[part]
    return named(code, names)


def outcome_table(world: World, events: pd.DataFrame, seed: int) -> pd.DataFrame:
    rows = events[events["process"] < len(OUTCOMES)]
    customer, second = rows["customer"].to_numpy(), rows["second"].to_numpy()
    value = np.full(len(rows), np.nan)
    raising = [spec.name for spec in world.touchpoints if spec.value_effect]
    for name, spec in world.outcomes.items():
        if spec.value:
            here = (rows["process"] == OUTCOMES.index(name)).to_numpy()
            noise = normal_at(seed, f"value {name}", customer[here], second[here])
            raised = rows.loc[here, raising].sum(axis=1).to_numpy()
            value[here] = np.round(spec.value * np.exp(spec.value_spread * noise + raised), 2)
    outcome = named(rows["process"], OUTCOMES)
    return pd.DataFrame(who_and_when(world, rows) | {"outcome": outcome, "value": value})


def value_added(world: World, events: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """By touchpoint: what the conversions that happened are worth more because of it."""
    rows, value = events[events["process"] < len(OUTCOMES)], outcomes["value"].fillna(0.0)
    added = {
        name: float((value.to_numpy() * -np.expm1(-rows[name])).sum()) if name in rows else 0.0
        for name in world.names
    }
    return pd.DataFrame(list(added.items()), columns=["touchpoint", "value_added"])


def add_bot(world: World, tables: dict[str, pd.DataFrame], seed: int) -> None:
    """One more customer, who is touched day and night and never has an outcome."""
    names = np.repeat(list(world.bot), list(world.bot.values()))
    second = np.sort(stream(seed, "bot").integers(0, world.days * DAY, len(names)))
    touches = {"customer_id": "c-bot", "timestamp": times(world, second), "touchpoint": names}
    window = {"observed_from": times(world, 0), "observed_to": times(world, world.days * DAY)}
    own = {"touches": touches, "customers": tables["customers"].tail(1).to_dict("list") | window}
    own["customers"]["customer_id"] = ["c-bot"]
    for name, columns in own.items():
        more = pd.DataFrame(columns).astype({"customer_id": "str"})
        tables[name] = pd.concat([tables[name], more], ignore_index=True)


def customer_table(world: World, population: Population, until: Integers) -> pd.DataFrame:
    traits = {
        trait.name: of_levels(population.levels[trait.name], list(trait.shares))
        for trait in world.traits
    }
    return pd.DataFrame(
        {
            "customer_id": ids(world.customers, np.arange(world.customers)),
            "observed_from": times(world, population.joined),
            "observed_to": times(world, until),
            **traits,
        }
    )


def map_table(world: World) -> pd.DataFrame:
    columns = ["name", "stage", "channel", "owner", "goal", "phase"]
    specs = [spec for spec in world.touchpoints if not spec.hidden]
    table = pd.DataFrame({column: [getattr(s, column) for s in specs] for column in columns})
    return table.astype("str").rename(columns={"name": "touchpoint"})


def experiment_table(world: World, seed: int) -> pd.DataFrame:
    number = np.repeat(np.arange(len(world.holdouts)), world.customers)
    arms = [held_out(world, seed, held) for held in world.holdouts]
    starts = np.array([held.start_day * DAY for held in world.holdouts], dtype=np.int64)
    ends = np.array([world.end_of(held) * DAY for held in world.holdouts], dtype=np.int64)
    return pd.DataFrame(
        {
            "customer_id": ids(
                world.customers, np.tile(np.arange(world.customers), len(world.holdouts))
            ),
            "touchpoint": named(number, [held.touchpoint for held in world.holdouts]),
            "arm": named(np.concatenate(arms) if arms else [], ["treated", "holdout"]),
            "start": times(world, starts[number]),
            "end": times(world, ends[number]),
        }
    )


# --- Surveys: who is asked, who answers, and with which score -----------------------


def survey_table(world: World, events: pd.DataFrame, until: Integers, seed: int) -> pd.DataFrame:
    """One row a survey sent; `timestamp` and `score` are missing where nobody answered."""
    parts = [answers_to(world, survey, events, until, seed) for survey in world.surveys]
    empty = pd.DataFrame({name: pd.Series(dtype=float) for name in ANSWERS})
    answers = pd.concat(parts) if parts else empty
    answers = answers.sort_values(["customer", "sent", "metric"], kind="stable", ignore_index=True)
    when = times(world, answers["second"].fillna(0).astype(np.int64))
    return pd.DataFrame(
        {
            "timestamp": np.where(answers["second"].notna(), when, np.datetime64("NaT", "us")),
            "touchpoint": answers["touchpoint"].astype("str"),
            "metric": answers["metric"].astype("str"),
            "score": answers["score"].to_numpy(dtype=float),
            "customer_id": ids(world.customers, answers["customer"]),
            "sent_at": times(world, answers["sent"]),
        }
    )


def answers_to(
    world: World, survey: SurveySpec, events: pd.DataFrame, until: Integers, seed: int
) -> pd.DataFrame:
    key = f"survey {survey.touchpoint} {survey.metric}"
    customer, touched = touches_of(world, events, [survey.touchpoint])
    sent = touched + HOUR + (uniform_at(seed, f"{key} sent", customer, touched) * DAY).astype(int)
    asked = uniform_at(seed, key, customer, touched) < survey.sent
    asked &= sent < until[customer]
    customer, touched, sent = customer[asked], touched[asked], sent[asked]

    if survey.metric == "nps":
        felt = overall(world, events, customer, touched, seed)
    else:
        quality = next(t.quality for t in world.touchpoints if t.name == survey.touchpoint)
        own = OWN * normal_at(seed, f"own {survey.touchpoint}", customer)
        felt = quality + CONTENT * normal_at(seed, "content", customer) + own
    felt = felt + CHANCE * normal_at(seed, f"{key} chance", customer, touched)
    felt -= TROUBLE * troubles(world, events, customer, touched)

    # Content people answer more readily: the mean of the answers flatters.
    willing = expit(logit(survey.answered) + survey.answered_slope * felt)
    patience = -np.log(uniform_at(seed, f"{key} delay", customer, touched)) * MEAN_ANSWER_DAYS
    second = sent + (np.minimum(patience, SLOWEST_DAYS) * DAY).astype(int) + 1
    answered = uniform_at(seed, f"{key} answered", customer, touched) < willing
    answered &= second < until[customer]
    middle, step, lowest, highest = SCALES[survey.metric]
    scores = np.clip(np.round(middle + step * felt), lowest, highest)
    columns = (
        customer, sent, np.where(answered, second, np.nan), survey.touchpoint, survey.metric,
        np.where(answered, scores, np.nan),
    )  # fmt: skip
    return pd.DataFrame(dict(zip(ANSWERS, columns, strict=True)))


def touches_of(
    world: World, events: pd.DataFrame, names: Collection[str]
) -> tuple[Integers, Integers]:
    """Customers and seconds."""
    rows = events[events["process"].isin(codes_of(world, names))]
    return rows["customer"].to_numpy(), rows["second"].to_numpy()


def overall(
    world: World, events: pd.DataFrame, customer: Integers, second: Integers, seed: int
) -> Floats:
    """The overall opinion: what was felt at the touchpoints met so far, by weight."""
    total = CONTENT * normal_at(seed, "content", customer)
    for spec in world.touchpoints:
        if spec.weight:
            who, when = touches_of(world, events, [spec.name])
            first = pd.Series(when).groupby(who).min().reindex(customer).to_numpy(dtype=float)
            own = spec.quality + normal_at(seed, f"own {spec.name}", customer)
            total += np.where(first <= second, spec.weight * own, 0.0)
    return total


def troubles(world: World, events: pd.DataFrame, customer: Integers, second: Integers) -> Integers:
    """Hidden touches in the two weeks up to a moment."""
    who, when = touches_of(world, events, world.hidden)
    span = (world.days + TROUBLE_DAYS + 1) * DAY
    place, here = who * span + when, customer * span + second
    before = np.searchsorted(place, here, side="right")
    old = np.searchsorted(place, np.maximum(here - TROUBLE_DAYS * DAY, customer * span))
    return np.asarray(before - old)
