"""The data contract: which tables, which columns, which rules.

Only declarations and the words of a problem live here; `touchlab.checks` holds
a table against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["id", "time", "text", "number"]

STAGES = ("awareness", "consideration", "purchase", "retention", "advocacy")
OWNERS = ("company", "customer", "partner")
PHASES = ("before", "during", "after")
ARMS = ("treated", "holdout")
METRIC_RANGES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}


@dataclass(frozen=True)
class Column:
    """One column of the contract and what its values may be."""

    name: str
    kind: Kind
    required: bool = True
    nullable: bool = False
    minimum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the contract."""

    name: str
    columns: tuple[Column, ...]
    unique: tuple[str, ...] = ()
    traits: bool = False
    """Columns beyond the named ones are traits of the customer, and kept."""
    drop_duplicates: bool = True
    """False where two equal rows can both be true (anonymous answers, single journeys)."""

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.required)

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)


@dataclass(frozen=True)
class Problem:
    """One broken rule: where, how often, the first example and the mend."""

    table: str
    column: str
    rule: str
    mend: str
    rows: int | None = None
    total: int | None = None
    example: str = ""

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        count = f"{self.rows:,} of {self.total:,} rows " if self.rows is not None else ""
        lines = [f"{place}: {count}{self.rule}"]
        if self.example:
            lines.append(f"  first: {self.example}")
        lines.append(f"  {self.mend}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Note:
    """Something repaired or assumed while opening the data, with its count."""

    table: str
    rows: int
    note: str


CUSTOMER = Column("customer_id", "id")
WHEN = Column("timestamp", "time")

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "touches",
            (
                CUSTOMER,
                WHEN,
                Column("touchpoint", "text"),
                Column("cost", "number", required=False, nullable=True, minimum=0),
                Column("campaign", "text", required=False, nullable=True),
                Column("direction", "text", required=False, nullable=True, choices=("in", "out")),
            ),
        ),
        Table(
            "outcomes",
            (
                CUSTOMER,
                WHEN,
                Column("outcome", "text"),
                Column("value", "number", required=False, nullable=True, minimum=0),
            ),
        ),
        Table(
            "customers",
            (CUSTOMER, Column("observed_from", "time"), Column("observed_to", "time")),
            unique=("customer_id",),
            traits=True,
        ),
        Table(
            "surveys",
            (
                Column("timestamp", "time", nullable=True),
                Column("touchpoint", "text"),
                Column("metric", "text", choices=tuple(METRIC_RANGES)),
                Column("score", "number", nullable=True),
                Column("customer_id", "id", required=False, nullable=True),
                Column("sent_at", "time", required=False, nullable=True),
            ),
            drop_duplicates=False,
        ),
        Table(
            "touchpoints",
            (
                Column("touchpoint", "text"),
                Column("stage", "text", choices=STAGES),
                Column("channel", "text", required=False, nullable=True),
                Column("owner", "text", required=False, nullable=True, choices=OWNERS),
                Column("goal", "text", required=False, nullable=True),
                Column("phase", "text", required=False, nullable=True, choices=PHASES),
            ),
            unique=("touchpoint",),
        ),
        Table(
            "experiments",
            (
                CUSTOMER,
                Column("touchpoint", "text"),
                Column("arm", "text", choices=ARMS),
                Column("start", "time"),
                Column("end", "time"),
            ),
            unique=("customer_id", "touchpoint", "start"),
        ),
    )
}

NEEDED = ("touches", "outcomes")

PATHS = Table(
    "paths",
    (
        Column("path", "text"),
        Column("conversions", "number", minimum=0),
        Column("value", "number", required=False, nullable=True, minimum=0),
        Column("null", "number", required=False, nullable=True, minimum=0),
    ),
    drop_duplicates=False,
)
"""In place of touches and outcomes: journeys already counted, as attribution tools take them."""
