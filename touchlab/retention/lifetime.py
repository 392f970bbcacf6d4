"""Customer lifetime value where nobody says goodbye: BG/NBD with Gamma-Gamma."""

from __future__ import annotations

import warnings

import numpy as np

from touchlab.dataset import Dataset
from touchlab.errors import ParameterError, TouchlabWarning
from touchlab.retention import bgnbd, gamma_gamma
from touchlab.retention.bags import draw_bags, refit, sum_bags
from touchlab.retention.book import Book, open_book
from touchlab.retention.lifetime_result import Lifetime
from touchlab.retention.lifetime_troubles import find_facts, find_troubles, refuse_few
from touchlab.retention.newton import Floats
from touchlab.retention.purchases import last_day, pull_purchases

FEWEST_VALUED = 10
"""Repeat customers with a value, below which values are not fitted."""
CONTRACT = (
    "outcome: churn comes once, and lifetime value counts what comes again\n"
    "  use fit_renewals for recorded churn, or name the outcome that is an order"
)


def fit_lifetime(
    data: Dataset, *, outcome: str = "conversion", until: str | None = None, seed: int = 0
) -> Lifetime:
    """Estimate what customers will still order, and what that is worth.

    For businesses where nobody says goodbye: a shop, not a subscription. Who has left is
    inferred from silence (BG/NBD), what an order is worth from the customer's orders so far
    (Gamma-Gamma). Where churn is recorded, `fit_renewals` uses the record. It does not say
    what made customers valuable, and it takes the first order in the data as the customer's
    first.

    Parameters
    ----------
    data
        An opened Dataset; `value` of the outcome, where given, is the value of the order.
    outcome
        The outcome that is an order. Orders of one customer on one day (UTC) count as one.
    until
        The last day of orders counted (``"2026-02-28"``); None for all of the data.
    seed
        Of the bootstrap.

    Returns
    -------
    Lifetime
        With ``.parameters``, ``.value()``, ``.alive()``, ``.at_risk()``, ``.per_customer()``
        and ``.notes``.

    Raises
    ------
    ParameterError, DataError
        For unknown outcomes or dates, and where fewer than 10 customers came back.

    Warns
    -----
    TouchlabWarning
        For each trouble that leaves a usable result; also in ``.notes``.

    Notes
    -----
    BG/NBD [Fader, Hardie & Lee 2005], Gamma-Gamma [Fader & Hardie 2013], times in weeks.
    Intervals bootstrap customers, in 512 bags (docs/decisions/0012).

    Examples
    --------
    >>> import touchlab as tl
    >>> from touchlab.retention.lifetime import fit_lifetime
    >>> lifetime = fit_lifetime(tl.open_data("data/sample"))
    >>> lifetime.value(horizon_days=180).columns.tolist()[:2]
    ['group', 'expected_purchases']
    """
    if outcome == "churn":
        raise ParameterError(CONTRACT)
    last = last_day(data, outcome, until)
    book = open_book(pull_purchases(data, outcome, last))
    lifetime, troubles = fit_book(data, outcome, last, book, draw_bags(seed))
    for trouble in troubles:
        warnings.warn(trouble, TouchlabWarning, stacklevel=2)
    return lifetime


def fit_book(
    data: Dataset, outcome: str, until: int, book: Book, draws: Floats
) -> tuple[Lifetime, list[str]]:
    """Fit customers in memory; also name the troubles."""
    refuse_few(book.frame, outcome, until)
    rates, rate_replicates = fit_rates(book, draws)
    loglik = float(bgnbd.bgnbd_derivatives(rates, book.rows)[0] @ book.rows.weight)
    spend, replicates, correlation = None, rate_replicates, None
    if (book.frame.value > 0).sum() >= FEWEST_VALUED:
        spend, spend_replicates = fit_spend(book, draws)
        replicates = np.concatenate([rate_replicates, spend_replicates], axis=1)
        correlation = correlate(book, draws)
    found = (data, outcome, until, rates, spend, replicates, loglik, correlation, draws, book)
    lifetime = Lifetime(*found)
    troubles = find_troubles(lifetime)
    return Lifetime(*found, (*find_facts(lifetime), *troubles)), troubles


def fit_rates(book: Book, draws: Floats) -> tuple[Floats, Floats]:
    """Fit BG/NBD and its bootstrap replicates: (4,) and (replicates, 4)."""
    rates = bgnbd.fit_bgnbd(book.rows)
    _, slope, triangle = bgnbd.bgnbd_derivatives(rates, book.rows)
    each = np.concatenate([slope, triangle])
    sums = np.column_stack([sum_bags(row[book.place], book.bag)[:, 0] for row in each])
    return rates, refit(rates, sums[:, :4], sums[:, 4:], draws)


def fit_spend(book: Book, draws: Floats) -> tuple[Floats, Floats]:
    """Fit Gamma-Gamma to repeat orders and its bootstrap replicates: (3,), (replicates, 3)."""
    orders, mean = book.spent
    paid = mean > 0
    spend = gamma_gamma.fit_gamma_gamma(orders[paid], mean[paid])
    _, slope, triangle = gamma_gamma.spend_derivatives(spend, orders[paid], mean[paid])
    each = np.concatenate([slope, triangle])
    sums = np.column_stack([sum_bags(row, book.bag[paid])[:, 0] for row in each])
    return spend, refit(spend, sums[:, :3], sums[:, 3:], draws)


def correlate(book: Book, draws: Floats) -> tuple[float, float, float] | None:
    """Correlate order count and mean order value of repeat customers, with its interval."""
    _, mean = book.spent
    paid = mean > 0
    x, z = book.frame.frequency.to_numpy()[paid], mean[paid]
    if not (np.ptp(x) and np.ptp(z)):
        return None
    sums = [sum_bags(v, book.bag[paid])[:, 0] for v in (np.ones_like(z), x, z, x * x, z * z, x * z)]
    n, x, z, xx, zz, xz = (np.append(one.sum(), draws @ one) for one in sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (xz - x * z / n) / np.sqrt((xx - x * x / n) * (zz - z * z / n))
    low, high = np.nanquantile(value[1:], [0.025, 0.975])
    return float(value[0]), float(low), float(high)
