"""Find the raw tables: files of a folder, tables of a database, or frames.

`touchlab.toml` beside the data gives its address, names of one's own, words of readers, report
parameters, sweeps.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis.backends import BaseBackend

from touchlab.data.connect import ADDRESS, Connection, connect, is_spark, of_frames, of_session
from touchlab.data.contract import NEEDED, PATHS, SPECS, Note, Problem
from touchlab.data.readers import (
    Unreadable,
    engine_errors,
    in_our_words,
    open_duckdb,
    read_csv,
    read_frame,
    read_parquet,
)
from touchlab.errors import DataError, listing, nearest
from touchlab.once import once_about

SETTINGS = "touchlab.toml"
REPORT, SWEEP, DATA, NAMES = "report", "sweep", "data", "names"
ENDINGS = (".parquet", ".csv", ".csv.gz")
FILE_DATABASES = ("duckdb", "sqlite")
FOLDER = "give a folder with touches.parquet (or .csv) and outcomes.parquet"

Settings = Mapping[str, Mapping[str, Any]]
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
    found: list[str] = field(default_factory=list)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    files: tuple[object, ...] = ()
    """The files that all of it was read from, with what tells that they have not changed."""

    def ask(self, what: str, compute: Callable[[], Row]) -> Row:
        """Count something in the tables; of files in one state, once in a report run."""
        return once_about(self.files, what, compute)

    def load(self, table: str, read: Callable[[str, Any], ir.Table], given: Any) -> None:
        """Read a table; what cannot be read is a problem. All but Parquet is copied."""
        try:
            self.tables[table] = read(table, given)
        except Unreadable as unreadable:
            self.problems.append(unreadable.problem)
        else:
            if read is not read_parquet:
                self.loaded[table] = self.tables[table]


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
    for section, values in settings.items():
        if section not in (*SPECS, REPORT, SWEEP, DATA, NAMES):
            rule = f"[{section}] is not a section" + nearest(section, [*SPECS])
            mend = f"the sections are {', '.join(SPECS)}, names, report, sweep and data"
            raise DataError(f"{SETTINGS}: {rule}\n  {mend}")
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


def address_in(settings: Settings) -> str:
    """Read where the tables are, if they are not in the folder of the settings itself."""
    return str(settings.get(DATA, {}).get("address", ""))


def locate(source: Any) -> Located:
    """Find the tables of `source`; what cannot be read is a problem or a DataError."""
    if isinstance(source, Mapping):
        return _given(source)
    if is_spark(source, "SparkSession"):
        return _connected(of_session(source))
    if isinstance(source, BaseBackend):
        return _connected(Connection(source.name, source))
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


def _beside_notebooks(path: Path) -> Path:
    """Find `data/sample` from a notebook too: JupyterLab runs it within its own folder."""
    parent = Path.cwd().parent / path
    in_notebooks = Path.cwd().name == "notebooks" and not path.is_absolute()
    return parent if in_notebooks and not path.exists() and parent.exists() else path


def _folder(path: Path) -> Located:
    settings = read_settings(path)
    own = {table: values for table, values in settings.items() if table in SPECS}
    names = {table: str(own.get(table, {}).get("table", table)) for table in SPECS}
    if address := address_in(settings):
        located = _connected(connect(address), names)
    else:
        located = _files(path, {table: name.lower() for table, name in names.items()})
    located.name = path.resolve().name
    named = {NAMES: settings[NAMES]} if NAMES in settings else {}
    located.parameters = {**settings.get(REPORT, {}), **named}
    _rename(located, own)
    return located


def _files(path: Path, names: Mapping[str, str]) -> Located:
    """Take the files of a folder, or folders of parts, that have the names of tables."""
    entries = sorted(f for f in path.iterdir() if f.name != SETTINGS)
    located = Located("", True, found=[f.name for f in entries])
    states = [_state(file) for file in (path / SETTINGS,) if file.is_file()]
    for table, name in names.items():
        allowed = {name, *(f"{name}{ending}" for ending in ENDINGS)}
        sources = [f for f in entries if f.name.lower() in allowed and (_is_data(f) or f.is_dir())]
        files = [file for source in sources for file in _data_files(source)]
        kinds = {file.suffix.lower() == ".parquet" for file in files}
        if len(sources) > 1:
            rule = f"found twice: {listing(f.name for f in sources)}"
            located.problems.append(Problem(table, "", rule, "keep one of them"))
        elif len(kinds) > 1:
            rule = f"Parquet and CSV are mixed: {listing(f.name for f in files)}"
            located.problems.append(Problem(table, "", rule, "keep one kind"))
        elif files:
            states += map(_state, files)  # as they were before they are read
            located.load(table, read_parquet if True in kinds else read_csv, files)
    located.untyped, located.files = set(located.loaded), tuple(states)
    for file in entries:  # one that looks meant but has no table's name would go unnoticed
        stem = file.name.split(".")[0]
        near = nearest(stem, list(SPECS), cutoff=0.75)
        if near and _is_data(file) and stem.lower() not in {*SPECS, *names.values()}:
            located.notes.append(Note(stem, 0, f"{file.name} is not used{near}"))
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


def _file_database(text: str) -> Located:
    scheme, _, rest = text.partition("://")
    path = rest.partition("?")[0]
    if path and not Path(path).is_file():
        raise DataError(f"{scheme}://{path}: the file does not exist\n  check the path")
    try:
        backend = open_duckdb(path) if scheme == "duckdb" else ibis.connect(text)
        located = _connected(Connection(Path(path).stem or scheme, backend))
        if scheme == "duckdb" and path:  # SQLite may hold its newest rows in a file beside it
            located.files = (_state(Path(path)),)
        return located
    except engine_errors() as error:
        why = f"{type(error).__name__}: {in_our_words(error)}"
        mend = "check that it is such a database and that no other connection has it open"
        raise DataError(f"{scheme}://{path}: cannot connect\n  {why}\n  {mend}") from None


def _connected(connection: Connection, names: Mapping[str, str] | None = None) -> Located:
    """Take the tables of the contract out of a database; what else is there is of no concern."""
    looked_up = {table: connection.table((names or {}).get(table, table)) for table in SPECS}
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


def _rename(located: Located, settings: Settings) -> None:
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
            rule = f"{SETTINGS} maps a column that the table does not have"
            mend = f"its columns are {', '.join(spec.order)}"
            yield Problem(table, ours, rule + nearest(ours, spec.order), mend)
        if theirs not in raw.columns:
            rule = f"{SETTINGS} maps it to {theirs!r}, which is not a column"
            mend = f"give one of {listing(raw.columns)}"
            yield Problem(table, ours, rule + nearest(str(theirs), raw.columns), mend)
