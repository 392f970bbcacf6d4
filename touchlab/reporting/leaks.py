"""What must not leave the house: few customers, single ones, paths, names of this machine, secrets.

A finished run is read as a stranger would read it.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.privacy.suppress import COUNTS, MIN_CUSTOMERS, PART_OF, hidden_cells, lines_of
from touchlab.reporting.files import (
    EMBEDDED_TABLE,
    carried,
    embedded_tables,
    map_texts,
    read_csv,
    unpacked,
)
from touchlab.show import HIDDEN

Told = Iterator[tuple[str, str]]
"""Pairs of `Finding.kind` and `Finding.what`."""

_WORD = re.compile(r"\w[\w.@+-]*")
_NEXT_TO = re.compile(r"\bcustomers?(?:[_ ]ids?)?\W{1,4}(\w[\w.@+-]*)", re.IGNORECASE)
_SAID = re.compile(
    r"(?<![\d.,\N{MINUS SIGN}-])(?<!with )(?<!than )(?<!below )([1-9]\d*) "
    r"(?:customers|people|journeys|outcomes|answers)\b",
    re.IGNORECASE,
)
"""A count in a sentence, no limit. Touchpoints lead "with 9 outcomes" of credit, an estimate."""
_EMBEDDED = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+")
_DRAWN = re.compile(r'"image/[\w.+-]+": "[A-Za-z0-9+/=\\n]+"')
_SECRETS = {
    "password in an address": r"\b[a-z][\w+.-]*://[^\s/:@\"'<>]*:[^\s/@\"'<>]+@"
    r"|(?i:[?&](?:password|passwd|pwd|token|secret|api_?key|sig)=[^&\s\"'<>]{3})",
    "private key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File",
    "key of a cloud": r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}"
    r"|\bAccountKey=[\w+/=]{40}|(?i:\baws.{0,20}?[\"'][a-z0-9/+]{40}[\"'])",
    "token": r"\bgh[pousr]_\w{36}|\bgithub_pat_\w{22}|\bgl(?:pat|dt|ft|soat|rt|cbt|ptt)-[\w-]{20}"
    r"|\bxox[abeoprs]-[\w-]{10}|hooks\.slack\.com/services/\w|\b[sr]k_(?:live|test)_\w{16}"
    r"|\bsk-[\w-]{20}|\bhf_[A-Za-z0-9]{30}|\bnpm_\w{36}|\bpypi-[\w-]{50}|\bSG\.[\w-]{22}\.[\w-]{40}"
    r"|\b(?:AC|SK)[0-9a-f]{32}\b|\bsq0csp-[\w-]{40}|\b[0-9a-f]{32}-us\d{1,2}\b|\b\d{8,10}:[\w-]{35}\b"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|(?i:\b(?:bearer|authorization:\s*basic)\s+[\w.~+/-]{12})",
    "password or key": r"(?i:(?:password|passwd|pwd|secret|token|api_?key)[\"']?\s*[:=]\s*\\?[\"']"
    r"[^\s\"'\\]{4})|\b\w*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)\w*=[^\s\"'$<>]{4}",
    "internal host or bucket": r"\b(?:s3[an]?|gs|abfss?|wasbs?|hdfs)://[\w.-]+"
    r"|(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.(?:internal|corp|intranet|lan|localdomain)\b"
    r"|\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}(?::\d+|/)",
    "e-mail address": r"(?<![\w.+-])[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b",
    "phone number": r"(?<![\w.,+-])(?<!\d )(?:(?:\+|00)[1-9]\d{0,2}"
    r"[ ()./-]{0,2}(?:\d[ ()/-]{0,2}){7,11}\d(?![\w.,])|\(?0[1-9]\d{1,4}\)?[ /-]\d{5,}(?![\w.,-]))",
    # any /a/b may be the address of a web page that was visited
    "path": r"(?<![\w.:/<-])(?:/(?:home|Users|tmp|var|mnt|opt|srv|usr|etc|private|Volumes"
    r"|workspace)/[\w.~-]|/root\b(?!/?[\w-]*\.html))|file://|(?<![\w/])[A-Za-z]:\\{1,2}\w"
    r"|\\\\\\\\[\w.-]+\\\\\w",
}
"""How secrets, paths and personal details look. A page that only speaks of passwords holds none."""
_LOADED = (
    r"(?i:<(?:iframe|object|embed|base|link)\b"
    r"|\b(?:src|srcset|poster|action|background)\s*=\s*[\"']?\s*(?:[a-z][\w+.-]*:)?//"
    r"|url\(\s*[\"']?\s*(?:[a-z][\w+.-]*:)?//|@import)"
)
"""What makes a page ask the network; a link that a reader may follow does not."""
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>")
_SECRET_NAMES = re.compile("KEY|TOKEN|PASSWORD|SECRET", re.IGNORECASE)
_COMMON = {"root", "user", "admin", "jovyan", "runner", "ubuntu", "jupyter", "localhost"}


@dataclass(frozen=True)
class Finding:
    """What a file gives away: its kind, such as small cell or customer id, and where it is."""

    file: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.kind}: {self.what}"


def files_of(folder: Path) -> dict[str, Path]:
    """List all files below a folder by their names in it, in a fixed order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in files}


# --- paths, names and secrets -------------------------------------------------------------


def leaks_in(folder: Path, *private: str) -> list[Finding]:
    """List what the files of a folder give away; `private` are more texts to look for."""
    needles = machine_needles(*private)
    return [
        leak
        for name, path in files_of(folder).items()
        for leak in find_leaks(name, path.read_text(encoding="utf-8"), needles)
    ]


def find_leaks(file: str, text: str, needles: Mapping[str, str]) -> list[Finding]:
    """List what a text gives away, each with its line; the thing itself is never repeated.

    It looks for secrets and paths by how they look, for `needles`, and in pages for what would
    ask the network. It knows no secret that looks like a word, and does not read pictures.

    >>> [str(one) for one in find_leaks("a.csv", "x\\nsee /home/eva/shop", {})]
    ['a.csv: path: line 2']
    >>> find_leaks("a.csv", "touchpoint\\n/home\\n/shop/cart", {})
    []
    """
    opened = EMBEDDED_TABLE.sub(lambda found: " ".join(unpacked(found).splitlines()), text)
    plain = unescape(_EMBEDDED.sub("", _DRAWN.sub("", opened)))
    pages = {"external reference": _LOADED} if file.endswith(".html") else {}
    patterns = [(kind, re.compile(looks)) for kind, looks in {**_SECRETS, **pages}.items()]
    words = [
        (kind, re.compile(rf"(?<!\w){re.escape(n)}(?!\w)", re.IGNORECASE), n.casefold())
        for n, kind in needles.items()
    ]
    found: dict[Finding, None] = {}
    for number, line in enumerate(plain.splitlines(), 1):
        bare = _MARKUP.sub("", line)  # a word may be split by it
        for text in {line, bare}:
            kinds = [kind for kind, looks in patterns if looks.search(text)]
            kinds += [kind for kind, one in _CHECKED.items() if _holds(text, *one)]
            # most lines hold none: `in` is quick, the whole word is asked for afterwards
            folded = text.casefold()
            kinds += [kind for kind, word, n in words if n in folded and word.search(text)]
            found |= dict.fromkeys(Finding(file, kind, f"line {number}") for kind in kinds)
    return list(found)


def _holds(text: str, looks: str, check: Callable[[str], bool]) -> bool:
    found = (re.sub("[ -]", "", match[0]) for match in re.finditer(looks, text))
    return any(map(check, found))


def _is_iban(number: str) -> bool:
    """Take its remainder: letters count from A = 10, and it begins with its fifth sign."""
    digits = "".join(str(int(sign, 36)) for sign in number[4:] + number[:4])
    return 15 <= len(number) <= 34 and int(digits) % 97 == 1


def _is_card(number: str) -> bool:
    """Take its check sum: every second digit from the right is doubled."""
    digits = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(number))]
    return 13 <= len(number) <= 19 and sum(d - 9 * (d > 9) for d in digits) % 10 == 0


_CHECKED = {
    "IBAN": (r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _is_iban),
    "card number": (r"(?<![\d.,-])[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\d.,])", _is_card),
}
"""What a number has to be besides looking so: any long one looks like a card's."""


def machine_needles(*private: str) -> dict[str, str]:
    """Collect what names this machine and its secrets, with the kind of each.

    Names that every machine has, and what is so short that it may be any word, are left out.
    """
    places = {str(Path.home()), str(Path.cwd()), *(p for p in private if len(Path(p).parts) > 2)}
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = ""
    named = {place: "path" for place in places if len(place) > 5}
    for name in {user, socket.gethostname()} - _COMMON:
        if len(name) > 3:
            named[name] = "name of user or host"
    for name, value in os.environ.items():
        if _SECRET_NAMES.search(name) and len(value) >= 6:
            packed = b64encode(value.encode("utf-8", "surrogateescape")).decode().rstrip("=")
            spellings = {value, quote(value), escape(value), json.dumps(value)[1:-1], packed}
            named |= dict.fromkeys(spellings, f"value of the environment variable {name}")
    return named


# --- few customers, and single ones -------------------------------------------------------


def check_run(
    folder: Path, data: Dataset, *, k: int = MIN_CUSTOMERS, tables: bool = False
) -> list[Finding]:
    """Say what the pages and saved notebooks of a run give away about few customers.

    It looks for numbers of 1 to `k` - 1 customers in tables, in what figures draw and in
    sentences; for hidden cells that follow from the others and the sum; and for customer ids, as
    whole words. It does not read pixels, and compares no two tables with each other. With `tables`
    it reads those in files, and those that pages offer as files, too.
    """
    readers = [(".html", _in_page), (".ipynb", _in_notebook)]
    if tables:
        readers += [(".csv", _in_table), (".html", _in_embedded)]
    ids = _ids(data)
    return [
        Finding(name, *told)
        for suffix, read in readers
        for name, path in files_of(folder).items()
        if path.suffix == suffix
        for told in read(path.read_text(encoding="utf-8"), ids, k)
    ]


def _ids(data: Dataset) -> set[str]:
    ids: set[str] = set()
    for table in data.tables.values():
        if "customer_id" in table.columns:
            column = table.select("customer_id").distinct().to_pyarrow().column(0)
            ids |= {str(one) for one in column.drop_null().to_pylist()}
    return ids


def _named(texts: Iterable[str], ids: set[str]) -> Told:
    """Find the ids in texts; the finding itself names none."""
    text = "\n".join(texts)
    words = {word.rstrip(".@+-") for word in _WORD.findall(text)}
    beside = {word.rstrip(".@+-") for word in _NEXT_TO.findall(text)}
    known = {one for one in words & ids if not _is_common(one)} | (beside & ids)
    odd = {one for one in ids if not _WORD.fullmatch(one) and set(_WORD.findall(one)) <= words}
    known |= {one for one in odd if one in text}
    if known:
        yield "customer id", f"{len(known):,} of the data"


def _is_common(one: str) -> bool:
    # counts of 1,000 and more have separators on a page: a longer number without any is no count
    return len(one) < 6 if one.isdigit() else len(one) < 4 and one.isalpha()


def _in_notebook(text: str, ids: set[str], k: int) -> Told:
    """Read every text of a notebook, and the numbers that figures carry beside what they draw."""
    content = json.loads(text)
    for mime, words in carried(content):
        if mime.startswith("image/") and "table" in words:
            frame = pd.DataFrame(words["table"]["data"], columns=words["table"]["columns"])
            yield from _small(frame, frame, words.get("alt", ""), k)
    texts: list[str] = []
    map_texts(content, texts.append)
    yield from _named(texts, ids)


def _in_embedded(page: str, ids: set[str], k: int) -> Told:
    for table in embedded_tables(page):
        yield from _in_table(table, ids, k)


def _in_table(text: str, ids: set[str], k: int) -> Told:
    """Read a CSV; its numbers are no ids, and small ones have been emptied in it."""
    frame = read_csv(text)
    words = frame.select_dtypes(exclude=["number", "bool"]).stack()
    yield from _named(map(str, [*frame.columns, *words]), ids)


def _in_page(markup: str, ids: set[str], k: int) -> Told:
    from bs4 import BeautifulSoup

    page = BeautifulSoup(markup, "html.parser")
    for number, table in enumerate(page.find_all("table"), 1):
        caption = table.find("caption")
        name = f"table {number}" + (f" ({caption.get_text(' ', strip=True)})" if caption else "")
        frame = _read_table(table)
        low, high = (_numbers(frame, sign) for sign in (-1, 1))
        yield from _small(low, high, name, k)
        yield from _recoverable(high, frame == HIDDEN, name)
        table.extract()
    for dropped in page.find_all(["style", "pre", "code"]):
        dropped.extract()
    for drawn in page.select("svg text"):
        drawn.append(";")  # the last tick of an axis is no count of what its label names
    words = [str(image.get("alt", "")) for image in page.find_all("img")]
    words += [str(drawing["aria-label"]) for drawing in page.select("[role=img][aria-label]")]
    for few in _SAID.findall(" ".join([page.get_text(" "), *words])):
        if int(few) < k:
            yield "small count", f"the number {few} in a sentence"
    yield from _named([unescape(_EMBEDDED.sub("", markup))], ids)


def _read_table(table: Any) -> pd.DataFrame:
    """Read a table of a page as text, by the names of our columns."""
    rows = [
        [cell.get_text(" ", strip=True) for cell in row.find_all(["td", "th"])]
        for row in table.find_all("tr")
    ]
    titles = [title.replace(" ", "_") for title in rows[0]] if rows else []
    body = [row for row in rows[1:] if len(row) == len(titles)]
    frame = pd.DataFrame(body, columns=titles, dtype=object)
    return frame.loc[:, ~frame.columns.duplicated()]


def _numbers(frame: pd.DataFrame, sign: int) -> pd.DataFrame:
    """Read cells as the least (-1) or the most (1) that they can be before they were rounded."""

    def number(cell: str) -> Any:
        if cell in {"", "–", HIDDEN}:
            return None
        found = re.fullmatch(r"(-?\d+(?:\.(\d+))?)( %)?", cell.replace(",", ""))
        if not found:
            return cell
        half = 0.5 / 10 ** len(found[2]) if found[2] else 0.0
        return (float(found[1]) + sign * half) / (100 if found[3] else 1)

    read = frame.map(number)
    for name in read:
        if all(isinstance(value, float) for value in read[name].dropna()):
            read[name] = pd.to_numeric(read[name])
    return read


def _small(low: pd.DataFrame, high: pd.DataFrame, name: str, k: int) -> Told:
    """Find rows in which numbers would have to be hidden, whichever way shares were rounded."""
    few = hidden_cells(low, k=k) & hidden_cells(high, k=k)
    for row in np.flatnonzero(few.any(axis=1)):
        columns = ", ".join(few.columns[few.iloc[row]])
        yield "small cell", f"{name}: row {row + 1}: {columns}"


def _recoverable(frame: pd.DataFrame, hidden: pd.DataFrame, name: str) -> Told:
    """Find hidden counts that follow from the other cells and the sums of lines."""
    lines = lines_of(frame.drop(columns=[c for c in hidden if hidden[c].all()]))
    for column in COUNTS & set(hidden.columns[hidden.any()]):
        own = hidden[column].to_numpy()
        shown = pd.to_numeric(frame[column], errors="coerce").fillna(0.0).to_numpy() > 0
        telling = [line for line in lines if (line & (own | shown)).sum() > 1]
        for row in np.flatnonzero(_follows(own, telling)):
            yield "recoverable", f"{name}: row {row + 1}: {column}"
    for part, whole in PART_OF.items():
        if {part, whole, "rate"} <= set(frame.columns):
            told = hidden[part] & frame.rate.notna() & frame[whole].notna()
            for row in np.flatnonzero(told):
                yield "recoverable", f"{name}: row {row + 1}: {part} from rate and {whole}"


def _follows(hidden: Any, lines: list[Any]) -> Any:
    """Say which hidden cells the sums fix, whatever the values: a question of rank alone."""
    found = np.zeros(len(hidden), dtype=bool)
    sums = np.array([line[hidden] for line in lines if (line & hidden).any()], dtype=float)
    if len(sums):
        _, size, directions = np.linalg.svd(sums)
        free = directions[(size > 1e-9).sum() :]
        found[hidden] = (np.abs(free) < 1e-9).all(axis=0)
    return found
