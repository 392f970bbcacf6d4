"""Figures of drivers: what would not have happened without a touchpoint."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from touchlab.drivers.checks import CAUSAL
from touchlab.plots.parts import (
    MARKERS,
    canvas,
    count_axis,
    counted,
    finish,
    name_rows,
    named,
    per_cent,
    plot_intervals,
    short,
)  # fmt: skip
from touchlab.show import NARROW, Picture, Theme, on_hover, safe_picture


@safe_picture
def plot_incremental(table: pd.DataFrame, *, outcome: str) -> Picture:
    """Show what would not have happened without each touchpoint, with its interval."""
    title = _finding(table, outcome)
    return plot_intervals(
        table, value="incremental", names="touchpoint", title=title, percent=False,
        label=f"{outcome} outcomes that would not have happened without it, 95 % interval",
    )  # fmt: skip


def _finding(table: pd.DataFrame, outcome: str) -> str:
    beyond = table[(table.ci_low > 0) | (table.ci_high < 0)]
    if beyond.empty:
        return f"No touchpoint can be told from one that changes nothing about {outcome}"
    first = beyond.loc[beyond.incremental.abs().idxmax()]
    more = first.incremental > 0
    verb, what, reach = "brings" if more else "prevents", outcome, "change something"
    if first.badge in CAUSAL:
        beyond = beyond[beyond.badge.isin(CAUSAL)]
    else:
        verb, what, reach = "goes with", f"{'more' if more else 'fewer'} {outcome}", "go"
    ends = sorted(abs(end) for end in (first.ci_low, first.ci_high))
    return (
        f"{short(first.touchpoint)} {verb} most: {counted(abs(first.incremental))} {what} "
        f"outcomes ({counted(ends[0])} to {counted(ends[1])}); {len(beyond)} of {len(table)} "
        f"{reach} beyond chance"
    )


@safe_picture
def plot_credit_and_drivers(both: pd.DataFrame) -> Picture:
    """Set what a touchpoint is credited with beside what it brings."""
    rows = both.sort_values("credit", ignore_index=True)
    brought = rows.incremental.sum()
    title = (
        f"Credit is {rows.credit.sum() / brought:.1f} times what the touchpoints bring together"
        if brought > 0
        else "Credit is shared out, though the touchpoints together bring nothing"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 0.32 * len(rows) + 1.5)
        y = np.arange(len(rows))
        axes.hlines(y, rows.incremental, rows.credit, color=theme.line, lw=5, zorder=1)
        for column, label, colour, marker in (
            ("incremental", "incremental (drivers)", theme.palette[0], "o"),
            ("credit", "credited (Markov)", theme.palette[1], "D"),
        ):
            dots = axes.scatter(
                rows[column], y, s=34, color=colour, marker=marker, label=label, zorder=2
            )
            known = zip(rows.touchpoint, rows[column], strict=True)
            on_hover(dots, (f"{name}: {counted(v)} {label}" for name, v in known))
        name_rows(axes, rows.touchpoint)
        count_axis(axes, "outcomes")
        figure.legend(loc="outside lower center", ncols=1 if width <= NARROW else 2)
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", rows)


@safe_picture
def plot_scores(scores: pd.DataFrame) -> Picture:
    """Show how far each method is from the truth, world by world; shorter is better."""
    wide = scores.pivot_table(index="method", columns="world", values="amount_error", sort=False)
    mean = wide.mean(axis=1).round(9)  # rules that tie keep their order
    wide = wide.loc[mean.sort_values(ascending=False, kind="stable").index]
    first = wide.columns[0]
    ahead = wide[first].drop("oracle", errors="ignore").idxmin()
    title = (
        f"With {first}, {named(ahead)} come closest: off by {per_cent(wide[first][ahead])} of "
        f"the truth; last touch by {per_cent(wide[first]['last'])}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 0.34 * len(wide) + 1.6)
        y = np.arange(len(wide))
        for i, world in enumerate(wide.columns):
            axes.scatter(
                wide[world], y, s=38, marker=MARKERS[i], color=theme.palette[i], label=world
            )
        name_rows(axes, [named(str(method)) for method in wide.index])
        count_axis(axes, "sum of errors as a multiple of the true amounts")
        axes.set_xlim(left=0)
        figure.legend(loc="outside lower center", ncols=1 if width <= NARROW else 2)
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", wide.reset_index())
