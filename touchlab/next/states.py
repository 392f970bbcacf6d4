"""States of customers: moments told apart by which touch would be best, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from touchlab.data.customers import UNKNOWN, need_group, traits
from touchlab.drivers.model import between, saturate
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError
from touchlab.moments.look import PRIOR, Points, trait_columns
from touchlab.numeric import Floats

MOST_SEGMENTS = 12
FEWEST, LEAST = 50, 0.02
"""Moments of a state: so many at least, and this share of all."""
MOST_COMMON, NEARLY = 0.99, 1 - 1e-7
"""One moment counts for no more than that of 99 in 100."""


@dataclass(frozen=True)
class States:
    """Leaves of one tree a segment, numbered through."""

    drivers: Drivers
    column: str | None
    trees: dict[str, DecisionTreeClassifier]
    leaves: dict[tuple[str, int], int]
    segments: list[str]
    who: list[str]

    @property
    def count(self) -> int:
        return len(self.who)

    def of(self, points: Any) -> Any:
        """The state at each moment, by number."""
        known, label = features(self.drivers, points)[1], segment_of(points, self.column)
        found = np.zeros(len(label), dtype=int)
        for name, tree in self.trees.items():
            # a level that was not there when states were found is told by the last of them
            rows = np.flatnonzero((label == name) | ~np.isin(label, list(self.trees)))
            if len(rows):
                found[rows] = [self.leaves[name, leaf] for leaf in tree.apply(known[rows])]
        return found

    def cells(self, points: Any) -> Floats:
        """(moments, states): 1 where the moment is of the state."""
        return np.eye(self.count)[self.of(points)]


def find_states(
    drivers: Drivers, points: Any, net: Floats, by: str | None, most: int
) -> States:
    """Grow the trees; `net` (touchpoints, moments) is what one more touch is worth."""
    if not most >= 2:
        raise ParameterError(f"states: {most!r}\n  give a whole number, 2 or more")
    column = None
    if by is not None:
        need_group(by, traits(drivers.moments.data))
        column = trait_columns(drivers.moments.data)[by]
    names, known = features(drivers, points)
    label = segment_of(points, column)
    levels = sorted(set(label))
    if len(levels) > MOST_SEGMENTS:
        raise ParameterError(
            f"by: {by} has {len(levels):,} levels, at most {MOST_SEGMENTS}\n"
            "  give a trait with fewer, or put its numbers into classes"
        )
    worth = np.vstack([np.zeros(len(label)), net])
    order = np.sort(worth, axis=0)
    lost = order[-1] - (order[-2] if len(order) > 1 else 0.0)
    lost = lost.clip(max=np.quantile(lost, MOST_COMMON)) + 1e-12
    trees, leaves, segments, who = {}, {}, [], []
    for level in levels:
        rows = label == level
        least = max(FEWEST, int(LEAST * rows.sum()))
        tree = DecisionTreeClassifier(
            max_leaf_nodes=most, min_samples_leaf=least, random_state=0
        ).fit(known[rows], worth.argmax(axis=0)[rows], sample_weight=lost[rows])
        trees[level] = tree
        for leaf, words in in_words(tree, names):
            leaves[level, leaf] = len(who)
            segments.append(level)
            who.append(words)
    return States(drivers, column, trees, leaves, segments, who)


def segment_of(points: Any, column: str | None) -> Any:
    """The segment at each moment, as text."""
    if column is None:
        return np.full(len(points.table), "all", dtype=object)
    return points.table[column].astype("string").fillna(UNKNOWN).to_numpy(dtype=object)


def stocks(drivers: Drivers, points: Points) -> Floats:
    """What is left of earlier touches, in touches: (touchpoints, moments)."""
    model, given = drivers.model, drivers.parameters
    saturated = saturate(points.exposure, model.saturation)
    seen = between(saturated, drivers.moments.half_lives, given.log_half_lives)[0]
    return unsaturated(seen, model.saturation)


def unsaturated(seen: Floats, saturation: str) -> Floats:
    """Exposure A of s(A), the inverse of `saturate`."""
    return np.asarray(np.expm1(seen) if saturation == "log" else -np.log1p(-seen.clip(max=NEARLY)))


def features(drivers: Drivers, points: Any) -> tuple[list[str], Floats]:
    """What states are told by: what is left of touches, and how many outcomes came before."""
    left = stocks(drivers, points)
    prior = [name for name in drivers.moments.histories if name.startswith(PRIOR)]
    blank = np.zeros(len(points.table))
    before = [points.table[n].to_numpy(float) if n in points.table else blank for n in prior]
    names = [f"{name} lately" for name in drivers.moments.touchpoints]
    names += [f"earlier {name.removeprefix(PRIOR)} outcomes" for name in prior]
    return names, np.column_stack([*left, *before])


def in_words(tree: DecisionTreeClassifier, names: list[str]) -> list[tuple[int, str]]:
    """Leaves, each with the bounds that lead to it."""
    grown, found = tree.tree_, []

    def walk(node: int, bounds: dict[str, tuple[float, float]]) -> None:
        if grown.children_left[node] < 0:
            parts = [_bound(name, *ends) for name, ends in bounds.items()]
            found.append((node, ", ".join(parts) or "everybody"))
            return
        name, cut = names[grown.feature[node]], float(grown.threshold[node])
        low, high = bounds.get(name, (-np.inf, np.inf))
        walk(grown.children_left[node], bounds | {name: (low, min(high, cut))})
        walk(grown.children_right[node], bounds | {name: (max(low, cut), high)})

    walk(0, {})
    return found


def _bound(name: str, low: float, high: float) -> str:
    if np.isinf(low):
        return f"{name} up to {high:.2g}"
    return f"{name} above {low:.2g}" if np.isinf(high) else f"{name} {low:.2g} to {high:.2g}"
