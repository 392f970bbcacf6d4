"""Which further cells must be hidden, so that small ones do not follow from sums.

Cells that add up are a *line*: a column of a one-way table, the rows and columns of a two-way
one. The sum of every line is taken to be known, whether or not the table shows it: another
table of the same report may.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

Floats = npt.NDArray[np.float64]
Cells = npt.NDArray[np.bool_]

DIRECTIONS = 4
SAME = 1e-6
"""Difference, as a share of the largest hidden number, below which two numbers are one."""


def complement(values: Floats, small: Cells, lines: Sequence[Cells], k: int) -> Cells:
    """Hide more cells until no small one can be computed from the others and the sums.

    In every line with a hidden cell, two or more are hidden, and they stand for `k` or more
    customers together; where lines cross, no small cell may follow from all sums together.
    The smallest cell of the line goes first. Zeros stay: they are nobody.

    Parameters
    ----------
    values
        (cells,) counts; NaN where there is none.
    small
        (cells,) those to be hidden in any case.
    lines
        Each (cells,): which cells add up.
    k
        Fewest customers that may be shown.

    Returns
    -------
    (cells,) which are hidden.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.array([3.0, 40.0, 25.0, 0.0])
    >>> complement(counts, counts == 3, [np.ones(4, bool)], 10)
    array([ True, False,  True, False])
    """
    hidden = small.copy()
    # a sum below k is hidden wherever it is shown
    lines = [line for line in lines if np.nansum(values[line]) >= k]
    while True:
        weak = [line for line in lines if _is_weak(values[line & hidden], k)]
        one = _smallest(values, hidden, weak)
        if one is None and len(lines) > 1 and hidden.any():
            fixed = computable(values, hidden, lines) & small
            one = _smallest(values, hidden, [line for line in lines if (line & fixed).any()])
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


def _is_weak(own: Floats, k: int) -> bool:
    """Say whether hidden cells of one line are too few, or too small together."""
    return len(own) > 0 and (len(own) < 2 or own.sum() < max(k, len(own) + 1))


def _smallest(values: Floats, hidden: Cells, lines: Sequence[Cells]) -> int | None:
    """Find the smallest shown cell above zero in the first of the lines that has one."""
    for line in lines:
        left = np.flatnonzero(line & ~hidden & (values > 0))
        if len(left):
            return int(left[values[left].argmin()])
    return None
