"""Numbers that every room needs: customer groups, the jackknife, intervals, Newton steps."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]
Derivatives = Callable[[Floats], tuple[float, Floats, Floats]]
"""From packed parameters (p,) to the log-likelihood, its slope (p,) and curvature (p, p)."""
GROUPS = 50
LEFT_OUT = np.vstack([np.ones(GROUPS), (1 - np.eye(GROUPS)) * GROUPS / (GROUPS - 1)])
"""Weights of the customer groups, (sets, groups): all as they are, then without one each."""
LEVEL = 0.95
Z = float(stats.norm.ppf(0.5 + LEVEL / 2))
"""Standard errors to each end of an interval."""
SHAPE, SCALE = 7.0, 30.0
"""Bounds of packed parameters: a shape of exp(7), 1,100, is as good as infinite."""
MAX_STEPS, LONGEST = 200, 2.0
PRECISION = 1e-10
"""Log-likelihood that is not worth another step."""
FLAT = 1e-9
"""Curvature below this share of the largest counts as none."""
one_thread = threadpool_limits.wrap(limits=1)
"""Matrices are small: threads that wait for one another cost up to six times what they gain
as soon as another process (a second kernel) wants the cores."""


@ibis.udf.scalar.builtin
def md5(text: str) -> str:  # type: ignore[empty-body]
    """Name the engine's own md5, which DuckDB, Spark and PostgreSQL share."""


def customer_group(customer: ir.Value, groups: int = GROUPS) -> ir.Value:
    """Put a customer in a group: Knuth's hash of numbers, md5 of text, the same on every engine."""
    if customer.type().is_integer():
        mixed = (customer.abs() % 2**31 * 2_654_435_761) % 2**32
        return ((mixed - mixed % 65_536) / 65_536).cast("int64") % groups
    return _hex_number(md5(customer), 3) % groups


def hash_uniform(text: ir.Value) -> ir.Value:
    """Turn text into a number from 0 to 1, the same on every engine: its md5 as a fraction."""
    return _hex_number(md5(text), 7).cast("float64") / 16**7


def _hex_number(digest: ir.Value, places: int) -> ir.Value:
    """Read the first digits of a hexadecimal text; engines have no common function for it."""
    digits, number = ibis.literal("0123456789abcdef"), ibis.literal(0, "int64")
    for place in range(places):
        number = number * 16 + digits.find(digest.substr(place, 1)).cast("int64")
    return number


def jackknife(estimate: Floats, replicates: Floats) -> tuple[Floats, Floats]:
    """Standard error and its degrees of freedom, per entry of `estimate` (...,).

    `replicates` (G, ...) are the estimates without each group, NaN where one does not exist.
    Variance (G - 1) / G * sum (theta_-g - mean)^2, G - 1 degrees of freedom
    [Shao & Tu 1995, The Jackknife and Bootstrap].
    """
    count = np.isfinite(replicates).sum(axis=0)
    mean = np.nansum(replicates, axis=0) / np.maximum(count, 1)
    spread = np.nansum((replicates - mean) ** 2, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(count > 1, np.sqrt((count - 1) / count * spread), np.nan)
    return error, count - 1


def interval(
    estimate: Floats | float,
    error: Floats | float,
    freedom: Floats | float = GROUPS - 1,
    *,
    low: float = -np.inf,
    high: float = np.inf,
) -> tuple[Floats, Floats]:
    """Return the two ends of a t interval, cut at `low` and `high`."""
    reach = stats.t.ppf(0.5 + LEVEL / 2, np.maximum(freedom, 1)) * error
    return np.clip(estimate - reach, low, high), np.clip(estimate + reach, low, high)


def share_interval(part: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Give the two ends of the 95 % Wilson interval of a share; NaN where n is 0.

    >>> low, high = share_interval(81, 263)
    >>> round(float(low), 4), round(float(high), 4)
    (0.2553, 0.3662)
    """
    whole = np.maximum(np.asarray(n, dtype=float), 1e-12)
    part = np.minimum(np.asarray(part, dtype=float), whole)
    ends = proportion_confint(part, whole, method="wilson")
    low, high = (np.where(np.asarray(n) > 0, end, np.nan) for end in ends)
    return low, high


def add_up(each: Callable[[Floats], tuple[Floats, Floats, Floats]], weight: Floats) -> Derivatives:
    """Add up the log-likelihood (n,), slopes (p, n) and triangles that `each` gives of rows."""

    def derivatives(packed: Floats) -> tuple[float, Floats, Floats]:
        loglik, slope, triangle = each(packed)
        return float(loglik @ weight), slope @ weight, unpack(triangle @ weight, len(packed))

    return derivatives


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
    """Step uphill, each direction held to `LONGEST`, also where it is no hill [Dauphin 2014]."""
    values, vectors = np.linalg.eigh(-curvature)
    size = np.abs(values)
    size = np.maximum(size, FLAT * max(float(size.max()), FLAT))
    return np.asarray(vectors @ ((vectors.T @ slope) / size).clip(-LONGEST, LONGEST))


def in_logs(scale: Floats, slope: Floats, triangle: Floats) -> tuple[Floats, Floats]:
    """Turn slopes (p, n) and triangles of curvature by parameters into those by their logs."""
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
