"""Markov credit of any order: exact removal effects from counted steps.

States are the last `order` touchpoints of a journey. Removing a touchpoint sends
every state that ends with it to "no outcome"; its removal effect is the share of
the outcome probability that is lost [Anderl, Becker, von Wangenheim, Schumann
2016]. Nothing is simulated: the same counts give the same credit, always.

A chain joins journeys together. After one journey ``a > b`` without the outcome and
one ``b`` with it, the chain goes from a to b and from b to the outcome half the time:
a removal effect of 1/2 for a, and a third of the credit, though the one journey that
holds a did not convert. A removal effect is zero if, and only if, the chain cannot
reach the outcome after the touchpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import linalg

from touchlab.credit.frame import Ints, add_up
from touchlab.journeys.build import Journeys
from touchlab.journeys.counts import start_key
from touchlab.numeric import Floats

TOLERANCE = 1e-14
MAX_SWEEPS = 600
SMALL = 64
"""Up to as many states a chain is solved densely, and again without each group: below it
linear algebra keeps to one thread, which matters where other work shares the processor."""


@dataclass(frozen=True)
class Chain:
    """Counted steps between states; state 0 is the start."""

    newest: Ints
    """(states,) code of the touchpoint that each state ends with; the start code for state 0."""
    source: Ints
    """(steps,) index of the state that each step leaves."""
    target: Ints
    """(steps,) index of the state that it enters; -1 for the outcome."""
    count: Floats
    """(steps,) journeys that took it."""
    group: Ints
    """(steps,) customer group that they belong to."""
    groups: int

    @property
    def states(self) -> int:
        return len(self.newest)


def build_chain(
    key: Ints, count: Floats, *, width: int, order: int, group: Ints | None = None, groups: int = 1
) -> Chain:
    """Read the digits of `key` (see `step_counts`) as steps between states."""
    outcome, start = width - 1, start_key(width, order)
    source, code, target = key // width, key % width, key % width**order
    group = np.zeros(len(key), dtype=np.int64) if group is None else group
    # an outcome straight from the start has no touch to credit
    kept = ~((source == start) & (code == outcome))
    source, target, inner = source[kept], target[kept], code[kept] != outcome
    place, states = pd.factorize(np.concatenate([[start], source, target[inner]]))
    left, entered = place[1 : 1 + len(source)], np.full(len(source), -1)
    entered[inner] = place[1 + len(source) :]
    return Chain(states % width, left, entered, count[kept], group[kept], groups)


def chain_of_order(steps: pd.DataFrame, journeys: Journeys, *, order: int, counted: int) -> Chain:
    """Build the chain of an order from `step_counts` at the same or a higher one, `counted`."""
    if order < counted:
        shorter = steps.key % journeys.width ** (order + 1)
        steps = steps.assign(key=shorter).groupby(["group", "key"]).n.sum().reset_index()
    return build_chain(
        steps.key.to_numpy(dtype=np.int64),
        steps.n.to_numpy(dtype=float),
        width=journeys.width,
        order=order,
        group=steps.group.to_numpy(dtype=np.int64),
        groups=journeys.groups,
    )


def removals(chain: Chain, sets: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
    """Return the share of outcomes lost when each set of touchpoint codes is removed.

    Shape (len(sets),), and the same without each group of customers, shape (groups,
    len(sets)), without rows for a single group; NaN where the chain has no outcome at all.
    Small chains are solved again without each group. In large ones a group changes each
    probability by little, so the change is followed to first order
    (docs/decisions/0004-markov-replicates-to-first-order.md).
    """
    if chain.states <= SMALL:
        by_group = _dense_counts(chain)
        whole = by_group.sum(axis=0, keepdims=True)
        counts = np.concatenate([whole, whole - by_group]) if chain.groups > 1 else whole
        lost = _dense_removals(counts, chain.newest, sets)
        return lost[0], lost[1:]
    visits = _visits(chain)[chain.source]
    share = np.divide(chain.count, visits, out=np.zeros_like(visits), where=visits > 0)
    steps, outcome = _step_matrix(chain, share)
    keep = _keep(chain.newest, [[], *sets])
    b = _fixed_point(steps, outcome, keep)
    if chain.groups < 2:
        return _lost(b[0]), np.empty((0, len(sets)))
    start = np.eye(1, chain.states)[0]
    expected = _fixed_point(steps.T.tocsr(), start, keep)
    return _lost(b[0]), _without_each_group(chain, keep, b, expected)


def _without_each_group(chain: Chain, keep: Floats, b: Floats, y: Floats) -> Floats:
    """Follow the removal of each group of customers to first order.

    With y the expected visits of a state, b its outcome probability, n_s its visits
    and n_st its steps (g: those of a group),
    b_-g = b + sum_s y_s (n_gs b_s - sum_t n_gst b_t) / (n_s - n_gs).
    """
    total = _visits(chain)
    by_group = np.argsort(chain.group, kind="stable")
    bounds = np.searchsorted(chain.group[by_group], np.arange(chain.groups + 1))
    reached = np.repeat(b[:1], chain.groups, axis=0)
    for g in range(chain.groups):
        rows = by_group[bounds[g] : bounds[g + 1]]
        source, target, count = chain.source[rows], chain.target[rows], chain.count[rows]
        own = Chain(chain.newest, source, target, count, np.zeros_like(source), 1)
        follow, outcome = _step_matrix(own, own.count)
        visits = _visits(own)
        left = total - visits
        moved = visits[:, None] * b - keep * (follow @ b + outcome[:, None])
        weight = np.divide(1.0, left, out=np.zeros_like(left), where=left > 1e-9)
        reached[g] += weight @ (y * moved)
    return _lost(reached)


def _fixed_point(steps: sparse.csr_array, source: Floats, keep: Floats) -> Floats:
    """Solve x = keep * (source + steps x) for each column of `keep`.

    With the outcome as source, x is the chance of the outcome from each state; with the start as
    source and steps turned round, the expected visits of each. Paths are added up by length until
    nothing is added; where paths are too long for that, the system is factorised.
    """
    loops = steps.diagonal()
    others = steps - sparse.diags_array(loops)
    scale = keep / np.maximum(1.0 - loops, 1e-300)[:, None]
    term = source[:, None] * scale
    total = term.copy()
    for _ in range(MAX_SWEEPS):
        term = scale * (others @ term)
        total += term
        if term.max(initial=0.0) <= TOLERANCE * max(total.max(initial=0.0), 1e-300):
            return total
    return _factorise(steps, source, keep)


def _factorise(steps: sparse.csr_array, source: Floats, keep: Floats) -> Floats:
    identity = sparse.eye_array(len(source), format="csc")
    columns = []
    for column in keep.T:
        system = (identity - sparse.diags_array(column) @ steps).tocsc()
        columns.append(linalg.splu(system).solve(source * column))
    return np.stack(columns, axis=1)


def _dense_counts(chain: Chain) -> Floats:
    """Lay the steps out as (groups, states, states + 1); the last column is the outcome."""
    wide = chain.states + 1
    target = np.where(chain.target < 0, chain.states, chain.target)
    cell = (chain.group * chain.states + chain.source) * wide + target
    shape = (chain.groups, chain.states, wide)
    return add_up(cell, chain.count, int(np.prod(shape))).reshape(shape)


def _dense_removals(counts: Floats, newest: Ints, sets: Sequence[Sequence[int]]) -> Floats:
    """Invert once: with N = (I - Q)^-1, removing C loses N_sC N_CC^-1 b_C of b_s.

    `counts` has shape (chains, states, states + 1); the result (chains, len(sets)).
    """
    entered = counts[:, :, :-1].sum(axis=1)
    entered[:, 0] = counts[:, 0].sum(axis=-1)
    visits = entered[:, :, None]
    share = np.divide(counts, visits, out=np.zeros_like(counts), where=visits > 0)
    expected = np.linalg.inv(np.eye(len(newest)) - share[:, :, :-1])
    b = expected @ share[:, :, -1:]
    lost = np.zeros((len(counts), len(sets)))
    for i, codes in enumerate(sets):
        gone = np.flatnonzero(np.isin(newest, list(codes)))
        missed = np.linalg.solve(expected[:, gone[:, None], gone], b[:, gone])
        lost[:, i] = (expected[:, :1, gone] @ missed)[:, 0, 0]
    whole = b[:, :1, 0]
    return np.divide(lost, whole, out=np.full_like(lost, np.nan), where=whole > 0)


def _step_matrix(chain: Chain, weight: Floats) -> tuple[sparse.csr_array, Floats]:
    """Lay the steps out as a matrix between states and a vector into the outcome."""
    inner, shape = chain.target >= 0, (chain.states, chain.states)
    steps = sparse.csr_array(
        (weight[inner], (chain.source[inner], chain.target[inner])), shape=shape
    )
    return steps, add_up(chain.source[~inner], weight[~inner], chain.states)


def _visits(chain: Chain) -> Floats:
    """Count how often each state is entered; the start by what leaves it."""
    inner = chain.target >= 0
    visits = add_up(chain.target[inner], chain.count[inner], chain.states)
    visits[0] = chain.count[chain.source == 0].sum()
    return visits


def _keep(newest: Ints, sets: Sequence[Sequence[int]]) -> Floats:
    return np.stack([~np.isin(newest, list(codes)) for codes in sets], axis=1).astype(float)


def _lost(reached: Floats) -> Floats:
    """Compare the outcome probability of each removal with the first, of nothing removed."""
    whole, left = reached[..., :1], reached[..., 1:]
    return 1.0 - np.divide(left, whole, out=np.full_like(left, np.nan), where=whole > 0)
