"""touchlab beside its peers and beside a bare sort, and as data grows: one table of ratios.

    python benchmarks/bench.py [--largest] [--runs 3] [--keep .bench]

What stands in a row was measured in turns, in processes of their own, so that ratios hold on a
busy machine too. touchlab opens and checks the log and computes rules, Shapley and Markov
credit with intervals. ChannelAttribution computes its three rules and Markov of orders 1 to 3,
marketing-attribution-models all of its models, both without intervals, from journeys cut from
the same log by the same rule: for ChannelAttribution, which takes a pandas frame of paths, in
pandas, as most do, and in polars, the fastest way found. Peers run in an environment of their
own (the extra `bench`), made beside the data on the first run. `--largest` adds 64 million
touches; TOUCHLAB_MEMORY limits the engine as it does everywhere.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from make_touches import TOUCHES_PER_JOURNEY, TOUCHPOINTS, make_touches
from measure import Runs, load, measure

ALL, DEFAULT = "touchlab, Markov 1-3", "touchlab"
PEERS = {
    "ChannelAttribution, paths by pandas": (ALL, DEFAULT),
    "ChannelAttribution, paths by polars": (ALL, DEFAULT),
    "marketing-attribution-models": (DEFAULT,),
}
JOURNEYS = (100_000, 1_000_000)
MILLION = 1_000_000
TOUCHES, LARGEST = (1, 4, 16), 64
KINDS = (10, 20, 50, 100)
ORDERS = (1, 2, 3, 4)
ROOT = Path(__file__).parents[1]
HEAD = (
    "| measured | beside | s | s beside | times | times, processors | GB |\n"
    "|---|---|---|---|---|---|---|"
)


def log_of(keep: Path, journeys: int, touchpoints: int = TOUCHPOINTS) -> Path:
    """Make a log of so many journeys, or take the one made before."""
    more = "" if touchpoints == TOUCHPOINTS else f"-{touchpoints}"
    folder = keep / f"journeys-{journeys}{more}"
    if not (folder / "outcomes.parquet").exists():
        make_touches(folder, journeys=journeys, touchpoints=touchpoints)
    return folder


def peers_python(keep: Path) -> Path:
    """Make the environment of the peers, the extra `bench`, once."""
    folder = keep / "peers"
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        uv = str(ROOT / ".uv" / "bin" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", str(folder)], check=True)
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        packages = settings["project"]["optional-dependencies"]["bench"]
        install = [uv, "pip", "install", "--quiet", "--python", str(python), *packages]
        subprocess.run(install, check=True)
        (folder / ".ready").touch()
    return python


def row(measured: str, one: Runs, beside: str, other: Runs, doublings: float = 1.0) -> str:
    """Write a row: how many times as long as what stands beside it, per doubling if it grew."""
    clock = (one.clock / other.clock) ** (1 / doublings)
    work = (one.worked / other.worked) ** (1 / doublings)
    seconds = f"{one.clock:.2f} | {other.clock:.2f}"
    return f"| {measured} | {beside} | {seconds} | {clock:.2f} | {work:.2f} | {one.peak:.2f} |"


def beside_peers(keep: Path, runs: int) -> Iterator[str]:
    """Time the peers beside touchlab, and say how far credits differ."""
    pythons = dict.fromkeys(PEERS, peers_python(keep))
    for journeys in JOURNEYS:
        folder = log_of(keep, journeys)
        cells = {task: (task, folder) for task in (ALL, DEFAULT, *PEERS)}
        found = measure(cells, runs=runs, pythons=pythons)
        for peer, ours in PEERS.items():
            for own in ours:
                yield row(f"{peer}, {journeys:,} journeys", found[peer], own, found[own])
        for own in (ALL, DEFAULT):
            yield row(f"{own}, {journeys:,} journeys", found[own], own, found[own])
        for peer in PEERS:
            differ = {m: apart(found[ALL].credits[m], c) for m, c in found[peer].credits.items()}
            sys.stderr.write(f"{peer} differs by (share of all): {differ}\n")


def apart(ours: dict[str, float], theirs: dict[str, float]) -> float:
    """Say how far credits differ: the greatest difference, as a share of all that is credited."""
    names = ours.keys() | theirs.keys()
    return max(abs(ours.get(n, 0.0) - theirs.get(n, 0.0)) for n in names) / sum(ours.values())


def by_touches(keep: Path, sizes: tuple[int, ...], runs: int) -> Iterator[str]:
    """Time all default models beside the bare sort, and beside the size before."""
    logs = {size: log_of(keep, size * MILLION // TOUCHES_PER_JOURNEY) for size in sizes}
    cells = {f"{task} {size}": (task, logs[size]) for size in sizes for task in ("sort", DEFAULT)}
    found = measure(cells, runs=runs)
    for size, before in zip(sizes, (None, *sizes), strict=False):
        own, name = found[f"{DEFAULT} {size}"], f"touchlab, {size} million touches"
        yield row(name, own, "DuckDB's bare sort", found[f"sort {size}"])
        if before:
            doublings, less = math.log2(size / before), found[f"{DEFAULT} {before}"]
            yield row(name, own, f"{before} million, per doubling", less, doublings)


def ladder(cells: dict[str, tuple[str, Path]], runs: int) -> Iterator[str]:
    """Time each cell beside the first."""
    found = measure(cells, runs=runs)
    first = next(iter(found))
    for name in [name for name in found if name != first]:
        yield row(name, found[name], first, found[first])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--largest", action="store_true", help=f"also {LARGEST} million touches")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=ROOT / ".bench")
    given = parser.parse_args()
    keep, runs = given.keep, given.runs
    kinds = {
        f"4 million touches of {n} touchpoints": (ALL, log_of(keep, MILLION, n)) for n in KINDS
    }
    orders = {f"Markov of order {n}": (f"order {n}", log_of(keep, MILLION)) for n in ORDERS}
    print(HEAD, flush=True)
    for part in (
        beside_peers(keep, runs),
        by_touches(keep, (*TOUCHES, LARGEST) if given.largest else TOUCHES, runs),
        ladder(kinds, runs),
        ladder(orders, runs),
    ):
        for line in part:
            print(line, flush=True)
    print(f"\nMedians of {runs} runs, {load()}.")


if __name__ == "__main__":
    main()
