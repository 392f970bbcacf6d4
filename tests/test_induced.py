"""Touches that other touches bring: links, and outcomes lost with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.data.customers import DAY_SECONDS
from touchlab.drivers.fit import fit_drivers
from touchlab.drivers.induced import Link, Tracks, _roll, _steps, _weights
from touchlab.moments.sample import sample_moments
from touchlab.simulate import OutcomeSpec, TouchpointSpec, World, simulate, true_effects

DAY = pd.Timedelta("1D")
START = pd.Timestamp("2026-03-01T00:00:00Z")


def world(**induces: float) -> World:
    """ad may bring search, search may bring mail; only search and mail convert."""
    return World(
        (
            TouchpointSpec("ad", 0.03, induces={"search": induces.get("search", 0.0)}),
            TouchpointSpec(
                "search", 0.01, {"conversion": 1.2}, induces={"mail": induces.get("mail", 0.0)}
            ),
            TouchpointSpec("mail", 0.01, {"conversion": 1.2}),
        ),
        customers=4_000,
        days=120,
        outcomes={"conversion": OutcomeSpec(0.001)},
    )


def opened(world: World, seed: int) -> tl.Dataset:
    tables = simulate(world, seed=seed).tables
    return tl.open_data({name: table for name, table in tables.items() if len(table)})


def kept(drivers) -> set[tuple[str, str]]:
    arrivals = drivers.induced.arrivals
    return set(arrivals[arrivals.kept][["touchpoint", "brings"]].itertuples(index=False, name=None))


def test_no_link_where_touches_come_by_themselves():
    drivers = fit_drivers(opened(world(), seed=1))
    assert kept(drivers) == set()
    table = drivers.incremental()
    assert (table.total == table.incremental).all()


def test_links_and_chains_are_followed():
    chain = world(search=0.5, mail=0.5)
    drivers = fit_drivers(opened(chain, seed=2))
    assert kept(drivers) == {("ad", "search"), ("search", "mail")}
    table = drivers.incremental().set_index("touchpoint")
    truth = true_effects(chain, seed=2, repeats=4).query("outcome == 'conversion'")
    truth = truth.set_index("touchpoint")
    # the ad does nothing itself, but brings searches, and through them mails
    assert table.ci_low["ad"] < 0 < table.ci_high["ad"]
    assert truth.incremental_direct["ad"] == 0
    assert truth.incremental_total["ad"] > 50
    indirect = (table.total - table.incremental)["ad"]
    assert indirect == pytest.approx(truth.incremental_total["ad"], rel=0.4)
    assert (table.total - table.incremental)["mail"] == 0
    totals = drivers.totals.set_index("touchpoint")
    np.testing.assert_allclose(totals.total, table.total)
    assert totals.ci_low["ad"] <= truth.incremental_total["ad"] <= totals.ci_high["ad"]
    # the links are not known exactly, so a total is less sure than a direct amount
    assert drivers.induced.link_error[0] > 0


def test_weights_by_hand():
    # A touch of 1 that 0 brought at log rate 2 g(A): with A = 1, 2^2 = 4 times as often as
    # without. If 0 is off, a quarter of it is left; a touch of 0 itself is gone.
    stock = np.array([[[1.0, 0.0]], [[1.0, 0.0]]])  # (steps, links, what happened and 0 off)
    found = _weights(stock, np.array([1, 0]), [Link(0, 1, 2.0, 3.0)], [0])
    np.testing.assert_allclose(found, [[1.0, 0.25], [1.0, 0.0]])


def test_rolling_forward_by_hand():
    # ann: touch of a at day 1, of b at day 2, looked at on day 3. a brings b at log rate
    # 1 g(A) with a half-life of a day; b counts with a half-life of two days.
    tables = {
        "touches": pd.DataFrame(
            {
                "customer_id": "ann",
                "timestamp": [START + DAY, START + 2 * DAY],
                "touchpoint": ["a", "b"],
            }
        ),
        "outcomes": pd.DataFrame(
            {"customer_id": ["ann"], "timestamp": [START + 3 * DAY], "outcome": ["conversion"]}
        ),
        "customers": pd.DataFrame(
            {"customer_id": ["ann"], "observed_from": START, "observed_to": START + 9 * DAY}
        ),
    }
    moments = sample_moments(tl.open_data(tables))
    row = np.flatnonzero(moments.table.event == 1)
    assert len(row) == 1
    assert moments.table.time[row[0]] == (START + 3 * DAY).timestamp()
    assert moments.start_seconds / DAY_SECONDS == START.timestamp() / DAY_SECONDS
    tracks = Tracks(np.array([0, 1]), np.array([1.0, 2.0]), 1)
    found = _roll(_steps(moments, tracks), [Link(0, 1, 1.0, 1.0)], tracks, [0])[row]
    # at day 2 the exposure to a is 1/2, so b came 1.5 times as often: 2/3 are left without
    np.testing.assert_allclose(found[0, 0], [2**-0.5, 2 / 3 * 2**-0.5])


def test_touches_in_bursts_are_not_taken_to_bring_one_another():
    # a session an hour long, of three touches in random order: all come together
    random = np.random.default_rng(1)
    begin = START + pd.to_timedelta(np.sort(random.random(1_500)) * 90, unit="D")
    sessions = pd.DataFrame(
        {"customer_id": [f"c{i}" for i in random.integers(0, 500, 1_500)], "begin": begin}
    )
    parts = [
        sessions.assign(
            timestamp=begin + pd.to_timedelta(random.random(1_500), unit="h"), touchpoint=name
        )
        for name in ("search", "mail", "chat")
    ]
    ids = [f"c{i}" for i in range(500)]
    events = sessions[::10].assign(timestamp=sessions.begin[::10] + DAY, outcome="conversion")
    data = tl.open_data(
        {
            "touches": pd.concat(parts).drop(columns="begin"),
            "outcomes": events.drop(columns="begin"),
            "customers": pd.DataFrame(
                {"customer_id": ids, "observed_from": START, "observed_to": START + 92 * DAY}
            ),
        }
    )
    with pytest.warns(tl.TouchlabWarning, match="come together"):
        drivers = fit_drivers(data)
    assert kept(drivers) == set()
    assert drivers.induced.arrivals.both_ways.sum() == 6
    assert (drivers.totals.indirect == 0).all()


def test_one_touchpoint_brings_nothing():
    one = replace(world(), touchpoints=(TouchpointSpec("ad", 0.03, {"conversion": 0.5}),))
    drivers = fit_drivers(opened(one, seed=1))
    assert drivers.induced.arrivals.empty
    table = drivers.incremental()
    assert (table.total == table.incremental).all()
    assert "total" not in drivers.incremental(total=False)


@pytest.mark.slow
def test_total_effects_are_nearer_to_the_truth_than_direct_ones():
    from touchlab.simulate.worlds import WORLDS

    errors = []
    for seed in (1, 2, 3):
        made = WORLDS["induced touches"](30_000, 180)
        table = fit_drivers(opened(made, seed)).incremental().set_index("touchpoint")
        truth = true_effects(made, seed=seed).query("outcome == 'conversion'")
        known = truth.set_index("touchpoint").incremental_total
        errors.append(
            [(table[c] - known).abs().sum() / known.abs().sum() for c in ("total", "incremental")]
        )
        indirect = table.total - table.incremental
        assert set(indirect[indirect != 0].index) == {"t3"}
    total, direct = np.mean(errors, axis=0)
    assert total < direct
