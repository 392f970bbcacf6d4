"""Cost per incremental outcome, response curves and plans for a budget."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import touchlab as tl
from touchlab.budget import plan as plan_module
from touchlab.budget.costs import cost_per_incremental, find_costs, response_curves
from touchlab.budget.plan import reallocate
from touchlab.budget.response import Field, Lift, Response, Responses, best_plan, fill
from touchlab.moments.risk import Risk
from touchlab.privacy.suppress import hidden_cells, suppress
from touchlab.sentences.budget import costs_in_brief
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World, simulate

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "budget.py"
TOUCHPOINTS = (
    TouchpointSpec("ad", 0.03, {"conversion": 0.6}, half_life_days=2.0, cost=0.9),
    TouchpointSpec("email", 0.03, {"conversion": 1.2}, half_life_days=4.0, cost=0.1),
    TouchpointSpec("idle", 0.04, cost=0.5),
    TouchpointSpec("nag", 0.04, {"conversion": -1.0, "churn": 1.0}, cost=0.2),
    TouchpointSpec("site", 0.03, {"conversion": 0.8}, owner="customer", direction="in", cost=0.3),
    TouchpointSpec("tip", 0.1, {"churn": -1.5}, 6.0, phase="after", cost=0.1),
    TouchpointSpec("word", 0.01),
)
OUTCOMES = {
    "conversion": OutcomeSpec(0.003, value=50.0, value_spread=0.3),
    "churn": OutcomeSpec(0.01, needs_conversion=True),
}


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """A third of the draws: what they say is the same, only rougher."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("touchlab.budget.plan.DRAWS", 30)
        yield


@pytest.fixture(scope="module")
def shop() -> tl.Dataset:
    world = World(TOUCHPOINTS, customers=3000, days=90, outcomes=OUTCOMES)
    tables = simulate(world, seed=3).tables
    return tl.open_data({name: table for name, table in tables.items() if len(table)})


@pytest.fixture(scope="module")
def drivers(shop: tl.Dataset) -> tl.Drivers:
    return tl.fit_drivers(shop)


@pytest.fixture(scope="module")
def churn(shop: tl.Dataset) -> tl.Drivers:
    return tl.fit_drivers(shop, outcome="churn")


class Badges:
    """Stands for checks: a badge by touchpoint, the rest adjusted."""

    def __init__(self, **badges: str) -> None:
        self.known = badges

    def badges(self, touchpoints: Any) -> list[str]:
        return [self.known.get(name, "adjusted") for name in touchpoints]


def lift(exposure: float, squares: float, effect: float, saturation: str = "log") -> Lift:
    return Lift(np.array([0]), np.array([exposure]), np.array([squares]), effect, saturation)


# What more touches do to the hazard


def test_one_touch_is_kept_or_lost() -> None:
    # A touch just now, effect 1: f(1) = 2. Kept half the time: (1 + 2) / 2 = 1.5, over 2.
    # Twice as many: 1 + 2 (2 - 1) = 3, over 2.
    one = lift(1.0, 1.0, 1.0)
    assert one.at(0.5)[0] == pytest.approx(0.75)
    assert one.at(2.0)[0] == pytest.approx(1.5)
    assert one.at(0.0)[0] == pytest.approx(0.5)
    assert one.at(1.0)[0] == pytest.approx(1.0)


def test_two_touches_are_right_to_second_order() -> None:
    # Two touches just now, f = (1 + A)^2. Each kept half the time: none, one, two with
    # 1/4, 1/2, 1/4 of (1, 4, 9) = 4.5, over 9; as f(1) exp(2 / 8 * 2 / 4) = 4 exp(1 / 8) = 4.53.
    # Twice as many, by differences of (1, 4, 9): 1 + 2 * 2 * 3 + 4 * 2 = 21, over 9; as
    # f(4) exp(-2 * 2 / 25) = 25 exp(-4 / 25) = 21.3.
    two = lift(2.0, 2.0, 2.0)
    assert two.at(0.5)[0] * 9 == pytest.approx(4 * np.exp(1 / 8))
    assert two.at(2.0)[0] * 9 == pytest.approx(25 * np.exp(-4 / 25))
    assert two.at(0.0)[0] * 9 == pytest.approx(1.0)


def test_harm_ends_at_none_at_all() -> None:
    # One touch with f(1) = 2^-2 = 1/4: twice as many would give 1 + 2 (1/4 - 1) = -1/2.
    factor, slope = lift(1.0, 1.0, -2.0).at(2.0)
    assert factor == pytest.approx(0.0, abs=1e-8) and slope == 0.0


@pytest.mark.parametrize("saturation", ["log", "exp"])
@pytest.mark.parametrize("effect", [-0.5, 0.4, 1.2])
@pytest.mark.parametrize("rate", [0.02, 0.2, 1.0])
def test_mean_over_customers_is_that_of_touches_at_other_rates(
    saturation: str, effect: float, rate: float
) -> None:
    random, customers, days, half_life = np.random.default_rng(5), 100_000, 30.0, 3.0

    def exposures(times: float) -> tuple[np.ndarray, np.ndarray]:
        counts = random.poisson(times * rate * days, customers)
        who = np.repeat(np.arange(customers), counts)
        decay = 0.5 ** (random.random(len(who)) * days / half_life)
        return np.bincount(who, decay, customers), np.bincount(who, decay**2, customers)

    def factor(exposure: np.ndarray) -> np.ndarray:
        g = np.log1p(exposure) if saturation == "log" else 1 - np.exp(-exposure)
        return np.exp(effect * g)

    seen, squares = exposures(1.0)
    rows = np.flatnonzero(seen > 1e-4)
    now = Lift(rows, seen[rows], squares[rows], effect, saturation)
    for times in (0.5, 1.5, 2.0):
        planned = 1.0 + (factor(seen[rows]) * now.at(times)[0] - 1).sum() / customers
        true = factor(exposures(times)[0]).mean()
        # chance of 100,000 customers is about 1 % of what the touches add at the rarest
        assert planned - 1 == pytest.approx(true - 1, rel=0.04)


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_no_touches_is_removal_and_slopes_are_slopes(
    outcome: str, drivers: tl.Drivers, churn: tl.Drivers
) -> None:
    fitted = drivers if outcome == "conversion" else churn
    names = list(fitted.moments.touchpoints)
    response = Responses(fitted, names).whole()
    assert response.now == pytest.approx(fitted.moments.events)
    removed = fitted.incremental(total=False).incremental
    for k in range(len(names)):
        without = np.ones(len(names))
        without[k] = 0.0
        assert response.now - response.outcomes(without) == pytest.approx(removed[k], abs=0.05)
    somewhere = np.linspace(0.45, 1.85, len(names))
    step = 1e-5 * np.eye(len(names))
    numeric = [
        (response.outcomes(somewhere + one) - response.outcomes(somewhere - one)) / 2e-5
        for one in step
    ]
    assert response.with_slopes(somewhere)[1] == pytest.approx(numeric, abs=1e-4)


# Spending a budget


def test_fill_spends_where_a_euro_brings_most() -> None:
    # Per euro: 0.5, 0.2, 0.3. Least is half of each: 5 + 15 + 10 = 30 of 60. The other 30:
    # 15 to the first (up to 2), 15 of the 30 that the third could take.
    cost, gain = np.array([10.0, 30.0, 20.0]), np.array([5.0, 6.0, 6.0])
    plan = fill(gain, cost, 60.0, np.full(3, 0.5), np.full(3, 2.0))
    assert plan.tolist() == [2.0, 0.5, 1.25]


def test_fill_gives_nothing_to_what_brings_nothing() -> None:
    plan = fill(np.array([-1.0, 1.0]), np.array([10.0, 10.0]), 20.0, np.zeros(2), np.full(2, 1.5))
    assert plan.tolist() == [0.0, 1.5]


amounts = st.floats(0.1, 100.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(amounts, amounts), min_size=2, max_size=6), st.floats(0.0, 1.0))
def test_fill_keeps_to_budget_and_caps_and_no_swap_is_better(
    pairs: list[tuple[float, float]], part: float
) -> None:
    gain, cost = np.array(pairs).T
    low, high = np.full(len(cost), 0.5), np.full(len(cost), 2.0)
    budget = cost @ low + part * (cost @ (high - low))
    plan = fill(gain, cost, budget, low, high)
    assert cost @ plan == pytest.approx(budget)
    assert (plan >= low - 1e-9).all() and (plan <= high + 1e-9).all()
    per_euro = gain / cost
    for one in np.flatnonzero(plan < high - 1e-6):
        for other in np.flatnonzero(plan > low + 1e-6):
            assert per_euro[one] <= per_euro[other] * (1 + 1e-9)


def test_best_plan_is_the_best_of_a_fine_grid() -> None:
    # Heavily touched customers, so that returns fall and the best lies between the caps.
    random = np.random.default_rng(2)
    lifts = tuple(
        Lift(
            np.arange(400), random.gamma(3.0, 2.0, 400), random.gamma(2.0, 0.5, 400), effect, "log"
        )
        for effect in (0.5, 0.35)
    )
    response = Response(np.ones(400), Field(lifts, 400))
    cost, low, high = np.array([12.0, 10.0]), np.full(2, 0.2), np.full(2, 4.0)
    plan = best_plan(response, cost, 22.0, low, high)
    grid = np.linspace(0.2, 1.6, 400)
    values = [response.outcomes(np.array([m, (22.0 - 12.0 * m) / 10.0])) for m in grid]
    assert cost @ plan == pytest.approx(22.0)
    assert 0.3 < plan[0] < 1.5
    assert plan[0] == pytest.approx(grid[np.argmax(values)], abs=0.01)
    assert response.outcomes(plan) >= max(values) - 1e-6
    slopes = response.with_slopes(plan)[1] / cost
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-2)


# What touches cost


def test_only_touches_at_risk_cost() -> None:
    # Ann converts on day 10 and churns on day 20: of her mails on days 5, 10, 15 and 25 only
    # those on days 10 and 15 can have kept her. Bob never converted: none of his count.
    day = pd.Timestamp("2026-03-01")
    rows = [("ann", d, 2.0) for d in (5, 10, 15, 25)] + [("bob", 5, 2.0)]
    touches = pd.DataFrame(rows, columns=["customer_id", "day", "cost"]).assign(touchpoint="mail")
    outcomes = pd.DataFrame({"customer_id": "ann", "outcome": ["conversion", "churn"]})
    customers = pd.DataFrame({"customer_id": ["ann", "bob"]})
    data = tl.open_data(
        {
            "touches": touches.assign(timestamp=day + pd.to_timedelta(touches.day, "D")).drop(
                columns="day"
            ),
            "outcomes": outcomes.assign(
                timestamp=[day + pd.Timedelta("10D"), day + pd.Timedelta("20D")]
            ),
            "customers": customers.assign(observed_from=day, observed_to=day + pd.Timedelta("30D")),
        }
    )
    stub: Any = SimpleNamespace(
        moments=SimpleNamespace(
            data=data, risk=Risk("churn", "conversion", recurrent=False), touchpoints=("mail",)
        )
    )
    table = find_costs(stub, None).table
    assert table.loc["mail", ["cost", "n"]].tolist() == [4.0, 2]
    conversions: Any = SimpleNamespace(
        moments=SimpleNamespace(data=data, risk=Risk("conversion"), touchpoints=("mail",))
    )
    assert find_costs(conversions, None).table.loc["mail", ["cost", "n"]].tolist() == [8.0, 4]


def test_cost_per_incremental_is_cost_over_what_is_brought(
    shop: tl.Dataset, drivers: tl.Drivers
) -> None:
    table = cost_per_incremental(drivers).set_index("touchpoint")
    assert list(table.index) == ["ad", "email", "idle", "nag", "site", "tip"]  # word costs nothing
    assert table.cost.to_dict() == pytest.approx(tl.touch_costs(shop).drop("word").to_dict())
    email, nag = table.loc["email"], table.loc["nag"]
    assert email.reading == "bounded"
    assert email.cost_per_incremental == email.cost / email.incremental
    assert email.cost_per_incremental_low == email.cost / email.ci_high
    assert email.cost_per_incremental_high == email.cost / email.ci_low
    assert email.roi == pytest.approx(email.value / email.cost - 1)
    assert email.roi_low == pytest.approx(email.value_low / email.cost - 1)
    # nothing changes the size of an order: value is outcomes times their mean value, nearly
    value = shop.outcomes.filter(shop.outcomes.outcome == "conversion").value.mean().execute()
    assert email.value == pytest.approx(email.incremental * value, rel=0.1)
    assert nag.reading == "not above zero"
    assert nag.cost_per_incremental == np.inf == nag.cost_per_incremental_high
    credit = tl.attribute(shop, models=["last"]).set_index("touchpoint").credit
    assert email.cost_per_credited == pytest.approx(email.cost / credit["email"])


def test_cost_of_churn_is_per_churn_prevented(churn: tl.Drivers) -> None:
    table = cost_per_incremental(churn).set_index("touchpoint")
    tip, nag = table.loc["tip"], table.loc["nag"]
    assert tip.incremental < 0
    assert tip.cost_per_incremental == tip.cost / -tip.incremental
    assert tip.cost_per_incremental_low == tip.cost / -tip.ci_low
    assert nag.reading == "not above zero"
    assert table.cost_per_credited.isna().all() and table.roi.isna().all()


def test_costs_by_touchpoint_may_be_given(drivers: tl.Drivers) -> None:
    table = cost_per_incremental(drivers, costs={"email": 100.0, "word": 30.0, "ad": 0.0})
    assert table.set_index("touchpoint").cost.to_dict() == {"email": 100.0, "word": 30.0}


# Response curves


def test_response_curves_start_at_none_and_pass_through_now(drivers: tl.Drivers) -> None:
    curves = response_curves(drivers, multipliers=(1, 0, 2))
    own = curves[curves.touchpoint == "email"].set_index("multiplier")
    known = drivers.incremental(total=False).set_index("touchpoint")
    assert list(own.index) == [0.0, 1.0, 2.0]
    assert own.loc[0.0, ["incremental", "ci_low", "ci_high"]].tolist() == [0.0, 0.0, 0.0]
    assert own.incremental[1.0] == pytest.approx(known.incremental["email"], abs=0.05)
    # another way to the same interval: draws here, the jackknife itself there
    assert own.ci_high[1.0] - own.ci_low[1.0] == pytest.approx(
        known.ci_high["email"] - known.ci_low["email"], rel=0.35
    )
    assert own.incremental[1.0] < own.incremental[2.0] < 2 * own.incremental[1.0] * 1.05
    assert own.cost[2.0] == pytest.approx(2 * own.cost[1.0])
    np.testing.assert_allclose(own.gain, own.incremental - own.incremental[1.0], atol=1e-6)
    assert own.loc[1.0, ["gain_low", "gain_high"]].tolist() == [0.0, 0.0]


# Plans


@pytest.mark.parametrize("k", [10, 60, 200, 400])
def test_a_hidden_credit_is_not_divided_out_of_the_cost_of_one(
    drivers: tl.Drivers, shop: tl.Dataset, k: int
) -> None:
    """Cost over cost per credited outcome is the credit that another page may hide."""
    credit = tl.attribute(shop, models=["last"])
    hidden = set(credit.touchpoint[hidden_cells(credit, k=k).credit])
    assert (len(hidden) > 1) == (k > 10)
    table = tl.cost_per_incremental(drivers)
    known = set(table.touchpoint[table.cost_per_credited.notna()])
    for shown in (table, costs_in_brief(table), table.sort_values("cost").head(9)):
        left = suppress(shown, k=k)
        assert set(left.touchpoint[left.cost_per_credited.notna()]) == known - hidden


@pytest.fixture(scope="module")
def plan(drivers: tl.Drivers) -> Any:
    return reallocate(drivers, checks=Badges(idle="descriptive"))


def test_plan_moves_money_to_what_works(plan: Any) -> None:
    table = plan.table.set_index("touchpoint")
    assert table.advice.drop("tip").to_dict() == {  # tip does nothing here: either way
        "ad": "more", "email": "more", "idle": "test first", "nag": "less", "site": "keep",
    }  # fmt: skip
    assert table.multiplier["email"] == 2.0 and table.multiplier["nag"] == 0.5
    assert table.multiplier[["idle", "site"]].tolist() == [1.0, 1.0]
    assert table.probability_more[["idle", "site"]].isna().all()
    assert table.probability_more["email"] == 1.0 and table.probability_more["nag"] == 0.0
    assert table.cost_planned.sum() <= table.cost_now.sum() + 0.01
    assert (table.change == table.cost_planned - table.cost_now).all()
    row = plan.gain.iloc[0]
    assert 0 < row.ci_low < row.gain < row.ci_high
    assert row.value == pytest.approx(row.gain * row.value_low / row.ci_low)
    assert plan.notes == (
        "the customer's own, cannot be bought, left as they are: site",
        "effect doubted (descriptive), left as they are until tested: idle",
        "no cost, left as they are: word",
    )


def test_doubted_touchpoint_moves_only_when_asked_and_still_says_so(drivers: tl.Drivers) -> None:
    checks = Badges(email="descriptive")
    held = reallocate(drivers, checks=checks).table.set_index("touchpoint")
    moved = reallocate(drivers, checks=checks, move_doubted=True)
    assert held.multiplier["email"] == 1.0
    row = moved.table.set_index("touchpoint").loc["email"]
    assert row.multiplier == 2.0 and row.advice == "test first"
    assert "Test first, as the effect is doubted: email." in moved.sentence()


def test_larger_budget_and_wider_caps_gain_more(drivers: tl.Drivers, plan: Any) -> None:
    now = plan.table.cost_now[plan.table.probability_more.notna()].sum()
    checks = Badges(idle="descriptive")
    tighter = reallocate(drivers, checks=checks, caps=(0.8, 1.2)).gain.gain[0]
    less = reallocate(drivers, checks=checks, budget=0.7 * now).gain.gain[0]
    assert tighter < plan.gain.gain[0]
    assert less < plan.gain.gain[0]


def test_caps_may_be_given_by_touchpoint(drivers: tl.Drivers) -> None:
    table = reallocate(drivers, caps={"email": (1.0, 1.0), "ad": (0.0, 3.0)}).table
    multiplier = table.set_index("touchpoint").multiplier
    assert multiplier["email"] == 1.0
    assert multiplier["nag"] == 0.5


def test_currency_of_costs_changes_no_plan(drivers: tl.Drivers, plan: Any) -> None:
    costs = plan.table.set_index("touchpoint").cost_now
    other = reallocate(drivers, checks=Badges(idle="descriptive"), costs=(7.4 * costs).to_dict())
    assert other.table.multiplier.to_numpy() == pytest.approx(plan.table.multiplier, abs=1e-3)
    assert other.gain.gain[0] == pytest.approx(plan.gain.gain[0], rel=1e-3)
    assert other.table.next_cost.to_numpy() == pytest.approx(
        7.4 * plan.table.next_cost, nan_ok=True
    )


def test_plan_for_churn_prevents_it(churn: tl.Drivers) -> None:
    found = reallocate(churn)
    multiplier = found.table.set_index("touchpoint").multiplier
    assert multiplier["tip"] == 2.0 and multiplier["nag"] == 0.5
    assert found.gain.gain[0] > 0
    assert "fewer churn outcomes" in found.sentence()
    assert "outcomes have no value: the gain is in outcomes alone" in found.notes


def test_one_touchpoint_can_be_asked_what_more_would_bring(drivers: tl.Drivers) -> None:
    found = reallocate(drivers, costs={"email": 100.0}, budget=150.0)
    assert found.table.multiplier.tolist() == [1.5]
    row = cost_per_incremental(drivers, costs={"email": 100.0}).iloc[0]
    assert found.gain.gain[0] == pytest.approx(0.5 * row.incremental, rel=0.15)


def test_seed_decides_the_draws_only(drivers: tl.Drivers) -> None:
    costs = {"ad": 100.0, "email": 50.0, "idle": 100.0}
    one, same, other = (reallocate(drivers, costs=costs, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.table, same.table)
    assert one.gain.equals(same.gain)
    assert other.table.multiplier.equals(one.table.multiplier)
    assert other.gain.ci_low[0] != one.gain.ci_low[0]


# Bad input


def _message(error: Any) -> str:
    return str(error.value)


@pytest.mark.parametrize("costs", [None, {}, {"email": 0.0}])
def test_without_costs_it_says_what_it_would_answer(
    drivers: tl.Drivers, shop: tl.Dataset, costs: Any
) -> None:
    tables = dict(shop.tables) | {"touches": shop.touches.drop("cost")}
    moments = replace(drivers.moments, data=replace(shop, tables=tables))
    bare = replace(drivers, model=replace(drivers.model, moments=moments))
    for ask in (reallocate, cost_per_incremental, response_curves):
        with pytest.raises(tl.MissingInput) as error:
            ask(bare, costs=costs)
        assert _message(error) == (
            "budget: no touch has a cost\n"
            "  with costs, in touches.cost or by touchpoint in `costs`, this says what an outcome "
            "that would not have happened otherwise costs, and where the next euro brings most"
        )


def test_one_touchpoint_alone_has_nothing_to_move(drivers: tl.Drivers) -> None:
    with pytest.raises(tl.MissingInput) as error:
        reallocate(drivers, costs={"email": 100.0})
    assert _message(error) == (
        "budget: 'email' is the only touchpoint that can be moved\n"
        "  with costs of two or more, this says between which to move money; with another "
        "budget, what more or less of it would bring"
    )


def test_nothing_to_move(drivers: tl.Drivers) -> None:
    with pytest.raises(tl.MissingInput) as error:
        reallocate(drivers, costs={"email": 9.0, "site": 9.0}, checks=Badges(email="descriptive"))
    assert _message(error) == (
        "budget: nothing can be moved: email, site are doubted or the customer's own\n"
        "  with experiments on them, or a customers table and more outcomes, this says where the "
        "next euro brings most"
    )


COSTS = {"ad": 100.0, "email": 50.0}
WRONG = {
    "negative budget": (
        {"budget": -5.0},
        "budget: -5.0 was given\n  give an amount above 0, such as the 150 now",
    ),
    "no number": (
        {"budget": "much"},
        "budget: 'much' was given\n  give an amount above 0, such as the 150 now",
    ),
    "budget below the caps": (
        {"budget": 60.0},
        "budget: 60 cannot be met with these caps\n"
        "  what can be moved costs 150 now, and under the caps from 75 to 300; give a budget "
        "between, or wider caps",
    ),
    "budget above the caps": (
        {"budget": 200.0, "caps": {"ad": (0, 1), "email": (1, 1)}},
        "budget: 200 cannot be met with these caps\n"
        "  what can be moved costs 150 now, and under the caps from 50 to 150; give a budget "
        "between, or wider caps",
    ),
    "caps the wrong way round": (
        {"caps": (2.0, 0.5)},
        "caps: (2.0, 0.5) is not a pair of multiples\n"
        "  give the least and the most, such as (0.5, 2.0): at least 0, in this order",
    ),
    "caps below 0": (
        {"caps": (-1.0, 2.0)},
        "caps: (-1.0, 2.0) is not a pair of multiples\n"
        "  give the least and the most, such as (0.5, 2.0): at least 0, in this order",
    ),
    "one cap": (
        {"caps": 2.0},
        "caps: 2.0 is not a pair of multiples\n"
        "  give the least and the most, such as (0.5, 2.0): at least 0, in this order",
    ),
    "caps of a stranger": (
        {"caps": {"emial": (0, 1)}},
        "caps: 'emial' is not a touchpoint of the drivers; did you mean 'email'?\n"
        "  the touchpoints are ad, email, idle, nag, site, tip, word",
    ),
    "cost of a stranger": (
        {"costs": {"radio": 5.0}},
        "costs: 'radio' is not a touchpoint of the drivers\n"
        "  the touchpoints are ad, email, idle, nag, site, tip, word",
    ),
    "cost below 0": (
        {"costs": {"ad": -5.0}},
        "costs: 'ad' costs -5.0\n  give amounts of at least 0",
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_parameters_that_make_no_sense(
    case: tuple[dict[str, Any], str], drivers: tl.Drivers
) -> None:
    choices, message = case
    with pytest.raises(tl.ParameterError) as error:
        reallocate(drivers, **({"costs": COSTS} | choices))
    assert _message(error) == message


def test_multipliers_below_zero(drivers: tl.Drivers) -> None:
    with pytest.raises(tl.ParameterError) as error:
        response_curves(drivers, multipliers=(-1, 1))
    assert _message(error) == (
        "multipliers: (-1, 1)\n  give numbers of at least 0, such as (0, 1, 2)"
    )


def test_synergies_are_not_planned_with(drivers: tl.Drivers) -> None:
    paired = replace(drivers, model=replace(drivers.model, pairs=((0, 1),)))
    with pytest.raises(tl.ParameterError) as error:
        reallocate(paired)
    assert _message(error) == (
        "budget: the drivers hold synergies, which no budget is planned with\n"
        "  fit them again without `synergy`"
    )


def test_effects_that_separate_are_not_planned_with(drivers: tl.Drivers) -> None:
    packed = drivers.parameters.packed.copy()
    packed[0] = 7.0  # of ad
    extreme = replace(drivers, parameters=replace(drivers.parameters, packed=packed))
    for ask in (reallocate, response_curves):
        with pytest.raises(tl.MissingInput) as error:
            ask(extreme)
        assert _message(error) == (
            "budget: what more of ad would bring cannot be told; its touches nearly separate "
            "outcomes from the rest\n  with more outcomes, or `costs` without it, this says where "
            "the next euro brings most"
        )


def test_too_few_outcomes(drivers: tl.Drivers) -> None:
    unknown = replace(drivers, replicates=np.full_like(drivers.replicates, np.nan))
    for ask in (reallocate, response_curves):
        with pytest.raises(tl.MissingInput) as error:
            ask(unknown)
        assert _message(error) == (
            f"budget: {drivers.moments.events:,.0f} conversion outcomes are too few to plan with\n"
            "  with more outcomes, this says where the next euro brings most"
        )


# Against the truth


@pytest.mark.slow
def test_plans_beat_credit_and_come_near_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("touchlab.budget.plan.DRAWS", 100)
    spec = importlib.util.spec_from_file_location("budget_benchmark", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    table = benchmark.run("random touches", customers=6_000, seeds=5)
    mean = table.mean()
    assert mean["proposed, nothing held"] > 0.85
    for model in ("last", "markov"):
        for rule in ("credit per euro", "in proportion"):
            assert mean["proposed, nothing held"] > mean[f"{model}, {rule}"] + 0.05
    assert table["covered, nothing held"].sum() >= 4


def test_a_stated_gain_never_falls_as_the_budget_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 140 a euro gains 1; beyond, it flatters the choice by .5 more than it gains."""
    table = pd.DataFrame({"cost": [60.0, 40.0]}, index=["ad", "email"]).assign(held=False)
    ends = np.full(2, 0.5), np.full(2, 2.0)

    def settled(*_: object, budget: float, **__: object) -> plan_module.Case:
        costs: Any = SimpleNamespace(value=np.nan)
        return plan_module.Case(costs, table, table.cost.to_numpy(), budget, *ends, 1, ())

    def proposed(_: object, cases: list[plan_module.Case], __: int) -> list[Any]:
        found = []
        for case in cases:
            stated = case.budget if case.budget <= 140 else 210 - 0.5 * case.budget
            gain = pd.DataFrame({"gain": [stated]})
            planned = table.assign(cost_planned=case.budget)
            found.append(plan_module.Reallocation(planned, gain, case.budget, case.notes))
        return found

    monkeypatch.setattr(plan_module, "settle", settled)
    monkeypatch.setattr(plan_module, "propose", proposed)
    nothing: Any = None
    plans = [reallocate(nothing, budget=float(budget)) for budget in range(60, 201, 5)]
    gains = [plan.gain.gain[0] for plan in plans]
    assert (np.diff(gains) >= 0).all() and gains[-1] == gains[16]
    assert [plan.budget for plan in plans] == list(range(60, 201, 5))
    assert plans[-1].table.cost_planned.iloc[0] == 140 and plans[-1].notes == (plan_module.UNSPENT,)
    assert plans[16].notes == ()
