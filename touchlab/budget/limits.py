"""What may be moved, how far, and how much there is to spend; refusals in words."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.checks import nearest
from touchlab.contract import listing
from touchlab.drivers.checks.badges import DESCRIPTIVE
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, ParameterError

Floats = npt.NDArray[np.float64]
Caps = tuple[float, float] | Mapping[str, tuple[float, float]]
USUAL_CAPS = (0.5, 2.0)


def held(table: pd.DataFrame, move_doubted: bool) -> pd.Series[bool]:
    """Say which touchpoints keep what they have: the customer's own, and those doubted."""
    doubted = (table.badge == DESCRIPTIVE) & (not move_doubted)
    stays = doubted | (table.owner == "customer")
    if not stays.all():
        return stays
    raise MissingInput(
        f"budget: nothing can be moved: {listing(table.index)} are doubted or the customer's own\n"
        "  with experiments on them, or a customers table and more outcomes, this says where "
        "the next euro brings most"
    )


def limits(caps: Caps, moved: pd.Index, known: list[str]) -> tuple[Floats, Floats]:
    """Least and most multiples, by touchpoint that may be moved."""
    named = caps if isinstance(caps, Mapping) else dict.fromkeys(moved, caps)
    for name, pair in named.items():
        if name not in known:
            raise ParameterError(
                f"caps: {name!r} is not a touchpoint of the drivers{nearest(str(name), known)}\n"
                f"  the touchpoints are {listing(known)}"
            )
        fine = isinstance(pair, tuple | list) and len(pair) == 2 and all(map(_number, pair))
        if not fine or not 0 <= pair[0] <= pair[1] or pair[1] == np.inf:
            raise ParameterError(
                f"caps: {pair!r} is not a pair of multiples\n"
                "  give the least and the most, such as (0.5, 2.0): at least 0, in this order"
            )
    pairs = np.array([named.get(name, USUAL_CAPS) for name in moved], dtype=float)
    return pairs[:, 0], pairs[:, 1]


def settle_budget(budget: float | None, moved: pd.DataFrame, least: float, most: float) -> float:
    """The budget for what may be moved; the caps let from `least` to `most` be spent."""
    now = float(moved.cost.sum())
    if budget is None:
        if len(moved) == 1:
            raise MissingInput(
                f"budget: {moved.index[0]!r} is the only touchpoint that can be moved\n"
                "  with costs of two or more, this says between which to move money; with "
                "another budget, what more or less of it would bring"
            )
        budget = now
    if not _number(budget) or not 0 < budget < np.inf:
        raise ParameterError(
            f"budget: {budget!r} was given\n  give an amount above 0, such as the {now:,.0f} now"
        )
    if not least * (1 - 1e-9) <= budget <= most * (1 + 1e-9):
        raise ParameterError(
            f"budget: {budget:,.0f} cannot be met with these caps\n"
            f"  what can be moved costs {now:,.0f} now, and under the caps from {least:,.0f} "
            f"to {most:,.0f}; give a budget between, or wider caps"
        )
    return float(np.clip(budget, least, most))


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def refuse_unknown(numbers: npt.ArrayLike, drivers: Drivers) -> None:
    """Refuse an answer of which the draws leave nothing finite."""
    if not np.isfinite(numbers).all():
        moments = drivers.moments
        raise MissingInput(
            f"budget: {moments.events:,.0f} {moments.risk.outcome} outcomes are too few to plan "
            "with\n  with more outcomes, this says where the next euro brings most"
        )
