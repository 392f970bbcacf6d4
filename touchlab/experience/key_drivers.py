"""Which touchpoint's score goes most with the overall opinion, or with a later outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.contract import METRIC_RANGES, listing
from touchlab.data.customers import outcome_counts
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError, nearest
from touchlab.experience.followup import USUAL, followed_answers
from touchlab.experience.importance import MOST_EXACT, correlations, relative_importance
from touchlab.experience.surveys import NO_SCORES, need_ids, of_metric, scaled, surveys_of
from touchlab.numeric import LEVEL, Floats, interval
from touchlab.results import Result

TARGET = "target"
FEWEST = 30
"""Customers who must have both a driver's score and the target."""
SURE = 0.05


@dataclass(frozen=True, repr=False)
class KeyDrivers(Result):
    """How the drivers share what they explain of the target: `table` has a row a driver."""

    table: pd.DataFrame
    notes: tuple[str, ...]
    target: str
    r2: float
    """Share of the target's variance that the drivers explain together."""
    p_value: float
    """Of drivers explaining nothing, by the F test at the smallest number of answers in common."""
    method: str
    """``"LMG"``, or ``"Johnson"`` where there are more than twelve drivers."""

    def sentence(self) -> str:
        """Say which driver matters most, and whether all of it could be chance."""
        first, unit = self.table.iloc[0], "\N{NO-BREAK SPACE}%"
        said = (
            f"Together the scores explain {100 * self.r2:.0f}{unit} of the differences in "
            f"{called(self.target)}"
        )
        if not self.p_value < SURE:
            return f"{said}, no more than chance would: no driver stands out."
        if len(self.table) > 1:
            said += (
                f"; {first.driver} has {100 * first.importance:.0f}{unit} of that "
                f"({100 * first.ci_low:.0f} to {100 * first.ci_high:.0f}{unit})"
            )
        return f"{said}. This is association, not effect."

    def summary(self) -> pd.DataFrame:
        """Importance as a share of what is explained, beside performance."""
        names = {"importance": "share", "ci_low": "share_low", "ci_high": "share_high"}
        return self.table.drop(columns="r2").rename(columns=names)

    def plot(self) -> Any:
        """Draw importance against performance."""
        from touchlab import plots

        return plots.plot_importance(self)


def key_drivers(
    data: Dataset | pd.DataFrame,
    *,
    target: str = "nps",
    days: int = 90,
    draws: int = 200,
    seed: int = 1,
) -> KeyDrivers:
    """Which touchpoint's score goes most with the overall opinion, or with a later outcome?

    Importance is a share of explained variance: association, not effect. Customers who are
    content with everything lift all scores alike, and no method can tell that apart.

    Parameters
    ----------
    data
        A Dataset whose surveys name their customers, or a frame: a row a customer, a
        column a driver, one column `target`, NaN where not answered.
    target
        A metric (the customer's mean score; drivers are the touchpoints' scores of the
        other metrics), an outcome (whether it followed the customer's last answer), or
        a column of the frame.
    days
        For an outcome: how long each customer is watched after the answer.
    draws, seed
        Bootstrap draws of customers, and their seed.

    Returns
    -------
    KeyDrivers
        ``.table``: ``driver, importance, ci_low, ci_high`` (share of R2, 95 % bootstrap
        interval), ``r2`` (the driver's part of R2), ``performance, performance_low,
        performance_high`` (mean score with its 95 % t interval; 0 to 100 of the scale
        for a Dataset) and ``n`` (customers with this score), most important first;
        ``.r2, .p_value, .method, .notes, .sentence()``.

    Raises
    ------
    MissingInput
        Without surveys or their customers, or if no driver has 30 customers in common
        with the target.
    ParameterError
        For an unknown target.

    Notes
    -----
    LMG, exact, up to twelve drivers; Johnson weights beyond. Where scores are missing,
    correlations are those of the highest likelihood of the scores given, none filled in.
    Intervals hold the truth less often the more is missing; see
    docs/decisions/0015-experience.md.

    Examples
    --------
    >>> import touchlab as tl
    >>> drivers = key_drivers(tl.open_data("data/sample"), target="nps", draws=50)
    >>> drivers.table.driver[0], drivers.method
    ('store_visit', 'LMG')
    """
    if draws < 2:
        raise ParameterError(f"draws: {draws!r} is too few for an interval\n  give at least 50")
    frame = driver_frame(data, target, days) if isinstance(data, Dataset) else _given(data, target)
    frame, notes = _usable(frame, target)
    scores, wanted = frame.iloc[:, :-1], frame.iloc[:, -1]
    if frame.isna().to_numpy().any():
        gaps = 100 * scores.isna().to_numpy().mean()
        notes.append(
            f"{gaps:.0f}\N{NO-BREAK SPACE}% of scores are missing: how scores go together is "
            "estimated from those given (maximum likelihood)."
        )
    parts = relative_importance(correlations(frame.to_numpy(), draws=draws, seed=seed))
    r2, fewest = float(parts[0].sum()), int(scores[wanted.notna()].count().min())
    chance = _chance(r2, scores.shape[1], fewest)
    if not chance < SURE:
        notes.append("The scores explain no more than chance would; their order may be chance.")
    share, share_low, share_high = _shares(parts)
    n, mean = scores.count(), scores.mean()
    low, high = interval(mean, scores.sem(), n - 1)
    table = pd.DataFrame(
        {
            "driver": [str(name) for name in scores.columns],
            "importance": share,
            "ci_low": share_low,
            "ci_high": share_high,
            "r2": parts[0],
            "performance": mean.to_numpy(),
            "performance_low": low,
            "performance_high": high,
            "n": n.to_numpy(),
        }
    )
    table = table.sort_values(["importance", "driver"], ascending=[False, True], ignore_index=True)
    method = "LMG" if len(table) <= MOST_EXACT else "Johnson"
    return KeyDrivers(table, tuple(notes), target, r2, chance, method)


def _shares(parts: Floats) -> tuple[Floats, Floats, Floats]:
    """Each driver's share of R2 with its percentile interval over the draws."""
    whole = parts.sum(axis=1, keepdims=True)
    shares = np.divide(parts, whole, out=np.full_like(parts, 1 / parts.shape[1]), where=whole > 0)
    low, high = np.quantile(shares[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return shares[0], low, high


def _chance(r2: float, drivers: int, n: int) -> float:
    """P-value of R2 if the drivers explained nothing."""
    freedom = max(n - drivers - 1, 1)
    ratio = (r2 / drivers) / max((1 - r2) / freedom, 1e-12)
    return float(stats.f.sf(ratio, drivers, freedom))


def called(target: str) -> str:
    """Write a metric in capitals, an outcome as it is."""
    return target.upper() if target in METRIC_RANGES else target


def weak_links(drivers: KeyDrivers | pd.DataFrame) -> pd.DataFrame:
    """Which touchpoints are important, and poor?

    Parameters
    ----------
    drivers
        As returned by `key_drivers`, or its table.

    Returns
    -------
    pandas.DataFrame
        ``driver, importance, performance, important`` (more than an equal share; never where
        the drivers explain no more than chance would), ``poor`` (below the mean performance
        of the drivers), ``weak`` (both), ``clear`` (both intervals lie on that side), ``n``.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "driver": ["support", "store"], "importance": [0.7, 0.3], "performance": [45.0, 83.0],
    ...     "ci_low": [0.55, 0.2], "ci_high": [0.8, 0.45], "n": [300, 900],
    ...     "performance_low": [43.0, 82.0], "performance_high": [47.0, 84.0],
    ... })
    >>> weak_links(table)[["driver", "important", "poor", "weak", "clear"]]
        driver  important   poor   weak  clear
    0  support       True   True   True   True
    1    store      False  False  False  False
    """
    table = drivers if isinstance(drivers, pd.DataFrame) else drivers.table
    equal, usual = quadrants(table)
    chance = isinstance(drivers, KeyDrivers) and not drivers.p_value < SURE
    important, poor = (table.importance > equal) & (not chance), table.performance < usual
    sure = (table.ci_low > equal) & (table.performance_high < usual)
    links = table[["driver", "importance", "performance"]].assign(
        important=important, poor=poor, weak=important & poor, clear=important & poor & sure
    )
    return links.assign(n=table.n)


def quadrants(table: pd.DataFrame) -> tuple[float, float]:
    """Importance and performance that part the quadrants: equal share and mean."""
    return 1 / len(table), float(table.performance.mean())


def driver_frame(data: Dataset, target: str, days: int) -> pd.DataFrame:
    """Each customer's mean score by touchpoint, from 0 to 100 of the scale, and last the target.

    For a metric, the target is the customer's mean score, and scores of the other metrics are
    the drivers. For an outcome, it is 1 if that followed within `days` after the customer's last
    answer that was watched so long, else 0, and all metrics up to then count.
    """
    need_ids(data, "which touchpoint's score goes with the overall opinion")
    if target in METRIC_RANGES:
        answers = surveys_of(data)
        of_metric(data, answers, target)
        answers = answers.filter(answers.score.notnull() & answers.customer_id.notnull())
        own = answers.filter(answers.metric == target)
        wanted = own.group_by("customer_id").aggregate(target=own.score.mean()).to_pandas()
        answers, missing = answers.filter(answers.metric != target), NO_SCORES
    else:
        known = outcome_counts(data)
        if target not in {*USUAL, *known}:
            raise ParameterError(
                f"target: {target!r} is neither a metric nor an outcome\n"
                f"  use one of {', '.join(METRIC_RANGES)}, or of {listing(sorted(known))}"
            )
        answers = followed_answers(data, target, days)
        last = answers.group_by("customer_id").aggregate(time=answers.time.max())
        ends = answers.inner_join(last, ["customer_id", "time"])
        wanted = ends.group_by("customer_id").aggregate(target=ends.happened.max()).to_pandas()
        missing = (
            f"No answer was watched for {days} days. With longer observation, or fewer days, what "
            "goes with the outcome would be shown here."
        )
    if wanted.empty:
        raise MissingInput(missing)
    return _mean_scores(answers).join(wanted.set_index("customer_id"), how="outer").astype(float)


def _mean_scores(answers: ir.Table) -> pd.DataFrame:
    score = scaled(answers.score, answers.metric)
    means = answers.group_by("customer_id", "touchpoint").aggregate(score=score.mean())
    wide = means.to_pandas().pivot(index="customer_id", columns="touchpoint", values="score")
    return wide.rename(columns={TARGET: f"{TARGET} (touchpoint)"}).rename_axis(columns=None)


def _given(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """The frame with the target last; everything else is a driver."""
    if target not in frame.columns:
        known = [str(c) for c in frame.columns]
        raise ParameterError(
            f"target: the frame has no column {target!r}{nearest(target, known)}\n"
            f"  use one of {listing(known)}"
        )
    text = [str(c) for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]
    if text:
        raise ParameterError(
            f"key_drivers: columns that are not numbers: {listing(text)}\n"
            "  leave them out, or give their scores as numbers"
        )
    return frame[[*(c for c in frame.columns if c != target), target]].astype(float)


def _usable(frame: pd.DataFrame, target: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out drivers that do not vary or have too little in common with the target."""
    known = frame[frame.iloc[:, -1].notna()]
    notes, kept = [], []
    for place, name in enumerate(frame.columns[:-1]):
        scores = known.iloc[:, place].dropna()
        if len(scores) < FEWEST:
            few = f"fewer than {FEWEST} customers have both its score and {called(target)}"
            notes.append(f"{name} is left out: {few}.")
        elif scores.nunique() < 2:
            notes.append(f"{name} is left out: its scores are all alike.")
        else:
            kept.append(place)
    if frame.iloc[:, -1].nunique() < 2 or not kept:
        why = " ".join(notes).rstrip(".") or "no other scores"
        why = f"{target} is the same for all customers" if kept else why
        raise MissingInput(
            f"There is nothing to explain {target} by ({why}). With {FEWEST} customers who have "
            f"both {target} and a touchpoint's score, what goes with it would be shown here."
        )
    usable = frame.iloc[:, [*kept, -1]]
    usable = usable[usable.iloc[:, :-1].notna().any(axis=1) | usable.iloc[:, -1].notna()]
    if len(kept) == 1:
        notes.append("There is one driver only, and nothing to compare it with.")
    return usable, notes
