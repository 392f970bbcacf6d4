"""Hold one table against its contract: every rule in one scan, every problem at once.

Each column is brought to the type of the contract; values that cannot be are rows of a rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from touchlab.data.contract import METRIC_RANGES, SPECS, Column, Note, Problem, Spec
from touchlab.data.locate import Located
from touchlab.data.readers import WHOLE_FILE, engine_errors, forget, in_our_words, keep
from touchlab.errors import listing, shorten
from touchlab.errors import nearest as nearest

EARLIEST, LATEST = "1970-01-02", "2200-01-01"
ISO = "give ISO 8601 (2026-02-28 or 2026-02-28T09:30:00Z)"
ZONE = r"([Zz]|[+-]\d{2}(:?\d{2})?| [A-Za-z_]+(/[\w+-]+)*)$"
TIME, NUMBER = r"^\d{4}-\d{2}-\d{2}", r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
EXACT = 2**53  # floats hold every whole number up to here
NAIVE = "without a zone, read as UTC"
DAY = "dates without a time of day, read as its start in UTC"
WHOLE_DAY = "dates without a time of day, read as its end in UTC"
EPOCH = f"{ISO}; convert epoch numbers, for example by pandas.to_datetime(..., unit='s')"
IN_RANGE = f"give times from {EARLIEST} to {LATEST}"
IDS = "give ids as text or integers"
WRITTEN = {  # leading zeros make a name (a postcode), not a number
    "int64": r"^[+-]?(0|[1-9]\d{0,17})$",
    "float64": r"^[+-]?(0|[1-9]\d{0,17})(\.\d*)?([eE][+-]?\d{1,2})?$",
    "boolean": r"^([Tt]rue|[Ff]alse|TRUE|FALSE)$",
}


@dataclass
class Checked:
    """A table after the check: its clean form, None where it has problems; what was mended."""

    table: ir.Table | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rows: int = 0


@dataclass(frozen=True)
class Probe:
    """A rule as an expression that is true on the rows which break it."""

    column: str
    broken: ir.BooleanValue
    rule: str
    mend: str = ""
    """Empty where the values are taken as they are: the probe then ends as a note."""


class WrongType(Exception):
    """The whole column is of a type that cannot be read; its arguments are rule and mend."""

    def __init__(self, kind: dt.DataType, wanted: str, mend: str) -> None:
        name = "a type that Ibis does not know" if kind.is_unknown() else f"type {kind}"
        super().__init__(f"is of {name}, not {wanted}", mend)


Cleaned = tuple[ir.Value, list[Probe]]
"""The values as the contract wants them, and the rules that they may break."""


def check_table(located: Located, name: str) -> Checked:
    """Hold one of the tables found against the contract."""
    checked = Checked()
    try:
        _check(located, SPECS[name], checked)
    except engine_errors() as error:
        mend = WHOLE_FILE if located.embedded else "check the table, or export it to Parquet"
        return Checked(None, [Problem(name, "", f"cannot be read: {in_our_words(error)}", mend)])
    return checked


def one_row(answer: ir.Table) -> dict[str, Any]:
    """Bring back a table of one row."""
    (row,) = answer.to_pyarrow().to_pylist()
    return row


def _check(located: Located, spec: Spec, checked: Checked) -> None:
    raw = located.tables[spec.name]
    checked.problems += _missing_columns(raw, spec)
    clean: dict[str, ir.Value] = {}
    probes: list[Probe] = []
    for column in spec.columns:
        if column.name in raw.columns:
            try:
                clean[column.name], found = _clean_column(raw[column.name], column)
                probes += found
            except WrongType as wrong:
                checked.problems.append(Problem(spec.name, column.name, *wrong.args))
    _run_probes(located, spec, [*probes, *_rules_between_columns(spec, clean)], checked)
    if checked.rows == 0:
        mend = "give data, or leave the table out"
        checked.problems.append(Problem(spec.name, "", "the table has no rows", mend))
    more = [name for name in raw.columns if name not in spec.order]
    if spec.traits:
        typed = _typed_by_values if spec.name in located.untyped else _traits
        clean |= typed(located, spec, more, checked)
    elif more:
        checked.notes.append(Note(spec.name, 0, f"columns not used: {listing(more, 5)}"))
    if not checked.problems:
        table = _drop_duplicates(located, raw.select(**clean), spec, checked)
        checked.table = None if checked.problems else table


def _missing_columns(raw: ir.Table, spec: Spec) -> list[Problem]:
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


def _rules_between_columns(spec: Spec, clean: dict[str, ir.Value]) -> list[Probe]:
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


def _run_probes(located: Located, spec: Spec, probes: list[Probe], checked: Checked) -> None:
    raw = located.tables[spec.name]
    sums = {f"p{i}": p.broken.fill_null(False).sum() for i, p in enumerate(probes)}
    asked = f"{spec.name}: rules"
    counts = located.ask(asked, lambda: one_row(raw.aggregate(rows=raw.count(), **sums)))
    checked.rows = int(counts["rows"])
    for i, probe in enumerate(probes):
        broken = int(counts[f"p{i}"] or 0)
        if broken and probe.mend:
            place = spec.name, probe.column, probe.rule, probe.mend
            example = _first_example(raw, probe, located.embedded)
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
    located: Located, spec: Spec, names: list[str], checked: Checked
) -> dict[str, ir.Value]:
    """Keep numbers, booleans and text; times become text."""
    raw, odd = located.tables[spec.name], []
    traits: dict[str, ir.Value] = {}
    for name in names:
        kind = raw[name].type()
        if kind.is_numeric() or kind.is_boolean():
            traits[name] = raw[name].cast("float64") if kind.is_decimal() else raw[name]
        elif kind.is_string():
            traits[name] = raw[name].nullif("")
        elif kind.is_temporal() or kind.is_uuid() or _is_nothing(kind):
            traits[name] = raw[name].cast("string")
        else:
            odd.append(name)
    if odd:
        note = f"traits that are neither text nor numbers, left out: {listing(odd)}"
        checked.notes.append(Note(spec.name, 0, note))
    return traits


def _typed_by_values(
    located: Located, spec: Spec, names: list[str], _checked: Checked
) -> dict[str, ir.Value]:
    """Give text the first type that all of its values can be written in."""
    if not names:
        return {}
    raw = located.tables[spec.name]
    counts = {f"given{i}": raw[name].count() for i, name in enumerate(names)}
    for kind, pattern in WRITTEN.items():
        counts |= {f"{kind}{i}": raw[n].re_search(pattern).sum() for i, n in enumerate(names)}
    row = located.ask(f"{spec.name}: types", lambda: one_row(raw.aggregate(**counts)))
    traits: dict[str, ir.Value] = {}
    for i, name in enumerate(names):
        fits = [kind for kind in WRITTEN if row[f"{kind}{i}"] == row[f"given{i}"] > 0]
        traits[name] = raw[name].cast(fits[0]) if fits else raw[name]
    return traits


def _drop_duplicates(located: Located, clean: ir.Table, spec: Spec, checked: Checked) -> ir.Table:
    """Drop equal rows. Only rows whose key repeats are compared: few in most data."""
    if not spec.key:
        return clean
    keys = clean.group_by(*spec.key).aggregate(n=clean.count())
    found = keys.filter(keys.n > 1)
    sums = found.aggregate(keys=found.count(), rows=found.n.sum())
    counts = located.ask(f"{spec.name}: repeated", lambda: one_row(sums))
    rows = int(counts["rows"] or 0)
    if not rows:
        return clean
    repeated = keep(found, "repeated")
    distinct = keep(clean.semi_join(repeated, spec.key).distinct(), "distinct")
    left = int(distinct.count().to_pyarrow().as_py())
    if spec.unique and left > counts["keys"]:
        checked.problems.append(_repeated(distinct, spec, checked.rows))
    if left < rows:
        checked.notes.append(Note(spec.name, rows - left, "exact duplicates dropped"))
        return clean.anti_join(repeated, spec.key).union(distinct.cast(clean.schema()))
    forget([distinct, repeated])
    return clean


def _repeated(distinct: ir.Table, spec: Spec, rows: int) -> Problem:
    """Describe rows that share a key but differ."""
    keys = distinct.group_by(*spec.key).aggregate(n=distinct.count())
    keys = keys.filter(keys.n > 1)
    broken = int(keys.n.sum().to_pyarrow().as_py())
    most = keys.order_by(keys.n.desc(), *spec.key).limit(1).to_pyarrow().to_pylist()[0]
    example = ", ".join(f"{c} {shorten(most[c])}" for c in spec.key) + f", {most['n']:,} rows"
    mend = f"keep one row for each {' and '.join(spec.key)}"
    return Problem(spec.name, spec.key[0], "repeat a key", mend, broken, rows, example)


# One column, brought to the type of the contract.


def _clean_column(values: ir.Column, column: Column) -> Cleaned:
    if values.type().is_string() and column.kind in {"time", "number"}:
        values = values.nullif("")
    clean, probes = CLEANERS[column.kind](values, column)
    if not column.nullable:
        rule, mend = "have no value", "give a value in every row"
        probes.append(Probe(column.name, _is_missing(values), rule, mend))
    return clean, probes


def _clean_id(values: ir.Column, column: Column) -> Cleaned:
    """Ids are text or whole numbers; floats are whole numbers that met a missing value."""
    kind = values.type()
    if kind.is_string():
        return values, []
    if kind.is_uuid() or kind.is_uint64() or (kind.is_decimal() and kind.scale == 0):
        return values.cast("string"), []
    if kind.is_integer():
        return values.cast("int64"), []
    if kind.is_floating() or kind.is_decimal():
        number = values.cast("float64")
        inexact = ~number.isnan() & ((number != number.floor()) | (number.abs() > EXACT))
        return number.cast("int64"), [Probe(column.name, inexact, "are not whole numbers", IDS)]
    raise WrongType(kind, "an id", IDS)


def _clean_time(values: ir.Column, column: Column) -> Cleaned:
    """Times become naive UTC; text is parsed, a time without a zone is read as UTC."""
    kind, name = values.type(), column.name
    of_day = WHOLE_DAY if column.until else DAY
    if kind.is_string():
        parsed = _read(values, "timestamp('UTC')", TIME)
        date = values.length() <= len("2026-02-28")
        naive = ~date & ~values.re_search(ZONE)
        probes = [
            Probe(name, values.notnull() & parsed.isnull(), "are not times", ISO),
            Probe(name, parsed.notnull() & naive, NAIVE),
            Probe(name, parsed.notnull() & date, of_day),
        ]
    elif kind.is_timestamp():
        parsed, date = values, ibis.literal(False)
        probes = [] if kind.timezone else [Probe(name, values.notnull(), NAIVE)]
    elif kind.is_date():
        parsed, date = values.cast("timestamp"), ibis.literal(True)
        probes = [Probe(name, values.notnull(), of_day)]
    else:
        raise WrongType(kind, "a time", EPOCH if kind.is_numeric() else ISO)
    early, late = (ibis.timestamp(t, timezone=parsed.type().timezone) for t in (EARLIEST, LATEST))
    probes.append(Probe(name, (parsed < early) | (parsed >= late), "are out of range", IN_RANGE))
    time = _to_utc(parsed)
    if column.until and not kind.is_timestamp():
        end = time + ibis.interval(days=1) - ibis.interval(microseconds=1)
        time = ibis.ifelse(date, end, time)
    return time, probes


def _clean_text(values: ir.Column, column: Column) -> Cleaned:
    """Text as it stands; whole numbers and booleans as their text."""
    kind = values.type()
    if kind.is_string():
        text = values.nullif("") if column.nullable else values
    elif kind.is_floating() or kind.is_decimal():
        # Numbers as names are whole; they are floats where one was missing.
        text = values.cast("string").re_replace(r"\.0*$", "").nullif("nan")
    elif kind.is_integer() or kind.is_boolean() or kind.is_uuid() or _is_nothing(kind):
        text = values.cast("string")
    else:
        raise WrongType(kind, "text", "give text")
    if not column.choices:
        return text, []
    mend = f"use {', '.join(column.choices)}"
    return text, [Probe(column.name, text.notin(column.choices), "are not an allowed word", mend)]


def _clean_number(values: ir.Column, column: Column) -> Cleaned:
    """Numbers as float; what is not a number (NaN) counts as missing."""
    kind, name = values.type(), column.name
    probes = []
    if kind.is_string():
        number = _read(values, "float64", NUMBER)
        unread, mend = values.notnull() & number.isnull(), "use digits and a decimal point (1.50)"
        probes.append(Probe(name, unread, "are not numbers", mend))
    elif _is_nothing(kind) or (kind.is_numeric() and not kind.is_boolean()):
        number = values.cast("float64")
    else:
        raise WrongType(kind, "a number", "give numbers")
    if not kind.is_integer():
        probes.append(Probe(name, number.isinf(), "are infinite", "give finite numbers"))
        number = ibis.ifelse(number.isnan(), ibis.null("float64"), number)
    if column.minimum is not None:
        mend = f"give values of at least {column.minimum:g}"
        if name == "value":
            mend += "; record refunds as an outcome of their own"
        probes.append(Probe(name, number < column.minimum, f"are below {column.minimum:g}", mend))
    return number, probes


CLEANERS: dict[str, Callable[[ir.Column, Column], Cleaned]] = {
    "id": _clean_id,
    "time": _clean_time,
    "text": _clean_text,
    "number": _clean_number,
}


def _read(values: ir.StringColumn, kind: str, pattern: str) -> ir.Column:
    """Read text that may be wrong; PostgreSQL stops at what it cannot read, so it gets none."""
    if values.get_backend().name == "postgres":
        values = ibis.ifelse(values.re_search(pattern), values, ibis.null("string"))
    return values.try_cast(kind)


def _is_nothing(kind: dt.DataType) -> bool:
    """Say whether a column has no type because it has no value."""
    return kind.is_null() or (kind.is_unknown() and "NULL" in str(kind))


def _is_missing(values: ir.Column) -> ir.BooleanValue:
    if values.type().is_string():
        # Blanks sort first; to trim every name would take as long as all other rules.
        return values.isnull() | ibis.ifelse(values < "!", values.strip() == "", False)
    if values.type().is_floating():
        return values.isnull() | values.isnan()
    return values.isnull()


@ibis.udf.scalar.builtin(signature=((dt.Timestamp("UTC"),), dt.int64))
def epoch_us(time: ir.TimestampValue) -> ir.IntegerValue:
    """Name DuckDB's own count of microseconds."""


@ibis.udf.scalar.builtin(signature=((dt.int64,), dt.timestamp))
def make_timestamp(us: ir.IntegerValue) -> ir.TimestampValue:
    """Name DuckDB's own time from microseconds."""


def _to_utc(time: ir.TimestampValue) -> ir.TimestampValue:
    """Drop the zone; DuckDB's cast asks a calendar for it, eight times as slow as by number."""
    if time.type().timezone is None:
        return time.cast("timestamp")
    if time.get_backend().name == "duckdb":
        return make_timestamp(epoch_us(time))
    return time.cast("timestamp('UTC')").cast("timestamp")
