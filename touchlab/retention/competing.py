"""Which of several outcomes comes first, and how often: cumulative incidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.errors import ParameterError
from touchlab.moments.risk import ENDING
from touchlab.retention.curves import Life, effective_interval, life_table
from touchlab.retention.spells import count_days, find_spells, warn

Floats = npt.NDArray[np.float64]


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
        As in `survival_curves`; with ``"auto"``, risk starts at the first conversion as soon
        as one of the outcomes asks for it.
    outcomes
        Two or more names in ``outcomes.outcome``, such as ``["churn", "referral"]`` or
        voluntary and involuntary churn. Churn ends all risk, so it is added where the data
        has it.

    Returns
    -------
    pandas.DataFrame
        ``group, outcome, day, incidence, ci_low, ci_high, at_risk, events, n``: a row an
        outcome and day. On each day, incidences and the share with none add up to 1.

    Raises
    ------
    ParameterError, DataError, MissingInput
        As `survival_curves`; also for a single outcome.

    Warns
    -----
    TouchlabWarning
        As `survival_curves`.

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
    455  referral      0.132   0.119    0.146
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
    warn(spells.notes)
    counts = count_days(spells)
    frames = [
        _incidence(str(group), name, own)
        for group, own in counts.groupby("group")
        for name in names
    ]
    return pd.concat(frames, ignore_index=True)


def _incidence(group: str, outcome: str, counts: pd.DataFrame) -> pd.DataFrame:
    life = life_table(counts.day, counts.ended != "", counts.n)
    own = np.bincount(
        counts.day.to_numpy(np.int64),
        counts.n.to_numpy(float) * (counts.ended == outcome),
        minlength=len(life.events),
    ).astype(float)
    share, variance = aalen_johansen(life, own)
    low, high = effective_interval(share, variance, life.at_risk)
    low[0] = high[0] = 0.0  # nothing can have happened yet
    return pd.DataFrame(
        {
            "group": group,
            "outcome": outcome,
            "day": np.arange(len(share)),
            "incidence": share,
            "ci_low": low,
            "ci_high": high,
            "at_risk": life.at_risk.astype(np.int64),
            "events": own.astype(np.int64),
            "n": life.n,
        }
    )


def aalen_johansen(life: Life, own: Floats) -> tuple[Floats, Floats]:
    """Return the share that has had this outcome first after each day, and its variance.

    `own` counts this outcome by day; `life.events` counts all of them.

    Examples
    --------
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
