"""How much of R2 each driver brings: LMG (exact) and Johnson weights, from correlations alone."""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_EXACT = 12
"""Drivers up to which all 2^p regressions are taken; Johnson weights beyond."""
NOTHING_LEFT = 1e-9
"""Share of a driver's variance below which the drivers before it say all that it says."""


def relative_importance(correlation: Floats) -> Floats:
    """Divide R2 among the drivers: by LMG up to 12 of them, by Johnson weights beyond.

    `correlation` has shape (..., p + 1, p + 1) with the target last; returns (..., p).
    """
    exact = correlation.shape[-1] - 1 <= MOST_EXACT
    return lmg(correlation) if exact else johnson(correlation)


def lmg(correlation: Floats) -> Floats:
    """Average what a driver adds to R2 over all orders in which drivers can enter.

    Exact: the Shapley value of R2, from all 2^p regressions. A driver that repeats others
    shares with them; it never turns negative. It says nothing of causes.

    Parameters
    ----------
    correlation
        Shape (..., p + 1, p + 1): correlations of the drivers and, last, the target.

    Returns
    -------
    numpy.ndarray
        Shape (..., p): parts of R2 that add up to it [Lindeman, Merenda & Gold 1980].

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

    Close to LMG, and quick at any number of drivers.

    Parameters
    ----------
    correlation
        As in `lmg`.

    Returns
    -------
    numpy.ndarray
        Shape (..., p): parts of R2 that add up to it [Johnson 2000].

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
