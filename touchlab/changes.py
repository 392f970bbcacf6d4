"""What moved between two sets of results: the numbers beyond their intervals first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

COLUMNS = ["table", "row", "what", "before", "before_low", "before_high"]
COLUMNS += ["after", "after_low", "after_high", "beyond"]
REMARKS = {"badge", "advice", "warning", "reading"}
"""Text columns that say something of a row, and do not name it."""


def compare(before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Which estimates changed from one run to another, and by more than their intervals allow?

    It looks at estimates that have an interval, in tables that both runs have. Two runs on
    overlapping data share much of their chance, so what is `beyond` is so all the more.

    Parameters
    ----------
    before, after
        Result tables by name.

    Returns
    -------
    pandas.DataFrame
        ``table, row, what, before, before_low, before_high, after, after_low, after_high,
        beyond``: `beyond` where the difference exceeds the 95 % interval of a difference
        between independent estimates, sqrt(r1^2 + r2^2) of their half widths. Those first,
        then by how far.

    Examples
    --------
    >>> import pandas as pd
    >>> def drivers(amount):
    ...     row = {"touchpoint": "mail", "incremental": amount}
    ...     return {"drivers": pd.DataFrame([row | {"ci_low": amount - 3, "ci_high": amount + 3}])}
    >>> compare(drivers(10.0), drivers(20.0))[["row", "what", "before", "after", "beyond"]]
        row         what  before  after  beyond
    0  mail  incremental    10.0   20.0    True
    """
    pairs = [_changes(name, before[name], after[name]) for name in after if name in before]
    frames = [pair for pair in pairs if len(pair)]  # an empty one would make objects of numbers
    if not frames:
        return pd.DataFrame(columns=COLUMNS)
    found = pd.concat(frames, ignore_index=True)
    reach = np.hypot(found.after_high - found.after_low, found.before_high - found.before_low) / 2
    moved = (found.after - found.before).abs()
    found = found.assign(beyond=moved > reach, far=moved / reach.where(reach > 0))
    ordered = found[moved > 0].sort_values(["beyond", "far"], ascending=False, ignore_index=True)
    return ordered[COLUMNS]


def _changes(name: str, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    names = [c for c in after.columns if not _numeric(after[c]) and c not in REMARKS]
    names = [c for c in names if c in before.columns]
    rows = [_named(frame, names) for frame in (before, after)]
    found = []
    for what, low, high in measures(after):
        if not {what, low, high} <= set(before.columns):
            continue
        old, new = (frame[[what, low, high]] for frame in rows)
        both = old.set_axis(["before", "before_low", "before_high"], axis=1).join(
            new.set_axis(["after", "after_low", "after_high"], axis=1), how="inner"
        )
        found.append(both.rename_axis("row").reset_index().assign(table=name, what=what))
    return pd.concat(found) if found else pd.DataFrame(columns=COLUMNS[:-1])


def measures(frame: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Name the estimates of a table that have an interval: column, lower and upper end.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"touchpoint": "mail", "credit": 9.0, "share": 0.2, "ci_low": 7.0, "ci_high": 11.0}
    >>> list(measures(pd.DataFrame([row])))
    [('credit', 'ci_low', 'ci_high')]
    """
    columns = [str(c) for c in frame.columns]
    for low in (c for c in columns if c.endswith("_low")):
        stem, high = low.removesuffix("_low"), low.removesuffix("_low") + "_high"
        own = stem
        if stem == "ci":  # of the nearest column before it that lies within
            ahead = [c for c in columns[: columns.index(low)] if not c.endswith(("_low", "_high"))]
            own = next((c for c in reversed(ahead) if _within(frame, c, low, high)), "")
        if own in columns and high in columns:
            yield own, low, high


def _named(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Index rows by what names them; those whose name is not their own are left out."""
    words = pd.Series("all", frame.index)
    if names:
        words = frame[names].fillna("").astype(str).agg(", ".join, axis=1)
    own = frame.set_axis(words, axis=0)
    return own[~own.index.duplicated(keep=False)]


def _within(frame: pd.DataFrame, name: str, low: str, high: str) -> bool:
    known = frame[[name, low, high]].dropna()
    inside = _numeric(frame[name]) and (known[name] >= known[low]) & (known[name] <= known[high])
    return bool(np.all(inside)) and _numeric(frame[name])


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
