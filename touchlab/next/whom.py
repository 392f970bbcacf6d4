"""Which arm of an experiment for which segment, learnt on one half, measured on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.customers import UNKNOWN, need_group, traits
from touchlab.data.dataset import Dataset
from touchlab.drivers.arms import with_amounts
from touchlab.drivers.experiments import holdout_effects
from touchlab.errors import ParameterError, TooThin, listing
from touchlab.moments.risk import ENDING
from touchlab.numeric import Floats, Z, customer_group
from touchlab.results import Result

NONE, FEWEST, CLASSES, SHARED = "none", 10, 3, 0.95
"""The arm held out; customers an arm has in each half of a segment; classes of a number; share of
held-out customers that arms of one experiment have in common."""


@dataclass(frozen=True, repr=False)
class WhomToTreat(Result):
    """Which arm for which segment; see ``whom_to_treat``."""

    table: pd.DataFrame
    gain: pd.DataFrame
    notes: tuple[str, ...]

    def sentence(self) -> str:
        """Say whether choosing by segment beats the best arm for all, and by how much."""
        own, best = self.gain.itertuples()
        ends = [f"{r.per_1000:,.2f} ({r.ci_low:,.2f} to {r.ci_high:,.2f})" for r in (own, best)]
        said = (
            "Choosing by segment is better" if own.ci_low > 0 else "No choice by segment is better"
        )
        return (
            f"{said} than {best.arm} for all: {ends[0]} more by 1,000 customers, of {own.n:,.0f} "
            f"each half measured by the other's choice; {best.arm} beyond none: {ends[1]}."
        )


def whom_to_treat(
    data: Dataset,
    *,
    by: str | Sequence[str],
    touchpoints: Sequence[str] | None = None,
    outcome: str = "conversion",
    measure: str = "count",
) -> WhomToTreat:
    """Which arm of a randomised experiment for which segment, and is that better than one for all?

    It rests on the `experiments` table alone, arms drawn by lot. Method: docs/methods/budget.md.

    Parameters
    ----------
    by
        Traits of ``customers`` whose crossed levels are the segments; numbers in three classes.
    touchpoints
        Arms of one experiment, held out from the same customers. None: the largest experiment.
    outcome, measure
        As in ``holdout_effects``; what is unwanted (churn) counts as prevented.

    Returns
    -------
    WhomToTreat
        ``.table``, a row a segment: ``segment, learnt`` (its arm), ``next`` (the same if choosing
        by segment is shown to be better, or the best arm for all), ``per_1000, ci_low, ci_high``
        (learnt beyond none), ``n``. ``.gain``, for 1,000 customers, by segment beyond the best arm
        for all, and that beyond none: ``compared, arm, per_1000, ci_low, ci_high, n``.

    Raises
    ------
    MissingInput, ParameterError
        Without experiments, for touchpoints that are no arms of one, and for a segment with fewer
        than ten customers of an arm in a half.
    """
    found = holdout_effects(data, outcome=outcome, measure=measure)
    asked = [by] if isinstance(by, str) else list(by)
    for name in asked:
        need_group(name, traits(data))
    units = with_amounts(data, found.risk, found.units, measure)
    units = units.mutate(half=customer_group(units.customer_id) % 2)
    rows = units.select("customer_id", "touchpoint", "arm", "amount", "half").to_pandas()
    rows = rows[~rows.touchpoint.isin(found.lifts.touchpoint)]  # assigned by region, not by lot
    rows = rows[rows.touchpoint.isin(found.groups.touchpoint)]
    arms = _arms_of_one(rows, touchpoints)
    rows = rows[rows.touchpoint.isin(arms)]
    rows = rows.assign(arm=rows.touchpoint.where(rows.arm == "treated", NONE))
    alone = rows.groupby("customer_id").arm.transform("nunique") == 1
    rows = rows[alone].drop_duplicates("customer_id")
    known = data.tables["customers"].select("customer_id", *asked).to_pandas()
    rows = rows.merge(known, on="customer_id")
    words = [_classes(rows[name], name) for name in asked]
    rows["segment"] = pd.concat(words, axis=1).agg(", ".join, axis=1)
    rows["amount"] *= -1 if outcome in ENDING else 1
    own = rows.assign(squares=rows.amount**2).groupby(["half", "segment", "arm"])
    sums = own.agg(n=("amount", "size"), total=("amount", "sum"), squares=("squares", "sum"))
    names, arms = sorted(rows.segment.unique()), [NONE, *arms]
    grid = pd.MultiIndex.from_product([(0, 1), names, arms])
    sums = sums.reindex(grid).fillna(0)
    if len(thin := sums.index[sums.n < FEWEST]):
        where = f"segment {thin[0][1]!r} has fewer than {FEWEST} customers in arm {thin[0][2]!r}"
        raise TooThin(f"whom_to_treat: {where}\n  give fewer traits in `by`, or coarser ones")
    each = sums.to_numpy().T.reshape(3, 2, len(names), len(arms))
    learnt, best, *_ = _learn(*each.sum(axis=1))
    gains = np.zeros((2, 2, 2))
    for half in (0, 1):
        chosen, single, *_ = _learn(*each[:, 1 - half])
        n, total, squares = each[:, half]
        gains[0, half] = _compare(n, total, squares, chosen, single)
        gains[1, half] = _compare(n, total, squares, single, 0 * single)
    part = each[0].sum(axis=(1, 2)) / each[0].sum()
    ends = _ends(gains[:, :, 0] @ part, gains[:, :, 1] @ part**2)
    gain = pd.DataFrame({"compared": ["by segment, with best arm for all", "that, with none"]})
    gain = gain.assign(arm=arms[best[0]], **ends, n=len(rows))
    *_, mean, variance = _learn(*each.sum(axis=1))
    at = np.arange(len(names)), learnt
    ends = _ends(mean[at] - mean[:, 0], (variance[at] + variance[:, 0]) * (learnt > 0))
    table = pd.DataFrame({"segment": names, "learnt": np.array(arms)[learnt]})
    table["next"] = np.array(arms)[learnt if gain.ci_low[0] > 0 else best]
    return WhomToTreat(
        table.assign(**ends, n=each[0].sum(axis=(0, 2)).astype(int)), gain, found.notes
    )


def _arms_of_one(rows: pd.DataFrame, asked: Sequence[str] | None) -> list[str]:
    """Touchpoints that are arms of one experiment: held out from the same customers."""
    held = {n: set(r.customer_id[r.arm == "holdout"]) for n, r in rows.groupby("touchpoint")}
    first, *others = asked or [*rows.touchpoint.value_counts().index, NONE]
    whole = held.get(first, set())
    one = [n for n in others if len(whole & held.get(n, set())) > SHARED * len(whole)]
    if not whole or (asked and len(one) < len(others)):
        raise ParameterError(
            f"touchpoints: {listing(asked or [first])} are not arms of one experiment by customer\n"
            f"  held out by lot: {listing(held)}; ask for those with the same holdout"
        )
    return [first, *one]


def _classes(values: pd.Series, name: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > CLASSES:
        cuts = values.quantile(np.arange(1, CLASSES) / CLASSES).unique()
        ends = [f"{end:g}" for end in cuts]  # not the least and most, which are one customer's
        said = [
            f"up to {ends[0]}",
            *(f"{a} to {b}" for a, b in pairwise(ends)),
            f"above {ends[-1]}",
        ]
        known = pd.Series(np.array(said)[cuts.searchsorted(values)], index=values.index)
        values = known.where(values.notna())
    return name + " " + values.astype("string").fillna(UNKNOWN)


def _learn(n: Floats, total: Floats, squares: Floats) -> tuple[Any, Any, Floats, Floats]:
    """The arm of each segment, another than the best for all only beyond a standard error; the
    best for all; means and their variances, (segments, arms)."""
    mean, own = total / n, (squares - total**2 / n) / (n - 1)
    variance = np.where(own > 0, own, (own * n).sum(axis=0) / n.sum(axis=0)) / n
    best = (n.sum(axis=1) @ mean).argmax()
    gap = mean - mean[:, [best]]
    gap[gap <= np.sqrt(variance + variance[:, [best]])], gap[:, best] = -np.inf, 0.0
    return gap.argmax(axis=1), np.full(len(n), best), mean, variance


def _compare(n: Floats, total: Floats, squares: Floats, one: Any, other: Any) -> list[float]:
    """Gain of one choice over another by inverse propensity, and its variance."""
    *_, mean, variance = _learn(n, total, squares)
    share, at = n.sum(axis=1) / n.sum(), np.arange(len(n))
    each = mean[at, one] - mean[at, other]
    noise = (variance[at, one] + variance[at, other]) * (one != other)
    return [share @ each, share**2 @ noise + share @ (each - share @ each) ** 2 / n.sum()]


def _ends(point: Floats, variance: Floats) -> dict[str, Floats]:
    reach = Z * np.sqrt(variance)
    found = {"per_1000": point, "ci_low": point - reach, "ci_high": point + reach}
    return {name: 1000 * values for name, values in found.items()}
