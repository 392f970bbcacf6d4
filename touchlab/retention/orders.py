"""The order history of customers: counted in the engine, kept as one row a customer without ids.

Below it, fits to it and their bootstrap, of customers in blocks: what a replicate costs is a
product of small matrices and one Newton step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.data.customers import (
    DAY_SECONDS,
    NO_TOUCH,
    day_of,
    first_times,
    first_touchpoints,
    need_group,
    need_outcome,
    outcome_counts,
    seconds,
    trait_groups,
    traits,
    with_group,
)
from touchlab.data.dataset import Dataset
from touchlab.errors import ParameterError
from touchlab.numeric import Floats, Z, customer_group, newton_step, unpack
from touchlab.retention import bgnbd
from touchlab.retention.curves import ALL, COHORT, FIRST_TOUCHPOINT, need_few_groups

Places = npt.NDArray[np.intp]

DAY = 1 / 7
"""In weeks."""
BLOCKS, REPLICATES = 512, 500
"""Of the bootstrap; the number of blocks divides the 4,096 values of `customer_group`'s hash."""
STEP = 1e-4
MOST_TOUCHPOINTS = 60
"""Touchpoints of one customer are kept as bits of one number."""


@dataclass(frozen=True)
class Landmark:
    """A day of each customer's life: exposure counts before it, value after it."""

    days: int
    touchpoints: tuple[str, ...]
    horizon_days: float
    discount: float
    """A day, as a rate."""


def purchase_table(data: Dataset, outcome: str, until: int) -> ir.Table:
    """A row a customer with an order up to the day `until`; orders of one day are one.

    Columns: customer_id, block, first, last, end (days since 1970), frequency (repeat orders),
    rows, valued (repeat orders with a value), value (of these together), gone (the day of
    recorded churn, or null), later (orders after it). Observation ends with the customer's
    window, but not with recorded churn: silence after it is known.
    """
    orders = order_days(data, outcome).filter(lambda t: t.day <= until)
    orders = orders.mutate(first=orders.day.min().over(group_by=orders.customer_id))
    gone = first_times(data, "churn").mutate(gone=lambda t: day_of(t.time))
    gone = gone.filter(gone.gone <= until).select("customer_id", "gone")
    orders = orders.left_join(gone, "customer_id").drop("customer_id_right")
    again = orders.day > orders.first
    table = orders.group_by("customer_id").aggregate(
        first=orders.day.min(),
        last=orders.day.max(),
        frequency=ibis.ifelse(again, 1.0, 0.0).sum(),
        rows=orders.rows.sum().cast("int64"),
        valued=ibis.ifelse(again & orders.value.notnull(), 1.0, 0.0).sum(),
        value=ibis.ifelse(again, orders.value, 0.0).sum().fill_null(0.0),
        gone=orders.gone.max().cast("float64"),
        later=ibis.ifelse(orders.day > orders.gone, 1, 0).sum().cast("int64"),
    )
    table = table.mutate(block=customer_group(table.customer_id, BLOCKS))
    if not data.has("customers"):
        return table.mutate(end=ibis.literal(until))
    windows = data.tables["customers"]
    last = day_of(seconds(windows.observed_to) - 1.0)
    table = table.left_join(windows.select("customer_id", seen=last), "customer_id")
    seen = ibis.ifelse(table.gone.notnull(), until, ibis.least(table.seen, ibis.literal(until)))
    end = ibis.greatest(seen, table.last)
    return table.mutate(end=end).drop("customer_id_right", "seen")


def order_days(data: Dataset, outcome: str) -> ir.Table:
    """Days with an order: customer_id, day, rows, value (null where no row has one)."""
    rows = data.outcomes.filter(data.outcomes.outcome == outcome)
    value = rows.value.cast("float64") if "value" in rows.columns else ibis.null("float64")
    rows = rows.select("customer_id", day=day_of(seconds(rows.timestamp)), value=value)
    days = rows.group_by("customer_id", "day")
    return days.aggregate(rows=rows.count(), value=rows.value.sum())


def pull_purchases(
    data: Dataset,
    outcome: str,
    until: int,
    *,
    by: str | None = None,
    landmark: Landmark | None = None,
    only: ir.Table | None = None,
    ids: bool = False,
) -> pd.DataFrame:
    """Bring the rows of `purchase_table` into memory; times in weeks, `value` a repeat order's.

    `by` adds `group`; a landmark adds `touched` (bits) and `realised` (value after it).
    """
    table = purchase_table(data, outcome, until)
    if only is not None:
        table = table.semi_join(only, "customer_id")
    if by is not None:
        table = _with_group(data, table, by)
    if landmark is not None:
        table = _with_landmark(data, table, outcome, until, landmark)
    table = table.order_by("customer_id")
    frame = (table if ids else table.drop("customer_id")).to_pandas()
    mean = frame.value / frame.valued.where(frame.valued > 0)
    return frame.assign(
        recency=(frame["last"] - frame["first"]) * DAY,
        age=(frame.end - frame["first"]) * DAY,
        value=mean,
        block=frame.block.astype(np.intp),
    )


def last_day(data: Dataset, outcome: str, until: str | None) -> int:
    """The day up to which orders count, as days since 1970; refuse what the data lacks."""
    need_outcome(outcome, outcome_counts(data))
    ends = [seconds(table.timestamp).max() for table in (data.outcomes, data.touches)]
    if data.has("customers"):
        ends.append(seconds(data.tables["customers"].observed_to).max() - 1.0)
    last = max(int(day_of(end).as_table().to_pandas().iloc[0, 0]) for end in ends)
    return last if until is None else min(last, read_day(until, "until"))


def read_day(text: str, name: str) -> int:
    """Read a date as days since 1970."""
    try:
        day = None if isinstance(text, int | float) else pd.Timestamp(text)
    except (ValueError, TypeError):
        day = None
    if day is None or pd.isna(day):
        raise ParameterError(f"{name}: {text!r} is not a date\n  give '2026-02-28' or None")
    return (day.tz_localize(None) - pd.Timestamp("1970-01-01")).days


def with_cohort(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the month of the first order as `group`."""
    months = pd.to_datetime(frame["first"], unit="D").to_numpy().astype("datetime64[M]")
    codes, names = pd.factorize(months, sort=True)
    return frame.assign(group=pd.Categorical.from_codes(codes, names.astype(str)))


def _with_group(data: Dataset, table: ir.Table, by: str) -> ir.Table:
    if by == FIRST_TOUCHPOINT:  # up to the end of the day of the first order
        until = table.select("customer_id", until=(table["first"] + 1) * DAY_SECONDS - 0.001)
        return with_group(table, first_touchpoints(data, until), NO_TOUCH)
    need_group(by, [COHORT, FIRST_TOUCHPOINT, *traits(data)])
    return with_group(table, trait_groups(data, by))


def _with_landmark(
    data: Dataset, table: ir.Table, outcome: str, until: int, landmark: Landmark
) -> ir.Table:
    """Add bits of the touchpoints met between first order and landmark, and value after it."""
    mark = table["first"] + landmark.days
    table = table.filter((table.end > mark) & (table.gone.isnull() | (table.gone > mark)))
    start = table.select("customer_id", start=table["first"] + landmark.days)
    for own in (_met(data, start, landmark), _realised(data, start, outcome, until, landmark)):
        table = table.left_join(own, "customer_id").drop("customer_id_right")
    return table.mutate(touched=table.touched.fill_null(0), realised=table.realised.fill_null(0.0))


def _met(data: Dataset, start: ir.Table, landmark: Landmark) -> ir.Table:
    names = landmark.touchpoints
    bits = pd.DataFrame({"touchpoint": names, "bit": [2**k for k in range(len(names))]})
    touches = data.touches.inner_join(start, "customer_id")
    day = day_of(seconds(touches.timestamp))
    touches = touches.filter((day > touches.start - landmark.days) & (day <= touches.start))
    touches = touches.inner_join(ibis.memtable(bits), "touchpoint")
    met = touches.select("customer_id", "bit").distinct()
    return met.group_by("customer_id").aggregate(touched=met.bit.sum().cast("int64"))


def _realised(
    data: Dataset, start: ir.Table, outcome: str, until: int, landmark: Landmark
) -> ir.Table:
    orders = order_days(data, outcome).inner_join(start, "customer_id")
    later = orders.day - orders.start
    inside = (later > 0) & (later <= landmark.horizon_days) & (orders.day <= until)
    worth = orders.value * (later * -landmark.discount).exp()
    orders = orders.mutate(worth=worth).filter(inside)
    return orders.group_by("customer_id").aggregate(realised=orders.worth.sum())


@dataclass(frozen=True)
class OrderHistory:
    """Customers in memory: a row each, merged where they are alike."""

    frame: pd.DataFrame
    rows: bgnbd.Alike
    place: Places

    @cached_property
    def groups(self) -> tuple[Places, list[str]]:
        """The number of each customer's group, and the names of groups in their order."""
        if "group" not in self.frame:
            return np.zeros(len(self.frame), dtype=np.intp), [ALL]
        codes, names = pd.factorize(self.frame.group, sort=True)
        need_few_groups(len(names))
        return codes.astype(np.intp), [str(name) for name in names]

    @property
    def block(self) -> Places:
        return self.frame.block.to_numpy()

    @property
    def spent(self) -> tuple[Floats, Floats]:
        """Repeat orders with a value, and what they are worth on average."""
        value = self.frame.value.fillna(0.0).to_numpy(float)
        return self.frame.valued.to_numpy(float), value

    @cached_property
    def ages(self) -> tuple[Floats, Floats, Places]:
        """What the future of a customer alive depends on: frequency and age, each pair once."""
        pairs = np.column_stack([self.rows.frequency, self.rows.age])
        distinct, place = np.unique(pairs, axis=0, return_inverse=True)
        return distinct[:, 0], distinct[:, 1], place.ravel()

    def expected(self, rates: Floats, ahead: Floats | float, discount: float = 0.0) -> Floats:
        """Expected purchases of each customer in the weeks `ahead`, one number or by age."""
        frequency, age, place = self.ages
        weeks = np.broadcast_to(np.asarray(ahead, dtype=float), age.shape)
        if_alive = bgnbd.expected_if_alive(rates, frequency, age, weeks, discount=discount)
        return (bgnbd.chance_alive(rates, self.rows) * if_alive[place])[self.place]

    def alive_by_age(self, rates: Floats, power: int) -> Floats:
        """Sum of P(alive) to a power over the customers of each pair of `ages`."""
        alive = bgnbd.chance_alive(rates, self.rows) ** power
        frequency, _, place = self.ages
        sums = np.bincount(place, weights=self.rows.weight * alive, minlength=len(frequency))
        return sums.astype(float)

    def worth(self, packed: Floats, ahead: Floats | float, discount: float) -> Floats:
        """Expected value of the purchases of each customer in the weeks `ahead`."""
        each = bgnbd.expected_value(packed[4:], *self.spent)
        return self.expected(packed[:4], ahead, discount) * each


def order_history(frame: pd.DataFrame) -> OrderHistory:
    """Merge customers alike in what `pull_purchases` gives."""
    columns = (frame[name].to_numpy(float) for name in ("frequency", "recency", "age"))
    return OrderHistory(frame, *bgnbd.merge_alike(*columns, unit=DAY))


def draw_blocks(seed: int) -> Floats:
    """How often each block counts in each replicate: (replicates, blocks)."""
    random = np.random.default_rng(seed)
    return random.multinomial(BLOCKS, np.full(BLOCKS, 1 / BLOCKS), REPLICATES).astype(float)


def sum_blocks(values: Floats, block: Places, cells: Places | int = 0, count: int = 1) -> Floats:
    """Sum a value a customer by block and, where given, by `count` cells: (blocks, count)."""
    sums = np.bincount(block * count + cells, weights=values, minlength=BLOCKS * count)
    return sums.reshape(BLOCKS, count).astype(float)


def refit(packed: Floats, slope: Floats, triangle: Floats, draws: Floats) -> Floats:
    """One Newton step from the full fit to each replicate: (replicates, p).

    `slope` is (blocks, p) and `triangle` (blocks, p (p + 1) / 2), at `packed`, and `draws` how
    often each block counts: (replicates, blocks).
    """
    slopes, curvatures = draws @ slope, unpack(draws @ triangle, len(packed))
    steps = [newton_step(s, c) for s, c in zip(slopes, curvatures, strict=True)]
    return np.asarray(packed + np.array(steps))


def mean_by_cell(
    each: Callable[[Floats], Floats],
    packed: Floats,
    replicates: Floats,
    draws: Floats,
    block: Places,
    groupings: Sequence[tuple[Places, int]],
) -> tuple[Floats, Floats]:
    """Mean over customers of a positive quantity by cell (cells,), and its replicates' logarithms.

    `each` gives the quantity a customer at packed parameters; each grouping has a cell a
    customer, and how many cells there are. A replicate weighs the blocks exactly and follows
    the parameters along the slope of the logarithm.
    """

    def mean(given: Floats) -> Floats:
        values = each(given)
        return np.concatenate([np.bincount(c, values, minlength=n) for c, n in groupings]) / size

    size = np.concatenate([np.bincount(c, minlength=n) for c, n in groupings]).clip(1)
    at_fit = each(packed)
    values, ones = (
        np.concatenate([sum_blocks(v, block, *own) for own in groupings], axis=1)
        for v in (at_fit, np.ones_like(at_fit))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log((draws @ values) / (draws @ ones))
    return values.sum(axis=0) / size, logs + (replicates - packed) @ log_slopes(mean, packed)


def log_slopes(quantity: Callable[[Floats], Floats], packed: Floats) -> Floats:
    """Slopes of the logarithm of positive quantities (cells,) in each parameter: (p, cells)."""
    steps = STEP * np.eye(len(packed))
    ends = [(quantity(packed + step), quantity(packed - step)) for step in steps]
    floor = np.finfo(float).tiny
    logs = [(np.log(up.clip(floor)) - np.log(down.clip(floor))) / (2 * STEP) for up, down in ends]
    return np.array(logs)


def follow(
    quantity: Callable[[Floats], Floats], packed: Floats, replicates: Floats
) -> tuple[Floats, Floats]:
    """Return positive quantities (cells,) and the logarithms of their replicates.

    Replicates follow the parameters along the slope, which is nil along a ridge of the
    likelihood, where a step may lead far.
    """
    point = quantity(packed)
    return point, np.log(point) + (replicates - packed) @ log_slopes(quantity, packed)


def log_interval(point: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """Return a 95 % interval of a positive number by the spread of its replicates' logarithms."""
    known = np.isfinite(logs)
    mean = np.where(known, logs, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    spread = np.where(known, (logs - mean) ** 2, 0.0).sum(axis=0)
    error = np.sqrt(spread / np.maximum(known.sum(axis=0) - 1, 1))
    return point * np.exp(-Z * error), point * np.exp(Z * error)


def fit_rates(history: OrderHistory, draws: Floats) -> tuple[Floats, Floats]:
    """Fit BG/NBD and its bootstrap replicates: (4,) and (replicates, 4)."""
    rates = bgnbd.fit_bgnbd(history.rows)
    _, slope, triangle = bgnbd.bgnbd_derivatives(rates, history.rows)
    each = np.concatenate([slope, triangle])[:, history.place]
    return rates, _replicates(rates, each, history.block, draws)


def fit_spend(history: OrderHistory, draws: Floats) -> tuple[Floats, Floats]:
    """Fit Gamma-Gamma to repeat orders and its bootstrap replicates: (3,), (replicates, 3)."""
    paid = history.spent[1] > 0
    orders, mean = (values[paid] for values in history.spent)
    spend = bgnbd.fit_gamma_gamma(orders, mean)
    _, slope, triangle = bgnbd.spend_derivatives(spend, orders, mean)
    each = np.concatenate([slope, triangle])
    return spend, _replicates(spend, each, history.block[paid], draws)


def _replicates(packed: Floats, each: Floats, block: Places, draws: Floats) -> Floats:
    sums = np.column_stack([sum_blocks(row, block)[:, 0] for row in each])
    return refit(packed, sums[:, : len(packed)], sums[:, len(packed) :], draws)


def correlate(history: OrderHistory, draws: Floats) -> tuple[float, float, float] | None:
    """Correlate order count and mean order value of repeat customers, with its interval."""
    _, mean = history.spent
    paid = mean > 0
    x, z = history.frame.frequency.to_numpy()[paid], mean[paid]
    if not (np.ptp(x) and np.ptp(z)):
        return None
    values = (np.ones_like(z), x, z, x * x, z * z, x * z)
    sums = [sum_blocks(one, history.block[paid])[:, 0] for one in values]
    n, x, z, xx, zz, xz = (np.append(one.sum(), draws @ one) for one in sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (xz - x * z / n) / np.sqrt((xx - x * x / n) * (zz - z * z / n))
    low, high = np.nanquantile(value[1:], [0.025, 0.975])
    return float(value[0]), float(low), float(high)
