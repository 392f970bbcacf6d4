"""The data contract: which tables, which columns, which rules, and the words of a problem.

Only declarations; `touchlab.data.validate` holds a table against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from touchlab.errors import listing as listing
from touchlab.errors import shorten as shorten

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
    """A time that ends something: given as a date, it means the end of that day; none is open."""
    checked_only: bool = False
    """Tells rows or amounts apart while opening, and is left out after."""


@dataclass(frozen=True)
class Spec:
    """What one table of the contract holds."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    """Two rows that are equal share these columns, so where no key repeats, no row does.
    Empty where two equal rows can both be true (counted journeys)."""
    identity: str = ""
    """An id of the row itself, where given: rows of one id, and one of `identity_of`, are one."""
    identity_of: tuple[str, ...] = ()
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
        example = f"\n  first: {self.example}" if self.example else ""
        return f"{place}: {count}{self.rule}{example}\n  {self.mend}"


@dataclass(frozen=True)
class Note:
    """Something repaired or assumed while opening the data, with its count."""

    table: str
    rows: int
    note: str


ID = partial(Column, kind="text", required=False, nullable=True, checked_only=True)
CUSTOMER, WHEN = Column("customer_id", "id"), Column("timestamp", "time")
TOUCHPOINT = Column("touchpoint", "text")
optional = partial(Column, required=False, nullable=True)
COST = optional("cost", "number", minimum=0)
PEOPLE = ("customer_id", "referred_by", "referred_id")
"""Columns that hold ids of customers: they are compared, exchanged and hidden alike."""

_SPECS = (
    Spec(
        "touches",
        (
            CUSTOMER,
            WHEN,
            TOUCHPOINT,
            COST,
            optional("campaign", "text"),
            optional("direction", "text", choices=("in", "out")),
            optional("agent", "text"),
            optional("team", "text"),
            optional("duration", "number", minimum=0),
            optional("result", "text"),
            ID("touch_id"),
            ID("currency"),
        ),
        key=("customer_id", "timestamp"),
        identity="touch_id",
    ),
    Spec(
        "outcomes",
        (
            CUSTOMER,
            WHEN,
            Column("outcome", "text"),
            optional("value", "number", minimum=0),
            optional("referred_id", "id"),
            ID("order_id"),
            ID("currency"),
        ),
        key=("customer_id", "timestamp"),
        identity="order_id",
        identity_of=("outcome",),
    ),
    Spec(
        "customers",
        (
            CUSTOMER,
            Column("observed_from", "time"),
            Column("observed_to", "time", nullable=True, until=True),
            optional("referred_by", "id"),
        ),
        key=("customer_id",),
        unique=True,
        traits=True,
    ),
    Spec(
        "surveys",
        (
            Column("timestamp", "time", nullable=True),
            TOUCHPOINT,
            Column("metric", "text", choices=tuple(METRIC_RANGES)),
            Column("score", "number", nullable=True),
            optional("customer_id", "id"),
            optional("sent_at", "time"),
            ID("answer_id"),
            optional("comment", "text"),
        ),
        key=("customer_id", "timestamp"),
        identity="answer_id",
        identity_of=("touchpoint", "metric"),
    ),
    Spec(
        "touchpoints",
        (
            TOUCHPOINT,
            Column("stage", "text", nullable=True, choices=STAGES),
            optional("channel", "text"),
            optional("owner", "text", choices=OWNERS),
            optional("goal", "text"),
            optional("phase", "text", choices=PHASES),
        ),
        key=("touchpoint",),
        unique=True,
    ),
    Spec(
        "experiments",
        (
            CUSTOMER,
            TOUCHPOINT,
            Column("arm", "text", choices=ARMS),
            Column("start", "time"),
            Column("end", "time", nullable=True, until=True),
            optional("share", "number", minimum=0),
            optional("stratum", "text"),
        ),
        key=("customer_id", "touchpoint", "start"),
        unique=True,
    ),
    Spec(
        "lifts",
        (
            TOUCHPOINT,
            Column("start", "time"),
            Column("end", "time", nullable=True, until=True),
            Column("outcome", "text"),
            Column("lift", "number"),
            Column("standard_error", "number", minimum=0),
            optional("source", "text"),
        ),
        key=("touchpoint", "start", "outcome"),
    ),
    Spec(
        "spend",
        (
            Column("date", "time"),
            TOUCHPOINT,
            Column("cost", "number", minimum=0),
            optional("campaign", "text"),
        ),
    ),
    Spec(
        "changes",
        (WHEN, TOUCHPOINT, Column("what", "text"), optional("segment", "text"), COST),
        key=("timestamp", "touchpoint", "what"),
    ),
)
TABLES = {spec.name: spec for spec in _SPECS}
NEEDED = ("touches", "outcomes")
ALONE = ("outcomes", "surveys")
"""Tables that some questions are answered from without touches."""

PATHS = Spec(
    "paths",
    (
        Column("path", "text"),
        Column("conversions", "number", minimum=0),
        optional("value", "number", minimum=0),
        optional("null", "number", minimum=0),
    ),
)
"""In place of touches and outcomes: journeys already counted, as attribution tools take them."""

IDENTITIES = Spec("identities", (CUSTOMER, Column("alias", "id")))
"""Ids that mean a customer: they are exchanged before anything else."""

SPECS = {**TABLES, PATHS.name: PATHS, IDENTITIES.name: IDENTITIES}

USUAL = {
    "customer_id": "customer|client|user|contact|account|member|subscriber|visitor|person|kunde|"
    "email|emailaddress|userpseudo|anonymous",
    "timestamp": "time|date|datetime|createdat|eventtime|occurredat",
    "touchpoint": "channel|source|sourcemedium|medium|activitytype|activity|interaction|kanal|"
    "touch",
    "value": "revenue|amount|total|ordervalue|ordertotal|grandtotal|netamount|sales|umsatz|price|"
    "betrag",
    "outcome": "goal|conversiontype|event|eventname|type",
    "cost": "costs|spend|spent|adspend|amountspent|kosten",
    "campaign": "campaignname|utmcampaign|kampagne",
    "direction": "",
    "score": "rating|answer|response",
    "observed_from": "signup|signupdate|signedup|signedupat|startdate|started|registeredat|joined|"
    "customersince|created|createdat",
    "observed_to": "enddate|ended|cancelledat|canceledat|cancelled|canceled|churnedat",
}
"""What columns are called elsewhere, in letters only."""


def called(name: str, there: Sequence[str]) -> str:
    """Find the column that is called like one of the contract; an id may have id or no behind."""
    plain = {"".join(filter(str.isalpha, str(one))).casefold(): str(one) for one in there}
    behind = ("number", "nr", "no", "id", "") if name == "customer_id" else ("id", "")
    words = [name.replace("_", ""), *USUAL.get(name, "").split("|")]
    return next((plain[w + b] for w in words if w for b in behind if w + b in plain), "")


def meant(spec: Spec, there: Sequence[str]) -> dict[str, str]:
    """Pair columns of the contract that are not there with columns that may be meant."""
    pairs: dict[str, str] = {}
    for name in (column for column in spec.order if column not in there):
        free = [one for one in there if one not in (*spec.order, *pairs.values())]
        if found := called(name, free):
            pairs[name] = found
    return pairs
