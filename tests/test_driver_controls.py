"""Clocks and habits: what the drivers control for beside traits, and where they must not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers import design
from touchlab.drivers.design import build_controls
from touchlab.moments.sample import Moments, sample_moments
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World, simulate, true_effects

DAY = pd.Timedelta("1D")
START = pd.Timestamp("2026-03-02T00:00:00Z")  # a Monday


def rows(customer: np.ndarray, day: np.ndarray, **columns: str) -> pd.DataFrame:
    time = START + pd.to_timedelta(np.round(day * 86_400), unit="s")
    return pd.DataFrame({"customer_id": customer, "timestamp": time}).assign(**columns)


def opened(mails: tuple, sales: tuple, *, people: int, days: float) -> tl.Dataset:
    """`mails` and `sales`: customers, and days since the start."""
    windows = pd.DataFrame({"customer_id": range(people)})
    return tl.open_data(
        {
            "touches": rows(*mails, touchpoint="mail"),
            "outcomes": rows(*sales, outcome="conversion").drop_duplicates(),
            "customers": windows.assign(observed_from=START, observed_to=START + days * DAY),
        }
    )


def mail(moments: Moments) -> pd.Series:
    return tl.fit_drivers(moments).incremental(total=False).iloc[0]


@pytest.fixture(scope="module")
def mornings() -> Moments:
    """Mails at eight, sales from nine to nine, neither with regard to the other."""
    random, people, days = np.random.default_rng(5), 1_500, 60
    sent = random.integers(0, people, 6_000), random.integers(0, days, 6_000) + 8 / 24
    hour = random.uniform(9 / 24, 21 / 24, 2_500)
    sold = random.integers(0, people, 2_500), random.integers(0, days, 2_500) + hour
    return sample_moments(opened(sent, sold, people=people, days=days))


def test_a_mail_in_the_morning_does_not_bring_the_day(mornings):
    found = mail(mornings)
    assert found.ci_low < 0 < found.ci_high


def test_without_the_clock_it_would_seem_to(mornings, monkeypatch):
    monkeypatch.setattr(design, "CYCLES", ())
    assert mail(mornings).ci_low > 0


@pytest.mark.parametrize(
    ("hours", "days", "kept"),
    [
        (24.0, 1, ["time of day", "day of week"]),
        (0.0, 1, ["day of week"]),  # dates without times
        (24.0, 7, ["time of day"]),  # all on Mondays
    ],
)
def test_clocks_that_hold_all_events_at_few_instants_are_left_alone(hours, days, kept):
    random, people = np.random.default_rng(6), 300
    day = random.integers(1, 56 // days, 500) * days + random.random(500) * hours / 24
    sold = random.integers(0, people, 500), day
    names = build_controls(sample_moments(opened(sold, sold, people=people, days=60))).names
    assert [clock for clock in ("time of day", "day of week") if f"{clock} 1" in names] == kept


def test_recent_outcomes_take_out_most_of_what_mails_to_the_busy_seem_to_bring():
    """Households shop for a fortnight or a month, then hardly; mails follow a week of shopping."""
    random, people, weeks = np.random.default_rng(1), 600, 26
    busy = random.random((people, weeks // 2)).repeat(2, axis=1) < 0.4
    trips = random.poisson(np.where(busy | np.roll(busy, 2, axis=1), 2.0, 0.1))
    customer, week = np.nonzero(trips)
    often = trips[customer, week]
    sold = np.repeat(customer, often), (np.repeat(week, often) + random.random(often.sum())) * 7
    mailed = (trips[:, :-1] >= 2) & (random.random((people, weeks - 1)) < 0.3)
    who, when = np.nonzero(mailed)
    sent = who, (when + 1 + random.random(len(who))) * 7
    data = opened(sent, sold, people=people, days=weeks * 7)
    moments = sample_moments(data, per_event=5)
    unseen = moments.table.drop(columns="recent_conversion")
    # no mail does anything: what is left follows from a count that fades, where habits switch
    assert mail(moments).incremental < 0.5 * mail(replace(moments, table=unseen)).incremental


FRAIL = World(
    (
        TouchpointSpec("ad", 0.05, {"conversion": 0.8}, half_life_days=4.0),
        TouchpointSpec("mail", 0.05, half_life_days=4.0),
    ),
    4_000,
    120,
    {"conversion": OutcomeSpec(0.004, intent=1.0, ceiling=2.0)},
    intent_spread=1.5,
)
"""Customers differ a good deal in how often they buy; touches come to all alike."""


def told(world: World, seed: int = 1) -> tl.Drivers:
    tables = simulate(world, seed=seed).tables
    return tl.fit_drivers(tl.open_data({n: t for n, t in tables.items() if len(t)}))


def test_earlier_outcomes_are_no_control_where_touches_do_not_follow_them() -> None:
    drivers = told(FRAIL)
    assert not any(name.startswith("prior") for name in drivers.model.controls.names)
    assert any("touches do not follow earlier outcomes" in note for note in drivers.notes)
    truth = true_effects(FRAIL, seed=1, repeats=3).set_index("touchpoint").incremental_direct
    found = drivers.incremental(total=False).set_index("touchpoint")
    assert found.ci_low["ad"] <= truth["ad"] <= found.ci_high["ad"]


def test_they_are_one_where_a_touchpoint_follows_them() -> None:
    thanks = TouchpointSpec("thanks", 0.05, phase="after")
    drivers = told(replace(FRAIL, touchpoints=(*FRAIL.touchpoints, thanks)))
    assert "prior_conversion: any" in drivers.model.controls.names


def test_few_customers_cannot_tell_so_they_stay() -> None:
    drivers = told(replace(FRAIL, customers=400))
    assert "prior_conversion: any" in drivers.model.controls.names
