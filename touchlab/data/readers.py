"""The embedded engine, and what brings tables into it: Parquet and CSV files, and frames.

A reader changes no value. What cannot be read is a `Problem` in our words, so that no error of
another library reaches the user.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend
from ibis.backends.sql.datatypes import DuckDBType
from ibis.common.exceptions import IbisError
from pyarrow.parquet import write_table

from touchlab.data.contract import Problem
from touchlab.errors import DataError, ParameterError, listing, shorten

# of Ibis 12 on DuckDB 2 and pandas 3, at every question; `python -W error` has to work
warnings.filterwarnings("ignore", ".*fetch_arrow_table", DeprecationWarning)
warnings.filterwarnings("ignore", ".*infer_string")

JSON_ENDINGS = tuple(
    f".{kind}{zipped}" for kind in ("jsonl", "ndjson", "json") for zipped in ("", ".gz")
)
DELIMITERS = ",;\t|"
HEADER_BYTES = 65_536
MEMORY = "TOUCHLAB_MEMORY"
ALONE = ("autoinstall_known_extensions", "autoload_known_extensions", "enable_external_access")
"""Settings of DuckDB that let a query reach the network, or a view other files."""
KEPT = "touchlab_"
"""How the names of kept tables begin."""
AS_UTF8 = "save it again as CSV UTF-8"
Names = tuple[str, ...]
WHOLE_FILE = "give a whole Parquet file, or a CSV file in UTF-8 with one header line"


class Unreadable(Exception):
    """A table that cannot be read; carries the `problem`."""

    def __init__(self, table: str, rule: str, mend: str, column: str = "") -> None:
        super().__init__(rule)
        self.problem = Problem(table, column, rule, mend)


@cache
def engine() -> Backend:
    """Return the embedded engine: DuckDB in memory, one for this process."""
    return open_duckdb()


def open_duckdb(path: str = "") -> Backend:
    """Open DuckDB, or a file of it to read: within limits, spilling to a folder of its own.

    TOUCHLAB_MEMORY limits its memory, OMP_NUM_THREADS its threads, as those of other libraries.
    Nothing is fetched from the network, and a view in a file reads no other file.
    """
    limit = os.environ.get(MEMORY, "80%")  # DuckDB's own
    if not re.fullmatch(r"[1-9]\d* ?([KMGT]i?B|%)", limit, re.IGNORECASE):
        found = f"{MEMORY}: {limit!r} is not an amount of memory"
        raise ParameterError(f"{found}\n  give a whole number with a unit: 4GB, or 50%")
    connection = ibis.duckdb.connect(path or ":memory:", read_only=bool(path), memory_limit=limit)
    asked = (
        "SELECT current_setting('enable_external_access'), current_setting('enable_progress_bar')"
    )
    ((free, shown),) = connection.con.execute(asked).fetchall()
    if not free:  # open in this process already, with all that follows
        return connection
    folder = Path(tempfile.gettempdir(), f"touchlab-{uuid4().hex}")
    connection.con.execute("SET temp_directory = $1", [str(folder)])
    # it would be printed into pages; where Jupyter cannot show one, it must not be switched off
    if shown:
        connection.con.execute("SET enable_progress_bar = false")
    # Ibis 12 looks values up in lists by a sign that DuckDB 2 only knows when asked to
    connection.con.execute("SET lambda_syntax = 'ENABLE_SINGLE_ARROW'")
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if re.fullmatch(r"[1-9]\d{0,3}", threads):
        connection.con.execute(f"SET threads = {threads}")
    for setting in ALONE if path else ALONE[:2]:  # in memory it is to read the files of a folder
        connection.con.execute(f"SET {setting} = false")
    return connection


def driver_errors() -> tuple[type[Exception], ...]:
    """Return the errors of every engine's driver loaded so far, DuckDB's too.

    Drivers for Python have a module with `apilevel` and `Error` [PEP 249]; Spark's has not.
    """
    modules = [vars(module) for module in list(sys.modules.values()) if module is not None]
    found = {names["Error"] for names in modules if "apilevel" in names and "Error" in names}
    spark = (("pyspark.errors", "PySparkException"), ("py4j.protocol", "Py4JError"))
    found |= {getattr(sys.modules[name], error) for name, error in spark if name in sys.modules}
    return (*found, ConnectionError)


def engine_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """Return the errors of engines and of what brings tables into them, and `more`."""
    return (IbisError, pa.ArrowException, *driver_errors(), *more)


def in_our_words(error: object) -> str:
    """Return the first line of an engine's error, without its class and without folders."""
    first = re.sub(r"^(\w+ )*Error: ", "", str(error).strip().split("\n")[0])
    first = re.sub(r"(?<=['\"\s])(?:/|[A-Z]:\\)[^'\"]*[/\\]", "", first)
    return first if len(first) <= 200 else first[:197] + "..."


def keep(table: ir.Table | pa.Table, name: str) -> ir.Table:
    """Compute a table once: a temporary one of its own engine, gone with the session at the latest.

    An engine without temporary tables computes it anew for each question.
    """
    backend = engine() if isinstance(table, pa.Table) else table.get_backend()
    label = _own_name(name)
    if backend.name == "pyspark":  # its views are temporary, and it remembers what they hold
        remembered = backend.create_view(label, table)
        backend.raw_sql(f"CACHE LAZY TABLE {label}")
        return remembered
    if not getattr(backend, "supports_temporary_tables", False):
        return table
    return backend.create_table(label, table, temp=True)


def view(table: ir.Table, name: str) -> ir.Table:
    """Give a table of our engine a name: what is asked of it is written in less time."""
    return engine().create_view(_own_name(name), table)


def _own_name(name: str) -> str:
    return f"{KEPT}{name}_{uuid4().hex}"


def forget(tables: Iterable[ir.Table]) -> None:
    """Free kept tables that are no longer needed."""
    for table in tables:
        name, backend = getattr(table.op(), "name", ""), table.get_backend()
        if not name.startswith(KEPT):  # an engine that keeps nothing: what is asked is no copy
            continue
        try:
            if backend.name == "pyspark":
                backend.raw_sql(f"UNCACHE TABLE IF EXISTS {name}")
                backend.drop_view(name)
            else:
                backend.drop_table(name)
        except engine_errors(DataError):  # the session is lost, and took its tables along
            continue


@contextmanager
def kept(table: ir.Table, name: str) -> Iterator[ir.Table]:
    """Compute a table once, for as long as the block runs."""
    computed = keep(table, name)
    try:
        yield computed
    finally:
        forget([computed])


def read_parquet(table: str, files: Sequence[Path]) -> ir.Table:
    """Read Parquet files as one lazy table; columns are matched by name.

    NaN comes as missing. The statistics in the files leave it out, and DuckDB, which believes
    them, answers that nothing is NaN where some is; `isfinite` it does not answer from them.
    """
    names = list(map(_as_pattern, files))
    try:
        return _without_nan(
            engine().read_parquet(names, union_by_name=True, hive_partitioning=False)
        )
    except engine_errors() as error:
        rule = f"{_names(files)} cannot be read: {in_our_words(error)}"
        raise Unreadable(table, rule, WHOLE_FILE) from None


def _without_nan(found: ir.Table) -> ir.Table:
    floats = [found[name] for name, kind in found.schema().items() if kind.is_floating()]
    numbers = {
        values.get_name(): ibis.ifelse(isfinite(values) | values.isinf(), values, ibis.null())
        for values in floats
    }
    return found.mutate(**numbers) if numbers else found


def read_lake(table: str, folder: Path) -> ir.Table:
    """Read a Delta or Iceberg table as it is now, by its own reader where that is installed.

    Its files hold rows that are no longer valid: only its log tells which are.
    """
    kind = lake_in(folder)
    rule = f"{folder.name} is {kind} table: its files hold old rows too"
    mend = "export what is valid now to Parquet"
    reader = {"a Delta": "deltalake", "an Iceberg": "pyiceberg"}.get(kind)
    if reader is None:
        raise Unreadable(table, rule, mend)
    try:
        if reader == "deltalake":
            rows = import_module(reader).DeltaTable(str(folder)).to_pyarrow_dataset()
        else:
            logs = (folder / "metadata").glob("*.metadata.json")
            newest = max(logs, key=lambda file: (file.stat().st_mtime_ns, file.name))
            static = import_module("pyiceberg.table").StaticTable
            rows = static.from_metadata(str(newest)).scan().to_arrow()
        engine().con.register(label := _own_name(table), rows)
        return _without_nan(engine().table(label))
    except ModuleNotFoundError:
        raise Unreadable(table, rule, f"pip install {reader} opens it; or {mend}") from None
    except Exception as error:  # of a reader, which has errors of its own
        rule = f"{folder.name} cannot be read as {kind} table: {in_our_words(error)}"
        raise Unreadable(table, rule, mend) from None


LOGS = {"a Delta": "_delta_log", "a Hudi": ".hoodie", "an Iceberg": "metadata"}


def lake_in(folder: Path) -> str:
    """Name the kind of table whose log says which files are valid; nothing for plain files."""
    return next((kind for kind, log in LOGS.items() if (folder / log).is_dir()), "")


@ibis.udf.scalar.builtin(signature=((dt.float64,), dt.boolean))
def isfinite(number: ir.FloatingValue) -> ir.BooleanValue:
    """Name DuckDB's own function."""


def read_csv(table: str, files: Sequence[Path]) -> ir.Table:
    """Read CSV files as one table of text: ids keep their zeros, bad values can be shown.

    The header alone tells delimiter and columns. The engine's own guess would look
    at the values too, and skip lines until they fit.
    """
    headers = {file: header(table, file) for file in files}
    _refuse_headerless(table, {file: columns for file, (_, columns, _) in headers.items()})
    every = tuple(dict.fromkeys(column for _, columns, _ in headers.values() for column in columns))
    alike: dict[tuple[object, ...], list[Path]] = {}
    for file, start in headers.items():
        alike.setdefault((*start, _is_gzip(file)), []).append(file)
    try:
        parts = [_parse_csv(some, *headers[some[0]], every) for some in alike.values()]
        return keep(reduce(lambda one, more: one.union(more), parts), table)
    except engine_errors() as error:
        raise Unreadable(table, *_csv_trouble(_names(files), str(error))) from None


def read_json(table: str, files: Sequence[Path]) -> ir.Table:
    """Read lines of JSON, nested as they are; what looks like a time stays text, as in CSV."""
    names = list(map(_as_pattern, files))
    whole = {"union_by_name": True, "sample_size": -1, "map_inference_threshold": -1}
    whole["hive_partitioning"] = False
    try:
        guessed = engine().read_json(names, **whole, field_appearance_threshold=0).schema()
        columns = {name: DuckDBType.to_string(_no_times(kind)) for name, kind in guessed.items()}
        _refuse_twins(table, columns)
        return engine().read_json(names, columns=columns, hive_partitioning=False)
    except engine_errors() as error:
        mend = "give a file with an object of JSON on each line, or Parquet"
        raise Unreadable(
            table, f"{_names(files)} cannot be read: {in_our_words(error)}", mend
        ) from None


def _no_times(kind: dt.DataType) -> dt.DataType:
    if kind.is_struct():
        return dt.Struct({name: _no_times(own) for name, own in kind.items()})
    if kind.is_array():
        return dt.Array(_no_times(kind.value_type))
    return dt.string if kind.is_temporal() or kind.is_uuid() or kind.is_json() else kind


def write_parquet(table: ir.Table, path: Path) -> None:
    """Write a table; of a DuckDB file it comes here first, since that engine may write nothing."""
    backend = table.get_backend()
    if backend.name != "duckdb" or backend is engine():
        table.to_parquet(path)
    else:
        write_table(table.to_pyarrow(), path)


def _as_pattern(file: Path) -> str:
    """Name one file to the engine, which reads names as patterns."""
    return re.sub(r"([*?[])", r"[\1]", str(file))


def _names(files: Sequence[Path]) -> str:
    """Name the file, or the folder of the parts."""
    return files[0].name if len(files) == 1 else f"a file in {files[0].parent.name}"


def _is_gzip(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def _refuse_headerless(table: str, headers: Mapping[Path, Names]) -> None:
    """Refuse a part whose first line names nothing that the first part names."""
    first, *rest = headers.items()
    for file, columns in rest:
        if not set(columns) & set(first[1]) and len(columns) == len(first[1]):
            rule = f"{file.name} does not begin with the header line of {first[0].name}"
            mend = f"give every part the header; its first line is {listing(columns, 3)}"
            raise Unreadable(table, rule, mend)


def _parse_csv(
    files: list[Path], delimiter: str, columns: Names, skip: int, every: Names
) -> ir.Table:
    part = engine().read_csv(
        list(map(_as_pattern, files)),
        auto_detect=False,
        hive_partitioning=False,
        header=True,
        skip=skip,
        compression="gzip" if _is_gzip(files[0]) else "none",
        columns=dict.fromkeys(columns, "VARCHAR"),
        delim=delimiter,
        quote='"',
        escape='"',
    )
    null = ibis.null("string")
    return part.select(**{c: part[c].nullif("") if c in columns else null for c in every})


def header(table: str, file: Path) -> tuple[str, Names, int]:
    """Return the delimiter that cuts the header into most columns, the columns, lines before.

    A line such as ``sep=;`` before the header says the delimiter to spreadsheets.
    """
    try:
        with gzip.open(file) if _is_gzip(file) else file.open("rb") as opened:
            start = opened.read(HEADER_BYTES)
    except (OSError, EOFError) as error:
        raise Unreadable(table, f"{file.name} cannot be read: {error}", WHOLE_FILE) from None
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise Unreadable(table, f"{file.name} is not UTF-8 text", AS_UTF8)
    text = start.decode("utf-8-sig", errors="replace")
    said = re.match(r"(?i)sep=(.)\r?\n", text)
    text = text[said.end() :] if said else text
    known = said[1] if said else DELIMITERS
    rows = {d: next(csv.reader(io.StringIO(text, newline=""), delimiter=d), []) for d in known}
    delimiter = max(rows, key=lambda d: len(rows[d]))
    columns = [name.strip() or f"column {i}" for i, name in enumerate(rows[delimiter], 1)]
    if not columns:
        rule = f"{file.name} does not begin with a header line"
        raise Unreadable(table, rule, "give a CSV file with the columns' names in its first line")
    _refuse_twins(table, columns)
    return delimiter, tuple(columns), int(said is not None)


def _csv_trouble(name: str, text: str) -> tuple[str, str]:
    """Say in our words what the engine stumbled over, and how to mend it."""
    line = re.search(r"Line: (\d+)", text)
    place = f"line {int(line[1]):,} of {name}" if line else name
    if "unicode" in text.lower() or "utf-8" in text.lower():
        return f"{place} is not UTF-8 text", AS_UTF8
    if counts := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
        mend = "give every row the columns of the header; quote values with a delimiter inside"
        return f"{place} has {counts[2]} values, the header has {counts[1]} columns", mend
    if "unterminated quote" in text:
        mend = 'write a quote within a quoted value twice ("")'
        return f"{place} has a quote that does not close", mend
    if "invalid state" in text:
        return f"{place} mixes line ends or quotes", "save it again with one kind of line end"
    return f"{place} cannot be read: {in_our_words(text)}", WHOLE_FILE


def read_frame(table: str, frame: pd.DataFrame) -> ir.Table:
    """Copy a frame into the engine; columns of mixed Python objects come in as text."""
    names = [str(name) for name in frame.columns]
    if not names:
        raise Unreadable(table, "the frame has no columns", "give the columns of the contract")
    _refuse_twins(table, names)
    arrays = [_to_arrow(table, n, frame.iloc[:, i]) for i, n in enumerate(names)]
    try:
        return keep(pa.table(arrays, names=names), table)
    except engine_errors(KeyError) as error:  # KeyError: a type that Ibis does not know
        rule = f"the frame cannot be read: {in_our_words(error)}"
        raise Unreadable(table, rule, "give columns of numbers, text and times") from None


def _to_arrow(table: str, name: str, values: pd.Series) -> pa.Array:
    try:
        array = pa.Array.from_pandas(values)
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        if not _is_better_as_text(values, array.type):
            return array
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        pass
    text = [None if gone else str(v) for v, gone in zip(values, values.isna(), strict=True)]
    try:
        return pa.array(text, pa.string())
    except UnicodeEncodeError as error:
        rule = f"has text that is not Unicode: {shorten(error.object)}"
        mend = "clean it, for example by .str.encode('utf-8', 'replace').str.decode('utf-8')"
        raise Unreadable(table, rule, mend, name) from None


def _is_better_as_text(values: pd.Series, kind: pa.DataType) -> bool:
    """Say so of types that the engine lacks, and of Python times: Arrow gives all one zone."""
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_null(kind):
        return True
    return pa.types.is_duration(kind) or (values.dtype == object and pa.types.is_timestamp(kind))


def _refuse_twins(table: str, columns: Iterable[str]) -> None:
    """Refuse two columns of one name; the engine does not tell upper and lower case apart."""
    seen: dict[str, str] = {}
    for column in columns:
        if first := seen.get(column.lower()):
            names = " and ".join(map(repr, dict.fromkeys([first, column])))
            mend = "keep one of them, or rename one"
            raise Unreadable(table, f"has two columns named {names}", mend)
        seen[column.lower()] = column
