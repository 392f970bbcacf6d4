"""How time and memory grow with touches, touchpoints and the order of the Markov model.

    python benchmarks/growth.py [--largest] [--runs 3] [--keep .bench]

Each step of a ladder is timed in turns with the others, in processes of their own, so that
the growth from step to step holds on a busy machine too. `--largest` adds 64 million touches;
the environment variable TOUCHLAB_MEMORY bounds the engine as it does everywhere.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from make_touches import TOUCHES_PER_JOURNEY, TOUCHPOINTS, make_touches
from measure import load, measure

MILLION = 1_000_000
TOUCHES = (1, 4, 16)
LARGEST = 64
KINDS = (10, 20, 50, 100)
ORDERS = (1, 2, 3, 4)
ROOT = Path(__file__).parents[1]


def log_of(keep: Path, millions: int, touchpoints: int = TOUCHPOINTS) -> Path:
    """Make a log of so many touches, or take the one made before."""
    journeys = millions * MILLION // TOUCHES_PER_JOURNEY
    more = "" if touchpoints == TOUCHPOINTS else f"-{touchpoints}"
    folder = keep / f"journeys-{journeys}{more}"
    if not (folder / "outcomes.parquet").exists():
        make_touches(folder, journeys=journeys, touchpoints=touchpoints)
    return folder


def by_touches(keep: Path, sizes: tuple[int, ...], runs: int) -> list[str]:
    """Time the bare sort and all default models at each size; growth is per doubling."""
    tasks = ("sort", "touchlab")
    cells = {f"{task} {size}": (task, log_of(keep, size)) for size in sizes for task in tasks}
    measured = measure(cells, runs=runs)
    lines = [f"all default models with intervals, from the log; {load()}"]
    for size, before in zip(sizes, (None, *sizes), strict=False):
        own, bare = measured[f"touchlab {size}"], measured[f"sort {size}"]
        sorts = f"{own.clock / bare.clock:5.2f} sorts (work {own.worked / bare.worked:5.2f})"
        line = f"  {size:3} million touches {own.clock:8.2f} s {sorts} {own.peak:6.2f} GB"
        if before is not None:
            smaller, doublings = measured[f"touchlab {before}"], math.log2(size / before)
            clock = (own.clock / smaller.clock) ** (1 / doublings)
            work = (own.worked / smaller.worked) ** (1 / doublings)
            line += f", a doubling takes {clock:4.2f} times (work {work:4.2f})"
        lines.append(line)
    return lines


def ladder(title: str, cells: dict[str, tuple[str, Path]], runs: int) -> list[str]:
    """Time each cell beside the first."""
    measured = measure(cells, runs=runs)
    first = next(iter(measured.values()))
    lines = [f"{title}; {load()}"]
    for name, own in measured.items():
        work = f"(work {own.worked / first.worked:5.2f})"
        lines.append(f"  {name:<18} {own.clock:8.2f} s {own.clock / first.clock:5.2f} times {work}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--largest", action="store_true", help=f"also {LARGEST} million touches")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=ROOT / ".bench")
    chosen = parser.parse_args()
    keep, runs = chosen.keep, chosen.runs
    sizes = (*TOUCHES, LARGEST) if chosen.largest else TOUCHES
    kinds = {f"{n} touchpoints": ("touchlab, Markov 1-3", log_of(keep, 4, n)) for n in KINDS}
    orders = {
        f"Markov of {name}": (name, log_of(keep, 4)) for name in map("order {}".format, ORDERS)
    }
    lines = [
        *by_touches(keep, sizes, runs),
        *ladder("4 million touches, all models, Markov 1-3", kinds, runs),
        *ladder("4 million touches, 20 touchpoints, one model", orders, runs),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
