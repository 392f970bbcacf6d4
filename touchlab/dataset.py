"""Checked tables that keep the contract, still in the engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.errors import MissingInput
from touchlab.once import once_about

BETWEEN, NOTHING = "\x1f", "\x1e"  # control characters, which names do not hold


NO_TIMES = (
    "A paths table has no times and no customers: with touches and outcomes, this is answered."
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
    files: tuple[object, ...] = field(default=(), init=False, repr=False, compare=False)
    """State of the files that all of it was read from. Not an argument: a copy with other
    tables, made by `dataclasses.replace`, is of no file."""

    @property
    def touches(self) -> ir.Table:
        return self._timed("touches")

    @property
    def outcomes(self) -> ir.Table:
        return self._timed("outcomes")

    def _timed(self, table: str) -> ir.Table:
        if table not in self.tables:
            raise MissingInput(NO_TIMES)
        return self.tables[table]

    def has(self, table: str) -> bool:
        """Say whether the data came with this table."""
        return table in self.tables

    @cached_property
    def overview(self) -> pd.DataFrame:
        """A row a table: rows, customers, first and last time (UTC)."""
        return once_about(self.files)("overview", self._overview)

    def _overview(self) -> pd.DataFrame:
        rows = []
        for name, table in self.tables.items():
            counted = "weight" in table.columns  # journeys of a paths table
            measures = {"rows": table.weight.sum() if counted else table.count()}
            if "customer_id" in table.columns:
                measures["customers"] = table.customer_id.nunique()
            time = {"customers": "observed_from", "experiments": "start"}.get(name, "timestamp")
            if time in table.columns:
                last = {"observed_from": "observed_to", "start": "end"}.get(time, time)
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
        return once_about(self.files)("fingerprint", self._fingerprint)

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
