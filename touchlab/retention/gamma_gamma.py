"""Gamma-Gamma: what a customer's order is worth on average, from the orders seen so far.

Orders of a customer scatter around the customer's own mean (gamma, shape p), and the means
differ between customers (inverse gamma, shape q, scale v); how much does not depend on how
often [Fader & Hardie 2013, The Gamma-Gamma model of monetary value]. Packed as log p,
log(q - 1), log v: with q at or below 1 there is no mean.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, polygamma, psi

from touchlab.numeric import SCALE, SHAPE, Floats, in_logs, maximise, unpack

NAMES = ("p", "q", "v")
BOUND = np.array([SHAPE, SHAPE, SCALE])


def spend_parameters(packed: Floats) -> Floats:
    """Return p, q and v."""
    return np.exp(packed) + np.array([0.0, 1.0, 0.0])


def fit_gamma_gamma(orders: Floats, mean: Floats) -> Floats:
    """Maximise the likelihood over customers with `orders` orders of `mean` value above 0."""

    def derivatives(packed: Floats) -> tuple[float, Floats, Floats]:
        loglik, slope, triangle = spend_derivatives(packed, orders, mean)
        return float(loglik.sum()), slope.sum(axis=1), unpack(triangle.sum(axis=1), 3)

    typical = float(np.exp(np.log(mean).mean()))
    return maximise(derivatives, np.log([2.0, 2.0, typical]), BOUND)


def spend_derivatives(
    packed: Floats, orders: Floats, mean: Floats
) -> tuple[Floats, Floats, Floats]:
    """Log-likelihood (n,), slopes (3, n) and curvatures (6, n, upper triangle) of customers."""
    p, q, v = spend_parameters(packed)
    x, place = np.unique(orders, return_inverse=True)
    sums, shape = v + orders * mean, p * orders + q
    log_sums, log_total = np.log(sums), np.log(orders * mean)
    by_x = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * packed[2]
    loglik = by_x[place] + p * orders * log_total - np.log(mean) - shape * log_sums
    digamma = psi(p * x + q)
    slope = np.stack(
        [
            (x * (digamma - psi(p * x)))[place] + orders * (log_total - log_sums),
            (digamma - psi(q) + packed[2])[place] - log_sums,
            q / v - shape / sums,
        ]
    )
    bend = polygamma(1, p * x + q)
    triangle = np.stack(
        [
            (x**2 * (bend - polygamma(1, p * x)))[place],
            (x * bend)[place],
            -orders / sums,
            (bend - polygamma(1, q))[place],
            1 / v - 1 / sums,
            shape / sums**2 - q / v**2,
        ]
    )
    return loglik, *in_logs(np.exp(packed), slope, triangle)


def expected_value(packed: Floats, orders: Floats, mean: Floats) -> Floats:
    """Expected value of the next order; without orders so far, that of all customers."""
    p, q, v = spend_parameters(packed)
    return np.asarray(p * (v + orders * mean) / (p * orders + q - 1))
