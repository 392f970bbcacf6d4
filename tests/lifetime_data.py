"""Orders that test files on lifetime value share: a published set, and simulated ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import touchlab as tl

CDNOW = Path(__file__).parents[1] / ".." / "shared" / "data" / "cdnow_elog_sample.parquet"
START = pd.Timestamp("2025-01-01", tz="UTC")
TRUTH = np.array([0.6, 5.0, 0.8, 2.4])
"""r, alpha (weeks), a and b of simulated orders."""
SPEND = np.array([6.0, 4.0, 60.0])
"""p, q and v of their values."""


def cdnow_orders() -> pd.DataFrame:
    """Orders of 2,357 customers, a row a customer and day: customer_id, timestamp, value."""
    if not CDNOW.is_file():
        pytest.skip("the CDNOW data is not beside the repository")
    rows = pd.read_parquet(CDNOW).groupby(["sampleid", "date"], as_index=False).sales.sum()
    time = pd.to_datetime(rows.date, utc=True)
    return pd.DataFrame({"customer_id": rows.sampleid, "timestamp": time, "value": rows.sales})


def open_orders(orders: pd.DataFrame, **tables: pd.DataFrame) -> tl.Dataset:
    """Open orders with, unless given, one touch a customer, at the first order."""
    outcomes = orders.assign(outcome="conversion") if "outcome" not in orders else orders
    first = outcomes.sort_values("timestamp").drop_duplicates("customer_id")
    touches = first[["customer_id", "timestamp"]].assign(touchpoint="shop")
    return tl.open_data({"touches": touches, "outcomes": outcomes, **tables})


def simulate_orders(customers: int, seed: int, *, weeks: int = 52, start: int = 12) -> pd.DataFrame:
    """Draw orders as the models have them; first orders fall in the first `start` weeks."""
    random = np.random.default_rng(seed)
    r, alpha, a, b = TRUTH
    p, q, v = SPEND
    day = random.integers(0, 7 * start, customers).astype(float)
    rate, leave = random.gamma(r, 1 / (7 * alpha), customers), random.beta(a, b, customers)
    mean = random.gamma(q, 1 / v, customers)
    who = np.arange(customers)
    found = [(who, np.floor(day))]
    while len(who):
        day = day + random.exponential(1 / np.maximum(rate[who], 1e-12))
        who, day = who[day < 7 * weeks], day[day < 7 * weeks]
        found.append((who, np.floor(day)))
        stay = random.random(len(who)) > leave[who]
        who, day = who[stay], day[stay]
    ids = np.concatenate([ids for ids, _ in found])
    days = np.concatenate([days for _, days in found])
    rows = pd.DataFrame({"customer_id": ids, "day": days}).drop_duplicates()
    value = random.gamma(p, 1 / mean[rows.customer_id])
    time = START + pd.to_timedelta(rows.day, unit="D")
    return pd.DataFrame({"customer_id": rows.customer_id, "timestamp": time, "value": value})
