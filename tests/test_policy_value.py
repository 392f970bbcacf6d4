"""What advice is worth by customers of an experiment who happened to get it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import utc

import touchlab as tl
from touchlab.errors import TooThin
from touchlab.next.value import worth


def drawn(seed: int, n: int = 4_000) -> tuple[Any, Any, Any]:
    """The touch brings .2 to half of the customers and takes .1 from the others; .8 are treated."""
    draw = np.random.default_rng(seed)
    given, helped = draw.random(n) < 0.8, draw.random(n) < 0.5
    return given, helped, draw.poisson(0.3 + given * np.where(helped, 0.2, -0.1)).astype(float)


def test_the_value_of_advice_is_found_at_its_rate() -> None:
    """As advised .3 + .5 * .2 = .4 of each customer, to everybody .35: 50 of 1,000 more."""
    held, gains = [], []
    for seed in range(20):
        found = worth(*drawn(seed), seed)
        low, high = np.quantile(found[1:, 0] - found[1:, 1], [0.025, 0.975])
        held.append(low < 50 < high)
        gains.append(found[0, 0] - found[0, 1])
    assert np.mean(gains) == pytest.approx(50, abs=15)
    assert np.mean(held) >= 0.85


def test_customers_are_those_of_the_experiment() -> None:
    """Advice is looked up at the start of the experiment, outcomes are counted until its end."""
    given, helped, amount = drawn(1, 600)
    ids = [f"c{i:03d}" for i in range(600)]
    start = pd.Timestamp("2026-03-01", tz="UTC")
    times = {"start": utc("2026-03-01")[0], "end": utc("2026-04-01")[0]}
    people = pd.DataFrame({"customer_id": ids, "observed_from": start - pd.Timedelta("9D")})
    people = people.assign(observed_to=utc("2026-06-01")[0])
    arms = pd.DataFrame({"customer_id": ids, "touchpoint": "mail", "arm": "treated"}).assign(
        **times
    )
    arms["arm"] = np.where(given, "treated", "holdout")
    who = np.repeat(ids, amount.astype(int))
    had = pd.DataFrame({"customer_id": who, "outcome": "conversion"})
    had["timestamp"] = start + pd.to_timedelta(np.arange(len(had)) % 29 + 0.5, unit="D")
    late = had.assign(timestamp=pd.Timestamp("2026-05-01", tz="UTC"))
    met = had[["customer_id"]].assign(timestamp=start + pd.Timedelta("1D"), touchpoint="mail")
    tables = {"touches": met.drop_duplicates(), "outcomes": pd.concat([had, late])}
    data = tl.open_data({**tables, "customers": people, "experiments": arms})
    experiments = tl.holdout_effects(data)
    index = pd.Index(["mail"])
    moments = SimpleNamespace(
        data=data, touches=SimpleNamespace(index=index), half_lives=(1.0, 4.0), start_seconds=0.0
    )
    state = dict(zip(ids, np.where(helped, 0, 1), strict=True))
    states = SimpleNamespace(
        drivers=SimpleNamespace(moments=moments), of=lambda points: points.table.customer.map(state)
    )
    advice: Any = SimpleNamespace(policy=pd.DataFrame({"next": ["mail", "none"]}), states=states)
    row = tl.policy_value(advice, experiments).iloc[0]
    chance = np.where(given, given.mean(), 1 - given.mean())
    weight = (given == helped) / chance
    assert row.advised == pytest.approx(1000 * (weight @ amount) / weight.sum())
    assert row.everybody == pytest.approx(1000 * amount[given].mean())
    assert row.share == pytest.approx(helped.mean())
    assert row.n == 600 and row.ci_low < row.gain < row.ci_high
    advice.policy = pd.DataFrame({"next": ["mail", "mail"]})
    with pytest.raises(TooThin, match="No experiment has 30 customers in each arm"):
        tl.policy_value(advice, experiments)
