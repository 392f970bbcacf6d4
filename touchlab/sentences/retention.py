"""Sentences on retention, computed from its tables. Results with a verdict of their own
(`Comparison`, `TouchedSurvival`, `Cox`) say it themselves, by `.sentence()`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from touchlab.contract import listing
from touchlab.plots.parts import per_cent
from touchlab.sentences.drivers import about_drivers
from touchlab.show import Missing, count, safe_sentence

FEWEST_AT_RISK = 30
WORTH_SAYING = 0.10
"""Spread of churn rates between rules above which the rule is called decisive."""


@safe_sentence
def about_survival(curves: pd.DataFrame, outcome: str = "churn") -> str:
    """Answer how long customers stay: the last day that many reach, and the groups apart."""
    enough = curves[curves.at_risk >= FEWEST_AT_RISK]
    whole = enough if enough.group.nunique() == curves.group.nunique() else curves
    day = int(whole.groupby("group").day.max().min())
    rows = curves[curves.day == day].sort_values("survival")
    first, last = rows.iloc[-1], rows.iloc[0]
    said = f"{day} days after their start, {_share(first)} of customers are without {outcome}"
    if len(rows) == 1:
        return f"{said}; {first.n:,} customers began."
    apart = first.ci_low > last.ci_high
    verdict = "their intervals lie apart" if apart else "their intervals overlap"
    return f"{said} in {first.group}, {_share(last)} in {last.group}; {verdict}."


def _share(row: pd.Series) -> str:
    return f"{per_cent(row.survival)} ({per_cent(row.ci_low)} to {per_cent(row.ci_high)})"


@safe_sentence
def about_cohorts(cohorts: pd.DataFrame, outcome: str = "conversion") -> str:
    """Say what share of customers is active in the months after the first, and the best cohort."""
    sums = cohorts.groupby("months_since")[["active", "customers"]].sum()
    rate = sums.active / sums.customers
    first, last = rate.index[0], rate.index[-1]
    said = (
        f"One month after the first, {per_cent(rate[first])} of {sums.customers[first]:,} "
        f"customers have a {outcome}"
    )
    if last > first:
        said += f"; after {last} months, {per_cent(rate[last])} of {sums.customers[last]:,}"
    own = cohorts[cohorts.months_since == first]
    best, worst = own.loc[own.rate.idxmax()], own.loc[own.rate.idxmin()]
    if best.ci_low <= worst.ci_high:
        return f"{said}. Cohorts do not clearly differ."
    return (
        f"{said}. The cohort of {best.cohort} came back most ({per_cent(best.rate)}), that of "
        f"{worst.cohort} least ({per_cent(worst.rate)})."
    )


def about_inactivity(rules: pd.DataFrame) -> str:
    """Say what the rule of inactivity finds, how often it is wrong, and how much hangs on it."""
    chosen = rules[rules.chosen]
    own = chosen.iloc[0] if len(chosen) else rules.iloc[0]
    low, high = rules.loc[rules.rate.idxmin()], rules.loc[rules.rate.idxmax()]
    said = (
        f"With {own.silent_days} days of silence as churn, {count(own.churn)} of {own.n:,} "
        f"customers churn; {count(own.churn * own.returned)} of them come back later."
    )
    if low.silent_days == high.silent_days:
        return said
    decisive = "hangs on the rule" if high.rate - low.rate > WORTH_SAYING else "hardly moves"
    return (
        f"{said} The churn rate within {own.horizon_days} days {decisive}: from "
        f"{per_cent(low.rate)} with {low.silent_days} days to {per_cent(high.rate)} with "
        f"{high.silent_days}."
    )


def about_staying(
    kept: pd.DataFrame | Missing, keepers: Any, brought: pd.DataFrame | Missing, bringers: Any
) -> str:
    """Answer what keeps customers and what brings referrals, from the drivers of both."""
    said = []
    for table, drivers, say in (
        (kept, keepers, about_keepers),
        (brought, bringers, about_referrals),
    ):
        said.append(table.text if isinstance(table, Missing) else say(table, drivers.baseline))
    return " ".join(said)


def about_referrals(table: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Answer which touchpoints bring referrals."""
    return about_drivers(table, baseline, "referral")


@safe_sentence
def about_keepers(table: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Answer which touchpoints keep customers; `table` holds the drivers of churn."""
    events = baseline.n.iloc[0]
    fewer = table[table.ci_high < 0].sort_values("incremental")
    more = table[table.ci_low > 0].sort_values("incremental", ascending=False)
    if fewer.empty:
        said = "No touchpoint can be shown to keep customers."
    else:
        first = fewer.iloc[0]
        verb = "goes with" if first.badge == "descriptive" else "prevents"
        low, high = -first.ci_high, -first.ci_low
        said = (
            f"{first.touchpoint} {verb} most churn: without it, {-first.incremental:,.0f} more "
            f"customers ({low:,.0f} to {high:,.0f}) would have left, beside the {events:,.0f} who "
            f"did; badge {first.badge}."
        )
        others = listing(f"{row.touchpoint} ({-row.incremental:,.0f})" for row in _rows(fewer[1:]))
        said += f" So do {others}." if len(fewer) > 2 else f" So does {others}." if others else ""
    worse = listing(f"{row.touchpoint} (badge {row.badge})" for row in _rows(more))
    return said + (f" More churn goes with {worse}." if worse else "")


def _rows(table: pd.DataFrame) -> Iterable[Any]:
    return table.itertuples()
