"""The small sufficient statistics that every credit model needs, by customer group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.journeys.build import Journeys
from touchlab.journeys.ordered import Ordered
from touchlab.journeys.touches import NO_CODE, ConvertingTouches, Rule, converting_touches

Measure = Literal["count", "value"]


def step_counts(ordered: Ordered, order: int) -> pd.DataFrame:
    """Count every step from the last `order` touches to the next touch or the outcome.

    Returns columns ``[segment], group, key, n``. `key` holds the codes as digits to
    base `width`, oldest first, the step's target last; `n` counts journeys. Journeys
    that end without the outcome are the touches that no step leaves.
    """
    journeys = ordered.journeys
    key: ir.Value = ibis.literal(0, "int64")
    for code in reversed(ordered.codes(order)):
        key = key * journeys.width + code
    key = key * journeys.width + journeys.code(ordered.events.order)
    rows = ordered.events.mutate(key=key)
    # not the sum of `weight`: two outcomes at one instant are one step
    n = rows.count() if journeys.timed else rows.weight.sum()
    return _sum_by_group(rows, journeys, ["key"], n=n)


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
    return _sum_by_group(touches, ordered.journeys, keys, **sums)


def _weighed(found: ConvertingTouches, rules: Sequence[Rule]) -> ir.Table:
    """Add the weight of each rule as w0, w1, ..., scaled to 1 in each journey."""
    columns = {f"w{i}": _expression(rule.weight(found.touch)) for i, rule in enumerate(rules)}
    touches = found.table.mutate(**columns)
    scaled = [w for w, rule in zip(columns, rules, strict=True) if not rule.whole]
    journey = ibis.window(group_by=list(found.keys))
    # all the sums in one statement: one pass for the engine
    touches = touches.mutate(**{f"all_{w}": touches[w].sum().over(journey) for w in scaled})
    return touches.mutate(**{w: touches[w] / touches[f"all_{w}"].nullif(0) for w in scaled})


def _sum_by_group(
    table: ir.Table, journeys: Journeys, keys: Sequence[str], **sums: ir.Value
) -> pd.DataFrame:
    groups = [*(["segment"] if journeys.by is not None else []), "group", *keys]
    frame = table.group_by(groups).aggregate(**sums).to_pandas()
    return frame.sort_values(groups, ignore_index=True)


def _expression(weight: Any) -> ir.Value:
    """Let a rule answer with a column or with a plain number."""
    value = weight if isinstance(weight, ir.Value) else ibis.literal(float(weight))
    return value.cast("float64")
