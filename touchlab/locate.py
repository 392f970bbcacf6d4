"""Find the raw tables: files of a folder, tables of a database, or frames."""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend

from touchlab.checks import nearest
from touchlab.contract import PATHS, TABLES, Problem
from touchlab.errors import DataError

SPECS = {**TABLES, PATHS.name: PATHS}
ENDINGS = (".parquet", ".csv", ".csv.gz")
SETTINGS = "touchlab.toml"


@dataclass
class Located:
    """Raw tables under the names of the contract, before any check."""

    name: str
    tables: dict[str, ir.Table]
    found: list[str]
    numbered: bool
    """Rows have an order to count by, so that an example can say its row."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@cache
def engine() -> Backend:
    """Return the embedded engine: DuckDB in memory, spilling to the system's temporary folder."""
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET TimeZone = 'UTC'")
    connection.raw_sql(f"SET temp_directory = '{tempfile.gettempdir()}/touchlab-duckdb'")
    return connection


def locate(source: str | Path | Mapping[str, pd.DataFrame]) -> Located:
    """Find the tables of `source`; what cannot be read is a problem or a DataError."""
    if isinstance(source, Mapping):
        return _frames(source)
    if isinstance(source, str) and re.match(r"^[a-z][a-z0-9+]*://", source):
        return _database(source)
    if not isinstance(source, str | Path):
        raise DataError(
            f"open_data: cannot open a {type(source).__name__}\n"
            "  give a folder, a database URL, or a mapping of table names to pandas frames"
        )
    path = Path(source)
    if path.suffix in {".duckdb", ".ddb"}:
        return _database(f"duckdb://{path}")
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise DataError(
            f"{path}: {what}\n  give a folder with touches.parquet (or .csv) and outcomes.parquet"
        )
    return _folder(path)


def _folder(path: Path) -> Located:
    settings = _settings(path)
    name = path.resolve().name
    located = Located(name, {}, [], True, settings.pop("report", {}))
    for table in SPECS:
        own = settings.get(table, {}).get("table", table)
        files = [path / f"{own}{e}" for e in ENDINGS if (path / f"{own}{e}").is_file()]
        if (path / own).is_dir():
            files += sorted(f for f in (path / own).iterdir() if f.name.endswith(ENDINGS))
        if not files:
            continue
        kinds = {f.name[f.name.index(".") :] if f.suffix == ".gz" else f.suffix for f in files}
        if len(kinds) > 1:
            names = ", ".join(f.name for f in files[:4])
            mend = "keep one of them"
            located.problems.append(Problem(table, "", f"found twice: {names}", mend))
            continue
        located.tables[table] = _read_files(table, files)
    located.found = sorted(f.name for f in path.iterdir() if f.name != SETTINGS)[:12]
    return _renamed(located, settings)


def _read_files(table: str, files: list[Path]) -> ir.Table:
    paths = [str(f) for f in files]
    try:
        if files[0].suffix == ".parquet":
            return engine().read_parquet(paths, union_by_name=True)
        # Everything as text: ids keep their zeros, and bad values can be shown.
        raw = engine().read_csv(paths, all_varchar=True, header=True, null_padding=False)
        raw = raw.rename(lambda c: c.strip().removeprefix("\ufeff"))
        raw = raw.mutate(**{c: raw[c].nullif("") for c in raw.columns})
        return engine().create_table(ibis.util.gen_name(table), raw, temp=True)
    except duckdb.Error as error:
        raise DataError(f"{table}: {files[0].name} cannot be read\n" + _why(error)) from None


def _why(error: duckdb.Error) -> str:
    """Say in our words what the engine stumbled over."""
    text = str(error)
    if "utf" in text.lower() or "unicode" in text.lower():
        line = re.search(r"Line: (\d+)", text)
        where = f" (line {line[1]})" if line else ""
        return f"  it is not UTF-8 text{where}\n  save it again as CSV UTF-8"
    if "line" in text.lower() and (line := re.search(r"Line: (\d+)", text)):
        cause = text.split("\n")[1] if "\n" in text else text
        return f"  line {line[1]}: {cause.strip()}\n  give every row the columns of the header"
    first = text.split("\n")[0].split(": ", 1)[-1]
    return f"  {first}\n  give a whole Parquet file, or a CSV file with one header line"


def _database(url: str) -> Located:
    safe = re.sub(r"//[^@/]*@", "//", url).split("?")[0]
    scheme, _, rest = url.partition("://")
    if scheme == "duckdb" and rest and not Path(rest).is_file():
        raise DataError(f"{safe}: the database file does not exist\n  check the path")
    try:
        connection: Any = (
            ibis.duckdb.connect(rest, read_only=True) if scheme == "duckdb" else ibis.connect(url)
        )
        names = connection.list_tables()
    except Exception as error:  # noqa: BLE001  every driver has errors of its own
        why = str(error).split("\n")[0].replace(url, safe)
        why = re.sub(r"//[^@/\s]*@", "//", why)
        raise DataError(
            f"{safe}: cannot connect\n  {type(error).__name__}: {why}\n"
            "  check the address, the password and that Ibis has the driver "
            "(pip install 'ibis-framework[postgres]')"
        ) from None
    name = Path(safe.split("://")[1]).stem or scheme
    tables = {table: connection.table(table) for table in SPECS if table in names}
    return Located(name, tables, sorted(names)[:12], False)


def _frames(frames: Mapping[str, pd.DataFrame]) -> Located:
    located = Located("frames", {}, list(map(str, frames)), True)
    for name, frame in frames.items():
        if name not in SPECS:
            allowed = ", ".join(SPECS)
            rule = "is not a table of the contract" + nearest(str(name), list(SPECS))
            located.problems.append(Problem(str(name), "", rule, f"the tables are {allowed}"))
        elif not isinstance(frame, pd.DataFrame):
            rule = f"is a {type(frame).__name__}, not a pandas DataFrame"
            located.problems.append(Problem(name, "", rule, "give a pandas DataFrame"))
        elif frame.columns.duplicated().any():
            twice = frame.columns[frame.columns.duplicated()][0]
            rule = f"has two columns named {twice!r}"
            located.problems.append(Problem(name, "", rule, "keep one of them"))
        else:
            located.tables[name] = _register(frame)
    return located


def _register(frame: pd.DataFrame) -> ir.Table:
    """Copy a frame into the engine; columns of mixed Python objects come in as text."""
    frame = frame.reset_index(drop=True)
    arrays = {}
    for name in frame.columns:
        try:
            arrays[str(name)] = pa.Array.from_pandas(frame[name])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            text = [None if _missing(v) else str(v) for v in frame[name]]
            arrays[str(name)] = pa.array(text, pa.string())
    table = pa.table({n: _plain(a) for n, a in arrays.items()})
    return engine().create_table(ibis.util.gen_name("frame"), table, temp=True)


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _settings(folder: Path) -> dict[str, dict[str, Any]]:
    """Read `touchlab.toml`: a section a table with column names of one's own, and [report]."""
    path = folder / SETTINGS
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{SETTINGS}: {error}\n  give valid TOML in UTF-8") from None
    for section, values in settings.items():
        if section not in (*SPECS, "report") or not isinstance(values, dict):
            rule = f"{SETTINGS}: [{section}] is not a section" + nearest(section, list(SPECS))
            raise DataError(f"{rule}\n  the sections are {', '.join(SPECS)} and report")
    return settings


def report_settings(source: str) -> dict[str, Any]:
    """Read the report's parameters from the [report] section beside the data, if there are any."""
    folder = Path(source)
    return dict(_settings(folder).get("report", {})) if folder.is_dir() else {}


def _renamed(located: Located, settings: Mapping[str, Mapping[str, Any]]) -> Located:
    for table, mapping in settings.items():
        if table not in located.tables:
            if mapping:
                rule = f"{SETTINGS} names columns of a table that is not there"
                mend = f"add the table or take [{table}] out"
                located.problems.append(Problem(table, "", rule, mend))
            continue
        raw = located.tables[table]
        renames = {ours: theirs for ours, theirs in mapping.items() if ours != "table"}
        for ours, theirs in list(renames.items()):
            if theirs not in raw.columns:
                found = ", ".join(raw.columns[:12])
                rule = f"{SETTINGS} maps it to {theirs!r}, which is not a column; found {found}"
                mend = "give one of the columns" + nearest(str(theirs), raw.columns)
                located.problems.append(Problem(table, ours, rule, mend))
                del renames[ours]
        spare = [c for c in renames if c in raw.columns and c not in renames.values()]
        located.tables[table] = raw.drop(*spare).rename(renames)
    return located
