"""Read the pages of a run back, and find each number of each sentence in the run's own tables.

``python tests/claims.py reports/latest`` lists what is not found, and counts sentences.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import touchlab as tl
from touchlab.data.customers import outcome_counts

Numbers = npt.NDArray[np.float64]

SAID = re.compile(
    r'<p class="(?:answer|takeaway)">(.*?)</p>|class="drawing"[^>]*aria-label="(.*?)"', re.S
)
NUMBER = re.compile(r"(?<![\w.,])-?\d(?:[\d,]*\d)?(?:\.\d+)?(?![\w]|-\d)")
_GIVEN_IN = r"\d{1,2} [A-Z][a-z]+ \d{4}|\d{4}-\d{2}(-\d{2})?|p = [\d.]+|Left out \([\d,]+ rows?\)"
GIVEN_IN = re.compile(_GIVEN_IN)
"""Dates, and what is said of tests and of what is left out."""
RANGE = re.compile(r"(-?[\d,.]+) \((?:95 % range )?(-?[\d,.]+) to (-?[\d,.]+)\)")
GIVEN = {95.0, 100.0, 1000.0, 0.0}
"""Numbers that sentences bring along: of intervals, scales and units."""
NEVER = [
    r"\bnan\b",
    r"\binf\b",
    r"\bNone\b",
    r"-0(\.0)?\b(?!\.)",
    r"100\.0 %",
    r"\b[a-z]+_[a-z_]+\b(?! =)",
]
NEVER += [r"(?<![.\d])(\d+) % of (\S+) [^.;]*, \1 % of \2", r"\.\.(?!\.)", r"  ", r": *[.;]"]
ALLOWED = {"min_customers", "touch_rate", "silent_days"}


@dataclass(frozen=True)
class Claim:
    """A sentence of a page, and what in it no table bears out."""

    page: str
    text: str
    wrong: tuple[str, ...]


def claims(folder: Path, data: tl.Dataset | None = None) -> Iterator[Claim]:
    """Every sentence of the pages of a run, held against its tables and what the data holds."""
    known = _known([pd.read_parquet(path) for path in folder.glob("tables/*/*.parquet")])
    if data is not None:
        counts = outcome_counts(data) if data.has("outcomes") else {}
        known = np.concatenate([known, _known([data.overview]), [*counts.values()]])
    known.sort()
    for path in sorted(folder.glob("[0-9]*.html")):
        for found in SAID.finditer(path.read_text(encoding="utf-8")):
            text = html.unescape(re.sub(r"<[^>]*>", "", found[1] or found[2])).replace("\xa0", " ")
            yield Claim(path.stem, text, tuple(_wrong(text, known)))


def _wrong(text: str, known: Numbers) -> Iterator[str]:
    for rule in NEVER:
        for found in re.finditer(rule, text):
            if found[0] not in ALLOWED:
                yield f"says {found[0]!r}"
    coarse = {one for found in RANGE.finditer(text) for one in found.groups()}
    for said in NUMBER.findall(GIVEN_IN.sub("", text)):
        value = float(said.replace(",", ""))
        digits = said.replace(",", "").partition(".")[2]
        room = 0.5 * 10.0 ** -len(digits)
        if said in coarse and not digits:
            plain = said.replace(",", "")
            room *= 10 ** (len(plain) - len(plain.rstrip("0")))
        if value in GIVEN or _near(value, room, known):
            continue
        yield f"{said} is in no table"


def _near(value: float, room: float, known: Numbers) -> bool:
    low = np.searchsorted(known, value - room * 1.01 - 1e-9)
    return bool(low < len(known) and known[low] <= value + room * 1.01 + 1e-9)


def _known(tables: list[pd.DataFrame]) -> Numbers:
    """All numbers of tables, as they may be said: shares in per cent, sums, complements, counts."""
    found = [np.arange(0.0, 20.0)]
    for table in tables:
        found.append(np.array([len(table)], float))
        for _, column in table.items():
            if pd.api.types.is_bool_dtype(column):
                found.append(np.array([column.sum(), len(column) - column.sum()], float))
            elif pd.api.types.is_numeric_dtype(column):
                found += _forms(column, table)
            else:
                found.append(column.astype(str).value_counts().to_numpy(float))
                texts = " ".join(map(str, column.unique()[:400]))
                found.append(np.array([float(n.replace(",", "")) for n in NUMBER.findall(texts)]))
    every = np.concatenate(found)
    return np.concatenate([every, -every])


def _forms(column: pd.Series, table: pd.DataFrame) -> Iterator[Numbers]:
    values = column.dropna().to_numpy(float)
    values = values[np.isfinite(values)]
    yield from (values, 100 * values, 1 - values, 100 * (1 - values), 1 + values, np.diff(values))
    yield np.array([values.sum(), 100 * values.sum(), values[values > 0].sum()])
    for by in table.columns:  # sums of groups
        if by != column.name and table[by].nunique() < 30:
            yield column.groupby(table[by].to_numpy()).sum().to_numpy(float)
    if "n" in table and pd.api.types.is_numeric_dtype(table.n):
        n = table.n.to_numpy(float)
        with np.errstate(all="ignore"):
            for each in (column.to_numpy(float) * n, 1000 * column.to_numpy(float) / n):
                yield each[np.isfinite(each)]


def wrong(folder: Path, data: tl.Dataset | None = None) -> tuple[int, list[Claim]]:
    """How many sentences there are, and those with a number or word that is not borne out."""
    found = list(claims(folder, data))
    return len(found), [claim for claim in found if claim.wrong]


if __name__ == "__main__":
    opened = tl.open_data(sys.argv[2]) if len(sys.argv) > 2 else None
    number, mend = wrong(Path(sys.argv[1]), opened)
    for claim in mend:
        print(f"{claim.page}: {claim.text}\n    {'; '.join(claim.wrong)}")
    print(f"{number} sentences, {len(mend)} to mend")
