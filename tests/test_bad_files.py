"""Folders, files, settings and databases that cannot be read, or only in their own way."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import pytest
from tiny import OUTCOMES_CSV, TOUCHES_CSV, notes, outcomes, refusal, touches, utc, write

import touchlab as tl

UTF_8 = "  save it again as CSV UTF-8"
AS_HEADER = "  give every row the columns of the header; quote values with a delimiter inside"
WHOLE_FILE = "  give a whole Parquet file, or a CSV file in UTF-8 with one header line"
FOLDER = "  give a folder with touches.parquet (or .csv) and outcomes.parquet"
SECTIONS = (
    "  the sections are touches, outcomes, customers, surveys, touchpoints, experiments, lifts, "
    "spend, changes, paths, identities, names, brand, report, sweep, data and clean"
)
OWN_NAMES = TOUCHES_CSV.replace("customer_id,timestamp,touchpoint", "who,when,what")
MAPPED = '[touches]\ncustomer_id = "who"\ntimestamp = "when"\n'

# name: (files, lines of the message after the first)
REFUSED: dict[str, tuple[dict[str, str | bytes], list[str]]] = {
    "header only": (
        {"outcomes.csv": "customer_id,timestamp,outcome\n"},
        ["outcomes: the table has no rows", "  give data, or leave the table out"],
    ),
    "no byte": (
        {"outcomes.csv": ""},
        [
            "outcomes: outcomes.csv does not begin with a header line",
            "  give a CSV file with the columns' names in its first line",
        ],
    ),
    "CSV and Parquet": (
        {"touches.csv": TOUCHES_CSV, "touches.parquet": "x"},
        ["touches: found twice: touches.csv, touches.parquet", "  keep one of them"],
    ),
    "CSV and Parquet in a folder of parts": (
        {"touches/1.csv": TOUCHES_CSV, "touches/2.parquet": "x"},
        ["touches: Parquet and CSV are mixed: 1.csv, 2.parquet", "  keep one kind"],
    ),
    "Parquet that is none": (
        {"touches.parquet": b"PAR1 and no more"},
        [
            "touches: touches.parquet cannot be read: "
            "No magic bytes found at end of file 'touches.parquet'",
            WHOLE_FILE,
        ],
    ),
    "Latin-1": (
        {"touches.csv": TOUCHES_CSV.replace("email", "M\xfcnze").encode("latin-1")},
        ["touches: line 3 of touches.csv is not UTF-8 text", UTF_8],
    ),
    "UTF-16": (
        {"touches.csv": TOUCHES_CSV.encode("utf-16")},
        ["touches: touches.csv is not UTF-8 text", UTF_8],
    ),
    "workbook named CSV": (
        {"touches.csv": b"PK\x03\x04\x14\x00\x06\x00"},
        ["touches: touches.csv is not UTF-8 text", UTF_8],
    ),
    "row too short": (
        {"touches.csv": TOUCHES_CSV + "a,2026-03-03\n"},
        ["touches: line 4 of touches.csv has 2 values, the header has 3 columns", AS_HEADER],
    ),
    "row too long": (
        {"touches.csv": TOUCHES_CSV + "a,2026-03-03,email,1\n"},
        ["touches: line 4 of touches.csv has 4 values, the header has 3 columns", AS_HEADER],
    ),
    "quote left open": (
        {"touches.csv": TOUCHES_CSV + 'a,2026-03-03,"email\n'},
        [
            "touches: line 4 of touches.csv has a quote that does not close",
            '  write a quote within a quoted value twice ("")',
        ],
    ),
    "line ends mixed": (
        {"touches.csv": TOUCHES_CSV.replace("\n", "\r\n", 1)},
        [
            "touches: touches.csv mixes line ends or quotes",
            "  save it again with one kind of line end",
        ],
    ),
    "column twice": (
        {"touches.csv": TOUCHES_CSV.replace("touchpoint", "Timestamp")},
        [
            "touches: has two columns named 'timestamp' and 'Timestamp'",
            "  keep one of them, or rename one",
        ],
    ),
    "gz that is none": (
        {"touches.csv.gz": TOUCHES_CSV},
        ["touches: touches.csv.gz cannot be read: Not a gzipped file (b'cu')", WHOLE_FILE],
    ),
    "gz cut short": (
        {"touches.csv.gz": gzip.compress((TOUCHES_CSV * 9_000).encode())[:-30]},
        [
            "touches: touches.csv.gz cannot be read: Unexpected end of GZIP stream: touches.csv.gz",
            WHOLE_FILE,
        ],
    ),
    "two unreadable files": (
        {"touches.parquet": "x", "outcomes.csv": ""},
        [
            "touches: touches.parquet cannot be read: "
            "File 'touches.parquet' too small to be a Parquet file",
            WHOLE_FILE,
            "outcomes: outcomes.csv does not begin with a header line",
            "  give a CSV file with the columns' names in its first line",
        ],
    ),
    "settings map to no column": (
        {"touches.csv": OWN_NAMES, "touchlab.toml": f'{MAPPED}touchpoint = "that"'},
        [
            "touches.touchpoint: touchlab.toml maps it to 'that', which is not a column; "
            "did you mean 'what'?",
            "  give one of who, when, what",
        ],
    ),
    "settings map to a number": (
        {"touches.csv": OWN_NAMES, "touchlab.toml": f"{MAPPED}touchpoint = 3"},
        [
            "touches.touchpoint: touchlab.toml maps it to 3, which is not a column",
            "  give one of who, when, what",
        ],
    ),
    "settings map an unknown column": (
        {"touchlab.toml": '[touches]\ncampain = "touchpoint"'},
        [
            "touches.campain: touchlab.toml maps a column that the table does not have; "
            "did you mean 'campaign'?",
            "  its columns are customer_id, timestamp, touchpoint, cost, campaign, direction, "
            "agent, team, duration, result, touch_id, currency",
            "touches.touchpoint: the column is missing; found customer_id, timestamp, campain",
            '  rename one, or map it in touchlab.toml: [touches] touchpoint = "your_name"',
        ],
    ),
    "settings of a table that is not there": (
        {"touchlab.toml": '[surveys]\nscore = "rating"'},
        [
            "surveys: touchlab.toml names a table that is not there; "
            "found outcomes.csv, touches.csv",
            "  add the table, or take [surveys] out",
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    files, expected = REFUSED[name]
    first, *lines = refusal(write(tmp_path / "shop", files))
    assert lines == expected
    count = sum(not line.startswith("  ") for line in expected)
    assert first == f"shop: {count} problem" + ("s" if count > 1 else "")


ADDRESS = "  give one line: address = 'postgres://user@host/database'"
SETTINGS = {
    "not TOML": (b"[touches", ["touchlab.toml: Expected ']' at the end of a table declaration"]),
    "not UTF-8": (
        "# M\xfcnze".encode("latin-1"),
        ["touchlab.toml: it is not UTF-8 text", "  save it again in UTF-8"],
    ),
    "unknown section": (
        b"[touch]\na = 1",
        ["touchlab.toml: [touch] is not a section; did you mean 'touches'?", SECTIONS],
    ),
    "value for a section": (
        b"touches = 'clicks'",
        [
            "touchlab.toml: touches is a value, not a section",
            "  write [touches] on a line of its own",
        ],
    ),
    "data without an address": (b"[data]", ["touchlab.toml: [data] holds nothing", ADDRESS]),
    "mistyped address": (
        b"[data]\nadress = 'postgres://host/shop'",
        ["touchlab.toml: [data] holds adress", ADDRESS],
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_refused(name: str, tmp_path: Path) -> None:
    content, (first, *more) = SETTINGS[name]
    lines = refusal(write(tmp_path, {"touchlab.toml": content}))
    assert lines[0].startswith(first)
    assert lines[1:] == (more or ["  give valid TOML, such as name = 'text'"])


def test_no_table_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    assert refusal(tmp_path)[1::2] == [
        "touches: the table is missing; found readme.txt",
        "outcomes: the table is missing; found readme.txt",
    ]


def test_not_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "touches.csv"
    file.write_text(TOUCHES_CSV)
    assert refusal(file) == [f"{file}: is a file, not a folder", FOLDER]
    assert refusal(tmp_path / "no") == [f"{tmp_path / 'no'}: does not exist", FOLDER]
    assert refusal("x" * 5_000)[0].endswith("...: cannot be read: File name too long")


def test_damaged_parquet(tmp_path: Path) -> None:
    write(tmp_path, {"touches.parquet": ""})
    file = tmp_path / "touches.parquet"
    touches().to_parquet(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + bytes(60) + whole[100:])  # the footer is still good
    problem = refusal(tmp_path)[1:]
    assert problem[0].startswith("touches: cannot be read: ")
    assert problem[1:] == [WHOLE_FILE]


READ = {
    "byte order mark": {"touches.csv": "\ufeff" + TOUCHES_CSV},
    "semicolons": {"touches.csv": TOUCHES_CSV.replace(",", ";")},
    "tabs": {"touches.csv": TOUCHES_CSV.replace(",", "\t")},
    "Windows line ends": {"touches.csv": TOUCHES_CSV.replace("\n", "\r\n")},
    "gz": {"touches.csv.gz": gzip.compress(TOUCHES_CSV.encode())},
    "upper case": {"TOUCHES.CSV": TOUCHES_CSV},
    "spaces in the header": {"touches.csv": TOUCHES_CSV.replace(",timestamp", ", timestamp ")},
    "a folder of parts": {
        "touches/a.csv": TOUCHES_CSV.partition("b,")[0],
        "touches/b/c.csv": "touchpoint,timestamp,customer_id\nemail,2026-03-02T10:00:00Z,b\n",
        "touches/_SUCCESS": "",
    },
    "a name of its own": {
        "Clicks.csv": TOUCHES_CSV,
        "touchlab.toml": '[touches]\ntable = "Clicks"\n',
    },
    "names swapped": {
        "touches.csv": TOUCHES_CSV.replace("customer_id,timestamp", "timestamp,customer_id"),
        "touchlab.toml": '[touches]\ncustomer_id = "timestamp"\ntimestamp = "customer_id"\n',
    },
}


@pytest.mark.parametrize("name", READ)
def test_read(name: str, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {**READ[name], "outcomes.csv": OUTCOMES_CSV}
    folder = tmp_path / "a folder [with] a * name?"
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    data = tl.open_data(folder)
    rows = data.touches.to_pandas().sort_values("customer_id")
    assert rows.touchpoint.tolist() == ["search", "email"]
    assert notes(data) == []


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("name", ["touchpoint=EVIL", "shop[12]", "a*b", "a?b", "we{a,b}ird"])
def test_names_of_folders_are_names(name: str, form: str, tmp_path: Path) -> None:
    for folder in ("shop1", "a-b", "weaird"):
        write(tmp_path / folder, {})
    for folder in (tmp_path / name, tmp_path / "shop" / "touches" / name):
        folder.mkdir(parents=True)
        source = touches(touchpoint=["own", "own", "own"])
        getattr(source, f"to_{form}")(folder / f"touches.{form}", index=False)
        outcomes().to_parquet(folder.parents[folder.parent != tmp_path] / "outcomes.parquet")
    outcomes().to_parquet(tmp_path / name / "outcomes.parquet")
    (tmp_path / "shop" / "touches" / "outcomes.parquet").unlink(missing_ok=True)
    for shop in (tmp_path / name, tmp_path / "shop"):
        assert set(tl.open_data(shop).touches.touchpoint.to_pandas()) == {"own"}


def test_quotes_and_newlines_in_names(tmp_path: Path) -> None:
    more = 'b,2026-03-02T11:00:00Z,"a ""shop"",\nnext door"\n'
    names = tl.open_data(write(tmp_path, {"touches.csv": TOUCHES_CSV + more})).touches.touchpoint
    assert names.to_pandas().tolist()[-1] == 'a "shop",\nnext door'


def test_ids_keep_their_zeros(tmp_path: Path) -> None:
    files = {"touches.csv": TOUCHES_CSV.replace("a,", "007,"), "outcomes.csv": OUTCOMES_CSV}
    data = tl.open_data(write(tmp_path, files))
    assert data.touches.to_pandas().customer_id.tolist() == ["007", "b"]


def test_files_with_near_names_are_noted(tmp_path: Path) -> None:
    spare = dict.fromkeys(["customer.csv", "touches_2025.csv", "truth.csv"], "x\n1\n")
    data = tl.open_data(write(tmp_path, {"touches.csv": TOUCHES_CSV} | spare))
    assert [note for _, _, note in notes(data)] == [
        "customer.csv is not used; did you mean 'customers'?",
        "touches_2025.csv is not used; did you mean 'touches'?",
    ]


def test_report_section(tmp_path: Path) -> None:
    columns = '[touches]\ncampaign = "touchpoint"\ntouchpoint = "touchpoint"\n'
    settings = f'[report]\noutcome = "churn"\n{columns}'
    data = tl.open_data(write(tmp_path, {"touchlab.toml": settings}))
    assert data.parameters == {"outcome": "churn"}
    assert data.touches.columns == ("customer_id", "timestamp", "touchpoint", "campaign")


PASSWORD = "hunt/er2@x"
URLS = (
    f"nosuch://ann:{PASSWORD}@host/db",
    "postgres://ann:hunt%2Fer2%40x@localhost:1/db",
    f"postgres://ann@localhost:1/db?password={PASSWORD}",
    f"postgres://ann:{PASSWORD}",
    f"postgres:/ann:{PASSWORD}@host/db",
    f"mysql://ann:{PASSWORD}@host/db",
)


@pytest.mark.parametrize("url", URLS)
def test_passwords_are_never_shown(url: str) -> None:
    shown = "\n".join(refusal(url))
    assert "hunt" not in shown
    assert "er2" not in shown


def test_wrong_scheme() -> None:
    assert refusal("nosuch://ann@host/db") == [
        "nosuch://host/db: is no address that touchlab opens",
        "  it begins with postgres://, spark:// or duckdb://; for another engine that Ibis "
        "reaches, give open_data a connection",
    ]


def test_a_secret_in_an_address() -> None:
    assert refusal("nosuch://ann:secret@host/db") == [
        "nosuch://host/db: a secret is written into the address",
        "  write ${NAME} in its place to take it from the environment, or leave it out: "
        "PostgreSQL's driver reads PGPASSWORD and ~/.pgpass",
    ]


@pytest.mark.parametrize("name", ["no.db", "", "a folder", "two\nlines.duckdb"])
def test_database_file_missing_is_not_made(name: str, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    file = tmp_path / name
    missing = f"duckdb://{file}: the file does not exist\n  check the path".split("\n")
    assert refusal(f"duckdb://{file}") == missing
    (tmp_path / "touchlab.toml").write_text(f"[data]\naddress = {json.dumps(f'duckdb://{name}')}")
    assert refusal(tmp_path) == missing
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a folder", "touchlab.toml"]


def _duckdb_file(path: Path, **frames: pd.DataFrame) -> Path:
    with duckdb.connect(str(path)) as connection:
        for name, frame in frames.items():
            connection.register("given", frame)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    return path


def test_duckdb_file(tmp_path: Path) -> None:
    times = utc("2026-03-01T10:00", "2026-03-04T10:00", "2026-03-02T10:00")
    timed, bought = touches(timestamp=times), outcomes(timestamp=utc("2026-03-05T10:00"))
    twice = pd.concat([timed, timed])
    file = _duckdb_file(tmp_path / "shop.duckdb", touches=twice, outcomes=bought)
    data = tl.open_data(file)
    assert data.name == "shop"
    assert data.overview.rows.tolist() == [3, 1]
    assert notes(data) == [("touches", 3, "exact duplicates dropped")]
    assert tl.open_data(f"duckdb://{file}").fingerprint == data.fingerprint
    frames = tl.open_data({"touches": timed, "outcomes": bought})
    assert data.fingerprint == frames.fingerprint
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        data.touches.get_backend().con.execute("DROP TABLE touches")


def test_a_view_of_a_duckdb_file_reads_no_other_file(tmp_path: Path) -> None:
    file = _duckdb_file(tmp_path / "shop.duckdb", outcomes=outcomes())
    touches().to_csv(tmp_path / "private.csv", index=False)
    with duckdb.connect(str(file)) as connection:
        query = f"SELECT * FROM read_csv('{tmp_path / 'private.csv'}')"
        connection.execute(f"CREATE VIEW touches AS {query}")
    for source in (file, f"duckdb://{file}"):
        first, *lines = refusal(source)
        assert first == f"duckdb://{file}: cannot connect"
        assert "file system operations are disabled by configuration" in lines[0]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "s3://bucket/a.parquet", "../private.csv", "a*", "read_csv('a')", "x;y"]
)
def test_tables_of_a_database_go_by_name_alone(name: str, tmp_path: Path) -> None:
    _duckdb_file(tmp_path / "shop.duckdb", touches=touches(), outcomes=outcomes())
    lines = f'[data]\naddress = "duckdb://shop.duckdb"\n[touches]\ntable = "{name}"'
    (tmp_path / "touchlab.toml").write_text(lines)
    assert refusal(tmp_path) == [
        f"touchlab.toml: table = {name!r} is not a name",
        "  name a table or view, its schema before a dot",
    ]


def test_a_folder_names_a_file_beside_it_and_its_tables(tmp_path: Path) -> None:
    clicks = touches().rename(columns={"touchpoint": "what"})
    file = _duckdb_file(tmp_path / "shop.duckdb", **{"clicks": clicks, "outcomes": outcomes()})
    lines = '[data]\naddress = "duckdb://shop.duckdb"\n[touches]\ntable = "main.clicks"\n'
    (tmp_path / "touchlab.toml").write_text(f'{lines}touchpoint = "what"')
    data, before = tl.open_data(tmp_path), file.read_bytes()
    assert (data.name, data.overview.rows.tolist()) == (tmp_path.name, [3, 1])
    assert file.read_bytes() == before


def test_nothing_is_fetched_for_a_query(tmp_path: Path) -> None:
    data = tl.open_data({"touches": touches(), "outcomes": outcomes()})
    engine = data.touches.get_backend().con
    with pytest.raises(duckdb.Error, match="httpfs"):
        engine.execute("SELECT * FROM 'https://127.0.0.1:1/a.parquet'")
    names = "('autoinstall_known_extensions', 'autoload_known_extensions')"
    found = engine.execute(f"SELECT value FROM duckdb_settings() WHERE name IN {names}").fetchall()
    assert found == [("false",), ("false",)]


def test_duckdb_file_without_a_table(tmp_path: Path) -> None:
    assert refusal(_duckdb_file(tmp_path / "shop.duckdb", touches=touches())) == [
        "shop: 1 problem",
        "outcomes: the table is missing; found touches",
        "  give outcomes as a Parquet or CSV file, a database table or a frame",
    ]


def test_duckdb_file_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "shop.duckdb"
    file.write_text("hello" * 1000)
    first, why, mend = refusal(file)
    assert first == f"duckdb://{file}: cannot connect"
    assert "not a valid DuckDB database file" in why
    assert mend == "  check that it is such a database and that no other connection has it open"


def test_types_that_only_a_database_has(tmp_path: Path) -> None:
    file = _duckdb_file(tmp_path / "shop.duckdb", touches=touches())
    with duckdb.connect(str(file)) as connection:
        columns = "1::hugeint customer_id, 'infinity'::timestamptz AS timestamp, 3::bignum AS value"
        connection.execute(f"CREATE TABLE outcomes AS SELECT {columns}, 'conversion' outcome")
    assert refusal(file) == [
        "shop: 2 problems",
        "outcomes.value: is of a type that Ibis does not know, not a number",
        "  give numbers",
        "outcomes.timestamp: 1 of 1 rows are out of range",
        "  first: customer 1, value infinity",
        "  give times from 1971-01-01 to 2200-01-01; "
        "January 1970 comes of seconds read as milliseconds",
    ]


def test_a_database_that_cannot_run_the_check(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    connection = sqlite3.connect(file)
    for name, frame in {"touches": touches(), "outcomes": outcomes()}.items():
        frame.astype({"timestamp": "str"}).to_sql(name, connection, index=False)
    connection.close()
    problems = refusal(ibis.sqlite.connect(file))
    assert problems[0] == "sqlite: 2 problems"
    assert problems[1].startswith("touches: cannot be read: ")
    assert problems[2] == "  check the table, or export it to Parquet"
