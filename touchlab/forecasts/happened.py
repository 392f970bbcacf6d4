"""What happened on each day: what is foretold and what it is graded by are counted here alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.data.customers import DAY_SECONDS, NO_TOUCH, first_times, outcome_counts, seconds
from touchlab.data.dataset import Dataset
from touchlab.journeys.build import DAY_MS, Journeys, build_journeys
from touchlab.moments.risk import AFTER, ENDING, comes_again
from touchlab.numeric import Floats
from touchlab.retention.orders import order_days

HORIZON = 28
"""Days: four whole weeks, so that no weekday comes once more; one fits between monthly runs."""
LATE = 10**6  # a day that never comes
COLUMNS = ["what", "touchpoint", "known", "day", "n"]


class What:
    """What is counted; churn and repeat orders are those of who is known on the first day."""

    ALL, LAST, CHURN, ORDERS = (
        "in all",
        "by last touch",
        "among customers so far",
        "of buyers so far",
    )
    TOUCHES, AT_RISK, CHURNED = "touches", "at risk", ENDING[0]
    FORETOLD = (ALL, LAST, CHURN, ORDERS)


@dataclass(frozen=True)
class Happened:
    """`counts`: what, touchpoint, known (day from which its customer is), day, n.

    Days are those since 1970; `first` is the first whole one, `end` the one after the last.
    """

    counts: pd.DataFrame
    journeys: Journeys
    first: int
    end: int

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Floats]:
        groups = self.counts.groupby(["what", "touchpoint"])[COLUMNS[2:]]
        return {(str(k[0]), str(k[1])): rows.to_numpy(dtype=float).T for k, rows in groups}

    def count(self, what: str, touchpoint: str, start: int, days: int = HORIZON) -> float:
        """Count what happened in the days from `start` on, to those known before it."""
        known, day, n = self.by_name.get((what, touchpoint), np.empty((3, 0)))
        return float(n[(day >= start) & (day < start + days) & (known < start)].sum())


def what_happened(data: Dataset, outcome: str, lookback: str) -> Happened:
    """Count by day; the first and the last day are left out, as each may be a part of one."""
    times = (data.touches.timestamp, data.outcomes.timestamp)
    ends = [_day(time).name("day").as_table().day for time in times]
    bounds = [day.as_table().aggregate(a=day.min(), b=day.max()).to_pandas() for day in ends]
    journeys = build_journeys(data, outcome=outcome, lookback=lookback)
    last = last_touches(journeys)
    touches = data.touches.mutate(day=_day(data.touches.timestamp))
    parts = {
        What.LAST: last.group_by("touchpoint", "day").aggregate(n=last.n.sum()),
        What.ALL: last.group_by("day").aggregate(n=last.n.sum()),
        What.TOUCHES: touches.group_by("touchpoint", "day").aggregate(n=touches.count()),
    }
    if comes_again(data, outcome):
        orders = order_days(data, outcome)
        orders = orders.mutate(known=orders.day.min().over(group_by=orders.customer_id))
        parts[What.ORDERS] = orders.group_by("known", "day").aggregate(n=orders.count())
    names = outcome_counts(data)
    if outcome not in ENDING and What.CHURNED in names and AFTER[What.CHURNED] in names:
        stays = _stays(data)
        parts[What.AT_RISK] = stays.group_by("known", "day").aggregate(n=stays.count())
        gone = stays.filter(stays.gone.notnull())
        parts[What.CHURN] = gone.group_by("known", "day").aggregate(n=gone.count())
    counts = [table.to_pandas().assign(what=what) for what, table in parts.items()]
    found = pd.concat(counts, ignore_index=True).reindex(columns=COLUMNS)
    found = found.fillna({"touchpoint": "", "known": -LATE})
    first, end = min(one.a[0] for one in bounds) + 1, max(one.b[0] for one in bounds)
    return Happened(found, journeys, int(first), int(end))


def last_touches(journeys: Journeys) -> ir.Table:
    """What was touched last before each outcome, as credit has it: customer, touchpoint, day, n."""
    events = journeys.events.mutate(previous=journeys.previous)
    ends = events.filter(journeys.code(events.order) == journeys.outcome_code)
    touched = journeys.follows(ends.order, ends.previous).fill_null(False)
    code, day = ibis.ifelse(touched, journeys.code(ends.previous), -1), journeys.tick * DAY_MS
    days = ((ends.order - ends.order % day) / day).cast("int64")
    names = {-1: NO_TOUCH, **dict(enumerate(journeys.touchpoints))}
    named = ibis.memtable(pd.DataFrame({"code": [*names], "touchpoint": [*names.values()]}))
    ends = ends.select("customer", code=code, day=days, n="weight").inner_join(named, "code")
    return ends.select("customer", "touchpoint", "day", "n")


def _stays(data: Dataset) -> ir.Table:
    """Customers with the day from which they can churn, and the last on which they could."""
    known, gone = first_times(data, AFTER[What.CHURNED]), first_times(data, What.CHURNED)
    gone = gone.select("customer_id", gone=_whole(gone.time))
    stays = known.select("customer_id", known=_whole(known.time)).left_join(gone, "customer_id")
    stays = stays.drop("customer_id_right").mutate(seen=ibis.literal(LATE))
    if data.has("customers"):
        windows = data.tables["customers"].select("customer_id", "observed_to")
        stays = stays.left_join(windows, "customer_id").mutate(seen=lambda t: _day(t.observed_to))
    return stays.select("known", "gone", day=ibis.coalesce(stays.gone, stays.seen, LATE))


def _day(time: ir.Value) -> ir.Value:
    return _whole(seconds(time))


def _whole(time: ir.Value) -> ir.Value:
    return (time / DAY_SECONDS).floor().cast("int64")
