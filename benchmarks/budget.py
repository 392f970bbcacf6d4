"""Money moved by drivers and by credit, beside the best that could be done (about 5 minutes).

python benchmarks/budget.py [--world "random touches"] [--customers 12000] [--seeds 10]

Every seed draws a company and what its touches cost. The truth is the hazard of the simulated
world itself, at the candidates for outcomes that its engine draws, on paths on which touches
come m times as often: the expected outcomes, without the chance of the outcomes themselves.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize

import touchlab as tl
from touchlab.budget.costs import USUAL_CAPS
from touchlab.budget.plan import reallocate
from touchlab.budget.response import best_plan, fill
from touchlab.simulate import WORLDS, TouchpointSpec, World, simulate
from touchlab.simulate.engine import draw_points, processes, respond
from touchlab.simulate.population import DAY, draw_population

Floats = npt.NDArray[np.float64]
LEAST, MOST = USUAL_CAPS
GRID = np.linspace(0.0, MOST, 9)
TRUTH_SEED, TRUTH_CUSTOMERS = 900, 30_000
FAINT = 1e-3


class Truth:
    """Expected conversions of a world by the multipliers of its touch rates.

    For worlds in which touches do not depend on earlier touches.
    """

    def __init__(self, world: World, seed: int = TRUTH_SEED) -> None:
        self.world, self.customers = world, world.customers
        most = tuple(replace(s, rate=MOST * s.rate) for s in world.touchpoints)
        large = replace(world, customers=TRUTH_CUSTOMERS, touchpoints=most)
        points = draw_points(large, draw_population(large, seed), seed=seed)
        names = processes(large)
        own = points.where(points.process == names.index("conversion"))
        self.base = np.exp(own.log_base) / large.ceiling_of("conversion")
        self.stocks = [
            _stock(own, points.where(points.process == names.index(s.name)), s) for s in most
        ]
        ones = np.ones(len(most))
        one_by_one = [
            [self.expected(np.where(np.arange(len(most)) == k, m, ones)) for m in GRID]
            for k in range(len(most))
        ]
        self.curves = [np.polyfit(GRID, np.log(values), 3) for values in one_by_one]
        self.now = self.expected(ones)

    def expected(self, multipliers: Floats) -> float:
        """Expected conversions of as many customers as the world has."""
        log_hazard = np.zeros(len(self.base))
        for spec, (place, mark, decay), m in zip(
            self.world.touchpoints, self.stocks, multipliers, strict=True
        ):
            here = mark < m
            stock = np.bincount(place[here], decay[here], len(self.base))
            log_hazard += spec.effects.get("conversion", 0.0) * respond(spec, stock)
        total = (self.base * np.exp(log_hazard)).sum()
        return float(total * self.customers / TRUTH_CUSTOMERS)

    def outcomes(self, multipliers: Floats) -> float:
        """A smooth stand-in for `expected`, in which the search for the best plan goes."""
        curves = zip(self.curves, multipliers, strict=True)
        return self.now * float(np.exp(sum(np.polyval(c, m) - np.polyval(c, 1) for c, m in curves)))

    def with_slopes(self, multipliers: Floats) -> tuple[float, Floats]:
        curves, outcomes = zip(self.curves, multipliers, strict=True), self.outcomes(multipliers)
        return outcomes, outcomes * np.array([np.polyval(np.polyder(c), m) for c, m in curves])

    @property
    def slopes_now(self) -> Floats:
        return self.with_slopes(np.ones(len(self.curves)))[1]


def _stock(moments, touches, spec: TouchpointSpec) -> tuple[Floats, Floats, Floats]:  # type: ignore[no-untyped-def]
    """Touches before each moment: moment, the multiplier from which on it comes, its decay."""
    left = pd.DataFrame({"customer": moments.customer, "at": moments.second}).reset_index()
    right = pd.DataFrame({"customer": touches.customer, "second": touches.second})
    right["mark"] = MOST * touches.height / np.exp(touches.log_base)
    pairs = left.merge(right, on="customer")
    pairs = pairs[pairs.second < pairs["at"]]
    decay = 0.5 ** ((pairs["at"] - pairs.second) / DAY / spec.half_life_days)
    pairs = pairs.assign(decay=decay)[decay > FAINT]
    return tuple(pairs[c].to_numpy() for c in ("index", "mark", "decay"))  # type: ignore[return-value]


def priced(world: World, seed: int) -> World:
    """The world with a cost a touch for each touchpoint, by lot: none is known to be cheap."""
    costs = 0.3 * np.exp(0.8 * np.random.default_rng(seed).standard_normal(len(world.names)))
    touchpoints = zip(world.touchpoints, costs, strict=True)
    return replace(world, touchpoints=tuple(replace(s, cost=float(c)) for s, c in touchpoints))


def in_proportion(credit: Floats, cost: Floats) -> Floats:
    """Spend in proportion to credit, as far as the caps let."""
    share = credit / credit.sum() * cost.sum() / cost

    def spent(scale: float) -> float:
        return float(cost @ np.clip(scale * share, LEAST, MOST) - cost.sum())

    return np.clip(optimize.brentq(spent, 0.0, 1e6) * share, LEAST, MOST)


def plans_of_one(world: World, seed: int, truth: Truth) -> dict[str, float]:
    """Fit, plan by every rule, and score the plans by the truth."""
    tables = simulate(priced(world, seed), seed=seed).tables
    data = tl.open_data({name: table for name, table in tables.items() if len(table)})
    drivers = tl.fit_drivers(data, seed=seed)
    plan = reallocate(drivers, checks=tl.check_drivers(data, drivers), seed=seed)
    free = reallocate(drivers, seed=seed)
    cost = free.table.set_index("touchpoint").cost_now[list(world.names)].to_numpy()
    credits = tl.attribute(data, models=["last", "markov"])
    credits = credits.pivot_table(index="touchpoint", columns="model", values="credit")
    credits = credits.reindex(list(world.names)).fillna(0.0)
    low, high = np.full(len(cost), LEAST), np.full(len(cost), MOST)
    plans = {
        "best": best_plan(truth, cost, cost.sum(), low, high),  # type: ignore[arg-type]
        "proposed": _multipliers(plan.table, world),
        "proposed, nothing held": _multipliers(free.table, world),
    }
    for model in ("last", "markov"):
        credit = credits[model].to_numpy()
        plans[f"{model}, credit per euro"] = fill(credit, cost, cost.sum(), low, high)
        plans[f"{model}, in proportion"] = in_proportion(credit, cost)
    found = {name: truth.expected(m) - truth.now for name, m in plans.items()}
    for name, proposal in (("", plan), (", nothing held", free)):
        said, true = proposal.gain.iloc[0], found[f"proposed{name}"]
        found[f"stated{name}"] = said.gain
        found[f"covered{name}"] = float(said.ci_low <= true <= said.ci_high)
        found[f"flattered{name}"] = said.flattered
    return found


def _multipliers(table: pd.DataFrame, world: World) -> Floats:
    return table.set_index("touchpoint").multiplier[list(world.names)].to_numpy(float)


def run(world_name: str, customers: int, seeds: int, days: int = 180) -> pd.DataFrame:
    """A row a seed: gains in true expected outcomes, as shares of the best."""
    world = WORLDS[world_name](customers, days)
    truth, rows = Truth(world), []
    for seed in range(1, seeds + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tl.TouchlabWarning)
            rows.append({"seed": seed} | plans_of_one(world, seed, truth))
        print(pd.DataFrame(rows[-1:]).round(2).to_string(index=False, header=seed == 1), flush=True)
    table = pd.DataFrame(rows).set_index("seed")
    shares = [c for c in table.columns if c.startswith(("proposed", "last", "markov"))]
    return table.assign(**{c: table[c] / table["best"] for c in shares})


def main() -> None:
    parser = argparse.ArgumentParser(description="Gains of plans beside the best possible.")
    parser.add_argument("--world", default="random touches")
    parser.add_argument("--customers", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    table = run(given.world, given.customers, given.seeds)
    print("\nGains as shares of the best possible; stated gains in outcomes")
    print(table.agg(["mean", "min", "max"]).round(3).T.to_string())


if __name__ == "__main__":
    main()
