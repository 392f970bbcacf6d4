"""Many sets of parameters at once, and amounts over blocks: the same as one after another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import touchlab as tl
from touchlab.drivers import effects, model
from touchlab.drivers.fit import fit_drivers
from touchlab.drivers.hazard import tangent
from touchlab.drivers.model import Earlier, Sets, amounts, between, chance, ratios
from touchlab.drivers.result import Drivers
from touchlab.moments.sample import sample_moments
from touchlab.numeric import GROUPS

PAIRS = [("display", "email_newsletter"), ("display", "paid_search")]


@pytest.fixture(scope="module")
def sample() -> tl.Dataset:
    return tl.open_data("data/sample")


@pytest.fixture(scope="module", params=[None, PAIRS], ids=["alone", "pairs"])
def churn(request, sample: tl.Dataset) -> Drivers:
    moments = sample_moments(sample, outcome="churn", recurrent=False)
    return fit_drivers(moments, synergy=request.param)


@pytest.fixture(scope="module")
def packed(churn) -> np.ndarray:
    """Sets that read at different grid points, one of them at both ends of the grid."""
    k, some = churn.model.touchpoints, np.array([churn.parameters.packed, *churn.replicates[:3]])
    some[3, k : 2 * k] = np.resize(np.log2(churn.moments.half_lives)[[0, -1]], k)
    return some


def test_chances_and_ratios_are_those_of_each_set(churn, packed):
    sets = Sets.of(churn.model, packed)
    for i, (own, found) in enumerate(zip(packed, sets.chances(), strict=True)):
        given = churn.model.parameters(own)
        exposure = churn.model.exposure(given)
        np.testing.assert_allclose(found, chance(churn.model, given), rtol=1e-11)
        known = ratios(churn.model, given, exposure)
        np.testing.assert_allclose(sets.ratios(i).each, known.each, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(sets.ratios(i).whole, known.whole, rtol=1e-11, atol=1e-13)


def test_slopes_are_those_of_each_set(churn, packed):
    residual = np.random.default_rng(1).standard_normal((len(packed), len(churn.model.event)))
    found = Sets.of(churn.model, packed).slopes(residual)
    for own, rest, slopes in zip(packed, residual, found, strict=True):
        design = tangent(churn.model, churn.model.parameters(own)).design
        np.testing.assert_allclose(slopes, design @ rest, rtol=1e-9, atol=1e-9)


def test_some_moments_are_a_part_of_all(churn, packed):
    rows = slice(100, 200)
    whole, part = Sets.of(churn.model, packed), Sets.of(churn.model, packed, rows)
    np.testing.assert_allclose(part.log_hazards(), whole.log_hazards()[:, rows], rtol=1e-12)


@pytest.mark.parametrize("quantity", [effects.removal, effects.baseline, effects.fair_shares])
def test_amounts_are_those_of_all_moments_at_once(churn, packed, quantity, monkeypatch):
    # 16,000 moments with four draws each, in blocks of 1,000
    monkeypatch.setattr(model, "BLOCK", 1_000)
    count, weights = len(churn.model.event), np.ones((len(packed), GROUPS))
    weights[2, 7] = 0.0
    cells = np.column_stack([np.ones(count), np.arange(count) % 2])
    earlier = Earlier.of(churn.model)
    found = amounts(churn.model, earlier, packed, weights, quantity, cells)
    for own, weight, amount in zip(packed, weights, found, strict=True):
        given = churn.model.parameters(own)
        expected = chance(churn.model, given) * weight[churn.model.group]
        lives = churn.moments.half_lives
        before, _ = between(earlier.saturated, lives, given.log_half_lives)
        known = ratios(churn.model, given, before)
        hazard = np.exp(known.whole + earlier.controls @ given.controls)
        ahead = effects.Ahead(known, hazard * earlier.days, count, earlier.room)
        here = ratios(churn.model, given, churn.model.exposure(given))
        whole = quantity(expected, here, cells, ahead)
        np.testing.assert_allclose(amount, whole, rtol=1e-8, atol=1e-9)


def test_outcomes_that_recur_need_no_past(churn):
    recurrent = replace(churn.moments, earlier=None)
    assert Earlier.of(replace(churn.model, moments=recurrent)) is None
