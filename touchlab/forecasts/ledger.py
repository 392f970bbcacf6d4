"""The ledger: forecasts that were written down, a line each, so that nobody can better them later.

Each line holds the hash of the one before, and each run remembers the seal of the ledger as it left
it: what is changed, taken out, put in or written anew is seen, unless all runs are changed along.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd  # slow to import, and what asks for a seal needs none

LARGEST, LONGEST, FARTHEST = 5_000_000, 2_000, 1e12  # bytes, characters of a line, a number
KEY = ["outcome", "what", "touchpoint", "lookback"]
WORDS = ["after", "run", "made_at", *KEY, "period"]
NUMBERS = ["days", "forecast", "forecast_low", "forecast_high", "before"]
MAYBE = ["touches", "brings", "credit_each"]  # numbers that only some lines have


def read_ledger(
    path: str | Path, seals: Sequence[str] = ()
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read a ledger as from a stranger: its lines, and what is wrong with it in words.

    `seals` are what earlier runs remember: run id, lines, hash. A line that cannot be read, or
    after which the chain breaks, is left out and said.
    """
    import pandas as pd

    lines, rows, troubles, before = list[str](), dict[int, dict[str, Any]](), list[str](), ""
    try:
        lines = _lines(path)
    except (OSError, ValueError) as error:
        troubles.append(f"the ledger cannot be read: {getattr(error, 'strerror', None) or error}")
        seals = ()
    for number, line in enumerate(lines, start=1):
        row = _row(line)
        if row is None:
            troubles.append(f"line {number} of the ledger cannot be read, and is left out")
        else:
            if row["after"] != before:
                which = f"line {number - 1} of the ledger"
                troubles.append(f"{which} is not what line {number} was written after")
                rows.pop(number - 1, None)
            rows[number] = row
        before = _hash(line)
    for run, _, seal in (str(one).partition(" ") for one in seals):
        count = seal.partition(" ")[0]
        if count.isdecimal() and _seal(lines[: int(count)]) != seal:
            troubles.insert(0, f"the ledger was changed after run {run}, which left {count} lines")
            break
    if more := len(troubles[3:]):
        troubles[3:] = [f"{more} more things are wrong with the ledger"]
    table = pd.DataFrame([*rows.values()], columns=[*WORDS, *NUMBERS, *MAYBE])
    return table.astype(dict.fromkeys([*NUMBERS, *MAYBE], float)), tuple(troubles)


def with_forecasts(path: Path, found: pd.DataFrame, run: str, made_at: str) -> str:
    """Give the text of a ledger with what a run foretold; ValueError where it cannot be kept.

    A number is foretold once for a day: what overlaps with a line of the same thing is not added,
    so neither running again nor running often makes a record longer. Rows of which something is
    hidden, as few customers stand behind it, are not written.
    """
    import pandas as pd

    lines, (known, _) = _lines(path), read_ledger(path)
    known["period"] = pd.to_datetime(known.period)
    for row in found.dropna(subset=[*NUMBERS, "customers"]).to_dict("records"):
        same = (known[KEY] == [row[name] for name in KEY]).all(axis=1)
        period = pd.Timestamp(row["period"]).tz_localize(None)
        if ((known.period[same] - period).abs() < pd.Timedelta(days=row["days"])).any():
            continue
        words = {"after": _hash(lines[-1]) if lines else "", "run": run, "made_at": made_at}
        words |= {name: row[name] for name in KEY} | {"period": f"{period:%Y-%m-%d}"}
        numbers = {n: float(f"{row[n]:.6g}") for n in (*NUMBERS, *MAYBE) if pd.notna(row.get(n))}
        lines.append(json.dumps(words | numbers))
    grown = "".join(f"{line}\n" for line in lines)
    if len(grown) > LARGEST:
        raise ValueError("the ledger is full")
    return grown


def read_own(path: Path, most: int) -> str:
    """Read a small file that is a file itself: no link to elsewhere, nothing that waits."""
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, os.O_RDONLY | flags), encoding="utf-8") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise ValueError("not a file of the size of a record")
        return file.read()


def seal_of(path: Path) -> str:
    """How many lines a ledger has, and the hash of all of them; empty where there are none."""
    try:
        return _seal(_lines(path))
    except (OSError, ValueError):
        return ""


def _lines(path: str | Path) -> list[str]:
    text = read_own(Path(path), LARGEST) if os.path.lexists(path) else ""
    return text.removesuffix("\n").split("\n") if text else []


def _row(line: str) -> dict[str, Any] | None:
    """Read a line; None where it is not one of ours."""
    try:
        row = json.loads(line) if len(line) <= LONGEST else {}
        words: dict[str, Any] = {name: row[name] for name in WORDS}
        numbers = {name: row[name] for name in (*NUMBERS, *MAYBE) if name in row}
        plain = all(type(n) in (int, float) and math.isfinite(n) for n in numbers.values())
        fits = plain and max(map(abs, numbers.values())) < FARTHEST and row["before"] >= 0
        datetime.strptime(words["period"], "%Y-%m-%d")
        fits = fits and "1970" < words["period"] < "2200"
        if fits and 0 <= row["forecast_low"] <= row["forecast"] <= row["forecast_high"]:
            own = all(isinstance(word, str) for word in words.values())
            return words | numbers if own else None
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        pass
    return None


def _seal(lines: Sequence[str]) -> str:
    return f"{len(lines)} {_hash(chr(10).join(lines))}" if lines else ""


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()
