"""Tables as CSV for spreadsheets: text from data must not turn into a formula there."""

import base64
import csv
import io
import re
from dataclasses import dataclass
from typing import Any

LONGEST = 60
BOM = "\ufeff"  # without it a spreadsheet on Windows reads letters outside ASCII wrongly
# Where a cell may begin: at its front, or after what some spreadsheets take for a separator.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Download:
    """A file inside a page: its name and its data address."""

    name: str
    source: str


def csv_of(numbers: Any) -> str:
    r"""Write columns and rows as CSV; what a spreadsheet would run gets an apostrophe.

    Parameters
    ----------
    numbers
        ``{"columns": [name, ...], "data": [[value, ...], ...]}``, as outputs carry it.

    Raises
    ------
    ValueError
        If it is not a table of plain values.

    Examples
    --------
    >>> csv_of({"columns": ["touchpoint", "n"], "data": [["=1+1", -2], [None, 0.5]]})
    "\ufefftouchpoint,n\r\n'=1+1,-2\r\n,0.5\r\n"
    """
    columns, rows = _checked(numbers)
    file = io.StringIO()
    file.write(BOM)
    writer = csv.writer(file)
    writer.writerow(map(_cell, columns))
    writer.writerows(map(_cell, row) for row in rows)
    return file.getvalue()


def download(numbers: Any, title: str) -> Download | None:
    """Make a table a file inside the page, named after its title; nothing if it is no table."""
    try:
        text = csv_of(numbers)
    except ValueError:
        return None
    packed = base64.b64encode(text.encode("utf-8", errors="replace")).decode("ascii")
    return Download(f"{slug(title) or 'table'}.csv", f"data:text/csv;base64,{packed}")


def slug(title: str) -> str:
    """Write a title with lower-case letters, digits and hyphens.

    Examples
    --------
    >>> slug("Markov credit, in outcomes")
    'markov-credit-in-outcomes'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower())[:LONGEST].strip("-")


def _checked(numbers: Any) -> tuple[list[Any], list[list[Any]]]:
    """Notebooks come from anywhere: what claims to be a table may be none."""
    found = numbers if isinstance(numbers, dict) else {}
    columns, rows = found.get("columns"), found.get("data")
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise ValueError("not a table: columns and data are not both lists")
    if not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        raise ValueError("not a table: rows of other lengths than the columns")
    return columns, rows


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1'", text)
