"""Reach a database or a cluster by its address, and tell its troubles in our words.

Secrets come from the environment alone: an address with one written into it is refused, so
none can end up in a notebook, a record, a log or the list of processes.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import ibis
import ibis.expr.types as ir
from ibis.common.exceptions import TableNotFound

from touchlab.data.readers import driver_errors, in_our_words
from touchlab.errors import DataError

ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
EXTRAS = {"postgres": "postgres", "postgresql": "postgres", "spark": "spark"}
"""Extras of touchlab that bring the driver, by scheme; others are Ibis's own."""
ASKING = ("execute", "to_pyarrow", "to_pyarrow_batches", "create_table", "create_view", "raw_sql")
"""Where a backend talks to its server."""
_NAME = re.compile(r"\$\{(\w+)\}")
_SECRET = re.compile(r"(?i)pass|secret|token|key|credential")

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
    (
        r"SCHEMA_NOT_FOUND",
        "there is no such database",
        "check what stands after the host",
    ),
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

    @property
    def where(self) -> str:
        """What stands after the host."""
        return self.shown.partition("://")[2].partition("/")[2]


@dataclass(frozen=True)
class Connection:
    """Tables within reach: by their names, and which names there are."""

    name: str
    table: Callable[[str], ir.Table | None]
    """None where there is no table of that name."""
    found: Callable[[], list[str]]


def read_address(text: str, environment: Mapping[str, str] | None = None) -> Address:
    """Take an address apart, and put values of the environment in the place of ``${NAME}``.

    Raises
    ------
    DataError
        If a secret is written into it, or the environment lacks a name.

    Examples
    --------
    >>> address = read_address("postgres://ann:${SHOP}@host/shop", {"SHOP": "a/b"})
    >>> address
    Address(scheme='postgres', shown='postgres://host/shop')
    >>> address.full
    'postgres://ann:a%2Fb@host/shop'
    """
    environment = os.environ if environment is None else environment
    scheme, rest = ADDRESS.match(text).groups()  # type: ignore[union-attr]
    user, _, place = rest.partition("?")[0].rpartition("@")
    if not user:  # a mistyped one can have its password here
        place = re.sub(r":(?!\d+(/|$)|//).*", "", place)
    shown = f"{scheme}://{place}"
    settings = dict(re.findall(r"[?&]([^=&]+)=([^&]*)", rest))
    given = [rest.partition("?")[0].rpartition("@")[0].partition(":")[2]]
    given += [value for name, value in settings.items() if _SECRET.search(name)]
    if any(_NAME.sub("", value) for value in given):
        raise DataError(
            f"{shown}: a secret is written into the address\n"
            "  write ${NAME} in its place to take it from the environment, or leave it out: "
            "PostgreSQL's driver reads PGPASSWORD and ~/.pgpass"
        )
    names = list(dict.fromkeys(_NAME.findall(text)))
    for name in names:
        if name not in environment:
            raise DataError(
                f"{shown}: the environment has no {name}\n"
                f"  set it before touchlab starts: export {name}=..."
            )
    full = _NAME.sub(lambda found: quote(environment[found[1]], safe=""), text)
    secrets = (environment[name] for name in names)
    return Address(scheme, shown, full, tuple(filter(None, secrets)))


def connect(text: str) -> Connection:
    """Connect to an address; tables are looked up when they are asked for."""
    address = read_address(text)
    with told(address.shown, address.secrets):
        if address.scheme == "spark":
            return connect_spark(address)
        backend = _backend(address)
    name = address.where.partition("/")[0].partition("?")[0] or address.scheme
    return in_backend(in_our_errors(backend, address.shown), name)


def in_backend(backend: Any, name: str, database: str | None = None) -> Connection:
    """Look tables up in an Ibis backend; a name may have its schema before a dot."""

    def table(wanted: str) -> ir.Table | None:
        schema, _, own = wanted.rpartition(".")
        try:
            return backend.table(own, database=schema or database)
        except TableNotFound:
            return None

    def found() -> list[str]:
        if backend.name == "duckdb":  # Ibis 12 asks DuckDB 2 through a method that is gone
            return sorted(n for (n, *_) in backend.con.execute("SHOW TABLES").fetchall())
        return sorted(backend.list_tables(database=database))

    return Connection(name, table, found)


def _backend(address: Address) -> Any:
    try:
        backend = ibis.connect(address.full)
    except ValueError:  # its words repeat the address
        raise DataError(
            f"{address.shown}: the address cannot be read\n"
            "  it begins with postgres://, spark://, duckdb:// or another engine that Ibis knows, "
            "and its port is a number"
        ) from None
    except ImportError:
        extra = EXTRAS.get(address.scheme)
        package = f"touchlab[{extra}]" if extra else f"ibis-framework[{address.scheme}]"
        raise DataError(
            f"{address.shown}: the driver is not installed\n  pip install '{package}'"
        ) from None
    if backend.name == "postgres":
        # it compiles each query before it runs, which takes longer than to run it
        backend.raw_sql("SET jit = off").close()
    return backend


def in_our_errors(backend: Any, shown: str) -> Any:
    """Let a backend of our own tell what its server says in our words; returns it."""
    for name in ASKING:
        setattr(backend, name, _telling(getattr(backend, name), shown))
    return backend


def _telling(ask: Callable[..., Any], shown: str) -> Callable[..., Any]:
    @wraps(ask)
    def asking(*given: Any, **named: Any) -> Any:
        with told(shown):
            return ask(*given, **named)

    return asking


@contextmanager
def told(shown: str, secrets: tuple[str, ...] = ()) -> Iterator[None]:
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


# spark: Spark as an engine: a session from an address, a session of one's own, or its frames.


NEEDED_JAVA = 17
ANSWER_SECONDS = 10.0
QUIET = {"spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
ARROW = {"spark.sql.execution.arrow.pyspark.enabled": "true"}
"""Without it small tables go to the cluster through Python there, which it need not have."""


def connect_spark(address: Address) -> Connection:
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
    session = _session(master, given, address.shown)
    folder = where if "://" in where else f"/{where}"
    name = Path(where).name.rpartition(".")[2] or "spark"
    backend = _backend_spark(session, address.shown)
    if "/" in where:
        return Connection(name, lambda table: _parquet(backend, folder, table), list)
    return in_backend(backend, name, where or None)


def is_session(value: object) -> bool:
    """Say whether this is a Spark session; PySpark need not be there."""
    return _is_spark(value) and type(value).__name__ == "SparkSession"


def is_frame(value: object) -> bool:
    """Say whether this is a Spark frame; PySpark need not be there."""
    return _is_spark(value) and type(value).__name__ == "DataFrame"


def of_session(session: Any) -> Connection:
    """Find tables and temporary views of a session, in its current database."""
    return in_backend(_backend_spark(session, "spark"), "spark")


def of_frames(frames: dict[str, Any]) -> dict[str, ir.Table]:
    """Turn Spark frames of one session into tables."""
    backend = _backend_spark(next(iter(frames.values())).sparkSession, "spark")
    return {name: _view(backend, frame) for name, frame in frames.items()}


def _is_spark(value: object) -> bool:
    return type(value).__module__.startswith("pyspark.sql")


def _backend_spark(session: Any, shown: str) -> Any:
    return in_our_errors(ibis.pyspark.connect(session, **ARROW), shown)


def _view(backend: Any, frame: Any) -> ir.Table:
    name = ibis.util.gen_name("frame")
    frame.createOrReplaceTempView(name)
    return backend.table(name)


def _parquet(backend: Any, folder: str, table: str) -> ir.Table | None:
    """Read ``folder/table.parquet`` or the folder of parts ``folder/table``."""
    from pyspark.errors import AnalysisException

    for name in (f"{table}.parquet", table):
        try:
            return backend.read_parquet(f"{folder}/{name}")
        except AnalysisException as error:
            if "PATH_NOT_FOUND" not in str(error):
                raise
    return None


def _session(master: str, settings: dict[str, str], shown: str) -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise DataError(
            f"{shown}: the driver is not installed\n  pip install 'touchlab[spark]'"
        ) from None
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
