"""What a reader can take along: tables as CSV and Parquet, pages as PDF."""

from __future__ import annotations

import base64
import csv
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from touchlab.errors import ReportError

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 60
BOM = "\ufeff"  # without it a spreadsheet on Windows reads letters outside ASCII wrongly
EMBEDDED_TABLE = re.compile(r"data:text/csv;base64,([A-Za-z0-9+/=]+)")
# Where a cell may begin: at its front, or after what some spreadsheets take for a separator.
_FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")
_PIXELS = re.compile(r"image/(?!svg)")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE)

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge"
)  # fmt: skip
SECONDS = 120
_QUIET = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--no-pdf-header-footer",  # it would print where the file is
)  # fmt: skip
_LINK = re.compile(
    r'<a\b[^>]*?\shref="(?!#|[a-z][\w+.-]*:)([^"#]*)[^"]*"[^>]*>(.*?)</a>', re.DOTALL
)
_WHEN = re.compile(rb"(/(?:CreationDate|ModDate) \(D:)\d{14}")


# --- tables -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Download:
    """A file inside a page: its name and its data address."""

    name: str
    source: str


def csv_of(numbers: Any) -> str:
    """Write a table, as outputs carry it, as CSV; what a spreadsheet would run gets an apostrophe.

    Notebooks come from anywhere: a ValueError says that it is no table of plain values.
    """
    try:
        columns, rows = numbers["columns"], numbers["data"]
        if any(len(row) != len(columns) for row in rows):
            raise ValueError("not a table: rows of other lengths than the columns")
    except (TypeError, KeyError) as error:
        raise ValueError("not a table of columns and data") from error
    file = io.StringIO()
    file.write(BOM)
    csv.writer(file).writerows([_cell(value) for value in row] for row in [columns, *rows])
    return file.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1'", text)


def read_csv(text: str, **types: Any) -> pd.DataFrame:
    """Read a CSV whose empty cells alone are missing; nothing at all is an empty table."""
    import pandas as pd

    text = text.removeprefix(BOM)
    if not text.strip():
        return pd.DataFrame()
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], **types)


def download(numbers: Any, title: str) -> Download | None:
    """Offer a table as a file, named after its title's first sentence; nothing if it is none."""
    name = _as_name(re.split(r"[.:;] ", title, maxsplit=1)[0])
    try:
        if not numbers["data"]:
            return None  # columns without a row are nothing to take along
        return Download(f"{name}.csv", address_of(csv_of(numbers)))
    except (ValueError, TypeError, KeyError):
        return None


def address_of(text: str) -> str:
    """Make the address by which a page offers a CSV as a file."""
    packed = base64.b64encode(text.encode("utf-8", errors="replace")).decode("ascii")
    return f"data:text/csv;base64,{packed}"


def unpacked(match: re.Match[str]) -> str:
    """Read the CSV that `EMBEDDED_TABLE` found in a page."""
    return base64.b64decode(match[1]).decode("utf-8", errors="replace")


def embedded_tables(page: str) -> list[str]:
    """Unpack the tables that a page offers as files, as CSV."""
    return [unpacked(match) for match in EMBEDDED_TABLE.finditer(page)]


def _as_name(title: str) -> str:
    """Write a title with lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower())[:LONGEST].strip("-") or "table"


def write_tables(notebook: Any, folder: Path) -> None:
    """Write the tables of a notebook as Parquet and CSV.

    Kept tables go by their name (``drivers.parquet``), shown ones by place and caption
    (``03-checks-a-row-a-touchpoint.parquet``).
    """
    import pandas as pd

    for name, numbers in _tables(notebook):
        folder.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(numbers["data"], columns=numbers["columns"])
        table.to_parquet(folder / f"{name}.parquet", index=False)
        (folder / f"{name}.csv").write_bytes(csv_of(numbers).encode("utf-8", errors="replace"))


def _tables(notebook: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    place = 0
    for mime, words in carried(notebook):
        for name, numbers in words.get("kept", {}).items():
            yield _as_name(name), numbers
        if "table" in words:
            place += 1
            title = words.get("caption") or ("figure" if "image" in mime else "table")
            yield f"{place:02d}-{_as_name(title)}", words["table"]


def carried(notebook: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """List what the outputs of a notebook carry beside what they show, by the kind of each."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for mime, words in output.get("metadata", {}).items():
                if isinstance(words, dict):
                    yield mime, words


def map_texts(value: Any, change: Callable[[str], Any]) -> Any:
    """Change every text of a notebook, or of a part of it, but pictures of pixels."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    if isinstance(value, dict):
        changed = {
            kind: item if isinstance(item, str) and _PIXELS.match(kind) else map_texts(item, change)
            for kind, item in value.items()
        }
        return type(value)(changed)  # a NotebookNode stays one
    return value


# --- pages --------------------------------------------------------------------------------


def write_pdfs(folder: Path) -> None:
    """Print every page of a folder to a PDF beside it, by a browser that is on the machine.

    Links to other pages become words: a PDF would hold them as paths of this machine. Times of
    creation are set to 1980, so the same page and browser give the same bytes.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        raise ReportError(
            f"pdf: no browser to print with; looked for {', '.join(BROWSERS)}\n"
            "  install Chromium, or share without --pdf"
        )
    with tempfile.TemporaryDirectory() as scratch:
        for page in sorted(folder.glob("*.html")):
            _print(browser, page, Path(scratch))


def without_links(page: str, sent: set[str]) -> str:
    """Turn links to files that are not sent into plain words.

    >>> without_links('<a href="../index.html">All</a> <a href="a.html#b">A</a>', {"a.html"})
    'All <a href="a.html#b">A</a>'
    """
    return _LINK.sub(lambda match: match[0] if unquote(match[1]) in sent else match[2], page)


def _print(browser: str, page: Path, scratch: Path) -> None:
    source, target = scratch / "page.html", page.with_suffix(".pdf")
    source.write_text(without_links(page.read_text(encoding="utf-8"), set()), encoding="utf-8")
    command = [browser, *_QUIET, f"--user-data-dir={scratch / 'profile'}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium does not start as root with it
    command += [f"--print-to-pdf={target.resolve()}", source.as_uri()]
    try:
        code = subprocess.run(command, capture_output=True, timeout=SECONDS).returncode
        why = f"the browser ended with code {code}" if code or not target.is_file() else ""
    except subprocess.TimeoutExpired:
        why = f"no answer within {SECONDS} seconds"
    if why:
        again = "try again, or share without --pdf"
        raise ReportError(f"pdf: {page.name} was not printed: {why}\n  {again}")
    # Same length, so that the addresses inside the file stay right.
    target.write_bytes(_WHEN.sub(rb"\g<1>19800101000000", target.read_bytes()))
