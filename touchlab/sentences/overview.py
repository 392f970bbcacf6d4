"""The answer in five sentences, computed from the tables of the other pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from touchlab.data.contract import listing
from touchlab.data.customers import outcome_counts
from touchlab.data.dataset import Dataset
from touchlab.drivers.checks import CAUSAL
from touchlab.plots.parts import per_cent
from touchlab.show import count, safe_sentence

Tables = Mapping[str, pd.DataFrame]
SELDOM = 0.01


def in_five_sentences(tables: Tables, outcome: str) -> list[str]:
    """Say what brings outcomes, what keeps customers, what brings referrals, where the experience
    is weak and what to do with the money; what the data lacks is left out."""
    asked: list[tuple[Callable[..., str], tuple[str, ...]]] = [
        (_brings, ("drivers", "baseline")),
        (_keeps, ("keepers", "churn")),
        (_refers, ("bringers", "referral")),
        (_weak, ("links",)),
        (_money, ("gain", "plan")),
    ]
    said = []
    for say, names in asked:
        if all(name in tables for name in names):
            said.append(say(*(tables[name] for name in names), outcome=outcome))
    return said or ["The data carries none of the answers that this page brings together."]


def about_unexplained(tables: Tables, data: Dataset, outcome: str) -> str:
    """Say how many outcomes the first sentence is not about; nothing where it is about all."""
    if "baseline" not in tables:
        return ""
    explained, recorded = tables["baseline"].n.iloc[0], outcome_counts(data)[outcome]
    if not recorded - explained > SELDOM * recorded:
        return ""
    return (
        f"Of {count(recorded)} {outcome} outcomes, the drivers explain {count(explained)}: for the "
        "others nothing is known of the time before them (page 04, what the regression was made "
        "from, says why)."
    )


@safe_sentence
def _brings(drivers: pd.DataFrame, baseline: pd.DataFrame, *, outcome: str) -> str:
    base = baseline.iloc[0]
    said = (
        f"{per_cent(min(base['share'], 1.0))} of {base.n:,.0f} {outcome} outcomes would have come "
        "without any touchpoint"
    )
    return f"{said}; {_most(drivers, 'of the rest')}."


@safe_sentence
def _keeps(keepers: pd.DataFrame, churn: pd.DataFrame, *, outcome: str) -> str:
    fewer = keepers[keepers.ci_high < 0]
    if fewer.empty:
        return "No touchpoint can be shown to keep customers."
    row = fewer.loc[fewer.incremental.idxmin()]
    if row.badge not in CAUSAL:
        return (
            f"{row.touchpoint} goes with the least churn: {-row.incremental:,.0f} "
            f"({-row.ci_high:,.0f} to {-row.ci_low:,.0f}) fewer left, beside the "
            f"{churn.n.iloc[0]:,.0f} who did (badge {row.badge}: that need not be its doing)."
        )
    return (
        f"{row.touchpoint} keeps most customers: {-row.incremental:,.0f} ({-row.ci_high:,.0f} to "
        f"{-row.ci_low:,.0f}) more would have left without it, beside the {churn.n.iloc[0]:,.0f} "
        f"who did (badge {row.badge})."
    )


@safe_sentence
def _refers(bringers: pd.DataFrame, referral: pd.DataFrame, *, outcome: str) -> str:
    said = _most(bringers, f"of the {referral.n.iloc[0]:,.0f} referrals")
    return f"{said[0].upper() if said.startswith('no ') else said[0]}{said[1:]}."


def _most(table: pd.DataFrame, what: str) -> str:
    above = table[table.ci_low > 0]
    if above.empty:
        return "no touchpoint's figure can be told from zero"
    row = above.loc[above.incremental.idxmax()]
    verb = "brings" if row.badge in CAUSAL else "goes with"
    worth = ""
    if "value" in table:
        worth = f"; their value {row.value:,.0f}, {row.value_low:,.0f} to {row.value_high:,.0f}"
    return (
        f"{row.touchpoint} {verb} more {what} than any other touchpoint, "
        f"{row.incremental:,.0f} ({row.ci_low:,.0f} to {row.ci_high:,.0f}{worth}; "
        f"badge {row.badge})"
    )


@safe_sentence
def _weak(links: pd.DataFrame, *, outcome: str) -> str:
    weak = links[links.weak.astype(bool)]
    if weak.empty:
        return "No touchpoint is both important to customers and scored below the others."
    row = weak.loc[weak.importance.idxmax()]
    return (
        f"{row.driver} is where the experience is weak and matters: scored {row.performance:.0f} "
        f"of 100, by {row.n:,.0f} answers."
    )


@safe_sentence
def _money(gain: pd.DataFrame, plan: pd.DataFrame, *, outcome: str) -> str:
    row, doubted = gain.iloc[0], plan[(plan.change != 0) & ~plan.badge.isin(CAUSAL)]
    if len(doubted):
        names = listing(doubted.touchpoint)
        return f"What moving money gains is not settled: the effect of {names} is in doubt."
    ends = f"{row.gain:,.0f} ({row.ci_low:,.0f} to {row.ci_high:,.0f})"
    if row.ci_low <= 0:
        return f"That moving money between touchpoints gains anything is not shown: {ends}."
    what = f"{ends} more {row.outcome} outcomes"
    return f"The same money, moved between touchpoints, would bring {what}."


@safe_sentence
def about_changes(changes: pd.DataFrame) -> str:
    """Say what moved since the run before, beyond what its intervals allow."""
    if changes.empty:
        return "No estimate has changed since the run before."
    beyond = changes[changes.beyond]
    if beyond.empty:
        return (
            f"{len(changes):,} estimates have changed since the run before, none beyond its "
            "interval."
        )
    row = beyond.iloc[0]
    return (
        f"{len(beyond):,} of {len(changes):,} changed estimates moved beyond their intervals since "
        f"the run before; first {row.what.replace('_', ' ')} of {row.row}: "
        f"{row.before:,.1f} to {row.after:,.1f}."
    )
