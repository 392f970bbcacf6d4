"""A part of the data as data of its own: the customers of a segment, the times of a period."""

from pathlib import Path
from typing import TYPE_CHECKING

from touchlab.errors import ParameterError
from touchlab.reporting.place import Cut, Source, slug

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from touchlab.data.dataset import Dataset

_TIMES = {
    "touches": "timestamp", "outcomes": "timestamp", "surveys": "timestamp", "experiments": "start",
}  # fmt: skip


def cut_data(source: Source, work: Path) -> str:
    """Write the part that a sweep asks for below `work`; return where the data to read is.

    Repairs are made before the cut, so the notes of a part do not count them. Touches before a
    period are left out: exposures begin anew with it. So are experiments that began before it,
    whose first outcomes it does not have; an end after the period is cut to it.
    """
    if source.cut is None:
        return source.place
    from touchlab.data.dataset import open_data

    data = open_data(source.place)
    engine = next(iter(data.tables.values())).get_backend().name
    if engine != "duckdb":
        raise ParameterError(
            f"sweep: {data.name!r} stays in its {engine}, and is not cut here into {source.cut}\n"
            "  give each part a schema with views of its own, or sweep over parameters"
        )
    target = work / "data" / slug(source.name)
    target.mkdir(parents=True)
    customers = _customers(data, source.cut)
    for name, table in data.tables.items():
        part = _within(table, _TIMES.get(name), source.cut)
        if customers is not None and name == "customers":
            part = customers
        elif customers is not None and "customer_id" in table.columns:
            part = part.semi_join(customers, "customer_id")
        part.to_parquet(target / f"{name}.parquet")
    return str(target)


def _customers(data: "Dataset", cut: Cut) -> "ir.Table | None":
    """Give the customers of the segment, with their windows cut to the period."""
    import ibis

    if not data.has("customers"):
        if cut.where:
            raise ParameterError(
                f"sweep: where needs a customers table, and {data.name!r} has none\n"
                "  add one with the column, or sweep over periods or parameters"
            )
        return None
    customers = data.tables["customers"]
    for trait, wanted in cut.where.items():
        if trait not in customers.columns:
            raise ParameterError(
                f"sweep: customers has no column {trait!r}\n"
                f"  its columns are {', '.join(customers.columns)}"
            )
        values = [str(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
        customers = customers.filter(customers[trait].cast("string").isin(values))
    start, end = customers.observed_from, customers.observed_to
    if cut.first:
        start = ibis.greatest(start, ibis.timestamp(cut.first))
    if cut.last:
        end = ibis.least(end, ibis.timestamp(cut.last))
    customers = customers.mutate(observed_from=start, observed_to=end)
    customers = customers.filter(customers.observed_from < customers.observed_to)
    if not customers.count().to_pyarrow().as_py():
        raise ParameterError(f"sweep: no customer is in {cut}\n  check the values in touchlab.toml")
    return customers


def _within(table: "ir.Table", time: str | None, cut: Cut) -> "ir.Table":
    """Keep the rows of the period; a table without times stays whole."""
    import ibis

    if time and cut.first:
        table = table.filter(table[time] >= ibis.timestamp(cut.first))
    if time and cut.last:
        table = table.filter(table[time] < ibis.timestamp(cut.last))
        if "end" in table.columns:
            table = table.mutate(end=ibis.least(table.end, ibis.timestamp(cut.last)))
    return table
