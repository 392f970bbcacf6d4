"""Touchpoints as the data has them: how many touches, how many customers."""

from __future__ import annotations

import pandas as pd

from touchlab.dataset import Dataset


def seen_touchpoints(data: Dataset) -> pd.DataFrame:
    """List touchpoints of touches and surveys, most touches first: touchpoint, touches, customers.

    Of a paths table, touches are counted and customers are missing.
    """
    if data.has("touches"):
        rows = data.touches
        counts = rows.group_by("touchpoint").aggregate(
            touches=rows.count().cast("float64"), customers=rows.customer_id.nunique()
        )
        table = counts.to_pandas()
    else:
        rows = data.tables["steps"]
        counts = rows.group_by("touchpoint").aggregate(touches=rows.weight.sum())
        table = counts.to_pandas().assign(customers=pd.NA)
    if data.has("surveys"):
        asked = data.tables["surveys"].select("touchpoint").distinct().to_pandas()
        only = asked[~asked.touchpoint.isin(table.touchpoint)]
        table = pd.concat([table, only.assign(touches=0.0, customers=0)], ignore_index=True)
    table = table.sort_values(["touches", "touchpoint"], ascending=[False, True], ignore_index=True)
    return table.astype({"touches": "int64", "customers": "Int64"})
