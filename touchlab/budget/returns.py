"""What touches cost beside what they bring: per outcome, and at other amounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from touchlab.budget.costs import find_costs, refuse_unknown, wanted
from touchlab.budget.plan import per_outcome
from touchlab.budget.response import Responses
from touchlab.credit.attribute import attribute
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError
from touchlab.numeric import GROUPS, LEVEL, one_thread

MULTIPLIERS = (0.0, 0.5, 1.0, 1.5, 2.0)
DRAWS, MOST_MOMENTS = 60, 20_000
BOUNDED, OPEN, NONE = "bounded", "no upper end", "not above zero"


def cost_per_incremental(
    drivers: Drivers,
    *,
    costs: Mapping[str, float] | None = None,
    checks: Any = None,
    credit: str = "last",
    lookback: str | None = "30D",
) -> pd.DataFrame:
    """What does an outcome cost that would not have happened otherwise?

    It is an average over all touches so far: the next one may bring less (see
    ``reallocate``). Beside it stands the cost per credited outcome, which also counts
    outcomes that would have come anyway.

    Parameters
    ----------
    drivers
        As returned by ``fit_drivers`` or ``calibrate``.
    costs
        Cost by touchpoint over the time at risk; None: the sums of ``touches.cost``.
    checks
        What ``check_drivers`` found, for the badges.
    credit, lookback
        Model of ``attribute`` to stand beside, and its lookback.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint with a cost: ``touchpoint, cost, incremental, ci_low, ci_high,
        cost_per_incremental, cost_per_incremental_low, cost_per_incremental_high,
        cost_per_credited, roi, roi_low, roi_high, reading, badge, n``. Cost per incremental
        outcome is infinite where none may have come, which `reading` says: ``bounded``,
        ``no upper end`` (the interval of `incremental` holds 0), ``not above zero`` (the
        estimate is not above 0). For churn, outcomes prevented are counted; they are not
        credited. `roi` is value / cost - 1, with the mean value of the outcomes (NaN
        without values); `n` touches at risk.

    Raises
    ------
    MissingInput, ParameterError
        If nothing has a cost; for unknown names and costs below 0.

    Notes
    -----
    The cost is known, so the interval of the ratio [Fieller 1954] is the cost over the ends
    of the interval of `incremental`.

    Examples
    --------
    >>> import touchlab as tl
    >>> table = tl.cost_per_incremental(tl.fit_drivers(tl.open_data("data/sample")))
    >>> table.set_index("touchpoint").reading[["display", "retargeting"]].tolist()
    ['bounded', 'no upper end']
    """
    known, sign = find_costs(drivers, costs), wanted(drivers)
    table = drivers.incremental(total=False, checks=checks).set_index("touchpoint")
    table = table[["incremental", "ci_low", "ci_high", "badge"]].loc[known.table.index]
    table = table.assign(cost=known.table.cost, n=known.table.n)
    ends = table[["ci_high", "ci_low"]] if sign > 0 else -table[["ci_low", "ci_high"]]
    brought = {"": sign * table.incremental, "_low": ends.iloc[:, 0], "_high": ends.iloc[:, 1]}
    for end, amount in brought.items():
        table[f"cost_per_incremental{end}"] = per_outcome(table.cost, amount)
    for end, amount in zip(("", "_high", "_low"), brought.values(), strict=True):
        table[f"roi{end}"] = amount * known.value / table.cost - 1
    table["reading"] = np.select(
        [brought["_high"] > 0, brought[""] > 0], [BOUNDED, OPEN], default=NONE
    )
    table["cost_per_credited"] = np.nan
    if sign > 0:
        table["cost_per_credited"] = table.cost / _credited(drivers, credit, lookback)
    table = table.reset_index()
    columns = ["touchpoint", "cost", "incremental", "ci_low", "ci_high", "cost_per_incremental"]
    columns += ["cost_per_incremental_low", "cost_per_incremental_high", "cost_per_credited"]
    return table[[*columns, "roi", "roi_low", "roi_high", "reading", "badge", "n"]]


def _credited(drivers: Drivers, model: str, lookback: str | None) -> pd.Series[float]:
    moments = drivers.moments
    table = attribute(moments.data, outcome=moments.risk.outcome, models=[model], lookback=lookback)
    credit = table.set_index("touchpoint").credit
    return credit.where(credit > 0)


@one_thread
def response_curves(
    drivers: Drivers,
    *,
    multipliers: Sequence[float] = MULTIPLIERS,
    costs: Mapping[str, float] | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """What would come of less or more of each touchpoint, all others as they are?

    More touches of the same kind are meant: the same customers, the same pattern in time,
    oftener. Other customers, or another message, may answer otherwise, and far beyond twice
    what was seen nothing is known.

    Parameters
    ----------
    drivers
        As returned by ``fit_drivers`` or ``calibrate``, without synergies.
    multipliers
        Of the touches observed; 0 is none, 1 as now.
    costs
        Cost by touchpoint over the time at risk; None: the sums of ``touches.cost``.
    seed
        Of the draws behind the intervals.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint with a cost and multiplier: ``touchpoint, multiplier, cost,
        incremental, ci_low, ci_high`` (outcomes beyond those without any of its touches,
        with their 95 % interval).

    Raises
    ------
    MissingInput, ParameterError
        If nothing has a cost; for multipliers below 0 and unknown names.

    Examples
    --------
    >>> import touchlab as tl
    >>> curves = tl.response_curves(tl.fit_drivers(tl.open_data("data/sample")))
    >>> curves[curves.touchpoint == "display"].multiplier.tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    asked = np.array(sorted(multipliers), dtype=float)
    if not len(asked) or not (np.isfinite(asked) & (asked >= 0)).all():
        raise ParameterError(
            f"multipliers: {multipliers!r}\n  give numbers of at least 0, such as (0, 1, 2)"
        )
    known = find_costs(drivers, costs).table
    names = list(known.index)
    point = _curves(Responses(drivers, names).whole(), len(names), asked)
    few = Responses(drivers, names, MOST_MOMENTS)
    drawn = [_curves(response, len(names), asked) for response in few.drawn(DRAWS, seed)]
    reach = stats.t.ppf(0.5 + LEVEL / 2, GROUPS - 1) * np.std(drawn, axis=0, ddof=1)
    refuse_unknown([point, reach], drivers)
    return pd.DataFrame(
        {
            "touchpoint": np.repeat(names, len(asked)),
            "multiplier": np.tile(asked, len(names)),
            "cost": np.outer(known.cost, asked).ravel(),
            "incremental": point.ravel(),
            "ci_low": (point - reach).ravel(),
            "ci_high": (point + reach).ravel(),
        }
    )


def _curves(response: Any, count: int, multipliers: np.ndarray) -> np.ndarray:
    """Outcomes beyond those without the touchpoint; (touchpoints, multipliers)."""
    curves = np.zeros((count, len(multipliers)))
    for k in range(count):
        own = np.ones(count)
        own[k] = 0.0
        without = response.outcomes(own)
        for i, own[k] in enumerate(multipliers):
            curves[k, i] = response.outcomes(own) - without
    return curves
