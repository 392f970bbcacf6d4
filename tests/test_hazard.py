"""The hazard regression: published figures, person-time, replicates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import touchlab as tl
from touchlab import sentences
from touchlab.drivers import design
from touchlab.drivers.design import build_controls
from touchlab.drivers.fit import fit_drivers
from touchlab.drivers.hazard import fit, learn_shrinkage, leave_group_out
from touchlab.drivers.model import Model, some_of
from touchlab.moments.sample import Moments, sample_moments
from touchlab.numeric import GROUPS, jackknife
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World, simulate

# Rossi, Berk & Lenihan (1980): 432 men for a year after release from prison; the rows as
# in lifelines' datasets (MIT licence). fin: financial aid. arrest in `week`, or week 52.
ROSSI = Path(__file__).parent / "data" / "rossi.csv"
TRAITS = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
COX_EFRON = {"fin": -0.3794, "age": -0.0574, "prio": 0.0915}
DAY = pd.Timedelta("1D")
START = pd.Timestamp("2026-01-01T00:00:00Z")


@pytest.fixture(scope="module")
def rossi() -> pd.DataFrame:
    return pd.read_csv(ROSSI)


@pytest.fixture(scope="module")
def person_weeks(rossi) -> pd.DataFrame:
    rows = rossi.loc[rossi.index.repeat(rossi.week)]
    week = rows.groupby(level=0).cumcount() + 1
    return rows.assign(event=((week == rows.week) & (rows.arrest == 1)).astype(float), now=week)


@pytest.mark.parametrize(
    ("family", "fin"),
    [
        (sm.families.Binomial(), -0.3829),
        (sm.families.Binomial(sm.families.links.CLogLog()), -0.3802),
        (sm.families.Poisson(), -0.37902),  # with week dummies: the Cox model of Breslow
    ],
)
def test_person_weeks_of_rossi(person_weeks, family, fin):
    assert (len(person_weeks), person_weeks.event.sum()) == (19_809, 114)
    calm = person_weeks.groupby("now").event.transform("sum") == 0
    rows = person_weeks[~calm]  # weeks without an event tell nothing
    week = pd.get_dummies(rows.now, dtype=float)
    found = sm.GLM(rows.event, pd.concat([rows[TRAITS], week], axis=1), family=family).fit()
    assert found.params["fin"] == pytest.approx(fin, abs=1e-4)


def rossi_tables(rossi: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """One touch of one man (a dataset has some), a customer a man, weeks as days."""
    ids = [f"man {i}" for i in rossi.index]
    until = START + rossi.week * DAY
    held = rossi.arrest == 1
    return {
        "touches": pd.DataFrame(
            {"customer_id": ids[:1], "timestamp": START + DAY / 2, "touchpoint": "visit"}
        ),
        "outcomes": pd.DataFrame({"customer_id": ids, "timestamp": until, "outcome": "arrest"})[
            held
        ],
        "customers": rossi[TRAITS].assign(customer_id=ids, observed_from=START, observed_to=until),
    }


def test_rossi_as_a_dataset_agrees_with_cox(rossi, monkeypatch):
    monkeypatch.setattr(design, "KNOTS", (0.0, 1.0))  # straight lines, as published
    data = tl.open_data(rossi_tables(rossi))
    moments = sample_moments(data, outcome="arrest", recurrent=False, per_event=100)
    assert (moments.events, moments.customer_days) == (114, pytest.approx(19_809))
    with pytest.warns(tl.TouchlabWarning, match="visit: hardly ever present"):
        drivers = fit_drivers(moments)
    controls = drivers.model.controls
    own = dict(zip(controls.names, drivers.parameters.controls / controls.spread, strict=True))
    errors = dict(zip(controls.names, drivers.regression.bse[1:] / controls.spread, strict=True))
    for name, published in COX_EFRON.items():
        # the same men: what differs is 100 draws an event in place of all time (1 % of the
        # variance: a tenth of the error), ties, and the shape of time at risk
        whole = np.ptp(rossi[name])  # a hat rises from 0 to 1 over all values
        hat = f"{name}: {rossi[name].max():g}"
        assert abs(own[hat] / whole - published) < 0.3 * errors[hat] / whole, name


@pytest.fixture(scope="module")
def sample() -> tl.Dataset:
    return tl.open_data("data/sample")


@pytest.fixture(scope="module")
def churn(sample) -> Moments:
    return sample_moments(sample, outcome="churn")


@pytest.fixture(scope="module")
def churn_model(churn) -> Model:
    return learn_shrinkage(Model(churn, build_controls(churn), "log", None))[0]


def person_days(sample: tl.Dataset, moments: Moments) -> Moments:
    """All days at risk in place of draws: a moment at a random time of every customer-day."""
    from touchlab.moments.look import look
    from touchlab.moments.risk import risk_windows

    windows = risk_windows(sample, moments.risk).to_pandas().sort_values("customer_id")
    count = np.ceil(windows.days).astype(int)
    rows = windows.loc[windows.index.repeat(count)]
    part = np.random.default_rng(1).random(len(rows))
    number = rows.groupby(level=0).cumcount()
    step = (rows.stop - rows.start) / np.repeat(count.to_numpy(), count)
    asked = rows.assign(time=rows.start + (number + part) * step)[["customer_id", "time", "start"]]
    points = look(
        sample,
        asked,
        touchpoints=moments.touches.index,
        half_lives=moments.half_lives,
        origin=moments.start_seconds,
    )
    event = moments.table.event.to_numpy() == 1
    table = pd.concat([moments.table[event], points.table.assign(event=0)], ignore_index=True)
    exposure = np.concatenate([moments.exposure[:, :, event], points.exposure], axis=2)
    each = moments.customer_days / len(points.table)
    return replace(moments, table=table, exposure=exposure, days_each=each, earlier=None)


@pytest.mark.slow
def test_case_base_agrees_with_all_person_days(sample, churn, churn_model):
    full = person_days(sample, churn)
    assert len(full.table) > 10 * len(churn.table)
    found = fit(churn_model)
    life = found.log_half_lives
    whole = Model(full, build_controls(full), "log", 2**life)
    part = replace(churn_model, fixed=2**life)
    one, two = fit(whole), fit(part)
    error, _ = jackknife(two.effects, leave_group_out(part, two)[:, : part.touchpoints])
    # 20 draws an event leave 5 % of the variance: a fifth of the error, and three of those
    assert (np.abs(one.effects - two.effects) < 0.66 * error).all()


def test_regression_is_the_fit_at_its_half_lives(churn):
    drivers = fit_drivers(churn)
    found = drivers.regression.params
    # the fit pulls effects to 0 by a ridge of 0.02: a fraction of the error
    gap = np.abs(found[list(churn.touchpoints)] - drivers.parameters.effects)
    assert (gap < 0.1 * drivers.regression.bse[list(churn.touchpoints)]).all()
    assert drivers.regression.cov_type == "cluster"


def test_leaving_a_group_out_by_one_step_agrees_with_refits(churn_model):
    given = fit(churn_model)
    k = churn_model.touchpoints
    stepped = leave_group_out(churn_model, given)[:, :k]
    group = churn_model.moments.table.group.to_numpy()
    refits = np.stack(
        [
            fit(some_of(churn_model, np.flatnonzero(group != g)), given.packed).effects
            for g in range(GROUPS)
        ]
    )
    one, two = (jackknife(given.effects, each)[0] for each in (stepped, refits))
    assert np.median(np.abs(one / two - 1)) < 0.03
    # two touchpoints have a handful of touches in their whole time at risk
    assert np.sort(np.abs(one / two - 1))[-3] < 0.1


@pytest.mark.parametrize(
    ("lives", "low", "high"), [((3, 3, 3, 3), 0.6, 3), ((1, 2, 8, 16), 0, 0.45)]
)
def test_half_lives_are_drawn_together_as_far_as_they_are_alike(lives, low, high):
    names = [f"t{i}" for i in range(len(lives))]
    touchpoints = [
        TouchpointSpec(name, 0.02, {"conversion": 1.2}, life)
        for name, life in zip(names, lives, strict=True)
    ]
    world = World(tuple(touchpoints), 6_000, 150, {"conversion": OutcomeSpec(0.002)})
    tables = {name: t for name, t in simulate(world, seed=3).tables.items() if len(t)}
    drivers = fit_drivers(tl.open_data(tables), intent="ignore")
    assert low < drivers.model.shrinkage < high
    table = drivers.hazard_ratios
    true = np.array(lives)
    held = (table.half_life_low <= true) & (true <= table.half_life_high)
    assert held.sum() >= 3


def test_hazard_ratio_of_a_known_touchpoint_is_covered(sample):
    truth = pd.read_parquet("data/sample/truth.parquet").query("outcome == 'referral'")
    ratios = fit_drivers(sample, outcome="referral").hazard_ratios.set_index("touchpoint")
    known = truth.set_index("touchpoint").hazard_ratio
    for name in ("referral_program", "onboarding_call"):
        assert ratios.ci_low[name] <= known[name] <= ratios.ci_high[name]


def test_outcomes_that_are_not_explained_are_said_with_their_number_and_why():
    random = np.random.default_rng(4)
    names = [f"c{i}" for i in range(400)]
    first = pd.Series(START + random.uniform(0, 20, 400) * DAY)
    touched = first + random.uniform(1, 5, 400) * DAY
    later = touched + random.exponential(8, 400) * DAY
    touches = pd.DataFrame({"customer_id": names, "timestamp": touched, "touchpoint": "ad"})
    # the first hundred customers are first seen at a conversion; 150 convert after a touch
    outcomes = pd.DataFrame(
        {
            "customer_id": [*names[:100], *names[50:200]],
            "timestamp": [*first[:100], *later[50:200]],
            "outcome": "conversion",
        }
    )
    data = tl.open_data({"touches": touches, "outcomes": outcomes})
    drivers = fit_drivers(data)
    said = (
        "100 of 250 conversion outcomes are not explained: 100 come just as observation begins, "
        "and nothing is known of what led to them. Amounts and shares are of the other 150."
    )
    assert said in drivers.notes
    assert said in drivers.basis.seen.tolist()
    tables = {"baseline": drivers.baseline}
    assert sentences.about_unexplained(tables, data, "conversion") == (
        "Of 250 conversion outcomes, the drivers explain 150: for the others nothing is known of "
        "the time before them (page 04, what the regression was made from, says why)."
    )
    # all are explained where windows are known, and with dates also those of the first day
    windows = pd.DataFrame({"customer_id": names, "observed_from": first.dt.floor("D")})
    windows["observed_to"] = later.max()
    dated = outcomes.assign(timestamp=outcomes.timestamp.dt.floor("D"))
    whole = tl.open_data(
        {
            "touches": touches.assign(timestamp=touches.timestamp.dt.floor("D")),
            "outcomes": dated,
            "customers": windows,
        }
    )
    known = fit_drivers(whole)
    assert known.moments.events == 250
    assert not any("not explained" in note for note in known.notes)
    assert sentences.about_unexplained({"baseline": known.baseline}, whole, "conversion") == ""
    assert np.isfinite(known.baseline.iloc[0, 1:].to_numpy(float)).all()
