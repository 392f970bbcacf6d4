"""The small sufficient statistics that every credit model needs, by customer group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.credit.rules import Rule, Touch
from touchlab.journeys.build import DAY_MS, Journeys


@dataclass(frozen=True)
class Lags:
    """Codes of the touches before an event within its journey, nearest first."""

    events: ir.Table
    codes: tuple[ir.Value, ...]
    """The event's own code, then one for each lag; the start code where there is none."""


def with_lags(journeys: Journeys, depth: int) -> Lags:
    """Look `depth` events back from every event, not beyond the journey's start."""
    window = ibis.window(**journeys.following)
    events = journeys.events
    lagged = events.mutate(
        **{f"lag{i}": events.order.lag(i).over(window) for i in range(1, depth + 1)}
    )
    orders = [lagged.order, *(lagged[f"lag{i}"] for i in range(1, depth + 1))]
    inside: ir.Value = ibis.literal(True)
    codes = [journeys.code(orders[0])]
    for later, earlier in zip(orders, orders[1:], strict=False):
        inside = inside & ~journeys.breaks(later, earlier)
        codes.append(ibis.ifelse(inside, journeys.code(earlier), journeys.start_code))
    return Lags(lagged, tuple(codes))


def transition_counts(journeys: Journeys, order: int) -> pd.DataFrame:
    """Count every step from the last `order` touches to the next touch or the outcome.

    Returns columns ``[segment], group, key, n``; `key` holds the codes as digits to
    base `journeys.width`, oldest first, the step's target last. Journeys that end
    without the outcome are the touches that no step leaves.
    """
    lags = with_lags(journeys, order)
    key = lags.codes[-1]
    for code in reversed(lags.codes[:-1]):
        key = key * journeys.width + code
    rows = lags.events.mutate(key=key.cast("int64"))
    return _sum_by(rows, journeys, "key", n=rows.weight.sum())


def rule_sums(journeys: Journeys, rules: Sequence[Rule]) -> pd.DataFrame:
    """Add up what each rule gives to the touches of converting journeys.

    Returns columns ``[segment], group, code`` and for rule i ``count_i, value_i``.
    """
    touches = converting_touches(journeys)
    journey = ibis.window(group_by=list(journeys.numbered.keys))
    touch = Touch(
        position=touches.position,
        n=touches.n,
        age_days=touches.age_days,
        youngest_days=touches.youngest_days,
        last_other=touches.last_other,
        repeats=touches.repeats,
    )
    weighed = touches.mutate(
        **{f"w{i}": rule.weight(touch).cast("float64") for i, rule in enumerate(rules)}
    )
    shares = weighed.mutate(
        **{f"s{i}": weighed[f"w{i}"] / weighed[f"w{i}"].sum().over(journey) for i in range(len(rules))}
    )
    sums = {}
    for i in range(len(rules)):
        sums[f"count_{i}"] = (shares[f"s{i}"] * shares.conversions).sum()
        sums[f"value_{i}"] = (shares[f"s{i}"] * shares.worth.fill_null(0.0)).sum()
    return _sum_by(shares, journeys, "code", **sums)


def converting_touches(journeys: Journeys, direct: str = "direct") -> ir.Table:
    """Give a row a touch of each converting journey, with its place and its age.

    Columns beside the keys: group, [segment], code, position (1 = first), n (touches
    of the journey), age_days (before the outcome; steps where there are no times),
    youngest_days (the same for the journey's last touch),
    last_other (position of the last touch that is not `direct`, 0 if none), repeats
    (touches of the same touchpoint in the journey), conversions, worth.
    """
    journeys = replace(journeys, events=_of_converting_customers(journeys)).numbered
    events = journeys.events
    keys = list(journeys.keys)
    place = ibis.row_number().over(ibis.window(**journeys.following)) + 1
    placed = events.mutate(position=place, code=journeys.code(events.order))
    is_end = placed.code == journeys.outcome_code
    ends = placed.filter(is_end)
    ends = ends.select(
        *keys, end=ends.order, n=ends.position - 1, conversions=ends.weight, worth=ends.value
    )
    touches = placed.filter(~is_end).drop("value", "weight").inner_join(ends, keys)
    touches = touches.drop(*[c for c in touches.columns if c.endswith("_right")])
    scale = journeys.width * DAY_MS if journeys.timed else journeys.width
    age = (touches.end - journeys.outcome_code) - (touches.order - touches.code)
    journey = ibis.window(group_by=keys)
    touches = touches.mutate(age_days=age.cast("float64") / scale)
    other = touches.code != _code_of(journeys, direct)
    return touches.mutate(
        youngest_days=touches.age_days.min().over(journey),
        last_other=ibis.ifelse(other, touches.position, 0).max().over(journey),
        repeats=touches.count().over(ibis.window(group_by=[*keys, "code"])),
    )


def totals(journeys: Journeys) -> pd.DataFrame:
    """Count outcomes and add up value, with and without a touch before them.

    Returns columns ``[segment], group, outcomes, value, untouched, untouched_value``.
    """
    events = _of_converting_customers(journeys)
    previous = events.order.lag(1).over(ibis.window(**journeys.following))
    marked = events.mutate(previous=previous)
    ends = marked.filter(journeys.code(marked.order) == journeys.outcome_code)
    alone = journeys.breaks(ends.order, ends.previous)
    worth = ends.value.fill_null(0.0)
    return _sum_by(
        ends,
        journeys,
        outcomes=ends.weight.sum(),
        value=worth.sum(),
        untouched=ibis.ifelse(alone, ends.weight, 0.0).sum(),
        untouched_value=ibis.ifelse(alone, worth, 0.0).sum(),
    )


def _of_converting_customers(journeys: Journeys) -> ir.Table:
    """Keep customers with the outcome: a fraction of the rows for all that looks back from it."""
    events = journeys.events
    ends = events.filter(journeys.code(events.order) == journeys.outcome_code)
    return events.semi_join(ends.select("customer").distinct(), "customer")


def _code_of(journeys: Journeys, touchpoint: str) -> int:
    return journeys.touchpoints.index(touchpoint) if touchpoint in journeys.touchpoints else -1


def _sum_by(
    table: ir.Table, journeys: Journeys, *keys: str, **sums: ir.Value
) -> pd.DataFrame:
    groups = ["segment"] * (journeys.by is not None) + ["group", *keys]
    frame = table.group_by(groups).aggregate(**sums).to_pandas()
    return frame.sort_values(groups, ignore_index=True)
