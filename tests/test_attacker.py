"""An attacker with all tables of a report, and all relations, recovers no small count."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

import touchlab as tl
from touchlab import show
from touchlab.credit import sensitivity
from touchlab.privacy.suppress import hidden_cells

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "attacker.py"
NAMES = ["ad", "email", "search", "shop", "fair", "spa"]
CREDIT = [700.0, 310.0, 41.0, 36.0, 8.0, 3.0]
COST = [93.0, 21.0, 77.0, 11.0, 210.0, 13.0]


@pytest.fixture(scope="module")
def attacker() -> ModuleType:
    spec = spec_from_file_location("attacker", SCRIPT)
    assert spec and spec.loader
    sys.modules["attacker"] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tables(attacker: ModuleType, **more: list[float]) -> list[Any]:
    credit = pd.DataFrame({"touchpoint": NAMES, "credit": CREDIT})
    beside = pd.DataFrame({"touchpoint": NAMES, **more})
    return [attacker.Published("credit", credit), attacker.Published("beside", beside)]


def test_what_sums_leave_open_is_not_recovered(attacker: ModuleType) -> None:
    found = attacker.attack(_tables(attacker, cost=COST), 10)
    assert (found.small, found.recovered, found.narrowed) == (2, [], [])


@pytest.mark.parametrize(
    "told",
    [
        {"cost": COST, "ratio": [a / b for a, b in zip(COST, CREDIT, strict=True)]},
        {"share": [one / 1098 for one in CREDIT], "n": [1098.0] * 6},
        {"rest": [1098 - one for one in CREDIT]},
        {"cost": COST, "both": [a + b for a, b in zip(COST, CREDIT, strict=True)]},
        {"twin": CREDIT},
    ],
    ids=lambda told: " and ".join(told),
)
def test_what_follows_by_division_shares_or_sums_is(
    told: dict[str, list[float]], attacker: ModuleType
) -> None:
    found = attacker.attack(_tables(attacker, **told), 10)
    assert sorted(one.split()[0] for one in found.recovered) == ["3", "8"]


def test_a_part_is_told_by_the_whole_and_the_other_part(attacker: ModuleType) -> None:
    def run(scale: float, least: float) -> list[Any]:
        counts = [*(scale * one for one in CREDIT[:4]), least, 4 * least]
        frame = pd.DataFrame({"touchpoint": NAMES, "journeys": counts})
        return [attacker.Published("use", frame)]

    whole, north, south = run(3.0, 33.0), run(2.0, 30.0), run(1.0, 3.0)
    alone = attacker.attack(south, 10)
    assert alone.recovered == [] and alone.small == 1
    parts = attacker.side_by_side({"north": north, "south": south})
    assert len(attacker.attack([*whole, *parts], 10).recovered) == 1


def test_value_and_losses_are_hidden_where_credit_of_outcomes_is() -> None:
    names = ["ad"] * 60 + ["email"] * 30 + ["fair"] * 8 + ["spa"] * 4
    people = [f"c{number:03d}" for number in range(len(names))]
    start = pd.Timestamp("2026-03-01", tz="UTC")
    touches = pd.DataFrame({
        "customer_id": people, "timestamp": start, "touchpoint": names, "cost": 2.0,
    })  # fmt: skip
    sold = pd.DataFrame({
        "customer_id": people, "timestamp": start + pd.Timedelta(hours=5),
        "outcome": "conversion", "value": 70.0,
    })  # fmt: skip
    data = tl.open_data({"touches": touches, "outcomes": sold})
    journeys = tl.build_journeys(data)
    worth = sensitivity.value_and_cost(data, journeys)
    of_outcomes = sensitivity.ranked(tl.attribute(journeys, models=["markov"]))
    few = of_outcomes.touchpoint[hidden_cells(of_outcomes).credit]
    assert set(few) == {"fair", "spa"}
    hidden = hidden_cells(worth).set_axis(worth.touchpoint)
    assert hidden.loc[few, ["credit", "share", "roi"]].all(axis=None)
    assert not hidden.loc[["ad", "email"]].any(axis=None)
    # losses of a chain over their sum are the credit again
    losses = hidden_cells(effects := tl.removal_effects(journeys)).set_axis(effects.touchpoints)
    assert losses.loc[few, ["removal", "outcomes_lost", "ci_low"]].all(axis=None)
    assert not losses.loc[["ad", "email"]].any(axis=None)
    assert hidden_cells(effects[["touchpoints", "removal"]]).removal.sum() == len(few)
    assert hidden_cells(effects[["removal"]]).removal.all()  # no row says which it is


def test_he_hears_every_kind_of_table(attacker: ModuleType) -> None:
    with attacker.listening() as heard:
        show.Table(pd.DataFrame({"journeys": [70]}), "shown", most=5)
        show.Table(pd.DataFrame({"journeys": [80]}), "folded", folded=True)
    assert [one.name for one in heard] == ["shown", "folded"]
