"""What touches cost, which of them can be bought, and what they bring for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.budget.response import Responses
from touchlab.credit.attribute import attribute
from touchlab.data.contract import listing
from touchlab.data.customers import owners, seconds
from touchlab.drivers.checks import DESCRIPTIVE
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, ParameterError, need_name
from touchlab.moments.risk import ENDING, risk_windows
from touchlab.numeric import Floats, interval, one_thread

MULTIPLIERS = (0.0, 0.5, 1.0, 1.5, 2.0)
DRAWS, MOST_MOMENTS = 60, 20_000
VALUE = ["value", "value_low", "value_high"]
BOUNDED, OPEN, NONE = "bounded", "no upper end", "not above zero"
Caps = tuple[float, float] | Mapping[str, tuple[float, float]]
USUAL_CAPS = (0.5, 2.0)
OF_DRIVERS, THERE_ARE = "is not a touchpoint of the drivers", "the touchpoints are"
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
    owned = owners(drivers.moments.data)
    paid = paid.assign(n=paid.n.astype(int), owner=[owned.get(name, "") for name in paid.index])
    return Costs(paid, mean_value(drivers), tuple(table.index[table.cost == 0]))


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
        need_name("costs", name, known, OF_DRIVERS, offer=THERE_ARE)
        if not 0 <= amount < np.inf:
            raise ParameterError(f"costs: {name!r} costs {amount}\n  give amounts of at least 0")


def mean_value(drivers: Drivers) -> float:
    outcomes = drivers.moments.data.outcomes
    if "value" not in outcomes.columns:
        return np.nan
    own = outcomes.filter(outcomes.outcome == drivers.moments.risk.outcome)
    mean = own.value.mean().to_pyarrow().as_py()
    return np.nan if mean is None else float(mean)


def held(table: pd.DataFrame, move_doubted: bool) -> pd.Series[bool]:
    """Say which touchpoints keep what they have: the customer's own, and those doubted."""
    doubted = (table.badge == DESCRIPTIVE) & (not move_doubted)
    stays = doubted | (table.owner == "customer")
    if not stays.all():
        return stays
    raise MissingInput(
        f"budget: nothing can be moved: {listing(table.index)} are doubted or the customer's own\n"
        "  with experiments on them, or a customers table and more outcomes, this says where "
        "the next euro brings most"
    )


def limits(caps: Caps, moved: pd.Index, known: list[str]) -> tuple[Floats, Floats]:
    """Least and most multiples, by touchpoint that may be moved."""
    named = caps if isinstance(caps, Mapping) else dict.fromkeys(moved, caps)
    for name, pair in named.items():
        need_name("caps", name, known, OF_DRIVERS, offer=THERE_ARE)
        fine = isinstance(pair, tuple | list) and len(pair) == 2 and all(map(_number, pair))
        if not fine or not 0 <= pair[0] <= pair[1] or pair[1] == np.inf:
            raise ParameterError(
                f"caps: {pair!r} is not a pair of multiples\n"
                "  give the least and the most, such as (0.5, 2.0): at least 0, in this order"
            )
    pairs = np.array([named.get(name, USUAL_CAPS) for name in moved], dtype=float)
    return pairs[:, 0], pairs[:, 1]


def settle_budget(budget: float | None, moved: pd.DataFrame, least: float, most: float) -> float:
    """The budget for what may be moved; the caps let from `least` to `most` be spent."""
    now = float(moved.cost.sum())
    if budget is None:
        if len(moved) == 1:
            raise MissingInput(
                f"budget: {moved.index[0]!r} is the only touchpoint that can be moved\n"
                "  with costs of two or more, this says between which to move money; with "
                "another budget, what more or less of it would bring"
            )
        budget = now
    if not _number(budget) or not 0 < budget < np.inf:
        raise ParameterError(
            f"budget: {budget!r} was given\n  give an amount above 0, such as the {now:,.0f} now"
        )
    if not least * (1 - 1e-9) <= budget <= most * (1 + 1e-9):
        raise ParameterError(
            f"budget: {budget:,.0f} cannot be met with these caps\n"
            f"  what can be moved costs {now:,.0f} now, and under the caps from {least:,.0f} "
            f"to {most:,.0f}; give a budget between, or wider caps"
        )
    return float(np.clip(budget, least, most))


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def refuse_unknown(numbers: npt.ArrayLike, drivers: Drivers) -> None:
    """Refuse an answer of which the draws leave nothing finite."""
    if not np.isfinite(numbers).all():
        moments = drivers.moments
        raise MissingInput(
            f"budget: {moments.events:,.0f} {moments.risk.outcome} outcomes are too few to plan "
            "with\n  with more outcomes, this says where the next euro brings most"
        )


def per_outcome(cost: npt.ArrayLike, brought: npt.ArrayLike) -> Floats:
    """Cost of one outcome; infinite where none is brought.

    >>> per_outcome([100.0, 100.0], [4.0, -1.0]).tolist()
    [25.0, inf]
    """
    spent, gained = np.asarray(cost, dtype=float), np.asarray(brought, dtype=float)
    return np.where(gained > 0, spent / np.where(gained > 0, gained, 1.0), np.inf)


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
        value, value_low, value_high, cost_per_incremental, cost_per_incremental_low,
        cost_per_incremental_high, cost_per_credited, roi, roi_low, roi_high, reading, badge,
        n``. Cost per incremental outcome is infinite where none may have come, which
        `reading` says: ``bounded``,
        ``no upper end`` (the interval of `incremental` holds 0), ``not above zero`` (the
        estimate is not above 0). For churn, outcomes prevented are counted; they are not
        credited. `value` is what would be missing of the value of outcomes, `roi` that over
        cost - 1 (NaN without values); `n` touches at risk.

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
    table = drivers.incremental(total=False, checks=checks)
    try:
        table = drivers.value.beside(table)
    except MissingInput:  # without values, costs are by outcome alone
        table[VALUE] = np.nan
    columns = ["incremental", "ci_low", "ci_high", *VALUE, "badge"]
    table = table.set_index("touchpoint")[columns].loc[known.table.index]
    table = table.assign(cost=known.table.cost, n=known.table.n)
    ends = table[["ci_high", "ci_low"]] if sign > 0 else -table[["ci_low", "ci_high"]]
    brought = {"": sign * table.incremental, "_low": ends.iloc[:, 0], "_high": ends.iloc[:, 1]}
    for end, amount in brought.items():
        table[f"cost_per_incremental{end}"] = per_outcome(table.cost, amount)
    for end, other in zip(("", "_low", "_high"), ("", "_high", "_low"), strict=True):
        worth = table[f"value{end}"] if sign > 0 else -table[f"value{other}"]
        table[f"roi{end}"] = worth / table.cost - 1
    table["reading"] = np.select(
        [brought["_high"] > 0, brought[""] > 0], [BOUNDED, OPEN], default=NONE
    )
    table["cost_per_credited"] = np.nan
    if sign > 0:
        credited = _credited(drivers, credit, lookback)
        table["cost_per_credited"] = table.cost / credited.where(credited > 0)
        # cost over it is the credit again: it is hidden wherever that is
        base = {"touchpoint": [*credited.index], "credit": [*credited]}
        table.attrs["stands_on"] = {"cost_per_credited": base}
    table = table.reset_index()
    columns = ["touchpoint", "cost", "incremental", "ci_low", "ci_high", *VALUE]
    columns += [
        "cost_per_incremental",
        "cost_per_incremental_low",
        "cost_per_incremental_high",
        "cost_per_credited",
    ]
    return table[[*columns, "roi", "roi_low", "roi_high", "reading", "badge", "n"]]


def _credited(drivers: Drivers, model: str, lookback: str | None) -> pd.Series[float]:
    moments = drivers.moments
    table = attribute(moments.data, outcome=moments.risk.outcome, models=[model], lookback=lookback)
    return table.set_index("touchpoint").credit


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
        with their 95 % interval), ``gain, gain_low, gain_high`` (beyond those now).

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
    low, high = interval(point, np.std(drawn, axis=0, ddof=1))
    refuse_unknown([low, high], drivers)
    beyond = [own[:, :-1] - own[:, -1:] for own in (point, *drawn)]
    gain_low, gain_high = interval(beyond[0], np.std(beyond[1:], axis=0, ddof=1))
    point, low, high = point[:, :-1], low[:, :-1], high[:, :-1]
    return pd.DataFrame(
        {
            "touchpoint": np.repeat(names, len(asked)),
            "multiplier": np.tile(asked, len(names)),
            "cost": np.outer(known.cost, asked).ravel(),
            "incremental": point.ravel(),
            "ci_low": low.ravel(),
            "ci_high": high.ravel(),
            "gain": beyond[0].ravel(),
            "gain_low": gain_low.ravel(),
            "gain_high": gain_high.ravel(),
        }
    )


def _curves(response: Any, count: int, multipliers: np.ndarray) -> np.ndarray:
    """Outcomes beyond those without the touchpoint; (touchpoints, multipliers and now)."""
    curves = np.zeros((count, len(multipliers) + 1))
    for k in range(count):
        own = np.ones(count)
        own[k] = 0.0
        without = response.outcomes(own)
        for i, own[k] in enumerate(multipliers):
            curves[k, i] = response.outcomes(own) - without
        curves[k, -1] = response.now - without
    return curves
