"""Odd inputs, records and addresses, drawn by a seed: does anything but our own words come out?

    python benchmarks/fuzz.py                     # 2,000 inputs, 1,300 records, 80 addresses
    python benchmarks/fuzz.py --inputs 1 --records 0 --addresses 0 --seed 1234

An input is a folder of tables as `touchlab check` opens it, a record a run.json or a touchlab.toml
left by somebody else, an address what `[data] address` or a user may say. It falls where an
exception of another kind than ours gets out, a planted secret or a control character is printed,
or nothing is said for two minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import os
import random
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from touchlab import TouchlabError
from touchlab.cli import main as command
from touchlab.reporting.index import write_index
from touchlab.reporting.record import read_records

PATIENCE = 120.0  # seconds
SECRET = "hunter2-Zq81"
TABLES = {
    "touches": ["customer_id,timestamp,touchpoint,cost,campaign"]
    + [f"c{n % 7},2026-0{1 + n % 5}-{10 + n}T08:1{n % 9}:00Z,{('ad', 'email', 'spa')[n % 3]},"
       f"{n / 10},x{n % 2}" for n in range(18)],
    "outcomes": ["customer_id,timestamp,outcome,value"]
    + [f"c{n},2026-06-1{n}T09:00:00Z,{'churn' if n == 3 else 'conversion'},{10 * n}.5"
       for n in range(7)],
    "customers": ["customer_id,observed_from,observed_to,region"]
    + [f"c{n},2026-01-01,2026-12-01,{'north' if n % 2 else 'south'}" for n in range(7)],
    "surveys": ["customer_id,timestamp,touchpoint,metric,score"]
    + [f"c{n},2026-06-0{n + 1},ad,nps,{n + 3}" for n in range(6)],
}  # fmt: skip
CELLS = [
    "", " ", "-", "NA", "null", "None", "nan", "inf", "-inf", "1e400", "-0", "0", "1e5", "1,5",
    "1.234,56", "1'000", "$12", "12 %", "true", "31/02/2026", "2026-13-01", "1767225600",
    "1767225600000", "0000-00-00", "9999-12-31", "0001-01-01", "2026-01-01T00:00:00+99:00",
    "2026-01-01 24:00", "20260101", "T", "=1+1", '"', "'", '""', "\\", "\x00", "\x1b[2J", "\u200b",
    "\u2028", "\ud7ff", "\U0001f600", "é" * 300, "x" * 70_000, "customer_id", "a > b",
    "; DROP TABLE touches; --", "${HOME}", "../../x", "[1]", '{"a": 1}', "99999999999999999999",
]  # fmt: skip
TOML = [
    "touches", "outcomes", "customers", "surveys", "data", "report", "sweep.a", "clean", "names",
    "paths", "x", "touchpoint", "timestamp", "where", "except", "one_per", "table", "format",
    "map", "address", "source", "outcome", "lookback", "segment", "min_customers", "from", "until",
    "models", "costs", "notebooks", "gap", "traits",
]  # fmt: skip
VALUES = [
    "''", "'touches'", "'customer_id'", "0", "-1", "1e400", "nan", "true", "[]", "[[[]]]", "{}",
    "{a = 1}", "{ region = 'north' }", "2026-01-01", "1979-05-27T07:32:00+99:00", "07:32:00",
    "'30D'", "'-1D'", "'\\u0000'", "'../../etc/passwd'", "['a', 1]", "'ga4'",
    "'duckdb:///etc/passwd'", "'${FUZZ_SECRET}'", "\"\"\"\n\"\"\"", "9999999999999999999999",
    "'conversion'", "[1, 'x', {}]", "{ from = 'x', format = '%Q' }",
    "{ from = 'score', map = { a = 'b' } }", "'(('", "'1 = 1) --'", "[" * 300 + "]" * 300, "",
]  # fmt: skip
ADDRESSES = [
    "postgres://u:{s}@127.0.0.1:1/db", "postgres://127.0.0.1:1/db?password={s}",
    "postgres:/u:{s}@127.0.0.1/db", "postgres//u:{s}@h/db", "postgres://u:{s}",
    "PoStGrEs://u:{s}@127.0.0.1:1/x", "postgres://[::1/x", "postgres://u:{s}@[::g]:1/x",
    "postgres://u:{s}@127.0.0.1:99999/x", "postgres://u:{s}@127.0.0.1:x/x",
    "postgres://u%3A{s}%40127.0.0.1:1/x", "postgres://u:{s}@@127.0.0.1:1/x",
    "postgres:///x?host=127.0.0.1&port=1", "spark://u:{s}@127.0.0.1:1",
    "spark://127.0.0.1:1/?token={s}", "sc://127.0.0.1:1/;token={s}", "duckdb://x",
    "duckdb:///tmp/none/x.duckdb?access_mode=x", "duckdb://:memory:?secret={s}",
    "md:?motherduck_token={s}", "sqlite:///x?key={s}", "memtable://x", "util://x", "random://",
    "options://x", "read_csv://x", "mysql://u:{s}@127.0.0.1/x", "http://u:{s}@127.0.0.1/x.csv",
    "s3://k:{s}@b/x.parquet", "file:///x", "://u:{s}@h", "postgres://{s}@", "postgres://",
    "postgres://u:p w{s}@h/x", "postgres://u:{s}\n@h/x", "jdbc:postgresql://u:{s}@h/x",
    "${FUZZ_SECRET}://h/x", "postgres://${FUZZ_SECRET}@127.0.0.1:1/x",
    "postgres://u@127.0.0.1:1/${FUZZ_SECRET}", "postgres://u@127.0.0.1:1/x?options=${FUZZ_SECRET}",
]  # fmt: skip


def tables(luck: random.Random, folder: Path) -> None:
    """Write tables in which some cells, columns, bytes or names are not as they should be."""
    for name, lines in TABLES.items():
        if name not in ("touches", "outcomes") and luck.random() < 0.4:
            continue
        text = "\n".join(mangled(luck, lines)) + luck.choice(["\n", "", "\r\n", "\n\n\n"])
        coded = luck.choice(["utf-8"] * 6 + ["utf-16", "latin-1", "utf-8-sig"])
        raw = text.encode(coded, "replace")
        if luck.random() < 0.1:
            place = luck.randrange(len(raw) + 1)
            raw = raw[:place] + luck.randbytes(luck.choice([1, 5, 300])) + raw[place:]
        if luck.random() < 0.05:
            raw = raw[: luck.randrange(len(raw) + 1)]
        end = luck.choice(["csv"] * 9 + ["parquet", "json", "jsonl", "csv.gz", "tsv", "CSV"])
        (folder / f"{name}.{end}").write_bytes(raw)
    if luck.random() < 0.4:
        (folder / "touchlab.toml").write_text(settings(luck), encoding="utf-8")


def mangled(luck: random.Random, lines: list[str]) -> list[str]:
    rows = [line.split(",") for line in lines]
    for _ in range(luck.choice([0, 1, 1, 2, 5])):
        change, row = luck.randrange(8), luck.randrange(len(rows))
        column = luck.randrange(len(rows[row]) or 1)
        if change < 3 and rows[row]:
            rows[row][column % len(rows[row])] = luck.choice(CELLS)
        elif change == 3:
            odd = luck.choice(CELLS)
            for one in rows[1:]:
                one[column % len(one) :][:1] = [odd]
                one[column % len(one)] = odd
        elif change == 4:
            rows[0][column % len(rows[0])] = luck.choice([*CELLS, *rows[0], "date", "Customer ID"])
        elif change == 5:
            rows[row] = rows[row][:column] or ["x"]
        elif change == 6:
            rows.insert(luck.randrange(len(rows) + 1), list(luck.choice(rows)))
        else:
            del rows[luck.choice([1, row, 0]) :]
            rows = rows or [[""]]
    by = luck.choice([",", ",", ",", ",", ";", "\t", "|", ", "])
    return [by.join(row) for row in rows]


def settings(luck: random.Random) -> str:
    lines = []
    for _ in range(luck.choice([1, 2, 3, 6])):
        section = luck.choice(TOML)
        lines.append(luck.choice([f"[{section}]", f"[{section}]", f"[[{section}]]", section]))
        for _ in range(luck.randrange(4)):
            lines.append(f"{luck.choice(TOML)} = {luck.choice(VALUES)}")
    return "\n".join(lines)


def an_input(luck: random.Random, folder: Path) -> str:
    tables(luck, folder)
    return said(["check", str(folder)])


def a_record(luck: random.Random, folder: Path) -> str:
    """A folder of reports in which a record was changed, or settings beside good data."""
    if luck.random() < 0.25:
        for name, lines in TABLES.items():
            (folder / f"{name}.csv").write_text("\n".join(lines))
        (folder / "touchlab.toml").write_text(settings(luck), encoding="utf-8")
        return said(["report", str(folder), "--out", str(folder / "o"), "--only", "no such page"])
    page = {"name": "01_a", "title": "Q?", "answer": "a.", "seconds": 1.0, "status": "complete"}
    failure = {"notebook": "01_a", "cell": 1, "error": "E", "message": "m", "source": ""}
    first = {"first": "2026-01-01"}
    record = {
        "run_id": "20260101T000000Z-shop", "status": "complete", "data": "shop", "seconds": 3.0,
        "started": "2026-01-01T00:00:00+00:00", "parameters": {"outcome": "x"}, "part": "",
        "pages": [page, dict(page)], "versions": {"touchlab": "1"}, "fingerprint": "f",
        "window": first, "key": "k", "failure": failure,
    }  # fmt: skip
    for _ in range(luck.choice([1, 1, 2, 4])):
        at = luck.choice([record, record, page, failure])
        if isinstance(at, dict) and at:
            name = luck.choice([*at, "other"])
            odd = [None, True, -1, 1e308, float("nan"), "", [], {}, [[[1]]], {"a": None}, "9" * 400]
            at[name] = luck.choice([*odd, *CELLS, *map(_deep, (3, 20, 200))])
    text = json.dumps(record)
    if luck.random() < 0.2:
        place = luck.randrange(len(text))
        text = text[:place] + luck.choice(["", "{", "[" * 50_000, "\x00", "\udcff"]) + text[place:]
    (folder / "20260101T000000Z-shop").mkdir()
    place_of = folder / "20260101T000000Z-shop" / "run.json"
    place_of.write_bytes(text.encode("utf-8", "surrogatepass"))
    read_records(folder)
    return write_index(folder).read_text(encoding="utf-8")


def _deep(levels: int) -> object:
    end: object = 1
    for _ in range(levels):
        end = [end]
    return end


def an_address(luck: random.Random, folder: Path) -> str:
    """What a user types, or what a folder brings along."""
    address = luck.choice(ADDRESSES).replace("{s}", SECRET)
    if luck.random() < 0.3:
        place = luck.randrange(len(address))
        odd = luck.choice(["%", "\\", " ", "\n", "#", "?", "@", "é", "["])
        address = address[:place] + odd + address[place:]
    if luck.random() < 0.5:
        return said(["check", address])
    (folder / "touchlab.toml").write_text(f"[data]\naddress = {json.dumps(address)}\n")
    return said(["check", str(folder)])


def said(words: list[str]) -> str:
    """Run a command as a user would; what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        command(words)
    return printed.getvalue()


KINDS: dict[str, Callable[[random.Random, Path], str]] = {
    "inputs": an_input, "records": a_record, "addresses": an_address,
}  # fmt: skip


def fuzz(kind: str, seed: int) -> str:
    """Try one; what fell, or nothing."""
    luck = random.Random(f"{kind} {seed}")
    with tempfile.TemporaryDirectory(prefix="fuzz") as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shown = KINDS[kind](luck, Path(place))
        except TouchlabError as problem:
            shown = str(problem)
        except Exception as error:  # what this is looking for
            steps = traceback.extract_tb(error.__traceback__)
            at = next((s for s in steps[::-1] if "touchlab/" in s.filename), steps[-1])
            place = f"{Path(at.filename).name}:{at.lineno}"
            return f"{type(error).__name__} at {place}: {str(error)[:200]}"
    if SECRET in shown:
        return f"a secret is printed: {shown[:300]!r}"
    if "Traceback" in shown:
        return f"a traceback is printed: {shown[-300:]!r}"
    if kind != "records" and (odd := re.findall(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u2028]", shown)):
        return f"control characters are printed: {sorted(set(odd))} {shown[:200]!r}"
    return ""


def falls(kind: str, count: int, first: int = 0) -> Iterator[tuple[int, str]]:
    """Try so many of a kind; seed and reason of those that fell."""
    before = os.environ.get("FUZZ_SECRET")
    os.environ["FUZZ_SECRET"] = SECRET
    try:
        for seed in range(first, first + count):
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            if fell := fuzz(kind, seed):
                yield seed, fell
    finally:
        faulthandler.cancel_dump_traceback_later()
        os.environ.pop("FUZZ_SECRET") if before is None else None


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind, count in {"inputs": 2000, "records": 1300, "addresses": 80}.items():
        asked.add_argument(f"--{kind}", type=int, default=count)
    asked.add_argument("--seed", type=int, default=0, help="the first")
    given = asked.parse_args()
    fallen = 0
    for kind in reversed(KINDS):
        count = getattr(given, kind)
        for seed, fell in falls(kind, count, given.seed):
            fallen += 1
            print(f"{kind} {seed}: {fell}", flush=True)
        print(f"{count:,} {kind}", flush=True)
    sys.exit(f"{fallen} fell" if fallen else 0)


if __name__ == "__main__":
    main()
