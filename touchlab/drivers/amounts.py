"""Amounts of outcomes, such as those lost without a touchpoint, at many sets of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

from touchlab.drivers.effects import Past
from touchlab.drivers.model import Model, blocks, saturate
from touchlab.drivers.ratios import Ratios
from touchlab.drivers.sets import Sets

Floats = npt.NDArray[np.float64]
Quantity = Callable[[Floats, Ratios, Floats, Past | None], Floats]


@dataclass(frozen=True)
class Earlier:
    """Draws from the past of each moment, those of one moment together."""

    saturated: npt.NDArray[np.float32]
    controls: Floats
    days: Floats
    """What each draw stands for."""

    @classmethod
    def of(cls, model: Model) -> Earlier | None:
        """Draws from the past, for outcomes that come once; None for what recurs."""
        earlier, since = model.moments.earlier, model.moments.table.since.to_numpy(float)
        if earlier is None:
            return None
        draws = earlier.exposure.shape[-1] // len(since)
        saturated = saturate(earlier.exposure, model.saturation)
        return cls(saturated, model.controls.at(earlier), np.repeat(since / draws, draws))


def amounts(
    model: Model,
    earlier: Earlier | None,
    packed: Floats,
    weights: Floats,
    quantity: Quantity,
    cells: Floats,
) -> Floats:
    """Add up a quantity over all moments, for each set of parameters; (sets, ...).

    `packed` has shape (sets, parameters), `weights` (sets, groups), `cells` (moments, cells).
    """
    found = []
    for rows in blocks(len(model.event)):
        sets = Sets.of(model, packed, rows)
        expected = sets.chances(model.offset) * model.moments.events_each
        expected *= weights[:, model.group[rows]]
        pasts = enumerate(_pasts(model, earlier, packed, rows))
        each = zip(expected, pasts, strict=True)
        found.append([quantity(own, sets.ratios(i), cells[rows], past) for own, (i, past) in each])
    return np.sum(found, axis=0)


def _pasts(
    model: Model, earlier: Earlier | None, packed: Floats, rows: slice
) -> Iterator[Past | None]:
    """The past of some moments, next to one another, for each set of parameters."""
    if earlier is None:
        yield from repeat(None, len(packed))
        return
    draws = len(earlier.days) // len(model.event)
    own, lives = slice(rows.start * draws, rows.stop * draws), model.moments.half_lives
    saturated, controls = earlier.saturated[:, :, own], earlier.controls[own]
    sets = Sets(saturated, controls, lives, packed, model.pairs)
    for i, hazard in enumerate(np.exp(sets.log_hazards()) * earlier.days[own]):
        yield Past(sets.ratios(i), hazard, rows.stop - rows.start)
