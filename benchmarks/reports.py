"""How much faster is `touchlab report` than a loop of papermill and nbconvert commands?

Both make the executed notebooks and their HTML pages, in one run of this script, one after
the other. 08 simulates a small world in both. `--bare` takes eight notebooks that only load
the libraries and draw one figure: what running notebooks costs before they compute anything.

python benchmarks/reports.py [--data data/sample] [--bare]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from touchlab.reporting import choose_notebooks, declared_parameters, notebooks_folder

SMALL = {"customers": 1500, "days": 60, "seeds": [1]}
BARE = (
    "import duckdb, ibis, matplotlib.pyplot as plt, seaborn, sklearn.linear_model\n"
    "import statsmodels.api, touchlab"
)
CALL = "import sys; from touchlab.cli import main; sys.exit(main())"


def main() -> None:
    parser = argparse.ArgumentParser(description="touchlab report beside papermill and nbconvert.")
    parser.add_argument("--data", default="data/sample")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--only", nargs="*", default=[], help="some of the notebooks")
    given = parser.parse_args()
    data = str(Path(given.data).resolve())
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        folder = _bare(work / "notebooks") if given.bare else notebooks_folder()
        declared = declared_parameters(folder)
        chosen = [path.stem for path in choose_notebooks(folder, given.only)]
        known = {name for notebook in chosen for name in declared[notebook]}
        values = {name: value for name, value in SMALL.items() if name in known}
        os.chdir(folder.parent)

        def report(out: str, *more: str) -> None:
            options = [f"--param={name}={json.dumps(value)}" for name, value in values.items()]
            command = [sys.executable, "-c", CALL, "report", data, "--out"]
            options += [f"--only={name}" for name in given.only]
            _run([*command, str(work / out), "--jobs", given.jobs, *options, *more])

        print(f"{len(chosen)} notebooks, load {os.getloadavg()[0]:.1f}", flush=True)
        ours = _measure("touchlab report", lambda: report("a"))
        _measure("nothing changed", lambda: report("a"))
        _measure("one notebook at a time", lambda: report("c", "--jobs", "1"))
        loop = _measure(
            "papermill + nbconvert", lambda: _loop(folder, given.only, data, values, work)
        )
        print(f"\n{loop[0] / ours[0]:.1f} times faster, {loop[1] / ours[1]:.1f} times less CPU")


def _loop(folder: Path, only: list[str], data: str, values: Mapping[str, Any], work: Path) -> None:
    for path in choose_notebooks(folder, only):
        declared = declared_parameters(folder)[path.stem]
        filled = {"data": data, "results": str(work), **values}
        chosen = {name: value for name, value in filled.items() if name in declared}
        target = work / path.name
        options = ["-y", json.dumps(chosen), "--cwd", str(folder.parent), "-k", "python3"]
        _run([sys.executable, "-m", "papermill", str(path), str(target), *options])
        _run([sys.executable, "-m", "nbconvert", "--to", "html", str(target)])


def _bare(folder: Path) -> Path:
    folder.mkdir()
    for number in range(1, 9):
        name = f"{number:02d}_bare"
        cells = [
            new_markdown_cell(f"# {name}?"),
            new_code_cell("data = ''", metadata={"tags": ["parameters"]}),
            new_code_cell(BARE),
            new_code_cell("plt.plot([1, 2])\nplt.show()"),
        ]
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = new_notebook(cells=cells, metadata={"kernelspec": spec})
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


def _measure(name: str, work: Callable[[], None]) -> tuple[float, float]:
    clock, before = time.monotonic(), _cpu()
    work()
    took, used = time.monotonic() - clock, _cpu() - before
    print(f"{name:<26}{took:>8.1f} s{used:>8.1f} CPU-s", flush=True)
    return took, used


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
