"""Bootstrap of customers, cheap at any size: customers in bags, bags drawn with replacement.

Every sum over customers is kept by bag, so that a replicate costs one product of small
matrices. Fits follow by one Newton step from the full fit (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from touchlab.retention.newton import Floats, newton_step, unpack

Places = npt.NDArray[np.intp]

BAGS = 512
"""Divides the 4,096 values of `customer_group`'s hash."""
REPLICATES = 500
REACH = 1.959963984540054
STEP = 1e-4


def draw_bags(seed: int) -> Floats:
    """How often each bag counts in each replicate: (replicates, bags)."""
    random = np.random.default_rng(seed)
    return random.multinomial(BAGS, np.full(BAGS, 1 / BAGS), REPLICATES).astype(float)


def sum_bags(values: Floats, bag: Places, cells: Places | None = None, count: int = 1) -> Floats:
    """Sum a value a customer by bag and, where given, by `count` cells: (bags, count)."""
    place = bag if cells is None else bag * count + cells
    sums = np.bincount(place, weights=values, minlength=BAGS * count)
    return sums.reshape(BAGS, count).astype(float)


def refit(packed: Floats, slope: Floats, triangle: Floats, draws: Floats) -> Floats:
    """One Newton step from the full fit to each replicate: (replicates, p).

    `slope` is (bags, p) and `triangle` (bags, p (p + 1) / 2), at `packed`, and `draws` how
    often each bag counts: (replicates, bags).
    """
    slopes, curvatures = draws @ slope, unpack(draws @ triangle, len(packed))
    steps = [newton_step(s, c) for s, c in zip(slopes, curvatures, strict=True)]
    return np.asarray(packed + np.array(steps))


def mean_by_cell(
    each: Callable[[Floats], Floats],
    packed: Floats,
    replicates: Floats,
    draws: Floats,
    bag: Places,
    cells: Places,
    count: int,
) -> tuple[Floats, Floats]:
    """Mean over customers of a positive quantity by cell (count,), and its replicates' logarithms.

    `each` gives the quantity a customer at packed parameters. A replicate weighs the bags
    exactly and follows the parameters along the slope of the logarithm.
    """
    size = np.bincount(cells, minlength=count)
    at_fit = each(packed)
    sums = sum_bags(at_fit, bag, cells, count)
    sizes = sum_bags(np.ones_like(at_fit), bag, cells, count)

    def means(given: Floats) -> Floats:
        return np.bincount(cells, weights=each(given), minlength=count) / np.maximum(size, 1)

    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log((draws @ sums) / (draws @ sizes))
    logs += (replicates - packed) @ log_slopes(means, packed)
    return sums.sum(axis=0) / np.maximum(size, 1), logs


def log_slopes(quantity: Callable[[Floats], Floats], packed: Floats) -> Floats:
    """Slopes of the logarithm of positive quantities (cells,) in each parameter: (p, cells)."""
    steps = STEP * np.eye(len(packed))
    ends = [(quantity(packed + step), quantity(packed - step)) for step in steps]
    floor = np.finfo(float).tiny
    logs = [(np.log(up.clip(floor)) - np.log(down.clip(floor))) / (2 * STEP) for up, down in ends]
    return np.array(logs)


def follow(
    quantity: Callable[[Floats], Floats], packed: Floats, replicates: Floats
) -> tuple[Floats, Floats]:
    """Return positive quantities (cells,) and the logarithms of their replicates.

    Replicates follow the parameters along the slope, which is nil along a ridge of the
    likelihood, where a step may lead far.
    """
    point = quantity(packed)
    return point, np.log(point) + (replicates - packed) @ log_slopes(quantity, packed)


def log_interval(point: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """Return a 95 % interval of a positive number by the spread of its replicates' logarithms."""
    known = np.isfinite(logs)
    mean = np.where(known, logs, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    spread = np.where(known, (logs - mean) ** 2, 0.0).sum(axis=0)
    error = np.sqrt(spread / np.maximum(known.sum(axis=0) - 1, 1))
    return point * np.exp(-REACH * error), point * np.exp(REACH * error)
