"""Attribution rules: how much of an outcome each touch of its journey gets.

A rule is a weight for a touch from its place in the journey; weights are then
shared out within the journey, so credits add up to the outcomes. Rules describe:
they know nothing of what would have happened without the touch.
"""

from __future__ import annotations

import math
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt

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
        # Shapley value of v(S) = outcomes of journeys within S (touchlab.credit.shapley).
        Rule("shapley", lambda t: 1.0 / t.repeats),
    )
}


MAX_PLAYERS = 20


def shapley_values(worth: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Share out the worth of the grand coalition by the Shapley formula, exactly.

    The credit model ``shapley`` does not need it: for the game v(S) = outcomes of
    journeys whose touchpoints all lie in S, the value is each outcome in equal
    parts to the distinct touchpoints of its journey [Zhao, Mahboobi, Bagheri
    2018], at any number of touchpoints. This is for games without such a form.

    Parameters
    ----------
    worth
        2^n numbers; entry S is the worth of the players whose bits are set in S.

    Returns
    -------
    numpy.ndarray
        n values that add up to ``worth[-1] - worth[0]``.

    Raises
    ------
    ParameterError
        If the length is no power of two, or there are more than 20 players.

    Examples
    --------
    >>> shapley_values([0, 1, 2, 5]).tolist()   # alone 1 and 2, together 5
    [2.0, 3.0]
    """
    values = np.asarray(worth, dtype=float)
    n = int(values.size).bit_length() - 1
    if values.ndim != 1 or not 1 <= n <= MAX_PLAYERS or values.size != 1 << n:
        raise ParameterError(
            f"shapley_values: {values.size} worths\n"
            f"  give 2^n of them, one for each coalition of n = 1 to {MAX_PLAYERS} players"
        )
    coalition = np.arange(values.size)
    size = np.array([int(c).bit_count() for c in coalition])
    weight = np.array([1.0 / (n * math.comb(n - 1, s)) for s in range(n)])
    shares = np.empty(n)
    for player in range(n):
        without = coalition[(coalition >> player) & 1 == 0]
        gain = values[without | (1 << player)] - values[without]
        shares[player] = (weight[size[without]] * gain).sum()
    return shares
