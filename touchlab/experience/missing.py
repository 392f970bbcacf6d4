"""Correlations of scores that most customers gave only a few of.

Expectation-maximisation of a normal distribution [Dempster, Laird & Rubin 1977]: a missing
score stands for what the customer's other scores let expect, with its uncertainty. Right
where what is missing can be foretold from what is there; no method can mend the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_STEPS, WARM_STEPS = 300, 100
MOST_BLOCKS = 1000
CLOSE = 1e-5
PRIOR = 1.0
"""Customers' worth of belief that scores are uncorrelated; decides only where nothing else does."""


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
    """Estimate the correlations of columns with gaps, and again for each bootstrap draw.

    Parameters
    ----------
    values
        Shape (rows, columns), NaN where missing; every column varies.
    draws
        Bootstrap draws of rows; of a thousand random blocks of rows, where there are more.

    Returns
    -------
    numpy.ndarray
        Shape (1 + draws, columns, columns), the estimate first. Without gaps, the
        ordinary correlations.
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
        sums, products = (
            np.zeros_like(mean),
            PRIOR * np.tile(np.eye(mean.shape[1]), (len(cov), 1, 1)),
        )
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
