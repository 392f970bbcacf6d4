"""Customers who bring customers: what mail won, and who would not be there without it."""

from __future__ import annotations

import numpy as np
import pandas as pd

START, DAYS, FADE = pd.Timestamp("2025-01-01"), 150, 0.5 ** (1 / 4)


def family_world(
    *, seed: int, effect: float = 1.2, each: float = 0.8, roots: int = 2_500, rate: float = 0.003
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Tables, and all outcomes with their truth: child, owed (to mail itself), depth.

    Touches of mail and ad come at random, mail multiplies the rate of outcomes, ad does nothing.
    With the first outcome a customer brings a Poisson number, `each`, of others. `depth`: how many
    referrers up the first one is who would never have become a customer without mail.
    """
    draw = np.random.default_rng(seed)
    parent, join = np.full(roots, -1), np.zeros(roots, dtype=int)
    told = np.zeros(roots, dtype=int)
    done, total = [], 0
    while len(parent):
        n, met = len(parent), []
        exposure, first, own = np.zeros(n), np.full(n, DAYS), np.zeros(n, dtype=bool)
        for day in range(DAYS):
            here = day >= join
            touched = (draw.random((2, n)) < 0.05) & here
            base = here & (draw.random(n) < rate)
            more = here & (draw.random(n) < rate * np.expm1(effect * np.log1p(exposure)))
            exposure = exposure * FADE + touched[0]
            first[(base | more) & (first == DAYS)] = day
            own |= base
            met.append((day, touched, base, more))
        done.append((total, parent, join, told, met))
        brings = np.where(first < DAYS - 20, draw.poisson(each, n), 0)
        lost = (first < DAYS) & ~own
        above = np.where(lost, 1, np.where(told > 0, told + 1, 0))
        up = np.repeat(np.arange(n), brings)
        parent, told = total + up, above[up]
        join, total = first[up] + draw.integers(1, 15, len(up)), total + n
    touches, outcomes, people = [], [], []
    for begin, parent, join, told, met in done:
        ids = begin + np.arange(len(parent))
        people.append(pd.DataFrame({"customer": ids, "parent": parent, "since": join}))
        for day, touched, base, more in met:
            touches += [pd.DataFrame({"customer": ids[touched[k]], "day": day, "touchpoint": name})
                        for k, name in enumerate(("mail", "ad"))]  # fmt: skip
            for which, owed in ((base, False), (more & ~base, True)):
                own = {"customer": ids[which], "day": day, "owed": owed, "depth": told[which]}
                outcomes.append(pd.DataFrame(own).assign(child=parent[which] >= 0))
    everybody, truth = pd.concat(people), pd.concat(outcomes, ignore_index=True)

    def dated(frame: pd.DataFrame, hour: float) -> pd.DataFrame:
        hours = draw.uniform(hour, hour + 10, len(frame))
        when = START + pd.to_timedelta(frame.day + hours / 24, unit="D")
        return pd.DataFrame({"customer_id": _ids(frame.customer), "timestamp": when.dt.round("s")})

    touch, had = pd.concat(touches, ignore_index=True), truth
    customers = pd.DataFrame(
        {"customer_id": _ids(everybody.customer),
         "observed_from": START + pd.to_timedelta(everybody.since, unit="D"),
         "observed_to": START + pd.Timedelta(days=DAYS),
         "referred_by": _ids(everybody.parent).where(everybody.parent >= 0)}
    )  # fmt: skip
    tables = {
        "touches": dated(touch, 12).assign(touchpoint=touch.touchpoint),
        "outcomes": dated(had, 1).assign(outcome="conversion", value=20.0),
        "customers": customers,
    }
    return tables, truth


def truly_brought(truth: pd.DataFrame, depth: int) -> int:
    """Outcomes of customers who would not have been brought without mail, not owed to it anyway."""
    return int((truth.child & ~truth.owed & truth.depth.between(1, depth)).sum())


def _ids(numbers: pd.Series) -> pd.Series:
    return "c" + numbers.astype(str).str.zfill(6)
