"""Experiments that were really run, read by intention to treat, and the drivers beside them.

The data is not part of the repository; without it the tests say so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import touchlab as tl
from touchlab.drivers.checks import CAUSAL

SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"


def opened(name: str) -> tl.Dataset:
    if not (SHARED / name).is_dir():
        pytest.skip(f"{name} is not here: shared data stays outside the repository")
    return tl.open_data(SHARED / name)


def test_offers_in_waves() -> None:
    found = tl.holdout_effects(opened("offers_in_waves")).table.set_index("touchpoint")
    assert found.difference["bogo"] == pytest.approx(0.486, abs=0.0005)
    assert found.difference["informational"] == pytest.approx(0.004, abs=0.0005)


def test_an_email_that_multiplies_spend() -> None:
    data = opened("email_value")
    found = tl.holdout_effects(data, measure="value").table.iloc[0]
    assert found.difference == pytest.approx(1382.09, abs=0.005)
    assert found.difference_low == pytest.approx(1325, abs=0.6)
    assert found.difference_high == pytest.approx(1439, abs=0.6)
    assert found.rate_holdout == pytest.approx(153, abs=0.5)
    assert found.rate_treated == pytest.approx(1535, abs=0.5)
    # without the experiment, the drivers find the same: larger outcomes, as many of them
    mail = tl.fit_drivers(data).incremental(measure="value").iloc[0]
    assert mail.ci_low < found.incremental < mail.ci_high
    assert mail.more_low < 0 < mail.more_high
    assert mail.larger == pytest.approx(mail.incremental, rel=0.02)


def test_an_ad_against_a_public_service_announcement() -> None:
    found = tl.holdout_effects(opened("ad_against_psa")).table.iloc[0]
    assert found.incremental == pytest.approx(171, abs=0.5)
    assert found.ci_low == pytest.approx(60, abs=0.6)
    assert found.ci_high == pytest.approx(283, abs=0.6)
    assert found.p == pytest.approx(0.003, abs=0.0006)


@pytest.mark.parametrize("name", ["offers_in_waves", "email_value", "ad_against_psa"])
def test_no_badge_assures_what_an_experiment_denies(name: str) -> None:
    data = opened(name)
    drivers = tl.fit_drivers(data)
    table = drivers.incremental(total=False, checks=tl.check_drivers(data, drivers))
    assured = set(table.touchpoint[table.badge.isin(CAUSAL)])
    found = tl.calibrate(drivers, tl.holdout_effects(data)).experiments.set_index("touchpoint")
    ends = tl.holdout_effects(data).table.set_index("touchpoint")[["ci_low", "ci_high"]]
    inside = (ends.ci_low <= found.model) & (found.model <= ends.ci_high)
    assert not assured & set(inside.index[~inside])
