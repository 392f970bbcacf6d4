"""Bring the many ways to write a time, a number or a word to the way of the contract.

Each takes a column of any type; text that does not fit stays as it is, for the check to show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

import ibis
import ibis.expr.types as ir

from touchlab.errors import nearest

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds in a unit of time since 1970."""
PARTS = {
    "d": r"(\d{1,2})",
    "m": r"(\d{1,2})",
    "b": r"([A-Za-z]{3})[a-z]*\.?",
    "Y": r"(\d{4})",
    "y": r"(\d{2})",
    "H": r"(\d{1,2})",
    "I": r"(\d{1,2})",
    "M": r"(\d{2})",
    "S": r"(\d{2}(?:\.\d+)?)",
    "p": r"([AaPp])\.?[Mm]\.?",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
CLOCKS = ("", " %H:%M", " %H:%M:%S")
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
TIME = r"^\d{4}-\d{2}-\d{2}"
CLOCK_WITHOUT_ZONE = r"^\d{4}-\d{2}-\d{2}[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$"
SIGNS = "[ \u00a0\u202f'\u2019$\u20ac\u00a3\u00a5]"
"""What people write about numbers: blanks and apostrophes between thousands, currencies."""


class Misfit(Exception):
    """What a recipe says cannot be done; its arguments are rule and mend."""


def as_text(value: ir.Value) -> ir.StringValue:
    """Write values as text; whole numbers that met a missing one without their ``.0``."""
    kind = value.type()
    if kind.is_string():
        return value
    text = value.cast("string")
    return text.re_replace(r"\.0+$", "") if kind.is_floating() or kind.is_decimal() else text


def as_time(value: ir.Value) -> ir.Value:
    """Read times that only order rows; what is none is missing."""
    if value.type().is_string():
        if value.get_backend().name == "postgres":  # it would stop at what it cannot read
            value = ibis.ifelse(value.re_search(TIME), value, ibis.null("string"))
        value = value.try_cast("timestamp('UTC')")
    return value.cast("timestamp('UTC')")


def filled(value: ir.Value) -> ir.Value:
    """Make text of nothing but blanks missing."""
    return ibis.ifelse(value.strip() == "", None, value) if value.type().is_string() else value


def formatted(value: ir.Value, given: Mapping[str, Any]) -> ir.Value:
    """Apply what a recipe says of how values are written, in the order of `OPTIONS`."""
    for option, apply in OPTIONS.items():
        if option in given and (given[option] is not False or option == "day_first"):
            value = apply(value, given[option])
    return value


def _mapped(value: ir.Value, words: Mapping[str, Any]) -> ir.Value:
    """Exchange values; those not named stay."""
    text = as_text(value).strip()
    cases = [(text == str(word), ibis.literal(str(ours))) for word, ours in words.items()]
    return ibis.cases(*cases, else_=as_text(value))


def _with_point(value: ir.Value, decimal: Any) -> ir.Value:
    """Read numbers as people write them: with a decimal sign, signs of thousands, a currency."""
    if decimal not in (",", "."):
        raise Misfit(f"decimal: {decimal!r} is no decimal sign", "say decimal = ',' or '.'")
    if not value.type().is_string():
        return value
    thousands = "," if decimal == "." else "."
    bare = value.re_replace(SIGNS, "")
    fits = bare.re_search(rf"^[+-]?(\d+|\d{{1,3}}([{thousands}]\d{{3}})+)([{decimal}]\d*)?$")
    plain = bare.replace(thousands, "").replace(decimal, ".")
    # 12.5 where the sign is a comma must not be taken for twelve and a half
    return ibis.ifelse(fits, plain, filled(value) + f" (decimal sign {decimal})")


def _divided(value: ir.Value, by: Any) -> ir.Value:
    if not value.type().is_string():
        return value.cast("float64") / float(by)
    number = ibis.ifelse(value.re_search(NUMBER), value, None).try_cast("float64") / float(by)
    return ibis.coalesce(number.cast("string"), value)


def _absolute(value: ir.Value, _yes: Any) -> ir.Value:
    return value.re_replace(r"^\s*-", "") if value.type().is_string() else value.abs()


def _since_1970(value: ir.Value, unit: Any) -> ir.Value:
    """Read numbers as times since 1970 in UTC."""
    if unit not in UNITS:
        raise Misfit(f"unit: {unit!r} is no unit of time", "say unit = 's', 'ms' or 'us'")
    kind = value.type()
    if kind.is_timestamp() or kind.is_date():
        raise Misfit(f"unit: the column is of type {kind}, no number", "leave unit out")
    number = value
    if kind.is_string():
        number = ibis.ifelse(value.re_search(NUMBER), value, None).try_cast("float64")
    if not kind.is_integer():
        number = (number * UNITS[unit]).round()
        number = number.cast("int64")
    else:
        number = number.cast("int64") * UNITS[unit]
    time = ibis.timestamp("1970-01-01 00:00:00") + number.as_interval("us")
    if kind.is_string():
        return ibis.coalesce(time.cast("string") + "Z", value)
    return time.cast("timestamp('UTC')")


def _by_format(value: ir.Value, formats: Any) -> ir.Value:
    """Rewrite times of a format as ISO 8601, part by part: no engine reads all of them alike."""
    for form in formats if isinstance(formats, list) else [formats]:
        value = _rewritten(as_text(value), str(form))
    return value


def _day_first(value: ir.Value, first: Any) -> ir.Value:
    date = "%d/%m/%Y" if first is True else "%m/%d/%Y"
    return _by_format(value, [date + clock for clock in CLOCKS])


def _rewritten(text: ir.StringValue, form: str) -> ir.StringValue:
    parts = re.split(r"%([A-Za-z])", form)
    letters = parts[1::2]
    if odd := [letter for letter in letters if letter not in PARTS]:
        known = ", ".join(f"%{letter}" for letter in PARTS)
        raise Misfit(f"format: %{odd[0]} is not known", f"use {known}, such as %d/%m/%Y %H:%M")
    if not {"d"} < {*letters} or not {"m", "b"} & {*letters} or not {"Y", "y"} & {*letters}:
        raise Misfit(f"format: {form!r} lacks day, month or year", "such as %d/%m/%Y %H:%M")
    between = [re.sub(r"\s+", r"\\s+", re.sub("[./-]", "[./-]", _plain(p))) for p in parts[::2]]
    pieces = [PARTS[letter] for letter in letters]
    pattern = "".join(a + b for a, b in zip(between, [*pieces, ""], strict=True))
    pattern = rf"^\s*{pattern}\s*$"
    got = {
        letter: text.re_extract(pattern, place).nullif("")
        for place, letter in enumerate(letters, 1)
    }
    iso = ibis.literal("-").join([_year(got), _month(got), got["d"].lpad(2, "0")])
    if "H" in got or "I" in got:
        iso = iso + "T" + _hour(got) + ":" + got.get("M", ibis.literal("00"))
        iso = iso + ":" + got.get("S", ibis.literal("00"))
    return ibis.ifelse(text.re_search(pattern), iso, text)


def _plain(text: str) -> str:
    """Escape what stands between the parts, but signs that dates are parted by, and blanks."""
    return "".join(c if c.isspace() or c in "./-" else re.escape(c) for c in text)


def _year(got: Mapping[str, ir.StringValue]) -> ir.StringValue:
    return got["Y"] if "Y" in got else ibis.ifelse(got["y"] < "69", "20", "19") + got["y"]


def _month(got: Mapping[str, ir.StringValue]) -> ir.StringValue:
    if "m" in got:
        return got["m"].lpad(2, "0")
    cases = [(got["b"].lower() == name, f"{place:02}") for place, name in enumerate(MONTHS, 1)]
    return ibis.cases(*cases, else_=got["b"])


def _hour(got: Mapping[str, ir.StringValue]) -> ir.StringValue:
    hour = got["H"] if "H" in got else got["I"]
    if "p" in got:
        late = ibis.ifelse(got["p"].lower() == "p", 12, 0)
        hour = (hour.try_cast("int64") % 12 + late).cast("string")
    return hour.lpad(2, "0")


def _in_zone(value: ir.Value, zone: Any) -> ir.Value:
    """Read times of a clock on the wall; those with a zone of their own keep it."""
    if zone not in available_timezones():
        near = nearest(str(zone), sorted(available_timezones()))
        raise Misfit(f"zone: {zone!r} is not a time zone{near}", "such as zone = 'Europe/Berlin'")
    kind = value.type()
    if kind.is_timestamp() and kind.timezone is not None:
        return value
    text = value if kind.is_string() else value.cast("string")
    return ibis.ifelse(text.strip().re_search(CLOCK_WITHOUT_ZONE), text.strip() + f" {zone}", text)


OPTIONS: dict[str, Any] = {
    "split": lambda value, sign: as_text(value).split(str(sign))[0].strip(),
    "map": _mapped,
    "decimal": _with_point,
    "divide": _divided,
    "absolute": _absolute,
    "format": _by_format,
    "day_first": _day_first,
    "unit": _since_1970,
    "zone": _in_zone,
}
"""What a recipe may say of how a column's values are written."""
