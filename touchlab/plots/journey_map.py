"""The map of touchpoints as people draw it: stages from top to bottom, a row a touchpoint."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from touchlab.data.contract import STAGES, listing
from touchlab.plots.parts import TRUST, canvas, finish, short, trust
from touchlab.show import (
    NARROW,
    Picture,
    Theme,
    counted,
    in_words,
    on_hover,
    per_cent,
    safe_picture,
)

NO_STAGE = "no stage"
PHASES = dict(zip(STAGES, ("before", "before", "during", "after", "after"), strict=True))
MOST = 10
"""Touchpoints shown of a stage; the others are counted."""
REACH = 10.0
"""Points of score from the mean to the full colour, at least."""
ROW, HEAD = 0.27, 0.42
"""Heights in inches."""


@safe_picture
def plot_map(table: pd.DataFrame) -> Picture:
    """Show the journey from top to bottom: its stages, and a row a touchpoint.

    `table` is that of `touchpoint_map`: touchpoint, stage, touches; optional columns are
    mapped, ``score`` (0 worst to 100 best answer) and, as `overview.journey` adds them, effects
    such as ``retention`` with ``retention_badge``: what the touchpoint brings, 0 where that
    cannot be told from nothing.
    """
    rows = _rows(table)
    title = _title(rows)

    def draw(theme: Theme, width: float) -> Figure:
        return finish(*_draw(Sheet.of(rows, theme, width)), title, width)

    stages = "; ".join(
        f"{stage}: {', '.join(own.touchpoint.astype(str).head(MOST)) or 'none'}"
        for stage, own in _by_stage(rows)
    )
    return Picture(draw, f"{title}. {stages}.", rows)


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    rows = table.assign(stage=table.stage.where(table.stage.isin(STAGES), NO_STAGE))
    rows["score"] = rows.score.astype(float) if "score" in table.columns else np.nan
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
        share = per_cent(top.touches / max(rows.touches.sum(), 1))
        first = rows.touchpoint[rows.touches == top.touches].map(short)
        has, each = ("has", "") if len(first) == 1 else ("have", " each")
        said = f"{listing(first, most=3)} {has} the most touches: {share} of all{each}"
    if unseen:
        said += f"; {unseen} of {len(rows)} touchpoints never seen"
    return said if rows.mapped.any() else f"{said} (stages guessed from names)"


@dataclass(frozen=True)
class Sheet:
    """Where the columns of the figure stand, in inches."""

    rows: pd.DataFrame
    theme: Theme
    width: float
    effects: tuple[str, ...]
    places: dict[str, float]

    @classmethod
    def of(cls, rows: pd.DataFrame, theme: Theme, width: float) -> Sheet:
        effects = tuple(name[:-6] for name in rows.columns if name.endswith("_badge"))
        asked = [*(["score"] if rows.score.notna().any() else []), *effects]
        step = 1.0 if width > NARROW else 0.56
        places = {
            name: width - step * (len(asked) - i) + 0.5 * step for i, name in enumerate(asked)
        }
        start = 2.1 if width > NARROW else 1.5
        room = width - step * len(asked) - start - 0.75
        return cls(rows, theme, width, effects, places | {"touches": start, "room": max(room, 0.2)})

    def colour(self, score: float) -> tuple[str, float]:
        """Orange below the mean of the scores, blue above; how solid says how far away."""
        mean = self.rows.score.mean()
        away = float((self.rows.score.dropna() - mean).abs().max())
        return self.theme.palette[int(score < mean)], abs(score - mean) / max(away, REACH)

    def legend(self) -> str:
        """Say what the marks mean."""
        parts = ["bar: touches"]
        if self.rows.score.notna().any():
            parts.append("score: mean answer, 0 worst to 100 best; orange below the mean")
        if self.effects:
            parts.append(f"effects beyond chance only; {TRUST}")
        if self.rows.mapped.any() and not self.rows.mapped.all():
            parts.append("*: not on the map")
        return "\n".join(textwrap.wrap(" · ".join(parts), int(self.width * 12)))


def _draw(sheet: Sheet) -> tuple[Figure, Axes]:
    stages, theme = _by_stage(sheet.rows), sheet.theme
    height = HEAD + sum(HEAD + ROW * max(min(len(own), MOST + 1), 1) for _, own in stages)
    figure, axes = canvas(theme, sheet.width, height + 1.1)
    axes.set(xlim=(0, sheet.width), ylim=(height, 0))
    axes.axis("off")
    for name, x in sheet.places.items():
        if name != "room":
            side = "left" if name == "touches" else "center"
            axes.text(x, 0.2, in_words(name), ha=side, va="center", fontsize=8.5, color=theme.soft)
    y = HEAD
    for stage, own in stages:
        phase = f"{PHASES[stage]} purchase" if stage in PHASES else ""
        axes.text(0.02, y + 0.2, stage.capitalize(), va="center", fontweight="bold")
        axes.text(1.25, y + 0.2, phase, va="center", fontsize=8.5, color=theme.soft)
        axes.plot([0.02, sheet.width], [y + 0.34, y + 0.34], color=theme.accent, lw=1.4)
        y += HEAD
        for _, row in own.head(MOST).iterrows():
            _draw_row(axes, sheet, row, y + ROW / 2)
            y += ROW
        if own.empty or len(own) > MOST:
            text = "no touchpoint: a gap" if own.empty else f"and {counted(len(own) - MOST)} more"
            axes.text(0.1, y + ROW / 2, text, va="center", fontsize=8.5, color=theme.soft)
            y += ROW
    figure.supxlabel(sheet.legend(), x=0.01, ha="left", fontsize=8.5, color=theme.soft)
    return figure, axes


def _draw_row(axes: Axes, sheet: Sheet, row: pd.Series, y: float) -> None:
    theme, narrow = sheet.theme, sheet.width <= NARROW
    star = "" if row.mapped or not sheet.rows.mapped.any() else " *"
    name = short(str(row.touchpoint), 17 if narrow else 26) + star
    axes.text(0.1, y, name, va="center", fontsize=8.5 if narrow else 9.5)
    start, most = sheet.places["touches"], max(float(sheet.rows.touches.max()), 1.0)
    length = sheet.places["room"] * float(row.touches) / most
    axes.plot([start, start + length], [y, y], color=theme.shade, lw=8, solid_capstyle="butt")
    seen = counted(row.touches) if row.touches else "never seen"
    axes.text(start + length + 0.06, y, seen, va="center", fontsize=8, color=theme.soft)
    if "score" in sheet.places and not pd.isna(row.score):
        colour, solid = sheet.colour(row.score)
        x = sheet.places["score"]
        axes.scatter(x - 0.17, y, s=52, color=theme.line, lw=0)
        axes.scatter(x - 0.17, y, s=52, color=colour, alpha=solid, lw=0)
        axes.text(x, y, f"{row.score:.0f}", va="center", fontsize=9, fontweight="bold")
    for effect in sheet.effects:
        if pd.isna(row[effect]) or row[effect] == 0:
            continue
        x, badge = sheet.places[effect], str(row[f"{effect}_badge"])
        mark = axes.scatter(x - 0.2, y, s=24, zorder=3, **trust(theme, badge))
        amount = f"{row[effect]:+,.0f}".replace("-", "−")
        on_hover(mark, [f"{row.touchpoint}: {amount} {effect}, badge {badge}"])
        axes.text(x - 0.1, y, amount, va="center", fontsize=8 if narrow else 9)
