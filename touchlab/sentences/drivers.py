"""What would not have happened otherwise, and how far that can be trusted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from touchlab.data.contract import listing
from touchlab.drivers.checks import CAUSAL
from touchlab.drivers.intent import Intent
from touchlab.plots.parts import per_cent
from touchlab.show import safe_sentence


@safe_sentence
def about_drivers(table: pd.DataFrame, baseline: pd.DataFrame, outcome: str) -> str:
    """Answer what the touchpoints bring, beyond what would have happened anyway."""
    base, above, below = baseline.iloc[0], table[table.ci_low > 0], table[table.ci_high < 0]
    held = " (touchpoints together hold some back)" if base.ci_low > base.n else ""
    first = table.loc[(table if above.empty else above).incremental.idxmax()]
    most = f"{first.touchpoint} {'brings' if first.badge in CAUSAL else 'goes with'} most"
    if above.empty:
        most = f"No touchpoint's figure can be told from zero; the largest is {first.touchpoint}'s"
    with_fewer = listing(below.touchpoint)
    fewer = f" Fewer {outcome} outcomes come with {with_fewer}." if with_fewer else ""
    return (
        f"{per_cent(base['share'])} of {base.n:,.0f} {outcome} outcomes would have happened "
        f"without any touchpoint{held}: {base.ci_low:,.0f} to {base.ci_high:,.0f} (95 % interval). "
        f"{most}: {first.incremental:,.0f} ({first.ci_low:,.0f} to {first.ci_high:,.0f}), "
        f"badge {first.badge}.{fewer}"
    )


@safe_sentence
def about_value(table: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Answer what would be missing of the value, and what makes outcomes larger or smaller."""
    base = baseline.iloc[0]
    first = table.loc[table.ci_low.idxmax()]
    said = (
        f"{per_cent(base['share'])} of the value of {base.n:,.0f} {base.outcome} outcomes, "
        f"{base.value:,.0f}, would be there without any touchpoint: {base.ci_low:,.0f} to "
        f"{base.ci_high:,.0f} (95 % interval)."
    )
    if first.ci_low > 0:
        said += (
            f" Most goes with {first.touchpoint}: {first.incremental:,.0f} ({first.ci_low:,.0f} to "
            f"{first.ci_high:,.0f})."
        )
    larger, smaller = table[table.larger_low > 0], table[table.larger_high < 0]
    for rows, word in ((larger, "Larger"), (smaller, "Smaller")):
        if len(rows):
            said += f" {word} outcomes, beyond chance, come with {listing(rows.touchpoint)}."
    if larger.empty and smaller.empty:
        said += " No touchpoint can be shown to make outcomes larger or smaller."
    return said


@safe_sentence
def about_scores(scores: pd.DataFrame) -> str:
    """Answer how far the numbers can be trusted, on customers like these with a known truth."""
    said = []
    for world, own in scores.groupby("world", sort=False):
        table = own.set_index("method")
        rules = table.drop(index=[m for m in table.index if m.startswith(("drivers", "oracle"))])
        best, drivers = rules.amount_error.min(), table.loc["drivers"]
        said.append(
            f"With {world}, the drivers are off by "
            f"{per_cent(drivers.amount_error)} of the truth, the best attribution model by "
            f"{per_cent(best)}; {per_cent(drivers.coverage)} of the drivers' 95 % intervals hold it"
        )
    return "On simulated customers shaped like these: " + ". ".join(said) + "."


STRONG = 0.2
"""Log rate for one standard deviation of intent from which on a touchpoint is said to be drawn."""


@safe_sentence
def about_intent(intent: Intent) -> str:
    """Say whether customers who attract touches have the outcome more by themselves."""
    blind = " An intent that comes and goes would not show."
    if intent.factors is None:
        return "Whether a hidden intent draws the touches was not looked for here." + blind
    if intent.loadings is None:
        return (
            "Customers differ in their touches by no more than chance and what is known of them: "
            "no sign of an intent that lasts." + blind
        )
    own = intent.loadings.sort_values(ascending=False)
    drawn = listing(own.index[own > STRONG]) or "touches"
    if not intent.follows:
        return (
            f"Some customers attract more of {drawn} than others; that they have the outcome more "
            f"often by themselves cannot be told from chance (p = {intent.p:.3f})." + blind
        )
    if not intent.found:
        return (
            "Something sorts customers by the touches that they get, and it is no intent: who has "
            "more of it does not have both more touches and more outcomes. Nothing is taken out."
        )
    return (
        f"Customers who attract {drawn} have the outcome more by themselves: "
        f"{np.exp(intent.strength):.1f} times as often for one standard deviation of what draws "
        "them. The figures hold that constant." + blind
    )
