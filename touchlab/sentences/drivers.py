"""Who gets the credit, what would not have happened otherwise, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from touchlab.credit.sensitivity import TIED, most_debated
from touchlab.data.contract import listing
from touchlab.data.customers import NO_TOUCH
from touchlab.drivers.checks import CAUSAL
from touchlab.drivers.intent import Intent
from touchlab.plots.parts import named
from touchlab.show import BACKED, count, lead, per_cent, ranged, safe_sentence

DESCRIPTIVE = (
    "Credit describes what happened (badge: descriptive). It adds up to every outcome, so it "
    "cannot tell which ones would have happened anyway."
)


@safe_sentence
def about_credit(credit: pd.DataFrame, outcome: str) -> str:
    """Answer who gets the credit, and how much the choice of the model matters."""
    table = credit[credit.touchpoint != NO_TOUCH]
    shares = table.pivot_table(index="touchpoint", columns="model", values="share")
    ahead = (shares >= shares.max() - TIED).sum() == 1
    leaders, models = shares.loc[:, ahead].idxmax().value_counts(), len(shares.columns)
    untouched = credit[credit.touchpoint == NO_TOUCH]
    alone = (
        f" {per_cent(untouched.share.iloc[0])} of the {credit.n.iloc[0]:,.0f} outcomes had no "
        "touch before them and credit nobody."
        if len(untouched)
        else ""
    )
    if leaders.empty:
        return f"By no model has one touchpoint more credit than every other.{alone}"
    top, own = leaders.index[0], leaders.iloc[0]
    low, high = (per_cent(share) for share in (shares.loc[top].min(), shares.loc[top].max()))
    agree = f"All {models}" if own == models else f"{own} of {models}"
    between = low if low == high else f"between {low} and {high}"
    return (
        f"{agree} models give {top} the largest share; by all of them it is {between} of "
        f"{outcome} outcomes.{alone}"
    )


def points(spread: float) -> str:
    """Write a difference of shares."""
    return f"{100 * spread:.1f} points"


@safe_sentence
def about_agreement(credit: pd.DataFrame) -> str:
    """Say which touchpoint's credit hangs on the model, and whether that is more than noise."""
    swing = most_debated(credit)
    if swing.agreed:
        return "The models agree on every touchpoint."
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
        f"shown add up to {per_cent(effects.removal.sum())}: journeys overlap, so they are not "
        "shares of one cake."
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


FEWEST = 50
"""Outcomes below which no effect stands first."""
MOST_NAMED = 3
LEANS = 0.05
"""Share of all outcomes that a figure may move the baseline by without a word."""


def no_headline(table: pd.DataFrame, n: float, outcome: str) -> str:
    """Say why no effect may stand first; nothing where one may.

    >>> table = pd.DataFrame({"incremental": [644.0, 192, 36]})
    >>> no_headline(table, 762, "conversion").partition(":")[0]
    'No effect stands first'
    >>> no_headline(table, 900, "conversion")
    ''
    """
    brought = table.incremental.clip(lower=0).sum()
    if n < FEWEST:
        why = f"{count(n)} {outcome} outcomes are too few to tell touchpoints apart"
    elif brought > n:
        why = (
            f"added up, the touchpoints would bring {brought:,.0f} of {n:,.0f} {outcome} outcomes, "
            "more than there are; they cannot be told apart, or the outcome is recorded only where "
            "somebody was touched"
        )
    else:
        return ""
    return f"No effect stands first: {why}."


def leading(table: pd.DataFrame, n: float) -> tuple[pd.Series | None, str, str]:
    """Find the touchpoint with the largest figure beyond zero, its verb, and how it leads."""
    above = table[table.ci_low > 0]
    if above.empty:
        return None, "", ""
    row = above.loc[above.incremental.idxmax()]
    verb = "brings" if row.get("badge") in CAUSAL else "goes with"
    largest = row.incremental >= table.incremental.max()
    return row, verb, lead(row.incremental / n) if largest and len(table) > 1 else ""


@safe_sentence
def about_drivers(table: pd.DataFrame, baseline: pd.DataFrame, outcome: str) -> str:
    """Answer what the touchpoints bring, beyond what would have happened anyway."""
    base = baseline.iloc[0]
    if reason := no_headline(table, base.n, outcome):
        return reason
    row, verb, leads = leading(table, base.n)
    if row is None:
        largest = table.touchpoint[table.incremental.idxmax()]
        most = f"No touchpoint's figure can be told from zero; the largest is {largest}'s"
    else:
        most = f"{row.touchpoint} {' '.join(filter(None, (verb, leads)))}: "
        most += f"{ranged(row.incremental, row.ci_low, row.ci_high)}, {backed(row.badge)}"
    with_fewer = listing(table.touchpoint[table.ci_high < 0])
    fewer = f" Fewer {outcome} outcomes come with {with_fewer}." if with_fewer else ""
    return f"{about_baseline(base, outcome, table)}. {most}.{fewer}"


def leans_on(table: pd.DataFrame, n: float) -> list[str]:
    """Name touchpoints whose figures no check backs, and that make a difference to the baseline.

    >>> rows = [("ad", "adjusted", 90.0, 80.0, 100.0), ("mail", "untested", -4.0, -94.0, 86.0)]
    >>> names = ["touchpoint", "badge", "incremental", "ci_low", "ci_high"]
    >>> table = pd.DataFrame(rows, columns=names)
    >>> leans_on(table, 800), leans_on(table, 8000)
    (['mail'], [])
    """
    most = table[["ci_low", "ci_high"]].abs().max(axis=1)
    return table.touchpoint[~table.badge.isin(CAUSAL) & (most > LEANS * n)].tolist()


def some(names: Sequence[str] | pd.Series[str]) -> str:
    """Name a few, and count the others.

    >>> some(["ad", "mail"]), some(["ad", "mail", "shop", "app", "call"])
    ('ad, mail', 'ad, mail, shop and 2 more')
    """
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return listing(names[:MOST_NAMED]) + more


def about_baseline(base: pd.Series, outcome: str, table: pd.DataFrame) -> str:
    """Say how many outcomes would have come anyway, and on whose figures that leans."""
    held = " (touchpoints together hold some back)" if base.ci_low > base.n else ""
    share = per_cent(min(base["share"], 1.0) if held else base["share"])
    anyway = ranged(base.baseline, base.ci_low, base.ci_high, "95\N{NO-BREAK SPACE}% range ")
    unsure = leans_on(table, base.n)
    leaning = f", as far as the figures of {some(unsure)} hold" if unsure else ""
    return (
        f"{share} of {base.n:,.0f} {outcome} outcomes would have come without any "
        f"touchpoint{held}: {anyway}{leaning}"
    )


def backed(badge: str) -> str:
    """Say in words what stands behind a figure."""
    return BACKED.get(badge, f"badge {badge}")


@safe_sentence
def about_value(table: pd.DataFrame, baseline: pd.DataFrame, currency: str = "") -> str:
    """Answer what would be missing of the value, and what makes outcomes larger or smaller."""
    base = baseline.iloc[0]
    row, _, leads = leading(table, base.value)
    said = (
        f"{per_cent(base['share'])} of the value of {base.n:,.0f} {base.outcome} outcomes, "
        f"{f'{base.value:,.0f} {currency}'.rstrip()}, would be there without any touchpoint: "
        f"{ranged(base.baseline, base.ci_low, base.ci_high)}."
    )
    if row is not None and not no_headline(table, base.value, base.outcome):
        amount = ranged(row.incremental, row.ci_low, row.ci_high)
        said += f" {' '.join(filter(None, (row.touchpoint, 'goes with', leads)))}: {amount}."
    larger, smaller = table[table.larger_low > 0], table[table.larger_high < 0]
    for rows, word in ((larger, "Larger"), (smaller, "Smaller")):
        if len(rows):
            said += f" {word} outcomes, beyond chance, come with {listing(rows.touchpoint)}."
    if larger.empty and smaller.empty:
        said += " No touchpoint can be shown to make outcomes larger or smaller."
    return said


@safe_sentence
def about_scores(scores: pd.DataFrame, share: float = 1.0) -> str:
    """Answer how far the numbers can be trusted, on customers like these with a known truth.

    `share` is how much of the data's customer-days they have: with less, errors are larger.
    """
    said = []
    for world, own in scores.groupby("world", sort=False):
        table = own.set_index("method")
        rules = table.drop(index=[m for m in table.index if m.startswith(("drivers", "oracle"))])
        best, drivers = rules.amount_error.min(), table.loc["drivers"]
        said.append(
            f"with {world}, the drivers are off by "
            f"{per_cent(drivers.amount_error)} of the truth, the best attribution model by "
            f"{per_cent(best)}; {per_cent(drivers.coverage)} of the drivers' 95 % intervals hold it"
        )
    less = f", but with {per_cent(share)} of the data" if share < MOST_OF_IT else ""
    return f"On simulated customers shaped like these{less}: {'; '.join(said)}."


MOST_OF_IT = 0.8
"""Share of the data from which on simulated customers are as many."""
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
    drawn = listing(own.index[own > STRONG])
    more, drawn = f"more of {drawn}" if drawn else "more touches", drawn or "touches"
    if not intent.follows:
        return (
            f"Some customers attract {more} than others; that they have the outcome more often by "
            f"themselves cannot be told from chance (p = {intent.p:.3f})." + blind
        )
    if intent.alike and not intent.found:
        return (
            f"Customers who attract {drawn} have the outcome so much more often that an intent "
            "cannot be told from what touches do. Nothing is taken out."
        )
    if not intent.found:
        return (
            "Something sorts customers by the touches that they get, and it is no intent: that "
            "would draw touches of several kinds, and outcomes with them. Nothing is taken out."
        )
    return (
        f"Customers who attract {drawn} have the outcome more by themselves: "
        f"{np.exp(intent.strength):.1f} times as often for one standard deviation of what draws "
        "them. The figures hold that constant." + blind
    )
