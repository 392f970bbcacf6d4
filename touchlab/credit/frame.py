"""Credit as numbers by customer group, and as the tidy frame with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.journeys.counts import NO_CODE
from touchlab.numeric import Floats, interval, jackknife

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Credit:
    """Credit of each touchpoint, and the same without each customer group."""

    point: Floats
    """(cells,)"""
    replicates: Floats
    """(groups, cells), scaled up to all customers; no rows where there are no groups."""


@dataclass(frozen=True)
class Total:
    """What there is to share out, by customer group."""

    touched: Floats
    untouched: Floats

    @property
    def n(self) -> float:
        return float(self.touched.sum() + self.untouched.sum())


def add_up(cell: Ints, weight: npt.ArrayLike, cells: int) -> Floats:
    """Add up weights in numbered cells."""
    return np.bincount(cell, weight, minlength=cells).astype(np.float64)


def total_by_group(sums: pd.DataFrame, groups: int) -> Total:
    """Add up one segment of `rule_sums` or `outcome_sums`."""
    group, share = sums.group.to_numpy(dtype=np.int64), sums.total.to_numpy(dtype=float)
    alone = sums.code.to_numpy() == NO_CODE
    touched = add_up(group[~alone], share[~alone], groups)
    return Total(touched, add_up(group[alone], share[alone], groups))


def leave_one_out(by_group: Floats) -> Floats:
    """Totals without each group, scaled up to all customers; no rows for a single group."""
    groups = len(by_group)
    if groups < 2:
        return np.empty((0, *by_group.shape[1:]))
    return (by_group.sum(axis=0) - by_group) * groups / (groups - 1)


def with_untouched(credit: Credit, total: Total) -> Credit:
    """Add a last cell for what no touch can be credited with."""
    alone = leave_one_out(total.untouched[:, None])
    replicates = np.concatenate([credit.replicates, alone], axis=1)
    return Credit(np.append(credit.point, total.untouched.sum()), replicates)


def credit_of_cells(sums: pd.DataFrame, cell: Ints, column: str, cells: int, groups: int) -> Credit:
    """Add up a column of `weight_sums` in numbered cells, such as touchpoints."""
    place = sums.group.to_numpy(dtype=np.int64) * cells + cell
    by_group = add_up(place, sums[column], groups * cells).reshape(groups, cells)
    return Credit(by_group.sum(axis=0), leave_one_out(by_group))


def segments(sums: pd.DataFrame) -> Iterator[tuple[str | None, pd.DataFrame]]:
    """Go through the segments that have outcomes; one without a name where there are none."""
    if "segment" not in sums:
        yield None, sums
    else:
        yield from ((str(name), frame) for name, frame in sums.groupby("segment"))


def of_segment(frame: pd.DataFrame, segment: str | None) -> pd.DataFrame:
    """Keep the rows of one segment."""
    return frame if segment is None else frame[frame.segment == segment]


def tidy_credit(
    labels: pd.DataFrame, credit: Credit, total: Total, segment: str | None = None
) -> pd.DataFrame:
    """Put credit beside its labels, a row a cell, with share, interval and n."""
    low, high = jackknife_interval(credit.point, credit.replicates)
    share = credit.point / total.n if total.n else np.zeros_like(credit.point)
    table = labels.assign(credit=credit.point, share=share, ci_low=low, ci_high=high, n=total.n)
    if segment is not None:
        table.insert(0, "segment", segment)
    return table


def jackknife_interval(
    point: Floats, replicates: Floats, *, high: float = np.inf
) -> tuple[Floats, Floats]:
    """Return the 95 % interval of numbers that cannot be below zero."""
    error, freedom = jackknife(point, replicates)
    return interval(point, error, freedom, low=0.0, high=high)


def shares(effects: Floats) -> Floats:
    """Divide the last axis by its sum; zeros where there is nothing to divide."""
    whole = effects.sum(axis=-1, keepdims=True)
    return np.divide(effects, whole, out=np.zeros_like(effects), where=whole > 0)
