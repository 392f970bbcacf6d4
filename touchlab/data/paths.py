"""Journeys already counted: a paths table as attribution tools take it."""

from __future__ import annotations

import re

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from touchlab.data.columns import EXACT
from touchlab.data.contract import Note
from touchlab.data.readers import keep
from touchlab.errors import DataError, listing, shorten
from touchlab.numeric import GROUPS, Floats

SEPARATOR = ">"
ARROW = r"\s*(?:[-=]*>+|[→⇒⟶➔»])\s*"
OTHERS = r"\s*[{}]\s*"
ENDS = {"start": "first", "conversion": "last", "conv": "last", "null": "last"}
"""States that some tools write at the ends of a path; they are no touchpoints."""
SEED = 20260228  # only decides which journey falls in which group
NO_INTERVALS = "fractional counts, or fewer journeys than groups: no intervals"
NO_CONVERSIONS = "have a value but no conversions; the value is left out"


def split_paths(paths: pd.DataFrame) -> tuple[dict[str, ir.Table], list[Note]]:
    """Turn checked paths into `steps` (a row a touch) and `ends` (a row an outcome).

    Counts of whole journeys are dealt out to customer groups at random, with a fixed seed, as
    if each journey were its own customer; fractional counts cannot be, and stay in one group.
    """
    names, notes = _split(paths.path)
    nothing = pd.Series(0.0, index=paths.index)
    null = paths.get("null", nothing).fillna(0.0)
    counts = np.column_stack([paths.conversions, null]).astype(np.float64)
    _refuse_paths(paths, names, counts)
    value = np.full(len(paths), np.nan)
    if "value" in paths:
        value = paths["value"].fillna(0.0).to_numpy(np.float64)
    whole = bool((counts == np.round(counts)).all()) and GROUPS <= counts.sum() <= EXACT
    journeys = _deal_out(counts, value) if whole else _one_group(counts, value)
    journeys["customer"] = np.arange(len(journeys))
    journeys["length"] = names.map(len).to_numpy()[journeys.path]
    steps = journeys.loc[np.repeat(journeys.index, journeys.length), ["customer", "group"]]
    steps["weight"] = np.repeat((journeys.conversions + journeys.null).to_numpy(), journeys.length)
    steps["touchpoint"] = names.iloc[journeys.path].explode().to_numpy()
    steps["step"] = steps.groupby("customer").cumcount().to_numpy()
    ends = journeys.loc[journeys.conversions > 0, ["customer", "group", "value"]]
    ends = ends.assign(weight=journeys.conversions, step=journeys.length)
    notes += [] if whole else [Note("paths", len(paths), NO_INTERVALS)]
    if lost := int(((value > 0) & (counts[:, 0] == 0)).sum()):
        notes.append(Note("paths", lost, NO_CONVERSIONS))
    parts = {"steps": steps, "ends": ends}
    return {
        name: keep(pa.Table.from_pandas(part, preserve_index=False), name)
        for name, part in parts.items()
    }, notes


def _split(paths: pd.Series) -> tuple[pd.Series, list[Note]]:
    """Cut paths at their arrows; where there is none at all, at the sign that most of them have."""
    notes, pattern = [], ARROW
    arrows = paths.str.contains(ARROW)
    if not arrows.any():
        have = {sign: int(paths.str.contains(re.escape(sign)).sum()) for sign in ",;|"}
        sign = max(have, key=lambda sign: have[sign])
        if have[sign]:
            pattern = OTHERS.format(re.escape(sign))
            notes.append(Note("paths", have[sign], f"path: no arrow anywhere, cut at {sign!r}"))
    elif whole := int((~arrows & paths.str.contains("[,;|]")).sum()):
        notes.append(Note("paths", whole, "path: no arrow beside , ; or |, taken for one name"))
    names = paths.str.strip().str.split(pattern, regex=True)
    for end, place in ((0, "first"), (-1, "last")):
        words = names.map(lambda parts, end=end: parts[end].strip("() ").casefold())
        if len(paths) > 1 and words.map(ENDS).eq(place).all() and names.map(len).gt(1).all():
            names = names.map(lambda parts, end=end: parts[1:] if end == 0 else parts[:-1])
            shown = listing(sorted(words.unique()))
            notes.append(Note("paths", len(paths), f"path: {place} step is no touchpoint: {shown}"))
    return names, notes


def _refuse_paths(paths: pd.DataFrame, names: pd.Series, counts: Floats) -> None:
    blank = names.map(lambda parts: "" in parts)
    if blank.any():
        raise DataError(
            f"paths.path: {blank.sum():,} of {len(paths):,} rows have a step without a name\n"
            f"  first: row {blank.argmax() + 1:,}, value {shorten(paths.path[blank].iloc[0])}\n"
            f"  separate touchpoints by {SEPARATOR!r} and name each"
        )
    if not counts.any():
        raise DataError(
            f"paths.conversions: all {len(paths):,} rows are 0, and so are null's\n"
            "  give the number of journeys of each path"
        )


def _deal_out(counts: Floats, value: Floats) -> pd.DataFrame:
    """Split each path's counts over the groups; value follows the conversions."""
    random = np.random.default_rng(SEED)
    even = np.full(GROUPS, 1 / GROUPS)
    dealt = random.multinomial(counts.astype("int64").ravel(), even).reshape(len(counts), 2, GROUPS)
    path, group = np.nonzero(dealt.sum(axis=1))
    conversions, null = dealt[path, 0, group].astype(float), dealt[path, 1, group].astype(float)
    each = np.divide(value, counts[:, 0], out=np.zeros_like(value), where=counts[:, 0] > 0)
    columns = {"path": path, "group": group, "conversions": conversions, "null": null}
    return pd.DataFrame(columns | {"value": each[path] * conversions})


def _one_group(counts: Floats, value: Floats) -> pd.DataFrame:
    columns = {"path": np.arange(len(counts)), "group": 0, "value": value}
    table = pd.DataFrame(columns | {"conversions": counts[:, 0], "null": counts[:, 1]})
    return table[counts.sum(axis=1) > 0].reset_index(drop=True)
