"""Survival curves, comparisons, competing outcomes, cohorts: by hand, published, laws, errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retention_data import day, idle_company, leukaemia, spells
from statsmodels.duration.survfunc import SurvfuncRight

import touchlab as tl
from touchlab.retention.churn import cohort_table
from touchlab.retention.compare import (
    aalen_johansen,
    compare_groups,
    cumulative_incidence,
    log_rank,
    restricted_mean,
)
from touchlab.retention.curves import count_at, life_interval, life_table, survival_curves

pytestmark = pytest.mark.filterwarnings("ignore::touchlab.TouchlabWarning")

CURVE = ["group", "day", "survival", "ci_low", "ci_high", "at_risk", "events", "n"]


def on(curves: pd.DataFrame, number: int) -> pd.Series:
    return curves[curves.day == number].iloc[0]


# ---- by hand -----------------------------------------------------------------------------


def test_a_curve_by_hand() -> None:
    # 5 customers: churn on day 2 and 3, seen to the end of day 2, 3 and 4.
    # day 2: 1 of 5 leaves, 4/5. Then one is no longer seen: day 3: 1 of 3, 4/5 * 2/3 = 8/15.
    curves = survival_curves(spells([2, 2, 3, 3, 4], [1, 0, 1, 0, 0]))
    assert curves.columns.tolist() == CURVE
    assert curves.day.tolist() == [0, 1, 2, 3, 4]
    assert np.allclose(curves.survival, [1, 1, 4 / 5, 8 / 15, 8 / 15])
    assert curves.at_risk.tolist() == [5, 5, 5, 3, 1]
    assert curves.events.tolist() == [0, 0, 1, 1, 0]
    assert set(curves.n) == {5} and set(curves.group) == {"all"}


def test_an_outcome_counts_on_the_day_it_happens_in() -> None:
    # churn after 1.2 days is on day 2, when all three are there: who is seen for 1.9 days
    # was at risk of it too, so 2/3 are left
    curves = survival_curves(spells([1.2, 1.9, 5], [1, 0, 0]))
    assert curves.at_risk.tolist() == [3, 3, 3, 1, 1, 1]
    assert curves.events.tolist() == [0, 0, 1, 0, 0, 0]
    assert np.allclose(curves.survival, [1, 1, 2 / 3, 2 / 3, 2 / 3, 2 / 3])


def test_the_wilson_interval_of_a_day_without_censoring() -> None:
    # 2 of 20 leave on day 1: the plain Wilson interval of 18/20 (.699 to .972)
    row = on(survival_curves(spells([1] * 2 + [9] * 18, [1] * 2 + [0] * 18)), 1)
    assert row.ci_low == pytest.approx(0.6990, abs=5e-5)
    assert row.ci_high == pytest.approx(0.9721, abs=5e-5)


def test_restricted_mean_and_log_rank_by_hand() -> None:
    # one leaves after 1 day, one after 3; within 2 days they are there 1 + 2 = 3 days, mean 1.5
    life = life_table([1, 3], [1, 1], [1, 1])
    assert restricted_mean(life, 2)[0] == 1.5
    # variance: area after day 1 is 1/2, squared, times 1 / (2 * 1): 1/8
    assert restricted_mean(life, 2)[1] == pytest.approx(np.sqrt(1 / 8))
    # groups {1, 2} and {3, 4}: expected in the first 2/4 + 1/3 = 5/6,
    # variance 1/4 + 2/9 = 17/36, chi-squared (7/6)^2 / (17/36) = 49/17
    expected, statistic, freedom = log_rank(
        [life_table([1, 2], [1, 1], [1, 1]), life_table([3, 4], [1, 1], [1, 1])]
    )
    assert expected[0] == pytest.approx(5 / 6)
    assert statistic == pytest.approx(49 / 17)
    assert freedom == 1


def test_competing_outcomes_by_hand() -> None:
    # churn on day 1 (1/4); on day 2 a referral (3/4 * 1/3 = 1/4); one not seen after day 2;
    # churn on day 3: 1/2 * 1/1 = 1/2 more
    data = spells([1, 2, 2, 3], ["churn", "referral", "", "churn"])
    shares = cumulative_incidence(data, outcomes=["referral"])
    wide = shares.pivot(index="day", columns="outcome", values="incidence")
    assert wide.churn.tolist() == [0, 0.25, 0.25, 0.75]
    assert wide.referral.tolist() == [0, 0, 0.25, 0.25]
    assert shares.columns.tolist() == [
        "group", "outcome", "day", "incidence", "ci_low", "ci_high", "at_risk", "events", "n",
    ]  # fmt: skip


def orders(*rows: tuple[str, str], until: str = "2026-04-30") -> dict[str, pd.DataFrame]:
    """Orders of customers, seen from January to the end of a day."""
    ids = sorted({customer for customer, _ in rows})
    customers = {"customer_id": ids, "observed_from": "2026-01-01", "observed_to": until}
    touches = {"customer_id": ids[:1], "timestamp": ["2026-01-01"], "touchpoint": ["ad"]}
    outcomes = {
        "customer_id": [customer for customer, _ in rows],
        "timestamp": [time for _, time in rows],
        "outcome": "conversion",
    }
    return {
        "touches": pd.DataFrame(touches),
        "outcomes": pd.DataFrame(outcomes),
        "customers": pd.DataFrame(customers),
    }


def test_cohorts_by_hand() -> None:
    # ann and bob are won in January: ann orders twice in February, bob in April;
    # cat is won in March and orders in April. April ends with the data, so it counts.
    tables = orders(
        ("ann", "2026-01-05"), ("ann", "2026-02-03"), ("ann", "2026-02-20"),
        ("bob", "2026-01-31"), ("bob", "2026-04-02"), ("cat", "2026-03-01"), ("cat", "2026-04-30"),
    )  # fmt: skip
    table = cohort_table(tl.open_data(tables))
    rows = table[["cohort", "months_since", "customers", "active", "n"]].values.tolist()
    assert rows == [
        ["2026-01", 1, 2, 1, 2],
        ["2026-01", 2, 2, 0, 2],
        ["2026-01", 3, 2, 1, 2],
        ["2026-03", 1, 1, 1, 1],
    ]
    # Wilson, 1 of 2: .0945 to .9055
    assert table.ci_low.iloc[0] == pytest.approx(0.0945, abs=5e-5)


def test_incomplete_months_are_left_out_of_cohorts() -> None:
    tables = orders(("ann", "2026-01-05"), ("ann", "2026-04-02"), until="2026-04-20")
    assert cohort_table(tl.open_data(tables)).months_since.tolist() == [1, 2]
    tables = orders(("ann", "2026-01-05"), ("ann", "2026-01-09"), until="2026-02-20")
    with pytest.raises(tl.DataError) as caught:
        cohort_table(tl.open_data(tables))
    assert str(caught.value) == (
        "cohort_table: no customer is observed for a whole month after the first conversion\n"
        "  give a longer stretch of data"
    )


def test_churned_customers_stay_in_their_cohort() -> None:
    # bob's observation ends with his churn in February: in March he is known to be inactive
    tables = orders(("ann", "2026-01-05"), ("ann", "2026-03-05"), ("bob", "2026-01-08"))
    tables["customers"].loc[1, "observed_to"] = "2026-02-10"
    left = {"customer_id": ["bob"], "timestamp": ["2026-02-10"], "outcome": ["churn"]}
    tables["outcomes"] = pd.concat([tables["outcomes"], pd.DataFrame(left)])
    assert cohort_table(tl.open_data(tables)).customers.tolist() == [2, 2, 2]


# ---- published ---------------------------------------------------------------------------


def test_leukaemia_remission() -> None:
    data = leukaemia()
    curves = survival_curves(data, by="arm")
    assert round(on(curves[curves.group == "treated"], 6).survival, 4) == 0.8571
    compared = compare_groups(data, by="arm")
    assert round(compared.statistic, 3) == 16.793
    table = compared.table.set_index("group")
    assert table.median_days.to_dict() == {"control": 8, "treated": 23}
    # expected relapses 10.75 and 19.25 [Kleinbaum & Klein 2012]
    assert table.expected.round(2).to_dict() == {"control": 10.75, "treated": 19.25}
    assert compared.sentence() == (
        "Within 8 days, treated is without churn longest (8 days, 7 to 8), control shortest "
        "(6, 5 to 7); groups differ more than chance alone would give (log-rank p < 0.001). "
        "Badge: descriptive."
    )


@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_curves_equal_those_of_statsmodels(spread: float) -> None:
    # ties of whole days, and times to the minute: survival and its Greenwood errors
    random = np.random.default_rng(3)
    days = np.ceil(random.exponential(20, 300))
    days = np.round((days + spread * random.uniform(size=300)) * 1440) / 1440
    events = random.integers(0, 2, 300)
    theirs = SurvfuncRight(days, events)
    ours = survival_curves(spells(days, events)).set_index("day").survival
    for number in range(1, int(theirs.surv_times.max())):
        known = theirs.surv_prob[theirs.surv_times <= number]
        assert ours[number] == pytest.approx(known[-1] if len(known) else 1.0, abs=1e-12)
    life = life_table(days, events, np.ones(300))
    some = (life.events > 0) & (life.survival > 0)
    errors = life.survival * np.sqrt(np.where(some, life.relative_variance, 0))
    assert np.allclose(errors[some], theirs.surv_prob_se[: some.sum()])


# ---- laws --------------------------------------------------------------------------------

ends = st.lists(
    st.tuples(st.integers(1, 30), st.sampled_from(["churn", "referral", ""])),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(ends)
def test_shares_with_each_outcome_and_with_none_add_up(rows: list[tuple[int, str]]) -> None:
    days, names = [d for d, _ in rows], np.array([n for _, n in rows])
    life = life_table(days, names != "", np.ones(len(rows)))
    total = life.survival.copy()
    for name in ("churn", "referral"):
        own = count_at(life.time, days, names == name)
        share, variance = aalen_johansen(life, own)
        assert (np.diff(share) >= -1e-12).all() and (variance >= 0).all()
        total += share
    assert np.allclose(total, 1)
    low, high = life_interval(life)
    survival = life.after_days(life.survival)
    assert (low <= survival + 1e-12).all() and (survival <= high + 1e-12).all()
    assert (np.diff(life.survival) <= 1e-12).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=30))
def test_without_censoring_variances_are_those_of_plain_shares(
    rows: list[tuple[int, bool]],
) -> None:
    days, first = [d for d, _ in rows], np.array([b for _, b in rows])
    life = life_table(days, np.ones(len(rows)), np.ones(len(rows)))
    share, variance = aalen_johansen(life, count_at(life.time, days, first))
    assert np.allclose(variance, share * (1 - share) / len(rows))
    alive = life.survival > 1e-9
    s = life.survival[alive]
    assert np.allclose(s**2 * life.relative_variance[alive], s * (1 - s) / len(rows))


def test_neither_the_order_of_rows_nor_the_calendar_matters() -> None:
    random = np.random.default_rng(4)
    days, events = random.integers(1, 60, 50), random.integers(0, 2, 50)
    one = survival_curves(spells(days, events))
    order = random.permutation(50)
    pd.testing.assert_frame_equal(one, survival_curves(spells(days[order], events[order])))


def test_groups_add_up_to_all_customers() -> None:
    random = np.random.default_rng(5)
    data = spells(
        random.integers(1, 60, 80), random.integers(0, 2, 80), plan=random.choice(["a", "b"], 80)
    )
    parts = survival_curves(data, by="plan").groupby("day")[["at_risk", "events"]].sum()
    whole = survival_curves(data).set_index("day")[["at_risk", "events"]]
    pd.testing.assert_frame_equal(parts, whole, check_names=False)


# ---- groups ------------------------------------------------------------------------------


def test_groups_are_what_is_known_at_the_start() -> None:
    data = spells(
        [40, 40, 40], [0, 1, 0],
        touches={0: [("late", 5.0), ("ad", -1.0)], 1: [("mail", 0.0), ("ad", 0.0)]},
    )  # fmt: skip
    # touches before observation are dropped; of two at one instant the first by name counts
    sizes = survival_curves(data, by="first_touchpoint").groupby("group").n.first()
    assert sizes.to_dict() == {"(no touch)": 2, "ad": 1}
    assert set(survival_curves(data, by="cohort").group) == {"2026-01"}


def with_outcomes(data: tl.Dataset, *rows: tuple[int, float, str]) -> tl.Dataset:
    """Add outcomes: customer, day, name."""
    tables = {name: table.to_pandas() for name, table in data.tables.items()}
    more = pd.DataFrame(
        {
            "customer_id": [customer for customer, _, _ in rows],
            "timestamp": day([at for _, at, _ in rows]).tz_localize(None),
            "outcome": [name for _, _, name in rows],
        }
    )
    return tl.open_data({**tables, "outcomes": pd.concat([tables["outcomes"], more])})


def with_churn_at_the_start(days: list[float]) -> tl.Dataset:
    """The first customer churns with the first order, so nobody churns while at risk."""
    plan = ["a", *["b", "a"] * (len(days) // 2)]
    return with_outcomes(spells(days, [0] * len(days), plan=plan), (0, 0.0, "churn"))


MESSAGES: dict[str, tuple[Callable[[], object], str]] = {
    "a touchpoint as group": (
        lambda: survival_curves(spells([5], [1]), by="hello"),
        "by: 'hello' is a touchpoint: customers who stay have more time to be touched, so ever "
        "against never would show a benefit that is not there\n"
        "  use touched_survival(data, 'hello')",
    ),
    "an unknown group": (
        lambda: survival_curves(spells([5], [1], plan=["a"]), by="plans"),
        "by: 'plans' is not a trait of customers; did you mean 'plan'?\n"
        "  use one of: cohort, first_touchpoint, plan",
    ),
    "too many groups": (
        lambda: survival_curves(spells([5] * 61, [1] * 61, age=np.arange(61)), by="age"),
        "by: 61 different values, at most 60\n"
        "  put values together into fewer, as a column of customers",
    ),
    "an unknown outcome": (
        lambda: survival_curves(spells([5], [1]), outcome="refund"),
        "outcome: no outcome is named 'refund'\n"
        "  the data has churn (1), conversion (1); use one of these",
    ),
    "one group": (
        lambda: compare_groups(spells([5, 6], [1, 0], plan=["a", "a"]), by="plan"),
        "compare_groups: plan has one value only, 'a'\n"
        "  compare by something that customers differ in",
    ),
    "nobody at risk": (
        lambda: survival_curves(spells([5], ["referral"]), outcome="referral", after="referral"),
        "retention: nobody is ever at risk of referral\n"
        "  risk starts at the first referral; check the times of outcomes and observed_to",
    ),
    "nothing to compare": (
        lambda: compare_groups(with_churn_at_the_start([5, 6, 7]), by="plan"),
        "compare_groups: no churn happens while its customer is at risk\n"
        "  check the times of outcomes against the observation windows",
    ),
    "a horizon beyond the data": (
        lambda: compare_groups(leukaemia(), by="arm", horizon_days=30),
        "horizon_days: 30\n  give whole days from 1 to 23, the last common day",
    ),
    "a single outcome": (
        lambda: cumulative_incidence(spells([5], [1]), outcomes=["churn"]),
        "outcomes: ['churn'] do not compete\n"
        "  give two or more outcomes, or use survival_curves() for one",
    ),
    "outcomes as text": (
        lambda: cumulative_incidence(spells([5], [1]), outcomes="churn"),
        "outcomes: 'churn' is not a list\n  give ['churn', ...]",
    ),
    "first touchpoint without a start": (
        lambda: survival_curves(
            spells([5], ["referral"]), outcome="referral", after=None, by="first_touchpoint"
        ),
        "by: 'first_touchpoint' is not known when risk starts with observation\n"
        "  use after='conversion', or touched_survival() for one touchpoint",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES)
def test_what_cannot_be_answered_is_refused(case: str) -> None:
    ask, message = MESSAGES[case]
    with pytest.raises(tl.TouchlabError) as caught:
        ask()
    assert str(caught.value) == message


def test_a_paths_table_has_no_survival(open_paths: Callable[..., tl.Dataset]) -> None:
    with pytest.raises(tl.MissingInput) as caught:
        survival_curves(open_paths(("a > b", 1, 1)))
    assert str(caught.value) == (
        "retention: a paths table has no times\n"
        "  with touches and outcomes, it would say how long customers stay"
    )


# ---- odd data ----------------------------------------------------------------------------


def test_odd_customers_are_noted() -> None:
    # 0 churns, then orders again; 1 churns before the first order; 2 and 3 are ordinary
    data = spells([50, 50, 50, 50], [0, 0, 1, 0], plan=["a", "a", "a", "b"])
    odd = with_outcomes(data, (0, 5, "churn"), (0, 20, "conversion"), (1, 0, "churn"))
    assert compare_groups(odd, by="plan").notes == (
        "1 of 4 customers are left out: churn or the end of observation comes no later than "
        "their first conversion",
        "1 customers have a conversion after churn: they count as churned at their first churn",
        "few outcomes: 2 churn; intervals are wide",
    )
    with pytest.warns(tl.TouchlabWarning, match="1 customers have a conversion after churn"):
        curves = survival_curves(odd)
    assert curves.n.iloc[0] == 3 and curves.loc[curves.events > 0, "day"].tolist() == [5, 50]


def test_all_censored_stays_at_one() -> None:
    still = survival_curves(with_churn_at_the_start([30, 30, 10]))
    assert (still.survival == 1).all() and (still.events == 0).all()
    assert still.n.iloc[0] == 2
    assert still.ci_high.eq(1).all() and still.ci_low.iloc[-1] < 0.5


def test_one_customer_has_a_wide_interval() -> None:
    row = on(survival_curves(spells([3], [1])), 3)
    assert (row.survival, row.at_risk) == (0, 1)
    assert row.ci_high == pytest.approx(0.7935, abs=5e-5)  # Wilson, 0 of 1


# ---- truth -------------------------------------------------------------------------------


def test_intervals_cover_with_few_customers() -> None:
    random, hits = np.random.default_rng(7), []
    days = np.array([5, 20, 60, 120])
    for _ in range(400):
        time, seen = random.exponential(100, 20), random.uniform(0, 200, 20)
        event = time <= seen
        life = life_table(np.minimum(time, seen), event, np.ones(20))
        low, high = life_interval(life)
        for number in days[days < len(low)]:
            truth = np.exp(-number / 100)
            hits.append(low[number] <= truth <= high[number])
    assert 0.93 <= np.mean(hits) <= 0.97


def test_observation_that_ends_in_the_first_days_leaves_no_bias() -> None:
    # 5 % leave a day, so .607 are left after 10, and observation ends evenly within 12 days.
    # Outcomes counted on the day they fall in, but observation to its last whole day, would
    # give .594: customers whose last day is cut off were at risk in it too
    found, mixed = [], []
    for seed in range(6):
        random = np.random.default_rng(seed)
        time, seen = random.exponential(20, 4000), random.uniform(0, 12, 4000)
        event, days = time <= seen, np.minimum(time, seen)
        found.append(on(survival_curves(spells(days, event.astype(int))), 10).survival)
        old = life_table(np.where(event, np.ceil(days), np.floor(days)), event, np.ones(4000))
        mixed.append(old.after_days(old.survival)[10])
    error = np.std(found, ddof=1) / np.sqrt(6)
    assert np.mean(found) == pytest.approx(np.exp(-0.5), abs=2.5 * error)
    assert np.mean(mixed) < np.exp(-0.5) - 4 * error


@pytest.mark.slow
def test_curves_cover_the_simulated_truth() -> None:
    hits = []
    for seed in range(40):
        curves = survival_curves(idle_company(seed)).set_index("day")
        for number in (10, 40, 90, 150):
            row = curves.loc[number]
            hits.append(row.ci_low <= np.exp(-0.01 * number) <= row.ci_high)
    assert np.mean(hits) >= 0.9
