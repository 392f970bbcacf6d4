"""The `touchlab` command: check, map, simulate or import data; report, share and schedule."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from runpy import run_path

from touchlab.errors import ParameterError, TouchlabError
from touchlab.reporting.command import add_commands

PROBLEM = 2
"""Exit code where touchlab refuses: bad data, bad parameters; a report has more of its own."""
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; print its result, or its problem to stderr."""
    given = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = given.run
    try:
        run(given)
    except TouchlabError as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return getattr(problem, "exit_code", PROBLEM)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def check(given: argparse.Namespace) -> None:
    """Open the data and say what it holds and what was mended."""
    from touchlab.data.dataset import open_data
    from touchlab.show import readable

    data = open_data(given.data)
    print(readable(data.overview).to_string(index=False))
    for note in data.notes.itertuples():
        print(f"note: {note.table}: {note.note}" + (f" ({note.rows:,} rows)" if note.rows else ""))
    print(f"{data.name} keeps the contract")


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

    sources = examples()
    if given.source not in sources:
        allowed = ", ".join(sorted(sources))
        raise ParameterError(f"import: {given.source!r} is not a source\n  use any of {allowed}")
    path = sources[given.source]
    write_folder = run_path(str(path))[f"import_{path.stem}"]
    print(readable(write_folder(given.folder)).to_string(index=False))
    print(f"next: touchlab report {given.folder}")


def examples() -> dict[str, Path]:
    """Find what real data can be brought in: packed with the package, or beside it in a clone."""
    package = Path(__file__).parent
    packed = package / "_examples"
    folder = packed if packed.is_dir() else package.parent / "examples"
    return {path.stem.replace("_", ""): path for path in sorted(folder.glob("*.py"))}


def share(given: argparse.Namespace) -> None:
    """Write a run as one zip or folder that is safe to send."""
    from touchlab.reporting.share import share_run

    shared = share_run(
        given.run_folder,
        given.out,
        data=given.data,
        notebooks=not given.no_notebooks,
        pdf=given.pdf,
        failed=given.failed,
        force=given.force,
    )
    for note in shared.notes:
        print(f"note: {note}")
    print(f"to send: {shared.path} ({len(shared.files)} files)")


def schedule(given: argparse.Namespace) -> None:
    """Print the crontab line and the systemd units of a report at fixed times."""
    from touchlab.reporting.schedule import plan_schedule

    print(plan_schedule(given.data, every=given.every, at=given.at, out=given.out, only=given.only))


def pseudonymise(given: argparse.Namespace) -> None:
    """Write the data again with pseudonyms in the place of customer ids."""
    from touchlab.privacy.pseudonyms import pseudonymise_folder

    for path in pseudonymise_folder(given.data, given.out).values():
        print(path)


def map_init(given: argparse.Namespace) -> None:
    """Propose a map of the touchpoints that the data holds, as CSV to be edited."""
    from touchlab.data.dataset import open_data
    from touchlab.experience.map import NOT_KNOWN, default_path, write_map

    data = open_data(given.data)
    path = Path(given.out) if given.out else default_path(data, given.data)
    table = write_map(data, path)
    print(table.drop(columns="goal").fillna("").to_string(index=False))
    print(f"written: {path}\nnext: read every row, and correct it")
    if blank := int((table.reason == NOT_KNOWN).sum()):
        print(f"{blank} not known by name: fill in their stage, or the data will not open")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="touchlab",
        description="Which touchpoints drive conversion, retention and referral, and how sure.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    one = commands.add_parser("check", help="hold data against the contract")
    one.add_argument("data", help="folder, .duckdb file or database URL")
    one.set_defaults(run=check)

    add_commands(commands)

    one = commands.add_parser("share", help="write a run as one zip or folder, safe to send")
    one.add_argument("run_folder", metavar="run", help="folder of a run, or reports/latest")
    one.add_argument("--out", help="name ending on .zip, or a folder; <run>.zip if not given")
    one.add_argument("--data", help="what it was made from, to look for customer ids")
    one.add_argument("--pdf", action="store_true", help="each page as PDF too (needs Chromium)")
    one.add_argument("--no-notebooks", action="store_true", help="pages and tables, no code")
    one.add_argument("--failed", action="store_true", help="also a run that did not finish")
    one.add_argument("--force", action="store_true", help="replace what was shared before")
    one.set_defaults(run=share)

    one = commands.add_parser("schedule", help="print the lines for cron and systemd")
    one.add_argument("data", help="folder, .duckdb file or database URL")
    one.add_argument("--every", default="day", help="day, week (Mondays) or month (the first)")
    one.add_argument("--at", default="06:00", help="time by the machine's clock (06:00)")
    one.add_argument("--out", default="reports", help="folder of the reports")
    one.add_argument(
        "--only", action="append", default=[], metavar="NOTEBOOK", help="as for touchlab report"
    )
    one.set_defaults(run=schedule)

    one = commands.add_parser("simulate", help="write a simulated company with a known truth")
    one.add_argument("folder")
    one.add_argument("--customers", type=int, help="as in data/sample if not given")
    one.add_argument("--seed", type=int, help="as in data/sample if not given")
    one.set_defaults(run=simulate)

    one = commands.add_parser("map", help="propose a map of the touchpoints, to be edited")
    verbs = one.add_subparsers(required=True, metavar="init")
    one = verbs.add_parser("init", help="write the proposal as CSV; no file is overwritten")
    one.add_argument("data", help="folder, .duckdb file or database URL")
    one.add_argument("--out", help="file to write; touchpoints.csv in the folder if not given")
    one.set_defaults(run=map_init)

    one = commands.add_parser(
        "pseudonymise", help="write data with pseudonyms; the key is TOUCHLAB_KEY"
    )
    one.add_argument("data", help="folder, .duckdb file or database URL")
    one.add_argument("out", help="a new folder")
    one.set_defaults(run=pseudonymise)

    one = commands.add_parser("import", help="bring foreign data into the contract")
    one.add_argument("source", help="what to bring in, such as completejourney")
    one.add_argument("folder")
    one.set_defaults(run=bring)
    return parser


if __name__ == "__main__":
    sys.exit(main())
