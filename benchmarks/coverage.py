"""Do the drivers' intervals hold, and how often is an idle touchpoint called effective?

Many seeds of the drivers alone, where the scoreboard compares all methods over a few.

python benchmarks/coverage.py [--worlds NAME ...] [--customers 30000] [--seeds 20]
"""

from __future__ import annotations

import argparse
import sys
import warnings

import pandas as pd
from scipy.stats import binomtest

import touchlab as tl
from touchlab.simulate import WORLDS, simulate, true_effects

FIRST_SEED = 9_000
TRUTH_RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage and false alarms of the drivers.")
    parser.add_argument("--worlds", nargs="*", default=["random touches", "observed history"])
    parser.add_argument("--customers", type=int, default=30_000)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    warnings.simplefilter("ignore", tl.TouchlabWarning)
    for name in given.worlds:
        world = WORLDS[name](given.customers, given.days)
        place = FIRST_SEED + 1000 * list(WORLDS).index(name)
        frames = []
        for seed in range(place, place + given.seeds):
            frames.append(_answer(world, seed).assign(seed=seed))
            print(name, seed, file=sys.stderr, flush=True)
        _report(name, pd.concat(frames))


def _answer(world: object, seed: int) -> pd.DataFrame:
    truth = true_effects(world, seed=seed, repeats=TRUTH_RUNS).set_index("touchpoint")
    tables = {name: t for name, t in simulate(world, seed=seed).tables.items() if len(t)}
    found = tl.fit_drivers(tl.open_data(tables)).incremental(total=False)
    own = found.set_index("touchpoint")[["incremental", "ci_low", "ci_high"]]
    return own.assign(true=truth[truth.outcome == "conversion"].incremental_direct).reset_index()


def _report(world: str, found: pd.DataFrame) -> None:
    held = (found.ci_low <= found.true) & (found.true <= found.ci_high)
    idle = found.true == 0
    alarm = (found.ci_low > 0) | (found.ci_high < 0)
    found = found.assign(held=held, alarm=alarm, error=found.incremental - found.true)
    found["reach"] = (found.ci_high - found.ci_low) / 2
    print(f"\n{world}: intervals that hold the truth {_rate(held)}")
    print(f"{world}: touchpoints without effect called effective {_rate(alarm[idle])}")
    columns = ["true", "held", "error", "reach"]
    print(found.groupby("touchpoint")[columns].mean().round(2).to_string(), flush=True)


def _rate(told: pd.Series) -> str:
    low, high = binomtest(int(told.sum()), len(told)).proportion_ci(method="wilson")
    return f"{told.sum()} of {len(told)} ({told.mean():.1%}, {low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
