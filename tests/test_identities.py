"""Ids of one customer brought together, and spend spread over days, counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.simulate import company_world, simulate

Open = Callable[..., tl.Dataset]


def identities(*pairs: str) -> pd.DataFrame:
    rows = [pair.split("=") for pair in pairs]
    return pd.DataFrame(rows, columns=["alias", "customer_id"])


def touched(data: tl.Dataset) -> list[str]:
    return sorted(data.touches.customer_id.to_pandas())


def test_aliases_mean_their_customer_over_others(open_events: Open) -> None:
    """Cookie c is device d's, which is ann's; the outcome was recorded for ann."""
    known = identities("c=d", "d=ann", "ann=ann", "c=d")
    data = open_events({"c": "ad@0", "d": "mail@1", "ann": "*@2", "bob": "ad@0"}, identities=known)
    assert touched(data) == ["ann", "ann", "bob"]
    assert not data.has("identities")
    note = data.notes[data.notes.table == "identities"]
    assert note[["rows", "note"]].values.tolist() == [
        [2, "aliases exchanged for the id of their customer"]
    ]


def test_touches_that_become_equal_are_one(open_events: Open) -> None:
    data = open_events({"c": "ad@0.4", "ann": "ad@0.4 *@2"}, identities=identities("c=ann"))
    assert touched(data) == ["ann"]


def test_an_alias_of_two_customers_is_nobody(open_events: Open) -> None:
    """A device that two share tells of neither; customers keep the numbers that they have."""
    known = identities("7=1", "7=2", "8=1")
    data = open_events({7: "ad@0", 8: "mail@1", 1: "*@2", 2: "*@3"}, identities=known)
    assert touched(data) == ["1", "7"]
    assert "aliases of several customers, left as they are" in data.notes.note.tolist()


def test_a_circle_is_refused(open_events: Open) -> None:
    with pytest.raises(tl.DataError) as error:
        open_events({"a": "ad@0 *@1"}, identities=identities("a=b", "b=a"))
    assert str(error.value).splitlines()[1:] == [
        "identities.alias: 2 of 2 rows mean one another in a circle",
        "  give each alias the id that is to stay",
    ]


def test_windows_of_one_customer_are_joined(open_events: Open) -> None:
    windows = pd.DataFrame(
        {
            "customer_id": ["c", "ann", "bob"],
            "observed_from": pd.to_datetime(["2026-01-01", "2026-03-01", "2026-02-01"], utc=True),
            "observed_to": pd.to_datetime(["2026-04-01", "2026-05-01", "2026-06-01"], utc=True),
            "plan": ["basic", "gold", "none"],
        }
    )
    data = open_events(
        {"c": "ad@0", "ann": "*@2", "bob": "ad@1"},
        customers=windows,
        identities=identities("c=ann"),
    )
    found = data.tables["customers"].to_pandas().sort_values("customer_id").astype(str)
    assert found.to_numpy().tolist() == [
        ["ann", "2026-01-01", "2026-05-01", "gold"], ["bob", "2026-02-01", "2026-06-01", "none"],
    ]  # fmt: skip


def dated(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["date", "touchpoint", "cost"])


def test_spend_beside_costs_of_touches_is_refused(open_events: Open) -> None:
    spend = dated(("2026-03-01", "ad", 5.0))
    touches = pd.DataFrame(
        {
            "customer_id": ["a", "b"],
            "timestamp": pd.to_datetime(["2026-03-01", "2026-03-02"], utc=True),
            "touchpoint": ["ad", "mail"],
            "cost": [1.0, 1.0],
        }
    )
    with pytest.raises(tl.DataError) as error:
        open_events({"a": "ad@0 *@1"}, spend=spend, touches=touches)
    assert str(error.value).splitlines()[1:] == [
        "touches.cost: 1 of 2 rows have a cost of their own, and their touchpoint has dated spend",
        "  leave the cost of these touches out, or their touchpoint out of spend",
    ]


def test_return_on_dated_spend_is_that_of_an_independent_count() -> None:
    """Costs taken off the touches and added up by day come back as they were, and so does ROI."""
    tables = simulate(company_world(customers=1500), seed=3).tables
    touches = tables["touches"]
    day = touches.timestamp.dt.strftime("%Y-%m-%d").rename("date")
    spend = touches.groupby([day, "touchpoint"]).cost.sum().reset_index()
    spend = spend[spend.cost > 0]
    lost = dated(("2019-01-01", "display", 120.0), (spend.date.iloc[0], "cinema", 80.0))
    given = {**tables, "touches": touches.drop(columns="cost")}
    data = tl.open_data({**given, "spend": pd.concat([spend, lost])})
    said = data.notes[data.notes.table == "spend"].iloc[-1]
    total = spend.cost.sum() + 200
    assert said["rows"] == 2
    assert said.note == (
        f"200.00 of {total:,.2f} ({20000 / total:.1f} %) was spent on days without a touch of its "
        "touchpoint, dropped; most on 'display': 120.00"
    )
    found = data.touches.group_by("touchpoint").aggregate(cost=data.touches.cost.sum()).to_pandas()
    window = data.tables["customers"].select("customer_id", "observed_from", "observed_to")
    inside = touches.merge(window.to_pandas(), on="customer_id")
    assert len(inside) == len(touches)
    expected = spend.groupby("touchpoint").cost.sum()
    found = found.set_index("touchpoint").cost
    assert np.allclose(found[found > 0].sort_index(), expected.sort_index())
    # each touch carries the mean cost of its touchpoint's touches of that day
    means = touches.groupby([day, "touchpoint"]).cost.transform("mean")
    ours = data.touches.select("customer_id", "timestamp", "touchpoint", "cost").to_pandas()
    theirs = touches.assign(timestamp=touches.timestamp.dt.tz_localize(None), mean=means)
    joined = ours.merge(theirs, on=["customer_id", "timestamp", "touchpoint"])
    assert len(joined) >= len(ours) and np.allclose(joined.cost_x, joined["mean"])
