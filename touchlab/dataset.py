"""Open data of any kind into one Dataset of checked, lazy tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from touchlab.checks import Checked, check_table
from touchlab.contract import NEEDED, PATHS, TABLES, Note, Problem
from touchlab.errors import DataError
from touchlab.locate import Located, locate

NO_WINDOWS = (
    "no customers table: observation windows are taken from the events, and people "
    "who were never touched are unknown"
)


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
    def touches(self) -> ir.Table:
        return self.tables["touches"]

    @property
    def outcomes(self) -> ir.Table:
        return self.tables["outcomes"]

    def has(self, table: str) -> bool:
        """Say whether the data came with this table."""
        return table in self.tables

    @cached_property
    def overview(self) -> pd.DataFrame:
        """A row a table: rows, customers, first and last time (UTC)."""
        rows = []
        for name, table in self.tables.items():
            measures = {"rows": table.count()}
            if "customer_id" in table.columns:
                measures["customers"] = table.customer_id.nunique()
            time = {"customers": "observed_from", "experiments": "start"}.get(name, "timestamp")
            if time in table.columns:
                last = {"observed_from": "observed_to", "start": "end"}.get(time, time)
                measures |= {"first": table[time].min(), "last": table[last].max()}
            rows.append({"table": name} | table.aggregate(**measures).to_pandas().iloc[0].to_dict())
        columns = ["table", "rows", "customers", "first", "last"]
        frame = pd.DataFrame(rows).reindex(columns=columns)
        return frame.astype({"rows": "int64", "customers": "Int64"})

    @cached_property
    def fingerprint(self) -> str:
        """Twelve characters that change when the data changes, whatever file format holds it."""
        parts: dict[str, Any] = {"overview": json.loads(self.overview.to_json(date_format="iso"))}
        for name, table in self.tables.items():
            keys = [c for c in ("touchpoint", "outcome", "metric", "arm") if c in table.columns]
            sums = {
                c: table[c].cast("float64").sum()
                for c in table.columns
                if table[c].type().is_numeric() and c != "customer_id"
            }
            rows = table.group_by(keys) if keys else table
            frame = rows.aggregate(rows_=table.count(), **sums).to_pandas()
            frame = frame.sort_values(keys) if keys else frame
            parts[name] = frame.to_json(double_precision=6)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def _repr_html_(self) -> str:
        return self.overview.to_html(index=False, na_rep="")


def open_data(source: str | Path | Mapping[str, pd.DataFrame]) -> Dataset:
    """Open a folder, a database or frames, and check them against the contract.

    It answers whether the data can be used, and what was mended on the way. It
    does not judge whether the touchpoints are the right ones.

    Parameters
    ----------
    source
        A folder of Parquet or CSV files named after their tables
        (``touches.parquet``, ``outcomes.csv``, or folders of such files), a
        database URL that Ibis can connect to (``duckdb://shop.duckdb``,
        ``postgres://...``), or a mapping of table names to pandas frames.
        ``touches`` and ``outcomes`` are needed (or ``paths`` in their place);
        ``customers``, ``surveys``, ``touchpoints`` and ``experiments`` are used
        where they are there. A ``touchlab.toml`` in the folder maps column names.

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
    if PATHS.name in located.tables:
        return _open_paths(located)
    problems = list(located.problems)
    checked: dict[str, Checked] = {}
    for name, spec in TABLES.items():
        if name in located.tables:
            checked[name] = check_table(located.tables[name], spec, numbered=located.numbered)
            problems += checked[name].problems
        elif name in NEEDED:
            found = ", ".join(located.found) or "nothing"
            mend = f"give {name} as a Parquet or CSV file, a database table or a frame"
            problems.append(Problem(name, "", f"the table is missing; found {found}", mend))
    notes = [note for c in checked.values() for note in c.notes]
    if not problems:
        tables = _same_ids({n: c.table for n, c in checked.items() if c.table is not None})
        tables = _within_windows(tables, problems, notes)
    _refuse(problems, located.name)
    return Dataset(located.name, tables, _notes(notes), located.parameters)


def _refuse(problems: list[Problem], name: str) -> None:
    if problems:
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        raise DataError(f"{name}: {count}\n" + "\n".join(map(str, problems)))


def _notes(notes: list[Note]) -> pd.DataFrame:
    rows = [(note.table, note.rows, note.note) for note in notes]
    return pd.DataFrame(rows, columns=["table", "rows", "note"])


def _same_ids(tables: dict[str, ir.Table]) -> dict[str, ir.Table]:
    """Ids are compared between tables: text everywhere as soon as one table has text."""
    kinds = {t.customer_id.type().is_string() for t in tables.values() if "customer_id" in t.columns}
    if kinds != {True, False}:
        return tables
    return {
        name: t.mutate(customer_id=t.customer_id.cast("string")) if "customer_id" in t.columns else t
        for name, t in tables.items()
    }


def _within_windows(
    tables: dict[str, ir.Table], problems: list[Problem], notes: list[Note]
) -> dict[str, ir.Table]:
    """Drop what lies outside its customer's window; a customer without a window is a problem."""
    if "customers" not in tables:
        notes.append(Note("customers", 0, NO_WINDOWS))
        return tables
    windows = tables["customers"].select("customer_id", "observed_from", "observed_to")
    kept = dict(tables)
    for name in NEEDED:
        table = tables[name]
        joined = table.left_join(windows, "customer_id")
        outside = ~table.timestamp.between(joined.observed_from, joined.observed_to)
        unknown = joined.observed_from.isnull()
        flags = joined.mutate(unknown_=unknown, outside_=outside.fill_null(False))
        measures = flags.aggregate(
            unknown=flags.unknown_.sum(),
            outside=flags.outside_.sum(),
            rows=flags.count(),
            example=flags.customer_id.min(where=flags.unknown_),
        )
        row = measures.to_pyarrow().to_pylist()[0]
        if row["unknown"]:
            problems.append(
                Problem(
                    name,
                    "customer_id",
                    "are of customers that the customers table does not have",
                    "add them to customers with their windows, or leave the customers table out",
                    row["unknown"],
                    row["rows"],
                    f"value {row['example']!r}",
                )
            )
        if row["outside"]:
            dropped = "outside the customer's observation window, dropped"
            notes.append(Note(name, int(row["outside"]), dropped))
            kept[name] = flags.filter(~flags.outside_).select(table.columns)
    return kept


def _open_paths(located: Located) -> Dataset:
    from touchlab.sources.paths import split_paths

    raw = located.tables[PATHS.name]
    checked = check_table(raw, PATHS, numbered=located.numbered)
    _refuse([*located.problems, *checked.problems], located.name)
    frame = checked.table.to_pandas() if checked.table is not None else pd.DataFrame()
    tables, notes = split_paths(frame)
    return Dataset(located.name, tables, _notes([*checked.notes, *notes]), located.parameters)
