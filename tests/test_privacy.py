"""Small cells are hidden and cannot be computed; rare names are folded; ids become pseudonyms."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import touchlab as tl
from touchlab import plots, sentences
from touchlab.errors import MissingInput, ParameterError
from touchlab.privacy.fold import MOST_TOUCHPOINTS, fold_rare
from touchlab.privacy.pseudonyms import pseudonymise, pseudonymise_folder
from touchlab.privacy.shown import safe
from touchlab.privacy.suppress import complement, computable, hidden_cells, suppress
from touchlab.reporting.source import names_in
from touchlab.retention import orders
from touchlab.retention.curves import MOST_GROUPS

KEY = "a key for tests only"


def _table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


# --- one-way tables -------------------------------------------------------------------------


def test_small_count_takes_the_next_smallest_with_it() -> None:
    # 3 is hidden; 103 - 80 - 20 would give it away, so 20 goes too
    table = _table(touchpoint=["a", "b", "c", "d"], starts=[80, 20, 3, 0])
    assert suppress(table).starts.fillna(-1).tolist() == [80, -1, -1, 0]


def test_two_small_counts_need_a_third_unless_they_are_k_together() -> None:
    # 4 + 5 = 9 customers, still fewer than 10: 20 goes too; 6 + 5 = 11 stand for each other
    assert suppress(_table(month=list("abcd"), touches=[80, 20, 4, 5])).touches.isna().sum() == 3
    assert suppress(_table(month=list("abcd"), touches=[80, 20, 6, 5])).touches.isna().sum() == 2


def test_nothing_else_is_hidden_where_the_sum_is_small_too() -> None:
    table = _table(touchpoint=["a", "b"], starts=[3, 0])
    assert suppress(table).starts.isna().tolist() == [True, False]


def test_small_base_empties_its_row_and_a_hidden_one_what_gives_it_away() -> None:
    table = _table(
        touchpoint=["a", "b", "c"], touches=[900, 30, 40], journeys=[400, 8, 30],
        outcomes=[40, 0, 15], rate=[0.1, 0.0, 0.5], ci_low=[0.0] * 3, ci_high=[1.0] * 3,
    )  # fmt: skip
    hidden = hidden_cells(table)
    assert hidden.iloc[0].tolist() == [False] * 7
    assert hidden.iloc[1].tolist() == [False] + [True] * 6
    # of c: touches, journeys and outcomes protect those of b; the rate rests on them
    assert hidden.iloc[2].tolist() == [False] + [True] * 6


def test_count_that_protects_hides_the_rate_it_would_follow_from() -> None:
    table = _table(
        touchpoint=["a", "b", "c"], journeys=[400, 4, 30], starts=[90, 60, 30],
        outcomes=[40, 4, 15], rate=[0.1, 1.0, 0.5],
    )  # fmt: skip
    # of c: 30 journeys protect the 4, 15 outcomes the other 4; starts are hidden in row b
    assert suppress(table).isna().iloc[2].tolist() == [False, True, True, True, True]


def test_rate_that_tells_of_few_is_hidden_and_the_rest_of_the_row_stays() -> None:
    # 2 of 200 converted, and 197 of 200: 3 did not
    table = _table(
        path=["a", "b", "c"], journeys=[200, 200, 900], outcomes=[2, 197, 90],
        rate=[0.01, 0.985, 0.1], ci_low=[0.0] * 3, ci_high=[1.0] * 3,
    )  # fmt: skip
    hidden = hidden_cells(table)
    assert not hidden.journeys.any()
    assert hidden.outcomes.tolist() == hidden.rate.tolist() == hidden.ci_low.tolist()
    assert hidden.outcomes.tolist() == [True, True, False]


def test_rate_without_its_count_is_hidden_by_rate_times_base() -> None:
    # 5 of 500 in the holdout; with the effect and the other rate it could be worked out again
    table = _table(
        touchpoint=["a", "b"], incremental=[20.0, 3.0], ci_low=[1.0, -1.0], ci_high=[39.0, 7.0],
        rate_treated=[0.05, 0.1], rate_holdout=[0.01, 0.09], n_treated=[1000, 900],
        n_holdout=[500, 800],
    )  # fmt: skip
    hidden = hidden_cells(table)
    assert hidden.columns[hidden.iloc[0]].tolist() == [
        "incremental", "ci_low", "ci_high", "rate_treated", "rate_holdout",
    ]  # fmt: skip


def test_count_that_is_rate_times_base_goes_with_the_rate() -> None:
    # 3 of 900 were not reached
    reach = _table(touchpoint=["a", "b"], customers=[897, 400], rate=[897 / 900, 0.5], n=[900, 800])
    assert hidden_cells(reach).customers.tolist() == [True, True]
    assert hidden_cells(reach).n.tolist() == [False, False]


def test_curves_are_drawn_as_long_as_many_are_at_risk() -> None:
    curve = _table(
        group="all", day=[0, 1, 2], survival=[1.0, 0.98, 0.5], at_risk=[400, 400, 8],
        events=[0, 8, 4], n=400,
    )  # fmt: skip
    assert safe(curve).day.tolist() == [0, 1]
    assert hidden_cells(curve).events.tolist() == [False, True, True]  # in a table


def test_a_curve_alone_too_short_takes_the_next_one_with_it() -> None:
    # whoever sees all 530 at risk and all groups but one sees that one
    at_risk = {"north": [400, 300, 280], "south": [100, 90, 80], "west": [30, 9, 20]}
    rows = [(g, day, n) for g, own in at_risk.items() for day, n in enumerate(own)]
    curve = pd.DataFrame(rows, columns=["group", "day", "at_risk"])
    left = safe(curve).groupby("group").day.max()
    assert left.to_dict() == {"north": 2, "south": 0, "west": 0}
    two = pd.concat([curve, curve[curve.group == "west"].assign(group="east")])
    assert safe(two).groupby("group").day.max()["south"] == 2  # two hide each other


def test_few_outcomes_without_a_touch_hide_those_with_one() -> None:
    # 262 orders are told where the data is described
    table = _table(
        lookback=["7D", "30D", "60D"], journeys=[400, 300, 280], open=[20, 40, 0],
        outcomes=[200, 253, 253], no_touch=[62, 9, 9], rate=0.8, ci_low=0.7, ci_high=0.9,
    )  # fmt: skip
    hidden = hidden_cells(table)
    assert hidden.outcomes.tolist() == hidden.no_touch.tolist() == [False, True, True]
    assert hidden.rate.tolist() == [False, False, True]  # of the closed; here of all


def test_steps_that_credit_shows_too_protect_none() -> None:
    # the outcome after `c` is the credit of its last touches, so that 129 goes with the 4
    steps = _table(source="c", target=["a", "b", "c", "(outcome)", "(end)"], n=[129, 241, 4, 43, 9])
    assert hidden_cells(steps).n.tolist() == [True, False, True, False, True]
    none = steps.assign(n=[0, 241, 4, 0, 129])  # a zero is nobody, wherever it stands
    assert not hidden_cells(none).n[none.n == 0].any()


def test_estimates_count_nobody() -> None:
    table = _table(
        touchpoint=["a", "b"], incremental=[4.0, 90.0], ci_low=[-2.0, 60.0],
        ci_high=[10.0, 120.0], hazard_ratio=[1.1, 2.0], n=[500, 900],
    )  # fmt: skip
    assert not hidden_cells(table).any(axis=None)


def test_credit_is_a_count_whichever_model_gives_it() -> None:
    # where all journeys are of one touch, every model credits what the last touch counts
    credit = _table(
        model=["first"] * 3 + ["shapley"] * 3, touchpoint=list("abc") * 2,
        credit=[4.0, 11.0, 85.0, 4.5, 10.5, 85.0], n=100.0,
    )  # fmt: skip
    hidden = hidden_cells(credit.assign(share=credit.credit / 100, ci_low=0.0, ci_high=9.0))
    for column in ("credit", "share", "ci_low", "ci_high"):
        assert hidden[column].tolist() == [True, True, False] * 2
    lost = _table(touchpoints=["a", "b"], removal=[0.04, 0.6], outcomes_lost=[4.0, 60.0], n=100)
    assert hidden_cells(lost).removal.tolist() == [True, True]


def test_who_answered_tells_of_no_single_answer() -> None:
    # of 900 who answered, .111 % is one, and 99.889 % leaves one
    answered = _table(
        what=["touches", "churn", "plan: basic", "plan: plus", "plan: team", "region: north"],
        unit=["mean", *["% of customers"] * 5], everyone=[9.0, 4.0, 60.0, 30.0, 10.0, 50.0],
        asked=9.0, answered=[1.0, 100 / 900, 60.0, 39 + 8 / 9, 100 / 900, 50.0],
        difference=1.0, ci_low=0.0, ci_high=2.0, n=900,
    )  # fmt: skip
    hidden = hidden_cells(answered)
    # touches are a mean, the regions stay; of the plans a second one goes with the small one
    assert hidden.answered.tolist() == hidden.difference.tolist()
    assert hidden.answered.tolist() == [False, True, False, True, True, False]


def test_dates_of_few_customers_are_hidden() -> None:
    table = _table(
        table=["touches", "surveys"], rows=[900, 4], customers=[300, 3],
        first=pd.to_datetime(["2026-01-01", "2026-01-05"]),
    )  # fmt: skip
    hidden = hidden_cells(table)
    assert hidden.iloc[0].tolist() == [False] * 4
    assert hidden.columns[hidden.iloc[1]].tolist() == ["rows", "customers", "first"]


def test_rows_of_the_same_customers_do_not_protect_each_other() -> None:
    table = _table(lookback=["7D", "30D"], journeys=[900, 800], outcomes=[4, 50])
    assert hidden_cells(table).outcomes.tolist() == [True, False]


@pytest.mark.parametrize("k", [0, -1, 2.5, "10", True, None])
def test_k_is_a_whole_number_of_one_or_more(k: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        suppress(_table(n=[1]), k=k)
    assert str(caught.value) == (
        f"min_customers: {k!r} is not a number of customers\n  give a whole number, 1 or more"
    )


def test_tables_without_counts_empty_ones_and_repeated_columns_pass() -> None:
    words = _table(touchpoint=["a"], warning=["hardly ever present"])
    twice = pd.DataFrame([[1, 2]], columns=["n", "n"])
    for table in (words, pd.DataFrame(), pd.DataFrame(columns=["n"]), twice):
        assert not hidden_cells(table).any(axis=None)


# --- laws -----------------------------------------------------------------------------------

counts = st.lists(st.integers(0, 60), min_size=1, max_size=14)
fewest = st.integers(1, 25)


@given(counts, fewest)
def test_one_way_hidden_cells_have_more_than_one_value(values: list[int], k: int) -> None:
    table = _table(touchpoint=[f"t{i}" for i in range(len(values))], starts=values)
    _check_law(table, "starts", [np.ones(len(values), bool)], k)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.data(), fewest)
def test_two_way_hidden_cells_have_more_than_one_value(
    rows: int, columns: int, data: st.DataObject, k: int
) -> None:
    size = rows * columns
    values = data.draw(st.lists(st.integers(0, 30), min_size=size, max_size=size))
    table = _table(
        source=np.repeat([f"s{i}" for i in range(rows)], columns),
        target=np.tile([f"t{j}" for j in range(columns)], rows), n=values,
    )  # fmt: skip
    lines = [(table.source == s).to_numpy() for s in table.source.unique()]
    lines += [(table.target == t).to_numpy() for t in table.target.unique()]
    _check_law(table, "n", lines, k)


def _check_law(table: pd.DataFrame, column: str, lines: list[Any], k: int) -> None:
    before = table.copy()
    shown = suppress(table, k=k)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(suppress(shown, k=k), shown)
    values, hidden = table[column].to_numpy(float), shown[column].isna().to_numpy()
    assert not ((values > 0) & (values < k) & ~hidden).any()
    assert not hidden[values == 0].any()
    if not ((values > 0) & (values < k)).any():
        assert not hidden.any()
    lines = [line for line in lines if values[line].sum() >= k]  # smaller sums are not shown
    for cell in np.flatnonzero(hidden & (values < k)):
        low, high = _range(values, hidden, lines, cell)
        assert high - low > 0.5 or not _is_left(values, hidden, lines, cell)


def _range(values: Any, hidden: Any, lines: list[Any], cell: int) -> tuple[float, float]:
    """Return the least and most that a hidden cell can be for who knows all sums."""
    aim = np.eye(len(values))[cell][hidden]
    sums = np.array([line[hidden] for line in lines] or [0 * aim], float)
    known = np.array([values[line & hidden].sum() for line in lines] or [0.0])
    ends = [linprog(s * aim, A_eq=sums, b_eq=known, bounds=(1, 10_000)).fun * s for s in (1, -1)]
    return ends[0], ends[1]


def _is_left(values: Any, hidden: Any, lines: list[Any], cell: int) -> bool:
    """Say whether a line of the cell still shows another number that is not zero."""
    return any((line & ~hidden & (values > 0)).any() for line in lines if line[cell])


def test_cells_that_only_all_sums_together_give_away_are_found() -> None:
    # hidden x: rows and columns hold two each, but the middle one joins two blocks:
    #   x x . .     row sums of the upper block less its column sums leave the middle cell
    #   x x m .     alone
    #   . . x x
    #   . . x x
    values = np.full((4, 4), 50.0)
    hidden = np.zeros((4, 4), bool)
    hidden[:2, :2] = hidden[2:, 2:] = hidden[1, 2] = True
    lines = [np.repeat(np.eye(4, dtype=bool)[i], 4) for i in range(4)]
    lines += [np.tile(np.eye(4, dtype=bool)[i], 4) for i in range(4)]
    found = computable(values.ravel(), hidden.ravel(), lines).reshape(4, 4)
    assert found.sum() == 1 and found[1, 2]
    more = complement(values.ravel(), hidden.ravel(), lines, 10)
    assert not computable(values.ravel(), more, lines).any()


# --- rare names -----------------------------------------------------------------------------


def _folded(k: int = 3, **tables: Any) -> tl.Dataset:
    return fold_rare(tl.open_data(tiny.tables(**tables)), k=k)


def _touches(rows: str) -> pd.DataFrame:
    """Read ``"ann:ad bob:fair"`` as touches, a day apart."""
    pairs = [word.split(":") for word in rows.split()]
    days = pd.date_range("2026-03-01", periods=len(pairs), tz="UTC")
    return pd.DataFrame(pairs, columns=["customer_id", "touchpoint"]).assign(timestamp=days)


MANY = "a:ad b:ad c:ad d:ad"


def test_rare_touchpoints_are_folded_everywhere() -> None:
    # fair 2 and spa 1 customers, 3 together
    data = _folded(
        touches=_touches(f"{MANY} a:fair b:fair c:spa a:fair"),
        surveys=tiny.surveys(touchpoint=["fair", "ad"]),
        touchpoints=tiny.touchpoints(touchpoint=["ad", "fair"]),
        experiments=tiny.experiments(touchpoint=["ad", "spa"]),
    )
    counts = data.touches.touchpoint.value_counts().to_pandas()
    assert dict(counts.itertuples(index=False)) == {"ad": 4, "(other)": 4}
    assert sorted(data.tables["surveys"].touchpoint.to_pandas()) == ["(other)", "ad"]
    assert data.tables["touchpoints"].touchpoint.to_pandas().tolist() == ["ad"]
    assert data.tables["experiments"].touchpoint.to_pandas().tolist() == ["ad"]
    assert tiny.notes(data) == [
        (
            "touches",
            4,
            "touchpoint: 2 names of touchpoint with fewer than 3 customers each, "
            "folded into (other)",
        )
    ]


def test_of_very_many_touchpoints_those_most_met_are_kept(open_paths: Any) -> None:
    # t000 has 100 customers, t001 99 and so on; t97 to t99 have fewer than 4
    words = [f"c{c}:t{t:03d}" for t in range(100) for c in range(100 - t)]
    for data in (
        fold_rare(tl.open_data(tiny.tables(touches=_touches(" ".join(words)))), k=4),
        fold_rare(open_paths(*[(f"t{t:03d}", 1, 99 - t) for t in range(100)]), k=4),
    ):
        table = data.tables.get("touches", data.tables.get("steps"))
        kept = sorted(set(table.touchpoint.to_pandas()))
        assert kept == ["(other)", *(f"t{t:03d}" for t in range(50))]
        what = "journeys" if "steps" in data.tables else "customers"
        assert [note[2] for note in tiny.notes(data) if "names" in note[2]] == [
            f"touchpoint: 50 names of touchpoint with fewer than 4 {what} each, or beyond the 50 "
            "most met, folded into (other)"
        ]
        # every page says it, where it says what data it received
        assert "50 names of touchpoint" in sentences.about_repairs(data)


def test_a_hundred_thousand_touchpoints_are_folded_too() -> None:
    """Names go to the engine as a table: as words of a query they took it a minute and more."""
    names = [f"t{n:06d}" for n in range(100_000)]
    often = pd.DataFrame({"touchpoint": ["ad", "mail"] * 30, "customer_id": np.arange(60) // 2})
    rare = pd.DataFrame({"touchpoint": names, "customer_id": np.arange(100_000) % 997})
    touches = pd.concat([often, rare]).assign(timestamp=pd.Timestamp("2026-01-01"), campaign="a")
    touches["customer_id"] = "c" + touches.customer_id.astype(str)
    stages = pd.DataFrame({"touchpoint": ["ad", *names], "stage": "purchase"})
    data = tl.open_data(tiny.tables(touches=touches, touchpoints=stages))
    assert {"ad", "ad: a", "t099999"} <= set(names_in(data)["touchpoint"])
    folded = fold_rare(data)
    assert set(folded.touches.touchpoint.to_pandas()) == {"ad", "mail", "(other)"}
    assert folded.tables["touchpoints"].touchpoint.to_pandas().tolist() == ["ad"]


def test_what_is_kept_fits_all_that_is_told_by_touchpoint() -> None:
    groups = MOST_TOUCHPOINTS + 2  # by first touchpoint: the kept, the other, customers without
    assert groups <= MOST_GROUPS and MOST_TOUCHPOINTS + 1 <= orders.MOST_TOUCHPOINTS


def test_touchpoints_of_few_answers_alone_are_folded_too() -> None:
    surveys = tiny.surveys(touchpoint=["lawsuit", "ad"])
    for own in (surveys, surveys.assign(customer_id=["a", "b"])):
        data = _folded(touches=_touches(MANY), surveys=own)
        assert sorted(data.tables["surveys"].touchpoint.to_pandas()) == ["(other)", "ad"]
        (note,) = tiny.notes(data)
        assert note[2] == (
            "touchpoint: 1 names of touchpoint with fewer than 3 customers each, "
            "folded into (other)"
        )


def test_what_is_rare_even_together_is_dropped() -> None:
    data = _folded(touches=_touches(f"{MANY} a:fair b:fair"))
    assert set(data.touches.touchpoint.to_pandas()) == {"ad"}
    assert tiny.notes(data) == [
        (
            "touches",
            2,
            "touchpoint: 1 names of touchpoint with fewer than 3 customers each, dropped",
        )
    ]
    assert "2 touches: touchpoint: 1 names of touchpoint" in sentences.about_repairs(data)


def test_data_of_few_customers_keeps_its_touches_as_other() -> None:
    data = _folded(k=50)
    assert set(data.touches.touchpoint.to_pandas()) == {"(other)"}


def test_campaigns_and_levels_become_other_or_missing() -> None:
    touches = _touches(f"{MANY} e:ad").assign(campaign=["x", "x", "x", "y", None])
    customers = pd.DataFrame({
        "customer_id": list("abcde"), "observed_from": tiny.utc("2026-01-01").repeat(5),
        "observed_to": tiny.utc("2026-05-01").repeat(5), "age": [20, 30, 40, 50, 60],
        "town": ["u", "v", "w", "x", None], "plan": ["p", "p", "p", "q", None],
    })  # fmt: skip
    data = _folded(touches=touches, customers=customers)
    assert data.touches.campaign.to_pandas().dropna().tolist() == ["x", "x", "x"]
    traits = data.tables["customers"].order_by("customer_id").to_pandas()
    assert traits.town.fillna("?").tolist() == ["(other)"] * 4 + ["?"]  # 4 together, 3 are enough
    assert traits.plan.fillna("?").tolist() == ["p", "p", "p", "?", "?"]  # q: 1, too few
    assert traits.age.tolist() == [20, 30, 40, 50, 60]
    assert [note for _, _, note in tiny.notes(data)] == [
        "campaign: 1 names of campaign with fewer than 3 customers each, taken as missing",
        "town: 4 names of town with fewer than 3 customers each, folded into (other)",
        "plan: 1 names of plan with fewer than 3 customers each, taken as missing",
    ]


def test_data_without_rare_names_is_returned_as_it_is() -> None:
    data = tl.open_data(tiny.tables())
    assert fold_rare(data, k=1) is data


# --- pseudonyms -----------------------------------------------------------------------------


def test_pseudonym_is_the_start_of_the_keyed_hash_in_every_table() -> None:
    data = tl.open_data(tiny.tables(customers=tiny.customers(), surveys=tiny.surveys()))
    made = pseudonymise(data, key=KEY)
    expected = hmac.new(KEY.encode(), b"a", hashlib.sha256).hexdigest()[:32]
    assert made.outcomes.customer_id.to_pandas().tolist() == [expected]
    assert made.touches.customer_id.nunique().to_pyarrow().as_py() == 2
    assert made.tables["surveys"] is data.tables["surveys"]  # without ids
    for name, table in data.tables.items():
        rest = [c for c in table.columns if c != "customer_id"]
        assert made.tables[name].columns == table.columns
        pd.testing.assert_frame_equal(
            made.tables[name].select(rest).to_pandas().sort_values(rest, ignore_index=True),
            table.select(rest).to_pandas().sort_values(rest, ignore_index=True),
        )


def test_numbers_and_text_get_the_same_pseudonym_and_missing_ids_stay() -> None:
    number = tl.open_data(tiny.tables(
        touches=tiny.touches(customer_id=[17, 17, 5]), outcomes=tiny.outcomes(customer_id=[17])
    ))  # fmt: skip
    text = tl.open_data(tiny.tables(
        touches=tiny.touches(customer_id=["17", "17", "5"]),
        outcomes=tiny.outcomes(customer_id=["17"]),
        surveys=tiny.surveys(customer_id=["5", None]),
    ))  # fmt: skip
    one, other = (pseudonymise(d, key=KEY).outcomes.customer_id for d in (number, text))
    assert one.to_pandas().tolist() == other.to_pandas().tolist()
    assert pseudonymise(text, key=KEY).tables["surveys"].customer_id.to_pandas().isna().sum() == 1


def test_key_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tl.open_data(tiny.tables())
    monkeypatch.setenv("TOUCHLAB_KEY", KEY)
    ids = [
        pseudonymise(data, key=key).touches.customer_id.to_pandas().tolist() for key in (None, KEY)
    ]
    assert ids[0] == ids[1]


def test_no_key_and_a_short_one_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOUCHLAB_KEY", raising=False)
    data = tl.open_data(tiny.tables())
    with pytest.raises(ParameterError) as caught:
        pseudonymise(data)
    assert str(caught.value) == (
        "pseudonymise: there is no key\n  set the environment variable TOUCHLAB_KEY to a secret of "
        "16 characters or more, and keep it apart from the data"
    )
    with pytest.raises(ParameterError) as caught:
        pseudonymise(data, key="hush")
    assert str(caught.value) == (
        "pseudonymise: the key has 4 characters, at least 16 are needed\n"
        "  ids are few and can be tried one after the other; take a long random one"
    )
    assert "hush" not in str(caught.value)


def test_paths_have_nothing_to_pseudonymise(open_paths: Any) -> None:
    with pytest.raises(MissingInput, match="a paths table has no customers"):
        pseudonymise(open_paths(("a > b", 60, 40)), key=KEY)


def test_folder_of_pseudonyms_opens_and_gives_the_same_journeys(tmp_path: Path) -> None:
    source = tiny.write(tmp_path / "shop", {"touchlab.toml": ""})
    paths = pseudonymise_folder(source, tmp_path / "out", key=KEY)
    assert sorted(path.name for path in paths.values()) == ["outcomes.parquet", "touches.parquet"]
    text = b"".join(path.read_bytes() for path in paths.values())
    assert KEY.encode() not in text
    again = tl.open_data(tmp_path / "out")
    assert set(again.touches.customer_id.to_pandas()).isdisjoint({"a", "b"})
    before, after = (
        tl.transition_matrix(data)[["source", "target", "n"]]
        for data in (tl.open_data(source), again)
    )
    pd.testing.assert_frame_equal(before, after)


def test_folder_that_is_there_or_inside_the_data_is_refused(tmp_path: Path) -> None:
    source = tiny.write(tmp_path / "shop", {})
    with pytest.raises(ParameterError) as caught:
        pseudonymise_folder(source, tmp_path, key=KEY)
    assert str(caught.value) == (
        f"pseudonymise: {str(tmp_path)!r} is there already\n  name a new folder"
    )
    inside = source / "out"
    with pytest.raises(ParameterError) as caught:
        pseudonymise_folder(source, inside, key=KEY)
    assert str(caught.value) == (
        f"pseudonymise: {str(inside)!r} lies inside the data\n"
        "  name a folder beside it, or both would be read as one"
    )
    assert not inside.exists()


# --- everything that shows goes through it --------------------------------------------------


def test_every_plot_draws_safe_rows() -> None:
    own = {"plot_importance", "plot_survey_scores"}  # safe within
    own |= {"plot_cohorts", "plot_first_steps", "plot_moves", "plot_origins"}
    assert {n for n in plots.__all__ if not hasattr(getattr(plots, n), "__wrapped__")} == own


def test_every_sentence_on_frames_reads_safe_rows() -> None:
    said = {n: getattr(sentences, n) for n in sentences.__all__ if n.startswith("about_")}
    own = {"about_data", "about_repairs", "about_ties", "about_journeys", "about_risk"}
    own |= {"about_missing_costs"}
    own |= {"about_inactivity", "about_links", "about_lowest", "about_unexplained"}  # safe within
    own |= {"about_cohorts", "about_record"}
    own |= {"about_churn", "about_gaps", "about_referrals", "about_notes"}  # of names and rules
    assert {n for n, f in said.items() if not hasattr(f, "__wrapped__")} == own
