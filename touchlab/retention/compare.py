"""Whether groups of customers differ in how long they stay, and by how many days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.dataset import Dataset
from touchlab.errors import ParameterError, TooThin
from touchlab.moments.risk import ENDING
from touchlab.numeric import Floats, Z
from touchlab.results import Result
from touchlab.retention.curves import (
    Life,
    count_at,
    count_ends,
    effective_interval,
    find_spells,
    life_table,
    life_tables,
    with_notes,
)

FEWEST_AT_RISK = 10
"""Customers at risk in every group on the last day that the default horizon takes in."""


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """How groups differ, by what is known of customers when their risk starts.

    `table` has ``group, n, events, expected, median_days, mean_days, ci_low, ci_high,
    difference_days, difference_low, difference_high``: `expected` outcomes if groups did not
    differ, the mean of days within the horizon with its 95 % interval, and its difference
    to the first (largest) group.
    """

    table: pd.DataFrame
    outcome: str
    horizon_days: int
    statistic: float
    """Log-rank chi-squared of all groups at once."""
    freedom: int
    p_value: float
    notes: tuple[str, ...]

    def sentence(self) -> str:
        """Say which group stays longest, which shortest, and whether chance alone would do."""
        rows = self.table.sort_values("mean_days")
        short, long = rows.iloc[0], rows.iloc[-1]
        chance = "< 0.001" if self.p_value < 0.001 else f"= {self.p_value:.3f}"
        test = f"(log-rank p {chance}). Badge: descriptive."
        if self.p_value >= 0.05:
            return (
                f"Groups differ in {self.outcome} within {self.horizon_days} days no more than "
                f"chance alone would give {test}"
            )
        return (
            f"Within {self.horizon_days} days, {long.group} is without {self.outcome} longest "
            f"({long.mean_days:.0f} days, {long.ci_low:.0f} to {long.ci_high:.0f}), {short.group} "
            f"shortest ({short.mean_days:.0f}, {short.ci_low:.0f} to {short.ci_high:.0f}); "
            f"groups differ more than chance alone would give {test}"
        )

    def plot(self) -> Any:
        """Draw the mean days of each group."""
        from touchlab import plots

        label = f"mean days without {self.outcome} in the first {self.horizon_days}, 95 % interval"
        return plots.plot_intervals(
            self.table, value="mean_days", names="group", label=label, percent=False,
            title=self.sentence().partition(";")[0],
        )  # fmt: skip


def compare_groups(
    data: Dataset,
    *,
    by: str,
    outcome: str = "churn",
    after: str | None = "auto",
    horizon_days: int | None = None,
) -> Comparison:
    """Say whether groups of customers differ in how long they stay, and by how many days.

    It does not say that the group is the reason: groups differ in other ways too.

    Parameters
    ----------
    data, outcome, after, by
        As in `survival_curves`.
    horizon_days
        The mean is of days without the outcome within so many days; None for the last day
        on which every group has ten customers at risk (or the last common day).

    Returns
    -------
    Comparison
        With ``.table``, ``.statistic``, ``.p_value``, ``.notes``, ``.sentence()``.

    Raises
    ------
    ParameterError, DataError, MissingInput
        As `survival_curves`; also for one group only, no outcome, a horizon beyond the data.

    Notes
    -----
    Log-rank test with the hypergeometric variance of ties [Mantel 1966; Peto & Peto 1972];
    the mean within a horizon is the area under the survival curve [Irwin 1949; Royston &
    Parmar 2013].

    Examples
    --------
    >>> import touchlab as tl
    >>> compared = compare_groups(tl.open_data("data/sample"), by="plan")
    >>> compared.table[["group", "n", "events", "expected", "mean_days"]].round(0)
         group     n  events  expected  mean_days
    0    basic  1809     517     458.0      233.0
    1     plus   947     223     244.0      250.0
    2  premium   292      45      84.0      281.0
    """
    spells = find_spells(data, [outcome], after, by)
    lives = life_tables(count_ends(spells))
    if len(lives) < 2:
        raise TooThin(
            f"compare_groups: {by} has one value only, {next(iter(lives))!r}\n"
            "  compare by something that customers differ in"
        )
    if not spells.events:
        raise TooThin(
            f"compare_groups: no {outcome} happens while its customer is at risk\n"
            "  check the times of outcomes against the observation windows"
        )
    lives = dict(sorted(lives.items(), key=lambda item: (-item[1].n, item[0])))
    expected, statistic, freedom = log_rank(list(lives.values()))
    horizon = _horizon(list(lives.values()), horizon_days)
    table = _table(lives, expected, horizon)
    p_value = float(stats.chi2.sf(statistic, freedom))
    return Comparison(table, outcome, horizon, statistic, freedom, p_value, spells.notes)


def _horizon(lives: Sequence[Life], asked: int | None) -> int:
    last = min(len(life.days) for life in lives) - 1
    if asked is None:
        enough = min(int((life.at_risk_by_day >= FEWEST_AT_RISK).sum()) for life in lives) - 1
        return max(enough if enough > 0 else last, 1)
    if not 1 <= asked <= last:
        raise ParameterError(
            f"horizon_days: {asked!r}\n  give whole days from 1 to {last}, the last common day"
        )
    return int(asked)


def _table(lives: dict[str, Life], expected: Floats, horizon: int) -> pd.DataFrame:
    mean, error = np.array([restricted_mean(life, horizon) for life in lives.values()]).T
    apart, apart_error = mean - mean[0], np.hypot(error, error[0])
    apart_error[0] = 0.0
    return pd.DataFrame(
        {
            "group": list(lives),
            "n": [life.n for life in lives.values()],
            "events": [int(life.events.sum()) for life in lives.values()],
            "expected": expected,
            "median_days": [median(life) for life in lives.values()],
            "mean_days": mean,
            "ci_low": np.clip(mean - Z * error, 0, horizon),
            "ci_high": np.clip(mean + Z * error, 0, horizon),
            "difference_days": apart,
            "difference_low": apart - Z * apart_error,
            "difference_high": apart + Z * apart_error,
        }
    )


def median(life: Life) -> float:
    """Return the first day on which half or more have had the outcome; NaN if that is not seen."""
    reached = life.time[life.survival <= 0.5 + 1e-12]
    return float(np.ceil(reached[0])) if len(reached) else float("nan")


def restricted_mean(life: Life, horizon: int) -> tuple[float, float]:
    """Return the mean of days without the outcome, none beyond the horizon, and its error.

    Area under the curve; variance sum of A(t)^2 e / (r (r - e)) with A(t) the area after
    time t [Klein & Moeschberger 2003, 4.5].

    >>> restricted_mean(life_table([1, 2], [1, 1], [1, 1]), 2)[0]    # 1 day and half of another
    1.5
    """
    width = np.diff(np.minimum(np.append(life.time, horizon), horizon))
    after = (life.survival * width)[::-1].cumsum()[::-1]
    left = np.maximum(life.at_risk - life.events, 1)  # where nobody is left, the area after is 0
    variance = (after**2 * life.events / (life.at_risk * left)).sum()
    return float(after[0]), float(np.sqrt(variance))


def log_rank(lives: Sequence[Life]) -> tuple[Floats, float, int]:
    """Return the outcomes expected in each group, the log-rank chi-squared and its freedom.

    >>> one, two = life_table([1, 2], [1, 1], [1, 1]), life_table([3, 4], [1, 1], [1, 1])
    >>> expected, statistic, freedom = log_rank([one, two])
    >>> expected.round(3), round(statistic, 3), freedom
    (array([0.833, 3.167]), 2.882, 1)
    """
    happened = [life.time[life.events > 0] for life in lives]
    times = np.unique(np.concatenate(happened))
    at_risk = np.array(
        [np.append(life.at_risk, 0)[np.searchsorted(life.time, times)] for life in lives]
    )
    events = np.array(
        [
            count_at(times, own, life.events[life.events > 0])
            for own, life in zip(happened, lives, strict=True)
        ]
    )
    total, all_events = at_risk.sum(axis=0), events.sum(axis=0)
    share = at_risk / total
    expected = (share * all_events).sum(axis=1)
    spread = all_events * (total - all_events) / np.maximum(total - 1, 1)
    covariance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    apart = (events.sum(axis=1) - expected)[:-1]
    known = covariance[:-1, :-1]
    statistic = float(apart @ np.linalg.pinv(known) @ apart)
    return expected, statistic, int(np.linalg.matrix_rank(known))


def cumulative_incidence(
    data: Dataset, *, outcomes: Sequence[str], after: str | None = "auto", by: str | None = None
) -> pd.DataFrame:
    """Say what share of customers has had each of several outcomes first, day by day.

    A customer who has one of the outcomes can no longer have another one first: one minus a
    survival curve of each alone would add up to more than happens. It does not say what an
    outcome would do if the others were done away with.

    Parameters
    ----------
    data, after, by
        As in `survival_curves`; ``"auto"`` goes by the conversion if any of the outcomes does.
    outcomes
        Two or more names in ``outcomes.outcome``. Churn, which ends all risk, is added where
        the data has it.

    Returns
    -------
    pandas.DataFrame
        ``group, outcome, day, incidence, ci_low, ci_high, at_risk, events, n``: a row an
        outcome and day. On each day, incidences and the share with none add up to 1.

    Raises
    ------
    ParameterError, DataError, MissingInput
        As `survival_curves`, as are warnings; also for a single outcome.

    Notes
    -----
    Aalen-Johansen estimate [1978], delta-method variance [Marubini & Valsecchi 1995], Wilson
    intervals on the number of customers that this variance stands for.

    Examples
    --------
    >>> import touchlab as tl
    >>> shares = cumulative_incidence(tl.open_data("data/sample"), outcomes=["churn", "referral"])
    >>> shares[shares.day == 90].round(3)[["outcome", "incidence", "ci_low", "ci_high"]]
          outcome  incidence  ci_low  ci_high
    90      churn      0.157   0.143    0.172
    455  referral      0.131   0.119    0.146
    """
    if isinstance(outcomes, str):
        raise ParameterError(f"outcomes: {outcomes!r} is not a list\n  give ['{outcomes}', ...]")
    names = list(dict.fromkeys(outcomes))
    known = set(data.outcomes.select("outcome").distinct().to_pandas().outcome)
    names += [name for name in ENDING if name in known and name not in names]
    if len(names) < 2:
        raise ParameterError(
            f"outcomes: {names!r} do not compete\n"
            "  give two or more outcomes, or use survival_curves() for one"
        )
    spells = find_spells(data, names, after, by)
    counts = count_ends(spells)
    frames = [
        _incidence(str(group), name, own)
        for group, own in counts.groupby("group")
        for name in names
    ]
    return with_notes(pd.concat(frames, ignore_index=True), spells.notes)


def _incidence(group: str, outcome: str, counts: pd.DataFrame) -> pd.DataFrame:
    life = life_table(counts.day, counts.ended != "", counts.n)
    own = count_at(life.time, counts.day, counts.n * (counts.ended == outcome))
    share, variance = (life.after_days(each) for each in aalen_johansen(life, own))
    low, high = effective_interval(share, variance, life.at_risk_by_day)
    low[0] = high[0] = 0.0  # nothing can have happened yet
    return pd.DataFrame(
        {
            "group": group,
            "outcome": outcome,
            "day": life.days.astype(np.int64),
            "incidence": share,
            "ci_low": low,
            "ci_high": high,
            "at_risk": life.at_risk_by_day.astype(np.int64),
            "events": life.within_days(own).astype(np.int64),
            "n": life.n,
        }
    )


def aalen_johansen(life: Life, own: Floats) -> tuple[Floats, Floats]:
    """Return the share that has had this outcome first after each time, and its variance.

    `own` counts this outcome at each time; `life.events` counts all of them.

    >>> life = life_table([1, 2, 3], [1, 1, 0], [1, 1, 1])
    >>> aalen_johansen(life, np.array([0.0, 1, 0, 0]))[0].round(3)    # the other came on day 2
    array([0.   , 0.333, 0.333, 0.333])
    """
    r, d = life.at_risk, life.events
    before = np.append(1.0, life.survival[:-1])
    share = np.cumsum(before * own / r)
    gone = np.where(r > d, d / (r * np.maximum(r - d, 1)), 0.0)  # nobody left: F stays as it is
    here = before**2 * own * (r - own) / r**3
    cross = before * own / r**2
    # sums over u <= t of (F(t) - F(u))^2 gone + here - 2 (F(t) - F(u)) cross, multiplied out
    squared = share**2 * gone.cumsum() - 2 * share * (share * gone).cumsum()
    squared += (share**2 * gone).cumsum()
    variance = squared + here.cumsum() - 2 * (share * cross.cumsum() - (share * cross).cumsum())
    return share, np.maximum(variance, 0.0)
