"""Figures of credit and drivers: who is given outcomes, and what would be missing without whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from touchlab.credit.sensitivity import most_debated
from touchlab.data.customers import NO_TOUCH
from touchlab.drivers.checks import CAUSAL
from touchlab.errors import MissingInput
from touchlab.plots.parts import (
    MARKERS,
    MOST_LINES,
    TRUST,
    canvas,
    count_axis,
    fill_map,
    finish,
    in_order,
    name_rows,
    named,
    percent_axis,
    plot_intervals,
    plot_lines,
    short,
    trust,
)
from touchlab.show import (
    NARROW,
    Picture,
    Theme,
    counted,
    on_hover,
    per_cent,
    ranged,
    safe_picture,
    styled,
)


@safe_picture
def plot_credit(credit: pd.DataFrame) -> Picture:
    """Show each touchpoint's share under every model: where models agree and where they do not."""
    table = credit[credit.touchpoint != NO_TOUCH]
    shares = table.pivot_table(index="touchpoint", columns="model", values="share", sort=False)
    shares = shares.loc[shares.mean(axis=1).sort_values().index]
    swing = most_debated(table)
    apart = ", last non-direct apart" if "last_non_direct" in shares else ""
    title = (
        f"{short(swing.touchpoint)} depends most on the model{apart}: {per_cent(swing.low.share)} "
        f"by {named(swing.low.model)}, {per_cent(swing.high.share)} by {named(swing.high.model)}"
    )
    if swing.agreed:
        title = "The models agree on every touchpoint"

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.34 * len(shares) + 1.5)
        rows = np.arange(len(shares))
        axes.hlines(rows, shares.min(axis=1), shares.max(axis=1), color=theme.line, lw=5, zorder=1)
        for i, model in enumerate(shares.columns):
            dots = axes.scatter(
                shares[model], rows, s=30, marker=MARKERS[i % len(MARKERS)], lw=0, alpha=0.9,
                color=theme.palette[i % len(theme.palette)], label=named(model), zorder=2,
            )  # fmt: skip
            said = (f"{named(model)}, {name}: {per_cent(v)}" for name, v in shares[model].items())
            on_hover(dots, said)
        name_rows(axes, shares.index)
        percent_axis(axes, "share of all outcomes")
        columns = 2 if width <= NARROW else min(4, len(shares.columns))
        figure.legend(loc="outside lower center", ncols=columns, handletextpad=0.2)
        return finish(figure, axes, title, width)

    top = shares.mean(axis=1).idxmax()
    alt = f"{title}. Highest on average: {top}, {per_cent(shares.loc[top].mean())}."
    return Picture(draw, alt, shares.reset_index())


@safe_picture
def plot_markov(credit: pd.DataFrame) -> Picture:
    """Show the credit of one model with its intervals."""
    table = credit[credit.touchpoint != NO_TOUCH].sort_values("credit", ascending=False)
    first, second = table.iloc[0], table.iloc[min(1, len(table) - 1)]
    apart = "clearly ahead of" if first.ci_low > second.ci_high else "not clearly ahead of"
    title = f"{short(first.touchpoint)} leads with {counted(first.credit)} outcomes"
    title += f", {apart} {short(second.touchpoint)}" if len(table) > 1 else ""
    return plot_intervals(
        table, value="credit", names="touchpoint", label="outcomes credited, 95 % interval",
        title=title, percent=False,
    )  # fmt: skip


@safe_picture
def plot_removal(effects: pd.DataFrame, *, outcome: str) -> Picture:
    """Show the raw removal effects with their intervals."""
    first = effects.loc[effects.removal.idxmax()]
    title = f"Without {short(first.touchpoints)}, the chain loses {per_cent(first.removal)}"
    return plot_intervals(
        effects, value="removal", names="touchpoints", title=title,
        label=f"share of {outcome} outcomes lost in the chain, 95 % interval",
    )  # fmt: skip


@safe_picture
def plot_positions(credit: pd.DataFrame) -> Picture:
    """Show how each touchpoint's credit, of no segment, is spread over positions; hidden: empty."""
    shares = credit.pivot_table(index="touchpoint", columns="position", values="within")
    if shares.empty:
        raise MissingInput("Credit by position stands on too few customers to be shown.")
    places = in_order(shares.columns)
    order = credit.groupby("touchpoint").credit.sum().sort_values(ascending=False).index
    shares = shares.reindex(index=order.intersection(shares.index, sort=False), columns=places)
    first = shares[places[0]].dropna()
    place = "the first touch" if places[0] == "1" else f"touch {places[0]}"
    title = (
        f"{short(first.idxmax())} earns {per_cent(first.max())} of its credit as {place}, "
        f"{short(first.idxmin())} {per_cent(first.min())}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.36 * len(shares) + 1.5)
        fill_map(axes, theme, shares, width)
        axes.set_yticklabels([short(str(t), 22) for t in shares.index], rotation=0)
        axes.set(xlabel="position of the touch, in per cent of the touchpoint's credit", ylabel="")
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}.", shares.reset_index())


@safe_picture
def plot_credit_by_month(credit: pd.DataFrame) -> Picture:
    """Show shares by month for the largest touchpoints."""
    return _plot_shares(credit, x="segment", unit="month")


@safe_picture
def plot_credit_by_segment(credit: pd.DataFrame) -> Picture:
    """Show shares by segment for the largest touchpoints."""
    return _plot_shares(credit, x="segment", unit="segment")


@safe_picture
def plot_lookbacks(credit: pd.DataFrame) -> Picture:
    """Show shares under other lookbacks for the largest touchpoints."""
    return _plot_shares(credit, x="lookback", unit="lookback")


def _plot_shares(credit: pd.DataFrame, *, x: str, unit: str) -> Picture:
    table = credit[credit.touchpoint != NO_TOUCH]
    wide = table.pivot_table(index=x, columns="touchpoint", values="share", sort=False)
    wide = wide[wide.mean().sort_values(ascending=False).index[:MOST_LINES]]
    spread = (wide.max() - wide.min()).dropna().sort_values()
    if spread.empty:
        raise MissingInput("Shares stand on too few customers to be shown.")
    moving = str(spread.index[-1])
    low, high = wide[moving].idxmin(), wide[moving].idxmax()
    title = (
        f"{short(moving)} moves most between {unit}s: {per_cent(wide[moving].min())} in {low}, "
        f"{per_cent(wide[moving].max())} in {high}"
        if len(wide) > 1
        else f"There is one {unit} only"
    )
    return plot_lines(
        table, x=x, lines="touchpoint", y="share", title=title, label="share of outcomes"
    )


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
    if "share" in table and table.share.clip(lower=0).sum() > 1:
        return f"Added up, touchpoints would bring more {outcome} outcomes than there are"
    first = beyond.loc[beyond.incremental.abs().idxmax()]
    more = first.incremental > 0
    verb, what, reach = "brings" if more else "prevents", f"{outcome} outcomes", "change something"
    if first.badge in CAUSAL:
        beyond = beyond[beyond.badge.isin(CAUSAL)]
    else:
        verb, what, reach = "goes with", f"{'more' if more else 'fewer'} {what}", "go"
    ends = sorted(abs(end) for end in (first.ci_low, first.ci_high))
    return (
        f"{short(first.touchpoint)} {verb} {ranged(abs(first.incremental), *ends)} {what}; "
        f"{len(beyond)} of {len(table)} {reach} beyond chance"
    )


STEPS = {"last": "last touch", "markov": "Markov", "incremental": "would be missing"}
"""From the model that most people use to what the touchpoint brings."""


@safe_picture
def plot_credit_and_drivers(both: pd.DataFrame) -> Picture:
    """Show what a touchpoint is credited with and what it brings, a line a touchpoint.

    `both` is that of ``Drivers.beside``, with a column for each model of credit.
    """
    columns = [name for name in STEPS if name in both.columns]
    rows = both.sort_values("incremental", ascending=False, ignore_index=True)
    brought, credited = rows.incremental.sum(), rows[columns[0]].sum()
    title = (
        f"{STEPS[columns[0]].capitalize()} credits {credited / brought:.1f} times what the "
        "touchpoints bring together"
        if brought > 0
        else "Credit is shared out, though the touchpoints together bring nothing"
    )
    falls = (rows[columns[0]] - rows.incremental).idxmax()

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.26 * len(rows) + 1.8)
        x, gap, lowest = np.arange(len(columns)), 0.045 * float(rows[columns].max().max()), 0.0
        for place, row in rows[columns].iterrows():
            strong = place == falls
            colour = theme.palette[1] if strong else theme.accent
            axes.plot(x, row, color=colour, lw=2.2 if strong else 1.2, alpha=1 if strong else 0.6)
            dots = axes.scatter(x, row, s=18, color=colour, zorder=3)
            name = rows.touchpoint[place]
            on_hover(dots, (f"{name}: {counted(v)}, {STEPS[c]}" for c, v in row.items()))
        for column, side, at in (
            (columns[0], "right", -0.04),
            ("incremental", "left", x[-1] + 0.04),
        ):
            for y, one in _apart(rows[column], gap):
                lowest = min(lowest, y)
                text = f"{short(rows.touchpoint[one], 18)} {counted(rows[column][one])}"
                axes.text(at, y, text, ha=side, va="center", fontsize=8)
        axes.set(xlim=(-1.0, x[-1] + 1.0), ylim=(lowest - gap, None))
        axes.set_xticks(x, [STEPS[column] for column in columns])
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        return finish(figure, axes, title, width)

    worst = rows.loc[falls]
    alt = (
        f"{title}. It falls most for {worst.touchpoint}: from {counted(worst[columns[0]])} to "
        f"{counted(worst.incremental)}."
    )
    return Picture(draw, alt, rows)


def _apart(values: pd.Series, gap: float) -> Iterator[tuple[float, Any]]:
    """Give the words of each value a place of their own, all as near to the values as can be."""
    from sklearn.isotonic import isotonic_regression  # slow to import, and one figure needs it

    ordered = values.sort_values()
    steps = gap * np.arange(len(ordered))
    yield from zip(isotonic_regression(ordered - steps) + steps, ordered.index, strict=True)


@safe_picture
def plot_scores(scores: pd.DataFrame) -> Picture:
    """Show how far each method is from the truth, world by world; shorter is better."""
    wide = scores.pivot_table(index="method", columns="world", values="amount_error", sort=False)
    mean = wide.mean(axis=1).round(9)  # rules that tie keep their order
    wide = wide.loc[mean.sort_values(ascending=False, kind="stable").index]
    first = wide.columns[0]
    rivals = [m for m in wide.index if m != "oracle" and not m.startswith("drivers,")]
    ahead = named(wide[first][rivals].idxmin())
    title = (
        f"Closest with {first}: {ahead}, off by {per_cent(wide[first][rivals].min())} of "
        f"the truth; last touch by {per_cent(wide[first]['last'])}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.34 * len(wide) + 1.6)
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


MOST = 8
"""Touchpoints with a bar of their own; the others have one together."""
ANYWAY, OVERLAP, OTHERS = "come anyway", "counted twice", "other touchpoints"


@styled
def plot_origins(tables: Mapping[str, pd.DataFrame]) -> Picture:
    """Show where outcomes come from: the effects; where none can be told, who is given credit.

    `tables` are those of the overview.
    """
    if {"drivers", "baseline"} <= tables.keys():
        return plot_waterfall(tables["drivers"], tables["baseline"])
    if "credit" not in tables:
        raise MissingInput("Nothing is known of what the touchpoints bring.")
    return plot_credit(tables["credit"])


@safe_picture
def plot_waterfall(drivers: pd.DataFrame, baseline: pd.DataFrame) -> Picture:
    """Show baseline, what each touchpoint adds, and what they share, which add up to all outcomes.

    An outcome that would be lost with either of two touchpoints is counted with both: the sum of
    the bars is too long by these, which are taken off again.
    """
    base = baseline.iloc[0]
    rows = sum_up(drivers, base)
    what = f"{counted(base.n)} {base.outcome} outcomes"
    title = f"{per_cent(min(base.baseline / base.n, 1.0))} of {what} would have come anyway"
    if drivers.incremental.clip(lower=0).sum() > base.n:
        title = f"Added up, touchpoints would bring more than the {what} that there are"

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 0.3 * len(rows) + 1.3)
        y = np.arange(len(rows))[::-1]
        looks = [
            {"facecolor": theme.shade, "edgecolor": theme.shade, "lw": 1.4}
            if badge == ""
            else trust(theme, badge)
            for badge in rows.badge
        ]
        bars = axes.barh(y, rows.amount, left=rows.begin, height=0.62)
        for bar, look in zip(bars, looks, strict=True):
            bar.set(**look)
        ends = rows[["begin", "end"]].max(axis=1)
        dots = axes.scatter(ends, y, s=0.1, color=theme.paper)
        on_hover(
            dots, [f"{row.part}: {counted(row.amount)} {row.badge}" for row in rows.itertuples()]
        )
        for place, row in zip(y, rows.itertuples(), strict=True):
            text = counted(row.amount) if row.badge == "" else f"{row.amount:+,.0f}"
            axes.annotate(
                text.replace("-", "−"), (max(row.begin, row.end), place), (5, 0), va="center",
                textcoords="offset points", fontsize=8.5, color=theme.soft,
            )  # fmt: skip
        name_rows(axes, [short(part, 20 if width <= NARROW else 30) for part in rows.part[::-1]])
        count_axis(axes, f"{base.outcome} outcomes; {TRUST}")
        axes.set_xlim(0, float(ends.max()) * (1.16 if width <= NARROW else 1.08))
        return finish(figure, axes, title, width)

    said = "; ".join(f"{row.part} {counted(row.amount)}" for row in rows.itertuples())
    return Picture(draw, f"{title}. {said}.", rows)


def sum_up(drivers: pd.DataFrame, base: pd.Series) -> pd.DataFrame:
    """List the parts of the sum: part, amount, badge, begin, end.

    >>> drivers = pd.DataFrame({"touchpoint": ["ad"], "incremental": [30.0], "badge": "adjusted"})
    >>> parts = sum_up(drivers, pd.Series({"baseline": 80.0, "n": 100.0, "outcome": "order"}))
    >>> parts.amount.tolist(), parts.end.tolist()
    ([80.0, 30.0, -10.0, 100.0], [80.0, 110.0, 100.0, 100.0])
    """
    ordered = drivers.reindex(drivers.incremental.abs().sort_values(ascending=False).index)
    parts = [(ANYWAY, base.baseline, "")]
    parts += [(t.touchpoint, t.incremental, t.badge) for t in ordered.head(MOST).itertuples()]
    if len(ordered) > MOST:
        parts.append((OTHERS, ordered.incremental[MOST:].sum(), "several"))
    overlap = base.n - sum(amount for _, amount, _ in parts)
    parts.append((OVERLAP, overlap, "overlap"))
    rows = pd.DataFrame(parts, columns=["part", "amount", "badge"])
    rows["end"] = rows.amount.cumsum()
    rows["begin"] = rows.end - rows.amount
    whole = {"part": f"all {base.outcome} outcomes", "amount": base.n, "badge": ""}
    return pd.concat(
        [rows, pd.DataFrame([whole | {"begin": 0.0, "end": base.n}])], ignore_index=True
    )
