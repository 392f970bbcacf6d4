"""What will be run: the notebooks as a graph, each with its values and its key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchlab.reporting.keys import notebook_key
from touchlab.reporting.notebooks import (
    choose_notebooks,
    parameters_of,
    read_notebook,
    title_of,
)
from touchlab.reporting.parameters import DATA, PREVIOUS, RESULTS, Parameter, check_parameters
from touchlab.reporting.place import Source
from touchlab.reporting.record import FILE, Page, Run, read_record, read_records


@dataclass(frozen=True)
class Task:
    """One notebook of a run: what it is told, what it waits for, what it is made from."""

    path: Path
    title: str
    notebook: Any
    declared: Mapping[str, Parameter]
    parameters: Mapping[str, Any]
    upstream: tuple[str, ...] = ()
    """Notebooks whose tables it reads."""

    @property
    def name(self) -> str:
        return self.path.stem

    def values(self, place: str, results: Path, previous: str) -> dict[str, Any]:
        """Give the values for its `parameters` cell: its own, the data and the tables."""
        filled = {DATA: place, RESULTS: str(results), PREVIOUS: previous}
        own = {name: value for name, value in filled.items() if name in self.declared}
        return {**own, **self.parameters}


def plan_tasks(folder: Path, only: Sequence[str], given: Mapping[str, object]) -> list[Task]:
    """Choose the notebooks, check every value for each, and say what waits for what.

    A notebook with a parameter ``results`` reads the tables of all that have none: it comes
    after them, and choosing it chooses them too.
    """
    chosen = {path.stem for path in choose_notebooks(folder, only)}
    notebooks = {path: read_notebook(path) for path in choose_notebooks(folder)}
    declared = {path.stem: parameters_of(node, path.stem) for path, node in notebooks.items()}
    readers = {name for name in chosen if RESULTS in declared[name]}
    sources = tuple(name for name in declared if RESULTS not in declared[name])
    chosen |= set(sources) if readers else set()
    shared = check_parameters(given, {name: declared[name] for name in declared if name in chosen})
    return [
        Task(
            path=path,
            title=title_of(node, path.stem),
            notebook=node,
            declared=declared[path.stem],
            parameters=shared[path.stem],
            upstream=sources if path.stem in readers else (),
        )
        for path, node in notebooks.items()
        if path.stem in chosen
    ]


def keys_of(
    tasks: Sequence[Task], source: Source, content: str, versions: Mapping[str, str]
) -> dict[str, str]:
    """Give every task the key of all it is made from; `content` is the key of the data."""
    data = [source.name, content, f"cut {source.cut}"]
    keys: dict[str, str] = {}
    for task in sorted(tasks, key=lambda task: len(task.upstream)):  # those without come first
        keys[task.name] = notebook_key(
            task.notebook,
            task.parameters,
            data=data if DATA in task.declared else [],
            upstream={name: keys[name] for name in task.upstream},
            versions=versions,
        )
    return keys


def earlier_pages(out: Path) -> list[tuple[Run, Page]]:
    """List the finished pages of all earlier runs, newest first, also of runs that failed."""
    return [
        (run, page)
        for run in read_records(out)
        for page in run.pages
        if page.status == "complete" and (run.folder / f"{page.name}.ipynb").is_file()
    ]


def is_unchanged(folder: Path, keys: Mapping[str, str]) -> bool:
    """Say whether the run in `folder` was made from just this, and is whole."""
    if not (folder / FILE).is_file():
        return False
    run = read_record(folder)
    whole = all((folder / page.file).is_file() for page in run.pages) and run.page.is_file()
    made_from = {page.name: page.key for page in run.pages}
    return whole and run.status == "complete" and made_from == dict(keys) and all(keys.values())
