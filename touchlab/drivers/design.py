"""What the regression looks at beside the touches: clocks, calendar, history, traits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import linalg
from sklearn.preprocessing import SplineTransformer

from touchlab.data.contract import listing
from touchlab.moments.look import PRIOR, Points
from touchlab.moments.sample import Moments
from touchlab.numeric import Floats

Columns = dict[str, Floats]
Maker = Callable[[Points], Columns]
"""Turns moments into columns, in the same way for every sample; can be pickled."""
MOST_LEVELS = 12
RAREST_LEVEL = 0.005
"""Share of moments below which a level of a trait has no column of its own."""
KNOTS = (0.005, 0.1, 0.35, 0.65, 0.9, 0.995)
"""Quantiles at which the line of a numeric trait may bend."""
RECENT_DAYS = 7.0
ALIKE = 1e-6
CYCLES = (("time of day", 1.0), ("day of week", 7.0))
PIECES, RAREST_PIECE, FEWEST_PIECES = 12, 0.02, 4
"""A cycle is controlled for if 4 of its 12 pieces hold a share of the events each."""


@dataclass(frozen=True)
class Controls:
    """Columns of controls, centred and scaled, the intercept first; `notes` on what is left out."""

    matrix: Floats
    """(moments, columns)"""
    names: tuple[str, ...]
    notes: tuple[str, ...]
    makers: tuple[Maker, ...]
    centre: Floats
    spread: Floats
    held: tuple[str, ...] = ()
    """Columns whose coefficients no fit moves."""

    def and_one(self, name: str, values: Floats, maker: Maker, *, held: bool = False) -> Controls:
        """Add a column as it is, neither centred nor scaled."""
        return Controls(
            np.column_stack([self.matrix, values]),
            (*self.names, name),
            self.notes,
            (*self.makers, maker),
            np.append(self.centre, 0.0),
            np.append(self.spread, 1.0),
            (*self.held, name) if held else self.held,
        )

    def at(self, points: Points) -> Floats:
        """Build the same columns at other moments."""
        columns = _make(self.makers, points)
        raw = np.column_stack([columns[name] for name in self.names])
        return (raw - self.centre) / self.spread


def build_controls(
    moments: Moments, *, touch_rate: bool = False, traits: bool = True, histories: bool = True
) -> Controls:
    """Build the controls; columns that others already determine are left out.

    `touch_rate` adds the customer's long-run rate of touches, a stand-in for intent:
    it helps where intent is hidden and harms where it is not (see the scoreboard).
    `histories`: whether earlier outcomes are among them.
    """
    table = moments.table
    makers = [_intercept, _spline("time at risk", table.since, "since", pieces=4)]
    makers.append(_spline("calendar", table.day, "day", pieces=6))
    makers += [_cycle(name, days, moments) for name, days in CYCLES]
    makers += [partial(_history, name) for name in moments.histories] if histories else []
    makers += [_trait(name, table[name]) for name in moments.traits] if traits else []
    makers += [_touch_rate] if touch_rate else []
    raw = _make(makers, moments)
    kept, centre, spread = _independent(raw)
    matrix = (np.column_stack([raw[name] for name in kept]) - centre) / spread
    used = {name.split(": ")[0] for name in kept}
    lost = [t for t in moments.traits if traits and t not in used]
    unused = "traits not used, as they never vary, have no common value or follow from others"
    notes = (f"{unused}: {listing(lost)}",) if lost else ()
    return Controls(matrix, tuple(kept), notes, tuple(makers), centre, spread)


def columns_of(table: pd.DataFrame, traits: Sequence[str], *, clocks: bool) -> Floats:
    """The same columns for events other than moments: traits, and clocks by their `day`.

    Independent, centred and scaled, without an intercept; (rows, columns).
    """
    makers = [_intercept, *(_trait(name, table[name]) for name in traits)]
    if clocks:
        makers.append(_spline("calendar", table.day, "day", pieces=6))
        makers += [partial(_waves, name, days) for name, days in CYCLES]
    raw = _make(makers, Points(table, np.zeros((0, 0, len(table)), dtype=np.float32)))
    kept, centre, spread = _independent(raw)
    return ((np.column_stack([raw[name] for name in kept]) - centre) / spread)[:, 1:]


def _make(makers: tuple[Maker, ...] | list[Maker], points: Points) -> Columns:
    columns: Columns = {}
    for maker in makers:
        columns |= maker(points)
    return columns


def _intercept(points: Points) -> Columns:
    return {"intercept": np.ones(len(points.table))}


def _spline(name: str, values: pd.Series, column: str, *, pieces: int) -> Maker:
    knots = np.unique(np.quantile(values, np.linspace(0, 1, pieces)))
    if len(knots) < 2:
        return _nothing
    spline = SplineTransformer(
        degree=3, knots=knots[:, None], include_bias=False, extrapolation="linear"
    ).fit(values.to_numpy()[:, None])
    return partial(_spline_columns, name, column, spline)


def _nothing(_points: Points) -> Columns:
    return {}


def _spline_columns(name: str, column: str, spline: Any, points: Points) -> Columns:
    basis = spline.transform(points.table[column].to_numpy(float)[:, None])
    return {f"{name} {i + 1}": basis[:, i] for i in range(basis.shape[1])}


def _cycle(name: str, days: float, moments: Moments) -> Maker:
    """Waves of a period and of half of it: people sleep, and mails go out in the morning.

    No waves where events keep to a few instants of the period: dates without times, weekly
    batches. Waves would tell such events from the moments between them.
    """
    events = moments.table.day[moments.table.event == 1].to_numpy(float)
    pieces = np.bincount((events / days % 1 * PIECES).astype(int), minlength=PIECES)
    if (pieces >= RAREST_PIECE * len(events)).sum() < FEWEST_PIECES:
        return _nothing
    return partial(_waves, name, days)


def _waves(name: str, days: float, points: Points) -> Columns:
    turn = 2 * np.pi * points.table.day.to_numpy(float) / days
    waves = [wave(k * turn) for k in (1, 2) for wave in (np.sin, np.cos)]
    return {f"{name} {i}": wave for i, wave in enumerate(waves, start=1)}


def _history(name: str, points: Points) -> Columns:
    blank = np.zeros(len(points.table))
    count = points.table[name].to_numpy(float) if name in points.table else blank
    some = {f"{name}: any": (count > 0).astype(float)} if name.startswith(PRIOR) else {}
    return some | {f"{name}: log": np.log1p(count)}


def _trait(name: str, values: pd.Series) -> Maker:
    """Numbers as a few hats, words as one column a level; missing is a level of its own."""
    types = pd.api.types
    if types.is_numeric_dtype(values) or types.is_datetime64_any_dtype(values):
        known = _finite(values)
        if not np.isfinite(known).any():
            return _nothing
        return partial(_hats, name, np.unique(np.nanquantile(known, KNOTS)))
    words = _words(values)
    shares = words.value_counts(normalize=True)
    common = shares[shares >= RAREST_LEVEL].index[:MOST_LEVELS]
    return partial(_levels, name, tuple(common[1:]))


def _levels(name: str, levels: Sequence[str], points: Points) -> Columns:
    own = _words(points.table[name])
    return {f"{name}: {level}": (own == level).to_numpy(dtype=float) for level in levels}


def _words(values: pd.Series) -> pd.Series:
    return values.astype("string").fillna("(missing)")


def _hats(name: str, knots: Floats, points: Points) -> Columns:
    """A broken line through knots at quantiles, flat beyond them: no extreme extrapolates."""
    number = _finite(points.table[name])
    missing = ~np.isfinite(number)
    known = np.where(missing, knots[0], number)
    hats = np.array([np.interp(known, knots, own) for own in np.eye(len(knots))[1:]])
    columns = {f"{name}: {knot:g}": hat for knot, hat in zip(knots[1:], hats, strict=True)}
    return {**columns, f"{name}: missing": missing.astype(float)}


def _finite(values: pd.Series) -> Floats:
    if pd.api.types.is_datetime64_any_dtype(values):
        values = (values - pd.Timestamp(0, tz=values.dt.tz)) / pd.Timedelta(days=1)
    number = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(number), number, np.nan)


def _touch_rate(points: Points) -> Columns:
    before = np.asarray(points.exposure[:, -1, :].sum(axis=0), dtype=float)
    since = points.table.since.to_numpy(float)
    return {"touch rate": np.log1p(before / (since + RECENT_DAYS))}


def _independent(raw: Columns) -> tuple[list[str], Floats, Floats]:
    """Choose columns that a pivoted QR finds independent; what centres and scales them.

    The others are centred, so the intercept is independent of them and stays.
    """
    centre = {name: float(v.mean()) for name, v in raw.items()} | {"intercept": 0.0}
    spread = {name: float(v.std()) for name, v in raw.items()} | {"intercept": 1.0}
    varying = [name for name in raw if spread[name] > ALIKE * max(1.0, abs(centre[name]))]
    scaled = np.column_stack([(raw[name] - centre[name]) / spread[name] for name in varying])
    triangle, order = linalg.qr(scaled, mode="r", pivoting=True)
    sizes = np.abs(np.diag(triangle))
    kept = [varying[i] for i in sorted(order[: len(sizes)][sizes > ALIKE * sizes[0]])]
    return kept, np.array([centre[n] for n in kept]), np.array([spread[n] for n in kept])
