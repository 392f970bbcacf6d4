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
from touchlab.data.contract import TABLES
from touchlab.experiments.design import sample_weeks, simulate_power
from touchlab.experiments.watch import always_reach
from touchlab.moments.risk import find_risk
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


def power_by_simulation(customers: int) -> None:
    """Stated detectable sizes, planted among each world's own customers: share found."""
    print("world                   weeks share  outcomes detectable found  level", flush=True)
    for name in ("hidden intent", "frailty", "rare outcomes", "random touches"):
        data = opened(simulate(WORLDS[name](customers, DAYS), seed=1))
        risk = find_risk(data, "conversion", None, None)
        for weeks in (4, 8, 12):
            sample = sample_weeks(data, risk, weeks)
            assert sample is not None
            for share in (0.05, 0.1, 0.2, 0.5):
                if not sample.carries(share):
                    print(f"{name:24}{weeks:4}{share:6}  not offered: too few outcomes", flush=True)
                    continue
                size, n = sample.detectable(share), sample.customers
                found = simulate_power(sample, share, size, repeats=4000)
                level = simulate_power(sample, share, 0.0, repeats=4000)
                shown = f"{sample.mean * n:9.0f}{size * n:10.0f}{found:8.3f}{level:7.3f}"
                print(f"{name:24}{weeks:4}{share:6}{shown}", flush=True)


def peeking(repeats: int = 2000, days: int = 56) -> None:
    """Look every day from the seventh on at an experiment without effect: how often it cries."""
    print("customers an arm, outcomes each, spread  usual interval  always valid", flush=True)
    random = np.random.default_rng(1)
    for each, mean, shape in ((500, 1.0, 0.5), (500, 0.2, 5.0), (2000, 0.05, 0.5)):
        cried = np.zeros(2)
        for _ in range(repeats):
            rate = random.gamma(shape, mean / shape / days, (2, each))
            counts = random.poisson(rate[:, :, None], (2, each, days)).cumsum(axis=2)
            difference = np.abs(counts[0].mean(axis=0) - counts[1].mean(axis=0))
            error = np.sqrt(counts.var(axis=1, ddof=1).sum(axis=0) / each)
            reach = always_reach(error, np.arange(1, days + 1) / days)
            seen = slice(6, None)
            cried += [(difference > 1.96 * error)[seen].any(), (difference > reach)[seen].any()]
        print(each, mean, shape, *(cried / repeats).round(4), flush=True)


def lifts(seeds: int, customers: int) -> None:
    """The same experiment as a list of customers and as a lift: the amounts after calibration."""
    print("seed touchpoint  model  customers (interval)  lift (interval)  weights", flush=True)
    for seed in range(1, seeds + 1):
        world = WORLDS["hidden intent with holdouts"](customers, DAYS)
        held = tuple(replace(one, start_day=60) for one in world.holdouts)
        tables = dict(simulate(replace(world, holdouts=held), seed=seed).tables)
        data = tl.open_data({name: t for name, t in tables.items() if len(t)})
        drivers, found = tl.fit_drivers(data), tl.holdout_effects(data)
        arms = tables.pop("experiments")
        rows = found.table.assign(
            outcome="conversion", lift=found.table.incremental, start=arms.start.min(),
            end=arms.end.max(), standard_error=found.table.se * found.table.n_treated,
        )  # fmt: skip
        tables["lifts"] = rows[[*TABLES["lifts"].order[:-1]]]
        given = tl.open_data({name: t for name, t in tables.items() if len(t)})
        one = tl.calibrate(drivers, found).change
        other = tl.calibrate(drivers, tl.holdout_effects(given)).change
        for a, b in zip(one.itertuples(), other.itertuples(), strict=True):
            ends = (f"{x.after:.0f} ({x.after_low:.0f} to {x.after_high:.0f})" for x in (a, b))
            weights = f"{a.weight:.2f} {b.weight:.2f}"
            print(seed, a.touchpoint, f"{a.before:.0f}", *ends, weights, sep="  ", flush=True)


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
    elif given.what == "power":
        power_by_simulation(given.customers)
    elif given.what == "peeking":
        peeking()
    else:
        lifts(given.seeds, given.customers)


if __name__ == "__main__":
    main()
