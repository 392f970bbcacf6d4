"""Figures of experiments to come, and of changes that were made."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from touchlab.errors import TooThin
from touchlab.plots import parts
from touchlab.plots.parts import canvas, count_axis, finish, short, trust, whole_or_tenths
from touchlab.show import Picture, Theme, counted, on_hover, safe_picture


@safe_picture
def plot_queue(table: pd.DataFrame, *, outcome: str) -> Picture:
    """Show what knowing is worth against what is forgone for it; above the line it pays."""
    rows = table.sort_values("net", ascending=False, ignore_index=True)
    first, pays = rows.iloc[0], int((rows.net > 0).sum())
    title = (
        f"{pays} of {len(rows)} experiments are worth what they forgo; first {first.touchpoint}: "
        f"{counted(first.worth)} {outcome} outcomes for {counted(first.forgone)}"
        if pays
        else f"None of {len(rows)} experiments is worth what it forgoes"
    )

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 4.0)
        most = float(rows[["worth", "forgone"]].to_numpy().max()) or 1.0
        axes.plot([0, most], [0, most], color=theme.line, lw=1.2, zorder=1)
        looks: dict[str, Any] = {"textcoords": "offset points", "color": theme.soft}
        for place, row in enumerate(rows.itertuples()):
            at, name = (row.forgone, row.worth), row.touchpoint
            dot = axes.scatter(*at, s=44, zorder=3, **trust(theme, row.badge))
            on_hover(dot, [f"{name}: {counted(row.worth)} for {counted(row.forgone)}"])
            axes.annotate(short(name, 22) if place < 4 else "", at, (7, 3), fontsize=8.5, **looks)
        count_axis(axes, f"{outcome} outcomes forgone meanwhile")
        axes.set_xlim(-0.03 * most, 1.15 * max(rows.forgone.max(), most / 3))
        axes.yaxis.set_major_formatter(whole_or_tenths)
        axes.set_ylabel(f"worth of the result, in {outcome} outcomes")
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}. On the line, worth and outcomes forgone are equal.", rows)


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
    return parts.plot_intervals(rows.assign(name=names), **given, percent=False)
