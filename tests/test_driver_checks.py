"""Lead test, E-value, presence, stability, negative controls and badges."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers.calibrate import calibrate
from touchlab.drivers.checks import (
    Checks,
    _e_values,
    check_drivers,
    e_value,
    negative_control,
    presence,
    stability,
)
from touchlab.drivers.experiments import holdout_effects
from touchlab.drivers.gate import power
from touchlab.drivers.lead import fires, follows_outcome, lead_test
from touchlab.drivers.model import chance
from touchlab.errors import DataError, ParameterError
from touchlab.simulate import WORLDS, Holdout, OutcomeSpec, TouchpointSpec, World, simulate

SALE = {"conversion": OutcomeSpec(0.002, intent=1.0, ceiling=0.1)}


def tables_of(world: World, seed: int) -> dict[str, pd.DataFrame]:
    return {n: t for n, t in simulate(world, seed=seed).tables.items() if len(t)}


def hidden_world() -> World:
    """`ad` seeks customers who are about to buy; `mail` comes at random; `note` follows a sale."""
    return World(
        (
            TouchpointSpec("ad", 0.03, {"conversion": 0.2}, 3.0, targets_intent=1.0),
            TouchpointSpec("mail", 0.03, {"conversion": 0.8}, 3.0),
            TouchpointSpec("note", 0.05, {}, 3.0, phase="after"),
        ),
        customers=6_000,
        days=120,
        outcomes=SALE,
        intent_spread=0.7,
        intent_half_life_days=20.0,
        holdouts=(Holdout("ad", share=0.4),),
    )


@pytest.fixture(scope="module")
def hidden() -> tuple[tl.Dataset, tl.Drivers]:
    data = tl.open_data(tables_of(hidden_world(), 1))
    return data, tl.fit_drivers(data)


@pytest.fixture(scope="module")
def sample() -> tl.Dataset:
    return tl.open_data("data/sample")


@pytest.fixture(scope="module")
def churn(sample: tl.Dataset) -> tuple[tl.Drivers, Checks]:
    drivers = tl.fit_drivers(sample, outcome="churn")
    return drivers, check_drivers(sample, drivers)


def test_e_values() -> None:
    """Value 18; a protective ratio counts as its inverse."""
    assert e_value([3.9, 1.8]).round(2).tolist() == [7.26, 3.0]
    assert e_value(1 / 3.9) == pytest.approx(e_value(3.9))
    assert e_value(1.0) == 1.0
    with pytest.raises(ParameterError, match="e_value: ratio 0\n  give ratios above 0"):
        e_value([1.0, 0.0])


def test_e_values_of_common_outcomes_take_no_hazard_ratio_for_a_risk_ratio() -> None:
    # HR .56: (1 - .5^.7483) / (1 - .5^1.3363) = .4047 / .6040 = .670, and 1 / .670 = 1.493;
    # 1.493 + sqrt(1.493 * .493) = 2.35, where .56 itself would give 2.97
    assert e_value(0.56, share=0.4).round(2) == 2.35
    assert e_value(0.56, share=0.15).round(2) == e_value(0.56).round(2) == 2.97
    ratios = np.array([1.0, 1.2, 2.0, 4.0, 10.0])
    assert e_value(ratios, share=0.4) == pytest.approx(e_value(1 / ratios, share=0.4))
    assert (e_value(ratios, share=0.4)[1:] < e_value(ratios)[1:]).all()


@pytest.mark.parametrize("recurrent", [True, False])
def test_checks_know_how_common_the_outcome_is(recurrent: bool) -> None:
    ratios = pd.DataFrame({"touchpoint": ["a"], "hazard_ratio": 2.0, "ci_low": 1.5, "ci_high": 2.5})
    risk = SimpleNamespace(recurrent=recurrent)
    for events, common in ((150.0, False), (160.0, True)):
        moments = SimpleNamespace(risk=risk, events=events, customers=1000)
        found = _e_values(SimpleNamespace(hazard_ratios=ratios, moments=moments))  # type: ignore[arg-type]
        share = 0.16 if common and not recurrent else 0.0
        assert found.e_value.tolist() == e_value([2.0], share=share).tolist()
        assert found.e_value_low.tolist() == e_value([1.5], share=share).tolist()


def test_alarms_allow_for_their_number() -> None:
    # Sorted .001 .02 .03 .2 against .0125 .025 .0375 .05: the first three pass.
    assert fires(np.array([0.2, 0.03, 0.001, 0.02])).tolist() == [False, True, True, True]
    assert fires(np.array([0.04, 0.9])).tolist() == [False, False]
    assert fires(np.array([np.nan, np.nan])).tolist() == [False, False]


def test_the_lead_test_sees_hidden_intent_and_nothing_else(
    hidden: tuple[tl.Dataset, tl.Drivers],
) -> None:
    lead = lead_test(*hidden).set_index("touchpoint")
    assert lead.lead_fires.to_dict() == {"ad": True, "mail": False, "note": False}
    assert lead.lead_low["ad"] > 1
    assert (lead.lead_low <= lead.lead_ratio).all() and (lead.lead_ratio <= lead.lead_high).all()
    # `note` only comes to buyers, so only second and later sales are asked.
    assert lead.lead_events["note"] < 0.5 * lead.lead_events["ad"]


def test_what_follows_the_outcome_is_known_from_the_data_too(
    hidden: tuple[tl.Dataset, tl.Drivers],
) -> None:
    data, drivers = hidden
    bare = replace(data, tables={n: t for n, t in data.tables.items() if n != "touchpoints"})
    for known in (data, bare):
        assert follows_outcome(known, drivers.moments).tolist() == [False, False, True]


def test_the_lead_window_can_be_chosen(hidden: tuple[tl.Dataset, tl.Drivers]) -> None:
    short = lead_test(*hidden, lead_days=3)
    long = lead_test(*hidden, lead_days=60.0)
    assert short.lead_events[0] > long.lead_events[0]
    none = lead_test(*hidden, lead_days=119.9)
    assert none.lead_ratio.isna().all() and not none.lead_fires.any()
    for wrong in (0, -1.0, float("nan"), "7D"):
        with pytest.raises(ParameterError, match=r"lead_days: .*\n  give a number of days"):
            lead_test(*hidden, lead_days=wrong)  # type: ignore[arg-type]


def test_nothing_follows_churn(churn: tuple[tl.Drivers, Checks]) -> None:
    _, checks = churn
    assert checks.table.lead_ratio.isna().all()
    assert checks.notes == (
        "the lead test could not be run for any touchpoint: "
        "churn ends the observation, nothing can come after it",
    )


def test_support_contacts_carry_the_warning(churn: tuple[tl.Drivers, Checks]) -> None:
    drivers, checks = churn
    row = checks.table.set_index("touchpoint").loc["support_contact"]
    assert row.badge == "descriptive"
    assert row.warning.startswith("support_contact: reverse causality; trouble brings both")
    others = checks.table[checks.table.touchpoint != "support_contact"]
    assert others.warning.str.contains("untested, no check of it could be run; a holdout").all()
    assert not others.warning.str.contains("reverse causality").any()
    assert checks.sentence() == (
        "Of 13 touchpoints for churn: 12 untested, 1 descriptive. "
        "Do not speak of effects of support_contact."
    )
    ratios = drivers.hazard_ratios.set_index("touchpoint")
    assert ratios.ci_low["onboarding_call"] < 1 < ratios.ci_high["onboarding_call"]


def test_the_sample_finds_what_follows_intent(sample: tl.Dataset) -> None:
    """`direct` follows hidden intent and is inflated six times; `display` comes at random."""
    table = check_drivers(sample, tl.fit_drivers(sample)).table.set_index("touchpoint")
    assert table.badge["direct"] == "descriptive" and table.lead_fires["direct"]
    assert "as hidden intent would" in table.warning["direct"]
    assert table.badge["display"] == "adjusted" and table.warning["display"] == ""
    assert not (table.badge == "randomised").any()


@pytest.mark.slow
def test_the_sample_has_one_effect_from_an_experiment(sample: tl.Dataset) -> None:
    """The e-mail experiment is strong enough to speak; that of retargeting is not."""
    drivers = calibrate(tl.fit_drivers(sample), holdout_effects(sample))
    table = check_drivers(sample, drivers).table.set_index("touchpoint")
    assert table.index[table.badge == "randomised"].tolist() == ["email_newsletter"]


def test_badges_follow_the_checks(hidden: tuple[tl.Dataset, tl.Drivers]) -> None:
    data, drivers = hidden
    checks = check_drivers(data, drivers)
    assert checks.table.set_index("touchpoint").badge.to_dict() == {
        "ad": "descriptive",
        "mail": "adjusted",
        "note": "adjusted",
    }
    after = check_drivers(data, calibrate(drivers, holdout_effects(data)))
    assert after.table.badge[0] == "randomised" and after.table.lead_fires[0]
    assert after.sentence() == "Of 3 touchpoints for conversion: 1 randomised, 2 adjusted."


def test_a_check_says_what_it_could_have_seen(hidden: tuple[tl.Dataset, tl.Drivers]) -> None:
    """A bias that doubles the rate after a touch is half of the outcomes at touched moments."""
    _, drivers = hidden
    seen, enough = power(drivers, np.array([1.0, 1e9, np.nan]))
    exposure = drivers.model.exposure(drivers.parameters)[0]
    expected = chance(drivers.model, drivers.parameters) * drivers.moments.events_each
    assert seen[0] == pytest.approx((expected * (1 - 2 ** (-exposure / np.log(2)))).sum())
    assert seen[1] <= drivers.moments.events and np.isnan(seen[2])
    assert enough.tolist() == [seen[0] <= drivers.incremental().incremental[0], False, False]


def test_touches_that_stop_at_the_outcome_leave_nothing_to_check() -> None:
    """A constant intent, seen by no check: 'ad' has no effect, and nothing may call it adjusted."""
    spec = TouchpointSpec("ad", 0.03, {}, 3.0, targets_intent=1.0)
    mail = TouchpointSpec("mail", 0.03, {"conversion": 0.8}, 3.0)
    tables = tables_of(World((spec, mail), 4_000, 60, SALE, intent_half_life_days=1e6), 4)
    first = tables["outcomes"].groupby("customer_id").timestamp.min()
    met = tables["touches"].customer_id.map(first)
    tables["touches"] = tables["touches"][~(tables["touches"].timestamp > met)]
    tables["outcomes"] = tables["outcomes"].drop_duplicates("customer_id")
    data = tl.open_data(tables)
    table = check_drivers(data, tl.fit_drivers(data, intent="ignore")).table
    assert (table.badge == "untested").all() and table.smallest_bias.isna().all()
    assert table.warning[0].startswith(
        "ad: untested, no check of it could be run; a holdout would settle it."
    )


def test_without_windows_everything_is_descriptive() -> None:
    tables = tables_of(hidden_world(), 1)
    bare = tl.open_data({n: tables[n] for n in ("touches", "outcomes")})
    with pytest.warns(tl.TouchlabWarning, match="no customers table"):
        drivers = tl.fit_drivers(bare)
    checks = check_drivers(bare, drivers)
    assert (checks.table.badge == "descriptive").all()
    assert checks.table.warning.str.contains("observation windows are guessed").all()


def test_hardly_ever_and_nearly_always_present() -> None:
    tables = tables_of(hidden_world(), 1)
    rare = tables["touches"][tables["touches"].touchpoint == "mail"].head(60)
    daily = pd.MultiIndex.from_product(
        [tables["customers"].customer_id, pd.date_range("2025-01-01", periods=40, freq="3D")]
    ).to_frame(index=False, name=["customer_id", "timestamp"])
    more = [rare.assign(touchpoint="rare"), daily.assign(touchpoint="daily")]
    data = tl.open_data(tables | {"touches": pd.concat([tables["touches"], *more])})
    with pytest.warns(tl.TouchlabWarning):
        drivers = tl.fit_drivers(
            data,
            half_lives=dict.fromkeys(["ad", "mail", "note"], 3.0) | {"rare": 3.0, "daily": 3.0},
        )
    shares = presence(drivers).set_index("touchpoint").present
    assert shares["rare"] < 0.01 and shares["daily"] > 0.99
    table = check_drivers(data, drivers).table.set_index("touchpoint")
    assert table.badge[["rare", "daily"]].tolist() == ["descriptive", "descriptive"]
    assert "rare: hardly ever present" in table.warning["rare"]
    assert "daily: nearly always present" in table.warning["daily"]


def test_presence_is_a_share_of_time() -> None:
    """Touches every 0.03 days, present about 4.3 half-lives of 3 days: 1 - exp(-.03 * 13)."""
    world = World((TouchpointSpec("ad", 0.03, {}, 3.0),), 4_000, 120, SALE)
    data = tl.open_data(tables_of(world, 2))
    found = presence(tl.fit_drivers(data, half_lives={"ad": 3.0})).present[0]
    # Exposure of log(1 + A) > .05 is A > .0513: 3 * log2(1 / .0513) = 12.9 days; less at the start.
    assert found == pytest.approx(1 - np.exp(-0.03 * 12.9), abs=0.03)


def test_an_effect_that_changes_is_seen() -> None:
    """Two companies one after the other: `ad` works in the first only, `mail` in both."""
    parts = []
    for number, effect in enumerate((1.5, 0.0)):
        specs = (
            TouchpointSpec("ad", 0.03, {"conversion": effect}, 3.0),
            TouchpointSpec("mail", 0.03, {"conversion": 0.8}, 3.0),
        )
        world = World(specs, 3_000, 90, SALE, start=("2025-01-01", "2025-04-01")[number])
        own = tables_of(world, 3)
        names = ("touches", "outcomes", "customers")
        parts.append(
            {n: own[n].assign(customer_id=own[n].customer_id + f"-{number}") for n in names}
        )
    data = tl.open_data({n: pd.concat([p[n] for p in parts]) for n in parts[0]})
    drivers = tl.fit_drivers(data)
    found = stability(drivers).set_index("touchpoint")
    assert found.stable.to_dict() == {"ad": False, "mail": True}
    assert found.early["ad"] > 1.5 and found.late["ad"] < 1.3
    table = check_drivers(data, drivers).table.set_index("touchpoint")
    assert "ad: its effect changed over time" in table.warning["ad"]
    assert table.badge["ad"] == "adjusted"  # it says what an effect was, not that it was none


def test_negative_controls(hidden: tuple[tl.Dataset, tl.Drivers]) -> None:
    _, drivers = hidden
    found = negative_control(drivers, "note")
    assert found.passes.tolist() == [True] and found.outcome.tolist() == ["conversion"]
    assert negative_control(drivers, ["mail", "note"]).passes.tolist() == [False, True]
    assert len(negative_control(drivers)) == 3
    with pytest.raises(ParameterError) as caught:
        negative_control(drivers, "radio")
    assert str(caught.value) == (
        "negative_control: 'radio' is not a touchpoint of these drivers\n"
        "  use one of: ad, mail, note"
    )


def test_other_data_are_refused(sample: tl.Dataset, hidden: tuple[tl.Dataset, tl.Drivers]) -> None:
    with pytest.raises(DataError, match="the data has none of the touchpoints of the drivers"):
        check_drivers(sample, hidden[1])


@pytest.mark.slow
def test_level_and_power_of_the_lead_test() -> None:
    """Five worlds without hidden intent: few false alarms; hidden intent: hardly a miss.

    Every data set has a seed of its own: worlds of one seed share their random touches, so
    that one chance alarm would come up in all of them.
    """
    single, alarmed, caught = [], [], []
    for number, name in enumerate(2 * list(WORLDS)[:6], start=101):
        data = tl.open_data(tables_of(WORLDS[name](20_000, 180), number))
        drivers = tl.fit_drivers(data, intent="ignore")  # what is taken out is not left to be seen
        lead = lead_test(data, drivers).set_index("touchpoint")
        if name == "hidden intent":
            caught += lead.lead_fires[["t1", "t2", "t7"]].tolist()
        else:
            single += (lead.lead_p < 0.05).tolist()
            alarmed.append(lead.lead_fires.any())
    assert len(alarmed) == 10 and len(single) == 100
    assert np.sum(alarmed) <= 2  # each at most 5 %: three or more has 1 % chance
    assert np.sum(single) <= 11  # each 5 %: twelve or more has 0.4 % chance
    assert np.mean(caught) >= 0.8
