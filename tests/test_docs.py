"""The documentation holds: its examples run, and every public name has its entry."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

import touchlab as tl

ROOT = Path(__file__).parents[1]
PAGES = [p for p in sorted((ROOT / "docs").rglob("*.md")) if "decisions" not in p.parts]
EXAMPLES = {
    str(page.relative_to(ROOT)): re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
    for page in [ROOT / "README.md", *PAGES]
}


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs/hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [page for page, blocks in EXAMPLES.items() if blocks])
def test_examples_of_a_page_run_in_their_order(
    page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)  # some write files
    known: dict[str, object] = {}
    for block in EXAMPLES[page]:
        exec(compile(block, page, "exec"), known)
    assert {"tl", "data"} & known.keys(), "the page's examples say where their answers come from"


def test_every_public_name_has_an_entry_in_the_reference(hooks: ModuleType) -> None:
    pages = hooks.reference()
    whole = "\n".join(text for name, text in pages.items() if name != "reference/index.md")
    entries = set(re.findall(r"^::: touchlab\.[\w.]+\.(\w+)$", whole, re.M))
    assert entries == set(tl.__all__)
    for name in tl.__all__:
        assert f"| [`tl.{name}`](" in pages["reference/index.md"]
        assert inspect.getdoc(getattr(tl, name)), name


def test_every_figure_is_in_the_gallery(hooks: ModuleType) -> None:
    code = "\n".join(hooks.FIGURES.values())
    assert len(set(re.findall(r"plots\.(plot_\w+)", code))) == len(hooks.FIGURES)
