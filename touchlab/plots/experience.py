"""Figures of the experience: scores, what follows them, importance, and the map of it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from touchlab.errors import TooThin
from touchlab.experience.key_drivers import KeyDrivers, called, quadrants, weak_links
from touchlab.experience.stages import largest_leak
from touchlab.plots.parts import (
    canvas,
    count_axis,
    draw_intervals,
    finish,
    name_rows,
    name_some,
    plot_intervals,
    short,
    whole_per_cent,
)
from touchlab.show import (
    NARROW,
    Picture,
    Theme,
    counted,
    per_cent,
    safe_picture,
    styled,
)

SCALES = {"nps": (-100.0, 100.0), "csat": (0.0, 100.0), "ces": (1.0, 7.0), "scale": (0.0, 100.0)}
LABELS = {
    "nps": "NPS, points",
    "csat": "CSAT, % of answers 4 or 5",
    "ces": "CES, mean of 1 (hard) to 7 (easy)",
    "scale": "mean answer, 0 worst to 100 best",
}
MOST_ROWS = 40


@styled
def plot_survey_scores(scores: pd.DataFrame) -> Picture:
    """Show scores of `survey_scores` with their intervals, a panel a metric, answers beside them.

    Hollow: fewer than 30 answers. Months run from left to right.
    """
    shown = ["metric", str(scores.columns[1]), "score", "ci_low", "ci_high", "n", "ranked"]
    return _plot_scores(scores[shown])


@safe_picture
def _plot_scores(scores: pd.DataFrame) -> Picture:
    by = str(scores.columns[1])
    known = scores[scores.score.notna()].head(MOST_ROWS)
    metrics = list(known.metric.unique())
    title = _scores_title(known, by)

    def draw(theme: Theme, width: float) -> Figure:
        if by == "month":
            return _draw_months(theme, width, known, title)
        sizes = [int((known.metric == metric).sum()) for metric in metrics]
        height = 0.3 * sum(sizes) + 0.85 * len(sizes) + 0.6
        figure = Figure(figsize=(width, max(height, 2.4)))
        panels = figure.subplots(
            len(sizes), 1, squeeze=False, height_ratios=[s + 0.8 for s in sizes]
        )
        for axes, metric in zip(panels[:, 0], metrics, strict=True):
            own = known[known.metric == metric].iloc[::-1].reset_index(drop=True)
            _dots(axes, theme, own, by, "score", own.ranked)
            name_rows(axes, own[by])
            _beside(axes, theme, [f"n = {n:,}" for n in own.n])
            axes.set_xlim(SCALES[metric])  # of all that could be answered
            axes.xaxis.set_major_locator(MaxNLocator(6))
            axes.grid(axis="x", lw=0.7)
            axes.set_axisbelow(True)
            axes.set_xlabel(f"{LABELS[metric]}; 95 % interval")
        return finish(figure, panels[0, 0], title, width)

    said = "; ".join(
        f"{metric.upper()} {name} {score:.1f}"
        for metric, name, score in known[["metric", by, "score"]].head(8).to_numpy()
    )
    return Picture(draw, f"{title}. {said}.", known)


def _draw_months(theme: Theme, width: float, known: pd.DataFrame, title: str) -> Figure:
    metrics, months = list(known.metric.unique()), sorted(known.month.unique())
    figure = Figure(figsize=(width, 1.7 * len(metrics) + 0.9))
    panels = figure.subplots(len(metrics), 1, squeeze=False, sharex=True)[:, 0]
    for axes, metric in zip(panels, metrics, strict=True):
        own = known[known.metric == metric]
        x = own.month.map(months.index)
        axes.vlines(x, own.ci_low, own.ci_high, color=theme.accent, lw=2.2, alpha=0.45)
        face = [theme.accent if full else theme.paper for full in own.ranked]
        axes.plot(x, own.score, color=theme.accent, lw=1.0, alpha=0.6)
        axes.scatter(x, own.score, s=30, color=face, edgecolors=theme.accent, lw=1.3, zorder=3)
        axes.set_ylabel(LABELS[metric].split(",")[0])
        axes.grid(axis="y", lw=0.7)
        axes.set_axisbelow(True)
    name_some(axes, months, width)
    axes.set_xlabel("month, 95 % interval")
    figure.align_ylabels()
    return finish(figure, panels[0], title, width)


def _scores_title(known: pd.DataFrame, by: str) -> str:
    ranked = known[known.ranked]
    widest = ("", 0.0)
    for metric, own in ranked.groupby("metric"):
        low, high = SCALES[str(metric)]
        widest = max(widest, (str(metric), (own.score.max() - own.score.min()) / (high - low)),
                     key=lambda pair: pair[1])  # fmt: skip
    if not widest[0]:
        return f"Scores by {by}" if len(ranked) else f"Too few answers to rank any {by}"
    own = ranked[ranked.metric == widest[0]]
    worst, best = own.loc[own.score.idxmin()], own.loc[own.score.idxmax()]
    apart = "" if worst.ci_high < best.ci_low else " (not clearly apart)"
    return (
        f"{short(str(worst[by]))} has the lowest {widest[0].upper()}: {in_points(worst)}; "
        f"{short(str(best[by]))} the highest: {in_points(best)}{apart}"
    )


def in_points(row: pd.Series) -> str:
    """Write a score in the unit of its metric."""
    if row.metric == "nps":
        return f"{row.score:+.0f}".replace("-", "−")
    return f"{row.score:.0f}\N{NO-BREAK SPACE}%" if row.metric == "csat" else f"{row.score:.1f}"


@safe_picture
def plot_gaps(gaps: pd.DataFrame, *, outcome: str) -> Picture:
    """Show how much more often the outcome follows low scores than high ones (`contrast_bands`)."""
    rows = gaps.iloc[::-1].reset_index(drop=True)
    title = _gaps_title(gaps, outcome)

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.4 * len(rows) + 1.2)
        axes.axvline(0, color=theme.soft, lw=0.9, ls="--")
        _dots(axes, theme, rows, "metric", "difference", rows.clear)
        name_rows(axes, rows.metric.str.upper())
        count_axis(axes, f"points more {outcome} after low than after high scores, 95 % interval")
        _beside(axes, theme, [f"n = {n:,}" for n in rows.n])
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", gaps)


def _gaps_title(gaps: pd.DataFrame, outcome: str) -> str:
    clear = gaps[gaps.clear]
    if clear.empty:
        return f"No score clearly foretells {outcome}: low and high are not clearly apart"
    best = clear.loc[clear.difference.abs().idxmax()]
    more = "more" if best.difference > 0 else "less"
    return (
        f"After low {best.metric.upper()}, {outcome} is {abs(best.difference):.0f} points {more} "
        "frequent than after high"
    )


@styled
def plot_importance(drivers: KeyDrivers) -> Picture:
    """Set importance beside performance: weak links are important and poor."""
    table, links = drivers.table, weak_links(drivers)
    equal, usual = quadrants(table)
    weak = list(links.driver[links.weak])
    names = " and ".join(short(str(w)) for w in weak[:2]) + (" and more" if len(weak) > 2 else "")
    title = (
        f"Important and poor: {names}"
        if weak
        else f"No touchpoint is both important for {called(drivers.target)} and poor"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 4.6)
        for kind, marker, colour in ((False, "o", theme.accent), (True, "D", theme.palette[1])):
            own = table[links.weak == kind]
            x, y = own.performance, own.importance
            faint: dict[str, Any] = {"color": colour, "lw": 2, "alpha": 0.4}
            axes.hlines(y, own.performance_low, own.performance_high, **faint)
            axes.vlines(x, own.ci_low, own.ci_high, **faint)
            axes.scatter(x, y, s=44, marker=marker, color=colour, zorder=3)
        axes.axhline(equal, color=theme.soft, lw=0.9, ls="--")
        axes.axvline(usual, color=theme.soft, lw=0.9, ls="--")
        axes.set_ylim(0, min(1.0, float(table.ci_high.max()) * 1.08))
        axes.set_xlim(0, 100)
        axes.yaxis.set_major_formatter(whole_per_cent)
        axes.set_ylabel(f"importance for {called(drivers.target)}: share of R2")
        axes.set_xlabel("performance: mean score, 95 % interval")
        corner: dict[str, Any] = {
            "transform": axes.transAxes,
            "color": theme.soft,
            "fontsize": 9,
            "va": "top",
        }
        axes.text(0.01, 0.99, "important and poor", **corner)
        axes.text(0.99, 0.99, "important and good", ha="right", **corner)
        _label(axes, theme, table, usual)
        return finish(figure, axes, title, width)

    first = table.iloc[0]
    alt = f"{title}. Most important: {first.driver}, {per_cent(first.importance)} of R2."
    return Picture(draw, alt, links)


def _label(axes: Axes, theme: Theme, table: pd.DataFrame, usual: float) -> None:
    """Name the points on the side where there is room, never closer than a line of text."""
    top = axes.get_ylim()[1]
    gap, taken = 0.055 * top, {True: top * 2, False: top * 2}
    for row in table.sort_values("importance", ascending=False).itertuples():
        right = row.performance < usual
        y = min(row.importance + 0.02 * top, taken[right] - gap)
        taken[right] = y
        axes.annotate(
            short(str(row.driver), 22), (row.performance, y), xytext=(7 if right else -7, 0),
            textcoords="offset points", ha="left" if right else "right", fontsize=9,
            color=theme.ink,
            bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
        )  # fmt: skip


@safe_picture
def plot_flow(flow: pd.DataFrame) -> Picture:
    """Show stage by stage, as a funnel, how many customers there are and who goes no further."""
    leak = largest_leak(flow)
    if leak is None:
        title = "There is one stage only: nothing to drop off from"
    else:
        worst, others = leak
        title = (
            f"Drop-off is largest at {worst.stage}: {per_cent(worst.rate)} of "
            f"{counted(worst.n)} customers go no further{others}"
        )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.58 * len(flow) + 0.7)
        for y, row in enumerate(flow.itertuples()):
            size, further = row.n / max(flow.n.max(), 1), 0 if pd.isna(row.rate) else 1 - row.rate
            axes.barh(y, size, 0.6, left=-size / 2, color=theme.line)
            axes.barh(y, size * further, 0.6, left=-size * further / 2, color=theme.shade)
        axes.set(xlim=(-0.5, 0.5), ylim=(len(flow) - 0.5, -0.5), xticks=[])
        axes.set_yticks(range(len(flow)), flow.stage + [f"\n{n:,}" for n in flow.n])
        axes.spines[:].set_visible(False)
        _beside(axes, theme, [_stops(row, width) for row in flow.itertuples()])
        axes.set_xlabel(
            "bar: customers touched there and watched; coloured: those who went further"
        )
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", flow)


def _stops(row: Any, width: float) -> str:
    """Say beside a stage which share of its customers goes no further."""
    if pd.isna(row.rate):
        return "last stage"
    ends = f"({per_cent(row.ci_low)} to {per_cent(row.ci_high)})"
    return f"{per_cent(row.rate)} stop{' ' if width > NARROW else chr(10)}{ends}"


def _dots(
    axes: Axes, theme: Theme, rows: pd.DataFrame, names: str, value: str, filled: pd.Series
) -> None:
    face = [theme.accent if full else theme.paper for full in filled]
    form = per_cent if value == "rate" else "{:.1f}".format
    look: dict[str, Any] = {"s": 36, "color": face, "edgecolors": theme.accent, "lw": 1.3}
    draw_intervals(axes, theme, rows, names, value, form, **look)


def _beside(axes: Axes, theme: Theme, words: Sequence[str]) -> None:
    """Write the denominators to the right of the rows."""
    for y, text in enumerate(words):
        axes.text(1.01, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5,
                  color=theme.soft)  # fmt: skip


@safe_picture
def plot_changes(table: pd.DataFrame) -> Picture:
    """Show what each change brought, with its interval and badge (`change_effects`)."""
    rows = table[table.change.notna()]
    if rows.empty:
        raise TooThin("No change has enough before and after it to be drawn.")
    names = rows.what + ", " + rows.touchpoint + ", " + rows.date.dt.strftime("%Y-%m-%d")
    unit = "points of 100" if (rows.measure == "score").all() else "outcomes within the watch"
    label, clear = f"after less expected, {unit}, 95 % interval", rows.ci_low * rows.ci_high > 0
    title = f"{int(clear.sum())} of {len(rows)} changes show a clear move"
    given: dict[str, Any] = {"value": "change", "names": "name", "label": label, "title": title}
    return plot_intervals(rows.assign(name=names), **given, percent=False)
