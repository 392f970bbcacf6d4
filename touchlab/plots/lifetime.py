"""Figures of lifetime value: was the prediction right, and who is worth how much."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from touchlab.errors import MissingInput
from touchlab.plots.parts import (
    canvas,
    count_axis,
    counted,
    finish,
    name_rows,
    per_cent,
    plot_intervals,
    short,
)
from touchlab.show import NARROW, Picture, Theme, safe_picture

MONTH = r"\d{4}-\d{2}"


@safe_picture
def plot_validation(weeks: pd.DataFrame, total: pd.DataFrame) -> Picture:
    """Show repeat orders week by week, as they came and as predicted without having seen them."""
    row, held = total.iloc[0], weeks[weeks.part == "holdout"]
    split = held.week.iloc[0]
    title = (
        f"{counted(round(row.predicted))} repeat orders were predicted for {len(held)} weeks not "
        f"seen, {counted(row.actual)} came: {off(row.error)}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 3.6)
        axes.axvspan(split, held.week.iloc[-1], color=theme.line, alpha=0.35, lw=0)
        axes.fill_between(
            held.week, held.ci_low, held.ci_high, color=theme.accent, alpha=0.25, lw=0,
            label="95 % of weeks, if the model holds",
        )  # fmt: skip
        axes.plot(weeks.week, weeks.actual, color=theme.ink, lw=1.3, label="as they came")
        axes.plot(
            weeks.week, weeks.predicted, color=theme.accent, lw=2.2, ls="--", label="predicted"
        )
        top = float(weeks[["actual", "ci_high", "predicted"]].max().max())
        axes.set_ylim(0, top * 1.16)
        axes.annotate(
            "not seen by the model", (split, top * 1.15), (5, -2), va="top",
            textcoords="offset points", color=theme.soft, fontsize=9,
        )  # fmt: skip
        axes.grid(axis="y", lw=0.7)
        axes.set_ylabel("repeat orders a week")
        most = 10 if width > NARROW else 5
        locator = mdates.AutoDateLocator(maxticks=most)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        dates = mdates.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(dates)
        figure.legend(loc="outside lower center", ncols=1 if width <= NARROW else 3)
        return finish(figure, axes, title, width)

    inside = int(held.actual.between(held.ci_low, held.ci_high).sum())
    alt = f"{title}. {inside} of {len(held)} weeks lie within their prediction interval."
    return Picture(draw, alt, weeks)


@safe_picture
def plot_lifetime_value(table: pd.DataFrame) -> Picture:
    """Show what a customer of each group is worth, with its interval; months in their order."""
    if table.value.isna().all():
        raise MissingInput("Orders carry no value. With it, what customers are worth is shown.")
    top = table.loc[table.value.idxmax()]
    below = int((table.ci_high < top.ci_low).sum())
    ends = f"({counted(top.ci_low)} to {counted(top.ci_high)})"
    title = (
        f"{short(top.group)} customers are worth most: {counted(top.value)} each {ends}; "
        f"{below} of {len(table) - 1} other groups are surely worth less"
        if below
        else f"No group is surely worth more than another: {counted(table.value.min())} to "
        f"{counted(top.value)} a customer"
    )
    label = "expected value of a customer, discounted, 95 % interval"
    if not table.group.str.fullmatch(MONTH).all():
        return plot_intervals(
            table, value="value", names="group", label=label, title=title, percent=False
        )
    rows = table.sort_values("group", ascending=False, ignore_index=True)

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 0.32 * len(rows) + 1.1)
        y = np.arange(len(rows))
        axes.hlines(y, rows.ci_low, rows.ci_high, color=theme.accent, lw=2.2, alpha=0.45)
        axes.scatter(rows.value, y, s=34, color=theme.accent, zorder=2)
        name_rows(axes, rows.group)
        axes.set_xlim(left=0)
        count_axis(axes, label)
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", rows)


def off(error: float) -> str:
    """Say how far a prediction is off: ``12 % too few``."""
    if abs(error) < 0.005:
        return "right on it"
    return f"{per_cent(abs(error))} too {'many' if error > 0 else 'few'}"
