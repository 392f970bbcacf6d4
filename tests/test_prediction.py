"""Out-of-fold prediction beside gradient boosting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import touchlab as tl
from touchlab.drivers import hazard
from touchlab.drivers.fit import fit_drivers
from touchlab.drivers.prediction import _calibrate, _folds, _judge, check_prediction
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World, simulate

MODELS = ["regression", "gradient boosting", "without touchpoints", "one rate for all"]


def opened(world: World) -> tl.Dataset:
    tables = simulate(world, seed=1).tables
    return tl.open_data({name: table for name, table in tables.items() if len(table)})


def world(**effects: float) -> World:
    return World(
        tuple(TouchpointSpec(name, 0.05, {"conversion": e}) for name, e in effects.items()),
        customers=2_000,
        days=90,
        outcomes={"conversion": OutcomeSpec(0.002)},
    )


@pytest.fixture(scope="module")
def checked():
    return check_prediction(fit_drivers(opened(world(ad=1.5, mail=1.5))))


def test_customers_stay_together():
    table = pd.DataFrame({"customer": np.repeat(["a", "b", "c", "d"], 5)})
    seen = []
    for rest, part in _folds(table, 2):
        assert not set(table.customer[rest]) & set(table.customer[part])
        seen += list(part)
    assert sorted(seen) == list(range(20))


def test_figures_are_those_of_scikit_learn():
    random = np.random.default_rng(1)
    event = (random.random(500) < 0.3).astype(float)
    p = np.round(np.clip(0.3 + 0.2 * event + random.normal(0, 0.2, 500), 0.01, 0.99), 2)  # ties
    found = _judge(event, p, hazard.log_loss(event, p), random.integers(0, 50, 500))
    assert found["log_loss"] == pytest.approx(log_loss(event, p))
    assert found["auc"] == pytest.approx(roc_auc_score(event, p))
    assert found["auc_low"] < found["auc"] < found["auc_high"]
    assert (found["worse"], found["worse_low"], found["worse_high"]) == (0, 0, 0)
    # customers in groups of one kind or another: about the interval of independent moments
    # (Hanley & McNeil 1982), which for this AUC and size is 0.05 wide on each side
    assert found["auc_high"] - found["auc"] == pytest.approx(0.045, abs=0.015)


def test_calibration_by_hand():
    # twenty moments at p = 0.1, then twenty at 0.4, of which two and twelve are events
    p = np.repeat([0.1, 0.4], 20)
    event = np.r_[np.ones(2), np.zeros(18), np.ones(12), np.zeros(8)]
    table = _calibrate(event, p, offset=np.log(2.0))
    low, high = table[:5], table[5:]
    assert low.expected.tolist() == pytest.approx([0.4] * 5)
    assert (low.observed.sum(), high.observed.sum()) == (2, 12)
    # odds of 0.4 / 0.6 at an offset of log 2: a hazard of 1/3 a day
    assert high.hazard.tolist() == pytest.approx([1 / 3] * 5)
    # four observed of 1.6 expected; exact Poisson of 4: 1.09 to 10.24
    first = high.iloc[0]
    assert first[["ratio", "ci_low", "ci_high"]].tolist() == pytest.approx(
        [4 / 1.6, 1.0899 / 1.6, 10.2416 / 1.6], rel=1e-3
    )
    assert table.n.tolist() == [4] * 10


def test_regression_holds_where_it_is_the_truth(checked):
    assert checked.table.model.tolist() == MODELS
    by = checked.table.set_index("model")
    for name in MODELS[1:]:
        assert by.worse[name] > 0
    assert by.worse_low["without touchpoints"] > 0
    assert by.auc["regression"] > by.auc["without touchpoints"] > 0.4
    assert by.auc_low["one rate for all"] < 0.5 < by.auc_high["one rate for all"] + 0.05
    inside = checked.calibration.ci_low.le(1) & checked.calibration.ci_high.ge(1)
    assert inside.sum() >= 8


def test_sentence_is_made_of_the_figures(checked):
    text = checked.sentence()
    own = checked.table.iloc[0]
    assert f"AUC {own.auc:.2f} ({own.auc_low:.2f} to {own.auc_high:.2f})" in text
    assert "finds no more than the regression" in text
    assert text.endswith("tenths.")


def test_boosting_shows_what_the_regression_misses():
    # converts only where a touch of each is recent: the regression without the pair is blind
    from touchlab.simulate import Synergy

    strong = Synergy("ad", "mail", 8.0)
    base = world(ad=-1.0, mail=-1.0)
    made = World(
        base.touchpoints,
        customers=6_000,
        days=90,
        outcomes={"conversion": OutcomeSpec(0.002, ceiling=0.3)},
        synergies=(strong,),
    )
    checked = check_prediction(fit_drivers(opened(made)), folds=3)
    by = checked.table.set_index("model")
    assert by.worse_high["gradient boosting"] < 0
    assert "finds more than the regression" in checked.sentence()


def test_bad_input():
    drivers = fit_drivers(opened(world(ad=1.0)))
    with pytest.raises(tl.ParameterError) as caught:
        check_prediction(drivers, folds=1)
    assert str(caught.value) == "folds: 1\n  give a whole number from 2 to 20"
    tiny = World(
        (TouchpointSpec("ad", 0.05),),
        customers=20,
        days=60,
        outcomes={"conversion": OutcomeSpec(0.008)},
    )
    with pytest.warns(tl.TouchlabWarning, match="few events"):
        few = fit_drivers(opened(tiny))
    with pytest.raises(tl.DataError) as caught:
        check_prediction(few)
    found = few.moments.table.customer[few.moments.table.event == 1].nunique()
    assert str(caught.value) == (
        f"check_prediction: {found} of 20 customers have the outcome, for 5 folds\n"
        "  give fewer folds, or more customers"
    )
