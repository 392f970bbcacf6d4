"""Hold one table against its contract: every rule in one scan, every problem at once.

`columns` brings each column to its type; here are the rules between columns, what is counted
along, and what a table that keeps the rules is still cleaned of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import ibis
import ibis.expr.types as ir

from touchlab.data.alike import mend_of, twins
from touchlab.data.columns import Probe, WrongType, clean_column, is_nothing
from touchlab.data.contract import METRIC_RANGES, SPECS, Note, Problem, Spec, meant
from touchlab.data.locate import Located
from touchlab.data.odd import Times, busiest, drop_far, drop_repeats
from touchlab.data.outcomes import net_refunds, refunds_apart
from touchlab.data.readers import WHOLE_FILE, engine_errors, in_our_words, keep
from touchlab.errors import listing, nearest, shorten

EVENTS = ("touches", "outcomes")
MOST_NAMES = 2000
WRITTEN = {  # leading zeros make a name (a postcode), not a number
    "int64": r"^[+-]?(0|[1-9]\d{0,17})$",
    "float64": r"^[+-]?(0|[1-9]\d{0,17})(\.\d*)?([eE][+-]?\d{1,2})?$",
    "boolean": r"^([Tt]rue|[Ff]alse|TRUE|FALSE)$",
}
Rates = Mapping[str, float]
RATES = "rates = { EUR = 1, USD = 0.92 }"
NO_COST = "no cost given, counted as 0"
ENOUGH_ANSWERS = 30
MOST_TRAITS = 20
COLLINEAR = 0.999


@dataclass
class Checked:
    """A table after the check: its clean form, None where it has problems; what was mended."""

    table: ir.Table | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rows: int = 0
    times: Times | None = None
    """The first and the last, of touches and outcomes."""
    dates: bool = False
    """Every time is at midnight."""
    names: dict[str, int] = field(default_factory=dict)
    """How often each touchpoint or outcome is there, the most frequent ones."""


def check_table(located: Located, name: str) -> Checked:
    """Hold one of the tables found against the contract."""
    checked = Checked()
    try:
        _check(located, SPECS[name], checked)
    except engine_errors() as error:
        mend = WHOLE_FILE if located.embedded else "check the table, or export it to Parquet"
        return Checked(None, [Problem(name, "", f"cannot be read: {in_our_words(error)}", mend)])
    return checked


def _check(located: Located, spec: Spec, checked: Checked) -> None:
    raw = located.tables[spec.name]
    checked.problems += _missing_columns(raw, spec)
    clean: dict[str, ir.Value] = {}
    probes: list[Probe] = []
    commas = spec.name in located.semicolons
    for column in spec.columns:
        if column.name in raw.columns:
            try:
                if column.name == "value" and located.clean.refunds:
                    column = replace(column, minimum=None)
                clean[column.name], found = clean_column(
                    raw[column.name], column, located.clean, commas=commas
                )
                probes += found
            except WrongType as wrong:
                checked.problems.append(Problem(spec.name, column.name, *wrong.args))
    probes += _in_one_currency(spec, clean, located.clean.rates)
    if spec.name == "outcomes" and located.clean.refunds:
        probes += refunds_apart(clean)
    probes += _rules_between_columns(spec, clean)
    _run_probes(located, spec, probes, checked, clean)
    if checked.rows == 0:
        mend = "give data, or leave the table out"
        checked.problems.append(Problem(spec.name, "", "the table has no rows", mend))
    more = [name for name in raw.columns if name not in spec.order]
    kept = [c.name for c in spec.columns if c.name in clean and not c.checked_only]
    if spec.traits:
        typed = _typed_by_values if spec.name in located.untyped else _traits
        traits = typed(located, spec, more, checked)
        clean |= traits
        kept += traits
        if traits and checked.rows:
            _look_at_traits(located, raw.select(**traits), checked)
    elif more:
        said = f"columns not used: {listing(more, 5)}"
        pairs = [f"{theirs!r} as {ours}" for ours, theirs in meant(spec, raw.columns).items()]
        said += f"; did you mean {' and '.join(pairs)}?" if pairs else ""
        checked.notes.append(Note(spec.name, 0, said))
    if not checked.problems:
        compared = {} if spec.traits else {name: raw[name] for name in more if _is_plain(raw[name])}
        table = raw.select(**clean, **compared)
        if spec.name in located.loaded:
            table = located.loaded[f"{spec.name}, typed"] = keep(table, spec.name)
        table = _clean_rows(located, table, spec, checked)
        checked.table = None if checked.problems else table.select(kept)


def _is_plain(values: ir.Column) -> bool:
    kind = values.type()
    return kind.is_numeric() or kind.is_string() or kind.is_boolean() or kind.is_temporal()


def _clean_rows(located: Located, table: ir.Table, spec: Spec, checked: Checked) -> ir.Table:
    """Leave out far times and rows that are there twice, and look at names and customers."""
    if spec.name in (*EVENTS, "surveys"):
        table, notes, checked.times = drop_far(located, spec.name, table)
        checked.notes += notes
    whole = table
    table, notes, problems = drop_repeats(located, table, spec, checked.rows, dates=checked.dates)
    checked.notes += notes
    checked.problems += problems
    if spec.name == "outcomes" and located.clean.refunds == "net" and not problems:
        table, notes = net_refunds(table)
        checked.notes += notes
    what = "outcome" if spec.name == "outcomes" else "touchpoint"
    # names are the same before repeats are dropped, and cheaper: the join costs more than a count
    named = whole if spec.name == "touches" else table
    if what in table.columns:
        counted = named.group_by(what).aggregate(n=named.count())
        counted = counted.order_by(counted.n.desc()).limit(MOST_NAMES)
        rows = located.bring(f"{spec.name}: names", counted)
        checked.names = {row[what]: row["n"] for row in rows}
        for names in twins(checked.names)[:3]:
            n = sum(checked.names[name] for name in names[1:])
            shown = " and ".join(shorten(name) for name in names[:3])
            mend = mend_of(names[0], names[1], "names")
            checked.notes.append(Note(spec.name, n, f"{what}: {shown} differ; {mend}"))
    if spec.name == "touches":
        checked.notes += busiest(located, spec.name, table)
    return table


def _missing_columns(raw: ir.Table, spec: Spec) -> list[Problem]:
    spare = [name for name in raw.columns if name not in spec.order]
    likely = meant(spec, raw.columns)
    near = {
        name: f"; did you mean {likely[name]!r}?" if name in likely else nearest(name, spare)
        for name in spec.required
    }
    return [
        Problem(
            spec.name,
            name,
            f"the column is missing; found {listing(raw.columns)}{near[name]}",
            f'rename one, or map it in touchlab.toml: [{spec.name}] {name} = "your_name"',
        )
        for name in spec.required
        if name not in raw.columns
    ]


def _rules_between_columns(spec: Spec, clean: dict[str, ir.Value]) -> list[Probe]:
    rules = []
    for early, late in (("observed_from", "observed_to"), ("start", "end")):
        if early in clean and late in clean:
            backwards, mend = clean[early] >= clean[late], f"{early} has to be before {late}"
            rules.append(Probe(late, backwards, f"are not after {early}", mend))
    if "cost" in clean:
        rules.append(Probe("cost", clean["cost"].isnull(), NO_COST))
    if spec.name == "surveys" and {"metric", "score"} <= clean.keys():
        for metric, (low, high) in METRIC_RANGES.items():
            off = (clean["metric"] == metric) & ~clean["score"].between(low, high)
            rule, mend = f"are off the scale of {metric}", f"give {metric} from {low} to {high}"
            rules.append(Probe("score", off, rule, mend))
    return rules


def _run_probes(
    located: Located, spec: Spec, probes: list[Probe], checked: Checked, clean: dict[str, ir.Value]
) -> None:
    raw = located.tables[spec.name]
    sums = {f"p{i}": p.broken.fill_null(False).sum() for i, p in enumerate(probes)}
    if "timestamp" in clean:
        of_day = clean["timestamp"] != clean["timestamp"].truncate("D")
        sums["timed"] = of_day.fill_null(False).sum()
    if "currency" in clean and not located.clean.rates:
        sums |= {"one": clean["currency"].min(), "other": clean["currency"].max()}
    if spec.name == "surveys" and {"metric", "score"} <= clean.keys():
        nps = (clean["metric"] == "nps") & clean["score"].notnull()
        sums |= {"nps": nps.fill_null(False).sum(), "low": clean["score"].min(where=nps)}
        sums["high"] = clean["score"].max(where=nps)
    asked = f"{spec.name}: rules"
    (counts,) = located.bring(asked, raw.aggregate(rows=raw.count(), **sums))
    checked.rows = int(counts["rows"])
    checked.dates = "timed" in counts and not counts["timed"]
    if (counts.get("nps") or 0) >= ENOUGH_ANSWERS and counts["low"] >= 1 and counts["high"] <= 5:
        rule = f"all {int(counts['nps']):,} answers of nps are from 1 to 5, as on a scale of 1 to 5"
        mend = "nps is asked from 0 to 10; name answers from 1 to 5 csat"
        checked.problems.append(Problem(spec.name, "score", rule, mend))
    if (one := counts.get("one")) != (other := counts.get("other")):
        rule = f"amounts in several currencies cannot be added ({one}, {other})"
        mend = f"name all under [clean] in touchlab.toml: {RATES}"
        checked.problems.append(Problem(spec.name, "currency", rule, mend))
    for i, probe in enumerate(probes):
        broken = int(counts[f"p{i}"] or 0)
        if broken and probe.mend:
            place = spec.name, probe.column, probe.rule, probe.mend
            example = _first_example(raw, probe, located.embedded)
            checked.problems.append(Problem(*place, broken, checked.rows, example))
        elif broken:
            checked.notes.append(Note(spec.name, broken, f"{probe.column}: {probe.rule}"))


def _first_example(raw: ir.Table, probe: Probe, ordered: bool) -> str:
    """Say where a rule breaks first: row, customer and value, as the engine writes them."""
    shown = [c for c in ("customer_id", probe.column) if c in raw.columns]
    columns = {c: raw[c].cast("string") for c in shown}
    rows = raw.select(**columns, broken=probe.broken, row=ibis.row_number() if ordered else 0)
    first = rows.filter(rows.broken).order_by("row").limit(1).to_pyarrow().to_pylist()[0]
    text = {c: shorten(first[c]) if raw[c].type().is_string() else _bare(first[c]) for c in shown}
    parts = [f"row {first['row'] + 1:,}"] if ordered else []
    if "customer_id" in text and probe.column != "customer_id":
        parts.append(f"customer {text['customer_id']}")
    return ", ".join([*parts, f"value {text[probe.column]}"])


def _in_one_currency(spec: Spec, clean: dict[str, ir.Value], rates: Rates) -> list[Probe]:
    """Bring amounts to one currency by the rates given."""
    amount = "cost" if spec.name == "touches" else "value"
    if not rates or not {"currency", amount} <= clean.keys():
        return []
    currency = clean["currency"]
    clean[amount] *= ibis.cases(*((currency == name, float(rate)) for name, rate in rates.items()))
    unknown = currency.isnull() | currency.notin([*rates])
    return [
        Probe("currency", unknown, "have no rate", f"name all under [clean]: {RATES}"),
        Probe(amount, ~unknown, "brought to one currency by the rates given"),
    ]


def _bare(value: str | None) -> str:
    return "None" if value is None else listing([value])


def _traits(
    located: Located, spec: Spec, names: list[str], checked: Checked
) -> dict[str, ir.Value]:
    """Keep numbers, booleans and text; times become text."""
    raw, odd = located.tables[spec.name], []
    traits: dict[str, ir.Value] = {}
    for name in names:
        kind = raw[name].type()
        if kind.is_numeric() or kind.is_boolean():
            traits[name] = raw[name].cast("float64") if kind.is_decimal() else raw[name]
        elif kind.is_string():
            traits[name] = raw[name].nullif("")
        elif kind.is_temporal() or kind.is_uuid() or is_nothing(kind):
            traits[name] = raw[name].cast("string")
        else:
            odd.append(name)
    if odd:
        note = f"traits that are neither text nor numbers, left out: {listing(odd)}"
        checked.notes.append(Note(spec.name, 0, note))
    return traits


def _typed_by_values(
    located: Located, spec: Spec, names: list[str], _checked: Checked
) -> dict[str, ir.Value]:
    """Give text the first type that all of its values can be written in."""
    if not names:
        return {}
    raw = located.tables[spec.name]
    counts = {f"given{i}": raw[name].count() for i, name in enumerate(names)}
    for kind, pattern in WRITTEN.items():
        counts |= {f"{kind}{i}": raw[n].re_search(pattern).sum() for i, n in enumerate(names)}
    (row,) = located.bring(f"{spec.name}: types", raw.aggregate(**counts))
    traits: dict[str, ir.Value] = {}
    for i, name in enumerate(names):
        fits = [kind for kind in WRITTEN if row[f"{kind}{i}"] == row[f"given{i}"] > 0]
        traits[name] = raw[name].cast(fits[0]) if fits else raw[name]
    return traits


def _look_at_traits(located: Located, traits: ir.Table, checked: Checked) -> None:
    """Note traits that a third of the customers lack, and pairs that say the same."""
    names = list(traits.columns)[:MOST_TRAITS]
    numbers = [n for n in names if traits[n].type().is_numeric()]
    pairs = [(a, b) for i, a in enumerate(numbers) for b in numbers[:i]]
    asked = {f"given{i}": traits[name].count() for i, name in enumerate(names)}
    for i, pair in enumerate(pairs):
        one, other = (traits[name].cast("float64") for name in pair)
        asked[f"pair{i}"] = one.corr(other, how="pop")
    (row,) = located.bring("customers: traits", traits.aggregate(**asked))
    for i, name in enumerate(names):
        lacking = checked.rows - int(row[f"given{i}"])
        if 3 * lacking >= checked.rows:
            said = f"trait {name}: {lacking / checked.rows:.0%} have none"
            checked.notes.append(Note("customers", lacking, said))
    for i, pair in enumerate(pairs):
        if abs(row[f"pair{i}"] or 0) > COLLINEAR:
            said = f"traits {pair[1]} and {pair[0]} say the same; leave one out"
            checked.notes.append(Note("customers", 0, said))
