"""Cohorts: of the customers won in a month, how many are active in the months after."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from touchlab.dataset import Dataset
from touchlab.errors import DataError
from touchlab.moments.risk import DAY_SECONDS, ENDING, find_risk, first_times, seconds
from touchlab.retention.spells import observed_until

COLUMNS = ["cohort", "months_since", "customers", "active", "rate", "ci_low", "ci_high", "n"]


def cohort_table(
    data: Dataset, *, outcome: str = "conversion", after: str = "conversion"
) -> pd.DataFrame:
    """Say how many of the customers won in a month have an outcome again, month by month.

    Cohorts are months of the first `after` outcome, so it does not tell new customers apart
    from old ones whose first time lies before the data. The month of winning is left out: it
    is part of a month for everyone; so are months that end after the customer's observation.

    Parameters
    ----------
    data
        An opened Dataset.
    outcome
        What makes a customer active in a month.
    after
        Outcome whose first time puts a customer in a cohort.

    Returns
    -------
    pandas.DataFrame
        ``cohort, months_since, customers, active, rate, ci_low, ci_high, n``: calendar months
        (UTC); `customers` are those observed for the whole month, `active` those of them with
        the outcome, `rate` their share with its 95 % Wilson interval, `n` the whole cohort.
        Customers who have churned stay in `customers`.

    Raises
    ------
    ParameterError, DataError, MissingInput
        For unknown outcomes, where no customer is observed for a whole month after the first,
        and for a paths table.

    Examples
    --------
    >>> import touchlab as tl
    >>> cohorts = cohort_table(tl.open_data("data/sample"))
    >>> cohorts.head(2).round(3)[["cohort", "months_since", "customers", "active", "rate"]]
        cohort  months_since  customers  active   rate
    0  2025-01             1        198      10  0.051
    1  2025-01             2        198      11  0.056
    """
    for name in (outcome, after):
        find_risk(data, name, None, True)
    won = first_times(data, after).inner_join(_known_until(data), "customer_id")
    # a last month that lacks less than a day is whole
    ids = won.select("customer_id", won=_month(won.time), last=_month(won.until + DAY_SECONDS) - 1)
    sizes = ids.group_by("won", "last").aggregate(customers=ids.count()).to_pandas()
    rows = data.outcomes.filter(data.outcomes.outcome == outcome)
    rows = rows.select("customer_id", month=_month(seconds(rows.timestamp)))
    rows = rows.inner_join(ids, "customer_id").distinct()
    inside = rows.filter((rows.month > rows.won) & (rows.month <= rows["last"]))
    active = inside.group_by("won", "month").aggregate(active=inside.count()).to_pandas()
    table = _observed(sizes)
    if table.empty:
        raise DataError(
            "cohort_table: no customer is observed for a whole month after the first "
            f"{after}\n  give a longer stretch of data"
        )
    table = table.merge(active, on=["won", "month"], how="left").fillna({"active": 0})
    return _with_rates(table)


def _known_until(data: Dataset) -> ir.Table:
    """Until when customers with outcomes are known to be active or not: after churn, they are not.

    The data may end a customer's observation at churn.
    """
    known = observed_until(data).left_join(
        first_times(data, *ENDING).rename(ended="time"), "customer_id"
    )
    end = float(known.until.max().to_pyarrow().as_py() or 0.0)
    until = ibis.ifelse(known.ended.isnull(), known.until, ibis.literal(end))
    return known.select("customer_id", until=until)


def _month(time: ir.Value) -> ir.Value:
    """Number calendar months (UTC) from the year 0."""
    days = (time / DAY_SECONDS).floor().cast("int64")
    date = ibis.date("1970-01-01") + days.as_interval("D")
    return (date.year() * 12 + date.month() - 1).cast("int64")


def _observed(sizes: pd.DataFrame) -> pd.DataFrame:
    """Count the customers of each cohort observed for the whole of each later month."""
    frames = []
    for won, own in sizes.groupby("won"):
        months = np.arange(won + 1, own["last"].max() + 1)
        whole = [own.customers[own["last"] >= month].sum() for month in months]
        frames.append(
            pd.DataFrame(
                {"won": won, "month": months, "customers": whole, "n": own.customers.sum()},
                dtype="int64",
            )
        )
    return pd.concat(frames, ignore_index=True)


def _with_rates(table: pd.DataFrame) -> pd.DataFrame:
    low, high = proportion_confint(table.active, table.customers, method="wilson")
    cohort = [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in table.won]
    return table.assign(
        cohort=cohort,
        months_since=table.month - table.won,
        active=table.active.astype(np.int64),
        rate=table.active / table.customers,
        ci_low=low,
        ci_high=high,
    )[COLUMNS]
