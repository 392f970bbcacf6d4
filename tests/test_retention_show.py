"""Figures and sentences of retention: what they say, and that they draw."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pandas as pd
import pytest

from touchlab.plots.retention import at_risk, in_steps, plot_cohorts, plot_incidence, plot_survival
from touchlab.sentences.retention import about_cohorts, about_inactivity, about_survival
from touchlab.show import NARROW, WIDE, Picture

NB = "\N{NO-BREAK SPACE}"
SVG = "{http://www.w3.org/2000/svg}"


def curves(*groups: tuple[str, float, int]) -> pd.DataFrame:
    """Groups (name, survival on day 2, customers at risk throughout)."""
    rows = [
        (name, day, 1 - (1 - end) * day / 2, end - 0.05, 1.0, at_risk, 0, at_risk)
        for name, end, at_risk in groups
        for day in (0, 1, 2)
    ]
    names = ["group", "day", "survival", "ci_low", "ci_high", "at_risk", "events", "n"]
    return pd.DataFrame(rows, columns=names)


COHORTS = pd.DataFrame(
    {
        "cohort": ["2026-01", "2026-01", "2026-02"],
        "months_since": [1, 2, 1],
        "customers": [100, 100, 300],
        "active": [40, 10, 30],
        "rate": [0.4, 0.1, 0.1],
        "ci_low": [0.31, 0.06, 0.07],
        "ci_high": [0.50, 0.17, 0.14],
        "n": [100, 100, 300],
    }
)


def title_of(picture: Picture) -> str:
    return picture.alt.split(". ")[0].replace(NB, " ")


def test_titles_state_the_finding() -> None:
    two = plot_survival(curves(("a", 0.5, 90), ("b", 0.75, 50)))
    assert title_of(two) == (
        "After 2 days, groups do not clearly differ: from 50 % to 75 % are still without churn"
    )
    apart = curves(("a", 0.5, 90), ("b", 0.75, 50)).assign(ci_high=lambda t: t.ci_low + 0.1)
    assert title_of(plot_survival(apart)) == (
        "After 2 days, 75 % of b are still without churn, 50 % of a"
    )
    one = plot_survival(curves(("all", 0.5, 90)), outcome="referral")
    assert title_of(one) == (
        "After 2 days, 50 % of customers are still without referral (45 % to 100 %)"
    )
    assert title_of(plot_cohorts(COHORTS)) == (
        "18 % have conversion outcomes 1 month after the first"
    )
    shares = curves(("all", 0.5, 90)).rename(columns={"survival": "incidence"})
    assert title_of(plot_incidence(shares.assign(outcome="churn"))) == (
        "After 2 days, churn came first for 50 % of customers (45 % to 100 %)"
    )


def test_the_end_of_a_curve_that_hangs_on_few_is_not_drawn() -> None:
    rows = curves(("all", 0.5, 90))
    rows.loc[rows.day == 2, "at_risk"] = 3
    rows.loc[rows.day == 1, "events"] = 12
    assert plot_survival(rows).table.day.tolist() == [0, 1]
    hidden = plot_survival(curves(("all", 0.5, 3)))
    assert str(hidden).startswith("Not drawn, all of it is hidden: what stands on fewer than 10")


def test_numbers_behind_a_curve_give_no_single_day_away() -> None:
    # 4 + 6 are enough by day 2, 3 + 9 more by day 4; day 5 has only 2 more
    rows = pd.DataFrame({"group": "all", "day": range(6), "events": [0, 4, 6, 3, 9, 2]})
    assert in_steps(rows, "group").day.tolist() == [0, 2, 4]
    assert "events" not in plot_survival(curves(("all", 0.5, 90))).table.columns


def test_hidden_cohorts_are_not_read_as_nobody() -> None:
    # month 1: 4 of 100 are hidden; of those shown alone, 60 of 300 would be said
    few = COHORTS.assign(active=[4, 10, 60], rate=[0.04, 0.1, 0.2])
    said = about_cohorts(few).replace(NB, " ")
    assert said.startswith("10 % of 100 customers have conversion outcomes 2 months after")
    assert title_of(plot_cohorts(few)) == "10 % have conversion outcomes 2 months after the first"
    none = "In every month some cohort is hidden: no share of all customers is said."
    assert about_cohorts(few[few.months_since == 1]) == none


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_pictures_draw_with_any_names(width: float) -> None:
    odd = curves(("a $\\frac{ $", 0.5, 90), ("_hidden", 0.5, 50), ("a long name " * 5, 0.1, 40))
    for picture in (plot_survival(odd), plot_cohorts(COHORTS)):
        assert picture.svg(width).startswith("<svg")


def test_sentences_by_hand() -> None:
    assert about_survival(curves(("all", 0.5, 90))).replace(NB, " ") == (
        "2 days after their start, 50 % (45 % to 100 %) of customers are without churn; "
        "90 customers began."
    )
    assert about_survival(curves(("a", 0.5, 90), ("b", 0.9, 50))).replace(NB, " ") == (
        "2 days after their start, groups do not clearly differ: from 50 % (45 % to 100 %) to "
        "90 % (85 % to 100 %) of customers are without churn."
    )
    # month 1: (40 + 30) of 400; the intervals of the two cohorts lie apart
    assert about_cohorts(COHORTS).replace(NB, " ") == (
        "18 % of 400 customers have conversion outcomes 1 month after the first, 10 % of 100 2 "
        "months after. The cohort of 2026-01 came back most often 1 month after the first (40 %), "
        "that of 2026-02 least (10 %)."
    )
    rules = pd.DataFrame(
        {
            "silent_days": [30, 60], "chosen": [False, True], "churn": [50, 30],
            "returned": [0.4, 0.2], "rate": [0.6, 0.4], "horizon_days": 90, "n": 100,
        }
    )  # fmt: skip
    assert about_inactivity(rules).replace(NB, " ") == (
        "With 60 days of silence as churn, 30 of 100 customers churn; fewer than 10 of them come "
        "back later. The churn rate within 90 days hangs on the rule: from 40 % with 60 days to "
        "60 % with 30."
    )


def words_of(svg: str) -> list[str]:
    return ["".join(text.itertext()).strip() for text in fromstring(svg).iter(f"{SVG}text")]


def test_customers_at_risk_stand_below_the_curves() -> None:
    days = range(0, 41)
    left = {"a": [2000 - 10 * day for day in days], "b": [80 - day for day in range(0, 25)]}
    rows = pd.DataFrame(
        [
            (name, day, 0.9, 0.85, 0.95, number, 0, numbers[0])
            for name, numbers in left.items()
            for day, number in enumerate(numbers)
        ],
        columns=["group", "day", "survival", "ci_low", "ci_high", "at_risk", "events", "n"],
    )
    for width in (WIDE, NARROW):
        said = words_of(plot_survival(rows).svg(width))
        assert {"2,000", "1,800", "1,600", "80", "60", "–"} <= {*said}
        assert any("customers at risk, of a, b" in one for one in said)
    one = rows[rows.group == "b"]
    assert at_risk(one, [0, 5, 10, 15, 24, 30]) == ["80", "·", "70", "·", "56", "–"]
    assert at_risk(one[one.day > 3], [0, 4]) == ["76", "76"]


def test_hidden_cells_of_a_cohort_map_are_hatched() -> None:
    few = {"cohort": "2026-02", "months_since": 3, "customers": 300, "active": 4, "rate": 4 / 300}
    rows = pd.concat([COHORTS, pd.DataFrame([few | {"ci_low": 0.0, "ci_high": 0.1, "n": 300}])])
    whole, some = (plot_cohorts(one.reset_index(drop=True)).svg() for one in (COHORTS, rows))
    assert not any("hatched" in one for one in words_of(whole))
    assert any("hatched: hidden" in one for one in words_of(some))
    assert some.count("<path") > whole.count("<path")
