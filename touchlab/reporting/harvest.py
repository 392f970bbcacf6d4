"""The tables of an executed notebook as Parquet and CSV: what it kept by name, what it showed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LONGEST = 60


def write_tables(notebook: Any, folder: Path) -> list[str]:
    """Write the tables of a notebook into a folder, and return their names.

    Kept tables go by their name (``drivers.parquet``), shown ones by place and caption
    (``03-checks-a-row-a-touchpoint.parquet``); each is there as CSV as well. What a page
    hides is missing in the files too.
    """
    from touchlab.show.tables import from_numbers

    names = []
    for name, numbers in _tables(notebook):
        frame = from_numbers(numbers)
        folder.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(folder / f"{name}.parquet", index=False)
        frame.to_csv(folder / f"{name}.csv", index=False)
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
                    yield _slug(name), numbers
                if "table" in words:
                    place += 1
                    title = words.get("caption") or ("figure" if "image" in mime else "table")
                    yield f"{place:02d}-{_slug(title)}", words["table"]


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower())[:LONGEST].strip("-") or "table"
