"""Markov credit: by hand, against brute force, and its intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import touchlab as tl
from touchlab.credit import markov
from touchlab.credit.frame import add_up, leave_one_out, shares
from touchlab.credit.markov import Chain, build_chain, removals
from touchlab.credit.order import choose_order, removal_effects, score_orders
from touchlab.numeric import interval, jackknife

Open = Callable[..., tl.Dataset]
Journey = tuple[tuple[int, ...], bool, float]
"""Touchpoint codes, whether the outcome followed, and how many such journeys there are."""


def chain_of(journeys: Sequence[Journey], n: int, order: int, groups: int = 1) -> Chain:
    """Count steps in plain Python; journey i is of group i modulo `groups`."""
    width, start, outcome = n + 2, n, n + 1
    steps: Counter[tuple[int, int]] = Counter()
    for i, (codes, converted, weight) in enumerate(journeys):
        digits = [start] * order + list(codes) + [outcome] * converted
        for end in range(order, len(digits)):
            key = 0
            for digit in digits[end - order : end + 1]:
                key = key * width + digit
            steps[i % groups, key] += weight  # type: ignore[assignment]
    group, key = np.array(list(steps)).T
    count = np.array(list(steps.values()), dtype=float)
    return build_chain(key, count, width=width, order=order, group=group, groups=groups)


def brute_force(journeys: Sequence[Journey], sets: Sequence[Sequence[int]], order: int) -> list:
    """Lay out a dense chain of tuples, delete the states, and solve again."""
    moves: Counter[tuple[object, object]] = Counter()
    for codes, converted, weight in journeys:
        states = [codes[max(0, i - order) : i] for i in range(len(codes) + 1)]
        path = [*states, "outcome" if converted else "end"]
        if len(codes):
            for source, target in pairwise(path):
                moves[source, target] += weight  # type: ignore[assignment]
    states = list(dict.fromkeys(s for s, _ in moves))

    def reached(gone: Sequence[int]) -> float:
        kept = [s for s in states if not (s and s[-1] in gone)]
        steps = np.zeros((len(kept), len(kept)))
        outcome = np.zeros(len(kept))
        leaving: Counter[object] = Counter()
        for (source, _), weight in moves.items():
            leaving[source] += weight  # type: ignore[assignment]
        for (source, target), weight in moves.items():
            if source in kept and target == "outcome":
                outcome[kept.index(source)] += weight / leaving[source]
            elif source in kept and target in kept:
                steps[kept.index(source), kept.index(target)] += weight / leaving[source]
        return float(np.linalg.solve(np.eye(len(kept)) - steps, outcome)[kept.index(())])

    return [1 - reached(gone) / reached([]) for gone in sets]


def random_journeys(seed: int, n: int = 4, size: int = 60) -> list[Journey]:
    """Make journeys with many repeats, and counts that are no whole numbers."""
    random = np.random.default_rng(seed)
    journeys = []
    for _ in range(size):
        codes: list[int] = []
        for _ in range(random.integers(1, 8)):
            again = bool(codes) and random.random() < 0.3
            codes.append(codes[-1] if again else int(random.integers(n)))
        journeys.append((tuple(codes), bool(random.random() < 0.3), float(random.gamma(2.0))))
    return journeys


SETS = [[0], [1], [2], [3], [0, 1], [1, 2, 3], [0, 1, 2, 3], []]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("small", [markov.SMALL, 0], ids=["dense", "sparse"])
def test_removals_equal_brute_force(
    monkeypatch: pytest.MonkeyPatch, order: int, seed: int, small: int
) -> None:
    monkeypatch.setattr(markov, "SMALL", small)
    journeys = random_journeys(seed)
    expected = brute_force(journeys, SETS, order)
    assert removals(chain_of(journeys, 4, order), SETS)[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("small", [markov.SMALL, 0], ids=["dense", "factorised"])
def test_chains_that_end_slowly_equal_brute_force(
    monkeypatch: pytest.MonkeyPatch, order: int, small: int
) -> None:
    # runs of 10,000 touches (self-loops of .9999), and long walks to and fro between two
    monkeypatch.setattr(markov, "SMALL", small)
    journeys = [
        ((0,) * 10_000, True, 1.0),
        ((0,) * 10_000 + (1,), False, 1.0),
        ((1, 2) * 3_000, True, 1.0),
        ((1, 2) * 3_000 + (3,), False, 2.0),
        ((3, 0, 1), True, 1.0),
    ]
    expected = brute_force(journeys, SETS, order)
    assert removals(chain_of(journeys, 4, order), SETS)[0] == pytest.approx(expected, abs=1e-9)


def test_a_chain_without_outcomes_has_no_removal_effect() -> None:
    chain = chain_of([((0, 1), False, 1.0), ((1,), False, 1.0)], 2, 1)
    assert np.isnan(removals(chain, [[0], [1]])[0]).all()
    assert shares(removals(chain, [[0], [1]])[0]).tolist() == [0, 0]


def test_three_journeys_by_hand(open_paths: Open) -> None:
    """Value 13: c1 > c2 > c3 converts, c1 and c2 > c3 do not.

    start -> c1 2/3, c2 1/3; c1 -> c2 1/2; c2 -> c3 1; c3 -> outcome 1/2.
    P = (2/3 * 1/2 + 1/3) * 1/2 = 1/3. Without c1: 1/3 * 1/2 = 1/6, half of it lost.
    Without c2 or c3: all lost. Credit .5, 1 and 1 of 2.5.
    """
    data = open_paths(("c1 > c2 > c3", 1, 0), ("c1", 0, 1), ("c2 > c3", 0, 1))
    effects = removal_effects(data)
    assert effects.touchpoints.tolist() == ["c1", "c2", "c3"]
    assert effects.removal.tolist() == pytest.approx([0.5, 1, 1], abs=1e-12)
    assert effects.outcomes_lost.tolist() == pytest.approx([0.5, 1, 1])
    credit = tl.attribute(data, models=["markov"]).credit
    assert credit.tolist() == pytest.approx([0.2, 0.4, 0.4], abs=1e-12)


def test_sets_are_removed_together(open_paths: Open) -> None:
    data = open_paths(("a", 1, 1), ("b", 1, 1), ("c", 2, 2))
    table = removal_effects(data, sets=["a", ["a", "b"], ["a", "b", "c"]])
    assert table.touchpoints.tolist() == ["a", "a + b", "a + b + c"]
    assert table.removal.tolist() == pytest.approx([0.25, 0.5, 1])
    assert table.columns.tolist() == [
        "touchpoints", "removal", "outcomes_lost", "ci_low", "ci_high", "n",
    ]  # fmt: skip


def test_zero_if_and_only_if_the_outcome_cannot_be_reached_after_it(open_paths: Open) -> None:
    # a leads to b, and b to the outcome, in another journey; d leads nowhere
    data = open_paths(("a > b", 0, 1), ("b", 1, 0), ("b > d", 0, 1))
    effects = removal_effects(data).set_index("touchpoints").removal
    # b -> outcome 1/3. Without a: 2/3 of the starts are left
    assert effects.to_dict() == pytest.approx({"a": 1 / 3, "b": 1, "d": 0}, abs=1e-12)
    # at order 2 the chain remembers that b after a did not convert
    second = removal_effects(data, order=2).set_index("touchpoints").removal
    assert second.to_dict() == pytest.approx({"a": 0, "b": 1, "d": 0}, abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_reach_decides_about_zero_on_random_chains(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = 6
    journeys = [
        (tuple(random.integers(0, n, random.integers(1, 4))), bool(random.random() < 0.12), 1.0)
        for _ in range(8)
    ]
    reaching = {codes[-1] for codes, converted, _ in journeys if converted}
    for _ in range(n):
        reaching |= {
            a for codes, _, _ in journeys for a, b in pairwise(codes) if b in reaching
        }  # fmt: skip
    effect, _ = removals(chain_of(journeys, n, 1), [[code] for code in range(n)])
    seen = {code for codes, _, _ in journeys for code in codes}
    for code in seen if reaching else ():
        assert (effect[code] > 1e-12) == (code in reaching)


def test_unknown_touchpoints_and_orders_are_refused(open_paths: Open) -> None:
    data = open_paths(("email > search", 1, 1))
    for parameters, message in (
        (
            {"sets": ["serch"]},
            "sets: 'serch' is not a touchpoint; did you mean 'search'?\n"
            "  the touchpoints are email, search",
        ),
        ({"sets": "email"}, "sets: 'email' is not a list of sets\n  give ['email', ...]"),
        ({"sets": [[]]}, "sets: a set is empty\n  name at least one touchpoint in each"),
        ({"order": 5}, "order: 5 is not a choice\n  use 1, 2, 3 or 4"),
    ):
        with pytest.raises(tl.ParameterError) as error:
            removal_effects(data, **parameters)  # type: ignore[arg-type]
        assert str(error.value) == message


# ---- intervals -------------------------------------------------------------------------

STEPS = np.array(
    [  # a, b, c, outcome, end
        [0.10, 0.30, 0.15, 0.10, 0.35],  # from a
        [0.20, 0.10, 0.25, 0.05, 0.40],  # from b
        [0.05, 0.20, 0.15, 0.20, 0.40],  # from c
    ]
)
FIRST = np.array([0.5, 0.3, 0.2])


def simulate(random: np.random.Generator, size: int, steps: npt.NDArray) -> list[Journey]:
    """Draw journeys from a chain that starts with `FIRST`; `steps[a]` may be a matrix by memory."""
    journeys = []
    draws = random.random((size, 60))
    for own in draws:
        codes = [int(np.searchsorted(FIRST.cumsum(), own[0]))]
        for draw in own[1:]:
            memory = codes[-2] if len(codes) > 1 else 3
            chances = steps[codes[-1]] if steps.ndim == 2 else steps[memory, codes[-1]]
            code = int(np.searchsorted(chances.cumsum(), draw))
            if code >= 3:
                break
            codes.append(code)
        journeys.append((tuple(codes), code == 3, 1.0))
    return journeys


def true_shares() -> tuple[npt.NDArray, float]:
    """Shares of the removal effects in the chain itself, and its chance of the outcome."""

    def reached(gone: int | None) -> float:
        kept = np.array([c != gone for c in range(3)], dtype=float)
        b = np.linalg.solve(np.eye(3) - kept[:, None] * STEPS[:, :3] * kept, STEPS[:, 3] * kept)
        return float(FIRST @ (b * kept))

    effects = np.array([1 - reached(gone) / reached(None) for gone in range(3)])
    return effects / effects.sum(), reached(None)


def linear_by_group(journeys: Sequence[Journey], groups: int) -> npt.NDArray:
    """Share out outcomes linearly, by group."""
    credit = np.zeros((groups, 3))
    for i, (codes, converted, _) in enumerate(journeys):
        if converted:
            np.add.at(credit[i % groups], list(codes), 1 / len(codes))
    return credit


@pytest.fixture(scope="module")
def samples() -> list[list[Journey]]:
    """250 data sets; how many customers there are is itself a matter of chance."""
    random = np.random.default_rng(20)
    return [simulate(random, random.poisson(500), STEPS) for _ in range(250)]


def covered(
    point: npt.NDArray, replicates: npt.NDArray, truth: npt.NDArray
) -> npt.NDArray[np.bool_]:
    low, high = interval(point, *jackknife(point, replicates))
    return (low <= truth) & (truth <= high)


# 250 data sets: the standard error of a coverage of .95 is .014
BAND = (0.91, 0.98)


@pytest.mark.parametrize("order", [1, 2])
def test_markov_intervals_cover_at_their_rate(samples: list[list[Journey]], order: int) -> None:
    share, chance = true_shares()
    each, hits = [[0], [1], [2]], []
    for journeys in samples:
        chain = chain_of(journeys, 3, order, groups=50)
        converted = np.array([float(j[1]) for j in journeys])
        total = add_up(np.arange(len(journeys)) % 50, converted, 50)
        removal, without = removals(chain, each)
        point = shares(removal) * total.sum()
        replicates = shares(without) * leave_one_out(total)[:, None]
        hits.append(covered(point, replicates, share * chance * 500))
    assert (np.mean(hits, axis=0) >= BAND[0]).all() and (np.mean(hits, axis=0) <= BAND[1]).all()


def test_linear_intervals_cover_at_their_rate(samples: list[list[Journey]]) -> None:
    many = simulate(np.random.default_rng(21), 60_000, STEPS)
    truth = linear_by_group(many, 1)[0] / 60_000 * 500  # known to a tenth of an interval
    hits = []
    for journeys in samples:
        by_group = linear_by_group(journeys, 50)
        hits.append(covered(by_group.sum(axis=0), leave_one_out(by_group), truth))
    assert (np.mean(hits, axis=0) >= BAND[0]).all() and (np.mean(hits, axis=0) <= BAND[1]).all()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_replicates_to_first_order_give_the_errors_of_refitted_ones(
    monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    journeys = simulate(np.random.default_rng(order), 4000, STEPS)
    chain = chain_of(journeys, 3, order, groups=50)
    each = [[0], [1], [2], [0, 2]]
    without = [replace(chain, count=chain.count * (chain.group != g)) for g in range(50)]
    refitted = np.stack([removals(one, each)[0] for one in without])
    monkeypatch.setattr(markov, "SMALL", 0)
    point, replicates = removals(chain, each)
    exact, _ = jackknife(point, refitted)
    quick, _ = jackknife(point, replicates)
    assert quick == pytest.approx(exact, rel=0.02)


def test_few_customers_at_a_high_order_still_have_intervals(open_paths: Open) -> None:
    # 60 journeys in 50 groups: many states are of a single customer
    random = np.random.default_rng(3)
    paths = [(" > ".join(random.choice(list("abcde"), 6)), i % 2, 1 - i % 2) for i in range(60)]
    table = removal_effects(open_paths(*paths), order=3)
    assert table.ci_low.notna().all() and (table.ci_low <= table.removal).all()
    assert (table.removal <= table.ci_high).all() and (table.ci_high <= 1).all()


def test_groups_without_customers_change_nothing() -> None:
    journeys = simulate(np.random.default_rng(9), 400, STEPS)
    chain = chain_of(journeys, 3, 1, groups=40)
    wider = replace(chain, groups=50)
    (point, few), (_, many) = removals(chain, [[0]]), removals(wider, [[0]])
    assert many[:40] == pytest.approx(few)
    assert many[40:] == pytest.approx(point[0])


# ---- the order of the chain ------------------------------------------------------------


def tables(journeys: Sequence[Journey]) -> pd.DataFrame:
    """Write journeys as a paths table, one row a journey."""
    names = ["a", "b", "c"]
    return pd.DataFrame(
        {
            "path": [" > ".join(names[c] for c in codes) for codes, _, _ in journeys],
            "conversions": [int(converted) for _, converted, _ in journeys],
            "null": [int(not converted) for _, converted, _ in journeys],
        }
    )


def second_order(random: np.random.Generator) -> npt.NDArray:
    """Draw a chain whose next step hangs on the last two touches; memory 3 is the start."""
    return random.dirichlet(np.full(5, 1.5), size=(4, 3))


@pytest.mark.parametrize("seed", range(4))
def test_a_chain_without_memory_is_known_as_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    orders = choose_order(tl.open_data({"paths": tables(simulate(random, 3000, STEPS))}))
    assert orders.loc[orders.chosen, "order"].tolist() == [1]
    assert orders.parameters.is_monotonic_increasing


@pytest.mark.parametrize("seed", range(4))
def test_a_chain_that_remembers_two_touches_is_known_as_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    journeys = simulate(random, 3000, second_order(random))
    orders = choose_order(tl.open_data({"paths": tables(journeys)}))
    assert orders.loc[orders.chosen, "order"].tolist() == [2]


def test_the_held_out_likelihood_by_hand() -> None:
    """Two touchpoints a (0) and b (1); codes 2 start and end, 3 outcome; width 4.

    Groups 0 and 1 hold ``a *`` once each, so each fold is foretold from the other.
    Order 0: a 1 and outcome 1 of 2 seen, two different, chance 1/4 behind:
    (1 + 2 / 4) / (2 + 2) = 3/8 for each. Order 1, a after start:
    (1 + 1 * 3/8) / (1 + 1) = 11/16; the outcome after a the same.
    """
    key = [2 * 4 + 0, 0 * 4 + 3]
    steps = pd.DataFrame({"group": [0, 0, 1, 1], "key": key * 2, "n": 1.0})
    table = score_orders(steps, width=4, max_order=1)
    assert table.log_likelihood.tolist() == pytest.approx([np.log(11 / 16)])
    assert table[["se", "parameters", "n"]].values.tolist() == [[0, 0, 4]]


def test_an_order_needs_customers_to_hold_out(open_paths: Open) -> None:
    with pytest.raises(tl.DataError) as error:
        choose_order(open_paths(("a > b", 0.5, 0.5)))
    assert str(error.value) == (
        "choose_order: these paths have no customer groups to hold out\n"
        "  give whole numbers of journeys, 50 or more of them"
    )
    with pytest.raises(tl.ParameterError, match="max_order: 0 is not a choice"):
        choose_order(open_paths(("a > b", 1, 1)), max_order=0)
