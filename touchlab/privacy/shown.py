"""What may be shown in this kernel, which is one report: so it is set once, by `protect`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.privacy.fold import fold_rare
from touchlab.privacy.suppress import MIN_CUSTOMERS, check_k, hidden_cells


@dataclass
class _Shown:
    min_customers: int = MIN_CUSTOMERS


_shown = _Shown()


def protect(data: Dataset, *, min_customers: int = MIN_CUSTOMERS) -> Dataset:
    """Fold rare names of the data, and from now on show no group of fewer customers.

    Called once in a notebook, where the data is opened. Tables, figures and sentences hide
    small groups in any case; this says how many customers are few, and gives data in which
    every touchpoint, campaign and trait level has that many (see `fold_rare`).
    """
    check_k(min_customers)
    _shown.min_customers = min_customers
    return fold_rare(data, k=min_customers)


def hidden_here(frame: pd.DataFrame) -> pd.DataFrame:
    """Say which cells are hidden in this report."""
    return hidden_cells(frame, k=_shown.min_customers)


def safe(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows in which a number is hidden.

    Of a curve, a row a day, those are left out that few customers are at risk in: what happens
    on single days, and to how many, is neither drawn nor said. Where that ends one group alone, it
    ends the smallest of the others too: the whole less all others would be that group.
    """
    if {"day", "at_risk"} <= set(frame.columns):
        few = (frame.at_risk > 0) & (frame.at_risk < _shown.min_customers)
        if "group" in frame and few.any():
            day = [frame[name] for name in ("outcome", "day") if name in frame]
            left = frame.at_risk.where(~few & (frame.at_risk > 0))
            next_one = left == left.groupby(day).transform("min")
            few |= next_one & (few.groupby(day).transform("sum") == 1)
            few = few.groupby([*day[:-1], frame.group]).cummax()
        return frame[~few] if few.any() else frame
    hidden = hidden_here(frame).any(axis=1)
    return frame[~hidden] if hidden.any() else frame


def all_safe(given: Sequence[Any]) -> tuple[list[Any], int, bool]:
    """Leave hidden rows out of every frame among `given`.

    Returns the same with safe frames, how many rows are left out, and whether a frame has
    none left.
    """
    made = [safe(one) if isinstance(one, pd.DataFrame) else one for one in given]
    frames = [(a, b) for a, b in zip(given, made, strict=True) if isinstance(a, pd.DataFrame)]
    left_out = sum(len(before) - len(after) for before, after in frames)
    return made, left_out, any(len(before) and after.empty for before, after in frames)


def count(number: float) -> str:
    """Write a number of customers, or of what they did; small ones are not said.

    Examples
    --------
    >>> count(1234), count(3), count(0)
    ('1,234', 'fewer than 10', '0')
    """
    few = _shown.min_customers
    return f"fewer than {few:,}" if 0 < number < few else f"{number:,.0f}"


def why_hidden() -> str:
    """Say what is hidden in this report."""
    few = f"fewer than {_shown.min_customers:,} customers (parameter min_customers)"
    return f"what stands on {few}, or would give such a number away"


def min_customers() -> int:
    """Return how many customers a group must have to be shown in this report."""
    return _shown.min_customers
