"""Find the raw tables: files of a folder, tables of a database, or frames.

Where a `touchlab.toml` beside them says how, the tables of the contract are made from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd
from ibis.backends import BaseBackend

from touchlab.data.alike import Clean, read_clean
from touchlab.data.channels import DIRECT, OTHER, Rule, default_rules, read_rules
from touchlab.data.connect import (
    FILE,
    Connection,
    connect,
    is_spark,
    masked,
    of_frames,
    of_session,
    read_address,
    trusted,
)
from touchlab.data.contract import IDENTITIES, NEEDED, PATHS, SPECS, Note, Problem
from touchlab.data.formats import Misfit, as_text
from touchlab.data.readers import (
    JSON_ENDINGS,
    LOGS,
    Unreadable,
    engine_errors,
    header,
    in_our_words,
    keep,
    lake_in,
    open_duckdb,
    read_csv,
    read_frame,
    read_json,
    read_lake,
    read_parquet,
)
from touchlab.data.recipe import Rules, make_table, union
from touchlab.data.settings import (
    CLEAN,
    NAMES,
    REPORT,
    SETTINGS,
    Recipe,
    address_in,
    file_names,
    read_settings,
    recipes_in,
)
from touchlab.errors import DataError, listing, nearest, shorten
from touchlab.once import once_about

ENDINGS = (".parquet", ".csv", ".csv.gz", *JSON_ENDINGS)
FOLDER = "give a folder with touches.parquet (or .csv) and outcomes.parquet"

NEAR = 0.75
TRUTH = "truth"
"""Lies beside simulated data, and is read where methods are held against it."""
SPENT = r"cost|spend|budget|kosten|ausgaben"
_NAME = re.compile(r"[\w $-]+(\.[\w $-]+)*")  # a path would be read as a file

Row = dict[str, Any]


@dataclass
class Located:
    """Raw tables under the names of the contract, before any check."""

    name: str
    embedded: bool
    """The tables are in our own engine: it may keep results, and rows have an order."""
    tables: dict[str, ir.Table] = field(default_factory=dict)
    loaded: dict[str, ir.Table] = field(default_factory=dict)
    """Raw copies in the engine, not needed once the tables are checked."""
    untyped: set[str] = field(default_factory=set)
    """Tables from files in which everything is text."""
    nested: set[str] = field(default_factory=set)
    """Tables from JSON, which is read anew for each question."""
    found: list[str] = field(default_factory=list)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    clean: Clean = field(default_factory=Clean)
    """What [clean] in touchlab.toml asks for."""
    semicolons: set[str] = field(default_factory=set)
    """Tables from files whose columns a semicolon parts, where numbers often have commas."""
    files: tuple[tuple[str, int, int, int], ...] = ()
    """The files that all of it was read from, with what tells that they have not changed."""

    def ask(self, what: str, compute: Callable[[], Row]) -> Row:
        """Count something in the tables; of files in one state, once in a report run."""
        return once_about(self.files, what, compute)

    def bring(self, what: str, table: ir.Table) -> list[Row]:
        """Bring back a small table, once in a report run."""
        return list(self.ask(what, lambda: {"rows": table.to_pyarrow().to_pylist()})["rows"])

    def hold(self, name: str, table: ir.Table) -> ir.Table:
        """Compute a table once; in our own engine it is copied again once it is checked."""
        self.tables[name] = keep(table, name)
        if self.embedded:
            self.loaded[name] = self.tables[name]
        return self.tables[name]

    def load(self, table: str, read: Callable[[str, Any], ir.Table], given: Any) -> None:
        """Read a table; what cannot be read is a problem. All but Parquet is copied."""
        try:
            self.tables[table] = read(table, given)
        except Unreadable as unreadable:
            self.problems.append(unreadable.problem)
        else:
            if read is read_json:
                self.nested.add(table)
            elif read not in (read_parquet, read_lake):
                self.loaded[table] = self.tables[table]


def locate(source: Any) -> Located:
    """Find the tables of `source`; what cannot be read is a problem or a DataError."""
    if isinstance(source, Mapping):
        return _given(source)
    if is_spark(source, "SparkSession"):
        return _connected(of_session(source))
    if isinstance(source, BaseBackend):
        return _connected(Connection(source.name, source))
    if isinstance(source, str) and "://" in source:
        return _at(source)
    if not isinstance(source, str | Path):
        raise DataError(
            f"open_data: cannot open a value of type {type(source).__name__}\n"
            "  give a folder, an address, a connection, or a mapping of table names to frames"
        )
    path = _beside_notebooks(Path(source))
    if path.suffix in {".duckdb", ".ddb"}:
        return _duckdb_file(path)
    try:
        if path.is_dir():
            return _folder(path)
        what = "is a file, not a folder" if path.exists() else "does not exist"
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    raise DataError(f"{masked(path)}: {what}\n  {FOLDER}")  # a mistyped address lands here too


def _beside_notebooks(path: Path) -> Path:
    """Find `data/sample` from a notebook too: JupyterLab runs it within its own folder."""
    parent = Path.cwd().parent / path
    in_notebooks = Path.cwd().name == "notebooks" and not path.is_absolute()
    return parent if in_notebooks and not path.exists() and parent.exists() else path


def _folder(path: Path) -> Located:
    settings = read_settings(path)
    recipes, own = recipes_in(settings), file_names(settings)
    made = {recipe.makes for recipe in recipes}
    read = [*(name for name in SPECS if name not in made), *(t for r in recipes for t in r.tables)]
    names = {name: own.get(name, name) for name in read}
    if address := address_in(settings):
        if bad := [name for name in names.values() if not _NAME.fullmatch(name)]:
            found = f"{SETTINGS}: table = {shorten(bad[0])} is not a name"
            raise DataError(f"{found}\n  name a table or view, its schema before a dot")
        located = _at(trusted(address, SETTINGS), names, path)
    else:
        located = _files(path, {table: name.lower() for table, name in names.items()})
    located.name = path.resolve().name
    named = {NAMES: settings[NAMES]} if NAMES in settings else {}
    located.parameters = {**settings.get(REPORT, {}), **named}
    located.clean = read_clean(settings.get(CLEAN, {}))
    _make(located, recipes, lambda name: _rules(path, name, located))
    if not address:
        located.notes += _unread(path, {str(state[0]) for state in located.files})
    return located


def _unread(folder: Path, read: Collection[str]) -> Iterator[Note]:
    """Name files of data that are not used: they would be missed and not noticed."""
    for file in sorted(folder.iterdir()):
        stem = file.name.split(".")[0]
        if str(file) in read or stem == TRUTH or not _is_data(file):
            continue
        said = nearest(stem, list(SPECS), NEAR) or "; touchlab init says what it may be"
        if re.search(SPENT, stem.lower()):
            said = f"; money spent by day is read as spend: {listing(SPECS['spend'].order)}"
        yield Note(stem, 0, f"{file.name} is not used{said}")


def _rules(folder: Path, name: str, located: Located) -> tuple[Rule, ...]:
    """Read channel rules that lie beside the data, or those that ship."""
    if not name:
        return default_rules()
    if Path(name).name != name or not (folder / name).is_file():
        raise Misfit(f"rules: {name!r} is not a file beside the data", "name a CSV file there")
    located.files = (*located.files, _state(folder / name))
    return read_rules(folder / name)


def _make(located: Located, recipes: Sequence[Recipe], rules: Rules) -> None:
    """Make tables of the contract by their recipes; several of one table are put together."""
    raw, copied, untyped = located.tables, set(located.loaded), set(located.untyped)
    made, parted = {recipe.makes for recipe in recipes}, located.semicolons
    located.semicolons = parted - made
    located.tables = {n: t for n, t in raw.items() if n in SPECS and n not in made}
    for makes in dict.fromkeys(recipe.makes for recipe in recipes):
        own = [recipe for recipe in recipes if recipe.makes == makes]
        pairs = [(r, name) for r in own if (name := next((t for t in r.tables if t in raw), ""))]
        try:
            again = {*raw} - located.nested if located.embedded else ()
            done = [make_table(r, raw[name], rules, parted=name in again) for r, name in pairs]
        except engine_errors(AttributeError, TypeError) as error:
            rule = f"{SETTINGS} cannot be followed: {in_our_words(error)}"
            mend = "ask of each column only what its type allows"
            located.problems.append(Problem(makes, "", rule, mend))
            continue
        problems = [problem for _, found in done for problem in found]
        if problems and makes == IDENTITIES.name and not any(recipe.own for recipe in own):
            continue  # a source without ids to bring together
        located.problems += [*problems, *_without_table(own, [r for r, _ in pairs], located)]
        parts = [table for table, _ in done if table is not None]
        if not parts:
            continue
        table, names = union(parts), {name for _, name in pairs}
        if names & untyped:
            located.untyped.add(makes)
            table = table.select(**{c: as_text(table[c]) for c in table.columns})
        if names & parted and not any("'decimal'" in str(recipe.columns) for recipe in own):
            located.semicolons.add(makes)
        if any(recipe.costly for recipe in own) or names & located.nested:
            table = located.hold(makes, table)
        elif names & copied:
            located.loaded[makes] = table
        located.tables[makes] = table
        located.notes += _left_over(makes, table, own)


def _without_table(
    own: Sequence[Recipe], used: Sequence[Recipe], located: Located
) -> Iterator[Problem]:
    """Name recipes whose table is not there; a source may lack some of its tables, not all."""
    unread = {problem.table for problem in located.problems}
    for recipe in own:
        if recipe in used or unread & {*recipe.tables, recipe.makes}:
            continue
        found = f"found {listing(located.found)}"
        if not recipe.source and (recipe.columns or recipe.words):
            rule = f"{SETTINGS} names a table that is not there; {found}"
            mend = f"add the table, or take [{recipe.makes}] out"
            yield Problem(recipe.makes, "", rule, mend)
        elif recipe.source and not used and recipe.makes in NEEDED:
            rule = f"source {recipe.source!r} makes it from {recipe.tables[0]}; {found}"
            mend = f"name the file, under [data] in {SETTINGS}: {recipe.tables[0]} = 'your_file'"
            yield Problem(recipe.makes, "", rule, mend)
            return


def _left_over(makes: str, table: ir.Table, own: Sequence[Recipe]) -> list[Note]:
    """Say how many touches the channel rules leave without a channel, or with nobody's."""
    ruled = any("'channel'" in str(recipe.columns.get("touchpoint")) for recipe in own)
    if makes != "touches" or not ruled or "touchpoint" not in table.columns:
        return []
    counts = table.group_by("touchpoint").aggregate(n=table.count()).to_pyarrow().to_pylist()
    number = {row["touchpoint"]: row["n"] for row in counts}
    shares = [
        f"{100 * number.get(name, 0) / max(sum(number.values()), 1):.1f} % are {name}"
        for name in (OTHER, DIRECT)
    ]
    return [Note("touches", 0, f"by channel rules {' and '.join(shares)}")]


def _files(path: Path, names: Mapping[str, str]) -> Located:
    """Take the files of a folder, or folders of parts, that have the names of tables."""
    entries = sorted(f for f in path.iterdir() if f.name != SETTINGS)
    located = Located("", True, found=[f.name for f in entries])
    states = [_state(file) for file in (path / SETTINGS,) if file.is_file()]
    for table, name in names.items():
        allowed = {name, *(f"{name}{ending}" for ending in ENDINGS)}
        sources = [f for f in entries if f.name.lower() in allowed and (_is_data(f) or f.is_dir())]
        files = [file for source in sources for file in _data_files(source)]
        kinds = {_kind(file) for file in files}
        if len(sources) > 1:
            rule = f"found twice: {listing(f.name for f in sources)}"
            located.problems.append(Problem(table, "", rule, "keep one of them"))
        elif lake := next(filter(lake_in, sources), None):
            states += [_state(f) for f in (lake / LOGS[lake_in(lake)]).iterdir() if f.is_file()]
            located.load(table, read_lake, lake)
        elif len(kinds) > 1:
            mixed = " and ".join(sorted(kinds, reverse=True))
            rule = f"{mixed} are mixed: {listing(f.name for f in files)}"
            located.problems.append(Problem(table, "", rule, "keep one kind"))
        elif files:
            states += map(_state, files)  # as they were before they are read
            (kind,) = kinds
            located.load(table, READERS[kind], files)
            if table in located.loaded and kind == "CSV" and header(table, files[0])[0] == ";":
                located.semicolons.add(table)
    located.untyped, located.files = set(located.loaded), tuple(states)
    for file in entries:  # one that looks meant but is not read would go unnoticed
        stem = file.name.split(".")[0]
        if nearest(stem, list(SPECS), NEAR) and file.is_file() and not _is_data(file):
            why = "is not used: only Parquet, CSV and JSON lines are read; export it as CSV"
            located.notes.append(Note(stem, 0, f"{file.name} {why}"))
    return located


def read_files(folder: Path, only: Sequence[str] = ()) -> Located:
    """Read every table of a folder under its own name, or those of some files."""
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder\n  give a folder of files, or files of one")
    named = [f for f in folder.iterdir() if _is_data(f) or (f.is_dir() and _data_files(f))]
    stems = {f.name.split(".")[0] for f in named if not only or f.name in only}
    return _files(folder, {stem: stem.lower() for stem in stems if stem})


def _data_files(source: Path) -> list[Path]:
    """Give the files of a folder of parts, or the one file."""
    if source.is_file():
        return [source]
    files = [f for f in sorted(source.rglob("*")) if _is_data(f)]
    return [f for f in files if not any(p[0] in "._" for p in f.relative_to(source).parts)]


def _state(file: Path) -> tuple[str, int, int, int]:
    """The system sets the time of change, so a file exchanged and dated back is another."""
    found = file.stat()
    return str(file), found.st_size, found.st_mtime_ns, found.st_ctime_ns


READERS = {"Parquet": read_parquet, "CSV": read_csv, "JSON": read_json}


def _kind(file: Path) -> str:
    name = file.name.lower()
    return "Parquet" if name.endswith(".parquet") else "CSV" if ".csv" in name else "JSON"


def _is_data(file: Path) -> bool:
    return file.name.lower().endswith(ENDINGS) and file.is_file()


def _at(text: str, names: Mapping[str, str] | None = None, base: Path = Path()) -> Located:
    """Find the tables at an address; the path of a file begins at `base`."""
    address = read_address(text)
    if address.scheme != FILE:
        return _connected(connect(text), names)
    return _duckdb_file(base / address.shown.partition("://")[2], names)


def _duckdb_file(path: Path, names: Mapping[str, str] | None = None) -> Located:
    if not path.is_file():
        raise DataError(f"{FILE}://{path}: the file does not exist\n  check the path")
    try:
        located = _connected(Connection(path.stem, open_duckdb(str(path))), names)
    except engine_errors() as error:
        why = f"{type(error).__name__}: {in_our_words(error)}"
        mend = "check that it is such a database and that no other connection has it open"
        raise DataError(f"{FILE}://{path}: cannot connect\n  {why}\n  {mend}") from None
    located.files = (_state(path),)
    return located


def _connected(connection: Connection, names: Mapping[str, str] | None = None) -> Located:
    """Take the tables of the contract out of a database; what else is there is of no concern."""
    names = names or {table: table for table in SPECS}
    looked_up = {table: connection.table(name) for table, name in names.items()}
    there = {name: table for name, table in looked_up.items() if table is not None}
    enough = set(NEEDED) <= there.keys() or PATHS.name in there
    return Located(connection.name, False, there, found=[] if enough else connection.found())


def _given(tables: Mapping[str, Any]) -> Located:
    """Take frames, or tables of one engine."""
    lazy = {name: table for name, table in tables.items() if not isinstance(table, pd.DataFrame)}
    if lazy and all(is_spark(table, "DataFrame") for table in lazy.values()):
        lazy = dict(of_frames(lazy))
    frames = not lazy or not all(isinstance(table, ir.Table) for table in lazy.values())
    if not frames and (len(lazy) < len(tables) or len({*map(_engine_of, lazy.values())}) > 1):
        raise DataError(
            "open_data: the tables are of more than one engine\n"
            "  give all as pandas frames, or all as tables of one connection"
        )
    located = Located(
        "frames" if frames else "tables", frames, found=[str(name) for name in tables]
    )
    for name, table in tables.items():
        if name not in SPECS:
            rule = "is not a table of the contract" + nearest(str(name), list(SPECS))
            mend = f"the tables are {', '.join(SPECS)}"
            located.problems.append(Problem(listing([str(name)]), "", rule, mend))
        elif not frames:
            located.tables[name] = lazy[name]
        elif isinstance(table, pd.DataFrame):
            located.load(name, read_frame, table)
        else:
            rule = f"is a {type(table).__name__}, not a pandas DataFrame"
            located.problems.append(Problem(name, "", rule, "give a pandas DataFrame"))
    return located


def _engine_of(table: ir.Table) -> int:
    return id(table.get_backend())
