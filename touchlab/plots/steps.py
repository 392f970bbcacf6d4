"""The first steps of journeys as bands from touchpoint to touchpoint, two groups side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from touchlab.errors import MissingInput
from touchlab.plots.parts import finish, short
from touchlab.show import NARROW, Picture, Theme, in_words, per_cent, safe_picture

NODE, GAP = 0.09, 0.012
"""Width of a touchpoint in steps, and the room between two, as a share of all journeys."""


def plot_first_steps(steps: pd.DataFrame, *, outcome: str) -> Picture:
    """Show how journeys flow in their first steps, those with the outcome beside those without.

    `steps` is that of `first_steps`. Each group is drawn as high as the other, so that shares
    compare; a touchpoint has one colour, and what has ended is pale.
    """
    starts = steps[steps.step == 1].groupby(["source", "group"]).n.sum().unstack(fill_value=0.0)
    shares = starts / starts.sum()
    named = shares[~shares.index.str.startswith("(")]
    return _plot_steps(steps, _title(named, outcome), outcome)  # before small rows are left out


@safe_picture
def _plot_steps(steps: pd.DataFrame, title: str, outcome: str) -> Picture:
    groups = sorted(steps.group.unique())
    size = steps[steps.step == 1].groupby("source").n.sum().sort_values(ascending=False)
    names = sorted(size.index, key=lambda name: name.startswith("("))
    if not names:
        raise MissingInput("The first steps of journeys stand on too few customers to be shown.")

    def draw(theme: Theme, width: float) -> Figure:
        across = len(groups) if width > NARROW else 1
        figure = Figure(figsize=(width, 3.9 if across == len(groups) else 3.6 * len(groups)))
        panels = figure.subplots(len(groups) // across, across, squeeze=False).ravel()
        for axes, group in zip(panels, groups, strict=True):
            _draw_group(axes, steps[steps.group == group], names, theme)
            called = in_words(
                f"journeys {group.replace('outcome', f'{outcome} outcomes')}, by step"
            )
            axes.set_title(called, fontsize=9.5, fontweight="normal")
        return finish(figure, panels[-1], title, width)

    return Picture(draw, f"{title}. Most frequent first touches: {', '.join(names[:3])}.", steps)


def _title(shares: pd.DataFrame, outcome: str) -> str:
    """Say which first touch tells the groups apart most."""
    if shares.empty or len(shares.columns) < 2:
        return f"The first steps of journeys, by whether they lead to {outcome} outcomes"
    name = str((shares.iloc[:, 0] - shares.iloc[:, 1]).abs().idxmax())
    first, second = map(per_cent, shares.loc[name])
    return (
        f"{short(name)} is the first touch of {first} of journeys that lead to {outcome} outcomes, "
        f"and of {second} of the others"
    )


def _draw_group(axes: Axes, own: pd.DataFrame, names: list[str], theme: Theme) -> None:
    whole, last = own[own.step == 1].n.sum(), int(own.step.max()) + 1
    order = [*names, *sorted(set(own.target) - set(names))]
    colours = {name: theme.palette[i % len(theme.palette)] for i, name in enumerate(names)}
    heights = {
        step: (own[own.step == step].groupby("source").n.sum() / whole).reindex(order).dropna()
        for step in range(1, last)
    }
    final = own[own.step == last - 1].groupby("target").n.sum() / whole
    heights[last] = final.reindex(order).dropna()
    tops = {step: _stack(column) for step, column in heights.items()}
    leaves = {step: dict(top) for step, top in tops.items()}
    enters = {step: dict(top) for step, top in tops.items()}
    rank = {name: i for i, name in enumerate(order)}
    for row in sorted(own.itertuples(), key=lambda r: (r.step, rank[r.source], rank[r.target])):
        height = row.n / whole
        if row.source not in leaves[row.step] or row.target not in enters[row.step + 1]:
            continue
        begin, end = leaves[row.step][row.source], enters[row.step + 1][row.target]
        colour, solid = colours.get(row.source, theme.line), 0.3 if row.source in colours else 0.25
        _ribbon(axes, (row.step + NODE, row.step + 1), (begin, end), height, colour, solid)
        leaves[row.step][row.source] -= height
        enters[row.step + 1][row.target] -= height
    for step, column in heights.items():
        for name, height in column.items():
            top = tops[step][name]
            colour = colours.get(str(name), theme.line)
            axes.bar(step, height, NODE, bottom=top - height, align="edge", color=colour)
            if height > 0.055:
                text = short(str(name).strip("()"), 16)
                axes.text(
                    step + NODE + 0.03, top - height / 2, text, va="center", fontsize=7.5,
                    color=theme.ink,
                )  # fmt: skip
    axes.set(xlim=(0.95, last + 0.75), ylim=(None, 0.01))
    axes.set_xticks(np.arange(1, last + 1) + NODE / 2, [str(step) for step in range(1, last + 1)])
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)


def _stack(column: pd.Series) -> dict[str, float]:
    """Give each part of a column its upper edge, from 0 down."""
    below = column.cumsum() - column + GAP * np.arange(len(column))
    return {str(name): -float(top) for name, top in below.items()}


def _ribbon(
    axes: Axes, x: tuple[float, float], top: tuple[float, float], height: float, colour: str,
    solid: float,
) -> None:  # fmt: skip
    middle = (x[0] + x[1]) / 2
    low = (top[0] - height, top[1] - height)
    corners = [
        (x[0], top[0]), (middle, top[0]), (middle, top[1]), (x[1], top[1]),
        (x[1], low[1]), (middle, low[1]), (middle, low[0]), (x[0], low[0]), (x[0], top[0]),
    ]  # fmt: skip
    curve = [Path.CURVE4] * 3
    codes = [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY]
    axes.add_patch(PathPatch(Path(corners, codes), facecolor=colour, alpha=solid, lw=0))
