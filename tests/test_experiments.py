"""Experiments planned, handed out, watched, and read from whatever they left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import touchlab as tl
from touchlab.cli import main
from touchlab.drivers.arms import as_replicates, carried, cluster_difference, clusters_of
from touchlab.errors import MissingInput, ParameterError, TooThin
from touchlab.experiments.design import sample_weeks, simulate_power, value_of_information
from touchlab.experiments.plan import granted_bias
from touchlab.experiments.watch import always_reach
from touchlab.numeric import jackknife
from touchlab.simulate import (
    Holdout,
    OutcomeSpec,
    TouchpointSpec,
    Trait,
    World,
    simulate,
)

STORES = Trait("store", {f"s{i:02}": 1.0 for i in range(24)})
MAIL = TouchpointSpec("mail", 0.05, {"conversion": 1.0}, 3.0, cost=0.1)
CALL = TouchpointSpec("call", 0.02, {"conversion": 0.5}, 3.0)
HELP = TouchpointSpec("help", 0.02, {}, 3.0, owner="customer", direction="in")
SHOP = World(
    (MAIL, CALL, HELP), 3000, 100, outcomes={"conversion": OutcomeSpec(0.004, value=50.0)},
    traits=(STORES,),
)  # fmt: skip


def frames(world: World, seed: int = 1) -> dict[str, pd.DataFrame]:
    return {name: t for name, t in simulate(world, seed=seed).tables.items() if len(t)}


@pytest.fixture(scope="module")
def shop() -> tl.Dataset:
    return tl.open_data(frames(SHOP))


@pytest.fixture(scope="module")
def drivers(shop: tl.Dataset) -> tl.Drivers:
    return tl.fit_drivers(shop, intent="ignore")


# --- what knowing is worth ----------------------------------------------------------------


def test_the_value_of_information_is_what_integration_says() -> None:
    mean, prior, error = 1.2, 4.0, 3.0
    s = prior / np.sqrt(prior + error)
    kept, _ = integrate.quad(lambda x: max(x, 0) * stats.norm.pdf(x, mean, s), -30, 30)
    found = value_of_information(mean, prior, error)
    assert float(found[0]) == pytest.approx(kept - max(mean, 0), rel=1e-6)
    assert float(found[1]) == pytest.approx(stats.norm.cdf(0, mean, s))
    assert float(value_of_information(-mean, prior, error)[0]) == pytest.approx(float(found[0]))


def test_bias_is_granted_by_badge(drivers: tl.Drivers) -> None:
    estimate = drivers.removed
    rows = [
        granted_bias(drivers, [b] * 3, estimate)
        for b in ("randomised", "adjusted", "untested", "descriptive")
    ]
    assert (rows[0] == 0).all() and (rows[1] > 0).all()
    assert np.allclose(rows[1], rows[2])
    assert np.allclose(rows[3], np.hypot(rows[1], estimate))


def test_touches_before_an_experiment_still_work_in_it() -> None:
    # an exposure that began long before, less what fades of it: averaged over each day
    day = np.linspace(0, 28, 100_001)
    shown = 1 - (2 ** (-day / 5)).mean()
    assert float(carried(28.0, 5.0)) == pytest.approx(shown, abs=1e-4)


# --- the queue ----------------------------------------------------------------------------


def test_the_queue_is_made_of_what_can_be_held_back(shop: tl.Dataset, drivers: tl.Drivers) -> None:
    plan = tl.plan_experiments(shop, drivers)
    assert sorted(plan.table.touchpoint) == ["call", "mail"]
    assert "cannot be held back: help" in plan.notes
    assert plan.table.net.is_monotonic_decreasing
    assert np.allclose(plan.table.net, plan.table.worth - plan.table.forgone)
    best = plan.designs.groupby("touchpoint").net.max()
    assert np.allclose(plan.table.set_index("touchpoint").net, best[plan.table.touchpoint])
    assert plan.table.simulated.between(0.74, 0.86).all()
    tried = plan.table.net.max() >= 1  # outcome that it must be worth, to be proposed
    assert plan.sentence().startswith("Try " if tried else "No holdout is expected to pay")
    assert "<svg" in plan.plot().svg()


def test_more_held_out_for_longer_finds_less_and_forgoes_more(
    shop: tl.Dataset, drivers: tl.Drivers
) -> None:
    table = tl.plan_experiments(shop, drivers).designs.query("touchpoint == 'mail'")
    by_share = table[table.weeks == 8].sort_values("share")
    assert by_share.detectable.is_monotonic_decreasing and by_share.forgone.is_monotonic_increasing
    by_weeks = table[table["share"] == 0.5].sort_values("weeks")
    assert by_weeks.part.is_monotonic_decreasing


def test_without_costs_no_chance_of_turning_is_told(drivers: tl.Drivers) -> None:
    bare = frames(SHOP)
    bare["touches"] = bare["touches"].drop(columns="cost")
    data = tl.open_data(bare)
    plan = tl.plan_experiments(data, tl.fit_drivers(data, intent="ignore"))
    assert plan.table.probability.isna().all() and (plan.table.worth > 0).all()
    assert any(note.startswith("touches have no cost") for note in plan.notes)
    assert "what it costs is not known" in plan.sentence()


def test_what_cannot_be_planned_is_refused_by_name(shop: tl.Dataset, drivers: tl.Drivers) -> None:
    with pytest.raises(ParameterError, match="shares"):
        tl.plan_experiments(shop, drivers, shares=(0.9,))
    with pytest.raises(TooThin, match="shorter than 52 weeks"):
        tl.plan_experiments(shop, drivers, weeks=(52,), horizon_days=1000)
    halves = frames(replace(SHOP, traits=(Trait("half", {"a": 1.0, "b": 1.0}),)))
    with pytest.raises(TooThin, match="half sorts customers into 2 groups, at least 10"):
        tl.plan_experiments(tl.open_data(halves), drivers, by="half")


def test_groups_need_more_than_customers_do(shop: tl.Dataset, drivers: tl.Drivers) -> None:
    whole = tl.plan_experiments(shop, drivers, weeks=(4,), shares=(0.5,))
    groups = tl.plan_experiments(shop, drivers, by="store", weeks=(4,), shares=(0.5,))
    one, other = (p.table.set_index("touchpoint").detectable["mail"] for p in (whole, groups))
    assert other > one  # the change of 24 stores, against 3,000 customers
    assert groups.table.simulated.between(0.7, 0.9).all()


@pytest.mark.slow
def test_power_by_formula_is_power_by_simulation(shop: tl.Dataset) -> None:
    risk = tl.fit_drivers(shop, intent="ignore").moments.risk
    for weeks in (4, 8):
        for by in (None, "store"):
            sample = sample_weeks(shop, risk, weeks, by)
            assert sample is not None
            for share in (0.2, 0.5):
                effect = sample.detectable(share)
                found = simulate_power(sample, share, effect, repeats=2000)
                assert found == pytest.approx(0.8, abs=0.05), (weeks, by, share)
                none = simulate_power(sample, share, 0.0, repeats=2000)
                assert none == pytest.approx(0.05, abs=0.02)


# --- handing it out -----------------------------------------------------------------------


def test_an_assignment_is_the_experiments_table(shop: tl.Dataset, tmp_path: Path) -> None:
    arms = tl.assign_experiment(shop, "mail", share=0.2, weeks=6, strata=["store"], seed=5)
    assert arms.equals(
        tl.assign_experiment(shop, "mail", share=0.2, weeks=6, strata=["store"], seed=5)
    )
    held = arms[arms.arm == "holdout"]
    assert abs(len(held) - 0.2 * len(arms)) <= 1
    in_strata = held.groupby("stratum").size() - 0.2 * arms.groupby("stratum").size()
    assert in_strata.abs().max() <= 1
    other = tl.assign_experiment(shop, "mail", share=0.2, weeks=6, seed=6)
    assert 0.1 < (other.arm[arms.arm == "holdout"] == "holdout").mean() < 0.3
    for name, table in frames(SHOP).items():
        table.to_parquet(tmp_path / f"{name}.parquet", index=False)
    out = tmp_path / "experiments.csv"
    typed = ["experiment", str(tmp_path), "mail", "--share", "0.2", "--weeks", "6"]
    assert main([*typed, "--out", str(out)]) == 0
    assert main([*typed, "--out", str(out)]) == 2  # arms stay as drawn
    back = tl.open_data(tmp_path).tables["experiments"].to_pandas()
    drawn = tl.assign_experiment(shop, "mail", share=0.2, weeks=6)
    columns = ["customer_id", "touchpoint", "arm", "start", "end", "share"]
    ordered = back.sort_values("customer_id", ignore_index=True)[columns]
    for name in columns:
        assert ordered[name].astype(str).tolist() == drawn[name].astype(str).tolist(), name


def test_customers_in_a_running_experiment_are_left_out(shop: tl.Dataset) -> None:
    first = tl.assign_experiment(shop, "mail", weeks=4).head(1000)
    busy = tl.open_data(frames(SHOP) | {"experiments": first})
    second = tl.assign_experiment(busy, "call", share=0.2)
    assert not set(second.customer_id) & set(first.customer_id)
    later = tl.assign_experiment(busy, "call", start=first.end[0])
    assert set(first.customer_id) < set(later.customer_id)


def test_stores_are_held_back_whole(shop: tl.Dataset) -> None:
    arms = tl.assign_experiment(shop, "mail", share=0.25, by="store")
    by_store = arms.groupby("stratum").arm.nunique()
    assert (by_store == 1).all()
    assert arms[arms.arm == "holdout"].stratum.nunique() == 6


def test_what_cannot_be_handed_out_is_refused_by_name(shop: tl.Dataset) -> None:
    with pytest.raises(ParameterError, match="'mial' is not in touches; did you mean 'mail'"):
        tl.assign_experiment(shop, "mial")
    with pytest.raises(ParameterError, match="'help' is the customer's own"):
        tl.assign_experiment(shop, "help")
    with pytest.raises(ParameterError, match=r"share: 0\.7"):
        tl.assign_experiment(shop, "mail", share=0.7)
    with pytest.raises(TooThin, match="3 customers would be held out, at least 10"):
        tl.assign_experiment(shop, "mail", share=0.001)


def test_an_experiment_yet_to_begin_has_no_effect(shop: tl.Dataset) -> None:
    for more in ({}, {"customers"}):  # with windows, and with none
        tables = frames(SHOP) | {"experiments": tl.assign_experiment(shop, "mail")}
        data = tl.open_data({n: t for n, t in tables.items() if n not in more})
        with pytest.raises(TooThin):
            tl.holdout_effects(data)
        with pytest.raises(MissingInput):
            tl.check_experiments(data)


# --- watching -----------------------------------------------------------------------------


def running(share_said: float = 0.2, leak: bool = False) -> tl.Dataset:
    tables = frames(replace(SHOP, holdouts=(Holdout("mail", 0.2, 40),)))
    tables["experiments"]["share"] = share_said
    if leak:
        held = tables["experiments"].query("arm == 'holdout'").customer_id
        late = tables["touches"].timestamp.max()
        more = pd.DataFrame({"customer_id": held, "timestamp": late, "touchpoint": "mail"})
        tables["touches"] = pd.concat([tables["touches"], more])
    return tl.open_data(tables)


def test_a_sound_experiment_is_called_sound() -> None:
    data = running()
    found = tl.check_experiments(data)
    row = found.table.iloc[0]
    assert row.arms == "as drawn" and row.mismatch_p > 0.001 and row.leak == 0
    assert row.always_low < row.ci_low < row.incremental < row.ci_high < row.always_high
    assert row.could_see > 0 and "mail" in found.sentence()


def test_arms_that_are_not_as_drawn_and_arms_that_leak_are_named() -> None:
    wrong = tl.check_experiments(running(share_said=0.3)).table.iloc[0]
    assert wrong.arms == "mismatch" and wrong.verdict.startswith("arms are not as drawn")
    leaking = tl.check_experiments(running(leak=True)).table.iloc[0]
    assert leaking.leak > 0.5 and "leaks to the holdout" in leaking.verdict
    unknown = tl.open_data(frames(replace(SHOP, holdouts=(Holdout("mail", 0.2, 40),))))
    assert tl.check_experiments(unknown).table.arms[0] == "untested"


def test_looking_every_day_keeps_the_level() -> None:
    random, days, each, repeats = np.random.default_rng(7), 56, 200, 400
    fixed = always = 0
    for _ in range(repeats):
        # customers differ in how often they buy; half of them are held out, to no effect
        rate = random.gamma(0.5, 0.04, (2, each))
        counts = random.poisson(rate[:, :, None], (2, each, days)).cumsum(axis=2)
        difference = counts[0].mean(axis=0) - counts[1].mean(axis=0)
        error = np.sqrt(counts.var(axis=1, ddof=1).sum(axis=0) / each)
        seen = np.arange(days) >= 6
        reach = always_reach(error, np.arange(1, days + 1) / days)
        fixed += bool((np.abs(difference) > 1.96 * error)[seen].any())
        always += bool((np.abs(difference) > reach)[seen].any())
    assert fixed / repeats > 0.1  # what peeking does to the usual interval
    assert always / repeats <= 0.05


# --- any lift -----------------------------------------------------------------------------


def test_replicates_of_a_lift_carry_its_error_and_nothing_of_the_model() -> None:
    model = np.r_[50.0, 50 + np.random.default_rng(1).normal(size=50)]
    lift = as_replicates(100.0, 7.0, model, 3)
    error, _ = jackknife(lift[0], lift[1:])
    assert float(error) == pytest.approx(7.0, rel=1e-6)
    assert abs((lift[1:] - lift[1:].mean()) @ (model[1:] - model[1:].mean())) < 1e-6


def test_a_lift_calibrates_as_its_list_of_customers_does() -> None:
    tables = frames(replace(SHOP, customers=6000, holdouts=(Holdout("mail", 0.5, 30),)))
    data = tl.open_data(tables)
    drivers = tl.fit_drivers(data, intent="ignore")
    found = tl.holdout_effects(data)
    listed = tl.calibrate(drivers, found, doubted=())
    row, plan = found.table.iloc[0], tables.pop("experiments")
    lift = {"touchpoint": "mail", "start": plan.start[0], "end": plan.end[0], "source": "panel"}
    lift |= {"outcome": "conversion", "lift": row.incremental}
    given = tl.open_data(
        tables | {"lifts": pd.DataFrame([lift | {"standard_error": row.se * row.n_treated}])}
    )
    read = tl.holdout_effects(given)
    assert read.table.source.tolist() == ["panel"] and read.table.incremental[0] == row.incremental
    assert "panel" in read.summary().to_string() and "mail" in read.sentence()
    same = tl.calibrate(drivers, read, doubted=())
    one, other = listed.change.iloc[0], same.change.iloc[0]
    assert abs(one.after - other.after) < 0.25 * (one.after_high - one.after_low)
    assert other.weight == pytest.approx(one.weight, abs=0.15)
    assert one.randomised and other.randomised
    table = same.incremental(total=False, checks=tl.check_drivers(given, same))
    assert table.set_index("touchpoint").badge["mail"] == "randomised"


def test_arms_by_store_are_compared_by_store() -> None:
    tables = frames(SHOP)
    held = tables["customers"].store.isin([f"s{i:02}" for i in range(12)])
    start, end = pd.Timestamp("2025-02-20"), pd.Timestamp("2025-04-10")
    tables["experiments"] = pd.DataFrame(
        {
            "customer_id": tables["customers"].customer_id,
            "touchpoint": "mail",
            "arm": np.where(held, "holdout", "treated"),
            "start": start,
            "end": end,
        }
    )
    data = tl.open_data(tables)
    assert clusters_of(data) == {"mail": "store"}
    row = tl.holdout_effects(data).table.iloc[0]
    assert row.source.startswith("24 groups by store")
    bought = tables["outcomes"].merge(tables["customers"][["customer_id", "store"]])
    length = end - start
    sizes = tables["customers"].groupby("store").size()
    change = sum(
        sign * bought[bought.timestamp.between(a, b, "left")].groupby("store").size() / sizes
        for sign, a, b in ((1, start, end), (-1, start - length, start))
    )
    own = cluster_difference(change.to_numpy(), sizes.to_numpy(float), np.arange(24) < 12)
    assert row.difference == pytest.approx(own[0], rel=1e-6)
    assert row.se == pytest.approx(own[1], rel=1e-6)
    drivers = tl.fit_drivers(data, intent="ignore")
    change = tl.calibrate(drivers, tl.holdout_effects(data), doubted=()).change
    assert change.experiment[0] == pytest.approx(row.incremental)


def test_lifts_that_say_nothing_are_named() -> None:
    row = {"touchpoint": "mail", "start": "2025-02-01T00:00:00Z", "end": "2025-03-01T00:00:00Z"}
    row |= {"outcome": "conversion", "lift": 10.0, "standard_error": 0.0}
    data = tl.open_data(frames(SHOP) | {"lifts": pd.DataFrame([row])})
    with pytest.raises(TooThin, match="with a standard error"):
        tl.holdout_effects(data)
    both = [row | {"standard_error": 3.0, "end": "2025-02-20"}, row | {"standard_error": 4.0}]
    found = tl.holdout_effects(tl.open_data(frames(SHOP) | {"lifts": pd.DataFrame(both)}))
    assert len(found.table) == 1 and found.notes[0].startswith("1 lifts without")


def test_customers_who_differ_in_nothing_give_no_interval() -> None:
    """Everybody buys once, held out or not: nothing varies, and nothing is made up."""
    day = pd.Timestamp("2026-03-01", tz="UTC")
    people = pd.DataFrame({"customer_id": [f"c{i}" for i in range(400)]})
    window = {"observed_from": day, "observed_to": day + pd.Timedelta("30D")}
    arms = people.assign(touchpoint="mail", arm=["treated", "holdout"] * 200)
    mails = people[::2].assign(timestamp=day, touchpoint="mail")
    bought = people.assign(timestamp=day + pd.Timedelta("3D"), outcome="conversion")
    start, end = window.values()
    data = tl.open_data(
        {
            "touches": mails, "outcomes": bought, "customers": people.assign(**window),
            "experiments": arms.assign(start=start, end=end),
        }
    )  # fmt: skip
    said = tl.check_experiments(data).sentence()
    assert said == "mail: customers differ in nothing, so no interval is made."
    with pytest.raises(tl.MissingInput, match="no touch was sent at a moment at risk"):
        tl.next_touch(data, tl.fit_drivers(data))
