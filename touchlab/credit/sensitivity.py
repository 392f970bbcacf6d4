"""Credit looked at from other sides: by model, month, segment, lookback, and beside its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from touchlab.credit.attribute import NO_TOUCH, attribute
from touchlab.credit.cost import return_on_cost, touch_costs
from touchlab.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.journeys.build import Journeys

MODEL = "markov"
LOOKBACKS = ("7D", "14D", "30D", "60D", "90D")


def by_model(credit: pd.DataFrame) -> pd.DataFrame:
    """Set shares side by side, in per cent: how far models differ, then a column a model."""
    if credit.empty:
        return credit[["touchpoint"]]
    shares = credit.pivot_table(index="touchpoint", columns="model", values="share", sort=False)
    apart = (shares.max(axis=1) - shares.min(axis=1)).rename("apart")
    order = shares.mean(axis=1).sort_values(ascending=False).index
    wide = pd.concat([apart, shares], axis=1).loc[order]
    alone = wide.index == NO_TOUCH
    wide = pd.concat([wide[~alone], wide[alone]])
    text = wide.map(lambda share: "hidden" if pd.isna(share) else f"{100 * share:.1f}")
    return text.rename(columns=lambda c: str(c).replace("_", " ")).reset_index()


def ranked(credit: pd.DataFrame) -> pd.DataFrame:
    """Put the most credited touchpoint first, and outcomes without a touch last."""
    alone = credit.touchpoint == NO_TOUCH
    return pd.concat([credit[~alone].sort_values("credit", ascending=False), credit[alone]])


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
    return _segmented(data, by="month", outcome=outcome, lookback=lookback)


def by_segment(
    data: Dataset, segment: str, *, outcome: str = "conversion", lookback: str | None = "30D"
) -> pd.DataFrame:
    """Share of each touchpoint within each value of a trait, by the Markov model."""
    if not data.has("customers"):
        raise MissingInput(
            "No customers table: with traits such as region, credit would be shown by segment."
        )
    if not segment:
        fixed = {"customer_id", "observed_from", "observed_to"}
        traits = sorted(set(data.tables["customers"].columns) - fixed)
        raise MissingInput(
            "No segment was asked for. Set the parameter “segment” to one of "
            f"{', '.join(traits) or 'the traits of customers'} to see credit by it."
        )
    return _segmented(data, by=segment, outcome=outcome, lookback=lookback)


def by_lookback(
    data: Dataset, *, outcome: str = "conversion", lookbacks: Sequence[str] = LOOKBACKS
) -> pd.DataFrame:
    """Share of each touchpoint under other lookbacks, by the Markov model, with the lookback."""
    if not data.has("touches"):
        return attribute(data, models=[MODEL]).assign(lookback="whole path")
    frames = [
        attribute(data, outcome=outcome, models=[MODEL], lookback=lookback).assign(
            lookback=lookback
        )
        for lookback in lookbacks
    ]
    return pd.concat(frames, ignore_index=True)


def value_and_cost(data: Dataset, journeys: Journeys) -> pd.DataFrame:
    """Set the Markov credit of value beside the cost of the touches, and the return on it."""
    value = attribute(journeys, models=[MODEL], measure="value")
    table = return_on_cost(value, touch_costs(data)).drop(columns=["model", "n"])
    return ranked(table)


def _segmented(
    data: Dataset | Journeys, *, by: str, outcome: str, lookback: str | None
) -> pd.DataFrame:
    return attribute(data, outcome=outcome, models=[MODEL], lookback=lookback, by=by)
