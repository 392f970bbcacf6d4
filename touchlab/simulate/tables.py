"""Short surveys after touches: who is asked, who answers, and with which score.

The experience at a touch is, in standard deviations: the mean quality of the touchpoint,
how content the customer is in general, how this customer gets on with this touchpoint,
and chance; a hidden touch (trouble) in the two weeks before costs `TROUBLE` each.
NPS asks for the overall opinion: the touchpoints met so far, weighted by `weight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    Integers,
    Population,
    draw_population,
    end_of,
    held_out,
    normal_at,
    uniform_at,
)
from touchlab.simulate.world import OUTCOMES, SurveySpec, World

CONTENT, OWN, CHANCE, TROUBLE = 0.6, 0.6, 0.5, 0.9
TROUBLE_DAYS = 14
SLOWEST_DAYS = 7
MEAN_ANSWER_DAYS = 1.0
HOUR = 3_600
SCALES = {"nps": (7.4, 2.0, 0, 10), "csat": (3.8, 0.8, 1, 5), "ces": (5.1, 1.2, 1, 7)}
"""Score of an average experience, points per standard deviation, lowest, highest."""

COLUMNS = ["customer", "sent", "second", "touchpoint", "metric", "score"]


def survey_answers(world: World, events: pd.DataFrame, until: Integers, seed: int) -> pd.DataFrame:
    """One row a survey sent; `second` (of the answer) and `score` are missing if unanswered."""
    parts = [answers_to(world, survey, events, until, seed) for survey in world.surveys]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=float) for name in COLUMNS})
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["customer", "sent", "metric"], kind="stable", ignore_index=True)


def answers_to(
    world: World, survey: SurveySpec, events: pd.DataFrame, until: Integers, seed: int
) -> pd.DataFrame:
    key = f"survey {survey.touchpoint} {survey.metric}"
    rows = touches_of(world, events, [survey.touchpoint])
    customer, touched = rows["customer"].to_numpy(), rows["second"].to_numpy()
    sent = touched + HOUR + (uniform_at(seed, f"{key} sent", customer, touched) * DAY).astype(int)
    asked = uniform_at(seed, key, customer, touched) < survey.sent
    asked &= sent < until[customer]
    customer, touched, sent = customer[asked], touched[asked], sent[asked]

    felt = (
        overall(world, events, customer, touched, seed)
        if survey.metric == "nps"
        else (experience(world, survey.touchpoint, customer, seed))
    )
    felt = felt + CHANCE * normal_at(seed, f"{key} chance", customer, touched)
    felt -= TROUBLE * troubles(world, events, customer, touched)

    # Content people answer more readily: the mean of the answers flatters.
    willing = expit(logit(survey.answered) + survey.answered_slope * felt)
    patience = -np.log(uniform_at(seed, f"{key} delay", customer, touched)) * MEAN_ANSWER_DAYS
    second = sent + (np.minimum(patience, SLOWEST_DAYS) * DAY).astype(int) + 1
    answered = uniform_at(seed, f"{key} answered", customer, touched) < willing
    answered &= second < until[customer]
    return pd.DataFrame(
        {
            "customer": customer,
            "sent": sent,
            "second": np.where(answered, second, np.nan),
            "touchpoint": survey.touchpoint,
            "metric": survey.metric,
            "score": np.where(answered, scores(survey.metric, felt), np.nan),
        }
    )


def touches_of(world: World, events: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    codes = [processes(world).index(name) for name in names]
    return events[events["process"].isin(codes)]


def scores(metric: str, felt: Floats) -> Floats:
    middle, step, lowest, highest = SCALES[metric]
    return np.clip(np.round(middle + step * felt), lowest, highest)


def experience(world: World, touchpoint: str, customer: Integers, seed: int) -> Floats:
    """What customers feel at a touchpoint, before trouble and chance."""
    quality = next(spec.quality for spec in world.touchpoints if spec.name == touchpoint)
    content = normal_at(seed, "content", customer)
    return quality + CONTENT * content + OWN * normal_at(seed, f"own {touchpoint}", customer)


def overall(
    world: World, events: pd.DataFrame, customer: Integers, second: Integers, seed: int
) -> Floats:
    """The overall opinion: what was felt at the touchpoints met so far, by weight."""
    total = CONTENT * normal_at(seed, "content", customer)
    for spec in world.touchpoints:
        if spec.weight:
            met = touches_of(world, events, [spec.name])
            first = met.groupby("customer")["second"].min().reindex(customer).to_numpy(dtype=float)
            own = spec.quality + normal_at(seed, f"own {spec.name}", customer)
            total += np.where(first <= second, spec.weight * own, 0.0)
    return total


def troubles(world: World, events: pd.DataFrame, customer: Integers, second: Integers) -> Integers:
    """Hidden touches in the two weeks up to a moment."""
    rows = touches_of(world, events, world.hidden)
    span = (world.days + TROUBLE_DAYS + 1) * DAY
    place = rows["customer"].to_numpy() * span + rows["second"].to_numpy()
    here = customer * span + second
    before = np.searchsorted(place, here, side="right")
    old = np.searchsorted(place, np.maximum(here - TROUBLE_DAYS * DAY, customer * span))
    return np.asarray(before - old)


COST_STEPS = 11
COST_SPREAD = 0.5
CENT_OF_A_CENT = 4


@dataclass(frozen=True)
class Simulation:
    """What one run of a world gives.

    Attributes
    ----------
    tables : dict of DataFrame
        touches, outcomes, customers, surveys, touchpoints, experiments: the data contract.
    hidden : dict of DataFrame
        What no analyst would see. `intent`: customer_id, intent (mean over the window).
        `events`: touches of hidden touchpoints. `capped`: by process, how many candidates
        met a rate above the ceiling of the world (where the log-linear form ends).
    world : World
    seed : int
    """

    tables: dict[str, pd.DataFrame]
    hidden: dict[str, pd.DataFrame]
    world: World
    seed: int


def simulate(world: World, *, seed: int, without: Sequence[str] = ()) -> Simulation:
    """What happens to the customers of a world.

    Parameters
    ----------
    world : World
    seed : int
    without : sequence of str
        Touchpoints switched off. All other random numbers stay the same, so that the
        difference to a run with them is what they brought about, in total.

    Returns
    -------
    Simulation
        Times are naive UTC at whole seconds; rows are sorted by customer and time.

    Raises
    ------
    ParameterError
        If the seed is not a whole number or a touchpoint is not in the world.

    Examples
    --------
    >>> from touchlab.simulate import TouchpointSpec, World, simulate
    >>> ad = TouchpointSpec("ad", rate=0.02, effects={"conversion": 0.5})
    >>> run = simulate(World((ad,), customers=500, days=90), seed=1)
    >>> sorted(run.tables)
    ['customers', 'experiments', 'outcomes', 'surveys', 'touches', 'touchpoints']
    >>> list(run.tables["outcomes"].columns)
    ['customer_id', 'timestamp', 'outcome', 'value']
    """
    check_seed(seed)
    check_without(world, without)
    population = draw_population(world, seed)
    points = draw_points(world, population, seed=seed)
    codes = [processes(world).index(name) for name in without]
    points = points.where(~np.isin(points.process, codes))
    decided = decide(world, points)
    events = events_of(world, points, decided)
    customers = customer_table(world, population, events)
    tables = {
        "touches": touch_table(world, events, seed),
        "outcomes": outcome_table(world, events, seed),
        "customers": customers,
        "surveys": survey_table(world, events, customers, seed),
        "touchpoints": map_table(world),
        "experiments": experiment_table(world, seed),
    }
    hidden = {
        "intent": pd.DataFrame(
            {"customer_id": customers["customer_id"], "intent": population.intent.mean(axis=1)}
        ),
        "events": hidden_table(world, events),
        "capped": capped_table(world, points, decided),
    }
    return Simulation(tables, hidden, world, seed)


def check_seed(seed: int) -> None:
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise ParameterError(f"seed: {seed!r} was given; it must be a whole number, 0 or more")


def check_without(world: World, without: Sequence[str]) -> None:
    known = [spec.name for spec in world.touchpoints]
    for name in [without] if isinstance(without, str) else without:
        if name not in known or isinstance(without, str):
            listed = ", ".join(known)
            raise ParameterError(
                f"without: {name!r} was given; it must be a list of touchpoints of the world; "
                f"allowed: {listed}"
            )


def events_of(world: World, points: Points, decided: Decided) -> pd.DataFrame:
    """Everything that happened, a row an event; customer, second and process as numbers."""
    happened = points.where(decided.happened)
    order = np.lexsort((happened.process, happened.second, happened.customer))
    happened = happened.where(order)
    return pd.DataFrame(
        {
            "customer": happened.customer.astype(np.int64),
            "second": happened.second.astype(np.int64),
            "process": happened.process,
        }
    )


def times(world: World, second: npt.ArrayLike) -> npt.NDArray[np.datetime64]:
    seconds = np.asarray(second).astype("timedelta64[s]")
    return (np.datetime64(world.start, "s") + seconds).astype("datetime64[us]")


def named(codes: npt.ArrayLike, names: Sequence[str]) -> ExtensionArray:
    """Text by number; -1 is missing. Far faster than making text of every row."""
    return pd.array(names, dtype="str").take(np.asarray(codes, dtype=np.int64), allow_fill=True)


def ids(world: World, customer: npt.ArrayLike) -> ExtensionArray:
    width = max(5, len(str(world.customers)))
    return named(customer, [f"c-{number:0{width}d}" for number in range(1, world.customers + 1)])


def touch_table(world: World, events: pd.DataFrame, seed: int) -> pd.DataFrame:
    seen = [code for code, name in enumerate(processes(world)) if name in world.names]
    touches = events[events["process"].isin(seen)]
    customer, second = touches["customer"].to_numpy(), touches["second"].to_numpy()
    column = touches["process"].to_numpy() - len(OUTCOMES)
    mean_cost = np.array([spec.cost for spec in world.touchpoints])
    # A few steps instead of a smooth spread: prices come in steps, and files stay small.
    step = np.floor(uniform_at(seed, "cost", customer, second) * COST_STEPS) / (COST_STEPS - 1)
    cost = mean_cost[column] * (1.0 + COST_SPREAD * (step - 0.5))
    is_inbound = np.array([spec.direction == "in" for spec in world.touchpoints])
    return pd.DataFrame(
        {
            "customer_id": ids(world, customer),
            "timestamp": times(world, second),
            "touchpoint": named(column, [spec.name for spec in world.touchpoints]),
            "cost": cost.round(CENT_OF_A_CENT),
            "campaign": campaigns(world, column, second),
            "direction": named(is_inbound[column], ["out", "in"]),
        }
    )


def campaigns(
    world: World, column: npt.NDArray[np.integer], second: npt.NDArray[np.integer]
) -> ExtensionArray:
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
    for name, spec in world.outcomes.items():
        if spec.value:
            here = (rows["process"] == OUTCOMES.index(name)).to_numpy()
            noise = normal_at(seed, f"value {name}", customer[here], second[here])
            value[here] = np.round(spec.value * np.exp(spec.value_spread * noise), 2)
    return pd.DataFrame(
        {
            "customer_id": ids(world, customer),
            "timestamp": times(world, second),
            "outcome": named(rows["process"], OUTCOMES),
            "value": value,
        }
    )


def customer_table(world: World, population: Population, events: pd.DataFrame) -> pd.DataFrame:
    """Observation ends with the window, or one second after churn."""
    until = np.full(world.customers, world.days * DAY)
    churn = events[events["process"] == CHURN]
    until[churn["customer"]] = churn["second"] + 1
    traits = {
        trait.name: named(population.levels[trait.name], list(trait.shares))
        for trait in world.traits
    }
    return pd.DataFrame(
        {
            "customer_id": ids(world, np.arange(world.customers)),
            "observed_from": times(world, population.joined),
            "observed_to": times(world, until),
            **traits,
        }
    )


def survey_table(
    world: World, events: pd.DataFrame, customers: pd.DataFrame, seed: int
) -> pd.DataFrame:
    start = np.datetime64(world.start, "us")
    until = (customers["observed_to"].to_numpy() - start) // np.timedelta64(1, "s")
    answers = survey_answers(world, events, until, seed)
    answered = answers["second"].notna().to_numpy()
    when = times(world, answers["second"].fillna(0).astype(np.int64))
    return pd.DataFrame(
        {
            "timestamp": np.where(answered, when, np.datetime64("NaT", "us")),
            "touchpoint": answers["touchpoint"].astype("str"),
            "metric": answers["metric"].astype("str"),
            "score": answers["score"].to_numpy(dtype=float),
            "customer_id": ids(world, answers["customer"]),
            "sent_at": times(world, answers["sent"]),
        }
    )


def map_table(world: World) -> pd.DataFrame:
    columns = ("stage", "channel", "owner", "goal", "phase")
    specs = [spec for spec in world.touchpoints if not spec.hidden]
    table = {"touchpoint": [spec.name for spec in specs]}
    table |= {column: [getattr(spec, column) for spec in specs] for column in columns}
    return pd.DataFrame(table).astype("str")


def experiment_table(world: World, seed: int) -> pd.DataFrame:
    number = np.repeat(np.arange(len(world.holdouts)), world.customers)
    customer = np.tile(np.arange(world.customers), len(world.holdouts))
    arms = [held_out(world, seed, held) for held in world.holdouts]
    starts = np.array([held.start_day * DAY for held in world.holdouts], dtype=np.int64)
    ends = np.array([end_of(world, held) * DAY for held in world.holdouts], dtype=np.int64)
    return pd.DataFrame(
        {
            "customer_id": ids(world, customer),
            "touchpoint": named(number, [held.touchpoint for held in world.holdouts]),
            "arm": named(np.concatenate(arms) if arms else [], ["treated", "holdout"]),
            "start": times(world, starts[number]),
            "end": times(world, ends[number]),
        }
    )


def hidden_table(world: World, events: pd.DataFrame) -> pd.DataFrame:
    hidden = [code for code, name in enumerate(processes(world)) if name in world.hidden]
    rows = events[events["process"].isin(hidden)]
    return pd.DataFrame(
        {
            "customer_id": ids(world, rows["customer"]),
            "timestamp": times(world, rows["second"]),
            "touchpoint": named(rows["process"], processes(world)),
        }
    )


def capped_table(world: World, points: Points, decided: Decided) -> pd.DataFrame:
    names = processes(world)
    return pd.DataFrame(
        {
            "process": pd.array(names, dtype="str"),
            "candidates": np.bincount(points.process, minlength=len(names)),
            "capped": [decided.capped[name] for name in names],
        }
    )
