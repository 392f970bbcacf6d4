"""A report at fixed times, by cron: the line to install, printed and no more."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from touchlab.data.connect import ALLOWED
from touchlab.errors import ParameterError
from touchlab.reporting.notebooks import choose_notebooks, notebooks_folder
from touchlab.reporting.publish import reports_folder
from touchlab.reporting.record import EXIT_CODES
from touchlab.reporting.source import data_place

EVERY = {"day": "* * *", "week": "* * 1", "month": "1 * *"}
"""Days in the words of cron: every one, Mondays, the first of the month."""
_AT = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_PRINTED = """# Nothing has been installed. Times are those of the machine's clock.
# Everything said goes to {log}
# Exit codes:
{codes}

# Add with crontab -e. Mail comes only where a run ended badly.
# MAILTO=you@example.org
{cron}"""


@dataclass(frozen=True)
class Schedule:
    """The line that runs a report at fixed times, and where what it says goes."""

    cron: str
    log: Path

    def __str__(self) -> str:
        codes = "\n".join(f"#   {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
        return _PRINTED.format(codes=codes, **vars(self))


def write_schedule(
    data: str | Path,
    *,
    every: str = "day",
    at: str = "06:00",
    out: str | Path = "reports",
    only: Sequence[str] = (),
    notebooks: str | Path | None = None,
) -> Schedule:
    """Write the crontab line that makes a report at fixed times.

    Installs nothing, and does not look into the data. Paths are absolute and quoted, so it does not
    depend on a shell's environment. The log ``<out>.log`` lies beside the reports.
    """
    if every not in EVERY:
        raise ParameterError(f"every: {every!r} is not allowed\n  use any of {', '.join(EVERY)}")
    clock = _AT.fullmatch(at)
    if not clock:
        raise ParameterError(f"at: {at!r} is not a time of day\n  give hours and minutes: 06:00")
    hour, minute = map(int, clock.groups())
    folder = notebooks_folder()
    choose_notebooks(folder, only, notebooks)
    place = data_place(data, folder.parent)
    reports = reports_folder(out).expanduser().resolve()
    _check_places(place, reports)
    log = reports.with_name(f"{reports.name}.log")
    command = [*_touchlab(), "report", place, "--out", str(reports)]
    command += [word for name in only for word in ("--only", name)]
    if notebooks:
        command += ["--notebooks", str(Path(notebooks).expanduser().resolve())]
    if allowed := os.environ.get(ALLOWED):
        command += ["--allow-address", allowed]
    line = cron_command(command, folder.parent, log)
    return Schedule(f"{minute} {hour} {EVERY[every]} {line}", log)


def cron_command(command: Sequence[str], folder: Path, log: Path) -> str:
    """Quote a command for a crontab; where it fails, the end of its log is printed, so mailed.

    cron ends a command at a % and takes the rest as its input, also between quotes; only
    a backslash before it helps, and cron takes that away again.

    >>> cron_command(["/bin/touchlab", "report", "/data/100 %"], Path("/work"), Path("/r.log"))
    "cd /work && /bin/touchlab report '/data/100 \\\\%' >>/r.log 2>&1
    || { code=$?; tail -n 20 /r.log; exit $code; }"
    """
    kept = shlex.quote(str(log))
    line = (
        f"cd {shlex.quote(str(folder))} && {shlex.join(command)} >>{kept} 2>&1"
        f" || {{ code=$?; tail -n 20 {kept}; exit $code; }}"
    )
    return line.replace("%", r"\%")


def _touchlab() -> list[str]:
    """Find the command of this environment; cron knows no search path of ours."""
    script = Path(sys.executable).with_name("touchlab")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "touchlab.cli"]


def _check_places(place: str, reports: Path) -> None:
    if not reports.parent.is_dir():
        raise ParameterError(
            f"out: there is no folder {str(reports.parent)!r} for the reports and their log\n"
            "  make it first, or give another --out"
        )
    if any(ord(letter) < 32 for text in (place, str(reports)) for letter in text):
        raise ParameterError(
            "schedule: a path holds a line break or another control character, which cron"
            " does not take\n  rename the folder"
        )
