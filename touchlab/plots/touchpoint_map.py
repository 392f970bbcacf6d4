"""The journey as one figure: stages, their touchpoints, how much they are used and liked."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from touchlab.data.contract import STAGES
from touchlab.plots.parts import counted, finish, per_cent, short
from touchlab.show import NARROW, Picture, Theme, safe_picture

NO_STAGE = "no stage"
MOST = 10
"""Touchpoints shown of a stage; the others are counted."""
LARGEST, SMALLEST = 850.0, 70.0
"""Area of the largest dot and of the smallest, in square points."""
REACH = 10.0
"""Points of score from the mean to the full colour, at least."""
STEP = 0.8
ROW, HEAD = 0.36, 0.5


@safe_picture
def plot_map(table: pd.DataFrame) -> Picture:
    """Show stages in order, a dot a touchpoint: its size the touches, its colour the score.

    `table` is that of `touchpoint_map`: touchpoint, stage, touches; optional columns are
    mapped, ``score`` (0 worst to 100 best answer, printed beside the dot) and
    ``incremental`` (outcomes that would not have happened without it, printed below).
    On narrow screens stages stand below each other.
    """
    rows = _rows(table)
    title = _title(rows)

    def draw(theme: Theme, width: float) -> Figure:
        paint = Paint(theme, rows)
        figure = (_draw_list if width <= NARROW else _draw_columns)(paint, width)
        figure.supxlabel(_legend(rows, width), x=0.01, ha="left", fontsize=8.5, color=theme.soft)
        return finish(figure, figure.axes[0], title, width)

    stages = "; ".join(
        f"{stage}: {', '.join(own.touchpoint.astype(str).head(MOST)) or 'none'}"
        for stage, own in _by_stage(rows)
    )
    return Picture(draw, f"{title}. {stages}.", rows)


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    rows = table.assign(stage=table.stage.where(table.stage.isin(STAGES), NO_STAGE))
    for column in ("score", "incremental"):
        rows[column] = rows[column].astype(float) if column in table.columns else np.nan
    rows["mapped"] = table.mapped.astype(bool) if "mapped" in table.columns else True
    return rows.sort_values(["touches", "touchpoint"], ascending=[False, True], ignore_index=True)


def _by_stage(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    stages = [*STAGES, *([NO_STAGE] if (rows.stage == NO_STAGE).any() else [])]
    return [(stage, rows[rows.stage == stage]) for stage in stages]


def _title(rows: pd.DataFrame) -> str:
    unseen, top = int((rows.touches == 0).sum()), rows.iloc[0]
    scored = rows[rows.score.notna()]
    if len(scored) > 1:
        worst = scored.loc[scored.score.idxmin()]
        said = f"{short(str(worst.touchpoint))} is scored lowest: {worst.score:.0f} of 100"
    else:
        share = top.touches / max(rows.touches.sum(), 1)
        said = f"{short(str(top.touchpoint))} has most touches: {per_cent(share)} of all"
    if unseen:
        said += f"; {unseen} of {len(rows)} touchpoints never seen"
    return said if rows.mapped.any() else f"{said} (stages guessed from names)"


def _legend(rows: pd.DataFrame, width: float) -> str:
    parts = ["dot: touches"]
    if rows.score.notna().any():
        parts.append("number and colour: mean answer, 0 worst to 100 best")
        parts.append("orange: below the mean, blue: above")
        parts.append("hollow: not asked")
    if (rows.touches == 0).any():
        parts.append("dashed: never seen")
    if rows.mapped.any() and not rows.mapped.all():
        parts.append("*: not on the map")
    if rows.incremental.notna().any():
        parts.append("signed number: incremental outcomes")
    return "\n".join(textwrap.wrap(" · ".join(parts), int(width * 12)))


@dataclass(frozen=True)
class Paint:
    """How a touchpoint is drawn under one theme."""

    theme: Theme
    rows: pd.DataFrame

    def dot(self, axes: Axes, x: float, y: float, row: pd.Series) -> float:
        """Draw the dot; return its radius in inches."""
        largest = max(float(self.rows.touches.max()), 1.0)
        area = max(LARGEST * float(row.touches) / largest, SMALLEST)
        style: dict[str, Any] = {"edgecolors": self.theme.soft, "zorder": 3}
        if row.touches == 0:
            area = 90.0
            axes.scatter(x, y, s=area, color=self.theme.paper, linestyle="--", lw=1.2, **style)
        elif pd.isna(row.score):
            axes.scatter(x, y, s=area, color=self.theme.paper, lw=1.2, **style)
        else:
            axes.scatter(x, y, s=area, color=self.theme.line, lw=0.6, **style)
            colour, solid = self.colour(row.score)
            axes.scatter(x, y, s=area, color=colour, alpha=solid, lw=0, zorder=3)
        return float(np.sqrt(area / np.pi) / 72)

    def colour(self, score: float) -> tuple[str, float]:
        """Orange below the mean of the scores, blue above; how solid says how far away."""
        away = self.rows.score.dropna() - self.rows.score.mean()
        solid = abs(score - self.rows.score.mean()) / max(float(away.abs().max()), REACH)
        return self.theme.palette[int(score < self.rows.score.mean())], float(solid)

    def words(self, row: pd.Series, longest: int) -> tuple[str, str, str]:
        """Give name, score and incremental outcomes as text."""
        name = short(str(row.touchpoint), longest) + (
            "" if row.mapped or not self.rows.mapped.any() else " *"
        )
        score = "" if pd.isna(row.score) else f"{row.score:.0f}"
        more = "" if pd.isna(row.incremental) else f"{row.incremental:+,.0f}".replace("-", "−")
        return name, score, more


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    """Give axes whose units are inches, the origin at the upper left."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return figure, axes


def _draw_columns(paint: Paint, width: float) -> Figure:
    theme, stages = paint.theme, _by_stage(paint.rows)
    deepest = max(min(len(own), MOST + 1) for _, own in stages)
    figure, axes = _blank(width, HEAD + STEP * deepest + 1.0)
    axes.set_ylim(HEAD + STEP * deepest + 0.15, 0)
    column = width / len(stages)
    for i, (stage, own) in enumerate(stages):
        middle = (i + 0.5) * column
        axes.text(middle, 0.12, stage.capitalize(), ha="center", va="center", fontweight="bold")
        axes.plot(
            [i * column + 0.08, (i + 1) * column - 0.08], [0.3, 0.3], color=theme.accent, lw=2
        )
        for j, (_, row) in enumerate(own.head(MOST).iterrows()):
            y = HEAD + STEP * j + 0.16
            name, score, more = paint.words(row, int(column * 12))
            radius = paint.dot(axes, middle, y, row)
            axes.text(middle + radius + 0.07, y, score, va="center", fontsize=10, fontweight="bold")
            below = f"{name}\n{more}" if more else name
            axes.text(
                middle, y + 0.27, below, ha="center", va="top", fontsize=8.5, linespacing=1.15
            )
        _say_rest(axes, theme, own, middle, HEAD + STEP * min(len(own), MOST) + 0.1, "center")
    return figure


def _draw_list(paint: Paint, width: float) -> Figure:
    theme, stages = paint.theme, _by_stage(paint.rows)
    height = sum(HEAD + ROW * max(min(len(own), MOST + 1), 1) for _, own in stages)
    figure, axes = _blank(width, height + 1.6)
    axes.set_ylim(height, 0)
    y = 0.0
    for stage, own in stages:
        axes.text(0.02, y + 0.2, stage.capitalize(), va="center", fontweight="bold")
        axes.plot([0.02, width - 0.02], [y + 0.36, y + 0.36], color=theme.accent, lw=1.6)
        y += HEAD
        for _, row in own.head(MOST).iterrows():
            name, score, more = paint.words(row, 26)
            paint.dot(axes, 0.3, y + ROW / 2, row)
            axes.text(0.62, y + ROW / 2, name, va="center", fontsize=9)
            axes.text(width - 0.75, y + ROW / 2, more, va="center", ha="right", fontsize=9)
            axes.text(width - 0.1, y + ROW / 2, score, va="center", ha="right", fontweight="bold")
            y += ROW
        y = _say_rest(axes, theme, own, 0.62, y, "left")
    return figure


def _say_rest(axes: Axes, theme: Theme, own: pd.DataFrame, x: float, y: float, side: str) -> float:
    """Say that a stage is empty, or how many touchpoints are not shown; return the next place."""
    if len(own) and len(own) <= MOST:
        return y
    text = "none" if own.empty else f"and {counted(len(own) - MOST)} more"
    axes.text(
        x, y + ROW / 2, text, va="center", ha=side, fontsize=8.5, color=theme.soft, style="italic"
    )
    return y + ROW
