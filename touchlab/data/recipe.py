"""Make tables of the contract from tables that people have, as `touchlab.toml` describes it.

A recipe is data: it becomes Ibis expressions, so it means the same on every engine, and nothing
in it is ever run. A value that does not fit a format is passed on as it stands: the check of
the contract then shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import ibis
import ibis.expr.types as ir

from touchlab.data.channels import Rule, channel_of
from touchlab.data.contract import SPECS, Problem
from touchlab.data.formats import OPTIONS, Misfit, as_text, as_time, filled, formatted
from touchlab.data.settings import SETTINGS, Recipe
from touchlab.errors import listing, nearest

FORMS = ("column", "first", "join", "constant", "channel", "latest")
BESIDE = ("by", "each", "rules", *OPTIONS)
TIMES = ("timestamp", "observed_from", "start", "date")
"""Columns that put the rows of a table in order."""
Rules = Callable[[str], tuple[Rule, ...]]


@dataclass(frozen=True)
class Bench:
    """A recipe at work on a table: the rows it keeps, laid out flat under short names."""

    recipe: Recipe
    raw: ir.Table
    rules: Rules
    columns: Mapping[str, Any]
    """What the table is to have: those of the recipe, and those that have their name already."""
    places: Mapping[str, str]
    whole: ir.Table
    flat: ir.Table
    """Of the whole, a row of each, where the recipe asks for one."""
    parted: bool
    """The rows may be read several times: from files in columns, it costs little."""

    def value(self, column: str) -> ir.Value | None:
        """Put a column together; None where a source would take it from what is not there."""
        return self._put(self.columns[column], column)

    def _put(self, given: Any, column: str) -> ir.Value | None:
        if isinstance(given, str):
            return self._look(given, self.flat, column)
        if isinstance(given, list):
            given = {"join": given}
        if not isinstance(given, dict):
            raise Misfit(*_no_column(given, self.raw.columns))
        form, said = _form(given)
        if form == "constant":
            return ibis.literal(said)
        if form == "channel":
            told = {part: self._put(way, column) for part, way in said.items()}
            rules = self.rules(str(given.get("rules", "")))
            # PostgreSQL takes no list of records
            return channel_of(told, rules, named=self.flat.get_backend().name != "postgres")
        if form == "latest":
            ends = [self._look(path, self.whole, column) for path in _listed(said)]
            return ibis.greatest(*(e.max().as_scalar() for e in ends if e is not None))
        found = [self._put(way, column) for way in _listed(said)]
        parts = [value for value in found if value is not None]
        if not parts:
            return None
        value = _joined(parts, str(given.get("by", " / "))) if form == "join" else _first(parts)
        return formatted(value, given)

    def _look(self, path: str, rows: ir.Table, column: str) -> ir.Value | None:
        if path in self.places:
            return rows[self.places[path]]
        if not self.recipe.source or column in self.recipe.own:
            raise Misfit(*_no_column(path, self.raw.columns))
        return None


def make_table(
    recipe: Recipe, raw: ir.Table, rules: Rules, *, parted: bool = False
) -> tuple[ir.Table | None, list[Problem]]:
    """Make a table as far as it can be, with what went wrong; `rules` reads a file of them."""
    problems = [*_unknown_columns(recipe)]
    if recipe.plain:
        found = {ours: theirs for ours, theirs in recipe.columns.items() if theirs in raw.columns}
        for ours in recipe.columns.keys() - found.keys():
            place = recipe.makes, ours
            problems.append(Problem(*place, *_no_column(recipe.columns[ours], raw.columns)))
        used = {*found, *found.values()}  # a column already so named makes room
        columns = {c: c for c in raw.columns if c not in used} | found
        return raw.select(**{ours: raw[c] for ours, c in columns.items()}), problems
    try:
        bench = _lay_out(recipe, raw, rules)
        bench = _one_each(replace(bench, parted=parted))
    except Misfit as misfit:
        return None, [*problems, Problem(recipe.makes, "", *misfit.args)]
    columns = {}
    for name in bench.columns:
        try:
            value = bench.value(name)
        except Misfit as misfit:
            problems.append(Problem(recipe.makes, name, *misfit.args))
            continue
        if value is not None:
            columns[name] = value
        elif name in SPECS[recipe.makes].required:
            asked = listing(dict.fromkeys(_paths(recipe.columns[name])))
            rule = f"source {recipe.source!r} takes it from {asked}, and none of these is there"
            mend = f"say where it is: [{recipe.makes}] {name} = 'column'"
            problems.append(Problem(recipe.makes, name, rule, mend))
    if not columns:
        return None, problems
    made = bench.flat.select(**columns)
    return (_refunds_apart(made) if recipe.words.get("refunds") else made), problems


def union(tables: Sequence[ir.Table]) -> ir.Table:
    """Put tables of one name together; a column that is of two types becomes text."""
    kinds: dict[str, set[Any]] = {}
    for table in tables:
        for name, kind in table.schema().items():
            kinds.setdefault(name, set()).update([] if kind.is_null() else [kind])
    shared = {name: next(iter(own)) if len(own) == 1 else None for name, own in kinds.items()}

    def alike(table: ir.Table) -> ir.Table:
        columns = {}
        for name, kind in shared.items():
            value = table[name] if name in table.columns else ibis.null(kind or "string")
            columns[name] = value.cast(kind) if kind else as_text(value)
        return table.select(**columns)

    return reduce(lambda one, more: one.union(more), map(alike, tables))


def find(table: ir.Table, path: str) -> ir.Value | None:
    """Find a column, or what is nested in one: a field of a struct, a value among keyed ones."""
    if path in table.columns:
        return table[path]
    first, *steps = str(path).split(".")
    if first not in table.columns:
        return None
    value = table[first]
    for step in steps:
        kind = value.type()
        if kind.is_struct() and step in kind.names:
            value = value[step]
        elif kind.is_array() and kind.value_type.is_struct() and "key" in kind.value_type.names:
            value = _first_of(value.filter(lambda pair, key=step: pair.key == key))["value"]
        else:
            return None
    kind = value.type()
    if kind.is_struct():  # as GA4 writes a value: a field a type, all but one of them empty
        return ibis.coalesce(*(value[name].cast("string") for name in kind.names))
    return value


def _first_of(pairs: ir.ArrayValue) -> ir.Value:
    if pairs.get_backend().name != "pyspark":
        return pairs[0]
    nothing = ibis.null(pairs.type().value_type)  # Spark stops at a place that is not there
    return ibis.ifelse(pairs.length() > 0, pairs[0], nothing)


def _form(given: Mapping[str, Any]) -> tuple[str, Any]:
    """Take the one form that a column is said to have."""
    forms = [form for form in FORMS if form in given]
    odd = [word for word in given if word not in (*FORMS, *BESIDE)]
    if len(forms) == 1 and not odd:
        return forms[0], given[forms[0]]
    rule = f"{SETTINGS} says {listing(odd or forms) or 'nothing'} of it"
    rule += nearest(odd[0], [*FORMS, *BESIDE]) if odd else ""
    mend = f"say one of {', '.join(FORMS)}; beside it may stand {', '.join(BESIDE)}"
    raise Misfit(rule, mend)


def _unknown_columns(recipe: Recipe) -> Iterator[Problem]:
    spec = SPECS[recipe.makes]
    for name in recipe.own if recipe.source else recipe.columns:
        if name not in spec.order and not spec.traits:
            rule = f"{SETTINGS} maps a column that the table does not have"
            mend = f"its columns are {', '.join(spec.order)}"
            yield Problem(recipe.makes, name, rule + nearest(name, spec.order), mend)


def _no_column(path: Any, columns: Sequence[str]) -> tuple[str, str]:
    rule = f"{SETTINGS} maps it to {path!r}, which is not a column" + nearest(str(path), columns)
    return rule, f"give one of {listing(columns)}"


def _need(table: ir.Table, path: str) -> ir.Value:
    value = find(table, path)
    if value is None:
        rule = f"{SETTINGS} asks for {path!r}, which is not a column" + nearest(path, table.columns)
        raise Misfit(rule, f"give one of {listing(table.columns)}")
    return value


def _lay_out(recipe: Recipe, raw: ir.Table, rules: Rules) -> Bench:
    """Keep the rows asked for, and look up what the columns read: nested values once."""
    words, rows = recipe.words, raw
    for path, allowed in words.get("where", {}).items():
        rows = rows.filter(_is_any(_need(raw, path), allowed))
    for path, refused in words.get("except", {}).items():
        if recipe.source and find(raw, path) is None:
            continue
        rows = rows.filter(~_is_any(_need(raw, path), refused))
    read = [path for given in recipe.columns.values() for path in _paths(given)]
    keys = [str(path) for word in ("one_per", "last_per") for path in _listed(words.get(word, []))]
    spec, traits = SPECS[recipe.makes], _listed(words.get("traits", []))
    taken = {*recipe.columns, *read}
    own = {c: c for c in (*spec.order, *traits) if c in raw.columns and c not in taken}
    found = {path: find(rows, path) for path in dict.fromkeys([*own, *read])}
    found |= {key: _need(rows, key) for key in keys}
    there = {path: value for path, value in found.items() if value is not None}
    places = {path: f"c{i}" for i, path in enumerate(there)}
    flat = rows.select(**{places[path]: value for path, value in there.items()})
    for given in recipe.columns.values():
        if isinstance(given, dict) and "each" in given and given.get("column") in places:
            place = places[given["column"]]
            flat = flat.mutate(**{place: as_text(flat[place]).split(str(given["each"])).unnest()})
    known = {n: g for n, g in recipe.columns.items() if n in spec.order or spec.traits}
    return Bench(recipe, raw, rules, own | known, places, flat, flat, parted=False)


def _one_each(bench: Bench) -> Bench:
    """Bring the rows of a key together, or keep those that come after a gap."""
    words, flat = bench.recipe.words, bench.flat
    if not {"one_per", "last_per", "gap"} & words.keys():
        return bench
    time = next((name for name in TIMES if name in bench.columns), "")
    when = bench.value(time) if time else None
    if when is None:
        raise Misfit(f"{SETTINGS} asks for the first of each, and there is no time", "give one")
    who = bench.value("customer_id") if "gap" in words else None
    flat = flat.mutate(when=as_time(when), **({} if who is None else {"who": who}))
    if who is not None:
        before = flat.when.lag().over(ibis.window(group_by=flat.who, order_by=flat.when))
        flat = flat.mutate(apart=flat.when.epoch_seconds() - before.epoch_seconds())
        longer = flat.apart.isnull() | (flat.apart > 60 * float(words["gap"]))
        return replace(bench, flat=flat.filter(longer))
    last = "last_per" in words
    keys = [bench.places[str(path)] for path in _listed(words["last_per" if last else "one_per"])]
    own = [place for place in bench.places.values() if place not in keys]
    lone, flat = _alone(flat, keys) if bench.parted and not last else (None, flat)
    others = {place: _of_one(flat, place, last) for place in own}
    each = flat.group_by(keys).aggregate(open=flat.when.isnull().sum(), **others)
    each = (each.filter(each.open == 0) if last else each).drop("open")
    if lone is not None:
        each = each.union(lone.select(*keys, **{place: filled(lone[place]) for place in own}))
    return replace(bench, flat=each)


def _alone(flat: ir.Table, keys: list[str]) -> tuple[ir.Table, ir.Table]:
    """Part rows that have a key to themselves from the others, which alone take memory."""
    keyed = reduce(lambda one, more: one & more, (flat[key].notnull() for key in keys))
    known = flat.filter(keyed)
    counted = known.group_by(keys).aggregate(n=known.count())
    many = counted.filter(counted.n > 1)
    together = known.semi_join(many, keys).union(flat.filter(~keyed))
    return known.anti_join(many, keys), together


def _of_one(flat: ir.Table, place: str, last: bool) -> ir.Value:
    """Take the first value that is not blank, or the last; of two at once by their order."""
    value = filled(flat[place])
    rank = ibis.struct({"when": flat.when, "value": flat[place]})
    pick = value.argmax if last else value.argmin
    return pick(rank, where=value.notnull())


def _paths(given: Any) -> Iterator[str]:
    """Name the columns that a column is made from."""
    if isinstance(given, str):
        yield given
    elif isinstance(given, list):
        for part in given:
            yield from _paths(part)
    elif isinstance(given, dict):
        for form in FORMS:
            said = given.get(form) if form != "constant" else None
            yield from _paths([*said.values()] if isinstance(said, dict) else said)


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _is_any(value: ir.Value, allowed: Any) -> ir.BooleanValue:
    """Say where a value is one of those, compared as text; "" is blank."""
    text = as_text(value).strip().fill_null("")
    return text.isin([str(w).lower() if isinstance(w, bool) else str(w) for w in _listed(allowed)])


def _first(parts: Sequence[ir.Value]) -> ir.Value:
    """Take the first that is not blank."""
    if len({part.type() for part in parts}) > 1:
        parts = [as_text(part) for part in parts]
    return ibis.coalesce(*map(filled, parts)) if len(parts) > 1 else parts[0]


def _joined(parts: Sequence[ir.Value], by: str) -> ir.Value:
    """Write values behind one another; blank ones are left out."""
    texts = [filled(as_text(part)) for part in parts]
    apart = [ibis.ifelse(text.isnull(), "", ibis.literal(by) + text) for text in texts]
    return reduce(lambda one, more: one + more, apart).substr(len(by)).nullif("")


def _refunds_apart(made: ir.Table) -> ir.Table:
    """Make outcomes of a value below zero refunds of so much."""
    below = as_text(made.value).strip().startswith("-")
    value = formatted(made.value, {"absolute": True})
    return made.mutate(outcome=ibis.ifelse(below, "refund", made.outcome), value=value)
