"""The small sufficient statistics that every credit model needs, by customer group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.journeys.ordered import Ordered
from touchlab.journeys.touches import (
    NO_CODE,
    ConvertingTouches,
    Rule,
    converting_touches,
    with_outcomes,
)

Measure = Literal["count", "value"]


def step_counts(ordered: Ordered, order: int) -> pd.DataFrame:
    """Count every step from the last `order` touches to the next touch or the outcome.

    Returns columns ``[segment], group, key, n``. `key` holds the codes as digits to
    base `width`, oldest first, the step's target last; `n` counts journeys. Journeys
    that end without the outcome are the touches that no step leaves.
    """
    journeys, events = ordered.journeys, ordered.events
    size = journeys.width ** (order + 1)
    key = _memory(ordered, order) * journeys.width + journeys.code(events.order)
    # with the group as first digit: engines count best by one number
    rows = events.mutate(cell=journeys.group(events) * size + key)
    # not the sum of `weight`: two outcomes at one instant are one step
    n = rows.count() if journeys.timed else rows.weight.sum()
    counts = _sum_by(rows, [*journeys.segment, "cell"], n=n)
    return counts.assign(group=counts.cell // size, key=counts.cell % size).drop(columns="cell")


def _memory(ordered: Ordered, order: int) -> ir.Value:
    """Write the codes of the last `order` events as digits; the start's beyond the journey."""
    journeys, memory = ordered.journeys, ibis.literal(0, "int64")
    for depth in range(order, 0, -1):
        later, earlier = ordered.lag(depth - 1), ordered.lag(depth)
        held = memory * journeys.width + journeys.code(earlier)
        start = start_key(journeys.width, order - depth + 1)
        memory = ibis.ifelse(journeys.follows(later, earlier), held, start)
    return memory


def start_key(width: int, order: int) -> int:
    """Write the state before the first touch: the start code in every digit."""
    return (width - 2) * sum(width**place for place in range(order))


def rule_sums(
    ordered: Ordered,
    rules: Sequence[Rule],
    *,
    measure: Measure = "count",
    positions: int | None = None,
) -> pd.DataFrame:
    """Share out the outcomes, or their value, among the touches before them by each rule.

    Returns columns ``[segment], group, code, [position], total`` and for rule i
    ``sum_i``; `total` shares out evenly. Outcomes without a touch are whole in the
    rows of code `NO_CODE`. Positions beyond `positions` are counted as one.
    """
    found = converting_touches(ordered)
    touches = _weighed(found, rules)
    what = touches.outcomes if measure == "count" else touches.worth
    alone = touches.code == NO_CODE
    sums = {"total": (what / touches.n).sum()}
    for i in range(len(rules)):
        given = ibis.ifelse(alone, 1.0, touches[f"w{i}"]) * what
        sums[f"sum_{i}"] = given.sum().fill_null(0.0)
    keys = ["code"]
    if positions is not None:
        touches = touches.mutate(position=ibis.least(touches.position, positions + 1))
        keys.append("position")
    return _sum_by(touches, [*ordered.journeys.segment, "group", *keys], **sums)


def outcome_sums(ordered: Ordered, *, measure: Measure = "count") -> pd.DataFrame:
    """Count the outcomes, or add up their value, with and without a touch before them.

    Returns columns ``[segment], group, code, total`` as `rule_sums` does, in a fraction of its
    time; `code` is 0 for all outcomes with a touch.
    """
    journeys = ordered.journeys
    ends = with_outcomes(journeys, ordered.converting)
    touched = journeys.follows(ends.order, ends.lag1).fill_null(False)
    rows = ends.mutate(group=journeys.group(ends), code=ibis.ifelse(touched, 0, NO_CODE))
    what = rows.outcomes if measure == "count" else rows.worth.fill_null(0.0)
    return _sum_by(rows, [*journeys.segment, "group", "code"], total=what.sum())


def _weighed(found: ConvertingTouches, rules: Sequence[Rule]) -> ir.Table:
    """Add the weight of each rule as w0, w1, ..., scaled to 1 in each journey."""
    names = {f"w{i}": rule for i, rule in enumerate(rules)}
    scaled = {w: _expression(r.weight(found.touch)) for w, r in names.items() if not r.whole}
    table = found.table.mutate(**scaled)
    journey = ibis.window(group_by=list(found.keys))
    # all the sums in one statement: one pass for the engine, and no column more than it needs
    table = table.mutate(**{f"all_{w}": table[w].sum().over(journey) for w in scaled})
    touch = replace(found, table=table).touch
    whole = {w: _expression(r.weight(touch)) for w, r in names.items() if r.whole}
    return table.mutate(**whole, **{w: table[w] / table[f"all_{w}"].nullif(0) for w in scaled})


def _sum_by(table: ir.Table, keys: list[str], **sums: ir.Value) -> pd.DataFrame:
    counted = table.group_by(keys).aggregate(**sums).to_pyarrow()
    frame = counted.to_pandas(split_blocks=True)  # millions of rows: not copied together
    return frame.sort_values(keys, ignore_index=True)


def _expression(weight: Any) -> ir.Value:
    """Let a rule answer with a column or with a plain number."""
    value = weight if isinstance(weight, ir.Value) else ibis.literal(float(weight))
    return value.cast("float64")
