"""Time `open_data` and `attribute` beside DuckDB's own sort of the same touches.

    python benchmarks/make_touches.py FOLDER
    python benchmarks/attribution.py FOLDER [--runs 3] [--deep]

All are timed in turns within one process, so that the ratios hold on a busy machine too.
The sort is the least that anything which follows customers through time has to do.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

import touchlab as tl
from touchlab.credit.rules import RULES

DEEP = [rule for rule in RULES if rule != "last_non_direct"] + ["markov", "markov_2", "markov_3"]


def sort_touches(folder: Path) -> None:
    """Let DuckDB order the touches by customer and time, and nothing else."""
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE s AS SELECT * FROM '{folder}/touches.parquet' "
            "ORDER BY customer_id, timestamp"
        )


def measure(folder: Path, *, runs: int, deep: bool) -> dict[str, list[float]]:
    """Time each task `runs` times, in turns; return seconds by task."""
    data = tl.open_data(folder)
    tasks: dict[str, Callable[[], object]] = {
        "sort": lambda: sort_touches(folder),
        "open_data": lambda: tl.open_data(folder),
        "attribute": lambda: tl.attribute(data),
    }
    if deep:
        tasks["attribute, Markov to order 3"] = lambda: tl.attribute(data, models=DEEP)
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(runs):
        for name, task in tasks.items():
            begin = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--deep", action="store_true", help="also Markov of orders 2 and 3")
    chosen = parser.parse_args()
    seconds = measure(chosen.folder, runs=chosen.runs, deep=chosen.deep)
    sort = statistics.median(seconds["sort"])
    lines = [
        f"{name:<30} {statistics.median(runs):6.2f} s {statistics.median(runs) / sort:6.2f} sorts"
        for name, runs in seconds.items()
    ]
    both = statistics.median(seconds["open_data"]) + statistics.median(seconds["attribute"])
    lines.append(f"{'open_data and attribute':<30} {both:6.2f} s {both / sort:6.2f} sorts")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    lines.append(f"{'peak memory':<30} {peak:6.2f} GB")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
