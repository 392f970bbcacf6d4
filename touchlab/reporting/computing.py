"""The notebooks of a run: copied where nothing has changed, computed where something has."""

import importlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchlab.reporting.cells import Block, blocks_of, first_answer
from touchlab.reporting.cut import cut_data
from touchlab.reporting.execute import Outcome, execute, quiet_log
from touchlab.reporting.forking import CAN_FORK, Server
from touchlab.reporting.graph import run_graph
from touchlab.reporting.harvest import write_tables
from touchlab.reporting.notebooks import quick_imports, read_notebook
from touchlab.reporting.paths import hide_paths
from touchlab.reporting.place import Source, hidden_names
from touchlab.reporting.plan import Task, earlier_pages
from touchlab.reporting.progress import Progress, Step
from touchlab.reporting.record import Failure, Page, Run, stopped

if TYPE_CHECKING:
    from touchlab.reporting.runner import Limits

TABLES = "tables"
_DIED = ("Dead kernel", "Kernel failed")
_LOADED = (
    "pandas", "pyarrow.parquet", "papermill", "touchlab.reporting.engine",
    "bleach.sanitizer", "bs4", "mistune", "pygments.formatters", "pygments.lexers",
)  # fmt: skip
"""Loaded while the server loads; some cannot be imported by two threads at once."""


@dataclass(frozen=True)
class Done:
    """A notebook of a run with its page; the notebook is None if it never started."""

    page: Page
    notebook: Any = None
    blocks: Sequence[Block] = ()


@dataclass(frozen=True)
class Computing:
    """What holds for all notebooks of a run."""

    source: Source
    out: Path
    work: Path
    limits: "Limits"
    keys: Mapping[str, str]
    force: bool
    tell: Progress
    began: float = field(default_factory=time.monotonic)

    @property
    def target(self) -> Path:
        """Folder that becomes the run."""
        return self.work / "run"


def compute(draft: Run, tasks: Sequence[Task], setting: Computing) -> tuple[Run, list[Done]]:
    """Give every task its notebook, and the run what is known of its data."""
    (setting.target / TABLES).mkdir(parents=True)
    count = f"{len(tasks)} notebook" + ("s" if len(tasks) > 1 else "")
    setting.tell(Step("", f"{setting.source.name}: {count}", total=len(tasks)))
    earlier = [] if setting.force else earlier_pages(setting.out)
    done = _copied(tasks, earlier, setting)
    left = [task for task in tasks if task.name not in done]
    known = _known_data(draft, earlier)
    if left:
        fork = CAN_FORK and len(left) > setting.limits.jobs  # for fewer, loading does not pay
        root, before = tasks[0].path.parent.parent, _tables_before(earlier, setting)
        with _Computer(setting, root, before, fork=fork) as computer:
            describing = None if known else computer.describe()
            done |= computer.run(
                left, expected={page.name: page.seconds for _, page in earlier[::-1]}
            )
            known = known or computer.described(describing)
    ordered = [done[task.name] for task in tasks]
    failures = [page.failure for page in stopped(one.page for one in ordered)]
    run = replace(
        draft,
        folder=setting.target,
        status="failed" if failures else "complete",
        seconds=round(time.monotonic() - setting.began, 1),
        pages=tuple(one.page for one in ordered),
        failure=failures[0] if failures else None,
        **known,
    )
    return run, ordered


def _copied(
    tasks: Sequence[Task], earlier: Sequence[tuple[Run, Page]], setting: Computing
) -> dict[str, Done]:
    """Take over the results that an earlier run made from just the same."""
    done = {}
    for task in tasks:
        key = setting.keys[task.name]
        found = [(run, page) for run, page in earlier if key and page.key == key]
        if not found:
            continue
        run, page = found[0]
        tables = run.folder / TABLES / task.name
        if tables.is_dir():
            shutil.copytree(tables, setting.target / TABLES / task.name)
        page = replace(page, copied_from=page.copied_from or run.run_id, title=task.title)
        notebook = read_notebook(run.folder / f"{task.name}.ipynb")
        done[task.name] = Done(page, notebook, blocks_of(notebook))
        setting.tell(Step(task.name, "unchanged"))
    return done


def _known_data(draft: Run, earlier: Sequence[tuple[Run, Page]]) -> dict[str, Any]:
    """Recall fingerprint and window of the same data from an earlier run."""
    for run, _ in earlier:
        if run.fingerprint and draft.data_key and run.data_key == draft.data_key:
            return {"fingerprint": run.fingerprint, "window": run.window}
    return {}


def _tables_before(earlier: Sequence[tuple[Run, Page]], setting: Computing) -> str:
    """Find the tables of the newest good run on data of this name; empty if there is none."""
    for run, _ in earlier:
        if run.status == "complete" and run.data == setting.source.name:
            return str(run.folder / TABLES)
    return ""


def _length(task: Task) -> int:
    return sum(len(cell.source) for cell in task.notebook.cells if cell.cell_type == "code")


class _Computer:
    """Kernels, and the notebooks run in them; leaving it ends them all."""

    def __init__(self, setting: Computing, root: Path, before: str, *, fork: bool) -> None:
        self._setting, self._root, self._before = setting, root, before
        self._workspace = setting.work / "k"
        self._workspace.mkdir()
        self._closed = False
        # First of all, so that it loads while this process imports papermill.
        self._server = Server(self._workspace) if fork else None
        self._place = cut_data(setting.source, setting.work)
        self._hidden = {
            **hidden_names(self._place, root),
            self._place: setting.source.name,
            setting.source.place: setting.source.name,
            str(setting.target): ".",
            str(setting.work): "",
            str(setting.out): "",
        }

    def __enter__(self) -> "_Computer":
        quick_imports()
        for name in _LOADED:
            importlib.import_module(name)
        from touchlab.reporting.kernel import Kernels

        jobs = self._setting.limits.jobs
        threads = max(1, (os.cpu_count() or 1) // jobs)
        self._kernels = Kernels(
            self._workspace, cwd=self._root, threads=threads, server=self._server
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._kernels.close()
        if self._server:
            self._server.close()

    def run(self, tasks: Sequence[Task], expected: Mapping[str, float]) -> dict[str, Done]:
        """Run the tasks as a graph; what depends on a failed one is not run.

        Where no earlier run tells how long each takes, those with the most code begin.
        """
        named = {task.name: task for task in sorted(tasks, key=_length, reverse=True)}
        finished: dict[str, Future[Done]] = {}

        # one thread makes the pages, while other notebooks run
        with quiet_log(), ThreadPoolExecutor(1) as finishing:

            def work(name: str) -> bool:
                outcome = self._run_one(named[name])
                finished[name] = finishing.submit(self._done, named[name], outcome)
                return outcome is not None and outcome.failure is None

            left = run_graph(
                {name: [up for up in task.upstream if up in named] for name, task in named.items()},
                work,
                jobs=self._setting.limits.jobs,
                expected=expected,
                stop=self.close,
            )
        waited = "a notebook whose tables it reads stopped"
        done = {name: future.result() for name, future in finished.items()}
        return done | {name: self._not_run(named[name], waited) for name in left}

    def _run_one(self, task: Task) -> Outcome | None:
        """Run one notebook in a thread; None if there is no time left for it."""
        setting, limits = self._setting, self._setting.limits
        self._kernels.ready()
        seconds = min(limits.timeout, limits.total - (time.monotonic() - setting.began))
        if seconds <= 0:
            return None
        setting.tell(Step(task.name, "started"))
        outcome = self._tried(task, seconds)
        # before what reads them starts
        write_tables(outcome.notebook, setting.target / TABLES / task.name)
        word = "failed" if outcome.failure else "done"
        setting.tell(Step(task.name, word, outcome.seconds))
        return outcome

    def _done(self, task: Task, outcome: Outcome | None) -> Done:
        if outcome is None:
            spent = f"the run had used its {self._setting.limits.total:g} seconds"
            return self._not_run(task, spent)
        outcome = self._without_paths(outcome)
        blocks = blocks_of(outcome.notebook)
        page = Page(
            name=task.name,
            title=task.title,
            answer=first_answer(blocks),
            seconds=round(outcome.seconds, 1),
            status="failed" if outcome.failure else "complete",
            key=self._setting.keys[task.name],
            failure=outcome.failure,
        )
        return Done(page, outcome.notebook, blocks)

    def _not_run(self, task: Task, why: str) -> Done:
        self._setting.tell(Step(task.name, "not run"))
        failure = Failure(task.name, 0, "Not run", why)
        return Done(Page(task.name, task.title, "", 0.0, "not run", failure=failure))

    def _tried(self, task: Task, seconds: float) -> Outcome:
        """Run it; once more, in a kernel that shares nothing, if the kernel died."""
        setting, deadline = self._setting, time.monotonic() + seconds
        for trial in range(setting.limits.retries + 1):
            outcome = execute(
                task.path,
                output=setting.work / task.path.name,
                parameters=task.values(self._place, setting.target / TABLES, self._before),
                manager=self._kernels.manager_class(fork=trial == 0),
                seconds=deadline - time.monotonic(),
            )
            died = outcome.failure is not None and outcome.failure.error in _DIED
            last = trial == setting.limits.retries or time.monotonic() > deadline
            if not died or last or self._closed:
                break
            setting.tell(Step(task.name, "retried", outcome.seconds))
        return outcome

    def _without_paths(self, outcome: Outcome) -> Outcome:
        failure = outcome.failure
        if failure:
            failure = Failure(**hide_paths(vars(failure), self._hidden))
        notebook = hide_paths(outcome.notebook, self._hidden)
        return replace(outcome, notebook=notebook, failure=failure)

    def describe(self) -> Any:
        """Start to find out what the data holds, beside the notebooks."""
        return self._kernels.describe(self._place, self._setting.work / "data.json")

    def described(self, process: Any) -> dict[str, Any]:
        """Read what was found; nothing if the data could not be opened, as the pages will say."""
        limits = self._setting.limits
        left = max(0.0, limits.total - (time.monotonic() - self._setting.began))
        try:
            if process is None or process.wait(min(limits.timeout, left)) != 0:
                return {}
        except subprocess.TimeoutExpired:
            return {}
        return json.loads((self._setting.work / "data.json").read_text(encoding="utf-8"))
