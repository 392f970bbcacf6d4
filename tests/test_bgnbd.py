"""BG/NBD and Gamma-Gamma: hand-worked, published, and held against other routes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifetime_data import cdnow_orders
from scipy.special import hyp2f1

from touchlab.numeric import Floats, unpack
from touchlab.retention.bgnbd import (
    Alike,
    bgnbd_derivatives,
    chance_alive,
    expected_if_alive,
    expected_value,
    fit_bgnbd,
    fit_gamma_gamma,
    merge_alike,
    pairs_if_alive,
    spend_derivatives,
    spend_parameters,
)
from touchlab.retention.orders import draw_blocks

CDNOW_LIKE = np.log([0.2426, 4.4135, 0.7929, 2.4258])


def alike(*rows: tuple[float, float, float]) -> Alike:
    columns = np.array(rows, dtype=float).T
    return Alike(*columns, np.ones(len(rows)))


def draw(seed: int, size: int = 40) -> tuple[Floats, Alike]:
    """Any parameters, any customers."""
    random = np.random.default_rng(seed)
    packed = random.normal(0, 1, 4) + np.log([0.5, 4, 1, 2.5])
    age = random.uniform(1, 80, size)
    frequency = random.integers(0, 9, size).astype(float)
    recency = np.where(frequency > 0, age * random.random(size), 0.0)
    return packed, Alike(frequency, recency, age, np.ones(size))


def test_likelihood_and_p_alive_by_hand() -> None:
    # r = alpha = a = b = 1; x = 1, t_x = 1, T = 3
    # G(2)/G(1) * G(2)G(2)/(G(1)G(3)) * [(1 + 3)^-2 + 1/1 * (1 + 1)^-2] = 1/2 * (1/16 + 1/4)
    rows = alike((1, 1, 3))
    loglik, _, _ = bgnbd_derivatives(np.zeros(4), rows)
    assert np.exp(loglik[0]) == pytest.approx(5 / 32)
    # alive: 1/16 of 1/16 + 4/16
    assert chance_alive(np.zeros(4), rows)[0] == pytest.approx(1 / 5)
    # one order: G(1)/G(1) * alpha / (alpha + T) = 1/4, and nobody has left
    rows = alike((0, 0, 3))
    assert np.exp(bgnbd_derivatives(np.zeros(4), rows)[0][0]) == pytest.approx(1 / 4)
    assert chance_alive(np.zeros(4), rows)[0] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_derivatives_are_those_of_the_likelihood(seed: int) -> None:
    packed, rows = draw(seed)
    _, slope, triangle = bgnbd_derivatives(packed, rows)
    check_derivatives(lambda p: bgnbd_derivatives(p, rows), packed, slope, triangle)
    random = np.random.default_rng(seed)
    orders, mean = random.integers(1, 9, 30).astype(float), random.gamma(2, 20, 30)
    spend = random.normal(0, 0.5, 3) + np.log([2, 2, 20])
    _, slope, triangle = spend_derivatives(spend, orders, mean)
    check_derivatives(lambda p: spend_derivatives(p, orders, mean), spend, slope, triangle)


def check_derivatives(derivatives, packed: Floats, slope: Floats, triangle: Floats) -> None:
    """Central differences; steps of 1e-5 leave errors of 1e-8 or so."""
    curvature = unpack(triangle.T, len(packed))
    for i, step in enumerate(1e-5 * np.eye(len(packed))):
        up, down = derivatives(packed + step), derivatives(packed - step)
        assert (up[0] - down[0]) / 2e-5 == pytest.approx(slope[i], abs=1e-6)
        assert pytest.approx(curvature[:, i], abs=1e-6) == (up[1] - down[1]).T / 2e-5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 200))
def test_expected_purchases_are_those_of_the_closed_form(seed: int, ahead: float) -> None:
    packed, rows = draw(seed)
    r, alpha, a, b = np.exp(packed)
    if abs(a - 1) < 0.02:  # the closed form divides by a - 1
        return
    x, age = rows.frequency, rows.age
    series = hyp2f1(r + x, b + x, a + b + x - 1, ahead / (alpha + age + ahead))
    closed = 1 - ((alpha + age) / (alpha + age + ahead)) ** (r + x) * series
    closed *= (a + b + x - 1) / (a - 1)
    found = expected_if_alive(packed, x, age, np.full_like(age, ahead))
    assert found == pytest.approx(closed, rel=1e-5)


def test_moments_of_the_future_are_those_of_simulated_customers() -> None:
    random = np.random.default_rng(5)
    r, alpha, a, b = 0.5, 4.0, 1.2, 2.5
    x, age, begin, end = 2.0, 20.0, 10.0, 30.0
    size = 400_000
    rate, leave = random.gamma(r + x, 1 / (alpha + age), size), random.beta(a, b + x, size)
    alive, time, count = np.ones(size, bool), np.zeros(size), np.zeros(size)
    while alive.any():
        time = time + random.exponential(1 / rate)
        alive &= time < end
        count += alive & (time > begin)
        alive &= random.random(size) > leave
    packed, one = np.log([r, alpha, a, b]), np.ones(1)
    mean = expected_if_alive(packed, x * one, age * one, end * one, begin=begin)[0]
    pairs = pairs_if_alive(packed, x * one, age * one, end * one, begin=begin)[0]
    # four standard errors of the simulation
    assert mean == pytest.approx(count.mean(), abs=4 * count.std() / size**0.5)
    drawn = count * (count - 1)
    assert pairs == pytest.approx(drawn.mean(), abs=4 * drawn.std() / size**0.5)


def test_discounting_takes_off_what_it_should() -> None:
    # week by week, each discounted in its middle
    one = np.ones(1)
    whole = expected_if_alive(CDNOW_LIKE, one, 30 * one, 52 * one, discount=0.02)
    parts = [
        expected_if_alive(CDNOW_LIKE, one, 30 * one, (k + 1) * one, begin=float(k))
        * np.exp(-0.02 * (k + 0.5))
        for k in range(52)
    ]
    assert whole == pytest.approx(sum(parts), rel=1e-4)


@pytest.mark.parametrize("shapes", [(1e3, 1e4), (1e-3, 1e3), (1e3, 1e-3), (60.0, 0.5)])
@pytest.mark.parametrize("x", [0.0, 3.0, 700.0])
def test_extreme_parameters_give_numbers(shapes: tuple[float, float], x: float) -> None:
    packed = np.log([0.5, 4.0, *shapes])
    rows = alike((x, 100.0 if x else 0.0, 104.0))
    found = expected_if_alive(packed, rows.frequency, rows.age, np.array([52.0]))
    assert 0 <= found[0] <= (0.5 + x) / 108 * 52 * (1 + 1e-9)  # a rate that nothing ends
    assert 0 <= chance_alive(packed, rows)[0] <= 1


def test_merged_customers_fit_as_single_ones() -> None:
    random = np.random.default_rng(3)
    x = random.integers(0, 4, 500).astype(float)
    age = random.integers(20, 30, 500).astype(float)
    recency = np.where(x > 0, np.floor(age * random.random(500)), 0.0)
    rows, place = merge_alike(x, recency, age, unit=1.0)
    assert len(rows.weight) < 400 and rows.weight.sum() == 500
    for merged, own in ((rows.frequency, x), (rows.recency, recency), (rows.age, age)):
        assert (merged[place] == own).all()
    single = Alike(x, recency, age, np.ones(500))
    assert fit_bgnbd(rows) == pytest.approx(fit_bgnbd(single), abs=1e-5)


# ---- published figures -----------------------------------------------------------------


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    """Frequency, recency and age (weeks) on 30 September 1997, mean value of repeat orders."""
    orders = cdnow_orders()
    end = pd.Timestamp("1997-09-30", tz="UTC")
    orders = orders[orders.timestamp <= end]
    first = orders.groupby("customer_id").timestamp.transform("min")
    days = orders.groupby("customer_id").timestamp.agg(["min", "max", "size"])
    again = orders[orders.timestamp > first]
    return pd.DataFrame(
        {
            "frequency": days["size"] - 1.0,
            "recency": (days["max"] - days["min"]).dt.days / 7,
            "age": (end - days["min"]).dt.days / 7,
            "value": again.groupby("customer_id").value.mean(),
        }
    )


def test_cdnow_has_the_published_fit(cdnow: pd.DataFrame) -> None:
    # the published table holds weeks to two places
    times = (cdnow[c].round(2).to_numpy() for c in ("frequency", "recency", "age"))
    rows, _ = merge_alike(*times, unit=0.01)
    packed = fit_bgnbd(rows)
    assert np.exp(packed).round(4).tolist() == [0.2426, 4.4135, 0.7929, 2.4258]
    loglik = bgnbd_derivatives(packed, rows)[0] @ rows.weight
    assert round(loglik, 2) == -9582.43
    # x = 2, t_x = 30.43, T = 38.86, the next 39 weeks
    one = alike((2, 30.43, 38.86))
    alive = chance_alive(packed, one)[0]
    ahead = expected_if_alive(packed, one.frequency, one.age, np.array([39.0]))[0]
    assert round(alive, 4) == 0.7266
    assert round(alive * ahead, 3) == 1.226


def test_cdnow_has_the_published_values(cdnow: pd.DataFrame) -> None:
    again = cdnow[cdnow.frequency > 0]
    assert len(again) == 946
    assert round(again.frequency.corr(again.value), 4) == 0.1139
    # the published table holds values to the cent, halves rounded up
    cents = np.floor(again.value.to_numpy() * 100 + 0.5) / 100
    p, q, v = spend_parameters(fit_gamma_gamma(again.frequency.to_numpy(), cents))
    assert (round(p, 2), round(q, 3), round(v, 2)) == (6.25, 3.745, 15.45)
    # to the full precision of the orders, as in the paper: 6.25, 3.74, 15.44
    exact = spend_parameters(fit_gamma_gamma(again.frequency.to_numpy(), again.value.to_numpy()))
    assert exact.round(2).tolist() == [6.25, 3.74, 15.44]


# ---- values ----------------------------------------------------------------------------


def test_expected_values_by_hand() -> None:
    # p = 2, q = 3, v = 10: without orders p v / (q - 1) = 10; with two of mean 40
    # p (v + x m) / (p x + q - 1) = 2 (10 + 80) / (4 + 2) = 30
    packed = np.log([2.0, 2.0, 10.0])
    found = expected_value(packed, np.array([0.0, 2.0]), np.array([0.0, 40.0]))
    assert found.tolist() == pytest.approx([10.0, 30.0])


def test_equal_orders_are_no_trouble() -> None:
    packed = fit_gamma_gamma(np.full(50, 3.0), np.full(50, 20.0))
    worth = expected_value(packed, np.array([0.0, 3.0]), np.array([0.0, 20.0]))
    assert worth == pytest.approx([20.0, 20.0], rel=1e-2)


def test_draws_of_bags_are_bootstraps() -> None:
    draws = draw_blocks(1)
    assert (draws.sum(axis=1) == draws.shape[1]).all()
    assert (draws == draw_blocks(1)).all() and (draws != draw_blocks(2)).any()
