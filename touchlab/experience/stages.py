"""How customers go from stage to stage, whom touchpoints reach, and whether channels are alike."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from touchlab.data.contract import STAGES
from touchlab.data.customers import DAY_SECONDS, first_times, seconds
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput, listing
from touchlab.experience.followup import was_followed
from touchlab.experience.surveys import (
    NO_SCORES,
    answer_sums,
    cluster_error,
    map_of,
    need_days,
    scaled,
    surveys_of,
    trait_table,
)
from touchlab.moments.risk import ENDING, Risk, risk_windows
from touchlab.numeric import Floats, Z, share_interval

BEYOND = {"conversion": 2.5, "referral": 4.0}
"""Where an outcome stands among the stages: a purchase is beyond the stage `purchase`."""
SURE = 0.05


def stage_flow(data: Dataset, *, days: int = 90) -> pd.DataFrame:
    """How many customers reach each stage, and how many go no further?

    Customers need not pass the stages in order; skipping one is not dropping off. Why
    they stop, the counts do not say.

    Parameters
    ----------
    data
        With touches and a map.
    days
        Watch after the customer's first touch in the stage.

    Returns
    -------
    pandas.DataFrame
        A row a stage that has touches: ``stage, touchpoints`` (with touches),
        ``customers`` (with a touch in it), ``n`` (those watched for `days` more, or
        until churn), ``stopped`` (of `n`: no touch of a later stage within `days`, nor,
        up to the purchase, a conversion, nor a referral), ``rate, ci_low, ci_high``
        (stopped by n, 95 % Wilson); missing for the last stage: nothing comes after it.

    Raises
    ------
    MissingInput
        Without a map, or for a paths table.

    Examples
    --------
    >>> import touchlab as tl
    >>> stage_flow(tl.open_data("data/sample"))[["stage", "customers", "n", "stopped"]]
               stage  customers      n  stopped
    0      awareness      17187  15684     1628
    1  consideration      19534  17894    12035
    2       purchase      11784   9595     8846
    3      retention       2398   1502      487
    4       advocacy       1948   1222     <NA>
    """
    own = map_of(data, "how many customers go from stage to stage")
    need_days(days)
    events = _staged(data, own)
    firsts = events.filter(events.touch).group_by("customer_id", stage=events.place)
    firsts = firsts.aggregate(start=lambda t: t.time.min())
    watched = _watched(data, firsts, days)
    later = events.select("customer_id", "place", "time")
    joined = watched.left_join(later, "customer_id")
    span = joined.time.between(joined.start, joined.start + days * DAY_SECONDS)
    joined = joined.mutate(further=ibis.ifelse(span & (joined.place > joined.stage), 1, 0))
    each = joined.group_by("customer_id", "stage", "followed")
    each = each.aggregate(further=joined.further.max())
    counts = each.group_by("stage").aggregate(
        customers=each.count(),
        n=each.followed.sum(),
        stopped=(each.followed * (1 - each.further)).sum(),
    )
    furthest = float(events.place.max().to_pandas())
    return _flow_table(counts.to_pandas(), own, data, furthest)


def _staged(data: Dataset, own: ir.Table) -> ir.Table:
    """Give touches and outcomes with their place among the stages.

    Columns: customer_id, place, time (seconds), touch (False for an outcome).
    """
    places = {stage: float(place) for place, stage in enumerate(STAGES)}
    staged = own.filter(own.stage.notnull())
    place = ibis.cases(*((staged.stage == s, p) for s, p in places.items()))
    staged = staged.select("touchpoint", place=place)
    touches = data.touches.inner_join(staged, "touchpoint")
    touches = touches.select(
        "customer_id", "place", time=seconds(touches.timestamp), touch=ibis.literal(True)
    )
    ends = data.outcomes.filter(data.outcomes.outcome.isin(list(BEYOND)))
    place = ibis.cases(*((ends.outcome == name, p) for name, p in BEYOND.items()))
    ends = ends.select(
        customer_id=ends.customer_id.cast(touches.customer_id.type()),
        place=place,
        time=seconds(ends.timestamp),
        touch=ibis.literal(False),
    )
    return touches.union(ends)


def _watched(data: Dataset, firsts: ir.Table, days: int) -> ir.Table:
    """Say who was followed for `days`: customer_id, stage, start, followed (0 or 1).

    Who churned is known to go no further, as long as the data ran on.
    """
    windows = risk_windows(data, Risk("", recurrent=True))
    left = first_times(data, *ENDING).rename(left="time")
    last = float(windows.stop.max().to_pandas())
    joined = firsts.left_join(windows.select("customer_id", "stop"), "customer_id")
    joined = joined.drop("customer_id_right").left_join(left, "customer_id")
    followed = ibis.ifelse(was_followed(joined, joined.start, days, last), 1, 0)
    return joined.select("customer_id", "stage", "start", followed=followed)


def _flow_table(
    counts: pd.DataFrame, own: ir.Table, data: Dataset, furthest: float
) -> pd.DataFrame:
    seen = data.touches.select("touchpoint").distinct()
    used = own.semi_join(seen, "touchpoint").select("touchpoint", "stage").to_pandas()
    table = counts.sort_values("stage", ignore_index=True)
    last = table.stage >= furthest
    table["stage"] = [STAGES[int(place)] for place in table.stage]
    table.insert(1, "touchpoints", table.stage.map(used.stage.value_counts()).astype("int64"))
    n = table.n.where(~last, 0).to_numpy(float)
    table["rate"] = np.divide(table.stopped, n, out=np.full(len(n), np.nan), where=n > 0)
    table["ci_low"], table["ci_high"] = share_interval(table.stopped, n)
    table = table.astype({"customers": "int64", "n": "int64", "stopped": "Int64"})
    table["stopped"] = table.stopped.mask(last)
    return table


def largest_leak(flow: pd.DataFrame) -> tuple[pd.Series, str] | None:
    """The stage where most customers go no further, and in words where it may be as many.

    None where there is nothing to drop off from.
    """
    rows = flow[flow.rate.notna()]
    if rows.empty:
        return None
    worst = rows.loc[rows.rate.idxmax()]
    close = rows.stage[(rows.ci_high >= worst.ci_low) & (rows.stage != worst.stage)]
    return worst, f"; not clearly more than at {listing(close)}" if len(close) else ""


def coverage_by_segment(data: Dataset, *, by: str, most: int | None = None) -> pd.DataFrame:
    """Which share of each segment does each touchpoint reach?

    Parameters
    ----------
    data
        With a customers table.
    by
        A trait of customers.
    most
        Only so many touchpoints, those whose reach differs most between segments, first.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint and segment: ``touchpoint, segment, customers`` (reached),
        ``rate, ci_low, ci_high`` (of the segment, 95 % Wilson), ``n`` (customers of the
        segment) and ``overall`` (the rate among all customers).

    Raises
    ------
    MissingInput
        Without a customers table or touches.
    ParameterError
        For an unknown trait.

    Examples
    --------
    >>> import touchlab as tl
    >>> reach = coverage_by_segment(tl.open_data("data/sample"), by="plan")
    >>> reach.loc[0, ["touchpoint", "segment"]].tolist()
    ['affiliate', 'basic']
    """
    traits = trait_table(data, by, "which touchpoints reach which segments")
    met = data.touches.select("customer_id", "touchpoint").distinct()
    met = met.inner_join(traits, "customer_id")
    reached = met.group_by("touchpoint", segment=met.group).aggregate(customers=met.count())
    sizes = traits.group_by(segment=traits.group).aggregate(n=traits.count()).to_pandas()
    table = reached.to_pandas()
    every = pd.MultiIndex.from_product(
        [sorted(table.touchpoint.unique()), sorted(sizes.segment)], names=["touchpoint", "segment"]
    )
    counts = table.set_index(["touchpoint", "segment"]).customers.reindex(every, fill_value=0)
    table = counts.reset_index().merge(sizes, on="segment")
    table = table.sort_values(["touchpoint", "segment"], ignore_index=True)
    table["rate"] = table.customers / table.n
    table["ci_low"], table["ci_high"] = share_interval(table.customers, table.n)
    whole = table.groupby("touchpoint")[["customers", "n"]].transform("sum")
    table["overall"] = whole.customers / whole.n
    columns = ["touchpoint", "segment", "customers", "rate", "ci_low", "ci_high", "n", "overall"]
    if most is None:
        return table[columns]
    table["spread"] = table.groupby("touchpoint").rate.transform(lambda r: r.max() - r.min())
    order = ["spread", "touchpoint", "segment"]
    table = table.sort_values(order, ascending=[False, True, True], ignore_index=True)
    return table[columns][table.touchpoint.isin(table.touchpoint.unique()[:most])]


def channel_consistency(data: Dataset) -> pd.DataFrame:
    """Do the channels of a stage treat customers alike?

    Compared are channels of one stage in which the same metric is asked. Other customers
    use other channels, so a difference need not be the channel's doing.

    Parameters
    ----------
    data
        An opened Dataset with surveys and a map that names channels.

    Returns
    -------
    pandas.DataFrame
        A row a stage, metric and channel: ``stage, metric, channel, score`` (mean, from
        0, worst, to 100, best answer), ``shrunken, ci_low, ci_high`` (drawn to the mean of
        the stage as far as its own answers are few, 95 %), ``n, spread`` (standard
        deviation between the channels of the stage, beyond chance), ``p_value`` (of no
        difference between them) and ``differs`` (below 5 %).

    Raises
    ------
    MissingInput
        Without surveys, map or channels, or where no metric is asked in two channels of
        one stage.

    Notes
    -----
    Empirical Bayes with normal errors: spread by Paule & Mandel [1982], p-value by
    Cochran's Q. Two channels tell little of the spread.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> channel_consistency(data)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    touchlab.errors.MissingInput: No metric is asked in two channels of one stage. With ...
    """
    surveys, own = surveys_of(data), map_of(data, "whether channels are consistent")
    own = own.filter(own.stage.notnull() & own.channel.notnull())
    rows = surveys.inner_join(own.select("touchpoint", "stage", "channel"), "touchpoint")
    keys = ["stage", "metric", "channel"]
    table = answer_sums(rows, keys, scaled(rows.score, rows.metric))
    table = table[table.n > 0]
    if table.empty:
        raise MissingInput(NO_SCORES)
    table["error"] = _errors(table)
    places = [own for _, own in table.groupby(["stage", "metric"], sort=False) if len(own) > 1]
    if not places:
        raise MissingInput(
            "No metric is asked in two channels of one stage. With the same question in both, "
            "whether the channels are consistent would be shown here."
        )
    result = pd.concat([_shrunken(own) for own in places])
    order = {stage: place for place, stage in enumerate(STAGES)}
    return result.sort_values(keys, key=lambda c: c.map(order) if c.name == "stage" else c,
                              ignore_index=True)  # fmt: skip


def _errors(table: pd.DataFrame) -> Floats:
    """Give each mean its error; that of all channels together where a channel's cannot be told."""
    error, _ = cluster_error(table)
    variance = error**2 * table.n
    told = error > 0
    usual = np.average(variance[told], weights=table.n[told]) if told.any() else 1.0
    return np.where(told, error, np.sqrt(usual / table.n))


def _shrunken(own: pd.DataFrame) -> pd.DataFrame:
    mean, error = (own.total / own.n).to_numpy(float), own.error.to_numpy(float)
    spread, p_value = between(mean, error)
    weight = 1 / (error**2 + spread**2)
    centre = np.average(mean, weights=weight)
    kept = spread**2 * weight
    shrunken = centre + kept * (mean - centre)
    # the centre is estimated too [Morris 1983]
    wide = Z * np.sqrt(kept * error**2 + (1 - kept) ** 2 / weight.sum())
    return own[["stage", "metric", "channel"]].assign(
        score=mean,
        shrunken=shrunken,
        ci_low=np.clip(shrunken - wide, 0, 100),
        ci_high=np.clip(shrunken + wide, 0, 100),
        n=own.n.astype(np.int64),
        spread=spread,
        p_value=p_value,
        differs=p_value < SURE,
    )


def between(mean: Floats, error: Floats) -> tuple[float, float]:
    """Give the standard deviation between means beyond their errors, and the p-value of none.

    >>> spread, p_value = between(np.array([60.0, 80.0]), np.array([2.0, 2.0]))
    >>> round(spread, 2), p_value < 0.001
    (14.0, True)
    """

    def excess(variance: float) -> float:
        weight = 1 / (error**2 + variance)
        centre = np.average(mean, weights=weight)
        return float((weight * (mean - centre) ** 2).sum() - (len(mean) - 1))

    p_value = float(stats.chi2.sf(excess(0.0) + len(mean) - 1, len(mean) - 1))
    if excess(0.0) <= 0:
        return 0.0, p_value
    most = float(((mean - mean.mean()) ** 2).sum()) + 1.0
    return float(np.sqrt(brentq(excess, 0.0, most))), p_value
