"""Sentences on what changes of touchpoints brought, and on what comments are about."""

from __future__ import annotations

from typing import Any

import pandas as pd

from touchlab.errors import listing
from touchlab.show import BACKED, counted, per_cent, ranged, safe_sentence

MOST_NAMED = 3


@safe_sentence
def about_improvements(table: pd.DataFrame) -> str:
    """Say what each change brought, the clear ones first; what is not checked is not its doing."""
    known = table[table.change.notna()]
    if known.empty:
        return "No change has enough before and after it to say what it brought."
    clear = known.ci_low * known.ci_high > 0
    said = [_brought(row) for row in known[clear].head(MOST_NAMED).itertuples()]
    rest = known[~clear]
    if len(rest):
        names = listing((f"{row.what} ({row.touchpoint})" for row in rest.itertuples()), MOST_NAMED)
        said.append(f"No clear change shows after {names}.")
    return " ".join(said)


def _brought(row: Any) -> str:
    score, sure = row.measure == "score", row.badge == "adjusted"
    amount = ranged(abs(row.change), *sorted([abs(row.ci_low), abs(row.ci_high)]))
    more = ("higher" if row.change > 0 else "lower") if score else None
    named = f"{row.what} ({row.touchpoint}, {row.date:%Y-%m-%d})"
    if score:
        verb = f"made the score {more} by" if sure else f"is followed by a score {more} by"
        said = f"{named} {verb} {amount} points of 100"
    else:
        verb = ("brought" if row.change > 0 else "prevented") if sure else "is followed by"
        less = "" if sure else " more" if row.change > 0 else " fewer"
        said = f"{named} {verb} {amount}{less} {row.measure} outcomes"
    if sure and pd.notna(row.roi):
        low, high = counted(1 + row.roi_low), counted(1 + row.roi_high)
        said += f", worth {counted(1 + row.roi)} ({low} to {high}) times its cost so far"
    doubt = "" if sure else ", which need not be its doing"
    return f"{said} ({BACKED[row.badge]}){doubt}."


@safe_sentence
def about_themes(table: pd.DataFrame) -> str:
    """Say which themes of comments go with lower scores, and whether the outcome follows them."""
    if table.empty:
        return "No touchpoint has comments enough that fall into stable themes."
    low = table[table.ci_high < 0].sort_values("difference").head(MOST_NAMED)
    said = "No theme of the comments clearly goes with lower scores."
    if len(low):
        parts = [
            f"{row.touchpoint} ({row.theme}): {ranged(-row.difference, -row.ci_high, -row.ci_low)} "
            f"points lower, in {per_cent(row.share)} of {row.language} comments there"
            for row in low.itertuples()
        ]
        said = f"Comments that go with lower scores (a link only): {'; '.join(parts)}."
    more = table[table.later_low > 0].sort_values("later", ascending=False).head(MOST_NAMED)
    left = listing(
        (f"{row.touchpoint} ({row.theme})" for row in more.itertuples()), most=MOST_NAMED
    )
    return f"{said} The outcome follows more often after {left}." if left else said
