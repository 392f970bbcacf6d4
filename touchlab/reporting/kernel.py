"""Kernels of this very interpreter: forked from a loaded server where that works, else started.

Imported only when a run starts: jupyter_client is slow to import.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from touchlab.once import FOLDER
from touchlab.reporting.forking import ForkedProcess, Server

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
_LONGEST_FOLDER = 70  # bytes; a Unix socket can have a path of 104, and its name comes on top


class Kernels:
    """The kernels of one run, and the end of them all.

    Parameters
    ----------
    workspace
        Folder that takes all their traces.
    cwd
        Working directory of every kernel.
    threads
        Threads each may use for linear algebra: all cores shared by the kernels at once.
    server
        The loaded process they are forked from; None to start each on its own.
    """

    def __init__(self, workspace: Path, *, cwd: Path, threads: int, server: Server | None) -> None:
        self.workspace, self.cwd, self.threads = workspace, cwd, threads
        self._server = server
        self._managers: list[Any] = []
        self.numbers = itertools.count(1)
        self.found = workspace / "found"
        self.found.mkdir()
        self._describing: Any = None

    def ready(self) -> bool:
        """Wait for the server to be loaded; False if kernels are started without one."""
        return self._server is not None and self._server.ready()

    def manager_class(self, *, fork: bool = True) -> type[AsyncKernelManager]:
        """Make the manager class that papermill starts a kernel with."""
        kernels = self

        class ThisInterpreter(_Manager):
            def __init__(self, **kwargs: Any) -> None:
                super().__init__(kernels, fork and kernels.ready(), **kwargs)
                kernels._managers.append(self)

        return ThisInterpreter

    def fork(self, work: str, arguments: list[str], env: Mapping[str, str]) -> ForkedProcess:
        assert self._server is not None
        request = {
            "work": work,
            "arguments": arguments,
            "env": dict(env),
            "cwd": str(self.cwd),
            "log": str(self.workspace / "kernel.log"),
            "threads": self.threads,
        }
        return self._server.fork(request)

    def describe(self, place: str, target: Path) -> Any:
        """Start `describe.describe` in a process of its own; it has `poll`, `wait`, `kill`."""
        own = {FOLDER: str(self.found)}
        try:
            if self.ready():
                self._describing = self.fork("describe", [place, str(target)], own)
                return self._describing
        except RuntimeError:  # the server ended in this moment
            pass
        command = [sys.executable, "-m", "touchlab.reporting.describe", place, str(target)]
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        self._describing = subprocess.Popen(  # type: ignore[call-overload]
            command, cwd=self.cwd, env={**os.environ, **own}, **quiet
        )
        return self._describing

    def close(self) -> None:
        """End every kernel, at once."""
        kernels = [manager.provisioner for manager in self._managers if manager.provisioner]
        for process in [self._describing, *(kernel.process for kernel in kernels)]:
            if process and process.poll() is None:
                process.kill()


class _Manager(AsyncKernelManager):
    """Starts this interpreter, whatever kernels are registered, and keeps traces in one place.

    A registered `python3` kernel may belong to another environment, or be missing; a user's
    own IPython start-up files would make a report depend on who runs it; and what a dying
    kernel prints must not land on the user's terminal.
    """

    def __init__(self, kernels: Kernels, fork: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernels, self._fork = kernels, fork
        if os.name == "posix" and len(os.fsencode(kernels.workspace)) < _LONGEST_FOLDER:
            self.transport = "ipc"  # no ports to race for, and nobody else can connect

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")

    async def start_kernel(self, **kwargs: Any) -> Any:  # type: ignore[override]
        workspace = self._kernels.workspace
        environment = dict(kwargs.pop("env", None) or os.environ)
        environment["IPYTHONDIR"] = str(workspace / "ipython")
        environment |= dict.fromkeys(_THREADS, str(self._kernels.threads))
        environment[FOLDER] = str(self._kernels.found)
        self.connection_file = str(workspace / f"k{next(self._kernels.numbers)}.json")
        if self._fork:
            self.kernel_id = self.kernel_id or self.connection_file
            self.provisioner = _Forked(
                kernels=self._kernels, kernel_id=self.kernel_id, parent=self,
                kernel_spec=self.kernel_spec,
            )  # fmt: skip
        kwargs |= {"env": environment, "cwd": str(self._kernels.cwd)}
        with open(workspace / "kernel.log", "a", encoding="utf-8") as log:
            return await super().start_kernel(stdout=log, stderr=log, **kwargs)


class _Forked(LocalProvisioner):
    """Asks the server for the process instead of starting one."""

    def __init__(self, kernels: Kernels, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernels = kernels

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        own = {name: kwargs["env"][name] for name in ("IPYTHONDIR", FOLDER, *_THREADS)}
        arguments = cmd[cmd.index("-f") :]
        process = self._kernels.fork("kernel", arguments, own)
        self.process = process  # type: ignore[assignment]
        self.pid = self.pgid = process.pid
        return self.connection_info
