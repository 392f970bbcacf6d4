"""What values a parameter may have, by its name: one name means one thing in every notebook."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Which values are allowed: in words, and as a test. A list is tested item by item."""

    words: str
    allows: Callable[[Any], bool]


def at_least(lowest: float) -> Range:
    """Allow numbers from `lowest` on."""
    return Range(f"{lowest:g} or more", lambda value: value >= lowest)


def between(lowest: float, highest: float) -> Range:
    """Allow numbers from `lowest` to `highest`, both included."""
    return Range(f"{lowest:g} to {highest:g}", lambda value: lowest <= value <= highest)


def one_of(*choices: str) -> Range:
    """Allow these texts and no others."""
    return Range(f"one of {', '.join(choices)}", lambda value: value in choices)


def _is_duration(text: str) -> bool:
    import pandas as pd  # slow to import, and seldom needed

    try:
        return not text.strip().isdigit() and pd.Timedelta(text) >= pd.Timedelta(milliseconds=1)
    except ValueError:
        return False


NOT_EMPTY = Range("not empty", bool)
DURATION = Range("a duration such as 30D or 12h", _is_duration)

RANGES: Mapping[str, Range] = {
    "customers": at_least(1),
    "days": at_least(1),
    "lookback": DURATION,
    "min_customers": at_least(1),
    "outcome": NOT_EMPTY,
    "seed": at_least(0),
    "seeds": at_least(0),
}


def out_of_range(name: str, value: object, ranges: Mapping[str, Range] = RANGES) -> str:
    """Say in words what the parameter may be, if `value` is not; its type is checked before.

    Examples
    --------
    >>> out_of_range("seed", -1), out_of_range("seed", 1), out_of_range("seeds", [1, -2])
    ('0 or more', '', '0 or more')
    """
    limit = ranges.get(name)
    if limit is None or value is None:
        return ""
    values = value if isinstance(value, list) else [value]
    return "" if all(map(limit.allows, values)) else limit.words
