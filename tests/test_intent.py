"""Hidden intent that shows in the touches: found, taken out, and not seen where it is not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers import arrivals
from touchlab.drivers.arrivals import at_risk, draw_cohort, fit_arrivals, nodes
from touchlab.drivers.intent import LARGEST, Intent, Joint
from touchlab.drivers.prediction import REGRESSION
from touchlab.moments import sample

DAYS, STEP, CUSTOMERS = 60, 0.25, 4_000  # customers of each world, unless told
EFFECTS = {"draws_none": 0.9, "follows": 0.0, "follows_too": 0.9, "idle": 0.0}
RATES = {"draws_none": 0.02, "follows": 0.03, "follows_too": 0.02, "idle": 0.02}


def world(
    seed: int,
    intent: float = 0.0,
    seeks: float = 0.8,
    activity: float = 0.0,
    customers: int = CUSTOMERS,
):
    """Tables, and outcomes that each touchpoint brings; two of four follow intent.

    The outcome comes once, and touches stop at it.
    """
    draw = np.random.default_rng(seed)
    hidden, busy = draw.standard_normal((2, customers))
    drawn = np.array([0.0, seeks, seeks, 0.0])[:, None] * hidden + activity * busy
    rates = np.array(list(RATES.values()))[:, None] * np.exp(drawn - activity**2 / 2)
    touched = draw.poisson(rates * STEP, (int(DAYS / STEP), *rates.shape))
    stock, kept = np.zeros(rates.shape), 0.5 ** (STEP / 3)
    effects = np.array(list(EFFECTS.values()))[:, None]
    risk, without = np.zeros(customers), np.zeros(rates.shape)
    limit, when = draw.exponential(size=customers), np.full(customers, np.inf)
    for step, own in enumerate(touched):
        felt = effects * np.log1p(stock * kept**0.5)
        hazard = 0.0025 * STEP * np.exp(intent * hidden + felt.sum(axis=0))
        risk += hazard
        without += hazard * np.exp(-felt)
        when = np.where((risk >= limit) & np.isinf(when), (step + draw.random()) * STEP, when)
        stock = stock * kept + own
    truth = (np.exp(-without) - np.exp(-risk)).sum(axis=1)
    step, place, customer = np.nonzero(touched)
    day = (step + draw.random(len(step))) * STEP
    seen = day < when[customer]
    start = pd.Timestamp("2025-01-01")
    known = {"observed_from": start, "observed_to": start + pd.Timedelta(days=DAYS)}
    names = np.array(list(EFFECTS))
    had = np.flatnonzero(when < DAYS)
    return {
        "touches": pd.DataFrame(
            {
                "customer_id": customer[seen],
                "timestamp": start + pd.to_timedelta(day[seen], unit="D"),
                "touchpoint": names[place[seen]],
            }
        ),
        "outcomes": pd.DataFrame(
            {
                "customer_id": had,
                "timestamp": start + pd.to_timedelta(when[had], unit="D"),
                "outcome": "conversion",
            }
        ),
        "customers": pd.DataFrame({"customer_id": range(customers), **known}),
    }, pd.Series(truth, names)


def error(drivers: tl.Drivers, truth: pd.Series) -> float:
    found = drivers.incremental(total=False).set_index("touchpoint").incremental
    return float((found - truth[found.index]).abs().sum() / truth.abs().sum())


def covered(drivers: tl.Drivers, truth: pd.Series) -> float:
    found = drivers.incremental(total=False).set_index("touchpoint")
    own = truth[found.index]
    return float(((found.ci_low <= own) & (own <= found.ci_high)).mean())


@pytest.mark.parametrize("activity", [0.0, 1.0])
def test_hidden_intent_is_found_and_taken_out(activity):
    tables, truth = world(1, intent=0.8, activity=activity)
    data = tl.open_data(tables)
    plain, shared = tl.fit_drivers(data, intent="ignore"), tl.fit_drivers(data)
    assert shared.intent.factors == (2 if activity else 1)
    assert shared.intent.p < 1e-4
    assert shared.intent.strength == pytest.approx(0.8, abs=0.3)
    assert error(shared, truth) < error(plain, truth) / 2
    idle = plain.incremental(total=False).set_index("touchpoint").loc["follows"]
    assert idle.ci_low > 0  # an effect that is none
    idle = shared.incremental(total=False).set_index("touchpoint").loc["follows"]
    assert idle.ci_low < 0 < idle.ci_high
    said = shared.intent.sentence()
    assert said.startswith("Customers who attract")
    assert "follows_too, follows" in said or activity
    control = shared.table.set_index("term").loc["intent seen in the touches"]
    assert control.coefficient == pytest.approx(shared.intent.strength)
    assert control.ci_low < control.coefficient < control.ci_high


@pytest.mark.parametrize(
    ("given", "factors", "sentence"),
    [
        ({"seeks": 0.0}, 0, "no sign of an intent that lasts"),
        ({"intent": 0.8, "seeks": 0.0}, 0, "no sign of an intent that lasts"),
        ({"seeks": 0.8}, 1, "cannot be told from chance"),
    ],
    ids=["nothing", "drawn by nothing", "touches differ alone"],
)
def test_nothing_is_taken_out_where_nothing_hides(given, factors, sentence):
    tables, _ = world(2, **given)
    data = tl.open_data(tables)
    plain, shared = tl.fit_drivers(data, intent="ignore"), tl.fit_drivers(data)
    assert shared.intent.factors == factors
    assert not shared.intent.found
    assert sentence in shared.intent.sentence()
    pd.testing.assert_frame_equal(plain.incremental(), shared.incremental())


def test_what_was_learnt_from_an_outcome_does_not_foretell_it():
    tables, _ = world(1, intent=0.8)
    data = tl.open_data(tables)
    shared, plain = tl.fit_drivers(data), tl.fit_drivers(data, intent="ignore")
    found = [tl.check_prediction(d, folds=3).table.set_index("model").auc for d in (shared, plain)]
    assert found[0][REGRESSION] == pytest.approx(found[1][REGRESSION], abs=0.01)


def test_curve_is_the_slope_of_its_value_and_the_curvature_of_its_slope():
    tables, _ = world(3, intent=0.8, activity=1.0)
    plain = tl.fit_drivers(tl.open_data(tables), intent="ignore")
    cohort = draw_cohort(plain.model, at_risk(plain.model))
    joint = Joint(plain.model, cohort, fit_arrivals(cohort))
    at = np.concatenate([[0.4, -0.3], plain.parameters.packed])
    at[6:10] = 2.1  # between points of the grid, where exposures bend
    curvature, slope, _ = joint.curve(at)
    # to first order in half-lives, as in every fit: their own curvature is left out
    exact = np.delete(np.arange(len(at)), np.s_[6:10])
    for place in (0, 1, 2, 7, 12, 15):
        way = np.zeros(len(at))
        way[place] = 1e-4
        ahead, behind = joint.curve(at + way), joint.curve(at - way)
        assert (ahead[2] - behind[2]) / 2e-4 == pytest.approx(slope[place], rel=1e-4, abs=1e-3)
        if place in exact:
            found = (ahead[1] - behind[1]) / 2e-4
            np.testing.assert_allclose(found[exact], curvature[place, exact], rtol=1e-4, atol=0.05)


def test_quadrature_has_the_moments_of_the_normal():
    for factors in (1, 2):
        points, weights = nodes(factors)
        weight = np.exp(weights)
        assert weight.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose((points.T * weight) @ points, np.eye(factors), atol=1e-4)


def test_what_was_not_looked_for_is_not_said_to_be_absent():
    tables, _ = world(2, seeks=0.0)
    few = tables | {"outcomes": tables["outcomes"][:60]}
    for drivers in (
        tl.fit_drivers(tl.open_data(tables), intent="ignore"),
        tl.fit_drivers(tl.open_data(few)),
    ):
        assert drivers.intent.factors is None
        assert "was not looked for" in drivers.intent.sentence()


def test_intent_at_its_bound_is_not_held_constant():
    loadings = pd.Series({"ad": 1.0, "mail": 1.0})
    seen = Intent(1, p=0.0, strength=1.5, error=0.1, loadings=loadings, alike=True)
    assert seen.found
    bound = replace(seen, strength=LARGEST)
    assert not bound.found
    assert "cannot be told from what touches do. Nothing is taken out" in bound.sentence()


def test_intent_that_is_no_choice_is_refused():
    with pytest.raises(tl.ParameterError, match="intent: 'shared' is not a choice"):
        tl.fit_drivers(tl.open_data("data/sample"), intent="shared")


def test_sample_of_large_data_tells_the_same(monkeypatch):
    # with more outcomes than are sampled, customers with them alone were looked at
    monkeypatch.setattr(sample, "MOST_EVENTS", 600)
    monkeypatch.setattr(arrivals, "MOST_CUSTOMERS", 1_500)
    tables, truth = world(5, intent=1.0, customers=10_000)
    drivers = tl.fit_drivers(tl.open_data(tables))
    plain = tl.fit_drivers(drivers.moments, intent="ignore")
    assert drivers.moments.events_each > 2
    assert drivers.intent.strength == pytest.approx(1.0, abs=3 * drivers.intent.error)
    assert drivers.intent.error < 0.25
    assert error(drivers, truth) < error(plain, truth) / 2


@pytest.mark.slow
def test_over_seeds_error_halves_and_intervals_hold():
    errors, held, alarms = [], [], []
    for seed in range(10, 16):
        tables, truth = world(seed, intent=0.8)
        data = tl.open_data(tables)
        plain, shared = tl.fit_drivers(data, intent="ignore"), tl.fit_drivers(data)
        errors.append((error(plain, truth), error(shared, truth)))
        held.append(covered(shared, truth))
        alarms.append(tl.fit_drivers(tl.open_data(world(seed)[0])).intent.found)
    plain, shared = np.mean(errors, axis=0)
    assert shared < plain / 2
    assert np.mean(held) >= 0.85
    assert sum(alarms) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [31, 32])
def test_no_bias_is_left_that_more_customers_would_show(seed):
    # counts end with the outcome: fitted without it, they left a sixth of the confounding
    tables, truth = world(seed, intent=1.0, customers=16_000)
    data = tl.open_data(tables)
    plain, drivers = tl.fit_drivers(data, intent="ignore"), tl.fit_drivers(data)
    assert drivers.intent.strength == pytest.approx(1.0, abs=3 * drivers.intent.error)
    assert drivers.intent.loadings[["follows", "follows_too"]].to_numpy() == pytest.approx(
        [0.8, 0.8], abs=0.06
    )
    assert error(drivers, truth) < error(plain, truth) / 8
    assert covered(drivers, truth) >= 0.75
