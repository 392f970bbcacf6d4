"""Figure of the record: what was foretold, and what came."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from touchlab.plots.parts import canvas, finish, name_some, whole_or_tenths
from touchlab.show import NARROW, Picture, Theme, on_hover, ranged, safe_picture

MOST = 24  # periods drawn, the newest
ENDS = ["forecast", "forecast_low", "forecast_high"]


@safe_picture
def plot_record(record: pd.DataFrame, forecasts: pd.DataFrame) -> Picture:
    """Show forecasts of outcomes in all with their intervals, and what came; this run's last."""
    now, old = (one[one.what == "in all"] for one in (forecasts, record))
    both = pd.concat([one for one in (old[old.outcome.isin(now.outcome)], now) if len(one)])
    both = both.reindex(columns=[*both.columns.drop("came", errors="ignore"), "came"])
    rows = both.drop_duplicates("period").sort_values("period").tail(MOST).reset_index(drop=True)
    over, newest, ends = rows[rows.came.notna()], rows.iloc[-1], rows[ENDS]
    words = [ranged(*one) for one in ends.itertuples(index=False)]
    held = over.came.between(over.forecast_low, over.forecast_high).sum()
    what = f"{newest.outcome} outcomes"
    title = f"Foretold: {words[-1]} {what} in the 28 days from {newest.period:%Y-%m-%d}"
    if len(over):
        title = f"{held} of {len(over)} past forecasts of {what} in all held"

    def draw(theme: Theme, width: float) -> Figure:
        figure, axes = canvas(theme, width, 3.6)
        axes.vlines(rows.index, ends[ENDS[1]], ends[ENDS[2]], theme.accent, lw=7, alpha=0.3)
        told = axes.scatter(
            rows.index, rows.forecast, s=140, marker="_", color=theme.accent, label="foretold, 95 %"
        )
        on_hover(told, words)
        axes.scatter(over.index, over.came, color=theme.ink, s=34, zorder=3, label="came")
        axes.set_ylim(0, float(rows[["forecast_high", "came"]].max().max()) * 1.08)
        axes.yaxis.set_major_formatter(whole_or_tenths)
        axes.grid(axis="y", lw=0.7)
        name_some(axes, [f"{day:%Y-%m-%d}" for day in rows.period], width)
        axes.set(xlabel="first of 28 days", ylabel=what, xlim=(-0.6, len(rows) - 0.4))
        figure.legend(loc="outside lower center", ncols=1 if width <= NARROW else 2)
        return finish(figure, axes, title, width)

    return Picture(draw, f"{title}. The newest: {words[-1]}.", rows)
