"""What to try next, how it goes and what trying brought."""

from __future__ import annotations

import numpy as np
import pandas as pd

from touchlab.data.contract import listing
from touchlab.experiments.plan import WORTHWHILE
from touchlab.moments.risk import ENDING
from touchlab.show import counted, per_cent, ranged, safe_sentence


@safe_sentence
def about_queue(table: pd.DataFrame, outcome: str, horizon_days: int) -> str:
    """Answer which experiment to run next, and why; `table` is that of `plan_experiments`."""
    worth = table[table.net >= WORTHWHILE]
    if worth.empty:
        most = f"{WORTHWHILE:.0f} {outcome} outcome more than it forgoes over {horizon_days} days"
        return (
            "No holdout is expected to pay by turning a decision to keep or stop a touchpoint "
            f"round: of none is the result worth {most}. How much to spend on one that is kept is "
            "another question (page 07)."
        )
    first, kind = worth.iloc[0], "kept" if outcome in ENDING else outcome
    found = f"{counted(first.detectable)} {outcome} outcomes"
    turns = ", and what it costs is not known"
    if first.part == first.part:
        found = f"{per_cent(first.part)} of the drivers' estimate"
    if first.probability == first.probability:
        turns = ", and turns the decision to keep or stop it round with a chance of "
        turns += per_cent(first.probability)
    rest = f" Then: {listing(worth.touchpoint[1:4])}." if len(worth) > 1 else ""
    return (
        f"Try {first.touchpoint} next: hold it back from {per_cent(first['share'], 0)} of "
        f"customers for {first.weeks:.0f} weeks. That finds effects down to {found} four times in "
        f"five, forgoes about {counted(first.forgone)} {kind} outcomes meanwhile{turns}; knowing "
        f"is worth {counted(first.worth)} outcomes over {horizon_days} days.{rest}"
    )


@safe_sentence
def about_running(table: pd.DataFrame, outcome: str) -> str:
    """Say of each experiment whether it is sound, and what it says by now."""
    said = []
    for row in table.itertuples():
        if not np.isfinite(row.always_low + row.always_high):
            said.append(f"{row.touchpoint}: customers differ in nothing, so no interval is made.")
            continue
        effect = ranged(row.incremental, row.always_low, row.always_high)
        untested = "; whether its arms are as drawn is untested" if row.arms == "untested" else ""
        said.append(
            f"{row.touchpoint}: {row.verdict}{untested}. So far {effect} {outcome} outcomes, with "
            "an interval that holds however often one looks."
        )
    return " ".join(said)
