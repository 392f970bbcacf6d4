"""Worlds that look like the analyst's own data: same touchpoints, rates and sizes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd

from touchlab.credit.attribute import attribute
from touchlab.data.customers import NO_TOUCH
from touchlab.data.dataset import Dataset, open_data
from touchlab.drivers.calibrate import calibrate
from touchlab.drivers.checks import CAUSAL, MEANING, check_drivers
from touchlab.drivers.experiments import holdout_effects
from touchlab.drivers.fit import fit_drivers
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError, TouchlabWarning
from touchlab.moments.sample import Moments, sample_moments
from touchlab.simulate import (
    WORLDS,
    OutcomeSpec,
    Simulation,
    TouchpointSpec,
    World,
    simulate,
    simulate_paths,
    true_effects,
)
from touchlab.simulate.world import OUTCOMES

EFFECTS = (0.9, 0.0, 0.5, 0.3, 0.0, 0.7, 0.2, -0.2)
HALF_LIVES = (3.0, 5.0, 2.0, 8.0)
MOST = 15
ANYWAY = 0.7
"""Share of outcomes that happen without touches, in the worlds made here."""


@dataclass(frozen=True)
class Shape:
    """What of the data a world is given: sizes and rates, nothing of who did what."""

    customers: int
    days: int
    touch_rates: pd.Series
    """Touches per customer-day, the most common touchpoints first."""
    outcome_rate: float

    def share(self, customers: int, days: int) -> float:
        """How much of the data's customer-days so many have."""
        return customers * days / (self.customers * self.days)


def shape_of(data: Dataset, *, outcome: str = "conversion") -> Shape:
    """Measure customers, days and rates of the data."""
    moments = sample_moments(data, outcome=outcome, after=None)
    rates = moments.touches.sort_values(ascending=False).head(MOST) / moments.customer_days
    days = round(moments.customer_days / moments.customers)
    return Shape(moments.customers, max(days, 2), rates, moments.events / moments.customer_days)


def shape_table(data: Dataset, *, outcome: str = "conversion") -> pd.DataFrame:
    """Set the shape for reading: ``what, value``."""
    shape = shape_of(data, outcome=outcome)
    rows = [
        ("customers observed", f"{shape.customers:,}"),
        ("days each", f"{shape.days:,}"),
        (f"{outcome} outcomes by customer and year", f"{365 * shape.outcome_rate:.2f}"),
    ]
    rows += [
        (f"touches of {name} by customer and year", f"{365 * rate:.2f}")
        for name, rate in shape.touch_rates.items()
    ]
    return pd.DataFrame(rows, columns=["what", "value"])


def worlds_like(data: Dataset, *, outcome: str = "conversion") -> Mapping[str, Game]:
    """Make two worlds in the shape of the data, for `run_scoreboard`.

    In both the effects are known, and dealt out to the touchpoints by their rank of
    frequency, not by what the data says. In the first, touches come at random; in the
    second, every third touchpoint seeks customers of high hidden intent. Neither says
    which of the two the data is: the lead test and experiments do.
    """
    shape = shape_of(data, outcome=outcome)

    def at_random(customers: int, days: int) -> World:
        touchpoints = tuple(
            TouchpointSpec(
                f"{name} (touch)" if name in OUTCOMES else str(name),
                rate,
                {OUTCOME: EFFECTS[i % len(EFFECTS)]},
                HALF_LIVES[i % len(HALF_LIVES)],
            )
            for i, (name, rate) in enumerate(shape.touch_rates.items())
        )
        happens = {OUTCOME: OutcomeSpec(ANYWAY * shape.outcome_rate, intent=1.0)}
        return World(touchpoints, customers, days, happens, intent_spread=0.6)

    def seeking(customers: int, days: int) -> World:
        world = at_random(customers, days)
        sought = tuple(
            replace(spec, targets_intent=0.8) if i % 3 == 0 else spec
            for i, spec in enumerate(world.touchpoints)
        )
        return replace(world, touchpoints=sought, intent_half_life_days=20.0)

    return {
        "touches at random": play(at_random),
        "hidden intent": play(seeking),
    }


OUTCOME = "conversion"
MISLED = 0.5
"""Error of amounts above which an answer misleads."""
RULES = ("first", "last", "linear", "position", "time_decay", "shapley", "markov")
PATHS = "a journey decides"
POWERS = {"t0": 0.10, "t1": 0.0, "t2": 0.06, "t3": 0.03, "t4": 0.02, "t5": 0.0}
TRUTH_RUNS = 3
"""Runs of which the truth is the mean: one alone carries chance of its own."""

Answer: TypeAlias = pd.DataFrame
"""A row a touchpoint, and one named ``(baseline)``: touchpoint, estimate, low, high, [badge]."""
Methods: TypeAlias = Mapping[str, Callable[[Dataset], Answer]]
Game: TypeAlias = Callable[[int, int, int, Methods], pd.DataFrame]
"""A world to be scored in: from customers, days, seed and further methods to all answers."""
BASELINE = "(baseline)"
FOR_READING = ["world", "method", "amount_error", "share_error", "false_alarms", "coverage"]
FOR_READING += ["baseline_error", "decision_error", "seeds"]
"""Columns of `score` that a reader needs."""


def run_scoreboard(
    worlds: Iterable[str] | Mapping[str, Game] | None = None,
    *,
    customers: int = 30_000,
    days: int = 180,
    seeds: Iterable[int] = (1, 2, 3, 4, 5),
    methods: Methods | None = None,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Let every method answer in every world and seed, beside the truth.

    Parameters
    ----------
    worlds
        Names of `all_worlds()`, None for all, or worlds of one's own (`worlds_like`).
    customers, days, seeds
        Size of each simulated company, and the seeds to repeat it with.
    methods
        Further methods by name, each a function of the opened data (`benchmarks/rivals.py`).
    progress
        Called with one line after each world and seed.

    Returns
    -------
    pandas.DataFrame
        ``world, seed, method, touchpoint, estimate, low, high, true, badge, cost, worth_each,
        true_worth``; the touchpoint ``(baseline)`` holds outcomes without any touch. `cost` is
        missing where touches cost nothing. Summarise it with `score`.

    Raises
    ------
    ParameterError
        For an unknown world.

    Examples
    --------
    >>> from touchlab.scoreboard import run_scoreboard
    >>> answers = run_scoreboard(["random touches"], customers=3000, days=60, seeds=[1])
    >>> sorted(answers.method.unique())[:3]
    ['drivers', 'drivers, no controls', 'drivers, touch rate']
    """
    known = worlds if isinstance(worlds, Mapping) else all_worlds()
    chosen = list(known) if worlds is None else list(worlds)
    if unknown := [name for name in chosen if name not in known]:
        allowed = ", ".join(known)
        raise ParameterError(f"worlds: {unknown[0]!r} is not a world\n  use any of {allowed}")
    frames = []
    for place, name in enumerate(known):
        for seed in seeds if name in chosen else ():
            # worlds of one seed share their luck: each world gets seeds of its own
            answers = known[name](customers, days, 1000 * place + seed, methods or {})
            frames.append(answers.assign(world=name, seed=seed))
            if progress is not None:
                progress(f"{name}, seed {seed}")
    columns = ["world", "seed", "method", "touchpoint", "estimate", "low", "high", "true"]
    columns += ["badge", "cost", "worth_each", "true_worth"]
    return pd.concat(frames, ignore_index=True).reindex(columns=columns)


def all_worlds() -> Mapping[str, Game]:
    """Name every world of the scoreboard: functions of (customers, days, seed, methods)."""
    games = {name: play(make) for name, make in WORLDS.items()}
    games[PATHS] = lambda customers, _days, seed, methods: _in_paths(customers, seed, methods)
    return games


def play(make: Callable[[int, int], World]) -> Game:
    """Score in a world that is made from customers and days."""
    return lambda customers, days, seed, methods: _in_world(make(customers, days), seed, methods)


def score(answers: pd.DataFrame) -> pd.DataFrame:
    """Average every method's errors over seeds: a row a world and method.

    Columns: ``world, method, amount_error`` (sum of |estimate - true| over sum of
    |true|), ``share_error`` (half the sum of absolute differences of shares),
    ``rank`` (Spearman), ``false_alarms`` (touchpoints without effect whose interval
    leaves out 0, as a share of them), ``coverage`` (95 % intervals that hold the truth),
    ``baseline_error`` (|estimate - true| over all outcomes), ``decision_error`` (touchpoints of
    which "do more" or "do not" is said otherwise than the truth says), ``randomised, adjusted,
    untested, descriptive`` (touchpoints by badge), ``assured`` (runs in which all badges say
    adjusted or randomised while `amount_error` is above .5): all shares; ``seeds``.

    A method says "do more" of a touchpoint whose interval of incremental outcomes lies above 0
    (whose estimate does, without intervals); the truth, where it brought any. Where touches have a
    cost: if the worth, outcomes times the mean value of one, is above the cost. The truth counts
    what outcomes are worth more, too.
    """
    rows = []
    for (world, seed, method), own in answers.groupby(["world", "seed", "method"], sort=False):
        rows.append({"world": world, "seed": seed, "method": method} | _errors(own))
    table = pd.DataFrame(rows)
    means = table.groupby(["world", "method"], sort=False).mean(numeric_only=True)
    counts = table.groupby(["world", "method"], sort=False).seed.nunique()
    return means.drop(columns="seed").assign(seeds=counts).reset_index()


def _errors(own: pd.DataFrame) -> dict[str, float]:
    named = own[own.touchpoint != BASELINE]
    base = own[own.touchpoint == BASELINE].iloc[0]
    estimate, true = named.estimate.to_numpy(), named.true.to_numpy()
    idle, told = true == 0, named.low.notna().to_numpy()
    alarms = (named.low > 0) | (named.high < 0)
    more = named.low.fillna(named.estimate) > 0
    right = named.true > 0
    if "cost" in named and named.cost.notna().all():
        more = named.estimate * named.worth_each > named.cost
        right = named.true_worth > named.cost
    badges = named.get("badge", pd.Series(dtype=object)).dropna()
    amount_error = np.abs(estimate - true).sum() / np.abs(true).sum()
    misled = float(amount_error > MISLED and badges.isin(CAUSAL).all())
    inside = (named.low <= true) & (true <= named.high)
    return {
        "amount_error": amount_error,
        "share_error": 0.5 * np.abs(_shares(estimate) - _shares(true)).sum(),
        "rank": named.estimate.corr(named.true, method="spearman"),
        "false_alarms": alarms[idle].mean() if idle.any() and told.any() else np.nan,
        "coverage": inside[told].mean() if told.any() else np.nan,
        "baseline_error": abs(base.estimate - base.true) / (true.sum() + base.true),
        "decision_error": (more != right).mean(),
        **{badge: (badges == badge).mean() for badge in MEANING},
        "assured": misled if len(badges) else np.nan,
    }


def _shares(amounts: np.ndarray) -> np.ndarray:
    """Shares of what brings outcomes; what takes them away has none."""
    positive = np.maximum(amounts, 0.0)
    return positive / positive.sum() if positive.sum() else positive


def _in_world(world: World, seed: int, methods: Methods) -> pd.DataFrame:
    simulation = simulate(world, seed=seed)
    truth = true_effects(world, seed=seed, repeats=TRUTH_RUNS)
    truth = truth[truth.outcome == OUTCOME].set_index("touchpoint")
    data = open_data({name: t for name, t in simulation.tables.items() if len(t)})
    answers = _answers(data, methods)
    answers["oracle"] = _of_drivers(_oracle(simulation, truth))
    amounts = truth.incremental_direct.to_dict() | {BASELINE: truth.baseline_direct.iloc[0]}
    table = _beside(answers, amounts)
    if not any(spec.cost for spec in world.touchpoints):
        return table
    # Outcomes lost would have been worth what one is worth without the raise.
    outcome = world.outcomes[OUTCOME]
    plain = outcome.value * np.exp(outcome.value_spread**2 / 2)
    added = simulation.hidden["value_added"].set_index("touchpoint").value_added
    return table.assign(
        cost=table.touchpoint.map(simulation.tables["touches"].groupby("touchpoint").cost.sum()),
        worth_each=simulation.tables["outcomes"].value.mean(),
        true_worth=table.true * plain + table.touchpoint.map(added),
    )


def _in_paths(customers: int, seed: int, methods: Methods) -> pd.DataFrame:
    tables, truth = simulate_paths(POWERS, customers=customers, seed=seed)
    truth = truth.set_index("touchpoint")
    data = open_data(tables)
    amounts = truth.incremental_direct.to_dict() | {BASELINE: truth.baseline.iloc[0]}
    return _beside(_answers(data, methods), amounts)


def _answers(data: Dataset, methods: Methods) -> dict[str, Answer]:
    own = _credit_answers(data) | _driver_answers(data)
    return own | {name: method(data) for name, method in methods.items()}


def _credit_answers(data: Dataset) -> dict[str, Answer]:
    credit = attribute(data, outcome=OUTCOME, models=list(RULES))
    names = {"credit": "estimate", "ci_low": "low", "ci_high": "high"}
    return {
        str(model): own.replace({"touchpoint": {NO_TOUCH: BASELINE}}).rename(columns=names)
        for model, own in credit.groupby("model", sort=False)
    }


def _driver_answers(data: Dataset) -> dict[str, Answer]:
    with warnings.catch_warnings():  # trouble of simulated customers is nobody's to mend
        warnings.simplefilter("ignore", TouchlabWarning)
        return _fitted(data)


def _fitted(data: Dataset) -> dict[str, Answer]:
    drivers = fit_drivers(data, outcome=OUTCOME)
    answers = {
        "drivers": _of_drivers(drivers, data),
        "drivers, no controls": _of_drivers(fit_drivers(_bare(drivers.moments), intent="ignore")),
        "drivers, touch rate": _of_drivers(
            fit_drivers(drivers.moments, touch_rate=True, intent="ignore")
        ),
    }
    if data.has("experiments"):
        holdouts = holdout_effects(data, outcome=OUTCOME)
        answers["calibrated"] = _of_drivers(calibrate(drivers, holdouts), data)
    return answers


def _bare(moments: Moments) -> Moments:
    """The same moments without clocks, calendar, history and traits."""
    table = moments.table.drop(columns=list(moments.histories)).assign(since=0.0, day=0.0)
    return replace(moments, table=table, traits=())


def _oracle(simulation: Simulation, truth: pd.DataFrame) -> Drivers:
    """The same regression, told the hidden intent and the true half-lives."""
    tables = {name: t for name, t in simulation.tables.items() if len(t)}
    intent = simulation.hidden["intent"]
    tables["customers"] = tables["customers"].merge(intent, on="customer_id", how="left")
    lives = truth.half_life_days.to_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TouchlabWarning)
        data = open_data(tables)
        return fit_drivers(data, outcome=OUTCOME, half_lives=lives, intent="ignore")


def _of_drivers(drivers: Drivers, checked_on: Dataset | None = None) -> Answer:
    names = {"incremental": "estimate", "ci_low": "low", "ci_high": "high"}
    checks = None if checked_on is None else check_drivers(checked_on, drivers)
    own = drivers.incremental(total=False, checks=checks).rename(columns=names)
    if checks is None:
        own = own.drop(columns="badge")
    base = drivers.baseline.assign(touchpoint=BASELINE)
    base = base.rename(columns={"baseline": "estimate", "ci_low": "low", "ci_high": "high"})
    return pd.concat([own, base], ignore_index=True)


def _beside(answers: Mapping[str, Answer], amounts: Mapping[str, float]) -> pd.DataFrame:
    frames = []
    for method, answer in answers.items():
        own = answer.set_index("touchpoint").reindex(
            index=list(amounts), columns=["estimate", "low", "high", "badge"]
        )
        own = own.fillna({"estimate": 0.0})
        own = own.assign(true=pd.Series(amounts), method=method)
        frames.append(own.rename_axis("touchpoint").reset_index())
    return pd.concat(frames, ignore_index=True)
