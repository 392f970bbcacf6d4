"""A finished run taken along: all of its tables as one spreadsheet, a sheet a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchlab.reporting.files import carried
from touchlab.reporting.record import NotWritten
from touchlab.reporting.share import find_run

LONGEST_NAME = 31
"""Letters that a spreadsheet takes as the name of a sheet."""
WIDEST = 48
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\'\x00-\x1f]+")


@dataclass(frozen=True)
class Sheet:
    """A table of a run: its page, its place on it, what it says and its numbers."""

    page: str
    place: int
    title: str
    columns: list[str]
    rows: list[list[Any]]

    @property
    def name(self) -> str:
        """Begin with page and place, so that names differ and sort."""
        words = " ".join(_NOT_IN_NAMES.sub(" ", self.title).split())
        return f"{self.page[:2]}.{self.place:02d} {words}"[:LONGEST_NAME].strip()


def sheets_of(run_folder: str | Path) -> Iterator[Sheet]:
    """List the tables of a run in the order of its pages; those behind figures too."""
    run = find_run(run_folder)
    for page in run.pages:
        file = run.folder / f"{page.name}.ipynb"
        if not file.is_file():
            continue
        notebook = json.loads(file.read_text(encoding="utf-8"))
        shown = [words for _, words in carried(notebook) if "table" in words]
        for place, words in enumerate(shown, 1):
            said = str(words.get("caption") or words.get("alt") or "table")
            table = words["table"]
            yield Sheet(page.name, place, said, list(table["columns"]), list(table["data"]))


def write_xlsx(run_folder: str | Path, target: Path) -> int:
    """Write a spreadsheet with a sheet a table, after a sheet that lists them; count the tables.

    Cells are what pages show: small groups stay hidden (empty). Text is text: nothing in it is
    taken for a formula or an address.
    """
    from xlsxwriter import Workbook  # seldom needed
    from xlsxwriter.exceptions import XlsxWriterException

    sheets = list(sheets_of(run_folder))
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = Workbook(str(target), {**plain, "nan_inf_to_errors": True, "in_memory": True})
    bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    contents = book.add_worksheet("Contents")
    contents.write_row(0, 0, ["page", "sheet", "what it says"], bold)
    contents.freeze_panes(1, 0)
    for column, width in enumerate((24, 34, 110)):
        contents.set_column(column, column, width)
    for line, sheet in enumerate(sheets, 1):
        contents.write_string(line, 0, sheet.page)
        contents.write_url(line, 1, f"internal:'{sheet.name}'!A1", string=sheet.name)
        contents.write_string(line, 2, sheet.title)
        own = book.add_worksheet(sheet.name)
        own.write_row(0, 0, list(map(str, sheet.columns)), bold)
        own.freeze_panes(1, 1)
        for place, name in enumerate(sheet.columns):
            cells = [row[place] for row in sheet.rows]
            own.write_column(1, place, [str(c) if isinstance(c, list | dict) else c for c in cells])
            longest = max((len(str(cell)) for cell in [*cells[:200], name]), default=8)
            own.set_column(place, place, min(max(longest, 8) + 2, WIDEST))
    try:
        book.close()
    except (OSError, XlsxWriterException) as error:
        mend = "close it where it is open, or give another file"
        raise NotWritten(f"export: {target.name} cannot be written: {error}\n  {mend}") from None
    return len(sheets)
