"""The lead test: touches after the moment must not predict the event, given the past."""

from __future__ import annotations

from dataclasses import replace

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from touchlab.data.customers import DAY_SECONDS, seconds
from touchlab.data.dataset import Dataset
from touchlab.drivers.design import build_controls
from touchlab.drivers.hazard import sum_by_group
from touchlab.drivers.model import chance
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError
from touchlab.moments.look import PRIOR
from touchlab.moments.risk import risk_windows
from touchlab.moments.sample import Moments
from touchlab.numeric import Floats, interval, jackknife

Flags = npt.NDArray[np.bool_]
LEAD_DAYS = 28.0
SHORT_SPAN = 4.0
"""The lead window is at most this part of the time the data spans: later moments are lost."""
ALARM = 0.05
FEWEST_EVENTS = 100
FEWEST_TOUCHES = 20.0
FOLLOWS = 0.95
"""A touchpoint follows the outcome if so much of its exposure lies after an earlier one."""
SLIGHT = 0.05
"""Share by which touches may at most change with a standard deviation more of earlier outcomes, up
to its interval, to be called independent of them."""
SEEN = 2.8
"""Standard errors from which on a bias is seen four times in five, by a test at 5 %."""


def lead_test(data: Dataset, drivers: Drivers, *, lead_days: float | None = None) -> pd.DataFrame:
    """Do touches *after* a moment tell that the outcome happens at that moment?

    The future cannot cause the past. If customers who are about to have the outcome get
    (or seek) more touches afterwards too, something that the data does not show drives
    both, and the effect of the touchpoint is not to be trusted. Where the outcome itself
    brings touches (a delivery notice), the test fires as well: it cannot tell the two apart.
    It does not see an intent that lasts for much less than a day, nor one which ends with
    the outcome. `lead_days` None: 28 days, or a quarter of the time that the data spans.

    Columns: touchpoint, lead_ratio (touches in the window after an event over those expected
    from the past; missing where the test cannot be run), lead_low, lead_high, lead_p, lead_fires
    (allowing for the number of touchpoints), lead_events (events used), lead_seen (the smallest
    excess over 1 that would have been seen four times in five).

    With y the event, p its modelled probability, F the touches in the window and f their
    regression on the same past: ratio = 1 + sum (y - p)(F - f) / sum y f, the generalised
    covariance measure [Shah & Peters 2020], which is near 1 if either p or f is right.
    Only moments whose whole window is observed, before churn, are used. A touchpoint that
    comes only after an earlier outcome is tested at moments that follow one.
    """
    moments = drivers.moments
    days = _window(moments, lead_days)
    touches, left = _forward(data, moments, days)
    whole = left >= days
    residual = drivers.model.event - chance(drivers.model, drivers.parameters)
    after = follows_outcome(data, moments)
    again = _earlier(moments) > 0
    parts = [
        _ratios(drivers, residual, touches[chosen], used).set_index(np.flatnonzero(chosen))
        for chosen, used in ((~after, whole), (after, whole & again))
        if chosen.any()
    ]
    table = pd.concat(parts).sort_index()
    table.insert(4, "lead_fires", fires(table.lead_p.to_numpy(float)))
    table.insert(0, "touchpoint", list(moments.touchpoints))
    return table


def fires(p: Floats, level: float = ALARM) -> Flags:
    """Say which tests fire when false alarms may be 5 % of all alarms [Benjamini & Hochberg 1995].

    >>> fires(np.array([0.001, 0.04, 0.9, np.nan])).tolist()
    [True, False, False, False]
    """
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])]
    allowed = level * np.arange(1, len(order) + 1) / max(len(order), 1)
    passed = np.flatnonzero(p[order] <= allowed)
    found = np.zeros(len(p), dtype=bool)
    found[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return found


def follows_outcome(data: Dataset, moments: Moments) -> Flags:
    """Which touchpoints come only after an earlier outcome, by the data or the map (conversion)."""
    prior, base = _earlier(moments) > 0, moments.table.event.to_numpy() == 0
    exposure = np.asarray(moments.exposure[:, 0, :], dtype=float) * base
    whole = exposure.sum(axis=1)
    late = (whole > 0) & ((exposure * prior).sum(axis=1) >= FOLLOWS * whole)
    known = data.tables.get("touchpoints")
    if moments.risk.outcome == "conversion" and known is not None and "phase" in known.columns:
        named = known.filter(known.phase == "after").touchpoint.to_pandas()
        late |= np.isin(moments.touchpoints, list(named))
    return np.asarray(late)


def go_by_outcomes(moments: Moments) -> bool:
    """Whether touches may go by what their customer had before; False only where it is seen not to.

    Earlier outcomes are a control where touches follow them. Where they do not, they are a
    collider: touches and whatever else makes customers buy often both lead to them, so that holding
    them constant sets one against the other [Greenland 2003] (docs/decisions/0033).

    What comes in the window after moments at which nothing happens is regressed on earlier
    outcomes, given the other controls and the touches until then.
    """
    if not moments.risk.recurrent or not moments.histories:
        return True
    days = _window(moments, None)
    later, left = _forward(moments.data, moments, days)
    used = (moments.table.event.to_numpy() == 0) & (left >= days)
    if (
        moments.customers < FEWEST_EVENTS
        or used.sum() < FEWEST_EVENTS
        or not later[:, used].any(axis=1).all()
    ):
        return True
    controls = build_controls(moments)
    is_earlier = np.isin([name.split(": ")[0] for name in controls.names], moments.histories)
    lives = len(moments.half_lives)
    seen = np.log1p(moments.exposure[:, [0, lives // 2, lives - 1]]).reshape(-1, len(used))
    past = np.column_stack([controls.matrix[:, ~is_earlier], seen.T])[used].astype(float)
    earlier, touches = controls.matrix[used][:, is_earlier], later[:, used].T
    own, rest = (y - past @ np.linalg.lstsq(past, y, rcond=None)[0] for y in (earlier, touches))
    spread = np.sqrt((own**2).mean(axis=0))[:, None]
    scale = spread / (own**2).sum(axis=0)[:, None] / touches.mean(axis=0)
    group = moments.table.group.to_numpy()[used]
    scores = np.stack([sum_by_group((rest * one[:, None]).T, group) for one in own.T])
    slope = scale * scores.sum(axis=2)
    error = scale * np.sqrt((scores**2).sum(axis=2))
    beyond = stats.norm.isf(ALARM / 2 / slope.size)
    return bool(
        (np.abs(slope) > beyond * error).any() or (np.abs(slope) + 2 * error).max() > SLIGHT
    )


def _earlier(moments: Moments) -> Floats:
    name, table = f"{PRIOR}{moments.risk.outcome}", moments.table
    return table[name].to_numpy(float) if name in table else np.zeros(len(table))


def _window(moments: Moments, lead_days: float | None) -> float:
    if lead_days is None:
        return min(LEAD_DAYS, float(np.ptp(moments.table.day)) / SHORT_SPAN)
    if not isinstance(lead_days, int | float) or not 0 < lead_days < np.inf:
        raise ParameterError(f"lead_days: {lead_days!r}\n  give a number of days above 0, or None")
    return float(lead_days)


def _forward(data: Dataset, moments: Moments, days: float) -> tuple[Floats, Floats]:
    """Touches in the window after each moment (touchpoints, moments), and days left."""
    table = moments.table
    sample = pd.DataFrame(
        {"moment": np.arange(len(table)), "customer_id": table.customer, "time": table.time}
    )
    own = data.touches.select("customer_id", "touchpoint", at=seconds(data.touches.timestamp))
    pairs = own.inner_join(ibis.memtable(sample), "customer_id")
    wait = pairs["at"] - pairs.time
    pairs = pairs.filter((wait > 0) & (wait <= days * DAY_SECONDS))
    rows = pairs.group_by("moment", "touchpoint").aggregate(n=pairs.count()).to_pandas()
    touches = np.zeros((len(moments.touchpoints), len(table)))
    rows = rows[rows.touchpoint.isin(moments.touchpoints)]
    place = pd.Index(moments.touchpoints).get_indexer(rows.touchpoint)
    touches[place, rows.moment.to_numpy()] = rows.n.to_numpy()
    # An outcome that comes once ends its own risk, but not the observation after it.
    windows = risk_windows(data, replace(moments.risk, recurrent=True))
    windows = windows.semi_join(ibis.memtable(sample[["customer_id"]]), "customer_id")
    stop = windows.select("customer_id", "stop").to_pandas().set_index("customer_id").stop
    stop = stop.reindex(table.customer)
    return touches, ((stop.to_numpy() - table.time.to_numpy()) / DAY_SECONDS).astype(float)


def _ratios(drivers: Drivers, residual: Floats, touches: Floats, used: Flags) -> pd.DataFrame:
    model, event = drivers.model, drivers.model.event[used]
    ratio = low = high = p = error = np.full(len(touches), np.nan)
    if FEWEST_EVENTS <= event.sum() < len(event):
        exposure = model.exposure(drivers.parameters)
        past = np.column_stack([model.controls.matrix, exposure.T])[used].astype(float)
        later = touches[:, used].T
        expected = past @ np.linalg.lstsq(past.T @ past, past.T @ later, rcond=None)[0]
        surplus = sum_by_group((residual[used, None] * (later - expected)).T, model.group[used]).T
        usual = sum_by_group((event[:, None] * expected).T, model.group[used]).T
        enough = (event @ later >= FEWEST_TOUCHES) & (usual.sum(axis=0) > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(enough, 1 + surplus.sum(axis=0) / usual.sum(axis=0), np.nan)
            replicates = 1 + (surplus.sum(axis=0) - surplus) / (usual.sum(axis=0) - usual)
            error, freedom = jackknife(ratio, np.where(enough, replicates, np.nan))
            p = 2 * stats.t.sf(np.abs(ratio - 1) / error, np.maximum(freedom, 1))
        low, high = interval(ratio, error, freedom, low=0.0)
    found = {"lead_ratio": ratio, "lead_low": low, "lead_high": high, "lead_p": p}
    return pd.DataFrame(found | {"lead_events": int(event.sum()), "lead_seen": SEEN * error})
