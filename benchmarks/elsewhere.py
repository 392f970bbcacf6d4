"""The whole report where the data lives, held table by table against the same on DuckDB.

    python benchmarks/elsewhere.py data/sample --spark              two workers on this machine
    python benchmarks/elsewhere.py data/sample --spark --kill 60    one dies after 60 seconds
    python benchmarks/elsewhere.py data/sample --postgres postgres://user@host/database

The report runs on DuckDB first. A PostgreSQL gets the tables in its first schema, in place of
any of these names that are there: give an empty database. Everything started is stopped,
however it ends. Needs the extra `spark` and Java, or the extra `postgres`.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis
import pandas as pd
import pyarrow.parquet as pq
from spark_cluster import running


def report(data: str, out: Path) -> tuple[int, float]:
    """Run the whole report by its command; return its exit code and the seconds it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "touchlab.cli", "report", data, "--out", str(out), "--force"]
    return subprocess.run(command).returncode, time.monotonic() - began


def compare(one: Path, other: Path) -> pd.DataFrame:
    """Hold the tables that pages hand on against each other: table, rows, same."""
    rows = []
    tables = (one / "latest" / "tables").rglob("*.parquet")
    for file in sorted(f for f in tables if "made-from" not in f.name):  # names and versions
        name = file.relative_to(one / "latest" / "tables")
        left, right = (pd.read_parquet(r / "latest" / "tables" / name) for r in (one, other))
        try:
            pd.testing.assert_frame_equal(left, right, rtol=1e-9, atol=1e-9)
            same = "yes"
        except AssertionError as difference:
            same = str(difference).splitlines()[0]
        rows.append({"table": str(name.with_suffix("")), "rows": len(left), "same": same})
    return pd.DataFrame(rows)


@contextmanager
def on_spark(data: Path, kill: float | None) -> Iterator[str]:
    """Give the address of the folder on a cluster; a worker dies after `kill` seconds."""
    with running() as cluster:
        if kill:
            timer = threading.Timer(kill, cluster.kill_worker)
            timer.daemon = True
            timer.start()
        yield cluster.address(data.resolve())


@contextmanager
def on_postgres(data: Path, address: str) -> Iterator[str]:
    """Copy the tables to the database, and give its address."""
    connection = ibis.connect(address)
    for file in sorted(data.glob("*.parquet")):
        connection.create_table(file.stem, pq.read_table(file), overwrite=True)
    connection.disconnect()
    yield address


def main() -> int:
    """Run the report on both engines and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of Parquet files")
    parser.add_argument("--out", type=Path, default=Path(".bench/elsewhere"))
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--spark", action="store_true", help="on a cluster of two workers")
    where.add_argument("--postgres", metavar="ADDRESS", help="on an empty database")
    parser.add_argument("--kill", type=float, help="kill a Spark worker after so many seconds")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    here, there = given.out / "duckdb", given.out / "elsewhere"
    codes = {"duckdb": report(str(given.data), here)}
    if given.spark:
        place = on_spark(given.data, given.kill)
    else:
        place = on_postgres(given.data, given.postgres)
    with place as address:
        codes["elsewhere"] = report(address, there)
    for engine, (code, seconds) in codes.items():
        print(f"{engine}: exit code {code} after {seconds:.0f} s")
    if any(code for code, _ in codes.values()):
        return 1
    table = compare(here, there)
    print(table.to_string(index=False))
    print(f"{(table.same == 'yes').sum()} of {len(table)} tables are the same")
    return int((table.same != "yes").any())


if __name__ == "__main__":
    sys.exit(main())
