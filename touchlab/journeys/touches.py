"""The touches of converting journeys, each with its place and its age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from touchlab.journeys.build import DAY_MS, Journeys
from touchlab.journeys.ordered import Ordered

DIRECT = "direct"
NO_CODE = -1
"""Stands for the touchpoint of an outcome without a touch before it."""


@dataclass(frozen=True)
class Touch:
    """What a rule may look at; each field is a column, usable in arithmetic and comparisons."""

    position: Any
    """1 for the first touch of the journey."""
    n: Any
    """Touches in the journey."""
    age_days: Any
    """Days from the touch to the outcome."""
    youngest_days: Any
    """The same for the last touch of the journey."""
    last_other: Any
    """Position of the last touch that is not direct; 0 if all are."""
    repeats: Any
    """Touches of the same touchpoint in the journey."""


@dataclass(frozen=True)
class Rule:
    """A named weight of a touch, for example ``Rule("ours", lambda t: 1 / t.position)``.

    The weight is 0 or more, and above 0 for some touch of every journey; the function
    gets a `Touch`, whose fields are columns: choose with ``ibis.ifelse``.
    """

    name: str
    weight: Callable[[Touch], Any]
    timed: bool = False
    """True where it needs times, which a paths table does not have."""
    whole: bool = False
    """True where its weights add up to 1 in every journey as they are; else they are scaled."""


@dataclass(frozen=True)
class ConvertingTouches:
    """A row a touch of each converting journey, still in the engine.

    Columns of `table`: the `keys` of a journey, group, [segment], code, position, n,
    age_days, youngest_days, last_other, repeats (see `Touch`; ages are steps where
    there are no times), outcomes and worth (of the journey). An outcome without a
    touch before it has one row, of code `NO_CODE`: position and n are 1 there, since
    some engines refuse to divide by 0 even where nobody asks for the result.
    """

    table: ir.Table
    keys: tuple[str, ...]

    @property
    def touch(self) -> Touch:
        """The columns that a rule may look at."""
        return Touch(**{name: self.table[name] for name in Touch.__dataclass_fields__})


def converting_touches(ordered: Ordered, direct: str = DIRECT) -> ConvertingTouches:
    """Give every touch of a converting journey its place and its age."""
    journeys = ordered.journeys
    keys = (*journeys.keys, "begin")
    shared = [*keys, *journeys.segment]
    placed = _placed(ordered, direct)
    ends = with_outcomes(journeys, placed)
    ends = ends.select(
        *shared,
        group=journeys.group(ends),
        end=ends.order,
        youngest=ends.lag1,
        n=ibis.greatest(ends.place - ends.begin, 1),
        last_other=ibis.greatest(ends.other - ends.begin + 1, 0),
        outcomes=ends.outcomes,
        worth=ends.worth.fill_null(0.0),
    )
    touches = placed.filter(placed.code != journeys.outcome_code)
    touches = touches.select(
        *keys, "order", touch_code=touches.code, position=touches.place - touches.begin + 1
    )
    joined = ends.left_join(touches, list(keys))
    per_day = journeys.tick * (DAY_MS if journeys.timed else 1)

    def days_before_end(order: ir.Value) -> ir.Value:
        age = (joined.end - journeys.outcome_code) - (order - journeys.code(order))
        return age.cast("float64") / per_day

    table = joined.select(
        *(joined[c] for c in (*shared, "group", "n", "last_other", "outcomes", "worth")),
        code=joined.touch_code.fill_null(NO_CODE),
        position=joined.position.fill_null(1),
        age_days=days_before_end(joined.order),
        youngest_days=days_before_end(joined.youngest),
    )
    same = ibis.window(group_by=[*keys, "code"])
    return ConvertingTouches(table.mutate(repeats=table.count().over(same)), keys)


def with_outcomes(journeys: Journeys, events: ir.Table) -> ir.Table:
    """Keep the events that are outcomes, with how many they are and their worth."""
    happened = journeys.ends.select(
        "customer", "order", outcomes=journeys.ends.weight, worth=journeys.ends.value
    )
    ends = events.filter(journeys.code(events.order) == journeys.outcome_code)
    return ends.inner_join(happened, ["customer", "order"])


def _placed(ordered: Ordered, direct: str) -> ir.Table:
    """Say where each event's journey begins, and where its last touch that is not direct is.

    `begin` is the place of the journey's first event, `other` that of the last touch
    so far that is not `direct`.
    """
    journeys, events = ordered.journeys, ordered.converting
    running = ibis.cumulative_window(**journeys.following)
    goes_on = journeys.follows(events.order, events.lag1)
    events = events.mutate(
        code=journeys.code(events.order),
        begin=ibis.ifelse(goes_on, 0, events.place).max().over(running),
    )
    if direct not in journeys.touchpoints:
        return events.mutate(other=events.place - 1)
    skipped = (journeys.touchpoints.index(direct), journeys.outcome_code)
    other = ibis.ifelse(events.code.isin(skipped), 0, events.place).max().over(running)
    return events.mutate(other=other)
