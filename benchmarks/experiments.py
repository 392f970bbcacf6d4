"""The queue of experiments against chance, power by simulation, and looking every day.

python benchmarks/experiments.py queue [--seeds 20] [--customers 12000]
python benchmarks/experiments.py power | peeking | lifts

`queue`: customers with a hidden intent that comes and goes. The drivers are fitted, and an
experiment is run on the first of the queue (its share, its weeks, at the end of the time), the
drivers are brought in line with it, the queue is made anew, and its first is run as well. Beside
it: two touchpoints drawn by lot, in experiments of the same size. The error is the sum of those of
all touchpoints, as a share of the true amounts.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd

import touchlab as tl
from touchlab.simulate import WORLDS, Holdout, Simulation, World, simulate, true_effects

DAYS = 180


def opened(sim: Simulation) -> tl.Dataset:
    return tl.open_data({name: table for name, table in sim.tables.items() if len(table)})


def fitted(world: World, seed: int) -> tuple[tl.Dataset, tl.Drivers, pd.DataFrame]:
    """Fit, bring in line with the experiments there are, and make the queue."""
    data = opened(simulate(world, seed=seed))
    drivers = tl.fit_drivers(data)
    if world.holdouts:
        drivers = tl.calibrate(drivers, tl.holdout_effects(data))
    checks = tl.check_drivers(data, drivers)
    queue = tl.plan_experiments(data, drivers, checks=checks, weeks=(4, 8, 12)).table
    return data, drivers, queue


def error(drivers: tl.Drivers, truth: pd.Series) -> float:
    found = drivers.incremental(total=False).set_index("touchpoint").incremental
    return float((found - truth).abs().sum() / truth.abs().sum())


def with_one_more(world: World, name: str, share: float, weeks: int) -> World:
    held = Holdout(name, share=share, start_day=DAYS - 7 * weeks)
    return replace(world, holdouts=(*world.holdouts, held))


def queue_against_chance(seeds: int, customers: int, first: int = 1) -> None:
    print("seed  none  queue1  queue2  random1 random2  queue      random", flush=True)
    rows = []
    for seed in range(first, first + seeds):
        world = WORLDS["hidden intent"](customers, DAYS)
        truth = true_effects(world, seed=seed).set_index("touchpoint").incremental_direct
        random = np.random.default_rng(seed)
        _, drivers, queue = fitted(world, seed)
        errors, chosen = [error(drivers, truth)], []
        for by_lot in (False, True):
            now, own, names = queue, world, []
            for _ in range(2):
                free = now[~now.touchpoint.isin(names)]
                row = free.iloc[int(random.integers(len(free))) if by_lot else 0]
                best = free.iloc[0]  # by lot, too, with the size of the queue's first
                names.append(row.touchpoint)
                own = with_one_more(own, row.touchpoint, best["share"], int(best.weeks))
                _, drivers, now = fitted(own, seed)
                errors.append(error(drivers, truth))
            chosen.append("+".join(names))
        rows.append(errors)
        print(seed, *(f"{e:7.3f}" for e in errors), *chosen, flush=True)
    table = np.array(rows)
    gain = table[:, 4] - table[:, 2]
    print("mean", *table.mean(axis=0).round(3))
    se = gain.std(ddof=1) / np.sqrt(len(gain))
    print(f"random less queue {gain.mean():.3f} (se {se:.3f}), queue ahead in {(gain > 0).sum()}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["queue", "power", "peeking", "lifts"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--customers", type=int, default=12_000)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.what == "queue":
        queue_against_chance(given.seeds, given.customers, given.first)


if __name__ == "__main__":
    main()
