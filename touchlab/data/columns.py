"""Bring one column to the type of the contract; values that cannot be are rows of a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from touchlab.data.alike import Clean, write_alike
from touchlab.data.contract import Column

EARLIEST, LATEST = "1971-01-01", "2200-01-01"
ISO = "give ISO 8601 (2026-02-28 or 2026-02-28T09:30:00Z)"
DATE = r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}"
CLOCK = r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
ZONE = (
    r"([Zz]| ?(UTC|GMT)([+-](0?\d|1[0-4])(:?[0-5]\d)?)?|[+-](0\d|1[0-4])(:?[0-5]\d)?"
    r"| [A-Z][A-Za-z]+(/[\w+-]+)+) *$"
)
TIME = rf"{DATE}( *$|{CLOCK}( *$|{ZONE}))"
"""All that is read as a time: engines guess further, and take BST for Bangladesh."""
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
COMMA = r"^\s*[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+\s*$"
THOUSAND = r"^\s*[+-]?[1-9]\d{0,2}\.\d{3}\s*$"
UNCLEAR = "say which in touchlab.toml: { column = 'your_name', decimal = ',' } or decimal = '.'"
EXACT = 2**53  # floats hold every whole number up to here
UNITS = {"seconds": 1e6, "milliseconds": 1e3, "microseconds": 1.0, "nanoseconds": 1e-3}
SINCE = {"1971": 31_536_000e6, "2200": 7_258_118_400e6}  # in microseconds
NAIVE = "without a zone, read as UTC"
DAY = "dates without a time of day, read as its start in UTC"
WHOLE_DAY = "dates without a time of day, read as its end in UTC"
IN_RANGE = (
    f"give times from {EARLIEST} to {LATEST}; January 1970 comes of seconds read as milliseconds"
)
IDS = "give ids as text or integers"
NOTHING = (
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "NULL",
    "null",
    "Null",
    "(null)",
    r"\N",
    "None",
    "NaN",
    "nan",
)
PLACED = "give an offset (+02:00) or a place (Europe/London): letters mean several zones"


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


def clean_column(
    values: ir.Column, column: Column, clean: Clean, *, commas: bool = False
) -> Cleaned:
    """Bring the values to the type of the contract; `commas` says that decimals may have them."""
    signs: list[Probe] = []
    if values.type().is_string():
        if column.kind in {"time", "number"}:
            values = values.strip().nullif("")
        if column.kind == "number" and commas:
            values, signs = _with_point(values, column.name)
        wanted = {"id": clean.ids, "text": () if column.choices else clean.names}
        values = write_alike(values, wanted.get(column.kind, ()))
    cleaned, probes = CLEANERS[column.kind](values, column)
    probes += signs
    if not column.nullable:
        rule, mend = "have no value", "give a value in every row"
        probes.append(Probe(column.name, _is_missing(values), rule, mend))
    return cleaned, probes


def _clean_id(values: ir.Column, column: Column) -> Cleaned:
    """Ids are text or whole numbers; floats are whole numbers that met a missing value."""
    kind, name = values.type(), column.name
    if kind.is_string():
        mend = "leave such rows out, or give the id: as one customer they would be everybody"
        cut = "export the ids as text, not from a spreadsheet: many are one once cut short"
        return values, [
            Probe(name, values.isin(NOTHING), "are words for no value", mend),
            Probe(name, values.re_search(r"^\d\.?\d*E\+\d+$"), "are numbers cut short", cut),
        ]
    if kind.is_uuid() or kind.is_uint64() or (kind.is_decimal() and kind.scale == 0):
        return values.cast("string"), []
    if kind.is_integer():
        return values.cast("int64"), []
    if kind.is_floating() or kind.is_decimal():
        number = values.cast("float64")
        lost = number.isnan() | (number.abs() > EXACT)
        held = ibis.ifelse(lost, ibis.null("float64"), number)
        inexact = ~number.isnan() & (held.isnull() | (held != held.floor()))
        return held.cast("int64"), [Probe(name, inexact, "are not whole numbers", IDS)]
    raise WrongType(kind, "an id", IDS)


def _clean_time(values: ir.Column, column: Column) -> Cleaned:
    """Times become naive UTC; text is parsed, a time without a zone is read as UTC."""
    if "timestamp" in repr(values.type()).lower():  # in nanoseconds Ibis may not know it
        values = values.cast("timestamp('UTC')") if values.type().is_unknown() else values
    kind, name = values.type(), column.name
    of_day = WHOLE_DAY if column.until else DAY
    date, probes = ibis.literal(False), []
    if kind.is_string():
        fits = values.re_search(TIME)
        parsed = ibis.ifelse(fits, values, ibis.null("string")).try_cast("timestamp('UTC')")
        date = values.length() <= len("2026-02-28")
        naive = ~date & ~values.re_search(ZONE)
        zone = values.re_search(rf"{DATE}{CLOCK} *[A-Za-z+-]") & ~fits
        probes = [
            Probe(name, zone, "have a zone that is neither an offset nor a place", PLACED),
            Probe(name, values.notnull() & parsed.isnull() & ~zone, "are not times", ISO),
            Probe(name, parsed.notnull() & naive, NAIVE),
            Probe(name, parsed.notnull() & date, of_day),
        ]
    elif kind.is_timestamp():
        parsed = values
        probes = [] if kind.timezone else [Probe(name, values.notnull(), NAIVE)]
    elif kind.is_date():
        parsed, date = values.cast("timestamp"), ibis.literal(True)
        probes = [Probe(name, values.notnull(), of_day)]
    elif kind.is_integer() or kind.is_floating():
        parsed, probes = _since_1970(values, name)
    elif is_nothing(kind) and column.nullable:
        parsed = values.cast("timestamp")
    else:
        raise WrongType(kind, "a time", ISO)
    early, late = (ibis.timestamp(t, timezone=parsed.type().timezone) for t in (EARLIEST, LATEST))
    if column.until:  # an open end
        parsed = ibis.ifelse(parsed >= late, ibis.null(parsed.type()), parsed)
    probes.append(Probe(name, (parsed < early) | (parsed >= late), "are out of range", IN_RANGE))
    time = _to_utc(parsed)
    if column.until and not kind.is_timestamp():
        end = time + ibis.interval(days=1) - ibis.interval(microseconds=1)
        time = ibis.ifelse(date, end, time)
    return time, probes


def _since_1970(values: ir.NumericColumn, name: str) -> Cleaned:
    """Tell seconds from milliseconds and so on: from 1971 to 2200 their numbers do not overlap."""
    number = values.cast("float64")
    times = {unit: number * factor for unit, factor in UNITS.items()}
    inside = {unit: us.between(SINCE["1971"], SINCE["2200"]) for unit, us in times.items()}
    us = ibis.cases(*((inside[unit], times[unit]) for unit in UNITS), else_=ibis.null("float64"))
    given = values.notnull() & ~number.isnan()
    mend = f"{ISO}, or seconds, milli-, micro- or nanoseconds since 1970"
    probes = [Probe(name, given & us.isnull(), "are not times", mend)]
    probes += [Probe(name, inside[u], f"numbers, read as {u} since 1970") for u in UNITS]
    return ibis.timestamp("1970-01-01 00:00:00") + us.cast("int64").as_interval("us"), probes


def _clean_text(values: ir.Column, column: Column) -> Cleaned:
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


def _with_point(values: ir.StringValue, name: str) -> Cleaned:
    comma = values.re_search(COMMA)
    pointed = ibis.ifelse(comma, values.replace(".", "").replace(",", "."), values)
    unclear = values.re_search(THOUSAND)
    return pointed, [
        Probe(name, comma, "decimal commas, read as such"),
        Probe(name, unclear, "may be thousands or decimals (1.234)", UNCLEAR),
    ]


def _clean_number(values: ir.Column, column: Column) -> Cleaned:
    """Numbers as float; what is not a number (NaN) counts as missing."""
    kind, name = values.type(), column.name
    probes = []
    if kind.is_string():
        words = values.isin(NOTHING)
        fits = values.re_search(NUMBER)
        number = ibis.ifelse(fits, values, ibis.null("string")).try_cast("float64")
        unread, mend = values.notnull() & ~words & number.isnull(), "use digits and a decimal point"
        probes.append(Probe(name, unread, "are not numbers", f"{mend} (1.50)"))
        probes.append(Probe(name, words, "words for no value (NA, null), read as none"))
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
            mend += '; for refunds, refunds = "net" (or "apart") under [clean] in touchlab.toml'
        probes.append(Probe(name, number < column.minimum, f"are below {column.minimum:g}", mend))
    return number, probes


CLEANERS: dict[str, Callable[[ir.Column, Column], Cleaned]] = {
    "id": _clean_id,
    "time": _clean_time,
    "text": _clean_text,
    "number": _clean_number,
}


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
