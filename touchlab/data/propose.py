"""Look at files and propose the `touchlab.toml` that makes tables of the contract from them.

Files of a source are known by their columns; others by what columns are called and what their
values look like. What is proposed is written down to be read, and what has no place is named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from touchlab.data.contract import SPECS, USUAL, called
from touchlab.data.formats import NUMBER, TIME
from touchlab.data.locate import read_files
from touchlab.data.readers import forget
from touchlab.data.settings import KNOW, SETTINGS, source_named, source_names
from touchlab.errors import DataError, listing

LOOKED_AT = 1000
ROLES = tuple(name for name in USUAL if name not in {"timestamp", "score"})
METRICS = {"nps": "recommend|nps|empfehl", "csat": "satisf|csat|zufrieden", "ces": "eas[ey]|effort"}
OF_THE_FORM = r"^(#|.*\(utc\)|response type|network id|tags|ending|customer_id|user_id|email)$"
UNITS = {10: "s", 13: "ms", 16: "us"}
DATES = r"^\s*(\d{1,2})[./-](\d{1,2})[./-]\d{4}\b"


@dataclass
class Proposal:
    """What is to be written, and what to say of it."""

    sources: list[str] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    sections: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Write it as TOML."""
        lines = ["# proposed by touchlab init from names and values: read every line"]
        if self.sources:
            lines += ["[data]", f"source = {_toml(self.sources)}"]
            lines += [f"{name} = {_toml(file)}" for name, file in self.data.items()]
        makes = [name for name, _ in self.sections]
        for name, columns in self.sections:
            lines.append(f"[[{name}]]" if makes.count(name) > 1 else f"[{name}]")
            lines += [f"{_key(column)} = {_toml(given)}" for column, given in columns.items()]
        return "\n".join(lines) + "\n"


def propose(folder: Path, only: Sequence[str] = ()) -> Proposal:
    """Propose how files of a folder, all or those named, become tables of the contract."""
    located, proposal = read_files(folder, only), Proposal()
    proposal.said += [str(problem) for problem in located.problems]
    for name, table in sorted(located.tables.items()):
        sample = table.limit(LOOKED_AT).to_pandas()
        source, table = _known(name, sample)
        if name in SPECS and {*SPECS[name].required} <= {*sample}:
            proposal.said.append(f"{name}: is the table {name}")
        elif source:
            proposal.sources += [source] * (source not in proposal.sources)
            if table != name:
                proposal.data[table] = name
            proposal.said.append(f"{name}: {table} of {source}")
            if source == "typeform":
                asked, other = _questions(sample)
                proposal.sections += [("surveys.questions", asked)] if asked else []
                proposal.said += [f"{name}: not placed: {listing(other)}"] if other else []
        elif sections := [*_guessed(name, sample)]:
            proposal.sections += sections
            proposal.said += [f"{name}: {makes}, from {_from(given)}" for makes, given in sections]
        else:
            proposal.said.append(f"{name}: not placed; its columns are {listing(sample)}")
    forget(located.loaded.values())
    return proposal


def write_settings(folder: Path, text: str) -> Path:
    """Write the proposal; a file that is there is left as it is."""
    path = folder / SETTINGS
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        mend = "edit it, or move it away to have one proposed"
        raise DataError(f"{path.name}: the file exists and is left as it is\n  {mend}") from None
    except OSError as error:
        rule = f"{path.name}: cannot be written: {error.strerror}"
        raise DataError(f"{rule}\n  give a folder that may be written to") from None
    return path


def _known(name: str, sample: pd.DataFrame) -> tuple[str, str]:
    """Find the source whose table has the most of these columns, all of them there."""
    fits = [
        (len(columns), table == name, source, table)
        for source in source_names()
        for table, columns in source_named(source)[KNOW].items()
        if {*columns} <= {*sample}
    ]
    return max(fits)[2:] if fits else ("", "")


def _guessed(name: str, sample: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Guess what a table is, and which of its columns is which."""
    role = {r: column for r in ROLES if (column := called(r, list(sample)))}
    times = [str(column) for column in sample if _time(sample, str(column)) is not None]
    free = [column for column in times if column not in role.values()] or times
    if not times:
        return
    when = {"timestamp": _time(sample, free[0])}
    who = {"customer_id": role["customer_id"]} if "customer_id" in role else {}
    table = {} if name in SPECS else {"table": name}
    more: dict[str, Any] = {}
    more |= {r: _plain(sample, r, role[r]) for r in ("campaign", "direction", "cost") if r in role}
    if not who and "cost" in role and {"touchpoint", "campaign"} & role.keys():
        more.pop("direction", None)
        touchpoint = role.get("touchpoint") or {"constant": name}
        yield "spend", {**table, "date": when["timestamp"], "touchpoint": touchpoint, **more}
    elif who and "observed_to" in role and "observed_from" in role:
        start = _time(sample, role["observed_from"])
        named = {"table": name} if name != "customers" else {}
        yield "customers", {**named, **who, "observed_from": start, "observed_to": {"constant": ""}}
        gone = {"timestamp": _time(sample, role["observed_to"]), "outcome": {"constant": "churn"}}
        yield "outcomes", {"table": name, "except": {role["observed_to"]: ""}, **who, **gone}
    elif who and "value" in role:
        outcome = {"outcome": role.get("outcome") or {"constant": "conversion"}}
        value = {"value": _plain(sample, "value", role["value"])}
        yield "outcomes", {**table, **who, **when, **outcome, **value}
    elif who and "touchpoint" in role:
        yield "touches", {**table, **who, **when, "touchpoint": role["touchpoint"], **more}


def _time(sample: pd.DataFrame, column: str) -> Any:
    """Say how a column's times are written; None where it has none."""
    values = sample[column].dropna()
    if values.empty or values.dtype.kind == "M":
        return column if len(values) else None
    text = values.astype(str).str.strip()
    text = text[text != ""]
    if text.empty or text.str.match(TIME).all():
        return column if len(text) else None
    dates = text.str.extract(DATES)
    if dates.notna().all(axis=None):
        month_first = (dates[1].astype(int) > 12).any()
        return {"column": column, "day_first": not month_first}
    sizes = {*text.str.len()}
    if text.str.fullmatch(r"1\d+").all() and len(sizes) == 1 and (size := sizes.pop()) in UNITS:
        return {"column": column, "unit": UNITS[size]}
    return None


def _plain(sample: pd.DataFrame, role: str, column: str) -> Any:
    """Say how a column's numbers are written."""
    text = sample[column].dropna().astype(str).str.strip()
    if role not in ("value", "cost") or text.empty or text.str.match(NUMBER).all():
        return column
    comma = text.str.contains(r",\d{1,2}\D*$").any()
    return {"column": column, "decimal": "," if comma else "."}


def _questions(sample: pd.DataFrame) -> tuple[dict[str, Any], list[str]]:
    """Find the questions of a survey that are answered by numbers, and what else it has."""
    asked, other = {}, []
    for column in map(str, sample):
        metric = next((m for m, words in METRICS.items() if re.search(words, column.lower())), "")
        numbers = sample[column].dropna().astype(str).str.fullmatch(r"\d{1,2}").all()
        if metric and numbers:
            asked[column] = ["survey", metric]
        elif not re.search(OF_THE_FORM, column.lower()):
            other.append(column)
    return asked, other


def _from(given: dict[str, Any]) -> str:
    named = (f"{c} = {_toml(v)}" for c, v in given.items() if c not in ("table", "except"))
    return listing(named, width=80)


def _toml(value: Any) -> str:
    """Write a value as TOML; what JSON calls text, TOML does too."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name, ensure_ascii=False)
