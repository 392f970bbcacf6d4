"""Sentences on retention, computed from its tables. Results with a verdict of their own
(`Comparison`, `TouchedSurvival`, `Cox`) say it themselves, by `.sentence()`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from touchlab.data.contract import listing
from touchlab.data.dataset import Dataset
from touchlab.drivers.checks import CAUSAL
from touchlab.plots.retention import last_day, off, whole_months
from touchlab.sentences.drivers import about_drivers, backed, no_headline
from touchlab.show import count, counted, per_cent, ranged, safe, safe_sentence

WORTH_SAYING = 0.10
"""Spread of churn rates between rules above which the rule is called decisive."""


@safe_sentence
def about_survival(curves: pd.DataFrame, outcome: str = "churn") -> str:
    """Answer how long customers stay: on the last day of the figure, and the groups apart."""
    day = last_day(curves, "group")
    rows = curves[curves.day == day].sort_values("survival")
    first, last = rows.iloc[-1], rows.iloc[0]
    said = f"{day} days after their start, {_share(first)} of customers are without {outcome}"
    if len(rows) == 1:
        return f"{said}; {first.n:,} customers began."
    if first.ci_low <= last.ci_high:
        return (
            f"{day} days after their start, groups do not clearly differ: from {_share(last)} "
            f"to {_share(first)} of customers are without {outcome}."
        )
    return f"{said} in {first.group}, {_share(last)} in {last.group}; the intervals lie apart."


def _share(row: pd.Series) -> str:
    return f"{per_cent(row.survival)} ({per_cent(row.ci_low)} to {per_cent(row.ci_high)})"


def about_cohorts(cohorts: pd.DataFrame, outcome: str = "conversion") -> str:
    """Say what share of customers is active in the months after the first, and the best cohort.

    Only months of which no cohort is hidden: a sum without the hidden ones would not be theirs.
    """
    whole = whole_months(cohorts)
    if whole.empty:
        return "In every month some cohort is hidden: no share of all customers is said."
    months = list(dict.fromkeys((whole.index[0], whole.index[-1])))
    shares = [f"{per_cent(whole.rate[m])} of {whole.customers[m]:,}" for m in months]
    after = f"{months[0]} month{'s' if months[0] > 1 else ''} after the first"
    said = f"{shares[0]} customers have {outcome} outcomes {after}"
    if len(months) > 1:
        said += f", {shares[1]} {months[1]} months after"
    first = safe(cohorts[cohorts.months_since == whole.index[0]])
    best, worst = first.loc[first.rate.idxmax()], first.loc[first.rate.idxmin()]
    if best.ci_low <= worst.ci_high:
        return f"{said}. Cohorts do not clearly differ {after}."
    return (
        f"{said}. The cohort of {best.cohort} came back most often {after} "
        f"({per_cent(best.rate)}), that of {worst.cohort} least ({per_cent(worst.rate)})."
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


def about_churn(data: Dataset) -> str:
    """Say what churn is in this data: recorded, or the rule that it was inferred by."""
    rules = data.notes.note[data.notes.note.str.startswith("churn is ")]
    if rules.empty:
        return "Churn is taken as it was recorded."
    return f"Churn is inferred: {rules.iloc[-1]}."


def about_referrals(table: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Answer which touchpoints bring referrals."""
    return about_drivers(table, baseline, "referral")


@safe_sentence
def about_keepers(table: pd.DataFrame, baseline: pd.DataFrame) -> str:
    """Answer which touchpoints keep customers; `table` holds the drivers of churn."""
    events = baseline.n.iloc[0]
    if reason := no_headline(table, events, "churn"):
        return reason
    fewer = table[table.ci_high < 0].sort_values("incremental")
    more = table[table.ci_low > 0].sort_values("incremental", ascending=False)
    keeping, along = fewer[fewer.badge.isin(CAUSAL)], fewer[~fewer.badge.isin(CAUSAL)]
    if keeping.empty:
        said = "No touchpoint can be shown to keep customers."
    else:
        first = keeping.iloc[0]
        amount = ranged(-first.incremental, -first.ci_high, -first.ci_low)
        most = "more churn than any other touchpoint" if len(table) > 1 else "churn"
        said = (
            f"{first.touchpoint} prevents {most}: without it, {amount} more customers would have "
            f"left, on top of the {events:,.0f} who did; {backed(first.badge)}."
        )
        rest = keeping[1:]
        others = listing(f"{name} ({-n:,.0f})" for name, n in _pairs(rest, "incremental"))
        said += f" So {'do' if len(rest) > 1 else 'does'} {others}." if others else ""
    for word, rows in (("Less", along), ("More", more)):
        names = listing(f"{n} ({backed(b)})" for n, b in _pairs(rows, "badge"))
        said += f" {word} churn goes with {names}." if names else ""
    return said


def _pairs(table: pd.DataFrame, column: str) -> Iterator[tuple[str, Any]]:
    return zip(table.touchpoint, table[column], strict=True)


NEAR = 0.1
"""A share by which a prediction may be off and still be called near."""


@safe_sentence
def about_lifetime(value: pd.DataFrame, horizon_days: float = 365, currency: str = "") -> str:
    """Answer what a customer is worth; `value` is `Lifetime.value()` over all customers."""
    row = value.iloc[0]
    said = (
        f"A customer is expected to order {row.expected_purchases:.1f} times in the next "
        f"{horizon_days:g} days ({row.purchases_low:.1f} to {row.purchases_high:.1f})"
    )
    if pd.isna(row.value):
        return f"{said}; what orders are worth is not known. {row.n:,} customers."
    whole, unit = counted(row.value * row.n), f" {currency}".rstrip()
    return (
        f"{said}, worth {counted(row.value)}{unit} today ({counted(row.ci_low)} to "
        f"{counted(row.ci_high)}); the {row.n:,} customers together {whole}{unit}. That is "
        "what they are likely to order, no profit, and without customers yet to come."
    )


@safe_sentence
def about_validation(total: pd.DataFrame, weeks: pd.DataFrame) -> str:
    """Say how good the prediction was for weeks that the model had not seen."""
    row, held = total.iloc[0], weeks[weeks.part == "holdout"]
    inside = held.actual.between(held.ci_low, held.ci_high).mean()
    within = row.ci_low <= row.actual <= row.ci_high
    verdict = "what came is within what chance allows" if within else "that is more than chance"
    trust = "" if abs(row.error) <= NEAR or within else " Take lifetime value with that error."
    return (
        f"Fitted on the time before {held.week.iloc[0]:%Y-%m-%d}, the model predicted "
        f"{row.predicted:,.0f} repeat orders of {row.n:,.0f} customers in the {len(held)} weeks "
        f"after it ({row.ci_low:,.0f} to {row.ci_high:,.0f}); {row.actual:,.0f} came: "
        f"{off(row.error)}, and {verdict}. {per_cent(inside)} of the weeks lie within their "
        f"95 % interval.{trust}"
    )


def about_risk(at_risk: pd.DataFrame) -> str:
    """Say how many customers are at risk now; `at_risk` is `Lifetime.at_risk()`."""
    counts = at_risk.groupby("band", sort=False).customers.sum()
    doubtful = int(counts["below 20 %"] + counts["20 to 50 %"])
    likely = int(counts["50 to 80 %"] + counts["80 % and more"])
    gone = int(counts.get("gone (recorded)", 0))
    said = (
        f"Of {count(doubtful + likely)} customers who came back, {count(doubtful)} have more "
        f"likely left than not and {count(likely)} are likely still customers. "
        f"{count(counts['one order'])} ordered once: their silence does not yet tell."
    )
    return said + (f" {count(gone)} are on record as gone." if gone else "")


@safe_sentence
def about_exposure(table: pd.DataFrame, landmark_days: int = 30, currency: str = "") -> str:
    """Say which early touchpoints go with more value, as an association."""
    apart = table[(table.ci_low > 0) | (table.ci_high < 0)]
    early = f"in the first {landmark_days} days after the first order"
    caution = "This is an association (badge: descriptive): better customers may be touched more."
    if apart.empty:
        return f"No touchpoint met {early} goes with clearly more or less value later. {caution}"
    first = apart.loc[apart.difference.abs().idxmax()]
    more = f"{currency} {'more' if first.difference > 0 else 'less'}".strip()
    low, high = sorted((abs(first.ci_low), abs(first.ci_high)))
    return (
        f"Customers who met {first.touchpoint} {early} are worth {counted(abs(first.difference))} "
        f"{more} afterwards ({counted(low)} to {counted(high)}); {len(apart)} of {len(table)} "
        f"touchpoints differ beyond chance. {caution}"
    )


@safe_sentence
def about_renewals(curve: pd.DataFrame, period_days: float = 30) -> str:
    """Say how many contracts renew, first and later; `curve` is `Renewals.curve()`."""
    first, last = curve.iloc[1], curve.iloc[-1]
    return (
        f"{per_cent(first.retention)} of customers renew at first, {per_cent(last.retention)} of "
        f"those who are still there at renewal {last.renewal:.0f}; after {last.renewal:.0f} "
        f"periods of {period_days:g} days {per_cent(last.survival)} are left "
        f"({per_cent(last.ci_low)} to {per_cent(last.ci_high)})."
    )
