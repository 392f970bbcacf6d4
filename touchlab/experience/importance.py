"""How much of R2 each driver brings: LMG (exact) and Johnson weights, from correlations alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import factorial

import numpy as np
import numpy.typing as npt

from touchlab.numeric import Floats

MOST_EXACT = 12
"""Drivers up to which all 2^p regressions are taken; Johnson weights beyond."""
NOTHING_LEFT = 1e-9
"""Share of a driver's variance below which the drivers before it say all that it says."""
MOST_STEPS, WARM_STEPS = 300, 100
MOST_BLOCKS = 1000
CLOSE = 1e-5
PRIOR = 1.0
"""Customers' worth of belief that scores are uncorrelated; decides only where nothing else does."""


def relative_importance(correlation: Floats) -> Floats:
    """Divide R2 among the drivers: by LMG up to 12 of them, by Johnson weights beyond.

    `correlation` has shape (..., p + 1, p + 1) with the target last; returns (..., p).
    """
    exact = correlation.shape[-1] - 1 <= MOST_EXACT
    return lmg(correlation) if exact else johnson(correlation)


def lmg(correlation: Floats) -> Floats:
    """Average what a driver adds to R2 over all orders in which drivers can enter.

    Exact: the Shapley value of R2, from all 2^p regressions [Lindeman, Merenda & Gold 1980]. A
    driver that repeats others shares with them; it never turns negative.

    Examples
    --------
    >>> lmg(np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.3], [0.6, 0.3, 1.0]])).round(2).tolist()
    [0.36, 0.09]
    """
    batch = correlation.reshape(-1, *correlation.shape[-2:])
    p = batch.shape[-1] - 1
    r2 = np.zeros((2**p, len(batch)))
    for subset, value in _r2_of_subsets(batch):
        r2[subset] = value
    subsets = np.arange(2**p)
    size = np.bitwise_count(subsets).astype(int)
    weight = np.array([factorial(k) * factorial(p - k - 1) / factorial(p) for k in range(p)])
    parts = np.empty((len(batch), p))
    for j in range(p):
        without = subsets[(subsets >> j) & 1 == 0]
        gain = r2[without | (1 << j)] - r2[without]
        parts[:, j] = weight[size[without]] @ gain
    return parts.reshape(*correlation.shape[:-2], p)


def _r2_of_subsets(batch: Floats) -> Iterator[tuple[int, Floats]]:
    """Give R2 of every set of drivers, by sweeping in one more at a time.

    What is left of the covariance, once a driver is swept in, serves all sets that begin
    with the same drivers. A driver of which nothing is left adds nothing.
    """
    p = batch.shape[-1] - 1
    stack: list[tuple[int, int, Floats, Floats]] = [(0, 0, batch, np.zeros(len(batch)))]
    while stack:
        subset, first, left, r2 = stack.pop()
        yield subset, r2
        for j in range(first, p):
            at = j - first
            pivot = left[:, at, at]
            scale = np.where(pivot > NOTHING_LEFT, 1 / np.maximum(pivot, NOTHING_LEFT), 0.0)
            own = left[:, at, at + 1 :]
            gain = own[:, -1] ** 2 * scale
            rest = (
                left[:, at + 1 :, at + 1 :]
                - own[:, :, None] * own[:, None, :] * scale[:, None, None]
            )
            stack.append((subset | 1 << j, j + 1, rest, r2 + gain))


def johnson(correlation: Floats) -> Floats:
    """Divide R2 by way of the nearest uncorrelated stand-ins of the drivers.

    Close to LMG, and quick at any number of drivers [Johnson 2000].

    Examples
    --------
    >>> johnson(np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.3], [0.6, 0.3, 1.0]])).round(2).tolist()
    [0.36, 0.09]
    """
    values, vectors = np.linalg.eigh(correlation[..., :-1, :-1])
    root = np.sqrt(np.maximum(values, 0.0))
    kept = values > NOTHING_LEFT
    inverse = np.where(kept, 1 / np.where(kept, root, 1.0), 0.0)
    turned = np.swapaxes(vectors, -1, -2)
    stand_ins = (vectors * root[..., None, :]) @ turned
    beta = (vectors * inverse[..., None, :]) @ turned @ correlation[..., :-1, -1:]
    return np.asarray((stand_ins**2 @ beta**2)[..., 0])


@dataclass(frozen=True)
class Pattern:
    """Rows that have the same scores: how many, their sums and sums of products.

    The first axis is the weighting of the rows: shapes (draws,), (draws, k), (draws, k, k).
    """

    seen: npt.NDArray[np.intp]
    n: Floats
    sums: Floats
    products: Floats


def correlations(values: Floats, *, draws: int = 0, seed: int = 1) -> Floats:
    """Estimate the correlations of columns with gaps (NaN), and again for each bootstrap draw.

    Shape (1 + draws, columns, columns), the estimate first. Drawn are rows, or a thousand
    random blocks of rows where there are more.
    """
    random = np.random.default_rng(seed)
    size = min(len(values), MOST_BLOCKS)
    block = np.arange(len(values)) if size == len(values) else random.integers(0, size, len(values))
    drawn = random.multinomial(size, np.full(size, 1 / size), size=draws)
    weights = np.vstack([np.ones(size), drawn])
    centre, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    patterns = _patterns((values - centre) / spread, block, weights)
    columns = values.shape[1]
    if len(patterns) == 1 and len(patterns[0].seen) == columns:
        return to_correlation(_covariance(patterns[0]))
    mean, cov = np.zeros((1, columns)), np.eye(columns)[None]
    first = [Pattern(p.seen, p.n[:1], p.sums[:1], p.products[:1]) for p in patterns]
    mean, cov = _maximise(first, mean, cov, MOST_STEPS)
    mean, cov = (np.repeat(a, len(weights), axis=0) for a in (mean, cov))
    return to_correlation(_maximise(patterns, mean, cov, WARM_STEPS)[1])


def to_correlation(cov: Floats) -> Floats:
    """Scale covariances; a column that does not vary is uncorrelated."""
    deviation = np.sqrt(np.maximum(np.diagonal(cov, axis1=-2, axis2=-1), 0.0))
    scale = np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0.0)
    scaled = cov * scale[..., :, None] * scale[..., None, :]
    diagonal = np.arange(cov.shape[-1])
    scaled[..., diagonal, diagonal] = 1.0
    return np.asarray(scaled)


def _covariance(pattern: Pattern) -> Floats:
    mean = pattern.sums / pattern.n[:, None]
    second = pattern.products / pattern.n[:, None, None]
    return np.asarray(second - mean[:, :, None] * mean[:, None, :])


def _patterns(known: Floats, block: npt.NDArray[np.intp], weights: Floats) -> list[Pattern]:
    kinds, which = np.unique(~np.isnan(known), axis=0, return_inverse=True)
    patterns = []
    for kind, present in enumerate(kinds):
        if present.any():
            rows = which.ravel() == kind
            patterns.append(_pattern(known[rows], np.flatnonzero(present), block[rows], weights))
    return patterns


def _pattern(
    rows: Floats, seen: npt.NDArray[np.intp], block: npt.NDArray[np.intp], weights: Floats
) -> Pattern:
    def weighted(values: Floats) -> Floats:
        return np.asarray(weights @ np.bincount(block, values, weights.shape[1]))

    sums = np.stack([weighted(rows[:, i]) for i in seen], axis=-1)
    products = np.stack(
        [np.stack([weighted(rows[:, i] * rows[:, j]) for j in seen], axis=-1) for i in seen],
        axis=-2,
    )
    return Pattern(seen, weighted(np.ones(len(rows))), sums, products)


def _maximise(
    patterns: list[Pattern], mean: Floats, cov: Floats, steps: int
) -> tuple[Floats, Floats]:
    total = np.sum([p.n for p in patterns], axis=0)
    for _ in range(steps):
        sums = np.zeros_like(mean)
        products = PRIOR * np.tile(np.eye(mean.shape[1]), (len(cov), 1, 1))
        for pattern in patterns:
            one, two = _expect(pattern, mean, cov)
            sums, products = sums + one, products + two
        before, mean = cov, sums / total[:, None]
        spread = total[:, None, None] * mean[:, :, None] * mean[:, None, :]
        cov = (products - spread) / (total + PRIOR)[:, None, None]
        if np.abs(cov - before).max() < CLOSE:
            break
    return mean, cov


def _expect(pattern: Pattern, mean: Floats, cov: Floats) -> tuple[Floats, Floats]:
    """Give the expected sums and sums of products of rows of one pattern, gaps filled."""
    seen = pattern.seen
    # regression of every column on those seen: the columns seen stand for themselves
    slope = np.linalg.solve(cov[:, seen][:, :, seen], cov[:, seen]).swapaxes(-1, -2)
    left = cov - slope @ cov[:, seen]
    n = pattern.n[:, None]
    base = mean - np.einsum("dij,dj->di", slope, mean[:, seen])
    fitted = np.einsum("dij,dj->di", slope, pattern.sums)
    sums = n * base + fitted
    products = slope @ pattern.products @ slope.swapaxes(-1, -2)
    products += fitted[:, :, None] * base[:, None, :] + base[:, :, None] * fitted[:, None, :]
    products += n[:, :, None] * (base[:, :, None] * base[:, None, :] + left)
    return sums, products
