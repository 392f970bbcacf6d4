"""One notebook run by papermill, with an honest verdict on whether all of it ran.

Imported only when a run starts: papermill is slow to import.
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import papermill
from jupyter_client.manager import KernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillException

from touchlab.reporting.clean import clean_text, without_colours
from touchlab.reporting.files import map_texts
from touchlab.reporting.notebooks import read_notebook
from touchlab.reporting.record import Failure

MOST, MOST_PRINTED = 40_000_000, 500_000
"""Characters of the outputs of a notebook, and of what is printed at once, that are kept."""
_MARKER = "papermill-error-cell-tag"
_INJECTED = "injected-parameters"
_EXAMPLE = re.compile(r"^( *first: ).*$", re.MULTILINE)
_HIDDEN = r"\1(a row of the data; `touchlab check` shows it)"

logging.getLogger("papermill").addHandler(logging.NullHandler())  # what it says is on the page
logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # what a time limit cuts off is pending


class SavedOnce(NBClientEngine):  # type: ignore[misc]
    """Lets papermill save at the end alone, however it ends, and not before and after every cell.

    That is half of the time that it takes itself, while the kernel waits.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
        path, nb_man.output_path = nb_man.output_path, None
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
        finally:
            nb_man.output_path = path


papermill_engines.register("touchlab", SavedOnce)


@dataclass(frozen=True)
class Outcome:
    """The notebook as far as it ran, the seconds it took, and what stopped it, if anything."""

    notebook: Any
    seconds: float
    failure: Failure | None

    @property
    def died(self) -> bool:
        """Whether the kernel went, and another one may do better."""
        return self.failure is not None and self.failure.error in ("Dead kernel", "Kernel failed")

    def without_paths(self, names: Mapping[str, str]) -> Outcome:
        """Give it with names in the place of paths of this machine."""
        failure = self.failure and Failure(**hide_paths(vars(self.failure), names))
        return replace(self, notebook=hide_paths(self.notebook, names), failure=failure)


def execute(
    path: Path,
    *,
    output: Path,
    parameters: Mapping[str, Any],
    manager: type[KernelManager],
    seconds: float,
) -> Outcome:
    """Run one notebook in a kernel of its own for `seconds` at most; `output` takes the copy."""
    started = time.monotonic()
    source, target = (str(one).replace("{", "{{").replace("}", "}}") for one in (path, output))
    trouble = None
    try:
        papermill.execute_notebook(
            source,  # which papermill reads as a template
            target,
            parameters=dict(parameters),
            engine_name="touchlab",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=60,
            timeout_func=lambda _: max(1, math.ceil(started + seconds - time.monotonic())),
            iopub_timeout=60,
            shutdown_kernel="immediate",
            kernel_manager_class=manager,
        )
    # RuntimeError: nbclient's word for a kernel that died or never started.
    except (PapermillException, CellTimeoutError, RuntimeError) as error:
        trouble = error
    took = time.monotonic() - started
    notebook = _tidy(read_notebook(output if output.exists() else path))
    return Outcome(notebook, took, _verdict(notebook, path.stem, trouble, seconds))


def _has(cell: Any, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def _tidy(notebook: Any) -> Any:
    """Take out what papermill adds about this machine, rows of the data, and what is too much."""
    for name in ("input_path", "output_path"):
        notebook.metadata.get("papermill", {}).pop(name, None)
    notebook.cells = [cell for cell in notebook.cells if not _has(cell, _MARKER)]
    room = MOST
    for cell in notebook.cells:
        if _has(cell, _INJECTED):
            cell["id"] = _INJECTED
        for place, output in enumerate(cell.get("outputs", [])):
            output, room = _capped(output, room)
            cell.outputs[place] = output
            if output.output_type == "error":
                output.evalue = _EXAMPLE.sub(_HIDDEN, output.evalue)
                output.traceback = [_EXAMPLE.sub(_HIDDEN, text) for text in output.traceback]
    return notebook


def _capped(output: Any, room: int) -> tuple[Any, int]:
    """Cut what is printed, and leave out what no page has room for; return the room left."""
    if output.output_type in ("stream", "error"):  # colours stand in the middle of paths
        output = map_texts(output, without_colours)
    if output.output_type == "stream" and (more := len(output.text) - MOST_PRINTED) > 0:
        output.text = f"{output.text[:MOST_PRINTED]}\n(and {more:,} characters more, left out)"
    if (size := len(json.dumps(output))) <= room:
        return output, room - size
    said = f"(outputs of more than {MOST / 1e6:.0f} MB in a notebook are left out)"
    return new_output("stream", name="stderr", text=said), room  # type: ignore[no-untyped-call]


def _verdict(notebook: Any, name: str, trouble: Exception | None, timeout: float) -> Failure | None:
    """Find the cell that stopped the notebook, and say why; None if every cell ran."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    started = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    pending = cells[len(started) :]
    last = started[-1] if started else None
    errors = [one for one in last.outputs if one.output_type == "error"] if last else []
    if trouble is None and not errors and not pending:
        return None
    title, message = _reason(trouble, errors, timeout, len(pending))
    for cell in pending:  # papermill marks the cells after a dead kernel as completed
        cell.metadata.setdefault("papermill", {})["status"] = "pending"
    if last is not None:
        last.metadata["papermill"]["status"] = "failed"
        if not errors:
            last.outputs.append(new_output("error", ename=title, evalue=message, traceback=[]))  # type: ignore[no-untyped-call]
    own = [cell for cell in started if not _has(cell, _INJECTED)]
    return Failure(name, len(own), title, message, last.source if last is not None else "")


def _reason(
    trouble: Exception | None, errors: list[Any], timeout: float, pending: int
) -> tuple[str, str]:
    """Name what went wrong: title and message, in words where the machine has none."""
    cells = f"{pending} code cell" + ("" if pending == 1 else "s")
    if isinstance(trouble, CellTimeoutError):
        return "Timeout", f"the notebook was not finished after {round(timeout, 1):g} seconds"
    if isinstance(trouble, DeadKernelError):
        return "Dead kernel", "the kernel died: it was killed, crashed or ran out of memory"
    if errors and trouble is None and errors[-1].ename == "SystemExit":
        return "SystemExit", f"the notebook ended itself; {cells} below never ran"
    if errors:
        return clean_text(errors[-1].ename), clean_text(errors[-1].evalue)
    if trouble is None:
        return "Unfinished", f"{cells} never ran"
    return "Kernel failed", clean_text(str(trouble))


def hide_paths(value: Any, names: Mapping[str, str]) -> Any:
    """Replace paths and addresses by names: longer ones first, and whole parts of paths only.

    >>> hide_paths({"text": "open('/home/eva/shop/a.csv')"}, {"/home/eva/shop": "shop"})
    {'text': "open('shop/a.csv')"}
    >>> hide_paths("/home/eva/shopping", {"/home/eva/shop": "shop"})
    '/home/eva/shopping'
    """
    known = {s: name for path, name in names.items() if len(path) > 1 for s in _spellings(path)}
    choices = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w.-])(?:file://)?({choices})(?![\w-])")
    return map_texts(value, lambda text: pattern.sub(lambda match: known[match[1]], text))


def _spellings(path: str) -> set[str]:
    """Spell a path as it stands, as Python and JSON write it, and as papermill injects it."""
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    escaped = quoted.encode("unicode_escape").decode("ascii").replace("\\\\", "\\")
    return {path, quoted, escaped, repr(path)[1:-1], json.dumps(path)[1:-1]}
