"""Rare touchpoints, campaigns and trait levels folded into one, before anything is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.data.contract import TABLES, Note
from touchlab.data.dataset import Dataset, notes_table
from touchlab.once import once
from touchlab.privacy.suppress import MIN_CUSTOMERS, check_k

MOST_TOUCHPOINTS = 50
"""More than these are folded too, those that fewest customers meet: what a report computes grows
with their number to the fourth, and nobody reads a list of them. With `OTHER` and customers without
a touch they stay below the 60 groups that curves and values are told of."""
OTHER = "(other)"
INTO = f"folded into {OTHER}"
MISSING = "taken as missing"


def fold_rare(data: Dataset, *, k: int = MIN_CUSTOMERS) -> Dataset:
    """Fold touchpoints, campaigns and trait levels of fewer than `k` customers into ``(other)``.

    So every touchpoint that a report names is one of `k` customers or more, and of the 50 that most
    customers meet. Where all that is folded is of fewer than `k` customers too, touches of rare
    touchpoints are dropped, rare campaigns and levels become missing. Rare touchpoints leave the
    other tables too.
    It does not look into combinations, such as a touchpoint within a segment: tables do, see
    `suppress`. Traits that are numbers or times stay as they are.

    Parameters
    ----------
    data
        An opened Dataset; of a paths table, journeys stand for customers.
    k
        Fewest customers.

    Returns
    -------
    Dataset
        Lazy as before; what was folded or dropped is counted in ``.notes``.

    Raises
    ------
    ParameterError
        If `k` is not a whole number of 1 or more.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> paths = pd.DataFrame({"path": ["ad > fair", "ad", "spa"], "conversions": [8, 90, 5]})
    >>> folded = fold_rare(tl.open_data({"paths": paths}))
    >>> tl.build_journeys(folded).touchpoints
    ('(other)', 'ad')
    """
    check_k(k)
    folded = cache(lambda: _folded(data, k))
    some = once(("rare", k), lambda: folded() is not data, data=data)
    return folded() if some else data


def _folded(data: Dataset, k: int) -> Dataset:
    tables = dict(data.tables)
    notes: list[Note] = []
    if "steps" in tables:
        _fold_steps(tables, notes, k)
    else:
        if "touches" in tables:
            _fold_touchpoints(tables, notes, k)
            _fold_campaigns(tables, notes, k)
        _fold_traits(tables, notes, k)
    if not notes:
        return data
    every = pd.concat([data.notes, notes_table(notes)], ignore_index=True)
    return replace(data, tables=tables, notes=every)


def _fold_touchpoints(tables: dict[str, ir.Table], notes: list[Note], k: int) -> None:
    touches = tables["touches"]
    rare, names = _rare(touches, "touchpoint", k, MOST_TOUCHPOINTS)
    if "surveys" in tables:
        surveys = tables["surveys"]
        own, _ = _rare(surveys.anti_join(touches, "touchpoint"), "touchpoint", k)
        if rare or own:
            tables["surveys"] = _with(surveys, "touchpoint", [*rare, *own], OTHER)
        if own:
            notes.append(Note("surveys", 0, f"{_few('touchpoint', len(own), k)}, {INTO}"))
    if not rare:
        return
    rows, customers = _behind(touches, "touchpoint", rare)
    few = _few("touchpoint", len(rare), k, kept=names - len(rare))
    if customers < k and len(rare) < names:
        tables["touches"] = touches.anti_join(_table("touchpoint", rare), "touchpoint")
        notes.append(Note("touches", rows, f"{few}, dropped"))
    else:
        tables["touches"] = _with(touches, "touchpoint", rare, OTHER)
        notes.append(Note("touches", rows, f"{few}, {INTO}"))
    for name in tables.keys() & {"touchpoints", "experiments", "lifts", "changes"}:
        tables[name] = tables[name].anti_join(_table("touchpoint", rare), "touchpoint")


def _fold_campaigns(tables: dict[str, ir.Table], notes: list[Note], k: int) -> None:
    touches = tables["touches"]
    rare, _ = _rare(touches, "campaign", k) if "campaign" in touches.columns else ([], 0)
    if not rare:
        return
    rows, customers = _behind(touches, "campaign", rare)
    to, end = (OTHER, INTO) if customers >= k else (None, MISSING)
    tables["touches"] = _with(touches, "campaign", rare, to)
    notes.append(Note("touches", rows, f"{_few('campaign', len(rare), k)}, {end}"))


def _fold_traits(tables: dict[str, ir.Table], notes: list[Note], k: int) -> None:
    """One row is one customer: a window counts the level, however many levels there are."""
    if "customers" not in tables:
        return
    customers = tables["customers"]
    known = {column.name for column in TABLES["customers"].columns}
    for name, kind in customers.schema().items():
        if name in known or not kind.is_string():
            continue
        levels = customers.group_by(level=customers[name]).aggregate(n=customers.count())
        levels = levels.filter((levels.n < k) & levels.level.notnull())
        found = levels.aggregate(levels=levels.count(), rows=levels.n.sum().fill_null(0))
        few, rows = (int(v) for v in found.to_pandas()[["levels", "rows"]].iloc[0])
        if not few:
            continue
        to, end = (OTHER, INTO) if rows >= k else (None, MISSING)
        own = customers.count().over(ibis.window(group_by=name))
        rare = (own < k) & customers[name].notnull()
        customers = customers.mutate(**{name: ibis.ifelse(rare, _text(to), customers[name])})
        notes.append(Note("customers", rows, f"{_few(name, few, k)}, {end}"))
    tables["customers"] = customers


def _fold_steps(tables: dict[str, ir.Table], notes: list[Note], k: int) -> None:
    """Journeys of a paths table are already counted: a row stands for `weight` of them."""
    steps = tables["steps"]
    each = steps.group_by("touchpoint", "customer").aggregate(weight=steps.weight.max())
    sums = each.group_by("touchpoint").aggregate(n=each.weight.sum()).to_pandas()
    sums = sums.sort_values(["n", "touchpoint"], ascending=[False, True])
    rare = sorted({*sums.touchpoint[sums.n < k], *sums.touchpoint[MOST_TOUCHPOINTS:]})
    if rare:
        tables["steps"] = _with(steps, "touchpoint", rare, OTHER)
        few = _few("touchpoint", len(rare), k, "journeys", kept=len(sums) - len(rare))
        notes.append(Note("paths", 0, f"{few}, {INTO}"))


def _few(column: str, names: int, k: int, what: str = "customers", *, kept: int = 0) -> str:
    said = f"{column}: {names:,} names of {column} with fewer than {k:,} {what} each"
    return f"{said}, or beyond the {kept} most met" if kept == MOST_TOUCHPOINTS else said


def _rare(table: ir.Table, column: str, k: int, most: int = 1 << 31) -> tuple[list[str], int]:
    """Names of fewer than `k` customers, or beyond the `most` largest; and how many names."""
    known = "customer_id" in table.columns  # a survey may lack it
    people = table.customer_id.nunique() if known else table.count()
    counts = table.group_by(column).aggregate(n=people).to_pandas()
    counts = counts[counts[column].notna()].sort_values(["n", column], ascending=[False, True])
    return sorted({*counts[column][counts.n < k], *counts[column][most:]}), len(counts)


def _behind(table: ir.Table, column: str, names: Sequence[str]) -> tuple[int, int]:
    """How many rows have these names, and how many customers."""
    own = table.semi_join(_table(column, names), column)
    found = own.aggregate(rows=own.count(), customers=own.customer_id.nunique()).to_pandas()
    return int(found.rows.iloc[0]), int(found.customers.iloc[0])


def _table(column: str, names: Sequence[str]) -> ir.Table:
    """Names to join with, since there may be a hundred thousand of them."""
    return ibis.memtable(pd.DataFrame({column: names}))


def _with(table: ir.Table, column: str, names: Sequence[str], to: str | None) -> ir.Table:
    """Replace names."""
    asked = ibis.memtable(pd.DataFrame({column: names, "is_rare": True}))
    joined = table.left_join(asked, column)
    changed = ibis.ifelse(joined.is_rare.fill_null(False), _text(to), joined[column])
    return joined.mutate(**{column: changed}).select(table.columns)


def _text(value: str | None) -> ir.Value:
    return ibis.null("string") if value is None else ibis.literal(value)
