"""Who counts in an experiment, from when to when, and what outcomes they had."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.data.contract import NEEDED
from touchlab.data.customers import DAY_SECONDS, seconds
from touchlab.data.dataset import Dataset
from touchlab.data.readers import keep
from touchlab.moments.risk import Risk, risk_windows
from touchlab.numeric import customer_group

KEYS = ["customer_id", "touchpoint", "start", "stop"]


def counted(data: Dataset, risk: Risk, units: ir.Table) -> ir.Table:
    """Keep the places that count: customer_id, touchpoint, arm, start, stop (seconds).

    `units` has customer_id, touchpoint, arm, begun and stop.
    """
    return keep(_at_risk(data, risk, _observed(data, units)), "units")


def places(customers: ir.Table, begun: float, stop: float) -> ir.Table:
    """Take all of some customers as if they were in one arm of an experiment."""
    one = {"touchpoint": ibis.literal("any"), "arm": ibis.literal("treated")}
    ends = {"begun": ibis.literal(begun), "stop": ibis.literal(stop)}
    return customers.select("customer_id", **one, **ends)


def _observed(data: Dataset, units: ir.Table) -> ir.Table:
    """Cut to the observation window; without a customers table, everyone is observed."""
    if not data.has("customers"):
        ends = [seconds(data.tables[name].timestamp).max() for name in NEEDED]
        last = max(end.to_pyarrow().as_py() for end in ends)  # an experiment may be yet to begin
        return units.mutate(start=units.begun).filter(units.begun <= last)
    own = data.tables["customers"]
    own = own.select("customer_id", first=seconds(own.observed_from), last=seconds(own.observed_to))
    units = units.inner_join(own, "customer_id")
    units = units.mutate(
        start=ibis.greatest(units.begun, units["first"]), stop=ibis.least(units.stop, units["last"])
    )
    units = units.filter(units.stop > units.start)
    return units.drop("first", "last")


def _at_risk(data: Dataset, risk: Risk, units: ir.Table) -> ir.Table:
    """Keep who could have the outcome when the experiment began: settled before the treatment."""
    windows = risk_windows(data, risk).select("customer_id", since="start", until="stop")
    joined = units.left_join(windows, "customer_id")
    if risk.after is not None:
        keep = joined.since.notnull() & (joined.since <= joined.begun)
    else:
        keep = joined.since.isnull() if not data.has("customers") else ibis.literal(False)
        keep = keep | joined.since.notnull()
    ended = joined.until.notnull() & (joined.until <= joined.start)
    return joined.filter(keep & ~ended).select("customer_id", "touchpoint", "arm", "start", "stop")


def with_amounts(data: Dataset, risk: Risk, units: ir.Table, measure: str = "count") -> ir.Table:
    """Add the `amount` of outcomes that each place had: their number or their value."""
    events = data.outcomes.filter(data.outcomes.outcome == risk.outcome)
    amount = ibis.literal(1.0)
    if measure == "value":
        amount = events["value"].fill_null(0).cast("float64")
    events = events.select("customer_id", at=seconds(events.timestamp), amount=amount)
    joined = units.select(*KEYS).inner_join(events, "customer_id")
    joined = joined.filter((joined["at"] >= joined.start) & (joined["at"] < joined.stop))
    amounts = joined.group_by(KEYS).aggregate(
        amount=joined.amount.sum() if risk.recurrent else joined.amount.max()
    )
    rows = units.left_join(amounts, KEYS).select(*KEYS, "arm", "amount")
    return rows.mutate(amount=rows.amount.fill_null(0.0))


def group_sums(data: Dataset, risk: Risk, units: ir.Table, measure: str) -> pd.DataFrame:
    """Add up each arm by customer group: n, total, squares, touched, days."""
    touches = data.touches.select(
        "customer_id", "touchpoint", touch=seconds(data.touches.timestamp)
    )
    met = units.select(*KEYS).inner_join(touches, ["customer_id", "touchpoint"])
    met = met.filter((met.touch >= met.start) & (met.touch < met.stop)).select(*KEYS).distinct()
    rows = with_amounts(data, risk, units, measure)
    rows = rows.left_join(met.mutate(touched=ibis.literal(1)), KEYS)
    rows = rows.select(*KEYS, "arm", "amount", "touched")
    rows = rows.mutate(group=customer_group(rows.customer_id))
    cells = ["touchpoint", "arm", "group"]
    sums = rows.group_by(cells).aggregate(
        n=rows.count(),
        total=rows.amount.sum(),
        squares=(rows.amount * rows.amount).sum(),
        touched=rows.touched.fill_null(0).sum(),
        days=((rows.stop - rows.start) / DAY_SECONDS).sum(),
    )
    return sums.to_pandas().sort_values(cells, ignore_index=True)
