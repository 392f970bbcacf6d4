"""Rows that are there twice: equal ones, ids that repeat, and rows of the same second.

Rows are compared whole, with what the contract does not name. Only rows whose key repeats are
compared: few in most data.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir

from touchlab.data.contract import Note, Problem, Spec
from touchlab.data.locate import Located, Row
from touchlab.data.outcomes import REFUND
from touchlab.data.readers import forget, keep
from touchlab.errors import shorten

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
