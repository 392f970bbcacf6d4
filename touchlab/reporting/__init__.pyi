"""The names of the room; `__init__.py` loads each on first use."""

from .index import write_index
from .notebooks import choose_notebooks, declared_parameters, notebooks_folder
from .page import export_html
from .parameters import Parameter, check_parameters, parse_assignments, read_parameters
from .record import Busy, Failure, NotFinished, NotWritten, Page, Run
from .run import Limits, Step, run_report
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
