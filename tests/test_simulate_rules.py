"""Settings of a world that make no sense are refused, each in full words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from touchlab.errors import ParameterError
from touchlab.simulate import (
    Holdout,
    TouchpointSpec,
    Trait,
    World,
    simulate,
    simulate_paths,
    true_effects,
)

SMALL = World(
    (
        *(TouchpointSpec(name, 0.01) for name in ("search", "display", "follow", "push")),
        TouchpointSpec("trouble", 0.01, hidden=True),
    ),
    customers=100,
    days=60,
)

BAD_SETTINGS = {
    "negative rate": (
        lambda: TouchpointSpec("ad", rate=-0.1),
        "TouchpointSpec 'ad': rate: -0.1 was given; it must be 0 or more touches per "
        "customer-day; 0 switches it off",
    ),
    "rate not a number": (
        lambda: TouchpointSpec("ad", rate="often"),
        "TouchpointSpec 'ad': rate: 'often' was given; it must be 0 or more touches per "
        "customer-day; 0 switches it off",
    ),
    "half-life of zero": (
        lambda: TouchpointSpec("ad", 0.1, half_life_days=0),
        "TouchpointSpec 'ad': half_life_days: 0 was given; it must be more than 0 days; "
        "3 is common",
    ),
    "unknown outcome": (
        lambda: TouchpointSpec("ad", 0.1, {"sale": 1.0}),
        "TouchpointSpec 'ad': effects: 'sale' is not known; allowed: conversion, churn, "
        "referral; correct the name or add it",
    ),
    "named like an outcome": (
        lambda: TouchpointSpec("churn", 0.1),
        "TouchpointSpec 'churn': a name is text, not empty and none of conversion, churn, referral",
    ),
    "window without phase": (
        lambda: TouchpointSpec("ad", 0.1, within_days=5),
        "TouchpointSpec 'ad': within_days: given with phase 'before'; it counts days after "
        "the first conversion; set phase='after'",
    ),
    "two at once": (
        lambda: TouchpointSpec("ad", float("nan"), reach=1.5),
        "TouchpointSpec 'ad': 2 settings cannot be used\n"
        "  rate: nan was given; it must be 0 or more touches per customer-day; "
        "0 switches it off\n"
        "  reach: 1.5 was given; it must be a share from 0 to 1; 0.25 is 25 %",
    ),
    "no customers": (
        lambda: replace(SMALL, customers=0),
        "World: customers: 0 was given; it must be a whole number from 1 to 100,000,000; "
        "1000 is a start",
    ),
    "unknown induced touchpoint": (
        lambda: World((TouchpointSpec("ad", 0.1, induces={"serch": 0.2}),)),
        "World: touchpoint 'ad', induces: 'serch' is not known; allowed: ad; correct the "
        "name or add it",
    ),
    "twice the same name": (
        lambda: World((TouchpointSpec("ad", 0.1), TouchpointSpec("ad", 0.2))),
        "World: touchpoints: 'ad' is given 2 times; name each one once",
    ),
    "holdout beyond the end": (
        lambda: replace(SMALL, holdouts=(Holdout("search", 0.5, end_day=90),)),
        "World: holdout of 'search': days 0 to 90 were given; they must lie in order within "
        "0 to 60; change start_day or end_day",
    ),
    "hidden holdout": (
        lambda: replace(SMALL, holdouts=(Holdout("trouble", 0.5),)),
        "World: holdouts: 'trouble' is not known; allowed: search, display, follow, push; "
        "correct the name or add it",
    ),
    "trait like a column": (
        lambda: replace(SMALL, traits=(Trait("observed_to", {"a": 1.0}),)),
        "World: trait 'observed_to': is a column of the contract; choose another name",
    ),
    "eleven months": (
        lambda: replace(SMALL, season=(1.0,) * 11),
        f"World: season: {(1.0,) * 11!r} was given; it must be empty or twelve factors above "
        "0, one a month; 1 is an average month",
    ),
    "start not a day": (
        lambda: replace(SMALL, start="31/12/2025"),
        "World: start: '31/12/2025' was given; it must be a day; give ISO 8601 (2025-01-01)",
    ),
    "bad seed": (
        lambda: simulate(SMALL, seed=-1),
        "seed: -1 was given; it must be a whole number, 0 or more",
    ),
    "unknown without": (
        lambda: simulate(SMALL, seed=1, without=["ad"]),
        "without: 'ad' was given; it must be a list of touchpoints of the world; allowed: "
        "search, display, follow, push, trouble",
    ),
    "no repeats": (
        lambda: true_effects(SMALL, seed=1, repeats=0),
        "repeats: 0 was given; it must be a whole number from 1",
    ),
    "chance above one": (
        lambda: simulate_paths({"ad": 2}, seed=1),
        "powers['ad']: 2 was given; it must be a chance from 0 to 1; 0.1 is 10 %",
    ),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_bad_settings_are_refused_in_full_words(case):
    make, message = BAD_SETTINGS[case]
    with pytest.raises(ParameterError) as caught:
        make()
    assert str(caught.value) == message
