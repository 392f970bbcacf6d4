"""Open data of any kind into one Dataset of checked, lazy tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from touchlab.checks import Ask, Checked, Row, check_table, one_row
from touchlab.contract import NEEDED, PATHS, TABLES, Note, Problem, listing, shorten
from touchlab.dataset import Dataset
from touchlab.errors import DataError
from touchlab.locate import SPECS, Located, locate
from touchlab.once import once_about
from touchlab.readers import WHOLE_FILE, engine_errors, forget, in_our_words, keep, view

NO_WINDOWS = (
    "no customers table: observation windows are taken from the events, and people "
    "who were never touched are unknown"
)
OUTSIDE = "outside the customer's observation window, dropped"
ALL_OUTSIDE = "are outside the customer's observation window"
STRANGERS = "no customer with an outcome has a touch; are the ids of the same kind?"


def open_data(source: Any) -> Dataset:
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
        ``spark://host:7077/database``, or another engine that Ibis reaches); a Spark
        session or an Ibis connection; or a mapping of table names to pandas frames,
        Spark frames or Ibis tables. Passwords come from the environment:
        ``postgres://user:${NAME}@host/database``. ``touches`` and ``outcomes`` are
        needed (or ``paths`` in their place); ``customers``, ``surveys``, ``touchpoints``
        and ``experiments`` are used where they are there. A ``touchlab.toml`` in the
        folder maps column names.

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
    try:
        return _open_paths(located) if PATHS.name in located.tables else _open_tables(located)
    except engine_errors() as error:  # in a column that no rule looks into
        problem = Problem(located.name, "", f"cannot be read: {in_our_words(error)}", WHOLE_FILE)
        raise DataError(str(problem)) from None
    finally:
        forget(located.loaded.values())


def _open_tables(located: Located) -> Dataset:
    problems, notes = list(located.problems), list(located.notes)
    known = {(problem.table, problem.column) for problem in problems}
    ask = once_about(located.files)
    checked = {name: _check(located, name, ask) for name in TABLES if name in located.tables}
    for one in checked.values():
        problems += [p for p in one.problems if (p.table, p.column) not in known]
        notes += one.notes
    for name in NEEDED:
        if name not in checked and not any(table == name for table, _ in known):
            rule = f"the table is missing; found {listing(located.found) or 'nothing'}"
            mend = f"give {name} as a Parquet or CSV file, a database table or a frame"
            problems.append(Problem(name, "", rule, mend))
    tables = _same_ids({n: c.table for n, c in checked.items() if c.table is not None})
    cut = _cut_to_windows(tables, problems, notes, ask)
    _refuse(problems, located.name)
    if located.embedded:
        for name, table in tables.items():
            hold = keep if name in cut or name in located.loaded else view
            tables[name] = hold(table, name)
    notes += _strangers(tables, ask)
    return _dataset(located, tables, notes)


def _dataset(located: Located, tables: Mapping[str, ir.Table], notes: list[Note]) -> Dataset:
    rows = [(note.table, note.rows, note.note) for note in notes]
    frame = pd.DataFrame(rows, columns=["table", "rows", "note"])
    opened = Dataset(located.name, tables, frame, located.parameters)
    object.__setattr__(opened, "files", located.files)
    return opened


def _check(located: Located, name: str, ask: Ask) -> Checked:
    raw, untyped = located.tables[name], name in located.untyped
    try:
        return check_table(raw, SPECS[name], ordered=located.embedded, untyped=untyped, ask=ask)
    except engine_errors() as error:
        mend = WHOLE_FILE if located.embedded else "check the table, or export it to Parquet"
        return Checked(None, [Problem(name, "", f"cannot be read: {in_our_words(error)}", mend)])


def _refuse(problems: list[Problem], name: str) -> None:
    if problems:
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        raise DataError(f"{name}: {count}\n" + "\n".join(map(str, problems)))


def _same_ids(tables: dict[str, ir.Table]) -> dict[str, ir.Table]:
    """Ids are compared between tables: text everywhere as soon as one table has text."""
    named = {name: t for name, t in tables.items() if "customer_id" in t.columns}
    if not any(t.customer_id.type().is_string() for t in named.values()):
        return tables
    return tables | {
        name: t.mutate(customer_id=t.customer_id.cast("string")) for name, t in named.items()
    }


def _cut_to_windows(
    tables: dict[str, ir.Table], problems: list[Problem], notes: list[Note], ask: Ask
) -> set[str]:
    """Drop what lies outside its customer's window; a customer without a window is a problem.

    Changes `tables`, and returns the names of those it changed.
    """
    if "customers" not in tables:
        if not problems:
            notes.append(Note("customers", 0, NO_WINDOWS))
        return set()
    windows = tables["customers"].select("customer_id", "observed_from", "observed_to")
    changed = set()
    for name in [name for name in NEEDED if name in tables]:
        joined = tables[name].left_join(windows, "customer_id")
        unknown = joined.observed_from.isnull()
        inside = joined.timestamp.between(joined.observed_from, joined.observed_to)
        counts = joined.aggregate(
            rows=joined.count(),
            unknown=unknown.sum(),
            outside=(~unknown & ~inside).sum(),
            example=joined.customer_id.min(where=unknown),
        )
        row = ask(f"{name}: windows", partial(one_row, counts))
        if row["unknown"]:
            rule = "are of customers that the customers table does not have"
            mend = "add them to customers with their windows, or leave the customers table out"
            example = f"value {shorten(row['example'])}"
            place = name, "customer_id", rule, mend
            problems.append(Problem(*place, row["unknown"], row["rows"], example))
        elif row["outside"] == row["rows"]:
            mend = "check the windows, and that both are in UTC"
            problems.append(Problem(name, "timestamp", ALL_OUTSIDE, mend, row["rows"], row["rows"]))
        elif row["outside"]:
            notes.append(Note(name, row["outside"], OUTSIDE))
            tables[name] = joined.filter(inside).select(tables[name].columns)
            changed.add(name)
    return changed


def _strangers(tables: Mapping[str, ir.Table], ask: Ask) -> list[Note]:
    """Note it if touches and outcomes share no customer: their ids may be of two kinds."""
    touches, outcomes = tables["touches"], tables["outcomes"]

    def count() -> Row:
        shared = touches.semi_join(outcomes, "customer_id").select("customer_id").limit(1)
        if shared.to_pyarrow().num_rows:
            return {"rows": 0}
        return {"rows": int(outcomes.count().to_pyarrow().as_py())}

    rows = ask("strangers", count)["rows"]
    return [Note("outcomes", rows, STRANGERS)] if rows else []


def _open_paths(located: Located) -> Dataset:
    from touchlab.sources.paths import split_paths

    checked = _check(located, PATHS.name, once_about(located.files))
    _refuse([*located.problems, *checked.problems], located.name)
    unused = "is not used: the paths table stands in its place"
    notes = [Note(name, 0, unused) for name in located.tables if name != PATHS.name]
    frame = checked.table.to_pandas() if checked.table is not None else pd.DataFrame()
    tables, more = split_paths(frame)
    notes = [*located.notes, *notes, *checked.notes, *more]
    return _dataset(located, tables, notes)
