"""An attacker who reads every table of a report and computes: are hidden counts recovered?

    python benchmarks/attacker.py data/sample --k 10 --k 300 --segment region
    python benchmarks/attacker.py data/sample --k 10 --sweep   # the parts against the whole
    python benchmarks/attacker.py data/sample --k 10 --change lookback=7

The notebooks run here, and each table they publish is noted: all numbers, and which are hidden. He
has the shown ones, the sums of columns, and every relation between columns of any two tables that
holds in the data: equal, one the product or the sum of two, one the sum of the other over a label,
constant ratio. He is told these relations, so he knows more than a reader can. A hidden count is
recovered when linear programmes over all of them leave it one value; narrowed, when they leave
fewer than k.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import pickle
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from scipy.optimize import linprog
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

import touchlab as tl
from touchlab.privacy import shown
from touchlab.privacy.suppress import COUNTS, PART_OF, SEPARATE, hidden_cells, lines_of

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

EXACT = 1e-9
FEWEST = 3  # different values in which a relation must hold: of fewer it may be chance
MOST_VIEWS = 60  # of one table

Matrix = npt.NDArray[np.float64]


@dataclass
class Published:
    """A table or a figure's table, with all its numbers."""

    name: str
    frame: pd.DataFrame
    page: str = ""
    drawn: bool = False
    most: int | None = None

    def hidden(self, k: int) -> pd.DataFrame:
        """Say what is hidden of it: cells of a table, rows of a figure."""
        if not self.drawn:
            hidden = hidden_cells(self.frame, k=k)
            hidden.iloc[self.most :] |= self.most is not None
            return hidden
        hidden = pd.DataFrame(False, index=self.frame.index, columns=self.frame.columns)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shown._shown, "min_customers", k)
            left = shown.safe(self.frame.reset_index(drop=True)).index
        hidden.iloc[np.setdiff1d(np.arange(len(hidden)), left)] = True
        return hidden


@dataclass
class Sweep(Published):
    """The same table of several parts, one below the other."""

    tables: Sequence[Published] = ()

    def hidden(self, k: int) -> pd.DataFrame:
        parts = [table.hidden(k).assign(__part=False) for table in self.tables]
        return pd.concat(parts, ignore_index=True)


# --- run the notebooks, and note what they publish -------------------------------------------


@contextlib.contextmanager
def listening() -> Iterator[list[Published]]:
    """Note every table that notebooks publish here, before small groups are hidden."""
    from touchlab import show
    from touchlab.privacy import shown
    from touchlab.show import figures, tables

    heard: list[Published] = []
    safe = shown.safe

    def noting_safe(frame: pd.DataFrame) -> pd.DataFrame:
        left = safe(frame)
        asker = sys._getframe(1)
        while asker.f_code.co_name in ("all_safe", "<listcomp>"):
            asker = asker.f_back or asker
        if "figures" in asker.f_code.co_filename or "plots" in asker.f_code.co_filename:
            plot = getattr(asker.f_locals.get("plot"), "__name__", asker.f_code.co_name)
            heard.append(Published(plot, frame.copy(), drawn=True))
        return left

    class Table(tables.Table):
        def __init__(
            self, frame: pd.DataFrame, caption: str = "", *, most: Any = None, **look: Any
        ) -> None:
            super().__init__(frame, caption, most=most, **look)
            heard.append(Published(caption or "frame", frame.copy(), most=most))

    class Kept(tables.Kept):
        def __init__(self, **given: pd.DataFrame) -> None:
            super().__init__(**given)
            heard.extend(Published(f"kept {n}", frame.copy()) for n, frame in given.items())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shown, "safe", noting_safe)
        patch.setattr(
            figures.Picture, "svg", lambda *_: "<svg xmlns='http://www.w3.org/2000/svg'/>"
        )
        for room in (tables, show):
            patch.setattr(room, "Table", Table)
            for name in {"Kept", "keep"} & set(dir(room)):
                patch.setattr(room, name, Kept)
        yield heard


def published(
    data: Path, parameters: Mapping[str, object], only: Sequence[str] = ()
) -> list[Published]:
    """Run the notebooks here and give what they publish; what they ask alike is computed once."""
    made: list[Published] = []
    shell = InteractiveShell.instance()
    tl.load_ipython_extension(shell)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if only and not any(path.name.startswith(one) for one in only):
            continue
        with listening() as heard, capture_output() as said:
            shell.reset()
            for cell in nbformat.read(path, as_version=4).cells:
                if cell.cell_type != "code":
                    continue
                done = shell.run_cell(cell.source)
                if not done.success:
                    break
                if "parameters" in cell.metadata.get("tags", []):
                    own = {"data": str(data), **parameters}
                    shell.user_ns.update({n: v for n, v in own.items() if n in shell.user_ns})
        if not done.success:
            print(f"{path.stem} stopped: {said.stdout[-300:]}", file=sys.stderr)
        made += [replace(one, page=path.stem[:2]) for one in heard]
    return made


# --- what can be told from what -------------------------------------------------------------


@dataclass
class Facts:
    """Cells as unknowns, and what holds between them."""

    value: list[float] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    title: list[str] = field(default_factory=list)
    counts: list[bool] = field(default_factory=list)
    linear: dict[tuple[tuple[int, float], ...], float] = field(default_factory=dict)
    products: set[tuple[int, int, int]] = field(default_factory=set)
    below: set[tuple[int, int]] = field(default_factory=set)
    why: dict[int, list[int]] = field(default_factory=dict)
    sought: set[float] = field(default_factory=set)

    def chain(self, one: int, depth: int = 3) -> str:
        """Say from which cells one was told."""
        if one not in self.why or not depth:
            return f"[{self.title[one]}]"
        from_ = sorted(self.why[one])[:6]
        return f"[{self.title[one]}] <- " + ", ".join(self.chain(x, depth - 1) for x in from_)

    def cell(self, value: float, title: str, *, known: bool, count: bool, drawn: bool) -> int:
        self.value.append(value)
        self.known.append(known)
        # a table hides no zero; a figure leaves out whole rows, and what is 0 in them too
        above = count and value == round(value) and not drawn
        self.least.append(min(value, 1.0 if above else 0.0))
        self.title.append(title)
        self.counts.append(count)
        if count and not known and math.isfinite(value):
            self.sought.add(float(f"{value:.9g}"))
        return len(self.value) - 1

    def add(self, terms: Iterable[tuple[int, float]], total: float = 0.0) -> None:
        sums: dict[int, float] = defaultdict(float)
        for one, factor in terms:
            sums[one] += factor
        row = tuple(sorted((one, factor) for one, factor in sums.items() if factor))
        if any(not self.known[one] for one, _ in row):
            self.linear[row] = total


@dataclass
class View:
    """Columns by key: of each the cells whose sum it is."""

    keys: pd.Index
    columns: list[str]
    cells: npt.NDArray[np.object_]  # keys x columns: tuples of cells
    values: Matrix
    hides: bool


def labels_of(frame: pd.DataFrame) -> list[str]:
    numbered = {*SEPARATE, "position", "touches"}
    return [
        str(name) for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name])
        or pd.api.types.is_bool_dtype(frame[name])
        or (name in numbered and name not in ("touches",))
    ]  # fmt: skip


def read(facts: Facts, table: Published, k: int) -> list[View]:
    """Turn a table into unknowns, sums of lines, and views for joining."""
    frame = table.frame.reset_index(drop=True)
    hidden = table.hidden(k).reset_index(drop=True)
    labels = labels_of(frame)
    numbers = [str(name) for name in frame.columns if name not in labels]
    if not numbers or not len(frame):
        return []
    values = frame[numbers].to_numpy(dtype=float, na_value=np.nan)
    cells = np.full(values.shape, -1)
    for row, column in np.argwhere(np.isfinite(values)):
        name = numbers[column]
        said = " ".join(str(frame[label].iloc[row]) for label in labels)[:60]
        cells[row, column] = facts.cell(
            float(values[row, column]), f"{table.page} {table.name[:40]}: {said}: {name}",
            known=not hidden[name].iloc[row], count=name in COUNTS, drawn=table.drawn,
        )  # fmt: skip
    began = frame.months_since.min() if "months_since" in frame else 0
    for column, name in enumerate(numbers):
        # nothing shows how many are at risk in all, nor what losses that overlap add up to
        if name in COUNTS - {"outcomes_lost"} and "day" not in labels:
            for line in lines_of(frame[[n for n in frame if n not in labels or n in SEPARATE]]):
                if "months_since" in frame and frame.months_since[line].min() > began:
                    continue  # nor how many of all cohorts were seen for so long
                if line.sum() == 1 or ("position" in frame and frame.position[line].nunique() == 1):
                    continue  # it is no sum; nor what all touchpoints have at a position
                own = cells[line, column]
                total = float(np.nansum(values[line, column]))
                if total >= k:
                    facts.add([(one, 1.0) for one in own if one >= 0], total)
    for part, whole in PART_OF.items():
        if part in numbers and whole in numbers:
            pairs = zip(cells[:, numbers.index(part)], cells[:, numbers.index(whole)], strict=True)
            facts.below |= {(a, b) for a, b in pairs if a >= 0 and b >= 0}
    single = np.empty(cells.shape, dtype=object)
    for place in np.ndindex(cells.shape):
        single[place] = (cells[place],) if cells[place] >= 0 else ()
    views = list(_views(frame[labels].astype(str), single, values, numbers, hidden, depth=2))
    return views[:MOST_VIEWS]


def _views(
    labels: pd.DataFrame, cells: Any, values: Matrix, numbers: list[str],
    hidden: pd.DataFrame, depth: int,
) -> Iterator[View]:  # fmt: skip
    names = [name for name in labels if labels[name].nunique() > 1]
    keys = pd.MultiIndex.from_frame(labels[names]) if names else pd.Index(range(len(labels)))
    if not keys.has_duplicates and len(keys) >= FEWEST:
        order = sorted(range(len(names)), key=lambda i: names[i])
        ordered = keys.reorder_levels(order) if len(names) > 1 else keys
        hides = bool(hidden[numbers].to_numpy().any())
        yield View(ordered.to_flat_index(), numbers, cells, values, hides)
    if len(names) < 2 or not depth:
        return
    for name in names:
        rest = labels.drop(columns=name)
        for _, rows in labels.groupby(name, sort=False).groups.items():
            if len(rows) >= FEWEST:
                at = rows.to_numpy()
                kept = rest.iloc[at].reset_index(drop=True)
                own = hidden.iloc[at].reset_index(drop=True)
                yield from _views(kept, cells[at], values[at], numbers, own, depth - 1)
        groups = rest.groupby(list(rest.columns), sort=False).ngroup().to_numpy()
        size = groups.max() + 1
        if FEWEST <= size < len(groups):
            first = np.array([np.flatnonzero(groups == g)[0] for g in range(size)])
            summed = np.zeros((size, len(numbers)))
            joint = np.empty((size, len(numbers)), dtype=object)
            for g in range(size):
                own_rows = np.flatnonzero(groups == g)
                summed[g] = values[own_rows].sum(axis=0)
                for column in range(len(numbers)):
                    joint[g, column] = tuple(itertools.chain(*cells[own_rows, column]))
            touched = hidden.groupby(groups).any()
            kept = rest.iloc[first].reset_index(drop=True)
            yield from _views(kept, joint, summed, numbers, touched, depth - 1)


def relate(facts: Facts, views: Sequence[View]) -> int:
    """Find what holds between columns of any two views, and of one; how many such relations."""
    found = 0
    for a, b in itertools.combinations_with_replacement(views, 2):
        if not (a.hides or b.hides):
            continue
        if a is b:
            found += _within(facts, a.cells, a.values)
            continue
        left = a.keys.get_indexer(b.keys)
        right = np.flatnonzero(left >= 0)
        left = left[right]
        if len(left) >= FEWEST:
            found += _between(facts, a, b, left, right)
    return found


def _rich(column: Matrix) -> bool:
    own = column[np.isfinite(column)]
    return len(np.unique(own)) >= FEWEST and bool(np.any(np.abs(own) > 1e-6))


def _between(facts: Facts, a: View, b: View, left: Any, right: Any) -> int:
    found = 0
    av, bv = a.values[left], b.values[right]
    for i in range(av.shape[1]):
        for j in range(bv.shape[1]):
            found += _pair(facts, a.cells[left, i], b.cells[right, j], av[:, i], bv[:, j])
    found += _triples(
        facts, np.hstack([a.cells[left], b.cells[right]]), np.hstack([av, bv]), av.shape[1]
    )
    return found


def _within(facts: Facts, cells: Any, values: Matrix) -> int:
    found = 0
    for i, j in itertools.combinations(range(values.shape[1]), 2):
        found += _pair(facts, cells[:, i], cells[:, j], values[:, i], values[:, j])
    return found + _triples(facts, cells, values, 0)


def _pair(facts: Facts, one: Any, other: Any, a: Matrix, b: Matrix) -> int:
    """Columns that are equal, or whose ratio or sum is the same in all rows."""
    if not (_rich(a) and _rich(b)):
        return 0
    with np.errstate(all="ignore"):
        ratio, total = np.where(a != 0, a / b, np.nan), a + b
    if _constant(ratio):
        factor, constant = -float(ratio[np.isfinite(ratio)][0]), 0.0
    elif _constant(total):
        factor, constant = 1.0, float(total[np.isfinite(total)][0])
    else:
        return 0
    constants = {float(f"{one:.9g}") for one in (-factor, -1 / factor, constant)}
    if constants & facts.sought and not any(
        all(facts.known[x] for x in (*r, *s)) for r, s in zip(one, other, strict=True) if r and s
    ):
        return 0  # nobody tells him a ratio that is the hidden number itself
    for r, s in zip(one, other, strict=True):
        if r and s:
            facts.add([*((x, 1.0) for x in r), *((y, factor) for y in s)], constant)
    return 1


def _constant(values: Matrix) -> bool:
    own = values[np.isfinite(values)]
    return len(own) >= FEWEST and bool(np.ptp(own) <= EXACT * abs(own[0]))


def _triples(facts: Facts, cells: Any, values: Matrix, cut: int) -> int:
    """Columns that are the product or the sum of two others; across two views, of both."""
    found, size = 0, values.shape[1]
    rich = [_rich(values[:, c]) for c in range(size)]
    lone = [all(len(one) <= 1 for one in cells[:, c]) for c in range(size)]
    for i, j in itertools.combinations(range(size), 2):
        if not (rich[i] or rich[j]):
            continue
        one, other = values[:, i], values[:, j]
        for made, product in ((one * other, True), (one + other, False)):
            with np.errstate(invalid="ignore"):
                off = np.abs(values - made[:, None])
            near = (off <= EXACT * np.maximum(np.abs(values), 1e-3)) | ~np.isfinite(off)
            enough = np.isfinite(off).sum(axis=0) >= FEWEST
            for c in np.flatnonzero(near.all(axis=0) & enough):
                if c in (i, j) or not rich[c]:
                    continue
                if cut and len({x < cut for x in (i, j, c)}) < 2:
                    continue
                if product and not (lone[i] and lone[j] and lone[c]):
                    continue
                found += 1
                for r, s, t in zip(cells[:, c], cells[:, i], cells[:, j], strict=True):
                    if not (r and s and t):
                        continue
                    if product:
                        facts.products.add((r[0], s[0], t[0]))
                    else:
                        parts = [(x, -1.0) for x in (*s, *t)]
                        facts.add([*((x, 1.0) for x in r), *parts])
    return found


def solve(facts: Facts, k: int) -> dict[int, tuple[float, float]]:
    """Give each hidden count below `k` the least and the most that it can be."""
    value = np.array(facts.value)
    known = np.array(facts.known)
    bounds: dict[int, tuple[float, float]] = {}
    targets = [
        i for i, v in enumerate(value) if facts.counts[i] and not known[i] and 0 < v < k - 1e-9
    ]
    told = known.copy()
    while True:
        _propagate(facts, value, told)
        before = told.sum()
        bounds = _programmes(facts, value, told, targets)
        if told.sum() == before:
            return bounds


def _propagate(facts: Facts, value: Matrix, told: npt.NDArray[np.bool_]) -> None:
    while True:
        before = told.sum()
        for c, a, b in facts.products:
            unknown = [x for x in (c, a, b) if not told[x]]
            if len(unknown) == 1 and (unknown[0] == c or value[b if unknown[0] == a else a] != 0):
                told[unknown[0]] = True
                facts.why[unknown[0]] = [x for x in (c, a, b) if x != unknown[0]]
        for row in facts.linear:
            unknown = [x for x, _ in row if not told[x]]
            if len(unknown) == 1:
                told[unknown[0]] = True
                facts.why[unknown[0]] = [x for x, _ in row if x != unknown[0]]
        if told.sum() == before:
            return


def _programmes(
    facts: Facts, value: Matrix, told: npt.NDArray[np.bool_], targets: Sequence[int]
) -> dict[int, tuple[float, float]]:
    rows = [
        [(x, f) for x, f in row if not told[x]]
        for row in facts.linear
    ]  # fmt: skip
    for c, a, b in facts.products:
        if told[a] != told[b] and not told[c]:
            fixed, free = (a, b) if told[a] else (b, a)
            rows.append([(c, 1.0), (free, -float(value[fixed]))])
    rows = [row for row in rows if row]
    free = sorted({x for row in rows for x, _ in row} | {t for t in targets if not told[t]})
    place = {x: i for i, x in enumerate(free)}
    links = [(place[row[0][0]], place[x]) for row in rows for x, _ in row]
    pairs = [
        (a, b) for a, b in facts.below if not (told[a] and told[b]) and {a, b} & place.keys()
    ]  # fmt: skip
    pairs = [(a, b) for a, b in pairs if all(x in place or told[x] for x in (a, b))]
    links += [(place[a], place[b]) for a, b in pairs if a in place and b in place]
    graph = csr_matrix(
        (np.ones(len(links)), tuple(np.array(links).T)) if links else (len(free), len(free)),
        shape=(len(free), len(free)),
    )
    _, part = connected_components(graph, directed=False)
    found: dict[int, tuple[float, float]] = {t: (value[t], value[t]) for t in targets if told[t]}
    by_part: dict[int, list[int]] = defaultdict(list)
    for t in targets:
        if not told[t]:
            by_part[part[place[t]]].append(t)
    rows_of: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        rows_of[part[place[row[0][0]]]].append(row)
    for number, asked in by_part.items():
        own = [x for x in free if part[place[x]] == number]
        at = {x: i for i, x in enumerate(own)}
        equal = np.zeros((len(rows_of[number]), len(own)))
        for r, row in enumerate(rows_of[number]):
            for x, f in row:
                equal[r, at[x]] += f
        rank = equal @ value[own]
        scale = np.maximum(np.abs(equal).max(axis=1, initial=0), 1e-12)
        limits = [(facts.least[x], None) for x in own]
        under, most = [], []
        for a, b in pairs:
            if not ({a, b} & at.keys()):
                continue
            line = np.zeros(len(own))
            limit = 0.0
            for x, sign in ((a, 1.0), (b, -1.0)):
                if x in at:
                    line[at[x]] += sign
                else:
                    limit -= sign * value[x]
            under.append(line)
            most.append(limit + 1e-9)
        for t in asked:
            ends = []
            for sign in (1.0, -1.0):
                aim = np.zeros(len(own))
                aim[at[t]] = sign
                done = linprog(
                    aim, A_eq=equal / scale[:, None] if len(equal) else None,
                    b_eq=rank / scale if len(equal) else None,
                    A_ub=np.array(under) if under else None, b_ub=most or None, bounds=limits,
                )  # fmt: skip
                end = done.x[at[t]] if done.status == 0 else -sign * np.inf
                ends.append(float(end))
            found[t] = (ends[0], ends[1])
            if ends[1] - ends[0] < 1e-4 * max(1.0, value[t]):
                told[t] = True
    return found


@dataclass
class Verdict:
    """What an attacker got out of tables."""

    tables: int
    relations: int
    hidden: int
    small: int
    recovered: list[str]
    narrowed: list[str]

    def __str__(self) -> str:
        return (
            f"{self.tables} tables, {self.relations} relations, {self.hidden} hidden cells, "
            f"{self.small} of them small counts: {len(self.recovered)} recovered, "
            f"{len(self.narrowed)} narrowed to fewer than k values"
        )


def attack(tables: Sequence[Published], k: int) -> Verdict:
    """Say what hidden counts of fewer than `k` follow from all that the tables show."""
    facts = Facts()
    views = [view for table in tables for view in read(facts, table, k)]
    relations = relate(facts, views)
    bounds = solve(facts, k)
    whole = {t: (np.ceil(low - 1e-6), np.floor(high + 1e-6)) for t, (low, high) in bounds.items()}
    exact = [t for t, (low, high) in bounds.items() if high - low < 1e-4]
    exact += [t for t, (low, high) in whole.items() if low == high and t not in exact
              and facts.value[t] == round(facts.value[t])]  # fmt: skip
    near = [t for t, (low, high) in whole.items() if t not in exact and high - low + 1 < k]

    def say(one: int) -> str:
        low, high = bounds[one]
        return f"{facts.value[one]:g} in {low:g}..{high:g}: {facts.chain(one)}"

    return Verdict(
        len(tables), relations, sum(not known for known in facts.known), len(bounds),
        [say(t) for t in exact], [say(t) for t in near],
    )  # fmt: skip


def side_by_side(parts: Mapping[str, Sequence[Published]]) -> list[Published]:
    """Put tables of the same name of several runs under one another, with a label for the part."""
    stacks: dict[tuple[str, tuple[str, ...]], list[Any]] = defaultdict(list)
    for part, tables in parts.items():
        for table in tables:
            key = (table.name, tuple(map(str, table.frame.columns)))
            stacks[key].append((part, table))
    made = []
    for (name, _), own in stacks.items():
        if len({part for part, _ in own}) == len(own) > 1:
            frame = pd.concat([t.frame.assign(**{"__part": p}) for p, t in own], ignore_index=True)
            made.append(Sweep(f"parts {name}", frame, tables=[t for _, t in own]))
        else:
            made += [table for _, table in own]
    return made


def differences(a: Sequence[Published], b: Sequence[Published], k: int) -> list[str]:
    """List shown counts of the same name and labels that differ by fewer than `k`."""
    found = []
    for one in a:
        for other in b:
            if one.name != other.name or list(one.frame) != list(other.frame):
                continue
            labels = labels_of(one.frame)
            counts = [c for c in one.frame if c in COUNTS and c not in labels]
            if not labels or not counts:
                continue
            left = one.frame.mask(one.hidden(k)).drop_duplicates(labels)
            right = other.frame.mask(other.hidden(k)).drop_duplicates(labels)
            joined = left.merge(right, on=labels, suffixes=("", "__b"))
            for c in counts:
                by = (joined[c] - joined[f"{c}__b"]).abs()
                few = joined[(by > 1e-9) & (by < k)]
                found += [f"{one.name}: {tuple(r)}: {c}" for r in few[labels].to_numpy()]
    return found


def rare_shop(folder: Path, *, customers: int = 900, seed: int = 5) -> Path:
    """Write a shop of rare touchpoints and segments: most of its tables have small cells."""
    random = np.random.default_rng(seed)
    names = ["ad", "email", "search", "shop", "fair", "call", "spa"]
    often = np.array([30, 25, 20, 10, 2, 0.6, 0.3])
    people = [f"buyer-{c:04d}" for c in range(customers)]
    touches = pd.DataFrame({
        "customer_id": np.repeat(people, 4),
        "timestamp": pd.Timestamp("2026-01-01", tz="UTC")
        + pd.to_timedelta(random.permutation(3600 * 60)[: 4 * customers], "min"),
        "touchpoint": random.choice(names, 4 * customers, p=often / often.sum()),
    })  # fmt: skip
    touches["cost"] = touches.touchpoint.map({"ad": 1.0, "email": 0.1, "search": 0.7, "fair": 9.0})
    last = touches.groupby("customer_id").timestamp.max() + pd.Timedelta(hours=5)
    bought = last.iloc[::4].reset_index().assign(outcome="conversion")
    bought["value"] = random.gamma(2, 40, len(bought)).round(2)
    left = last.iloc[1::7].reset_index().assign(outcome="churn", value=np.nan)
    traits = pd.DataFrame({"customer_id": people})
    traits["observed_from"] = pd.Timestamp("2026-01-01", tz="UTC")
    traits["observed_to"] = pd.Timestamp("2026-12-01", tz="UTC")
    traits["region"] = random.choice(["north", "south", "west"], customers, p=[0.6, 0.37, 0.03])
    answered = touches.iloc[::23].drop(columns="cost")
    surveys = answered.assign(metric="nps", score=random.integers(0, 11, len(answered)))
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in {
        "touches": touches, "outcomes": pd.concat([bought, left]), "customers": traits,
        "surveys": surveys,
    }.items():  # fmt: skip
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("data", help="folder, or `rare` for a made shop of rare segments")
    asked.add_argument("--k", type=int, action="append")
    asked.add_argument("--segment", default="region")
    asked.add_argument("--only", action="append", default=[])
    asked.add_argument("--param", action="append", default=[], help="name=value of both runs")
    asked.add_argument("--sweep", action="store_true", help="parts by the segment beside the whole")
    asked.add_argument("--change", help="name=value of a second run")
    asked.add_argument("--keep", help="folder of what was published, read again if there")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        data = rare_shop(Path(place, "rare")) if given.data == "rare" else Path(given.data)
        for k in given.k or [10]:
            _one(given, data, k, Path(place))


def _value(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            pass
    return name, [int(v) for v in value.split(",") if v] if "," in value else value


def _one(given: argparse.Namespace, data: Path, k: int, place: Path) -> None:
    def run(name: str, folder: Path, **more: object) -> list[Published]:
        kept = Path(given.keep, f"{Path(given.data).name}-{k}-{name}") if given.keep else None
        if kept and kept.exists():
            return pickle.loads(kept.read_bytes())
        base = dict(map(_value, given.param)) | {"min_customers": k} | more
        made = published(folder, base, given.only)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(pickle.dumps(made))
        return made

    whole = run("whole", data, segment=given.segment)
    tell(f"{given.data}, k {k}, one run", attack(whole, k))
    if given.change:
        name, value = _value(given.change)
        other = run(given.change, data, segment=given.segment, **{name: value})
        tell(f"{given.data}, k {k}, and {given.change}", attack([*whole, *other], k))
        print(f"  differ by fewer than k: {len(differences(whole, other, k))}")
    if given.sweep:
        traits = pd.read_parquet(data / "customers.parquet")
        parts = {}
        for level, own in traits.groupby(given.segment):
            if len(own) < k:
                continue
            folder = cut(data, place / f"part-{k}-{level}", set(own.customer_id))
            parts[str(level)] = run(f"part-{level}", folder, segment="")
        tell(
            f"{given.data}, k {k}, whole and {len(parts)} parts",
            attack([*whole, *side_by_side(parts)], k),
        )


def cut(data: Path, folder: Path, people: set[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path in data.glob("*.parquet"):
        table = pd.read_parquet(path)
        if "customer_id" in table and path.stem != "truth":
            table = table[table.customer_id.isin(people)]
        if path.stem != "truth":
            table.to_parquet(folder / path.name, index=False)
    for path in data.glob("*.toml"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def tell(title: str, verdict: Verdict) -> None:
    print(f"{title}: {verdict}", flush=True)
    for kind in ("recovered", "narrowed"):
        for one in getattr(verdict, kind)[:40]:
            print(f"  {kind}: {one}", flush=True)


if __name__ == "__main__":
    import attacker  # by its name: the notebooks take that of the main module

    attacker.main()
