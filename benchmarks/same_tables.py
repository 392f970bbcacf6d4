"""Are the tables of two report runs the same?

    python benchmarks/same_tables.py BEFORE AFTER [--tolerance 1e-9]

BEFORE and AFTER are folders of runs. Every table of BEFORE is looked for among those of the same
page in AFTER by its columns and numbers, as places and captions may change; what a page was made
from (versions, parameters) is left out. Further tables in AFTER are counted, no more.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-9)
    given = parser.parse_args()
    before, after = tables_of(given.before), tables_of(given.after)
    lost = [name for name in before if not found(name, before, after, given.tolerance)]
    for name in lost:
        near = nearest(name, before, after)
        print(f"not the same: {'/'.join(name)}" + (f": {near}" if near else ": no such columns"))
    print(f"{len(before) - len(lost)} of {len(before)} tables the same to {given.tolerance:g}")
    print(f"{len(after)} tables in {given.after}")
    return 1 if lost else 0


def tables_of(run: Path) -> dict[tuple[str, str], pd.DataFrame]:
    files = sorted((run / "tables").glob("*/*.parquet"))
    tables = {(f.parent.name, f.stem): pd.read_parquet(f) for f in files}
    return {n: t for n, t in tables.items() if list(t.columns) != ["what", "value"]}


def found(name: tuple[str, str], before: dict, after: dict, tolerance: float) -> bool:
    own = (t for other, t in after.items() if other[0] == name[0])
    return any(difference(before[name], table) <= tolerance for table in own)


def difference(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Largest difference, relative beyond 1; infinite where shapes, words or gaps differ."""
    if list(one.columns) != list(other.columns) or len(one) != len(other):
        return np.inf
    worst = 0.0
    for column in one.columns:
        a, b = one[column], other[column]
        if pd.api.types.is_numeric_dtype(a) and pd.api.types.is_numeric_dtype(b):
            a, b = a.to_numpy(float, na_value=np.nan), b.to_numpy(float, na_value=np.nan)
            if (np.isnan(a) != np.isnan(b)).any():
                return np.inf
            gap = np.abs(a - b) / np.maximum(1, np.abs(a))
            worst = max(worst, np.nanmax(gap, initial=0.0))
        elif not a.astype("string").fillna("").equals(b.astype("string").fillna("")):
            return np.inf
    return worst


def nearest(name: tuple[str, str], before: dict, after: dict) -> str:
    one = before[name]
    alike = [t for n, t in after.items() if n[0] == name[0] and set(t.columns) & set(one)]
    told = [
        (difference(one[c := list(one.columns.intersection(t.columns))], t[c]), c) for t in alike
    ]
    best = min(told, key=lambda pair: (pair[0], -len(pair[1])), default=None)
    return f"differs by {best[0]:.2g} in {', '.join(best[1])}" if best else ""


if __name__ == "__main__":
    sys.exit(main())
