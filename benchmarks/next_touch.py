"""The next touch, beside the best that could be sent in worlds whose hazard is known.

python benchmarks/next_touch.py [--customers 6000] [--seeds 5]

A touchpoint that tires (its curve is log(1 + A) - A / 3), one that does not; touches at random.
At moments drawn from the time at risk the truth of one more touch is the world's own hazard,
integrated over the decay of the touch; the best policy sends the best touch or none at each
moment. `share` is what following the policy table gains of that; 'flat' sends the touchpoint with
the best mean to everybody. In the second part the arms of an experiment act by segment.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt

import touchlab as tl
from touchlab.next.touch import NONE
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World, simulate

Floats = npt.NDArray[np.float64]
MAIL = TouchpointSpec(
    "mail", 0.4, {"conversion": 1.0}, half_life_days=6.0, response="fatigue", reach=0.7
)
ADVERT = TouchpointSpec("advert", 0.02, {"conversion": 0.8}, half_life_days=3.0)
RATE = 0.003


def curve(spec: TouchpointSpec, stock: Floats) -> Floats:
    """What a stock of touches adds to the log hazard."""
    tires = stock / 3 if spec.response == "fatigue" else 0.0
    return spec.effects["conversion"] * (np.log1p(stock) - tires)


def truth(world: World, stock: Floats) -> Floats:
    """Outcomes that one more touch truly brings at each moment; (touchpoints, moments)."""
    parts = [curve(s, own) for s, own in zip(world.touchpoints, stock, strict=True)]
    hazard = RATE * np.exp(np.sum(parts, axis=0))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    found = []
    for spec, own, now in zip(world.touchpoints, stock, parts, strict=True):
        left = (nodes[:, None] + 1) / 2
        rise = np.expm1(curve(spec, own + left) - now) / left
        found.append(hazard * ((weights / 2) @ rise) * spec.half_life_days / np.log(2))
    return np.array(found)


def of_states(world: World, seed: int) -> dict[str, object]:
    tables = simulate(world, seed=seed).tables
    data = tl.open_data({name: table for name, table in tables.items() if len(table)})
    drivers = tl.fit_drivers(data)
    found = tl.next_touch(data, drivers)
    rows = np.flatnonzero(drivers.model.event == 0)
    points = drivers.moments.take(rows)
    # exposures at the true half-lives, between the points of the grid
    names, grid = list(drivers.moments.touchpoints), drivers.moments.half_lives
    specs = [next(s for s in world.touchpoints if s.name == name) for name in names]
    stock = np.array(
        [
            points.exposure[place, grid.index(min(grid, key=lambda h: abs(h - s.half_life_days)))]
            for place, s in enumerate(specs)
        ],
        dtype=float,
    )
    world = replace(world, touchpoints=tuple(specs))
    more = truth(world, stock)
    options = np.vstack([more, np.zeros(more.shape[1])])
    table = [*names, NONE]
    chosen = np.array([table.index(name) for name in found.policy.next])[found.states.of(points)]
    best = float(options.max(axis=0).mean())
    got = float(options[chosen, np.arange(len(chosen))].mean())
    flat = max(float(more.mean(axis=1).max()), 0.0)
    return {
        "seed": seed, "fatigue found": bool(drivers.model.pairs), "states": len(found.policy),
        "share": round(got / best, 3), "flat": round(flat / best, 3),
        "next": found.policy.next.tolist(),
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=6_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    tires = World(
        (MAIL, ADVERT), given.customers, days=120,
        outcomes={"conversion": OutcomeSpec(RATE, ceiling=0.5)},
    )  # fmt: skip
    worlds = {
        "tires": tires,
        "does not": replace(tires, touchpoints=(replace(MAIL, response="log", rate=0.05), ADVERT)),
    }
    for seed in range(given.first, given.first + given.seeds):
        for name, world in worlds.items():
            print(name, of_states(world, seed), flush=True)
