"""Moments at risk: who is at risk and when, exposures, draws, reproducibility."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.moments.risk import Risk, at_the_start, risk_events, risk_windows
from touchlab.moments.sample import sample_moments, sample_touches, touch_paths

DAY = pd.Timedelta("1D")
START = pd.Timestamp("2026-03-01T00:00:00Z")


def day(number: float) -> pd.Timestamp:
    return START + number * DAY


def outcomes(*rows: tuple[str, float, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "outcome"])
    return frame.assign(timestamp=[day(number) for number in frame.timestamp])


def touches(*rows: tuple[str, float, str]) -> pd.DataFrame:
    return outcomes(*rows).rename(columns={"outcome": "touchpoint"})


def customers(**windows: tuple[float, float]) -> pd.DataFrame:
    rows = [(name, day(first), day(last)) for name, (first, last) in windows.items()]
    return pd.DataFrame(rows, columns=["customer_id", "observed_from", "observed_to"])


def spans(data: tl.Dataset, risk: Risk) -> dict[str, tuple[float, float]]:
    """Risk windows in days since the start."""
    rows = risk_windows(data, risk).to_pandas()
    zero = START.timestamp()
    return {
        row.customer_id: (round((row.start - zero) / 86400, 6), round((row.stop - zero) / 86400, 6))
        for row in rows.itertuples()
    }


@pytest.fixture
def three() -> tl.Dataset:
    """ann converts twice and churns, bob only converts, cem never does."""
    return tl.open_data(
        {
            "touches": touches(
                ("ann", 1, "ad"), ("ann", 5, "ad"), ("bob", 2, "mail"), ("cem", 3, "ad")
            ),
            "outcomes": outcomes(
                ("ann", 4, "conversion"),
                ("ann", 6, "conversion"),
                ("ann", 9, "churn"),
                ("bob", 10, "conversion"),
            ),
            "customers": customers(ann=(0, 20), bob=(2, 20), cem=(0, 12)),
        }
    )


def test_risk_of_conversion_runs_to_churn_or_the_end_of_observation(three):
    assert spans(three, Risk("conversion")) == {"ann": (0, 9), "bob": (2, 20), "cem": (0, 12)}


def test_risk_after_an_outcome_starts_at_its_first_time(three):
    assert spans(three, Risk("churn", after="conversion", recurrent=False)) == {
        "ann": (4, 9),
        "bob": (10, 20),
    }


def test_an_outcome_that_comes_once_ends_its_own_risk(three):
    once = Risk("conversion", recurrent=False)
    assert spans(three, once)["ann"] == (0, 4)
    assert len(risk_events(three, risk_windows(three, once), once).to_pandas()) == 2


def test_without_customers_risk_runs_from_the_first_event_to_the_end_of_the_data():
    data = tl.open_data(
        {
            "touches": touches(("ann", 1, "ad"), ("bob", 3, "ad")),
            "outcomes": outcomes(("ann", 4, "conversion"), ("eve", 6, "conversion")),
        }
    )
    # eve is first seen at her own conversion: she was never at risk before it
    found = spans(data, Risk("conversion"))
    end = 6 + 1 / 86400  # a second after the last event, so that it happens at risk
    assert {k: (a, pytest.approx(end, abs=1e-5)) for k, (a, _) in found.items()} == {
        "ann": (1, pytest.approx(end, abs=1e-5)),
        "bob": (3, pytest.approx(end, abs=1e-5)),
        "eve": (6, pytest.approx(end, abs=1e-5)),
    }
    moments = sample_moments(data)
    assert moments.events == 1
    assert not moments.windows_known


def dated(first: float, n: int = 6) -> tl.Dataset:
    """Of customers followed from `first`, all convert there, and half of them again a day later."""
    names = [f"c{i}" for i in range(n)]
    again = [(name, first + 1, "conversion") for name in names[::2]]
    return tl.open_data(
        {
            "touches": touches(*((name, first + 0.5, "ad") for name in names)),
            "outcomes": outcomes(*((name, first, "conversion") for name in names), *again),
            "customers": customers(**{name: (first, first + 9) for name in names}),
        }
    )


@pytest.mark.parametrize(("first", "again", "once"), [(2, 9, 6), (2.25, 3, 0)])
def test_outcomes_on_the_first_day_count_where_only_days_are_known(first, again, once):
    data = dated(first)
    for recurrent, events in ((True, again), (False, once)):
        risk = Risk("conversion", recurrent=recurrent)
        assert len(risk_events(data, risk_windows(data, risk), risk).to_pandas()) == events
        assert at_the_start(data, risk) == (0 if first == 2 else 6)
    # six customers for nine days: a millisecond before is no time at risk
    days = risk_windows(data, Risk("conversion")).to_pandas().days
    assert days.tolist() == pytest.approx([9.0] * 6, abs=1e-6)
    assert risk_windows(data, Risk("conversion", recurrent=False)).count().to_pandas() == once


def test_outcomes_at_the_first_event_are_counted_as_not_explained():
    data = tl.open_data(
        {
            "touches": touches(("ann", 1, "ad"), ("bob", 3, "ad")),
            "outcomes": outcomes(("ann", 4, "conversion"), ("eve", 6, "conversion")),
        }
    )
    assert at_the_start(data, Risk("conversion")) == 1


def test_times_and_ids_of_different_types_meet_without_customers(tmp_path):
    # times without a zone and short ids in one file, UTC and long ids in the other
    first = touches((1, 1, "ad"), (2, 3, "ad")).astype({"customer_id": "int32"})
    second = outcomes((1, 4, "conversion")).astype({"customer_id": "int64"})
    first.assign(timestamp=first.timestamp.dt.tz_localize(None)).to_parquet(
        tmp_path / "touches.parquet"
    )
    second.assign(timestamp=second.timestamp.astype("datetime64[us, UTC]")).to_parquet(
        tmp_path / "outcomes.parquet"
    )
    moments = sample_moments(tl.open_data(tmp_path))
    assert (moments.events, moments.customers) == (1, 2)


def test_exposures_by_hand(three):
    moments = sample_moments(three, half_lives=(1.0, 2.0))
    table = moments.table
    event = table[(table.event == 1) & (table.customer == "ann")].sort_values("time").index
    ad = moments.touchpoints.index("ad")
    # At day 4 the touch of day 1 is three days old: 1/8 and 2^-1.5. At day 6 the touches of
    # days 1 and 5 are five days and one day old: 1/32 + 1/2, 2^-2.5 + 2^-0.5.
    expected = [[2**-3, 2**-5 + 2**-1], [2**-1.5, 2**-2.5 + 2**-0.5]]
    np.testing.assert_allclose(moments.exposure[ad][:, event], expected, rtol=1e-6)
    assert moments.exposure[moments.touchpoints.index("mail")][:, event].max() == 0
    assert table.since[event].tolist() == [4.0, 6.0]
    assert table.prior_conversion[event].tolist() == [0.0, 1.0]


def test_a_touch_at_the_moment_itself_is_not_before_it():
    data = tl.open_data(
        {
            "touches": touches(("ann", 4, "ad"), ("bob", 1, "ad")),
            "outcomes": outcomes(("ann", 4, "conversion")),
            "customers": customers(ann=(0, 9), bob=(0, 9)),
        }
    )
    moments = sample_moments(data)
    assert moments.exposure[:, :, (moments.table.event == 1).to_numpy()].max() == 0


def test_every_base_moment_lies_in_its_window_and_they_stand_for_all_time(three):
    moments = sample_moments(three, outcome="churn")
    base = moments.table[moments.table.event == 0]
    limits = {"ann": (4, 9), "bob": (10, 20)}
    days = (base.time - START.timestamp()) / 86400
    for customer, (first, last) in limits.items():
        own = days[base.customer == customer]
        assert own.between(first, last).all()
        # uniform: a third of the window holds a third, within four standard errors
        share = (own < first + (last - first) / 3).mean()
        assert abs(share - 1 / 3) < 4 * np.sqrt(2 / 9 / len(own))
    assert moments.customer_days == pytest.approx(15)
    assert len(base) * moments.days_each == pytest.approx(15)
    assert (base.customer == "ann").mean() == pytest.approx(5 / 15, abs=0.01)


def test_earlier_draws_lie_between_the_start_of_risk_and_their_moment(three):
    moments = sample_moments(three, outcome="churn")
    each = len(moments.earlier.table) // len(moments.table)
    assert each > 1
    own = moments.table.loc[moments.table.index.repeat(each)].reset_index(drop=True)
    earlier = moments.earlier.table
    assert (earlier.customer == own.customer).all()
    assert ((earlier.time >= own.start) & (earlier.time <= own.time)).all()
    assert sample_moments(three).earlier is None  # conversions come again and again


def sorted_table(moments) -> pd.DataFrame:
    return moments.table.drop(columns="moment", errors="ignore").reset_index(drop=True)


@pytest.fixture(scope="module")
def sample() -> tl.Dataset:
    return tl.open_data("data/sample")


def test_seed_decides_the_draws(sample):
    one, same, other = (sample_moments(sample, outcome="churn", seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one.table, same.table)
    np.testing.assert_array_equal(one.exposure, same.exposure)
    base = one.table.event == 0
    assert set(one.table.time[base]) != set(other.table.time[other.table.event == 0])
    # the events are all there under every seed
    assert one.events == other.events == 785


def test_order_of_rows_does_not_matter(sample):
    tables = {name: table.to_pandas() for name, table in sample.tables.items()}
    shuffled = {name: t.sample(frac=1, random_state=3) for name, t in tables.items()}
    one, two = (sample_moments(tl.open_data(t), outcome="churn") for t in (tables, shuffled))
    pd.testing.assert_frame_equal(one.table, two.table)
    # sums of floats in another order differ in the last digit
    np.testing.assert_allclose(one.exposure, two.exposure, rtol=1e-5)


def test_integer_and_text_ids_sample_alike_in_law(sample):
    tables = {name: table.to_pandas() for name, table in sample.tables.items()}
    numbered = {
        name: t.assign(customer_id=t.customer_id.str.extract(r"(\d+)")[0].astype(int))
        if "customer_id" in t and t.customer_id.notna().all()
        else t.drop(columns="customer_id", errors="ignore")
        for name, t in tables.items()
    }
    text, number = (sample_moments(tl.open_data(t), outcome="churn") for t in (tables, numbered))
    assert text.events == number.events
    assert text.customer_days == pytest.approx(number.customer_days)
    for one, two in zip(text.exposure[:, 3], number.exposure[:, 3], strict=True):
        error = np.sqrt(one.var() / len(one) + two.var() / len(two))
        assert abs(one.mean() - two.mean()) <= 5 * error  # 13 comparisons, fixed seeds


def test_traits_named_like_our_own_columns_keep_apart(sample):
    tables = {name: table.to_pandas() for name, table in sample.tables.items()}
    renamed = {"region": "group", "segment": "time", "plan": "prior_conversion"}
    tables["customers"] = tables["customers"].rename(columns=renamed)
    moments = sample_moments(tl.open_data(tables), outcome="churn")
    assert set(moments.traits) >= {"group (trait)", "time (trait)", "prior_conversion (trait)"}
    assert moments.table.group.between(0, 49).all()
    assert moments.histories == (
        "prior_conversion", "recent_conversion", "prior_referral", "recent_referral"
    )  # fmt: skip


def test_sampled_touches_are_described_before_themselves(sample):
    moments = sample_moments(sample)
    points, counts = sample_touches(moments, most=500)
    drawn = points.table.touchpoint.value_counts()
    assert counts["display"] > 60_000
    assert abs(drawn["display"] - 500) < 5 * np.sqrt(500)
    assert (points.table.time > points.table.start).all()
    paths = touch_paths(moments, points.table.customer[:20])
    # a customer's own earlier touches are what exposure counts, at the longest half-life
    row = points.table.iloc[5]
    before = paths[(paths.customer == row.customer) & (paths.time < row.time)]
    age = (row.time - before.time) / 86400
    by_hand = (0.5 ** (age / 24.0)).groupby(before.touchpoint).sum()
    found = points.exposure[:, -1, 5]
    np.testing.assert_allclose(found[by_hand.index], by_hand, rtol=1e-5)
    assert found.sum() == pytest.approx(by_hand.sum(), rel=1e-5)


def assert_refused(message: str, data: tl.Dataset, **settings: object) -> None:
    with pytest.raises(tl.TouchlabError) as caught:
        sample_moments(data, **settings)
    assert str(caught.value) == message


def test_unknown_outcome(three):
    assert_refused(
        "outcome: no outcome is named 'buy'\n"
        "  the data has conversion (3), churn (1); use one of these",
        three,
        outcome="buy",
    )


def test_half_lives_that_do_not_increase(three):
    assert_refused(
        "half_lives: (3, 1)\n  give two or more increasing numbers of days above 0",
        three,
        half_lives=(3, 1),
    )


def test_nobody_at_risk(three):
    assert_refused(
        "drivers: nobody is ever at risk of conversion\n"
        "  risk starts at the first churn; check observed_from and observed_to",
        three,
        after="churn",
    )


def test_nothing_happens_at_risk(three):
    assert_refused(
        "drivers: no churn happens while its customer is at risk\n"
        "  check the times of outcomes against the observation windows, or `after`",
        tl.open_data(
            {
                "touches": touches(("ann", 1, "ad")),
                "outcomes": outcomes(("ann", 2, "churn"), ("bob", 3, "conversion")),
                "customers": customers(ann=(0, 9), bob=(0, 9)),
            }
        ),
        outcome="churn",
    )


def test_paths_have_no_times(open_paths):
    assert_refused(
        "drivers: a paths table has no times\n  give touches and outcomes with their times",
        open_paths(("a > b", 3, 1)),
    )
