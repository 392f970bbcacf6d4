"""What a reader of lifetime value must know: facts of the data, and troubles, a sentence each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from touchlab.errors import DataError
from touchlab.retention.lifetime_result import Lifetime

FEWEST, FEW = 10, 100
"""Repeat customers, below which nothing is fitted, and below which all is rough."""
CORRELATED = 0.3
NEVER_LEAVES, ALIKE = 1e-3, 300.0
AT_ONCE, EARLY = 0.7, 1 / 12
HEAVY_TAIL = 1.5


def refuse_few(frame: pd.DataFrame, outcome: str, until: int) -> None:
    """Refuse data in which next to nobody came back."""
    end = f"{pd.Timestamp(until, unit='D'):%Y-%m-%d}"
    if frame.empty:
        raise DataError(f"lifetime: no customer has a {outcome} up to {end}\n  give a later date")
    repeaters = int((frame.frequency > 0).sum())
    if repeaters < FEWEST:
        raise DataError(
            f"lifetime: {repeaters} of {len(frame):,} customers have a second {outcome} on a "
            f"later day, up to {end}\n"
            f"  at least {FEWEST} are needed to tell buying slowly from having left; "
            "use a longer time or an outcome that recurs"
        )


def find_facts(lifetime: Lifetime) -> list[str]:
    """Say what was merged, left out or not used."""
    frame, found = lifetime.book.frame, []
    merged = int((frame.rows - frame.frequency - 1).sum())
    if merged:
        found.append(
            f"{lifetime.outcome} outcomes on a day with another one of the same customer: "
            f"{merged:,}; counted as one order"
        )
    gone, later = int(frame.gone.notna().sum()), int(frame.later.sum())
    if gone:
        found.append(
            f"churn is on record for {gone:,} of {len(frame):,} customers: this model does not use "
            "the record, it infers who left from silence; fit_renewals uses it"
        )
    if later:
        found.append(f"orders after the customer's recorded churn: {later:,}; kept as orders")
    unvalued = int((frame.frequency - frame.valued).sum())
    if unvalued and frame.valued.sum():
        found.append(f"repeat orders without a value: {unvalued:,}; left out of mean values")
    nothing = int((frame.value == 0).sum())
    if nothing:
        found.append(
            f"repeat customers with orders of value 0 only: {nothing:,}; their orders count, "
            "their values are left out of the fit of values"
        )
    if lifetime.spend is None:
        paid = int((frame.value > 0).sum())
        found.append(
            f"repeat customers with a value above 0: {paid:,}, too few to say what orders are worth"
        )
    return found + _alike(lifetime)


def find_troubles(lifetime: Lifetime) -> list[str]:
    """Name what makes the result weak."""
    frame, found = lifetime.book.frame, []
    repeaters = int((frame.frequency > 0).sum())
    if repeaters < FEW:
        found.append(f"few repeat customers: {repeaters}; intervals are rough")
    a, b = np.exp(lifetime.rates[2:])
    if a / (a + b) < NEVER_LEAVES:
        found.append("nobody is seen to leave: P(alive) is near 1 for all; value may be too high")
    first = frame["first"]
    window = max(lifetime.until - int(first.min()), 1)
    early = float((first < first.min() + EARLY * window).mean())
    if early > AT_ONCE:
        found.append(
            f"{100 * early:.0f} % of customers have their first order in the first twelfth of the "
            "time: if they bought before the data begins, they count as new, and buying looks "
            "the steadier"
        )
    return found + _spend(lifetime)


def _alike(lifetime: Lifetime) -> list[str]:
    """Say where customers do not differ: then two parameters are known only by their ratio."""
    r, _, a, b = np.exp(lifetime.rates)
    found = []
    if r > ALIKE:
        found.append("customers do not seem to differ in how often they order")
    if a + b > ALIKE and a / (a + b) >= NEVER_LEAVES:
        found.append("customers do not seem to differ in how readily they leave")
    return found


def _spend(lifetime: Lifetime) -> list[str]:
    if lifetime.spend is None or lifetime.correlation is None:
        return []
    found = []
    value, low, high = lifetime.correlation
    if abs(value) >= CORRELATED and low * high > 0:
        more = "more" if value > 0 else "less"
        found.append(
            f"customers who order more often spend {more} an order: correlation {value:.2f} "
            f"({low:.2f} to {high:.2f}); the model takes it as none, so values are off for "
            "frequent buyers"
        )
    q = 1 + np.exp(lifetime.spend[1])
    if q < HEAVY_TAIL:
        found.append(
            f"a few customers spend so much an order that the mean hangs on them (q is {q:.2f}): "
            "check large values"
        )
    return found
