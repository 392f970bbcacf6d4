"""Score tests: would a column that the model does not have explain more?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from touchlab.drivers.hazard import Model, Parameters, one_thread, penalty_of, tangent
from touchlab.replicates import GROUPS

Floats = npt.NDArray[np.float64]


class Scorer:
    """Score tests of columns against one fitted model [Rao 1948]."""

    def __init__(self, model: Model, given: Parameters) -> None:
        now, (penalty, _) = tangent(model, given), penalty_of(model)
        self.design = now.design
        self.residual = now.event - now.probability
        self.weight = now.weight
        self.curvature = now.curvature + penalty
        self.group = model.group

    @one_thread
    def z(self, columns: Floats) -> Floats:
        """How far each column's score is from 0, in standard errors; `columns` (c, moments).

        The score is taken free of what the model's own parameters explain. Its variance is
        the larger of the model's and the one between groups of customers.
        """
        # lstsq: parameters that nothing depends on have zero rows
        explained = np.linalg.lstsq(
            self.curvature, self.design @ (self.weight * columns).T, rcond=None
        )[0]
        own = columns - explained.T @ self.design
        score = own * self.residual
        by_group = np.stack([np.bincount(self.group, row, GROUPS) for row in score])
        clustered = GROUPS / (GROUPS - 1) * (by_group**2).sum(axis=1)
        variance = np.maximum((own**2) @ self.weight, clustered)
        return score.sum(axis=1) / np.sqrt(np.maximum(variance, 1e-12))
