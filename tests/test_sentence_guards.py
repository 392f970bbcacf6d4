"""Sentences speak of effects under two badges alone, and propose tests that can be held."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import touchlab as tl
from touchlab import overview, plots, sentences
from touchlab.drivers.checks import ADJUSTED, RANDOMISED
from touchlab.drivers.experiments import never_sent_out

BADGES = [RANDOMISED, ADJUSTED, "descriptive", "untested", "unchecked", "a word of tomorrow"]
CAUSES = re.compile(r"\b(brings?|drives?|prevents?|costs?|keeps|without it)\b")
NAMES = ["ad", "mail", "shop", "call"]
OWNERS = ["company", "customer", "partner", None]

amounts = st.floats(-500, 500).map(lambda v: round(v, 1))


@st.composite
def tables(draw: st.DrawFn, badges: list[str] = BADGES) -> pd.DataFrame:
    """Drivers of one outcome, largest first: any badges, owners and intervals."""
    rows = []
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        amount, reach = draw(amounts), draw(st.floats(0.1, 600))
        rows.append(
            {
                "touchpoint": name, "incremental": amount, "ci_low": amount - reach,
                "ci_high": amount + reach, "badge": draw(st.sampled_from(badges)),
                "owner": draw(st.sampled_from(OWNERS)), "n": draw(st.integers(1000, 9000)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows).sort_values("incremental", ascending=False, ignore_index=True)


def baseline(n: int = 2000) -> pd.DataFrame:
    row = {"baseline": 900.0, "share": 0.45, "ci_low": 800.0, "ci_high": 1000.0, "n": n}
    return pd.DataFrame([row])


def plan_of(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    moved = table[table.badge != "descriptive"].rename(columns={"incremental": "gain"})
    low = 50.0 if len(moved) else -1.0
    gain = {"outcome": "conversion", "gain": 90.0, "ci_low": low, "ci_high": 130.0, "n": 2000}
    moves = moved.assign(
        cost_now=100.0, change=moved.gain, gain_low=moved.ci_low, gain_high=moved.ci_high,
        safe=moved.badge.isin([RANDOMISED, ADJUSTED]) & (moved.ci_low > 0),
    )  # fmt: skip
    return {"moves": moves, "gain": pd.DataFrame([gain])}


def found(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of the overview, all effects those of `table`."""
    held = table.loc[table.owner == "customer", ["touchpoint"]]
    effects = {"drivers": table, "keepers": table, "bringers": table, "cannot_hold_back": held}
    return effects | dict.fromkeys(["baseline", "churn", "referral"], baseline()) | plan_of(table)


def parts_on(text: str, name: str) -> list[str]:
    """The parts of a text, between its full stops and semicolons, that name a touchpoint."""
    parts = re.split(r"\. |; (?!badge)|: without it", text)
    return [part for part in parts if re.search(rf"\b{name}\b", part)]


def assert_guarded(text: str, table: pd.DataFrame) -> None:
    for row in table.itertuples():
        if row.badge not in (RANDOMISED, ADJUSTED):
            for part in parts_on(text, row.touchpoint):
                assert not CAUSES.search(part), (row.touchpoint, row.badge, text)


@settings(max_examples=30, deadline=None)
@given(tables())
def test_no_effect_is_said_but_under_a_badge_that_allows_it(table: pd.DataFrame) -> None:
    said = [
        sentences.about_drivers(table, baseline(), "conversion"),
        sentences.about_keepers(table, baseline()),
        sentences.about_referrals(table, baseline()),
        sentences.about_touches(table, "conversion"),
        sentences.about_touches(table, "churn"),
        plots.plot_incremental(table, outcome="conversion").alt.split(". From ")[0],
        *sentences.in_brief(found(table), "conversion"),
    ]
    for text in said:
        assert_guarded(text, table)


@settings(max_examples=25, deadline=None)
@given(tables(BADGES[2:]))
def test_without_such_a_badge_no_page_says_that_anything_causes(table: pd.DataFrame) -> None:
    said = [
        sentences.about_drivers(table, baseline(), "conversion"),
        sentences.about_keepers(table, baseline()),
        *sentences.in_brief(found(table), "conversion"),
    ]
    assert not [text for text in said if CAUSES.search(text)]


@settings(max_examples=30, deadline=None)
@given(tables())
def test_actions_rest_on_effects_and_experiments_on_what_can_be_held_back(
    table: pd.DataFrame,
) -> None:
    try:
        actions = sentences.propose_actions(found(table), "conversion")
    except tl.MissingInput:
        return
    known = table.set_index("touchpoint")
    for row in actions.itertuples():
        names = [name for name in NAMES if re.search(rf"\b{name}\b", row.action)]
        if row.action.startswith("Hold "):
            assert known.owner[names[0]] != "customer"
            safe = known.badge[names[0]] in (RANDOMISED, ADJUSTED) and known.ci_low[names[0]] > 0
            assert not safe, row
        else:
            assert set(known.badge[names]) <= {RANDOMISED, ADJUSTED}, row


@settings(max_examples=30, deadline=None)
@given(tables(), st.lists(st.floats(1, 100), min_size=4, max_size=4))
def test_costs_are_said_of_effects_alone(table: pd.DataFrame, prices: list[float]) -> None:
    each = pd.Series(prices[: len(table)])
    priced = table.assign(
        cost_per_incremental=each, cost_per_incremental_low=each / 2,
        cost_per_incremental_high=each * 2, cost_per_credited=each / 3, reading="bounded",
    )  # fmt: skip
    said = [
        sentences.about_costs(priced, outcome="conversion", credit="last"),
        plots.plot_cost_per_incremental(priced, outcome="conversion").alt.split(". An arrow")[0],
    ]
    for text in said:
        for row in table[~table.badge.isin([RANDOMISED, ADJUSTED])].itertuples():
            assert not re.search(rf"(cheapest is|with) {row.touchpoint}\b", text), text


def dataset(directions: dict[str, list[str | None]]) -> tl.Dataset:
    touches = [
        {"customer_id": f"c{i}", "timestamp": f"2026-01-{day + 1:02d}", "touchpoint": name,
         "direction": way}
        for name, ways in directions.items()
        for i in range(3)
        for day, way in enumerate(ways)
    ]  # fmt: skip
    bought = [{"customer_id": "c0", "timestamp": "2026-02-01", "outcome": "conversion"}]
    frames: dict[str, Any] = {"touches": pd.DataFrame(touches), "outcomes": pd.DataFrame(bought)}
    return tl.open_data(frames)


def test_what_only_comes_in_is_never_sent_out() -> None:
    data = dataset({"call": ["in", "in"], "chat": ["in", "out"], "mail": ["out"], "web": [None]})
    assert never_sent_out(data) == {"call"}


@pytest.mark.parametrize("badge", BADGES[2:])
def test_an_experiment_is_proposed_on_the_largest_that_can_be_held_back(badge: str) -> None:
    rows = [(name, v, v - 5, v + 5, badge) for name, v in (("call", 90.0), ("ad", 40.0))]
    columns = ["touchpoint", "incremental", "ci_low", "ci_high", "badge"]
    drivers, held = pd.DataFrame(rows, columns=columns), pd.DataFrame({"touchpoint": ["call"]})
    asked = sentences.propose_actions({"drivers": drivers, "cannot_hold_back": held}, "conversion")
    assert asked.action.tolist() == ["Hold ad back from one customer in ten for a while."]
    with pytest.raises(tl.MissingInput):  # nobody knows who runs them
        sentences.propose_actions({"drivers": drivers}, "conversion")


def test_kept_tables_too_say_what_cannot_be_held_back(
    tmp_path: Any,
) -> None:
    data = tl.open_data("data/sample")
    (tmp_path / "01_touchpoint_map").mkdir()
    tl.touchpoint_map(data).to_parquet(tmp_path / "01_touchpoint_map" / "map.parquet")
    tables = overview.gather(data, outcome="conversion", results=str(tmp_path))
    own, come_in = {"direct", "support_contact", "community_forum"}, {"paid_search", "store_visit"}
    assert set(tables["cannot_hold_back"].touchpoint) == own | come_in | {
        "affiliate", "partner_review"
    }  # fmt: skip


@pytest.mark.parametrize("badge", BADGES[2:])
def test_a_figure_of_costs_says_why_there_is_no_price(badge: str) -> None:
    row = {"touchpoint": "ad", "incremental": 40.0, "ci_low": 30.0, "ci_high": 50.0, "n": 5000}
    row |= {"cost_per_incremental": 9.0, "cost_per_incremental_low": 5.0, "badge": badge}
    priced = pd.DataFrame([row | {"cost_per_incremental_high": 20.0, "cost_per_credited": 3.0}])
    said = plots.plot_cost_per_incremental(priced, outcome="conversion").alt
    assert said.startswith(f"Effects are {badge}: one conversion has no price yet.")
