"""Key drivers where many scores are missing: processor time, and what a full bootstrap would say.

python benchmarks/key_drivers.py [--customers 2831] [--items 20] [--full 0]

Two companies: in one, customers skip items at rates of their own (some 1,100 patterns of missing
scores); in the other, each has used a few of seven services, and scores those (60 % missing).
`--full N` refits each of N bootstrap draws, and sets its interval ends beside those of one step.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

import touchlab as tl
from touchlab.experience.importance import correlations, relative_importance
from touchlab.numeric import Floats

USED = np.array([0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.15])
"""Share of customers who used each service."""


def answers(customers: int, items: int, services: bool, seed: int = 1) -> pd.DataFrame:
    """Items from 1 to 5 that three moods drive, with gaps, and the overall opinion."""
    random = np.random.default_rng(seed)
    loading = random.uniform(0.4, 0.8, items + 1)
    moods = random.dirichlet([1, 1, 1], items + 1)
    moods /= np.linalg.norm(moods, axis=1, keepdims=True)
    common = random.standard_normal((customers, 3)) @ moods.T
    own = random.standard_normal((customers, items + 1)) * np.sqrt(1 - loading**2)
    scores = np.clip(np.round(3.4 + 1.1 * (common * loading + own)), 1, 5)
    skip = np.full(customers, 0.06) if services else random.beta(0.3, 1.7, customers)
    gaps = random.random((customers, items)) < skip[:, None]
    if services:
        used = random.random((customers, len(USED))) < USED
        gaps |= ~used[:, np.arange(items) * len(USED) // items]
    scores[:, :-1][gaps] = np.nan
    return pd.DataFrame(scores, columns=[*(f"item {i}" for i in range(items)), "overall"])


def refitted(values: Floats, draws: int, seed: int = 1) -> Floats:
    """The bootstrap without a short cut: each draw of rows is estimated anew."""
    random = np.random.default_rng(seed)
    rows = (random.integers(0, len(values), len(values)) for _ in range(draws))
    return np.concatenate([correlations(values[own]) for own in rows])


def ends(correlation: Floats) -> Floats:
    parts = relative_importance(correlation)
    return np.quantile(parts / parts.sum(axis=1, keepdims=True), [0.025, 0.975], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Key drivers where many scores are missing.")
    parser.add_argument("--customers", type=int, default=2831)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--full", type=int, default=0)
    given = parser.parse_args()
    for services in (False, True):
        frame = answers(given.customers, given.items, services)
        gaps = frame.isna()
        begun = time.process_time()
        table = tl.key_drivers(frame, target="overall").table
        spent = time.process_time() - begun
        print(
            f"{len(frame):,} x {given.items}, {100 * gaps.iloc[:, :-1].to_numpy().mean():.0f} % "
            f"missing in {len(gaps.drop_duplicates()):,} patterns: {spent:.1f} s of processor"
        )
        print(table.head(3).round(3).to_string(index=False))
        if given.full:
            values = frame.to_numpy(float)
            one = ends(correlations(values, draws=given.full)[1:])
            anew = ends(refitted(values, given.full))
            print(
                f"{given.full} draws, one step beside refitting: interval ends differ by at most "
                f"{np.abs(one - anew).max():.4f}, mean widths are {np.ptp(one, axis=0).mean():.4f} "
                f"and {np.ptp(anew, axis=0).mean():.4f}"
            )


if __name__ == "__main__":
    main()
