"""Events in the order of time: one pass over the engine for all that is counted later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir

from touchlab.journeys.build import Journeys
from touchlab.readers import kept


@dataclass(frozen=True)
class Ordered:
    """Events with their place and with those before them, still in the engine.

    `events` has the keys, [segment], order, place (1 for the first event within
    the keys), and lag1, lag2, ... up to `depth` (the orders of the events
    before it, nearest first); weight and group only where rows
    stand for many journeys.
    """

    journeys: Journeys
    events: ir.Table
    depth: int

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
    place = ibis.row_number().over(window) + 1
    return Ordered(journeys, events.mutate(place=place, **lags), depth)


@contextmanager
def held(journeys: Journeys) -> Iterator[Journeys]:
    """Hold journeys whose numbers took windows of their own, while they are counted.

    Others are ordered anew for each count: no more work than to write and read them, and
    memory for the columns of one window alone.
    """
    if "journey" not in journeys.keys:
        yield journeys
        return
    with kept(journeys.events, "events") as events:
        yield replace(journeys, events=events)
