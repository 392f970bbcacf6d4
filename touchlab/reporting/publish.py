"""One run at a time in a folder of reports, and its result put in place whole or not at all.

    out/.work-…/run/    built here        out/<run id>/          renamed to here
    out/.lock           held by a run     out/failed-<run id>/   a run that stopped
    out/latest          the newest whole report: a link, replaced in one step, as the last act

A process may be killed, or the power cut, between any two steps: `latest` then still leads to a
whole run, and the next run clears away what is left.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from touchlab.errors import ParameterError
from touchlab.reporting.index import write_index
from touchlab.reporting.record import FILE, Busy, NotWritten, Run, put_in_place, read_record
from touchlab.reporting.source import folder_name

LATEST = "latest"
FAILED = "failed-"
_WORK = ".work-"
_RUN_NAME = re.compile(rf"({FAILED})?\d{{8}}T\d{{6}}Z-[A-Za-z0-9-]+")


def made(folder: Path) -> Path:
    """Make the folder of the reports, or say why it cannot be one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error) from error
    for latest in (folder / LATEST, *folder.glob(f"{LATEST}-*")):
        if os.path.lexists(latest) and not _RUN_NAME.fullmatch(leads_to(latest)):
            raise NotWritten(
                f"{latest.name!r} in {folder.name!r} is not from touchlab, and is left alone\n"
                "  rename it, or write to another folder with --out"
            )
    return folder.resolve()


def reports_folder(out: str | Path) -> Path:
    """Take what was given as the folder of the reports; nothing is not the working folder."""
    if not str(out).strip():
        raise ParameterError("out: the folder of the reports is empty\n  name one, or leave it out")
    return Path(out)


def not_written(folder: Path, error: OSError) -> NotWritten:
    """Say that a folder takes no reports."""
    return NotWritten(
        f"reports cannot be written to {str(folder)!r}: {error.strerror or error}\n"
        "  free or mend it, or give another folder with --out; the last good report stays"
    )


@contextmanager
def locked(
    folder: Path, *, patience: float, waiting: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Let no other run write to `folder`; wait for one that does, and say so by `waiting`.

    The system lets go of the lock when the process ends, however it ends. The file itself stays:
    removing it would let two runs lock two files of the same name.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        try:
            lock.acquire(timeout=patience, poll_interval=0.2)
        except Timeout:
            raise Busy(
                f"another run has held {folder.name!r} for {patience:g} seconds\n"
                "  wait for its end, or write to another folder with --out"
            ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def workspace(out: Path) -> Iterator[Path]:
    """Give a folder inside `out` to build in; clear those that killed runs left behind."""
    for stale in out.glob(f"{_WORK}*"):
        _remove(stale)
    # Inside `out`, so that publishing is a rename on one file system. A kernel of a killed run may
    # still be writing for a moment: what cannot be cleared away now is left to the next run.
    with tempfile.TemporaryDirectory(prefix=_WORK, dir=out, ignore_cleanup_errors=True) as work:
        yield Path(work)


def publish(run: Run, out: Path, *, keep: int, work: Path) -> Run:
    """Move a finished run to its place, drop old ones, then let `latest` lead to a whole one."""
    base = f"{FAILED}{run.run_id}" if run.failure else run.run_id
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    name = next(name for name in names if not os.path.lexists(out / name))
    put_in_place(run.folder, out / name)
    prune(out, keep=keep, spare={name, *map(leads_to, out.glob(f"{LATEST}*"))}, work=work)
    write_index(out)
    published = replace(run, folder=out / name)
    if not run.failure:
        point(published, out)
    return published


def latest_link(out: Path, data: str) -> Path:
    """Name the link to the newest whole report on some data: the first to come has `latest`."""
    first = out / LATEST
    taken = (first / FILE).exists() and read_record(first).data not in ("", data)
    return out / f"{LATEST}-{folder_name(data)}" if taken else first


def leads_to(latest: Path) -> str:
    """Read which run a link leads to; empty if there is none."""
    return os.readlink(latest) if latest.is_symlink() else ""


def prune(out: Path, *, keep: int, spare: set[str], work: Path) -> list[str]:
    """Remove all but the newest `keep` runs, good and failed counted apart; return their names.

    Only folders that are named like a run and hold its record are runs.
    """
    folders = [path.parent for path in out.glob(f"*/{FILE}") if not path.parent.is_symlink()]
    names = sorted(folder.name for folder in folders if _RUN_NAME.fullmatch(folder.name))
    kinds = [[name for name in names if name.startswith(FAILED) is bad] for bad in (False, True)]
    old = [name for kind in kinds for name in kind[:-keep] if name not in spare]
    for name in old:
        (out / name).rename(work / name)  # gone in one step, whatever happens to the rest
        _remove(work / name)
    return old


def point(run: Run, out: Path) -> None:
    """Let the link to the newest whole report on its data lead to a run, in one step."""
    latest, draft = latest_link(out, run.data), out / f"{_WORK}{LATEST}"
    if run.part or leads_to(latest) == run.folder.name:
        return
    try:
        draft.unlink(missing_ok=True)
        draft.symlink_to(run.folder.name, target_is_directory=True)
    except (OSError, NotImplementedError):  # Windows without the right to make links
        return  # the index leads there
    put_in_place(draft, latest)


def _remove(path: Path) -> None:
    if path.is_file() or path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)
