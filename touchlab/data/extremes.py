"""Times far from all others, ends that are open, and customers with most of the touches.

A single wrong date would set where the data ends, and with it every rate and every curve.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from statistics import median
from typing import Any

import ibis
import ibis.expr.types as ir

from touchlab.data.contract import Note
from touchlab.data.locate import Located

YEAR = timedelta(days=365)
FEW = 100
"""One row in so many may be far from the others by mistake."""
FEWEST = 20
"""Rows below which nothing is known of where most are."""
BUCKETS = 1024
MUCH, OVERLY = 0.05, 20
"""A customer is named as a count who has this share, and this many times what is usual."""
Times = tuple[datetime, datetime]


def drop_far(
    located: Located, name: str, table: ir.Table, column: str = "timestamp"
) -> tuple[ir.Table, list[Note], Times | None]:
    """Leave out the few rows that lie years from all others; also the first and last time left."""
    given = table.filter(table[column].notnull())
    by_month = given.group_by(given[column].truncate("M").name("month"))
    times = by_month.aggregate(n=given.count(), first=given[column].min(), last=given[column].max())
    months = sorted(located.bring(f"{name}: months", times), key=lambda row: row["first"])
    if not months:
        return table, [], None
    early, mass, late = _far(months)
    first, last = mass[0]["first"], mass[-1]["last"]
    notes = []
    for rows, where in ((early, "before"), (late, "after")):
        if rows:
            n = sum(row["n"] for row in rows)
            edge = rows[0]["first"] if where == "after" else rows[-1]["last"]
            years = (edge - last if where == "after" else first - edge) / YEAR
            said = f"{column}: {years:.0f} years {where} all others ({edge:%Y-%m-%d}), dropped"
            notes.append(Note(name, n, said))
    if notes:
        table = table.filter(table[column].between(first, last) | table[column].isnull())
    return table, [*notes, *_to_come(located, name, table, column, mass)], (first, last)


def _far(months: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], ...]:
    """Cut months into a few rows far before, the mass, and a few rows far after.

    Far is a gap of a year and more, and of half the time that 98 % of the rows take.
    """
    passed = [0, *accumulate(month["n"] for month in months)]
    rows = passed[-1]
    few = max(1, rows // FEW) if rows >= FEWEST else 0
    inner = [i for i in range(len(months)) if passed[i + 1] > few and passed[i] < rows - few]
    if not inner:
        return [], months, []
    wide = max(YEAR, (months[inner[-1]]["last"] - months[inner[0]]["first"]) / 2)
    cuts = [i for i in range(1, len(months)) if months[i]["first"] - months[i - 1]["last"] >= wide]
    start = max((i for i in cuts if passed[i] <= few), default=0)
    end = min((i for i in cuts if rows - passed[i] <= few), default=len(months))
    return months[:start], months[start:end], months[end:]


def _to_come(
    located: Located, name: str, table: ir.Table, column: str, months: list[dict[str, Any]]
) -> list[Note]:
    """Note times later than now, unless most are: then time itself is made up."""
    now = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    if months[-1]["last"] < now:
        return []
    later = table[column] > ibis.timestamp(f"{now:%Y-%m-%d %H:%M:%S}")
    (found,) = located.bring(f"{name}: later", table.aggregate(n=later.sum()))
    if found["n"] * 2 > sum(month["n"] for month in months):
        return []
    return [Note(name, found["n"], f"{column}: later than today")]


def close_ends(
    located: Located, name: str, table: ir.Table, last: datetime
) -> tuple[ir.Table, list[Note]]:
    """Let open ends mean that it goes on: until the end of the data, its last day.

    Open is an end that is missing, after 2200 (both come as null), or years after the data.
    """
    start, end = ("observed_from", "observed_to") if name == "customers" else ("start", "end")
    far = ibis.timestamp(f"{last + YEAR:%Y-%m-%d %H:%M:%S}")
    opened = table[end].isnull() | (table[end] > far)
    closed = ~opened
    asked = table.aggregate(
        n=opened.sum(), last=table[end].max(where=closed), start=table[start].max()
    )
    (found,) = located.bring(f"{name}: ends", asked)
    if not found["n"]:
        return table, []
    latest = max(time for time in (last, found["last"], found["start"]) if time is not None)
    ends = latest.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    ends -= timedelta(microseconds=1)
    until = ibis.timestamp(f"{ends:%Y-%m-%d %H:%M:%S.%f}")
    said = f"{end}: open, taken to go on until the data ends ({ends:%Y-%m-%d})"
    return table.mutate(**{end: ibis.ifelse(opened, until, table[end])}), [
        Note(name, found["n"], said)
    ]


def busiest(located: Located, name: str, table: ir.Table) -> list[Note]:
    """Note customers who have a large share of all rows: a shared id, a robot, a test.

    Customers are counted together by the last digits of a hash, and alone where these stand out.
    """
    bucket = (table.customer_id.hash() % BUCKETS).name("bucket")
    counted = table.group_by(bucket).aggregate(n=table.count())
    sizes = {row["bucket"]: row["n"] for row in located.bring(f"{name}: buckets", counted)}
    rows, usual = sum(sizes.values()), median(sizes.values())
    much = [b for b, n in sizes.items() if n >= max(MUCH * rows, OVERLY * usual)]
    if not much or rows < BUCKETS:
        return []
    some = table.filter(bucket.isin(much))
    some = some.group_by("customer_id").aggregate(n=some.count())
    most = some.filter(some.n >= MUCH * rows)
    sums = most.aggregate(n=most.count(), rows=most.n.sum())
    (one,) = located.bring(f"{name}: busiest", sums)
    if not one["n"]:
        return []
    who = "1 customer has" if one["n"] == 1 else f"{one['n']:,} customers have"
    said = f"{who} {one['rows'] / rows:.0%} of all {name}; a shared id, a robot or a test?"
    return [Note(name, one["rows"], said)]
