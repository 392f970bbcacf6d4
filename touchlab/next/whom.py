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
        said = f"for 1,000 customers, {ends[0]} more {self.what} than {best.arm} for all"
        told = f"on halves of {n:,.0f} customers that had no part in choosing"
        if own.ci_low > 0:
            return f"Choosing by segment brings, {said}, measured {told}."
        against = "" if best.arm == NONE else f"; that brings {ends[1]} more than none"
        return f"No choice by segment is shown to be better: {said}, measured {told}{against}."

    def plot(self) -> Any:
        """Draw what the arm learnt for each segment brings beyond none."""
        from touchlab import plots

        own = self.table[self.table.learnt != NONE].assign(badge="randomised")
        own = own.assign(segment=own.segment + ": " + own.learnt)
        return plots.plot_intervals(
            own, value="per_1000", names="segment", label=f"{self.what}, 1,000 customers treated",
            title=self.sentence().partition(":")[0], percent=False,
        )  # fmt: skip


def whom_to_treat(
    data: Dataset,
    *,
    by: str | Sequence[str],
    touchpoints: Sequence[str] | None = None,
    outcome: str = "conversion",
    measure: str = "count",
) -> WhomToTreat:
    """Which arm of a randomised experiment for which segment, and is that better than one for all?

    It rests on the `experiments` table alone: arms drawn by lot. It does not say what
    touchpoints do that nobody was held out from.

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
        ``.table``, a row a segment: ``segment, learnt`` (its arm by all customers), ``next`` (the
        same if choosing by segment is shown to be better, or the best arm for all), ``per_1000,
        ci_low, ci_high`` (learnt beyond none), ``n_treated, n_holdout``. ``.gain``, for 1,000
        customers: by segment beyond the best arm for all, and that beyond none:
        ``compared, arm, per_1000, ci_low, ci_high, n``.

    Raises
    ------
    MissingInput, ParameterError
        Without experiments, for touchpoints that are no arms of one, and where a segment has fewer
        than ten customers of an arm in a half: nothing is known of it there.

    Notes
    -----
    Arms are chosen by means shrunk towards the same effect in all segments, by what segments vary
    beyond chance [DerSimonian & Laird 1986], in each half of the customers; weighed in the other
    half by the inverse of each arm's share in the segment [Hirano, Imbens & Ridder 2003].
    """
    found = holdout_effects(data, outcome=outcome, measure=measure)
    traits_asked = [by] if isinstance(by, str) else list(by)
    for name in traits_asked:
        need_group(name, traits(data))
    rows = unit_rows(data, found.risk, found.units, measure)
    rows = rows.select("customer_id", "touchpoint", "arm", "amount", "group").to_pandas()
    arms, left_out = _arms_of_one(rows, touchpoints, list(found.table.touchpoint))
    rows = rows[rows.touchpoint.isin(arms)]
    rows["arm"] = rows.touchpoint.where(rows.arm == "treated", NONE)
    rows = rows.drop_duplicates("customer_id")
    known = data.tables["customers"].select("customer_id", *traits_asked).to_pandas()
    rows = rows.merge(known, on="customer_id")
    labels = [_classes(rows[name], name) for name in traits_asked]
    rows["segment"] = pd.concat(labels, axis=1).agg(", ".join, axis=1)
    rows["half"], rows["squares"] = rows.group % 2, rows.amount**2
    sums = rows.groupby(["half", "segment", "arm"]).amount.agg(["size", "sum"])
    sums["squares"] = rows.groupby(["half", "segment", "arm"]).squares.sum()
    segments, arms = sorted(rows.segment.unique()), [NONE, *arms]
    grid = pd.MultiIndex.from_product([(0, 1), segments, arms], names=sums.index.names)
    sums = sums.reindex(grid).fillna(0)
    thin = sums.index[sums["size"] < FEWEST]
    if len(thin):
        raise TooThin(
            f"whom_to_treat: segment {thin[0][1]!r} has fewer than {FEWEST} customers in arm "
            f"{thin[0][2]!r}, in one half\n  give fewer traits in `by`, or coarser ones"
        )
    sign = -1 if outcome in ENDING else 1
    n, total, squares = sums.to_numpy().T.reshape(3, 2, len(segments), len(arms))
    halves = [_Half.of(*own) for own in zip(n, sign * total, squares, strict=True)]
    whole = _Half.of(n.sum(axis=0), sign * total.sum(axis=0), squares.sum(axis=0))
    learnt, best = whole.learn()
    none = np.zeros(len(segments), dtype=int)
    chosen = [half.learn() for half in halves[::-1]]
    gains = [
        _pool([h.compare(own, best_of) for h, (own, best_of) in zip(halves, chosen, strict=True)]),
        _pool([h.compare(best_of, none) for h, (_, best_of) in zip(halves, chosen, strict=True)]),
    ]
    gain = pd.DataFrame(gains, columns=["per_1000", "ci_low", "ci_high"])
    gain.insert(0, "compared", ["by segment with best arm for all", "best arm for all with none"])
    gain = gain.assign(arm=arms[best[0]], n=len(rows))
    place = np.arange(len(segments)), learnt
    error = Z * np.sqrt(whole.variance[place] + whole.variance[:, 0]) * (learnt > 0)
    point = whole.mean[place] - whole.mean[:, 0]
    table = pd.DataFrame({"segment": segments, "learnt": np.array(arms)[learnt]})
    table["next"] = np.array(arms)[learnt if gain.ci_low[0] > 0 else best]
    table = table.assign(
        per_1000=1000 * point, ci_low=1000 * (point - error), ci_high=1000 * (point + error),
        n_treated=whole.n[place].astype(int), n_holdout=whole.n[:, 0].astype(int),
    )  # fmt: skip
    what = outcome if measure == "count" else f"value of {outcome}"
    return WhomToTreat(table, gain, (*found.notes, *left_out), what)


def _arms_of_one(
    rows: pd.DataFrame, asked: Sequence[str] | None, known: list[str]
) -> tuple[list[str], list[str]]:
    """Touchpoints that are arms of one experiment: held out from the same customers."""
    for name in asked or []:
        if name not in known:
            raise ParameterError(
                f"touchpoints: {name!r} has no randomised arms\n  with both arms: {listing(known)}"
            )
    held = {n: set(r.customer_id[r.arm == "holdout"]) for n, r in rows.groupby("touchpoint")}
    first, *others = asked or rows.touchpoint.value_counts().reindex(known).index
    apart = [n for n in others if len(held[n] & held[first]) < ALIKE * len(held[n] | held[first])]
    if apart and asked:
        raise ParameterError(
            f"touchpoints: {listing(apart)} and {first} are experiments of their own, not arms "
            "held out from the same customers\n  ask for one at a time"
        )
    notes = [f"experiments of their own, not looked at: {listing(apart)}"] * bool(apart)
    return [first, *(name for name in others if name not in apart)], notes


def _classes(values: pd.Series, name: str) -> pd.Series:
    """A trait as text; numbers of more than three kinds in three classes, equally large."""
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
        """The arm of each segment, and the best for all; by number."""
        share, (count, arms) = self.n.sum(axis=1) / self.n.sum(), self.n.shape
        effect = share @ self.mean
        rest = self.mean - effect
        rest -= rest.mean(axis=1, keepdims=True)
        freedom = (count - 1) * (arms - 1)
        weight = 1 / self.variance.clip(min=1e-300)
        excess = (rest**2 * weight).sum() - freedom
        spread = max(excess, 0.0) * rest.size / max(freedom, 1) / weight.sum()
        shrunk = effect + rest * spread / (spread + self.variance.clip(min=1e-300))
        return shrunk.argmax(axis=1), np.full(count, effect.argmax())

    def compare(self, one: Any, other: Any) -> tuple[float, float, float]:
        """Gain of one choice over another by inverse propensity: mean, variance, customers."""
        share, rows = self.n.sum(axis=1) / self.n.sum(), np.arange(len(self.n))
        each = self.mean[rows, one] - self.mean[rows, other]
        noise = (self.variance[rows, one] + self.variance[rows, other]) * (one != other)
        gain = float(share @ each)
        variance = share**2 @ noise + share @ (each - gain) ** 2 / self.n.sum()
        return gain, float(variance), float(self.n.sum())


def _pool(found: list[tuple[float, float, float]]) -> list[float]:
    """Both halves together, for 1,000 customers, with the interval."""
    gain, variance, n = np.array(found).T
    weight = n / n.sum()
    middle, reach = weight @ gain, Z * np.sqrt(weight**2 @ variance)
    return [float(1000 * end) for end in (middle, middle - reach, middle + reach)]
