"""Touches cut into journeys: events in the order of time, for all that is counted later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.data.customers import (
    date_of,
    need_group,
    need_outcome,
    number_names,
    outcome_counts,
    touchpoint_names,
    trait_groups,
    traits,
    with_group,
)
from touchlab.data.dataset import Dataset
from touchlab.data.readers import kept
from touchlab.errors import ParameterError
from touchlab.numeric import GROUPS, customer_group

DAY_MS = 86_400_000


@dataclass(frozen=True, repr=False)
class Journeys:
    """Journeys of one outcome, still in the engine, ready to be counted.

    `events` has a row a touch, or an instant with outcomes: customer, order,
    weight (touches or outcomes there), segment, journey where it was numbered, and
    the group of customers where there are no times. `ends` has the outcomes alone:
    customer, order, weight, value. `keys` are the columns within which events follow one another.
    """

    events: ir.Table
    ends: ir.Table
    touchpoints: tuple[str, ...]
    outcome: str
    lookback_ms: int | None
    keys: tuple[str, ...] = ("customer",)
    by: str | None = None
    timed: bool = True
    """False for a paths table: no times, and a row stands for `weight` journeys, not for one."""
    groups: int = GROUPS
    open_ms: int | None = None
    """For so long after its last touch nobody knows yet how a journey ends."""

    def __repr__(self) -> str:
        return f"Journeys to {self.outcome}, {len(self.touchpoints)} touchpoints"

    @property
    def width(self) -> int:
        """How many codes there are: the touchpoints, the start, the outcome."""
        return len(self.touchpoints) + 2

    @property
    def start_code(self) -> int:
        return len(self.touchpoints)

    @property
    def outcome_code(self) -> int:
        return len(self.touchpoints) + 1

    @property
    def tick(self) -> int:
        return _tick(self.touchpoints)

    def code(self, order: ir.Value) -> ir.Value:
        return order % self.tick

    def follows(self, later: ir.Value, earlier: ir.Value) -> ir.BooleanValue:
        """Say whether an event goes on with the journey of the one before; null without one."""
        touch = self.code(earlier) != self.outcome_code
        if self.lookback_ms is None:
            return touch
        return touch & self.within(self.lookback_ms, later, earlier)

    def within(self, milliseconds: int, later: ir.Value, earlier: ir.Value) -> ir.BooleanValue:
        return later - earlier < milliseconds * self.tick + self.width

    @property
    def segment(self) -> list[str]:
        """The column that tells segments apart, where there are any."""
        return [] if self.by is None else ["segment"]

    def group(self, events: ir.Table) -> ir.Value:
        """The customer group of each row; not carried along where ids tell it."""
        return customer_group(events.customer) if self.timed else events.group

    @property
    def following(self) -> dict[str, object]:
        """Arguments of a window in which events follow one another."""
        return {"group_by": list(self.keys), "order_by": "order"}

    @property
    def previous(self) -> ir.Value:
        """The order of the event before each."""
        return self.events.order.lag(1).over(ibis.window(**self.following))

    @cached_property
    def numbered(self) -> Journeys:
        """The same journeys with a `journey` number, so that later steps need no gaps."""
        if "journey" in self.keys:
            return self
        follows = self.follows(self.events.order, self.previous)
        marked = self.events.mutate(breaks=ibis.ifelse(follows, 0, 1))
        running = ibis.cumulative_window(**self.following)
        events = marked.mutate(journey=marked.breaks.sum().over(running)).drop("breaks")
        return replace(self, events=events, keys=(*self.keys, "journey"), lookback_ms=None)


def build_journeys(
    data: Dataset | Journeys,
    *,
    outcome: str = "conversion",
    lookback: str | None = "30D",
    before_outcome: str | None = None,
    repeats: str = "keep",
    by: str | None = None,
) -> Journeys:
    """Cut the touches of every customer into journeys towards one outcome.

    A journey ends with the outcome, after `lookback` without any touch, or with the data. So
    `lookback` is a gap, not a window before the outcome: a journey may be far longer. The
    window is `before_outcome`. The same rule cuts journeys that convert and journeys that do
    not; touches after an outcome start the next journey. Outcomes at one instant end
    one journey together. Times count to the millisecond: in the same one, touches
    go by name and come before the outcome. It does not say what caused the outcome.

    Parameters
    ----------
    data
        An opened Dataset; journeys already built are returned as they are.
    outcome
        A name in ``outcomes.outcome``.
    lookback
        Longest gap between touches that follow one another, and from the last touch to the
        outcome, as a pandas duration (``"30D"``, ``"12h"``); None for no limit.
    before_outcome
        Longest time from a touch to the outcome of its journey, in addition; None for no
        limit. Older touches are a journey of their own, without the outcome.
    repeats
        ``"keep"`` counts every touch; ``"drop"`` counts touches of the same
        touchpoint in a row, within a journey, as one (the first).
    by
        ``"month"`` (UTC, of the journey's last event) or a trait of ``customers``;
        customers without it are ``(unknown)``.

    Raises
    ------
    ParameterError
        For an unknown outcome, trait or choice, a time that is no duration, or
        `before_outcome` with a paths table, which has no times.

    Examples
    --------
    >>> import touchlab as tl
    >>> journeys = tl.build_journeys(tl.open_data("data/sample"), lookback="14D")
    >>> journeys.outcome, len(journeys.touchpoints) > 5
    ('conversion', True)
    """
    if isinstance(data, Journeys):
        return data
    if repeats not in {"keep", "drop"}:
        raise ParameterError(f"repeats: {repeats!r} is not a choice\n  use 'keep' or 'drop'")
    window_ms = _milliseconds("before_outcome", before_outcome)
    if "steps" in data.tables:
        journeys = _from_paths(data, by)
        if window_ms is not None:
            raise ParameterError("before_outcome: a paths table has no times\n  leave it out")
    else:
        journeys = _from_events(data, outcome, _milliseconds("lookback", lookback), by)
    if window_ms is not None:
        journeys = _part_old_touches(journeys, window_ms)
    if by == "month":  # before repeats are dropped: the last event may be one of them
        journeys = _by_month(journeys)
    return _drop_repeats(journeys) if repeats == "drop" else journeys


def _from_events(data: Dataset, outcome: str, lookback_ms: int | None, by: str | None) -> Journeys:
    need_outcome(outcome, outcome_counts(data))
    names = touchpoint_names(data)
    tick = _tick(names)
    touches = data.touches.join(number_names(names), "touchpoint")
    touches = touches.select(
        customer=touches.customer_id,
        order=_order(touches.timestamp, touches.code, tick),
        weight=ibis.literal(1.0),
    )
    chosen = data.outcomes.filter(data.outcomes.outcome == outcome)
    ends = chosen.select(
        customer=chosen.customer_id,
        order=_order(chosen.timestamp, ibis.literal(len(names) + 1), tick),
        value=chosen.value if "value" in chosen.columns else ibis.null("float64"),
    )
    ends = ends.group_by("customer", "order").aggregate(
        weight=ends.count().cast("float64"), value=ends.value.sum()
    )
    events = touches.union(ends.drop("value"))
    if by is not None and by != "month":
        need_group(by, ["month", *traits(data)])
        events = with_group(events, trait_groups(data, by), key="customer").rename(segment="group")
    return Journeys(events, ends, names, outcome, lookback_ms, by=by, open_ms=lookback_ms)


def _from_paths(data: Dataset, by: str | None) -> Journeys:
    if by is not None:
        raise ParameterError(f"by: a paths table has no {by!r}\n  leave `by` out")
    names = touchpoint_names(data, "steps")
    tick = _tick(names)
    steps = data.tables["steps"].join(number_names(names), "touchpoint")
    ends = data.tables["ends"]
    columns = ["customer", "order", "weight", "group"]
    touches = steps.mutate(order=steps.step * tick + steps.code)
    ends = ends.mutate(order=ends.step * tick + (len(names) + 1))
    events = touches.select(columns).union(ends.select(columns))
    groups = GROUPS if int(steps.group.max().to_pyarrow().as_py() or 0) else 1
    return Journeys(events, ends, names, "conversion", None, timed=False, groups=groups)


def _milliseconds(name: str, duration: str | None) -> int | None:
    if duration is None:
        return None
    try:
        # a bare number would be read as nanoseconds
        length = None if isinstance(duration, int | float) else pd.Timedelta(duration)
    except (ValueError, TypeError):
        length = None
    if length is None or not length >= pd.Timedelta(milliseconds=1):
        raise ParameterError(
            f"{name}: {duration!r} is not a positive duration\n  give '30D', '12h' or None"
        )
    return int(length / pd.Timedelta(milliseconds=1))


def _tick(names: Sequence[str]) -> int:
    """What a millisecond adds to an order: twice the codes, so that codes never decide a gap.

    With `width` codes, orders `n` milliseconds apart differ by less than ``n * tick + width``,
    and by more if they are further apart.
    """
    return 2 * (len(names) + 2)


def _order(time: ir.Value, code: ir.Value, tick: int) -> ir.Value:
    """Pack a time and a code; engines round fractions of an epoch differently, so none arises."""
    micros = time.delta(ibis.timestamp("1970-01-01"), unit="microsecond").cast("int64")
    millis = ((micros - micros % 1000) / 1000).cast("int64")
    return millis * tick + code.cast("int64")


def _part_old_touches(journeys: Journeys, window_ms: int) -> Journeys:
    """Make touches too long before their journey's outcome a journey of their own."""
    journeys = journeys.numbered
    events, keys = journeys.events, list(journeys.keys)
    ends = journeys.code(events.order) == journeys.outcome_code
    end = events.order.max(where=ends).over(ibis.window(group_by=keys))
    old = ~journeys.within(window_ms, end, events.order).fill_null(True)
    return replace(
        journeys, events=events.mutate(journey=events.journey * 2 + ibis.ifelse(old, 0, 1))
    )


def _drop_repeats(journeys: Journeys) -> Journeys:
    journeys = journeys.numbered
    marked = journeys.events.mutate(previous=journeys.previous)
    same = (journeys.code(marked.previous) == journeys.code(marked.order)).fill_null(False)
    return replace(journeys, events=marked.filter(~same).drop("previous"))


def _by_month(journeys: Journeys) -> Journeys:
    journeys = journeys.numbered
    events = journeys.events
    last = events.order.max().over(ibis.window(group_by=list(journeys.keys)))
    month = month_of(last, journeys.tick)
    return replace(journeys, events=events.mutate(segment=month), by="month")


@dataclass(frozen=True)
class Ordered:
    """Events with their place and with those before them, still in the engine.

    `events` has the keys, [segment], order, place (1 for the first event within the keys), and
    lag1, lag2, ... (the orders of the events before it, nearest first); weight and group only
    where rows stand for many journeys.
    """

    journeys: Journeys
    events: ir.Table

    def lag(self, depth: int) -> ir.Value:
        """The order of the event `depth` before each; its own for 0."""
        return self.events[f"lag{depth}"] if depth else self.events.order

    @property
    def converting(self) -> ir.Table:
        """The same of customers with the outcome: few rows for all that looks back from it."""
        ends, events = self.journeys.ends, self.journeys.events
        few = events.semi_join(ends.select("customer").distinct(), "customer")
        return order_events(replace(self.journeys, events=few)).events


def order_events(journeys: Journeys, depth: int = 1) -> Ordered:
    """Look `depth` events back from every event."""
    own = [] if journeys.timed else ["group", "weight"]
    # only what is needed: every column is sorted along
    events = journeys.events.select(*journeys.keys, *journeys.segment, "order", *own)
    window = ibis.window(**journeys.following)
    lags = {f"lag{i}": events.order.lag(i).over(window) for i in range(1, depth + 1)}
    return Ordered(journeys, events.mutate(place=ibis.row_number().over(window) + 1, **lags))


@contextmanager
def kept_journeys(journeys: Journeys) -> Iterator[Journeys]:
    """Compute journeys once while they are counted, where numbering them took windows.

    Others are ordered anew for each count: no more work than to write and read them, and
    memory for the columns of one window alone.
    """
    if "journey" not in journeys.keys:
        yield journeys
        return
    with kept(journeys.events, "events") as events:
        yield replace(journeys, events=events)


def month_of(order: ir.Value, tick: int) -> ir.StringValue:
    """Write the calendar month (UTC) of an order, as ``2026-02``."""
    day = tick * DAY_MS
    return date_of(((order - order % day) / day).cast("int64")).strftime("%Y-%m")
