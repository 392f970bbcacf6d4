"""The few errors a user of touchlab meets, and how their messages write values and names.

Each message says what failed, what was found, what is allowed and what to do.
"""

import difflib
import re
from collections.abc import Iterable, Sequence


class TouchlabError(ValueError):
    """Anything that touchlab refuses, with the mend in its message."""


class DataError(TouchlabError):
    """The data does not keep the contract; all problems found are listed."""


class MissingInput(DataError):
    """The data lacks what this question needs; the message says what it would answer."""


class TooThin(MissingInput):
    """The data has what this question needs, but too little of it for an answer."""


class ParameterError(TouchlabError):
    """A parameter is unknown, of the wrong type or out of range."""


class ReportError(TouchlabError):
    """A report run could not be started or did not finish."""


class TouchlabWarning(UserWarning):
    """Statistical trouble that leaves a usable result; also a note on that result."""


def shorten(value: object, width: int = 60) -> str:
    """Write a value from data into a message: on one line, not too long, nothing invisible."""
    return _cut(repr(value) if isinstance(value, str) else str(value), width)


def as_sentence(problem: Exception) -> str:
    """Write a message on one line, without the name of the function that it is of.

    >>> as_sentence(MissingInput("drivers: too few outcomes\\n  five would do"))
    'too few outcomes; five would do.'
    """
    said = "; ".join(line.strip() for line in str(problem).splitlines()).replace("`", "")
    return re.sub(r"^[a-z_]+: ", "", said).rstrip(".") + "."


def listing(names: Iterable[str], most: int = 12, width: int = 60) -> str:
    """Write names from data into a message, the first few of them."""
    shown = [_cut(repr(name)[1:-1], width) for name in names]
    return ", ".join([*shown[:most], "..."] if len(shown) > most else shown)


def nearest(name: str, allowed: Sequence[str], cutoff: float = 0.6) -> str:
    """Return ``; did you mean 'x'?`` for the closest allowed name, or nothing."""
    key = {a.lower().replace("_", ""): a for a in allowed}
    close = difflib.get_close_matches(name.lower().replace("_", ""), [*key], 1, cutoff)
    return f"; did you mean {key[close[0]]!r}?" if close else ""


def visible(text: str) -> str:
    """Write out what a terminal would obey or hide; names and values come from data.

    >>> visible("shop\\x1b[2J: \\u200bmail\\n  mend")
    'shop\\\\x1b[2J: \\\\u200bmail\\n  mend'
    """
    kept = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return "".join(kept)


def need_name(
    parameter: str, name: object, known: Sequence[str], what: str, *, offer: str = "use one of"
) -> None:
    """Refuse a name that is not among those known, with the nearest and all that there are."""
    if name not in known:
        raise ParameterError(
            f"{parameter}: {name!r} {what}{nearest(str(name), known)}\n"
            f"  {offer} {listing(known) or '(none)'}"
        )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
