"""Files that others may have written, read with care; what is finished, put in its place whole."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_own(path: Path, most: int) -> str:
    """Read a file of at most so many bytes that is a file itself.

    No link to elsewhere, nothing that waits: an OSError or ValueError says what it is.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, os.O_RDONLY | flags), encoding="utf-8", newline="") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise ValueError("not a file of the size of a record")
        return file.read()


def put_in_place(draft: Path, target: Path) -> None:
    """Rename a finished file, folder or link to its name, once all of it is on the disk itself.

    Else after a power cut there could be a run with empty files: a system may keep a rename before
    the content of what was renamed. A file or link of that name is replaced.
    """
    if not draft.is_symlink():
        for path in (*draft.rglob("*"), draft):
            _sync(path)
    draft.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk itself."""
    folder, windows = path.is_dir(), os.name == "nt"
    if folder and windows:  # it opens no folder
        return
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network disks take files only
        if not folder or error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
