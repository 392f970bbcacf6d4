"""Lifetime value by the touchpoints met early in a customer's life, from a landmark on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from touchlab.checks import nearest
from touchlab.contract import listing
from touchlab.dataset import Dataset
from touchlab.errors import DataError, MissingInput, ParameterError
from touchlab.retention.bags import REACH, log_slopes, sum_bags
from touchlab.retention.book import Book, open_book
from touchlab.retention.lifetime_result import Lifetime, look_ahead
from touchlab.retention.newton import Floats
from touchlab.retention.purchases import DAY, MOST_TOUCHPOINTS, Landmark, pull_purchases

BADGE = "descriptive"


def value_by_exposure(
    lifetime: Lifetime,
    *,
    touchpoint: str | None = None,
    landmark_days: int = 30,
    horizon_days: float = 365,
    discount_rate: float = 0.1,
) -> pd.DataFrame:
    """Compare what customers are worth after a landmark, by the touchpoints met before it.

    Everybody is classed by what they met in the first `landmark_days` after their first order,
    and only value after that counts: nobody has to stay in order to be touched. It is an
    association. Those who were touched may have been the better customers.

    Parameters
    ----------
    lifetime
        What `fit_lifetime` returned.
    touchpoint
        One touchpoint; None for all.
    landmark_days
        Days after the first order in which touches count. Customers not observed beyond
        them, or on record as gone by then, are left out.
    horizon_days, discount_rate
        As in `Lifetime.value`, from the landmark on. What lies after the end of the data is
        the model's expectation.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint: ``touchpoint, value_touched, value_untouched, difference, ci_low,
        ci_high, n, customers, observed, badge``. Values are means a customer; the interval is
        that of the difference; `n` of all `customers` compared were touched, `observed` is the
        share of the value that lies in the data. Touchpoints that everybody or nobody met are
        left out.

    Raises
    ------
    ParameterError, MissingInput, DataError
        For unknown touchpoints, orders without value, where nobody is observed beyond the
        landmark, and where there is nobody to compare.
    """
    weeks, discount = look_ahead(horizon_days, discount_rate)
    if not isinstance(landmark_days, int) or landmark_days < 1:
        raise ParameterError(
            f"landmark_days: {landmark_days!r} is not a whole number of days above 0"
        )
    if lifetime.spend is None:
        raise MissingInput(
            f"outcomes.value: too few repeat {lifetime.outcome} outcomes have a value\n"
            "  give values, to know what customers are worth"
        )
    names = _touchpoints(lifetime.data, touchpoint)
    landmark = Landmark(landmark_days, names, horizon_days, discount * DAY)
    frame = pull_purchases(lifetime.data, lifetime.outcome, lifetime.until, landmark=landmark)
    if frame.empty:
        raise DataError(
            f"landmark_days: no customer is observed for more than {landmark_days} days after "
            "the first order\n  use fewer days"
        )
    book = open_book(frame)
    met = (frame.touched.to_numpy()[:, None] >> np.arange(len(names))) & 1
    some = np.flatnonzero((met.min(axis=0) == 0) & (met.max(axis=0) == 1))
    if not len(some):
        raise MissingInput(
            "touches: no touchpoint is met by some customers and not by others in the "
            f"{landmark_days} days after the first order\n  use other landmark_days"
        )
    cells = [met[:, k] for k in some]
    means, logs, observed = _compare(lifetime, book, cells, landmark_days * DAY, weeks, discount)
    differences = np.exp(logs[:, 1]) - np.exp(logs[:, 0])
    difference = means[1] - means[0]
    reach = REACH * np.nanstd(differences, axis=0, ddof=1)
    return pd.DataFrame(
        {
            "touchpoint": [names[k] for k in some],
            "value_touched": means[1],
            "value_untouched": means[0],
            "difference": difference,
            "ci_low": difference - reach,
            "ci_high": difference + reach,
            "n": met[:, some].sum(axis=0),
            "customers": len(frame),
            "observed": observed,
            "badge": BADGE,
        }
    ).sort_values("difference", ascending=False, ignore_index=True)


def _compare(
    lifetime: Lifetime,
    book: Book,
    cells: list[np.ndarray],
    landmark: float,
    weeks: float,
    discount: float,
) -> tuple[Floats, Floats, float]:
    """Means (2, k), logarithms of their replicates (replicates, 2, k), share observed."""
    realised = book.frame.realised.to_numpy(float)
    elapsed = np.clip(book.ages[1] - landmark, 0.0, weeks)
    later = np.exp(-discount * elapsed)[book.ages[2]][book.place]

    def each(packed: Floats) -> Floats:
        orders = book.expected(packed[:4], weeks - elapsed, discount)
        return realised + later * orders * book.expected_value(packed[4:])

    def means(packed: Floats) -> Floats:
        values = each(packed)
        sums = [np.bincount(cell, weights=values, minlength=2) for cell in cells]
        return np.concatenate(sums) / np.concatenate([np.bincount(c) for c in cells])

    values, one = each(lifetime.packed), np.ones(len(realised))
    sums = np.concatenate([sum_bags(values, book.bag, cell, 2) for cell in cells], axis=1)
    sizes = np.concatenate([sum_bags(one, book.bag, cell, 2) for cell in cells], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log((lifetime.draws @ sums) / (lifetime.draws @ sizes))
    logs += (lifetime.replicates - lifetime.packed) @ log_slopes(means, lifetime.packed)
    shape = (len(cells), 2)
    point = (sums.sum(axis=0) / sizes.sum(axis=0)).reshape(shape).T
    observed = float(realised.sum() / values.sum())
    return point, logs.reshape(-1, *shape).transpose(0, 2, 1), observed


def _touchpoints(data: Dataset, touchpoint: str | None) -> tuple[str, ...]:
    """The touchpoint asked for, or all: the most frequent where there are very many."""
    counts = data.touches.group_by("touchpoint").aggregate(n=data.touches.count()).to_pandas()
    known = counts.sort_values(["n", "touchpoint"], ascending=[False, True]).touchpoint.tolist()
    if touchpoint is None:
        return tuple(sorted(known[:MOST_TOUCHPOINTS]))
    if touchpoint not in known:
        raise ParameterError(
            f"touchpoint: {touchpoint!r} is not in the data{nearest(touchpoint, known)}\n"
            f"  the touchpoints are {listing(known)}"
        )
    return (touchpoint,)
