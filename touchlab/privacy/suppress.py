"""Which numbers of a table are hidden: known by the names of their columns.

Columns of results are API (touchlab's design): a column named `journeys` counts journeys in
whatever table it stands. So one function can look after every table, also those that are
yet to be written, and a new count is one name more in `COUNTS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linprog

from touchlab.errors import ParameterError
from touchlab.numeric import Floats

Cells = npt.NDArray[np.bool_]

MIN_CUSTOMERS = 10
DIRECTIONS = 4
SAME = 1e-6
"""Difference, as a share of the largest hidden number, below which two numbers are one."""
BASES = ("customers", "n", "journeys", "at_risk", "n_treated", "n_holdout")
"""Counts that the whole row stands on."""
COUNTS = {*BASES, "outcomes", "touches", "starts", "ends", "events", "active", "answers", "sent"}
COUNTS |= {"churn", "conversions", "treated", "holdout", "promoters", "passives"}
COUNTS |= {"detractors", "touched", "reached", "stopped", "credit", "outcomes_lost", "open", "came"}
COUNTS |= {"no_touch"}
PART_OF = {"outcomes": "journeys", "active": "customers"}
"""Counts of a rate: part and whole."""
RATES = {
    "rate": ("n", "journeys", "customers"),
    "rate_treated": ("n_treated",),
    "rate_holdout": ("n_holdout",),
    "response_rate": ("sent",),
    "returned": ("churn",),
}
"""Shares of customers, and the counts that they may be of: the first that is there."""
DIMENSIONS = {"touchpoint", "touchpoints", "source", "target", "segment", "position", "month"}
DIMENSIONS |= {"cohort", "group", "path", "campaign", "stage", "channel", "owner", "phase", "goal"}
DIMENSIONS |= {"band"}
"""Labels whose rows add up to the count without the label, where two of them cross."""
SEPARATE = {"model", "lookback", "metric", "method", "world", "outcome", "table", "day", "order"}
SEPARATE |= {"months_since", "silent_days", "horizon_days", "renewal", "renewals", "week", "period"}
SEPARATE |= {"level", "measure"}
"""Labels whose rows are the same customers again, and do not add up."""
ATTRIBUTES = ("stage", "channel", "owner", "phase", "goal")
"""Labels that a touchpoint has; beside it they do not cross."""
FOLLOWS = {
    "credit": ("share", "ci_low", "ci_high", "within"),
    "outcomes_lost": ("removal", "ci_low", "ci_high"),
}
"""What a count is told by: a share of a sum that is known, an interval around it."""
WHOLE_ROW = ("rate_treated", "rate_holdout", "answered", "came")
"""Rates, and a count beside its forecast, from which the other numbers of their row follow."""


def suppress(frame: pd.DataFrame, *, k: int = MIN_CUSTOMERS) -> pd.DataFrame:
    """Empty the cells that stand on fewer than `k` customers, or from which such one follows.

    It knows counts by the names of their columns (``customers, journeys, outcomes, touches,
    n, at_risk, ...``). A count is hidden from 1 to `k` - 1; zeros are shown. Where the row's
    base (customers, journeys, n, those at risk) is hidden, so is all that rests on it. A rate
    is hidden where it gives away a small count: rate times base, or the rest of the base. For
    all counts of a column that add up, the sum is taken to be known, and further cells are
    hidden until no hidden one can be computed. Estimates (incremental outcomes, hazard
    ratios) count nobody and are shown; see docs/decisions/0017-privacy.md. A column from which
    another table's count follows is hidden with it, where ``attrs["stands_on"]`` has that count.

    It does not know how many customers are behind events: ten touches may be of one customer,
    unless the table has a column `customers`. See `fold_rare` for that. `frame` has a row a group;
    the same comes back with hidden cells missing. `k` of 1 shows everything.

    >>> import pandas as pd
    >>> table = pd.DataFrame({
    ...     "touchpoint": ["ad", "fair", "email"],
    ...     "journeys": [900, 4, 60], "outcomes": [90, 0, 15], "rate": [0.1, 0.0, 0.25],
    ... })
    >>> suppress(table)
      touchpoint  journeys  outcomes  rate
    0         ad     900.0      90.0   0.1
    1       fair       NaN       NaN   NaN
    2      email       NaN       NaN   NaN
    """
    return empty_cells(frame, hidden_cells(frame, k=k))


def empty_cells(frame: pd.DataFrame, hidden: pd.DataFrame) -> pd.DataFrame:
    """Make the hidden cells missing; columns without any stay of their type."""
    columns = [name for name in frame.columns if hidden[name].any(axis=None)]
    return frame.assign(**{name: frame[name].mask(hidden[name]) for name in columns})


def hidden_cells(frame: pd.DataFrame, *, k: int = MIN_CUSTOMERS) -> pd.DataFrame:
    """Say which cells `suppress` empties: the same shape, True where hidden."""
    check_k(k)
    hidden = pd.DataFrame(False, index=frame.index, columns=frame.columns)
    if not frame.columns.is_unique or not len(frame):
        return hidden
    counts, rates = _counts(frame), _rates(frame)
    small = {name: _is_small(values, k) for name, values in counts.items()}
    small |= {name: _gives_away(part, whole, k) for name, (part, whole) in rates.items()}
    few = np.zeros(len(frame), dtype=bool)
    for name in counts.keys() & set(BASES):
        few |= small[name]
    values = counts | {name: part for name, (part, _) in rates.items()}
    lines, told = lines_of(frame), _told_elsewhere(frame)
    covered = {
        name: complement(own, small[name] | (few & (own > 0)), lines, k, told)
        for name, own in values.items()
    }
    for rate in RATES.keys() & rates.keys():
        for name in counts:  # the same number under another name
            if np.array_equal(counts[name], values[rate], equal_nan=True):
                covered[name] |= covered[rate]
    hidden = _spread(frame, hidden, covered, few)
    if {"outcomes", "no_touch"} <= counts.keys():  # all outcomes are told elsewhere
        either = hidden.outcomes | hidden.no_touch
        hidden["outcomes"] = hidden["no_touch"] = either
        for name in {"rate", "ci_low", "ci_high"} & set(frame) if "open" in frame else ():
            hidden[name] |= either & (frame.open == 0)
    for name, base in frame.attrs.get("stands_on", {}).items():
        if name not in frame:  # of columns that somebody took out
            continue
        table = pd.DataFrame(base)
        labels = [*table.columns.drop("credit")]
        if not {*labels} <= {*frame}:  # no row says which it is
            hidden[name] |= frame[name].notna()
            continue
        told = pd.MultiIndex.from_frame(table[labels][hidden_cells(table, k=k).credit])
        hidden[name] |= pd.MultiIndex.from_frame(frame[labels]).isin(told) & frame[name].notna()
    return hidden


def _told_elsewhere(frame: pd.DataFrame) -> Cells:
    """Steps from the start, to the outcome and to the end are in other tables too: no cover."""
    labels = frame[[name for name in ("source", "target") if name in frame]]
    return np.asarray(labels.isin(["(start)", "(outcome)", "(end)"]).any(axis=1))


def check_k(k: object) -> None:
    """Refuse a `k` that is not a whole number of 1 or more."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ParameterError(
            f"min_customers: {k!r} is not a number of customers\n  give a whole number, 1 or more"
        )


def _is_small(values: Floats, k: int) -> Cells:
    return (values > 0) & (values < k)


def _gives_away(part: Floats, whole: Floats, k: int) -> Cells:
    """Say whether a share tells of few customers: those in it, or those not in it."""
    return _is_small(part, k) | _is_small(np.rint(whole - part), k)


def _counts(frame: pd.DataFrame) -> dict[str, Floats]:
    return {name: _numbers(frame[name]) for name in frame if _is_count(frame, name)}


def _is_count(frame: pd.DataFrame, name: object) -> bool:
    return name in COUNTS and _is_number(frame[name])


def _is_number(values: pd.Series[Any]) -> bool:
    numeric = pd.api.types.is_numeric_dtype(values)
    return numeric and not pd.api.types.is_bool_dtype(values)


def _numbers(values: pd.Series[Any]) -> Floats:
    return values.to_numpy(dtype=float, na_value=np.nan)


def _rates(frame: pd.DataFrame) -> dict[str, tuple[Floats, Floats]]:
    """Give shares of customers their part and whole: by the count, or by the share without one."""
    known = dict(RATES)
    if "metric" in frame:
        known["share"] = ("n",)  # of answers; elsewhere a share is of outcomes, by a model
    parts = [(part, whole) for part, whole in PART_OF.items() if _has(frame, part, whole)]
    found = {part: (_numbers(frame[part]), _numbers(frame[whole])) for part, whole in parts}
    if _has(frame, "answered", "n") and "unit" in frame:  # who answered: shares in per cent
        of, percent = _numbers(frame.n), frame.unit.str.startswith("%").to_numpy()
        found["answered"] = np.where(percent, np.rint(frame.answered * of / 100), np.nan), of
    for rate, wholes in known.items():
        whole = next((w for w in wholes if _has(frame, rate, w)), None)
        if whole and not (rate == "rate" and parts):
            of = _numbers(frame[whole])
            found[rate] = np.rint(_numbers(frame[rate]) * of), of
    return found


def _has(frame: pd.DataFrame, *names: str) -> bool:
    return all(name in frame and _is_number(frame[name]) for name in names)


def lines_of(frame: pd.DataFrame) -> list[Cells]:
    """Find the rows that add up: all, or along each label with the other labels fixed."""
    names = [str(name) for name in frame.columns]
    labels = [n for n in names if n in DIMENSIONS and not _is_number(frame[n])]
    if "touchpoint" in labels:
        labels = [n for n in labels if n not in ATTRIBUTES]
    apart = [n for n in names if n in SEPARATE]
    if "what" in names:  # levels of one trait add up
        frame, apart = frame.assign(what=frame.what.str.partition(":")[0]), [*apart, "what"]
    found = []
    for along in labels if len(labels) > 1 else [""]:
        fixed = [*apart, *(n for n in labels if n != along and len(labels) > 1)]
        groups = frame.groupby(fixed, dropna=False).ngroup() if fixed else np.zeros(len(frame))
        found += [np.asarray(groups == number) for number in np.unique(groups)]
    return found


def _spread(
    frame: pd.DataFrame, hidden: pd.DataFrame, covered: Mapping[str, Cells], few: Cells
) -> pd.DataFrame:
    """Hide with a count what rests on it, or from which it follows."""
    numbers = [n for n in frame if n not in SEPARATE and _is_measured(frame[n])]
    results = [n for n in numbers if n not in COUNTS]
    hides: dict[str, list[Any]] = {name: [name] for name in covered}
    hides |= {name: [name, *results] for name in (*BASES, *WHOLE_ROW) if name in covered}
    for rate in RATES.keys() & covered.keys() - set(WHOLE_ROW):
        hides[rate] = [rate, f"{rate}_low", f"{rate}_high", *_own_interval(frame, rate)]
    for part in PART_OF.keys() & covered.keys():
        hides[part] = [part, "rate", *_own_interval(frame, "rate")]
    if "share" in covered:
        hides["share"] = ["share", "share_low", "share_high"]
    hides |= {name: [name, *told] for name, told in FOLLOWS.items() if name in covered}
    for name, rows in covered.items():
        for column in hides[name]:
            if column in hidden:
                hidden[column] |= rows
    for name in numbers:
        hidden[name] |= few
    return hidden & frame.notna()


def _own_interval(frame: pd.DataFrame, rate: str) -> tuple[str, ...]:
    """`ci_low` and `ci_high` belong to `rate`, unless another estimate is in the table."""
    return ("ci_low", "ci_high") if rate == "rate" and "incremental" not in frame else ()


def _is_measured(values: pd.Series[Any]) -> bool:
    return _is_number(values) or pd.api.types.is_datetime64_any_dtype(values)


def complement(
    values: Floats, small: Cells, lines: Sequence[Cells], k: int, told: Cells | None = None
) -> Cells:
    """Hide more cells until no small one can be computed from the others and the sums.

    In every line of cells that add up with a hidden one, two or more are hidden, and they stand
    for `k` or more customers together; where lines cross, no small cell may follow from all sums
    together. The smallest cell of the line goes first, those `told` elsewhere last. Zeros stay:
    they are nobody.

    >>> import numpy as np
    >>> counts = np.array([3.0, 40.0, 25.0, 0.0])
    >>> complement(counts, counts == 3, [np.ones(4, bool)], 10)
    array([ True, False,  True, False])
    """
    hidden, last = small.copy(), np.zeros(len(values), bool) if told is None else told
    cover = values + (last & (values > 0)) * np.nansum(values)
    # a sum below k is hidden wherever it is shown
    lines = [line for line in lines if np.nansum(values[line]) >= k]
    while True:
        weak = [line for line in lines if _is_weak(values[line & hidden], k, last[line & hidden])]
        one = _smallest(cover, hidden, weak)
        if one is None and len(lines) > 1 and hidden.any():
            fixed = computable(values, hidden, lines) & small
            one = _smallest(cover, hidden, [line for line in lines if (line & fixed).any()])
        if one is None:
            return hidden
        hidden[one] = True


def computable(values: Floats, hidden: Cells, lines: Sequence[Cells]) -> Cells:
    """Say which hidden cells can have one value only, given all shown cells and all sums.

    A reader knows that a hidden number is 1 or more (or 0, where a whole row is hidden). The
    numbers that agree with every sum are a polytope that holds the true ones: a cell is safe
    as soon as one corner differs there. Corners are sought that tell many cells apart at once;
    what is left is asked for one by one.
    """
    found = np.zeros(len(values), dtype=bool)
    asked = hidden & np.logical_or.reduce(lines)
    if not asked.any():
        return found
    own = values[asked]
    sums = np.array([line[asked] for line in lines], dtype=float)
    least = np.minimum(own, 1.0)
    bounds = np.column_stack([least, np.full(len(own), np.inf)])
    slack = SAME * max(own.max(), 1.0)

    def differs(aim: Floats) -> Cells:
        corner = linprog(-aim, A_eq=sums, b_eq=sums @ own, bounds=bounds).x
        return np.zeros(len(own), bool) if corner is None else np.abs(corner - own) > slack

    fixed = np.ones(len(own), dtype=bool)
    for aim in np.random.default_rng(0).normal(size=(DIRECTIONS, len(own))):
        fixed &= ~(differs(aim) | differs(-aim))
    lowest = own <= least  # these can only be more: if their sum cannot, none of them can
    while (fixed & lowest).any() and (fixed & (more := differs(1.0 * (fixed & lowest)))).any():
        fixed &= ~more
    for cell in np.flatnonzero(fixed & ~lowest):
        aim = np.eye(len(own))[cell]
        fixed[cell] = not (differs(aim)[cell] or differs(-aim)[cell])
    found[asked] = fixed
    return found


def _is_weak(own: Floats, k: int, told: Cells) -> bool:
    """Say whether hidden cells of one line are too few, or too small together."""
    own = own[~told] if (~told).any() else own
    return len(own) > 0 and (len(own) < 2 or own.sum() < max(k, len(own) + 1))


def _smallest(values: Floats, hidden: Cells, lines: Sequence[Cells]) -> int | None:
    """Find the smallest shown cell above zero in the first of the lines that has one."""
    for line in lines:
        left = np.flatnonzero(line & ~hidden & (values > 0))
        if len(left):
            return int(left[values[left].argmin()])
    return None
