"""Outcomes looked at more closely, where `[clean]` asks for it: refunds, first ones and repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from touchlab.data.columns import Probe
from touchlab.data.contract import Note
from touchlab.errors import DataError, listing, nearest

REFUND, FIRST, REPEAT = "refund", "first", "repeat"
BELOW = "below zero, taken as an outcome refund of so much"


def refunds_apart(clean: dict[str, ir.Value]) -> list[Probe]:
    """Make outcomes of a value below zero refunds of so much."""
    if "value" not in clean or "outcome" not in clean:
        return []
    value, below = clean["value"], (clean["value"] < 0).fill_null(False)
    clean["outcome"] = ibis.ifelse(below, REFUND, clean["outcome"])
    clean["value"] = value.abs()
    return [Probe("value", below, BELOW)]


def net_refunds(outcomes: ir.Table) -> tuple[ir.Table, list[Note]]:
    """Take refunds off the value of the outcome that they are of; no value falls below zero.

    That is the one of the same `order_id`, or else the last one before that had a value. Refunds
    stay as outcomes of their own.
    """
    if "value" not in outcomes.columns:
        return outcomes, []
    is_refund = outcomes.outcome == REFUND
    marked = outcomes.mutate(
        back=ibis.ifelse(is_refund, outcomes.value, 0.0).fill_null(0.0),
        order=ibis.ifelse(is_refund | outcomes.value.isnull(), 0, 1),
        of=outcomes.order_id if "order_id" in outcomes.columns else ibis.null("string"),
    )
    same = ibis.window(group_by=[marked.customer_id, marked.of])
    one = marked.of.notnull() & (marked.order.sum().over(same) == 1)
    marked = marked.mutate(named=ibis.ifelse(one, marked.back.sum().over(same), 0.0))
    marked = marked.mutate(back=ibis.ifelse(marked.named > 0, 0.0, marked.back))
    order_by = [marked.timestamp, marked.order.desc(), "value"]
    so_far = ibis.cumulative_window(group_by="customer_id", order_by=order_by)
    marked = marked.mutate(place=marked.order.sum().over(so_far))
    since = ibis.window(group_by=[marked.customer_id, marked.place])
    lost = marked.named + marked.back.sum().over(since)
    marked = marked.mutate(lost=ibis.ifelse(marked.order == 1, lost, 0.0))
    off = ibis.least(marked.lost, marked.value)
    sums = marked.aggregate(
        n=(marked.outcome == REFUND).sum(),
        all=marked.value.sum(where=marked.outcome == REFUND),
        off=off.sum(where=marked.lost > 0),
    )
    (row,) = sums.to_pyarrow().to_pylist()
    if not row["n"]:
        return outcomes, []
    whole, taken_off = float(row["all"] or 0), float(row["off"] or 0)
    said = f"refunds of {whole:,.2f}: {taken_off:,.2f} taken off the value of what they are of"
    if (over := whole - taken_off) > 0.005:
        said += f", {over:,.2f} met no such value"
    netted = ibis.ifelse(marked.lost > 0, marked.value - off, marked.value)
    columns = [name for name in outcomes.columns if name != "value"]
    return marked.select(*columns, value=netted), [Note("outcomes", int(row["n"]), said)]


def first_and_repeat(
    outcomes: ir.Table, names: Sequence[str], counts: Mapping[str, int]
) -> tuple[ir.Table, list[Note]]:
    """Add, beside each outcome of these names, one named as a customer's first or as a repeat."""
    if unknown := [name for name in names if name not in counts]:
        rule = f"clean: first names {listing(unknown)}{nearest(unknown[0], [*counts])}"
        raise DataError(f"{rule}\n  the outcomes are {listing(counts)}")
    own = outcomes.filter(outcomes.outcome.isin(list(names)))
    beside = ["value"] if "value" in own.columns else []
    place = ibis.row_number().over(
        group_by=["customer_id", "outcome"], order_by=["timestamp", *beside]
    )
    word = ibis.ifelse(place == 0, f"{FIRST} ", f"{REPEAT} ")
    apart = own.mutate(outcome=word + own.outcome).select(outcomes.columns)
    found = apart.group_by("outcome").aggregate(n=apart.count()).to_pyarrow().to_pylist()
    number = {row["outcome"]: row["n"] for row in found}
    notes = []
    for name in names:
        first, more = (number.get(f"{which} {name}", 0) for which in (FIRST, REPEAT))
        said = f"{name}: told apart too, as {FIRST} {name} ({first:,}) and {REPEAT} {name}"
        notes.append(Note("outcomes", first + more, f"{said} ({more:,}), by what the data holds"))
    return outcomes.union(apart), notes
