"""Figures of credit: by model, with intervals, by position, month, segment, lookback."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from touchlab.credit.sensitivity import most_debated
from touchlab.data.customers import NO_TOUCH
from touchlab.errors import MissingInput
from touchlab.plots.parts import (
    MARKERS,
    MOST_LINES,
    canvas,
    fill_map,
    finish,
    name_rows,
    named,
    percent_axis,
    plot_intervals,
    plot_lines,
    short,
)
from touchlab.show import NARROW, Picture, Theme, counted, on_hover, per_cent, safe_picture


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

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 0.34 * len(shares) + 1.5)
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
    """Show how each touchpoint's credit is spread over the positions of the journey."""
    own = credit.pivot_table(index="touchpoint", columns="position", values="credit", sort=False)
    whole = own.sum(axis=1)
    own = own.loc[whole.sort_values(ascending=False).index].fillna(0.0)
    shares = own.div(own.sum(axis=1), axis=0).loc[lambda t: t.sum(axis=1) > 0]
    if shares.empty:
        raise MissingInput("Credit by position stands on too few customers to be shown.")
    first = shares.columns[0]
    early, late = shares[first].idxmax(), shares[first].idxmin()
    title = (
        f"{short(early)} earns {per_cent(shares[first].max())} of its credit as the first touch, "
        f"{short(late)} {per_cent(shares[first].min())}"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 0.36 * len(shares) + 1.5)
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
