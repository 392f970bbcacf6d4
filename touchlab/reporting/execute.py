"""One notebook run by papermill, with an honest verdict on whether all of it ran."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchlab.reporting.examples import hide_examples
from touchlab.reporting.notebooks import quick_imports, read_notebook
from touchlab.reporting.record import Failure
from touchlab.reporting.sanitise import clean_text

_MARKER = "papermill-error-cell-tag"
_INJECTED = "injected-parameters"


@dataclass(frozen=True)
class Outcome:
    """The notebook as far as it ran, the seconds it took, and what stopped it, if anything."""

    notebook: Any
    seconds: float
    failure: Failure | None


def execute(
    path: Path,
    *,
    output: Path,
    parameters: Mapping[str, Any],
    manager: type[Any],
    seconds: float,
) -> Outcome:
    """Run one notebook in a kernel of its own.

    Parameters
    ----------
    path, output
        The notebook to run and where its executed copy is kept, also a partial one.
    parameters
        Checked values for its `parameters` cell.
    manager
        Class of the manager that starts the kernel.
    seconds
        What the whole notebook may take.

    Returns
    -------
    Outcome
        A notebook that stopped is no exception but an Outcome with a failure.
    """
    started = time.monotonic()
    trouble = _papermill(path, output, parameters, manager, started + seconds)
    took = time.monotonic() - started
    notebook = _tidy(read_notebook(output if output.exists() else path))
    failure = _verdict(notebook, path.stem, trouble, seconds)
    return Outcome(notebook, took, failure)


def _papermill(
    path: Path,
    output: Path,
    parameters: Mapping[str, Any],
    manager: type[Any],
    deadline: float,
) -> Exception | None:
    """Execute with papermill; return what it stumbled over instead of raising it."""
    quick_imports()
    import papermill
    from nbclient.exceptions import CellTimeoutError
    from papermill.exceptions import PapermillException

    from touchlab.reporting.engine import NAME

    def seconds_left(_source: object) -> int:
        return max(1, math.ceil(deadline - time.monotonic()))

    try:
        papermill.execute_notebook(
            _literal(path),
            _literal(output),
            parameters=dict(parameters),
            engine_name=NAME,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=60,
            timeout_func=seconds_left,
            iopub_timeout=60,
            shutdown_kernel="immediate",
            kernel_manager_class=manager,
        )
    # RuntimeError: nbclient's word for a kernel that died or never started.
    except (PapermillException, CellTimeoutError, RuntimeError) as error:
        return error
    return None


def _literal(path: Path) -> str:
    """Protect braces: papermill reads paths as templates."""
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def quiet_log() -> Iterator[None]:
    """Keep papermill's log off the terminal; what it says of failures is on the page."""
    logger = logging.getLogger("papermill")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _tidy(notebook: Any) -> Any:
    """Take out what papermill adds about this machine, and its random ids."""
    notebook.cells = [
        cell for cell in notebook.cells if _MARKER not in cell.metadata.get("tags", [])
    ]
    for place in ("input_path", "output_path"):
        notebook.metadata.get("papermill", {}).pop(place, None)
    for cell in notebook.cells:
        if _INJECTED in cell.metadata.get("tags", []):
            cell["id"] = _INJECTED
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                hide_examples(output)
    return notebook


def _verdict(notebook: Any, name: str, trouble: Exception | None, timeout: float) -> Failure | None:
    """Find the cell that stopped the notebook, and say why; None if every cell ran."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    started = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    last = started[-1] if started else None
    error = _last_error(last)
    if trouble is None and error is None and len(started) == len(cells):
        return None
    title, message = _reason(trouble, error, timeout, pending=len(cells) - len(started))
    if last is not None and error is None:
        last.outputs.append(_error_output(title, message))
    _mark_pending(cells, started)
    own = [cell for cell in started if _INJECTED not in cell.metadata.get("tags", [])]
    return Failure(
        notebook=name,
        cell=len(own),
        error=title,
        message=message,
        source=last.source if last is not None else "",
    )


def _reason(
    trouble: Exception | None, error: Any, timeout: float, *, pending: int
) -> tuple[str, str]:
    """Name what went wrong: title and message, in words where the machine has none."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if isinstance(trouble, CellTimeoutError):
        return "Timeout", f"the notebook was not finished after {round(timeout, 1):g} seconds"
    if isinstance(trouble, DeadKernelError):
        return "Dead kernel", "the kernel died: it was killed, crashed or ran out of memory"
    if error is not None and error.ename == "SystemExit" and trouble is None:
        return "SystemExit", f"the notebook ended itself; {_cells(pending)} below never ran"
    if error is not None:
        return clean_text(error.ename), clean_text(error.evalue)
    if trouble is None:
        return "Unfinished", f"{_cells(pending)} never ran"
    return "Kernel failed", clean_text(str(trouble))


def _cells(count: int) -> str:
    return f"{count} code cell" if count == 1 else f"{count} code cells"


def _last_error(cell: Any) -> Any:
    errors = [output for output in cell.outputs if output.output_type == "error"] if cell else []
    return errors[-1] if errors else None


def _error_output(title: str, message: str) -> Any:
    from nbformat.v4 import new_output

    return new_output("error", ename=title, evalue=message, traceback=[])  # type: ignore[no-untyped-call]


def _mark_pending(cells: list[Any], started: list[Any]) -> None:
    """Correct papermill, which marks the cells after a dead kernel as completed."""
    for cell in cells[len(started) :]:
        cell.metadata.setdefault("papermill", {})["status"] = "pending"
    if started:
        started[-1].metadata["papermill"]["status"] = "failed"
