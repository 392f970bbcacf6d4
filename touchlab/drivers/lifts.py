"""Results that are no list of customers: lifts as they are given, and those read from clusters."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.data.customers import DAY_SECONDS, seconds, trait_groups, traits
from touchlab.data.dataset import Dataset
from touchlab.drivers.arms import counted, with_amounts
from touchlab.moments.risk import Risk, risk_windows
from touchlab.numeric import GROUPS, Floats

LIFT_COLUMNS = ["touchpoint", "start", "stop", "lift", "se", "source"]
SMALLEST = 5
"""Customers a cluster on average: below, a trait tells customers apart and sorts none."""


def carried(days: npt.ArrayLike, half_life: npt.ArrayLike) -> Floats:
    """Share of an effect that a window of some days shows: touches before it still work in it,
    and are the same in both arms. 1 - (1 - 2^-r) / (r log 2), r the window in half-lives.

    >>> carried([7.0, 28.0], 7.0).round(2).tolist()
    [0.28, 0.66]
    """
    lives = np.asarray(days, dtype=float) / np.asarray(half_life, dtype=float)
    return np.asarray(1 - (1 - 2.0**-lives) / (lives * np.log(2)))


def given_lifts(data: Dataset, risk: Risk) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Lifts of the `lifts` table, a row a touchpoint, with what is left out and why.

    Windows of one touchpoint that do not overlap are added up; of those that do, the first counts.
    """
    if not data.has("lifts"):
        return pd.DataFrame(columns=LIFT_COLUMNS), ()
    rows = data.tables["lifts"].filter(data.tables["lifts"].outcome == risk.outcome)
    source = rows.source.fill_null("lifts") if "source" in rows.columns else "lifts"
    rows = rows.select("touchpoint", "lift", se=rows.standard_error, source=source,
                       start=seconds(rows.start), stop=seconds(rows.end))  # fmt: skip
    table = rows.to_pandas().sort_values(["touchpoint", "start", "stop"], ignore_index=True)
    notes, kept = [], []
    for name, own in table.groupby("touchpoint"):
        sound = own[(own.se > 0) & own.lift.notna()]
        apart = sound[~(sound.start < sound.stop.cummax().shift(fill_value=-np.inf))]
        if len(apart) < len(own):
            why = "without a standard error above 0, or in a window that overlaps another"
            notes.append(f"{name}: {len(own) - len(apart)} lifts {why}, left out")
        if len(apart):
            said = ", ".join(dict.fromkeys(apart.source))
            row = {"touchpoint": name, "start": apart.start.tolist(), "stop": apart.stop.tolist()}
            row |= {"lift": apart.lift.sum(), "se": float(np.sqrt((apart.se**2).sum()))}
            kept.append(row | {"source": said})
    return pd.DataFrame(kept, columns=LIFT_COLUMNS), tuple(notes)


def clusters_of(data: Dataset) -> dict[str, str]:
    """By touchpoint, the trait that its arms were assigned by: no level of it is in both arms."""
    rows = data.tables["experiments"].select("customer_id", "touchpoint", "arm").distinct()
    found: dict[str, str] = {}
    for trait in traits(data):
        joined = rows.inner_join(trait_groups(data, trait), "customer_id")
        levels = joined.group_by("touchpoint", "group").aggregate(
            arms=joined.arm.nunique(), n=joined.count()
        )
        sums = levels.group_by("touchpoint").aggregate(
            most=levels.arms.max(), clusters=levels.count(), n=levels.n.sum()
        )
        for row in sums.to_pandas().itertuples():
            if row.most == 1 and 1 < row.clusters <= row.n / SMALLEST:
                found.setdefault(row.touchpoint, trait)
    return found


def cluster_rates(
    data: Dataset, risk: Risk, customers: ir.Table, span: tuple[float, float], by: str
) -> pd.DataFrame:
    """Count those at risk when a span begins and their outcomes in it, by level of a trait.

    Columns: n, total. `customers` has customer_id; `span` is its start and end in seconds.
    """
    windows = risk_windows(data, risk)
    there = windows.filter((windows.start <= span[0]) & (windows.stop > span[0]))
    units = there.semi_join(customers, "customer_id").select(
        "customer_id", touchpoint=ibis.literal(""), arm=ibis.literal("treated"),
        begun=ibis.literal(span[0]), stop=ibis.literal(span[1]),
    )  # fmt: skip
    rows = with_amounts(data, risk, counted(data, risk, units))
    rows = rows.inner_join(trait_groups(data, by), "customer_id")
    sums = rows.group_by("group").aggregate(n=rows.count(), total=rows.amount.sum())
    return sums.to_pandas().set_index("group").sort_index()


def cluster_changes(
    data: Dataset, risk: Risk, customers: ir.Table, span: tuple[float, float], by: str
) -> tuple[pd.DataFrame, bool]:
    """By cluster: n, and the change of outcomes a customer from as long before to the span.

    Where the data does not go back so far, the rate itself, which the second answer says.
    """
    table = cluster_rates(data, risk, customers, span, by)
    table["change"] = table.total / table.n
    before = 2 * span[0] - span[1]
    first = risk_windows(data, risk).start.min().to_pyarrow().as_py()
    if first is None or first > before + DAY_SECONDS:
        return table, False
    earlier = cluster_rates(data, risk, customers, (before, span[0]), by)
    earlier = earlier.reindex(table.index).fillna(0)
    table["change"] -= earlier.total / earlier.n.clip(lower=1)
    return table, True


@dataclass(frozen=True)
class Difference:
    """Of outcomes a customer, treated less held out, with the error between clusters."""

    difference: float
    se: float
    freedom: float


def cluster_difference(change: Floats, n: Floats, held: npt.NDArray[np.bool_]) -> Difference:
    """Compare clusters by arm, each by its customers; one variance for both, as they are few.

    >>> change, n = np.array([3.0, 5.0, 4.0, 1.0, 2.0, 3.0]), np.full(6, 10.0)
    >>> found = cluster_difference(change, n, np.arange(6) > 2)
    >>> found.difference, round(found.se, 3), found.freedom
    (2.0, 0.816, 4)
    """
    means, spread, each = [], 0.0, 0.0
    for arm in (~held, held):
        weight = n[arm] / n[arm].mean()
        means.append(float((weight * change[arm]).mean()))
        spread += float((weight**2 * (change[arm] - means[-1]) ** 2).sum())
        each += 1 / arm.sum()
    freedom = len(change) - 2
    return Difference(means[0] - means[1], float(np.sqrt(spread / freedom * each)), freedom)


def as_replicates(lift: float, error: float, model: Floats, place: int) -> Floats:
    """The lift, then a replicate a customer group that have its standard error between them.

    Their deviations are at a right angle to those of `model` (its estimate first), and nearly to
    those of lifts in other places: a result from elsewhere shares no chance with them.
    """
    wave = np.cos(np.pi * (np.arange(GROUPS) + 0.5) * (place % (GROUPS - 2) + 1) / GROUPS)
    own = model[1:] - model[1:].mean()
    wave = wave - own * (wave @ own) / max(own @ own, 1e-300)
    wave *= error * np.sqrt(GROUPS / (GROUPS - 1)) / np.sqrt(wave @ wave)
    return np.append(lift, lift + wave)
