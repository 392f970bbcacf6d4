"""A finished run as one zip or folder that is safe to send: reduced, checked, put in its place."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from touchlab.data.dataset import open_data
from touchlab.errors import ParameterError, ReportError
from touchlab.privacy.suppress import MIN_CUSTOMERS
from touchlab.reporting.files import carried, without_links, write_pdfs
from touchlab.reporting.leaks import Finding, check_run, files_of, leaks_in
from touchlab.reporting.record import (
    FILE,
    TABLES,
    NotWritten,
    Run,
    put_in_place,
    read_record,
    read_records,
)

_SHOWN = 12  # findings of a refusal
_MEND = {
    "customer id": "run the report again on data with pseudonyms (touchlab pseudonymise)",
    "small": "run the report again with a higher --param min_customers",
    "": "take it out of the notebook or the data it comes from, and run the report again",
}
"""What to do, by the beginning of the kind of a finding."""
_KINDS = {".html", ".csv", ".ipynb", ".pdf"}
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold


@dataclass(frozen=True)
class Shared:
    """What was written: where, which files in it, and what was changed or not checked."""

    path: Path
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()


def share_run(
    run_folder: str | Path,
    out: str | Path | None = None,
    *,
    data: str | Path | None = None,
    notebooks: bool = True,
    pdf: bool = False,
    failed: bool = False,
    force: bool = False,
) -> Shared:
    """Write a run as a zip file or folder for other people, after checking it once more.

    In it go the pages, the tables as CSV and the executed notebooks, which go without the numbers
    that they carry beside figures and without times of execution. Links to what is not sent become
    plain words. Then every file is searched for customer ids, small counts, personal details,
    absolute paths, names of this machine, secrets and references to elsewhere, but not what
    pictures show: if one is found, nothing is written. The same run gives the same bytes.

    `data` is what the run was made from: without it customer ids and small counts on pages cannot
    be looked for, and a note says so.
    """
    run = find_run(run_folder)
    if run.status != "complete" and not failed:
        raise ParameterError(
            f"share: the run {run.folder.name} is {run.status}\n"
            "  share a run that finished, or give --failed to share it as it is"
        )
    target = Path(out) if out else Path(f"{run.folder.name}.zip")
    _check_free(target, force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # beside the target, from where one rename puts things in place
        with TemporaryDirectory(
            prefix=".touchlab-share-", dir=target.parent, ignore_cleanup_errors=True
        ) as work:
            staged = Path(work, run.folder.name)
            _stage(run, staged, notebooks)
            notes = _check(staged, run, data)
            if pdf:
                write_pdfs(staged)
            files = tuple(files_of(staged))
            _place(staged, target, Path(work))
    except OSError as error:
        raise NotWritten(
            f"share: {str(target)!r} cannot be written: {error.strerror or error}\n"
            "  free or mend the place, or give another one with --out"
        ) from error
    return Shared(target, files, tuple(notes))


def find_run(name: str | Path) -> Run:
    """Read the run that a path, ``reports/latest`` or the name of a run stands for."""
    path = Path(name)
    for folder in (path, Path("reports") / path):
        if (folder / FILE).is_file():
            return read_record(folder.resolve())
    known = [run.folder.name for at in (path, path.parent) for run in reversed(read_records(at))]
    found = f"found {', '.join(known[-5:])}" if known else "there are no runs beside it"
    raise ParameterError(
        f"share: {str(name)!r} is not the folder of a run\n  {found}\n"
        "  give the folder of a run, or reports/latest"
    )


# --- what is sent -------------------------------------------------------------------------


def _stage(run: Run, staged: Path, notebooks: bool) -> None:
    """Copy what may be sent, reduced."""
    for path in _regular(run.folder, "*.ipynb") if notebooks else ():
        content = reduced(json.loads(_read(path)))
        _write(staged / path.name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for path in _regular(run.folder, f"{TABLES}/**/*.csv"):
        _write(staged / path.relative_to(run.folder), _read(path))
    pages = list(_regular(run.folder, "*.html"))
    sent = {path.name for path in [*pages, *staged.glob("*.ipynb")]}
    for path in pages:
        _write(staged / path.name, without_links(_read(path), sent))


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")  # line ends as they are


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))


def _regular(folder: Path, pattern: str) -> Iterator[Path]:
    # a link in a run, or a linked folder, leads to a file that is not of the run
    inside = folder.resolve()
    for path in sorted(folder.glob(pattern)):
        if path.is_file() and path.resolve() == inside / path.relative_to(folder):
            yield path


def _min_customers(run: Run) -> int:
    given = run.parameters.get("min_customers")
    return given if isinstance(given, int) and given > 0 else MIN_CUSTOMERS


def reduced(notebook: Any) -> Any:
    """Copy a notebook without what only machines read: times, and numbers beside pictures."""
    copy = deepcopy(notebook)
    for name in copy["metadata"].keys() - {"kernelspec", "language_info"}:
        del copy["metadata"][name]
    for cell in copy["cells"]:
        for name in ("execution", "papermill"):
            cell["metadata"].pop(name, None)
    for _, words in carried(copy):
        for name in ("table", "kept"):
            words.pop(name, None)
    return copy


# --- what must not be sent ----------------------------------------------------------------


def _check(staged: Path, run: Run, data: str | Path | None) -> list[str]:
    """Search what is about to be sent; note what could not be searched for."""
    found = leaks_in(staged, str(data or ""))
    if data is not None:
        found += check_run(staged, open_data(data), k=_min_customers(run), tables=True)
    if found:
        raise ReportError(_refusal(run, found))
    unknown = "customer ids and small counts on pages were not looked for: give --data DATA"
    return [unknown] if data is None else []


def _refusal(run: Run, found: list[Finding]) -> str:
    count = "1 finding" if len(found) == 1 else f"{len(found):,} findings"
    lines = [f"share: {run.folder.name} is not safe to send: {count}; nothing was written"]
    lines += [f"  {one}" for one in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN:,} more")
    mends = (next(m for kind, m in _MEND.items() if one.kind.startswith(kind)) for one in found)
    return "\n".join([*lines, *(f"  {mend}" for mend in dict.fromkeys(mends))])


# --- all of it in one step, or nothing ----------------------------------------------------


def _check_free(target: Path, force: bool) -> None:
    """Refuse a taken name, and with `force` one that does not look like a shared report."""
    if not os.path.lexists(target):
        return
    if not force:
        raise ParameterError(
            f"share: {str(target)!r} is there already\n"
            "  give another --out, or --force to replace it"
        )
    page = target / "index.html"
    inside = (path for path in target.rglob("*") if not path.is_dir())
    ours = target.is_file() or (page.is_file() and all(path.suffix in _KINDS for path in inside))
    if not ours or target.is_symlink():
        raise ParameterError(
            f"share: {str(target)!r} is not a shared report, and is left alone\n"
            "  give another --out"
        )


def _place(staged: Path, target: Path, work: Path) -> None:
    """Rename the finished folder, or the zip made of it, to its name."""
    if target.suffix != ".zip":
        if target.exists():
            target.rename(work / "old")
        put_in_place(staged, target)
        return
    draft = work / "draft.zip"
    with zipfile.ZipFile(draft, "w") as packed:  # fixed order and times: equal files, equal bytes
        for name, path in files_of(staged).items():
            member = zipfile.ZipInfo(f"{staged.name}/{name}", _MOMENT)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            packed.writestr(member, path.read_bytes())
    put_in_place(draft, target)
