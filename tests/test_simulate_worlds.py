"""What the harder worlds of the scoreboard are made of does what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from touchlab.simulate import OutcomeSpec, TouchpointSpec, Trait, World, simulate, true_effects

ENDS = {"conversion": OutcomeSpec(0.01, ends=True)}


def test_a_conversion_that_ends_ends_touches_and_its_truth_is_exact():
    mail = TouchpointSpec("mail", 0.2, {"conversion": 0.8})
    world = World((mail,), customers=4_000, days=60, outcomes=ENDS)
    tables = simulate(world, seed=1).tables
    outcomes = tables["outcomes"].set_index("customer_id")["timestamp"]
    assert outcomes.index.is_unique
    touches = tables["touches"]
    after = touches["timestamp"] > touches["customer_id"].map(outcomes)
    assert not after.any()
    truth = true_effects(world, seed=1).set_index("touchpoint").loc["mail"]
    without = simulate(world, seed=1, without=["mail"]).tables["outcomes"]
    assert truth["incremental_direct"] == len(outcomes) - len(without)
    # nobody touched: 1 - exp(-0.01 * 60) of all
    assert truth["baseline"] == pytest.approx(4_000 * -np.expm1(-0.6), rel=0.03)


def test_touches_of_others_go_on_where_the_conversion_would_not_have_come():
    pair = [TouchpointSpec(name, 0.3, {"conversion": 1.0}) for name in ("one", "two")]
    world = World(tuple(pair), customers=3_000, days=60, outcomes=ENDS)
    truth = true_effects(world, seed=2)
    # with nothing induced, what is lost does not depend on which touches are called facts
    np.testing.assert_array_equal(truth["incremental_direct"], truth["incremental_total"])


def test_a_delayed_effect_peaks_when_it_says():
    once = TouchpointSpec("once", 1.0, {"conversion": 3.0}, peak_days=3.0, sent_on=(10,))
    world = World((once,), customers=60_000, days=30, outcomes={"conversion": OutcomeSpec(0.002)})
    when = simulate(world, seed=3).tables["outcomes"]["timestamp"]
    day = (when - np.datetime64(world.start)).dt.total_seconds() / 86_400 - 10.4
    by_day = np.histogram(day, bins=[0, 1, 2, 4, 8, 12])[0] / [1, 1, 2, 4, 4]
    assert by_day[0] < by_day[1] < by_day[2] > by_day[3] > by_day[4]


def test_waves_reach_everyone_on_their_days():
    offer = TouchpointSpec("offer", 1.0, sent_on=(5, 20, 400))
    touches = simulate(World((offer,), customers=50, days=30), seed=1).tables["touches"]
    days = touches["timestamp"].dt.strftime("%m-%d").value_counts()
    assert days.to_dict() == {"01-06": 50, "01-21": 50}


def test_value_rises_and_numbers_do_not():
    mail = TouchpointSpec("mail", 0.05, half_life_days=1e6, value_effect=float(np.log2(10.0)))
    once = replace(mail, sent_on=(0,), reach=0.5)
    outcomes = {"conversion": OutcomeSpec(0.01, value=20.0)}
    run = simulate(World((once,), customers=2_000, days=60, outcomes=outcomes), seed=1)
    table = run.tables["outcomes"]
    late = table[table["timestamp"] > "2025-01-02"]
    touched = late["customer_id"].isin(run.tables["touches"]["customer_id"])
    assert late["value"][touched].median() == pytest.approx(200, rel=1e-3)
    assert late["value"][~touched].median() == pytest.approx(20)
    added = run.hidden["value_added"].set_index("touchpoint")["value_added"]["mail"]
    assert added == pytest.approx(180 * touched.sum(), rel=0.02)


def test_numbers_as_levels_make_a_column_of_numbers_and_a_bot_is_one_customer():
    trait = Trait("orders", {0: 3.0, 50: 1.0}, touches={50: 1.0})
    ad = TouchpointSpec("ad", 0.01)
    world = World((ad,), customers=400, days=30, traits=(trait,), bot={"ad": 5_000})
    tables = simulate(world, seed=1).tables
    assert set(tables["customers"]["orders"]) == {0.0, 50.0}
    assert len(tables["customers"]) == 401
    assert tables["touches"]["customer_id"].value_counts().iloc[0] == 5_000


def test_fatigue_harms_those_who_get_too_much():
    much = TouchpointSpec("much", 1.0, {"conversion": 1.0}, 8.0, response="fatigue", ceiling=1.5)
    little = replace(much, rate=0.05, ceiling=None)
    for spec, sign in ((much, -1), (little, 1)):
        outcomes = {"conversion": OutcomeSpec(0.01)}
        truth = true_effects(World((spec,), customers=1_000, days=60, outcomes=outcomes), seed=1)
        assert np.sign(truth["incremental_direct"][0]) == sign
