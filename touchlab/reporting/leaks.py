"""What must not leave the house: paths, names of this machine, secrets, single customers."""

from __future__ import annotations

import base64
import getpass
import io
import json
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from touchlab.reporting.privacy_check import EMBEDDED, Finding, check_run

CSV = "data:text/csv;base64,"
EMBEDDED_TABLE = re.compile(rf"{CSV}([A-Za-z0-9+/=]+)")
MARK = "\ufeff"  # with which a spreadsheet knows UTF-8
SECRETS = {
    "password in an address": r"\b[a-z][\w+.-]*://[^\s/:@\"'<>]*:[^\s/@\"'<>]+@",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "key of a cloud": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}",
    "token": r"\bgh[pousr]_\w{36}|\bgithub_pat_\w{22}|\bxox[abprs]-[\w-]{10}|\bsk-[\w-]{20}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|(?i:\bbearer\s+[\w.~+/-]{16})",
    "password or key": r"(?i:(?:password|passwd|secret|token|api_?key)[\"']?\s*[:=]\s*\\?[\"']"
    r"[^\s\"'\\]{8})",
}
"""Kinds of secrets, and how they look. A page that only speaks of passwords holds none."""
PATH = re.compile(
    r"(?<![\w.:/<-])(?:/(?:home|Users|tmp|var|mnt|opt|srv|usr|etc|private|Volumes|workspace)/[\w.~-]"
    r"|/root\b(?!/?[\w-]*\.html))|file://|(?<![\w/])[A-Za-z]:\\{1,2}\w|\\\\\\\\[\w.-]+\\\\\w"
)
"""How absolute paths begin. Any `/a/b` may be the address of a web page that was visited."""
LOADED = re.compile(
    r"<(?:iframe|object|embed|base|link)\b"
    r"|\b(?:src|srcset|poster|action|background)\s*=\s*[\"']?\s*(?:[a-z][\w+.-]*:)?//"
    r"|url\(\s*[\"']?\s*(?:[a-z][\w+.-]*:)?//|@import",
    re.IGNORECASE,
)
"""What makes a page ask the network; a link that a reader may follow does not."""
_SECRET_NAMES = re.compile("KEY|TOKEN|PASSWORD|SECRET")
_SHORTEST = 8
_COMMON = {"root", "user", "admin", "jovyan", "runner", "ubuntu", "jupyter", "localhost"}
_DRAWN = re.compile(r'"image/[\w.+-]+": "[A-Za-z0-9+/=\\n]+"')


def files_of(folder: Path) -> list[Path]:
    """List all files below a folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def embedded_tables(page: str) -> list[str]:
    """Unpack the tables that a page offers as files, as CSV."""
    return [unpacked(match) for match in EMBEDDED_TABLE.finditer(page)]


def unpacked(match: re.Match[str]) -> str:
    """Read what `EMBEDDED_TABLE` found."""
    return base64.b64decode(match[1]).decode("utf-8", errors="replace")


def read_csv(text: str, *, as_text: bool = False) -> pd.DataFrame:
    """Read a CSV whose empty cells alone are missing; nothing at all is an empty table."""
    text = text.removeprefix(MARK)
    if not text.strip():
        return pd.DataFrame()
    kind = str if as_text else None
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], dtype=kind)


def find_leaks(file: str, text: str, needles: Mapping[str, str]) -> list[Finding]:
    """List what a text gives away, each with its line; the thing itself is never repeated.

    Looks for what :data:`SECRETS`, :data:`PATH` and, in pages, :data:`LOADED` describe, and
    for `needles`. It knows no secret that looks like a word, and does not read pictures.

    Examples
    --------
    >>> [str(one) for one in find_leaks("a.csv", "x\\nsee /home/eva/shop", {})]
    ['a.csv: path: line 2']
    >>> find_leaks("a.csv", "touchpoint\\n/home\\n/shop/cart", {})
    []
    """
    opened = EMBEDDED_TABLE.sub(lambda found: " ".join(unpacked(found).splitlines()), text)
    plain = unescape(EMBEDDED.sub("", _DRAWN.sub("", opened)))
    patterns = {kind: re.compile(pattern) for kind, pattern in SECRETS.items()} | {"path": PATH}
    if file.endswith(".html"):
        patterns["external reference"] = LOADED
    found = dict.fromkeys(
        Finding(file, kind, f"line {number}")
        for number, line in enumerate(plain.splitlines(), 1)
        for kind in _kinds(line, patterns, needles)
    )
    return list(found)


def leaks_in(folder: Path, *private: str) -> list[Finding]:
    """List what the files of a folder give away; `private` are more texts to look for."""
    needles = machine_needles(*private)
    return [
        leak
        for path in files_of(folder)
        for leak in find_leaks(_name(path, folder), path.read_text(encoding="utf-8"), needles)
    ]


def few_and_named(folder: Path, data: str | Path, *, k: int) -> list[Finding]:
    """Hold the pages, notebooks and tables of a folder against the customers of the data.

    `check_run` reads pages and notebooks; tables are shown to it as pages.
    """
    from touchlab.data.dataset import open_data

    tables: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for path in files_of(folder):
            text = path.read_text(encoding="utf-8")
            if path.suffix != ".csv":
                (Path(scratch) / path.name).write_text(text, encoding="utf-8")
            for table in [text] if path.suffix == ".csv" else embedded_tables(text):
                page = Path(scratch) / f"table-{len(tables)}.html"
                page.write_text(_as_page(table), encoding="utf-8")
                tables[page.name] = _name(path, folder)
        found = check_run(Path(scratch), open_data(data), k=k)
    return [replace(one, file=tables.get(one.file, one.file)) for one in found]


def machine_needles(*private: str) -> dict[str, str]:
    """Collect what names this machine and its secrets, with the kind of each.

    Takes the home and working directories, the names of user and host (four letters or more,
    and not one that every machine has), and the values of environment variables whose name
    contains KEY, TOKEN, PASSWORD or SECRET, from eight characters on; and `private`, such as the
    path of the data.
    """
    places = {str(Path.home()), str(Path.cwd()), *(p for p in private if len(Path(p).parts) > 2)}
    names = {_user(), socket.gethostname()}
    named = {place: "path" for place in places if len(place) > 5}
    named |= {n: "name of user or host" for n in names if len(n) > 3 and n not in _COMMON}
    for name, value in os.environ.items():
        if _SECRET_NAMES.search(name.upper()) and len(value) >= _SHORTEST:
            named |= dict.fromkeys(
                {value, quote(value), escape(value), json.dumps(value)[1:-1]},
                f"value of the environment variable {name}",
            )
    return named


def _kinds(
    line: str, patterns: Mapping[str, re.Pattern[str]], needles: Mapping[str, str]
) -> Iterator[str]:
    yield from (kind for kind, pattern in patterns.items() if pattern.search(line))
    for needle, kind in needles.items():
        # most lines hold none: `in` is quick, the whole word is asked for afterwards
        if needle in line and re.search(rf"(?<!\w){re.escape(needle)}(?!\w)", line):
            yield kind


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _as_page(table: str) -> str:
    """Write a CSV as a page would: counts have separators, or they could be ids."""
    return read_csv(table).apply(lambda column: column.map(_cell)).to_html(index=False)


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return ""
