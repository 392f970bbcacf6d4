"""Our end of the fork server: asked for a kernel, told when it ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from touchlab.reporting import forkserver

CAN_FORK = sys.platform == "linux"  # elsewhere fork is missing, or unsafe beside system libraries
_PATIENCE = 60.0


class ForkedProcess:
    """A process of the server's, seen through the socket on which its end is told."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, verdict: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._verdict = verdict
        self._verdict.setblocking(False)

    def poll(self) -> int | None:
        """Give the exit code, None while it runs; -9 also if the server itself is gone."""
        if self.returncode is None:
            try:
                said = self._verdict.recv(forkserver.MESSAGE)
            except BlockingIOError:
                return None
            self.returncode = int(said) if said else -signal.SIGKILL
            self._verdict.close()
            if not said:
                self.kill()
        return self.returncode

    def wait(self, timeout: float = _PATIENCE) -> int | None:
        """Wait as `subprocess.Popen` does."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("kernel", timeout)
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Server:
    """A loaded process to fork from: started at once, waited for when a kernel is needed."""

    def __init__(self, workspace: Path) -> None:
        self._lock = Lock()
        self._state = ""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_PATIENCE)
        command = f"from touchlab.reporting.forkserver import serve; serve({theirs.fileno()})"
        with theirs, open(workspace / "kernel.log", "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", command],
                env={**os.environ, **forkserver.SINGLE},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ready(self) -> bool:
        """Wait until it is loaded; False for good if it could not, or is gone."""
        with self._lock:
            if not self._state:
                try:
                    self._state = self._control.recv(forkserver.MESSAGE).decode() or "ended"
                except OSError as error:
                    self._state = str(error)
            if self._process.poll() is not None:
                self._state = "ended"
            return self._state == forkserver.READY.decode()

    def fork(self, request: Mapping[str, Any]) -> ForkedProcess:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_PATIENCE)
        message = json.dumps(request).encode()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [message], [theirs.fileno()])
            pid = ours.recv(forkserver.MESSAGE)
        except OSError as error:
            raise RuntimeError(f"no kernel was forked: {error}") from error
        if not pid:
            raise RuntimeError("no kernel was forked: the server ended")
        return ForkedProcess(int(pid), ours)

    def close(self) -> None:
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        if self._process.poll() is None:
            self._process.kill()
