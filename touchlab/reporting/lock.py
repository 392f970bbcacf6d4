"""One run at a time in a folder of reports: a lock that dies with its process."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from touchlab.reporting.exits import Busy

FILE = ".lock"
_PAUSE = 0.2


@contextmanager
def held(folder: Path, *, patience: float, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of `folder`; wait while another run has it.

    The operating system lets go of it when the process ends, however it ends. The file
    itself stays: removing it would let two runs lock two files of the same name.

    Parameters
    ----------
    folder
        An existing folder.
    patience
        Seconds to wait for the other run.
    waiting
        Called once if there is another run.

    Raises
    ------
    Busy
        The other run was not done in time.
    """
    deadline = time.monotonic() + patience
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken(descriptor):
            waiting()
            while not _taken(descriptor):
                if time.monotonic() > deadline:
                    raise Busy(
                        f"another run has held {folder.name!r} for {patience:g} seconds\n"
                        "  wait for its end, or write to another folder with --out"
                    )
                time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)  # lets go of the lock


if os.name == "nt":
    import msvcrt

    def _taken(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
else:
    import fcntl

    def _taken(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
