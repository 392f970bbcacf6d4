"""Outcomes as orders: how many, how long ago, since when and of what value, by customer.

The engine counts; what comes out is one row a customer, without ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.checks import nearest
from touchlab.contract import listing
from touchlab.credit.frame import NO_TOUCH
from touchlab.dataset import Dataset
from touchlab.errors import ParameterError
from touchlab.journeys.build import UNKNOWN, number_names, touchpoint_names
from touchlab.moments.look import trait_columns
from touchlab.moments.risk import DAY_SECONDS, seconds
from touchlab.replicates import customer_group
from touchlab.retention.bags import BAGS
from touchlab.retention.spells import ALL, MOST_GROUPS

DAY = 1 / 7
"""In weeks."""
COHORT, FIRST_TOUCHPOINT = "cohort", "first_touchpoint"
MOST_TOUCHPOINTS = 60
"""Touchpoints of one customer are kept as bits of one number."""


@dataclass(frozen=True)
class Landmark:
    """A day of each customer's life: exposure counts before it, value after it."""

    days: int
    touchpoints: tuple[str, ...]
    horizon_days: float
    discount: float
    """A day, as a rate."""


def purchase_table(data: Dataset, outcome: str, until: int) -> ir.Table:
    """A row a customer with an order up to the day `until`; orders of one day are one.

    Columns: customer_id, bag, first, last, end (days since 1970), frequency (repeat orders),
    rows, valued (repeat orders with a value), value (of these together), gone (the day of
    recorded churn, or null), later (orders after it). Observation ends with the customer's
    window, but not with recorded churn: silence after it is known.
    """
    orders = order_days(data, outcome).filter(lambda t: t.day <= until)
    orders = orders.mutate(first=orders.day.min().over(group_by=orders.customer_id))
    gone = churn_days(data, until)
    orders = orders.left_join(gone, "customer_id").drop("customer_id_right")
    again = orders.day > orders.first
    table = orders.group_by("customer_id").aggregate(
        first=orders.day.min(),
        last=orders.day.max(),
        frequency=ibis.ifelse(again, 1.0, 0.0).sum(),
        rows=orders.rows.sum().cast("int64"),
        valued=ibis.ifelse(again & orders.value.notnull(), 1.0, 0.0).sum(),
        value=ibis.ifelse(again, orders.value, 0.0).sum().fill_null(0.0),
        gone=orders.gone.max().cast("float64"),
        later=ibis.ifelse(orders.day > orders.gone, 1, 0).sum().cast("int64"),
    )
    table = table.mutate(bag=customer_group(table.customer_id, BAGS))
    if not data.has("customers"):
        return table.mutate(end=ibis.literal(until))
    windows = data.tables["customers"]
    last = _day(seconds(windows.observed_to) - 1.0)
    table = table.left_join(windows.select("customer_id", seen=last), "customer_id")
    seen = ibis.ifelse(table.gone.notnull(), until, ibis.least(table.seen, ibis.literal(until)))
    end = ibis.greatest(seen, table.last)
    return table.mutate(end=end).drop("customer_id_right", "seen")


def order_days(data: Dataset, outcome: str) -> ir.Table:
    """Days with an order: customer_id, day, rows, value (null where no row has one)."""
    rows = data.outcomes.filter(data.outcomes.outcome == outcome)
    value = rows.value.cast("float64") if "value" in rows.columns else ibis.null("float64")
    rows = rows.select("customer_id", day=_day(seconds(rows.timestamp)), value=value)
    days = rows.group_by("customer_id", "day")
    return days.aggregate(rows=rows.count(), value=rows.value.sum())


def churn_days(data: Dataset, until: int) -> ir.Table:
    """The day of the first recorded churn up to `until`: customer_id, gone."""
    rows = data.outcomes.filter(data.outcomes.outcome == "churn")
    rows = rows.select("customer_id", day=_day(seconds(rows.timestamp)))
    rows = rows.filter(rows.day <= until)
    return rows.group_by("customer_id").aggregate(gone=rows.day.min())


def pull_purchases(
    data: Dataset,
    outcome: str,
    until: int,
    *,
    by: str | None = None,
    landmark: Landmark | None = None,
    only: ir.Table | None = None,
    ids: bool = False,
) -> pd.DataFrame:
    """Bring the rows of `purchase_table` into memory; times in weeks, `value` a repeat order's.

    `by` adds `group`; a landmark adds `touched` (bits) and `realised` (value after it).
    """
    table = purchase_table(data, outcome, until)
    if only is not None:
        table = table.semi_join(only, "customer_id")
    if by is not None:
        table = _with_group(data, table, by)
    if landmark is not None:
        table = _with_landmark(data, table, outcome, until, landmark)
    table = table.order_by("customer_id")
    frame = (table if ids else table.drop("customer_id")).to_pandas()
    mean = frame.value / frame.valued.where(frame.valued > 0)
    return frame.assign(
        recency=(frame["last"] - frame["first"]) * DAY,
        age=(frame.end - frame["first"]) * DAY,
        value=mean,
        bag=frame.bag.astype(np.intp),
    )


def last_day(data: Dataset, outcome: str, until: str | None, name: str = "until") -> int:
    """The day up to which orders count, as days since 1970; refuse what the data lacks."""
    rows = data.outcomes
    counts = rows.group_by("outcome").aggregate(n=rows.count()).to_pandas()
    if outcome not in set(counts.outcome):
        most = counts.sort_values(["n", "outcome"], ascending=[False, True]).outcome
        raise ParameterError(
            f"outcome: no outcome is named {outcome!r}\n"
            f"  the data has {listing(most) or 'no outcomes'}; use one of these"
        )
    ends = [t.aggregate(d=_day(seconds(t.timestamp)).max()) for t in (rows, data.touches)]
    last = max(int(end.to_pandas().d.iloc[0]) for end in ends)
    if data.has("customers"):
        windows = data.tables["customers"]
        seen = _day(seconds(windows.observed_to) - 1.0).max()
        last = max(last, int(windows.aggregate(d=seen).to_pandas().d.iloc[0]))
    return last if until is None else min(last, read_day(until, name))


def read_day(text: str, name: str) -> int:
    """Read a date as days since 1970."""
    try:
        day = None if isinstance(text, int | float) else pd.Timestamp(text)
    except (ValueError, TypeError):
        day = None
    if day is None or pd.isna(day):
        raise ParameterError(f"{name}: {text!r} is not a date\n  give '2026-02-28' or None")
    return (day.tz_localize(None) - pd.Timestamp("1970-01-01")).days


def with_cohort(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the month of the first order as `group`."""
    month = to_date(frame["first"]).to_numpy().astype("datetime64[M]")
    codes, months = pd.factorize(month, sort=True)
    return frame.assign(group=pd.Categorical.from_codes(codes, months.astype(str)))


def to_date(day: pd.Series) -> pd.Series:
    """Turn days since 1970 into times."""
    return pd.to_datetime(day, unit="D")


def _day(time: ir.Value) -> ir.Value:
    return (time / DAY_SECONDS).floor().cast("int64")


def _with_group(data: Dataset, table: ir.Table, by: str) -> ir.Table:
    if by == FIRST_TOUCHPOINT:
        found, missing = _first_touchpoints(data, table), NO_TOUCH
    else:
        allowed = [COHORT, FIRST_TOUCHPOINT, *trait_columns(data)]
        if by not in allowed:
            raise ParameterError(
                f"by: {by!r} is not a trait of customers{nearest(by, allowed)}\n"
                f"  use one of: {listing(allowed)}"
            )
        own = data.tables["customers"]
        found, missing = own.select("customer_id", group=own[by].cast("string")), UNKNOWN
    joined = table.left_join(found, "customer_id").drop("customer_id_right")
    return joined.mutate(group=joined.group.fill_null(missing))


def _first_touchpoints(data: Dataset, table: ir.Table) -> ir.Table:
    """The touchpoint of the first touch up to the day of the first order; ties by name."""
    touches = data.touches.join(number_names(touchpoint_names(data)), "touchpoint")
    touches = touches.inner_join(table.select("customer_id", "first"), "customer_id")
    touches = touches.filter(_day(seconds(touches.timestamp)) <= touches.first)
    order = ibis.row_number().over(
        group_by=touches.customer_id, order_by=[touches.timestamp, touches.code]
    )
    ranked = touches.select("customer_id", group=touches.touchpoint, order=order)
    return ranked.filter(ranked.order == 0).drop("order")


def _with_landmark(
    data: Dataset, table: ir.Table, outcome: str, until: int, landmark: Landmark
) -> ir.Table:
    """Add bits of the touchpoints met between first order and landmark, and value after it."""
    mark = table["first"] + landmark.days
    table = table.filter((table.end > mark) & (table.gone.isnull() | (table.gone > mark)))
    start = table.select("customer_id", start=table["first"] + landmark.days)
    more = (_met(data, start, landmark), _realised(data, start, outcome, until, landmark))
    for own in more:
        table = table.left_join(own, "customer_id").drop("customer_id_right")
    return table.mutate(touched=table.touched.fill_null(0), realised=table.realised.fill_null(0.0))


def _met(data: Dataset, start: ir.Table, landmark: Landmark) -> ir.Table:
    bits = pd.DataFrame({"touchpoint": list(landmark.touchpoints)})
    bits["bit"] = [2**place for place in range(len(bits))]
    touches = data.touches.inner_join(start, "customer_id")
    day = _day(seconds(touches.timestamp))
    touches = touches.filter((day > touches.start - landmark.days) & (day <= touches.start))
    touches = touches.inner_join(ibis.memtable(bits), "touchpoint")
    met = touches.select("customer_id", "bit").distinct()
    return met.group_by("customer_id").aggregate(touched=met.bit.sum().cast("int64"))


def _realised(
    data: Dataset, start: ir.Table, outcome: str, until: int, landmark: Landmark
) -> ir.Table:
    orders = order_days(data, outcome).inner_join(start, "customer_id")
    later = orders.day - orders.start
    inside = (later > 0) & (later <= landmark.horizon_days) & (orders.day <= until)
    worth = orders.value * (later * -landmark.discount).exp()
    orders = orders.mutate(worth=worth).filter(inside)
    return orders.group_by("customer_id").aggregate(realised=orders.worth.sum())


def group_codes(frame: pd.DataFrame) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Number the groups in the order of their names."""
    if "group" not in frame:
        return np.zeros(len(frame), dtype=np.intp), [ALL]
    codes, names = pd.factorize(frame.group, sort=True)
    if len(names) > MOST_GROUPS:
        raise ParameterError(
            f"by: {len(names):,} different values, at most {MOST_GROUPS}\n"
            "  put values together into fewer, as a column of customers"
        )
    return codes.astype(np.intp), [str(name) for name in names]
