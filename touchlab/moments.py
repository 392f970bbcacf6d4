"""Case-base sample of time at risk: all events, and moments drawn from all customer-days.

A logistic regression of event or not on such a sample estimates the log hazard in
continuous time with exposures that change at every touch [Hanley & Miettinen 2009].
The engine draws the moments and adds up exposures; cost grows with events, not with
customers times days, and only the sample comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.errors import DataError, MissingInput, ParameterError
from touchlab.replicates import customer_group, hash_uniform

DAY_SECONDS = 86_400.0
HALF_LIVES = (0.75, 1.5, 3.0, 6.0, 12.0, 24.0)
PER_EVENT = 20
"""Base moments drawn for each event: 20 cost 2 to 5 % of precision against all time at risk."""
FEWEST_MOMENTS = 4_000
MOST_EVENTS = 20_000
CONTINUING = ("churn",)
"""Outcomes that end the customer's time at risk of every outcome."""
AFTER = {"churn": "conversion", "referral": "conversion"}
"""Outcomes that only a customer can have who has had another: their risk starts there."""


@dataclass(frozen=True)
class Risk:
    """Who can have the outcome, and when.

    Risk runs from the start of observation, or from the first outcome named `after`,
    to the end of observation, to churn, or to the outcome itself if it comes once.
    """

    outcome: str
    after: str | None = None
    recurrent: bool = True


@dataclass(frozen=True)
class Moments:
    """A sample of moments at risk with what is known of each.

    `table` has a row a moment: customer, group, day (since the first day of the
    data), since (days at risk so far), event (1 or 0), prior_<outcome> (how many
    before), and the customer's traits. `exposure` has shape (touchpoints, half
    lives, moments): the decayed stock of touches strictly before the moment.
    """

    risk: Risk
    table: pd.DataFrame
    exposure: npt.NDArray[np.float32]
    touches: pd.Series
    """Touches by touchpoint, of all customers at risk."""
    half_lives: tuple[float, ...]
    traits: tuple[str, ...]
    days_each: float
    """Customer-days that one base moment stands for."""
    events_each: float
    """Events that one event moment stands for: above 1 where events were sampled."""
    customer_days: float
    customers: int
    windows_known: bool
    origin: pd.Timestamp

    @property
    def touchpoints(self) -> tuple[str, ...]:
        return tuple(self.touches.index)

    @property
    def events(self) -> float:
        """All events, sampled or not."""
        return float(self.table.event.sum()) * self.events_each


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
    """Draw moments of time at risk and add up the exposures at each.

    Parameters
    ----------
    outcome
        A name in ``outcomes.outcome``.
    after
        Outcome at whose first time the risk starts; ``"auto"``: the first conversion
        for churn and referral, else the start of observation (None).
    recurrent
        Whether a customer can have the outcome again; by default all but churn.
    half_lives
        Days, increasing; exposures are added up at each.
    per_event
        Base moments for each event.
    seed
        Another seed draws other moments; the same one the same, on every engine.

    Raises
    ------
    ParameterError, DataError
        For unknown outcomes and half-lives that do not increase, and where nobody is at risk
        or nothing happens.
    """
    if not data.has("touches"):
        raise MissingInput("A paths table has no times: with touches and outcomes, drivers are shown.")
    grid = tuple(float(h) for h in half_lives)
    if len(grid) < 2 or grid[0] <= 0 or any(b <= a for a, b in zip(grid, grid[1:], strict=False)):
        raise ParameterError(
            f"half_lives: {half_lives!r}\n  give two or more increasing numbers of days above 0"
        )
    risk = _risk(data, outcome, after, recurrent)
    windows = _windows(data, risk)
    events = _events(data, windows, risk)
    total = windows.aggregate(
        n=windows.count(), days=windows.days.sum(), first=windows.start.min()
    ).to_pandas().iloc[0]
    count = int(events.count().to_pyarrow().as_py())
    if not total.n or not total.days > 0:
        raise DataError(
            f"drivers: nobody is ever at risk of {outcome}\n"
            f"  risk starts {'at the first ' + risk.after if risk.after else 'with observation'}; "
            "check observed_from and observed_to"
        )
    if count == 0:
        raise DataError(
            f"drivers: no {outcome} happens while its customer is at risk\n"
            "  check the times of outcomes against the observation windows, or `after`"
        )
    kept = min(1.0, MOST_EVENTS / count)
    wanted = max(FEWEST_MOMENTS, per_event * count * kept)
    base = _draw_base(windows, wanted / total.days, seed)
    chosen = events if kept == 1 else events.filter(_uniform(events, "event", seed) < kept)
    sample = _collect(chosen, base)
    moments = ibis.memtable(sample[["moment", "customer_id", "time"]])
    touchpoints, exposure = _exposures(data, moments, grid, len(sample))
    table = _known(data, sample, moments, risk, float(total["first"]))
    drawn = int((table.event == 0).sum())
    return Moments(
        risk=risk,
        table=table,
        exposure=exposure,
        touches=touchpoints,
        half_lives=grid,
        traits=_traits(data),
        days_each=float(total.days) / drawn,
        events_each=count / float(table.event.sum()),
        customer_days=float(total.days),
        customers=int(total.n),
        windows_known=data.has("customers"),
        origin=pd.Timestamp(float(total["first"]), unit="s").normalize(),
    )


def _risk(data: Dataset, outcome: str, after: str | None, recurrent: bool | None) -> Risk:
    counts = data.outcomes.group_by("outcome").aggregate(n=data.outcomes.count()).to_pandas()
    known = dict(zip(counts.outcome, counts.n, strict=True))
    if after == "auto":
        after = AFTER.get(outcome)
        after = after if after in known else None
    for name in (outcome, after):
        if name is not None and name not in known:
            listed = ", ".join(f"{k} ({n:,})" for k, n in sorted(known.items())[:20])
            raise ParameterError(
                f"outcome: no outcome is named {name!r}\n  the data has {listed}; use one of these"
            )
    return Risk(outcome, after, outcome not in CONTINUING if recurrent is None else recurrent)


def _seconds(time: ir.Value) -> ir.Value:
    whole = time.truncate("s").epoch_seconds().cast("int64")
    return whole.cast("float64") + time.millisecond().cast("float64") / 1000


def _first_times(data: Dataset, outcome: str) -> ir.Table:
    rows = data.outcomes.filter(data.outcomes.outcome == outcome)
    return rows.group_by("customer_id").aggregate(time=_seconds(rows.timestamp).min())


def _windows(data: Dataset, risk: Risk) -> ir.Table:
    """Customers at risk: customer_id, start, stop (seconds), days."""
    if data.has("customers"):
        own = data.tables["customers"]
        windows = own.select(
            "customer_id", start=_seconds(own.observed_from), stop=_seconds(own.observed_to)
        )
    else:
        seen = data.touches.select("customer_id", "timestamp").union(
            data.outcomes.select("customer_id", "timestamp")
        )
        last = seen.timestamp.max().to_pyarrow().as_py()
        first = seen.group_by("customer_id").aggregate(start=_seconds(seen.timestamp).min())
        end = pd.Timestamp(last).tz_localize(None)
        stop = (end - pd.Timestamp(0)) / pd.Timedelta(seconds=1) + 1.0
        windows = first.mutate(stop=ibis.literal(stop))
    if risk.after is not None:
        began = _first_times(data, risk.after).rename(began="time")
        windows = windows.inner_join(began, "customer_id")
        start = ibis.greatest(windows.start, windows.began)
        windows = windows.select("customer_id", "stop", start=start)
    for ending in {*CONTINUING, *([] if risk.recurrent else [risk.outcome])}:
        ended = _first_times(data, ending).rename(ended="time")
        windows = windows.left_join(ended, "customer_id")
        stop = ibis.least(windows.stop, windows.ended.fill_null(windows.stop))
        windows = windows.select("customer_id", "start", stop=stop)
    windows = windows.filter(windows.stop > windows.start)
    return windows.mutate(days=(windows.stop - windows.start) / DAY_SECONDS)


def _events(data: Dataset, windows: ir.Table, risk: Risk) -> ir.Table:
    rows = data.outcomes.filter(data.outcomes.outcome == risk.outcome)
    rows = rows.select("customer_id", time=_seconds(rows.timestamp))
    joined = rows.inner_join(windows, "customer_id")
    inside = (joined.time > joined.start) & (joined.time <= joined.stop)
    return joined.filter(inside).select("customer_id", "time", "start")


def _uniform(table: ir.Table, *keys: str | int | ir.Value) -> ir.Value:
    parts = [table.customer_id.cast("string")]
    if "time" in table.columns:
        parts.append(table.time.cast("int64").cast("string"))
    parts += [k.cast("string") if isinstance(k, ir.Value) else ibis.literal(str(k)) for k in keys]
    key = parts[0]
    for part in parts[1:]:
        key = key + ibis.literal("|") + part
    return hash_uniform(key)


def _draw_base(windows: ir.Table, rate: float, seed: int) -> ir.Table:
    """Draw moments at `rate` a customer-day: a whole number for each customer, by its own hash."""
    drawn = windows.mutate(n=(windows.days * rate + _uniform(windows, "n", seed)).floor())
    drawn = drawn.filter(drawn.n >= 1)
    most = int(drawn.n.max().to_pyarrow().as_py() or 0)
    numbers = ibis.memtable(pd.DataFrame({"j": np.arange(most, dtype="int64")}))
    each = drawn.inner_join(numbers, drawn.n > numbers.j)
    time = each.start + each.days * DAY_SECONDS * _uniform(each, each.j, "t", seed)
    return each.select("customer_id", "start", time=time)


def _collect(events: ir.Table, base: ir.Table) -> pd.DataFrame:
    frames = [events.to_pandas().assign(event=1), base.to_pandas().assign(event=0)]
    table = pd.concat(frames, ignore_index=True)
    table = table.sort_values(["event", "customer_id", "time"], ignore_index=True)
    table["moment"] = np.arange(len(table))
    return table


def _exposures(
    data: Dataset, moments: ir.Table, grid: tuple[float, ...], count: int
) -> tuple[pd.Series, npt.NDArray[np.float32]]:
    counts = data.touches.group_by("touchpoint").aggregate(n=data.touches.count()).to_pandas()
    touches = counts.sort_values("touchpoint").set_index("touchpoint").n
    own = data.touches.select("customer_id", "touchpoint", at=_seconds(data.touches.timestamp))
    pairs = own.inner_join(moments, "customer_id")
    pairs = pairs.filter(pairs["at"] < pairs.time)
    age = (pairs.time - pairs["at"]) / DAY_SECONDS
    sums = {
        # capped: engines refuse a power that underflows
        f"a{i}": (ibis.literal(0.5) ** ibis.least(age / h, 900.0)).sum() for i, h in enumerate(grid)
    }
    rows = pairs.group_by("moment", "touchpoint").aggregate(**sums).to_pandas()
    exposure = np.zeros((len(touches), len(grid), count), dtype=np.float32)
    place = touches.index.get_indexer(rows.touchpoint)
    for i in range(len(grid)):
        exposure[place, i, rows.moment.to_numpy()] = rows[f"a{i}"].to_numpy()
    return touches, exposure


def _known(
    data: Dataset, sample: pd.DataFrame, moments: ir.Table, risk: Risk, first: float
) -> pd.DataFrame:
    """What is known of each moment: group, clocks, earlier outcomes, traits."""
    ids = moments.select("customer_id").distinct()
    columns = {"group": customer_group(ids.customer_id)}
    groups = ids.mutate(**columns).to_pandas()
    table = sample.merge(groups, on="customer_id", how="left")
    table["since"] = (table.time - table.start) / DAY_SECONDS
    table["day"] = (table.time - first) / DAY_SECONDS
    own = data.outcomes.select("customer_id", "outcome", at=_seconds(data.outcomes.timestamp))
    pairs = own.inner_join(moments, "customer_id")
    pairs = pairs.filter(pairs["at"] < pairs.time)
    earlier = pairs.group_by("moment", "outcome").aggregate(n=pairs.count()).to_pandas()
    for name, rows in earlier.groupby("outcome"):
        counts = rows.set_index("moment").n.reindex(table.moment).fillna(0)
        table[f"prior_{name}"] = counts.to_numpy()
    traits = _traits(data)
    if traits:
        known = data.tables["customers"].semi_join(ids, "customer_id")
        known = known.select("customer_id", *traits).to_pandas()
        table = table.merge(known, on="customer_id", how="left")
    return table.sort_values("moment", ignore_index=True).rename(columns={"customer_id": "customer"})


def _traits(data: Dataset) -> tuple[str, ...]:
    if not data.has("customers"):
        return ()
    fixed = {"customer_id", "observed_from", "observed_to"}
    return tuple(c for c in data.tables["customers"].columns if c not in fixed)
