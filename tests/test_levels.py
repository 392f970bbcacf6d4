"""Campaigns as touchpoints; refunds netted; first outcomes and repeats told apart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import experiments, notes, outcomes, refusal, surveys, tables, touches, touchpoints, utc

import touchlab as tl
from touchlab.data.level import at_level
from touchlab.moments.risk import find_risk
from touchlab.simulate import simulate
from touchlab.simulate.worlds import company_world

SOURCES = Path(__file__).parent / "data" / "sources"


def orders(*rows: tuple[str, int, str, float | None, str | None]) -> pd.DataFrame:
    """Outcomes of (customer, day of March, outcome, value, order_id)."""
    columns = ["customer_id", "timestamp", "outcome", "value", "order_id"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(timestamp=utc(*(f"2026-03-{day:02}" for day in frame.timestamp)))


def values(data: tl.Dataset) -> list[tuple[str, str, float]]:
    frame = data.outcomes.order_by("customer_id", "timestamp", "outcome").to_pandas()
    return list(frame[["customer_id", "outcome", "value"]].itertuples(index=False, name=None))


# --- refunds ------------------------------------------------------------------------------


def test_refunds_are_taken_off_the_order_of_their_id_or_the_last_before() -> None:
    given = orders(
        ("a", 5, "conversion", 100.0, "o1"),
        ("a", 6, "conversion", 50.0, "o2"),
        ("a", 7, "conversion", -30.0, "o1"),  # of the first, though the second is nearer
        ("a", 8, "conversion", -5.0, "o1"),  # in parts
        ("b", 5, "conversion", 40.0, None),
        ("b", 6, "churn", None, None),  # no order
        ("b", 7, "refund", 60.0, None),  # more than the order was
        ("c", 5, "conversion", -9.0, "gone"),  # of nothing that is here
    )
    given = tables(touches=touches(customer_id=["a", "b", "c"]), outcomes=given)
    net = tl.open_data(given, clean={"refunds": "net"})
    assert [round(v, 9) for _, o, v in values(net) if o == "conversion"] == [65.0, 50.0, 0.0]
    assert [v for _, o, v in values(net) if o == "refund"] == [30.0, 5.0, 60.0, 9.0]
    assert notes(net)[:2] == [
        ("outcomes", 3, "value: below zero, taken as an outcome refund of so much"),
        ("outcomes", 4, "refunds of 104.00: 75.00 taken off the value of what they are of, "
         "29.00 met no such value"),
    ]  # fmt: skip
    apart = tl.open_data(given, clean={"refunds": "apart"})
    assert [v for _, o, v in values(apart) if o == "conversion"] == [100.0, 50.0, 40.0]
    assert [v for _, o, v in values(apart) if o == "refund"] == [30.0, 5.0, 60.0, 9.0]


def test_netting_agrees_with_a_loop_over_random_orders() -> None:
    random = np.random.default_rng(5)
    rows = [
        (f"c{random.integers(9)}", day, "refund" if random.random() < 0.3 else "conversion",
         float(random.integers(1, 50)), None)
        for day in random.permutation(np.arange(1, 29)).tolist()
    ]  # fmt: skip
    given = orders(*rows)
    last: dict[str, int] = {}
    expected = given.value.tolist()
    for place in given.sort_values("timestamp").index:
        customer = given.customer_id[place]
        if given.outcome[place] == "conversion":
            last[customer] = place
        elif customer in last:
            expected[last[customer]] = max(expected[last[customer]] - given.value[place], 0.0)
    want = given.assign(value=expected).sort_values(["customer_id", "timestamp"])
    net = tl.open_data({"outcomes": given}, clean={"refunds": "net"})
    assert [v for _, _, v in values(net)] == pytest.approx(want.value.tolist())
    assert (want.value != given.value[want.index]).sum() > 3


def test_one_line_of_settings_nets_the_refunds_of_an_export(tmp_path: Path) -> None:
    folder = shutil.copytree(SOURCES / "ga4", tmp_path / "ga4")
    with (folder / "touchlab.toml").open("a") as settings:
        settings.write('\n[clean]\nrefunds = "net"\n')
    assert values(tl.open_data(folder)) == [("ann", "conversion", 60.5), ("ann", "refund", 20.0)]


# --- first and repeat ---------------------------------------------------------------------


def test_first_outcomes_and_repeats_are_told_apart_beside_all() -> None:
    given = orders(
        ("a", 5, "conversion", 10.0, None),
        ("a", 9, "conversion", 20.0, None),
        ("a", 7, "conversion", 30.0, None),
        ("b", 6, "conversion", 40.0, None),
        ("b", 8, "churn", None, None),
    )
    data = tl.open_data(tables(outcomes=given), clean={"first": "conversion"})
    own = [row for row in values(data) if " " in row[1]]
    assert own == [
        ("a", "first conversion", 10.0), ("a", "repeat conversion", 30.0),
        ("a", "repeat conversion", 20.0), ("b", "first conversion", 40.0),
    ]  # fmt: skip
    assert len(values(data)) == 5 + len(own)
    said = "conversion: told apart too, as first conversion (2) and repeat conversion (2), "
    assert ("outcomes", 4, f"{said}by what the data holds") in notes(data)
    assert find_risk(data, "repeat conversion", "auto", None).after == "first conversion"


def test_repeats_are_at_risk_from_the_first_on_and_first_ones_once() -> None:
    made = simulate(company_world(customers=1500), seed=3).tables
    made = {name: made[name] for name in ("touches", "outcomes", "customers")}
    data = tl.open_data(made, clean={"first": ["conversion"]})
    whole = made["outcomes"].query("outcome == 'conversion'")
    first, again = (
        tl.fit_drivers(data, outcome=f"{which} conversion", intent="ignore").moments
        for which in ("first", "repeat")
    )
    assert first.events == whole.customer_id.nunique() and not first.risk.recurrent
    assert again.events == len(whole) - whole.customer_id.nunique()
    assert again.risk.after == "first conversion" and again.risk.recurrent


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        ({"first": "convrsion"}, ["clean: first names convrsion; did you mean 'conversion'?",
                                  "  the outcomes are conversion"]),
        ({"refunds": "yes"}, ["touchlab.toml: [clean] refunds is 'yes'",
                              '  use "apart" or "net"']),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_refused(clean: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(tl.DataError) as caught:
        tl.open_data(tables(), clean=clean)
    assert str(caught.value).splitlines() == said


def test_values_below_zero_are_refused_unasked() -> None:
    assert any('refunds = "net"' in line for line in refusal(tables(outcomes=outcomes(value=[-1]))))


# --- campaigns ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company() -> dict[str, pd.DataFrame]:
    made = simulate(company_world(customers=3000), seed=3).tables
    return {name: made[name] for name in ("touches", "outcomes", "customers", "touchpoints")}


def test_credit_of_campaigns_adds_up_to_that_of_their_touchpoint(
    company: dict[str, pd.DataFrame],
) -> None:
    data = tl.open_data(company)
    models = ["first", "last", "linear", "position", "time_decay"]
    whole = tl.attribute(data, models=models).set_index(["model", "touchpoint"]).credit
    parts = tl.attribute(data, models=models, level="campaign")
    assert parts.touchpoint.nunique() > whole.index.get_level_values(1).nunique() + 5
    owner = parts.touchpoint.str.partition(": ")[0]
    sums = parts.groupby([parts.model, owner]).credit.sum()
    pd.testing.assert_series_equal(sums, whole.sort_index(), check_names=False)


def test_drivers_of_campaigns_are_those_of_touchpoints_so_named(
    company: dict[str, pd.DataFrame],
) -> None:
    # each touchpoint becomes a campaign of one: the fit has to be the same
    given = company["touches"].drop(columns="campaign")
    renamed = given.assign(touchpoint="ad", campaign=given.touchpoint)
    kept = {name: company[name] for name in ("outcomes", "customers")}
    whole = tl.fit_drivers(tl.open_data({**kept, "touches": given}), intent="ignore")
    data = tl.open_data({**kept, "touches": renamed})
    parts = tl.fit_drivers(data, intent="ignore", level="campaign")
    assert parts.moments.touchpoints == tuple(f"ad: {n}" for n in whole.moments.touchpoints)
    one, other = (fit.incremental(total=False).incremental for fit in (whole, parts))
    assert one.tolist() == pytest.approx(other.tolist())
    one, other = (tl.cost_per_incremental(fit).cost for fit in (whole, parts))
    assert one.tolist() == pytest.approx(other.tolist()) and one.sum() > 0


def test_map_surveys_and_experiments_follow_as_far_as_they_can() -> None:
    given = tables(
        touches=touches(campaign=["brand", "spring", "(not set)"]),
        touchpoints=touchpoints(),
        surveys=surveys(touchpoint="search"),
        experiments=experiments(touchpoint="search"),
    )
    data = tl.open_data(given, level="campaign")
    assert sorted(data.touches.touchpoint.to_pandas()) == [
        "email: spring", "search", "search: brand",
    ]  # fmt: skip
    stages = data.tables["touchpoints"].to_pandas().set_index("touchpoint").stage.sort_index()
    assert stages.to_dict() == {
        "email: spring": "purchase",
        "search": "retention",
        "search: brand": "retention",
    }
    assert not data.has("experiments") and not data.has("surveys")
    said = "on touchpoints as a whole, which say nothing of one campaign, left out"
    assert notes(data)[-2:] == [("experiments", 2, said), ("surveys", 2, said)]
    assert at_level(tl.open_data(given), "touchpoint").has("experiments")
    # where all touches are of one campaign, what is known of the touchpoint is known of it
    given |= {name: given[name].assign(touchpoint="email") for name in ("experiments", "surveys")}
    alone = tl.open_data(given, level="campaign")
    for name in ("experiments", "surveys"):
        assert set(alone.tables[name].touchpoint.to_pandas()) == {"email: spring"}
    assert said not in alone.notes.note.tolist()


def test_a_level_that_is_not_there_is_refused_by_name() -> None:
    data = tl.open_data(tables())
    with pytest.raises(tl.ParameterError, match=r"level: 'campain'.*did you mean 'campaign'"):
        at_level(data, "campain")
    with pytest.raises(tl.MissingInput, match="no touch names a campaign"):
        tl.attribute(data, level="campaign")
