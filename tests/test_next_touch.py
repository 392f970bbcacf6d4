"""The next touch by state: integrals by hand, none where it tires, never under a weak badge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier
from test_fatigue import WORLD, opened

import touchlab as tl
from touchlab.drivers.checks import Checks
from touchlab.next.touch import NONE, NextTouch, features, one_more, who


def badged(badge: str) -> Checks:
    table = pd.DataFrame({"touchpoint": ["advert", "mail"], "badge": badge})
    return Checks(table, (), "conversion")


@pytest.fixture(scope="module")
def tired() -> tl.Drivers:
    return tl.fit_drivers(opened(WORLD, 3))


@pytest.fixture(scope="module")
def found(tired: tl.Drivers) -> NextTouch:
    return tl.next_touch(tired.moments.data, tired, checks=badged("adjusted"))


def test_one_more_touch_is_the_hazard_over_its_decay(tired: tl.Drivers) -> None:
    model, given = tired.model, tired.parameters
    place = list(tired.moments.touchpoints).index("mail")
    (fatigue,) = given.synergies
    life, effect = 2 ** given.log_half_lives[place], given.effects[place]
    seen = model.exposure(given)
    at = int(seen[place].argmax())
    stock = np.expm1(seen[place, at])
    days = (np.arange(200_000) + 0.5) * 40 * life / 200_000
    g = np.log1p(stock + 0.5 ** (days / life))
    ratio = np.exp(effect * (g - seen[place, at]) + fatigue * (g**2 - seen[place, at] ** 2))
    terms = given.effects @ seen[:, at] + fatigue * seen[place, at] ** 2
    hazard = np.exp(model.controls.matrix[at] @ given.controls + terms)
    by_hand = hazard * (ratio - 1).sum() * 40 * life / 200_000
    assert one_more(model, given, None)[place, at] == pytest.approx(by_hand, rel=1e-3)


def test_none_of_it_for_those_who_had_much(tired: tl.Drivers, found: NextTouch) -> None:
    assert tired.model.pairs
    frame = found.customers().set_index("customer_id")
    assert not set(frame.next[frame["mail lately"] > 5]) & {"mail"}
    most = found.table[found.table.touchpoint == "mail"].per_1000
    assert most.min() < 0 < most.max()
    assert found.gain.ci_low[0] > 0
    assert (
        found.sentence().startswith("Next touch: advert for ") and "; mail for " in found.sentence()
    )


def test_states_cover_everybody_once(tired: tl.Drivers, found: NextTouch) -> None:
    assert found.policy.share.sum() == pytest.approx(1)
    frame = found.customers()
    assert frame.customer_id.is_unique and set(frame.state) <= set(found.policy.state)
    names, known = features(tired, tired.moments)
    assert len(names) == known.shape[1]
    assert "customer_id" not in found.summary() and "c-" not in repr(found)


def test_a_state_is_said_by_its_splits_not_by_what_one_customer_has() -> None:
    known = np.array([[0.0], [0.4], [3.1], [3.5], [7.0], [97.3]])
    tree = DecisionTreeClassifier(random_state=0).fit(known, [0, 0, 1, 1, 2, 2])
    said = who(tree.tree_, ["mail lately"])
    leaves = dict.fromkeys(said[leaf] for leaf in tree.apply(known))
    # halfway between neighbours: .4 and 3.1, 3.5 and 7
    assert [*leaves] == [
        "mail lately below 1.75", "mail lately 1.75 to 5.25", "mail lately above 5.25"
    ]  # fmt: skip
    alone = DecisionTreeClassifier(max_depth=1).fit(known, [0] * 6)
    assert who(alone.tree_, ["mail lately"]) == ["everybody"]


def test_a_state_of_few_customers_is_not_said(found: NextTouch) -> None:
    few = found.policy.assign(customers=[3] + [900] * (len(found.policy) - 1))
    said = replace(found, policy=few).sentence()
    assert few.who[0] not in said and few.who.iloc[-1] in said
    none = replace(found, policy=few.assign(customers=3)).sentence()
    assert none.startswith("Not said, all of it is hidden")


@pytest.mark.parametrize("badge", ["untested", "descriptive", "unchecked"])
def test_nothing_is_next_under_a_weak_badge(tired: tl.Drivers, badge: str) -> None:
    weak = tl.next_touch(tired.moments.data, tired, checks=badged(badge))
    assert set(weak.policy.next) == {NONE} and weak.gain.gain[0] == 0
    assert weak.sentence().startswith("No next touch is advised for anybody")


def test_a_touch_that_costs_more_than_it_brings_is_not_next(tired: tl.Drivers) -> None:
    asked = {"checks": badged("adjusted"), "costs": {"advert": 1e9, "mail": 1e9}, "value": 1.0}
    dear = tl.next_touch(tired.moments.data, tired, **asked)
    assert set(dear.policy.next) == {NONE}
    with pytest.raises(tl.ParameterError, match="states: 1"):
        tl.next_touch(tired.moments.data, tired, checks=badged("adjusted"), states=1)
