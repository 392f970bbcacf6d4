"""Touches that tell of service: who served, for how long, with what result, and what came next."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.data.customers import DAY_SECONDS, first_times, seconds, traits
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.experience.surveys import scaled
from touchlab.moments.risk import ENDING, Risk, find_risk, risk_windows
from touchlab.numeric import Floats, customer_group, hash_uniform

OWN = ("agent", "team", "duration", "result")
NO_SERVICE = (
    "No touch has agent, team, duration or result. With them, what waiting and resolution do, and "
    "what training would be worth, would be shown here."
)
MOST, HOUR, SHARED = 200_000, 3_600, 0.5
"""Touches looked at, at most; seconds; part that has others in the hour, or a day is looked at."""


def contacts(data: Dataset, outcome: str, days: int, repeat_days: int) -> pd.DataFrame:
    """One row a touch, by time, with controls and, in points of 100 where known, what came next."""
    touches = data.touches
    own = [name for name in OWN if name in touches.columns]
    rows = touches.select("customer_id", "touchpoint", *own, time=seconds(touches.timestamp))
    here = ibis.window(group_by=["customer_id", "touchpoint"], order_by="time")
    before = ibis.row_number().over(group_by="customer_id", order_by=["time", "touchpoint"])
    rows = rows.mutate(earlier=before, here=ibis.row_number().over(here))
    rows = rows.mutate(next=rows.time.lead().over(here))
    rows = rows.filter(ibis.or_(*(rows[name].notnull() for name in own))) if own else rows.limit(0)
    if not (count := int(rows.count().to_pyarrow().as_py())):
        raise MissingInput(NO_SERVICE)
    if count > MOST:
        rows = rows.filter(hash_uniform(rows.customer_id.cast("string")) < MOST / count)
    frame = rows.mutate(group=customer_group(rows.customer_id)).to_pandas()
    frame = frame.sort_values(["time", "touchpoint"], kind="stable", ignore_index=True)
    frame = frame.assign(day=(frame.time - frame.time.min()) / DAY_SECONDS)
    frame[["earlier", "here"]] = np.log1p(frame[["earlier", "here"]])
    if known := traits(data):
        named = {f"trait {name}": name for name in known}
        people = data.tables["customers"].select("customer_id", **named).to_pandas()
        frame = frame.merge(people, on="customer_id", how="left")
    again = 100.0 * (frame.next <= frame.time + repeat_days * DAY_SECONDS)
    frame["repeated"] = again.where(_watched(data, frame, Risk("repeat contact"), repeat_days))
    answers = _answers(data)
    found = frame.assign(metric=None, value=np.nan, at=np.nan)
    if len(answers):  # before the customer comes again: of this touch, not of the next
        found = _first(frame, answers, ["customer_id", "touchpoint"], days)
    frame = frame.assign(metric=found.metric, score=found.value.mask(found["at"] > found.next))
    frame["happened"] = np.nan
    with suppress(MissingInput):  # the outcome may not be recorded; what else there is, is told
        risk = find_risk(data, outcome, "auto", None)
        had = data.outcomes.filter(data.outcomes.outcome == outcome)
        had = had.select("customer_id", at=seconds(had.timestamp)).to_pandas()
        came = 100.0 * _first(frame, had, "customer_id", days)["at"].notna()
        frame["happened"] = came.where(_watched(data, frame, risk, days))
    return frame


def _answers(data: Dataset) -> pd.DataFrame:
    if not data.has("surveys") or "customer_id" not in data.tables["surveys"].columns:
        return pd.DataFrame()
    rows: ir.Table = data.tables["surveys"]
    rows = rows.filter(rows.score.notnull() & rows.customer_id.notnull())
    value = scaled(rows.score, rows.metric)
    rows = rows.select(
        "customer_id", "touchpoint", "metric", value=value, at=seconds(rows.timestamp)
    )
    return rows.to_pandas().dropna(subset="at")


def _first(frame: pd.DataFrame, later: pd.DataFrame, by: Any, days: int) -> pd.DataFrame:
    """The first of the rows that come after each touch, within `days`."""
    return pd.merge_asof(
        frame, later.sort_values("at", kind="stable"), left_on="time", right_on="at", by=by,
        direction="forward", allow_exact_matches=False, tolerance=days * DAY_SECONDS,
    )  # fmt: skip


def _watched(data: Dataset, frame: pd.DataFrame, risk: Risk, days: int) -> pd.Series:
    """Whether the customer is at risk at each touch, and was followed for `days` from it.

    Who left was followed if the data ran that long: leaving them out would hide what is asked.
    """
    windows = risk_windows(data, risk).select("customer_id", "start", "stop").to_pandas()
    ending = {*ENDING, *([] if risk.recurrent else [risk.outcome])}
    left = first_times(data, *sorted(ending)).rename(left="time").to_pandas()
    found = frame[["customer_id", "time"]].merge(windows, on="customer_id", how="left")
    found = found.merge(left, on="customer_id", how="left")
    end = found.time + days * DAY_SECONDS
    followed = (end <= found.stop) | ((found.left <= end) & (end <= windows.stop.max()))
    return followed & (found.time >= found.start) & (found.time < found.stop)


def waits_of_others(rows: pd.DataFrame) -> Floats:
    """Mean log2 of the duration of other customers in the same hour, or day where hours are empty.

    It moves a wait whatever the case is; (rows,), missing where nobody else was there.
    """
    waits, time = np.log2(rows.duration.clip(lower=1)), rows.time.to_numpy(float)
    hours, days = (_of_others(rows, waits, time // length) for length in (HOUR, DAY_SECONDS))
    return hours if np.isfinite(hours).mean() >= SHARED else days


def results_of_others(rows: pd.DataFrame, result: str) -> Floats:
    """How often other customers of the same agent have the result; (rows,)."""
    had = (rows.result == result).astype(float).where(rows.result.notna() & rows.agent.notna())
    return _of_others(rows, had, rows.agent)


def _of_others(rows: pd.DataFrame, values: pd.Series, cell: Any) -> Floats:
    cells = pd.MultiIndex.from_arrays([rows.touchpoint, cell]).factorize()[0]
    whole, mine = values.groupby(cells), values.groupby([cells, rows.customer_id.to_numpy()])
    n = (whole.transform("count") - mine.transform("count")).where(values.notna())
    return ((whole.transform("sum") - mine.transform("sum")) / n.where(n > 0)).to_numpy(float)
