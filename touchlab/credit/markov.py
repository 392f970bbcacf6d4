"""Markov credit of any order: exact removal effects from counted steps.

States are the last `order` touchpoints of a journey. Removing a touchpoint sends
every state that ends with it to "no outcome"; its removal effect is the share of
the outcome probability that is lost [Anderl, Becker, von Wangenheim, Schumann
2016]. Nothing is simulated: the same counts give the same credit, always.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import linalg

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOLERANCE = 1e-14
MAX_SWEEPS = 600
SMALL = 300


@dataclass(frozen=True)
class Chain:
    """Counted steps between states.

    `source` and `target` index states, `target` is -1 for the outcome; `count` is
    their weight, by group where `group` is given. State 0 is the start.
    """

    newest: Ints
    """(S,) code of the touchpoint that each state ends with; the start code for state 0."""
    source: Ints
    target: Ints
    count: Floats
    group: Ints
    groups: int

    @property
    def states(self) -> int:
        return len(self.newest)


def build_chain(
    key: Ints, count: Floats, *, width: int, order: int, group: Ints | None = None, groups: int = 1
) -> Chain:
    """Read the digits of `key` (see `transition_counts`) as steps between states."""
    base, outcome, start = width**order, width - 1, width - 2
    source_key, code, target_key = key // width, key % width, key % base
    first = sum(start * width**place for place in range(order))
    group = np.zeros(len(key), dtype=np.int64) if group is None else group
    # an outcome straight from the start has no touch to credit
    kept = ~((source_key == first) & (code == outcome))
    source_key, code, target_key = source_key[kept], code[kept], target_key[kept]
    known = np.unique(np.concatenate([source_key, target_key[code != outcome]]))
    states = np.concatenate([[first], known[known != first]])
    lookup = np.argsort(states, kind="stable")
    index = lambda keys: lookup[np.searchsorted(states, keys, sorter=lookup)]  # noqa: E731
    target = np.where(code == outcome, -1, 0)
    target[code != outcome] = index(target_key[code != outcome])
    return Chain(
        states % width, index(source_key), target, count[kept], group[kept], groups
    )


def lower_order(key: Ints, *, width: int, order: int) -> Ints:
    """Forget all but the last `order` touches of a key counted at a higher order."""
    return key % width ** (order + 1)


@dataclass(frozen=True)
class Probabilities:
    """A chain as probabilities: Q between states, `outcome` from each state."""

    steps: sparse.csr_array
    outcome: Floats
    newest: Ints


def probabilities(chain: Chain, without: int | None = None) -> Probabilities:
    """Divide steps by visits; leave out one group of customers where asked."""
    weight = chain.count if without is None else chain.count * (chain.group != without)
    states, inner = chain.states, chain.target >= 0
    visits = _visits(chain, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(visits[chain.source] > 0, weight / visits[chain.source], 0.0)
    steps = sparse.csr_array(
        (share[inner], (chain.source[inner], chain.target[inner])), shape=(states, states)
    )
    outcome = np.bincount(chain.source[~inner], share[~inner], minlength=states)
    return Probabilities(steps, outcome, chain.newest)


def removal_effects(
    chain: Chain, sets: Sequence[Sequence[int]], *, without: int | None = None
) -> Floats:
    """Return the share of outcomes lost when each set of touchpoint codes is removed.

    Shape (len(sets),); NaN where the chain has no outcome at all.
    """
    given = probabilities(chain, without)
    reached = outcome_probability(given, _keep(given.newest, [[], *sets]))
    return _lost(reached[0])


def removal_replicates(chain: Chain, sets: Sequence[Sequence[int]]) -> Floats:
    """Return the removal effects without each group of customers; shape (groups, len(sets)).

    Small chains are solved again. In large ones a group changes each probability
    by little, so the change is followed to first order: with y the visits and b
    the outcome probability, b_-g = b + sum_s y_s (n_gs b_s - sum_t n_gst b_t) /
    (n_s - n_gs). Both give the same intervals to within 2 % (tests/test_markov.py).
    """
    if chain.states <= SMALL:
        return np.stack([removal_effects(chain, sets, without=g) for g in range(chain.groups)])
    return first_order_replicates(chain, sets)


def first_order_replicates(chain: Chain, sets: Sequence[Sequence[int]]) -> Floats:
    """Follow the removal of each group of customers to first order."""
    given = probabilities(chain)
    keep = _keep(given.newest, [[], *sets])
    b, y = outcome_probability(given, keep), expected_visits(given, keep)
    total = _visits(chain, chain.count)
    by_group = np.argsort(chain.group, kind="stable")
    bounds = np.searchsorted(chain.group[by_group], np.arange(chain.groups + 1))
    reached = np.repeat(b[:1], chain.groups, axis=0)
    for g in range(chain.groups):
        rows = by_group[bounds[g] : bounds[g + 1]]
        own = Chain(
            chain.newest, chain.source[rows], chain.target[rows], chain.count[rows], chain.group, 1
        )
        inner = own.target >= 0
        follow = sparse.csr_array(
            (own.count[inner], (own.source[inner], own.target[inner])), shape=(len(b), len(b))
        )
        outcome = np.bincount(own.source[~inner], own.count[~inner], minlength=len(b))
        visits = _visits(own, own.count)
        left = total - visits
        moved = visits[:, None] * b - keep * (follow @ b + outcome[:, None])
        weight = np.divide(1.0, left, out=np.zeros_like(left), where=left > 1e-9)
        reached[g] += weight @ (y * moved)
    return _lost(reached)


def outcome_probability(given: Probabilities, keep: Floats) -> Floats:
    """Solve b = keep * (outcome + Q b) for each column of `keep`; shape (states, columns)."""
    loops = given.steps.diagonal()
    others = given.steps - sparse.diags_array(loops)
    scale = keep / np.maximum(1.0 - loops, 1e-300)[:, None]
    source = given.outcome[:, None] * scale
    swept = _sweep(others, source, scale)
    return swept if swept is not None else _solve(given.steps, given.outcome, keep)


def expected_visits(given: Probabilities, keep: Floats) -> Floats:
    """Solve y = keep * (start + Q' y): expected visits of each state from the start."""
    loops = given.steps.diagonal()
    others = (given.steps - sparse.diags_array(loops)).T.tocsr()
    scale = keep / np.maximum(1.0 - loops, 1e-300)[:, None]
    start = np.zeros(len(loops))
    start[0] = 1.0
    swept = _sweep(others, start[:, None] * scale, scale)
    return swept if swept is not None else _solve(given.steps.T.tocsr(), start, keep)


def _sweep(steps: sparse.csr_array, source: Floats, scale: Floats) -> Floats | None:
    """Add up paths by length until nothing is added; None where paths are too long for it."""
    term, total = source, source.copy()
    for _ in range(MAX_SWEEPS):
        term = scale * (steps @ term)
        total += term
        if term.max(initial=0.0) <= TOLERANCE * max(total.max(initial=0.0), 1e-300):
            return total
    return None


def _solve(steps: sparse.csr_array, source: Floats, keep: Floats) -> Floats:
    identity = sparse.eye_array(len(source), format="csc")
    columns = []
    for column in keep.T:
        system = (identity - sparse.diags_array(column) @ steps).tocsc()
        columns.append(linalg.splu(system).solve(source * column))
    return np.stack(columns, axis=1)


def _keep(newest: Ints, sets: Sequence[Sequence[int]]) -> Floats:
    return np.stack([~np.isin(newest, list(codes)) for codes in sets], axis=1).astype(float)


def _lost(reached: Floats) -> Floats:
    """Compare the outcome probability of each removal with the first, of nothing removed."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1.0 - reached[..., 1:] / reached[..., :1]


def _visits(chain: Chain, weight: Floats) -> Floats:
    """Weigh how often each state is entered; the start by what leaves it."""
    inner = chain.target >= 0
    visits = np.bincount(chain.target[inner], weight[inner], minlength=chain.states)
    visits[0] = weight[chain.source == 0].sum()
    return visits
