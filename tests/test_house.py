"""The house stays small: no circles, no long files, and models that know no pictures."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "touchlab"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST, SHORTEST = 480, 30
SHORT_WITH_REASON = {"errors.py"}
"""Beside `__init__.py`: what everybody imports and nothing else belongs to."""
MOST_FILES, MOST_LINES = 165, 36_050
COMPUTING = {
    "data",
    "journeys",
    "credit",
    "moments",
    "drivers",
    "retention",
    "experience",
    "budget",
    "experiments",
    "forecasts",
    "next",
}
SHOWING = {"plots", "sentences", "show", "reporting"}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(file): file for file in FILES}


def imports(module: str) -> set[str]:
    """Modules of the package that a module imports when it is loaded."""
    found: set[str] = set()
    for node in ast.parse(MODULES[module].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                found.add(inner if inner in MODULES else node.module)
    return found & MODULES.keys()


def test_there_are_no_circles() -> None:
    left = {module: imports(module) - {module} for module in MODULES}
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    assert not left, f"these import one another: {sorted(left)}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_is_one_idea(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST
    assert lines >= SHORTEST or file.name in {"__init__.py", *SHORT_WITH_REASON}


def test_the_package_is_small() -> None:
    assert len(FILES) <= MOST_FILES
    assert sum(file.read_text(encoding="utf-8").count("\n") for file in FILES) <= MOST_LINES


def test_what_computes_knows_nothing_of_what_shows() -> None:
    for module in MODULES:
        room = module.split(".")[1] if "." in module else ""
        if room in COMPUTING:
            shown = {other for other in imports(module) if other.split(".")[1] in SHOWING}
            assert not shown, f"{module} imports {sorted(shown)}"
