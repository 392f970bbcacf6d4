"""What customers did after they answered: outcomes by score."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.contract import METRIC_RANGES
from touchlab.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError
from touchlab.experience.answers import (
    FAVOURABLE,
    POOR,
    by_metric,
    need_ids,
    one_if,
    surveys_of,
)
from touchlab.experience.intervals import Z, cluster_error, share_interval
from touchlab.moments.risk import DAY_SECONDS, ENDING, find_risk, first_times, risk_windows, seconds

USUAL = {"conversion", "churn", "referral"}
BANDS = ("low", "middle", "high")


def scores_and_outcomes(data: Dataset, *, outcome: str = "churn", days: int = 90) -> pd.DataFrame:
    """How often does the outcome follow within `days` after a low, middle or high score?

    Touchpoints stay apart: those who are asked after a complaint differ from those who are
    asked after a purchase, whatever they answer. `contrast_bands` puts them together.
    Score and outcome may share a cause (trouble makes customers unhappy and makes them
    leave): a difference says that the score foretells, not that lifting it would help.

    Parameters
    ----------
    data
        An opened Dataset whose surveys name their customers.
    outcome
        A name in ``outcomes.outcome``.
    days
        Length of the watch after each answer.

    Returns
    -------
    pandas.DataFrame
        A row a metric, touchpoint and band: ``metric, touchpoint, band, scores`` (such as
        ``0-6``), ``outcomes``
        (answers that it followed), ``rate, ci_low, ci_high`` (95 %, answers of one
        customer clustered), ``n`` (answers watched for `days`) and ``customers``.

    Raises
    ------
    MissingInput
        Without surveys, without their customers, or if no answer was watched long enough.
    ParameterError
        For an unknown outcome or a length that is not above 0.

    Notes
    -----
    The answer is the landmark: only what comes after it counts, and only customers who can
    have the outcome then. Watched is an answer if the customer was observed for `days`
    more, or left by churn when the data still ran that long: leaving out those who
    left would hide the very outcome.

    Examples
    --------
    >>> import touchlab as tl
    >>> later = scores_and_outcomes(tl.open_data("data/sample"), outcome="churn", days=60)
    >>> later[later.metric == "csat"][["band", "scores", "outcomes", "n"]]
          band scores  outcomes    n
    6      low    1-2         0    7
    7   middle      3        10   70
    8     high    4-5        50  506
    9   middle      3         1   10
    10    high    4-5         5   43
    11     low    1-2         7   50
    12  middle      3         8   59
    13    high    4-5         8   41
    """
    rows = followed_answers(data, outcome, days)
    poor, good = by_metric(POOR, rows.metric), by_metric(FAVOURABLE, rows.metric)
    rows = rows.mutate(band=ibis.cases((rows.score <= poor, 0), (rows.score >= good, 2), else_=1))
    keys = ["metric", "touchpoint", "band"]
    each = rows.group_by(*keys, "customer_id").aggregate(
        n=rows.count().cast("float64"), total=rows.happened.sum()
    )
    sums = each.group_by(*keys).aggregate(
        n=each.n.sum(),
        customers=each.count(),
        total=each.total.sum(),
        squares=each.total.sum(),  # of 0 and 1
        cluster_squares=(each.total * each.total).sum(),
        cluster_cross=(each.total * each.n).sum(),
        cluster_sizes=(each.n * each.n).sum(),
    )
    table = sums.to_pandas().sort_values(keys, ignore_index=True)
    if table.empty:
        raise MissingInput(
            f"No answer was watched for {days} days. With longer observation, or fewer days, "
            f"whether scores foretell {outcome} would be shown here."
        )
    n, (_, effect) = table.n.to_numpy(float), cluster_error(table)
    low, high = share_interval(table.total / effect, n / effect)
    return pd.DataFrame(
        {
            "metric": table.metric,
            "touchpoint": table.touchpoint,
            "band": [BANDS[b] for b in table.band],
            "scores": [_range(m, b) for m, b in zip(table.metric, table.band, strict=True)],
            "outcomes": table.total.astype(np.int64),
            "rate": table.total / n,
            "ci_low": low,
            "ci_high": high,
            "n": table.n.astype(np.int64),
            "customers": table.customers.astype(np.int64),
        }
    )


def contrast_bands(later: pd.DataFrame) -> pd.DataFrame:
    """How much more often does the outcome follow low scores than high ones?

    Compared within touchpoints, so that who is asked where makes no difference.

    Parameters
    ----------
    later
        As returned by `scores_and_outcomes`.

    Returns
    -------
    pandas.DataFrame
        A row a metric with both bands at some touchpoint: ``metric, difference, ci_low,
        ci_high`` (per cent after low less per cent after high, in points, 95 %), ``clear``
        (the interval is on one side of 0) and ``n`` (low and high answers compared).

    Notes
    -----
    Differences of touchpoints weighted by Mantel & Haenszel, n1 n2 / (n1 + n2); variances
    from the widths of the rates' intervals, so answers of one customer stay clustered.

    Examples
    --------
    >>> later = pd.DataFrame({
    ...     "metric": "csat", "touchpoint": ["shop", "shop", "hotline", "hotline"],
    ...     "band": ["low", "high"] * 2, "rate": [0.3, 0.2, 0.5, 0.4], "n": 100,
    ...     "ci_low": [0.22, 0.13, 0.40, 0.31], "ci_high": [0.40, 0.29, 0.60, 0.50],
    ... })
    >>> contrast_bands(later).round(1)
      metric  difference  ci_low  ci_high  clear    n
    0   csat        10.0     0.8     19.2   True  400
    """
    sides = [
        later[later.band == band].set_index(["metric", "touchpoint"])[["rate", "n", "variance"]]
        for later in [later.assign(variance=((later.ci_high - later.ci_low) / (2 * Z)) ** 2)]
        for band in ("low", "high")
    ]
    both = sides[0].add_suffix("_low").join(sides[1].add_suffix("_high"), how="inner")
    weight = both.n_low * both.n_high / (both.n_low + both.n_high)
    parts = pd.DataFrame(
        {
            "weight": weight,
            "gap": weight * (both.rate_low - both.rate_high),
            "spread": weight**2 * (both.variance_low + both.variance_high),
            "n": both.n_low + both.n_high,
        }
    )
    sums = parts.groupby("metric").sum()
    difference = 100 * sums.gap / sums.weight
    reach = 100 * Z * np.sqrt(sums.spread) / sums.weight
    table = pd.DataFrame(
        {"difference": difference, "ci_low": difference - reach, "ci_high": difference + reach}
    )
    clear = (table.ci_low > 0) | (table.ci_high < 0)
    return table.assign(clear=clear, n=sums.n.astype("int64")).reset_index()


def followed_answers(data: Dataset, outcome: str, days: int) -> ir.Table:
    """Give answers watched for `days`: customer_id, touchpoint, metric, score, time, happened."""
    need_ids(data, "what customers did after they answered")
    if not days > 0:
        raise ParameterError(f"days: {days!r} is not above 0\n  give a number of days")
    _need_outcome(data, outcome)
    risk = find_risk(data, outcome, "auto", None)
    windows = risk_windows(data, risk)
    surveys = surveys_of(data)
    answers = surveys.filter(surveys.score.notnull() & surveys.customer_id.notnull())
    time = seconds(answers.timestamp)
    answers = answers.select("customer_id", "touchpoint", "metric", "score", time=time)
    at_risk = answers.inner_join(windows, "customer_id")
    at_risk = at_risk.filter((at_risk.time >= at_risk.start) & (at_risk.time < at_risk.stop))
    left = first_times(data, *{*ENDING, *([] if risk.recurrent else [outcome])})
    joined = at_risk.left_join(left.rename(left="time"), "customer_id")
    end = joined.time + days * DAY_SECONDS
    last = float(windows.stop.max().to_pandas())
    gone = (joined.left <= end).fill_null(False) & (end <= last)
    columns = ["customer_id", "touchpoint", "metric", "score", "time"]
    watched = joined.filter((end <= joined.stop) | gone).select(*columns)
    return _with_outcome(data, watched, outcome, days)


def _need_outcome(data: Dataset, outcome: str) -> None:
    """Say of one of the usual outcomes that it is missing; a name nobody knows is a mistake."""
    known = set(data.outcomes.select("outcome").distinct().to_pandas().outcome)
    if outcome in USUAL - known:
        raise MissingInput(
            f"The data has no outcome named {outcome}. With it, what follows low and high "
            "scores would be shown here."
        )


def _with_outcome(data: Dataset, watched: ir.Table, outcome: str, days: int) -> ir.Table:
    """Add `happened`: 1.0 if the outcome came within `days` after the answer, else 0.0."""
    rows = data.outcomes.filter(data.outcomes.outcome == outcome)
    after = rows.select("customer_id", came=seconds(rows.timestamp))
    joined = watched.left_join(after, "customer_id")
    inside = (joined.came > joined.time) & (joined.came <= joined.time + days * DAY_SECONDS)
    marked = joined.mutate(inside=one_if(inside))
    keys = ["customer_id", "touchpoint", "metric", "score", "time"]
    return marked.group_by(*keys).aggregate(happened=marked.inside.max())


def _range(metric: str, band: int) -> str:
    low, high = METRIC_RANGES[metric]
    ends = (
        (low, POOR[metric]),
        (POOR[metric] + 1, FAVOURABLE[metric] - 1),
        (FAVOURABLE[metric], high),
    )
    first, last = ends[band]
    return f"{first}-{last}" if first < last else f"{first}"
