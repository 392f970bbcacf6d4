"""Intervals for every credit: customer groups and the delete-a-group jackknife."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
from scipy import stats

GROUPS = 50
LEVEL = 0.95


@ibis.udf.scalar.builtin
def md5(text: str) -> str:  # type: ignore[empty-body]
    """Name the engine's own md5, which DuckDB, Spark and PostgreSQL share."""


def customer_group(customer: ir.Value, groups: int = GROUPS) -> ir.Value:
    """Put a customer in one of `groups` groups, the same on every engine.

    Whole numbers are mixed by Knuth's multiplicative hash, text by the first
    three digits of its md5: engines' own hash functions all differ.
    """
    if customer.type().is_integer():
        mixed = (customer.abs() % 2**31 * 2_654_435_761) % 2**32
        return ((mixed - mixed % 65_536) / 65_536).cast("int64") % groups
    return _hex_number(md5(customer), 3) % groups


def hash_uniform(text: ir.Value) -> ir.Value:
    """Turn text into a number from 0 to 1, the same on every engine: its md5 as a fraction."""
    return _hex_number(md5(text), 7).cast("float64") / 16**7


def _hex_number(digest: ir.Value, places: int) -> ir.Value:
    """Read the first digits of a hexadecimal text; engines have no common function for it."""
    digits = ibis.literal("0123456789abcdef")
    number = ibis.literal(0, "int64")
    for place in range(places):
        number = number * 16 + digits.find(digest.substr(place, 1)).cast("int64")
    return number


def jackknife(
    estimate: npt.NDArray[np.float64], replicates: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the standard error and its degrees of freedom, per entry of `estimate`.

    Parameters
    ----------
    estimate
        Shape (...,): the estimate from all customers.
    replicates
        Shape (G, ...): the estimate without group g; NaN where it does not exist.

    Notes
    -----
    Variance (G - 1) / G * sum (theta_-g - mean)^2, G - 1 degrees of freedom
    [Shao & Tu 1995, The Jackknife and Bootstrap].

    Examples
    --------
    >>> import numpy as np
    >>> totals = np.array([4.0, 6.0, 5.0, 5.0])
    >>> scaled = (totals.sum() - totals) * 4 / 3     # totals without one group, scaled up
    >>> error, freedom = jackknife(totals.sum(), scaled)
    >>> round(float(error), 3), int(freedom)
    (1.633, 3)
    """
    count = np.isfinite(replicates).sum(axis=0)
    mean = np.nansum(replicates, axis=0) / np.maximum(count, 1)
    spread = np.nansum((replicates - mean) ** 2, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(count > 1, np.sqrt((count - 1) / count * spread), np.nan)
    return error, count - 1


def interval(
    estimate: npt.NDArray[np.float64],
    error: npt.NDArray[np.float64],
    freedom: npt.NDArray[np.float64],
    *,
    level: float = LEVEL,
    low: float = -np.inf,
    high: float = np.inf,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the two ends of a t interval, cut at `low` and `high`."""
    reach = stats.t.ppf(0.5 + level / 2, np.maximum(freedom, 1)) * error
    return np.clip(estimate - reach, low, high), np.clip(estimate + reach, low, high)


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
