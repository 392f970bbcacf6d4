"""Cut touches into journeys: the one place that orders and cuts.

Events of a customer are ordered by one whole number, ``order = milliseconds *
width + code``. A code is a touchpoint's number by name; an outcome takes the
highest one, so it comes after the touches of its own millisecond. Packing time
and touchpoint makes one lag carry both: a third of the time of separate ones
(docs/decisions/0003-journeys-in-one-window.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.errors import DataError, ParameterError
from touchlab.replicates import GROUPS, customer_group

DAY_MS = 86_400_000
MAX_TOUCHPOINTS = 1000
UNKNOWN = "(unknown)"


@dataclass(frozen=True)
class Journeys:
    """Journeys of one outcome, still in the engine, ready to be counted.

    `events` has a row a touch or outcome: customer, order, weight, value,
    group, segment, and journey where it was numbered. `keys` are the columns
    within which events follow one another.
    """

    events: ir.Table
    touchpoints: tuple[str, ...]
    outcome: str
    lookback_ms: int | None
    keys: tuple[str, ...] = ("customer",)
    by: str | None = None
    timed: bool = True
    """False for journeys read from a paths table, which has no times."""
    groups: int = GROUPS

    @property
    def width(self) -> int:
        """Codes of an order: the touchpoints, the start, the outcome."""
        return len(self.touchpoints) + 2

    @property
    def start_code(self) -> int:
        return len(self.touchpoints)

    @property
    def outcome_code(self) -> int:
        return len(self.touchpoints) + 1

    def code(self, order: ir.Value) -> ir.Value:
        return order % self.width

    def breaks(self, later: ir.Value, earlier: ir.Value) -> ir.BooleanValue:
        """Say whether a journey ends between two events that follow one another."""
        ended = earlier.isnull() | (self.code(earlier) == self.outcome_code)
        if self.lookback_ms is None:
            return ended
        quiet = (later - self.code(later)) - (earlier - self.code(earlier))
        return ended | (quiet > self.lookback_ms * self.width)

    @property
    def following(self) -> dict[str, object]:
        """Arguments of a window in which events follow one another."""
        return {"group_by": list(self.keys), "order_by": ["order", "value"]}

    @cached_property
    def numbered(self) -> Journeys:
        """The same journeys with a `journey` number, so that later steps need no gaps."""
        if "journey" in self.keys:
            return self
        marked = self.events.mutate(
            breaks=self.breaks(
                self.events.order, self.events.order.lag(1).over(ibis.window(**self.following))
            ).cast("int64")
        )
        running = ibis.cumulative_window(**self.following)
        events = marked.mutate(journey=marked.breaks.sum().over(running)).drop("breaks")
        return replace(self, events=events, keys=(*self.keys, "journey"), lookback_ms=None)


def build_journeys(
    data: Dataset | Journeys,
    *,
    outcome: str = "conversion",
    lookback: str | None = "30D",
    repeats: str = "keep",
    by: str | None = None,
) -> Journeys:
    """Cut the touches of every customer into journeys towards one outcome.

    A journey ends with the outcome, after `lookback` without any touch, or with
    the data. The same rule cuts journeys that convert and journeys that do not;
    touches after an outcome start the next journey. It does not say what caused
    the outcome.

    Parameters
    ----------
    data
        An opened Dataset; journeys already built are returned as they are.
    outcome
        A name in ``outcomes.outcome``.
    lookback
        Longest quiet time within a journey, as a pandas duration (``"30D"``,
        ``"12h"``); None for no limit.
    repeats
        ``"keep"`` counts every touch; ``"drop"`` counts touches of the same
        touchpoint in a row, within a journey, as one (the first).
    by
        ``"month"`` (of the journey's last event) or a trait of ``customers``.

    Raises
    ------
    ParameterError
        For an unknown outcome, trait or choice, or a lookback that is no duration.

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
    if "steps" in data.tables:
        journeys = _from_paths(data, by)
    else:
        journeys = _from_events(data, outcome, _milliseconds(lookback), by)
    if repeats == "drop":
        journeys = _drop_repeats(journeys)
    if by == "month":
        journeys = _by_month(journeys)
    return journeys


def _from_events(data: Dataset, outcome: str, lookback_ms: int | None, by: str | None) -> Journeys:
    known = _outcomes(data)
    if outcome not in known:
        counts = ", ".join(f"{name} ({n:,})" for name, n in known.items())
        raise ParameterError(
            f"outcome: no outcome is named {outcome!r}\n  the data has {counts}; use one of these"
        )
    names = _touchpoint_names(data)
    width = len(names) + 2
    codes = ibis.memtable(pd.DataFrame({"touchpoint": names, "code": range(len(names))}))
    touches = data.touches.join(codes, "touchpoint")
    touches = touches.select(
        customer=touches.customer_id,
        order=_order(touches.timestamp, touches.code, width),
        value=ibis.null("float64"),
    )
    chosen = data.outcomes.filter(data.outcomes.outcome == outcome)
    value = chosen.value if "value" in chosen.columns else ibis.null("float64")
    ends = chosen.select(
        customer=chosen.customer_id,
        order=_order(chosen.timestamp, ibis.literal(width - 1), width),
        value=value,
    )
    events = touches.union(ends)
    events = events.mutate(group=customer_group(events.customer), weight=ibis.literal(1.0))
    if by is not None and by != "month":
        events = _with_trait(data, events, by)
    return Journeys(events, names, outcome, lookback_ms, by=by)


def _from_paths(data: Dataset, by: str | None) -> Journeys:
    if by is not None:
        raise ParameterError(f"by: a paths table has no {by!r}\n  leave `by` out")
    names = _touchpoint_names(data, "steps")
    width = len(names) + 2
    codes = ibis.memtable(pd.DataFrame({"touchpoint": names, "code": range(len(names))}))
    steps, ends = data.tables["steps"].join(codes, "touchpoint"), data.tables["ends"]
    columns = ["customer", "order", "value", "group", "weight"]
    touches = steps.mutate(order=steps.step * width + steps.code, value=ibis.null("float64"))
    outcomes = ends.mutate(order=ends.step * width + (width - 1))
    events = touches.select(columns).union(outcomes.select(columns))
    groups = int(ends.group.max().to_pyarrow().as_py() or 0) + 1
    return Journeys(events, names, "conversion", None, timed=False, groups=groups)


def _milliseconds(lookback: str | None) -> int | None:
    if lookback is None:
        return None
    try:
        length = pd.Timedelta(lookback)
    except (ValueError, TypeError):
        length = pd.NaT
    if length is pd.NaT or length <= pd.Timedelta(0):
        raise ParameterError(
            f"lookback: {lookback!r} is not a positive duration\n  give '30D', '12h' or None"
        )
    return int(length / pd.Timedelta(milliseconds=1))


def _order(time: ir.Value, code: ir.Value, width: int) -> ir.Value:
    """Pack a time and a code; engines differ on fractions of an epoch, so cut to seconds first."""
    seconds = time.truncate("s").epoch_seconds().cast("int64")
    return (seconds * 1000 + time.millisecond().cast("int64")) * width + code.cast("int64")


def _outcomes(data: Dataset) -> dict[str, int]:
    counts = data.outcomes.group_by("outcome").aggregate(n=data.outcomes.count()).to_pandas()
    counts = counts.sort_values(["n", "outcome"], ascending=[False, True]).head(20)
    return dict(zip(counts.outcome, counts.n, strict=True))


def _touchpoint_names(data: Dataset, table: str = "touches") -> tuple[str, ...]:
    names = sorted(data.tables[table].select("touchpoint").distinct().to_pandas().touchpoint)
    if len(names) > MAX_TOUCHPOINTS:
        raise DataError(
            f"{table}.touchpoint: {len(names):,} different names, at most {MAX_TOUCHPOINTS:,}\n"
            "  are these pages or campaigns? put those in `campaign` and name the kind here"
        )
    return tuple(names)


def _with_trait(data: Dataset, events: ir.Table, by: str) -> ir.Table:
    fixed = {"customer_id", "observed_from", "observed_to"}
    traits = sorted(set(data.tables["customers"].columns) - fixed) if data.has("customers") else []
    if by not in traits:
        allowed = ", ".join(["month", *traits])
        raise ParameterError(f"by: {by!r} is not a trait of customers\n  use one of: {allowed}")
    customers = data.tables["customers"]
    segment = customers[by].cast("string").fill_null(UNKNOWN)
    traits_table = customers.select(customer=customers.customer_id, segment=segment)
    joined = events.left_join(traits_table, "customer").drop("customer_right")
    return joined.mutate(segment=joined.segment.fill_null(UNKNOWN))


def _drop_repeats(journeys: Journeys) -> Journeys:
    journeys = journeys.numbered
    events = journeys.events
    previous = events.order.lag(1).over(ibis.window(**journeys.following))
    marked = events.mutate(previous=previous)
    same = (journeys.code(marked.previous) == journeys.code(marked.order)).fill_null(False)
    return replace(journeys, events=marked.filter(~same).drop("previous"))


def _by_month(journeys: Journeys) -> Journeys:
    journeys = journeys.numbered
    events = journeys.events
    last = events.order.max().over(ibis.window(group_by=list(journeys.keys)))
    seconds = ((last - last % journeys.width) // (journeys.width * 1000)).cast("int64")
    return replace(
        journeys, events=events.mutate(segment=seconds.as_timestamp("s").strftime("%Y-%m"))
    )
