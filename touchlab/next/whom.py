"""Which arm of an experiment for which segment, learnt on one half, measured on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.customers import UNKNOWN, need_group, traits
from touchlab.data.dataset import Dataset
from touchlab.drivers.experiments import holdout_effects, unit_rows
from touchlab.errors import ParameterError, TooThin, listing
from touchlab.moments.risk import ENDING
from touchlab.numeric import Floats, Z
from touchlab.results import Result

NONE, FEWEST, CLASSES = "none", 10, 3
"""The arm held out; customers an arm has in each half of a segment; classes of a number."""
COMPARED = ("by segment with best arm for all", "best arm for all with none")
ALIKE = 0.95
"""Share of held-out customers that arms of one experiment have in common."""


@dataclass(frozen=True, repr=False)
class WhomToTreat(Result):
    """Which arm for which segment; see ``whom_to_treat``."""

    table: pd.DataFrame
    gain: pd.DataFrame
    notes: tuple[str, ...]
    what: str

    def sentence(self) -> str:
        """Say whether choosing by segment beats the best arm for all, and by how much."""
        (own, best), n = self.gain.itertuples(), self.gain.n.iloc[0]
        ends = [f"{r.per_1000:,.2f} ({r.ci_low:,.2f} to {r.ci_high:,.2f})" for r in (own, best)]
        said = (
            "Choosing by segment is better"
            if own.ci_low > 0
            else "No choice by segment is shown better"
        )
        return (
            f"{said} than {best.arm} for all: {ends[0]} more {self.what} per 1,000; that "
            f"against none {ends[1]}, measured on {n:,.0f} customers by halves that did not choose."
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
        (learnt beyond none), ``n``. ``.gain``, for 1,000 customers: by segment beyond the best arm
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
    rows = unit_rows(data, found.risk, found.units, measure)
    rows = rows.select("customer_id", "touchpoint", "arm", "amount", "group").to_pandas()
    arms = _arms_of_one(rows, touchpoints, list(found.table.touchpoint))
    rows = rows[rows.touchpoint.isin(arms)]
    rows["arm"] = rows.touchpoint.where(rows.arm == "treated", NONE)
    rows = rows.drop_duplicates("customer_id")
    known = data.tables["customers"].select("customer_id", *asked).to_pandas()
    rows = rows.merge(known, on="customer_id")
    rows["half"] = rows.group % 2
    labels = [_classes(rows[name], name) for name in asked]
    rows["segment"] = pd.concat(labels, axis=1).agg(", ".join, axis=1)
    own = rows.assign(squares=rows.amount**2).groupby(["half", "segment", "arm"])
    sums = own.agg(n=("amount", "size"), total=("amount", "sum"), squares=("squares", "sum"))
    segments, arms = sorted(rows.segment.unique()), [NONE, *arms]
    grid = pd.MultiIndex.from_product([(0, 1), segments, arms], names=sums.index.names)
    sums = sums.reindex(grid).fillna(0)
    thin = sums.index[sums.n < FEWEST]
    if len(thin):
        where = f"segment {thin[0][1]!r} has fewer than {FEWEST} customers in arm {thin[0][2]!r}"
        raise TooThin(f"whom_to_treat: {where}\n  give fewer traits in `by`, or coarser ones")
    sign = -1 if outcome in ENDING else 1
    n, total, squares = sums.to_numpy().T.reshape(3, 2, len(segments), len(arms))
    halves = [_Half.of(*own) for own in zip(n, sign * total, squares, strict=True)]
    whole = _Half.of(n.sum(axis=0), sign * total.sum(axis=0), squares.sum(axis=0))
    learnt, best = whole.learn()
    none = np.zeros(len(segments), dtype=int)
    chosen = [half.learn() for half in halves[::-1]]
    each = list(zip(halves, chosen, strict=True))
    gains = [_pool([half.compare(*two) for half, two in each])]
    gains.append(_pool([half.compare(two[1], none) for half, two in each]))
    gain = pd.DataFrame(gains, columns=["per_1000", "ci_low", "ci_high"])
    gain = gain.assign(compared=COMPARED, arm=arms[best[0]], n=len(rows))
    place = np.arange(len(segments)), learnt
    error = Z * np.sqrt(whole.variance[place] + whole.variance[:, 0]) * (learnt > 0)
    point = whole.mean[place] - whole.mean[:, 0]
    table = pd.DataFrame({"segment": segments, "learnt": np.array(arms)[learnt]})
    table["next"] = np.array(arms)[learnt if gain.ci_low[0] > 0 else best]
    table["per_1000"], table["n"] = 1000 * point, whole.n.sum(axis=1).astype(int)
    table["ci_low"], table["ci_high"] = 1000 * (point - error), 1000 * (point + error)
    what = outcome if measure == "count" else f"value of {outcome}"
    return WhomToTreat(table, gain, found.notes, what)


def _arms_of_one(rows: pd.DataFrame, asked: Sequence[str] | None, known: list[str]) -> list[str]:
    """Touchpoints that are arms of one experiment: held out from the same customers."""
    if unknown := [name for name in asked or [] if name not in known]:
        found, mend = f"{listing(unknown)} not randomised", f"with both arms: {listing(known)}"
        raise ParameterError(f"touchpoints: {found}\n  {mend}")
    held = {n: set(r.customer_id[r.arm == "holdout"]) for n, r in rows.groupby("touchpoint")}
    first, *others = asked or rows.touchpoint.value_counts().reindex(known).index
    one = [n for n in others if len(held[n] & held[first]) >= ALIKE * len(held[n] | held[first])]
    if asked and len(one) < len(others):
        found, mend = f"{listing(asked)} are experiments of their own", "ask for one at a time"
        raise ParameterError(f"touchpoints: {found}: others are held out\n  {mend}")
    return [first, *one]


def _classes(values: pd.Series, name: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > CLASSES:
        values = pd.qcut(values, CLASSES, duplicates="drop")
    return name + " " + values.astype("string").fillna(UNKNOWN)


@dataclass(frozen=True)
class _Half:
    """Customers by segment and arm: how many, their mean and its variance."""

    n: Floats
    mean: Floats
    variance: Floats

    @classmethod
    def of(cls, n: Floats, total: Floats, squares: Floats) -> _Half:
        own = (squares - total**2 / n) / (n - 1)
        pooled = (own * n).sum(axis=0) / n.sum(axis=0)
        return cls(n, total / n, np.where(own > 0, own, pooled) / n)

    def learn(self) -> tuple[Any, Any]:
        """The arm of each segment, another than the best for all only beyond a standard error."""
        best = (self.n.sum(axis=1) @ self.mean).argmax()
        gap = self.mean - self.mean[:, [best]]
        doubt = np.sqrt(self.variance + self.variance[:, [best]])
        gap[gap <= doubt], gap[:, best] = -np.inf, 0.0
        return gap.argmax(axis=1), np.full(len(gap), best)

    def compare(self, one: Any, other: Any) -> tuple[float, float, float]:
        """Gain of one choice over another by inverse propensity: mean, variance, customers."""
        share, rows = self.n.sum(axis=1) / self.n.sum(), np.arange(len(self.n))
        each = self.mean[rows, one] - self.mean[rows, other]
        noise = (self.variance[rows, one] + self.variance[rows, other]) * (one != other)
        spread = share @ (each - share @ each) ** 2 / self.n.sum()
        return float(share @ each), float(share**2 @ noise + spread), float(self.n.sum())


def _pool(found: list[tuple[float, float, float]]) -> list[float]:
    """Both halves together, for 1,000 customers, with the interval."""
    gain, variance, n = np.array(found).T
    weight = n / n.sum()
    middle, reach = weight @ gain, Z * np.sqrt(weight**2 @ variance)
    return [float(1000 * end) for end in (middle, middle - reach, middle + reach)]
