"""Run the notebooks into a report: all of it, or none of it and an honest page why."""

import re
import shutil
import sys
import sysconfig
import tempfile
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from touchlab.errors import DataError, ParameterError, ReportError
from touchlab.reporting.cells import first_answer
from touchlab.reporting.execute import Outcome, execute
from touchlab.reporting.export import export_html
from touchlab.reporting.index import write_index, write_run_page
from touchlab.reporting.notebooks import (
    choose_notebooks,
    notebooks_folder,
    parameters_of,
    read_notebook,
    title_of,
    with_data,
)
from touchlab.reporting.parameters import check_parameters
from touchlab.reporting.paths import hide_paths
from touchlab.reporting.record import Failure, Page, Run, write_record

_PACKAGES = ("touchlab", "pandas", "ibis-framework", "duckdb", "scikit-learn", "statsmodels")


def run_report(
    data: str | Path = "data/sample",
    *,
    out: str | Path = "reports",
    only: Sequence[str] = (),
    parameters: Mapping[str, object] | None = None,
    folder: Path | None = None,
    timeout: float = 1800.0,
    progress: Callable[[str], None] | None = None,
) -> Run:
    """Run the notebooks on some data and publish their pages.

    Nothing is published unless every notebook ran to its end: the pages are made aside and
    moved into ``out/<run id>/`` in one step, then ``out/index.html`` is written anew. If one
    stops, what there is goes to ``out/failed-<run id>/`` and the last good report stays.

    Parameters
    ----------
    data
        Folder, file or database address. Its name is shown in the report, never its path.
    out
        Folder of the reports; made if missing.
    only
        Names of notebooks, such as ``03_attribution`` or ``03``; empty for all.
    parameters
        Values for the `parameters` cells. A value goes to every notebook that declares it.
    folder
        Folder of the notebooks; found by :func:`notebooks_folder` if not given. Its parent is
        the working directory of the kernels.
    timeout
        Seconds that each notebook may take.
    progress
        Called with one plain line after each notebook: name, seconds, done or failed.

    Returns
    -------
    Run
        The record of the run; ``run.page`` is the page to open.

    Raises
    ------
    ParameterError
        A notebook or parameter is unknown, or a value has the wrong type; nothing was run.
    DataError
        There is nothing at the place given as data; nothing was run.
    ReportError
        A notebook stopped; the message names the notebook, the cell, the error and the page.
    """
    folder = (folder or notebooks_folder()).resolve()
    if not timeout > 0:
        raise ParameterError(f"timeout must be a number of seconds above 0, not {timeout!r}")
    place = _data_place(data, folder.parent)
    given = dict(parameters or {})
    tasks = _plan(folder, only, given, place)
    out = _made(Path(out))
    job = _Job(
        data=data_name(place),
        parameters=given,
        cwd=folder.parent,
        hidden=_hidden_names(place, folder.parent),
        timeout=timeout,
    )
    # Inside `out`, so that publishing is a rename on one file system.
    work = Path(tempfile.mkdtemp(prefix=".run-", dir=out))
    try:
        run = _execute_all(tasks, job, work, progress or _ignore)
        run = _publish(run, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write_index(out)
    if run.failure:
        raise ReportError(_failure_message(run))
    return run


@dataclass(frozen=True)
class _Task:
    path: Path
    title: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class _Job:
    """What holds for all notebooks of a run."""

    data: str
    parameters: Mapping[str, Any]
    cwd: Path
    hidden: Mapping[str, str]
    timeout: float
    started: datetime = field(default_factory=lambda: datetime.now(UTC))


def _plan(
    folder: Path, only: Sequence[str], given: Mapping[str, object], place: str
) -> list[_Task]:
    """Check every parameter of every chosen notebook before anything starts."""
    notebooks = {path: read_notebook(path) for path in choose_notebooks(folder, only)}
    declared = {path.stem: parameters_of(node, path.stem) for path, node in notebooks.items()}
    shared = check_parameters(given, declared)
    return [
        _Task(path, title_of(node, path.stem), _values(shared, declared, path.stem, place))
        for path, node in notebooks.items()
    ]


def _values(shared: Any, declared: Any, name: str, place: str) -> dict[str, Any]:
    return with_data(shared[name], declared[name], place)


def _execute_all(
    tasks: Sequence[_Task], job: _Job, work: Path, progress: Callable[[str], None]
) -> Run:
    """Run notebook after notebook into the folder `work/run`, up to the first that stops."""
    began = time.monotonic()
    target = _made(work / "run")
    outcomes: dict[str, Outcome] = {}
    for task in tasks:
        outcome = _execute_one(task, job, work)
        outcomes[task.path.stem] = outcome
        word = "failed" if outcome.failure else "done"
        progress(f"{task.path.stem:<28}{outcome.seconds:>7.1f} s  {word}")
        if outcome.failure:
            break
    failure = next((done.failure for done in outcomes.values() if done.failure), None)
    run = Run(
        run_id=f"{job.started:%Y%m%dT%H%M%SZ}-{slug(job.data)}",
        folder=target,
        status="failed" if failure else "complete",
        started=job.started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 1),
        data=job.data,
        parameters=job.parameters,
        pages=tuple(_page(task, outcomes[task.path.stem]) for task in tasks[: len(outcomes)]),
        versions=_versions(),
        failure=failure,
    )
    for name, outcome in outcomes.items():
        _write_page(run, name, outcome)
    write_record(run)
    write_run_page(run)
    return run


def _execute_one(task: _Task, job: _Job, work: Path) -> Outcome:
    workspace = _made(work / "kernel")
    outcome = execute(
        task.path,
        output=work / task.path.name,
        parameters=task.parameters,
        cwd=job.cwd,
        workspace=workspace,
        timeout=job.timeout,
    )
    names = {**job.hidden, str(work): ""}
    failure = outcome.failure
    if failure:
        failure = Failure(**hide_paths(vars(failure), names))
    return replace(outcome, notebook=hide_paths(outcome.notebook, names), failure=failure)


def _page(task: _Task, outcome: Outcome) -> Page:
    return Page(
        name=task.path.stem,
        title=task.title,
        answer=first_answer(outcome.notebook),
        seconds=round(outcome.seconds, 1),
        status="failed" if outcome.failure else "complete",
    )


def _write_page(run: Run, name: str, outcome: Outcome) -> None:
    import nbformat

    nbformat.write(outcome.notebook, run.folder / f"{name}.ipynb")  # type: ignore[no-untyped-call]
    page = export_html(outcome.notebook, name=name, run=run)
    (run.folder / f"{name}.html").write_text(page, encoding="utf-8")


def _publish(run: Run, out: Path) -> Run:
    """Move the finished folder to its place in one step; a taken name gets a number."""
    base = f"failed-{run.run_id}" if run.failure else run.run_id
    for number in range(1, 1000):
        target = out / (base if number == 1 else f"{base}-{number}")
        if target.exists():
            continue
        try:
            run.folder.rename(target)
        except OSError:
            if target.exists():  # another run took the name in this moment
                continue
            raise
        return replace(run, folder=target)
    raise ReportError(f"no free name for the run {base!r} in {out.name!r}\n  remove old runs")


def _failure_message(run: Run) -> str:
    assert run.failure is not None
    return (
        f"{run.failure.sentence()}\n"
        f"  what ran up to there: {_short(run.page)}\n"
        "  the last good report is unchanged; mend the notebook or the data and run again"
    )


def _short(path: Path) -> str:
    """Name a path from the working directory where it lies below it."""
    path, here = path.resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def slug(text: str) -> str:
    """Make a short name of safe characters for a folder.

    Examples
    --------
    >>> slug("../../Köln & Söhne 2026")
    'Koln-Sohne-2026'
    >>> slug("../..")
    'data'
    """
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^A-Za-z0-9]+", "-", letters).strip("-")[:40].strip("-") or "data"


def data_name(place: str) -> str:
    """Take the name of the data out of its path or address, without folders or passwords.

    Examples
    --------
    >>> data_name("/home/eva/shop 2026")
    'shop 2026'
    >>> data_name("postgres://eva:secret@host/shop?sslmode=require")
    'shop'
    """
    if "://" not in place:
        return Path(place).name or "data"
    address = urlsplit(place)
    return Path(address.path).name or address.scheme


def _data_place(data: str | Path, root: Path) -> str:
    """Make a data path absolute: from the working directory, or from the notebooks' side."""
    if "://" in str(data):
        return str(data)
    for base in (Path.cwd(), root):
        place = (base / Path(data).expanduser()).resolve()
        if place.exists():
            return str(place)
    raise DataError(
        f"data: there is nothing at {str(data)!r}\n"
        "  looked in the working directory and beside the notebooks\n"
        "  give a folder of Parquet or CSV files, or a database address"
    )


def _hidden_names(place: str, root: Path) -> dict[str, str]:
    return {
        str(Path.home()): "~",
        sysconfig.get_path("purelib"): "packages",
        sysconfig.get_path("stdlib"): "python",
        str(root): ".",
        place: data_name(place),
    }


def _versions() -> dict[str, str]:
    found = {"Python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise ReportError(
            f"reports cannot be written to {str(folder)!r}: {error.strerror}\n"
            "  give another folder with out"
        ) from error
    return folder.resolve()


def _ignore(_line: str) -> None:
    pass
