"""A finished run as one zip or folder that is safe to send: reduced, then checked as it goes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from touchlab.errors import ParameterError, ReportError
from touchlab.reporting.outgoing import aside, check_free, files_of, place
from touchlab.reporting.publish import LATEST, latest_name
from touchlab.reporting.record import FILE, Run, read_record, read_records
from touchlab.reporting.reduced import empty_few, reduced, without_few, without_links

if TYPE_CHECKING:
    from touchlab.reporting.privacy_check import Finding

_SHOWN = 12
_MEND = {
    "customer id": "run the report again on data with pseudonyms (touchlab pseudonymise)",
    "small": "run the report again with a higher --param min_customers",
    "": "take it out of the notebook or the data it comes from, and run the report again",
}
"""What to do, by the beginning of the kind of a finding."""


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

    In it go the pages, the tables as CSV and the executed notebooks. Numbers of few customers
    (fewer than the run's `min_customers`) are emptied in tables, and notebooks go without the
    numbers that they carry beside figures and without times of execution. The record of the
    run stays at home, and links to what is not sent become plain words. Then every file is
    searched for customer ids, small counts, absolute paths, names of this machine, secrets
    and references to elsewhere. It does not read what is drawn in pictures.

    The same run gives the same bytes.

    Parameters
    ----------
    run_folder
        Folder of a run, ``reports/latest``, or the name of a run in ``reports/``.
    out
        A name ending on ``.zip``, else a folder; ``<run id>.zip`` if not given.
    data
        What the run was made from. Without it customer ids and small counts on pages cannot
        be looked for, and a note says so.
    notebooks
        Whether the executed notebooks, and so the code, go along.
    pdf
        Whether each page also goes along as PDF; needs Chromium or Chrome.
    failed
        Whether a run that did not finish may be shared.
    force
        Whether an earlier file or folder may be replaced.

    Returns
    -------
    Shared
        ``path``, ``files`` and ``notes``.

    Raises
    ------
    ParameterError
        There is no such run, it did not finish, or `out` is taken.
    ReportError
        Something must not be sent, or a PDF could not be made; nothing was written.
    NotWritten
        `out` cannot be written to.
    """
    run = find_run(run_folder)
    if run.status != "complete" and not failed:
        raise ParameterError(
            f"share: the run {run.folder.name} is {run.status}\n"
            "  share a run that finished, or give --failed to share it as it is"
        )
    target = Path(out) if out else Path(f"{run.folder.name}.zip")
    check_free(target, force)
    with aside(target) as work:
        staged = work / run.folder.name
        notes = _stage(run, staged, notebooks)
        notes += _check(staged, run, data)
        if pdf:
            from touchlab.reporting.pdf import write_pdfs

            write_pdfs(staged)
        files = tuple(path.relative_to(staged).as_posix() for path in files_of(staged))
        place(staged, target, work)
    return Shared(target, files, tuple(notes))


def find_run(name: str | Path) -> Run:
    """Read the run that a path, ``reports/latest`` or the name of a run stands for."""
    path = Path(name)
    choices = [path, Path("reports") / path]
    if path.name == LATEST:
        choices.append(path.parent / latest_name(path.parent))
    for folder in choices:
        if (folder / FILE).is_file():
            return read_record(folder.resolve())
    known = [
        beside.folder.name
        for base in (path, path.parent)
        for beside in reversed(read_records(base))
    ]
    found = f"found {', '.join(known[-5:])}" if known else "there are no runs beside it"
    raise ParameterError(
        f"share: {str(name)!r} is not the folder of a run\n  {found}\n"
        "  give the folder of a run, or reports/latest"
    )


def _stage(run: Run, staged: Path, notebooks: bool) -> list[str]:
    """Copy what may be sent, reduced, and say what was changed."""
    staged.mkdir()
    limit = _min_customers(run)
    few: dict[str, int] = {}
    for path in _regular(run.folder, "*.ipynb") if notebooks else ():
        content = reduced(json.loads(_read(path)))
        _write(staged / path.name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for path in _regular(run.folder, "tables/**/*.csv"):
        text, emptied = empty_few(_read(path), limit)
        few[path.relative_to(run.folder).as_posix()] = emptied
        _write(staged / path.relative_to(run.folder), text)
    pages = list(_regular(run.folder, "*.html"))
    sent = {path.name for path in [*pages, *staged.glob("*.ipynb")]}
    for path in pages:
        page, few[path.name] = without_few(without_links(_read(path), sent), limit)
        _write(staged / path.name, page)
    return [
        f"{name}: {_cells(number)} fewer than {limit} customers emptied"
        for name, number in few.items()
        if number
    ]


def _cells(number: int) -> str:
    return "1 cell that counts" if number == 1 else f"{number:,} cells that count"


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:  # line ends as they are
        return file.read()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def _regular(folder: Path, pattern: str) -> Iterator[Path]:
    # a link in a run leads to a file that is not of the run
    yield from (p for p in sorted(folder.glob(pattern)) if p.is_file() and not p.is_symlink())


def _min_customers(run: Run) -> int:
    from touchlab.privacy.suppress import MIN_CUSTOMERS

    given = run.parameters.get("min_customers", MIN_CUSTOMERS)
    return given if isinstance(given, int) and given > 0 else MIN_CUSTOMERS


def _check(staged: Path, run: Run, data: str | Path | None) -> list[str]:
    """Search what is about to be sent; return notes on what could not be searched for."""
    from touchlab.reporting.leaks import few_and_named, leaks_in

    found = leaks_in(staged, "" if data is None else str(data))
    if data is not None:
        found += few_and_named(staged, data, k=_min_customers(run))
    if found:
        raise ReportError(_refusal(run, found))
    if data is not None:
        return []
    return ["customer ids and small counts on pages were not looked for: give --data DATA"]


def _refusal(run: Run, found: "list[Finding]") -> str:
    told = [f"  {one.file}: {one.kind}: {one.what}" for one in found[:_SHOWN]]
    if len(found) > _SHOWN:
        told.append(f"  and {len(found) - _SHOWN:,} more")
    mends = dict.fromkeys(
        next(mend for kind, mend in _MEND.items() if one.kind.startswith(kind)) for one in found
    )
    count = "1 finding" if len(found) == 1 else f"{len(found):,} findings"
    return "\n".join(
        [f"share: {run.folder.name} is not safe to send: {count}; nothing was written"]
        + told
        + [f"  {mend}" for mend in mends]
    )
