"""Words of readers: numbers as text, and what a page calls touchpoints and outcomes.

Results and tables keep the names of the data; a page shows those of `[names]` in `touchlab.toml`,
and any other name without its underscores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from math import floor, isfinite, log10

import ibis.expr.types as ir

from touchlab.data.customers import traits
from touchlab.data.dataset import Dataset
from touchlab.data.level import BETWEEN
from touchlab.data.outcomes import FIRST, REPEAT
from touchlab.once import once_about

NBSP = "\N{NO-BREAK SPACE}"
PLURALS = {"conversion": "conversions", "churn": "customers lost", "referral": "referrals"}
"""Of outcomes that `[names]` does not name."""
MODELS = {"time_decay": "time decay"}
SINGLE = ("one", "One", "One more", "a", "per", "first", "each")
"""Words after which an outcome that `[names]` names is one."""
FINE = 20
"""Steps that an interval is as wide as, at least: numbers finer than that claim too much."""
BACKED = {
    "randomised": "experiment-backed",
    "adjusted": "checked, without an experiment",
    "untested": "untested",
    "descriptive": "a link, no proven effect",
}
"""What a badge says in a sentence."""

_words: dict[str, str] = {}
"""How this kernel, which is one report, calls what the data names; see `speak`."""


def speak(data: Dataset) -> None:
    """From now on call touchpoints and outcomes by the words of readers."""
    given = {str(name): str(word) for name, word in data.parameters.get("names", {}).items()}
    outcomes = _distinct(data, ("outcomes",), "outcome")
    touchpoints = _distinct(data, ("touches", "steps", "touchpoints", "surveys"), "touchpoint")
    _words.clear()
    for name in touchpoints:
        whole, between, campaign = name.partition(BETWEEN)
        plain = f"{given.get(whole, whole)}{between}{campaign}".replace("_", " ")
        _words.update({name: plain} if plain != name else {})
    _words.update({name: word for name, word in given.items() if name != "data"})
    _words.update({f"{name}:": f"{name}:".replace("_", " ") for name in traits(data)})
    _words.update(MODELS)
    for name in outcomes:
        which, _, whole = name.partition(" ")  # the first of a customer, or a repeat
        apart = f"{which} {given[whole]}" if which in (FIRST, REPEAT) and whole in given else ""
        word, plain = given.get(name, apart), name.replace("_", " ")
        plural = _plural(word) if word else PLURALS.get(name, _plural(plain))
        _words.update({f"{name} outcomes": plural, f"{name} outcome": word or plain})
        if word:
            _words.update({name: plural} | {f"{one} {name}": f"{one} {word}" for one in SINGLE})


def _distinct(data: Dataset, tables: Sequence[str], column: str) -> list[str]:
    found: set[str] = set()
    for table in (name for name in tables if data.has(name)):
        own = data.tables[table]
        if column in own.columns:
            ask = partial(_names, own, column)
            found |= set(once_about(data.files, f"{column} of {table}", ask))
    return sorted(found)


def _names(table: ir.Table, column: str) -> list[str]:
    return table.select(column).distinct().to_pandas()[column].dropna().astype(str).tolist()


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word[-1:] == "y" and word[-2:-1] not in "aeiou" else f"{word}s"


def in_words(text: str) -> str:
    """Say a text of a page in the words of readers.

    >>> forget_words()
    >>> in_words("email_newsletter brings 40 conversion outcomes")  # before `speak`
    'email_newsletter brings 40 conversion outcomes'
    """
    if not _words:
        return text
    longest = sorted(_words, key=len, reverse=True)
    pattern = rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])"
    return re.sub(pattern, lambda found: _words[found[0]], text)


def forget_words() -> None:
    """Call everything again as the data does."""
    _words.clear()


def data_called(data: Dataset) -> str:
    """Name the data as readers know it: `data` in `[names]`."""
    called = data.parameters.get("names", {}).get("data", "")
    return f"{data.name} ({called})" if called else data.name


def per_cent(value: float, places: int | None = None) -> str:
    """Write a share; what is nearly nothing, or nearly all, is not said to be.

    >>> [per_cent(share).replace(NBSP, " ") for share in (0.104, 0.0004, 0.9997, 0.0, 1.0)]
    ['10 %', 'under 0.1 %', 'over 99.9 %', '0 %', '100 %']
    """
    if value in (0, 1):
        return f"{abs(100 * value):.0f}{NBSP}%"  # not -0
    if places is None:
        places = 1 if abs(value) < 0.0995 or 0.995 <= value < 1 else 0
    least = 10.0**-places
    if 0 < value <= least / 200:
        return f"under {least:g}{NBSP}%"
    if 1 - least / 200 <= value < 1:
        return f"over {100 - least:g}{NBSP}%"
    plain = f"{100 * value:,.{places}f}"
    return f"{plain if plain.strip('-0.') else 0}{NBSP}%"


def counted(value: float) -> str:
    """Write an amount: tenths where they matter, and no minus before nothing.

    >>> counted(1234.5), counted(-0.04), counted(7.25)
    ('1,234', '0', '7.2')
    """
    plain = f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:,.1f}"
    return plain if plain.strip("-0.") else "0"


def money(value: float) -> str:
    """Write an amount: cents where they matter.

    >>> money(2.117), money(9660.08)
    ('2.12', '9,660')
    """
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"


def ranged(value: float, low: float, high: float, name: str = "") -> str:
    """Write an estimate and its interval as finely as the interval allows.

    >>> ranged(391.4, 231.3, 551.5), ranged(59.2, 27.1, 91.3), ranged(8.3, 3.3, 13.3)
    ('390 (230 to 550)', '59 (27 to 91)', '8.3 (3.3 to 13.3)')
    >>> ranged(4.0, float("nan"), float("nan"))
    'not known'
    """
    if not isfinite(value + low + high):
        return "not known"
    width = (high - low) / FINE
    step = 10.0 ** max(floor(log10(width)), -1) if isfinite(width) and width > 0 else 1.0
    rounded = [floor(end / step + 0.5) * step for end in (value, low, high)]
    places = int(any(abs(end - round(end)) > step / 2 for end in rounded))
    said = [f"{end:,.{places}f}" for end in rounded]
    middle, *ends = (one if one.strip("-0.") else "0" for one in said)
    return f"{middle} ({name}{ends[0]} to {ends[1]})"


def lead(share: float) -> str:
    """Say how a share of the whole leads, where it is the largest: its words are checked.

    >>> lead(0.1), lead(0.6), lead(0.95)
    ('more than any other touchpoint', 'most', 'nearly all')
    """
    return (
        "nearly all"
        if share >= 0.9
        else "most"
        if share > 0.5
        else "more than any other touchpoint"
    )


def begun(text: str) -> str:
    """Begin every sentence with a capital, also where a name stands first; parameters stay.

    >>> begun("email brings most. display follows. min_customers: 10")
    'Email brings most. Display follows. min_customers: 10'
    """
    return re.sub(
        r"(?:^|(?<=[.!?]\s))[a-z]\w*",
        lambda word: word[0] if "_" in word[0] else word[0][:1].upper() + word[0][1:],
        text,
        flags=re.MULTILINE,
    )
