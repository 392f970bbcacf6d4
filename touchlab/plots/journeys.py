"""Figures of journeys: when, how long, where to next."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from touchlab.errors import MissingInput
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
from touchlab.show import Picture, Theme, counted, on_hover, per_cent, safe_picture


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
    peak = months.loc[months.outcomes.idxmax()]
    title = f"Most {outcome} outcomes in {peak.month}: {counted(peak.outcomes)}"

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
    strongest = (moved if len(moved) else steps).sort_values(["n", "source"]).iloc[-1]
    title = (
        f"The most travelled step leads from {short(strongest.source)} to "
        f"{short(strongest.target)}: {per_cent(strongest.probability)} of what follows"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 0.42 * len(sources) + 2.2)
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
        figure, axes = canvas(width, 0.32 * len(rows) + 1.1)
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
