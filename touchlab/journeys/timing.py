"""How long before the outcome touches come."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.journeys.build import Journeys, build_journeys
from touchlab.journeys.ordered import order_events
from touchlab.journeys.touches import NO_CODE, converting_touches
from touchlab.replicates import interval

Floats = npt.NDArray[np.float64]

SLACK = 1e-6  # hours: a whole number of hours must not be rounded up for a float's sake


def time_to_outcome(
    data: Dataset | Journeys,
    *,
    outcome: str = "conversion",
    lookback: str | None = "30D",
    repeats: str = "keep",
) -> pd.DataFrame:
    """Say how long before the outcome the touches of each touchpoint come.

    Only touches of journeys with the outcome are looked at, so it does not say how
    fast a touchpoint works: the lookback and the end of the data cut long times off.

    Parameters
    ----------
    data
        An opened Dataset, or journeys already built; segments are put together.
    outcome, lookback, repeats
        As in `build_journeys`.

    Returns
    -------
    pandas.DataFrame
        ``touchpoint, p25_days, median_days, p75_days, ci_low, ci_high, n``: times in
        days, each rounded up to the hour, that a quarter, half and three quarters of
        the `n` touches keep; the interval is the median's [Woodruff 1952], by
        customer groups.

    Raises
    ------
    MissingInput
        For a paths table, which has no times.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> touches = pd.DataFrame({
    ...     "customer_id": 1, "touchpoint": ["ad", "ad", "email"],
    ...     "timestamp": pd.to_datetime(["2026-03-01", "2026-03-03", "2026-03-04"], utc=True),
    ... })
    >>> outcomes = pd.DataFrame({
    ...     "customer_id": [1], "outcome": ["conversion"],
    ...     "timestamp": pd.to_datetime(["2026-03-04T12:00"], utc=True),
    ... })
    >>> times = time_to_outcome(tl.open_data({"touches": touches, "outcomes": outcomes}))
    >>> times[["touchpoint", "p25_days", "median_days", "p75_days", "n"]]
      touchpoint  p25_days  median_days  p75_days  n
    0         ad       1.5          1.5       3.5  2
    1      email       0.5          0.5       0.5  1
    """
    journeys = build_journeys(data, outcome=outcome, lookback=lookback, repeats=repeats)
    if not journeys.timed:
        raise MissingInput(
            "time_to_outcome: a paths table has no times\n"
            "  with touches and outcomes, it would say how long before the outcome touches come"
        )
    touches = converting_touches(order_events(journeys)).table
    hours = (touches.age_days * 24 - SLACK).ceil().cast("int64")
    counts = touches.mutate(hours=hours).filter(touches.code != NO_CODE)
    counts = counts.group_by("code", "hours", "group").aggregate(n=counts.count()).to_pandas()
    rows = [
        {"touchpoint": journeys.touchpoints[int(code)], **_quantiles(own, journeys.groups)}
        for code, own in counts.groupby("code")
    ]
    columns = ["touchpoint", "p25_days", "median_days", "p75_days", "ci_low", "ci_high", "n"]
    return pd.DataFrame(rows, columns=columns)


def _quantiles(counts: pd.DataFrame, groups: int) -> dict[str, float]:
    """Read the quantiles of one touchpoint from its touches by hour and customer group."""
    by_hour = counts.groupby("hours").n.sum().sort_index()
    hours, passed = by_hour.index.to_numpy(), by_hour.cumsum().to_numpy()
    n = passed[-1]

    def days(quantile: float) -> float:
        return float(hours[min(np.searchsorted(passed, quantile * n - 1e-9), len(hours) - 1)]) / 24

    median = days(0.5)
    group, weight = counts.group.to_numpy(dtype=np.int64), counts.n.to_numpy(dtype=float)
    every = np.bincount(group, weight, minlength=groups)
    within = np.bincount(group, weight * (counts.hours <= median * 24 + SLACK), minlength=groups)
    apart = within - within.sum() / n * every
    error = np.array([np.sqrt(groups / (groups - 1) * (apart**2).sum()) / n])
    low, high = interval(np.array([0.5]), error, np.array([groups - 1.0]), low=0.0, high=1.0)
    return {
        "p25_days": days(0.25),
        "median_days": median,
        "p75_days": days(0.75),
        "ci_low": days(low[0]),
        "ci_high": days(high[0]),
        "n": int(n),
    }
