"""Who can have an outcome, and when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.data.customers import (
    DAY_SECONDS,
    first_times,
    need_outcome,
    outcome_counts,
    seconds,
)
from touchlab.data.dataset import Dataset
from touchlab.data.outcomes import FIRST, REPEAT
from touchlab.errors import MissingInput
from touchlab.numeric import hash_uniform

ENDING = ("churn",)
"""Outcomes that end the customer's time at risk of every outcome."""
TICK = 0.001
"""Seconds: times count to the millisecond."""
AFTER = {"churn": "conversion", "referral": "conversion"}
"""Outcomes that only a customer can have who has had another: their risk starts there."""


@dataclass(frozen=True)
class Risk:
    """From the start of observation, or the first outcome named `after`, to the end of observation.

    Churn ends it before, and so does the outcome itself if it comes once (not `recurrent`).
    """

    outcome: str
    after: str | None = None
    recurrent: bool = True


def find_risk(data: Dataset, outcome: str, after: str | None, recurrent: bool | None) -> Risk:
    """Settle what is left open, and refuse outcomes that the data does not have.

    `after` "auto": the first conversion for churn and referral, and the first of what repeats.
    By default all but churn recur.
    """
    counts = outcome_counts(data)
    if after == "auto":
        again = f"{REPEAT} "
        first = outcome.replace(again, f"{FIRST} ", 1) if outcome.startswith(again) else None
        after = AFTER.get(outcome, first)
        after = after if after in counts else None
    if outcome in AFTER and outcome not in counts:
        raise MissingInput(
            f"No {outcome} is recorded. With {outcome} among the outcomes, which touchpoints bring "
            "it, and how many would not have happened without them, would be shown here."
        )
    need_outcome(outcome, counts)
    if after is not None:
        need_outcome(after, counts)
    return Risk(outcome, after, outcome not in ENDING if recurrent is None else recurrent)


def comes_again(data: Dataset, outcome: str) -> bool | None:
    """Whether an outcome can come again: churn never, others if anybody has them twice.

    None where nobody has the outcome, or the data has no outcomes.
    """
    if outcome in ENDING:
        return False
    if not data.has("outcomes"):
        return None
    own = data.outcomes.filter(data.outcomes.outcome == outcome)
    each = own.group_by("customer_id").aggregate(n=own.count())
    most = each.n.max().to_pyarrow().as_py()
    return None if most is None else most > 1


def risk_windows(data: Dataset, risk: Risk) -> ir.Table:
    """Customers at risk: customer_id, start, stop (seconds), days."""
    windows = _begun(data, risk)
    return _ended(windows, data, {*ENDING, *([] if risk.recurrent else [risk.outcome])})


def _begun(data: Dataset, risk: Risk) -> ir.Table:
    """Customers from the start of their risk to the end of observation."""
    windows = observed(data)
    if risk.after is None:
        has_windows = data.has("customers")
        return _with_first_day(windows, data, risk.outcome) if has_windows else windows
    windows = windows.inner_join(first_times(data, risk.after), "customer_id")
    start = ibis.greatest(windows.start, windows.time)
    return windows.select("customer_id", "stop", start=start)


def _with_first_day(windows: ir.Table, data: Dataset, outcome: str) -> ir.Table:
    """Begin a millisecond earlier where the outcome comes on the first day, both known as dates.

    It happened during that day, so its customer was followed before. With a time of day, the
    window was begun by the outcome, and says nothing of what led to it.
    """
    windows = windows.left_join(first_times(data, outcome), "customer_id")
    days = windows.start / DAY_SECONDS
    dated = (windows.time == windows.start) & (days == days.floor())
    start = windows.start - ibis.ifelse(dated.fill_null(False), TICK, 0.0)
    return windows.select("customer_id", "stop", start=start)


def at_the_start(data: Dataset, risk: Risk) -> int:
    """Count outcomes at the very instant from which customers are at risk: not explained."""
    rows = data.outcomes.filter(data.outcomes.outcome == risk.outcome)
    rows = rows.select("customer_id", time=seconds(rows.timestamp))
    joined = rows.inner_join(_begun(data, risk), "customer_id")
    return int(joined.filter(joined.time == joined.start).count().to_pyarrow().as_py())


def risk_ends(data: Dataset, risk: Risk, asked: pd.DataFrame) -> pd.DataFrame:
    """Until when customers would be at risk, had they not had the outcome: customer_id, until.

    A window that was closed because of the outcome goes on to the last end of all.
    """
    windows = observed(data)
    last = windows.stop.max().to_pyarrow().as_py()
    ids = ibis.memtable(asked[["customer_id"]].drop_duplicates())
    windows = windows.semi_join(ids, "customer_id")
    had = first_times(data, risk.outcome).rename(had="time")
    joined = windows.left_join(had, "customer_id")
    closed = joined.had.notnull() & (joined.stop <= joined.had + DAY_SECONDS)
    stop = ibis.ifelse(closed, ibis.literal(last), joined.stop)
    windows = joined.select("customer_id", "start", stop=stop)
    ended = _ended(windows, data, set(ENDING) - {risk.outcome})
    return ended.select("customer_id", until="stop").to_pandas()


def _ended(windows: ir.Table, data: Dataset, outcomes: Collection[str]) -> ir.Table:
    """Windows up to the first of some outcomes, those that hold any time, with their days."""
    if outcomes:
        ended = first_times(data, *sorted(outcomes)).rename(ended="time")
        windows = windows.left_join(ended, "customer_id")
        stop = ibis.least(windows.stop, windows.ended.fill_null(windows.stop))
        windows = windows.select("customer_id", "start", stop=stop)
    windows = windows.filter(windows.stop > windows.start)
    return windows.mutate(days=(windows.stop - windows.start) / DAY_SECONDS)


def observed(data: Dataset) -> ir.Table:
    """Observation windows; without a customers table from the first event to the end of data.

    A table "windows" says what they were before some touches were left out.
    """
    if data.has("windows"):
        return data.tables["windows"]
    if data.has("customers"):
        own = data.tables["customers"]
        return own.select(
            "customer_id", start=seconds(own.observed_from), stop=seconds(own.observed_to)
        )
    # as seconds, and ids of one type: a union takes no columns that differ in type
    touches, outcomes = data.touches, data.outcomes
    ids = outcomes.customer_id.cast(touches.customer_id.type())
    seen = touches.select("customer_id", time=seconds(touches.timestamp)).union(
        outcomes.select(customer_id=ids, time=seconds(outcomes.timestamp))
    )
    stop = float(seen.time.max().to_pyarrow().as_py()) + 1.0
    first = seen.group_by("customer_id").aggregate(start=seen.time.min())
    return first.mutate(stop=ibis.literal(stop))


def risk_events(data: Dataset, windows: ir.Table, risk: Risk) -> ir.Table:
    """Outcomes that happen at risk: customer_id, time, start (seconds)."""
    rows = data.outcomes.filter(data.outcomes.outcome == risk.outcome)
    return within(rows.select("customer_id", time=seconds(rows.timestamp)), windows)


def within(rows: ir.Table, windows: ir.Table) -> ir.Table:
    """Rows whose `time` lies in the customer's risk window, with its `start`."""
    joined = rows.inner_join(windows, "customer_id")
    inside = (joined.time > joined.start) & (joined.time <= joined.stop)
    return joined.filter(inside).select(*rows.columns, "start")


def uniform(table: ir.Table, *keys: str | int) -> ir.Value:
    """A number from 0 to 1 for each row, by customer, time (if it has one) and `keys`."""
    key = table.customer_id.cast("string")
    if "time" in table.columns:
        key = key + ibis.literal("|") + table.time.cast("int64").cast("string")
    return hash_uniform(key + ibis.literal("|" + "|".join(map(str, keys))))
