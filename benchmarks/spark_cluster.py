"""A Spark cluster on this machine: a master and two workers, the whole report, and a worker killed.

    python benchmarks/spark_cluster.py data/sample
    python benchmarks/spark_cluster.py data/sample --kill 60    a worker dies after 60 seconds

Runs the report on DuckDB first, then on the cluster, and says of every table that the pages
hand on whether it is the same. Everything started is stopped, however it ends. Needs the
extra `spark` and Java; about 6 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

WORKERS = 2
SLOTS = 3
"""Tasks at a time on each worker: two notebooks and the description of the data."""
SETTINGS = {
    "spark.cores.max": "2",
    "spark.executor.cores": "1",
    "spark.executor.memory": "1g",
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    # of small data: to compile a query takes longer than to run it
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
PATIENCE = 90.0


@dataclass
class Cluster:
    """A running cluster: its address and its processes, each the head of its own group."""

    master: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def address(self, where: str | Path, **settings: str) -> str:
        """Write the address of a database or folder on the cluster."""
        given = "&".join(f"{name}={value}" for name, value in (SETTINGS | settings).items())
        return f"{self.master}/{str(where).lstrip('/')}?{given}"

    def kill_worker(self) -> None:
        """Take a worker and its executors away at once, as if its machine had lost power."""
        os.killpg(self.workers[0].pid, signal.SIGKILL)


@contextmanager
def running() -> Iterator[Cluster]:
    """Start a master and two workers; stop them at the end of the block."""
    port, page = _free_port(), _free_port()
    started: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:

        def start(role: str, *arguments: str) -> subprocess.Popen[bytes]:
            started.append(_start(Path(folder), role, arguments))
            return started[-1]

        try:
            start("Master", "--host", "127.0.0.1", "--port", f"{port}", "--webui-port", f"{page}")
            cluster = Cluster(f"spark://127.0.0.1:{port}")
            _wait(page, 0)
            size = ("--cores", f"{SLOTS}", "--memory", f"{SLOTS}g", "--host", "127.0.0.1")
            for _ in range(WORKERS):
                cluster.workers.append(start("Worker", *size, "--webui-port", "0", cluster.master))
            _wait(page, WORKERS)
            yield cluster
        finally:
            for process in started:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _start(folder: Path, role: str, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    import pyspark

    home = Path(pyspark.__file__).parent
    name = f"org.apache.spark.deploy.{role.lower()}.{role}"
    own = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "512m"}
    own |= {"SPARK_WORKER_DIR": str(folder), "SPARK_LOCAL_DIRS": str(folder)}
    with (folder / f"{role}.log").open("ab") as log:
        return subprocess.Popen(
            [str(home / "bin" / "spark-class"), name, *arguments],
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait(page: int, workers: int) -> None:
    """Ask the master until so many workers have come."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{page}/json/") as said:
            if json.load(said)["aliveworkers"] >= workers:
                return
        time.sleep(0.5)
    raise SystemExit(f"the cluster has not come up within {PATIENCE:g} seconds")


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


def main() -> int:
    """Run the report on both engines and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of Parquet files")
    parser.add_argument("--out", type=Path, default=Path(".bench/spark"))
    parser.add_argument("--kill", type=float, help="kill a worker after so many seconds")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    here, there = given.out / "duckdb", given.out / "spark"
    codes = {"duckdb": report(str(given.data), here)}
    with running() as cluster:
        if given.kill:
            timer = threading.Timer(given.kill, cluster.kill_worker)
            timer.daemon = True
            timer.start()
        codes["spark"] = report(cluster.address(given.data.resolve()), there)
    for engine, (code, seconds) in codes.items():
        print(f"{engine}: exit code {code} after {seconds:.0f} s")
    if any(code for code, _ in codes.values()):
        return 1
    print(compare(here, there).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
