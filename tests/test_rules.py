"""What each rule gives, worked out by hand on a few journeys."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import pytest

import touchlab as tl
from touchlab.credit.attribute import RULES

Open = Callable[..., tl.Dataset]


def credit(data: tl.Dataset, model: str | tl.Rule, **parameters: object) -> dict[str, float]:
    table = tl.attribute(data, models=[model], **parameters)  # type: ignore[arg-type]
    return dict(zip(table.touchpoint, table.credit.round(12), strict=True))


@pytest.fixture(scope="module")
def four(open_events: Open) -> tl.Dataset:
    """Journeys ``a b c *`` of value 30, ``b b *`` of 8, ``c *`` of 2, and ``a b`` without."""
    return open_events(
        {"ann": "a@0 b@1 c@2 *30@3", "bob": "b@0 b@7 *8@14", "cat": "c@0 *2@1", "dan": "a@0 b@1"}
    )


def test_first(four: tl.Dataset) -> None:
    assert credit(four, "first") == {"a": 1, "b": 1, "c": 1}
    assert credit(four, "first", measure="value") == {"a": 30, "b": 8, "c": 2}


def test_last(four: tl.Dataset) -> None:
    assert credit(four, "last") == {"a": 0, "b": 1, "c": 2}
    assert credit(four, "last", measure="value") == {"a": 0, "b": 8, "c": 32}


def test_linear(four: tl.Dataset) -> None:
    # a 1/3; b 1/3 + 1; c 1/3 + 1
    assert credit(four, "linear") == pytest.approx({"a": 1 / 3, "b": 4 / 3, "c": 4 / 3})
    # a 10; b 10 + 8; c 10 + 2
    assert credit(four, "linear", measure="value") == pytest.approx({"a": 10, "b": 18, "c": 12})


def test_shapley(four: tl.Dataset) -> None:
    # as linear here, since the repeated b shares with nobody
    assert credit(four, "shapley") == pytest.approx({"a": 1 / 3, "b": 4 / 3, "c": 4 / 3})


def test_shapley_counts_a_repeated_touchpoint_once(open_events: Open) -> None:
    data = open_events({"ann": "a@0 b@1 b@2 b@3 *@4"})
    assert credit(data, "shapley") == {"a": 0.5, "b": 0.5}
    assert credit(data, "linear") == {"a": 0.25, "b": 0.75}


def test_position_with_one_two_three_and_five_touches(open_events: Open) -> None:
    one = open_events({"ann": "a@0 *@9"})
    two = open_events({"ann": "a@0 b@1 *@9"})
    three = open_events({"ann": "a@0 b@1 c@2 *@9"})
    five = open_events({"ann": "a@0 b@1 c@2 d@3 e@4 *@9"})
    assert credit(one, "position") == {"a": 1}
    assert credit(two, "position") == {"a": 0.5, "b": 0.5}
    assert credit(three, "position") == {"a": 0.4, "b": 0.2, "c": 0.4}
    # the middle's 20 % in three: .0667 each
    third = pytest.approx(0.2 / 3)
    assert credit(five, "position") == {"a": 0.4, "b": third, "c": third, "d": third, "e": 0.4}


def test_position_with_weights_of_ones_own(open_events: Open) -> None:
    two = open_events({"ann": "a@0 b@1 *@9"})
    three = open_events({"ann": "a@0 b@1 c@2 *@9"})
    # the ends of two touches share in proportion: .1 / .4 and .3 / .4
    assert credit(two, tl.position(0.1, 0.3)) == {"a": 0.25, "b": 0.75}
    assert credit(three, tl.position(0.1, 0.3)) == pytest.approx({"a": 0.1, "b": 0.6, "c": 0.3})
    # nothing for the middle, nothing for the first
    assert credit(three, tl.position(0.5, 0.5)) == {"a": 0.5, "b": 0, "c": 0.5}
    assert credit(two, tl.position(0, 0.4)) == {"a": 0, "b": 1}


def test_time_decay_halves_for_every_half_life(open_events: Open) -> None:
    # 14, 7 and 0 days before the outcome: weights 1/4, 1/2, 1 of 7/4
    data = open_events({"ann": "a@0 b@7 c@14 *@14"})
    assert credit(data, "time_decay") == pytest.approx({"a": 1 / 7, "b": 2 / 7, "c": 4 / 7})
    # half-life of 14 days: weights 1/2, 0.7071, 1 of 2.2071
    assert credit(data, tl.time_decay(14)) == pytest.approx(
        {"a": 0.5 / 2.20711, "b": 0.707107 / 2.20711, "c": 1 / 2.20711}, abs=1e-6
    )


def test_time_decay_counts_time_to_the_outcome_the_same_for_all(open_events: Open) -> None:
    # what only moves the outcome moves every weight alike
    near, far = open_events({"ann": "a@0 b@7 *@8"}), open_events({"ann": "a@0 b@7 *@30"})
    assert credit(near, "time_decay") == pytest.approx(credit(far, "time_decay"))
    assert credit(near, "time_decay") == pytest.approx({"a": 1 / 3, "b": 2 / 3})


def test_time_decay_gives_nothing_to_what_is_too_old_to_weigh(open_events: Open) -> None:
    data = open_events({"ann": "a@0 b@5000 *@5001"})
    assert credit(data, tl.time_decay(0.5), lookback=None) == pytest.approx({"a": 0, "b": 1})


def test_last_non_direct_passes_over_direct(open_events: Open) -> None:
    data = open_events(
        {
            "ann": "ad@0 direct@1 direct@2 *@3",  # ad
            "bob": "direct@0 *@1",  # nothing else: direct
            "cat": "ad@0 mail@1 *@2",  # mail
            "dan": "ad@0 *@1 direct@2 *@3",  # ad; then direct, the ad is of another journey
        }
    )
    assert credit(data, "last_non_direct") == {"ad": 2, "direct": 2, "mail": 1}
    assert credit(data, "last") == {"ad": 1, "direct": 3, "mail": 1}


def test_direct_is_known_however_tools_write_it(open_events: Open) -> None:
    data = open_events({"ann": "ad@0 (direct)@1 Direct@2 direct_traffic@3 *@4"})
    assert credit(data, "last_non_direct")["ad"] == 1


def test_last_non_direct_is_last_where_nothing_is_direct(four: tl.Dataset) -> None:
    assert credit(four, "last_non_direct") == credit(four, "last")


def test_a_rule_of_ones_own_is_scaled_to_each_outcome(four: tl.Dataset) -> None:
    # 1 / position: ann 6/11, 3/11, 2/11; bob and cat whole
    ours = tl.Rule("ours", lambda t: 1 / t.position)
    assert credit(four, ours) == pytest.approx({"a": 6 / 11, "b": 14 / 11, "c": 13 / 11})
    same = tl.Rule("same", lambda t: 3)
    assert credit(four, same) == pytest.approx(credit(four, "linear"))


def test_a_rule_that_leaves_outcomes_over_is_refused(four: tl.Dataset) -> None:
    # cat's only touch is the first, and the last
    middle = tl.Rule(
        "middle", lambda t: ibis.ifelse((t.position > 1) & (t.position < t.n), 1.0, 0.0)
    )
    with pytest.raises(tl.ParameterError) as error:
        tl.attribute(four, models=[middle])
    assert str(error.value) == (
        "models: rule 'middle' shared out 1 of 3, in parts of 0 and more\n"
        "  a rule must give every touch a number of 0 or more, "
        "and one above 0 in every journey"
    )


def test_a_rule_with_negative_weights_is_refused(four: tl.Dataset) -> None:
    # ann: 1.5, 0.5 and -0.5 of 1.5: c gets -1/3
    odd = tl.Rule("odd", lambda t: 2.5 - t.position)
    with pytest.raises(tl.ParameterError) as error:
        tl.attribute(four, models=[odd])
    assert str(error.value).startswith(
        "models: rule 'odd' shared out 3 of 3, in parts of -0.333333 and more\n"
    )


@pytest.mark.parametrize("ends", [(-0.1, 0.5), (0.6, 0.6), (0, 0)])
def test_shares_of_the_ends_are_checked(ends: tuple[float, float]) -> None:
    with pytest.raises(tl.ParameterError) as error:
        tl.position(*ends)
    assert str(error.value) == (
        f"position: first={ends[0]}, last={ends[1]} are not shares\n"
        "  give two shares of at least 0 that add up to at most 1"
    )


@pytest.mark.parametrize("days", [0, -1, float("nan")])
def test_a_half_life_is_checked(days: float) -> None:
    with pytest.raises(tl.ParameterError) as error:
        tl.time_decay(days)
    assert str(error.value) == (
        f"time_decay: half_life_days={days}\n  give a number of days above 0"
    )


def test_rules_are_named_as_they_are_listed() -> None:
    assert [rule.name for rule in RULES.values()] == list(RULES)
