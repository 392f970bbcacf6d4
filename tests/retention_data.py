"""Builders of data for the tests of retention: published studies and small companies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import touchlab as tl
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World, simulate

BASE = pd.Timestamp("2026-01-01", tz="UTC")
TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
CONTROL = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"
"""Weeks to relapse of leukaemia, + still in remission [Freireich et al. 1963; Gehan 1965]."""
HEART = Path(__file__).parent / "data" / "heart.csv"
"""Stanford heart transplants [Crowley & Hu 1977], as in R's survival: a row a patient."""
ROSSI = Path(__file__).parent / "data" / "rossi.csv"


def day(number: object) -> pd.DatetimeIndex:
    return BASE + pd.to_timedelta(np.asarray(number, dtype=float), unit="D")


def spells(
    days: list[float] | np.ndarray,
    events: list[int] | np.ndarray | list[str],
    *,
    touches: dict[int, list[tuple[str, float]]] | None = None,
    **traits: object,
) -> tl.Dataset:
    """Open customers 0, 1, ... who convert on day 0 and are seen for so many days.

    An event is 1 for churn at the end, a text for another outcome, 0 or "" for none.
    """
    days = np.asarray(days, dtype=float)
    names = np.array(["churn" if e == 1 else ("" if e == 0 else e) for e in events], dtype=object)
    ids, ended = np.arange(len(days)), names != ""
    won = pd.DataFrame({"customer_id": ids, "timestamp": BASE, "outcome": "conversion"})
    lost = pd.DataFrame(
        {"customer_id": ids[ended], "timestamp": day(days[ended]), "outcome": names[ended]}
    )
    listed = [
        (customer, day([at])[0], name)
        for customer, own in (touches or {0: [("hello", 0.0)]}).items()
        for name, at in own
    ]
    customers = pd.DataFrame(
        {"customer_id": ids, "observed_from": BASE, "observed_to": day(days), **traits}
    )
    return tl.open_data(
        {
            "touches": pd.DataFrame(listed, columns=["customer_id", "timestamp", "touchpoint"]),
            "outcomes": pd.concat([won, lost], ignore_index=True),
            "customers": customers,
        }
    )


def leukaemia() -> tl.Dataset:
    weeks = (TREATED + " " + CONTROL).split()
    arm = ["treated"] * len(TREATED.split()) + ["control"] * len(CONTROL.split())
    return spells([float(w.strip("+")) for w in weeks], [int("+" not in w) for w in weeks], arm=arm)


def heart() -> tl.Dataset:
    rows = pd.read_csv(HEART)
    touches = {i: [("transplant", w)] for i, w in enumerate(rows.wait) if w == w}
    return spells(
        rows.days.to_numpy(), rows.died.to_numpy(), touches=touches,
        age=rows.age, year=rows.year, surgery=rows.surgery,
    )  # fmt: skip


IDLE = World(
    (TouchpointSpec("email", rate=0.02, phase="after"),),
    customers=700,
    days=200,
    outcomes={
        "conversion": OutcomeSpec(0.04),
        "churn": OutcomeSpec(0.01, needs_conversion=True),
    },
)
"""Customers churn at 1 % a day; email touches them at 2 % a day and does nothing."""


def idle_company(seed: int) -> tl.Dataset:
    tables = simulate(IDLE, seed=seed).tables
    return tl.open_data({name: table for name, table in tables.items() if len(table)})
