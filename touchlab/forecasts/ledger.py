"""The ledger: forecasts that were written down, a line each, so that nobody can better them later.

Each line holds the hash of the line before it, and each run remembers the seal of the ledger as
it left it. What is changed, taken out, put in or written anew is seen, as long as the records of
the runs are not changed along with it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from touchlab.disk import read_own

LARGEST, LONGEST, FARTHEST = 5_000_000, 2_000, 1e12
"""Bytes of a ledger (monthly reports fill a hundredth of it in a year), characters of a line, and
the largest number in it."""
KEY = ["outcome", "what", "touchpoint", "lookback"]
WORDS = ["after", "run", "made_at", *KEY, "period"]
NUMBERS = ["days", "forecast", "forecast_low", "forecast_high", "before"]
MAYBE = ["touches", "brings", "credit_each"]
"""Numbers that only some lines have."""
MOST_TROUBLES = 3


@dataclass(frozen=True)
class Ledger:
    """The lines that stand as they were written, and what is wrong with others, in words."""

    table: pd.DataFrame
    lines: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def seal(self) -> str:
        """How many lines there are, and the hash of all of them; empty where there is none."""
        return _seal(self.lines)


def read_ledger(path: str | Path, seals: Sequence[str] = ()) -> Ledger:
    """Read a ledger as from a stranger; an empty path, or one where nothing is yet, has no lines.

    `seals` are what earlier runs remember: run id, lines, hash. A line that cannot be read, or
    after which the chain breaks, is left out and said.
    """
    lines, rows, troubles, before = list[str](), dict[int, dict[str, Any]](), list[str](), ""
    try:
        lines = read_own(Path(path), LARGEST).split("\n") if os.path.lexists(path) else []
    except (OSError, ValueError) as error:
        troubles.append(f"the ledger cannot be read: {getattr(error, 'strerror', None) or error}")
        seals = ()
    lines = lines[:-1] if lines and not lines[-1] else lines
    for number, line in enumerate(lines, start=1):
        row = _row(line)
        if row is None:
            troubles.append(f"line {number} of the ledger cannot be read, and is left out")
        elif row["after"] != before:
            troubles.append(f"line {number - 1} of the ledger is not what line {number} came after")
            rows.pop(number - 1, None)
        if row is not None:
            rows[number] = row | {"line": number}
        before = _hash(line)
    for run, _, seal in (str(one).partition(" ") for one in seals):
        count = seal.partition(" ")[0]
        if count.isdecimal() and _seal(lines[: int(count)]) != seal:
            troubles.insert(0, f"the ledger was changed after run {run}, which left {count} lines")
            break
    if more := troubles[MOST_TROUBLES:]:
        troubles = [*troubles[:MOST_TROUBLES], f"{len(more)} more things are wrong with it"]
    table = pd.DataFrame([*rows.values()], columns=["line", *WORDS, *NUMBERS, *MAYBE])
    table = table.astype(dict.fromkeys([*NUMBERS, *MAYBE], float))
    return Ledger(table, tuple(lines), tuple(troubles))


def with_forecasts(path: Path, found: pd.DataFrame, run: str, made_at: str) -> str:
    """Give the text of a ledger with what a run foretold.

    A number is foretold once for a day: what overlaps with a line of the same thing is not added,
    so neither running again nor running often makes a record longer. Rows of which something is
    hidden, as few customers stand behind it, are not written. ValueError where it is too large.
    """
    ledger = read_ledger(path)
    if ledger.troubles and not ledger.lines:
        raise ValueError(ledger.troubles[0])
    lines, known = [*ledger.lines], ledger.table.assign(day=pd.to_datetime(ledger.table.period))
    for row in found.dropna(subset=[*NUMBERS, "customers"]).to_dict("records"):
        same = (known[KEY] == [row[name] for name in KEY]).all(axis=1)
        period = pd.Timestamp(row["period"]).tz_localize(None)
        if ((known.day[same] - period).abs() < pd.Timedelta(days=row["days"])).any():
            continue
        words = {"after": _hash(lines[-1]) if lines else "", "run": run, "made_at": made_at}
        words |= {name: row[name] for name in KEY} | {"period": f"{period:%Y-%m-%d}"}
        numbers = {n: float(f"{row[n]:.6g}") for n in (*NUMBERS, *MAYBE) if pd.notna(row.get(n))}
        lines.append(json.dumps(words | numbers))
    grown = "".join(f"{line}\n" for line in lines)
    if len(grown) > LARGEST:
        raise ValueError("the ledger is full")
    return grown


def _row(line: str) -> dict[str, Any] | None:
    """Read a line; None where it is not one of ours."""
    try:
        row = json.loads(line) if len(line) <= LONGEST else {}
        words: dict[str, Any] = {name: row[name] for name in WORDS}
        numbers = {name: row[name] for name in (*NUMBERS, *MAYBE) if name in row}
        plain = all(type(n) in (int, float) and math.isfinite(n) for n in numbers.values())
        fits = plain and max(map(abs, numbers.values())) < FARTHEST
        fits = fits and 0 <= row["forecast_low"] <= row["forecast"] <= row["forecast_high"]
        pd.to_datetime(words["period"], format="%Y-%m-%d")
        if fits and row["before"] >= 0 and all(isinstance(word, str) for word in words.values()):
            return words | numbers | {"days": row["days"]}
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        pass
    return None


def _seal(lines: Sequence[str]) -> str:
    return f"{len(lines)} {_hash(chr(10).join(lines))}" if lines else ""


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()
