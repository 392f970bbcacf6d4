"""What is known of a customer at a moment: exposures, clocks, earlier outcomes, traits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.data.customers import DAY_SECONDS, seconds, traits
from touchlab.data.dataset import Dataset
from touchlab.numeric import customer_group

OLDEST = 900.0
"""Half-lives after which a touch counts as 2^-900: engines refuse a power that underflows."""
RECENT_DAYS = 24.0
"""Half-life of earlier outcomes in `recent_<outcome>`."""
PRIOR, RECENT = "prior_", "recent_"
OWN = (
    *("customer", "customer_id", "time", "start", "until", "moment", "event", "group"),
    *("since", "day", "left"),
)


@dataclass(frozen=True)
class Points:
    """Moments and what is known at each.

    `table` has a row a moment: customer, group, day (since the first day of the data),
    since (days at risk so far), prior_<outcome> (how many before), recent_<outcome> (the same,
    decayed with a half-life of 24 days) and traits. `exposure` (touchpoints, half-lives, moments)
    is the decayed stock of touches strictly before the moment.
    """

    table: pd.DataFrame
    exposure: npt.NDArray[np.float32]

    def take(self, rows: npt.NDArray[np.int64] | slice) -> Self:
        """The same with some of the moments."""
        table = self.table.iloc[rows].reset_index(drop=True)
        return replace(self, table=table, exposure=self.exposure[:, :, rows])


def look(
    data: Dataset,
    asked: pd.DataFrame,
    *,
    touchpoints: pd.Index,
    half_lives: tuple[float, ...],
    origin: float,
) -> Points:
    """Describe the moments `asked` (customer_id, time, start in seconds), in their order."""
    asked = asked.reset_index(drop=True).assign(moment=np.arange(len(asked)))
    moments = ibis.memtable(asked[["moment", "customer_id", "time"]])
    exposure = _exposures(data.touches, moments, touchpoints, half_lives, len(asked))
    ids = moments.select("customer_id").distinct()
    groups = ids.mutate(group=customer_group(ids.customer_id)).to_pandas()
    table = asked.merge(groups, on="customer_id", how="left")
    table["since"] = (table.time - table.start) / DAY_SECONDS
    table["day"] = (table.time - origin) / DAY_SECONDS
    if "until" in table:
        table["left"] = ((table.until - table.time) / DAY_SECONDS).clip(lower=0)
    table = table.assign(**_earlier_outcomes(data.outcomes, moments, len(asked)))
    names = trait_columns(data)
    if names:
        known = data.tables["customers"].semi_join(ids, "customer_id")
        known = known.select("customer_id", *names).to_pandas().rename(columns=names)
        table = table.merge(known, on="customer_id", how="left")
    return Points(table.rename(columns={"customer_id": "customer"}), exposure)


def _exposures(
    touches: ir.Table,
    moments: ir.Table,
    touchpoints: pd.Index,
    half_lives: tuple[float, ...],
    count: int,
) -> npt.NDArray[np.float32]:
    pairs, age = _before(touches, "touchpoint", moments)
    sums = {f"a{i}": _decay(age, days).sum() for i, days in enumerate(half_lives)}
    rows = pairs.group_by("moment", "touchpoint").aggregate(**sums).to_pandas()
    rows = rows[rows.touchpoint.isin(touchpoints)]  # some are left out of the drivers
    exposure = np.zeros((len(touchpoints), len(half_lives), count), dtype=np.float32)
    place, moment = touchpoints.get_indexer(rows.touchpoint), rows.moment.to_numpy()
    exposure[place, :, moment] = rows[list(sums)].to_numpy()
    return exposure


def _earlier_outcomes(
    outcomes: ir.Table, moments: ir.Table, count: int
) -> dict[str, npt.NDArray[np.float64]]:
    pairs, age = _before(outcomes, "outcome", moments)
    rows = pairs.group_by("moment", "outcome").aggregate(
        n=pairs.count(), recent=_decay(age, RECENT_DAYS).sum()
    )
    found = {}
    for name, own_rows in rows.to_pandas().groupby("outcome"):
        for column, values in ((PRIOR, own_rows.n), (RECENT, own_rows.recent)):
            found[f"{column}{name}"] = np.zeros(count)
            found[f"{column}{name}"][own_rows.moment.to_numpy()] = values.to_numpy()
    return found


def _before(rows: ir.Table, kind: str, moments: ir.Table) -> tuple[ir.Table, ir.Value]:
    """Pair moments with what the customer had strictly before; and its age in days."""
    own = rows.select("customer_id", kind, at=seconds(rows.timestamp))
    pairs = own.inner_join(moments, "customer_id")
    pairs = pairs.filter(pairs["at"] < pairs.time)
    return pairs, (pairs.time - pairs["at"]) / DAY_SECONDS


def _decay(age: ir.Value, half_life: float) -> ir.Value:
    return ibis.literal(0.5) ** ibis.least(age / half_life, OLDEST)


def is_history(column: str) -> bool:
    """Whether a column of moments tells of earlier outcomes."""
    return column.startswith((PRIOR, RECENT))


def trait_columns(data: Dataset) -> Mapping[str, str]:
    """Traits of customers, and their columns in moments: named apart where one of ours is alike."""
    return {c: f"{c} (trait)" if c in OWN or is_history(c) else c for c in traits(data)}
