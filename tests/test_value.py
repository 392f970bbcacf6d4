"""Value reaches the drivers: more outcomes, larger outcomes, both, heavy tails, none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers.effects import Ahead, Ratios, baseline, fair_shares, removal
from touchlab.drivers.value import Game
from touchlab.errors import MissingInput, ParameterError

DAY0 = pd.Timestamp("2024-01-01")
NAMES = ("ad", "mail", "push")
TIMES_TEN = float(np.log(10) / np.log(2))
"""Effect of saturated exposure with which the first touch multiplies by ten."""


def world(
    seed: int, *, often: float = 0.0, larger: float = 0.0, spread: float = 0.5, value: float = 0.0
) -> tuple[dict[str, pd.DataFrame], float]:
    """1,200 customers, touched at random; mail makes purchases come oftener or larger.

    Steps of a quarter of a day, half-life of 4 days. Gives tables, and the value that would
    be missing without mail. `value`: that of every purchase; 0 draws lognormal ones.
    """
    random = np.random.default_rng(seed)
    step, customers, exposure = 0.25, 1_200, np.zeros((1_200, 3))
    touches, outcomes, missing = [], [], 0.0
    for start in np.arange(0, 60, step):
        felt = np.log1p(exposure[:, 1])
        hazard, size = 0.02 * np.exp(often * felt) * step, 50 * np.exp(larger * felt)
        size = np.full(customers, value) if value else size
        missing += hazard @ size - hazard @ (size * np.exp(-(often + larger) * felt))
        who = np.flatnonzero(random.random(customers) < -np.expm1(-hazard))
        drawn = size[who] * np.exp(spread * random.normal(size=len(who)) - spread**2 / 2)
        when = start + step * random.uniform(0.05, 0.95, len(who))
        outcomes += list(zip(who, when, size[who] if value else drawn, strict=True))
        new = random.random((customers, 3)) < 0.05 * step
        for i, name in enumerate(NAMES):
            touches += [(c, start + step, name) for c in np.flatnonzero(new[:, i])]
        exposure = exposure * 0.5 ** (step / 4) + new
    columns = ["customer_id", "timestamp"]
    tables = {
        "touches": pd.DataFrame(touches, columns=[*columns, "touchpoint"]),
        "outcomes": pd.DataFrame(outcomes, columns=[*columns, "value"]).assign(
            outcome="conversion"
        ),
        "customers": pd.DataFrame({"customer_id": range(customers)}).assign(
            observed_from=DAY0, observed_to=DAY0 + pd.Timedelta(days=60)
        ),
    }
    for name in ("touches", "outcomes"):
        tables[name]["timestamp"] = DAY0 + pd.to_timedelta(tables[name].timestamp, unit="D")
    return tables, missing


def fitted(tables: dict[str, pd.DataFrame]) -> tl.Drivers:
    return tl.fit_drivers(tl.open_data(tables), intent="ignore")


WORLDS = {
    "larger alone": {"larger": TIMES_TEN},
    "oftener alone": {"often": 1.6},
    "both": {"often": 1.0, "larger": 1.0},
    "heavy tails": {"often": 1.0, "larger": 1.0, "spread": 1.5},
}


@pytest.mark.parametrize("name", WORLDS)
def test_value_is_found_where_its_truth_is_known(name):
    # of 9 intervals of 95 % chance leaves at least 7 with odds of .99, of 3 at least 2 as well
    held, none, ratios = 0, 0, []
    for seed in range(3):
        tables, missing = world(seed, **WORLDS[name])
        drivers = fitted(tables)
        found = drivers.incremental(measure="value").set_index("touchpoint")
        truth = pd.Series({"ad": 0.0, "mail": missing, "push": 0.0})
        held += int((found.ci_low.le(truth) & found.ci_high.ge(truth)).sum())
        ratios.append(found.incremental["mail"] / missing)
        rest = drivers.value.baseline.baseline[0] + found.fair_share.sum()
        assert rest == pytest.approx(tables["outcomes"].value.sum(), rel=1e-9)
        assert np.allclose(found.incremental, found.more + found.larger)
        if name == "larger alone":
            assert found.larger["mail"] > 0.8 * found.incremental["mail"]
            none += found.more_low["mail"] < 0 < found.more_high["mail"]
        elif name == "oftener alone":
            assert found.more["mail"] > 0.9 * found.incremental["mail"]
            none += found.larger_low["mail"] < 0 < found.larger_high["mail"]
        else:
            none += 1
    assert held >= 7 and none >= 2
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)


def test_equal_values_are_counts_times_the_value():
    drivers = fitted(world(1, often=1.6, value=40.0)[0])
    counts = drivers.incremental(total=False)
    found = drivers.incremental(measure="value")
    # counts are brought to those observed up to a few in a million, and values exactly
    for name in ("incremental", "fair_share"):
        np.testing.assert_allclose(found[name], 40 * counts[name], rtol=1e-4)
    reach = 40 * (counts.ci_high - counts.ci_low)
    np.testing.assert_allclose(found.ci_high - found.ci_low, reach, rtol=0.02)
    np.testing.assert_allclose(found.larger, 0, atol=1e-6)
    assert drivers.value.baseline.baseline[0] == pytest.approx(
        40 * drivers.baseline.baseline[0], rel=1e-4
    )


def test_segments_add_up_to_the_whole_and_summaries_show_value():
    drivers = fitted(world(2, larger=1.0)[0])
    by_month = drivers.incremental(by="month", measure="value").groupby("touchpoint")
    whole = drivers.incremental(measure="value").set_index("touchpoint")
    np.testing.assert_allclose(by_month.incremental.sum(), whole.incremental, rtol=1e-9)
    shown = drivers.summary().set_index("touchpoint")
    np.testing.assert_allclose(shown.value[whole.index], whole.incremental)


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_game_of_value_adds_up_and_at_size_one_is_that_of_counts(once, seed):
    random = np.random.default_rng(seed)
    present = random.random((3, 7)) < 0.6
    ratios = Ratios(random.normal(0, 0.8, (3, 7)) * present)
    sizes, count = Ratios(random.normal(0, 0.8, (3, 7)) * present), random.random(7)
    later = Ratios(random.normal(0, 0.8, (3, 28)))
    ahead = Ahead(later, random.random(28) / 4, 7) if once else None
    game = Game(count, ratios, random.random(7), sizes, ahead)
    whole, rest, _, _ = game.parts()
    np.testing.assert_allclose(game.fair_shares().sum(axis=0), whole - rest, atol=1e-12)
    plain = Game(count, ratios, np.ones(7), Ratios(np.zeros((3, 7))), ahead)
    one, (_, rest, more, larger) = np.ones((7, 1)), plain.parts()
    np.testing.assert_allclose(more @ one, removal(count, ratios, one, ahead))
    np.testing.assert_allclose(larger, 0)
    np.testing.assert_allclose(rest @ one, baseline(count, ratios, one, ahead))
    shares = fair_shares(count, ratios, one, ahead)
    np.testing.assert_allclose(plain.fair_shares() @ one, shares, rtol=1e-4, atol=1e-6)


def test_missing_values_count_nothing_and_are_told():
    tables = world(3)[0]
    tables["outcomes"].loc[::10, "value"] = np.nan
    drivers = fitted(tables)
    n, gone = len(tables["outcomes"]), tables["outcomes"].value.isna().sum()
    assert (
        drivers.value.notes[0]
        == f"{gone:,} of {n:,} conversion outcomes have no value; they count 0"
    )
    assert drivers.incremental(measure="value").attrs["notes"] == list(drivers.value.notes)
    whole = drivers.value.baseline.value[0]
    assert whole == pytest.approx(tables["outcomes"].value.sum())


def test_few_customers_with_much_of_the_value_are_told():
    tables = world(4)[0]
    tables["outcomes"].loc[0, "value"] = 20 * tables["outcomes"].value.sum()
    said = " ".join(fitted(tables).value.notes)
    assert "of the value is that of 1% of the customers" in said


def test_without_values_counts_alone_are_shown():
    tables = world(5)[0]
    tables["outcomes"]["value"] = np.nan
    drivers = fitted(tables)
    assert "value" not in drivers.summary().columns
    with pytest.raises(MissingInput, match="No conversion has a value"):
        drivers.incremental(measure="value")
    with pytest.raises(ParameterError, match="measure: 'euro'"):
        drivers.incremental(measure="euro")
    with pytest.raises(MissingInput, match="outcomes has no value"):
        drivers = fitted(tables | {"outcomes": tables["outcomes"].drop(columns="value")})
        drivers.incremental(measure="value")
