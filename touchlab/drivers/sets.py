"""The model at many sets of parameters at once, as where each group of customers is left out.

Exposures are read between two grid points, so the log hazard is linear in what lies at them: one
product of matrices gives it for all sets, where one set after another passes over all moments.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from touchlab.drivers.model import Model, place_in
from touchlab.drivers.ratios import Pairs, Ratios

Floats = npt.NDArray[np.float64]
ALL = slice(None)


class Sets:
    """Some moments, and several sets of parameters.

    `saturated` (touchpoints, half-lives, moments) as in `Model`, `controls` (moments, columns),
    `packed` (sets, parameters).
    """

    def __init__(
        self,
        saturated: npt.NDArray[np.float32],
        controls: Floats,
        half_lives: tuple[float, ...],
        packed: Floats,
        pairs: Pairs = (),
    ) -> None:
        k, lives, end = len(saturated), len(half_lives), packed.shape[1] - len(pairs)
        self.controls, self.pairs = controls, pairs
        self.effects, self.synergies = packed[:, :k], packed[:, end:]
        self.of_controls = packed[:, 2 * k : end]
        place, self.step, self.part = place_in(half_lives, packed[:, k : 2 * k])
        points, where = np.unique(np.arange(k) * lives + place, return_inverse=True)
        self.where = where.reshape(place.shape)
        touchpoint, place = np.divmod(points, lives)
        low = saturated[touchpoint, place]
        self.low, rise = low.astype(float), saturated[touchpoint, place + 1] - low
        self.rise = rise.astype(float)

    @classmethod
    def of(cls, model: Model, packed: Floats, rows: slice = ALL) -> Sets:
        """The moments that a model is fitted to, or some of them."""
        saturated, controls = model.saturated[:, :, rows], model.controls.matrix[rows]
        return cls(saturated, controls, model.moments.half_lives, packed, model.pairs)

    def chances(self, offset: float) -> Floats:
        """Return the probability that each moment is an event; (sets, moments)."""
        return np.asarray(expit(self.log_hazards() + offset))

    def log_hazards(self) -> Floats:
        """Return the log of the hazard a day; (sets, moments)."""
        low, rise = np.zeros((2, len(self.effects), len(self.low)))
        np.put_along_axis(low, self.where, self.effects, axis=1)
        np.put_along_axis(rise, self.where, self.effects * self.part, axis=1)
        found = low @ self.low + rise @ self.rise + self.of_controls @ self.controls.T
        for (a, b), own in zip(self.pairs, self.synergies.T, strict=True):
            found += own[:, None] * self._exposure(a) * self._exposure(b)
        return np.asarray(found)

    def slopes(self, residual: Floats) -> Floats:
        """Add up residuals times the slope of the log hazard in each parameter.

        `residual` has shape (sets, moments), what is returned (sets, parameters).
        """
        low, rise = (
            np.take_along_axis(residual @ at.T, self.where, axis=1) for at in (self.low, self.rise)
        )
        lives, pairs = self.effects * rise / self.step, []
        for (a, b), own in zip(self.pairs, self.synergies.T, strict=True):
            for one, other in ((a, b), (b, a)):
                bent = self.rise[self.where[:, one]] * self._exposure(other) * residual
                lives[:, one] += own * bent.sum(axis=1) / self.step[:, one]
            pairs.append((self._exposure(a) * self._exposure(b) * residual).sum(axis=1))
        return np.column_stack([low + self.part * rise, lives, residual @ self.controls, *pairs])

    def ratios(self, place: int) -> Ratios:
        """What each touchpoint and pair adds to the log hazard in one of the sets."""
        where = self.where[place]
        exposure = self.low[where] + self.part[place, :, None] * self.rise[where]
        joint = np.zeros((len(self.pairs), exposure.shape[1]))
        for i, (a, b) in enumerate(self.pairs):
            joint[i] = self.synergies[place, i] * exposure[a] * exposure[b]
        return Ratios(self.effects[place, :, None] * exposure, self.pairs, joint)

    def _exposure(self, touchpoint: int) -> Floats:
        """Exposure to one touchpoint as it enters the log hazard; (sets, moments)."""
        where, part = self.where[:, touchpoint], self.part[:, touchpoint, None]
        return np.asarray(self.low[where] + part * self.rise[where])
