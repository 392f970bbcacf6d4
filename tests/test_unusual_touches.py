"""Touches of a few customers, touches that are the purchase's occasion, rates that are not met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers.gate import hazard_calibration, misfits, runaways
from touchlab.moments.sample import sample_moments
from touchlab.moments.unusual import concentration, occasions, without_extremes
from touchlab.simulate import (
    WORLDS,
    OutcomeSpec,
    TouchpointSpec,
    World,
    simulate,
    true_effects,
)

SALE = {"conversion": OutcomeSpec(0.004)}
SPECS = (
    TouchpointSpec("ad", 0.05, {"conversion": 0.8}, 3.0),
    TouchpointSpec("mail", 0.05, {}, 3.0),
)


def company(seed: int, customers: int = 1_500) -> dict[str, pd.DataFrame]:
    found = simulate(World(SPECS, customers, 90, SALE), seed=seed).tables
    return {name: table for name, table in found.items() if len(table)}


def add(tables: dict[str, pd.DataFrame], touches: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return tables | {"touches": pd.concat([tables["touches"], touches], ignore_index=True)}


def bots(tables: dict[str, pd.DataFrame], count: int) -> pd.DataFrame:
    """So many customers with 2,000 touches of `mail` each."""
    ids = tables["customers"].customer_id[:count].repeat(2_000)
    start = tables["customers"].observed_from.iloc[0]
    seconds = np.random.default_rng(5).uniform(0, 80 * 86_400, len(ids))
    time = start + pd.to_timedelta(seconds, unit="s")
    return pd.DataFrame({"customer_id": ids.to_numpy(), "timestamp": time, "touchpoint": "mail"})


def clicks(tables: dict[str, pd.DataFrame], name: str, share: float) -> pd.DataFrame:
    """A touch of `name` five minutes before so large a share of the outcomes."""
    own = tables["outcomes"].sample(frac=share, random_state=2)
    time = own.timestamp - pd.Timedelta("5min")
    return pd.DataFrame({"customer_id": own.customer_id, "timestamp": time, "touchpoint": name})


def test_touches_of_a_few_customers_are_named_counted_and_can_be_left_out() -> None:
    tables = company(1)
    plain = concentration(tl.open_data(tables)).set_index("touchpoint")
    assert (plain.share < 0.1).all() and (plain.extreme == 0).all()
    data = tl.open_data(add(tables, bots(tables, 10)))
    spread = concentration(data).set_index("touchpoint")
    assert spread.share["mail"] > 0.6 and spread.extreme["mail"] == 10
    assert spread.extreme["ad"] == 0
    assert without_extremes(data).touches.count().to_pyarrow().as_py() < len(tables["touches"])
    with pytest.warns(tl.TouchlabWarning, match="mail: 1 % of its customers have"):
        told = tl.fit_drivers(data, intent="ignore")
    assert "10 of them more than" in " ".join(told.notes)
    left = tl.fit_drivers(data, without="extreme customers", intent="ignore")
    assert left.moments.customers == told.moments.customers - 10
    assert not any("1 % of its customers" in note for note in left.notes)
    with pytest.raises(tl.ParameterError, match="without: 'bots' is not a choice"):
        tl.fit_drivers(data, without="bots")


def test_a_click_that_is_part_of_the_purchase_is_left_out_by_name() -> None:
    tables = company(2)
    data = tl.open_data(add(tables, clicks(tables, "brand_search", 0.5)))
    met = occasions(sample_moments(data)).set_index("touchpoint")
    assert met.part.to_dict() == {"ad": False, "brand_search": True, "mail": False}
    assert met.share["brand_search"] == pytest.approx(0.5, abs=0.03)
    found = tl.fit_drivers(data, intent="ignore")
    table = found.incremental(total=False).set_index("touchpoint")
    plain = tl.fit_drivers(tl.open_data(tables), intent="ignore").incremental(total=False)
    pd.testing.assert_frame_equal(table, plain.set_index("touchpoint"), rtol=1e-6)
    note = next(n for n in found.notes if "brand_search" in n)
    assert "part of the occasion, so it is descriptive" in note
    assert note in tl.check_drivers(data, found).notes


def test_what_is_sent_out_is_no_occasion_however_soon_it_is_answered() -> None:
    tables = company(2)
    mails = clicks(tables, "offer_mail", 0.5)
    for sent, expected in (("out", []), ("in", ["offer_mail"])):
        both = add(tables, mails)
        ways = np.where(both["touches"].touchpoint == "offer_mail", sent, "out")
        data = tl.open_data(both | {"touches": both["touches"].assign(direction=ways)})
        met = occasions(sample_moments(data))
        assert met.touchpoint[met.part].tolist() == expected


def test_where_every_touch_is_the_occasion_nothing_is_shown() -> None:
    """Sessions as touches, the purchase inside the session."""
    tables = company(3)
    tables["touches"] = tables["touches"][:0]
    own = [clicks(tables, name, share) for name, share in (("search", 0.6), ("social", 0.5))]
    with pytest.raises(tl.MissingInput, match="ask instead which touches start a session"):
        tl.fit_drivers(tl.open_data(add(tables, pd.concat(own))))


def test_the_fitted_hazard_meets_what_happened_or_says_where_it_does_not() -> None:
    """A plain fit is met in each tenth; half the coefficient of an effect of 2.5 is not."""
    spec = TouchpointSpec("ad", 0.05, {"conversion": 2.5}, 3.0)
    tables = {n: t for n, t in simulate(World((spec,), 1_500, 90, SALE), seed=6).tables.items()}
    drivers = tl.fit_drivers(
        tl.open_data({n: t for n, t in tables.items() if len(t)}), intent="ignore"
    )
    table = hazard_calibration(drivers.model, drivers.parameters)
    assert set(table["by"]) == {"size", "time", "ad"} and len(table) == 30
    whole = table[table["by"] == "size"][["expected", "observed"]].sum()
    assert whole.expected == pytest.approx(whole.observed, rel=0.01)
    assert misfits(drivers.model, drivers.parameters) == {}
    packed = drivers.parameters.packed.copy()
    packed[0] = 0.0
    said = misfits(drivers.model, drivers.model.parameters(packed))
    assert said["ad"].startswith("the fit is off where ad is present: in one tenth of it")
    table = tl.check_drivers(drivers.moments.data, replace(drivers, misfit=("size",))).table
    assert table.badge.tolist() == ["descriptive"]
    assert "ad: the fit is off by the size of the fitted rate, see the notes." in table.warning[0]


@pytest.mark.slow
def test_touches_so_many_that_they_harm_are_followed() -> None:
    """Of a curve that could not bend, nobody had seen who is without: beyond all outcomes."""
    world = WORLDS["fatigue"](10_000, 180)
    tables = simulate(world, seed=5).tables
    drivers = tl.fit_drivers(tl.open_data({n: t for n, t in tables.items() if len(t)}))
    truth = true_effects(world, seed=5).set_index("touchpoint").incremental_direct["t4"]
    found = drivers.incremental(total=False).set_index("touchpoint").loc["t4"]
    assert not drivers.left_out and found.ci_low <= truth <= found.ci_high < 0


@pytest.mark.parametrize("others", [0, 1])
def test_nobody_says_what_would_be_where_no_moments_are(others: int) -> None:
    specs = (TouchpointSpec("ad", 0.3, {}, 5.0), TouchpointSpec("mail", 0.02, {}, 3.0))
    tables = simulate(World(specs[: 1 + others], 1_500, 60, SALE), seed=2).tables
    drivers = tl.fit_drivers(
        tl.open_data({n: t for n, t in tables.items() if len(t)}), intent="ignore"
    )
    assert runaways(drivers) == {}
    packed = drivers.parameters.packed.copy()
    packed[0] -= 6.0  # and with it the rate of those who are not touched goes up
    packed[2 * drivers.model.touchpoints] += 5.0
    wild = replace(drivers, parameters=drivers.model.parameters(packed))
    if others:
        assert list(runaways(wild)) == ["ad"]
        return
    with pytest.raises(tl.MissingInput, match="more customers who are not touched would tell"):
        runaways(wild)


@pytest.mark.parametrize("saturation", ["log", "exp"])
def test_an_effect_that_bends_up_is_no_adjusted_one(saturation: str) -> None:
    """Of several touches at a time, a curve that ends after a few expects too little."""
    spec = TouchpointSpec("ad", 0.3, {"conversion": 1.5}, 5.0, reach=0.6)
    other = TouchpointSpec("mail", 0.02, {"conversion": 0.8}, 3.0)
    world = World((spec, other), 6_000, 120, {"conversion": OutcomeSpec(0.002, ceiling=0.5)})
    tables = {n: t for n, t in simulate(world, seed=2).tables.items() if len(t)}
    data = tl.open_data(tables)
    lives = {"ad": 5.0, "mail": 3.0}
    drivers = tl.fit_drivers(data, intent="ignore", saturation=saturation, half_lives=lives)
    assert ("ad" in drivers.misfit) == (saturation == "exp")
    assert "mail" not in drivers.misfit and not drivers.model.pairs
    badge = tl.check_drivers(data, drivers).table.set_index("touchpoint").badge
    assert (badge["ad"] == "descriptive") == (saturation == "exp")
    if saturation == "exp":
        assert any("many touches of it do more than the curve" in note for note in drivers.notes)
