"""Time and memory of drivers, beside the engine's bare sort of the same touches.

    python benchmarks/drivers.py [--customers 4000000] [--folder FOLDER]

Opens the data, fits the drivers of conversion and asks for incremental outcomes, total
effects included. The sort is DuckDB's CREATE TABLE AS ... ORDER BY customer, time, in the
same run. Memory is the highest of this process, the sort aside.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import warnings
from pathlib import Path

import duckdb
from make_touches import make_touches

import touchlab as tl
from touchlab.moments.sample import sample_moments

SMALL = Path(__file__).parents[1] / "data" / "sample"


def run(folder: Path, customers: int) -> None:
    if not (folder / "touches.parquet").exists():
        make_touches(folder, journeys=customers)
    tl.fit_drivers(tl.open_data(SMALL)).incremental()  # what is imported is not timed
    opened, data = _timed(lambda: tl.open_data(folder))
    sampled, moments = _timed(lambda: sample_moments(data))
    fitted, drivers = _timed(lambda: tl.fit_drivers(moments))
    counted, _ = _timed(lambda: drivers.incremental(total=False))
    followed, _ = _timed(lambda: drivers.incremental())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sort = min(_sort(folder) for _ in range(2))
    rows = data.overview.set_index("table").rows
    print(f"touches {rows['touches']:,}, outcomes {rows['outcomes']:,}")
    print(f"moments {len(moments.table):,} for {moments.events:,.0f} events")
    steps = {
        "open and check": opened,
        "sample moments": sampled,
        "fit": fitted,
        "incremental": counted,
        "total effects": followed,
    }
    for name, seconds in steps.items():
        print(f"{name:>16} {seconds:7.1f} s {seconds / sort:6.1f} x the sort")
    ours = sampled + fitted + counted
    print(f"{'bare sort':>16} {sort:7.1f} s")
    print(f"open and check:      {opened / sort:.1f} times the sort (required: under 1.5)")
    print(f"fit and incremental: {ours / sort:.1f} times the sort (required: under 12)")
    print(f"with total effects:  {(ours + followed) / sort:.1f} times the sort")
    print(f"peak memory:         {memory:.1f} GB (required: under 6)")


def _timed(step):
    begin = time.perf_counter()
    result = step()
    return time.perf_counter() - begin, result


def _sort(folder: Path) -> float:
    with duckdb.connect() as engine:
        engine.execute("SET preserve_insertion_order = false")
        path = folder / "touches.parquet"
        begin = time.perf_counter()
        engine.execute(f"CREATE TABLE t AS SELECT * FROM '{path}' ORDER BY customer_id, timestamp")
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--customers", type=int, default=4_000_000)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.folder is not None:
        run(chosen.folder, chosen.customers)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), chosen.customers)


if __name__ == "__main__":
    main()
