"""What customers will still order, and what that is worth today."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.errors import ParameterError, TooThin, TouchlabWarning
from touchlab.numeric import Floats
from touchlab.results import Result
from touchlab.retention import bgnbd, orders
from touchlab.retention.curves import COHORT

YEAR_DAYS = 365.0
FEWEST, FEW, FEWEST_VALUED = 10, 100, 10
"""Repeat customers below which nothing is fitted, all is rough, and values are not fitted."""
CORRELATED = 0.3
NEVER_LEAVES, ALIKE = 1e-3, 300.0
AT_ONCE, EARLY = 0.7, 1 / 12
HEAVY_TAIL = 1.5
EDGES = (0.2, 0.5, 0.8)
BANDS = ("one order", "below 20 %", "20 to 50 %", "50 to 80 %", "80 % and more", "gone (recorded)")
ONE_ORDER, GONE = 0, 5
CONTRACT = (
    "outcome: churn comes once, and lifetime value counts what comes again\n"
    "  use fit_renewals for recorded churn, or name the outcome that is an order"
)


@dataclass(frozen=True, repr=False)
class Lifetime(Result):
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
    history: orders.OrderHistory
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        until = f"{pd.Timestamp(self.until, unit='D'):%Y-%m-%d}"
        return f"Lifetime of {len(self.history.frame):,} customers, {self.outcome} until {until}"

    @property
    def table(self) -> pd.DataFrame:
        return self.parameters

    def summary(self) -> pd.DataFrame:
        return self.value()

    def sentence(
        self, *, horizon_days: float = 365, discount_rate: float = 0.1, currency: str = ""
    ) -> str:
        """Say what a customer is expected to order, and what that is worth today."""
        from touchlab import sentences

        value = self.value(horizon_days=horizon_days, discount_rate=discount_rate)
        return sentences.about_lifetime(value, horizon_days, currency)

    def plot(self, *, by: str = "first_touchpoint") -> Any:
        """Draw what customers of each group are worth."""
        from touchlab import plots

        return plots.plot_lifetime_value(self.value(by=by))

    @property
    def parameters(self) -> pd.DataFrame:
        """Columns: name, estimate, ci_low, ci_high, n (customers; of p, q, v with valued repeats).

        r / alpha is the mean number of orders a week, a / (a + b) the mean chance to leave
        after a repeat order; p v / (q - 1) is the mean value of an order.
        """
        low, high = orders.log_interval(np.exp(self.packed), self.replicates)
        valued = int((self.history.frame.value > 0).sum())
        names = [*bgnbd.NAMES, *bgnbd.SPEND_NAMES][: len(self.packed)]
        numbers = {"estimate": np.exp(self.packed), "ci_low": low, "ci_high": high}
        table = pd.DataFrame({"name": names, **numbers})
        table.loc[table.name == "q", ["estimate", "ci_low", "ci_high"]] += 1.0
        return table.assign(n=[len(self.history.frame)] * 4 + [valued] * (len(names) - 4))

    @property
    def packed(self) -> Floats:
        return self.rates if self.spend is None else np.concatenate([self.rates, self.spend])

    def value(
        self, *, horizon_days: float = 365, discount_rate: float = 0.1, by: str | None = None
    ) -> pd.DataFrame:
        """What a customer is expected to order from now on, and what that is worth today.

        Now is the end of the customer's observation. It is what the business takes in orders,
        no profit, without new customers; groups may differ for reasons other than `by`.

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
            missing (NaN) where orders carry none.
        """
        weeks, discount = look_ahead(horizon_days, discount_rate)
        history = self._history(by)
        cells, names = history.groups
        purchases = self.means(lambda p: history.expected(p[:4], weeks), history)
        value = np.full((3, len(names)), np.nan)
        if self.spend is not None:
            value = self.means(lambda p: history.worth(p, weeks, discount), history)
        table = pd.DataFrame({"group": names})
        table[["expected_purchases", "purchases_low", "purchases_high"]] = purchases.T
        table[["value", "ci_low", "ci_high"]] = value.T
        return table.assign(n=np.bincount(cells, minlength=len(names)))

    def alive(self, *, by: str | None = None) -> pd.DataFrame:
        """Which share of repeat customers is still a customer.

        Columns: group, alive (mean P(alive)), ci_low, ci_high, n (repeat customers). It
        leaves out customers with one order: in BG/NBD nobody leaves before a repeat order.
        """
        history = self._history(by)
        history = orders.order_history(
            history.frame[history.frame.frequency > 0].reset_index(drop=True)
        )
        cells, names = history.groups
        table = pd.DataFrame({"group": names})
        table[["alive", "ci_low", "ci_high"]] = self.means(
            lambda p: bgnbd.chance_alive(p[:4], history.rows)[history.place], history
        ).T
        table["ci_high"] = table.ci_high.clip(upper=1.0)
        return table.assign(n=np.bincount(cells, minlength=len(names)))

    def at_risk(self, *, by: str | None = None) -> pd.DataFrame:
        """How many customers there are in each band of P(alive): who is at risk now.

        Columns: group, band, customers, share (of the group), n (of the group). Customers
        with one order, of whom P(alive) says nothing, and those whose churn is on record
        stand apart.
        """
        history = self._history(by)
        frame, alive = history.frame, bgnbd.chance_alive(self.rates, history.rows)[history.place]
        band = np.where(frame.frequency == 0, ONE_ORDER, 1 + np.digitize(alive, EDGES))
        band = np.where(frame.gone >= frame["last"], GONE, band)
        cells, names = history.groups
        counts = np.bincount(cells * len(BANDS) + band, minlength=len(names) * len(BANDS))
        counts = counts.reshape(len(names), len(BANDS))
        table = pd.DataFrame({"group": np.repeat(names, len(BANDS)), "band": BANDS * len(names)})
        n = counts.sum(axis=1, keepdims=True)
        table = table.assign(customers=counts.ravel(), share=(counts / n).ravel())
        table["n"] = np.repeat(n, len(BANDS))
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
        frame = orders.pull_purchases(self.data, self.outcome, self.until, ids=True)
        history = orders.order_history(frame)
        value = np.full(len(frame), np.nan)
        if self.spend is not None:
            value = history.worth(self.packed, weeks, discount)
        return pd.DataFrame(
            {
                "customer_id": frame.customer_id,
                "orders": frame.frequency.astype(int) + 1,
                "first_order": pd.to_datetime(frame["first"], unit="D"),
                "last_order": pd.to_datetime(frame["last"], unit="D"),
                "alive": bgnbd.chance_alive(self.rates, history.rows)[history.place],
                "expected_purchases": history.expected(self.rates, weeks),
                "value": value,
                "gone": frame.gone.notna(),
            }
        )

    def _history(self, by: str | None) -> orders.OrderHistory:
        if by is None:
            return self.history
        if by == COHORT:
            return replace(self.history, frame=orders.with_cohort(self.history.frame))
        return orders.order_history(
            orders.pull_purchases(self.data, self.outcome, self.until, by=by)
        )

    def means(self, each: Callable[[Floats], Floats], history: orders.OrderHistory) -> Floats:
        """Mean by group of a quantity a customer, and its interval: (3, groups)."""
        cells, names = history.groups
        mean, logs = orders.mean_by_cell(
            each, self.packed, self.replicates, self.draws, history.block, [(cells, len(names))]
        )
        return np.array([mean, *orders.log_interval(mean, logs)])


def fit_lifetime(
    data: Dataset, *, outcome: str = "conversion", until: str | None = None, seed: int = 0
) -> Lifetime:
    """Estimate what customers will still order, and what that is worth.

    For businesses where nobody says goodbye: a shop, not a subscription. Who has left is
    inferred from silence (BG/NBD), what an order is worth from the customer's orders so far
    (Gamma-Gamma). Where churn is recorded, `fit_renewals` uses the record. It does not say
    what made customers valuable; the first order in the data is taken as the first of all.

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
        With ``.parameters``, ``.value()``, ``.alive()``, ``.at_risk()``, ``.per_customer()``.

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
    Intervals bootstrap customers, in 512 blocks (docs/decisions/0012).

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
    last = orders.last_day(data, outcome, until)
    history = orders.order_history(orders.pull_purchases(data, outcome, last))
    lifetime, troubles = fit_history(data, outcome, last, history, orders.draw_blocks(seed))
    for trouble in troubles:
        warnings.warn(trouble, TouchlabWarning, stacklevel=2)
    return lifetime


def look_ahead(horizon_days: float, discount_rate: float) -> tuple[float, float]:
    """Return the weeks ahead and the discount a week; refuse what is neither."""
    if not isinstance(horizon_days, int | float) or not 0 < horizon_days < np.inf:
        raise ParameterError(f"horizon_days: {horizon_days!r} is not a number of days above 0")
    if not isinstance(discount_rate, int | float) or not 0 <= discount_rate < np.inf:
        raise ParameterError(
            f"discount_rate: {discount_rate!r} is not a share a year\n  give 0.1 for 10 %, or 0"
        )
    return horizon_days * orders.DAY, float(np.log1p(discount_rate)) / (YEAR_DAYS * orders.DAY)


def refuse_few(frame: pd.DataFrame, outcome: str, until: int) -> None:
    """Refuse data in which next to nobody came back."""
    end = f"{pd.Timestamp(until, unit='D'):%Y-%m-%d}"
    if frame.empty:
        raise TooThin(f"lifetime: no customer has a {outcome} up to {end}\n  give a later date")
    repeaters = int((frame.frequency > 0).sum())
    if repeaters < FEWEST:
        raise TooThin(
            f"lifetime: {repeaters} of {len(frame):,} customers have a second {outcome} on a "
            f"later day, up to {end}\n"
            f"  at least {FEWEST} are needed to tell buying slowly from having left; "
            "use a longer time or an outcome that recurs"
        )


def find_facts(lifetime: Lifetime) -> list[str]:
    """Say what was merged, left out or not used, and where customers do not differ."""
    frame = lifetime.history.frame
    merged = int((frame.rows - frame.frequency - 1).sum())
    gone, later = int(frame.gone.notna().sum()), int(frame.later.sum())
    unvalued = int((frame.frequency - frame.valued).sum())
    nothing, paid = int((frame.value == 0).sum()), int((frame.value > 0).sum())
    r, _, a, b = np.exp(lifetime.rates)
    facts = {
        f"{lifetime.outcome} outcomes on a day with another one of the same customer: "
        f"{merged:,}; counted as one order": merged,
        f"churn is on record for {gone:,} of {len(frame):,} customers: this model does not use "
        "the record, it infers who left from silence; fit_renewals uses it": gone,
        f"orders after the customer's recorded churn: {later:,}; kept as orders": later,
        f"repeat orders without a value: {unvalued:,}; left out of mean values": (
            unvalued and frame.valued.sum()
        ),
        f"repeat customers with orders of value 0 only: {nothing:,}; their orders count, "
        "their values are left out of the fit of values": nothing,
        f"repeat customers with a value above 0: {paid:,}, too few to say what orders are worth": (
            lifetime.spend is None
        ),
        # then two parameters are known only by their ratio
        "customers do not seem to differ in how often they order": r > ALIKE,
        "customers do not seem to differ in how readily they leave": (
            a + b > ALIKE and a / (a + b) >= NEVER_LEAVES
        ),
    }
    return [fact for fact, holds in facts.items() if holds]


def find_troubles(lifetime: Lifetime) -> list[str]:
    """Name what makes the result weak."""
    frame, first = lifetime.history.frame, lifetime.history.frame["first"]
    repeaters = int((frame.frequency > 0).sum())
    a, b = np.exp(lifetime.rates[2:])
    window = max(lifetime.until - int(first.min()), 1)
    early = float((first < first.min() + EARLY * window).mean())
    value, low, high = lifetime.correlation or (0.0, 0.0, 0.0)
    q = np.inf
    if lifetime.spend is not None and lifetime.correlation is not None:
        q = 1 + np.exp(lifetime.spend[1])
    troubles = {
        f"few repeat customers: {repeaters}; intervals are rough": repeaters < FEW,
        "nobody is seen to leave: P(alive) is near 1 for all; value may be too high": (
            a / (a + b) < NEVER_LEAVES
        ),
        f"{100 * early:.0f} % of customers have their first order in the first twelfth of the "
        "time: if they bought before the data begins, they count as new, and buying looks "
        "the steadier": early > AT_ONCE,
        f"customers who order more often spend {'more' if value > 0 else 'less'} an order: "
        f"correlation {value:.2f} ({low:.2f} to {high:.2f}); the model takes it as none, so "
        "values are off for frequent buyers": abs(value) >= CORRELATED and low * high > 0,
        f"a few customers spend so much an order that the mean hangs on them (q is {q:.2f}): "
        "check large values": q < HEAVY_TAIL,
    }
    return [trouble for trouble, holds in troubles.items() if holds]


def fit_history(
    data: Dataset, outcome: str, until: int, history: orders.OrderHistory, draws: Floats
) -> tuple[Lifetime, list[str]]:
    """Fit customers in memory; also name the troubles."""
    refuse_few(history.frame, outcome, until)
    rates, rate_replicates = orders.fit_rates(history, draws)
    loglik = float(bgnbd.bgnbd_derivatives(rates, history.rows)[0] @ history.rows.weight)
    spend, replicates, correlation = None, rate_replicates, None
    if (history.frame.value > 0).sum() >= FEWEST_VALUED:
        spend, spend_replicates = orders.fit_spend(history, draws)
        replicates = np.concatenate([rate_replicates, spend_replicates], axis=1)
        correlation = orders.correlate(history, draws)
    lifetime = Lifetime(
        data, outcome, until, rates, spend, replicates, loglik, correlation, draws, history
    )
    troubles = find_troubles(lifetime)
    return replace(lifetime, notes=(*find_facts(lifetime), *troubles)), troubles
