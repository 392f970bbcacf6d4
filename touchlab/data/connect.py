"""Reach a database or a cluster by its address, and say its troubles in our words.

Secrets come from the environment alone: an address with one written into it is refused, so
none can end up in a notebook, a record or a log. An address that a folder brings along is asked
on the user's word alone: whoever hands the folder on could have secrets sent to a host of theirs.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import ibis
import ibis.expr.types as ir
from ibis.common.exceptions import TableNotFound

from touchlab.data.readers import driver_errors, in_our_words
from touchlab.errors import DataError, listing

ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
FILE = "duckdb"
EXTRAS = {"postgres": "postgres", "postgresql": "postgres", "spark": "spark"}
"""Extras of touchlab that bring the driver, by scheme: of the engines that are tested."""
ALLOWED = "TOUCHLAB_ALLOW_ADDRESS"
"""Names the addresses of servers that a folder's file may have asked, with blanks between."""
ASKING = ("execute", "to_pyarrow", "to_pyarrow_batches", "create_table", "create_view", "raw_sql")
"""Where a backend talks to its server."""
NEEDED_JAVA = 17
ANSWER_SECONDS = 10.0
QUIET = {"spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
ARROW = {"spark.sql.execution.arrow.pyspark.enabled": "true"}
"""Without it small tables go to the cluster through Python there, which it need not have."""
_NAME = re.compile(r"\$\{(\w+)\}")
_FREE = re.compile(r"TOUCHLAB_(?!KEY$)\w+|PG[A-Z]+")
_SECRET = re.compile(r"(?i)pass|pwd|secret|token|key|credential")

TROUBLES: tuple[tuple[str, str, str], ...] = (
    (
        r"no password supplied",
        "no password was given",
        "set the environment variable PGPASSWORD, or add a line to ~/.pgpass",
    ),
    (
        r"authentication failed",
        "the server refused user or password",
        "check the user in the address, and PGPASSWORD or the line in ~/.pgpass",
    ),
    (
        r"failed to resolve|Name or service not known|UnknownHost|nodename nor servname",
        "there is no such host",
        "check the host in the address; a name inside a company needs its network",
    ),
    (
        r"ConnectionRefused|ConnectionReset|Py4JNetwork|Java side|SparkContext (was|has been) s",
        "the Spark session has ended",
        "start Python anew (in a notebook, the kernel) and open the data again; the driver may "
        "have run out of memory (spark.driver.memory)",
    ),
    (
        r"Connection refused|timeout expired|timed out|No route to host|Network is unreachable",
        "no server answers there",
        "check host and port, that the server runs, and that no firewall is in between",
    ),
    (r"SCHEMA_NOT_FOUND", "there is no such database", "check what stands after the host"),
    (
        r"database \"[^\"]*\" does not exist",
        "the server has no such database",
        "check the name after the host",
    ),
    (
        r"invalid connection option",
        "the address cannot be read",
        "write scheme://user@host:port/database",
    ),
    (
        r"temporary tables in database|read-only transaction|during recovery",
        "temporary tables may not be made there",
        "ask for the right TEMPORARY on the database; a standby that only reads has none",
    ),
    (
        r"permission denied|not authorized",
        "a right is missing",
        "ask for SELECT on the tables and TEMPORARY on the database",
    ),
    (
        r"terminating connection|connection is (closed|lost)|closed the connection|consuming input",
        "the connection was lost in the middle",
        "open the data again and ask again; the server's log says why it was cut",
    ),
    (
        r"statement timeout|canceling statement",
        "the server stopped a query",
        "ask for a longer statement_timeout, or fewer touches",
    ),
    (
        r"No space left|could not write|OutOfMemory|out of memory|Java heap space",
        "the server ran out of memory or disk",
        "give it more, or ask for fewer touches",
    ),
    (
        r"invalid input syntax|value out of range",
        "a column of text holds what cannot be read",
        "give the column its type, for example in a view",
    ),
    (
        r"Job aborted|Stage failed|executor",
        "a Spark job failed",
        "the log of the executors says why, often too little memory (spark.executor.memory)",
    ),
)
"""What drivers say, what it means and what mends it; the first that fits holds."""


@dataclass(frozen=True)
class Address:
    """An address in its parts."""

    scheme: str
    shown: str
    """Without user and settings: what messages may say."""
    full: str = field(repr=False)
    """With the values of the environment, as a driver takes it."""
    secrets: tuple[str, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class Connection:
    """Tables within reach of a backend, in a database or a folder of Parquet files."""

    name: str
    backend: Any
    database: str | None = None
    folder: str = ""

    def table(self, wanted: str) -> ir.Table | None:
        """Look a table up, its schema before a dot; None where it is not there."""
        if self.folder:
            return self._parquet(wanted)
        schema, _, own = wanted.rpartition(".")
        try:
            return self.backend.table(own, database=schema or self.database)
        except TableNotFound:
            return None

    def found(self) -> list[str]:
        """Name the tables that are there; a folder of a cluster is not listed."""
        if self.folder:
            return []
        if self.backend.name == "duckdb":  # Ibis 12 asks DuckDB 2 through a method that is gone
            return sorted(n for (n, *_) in self.backend.con.execute("SHOW TABLES").fetchall())
        return sorted(self.backend.list_tables(database=self.database))

    def _parquet(self, table: str) -> ir.Table | None:
        """Read ``folder/table.parquet`` or the folder of parts ``folder/table``."""
        from pyspark.errors import AnalysisException

        for name in (f"{table}.parquet", table):
            try:
                return self.backend.read_parquet(f"{self.folder}/{name}")
            except AnalysisException as error:
                if "PATH_NOT_FOUND" not in str(error):
                    raise
        return None


def read_address(text: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Take an address apart, and put values of the environment in the place of ``${NAME}``.

    >>> address = read_address("postgres://ann:${SHOP}@host/shop", {"SHOP": "a/b"})
    >>> address, address.full
    (Address(scheme='postgres', shown='postgres://host/shop'), 'postgres://ann:a%2Fb@host/shop')
    """
    found = ADDRESS.fullmatch(text)
    scheme, rest = found.groups() if found else ("", "")
    user, _, place = re.split("[?;#]", rest)[0].rpartition("@")
    host = re.sub("(?i).*%(3a|40)", "", place)  # a coded : or @ is of a user, not of a host
    if scheme != FILE and not user:  # a mistyped one can have its password here
        host = re.sub(r":.*" if "@" in rest else r":(?!\d+(/|$)|//).*", "", host, flags=re.S)
    shown = f"{scheme}://{host}" if found else masked(text)
    given = [user.partition(":")[2]]
    settings = re.findall(r"[?&;]([^=&;]+)=([^&;]*)", rest)
    given += [value for name, value in settings if _SECRET.search(unquote(name))]
    if any(_NAME.sub("", value) for value in given):
        raise DataError(
            f"{shown}: a secret is written into the address\n"
            "  write ${NAME} in its place to take it from the environment, or leave it out: "
            "PostgreSQL's driver reads PGPASSWORD and ~/.pgpass"
        )
    if scheme not in (FILE, *EXTRAS):
        raise DataError(
            f"{shown}: is no address that touchlab opens\n"
            "  it begins with postgres://, spark:// or duckdb://; for another engine that Ibis "
            "reaches, give open_data a connection"
        )
    if host != place:
        raise _unreadable(shown)
    names = list(dict.fromkeys(_NAME.findall(text)))
    for name in names:
        if name not in environment:
            raise DataError(
                f"{shown}: the environment has no {name}\n"
                f"  set it before touchlab starts: export {name}=..."
            )
    full = _NAME.sub(lambda found: quote(environment[found[1]], safe=""), text)
    return Address(scheme, shown, full, tuple(filter(None, (environment[n] for n in names))))


def masked(text: object) -> str:
    """Write what may be a mistyped address, without what may be a password in it.

    >>> masked("postgres:/ann:secret@host/shop"), masked("data/sample")
    ('postgres:***', 'data/sample')
    """
    return listing([re.sub("(?<=..:).*", "***", str(text), flags=re.S)], width=200)


def trusted(text: str, file: str, environment: Mapping[str, str] = os.environ) -> str:
    """Give back the address that a folder's file brings along, where it may be asked.

    Of the environment it may name what is meant for it, and a server needs the user's word.
    """
    if taken := [name for name in _NAME.findall(text) if not _FREE.fullmatch(name)]:
        raise DataError(
            f"{file}: its address takes {taken[0]} from the environment\n"
            "  it may take what is called PG... or TOUCHLAB_..., but not TOUCHLAB_KEY"
        )
    address = read_address(text, environment)
    if address.scheme != FILE and text not in environment.get(ALLOWED, "").split():
        raise DataError(
            f"{file}: its address {address.shown} is asked on your word alone\n"
            "  read it there; if you trust it, give it as it is written there, in single quotes:"
            f" --allow-address, or {ALLOWED} in the environment"
        )
    return text


def connect(text: str) -> Connection:
    """Connect to an address; tables are looked up when they are asked for."""
    address = read_address(text)
    with explained(address.shown, address.secrets):
        if address.scheme == "spark":
            return _connect_spark(address)
        backend = _backend(address)
    database = address.shown.partition("://")[2].partition("/")[2].partition("/")[0]
    return Connection(database or address.scheme, in_our_errors(backend, address.shown))


def _backend(address: Address) -> Any:
    try:
        backend = ibis.connect(address.full)
    except ValueError:  # its words repeat the address
        raise _unreadable(address.shown) from None
    except ImportError:
        raise _no_driver(address) from None
    # it compiles each query before it runs, which takes longer than to run it
    backend.raw_sql("SET jit = off").close()
    return backend


def _unreadable(shown: str) -> DataError:
    mend = "write scheme://user@host:port/database; the port is a number"
    return DataError(f"{shown}: the address cannot be read\n  {mend}")


def _no_driver(address: Address) -> DataError:
    package = f"touchlab[{EXTRAS[address.scheme]}]"
    return DataError(f"{address.shown}: the driver is not installed\n  pip install '{package}'")


def in_our_errors(backend: Any, shown: str) -> Any:
    """Let a backend of our own explain what its server says; returns it.

    The one place where an object of another library is changed: a lazy table asks its backend
    itself, from any room, so there is no call of ours around which an error could be caught.
    """
    for name in ASKING:
        setattr(backend, name, explained(shown)(getattr(backend, name)))
    return backend


@contextmanager
def explained(shown: str, secrets: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn errors of drivers into a DataError that says what happened and what to do."""
    try:
        yield
    except driver_errors() as error:
        said = f"{type(error).__name__}: {error}"
        fits = (t for t in TROUBLES if re.search(t[0], said))
        _, what, mend = next(fits, ("", "cannot be asked", "check the address and the server"))
        why = in_our_words(re.sub(r"^.*?(FATAL|ERROR): +", "", str(error)))
        for secret in secrets:
            why = why.replace(secret, "***")
        raise DataError(f"{shown}: {what}\n  {why}\n  {mend}") from None


# Spark: a session from an address, a session of one's own, or its frames; it need not be there.


def is_spark(value: object, kind: str) -> bool:
    """Say whether this is a ``SparkSession`` or a ``DataFrame`` of Spark."""
    return type(value).__module__.startswith("pyspark.sql") and type(value).__name__ == kind


def of_session(session: Any, shown: str = "spark") -> Connection:
    """Find tables and temporary views of a session, in its current database."""
    return Connection("spark", in_our_errors(ibis.pyspark.connect(session, **ARROW), shown))


def of_frames(frames: Mapping[str, Any]) -> dict[str, ir.Table]:
    """Turn Spark frames of one session into tables."""
    backend = of_session(next(iter(frames.values())).sparkSession).backend
    tables = {}
    for table, frame in frames.items():
        name = ibis.util.gen_name("frame")
        frame.createOrReplaceTempView(name)
        tables[table] = backend.table(name)
    return tables


def _connect_spark(address: Address) -> Connection:
    """Start a session on a cluster, and find tables in a database or a folder of Parquet files.

    ``spark://host:7077/shop`` and ``spark://host:7077/catalog.shop`` name a database;
    ``spark://host:7077/data/shop`` and ``spark://host:7077/s3a://bucket/shop`` a folder that
    all workers can read. Without a port the host is a master by name (``local``, ``yarn``).
    Settings of Spark follow: ``?spark.executor.memory=4g&spark.cores.max=8``.
    """
    place, _, settings = address.full.partition("://")[2].partition("?")
    host, _, where = place.rpartition("@")[2].partition("/")
    master = f"spark://{host}" if ":" in host else re.sub(r"^local$", "local[*]", host)
    given = {name: unquote(value) for name, value in re.findall(r"([^&=]+)=([^&]*)", settings)}
    backend = of_session(_session(master, given, address), address.shown).backend
    name = Path(where).name.rpartition(".")[2] or "spark"
    if "/" in where:
        return Connection(name, backend, folder=where if "://" in where else f"/{where}")
    return Connection(name, backend, where or None)


def _session(master: str, settings: dict[str, str], address: Address) -> Any:
    shown = address.shown
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise _no_driver(address) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        if running.sparkContext.master != master:
            raise DataError(
                f"{shown}: a Spark session on another master is running in this process\n"
                "  stop it first, or give open_data the session itself"
            )
        return running
    _need_java(shown)
    _need_master(master, shown)
    builder = SparkSession.builder.master(master).appName("touchlab")
    for name, value in (QUIET | ARROW | settings).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _need_java(shown: str) -> None:
    home = os.environ.get("JAVA_HOME")
    found = Path(home, "bin", "java").is_file() if home else shutil.which("java") is not None
    if not found:
        where = "at JAVA_HOME" if home else "on the PATH"
        raise DataError(
            f"{shown}: Spark needs Java, and there is none {where}\n"
            f"  install Java {NEEDED_JAVA} or newer, or set JAVA_HOME to where it is"
        )


def _need_master(master: str, shown: str) -> None:
    """Ask whether anybody answers: Spark itself would wait for minutes, and give up unheard."""
    host, _, port = master.removeprefix("spark://").rpartition(":")
    if not master.startswith("spark://") or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise DataError(
            f"{shown}: no Spark master answers at {host}:{port}\n  {error.strerror or error}\n"
            "  check host and port (7077 unless changed), and that the master runs"
        ) from None
