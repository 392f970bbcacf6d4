"""What improvements brought, in worlds that know it: level without a change, found with one.

    python benchmarks/changes.py scores 40       # worlds of survey answers, some minutes
    python benchmarks/changes.py outcomes 40     # with drivers fitted in each, an hour

Prints for each kind of world: comparisons, share whose interval is beyond 0, share with each badge,
mean change, share of dates without a change that are loud.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import ibis
import pandas as pd

import touchlab as tl

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from change_worlds import KINDS, NAMES, outcome_world, score_world


def run(measure: str, kind: str, *, seed: int, segment: bool) -> pd.DataFrame:
    """Give the row of one world's only change; in worlds without one, of each touchpoint."""
    if measure == "scores":
        data, drivers = tl.open_data(score_world(kind, seed=seed, segment=segment)), None
    else:
        data = tl.open_data(outcome_world(kind, seed=seed, segment=segment, customers=1_000))
        drivers = tl.fit_drivers(data, seed=seed)
    found = []
    for name in NAMES if kind == "nothing" and drivers else NAMES[:1]:
        changes = data.tables["changes"].mutate(touchpoint=ibis.literal(name))
        one = replace(data, tables={**data.tables, "changes": changes})
        found.append(tl.change_effects(one, drivers=drivers).table)
    return pd.concat(found).assign(kind=kind, seed=seed, segment=segment)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a kind of world."""
    beyond = rows.ci_low * rows.ci_high > 0
    rows = rows.assign(beyond=beyond, **{b: rows.badge == b for b in ("adjusted", "descriptive")})
    columns = ["beyond", "adjusted", "descriptive", "change", "loud"]
    by = rows.groupby(["segment", "kind"])
    return by[columns].mean().assign(comparisons=by.size()).round(2)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    measure, seeds = sys.argv[1], int(sys.argv[2])
    kinds = sys.argv[3:] or KINDS
    rows = []
    for segment in (False, True) if measure == "scores" else (False,):
        for kind in kinds:
            for seed in range(1, seeds + 1):
                rows.append(run(measure, kind, seed=seed, segment=segment))
                print(summarise(pd.concat(rows)).to_string(), flush=True)
