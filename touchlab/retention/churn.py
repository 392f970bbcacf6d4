"""Churn of businesses without contracts: customers who have been silent for too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.data.contract import shorten
from touchlab.data.customers import (
    DAY_SECONDS,
    date_of,
    day_of,
    first_times,
    need_outcome,
    outcome_counts,
    seconds,
)
from touchlab.data.dataset import Dataset
from touchlab.data.readers import keep, kept
from touchlab.errors import ParameterError, TooThin
from touchlab.moments.risk import ENDING
from touchlab.numeric import share_interval
from touchlab.retention.curves import life_interval, life_table, observed_until, to_minute

CHURN = ENDING[0]
COME_BACK = 0.9
"""Share of the customers who come back that do so within the default number of days."""
FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
FEWEST_GAPS = 10
NOBODY = "silent_days: nobody is observed for {days} days without a {activity}\n  give fewer days"
COLUMNS = [
    "silent_days", "chosen", "churn", "returned", "rate", "ci_low", "ci_high", "horizon_days", "n",
]  # fmt: skip
COHORT_COLUMNS = [
    "cohort", "months_since", "customers", "active", "rate", "ci_low", "ci_high", "n",
]  # fmt: skip


def with_churn(data: Dataset, *, silent_days: int = 0, activity: str = "conversion") -> Dataset:
    """Take churn as recorded; where it is not, or days are given, by inactivity.

    Without `silent_days`, and where none is recorded, the days come from `usual_silence`. For
    what else it takes, returns and raises see `with_inactivity_churn`.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> with_churn(data) is data
    True
    """
    if not silent_days and CHURN in outcome_counts(data):
        return data
    return with_inactivity_churn(data, silent_days=silent_days or None, activity=activity)


def with_inactivity_churn(
    data: Dataset, *, silent_days: int | None = None, activity: str = "conversion"
) -> Dataset:
    """Add churn by inactivity: a customer churns after so many days without an order.

    Churn is dated to the day on which the silence is long enough, the first on which the rule
    can be known to hold; it comes once, and an order after it does not undo it. A rule is a
    convention, not a fact: `inactivity_rules` says how much hangs on it.

    Parameters
    ----------
    data
        An opened Dataset.
    silent_days
        Whole days without `activity`; None for `usual_silence`.
    activity
        The outcome that shows that a customer is still there.

    Returns
    -------
    Dataset
        With the outcome ``churn``, and the rule in ``.notes``, as is recorded churn set aside.

    Raises
    ------
    ParameterError, DataError, MissingInput
        For an unknown outcome or a number of days that is none, for too few repeated orders
        to choose one, where nobody is silent for so long, and for a paths table.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = with_inactivity_churn(tl.open_data("data/sample"), silent_days=120)
    >>> data.notes.note.iloc[-1]
    'churn is 120 days without a conversion'
    """
    need_outcome(activity, outcome_counts(data))
    days = usual_silence(data, activity=activity) if silent_days is None else _days(silent_days)
    outcomes = data.outcomes
    left = keep(_first_silences(data, days, activity), "churn")  # or each question looks again
    added = left.select(
        **{
            name: left[name].cast(kind) if name in left.columns else ibis.null(kind)
            for name, kind in outcomes.schema().items()
        }
    )
    count = int(added.count().to_pyarrow().as_py())
    if not count:
        raise TooThin(NOBODY.format(days=days, activity=activity))
    others = outcomes.filter(outcomes.outcome != CHURN)
    recorded = outcome_counts(data).get(CHURN, 0)
    notes = [("outcomes", recorded, "recorded churn, set aside")] if recorded else []
    notes += [("outcomes", count, f"churn is {days} days without a {activity}"), *_long(data, days)]
    more = pd.DataFrame(notes, columns=data.notes.columns)
    return replace(
        data,
        tables={**data.tables, "outcomes": others.union(added)},
        notes=pd.concat([data.notes, more], ignore_index=True),
    )


def _days(days: float) -> int:
    if isinstance(days, bool) or not (days >= 1 and days == int(days)):
        raise ParameterError(
            f"silent_days: {days!r}\n  give whole days, 1 or more, or None to choose from the gaps"
        )
    return int(days)


def _long(data: Dataset, days: int) -> list[tuple[str, int, str]]:
    """Note a rule so long that few customers are observed for it."""
    time = seconds(data.outcomes.timestamp)
    ends = data.outcomes.aggregate(first=time.min(), last=time.max()).to_pyarrow().to_pylist()[0]
    length = (ends["last"] - ends["first"]) / DAY_SECONDS
    if days <= length / 2:
        return []
    rule = f"silence of {days} days is long for {length:.0f} days of data: little churn can be seen"
    return [("outcomes", 0, rule)]


def _orders(data: Dataset, activity: str) -> ir.Table:
    """Orders, the next one of the customer, and the end of observation: times in seconds."""
    own = data.outcomes.filter(data.outcomes.outcome == activity)
    own = own.select("customer_id", "timestamp", time=seconds(own.timestamp))
    order = ibis.window(group_by="customer_id", order_by="time")
    own = own.mutate(following=own.time.lead(1).over(order))
    return own.inner_join(observed_until(data), "customer_id")


def _silent(orders: ir.Table, days: int) -> ir.BooleanValue:
    """Say which orders are followed by so many days without another, all of them observed."""
    end = orders.time + days * DAY_SECONDS
    return (orders.following.fill_null(orders.until + 1) > end) & (end <= orders.until)


def _first_silences(data: Dataset, days: int, activity: str) -> ir.Table:
    """The day of each customer's first silence of so many days: customer_id, timestamp, outcome."""
    orders = _orders(data, activity)
    first = orders.filter(_silent(orders, days)).group_by("customer_id")
    left = first.aggregate(last=orders.timestamp.min())
    return left.select(
        "customer_id",
        timestamp=left["last"] + ibis.interval(days=days),
        outcome=ibis.literal(CHURN),
    )


def usual_silence(data: Dataset, *, activity: str = "conversion") -> int:
    """Return the whole days within which nine in ten of those who order again have done so.

    The product-limit estimate of gaps [Kaplan & Meier 1958], as a share of where it ends: gaps
    that the end of observation cuts off are taken as that, so recent customers do not make the
    number too small. It cannot see gaps longer than the data.

    >>> import touchlab as tl
    >>> usual_silence(tl.open_data("data/sample"))
    316
    """
    need_outcome(activity, outcome_counts(data))
    orders = _orders(data, activity)
    again = orders.following.notnull()
    day = to_minute(orders.following.fill_null(orders.until) - orders.time)
    rows = orders.select(day=day, again=again.cast("int64"))
    rows = rows.filter(rows.day >= 0)
    counts = rows.group_by("day", "again").aggregate(n=rows.count()).to_pandas()
    repeats = int(counts.n[counts.again == 1].sum())
    if repeats < FEWEST_GAPS:
        raise TooThin(
            f"silent_days: {repeats} repeated {activity} outcomes are too few to choose from\n"
            "  give silent_days"
        )
    life = life_table(counts.day, counts.again, counts.n)
    back = 1 - life.survival
    enough = life.time[np.searchsorted(back, COME_BACK * back[-1] - 1e-12)]
    return max(int(np.ceil(enough)), 1)


def inactivity_rules(
    data: Dataset,
    *,
    silent_days: Sequence[int] | None = None,
    horizon_days: int = 365,
    activity: str = "conversion",
) -> pd.DataFrame:
    """Say how much the churn rate hangs on the rule, and how often the rule is wrong.

    It does not say which rule is right: with a short one, many come back; with a long one,
    churn is seen late.

    Parameters
    ----------
    data, activity
        As in `with_inactivity_churn`, as are errors.
    silent_days
        Rules to try; None for `usual_silence` times 0.5, 0.75, 1, 1.5 and 2. Those that
        nobody is observed for are left out.
    horizon_days
        For `rate`: days from the first order on, or as many as the data show.

    Returns
    -------
    pandas.DataFrame
        ``silent_days, chosen, churn, returned, rate, ci_low, ci_high, horizon_days, n``:
        `chosen` marks `usual_silence`; of `churn` customers who churn, the share `returned`
        orders afterwards; the share `rate` of `n` customers churns within the horizon (95 %).

    Examples
    --------
    >>> import touchlab as tl
    >>> rules = inactivity_rules(tl.open_data("data/sample"), silent_days=[60, 120])
    >>> rules.round(2)[["silent_days", "churn", "returned", "rate", "n"]]
       silent_days  churn  returned  rate     n
    0           60   1938      0.25  1.00  3048
    1          120   1192      0.23  0.99  3048
    """
    if not horizon_days >= 1:
        raise ParameterError(f"horizon_days: {horizon_days!r}\n  give whole days, 1 or more")
    chosen = usual_silence(data, activity=activity) if silent_days is None else None
    asked = [max(round(chosen * f), 1) for f in FACTORS] if chosen else silent_days
    if isinstance(asked, int | float | str) or not asked:
        raise ParameterError(f"silent_days: {shorten(asked)} is not a list\n  give [60, 90, 180]")
    rules = sorted({_days(days) for days in asked})
    with kept(_each_customer(data, rules, activity), "silences") as each:  # orders sorted once
        counts = {days: _count(each, days) for days in rules}
    seen = {days: own for days, own in counts.items() if own.n[own.event == 1].any()}
    if not seen:
        raise TooThin(NOBODY.format(days=rules[0], activity=activity))
    last = max(int(own.day.max()) for own in counts.values())
    horizon = min(int(horizon_days), last)
    rows = [_rule(days, own, horizon) for days, own in seen.items()]
    table = pd.DataFrame(rows).assign(chosen=[days == chosen for days in seen])
    return table[COLUMNS]


def _each_customer(data: Dataset, rules: Sequence[int], activity: str) -> ir.Table:
    """First and last order, end of observation, and when each rule first holds (left_<days>)."""
    orders = _orders(data, activity)
    left = {f"left_{d}": orders.time.min(where=_silent(orders, d)) for d in rules}
    each = orders.group_by("customer_id").aggregate(
        first=orders.time.min(), last=orders.time.max(), until=orders.until.max(), **left
    )
    return each.mutate(**{f"left_{d}": each[f"left_{d}"] + d * DAY_SECONDS for d in rules})


def _count(each: ir.Table, days: int) -> pd.DataFrame:
    """Count customers by the day of churn or the last day seen: day, event, n, returned."""
    left = each[f"left_{days}"]
    end = left.fill_null(each.until)
    rows = each.select(
        day=to_minute(end - each["first"]),
        event=ibis.ifelse(left.notnull(), 1, 0),
        returned=ibis.ifelse(each["last"] > end, 1, 0),
    )
    counts = rows.group_by("day", "event").aggregate(n=rows.count(), returned=rows.returned.sum())
    return counts.to_pandas()


def _rule(days: int, counts: pd.DataFrame, horizon: int) -> dict[str, float]:
    life = life_table(counts.day, counts.event, counts.n)
    low, high = life_interval(life)
    left, at = life.after_days(life.survival), min(horizon, len(low) - 1)
    churn = int(life.events.sum())
    return {
        "silent_days": days,
        "churn": churn,
        "returned": counts.returned.sum() / churn,
        "rate": 1 - left[at],
        "ci_low": 1 - high[at],
        "ci_high": 1 - low[at],
        "horizon_days": horizon,
        "n": life.n,
    }


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
        (UTC); of the `n` of a cohort, `customers` are observed for the whole month (or have
        churned), and the share `rate` of these, `active`, has the outcome (95 %, Wilson).

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
        need_outcome(name, outcome_counts(data))
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
        raise TooThin(
            "cohort_table: no customer is observed for a whole month after the first "
            f"{after}\n  give a longer stretch of data"
        )
    table = table.merge(active, on=["won", "month"], how="left").fillna({"active": 0})
    low, high = share_interval(table.active, table.customers)
    return table.assign(
        cohort=[f"{month // 12:04d}-{month % 12 + 1:02d}" for month in table.won],
        months_since=table.month - table.won,
        active=table.active.astype(np.int64),
        rate=table.active / table.customers,
        ci_low=low,
        ci_high=high,
    )[COHORT_COLUMNS]


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
    date = date_of(day_of(time))
    return (date.year() * 12 + date.month() - 1).cast("int64")


def _observed(sizes: pd.DataFrame) -> pd.DataFrame:
    """Count the customers of each cohort observed for the whole of each later month."""
    rows = [
        (won, month, own.customers[own["last"] >= month].sum(), own.customers.sum())
        for won, own in sizes.groupby("won")
        for month in range(int(won) + 1, int(own["last"].max()) + 1)
    ]
    return pd.DataFrame(rows, columns=["won", "month", "customers", "n"], dtype="int64")
