"""Names and ids written in several ways: found, and brought together where `[clean]` asks for it.

Nothing is made alike unasked: two ways to write may be two things.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from touchlab.errors import DataError, listing, nearest, shorten

BLANK = "[\\s\u00a0\u200b\ufeff]"
"""Blanks as regular expressions know them, and those that nobody sees."""


@dataclass(frozen=True)
class Clean:
    """What `[clean]` in touchlab.toml asks for."""

    names: tuple[str, ...] = ()
    """Ways in which touchpoints, outcomes and other text are written alike."""
    ids: tuple[str, ...] = ()
    duplicates: str = ""
    """``keep`` or ``drop`` equal rows; nothing drops them where times have a time of day."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """What one unit of each currency is worth in the one that is shown."""
    refunds: str = ""
    """``apart`` makes values below zero an outcome refund, ``net`` takes refunds off, too."""
    first: tuple[str, ...] = ()
    """Outcomes of which a customer's first is told apart from those that repeat it."""


def read_clean(settings: Mapping[str, Any]) -> Clean:
    """Read the section `[clean]`; what it does not know is a DataError.

    >>> read_clean({"names": ["trim", "casefold"], "ids": "digits"}).ids
    ('digits',)
    """
    allowed, given = Clean.__dataclass_fields__, dict(settings)
    for key in given.keys() - allowed.keys():
        _refuse(f"{key} is not known{nearest(key, [*allowed])}", f"it holds {listing(allowed)}")
    for key in ("names", "ids"):
        given[key] = _listed(given.get(key, ()))
        for word in [word for word in given[key] if word not in WAYS]:
            _refuse(f"{key} names {shorten(word)}", f"use {listing(WAYS)}")
    given["first"] = _listed(given.get("first", ()))
    for key, (one, other) in {"duplicates": ("keep", "drop"), "refunds": ("apart", "net")}.items():
        if given.get(key, one) not in (one, other):
            _refuse(f"{key} is {given[key]!r}", f'use "{one}" or "{other}"')
    rates = given.get("rates", {})
    if not isinstance(rates, Mapping) or not all(
        isinstance(rate, int | float) and rate > 0 for rate in rates.values()
    ):
        _refuse("rates are not numbers above 0", "give rates = { EUR = 1, USD = 0.92 }")
    return Clean(**given)


def _listed(words: Any) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _refuse(rule: str, mend: str) -> None:
    raise DataError(f"touchlab.toml: [clean] {rule}\n  {mend}")


def write_alike(values: ir.StringColumn, ways: Iterable[str]) -> ir.StringColumn:
    """Write text in the ways asked for."""
    for way in ways:
        values = WAYS[way](values)
    return values


def _trim(values: ir.StringColumn) -> ir.StringColumn:
    return values.re_replace(f"^{BLANK}+|{BLANK}+$", "").re_replace(f"{BLANK}+", " ")


def _digits(values: ir.StringColumn) -> ir.StringColumn:
    """Write 00123 and 123.0 as 123; what is not all digits stays."""
    plain = values.re_replace(r"^0+(\d)", r"\1").re_replace(r"\.0+$", "")
    return ibis.ifelse(values.re_search(r"^\d+(\.0+)?$"), plain, values)


@ibis.udf.scalar.builtin(signature=((dt.string,), dt.string))
def nfc_normalize(text: ir.StringValue) -> ir.StringValue:
    """Name DuckDB's own function."""


@ibis.udf.scalar.builtin(signature=((dt.string,), dt.string))
def normalize(text: ir.StringValue) -> ir.StringValue:
    """Name PostgreSQL's own function."""


def _nfc(values: ir.StringColumn) -> ir.StringColumn:
    own = {"duckdb": nfc_normalize, "postgres": normalize}
    engine = values.get_backend().name
    if engine not in own:
        rule = f"touchlab.toml: [clean] nfc is not known to {engine}"
        raise DataError(f"{rule}\n  write names in NFC before, or leave it out")
    return own[engine](values)


WAYS: dict[str, Callable[[ir.StringColumn], ir.StringColumn]] = {
    "trim": _trim,
    "casefold": lambda values: values.lower(),
    "nfc": _nfc,
    "digits": _digits,
}


def fold(name: str) -> str:
    """Write a name as all that looks like it is written.

    >>> fold("E-Mail\N{NO-BREAK SPACE} ") == fold("e-mail")
    True
    """
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def fold_id(name: str) -> str:
    """Write an id as all that looks like it is written: 00123 and 123.0 as 123."""
    plain = fold(name)
    whole, _, rest = plain.partition(".")
    return whole.lstrip("0") or "0" if whole.isdecimal() and not rest.strip("0") else plain


def twins(counts: Mapping[str, int]) -> list[list[str]]:
    """Group names that differ by case, blanks or encoding alone; the most frequent first."""
    alike: dict[str, list[str]] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        alike.setdefault(fold(name), []).append(name)
    return [names for names in alike.values() if len(names) > 1]


def mend_of(one: str, other: str, key: str) -> str:
    """Give the line of touchlab.toml that makes two ways to write one.

    >>> mend_of("00123", "123", "ids")
    'ids = ["digits"] under [clean] in touchlab.toml makes them one'
    """
    digits = key == "ids" and fold_id(one).isdecimal() and fold(one) != fold(other)
    ways = '"digits"' if digits else '"trim", "casefold", "nfc"'
    return f"{key} = [{ways}] under [clean] in touchlab.toml makes them one"
