"""Costs and plans set for reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from touchlab.budget.costs import find_costs
from touchlab.budget.plan import Reallocation, propose, settle
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError

NBSP = "\N{NO-BREAK SPACE}"
BUDGETS = (0.8, 1.2)
"""Of what is spent now, for other scenarios."""


def with_costs(drivers: Drivers, costs: Mapping[str, float] | None) -> Drivers:
    """Give the drivers back if anything has a cost; said once, where it has not."""
    find_costs(drivers, costs)
    return drivers


def brief_costs(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of `cost_per_incremental` that a reader needs, cheapest first."""
    ordered = table.sort_values(["cost_per_incremental", "cost_per_incremental_low"])
    ordered = _open_ends(ordered, "cost_per_incremental")
    columns = ["touchpoint", "cost", "incremental", "ci_low", "ci_high", "cost_per_incremental"]
    columns += ["interval_of_cost", "cost_per_credited"]
    if table.roi.notna().any():
        columns.append("roi")
        ordered = ordered.assign(roi=[f"{100 * roi:,.0f}{NBSP}%" for roi in ordered.roi])
    return ordered.assign(cost_per_credited=_amounts(ordered.cost_per_credited))[
        [*columns, "badge", "n"]
    ]


def brief_plan(plan: Reallocation) -> pd.DataFrame:
    """The columns of a plan that a reader needs, what gets more first."""
    table = plan.table.sort_values("change", ascending=False)
    table = _open_ends(table, "next_cost").rename(columns={"probability_more": "probability"})
    columns = ["touchpoint", "cost_now", "cost_planned", "change", "probability", "next_cost"]
    return table[[*columns, "interval_of_cost", "advice", "badge"]]


def scenarios(
    drivers: Drivers,
    plan: Reallocation,
    *,
    caps: tuple[float, float],
    costs: Mapping[str, float] | None = None,
    checks: Any = None,
    move_doubted: bool = False,
    seed: int = 1,
) -> pd.DataFrame:
    """The gain of a plan, beside those of other budgets and tighter caps.

    Columns: budget (as a share of what is spent now), limits (multiples of what each costs
    now), cost (planned, of what can be moved), incremental (outcomes beyond those of now),
    ci_low, ci_high.
    """
    tight = (float(np.sqrt(caps[0])), float(np.sqrt(caps[1])))
    now = _spent(plan, "cost_now")
    asked, cases = [(plan.budget / now, caps)], []
    for share, own in [*((share, caps) for share in BUDGETS), (1.0, tight)]:
        try:
            case = settle(
                drivers, budget=share * now, caps=own, costs=costs, checks=checks,
                move_doubted=move_doubted,
            )  # fmt: skip
        except ParameterError:  # caps that leave no room for this budget
            continue
        asked.append((share, own))
        cases.append(case)
    others = propose(drivers, cases, seed) if cases else []
    rows = [
        {
            "budget": f"{100 * share:.0f}{NBSP}%",
            "limits": f"{own[0]:.2g} to {own[1]:.2g}".replace(" ", NBSP),
            "cost": _spent(one, "cost_planned"),
            "incremental": one.gain.gain[0],
            "ci_low": one.gain.ci_low[0],
            "ci_high": one.gain.ci_high[0],
        }
        for (share, own), one in zip(asked, [plan, *others], strict=True)
    ]
    return pd.DataFrame(rows)


def _spent(plan: Reallocation, column: str) -> float:
    """Add up costs of what can be moved."""
    return float(plan.table[column][plan.table.probability_more.notna()].sum())


def _open_ends(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Write costs and their intervals as words, since some have no upper end."""
    ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    words = [_interval(low, high).replace(" ", NBSP) for low, high in ends]
    return table.assign(**{name: _amounts(table[name])}, interval_of_cost=words)


def _amounts(values: pd.Series[float]) -> list[str]:
    return [money(v) if np.isfinite(v) else "–" for v in values]


def _interval(low: float, high: float) -> str:
    if np.isnan(low):
        return "–"
    if np.isinf(low):
        return "brings none"
    return f"{money(low)} and more" if np.isinf(high) else f"{money(low)} to {money(high)}"


def money(value: float) -> str:
    """Write an amount: cents where they matter.

    Examples
    --------
    >>> money(2.117), money(9660.08)
    ('2.12', '9,660')
    """
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"
