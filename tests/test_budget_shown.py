"""Budgets in words and figures: what is said of plans, costs and curves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from touchlab import show
from touchlab.budget.plan import Reallocation
from touchlab.plots import budget as figures
from touchlab.sentences import budget as sentences_budget

GAIN = {
    "outcome": "conversion", "gain": 120.4, "ci_low": 60.2, "ci_high": 180.6, "flattered": 10.0,
    "value": 6020.0, "value_low": 3010.0, "value_high": 9030.0, "n": 2000.0,
}  # fmt: skip
COSTS = {
    "touchpoint": ["ad", "mail", "shop", "nag"],
    "cost": [1000.0, 50.0, 800.0, 300.0],
    "incremental": [50.0, 25.0, 2.0, -4.0],
    "ci_low": [40.0, 20.0, -6.0, -9.0],
    "ci_high": [62.5, 40.0, 10.0, -1.0],
    "cost_per_incremental": [20.0, 2.0, 400.0, np.inf],
    "cost_per_incremental_low": [16.0, 1.25, 80.0, np.inf],
    "cost_per_incremental_high": [25.0, 2.5, np.inf, np.inf],
    "cost_per_credited": [10.0, 1.0, 40.0, 30.0],
    "value": [2500.0, 1250.0, 96.0, -210.0],
    "value_low": [2000.0, 1000.0, -300.0, -450.0],
    "value_high": [3125.0, 2000.0, 500.0, -50.0],
    "roi": [1.5, 24.0, -0.88, -1.7],
    "reading": ["bounded", "bounded", "no upper end", "not above zero"],
    "badge": ["adjusted", "randomised", "descriptive", "adjusted"],
    "n": [5000, 9000, 400, 2000],
}


@pytest.fixture
def plan() -> Reallocation:
    table = pd.DataFrame(
        {
            "touchpoint": ["ad", "mail", "shop", "nag"],
            "cost_now": [1000.0, 500.0, 800.0, 300.0],
            "cost_planned": [850.0, 1000.0, 800.0, 150.0],
            "change": [-150.0, 500.0, 0.0, -150.0],
            "multiplier": [0.85, 2.0, 1.0, 0.5],
            "probability_more": [0.3, 1.0, np.nan, 0.0],
            "next_cost": [20.0, 2.0, np.nan, np.inf],
            "next_cost_low": [16.0, 1.25, np.nan, 99.5],
            "next_cost_high": [25.0, 2.5, np.nan, np.inf],
            "advice": ["less", "more", "test first", "less"],
            "badge": ["adjusted", "randomised", "descriptive", "adjusted"],
            "n": [5000, 9000, 400, 2000],
        }
    )
    return Reallocation(table, pd.DataFrame([GAIN]), 1800.0, ())


@pytest.fixture
def costs() -> pd.DataFrame:
    return pd.DataFrame(COSTS)


@pytest.fixture
def curves() -> pd.DataFrame:
    rows = [
        (name, m, 100.0 * m, up * m**power, up * m**power - 5 * m, up * m**power + 5 * m)
        for name, up, power in (("ad", 50.0, 0.5), ("mail", 20.0, 0.5), ("nag", -9.0, 1.0))
        for m in (0.0, 1.0, 2.0)
    ]
    columns = ["touchpoint", "multiplier", "cost", "incremental", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def test_moves_of_a_plan_by_what_they_gain_alone(plan: Reallocation, curves: pd.DataFrame) -> None:
    # mail doubles: 20 (sqrt 2 - 1); ad at 0.85 and nag at 0.5 lie on lines between none and now
    now = curves.groupby("touchpoint").incremental.transform(lambda own: own.iloc[1])
    gain = curves.incremental - now
    spread = 5.0 * (curves.multiplier - 1).abs()
    curves = curves.assign(gain=gain, gain_low=gain - spread, gain_high=gain + spread)
    moves = plan.moves(curves).set_index("touchpoint")
    assert list(moves.index) == ["mail", "nag", "ad"]  # more money, then what loses least for it
    assert moves.gain.round(2).tolist() == [8.28, 4.5, -7.5]
    assert moves.gain_low.round(2).tolist() == [3.28, 2.0, -8.25]
    assert moves.safe.tolist() == [True, True, False]  # which way to move ad is not sure
    assert sentences_budget.about_moves(moves.reset_index(), "conversion") == (
        "Safe to make now: mail (+500 euro), nag (-150 euro). mail gains 8.3 (3.3 to 13.3) more "
        "conversion outcomes by itself. Not yet: ad."
    )
    turned = replace(plan, gain=plan.gain.assign(outcome="churn")).moves(curves)
    assert turned.set_index("touchpoint").gain_high["mail"] == pytest.approx(-3.28, abs=0.01)


def test_plan_in_a_sentence(plan: Reallocation) -> None:
    assert plan.sentence("dollar") == (
        "Move 500 dollar: more to mail (+500); less to ad (-150), nag (-150). That is expected to "
        "bring 120 more conversion outcomes (60 to 181) than the 2,000 now, worth 6,020 dollar. "
        "Which way to move ad is not sure. Test first, as the effect is doubted: shop."
    )


def test_plan_that_is_not_shown_to_gain(plan: Reallocation) -> None:
    gain = plan.gain.assign(ci_low=-20.0, value=np.nan)
    said = Reallocation(plan.table, gain, 1800.0, ()).sentence()
    assert "That it gains is not shown: 120 conversion (-20 to 181)." in said


def test_plan_that_spares_money(plan: Reallocation) -> None:
    spared = plan.table[plan.table.touchpoint != "mail"]  # 1,000 and 300 can be moved
    said = Reallocation(spared, plan.gain, 1300.0, ()).sentence()
    assert said.startswith(
        "Move 300 euro: less to ad (-150), nag (-150). 300 euro of it are better not spent on "
        "any of these."
    )


def test_plan_for_another_budget(plan: Reallocation) -> None:
    said = Reallocation(plan.table, plan.gain, 2000.0, ()).sentence()
    assert said.startswith("Spend 2,000 euro on what costs 1,800 now: more to mail (+500); less")


def test_plan_that_moves_nothing(plan: Reallocation) -> None:
    still = plan.table.assign(change=0.0, advice="keep")
    said = Reallocation(still, plan.gain, 1800.0, ()).sentence()
    assert said == "Leave the money where it is: within the caps no move gains conversion."


def test_costs_in_a_sentence(costs: pd.DataFrame) -> None:
    # credit makes the two sure ones look 2 times cheaper each: 20 / 10 and 2 / 1
    said = sentences_budget.about_costs(costs, outcome="conversion", credit="last")
    assert said == (
        "2 of 4 touchpoints with a cost bring conversion outcomes beyond chance; cheapest is mail "
        "at 2.00 euro each (1.25 to 2.50). Counted by last touch credit they look 2.0 times "
        "cheaper, because credit includes outcomes that would have come anyway. Not surely above "
        "zero: shop, nag."
    )


def test_costs_for_reading_say_where_there_is_no_upper_end(costs: pd.DataFrame) -> None:
    table = sentences_budget.costs_in_brief(costs).set_index("touchpoint")
    words = table.interval_of_cost.str.replace("\N{NO-BREAK SPACE}", " ").to_dict()
    assert words == {
        "mail": "1.25 to 2.50", "ad": "16 to 25", "shop": "80 and more", "nag": "brings none"
    }  # fmt: skip
    assert table.cost_per_incremental.to_dict() == {
        "mail": "2.00", "ad": "20", "shop": "400", "nag": "–"
    }  # fmt: skip
    assert "inf" not in show.Table(table.reset_index())._repr_html_()


def test_plan_for_reading(plan: Reallocation) -> None:
    table = plan.summary()
    assert table.touchpoint.tolist() == ["mail", "shop", "ad", "nag"]
    assert table.next_cost.tolist() == ["2.00", "–", "20", "–"]
    html = show.Table(table)._repr_html_()
    assert "over 99\N{NO-BREAK SPACE}%" in html and "100.0 %" not in html and "inf" not in html


def test_without_costs_the_answer_is_about_touches() -> None:
    # For 1,000 touches: ad 10 (8 to 12), mail 2 (1 to 3); what is surest comes first.
    table = pd.DataFrame(
        {
            "touchpoint": ["ad", "mail"], "incremental": [50.0, 20.0], "ci_low": [40.0, 10.0],
            "ci_high": [60.0, 30.0], "badge": "adjusted", "n": [5000, 10_000],
        }
    )  # fmt: skip
    said = sentences_budget.about_touches(table, "conversion")
    assert said == (
        "For 1,000 touches, ad brings 10 (8 to 12) conversion outcomes, the highest lower end of "
        "all; checked, without an experiment."
    )
    turned = table.assign(incremental=-table.incremental, ci_low=-60.0, ci_high=[-40.0, 30.0])
    assert "ad prevents 10 (8 to 12) churn" in sentences_budget.about_touches(turned, "churn")
    none = sentences_budget.about_touches(table.assign(ci_low=-1.0), "conversion")
    assert none == "Of no touchpoint is it sure that it brings any conversion outcomes."


def test_curves_in_a_sentence(curves: pd.DataFrame) -> None:
    # Outcomes won and lost at twice the touches: (70 * 1.414 + 18) / (70 + 9) = 1.48 times.
    assert sentences_budget.about_curves(curves).startswith(
        "At 2 times the touches, touchpoints bring 1.5 times the outcomes"
    )
    straight = curves.assign(incremental=curves.multiplier * 30)
    assert sentences_budget.about_curves(straight).startswith("Up to 2 times the touches returns")


def test_experiments_worth_doing(plan: Reallocation) -> None:
    assert sentences_budget.about_experiments(plan.table) == (
        "An experiment tells most about ad (costs 1,000), shop (costs 800): the effect is doubted, "
        "or which way to move is not sure."
    )
    sure = plan.table[plan.table.touchpoint.isin(["mail", "nag"])]
    assert sentences_budget.about_experiments(sure) == (
        "Every move is sure; a holdout on mail, which gains most, keeps it so."
    )


def test_notes_in_a_sentence() -> None:
    assert sentences_budget.about_notes(("a thing", "another")) == "A thing; another."
    assert sentences_budget.about_notes(()) == "Every touchpoint could be moved."


def test_figures_say_what_they_find(
    costs: pd.DataFrame, curves: pd.DataFrame, plan: Reallocation
) -> None:
    dear = figures.plot_cost_per_incremental(costs, outcome="conversion")
    assert dear.alt == (
        "One more conversion costs 2.00 euro with mail, 20 with ad; last touch makes it look 2.0 "
        "times cheaper. An arrow: the interval has no upper end, the touchpoint may bring none."
    )
    more = figures.plot_response_curves(curves, outcome="conversion")
    assert more.alt == (
        "2 times the touches bring 1.5 times the conversion outcomes: returns fall within what "
        "was seen. Most for the money: ad; least: nag."
    )
    moved = figures.plot_reallocation(plan.table, plan.gain)
    assert moved.alt == (
        "500 euro to move: 120 more conversion (60 to 181). mail +500, direction "
        "clear; shop test first; ad -150, direction unclear; nag -150, direction clear."
    )


@pytest.mark.parametrize("name", ["a $\\frac{ $ b", "_hidden", "🛒", "x" * 80])
def test_figures_draw_any_name(
    name: str, costs: pd.DataFrame, curves: pd.DataFrame, plan: Reallocation
) -> None:
    renamed = [table.replace({"touchpoint": {"ad": name}}) for table in (costs, curves, plan.table)]
    pictures = [
        figures.plot_cost_per_incremental(renamed[0], outcome="conversion"),
        figures.plot_response_curves(renamed[1], outcome="conversion"),
        figures.plot_reallocation(renamed[2], plan.gain),
    ]
    for picture in pictures:
        assert picture.svg(show.NARROW).startswith("<svg")


def test_costs_that_nothing_is_known_of_are_drawn(costs: pd.DataFrame) -> None:
    none = costs[costs.touchpoint == "nag"].assign(cost_per_credited=np.nan)
    picture = figures.plot_cost_per_incremental(none, outcome="churn")
    assert picture.alt.startswith(
        "No touchpoint is surely above zero: what one churn costs is not known"
    )
    assert picture.svg().startswith("<svg")
