"""Three touches, one outcome and what goes with them: small enough to spoil one value at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import touchlab as tl

TOUCHES_CSV = """customer_id,timestamp,touchpoint
a,2026-03-01T10:00:00Z,search
b,2026-03-02T10:00:00Z,email
"""
OUTCOMES_CSV = """customer_id,timestamp,outcome
a,2026-03-05T10:00:00Z,conversion
"""


def utc(*times: str) -> pd.DatetimeIndex:
    return pd.to_datetime(list(times), utc=True, format="ISO8601")


def frame(columns: dict[str, Any], changes: dict[str, Any]) -> pd.DataFrame:
    """Build a frame; a column changed to None is left out."""
    return pd.DataFrame({c: v for c, v in (columns | changes).items() if v is not None})


def touches(**changes: Any) -> pd.DataFrame:
    columns = {
        "customer_id": ["a", "a", "b"],
        "timestamp": utc("2026-03-01", "2026-03-04", "2026-03-02"),
        "touchpoint": ["search", "email", "search"],
    }
    return frame(columns, changes)


def outcomes(**changes: Any) -> pd.DataFrame:
    columns = {"customer_id": ["a"], "timestamp": utc("2026-03-05"), "outcome": ["conversion"]}
    return frame(columns, changes)


def customers(**changes: Any) -> pd.DataFrame:
    columns = {
        "customer_id": ["a", "b"],
        "observed_from": utc("2026-01-01", "2026-01-01"),
        "observed_to": utc("2026-04-01", "2026-04-01"),
    }
    return frame(columns, changes)


def surveys(**changes: Any) -> pd.DataFrame:
    columns = {
        "timestamp": utc("2026-03-01", "2026-03-02"),
        "touchpoint": ["email", "email"],
        "metric": ["nps", "csat"],
        "score": [9, 4],
    }
    return frame(columns, changes)


def touchpoints(**changes: Any) -> pd.DataFrame:
    columns = {
        "touchpoint": ["email", "search"],
        "stage": ["purchase", "retention"],
        "owner": ["company", "partner"],
    }
    return frame(columns, changes)


def experiments(**changes: Any) -> pd.DataFrame:
    columns = {
        "customer_id": ["a", "b"],
        "touchpoint": ["email", "email"],
        "arm": ["treated", "holdout"],
        "start": utc("2026-03-01", "2026-03-01"),
        "end": utc("2026-03-09", "2026-03-09"),
    }
    return frame(columns, changes)


def tables(**given: Any) -> dict[str, Any]:
    return {"touches": touches(), "outcomes": outcomes()} | given


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files; touches.csv and outcomes.csv are good ones unless given or None."""
    defaults: dict[str, str | bytes] = {"outcomes.csv": OUTCOMES_CSV}
    if not any(name.startswith("touches") for name in files):
        defaults["touches.csv"] = TOUCHES_CSV
    for name, content in (defaults | files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def refusal(source: Any) -> list[str]:
    """Return the lines of the DataError that `source` ends in."""
    with pytest.raises(tl.DataError) as caught:
        tl.open_data(source)
    return str(caught.value).splitlines()


def notes(data: tl.Dataset) -> list[tuple[str, int, str]]:
    """Return the notes but the one on a missing customers table."""
    rows = [(n.table, n.rows, n.note) for n in data.notes.itertuples()]
    return [row for row in rows if row[0] != "customers" or "no customers" not in row[2]]
