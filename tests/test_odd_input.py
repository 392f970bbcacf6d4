"""One table of odd input: what is given, and the whole message or the right values that follow.

`docs/odd_input.md` is written from it: ``python tests/test_odd_input.py`` in the repository.
"""

from __future__ import annotations

import datetime as dt
import decimal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import (
    OUTCOMES_CSV,
    TOUCHES_CSV,
    customers,
    notes,
    outcomes,
    surveys,
    tables,
    touches,
    touchpoints,
    utc,
    write,
)

import touchlab as tl
from touchlab import sentences

DOCS = Path(__file__).parents[1] / "docs" / "odd_input.md"
ISO = "give ISO 8601 (2026-02-28 or 2026-02-28T09:30:00Z)"
EPOCH = f"{ISO}, or seconds, milli-, micro- or nanoseconds since 1970"
RANGE = (
    "give times from 1971-01-01 to 2200-01-01; January 1970 comes of seconds read as milliseconds"
)
PLACED = "give an offset (+02:00) or a place (Europe/London): letters mean several zones"
UNCLEAR = "say which in touchlab.toml: { column = 'your_name', decimal = ',' } or decimal = '.'"
ASIDE = "leave such rows out, or give the id: as one customer they would be everybody"
EXCEL = "export the ids as text, not from a spreadsheet: many are one once cut short"
ONE_DAY = (
    "equal rows, kept: on one day they may be two; {} would tell, "
    'duplicates = "drop" under [clean] drops them'
)
NEAR = "{} and customer as in another row of the same second, kept; sent or tried twice?"
SAME_IDS = "are the ids of the same kind?"
DROPPED = "exact duplicates dropped"
LAKE = "export what is valid now to Parquet"
UNREAD = "is not used; touchlab init says what it may be"
CSV_ONLY = "is not used: only Parquet, CSV and JSON lines are read; export it as CSV"


@dataclass(frozen=True)
class Odd:
    """One row: what is given, and what follows of `refused`, `noted` and `gives`."""

    kind: str
    given: str
    source: Any
    refused: tuple[str, ...] = ()
    """Lines of the message after the first."""
    noted: tuple[tuple[str, int, str], ...] = ()
    gives: Callable[[tl.Dataset], Any] | None = None
    right: Any = None
    said: str = ""
    """What the documentation says where nothing is noted."""


@dataclass(frozen=True)
class Files:
    """Files of a folder; touches.csv and outcomes.csv are good ones unless given."""

    files: dict[str, str | bytes] = field(default_factory=dict)
    parquet: dict[str, pa.Table] = field(default_factory=dict)


def many(n: int = 200, **changes: Any) -> pd.DataFrame:
    """Build touches of as many customers, an hour apart."""
    times = pd.date_range("2026-03-01T10:00", periods=n, freq="h", tz="UTC")
    columns = {
        "customer_id": [f"c{i}" for i in range(n)],
        "timestamp": times,
        "touchpoint": np.resize(["search", "email"], n),
    }
    return pd.DataFrame(columns | changes)


def bought(n: int = 20, **changes: Any) -> pd.DataFrame:
    columns = {
        "customer_id": [f"c{i}" for i in range(n)],
        "timestamp": pd.date_range("2026-03-09T12:30", periods=n, freq="h", tz="UTC"),
        "outcome": ["conversion"] * n,
    }
    return pd.DataFrame(columns | changes)


def log(**given: Any) -> dict[str, Any]:
    return {"touches": many(), "outcomes": bought()} | given


def put(values: Any, *changes: tuple[int, Any]) -> list[Any]:
    """Change single values of a column."""
    changed = list(values)
    for place, value in changes:
        changed[place] = value
    return changed


def lines(header: str, *rows: str) -> str:
    return "\n".join([header, *rows, ""])


def columns(table: str, *names: str) -> Callable[[tl.Dataset], Any]:
    """Bring back columns of a table, in the order of customers."""

    def read(data: tl.Dataset) -> Any:
        frame = data.tables[table].to_pandas().sort_values(["customer_id", "timestamp"])
        return frame[list(names)].squeeze("columns").tolist()

    return read


def last_day(data: tl.Dataset) -> str:
    return f"{data.tables['customers'].to_pandas().observed_to.max():%Y-%m-%d}"


def steps(data: tl.Dataset) -> list[str]:
    return sorted(data.tables["steps"].touchpoint.to_pandas().unique())


def paths(*given: str) -> dict[str, pd.DataFrame]:
    return {"paths": pd.DataFrame({"path": given, "conversions": [60] * len(given)})}


def rows(table: str) -> Callable[[tl.Dataset], int]:
    return lambda data: int(data.tables[table].count().to_pandas())


def timed(*days: str) -> pd.DatetimeIndex:
    return utc(*(f"2026-03-{day}" for day in days))


TIMED = timed("01T10:00", "04T10:00", "02T10:00")
CLICKS = "customer_id,timestamp,touchpoint"
AT = "2026-03-01T10:00:00Z"
WINDOWS = {
    "customer_id": [f"c{i}" for i in range(200)],
    "observed_from": pd.to_datetime(["2026-02-01"] * 200, utc=True),
}
PEOPLE = pd.DataFrame(WINDOWS)
ENDED = pd.to_datetime(["2026-03-15"] * 200, utc=True)
TODAY = pd.Timestamp.now(tz="UTC").floor("D") + pd.Timedelta(minutes=1)
UNTIL_NEXT_WEEK = [TODAY + pd.Timedelta(days=day) for day in (*range(-190, 1), *range(3, 10))]
LAST_WEEK = [TODAY - pd.Timedelta(days=7)] * 20


def touches_csv(*rows: str, header: str = CLICKS, **more: str | bytes) -> Files:
    return Files({"touches.csv": lines(header, *rows), **more})


def parquet(**columns_: Any) -> Files:
    """Write touches in types of Parquet."""
    times = pa.array([1_772_400_000, 1_772_500_000, 1_772_600_000], pa.timestamp("s", "UTC"))
    given = {"customer_id": ["a", "a", "b"], "timestamp": times, "touchpoint": ["s", "e", "s"]}
    return Files(parquet={"touches": pa.table(given | columns_)})


def ns(zone: str | None) -> pa.Array:
    return pa.array([n * 10**9 for n in (1_772_400_000,) * 3], pa.timestamp("ns", zone))


ODD = [
    # ---- 1. extremes
    Odd(
        "Times",
        "one touch of 200 dated 2035",
        log(touches=many(timestamp=put(many().timestamp, (7, utc("2035-05-01")[0])))),
        noted=(("touches", 1, "timestamp: 9 years after all others (2035-05-01), dropped"),),
        gives=lambda data: f"{data.overview['last'].max():%Y-%m-%d}",
        right="2026-03-10",
    ),
    Odd(
        "Times",
        "one outcome of 20 dated 1999",
        log(outcomes=bought(timestamp=put(bought().timestamp, (3, utc("1999-05-01")[0])))),
        noted=(("outcomes", 1, "timestamp: 27 years before all others (1999-05-01), dropped"),),
        gives=rows("outcomes"),
        right=19,
    ),
    Odd(
        "Times",
        "two touches of 200 dated 1980 and 2050",
        log(
            touches=many(
                timestamp=put(
                    many().timestamp, (0, utc("1980-01-01")[0]), (199, utc("2050-01-01")[0])
                )
            )
        ),
        noted=(
            ("touches", 1, "timestamp: 46 years before all others (1980-01-01), dropped"),
            ("touches", 1, "timestamp: 24 years after all others (2050-01-01), dropped"),
        ),
        gives=rows("touches"),
        right=198,
    ),
    Odd(
        "Times",
        "7 touches of 198 from the days to come",
        log(touches=many(198, timestamp=UNTIL_NEXT_WEEK), outcomes=bought(timestamp=LAST_WEEK)),
        noted=(("touches", 7, "timestamp: later than today"),),
        gives=rows("touches"),
        right=198,
    ),
    Odd(
        "Times",
        "seconds read as milliseconds: all in January 1970",
        log(touches=many(timestamp=pd.to_datetime([1_772_400_000] * 200, unit="ms", utc=True))),
        refused=(
            "touches.timestamp: 200 of 200 rows are out of range",
            "  first: row 1, customer 'c0', value 1970-01-21 12:20:00+00",
            f"  {RANGE}",
        ),
    ),
    Odd(
        "Times",
        "numbers: seconds since 1970",
        tables(touches=touches(timestamp=[1_772_400_000, 1_772_500_000, 1_772_600_000])),
        noted=(("touches", 3, "timestamp: numbers, read as seconds since 1970"),),
        gives=lambda data: str(data.touches.timestamp.min().to_pandas()),
        right="2026-03-01 21:20:00",
    ),
    Odd(
        "Times",
        "numbers: milliseconds since 1970",
        tables(touches=touches(timestamp=[1_772_400_000_500, 1_772_500_000_000, 1.7726e12])),
        noted=(("touches", 3, "timestamp: numbers, read as milliseconds since 1970"),),
        gives=lambda data: str(data.touches.timestamp.min().to_pandas()),
        right="2026-03-01 21:20:00.500000",
    ),
    Odd(
        "Times",
        "numbers: microseconds since 1970, as floats",
        tables(touches=touches(timestamp=[1.7724e15, 1.7725e15, 1.7726e15])),
        noted=(("touches", 3, "timestamp: numbers, read as microseconds since 1970"),),
        gives=lambda data: str(data.touches.timestamp.min().to_pandas()),
        right="2026-03-01 21:20:00",
    ),
    Odd(
        "Times",
        "numbers: days of a spreadsheet",
        tables(touches=touches(timestamp=[46_082, 46_085, 46_083])),
        refused=(
            "touches.timestamp: 3 of 3 rows are not times",
            "  first: row 1, customer 'a', value 46082",
            f"  {EPOCH}",
        ),
    ),
    Odd(
        "Times",
        "numbers: 20260301",
        tables(touches=touches(timestamp=[20260301, 20260304, 20260302])),
        refused=(
            "touches.timestamp: 3 of 3 rows are not times",
            "  first: row 1, customer 'a', value 20260301",
            f"  {EPOCH}",
        ),
    ),
    Odd(
        "Times",
        "`observed_to` 2199-12-31: an open end",
        log(customers=PEOPLE.assign(observed_to=put(ENDED, (0, utc("2199-12-31")[0])))),
        noted=(
            (
                "customers",
                1,
                "observed_to: open, taken to go on until the data ends (2026-03-15)",
            ),
        ),
        gives=last_day,
        right="2026-03-15",
    ),
    Odd(
        "Times",
        "`observed_to` 9999-12-31, in text",
        log(customers=PEOPLE.assign(observed_to=["9999-12-31T00:00:00Z"] * 200)),
        noted=(
            (
                "customers",
                200,
                "observed_to: open, taken to go on until the data ends (2026-03-10)",
            ),
        ),
        gives=last_day,
        right="2026-03-10",
    ),
    Odd(
        "Times",
        "`observed_to` missing: an open end",
        log(customers=PEOPLE.assign(observed_to=put(ENDED, (5, pd.NaT), (6, pd.NaT)))),
        noted=(
            (
                "customers",
                2,
                "observed_to: open, taken to go on until the data ends (2026-03-15)",
            ),
        ),
        gives=last_day,
        right="2026-03-15",
    ),
    Odd(
        "Times",
        "`observed_to` nine years after the last touch",
        log(customers=PEOPLE.assign(observed_to=utc("2035-01-01")[0])),
        noted=(
            (
                "customers",
                200,
                "observed_to: open, taken to go on until the data ends (2026-03-10)",
            ),
        ),
        gives=last_day,
        right="2026-03-10",
    ),
    # ---- 2. zones
    Odd(
        "Zones",
        "`10:00 BST`, which engines take for Bangladesh",
        touches_csv("a,2026-03-01 10:00 BST,search", f"b,{AT},email"),
        refused=(
            "touches.timestamp: 1 of 2 rows have a zone that is neither an offset nor a place",
            "  first: row 1, customer 'a', value '2026-03-01 10:00 BST'",
            f"  {PLACED}",
        ),
    ),
    Odd(
        "Zones",
        "`10:00 EST` and `10:00 AM`",
        touches_csv("a,2026-03-01 10:00 EST,search", "b,2026-03-01 10:00 AM,email"),
        refused=(
            "touches.timestamp: 2 of 2 rows have a zone that is neither an offset nor a place",
            "  first: row 1, customer 'a', value '2026-03-01 10:00 EST'",
            f"  {PLACED}",
        ),
    ),
    Odd(
        "Zones",
        "`10:00+99:00`, which engines take for four days before",
        touches_csv("a,2026-03-01 10:00+99:00,search", f"b,{AT},email"),
        refused=(
            "touches.timestamp: 1 of 2 rows have a zone that is neither an offset nor a place",
            "  first: row 1, customer 'a', value '2026-03-01 10:00+99:00'",
            f"  {PLACED}",
        ),
    ),
    Odd(
        "Zones",
        "`10:00 UTC+2`",
        touches_csv("a,2026-03-01 10:00 UTC+2,search"),
        gives=columns("touches", "timestamp"),
        right=[pd.Timestamp("2026-03-01 08:00")],
        said="read as 08:00 UTC",
    ),
    Odd(
        "Zones",
        "`10:00 Europe/Berlin`",
        touches_csv("a,2026-03-01 10:00 Europe/Berlin,search"),
        gives=columns("touches", "timestamp"),
        right=[pd.Timestamp("2026-03-01 09:00")],
        said="read as 09:00 UTC",
    ),
    Odd(
        "Zones",
        "`10:00 Europe/Nowhere`",
        touches_csv("a,2026-03-01 10:00 Europe/Nowhere,search"),
        refused=(
            "touches.timestamp: 1 of 1 rows are not times",
            "  first: row 1, customer 'a', value '2026-03-01 10:00 Europe/Nowhere'",
            f"  {ISO}",
        ),
    ),
    Odd(
        "Zones",
        "no zone",
        touches_csv("a,2026-03-01 10:00,search"),
        noted=(("touches", 1, "timestamp: without a zone, read as UTC"),),
        gives=columns("touches", "timestamp"),
        right=[pd.Timestamp("2026-03-01 10:00")],
    ),
    Odd(
        "Zones",
        "blanks before and after a time",
        touches_csv(f"a,  {AT} ,search"),
        gives=columns("touches", "timestamp"),
        right=[pd.Timestamp("2026-03-01 10:00")],
        said="read without them",
    ),
    Odd(
        "Zones",
        "`03/01/2026`, which may be January or March",
        touches_csv("a,03/01/2026,search"),
        refused=(
            "touches.timestamp: 1 of 1 rows are not times",
            "  first: row 1, customer 'a', value '03/01/2026'",
            f"  {ISO}",
        ),
    ),
    Odd(
        "Zones",
        "`infinity` and `2026-03-01 (BC)`, which engines read",
        touches_csv("a,infinity,search", "a,2026-03-01 (BC),search"),
        refused=(
            "touches.timestamp: 2 of 2 rows are not times",
            "  first: row 1, customer 'a', value 'infinity'",
            f"  {ISO}",
        ),
    ),
    # ---- 3. stale files
    Odd(
        "Files",
        "`touches/.ipynb_checkpoints/` and `touches/_temporary/` beside parts",
        Files(
            {
                "touches/1.csv": TOUCHES_CSV,
                "touches/.ipynb_checkpoints/1.csv": TOUCHES_CSV.replace("search", "old"),
                "touches/_temporary/0/2.csv": TOUCHES_CSV.replace("search", "older"),
            }
        ),
        gives=columns("touches", "touchpoint"),
        right=["search", "email"],
        said="hidden and underscored folders are no parts",
    ),
    Odd(
        "Files",
        "a Delta table, where its reader is not installed",
        Files({"touches/1.csv": TOUCHES_CSV, "touches/_delta_log/0.json": "{}"}),
        refused=(
            "touches: touches is a Delta table: its files hold old rows too",
            f"  pip install deltalake opens it; or {LAKE}",
        ),
    ),
    Odd(
        "Files",
        "an Iceberg table, where its reader is not installed",
        Files({"touches/data/1.csv": TOUCHES_CSV, "touches/metadata/v1.metadata.json": "{}"}),
        refused=(
            "touches: touches is an Iceberg table: its files hold old rows too",
            f"  pip install pyiceberg opens it; or {LAKE}",
        ),
    ),
    Odd(
        "Files",
        "a Hudi table",
        Files({"touches/1.csv": TOUCHES_CSV, "touches/.hoodie/x": ""}),
        refused=("touches: touches is a Hudi table: its files hold old rows too", f"  {LAKE}"),
    ),
    Odd(
        "Files",
        "`costs.csv`, which no table is made from",
        Files({"costs.csv": "day,channel,amount\n2026-03-01,search,5\n"}),
        noted=(
            (
                "costs",
                0,
                "costs.csv is not used; money spent by day is read as spend: "
                "date, touchpoint, cost, campaign",
            ),
        ),
    ),
    Odd(
        "Files",
        "`newsletter.csv`, which no table is made from",
        Files({"newsletter.csv": "a,b\n1,2\n"}),
        noted=(("newsletter", 0, f"newsletter.csv {UNREAD}"),),
    ),
    Odd(
        "Files",
        "`customers.xlsx` beside CSV files",
        Files({"customers.xlsx": b"PK"}),
        noted=(("customers", 0, f"customers.xlsx {CSV_ONLY}"),),
    ),
    Odd(
        "Files",
        "`survey.json` beside CSV files, for `surveys.json`",
        Files({"survey.json": "[]"}),
        noted=(("survey", 0, "survey.json is not used; did you mean 'surveys'?"),),
    ),
    Odd(
        "Files",
        "a second part without header",
        Files(
            {
                "touches/1.csv": TOUCHES_CSV,
                "touches/2.csv": "c,2026-03-03T10:00:00Z,email\n",
            }
        ),
        refused=(
            "touches: 2.csv does not begin with the header line of 1.csv",
            "  give every part the header; its first line is c, 2026-03-03T10:00:00Z, email",
        ),
    ),
    Odd(
        "Files",
        "`sep=;` as the first line",
        Files({"touches.csv": "sep=;\n" + TOUCHES_CSV.replace(",", ";")}),
        gives=columns("touches", "touchpoint"),
        right=["search", "email"],
        said="read with that delimiter",
    ),
    # ---- 4. rows that are there twice
    Odd(
        "Repeats",
        "two orders of one day and value, each with its `order_id`",
        tables(
            outcomes=outcomes(
                customer_id=["a", "a"],
                timestamp=utc("2026-03-05", "2026-03-05"),
                outcome=["conversion"] * 2,
                value=[5, 5],
                order_id=[1, 2],
            )
        ),
        gives=columns("outcomes", "value"),
        right=[5, 5],
        said="two orders",
    ),
    Odd(
        "Repeats",
        "one order twice, by its `order_id`",
        tables(
            outcomes=outcomes(
                customer_id=["a", "a", "b"],
                timestamp=utc(*["2026-03-05"] * 3),
                outcome=["conversion"] * 3,
                value=[5, 5, 5],
                order_id=["x", "x", None],
            )
        ),
        noted=(("outcomes", 1, DROPPED),),
        gives=columns("outcomes", "customer_id"),
        right=["a", "b"],
    ),
    Odd(
        "Repeats",
        "one `order_id`, two values",
        tables(
            outcomes=outcomes(
                customer_id=["a", "a"],
                timestamp=utc("2026-03-05", "2026-03-05"),
                outcome=["conversion"] * 2,
                value=[5, 6],
                order_id=["x", "x"],
            )
        ),
        refused=(
            "outcomes.order_id: 2 of 2 rows repeat a key",
            "  first: order_id 'x', outcome 'conversion', 2 rows",
            "  keep one row for each order_id and outcome",
        ),
    ),
    Odd(
        "Repeats",
        "two orders of one day and value, without an id",
        tables(outcomes=pd.concat([outcomes(value=[5])] * 2)),
        noted=(("outcomes", 1, ONE_DAY.format("order_id")),),
        gives=rows("outcomes"),
        right=2,
    ),
    Odd(
        "Repeats",
        'the same, with `duplicates = "drop"` under [clean]',
        Files(
            {
                "touches.csv": lines(CLICKS, "a,2026-03-01,search", "a,2026-03-01,search"),
                "touchlab.toml": '[clean]\nduplicates = "drop"\n',
            }
        ),
        noted=(
            ("touches", 2, "timestamp: dates without a time of day, read as its start in UTC"),
            ("touches", 1, DROPPED),
        ),
        gives=rows("touches"),
        right=1,
    ),
    Odd(
        "Repeats",
        "rows equal to the second",
        touches_csv(f"a,{AT},search", f"a,{AT},search", f"b,{AT},search"),
        noted=(("touches", 1, DROPPED),),
        gives=rows("touches"),
        right=2,
    ),
    Odd(
        "Repeats",
        'the same, with `duplicates = "keep"` under [clean]',
        Files(
            {
                "touches.csv": lines(CLICKS, f"a,{AT},search", f"a,{AT},search"),
                "touchlab.toml": '[clean]\nduplicates = "keep"\n',
            }
        ),
        noted=(("touches", 1, "equal rows, kept: [clean] says so"),),
        gives=rows("touches"),
        right=2,
    ),
    Odd(
        "Repeats",
        "rows equal but for a column that the contract does not know",
        touches_csv(f"a,{AT},search,1", f"a,{AT},search,2", header=f"{CLICKS},page"),
        noted=(
            ("touches", 0, "columns not used: page"),
            ("touches", 1, NEAR.format("touchpoint")),
        ),
        gives=rows("touches"),
        right=2,
    ),
    Odd(
        "Repeats",
        "tried again 300 ms later",
        touches_csv("a,2026-03-01T10:00:00.100Z,search", "a,2026-03-01T10:00:00.400Z,search"),
        noted=(("touches", 1, NEAR.format("touchpoint")),),
        gives=rows("touches"),
        right=2,
    ),
    Odd(
        "Repeats",
        "equal answers of nobody",
        tables(surveys=pd.concat([surveys()] * 2)),
        noted=(
            (
                "surveys",
                2,
                "equal rows, kept: without customer_id they may be two; answer_id would tell",
            ),
        ),
        gives=rows("surveys"),
        right=4,
    ),
    Odd(
        "Repeats",
        "equal answers of one customer",
        tables(surveys=pd.concat([surveys(customer_id=["a", "b"], timestamp=TIMED[:2])] * 2)),
        noted=(("surveys", 2, DROPPED),),
        gives=rows("surveys"),
        right=2,
    ),
    Odd(
        "Repeats",
        "one answer twice, by its `answer_id`",
        tables(surveys=pd.concat([surveys(answer_id=[1, 2])] * 2)),
        noted=(("surveys", 2, DROPPED),),
        gives=rows("surveys"),
        right=2,
    ),
    # ---- 5. names and ids
    Odd(
        "Names",
        "`Email`, `email ` and `email`",
        tables(touches=touches(touchpoint=["email", "Email", "email "])),
        noted=(
            (
                "touches",
                2,
                "touchpoint: 'Email' and 'email' and 'email ' differ; "
                'names = ["trim", "casefold", "nfc"] under [clean] in touchlab.toml makes them one',
            ),
        ),
    ),
    Odd(
        "Names",
        "the same, with that line",
        Files(
            {
                "touches.csv": lines(CLICKS, f"a,{AT},email", f'b,{AT},"Email "'),
                "touchlab.toml": '[clean]\nnames = ["trim", "casefold"]\n',
            }
        ),
        gives=columns("touches", "touchpoint"),
        right=["email", "email"],
        said="one touchpoint",
    ),
    Odd(
        "Names",
        "`Caf\u00e9` with one character or two (NFC, NFD)",
        tables(touches=touches(touchpoint=["Caf\u00e9", "Cafe\u0301", "Caf\u00e9"])),
        noted=(
            (
                "touches",
                1,
                "touchpoint: 'Caf\u00e9' and 'Cafe\u0301' differ; "
                'names = ["trim", "casefold", "nfc"] under [clean] in touchlab.toml makes them one',
            ),
        ),
    ),
    Odd(
        "Names",
        "a no-break space, with `trim` and `nfc`",
        Files(
            {
                "touches.csv": lines(CLICKS, f"a,{AT},a\u00a0shop\u00a0", f"b,{AT},a shop"),
                "touchlab.toml": '[clean]\nnames = ["trim", "nfc"]\n',
            }
        ),
        gives=columns("touches", "touchpoint"),
        right=["a shop", "a shop"],
        said="one touchpoint",
    ),
    Odd(
        "Names",
        "outcomes `Conversion` and `conversion`",
        log(outcomes=bought(outcome=put(["conversion"] * 20, (2, "Conversion")))),
        noted=(
            (
                "outcomes",
                1,
                "outcome: 'conversion' and 'Conversion' differ; "
                'names = ["trim", "casefold", "nfc"] under [clean] in touchlab.toml makes them one',
            ),
        ),
    ),
    Odd(
        "Names",
        "`E-Mail` in the map, `e-mail` in touches",
        tables(
            touches=touches(touchpoint=["search", "e-mail", "search"]),
            touchpoints=touchpoints(touchpoint=["E-Mail", "search"]),
        ),
        noted=(
            (
                "touchpoints",
                1,
                "touchpoint: 'E-Mail' is 'e-mail' in touches; "
                'names = ["trim", "casefold", "nfc"] under [clean] in touchlab.toml makes them one',
            ),
        ),
    ),
    Odd(
        "Names",
        "surveys of touchpoints that touches do not have",
        tables(surveys=surveys(touchpoint=["box", "box"])),
        noted=(("surveys", 2, "touchpoint: no name is in touches"),),
    ),
    Odd(
        "Ids",
        "ids `00123` here and `123` there",
        Files(
            {
                "touches.csv": lines(CLICKS, f"00123,{AT},search", f"00124,{AT},search"),
                "outcomes.csv": OUTCOMES_CSV.replace("a,", "123,"),
            }
        ),
        noted=(
            (
                "outcomes",
                1,
                f"only 0 of 1 customers have a touch; {SAME_IDS} 1 of 1 look alike, as '123' and "
                "'00123': ids = [\"digits\"] under [clean] in touchlab.toml makes them one",
            ),
        ),
    ),
    Odd(
        "Ids",
        'the same, with `ids = ["digits"]`',
        Files(
            {
                "touches.csv": lines(CLICKS, f"00123,{AT},search", f"00124,{AT},search"),
                "outcomes.csv": OUTCOMES_CSV.replace("a,", "123,"),
                "touchlab.toml": '[clean]\nids = ["digits"]\n',
            }
        ),
        gives=columns("touches", "customer_id"),
        right=["123", "124"],
        said="one customer",
    ),
    Odd(
        "Ids",
        "ids `1001.0` here and `1001` there",
        Files(
            {
                "touches.csv": lines(CLICKS, f"1001.0,{AT},search"),
                "outcomes.csv": OUTCOMES_CSV.replace("a,", "1001,"),
            }
        ),
        noted=(
            (
                "outcomes",
                1,
                f"only 0 of 1 customers have a touch; {SAME_IDS} 1 of 1 look alike, as '1001' and "
                "'1001.0': ids = [\"digits\"] under [clean] in touchlab.toml makes them one",
            ),
        ),
    ),
    Odd(
        "Ids",
        "ids `NA`, `null` and `\\N`",
        touches_csv(f"NA,{AT},search", f"null,{AT},email", f"\\N,{AT},email", f"a,{AT},email"),
        refused=(
            "touches.customer_id: 3 of 4 rows are words for no value",
            "  first: row 1, value 'NA'",
            f"  {ASIDE}",
        ),
    ),
    Odd(
        "Ids",
        "ids `1.23E+15` of a spreadsheet",
        touches_csv(f"1.23E+15,{AT},search", f"a,{AT},email"),
        refused=(
            "touches.customer_id: 1 of 2 rows are numbers cut short",
            "  first: row 1, value '1.23E+15'",
            f"  {EXCEL}",
        ),
    ),
    Odd(
        "Ids",
        "99 of 100 customers with an outcome have no touch",
        log(outcomes=bought(100, customer_id=["c0", *(f"x{i}" for i in range(99))])),
        noted=(("outcomes", 99, f"only 1 of 100 customers have a touch; {SAME_IDS}"),),
    ),
    Odd(
        "Ids",
        "answers of customers whose ids are in capitals",
        tables(surveys=surveys(customer_id=["A", "B"])),
        noted=(
            (
                "surveys",
                2,
                f"only 0 of 2 customers have a touch; {SAME_IDS} 2 of 2 look alike, as 'A' and "
                "'a': "
                'ids = ["trim", "casefold", "nfc"] under [clean] in touchlab.toml makes them one',
            ),
        ),
    ),
    # ---- 6. units
    Odd(
        "Units",
        "100 USD and 100 JPY",
        tables(outcomes=pd.concat([outcomes(value=[100], currency=[c]) for c in ("USD", "JPY")])),
        refused=(
            "outcomes.currency: amounts in several currencies cannot be added (JPY, USD)",
            "  name all under [clean] in touchlab.toml: rates = { EUR = 1, USD = 0.92 }",
        ),
    ),
    Odd(
        "Units",
        "the same, with rates",
        Files(
            {
                "outcomes.csv": lines(
                    "customer_id,timestamp,outcome,value,currency",
                    "a,2026-03-05T10:00:00Z,conversion,100,USD",
                    "b,2026-03-05T10:00:00Z,conversion,100,JPY",
                ),
                "touchlab.toml": "[clean]\nrates = { USD = 1, JPY = 0.0065 }\n",
            }
        ),
        noted=(("outcomes", 2, "value: brought to one currency by the rates given"),),
        gives=columns("outcomes", "value"),
        right=[100, 0.65],
    ),
    Odd(
        "Units",
        "an order below zero",
        tables(outcomes=outcomes(value=[-5.5])),
        refused=(
            "outcomes.value: 1 of 1 rows are below 0",
            "  first: row 1, customer 'a', value -5.5",
            "  give values of at least 0; for refunds, "
            'refunds = "net" (or "apart") under [clean] in touchlab.toml',
        ),
    ),
    Odd(
        "Units",
        'the same after an order of 80, with `refunds = "net"` under [clean]',
        Files(
            {
                "outcomes.csv": "customer_id,timestamp,outcome,value\n"
                "a,2026-03-05T10:00:00Z,conversion,80\na,2026-03-06T10:00:00Z,conversion,-5\n",
                "touchlab.toml": '[clean]\nrefunds = "net"\n',
            }
        ),
        noted=(
            ("outcomes", 1, "value: below zero, taken as an outcome refund of so much"),
            ("outcomes", 1, "refunds of 5.00: 5.00 taken off the value of what they are of"),
        ),
        gives=lambda data: sorted(data.outcomes.value.to_pandas()),
        right=[5.0, 75.0],
    ),
    Odd(
        "Units",
        "nps answered on 1 to 5",
        tables(
            surveys=pd.DataFrame(
                {
                    "timestamp": utc("2026-03-01").repeat(30),
                    "touchpoint": "email",
                    "metric": "nps",
                    "score": np.resize([1, 2, 3, 4, 5], 30),
                }
            )
        ),
        refused=(
            "surveys.score: all 30 answers of nps are from 1 to 5, as on a scale of 1 to 5",
            "  nps is asked from 0 to 10; name answers from 1 to 5 csat",
        ),
    ),
    Odd(
        "Units",
        "csat answered on 1 to 10",
        tables(surveys=surveys(metric=["csat", "csat"])),
        refused=(
            "surveys.score: 1 of 2 rows are off the scale of csat",
            "  first: row 1, value 9",
            "  give csat from 1 to 5",
        ),
    ),
    Odd(
        "Units",
        "costs of some touches missing",
        tables(touches=touches(cost=[1.0, None, None])),
        noted=(("touches", 2, "cost: no cost given, counted as 0"),),
        gives=sentences.about_missing_costs,
        right="Touches without a cost count as free: fewer than 10.",
    ),
    Odd(
        "Units",
        "`1,50` in a semicolon file",
        Files(
            {
                "touches.csv": f"{CLICKS},cost\na,{AT},x,1,50\n".replace(",", ";").replace(
                    "1;50", "1,50"
                )
            }
        ),
        noted=(("touches", 1, "cost: decimal commas, read as such"),),
        gives=columns("touches", "cost"),
        right=[1.5],
    ),
    Odd(
        "Units",
        "`1.234,50` in a semicolon file",
        Files(
            {
                "touches.csv": f"{CLICKS};cost\na,{AT},x;1.234,50\n".replace(",", ";").replace(
                    "4;50", "4,50"
                )
            }
        ),
        noted=(("touches", 1, "cost: decimal commas, read as such"),),
        gives=columns("touches", "cost"),
        right=[1234.5],
    ),
    Odd(
        "Units",
        "`1.234` in a semicolon file",
        Files({"touches.csv": f"{CLICKS},cost\na,{AT},x,1.234\n".replace(",", ";")}),
        refused=(
            "touches.cost: 1 of 1 rows may be thousands or decimals (1.234)",
            "  first: row 1, customer 'a', value '1.234'",
            f"  {UNCLEAR}",
        ),
    ),
    Odd(
        "Units",
        "the same, said to have a decimal point",
        Files(
            {
                "touches.csv": f"{CLICKS},cost\na,{AT},x,1.234\n".replace(",", ";"),
                "touchlab.toml": "[touches]\ncost = { column = 'cost', decimal = '.' }\n",
            }
        ),
        gives=columns("touches", "cost"),
        right=[1.234],
        said="1.234",
    ),
    Odd(
        "Units",
        "`1,234` in quotes",
        touches_csv(f'a,{AT},x,"1,234"', header=f"{CLICKS},cost"),
        refused=(
            "touches.cost: 1 of 1 rows are not numbers",
            "  first: row 1, customer 'a', value '1,234'",
            "  use digits and a decimal point (1.50)",
        ),
    ),
    Odd(
        "Units",
        "`1,50` and `2.50` in one column",
        touches_csv(f'a,{AT},x,"1,50"', f"b,{AT},x,2.50", header=f"{CLICKS},cost"),
        refused=(
            "touches.cost: 1 of 2 rows are not numbers",
            "  first: row 1, customer 'a', value '1,50'",
            "  use digits and a decimal point (1.50)",
        ),
    ),
    Odd(
        "Units",
        "a cost `NA`",
        touches_csv(f"a,{AT},x,NA", f"b,{AT},x,2.50", header=f"{CLICKS},cost"),
        noted=(
            ("touches", 1, "cost: words for no value (NA, null), read as none"),
            ("touches", 1, "cost: no cost given, counted as 0"),
        ),
        gives=lambda data: data.touches.to_pandas().cost.sum(),
        right=2.5,
    ),
    Odd(
        "Units",
        "a cost `1_000`, which engines read",
        touches_csv(f"a,{AT},x,1_000", header=f"{CLICKS},cost"),
        refused=(
            "touches.cost: 1 of 1 rows are not numbers",
            "  first: row 1, customer 'a', value '1_000'",
            "  use digits and a decimal point (1.50)",
        ),
    ),
    # ---- 7. paths
    *(
        Odd("Paths", f"`{given}`", paths(given), gives=steps, right=names, said="two touchpoints")
        for given, names in {
            "search -> email": ["email", "search"],
            "search → email": ["email", "search"],
            "search => email": ["email", "search"],
            "search >> email": ["email", "search"],
        }.items()
    ),
    Odd(
        "Paths",
        "`search, email` and no arrow anywhere",
        paths("search, email", "email"),
        noted=(("paths", 1, "path: no arrow anywhere, cut at ','"),),
        gives=steps,
        right=["email", "search"],
    ),
    Odd(
        "Paths",
        "`search, email` beside `search > email`",
        paths("search, email", "search > email"),
        noted=(("paths", 1, "path: no arrow beside , ; or |, taken for one name"),),
        gives=steps,
        right=["email", "search", "search, email"],
    ),
    Odd(
        "Paths",
        "`start > a > conv` and `start > b > null`",
        paths("start > a > conv", "start > b > null"),
        noted=(
            ("paths", 2, "path: first step is no touchpoint: start"),
            ("paths", 2, "path: last step is no touchpoint: conv, null"),
        ),
        gives=steps,
        right=["a", "b"],
    ),
    Odd(
        "Paths",
        "`a > > b`",
        paths("a > > b", "b"),
        refused=(
            "paths.path: 1 of 2 rows have a step without a name",
            "  first: row 1, value 'a > > b'",
            "  separate touchpoints by '>' and name each",
        ),
    ),
    # ---- 8. one customer
    Odd(
        "Shares",
        "one customer with 23 % of all touches",
        log(
            touches=pd.concat(
                [
                    many(3000),
                    many(896, customer_id=["robot"] * 896),
                ]
            )
        ),
        noted=(
            (
                "touches",
                896,
                "1 customer has 23% of all touches; a shared id, a robot or a test?",
            ),
        ),
    ),
    # ---- 9. types
    Odd(
        "Types",
        "Parquet: timestamp[ns, UTC], as pandas writes it",
        parquet(timestamp=ns("UTC")),
        gives=columns("touches", "timestamp"),
        right=[pd.Timestamp("2026-03-01 21:20")] * 3,
        said="read as it is",
    ),
    Odd(
        "Types",
        "Parquet: timestamp[ns] without a zone",
        parquet(timestamp=ns(None)),
        noted=(("touches", 3, "timestamp: without a zone, read as UTC"),),
    ),
    Odd(
        "Types",
        "Parquet: decimal costs",
        parquet(cost=pa.array([decimal.Decimal("1.50")] * 3)),
        gives=columns("touches", "cost"),
        right=[1.5] * 3,
        said="numbers",
    ),
    Odd(
        "Types",
        "Parquet: dictionaries",
        parquet(touchpoint=pa.array(["s", "e", "s"]).dictionary_encode()),
        gives=columns("touches", "touchpoint"),
        right=["s", "e", "s"],
        said="text",
    ),
    Odd(
        "Types",
        "Parquet: ids that are floats, one NaN",
        parquet(customer_id=[1.0, float("nan"), 2.0]),
        refused=(
            "touches.customer_id: 1 of 3 rows have no value",
            "  first: row 2, value None",
            "  give a value in every row",
        ),
    ),
    Odd(
        "Types",
        "Parquet: a cost that is NaN",
        parquet(cost=[1.0, float("nan"), 2.0]),
        noted=(("touches", 1, "cost: no cost given, counted as 0"),),
        gives=lambda data: data.touches.cost.sum().to_pandas(),
        right=3.0,
    ),
    Odd(
        "Types",
        "Parquet: times of a day without the day",
        parquet(timestamp=pa.array([1, 2, 3], pa.time64("us"))),
        refused=("touches.timestamp: is of type time, not a time", f"  {ISO}"),
    ),
    Odd(
        "Types",
        "Parquet: a column that is a list",
        parquet(tags=[["x"], [], ["y"]]),
        noted=(("touches", 0, "columns not used: tags"),),
    ),
    Odd(
        "Types",
        "orders by date beside touches by time",
        log(outcomes=bought(timestamp=[dt.date(2026, 3, 9)] * 20)),
        noted=(
            ("outcomes", 20, "timestamp: dates without a time of day, read as its start in UTC"),
            (
                "outcomes",
                20,
                "timestamp: all are at midnight, touches have times of day: "
                "those of the same day come after",
            ),
        ),
    ),
    # ---- 10. what is meant
    Odd(
        "Columns",
        "`Cost` and `Revenue`",
        tables(outcomes=outcomes(Revenue=[5]), touches=touches(Cost=[1, 2, 3])),
        noted=(
            ("touches", 0, "columns not used: Cost; did you mean 'Cost' as cost?"),
            ("outcomes", 0, "columns not used: Revenue; did you mean 'Revenue' as value?"),
        ),
    ),
    Odd(
        "Columns",
        "`clientId` for `customer_id`",
        tables(touches=touches().rename(columns={"customer_id": "clientId"})),
        refused=(
            "touches.customer_id: the column is missing; found clientId, timestamp, touchpoint; "
            "did you mean 'clientId'?",
            '  rename one, or map it in touchlab.toml: [touches] customer_id = "your_name"',
        ),
    ),
    Odd(
        "Columns",
        "`customer_id` beside `Customer_ID`",
        tables(touches=touches(Customer_ID=[1, 2, 3])),
        refused=(
            "touches: has two columns named 'customer_id' and 'Customer_ID'",
            "  keep one of them, or rename one",
        ),
    ),
    Odd(
        "Columns",
        "traits that say the same",
        tables(customers=customers(age=[20, 30], born=[2006, 1996])),
        noted=(("customers", 0, "traits age and born say the same; leave one out"),),
    ),
    Odd(
        "Columns",
        "a trait that half of the customers lack",
        tables(customers=customers(plan=["basic", None])),
        noted=(("customers", 1, "trait plan: 50% have none"),),
    ),
    Odd(
        "Settings",
        "[clean] with a word that is not known",
        Files({"touchlab.toml": '[clean]\nnames = ["trimm"]\n'}),
        refused=("  use trim, casefold, nfc, digits",),
    ),
    Odd(
        "Settings",
        "[clean] with a key that is not known",
        Files({"touchlab.toml": '[clean]\nname = ["trim"]\n'}),
        refused=("  it holds names, ids, duplicates, rates, refunds, first",),
    ),
]
KINDS = list(dict.fromkeys(odd.kind for odd in ODD))


def given(odd: Odd, folder: Path) -> Any:
    if not isinstance(odd.source, Files):
        return odd.source
    defaults: dict[str, str | bytes] = {}
    if not any(name.startswith("touches") for name in [*odd.source.files, *odd.source.parquet]):
        defaults["touches.csv"] = TOUCHES_CSV
    for name, table in odd.source.parquet.items():
        folder.mkdir(exist_ok=True)
        pq.write_table(table, folder / f"{name}.parquet")
        defaults["touches.csv"] = b""
    write(folder, defaults | odd.source.files)
    for name in odd.source.parquet:
        (folder / f"{name}.csv").unlink()
    return folder


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: f"{odd.kind}: {odd.given}")
def test_odd_input(odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in ("deltalake", "pyiceberg"):
        monkeypatch.setitem(sys.modules, reader, None)  # as where it is not installed
    source = given(odd, tmp_path / "shop")
    if odd.refused:
        with pytest.raises(tl.DataError) as refused:
            tl.open_data(source)
        said = str(refused.value).splitlines()
        assert tuple(said[-len(odd.refused) :]) == odd.refused
        assert len(said) <= len(odd.refused) + 1
        return
    data = tl.open_data(source)
    assert tuple(notes(data)) == odd.noted
    assert odd.noted or odd.gives, "silent"
    if odd.gives:
        assert odd.gives(data) == odd.right


def document() -> str:
    """Write the table as the documentation shows it."""
    text = [DOCS.read_text(encoding="utf-8").split("\n## ")[0].rstrip(), ""]
    for kind in KINDS:
        text += [f"## {kind}", "", "| given | what happens |", "|---|---|"]
        for odd in (odd for odd in ODD if odd.kind == kind):
            noted = [f"{table}: {note} ({n:,})" if n else note for table, n, note in odd.noted]
            refused = [line.strip() for line in odd.refused]
            what = [f"refused: {refused[0]}", *refused[1:]] if refused else noted
            cells = [odd.given, "<br>".join(what) or odd.said]
            text.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
        text.append("")
    return "\n".join(text)


def test_the_documentation_shows_this_table() -> None:
    assert DOCS.read_text(encoding="utf-8") == document()
    assert len(ODD) >= 60


if __name__ == "__main__":
    DOCS.write_text(document(), encoding="utf-8")
