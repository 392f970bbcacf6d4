"""The data contract: which tables, which columns, which rules.

Only declarations and the words of a problem live here; `touchlab.checks` holds
a table against them.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    until: bool = False
    """A time that ends something: given as a date, it means the end of that day."""


@dataclass(frozen=True)
class Table:
    """One table of the contract."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    """Two rows that are equal share these columns, so where no key repeats, no row does.
    Empty where two equal rows can both be true (anonymous answers, counted journeys)."""
    unique: bool = False
    """Rows that share the key but differ are a problem."""
    traits: bool = False
    """Columns beyond the named ones are traits of the customer, and kept."""

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


def shorten(value: object, width: int = 60) -> str:
    """Write a value from data into a message: on one line, not too long, nothing invisible."""
    return _cut(repr(value) if isinstance(value, str) else str(value), width)


def listing(names: Iterable[str], most: int = 12, width: int = 60) -> str:
    """Write names from data into a message, the first few of them."""
    shown = [_cut(repr(name)[1:-1], width) for name in names]
    return ", ".join([*shown[:most], "..."] if len(shown) > most else shown)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


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
            key=("customer_id", "timestamp"),
        ),
        Table(
            "outcomes",
            (
                CUSTOMER,
                WHEN,
                Column("outcome", "text"),
                Column("value", "number", required=False, nullable=True, minimum=0),
            ),
            key=("customer_id", "timestamp"),
        ),
        Table(
            "customers",
            (CUSTOMER, Column("observed_from", "time"), Column("observed_to", "time", until=True)),
            key=("customer_id",),
            unique=True,
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
        ),
        Table(
            "touchpoints",
            (
                Column("touchpoint", "text"),
                Column("stage", "text", nullable=True, choices=STAGES),
                Column("channel", "text", required=False, nullable=True),
                Column("owner", "text", required=False, nullable=True, choices=OWNERS),
                Column("goal", "text", required=False, nullable=True),
                Column("phase", "text", required=False, nullable=True, choices=PHASES),
            ),
            key=("touchpoint",),
            unique=True,
        ),
        Table(
            "experiments",
            (
                CUSTOMER,
                Column("touchpoint", "text"),
                Column("arm", "text", choices=ARMS),
                Column("start", "time"),
                Column("end", "time", until=True),
            ),
            key=("customer_id", "touchpoint", "start"),
            unique=True,
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
)
"""In place of touches and outcomes: journeys already counted, as attribution tools take them."""
