"""Opening and checking a folder of touches, beside DuckDB's bare sort of the same file.

    python benchmarks/opening.py FOLDER [--turns 5]

The folder is made by make_touches.py, if it is not there. Both run in turns, in processes of their
own; what they import, and a first small question, come before the clock.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from make_touches import make_touches

SMALL = Path(__file__).parents[1] / "data" / "sample"
JOURNEYS = 4_000_000
OPEN = f"""
import sys, time, touchlab as tl
tl.open_data({str(SMALL)!r})
begin = time.perf_counter()
tl.open_data(sys.argv[1])
print(time.perf_counter() - begin)
"""
SORT = """
import sys, time, duckdb
engine = duckdb.connect()
engine.execute("SET enable_progress_bar = false")
begin = time.perf_counter()
engine.execute(
    "CREATE TEMP TABLE t AS SELECT customer_id, timestamp, touchpoint "
    f"FROM '{sys.argv[1]}/touches.parquet' ORDER BY customer_id, timestamp"
)
print(time.perf_counter() - begin)
"""


def seconds(code: str, folder: Path) -> float:
    """Run in a process of its own, which prints how long it took."""
    asked = [sys.executable, "-c", code, str(folder)]
    return float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    chosen = parser.parse_args()
    if not (chosen.folder / "touches.parquet").exists():
        make_touches(chosen.folder, journeys=JOURNEYS)
    ratios = []
    for _ in range(chosen.turns):
        opened, sort = seconds(OPEN, chosen.folder), seconds(SORT, chosen.folder)
        ratios.append(opened / sort)
        print(f"open and check {opened:.2f} s, bare sort {sort:.2f} s: {ratios[-1]:.2f}")
    print(f"median {statistics.median(ratios):.2f} (required: under 1.5)")


if __name__ == "__main__":
    main()
