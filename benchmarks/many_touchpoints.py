"""Data of very many touchpoints, few met by many and most by few, with every table of the contract.

python benchmarks/many_touchpoints.py data/many --names 1000
touchlab report data/many
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

START, DAYS, CUSTOMERS, TOUCHES = pd.Timestamp("2025-01-01"), 360, 20_000, 200_000
SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
STAGES = ["awareness", "consideration", "purchase", "retention", "advocacy"]


def after(days: Any) -> Any:
    return START + pd.to_timedelta(np.round(days * 86_400), unit="s")


def tables(names: int, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Names are drawn by Zipf's law; touches of the first twenty bring orders."""
    rng = np.random.default_rng(seed)
    law = 1 / np.arange(1, names + 1) ** 1.05
    called = np.array([f"touchpoint {i:06d}" for i in range(1, names + 1)])
    ids = np.array([f"c{i:06d}" for i in range(CUSTOMERS)])
    which = rng.choice(names, TOUCHES, p=law / law.sum())
    which[: min(names, TOUCHES)] = np.arange(min(names, TOUCHES))
    who, day = rng.integers(CUSTOMERS, size=TOUCHES), rng.random(TOUCHES) * DAYS
    touches = pd.DataFrame({"customer_id": ids[who], "timestamp": after(day)})
    touches = touches.assign(touchpoint=called[which], cost=rng.gamma(2, 0.2, TOUCHES).round(2))
    touches["campaign"] = np.char.add("campaign ", (which % 300).astype(str))
    hit = rng.random(TOUCHES) < np.where(which < 20, 0.03, 0.004)
    brought = (ids[who[hit]], day[hit] + rng.exponential(5, hit.sum()), "conversion")
    every = [brought] + [
        (ids[one], 100 + rng.random(one.sum()) * (DAYS - 100), name)
        for name, share in (("conversion", 0.1), ("churn", 0.12), ("referral", 0.05))
        for one in [rng.random(CUSTOMERS) < share]
    ]
    outcomes = pd.concat(
        pd.DataFrame({"customer_id": own, "timestamp": after(days), "outcome": name})
        for own, days, name in every
    )
    outcomes = outcomes[outcomes.timestamp < after(DAYS)]
    worth = rng.gamma(3, 20, len(outcomes)).round(2)
    outcomes["value"] = np.where(outcomes.outcome == "conversion", worth, np.nan)
    customers = pd.DataFrame({"customer_id": ids, "observed_from": START})
    metric = rng.choice([*SCALES], 30_000)
    low, high = np.array([SCALES[one] for one in metric]).T
    held = rng.random(CUSTOMERS) < 0.2
    arms = np.where(rng.random(held.sum()) < 0.5, "treated", "holdout")
    place = np.arange(names)
    return {
        "touches": touches,
        "outcomes": outcomes,
        "customers": customers.assign(
            observed_to=after(DAYS),
            region=rng.choice(["north", "south", "east"], CUSTOMERS),
        ),
        "surveys": pd.DataFrame({
            "customer_id": ids[rng.integers(CUSTOMERS, size=30_000)], "metric": metric,
            "timestamp": after(rng.random(30_000) * DAYS),
            "touchpoint": called[rng.choice(names, 30_000, p=law / law.sum())],
            "score": low + rng.integers(1 << 20, size=30_000) % (high - low + 1),
        }),
        "touchpoints": pd.DataFrame({
            "touchpoint": called, "stage": np.array(STAGES)[place % 5], "goal": "inform",
            "channel": np.char.add("channel ", (place % 25).astype(str)),
            "owner": np.array(["company", "customer", "partner"])[place % 3],
        }),
        "experiments": pd.DataFrame({
            "customer_id": ids[held], "touchpoint": called[1], "arm": arms,
            "start": after(100), "end": after(200),
        }),
        "changes": pd.DataFrame({
            "timestamp": [after(150)], "touchpoint": called[2], "what": "new page"
        }),
        "lifts": pd.DataFrame({
            "touchpoint": called[3], "start": [after(30)], "end": [after(60)], "lift": 30.0,
            "outcome": "conversion", "standard_error": 10.0, "source": "regions",
        }),
    }  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--names", type=int, default=1000)
    given = asked.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables(given.names).items():
        table.to_parquet(given.folder / f"{name}.parquet", index=False)


if __name__ == "__main__":
    main()
