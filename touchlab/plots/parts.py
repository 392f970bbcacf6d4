"""What all figures share: a canvas, names, axes, numbers as text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from touchlab.show import (
    NARROW,
    Guest,
    Picture,
    Theme,
    counted,
    entitle,
    in_words,
    on_hover,
    per_cent,
    safe_picture,
)

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
_DIGITS = re.compile(r"(\d+)").split


TRUST = "filled: experiment-backed, hollow: checked, grey: untested or a mere link"
"""What the marks of effects say."""


def trust(theme: Theme, badge: str) -> dict[str, Any]:
    """How the mark of an effect is drawn: the same for a badge in every figure."""
    face = {"randomised": theme.accent, "adjusted": theme.paper}.get(badge, theme.line)
    return {
        "facecolor": face,
        "edgecolor": theme.accent if face != theme.line else theme.soft,
        "lw": 1.4,
    }


@safe_picture
def plot_intervals(
    table: pd.DataFrame, *, value: str, names: str, label: str, title: str, percent: bool = True
) -> Picture:
    """Show one estimate a row with its interval, largest on top; its mark says its badge."""
    rows = table.sort_values(value, ignore_index=True)
    form = per_cent if percent else counted

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.32 * len(rows) + 1.1)
        marks: dict[str, Any] = {"color": theme.accent}
        if "badge" in rows:
            looks = pd.DataFrame([trust(theme, str(badge)) for badge in rows.badge])
            marks = {name: list(looks[name]) for name in looks}
        draw_intervals(axes, theme, rows, names, value, form, s=36, **marks)
        name_rows(axes, rows[names])
        low = float(rows[["ci_low", value]].min().min())
        axes.set_xlim(left=min(0.0, low * 1.03))
        below = f"{label}\n{TRUST}" if "badge" in rows else label
        (percent_axis if percent else count_axis)(axes, below)
        return finish(figure, axes, title, width)

    first, last = rows.iloc[-1], rows.iloc[0]
    alt = (
        f"{title}. From {first[names]} ({form(first[value])}) "
        f"down to {last[names]} ({form(last[value])})."
    )
    return Picture(draw, alt, rows)


@safe_picture
def plot_lines(
    table: pd.DataFrame, *, x: str, lines: str, y: str, title: str, label: str
) -> Picture:
    """Show shares over time for the largest few."""
    largest = table.groupby(lines)[y].mean().sort_values(ascending=False).index[:MOST_LINES]
    wide = table.pivot_table(index=x, columns=lines, values=y)[list(largest)]
    wide = wide.loc[in_order(wide.index)]

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 3.6)
        places, colours = np.arange(len(wide)), theme.by_name(map(str, wide.columns))
        for name, marker in zip(wide.columns, MARKERS, strict=False):
            axes.plot(
                places, wide[name], marker=marker, color=colours[str(name)],
                ms=4, lw=1.8, label=short(str(name)),
            )  # fmt: skip
        axes.yaxis.set_major_formatter(whole_per_cent)
        axes.set_ylim(bottom=0)
        name_some(axes, [short(str(v), 12) for v in wide.index], width)
        axes.set_ylabel(label)
        figure.legend(loc="outside lower center", ncols=2 if width <= NARROW else 3)
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", wide.reset_index())


def in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels, numbers in them by size: 7D before 14D. As they come, a hidden row moves one."""
    split = {a: [int(p) if i % 2 else p for i, p in enumerate(_DIGITS(str(a)))] for a in labels}
    return sorted(split, key=split.__getitem__)


def canvas(theme: Theme, width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, or what stands for it where the axes are the reader's."""
    if theme.axes:
        return cast(Figure, Guest(theme.axes)), theme.axes
    figure = Figure(figsize=(width, max(height, 2.4)))
    return figure, figure.subplots()


def finish(figure: Figure, axes: Axes, title: str, width: float) -> Figure:
    """Put the title over a figure; long words in title and label take more lines."""
    lines = in_words(axes.get_xlabel()).split("\n")
    axes.set_xlabel("\n".join(textwrap.fill(line, int(width * 10)) for line in lines))
    entitle(figure, title, width)
    return figure


def fill_map(
    axes: Axes, theme: Theme, shares: pd.DataFrame, width: float, vmax: float | None = None
) -> None:
    """Fill a map of shares, with its numbers in per cent."""
    import seaborn as sns  # slow to import, and few figures need it

    digits = {"size": 8.5 if width > NARROW else 7, "color": theme.ink}
    sns.heatmap(
        shares * 100, ax=axes, cmap=theme.shades, annot=True, fmt=".0f", vmin=0, vmax=vmax,
        cbar=False, linewidths=1.5, linecolor=theme.paper, annot_kws=digits,
    )  # fmt: skip
    axes.tick_params(length=0)


def with_intervals(
    rows: pd.DataFrame, names: str, value: str, form: Callable[[float], str]
) -> list[str]:
    """Say each row: its name, its estimate and, where there is one, the interval."""
    said = (
        f"{name}: {form(number)}" for name, number in zip(rows[names], rows[value], strict=True)
    )
    ends = zip(rows.ci_low, rows.ci_high, strict=True)
    return [
        words if pd.isna(low) else f"{words} ({form(low)} to {form(high)})"
        for words, (low, high) in zip(said, ends, strict=True)
    ]


def draw_intervals(
    axes: Axes, theme: Theme, rows: pd.DataFrame, names: str, value: str,
    form: Callable[[float], str], **dots: Any,
) -> None:  # fmt: skip
    """Draw an estimate a row with its interval; each dot says its numbers."""
    y = np.arange(len(rows))
    axes.hlines(y, rows.ci_low, rows.ci_high, color=theme.accent, lw=2.2, alpha=0.45)
    drawn = axes.scatter(rows[value], y, zorder=2, **dots)
    on_hover(drawn, with_intervals(rows, names, value, form))


def name_some(axes: Axes, names: Sequence[str], width: float) -> None:
    """Name as many places along the x axis as there is room for."""
    step = max(1, round(len(names) / (12 if width > NARROW else 5)))
    axes.set_xticks(range(len(names))[::step], names[::step])


def name_rows(axes: Axes, names: Sequence[Any] | pd.Index | pd.Series) -> None:
    axes.set_yticks(np.arange(len(names)), [short(str(n)) for n in names])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(names) - 0.4)


def percent_axis(axes: Axes, label: str) -> None:
    axes.xaxis.set_major_formatter(whole_per_cent)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="x", lw=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(label)


def count_axis(axes: Axes, label: str) -> None:
    percent_axis(axes, label)
    axes.xaxis.set_major_formatter(whole_or_tenths)


def whole_per_cent(value: float, _: float) -> str:
    return f"{100 * value:.0f} %"


def whole_or_tenths(value: float, _: float) -> str:
    return counted(value)


def short(name: str, longest: int = LONGEST_NAME) -> str:
    name = " ".join(in_words(str(name)).split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def named(name: str) -> str:
    return MODEL_NAMES.get(name, name.replace("_", " "))


def in_days(value: float) -> str:
    return f"{24 * value:.0f} hours" if value < 2 else f"{value:.0f} days"
