"""Worlds that look like the analyst's own data: same touchpoints, rates and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from touchlab.dataset import Dataset
from touchlab.moments import sample_moments
from touchlab.scoreboard.run import OUTCOME, Game, play
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World

EFFECTS = (0.9, 0.0, 0.5, 0.3, 0.0, 0.7, 0.2, -0.2)
HALF_LIVES = (3.0, 5.0, 2.0, 8.0)
MOST = 15
ANYWAY = 0.7
"""Share of outcomes that happen without touches, in the worlds made here."""


@dataclass(frozen=True)
class Shape:
    """What of the data a world is given: sizes and rates, nothing of who did what."""

    customers: int
    days: int
    touch_rates: pd.Series
    """Touches per customer-day, the most common touchpoints first."""
    outcome_rate: float


def shape_of(data: Dataset, *, outcome: str = "conversion") -> Shape:
    """Measure customers, days and rates of the data."""
    moments = sample_moments(data, outcome=outcome, after=None)
    rates = moments.touches.sort_values(ascending=False).head(MOST) / moments.customer_days
    days = round(moments.customer_days / moments.customers)
    return Shape(moments.customers, max(days, 2), rates, moments.events / moments.customer_days)


def shape_table(data: Dataset, *, outcome: str = "conversion") -> pd.DataFrame:
    """Set the shape for reading: ``what, value``."""
    shape = shape_of(data, outcome=outcome)
    rows = [
        ("customers observed", f"{shape.customers:,}"),
        ("days each", f"{shape.days:,}"),
        (f"{outcome} outcomes by customer and year", f"{365 * shape.outcome_rate:.2f}"),
    ]
    rows += [
        (f"touches of {name} by customer and year", f"{365 * rate:.2f}")
        for name, rate in shape.touch_rates.items()
    ]
    return pd.DataFrame(rows, columns=["what", "value"])


def worlds_like(data: Dataset, *, outcome: str = "conversion") -> Mapping[str, Game]:
    """Make two worlds in the shape of the data, for `run_scoreboard`.

    In both the effects are known, and dealt out to the touchpoints by their rank of
    frequency, not by what the data says. In the first, touches come at random; in the
    second, every third touchpoint seeks customers of high hidden intent. Neither says
    which of the two the data is: the lead test and experiments do.
    """
    shape = shape_of(data, outcome=outcome)

    def at_random(customers: int, days: int) -> World:
        touchpoints = tuple(
            TouchpointSpec(
                str(name),
                rate,
                {OUTCOME: EFFECTS[i % len(EFFECTS)]},
                HALF_LIVES[i % len(HALF_LIVES)],
            )
            for i, (name, rate) in enumerate(shape.touch_rates.items())
        )
        happens = {OUTCOME: OutcomeSpec(ANYWAY * shape.outcome_rate, intent=1.0)}
        return World(touchpoints, customers, days, happens, intent_spread=0.6)

    def seeking(customers: int, days: int) -> World:
        world = at_random(customers, days)
        sought = tuple(
            replace(spec, targets_intent=0.8) if i % 3 == 0 else spec
            for i, spec in enumerate(world.touchpoints)
        )
        return replace(world, touchpoints=sought, intent_half_life_days=20.0)

    return {
        "touches at random": play(at_random),
        "hidden intent": play(seeking),
    }
