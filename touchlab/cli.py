"""The `touchlab` command: check, map, simulate or import data; report, share and schedule."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from runpy import run_path
from types import FrameType
from typing import Any

import click

from touchlab.errors import ParameterError, TouchlabError, visible
from touchlab.reporting.progress import shown
from touchlab.reporting.record import EXIT_CODES

PROBLEM = 2
"""Exit code where touchlab refuses: bad data, bad parameters; a report has more of its own."""
INTERRUPTED = 130


def _allow(_context: click.Context, _option: click.Parameter, given: str | None) -> None:
    """Let it hold for the processes of a report too."""
    from touchlab.data.connect import ALLOWED

    if given:
        os.environ[ALLOWED] = f"{os.environ.get(ALLOWED, '')} {given}".strip()


_ALLOW = click.option(
    "--allow-address", metavar="ADDRESS", expose_value=False, callback=_allow,
    help="of a server, that a touchlab.toml beside the data may have asked: as written there",
)  # fmt: skip


def _DATA(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("data")(_ALLOW(command))


_ONLY = click.option("--only", multiple=True, metavar="NOTEBOOK", help="as for touchlab report")
_NOTEBOOKS = click.option(
    "--notebooks", metavar="FOLDER", help="of your own, that join ours (or replace one by name)"
)
_EPILOG = "\n\n".join(
    [
        "\b\nexit codes:\n" + "\n".join(f"{code:>3}  {said}" for code, said in EXIT_CODES.items()),
        "A value comes from [report] in touchlab.toml beside the data, then --params, then --param;"
        " the later one holds. If the newest report was made from the same data, parameters and"
        " code, nothing is run. With a database everything is: what it holds is not known"
        " beforehand.",
    ]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; print its result, or its problem to stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with touchlab.make_context("touchlab", words) as context:
            touchlab.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as problem:
        problem.show()
        return PROBLEM
    except TouchlabError as problem:
        print(visible(f"{type(problem).__name__}: {problem}"), file=sys.stderr)
        return getattr(problem, "exit_code", PROBLEM)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="touchlab", message="%(prog)s %(version)s")
def touchlab() -> None:
    """Which touchpoints drive conversion, retention and referral, and how sure."""


@touchlab.command(short_help="hold data against the contract")
@_DATA
def check(data: str) -> None:
    """Open DATA (folder, .duckdb file or database URL); say what it holds and what was mended."""
    _show_check(data)


def _show_check(data: str) -> None:
    from touchlab.data.dataset import match_rates, open_data
    from touchlab.reporting.sweep import check_beside
    from touchlab.show import readable

    opened = open_data(data)
    print(readable(opened.overview).to_string(index=False))
    for row in match_rates(opened).itertuples():
        of = f"{row.touched:,} of {row.customers:,} customers"
        print(f"match: {row.table}: {of} have a touch ({row.share:.1%})")
    for note in opened.notes.itertuples():
        rows = f" ({note.rows:,} rows)" if note.rows else ""
        print(visible(f"note: {note.table}: {note.note}{rows}"))
    check_beside(data, opened)
    print(visible(f"{opened.name} keeps the contract"))


@touchlab.command(short_help="propose touchlab.toml for files as they were exported")
@click.argument("files", nargs=-1, required=True, metavar="FOLDER|FILES")
def init(files: tuple[str, ...]) -> None:
    """Look at a FOLDER, or FILES of one, and write the touchlab.toml that opens them."""
    from touchlab.data.propose import propose, write_settings

    paths = [Path(file) for file in files]
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    proposal = propose(folder, [path.name for path in paths if path != folder])
    print("\n".join(proposal.said))
    if not proposal.sources and not proposal.sections:
        print("nothing to write")
        return
    print(f"written: {write_settings(folder, proposal.text())}")
    print(f"next: read every line of it; touchlab check {folder} says\n")
    try:
        _show_check(str(folder))
    except TouchlabError as problem:
        print(problem)


@touchlab.command(short_help="run the notebooks into report pages", epilog=_EPILOG)
@click.argument("data", default="data/sample")
@_ALLOW
@click.option("--out", default="reports", help="folder of the reports")
@click.option(
    "--only", multiple=True, metavar="NOTEBOOK",
    help="this one, with those whose tables it reads; may be given several times",
)  # fmt: skip
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="see touchlab params")
@click.option("--params", "file", metavar="FILE", help="parameters in a TOML file: name = value")
@_NOTEBOOKS
@click.option("--sweep", is_flag=True, help="a report for every [sweep.name] in touchlab.toml")
@click.option("--force", is_flag=True, help="run also if nothing has changed")
@click.option("--jobs", type=int, default=2, help="notebooks at a time (2)")
@click.option("--timeout", type=float, default=1800.0, help="seconds for a notebook (1800)")
@click.option(
    "--total-timeout", "total", type=float, default=14400.0, metavar="TIMEOUT",
    help="seconds for the run, and to wait for another one (14400)",
)  # fmt: skip
@click.option("--retries", default=1, help="tries more for a notebook whose kernel died (1)")
@click.option(
    "--keep", type=int, default=20,
    help="newest runs to keep, good and failed counted apart; never the latest removed (20)",
)  # fmt: skip
def report(
    data: str, out: str, only: tuple[str, ...], param: tuple[str, ...], file: str | None,
    notebooks: str | None, sweep: bool, force: bool, **limits: Any,
) -> None:  # fmt: skip
    """Run the notebooks on DATA (folder or database URL) and publish their pages."""
    from touchlab.reporting.run import Limits, run_report

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _terminated)
    settings: dict[str, Any] = {
        "out": out,
        "only": only,
        "notebooks": notebooks,
        "parameters": _parameters(data, file, param, notebooks),
        "force": force,
        "limits": Limits(**limits),
    }
    with shown() as progress:
        if sweep:
            from touchlab.reporting.sweep import run_sweep

            runs = run_sweep(data, **settings, progress=progress)
        else:
            runs = [run_report(data, **settings, progress=progress)]
    for run in runs:
        if run.status == "unchanged":
            print(f"nothing has changed since the run {run.run_id} (--force runs it anyway)")
        print(f"report: {run.page}")
    print(f"all of them: {Path(out, 'index.html')}")


def _parameters(
    data: str, file: str | None, typed: Sequence[str], notebooks: str | None
) -> dict[str, Any]:
    """Collect the values: beside the data, from a file, from the command line."""
    from touchlab.data.settings import REPORT, settings_of
    from touchlab.reporting.notebooks import declared_parameters, notebooks_folder
    from touchlab.reporting.parameters import parse_assignments, read_parameter_file
    from touchlab.reporting.source import data_place

    folder = notebooks_folder()
    beside = settings_of(data_place(data, folder.parent), REPORT)
    if (own := beside.pop("notebooks", None)) and not notebooks:  # a folder may be a stranger's
        raise ParameterError(
            f"touchlab.toml: it brings notebooks along, {own!r}, which would run with your rights\n"
            f"  look at them; if you trust them, add --notebooks {Path(data, str(own))}"
        )
    listed = read_parameter_file(Path(file)) if file else {}
    every = declared_parameters(folder, notebooks).values()
    declared = {name: parameter for own in every for name, parameter in own.items()}
    return {**beside, **listed, **parse_assignments(typed, declared)}


def _terminated(number: int, frame: FrameType | None) -> None:
    """End, so that kernels are ended and the work is cleared away.

    What is raised while an object is finalised goes unheard; it is raised a moment later then.
    """
    at = frame
    while at is not None and at.f_code.co_name != "__del__":
        at = at.f_back
    if at is not None and hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda _, later: _terminated(number, later))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        return
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


@touchlab.command(short_help="list the parameters of the notebooks")
def params() -> None:
    """List every parameter: its default, what is allowed, its meaning and unit, and where."""
    from touchlab.reporting.notebooks import declared_parameters
    from touchlab.reporting.parameters import RANGES

    found: dict[tuple[str, str, str], list[str]] = {}
    for notebook, declared in declared_parameters().items():
        for one in declared.values():
            found.setdefault((one.name, repr(one.default), one.comment), []).append(notebook[:2])
    rows = [("parameter", "default", "allowed", "meaning and unit", "notebooks")]
    rows += [
        (name, default, RANGES.get(name, ("",))[0], comment, " ".join(numbers))
        for (name, default, comment), numbers in sorted(found.items())
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


@touchlab.command(short_help="write a run as one zip or folder, safe to send")
@click.argument("run")
@click.option("--out", help="name ending on .zip, or a folder; <run>.zip if not given")
@click.option("--data", help="what it was made from, to look for customer ids")
@_ALLOW
@click.option("--pdf", is_flag=True, help="each page as PDF too (needs Chromium)")
@click.option("--no-notebooks", is_flag=True, help="pages and tables, no code")
@click.option("--failed", is_flag=True, help="also a run that did not finish")
@click.option("--force", is_flag=True, help="replace what was shared before")
def share(run: str, out: str | None, no_notebooks: bool, **settings: Any) -> None:
    """Write RUN (folder of a run, or reports/latest) as one zip or folder that is safe to send."""
    from touchlab.reporting.share import share_run

    shared = share_run(run, out, notebooks=not no_notebooks, **settings)
    for note in shared.notes:
        print(f"note: {note}")
    print(f"to send: {shared.path} ({len(shared.files)} files)")


@touchlab.command(short_help="write a run as slides, its tables as one spreadsheet")
@click.argument("run")
@click.option("--pptx", metavar="FILE", help="slides: each answer, each figure with its sentence")
@click.option("--xlsx", metavar="FILE", help="spreadsheet: each table as a sheet")
@click.option("--force", is_flag=True, help="replace a file of that name")
def export(run: str, force: bool, **files: str | None) -> None:
    """Write RUN (folder of a run, or reports/latest) as slides, as a spreadsheet, or both."""
    from touchlab.reporting.export import write_xlsx
    from touchlab.reporting.slides import write_pptx

    asked = {kind: Path(name) for kind, name in files.items() if name}
    if not asked:
        raise ParameterError("export: nothing to write\n  give --pptx FILE, --xlsx FILE or both")
    if there := [str(target) for target in asked.values() if target.exists() and not force]:
        raise ParameterError(f"export: {there[0]!r} is there already\n  give another, or --force")
    for kind, target in asked.items():
        count = write_pptx(run, target) if kind == "pptx" else write_xlsx(run, target)
        print(f"written: {target} ({count} {'slides' if kind == 'pptx' else 'tables'})")


@touchlab.command(short_help="draw who is held back from a touchpoint, as a file for the CRM")
@_DATA
@click.argument("touchpoint")
@click.option("--share", default=0.1, help="of customers, held out (0.1)")
@click.option("--weeks", default=4.0, help="length (4), from the day after the data's last")
@click.option("--by", help="trait of customers whose groups are held out whole")
@click.option("--seed", default=1, help="of the draw (1)")
@click.option("--out", required=True, help="file to write, .csv or .parquet")
def experiment(data: str, touchpoint: str, out: str, **design: Any) -> None:
    """Draw who is held back from TOUCHPOINT, from the customers of DATA in no experiment."""
    from touchlab.experiments.assign import write_assignment

    print(write_assignment(data, touchpoint, out, **design))


@touchlab.command(short_help="print the line for cron")
@_DATA
@click.option("--every", default="day", help="day, week (Mondays) or month (the first)")
@click.option("--at", default="06:00", help="time by the machine's clock (06:00)")
@click.option("--out", default="reports", help="folder of the reports")
@_ONLY
@_NOTEBOOKS
def schedule(data: str, **settings: Any) -> None:
    """Print the crontab line of a report on DATA at fixed times."""
    from touchlab.reporting.schedule import write_schedule

    print(write_schedule(data, **settings))


@touchlab.command(short_help="write a simulated company with a known truth")
@click.argument("folder")
@click.option("--customers", type=int, help="as in data/sample if not given")
@click.option("--seed", type=int, help="as in data/sample if not given")
def simulate(folder: str, **chosen: int | None) -> None:
    """Write the simulated company, with its truth, to FOLDER."""
    from touchlab.simulate import write_company

    given = {name: value for name, value in chosen.items() if value is not None}
    for path in write_company(folder, **given).values():
        print(path)


@touchlab.command(short_help="write the sample data that the documentation speaks of")
@click.argument("folder")
def sample(folder: str) -> None:
    """Write the sample data, files of a simulated company, to the new FOLDER."""
    from touchlab.simulate import write_company

    if Path(folder).is_dir() and any(Path(folder).iterdir()):
        raise ParameterError(f"sample: {folder!r} is not empty\n  give a new folder")
    write_company(folder)
    print(f"written: {folder}\nnext: touchlab report {folder}")


@touchlab.group("map", short_help="propose a map of the touchpoints, to be edited")
def map_() -> None:
    """Propose a map of the touchpoints, to be edited."""


@map_.command("init", short_help="write the proposal as CSV; no file is overwritten")
@_DATA
@click.option("--out", help="file to write; touchpoints.csv in the folder if not given")
def map_init(data: str, out: str | None) -> None:
    """Propose a map of the touchpoints that DATA holds, as CSV to be edited."""
    from touchlab.data.dataset import open_data
    from touchlab.experience.map import NOT_KNOWN, default_path, write_map

    opened = open_data(data)
    path = Path(out) if out else default_path(opened, data)
    table = write_map(opened, path)
    print(table.drop(columns="goal").fillna("").to_string(index=False))
    print(f"written: {path}\nnext: read every row, and correct it")
    if blank := int((table.reason == NOT_KNOWN).sum()):
        print(f"{blank} not known by name: fill in their stage, or the data will not open")


@touchlab.command(short_help="write data with pseudonyms; the key is TOUCHLAB_KEY")
@_DATA
@click.argument("out")
def pseudonymise(data: str, out: str) -> None:
    """Write DATA again, into the new folder OUT, with pseudonyms in the place of customer ids."""
    from touchlab.privacy.pseudonyms import pseudonymise_folder

    for path in pseudonymise_folder(data, out).values():
        print(path)


@touchlab.command("import", short_help="bring foreign data into the contract")
@click.argument("source")
@click.argument("folder")
def bring(source: str, folder: str) -> None:
    """Import SOURCE, such as completejourney, into a FOLDER that keeps the contract."""
    from touchlab.show import readable

    sources = examples()
    if source not in sources:
        allowed = ", ".join(sorted(sources))
        raise ParameterError(f"import: {source!r} is not a source\n  use any of {allowed}")
    path = sources[source]
    write_folder = run_path(str(path))[f"import_{path.stem}"]
    print(readable(write_folder(folder)).to_string(index=False))
    print(f"next: touchlab report {folder}")


def examples() -> dict[str, Path]:
    """Find what real data can be brought in: packed with the package, or beside it in a clone."""
    package = Path(__file__).parent
    packed = package / "_examples"
    folder = packed if packed.is_dir() else package.parent / "examples"
    return {path.stem.replace("_", ""): path for path in sorted(folder.glob("*.py"))}


if __name__ == "__main__":
    sys.exit(main())
