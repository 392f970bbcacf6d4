"""The documentation holds: its examples run, and every public name has its entry."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import touchlab as tl

ROOT = Path(__file__).parents[1]
PAGES = [p for p in sorted((ROOT / "docs").rglob("*.md")) if "decisions" not in p.parts]
EXAMPLES = {
    str(page.relative_to(ROOT)): re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
    for page in [ROOT / "README.md", *PAGES]
}
CITED = re.compile(r"""([A-Z][\w-]+)?(?: [a-z]+)? ?\[([^][()"'=]*(?:18|19|20)\d\d[^][()"'=]*)\]""")
YEAR = re.compile(r"(.*?)\b((?:18|19|20)\d\d)\b")


def citations(text: str) -> set[tuple[str, ...]]:
    """Names and year of each source that stands in brackets.

    >>> sorted(citations("Ties [Cox 1972; by Efron 1977, or later], curvature of Louis [1982]"))
    [('Cox', '1972'), ('Efron', '1977'), ('Louis', '1982')]
    """
    found = set()
    for before, within in CITED.findall(" ".join(re.sub(r"^ *#", "", text, flags=re.M).split())):
        for names, year in (part.groups() for part in map(YEAR.match, within.split(";")) if part):
            if names := re.findall(r"[A-Z]+[a-z]\w+", names or before or ""):
                found.add((*names, year))
    return found


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
    modules = {name for name in tl.__all__ if inspect.ismodule(getattr(tl, name))}
    assert entries == set(tl.__all__) - modules and modules <= set(dir(tl))
    for name in tl.__all__:
        called = f"| `tl.{name}` |" if name in modules else f"| [`tl.{name}`]("
        assert called in pages["reference/index.md"]
        assert inspect.getdoc(getattr(tl, name)), name


def test_every_export_is_drawn(hooks: ModuleType) -> None:
    page = hooks.exports()["exports.md"]
    folders = {folder.name for folder in (ROOT / "tests/data/sources").iterdir()}
    assert folders == set(hooks.EXPORTS)
    assert page.count("<svg") == len(folders) and "Paid Search" in page


def test_every_figure_is_in_the_gallery(hooks: ModuleType) -> None:
    code = "\n".join(hooks.FIGURES.values())
    assert len(set(re.findall(r"plots\.(plot_\w+)", code))) == len(hooks.FIGURES)


def test_every_source_that_is_cited_is_listed() -> None:
    listed = [
        line for line in (ROOT / "docs/references.md").read_text().splitlines() if "(" in line
    ]
    cited = set()
    for file in [*(ROOT / "touchlab").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]:
        cited |= citations(file.read_text(encoding="utf-8"))
    lacking = [
        (*names, year) for *names, year in sorted(cited)
        if not any(all(name in line for name in [*names, f"({year})"]) for line in listed)
    ]  # fmt: skip
    assert len(cited) > 50 and not lacking


def test_the_citation_file_says_what_pyproject_says() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {cited[name] == project[name] for name in ("version", "license", "keywords")} == {True}
    assert cited["authors"] == project["authors"] and cited["title"].startswith(project["name"])
