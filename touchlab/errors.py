"""The few errors a user of touchlab meets.

Each message says what failed, what was found, what is allowed and what to do.
"""

from typing import Any


class TouchlabError(ValueError):
    """Anything that touchlab refuses, with the mend in its message."""


class DataError(TouchlabError):
    """The data does not keep the contract; all problems found are listed."""


class MissingInput(DataError):
    """The data lacks what this question needs; the message says what it would answer."""

    by: Any = None
    """The missing result that was used, where it is not the question itself that fails."""


class ParameterError(TouchlabError):
    """A parameter is unknown, of the wrong type or out of range."""


class ReportError(TouchlabError):
    """A report run could not be started or did not finish."""


class TouchlabWarning(UserWarning):
    """Statistical trouble that leaves a usable result; also a note on that result."""
