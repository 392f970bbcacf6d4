"""Files as other tools export them: opened with two lines of touchlab.toml, value by value."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import run_notebook

import touchlab as tl
from touchlab import show
from touchlab.cli import main
from touchlab.data.connect import of_session
from touchlab.data.settings import source_named, source_names

SOURCES = Path(__file__).parent / "data" / "sources"
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def rows(data: tl.Dataset, table: str, *columns: str) -> list[str]:
    """Write a table's rows as text: times without what is zero, in order."""
    frame = data.tables[table].select(columns or data.tables[table].columns).to_pandas()
    for column in frame.select_dtypes("datetime"):
        frame[column] = frame[column].dt.strftime("%m-%d %H:%M")
    return sorted(" | ".join(map(str, row)) for row in frame.astype(object).fillna("").values)


def notes(data: tl.Dataset, table: str) -> list[str]:
    own = data.notes[data.notes.table == table]
    return [f"{row.rows} {row.note}" for row in own.itertuples()]


TOUCHES = ("customer_id", "timestamp", "touchpoint")
OUTCOMES = ("customer_id", "timestamp", "outcome", "value")

# source: (touches, outcomes)
EXPECTED: dict[str, tuple[list[str], list[str]]] = {
    # Two sessions of ann's first device, the second paid for by its gclid; one of her second,
    # known by user_id; of two ways into one session the first; no session without consent.
    "ga4": (
        [
            "ann | 01-01 10:00 | Organic Search",
            "ann | 01-03 09:00 | Paid Search",
            "ann | 01-04 08:00 | Direct",
            "p3.3 | 01-05 08:00 | Email",
            "p3.3 | 01-06 09:00 | (other)",
        ],
        ["ann | 01-03 10:00 | conversion | 80.5", "ann | 01-07 09:00 | refund | 20.0"],
    ),
    # The page ten minutes later is of the same visit; a9 was ann's and bob's, so nobody's.
    "segment": (
        [
            "a3 | 01-03 11:00 | Organic Social",
            "u1 | 01-01 10:00 | Paid Search",
            "u1 | 01-02 10:00 | Organic Search",
            "u1 | 01-03 10:00 | Direct",
        ],
        ["u1 | 01-03 10:20 | conversion | 49.9"],
    ),
    "snowplow": (
        [
            "ann | 01-01 10:00 | Organic Search",
            "ann | 01-02 10:00 | Email",
            "ann | 01-03 10:00 | Paid Search",
            "d3 | 01-04 10:00 | Organic Social",
        ],
        ["ann | 01-02 10:05 | conversion | 99.0"],
    ),
    # The meeting was with two contacts; the note with none.
    "hubspot": (
        [
            "101 | 01-03 10:00 | Call",
            "101 | 01-10 10:00 | Meeting",
            "102 | 01-10 10:00 | Meeting",
            "103 | 01-12 10:00 | Email",
        ],
        ["101 | 01-20 15:00 | conversion | 12000.0"],
    ),
    # B's first subscription ended as the second began: still here. C never paid.
    "stripe": (
        ["cus_A | 01-01 09:00 | search", "cus_B | 01-20 09:00 | email"],
        [
            "cus_A | 01-01 10:00 | conversion | 29.0",
            "cus_A | 02-01 10:00 | renewal | 29.0",
            "cus_A | 03-01 10:00 | churn | ",
            "cus_B | 01-05 10:00 | conversion | 9.0",
            "cus_B | 02-05 10:00 | conversion | 29.0",
        ],
    ),
}


@pytest.mark.parametrize("source", EXPECTED)
def test_opens(source: str) -> None:
    data = tl.open_data(SOURCES / source)
    assert (rows(data, "touches", *TOUCHES), rows(data, "outcomes", *OUTCOMES)) == EXPECTED[source]


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted(folder.name for folder in SOURCES.iterdir()))
def test_every_page_is_made_of_it(source: str, shell: Any) -> None:
    assert len((SOURCES / source / "touchlab.toml").read_text().splitlines()) <= 10
    given = {"data": str(SOURCES / source), "min_customers": 1, "customers": 300, "days": 40}
    for notebook in NOTEBOOKS:
        made = run_notebook(shell, notebook, **given, seeds=[1])  # fails where a cell does
        assert any(cell.get("outputs") for cell in made.cells), notebook.stem
    show.protect(tl.open_data(SOURCES / source))  # tests share one kernel


def test_ids_are_brought_together() -> None:
    assert notes(tl.open_data(SOURCES / "segment"), "identities") == [
        "1 aliases of several customers, left as they are",
        "2 aliases exchanged for the id of their customer",
    ]


def test_ways_that_touches_go_are_known_from_a_crm() -> None:
    data = tl.open_data(SOURCES / "hubspot")
    assert rows(data, "touches", "touchpoint", "direction") == [
        "Call | out", "Email | in", "Meeting | ", "Meeting | ",
    ]  # fmt: skip


def test_companies_are_the_customers_on_request(tmp_path: Path) -> None:
    folder = shutil.copytree(SOURCES / "hubspot", tmp_path / "crm")
    (folder / "touchlab.toml").write_text("""
[data]
source = "hubspot"
[touches]
customer_id = "Associated Company IDs"
[outcomes]
customer_id = "Associated Company IDs"
[customers]
customer_id = "Primary Associated Company ID"
one_per = "Primary Associated Company ID"
""")
    data = tl.open_data(folder)
    assert rows(data, "touches", "customer_id", "touchpoint") == [
        "9001 | Call", "9001 | Meeting", "9002 | Email",
    ]  # fmt: skip
    assert rows(data, "outcomes", "customer_id", "value") == ["9001 | 12000.0"]
    assert rows(data, "customers", "customer_id", "observed_from", "observed_to") == [
        "9001 | 01-01 09:00 | 02-01 09:00", "9002 | 01-06 09:00 | 02-01 09:00",
    ]  # fmt: skip


def test_answers_come_a_row_a_question() -> None:
    data = tl.open_data(SOURCES / "typeform")
    columns = ("customer_id", "touchpoint", "metric", "score", "comment")
    assert rows(data, "surveys", *columns) == [
        " | delivery | csat | 2.0 | ",
        " | website | nps | 10.0 | ",
        "c1 | delivery | csat | 5.0 | ",
        "c1 | website | nps | 9.0 | Faster, please",
        "c2 | website | nps | 3.0 | ",
    ]


def test_spend_lands_on_the_touches_of_its_day() -> None:
    """1,000 for brand over its two touches, 50 for generic over all three; 30 met no touch."""
    data = tl.open_data(SOURCES / "ads")
    touches = data.touches.to_pandas().sort_values("timestamp")
    assert touches.cost.round(2).tolist() == [516.67, 516.67, 16.67, 40.0, 0.0]
    assert not data.has("spend")
    assert notes(data, "spend")[1:] == [
        "2 90.00 of 1,120.00 (8.0 %) was spent by campaigns without a touch that day, spread over "
        "the touches of their touchpoint; most on 'Paid Search': 50.00",
        "1 30.00 of 1,120.00 (2.7 %) was spent on days without a touch of its touchpoint, dropped; "
        "most on 'Paid Search': 30.00",
    ]


@pytest.mark.parametrize("source", source_names())
def test_sources_say_what_they_are_made_from(source: str) -> None:
    """Their tables are known by columns, and no file makes two that look the same."""
    read = {
        table
        for name, sections in source_named(source).items()
        if name != "know"
        for section in (sections if isinstance(sections, list) else [sections])
        for table in ([section["table"]] if isinstance(section["table"], str) else section["table"])
    }
    assert source_named(source)["know"].keys() <= read


def test_files_have_other_names(tmp_path: Path) -> None:
    folder = shutil.copytree(SOURCES / "ga4", tmp_path / "ga4")
    (folder / "events.jsonl").rename(folder / "bq-results.jsonl")
    settings = folder / "touchlab.toml"
    with pytest.raises(tl.DataError) as error:
        tl.open_data(folder)
    assert str(error.value).splitlines()[1:3] == [
        "touches: source 'ga4' makes it from events; found bq-results.jsonl",
        "  name the file, under [data] in touchlab.toml: events = 'your_file'",
    ]
    settings.write_text(settings.read_text() + 'events = "bq-results"\n')
    assert len(rows(tl.open_data(folder), "touches")) == 5


def test_parquet_means_the_same(tmp_path: Path) -> None:
    """Nested types come from the file: numbers are numbers there, not text."""
    events = pd.read_json(SOURCES / "ga4" / "events.jsonl", lines=True, dtype=False)
    for pairs in events.event_params:
        for pair in pairs:
            given = {"string_value": None, "int_value": None, "double_value": None} | pair["value"]
            given["int_value"] = given["int_value"] and int(given["int_value"])
            pair["value"] = given
    events["event_timestamp"] = events.event_timestamp.astype("int64")
    events.to_parquet(tmp_path / "events.parquet")
    (tmp_path / "touchlab.toml").write_text('[data]\nsource = "ga4"\n')
    data = tl.open_data(tmp_path)
    assert (rows(data, "touches", *TOUCHES), rows(data, "outcomes", *OUTCOMES)) == EXPECTED["ga4"]


def read_text(folder: Path) -> dict[str, pd.DataFrame]:
    files = {file.stem: file for file in folder.glob("*.csv")}
    return {n: pd.read_csv(f, dtype=object, keep_default_na=False) for n, f in files.items()}


@pytest.mark.slow
@pytest.mark.parametrize("source", ["segment", "snowplow", "hubspot", "stripe"])
def test_postgres_makes_the_same(
    source: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setenv("TOUCHLAB_ALLOW_ADDRESS", f"{postgres}/{source}")
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"CREATE SCHEMA {source}")
        for name, table in read_text(SOURCES / source).items():
            columns = ", ".join(f'"{column}" text' for column in table.columns)
            server.execute(f"CREATE TABLE {source}.{name} ({columns})")
            with server.cursor().copy(f"COPY {source}.{name} FROM STDIN") as copy:
                for row in table.itertuples(index=False):
                    copy.write_row([value or None for value in row])
    settings = (SOURCES / source / "touchlab.toml").read_text()
    (tmp_path / "touchlab.toml").write_text(f'{settings}address = "{postgres}/{source}"\n')
    data = tl.open_data(tmp_path)
    assert (rows(data, "touches", *TOUCHES), rows(data, "outcomes", *OUTCOMES)) == EXPECTED[source]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["ga4", "segment", "snowplow", "hubspot", "stripe"])
def test_spark_makes_the_same(
    source: str, spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, table in read_text(SOURCES / source).items():
        columns = ", ".join(f"`{column}` string" for column in table.columns)
        spark.createDataFrame(
            table.replace("", None).to_numpy().tolist(), columns
        ).createOrReplaceTempView(name)
    if source == "ga4":
        spark.read.json(str(SOURCES / "ga4" / "events.jsonl")).createOrReplaceTempView("events")
    monkeypatch.setattr("touchlab.data.locate.connect", lambda _address: of_session(spark))
    monkeypatch.setenv("TOUCHLAB_ALLOW_ADDRESS", "spark://local:7077")
    settings = (SOURCES / source / "touchlab.toml").read_text()
    (tmp_path / "touchlab.toml").write_text(f'{settings}address = "spark://local:7077"\n')
    data = tl.open_data(tmp_path)
    assert (rows(data, "touches", *TOUCHES), rows(data, "outcomes", *OUTCOMES)) == EXPECTED[source]


UNKNOWN = {
    "orders_2026.csv": "Order No;Client ID;Ordered on;Total\n1;17;31.01.2026 10:12;1.204,50\n",
    "contact log.csv": "client,channel,when\n17,newsletter,1767225600\n18,search,1769870000\n",
    "members.csv": "Member No,Plan,Joined,Cancelled\n17,gold,2026-01-01,2026-02-01\n"
    "18,basic,2026-01-01,\n",
    "weather.csv": "day,temperature\n2026-01-01,3\n",
}


def test_init_guesses_files_of_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in UNKNOWN.items():
        (tmp_path / name).write_text(text)
    assert main(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:6] == [
        'contact log: touches, from customer_id = "client", '
        'timestamp = { column = "when", unit = "s" }, touchpoint = "channel"',
        'members: customers, from customer_id = "Member No", observed_from = "Joined", '
        'observed_to = { constant = "" }',
        'members: outcomes, from customer_id = "Member No", timestamp = "Cancelled", '
        'outcome = { constant = "churn" }',
        'orders_2026: outcomes, from customer_id = "Client ID", '
        'timestamp = { column = "Ordered on", day_first = true }, '
        'outcome = { constant = "conversion" }, value = { column = "Total", decimal = "," }',
        "weather: not placed; its columns are day, temperature",
        f"written: {tmp_path / 'touchlab.toml'}",
    ]
    data = tl.open_data(tmp_path)
    assert rows(data, "touches", *TOUCHES) == [
        "17 | 01-01 00:00 | newsletter", "18 | 01-31 14:33 | search",
    ]  # fmt: skip
    assert rows(data, "outcomes", *OUTCOMES) == [
        "17 | 01-31 10:12 | conversion | 1204.5", "17 | 02-01 00:00 | churn | ",
    ]  # fmt: skip
    assert main(["init", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "DataError: touchlab.toml: the file exists and is left as it is\n"
        "  edit it, or move it away to have one proposed\n"
    )


@pytest.mark.parametrize("source", [*EXPECTED, "typeform", "ads"])
def test_init_knows_exports(source: str, tmp_path: Path) -> None:
    """By their columns, whatever the file is called; what it writes opens as one's own does."""
    folder = shutil.copytree(SOURCES / source, tmp_path / source)
    (folder / "touchlab.toml").unlink()
    for name in ("events.jsonl", "events.csv", "subscriptions.csv", "google_ads.csv"):
        if (folder / name).exists():
            (folder / name).rename(folder / f"export-{name}")
    assert main(["init", str(folder)]) == 0
    data, own = tl.open_data(folder), tl.open_data(SOURCES / source)
    for table in ("touches", "outcomes"):
        assert rows(data, table) == rows(own, table)


def test_init_takes_the_files_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in UNKNOWN.items():
        (tmp_path / name).write_text(text)
    assert main(["init", str(tmp_path / "weather.csv")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "weather: not placed; its columns are day, temperature", "nothing to write",
    ]  # fmt: skip
