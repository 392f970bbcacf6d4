"""Which notebooks make the report: found, chosen, and each with the values it is given."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchlab.errors import ParameterError, ReportError, nearest
from touchlab.reporting.parameters import RESULTS, Parameter, check_parameters, read_parameters

_NUMBERED = "[0-9][0-9]_*.ipynb"


def notebooks_folder() -> Path:
    """Find the notebooks: packed with the package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    packed = package / "_notebooks"
    return packed if packed.is_dir() else package.parent / "notebooks"


def choose_notebooks(
    folder: Path, only: Sequence[str] = (), own: str | Path | None = None
) -> list[Path]:
    """List the notebooks of a folder by number, and those of `own` beside them; all or those named.

    A name may be ``03_attribution``, ``03_attribution.ipynb`` or just ``03``. One of `own` stands
    in the place of one that has its very name.
    """
    by_name: dict[str, Path] = {}
    for place in (folder, Path(own).expanduser().resolve()) if own else (folder,):
        here = {path.stem: path for path in place.glob(_NUMBERED)}
        if not here:
            raise ReportError(f"no notebooks such as 01_name.ipynb in the folder {place.name!r}")
        by_name |= here
    paths = [by_name[name] for name in sorted(by_name)]
    stems = [path.stem for path in paths]
    chosen = set()
    for name in only:
        wanted = name.removesuffix(".ipynb")
        found = [path for path in paths if wanted in (path.stem, path.stem[:2])]
        if not found:
            unknown = f"unknown notebook {name!r}{nearest(wanted, stems)}"
            raise ParameterError(f"{unknown}\n  there are: {', '.join(stems)}")
        chosen |= {*found}
    return [path for path in paths if path in chosen or not only]


def read_notebook(path: Path) -> Any:
    """Read a notebook as a NotebookNode of format 4."""
    _spare_a_grammar()
    import nbformat

    try:
        return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, UnicodeDecodeError, nbformat.reader.NotJSONError, AttributeError) as error:
        raise ReportError(f"{path.name} is not a notebook that can be read: {error}") from error


def _spare_a_grammar() -> None:
    """Import jsonschema without the 1.5 s in which it builds a grammar of web addresses.

    It does so wherever JupyterLab is installed, for a check that notebooks never ask for. This
    is the one place where a module is hidden, and only while jsonschema loads.
    """
    grammar = "rfc3987_syntax"
    if "jsonschema" not in sys.modules and grammar not in sys.modules:
        sys.modules[grammar] = None  # type: ignore[assignment]
        import jsonschema  # noqa: F401

        del sys.modules[grammar]


def title_of(notebook: Any, default: str) -> str:
    """Take the first H1 of a notebook's prose as its title."""
    for cell in notebook.cells:
        heading = re.search(r"^# +(.+?) *#*$", cell.source, flags=re.MULTILINE)
        if heading and cell.cell_type == "markdown":
            return heading[1].replace("`", "").replace("*", "").strip()
    return default


def _parameters_of(notebook: Any, name: str) -> dict[str, Parameter]:
    """Read the parameters that a notebook declares in its cell tagged `parameters`."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            return read_parameters(cell.source, notebook=name)
    return {}


def declared_parameters(
    folder: Path | None = None, own: str | Path | None = None
) -> dict[str, dict[str, Parameter]]:
    """Collect the parameters of all notebooks: by notebook, then by name."""
    paths = choose_notebooks(folder or notebooks_folder(), own=own)
    return {path.stem: _parameters_of(read_notebook(path), path.stem) for path in paths}


@dataclass(frozen=True)
class Task:
    """One notebook of a run, and what it is given."""

    path: Path
    title: str
    notebook: Any
    declared: Mapping[str, Parameter]
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def reads_tables(self) -> bool:
        """Whether it is made of the tables of the others, and so comes after them."""
        return RESULTS in self.declared

    @property
    def code(self) -> int:
        """How much code it has: a guess at its time where none is known."""
        return sum(len(cell.source) for cell in self.notebook.cells if cell.cell_type == "code")


@dataclass(frozen=True)
class Plan:
    """The notebooks of a run, where their kernels work, and which part of all they are."""

    tasks: Sequence[Task]
    root: Path
    part: str = ""

    @property
    def min_customers(self) -> int:
        """The fewest customers that all of the notebooks would show; 1 where none hides any."""
        name = "min_customers"
        declared = [task for task in self.tasks if name in task.declared]
        return max([t.parameters.get(name, t.declared[name].default) for t in declared], default=1)


def choose_tasks(
    folder: Path,
    only: Sequence[str],
    given: Mapping[str, object],
    own: str | Path | None = None,
) -> Plan:
    """Choose the notebooks and check every value for each.

    Choosing one that reads the tables of the others chooses those too.
    """
    notebooks = {path: read_notebook(path) for path in choose_notebooks(folder, own=own)}
    declared = {path: _parameters_of(node, path.stem) for path, node in notebooks.items()}
    chosen = choose_notebooks(folder, only, own)
    if any(RESULTS in declared[path] for path in chosen):
        chosen = [path for path in notebooks if path in chosen or RESULTS not in declared[path]]
    values = check_parameters(given, {path.stem: declared[path] for path in chosen})
    tasks = [
        Task(path, title_of(node, path.stem), node, declared[path], values[path.stem])
        for path, node in notebooks.items()
        if path in chosen
    ]
    numbers = dict.fromkeys(task.name[:2] for task in tasks)
    return Plan(tasks, folder.parent, "-".join(numbers) if len(tasks) < len(notebooks) else "")
