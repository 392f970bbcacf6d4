"""Do the drivers' intervals hold, by badge, and how often is an idle touchpoint called effective?

Many seeds of the drivers and their badges alone, where the scoreboard compares all methods over
a few.

python benchmarks/coverage.py [--worlds NAME ...] [--customers 30000] [--seeds 20] [--table F]
"""

from __future__ import annotations

import argparse
import sys
import warnings

import pandas as pd
from scipy.stats import binomtest

import touchlab as tl
from touchlab.drivers.checks import CAUSAL
from touchlab.scoreboard import BASELINE, FOR_READING, score
from touchlab.simulate import WORLDS, World, simulate, true_effects

FIRST_SEED = 9_000
TRUTH_RUNS = 20
"""Simulations that the truth of a world is the mean of."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage and false alarms of the drivers.")
    parser.add_argument("--worlds", nargs="*", default=list(WORLDS))
    parser.add_argument("--customers", type=int, default=30_000)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--table", help="CSV file to write all answers to")
    given = parser.parse_args()
    warnings.simplefilter("ignore", tl.TouchlabWarning)
    answers = []
    for name in given.worlds:
        world = WORLDS[name](given.customers, given.days)
        place = FIRST_SEED + 1000 * list(WORLDS).index(name)
        truth = true_effects(world, seed=place, repeats=TRUTH_RUNS).set_index("touchpoint")
        truth = truth[truth.outcome == "conversion"]
        for seed in range(place, place + given.seeds):
            answers.append(_answer(world, seed, truth).assign(world=name, seed=seed))
            print(name, seed, file=sys.stderr, flush=True)
            if given.table:
                pd.concat(answers).to_csv(given.table, index=False)
        _report(name, pd.concat(answers).query("world == @name"))


def _answer(world: World, seed: int, truth: pd.DataFrame) -> pd.DataFrame:
    data = tl.open_data({n: t for n, t in simulate(world, seed=seed).tables.items() if len(t)})
    drivers = tl.fit_drivers(data)
    found = drivers.incremental(total=False, checks=tl.check_drivers(data, drivers))
    base = drivers.baseline.rename(columns={"baseline": "incremental"})
    found = pd.concat([found, base.assign(touchpoint=BASELINE)], ignore_index=True)
    names = {"incremental": "estimate", "ci_low": "low", "ci_high": "high"}
    true = truth.incremental_direct.to_dict() | {BASELINE: truth.baseline_direct.iloc[0]}
    own = found.rename(columns=names)[["touchpoint", *names.values(), "badge"]]
    return own.assign(true=own.touchpoint.map(true), method="drivers").fillna({"true": 0.0})


def _report(world: str, answers: pd.DataFrame) -> None:
    print(f"\n{score(answers)[FOR_READING].round(3).to_string(index=False)}")
    named = answers[answers.touchpoint != BASELINE]
    held = (named.low <= named.true) & (named.true <= named.high)
    causal, idle = named.badge.isin(CAUSAL), named.true == 0
    alarm = (named.low > 0) | (named.high < 0)
    base = answers[answers.touchpoint == BASELINE]
    base = (base.low <= base.true) & (base.true <= base.high)
    print(f"{world}: intervals that hold the truth {_rate(held)}")
    print(f"{world}: of those called randomised or adjusted {_rate(held[causal])}")
    print(f"{world}: of the baseline {_rate(base)}")
    print(f"{world}: touchpoints without effect called effective {_rate(alarm[idle])}")
    print(f"{world}: and by a badge that lets them be {_rate((alarm & causal)[idle])}", flush=True)


def _rate(told: pd.Series) -> str:
    if told.empty:
        return "none"
    low, high = binomtest(int(told.sum()), len(told)).proportion_ci(method="wilson")
    return f"{told.sum()} of {len(told)} ({told.mean():.1%}, {low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
