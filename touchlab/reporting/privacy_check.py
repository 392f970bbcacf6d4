"""Read a finished run as a stranger would, and look for few customers and for single ones."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.privacy.suppress import COUNTS, MIN_CUSTOMERS, PART_OF, hidden_cells, lines_of
from touchlab.show import HIDDEN

WORD = re.compile(r"\w[\w.@+-]*")
NEXT_TO = re.compile(r"\bcustomers?(?:[_ ]ids?)?\W{1,4}(\w[\w.@+-]*)", re.IGNORECASE)
SAID = re.compile(
    r"(?<![\d.,\N{MINUS SIGN}-])(?<!with )(?<!than )(?<!below )([1-9]\d*) "
    r"(?:customers|people|journeys|outcomes|answers)\b",
    re.IGNORECASE,
)
"""A count in a sentence, no limit. Touchpoints lead "with 9 outcomes" of credit, an estimate."""
EMBEDDED = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+")


@dataclass(frozen=True)
class Finding:
    """What a page gives away: `kind` is small cell, recoverable, small count or customer id."""

    file: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.kind}: {self.what}"


def check_run(folder: Path, data: Dataset, *, k: int = MIN_CUSTOMERS) -> list[Finding]:
    """Say what the pages and saved notebooks of a run give away about few customers.

    It looks for numbers of 1 to `k` - 1 customers in tables, in what figures draw and in
    sentences; for hidden cells that follow from the others and the sum; and for customer ids.
    Ids are looked for as whole words. One that could be any word (fewer than 6 digits, or
    fewer than 4 letters) counts only behind the word customer: counts of 1,000 and more have
    separators on a page, so a longer number without any is no count. It reads the words of
    drawings, but not what pixels show, and compares no two tables with each other.

    Parameters
    ----------
    folder
        Folder of one run.
    data
        The data that the run is about, as it was opened.
    k
        Fewest customers that may be shown.

    Returns
    -------
    list of Finding
        Empty where nothing was found.
    """
    ids = _ids(data)
    found = []
    for page in sorted(folder.glob("*.html")):
        markup = page.read_text(encoding="utf-8")
        found += [Finding(page.name, *one) for one in _in_page(markup, k)]
        found += _named(page.name, unescape(EMBEDDED.sub("", markup)), ids)
    for notebook in sorted(folder.glob("*.ipynb")):
        content = json.loads(notebook.read_text(encoding="utf-8"))
        found += [Finding(notebook.name, *one) for one in _in_pictures(content, k)]
        found += _named(notebook.name, "\n".join(_texts(content)), ids)
    return found


def _ids(data: Dataset) -> set[str]:
    ids: set[str] = set()
    for table in data.tables.values():
        if "customer_id" in table.columns:
            column = table.select("customer_id").distinct().to_pyarrow().column(0)
            ids |= {str(one) for one in column.drop_null().to_pylist()}
    return ids


def _named(file: str, text: str, ids: set[str]) -> list[Finding]:
    """Find the ids in a text; the finding itself names none."""
    words = {word.rstrip(".@+-") for word in WORD.findall(text)}
    beside = {word.rstrip(".@+-") for word in NEXT_TO.findall(text)}
    known = {one for one in words & ids if not _is_common(one)} | (beside & ids)
    odd = {one for one in ids if not WORD.fullmatch(one) and set(WORD.findall(one)) <= words}
    known |= {one for one in odd if one in text}
    return [Finding(file, "customer id", f"{len(known):,} of the data")] if known else []


def _is_common(one: str) -> bool:
    return len(one) < 6 if one.isdigit() else len(one) < 4 and one.isalpha()


def _texts(value: Any) -> Iterator[str]:
    """Go through every text of a notebook but its pictures."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            pixels = name.startswith("image/") and name != "image/svg+xml"
            if not (pixels and isinstance(item, str)):
                yield from _texts(item)


def _in_pictures(notebook: Mapping[str, Any], k: int) -> Iterator[tuple[str, str]]:
    """Look into the numbers that figures carry beside what they draw."""
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    shown = [pair for o in outputs for pair in o.get("metadata", {}).items()]
    for picture in (words for mime, words in shown if mime.startswith("image/")):
        table = picture.get("table")
        if table:
            frame = pd.DataFrame(table["data"], columns=table["columns"])
            yield from _small(frame, frame, picture.get("alt", ""), k)


def _in_page(markup: str, k: int) -> Iterator[tuple[str, str]]:
    from bs4 import BeautifulSoup

    page = BeautifulSoup(markup, "html.parser")
    for number, table in enumerate(page.find_all("table"), 1):
        caption = table.find("caption")
        name = f"table {number}" + (f" ({caption.get_text(' ', strip=True)})" if caption else "")
        frame, hidden = _read_table(table)
        low, high = (frame.map(lambda cell, s=sign: _number(cell, s)) for sign in (-1, 1))
        yield from _small(_typed(low), _typed(high), name, k)
        yield from _recoverable(_typed(high), hidden, name)
        table.extract()
    for dropped in page.find_all(["style", "pre", "code"]):
        dropped.extract()
    words = [str(image.get("alt", "")) for image in page.find_all("img")]
    words += [str(drawing["aria-label"]) for drawing in page.select("[role=img][aria-label]")]
    for few in SAID.findall(" ".join([page.get_text(" "), *words])):
        if int(few) < k:
            yield "small count", f"the number {few} in a sentence"


def _read_table(table: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table of a page by the names of our columns, and which of its cells are hidden."""
    rows = [
        [cell.get_text(" ", strip=True) for cell in row.find_all(["td", "th"])]
        for row in table.find_all("tr")
    ]
    titles = [title.replace(" ", "_") for title in rows[0]] if rows else []
    body = [row for row in rows[1:] if len(row) == len(titles)]
    frame = pd.DataFrame(body, columns=titles, dtype=object)
    frame = frame.loc[:, ~frame.columns.duplicated()]
    return frame, frame == HIDDEN


def _number(cell: str, sign: int) -> Any:
    """Read a cell as the least (-1) or the most (1) that it can be before it was rounded."""
    if cell in {"", "–", HIDDEN}:
        return None
    found = re.fullmatch(r"(-?\d+(?:\.(\d+))?)( %)?", cell.replace(",", ""))
    if not found:
        return cell
    half = 0.5 / 10 ** len(found[2]) if found[2] else 0.0
    return (float(found[1]) + sign * half) / (100 if found[3] else 1)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Make columns numbers where all that is there is one."""
    return frame.assign(
        **{
            name: pd.to_numeric(frame[name])
            for name in frame.columns
            if all(isinstance(v, float) for v in frame[name].dropna())
        }
    )


def _small(low: pd.DataFrame, high: pd.DataFrame, name: str, k: int) -> Iterator[tuple[str, str]]:
    """Find rows in which numbers would have to be hidden, whichever way shares were rounded."""
    few = hidden_cells(low, k=k) & hidden_cells(high, k=k)
    for row in np.flatnonzero(few.any(axis=1)):
        columns = ", ".join(few.columns[few.iloc[row]])
        yield "small cell", f"{name}: row {row + 1}: {columns}"


def _recoverable(frame: pd.DataFrame, hidden: pd.DataFrame, name: str) -> Iterator[tuple[str, str]]:
    """Find hidden counts that follow from the other cells and the sums of lines."""
    lines = lines_of(frame.drop(columns=[c for c in hidden if hidden[c].all()]))
    for column in COUNTS & set(hidden.columns[hidden.any()]):
        own = hidden[column].to_numpy()
        shown = pd.to_numeric(frame[column], errors="coerce").fillna(0.0).to_numpy() > 0
        telling = [line for line in lines if (line & (own | shown)).sum() > 1]
        for row in np.flatnonzero(_follows(own, telling)):
            yield "recoverable", f"{name}: row {row + 1}: {column}"
    for part, whole in PART_OF.items():
        if {part, whole, "rate"} <= set(frame.columns):
            told = hidden[part] & frame.rate.notna() & frame[whole].notna()
            for row in np.flatnonzero(told):
                yield "recoverable", f"{name}: row {row + 1}: {part} from rate and {whole}"


def _follows(hidden: Any, lines: list[Any]) -> Any:
    """Say which hidden cells the sums fix, whatever the values: a question of rank alone."""
    found = np.zeros(len(hidden), dtype=bool)
    sums = np.array([line[hidden] for line in lines if (line & hidden).any()], dtype=float)
    if len(sums):
        _, size, directions = np.linalg.svd(sums)
        free = directions[(size > 1e-9).sum() :]
        found[hidden] = (np.abs(free) < 1e-9).all(axis=0)
    return found
