"""The data contract: which tables, which columns, which rules.

Only declarations and the words of a problem live here; `touchlab.data.checks` holds
a table against them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

Kind = Literal["id", "time", "text", "number"]

STAGES = ("awareness", "consideration", "purchase", "retention", "advocacy")
OWNERS = ("company", "customer", "partner")
PHASES = ("before", "during", "after")
ARMS = ("treated", "holdout")
METRIC_RANGES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}


@dataclass(frozen=True)
class Column:
    """One column of the contract and what its values may be."""

    name: str
    kind: Kind
    required: bool = True
    nullable: bool = False
    minimum: float | None = None
    choices: tuple[str, ...] = ()
    until: bool = False
    """A time that ends something: given as a date, it means the end of that day."""


@dataclass(frozen=True)
class Table:
    """One table of the contract."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    """Two rows that are equal share these columns, so where no key repeats, no row does.
    Empty where two equal rows can both be true (anonymous answers, counted journeys)."""
    unique: bool = False
    """Rows that share the key but differ are a problem."""
    traits: bool = False
    """Columns beyond the named ones are traits of the customer, and kept."""

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.required)

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)


@dataclass(frozen=True)
class Problem:
    """One broken rule: where, how often, the first example and the mend."""

    table: str
    column: str
    rule: str
    mend: str
    rows: int | None = None
    total: int | None = None
    example: str = ""

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        count = f"{self.rows:,} of {self.total:,} rows " if self.rows is not None else ""
        lines = [f"{place}: {count}{self.rule}"]
        if self.example:
            lines.append(f"  first: {self.example}")
        lines.append(f"  {self.mend}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Note:
    """Something repaired or assumed while opening the data, with its count."""

    table: str
    rows: int
    note: str


def shorten(value: object, width: int = 60) -> str:
    """Write a value from data into a message: on one line, not too long, nothing invisible."""
    return _cut(repr(value) if isinstance(value, str) else str(value), width)


def listing(names: Iterable[str], most: int = 12, width: int = 60) -> str:
    """Write names from data into a message, the first few of them."""
    shown = [_cut(repr(name)[1:-1], width) for name in names]
    return ", ".join([*shown[:most], "..."] if len(shown) > most else shown)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


CUSTOMER = Column("customer_id", "id")
WHEN = Column("timestamp", "time")

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "touches",
            (
                CUSTOMER,
                WHEN,
                Column("touchpoint", "text"),
                Column("cost", "number", required=False, nullable=True, minimum=0),
                Column("campaign", "text", required=False, nullable=True),
                Column("direction", "text", required=False, nullable=True, choices=("in", "out")),
            ),
            key=("customer_id", "timestamp"),
        ),
        Table(
            "outcomes",
            (
                CUSTOMER,
                WHEN,
                Column("outcome", "text"),
                Column("value", "number", required=False, nullable=True, minimum=0),
            ),
            key=("customer_id", "timestamp"),
        ),
        Table(
            "customers",
            (CUSTOMER, Column("observed_from", "time"), Column("observed_to", "time", until=True)),
            key=("customer_id",),
            unique=True,
            traits=True,
        ),
        Table(
            "surveys",
            (
                Column("timestamp", "time", nullable=True),
                Column("touchpoint", "text"),
                Column("metric", "text", choices=tuple(METRIC_RANGES)),
                Column("score", "number", nullable=True),
                Column("customer_id", "id", required=False, nullable=True),
                Column("sent_at", "time", required=False, nullable=True),
            ),
        ),
        Table(
            "touchpoints",
            (
                Column("touchpoint", "text"),
                Column("stage", "text", nullable=True, choices=STAGES),
                Column("channel", "text", required=False, nullable=True),
                Column("owner", "text", required=False, nullable=True, choices=OWNERS),
                Column("goal", "text", required=False, nullable=True),
                Column("phase", "text", required=False, nullable=True, choices=PHASES),
            ),
            key=("touchpoint",),
            unique=True,
        ),
        Table(
            "experiments",
            (
                CUSTOMER,
                Column("touchpoint", "text"),
                Column("arm", "text", choices=ARMS),
                Column("start", "time"),
                Column("end", "time", until=True),
            ),
            key=("customer_id", "touchpoint", "start"),
            unique=True,
        ),
    )
}

NEEDED = ("touches", "outcomes")

PATHS = Table(
    "paths",
    (
        Column("path", "text"),
        Column("conversions", "number", minimum=0),
        Column("value", "number", required=False, nullable=True, minimum=0),
        Column("null", "number", required=False, nullable=True, minimum=0),
    ),
)
"""In place of touches and outcomes: journeys already counted, as attribution tools take them."""


# columns: Bring one column to the type of the contract, and say which values break a rule.


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


def clean_column(values: ir.Column, column: Column) -> Cleaned:
    """Return clean values and the rules they may break.

    Raises
    ------
    WrongType
        If the column's type cannot hold such values at all.
    """
    if values.type().is_string() and column.kind in {"time", "number"}:
        values = values.nullif("")
    missing = _is_missing(values)
    clean, probes = CLEANERS[column.kind](values, column)
    if not column.nullable:
        probes.append(Probe(column.name, missing, "have no value", "give a value in every row"))
    return clean, probes


def clean_id(values: ir.Column, column: Column) -> Cleaned:
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
        inexact = (number != number.floor()) | (number.abs() > EXACT)
        mend = "give ids as text or integers"
        return number.cast("int64"), [
            Probe(column.name, ~number.isnan() & inexact, "are not whole numbers", mend)
        ]
    raise WrongType(kind, "an id", "give ids as text or integers")


def clean_time(values: ir.Column, column: Column) -> Cleaned:
    """Times become naive UTC; text is parsed, a time without a zone is read as UTC."""
    kind, name = values.type(), column.name
    if kind.is_string():
        parsed = _read(values, "timestamp('UTC')", TIME)
        date = values.length() <= len("2026-02-28")
        naive = ~date & ~values.re_search(ZONE)
        probes = [
            Probe(name, values.notnull() & parsed.isnull(), "are not times", ISO),
            Probe(name, parsed.notnull() & naive, NAIVE),
            Probe(name, parsed.notnull() & date, WHOLE_DAY if column.until else DAY),
        ]
    elif kind.is_timestamp():
        parsed, date = values, ibis.literal(False)
        probes = [] if kind.timezone else [Probe(name, values.notnull(), NAIVE)]
    elif kind.is_date():
        parsed, date = values.cast("timestamp"), ibis.literal(True)
        probes = [Probe(name, values.notnull(), WHOLE_DAY if column.until else DAY)]
    else:
        raise WrongType(kind, "a time", EPOCH if kind.is_numeric() else ISO)
    early, late = (ibis.timestamp(t, timezone=parsed.type().timezone) for t in (EARLIEST, LATEST))
    probes.append(Probe(name, (parsed < early) | (parsed >= late), "are out of range", IN_RANGE))
    time = _to_utc(parsed)
    if column.until and not kind.is_timestamp():
        end = time + ibis.interval(days=1) - ibis.interval(microseconds=1)
        time = ibis.ifelse(date, end, time)
    return time, probes


def clean_text(values: ir.Column, column: Column) -> Cleaned:
    """Text as it stands; whole numbers and booleans as their text."""
    kind = values.type()
    if kind.is_string():
        text = values.nullif("") if column.nullable else values
    elif kind.is_floating() or kind.is_decimal():
        # Numbers as names are whole; they are floats where one was missing.
        text = values.cast("string").re_replace(r"\.0*$", "").nullif("nan")
    elif kind.is_integer() or kind.is_boolean() or kind.is_uuid() or is_nothing(kind):
        text = values.cast("string")
    else:
        raise WrongType(kind, "text", "give text")
    if not column.choices:
        return text, []
    mend = f"use {', '.join(column.choices)}"
    return text, [Probe(column.name, text.notin(column.choices), "are not an allowed word", mend)]


def clean_number(values: ir.Column, column: Column) -> Cleaned:
    """Numbers as float; what is not a number (NaN) counts as missing."""
    kind, name = values.type(), column.name
    probes = []
    if kind.is_string():
        number = _read(values, "float64", NUMBER)
        unread, mend = values.notnull() & number.isnull(), "use digits and a decimal point (1.50)"
        probes.append(Probe(name, unread, "are not numbers", mend))
    elif is_nothing(kind) or (kind.is_numeric() and not kind.is_boolean()):
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
    "id": clean_id,
    "time": clean_time,
    "text": clean_text,
    "number": clean_number,
}


def _read(values: ir.StringColumn, kind: str, pattern: str) -> ir.Column:
    """Read text that may be wrong; PostgreSQL stops at what it cannot read, so it gets none."""
    if values.get_backend().name == "postgres":
        values = ibis.ifelse(values.re_search(pattern), values, ibis.null("string"))
    return values.try_cast(kind)


def is_nothing(kind: dt.DataType) -> bool:
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
