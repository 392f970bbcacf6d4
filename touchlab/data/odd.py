"""What is odd about rows: times far from all others, ends that are open, rows that are there twice.

A single wrong date would set where the data ends, and with it every rate and every curve. Rows
are compared whole, with what the contract does not name, and only those whose key repeats: few in
most data. Customers with most of the touches are noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from statistics import median
from typing import Any

import ibis
import ibis.expr.types as ir

from touchlab.data.contract import Note, Problem, Spec
from touchlab.data.locate import Located, Row
from touchlab.data.outcomes import REFUND
from touchlab.data.readers import forget, keep
from touchlab.errors import shorten

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


DROPPED = "exact duplicates dropped"
KEPT = "equal rows, kept"
ONE_DAY = 'on one day they may be two; {} would tell, duplicates = "drop" under [clean] drops them'
NOBODY = "without customer_id they may be two; {} would tell"
SAME_SECOND = "{} and customer as in another row of the same second, kept; sent or tried twice?"
Found = tuple[ir.Table, list[Note], list[Problem]]


@dataclass(frozen=True)
class Repeats:
    """Rows that share a key: how many rows and keys, and the rows once each."""

    rows: int
    keys: int
    repeated: ir.Table
    distinct: ir.Table
    left: int

    def dropped_from(self, table: ir.Table, key: tuple[str, ...]) -> ir.Table:
        """Leave each row once."""
        once = self.distinct.select(table.columns).cast(table.schema())
        return table.anti_join(self.repeated, key).union(once)


def drop_repeats(
    located: Located, table: ir.Table, spec: Spec, total: int, *, dates: bool
) -> Found:
    """Drop equal rows, and refuse rows that share a key of which there can be one.

    `dates` says that times have no time of day: equal rows of one day can both be true.
    """
    if not spec.key:
        return table, [], []
    if spec.identity not in table.columns:
        return _whole_rows(located, table, spec, total, dates=dates)
    known = table[spec.identity].notnull()
    if spec.name == "outcomes":  # an order may be refunded in parts
        known &= table.outcome != REFUND
    key = (spec.identity, *spec.identity_of)
    found = _look(located, table.filter(known), key, f"{spec.name}: ids")
    rest, notes, _ = _whole_rows(located, table.filter(~known), spec, total, dates=dates)
    if found is None and not notes:
        return table, [], []
    named, problems = table.filter(known), []
    if found:
        problems = _differ(found, spec, key, total)
        dropped = found.rows - found.left
        notes += [Note(spec.name, dropped, DROPPED)] if dropped else []
        named = found.dropped_from(named, key)
    return named.union(rest), notes, problems


def _whole_rows(located: Located, table: ir.Table, spec: Spec, total: int, *, dates: bool) -> Found:
    key, own = spec.key, table.columns
    asked, notes = located.clean.duplicates, list[Note]()
    what = {"touches": "touchpoint", "outcomes": "outcome"}.get(spec.name)
    if what:  # what comes within a second is told by the same look
        key = ("customer_id", "second")
        table = table.mutate(second=table.timestamp.truncate("s"))
    compared = table
    if spec.name == "surveys":
        known = table.timestamp.notnull()
        if "customer_id" in own:
            known &= table.customer_id.notnull()
            compared = table.filter(known)
        nobodys = table.filter(~known) if "customer_id" in own else table
        equal = count(nobodys) - count(nobodys.distinct())
        notes += [Note(spec.name, equal, f"{KEPT}: {_apart(spec, NOBODY)}")] if equal else []
        if "customer_id" not in own:
            return table, notes, []
    found = _look(located, compared, key, f"{spec.name}: repeated")
    if found is None:
        return table.select(own), notes, []
    problems = _differ(found, spec, key, total) if spec.unique else []
    if what and not dates:
        near = found.left - count(found.distinct.select(*key, what).distinct())
        notes += [Note(spec.name, near, SAME_SECOND.format(what))] if near else []
    if found.left == found.rows:
        forget([found.distinct, found.repeated])
    elif spec.unique or asked == "drop" or not (dates or asked):
        notes.append(Note(spec.name, found.rows - found.left, DROPPED))
        table = found.dropped_from(table, key)
    else:
        why = "[clean] says so" if asked else _apart(spec, ONE_DAY)
        notes.append(Note(spec.name, found.rows - found.left, f"{KEPT}: {why}"))
    return table.select(own), notes, problems


def _apart(spec: Spec, why: str) -> str:
    return why.format(spec.identity)


def _look(located: Located, table: ir.Table, key: tuple[str, ...], asked: str) -> Repeats | None:
    """Find the rows whose key repeats, and each of them once; None where no key does."""
    keys = table.group_by(*key).aggregate(n=table.count())
    found = keys.filter(keys.n > 1)
    made: list[ir.Table] = []

    def counted() -> Row:
        made.append(keep(found, "repeated"))
        sums = made[0].aggregate(keys=made[0].count(), rows=made[0].n.sum())
        return dict(sums.to_pyarrow().to_pylist()[0])

    counts = located.ask(asked, counted)
    if not counts["rows"]:
        forget(made)
        return None
    repeated = made[0] if made else keep(found, "repeated")
    distinct = keep(table.semi_join(repeated, key).distinct(), "distinct")
    return Repeats(int(counts["rows"]), int(counts["keys"]), repeated, distinct, count(distinct))


def _differ(found: Repeats, spec: Spec, key: tuple[str, ...], total: int) -> list[Problem]:
    """Describe rows that share a key but differ."""
    if found.left <= found.keys:
        return []
    keys = found.distinct.group_by(*key).aggregate(n=found.distinct.count())
    keys = keys.filter(keys.n > 1)
    broken = int(keys.n.sum().to_pyarrow().as_py())
    most = keys.order_by(keys.n.desc(), *key).limit(1).to_pyarrow().to_pylist()[0]
    example = ", ".join(f"{c} {shorten(most[c])}" for c in key) + f", {most['n']:,} rows"
    mend = f"keep one row for each {' and '.join(key)}"
    return [Problem(spec.name, key[0], "repeat a key", mend, broken, total, example)]


def count(table: ir.Table) -> int:
    """Count rows."""
    return int(table.count().to_pyarrow().as_py())
