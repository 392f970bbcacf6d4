"""Which notebooks make the report: found, chosen, and their parameters read."""

import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from touchlab.errors import ParameterError, ReportError
from touchlab.reporting.parameters import Parameter, read_parameters

_NUMBERED = "[0-9][0-9]_*.ipynb"


def notebooks_folder(start: Path | None = None) -> Path:
    """Find the notebooks: of the working directory's repository, or of this installation.

    Parameters
    ----------
    start
        Where to begin looking; the working directory if not given.

    Raises
    ------
    ReportError
        There is no folder with numbered notebooks in any of the places.
    """
    package = Path(__file__).resolve().parents[1]
    places = [folder / "notebooks" for folder in _up_to_repository(start or Path.cwd())]
    places += [package.parent / "notebooks", package / "_notebooks"]
    for place in places:
        if any(place.glob(_NUMBERED)):
            return place.resolve()
    raise ReportError(
        "no notebooks found\n"
        "  looked for notebooks/01_name.ipynb in the working directory and above it, and"
        " beside the installed package\n"
        "  run this inside a copy of the repository"
    )


def choose_notebooks(folder: Path, only: Sequence[str] = ()) -> list[Path]:
    """List the notebooks of a folder by number, all of them or those named.

    A name may be ``03_attribution``, ``03_attribution.ipynb`` or just ``03``.

    Raises
    ------
    ReportError
        The folder has no numbered notebooks.
    ParameterError
        A name fits none of them.
    """
    paths = sorted(folder.glob(_NUMBERED))
    if not paths:
        raise ReportError(f"no notebooks such as 01_name.ipynb in the folder {folder.name!r}")
    if not only:
        return paths
    chosen = {_find(name, paths) for name in only}
    return [path for path in paths if path in chosen]


def quick_imports() -> None:
    """Spare seconds: in a JupyterLab environment jsonschema builds a grammar on every import."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def read_notebook(path: Path) -> Any:
    """Read a notebook as a NotebookNode of format 4."""
    quick_imports()
    import nbformat

    try:
        return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, UnicodeDecodeError, nbformat.reader.NotJSONError, AttributeError) as error:
        raise ReportError(f"{path.name} is not a notebook that can be read: {error}") from error


def parameters_of(notebook: Any, name: str) -> dict[str, Parameter]:
    """Read the parameters that a notebook declares in its cell tagged `parameters`."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            return read_parameters(cell.source, notebook=name)
    return {}


def declared_parameters(folder: Path | None = None) -> dict[str, dict[str, Parameter]]:
    """Collect the parameters of all notebooks: by notebook, then by name."""
    paths = choose_notebooks(folder or notebooks_folder())
    return {path.stem: parameters_of(read_notebook(path), path.stem) for path in paths}


def title_of(notebook: Any, default: str) -> str:
    """Take the first H1 of a notebook's prose as its title."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = re.search(r"^# +(.+?) *#*$", cell.source, flags=re.MULTILINE)
            if heading:
                return heading[1].replace("`", "").replace("*", "").strip()
    return default


def _find(name: str, paths: Sequence[Path]) -> Path:
    wanted = name.removesuffix(".ipynb")
    for path in paths:
        if wanted in (path.stem, path.stem[:2]):
            return path
    stems = [path.stem for path in paths]
    nearest = difflib.get_close_matches(wanted, stems, n=1)
    hint = f"  did you mean {nearest[0]!r}?\n" if nearest else ""
    raise ParameterError(f"unknown notebook {name!r}\n{hint}  there are: {', '.join(stems)}")


def _up_to_repository(start: Path) -> list[Path]:
    folders = [start, *start.parents]
    for depth, folder in enumerate(folders):
        if (folder / ".git").exists() or (folder / "pyproject.toml").exists():
            return folders[: depth + 1]
    return [start]
