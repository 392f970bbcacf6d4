"""The set-up keeps its promises: one truth for dependencies, clean notebooks, a lock of pins."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[1]
PRESCRIBED = {
    "jupyterlab", "nbval", "pandas", "papermill", "scikit-learn", "seaborn", "statsmodels",
}  # fmt: skip
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _requirements() -> dict[str, str]:
    project = _project()
    listed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    pairs = [re.fullmatch(r"([\w-]+)(?:\[[^]]*\])?(.*)", text.strip()) for text in listed]
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_environment_file_says_what_pyproject_says() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [d for d in environment["dependencies"] if isinstance(d, str)]
    versions = dict(re.fullmatch(r"([\w-]+)(.*)", d).groups() for d in plain)
    assert versions.pop("python") == _project()["requires-python"]
    versions.pop("pip")
    assert versions.keys() == PRESCRIBED
    requirements = _requirements()
    assert {name: requirements[name] for name in versions} == versions
    assert {"pip": ["-e ."]} in environment["dependencies"]
    assert environment["channels"] == ["conda-forge"]


def test_lock_pins_every_dependency_with_hashes_and_holds_no_address() -> None:
    lock = (ROOT / "locks" / "requirements.txt").read_text()
    assert not re.search(r"https?://|file://|--(index|extra|find)", lock)
    pinned = set(re.findall(r"^([\w-]+)==", lock, re.M))
    named = {name.lower() for name in _requirements()} | {"hatchling", "editables"}
    assert named <= pinned
    for block in re.split(r"\n(?=[\w-]+==)", lock)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_what_sets_up_is_pinned_with_hashes_too() -> None:
    pins = (ROOT / "locks" / "uv.txt").read_text()
    hashed = r"uv==[\d.]+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+"
    assert re.fullmatch(rf"(#.*\n)*{hashed}( +#.*\n)*", pins)
    assert "--require-hashes -r locks/uv.txt" in (ROOT / "Makefile").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="builds the wheel")
    tmp_path = tmp_path_factory.mktemp("clone")
    for name in ("touchlab", "examples", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name)
        beside = tmp_path / name / ".ipynb_checkpoints"
        beside.mkdir(exist_ok=True)
        (beside / "left-checkpoint.ipynb").write_text("{}")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "made"]
    subprocess.run(build, check=True, cwd=tmp_path, capture_output=True)
    (made,) = (tmp_path / "made").glob("*.whl")
    return made


def test_the_wheel_holds_the_notebooks_and_nothing_that_lies_beside_them(wheel: Path) -> None:
    held = ZipFile(wheel).namelist()
    assert {f"touchlab/_notebooks/{path.name}" for path in NOTEBOOKS} <= {*held}
    assert not [name for name in held if "checkpoint" in name or "__pycache__" in name]


@pytest.mark.slow
def test_an_installed_wheel_writes_the_sample(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=True, symlinks=os.name != "nt")
    places = {"base": str(tmp_path / "empty"), "platbase": str(tmp_path / "empty")}
    scripts, packages = (Path(sysconfig.get_path(n, vars=places)) for n in ("scripts", "purelib"))
    # what it needs is on this machine already; what is editable there is not seen through this
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        return f"{done.returncode}\n{done.stdout}{done.stderr}"

    python, touchlab = str(scripts / "python"), str(scripts / "touchlab")
    assert run(python, "-m", "pip", "install", "--no-deps", "--no-index", str(wheel))[0] == "0"
    where = run(python, "-c", "import touchlab; print(touchlab.__file__)")
    assert Path(where.split()[1]).is_relative_to(tmp_path)
    assert run(touchlab, "sample", "mine") == "0\nwritten: mine\nnext: touchlab report mine\n"
    ours = ROOT / "data/sample"
    for path in [*ours.glob("*.parquet"), ours / "touchlab.toml"]:
        made = tmp_path / "mine" / path.name
        if path.suffix == ".parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(made), pd.read_parquet(path))
        else:
            assert made.read_text() == path.read_text()
    assert run(touchlab, "sample", "mine") == (
        "2\nParameterError: sample: 'mine' is not empty\n  give a new folder\n"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_is_committed_bare_and_holds_no_logic(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert notebook["cells"][0]["source"][0].startswith("# ")
    tagged = [c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [] and cell["execution_count"] is None
        source = "".join(cell["source"])
        assert cell in tagged or len(source.splitlines()) <= 8
        assert max(map(len, source.splitlines())) <= 100
        logic = ast.Lambda | ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.If | ast.Try
        found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, logic)]
        assert not found, f"logic in a cell: {source}"


def test_top_level_is_as_prescribed() -> None:
    wanted = {"notebooks", "touchlab", "data", "reports", "environment.yml", "tests"}
    assert wanted <= {path.name for path in ROOT.iterdir()}
