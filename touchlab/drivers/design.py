"""What the regression looks at beside the touches: clocks, calendar, history, traits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg
from sklearn.preprocessing import SplineTransformer

from touchlab.moments import Moments

Floats = npt.NDArray[np.float64]
MOST_LEVELS = 12
RECENT_DAYS = 7.0


@dataclass(frozen=True)
class Controls:
    """Columns of controls, centred and scaled, the intercept first; `notes` on what was left out."""

    matrix: Floats
    names: tuple[str, ...]
    notes: tuple[str, ...]


def build_controls(moments: Moments, *, touch_rate: bool = False, traits: bool = True) -> Controls:
    """Build the controls; columns that others already determine are left out.

    `touch_rate` adds the customer's long-run rate of touches, a stand-in for intent:
    it helps where intent is hidden and harms where it is not (see the scoreboard).
    """
    table = moments.table
    columns: dict[str, Floats] = {}
    columns |= _spline("time at risk", table.since.to_numpy(), pieces=4)
    columns |= _spline("calendar", table.day.to_numpy(), pieces=6)
    for name in [c for c in table.columns if c.startswith("prior_")]:
        count = table[name].to_numpy(float)
        columns |= {f"{name}: any": (count > 0).astype(float), f"{name}: log": np.log1p(count)}
    if traits:
        for name in moments.traits:
            columns |= _trait(name, table[name])
    if touch_rate:
        before = np.asarray(moments.exposure[:, -1, :].sum(axis=0), dtype=float)
        columns["touch rate"] = np.log1p(before / (table.since.to_numpy() + RECENT_DAYS))
    return _independent(columns, len(table))


def _spline(name: str, values: Floats, *, pieces: int) -> dict[str, Floats]:
    if np.ptp(values) <= 0:
        return {}
    spline = SplineTransformer(
        n_knots=pieces, degree=3, knots="quantile", include_bias=False, extrapolation="linear"
    )
    basis = spline.fit_transform(values[:, None])
    return {f"{name} {i + 1}": basis[:, i] for i in range(basis.shape[1])}


def _trait(name: str, values: pd.Series) -> dict[str, Floats]:
    """Numbers as they are, words as one column a level; missing is a level of its own."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        number = values.astype(float)
        filled = number.fillna(number.mean()).fillna(0.0).to_numpy()
        missing = number.isna().to_numpy(dtype=float)
        return {name: filled, f"{name}: missing": missing}
    words = values.astype("string").fillna("(missing)")
    common = words.value_counts().index[:MOST_LEVELS]
    return {f"{name}: {level}": (words == level).to_numpy(dtype=float) for level in common[1:]}


def _independent(columns: dict[str, Floats], count: int) -> Controls:
    """Scale, then keep the columns that a pivoted QR finds independent, with the intercept."""
    scaled = {"intercept": np.ones(count)}
    for name, values in columns.items():
        spread = values.std()
        if spread > 1e-9:
            scaled[name] = (values - values.mean()) / spread
    matrix = np.column_stack(list(scaled.values()))
    _, r, order = linalg.qr(matrix, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(r))
    kept = sorted(order[: int((sizes > 1e-6 * sizes[0]).sum())])
    if 0 not in kept:  # the intercept stays; what equals it with others goes
        kept = [0, *kept[1:]]
    names = list(scaled)
    dropped = [n for i, n in enumerate(names) if i not in kept] + [
        n for n in columns if n not in scaled
    ]
    notes = (f"controls that others determine, or that never vary: {', '.join(dropped)}",)
    return Controls(matrix[:, kept], tuple(names[i] for i in kept), notes if dropped else ())
