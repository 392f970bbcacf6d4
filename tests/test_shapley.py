"""Shapley values: the formula, its closed form on journeys, and the ordered version."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from games import shapley_values

import touchlab as tl
from touchlab.credit.sensitivity import credit_by_position

Open = Callable[..., tl.Dataset]


def by_orders_of_arrival(worth: np.ndarray, n: int) -> np.ndarray:
    """Average what each player adds on arrival, over all n! orders."""
    added = np.zeros(n)
    for order in permutations(range(n)):
        coalition = 0
        for player in order:
            joined = coalition | (1 << player)
            added[player] += worth[joined] - worth[coalition]
            coalition = joined
    return added / math.factorial(n)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_formula_is_the_average_over_orders_of_arrival(n: int) -> None:
    worth = np.random.default_rng(n).normal(size=2**n)
    assert shapley_values(worth) == pytest.approx(by_orders_of_arrival(worth, n), abs=1e-12)
    assert shapley_values(worth).sum() == pytest.approx(worth[-1] - worth[0])


def test_a_glove_game_by_hand() -> None:
    # one left glove (player 0), two right ones: a pair is worth 1. Shapley 4/6, 1/6, 1/6.
    worth = [0, 0, 0, 1, 0, 1, 0, 1]
    assert shapley_values(worth) == pytest.approx([4 / 6, 1 / 6, 1 / 6])


@pytest.mark.parametrize("worth", [[], [1.0], [0, 1, 2], np.zeros((2, 2)), np.zeros(2**21)])
def test_a_game_has_two_to_the_n_worths(worth: object) -> None:
    size = np.asarray(worth).size
    with pytest.raises(tl.ParameterError) as error:
        shapley_values(worth)  # type: ignore[arg-type]
    assert str(error.value) == (
        f"shapley_values: {size} worths\n"
        "  give 2^n of them, one for each coalition of n = 1 to 20 players"
    )


def random_paths(seed: int, n: int) -> list[tuple[str, int, int]]:
    random = np.random.default_rng(seed)
    names = [f"t{i}" for i in range(n)]
    return [
        (" > ".join(random.choice(names, random.integers(1, 7))), int(random.integers(1, 9)), 3)
        for _ in range(25)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_closed_form_is_the_value_of_the_game(open_paths: Open, seed: int) -> None:
    n = 5
    paths = random_paths(seed, n)
    worth = np.zeros(2**n)
    for coalition in range(2**n):
        for path, conversions, _ in paths:
            if all(coalition >> int(name[1:]) & 1 for name in path.split(" > ")):
                worth[coalition] += conversions
    credit = tl.attribute(open_paths(*paths), models=["shapley"]).set_index("touchpoint").credit
    expected = [credit.get(f"t{i}", 0.0) for i in range(n)]
    assert shapley_values(worth) == pytest.approx(expected)


def test_ordered_shapley_by_hand(open_events: Open) -> None:
    # ann a b a c: thirds; a's is halved over positions 1 and 3. bob b: whole at 1.
    data = open_events({"ann": "a@0 b@1 a@2 c@3 *@4", "bob": "b@0 *@1", "cat": "c@0", "dan": "*@9"})
    table = credit_by_position(data)
    assert table.columns.tolist() == [
        "model", "touchpoint", "position", "credit", "share", "ci_low", "ci_high", "n", "within",
    ]  # fmt: skip
    assert table[table.touchpoint == "b"].within.tolist() == pytest.approx([3 / 4, 1 / 4, 0, 0])
    wide = table.pivot(index="touchpoint", columns="position", values="credit")
    assert wide.loc["a"].tolist() == pytest.approx([1 / 6, 0, 1 / 6, 0])
    assert wide.loc["b"].tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert wide.loc["c"].tolist() == pytest.approx([0, 0, 0, 1 / 3])
    # of three outcomes, one has no touch
    assert table.n.unique().tolist() == [3.0]
    assert table.share.sum() == pytest.approx(2 / 3)


@pytest.mark.parametrize("model", ["shapley", "linear", "position", "first"])
def test_credit_at_all_positions_is_the_credit(open_events: Open, model: str) -> None:
    random = np.random.default_rng(1)
    journeys = {
        i: " ".join(f"{random.choice(list('abc'))}@{t}" for t in range(random.integers(1, 15)))
        + f" *{random.integers(1, 9)}@15"
        for i in range(40)
    }
    data = open_events(journeys)
    for measure in ("count", "value"):
        split = credit_by_position(data, model=model, measure=measure)
        whole = tl.attribute(data, models=[model], measure=measure).set_index("touchpoint")
        assert split.groupby("touchpoint").credit.sum().to_numpy() == pytest.approx(
            whole.credit.to_numpy()
        )
    assert split.position.unique().tolist() == [*map(str, range(1, 11)), "11+"]


def test_positions_by_segment(open_events: Open) -> None:
    data = open_events({"ann": "a@0 b@1 *@2", "bob": "b@40 *@41"})
    journeys = tl.build_journeys(data, by="month")
    table = credit_by_position(journeys, model="linear")
    credit = table.groupby(["segment", "touchpoint"]).credit.sum()
    assert credit.to_dict() == {
        ("2026-03", "a"): 0.5, ("2026-03", "b"): 0.5, ("2026-04", "a"): 0, ("2026-04", "b"): 1,
    }  # fmt: skip


def test_markov_has_no_positions(open_events: Open) -> None:
    with pytest.raises(tl.ParameterError) as error:
        credit_by_position(open_events({"ann": "a@0 *@1"}), model="markov_2")
    assert str(error.value) == (
        "model: 'markov_2' credits touchpoints as a whole, not at positions\n"
        "  use 'shapley' or a rule, such as 'linear'"
    )


def test_names_do_not_matter(open_events: Open) -> None:
    journeys = {"ann": "a@0 b@1 c@2 *@3", "bob": "b@0 b@1 *@2", "cat": "c@0 a@1 *@2"}
    other = {"a": "zebra", "b": "Älpha", "c": "0"}
    renamed = {
        who: " ".join(
            f"{other.get(word.split('@')[0], '*')}@{word.split('@')[1]}" for word in text.split()
        )
        for who, text in journeys.items()
    }
    before = tl.attribute(open_events(journeys), models=["shapley"]).set_index("touchpoint")
    after = tl.attribute(open_events(renamed), models=["shapley"]).set_index("touchpoint")
    columns = ["credit", "share", "ci_low", "ci_high", "n"]
    pd.testing.assert_frame_equal(
        before.rename(index=other)[columns].sort_index(), after[columns].sort_index()
    )
