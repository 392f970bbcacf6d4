"""Credit looked at from other sides: by model, month, segment, lookback, and beside its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from touchlab.credit.attribute import (
    MARKOV,
    attribute,
    check_outcomes,
    check_shared_out,
    choose_models,
)
from touchlab.credit.frame import credit_of_cells, segments, tidy_credit, total_by_group
from touchlab.data.customers import NO_TOUCH
from touchlab.data.dataset import Dataset
from touchlab.errors import DataError, MissingInput, ParameterError, need_name
from touchlab.journeys.build import Journeys, build_journeys, order_events
from touchlab.journeys.counts import NO_CODE, Measure, Rule, need_measure, rule_sums

MODEL = "markov"
LOOKBACKS = ("7D", "14D", "30D", "60D", "90D")
POSITIONS = 10


def credit_by_position(
    data: Dataset | Journeys,
    *,
    model: str | Rule = "shapley",
    measure: Measure = "count",
    outcome: str = "conversion",
    lookback: str | None = "30D",
    repeats: str = "keep",
) -> pd.DataFrame:
    """Split the credit of each touchpoint by the position of its touches.

    With ``shapley`` this is the ordered Shapley value: each distinct touchpoint of a
    journey gets an equal share of its outcome, and divides it equally among its
    touches there [Zhao, Mahboobi, Bagheri 2018]. Markov models credit touchpoints as
    a whole, and have no positions.

    Parameters
    ----------
    data
        An opened Dataset, or journeys already built.
    model
        A rule's name, or a `Rule` of your own.
    measure, outcome, lookback, repeats
        As in `attribute`.

    Returns
    -------
    pandas.DataFrame
        ``[segment], model, touchpoint, position, credit, share, ci_low, ci_high, n, within``;
        every touchpoint at every position, ``"1"`` to ``"10"`` and ``"11+"``. Credits
        of a touchpoint add up to those of `attribute`; `share` is of all outcomes `n`,
        with those that no touch can be credited with, `within` of the touchpoint's own.

    Raises
    ------
    ParameterError, DataError
        As in `attribute`, and for Markov models.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> paths = pd.DataFrame({"path": ["ad > email > ad", "email"], "conversions": [1, 1]})
    >>> table = credit_by_position(tl.open_data({"paths": paths}))
    >>> table.pivot(index="touchpoint", columns="position", values="credit")
    position       1    2     3
    touchpoint
    ad          0.25  0.0  0.25
    email       1.00  0.5  0.00
    """
    if isinstance(model, str) and model in MARKOV:
        raise ParameterError(
            f"model: {model!r} credits touchpoints as a whole, not at positions\n"
            "  use 'shapley' or a rule, such as 'linear'"
        )
    journeys = build_journeys(data, outcome=outcome, lookback=lookback, repeats=repeats)
    rule: Any = choose_models([model], journeys)[0]
    sums = rule_sums(order_events(journeys), [rule], measure=measure, positions=POSITIONS)
    check_outcomes(sums, journeys, measure)
    deepest = int(sums.position.max())
    names = pd.MultiIndex.from_product(
        [journeys.touchpoints, range(1, deepest + 1)], names=["touchpoint", "position"]
    )
    labels = names.to_frame(index=False)
    labels.insert(0, "model", rule.name)
    labels["position"] = [str(p) if p <= POSITIONS else f"{p}+" for p in labels.position]
    frames = []
    for segment, own in segments(sums):
        total = total_by_group(own, journeys.groups)
        touched = own[own.code != NO_CODE]
        cell = (touched.code * deepest + touched.position - 1).to_numpy(dtype=np.int64)
        check_shared_out(touched.sum_0, total, rule)
        credit = credit_of_cells(touched, cell, "sum_0", len(labels), journeys.groups)
        table = tidy_credit(labels, credit, total, segment)
        whole = table.groupby("touchpoint").credit.transform("sum")
        frames.append(table.assign(within=table.credit / whole.where(whole != 0)))
    return pd.concat(frames, ignore_index=True)


def by_model(credit: pd.DataFrame) -> pd.DataFrame:
    """Set shares side by side, in per cent: how far models differ, then a column a model."""
    if credit.empty:
        return credit[["touchpoint"]]
    shares = credit.pivot_table(index="touchpoint", columns="model", values="share", sort=False)
    apart = (shares.max(axis=1) - shares.min(axis=1)).rename("apart")
    order = shares.mean(axis=1).sort_values(ascending=False).index
    order = sorted(order, key=lambda touchpoint: touchpoint == NO_TOUCH)  # last, else as it is
    wide = pd.concat([apart, shares], axis=1).loc[order]
    text = wide.map(lambda share: "hidden" if pd.isna(share) else f"{100 * share:.1f}")
    return text.rename(columns=lambda c: str(c).replace("_", " ")).reset_index()


def ranked(credit: pd.DataFrame) -> pd.DataFrame:
    """Put the most credited touchpoint first, and outcomes without a touch last."""
    alone = credit.touchpoint == NO_TOUCH
    return pd.concat([credit[~alone].sort_values("credit", ascending=False), credit[alone]])


TIED = 5e-4
"""Shares that differ by less are one number to a reader."""


@dataclass(frozen=True)
class Swing:
    """The touchpoint whose share hangs most on the model, and its rows at both ends."""

    touchpoint: str
    low: pd.Series[Any]
    high: pd.Series[Any]
    least: str
    """The touchpoint on which the models agree best."""
    least_spread: float

    @property
    def agreed(self) -> bool:
        """Whether the models are one to a reader, for every touchpoint."""
        return bool(self.high.share - self.low.share < TIED)

    @property
    def beyond_chance(self) -> bool:
        return bool(self.high.ci_low > self.low.ci_high)


def most_debated(credit: pd.DataFrame) -> Swing:
    """Find where models differ most; `last_non_direct` is left out, it differs by definition."""
    table = credit[(credit.touchpoint != NO_TOUCH) & (credit.model != "last_non_direct")]
    shares = table.groupby("touchpoint").share.agg(["min", "max"])
    spread = (shares["max"] - shares["min"]).sort_values(kind="stable")
    widest = str(spread.idxmax())
    own = table[table.touchpoint == widest]
    return Swing(
        touchpoint=widest,
        low=own.loc[own.share.idxmin()],
        high=own.loc[own.share.idxmax()],
        least=str(spread.index[0]),
        least_spread=float(spread.iloc[0]),
    )


def by_month(
    data: Dataset | Journeys, *, outcome: str = "conversion", lookback: str | None = "30D"
) -> pd.DataFrame:
    """Share of each touchpoint by month of the journey's last event, by the Markov model.

    Months in which no outcome has a touch before it are left out.
    """
    if isinstance(data, Dataset) and not data.has("touches"):
        raise MissingInput("A paths table has no times: with them, credit would be shown by month.")
    return attribute(data, outcome=outcome, models=[MODEL], lookback=lookback, by="month")


def by_segment(
    data: Dataset, segment: str, *, outcome: str = "conversion", lookback: str | None = "30D"
) -> pd.DataFrame:
    """Share of each touchpoint within each value of a trait, by the Markov model."""
    if not data.has("customers"):
        raise MissingInput(
            "No customers table: with traits such as region, credit would be shown by segment."
        )
    return attribute(data, outcome=outcome, models=[MODEL], lookback=lookback, by=segment)


def by_lookback(
    data: Dataset, *, outcome: str = "conversion", lookbacks: Sequence[str] = LOOKBACKS
) -> pd.DataFrame:
    """Share of each touchpoint by the Markov model, under each lookback that meets outcomes."""
    if not data.has("touches"):
        return attribute(data, models=[MODEL]).assign(lookback="whole path")
    credit = {}
    for days in lookbacks:
        try:
            credit[days] = attribute(data, outcome=outcome, models=[MODEL], lookback=days)
        except DataError:  # so short that no outcome has a touch before it
            if days == lookbacks[-1] and not credit:
                raise
    frames = [table.assign(lookback=days) for days, table in credit.items()]
    return pd.concat(frames, ignore_index=True)


def value_and_cost(data: Dataset, journeys: Journeys) -> pd.DataFrame:
    """Set the Markov credit of value beside the cost of the touches, and the return on it."""
    value = attribute(journeys, models=[MODEL], measure="value")
    table = ranked(return_on_cost(value, touch_costs(data)))
    # chains share out outcomes and their value alike: what is hidden of the one is of the other
    outcomes = attribute(journeys, models=["last"]).n.iloc[0]
    base = {"touchpoint": [*table.touchpoint], "credit": [*(table.share * outcomes)]}
    table = table.drop(columns=["model", "n"])
    table.attrs["stands_on"] = dict.fromkeys(table.columns.drop(["touchpoint", "cost"]), base)
    return table


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
        need_name("cost", name, known, "is not a touchpoint of the credit",
                  offer="the touchpoints are")  # fmt: skip
        if not amount >= 0:
            raise ParameterError(f"cost: {name!r} costs {amount}\n  give amounts of at least 0")
