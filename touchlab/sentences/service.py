"""Sentences on service: what waiting and resolution do, and what training would be worth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from touchlab.errors import listing
from touchlab.show import BACKED, counted, ranged, safe_sentence


@safe_sentence
def about_service(table: pd.DataFrame) -> str:
    """Say what clearly goes with longer waits and other results; what is checked makes for it."""
    clear = table[table.ci_low * table.ci_high > 0]
    if clear.empty:
        return "Neither duration nor result clearly goes with what customers do next."
    said = []
    for (term, badge), rows in clear.groupby(["term", "badge"], sort=False):
        name = term if term.startswith("twice") else f"a result {term},"
        verb = "makes for" if badge == "adjusted" else "goes with"
        moves = listing(map(_moved, rows.itertuples()))
        said.append(f"{name} {verb} {moves} ({BACKED[badge]}).")
    return f"{' '.join(said)} Points are of 100."


def _moved(row: Any) -> str:
    amount = ranged(abs(row.effect), *sorted([abs(row.ci_low), abs(row.ci_high)]))
    up = row.effect > 0
    if row.measure == "score":
        return f"a score {amount} points {'higher' if up else 'lower'}"
    return f"{row.measure} {amount} points {'more' if up else 'less'} often"


@safe_sentence
def about_training(table: pd.DataFrame) -> str:
    """Say what it would be worth if those below the median reached it."""
    if table.empty:
        return ""
    clear = table[table.differ]
    if clear.empty:
        return "Teams and agents do not differ beyond chance: training has nothing to go by."
    said = [
        _worth(row) for row in clear.sort_values("level").groupby("measure").head(1).itertuples()
    ]
    return f"{' '.join(said)} That is so if the difference is their own doing, and can be learned."


def _worth(row: Any) -> str:
    reached = f"If {row.level}s below the median reached it,"
    if pd.isna(row.contacts):
        gain = ranged(row.gain, row.ci_low, row.ci_high)
        return f"{reached} the mean score would be {gain} points higher."
    more = ranged(row.contacts, row.contacts_low, row.contacts_high)
    return f"{reached} {more} more of {counted(row.n)} contacts would be resolved."
