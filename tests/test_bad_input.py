"""Frames that break the contract: each ends in the whole message a user needs, or in a note."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
import uuid
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from tiny import (
    customers,
    experiments,
    notes,
    outcomes,
    refusal,
    surveys,
    tables,
    touches,
    touchpoints,
    utc,
)

import touchlab as tl
from touchlab.data import readers

ISO = "  give ISO 8601 (2026-02-28 or 2026-02-28T09:30:00Z)"
EPOCH = f"{ISO}, or seconds, milli-, micro- or nanoseconds since 1970"
EVERY_ROW = "  give a value in every row"
IDS = "  give ids as text or integers"
NUMBERS = "  use digits and a decimal point (1.50)"
REFUND = (
    "  give values of at least 0; for refunds, "
    'refunds = "net" (or "apart") under [clean] in touchlab.toml'
)
RANGE = (
    "  give times from 1971-01-01 to 2200-01-01; January 1970 comes of seconds read as milliseconds"
)


def days(*days: str) -> np.ndarray:
    return np.array(days, "datetime64[s]")


# name: (tables, lines of the message after the first)
REFUSED = {
    "column missing, with a near name": (
        {"touches": touches(touchpoint=None, Touchpoints=["x", "y", "z"])},
        [
            "touches.touchpoint: the column is missing; found customer_id, timestamp, Touchpoints; "
            "did you mean 'Touchpoints'?",
            '  rename one, or map it in touchlab.toml: [touches] touchpoint = "your_name"',
        ],
    ),
    "times as numbers, two of them none": (
        {"touches": touches(timestamp=[1767225600, 20260301, 44_000])},
        [
            "touches.timestamp: 2 of 3 rows are not times",
            "  first: row 2, customer 'a', value 20260301",
            EPOCH,
        ],
    ),
    "times that are none": (
        {"touches": touches(timestamp=["31/02/2026", "2026-03-01", "soon"])},
        [
            "touches.timestamp: 2 of 3 rows are not times",
            "  first: row 1, customer 'a', value '31/02/2026'",
            ISO,
        ],
    ),
    "times of other centuries": (
        {"touches": touches(timestamp=days("2026-01-01", "3000-01-01", "30000-01-01"))},
        [
            "touches.timestamp: 2 of 3 rows are out of range",
            "  first: row 2, customer 'a', value 3000-01-01 00:00:00",
            RANGE,
        ],
    ),
    "times of mixed zones, one missing": (
        {
            "touches": touches(
                timestamp=pd.Series([utc("2026-03-01")[0], dt.date(2026, 3, 1), None])
            )
        },
        [
            "touches.timestamp: 1 of 3 rows have no value",
            "  first: row 3, customer 'b', value None",
            EVERY_ROW,
        ],
    ),
    "ids true and false": (
        {"touches": touches(customer_id=[True, False, True])},
        ["touches.customer_id: is of type boolean, not an id", IDS],
    ),
    "ids in lists": (
        {"touches": touches(customer_id=[["a"], ["b"], []])},
        ["touches.customer_id: is of type array<string>, not an id", IDS],
    ),
    "ids with fractions": (
        {"touches": touches(customer_id=[1.0, 2.5, 3.0])},
        [
            "touches.customer_id: 1 of 3 rows are not whole numbers",
            "  first: row 2, value 2.5",
            IDS,
        ],
    ),
    "ids too large for a float": (
        {"touches": touches(customer_id=[1.0, 2.0, 1e17])},
        [
            "touches.customer_id: 1 of 3 rows are not whole numbers",
            "  first: row 3, value 1e+17",
            IDS,
        ],
    ),
    "ids null": (
        {"touches": touches(customer_id=["a", None, "b"])},
        ["touches.customer_id: 1 of 3 rows have no value", "  first: row 2, value None", EVERY_ROW],
    ),
    "ids NaN": (
        {"touches": touches(customer_id=pd.array([1, None, 2], "Int64"))},
        ["touches.customer_id: 1 of 3 rows have no value", "  first: row 2, value None", EVERY_ROW],
    ),
    "ids empty": (
        {"touches": touches(customer_id=["a", "", " "])},
        ["touches.customer_id: 2 of 3 rows have no value", "  first: row 2, value ''", EVERY_ROW],
    ),
    "touchpoint empty": (
        {"touches": touches(touchpoint=["search", "", "email"])},
        [
            "touches.touchpoint: 1 of 3 rows have no value",
            "  first: row 2, customer 'a', value ''",
            EVERY_ROW,
        ],
    ),
    "touchpoint in lists": (
        {"touches": touches(touchpoint=[["a"], ["b"], []])},
        ["touches.touchpoint: is of type array<string>, not text", "  give text"],
    ),
    "touchpoint in bytes": (
        {"touches": touches(touchpoint=[b"a", b"b", b"c"])},
        ["touches.touchpoint: is of type binary, not text", "  give text"],
    ),
    "text that is not Unicode": (
        {"touches": touches(touchpoint=pd.Series(["x", "\ud800", "y"], dtype=object))},
        [
            r"touches.touchpoint: has text that is not Unicode: '\ud800'",
            "  clean it, for example by .str.encode('utf-8', 'replace').str.decode('utf-8')",
        ],
    ),
    "cost negative and infinite": (
        {"touches": touches(cost=[np.inf, -1.5, np.nan])},
        [
            "touches.cost: 1 of 3 rows are infinite",
            "  first: row 1, customer 'a', value inf",
            "  give finite numbers",
            "touches.cost: 1 of 3 rows are below 0",
            "  first: row 2, customer 'a', value -1.5",
            "  give values of at least 0",
        ],
    ),
    "cost with a decimal comma": (
        {"touches": touches(cost=["1,50", "2.50", None])},
        [
            "touches.cost: 1 of 3 rows are not numbers",
            "  first: row 1, customer 'a', value '1,50'",
            NUMBERS,
        ],
    ),
    "cost complex": (
        {"touches": touches(cost=[1j, 2, 3])},
        [
            "touches.cost: 3 of 3 rows are not numbers",
            "  first: row 1, customer 'a', value '1j'",
            NUMBERS,
        ],
    ),
    "cost true and false": (
        {"touches": touches(cost=[True, False, True])},
        ["touches.cost: is of type boolean, not a number", "  give numbers"],
    ),
    "value negative": (
        {"outcomes": outcomes(value=[-5.0])},
        [
            "outcomes.value: 1 of 1 rows are below 0",
            "  first: row 1, customer 'a', value -5.0",
            REFUND,
        ],
    ),
    "direction unknown": (
        {"touches": touches(direction=["in", "OUT", None])},
        [
            "touches.direction: 1 of 3 rows are not an allowed word",
            "  first: row 2, customer 'a', value 'OUT'",
            "  use in, out",
        ],
    ),
    "table without rows": (
        {"touches": touches().iloc[:0]},
        ["touches: the table has no rows", "  give data, or leave the table out"],
    ),
    "frame without columns": (
        {"touches": pd.DataFrame()},
        ["touches: the frame has no columns", "  give the columns of the contract"],
    ),
    "column twice": (
        {"touches": pd.concat([touches(), touches()[["touchpoint"]]], axis="columns")},
        ["touches: has two columns named 'touchpoint'", "  keep one of them, or rename one"],
    ),
    "column twice but for its case": (
        {"touches": touches(Touchpoint=["x", "y", "z"])},
        [
            "touches: has two columns named 'touchpoint' and 'Touchpoint'",
            "  keep one of them, or rename one",
        ],
    ),
    "table misnamed": (
        {"touch": touches()},
        [
            "touch: is not a table of the contract; did you mean 'touches'?",
            "  the tables are touches, outcomes, customers, surveys, touchpoints, experiments, "
            "lifts, spend, changes, paths, identities",
        ],
    ),
    "table that is a list": (
        {"touches": [1, 2]},
        ["touches: is a list, not a pandas DataFrame", "  give a pandas DataFrame"],
    ),
    "customer twice, windows differ": (
        {
            "customers": customers(
                customer_id=["a", "a"], observed_to=utc("2026-04-01", "2026-05-01")
            )
        },
        [
            "customers.customer_id: 2 of 2 rows repeat a key",
            "  first: customer_id 'a', 2 rows",
            "  keep one row for each customer_id",
        ],
    ),
    "window backwards": (
        {"customers": customers(observed_to=utc("2025-12-31", "2026-04-01"))},
        [
            "customers.observed_to: 1 of 2 rows are not after observed_from",
            "  first: row 1, customer 'a', value 2025-12-31 00:00:00+00",
            "  observed_from has to be before observed_to",
        ],
    ),
    "customer unknown": (
        {"customers": customers(customer_id=["a", "c"])},
        [
            "touches.customer_id: 1 of 3 rows are of customers that the customers table does not "
            "have",
            "  first: value 'b'",
            "  add them to customers with their windows, or leave the customers table out",
        ],
    ),
    "all outside the windows": (
        {"customers": customers(observed_to=utc("2026-03-04T12:00", "2026-04-01"))},
        [
            "outcomes.timestamp: 1 of 1 rows are outside the customer's observation window",
            "  check the windows, and that both are in UTC",
        ],
    ),
    "scores off the scale": (
        {"surveys": surveys(score=[11, 0])},
        [
            "surveys.score: 1 of 2 rows are off the scale of nps",
            "  first: row 1, value 11",
            "  give nps from 0 to 10",
            "surveys.score: 1 of 2 rows are off the scale of csat",
            "  first: row 2, value 0",
            "  give csat from 1 to 5",
        ],
    ),
    "metric unknown": (
        {"surveys": surveys(metric=["nps", "happiness"])},
        [
            "surveys.metric: 1 of 2 rows are not an allowed word",
            "  first: row 2, value 'happiness'",
            "  use nps, csat, ces",
        ],
    ),
    "stage and owner unknown": (
        {"touchpoints": touchpoints(stage=["buy", "retention"], owner=["company", "us"])},
        [
            "touchpoints.stage: 1 of 2 rows are not an allowed word",
            "  first: row 1, value 'buy'",
            "  use awareness, consideration, purchase, retention, advocacy",
            "touchpoints.owner: 1 of 2 rows are not an allowed word",
            "  first: row 2, value 'us'",
            "  use company, customer, partner",
        ],
    ),
    "touchpoint mapped twice": (
        {"touchpoints": touchpoints(touchpoint=["email", "email"])},
        [
            "touchpoints.touchpoint: 2 of 2 rows repeat a key",
            "  first: touchpoint 'email', 2 rows",
            "  keep one row for each touchpoint",
        ],
    ),
    "arm unknown": (
        {"experiments": experiments(arm=["control", "holdout"])},
        [
            "experiments.arm: 1 of 2 rows are not an allowed word",
            "  first: row 1, customer 'a', value 'control'",
            "  use treated, holdout",
        ],
    ),
    "experiment ends before it starts": (
        {"experiments": experiments(end=["2026-02-01", "2026-03-09"])},
        [
            "experiments.end: 1 of 2 rows are not after start",
            "  first: row 1, customer 'a', value '2026-02-01'",
            "  start has to be before end",
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    given, expected = REFUSED[name]
    first, *lines = refusal(tables(**given))
    assert lines == expected
    count = sum(not line.startswith("  ") for line in expected)
    assert first == f"frames: {count} problem" + ("s" if count > 1 else "")


@pytest.mark.parametrize("source", [None, 5, touches()], ids=["None", "a number", "one frame"])
def test_not_a_source(source: object) -> None:
    assert refusal(source) == [
        f"open_data: cannot open a value of type {type(source).__name__}",
        "  give a folder, an address, a connection, or a mapping of table names to frames",
    ]


def test_all_problems_at_once() -> None:
    given = tables(
        touches=touches(timestamp=["x", "2026-03-01", "2026-03-02"], cost=[-1, 1, 1]),
        outcomes=outcomes(value=[-1], outcome=[""]),
        customers=customers(customer_id=[True, False], observed_to=None),
    )
    first, *lines = refusal(given)
    assert first == "frames: 6 problems"
    assert [line for line in lines if not line.startswith("  ")] == [
        "touches.timestamp: 1 of 3 rows are not times",
        "touches.cost: 1 of 3 rows are below 0",
        "outcomes.outcome: 1 of 1 rows have no value",
        "outcomes.value: 1 of 1 rows are below 0",
        "customers.observed_to: the column is missing; found customer_id, observed_from",
        "customers.customer_id: is of type boolean, not an id",
    ]


def test_unknown_customers_are_told_beside_other_problems() -> None:
    given = tables(outcomes=outcomes(value=[-1]), customers=customers(customer_id=["a", "c"]))
    places = [line.split(":")[0] for line in refusal(given) if not line.startswith("  ")]
    assert places == ["frames", "outcomes.value", "touches.customer_id"]


def test_nothing_given() -> None:
    assert refusal({}) == [
        "frames: 2 problems",
        "touches: the table is missing; found nothing",
        "  give touches as a Parquet or CSV file, a database table or a frame",
        "outcomes: the table is missing; found nothing",
        "  give outcomes as a Parquet or CSV file, a database table or a frame",
    ]


MIXED = pd.Series(
    [pd.Timestamp("2026-03-01 10:00", tz="Europe/Berlin"), pd.Timestamp("2026-03-02")]
)
ODD_TRAITS = {"words": [["x"], ["y"]], "more": [{"x": 1}, {"x": 2}], "raw": [b"x", b"y"]}
NO_ZONE = "timestamp: without a zone, read as UTC"
DATES = "timestamp: dates without a time of day, read as its start in UTC"

TIMED = touches(timestamp=utc("2026-03-01T10:00", "2026-03-04T10:00", "2026-03-02T10:00"))
BOUGHT = outcomes(timestamp=utc("2026-03-05T10:00"))

# name: (tables, notes)
NOTED = {
    "times in text, with and without a zone": (
        {
            "touches": touches(
                timestamp=["2026-03-01T10:00+02:00", "2026-03-01 10:00", "2026-03-01"]
            ),
            "outcomes": BOUGHT,
        },
        [("touches", 1, NO_ZONE), ("touches", 1, DATES)],
    ),
    "times as objects, with and without a zone": (
        {
            "touches": touches(timestamp=pd.Series([*MIXED, dt.date(2026, 3, 3)], dtype=object)),
            "outcomes": BOUGHT,
        },
        [("touches", 1, NO_ZONE), ("touches", 1, DATES)],
    ),
    "times without a zone": (
        {"touches": touches(timestamp=days("2026-03-01", "2026-03-02", "2026-03-03"))},
        [("touches", 3, NO_ZONE)],
    ),
    "times as dates": (
        {"touches": touches(timestamp=[dt.date(2026, 3, 1)] * 3)},
        [("touches", 3, DATES)],
    ),
    "duplicate rows": (
        {"touches": pd.concat([TIMED, TIMED.iloc[:2]]), "outcomes": BOUGHT},
        [("touches", 2, "exact duplicates dropped")],
    ),
    "touches outside the windows": (
        {"customers": customers(observed_from=utc("2026-03-03", "2026-01-01"))},
        [("touches", 1, "outside the customer's observation window, dropped")],
    ),
    "no customer in common": (
        {"outcomes": outcomes(customer_id=["z"])},
        [("outcomes", 1, "only 0 of 1 customers have a touch; are the ids of the same kind?")],
    ),
    "columns of one's own": (
        {"touches": touches(colour=["red"] * 3, **{"size\n": [1, 2, 3]})},
        [("touches", 0, r"columns not used: colour, size\n")],
    ),
    "traits that are no traits": (
        {"customers": customers(**ODD_TRAITS)},
        [("customers", 0, "traits that are neither text nor numbers, left out: words, more, raw")],
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_noted(name: str) -> None:
    given, expected = NOTED[name]
    assert notes(tl.open_data(tables(**given))) == expected


GOOD_IDS = {
    "floats": ([1.0, 1.0, 2.0], [1]),
    "text here, numbers there": (["1", "1", "2"], [1]),
    "small integers": (np.array([1, 1, 2], "int8"), np.array([1], "uint64")),
    "above all signed integers": (np.array([2**64 - 1, 1, 2], "uint64"), [str(2**64 - 1)]),
    "uuids": ([uuid.UUID(int=i) for i in (1, 1, 2)], [str(uuid.UUID(int=1))]),
    "categories": (pd.Categorical(["x", "x", "y"]), ["x"]),
    "nullable integers": (pd.array([1, 1, 2], "Int64"), pd.array([1], "int32[pyarrow]")),
    "decimals": ([decimal.Decimal(1)] * 3, [1]),
}


@pytest.mark.parametrize("name", GOOD_IDS)
def test_ids_of_many_types_match(name: str) -> None:
    left, right = GOOD_IDS[name]
    given = tables(touches=touches(customer_id=left), outcomes=outcomes(customer_id=right))
    data = tl.open_data(given)
    assert notes(data) == []  # there would be one if no customer were in both tables
    assert data.touches.customer_id.type() == data.outcomes.customer_id.type()


@pytest.mark.parametrize(
    "values",
    [
        [decimal.Decimal("1.5"), None, decimal.Decimal(2)],
        pd.array([1.5, None, 2], "Float64"),
        np.array([1.5, np.nan, 2], "float32"),
        ["1.5", "", "2"],
        pd.arrays.SparseArray([1.5, np.nan, 2.0]),
    ],
    ids=["decimals", "nullable", "float32", "text", "sparse"],
)
def test_numbers_of_many_types(values: object) -> None:
    cost = tl.open_data(tables(touches=touches(cost=values))).touches.to_pandas().cost
    assert cost.sum() == 3.5
    assert cost.isna().sum() == 1


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "a > b",
    "\N{FACE WITH TEARS OF JOY}",
    r"$\frac{ $",
    "two\nlines",
    "'; DROP TABLE touches; --",
    "x" * 10_000,
    "\u202eltr",
    '"',
    "null",
    "a\x00b",
)


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_hostile_names_pass_unharmed(name: str) -> None:
    data = tl.open_data(tables(touches=touches(touchpoint=[name, "email", "email"])))
    assert set(data.touches.to_pandas().touchpoint) == {name, "email"}
    assert set(tl.build_journeys(data).touchpoints) == {name, "email"}
    assert len(data.fingerprint) == 12


def test_unknown_outcome() -> None:
    with pytest.raises(tl.ParameterError) as caught:
        tl.build_journeys(tl.open_data(tables()), outcome="conversions")
    assert str(caught.value) == (
        "outcome: no outcome is named 'conversions'\n"
        "  the data has conversion (1); use one of these"
    )


def test_too_many_touchpoints() -> None:
    many = touches(
        customer_id=["a"] * 1001,
        timestamp=pd.date_range("2026-01-01", periods=1001, freq="min", tz="UTC"),
        touchpoint=[f"page {i}" for i in range(1001)],
    )
    with pytest.raises(tl.DataError) as caught:
        tl.build_journeys(tl.open_data(tables(touches=many)))
    assert str(caught.value) == (
        "touches.touchpoint: 1,001 different names, at most 1,000\n"
        "  are these pages or campaigns? put those in `campaign` and name the kind here"
    )


def test_one_touch() -> None:
    data = tl.open_data(tables(touches=touches().iloc[:1]))
    assert tl.attribute(data, models=["linear"]).credit.tolist() == [1]


def test_long_journey() -> None:
    million = touches(
        customer_id=["a"] * 1_000_000,
        timestamp=pd.date_range("2026-02-01", periods=1_000_000, freq="s", tz="UTC"),
        touchpoint=np.resize(["search", "email", "shop"], 1_000_000),
    )
    data = tl.open_data(tables(touches=million))
    credit = tl.attribute(data, models=["linear", "markov"])
    assert credit.groupby("model").credit.sum().round(9).eq(1).all()


def test_the_environment_limits_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    duckdb.connect(tmp_path / "shop.duckdb").close()
    monkeypatch.setenv("TOUCHLAB_MEMORY", "1 GiB")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    names = ("memory_limit", "threads", "enable_progress_bar")
    asked = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    for path in ("", str(tmp_path / "shop.duckdb")):
        assert readers.open_duckdb(path).raw_sql(asked).fetchone() == ("1.0 GiB", 1, False)


def test_threads_that_are_no_number_are_left_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")  # by level, as OpenMP allows
    asked = "SELECT current_setting('threads') >= 1"
    assert readers.open_duckdb().raw_sql(asked).fetchone() == (True,)


@pytest.mark.parametrize("amount", ["4", "much", "", "0GB", "1GB'; SELECT 1"])
def test_memory_that_is_no_amount(monkeypatch: pytest.MonkeyPatch, amount: str) -> None:
    monkeypatch.setenv("TOUCHLAB_MEMORY", amount)
    with pytest.raises(tl.ParameterError) as refused:
        readers.open_duckdb()
    assert str(refused.value) == (
        f"TOUCHLAB_MEMORY: {amount!r} is not an amount of memory\n"
        "  give a whole number with a unit: 4GB, or 50%"
    )


def test_input_is_not_changed() -> None:
    given = tables(touches=touches(timestamp=["2026-03-01", "2026-03-02", "2026-03-03"]))
    before = given["touches"].copy(deep=True)
    tl.open_data(given)
    pd.testing.assert_frame_equal(given["touches"], before)


def test_nothing_is_printed_at_exit() -> None:
    script = (
        "import pandas as pd, touchlab as tl\n"
        "day = pd.to_datetime(['2026-03-01'], utc=True)\n"
        "t = pd.DataFrame({'customer_id': [1], 'timestamp': day, 'touchpoint': ['x']})\n"
        "o = pd.DataFrame({'customer_id': [1], 'timestamp': day, 'outcome': ['conversion']})\n"
        "tl.open_data({'touches': t, 'outcomes': o}).fingerprint\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
