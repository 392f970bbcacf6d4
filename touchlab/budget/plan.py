"""The best way to spend a budget on touchpoints whose returns are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from touchlab.budget.response import Response, Responses

Floats = npt.NDArray[np.float64]
Given = tuple[Floats, float, Floats, Floats, int]
"""What `best_plan` takes beside the response."""
CHANGED = 0.01
"""Share of its cost by which a touchpoint has to change to count as changed."""
PRECISION = 1e-7
"""Of expected outcomes, as a share: where the search ends."""


def fill(gain: Floats, cost: Floats, budget: float, low: Floats, high: Floats) -> Floats:
    """Spend a budget where a euro brings most, and next most, as if returns never fell.

    `gain` is what one more unit of each multiplier brings, `cost` what it costs; multipliers
    stay between `low` and `high`. All of shape (touchpoints,). What brings nothing gets the
    least there is for it, even where budget is left.

    Examples
    --------
    >>> cost, low, high = np.array([10.0, 30.0]), np.full(2, 0.5), np.full(2, 2.0)
    >>> fill(np.array([5.0, 6.0]), cost, 35.0, low, high).tolist()
    [2.0, 0.5]
    """
    order = np.argsort(-gain / cost, kind="stable")
    room = (cost * (high - low))[order]
    before = np.cumsum(room) - room
    spent = np.clip(budget - cost @ low - before, 0, room) * (gain[order] > 0)
    plan = low.copy()
    plan[order] += spent / cost[order]
    return plan


def best_plan(
    response: Response, cost: Floats, budget: float, low: Floats, high: Floats, wanted: int = 1
) -> Floats:
    """Multipliers that bring most expected outcomes within a budget; fewest if `wanted` is -1.

    Between the caps, outcomes per further euro are equal at the end. The search starts where
    it would end if returns did not fall [SLSQP, Kraft 1988].
    """
    scale, share = wanted / response.now, cost / budget
    start = fill(wanted * response.slopes_now, cost, budget, low, high)

    def lost(multipliers: Floats) -> tuple[float, Floats]:
        outcomes, slopes = response.with_slopes(multipliers)
        return -scale * outcomes, -scale * slopes

    found = optimize.minimize(
        lost,
        start,
        jac=True,
        method="SLSQP",
        bounds=list(zip(low, high, strict=True)),
        constraints=[{"type": "ineq", "fun": lambda m: 1 - share @ m, "jac": lambda m: -share}],
        options={"ftol": PRECISION},
    )
    return np.asarray(found.x.clip(low, high))


@dataclass(frozen=True)
class Drawn:
    """What the draws say; a row or an entry a draw."""

    excess: Floats
    """By how much the choice made under a draw flatters itself."""
    more: Floats
    """(touchpoints,): share of draws whose best plan gives it more than now."""
    slopes: Floats


def plan_draws(few: Responses, cases: Sequence[Given], count: int, seed: int) -> list[Drawn]:
    """Plan anew for each case under each draw of the parameters, the same draws for all."""
    estimate, slopes = few.whole(), []
    found: list[list[tuple[float, Floats]]] = [[] for _ in cases]
    for response in few.drawn(count, seed):
        slopes.append(response.slopes_now)
        for given, own in zip(cases, found, strict=True):
            plan = best_plan(response, *given)
            gain = response.outcomes(plan) - response.now
            own.append((given[-1] * (gain - estimate.outcomes(plan) + estimate.now), plan))
    return [
        Drawn(
            excess=np.array([excess for excess, _ in own]),
            more=(np.array([plan for _, plan in own]) > 1 + CHANGED).mean(axis=0),
            slopes=np.array(slopes),
        )
        for own in found
    ]
