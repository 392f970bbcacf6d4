"""Attribution rules: how much of an outcome each touch of its journey gets.

A rule is a weight for a touch from its place in the journey; weights are then
shared out within the journey, so credits add up to the outcomes. Rules describe:
they know nothing of what would have happened without the touch.
"""

from __future__ import annotations

from typing import Any

import ibis

from touchlab.errors import ParameterError
from touchlab.journeys.counts import Rule, Touch


def position(first: float = 0.4, last: float = 0.4) -> Rule:
    """Give fixed shares to the first and last touch; the others divide the rest.

    With two touches the ends share in proportion; with one it gets everything.
    """
    if not (first >= 0 and last >= 0 and 0 < first + last <= 1):
        raise ParameterError(
            f"position: first={first}, last={last} are not shares\n"
            "  give two shares of at least 0 that add up to at most 1"
        )
    first_of_two = first / (first + last)

    def weight(t: Touch) -> Any:
        middle = (1 - first - last) / (t.n - 2).nullif(0)
        return ibis.cases(
            (t.n == 1, 1.0),
            ((t.n == 2) & (t.position == 1), first_of_two),
            (t.n == 2, 1 - first_of_two),
            (t.position == 1, first),
            (t.position == t.n, last),
            else_=middle,
        )

    return Rule("position", weight, whole=True)


def time_decay(half_life_days: float = 7) -> Rule:
    """Halve the weight of a touch for every `half_life_days` before the outcome."""
    if not half_life_days > 0:
        raise ParameterError(
            f"time_decay: half_life_days={half_life_days}\n  give a number of days above 0"
        )

    def weight(t: Touch) -> Any:
        # counted from the last touch, and capped: engines refuse a power that underflows
        return 0.5 ** ibis.least((t.age_days - t.youngest_days) / half_life_days, 1000.0)

    return Rule("time_decay", weight, timed=True)


def _share(condition: Any) -> Any:
    return ibis.ifelse(condition, 1.0, 0.0)


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("first", lambda t: _share(t.position == 1), whole=True),
        Rule("last", lambda t: _share(t.position == t.n), whole=True),
        Rule(
            "last_non_direct",
            lambda t: _share(t.position == ibis.ifelse(t.last_other == 0, t.n, t.last_other)),
            whole=True,
        ),
        Rule("linear", lambda t: 1.0 / t.n, whole=True),
        position(),
        time_decay(),
        # Each outcome in equal parts to the distinct touchpoints of its journey: the exact
        # Shapley value of v(S) = outcomes of journeys within S [Zhao, Mahboobi, Bagheri 2018].
        Rule("shapley", lambda t: 1.0 / t.repeats),
    )
}
