"""Credit of all models together: its laws, published figures, cost and errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from conftest import START, parse_events
from hypothesis import given, settings
from hypothesis import strategies as st

import touchlab as tl
from touchlab.credit.attribute import RULES
from touchlab.credit.order import removal_effects
from touchlab.credit.sensitivity import return_on_cost, touch_costs
from touchlab.errors import MissingInput
from touchlab.journeys.build import order_events
from touchlab.journeys.counts import outcome_sums, rule_sums

Open = Callable[..., tl.Dataset]

ALL = [*RULES, "markov", "markov_2", "markov_3", "markov_4"]
UNTIMED = [model for model in ALL if model != "time_decay"]
NUMBERS = ["credit", "share", "ci_low", "ci_high", "n"]


def attribute_all(tables: dict[str, pd.DataFrame], **parameters: object) -> pd.DataFrame:
    """Give the numbers of all models, by model and touchpoint."""
    table = tl.attribute(tl.open_data(tables), models=ALL, **parameters)  # type: ignore[arg-type]
    return table.set_index(["model", "touchpoint"])[NUMBERS]


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left.sort_index(), right.sort_index(), rtol=1e-9, atol=1e-9)


@st.composite
def event_tables(draw: st.DrawFn) -> dict[str, pd.DataFrame]:
    """Draw up to 40 events of up to 8 customers in 90 days, no two at the same time."""
    size = draw(st.integers(2, 40))
    minutes = draw(st.lists(st.integers(0, 90 * 1440), min_size=size, max_size=size, unique=True))
    names = draw(st.lists(st.sampled_from([*"abcde", "*"]), min_size=size, max_size=size))
    owners = draw(st.lists(st.integers(1, 8), min_size=size, max_size=size))
    texts: dict[int, str] = {0: f"a@0.5s *{draw(st.integers(1, 50))}@1s"}
    for i, (owner, name, minute) in enumerate(zip(owners, names, minutes, strict=True)):
        word = f"*{i + 1}@{minute}min" if name == "*" else f"{name}@{minute}min"
        texts[owner] = f"{texts.get(owner, '')} {word}"
    return parse_events(texts)


examples = settings(max_examples=8, deadline=None)


@examples
@given(event_tables())
def test_credits_add_up_to_outcomes_and_to_value(tables: dict[str, pd.DataFrame]) -> None:
    count = attribute_all(tables)
    assert np.allclose(count.groupby("model").credit.sum(), len(tables["outcomes"]))
    assert np.allclose(count.groupby("model").share.sum(), 1)
    value = attribute_all(tables, measure="value")
    assert np.allclose(value.groupby("model").credit.sum(), tables["outcomes"].value.sum())
    assert (count.credit >= 0).all() and (value.credit >= 0).all()


@examples
@given(event_tables(), st.permutations(["a", "Zoo", "~", "ä", "0"]))
def test_new_names_only_move_the_credit(tables: dict[str, pd.DataFrame], names: list[str]) -> None:
    other = dict(zip("abcde", names, strict=True))
    touches = tables["touches"].assign(touchpoint=tables["touches"].touchpoint.map(other))
    assert_same(
        attribute_all(tables).rename(index=other, level="touchpoint"),
        attribute_all({**tables, "touches": touches}),
    )


@examples
@given(tables=event_tables(), seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(tables: dict[str, pd.DataFrame], seed: int) -> None:
    shuffled = {name: table.sample(frac=1, random_state=seed) for name, table in tables.items()}
    assert_same(attribute_all(tables), attribute_all(shuffled))


@examples
@given(tables=event_tables(), hours=st.integers(-5000, 5000))
def test_only_differences_of_time_matter(tables: dict[str, pd.DataFrame], hours: int) -> None:
    moved = {
        name: table.assign(timestamp=table.timestamp + pd.Timedelta(hours=hours))
        for name, table in tables.items()
    }
    elsewhere = {
        name: table.assign(timestamp=table.timestamp.dt.tz_convert("Asia/Kolkata"))
        for name, table in tables.items()
    }
    expected = attribute_all(tables)
    assert_same(expected, attribute_all(moved))
    assert_same(expected, attribute_all(elsewhere))


@examples
@given(event_tables())
def test_segments_add_up_to_the_whole(tables: dict[str, pd.DataFrame]) -> None:
    data = tl.open_data(tables)
    whole = tl.attribute(data, models=list(RULES)).groupby(["model", "touchpoint"]).credit.sum()
    months = tl.attribute(data, models=list(RULES), by="month")
    parts = months.groupby(["model", "touchpoint"]).credit.sum()
    assert np.allclose(whole, parts.reindex(whole.index).fillna(0.0))


@examples
@given(event_tables())
def test_rules_give_nothing_to_what_no_converting_journey_holds(
    tables: dict[str, pd.DataFrame],
) -> None:
    stranger = pd.DataFrame(
        {"customer_id": 99, "timestamp": [START, START], "touchpoint": ["a", "unseen"]}
    )
    touches = pd.concat([tables["touches"], stranger])
    credit = attribute_all({**tables, "touches": touches}).credit
    assert (credit.loc[(list(RULES), "unseen")] == 0).all()
    # no outcome can be reached after it either, so Markov agrees here
    assert np.allclose(credit.xs("unseen", level="touchpoint"), 0, atol=1e-12)


def test_files_can_be_split(tmp_path: Path, open_events: Open) -> None:
    random = np.random.default_rng(2)
    tables = parse_events(
        {i: f"{random.choice(list('abc'))}@{i} b@{i + 1} *@{i + 2}" for i in range(30)}
    )
    for name, table in tables.items():
        (tmp_path / name).mkdir()
        for part in range(3):
            table.iloc[part::3].to_parquet(tmp_path / name / f"part{part}.parquet")
    split = tl.attribute(tl.open_data(tmp_path), models=ALL)
    assert_same(attribute_all(tables), split.set_index(["model", "touchpoint"])[NUMBERS])


def test_equal_paths_can_be_merged(open_paths: Open) -> None:
    # each alone is too few for groups, so the numbers are exact
    apart = open_paths(("a > b", 3, 1, 5.0), ("a > b", 2, 4, 1.0), ("b > a > c", 2, 2, 3.0))
    merged = open_paths(("a>b", 5, 5, 6.0), (" b > a > c ", 2, 2, 3.0))
    for measure in ("count", "value"):
        one = tl.attribute(apart, models=UNTIMED, measure=measure)
        two = tl.attribute(merged, models=UNTIMED, measure=measure)
        pd.testing.assert_frame_equal(one, two)


def test_events_and_paths_give_the_same_credit(open_events: Open, open_paths: Open) -> None:
    events = open_events({"ann": "a@0 b@1 *5@2", "bob": "b@0", "cat": "a@0 a@1 b@2 *3@3"})
    paths = open_paths(("a > b", 1, 0, 5.0), ("b", 0, 1, 0.0), ("a > a > b", 1, 0, 3.0))
    for measure in ("count", "value"):
        left = tl.attribute(events, models=UNTIMED, measure=measure)
        right = tl.attribute(paths, models=UNTIMED, measure=measure)
        pd.testing.assert_frame_equal(left[["credit", "n"]], right[["credit", "n"]])


def test_two_runs_are_the_same_to_the_bit(open_events: Open) -> None:
    pairs = np.random.default_rng(8).choice(list("abcd"), (99, 2))
    data = open_events({i: f"{one}@0 {two}@1 *@2" for i, (one, two) in enumerate(pairs)})
    pd.testing.assert_frame_equal(
        tl.attribute(data, models=ALL), tl.attribute(data, models=ALL), check_exact=True
    )


def test_outcomes_without_a_touch_are_shown_not_shared_out(open_events: Open) -> None:
    data = open_events({"ann": "a@0 *4@1", "bob": "*6@0", "cat": "a@0 *10@31"})
    table = tl.attribute(data, models=["linear", "markov"])
    assert table.touchpoint.tolist() == ["a", "(no touch)"] * 2
    assert table.credit.tolist() == [1, 2, 1, 2]
    value = tl.attribute(data, models=["linear"], measure="value")
    assert value[["credit", "n"]].values.tolist() == [[4, 20], [16, 20]]
    assert value.share.tolist() == [0.2, 0.8]


def test_columns_are_as_documented(open_events: Open) -> None:
    data = open_events({"ann": "a@0 *@1"})
    columns = ["model", "touchpoint", "credit", "share", "ci_low", "ci_high", "n"]
    assert tl.attribute(data).columns.tolist() == columns
    assert tl.attribute(data, by="month").columns.tolist() == ["segment", *columns]
    assert tl.attribute(data).model.tolist() == [
        "first", "last", "linear", "position", "time_decay", "shapley", "markov",
    ]  # fmt: skip
    direct = open_events({"ann": "direct@0 *@1"})
    assert "last_non_direct" in tl.attribute(direct).model.tolist()


# ---- published figures -----------------------------------------------------------------


@pytest.fixture(scope="module")
def campaigns(clicks: pd.DataFrame) -> tl.Dataset:
    steps = clicks[[f"click_{i}" for i in range(1, 6)]]
    paths = pd.DataFrame(
        {
            "path": steps.apply(lambda row: " > ".join(row.dropna()), axis=1),
            "conversions": clicks.conversion,
            "value": clicks["value"],
            "null": 1 - clicks.conversion,
        }
    )
    return tl.open_data({"paths": paths})


def test_the_campaigns_have_known_removal_effects(campaigns: tl.Dataset) -> None:
    effects = removal_effects(campaigns)
    assert effects.touchpoints.tolist() == ["a", "b", "c", "d"]
    assert effects.removal.round(5).tolist() == [0.51645, 0.50477, 0.49417, 0.47528]


def test_the_campaigns_have_known_credit(campaigns: tl.Dataset) -> None:
    credit = tl.attribute(campaigns, models=["markov"], measure="value")
    assert credit.share.round(5).tolist() == [0.25943, 0.25357, 0.24824, 0.23875]
    assert credit.credit.round().tolist() == [22813, 22297, 21829, 20995]
    assert credit.n.unique().tolist() == [87934]


def test_the_campaigns_return_on_cost(campaigns: tl.Dataset, clicks: pd.DataFrame) -> None:
    # counted here with pandas, not by the package
    counts = clicks.filter(like="click_").stack().value_counts()
    cost = counts.reindex(list("abcd")) * [7, 5, 4, 2]
    credit = tl.attribute(campaigns, models=["markov"], measure="value")
    table = return_on_cost(credit, cost)
    shares = np.array([0.51645, 0.50477, 0.49417, 0.47528])
    value = 87934 * shares / shares.sum()
    assert table.roi.to_numpy() == pytest.approx(value / cost.to_numpy() - 1, abs=1e-4)
    assert (table.roi_low < table.roi).all() and (table.roi < table.roi_high).all()


# ---- cost ------------------------------------------------------------------------------


def test_costs_are_added_up_by_touchpoint() -> None:
    tables = parse_events({"ann": "ad@0 ad@1 mail@2 own@3 *@4"})
    tables["touches"]["cost"] = [0.5, 0.25, 0.0, np.nan]
    assert touch_costs(tl.open_data(tables)).to_dict() == {"ad": 0.75, "mail": 0.0}


def test_cost_per_outcome_by_hand(open_events: Open) -> None:
    data = open_events({"ann": "a@0 b@1 *@2", "bob": "b@0 *@1", "cat": "c@0"})
    credit = tl.attribute(data, models=["linear"])
    table = return_on_cost(credit, {"a": 10, "b": 3, "c": 4}, measure="count")
    # credit .5, 1.5 and 0
    assert table.cost_per_outcome.tolist() == [20, 2, np.inf]
    assert (table.cost_per_outcome_low[:2] < table.cost_per_outcome[:2]).all()


def test_data_without_cost_is_told_so(open_events: Open, open_paths: Open) -> None:
    for data in (open_events({"ann": "a@0 *@1"}), open_paths(("a", 1, 1))):
        with pytest.raises(MissingInput) as error:
            touch_costs(data)
        assert str(error.value) == (
            "touches.cost: no touch has a cost\n"
            "  give touches a column `cost`, in the currency of outcomes.value"
        )


def test_costs_are_checked(open_events: Open) -> None:
    credit = tl.attribute(open_events({"ann": "email@0 *@1"}), models=["last"])
    for cost, message in (
        (
            {"emial": 1.0},
            "cost: 'emial' is not a touchpoint of the credit; did you mean 'email'?\n"
            "  the touchpoints are email",
        ),
        ({"email": -1.0}, "cost: 'email' costs -1.0\n  give amounts of at least 0"),
    ):
        with pytest.raises(tl.ParameterError) as error:
            return_on_cost(credit, cost)
        assert str(error.value) == message


# ---- errors ----------------------------------------------------------------------------

KNOWN = (
    "first, last, last_non_direct, linear, position, time_decay, shapley, "
    "markov, markov_2, markov_3, markov_4"
)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"models": ["markow"]},
            "models: 'markow' is not a model; did you mean 'markov'?\n"
            f"  use any of {KNOWN}, or a Rule of your own",
        ),
        (
            {"models": [3]},
            f"models: 3 is neither a name nor a Rule\n  use any of {KNOWN}, or a Rule of your own",
        ),
        ({"models": "last"}, "models: 'last' is not a list of models\n  give ['linear', ...]"),
        ({"models": []}, "models: [] is not a list of models\n  give ['linear', ...]"),
        (
            {"models": ["last", "last"]},
            "models: two are named alike in last, last\n  rename one",
        ),
        ({"measure": "sum"}, "measure: 'sum' is not a choice\n  use 'count' or 'value'"),
        ({"repeats": True}, "repeats: True is not a choice\n  use 'keep' or 'drop'"),
        (
            {"lookback": "soon"},
            "lookback: 'soon' is not a positive duration\n  give '30D', '12h' or None",
        ),
        (
            {"by": "plan"},
            "by: 'plan' is not a trait of customers\n  use one of: month",
        ),
    ],
)
def test_choices_are_checked(
    open_events: Open, parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(tl.ParameterError) as error:
        tl.attribute(open_events({"ann": "a@0 *@1"}), **parameters)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_a_model_that_needs_times_is_refused_on_paths(open_paths: Open) -> None:
    with pytest.raises(tl.ParameterError) as error:
        tl.attribute(open_paths(("a", 1, 1)), models=["time_decay"])
    assert str(error.value) == (
        "models: time_decay needs times, and a paths table has none\n  leave it out"
    )
    assert "time_decay" not in tl.attribute(open_paths(("a", 1, 1))).model.tolist()


def test_outcomes_that_no_touch_came_before_are_told_so(open_events: Open) -> None:
    data = open_events({"ann": "a@0", "bob": "*@0", "cat": "a@0 *@31"})
    with pytest.raises(tl.DataError) as error:
        tl.attribute(data)
    assert str(error.value) == (
        "attribute: no conversion has a touch before it within the lookback\n"
        "  2 outcomes were found; check that ids agree between the tables, "
        "or use a longer lookback"
    )


def test_value_is_missed_only_where_it_is_asked_for(open_events: Open) -> None:
    data = open_events({"ann": "a@0 *@1"})
    assert tl.attribute(data, models=["last"]).credit.tolist() == [1]
    with pytest.raises(tl.DataError) as error:
        tl.attribute(data, measure="value")
    assert str(error.value) == (
        "outcomes.value: no conversion has a value\n  give values, or use measure='count'"
    )


@pytest.mark.parametrize("measure", ["count", "value"])
@pytest.mark.parametrize(
    "cut", [{}, {"by": "month"}, {"by": "region"}, {"lookback": None}, {"repeats": "drop"}]
)
def test_outcomes_counted_are_outcomes_shared_out(
    cut: dict[str, Any], measure: Literal["count", "value"]
) -> None:
    ordered = order_events(tl.build_journeys(tl.open_data("data/sample"), **cut))
    keys = [*ordered.journeys.segment, "group", "code"]
    shared = rule_sums(ordered, [], measure=measure)
    shared["code"] = shared.code.clip(upper=0)
    wanted = shared.groupby(keys).total.sum().sort_index()
    found = outcome_sums(ordered, measure=measure).set_index(keys).total.sort_index()
    pd.testing.assert_series_equal(found, wanted, check_index_type=False)
