"""Worlds in which a touchpoint was improved on a known day, or was not."""

from __future__ import annotations

import numpy as np
import pandas as pd

START, DATE = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-07-01")
NAMES = ("call", "visit", "chat")
CHANGED_DAY = (DATE - START).days
DAYS = 360
KINDS = ("improved", "nothing", "season", "own season")
"""Improved; not; all move from that day; the touchpoint alone rises and falls each 80 days."""


def moved(kind: str, day: np.ndarray, name: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What moves the world of a kind, 0 to 1, by day and touchpoint."""
    if kind == "improved":
        return ((name == NAMES[0]) & inside & (day >= CHANGED_DAY)).astype(float)
    if kind == "season":
        return (day >= CHANGED_DAY).astype(float)
    own = (name == NAMES[0]) * np.sin(2 * np.pi * (day - CHANGED_DAY) / 80)
    return own if kind == "own season" else np.zeros(len(day))


def score_world(
    kind: str, *, seed: int, by: float = 0.5, segment: bool = False, answers: int = 7_000
) -> dict[str, pd.DataFrame]:
    """CSAT answers of 1,200 customers, some content throughout; the table of one change."""
    draw = np.random.default_rng(seed)
    people = _people(1_200)
    who, name = draw.integers(0, 1_200, answers), draw.choice(NAMES, answers)
    day = draw.uniform(0, DAYS, answers)
    inside = (people.region.to_numpy()[who] == "north") | (not segment)
    felt = 3.6 + 0.5 * draw.normal(size=1_200)[who] + 0.7 * draw.normal(size=answers)
    felt = felt + 0.3 * (name == "visit") + by * moved(kind, day, name, inside)
    surveys = pd.DataFrame(
        {
            "customer_id": people.customer_id.to_numpy()[who],
            "timestamp": START + pd.to_timedelta(day, unit="D").round("s"),
            "touchpoint": name,
            "metric": "csat",
            "score": felt.round().clip(1, 5),
        }
    )
    return {"surveys": surveys, "customers": people, "changes": change_table(segment)}


def outcome_world(
    kind: str, *, seed: int, by: float = 0.7, segment: bool = False, customers: int = 2_000
) -> dict[str, pd.DataFrame]:
    """Conversions that follow touches; `by` is added to the effect of the changed touchpoint."""
    draw = np.random.default_rng(seed)
    people, fade = _people(customers), 0.5 ** (1 / 3)
    inside = (people.region.to_numpy() == "north") | (not segment)
    exposure, base = (
        np.zeros((len(NAMES), customers)),
        np.log(0.01) + 0.3 * draw.normal(size=customers),
    )
    touches, outcomes = [], []
    for day in range(DAYS):
        met = draw.random((len(NAMES), customers)) < 0.05
        exposure = exposure * fade + met
        move = [moved(kind, np.full(customers, day), np.full(customers, n), inside) for n in NAMES]
        effect = 0.5 + by * np.array(move) * (kind != "season")
        log_hazard = base + (effect * np.log1p(exposure)).sum(axis=0)
        log_hazard = log_hazard + 0.5 * move[0] * (kind == "season")
        happened = draw.random(customers) < -np.expm1(-np.exp(log_hazard))
        touches += [(i, day, NAMES[k]) for k, i in zip(*np.nonzero(met), strict=True)]
        outcomes += [(i, day) for i in np.flatnonzero(happened)]
    ids = people.customer_id.to_numpy()
    touch = pd.DataFrame(touches, columns=["customer", "day", "touchpoint"])
    had = pd.DataFrame(outcomes, columns=["customer", "day"])
    for table, hours in ((touch, (0, 12)), (had, (12, 24))):
        hour = draw.uniform(*hours, len(table))
        when = pd.to_timedelta(table.pop("day") + hour / 24, unit="D").round("s")
        table.insert(0, "timestamp", START + when)
        table.insert(0, "customer_id", ids[table.pop("customer")])
    had = had.assign(outcome="conversion", value=50.0)
    changes = change_table(segment).assign(cost=1_000.0)
    return {"touches": touch, "outcomes": had, "customers": people, "changes": changes}


def change_table(segment: bool = False) -> pd.DataFrame:
    changes = pd.DataFrame(
        {"timestamp": [DATE], "touchpoint": [NAMES[0]], "what": ["shorter wait"]}
    )
    return changes.assign(segment="region: north") if segment else changes


def _people(customers: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(customers)],
            "observed_from": START,
            "observed_to": START + pd.Timedelta(days=DAYS),
            "region": np.where(np.arange(customers) % 2, "north", "south"),
        }
    )
