"""Touches that no regression can use: of a few customers with most, or at the outcome itself."""

from __future__ import annotations

from dataclasses import replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.data.customers import DAY_SECONDS, directions, seconds
from touchlab.data.dataset import Dataset
from touchlab.moments.sample import Moments

FEW, MUCH = 0.01, 0.25
"""Touches are concentrated where so few of those touched hold so much of them."""
USUAL, EXTREME = 0.95, 10.0
"""Customers are extreme beyond so many times that point of their touchpoint's touches."""
HOUR = 3_600.0
FEWEST_MET, TIMES = 20, 30.0
"""Outcomes within an hour of a touch, and how much more of them than touches at random would meet,
from which on a touch is part of the occasion: known effects multiply a rate by less than ten."""


def concentration(data: Dataset) -> pd.DataFrame:
    """How touches are spread over customers: touchpoint, share (of the top 1 %), limit, extreme.

    `limit` is the most touches of a customer who is not extreme, `extreme` counts the others.
    """
    each = _counts(data)
    cells = each.group_by("touchpoint", "touches").aggregate(customers=each.count()).to_pandas()
    rows = []
    for name, own in cells.sort_values("touches").groupby("touchpoint"):
        people, touches = own.customers.cumsum(), own.touches * own.customers
        limit = EXTREME * float(own.touches[people >= USUAL * people.iloc[-1]].iloc[0])
        # of those in the last cell that reaches into the top 1 %, only the part that lies in it
        top = np.ceil(FEW * people.iloc[-1])
        above = (people - people.iloc[-1] + top).clip(lower=0, upper=own.customers)
        share = float((above * own.touches).sum() / touches.sum())
        rows.append((name, share, limit, int(own.customers[own.touches > limit].sum())))
    return pd.DataFrame(rows, columns=["touchpoint", "share", "limit", "extreme"])


def without_extremes(data: Dataset) -> Dataset:
    """The data without customers who have more touches of some touchpoint than its limit."""
    spread = concentration(data)
    spread = spread[spread.extreme > 0]
    if spread.empty:
        return data
    each = _counts(data).inner_join(ibis.memtable(spread[["touchpoint", "limit"]]), "touchpoint")
    strange = each.filter(each.touches > each["limit"]).select("customer_id").distinct().to_pandas()
    ids = ibis.memtable(strange)
    tables = {
        # select ends the join: more can be joined to what is left
        name: table.anti_join(ids, "customer_id").select(*table.columns)
        if "customer_id" in table.columns
        else table
        for name, table in data.tables.items()
    }
    return replace(data, tables=tables)


def about_concentration(data: Dataset) -> list[str]:
    """Say which touchpoints' touches are those of a few customers; counted, never named."""
    spread = concentration(data)
    return [
        f"{row.touchpoint}: 1 % of its customers have {row.share:.0%} of its touches, "
        f"{row.extreme:,} of them more than {row.limit:,.0f} each; automatic ones, perhaps: "
        "fit again with without='extreme customers'"
        for row in spread[(spread.share > MUCH) & (spread.extreme > 0)].itertuples()
    ]


def occasions(moments: Moments) -> pd.DataFrame:
    """Outcomes whose last touch was less than an hour before, by touchpoint.

    Columns: touchpoint, met, share, times (more than touches at random would meet), near (so much
    more that the touch must be part of the occasion, such as a session in which one buys), part
    (near, and enough of them to tell). What is only ever sent out is no occasion.
    """
    events = moments.table[moments.table.event == 1][["customer", "time"]]
    asked = events.reset_index(drop=True).rename(columns={"customer": "customer_id"})
    own = moments.data.touches
    own = own.select("customer_id", "touchpoint", at=seconds(own.timestamp))
    pairs = own.inner_join(ibis.memtable(asked.assign(moment=np.arange(len(asked)))), "customer_id")
    wait = pairs.time - pairs["at"]
    within = pairs.filter((wait > 0) & (wait <= HOUR)).select("moment", "touchpoint", "at")
    ordered = within.to_pandas().sort_values(["moment", "at", "touchpoint"])
    last = ordered.drop_duplicates("moment", keep="last")
    met = last.touchpoint.value_counts().reindex(moments.touchpoints).fillna(0).to_numpy()
    share = met / max(len(asked), 1)
    chance = moments.touches.to_numpy() * HOUR / DAY_SECONDS / moments.customer_days
    times = share / np.maximum(chance, 1e-12)
    sent = {name for name, ways in directions(moments.data).items() if ways == {"out"}}
    near = (times >= TIMES) & ~np.isin(moments.touchpoints, list(sent))
    found = {"met": met.astype(int), "share": share, "times": times, "near": near}
    found["part"] = near & (met >= FEWEST_MET)
    return pd.DataFrame({"touchpoint": moments.touchpoints, **found})


def _counts(data: Dataset) -> ir.Table:
    return data.touches.group_by("touchpoint", "customer_id").aggregate(
        touches=data.touches.count()
    )
