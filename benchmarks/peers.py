"""touchlab beside ChannelAttribution and marketing-attribution-models, from one event log.

    python benchmarks/peers.py [--journeys 100000] [--runs 3] [--keep .bench]

touchlab opens and checks the log and computes all its rules and Markov of orders 1 to 3, with
intervals. Its peers get journeys cut from the same log by the same rule, and compute what
they have, without intervals. ChannelAttribution takes paths as a pandas frame: they are built
in pandas, as most do, and in polars, the fastest way found. Each runs in a process of its
own, in turns; the peers in an environment that is made beside the data on the first run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path

from make_touches import make_touches
from measure import Runs, load, measure

OURS = "touchlab, Markov 1-3"
PEERS = (
    "ChannelAttribution, paths by pandas",
    "ChannelAttribution, paths by polars",
    "marketing-attribution-models",
)
ROOT = Path(__file__).parents[1]


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


def apart(ours: dict[str, float], theirs: dict[str, float]) -> float:
    """Say how far credits differ: the greatest difference, as a share of all that is credited."""
    names = ours.keys() | theirs.keys()
    return max(abs(ours.get(n, 0.0) - theirs.get(n, 0.0)) for n in names) / sum(ours.values())


def report(journeys: int, measured: dict[str, Runs]) -> list[str]:
    """Write what each took beside touchlab, and how far its credits are from touchlab's."""
    ours = measured[OURS]
    lines = [f"{journeys:,} journeys: clock, processors' work, peak memory; {load()}"]
    for task, runs in measured.items():
        clock = f"{runs.clock:8.2f} s {runs.clock / ours.clock:6.1f} times"
        work = f"{runs.worked:8.2f} s {runs.worked / ours.worked:6.1f} times"
        lines.append(f"  {task:<36} {clock} {work} {runs.peak:6.2f} GB")
    for peer in PEERS:
        found = measured[peer].credits.items()
        differ = ", ".join(f"{m} {apart(ours.credits[m], c):.1e}" for m, c in found)
        lines.append(f"  {peer} differs by (share of all): {differ}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--journeys", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=ROOT / ".bench")
    chosen = parser.parse_args()
    folder = chosen.keep / f"journeys-{chosen.journeys}"
    if not (folder / "outcomes.parquet").exists():
        make_touches(folder, journeys=chosen.journeys)
    pythons = dict.fromkeys(PEERS, peers_python(chosen.keep))
    cells = {task: (task, folder) for task in (OURS, "touchlab", *PEERS)}
    measured = measure(cells, runs=chosen.runs, pythons=pythons)
    sys.stdout.write("\n".join(report(chosen.journeys, measured)) + "\n")


if __name__ == "__main__":
    main()
