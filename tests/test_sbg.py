"""Contracts: shifted-beta-geometric by hand, published, planted, and refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from lifetime_data import START
from scipy.special import hyp2f1

import touchlab as tl
from touchlab.retention.contracts import Renewals, fit_renewals, residual, sbg_derivatives, survival

REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]
GIVE = "give counts of customers left, as [1000, 869, 743]: at the start, then after each renewal"


def open_contracts(days: list[tuple[float, float | None]], later: float | None = None):
    """Open customers observed for some days from their first conversion, churned or not."""
    rows, windows = [], []
    for customer, (seen, churn) in enumerate(days):
        rows.append((customer, START + pd.Timedelta(seconds=1), "conversion"))
        if churn is not None:
            rows.append((customer, START + pd.Timedelta(days=churn), "churn"))
        if churn is not None and later is not None:
            rows.append((customer, START + pd.Timedelta(days=churn + later), "conversion"))
        windows.append((customer, START, START + pd.Timedelta(days=seen)))
    outcomes = pd.DataFrame(rows, columns=["customer_id", "timestamp", "outcome"])
    customers = pd.DataFrame(windows, columns=["customer_id", "observed_from", "observed_to"])
    touches = customers[["customer_id"]].assign(timestamp=START, touchpoint="shop")
    return tl.open_data({"touches": touches, "outcomes": outcomes, "customers": customers})


def test_survival_and_likelihood_by_hand() -> None:
    # alpha = beta = 1: S(t) = 1 / (t + 1), P(leaving at t) = 1 / (t (t + 1))
    assert survival(np.zeros(2), np.arange(4)).tolist() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    made, left = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 0.0])
    loglik, _, _ = sbg_derivatives(np.zeros(2), made, left)
    assert np.exp(loglik).tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 3])
    # two periods ahead: S(1) + S(2) = 5/6 at the start, (S(2) + S(3)) / S(1) = 7/6 after one
    ahead = residual(survival(np.zeros(2), np.arange(4)), np.ones(2))
    assert ahead.tolist() == pytest.approx([5 / 6, 7 / 6])


@pytest.mark.parametrize(
    ("counts", "alpha", "beta", "loglik"),
    [(REGULAR, 0.704, 1.182, -1680.27), (HIGH_END, 0.668, 3.806, -1611.16)],
)
def test_published_cohorts(counts: list[int], alpha: float, beta: float, loglik: float) -> None:
    # Fader & Hardie 2007, seven renewals of a thousand customers
    fitted = fit_renewals(counts, period_days=365)
    assert fitted.parameters.estimate.round(3).tolist() == [alpha, beta]
    assert round(fitted.log_likelihood, 2) == loglik


def test_residual_lifetime_is_that_of_the_closed_form() -> None:
    # sum of S(n + t) / S(n) v^t over all t >= 1, v = 1 / (1 + d), in closed form
    # v (beta + n) / (alpha + beta + n) 2F1(1, beta + n + 1; alpha + beta + n + 1; v)
    alpha, beta, discount = 0.668, 3.806, 0.1
    v = 1 / (1 + discount)
    table = fit_renewals(HIGH_END, period_days=365).value(
        horizon_days=365 * 400, discount_rate=discount
    )
    n = table.renewals.to_numpy()
    series = hyp2f1(1, beta + n + 1, alpha + beta + n + 1, v)
    closed = v * (beta + n) / (alpha + beta + n) * series
    assert table.value.to_numpy() == pytest.approx(closed, rel=2e-3)  # parameters to 3 places


def test_curve_and_value_have_their_columns() -> None:
    fitted = fit_renewals(HIGH_END, period_days=365)
    curve = fitted.curve(9)
    assert curve.columns.tolist() == [
        "renewal", "survival", "ci_low", "ci_high", "retention", "observed", "n",
    ]  # fmt: skip
    assert curve.observed[1:8].round(3).tolist() == [
        0.869, 0.855, 0.879, 0.908, 0.929, 0.938, 0.950,
    ]  # fmt: skip
    assert curve.n.tolist() == [1000, 1000, 869, 743, 653, 593, 551, 517, 0, 0]
    assert (curve.retention.diff().dropna()[1:] > 0).all()
    value = fitted.value(value_per_period=20, horizon_days=3 * 365, discount_rate=0)
    assert value.columns.tolist() == [
        "renewals", "periods", "periods_low", "periods_high", "value", "ci_low", "ci_high", "n",
    ]  # fmt: skip
    assert value.value.to_numpy() == pytest.approx(20 * value.periods.to_numpy())
    assert value.periods[0] == pytest.approx(curve.survival[1:4].sum())
    assert value.n.tolist() == [0] * 7 + [491]
    assert (value.periods_low < value.periods).all() and (value.periods < 3).all()


def test_cohorts_are_pooled() -> None:
    # the same customers, cut in two, one half observed for longer
    both = fit_renewals({"a": [600, 400, 300], "b": [400, 231]})
    counts = both.counts.set_index(["renewals", "churned"]).customers
    # left at once 200 + 169, later 100; still there 300 after two renewals, 231 after one
    assert counts.to_dict() == {(0, True): 369, (1, False): 231, (1, True): 100, (2, False): 300}


@pytest.mark.filterwarnings("ignore::touchlab.TouchlabWarning")
def test_contracts_are_counted_from_recorded_churn() -> None:
    # 30-day periods: churn on day 29 made no renewal, on day 31 and 59 one, on day 61 two;
    # observed for 45 days and still there: one renewal
    days = [(90.0, 29.0), (90.0, 31.0), (90.0, 59.0), (90.0, 61.0), (45.0, None)]
    fitted = fit_renewals(open_contracts(days * 5))
    counts = fitted.counts.set_index(["renewals", "churned"]).customers
    assert counts.to_dict() == {(0, True): 5, (1, False): 5, (1, True): 10, (2, True): 5}


def test_conversions_after_churn_are_noted() -> None:
    data = open_contracts([(90.0, 20.0), (90.0, 40.0), (90.0, None)] * 10, later=5.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tl.TouchlabWarning)
        notes = fit_renewals(data).notes
    assert (
        "20 customers have a conversion after churn: they count as churned at their first churn"
        in notes
    )


def test_few_churned_is_a_warning() -> None:
    with pytest.warns(tl.TouchlabWarning, match="few customers churned: 20; intervals are rough"):
        fitted = fit_renewals([100, 90, 80])
    assert "few customers churned: 20; intervals are rough" in fitted.notes


def test_equal_customers_are_noted() -> None:
    fitted = fit_renewals([4000, 2000, 1000, 500, 250])
    assert fitted.notes == (
        "retention does not rise with age: customers do not seem to differ in how readily they "
        "leave",
    )
    assert fitted.curve(4).retention[1:].to_numpy() == pytest.approx(np.full(4, 0.5), abs=2e-3)
    # an interval from customers who do not differ: sqrt(1/16 15/16 / 4000) = .0038 is the error
    # of the share left if nothing else is assumed, and the model can only do better
    last = fitted.curve(4).iloc[4]
    assert 0.002 < last.ci_high - last.ci_low < 2 * 1.96 * 0.0038 + 0.001


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1000], f"customers: [1000] are not counts of customers\n  {GIVE}"),
        ("1000", f"customers: '1000' are not counts of customers\n  {GIVE}"),
        ([0, 0], f"customers: [0, 0] are not counts of customers\n  {GIVE}"),
        (
            {"a": [100, 50], "b": [9, 10]},
            f"b: 10 customers after renewal 1, more than the 9 before it\n  {GIVE}",
        ),
        (
            [1000, 1000, 1000],
            "renewals: 0 of 1,000 customers churned while observed\n"
            "  at least 10 are needed to tell how long customers stay; use a longer time",
        ),
    ],
)
def test_counts_are_checked(counts: object, message: str) -> None:
    with pytest.raises(tl.TouchlabError) as error:
        fit_renewals(counts)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_data_without_churn_is_told_the_other_model() -> None:
    with pytest.raises(tl.DataError) as error:
        fit_renewals(open_contracts([(90.0, None)] * 30))
    assert str(error.value) == (
        "outcomes.churn: no churn is recorded, so nobody knows which contract ended\n"
        "  record churn, or use fit_lifetime, which infers leaving from silence"
    )


def test_contracts_within_their_first_period_are_refused() -> None:
    with pytest.raises(tl.DataError) as error:
        fit_renewals(open_contracts([(90.0, 20.0)] * 30), period_days=120)
    assert str(error.value) == (
        "renewals: no customer is observed beyond the first renewal\n"
        "  use a longer time, or a shorter period_days if contracts are shorter"
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: fit_renewals(REGULAR, period_days=0), "period_days: 0 is not a number of days"),
        (lambda: regular().value(horizon_days=20), "horizon_days: 20 holds no period of 30 days"),
        (lambda: regular().curve(0), "renewals: 0 is not a whole number above 0"),
    ],
)
def test_choices_are_checked(ask, message: str) -> None:
    with pytest.raises(tl.ParameterError) as error:
        ask()
    assert str(error.value).startswith(message)


def regular() -> Renewals:
    return fit_renewals(REGULAR)


def test_intervals_cover() -> None:
    # 60 seeds; 95 % of 60 is 57, and fewer than 52 would come by chance in 1 of 100
    truth, hits = np.log([0.7, 3.8]), []
    periods = residual(survival(truth, np.arange(6)), np.ones(5))[0]
    for seed in range(60):
        random = np.random.default_rng(seed)
        life = random.geometric(random.beta(0.7, 3.8, 600))
        fitted = fit_renewals([int((life > k).sum()) for k in range(8)], period_days=365, seed=seed)
        parameters, value = fitted.parameters, fitted.value(horizon_days=5 * 365).iloc[0]
        inside = (parameters.ci_low <= np.exp(truth)) & (np.exp(truth) <= parameters.ci_high)
        hits.append([*inside, value.periods_low <= periods <= value.periods_high])
    assert (np.sum(hits, axis=0) >= 52).all()
