"""How much of R2 each driver brings, from correlations alone, and those despite missing scores."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt
from scipy import sparse

from touchlab.numeric import Floats, maximise, one_thread, unpack

MOST_EXACT = 12
"""Drivers up to which all 2^p regressions are taken; Johnson weights beyond."""
NOTHING_LEFT = 1e-9
"""Share of a driver's variance below which the drivers before it say all that it says."""
MOST_BLOCKS = 1000
PRIOR = 1.0
"""Customers' worth of belief that scores are uncorrelated; decides only where nothing else does."""
WIDEST = 20.0
"""Bound of means and covariances, in standard deviations of the scores given."""


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

    >>> lmg(np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.3], [0.6, 0.3, 1.0]])).round(2).tolist()
    [0.36, 0.09]
    """
    r2 = _r2_of_subsets(correlation)
    p = correlation.shape[-1] - 1
    subsets = np.arange(2**p)
    size = np.bitwise_count(subsets).astype(int)
    weight = np.array([1 / (p * comb(p - 1, k)) for k in range(p)])
    parts = np.empty((p, r2.shape[1]))
    for j in range(p):
        without = subsets[(subsets >> j) & 1 == 0]
        parts[j] = weight[size[without]] @ (r2[without | (1 << j)] - r2[without])
    return parts.T.reshape(*correlation.shape[:-2], p)


def _r2_of_subsets(correlation: Floats) -> Floats:
    """R2 of every set of drivers (2^p, batch), by sweeping in one more at a time.

    What is left of the covariance, once a driver is swept in, serves all sets that begin
    with the same drivers. A driver of which nothing is left adds nothing.
    """
    batch = correlation.reshape(-1, *correlation.shape[-2:])
    p = batch.shape[-1] - 1
    r2 = np.zeros((2**p, len(batch)))
    stack = [(0, 0, batch)]
    while stack:
        subset, first, left = stack.pop()
        for j in range(first, p):
            own = left[:, j - first, j - first :]
            pivot = own[:, 0]
            scale = np.where(pivot > NOTHING_LEFT, 1 / np.maximum(pivot, NOTHING_LEFT), 0.0)
            own, rest = own[:, 1:], left[:, j - first + 1 :, j - first + 1 :]
            larger = subset | 1 << j
            r2[larger] = r2[subset] + own[:, -1] ** 2 * scale
            swept = own[:, :, None] * own[:, None, :] * scale[:, None, None]
            stack.append((larger, j + 1, rest - swept))
    return r2


def johnson(correlation: Floats) -> Floats:
    """Divide R2 by way of the nearest uncorrelated stand-ins of the drivers.

    Close to LMG, and quick at any number of drivers [Johnson 2000].

    >>> johnson(np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.3], [0.6, 0.3, 1.0]])).round(2).tolist()
    [0.36, 0.09]
    """
    values, vectors = np.linalg.eigh(correlation[..., :-1, :-1])
    root = np.sqrt(np.maximum(values, 0.0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=values > NOTHING_LEFT)
    turned = np.swapaxes(vectors, -1, -2)
    stand_ins = (vectors * root[..., None, :]) @ turned
    beta = (vectors * inverse[..., None, :]) @ turned @ correlation[..., :-1, -1:]
    return np.asarray((stand_ins**2 @ beta**2)[..., 0])


@one_thread
def correlations(values: Floats, *, draws: int = 0, seed: int = 1) -> Floats:
    """Estimate the correlations of columns with gaps (NaN), and again for each bootstrap draw.

    Shape (1 + draws, columns, columns), the estimate first. Drawn are rows, or a thousand
    random blocks of rows where there are more. With gaps, the estimate has the highest
    likelihood of what is there [full information, Little & Rubin 2019], and a draw is one
    Newton step from it [score bootstrap, Kline & Santos 2012].
    """
    random = np.random.default_rng(seed)
    size = min(len(values), MOST_BLOCKS)
    block = np.arange(len(values)) if size == len(values) else random.integers(0, size, len(values))
    weights = random.multinomial(size, np.full(size, 1 / size), size=draws).astype(float)
    scores = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    rows = Rows.of(scores, block)
    if rows.seen.all():
        weights = np.vstack([np.ones(size), weights])
        sums = np.tensordot(weights[:, rows.block], rows.sums, axes=1)
        means = sums / sums[:, :1, :1]
        return to_correlation(means[:, 1:, 1:] - means[:, 1:, :1] * means[:, :1, 1:])
    likelihood = Likelihood(rows)
    estimate = likelihood.maximum()
    steps = likelihood.steps(estimate, weights - 1.0)
    cov = likelihood.split(estimate)[1]
    moved = _moved(cov, unpack(steps[:, len(cov) :], len(cov)))
    return to_correlation(np.concatenate([cov[None], moved]))


def to_correlation(cov: Floats) -> Floats:
    """Scale covariances; a column that does not vary is uncorrelated."""
    deviation = np.sqrt(np.maximum(np.diagonal(cov, axis1=-2, axis2=-1), 0.0))
    scale = np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0.0)
    scaled = cov * scale[..., :, None] * scale[..., None, :]
    diagonal = np.arange(cov.shape[-1])
    scaled[..., diagonal, diagonal] = 1.0
    return np.asarray(scaled)


def _moved(cov: Floats, steps: Floats) -> Floats:
    """Take steps (draws, columns, columns) along the curves on which covariances stay such.

    They run as exp(step) does from 1 for a variance [Pennec, Fillard & Ayache 2006].
    """
    values, vectors = np.linalg.eigh(cov)
    root, back = vectors * np.sqrt(values), (vectors / np.sqrt(values)).T
    lengths, along = np.linalg.eigh(back @ steps @ back.T)
    along = root @ along
    return np.asarray((along * np.exp(lengths)[:, None, :]) @ along.swapaxes(-1, -2))


@dataclass(frozen=True)
class Rows:
    """Rows added up where they lack the same columns and are of one block: a cell.

    All that the likelihood asks of the rows of a cell is the sum of [1, x] [1, x]', 0 for a gap.
    """

    seen: npt.NDArray[np.bool_]
    """(patterns, columns): which columns are given."""
    pattern: npt.NDArray[np.intp]
    """(cells,), in ascending order."""
    block: npt.NDArray[np.intp]
    """(cells,)"""
    sums: Floats
    """(cells, 1 + columns, 1 + columns)"""

    @classmethod
    def of(cls, values: Floats, block: npt.NDArray[np.intp]) -> Rows:
        """Add up rows (rows, columns)."""
        seen, pattern = np.unique(~np.isnan(values), axis=0, return_inverse=True)
        size = int(block.max()) + 1
        cells, cell = np.unique(pattern.ravel() * size + block, return_inverse=True)
        full = np.column_stack([np.ones(len(values)), np.nan_to_num(values)])
        pairs = zip(*np.triu_indices(full.shape[1]), strict=True)
        sums = np.array([np.bincount(cell, full[:, i] * full[:, j]) for i, j in pairs], dtype=float)
        return cls(seen, cells // size, cells % size, unpack(sums.T, full.shape[1]))


class Likelihood:
    """Log-likelihood of normal rows with gaps, by means and upper triangle of covariances.

    `PRIOR` rows with all columns, at the mean and uncorrelated, are added.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows, self.size = rows, rows.seen.shape[1]
        self.seen = np.vstack([rows.seen, np.ones(self.size, dtype=bool)])  # last, the belief
        starts = np.searchsorted(rows.pattern, np.arange(len(rows.seen)))
        self.sums = np.add.reduceat(rows.sums, starts, axis=0)
        self.upper = np.triu_indices(self.size)
        # a covariance stands in two places
        self.twice = np.where(self.upper[0] == self.upper[1], 1.0, 2.0)

    def split(self, packed: Floats) -> tuple[Floats, Floats]:
        """Return means (columns,) and covariances (columns, columns)."""
        return packed[: self.size], unpack(packed[self.size :], self.size)

    def maximum(self) -> Floats:
        """Return the packed parameters of the highest likelihood."""
        start = np.concatenate([np.zeros(self.size), np.eye(self.size)[self.upper]])
        return maximise(self.derivatives, start, np.full(len(start), WIDEST))

    def steps(self, packed: Floats, weights: Floats) -> Floats:
        """Newton steps (draws, parameters) from the maximum, blocks weighted (draws, blocks)."""
        mean, cov = self.split(packed)
        pattern = self.rows.pattern
        sums = _around(mean, self.seen[pattern], self.rows.sums)
        slopes = self._slopes(self._inverse(cov)[0][pattern], sums)[0]
        cells = np.arange(len(slopes))
        of_blocks = sparse.csr_array((np.ones(len(cells)), (self.rows.block, cells))) @ slopes
        curvature = self.derivatives(packed)[2]
        return np.linalg.solve(-curvature, (weights @ of_blocks).T).T

    def derivatives(self, packed: Floats) -> tuple[float, Floats, Floats]:
        """Return the log-likelihood, its slope and curvature."""
        mean, cov = self.split(packed)
        if np.linalg.eigvalsh(cov)[0] <= 0:
            return -np.inf, np.zeros_like(packed), np.eye(len(packed))
        k, (i, j) = self.size, self.upper
        believed = PRIOR * np.eye(k + 1)[None]
        sums = np.concatenate([_around(mean, self.rows.seen, self.sums), believed])
        inverse, logdet = self._inverse(cov)
        slopes, spread = self._slopes(inverse, sums)
        n = sums[:, :1, :1]
        loglik = -0.5 * (n.ravel() @ logdet + (inverse * sums[:, 1:, 1:]).sum())
        # second derivative along E and F: tr(E A F (n A / 2 - spread)), A the inverse
        rest = 0.5 * n * inverse - spread
        bend = np.tensordot(inverse, rest, axes=(0, 0)).transpose(3, 0, 1, 2)
        bend = bend + bend.transpose(1, 0, 2, 3)
        bend = (bend + bend.transpose(0, 1, 3, 2))[i, j][:, i, j] / 4
        # a step of the mean turns the slope in covariances by -(A step a' + a step' A) / 2
        turn = -0.5 * np.tensordot(slopes[:, :k], inverse, axes=(0, 0))
        turn = (turn + turn.transpose(1, 0, 2))[i, j] * self.twice[:, None]
        curvature = np.empty((len(packed), len(packed)))
        curvature[:k, :k] = -(n * inverse)[:-1].sum(axis=0)  # no belief about the mean
        curvature[k:, :k], curvature[:k, k:] = turn, turn.T
        curvature[k:, k:] = (bend + bend.T) / 2 * self.twice[:, None] * self.twice
        return float(loglik), slopes.sum(axis=0), curvature

    def _inverse(self, cov: Floats) -> tuple[Floats, Floats]:
        """Inverse covariances of the columns seen, 0 elsewhere, and their log determinants."""
        seen = self.seen
        rest = np.eye(self.size) * ~seen[:, None, :]
        of_seen = np.where(seen[:, :, None] & seen[:, None, :], cov, rest)
        return np.linalg.inv(of_seen) - rest, np.linalg.slogdet(of_seen)[1]

    def _slopes(self, inverse: Floats, sums: Floats) -> tuple[Floats, Floats]:
        """Slopes (groups, parameters) of rows added up, and their spread A (x x') A."""
        solved = inverse @ sums[:, 1:]
        spread = solved[:, :, 1:] @ inverse
        slope = 0.5 * (spread - sums[:, :1, :1] * inverse)
        of_cov = slope[:, self.upper[0], self.upper[1]] * self.twice
        return np.hstack([solved[:, :, 0], of_cov]), spread


def _around(mean: Floats, seen: npt.NDArray[np.bool_], sums: Floats) -> Floats:
    """Sums of products of [1, x - mean]."""
    shift = np.tile(np.eye(len(mean) + 1), (len(seen), 1, 1))
    shift[:, 1:, 0] = -mean * seen
    return np.asarray(shift @ sums @ shift.swapaxes(-1, -2))
