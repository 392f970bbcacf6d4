"""Incremental outcomes: what would not have happened without a touchpoint.

Every moment carries its expected events mu; with hazard ratio r_k at the moment,
touchpoint k alone accounts for mu (1 - 1 / r_k). Moments and events together are
one sample of all time at risk with weight mu, and mu adds up to the observed
outcomes (the score equation of the intercept), so expected is observed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def removal(expected: Floats, log_ratio: Floats, cells: Floats) -> Floats:
    """Expected outcomes lost when one touchpoint is removed; (touchpoints, cells).

    `expected` (moments,), `log_ratio` (touchpoints, moments), `cells` (moments, cells):
    the weight of each moment in each segment.
    """
    return (expected * -np.expm1(-log_ratio)) @ cells


def baseline(expected: Floats, log_ratio: Floats, cells: Floats) -> Floats:
    """Expected outcomes without any touchpoint; (cells,)."""
    return (expected * np.exp(-log_ratio.sum(axis=0))) @ cells


def fair_shares(expected: Floats, log_ratio: Floats, cells: Floats) -> Floats:
    """Shapley shares of expected minus baseline; (touchpoints, cells), exact at any number.

    For v(S) = sum of base * prod of r_k over k in S, the multilinear extension along
    the diagonal has the slope base * (r_k - 1) * prod_{j != k} (1 + q (r_j - 1)), a
    polynomial of degree touchpoints - 1 in q, which Gauss-Legendre quadrature with
    half as many nodes integrates exactly [Owen 1972]. No coalition is enumerated.
    """
    count = len(log_ratio)
    nodes, weights = np.polynomial.legendre.leggauss(count // 2 + 1)
    gain = np.expm1(log_ratio)
    base = expected * np.exp(-log_ratio.sum(axis=0))
    shares = np.zeros((count, cells.shape[1]))
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        factor = 1 + node * gain
        whole = base * np.prod(factor, axis=0)
        shares += weight * ((whole * gain / factor) @ cells)
    return shares
