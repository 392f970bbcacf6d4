"""Kernels of this very interpreter, and the end of them all, however their run ends.

Imported only when a run starts: jupyter_client is slow to import.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from touchlab.once import FOLDER

_POSIX = os.name == "posix"
_LONGEST_FOLDER = 70  # bytes; a Unix socket can have a path of 104, and its name comes on top
_GUARD = """
import os, signal, sys
groups = ""
for groups in sys.stdin: pass
for group in groups.split():
    try: os.killpg(int(group), signal.SIGKILL)
    except OSError: pass
mark, found = sys.argv[1].encode(), os.path.isdir("/proc/self")
while found:
    found = False
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/environ", "rb") as environment:
                if mark in environment.read():
                    os.kill(int(process), signal.SIGKILL)
                    found = True
        except OSError: pass
"""
"""Reads the process groups that live, and kills the last of them when the run is gone: also where
a SIGKILL ended it, and a kernel is too busy in C to see that. On Linux also what a cell has put
into a group of its own, which it knows by the run's folder in its environment."""

_KERNEL = """
import gc
gc.set_threshold(50_000, 20, 50)
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
"""
"""Looks for garbage more seldom than by default: that is a tenth of the time of a notebook, since
hardly anything that imports and expressions make is garbage."""
_DESCRIBE = "import sys; from touchlab.reporting.source import describe; describe(sys.argv[1])"


class Kernels:
    """The processes of one run; leaving it ends them all.

    `workspace` is a folder that takes all their traces, `cwd` their working directory,
    `threads` what each may use for linear algebra: the cores shared by those at work at once.
    """

    def __init__(self, workspace: Path, *, cwd: Path, threads: int) -> None:
        self.workspace, self.cwd, self.closed = workspace, cwd, False
        self.numbers = itertools.count(1)
        self._processes: list[Any] = []
        self._lock = Lock()
        (workspace / "found").mkdir(parents=True)
        self.environment = {
            **os.environ,
            **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(threads)),
            "IPYTHONDIR": str(workspace / "ipython"),
            FOLDER: str(workspace / "found"),
        }

    def __enter__(self) -> Kernels:
        self._guard: Any = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD if _POSIX else "", self.environment[FOLDER]],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", text=True, env={},
            start_new_session=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        for process in () if _POSIX else self._processes:
            process.kill()
        with contextlib.suppress(OSError):
            self._guard.stdin.close()
        self._guard.wait()

    def watch(self, process: Any) -> None:
        """Let the end of the run be the end of a process and of all that it starts."""
        with contextlib.suppress(OSError), open(f"/proc/{process.pid}/oom_score_adj", "w") as score:
            score.write("500")  # where memory runs out, the system ends it and not the run
        with self._lock:
            self._processes.append(process)
        self.clear_up()

    def clear_up(self) -> None:
        """End what ended processes have left in their groups, and tell the guard which live."""
        with self._lock, contextlib.suppress(OSError):
            ended = [one for one in self._processes if one.poll() is not None]
            self._processes = [one for one in self._processes if one not in ended]
            print(*(one.pid for one in self._processes), file=self._guard.stdin, flush=True)
            for process in ended if _POSIX else ():  # at once: its number can be another's later
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)

    def manager_class(self) -> type[AsyncKernelManager]:
        """Give the manager class that papermill starts a kernel with."""
        return type("ThisInterpreter", (_Manager,), {"kernels": self})

    def describe(self, place: str, seconds: Callable[[], float]) -> dict[str, Any]:
        """Find fingerprint and window of the data; nothing if it cannot be opened, as pages say."""
        if self.closed:
            return {}
        command = [sys.executable, "-c", _DESCRIBE, place]
        with open(self.workspace / "kernel.log", "a", encoding="utf-8") as log:
            process = subprocess.Popen(
                command, cwd=self.cwd, env=self.environment, start_new_session=True, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self.watch(process)
        try:
            said, _ = process.communicate(timeout=max(0.0, seconds()))
            return json.loads(said.splitlines()[-1])
        except (subprocess.TimeoutExpired, ValueError, IndexError):
            return {}


class _Manager(AsyncKernelManager):
    """Starts this interpreter, whatever kernels are registered, and keeps traces in one place.

    A registered `python3` kernel may belong to another environment, or be missing; a user's
    own IPython start-up files would make a report depend on who runs it; and what a dying
    kernel prints must not land on the user's terminal.
    """

    kernels: Kernels

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if _POSIX and len(os.fsencode(self.kernels.workspace)) < _LONGEST_FOLDER:
            self.transport = "ipc"  # no ports to race for, and nobody else can connect

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-P", "-c", _KERNEL, "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")

    async def start_kernel(self, **kwargs: Any) -> Any:  # type: ignore[override]
        kernels = self.kernels
        if kernels.closed:
            raise RuntimeError("the run has ended")
        self.connection_file = str(kernels.workspace / f"k{next(kernels.numbers)}.json")
        kwargs |= {"env": kernels.environment, "cwd": str(kernels.cwd)}
        with open(kernels.workspace / "kernel.log", "a", encoding="utf-8") as log:
            started = await super().start_kernel(stdout=log, stderr=log, **kwargs)
        kernels.watch(self.provisioner.process)  # type: ignore[union-attr]
        return started
