"""A process that has imported everything once and forks kernels from there (Linux only).

It stays single-threaded and opens nothing until the fork: a lock held by a thread, or a
connection, would be copied into every kernel. Its end ends its kernels: when the run that
started it is gone, however it went, the socket closes and every kernel is killed.

    run ── request (JSON, with a socket for the verdict) ──> server ── fork ──> kernel
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

# Not the inline backend: its figures would vanish; each kernel chooses it after the fork.
PRELOADED = (
    "numpy", "pandas", "scipy.stats", "seaborn", "duckdb", "pyarrow.parquet",
    "ibis.backends.duckdb", "ibis.backends.duckdb.converter", "ibis.formats.pandas",
    "ibis.expr.types.groupby", "matplotlib.pyplot", "matplotlib.backends.backend_agg",
    "PIL.JpegImagePlugin", "sklearn.linear_model", "statsmodels.api", "threadpoolctl",
    "ipykernel.kernelapp",
)  # fmt: skip
_NOT_PRELOADED = ("touchlab.reporting", "touchlab.cli")
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Settings of the server alone: with them its libraries start no threads on import."""
READY = b"ready"
MESSAGE = 65_536


def serve(descriptor: int) -> None:
    """Load everything, say so, then fork a kernel for each request until the run is gone."""
    control = socket.socket(fileno=descriptor)
    _preload()
    for name in SINGLE:
        os.environ.pop(name, None)  # the libraries have read them; they are not meant for kernels
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        control.send(f"{threads} threads after loading: not safe to fork".encode())
        return
    control.send(READY)
    bell, ringer = os.pipe()
    os.set_blocking(ringer, False)
    signal.set_wakeup_fd(ringer)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then ends us
    children: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), bell], [], [])
        if bell in ready:
            os.read(bell, MESSAGE)
            _bury(children)
        if control.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(control, MESSAGE, 1)
            if not message:
                _kill(children)
                os._exit(0)  # at once: taking all the libraries down takes its time
            verdict = socket.socket(fileno=descriptors[0])
            pid = os.fork()
            if pid == 0:
                _leave_server(control, verdict, children, bell, ringer)
                _run_child(json.loads(message))
            children[pid] = verdict
            verdict.send(str(pid).encode())


def _preload() -> None:
    import touchlab

    gc.disable()  # hardly anything that imports make is garbage, and looking for it takes a tenth
    own = (module.name for module in pkgutil.walk_packages(touchlab.__path__, "touchlab."))
    for name in (*PRELOADED, *own):
        if not name.startswith(_NOT_PRELOADED):
            with contextlib.suppress(ImportError):  # a kernel without it says so itself
                importlib.import_module(name)
    gc.freeze()  # kernels need not search these objects again, nor copy their pages to do so
    gc.enable()


def _bury(children: dict[int, socket.socket]) -> None:
    """Report every kernel that has ended; a closed socket says the same if the run is deaf."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with children.pop(pid) as verdict, contextlib.suppress(OSError):
            verdict.send(str(os.waitstatus_to_exitcode(status)).encode())


def _kill(children: Mapping[int, object]) -> None:
    for pid in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _leave_server(
    control: socket.socket,
    verdict: socket.socket,
    children: Mapping[int, socket.socket],
    bell: int,
    ringer: int,
) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for one in (control, verdict, *children.values()):
        one.close()
    os.close(bell)
    os.close(ringer)


def _run_child(request: Mapping[str, Any]) -> None:
    """Become what was asked for, in a process group of its own; never return to the server."""
    parent = os.getppid()
    code = 1
    try:
        os.setsid()
        with open(os.devnull) as nothing, open(request["log"], "a") as log:
            for source, target in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(source.fileno(), target)
        os.chdir(request["cwd"])
        os.environ.update(request["env"])
        _reseed()
        _WORK[request["work"]](request["arguments"], request["threads"], parent)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:  # whatever it was that stopped the work: nothing goes on beyond this point
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)


def _reseed() -> None:
    """Give each kernel its own random numbers, as in a fresh process."""
    import numpy as np

    random.seed()
    np.random.seed()  # the very state that a fork would share


def _kernel(arguments: list[str], threads: int, parent: int) -> None:
    from ipykernel.kernelapp import IPKernelApp
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    _die_first()
    app = IPKernelApp.instance()
    own = ["--matplotlib=inline", f"--IPKernelApp.parent_handle={parent}"]
    app.initialize([*arguments, *own])  # type: ignore[no-untyped-call]
    app.start()  # type: ignore[no-untyped-call]


def _describe(arguments: list[str], threads: int, parent: int) -> None:
    from touchlab.reporting.describe import describe

    describe(*arguments)


def _die_first() -> None:
    """Where memory runs out, let the system end this kernel and not the run around it."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")


_WORK: Mapping[str, Callable[[list[str], int, int], None]] = {
    "kernel": _kernel,
    "describe": _describe,
}
