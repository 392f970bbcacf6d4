"""Figures of money: what an outcome costs, what more would bring, where money should move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from touchlab.budget.plan import SURE
from touchlab.data.contract import listing
from touchlab.drivers.checks import CAUSAL
from touchlab.moments.risk import ENDING
from touchlab.plots.parts import (
    canvas,
    count_axis,
    finish,
    name_rows,
    named,
    plot_intervals,
    short,
    whole_or_tenths,
)
from touchlab.show import NARROW, Picture, Theme, counted, money, ranged, safe_picture, styled

FLAT = 0.95
"""Share of proportional growth above which returns hardly fall."""
MARGIN = 2.0
"""Factor by which the axis of costs goes beyond the numbers."""


@safe_picture
def plot_cost_per_incremental(
    table: pd.DataFrame, *, outcome: str, credit: str = "last", currency: str = "euro"
) -> Picture:
    """Show what an incremental outcome costs with its interval, beside the cost by credit."""
    rows = table.sort_values("cost_per_incremental", ascending=False, ignore_index=True)
    known = rows[["cost_per_incremental", "cost_per_incremental_low", "cost_per_incremental_high"]]
    known = known.join(rows.cost_per_credited).replace(np.inf, np.nan).stack().dropna()
    ends = (known.min() / MARGIN, known.max() * MARGIN) if len(known) else (1.0, 10.0)
    title = _cost_title(rows, outcome, credit, currency)

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.34 * len(rows) + 1.6)
        axes.set_xscale("log")
        axes.set_xlim(*ends)
        y = np.arange(len(rows))
        low, high = rows.cost_per_incremental_low, rows.cost_per_incremental_high
        axes.hlines(y, low.clip(*ends), high.clip(*ends), color=theme.accent, lw=2.2, alpha=0.45)
        for place in np.flatnonzero(np.isinf(high)):
            if np.isfinite(low[place]):
                axes.plot(ends[1], place, marker=">", color=theme.accent, ms=6, clip_on=False)
                continue
            axes.annotate(
                "brings none", (ends[1], float(place)), va="center", ha="right", color=theme.soft
            )
        axes.scatter(
            rows.cost_per_incremental.replace(np.inf, np.nan), y, s=34, color=theme.palette[0],
            label="per incremental outcome, 95 % interval", zorder=3,
        )  # fmt: skip
        if rows.cost_per_credited.notna().any():
            axes.scatter(
                rows.cost_per_credited, y, s=34, marker="D", color=theme.palette[1], zorder=2,
                label=f"per outcome credited by {named(credit).lower()}",
            )  # fmt: skip
        name_rows(axes, rows.touchpoint)
        count_axis(axes, f"{currency} per {outcome} (log scale)")
        decades = np.log10(ends[1] / ends[0])
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 3 else (1.0, 2.0, 5.0)))
        axes.minorticks_off()
        figure.legend(loc="outside lower center", ncols=1 if width <= NARROW else 2)
        return finish(figure, axes, title, width)

    alt = f"{title}. An arrow: the interval has no upper end, the touchpoint may bring none."
    return Picture(draw, alt, rows)


def _cost_title(rows: pd.DataFrame, outcome: str, credit: str, currency: str) -> str:
    bounded = rows[np.isfinite(rows.cost_per_incremental_high)]
    sure = bounded[bounded.badge.isin(CAUSAL)]
    if sure.empty and len(bounded):
        return f"Effects are {listing(bounded.badge.unique())}: one {outcome} has no price yet"
    if sure.empty:
        return f"No touchpoint is surely above zero: what one {outcome} costs is not known"
    cheap, dear = sure.iloc[-1], sure.iloc[0]
    one = f"Preventing one {outcome}" if outcome in ENDING else f"One more {outcome}"
    said = f"{one} costs {money(cheap.cost_per_incremental)} {currency} "
    said += f"with {short(cheap.touchpoint)}"
    if len(sure) > 1:
        said += f", {money(dear.cost_per_incremental)} with {short(dear.touchpoint)}"
    times = (sure.cost_per_incremental / sure.cost_per_credited).median()
    return (
        said
        if np.isnan(times)
        else f"{said}; {named(credit).lower()} makes it look {times:.1f} times cheaper"
    )


@safe_picture
def plot_response_curves(curves: pd.DataFrame, *, outcome: str, currency: str = "euro") -> Picture:
    """Show what each touchpoint brings at less and more than now, in one small figure each."""
    now = curves[curves.multiplier == 1].set_index("touchpoint")
    most = curves.loc[curves.groupby("touchpoint").multiplier.idxmax()].set_index("touchpoint")
    more, spent = most.incremental - now.incremental, most.cost - now.cost
    more = more[(more / spent).sort_values(ascending=outcome in ENDING).index]
    times, brought = growth(curves)
    falls = "hardly fall" if brought > FLAT * times else "fall"
    title = (
        f"{counted(times)} times the touches bring {brought:.1f} times the {outcome} outcomes: "
        f"returns {falls} within what was seen"
    )

    def draw(theme: Theme, width: float) -> Figure:
        across = min(2 if width <= NARROW else 4, len(more))
        down = -(-len(more) // across)
        figure = Figure(figsize=(width, 1.5 * down + 1.3))
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, name in zip(panels, more.index, strict=False):
            _draw_curve(axes, curves[curves.touchpoint == name], theme)
            text = f"{signed(more[name])} for {counted(spent[name])} {currency}"
            letters = int(width / across * 9)
            axes.set_title(f"{short(str(name), letters)}\n{text}", fontsize=9, fontweight="normal")
        for axes in panels[len(more) :]:
            axes.set_visible(False)
        figure.supxlabel("touches, as a multiple of those now", fontsize=9.5, color=theme.soft)
        label = f"{outcome} outcomes beyond none of it, 95 % interval"
        figure.supylabel(label, fontsize=9.5, color=theme.soft)
        return finish(figure, panels[0], title, width)

    alt = f"{title}. Most for the money: {more.index[0]}; least: {more.index[-1]}."
    return Picture(draw, alt, curves)


def growth(curves: pd.DataFrame) -> tuple[float, float]:
    """How many times as many touches, and as many outcomes of those touchpoints that bring any."""
    now = curves[curves.multiplier == 1].set_index("touchpoint").incremental
    most = curves.loc[curves.groupby("touchpoint").multiplier.idxmax()].set_index("touchpoint")
    brings = now[now.abs() > 0].index
    whole = now[brings].abs().sum()
    grown = (most.incremental[brings] * np.sign(now[brings])).sum()
    return float(most.multiplier.max()), float(grown / whole) if whole else np.nan


def _draw_curve(axes: Axes, own: pd.DataFrame, theme: Theme) -> None:
    axes.fill_between(own.multiplier, own.ci_low, own.ci_high, color=theme.accent, alpha=0.2, lw=0)
    axes.axhline(0, color=theme.soft, lw=0.8)
    axes.plot(own.multiplier, own.incremental, color=theme.accent, lw=2)
    here = own[own.multiplier == 1]
    axes.scatter(here.multiplier, here.incremental, s=26, color=theme.accent, zorder=3)
    axes.set_xticks(sorted({0.0, 1.0, float(own.multiplier.max())}))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: "now" if v == 1 else f"{v:g}"))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(whole_or_tenths)
    axes.grid(axis="y", lw=0.7)


@safe_picture
def plot_reallocation(
    table: pd.DataFrame, gain: pd.DataFrame, *, currency: str = "euro"
) -> Picture:
    """Show what each touchpoint costs now and under the plan."""
    rows = table.sort_values(["change", "cost_now"], ignore_index=True)
    row, moved = gain.iloc[0], rows.change.clip(lower=0).sum()
    what = "fewer" if row.outcome in ENDING else "more"
    ends = f"{counted(row.ci_low)} to {counted(row.ci_high)}"
    title = (
        f"{counted(moved)} {currency} to move: {counted(row.gain)} {what} {row.outcome} ({ends})"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.42 * len(rows) + 1.4)
        y = np.arange(len(rows))
        axes.hlines(y, rows.cost_now, rows.cost_planned, color=theme.line, lw=5, zorder=1)
        axes.scatter(
            rows.cost_now, y, s=34, facecolor=theme.paper, edgecolor=theme.soft, lw=1.5, zorder=2,
            label="now",
        )  # fmt: skip
        moves = rows[rows.change != 0]
        axes.scatter(
            moves.cost_planned, moves.index, s=38, color=theme.accent, zorder=3, label="planned"
        )
        right = rows[["cost_now", "cost_planned"]].max(axis=1)
        for place, one in rows.iterrows():
            axes.annotate(
                _move(one), (right[place], place), (8, 0), textcoords="offset points", va="center",
                color=theme.soft, fontsize=8.5,
            )  # fmt: skip
        name_rows(axes, rows.touchpoint)
        count_axis(axes, currency)
        axes.set_xlim(-0.02 * right.max(), right.max() * (1.8 if width <= NARROW else 1.35))
        axes.xaxis.set_major_locator(MaxNLocator(3 if width <= NARROW else 6))
        figure.legend(loc="outside lower center", ncols=2)
        return finish(figure, axes, title, width)

    changes = "; ".join(f"{one.touchpoint} {_move(one)}" for one in rows[::-1].itertuples())
    return Picture(draw, f"{title}. {changes}.", rows)


def _move(one: Any) -> str:
    if one.change == 0:
        return str(one.advice)
    sure = one.probability_more if one.change > 0 else 1 - one.probability_more
    return f"{signed(one.change)}, direction {'clear' if sure >= SURE else 'unclear'}"


@styled
def plot_moves(moves: pd.DataFrame, *, outcome: str, currency: str = "euro") -> Picture:
    """Show what each move of a plan gains or loses by itself; `moves` is ``plan.moves(curves)``."""
    first, safe = moves.iloc[0], int(moves.safe.sum())
    said = f"{ranged(first.gain, first.gain_low, first.gain_high)} {outcome} outcomes"
    spent = f"{signed(first.change)} {currency} for {short(first.touchpoint)}"
    title = f"{spent}: {said}; {safe} of {len(moves)} "
    rows = moves.rename(columns={"gain_low": "ci_low", "gain_high": "ci_high"})
    return plot_intervals(
        rows, value="gain", names="touchpoint", title=f"{title}moves are safe to make now",
        label=f"{outcome} outcomes beyond those of now, 95 % interval", percent=False,
    )  # fmt: skip


def signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{counted(value)}"
