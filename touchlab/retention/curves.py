"""How long customers stay: survival curves with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from touchlab.dataset import Dataset
from touchlab.replicates import LEVEL
from touchlab.retention.spells import count_days, find_spells, warn

Floats = npt.NDArray[np.float64]

Z = float(stats.norm.ppf(0.5 + LEVEL / 2))
COLUMNS = ["group", "day", "survival", "ci_low", "ci_high", "at_risk", "events", "n"]


@dataclass(frozen=True)
class Life:
    """A life table of one group: entry `d` is day `d` since the start of risk."""

    at_risk: Floats
    events: Floats

    @property
    def n(self) -> int:
        return int(self.at_risk[0])

    @property
    def survival(self) -> Floats:
        """Share still without the outcome after each day [Kaplan & Meier 1958]."""
        return np.asarray(np.cumprod(1 - self.events / self.at_risk), dtype=float)

    @property
    def relative_variance(self) -> Floats:
        """Variance of survival over its square [Greenwood 1926]; infinite once nobody is left."""
        with np.errstate(divide="ignore"):
            return np.cumsum(
                np.where(
                    self.events > 0,
                    self.events / (self.at_risk * (self.at_risk - self.events)),
                    0.0,
                )
            )


def life_table(day: npt.ArrayLike, event: npt.ArrayLike, n: npt.ArrayLike) -> Life:
    """Add up spells that end on `day`, with an outcome or not; `n` of each kind.

    Examples
    --------
    >>> life = life_table([6, 6, 7], [1, 0, 1], [3, 1, 1])
    >>> life.at_risk[[0, 6, 7]], life.survival[[5, 6, 7]].round(2)
    (array([5., 5., 1.]), array([1. , 0.4, 0. ]))
    """
    day = np.asarray(day, dtype=np.int64)
    count = np.asarray(n, dtype=float)
    events = np.bincount(day, count * np.asarray(event, dtype=float)).astype(float)
    ended = np.bincount(day, count)
    at_risk = ended[::-1].cumsum()[::-1]
    return Life(at_risk, events)


def effective_interval(share: Floats, variance: Floats, at_risk: Floats) -> tuple[Floats, Floats]:
    """Return a Wilson interval of a share whose variance is known [Rothman 1978].

    The variance is that of `n` = share (1 - share) / variance customers: those at risk until
    anything happens, those of the day before once nobody is left. Of the intervals tried it is
    the only one that covers at 95 % from the first day on, also with 20 customers
    (docs/decisions/0011-retention.md).
    """
    known = (variance > 0) & (share > 0) & (share < 1)
    last = np.maximum.accumulate(np.where(known, np.arange(len(share)), -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(last >= 0, (share * (1 - share) / variance)[last], at_risk)
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return np.clip(middle - reach, 0, 1), np.clip(middle + reach, 0, 1)


def life_interval(life: Life) -> tuple[Floats, Floats]:
    """Return the 95 % interval of survival on each day."""
    survival = life.survival
    with np.errstate(invalid="ignore"):
        variance = np.nan_to_num(survival**2 * life.relative_variance, nan=0.0, posinf=0.0)
    low, high = effective_interval(survival, variance, life.at_risk)
    low[0] = high[0] = 1.0  # nothing can have happened yet
    return low, high


def survival_curves(
    data: Dataset, *, outcome: str = "churn", after: str | None = "auto", by: str | None = None
) -> pd.DataFrame:
    """Say what share of customers is still without the outcome, day by day.

    Customers whose observation ends first count for as long as they are seen. It does not
    say why groups differ, and it does not compare customers who were ever touched with
    those who never were: see `touched_survival`.

    Parameters
    ----------
    data
        An opened Dataset.
    outcome
        A name in ``outcomes.outcome``; its first time counts.
    after
        Outcome at whose first time the risk starts; ``"auto"``: the first conversion for
        churn and referral, else the start of observation (None). Churn ends all risk.
    by
        Something known when the risk starts: a trait of ``customers``, ``"cohort"`` (the
        month of the start, UTC) or ``"first_touchpoint"`` (of the first touch up to the
        start). None for all customers together.

    Returns
    -------
    pandas.DataFrame
        ``group, day, survival, ci_low, ci_high, at_risk, events, n``: a row a day since the
        start of risk; an outcome counts on the day it happens in. `n` customers began,
        `at_risk` were still there before the day's `events`. Each day has its own 95 %
        interval; they do not hold for all days at once.

    Raises
    ------
    ParameterError, DataError, MissingInput
        For an unknown outcome or trait, a touchpoint as `by`, where nobody is at risk, and
        for a paths table.

    Warns
    -----
    TouchlabWarning
        For customers who are left out or come back after churn, and for few outcomes.

    Notes
    -----
    Product-limit estimate [Kaplan & Meier 1958], Greenwood's variance, and Wilson intervals
    on the number of customers that this variance stands for [Rothman 1978].

    Examples
    --------
    >>> import touchlab as tl
    >>> curves = survival_curves(tl.open_data("data/sample"), by="plan")
    >>> curves[curves.day == 180].round(2)[["group", "survival", "ci_low", "ci_high", "at_risk"]]
           group  survival  ci_low  ci_high  at_risk
    180    basic      0.65    0.62     0.68      507
    544     plus      0.71    0.67     0.75      265
    909  premium      0.80    0.74     0.85       99
    """
    spells = find_spells(data, [outcome], after, by)
    warn(spells.notes)
    counts = count_days(spells)
    return pd.concat([_curve(str(g), own) for g, own in counts.groupby("group")], ignore_index=True)


def _curve(group: str, counts: pd.DataFrame) -> pd.DataFrame:
    return curve_frame(group, life_table(counts.day, counts.ended != "", counts.n))


def curve_frame(group: str, life: Life) -> pd.DataFrame:
    """Set a life table as rows of the tidy frame."""
    low, high = life_interval(life)
    return pd.DataFrame(
        {
            "group": group,
            "day": np.arange(len(life.events)),
            "survival": life.survival,
            "ci_low": low,
            "ci_high": high,
            "at_risk": life.at_risk.astype(np.int64),
            "events": life.events.astype(np.int64),
            "n": life.n,
        },
        columns=COLUMNS,
    )
