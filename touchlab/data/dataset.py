"""Open data of any kind into one Dataset: checked tables that keep the contract, in the engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.data.alike import fold, fold_id, mend_of, read_clean
from touchlab.data.alongside import merge_identities, spread_spend
from touchlab.data.contract import ALONE, NEEDED, PATHS, PEOPLE, TABLES, Note, Problem
from touchlab.data.level import at_level
from touchlab.data.locate import Located, locate
from touchlab.data.odd import close_ends, count
from touchlab.data.outcomes import first_and_repeat
from touchlab.data.paths import split_paths
from touchlab.data.readers import WHOLE_FILE, engine_errors, forget, in_our_words, keep, view
from touchlab.data.validate import Checked, check_table
from touchlab.errors import DataError, MissingInput, listing, shorten
from touchlab.once import once_about

BETWEEN, NOTHING = "\x1f", "\x1e"  # control characters, which names do not hold
NO_TIMES = (
    "A paths table has no times and no customers: with touches and outcomes, this is answered."
)
NO_WINDOWS = (
    "no customers table: observation windows are taken from the events, and people "
    "who were never touched are unknown"
)
NO_TOUCHES = "no touches table: what touchpoints do is not answered"
OUTSIDE = "outside the customer's observation window, dropped"
ALL_OUTSIDE = "are outside the customer's observation window"
FEWEST, FEW_KNOWN = 5, 0.5
STARTS = {"customers": "observed_from", "experiments": "start", "lifts": "start"}
ENDS = {"observed_from": "observed_to", "start": "end"}
SOME, MANY = 1000, 1_000_000
AT_MIDNIGHT = (
    "timestamp: all are at midnight, touches have times of day: those of the same day come after"
)


class Tables(dict[str, ir.Table]):
    """Checked tables, with the state of the files that they are of.

    A copy with other tables is a plain dict, and so of no file: what is known of these files
    is never said of it.
    """

    def __init__(self, tables: Mapping[str, ir.Table], files: tuple[object, ...]) -> None:
        super().__init__(tables)
        self.files = files


@dataclass(frozen=True)
class Dataset:
    """Checked tables that keep the contract, still in the engine.

    `tables` maps a table's name to a lazy Ibis table; `notes` lists what was
    repaired or assumed, with counts; `parameters` are report settings found
    beside the data.
    """

    name: str
    tables: Mapping[str, ir.Table]
    notes: pd.DataFrame
    parameters: Mapping[str, Any]

    @property
    def files(self) -> tuple[object, ...]:
        """State of the files that all of it was read from; none once the tables are others."""
        return getattr(self.tables, "files", ())

    @property
    def touches(self) -> ir.Table:
        return self._timed("touches")

    @property
    def outcomes(self) -> ir.Table:
        return self._timed("outcomes")

    def _timed(self, table: str) -> ir.Table:
        if table in self.tables:
            return self.tables[table]
        said = f"The data has no {table}: with a table of them, this is answered."
        raise MissingInput(NO_TIMES if "steps" in self.tables else said)

    def has(self, table: str) -> bool:
        """Say whether the data came with this table."""
        return table in self.tables

    @cached_property
    def overview(self) -> pd.DataFrame:
        """A row a table: rows, customers, first and last time (UTC)."""
        return once_about(self.files, "overview", self._overview)

    def _overview(self) -> pd.DataFrame:
        rows = []
        for name, table in self.tables.items():
            counted = "weight" in table.columns  # journeys of a paths table
            measures = {"rows": table.weight.sum() if counted else table.count()}
            if "customer_id" in table.columns:
                measures["customers"] = table.customer_id.nunique()
            time = STARTS.get(name, "timestamp")
            if time in table.columns:
                last = ENDS.get(time, time)
                measures |= {"first": table[time].min(), "last": table[last].max()}
            rows.append({"table": name} | table.aggregate(**measures).to_pandas().iloc[0].to_dict())
        columns = ["table", "rows", "customers", "first", "last"]
        frame = pd.DataFrame(rows).reindex(columns=columns)
        times = {c: "datetime64[us]" for c in ("first", "last") if frame[c].dtype.kind == "M"}
        return frame.astype({"rows": "int64", "customers": "Int64"} | times)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve characters that change when a value changes, the same for every file format.

        Another engine, such as PostgreSQL, hashes the same rows to another fingerprint.
        """
        return once_about(self.files, "fingerprint", self._fingerprint)

    def _fingerprint(self) -> str:
        parts = []
        for name, table in sorted(self.tables.items()):
            columns = sorted(table.columns)
            code = ibis.literal(BETWEEN).join([_as_text(table, c) for c in columns]).hash()
            total = (code % 2**31).sum().cast("int64")
            sums = table.aggregate(rows=table.count(), codes=total).to_pyarrow().to_pylist()
            parts.append([name, columns, sums])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        # the default would print the work of the engine, a page long
        return f"Dataset {self.name}: {', '.join(self.tables)}"

    def _repr_html_(self) -> str:
        numbers = self.overview[["rows", "customers"]].map("{:,}".format, na_action="ignore")
        return self.overview.assign(**numbers).to_html(index=False, na_rep="")


def _as_text(table: ir.Table, column: str) -> ir.StringValue:
    """Write a value the same way whatever type a file format gave it."""
    values = table[column]
    if values.type().is_numeric() and not values.type().is_boolean() and column != "customer_id":
        values = values.cast("float64")
    return values.cast("string").fill_null(NOTHING)


def open_data(
    source: Any, *, level: str = "touchpoint", clean: Mapping[str, Any] | None = None
) -> Dataset:
    """Open a folder, a database, a cluster or frames, and check them against the contract.

    It answers whether the data can be used, and what was mended on the way. It
    does not judge whether the touchpoints are the right ones. Tables stay where they
    are: all questions are computed there, and only small tables come back (docs/scale.md).

    Parameters
    ----------
    source
        A folder of Parquet or CSV files named after their tables
        (``touches.parquet``, ``outcomes.csv``, or folders of such files); an address
        (``duckdb://shop.duckdb``, ``postgres://user@host/database/schema``,
        ``spark://host:7077/database``); a Spark session, or a connection of any engine
        that Ibis reaches; or a mapping of table names to pandas frames, Spark frames or
        Ibis tables. Passwords come from the environment:
        ``postgres://user:${NAME}@host/database``. ``touches`` and ``outcomes`` are
        needed (or ``paths`` in their place); ``customers``, ``surveys``, ``touchpoints``,
        ``experiments``, ``lifts``, ``changes`` are used where they are there. A ``touchlab.toml``
        in the folder maps column names.
    level
        ``"campaign"`` makes each campaign a touchpoint, named ``"touchpoint: campaign"``:
        credit, drivers and costs are then by campaign (see `touchlab.data.level`).
    clean
        What ``[clean]`` in ``touchlab.toml`` may say, and in its place: ``names``, ``ids``,
        ``duplicates``, ``rates``, ``refunds`` and ``first`` (docs/odd_input.md).

    Returns
    -------
    Dataset
        With ``.tables`` (lazy), ``.notes`` (table, rows, note) and ``.overview``.

    Raises
    ------
    DataError
        With all problems at once: table, column, rule, count, first example, mend.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> touches = pd.DataFrame({
    ...     "customer_id": ["ann", "ann", "bob"],
    ...     "timestamp": pd.to_datetime(["2026-03-01", "2026-03-04", "2026-03-02"], utc=True),
    ...     "touchpoint": ["search", "email", "search"],
    ... })
    >>> outcomes = pd.DataFrame({
    ...     "customer_id": ["ann"], "outcome": ["conversion"],
    ...     "timestamp": pd.to_datetime(["2026-03-05"], utc=True),
    ... })
    >>> data = tl.open_data({"touches": touches, "outcomes": outcomes})
    >>> data.overview[["table", "rows", "customers"]]
          table  rows  customers
    0   touches     3          2
    1  outcomes     1          1
    """
    located = locate(source)
    if clean is not None:
        asked = read_clean(clean)
        located.clean = replace(located.clean, **{key: getattr(asked, key) for key in clean})
    try:
        paths = PATHS.name in located.tables
        return at_level(_open_paths(located) if paths else _open_tables(located), level)
    except engine_errors() as error:  # in a column that no rule looks into
        problem = Problem(located.name, "", f"cannot be read: {in_our_words(error)}", WHOLE_FILE)
        raise DataError(str(problem)) from None
    finally:
        forget(located.loaded.values())


def notes_table(notes: list[Note]) -> pd.DataFrame:
    """Lay notes out as `Dataset.notes`: table, rows, note."""
    rows = [(note.table, note.rows, note.note) for note in notes]
    return pd.DataFrame(rows, columns=["table", "rows", "note"])


def _dataset(located: Located, tables: Mapping[str, ir.Table], notes: list[Note]) -> Dataset:
    opened = Tables(tables, located.files)
    return Dataset(located.name, opened, notes_table(notes), located.parameters)


def _open_tables(located: Located) -> Dataset:
    merge_identities(located)
    problems, notes = list(located.problems), list(located.notes)
    known = {(problem.table, problem.column) for problem in problems}
    checked = {name: check_table(located, name) for name in TABLES if name in located.tables}
    for one in checked.values():
        problems += [p for p in one.problems if (p.table, p.column) not in known]
        notes += one.notes
    alone = "touches" not in checked and {*ALONE} & checked.keys()
    for name in () if alone else NEEDED:
        if name not in checked and not any(table == name for table, _ in known):
            rule = f"the table is missing; found {listing(located.found) or 'nothing'}"
            mend = f"give {name} as a Parquet or CSV file, a database table or a frame"
            problems.append(Problem(name, "", rule, mend))
    tables = _same_ids({n: c.table for n, c in checked.items() if c.table is not None})
    ends = [c.times[1] for name, c in checked.items() if name in NEEDED and c.times]
    if ends:
        for name in [name for name in STARTS if name in tables]:
            tables[name], more = close_ends(located, name, tables[name], max(ends))
            notes += more
    cut = {}
    if "customers" in tables:
        cut = {n: _cut_to_windows(located, tables, n) for n in NEEDED if n in tables}
        problems += [problem for one in cut.values() for problem in one.problems]
        notes += [note for one in cut.values() for note in one.notes]
    elif not problems and not alone:
        notes.append(Note("customers", 0, NO_WINDOWS))
    _refuse(problems, located.name)
    if alone:
        notes.append(Note("touches", 0, NO_TOUCHES))
    else:
        notes += _names_apart(checked)
        one, other = checked["touches"], checked["outcomes"]
        if other.dates and not one.dates and other.rows >= FEWEST:
            notes.append(Note("outcomes", other.rows, AT_MIDNIGHT))
    changed = {name: one.table for name, one in cut.items() if one.table is not None}
    tables |= changed
    if located.clean.first and "outcomes" in tables:
        told = located.clean.first, checked["outcomes"].names
        changed["outcomes"], more = first_and_repeat(tables["outcomes"], *told)
        tables["outcomes"], notes = changed["outcomes"], notes + more
    if "spend" in tables and "touches" in tables:
        tables["touches"], problems, more = spread_spend(tables)
        _refuse(problems, located.name)
        del tables["spend"]
        changed["touches"], notes = tables["touches"], notes + more
    if located.embedded:
        copied = changed.keys() | located.loaded.keys()
        tables = {n: (keep if n in copied else view)(table, n) for n, table in tables.items()}
    return _dataset(located, tables, notes + _strangers(located, tables))


def _open_paths(located: Located) -> Dataset:
    checked = check_table(located, PATHS.name)
    _refuse([*located.problems, *checked.problems], located.name)
    unused = "is not used: the paths table stands in its place"
    notes = [Note(name, 0, unused) for name in located.tables if name != PATHS.name]
    frame = checked.table.to_pandas() if checked.table is not None else pd.DataFrame()
    tables, more = split_paths(frame)
    return _dataset(located, tables, [*located.notes, *notes, *checked.notes, *more])


def _refuse(problems: list[Problem], name: str) -> None:
    if problems:
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        raise DataError(f"{name}: {count}\n" + "\n".join(map(str, problems)))


def _same_ids(tables: dict[str, ir.Table]) -> dict[str, ir.Table]:
    """Ids are compared between tables: text everywhere as soon as one table has text."""
    ids = {name: [c for c in PEOPLE if c in t.columns] for name, t in tables.items()}
    if not any(tables[name][c].type().is_string() for name, own in ids.items() for c in own):
        return tables
    return tables | {
        name: tables[name].mutate(**{c: tables[name][c].cast("string") for c in own})
        for name, own in ids.items()
        if own
    }


def _cut_to_windows(located: Located, tables: Mapping[str, ir.Table], name: str) -> Checked:
    """Drop what lies outside its customer's window; a customer without a window is a problem."""
    windows = tables["customers"].select("customer_id", "observed_from", "observed_to")
    joined = tables[name].left_join(windows, "customer_id")
    unknown = joined.observed_from.isnull()
    inside = joined.timestamp.between(joined.observed_from, joined.observed_to)
    counts = joined.aggregate(
        rows=joined.count(),
        unknown=unknown.sum(),
        outside=(~unknown & ~inside).sum(),
        example=joined.customer_id.min(where=unknown),
    )
    (row,) = located.bring(f"{name}: windows", counts)
    if row["unknown"]:
        rule = "are of customers that the customers table does not have"
        mend = "add them to customers with their windows, or leave the customers table out"
        example = f"value {shorten(row['example'])}"
        place = name, "customer_id", rule, mend
        return Checked(problems=[Problem(*place, row["unknown"], row["rows"], example)])
    if row["outside"] == row["rows"]:
        mend = "check the windows, and that both are in UTC"
        place = name, "timestamp", ALL_OUTSIDE, mend
        return Checked(problems=[Problem(*place, row["rows"], row["rows"])])
    if not row["outside"]:
        return Checked()
    cut = joined.filter(inside).select(tables[name].columns)
    return Checked(cut, notes=[Note(name, row["outside"], OUTSIDE)])


def match_rates(data: Dataset) -> pd.DataFrame:
    """Say how many customers of each table have a touch: table, customers, touched, share."""
    rows = []
    for name in data.tables:
        if name != "touches" and "customer_id" in data.tables[name].columns and data.has("touches"):
            row = _matched(data.tables[name], data.touches)
            rows.append((name, row["all"], row["known"], row["known"] / row["all"]))
    return pd.DataFrame(rows, columns=["table", "customers", "touched", "share"])


def _matched(table: ir.Table, touches: ir.Table) -> dict[str, int]:
    ids = table.filter(table.customer_id.notnull()).select("customer_id").distinct()
    known = ids.semi_join(touches, "customer_id")
    return {"all": count(ids), "known": count(known)}


def _strangers(located: Located, tables: Mapping[str, ir.Table]) -> list[Note]:
    """Note it if few customers of a table have a touch, and whether their ids look alike."""
    if "touches" not in tables:
        return []
    notes, touches = [], tables["touches"]
    for name in [name for name in ("outcomes", "surveys") if name in tables]:
        if "customer_id" not in tables[name].columns:
            continue
        found = located.ask(f"{name}: touched", partial(_matched, tables[name], touches))
        if found["known"] >= FEW_KNOWN * found["all"]:
            continue
        lost = found["all"] - found["known"]
        said = f"only {found['known']:,} of {found['all']:,} customers have a touch"
        said += "; are the ids of the same kind?" + _written_apart(tables[name], touches)
        notes.append(Note(name, lost, said))
    return notes


def _written_apart(table: ir.Table, known: ir.Table) -> str:
    """Say whether ids that are not known would be, were they written alike."""
    text = known.customer_id.cast("string").name("customer_id")
    unknown = table.anti_join(known, "customer_id").customer_id.cast("string").name("id")
    some = unknown.as_table().distinct().order_by("id").limit(SOME).to_pyarrow()[0].to_pylist()
    theirs = known.select(text).distinct().limit(MANY).to_pyarrow()[0].to_pylist()
    alike = {fold_id(one): one for one in theirs}
    pairs = [(one, alike[fold_id(one)]) for one in some if one and fold_id(one) in alike]
    if not pairs:
        return ""
    one, other = pairs[0]
    shown = f"{shorten(one)} and {shorten(other)}"
    return f" {len(pairs):,} of {len(some):,} look alike, as {shown}: {mend_of(one, other, 'ids')}"


def _names_apart(checked: Mapping[str, Checked]) -> list[Note]:
    """Note names of touchpoints that differ from those of touches by how they are written."""
    known = {fold(name): name for name in checked["touches"].names}
    notes = []
    for table in ("surveys", "touchpoints", "experiments", "lifts", "changes"):
        names = checked[table].names if table in checked else {}
        strange = [name for name in names if known.get(fold(name), name) != name]
        pairs = [(name, known[fold(name)]) for name in strange if name not in known.values()]
        if pairs:
            shown = " is ".join(map(shorten, pairs[0]))
            said = f"touchpoint: {shown} in touches; {mend_of(*pairs[0], 'names')}"
            notes.append(Note(table, sum(names[one] for one, _ in pairs), said))
        elif names and not any(fold(name) in known for name in names):
            notes.append(Note(table, sum(names.values()), "touchpoint: no name is in touches"))
    return notes
