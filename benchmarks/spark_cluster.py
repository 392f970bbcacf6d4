"""A Spark cluster on this machine: a master and two workers, each a process of its own.

Needs the extra `spark` and Java; about 6 GB of memory. `elsewhere.py` runs the report there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

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
