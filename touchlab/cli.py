"""The `touchlab` command: check data, simulate, import, run the report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from touchlab.errors import ParameterError, TouchlabError

PROBLEM = 2
"""Exit code where touchlab refuses: bad data, bad parameters, a report that did not finish."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; print its result, or its problem to stderr."""
    given = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = given.run
    try:
        run(given)
    except TouchlabError as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return PROBLEM
    except BrokenPipeError:
        return 0
    return 0


def check(given: argparse.Namespace) -> None:
    """Open the data and say what it holds and what was mended."""
    from touchlab.dataset import open_data
    from touchlab.show import readable

    data = open_data(given.data)
    print(readable(data.overview).to_string(index=False))
    for note in data.notes.itertuples():
        print(f"note: {note.table}: {note.note}" + (f" ({note.rows:,} rows)" if note.rows else ""))
    print(f"{data.name} keeps the contract")


def report(given: argparse.Namespace) -> None:
    """Run the notebooks on the data and publish their pages."""
    from touchlab.locate import report_settings
    from touchlab.reporting import parse_assignments, run_report
    from touchlab.reporting.notebooks import declared_parameters

    declared = declared_parameters(given.only)
    parameters = report_settings(given.data) | parse_assignments(given.param, declared)
    run = run_report(
        given.data,
        out=given.out,
        only=given.only,
        parameters=parameters,
        timeout=given.timeout,
        progress=lambda line: print(line, flush=True),
    )
    print(f"report: {run.page}\nindex:  {Path(given.out) / 'index.html'}")


def simulate(given: argparse.Namespace) -> None:
    """Write the simulated company, with its truth, to a folder."""
    from touchlab.simulate import write_company

    chosen = {"seed": given.seed, "customers": given.customers}
    paths = write_company(given.folder, **{k: v for k, v in chosen.items() if v is not None})
    for path in paths.values():
        print(path)


def bring(given: argparse.Namespace) -> None:
    """Import a foreign source into a folder that keeps the contract."""
    from touchlab.show import readable
    from touchlab.sources import SOURCES

    if given.source not in SOURCES:
        allowed = ", ".join(sorted(SOURCES))
        raise ParameterError(f"import: {given.source!r} is not a source\n  use any of {allowed}")
    print(readable(SOURCES[given.source](given.folder)).to_string(index=False))
    print(f"next: touchlab report {given.folder}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="touchlab",
        description="Which touchpoints drive conversion, retention and referral, and how sure.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    one = commands.add_parser("check", help="hold data against the contract")
    one.add_argument("data", help="folder, .duckdb file or database URL")
    one.set_defaults(run=check)

    one = commands.add_parser("report", help="run the notebooks into report pages")
    one.add_argument("data", nargs="?", default="data/sample", help="folder or database URL")
    one.add_argument("--out", default="reports", help="folder of the reports")
    one.add_argument("--only", action="append", default=[], metavar="NOTEBOOK")
    one.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
    one.add_argument("--timeout", type=float, default=1800, help="seconds for each notebook")
    one.set_defaults(run=report)

    one = commands.add_parser("simulate", help="write a simulated company with a known truth")
    one.add_argument("folder")
    one.add_argument("--customers", type=int, help="as in data/sample if not given")
    one.add_argument("--seed", type=int, help="as in data/sample if not given")
    one.set_defaults(run=simulate)

    one = commands.add_parser("import", help="bring foreign data into the contract")
    one.add_argument("source", help="what to bring in, such as completejourney")
    one.add_argument("folder")
    one.set_defaults(run=bring)
    return parser


if __name__ == "__main__":
    sys.exit(main())
