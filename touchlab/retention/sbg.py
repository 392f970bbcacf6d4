"""Shifted-beta-geometric: how many contracts are left after each renewal.

At each renewal a customer leaves with a chance that differs between customers (beta) and
stays the same for each. Many of those likely to leave do so early, so that retention rises
with age although nobody becomes more loyal [Fader & Hardie 2007, How to project customer
retention]. Packed as log alpha and log beta; alpha / (alpha + beta) leave at first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, polygamma, psi

from touchlab.retention.bags import refit
from touchlab.retention.newton import SCALE, SHAPE, Floats, in_logs, maximise, unpack

NAMES = ("alpha", "beta")
BOUND = np.array([SHAPE, SCALE])
START = np.log([1.0, 3.0])


def fit_sbg(made: Floats, left: Floats, weight: Floats, draws: Floats) -> tuple[Floats, Floats]:
    """Fit rows of customers alike, and replicates with other weights: (2,), (replicates, 2).

    Each row made so many renewals and then left (1) or is still there (0).
    """

    def derivatives(packed: Floats) -> tuple[float, Floats, Floats]:
        loglik, slope, triangle = sbg_derivatives(packed, made, left)
        return float(loglik @ weight), slope @ weight, unpack(triangle @ weight, 2)

    packed = maximise(derivatives, START, BOUND)
    _, slope, triangle = sbg_derivatives(packed, made, left)
    return packed, refit(packed, slope.T, triangle.T, draws)


def sbg_derivatives(packed: Floats, made: Floats, left: Floats) -> tuple[Floats, Floats, Floats]:
    """Log-likelihood (n,), slopes (2, n) and curvatures (3, n, upper triangle) of rows.

    Both leaving at renewal t and being there after it are ratios of beta functions:
    B(alpha + 1, beta + t - 1) / B(alpha, beta) and B(alpha, beta + t) / B(alpha, beta).
    """
    alpha, beta = theta = np.exp(packed)
    total = alpha + beta + made + left
    loglik = betaln(alpha + left, beta + made) - betaln(alpha, beta)
    whole = psi(alpha + beta) - psi(total)
    slope = np.stack([whole + psi(alpha + left) - psi(alpha), whole + psi(beta + made) - psi(beta)])
    bend = polygamma(1, alpha + beta) - polygamma(1, total)
    triangle = np.stack(
        [
            bend + polygamma(1, alpha + left) - polygamma(1, alpha),
            bend,
            bend + polygamma(1, beta + made) - polygamma(1, beta),
        ]
    )
    return loglik, *in_logs(theta, slope, triangle)


def survival(packed: Floats, renewals: npt.ArrayLike) -> Floats:
    """Share of customers left after each number of renewals."""
    alpha, beta = np.exp(packed)
    return np.asarray(np.exp(betaln(alpha, beta + np.asarray(renewals)) - betaln(alpha, beta)))


def residual(left: Floats, worth: Floats) -> Floats:
    """Worth of the renewals ahead by renewals made, n: the sum of worth_t S(n + t) / S(n).

    `left` is survival, as far as `worth` (t,) leads beyond the last n.
    """
    made = len(left) - len(worth)
    later = np.lib.stride_tricks.sliding_window_view(left[1:], len(worth))
    return np.asarray(later[:made] @ worth / left[:made])
