"""Why a run ended, as errors with the exit code of the command."""

from touchlab.errors import ReportError


class NotFinished(ReportError):
    """A notebook stopped; its partial report is kept and the last good one stays."""

    exit_code = 1


class NotWritten(ReportError):
    """The folder of the reports takes nothing: full, read-only or not ours."""

    exit_code = 3


class Busy(ReportError):
    """Another run held the folder of the reports for too long."""

    exit_code = 4


CODES = {
    0: "published, or nothing had changed",
    1: "a notebook stopped: see the page of the failed run; the last good report stays",
    2: "refused before anything ran: data, parameter, notebook or option",
    3: "the folder of the reports cannot be written: full, read-only or not ours",
    4: "another run held the folder for too long",
    130: "interrupted, as by Ctrl-C (143: by SIGTERM); nothing is published",
}
"""What the exit codes of `touchlab report` mean."""
