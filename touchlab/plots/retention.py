"""Figures of retention: survival curves, cohorts, which outcome comes first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from touchlab.errors import MissingInput
from touchlab.plots.parts import (
    canvas,
    count_axis,
    draw_intervals,
    fill_map,
    finish,
    name_rows,
    plot_intervals,
    short,
    whole_per_cent,
)
from touchlab.privacy.shown import min_customers
from touchlab.show import NARROW, Picture, Theme, counted, per_cent, safe, safe_picture, styled

MOST_CURVES = 6
FEWEST_AT_RISK = 10
"""Customers at risk below which a curve is no longer drawn: its end hangs on single ones."""
ENOUGH_AT_RISK = 30
"""Customers at risk on the day that words speak of, where every group has such a day."""
HATCH = ((0.05, 0.5), (0.05, 0.95), (0.5, 0.95))
"""Where the strokes of a hatched cell begin and end."""
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


@safe_picture
def plot_survival(curves: pd.DataFrame, *, outcome: str = "churn", title: str = "") -> Picture:
    """Show the share of customers still without the outcome, with bands; largest groups first."""
    rows = _drawn(curves, "group")
    title = title or _title(rows, f"without {outcome}")
    return _picture(rows, "group", "survival", f"still without {outcome}", title)


@safe_picture
def plot_incidence(shares: pd.DataFrame) -> Picture:
    """Show the share of customers that has had each outcome first, with bands."""
    if shares.group.nunique() > 1:
        shares = shares.assign(outcome=shares.group + ": " + shares.outcome)
    rows = _drawn(shares, "outcome")
    day, last = _common_day(rows, "outcome")
    first = last.loc[last.incidence.idxmax()]
    title = (
        f"After {day} days, {short(first.outcome)} came first for {per_cent(first.incidence)} "
        f"of customers ({per_cent(first.ci_low)} to {per_cent(first.ci_high)})"
    )
    return _picture(rows, "outcome", "incidence", "had it first", title)


def whole_months(cohorts: pd.DataFrame) -> pd.DataFrame:
    """Sum up the months of which no cohort is hidden: active, customers and rate by month."""
    keys = ["months_since", "cohort"]
    seen = cohorts.merge(safe(cohorts)[keys], on=keys, how="left", indicator="shown")
    hidden = seen.months_since[seen.shown != "both"]
    whole = seen[~seen.months_since.isin(hidden)]
    sums = whole.groupby("months_since")[["active", "customers"]].sum()
    return sums.assign(rate=sums.active / sums.customers)


@styled
def plot_cohorts(cohorts: pd.DataFrame, *, outcome: str = "conversion") -> Picture:
    """Show the share of each cohort that is active, month by month, as a map."""
    whole = whole_months(cohorts)
    title = "How many of a cohort come back, month by month"
    if len(whole):
        row = whole.iloc[0]
        months = f"{row.name} month{'s' if row.name > 1 else ''}"
        title = f"{per_cent(row.rate)} have {outcome} outcomes {months} after the first"
    keys = ["cohort", "months_since"]
    shown = cohorts[keys].merge(safe(cohorts)[keys], how="left", indicator="shown")
    hidden = shown.loc[shown.shown != "both", keys].itertuples(index=False, name=None)
    return _plot_cohorts(cohorts, title, hidden=[*hidden])


@safe_picture
def _plot_cohorts(
    cohorts: pd.DataFrame, title: str, *, hidden: Sequence[tuple[Any, Any]]
) -> Picture:
    rates = cohorts.pivot(index="cohort", columns="months_since", values="rate")
    sizes = cohorts.groupby("cohort").n.first()
    there = [(cohort, months) for cohort, months in hidden if cohort in rates.index]
    rates = rates.reindex(columns=sorted({*rates.columns, *(months for _, months in there)}))
    cells = [(rates.columns.get_loc(m), rates.index.get_loc(c)) for c, m in there]
    strokes = [[(x + a, y + b), (x + b, y + a)] for x, y in cells for a, b in HATCH]

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.34 * len(rates) + 1.6)
        fill_map(axes, theme, rates, width)
        names = [f"{cohort} ({sizes[cohort]:,})" for cohort in rates.index]
        axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
        axes.add_collection(LineCollection(strokes, colors=theme.soft, linewidths=0.7))
        said = "; hatched: hidden" if strokes else ""
        axes.set(xlabel=f"months after the first, per cent active{said}", ylabel="")
        return finish(figure, axes, title, width)

    best = cohorts.loc[cohorts.rate.idxmax()]
    alt = (
        f"{title}. {len(rates)} cohorts; of what is shown, most active is that of {best.cohort}, "
        f"{best.months_since} months after: {per_cent(best.rate)} of {best.customers:,}."
    )
    return Picture(draw, alt, cohorts)


def _drawn(rows: pd.DataFrame, names: str) -> pd.DataFrame:
    """Keep the largest groups, as far as enough customers are at risk; whole if never enough."""
    sizes = rows.groupby(names)["n"].max().sort_values(ascending=False, kind="stable")
    kept = rows[rows[names].isin(sizes.index[:MOST_CURVES])]
    enough = kept[kept.at_risk >= FEWEST_AT_RISK]
    return kept if enough[names].nunique() < kept[names].nunique() else enough


def last_day(rows: pd.DataFrame, names: str) -> int:
    """Find the last day on which many of every group drawn are at risk: words speak of it."""
    drawn = _drawn(rows, names)
    enough = drawn[drawn.at_risk >= ENOUGH_AT_RISK]
    whole = enough if enough[names].nunique() == drawn[names].nunique() else drawn
    return int(whole.groupby(names).day.max().min())


def _common_day(rows: pd.DataFrame, names: str) -> tuple[int, pd.DataFrame]:
    """Return the last day that all groups have, and their rows on it."""
    day = last_day(rows, names)
    return day, rows[rows.day == day]


def _title(rows: pd.DataFrame, what: str) -> str:
    day, last = _common_day(rows, "group")
    high, low = last.loc[last.survival.idxmax()], last.loc[last.survival.idxmin()]
    if len(last) == 1:
        return (
            f"After {day} days, {per_cent(high.survival)} of customers are still {what} "
            f"({per_cent(high.ci_low)} to {per_cent(high.ci_high)})"
        )
    if per_cent(high.survival) == per_cent(low.survival):
        return f"After {day} days, {per_cent(high.survival)} of every group are still {what}"
    if high.ci_low <= low.ci_high:
        return (
            f"After {day} days, groups do not clearly differ: from {per_cent(low.survival)} to "
            f"{per_cent(high.survival)} are still {what}"
        )
    return (
        f"After {day} days, {per_cent(high.survival)} of {short(high.group)} are still {what}, "
        f"{per_cent(low.survival)} of {short(low.group)}"
    )


def _picture(rows: pd.DataFrame, names: str, value: str, label: str, title: str) -> Picture:
    order = list(rows.groupby(names)["n"].max().sort_values(ascending=False, kind="stable").index)
    below = order if names == "group" else order[:1]  # outcomes have the same customers at risk

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 3.8)
        ends, alpha = [], 0.18 if len(order) <= 3 else 0.09
        for i, name in enumerate(order):
            own, colour = rows[rows[names] == name], theme.palette[i]
            axes.fill_between(
                own.day, own.ci_low, own.ci_high, step="post", color=colour, alpha=alpha, lw=0
            )
            axes.step(own.day, own[value], where="post", color=colour, lw=1.8, ls=LINES[i])
            ends.append((float(own.day.iloc[-1]), float(own[value].iloc[-1])))
        axes.set_ylim(0, 1.02 if value == "survival" else None)
        _name_lines(axes, order, ends, theme)
        axes.yaxis.set_major_formatter(whole_per_cent)
        last = max(day for day, _ in ends)
        locator = MaxNLocator(4 if width <= NARROW else 8, integer=True)
        ticks = [day for day in locator.tick_values(0, last) if 0 <= day <= last]
        risk = [at_risk(rows[rows[names] == name], ticks) for name in below]
        axes.set_xticks(
            ticks, ["\n".join([f"{d:.0f}", *n]) for d, *n in zip(ticks, *risk, strict=True)]
        )
        axes.grid(axis="y", lw=0.7)
        axes.set_axisbelow(True)
        of = f", of {', '.join(short(str(name), 18) for name in below)}" if len(below) > 1 else ""
        axes.set(xlabel=f"days since the start\nbelow them: customers at risk{of}", ylabel=label)
        axes.set_xlim(0, 1.01 * last)
        return finish(figure, axes, title, width)

    said = "; ".join(
        f"{name} {per_cent(float(own[value].iloc[-1]))}"
        for name in order
        for own in [rows[rows[names] == name]]
    )
    numbers = in_steps(rows, names)[[names, "day", value, "ci_low", "ci_high"]]
    return Picture(draw, f"{title}. Ends of the lines: {said}.", numbers)


def at_risk(curve: pd.DataFrame, days: Sequence[float]) -> list[str]:
    """Count who is at risk on some days; a dash where the curve has ended.

    One that few customers fewer than the one before would tell of these is left out, as a dot.
    """
    said, before = [], np.inf
    for day in days:
        until = curve[curve.day <= day] if day >= curve.day.iloc[0] else curve.head(1)
        number = int(until.at_risk.iloc[-1])
        if day > curve.day.iloc[-1]:
            said.append("–")
        elif 0 < before - number < min_customers():
            said.append("·")
        else:
            said.append(f"{number:,}")
            before = number
    return said


def in_steps(rows: pd.DataFrame, names: str) -> pd.DataFrame:
    """Keep the days of a curve between which enough outcomes lie.

    A figure hands on its numbers, and day by day they would tell what single customers did.
    """
    kept = []
    for _, own in rows.groupby(names, sort=False):
        last = 0
        for place, so_far in zip(own.index, own.events.cumsum(), strict=True):
            if so_far - last >= min_customers() or (so_far == 0 and place == own.index[0]):
                kept.append(place)
                last = so_far
    return rows.loc[kept].reset_index(drop=True)


def _name_lines(
    axes: Axes, names: Sequence[str], ends: Sequence[tuple[float, float]], theme: Theme
) -> None:
    """Write each name to the right of its line, moved apart where lines end close together."""
    if len(names) == 1:
        return
    low, high = axes.get_ylim()
    gap, right = 0.065 * (high - low), max(day for day, _ in ends)
    place = {}
    level = -np.inf
    for i in sorted(range(len(names)), key=lambda i: ends[i][1]):
        level = max(ends[i][1], level + gap)
        place[i] = level
    over = max(0.0, level - high + gap / 2)
    for i, (day, value) in enumerate(ends):
        y = place[i] - over
        axes.plot([day, 1.03 * right], [value, y], color=theme.palette[i], lw=0.6, clip_on=False)
        axes.text(
            1.04 * right, y, short(str(names[i]), 18), color=theme.palette[i], va="center", size=9
        )


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
        figure, axes = canvas(theme, width, 3.6)
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
def plot_lifetime_value(table: pd.DataFrame, *, currency: str = "") -> Picture:
    """Show what a customer of each group is worth, with its interval; months in their order."""
    if table.value.isna().all():
        raise MissingInput("Orders carry no value. With it, what customers are worth is shown.")
    top = table.loc[table.value.idxmax()]
    below = int((table.ci_high < top.ci_low).sum())
    ends = f"({counted(top.ci_low)} to {counted(top.ci_high)})"
    most = f"{counted(top.value)} {currency}".rstrip()
    title = (
        f"{short(top.group)} customers are worth most: {most} each {ends}; "
        f"{below} of {len(table) - 1} other groups are surely worth less"
        if below
        else f"No group is surely worth more than another: {counted(table.value.min())} to "
        f"{most} a customer"
    )
    label = f"expected value of a customer{currency and f', {currency}'}, discounted, 95 % interval"
    if not table.group.str.fullmatch(MONTH).all():
        return plot_intervals(
            table, value="value", names="group", label=label, title=title, percent=False
        )
    rows = table.sort_values("group", ascending=False, ignore_index=True)

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.32 * len(rows) + 1.1)
        draw_intervals(axes, theme, rows, "group", "value", counted, s=34, color=theme.accent)
        name_rows(axes, rows.group)
        axes.set_xlim(left=0)
        count_axis(axes, label)
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", rows)


def off(error: float) -> str:
    """Say how far a prediction is off: ``12 % too few``."""
    if not np.isfinite(error):
        return "all of them too many"
    if abs(error) < 0.005:
        return "right on it"
    return f"{per_cent(abs(error))} too {'many' if error > 0 else 'few'}"
