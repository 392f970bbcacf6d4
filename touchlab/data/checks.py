"""Hold one table against its contract: every rule in one scan, every problem at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import ibis
import ibis.expr.types as ir

from touchlab.data.contract import (
    METRIC_RANGES,
    Note,
    Probe,
    Problem,
    Table,
    WrongType,
    clean_column,
    is_nothing,
    listing,
    shorten,
)
from touchlab.data.readers import forget, keep

WRITTEN = {  # leading zeros make a name (a postcode), not a number
    "int64": r"^[+-]?(0|[1-9]\d{0,17})$",
    "float64": r"^[+-]?(0|[1-9]\d{0,17})(\.\d*)?([eE][+-]?\d{1,2})?$",
    "boolean": r"^([Tt]rue|[Ff]alse|TRUE|FALSE)$",
}


@dataclass
class Checked:
    """A table after the check: its clean form, what was wrong, what was mended."""

    table: ir.Table | None
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rows: int = 0


Row = dict[str, Any]
Ask = Callable[[str, Callable[[], Row]], Row]
"""Takes what is asked and how to find the answer, which may be known already."""


def one_row(answer: ir.Table) -> Row:
    """Bring back a table of one row."""
    (row,) = answer.to_pyarrow().to_pylist()
    return row


def check_table(raw: ir.Table, spec: Table, *, ordered: bool, untyped: bool, ask: Ask) -> Checked:
    """Hold `raw` against `spec`.

    `ordered` says that its rows have an order to count by, `untyped` that all its
    columns are text because their source has no types. `table` is None where there
    are problems.
    """
    checked = Checked(None, problems=_missing_columns(raw, spec))
    clean: dict[str, ir.Value] = {}
    probes: list[Probe] = []
    for column in spec.columns:
        if column.name not in raw.columns:
            continue
        try:
            clean[column.name], found = clean_column(raw[column.name], column)
            probes += found
        except WrongType as wrong:
            checked.problems.append(Problem(spec.name, column.name, *wrong.args))
    _run_probes(raw, spec, [*probes, *_table_rules(spec, clean)], checked, ordered, ask)
    if checked.rows == 0:
        mend = "give data, or leave the table out"
        checked.problems.append(Problem(spec.name, "", "the table has no rows", mend))
    more = [name for name in raw.columns if name not in spec.order]
    if spec.traits:
        clean |= _traits(raw, spec, more, checked, untyped, ask)
    elif more:
        checked.notes.append(Note(spec.name, 0, f"columns not used: {listing(more, 5)}"))
    if not checked.problems:
        table = _drop_duplicates(raw.select(**clean), spec, checked, ask)
        checked.table = None if checked.problems else table
    return checked


def nearest(name: str, allowed: Sequence[str], cutoff: float = 0.6) -> str:
    """Return ``; did you mean 'x'?`` for the closest allowed name, or nothing."""
    key = {a.lower().replace("_", ""): a for a in allowed}
    close = difflib.get_close_matches(name.lower().replace("_", ""), [*key], 1, cutoff)
    return f"; did you mean {key[close[0]]!r}?" if close else ""


def _missing_columns(raw: ir.Table, spec: Table) -> list[Problem]:
    spare = [name for name in raw.columns if name not in spec.order]
    return [
        Problem(
            spec.name,
            name,
            f"the column is missing; found {listing(raw.columns)}" + nearest(name, spare),
            f'rename one, or map it in touchlab.toml: [{spec.name}] {name} = "your_name"',
        )
        for name in spec.required
        if name not in raw.columns
    ]


def _table_rules(spec: Table, clean: dict[str, ir.Value]) -> list[Probe]:
    """Rules that hold between columns of one table."""
    rules = []
    for early, late in (("observed_from", "observed_to"), ("start", "end")):
        if early in clean and late in clean:
            backwards, mend = clean[early] >= clean[late], f"{early} has to be before {late}"
            rules.append(Probe(late, backwards, f"are not after {early}", mend))
    if spec.name == "surveys" and {"metric", "score"} <= clean.keys():
        for metric, (low, high) in METRIC_RANGES.items():
            off = (clean["metric"] == metric) & ~clean["score"].between(low, high)
            rule, mend = f"are off the scale of {metric}", f"give {metric} from {low} to {high}"
            rules.append(Probe("score", off, rule, mend))
    return rules


def _run_probes(
    raw: ir.Table, spec: Table, probes: list[Probe], checked: Checked, ordered: bool, ask: Ask
) -> None:
    sums = {f"p{i}": p.broken.fill_null(False).sum() for i, p in enumerate(probes)}
    counts = ask(f"{spec.name}: rules", lambda: one_row(raw.aggregate(rows=raw.count(), **sums)))
    checked.rows = int(counts["rows"])
    for i, probe in enumerate(probes):
        broken = int(counts[f"p{i}"] or 0)
        if broken and probe.mend:
            place = spec.name, probe.column, probe.rule, probe.mend
            example = _first_example(raw, probe, ordered)
            checked.problems.append(Problem(*place, broken, checked.rows, example))
        elif broken:
            checked.notes.append(Note(spec.name, broken, f"{probe.column}: {probe.rule}"))


def _first_example(raw: ir.Table, probe: Probe, ordered: bool) -> str:
    """Say where a rule breaks first: row, customer and value, as the engine writes them."""
    shown = [c for c in ("customer_id", probe.column) if c in raw.columns]
    columns = {c: raw[c].cast("string") for c in shown}
    rows = raw.select(**columns, broken=probe.broken, row=ibis.row_number() if ordered else 0)
    first = rows.filter(rows.broken).order_by("row").limit(1).to_pyarrow().to_pylist()[0]
    text = {c: shorten(first[c]) if raw[c].type().is_string() else _bare(first[c]) for c in shown}
    parts = [f"row {first['row'] + 1:,}"] if ordered else []
    if "customer_id" in text and probe.column != "customer_id":
        parts.append(f"customer {text['customer_id']}")
    return ", ".join([*parts, f"value {text[probe.column]}"])


def _bare(value: str | None) -> str:
    return "None" if value is None else listing([value])


def _traits(
    raw: ir.Table, spec: Table, names: list[str], checked: Checked, untyped: bool, ask: Ask
) -> dict[str, ir.Value]:
    """Keep numbers, booleans and text; times become text; text of an untyped source is typed."""
    if untyped:
        return _typed(raw, spec, names, ask)
    traits: dict[str, ir.Value] = {}
    odd = []
    for name in names:
        kind = raw[name].type()
        if kind.is_numeric() or kind.is_boolean():
            traits[name] = raw[name].cast("float64") if kind.is_decimal() else raw[name]
        elif kind.is_string():
            traits[name] = raw[name].nullif("")
        elif kind.is_temporal() or kind.is_uuid() or is_nothing(kind):
            traits[name] = raw[name].cast("string")
        else:
            odd.append(name)
    if odd:
        note = f"traits that are neither text nor numbers, left out: {listing(odd)}"
        checked.notes.append(Note(spec.name, 0, note))
    return traits


def _typed(raw: ir.Table, spec: Table, names: list[str], ask: Ask) -> dict[str, ir.Value]:
    """Give text the first type that all of its values can be written in."""
    if not names:
        return {}
    counts = {f"given{i}": raw[name].count() for i, name in enumerate(names)}
    for kind, pattern in WRITTEN.items():
        counts |= {f"{kind}{i}": raw[n].re_search(pattern).sum() for i, n in enumerate(names)}
    row = ask(f"{spec.name}: types", lambda: one_row(raw.aggregate(**counts)))
    traits: dict[str, ir.Value] = {}
    for i, name in enumerate(names):
        fits = [kind for kind in WRITTEN if row[f"{kind}{i}"] == row[f"given{i}"] > 0]
        traits[name] = raw[name].cast(fits[0]) if fits else raw[name]
    return traits


def _drop_duplicates(clean: ir.Table, spec: Table, checked: Checked, ask: Ask) -> ir.Table:
    """Drop equal rows. Only rows whose key repeats are compared: few in most data."""
    if not spec.key:
        return clean
    keys = clean.group_by(*spec.key).aggregate(n=clean.count())
    repeated = cache(lambda: keep(keys.filter(keys.n > 1), "repeated"))

    def count() -> Row:
        table = repeated()
        counts = one_row(table.aggregate(keys=table.count(), rows=table.n.sum()))
        if not counts["rows"]:
            forget([table])
        return counts

    counts = ask(f"{spec.name}: repeated", count)
    rows = int(counts["rows"] or 0)
    if not rows:
        return clean
    once = keep(clean.semi_join(repeated(), spec.key).distinct(), "once")
    left = int(once.count().to_pyarrow().as_py())
    if spec.unique and left > counts["keys"]:
        checked.problems.append(_repeated(once, spec, checked.rows))
    if left < rows:
        checked.notes.append(Note(spec.name, rows - left, "exact duplicates dropped"))
        return clean.anti_join(repeated(), spec.key).union(once.cast(clean.schema()))
    forget([once, repeated()])
    return clean


def _repeated(distinct: ir.Table, spec: Table, rows: int) -> Problem:
    """Describe rows that share a key but differ."""
    keys = distinct.group_by(*spec.key).aggregate(n=distinct.count())
    keys = keys.filter(keys.n > 1)
    broken = int(keys.n.sum().to_pyarrow().as_py())
    most = keys.order_by(keys.n.desc(), *spec.key).limit(1).to_pyarrow().to_pylist()[0]
    name = " and ".join(spec.key)
    example = ", ".join(f"{c} {shorten(most[c])}" for c in spec.key) + f", {most['n']:,} rows"
    mend = f"keep one row for each {name}"
    return Problem(spec.name, spec.key[0], "repeat a key", mend, broken, rows, example)
