"""Bring the ids of one customer together, as the table `identities` says, before anything else."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from touchlab.data.contract import IDENTITIES, Note, Problem
from touchlab.data.formats import as_text
from touchlab.data.locate import Located
from touchlab.data.readers import keep
from touchlab.data.validate import check_table

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


def _exchanged(table: ir.Table, pairs: ir.Table) -> ir.Table:
    """Give each row the id of its customer, and say whether that is another one."""
    table = table.mutate(customer_id=as_text(table.customer_id))
    meant = pairs.select(other=pairs.other, meant=pairs.customer_id)
    joined = table.left_join(meant, table.customer_id == meant.other)
    columns = {"customer_id": ibis.coalesce(joined.meant, joined.customer_id)}
    columns |= {c: joined[c] for c in table.columns if c != "customer_id"}
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
