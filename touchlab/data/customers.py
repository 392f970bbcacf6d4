"""What is known of a customer: traits, groups, outcomes and the first touchpoint.

Ibis expressions, and the short lists of names that they need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.data.contract import TABLES
from touchlab.data.dataset import Dataset
from touchlab.errors import DataError, MissingInput, ParameterError, listing, need_name

UNKNOWN, NO_TOUCH = "(unknown)", "(no touch)"
DAY_SECONDS = 86_400.0
MOST_TOUCHPOINTS = 1000


def seconds(time: ir.Value) -> ir.Value:
    """Seconds since 1970, to the millisecond."""
    whole = time.truncate("s").epoch_seconds().cast("int64")
    return whole.cast("float64") + time.millisecond().cast("float64") / 1000


def day_of(time: ir.Value) -> ir.Value:
    """Whole days since 1970 of a time in seconds."""
    return (time / DAY_SECONDS).floor().cast("int64")


def date_of(day: ir.Value) -> ir.Value:
    """The date (UTC) of days since 1970."""
    return ibis.date("1970-01-01") + day.as_interval("D")


def owners(data: Dataset) -> dict[str, str]:
    """Who owns each touchpoint, as far as the map says."""
    if not data.has("touchpoints") or "owner" not in data.tables["touchpoints"].columns:
        return {}
    rows = data.tables["touchpoints"].select("touchpoint", "owner").to_pandas().dropna()
    return dict(zip(rows.touchpoint, rows.owner, strict=True))


def traits(data: Dataset) -> list[str]:
    """Traits of customers: what their table has beyond id and window."""
    if not data.has("customers"):
        return []
    own = {column.name for column in TABLES["customers"].columns}
    schema = data.tables["customers"].schema()
    return [name for name, kind in schema.items() if name not in own and not kind.is_nested()]


def need_group(by: str, allowed: Sequence[str]) -> None:
    """Refuse what customers cannot be grouped by; nothing at all asks for no grouping."""
    if by == "":
        known = listing(name for name in allowed if name != "month")
        raise MissingInput(
            f"No segment was asked for. With the parameter segment set to a trait of customers "
            f"({known or 'this data has none'}), the answer by segment would be shown here."
        )
    need_name("by", by, allowed, "is not a trait of customers", offer="use one of:")


def trait_groups(data: Dataset, by: str) -> ir.Table:
    """Each customer's trait as text: customer_id, group."""
    customers = data.tables["customers"]
    return customers.select("customer_id", group=customers[by].cast("string").fill_null(UNKNOWN))


def first_touchpoints(data: Dataset, until: ir.Table) -> ir.Table:
    """The touchpoint of each customer's first touch, no later than `until`: customer_id, group.

    `until` has customer_id and until (seconds); touches of one millisecond go by name.
    """
    touches = data.touches.join(number_names(touchpoint_names(data)), "touchpoint")
    touches = touches.select(
        "customer_id", "code", group=touches.touchpoint, time=seconds(touches.timestamp)
    )
    touches = touches.inner_join(until, "customer_id")
    touches = touches.filter(touches.time <= touches.until)
    place = ibis.row_number().over(group_by="customer_id", order_by=["time", "code"])
    ranked = touches.mutate(place=place)
    return ranked.filter(ranked.place == 0).select("customer_id", "group")


def with_group(
    table: ir.Table, groups: ir.Table, missing: str = UNKNOWN, key: str = "customer_id"
) -> ir.Table:
    """Add the `group` of each row's customer, and of those that have none."""
    joined = table.left_join(groups.rename({key: "customer_id"}), key)
    return joined.select(*table.columns, group=joined.group.fill_null(missing))


def outcome_counts(data: Dataset) -> dict[str, int]:
    """Count outcomes by name, most frequent first."""
    counts = data.outcomes.group_by("outcome").aggregate(n=data.outcomes.count()).to_pandas()
    counts = counts.sort_values(["n", "outcome"], ascending=[False, True])
    return dict(zip(counts.outcome, counts.n, strict=True))


def need_outcome(outcome: str, counts: Mapping[str, int]) -> None:
    """Refuse a name that no outcome of the data has."""
    if outcome not in counts:
        found = listing(f"{name} ({n:,})" for name, n in counts.items())
        raise ParameterError(
            f"outcome: no outcome is named {outcome!r}\n"
            f"  the data has {found or 'no outcomes'}; use one of these"
        )


def first_times(data: Dataset, *outcomes: str) -> ir.Table:
    """When each customer had one of the outcomes for the first time: customer_id, time."""
    rows = data.outcomes.filter(data.outcomes.outcome.isin(outcomes))
    return rows.group_by("customer_id").aggregate(time=seconds(rows.timestamp).min())


def touchpoint_names(data: Dataset, table: str = "touches") -> tuple[str, ...]:
    """Name the touchpoints in Python's order: databases sort by collations of their own."""
    rows = data.touches if table == "touches" else data.tables[table]
    names = sorted(rows.select("touchpoint").distinct().to_pandas().touchpoint)
    if len(names) > MOST_TOUCHPOINTS:
        raise DataError(
            f"{table}.touchpoint: {len(names):,} different names, at most {MOST_TOUCHPOINTS:,}\n"
            "  are these pages or campaigns? put those in `campaign` and name the kind here"
        )
    return tuple(names)


def number_names(names: Sequence[str]) -> ir.Table:
    """Give every touchpoint its place among the names: touchpoint, code."""
    return ibis.memtable(pd.DataFrame({"touchpoint": names, "code": range(len(names))}))


def directions(data: Dataset) -> dict[str, set[str]]:
    """Ways that the touches of each touchpoint go, ``in`` and ``out``, where that is recorded."""
    if not data.has("touches") or "direction" not in data.touches.columns:
        return {}
    known = data.touches.filter(data.touches.direction.notnull())
    pairs = known.select("touchpoint", "direction").distinct().to_pandas()
    return {str(name): set(own) for name, own in pairs.groupby("touchpoint").direction}
