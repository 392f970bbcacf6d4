"""A finished file, folder or link takes its name: on the disk itself, in one step."""

import errno
import os
from pathlib import Path

_NO_FOLDERS = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)


def put_in_place(draft: Path, target: Path) -> None:
    """Rename a draft to its place, once all of it is on the disk itself.

    A system may keep a rename before the content of what was renamed: after a power cut there
    would be a run with empty files, and `latest` would lead to it.

    Parameters
    ----------
    draft
        File, folder or link, on the file system of the target.
    target
        Its name from now on. A file or link that has it is replaced, a folder must not be there.
    """
    if not draft.is_symlink():
        for path in (*draft.rglob("*"), draft):
            _settle(path)
    draft.replace(target)
    _settle(target.parent)


def _settle(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk itself."""
    folder, windows = path.is_dir(), os.name == "nt"
    if folder and windows:  # it opens no folder
        return
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not folder or error.errno not in _NO_FOLDERS:  # some network disks take files only
            raise
    finally:
        os.close(descriptor)
