"""Who gets the credit."""

from __future__ import annotations

import pandas as pd

from touchlab.credit.sensitivity import most_debated
from touchlab.data.customers import NO_TOUCH
from touchlab.plots.parts import named
from touchlab.show import per_cent, safe_sentence

DESCRIPTIVE = (
    "Credit describes what happened (badge: descriptive). It adds up to every outcome, so it "
    "cannot tell which ones would have happened anyway."
)


@safe_sentence
def about_credit(credit: pd.DataFrame, outcome: str) -> str:
    """Answer who gets the credit, and how much the choice of the model matters."""
    table = credit[credit.touchpoint != NO_TOUCH]
    shares = table.pivot_table(index="touchpoint", columns="model", values="share")
    leaders = shares.idxmax().value_counts()
    top, models = leaders.index[0], len(shares.columns)
    low, high = shares.loc[top].min(), shares.loc[top].max()
    agree = (
        f"All {models} models give {top} the largest share"
        if leaders.iloc[0] == models
        else f"{leaders.iloc[0]} of {models} models give {top} the largest share"
    )
    untouched = credit[credit.touchpoint == NO_TOUCH]
    alone = (
        f" {per_cent(untouched.share.iloc[0])} of the {credit.n.iloc[0]:,.0f} outcomes had no "
        "touch before them and credit nobody."
        if len(untouched)
        else ""
    )
    return (
        f"{agree}; by all of them it is between {per_cent(low)} and {per_cent(high)} of "
        f"{outcome} outcomes.{alone}"
    )


def points(spread: float) -> str:
    """Write a difference of shares."""
    return f"{100 * spread:.1f} points"


@safe_sentence
def about_agreement(credit: pd.DataFrame) -> str:
    """Say which touchpoint's credit hangs on the model, and whether that is more than noise."""
    swing = most_debated(credit)
    beyond = "more than" if swing.beyond_chance else "not clearly more than"
    apart = (
        ""
        if "last_non_direct" not in set(credit.model)
        else (" Last non-direct, which never credits direct, is not compared.")
    )
    return (
        f"{swing.touchpoint} swings from {per_cent(swing.low.share)} ({named(swing.low.model)}) "
        f"to {per_cent(swing.high.share)} ({named(swing.high.model)}), {beyond} chance alone would "
        f"give; on {swing.least} the models agree to within {points(swing.least_spread)}.{apart}"
    )


@safe_sentence
def about_removal(effects: pd.DataFrame, outcome: str) -> str:
    """Say what the chain would lose without a touchpoint, and that losses overlap."""
    first = effects.loc[effects.removal.idxmax()]
    return (
        f"Without {first.touchpoints}, the chain would lose {per_cent(first.removal)} of its "
        f"{outcome} outcomes ({per_cent(first.ci_low)} to {per_cent(first.ci_high)}). The losses "
        f"of single touchpoints add up to {per_cent(effects.removal.sum())}: journeys overlap, so "
        "they are not shares of one cake."
    )


@safe_sentence
def about_lookback(table: pd.DataFrame) -> str:
    """Say how far the leading share, and the outcomes without a touch, move with the lookback."""
    named = table[table.touchpoint != NO_TOUCH]
    top = named.groupby("touchpoint").share.mean().idxmax()
    own, alone = table[table.touchpoint == top], table[table.touchpoint == NO_TOUCH]
    if own.lookback.nunique() == 1:
        return f"{top} has the largest share on average, {per_cent(own.share.iloc[0])}."
    said = (
        f"With lookbacks from {own.lookback.iloc[0]} to {own.lookback.iloc[-1]}, the share of "
        f"{top} moves between {per_cent(own.share.min())} and {per_cent(own.share.max())}"
    )
    if alone.empty:
        return said + "."
    low, high = per_cent(alone.share.min()), per_cent(alone.share.max())
    return f"{said}; {low} to {high} of outcomes have no touch within it."
