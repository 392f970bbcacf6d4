"""A report from start to published folder: every notebook run, two at a time, and their pages.

A run has one key, of its data, parameters, notebooks, code and versions. If the newest report has
it too, nothing is run; else everything is (docs/decisions/0018).
"""

from __future__ import annotations

import math
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchlab.errors import ParameterError
from touchlab.forecasts.ledger import seal_of, with_forecasts
from touchlab.reporting.brand import read_brand
from touchlab.reporting.files import write_tables
from touchlab.reporting.index import write_run_page
from touchlab.reporting.notebooks import Plan, Task, choose_tasks, notebooks_folder
from touchlab.reporting.page import Block, answer_of, blocks_of, export_html
from touchlab.reporting.parameters import DATA, LEDGER, PREVIOUS, RESULTS, SEALS, check_names
from touchlab.reporting.publish import (
    locked,
    made,
    not_written,
    point,
    publish,
    reports_folder,
    workspace,
)
from touchlab.reporting.record import (
    TABLES,
    Failure,
    NotFinished,
    Page,
    Run,
    put_in_place,
    read_records,
    stopped,
    tables_of,
    write_record,
)
from touchlab.reporting.source import (
    Source,
    code_key,
    cut_data,
    data_key,
    data_name,
    data_place,
    digest,
    folder_name,
    refuse_few,
)

if TYPE_CHECKING:
    from touchlab.reporting.execute import Outcome
    from touchlab.reporting.kernel import Kernels

CHANGED = "files of the data were written to while it ran; run again once they stay as they are"
_PACKAGES = ("touchlab", "pandas", "ibis-framework", "duckdb", "scikit-learn", "statsmodels")


@dataclass(frozen=True)
class Step:
    """Something that happened to a notebook, or to the run where `name` is empty."""

    name: str
    word: str  # started, done, retried, failed, not run; for a run a sentence
    seconds: float = 0.0
    total: int = 0  # notebooks of the run, told once, at its start

    @property
    def ended(self) -> bool:
        return self.word in ("done", "failed", "not run")


Progress = Callable[[Step], None]


@dataclass(frozen=True)
class Limits:
    """How much a run may take: notebooks at a time, seconds, tries, and what is kept."""

    jobs: int = 2
    timeout: float = 1800.0  # seconds of one notebook
    total: float = 14_400.0  # seconds of the run, and of waiting for another run
    retries: int = 1  # of a notebook whose kernel died
    keep: int = 20  # runs, good and failed counted apart

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            lowest = 0 if name == "retries" else 1
            allowed, fits = f"{lowest} or more", value >= lowest
            if name in ("timeout", "total"):
                allowed, fits = "a number of seconds above 0", value > 0
            if not fits:
                raise ParameterError(f"{name} must be {allowed}, not {value!r}")


def run_report(
    data: str | Path = "data/sample",
    *,
    out: str | Path = "reports",
    only: Sequence[str] = (),
    parameters: Mapping[str, object] | None = None,
    folder: Path | None = None,
    notebooks: str | Path | None = None,
    limits: Limits | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run the notebooks on some data and publish their pages.

    Nothing is published unless every notebook ran to its end: the pages are made aside and
    moved into ``out/<run id>/`` in one step, then ``out/latest`` leads there, if it is no part of
    a report on other data. If one stops, what there is goes to ``out/failed-<run id>/``, the last
    good report stays, and NotFinished says where. If the newest report was made from the same data,
    parameters and code, nothing is made unless `force`, and the status is ``unchanged``. What is
    wrong with the data's place, a notebook or a value is said before any notebook runs. Notebooks
    of your own join those of `folder` (touchlab's) from `notebooks`. `progress` is called from
    several threads.
    """
    folder = (folder or notebooks_folder()).resolve()
    place = data_place(data, folder.parent)
    given = dict(parameters or {})
    return run_plan(
        choose_tasks(folder, only, given, notebooks), Source(data_name(place), place), given,
        reports_folder(out), limits or Limits(), force=force, progress=progress,
    )  # fmt: skip


def run_plan(
    plan: Plan,
    source: Source,
    given: Mapping[str, object],
    out: Path,
    limits: Limits,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run what was chosen and checked; see `run_report`."""
    tell, brand = progress or (lambda _: None), read_brand(source.place)
    name, out = out, made(out)
    waiting = Step("", f"another run is writing to {out.name!r}: waiting for its end")
    try:
        with locked(out, patience=limits.total, waiting=lambda: tell(waiting)):
            versions = {"Python": ".".join(map(str, sys.version_info[:3]))}
            versions |= {package: version(package) for package in _PACKAGES}
            content = data_key(source.place)
            key = run_key(plan.tasks, source, content, versions, brand)
            good = [r for r in read_records(out) if (r.status, r.data) == ("complete", source.name)]
            newest = next((r for r in good if r.part == plan.part), None)
            seal = seal_of(ledger_of(out, source.name))
            same = newest and newest.ledger in ("", seal)
            if newest and key and not force and same and _is_whole(newest, key):
                point(newest, out)  # a kill can come just before it
                return replace(newest, status="unchanged")
            now, of = datetime.now(UTC), f"-only-{plan.part}" if plan.part else ""
            run = Run(
                run_id=f"{now:%Y%m%dT%H%M%SZ}-{folder_name(source.name)}{of}",
                folder=out,
                status="complete",
                started=now.isoformat(timespec="seconds"),
                seconds=0.0,
                data=source.name,
                parameters=given,
                versions=versions,
                key=key,
                part=plan.part,
                brand=brand,
            )
            with workspace(out) as work:
                run = _Execution(run, source, work, plan, limits, tell).run(content)
                run = publish(run, out, keep=limits.keep, work=work)
    except OSError as error:
        raise not_written(name, error) from error
    if run.failure:
        raise NotFinished(_failure_message(run))
    return run


def run_key(
    tasks: Sequence[Task],
    source: Source,
    content: str,
    versions: Mapping[str, str],
    brand: Mapping[str, str],
) -> str:
    """Hash all that a run is made from; empty if the `content` of the data is not known."""
    if not content:
        return ""
    made_of = [
        [
            task.name,
            [[c.cell_type, c.source, c.metadata.get("tags")] for c in task.notebook.cells],
            task.parameters,
        ]
        for task in tasks
    ]
    return digest([made_of, source.name, content, str(source.cut), versions, brand, code_key()])


def ledger_of(out: Path, name: str) -> Path:
    """Where the forecasts on some data are written down; names that look alike get no one file."""
    plain = folder_name(name)
    return out / f"forecasts-{plain if plain == name else f'{plain}-{digest(name)[:6]}'}.jsonl"


def _is_whole(run: Run, key: str) -> bool:
    """Say whether a run has this key, and all of its pages are there."""
    files = [run.page, *(run.folder / page.file for page in run.pages)]
    return run.key == key and all(file.is_file() for file in files)


class _Execution:
    """The notebooks of one run, executed and made into pages below `work`."""

    def __init__(
        self, draft: Run, source: Source, work: Path, plan: Plan, limits: Limits, tell: Progress
    ) -> None:
        self.draft, self.work, self.plan, self.limits, self.tell = draft, work, plan, limits, tell
        self.began = time.monotonic()
        self.target = work / "run"  # becomes the folder of the run
        self.tables = self.target / TABLES
        self.tables.mkdir(parents=True)
        self.earlier = read_records(draft.folder)
        good = (r for r in self.earlier if (r.status, r.data) == ("complete", source.name))
        before = next((run for run in good if not run.part), None)
        self.shown: dict[str, tuple[Any, Sequence[Block]]] = {}
        """Notebooks that started, with the blocks of their pages."""
        self.source, self.place = source, cut_data(source, work)
        self.ledger = ledger_of(draft.folder, source.name)
        sealed = [r for r in self.earlier if r.ledger and r.data == source.name]
        self.filled = {
            DATA: self.place,
            RESULTS: str(self.tables),
            PREVIOUS: str(tables_of(before) or "") if before else "",
            LEDGER: str(self.ledger),
            SEALS: [f"{run.run_id} {run.ledger}" for run in sealed],
        }
        # paths that do not belong into a report, with what stands there instead
        self.hidden = {
            str(Path.home()): "~",
            sysconfig.get_path("purelib"): "packages",
            sysconfig.get_path("stdlib"): "python",
            str(plan.root): ".",
            str(self.target): ".",
            str(work): "",
            str(draft.folder): "",
            source.place: source.name,
            self.place: source.name,
        }

    def seconds_left(self) -> float:
        """Say what a notebook that starts now may take."""
        left = self.limits.total - (time.monotonic() - self.began)
        return min(self.limits.timeout, left)

    def run(self, content: str) -> Run:
        """Run all; those that read tables come last, and not if one before them stopped.

        Data whose `content` is another at the end makes no report: its pages may be of both.
        """
        # The threads only run papermill. Pages are made here, and papermill is imported here: some
        # libraries cannot be imported by two threads at once.
        from touchlab.reporting.kernel import Kernels

        tasks = self.plan.tasks
        count = "1 notebook" if len(tasks) == 1 else f"{len(tasks)} notebooks"
        self.tell(Step("", f"{self.draft.data}: {count}", total=len(tasks)))
        pages: dict[str, Page] = {}
        threads = max(1, (os.cpu_count() or 1) // self.limits.jobs)
        with (
            ThreadPoolExecutor(self.limits.jobs) as pool,
            Kernels(self.work / "k", cwd=self.plan.root, threads=threads) as kernels,
        ):
            describing = pool.submit(kernels.describe, self.place, self.seconds_left)
            import touchlab.reporting.execute  # noqa: F401

            known = describing.result()
            check_names(self.draft.parameters, known.pop("names", {}))
            refuse_few(self.draft.data, known.pop("customers", None), self.plan.min_customers)
            for reading in (False, True):
                stage = [task for task in tasks if task.reads_tables is reading]
                if stopped(pages.values()):
                    why = "a notebook whose tables it reads stopped"
                    pages |= {task.name: self._not_run(task, why) for task in stage}
                    continue
                ordered = sorted(stage, key=self._longest_first)
                running = {pool.submit(self._execute, task, kernels): task for task in ordered}
                for future in as_completed(running):
                    task = running[future]
                    pages[task.name] = self._finished(task, future.result())
        failures = [page.failure for page in stopped(pages.values())]
        if content and data_key(self.source.place) != content:
            failures.append(Failure("", 0, "Data changed", CHANGED))
        run = replace(
            self.draft,
            folder=self.target,
            status="failed" if failures else "complete",
            seconds=round(time.monotonic() - self.began, 1),
            pages=tuple(pages[task.name] for task in tasks),
            failure=failures[0] if failures else None,
            **known,
        )
        if not failures:
            run = replace(run, ledger=self._remember(run))
        self._write(run)
        return run

    def _remember(self, run: Run) -> str:
        """Write down what the run foretells, all of it or nothing; return the ledger's seal."""
        from touchlab.overview import read_tables

        try:
            found = read_tables(self.tables)["forecasts"]
            text = with_forecasts(self.ledger, found, run.run_id, run.started)
        except (OSError, ValueError, KeyError):  # it is left alone, and its page says why
            return ""
        draft = self.work / self.ledger.name
        draft.write_text(text, encoding="utf-8", newline="")
        put_in_place(draft, self.ledger)
        return seal_of(self.ledger)

    def _longest_first(self, task: Task) -> tuple[float, int]:
        """Order by what it took in an earlier run, so that no long one is left for the end."""
        pages = (page for run in self.earlier for page in run.pages if page.name == task.name)
        took = next((page.seconds for page in pages if page.seconds), math.inf)
        return -took, -task.code

    def _execute(self, task: Task, kernels: Kernels) -> Outcome | None:
        """Run one notebook in a thread, again if its kernel died; None if no time is left."""
        from touchlab.reporting.execute import execute

        deadline = time.monotonic() + self.seconds_left()
        if kernels.closed or time.monotonic() >= deadline:
            return None
        self.tell(Step(task.name, "started"))
        filled = {name: value for name, value in self.filled.items() if name in task.declared}
        for tries_left in reversed(range(self.limits.retries + 1)):
            outcome = execute(
                task.path,
                output=self.work / task.path.name,
                parameters={**filled, **task.parameters},
                manager=kernels.manager_class(),
                seconds=deadline - time.monotonic(),
            )
            kernels.clear_up()
            again = outcome.died and tries_left and not kernels.closed
            if not again or time.monotonic() > deadline:
                break
            self.tell(Step(task.name, "retried", outcome.seconds))
        self.tell(Step(task.name, "failed" if outcome.failure else "done", outcome.seconds))
        return outcome

    def _finished(self, task: Task, outcome: Outcome | None) -> Page:
        """Make a notebook fit to be shown, and say what there is to say of it."""
        if outcome is None:
            return self._not_run(task, f"the run had used its {self.limits.total:g} seconds")
        write_tables(outcome.notebook, self.tables / task.name)
        outcome = outcome.without_paths(self.hidden)
        blocks = blocks_of(outcome.notebook)
        self.shown[task.name] = outcome.notebook, blocks
        status = "failed" if outcome.failure else "complete"
        seconds = round(outcome.seconds, 1)
        return Page(task.name, task.title, answer_of(blocks), seconds, status, outcome.failure)

    def _not_run(self, task: Task, why: str) -> Page:
        self.tell(Step(task.name, "not run"))
        failure = Failure(task.name, 0, "Not run", why)
        return Page(task.name, task.title, "", 0.0, "not run", failure)

    def _write(self, run: Run) -> None:
        """Write notebooks, pages and record; of a notebook that never ran there is no page."""
        import nbformat

        for name, (notebook, blocks) in self.shown.items():
            nbformat.write(notebook, run.folder / f"{name}.ipynb")  # type: ignore[no-untyped-call]
            page = export_html(notebook, name=name, run=run, blocks=blocks)
            (run.folder / f"{name}.html").write_text(page, encoding="utf-8")
        if not any(self.tables.iterdir()):
            self.tables.rmdir()
        write_record(run)
        write_run_page(run)


def _failure_message(run: Run) -> str:
    ended = [page.failure for page in stopped(run.pages)] or [run.failure]
    said = [failure.sentence() for failure in ended if failure]
    page = run.page.resolve()
    if page.is_relative_to(Path.cwd()):
        page = page.relative_to(Path.cwd())
    return (
        "\n".join(said) + f"\n  what ran up to there: {page}\n"
        "  the last good report is unchanged; mend the notebook or the data and run again"
    )
