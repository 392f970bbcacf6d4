"""The commands `touchlab report` and `touchlab params`."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from touchlab.reporting.exits import CODES

_EPILOG = (
    "exit codes:\n"
    + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in CODES.items())
    + "\n\nA value comes from [report] in touchlab.toml beside the data, then --params, then\n"
    "--param; the later one holds. What was made from the same data, parameters and code\n"
    "before is not made again. Databases are: what they hold is not known beforehand."
)


def add_commands(commands: Any) -> None:
    """Add both to the subcommands of an argument parser."""
    one = commands.add_parser(
        "report",
        help="run the notebooks into report pages",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("data", nargs="?", default="data/sample", help="folder or database URL")
    one.add_argument("--out", default="reports", help="folder of the reports")
    one.add_argument(
        "--only", action="append", default=[], metavar="NOTEBOOK",
        help="this one, with those whose tables it reads; may be given several times",
    )  # fmt: skip
    one.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="see touchlab params"
    )
    one.add_argument("--params", metavar="FILE", help="parameters in a TOML file: name = value")
    one.add_argument(
        "--sweep", action="store_true", help="a report for every [sweep.name] in touchlab.toml"
    )
    one.add_argument("--force", action="store_true", help="run also what has not changed")
    one.add_argument("--jobs", type=int, default=2, help="notebooks at a time (2)")
    one.add_argument("--timeout", type=float, default=1800, help="seconds for a notebook (1800)")
    one.add_argument(
        "--total-timeout", type=float, default=14400, metavar="TIMEOUT",
        help="seconds for the run, and to wait for another one (14400)",
    )  # fmt: skip
    one.add_argument(
        "--retries", type=int, default=1, help="tries more for a notebook whose kernel died (1)"
    )
    one.add_argument(
        "--keep", type=int, default=20,
        help="newest runs to keep, good and failed counted apart; never the latest removed (20)",
    )  # fmt: skip
    one.set_defaults(run=report)

    one = commands.add_parser("params", help="list the parameters of the notebooks")
    one.set_defaults(run=params)


def report(given: argparse.Namespace) -> None:
    """Run the notebooks on the data and publish their pages."""
    from touchlab.reporting.progress import shown
    from touchlab.reporting.runner import Limits, run_report

    signal.signal(signal.SIGTERM, _terminated)
    settings: dict[str, Any] = {
        "out": given.out,
        "only": given.only,
        "parameters": _parameters(given),
        "force": given.force,
        "limits": Limits(
            jobs=given.jobs,
            timeout=given.timeout,
            total=given.total_timeout,
            retries=given.retries,
            keep=given.keep,
        ),
    }
    with shown() as progress:
        if given.sweep:
            from touchlab.reporting.sweep import run_sweep

            runs = run_sweep(given.data, **settings, progress=progress)
        else:
            runs = [run_report(given.data, **settings, progress=progress)]
    for run in runs:
        if run.status == "unchanged":
            print(f"nothing has changed since the run {run.run_id} (--force runs it anyway)")
        print(f"report: {run.page}")
    out = Path(given.out)
    print(f"all of them: {out / 'index.html'}" if given.sweep else f"newest: {out / 'latest'}")


def params(given: argparse.Namespace) -> None:
    """List every parameter: its default, what is allowed, its meaning and unit, and where."""
    from touchlab.reporting.notebooks import declared_parameters
    from touchlab.reporting.ranges import RANGES

    found: dict[tuple[str, str, str], list[str]] = {}
    for notebook, declared in declared_parameters().items():
        for one in declared.values():
            found.setdefault((one.name, repr(one.default), one.comment), []).append(notebook[:2])
    heads = ("parameter", "default", "allowed", "meaning and unit", "notebooks")
    rows = [
        (name, default, RANGES[name].words if name in RANGES else "", comment, " ".join(numbers))
        for (name, default, comment), numbers in sorted(found.items())
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _parameters(given: argparse.Namespace) -> Mapping[str, Any]:
    """Collect the values: beside the data, from a file, from the command line."""
    from touchlab.data.locate import REPORT, settings_of
    from touchlab.reporting.assignments import parse_assignments, read_parameter_file
    from touchlab.reporting.notebooks import declared_parameters, notebooks_folder
    from touchlab.reporting.place import data_place

    folder = notebooks_folder()
    beside = settings_of(data_place(given.data, folder.parent), REPORT)
    listed = read_parameter_file(Path(given.params)) if given.params else {}
    declared = {
        name: one
        for parameters in declared_parameters(folder).values()
        for name, one in parameters.items()
    }
    return {**beside, **listed, **parse_assignments(given.param, declared)}


def _terminated(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)  # so that kernels are ended and the work is cleared away
