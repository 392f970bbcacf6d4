"""Journeys as tables for people: how many, how long, which paths, which months."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.data.readers import kept
from touchlab.errors import MissingInput
from touchlab.journeys.build import DAY_MS, Journeys, build_journeys, month_of, order_events
from touchlab.journeys.counts import END, NO_CODE, OUTCOME, converting_touches
from touchlab.numeric import interval, share_interval

LOOKBACKS = ("7D", "14D", "30D", "60D", "90D")
LONGEST_PATH = 6
OTHER, OTHERS = "(other paths)", "(others)"
SLACK = 1e-6  # hours: a whole number of hours must not be rounded up for a float's sake


def with_rate(table: pd.DataFrame, *, part: str, whole: str) -> pd.DataFrame:
    """Add ``rate, ci_low, ci_high``: `part` of `whole` with its 95 % Wilson interval."""
    part_of, n = table[part].to_numpy(float), table[whole].to_numpy(float)
    low, high = share_interval(part_of, n)
    rate = np.where(n > 0, part_of / np.maximum(n, 1e-12), np.nan)
    return table.assign(rate=rate, ci_low=low, ci_high=high)


def rate_of_closed(table: pd.DataFrame) -> pd.DataFrame:
    """Add the rate of outcomes among journeys that are not open, with its interval.

    Open are those that ended well too: to leave out only those that did not would flatter.
    """
    closed = table.assign(closed=table.journeys - table.open)
    return with_rate(closed, part="won", whole="closed").drop(columns=["won", "closed"])


def each_journey(journeys: Journeys) -> ir.Table:
    """Give a row a journey with at least one touch, still in the engine.

    `journeys` is its weight, `open` that of a journey whose lookback had not passed when the data
    ended, so that it is no failure yet; `won` are outcomes of the others. The numbers first and
    last are the orders of its first and last touch, path its first touches as digits to base
    touchpoints + 1, first touch last.
    """
    numbered = journeys.numbered
    place = ibis.row_number().over(ibis.window(**numbered.following))
    events = numbered.events.mutate(place=place)
    code = numbered.code(events.order)
    touch = code != numbered.outcome_code
    base = len(journeys.touchpoints) + 1
    digits = [(events.place == place, base**place) for place in range(LONGEST_PATH)]
    digit = ibis.cases(*digits, else_=0).cast("int64")
    table = events.group_by(*numbered.keys).aggregate(
        touches=touch.sum(),
        journeys=events.weight.max(where=touch),
        outcomes=events.weight.sum(where=~touch).fill_null(0.0),
        first=events.order.min(where=touch),
        last=events.order.max(where=touch),
        path=((code + 1) * digit).sum(where=touch),
    )
    table = table.filter(table.touches > 0)
    closed = ibis.literal(True)
    if journeys.open_ms is not None:
        end = journeys.events.order.max().as_scalar()
        closed = ~journeys.within(journeys.open_ms, end, table["last"])
    return table.mutate(
        open=ibis.ifelse(closed, 0.0, table.journeys), won=ibis.ifelse(closed, table.outcomes, 0.0)
    )


def _sums(rows: ir.Table) -> dict[str, ir.Value]:
    """What every table of journeys adds up."""
    return {name: rows[name].sum() for name in ("journeys", "open", "won", "outcomes")}


def journey_overview(journeys: Journeys) -> pd.DataFrame:
    """Count journeys in one row, with the outcomes that have a touch before them, and the others.

    The rate, here and in the tables below, is of journeys that are not `open`.
    `days` is the mean length from first to last touch (NaN without times).
    """
    rows = each_journey(journeys)
    days = (rows["last"] - rows["first"]).cast("float64") / (journeys.tick * DAY_MS)
    table = rows.aggregate(
        customers=rows.customer.nunique(),
        touches=(rows.touches * rows.journeys).sum(),
        **_sums(rows),
        days=(days * rows.journeys).sum() / rows.journeys.sum(),
    ).to_pandas()
    whole = float(journeys.ends.weight.sum().to_pyarrow().as_py() or 0.0)
    table.insert(table.columns.get_loc("outcomes") + 1, "no_touch", whole - table.outcomes)
    table["touches_per_journey"] = table.touches / table.journeys
    if not journeys.timed:
        table["days"] = np.nan
    return rate_of_closed(table)


def journey_lengths(journeys: Journeys, *, longest: int = 10) -> pd.DataFrame:
    """Count journeys by number of touches: ``touches, journeys, open, outcomes, rate`` and so on.

    Lengths beyond `longest` are one row, ``"11+"`` for 10.
    """
    rows = each_journey(journeys)
    length = ibis.least(rows.touches, longest + 1)
    table = rows.group_by(length=length).aggregate(**_sums(rows)).to_pandas()
    table = table.sort_values("length", ignore_index=True)
    names = [str(n) if n <= longest else f"{longest + 1}+" for n in table.length]
    table.insert(0, "touches", names)
    return rate_of_closed(table.drop(columns="length"))


def common_paths(journeys: Journeys, *, top: int = 12, k: int = 10) -> pd.DataFrame:
    """List the most frequent paths: ``path, journeys, open, outcomes, rate, ci_low, ci_high``.

    Paths of fewer than `k` customers, and those beyond the `top`, are folded into
    ``(other paths)``. A path longer than six touches is shown by its first six.
    """
    rows = each_journey(journeys)
    paths = rows.group_by(path=rows.path, cut=rows.touches > LONGEST_PATH).aggregate(
        customers=rows.customer.nunique(), **_sums(rows)
    )
    with kept(paths, "paths") as all_paths:
        common = all_paths.filter(all_paths.customers >= k)
        common = common.order_by(common.journeys.desc(), "path", "cut")
        shown = common.limit(top).to_pandas()
        total = all_paths.aggregate(n=all_paths.count(), **_sums(all_paths)).to_pandas().iloc[0]
    shown["path"] = [_path_text(journeys, *one) for one in zip(shown.path, shown.cut, strict=True)]
    columns = ["path", "journeys", "open", "outcomes", "won"]
    rest = total[columns[1:]] - shown[columns[1:]].sum()
    other = pd.DataFrame([{"path": OTHER, **rest}])
    parts = [shown[columns], other] if total.n > len(shown) else [shown[columns]]
    return rate_of_closed(pd.concat(parts, ignore_index=True))


def first_steps(journeys: Journeys, *, steps: int = 5, top: int = 6) -> pd.DataFrame:
    """Count where journeys go in their first steps, those with the outcome and those without.

    Columns: group, step, source, target, n (journeys that are at `source` in the step and at
    `target` in the next one). All but the `top` touchpoints are ``(others)``; a journey that has
    ended stays at ``(outcome)`` or ``(end)``.
    """
    base, frames = len(journeys.touchpoints) + 1, []
    with kept(each_journey(journeys), "journeys") as rows:
        for step in range(1, min(steps, LONGEST_PATH)):
            digits = [(rows.path // base ** (step - 1 + i)) % base for i in range(2)]
            counts = rows.group_by(converts=rows.outcomes > 0, source=digits[0], target=digits[1])
            own = counts.aggregate(n=rows.journeys.sum()).to_pandas()
            frames.append(own.assign(step=step))
    table = pd.concat(frames, ignore_index=True)
    size = table[table.source > 0].groupby("source").n.sum().sort_values(ascending=False)
    names = {code: journeys.touchpoints[int(code) - 1] for code in size.index[:top]}
    ended = np.where(table.converts, OUTCOME, END)
    for place in ("source", "target"):
        codes = table[place]
        table[place] = codes.map(names).fillna(OTHERS).where(codes > 0, ended)
    table["group"] = np.where(table.converts, f"with {OUTCOME[1:-1]}", f"without {OUTCOME[1:-1]}")
    keys = ["group", "step", "source", "target"]
    return table.groupby(keys, as_index=False).n.sum()


def touchpoint_use(journeys: Journeys) -> pd.DataFrame:
    """Say where each touchpoint stands: in journeys that hold it, begin with it, end with it.

    Outcomes are those of journeys that hold it, and the rate is by these, the open ones left out.
    """
    numbered = journeys.numbered
    events = numbered.events
    code = numbered.code(events.order)
    uses = events.mutate(code=code).filter(code != numbered.outcome_code)
    uses = uses.group_by(*numbered.keys, "code").aggregate(
        touches=uses.weight.sum(), weight=uses.weight.max()
    )
    joined = uses.inner_join(each_journey(journeys).drop("touches"), list(numbered.keys))
    by_code = joined.group_by("code").aggregate(
        touches=joined.touches.sum(),
        journeys=joined.weight.sum(),
        open=joined.weight.sum(where=joined.open > 0),
        won=joined.won.sum(),
        starts=joined.weight.sum(where=journeys.code(joined["first"]) == joined.code),
        ends=joined.weight.sum(where=journeys.code(joined["last"]) == joined.code),
        outcomes=joined.outcomes.sum(),
    )
    table = by_code.to_pandas().fillna(0.0).sort_values("code", ignore_index=True)
    table.insert(0, "touchpoint", [journeys.touchpoints[c] for c in table.code])
    table = table.drop(columns="code").sort_values("touches", ascending=False, ignore_index=True)
    return rate_of_closed(table)


def by_month(journeys: Journeys) -> pd.DataFrame:
    """Count touches and outcomes by calendar month (UTC): ``month, touches, outcomes``."""
    if not journeys.timed:
        raise MissingInput("A paths table has no times: with touches, months would be shown here.")
    events = journeys.events
    code = journeys.code(events.order)
    ended = code == journeys.outcome_code
    table = (
        events.group_by(month=month_of(events.order, journeys.tick))
        .aggregate(touches=(~ended).sum(), outcomes=ended.sum())
        .to_pandas()
    )
    return table.sort_values("month", ignore_index=True)


def tied_touches(journeys: Journeys) -> int:
    """Count touches that share customer and time with the one before: their order is by name."""
    if not journeys.timed:
        return 0
    events = journeys.events
    rows = events.mutate(previous=journeys.previous)
    code, earlier = journeys.code(rows.order), journeys.code(rows.previous)
    touches = (code != journeys.outcome_code) & (earlier != journeys.outcome_code)
    tied = touches & (rows.order - code == rows.previous - earlier)
    return int(rows.aggregate(n=tied.fill_null(False).sum()).to_pandas().n.iloc[0])


def overview_by_lookback(
    data: Dataset, *, outcome: str = "conversion", lookbacks: Sequence[str] = LOOKBACKS
) -> pd.DataFrame:
    """Cut the same touches by other lookbacks: `journey_overview` with a row a lookback."""
    if not data.has("touches"):
        return journey_overview(build_journeys(data)).assign(lookback="whole path")
    cut = {days: build_journeys(data, outcome=outcome, lookback=days) for days in lookbacks}
    frames = [journey_overview(journeys).assign(lookback=days) for days, journeys in cut.items()]
    table = pd.concat(frames, ignore_index=True)
    return table[["lookback", *table.columns.drop(["lookback", "customers", "touches"])]]


def _path_text(journeys: Journeys, path: int, cut: bool) -> str:
    base, names = len(journeys.touchpoints) + 1, []
    while path > 0:
        path, digit = divmod(path, base)
        names.append(journeys.touchpoints[digit - 1])
    return " → ".join([*names, "…"] if cut else names)


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
        {"touchpoint": journeys.touchpoints[int(code)]} | _quantiles(own, journeys.groups)
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
    quarters = {"p25_days": days(0.25), "median_days": median, "p75_days": days(0.75)}
    return quarters | {"ci_low": days(low[0]), "ci_high": days(high[0]), "n": int(n)}
