"""Is lifetime value any good: predict the orders of a later time, and look."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.errors import ParameterError, TooThin, TouchlabWarning
from touchlab.numeric import Floats, Z
from touchlab.results import Result
from touchlab.retention import bgnbd, orders
from touchlab.retention.lifetime import CONTRACT, Lifetime, fit_history

Edges = npt.NDArray[np.int64]

FEWEST_WEEKS = 4
DAYS = 7
COLUMNS = ["week", "part", "actual", "predicted", "ci_low", "ci_high", "n"]


@dataclass(frozen=True, repr=False)
class Validation(Result):
    """Repeat orders week by week, and in all, as predicted and as they came.

    `weeks`: week (its first day), part (``fit`` or ``holdout``), actual, predicted, ci_low,
    ci_high, n (customers). The holdout is predicted from what each customer did before it,
    with a 95 % prediction interval; before, it is the fitted curve. `total`, of the holdout,
    adds error (predicted over actual, less 1).
    """

    weeks: pd.DataFrame
    total: pd.DataFrame
    lifetime: Lifetime
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        return self.total

    def sentence(self) -> str:
        """Say how good the prediction was for weeks that the model had not seen."""
        from touchlab import sentences

        return sentences.about_validation(self.total, self.weeks)

    def plot(self) -> Any:
        """Draw orders week by week, as predicted and as they came."""
        from touchlab import plots

        return plots.plot_validation(self.weeks, self.total)


def validate_lifetime(
    data: Dataset,
    *,
    outcome: str = "conversion",
    split: str | None = None,
    until: str | None = None,
    seed: int = 0,
) -> Validation:
    """Fit lifetime value on the first part of the time and predict the orders of the rest.

    It checks order counts, not values, and says nothing of customers who first order after
    the split. A fit that held once need not hold again.

    Parameters
    ----------
    data, outcome, until, seed
        As in `fit_lifetime`, as are errors.
    split
        The last day of the first part (``"2026-02-28"``); None for the middle.

    Returns
    -------
    Validation
        With ``.weeks``, ``.total``, ``.lifetime`` (the fit on the first part) and ``.notes``.

    Raises
    ------
    ParameterError, DataError
        Also where fewer than four whole weeks are left to predict.

    Notes
    -----
    The interval adds the spread of bootstrapped parameters to the variance of future orders
    given each customer's past, which the model implies: E[Y] + E[Y (Y - 1)] - E[Y]^2.

    Examples
    --------
    >>> import touchlab as tl
    >>> from touchlab.retention.validation import validate_lifetime
    >>> check = validate_lifetime(tl.open_data("data/sample"), split="2025-08-31")
    >>> check.weeks.columns.tolist()
    ['week', 'part', 'actual', 'predicted', 'ci_low', 'ci_high', 'n']
    """
    if outcome == "churn":
        raise ParameterError(CONTRACT)
    last = orders.last_day(data, outcome, until)
    first = min(int(orders.order_days(data, outcome).day.min().to_pyarrow().as_py()), last)
    middle = (first + last) // 2 if split is None else orders.read_day(split, "split")
    weeks = (last - middle) // DAYS
    if not first < middle or weeks < FEWEST_WEEKS:
        shown = [f"{pd.Timestamp(day, unit='D'):%Y-%m-%d}" for day in (middle, first, last)]
        refused = TooThin if split is None else ParameterError
        raise refused(
            f"split: {shown[0]} leaves too little before or after it, in orders from {shown[1]} "
            f"to {shown[2]}\n  give a day with at least {FEWEST_WEEKS} weeks after it"
        )
    watched = orders.purchase_table(data, outcome, last)
    watched = watched.filter(watched.end == last).select("customer_id", "first")
    known = watched.filter(watched["first"] <= middle)
    history = orders.order_history(orders.pull_purchases(data, outcome, middle, only=known))
    lifetime, troubles = fit_history(data, outcome, middle, history, orders.draw_blocks(seed))
    for trouble in troubles:
        warnings.warn(trouble, TouchlabWarning, stacklevel=2)
    days = orders.order_days(data, outcome).inner_join(known, "customer_id")
    days = days.filter((days.day > days["first"]) & (days.day <= middle + DAYS * weeks))
    counts = days.group_by("day").aggregate(orders=days.count()).to_pandas()
    table = pd.concat(
        [_fitted(lifetime, counts, middle, first), _predicted(lifetime, counts, middle, weeks)],
        ignore_index=True,
    )
    total = orders_between(lifetime, np.array([0, weeks]))
    came = counts.orders[counts.day > middle].sum()
    total = total.assign(actual=float(came), error=total.predicted / came - 1, n=len(history.frame))
    total = total[["actual", "predicted", "ci_low", "ci_high", "error", "n"]]
    return Validation(table, total, lifetime, lifetime.notes)


def _fitted(lifetime: Lifetime, counts: pd.DataFrame, middle: int, first: int) -> pd.DataFrame:
    """Weeks before the split: orders expected of customers by their first day alone."""
    weeks = (middle - first + 1) // DAYS
    ends = middle - DAYS * np.arange(weeks, -1, -1)
    ages = np.arange(float(middle - first + 1)) * orders.DAY
    zero = np.zeros_like(ages)
    curve = bgnbd.expected_if_alive(lifetime.rates, zero, zero, ages)
    born = np.bincount(lifetime.history.frame["first"] - first, minlength=len(ages))
    # customers of one first day share a curve; those yet to come add nothing
    age = ends[:, None] - (first + np.arange(len(ages)))[None, :]
    expected = np.where(age > 0, curve[np.maximum(age, 0)], 0.0) @ born
    table = _weeks(counts, ends, "fit", len(lifetime.history.frame))
    return table.assign(predicted=np.diff(expected), ci_low=np.nan, ci_high=np.nan)[COLUMNS]


def _predicted(lifetime: Lifetime, counts: pd.DataFrame, middle: int, weeks: int) -> pd.DataFrame:
    edges = np.arange(weeks + 1)
    table = _weeks(counts, middle + DAYS * edges, "holdout", len(lifetime.history.frame))
    return pd.concat([table, orders_between(lifetime, edges)], axis=1)[COLUMNS]


def _weeks(counts: pd.DataFrame, ends: Edges, part: str, n: int) -> pd.DataFrame:
    """Count the orders between one end (excluded) and the next (included)."""
    inside = counts[(counts.day > ends[0]) & (counts.day <= ends[-1])]
    place = np.searchsorted(ends, inside.day, side="left") - 1
    came = np.bincount(place, weights=inside.orders, minlength=len(ends) - 1)
    start = pd.to_datetime(ends[:-1] + 1, unit="D")
    return pd.DataFrame({"week": start, "part": part, "actual": came, "n": n})


def orders_between(lifetime: Lifetime, edges: Edges) -> pd.DataFrame:
    """Orders predicted between edges (weeks after the split): predicted, ci_low, ci_high."""
    rates, replicates = lifetime.rates, lifetime.replicates[:, :4]
    mean, logs = orders.follow(
        lambda given: _mean(given, lifetime.history, edges), rates, replicates
    )
    error = mean * logs.std(axis=0, ddof=1)
    reach = Z * np.sqrt(_variance(rates, lifetime.history, edges) + error**2)
    return pd.DataFrame(
        {"predicted": mean, "ci_low": (mean - reach).clip(0.0), "ci_high": mean + reach}
    )


def _mean(rates: Floats, history: orders.OrderHistory, edges: Edges) -> Floats:
    """Orders of all customers expected between edges."""
    frequency, age, _ = history.ages
    alive = history.alive_by_age(rates, 1)
    weeks = (np.full_like(age, float(edge)) for edge in edges[1:])
    sums = [alive @ bgnbd.expected_if_alive(rates, frequency, age, week) for week in weeks]
    return np.diff([0.0, *sums])


def _variance(rates: Floats, history: orders.OrderHistory, edges: Edges) -> Floats:
    """Variance of the orders of all customers between edges, given their past."""
    frequency, age, _ = history.ages
    alive, twice = history.alive_by_age(rates, 1), history.alive_by_age(rates, 2)
    found = []
    for begin, end in pairwise(edges.astype(float)):
        until = np.full_like(age, end)
        each = bgnbd.expected_if_alive(rates, frequency, age, until, begin=begin)
        pairs = bgnbd.pairs_if_alive(rates, frequency, age, until, begin=begin)
        found.append(alive @ (each + pairs) - twice @ each**2)
    return np.array(found)
