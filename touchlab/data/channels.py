"""Tell the channel of a visit from where it came: an ordered table of rules, the first that fits.

The table is a CSV file that people edit: a touchpoint, and what source, medium, campaign, click
id and referrer have to look like (a regular expression, found anywhere, in lower case). What
ships is the published table of default channel groups of Google Analytics 4
(support.google.com/analytics/answer/9756891), with assistants and click ids before it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache, reduce
from importlib.resources import files
from importlib.resources.abc import Traversable
from operator import and_
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from touchlab.data.formats import Misfit, as_text
from touchlab.errors import DataError, listing, nearest, shorten

DEFAULT_RULES = files(__package__) / "sources" / "channels.csv"
LOOKED_AT = ("source", "medium", "campaign", "click_id", "referrer")
CLICK_IDS = (
    "gclid", "wbraid", "gbraid", "dclid", "msclkid", "fbclid", "ttclid", "twclid", "li_fat_id",
)  # fmt: skip
PARTS = ("source", "medium", "campaign", "referrer", "page", *CLICK_IDS)
NOTHING = ("", "(direct)", "direct", "(none)", "(not set)", "<not set>", "(data not available)")
OTHER, DIRECT = "(other)", "Direct"
HOST = r"^(?:[a-z]+:)?//(?:www\.)?([^/:?#]+)"
WORDS = r"\^\(?([\w -]+(?:\|[\w -]+)*)\)?\$"
"""A pattern that only lists words: they are compared, which is quicker."""

Rule = tuple[str, dict[str, str]]


def read_rules(path: Path | Traversable = DEFAULT_RULES) -> tuple[Rule, ...]:
    """Read a table of rules, and refuse one that would not do what it says."""
    name = path.name
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        mend = "give a CSV file in UTF-8 beside the data"
        raise DataError(f"{name}: cannot be read: {type(error).__name__}\n  {mend}") from None
    columns = list(rows[0]) if rows else []
    odd = [column for column in columns if column not in ("touchpoint", *LOOKED_AT)]
    if odd or "touchpoint" not in columns:
        near = nearest(odd[0], ["touchpoint", *LOOKED_AT]) if odd else ""
        rule = f"{name}: its columns are {listing(columns) or 'none'}{near}"
        raise DataError(f"{rule}\n  give touchpoint and any of {', '.join(LOOKED_AT)}")
    return tuple(_rule(name, line, row) for line, row in enumerate(rows, 2))


@cache
def default_rules() -> tuple[Rule, ...]:
    """Read the rules that ship."""
    return read_rules()


def _rule(name: str, line: int, row: Mapping[str, Any]) -> Rule:
    given = {part: (row.get(part) or "").strip() for part in LOOKED_AT}
    patterns = {part: pattern for part, pattern in given.items() if pattern}
    if not (row["touchpoint"] or "").strip() or not patterns:
        rule = f"{name}: line {line} names no touchpoint, or nothing that makes it one"
        raise DataError(f"{rule}\n  give a touchpoint, and a pattern in one column at least")
    for part, pattern in patterns.items():
        try:
            re.compile(pattern)
            fits = "(?" not in pattern and not re.search(r"\\[1-9]", pattern)
        except re.error:
            fits = False
        if not fits:
            rule = f"{name}: line {line}: {part} is {shorten(pattern)}, which engines cannot read"
            raise DataError(f"{rule}\n  use letters, |, ^, $, ., *, + and brackets of one kind")
    return row["touchpoint"].strip(), patterns


def channel_of(
    parts: Mapping[str, ir.Value | None], rules: tuple[Rule, ...], *, named: bool
) -> ir.StringValue:
    """Write the rules as one expression over the columns that tell where a visit came from.

    Each of the rules looks at them: `named` lets the engine work them out once, as the one record
    of a list, where it would write them out a hundred times (4 s for DuckDB to take in).
    """
    if odd := [part for part in parts if part not in PARTS]:
        rule = f"channel: {odd[0]!r} does not tell where a visit came from{nearest(odd[0], PARTS)}"
        raise Misfit(rule, f"give any of {', '.join(PARTS)}")
    given = {part: as_text(value).lower() for part, value in parts.items() if value is not None}
    if not given:
        raise Misfit("channel: none of its columns is there", f"give any of {', '.join(PARTS)}")
    if not named:
        return _first_that_fits(_looked_at(given), rules)
    looked_at = ibis.array([ibis.struct(_looked_at(given))])
    return looked_at.map(lambda visit: _first_that_fits(visit, rules))[0]


def _first_that_fits(visit: Any, rules: tuple[Rule, ...]) -> ir.StringValue:
    cases = []
    for touchpoint, patterns in rules:
        fits = [_fits(visit[part], pattern) for part, pattern in patterns.items()]
        cases.append((reduce(and_, fits), touchpoint))
    return ibis.cases(*cases, else_=OTHER)


def _looked_at(given: Mapping[str, ir.StringValue]) -> dict[str, ir.StringValue]:
    """Take what is missing from the address of the page, and from the site before it."""
    told = {p: _or_blank(given[p]) for p in ("source", "medium", "campaign") if p in given}
    page, referrer = given.get("page"), given.get("referrer")
    if page is not None:
        for part in ("source", "medium", "campaign"):
            in_page = _cut_out(page, rf"[?&]utm_{part}=([^&#]+)")
            told[part] = _or(told[part], in_page) if part in told else in_page
    if referrer is not None:
        host = _cut_out(referrer, HOST)
        if page is not None:  # one's own pages send nobody
            host = ibis.ifelse(host == _cut_out(page, HOST), "", host)
        nothing = told["source"] == "" if "source" in told else ibis.literal(True)
        medium = ibis.ifelse(nothing & (host != ""), "referral", "")
        told["referrer"] = host
        told["source"] = _or(told["source"], host) if "source" in told else host
        told["medium"] = _or(told["medium"], medium) if "medium" in told else medium
    clicks = [
        ibis.ifelse(given[name].fill_null("") == "", "", f" {name}")
        for name in CLICK_IDS
        if name in given
    ]
    if page is not None:
        clicks.append(_cut_out(page, rf"[?&]({'|'.join(CLICK_IDS)})="))
    told["click_id"] = reduce(lambda one, more: one + more, clicks, ibis.literal(""))
    blank = ibis.literal("")
    return {part: told.get(part, blank) for part in LOOKED_AT}


def _or_blank(text: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(text.strip().isin(NOTHING), "", text.strip()).fill_null("")


def _or(text: ir.StringValue, other: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(text == "", other, text)


def _cut_out(text: ir.StringValue, pattern: str) -> ir.StringValue:
    return text.re_extract(pattern, 1).fill_null("")


def _fits(text: ir.StringValue, pattern: str) -> ir.BooleanValue:
    if pattern == "^$":
        return text == ""
    words = re.fullmatch(WORDS, pattern)
    return text.isin(words[1].split("|")) if words else text.re_search(pattern)


def is_direct(name: str) -> bool:
    """Say whether a touchpoint is nobody's doing, in the ways that tools write it.

    >>> [is_direct(name) for name in ("(direct)", "Direct", "direct_traffic", "direct_mail")]
    [True, True, True, False]
    """
    words = re.sub(r"[^a-z]+", " ", str(name).lower()).split()
    return words in (["direct"], ["direct", "traffic"], ["direct", "none"], ["direct", "visit"])
