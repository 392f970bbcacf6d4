"""Arms of experiments, and lifts: who counts, what outcomes they had, clusters compared."""

from __future__ import annotations

from itertools import pairwise

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.data.contract import NEEDED
from touchlab.data.customers import DAY_SECONDS, seconds, trait_groups, traits
from touchlab.data.dataset import Dataset
from touchlab.data.readers import keep
from touchlab.moments.risk import Risk, risk_windows
from touchlab.numeric import GROUPS, Floats, customer_group

LIFT_COLUMNS = ["touchpoint", "start", "stop", "lift", "se", "source"]
SMALLEST = 5  # customers a cluster on average: below, a trait tells customers apart, sorts none
KEYS = ["customer_id", "touchpoint", "start", "stop"]


def counted(data: Dataset, risk: Risk, units: ir.Table) -> ir.Table:
    """Keep the places that count: customer_id, touchpoint, arm, start, stop (seconds).

    `units` has customer_id, touchpoint, arm, begun and stop.
    """
    return keep(_at_risk(data, risk, _observed(data, units)), "units")


def places(customers: ir.Table, begun: float, stop: float) -> ir.Table:
    """Take all of some customers as if they were in one arm of an experiment."""
    one = {"touchpoint": ibis.literal("any"), "arm": ibis.literal("treated")}
    ends = {"begun": ibis.literal(begun), "stop": ibis.literal(stop)}
    return customers.select("customer_id", **one, **ends)


def _observed(data: Dataset, units: ir.Table) -> ir.Table:
    """Cut to the observation window; without a customers table, everyone is observed."""
    if not data.has("customers"):
        ends = [seconds(data.tables[name].timestamp).max() for name in NEEDED]
        last = max(end.to_pyarrow().as_py() for end in ends)  # an experiment may be yet to begin
        return units.mutate(start=units.begun).filter(units.begun <= last)
    own = data.tables["customers"]
    own = own.select("customer_id", first=seconds(own.observed_from), last=seconds(own.observed_to))
    units = units.inner_join(own, "customer_id")
    units = units.mutate(
        start=ibis.greatest(units.begun, units["first"]), stop=ibis.least(units.stop, units["last"])
    )
    units = units.filter(units.stop > units.start)
    return units.drop("first", "last")


def _at_risk(data: Dataset, risk: Risk, units: ir.Table) -> ir.Table:
    """Keep who could have the outcome when the experiment began: settled before the treatment."""
    windows = risk_windows(data, risk).select("customer_id", since="start", until="stop")
    joined = units.left_join(windows, "customer_id")
    if risk.after is not None:
        keep = joined.since.notnull() & (joined.since <= joined.begun)
    else:
        keep = joined.since.isnull() if not data.has("customers") else ibis.literal(False)
        keep = keep | joined.since.notnull()
    ended = joined.until.notnull() & (joined.until <= joined.start)
    return joined.filter(keep & ~ended).select("customer_id", "touchpoint", "arm", "start", "stop")


def with_amounts(data: Dataset, risk: Risk, units: ir.Table, measure: str = "count") -> ir.Table:
    """Add the `amount` of outcomes that each place had: their number or their value."""
    events = data.outcomes.filter(data.outcomes.outcome == risk.outcome)
    amount = ibis.literal(1.0)
    if measure == "value":
        amount = events["value"].fill_null(0).cast("float64")
    events = events.select("customer_id", at=seconds(events.timestamp), amount=amount)
    joined = units.select(*KEYS).inner_join(events, "customer_id")
    joined = joined.filter((joined["at"] >= joined.start) & (joined["at"] < joined.stop))
    amounts = joined.group_by(KEYS).aggregate(
        amount=joined.amount.sum() if risk.recurrent else joined.amount.max()
    )
    rows = units.left_join(amounts, KEYS).select(*KEYS, "arm", "amount")
    return rows.mutate(amount=rows.amount.fill_null(0.0))


def group_sums(data: Dataset, risk: Risk, units: ir.Table, measure: str) -> pd.DataFrame:
    """Add up each arm by customer group: n, total, squares, touched, days."""
    touches = data.touches.select(
        "customer_id", "touchpoint", touch=seconds(data.touches.timestamp)
    )
    met = units.select(*KEYS).inner_join(touches, ["customer_id", "touchpoint"])
    met = met.filter((met.touch >= met.start) & (met.touch < met.stop)).select(*KEYS).distinct()
    rows = with_amounts(data, risk, units, measure)
    rows = rows.left_join(met.mutate(touched=ibis.literal(1)), KEYS)
    rows = rows.select(*KEYS, "arm", "amount", "touched")
    rows = rows.mutate(group=customer_group(rows.customer_id))
    cells = ["touchpoint", "arm", "group"]
    sums = rows.group_by(cells).aggregate(
        n=rows.count(),
        total=rows.amount.sum(),
        squares=(rows.amount * rows.amount).sum(),
        touched=rows.touched.fill_null(0).sum(),
        days=((rows.stop - rows.start) / DAY_SECONDS).sum(),
    )
    return sums.to_pandas().sort_values(cells, ignore_index=True)


def carried(days: npt.ArrayLike, half_life: npt.ArrayLike) -> Floats:
    """Share of an effect that a window of some days shows: touches before it still work in it,
    and are the same in both arms. 1 - (1 - 2^-r) / (r log 2), r the window in half-lives.

    >>> carried([7.0, 28.0], 7.0).round(2).tolist()
    [0.28, 0.66]
    """
    lives = np.asarray(days, dtype=float) / np.asarray(half_life, dtype=float)
    return np.asarray(1 - (1 - 2.0**-lives) / (lives * np.log(2)))


def given_lifts(data: Dataset, risk: Risk) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Lifts of the `lifts` table, the last of each touchpoint, with what is left out and why."""
    if not data.has("lifts"):
        return pd.DataFrame(columns=LIFT_COLUMNS), ()
    rows = data.tables["lifts"].filter(data.tables["lifts"].outcome == risk.outcome)
    source = rows.source if "source" in rows.columns else ibis.literal("lifts")
    times = {"start": seconds(rows.start), "stop": seconds(rows.end)}
    rows = rows.select("touchpoint", "lift", se=rows.standard_error, source=source, **times)
    table = rows.to_pandas().sort_values(["touchpoint", "stop"])
    sound = table[(table.se > 0) & table.lift.notna()].drop_duplicates("touchpoint", keep="last")
    why = "lifts without a standard error above 0, or with a later one, are left out"
    notes = (f"{len(table) - len(sound)} {why}",) if len(sound) < len(table) else ()
    return sound[LIFT_COLUMNS].reset_index(drop=True), notes


def clusters_of(data: Dataset) -> dict[str, str]:
    """By touchpoint, the trait that its arms were assigned by: no level of it is in both arms."""
    rows = data.tables["experiments"].select("customer_id", "touchpoint", "arm").distinct()
    found: dict[str, str] = {}
    for trait in traits(data):
        joined = rows.inner_join(trait_groups(data, trait), "customer_id")
        counts = {"arms": joined.arm.nunique(), "n": joined.count()}
        levels = joined.group_by("touchpoint", "group").aggregate(**counts)
        sums = {"most": levels.arms.max(), "clusters": levels.count(), "n": levels.n.sum()}
        for row in levels.group_by("touchpoint").aggregate(**sums).to_pandas().itertuples():
            if row.most == 1 and 1 < row.clusters <= row.n / SMALLEST:
                found.setdefault(row.touchpoint, trait)
    return found


def cluster_changes(
    data: Dataset, risk: Risk, customers: ir.Table, span: tuple[float, float], by: str
) -> tuple[pd.DataFrame, bool]:
    """By level of a trait: n at risk, and the change of outcomes each from as long before a span.

    `customers` has customer_id, `span` its ends in seconds. Where the data does not go back so
    far, the rate itself, which the second answer says.
    """
    windows, ends = risk_windows(data, risk), (2 * span[0] - span[1], *span)
    first = windows.start.min().to_pyarrow().as_py()
    rates = []
    for begun, stop in pairwise(ends):
        there = windows.filter((windows.start <= begun) & (windows.stop > begun))
        units = places(there.semi_join(customers, "customer_id"), begun, stop)
        rows = with_amounts(data, risk, counted(data, risk, units))
        rows = rows.inner_join(trait_groups(data, by), "customer_id")
        sums = rows.group_by("group").aggregate(n=rows.count(), rate=rows.amount.mean())
        rates.append(sums.to_pandas().set_index("group").sort_index())
    before, table = rates
    known = first is not None and first <= ends[0] + DAY_SECONDS
    earlier = before.rate.reindex(table.index).fillna(0) if known else 0.0
    return table.assign(change=table.rate - earlier), known


def cluster_difference(
    change: Floats, n: Floats, held: npt.NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Compare clusters, treated less held out: difference, standard error, degrees of freedom.

    Each counts by its customers; one variance for both arms, as clusters are few.

    >>> change, n = np.array([3.0, 5.0, 4.0, 1.0, 2.0, 3.0]), np.full(6, 10.0)
    >>> [round(number, 3) for number in cluster_difference(change, n, np.arange(6) > 2)]
    [2.0, 0.816, 4]
    """
    means, spread, each = [], 0.0, 0.0
    for arm in (~held, held):
        weight = n[arm] / n[arm].mean()
        means.append(float((weight * change[arm]).mean()))
        spread += float((weight**2 * (change[arm] - means[-1]) ** 2).sum())
        each += 1 / arm.sum()
    freedom = len(change) - 2
    return means[0] - means[1], float(np.sqrt(spread / freedom * each)), freedom


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
