"""Figure of the record: what was foretold, and what came."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from touchlab.plots.parts import canvas, finish, name_some, whole_or_tenths
from touchlab.show import NARROW, Picture, Theme, counted, on_hover, ranged, safe_picture

COLUMNS = ["outcome", "period", "forecast", "forecast_low", "forecast_high", "came"]
MOST = 24  # periods drawn, the newest


@safe_picture
def plot_record(record: pd.DataFrame, forecasts: pd.DataFrame) -> Picture:
    """Show each forecast of outcomes in all with its interval, and what came; the newest last."""
    parts = [one.reindex(columns=COLUMNS) for one in (record, forecasts) if len(one)]
    rows = pd.concat(parts).drop_duplicates("period").sort_values("period", ignore_index=True)
    rows = rows.tail(MOST).reset_index(drop=True)
    over, newest = rows[rows.came.notna()], rows.iloc[-1]
    ends = zip(rows.forecast, rows.forecast_low, rows.forecast_high, strict=True)
    words = [ranged(*one) for one in ends]
    held = over.came.between(over.forecast_low, over.forecast_high).sum()
    what = f"{newest.outcome} outcomes"
    title = f"Foretold: {words[-1]} {what} in the 28 days from {newest.period:%Y-%m-%d}"
    if len(over):
        title = f"{held} of {len(over)} past forecasts of {what} in all held"

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(width, 3.6)
        limits = rows.forecast_low, rows.forecast_high
        axes.vlines(rows.index, *limits, color=theme.accent, lw=7, alpha=0.3)
        told = {"color": theme.accent, "marker": "_", "label": "foretold, 95 % interval"}
        on_hover(axes.scatter(rows.index, rows.forecast, s=140, **told), words)
        came = axes.scatter(over.index, over.came, color=theme.ink, s=34, zorder=3, label="came")
        on_hover(came, [counted(number) for number in over.came])
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.set_ylim(0, float(rows[["forecast_high", "came"]].max().max()) * 1.08)
        axes.yaxis.set_major_formatter(whole_or_tenths)
        axes.grid(axis="y", lw=0.7)
        name_some(axes, [f"{day:%Y-%m-%d}" for day in rows.period], width)
        axes.set(xlabel="first of 28 days", ylabel=what)
        figure.legend(loc="outside lower center", ncols=1 if width <= NARROW else 2)
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}. The newest: {words[-1]}.", rows)
