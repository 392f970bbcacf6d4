"""Touches as events of their own: a sample of them, and whole paths of some customers."""

from __future__ import annotations

import ibis
import pandas as pd

from touchlab.moments.look import Points, look
from touchlab.moments.risk import risk_windows, seconds, uniform, within
from touchlab.moments.sample import Moments
from touchlab.readers import kept

SPARE = 4
"""So many times the touches wanted are looked at, where there are more of every touchpoint."""


def sample_touches(moments: Moments, *, most: int) -> tuple[Points, pd.Series]:
    """Draw up to about `most` touches of each touchpoint at risk, and describe the moment before.

    Returns points whose table has a `touchpoint`, and touches at risk by touchpoint, which
    are estimated where not all customers are looked at.
    """
    data = moments.data
    own = data.touches
    own = own.select("customer_id", "touchpoint", time=seconds(own.timestamp))
    windows = risk_windows(data, moments.risk)
    if moments.touches.min() > SPARE * most:
        # a hash a customer costs less than one a touch
        share = SPARE * most / moments.touches.min()
        windows = windows.filter(uniform(windows, "touched", moments.seed) < share)
    else:
        share = 1.0
    with kept(within(own, windows), "touched") as held:
        counts = held.group_by("touchpoint").aggregate(n=held.count()).to_pandas()
        shares = ibis.memtable(counts.assign(share=most / counts.n)[["touchpoint", "share"]])
        joined = held.inner_join(shares, "touchpoint")
        drawn = joined.filter(uniform(joined, "touch", moments.seed) < joined.share)
        asked = drawn.select("customer_id", "touchpoint", "time", "start").to_pandas()
    asked = asked.sort_values(["touchpoint", "customer_id", "time"], ignore_index=True)
    points = look(
        data,
        asked,
        touchpoints=moments.touches.index,
        half_lives=moments.half_lives,
        origin=moments.start_seconds,
    )
    n = counts.set_index("touchpoint").n.reindex(moments.touches.index).fillna(0)
    return points, n / share


def touch_paths(moments: Moments, customers: pd.Series) -> pd.DataFrame:
    """All touches of some customers: customer, time (seconds), touchpoint (its number)."""
    ids = ibis.memtable(pd.DataFrame({"customer_id": customers}))
    own = moments.data.touches.semi_join(ids, "customer_id")
    rows = own.select("customer_id", "touchpoint", time=seconds(own.timestamp)).to_pandas()
    number = moments.touches.index.get_indexer(rows.touchpoint)
    return pd.DataFrame({"customer": rows.customer_id, "time": rows.time, "touchpoint": number})
