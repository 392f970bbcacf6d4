"""Episodes of customers between changes of their touches, built in the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.moments.look import trait_columns
from touchlab.moments.risk import DAY_SECONDS, seconds
from touchlab.replicates import customer_group
from touchlab.retention.partial_likelihood import Episodes
from touchlab.retention.spells import Spells

MOST_ROWS = 200_000
"""Episodes that are looked at, about; of more, customers are sampled, which a note says."""
MOST_LEVELS, RAREST_LEVEL = 12, 0.005
PARTS, PART_STEP = 1000, 617
"""Parts that customers are drawn in, and how far another seed begins among them."""
PLACES = 8
"""Decimals of days, a millisecond: equal times must stay equal."""


def sample_spells(
    data: Dataset,
    spells: Spells,
    touchpoints: Sequence[str],
    window_days: float | None,
    seed: int,
) -> Spells:
    """Take the spells out of the engine: of a random part of the customers, where there are many.

    Customers are drawn by groups of their ids, the same on every engine.
    """
    share = MOST_ROWS / (spells.n + _most_changes(data, spells, touchpoints, window_days))
    table, notes = spells.table, spells.notes
    if share < 1:
        place = (customer_group(table.customer_id, PARTS) + PART_STEP * seed) % PARTS
        table = table.filter(place < max(1, round(share * PARTS)))
    drawn = table.to_pandas()
    if share < 1:
        note = (
            f"hazard ratios are of {len(drawn):,} of {spells.n:,} customers, "
            f"drawn at random (seed {seed})"
        )
        notes = (*notes, note)
    return replace(spells, table=ibis.memtable(drawn), notes=notes)


def _most_changes(
    data: Dataset, spells: Spells, touchpoints: Sequence[str], window_days: float | None
) -> int:
    """Count how often exposures change at most; touches before the start are looked at last."""
    own = data.touches.filter(data.touches.touchpoint.isin(list(touchpoints)))
    each = 2 if window_days else 1
    limit = MOST_ROWS if window_days else spells.n * len(touchpoints)
    count = each * int(own.count().to_pyarrow().as_py())
    if spells.n + min(count, limit) > MOST_ROWS and spells.n < MOST_ROWS:
        times = own.select("customer_id", time=seconds(own.timestamp))
        pairs = times.inner_join(spells.table.select("customer_id", "start"), "customer_id")
        near = pairs.filter(pairs.time > pairs.start - (window_days or 0) * DAY_SECONDS)
        count = each * int(near.count().to_pyarrow().as_py())
    return count if window_days else min(count, limit)


def build_episodes(
    data: Dataset, spells: Spells, touchpoints: Sequence[str], window_days: float | None
) -> pd.DataFrame:
    """Cut spells where touches change: customer_id, start, stop (days), event, x0, x1, ...

    Column xk is touchpoint k. Without a window it is 1 from the first touch since the start
    of risk on; with one, the number of touches in the last `window_days`. A touch counts
    from the moment after it.
    """
    spell = spells.table.select("customer_id", "start", "stop", "ended")
    own = data.touches.filter(data.touches.touchpoint.isin(list(touchpoints)))
    own = own.select("customer_id", "touchpoint", time=seconds(own.timestamp))
    pairs = own.inner_join(spell, "customer_id")
    changes = _firsts(pairs) if window_days is None else _counts(pairs, window_days)
    begin = spell.select("customer_id", touchpoint=ibis.literal(""), time="start", change=0)
    changes = changes.union(begin.mutate(change=begin.change.cast("int64")))
    sums = {
        f"x{i}": changes.change.sum(where=changes.touchpoint == name).fill_null(0)
        for i, name in enumerate(touchpoints)
    }
    moments = changes.group_by("customer_id", "time").aggregate(**sums)
    running = ibis.cumulative_window(group_by="customer_id", order_by="time")
    following = ibis.window(group_by="customer_id", order_by="time")
    cut = moments.select(
        "customer_id",
        "time",
        until=moments.time.lead(1).over(following),
        **{name: moments[name].sum().over(running) for name in sums},
    )
    joined = cut.inner_join(spell, "customer_id")
    last = joined.until.isnull()
    rows = joined.select(
        "customer_id",
        start=joined.time - joined.start,
        stop=ibis.ifelse(last, joined.stop, joined.until) - joined.start,
        event=ibis.ifelse(last & (joined.ended != ""), 1, 0),
        **{name: joined[name] for name in sums},
    )
    frame = rows.to_pandas().sort_values(["customer_id", "start"], ignore_index=True)
    for name in ("start", "stop"):
        frame[name] = (frame[name] / DAY_SECONDS).round(PLACES)
    return frame[frame.stop > frame.start].reset_index(drop=True)


def _firsts(pairs: ir.Table) -> ir.Table:
    """The first touch of each touchpoint since the start of risk."""
    inside = pairs.filter((pairs.time >= pairs.start) & (pairs.time < pairs.stop))
    first = inside.group_by("customer_id", "touchpoint").aggregate(time=inside.time.min())
    return first.mutate(change=ibis.literal(1, "int64"))


def _counts(pairs: ir.Table, window_days: float) -> ir.Table:
    """Touches come in, and go out after the window."""
    width = window_days * DAY_SECONDS
    near = pairs.filter((pairs.time > pairs.start - width) & (pairs.time < pairs.stop))
    came = near.select(
        "customer_id",
        "touchpoint",
        time=ibis.greatest(near.time, near.start),
        change=ibis.literal(1, "int64"),
    )
    gone = near.filter(near.time + width < near.stop)
    gone = gone.select(
        "customer_id", "touchpoint", time=gone.time + width, change=ibis.literal(-1, "int64")
    )
    return came.union(gone)


def trait_frame(data: Dataset, customers: pd.Series) -> pd.DataFrame:
    """Traits as columns of numbers, a row for each entry of `customers`.

    Numbers as they are (missing ones at the mean), words as a column for each common level
    but the most common; missing is a level of its own.
    """
    names = trait_columns(data)
    if not names:
        return pd.DataFrame(index=customers.index)
    ids = ibis.memtable(pd.DataFrame({"customer_id": customers.unique()}))
    own = data.tables["customers"].semi_join(ids, "customer_id")
    known = own.select("customer_id", *names).to_pandas().set_index("customer_id")
    columns: dict[str, pd.Series] = {}
    for name in names:
        columns |= _trait(name, known[name])
    coded = pd.DataFrame(columns, index=known.index)
    return coded.loc[customers].reset_index(drop=True)


def _trait(name: str, values: pd.Series) -> dict[str, pd.Series]:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        number = values.astype(float).replace([np.inf, -np.inf], np.nan)
        return {name: number.fillna(number.mean()).fillna(0.0)}
    words = values.astype("string").fillna("(missing)")
    shares = words.value_counts(normalize=True)
    common = shares[shares >= RAREST_LEVEL].index[:MOST_LEVELS]
    return {f"{name}: {level}": (words == level).astype(float) for level in common[1:]}


def as_episodes(frame: pd.DataFrame, x: pd.DataFrame) -> Episodes:
    """Turn a frame of episodes and its covariates into arrays."""
    return Episodes(
        frame.start.to_numpy(float),
        frame.stop.to_numpy(float),
        frame.event.to_numpy(np.int64),
        pd.factorize(frame.customer_id)[0].astype(np.int64),
        x.to_numpy(float).reshape(len(frame), x.shape[1]),
    )
