"""What a fit of lifetime value answers, in tidy frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.errors import ParameterError
from touchlab.retention import bgnbd, gamma_gamma
from touchlab.retention.bags import Places, log_interval, mean_by_cell
from touchlab.retention.book import Book, open_book
from touchlab.retention.newton import Floats
from touchlab.retention.purchases import COHORT, DAY, pull_purchases, to_date, with_cohort

YEAR_DAYS = 365.0
EDGES = (0.2, 0.5, 0.8)
BANDS = ("one order", "below 20 %", "20 to 50 %", "50 to 80 %", "80 % and more", "gone (recorded)")
ONE_ORDER, GONE = 0, 5


@dataclass(frozen=True, repr=False)
class Lifetime:
    """Fitted order counts and values; ask it `.value()`, `.alive()`, `.at_risk()`."""

    data: Dataset
    outcome: str
    until: int
    """The last day of orders counted, as days since 1970."""
    rates: Floats
    """Logarithms of r, alpha (weeks), a and b."""
    spend: Floats | None
    """Logarithms of p, q - 1 and v; None where repeat orders carry no value."""
    replicates: Floats
    """(replicates, 4 or 7): rates and spend of bootstrapped customers."""
    log_likelihood: float
    correlation: tuple[float, float, float] | None
    """Of order count and mean order value, with its interval; None where one does not vary."""
    draws: Floats
    book: Book
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        until = f"{pd.Timestamp(self.until, unit='D'):%Y-%m-%d}"
        return f"Lifetime of {len(self.book.frame):,} customers, {self.outcome} until {until}"

    @property
    def parameters(self) -> pd.DataFrame:
        """Columns: name, estimate, ci_low, ci_high, n (customers; of p, q, v with valued repeats).

        r / alpha is the mean number of orders a week, a / (a + b) the mean chance to leave
        after a repeat order; p v / (q - 1) is the mean value of an order.
        """
        low, high = log_interval(np.exp(self.packed), self.replicates)
        valued = int((self.book.frame.value > 0).sum())
        names = [*bgnbd.NAMES, *gamma_gamma.NAMES][: len(self.packed)]
        numbers = {"estimate": np.exp(self.packed), "ci_low": low, "ci_high": high}
        table = pd.DataFrame({"name": names, **numbers})
        table.loc[table.name == "q", ["estimate", "ci_low", "ci_high"]] += 1.0
        return table.assign(n=[len(self.book.frame)] * 4 + [valued] * (len(names) - 4))

    @property
    def packed(self) -> Floats:
        return self.rates if self.spend is None else np.concatenate([self.rates, self.spend])

    def value(
        self, *, horizon_days: float = 365, discount_rate: float = 0.1, by: str | None = None
    ) -> pd.DataFrame:
        """What a customer is expected to order from now on, and what that is worth today.

        Now is the end of the customer's observation. It is what the business takes in orders,
        no profit; new customers are not in it, and groups that differ may differ for reasons
        other than what they are grouped by.

        Parameters
        ----------
        horizon_days
            How far to look ahead.
        discount_rate
            What an order a year from now is worth less, as a share.
        by
            ``"cohort"`` (month of the first order), ``"first_touchpoint"`` (up to the first
            order) or a trait of ``customers``; None for all together.

        Returns
        -------
        pandas.DataFrame
            ``group, expected_purchases, purchases_low, purchases_high, value, ci_low,
            ci_high, n``: means a customer with 95 % bootstrap intervals; value discounted,
            missing (NaN) where orders carry none; `n` customers.
        """
        weeks, discount = look_ahead(horizon_days, discount_rate)
        book = self._book(by)
        cells, names = book.groups
        purchases = self.means(lambda p: book.expected(p[:4], weeks), book)
        value = np.full((3, len(names)), np.nan)
        if self.spend is not None:
            value = self.means(
                lambda p: book.expected(p[:4], weeks, discount) * book.expected_value(p[4:]), book
            )
        table = pd.DataFrame({"group": names})
        table[["expected_purchases", "purchases_low", "purchases_high"]] = purchases.T
        table[["value", "ci_low", "ci_high"]] = value.T
        return table.assign(n=np.bincount(cells, minlength=len(names)))

    def alive(self, *, by: str | None = None) -> pd.DataFrame:
        """Which share of repeat customers is still a customer.

        Columns: group, alive (mean P(alive)), ci_low, ci_high, n (repeat customers). It
        leaves out customers with one order: in BG/NBD nobody leaves before a repeat order.
        """
        book = self._book(by)
        book = open_book(book.frame[book.frame.frequency > 0].reset_index(drop=True))
        cells, names = book.groups
        table = pd.DataFrame({"group": names})
        table[["alive", "ci_low", "ci_high"]] = self.means(
            lambda p: bgnbd.chance_alive(p[:4], book.rows)[book.place], book
        ).T
        table["ci_high"] = table.ci_high.clip(upper=1.0)
        return table.assign(n=np.bincount(cells, minlength=len(names)))

    def at_risk(self, *, by: str | None = None) -> pd.DataFrame:
        """How many customers there are in each band of P(alive): who is at risk now.

        Columns: group, band, customers, share (of the group), n (customers of the
        group). Customers with one order stand apart, as P(alive) says nothing of them, and
        so do those whose churn is on record. A band is a count: it names nobody.
        """
        book = self._book(by)
        band = _bands(book, self.rates)
        cells, names = book.groups
        counts = np.bincount(cells * len(BANDS) + band, minlength=len(names) * len(BANDS))
        counts = counts.reshape(len(names), len(BANDS))
        table = pd.DataFrame(
            {
                "group": np.repeat(names, len(BANDS)),
                "band": list(BANDS) * len(names),
                "customers": counts.ravel(),
                "share": (counts / counts.sum(axis=1, keepdims=True)).ravel(),
                "n": np.repeat(counts.sum(axis=1), len(BANDS)),
            }
        )
        if not counts[:, GONE].any():
            table = table[table.band != BANDS[GONE]].reset_index(drop=True)
        return table

    def per_customer(
        self, *, horizon_days: float = 365, discount_rate: float = 0.1
    ) -> pd.DataFrame:
        """List customers for the analyst's own use; it names people and belongs in no report.

        Columns: customer_id, orders, first_order, last_order, alive, expected_purchases,
        value, gone (churn is on record).
        """
        weeks, discount = look_ahead(horizon_days, discount_rate)
        frame = pull_purchases(self.data, self.outcome, self.until, ids=True)
        book = open_book(frame)
        value = np.full(len(frame), np.nan)
        if self.spend is not None:
            orders = book.expected(self.rates, weeks, discount)
            value = orders * book.expected_value(self.spend)
        return pd.DataFrame(
            {
                "customer_id": frame.customer_id,
                "orders": frame.frequency.astype(int) + 1,
                "first_order": to_date(frame["first"]),
                "last_order": to_date(frame["last"]),
                "alive": bgnbd.chance_alive(self.rates, book.rows)[book.place],
                "expected_purchases": book.expected(self.rates, weeks),
                "value": value,
                "gone": frame.gone.notna(),
            }
        )

    def _book(self, by: str | None) -> Book:
        if by is None:
            return self.book
        if by == COHORT:
            return replace(self.book, frame=with_cohort(self.book.frame))
        return open_book(pull_purchases(self.data, self.outcome, self.until, by=by))

    def means(self, each: Callable[[Floats], Floats], book: Book) -> Floats:
        """Mean by group of a quantity a customer, and its interval: (3, groups)."""
        cells, names = book.groups
        found = self.packed, self.replicates, self.draws
        mean, logs = mean_by_cell(each, *found, book.bag, cells, len(names))
        return np.array([mean, *log_interval(mean, logs)])


def look_ahead(horizon_days: float, discount_rate: float) -> tuple[float, float]:
    """Return the weeks ahead and the discount a week; refuse what is neither."""
    if not isinstance(horizon_days, int | float) or not 0 < horizon_days < np.inf:
        raise ParameterError(f"horizon_days: {horizon_days!r} is not a number of days above 0")
    if not isinstance(discount_rate, int | float) or not 0 <= discount_rate < np.inf:
        raise ParameterError(
            f"discount_rate: {discount_rate!r} is not a share a year\n  give 0.1 for 10 %, or 0"
        )
    return horizon_days * DAY, float(np.log1p(discount_rate)) / (YEAR_DAYS * DAY)


def _bands(book: Book, rates: Floats) -> Places:
    alive = bgnbd.chance_alive(rates, book.rows)[book.place]
    band = 1 + np.digitize(alive, EDGES)
    band = np.where(book.frame.frequency == 0, ONE_ORDER, band)
    gone = book.frame.gone.notna() & (book.frame.gone >= book.frame["last"])
    return np.where(gone, GONE, band).astype(np.intp)
