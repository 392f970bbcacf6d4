"""Tables given alongside the others, and worked into them on opening: identities and spend.

Ids of one customer are brought together before anything else; what was spent on a day is spread
over that day's touches, and what finds none is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from touchlab.data.contract import IDENTITIES, PEOPLE, Note, Problem
from touchlab.data.formats import as_text
from touchlab.data.locate import Located
from touchlab.data.readers import keep
from touchlab.data.validate import check_table
from touchlab.errors import shorten

ROUNDS = 8
"""Steps from an alias to its customer, over others, after which ids only go round."""
IN_A_CIRCLE = "mean one another in a circle"
EXCHANGED, SEVERAL = (
    "aliases exchanged for the id of their customer",
    "aliases of several customers, left as they are",
)


def merge_identities(located: Located) -> None:
    """Exchange aliases for the customer that they mean in every table; in place, and noted."""
    if IDENTITIES.name not in located.tables:
        return
    checked = check_table(located, IDENTITIES.name)
    located.problems += checked.problems
    del located.tables[IDENTITIES.name]
    if checked.table is None:
        return
    customer, other = (as_text(checked.table[name]) for name in ("customer_id", "alias"))
    pairs = checked.table.select(customer_id=customer, other=other).distinct()
    pairs = pairs.filter(pairs.other != pairs.customer_id)
    several = pairs.group_by("other").aggregate(n=pairs.count())
    several = several.filter(several.n > 1)
    lost = _rows(several)
    if lost:
        located.notes.append(Note(IDENTITIES.name, lost, SEVERAL))
        pairs = pairs.anti_join(several, "other")
    pairs = _to_the_end(keep(pairs, "identities"))
    if circles := _rows(pairs.filter(pairs.other == pairs.customer_id)):
        mend = "give each alias the id that is to stay"
        located.problems.append(
            Problem(IDENTITIES.name, "alias", IN_A_CIRCLE, mend, circles, circles)
        )
        return
    located.notes.append(Note(IDENTITIES.name, _rows(pairs), EXCHANGED))
    for name, table in [*located.tables.items()]:
        if "customer_id" in table.columns:
            for column in [c for c in PEOPLE[1:] if c in table.columns]:
                table = _exchanged(table, pairs, column).drop("exchanged")
            table = _exchanged(table, pairs)
            table = _one_row_each(table) if name == "customers" else table.drop("exchanged")
            located.hold(name, table)


def _rows(table: ir.Table) -> int:
    return int(table.count().to_pyarrow().as_py())


def _to_the_end(pairs: ir.Table) -> ir.Table:
    """Follow aliases of aliases; those in a circle end at themselves."""
    for _ in range(ROUNDS):
        again = pairs.view()
        further = again.select(customer_id=again.other, end=again.customer_id)
        if not _rows(pairs.semi_join(further, "customer_id").limit(1)):
            break
        joined = pairs.left_join(further, "customer_id")
        end = ibis.coalesce(joined.end, joined.customer_id)
        pairs = keep(joined.select(customer_id=end, other=joined.other), "identities")
    return pairs


def _exchanged(table: ir.Table, pairs: ir.Table, column: str = "customer_id") -> ir.Table:
    """Give each row the id of its customer, and say whether that is another one."""
    table = table.mutate(**{column: as_text(table[column])})
    meant = pairs.select(other=pairs.other, meant=pairs.customer_id)
    joined = table.left_join(meant, table[column] == meant.other)
    columns = {column: ibis.coalesce(joined.meant, joined[column])}
    columns |= {c: joined[c] for c in table.columns if c != column}
    return joined.select(**columns, exchanged=joined.meant.notnull())


def _one_row_each(customers: ir.Table) -> ir.Table:
    """Join the windows of a customer's ids; traits are those of the id that stays."""
    own = ibis.window(group_by="customer_id")
    customers = customers.mutate(exchanged=customers.exchanged.cast("int64"))
    customers = customers.mutate(joined=customers.exchanged.max().over(own))
    merged, others = (customers.filter(customers.joined == joined) for joined in (1, 0))
    columns = [c for c in customers.columns if c not in ("exchanged", "joined")]
    traits = {}
    for name in columns[1:]:
        value = merged[name]
        rank = ibis.struct({"exchanged": merged.exchanged, "value": value})
        traits[name] = (
            value.min() if name == "observed_from"
            else value.max() if name == "observed_to"
            else value.argmin(rank, where=value.notnull())
        )  # fmt: skip
    one = merged.group_by("customer_id").aggregate(**traits)
    return others.select(columns).union(one.select(columns))


TWICE = "have a cost of their own, and their touchpoint has dated spend"
ONE_OF_THEM = "leave the cost of these touches out, or their touchpoint out of spend"
NO_TOUCH = "on days without a touch of its touchpoint, dropped"
NO_CAMPAIGN = "by campaigns without a touch that day, spread over the touches of their touchpoint"
BY_DAY, BY_CAMPAIGN = ["touchpoint", "day"], ["touchpoint", "day", "campaign"]


def spread_spend(tables: Mapping[str, ir.Table]) -> tuple[ir.Table, list[Problem], list[Note]]:
    """Give touches an equal part of what was spent on their touchpoint that day (in UTC).

    Where both tables name campaigns, a campaign's spend goes to its own touches of the day.
    """
    spend, touches = tables["spend"], tables["touches"]
    spend = keep(spend.mutate(day=spend.date.date()).drop("date"), "spend")
    own = touches.cost.fill_null(0.0) if "cost" in touches.columns else ibis.literal(0.0)
    touches = touches.mutate(day=touches.timestamp.date(), cost=own)
    twice = _rows(touches.filter(touches.cost > 0).semi_join(spend, "touchpoint"))
    if twice:
        place = "touches", "cost", TWICE, ONE_OF_THEM
        return touches, [Problem(*place, twice, _rows(touches))], []
    notes, every = [], spend
    if "campaign" in spend.columns and "campaign" in touches.columns:
        there = keep(touches.select(BY_CAMPAIGN).distinct(), "campaigns")
        touches = _spread(touches, spend.semi_join(there, BY_CAMPAIGN), BY_CAMPAIGN)
        spend = spend.anti_join(there, BY_CAMPAIGN)
        by_touchpoint = spend.filter(spend.campaign.notnull()).semi_join(there, BY_DAY)
        notes += _said(by_touchpoint, every, NO_CAMPAIGN)
    there = keep(touches.select(BY_DAY).distinct(), "days")
    touches = _spread(touches, spend.semi_join(there, BY_DAY), BY_DAY)
    return (
        touches.drop("day"),
        [],
        [*notes, *_said(spend.anti_join(there, BY_DAY), every, NO_TOUCH)],
    )


def _spread(touches: ir.Table, spend: ir.Table, by: Sequence[str]) -> ir.Table:
    """Add to each touch its part of the spend that shares what `by` names."""
    touched = touches.group_by(by).aggregate(n=touches.count())
    spent = spend.group_by(by).aggregate(spent=spend.cost.sum())
    each = spent.inner_join(touched, by)
    each = each.select(*by, part=each.spent / each.n)
    joined = touches.left_join(each, by)
    cost = joined.cost + joined.part.fill_null(0.0)
    return joined.select(**{c: cost if c == "cost" else joined[c] for c in touches.columns})


def _said(some: ir.Table, every: ir.Table, what: str) -> list[Note]:
    """Say how much of the spend it is, and on which touchpoint most of it."""
    sums = some.group_by("touchpoint").aggregate(n=some.count(), cost=some.cost.sum())
    rows = sums.to_pyarrow().to_pylist()
    lost = sum(row["cost"] for row in rows)
    if not lost:
        return []
    total = float(every.cost.sum().to_pyarrow().as_py())
    most = min(rows, key=lambda row: (-row["cost"], row["touchpoint"]))
    share = f"{lost:,.2f} of {total:,.2f} ({100 * lost / total:.1f} %)"
    said = f"{share} was spent {what}; most on {shorten(most['touchpoint'])}: {most['cost']:,.2f}"
    return [Note("spend", sum(row["n"] for row in rows), said)]
