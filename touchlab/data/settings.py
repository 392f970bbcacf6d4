"""Read `touchlab.toml`: where the data is, how tables are made from it, what reports are to use.

A source, such as ``ga4``, is such a file that comes with the package; what stands in one's own
file goes before it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from touchlab.data.contract import SPECS
from touchlab.errors import DataError, listing, nearest

SETTINGS = "touchlab.toml"
REPORT, SWEEP, DATA, CLEAN = "report", "sweep", "data", "clean"
NAMES, BRAND = "names", "brand"
SOURCES = files(__package__) / "sources"
KNOW = "know"
"""Section of a source: the columns by which `touchlab init` knows its tables."""
WORDS = (
    "table", "where", "except", "one_per", "last_per", "gap", "questions", "traits", "refunds",
)  # fmt: skip
"""What a recipe may say beside its columns."""
ADDRESS_LINE = "give one line: address = 'postgres://user@host/database'"

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How one table of the contract is made from a table that people have."""

    makes: str
    tables: tuple[str, ...]
    """The one it is made from: the first of these that is there."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    """The source that it comes with; empty for one's own."""
    own: frozenset[str] = frozenset()
    """Columns that are one's own; others of a source are left out where the table lacks them."""

    @property
    def costly(self) -> bool:
        """More than names and types: better computed once than for every question."""
        return bool(self.words.keys() - {"traits", "refunds"}) or "'channel'" in str(self.columns)

    @property
    def plain(self) -> bool:
        """Only gives columns other names; all others stay."""
        built = any(isinstance(given, dict | list) for given in self.columns.values())
        return not (self.source or self.words or built)


def read_settings(folder: Path) -> dict[str, Any]:
    """Read `touchlab.toml`: a section for each table, for data, cleaning, reports and sweeps."""
    path = folder / SETTINGS
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{SETTINGS}: it is not UTF-8 text\n  save it again in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{SETTINGS}: {error}\n  give valid TOML, such as name = 'text'") from None
    known = (*SPECS, NAMES, BRAND, REPORT, SWEEP, DATA, CLEAN)
    for section, values in settings.items():
        if section not in known:
            rule = f"[{section}] is not a section" + nearest(section, known)
            mend = f"the sections are {', '.join(known[:-1])} and {known[-1]}"
            raise DataError(f"{SETTINGS}: {rule}\n  {mend}")
        several = section in SPECS and isinstance(values, list)
        if not all(isinstance(v, dict) for v in (values if several else [values])):
            rule = f"{SETTINGS}: {section} is a value, not a section"
            raise DataError(f"{rule}\n  write [{section}] on a line of its own")
    _check_data(settings)
    return settings


def settings_of(source: str, section: str) -> dict[str, Any]:
    """Read one section beside the data; empty if there is none, or the data is no folder."""
    folder = Path(source)
    return dict(read_settings(folder).get(section, {})) if folder.is_dir() else {}


def address_in(settings: Settings) -> str:
    """Read where the tables are, if they are not in the folder of the settings itself."""
    return str(settings.get(DATA, {}).get("address", ""))


def file_names(settings: Settings) -> dict[str, str]:
    """Read which file or table stands for which table of a recipe."""
    given = settings.get(DATA, {})
    return {name: str(v) for name, v in given.items() if name not in ("address", "source")}


def recipes_in(settings: Settings) -> list[Recipe]:
    """List the recipes of one's own sections, and those of sources, which they go before."""
    own = {makes: _sections(settings.get(makes, [])) for makes in SPECS}
    found: list[Recipe] = []
    for source in _sources(settings):
        for makes, sections in source_named(source).items():
            for section in _sections(sections) if makes in SPECS else ():
                found.append(_recipe(makes, section, source))
    made = {recipe.makes for recipe in found}
    for makes, sections in own.items():
        if makes in made and isinstance(settings.get(makes), dict):
            found = [_changed(r, sections[0]) if r.makes == makes else r for r in found]
        elif sections:
            found = [recipe for recipe in found if recipe.makes != makes]
            found += [_recipe(makes, section) for section in sections]
    return [part for recipe in found for part in _questions(recipe)]


def source_names() -> list[str]:
    """List the sources that come with the package."""
    return sorted(f.name.removesuffix(".toml") for f in SOURCES.iterdir() if ".toml" in f.name)


@cache
def source_named(name: str) -> dict[str, Any]:
    """Read a source that comes with the package."""
    return tomllib.loads((SOURCES / f"{name}.toml").read_text(encoding="utf-8"))


def _check_data(settings: Settings) -> None:
    """Refuse a [data] section with what nothing will read."""
    if DATA not in settings:
        return
    given = settings[DATA]
    for source in _sources(settings):
        if source not in source_names():
            rule = f"{SETTINGS}: source: {source!r} is not known{nearest(source, source_names())}"
            raise DataError(f"{rule}\n  the sources are {listing(source_names(), 20)}")
    used = {table for recipe in recipes_in(settings) for table in recipe.tables}
    odd = [name for name in given if name not in {"address", "source", *used}]
    if odd or not given:
        near = nearest(odd[0], ["address", "source", *used]) if odd else ""
        rule = f"{SETTINGS}: [{DATA}] holds {listing(odd) or 'nothing'}{near}"
        raise DataError(f"{rule}\n  {ADDRESS_LINE}")


def _sources(settings: Settings) -> list[str]:
    given = settings.get(DATA, {}).get("source", [])
    return [str(name) for name in (given if isinstance(given, list) else [given])]


def _sections(given: Any) -> list[dict[str, Any]]:
    return given if isinstance(given, list) else [given]


def _recipe(makes: str, section: Mapping[str, Any], source: str = "") -> Recipe:
    words = {word: value for word, value in section.items() if word in WORDS}
    columns = {name: value for name, value in section.items() if name not in WORDS}
    table = words.pop("table", makes)
    tables = tuple(map(str, table)) if isinstance(table, list) else (str(table),)
    own = frozenset[str]() if source else frozenset(columns)
    return Recipe(makes, tables, columns, words, source, own)


def _changed(recipe: Recipe, section: Mapping[str, Any]) -> Recipe:
    """Put what one's own section says in the place of what the source says."""
    mine = _recipe(recipe.makes, section)
    return replace(
        recipe,
        tables=mine.tables if "table" in section else recipe.tables,
        columns={**recipe.columns, **mine.columns},
        words={**recipe.words, **mine.words},
        own=mine.own,
    )


def _questions(recipe: Recipe) -> Iterator[Recipe]:
    """Turn questions, one column each, into a recipe each; a blank was not asked."""
    words = {word: value for word, value in recipe.words.items() if word != "questions"}
    if "questions" not in recipe.words:
        yield recipe
        return
    for question, said in recipe.words["questions"].items():
        pair = said if isinstance(said, list) else []
        given: dict[str, Any] = dict(zip(("touchpoint", "metric"), pair, strict=False))
        given |= said if isinstance(said, dict) else {}
        columns: dict[str, Any] = {
            c: {"constant": given.pop(c)} for c in ("touchpoint", "metric") if c in given
        }
        if "comment" in given:
            columns["comment"] = given.pop("comment")
        columns["score"] = {"column": question, **given}
        words["except"] = {**recipe.words.get("except", {}), question: ""}
        own = recipe.own | columns.keys()
        yield replace(recipe, columns={**recipe.columns, **columns}, words={**words}, own=own)
