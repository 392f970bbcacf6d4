"""What came in, and what was mended."""

from __future__ import annotations

import pandas as pd

from touchlab.dataset import Dataset
from touchlab.show import count


def about_data(data: Dataset) -> str:
    """Say what came in: touches, outcomes, customers, dates, and which tables are missing."""
    table = data.overview.set_index("table")
    if "steps" in table.index:
        return (
            f"{data.name} is a paths table: journeys already counted, without customers or times."
        )
    touches, outcomes = table.loc["touches"], table.loc["outcomes"]
    first, last = min(touches["first"], outcomes["first"]), max(touches["last"], outcomes["last"])
    optional = ("customers", "surveys", "touchpoints", "experiments")
    missing = [name for name in optional if not data.has(name)]
    said = (
        f"{data.name} holds {count(touches.rows)} touches of {count(touches.customers)} customers "
        f"and {count(outcomes.rows)} outcomes, from {_date(first)} to {_date(last)}."
    )
    return said + (f" Not given: {', '.join(missing)}." if missing else "")


def about_repairs(data: Dataset) -> str:
    """Say how much was dropped on the way in."""
    dropped = data.notes[data.notes.note.str.contains("dropped", regex=False)]
    if dropped.empty:
        return "Nothing was dropped."
    return "; ".join(f"{row.rows:,} {row.table}: {row.note}" for row in dropped.itertuples()) + "."


def notes_in_brief(data: Dataset) -> pd.DataFrame:
    """List repairs and assumptions, one row for what holds of several tables or columns."""
    notes = data.notes.assign(note=data.notes.note.str.replace(r"^\w+: ", "", regex=True))
    grouped = notes.groupby("note", sort=False)
    brief = grouped.agg(
        table=("table", lambda t: ", ".join(dict.fromkeys(t))), rows=("rows", "sum")
    )
    return brief.reset_index()[["table", "rows", "note"]]


def _date(time: pd.Timestamp) -> str:
    return f"{time.day} {time:%B %Y}"
