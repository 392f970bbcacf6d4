"""`touchlab.toml` beside the data: its address, names of one's own, report parameters, a sweep."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis.backends import BaseBackend

from touchlab.data.checks import nearest
from touchlab.data.connect import (
    ADDRESS,
    Connection,
    connect,
    in_backend,
    is_frame,
    is_session,
    of_frames,
    of_session,
)
from touchlab.data.contract import NEEDED, PATHS, TABLES, Note, Problem, listing
from touchlab.data.readers import (
    Unreadable,
    engine_errors,
    in_our_words,
    open_duckdb,
    read_csv,
    read_frame,
    read_parquet,
)
from touchlab.errors import DataError

SETTINGS = "touchlab.toml"
REPORT, SWEEP, DATA = "report", "sweep", "data"


def read_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """Read `touchlab.toml`: a section for each table, [data], [report] and [sweep.name]."""
    path = folder / SETTINGS
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{SETTINGS}: it is not UTF-8 text\n  save it again in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{SETTINGS}: {error}\n  give valid TOML, such as name = 'text'") from None
    tables = [*TABLES, PATHS.name]
    for section, values in settings.items():
        if section not in (*tables, REPORT, SWEEP, DATA):
            from touchlab.data.checks import nearest

            rule = f"{SETTINGS}: [{section}] is not a section" + nearest(section, tables)
            raise DataError(
                f"{rule}\n  the sections are {', '.join(tables)}, report, sweep and data"
            )
        if not isinstance(values, dict):
            rule = f"{SETTINGS}: {section} is a value, not a section"
            raise DataError(f"{rule}\n  write [{section}] on a line of its own")
    if DATA in settings and [*settings[DATA]] != ["address"]:
        rule = f"{SETTINGS}: [{DATA}] holds {', '.join(settings[DATA]) or 'nothing'}"
        raise DataError(f"{rule}\n  give one line: address = 'postgres://user@host/database'")
    return settings


def settings_of(source: str, section: str) -> dict[str, Any]:
    """Read one section beside the data; empty if there is none, or the data is no folder."""
    folder = Path(source)
    return dict(read_settings(folder).get(section, {})) if folder.is_dir() else {}


def address_in(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """Read where the tables are, if they are not in the folder of the settings itself."""
    return str(settings.get(DATA, {}).get("address", ""))


# locate: Find the raw tables: files of a folder, tables of a database, or frames.


Settings = Mapping[str, Mapping[str, Any]]
SPECS = {**TABLES, PATHS.name: PATHS}
ENDINGS = (".parquet", ".csv", ".csv.gz")
FILE_DATABASES = ("duckdb", "sqlite")
FOLDER = "give a folder with touches.parquet (or .csv) and outcomes.parquet"


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
    found: list[str] = field(default_factory=list)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    files: tuple[object, ...] = ()
    """The files that all of it was read from, with what tells that they have not changed."""


def locate(source: Any) -> Located:
    """Find the tables of `source`; what cannot be read is a problem or a DataError."""
    if isinstance(source, Mapping):
        return _given(source)
    if is_session(source):
        return _connected(of_session(source))
    if isinstance(source, BaseBackend):
        return _connected(in_backend(source, source.name))
    if isinstance(source, str) and (address := ADDRESS.match(source)):
        if address[1] in FILE_DATABASES:
            return _file_database(source)
        return _connected(connect(source))
    if not isinstance(source, str | Path):
        raise DataError(
            f"open_data: cannot open a value of type {type(source).__name__}\n"
            "  give a folder, an address, a connection, or a mapping of table names to frames"
        )
    path = _beside_notebooks(Path(source))
    if path.suffix in {".duckdb", ".ddb"}:
        return _file_database(f"duckdb://{path}")
    try:
        if path.is_dir():
            return _folder(path)
        what = "is a file, not a folder" if path.exists() else "does not exist"
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    # A mistyped URL lands here too, and must not repeat its password.
    shown = listing([re.sub(r":[^@]*@", ":***@", str(path))], width=200)
    raise DataError(f"{shown}: {what}\n  {FOLDER}")


def _folder(path: Path) -> Located:
    settings = read_settings(path)
    if address := address_in(settings):
        return _elsewhere(address, settings, path.resolve().name)
    entries = sorted(f for f in path.iterdir() if f.name != SETTINGS)
    located = Located(path.resolve().name, True, found=[f.name for f in entries])
    located.parameters = settings.pop(REPORT, {})
    for section in (SWEEP, DATA):
        settings.pop(section, None)
    states = [_state(file) for file in (path / SETTINGS,) if file.is_file()]
    for table in SPECS:
        own = str(settings.get(table, {}).get("table", table)).lower()
        names = {own, *(f"{own}{ending}" for ending in ENDINGS)}
        sources = [f for f in entries if f.name.lower() in names and (_is_data(f) or f.is_dir())]
        files = [file for source in sources for file in _data_files(source)]
        if len(sources) > 1:
            rule = f"found twice: {listing(f.name for f in sources)}"
            located.problems.append(Problem(table, "", rule, "keep one of them"))
        elif len({_is_parquet(file) for file in files}) > 1:
            rule = f"Parquet and CSV are mixed: {listing(f.name for f in files)}"
            located.problems.append(Problem(table, "", rule, "keep one kind"))
        elif files:
            states += map(_state, files)  # as they were before they are read
            _read(located, table, files)
    located.files = tuple(states)
    _note_near_names(located, entries, settings)
    _rename(located, settings)
    return located


def _data_files(source: Path) -> list[Path]:
    """Give the files of a folder of parts, or the one file."""
    if source.is_file():
        return [source]
    return [f for f in sorted(source.rglob("*")) if _is_data(f) and f.name[0] not in "._"]


def _state(file: Path) -> tuple[str, int, int, int]:
    """The system sets the time of change, so a file exchanged and dated back is another."""
    found = file.stat()
    return str(file), found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_data(file: Path) -> bool:
    return file.name.lower().endswith(ENDINGS) and file.is_file()


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() == ".parquet"


def _read(located: Located, table: str, files: list[Path]) -> None:
    try:
        if _is_parquet(files[0]):
            located.tables[table] = read_parquet(table, files)
        else:
            located.tables[table] = read_csv(table, files)
            located.loaded[table] = located.tables[table]
            located.untyped.add(table)
    except Unreadable as unreadable:
        located.problems.append(unreadable.problem)


def _note_near_names(
    located: Located, entries: list[Path], settings: Mapping[str, Mapping[str, Any]]
) -> None:
    """Say so where a file looks meant but its name is not a table's: it would go unnoticed."""
    own = {str(v.get("table", table)).lower() for table, v in settings.items()} | set(SPECS)
    for file in entries:
        stem = file.name.split(".")[0]
        near = nearest(stem, list(SPECS), cutoff=0.75)
        if near and _is_data(file) and stem.lower() not in own:
            located.notes.append(Note(stem, 0, f"{file.name} is not used{near}"))


def _file_database(text: str) -> Located:
    scheme, _, rest = text.partition("://")
    path = rest.partition("?")[0]
    if path and not Path(path).is_file():
        raise DataError(f"{scheme}://{path}: the file does not exist\n  check the path")
    try:
        backend = open_duckdb(path) if scheme == "duckdb" else ibis.connect(text)
        located = _connected(in_backend(backend, Path(path).stem or scheme))
        if scheme == "duckdb" and path:  # SQLite may hold its newest rows in a file beside it
            located.files = (_state(Path(path)),)
        return located
    except engine_errors() as error:
        why = f"{type(error).__name__}: {in_our_words(error)}"
        mend = "check that it is such a database and that no other connection has it open"
        raise DataError(f"{scheme}://{path}: cannot connect\n  {why}\n  {mend}") from None


def _elsewhere(address: str, settings: Settings, name: str) -> Located:
    """Find tables at the address that a folder's settings give, by the names they give."""
    own = {table: settings[table] for table in SPECS if table in settings}
    names = {table: str(columns.get("table", table)) for table, columns in own.items()}
    located = _connected(connect(address), names)
    located.name, located.parameters = name, settings.get(REPORT, {})
    _rename(located, own)
    return located


def _connected(connection: Connection, names: Mapping[str, str] | None = None) -> Located:
    """Take the tables of the contract out of a database; what else is there is of no concern."""
    tables = {table: connection.table((names or {}).get(table, table)) for table in SPECS}
    there = {name: table for name, table in tables.items() if table is not None}
    enough = set(NEEDED) <= there.keys() or PATHS.name in there
    return Located(connection.name, False, there, found=[] if enough else connection.found())


def _given(frames: Mapping[str, Any]) -> Located:
    """Take frames, or tables of one engine."""
    lazy = {name: table for name, table in frames.items() if not isinstance(table, pd.DataFrame)}
    if lazy and all(map(is_frame, lazy.values())):
        lazy = dict(of_frames(lazy))
    if not lazy or not all(isinstance(table, ir.Table) for table in lazy.values()):
        return _frames(frames)
    if len(lazy) < len(frames) or len({id(t.get_backend()) for t in lazy.values()}) > 1:
        raise DataError(
            "open_data: the tables are of more than one engine\n"
            "  give all as pandas frames, or all as tables of one connection"
        )
    located = Located("tables", False, found=list(lazy))
    for name, table in lazy.items():
        if name in SPECS:
            located.tables[name] = table
        else:
            located.problems.append(_no_such_table(name))
    return located


def _no_such_table(name: object) -> Problem:
    rule = "is not a table of the contract" + nearest(str(name), list(SPECS))
    return Problem(listing([str(name)]), "", rule, f"the tables are {', '.join(SPECS)}")


def _frames(frames: Mapping[str, pd.DataFrame]) -> Located:
    located = Located("frames", True, found=[str(name) for name in frames])
    for name, frame in frames.items():
        if name not in SPECS:
            located.problems.append(_no_such_table(name))
        elif not isinstance(frame, pd.DataFrame):
            rule = f"is a {type(frame).__name__}, not a pandas DataFrame"
            located.problems.append(Problem(name, "", rule, "give a pandas DataFrame"))
        else:
            try:
                located.tables[name] = read_frame(name, frame)
                located.loaded[name] = located.tables[name]
            except Unreadable as unreadable:
                located.problems.append(unreadable.problem)
    return located


def _beside_notebooks(path: Path) -> Path:
    """Find `data/sample` from a notebook too: JupyterLab runs it within its own folder."""
    parent = Path.cwd().parent / path
    in_notebooks = Path.cwd().name == "notebooks" and not path.is_absolute()
    return parent if in_notebooks and not path.exists() and parent.exists() else path


def _rename(located: Located, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Give columns the names of the contract; a column already so named makes room."""
    for table, mapping in settings.items():
        renames = {ours: theirs for ours, theirs in mapping.items() if ours != "table"}
        if table in located.tables:
            raw = located.tables[table]
            located.problems += _bad_renames(table, raw, renames)
            renames = {ours: theirs for ours, theirs in renames.items() if theirs in raw.columns}
            used = {*renames, *renames.values()}
            columns = {c: c for c in raw.columns if c not in used} | renames
            located.tables[table] = raw.select(**{ours: raw[c] for ours, c in columns.items()})
        elif mapping and not any(problem.table == table for problem in located.problems):
            rule = f"{SETTINGS} names a table that is not there; found {listing(located.found)}"
            mend = f"add the table, or take [{table}] out"
            located.problems.append(Problem(table, "", rule, mend))


def _bad_renames(table: str, raw: ir.Table, renames: Mapping[str, Any]) -> Iterator[Problem]:
    spec = SPECS[table]
    for ours, theirs in renames.items():
        if ours not in spec.order and not spec.traits:
            near = nearest(ours, spec.order)
            rule = f"{SETTINGS} maps a column that the table does not have{near}"
            yield Problem(table, ours, rule, f"its columns are {', '.join(spec.order)}")
        if theirs not in raw.columns:
            near = nearest(str(theirs), raw.columns)
            rule = f"{SETTINGS} maps it to {theirs!r}, which is not a column{near}"
            yield Problem(table, ours, rule, f"give one of {listing(raw.columns)}")
