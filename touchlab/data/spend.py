"""Spread what was spent on a day over that day's touches, and say what finds none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from touchlab.data.contract import Note, Problem
from touchlab.data.readers import keep
from touchlab.errors import shorten

TWICE = "have a cost of their own, and their touchpoint has dated spend"
ONE_OF_THEM = "leave the cost of these touches out, or their touchpoint out of spend"
NO_TOUCH = "on days without a touch of its touchpoint, dropped"
NO_CAMPAIGN = "by campaigns without a touch that day, spread over the touches of their touchpoint"
BY_DAY, BY_CAMPAIGN = ["touchpoint", "day"], ["touchpoint", "day", "campaign"]


def spread_spend(tables: Mapping[str, ir.Table]) -> tuple[ir.Table, list[Problem], list[Note]]:
    """Give touches an equal part of what was spent on their touchpoint that day (in UTC).

    Where both tables name campaigns, a campaign's spend goes to its own touches of the day.
    """
    spend, touches = tables["spend"], tables["touches"]
    spend = keep(spend.mutate(day=spend.date.date()).drop("date"), "spend")
    own = touches.cost.fill_null(0.0) if "cost" in touches.columns else ibis.literal(0.0)
    touches = touches.mutate(day=touches.timestamp.date(), cost=own)
    twice = _count(touches.filter(touches.cost > 0).semi_join(spend, "touchpoint"))
    if twice:
        place = "touches", "cost", TWICE, ONE_OF_THEM
        return touches, [Problem(*place, twice, _count(touches))], []
    notes, every = [], spend
    if "campaign" in spend.columns and "campaign" in touches.columns:
        there = keep(touches.select(BY_CAMPAIGN).distinct(), "campaigns")
        touches = _spread(touches, spend.semi_join(there, BY_CAMPAIGN), BY_CAMPAIGN)
        spend = spend.anti_join(there, BY_CAMPAIGN)
        by_touchpoint = spend.filter(spend.campaign.notnull()).semi_join(there, BY_DAY)
        notes += _said(by_touchpoint, every, NO_CAMPAIGN)
    there = keep(touches.select(BY_DAY).distinct(), "days")
    touches = _spread(touches, spend.semi_join(there, BY_DAY), BY_DAY)
    return (
        touches.drop("day"),
        [],
        [*notes, *_said(spend.anti_join(there, BY_DAY), every, NO_TOUCH)],
    )


def _count(table: ir.Table) -> int:
    return int(table.count().to_pyarrow().as_py())


def _spread(touches: ir.Table, spend: ir.Table, by: Sequence[str]) -> ir.Table:
    """Add to each touch its part of the spend that shares what `by` names."""
    touched = touches.group_by(by).aggregate(n=touches.count())
    spent = spend.group_by(by).aggregate(spent=spend.cost.sum())
    each = spent.inner_join(touched, by)
    each = each.select(*by, part=each.spent / each.n)
    joined = touches.left_join(each, by)
    cost = joined.cost + joined.part.fill_null(0.0)
    return joined.select(**{c: cost if c == "cost" else joined[c] for c in touches.columns})


def _said(some: ir.Table, every: ir.Table, what: str) -> list[Note]:
    """Say how much of the spend it is, and on which touchpoint most of it."""
    sums = some.group_by("touchpoint").aggregate(n=some.count(), cost=some.cost.sum())
    rows = sums.to_pyarrow().to_pylist()
    lost = sum(row["cost"] for row in rows)
    if not lost:
        return []
    total = float(every.cost.sum().to_pyarrow().as_py())
    most = min(rows, key=lambda row: (-row["cost"], row["touchpoint"]))
    share = f"{lost:,.2f} of {total:,.2f} ({100 * lost / total:.1f} %)"
    said = f"{share} was spent {what}; most on {shorten(most['touchpoint'])}: {most['cost']:,.2f}"
    return [Note("spend", sum(row["n"] for row in rows), said)]
