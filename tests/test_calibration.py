"""Experiments by hand and on real data, and drivers brought in line with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers.calibrate import CalibratedDrivers, calibrate, weigh
from touchlab.drivers.experiments import holdout_effects
from touchlab.errors import DataError, MissingInput, ParameterError
from touchlab.numeric import jackknife
from touchlab.simulate import (
    WORLDS,
    Holdout,
    OutcomeSpec,
    TouchpointSpec,
    World,
    simulate,
    true_effects,
)

DAY0 = pd.Timestamp("2026-03-01")
HILLSTROM = Path(__file__).parents[1] / ".." / "shared" / "data" / "hillstrom.parquet"


def day(number: float) -> pd.Timestamp:
    return DAY0 + pd.Timedelta(days=number)


def tables(
    arms: dict[str, str],
    outcomes: list[tuple[str, float, str, float]],
    touches: list[tuple[str, float]] = (),  # type: ignore[assignment]
) -> dict[str, pd.DataFrame]:
    """An experiment with `ad` from day 10 to day 20; customers are observed for 30 days."""
    touched = list(touches) or [(next(iter(arms)), 12.0)]
    return {
        "touches": pd.DataFrame(
            [(c, day(t), "ad") for c, t in touched],
            columns=["customer_id", "timestamp", "touchpoint"],
        ),
        "outcomes": pd.DataFrame(
            [(c, day(t), name, value) for c, t, name, value in outcomes],
            columns=["customer_id", "timestamp", "outcome", "value"],
        ),
        "customers": pd.DataFrame(
            {"customer_id": list(arms), "observed_from": day(0), "observed_to": day(30)}
        ),
        "experiments": pd.DataFrame(
            {
                "customer_id": list(arms),
                "touchpoint": "ad",
                "arm": list(arms.values()),
                "start": day(10),
                "end": day(20),
            }
        ),
    }


SIX = {"a": "treated", "b": "treated", "c": "treated", "x": "holdout", "y": "holdout"}
BUYS = [
    ("a", 11.0, "conversion", 10.0),
    ("a", 12.0, "conversion", 20.0),
    ("b", 15.0, "conversion", 40.0),
    ("c", 5.0, "conversion", 99.0),  # before the experiment
    ("x", 25.0, "conversion", 99.0),  # after it
    ("y", 19.0, "conversion", 30.0),
]


def test_counts_by_hand() -> None:
    row = holdout_effects(tl.open_data(tables(SIX, BUYS))).table.iloc[0]
    # treated 2, 1, 0: mean 1, variance 1, of the mean 1/3; holdout 0, 1: mean 1/2, 1/2, 1/4.
    assert (row.n_treated, row.n_holdout) == (3, 2)
    assert (row.rate_treated, row.rate_holdout, row.difference) == (1.0, 0.5, 0.5)
    assert row.se == pytest.approx(np.sqrt(1 / 3 + 1 / 4))
    assert row.incremental == pytest.approx(1.5)  # 0.5 for each of three treated
    assert row.ratio == pytest.approx(2.0)
    assert row.detectable == pytest.approx((1.959964 + 0.841621) * row.se, rel=1e-5)
    assert row.touched_treated == pytest.approx(1 / 3) and row.touched_holdout == 0
    assert row.days == pytest.approx(10.0)


def test_values_by_hand() -> None:
    row = holdout_effects(tl.open_data(tables(SIX, BUYS)), measure="value").table.iloc[0]
    # treated 30, 40, 0: mean 70/3; holdout 0, 30: mean 15.
    assert row.rate_treated == pytest.approx(70 / 3) and row.rate_holdout == 15.0
    assert row.incremental == pytest.approx(70 - 45)


def test_an_outcome_that_comes_once_counts_once() -> None:
    data = tl.open_data(tables(SIX, BUYS))
    row = holdout_effects(data, recurrent=False).table.iloc[0]
    # c had it before the experiment and is not at risk: treated a 1, b 1; holdout x 0, y 1.
    assert (row.n_treated, row.rate_treated, row.rate_holdout) == (2, 1.0, 0.5)


def test_churn_counts_only_those_at_risk_at_the_start() -> None:
    rows = [(c, 3.0, "conversion", 1.0) for c in "abxy"] + [("c", 12.0, "conversion", 1.0)]
    rows += [("a", 15.0, "churn", 0.0), ("b", 4.0, "churn", 0.0), ("c", 16.0, "churn", 0.0)]
    arms = SIX | {"d": "treated"}
    rows += [("d", 3.0, "conversion", 1.0)]
    found = holdout_effects(tl.open_data(tables(arms, rows)), outcome="churn")
    # b churned before, c converted during it: left are a and d, of whom a churns.
    assert (found.table.n_treated[0], found.table.rate_treated[0]) == (2, 0.5)
    assert found.notes[0] == (
        "2 of 6 places in experiments are not counted: not at risk of churn at its start, "
        "or not observed during it"
    )


def test_customers_in_both_arms_are_left_out_and_named() -> None:
    frames = tables(SIX | {"z": "treated"}, BUYS)
    again = frames["experiments"].tail(1).assign(arm="holdout", start=day(21), end=day(25))
    frames["experiments"] = pd.concat([frames["experiments"], again])
    found = holdout_effects(tl.open_data(frames))
    assert found.table.n_treated[0] == 3
    assert "1 customers are in both arms of an experiment, and left out" in found.notes


def test_without_windows_the_untouched_count_as_well() -> None:
    frames = {k: v for k, v in tables(SIX, BUYS).items() if k != "customers"}
    row = holdout_effects(tl.open_data(frames)).table.iloc[0]
    assert (row.n_treated, row.n_holdout, row.difference) == (3, 2, 0.5)


def test_a_holdout_that_was_not_kept_is_named() -> None:
    touches = [("a", 12.0), ("b", 12.0), ("x", 12.0), ("y", 13.0)]
    found = holdout_effects(tl.open_data(tables(SIX, BUYS, touches)))
    assert "ad: the holdout was touched as well; the effect is understated" in found.notes


def test_the_sentence_says_what_could_not_be_seen() -> None:
    text = holdout_effects(tl.open_data(tables(SIX, BUYS))).sentence()
    assert text.startswith("Incremental conversion among the treated, by experiment: ad 2 (")
    assert text.endswith("not told from none (it could see 6).")


def test_bad_input_is_refused() -> None:
    frames = tables(SIX, BUYS)
    data = tl.open_data(frames)
    with pytest.raises(ParameterError, match="measure: 'euro' is not a choice\n  use 'count'"):
        holdout_effects(data, measure="euro")
    with pytest.raises(ParameterError, match="no outcome is named 'sale'"):
        holdout_effects(data, outcome="sale")
    bare = tl.open_data({k: v for k, v in frames.items() if k != "experiments"})
    with pytest.raises(MissingInput, match="There is no experiments table"):
        holdout_effects(bare)
    lone = tl.open_data(tables({"a": "treated", "b": "treated", "x": "holdout"}, BUYS[:3]))
    with pytest.raises(DataError) as caught:
        holdout_effects(lone)
    assert str(caught.value) == (
        "experiments: none has 2 customers at risk of conversion in each arm\n"
        "  first: ad: treated 2, holdout 1\n"
        "  give both arms, with customers observed between start and end"
    )


def test_an_experiment_without_both_arms_is_left_out_and_named() -> None:
    frames = tables(SIX, BUYS)
    lone = frames["experiments"].head(3).assign(touchpoint="mail")
    frames["experiments"] = pd.concat([frames["experiments"], lone])
    found = holdout_effects(tl.open_data(frames))
    assert found.table.touchpoint.tolist() == ["ad"]
    assert found.notes == (
        "mail: treated 3, holdout 0 customers at risk of conversion: too few, left out",
    )


def hillstrom() -> dict[str, pd.DataFrame]:
    """Two e-mails against one control [Hillstrom 2008], as tables of the contract."""
    rows = pd.read_parquet(HILLSTROM)
    emails = {"mens_email": "Mens E-Mail", "womens_email": "Womens E-Mail"}
    control = rows.customer_id[rows.segment == "No E-Mail"]
    parts, touches = [], []
    for name, segment in emails.items():
        own = rows.customer_id[rows.segment == segment]
        for arm, ids in (("treated", own), ("holdout", control)):
            parts.append(pd.DataFrame({"customer_id": ids, "touchpoint": name, "arm": arm}))
        touches.append(pd.DataFrame({"customer_id": own, "touchpoint": name}))
    happened = [
        rows.loc[rows[name] == 1, ["customer_id", "spend"]].assign(outcome=name)
        for name in ("visit", "conversion")
    ]
    return {
        "touches": pd.concat(touches).assign(timestamp=day(0.01)),
        "outcomes": pd.concat(happened).rename(columns={"spend": "value"}).assign(timestamp=day(7)),
        "customers": pd.DataFrame(
            {"customer_id": rows.customer_id, "observed_from": day(0), "observed_to": day(14)}
        ),
        "experiments": pd.concat(parts).assign(start=day(0), end=day(14)),
    }


@pytest.mark.skipif(not HILLSTROM.exists(), reason="needs ../shared/data/hillstrom.parquet")
def test_hillstrom() -> None:
    """Values 11 and 12: visit, conversion and spend of two arms against one control."""
    data = tl.open_data(hillstrom())
    visit = holdout_effects(data, outcome="visit").table.set_index("touchpoint")
    assert (100 * visit.difference).round(2).tolist() == [7.66, 4.52]
    assert (100 * visit.rate_treated).round(2).tolist() == [18.28, 15.14]
    assert (100 * visit.rate_holdout).round(2).tolist() == [10.62, 10.62]
    sale = holdout_effects(data).table.set_index("touchpoint")
    assert (100 * sale.difference).round(3).tolist() == [0.681, 0.311]
    spend = holdout_effects(data, measure="value").table.set_index("touchpoint")
    assert spend.difference.round(3).tolist() == [0.770, 0.424]
    assert spend.se.round(3).tolist() == [0.145, 0.130]
    assert (spend.n_treated + spend.n_holdout).tolist() == [21_307 + 21_306, 21_387 + 21_306]


def small_world() -> World:
    """Two touchpoints; `ad` goes to customers who are about to buy and does little itself."""
    return World(
        (
            TouchpointSpec("ad", 0.03, {"conversion": 0.2}, 3.0, targets_intent=1.0),
            TouchpointSpec("mail", 0.03, {"conversion": 0.8}, 3.0),
        ),
        customers=6_000,
        days=120,
        outcomes={"conversion": OutcomeSpec(0.002, intent=1.0, ceiling=0.1)},
        intent_spread=0.7,
        intent_half_life_days=20.0,
        holdouts=(Holdout("ad", share=0.4, start_day=20),),
    )


def opened(world: World, seed: int) -> tl.Dataset:
    run = simulate(world, seed=seed)
    return tl.open_data({name: table for name, table in run.tables.items() if len(table)})


@pytest.fixture(scope="module")
def small() -> tl.Dataset:
    return opened(small_world(), 1)


@pytest.fixture(scope="module")
def calibrated(small: tl.Dataset) -> CalibratedDrivers:
    return calibrate(tl.fit_drivers(small), holdout_effects(small))


def test_the_experiment_alone_counts_where_the_lead_test_fires(
    calibrated: CalibratedDrivers,
) -> None:
    row = calibrated.change.iloc[0]
    assert row.touchpoint == "ad" and row.doubted and row.weight == 1.0 and row.randomised
    assert row.target == pytest.approx(row.experiment)
    truth = true_effects(small_world(), seed=1).set_index("touchpoint").incremental_direct["ad"]
    assert abs(row.after - truth) < 0.5 * abs(row.before - truth)
    assert row.after_low < truth < row.after_high
    assert row.before_low > truth  # and without the experiment it is missed


def test_the_model_repeats_its_target(small: tl.Dataset, calibrated: CalibratedDrivers) -> None:
    """Removal over the arms, added up by hand from the calibrated drivers, is the target."""
    moments, experiments = calibrated.moments, small.tables["experiments"].to_pandas()
    arm = experiments.set_index("customer_id").arm.reindex(moments.table.customer).to_numpy()
    inside = moments.table.time.to_numpy() > experiments.start.iloc[0].timestamp()
    counts = experiments.arm.value_counts()
    exposure, _ = calibrated.model.exposures(calibrated.parameters.log_half_lives)
    lost = calibrated._expected(calibrated.parameters)
    lost = lost * -np.expm1(-calibrated.parameters.effects[0] * exposure[0]) * inside
    arms = {name: lost[arm == name].sum() / counts[name] for name in counts.index}
    difference = (arms["treated"] - arms["holdout"]) * counts["treated"]
    assert difference == pytest.approx(calibrated.change.target[0], rel=1e-3)


def test_other_touchpoints_and_expected_outcomes_stay(calibrated: CalibratedDrivers) -> None:
    before, after = calibrated.uncalibrated, calibrated
    columns = ["incremental", "ci_low", "ci_high", "hazard_ratio"]
    old, new = (d.incremental(total=False).set_index("touchpoint") for d in (before, after))
    pd.testing.assert_frame_equal(old.loc[["mail"], columns], new.loc[["mail"], columns], rtol=1e-2)
    assert new.fair_share.sum() + after.baseline.baseline[0] == pytest.approx(
        old.fair_share.sum() + before.baseline.baseline[0]
    )
    assert list(old.columns) == list(new.columns)
    assert len(after.regression.params) == len(before.regression.params)


@pytest.mark.slow
def test_calibrating_churn_runs_on_the_sample() -> None:
    """An outcome that comes once, with a weak experiment: the model keeps its say."""
    data = tl.open_data("data/sample")
    holdouts = holdout_effects(data, outcome="churn")
    change = calibrate(tl.fit_drivers(data, outcome="churn"), holdouts).change
    assert change.touchpoint.tolist() == ["email_newsletter", "retargeting"]
    assert (change.weight < 0.2).all() and not change.randomised.any()
    assert (change.before - change.after).abs().max() < 10


def test_what_does_not_fit_together_is_refused(
    small: tl.Dataset, calibrated: CalibratedDrivers
) -> None:
    with pytest.raises(ParameterError, match=r"already\n  give drivers\.uncalibrated"):
        calibrate(calibrated, holdout_effects(small))
    data = tl.open_data("data/sample")
    churn = holdout_effects(data, outcome="churn")
    with pytest.raises(ParameterError, match="are of conversion, the holdouts of churn"):
        calibrate(calibrated.uncalibrated, churn)
    value = holdout_effects(data, measure="value")
    with pytest.raises(ParameterError, match="the holdouts are of value"):
        calibrate(calibrated.uncalibrated, value)
    other = holdout_effects(data)
    with pytest.raises(ParameterError) as caught:
        calibrate(calibrated.uncalibrated, other)
    assert str(caught.value) == (
        "calibrate: no touchpoint of the drivers has a holdout; "
        "holdouts are of email_newsletter, retargeting\n  name them as in touches: ad, mail"
    )


def test_weights() -> None:
    rest = np.tile([-1.0, 1.0], 25)
    experiment, model = np.r_[100.0, 100 + 3 * rest], np.r_[100.0, 100 + rest[::-1]]
    sure = weigh(experiment, model, doubt=0.0, doubted=False)[0]
    assert sure < 0.3  # nothing doubts a model three times as precise
    assert weigh(experiment, model, doubt=1e6, doubted=False)[0] == pytest.approx(1.0)
    assert weigh(experiment, model, doubt=0.0, doubted=True)[0] == 1.0
    weights = [weigh(experiment, model + gap, doubt=5.0, doubted=False)[0] for gap in (0, 60, 200)]
    assert weights[0] < weights[1] < weights[2]


@pytest.mark.slow
def test_holdouts_halve_the_error_of_hidden_intent() -> None:
    """Five seeds, 30,000 customers, a fifth held out from t1 and t2; t2 works and t1 does not."""
    before, after, inside = [], [], []
    for seed in range(1, 6):
        holdouts = (Holdout("t1", share=0.2), Holdout("t2", share=0.2))
        world = replace(WORLDS["hidden intent"](30_000, 180), holdouts=holdouts)
        truth = true_effects(world, seed=seed).set_index("touchpoint").incremental_direct
        data = opened(world, seed)
        change = calibrate(tl.fit_drivers(data), holdout_effects(data)).change
        right = truth[change.touchpoint].to_numpy()
        before.append(np.abs(change.before - right).sum())
        after.append(np.abs(change.after - right).sum())
        inside += list((change.after_low <= right) & (right <= change.after_high))
    assert np.mean(after) <= 0.5 * np.mean(before)
    assert np.mean(inside) >= 0.8  # ten intervals of 95 %: two misses have 9 % chance


def test_intervals_hold_the_truth_at_every_weight() -> None:
    """A model whose bias has the spread of the doubt, beside experiments of any size."""
    draw, groups = np.random.default_rng(7), 50
    for size in (5.0, 10.0, 20.0):  # standard error of the experiment; the doubt is 10
        held, weights = [], []
        for _ in range(300):
            direct = size * (draw.standard_normal() + _without(draw, groups))
            model = 3.0 * (draw.standard_normal() + _without(draw, groups))
            model = model + 10.0 * draw.standard_normal()
            weight, bias = weigh(direct, model, doubt=10.0, doubted=False)
            target = weight * direct + (1 - weight) * model
            error = np.hypot(jackknife(target[0], target[1:])[0], (1 - weight) * bias)
            held.append(abs(target[0]) <= 1.96 * error)
            weights.append(weight)
        assert np.mean(held) >= 0.9, (size, np.mean(weights), np.mean(held))


def _without(draw: np.random.Generator, groups: int) -> np.ndarray:
    """Jackknife values of an estimate with standard error 1, the estimate first, as 0."""
    parts = draw.standard_normal(groups)
    return np.append(0.0, (parts - parts.mean()) / np.sqrt(groups))
