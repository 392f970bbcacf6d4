"""The best way to spend a budget on touchpoints whose returns are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from touchlab.budget.response import Response, Responses

Floats = npt.NDArray[np.float64]
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
    start = fill(wanted * response.slopes(np.ones(len(cost))), cost, budget, low, high)
    found = optimize.minimize(
        lambda m: -scale * response.outcomes(m),
        start,
        jac=lambda m: -scale * response.slopes(m),
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


def plan_draws(
    few: Responses, given: tuple[Floats, float, Floats, Floats, int], count: int, seed: int
) -> Drawn:
    """Plan anew under each draw of the parameters; `given` as `best_plan` takes it."""
    estimate, sign = few.whole(), given[-1]
    excess, plans, slopes = [], [], []
    for response in few.drawn(count, seed):
        plan = best_plan(response, *given)
        own = response.outcomes(plan) - response.now
        excess.append(sign * (own - estimate.outcomes(plan) + estimate.now))
        plans.append(plan)
        slopes.append(response.slopes(np.ones(len(plan))))
    more = (np.array(plans) > 1 + CHANGED).mean(axis=0)
    return Drawn(np.array(excess), more, np.array(slopes))
