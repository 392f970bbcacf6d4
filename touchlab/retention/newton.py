"""Maximum likelihood for models of a few positive parameters, packed as logarithms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Derivatives = Callable[[Floats], tuple[float, Floats, Floats]]
"""From packed parameters (p,) to the log-likelihood, its slope (p,) and curvature (p, p)."""

SHAPE, SCALE = 7.0, 30.0
"""Bounds of packed parameters: a shape of exp(7), 1,100, is as good as infinite."""
MAX_STEPS, LONGEST = 200, 2.0
PRECISION = 1e-10
"""Log-likelihood that is not worth another step."""
FLAT = 1e-9
"""Curvature below this share of the largest counts as none."""


def maximise(derivatives: Derivatives, start: Floats, bound: Floats) -> Floats:
    """Climb to the maximum within -bound to bound by Newton steps, each halved until it gains."""
    packed = start.clip(-bound, bound)
    now = derivatives(packed)
    for _ in range(MAX_STEPS):
        # what pushes against its bound stays there
        free = (np.abs(packed) < bound) | (np.sign(now[1]) != np.sign(packed))
        step = free * newton_step(free * now[1], np.outer(free, free) * now[2])
        while abs(now[1] @ step) > PRECISION:
            tried = (packed + step).clip(-bound, bound)
            then = derivatives(tried)
            if then[0] > now[0]:
                packed, now = tried, then
                break
            step = step / 2
        else:
            return packed
    return packed


def newton_step(slope: Floats, curvature: Floats) -> Floats:
    """Step uphill, also where the likelihood is no hill [Dauphin et al. 2014].

    Each direction of its own is held to `LONGEST`: a ridge does not cut short the others.
    """
    values, vectors = np.linalg.eigh(-curvature)
    size = np.abs(values)
    size = np.maximum(size, FLAT * max(float(size.max()), FLAT))
    return np.asarray(vectors @ ((vectors.T @ slope) / size).clip(-LONGEST, LONGEST))


def in_logs(scale: Floats, slope: Floats, triangle: Floats) -> tuple[Floats, Floats]:
    """Turn derivatives in parameters into derivatives in their logarithms.

    `scale` is the slope of a parameter in its logarithm, (p,); `slope` is (p, n) and
    `triangle`, the upper triangle of the curvature, (p (p + 1) / 2, n).
    """
    i, j = np.triu_indices(len(scale))
    slope = slope * scale[:, None]
    triangle = triangle * (scale[i] * scale[j])[:, None]
    triangle[i == j] += slope
    return slope, triangle


def unpack(triangle: Floats, size: int) -> Floats:
    """Turn upper triangles (..., p (p + 1) / 2) into symmetric matrices (..., p, p)."""
    i, j = np.triu_indices(size)
    full = np.empty((*triangle.shape[:-1], size, size))
    full[..., i, j] = full[..., j, i] = triangle
    return full
