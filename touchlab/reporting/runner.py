"""A report from start to published folder: what has changed is run, the rest is copied."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from touchlab.errors import ParameterError
from touchlab.reporting.computing import Computing, compute
from touchlab.reporting.exits import NotFinished
from touchlab.reporting.keys import data_key
from touchlab.reporting.lock import held
from touchlab.reporting.notebooks import notebooks_folder
from touchlab.reporting.pages import write_pages
from touchlab.reporting.place import Source, data_name, data_place, slug
from touchlab.reporting.plan import Task, is_unchanged, keys_of, plan_tasks
from touchlab.reporting.progress import Progress, Step
from touchlab.reporting.publish import latest_name, made, not_written, publish, workspace
from touchlab.reporting.record import Run, read_record, stopped

_PACKAGES = ("touchlab", "pandas", "ibis-framework", "duckdb", "scikit-learn", "statsmodels")


@dataclass(frozen=True)
class Limits:
    """How much a run may take: notebooks at a time, seconds, tries, and what is kept."""

    jobs: int = 2
    timeout: float = 1800.0  # seconds of one notebook
    total: float = 14_400.0  # seconds of the run, and of waiting for another run
    retries: int = 1  # of a notebook whose kernel died
    keep: int = 20  # runs, good and failed counted apart

    def __post_init__(self) -> None:
        for name, lowest in {"jobs": 1, "retries": 0, "keep": 1}.items():
            if getattr(self, name) < lowest:
                raise ParameterError(
                    f"{name} must be {lowest} or more, not {getattr(self, name)!r}"
                )
        for name in ("timeout", "total"):
            if not getattr(self, name) > 0:
                raise ParameterError(
                    f"{name} must be a number of seconds above 0, not {getattr(self, name)!r}"
                )


def run_report(
    data: str | Path = "data/sample",
    *,
    out: str | Path = "reports",
    only: Sequence[str] = (),
    parameters: Mapping[str, object] | None = None,
    folder: Path | None = None,
    limits: Limits | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run the notebooks on some data and publish their pages.

    Nothing is published unless every notebook ran to its end: the pages are made aside and
    moved into ``out/<run id>/`` in one step, then ``out/latest`` leads there. If one stops,
    what there is goes to ``out/failed-<run id>/`` and the last good report stays. What was
    made from the same data, parameters and code before is copied; if that is all of the
    newest report, nothing is made.

    Parameters
    ----------
    data
        Folder, file or database address. Its name is shown in the report, never its path.
    out
        Folder of the reports; made if missing. One run at a time writes to it.
    only
        Names of notebooks, such as ``03_attribution`` or ``03``; empty for all.
    parameters
        Values for the `parameters` cells. A value goes to every notebook that declares it.
    folder
        Folder of the notebooks; found by :func:`notebooks_folder` if not given. Its parent is
        the working directory of the kernels.
    limits
        How many at a time, time limits, tries, runs to keep.
    force
        Run everything, also what has not changed.
    progress
        Called with every `Step`, from several threads.

    Returns
    -------
    Run
        The record of the run; ``run.page`` is the page to open. Its status is ``unchanged``
        if the newest report was made from just this already.

    Raises
    ------
    ParameterError
        A notebook or parameter is unknown, or a value is not allowed; nothing was run.
    DataError
        There is nothing at the place given as data; nothing was run.
    NotFinished
        A notebook stopped; the message names the notebook, the cell, the error and the page.
    NotWritten
        The folder `out` takes nothing: full, read-only, or `latest` is someone else's.
    Busy
        Another run held `out` for longer than ``limits.total`` seconds.
    """
    folder = (folder or notebooks_folder()).resolve()
    place = data_place(data, folder.parent)
    source = Source(data_name(place), place)
    given = dict(parameters or {})
    tasks = plan_tasks(folder, only, given)
    return run_tasks(
        tasks, source, given, Path(out), limits or Limits(), force=force, progress=progress
    )


def run_tasks(
    tasks: Sequence[Task],
    source: Source,
    given: Mapping[str, object],
    out: Path,
    limits: Limits,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run what was planned and checked; see `run_report`."""
    tell = progress or _ignore
    name = out
    out = made(out)

    def waiting() -> None:
        tell(Step("", f"another run is writing to {out.name!r}: waiting for its end"))

    try:
        with held(out, patience=limits.total, waiting=waiting):
            content = data_key(source.place, out)
            versions = _versions()
            keys = keys_of(tasks, source, content, versions)
            newest = out / (latest_name(out) or ".")
            if not force and is_unchanged(newest, keys):
                return replace(read_record(newest), status="unchanged")
            draft = Run(
                run_id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{slug(source.name)}",
                folder=out,
                status="complete",
                started=datetime.now(UTC).isoformat(timespec="seconds"),
                seconds=0.0,
                data=source.name,
                parameters=given,
                versions=versions,
                data_key=content,
            )
            with workspace(out) as work:
                setting = Computing(source, out, work, limits, keys, force, tell)
                run, done = compute(draft, tasks, setting)
                write_pages(run, done)
                run = publish(run, out, keep=limits.keep, work=work)
    except OSError as error:
        raise not_written(name, error) from error
    if run.failure:
        raise NotFinished(_failure_message(run))
    return run


def _failure_message(run: Run) -> str:
    said = [page.failure.sentence() for page in stopped(run.pages) if page.failure]
    return (
        "\n".join(said) + f"\n  what ran up to there: {_short(run.page)}\n"
        "  the last good report is unchanged; mend the notebook or the data and run again"
    )


def _short(path: Path) -> str:
    """Name a path from the working directory where it lies below it."""
    path, here = path.resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _versions() -> dict[str, str]:
    found = {"Python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _ignore(_step: Step) -> None:
    pass
