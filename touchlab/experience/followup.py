"""What customers did after they answered, and who answers."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.data.contract import METRIC_RANGES
from touchlab.data.customers import (
    DAY_SECONDS,
    UNKNOWN,
    first_times,
    outcome_counts,
    seconds,
    traits,
)
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.experience.surveys import (
    FAVOURABLE,
    NO_SCORES,
    POOR,
    add_clusters,
    by_metric,
    cluster_error,
    need_days,
    need_ids,
    one_if,
    surveys_of,
)
from touchlab.moments.risk import ENDING, find_risk, risk_windows
from touchlab.numeric import Z, share_interval

USUAL = {"conversion", "churn", "referral"}
BANDS = ("low", "middle", "high")
GROUPS = ("everyone", "asked", "answered")
MOST_LEVELS, MOST_OUTCOMES = 8, 5


def scores_and_outcomes(data: Dataset, *, outcome: str = "churn", days: int = 90) -> pd.DataFrame:
    """How often does the outcome follow within `days` after a low, middle or high score?

    Touchpoints stay apart: those who are asked after a complaint differ from those who are
    asked after a purchase, whatever they answer. `contrast_bands` puts them together.
    Score and outcome may share a cause (trouble makes customers unhappy and makes them
    leave): a difference says that the score foretells, not that lifting it would help.

    Parameters
    ----------
    data
        Its surveys name their customers.
    outcome
        A name in ``outcomes.outcome``.
    days
        Length of the watch after each answer.

    Returns
    -------
    pandas.DataFrame
        A row a metric, touchpoint and band: ``metric, touchpoint, band, scores`` (such as
        ``0-6``), ``outcomes`` (answers that it followed), ``rate, ci_low, ci_high`` (95 %,
        answers of one customer clustered), ``n`` (answers watched) and ``customers``.

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
    table = add_clusters(each, keys, ["n", "total"]).sort_values(keys, ignore_index=True)
    table["squares"] = table.total  # of 0 and 1
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

    `later` is that of `scores_and_outcomes`. Compared within touchpoints, so that who is asked
    where makes no difference: differences are weighted by Mantel & Haenszel, n1 n2 / (n1 + n2),
    with variances from the widths of the rates' intervals, so answers of one customer stay
    clustered.
    A row a metric with both bands: ``metric, difference, ci_low, ci_high`` (per cent after low less
    after high, in points), ``clear`` (the interval is on one side of 0), ``n`` (answers compared).

    >>> later = pd.DataFrame({
    ...     "metric": "csat", "touchpoint": ["shop", "shop", "hotline", "hotline"],
    ...     "band": ["low", "high"] * 2, "rate": [0.3, 0.2, 0.5, 0.4], "n": 100,
    ...     "ci_low": [0.22, 0.13, 0.40, 0.31], "ci_high": [0.40, 0.29, 0.60, 0.50],
    ... })
    >>> contrast_bands(later).round(1)
      metric  difference  ci_low  ci_high  clear    n
    0   csat        10.0     0.8     19.2   True  400
    """
    rows = later.assign(variance=((later.ci_high - later.ci_low) / (2 * Z)) ** 2)
    rows = rows.set_index(["metric", "touchpoint"])[["band", "rate", "n", "variance"]]
    low, high = (rows[rows.band == band].drop(columns="band") for band in ("low", "high"))
    low, high = low.align(high, join="inner")
    n = low.n + high.n
    weight = low.n * high.n / n
    parts = {"weight": weight, "gap": weight * (low.rate - high.rate), "n": n}
    parts["spread"] = weight**2 * (low.variance + high.variance)
    sums = pd.DataFrame(parts).groupby("metric").sum()
    table = pd.DataFrame({"difference": 100 * sums.gap / sums.weight})
    reach = 100 * Z * np.sqrt(sums.spread) / sums.weight
    table["ci_low"], table["ci_high"] = table.difference - reach, table.difference + reach
    table["clear"] = (table.ci_low > 0) | (table.ci_high < 0)
    return table.assign(n=sums.n.astype("int64")).reset_index()


def followed_answers(data: Dataset, outcome: str, days: int) -> ir.Table:
    """Give answers watched for `days`: customer_id, touchpoint, metric, score, time, happened."""
    need_ids(data, "what customers did after they answered")
    need_days(days)
    if outcome in USUAL - outcome_counts(data).keys():  # others, unknown, are a mistake
        raise MissingInput(
            f"The data has no outcome named {outcome}. With it, what follows low and high "
            "scores would be shown here."
        )
    risk = find_risk(data, outcome, "auto", None)
    windows = risk_windows(data, risk)
    surveys = surveys_of(data)
    answers = surveys.filter(surveys.score.notnull() & surveys.customer_id.notnull())
    time = seconds(answers.timestamp)
    answers = answers.select("customer_id", "touchpoint", "metric", "score", time=time)
    at_risk = answers.inner_join(windows, "customer_id")
    at_risk = at_risk.filter((at_risk.time >= at_risk.start) & (at_risk.time < at_risk.stop))
    left = first_times(data, *{*ENDING, *([] if risk.recurrent else [outcome])})
    at_risk = at_risk.left_join(left.rename(left="time"), "customer_id")
    last = float(windows.stop.max().to_pandas())
    watched = at_risk.filter(was_followed(at_risk, at_risk.time, days, last))
    rows = data.outcomes.filter(data.outcomes.outcome == outcome)
    after = rows.select("customer_id", came=seconds(rows.timestamp))
    joined = watched.select(*answers.columns).left_join(after, "customer_id")
    inside = (joined.came > joined.time) & (joined.came <= joined.time + days * DAY_SECONDS)
    marked = joined.mutate(inside=one_if(inside))
    return marked.group_by(*answers.columns).aggregate(happened=marked.inside.max())


def was_followed(table: ir.Table, start: ir.Value, days: int, last: float) -> ir.BooleanValue:
    """Say who was observed for `days` from `start`, or `left` while the data still ran that long.

    The table has stop and left (seconds, null for those who stayed).
    """
    end = start + days * DAY_SECONDS
    return (end <= table.stop) | ((table.left <= end).fill_null(False) & (end <= last))


def _range(metric: str, band: int) -> str:
    low, high = METRIC_RANGES[metric]
    first = (low, POOR[metric] + 1, FAVOURABLE[metric])[band]
    last = (POOR[metric], FAVOURABLE[metric] - 1, high)[band]
    return f"{first}-{last}" if first < last else f"{first}"


def responders(data: Dataset) -> pd.DataFrame:
    """How do customers who answered differ from all customers?

    Where they differ, the scores speak for some customers more than for others. Where
    they do not, they may still differ in what no column shows, such as their mood.

    Parameters
    ----------
    data
        Its surveys name their customers. Everyone is the customers table, or, without one,
        whoever has a touch.

    Returns
    -------
    pandas.DataFrame
        ``what, unit, everyone, asked, answered, difference, ci_low, ci_high, n``: a row
        for touches, each outcome (customers who had it at any time) and each trait (its
        mean, or a row a level; the eight largest). `difference` is answered less
        everyone with its 95 % interval, in `unit`; `n` is the customers who answered.
        `asked` is missing where the data holds answers only.

    Raises
    ------
    MissingInput
        Without surveys, their customers or any answer.

    Notes
    -----
    The interval is that of a simple random sample of `n` out of everyone, with the finite
    population correction.

    Examples
    --------
    >>> import touchlab as tl
    >>> table = responders(tl.open_data("data/sample"))
    >>> table[["what", "unit", "everyone", "answered"]].head(3).round(1)
             what            unit  everyone  answered
    0     touches            mean      16.2      22.8
    1  conversion  % of customers      15.2      47.6
    2       churn  % of customers       3.9      11.9
    """
    need_ids(data, "who answered")
    people = _people(data)
    counts = people.aggregate(**{group: people[group].sum() for group in GROUPS})
    sizes = counts.to_pandas().iloc[0].astype(float)
    if not sizes.answered > 0:
        raise MissingInput(NO_SCORES)
    known = [f"trait_{trait}" for trait in sorted(traits(data))]
    numbers = [column for column in known if people[column].type().is_numeric()]
    had = [c for c in people.columns if c.startswith("had_")]
    rows = _means(people, ["touches", *had, *numbers])
    rows += [row for name in known if name not in numbers for row in _levels(people, sizes, name)]
    table = pd.DataFrame(rows)
    if not sizes.asked > sizes.answered:  # answers alone do not tell who was asked
        table["asked"] = np.nan
    table["difference"] = table.answered - table.everyone
    finite = max(1 - sizes.answered / sizes.everyone, 0.0)
    reach = Z * np.sqrt(table.variance / sizes.answered * finite)
    table["ci_low"], table["ci_high"] = table.difference - reach, table.difference + reach
    table["n"] = int(sizes.answered)
    return table[["what", "unit", *GROUPS, "difference", "ci_low", "ci_high", "n"]]


def _people(data: Dataset) -> ir.Table:
    """Give a row a customer: touches, had_<outcome>, traits, asked and answered as 0 and 1."""
    touches, surveys = data.touches, surveys_of(data)
    counted = touches.group_by("customer_id").aggregate(touches=touches.count().cast("float64"))
    if data.has("customers"):
        people = data.tables["customers"].drop("observed_from", "observed_to")
        people = people.rename({f"trait_{t}": t for t in sorted(traits(data))})
        people = people.left_join(counted, "customer_id").drop("customer_id_right")
    else:
        people = counted
    asked = surveys.filter(surveys.customer_id.notnull()).group_by("customer_id")
    asked = asked.aggregate(answered=one_if(surveys.score.notnull()).max())
    ends = data.outcomes
    had = ends.group_by("customer_id").aggregate(
        **{
            f"had_{name}": one_if(ends.outcome == name).max()
            for name in list(outcome_counts(data))[:MOST_OUTCOMES]
        }
    )
    for table in (asked, had):
        people = people.left_join(table, "customer_id").drop("customer_id_right")
    filled = {column: people[column].fill_null(0.0) for column in ("touches", *had.columns[1:])}
    return people.mutate(
        **filled,
        everyone=ibis.literal(1.0),
        asked=one_if(people.answered.notnull()),
        answered=people.answered.fill_null(0.0),
    )


def _means(people: ir.Table, columns: Sequence[str]) -> list[dict[str, object]]:
    """Compare means: of touches and numeric traits as they are, of outcomes in per cent."""
    sums: dict[str, ir.Value] = {}
    for i, column in enumerate(columns):
        value = people[column].cast("float64")
        there = one_if(value.notnull())
        sums[f"squares{i}"] = (value * value * people.answered).sum()
        for group in GROUPS:
            sums[f"{group}{i}"] = (value * people[group]).sum()
            sums[f"n_{group}{i}"] = (there * people[group]).sum()
    row = people.aggregate(**sums).to_pandas().iloc[0].astype(float)
    compared = []
    for i, column in enumerate(columns):
        scale = 100.0 if column.startswith("had_") else 1.0
        n = {g: max(row[f"n_{g}{i}"], 1.0) for g in GROUPS}
        means = {g: scale * row[f"{g}{i}"] / n[g] for g in GROUPS}
        variance = max(scale**2 * row[f"squares{i}"] / n["answered"] - means["answered"] ** 2, 0.0)
        what = column.removeprefix("had_").removeprefix("trait_")
        unit = "% of customers" if scale > 1 else "mean"
        compared.append({"what": what, "unit": unit, "variance": variance, **means})
    return compared


def _levels(people: ir.Table, sizes: pd.Series, column: str) -> list[dict[str, object]]:
    """Compare how many customers have each level of a trait, in per cent."""
    level = people[column].cast("string").fill_null(UNKNOWN)
    counts = people.group_by(level=level).aggregate(**{g: people[g].sum() for g in GROUPS})
    table = counts.to_pandas().sort_values(["everyone", "level"], ascending=[False, True])
    compared = []
    for row in table.head(MOST_LEVELS).itertuples():
        shares = {g: 100.0 * getattr(row, g) / max(sizes[g], 1.0) for g in GROUPS}
        variance = shares["answered"] * (100.0 - shares["answered"])
        what = f"{column.removeprefix('trait_')}: {row.level}"
        compared.append({"what": what, "unit": "% of customers", "variance": variance, **shares})
    return compared
