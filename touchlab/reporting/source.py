"""The data of a report: where it is, its name (never its path), its content as a key, a part."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from touchlab.data.connect import FILE, masked, read_address
from touchlab.data.level import campaigns
from touchlab.data.locate import ENDINGS
from touchlab.data.settings import REPORT, SWEEP, address_in, read_settings
from touchlab.errors import DataError, MissingInput, ParameterError, listing, nearest, shorten

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from touchlab.data.dataset import Dataset

LEVELS = 20
"""Values of a trait of numbers or times up to which it makes segments: a salary tells of one."""
_TIMES = {
    "touches": "timestamp", "outcomes": "timestamp", "surveys": "timestamp", "experiments": "start",
    "changes": "timestamp",
}  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """A part of the data: customers with these traits, times from `first` up to before `last`."""

    where: Mapping[str, Any] = field(default_factory=dict)
    first: str = ""
    last: str = ""

    def __str__(self) -> str:
        said = [f"{name} = {value!r}" for name, value in sorted(self.where.items())]
        said += [f"from {self.first}"] * bool(self.first) + [f"until {self.last}"] * bool(self.last)
        return ", ".join(said)


@dataclass(frozen=True)
class Source:
    """The data of a report: the name shown, where it is, and which part of it."""

    name: str
    place: str
    cut: Cut | None = None


def data_place(data: str | Path, root: Path) -> str:
    """Make a data path absolute: from the working directory, or from the notebooks' side."""
    if "://" in str(data):
        address = read_address(str(data))  # refused here, before it is in a list of processes
        if address.scheme != FILE:
            return str(data)
        return f"{FILE}://{data_place(address.shown.partition('://')[2], root)}"
    for base in (Path.cwd(), root):
        place = (base / Path(data).expanduser()).resolve()
        if place.exists():
            return str(place)
    raise DataError(
        f"data: there is nothing at '{masked(data)}'\n"
        "  looked in the working directory and beside the notebooks\n"
        "  give a folder of Parquet or CSV files, or a database address"
    )


def data_name(place: str) -> str:
    """Take the name of the data out of its path or address, without folders or passwords.

    >>> data_name("/home/eva/shop 2026"), data_name("postgres://eva:secret@host/shop?ssl=1")
    ('shop 2026', 'shop')
    """
    if "://" not in place:
        return Path(place).name or "data"
    address = urlsplit(place)
    return Path(address.path).name or address.scheme


def folder_name(text: str) -> str:
    """Make a short name of safe characters for a folder.

    >>> folder_name("../../Köln & Söhne 2026"), folder_name("../..")
    ('Koln-Sohne-2026', 'data')
    """
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^A-Za-z0-9]+", "-", letters).strip("-")[:40].strip("-") or "data"


# --- the content as a key -----------------------------------------------------------------


def digest(value: Any) -> str:
    """Hash a plain value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@cache
def code_key() -> str:
    """Hash this package: every file of code and every template."""
    package = Path(__file__).resolve().parents[1]
    left_out = {"__pycache__", "_notebooks"}
    return _content(package, [f for f in package.rglob("*") if not left_out & {*f.parts}])


def data_key(place: str) -> str:
    """Hash the content of the data; empty for a database server, whose content is not known."""
    scheme, found, rest = place.partition("://")
    if found and scheme != FILE:
        return ""
    path = Path(rest.split("?")[0] if found else place)
    if not path.is_dir():  # a file, perhaps with what its database has not yet written into it
        return _content(path, [path, path.with_name(f"{path.name}.wal")]) if path.is_file() else ""
    settings = read_settings(path)
    if address_in(settings):
        return ""
    files = [
        f for f in path.rglob("*") if f.name.lower().endswith(ENDINGS) and f.name[0] not in "._"
    ]
    naming = {name: section for name, section in settings.items() if name not in (REPORT, SWEEP)}
    return digest([_content(path, files), naming])


def _content(base: Path, files: list[Path]) -> str:
    """Hash the names and content of files."""
    found = {}
    for file in (file for file in files if file.is_file()):
        try:
            with file.open("rb") as content:
                hashed = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{file.name}: cannot be read: {error.strerror}\n  mend it") from error
        found[os.path.relpath(file, base)] = hashed
    return digest(found)


def describe(place: str) -> None:
    """Print what is known of the data as JSON: fingerprint, times, customers and names."""
    from touchlab.data.dataset import open_data

    data = open_data(place)
    lived = data.overview.table.isin(("touches", "outcomes", "surveys"))  # not until when watched
    times = data.overview.loc[lived if lived.any() else slice(None), ["first", "last"]].dropna()
    window = {"first": times["first"].min(), "last": times["last"].max()} if len(times) else {}
    found = {"fingerprint": data.fingerprint, "window": window, "names": names_in(data),
             "customers": count_customers(data.tables)}  # fmt: skip
    print(json.dumps(found, default=lambda moment: moment.isoformat()))


def names_in(data: Dataset) -> dict[str, list[str]]:
    """List the names that parameters may give, by what they are of."""
    from touchlab.data.contract import TABLES

    places = {"outcome": "outcomes", "touchpoint": "touches", "metric": "surveys"}
    found = {
        column: sorted(data.tables[table][column].as_table().distinct()[column].to_pandas())
        for column, table in places.items()
        if data.has(table)
    }
    with suppress(MissingInput):
        found["touchpoint"] = sorted({*found["touchpoint"], *campaigns(data)[1].new})
    if data.has("customers"):
        own = {column.name for column in TABLES["customers"].columns}
        customers = data.tables["customers"]
        free = [name for name in customers.columns if name not in own]
        levels = customers.aggregate(**{name: customers[name].nunique() for name in free})
        most = levels.to_pandas().iloc[0] if free else {}
        found["trait"] = [n for n in free if customers[n].type().is_string() or most[n] <= LEVELS]
    return found


def count_customers(tables: Mapping[str, ir.Table]) -> int | None:
    """Count the customers of tables; None of a paths table, which has none."""
    table = tables.get("customers", tables.get("touches"))
    return None if table is None else int(table.customer_id.nunique().to_pyarrow().as_py())


def refuse_few(name: str, customers: int | None, least: int) -> None:
    """Refuse a report on so few customers that it would tell of single ones."""
    if customers is not None and customers < least:
        raise ParameterError(
            f"{name}: fewer than {least:,} customers (parameter min_customers)\n"
            "  a report on so few would give single ones away: take more of them together"
        )


# --- a part as data of its own ------------------------------------------------------------


def cut_data(source: Source, work: Path) -> str:
    """Write the part that a sweep asks for below `work`; return where the data to read is.

    Touches before a period are left out: exposures begin anew with it. So are experiments that
    began before it, whose first outcomes it does not have; an end after the period is cut to it.
    """
    if source.cut is None:
        return source.place
    from touchlab.data.contract import NEEDED
    from touchlab.data.dataset import open_data
    from touchlab.data.readers import write_parquet

    target = work / "data" / folder_name(source.name)
    target.mkdir(parents=True)
    for name, table in part_of(open_data(source.place), source.cut).items():
        # what a period has nothing of is not there, which pages know how to say
        if name in NEEDED or table.limit(1).to_pyarrow().num_rows:
            write_parquet(table, target / f"{name}.parquet")
    return str(target)


def part_of(data: Dataset, cut: Cut) -> dict[str, ir.Table]:
    """Give the tables of a part of the data, as `cut_data` writes them."""
    backend = next(iter(data.tables.values())).get_backend().name
    if backend != "duckdb":
        raise ParameterError(
            f"sweep: {data.name!r} stays in its {backend}, and is not cut here into {cut}\n"
            "  give each part a schema with views of its own, or sweep over parameters"
        )
    tables = {name: _within(t, _TIMES.get(name), cut) for name, t in data.tables.items()}
    tables.pop("lifts", None)  # they are of all customers, and of their whole window
    if (customers := _customers(data, cut)) is not None:
        for name, table in tables.items():
            if "customer_id" in table.columns:
                tables[name] = table.semi_join(customers, "customer_id")
        tables["customers"] = customers
    return tables


def _customers(data: Dataset, cut: Cut) -> ir.Table | None:
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
                f"sweep: customers has no column {trait!r}{nearest(trait, customers.columns)}\n"
                f"  its columns are {listing(customers.columns)}"
            )
        values = [str(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
        found = customers[trait].cast("string").name(trait).as_table().distinct()[trait].to_pandas()
        there = sorted(found.dropna())
        if unknown := [value for value in values if value not in there]:
            raise ParameterError(
                f"sweep: customers.{trait} has no {shorten(unknown[0])}"
                f"{nearest(unknown[0], there)}\n  it has {listing(there)}"
            )
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


def _within(table: ir.Table, time: str | None, cut: Cut) -> ir.Table:
    """Keep the rows of the period; a table without times stays whole."""
    import ibis

    if time and cut.first:
        table = table.filter(table[time] >= ibis.timestamp(cut.first))
    if time and cut.last:
        table = table.filter(table[time] < ibis.timestamp(cut.last))
        if "end" in table.columns:
            table = table.mutate(end=ibis.least(table.end, ibis.timestamp(cut.last)))
    return table
