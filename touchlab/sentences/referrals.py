"""Sentences on customers brought by customers, and what touchpoints are worth with them."""

from __future__ import annotations

import pandas as pd

from touchlab.drivers.checks import CAUSAL
from touchlab.sentences.drivers import backed
from touchlab.show import count, counted, ranged, safe_sentence


@safe_sentence
def about_brought(links: pd.DataFrame, outcome: str) -> str:
    """Say how many customers were brought by customers, over how many generations."""
    own = links[links.outcome == outcome]
    people, done = own.customers.sum(), own.outcomes.sum()
    said = f"{count(people)} customers were brought by customers, over {len(own)} generation"
    return f"{said}{'s' * (len(own) > 1)}; they have had {count(done)} {outcome} outcomes."


@safe_sentence
def about_referral_worth(table: pd.DataFrame, unit: str, depth: int) -> str:
    """Say what the touchpoints that may be called effects are worth with those brought."""
    clear = table[table.badge.isin(CAUSAL) & (table.brought_low > 0)]
    if clear.empty:
        return "No touchpoint clearly brings customers by way of its customers."
    parts = [
        f"{row.touchpoint} is worth {ranged(row.worth, row.ci_low, row.ci_high)} {unit} rather "
        f"than {counted(row.incremental)} ({backed(row.badge)})"
        for row in clear.head(3).itertuples()
    ]
    return f"With those whom its customers brought, to depth {depth}, {'; '.join(parts)}."
