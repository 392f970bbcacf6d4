"""Where outcomes come from, as one sum: what comes anyway, and what each touchpoint adds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from touchlab.plots.parts import TRUST, canvas, count_axis, finish, name_rows, short, trust
from touchlab.show import NARROW, Picture, Theme, counted, on_hover, per_cent, safe_picture

MOST = 8
"""Touchpoints with a bar of their own; the others have one together."""
ANYWAY, OVERLAP, OTHERS = "come anyway", "counted twice", "other touchpoints"


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
        figure, axes = canvas(width, 0.3 * len(rows) + 1.3)
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

    Examples
    --------
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
