"""Figures of retention: survival curves, cohorts, which outcome comes first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from touchlab.plots.parts import canvas, finish, per_cent, short
from touchlab.privacy.shown import min_customers
from touchlab.show import NARROW, Picture, Theme, safe_picture

MOST_CURVES = 6
FEWEST_AT_RISK = 10
"""Customers at risk below which a curve is no longer drawn: its end hangs on single ones."""
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


@safe_picture
def plot_survival(curves: pd.DataFrame, *, outcome: str = "churn") -> Picture:
    """Show the share of customers still without the outcome, with bands; largest groups first."""
    rows = _drawn(curves, "group")
    title = _title(rows, f"without {outcome}")
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


@safe_picture
def plot_cohorts(cohorts: pd.DataFrame, *, outcome: str = "conversion") -> Picture:
    """Show the share of each cohort that is active, month by month, as a map."""
    rates = cohorts.pivot(index="cohort", columns="months_since", values="rate")
    sizes = cohorts.groupby("cohort").n.first()
    overall = cohorts.groupby("months_since")[["active", "customers"]].sum()
    share = overall.active / overall.customers
    first, last = share.index[0], share.index[-1]
    title = f"{per_cent(share[first])} have a {outcome} one month after the first"
    if last != first:
        title += f", {per_cent(share[last])} after {last} months"

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 0.34 * len(rates) + 1.6)
        shown = width > NARROW or rates.shape[1] <= 6
        sns.heatmap(
            rates * 100, ax=axes, cmap=theme.shades, annot=shown, fmt=".0f", vmin=0,
            cbar=not shown, cbar_kws={"use_gridspec": False},
            linewidths=1.5, linecolor=theme.paper, annot_kws={"size": 8.5},
        )  # fmt: skip
        names = [f"{cohort} ({sizes[cohort]:,})" for cohort in rates.index]
        axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
        axes.set(xlabel="months after the first, per cent active", ylabel="")
        axes.tick_params(length=0)
        return finish(figure, axes, title, width)

    best = cohorts.loc[cohorts.rate.idxmax()]
    alt = (
        f"{title}. {len(rates)} cohorts; most active is that of {best.cohort}, "
        f"{best.months_since} months after: {per_cent(best.rate)} of {best.customers:,}."
    )
    return Picture(draw, alt, cohorts)


def _drawn(rows: pd.DataFrame, names: str) -> pd.DataFrame:
    """Keep the largest groups, as far as enough customers are at risk; whole if never enough."""
    sizes = rows.groupby(names)["n"].max().sort_values(ascending=False, kind="stable")
    kept = rows[rows[names].isin(sizes.index[:MOST_CURVES])]
    enough = kept[kept.at_risk >= FEWEST_AT_RISK]
    return kept if enough[names].nunique() < kept[names].nunique() else enough


def _common_day(rows: pd.DataFrame, names: str) -> tuple[int, pd.DataFrame]:
    """Return the last day that all groups have, and their rows on it."""
    day = int(rows.groupby(names).day.max().min())
    return day, rows[rows.day == day]


def _title(rows: pd.DataFrame, what: str) -> str:
    day, last = _common_day(rows, "group")
    high, low = last.loc[last.survival.idxmax()], last.loc[last.survival.idxmin()]
    if len(last) == 1:
        return (
            f"After {day} days, {per_cent(high.survival)} of customers are still {what} "
            f"({per_cent(high.ci_low)} to {per_cent(high.ci_high)})"
        )
    return (
        f"After {day} days, {per_cent(high.survival)} of {short(high.group)} are still {what}, "
        f"{per_cent(low.survival)} of {short(low.group)}"
    )


def _picture(rows: pd.DataFrame, names: str, value: str, label: str, title: str) -> Picture:
    order = list(rows.groupby(names)["n"].max().sort_values(ascending=False, kind="stable").index)

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 3.8)
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
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.0f} %"))
        axes.xaxis.set_major_locator(MaxNLocator(5 if width <= NARROW else 8, integer=True))
        axes.grid(axis="y", lw=0.7)
        axes.set_axisbelow(True)
        axes.set(xlabel="days since the start", ylabel=label)
        axes.set_xlim(0, 1.01 * max(day for day, _ in ends))
        return finish(figure, axes, title, width)

    said = "; ".join(
        f"{name} {per_cent(float(own[value].iloc[-1]))} after {int(own.day.iloc[-1])} days"
        for name in order
        for own in [rows[rows[names] == name]]
    )
    numbers = in_steps(rows, names)[[names, "day", value, "ci_low", "ci_high"]]
    return Picture(draw, f"{title}. Ends of the lines: {said}.", numbers)


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
