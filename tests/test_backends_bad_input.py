"""Databases and clusters that are not there, refuse or go away: whole messages, no secrets."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import ibis
import pandas as pd
import pytest
from conftest import lacking, load_postgres
from tiny import customers, outcomes, refusal, tables, touches

import touchlab as tl
from touchlab.data.connect import read_address
from touchlab.reporting import run_report
from touchlab.reporting.source import Cut, Source, cut_data, data_key, data_place

PASSWORD = "hunt/er2@x"
SECRET = (
    "write ${NAME} in its place to take it from the environment, or leave it out: "
    "PostgreSQL's driver reads PGPASSWORD and ~/.pgpass"
)
SCHEMES = (
    "  it begins with postgres://, spark:// or duckdb://; for another engine that Ibis reaches, "
    "give open_data a connection"
)


# ---- addresses, without any server


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgres://ann:hunter@host/shop", "postgres://host/shop"),
        ("postgres://ann:${USER}hunter@host/shop", "postgres://host/shop"),
        ("postgres://ann@host:5433/shop?password=hunter", "postgres://host:5433/shop"),
        (
            "spark://host:7077/s3a://b/shop?fs.s3a.secret.key=hunter",
            "spark://host:7077/s3a://b/shop",
        ),
        ("nosuch://ann:hunter@host/shop", "nosuch://host/shop"),
    ],
)
def test_a_secret_in_the_address_is_refused(address: str, shown: str) -> None:
    assert refusal(address) == [f"{shown}: a secret is written into the address", f"  {SECRET}"]


def test_a_name_that_the_environment_lacks() -> None:
    assert refusal("postgres://ann:${TOUCHLAB_NO_SUCH}@host/shop") == [
        "postgres://host/shop: the environment has no TOUCHLAB_NO_SUCH",
        "  set it before touchlab starts: export TOUCHLAB_NO_SUCH=...",
    ]


def test_values_of_the_environment_are_written_as_addresses_need_them() -> None:
    address = read_address("postgres://${WHO}:${PW}@host/shop", {"WHO": "ann", "PW": PASSWORD})
    assert address.full == "postgres://ann:hunt%2Fer2%40x@host/shop"
    assert "hunt" not in repr(address)


def test_an_address_that_cannot_be_read() -> None:
    assert refusal("postgres://host:many/shop") == [
        "postgres://host: the address cannot be read",  # "many" may be meant as a password
        "  write scheme://user@host:port/database; the port is a number",
    ]


FOREIGN = ["memtable://", "util://a", "random://", "options://x", "readcsv:///etc/passwd"]
FOREIGN += ["mysql://host/shop", "sqlite://shop.db", "file:///etc", "s3://bucket/shop", "md://x"]


@pytest.mark.parametrize("address", FOREIGN)
def test_schemes_that_are_not_tested_are_refused(address: str, tmp_path: Path) -> None:
    refused = [f"{address}: is no address that touchlab opens", SCHEMES]
    assert refusal(address) == refused
    (tmp_path / "touchlab.toml").write_text(f"[data]\naddress = '{address}'")
    assert refusal(tmp_path) == refused


@pytest.mark.parametrize("address", ["/etc/passwd", "shop.duckdb", "duckdb:/x", ""])
def test_a_bare_path_is_no_address(address: str, tmp_path: Path) -> None:
    (tmp_path / "touchlab.toml").write_text(f"[data]\naddress = '{address}'")
    said = refusal(tmp_path)
    assert said[1:] == [SCHEMES] or not address


MISTYPED = (
    "postgres:/{}",
    "postgres//{}",
    " postgres://{}",
    "postgres:{}",
    "://{}",
    "postgres://{}?",
)
MISTYPED += (
    "POSTGRES://{}",
    "jdbc:postgres://{}",
    "nosuch://{}",
    "postgres ://{}",
    "postgres://\n{}",
)
AFTER = (
    "ann:hunt/er2@x@host/db",
    "ann:4711?er2@host/db",
    "ann:hunt er2",
    "ann:4711#er2@host:5432/db",
)


@pytest.mark.parametrize("before", MISTYPED)
@pytest.mark.parametrize("after", AFTER)
def test_a_mistyped_address_is_not_repeated(before: str, after: str, tmp_path: Path) -> None:
    address = before.format(after)
    said = "\n".join(refusal(address))
    (tmp_path / "touchlab.toml").write_text(f"[data]\naddress = {address!r}")
    said += "\n".join(refusal(tmp_path))
    with pytest.raises(tl.DataError) as refused:
        data_place(address, tmp_path)
    for part in ("hunt", "er2", "4711", "@x"):
        assert part not in said + str(refused.value)


# ---- what the file of a folder may do


@pytest.fixture
def brought(tmp_path: Path) -> Callable[[str], Path]:
    """A folder that brings an address along."""

    def write(address: str) -> Path:
        (tmp_path / "touchlab.toml").write_text(f"[data]\naddress = '{address}'")
        return tmp_path

    return write


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "HOME", "TOUCHLAB_KEY", "PG_X", "XPGUSER"]
)
@pytest.mark.parametrize("address", ["postgres://u:${%s}@host/x", "postgres://host/${%s}"])
def test_a_folder_sends_no_variable_away(
    name: str, address: str, brought: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("TOUCHLAB_ALLOW_ADDRESS", address % name)
    assert refusal(brought(address % name)) == [
        f"touchlab.toml: its address takes {name} from the environment",
        "  it may take what is called PG... or TOUCHLAB_..., but not TOUCHLAB_KEY",
    ]


def test_a_folder_has_a_server_asked_on_the_users_word(
    brought: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "postgres://${TOUCHLAB_WHO}:${PGPASSWORD}@127.0.0.1:1/shop?connect_timeout=1"
    monkeypatch.setenv("TOUCHLAB_WHO", "ann")
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    shop = brought(address)
    assert refusal(shop) == [
        "touchlab.toml: its address postgres://127.0.0.1:1/shop is asked on your word alone",
        "  read it there; if you trust it, give it as it is written there, in single quotes: "
        "--allow-address, or TOUCHLAB_ALLOW_ADDRESS in the environment",
    ]
    monkeypatch.setenv("TOUCHLAB_ALLOW_ADDRESS", f"spark://local/x {address}")
    said = refusal(shop)
    driver = "psycopg" in sys.modules
    assert said[0].startswith("postgres://127.0.0.1:1/shop: ") and "hunter2" not in str(said)
    assert said[-1] != "  pip install 'touchlab[postgres]'" or not driver
    brought(f"{address}&host=evil.example.org")  # exchanged after the word was given
    assert "on your word alone" in refusal(shop)[0]


@pytest.mark.parametrize(
    ("address", "module", "package"),
    [
        ("postgres://host/shop", "psycopg", "touchlab[postgres]"),
        ("spark://local/shop", "pyspark.sql", "touchlab[spark]"),
    ],
)
def test_a_driver_that_is_not_installed(
    address: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert refusal(address) == [
        f"{address}: the driver is not installed",
        f"  pip install '{package}'",
    ]


def test_a_connection_of_ones_own_and_its_tables() -> None:
    connection = ibis.duckdb.connect()
    for name, frame in tables(customers=customers()).items():
        connection.create_table(name, frame)
    data = tl.open_data(connection)
    assert data.name == "duckdb" and list(data.tables) == ["touches", "outcomes", "customers"]
    given = {name: connection.table(name) for name in ("touches", "outcomes")}
    assert tl.open_data(given).touches.get_backend() is connection
    assert refusal(given | {"outcome": given["touches"]})[:2] == [
        "tables: 1 problem",
        "outcome: is not a table of the contract; did you mean 'outcomes'?",
    ]
    assert refusal(given | {"touches": touches()}) == [
        "open_data: the tables are of more than one engine",
        "  give all as pandas frames, or all as tables of one connection",
    ]


# ---- Spark


@pytest.fixture
def pyspark() -> None:
    try:
        import pyspark.sql  # noqa: F401
    except ImportError:
        lacking("no PySpark: make engines")


@pytest.fixture
def no_session(monkeypatch: pytest.MonkeyPatch, pyspark: None) -> None:
    from pyspark.sql import SparkSession

    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)


@pytest.mark.slow
def test_no_java(no_session: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    mend = "  install Java 17 or newer, or set JAVA_HOME to where it is"
    first = "spark://local/shop: Spark needs Java, and there is none"
    assert refusal("spark://local/shop") == [f"{first} at JAVA_HOME", mend]
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal("spark://local/shop") == [f"{first} on the PATH", mend]


@pytest.mark.slow
def test_no_master(no_session: None) -> None:
    assert refusal("spark://127.0.0.1:1/shop") == [
        "spark://127.0.0.1:1/shop: no Spark master answers at 127.0.0.1:1",
        "  Connection refused",
        "  check host and port (7077 unless changed), and that the master runs",
    ]


@pytest.mark.slow
def test_spark_tables_that_are_not_there(spark: object, tmp_path: Path) -> None:
    address = f"spark://local[2]{tmp_path}"
    name = tmp_path.name
    touches().drop(columns="touchpoint").to_parquet(tmp_path / "touches.parquet", index=False)
    assert refusal(address) == [
        f"{name}: 2 problems",
        "touches.touchpoint: the column is missing; found customer_id, timestamp",
        '  rename one, or map it in touchlab.toml: [touches] touchpoint = "your_name"',
        "outcomes: the table is missing; found nothing",
        "  give outcomes as a Parquet or CSV file, a database table or a frame",
    ]
    first, _, mend = refusal("spark://local[2]/no_such_database")
    assert first == "spark://local[2]/no_such_database: there is no such database"
    assert mend == "  check what stands after the host"
    assert refusal("spark://127.0.0.1:1/shop") == [
        "spark://127.0.0.1:1/shop: a Spark session on another master is running in this process",
        "  stop it first, or give open_data the session itself",
    ]


# ---- PostgreSQL


@pytest.fixture(scope="module")
def shop(postgres: str) -> str:
    return load_postgres(postgres, tables(customers=customers()), "shop")


@pytest.fixture
def server(postgres: str) -> Iterator[Callable[[str], None]]:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        yield lambda statement: connection.execute(statement)  # type: ignore[arg-type]


def at(address: str, **parts: str) -> tuple[str, str]:
    """Change parts of an address; give it, and how messages show it."""
    split = urlsplit(address)
    user, host = parts.get("user", f"{split.username}"), parts.get("host", f"{split.hostname}")
    place = f"{host}:{parts.get('port', split.port)}{parts.get('path', split.path)}"
    return f"postgres://{user}@{place}", f"postgres://{place}"


@pytest.mark.slow
def test_passwords(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    user, (address, shown) = urlsplit(shop).username, at(shop)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert refusal(address) == [
        f"{shown}: the server refused user or password",
        f'  password authentication failed for user "{user}"',
        "  check the user in the address, and PGPASSWORD or the line in ~/.pgpass",
    ]
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    assert refusal(address)[::2] == [
        f"{shown}: no password was given",
        "  set the environment variable PGPASSWORD, or add a line to ~/.pgpass",
    ]


@pytest.mark.slow
def test_places_that_are_not_there(shop: str) -> None:
    address, shown = at(shop, path="/no_such_database")
    assert refusal(address) == [
        f"{shown}: the server has no such database",
        '  database "no_such_database" does not exist',
        "  check the name after the host",
    ]
    address, shown = at(shop, host="no-such-host.invalid")
    assert refusal(address)[::2] == [
        f"{shown}: there is no such host",
        "  check the host in the address; a name inside a company needs its network",
    ]
    address, shown = at(shop, port="1")
    assert refusal(address)[::2] == [
        f"{shown}: no server answers there",
        "  check host and port, that the server runs, and that no firewall is in between",
    ]
    assert refusal(f"{shop}?bogus=1")[0].endswith(": the address cannot be read")


@pytest.mark.slow
def test_tables_and_columns_that_are_not_there(postgres: str) -> None:
    bare = touches(timestamp=["2026-03-01", "soon", "2026-03-02T10:00:00Z"], touchpoint=None)
    assert refusal(load_postgres(postgres, {"touches": bare}, "bare")) == [
        f"{urlsplit(postgres).path[1:]}: 3 problems",
        "touches.touchpoint: the column is missing; found customer_id, timestamp",
        '  rename one, or map it in touchlab.toml: [touches] touchpoint = "your_name"',
        "touches.timestamp: 1 of 3 rows are not times",
        "  first: customer 'a', value 'soon'",
        "  give ISO 8601 (2026-02-28 or 2026-02-28T09:30:00Z)",
        "outcomes: the table is missing; found touches",
        "  give outcomes as a Parquet or CSV file, a database table or a frame",
    ]


@pytest.mark.slow
def test_rights_that_are_missing(
    shop: str, server: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = urlsplit(shop).path.split("/")[1]
    server("CREATE ROLE touchlab_reader LOGIN PASSWORD 'hunter22'")
    try:
        server(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        server("GRANT USAGE ON SCHEMA shop TO touchlab_reader")
        monkeypatch.setenv("PGPASSWORD", "hunter22")
        address, shown = at(shop, user="touchlab_reader")
        assert refusal(address) == [
            f"{shown}: a right is missing",
            "  permission denied for table touches",
            "  ask for SELECT on the tables and TEMPORARY on the database",
        ]
        server("GRANT SELECT ON ALL TABLES IN SCHEMA shop TO touchlab_reader")
        with pytest.raises(tl.DataError) as caught:
            tl.attribute(tl.open_data(address), models=["last"])
        assert str(caught.value).splitlines() == [
            f"{shown}: temporary tables may not be made there",
            f'  permission denied to create temporary tables in database "{name}"',
            "  ask for the right TEMPORARY on the database; a standby that only reads has none",
        ]
    finally:
        server(f"GRANT TEMPORARY ON DATABASE {name} TO PUBLIC")
        server("DROP OWNED BY touchlab_reader")
        server("DROP ROLE touchlab_reader")


@pytest.mark.slow
def test_a_connection_cut_in_the_middle(shop: str) -> None:
    """A lock holds the question up, so that it is certainly running when it is cut."""
    import psycopg

    data = tl.open_data(shop)
    pid = data.touches.get_backend().con.info.backend_pid

    def cut() -> None:
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND pid = %s"
        while not holder.execute(waits, [pid]).fetchall():
            time.sleep(0.05)
        holder.execute("SELECT pg_terminate_backend(%s)", [pid])

    with psycopg.connect(shop.rpartition("/")[0]) as holder:
        holder.execute("LOCK TABLE shop.touches IN ACCESS EXCLUSIVE MODE")
        cutter = threading.Thread(target=cut)
        cutter.start()
        with pytest.raises(tl.DataError) as caught:
            tl.attribute(data, models=["last"])
        cutter.join()
    shown = at(shop)[1]
    mend = "  open the data again and ask again; the server's log says why it was cut"
    assert str(caught.value).splitlines() == [
        f"{shown}: the connection was lost in the middle",
        "  terminating connection due to administrator command",
        mend,
    ]
    with pytest.raises(tl.DataError) as again:
        tl.attribute(data, models=["last"])
    first, _, last = str(again.value).splitlines()
    assert (first, last) == (f"{shown}: the connection was lost in the middle", mend)
    assert len(tl.attribute(tl.open_data(shop), models=["last"])) == 2


@pytest.mark.slow
def test_a_query_that_takes_too_long(shop: str, server: Callable[[str], None]) -> None:
    name = urlsplit(shop).path.split("/")[1]
    server("CREATE VIEW shop.slow AS SELECT t.* FROM shop.touches t, pg_sleep(5)")
    server("CREATE SCHEMA slow; CREATE VIEW slow.touches AS TABLE shop.slow; "
           "CREATE VIEW slow.outcomes AS TABLE shop.outcomes")  # fmt: skip
    address, shown = at(shop, path=f"/{name}/slow")
    assert refusal(f"{address}?options=-c%20statement_timeout%3D200") == [
        f"{shown}: the server stopped a query",
        "  canceling statement due to statement timeout",
        "  ask for a longer statement_timeout, or fewer touches",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("works", [True, False], ids=["ends well", "fails"])
def test_no_secret_in_anything_a_report_leaves(
    works: bool, postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load_postgres(postgres, many_tables(), "report")
    password = os.environ["PGPASSWORD"]
    monkeypatch.setenv("SHOP_PASSWORD", password if works else f"{password}-wrong")
    monkeypatch.delenv("PGPASSWORD")
    split = urlsplit(postgres)
    place = f"{split.hostname}:{split.port}{split.path}/report"
    address = f"postgres://{split.username}:${{SHOP_PASSWORD}}@{place}"
    said = ""
    try:
        run = run_report(address, out=tmp_path / "reports", only=["02_journeys"])
        assert works and run.status == "complete"
    except tl.ReportError as error:
        said = "".join(traceback.format_exception(error))
        assert not works and "refused user or password" in said
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 3
    for text in (said, *(file.read_text("utf-8", "replace") for file in files)):
        assert password not in text and "SHOP_PASSWORD" not in text


def many_tables() -> dict[str, pd.DataFrame]:
    """Touches and outcomes of enough customers for a page."""
    times = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(range(400), unit="h")
    seen = pd.DataFrame({"customer_id": [f"c{i % 150}" for i in range(400)], "timestamp": times})
    bought = seen[::5].assign(timestamp=seen.timestamp + pd.Timedelta("2h"), outcome="conversion")
    kinds = ["ad", "mail", "shop", "app"] * 100
    return {"touches": seen.assign(touchpoint=kinds), "outcomes": bought}


@pytest.mark.slow
def test_a_folder_may_hold_the_address_and_names_of_ones_own(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"contacts": touches(touchpoint=None, channel=["ad", "mail", "ad"])}
    load_postgres(postgres, theirs | {"outcomes": outcomes()}, "crm")
    lines = f'[data]\naddress = "{postgres}"\n[touches]\ntable = "crm.contacts"\n'
    lines += 'touchpoint = "channel"\n[outcomes]\ntable = "crm.outcomes"\n[report]\nseed = 3\n'
    (tmp_path / "touchlab.toml").write_text(lines)
    monkeypatch.setenv("TOUCHLAB_ALLOW_ADDRESS", postgres)
    data = tl.open_data(tmp_path)
    assert (data.name, data.parameters) == (tmp_path.name, {"seed": 3})
    assert sorted(data.touches.touchpoint.to_pandas()) == ["ad", "ad", "mail"]
    assert data_key(str(tmp_path)) == ""  # what it holds is not known beforehand
    with pytest.raises(tl.ParameterError) as refused:
        cut_data(Source("part", str(tmp_path), Cut(first="2026-01-01")), tmp_path)
    assert str(refused.value) == (
        f"sweep: {tmp_path.name!r} stays in its postgres, and is not cut here into "
        "from 2026-01-01\n  give each part a schema with views of its own, or sweep over parameters"
    )
