"""The tables of an executed notebook as Parquet and CSV: what it kept by name, what it showed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from touchlab.reporting.spreadsheet import csv_of, slug


def write_tables(notebook: Any, folder: Path) -> list[str]:
    """Write the tables of a notebook into a folder, and return their names.

    Kept tables go by their name (``drivers.parquet``), shown ones by place and caption
    (``03-checks-a-row-a-touchpoint.parquet``); each is there as CSV as well. What a page
    hides is missing in the files too. In CSV, text that a spreadsheet would run has an
    apostrophe before it; Parquet has it as it is.
    """
    import pandas as pd

    names = []
    for name, numbers in _tables(notebook):
        folder.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(numbers["data"], columns=numbers["columns"])
        table.to_parquet(folder / f"{name}.parquet", index=False)
        (folder / f"{name}.csv").write_bytes(csv_of(numbers).encode("utf-8", errors="replace"))
        names.append(name)
    return names


def _tables(notebook: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    place = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for mime, words in output.get("metadata", {}).items():
                if not isinstance(words, dict):
                    continue
                for name, numbers in words.get("kept", {}).items():
                    yield slug(name) or "table", numbers
                if "table" in words:
                    place += 1
                    title = words.get("caption") or ("figure" if "image" in mime else "table")
                    yield f"{place:02d}-{slug(title) or 'table'}", words["table"]
