"""How often customers buy and whether they still do (BG/NBD), and what an order is worth.

BG/NBD: a customer buys at a rate that differs between customers (gamma), and after each
repeat purchase leaves for good with a probability that differs too (beta). Nobody says when
they leave: it is inferred from silence [Fader, Hardie & Lee 2005, "Counting your customers"
the easy way]. Parameters are r and alpha (rate), a and b (leaving), packed as their
logarithms; times are in any one unit.

Gamma-Gamma: orders of a customer scatter around the customer's own mean (gamma, shape p),
and the means differ between customers (inverse gamma, shape q, scale v); how much does not
depend on how often [Fader & Hardie 2013, The Gamma-Gamma model of monetary value]. Packed as
log p, log(q - 1), log v: with q at or below 1 there is no mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammaln, hyp2f1, polygamma, psi

from touchlab.numeric import SCALE, SHAPE, Floats, add_up, in_logs, maximise

NAMES, SPEND_NAMES = ("r", "alpha", "a", "b"), ("p", "q", "v")
START = np.log([0.5, 1.0, 1.0, 2.5])
BOUND = np.array([SHAPE, SCALE, SHAPE, SHAPE])
SPEND_BOUND = np.array([SHAPE, SHAPE, SCALE])
ROUGH = 5_000
"""Rows of a first fit, from which the fit of more rows starts."""
LARGE = 50.0
NODES = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True)
class Alike:
    """Customers alike in repeat purchases, recency and age: a row each kind."""

    frequency: Floats
    recency: Floats
    age: Floats
    weight: Floats
    """How many customers are of this kind."""


def merge_alike(
    frequency: Floats, recency: Floats, age: Floats, *, unit: float
) -> tuple[Alike, npt.NDArray[np.intp]]:
    """Merge customers alike, times being multiples of `unit`; also say where each one went."""
    code = np.zeros(len(frequency), dtype=np.int64)
    for values in (frequency, recency / unit, age / unit):
        whole = np.rint(values).astype(np.int64)
        code = code * (int(whole.max(initial=0)) + 1) + whole
    _, first, place, weight = np.unique(
        code, return_index=True, return_inverse=True, return_counts=True
    )
    return Alike(frequency[first], recency[first], age[first], weight.astype(float)), place


def fit_bgnbd(rows: Alike) -> Floats:
    """Maximise the likelihood; a sample of the rows leads to the start."""
    step = len(rows.weight) // ROUGH
    if step > 1:
        some = (rows.frequency, rows.recency, rows.age, rows.weight)
        start = fit_bgnbd(Alike(*(values[::step] for values in some)))
    else:
        start = START + np.log([1.0, np.average(rows.age, weights=rows.weight), 1.0, 1.0])
    return maximise(add_up(partial(bgnbd_derivatives, rows=rows), rows.weight), start, BOUND)


def bgnbd_derivatives(packed: Floats, rows: Alike) -> tuple[Floats, Floats, Floats]:
    """Log-likelihood (n,), slopes (4, n) and curvatures (10, n) of each kind of customer.

    Derivatives are in the logarithms; curvatures are upper triangles.
    """
    r, alpha, a, b = theta = np.exp(packed)
    x, place = np.unique(rows.frequency, return_inverse=True)
    since, last, shape = alpha + rows.age, alpha + rows.recency, r + rows.frequency
    log_since, log_last = np.log(since), np.log(last)
    after = np.where(rows.frequency > 0, b + rows.frequency - 1, 1.0)
    alive = -shape * log_since
    gone = np.where(rows.frequency > 0, np.log(a / after) - shape * log_last, -np.inf)
    by_x = gammaln(r + x) - gammaln(r) + r * packed[1]
    by_x += gammaln(a + b) - gammaln(b) + gammaln(b + x) - gammaln(a + b + x)
    loglik = by_x[place] + np.logaddexp(alive, gone)

    w = expit(gone - alive)  # the chance to have left
    by_r, by_alpha = log_since - log_last, shape / since - shape / last
    by_a, by_b = np.full_like(w, 1 / a), -1 / after
    leave = psi(a + b) - psi(a + b + x)
    slope = np.stack(
        [
            (psi(r + x) - psi(r) + packed[1])[place] - log_since + w * by_r,
            r / alpha - shape / since + w * by_alpha,
            leave[place] + w * by_a,
            (leave - psi(b) + psi(b + x))[place] + w * by_b,
        ]
    )
    i, j = np.triu_indices(4)
    between = np.stack([by_r, by_alpha, by_a, by_b])
    triangle = w * (1 - w) * between[i] * between[j]
    bend = polygamma(1, a + b) - polygamma(1, a + b + x)
    triangle[0] += (polygamma(1, r + x) - polygamma(1, r))[place]
    triangle[1] += 1 / alpha - 1 / since + w * (1 / since - 1 / last)
    triangle[4] += (1 - w) * shape / since**2 + w * shape / last**2 - r / alpha**2
    triangle[7] += bend[place] - w / a**2
    triangle[8] += bend[place]
    triangle[9] += (bend - polygamma(1, b) + polygamma(1, b + x))[place] + w / after**2
    return loglik, *in_logs(theta, slope, triangle)


def chance_alive(packed: Floats, rows: Alike) -> Floats:
    """P(alive) at the end of the age; 1 after a single order, where the model has no leaving."""
    r, alpha, a, b = np.exp(packed)
    before = np.where(rows.frequency > 0, b + rows.frequency - 1, 1.0)
    gone = np.log(a / before)
    gone += (r + rows.frequency) * (np.log(alpha + rows.age) - np.log(alpha + rows.recency))
    return np.where(rows.frequency > 0, expit(-gone), 1.0)


def expected_if_alive(
    packed: Floats,
    frequency: Floats,
    age: Floats,
    until: Floats,
    *,
    begin: float = 0.0,
    discount: float = 0.0,
) -> Floats:
    """Purchases from `begin` to `until` of customers alive at `age`, discounted at a rate.

    The integral of E[rate exp(-rate p t)] exp(-discount t) over t, by quadrature; undiscounted
    it equals the closed form of the source. Times count from `age`; arrays have one shape.
    """
    later, weight = _quadrature(packed, age, begin, until)
    rate = _intensity(packed, frequency[..., None], age[..., None], later)
    return np.asarray((rate * np.exp(-discount * later) * weight).sum(axis=-1))


def pairs_if_alive(
    packed: Floats, frequency: Floats, age: Floats, until: Floats, *, begin: float = 0.0
) -> Floats:
    """E[Y (Y - 1)] of the number Y of purchases from `begin` to `until`, if alive at `age`.

    Two purchases at s < t have the joint rate E[rate^2 (1 - p) exp(-rate p t)], whatever s is.
    """
    later, weight = _quadrature(packed, age, begin, until)
    both = _intensity(packed, frequency[..., None], age[..., None], later, order=2)
    return np.asarray(2 * (both * (later - begin) * weight).sum(axis=-1))


def _quadrature(packed: Floats, age: Floats, begin: float, until: Floats) -> tuple[Floats, Floats]:
    """Times and weights; even in log(alpha + age + t), in which what is integrated is smooth."""
    since = (np.exp(packed[1]) + age)[..., None]
    first, last = np.log1p(begin / since), np.log1p(until[..., None] / since)
    at = first + (last - first) * (NODES[0] + 1) / 2
    return since * np.expm1(at), since * np.exp(at) * (last - first) * NODES[1] / 2


def _intensity(
    packed: Floats, frequency: Floats, age: Floats, later: Floats, *, order: int = 1
) -> Floats:
    """E[rate^k (1 - p)^(k - 1) exp(-rate p t)] over rate and p of customers alive at `age`.

    Where the series overflows, customers leave with one and the same chance.
    """
    r, alpha, a, b = np.exp(packed)
    shape, since, total = r + frequency, alpha + age, a + b + frequency
    first = shape / since
    if order == 2:
        first = first * (shape + 1) / since * (b + frequency) / total
        total = total + 1
    ratio, power = since / (since + later), shape + order
    with np.errstate(invalid="ignore", over="ignore"):
        # Pfaff's two transformations: the argument stays between 0 and 1, and one does not overflow
        if a < LARGE:
            decay = ratio**a * hyp2f1(a, total - power, total, 1 - ratio)
        else:
            decay = ratio**power * hyp2f1(power, total - a, total, 1 - ratio)
    alike = (1 + a / total * later / since) ** -power
    return np.asarray(first * np.where(np.isfinite(decay), decay, alike))


def spend_parameters(packed: Floats) -> Floats:
    """Return p, q and v."""
    return np.exp(packed) + np.array([0.0, 1.0, 0.0])


def fit_gamma_gamma(orders: Floats, mean: Floats) -> Floats:
    """Maximise the likelihood over customers with `orders` orders of `mean` value above 0."""
    start = np.array([np.log(2.0), np.log(2.0), np.log(mean).mean()])
    each = partial(spend_derivatives, orders=orders, mean=mean)
    return maximise(add_up(each, np.ones(len(mean))), start, SPEND_BOUND)


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
