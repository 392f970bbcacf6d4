"""Scores by touchpoint, stage, channel, month or trait, and the intervals of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from touchlab.data.contract import METRIC_RANGES, PHASES, STAGES
from touchlab.data.customers import UNKNOWN, need_group, trait_groups, traits
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError, need_name
from touchlab.numeric import LEVEL, Floats, Z, share_interval

SCALE = "scale"
"""All metrics together, each from 0 (worst answer) to 100 (best answer) of its scale."""
FAVOURABLE = {"nps": 9, "csat": 4, "ces": 5}
"""The lowest score of a content customer: a promoter, satisfied, finds it easy."""
POOR = {"nps": 6, "csat": 2, "ces": 3}
"""The highest score of a customer who is not: a detractor, dissatisfied, finds it hard."""
Ends = tuple[Floats, Floats]

MAP_COLUMNS = ("stage", "channel", "owner", "goal", "phase")

FEWEST = 30
"""Answers below which a score is shown, but not ranked."""
ORDERS = {"stage": STAGES, "phase": PHASES}
SUMS = ["n", "total", "squares", "favourable", "poor", "sent", "answered_of_sent", "unanswered"]
NO_SURVEYS = (
    "The data has no surveys. With a table of them (timestamp, touchpoint, metric, score), NPS, "
    "CSAT and CES by touchpoint would be shown here, and whether they matter."
)
NO_SCORES = "No survey was answered. With scores, how customers feel would be shown here."
NO_MAP = (
    "The data has no map of its touchpoints. With one (`touchlab map init` proposes it), {what} "
    "would be shown here."
)
NO_CUSTOMERS = (
    "The data has no customers table. With one (customer_id, observed_from, observed_to, traits), "
    "{what} would be shown here."
)
NO_IDS = "The surveys are anonymous. With their customer_id, {what} would be shown here."


def surveys_of(data: Dataset) -> ir.Table:
    """Give the surveys with every optional column in place."""
    if not data.has("surveys"):
        raise MissingInput(NO_SURVEYS)
    table = data.tables["surveys"]
    kinds = {"customer_id": "string", "sent_at": "timestamp"}
    more = {name: ibis.null(kind) for name, kind in kinds.items() if name not in table.columns}
    return table.mutate(**more) if more else table


def need_ids(data: Dataset, what: str) -> None:
    """Refuse surveys that do not name their customers."""
    surveys_of(data)
    if "customer_id" not in data.tables["surveys"].columns:
        raise MissingInput(NO_IDS.format(what=what))


def map_of(data: Dataset, what: str) -> ir.Table:
    """Give the map with every optional column in place; `what` it would show if it were there."""
    if not data.has("touchpoints"):
        raise MissingInput(NO_MAP.format(what=what))
    table = data.tables["touchpoints"]
    more = {c: ibis.null("string") for c in MAP_COLUMNS if c not in table.columns}
    return table.mutate(**more) if more else table


def need_days(days: int) -> None:
    """Refuse a watch of no length."""
    if not days > 0:
        raise ParameterError(f"days: {days!r} is not above 0\n  give a number of days")


def trait_table(data: Dataset, by: str, what: str) -> ir.Table:
    """Give each customer's trait as text: customer_id, group."""
    if not data.has("customers"):
        raise MissingInput(NO_CUSTOMERS.format(what=what))
    need_group(by, traits(data))
    return trait_groups(data, by)


def one_if(condition: ir.Value) -> ir.Value:
    """Give 1.0 where it holds, else 0.0; PostgreSQL turns no boolean into a float by itself."""
    return ibis.ifelse(condition, 1.0, 0.0)


def by_metric(values: Mapping[str, float], metric: ir.Value) -> ir.Value:
    """Look a number up by metric."""
    return ibis.cases(*((metric == name, float(v)) for name, v in values.items()))


def scaled(score: ir.Value, metric: ir.Value) -> ir.Value:
    """Bring a score to 0 (worst answer) to 100 (best answer)."""
    low = by_metric({m: a for m, (a, _) in METRIC_RANGES.items()}, metric)
    width = by_metric({m: b - a for m, (a, b) in METRIC_RANGES.items()}, metric)
    return (score - low) / width * 100.0


def of_metric(data: Dataset, surveys: ir.Table, metric: str | None) -> ir.Table:
    """Keep one metric, or all for None and for ``"scale"``."""
    if metric is None or metric == SCALE:
        return surveys
    need_name("metric", metric, [*METRIC_RANGES, SCALE], "is not a metric")
    known = sorted(surveys.select("metric").distinct().to_pandas().metric)
    if metric not in known:
        found = ", ".join(known)
        raise MissingInput(
            f"No survey asks for {metric}; the data has {found}. With it, {metric} would be "
            "shown here."
        )
    return surveys.filter(surveys.metric == metric)


def grouped(data: Dataset, surveys: ir.Table, by: str) -> ir.Table:
    """Add `group`: the touchpoint, stage, channel, month (UTC) or trait of each survey."""
    if by == "touchpoint":
        return surveys.mutate(group=surveys.touchpoint)
    if by == "month":
        time = ibis.coalesce(surveys.sent_at, surveys.timestamp)
        return surveys.mutate(group=time.strftime("%Y-%m").fill_null(UNKNOWN))
    if by in MAP_COLUMNS:
        own = map_of(data, f"scores by {by}")
        own = own.select("touchpoint", group=own[by])
        joined = surveys.left_join(own, "touchpoint")
    else:
        known = ["touchpoint", *MAP_COLUMNS, "month", *sorted(traits(data))]
        if data.has("customers"):
            if not by:
                need_group(by, traits(data))
            need_name("by", by, known, "is not a way to group surveys")
        need_ids(data, f"scores by {by}")
        joined = surveys.left_join(trait_table(data, by, f"scores by {by}"), "customer_id")
    return joined.select(*surveys.columns, group=joined.group.fill_null(UNKNOWN))


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


def survey_scores(
    data: Dataset, *, by: str = "touchpoint", metric: str | None = None
) -> pd.DataFrame:
    """How do customers score each touchpoint, stage, channel, month or segment?

    Only those who answered are heard; `responders` says how they differ from the rest. A
    difference between groups may come from who was asked there.

    Parameters
    ----------
    data
        With surveys.
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
    return add_clusters(customers, keys, SUMS)


def add_clusters(each: ir.Table, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Add up what customers have each, with the sums that `cluster_error` asks for."""
    sums = each.group_by(*keys).aggregate(
        **{c: each[c].sum() for c in columns},
        customers=(each.n > 0).sum(),
        cluster_squares=(each.total * each.total).sum(),
        cluster_cross=(each.total * each.n).sum(),
        cluster_sizes=(each.n * each.n).sum(),
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
