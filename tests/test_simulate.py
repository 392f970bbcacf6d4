"""The simulator: exact hazards, shared random numbers, planted truths, the tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from touchlab.simulate import (
    WORLDS,
    Holdout,
    OutcomeSpec,
    SurveySpec,
    Synergy,
    TouchpointSpec,
    World,
    simulate,
    simulate_paths,
    true_effects,
)

DAY = pd.Timedelta("1D")

SMALL = World(
    (
        TouchpointSpec("search", 0.05, {"conversion": 0.8, "churn": -0.4}, half_life_days=2.0),
        TouchpointSpec(
            "display",
            0.08,
            {"conversion": 0.5},
            half_life_days=4.0,
            response="saturating",
            induces={"search": 0.3},
        ),
        TouchpointSpec("follow", 0.02, targets_history={"search": 1.0}),
        TouchpointSpec("push", 0.1, {"churn": -0.5, "referral": 0.6}, 5.0, phase="after"),
        TouchpointSpec("trouble", 0.02, {"churn": 1.0}, 6.0, phase="after", hidden=True),
    ),
    customers=3_000,
    days=60,
    outcomes={
        "conversion": OutcomeSpec(0.004, intent=1.0, repeat=0.5, value=50.0),
        "churn": OutcomeSpec(0.01, needs_conversion=True),
        "referral": OutcomeSpec(0.008, needs_conversion=True),
    },
    intent_spread=0.5,
    synergies=(Synergy("search", "display", 0.6),),
)


@pytest.fixture(scope="module")
def small():
    return simulate(SMALL, seed=7)


# --- The engine against a second, plain calculation ---------------------------------


def plain_exposures(run, moments):
    """Exposure of every customer at every moment (days), the slow and obvious way."""
    number = {name: n for n, name in enumerate(run.tables["customers"]["customer_id"])}
    start = pd.Timestamp(run.world.start)
    touches = pd.concat([run.tables["touches"], run.hidden["events"]])
    stocks = {}
    for spec in run.world.touchpoints:
        rows = touches[touches["touchpoint"] == spec.name]
        stock = np.zeros((run.world.customers, len(moments)))
        days = (rows["timestamp"] - start) / DAY
        for customer, day in zip(rows["customer_id"].map(number), days, strict=True):
            later = moments > day
            stock[customer, later] += 0.5 ** ((moments[later] - day) / spec.half_life_days)
        stocks[spec.name] = stock
    return stocks


def first_day(run, outcome):
    """Day of the first such outcome of each customer, infinity without one."""
    rows = run.tables["outcomes"].query("outcome == @outcome")
    day = (rows["timestamp"] - pd.Timestamp(run.world.start)) / DAY
    first = day.groupby(rows["customer_id"].to_numpy()).min()
    return first.reindex(run.tables["customers"]["customer_id"]).fillna(np.inf).to_numpy()


def plain_hazard(run, outcome, stocks, moments):
    """Hazard per day of every customer at every moment, 0 while not at risk."""
    spec = run.world.outcomes[outcome]
    response = {
        t.name: 1 - np.exp(-stocks[t.name]) if t.response == "saturating"
        else np.log1p(stocks[t.name])
        for t in run.world.touchpoints
    }  # fmt: skip
    log_hazard = np.log(spec.rate) + spec.intent * run.hidden["intent"][["intent"]].to_numpy()
    for touchpoint in run.world.touchpoints:
        log_hazard = log_hazard + touchpoint.effects.get(outcome, 0) * response[touchpoint.name]
    if outcome == "conversion":
        log_hazard = log_hazard + 0.6 * response["search"] * response["display"]
    customer = moments[np.newaxis, :] > first_day(run, "conversion")[:, np.newaxis]
    log_hazard = log_hazard + spec.repeat * customer
    at_risk = moments[np.newaxis, :] < first_day(run, "churn")[:, np.newaxis]
    if spec.needs_conversion:
        at_risk &= customer
    return np.exp(log_hazard) * at_risk


@pytest.mark.parametrize("outcome", ["conversion", "churn", "referral"])
def test_outcomes_agree_with_the_hazards_summed_over_person_time(small, outcome):
    """Events minus expected events are noise: also when weighted by any exposure.

    Sums of (event - hazard) * weight are martingales with variance sum(hazard * weight^2);
    with a fixed seed and 3 outcomes x 6 weights, 3.5 standard deviations are ample.
    """
    step = 0.25
    moments = np.arange(step / 2, SMALL.days, step)
    stocks = plain_exposures(small, moments)
    expected = plain_hazard(small, outcome, stocks, moments) * step
    number = {name: n for n, name in enumerate(small.tables["customers"]["customer_id"])}
    rows = small.tables["outcomes"].query("outcome == @outcome")
    day = ((rows["timestamp"] - pd.Timestamp(SMALL.start)) / DAY).to_numpy()
    who = rows["customer_id"].map(number).to_numpy()
    for name, weight in {"all": np.ones_like(expected), **stocks}.items():
        # The stock at the moment of the event itself, not at the middle of its step.
        at_event = event_stock(small, name, who, day) if name != "all" else np.ones(len(rows))
        spread = np.sqrt((expected * weight**2).sum())
        assert abs(at_event.sum() - (expected * weight).sum()) < 3.5 * spread, name
    assert len(rows) > 100


def event_stock(run, touchpoint, who, day):
    spec = next(s for s in run.world.touchpoints if s.name == touchpoint)
    touches = pd.concat([run.tables["touches"], run.hidden["events"]])
    touches = touches[touches["touchpoint"] == touchpoint]
    names = run.tables["customers"]["customer_id"].to_numpy()
    when = (touches["timestamp"] - pd.Timestamp(run.world.start)) / DAY
    by_customer = {name: rows.to_numpy() for name, rows in when.groupby(touches["customer_id"])}
    total = []
    for customer, moment in zip(names[who], day, strict=True):
        age = moment - by_customer.get(customer, np.array([]))
        total.append((0.5 ** (age[age > 0] / spec.half_life_days)).sum())
    return np.array(total)


def test_touches_come_at_their_rates(small):
    """display: 3000 x 60 x 0.08 less the time after churn; search: its own and 0.3 each."""
    counts = small.tables["touches"]["touchpoint"].value_counts()
    observed = small.tables["customers"]
    days = ((observed["observed_to"] - observed["observed_from"]) / DAY).sum()
    assert counts["display"] == pytest.approx(0.08 * days, abs=4 * np.sqrt(0.08 * days))
    # A few echoes fall beyond the window: half-life 2 of 60 days, about 5 %.
    induced = counts["search"] - 0.05 * days
    assert 0.9 * 0.3 * counts["display"] < induced < 1.02 * 0.3 * counts["display"]


# --- Random numbers -----------------------------------------------------------------


def test_same_seed_same_tables_other_seed_others(small):
    again, other = simulate(SMALL, seed=7), simulate(SMALL, seed=8)
    for name, table in small.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    assert not small.tables["touches"].equals(other.tables["touches"])


def test_switching_off_a_touchpoint_leaves_the_others_alone():
    """Without after-effects, every other row stays: touches to the last column."""
    world = replace(
        SMALL, touchpoints=SMALL.touchpoints[:3], outcomes={"conversion": OutcomeSpec(0.004)}
    )
    run, off = simulate(world, seed=3), simulate(world, seed=3, without=["follow"])
    touches = run.tables["touches"].query("touchpoint != 'follow'").reset_index(drop=True)
    assert len(touches) < len(run.tables["touches"])
    pd.testing.assert_frame_equal(touches, off.tables["touches"])
    pd.testing.assert_frame_equal(run.tables["outcomes"], off.tables["outcomes"])


def test_switching_off_display_only_removes_searches_and_conversions():
    """Nothing new appears: the same candidates, lower rates."""
    world = replace(
        SMALL, touchpoints=SMALL.touchpoints[:2], outcomes={"conversion": OutcomeSpec(0.004)}
    )
    run, off = simulate(world, seed=3), simulate(world, seed=3, without=["display"])
    for name in ("touches", "outcomes"):
        keys = list(run.tables[name].columns)
        both = off.tables[name].merge(run.tables[name], on=keys, how="left", indicator=True)
        assert (both["_merge"] == "both").all()
    assert len(off.tables["outcomes"]) < len(run.tables["outcomes"])


# --- Truth --------------------------------------------------------------------------


def truth_of(world, outcome, seed=5):
    table = true_effects(world, seed=seed)
    return table[table["outcome"] == outcome].set_index("touchpoint")


def test_truth_equals_runs_without_the_touchpoint(small):
    truth = true_effects(SMALL, seed=7).set_index(["outcome", "touchpoint"])
    was = small.tables["outcomes"]["outcome"].value_counts()
    for name in SMALL.names:
        off = simulate(SMALL, seed=7, without=[name]).tables["outcomes"]["outcome"].value_counts()
        for outcome in SMALL.outcomes:
            total = truth.loc[(outcome, name), "incremental_total"]
            assert total == was[outcome] - off[outcome]
    off = simulate(SMALL, seed=7, without=SMALL.names).tables["outcomes"]["outcome"]
    assert truth.loc[("churn", "push"), "baseline"] == (off == "churn").sum()
    assert truth.loc[("churn", "push"), "outcomes"] == was["churn"]


def test_idle_touchpoints_bring_exactly_nothing():
    truth = truth_of(SMALL, "conversion")
    assert truth.loc["follow", ["incremental_direct", "incremental_total"]].tolist() == [0, 0]
    # push works on churn and referral: no direct effect on conversion.
    assert truth.loc["push", "incremental_direct"] == 0
    # search and display win customers, who can leave: a total effect, no direct one.
    churn = truth_of(SMALL, "churn")
    assert churn.loc["display", "incremental_direct"] == 0
    assert churn.loc["display", "incremental_total"] > 0


def test_induced_touches_make_the_total_larger_than_the_direct_effect():
    truth = truth_of(WORLDS["induced touches"](8_000, 90), "conversion")
    assert truth.loc["t3", "incremental_total"] > truth.loc["t3", "incremental_direct"] > 0
    rest = truth.drop("t3")
    assert (rest["incremental_total"] == rest["incremental_direct"]).all()


def test_hazard_ratio_of_one_first_touch():
    """Logarithmic: exp(0.8 * log 2) = 1.741. Saturating: exp(0.5 * (1 - 1/e)) = 1.372."""
    ratio = truth_of(SMALL, "conversion")["hazard_ratio"]
    assert ratio.round(3).tolist() == [1.741, 1.372, 1.0, 1.0]


def test_repeats_average_over_outcomes_drawn_anew():
    world = replace(SMALL, customers=500)
    one, three = true_effects(world, seed=1), true_effects(world, seed=1, repeats=3)
    assert (three["outcomes"] * 3 % 1).round(9).isin([0, 1]).all()
    assert not np.allclose(one["outcomes"], three["outcomes"])


@pytest.mark.parametrize("name", WORLDS)
def test_scoreboard_worlds_keep_below_their_ceilings(name):
    """Where a rate is capped, the log-linear form ends: that must stay the rare exception."""
    run = simulate(WORLDS[name](5_000, 90), seed=1)
    capped = run.hidden["capped"].set_index("process")["capped"]
    assert capped["conversion"] <= 3
    assert capped.sum() < 1e-3 * len(run.tables["touches"])
    assert len(run.tables["outcomes"]) > 20


def test_synergy_and_rare_outcomes_differ_from_the_plain_world():
    worlds = {name: make(4_000, 90) for name, make in WORLDS.items()}
    counts = {
        name: len(simulate(world, seed=2).tables["outcomes"]) for name, world in worlds.items()
    }
    assert counts["rare outcomes"] < 0.2 * counts["random touches"]
    assert counts["synergy"] != counts["random touches"]


def test_hidden_intent_is_sought_and_drifts():
    run = simulate(WORLDS["hidden intent"](4_000, 90), seed=2)
    touched = run.tables["touches"]["customer_id"][run.tables["touches"]["touchpoint"] == "t1"]
    intent = run.hidden["intent"].set_index("customer_id")["intent"]
    assert intent[touched.unique()].mean() > intent.mean() + 0.05
    # The mean of a drifting path varies less than the path: 0.7 is its spread at a moment.
    assert 0.2 < intent.std() < 0.65


def test_paths_convert_by_the_formula():
    """P = 1 - 0.98 * 0.9 = 0.118 with the ad alone; 0.02 with nothing or the idle one."""
    tables, truth = simulate_paths({"ad": 0.1, "idle": 0.0}, customers=40_000, seed=4)
    met = tables["touches"].query("touchpoint == 'ad'")["customer_id"]
    converted = tables["outcomes"]["customer_id"]
    rate = met.isin(converted).mean()
    assert rate == pytest.approx(0.118, abs=4 * np.sqrt(0.118 * 0.882 / len(met)))
    by_name = truth.set_index("touchpoint")
    assert by_name.loc["idle", "incremental_direct"] == 0
    assert (
        by_name.loc["ad", "incremental_direct"]
        == by_name["outcomes"].iloc[0] - by_name["baseline"].iloc[0]
    )
    joined = tables["touches"].merge(tables["outcomes"], on="customer_id", suffixes=("", "_end"))
    assert (joined["timestamp"] < joined["timestamp_end"]).all()


# --- Tables -------------------------------------------------------------------------


def test_holdout_customers_never_get_the_touchpoint_in_the_window():
    held = Holdout("search", share=0.4, start_day=10, end_day=40)
    tables = simulate(replace(SMALL, holdouts=(held,)), seed=2).tables
    rows = tables["touches"].query("touchpoint == 'search'").merge(tables["experiments"])
    inside = (rows["timestamp"] >= rows["start"]) & (rows["timestamp"] < rows["end"])
    arms = rows.groupby(["arm", inside]).size()
    assert ("holdout", True) not in arms.index
    assert min(arms[("holdout", False)], arms[("treated", True)]) > 100
    assert (tables["experiments"]["arm"] == "holdout").mean() == pytest.approx(0.4, abs=0.04)


def test_churn_ends_everything_and_follows_a_conversion(small):
    outcomes = small.tables["outcomes"]
    churn = outcomes.query("outcome == 'churn'").set_index("customer_id")["timestamp"]
    assert churn.index.is_unique
    for name in ("touches", "outcomes"):
        rows = small.tables[name]
        left = rows["customer_id"].map(churn)
        assert (left.isna() | (rows["timestamp"] <= left)).all()
    first = outcomes.query("outcome == 'conversion'").groupby("customer_id")["timestamp"].min()
    assert (churn > first[churn.index]).all()
    until = small.tables["customers"].set_index("customer_id")["observed_to"]
    assert (until[churn.index] == churn + pd.Timedelta("1s")).all()


def test_tables_are_sorted_at_whole_seconds_within_the_window(small):
    for name in ("touches", "outcomes"):
        rows = small.tables[name].merge(small.tables["customers"], on="customer_id")
        assert (rows["timestamp"] == rows["timestamp"].dt.floor("s")).all()
        assert rows["timestamp"].between(rows["observed_from"], rows["observed_to"]).all()
        ordered = rows.sort_values(["customer_id", "timestamp"], kind="stable")
        assert ordered.index.is_monotonic_increasing
    assert set(small.tables["touches"]["touchpoint"]) == set(SMALL.names)


def test_content_customers_answer_surveys_more_readily():
    surveys = (SurveySpec("search", "csat", sent=1.0, answered=0.3, answered_slope=1.0),)
    flat = replace(surveys[0], answered_slope=0.0)
    score = [
        simulate(replace(SMALL, surveys=(survey,)), seed=2).tables["surveys"]["score"]
        for survey in (surveys[0], flat)
    ]
    assert score[0].mean() > score[1].mean() + 0.1
    assert 0.2 < score[1].notna().mean() < 0.4


def test_a_world_where_nothing_happens_gives_empty_tables():
    silent = World((TouchpointSpec("ad", 0.0),), customers=3, days=2, outcomes={})
    run = simulate(silent, seed=1)
    assert {name: len(table) for name, table in run.tables.items()} == {
        "touches": 0,
        "outcomes": 0,
        "customers": 3,
        "surveys": 0,
        "touchpoints": 1,
        "experiments": 0,
    }
    assert len(true_effects(silent, seed=1)) == 0
