"""Spark as an engine: a session from an address, a session of one's own, or its frames."""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import ibis
import ibis.expr.types as ir

from touchlab.connect import Address, Connection, in_backend, in_our_errors
from touchlab.errors import DataError

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
    backend = _backend(session, address.shown)
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
    return in_backend(_backend(session, "spark"), "spark")


def of_frames(frames: dict[str, Any]) -> dict[str, ir.Table]:
    """Turn Spark frames of one session into tables."""
    backend = _backend(next(iter(frames.values())).sparkSession, "spark")
    return {name: _view(backend, frame) for name, frame in frames.items()}


def _is_spark(value: object) -> bool:
    return type(value).__module__.startswith("pyspark.sql")


def _backend(session: Any, shown: str) -> Any:
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
