"""Intervals of NPS, CSAT and CES from sums over customers.

Answers of one customer resemble each other, so the answers count for fewer: by the design
effect, the variance between customers over what as many independent answers would have
[Kish 1965, Survey Sampling]. The usual intervals are then taken at the effective number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from touchlab.replicates import LEVEL

Floats = npt.NDArray[np.float64]
Ends = tuple[Floats, Floats]
Z = float(stats.norm.ppf(0.5 + LEVEL / 2))


def nps_interval(
    promoters: npt.ArrayLike,
    passives: npt.ArrayLike,
    detractors: npt.ArrayLike,
    *,
    extra: float = 3.0,
) -> Ends:
    """Give the two ends of the 95 % interval of an NPS, in points from -100 to 100.

    Adjusted Wald: `extra` answers are added, a quarter of them promoters, a quarter
    detractors [Rocks 2016, The American Statistician 70]; 0 gives the plain Wald
    interval, which has no width where all answers are alike.

    Examples
    --------
    >>> low, high = nps_interval(50, 30, 20)
    >>> round(float(low), 2), round(float(high), 2)
    (14.05, 44.2)
    """
    counts = (np.asarray(c, dtype=float) for c in (promoters, passives, detractors))
    up, middle, down = counts
    n = up + middle + down + extra
    with np.errstate(divide="ignore", invalid="ignore"):
        p, d = (up + extra / 4) / n, (down + extra / 4) / n
        reach = Z * np.sqrt((p + d - (p - d) ** 2) / n)
    low, high = np.clip([p - d - reach, p - d + reach], -1.0, 1.0)
    return 100 * low, 100 * high


def share_interval(part: npt.ArrayLike, n: npt.ArrayLike) -> Ends:
    """Give the two ends of the 95 % Wilson interval of a share; NaN where n is 0.

    Examples
    --------
    >>> low, high = share_interval(81, 263)
    >>> round(float(low), 4), round(float(high), 4)
    (0.2553, 0.3662)
    """
    whole = np.asarray(n, dtype=float)
    some = np.maximum(whole, 1e-12)
    low, high = proportion_confint(np.minimum(np.asarray(part, dtype=float), some), some,
                                   method="wilson")  # fmt: skip
    return np.where(whole > 0, low, np.nan), np.where(whole > 0, high, np.nan)


def mean_interval(mean: Floats, error: Floats, customers: Floats, low: float, high: float) -> Ends:
    """Give the two ends of the 95 % t interval of a mean on a scale from `low` to `high`.

    Where all answers are alike there is no spread to go by. Other answers may then make up
    at most z2 / (n + z2) of all (Wilson's bound), and lie at an end of the scale at worst.
    """
    reach = stats.t.ppf(0.5 + LEVEL / 2, np.maximum(customers - 1, 1)) * error
    alike = ~(error > 0)
    unseen = Z**2 / (customers + Z**2)
    down = np.where(alike, unseen * (mean - low), reach)
    up = np.where(alike, unseen * (high - mean), reach)
    return np.clip(mean - down, low, high), np.clip(mean + up, low, high)


def cluster_error(sums: pd.DataFrame) -> tuple[Floats, Floats]:
    """Give the standard error of a mean of answers clustered in customers, and its design effect.

    Columns of `sums`: n, customers, total and squares (of the values), and over customers
    the sums of squared totals, of totals times answers and of squared answers:
    cluster_squares, cluster_cross, cluster_sizes. The effect is at least 1; where the
    values do not vary, it is answers by customers, as if a customer answered alike always.
    """
    n, customers = sums.n.to_numpy(float), sums.customers.to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums.total.to_numpy(float) / n
        between = (
            sums.cluster_squares - 2 * mean * sums.cluster_cross + mean**2 * sums.cluster_sizes
        )
        clustered = np.maximum(between, 0.0) / n**2 * customers / (customers - 1)
        plain = np.maximum(sums.squares / n - mean**2, 0.0) / (n - 1)
        flat = ~(plain > 1e-12 * mean**2 + 1e-15) | (customers < 2)
        effect = np.where(flat, n / customers, np.maximum(clustered / plain, 1.0))
    error = np.where(flat, 0.0, np.sqrt(plain * effect))
    return error, np.where(n == customers, 1.0, effect)
