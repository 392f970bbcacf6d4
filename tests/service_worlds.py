"""A service desk whose agents, waits and resolutions do what is planted, or nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

START = pd.Timestamp("2025-01-01")
DAYS, TEAMS = 240, ("north", "south", "west")


def service_world(
    *, seed: int, wait: float = -3.0, solve: float = -20.0, leave: float = 0.06,
    again: float = 0.15, skill: float = 4.0, hard: float = 0.0, sorted_cases: float = 0.0,
    agents: int = 24, contacts: int = 6_000, customers: int = 2_500,
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Contacts of customers who bought on the first day.

    `wait`: points of score (of 100) of a doubling of the wait; `solve`: of not being resolved;
    `leave`, `again`: chance to leave and to come again more if not; `skill`: spread of agents'
    scores; `hard`: points that a hard case takes, which is also slow and seldom resolved;
    `sorted_cases`: how far the good agents get content customers.
    """
    draw = np.random.default_rng(seed)
    ids = np.array([f"c{i:05d}" for i in range(customers)])
    content, skills = draw.normal(size=customers), draw.normal(size=(2, agents))
    hours = draw.uniform(9, 17, contacts)  # the desk is open
    first = np.sort(draw.integers(1, DAYS - 10, contacts) + hours / 24)
    who, day = draw.integers(0, customers, contacts), first
    load = draw.normal(size=(DAYS + 30) * 24)  # of an hour: it moves all waits of that hour
    lean = content[who] * sorted_cases + draw.normal(size=len(who))
    order = np.argsort(np.argsort(lean)) * agents // len(who) if sorted_cases else None
    by_skill = np.argsort(skills[0])
    agent = by_skill[order] if order is not None else draw.integers(0, agents, len(who))
    difficult = draw.normal(size=len(who))
    log_wait = 6 + load[(day * 24).astype(int)] + 0.6 * draw.normal(size=len(who))
    log_wait += 0.8 * difficult * (hard != 0)
    solved_at = 0.7 + 0.08 * skills[1][agent] * (skill > 0) - 0.2 * difficult * (hard != 0)
    solved = draw.random(len(who)) < solved_at.clip(0.02, 0.98)
    felt = 60 + 10 * content[who] + wait * (log_wait - 6) + solve * ~solved
    felt = felt + skill * skills[0][agent] - hard * difficult + 15 * draw.normal(size=len(who))
    returns = draw.random(len(who)) < 0.1 + again * ~solved
    gone = draw.random(len(who)) < 0.02 + leave * ~solved
    answered = draw.random(len(who)) < 0.6
    time = START + pd.to_timedelta(day, unit="D").round("s")
    touches = pd.DataFrame(
        {"customer_id": ids[who], "timestamp": time, "touchpoint": "hotline",
         "agent": [f"Nora Example {a}" for a in agent],
         "team": np.array(TEAMS)[agent % len(TEAMS)], "duration": (2.0**log_wait).round(1),
         "result": np.where(solved, "resolved", "open")}
    )  # fmt: skip
    more = touches[returns][["customer_id", "timestamp", "touchpoint"]].copy()
    more["timestamp"] += pd.to_timedelta(draw.uniform(3, 9, len(more)), unit="D").round("s")
    surveys = touches[answered][["customer_id", "timestamp", "touchpoint"]].copy()
    surveys["timestamp"] += pd.Timedelta("2h")
    surveys = surveys.assign(metric="nps", score=(felt[answered] / 10).round().clip(0, 10))
    churn = touches[gone][["customer_id", "timestamp"]].copy()
    churn["timestamp"] += pd.to_timedelta(draw.uniform(1, 25, len(churn)), unit="D").round("s")
    churn = churn.drop_duplicates("customer_id").assign(outcome="churn")
    end = churn.set_index("customer_id").timestamp.reindex(ids)
    end = end.fillna(START + pd.Timedelta(days=DAYS + 30)).to_numpy()
    bought = pd.DataFrame({"customer_id": ids, "timestamp": START + pd.Timedelta("1h")})
    people = pd.DataFrame({"customer_id": ids, "observed_from": START, "observed_to": end})
    tables = {"touches": pd.concat([touches, more]), "surveys": surveys, "customers": people}
    outcomes = pd.concat([bought.assign(outcome="conversion"), churn])
    last = pd.Series(end, index=ids)
    for name in ("touches", "surveys"):
        own = tables[name]
        tables[name] = own[own.timestamp <= own.customer_id.map(last)].reset_index(drop=True)
    return {**tables, "outcomes": outcomes.reset_index(drop=True)}
