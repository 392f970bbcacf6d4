"""Figures, from tidy tables only. Titles state what the table says, not what it holds."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from touchlab.credit.attribute import NO_TOUCH
from touchlab.credit.sensitivity import most_debated
from touchlab.show import NARROW, Picture, Theme

LONGEST_NAME = 30
MOST_LINES = 6
MODEL_NAMES = {
    "first": "First touch",
    "last": "Last touch",
    "last_non_direct": "Last non-direct",
    "linear": "Linear",
    "position": "Position",
    "time_decay": "Time decay",
    "shapley": "Shapley",
    "markov": "Markov",
}
MARKERS = "oDs^vPX*"


def plot_credit(credit: pd.DataFrame) -> Picture:
    """Show each touchpoint's share under every model: where models agree and where they do not."""
    table = credit[credit.touchpoint != NO_TOUCH]
    shares = table.pivot_table(index="touchpoint", columns="model", values="share", sort=False)
    shares = shares.loc[shares.mean(axis=1).sort_values().index]
    swing = most_debated(table)
    title = (
        f"{_short(swing.touchpoint)} depends most on the model: {_percent(swing.low.share)} by "
        f"{_model(swing.low.model)}, {_percent(swing.high.share)} by {_model(swing.high.model)}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = _canvas(width, 0.34 * len(shares) + 1.5)
        rows = np.arange(len(shares))
        axes.hlines(rows, shares.min(axis=1), shares.max(axis=1), color=theme.line, lw=5, zorder=1)
        for i, model in enumerate(shares.columns):
            axes.scatter(
                shares[model], rows, s=30, marker=MARKERS[i % len(MARKERS)], lw=0, alpha=0.9,
                color=theme.palette[i % len(theme.palette)], label=_model(model), zorder=2,
            )  # fmt: skip
        _names(axes, shares.index)
        _percent_axis(axes, "share of all outcomes")
        columns = 2 if width <= NARROW else min(4, len(shares.columns))
        figure.legend(loc="outside lower center", ncols=columns, handletextpad=0.2)
        return _finish(figure, axes, title, width)

    top = shares.mean(axis=1).idxmax()
    alt = f"{title}. Highest on average: {top}, {_percent(shares.loc[top].mean())}."
    return Picture(draw, alt, shares.reset_index())


def plot_intervals(
    table: pd.DataFrame, *, value: str, names: str, label: str, title: str, percent: bool = True
) -> Picture:
    """Show one estimate a row with its interval, largest on top."""
    rows = table.sort_values(value, ignore_index=True)

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = _canvas(width, 0.32 * len(rows) + 1.1)
        y = np.arange(len(rows))
        axes.hlines(y, rows.ci_low, rows.ci_high, color=theme.accent, lw=2.2, alpha=0.45)
        axes.scatter(rows[value], y, s=34, color=theme.accent, zorder=2)
        _names(axes, rows[names])
        axes.set_xlim(left=min(0.0, float(rows[["ci_low", value]].min().min())))
        if percent:
            _percent_axis(axes, label)
        else:
            _count_axis(axes, label)
        return _finish(figure, axes, title, width)

    first, last = rows.iloc[-1], rows.iloc[0]
    form = _percent if percent else _count
    alt = (
        f"{title}. From {first[names]} ({form(first[value])}) "
        f"down to {last[names]} ({form(last[value])})."
    )
    return Picture(draw, alt, rows)


def plot_markov(credit: pd.DataFrame) -> Picture:
    """Show the credit of one model with its intervals."""
    table = credit[credit.touchpoint != NO_TOUCH].sort_values("credit", ascending=False)
    first, second = table.iloc[0], table.iloc[min(1, len(table) - 1)]
    apart = "clearly ahead of" if first.ci_low > second.ci_high else "not clearly ahead of"
    title = f"{_short(first.touchpoint)} leads with {_count(first.credit)} outcomes"
    title += f", {apart} {_short(second.touchpoint)}" if len(table) > 1 else ""
    return plot_intervals(
        table, value="credit", names="touchpoint", label="outcomes credited, 95 % interval",
        title=title, percent=False,
    )  # fmt: skip


def plot_removal(effects: pd.DataFrame, *, outcome: str) -> Picture:
    """Show the raw removal effects with their intervals."""
    first = effects.loc[effects.removal.idxmax()]
    title = f"Without {_short(first.touchpoints)}, the chain loses {_percent(first.removal)}"
    return plot_intervals(
        effects, value="removal", names="touchpoints", title=title,
        label=f"share of {outcome} outcomes lost in the chain, 95 % interval",
    )  # fmt: skip


def plot_positions(credit: pd.DataFrame) -> Picture:
    """Show how each touchpoint's credit is spread over the positions of the journey."""
    own = credit.pivot_table(index="touchpoint", columns="position", values="credit", sort=False)
    whole = own.sum(axis=1)
    own = own.loc[whole.sort_values(ascending=False).index].fillna(0.0)
    shares = own.div(own.sum(axis=1), axis=0).loc[lambda t: t.sum(axis=1) > 0]
    first = shares.columns[0]
    early, late = shares[first].idxmax(), shares[first].idxmin()
    title = (
        f"{_short(early)} earns {_percent(shares[first].max())} of its credit as the first touch, "
        f"{_short(late)} {_percent(shares[first].min())}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = _canvas(width, 0.36 * len(shares) + 1.5)
        colours = sns.light_palette(theme.accent, as_cmap=True)
        if theme.paper != "#ffffff":
            colours = sns.dark_palette(theme.accent, as_cmap=True)
        sns.heatmap(
            shares * 100, ax=axes, cmap=colours, annot=width > NARROW, fmt=".0f", cbar=False,
            vmin=0, linewidths=1.5, linecolor=theme.paper, annot_kws={"size": 8.5},
        )  # fmt: skip
        axes.set_yticklabels([_short(str(t), 22) for t in shares.index], rotation=0)
        axes.tick_params(length=0)
        axes.set(xlabel="position of the touch, in per cent of the touchpoint's credit", ylabel="")
        return _finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", shares.reset_index())


def plot_credit_by_month(credit: pd.DataFrame) -> Picture:
    """Show shares by month for the largest touchpoints."""
    return _plot_shares(credit, x="segment", unit="month")


def plot_credit_by_segment(credit: pd.DataFrame) -> Picture:
    """Show shares by segment for the largest touchpoints."""
    return _plot_shares(credit, x="segment", unit="segment")


def plot_lookbacks(credit: pd.DataFrame) -> Picture:
    """Show shares under other lookbacks for the largest touchpoints."""
    return _plot_shares(credit, x="lookback", unit="lookback")


def _plot_shares(credit: pd.DataFrame, *, x: str, unit: str) -> Picture:
    table = credit[credit.touchpoint != NO_TOUCH]
    wide = table.pivot_table(index=x, columns="touchpoint", values="share", sort=False)
    wide = wide[wide.mean().sort_values(ascending=False).index[:MOST_LINES]]
    spread = (wide.max() - wide.min()).sort_values()
    moving = str(spread.index[-1])
    low, high = wide[moving].idxmin(), wide[moving].idxmax()
    title = (
        f"{_short(moving)} moves most between {unit}s: {_percent(wide[moving].min())} in {low}, "
        f"{_percent(wide[moving].max())} in {high}"
        if len(wide) > 1
        else f"There is one {unit} only"
    )
    return plot_lines(
        table, x=x, lines="touchpoint", y="share", title=title, label="share of outcomes"
    )


def plot_lengths(lengths: pd.DataFrame) -> Picture:
    """Show how often journeys of each length end with the outcome, and how many there are."""
    one, more = lengths.iloc[0], lengths.iloc[1:]
    share = one.journeys / lengths.journeys.sum()
    rate = more.outcomes.sum() / more.journeys.sum() if len(more) else float("nan")
    title = f"{_percent(share)} of journeys have {one.touches} touch; {_percent(one.rate)} convert"
    title += f", of longer ones {_percent(rate)}" if len(more) else ""

    def draw(theme: Theme, width: float) -> Figure:
        figure = Figure(figsize=(width, 4.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        x = np.arange(len(lengths))
        upper.vlines(x, lengths.ci_low, lengths.ci_high, color=theme.accent, lw=2.2, alpha=0.45)
        upper.scatter(x, lengths.rate, s=34, color=theme.accent)
        upper.set_ylim(bottom=0)
        upper.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.0f} %"))
        upper.set_ylabel("convert")
        sns.barplot(x=x, y=lengths.journeys.to_numpy(), ax=lower, color=theme.line)
        lower.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _count(v)))
        lower.set(ylabel="journeys", xlabel="touches in the journey")
        lower.set_xticks(x, list(lengths.touches))
        figure.align_ylabels()
        return _finish(figure, upper, title, width)

    best = lengths.loc[lengths.rate.idxmax()]
    alt = f"{title}. Highest at {best.touches} touches: {_percent(best.rate)}."
    return Picture(draw, alt, lengths)


def plot_months(months: pd.DataFrame, *, outcome: str) -> Picture:
    """Show touches and outcomes by month."""
    peak = months.loc[months.outcomes.idxmax()]
    title = f"Most {outcome} outcomes in {peak.month}: {_count(peak.outcomes)}"

    def draw(theme: Theme, width: float) -> Figure:
        figure = Figure(figsize=(width, 3.8), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        x = np.arange(len(months))
        for axes, column, colour in (
            (upper, "touches", theme.soft),
            (lower, "outcomes", theme.accent),
        ):
            axes.plot(x, months[column], marker="o", ms=4, lw=1.8, color=colour)
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _count(v)))
            axes.set_ylabel(column if column == "touches" else outcome)
        step = max(1, round(len(months) / (12 if width > NARROW else 5)))
        lower.set_xticks(x[::step], list(months.month[::step]))
        figure.align_ylabels()
        return _finish(figure, upper, title, width)

    alt = f"{title}; {_count(months.touches.sum())} touches from {months.month.iloc[0]} on."
    return Picture(draw, alt, months)


def plot_steps(steps: pd.DataFrame, *, top: int = 9) -> Picture:
    """Show where customers go next, as a map of probabilities from touchpoint to touchpoint."""
    size = steps.groupby("source").n.sum().sort_values(ascending=False)
    sources = list(size.index[: top + 1])
    ends = [t for t in steps.target.unique() if t.startswith("(")]
    targets = [s for s in sources if not s.startswith("(")] + ends
    matrix = steps.pivot_table(index="source", columns="target", values="probability")
    matrix = matrix.reindex(index=sources, columns=targets).fillna(0.0)
    inner = steps[~steps.source.str.startswith("(") & ~steps.target.str.startswith("(")]
    moved = inner[inner.source != inner.target]
    strongest = (moved if len(moved) else steps).sort_values(["n", "source"]).iloc[-1]
    title = (
        f"The most travelled step leads from {_short(strongest.source)} to "
        f"{_short(strongest.target)}: {_percent(strongest.probability)} of what follows"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = _canvas(width, 0.42 * len(sources) + 2.2)
        numbers = width > NARROW
        colours = sns.light_palette(theme.accent, as_cmap=True)
        if theme.paper != "#ffffff":
            colours = sns.dark_palette(theme.accent, as_cmap=True)
        sns.heatmap(
            matrix * 100, ax=axes, cmap=colours, annot=numbers, fmt=".0f", cbar=False, vmin=0,
            vmax=60, linewidths=1.5, linecolor=theme.paper, annot_kws={"size": 8.5},
        )  # fmt: skip
        axes.set_xticklabels([_short(t, 22) for t in targets], rotation=40, ha="right")
        axes.set_yticklabels([_short(s, 22) for s in sources], rotation=0)
        axes.set(xlabel="next, in per cent of the row", ylabel="")
        axes.tick_params(length=0)
        return _finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", matrix.reset_index())


def plot_times(times: pd.DataFrame) -> Picture:
    """Show how long before the outcome each touchpoint comes: median and middle half."""
    rows = times.sort_values("median_days", ascending=False, ignore_index=True)
    soon, late = rows.iloc[-1], rows.iloc[0]
    title = (
        f"{_short(soon.touchpoint)} comes {_days(soon.median_days)} before the outcome, "
        f"{_short(late.touchpoint)} {_days(late.median_days)}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = _canvas(width, 0.32 * len(rows) + 1.1)
        y = np.arange(len(rows))
        axes.hlines(y, rows.p25_days, rows.p75_days, color=theme.accent, lw=6, alpha=0.3)
        axes.scatter(rows.median_days, y, s=36, color=theme.accent, zorder=2)
        axes.invert_xaxis()
        axes.set_xlim(right=0)
        _names(axes, rows.touchpoint)
        axes.set_xlabel("days before the outcome: median and middle half")
        return _finish(figure, axes, title, width)

    return Picture(draw, f"{title} (medians).", rows)


def plot_lines(
    table: pd.DataFrame, *, x: str, lines: str, y: str, title: str, label: str
) -> Picture:
    """Show shares over time for the largest few."""
    largest = table.groupby(lines)[y].mean().sort_values(ascending=False).index[:MOST_LINES]
    wide = table.pivot_table(index=x, columns=lines, values=y, sort=False)[list(largest)]

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = _canvas(width, 3.6)
        places = np.arange(len(wide))
        for i, name in enumerate(wide.columns):
            style = {
                "marker": MARKERS[i % len(MARKERS)],
                "color": theme.palette[i],
                "ms": 4,
                "lw": 1.8,
            }
            axes.plot(places, wide[name], label=_short(str(name)), **style)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.0f} %"))
        axes.set_ylim(bottom=0)
        step = max(1, round(len(wide) / (12 if width > NARROW else 5)))
        axes.set_xticks(places[::step], [_short(str(v), 12) for v in wide.index[::step]])
        axes.set_ylabel(label)
        figure.legend(loc="outside lower center", ncols=2 if width <= NARROW else 3)
        return _finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", wide.reset_index())


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, max(height, 2.4)), layout="constrained")
    return figure, figure.subplots()


def _finish(figure: Figure, axes: Axes, title: str, width: float) -> Figure:
    letters = int(width * 9.2)
    figure.suptitle(
        "\n".join(textwrap.wrap(title, letters)),
        x=0.01,
        ha="left",
        fontsize=11.5,
        fontweight="bold",
    )
    return figure


def _names(axes: Axes, names: Sequence[Any] | pd.Index | pd.Series) -> None:
    axes.set_yticks(np.arange(len(names)), [_short(str(n)) for n in names])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(names) - 0.4)


def _percent_axis(axes: Axes, label: str) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.0f} %"))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="x", lw=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(label)


def _count_axis(axes: Axes, label: str) -> None:
    _percent_axis(axes, label)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: _count(v)))


def _short(name: str, longest: int = LONGEST_NAME) -> str:
    name = " ".join(str(name).split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _model(name: str) -> str:
    return MODEL_NAMES.get(name, name.replace("_", " "))


def _percent(value: float) -> str:
    places = 1 if abs(value) < 0.0995 else 0
    return f"{100 * value:.{places}f}\N{NO-BREAK SPACE}%"


def _count(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:,.1f}"


def _days(value: float) -> str:
    if value < 2:
        return f"{24 * value:.0f} hours"
    return f"{value:.0f} days"
