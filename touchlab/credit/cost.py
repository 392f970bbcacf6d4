"""Credit beside what the touches cost: return on cost, or cost per outcome."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from touchlab.data.customers import NO_TOUCH
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError, nearest
from touchlab.journeys.counts import Measure, need_measure


def touch_costs(data: Dataset) -> pd.Series[float]:
    """Add up what the touches of each touchpoint cost, over the whole data.

    Returns
    -------
    pandas.Series
        ``cost`` by touchpoint, in the data's currency; touches without a cost count 0,
        touchpoints without any cost are left out.

    Raises
    ------
    MissingInput
        If no touch has a cost.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> when = pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-03"], utc=True)
    >>> touches = pd.DataFrame({
    ...     "customer_id": [1, 1, 2], "timestamp": when, "touchpoint": ["ad", "ad", "direct"],
    ...     "cost": [0.2, 0.3, None],
    ... })
    >>> outcomes = pd.DataFrame({
    ...     "customer_id": [1], "timestamp": when[-1:], "outcome": ["conversion"],
    ... })
    >>> touch_costs(tl.open_data({"touches": touches, "outcomes": outcomes})).to_dict()
    {'ad': 0.5}
    """
    if data.has("touches") and "cost" in data.touches.columns:
        touches = data.touches.filter(data.touches.cost.notnull())
        sums = touches.group_by("touchpoint").aggregate(cost=touches.cost.sum()).to_pandas()
        if len(sums):
            return sums.set_index("touchpoint").cost.sort_index()
    raise MissingInput(
        "touches.cost: no touch has a cost\n"
        "  give touches a column `cost`, in the currency of outcomes.value"
    )


def return_on_cost(
    credit: pd.DataFrame,
    cost: Mapping[str, float] | pd.Series[float],
    *,
    measure: Measure = "value",
) -> pd.DataFrame:
    """Set credit beside cost. It says what touchpoints are credited with, not what they caused.

    Parameters
    ----------
    credit
        A table of `attribute`, with the same `measure`.
    cost
        Cost by touchpoint, such as `touch_costs(data)`.
    measure
        ``"value"`` gives the return on cost, ``"count"`` the cost per outcome.

    Returns
    -------
    pandas.DataFrame
        The table with ``cost`` and, for value, ``roi, roi_low, roi_high`` (credit / cost
        - 1), for count ``cost_per_outcome, cost_per_outcome_low, cost_per_outcome_high``;
        NaN where a touchpoint costs nothing. The cost itself is taken as known.

    Raises
    ------
    ParameterError
        For costs of touchpoints that the table does not have, or below 0.

    Examples
    --------
    >>> credit = pd.DataFrame({
    ...     "model": "linear", "touchpoint": ["ad", "direct"], "credit": [30.0, 10.0],
    ...     "share": [0.75, 0.25], "ci_low": [24.0, 8.0], "ci_high": [36.0, 12.0], "n": 40.0,
    ... })
    >>> return_on_cost(credit, {"ad": 20.0})[["touchpoint", "cost", "roi", "roi_low", "roi_high"]]
      touchpoint  cost  roi  roi_low  roi_high
    0         ad  20.0  0.5      0.2       0.8
    1     direct   NaN  NaN      NaN       NaN
    """
    need_measure(measure)
    _check_cost(credit, dict(cost))
    spent = credit.touchpoint.map(dict(cost)).astype(float)
    paid = spent.where(spent > 0)
    table = credit.assign(cost=spent)
    ends = {"": credit.credit, "_low": credit.ci_low, "_high": credit.ci_high}
    if measure == "value":
        return table.assign(**{f"roi{end}": worth / paid - 1 for end, worth in ends.items()})
    # most credit costs least for each outcome
    ends |= {"_low": credit.ci_high, "_high": credit.ci_low}
    with np.errstate(divide="ignore"):
        return table.assign(**{f"cost_per_outcome{e}": paid / n for e, n in ends.items()})


def _check_cost(credit: pd.DataFrame, cost: Mapping[str, float]) -> None:
    known = [name for name in credit.touchpoint.unique() if name != NO_TOUCH]
    for name, amount in cost.items():
        if name not in known:
            raise ParameterError(
                f"cost: {name!r} is not a touchpoint of the credit{nearest(str(name), known)}\n"
                f"  the touchpoints are {', '.join(known)}"
            )
        if not amount >= 0:
            raise ParameterError(f"cost: {name!r} costs {amount}\n  give amounts of at least 0")
