"""What the drivers say of data that cannot tell: whole messages, and usable results."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers.fit import fit_drivers

DAY = pd.Timedelta("1D")
START = pd.Timestamp("2026-01-01T00:00:00Z")


def company(
    touches: dict[str, float], *, people: int = 400, rate: float = 0.01, seed: int = 1, **more
) -> dict[str, pd.DataFrame]:
    """`people` watched for 60 days; `touches` says how many touches a customer has on average."""
    random = np.random.default_rng(seed)
    ids = [f"c{i}" for i in range(people)]
    parts = [
        pd.DataFrame(
            {
                "customer_id": random.choice(ids, int(people * mean)),
                "timestamp": START + random.random(int(people * mean)) * 60 * DAY,
                "touchpoint": name,
            }
        )
        for name, mean in touches.items()
    ]
    events = random.poisson(rate * 60 * people)
    outcomes = pd.DataFrame(
        {
            "customer_id": random.choice(ids, events),
            "timestamp": START + random.random(events) * 60 * DAY,
            "outcome": "conversion",
        }
    )
    customers = pd.DataFrame(
        {"customer_id": ids, "observed_from": START, "observed_to": START + 60 * DAY} | more
    )
    return {"touches": pd.concat(parts), "outcomes": outcomes, "customers": customers}


def fitted(tables: dict[str, pd.DataFrame], **settings):
    """The drivers, and the whole text of every warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drivers = fit_drivers(tl.open_data(tables), **settings)
        table = drivers.incremental()
    caught = [w for w in caught if "Deprecat" not in str(w.category.__mro__)]  # of the engine
    assert {w.category for w in caught} <= {tl.TouchlabWarning}, [str(w) for w in caught]
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
    assert table.fair_share.sum() + drivers.baseline.baseline[0] == pytest.approx(
        drivers.moments.events, rel=1e-4
    )
    return drivers, [str(w.message) for w in caught]


def refused(message: str, tables: dict[str, pd.DataFrame], **settings) -> None:
    with pytest.raises(tl.ParameterError) as caught:
        fit_drivers(tl.open_data(tables), **settings)
    assert str(caught.value) == message


def test_good_input_gives_no_warning():
    assert fitted(company({"ad": 2, "mail": 2}))[1] == []


def test_unknown_names_are_refused():
    tables = company({"ad": 2, "mail": 2})
    refused(
        "outcome: no outcome is named 'sale'\n  the data has conversion (256); use one of these",
        tables,
        outcome="sale",
    )
    refused(
        "saturation: 'linear' is not a choice\n  use 'log' or 'exp'", tables, saturation="linear"
    )
    refused(
        "synergy: ('ad', 'tv') is not a pair of touchpoints\n  give two different ones of ad, mail",
        tables,
        synergy=[("ad", "tv")],
    )
    refused(
        "synergy: 'all' is not a choice\n  use 'screen', None, or pairs of touchpoints",
        tables,
        synergy="all",
    )
    refused(
        "half_lives: none given for mail\n"
        "  give days for every touchpoint, or None to estimate them",
        tables,
        half_lives={"ad": 3},
    )
    refused(
        "half_lives: 'mail' has 99\n  give days from 0.75 to 24",
        tables,
        half_lives={"ad": 3, "mail": 99},
    )
    with pytest.raises(tl.ParameterError) as caught:
        fit_drivers(tl.open_data(tables)).incremental(by="plan")
    assert str(caught.value) == ("by: 'plan' is not a trait of customers\n  use one of: month")


def test_one_customer():
    tables = company({"ad": 30}, people=1, rate=0.1)
    with pytest.raises(tl.MissingInput) as refused:
        fitted(tables)
    assert str(refused.value) == (
        "drivers: what ad would bring or cost is beyond all conversion outcomes that there are, "
        "so no moments tell what would be without\n  more customers who are not touched would tell"
    )


def test_one_event():
    tables = company({"ad": 2, "mail": 2})
    tables["outcomes"] = tables["outcomes"][:1]
    with pytest.raises(tl.MissingInput) as refused:
        fitted(tables)
    assert str(refused.value) == (
        "drivers: too few conversion outcomes at risk to tell what brings them, 1\n"
        "  with 5 or more, this is answered"
    )


def test_everybody_touched_all_the_time():
    drivers, told = fitted(company({"ad": 120, "mail": 2}))
    assert told == ["ad: nearly always present; the effect leans on how recent touches are"]
    # two touches a day never leave, so the amount lost without them is anyone's guess
    low, high = drivers.incremental().loc[0, ["ci_low", "ci_high"]]
    assert high - low > 0.2 * drivers.moments.events


def test_perfect_separation():
    tables = company({"mail": 2})
    when = tables["outcomes"].timestamp - pd.Timedelta("2h")  # no part of the occasion
    click = tables["outcomes"].assign(timestamp=when, touchpoint="click").drop(columns="outcome")
    tables["touches"] = pd.concat([tables["touches"], click])
    drivers, told = fitted(tables)
    off = [text for text in told if text.startswith("the fit is off")]
    rule = "nearly separates outcomes from the rest; the effect is held finite"
    assert off and [text for text in told if text not in off] == [f"click: {rule}"]
    share = drivers.incremental().set_index("touchpoint").share["click"]
    # not all: a click stays felt for days in which nothing happens
    assert 0.7 < share < 1.0


@pytest.mark.parametrize("seconds", [0, 20])
def test_touchpoints_that_come_together_share_one_effect(seconds):
    tables = company({"ad": 2, "mail": 2}, rate=0.02)
    alone, _ = fitted(tables)
    twin = tables["touches"].query("touchpoint == 'ad'").assign(touchpoint="twin")
    twin["timestamp"] += pd.Timedelta(seconds=seconds)
    tables["touches"] = pd.concat([tables["touches"], twin])
    drivers, told = fitted(tables)
    rule = "fitted as one, each is given half of what they bring between them"
    assert told == [f"ad and twin come together: {rule}"]
    checks = tl.check_drivers(tl.open_data(tables), drivers)
    table = drivers.incremental(checks=checks).set_index("touchpoint")
    assert table.incremental["ad"] == pytest.approx(table.incremental["twin"], abs=0.5)
    # as narrow as that of the one which they are
    before, width = (t.ci_high["ad"] - t.ci_low["ad"] for t in (
        alone.incremental().set_index("touchpoint"), table
    ))  # fmt: skip
    assert width < before
    assert table.badge["ad"] == table.badge["twin"] == "descriptive"
    warning = checks.table.set_index("touchpoint").warning["ad"]
    assert "ad: comes with twin; only what they bring together shows." in warning


def test_a_touchpoint_with_two_touches():
    tables = company({"ad": 2, "mail": 2, "fair": 0.005})
    assert (tables["touches"].touchpoint == "fair").sum() == 2
    _, told = fitted(tables)
    assert told == ["fair: hardly ever present at a moment at risk; the effect is a guess"]


def test_traits_that_never_vary_or_are_all_different_or_missing():
    people = 400
    tables = company(
        {"ad": 2, "mail": 2},
        country="DE",
        same=1.5,
        email=[f"c{i}@example.org" for i in range(people)],
        joined=[START - pd.Timedelta(days=i) for i in range(people)],
        happy=[True, None] * (people // 2),
        score=[np.inf, 3.0, np.nan, -1.0] * (people // 4),
        nothing=None,
    )
    drivers, told = fitted(tables)
    assert told == []
    assert drivers.notes == (
        "traits not used, as they never vary, have no common value or follow from others: "
        "country, same, email, joined, nothing",
    )
    names = set(drivers.model.controls.names)
    # scores are missing just where moods are known: one of the two columns says it all
    assert "score: 3" in names and len(names & {"happy: True", "score: missing"}) == 1


def test_sixty_touchpoints():
    tables = company({f"t{i:02d}": 1.0 for i in range(60)}, people=500)
    drivers, told = fitted(tables, synergy="screen")
    assert len(drivers.incremental(total=False)) == 60
    assert told == []


def test_no_customers_table():
    tables = company({"ad": 2, "mail": 2})
    del tables["customers"]
    _, told = fitted(tables)
    assert told == [
        "no customers table: people who were never touched are unknown, so the baseline and "
        "what leans on it hold for people who were touched at some time"
    ]


HOSTILE = [
    "intercept",
    "time at risk 1",
    "moment",
    "<script>alert(1)</script>",
    "'; DROP TABLE x",
    "a $\\frac{",
    "_x",
    "电子邮件",
]


def test_hostile_touchpoint_names():
    tables = company({name: 1 for name in HOSTILE}, rate=0.02)
    drivers, _ = fitted(tables)
    assert sorted(drivers.incremental().touchpoint) == sorted(HOSTILE)
    names = drivers.regression.params.index
    assert names.is_unique
    assert {"intercept", "intercept (control)"} <= set(names)


def test_no_touchpoint_has_an_effect_and_all_intervals_hold_zero():
    tables = company({"ad": 2, "mail": 2, "call": 1}, people=2_000, rate=0.02)
    table = fitted(tables)[0].incremental()
    assert ((table.ci_low <= 0) & (table.ci_high >= 0)).all()


def cannot(message: str, tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(tl.DataError) as caught:
        fit_drivers(tl.open_data(tables))
    assert str(caught.value) == message


@pytest.mark.parametrize("days", [-1, 0])
def test_windows_without_length(days):
    tables = company({"ad": 2}, people=40)
    tables["customers"].loc[3, "observed_to"] = START + days * DAY
    with pytest.raises(tl.DataError) as caught:
        tl.open_data(tables)
    value = f"{(START + days * DAY):%Y-%m-%d %H:%M:%S}+00"
    assert str(caught.value) == (
        "frames: 1 problem\n"
        "customers.observed_to: 1 of 40 rows are not after observed_from\n"
        f"  first: row 4, customer 'c3', value {value}\n"
        "  observed_from has to be before observed_to"
    )


def test_all_outcomes_at_the_start_of_observation():
    tables = company({"ad": 2}, people=40)
    # with a time of day: on a first day known by its date alone they would count
    start = START + 0.4 * DAY
    tables["customers"] = tables["customers"].assign(observed_from=start)
    tables["touches"] = tables["touches"][tables["touches"].timestamp > start]
    tables["outcomes"] = tables["outcomes"].assign(timestamp=start)
    cannot(
        "drivers: no conversion happens while its customer is at risk\n"
        "  check the times of outcomes against the observation windows, or `after`",
        tables,
    )


AT_ONCE = (
    "{n} of {n} conversion come at the very instant of a touch, which cannot count as earlier; "
    "give times to the second, and the touch first"
)


def test_outcomes_at_the_very_instant_of_a_touch():
    tables = company({"mail": 2})
    click = tables["outcomes"].assign(touchpoint="click").drop(columns="outcome")
    tables["touches"] = pd.concat([tables["touches"], click])
    drivers, told = fitted(tables)
    assert told == [AT_ONCE.format(n=len(tables["outcomes"]))]
    # 240 clicks, each at a conversion: none counts as before it
    assert drivers.incremental().set_index("touchpoint").ci_low["click"] < 0


def test_dates_without_times():
    """A touch of the day of the outcome cannot be told to come first; the clock is left alone."""
    tables = company({"ad": 2}, rate=0.02)
    for name in ("touches", "outcomes"):
        tables[name] = tables[name].assign(timestamp=tables[name].timestamp.dt.floor("D"))
    tables["outcomes"] = tables["outcomes"].query("timestamp > @START").drop_duplicates()
    drivers, told = fitted(tables)
    assert told == []  # 2 touches in 60 days: one outcome in thirty falls on a day with one
    names = drivers.model.controls.names
    assert "time of day 1" not in names
    assert "day of week 1" in names
    assert drivers.baseline["share"][0] == pytest.approx(1.0, abs=0.1)


def test_two_touchpoints_always_together_in_checks():
    tables = company({"ad": 2, "mail": 2}, rate=0.02)
    twin = tables["touches"].query("touchpoint == 'ad'").assign(touchpoint="twin")
    tables["touches"] = pd.concat([tables["touches"], twin])
    drivers, _ = fitted(tables)
    checks = tl.check_drivers(tl.open_data(tables), drivers)
    assert checks.badges(["ad", "twin"])[0] == checks.badges(["ad", "twin"])[1]


def test_few_events_are_descriptive_and_checks_say_what_they_could_not_do():
    tables = company({"ad": 2, "mail": 2})
    tables["outcomes"] = tables["outcomes"][:20]
    drivers, told = fitted(tables)
    assert told == ["few events: 20 conversion; intervals are rough"]
    checks = tl.check_drivers(tl.open_data(tables), drivers)
    assert checks.sentence() == (
        "Every touchpoint for conversion is descriptive: something speaks against calling its "
        "figure an effect."
    )
    assert checks.notes == (
        "the lead test could not be run for any touchpoint: too few events or touches whose "
        "whole window is observed",
    )


def test_checks_of_other_data():
    drivers, _ = fitted(company({"ad": 2}))
    with pytest.raises(tl.DataError) as caught:
        tl.check_drivers(tl.open_data(company({"tv": 2})), drivers)
    assert str(caught.value) == (
        "check_drivers: the data has none of the touchpoints of the drivers\n"
        "  give the data that the drivers were fitted to"
    )


def test_calibration_without_experiments():
    with pytest.raises(tl.MissingInput) as caught:
        tl.holdout_effects(tl.open_data(company({"ad": 2})))
    assert str(caught.value) == (
        "There is no experiments table: with arms treated and holdout by customer, effects free "
        "of confounding are shown."
    )


def test_an_outcome_that_nobody_has_twice_comes_once():
    tables = company({"ad": 2})
    assert fitted(tables)[0].moments.risk.recurrent
    tables["outcomes"] = tables["outcomes"].sort_values("timestamp").drop_duplicates("customer_id")
    drivers, _ = fitted(tables)
    assert not drivers.moments.risk.recurrent
    # risk ends with the outcome
    assert drivers.moments.customer_days < 400 * 60
