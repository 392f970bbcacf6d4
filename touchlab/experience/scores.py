"""NPS, CSAT and CES of touchpoints, stages, channels, months and segments, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.contract import METRIC_RANGES, PHASES, STAGES
from touchlab.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError
from touchlab.experience.answers import (
    FAVOURABLE,
    NO_SCORES,
    POOR,
    SCALE,
    by_metric,
    grouped,
    of_metric,
    one_if,
    scaled,
    surveys_of,
)
from touchlab.experience.intervals import (
    cluster_error,
    mean_interval,
    nps_interval,
    share_interval,
)

FEWEST = 30
"""Answers below which a score is shown, but not ranked."""
ORDERS = {"stage": STAGES, "phase": PHASES}
SUMS = ["n", "total", "squares", "favourable", "poor", "sent", "answered_of_sent", "unanswered"]


def survey_scores(
    data: Dataset, *, by: str = "touchpoint", metric: str | None = None
) -> pd.DataFrame:
    """How do customers score each touchpoint, stage, channel, month or segment?

    Only those who answered are heard; `responders` says how they differ from the rest. A
    difference between groups may come from who was asked there.

    Parameters
    ----------
    data
        An opened Dataset with surveys.
    by
        ``"touchpoint"``, ``"month"`` (UTC, of sending where that is known), a column of
        the map (``"stage"``, ``"channel"``, ``"owner"``, ``"phase"``, ``"goal"``) or a
        trait of customers.
    metric
        ``"nps"``, ``"csat"``, ``"ces"``, or None for all three, a row each. ``"scale"``
        pools them: the mean answer from 0 (worst) to 100 (best) of its scale.

    Returns
    -------
    pandas.DataFrame
        A row a metric and group: ``metric``, a column named like `by`, ``score, ci_low,
        ci_high`` (95 %), ``share, share_low, share_high`` (favourable answers: 9-10, 4-5,
        5-7), ``n`` (answers), ``customers`` (who gave them; each anonymous answer counts
        as one), ``sent``, ``response_rate`` (of surveys whose sending is known; missing
        where the data holds answers only) and ``ranked`` (30 answers or more).
        NPS is in points from -100 to 100, CSAT in per cent of answers 4 or 5, CES the
        mean of 1 to 7. Groups that were asked but gave no answer have no score.

    Raises
    ------
    MissingInput
        Without surveys, or without the table that `by` needs.
    ParameterError
        For an unknown `by` or `metric`.

    Notes
    -----
    NPS: adjusted Wald; CSAT and shares: Wilson; CES: t. All at the number of answers that
    remains when those of one customer count as alike as they are (design effect). CES:
    higher is easier.

    Examples
    --------
    >>> import touchlab as tl
    >>> scores = survey_scores(tl.open_data("data/sample"), metric="csat")
    >>> scores[["touchpoint", "score", "n", "ranked"]].round(0)
            touchpoint  score     n  ranked
    0  onboarding_call   88.0   781    True
    1      store_visit   88.0  1033    True
    2  support_contact   25.0   223    True
    """
    rows = grouped(data, of_metric(data, surveys_of(data), metric), by)
    if metric == SCALE:
        table = answer_sums(rows, ["group"], scaled(rows.score, rows.metric)).assign(metric=SCALE)
    else:
        table = answer_sums(rows, ["metric", "group"], _own_value(rows))
    if not table.n.sum():
        raise MissingInput(NO_SCORES)
    scored = pd.concat([_scored(name, own) for name, own in table.groupby("metric", sort=True)])
    known = bool(table.unanswered.sum())  # answers alone do not tell how many were asked
    asked = scored.sent.where(known & (scored.sent > 0))
    scored = scored.assign(
        sent=asked, response_rate=scored.answered_of_sent / asked, ranked=scored.n >= FEWEST
    )
    return _arranged(scored, by)


def _own_value(rows: ir.Table) -> ir.Value:
    """Give the value whose mean is the score: promoter less detractor, favourable, the answer."""
    good = one_if(rows.score >= by_metric(FAVOURABLE, rows.metric))
    poor = one_if(rows.score <= by_metric(POOR, rows.metric))
    return ibis.cases((rows.metric == "nps", good - poor), (rows.metric == "csat", good),
                      else_=rows.score)  # fmt: skip


def answer_sums(rows: ir.Table, keys: Sequence[str], value: ir.Value) -> pd.DataFrame:
    """Add up answers and their values by `keys`, and over the customers within them."""
    answered, sent = rows.score.notnull(), rows.sent_at.notnull()
    favourable = one_if(rows.score >= by_metric(FAVOURABLE, rows.metric))
    poor = one_if(rows.score <= by_metric(POOR, rows.metric))
    each = rows.select(
        *keys,
        "customer_id",
        n=one_if(answered),
        total=value.fill_null(0.0),
        squares=(value * value).fill_null(0.0),
        favourable=favourable,
        poor=poor,
        sent=one_if(sent),
        answered_of_sent=one_if(sent & answered),
        unanswered=one_if(~answered),
    )
    known = each.filter(each.customer_id.notnull())
    known = known.group_by(*keys, "customer_id").aggregate(**{c: known[c].sum() for c in SUMS})
    anonymous = each.filter(each.customer_id.isnull())  # each answer its own customer
    columns = [*keys, *SUMS]
    customers = known.select(*columns).union(anonymous.select(*columns))
    sums = customers.group_by(*keys).aggregate(
        **{c: customers[c].sum() for c in SUMS},
        customers=(customers.n > 0).sum(),
        cluster_squares=(customers.total * customers.total).sum(),
        cluster_cross=(customers.total * customers.n).sum(),
        cluster_sizes=(customers.n * customers.n).sum(),
    )
    return sums.to_pandas()


def _scored(metric: object, sums: pd.DataFrame) -> pd.DataFrame:
    n = sums.n.to_numpy(float)
    error, effect = cluster_error(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, fewer = sums.total.to_numpy(float) / n, n / effect / n
    up, down = sums.favourable.to_numpy(float) * fewer, sums.poor.to_numpy(float) * fewer
    share_low, share_high = share_interval(up, n * fewer)
    if metric == "nps":
        score, ends = 100 * mean, nps_interval(up, n * fewer - up - down, down)
    elif metric == "csat":
        score, ends = 100 * mean, (100 * share_low, 100 * share_high)
    else:
        low, high = METRIC_RANGES.get(str(metric), (0, 100))
        score, ends = mean, mean_interval(mean, error, sums.customers.to_numpy(float), low, high)
    return sums.assign(
        score=score,
        ci_low=np.where(n > 0, ends[0], np.nan),
        ci_high=np.where(n > 0, ends[1], np.nan),
        share=np.where(n > 0, sums.favourable / np.maximum(n, 1), np.nan),
        share_low=share_low,
        share_high=share_high,
    )


def _arranged(scored: pd.DataFrame, by: str) -> pd.DataFrame:
    """Put stages and phases in their order, everything else by name."""
    order = {name: place for place, name in enumerate(ORDERS.get(by, ()))}
    place = scored.group.map(lambda name: (order.get(name, len(order)), str(name)))
    ordered = scored.assign(place=place).sort_values(["metric", "place"], ignore_index=True)
    columns = ["metric", "group", "score", "ci_low", "ci_high", "share", "share_low", "share_high"]
    counts = ["n", "customers", "sent", "response_rate", "ranked"]
    if by in {"metric", *columns[2:], *counts}:
        raise ParameterError(f"by: {by!r} is also a column of the result\n  rename the trait")
    table = ordered[columns + counts].astype({"n": "int64", "customers": "int64"})
    return table.astype({"sent": "Int64"}).rename(columns={"group": by})
