"""Hold one table against its contract: every rule in one scan, every problem at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from touchlab.contract import METRIC_RANGES, Column, Note, Problem, Table

EARLIEST, LATEST = "1970-01-02", "2200-01-01"
ISO = "give ISO 8601 (2026-02-28 or 2026-02-28T09:30:00Z)"


@dataclass(frozen=True)
class Probe:
    """A rule as an expression that is true on the rows which break it."""

    column: str
    broken: ir.BooleanValue
    rule: str
    mend: str = ""
    """Empty where the rows are repaired: the probe then ends as a note."""


@dataclass
class Checked:
    """A table after the check: its clean form, what was wrong, what was mended."""

    table: ir.Table | None
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rows: int = 0


Cleaned = tuple[ir.Value, list[Probe]]


class WrongType(Exception):
    """The whole column is of a type that cannot be read; (rule, mend)."""


def clean_id(values: ir.Column, column: Column) -> Cleaned:
    """Ids are text or whole numbers; floats are whole numbers that met a missing value."""
    kind = values.type()
    if kind.is_string():
        return values, [_empty(values, column)]
    if kind.is_integer():
        return values.cast("int64"), []
    if kind.is_floating() or kind.is_decimal():
        number = values.cast("float64")
        fraction = number != number.floor()
        return number.cast("int64"), [
            Probe(column.name, fraction, "are not whole numbers", "give ids as text or integers")
        ]
    if kind.is_uuid():
        return values.cast("string"), []
    raise WrongType(f"is of type {kind}, not an id", "give ids as text or integers")


def clean_time(values: ir.Column, column: Column) -> Cleaned:
    """Times become naive UTC; text is parsed, a time without a zone is read as UTC."""
    kind = values.type()
    probes: list[Probe] = []
    if kind.is_string():
        time = values.try_cast("timestamp('UTC')").cast("timestamp")
        unread = values.notnull() & time.isnull()
        probes.append(Probe(column.name, unread, "are not times", ISO))
        zoned = values.re_search(r"([Zz]|[+-]\d{2}:?\d{2}|[+-]\d{2}| [A-Za-z]+(/\w+)?)$")
        zoned &= values.length() > 10
        probes.append(Probe(column.name, time.notnull() & ~zoned, "without a zone, read as UTC"))
    elif isinstance(kind, dt.Timestamp):
        time = values.cast("timestamp('UTC')").cast("timestamp") if kind.timezone else values
        time = time.cast("timestamp")
        if not kind.timezone:
            probes.append(Probe(column.name, values.notnull(), "without a zone, read as UTC"))
    elif kind.is_date():
        time = values.cast("timestamp")
        if column.name == "observed_to":  # the last day is still observed
            time = time + ibis.interval(days=1) - ibis.interval(seconds=1)
        probes.append(Probe(column.name, values.notnull(), "dates without a time of day, in UTC"))
    else:
        raise WrongType(f"is of type {kind}, not a time", ISO)
    early, late = (ibis.timestamp(day) for day in (EARLIEST, LATEST))
    outside = (time < early) | (time >= late)
    mend = f"give times from {EARLIEST} to {LATEST}; epoch numbers have to be converted"
    return time, [*probes, Probe(column.name, outside, "are out of range", mend)]


def clean_text(values: ir.Column, column: Column) -> Cleaned:
    """Text as it stands; numbers and booleans as their text."""
    kind = values.type()
    if not (kind.is_string() or kind.is_integer() or kind.is_boolean() or kind.is_null()):
        raise WrongType(f"is of type {kind}, not text", "give text")
    text = values if kind.is_string() else values.cast("string")
    if column.choices:
        allowed = ", ".join(column.choices)
        unknown = text.notnull() & text.notin(column.choices)
        return text, [Probe(column.name, unknown, "are not an allowed word", f"use {allowed}")]
    return text, [] if column.nullable else [_empty(text, column)]


def clean_number(values: ir.Column, column: Column) -> Cleaned:
    """Numbers as float; what is not a number (NaN) counts as missing."""
    kind = values.type()
    if not (kind.is_numeric() or kind.is_string() or kind.is_null()) or kind.is_boolean():
        raise WrongType(f"is of type {kind}, not a number", "give numbers")
    number = values.try_cast("float64") if kind.is_string() else values.cast("float64")
    unread = values.notnull() & number.isnull()
    if kind.is_string():
        unread &= values != ""
    probes = [
        Probe(column.name, unread, "are not numbers", "use digits and a decimal point (1.50)"),
        Probe(column.name, number.isinf().fill_null(False), "are infinite", "give finite numbers"),
    ]
    number = ibis.ifelse(number.isnan(), ibis.null("float64"), number)
    if column.minimum is not None:
        low, mend = number < column.minimum, f"give values of at least {column.minimum:g}"
        if column.name == "value":
            mend += "; record refunds as an outcome of their own"
        probes.append(Probe(column.name, low, f"are below {column.minimum:g}", mend))
    return number, probes


CLEANERS: dict[str, Callable[[ir.Column, Column], Cleaned]] = {
    "id": clean_id,
    "time": clean_time,
    "text": clean_text,
    "number": clean_number,
}


def check_table(raw: ir.Table, spec: Table, *, numbered: bool) -> Checked:
    """Hold `raw` against `spec`; `numbered` says that its rows have an order to count by."""
    checked = Checked(None, problems=_missing_columns(raw, spec))
    clean: dict[str, ir.Value] = {}
    probes: list[Probe] = []
    for column in spec.columns:
        if column.name not in raw.columns:
            continue
        try:
            values, found = CLEANERS[column.kind](raw[column.name], column)
        except WrongType as wrong:
            checked.problems.append(Problem(spec.name, column.name, *wrong.args))
            continue
        clean[column.name] = values
        probes += found
        if not column.nullable:
            missing = raw[column.name].isnull()
            probes.append(Probe(column.name, missing, "are missing", "give a value in every row"))
    probes += _table_rules(spec, clean)
    checked.rows = _run_probes(raw, spec, probes, checked, numbered)
    if checked.rows == 0:
        checked.problems.append(
            Problem(spec.name, "", "the table has no rows", "give data, or leave the table out")
        )
    if spec.traits:
        clean |= _traits(raw, spec, checked)
    elif extra := [c for c in raw.columns if c not in spec.order]:
        names = ", ".join(extra[:5]) + (" ..." if len(extra) > 5 else "")
        checked.notes.append(Note(spec.name, checked.rows, f"columns not used: {names}"))
    if not checked.problems:
        checked.table = _drop_duplicates(raw.select(**clean), spec, checked)
    return checked


def nearest(name: str, allowed: Sequence[str]) -> str:
    """Return ``; did you mean 'x'?`` for the closest allowed name, or nothing."""
    key = {a.lower().replace("_", ""): a for a in allowed}
    close = difflib.get_close_matches(name.lower().replace("_", ""), list(key), n=1, cutoff=0.6)
    return f"; did you mean {key[close[0]]!r}?" if close else ""


def _empty(values: ir.Value, column: Column) -> Probe:
    blank = values.strip() == ""
    return Probe(column.name, blank, "are empty text", "give a name in every row")


def _missing_columns(raw: ir.Table, spec: Table) -> list[Problem]:
    found = ", ".join(raw.columns[:12])
    return [
        Problem(
            spec.name,
            name,
            f"the column is missing; found {found}" + nearest(name, raw.columns),
            f'rename one, or map it in touchlab.toml: [{spec.name}] {name} = "your_name"',
        )
        for name in spec.required
        if name not in raw.columns
    ]


def _table_rules(spec: Table, clean: dict[str, Any]) -> list[Probe]:
    """Rules that hold between columns of one table."""
    rules = []
    for early, late in (("observed_from", "observed_to"), ("start", "end")):
        if early in clean and late in clean:
            backwards = clean[early] >= clean[late]
            mend = f"{early} has to be before {late}"
            rules.append(Probe(late, backwards, f"are not after {early}", mend))
    if spec.name == "surveys" and {"metric", "score"} <= clean.keys():
        for metric, (low, high) in METRIC_RANGES.items():
            off = (clean["metric"] == metric) & ~clean["score"].between(low, high)
            rule = f"are off the scale of {metric}"
            rules.append(Probe("score", off, rule, f"give {metric} from {low} to {high}"))
    return rules


def _run_probes(
    raw: ir.Table, spec: Table, probes: list[Probe], checked: Checked, numbered: bool
) -> int:
    counts = {f"p{i}": p.broken.fill_null(False).sum() for i, p in enumerate(probes)}
    row = raw.aggregate(rows=raw.count(), **counts).to_pyarrow().to_pylist()[0]
    for i, probe in enumerate(probes):
        broken = int(row[f"p{i}"] or 0)
        if broken and probe.mend:
            example = _first_example(raw, probe, numbered)
            checked.problems.append(
                Problem(
                    spec.name, probe.column, probe.rule, probe.mend, broken, row["rows"], example
                )
            )
        elif broken:
            checked.notes.append(Note(spec.name, broken, f"{probe.column}: {probe.rule}"))
    return int(row["rows"])


def _first_example(raw: ir.Table, probe: Probe, numbered: bool) -> str:
    columns = {"value_": raw[probe.column], "broken_": probe.broken}
    if "customer_id" in raw.columns:
        columns["customer_"] = raw.customer_id
    if numbered:
        columns["row_"] = ibis.row_number()
    rows = raw.select(**columns)
    rows = rows.filter(rows.broken_)
    first = (rows.order_by("row_") if numbered else rows).limit(1).to_pyarrow().to_pylist()[0]
    parts = [f"row {first['row_'] + 1:,}"] if numbered else []
    if "customer_" in first and probe.column != "customer_id":
        parts.append(f"customer {_short(first['customer_'])}")
    return ", ".join([*parts, f"value {_short(first['value_'])}"])


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | None) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _traits(raw: ir.Table, spec: Table, checked: Checked) -> dict[str, ir.Value]:
    """Keep the other columns of `customers`; text that is all numbers becomes numbers."""
    names = [c for c in raw.columns if c not in spec.order]
    text = [c for c in names if raw[c].type().is_string()]
    odd = [
        c for c in names if c not in text and not isinstance(raw[c].type(), dt.Primitive | dt.Decimal)
    ]
    if odd:
        note = f"traits that are neither text nor numbers, left out: {', '.join(odd)}"
        checked.notes.append(Note(spec.name, checked.rows, note))
    traits: dict[str, ir.Value] = {c: raw[c] for c in names if c not in odd}
    if not text:
        return traits
    tried = {c: raw[c].nullif("").try_cast("float64") for c in text}
    counts = {f"n{i}": tried[c].count() for i, c in enumerate(text)}
    counts |= {f"all{i}": raw[c].nullif("").count() for i, c in enumerate(text)}
    row = raw.aggregate(**counts).to_pyarrow().to_pylist()[0]
    for i, c in enumerate(text):
        number = row[f"n{i}"] == row[f"all{i}"] > 0
        traits[c] = tried[c] if number else raw[c].nullif("")
    return traits


def _drop_duplicates(clean: ir.Table, spec: Table, checked: Checked) -> ir.Table:
    if spec.drop_duplicates:
        distinct = clean.distinct()
        kept = int(distinct.count().to_pyarrow().as_py())
        if kept < checked.rows:
            checked.notes.append(Note(spec.name, checked.rows - kept, "exact duplicates dropped"))
            clean = distinct
    if spec.unique:
        repeated = clean.group_by(*spec.unique).aggregate(n=clean.count())
        repeated = repeated.filter(repeated.n > 1)
        found = repeated.order_by(repeated.n.desc()).limit(1).to_pyarrow().to_pylist()
        if found:
            count = int(repeated.n.sum().to_pyarrow().as_py())
            key = spec.unique[0]
            mend = f"keep one row for each {' and '.join(spec.unique)}"
            example = f"value {_short(found[0][key])}, {found[0]['n']} rows"
            checked.problems.append(
                Problem(spec.name, key, "repeat a key", mend, count, checked.rows, example)
            )
    return clean
