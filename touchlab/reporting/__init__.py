"""Reports: the notebooks run by papermill, their pages, and the index of all runs.

runner.py      a run from start to published folder        execute.py  one notebook, one kernel
notebooks.py   which notebooks                             kernel.py   this interpreter
parameters.py  what they may be told                       paths.py    no paths in reports
export.py      a notebook as a page                        cells.py, tables.py, sanitise.py
index.py       the pages around them                       record.py   run.json
"""

from touchlab.reporting.export import export_html
from touchlab.reporting.index import write_index
from touchlab.reporting.notebooks import choose_notebooks, declared_parameters, notebooks_folder
from touchlab.reporting.parameters import (
    Parameter,
    check_parameters,
    parse_assignments,
    read_parameters,
)
from touchlab.reporting.record import Failure, Page, Run
from touchlab.reporting.runner import run_report

__all__ = [
    "Failure",
    "Page",
    "Parameter",
    "Run",
    "check_parameters",
    "choose_notebooks",
    "declared_parameters",
    "export_html",
    "notebooks_folder",
    "parse_assignments",
    "read_parameters",
    "run_report",
    "write_index",
]
