"""Sentences on lifetime value, computed from tables."""

from __future__ import annotations

import pandas as pd

from touchlab.plots.lifetime import off
from touchlab.plots.parts import counted, per_cent
from touchlab.show import count, safe_sentence

NEAR = 0.1
"""A share by which a prediction may be off and still be called near."""


@safe_sentence
def about_lifetime(value: pd.DataFrame, horizon_days: float = 365) -> str:
    """Answer what a customer is worth; `value` is `Lifetime.value()` over all customers."""
    row = value.iloc[0]
    said = (
        f"A customer is expected to order {row.expected_purchases:.1f} times in the next "
        f"{horizon_days:g} days ({row.purchases_low:.1f} to {row.purchases_high:.1f})"
    )
    if pd.isna(row.value):
        return f"{said}; what orders are worth is not known. {row.n:,} customers."
    whole = row.value * row.n
    return (
        f"{said}, worth {counted(row.value)} today ({counted(row.ci_low)} to "
        f"{counted(row.ci_high)}); the {row.n:,} customers together {counted(whole)}. That is "
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
def about_exposure(table: pd.DataFrame, landmark_days: int = 30) -> str:
    """Say which early touchpoints go with more value, as an association."""
    apart = table[(table.ci_low > 0) | (table.ci_high < 0)]
    early = f"in the first {landmark_days} days after the first order"
    caution = "This is an association (badge: descriptive): better customers may be touched more."
    if apart.empty:
        return f"No touchpoint met {early} goes with clearly more or less value later. {caution}"
    first = apart.loc[apart.difference.abs().idxmax()]
    more = "more" if first.difference > 0 else "less"
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
