"""Time at risk of each customer, one spell a customer, and its reduction to counts by day."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from touchlab.data.contract import listing
from touchlab.data.customers import (
    NO_TOUCH,
    date_of,
    day_of,
    first_touchpoints,
    need_group,
    seconds,
    touchpoint_names,
    trait_groups,
    traits,
    with_group,
)
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError, TooThin, TouchlabWarning
from touchlab.moments.risk import ENDING, Risk, find_risk, risk_windows
from touchlab.numeric import Floats

ALL = "all"
COHORT, FIRST_TOUCHPOINT = "cohort", "first_touchpoint"
MOST_GROUPS = 60
FEW_EVENTS = 30
NEVER = 1e15
"""Seconds after which nothing happens; engines differ in what the least of a missing value is."""
MINUTES = 1440
"""Of a day. Ends count to the minute: fine enough to leave no bias, few enough to count."""
SLACK = 1e-6
"""Minutes by which a float may miss a whole number."""


@dataclass(frozen=True)
class Spells:
    """Customers at risk, a spell each: from the start of risk to the first outcome or the end.

    `table` stays in the engine: customer_id, start, stop (seconds), ended (the outcome, or
    ``""`` where observation ended), group.
    """

    table: ir.Table
    n: int
    events: int
    notes: tuple[str, ...]


def find_spells(
    data: Dataset, outcomes: Sequence[str], after: str | None = "auto", by: str | None = None
) -> Spells:
    """Find who is at risk of the outcomes, from when to when, and which one came first."""
    if data.has("steps"):
        raise MissingInput(
            "retention: a paths table has no times\n"
            "  with touches and outcomes, it would say how long customers stay"
        )
    risks = [find_risk(data, outcome, after, None) for outcome in outcomes]
    start = next((risk.after for risk in risks if risk.after is not None), None)
    everyone = _everyone(data, outcomes, start)
    at_risk = everyone.stop > everyone.start
    counts = everyone.aggregate(
        everyone=everyone.count(),
        n=at_risk.sum(),
        events=(at_risk & (everyone.ended != "")).sum(),
        back=everyone.back.sum(),
    )
    sizes = {k: int(value or 0) for k, value in counts.to_pyarrow().to_pylist()[0].items()}
    if not sizes["n"]:
        began = f"at the first {start}" if start else "with observation"
        raise TooThin(
            f"retention: nobody is ever at risk of {listing(outcomes)}\n"
            f"  risk starts {began}; check the times of outcomes and observed_to"
        )
    table = _with_group(data, everyone.filter(at_risk).drop("back"), by, start)
    return Spells(table, sizes["n"], sizes["events"], _notes(sizes, start, outcomes))


def _everyone(data: Dataset, outcomes: Sequence[str], after: str | None) -> ir.Table:
    """Customers, at risk or not: customer_id, start, stop, ended, back (ordered after churn)."""
    rows = data.outcomes.select("customer_id", "outcome", time=seconds(data.outcomes.timestamp))
    firsts = {f"t{i}": rows.time.min(where=rows.outcome == name) for i, name in enumerate(outcomes)}
    each = rows.group_by("customer_id").aggregate(
        began=rows.time.min(where=rows.outcome == after) if after else ibis.null("float64"),
        last=rows.time.max(where=rows.outcome == after) if after else ibis.null("float64"),
        left=rows.time.min(where=rows.outcome.isin(list(ENDING))),
        **firsts,
    )
    if after is None:
        seen = risk_windows(data, Risk(outcomes[0], None)).select("customer_id", "start", "stop")
        own = seen.left_join(each, "customer_id")
    else:
        own = each.filter(each.began.notnull()).inner_join(observed_until(data), "customer_id")
        own = own.rename(start="began", stop="until")
    left = own.left.fill_null(NEVER)
    own = own.mutate(stop=ibis.least(own.stop, left), back=(own["last"] > left).fill_null(False))
    times = [own[name].fill_null(NEVER) for name in firsts]
    first = ibis.least(*times) if len(times) > 1 else times[0]
    cases = [(time == first, ibis.literal(n)) for time, n in zip(times, outcomes, strict=True)]
    ended = ibis.ifelse(first <= own.stop, ibis.cases(*cases, else_=""), ibis.literal(""))
    return own.select("customer_id", "start", "back", stop=ibis.least(own.stop, first), ended=ended)


def _notes(sizes: dict[str, int], after: str | None, outcomes: Sequence[str]) -> tuple[str, ...]:
    """Say who is left out, who came back after leaving, and what makes the result weak."""
    named, found = listing(outcomes), []
    left_out = sizes["everyone"] - sizes["n"]
    if left_out and after:
        found.append(
            f"{left_out:,} of {sizes['everyone']:,} customers are left out: {named} or the end of "
            f"observation comes no later than their first {after}"
        )
    if sizes["back"] and set(outcomes) & set(ENDING):
        found.append(
            f"{sizes['back']:,} customers have a {after} after churn: "
            "they count as churned at their first churn"
        )
    if not sizes["events"]:
        found.append(f"no {named} happens while its customer is at risk")
    elif sizes["events"] < FEW_EVENTS:
        found.append(f"few outcomes: {sizes['events']} {named}; intervals are wide")
    return tuple(found)


def with_notes(table: pd.DataFrame, notes: Sequence[str]) -> pd.DataFrame:
    """Warn of what a bare table has no room for; where it is shown, it says so (``.attrs``)."""
    for note in notes:
        warnings.warn(note, TouchlabWarning, stacklevel=3)
    table.attrs["notes"] = list(notes)
    return table


def observed_until(data: Dataset) -> ir.Table:
    """Until when customers with outcomes are observed: customer_id, until (seconds)."""
    if data.has("customers"):
        own = data.tables["customers"]
        return own.select("customer_id", until=seconds(own.observed_to))
    last = [t.aggregate(time=seconds(t.timestamp).max()) for t in (data.touches, data.outcomes)]
    until = max(float(t.to_pyarrow().to_pylist()[0]["time"] or 0.0) for t in last)
    ids = data.outcomes.select("customer_id").distinct()
    return ids.mutate(until=ibis.literal(until))


def _with_group(data: Dataset, table: ir.Table, by: str | None, after: str | None) -> ir.Table:
    """Add what is known of customers at the start of their risk: `group`."""
    if by is None:
        return table.mutate(group=ibis.literal(ALL))
    if by == COHORT:
        return table.mutate(group=date_of(day_of(table.start)).strftime("%Y-%m"))
    if by == FIRST_TOUCHPOINT:
        if after is None:
            raise ParameterError(
                "by: 'first_touchpoint' is not known when risk starts with observation\n"
                "  use after='conversion', or touched_survival() for one touchpoint"
            )
        first = first_touchpoints(data, table.select("customer_id", until="start"))
        return with_group(table, first, NO_TOUCH)
    known = traits(data)
    if by not in known and by in touchpoint_names(data):
        raise ParameterError(
            f"by: {by!r} is a touchpoint: customers who stay have more time to be touched, so "
            "ever against never would show a benefit that is not there\n"
            f"  use touched_survival(data, {by!r})"
        )
    need_group(by, [COHORT, FIRST_TOUCHPOINT, *known])
    return with_group(table, trait_groups(data, by))


def count_ends(spells: Spells) -> pd.DataFrame:
    """Count spells by group, when (days) and how they ended: group, day, ended, n."""
    ends = spells.table.mutate(day=to_minute(spells.table.stop - spells.table.start))
    counts = ends.group_by("group", "day", "ended").aggregate(n=ends.count()).to_pandas()
    need_few_groups(counts.group.nunique())
    return counts.sort_values(["group", "day", "ended"], ignore_index=True)


def to_minute(span: ir.Value) -> ir.Value:
    """Days of a span of seconds, up to the end of its last minute, whatever ended it."""
    return (span / 60 - SLACK).ceil().cast("float64") / MINUTES


def need_few_groups(groups: int) -> None:
    """Refuse more groups than anybody can read."""
    if groups > MOST_GROUPS:
        raise ParameterError(
            f"by: {groups:,} different values, at most {MOST_GROUPS}\n"
            "  put values together into fewer, as a column of customers"
        )


@dataclass(frozen=True)
class Life:
    """A life table of one group: an entry each `time` (days since the start) that spells end."""

    time: Floats
    """Begins with 0."""
    at_risk: Floats
    """Spells that end then or later."""
    events: Floats

    @property
    def n(self) -> int:
        return int(self.at_risk[0])

    @property
    def survival(self) -> Floats:
        """Share without the outcome after each time [Kaplan & Meier 1958]."""
        return np.asarray(np.cumprod(1 - self.events / self.at_risk), dtype=float)

    @property
    def relative_variance(self) -> Floats:
        """Variance of survival over its square [Greenwood 1926]; infinite once nobody is left."""
        r, d = self.at_risk, self.events
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.cumsum(np.where(d > 0, d / (r * (r - d)), 0.0))

    @property
    def days(self) -> Floats:
        """Whole days, to the one of the last outcome or the last that somebody is seen to end."""
        last = self.time[self.events > 0].max(initial=0.0)
        return np.arange(max(np.ceil(last), np.floor(self.time[-1])) + 1)

    def after_days(self, values: Floats) -> Floats:
        """What a value of each time is at the end of each day."""
        return values[np.searchsorted(self.time, self.days, side="right") - 1]

    def within_days(self, counts: Floats) -> Floats:
        """Add up counts of each time by the day they fall in; the first day is 1."""
        size, day = len(self.days), np.ceil(self.time).astype(np.int64)
        return np.bincount(day, counts, minlength=size)[:size].astype(float)

    @property
    def at_risk_by_day(self) -> Floats:
        """Spells that go on into each day."""
        return self.at_risk[np.searchsorted(self.time, self.days - 1, side="right")]


def life_table(day: npt.ArrayLike, event: npt.ArrayLike, n: npt.ArrayLike) -> Life:
    """Add up spells that end at `day` (fractions count), with an outcome or not; `n` of each.

    >>> life = life_table([6, 6, 7.5], [1, 0, 1], [3, 1, 1])
    >>> life.time, life.at_risk, life.survival.round(2)
    (array([0. , 6. , 7.5]), array([5., 5., 1.]), array([1. , 0.4, 0. ]))
    """
    time, count = np.union1d(0.0, day), np.asarray(n, dtype=float)
    ended = count_at(time, day, count)
    events = count_at(time, day, count * np.asarray(event, dtype=float))
    return Life(time, ended[::-1].cumsum()[::-1], events)


def count_at(time: Floats, day: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """Add up `n` by the entry of `time` that each `day` is."""
    return np.bincount(np.searchsorted(time, day), n, minlength=len(time)).astype(float)


def effective_interval(share: Floats, variance: Floats, at_risk: Floats) -> tuple[Floats, Floats]:
    """Return a Wilson interval of a share whose variance is known [Rothman 1978].

    The variance is that of `n` = share (1 - share) / variance customers: those at risk until
    anything happens, those of the day before once nobody is left. Why: docs/decisions/0011.
    """
    known = (variance > 0) & (share > 0) & (share < 1)
    last = np.maximum.accumulate(np.where(known, np.arange(len(share)), -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(last >= 0, (share * (1 - share) / variance)[last], at_risk)
    return proportion_confint(share * n, n, method="wilson")


def life_interval(life: Life) -> tuple[Floats, Floats]:
    """Return the 95 % interval of survival after each whole day."""
    with np.errstate(invalid="ignore"):
        variance = np.nan_to_num(life.survival**2 * life.relative_variance, nan=0.0, posinf=0.0)
    shares = life.after_days(life.survival), life.after_days(variance)
    low, high = effective_interval(*shares, life.at_risk_by_day)
    low[0] = high[0] = 1.0  # nothing can have happened yet
    return low, high


def survival_curves(
    data: Dataset, *, outcome: str = "churn", after: str | None = "auto", by: str | None = None
) -> pd.DataFrame:
    """Say what share of customers is still without the outcome, day by day.

    Customers whose observation ends first count for as long as they are seen. It does not
    say why groups differ. For customers ever touched or not see `touched_survival`.

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
        month of the start, UTC) or ``"first_touchpoint"`` (up to the start). None: no groups.

    Returns
    -------
    pandas.DataFrame
        ``group, day, survival, ci_low, ci_high, at_risk, events, n``: a row a day since the
        start of risk. `n` customers began, `at_risk` went into the day, `events` had the
        outcome in it; times of the day count. Each day has its own 95 % interval; they do
        not hold for all days at once.

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
    Product-limit estimate [Kaplan & Meier 1958] of times to the minute, Greenwood's variance,
    Wilson intervals on the number of customers that it stands for [Rothman 1978].

    Examples
    --------
    >>> import touchlab as tl
    >>> curves = survival_curves(tl.open_data("data/sample"), by="plan")
    >>> curves[curves.day == 180].round(2)[["group", "survival", "ci_low", "ci_high", "at_risk"]]
           group  survival  ci_low  ci_high  at_risk
    180    basic      0.65    0.62     0.68      509
    544     plus      0.71    0.67     0.75      266
    909  premium      0.80    0.74     0.85       99
    """
    spells = find_spells(data, [outcome], after, by)
    return with_notes(curve_table(count_ends(spells)), spells.notes)


def life_tables(counts: pd.DataFrame) -> dict[str, Life]:
    """A life table a group of what `count_ends` counted."""
    return {
        str(group): life_table(own.day, own.ended != "", own.n)
        for group, own in counts.groupby("group")
    }


def curve_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Set the life table of each group as a row a day."""
    frames = []
    for group, life in life_tables(counts).items():
        low, high = life_interval(life)
        survival = life.after_days(life.survival)
        frame = pd.DataFrame({"group": group, "day": life.days, "survival": survival})
        frame = frame.assign(ci_low=low, ci_high=high, at_risk=life.at_risk_by_day)
        frames.append(frame.assign(events=life.within_days(life.events), n=life.n))
    table = pd.concat(frames, ignore_index=True)
    return table.astype(dict.fromkeys(("day", "at_risk", "events"), np.int64))
