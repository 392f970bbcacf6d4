"""The names of the room; `__init__.py` loads each on first use."""

from .assignments import parse_assignments
from .exits import Busy, NotFinished, NotWritten
from .export import export_html
from .index import write_index
from .notebooks import choose_notebooks, declared_parameters, notebooks_folder
from .parameters import Parameter, check_parameters, read_parameters
from .progress import Step
from .record import Failure, Page, Run
from .runner import Limits, run_report
from .sweep import run_sweep

__all__ = [
    "Busy",
    "Failure",
    "Limits",
    "NotFinished",
    "NotWritten",
    "Page",
    "Parameter",
    "Run",
    "Step",
    "check_parameters",
    "choose_notebooks",
    "declared_parameters",
    "export_html",
    "notebooks_folder",
    "parse_assignments",
    "read_parameters",
    "run_report",
    "run_sweep",
    "write_index",
]
