"""Pages of very different data: each number in each sentence is in the run's tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from claims import wrong

import touchlab as tl
from touchlab.reporting import Run, run_report

pytestmark = pytest.mark.slow
SMALL = {"customers": 1000, "days": 60, "seeds": [1]}
SAMPLE = Path(__file__).parents[1] / "data" / "sample"
START = pd.Timestamp("2026-01-01")


def shop(
    names: list[str],
    customers: int = 400,
    bought: float = 0.3,
    helps: bool = True,
    left: bool = False,
) -> dict[str, pd.DataFrame]:
    """Customers with touches at random, and orders after some of them."""
    random = np.random.default_rng(5)
    rows = [
        (f"c{c}", START + pd.Timedelta(hours=int(h)), names[random.integers(len(names))])
        for c in range(customers)
        for h in random.integers(0, 3000, random.integers(0, 8))
    ]
    touches = pd.DataFrame(rows, columns=["customer_id", "timestamp", "touchpoint"])
    picked = touches.sample(frac=0.3, random_state=1)[["customer_id", "timestamp"]]
    delay = random.integers(1, 60 if helps else 3000, len(picked))
    picked["timestamp"] = picked.timestamp + pd.to_timedelta(delay, unit="h")
    outcomes = picked.assign(outcome="conversion")
    if left:
        last = outcomes.groupby("customer_id").timestamp.max().reset_index().iloc[::3]
        last["timestamp"] += pd.Timedelta(days=20)
        outcomes = pd.concat([outcomes, last.assign(outcome="churn")])
    return {"touches": touches, "outcomes": outcomes}


def windows(tables: dict[str, pd.DataFrame], customers: int = 400) -> dict[str, pd.DataFrame]:
    people = pd.DataFrame({"customer_id": [f"c{c}" for c in range(customers)]})
    window = {"observed_from": START, "observed_to": START + pd.Timedelta(days=400)}
    return tables | {"customers": people.assign(**window)}


PATHS = {"path": ["a > b > c", "a", "b > c", "c > a", "b"], "conversions": [40, 10, 20, 30, 5]}
KINDS: dict[str, Callable[[], dict[str, pd.DataFrame]]] = {
    "bare": lambda: shop(["mail", "web_shop", "call"]),
    "tiny": lambda: shop(["mail", "ad"], customers=20),
    "one touchpoint": lambda: shop(["mail"]),
    "sixty touchpoints": lambda: shop([f"place_{i}" for i in range(60)], customers=900),
    "effects of nothing": lambda: windows(shop(["mail", "ad", "call"], helps=False)),
    "subscriptions": lambda: windows(shop(["mail", "help_desk"], left=True)),
    "paths": lambda: {"paths": pd.DataFrame(PATHS | {"null": [100, 200, 80, 50, 300]})},
}


def said_of(data: Path, run: Run) -> int:
    number, mend = wrong(run.folder, tl.open_data(data))
    assert not mend, "\n".join(f"{one.page}: {one.text}: {one.wrong}" for one in mend)
    return number


@pytest.mark.parametrize("kind", KINDS)
def test_sentences_are_true_of_their_tables(kind: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, table in KINDS[kind]().items():
        table.to_csv(tmp_path / "data" / f"{name}.csv", index=False)
    run = run_report(tmp_path / "data", out=tmp_path / "reports", parameters=SMALL)
    assert said_of(tmp_path / "data", run) > 8


def test_sentences_on_the_sample_are_true(sample_run: Run) -> None:
    assert said_of(SAMPLE, sample_run) > 80
