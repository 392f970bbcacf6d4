"""A folder put in its place as folder or zip: all of it in one step, or nothing."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from touchlab.errors import ParameterError
from touchlab.reporting.exits import NotWritten
from touchlab.reporting.settled import put_in_place

_KINDS = {".html", ".csv", ".ipynb", ".pdf"}
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold


def files_of(folder: Path) -> list[Path]:
    """List all files below a folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def check_free(target: Path, force: bool) -> None:
    """Refuse a taken name, and with `force` one that does not look like a shared report."""
    if not os.path.lexists(target):
        return
    if not force:
        raise ParameterError(
            f"share: {str(target)!r} is there already\n"
            "  give another --out, or --force to replace it"
        )
    ours = target.is_file() or (
        (target / "index.html").is_file()
        and all(path.suffix in _KINDS for path in target.rglob("*") if not path.is_dir())
    )
    if not ours or target.is_symlink():
        raise ParameterError(
            f"share: {str(target)!r} is not a shared report, and is left alone\n"
            "  give another --out"
        )


@contextmanager
def aside(target: Path) -> Iterator[Path]:
    """Give a folder beside the target: from there one rename puts things in place."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".touchlab-share-", dir=target.parent))
    except OSError as error:
        raise _not_written(target, error) from error
    try:
        yield work
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _not_written(target: Path, error: OSError) -> NotWritten:
    return NotWritten(
        f"share: {str(target)!r} cannot be written: {error.strerror or error}\n"
        "  free or mend the place, or give another one with --out"
    )


def place(staged: Path, target: Path, work: Path) -> None:
    """Rename the finished folder, or the zip made of it, to its name."""
    if target.suffix == ".zip":
        draft = work / "draft.zip"
        _pack(staged, draft)
        put_in_place(draft, target)
        return
    if target.exists():
        target.rename(work / "old")
    put_in_place(staged, target)


def _pack(folder: Path, archive: Path) -> None:
    """Write a zip in a fixed order with fixed times, so that equal files give equal bytes."""
    with zipfile.ZipFile(archive, "w") as packed:
        for path in files_of(folder):
            member = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix(), _MOMENT)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            packed.writestr(member, path.read_bytes())
