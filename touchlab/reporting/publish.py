"""One run at a time in a folder of reports, and its result put in place whole or not at all.

    out/.work-…/run/    built here        out/<run id>/          renamed to here
    out/.lock           held by a run     out/failed-<run id>/   a run that stopped
    out/latest          the newest good run: a link, replaced in one step, as the last act

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

from touchlab.reporting.index import write_index
from touchlab.reporting.record import FILE, Busy, NotWritten, Run, put_in_place

LATEST = "latest"
FAILED = "failed-"
_WORK = ".work-"
_RUN_NAME = re.compile(rf"({FAILED})?\d{{8}}T\d{{6}}Z-[A-Za-z0-9-]+")
_REDIRECT = '<!doctype html><meta charset="utf-8"><title>Newest report</title>'
_ADDRESS = re.compile(r'url=\.\./([^/"]+)/index\.html')


def made(folder: Path) -> Path:
    """Make the folder of the reports, or say why it cannot be one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(folder, error) from error
    latest = folder / LATEST
    if os.path.lexists(latest) and not _RUN_NAME.fullmatch(latest_name(folder)):
        raise NotWritten(
            f"{LATEST!r} in {folder.name!r} is not from touchlab, and is left alone\n"
            "  rename it, or write to another folder with --out"
        )
    return folder.resolve()


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
    """Move a finished run to its place, drop old ones, then let `latest` lead to it."""
    base = f"{FAILED}{run.run_id}" if run.failure else run.run_id
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    name = next(name for name in names if not (out / name).exists())
    put_in_place(run.folder, out / name)
    prune(out, keep=keep, spare={name, latest_name(out)}, work=work)
    write_index(out)
    if not run.failure:
        _point(out, name, work)
    return replace(run, folder=out / name)


def latest_name(out: Path) -> str:
    """Read which run `latest` leads to; empty if there is none."""
    latest = out / LATEST
    if latest.is_symlink():
        return os.readlink(latest)
    try:
        text = (latest / "index.html").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    found = _ADDRESS.search(text) if text.startswith(_REDIRECT) else None
    return found[1] if found else ""


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


def _point(out: Path, name: str, work: Path) -> None:
    """Let `latest` lead to a run, in one step."""
    latest, draft = out / LATEST, work / LATEST
    try:
        draft.symlink_to(name, target_is_directory=True)
    except (OSError, NotImplementedError):  # Windows without the right to make links
        # `latest/index.html` is then a page that leads on
        refresh = f'<meta http-equiv="refresh" content="0; url=../{name}/index.html">'
        link = f'<p><a href="../{name}/index.html">Newest report</a></p>'
        draft.write_text(f"{_REDIRECT}{refresh}{link}\n", encoding="utf-8")
        latest.mkdir(exist_ok=True)
        latest /= "index.html"
    if latest.is_dir() and not latest.is_symlink():
        _remove(latest)  # our page, from a system without links
    put_in_place(draft, latest)


def _remove(path: Path) -> None:
    if path.is_file():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)
