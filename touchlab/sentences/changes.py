"""Sentences on what changes of touchpoints brought, and on what comments are about."""

from __future__ import annotations

from typing import Any

import pandas as pd

from touchlab.errors import listing
from touchlab.show import BACKED, counted, ranged, safe_sentence


@safe_sentence
def about_improvements(table: pd.DataFrame) -> str:
    """Say what each change brought, the clear ones first; what is not checked is not its doing."""
    known = table[table.change.notna()]
    if known.empty:
        return "No change has enough before and after it to say what it brought."
    clear = known.ci_low * known.ci_high > 0
    said = [_brought(row) for row in known[clear].head(3).itertuples()]
    names = listing((known.what + " (" + known.touchpoint + ")")[~clear], 3)
    return " ".join([*said, *([f"No clear change shows after {names}."] if names else [])])


def _brought(row: Any) -> str:
    sure, up = row.badge == "adjusted", row.change > 0
    amount = ranged(abs(row.change), *sorted([abs(row.ci_low), abs(row.ci_high)]))
    if row.measure == "score":
        verb = "made the score" if sure else "is followed by a score"
        said = f"{verb} {'higher' if up else 'lower'} by {amount} points of 100"
    else:
        verb = "made for" if sure else "is followed by"
        said = f"{verb} {amount} {'more' if up else 'fewer'} {row.measure} outcomes"
    if sure and pd.notna(row.roi):
        ends = [counted(1 + one) for one in (row.roi, row.roi_low, row.roi_high)]
        said += ", worth {} ({} to {}) times its cost so far".format(*ends)
    said += f" ({BACKED[row.badge]})" + ("" if sure else ", which need not be its doing")
    return f"{row.what} ({row.touchpoint}, {row.date:%Y-%m-%d}) {said}."


@safe_sentence
def about_themes(table: pd.DataFrame) -> str:
    """Say which themes of comments go with lower scores, and whether the outcome follows them."""
    if table.empty:
        return "No touchpoint has comments enough that fall into stable themes."
    named, said = table.touchpoint + " (" + table.theme + ")", "No theme goes with lower scores."
    low = table.assign(named=named)[table.ci_high < 0].sort_values("difference").head(3)
    if len(low):
        gaps = map(ranged, -low.difference, -low.ci_high, -low.ci_low)
        parts = [f"{name}: {gap} points lower" for name, gap in zip(low.named, gaps, strict=True)]
        said = f"Comments that go with lower scores (a link only): {'; '.join(parts)}."
    left = listing(named[table.later_low > 0], most=3)
    return f"{said} The outcome follows more often after {left}." if left else said
