"""Journeys as tables for people: how many, how long, which paths, which months."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from touchlab.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.journeys.build import DAY_MS, Journeys, build_journeys, month_of
from touchlab.readers import kept

LOOKBACKS = ("7D", "14D", "30D", "60D", "90D")
LONGEST_PATH = 6
OTHER = "(other paths)"


def with_rate(table: pd.DataFrame, *, part: str, whole: str) -> pd.DataFrame:
    """Add ``rate, ci_low, ci_high``: `part` of `whole` with its 95 % Wilson interval."""
    part_of, n = table[part].to_numpy(float), table[whole].to_numpy(float)
    safe = np.maximum(n, 1e-12)
    low, high = proportion_confint(np.minimum(part_of, n), safe, method="wilson")
    rate = np.where(n > 0, part_of / safe, np.nan)
    low, high = np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)
    return table.assign(rate=rate, ci_low=low, ci_high=high)


def each_journey(journeys: Journeys) -> ir.Table:
    """Give a row a journey with at least one touch, still in the engine.

    Columns: the keys, touches, journeys (its weight), outcomes, first and last
    (orders of its first and last touch), path (first touches as digits to base
    touchpoints + 1, first touch last).
    """
    numbered = journeys.numbered
    place = ibis.row_number().over(ibis.window(**numbered.following))
    events = numbered.events.mutate(place=place)
    code = numbered.code(events.order)
    touch = code != numbered.outcome_code
    base = len(journeys.touchpoints) + 1
    digit = ibis.cases(*((events.place == p, base**p) for p in range(LONGEST_PATH)), else_=0).cast(
        "int64"
    )
    table = events.group_by(*numbered.keys).aggregate(
        touches=touch.sum(),
        journeys=events.weight.max(where=touch),
        outcomes=events.weight.sum(where=~touch).fill_null(0.0),
        first=events.order.min(where=touch),
        last=events.order.max(where=touch),
        path=((code + 1) * digit).sum(where=touch),
    )
    return table.filter(table.touches > 0)


def journey_overview(journeys: Journeys) -> pd.DataFrame:
    """Count journeys in one row.

    Columns: customers, touches, journeys, outcomes (with a touch before them), rate
    with ci_low and ci_high, touches_per_journey, days (mean length from first to
    last touch; NaN without times).
    """
    rows = each_journey(journeys)
    days = (rows["last"] - rows["first"]).cast("float64") / (journeys.tick * DAY_MS)
    table = rows.aggregate(
        customers=rows.customer.nunique(),
        touches=(rows.touches * rows.journeys).sum(),
        journeys=rows.journeys.sum(),
        outcomes=rows.outcomes.sum(),
        days=(days * rows.journeys).sum() / rows.journeys.sum(),
    ).to_pandas()
    table["touches_per_journey"] = table.touches / table.journeys
    if not journeys.timed:
        table["days"] = np.nan
    return with_rate(table, part="outcomes", whole="journeys")


def journey_lengths(journeys: Journeys, *, longest: int = 10) -> pd.DataFrame:
    """Count journeys by number of touches: ``touches, journeys, outcomes, rate, ci_low, ci_high``.

    Lengths beyond `longest` are one row, ``"11+"`` for 10.
    """
    rows = each_journey(journeys)
    length = ibis.least(rows.touches, longest + 1)
    table = (
        rows.group_by(length=length)
        .aggregate(journeys=rows.journeys.sum(), outcomes=rows.outcomes.sum())
        .to_pandas()
        .sort_values("length", ignore_index=True)
    )
    names = [str(n) if n <= longest else f"{longest + 1}+" for n in table.length]
    table.insert(0, "touches", names)
    return with_rate(table.drop(columns="length"), part="outcomes", whole="journeys")


def common_paths(journeys: Journeys, *, top: int = 12, k: int = 10) -> pd.DataFrame:
    """List the most frequent paths: ``path, journeys, outcomes, rate, ci_low, ci_high``.

    Paths of fewer than `k` customers, and those beyond the `top`, are folded into
    ``(other paths)``. A path longer than six touches is shown by its first six.
    """
    rows = each_journey(journeys)
    paths = rows.group_by(path=rows.path, cut=rows.touches > LONGEST_PATH).aggregate(
        customers=rows.customer.nunique(),
        journeys=rows.journeys.sum(),
        outcomes=rows.outcomes.sum(),
    )
    with kept(paths, "paths") as held:
        common = held.filter(held.customers >= k).order_by(held.journeys.desc(), "path", "cut")
        shown = common.limit(top).to_pandas()
        sums = {"n": held.count(), "journeys": held.journeys.sum(), "outcomes": held.outcomes.sum()}
        total = held.aggregate(**sums).to_pandas().iloc[0]
    shown["path"] = [_path_text(journeys, *one) for one in zip(shown.path, shown.cut, strict=True)]
    columns = ["path", "journeys", "outcomes"]
    rest = total[columns[1:]] - shown[columns[1:]].sum()
    other = pd.DataFrame([{"path": OTHER, **rest}])
    parts = [shown[columns], other] if total.n > len(shown) else [shown[columns]]
    return with_rate(pd.concat(parts, ignore_index=True), part="outcomes", whole="journeys")


def touchpoint_use(journeys: Journeys) -> pd.DataFrame:
    """Say where each touchpoint stands in journeys.

    Columns: touchpoint, touches, journeys (that hold it), starts and ends (journeys
    that it begins, and those whose last touch it is), outcomes (of journeys that
    hold it), rate, ci_low, ci_high (outcomes by journeys).
    """
    numbered = journeys.numbered
    events = numbered.events
    code = numbered.code(events.order)
    held = events.mutate(code=code).filter(code != numbered.outcome_code)
    held = held.group_by(*numbered.keys, "code").aggregate(
        touches=held.weight.sum(), weight=held.weight.max()
    )
    rows = each_journey(journeys)
    joined = held.inner_join(rows.drop("touches"), list(numbered.keys))
    by_code = joined.group_by("code").aggregate(
        touches=joined.touches.sum(),
        journeys=joined.weight.sum(),
        starts=joined.weight.sum(where=journeys.code(joined["first"]) == joined.code),
        ends=joined.weight.sum(where=journeys.code(joined["last"]) == joined.code),
        outcomes=joined.outcomes.sum(),
    )
    table = by_code.to_pandas().fillna(0.0).sort_values("code", ignore_index=True)
    table.insert(0, "touchpoint", [journeys.touchpoints[c] for c in table.code])
    table = table.drop(columns="code").sort_values("touches", ascending=False, ignore_index=True)
    return with_rate(table, part="outcomes", whole="journeys")


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
    place = ibis.window(group_by=list(journeys.keys), order_by="order")
    rows = events.mutate(previous=events.order.lag(1).over(place))
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
    frames = [
        journey_overview(build_journeys(data, outcome=outcome, lookback=lookback)).assign(
            lookback=lookback
        )
        for lookback in lookbacks
    ]
    table = pd.concat(frames, ignore_index=True)
    return table[["lookback", *table.columns.drop(["lookback", "customers", "touches"])]]


def _path_text(journeys: Journeys, path: int, cut: bool) -> str:
    base, names = len(journeys.touchpoints) + 1, []
    while path > 0:
        path, digit = divmod(path, base)
        names.append(journeys.touchpoints[digit - 1])
    return " → ".join([*names, "…"] if cut else names)
