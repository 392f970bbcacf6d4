"""Measure tasks in turns, each in a process of its own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

TASKS = Path(__file__).with_name("tasks.py")


@dataclass
class Runs:
    """What the runs of one task took; the credits of the last."""

    seconds: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    """Seconds that processors spent."""
    gigabytes: list[float] = field(default_factory=list)
    credits: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def clock(self) -> float:
        return statistics.median(self.seconds)

    @property
    def worked(self) -> float:
        return statistics.median(self.work)

    @property
    def peak(self) -> float:
        return max(self.gigabytes)

    def add(self, task: str, folder: Path, python: Path | str = sys.executable) -> None:
        """Run the task once more."""
        command = [str(python), "-W", "ignore", str(TASKS), task, str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(done.stdout.splitlines()[-1])
        self.seconds.append(result["seconds"])
        self.work.append(result["work"])
        self.gigabytes.append(result["gigabytes"])
        self.credits = result["credits"]


def measure(
    cells: Mapping[str, tuple[str, Path]],
    *,
    runs: int,
    pythons: Mapping[str, Path] | None = None,
) -> dict[str, Runs]:
    """Run each cell, a task and a folder, `runs` times, in turns: load then is alike for all.

    `pythons` names the interpreters of tasks that do not run in this one.
    """
    measured = {name: Runs() for name in cells}
    for _ in range(runs):
        for name, (task, folder) in cells.items():
            measured[name].add(task, folder, (pythons or {}).get(task, sys.executable))
    return measured


def load() -> str:
    """Say how busy the machine is: ratios hold under load, seconds do not."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
