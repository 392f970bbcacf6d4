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
from touchlab.moments.look import PRIOR, trait_columns
from touchlab.numeric import Floats

MOST_SEGMENTS, FEWEST, LEAST = 12, 50, 0.02
"""Levels of `by`; moments that a state has at least, and their share."""
MOST_COMMON, NEARLY = 0.99, 1 - 1e-7
"""One moment counts for no more than that of 99 in 100."""


@dataclass(frozen=True)
class States:
    """Parts of a tree with one best touch each, in every segment; `table`: segment, who."""

    drivers: Drivers
    column: str | None
    tree: DecisionTreeClassifier
    part: dict[int, int]
    table: pd.DataFrame

    def of(self, points: Any) -> Any:
        """The state at each moment, by number; -1 in a segment that was not there before."""
        leaves = self.tree.apply(features(self.drivers, points)[1])
        segment = pd.Index(self.table.segment.unique()).get_indexer(segments(points, self.column))
        parts = len(self.table) // self.table.segment.nunique()
        own = np.array([self.part[leaf] for leaf in leaves], dtype=int)
        return np.where(segment < 0, -1, segment * parts + own)


def find_states(drivers: Drivers, points: Any, net: Floats, by: str | None, most: int) -> States:
    """Grow the tree; `net` (touchpoints, moments) is what one more touch is worth."""
    if not most >= 2:
        raise ParameterError(f"states: {most!r}\n  give a whole number, 2 or more")
    column = None
    if by is not None:
        need_group(by, traits(drivers.moments.data))
        column = trait_columns(drivers.moments.data)[by]
    levels = sorted(set(segments(points, column)))
    if len(levels) > MOST_SEGMENTS:
        raise ParameterError(
            f"by: {by} has {len(levels):,} levels, at most {MOST_SEGMENTS}\n"
            "  give a trait with fewer, or put its numbers into classes"
        )
    names, known = features(drivers, points)
    worth = np.vstack([np.zeros(len(known)), net])
    lost = np.ptp(np.sort(worth, axis=0)[-2:], axis=0) + 1e-12
    lost = lost.clip(max=np.quantile(lost, MOST_COMMON))
    least = max(FEWEST, int(LEAST * len(known)))
    tree = DecisionTreeClassifier(max_leaf_nodes=most, min_samples_leaf=least, random_state=0)
    tree.fit(known, worth.argmax(axis=0), sample_weight=lost)
    told = _told_apart(tree.tree_, names, 0, {})
    part = {leaf: number for number, (_, leaves) in enumerate(told) for leaf in leaves}
    rows = [(level, words) for level in levels for words, _ in told]
    return States(drivers, column, tree, part, pd.DataFrame(rows, columns=["segment", "who"]))


def segments(points: Any, column: str | None) -> pd.Series:
    """The segment at each moment, as text."""
    if column is None:
        return pd.Series("all", index=points.table.index)
    return points.table[column].astype("string").fillna(UNKNOWN)


def unsaturated(seen: Floats, saturation: str) -> Floats:
    """Exposure A of s(A), the inverse of `saturate`."""
    return np.asarray(np.expm1(seen) if saturation == "log" else -np.log1p(-seen.clip(max=NEARLY)))


def features(drivers: Drivers, points: Any) -> tuple[list[str], Floats]:
    """What is left of earlier touches, to a tenth of one, and how many outcomes came before."""
    saturation, lives = drivers.model.saturation, drivers.parameters.log_half_lives
    saturated = saturate(points.exposure, saturation)
    left = unsaturated(between(saturated, drivers.moments.half_lives, lives)[0], saturation)
    prior = [name for name in drivers.moments.histories if name.startswith(PRIOR)]
    before = [points.table[n] if n in points.table else np.zeros(left.shape[1]) for n in prior]
    names = [f"{name} lately" for name in drivers.moments.touchpoints]
    names += [f"earlier {name.removeprefix(PRIOR)} outcomes" for name in prior]
    return names, np.column_stack([*left.round(1), *before])


def _told_apart(
    grown: Any, names: list[str], node: int, bounds: dict[str, tuple[float, float]]
) -> list[tuple[str, list[int]]]:
    """Parts of a tree with one best touch each: the bounds that lead there, and the leaves."""
    leaves = [node]
    if (left := int(grown.children_left[node])) >= 0:
        name, cut = names[grown.feature[node]], float(grown.threshold[node])
        low, high = bounds.get(name, (-np.inf, np.inf))
        found = _told_apart(grown, names, left, bounds | {name: (low, cut)})
        right = int(grown.children_right[node])
        found += _told_apart(grown, names, right, bounds | {name: (cut, high)})
        leaves = [leaf for _, own in found for leaf in own]
        if len({int(grown.value[leaf].argmax()) for leaf in leaves}) > 1:
            return found
    parts = [f"{low:.2g} < {name} <= {high:.2g}" for name, (low, high) in bounds.items()]
    said = ", ".join(parts).replace("-inf < ", "").replace(" <= inf", "")
    return [(said or "everybody", leaves)]
