"""Case-base sample of time at risk: all events, and moments drawn from all customer-days.

A logistic regression of event or not on such a sample estimates the log hazard in
continuous time with exposures that change at every touch [Hanley & Miettinen 2009].
The engine draws the moments and adds up exposures; cost grows with events, not with
customers times days, and only the sample comes back.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.data.customers import DAY_SECONDS, seconds
from touchlab.data.dataset import Dataset
from touchlab.data.readers import kept
from touchlab.errors import MissingInput, ParameterError, TooThin
from touchlab.moments.look import OWN, Points, is_history, look, trait_columns
from touchlab.moments.risk import (
    Risk,
    find_risk,
    risk_ends,
    risk_events,
    risk_windows,
    uniform,
    within,
)

HALF_LIVES = (0.75, 1.5, 3.0, 6.0, 12.0, 24.0)
PER_EVENT = 20
"""Base moments drawn for each event: 20 cost 2 to 5 % of precision against all time at risk."""
FEWEST_MOMENTS = 4_000
MOST_EVENTS = 10_000
PRESENT, MOST_COMMON = 0.05, 0.99
SAME_TIME = 0.95
"""Share of outcomes at one time of day, or at two where clocks change, that have dates alone."""
EARLIER, MOST_EARLIER = 4, 400_000
"""Draws from the past of a moment, for outcomes that come once; fewer in large samples."""
SPARE = 4
"""So many times the touches wanted are looked at, where there are more of every touchpoint."""


@dataclass(frozen=True)
class Moments(Points):
    """A sample of moments at risk with what is known of each.

    `table` and `exposure` as in Points, events first, with `event` (1 or 0).
    """

    risk: Risk
    touches: pd.Series
    """All touches by touchpoint."""
    half_lives: tuple[float, ...]
    traits: tuple[str, ...]
    """Columns of `table` that hold traits of customers."""
    days_each: float
    """Customer-days that one base moment stands for."""
    events_each: float
    """Events that one event moment stands for: above 1 where events were sampled."""
    customer_days: float
    customers: int
    start_seconds: float
    """Where `day` is 0, in seconds since 1970."""
    seed: int
    data: Dataset = field(repr=False)
    clock: float | None = None
    """Second of the day at which all outcomes are noted: dates without times. None: any."""
    earlier: Points | None = field(default=None, repr=False)
    """For outcomes that come once: moments of the same customer before each moment, drawn
    from its time at risk; the same number for each, in the order of `table`."""

    @property
    def touchpoints(self) -> tuple[str, ...]:
        return tuple(self.touches.index)

    @property
    def windows_known(self) -> bool:
        return self.data.has("customers")

    @property
    def origin(self) -> pd.Timestamp:
        return pd.Timestamp(self.start_seconds, unit="s")

    @property
    def events(self) -> float:
        """All events, sampled or not."""
        return float(self.table.event.sum()) * self.events_each

    @property
    def histories(self) -> tuple[str, ...]:
        """Columns of `table` that tell of earlier outcomes."""
        own = {*OWN, *self.traits}
        return tuple(c for c in self.table.columns if is_history(c) and c not in own)


def sample_moments(
    data: Dataset,
    *,
    outcome: str = "conversion",
    after: str | None = "auto",
    recurrent: bool | None = None,
    half_lives: Sequence[float] = HALF_LIVES,
    per_event: int = PER_EVENT,
    seed: int = 1,
) -> Moments:
    """Draw moments of time at risk and add up the exposures at each, by half-life in days.

    `after` and `recurrent` as in `find_risk`. The same seed draws the same on every engine.
    """
    if data.has("steps"):
        raise MissingInput(
            "drivers: a paths table has no times\n  give touches and outcomes with their times"
        )
    grid = _half_lives(half_lives)
    if not per_event >= 1:
        raise ParameterError(f"per_event: {per_event!r}\n  give base moments an event, 1 or more")
    risk = find_risk(data, outcome, after, recurrent)
    with (
        kept(risk_windows(data, risk), "windows") as windows,
        kept(risk_events(data, windows, risk), "events") as events,
    ):
        measured = windows.aggregate(
            n=windows.count(), days=windows.days.sum(), first=windows.start.min()
        )
        total = measured.to_pandas().iloc[0]
        count = int(events.count().to_pyarrow().as_py())
        _refuse_nothing(risk, int(total.n), count)
        part = min(1.0, MOST_EVENTS / count)
        rate = max(FEWEST_MOMENTS, per_event * count * part) / total.days
        chosen = events if part == 1 else events.filter(uniform(events, "event", seed) < part)
        known = chosen.to_pandas()
        clock = _clock(known.time)
        asked = _collect(known, _draw_base(windows, rate, seed, clock))
    counts = data.touches.group_by("touchpoint").aggregate(n=data.touches.count()).to_pandas()
    touches = counts.sort_values("touchpoint").set_index("touchpoint").n
    size, start = len(asked), float(total["first"])
    if not risk.recurrent:
        asked = asked.merge(risk_ends(data, risk, asked), on="customer_id", how="left")
        asked = pd.concat([asked, _draw_earlier(asked, seed, clock)], ignore_index=True)
    points = look(data, asked, touchpoints=touches.index, half_lives=grid, origin=start)
    points = replace(points, exposure=_capped(points.exposure, size))
    now, before = points.take(slice(size)), points.take(slice(size, None))
    return Moments(
        table=now.table,
        exposure=now.exposure,
        risk=risk,
        touches=touches,
        half_lives=grid,
        traits=tuple(trait_columns(data).values()),
        days_each=float(total.days) / int((now.table.event == 0).sum()),
        events_each=count / float(now.table.event.sum()),
        customer_days=float(total.days),
        customers=int(total.n),
        start_seconds=start,
        seed=seed,
        data=data,
        clock=clock,
        earlier=None if risk.recurrent else before,
    )


def _capped(exposure: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """No stock of touches counts for more than that of 99 in 100 moments, of the first `size`,
    that know the touchpoint: one bot or burst must not bend the effect for everybody."""
    seen = np.where(exposure[:, :, :size] > PRESENT, exposure[:, :, :size], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nobody knows it
        most = np.nanquantile(seen, MOST_COMMON, axis=2, keepdims=True)
    return np.fmin(exposure, most.astype(np.float32))


def _half_lives(half_lives: Sequence[float]) -> tuple[float, ...]:
    grid = tuple(float(h) for h in half_lives)
    if len(grid) < 2 or grid[0] <= 0 or any(b <= a for a, b in pairwise(grid)):
        raise ParameterError(
            f"half_lives: {half_lives!r}\n  give two or more increasing numbers of days above 0"
        )
    return grid


def _refuse_nothing(risk: Risk, customers: int, events: int) -> None:
    if not customers:
        start = f"at the first {risk.after}" if risk.after else "with observation"
        raise TooThin(
            f"drivers: nobody is ever at risk of {risk.outcome}\n"
            f"  risk starts {start}; check observed_from and observed_to"
        )
    if not events:
        raise TooThin(
            f"drivers: no {risk.outcome} happens while its customer is at risk\n"
            "  check the times of outcomes against the observation windows, or `after`"
        )


def _clock(time: pd.Series) -> float | None:
    """The second of the day that nearly all times share: midnight in some zone, or none."""
    shares = (time % DAY_SECONDS).value_counts(normalize=True)
    return float(shares.index[0]) if len(time) > 1 and shares[:2].sum() > SAME_TIME else None


def on_the_clock(time: pd.Series, start: pd.Series, clock: float | None) -> pd.Series:
    """Move moments drawn to the time of day at which outcomes are noted, after `start`.

    Outcomes noted by the day know no touch of their own day; moments of the afternoon would.
    """
    if clock is None:
        return time
    noted = (time - clock) // DAY_SECONDS * DAY_SECONDS + clock
    return noted.where(noted > start, np.minimum(noted + DAY_SECONDS, time))


def _draw_base(windows: ir.Table, rate: float, seed: int, clock: float | None) -> pd.DataFrame:
    """Draw moments at `rate` a customer-day; sorted first, as engines differ in order of rows."""
    drawn = windows.mutate(n=(windows.days * rate + uniform(windows, "n", seed)).floor())
    drawn = drawn.filter(drawn.n >= 1).select("customer_id", "start", "stop", "n").to_pandas()
    drawn = drawn.sort_values("customer_id", ignore_index=True)
    each = drawn.loc[drawn.index.repeat(drawn.n.astype(int))]
    part = np.random.default_rng([seed, 1]).random(len(each))
    time = each.start + (each.stop - each.start) * part
    time = on_the_clock(time, each.start, clock)
    return each.assign(time=time)[["customer_id", "time", "start"]]


def _draw_earlier(asked: pd.DataFrame, seed: int, clock: float | None) -> pd.DataFrame:
    """Draw some moments between the start of risk and every moment asked, as many for each."""
    each = int(np.clip(MOST_EARLIER // len(asked), 1, EARLIER))
    past = asked.loc[asked.index.repeat(each)]
    part = np.random.default_rng([seed, 2]).random(len(past))
    time = past.start + (past.time - past.start) * part
    return past.assign(time=on_the_clock(time, past.start, clock))


def _collect(events: pd.DataFrame, base: pd.DataFrame) -> pd.DataFrame:
    table = pd.concat([events.assign(event=1), base.assign(event=0)], ignore_index=True)
    keys = ["event", "customer_id", "time"]
    return table.sort_values(keys, ascending=[False, True, True], ignore_index=True)


def sample_touches(moments: Moments, *, most: int) -> tuple[Points, pd.Series]:
    """Describe up to about `most` touches of each touchpoint, as it was just before; and count all.

    Touches at risk by touchpoint are estimated where not all customers are looked at.
    """
    data, own = moments.data, moments.data.touches
    own = own.select("customer_id", "touchpoint", time=seconds(own.timestamp))
    windows = risk_windows(data, moments.risk)
    share = min(1.0, SPARE * most / moments.touches.min())
    if share < 1:  # a hash a customer costs less than one a touch
        windows = windows.filter(uniform(windows, "touched", moments.seed) < share)
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
    rows = rows[rows.touchpoint.isin(moments.touches.index)]  # some are left out of the drivers
    number = moments.touches.index.get_indexer(rows.touchpoint)
    return pd.DataFrame({"customer": rows.customer_id, "time": rows.time, "touchpoint": number})
