"""What touches cost, which of them can be bought, and what an outcome is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd

from touchlab.checks import nearest
from touchlab.contract import listing
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, ParameterError
from touchlab.moments import ENDING, risk_windows, seconds

NO_COSTS = (
    "budget: no touch has a cost\n"
    "  with costs, in touches.cost or by touchpoint in `costs`, this says what an outcome that "
    "would not have happened otherwise costs, and where the next euro brings most"
)


@dataclass(frozen=True)
class Costs:
    """Costs at risk: `table` has a row a touchpoint that costs something."""

    table: pd.DataFrame
    """Index touchpoint; cost, n (touches), owner."""
    value: float
    """Mean value of an outcome; NaN where none has a value."""
    free: tuple[str, ...]
    """Touchpoints that cost nothing."""


def find_costs(drivers: Drivers, given: Mapping[str, float] | None) -> Costs:
    """Add up what touches cost while their customer was at risk of the outcome.

    Touches outside the time at risk (before the first conversion, for churn) can have no
    effect that the drivers see, so their cost does not count either.
    """
    known = list(drivers.moments.touchpoints)
    table = _sums(drivers).reindex(known).fillna({"n": 0, "cost": 0.0})
    if given is not None:
        _check(given, known)
        table["cost"] = pd.Series(dict(given), dtype=float).reindex(known).fillna(0.0)
    paid = table[table.cost > 0]
    if paid.empty:
        raise MissingInput(NO_COSTS)
    owners = _owners(drivers)
    paid = paid.assign(n=paid.n.astype(int), owner=[owners.get(name, "") for name in paid.index])
    return Costs(paid, _value(drivers), tuple(table.index[table.cost == 0]))


def wanted(drivers: Drivers) -> int:
    """1 for an outcome that is to come more often, -1 for one such as churn."""
    return -1 if drivers.moments.risk.outcome in ENDING else 1


def _sums(drivers: Drivers) -> pd.DataFrame:
    data = drivers.moments.data
    windows = risk_windows(data, drivers.moments.risk)
    cost = data.touches.cost if "cost" in data.touches.columns else ibis.literal(0.0)
    touches = data.touches.select(
        "customer_id", "touchpoint", time=seconds(data.touches.timestamp), cost=cost
    )
    joined = touches.inner_join(windows, "customer_id")
    joined = joined.filter(joined.time.between(joined.start, joined.stop))
    sums = joined.group_by("touchpoint").aggregate(n=joined.count(), cost=joined.cost.sum())
    return sums.to_pandas().set_index("touchpoint")


def _check(given: Mapping[str, float], known: list[str]) -> None:
    for name, amount in given.items():
        if name not in known:
            raise ParameterError(
                f"costs: {name!r} is not a touchpoint of the drivers{nearest(str(name), known)}\n"
                f"  the touchpoints are {listing(known)}"
            )
        if not 0 <= amount < np.inf:
            raise ParameterError(f"costs: {name!r} costs {amount}\n  give amounts of at least 0")


def _owners(drivers: Drivers) -> dict[str, str]:
    data = drivers.moments.data
    if not data.has("touchpoints") or "owner" not in data.tables["touchpoints"].columns:
        return {}
    rows = data.tables["touchpoints"].select("touchpoint", "owner").to_pandas().dropna()
    return dict(zip(rows.touchpoint, rows.owner, strict=True))


def _value(drivers: Drivers) -> float:
    outcomes = drivers.moments.data.outcomes
    if "value" not in outcomes.columns:
        return np.nan
    own = outcomes.filter(outcomes.outcome == drivers.moments.risk.outcome)
    mean = own.value.mean().to_pyarrow().as_py()
    return np.nan if mean is None else float(mean)
