"""Figures of journeys: when, how long, where to next, and the first steps as bands."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from touchlab.errors import MissingInput, listing
from touchlab.plots.parts import (
    canvas,
    fill_map,
    finish,
    in_days,
    name_rows,
    name_some,
    short,
    whole_or_tenths,
    whole_per_cent,
)
from touchlab.show import (
    NARROW,
    Picture,
    Theme,
    counted,
    in_words,
    on_hover,
    per_cent,
    safe,
    safe_picture,
    styled,
)


@safe_picture
def plot_lengths(lengths: pd.DataFrame) -> Picture:
    """Show how often journeys of each length end with the outcome, and how many there are."""
    one, more = lengths.iloc[0], lengths.iloc[1:]
    share = one.journeys / lengths.journeys.sum()
    closed = more.journeys - more.open
    rate = (more.rate * closed).sum() / closed.sum() if closed.sum() else float("nan")
    title = f"{per_cent(share)} of journeys have {one.touches} touch; {per_cent(one.rate)} convert"
    title += f", of longer ones {per_cent(rate)}" if len(more) else ""

    def draw(theme: Theme, width: float) -> Figure:
        import seaborn as sns  # slow to import, and few figures need it

        figure = Figure(figsize=(width, 4.2))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        x = np.arange(len(lengths))
        upper.vlines(x, lengths.ci_low, lengths.ci_high, color=theme.accent, lw=2.2, alpha=0.45)
        upper.scatter(x, lengths.rate, s=34, color=theme.accent)
        upper.set_ylim(bottom=0)
        upper.yaxis.set_major_formatter(whole_per_cent)
        upper.set_ylabel("convert")
        sns.barplot(x=x, y=lengths.journeys.to_numpy(), ax=lower, color=theme.line, saturation=1)
        lower.yaxis.set_major_formatter(whole_or_tenths)
        lower.set(ylabel="journeys", xlabel="touches in the journey")
        lower.set_xticks(x, list(lengths.touches))
        figure.align_ylabels()
        return finish(figure, upper, title, width)

    if lengths.rate.isna().all():
        raise MissingInput("No journey is over yet: their lookback has not passed.")
    best = lengths.loc[lengths.rate.idxmax()]
    alt = f"{title}. Highest at {best.touches} touches: {per_cent(best.rate)}."
    return Picture(draw, alt, lengths)


@safe_picture
def plot_months(months: pd.DataFrame, *, outcome: str) -> Picture:
    """Show touches and outcomes by month."""
    peak = months[months.outcomes == months.outcomes.max()]
    each = " each" if len(peak) > 1 else ""
    title = f"Most {outcome} outcomes in {listing(peak.month, most=3)}: "
    title += f"{counted(peak.outcomes.iloc[0])}{each}"

    def draw(theme: Theme, width: float) -> Figure:
        figure = Figure(figsize=(width, 3.8))
        upper, lower = figure.subplots(2, 1, sharex=True)
        x = np.arange(len(months))
        for axes, column, colour in (
            (upper, "touches", theme.soft),
            (lower, "outcomes", theme.accent),
        ):
            axes.plot(x, months[column], marker="o", ms=4, lw=1.8, color=colour)
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter(whole_or_tenths)
            axes.set_ylabel(column if column == "touches" else outcome)
        name_some(lower, list(months.month), width)
        figure.align_ylabels()
        return finish(figure, upper, title, width)

    alt = f"{title}; {counted(months.touches.sum())} touches from {months.month.iloc[0]} on."
    return Picture(draw, alt, months)


@safe_picture
def plot_steps(steps: pd.DataFrame, *, top: int = 9) -> Picture:
    """Show where customers go next, as a map of probabilities from touchpoint to touchpoint."""
    size = steps.groupby("source").n.sum().sort_values(ascending=False)
    sources = list(size.index[: top + 1])
    ends = [t for t in steps.target.unique() if t.startswith("(")]
    targets = [s for s in sources if not s.startswith("(")] + ends
    matrix = steps.pivot_table(index="source", columns="target", values="probability")
    matrix = matrix.reindex(index=sources, columns=targets)  # empty: never, or hidden
    inner = steps[~steps.source.str.startswith("(") & ~steps.target.str.startswith("(")]
    moved = inner[inner.source != inner.target]
    moved = (moved if len(moved) else steps).sort_values(["n", "source"])
    strongest = moved.iloc[-1]
    alone = (moved.n == strongest.n).sum() == 1
    one = "The most travelled step" if alone else "One of the most travelled steps"
    title = (
        f"{one} leads from {short(strongest.source)} to "
        f"{short(strongest.target)}: {per_cent(strongest.probability)} of what follows"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.42 * len(sources) + 2.2)
        fill_map(axes, theme, matrix, width, vmax=60)
        axes.set_xticklabels(
            [short(t, 22) for t in targets], rotation=40, ha="right", rotation_mode="anchor"
        )
        axes.set_yticklabels([short(s, 22) for s in sources], rotation=0)
        axes.set(xlabel="next, in per cent of the row", ylabel="")
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", matrix.reset_index())


@safe_picture
def plot_times(times: pd.DataFrame) -> Picture:
    """Show how long before the outcome each touchpoint comes: median and middle half."""
    rows = times.sort_values("median_days", ascending=False, ignore_index=True)
    soon, late = rows.iloc[-1], rows.iloc[0]
    title = (
        f"{short(soon.touchpoint)} comes {in_days(soon.median_days)} before the outcome, "
        f"{short(late.touchpoint)} {in_days(late.median_days)}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.32 * len(rows) + 1.1)
        y = np.arange(len(rows))
        axes.hlines(y, rows.p25_days, rows.p75_days, color=theme.accent, lw=6, alpha=0.3)
        dots = axes.scatter(rows.median_days, y, s=36, color=theme.accent, zorder=2)
        days = rows[["median_days", "p25_days", "p75_days"]].map(in_days).to_numpy()
        said = (f"{middle} (half of them {low} to {high})" for middle, low, high in days)
        on_hover(dots, map("{}: {}".format, rows.touchpoint, said))
        axes.invert_xaxis()
        axes.set_xlim(right=0)
        name_rows(axes, rows.touchpoint)
        axes.set_xlabel("days before the outcome: median and middle half")
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title} (medians).", rows)


NODE, GAP = 0.09, 0.012
"""Width of a touchpoint in steps, and the room between two, as a share of all journeys."""


@styled
def plot_first_steps(steps: pd.DataFrame, *, outcome: str) -> Picture:
    """Show how journeys flow in their first steps, those with the outcome beside those without.

    `steps` is that of `first_steps`. Each group is drawn as high as the other, so that shares
    compare; a touchpoint has one colour, and what has ended is pale.
    """
    starts, shown = _starts(steps), _starts(safe(steps))
    whole = (shown.reindex_like(starts).fillna(0.0) == starts).all(axis=1)
    shares = (starts / starts.sum())[whole & ~starts.index.str.startswith("(")]
    return _plot_steps(steps, _title(shares, outcome), outcome)


def _starts(steps: pd.DataFrame) -> pd.DataFrame:
    """Journeys by first touch and group."""
    return steps[steps.step == 1].groupby(["source", "group"]).n.sum().unstack().fillna(0.0)


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
    whole = max(own.groupby("step").n.sum().max(), 1.0)  # all, where no row is left out
    last = int(own.step.max()) + 1
    order = [*names, *sorted(set(own.target) - set(names))]
    colours = theme.by_name(names)
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
