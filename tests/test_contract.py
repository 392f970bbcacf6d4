"""Data that keeps the contract: what comes out, whatever format it came in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import customers, notes, outcomes, surveys, tables, touches, touchpoints, utc, write

import touchlab as tl
from touchlab.data.contract import TABLES, Problem, listing, shorten

Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def company() -> Frames:
    """Two thousand touches, with duplicates in time but not in full, and traits of all types."""
    random = np.random.default_rng(0)
    time = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(
        random.integers(0, 8_000, 2_000), unit="min"
    )
    moves = pd.DataFrame(
        {
            "customer_id": random.integers(0, 100, 2_000),
            "timestamp": time,
            "touchpoint": random.choice(["email", "search"], 2_000),
            "cost": random.random(2_000).round(2),
            "campaign": np.where(random.random(2_000) < 0.5, None, "may"),
        }
    )
    bought = moves.loc[:49, ["customer_id", "timestamp"]]
    windows = {"observed_from": pd.Timestamp("2026-01-01"), "observed_to": "2026-12-31T23:00:00Z"}
    people = pd.DataFrame({"customer_id": range(100)}).assign(**windows)
    return {
        "touches": moves,
        "outcomes": bought.assign(
            outcome="conversion", value=np.where(bought.index < 9, np.nan, 2)
        ),
        "customers": people.assign(
            postcode="01067", age=np.where(people.index < 9, np.nan, 41), visits=7, vip=True
        ),
    }


def as_parquet(frames: Frames, folder: Path) -> Path:
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def as_csv(frames: Frames, folder: Path) -> Path:
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_formats_agree(company: Frames, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "c").mkdir()
    parquet = tl.open_data(as_parquet(company, tmp_path / "p"))
    csv = tl.open_data(as_csv(company, tmp_path / "c"))
    frames = tl.open_data(company)
    assert parquet.fingerprint == csv.fingerprint == frames.fingerprint
    pd.testing.assert_frame_equal(parquet.overview, frames.overview)
    pd.testing.assert_frame_equal(csv.overview, frames.overview)
    pd.testing.assert_frame_equal(parquet.notes, frames.notes)
    traits = ("age", "postcode", "vip")
    left, right = (d.tables["customers"].to_pandas() for d in (parquet, csv))
    pd.testing.assert_frame_equal(
        left.sort_values("customer_id")[[*traits]].reset_index(drop=True),
        right.astype({"customer_id": int}).sort_values("customer_id")[[*traits]],
        check_index_type=False,
        check_dtype=False,
    )


def nudge_cost(frames: Frames) -> None:
    frames["touches"].loc[0, "cost"] += 0.01


def nudge_time(frames: Frames) -> None:
    frames["touches"].loc[0, "timestamp"] += pd.Timedelta("1ms")


def swap_customers(frames: Frames) -> None:
    touched = frames["touches"]
    other = touched.index[touched.customer_id != touched.customer_id[0]][0]
    touched.loc[[0, other], "customer_id"] = touched.loc[[other, 0], "customer_id"].to_numpy()


def forget_a_row(frames: Frames) -> None:
    frames["touches"] = frames["touches"].iloc[1:]


def change_a_trait(frames: Frames) -> None:
    frames["customers"].loc[3, "vip"] = False


def rename_a_touchpoint(frames: Frames) -> None:
    frames["touches"] = frames["touches"].replace({"touchpoint": {"email": "e-mail"}})


def leave_out_a_table(frames: Frames) -> None:
    del frames["customers"]


CHANGES = (
    nudge_cost,
    nudge_time,
    swap_customers,
    forget_a_row,
    change_a_trait,
    rename_a_touchpoint,
    leave_out_a_table,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_fingerprint_changes(company: Frames, change: Callable[[Frames], None]) -> None:
    changed = {name: frame.copy() for name, frame in company.items()}
    change(changed)
    assert tl.open_data(changed).fingerprint != tl.open_data(company).fingerprint


def test_fingerprint_does_not_change(company: Frames) -> None:
    """With the order of rows and columns, unused columns, or duplicates that are dropped."""
    other = {name: frame.sample(frac=1, random_state=1) for name, frame in company.items()}
    moves = other["touches"]
    other["touches"] = pd.concat([moves, moves[:5]])[moves.columns[::-1]].assign(spare=1)
    assert tl.open_data(other).fingerprint == tl.open_data(company).fingerprint


def test_overview() -> None:
    overview = tl.open_data(tables(customers=customers(), touchpoints=touchpoints())).overview
    day = pd.Timestamp
    expected = pd.DataFrame(
        {
            "table": ["touches", "outcomes", "customers", "touchpoints"],
            "rows": [3, 1, 2, 2],
            "customers": pd.array([2, 1, 2, None], "Int64"),
            "first": [day("2026-03-01"), day("2026-03-05"), day("2026-01-01"), pd.NaT],
            "last": [day("2026-03-04"), day("2026-03-05"), day("2026-04-01"), pd.NaT],
        }
    )
    pd.testing.assert_frame_equal(overview, expected, check_dtype=False)


def test_without_windows_it_is_said() -> None:
    data = tl.open_data(tables())
    assert data.notes.to_dict("records") == [
        {
            "table": "customers",
            "rows": 0,
            "note": "no customers table: observation windows are taken from the events, and "
            "people who were never touched are unknown",
        }
    ]


TIMED = utc("2026-03-01T10:00", "2026-03-04T10:00", "2026-03-02T10:00")


def test_equal_answers_of_nobody_are_kept_and_equal_touches_are_not() -> None:
    twice = pd.concat([surveys(), surveys()])
    timed = touches(timestamp=TIMED)
    data = tl.open_data(tables(touches=pd.concat([timed, timed]), surveys=twice))
    assert data.overview.rows.tolist() == [3, 1, 4]
    kept = "equal rows, kept: without customer_id they may be two; answer_id would tell"
    assert notes(data)[:2] == [("touches", 3, "exact duplicates dropped"), ("surveys", 2, kept)]


def test_rows_that_differ_in_one_column_are_no_duplicates() -> None:
    two = [touches(timestamp=TIMED, cost=cost) for cost in ([1, 1, 1], [1, 1, 2])]
    data = tl.open_data(tables(touches=pd.concat(two)))
    assert len(data.touches.to_pandas()) == 4
    near = "touchpoint and customer as in another row of the same second, kept"
    assert notes(data)[:2] == [
        ("touches", 1, f"{near}; sent or tried twice?"),
        ("touches", 2, "exact duplicates dropped"),
    ]


def test_duplicates_written_differently_are_duplicates() -> None:
    times = ["2026-03-01 10:00", "2026-03-01T10:00:00Z", "2026-03-01 11:00+01:00"]
    given = touches(customer_id=["a"] * 3, timestamp=times, touchpoint=["email"] * 3)
    assert len(tl.open_data(tables(touches=given)).touches.to_pandas()) == 1


@pytest.mark.parametrize("last", ["2026-03-04", pd.Timestamp("2026-03-04").date()])
def test_a_last_day_is_observed_to_its_end(last: object) -> None:
    late = touches(timestamp=["2026-03-01T00:00Z", "2026-03-04T23:59:59.999Z", "2026-03-05T00:00Z"])
    bought = outcomes(timestamp=utc("2026-03-02T10:00"))
    people = customers(observed_to=[last, last])
    data = tl.open_data({"touches": late, "outcomes": bought, "customers": people})
    assert data.touches.customer_id.to_pandas().tolist() == ["a", "a"]
    assert notes(data)[-1] == ("touches", 1, "outside the customer's observation window, dropped")


def test_times_come_out_in_utc() -> None:
    berlin = pd.to_datetime(["2026-03-01 00:30"] * 3).tz_localize("Europe/Berlin")
    data = tl.open_data(tables(touches=touches(timestamp=berlin)))
    assert data.touches.timestamp.type().timezone is None
    assert data.touches.timestamp.to_pandas()[0] == pd.Timestamp("2026-02-28 23:30")


def test_names_that_are_numbers() -> None:
    """Campaign numbers that met a missing value are floats in pandas; they stay whole names."""
    data = tl.open_data(tables(touches=touches(campaign=[1.0, None, 20.0], touchpoint=[1, 2, 3])))
    frame = data.touches.to_pandas()
    assert frame.campaign.dropna().tolist() == ["1", "20"]
    assert frame.touchpoint.tolist() == ["1", "2", "3"]


def test_traits_of_a_csv_get_types(tmp_path: Path) -> None:
    people = (
        "customer_id,observed_from,observed_to,postcode,visits,spent,vip,empty\n"
        "a,2026-01-01T00:00Z,2026-04-01T00:00Z,01067,3,1.5,True,\n"
        "b,2026-01-01T00:00Z,2026-04-01T00:00Z,10115,,20,False,\n"
    )
    data = tl.open_data(write(tmp_path, {"customers.csv": people}))
    kinds = {name: str(kind) for name, kind in data.tables["customers"].schema().items()}
    assert list(kinds.values())[3:] == ["string", "int64", "float64", "boolean", "string"]


def test_paths_in_place_of_touches() -> None:
    paths = pd.DataFrame({"path": ["a > b", "b"], "conversions": [10, 90], "null": [100, 0]})
    data = tl.open_data({"paths": paths, "touches": touches()})
    assert data.overview[["table", "rows"]].to_numpy().tolist() == [["steps", 310], ["ends", 100]]
    assert notes(data) == [("touches", 0, "is not used: the paths table stands in its place")]


PATHS = {
    "a step without a name": (
        {"path": ["a > > b", "b"], "conversions": [1, 1]},
        [
            "paths.path: 1 of 2 rows have a step without a name",
            "  first: row 1, value 'a > > b'",
            "  separate touchpoints by '>' and name each",
        ],
    ),
    "no journey at all": (
        {"path": ["a", "b"], "conversions": [0, 0]},
        [
            "paths.conversions: all 2 rows are 0, and so are null's",
            "  give the number of journeys of each path",
        ],
    ),
}


@pytest.mark.parametrize("name", PATHS)
def test_paths_refused(name: str) -> None:
    columns, expected = PATHS[name]
    with pytest.raises(tl.DataError) as caught:
        tl.open_data({"paths": pd.DataFrame(columns)})
    assert str(caught.value).splitlines() == expected


def test_value_of_paths_without_conversions_is_noted() -> None:
    paths = pd.DataFrame({"path": ["a", "b"], "conversions": [60, 0], "value": [1.0, 5.0]})
    lost = ("paths", 1, "have a value but no conversions; the value is left out")
    assert notes(tl.open_data({"paths": paths})) == [lost]


def test_keys_are_columns_of_their_tables() -> None:
    for table in TABLES.values():
        assert set(table.key) <= set(table.order)
        assert table.key or not table.unique


def test_a_problem_reads_as_one() -> None:
    problem = Problem("touches", "cost", "are below 0", "give more", 2, 10_412, "row 7, value -1")
    assert str(problem) == (
        "touches.cost: 2 of 10,412 rows are below 0\n  first: row 7, value -1\n  give more"
    )


def test_values_in_messages_are_short_and_visible() -> None:
    assert shorten("a\n\u202eb") == r"'a\n\u202eb'"
    assert shorten(None) == "None"
    assert len(shorten("x" * 10_000)) == 60
    assert listing(["a"] * 13) == ", ".join(["a"] * 12 + ["..."])
