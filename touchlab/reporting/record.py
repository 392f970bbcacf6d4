"""What is remembered of a run, one `run.json` in its folder; how a run can end and is kept."""

from __future__ import annotations

import errno
import json
import os
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from touchlab.errors import ReportError
from touchlab.forecasts.ledger import read_own

FILE = "run.json"
TABLES = "tables"  # folder of a run with the tables of each notebook
_LINE = 240  # letters of an answer in a list of runs
_LARGEST, _DEEPEST = 2_000_000, 12  # bytes and levels of a record: hundreds of times what we write
_KINDS: dict[Any, Any] = {"str": str, "int": int, "float": (int, float)}
_KINDS |= dict.fromkeys(("Mapping[str, Any]", "Mapping[str, str]"), dict)
_SENTENCE = re.compile(r".*?(?:\w\w|[%)\]”\"'])[.!?](?=\s|$)", re.DOTALL)


class NotFinished(ReportError):
    """A notebook stopped; its partial report is kept and the last good one stays."""

    exit_code = 1


class NotWritten(ReportError):
    """The folder of the reports takes nothing: full, read-only or not ours."""

    exit_code = 3


class Busy(ReportError):
    """Another run held the folder of the reports for too long."""

    exit_code = 4


EXIT_CODES = {
    0: "published, or nothing had changed",
    1: "a notebook stopped: see the page of the failed run; the last good report stays",
    2: "refused before anything ran: data, parameter, notebook or option",
    3: "the folder of the reports cannot be written: full, read-only or not ours",
    4: "another run held the folder for too long",
    130: "interrupted, as by Ctrl-C (129: terminal closed, 143: SIGTERM); nothing is published",
}
"""What the exit codes of `touchlab report` mean."""


@dataclass(frozen=True)
class Page:
    """One notebook of a run: its question, its answer, how long it took and its page."""

    name: str
    title: str
    answer: str
    seconds: float
    status: str  # complete, failed or not run
    failure: Failure | None = None

    @property
    def file(self) -> str:
        return f"{self.name}.html"


@dataclass(frozen=True)
class Failure:
    """Where and why a run stopped; `cell` counts code cells from 1, 0 if none had started."""

    notebook: str
    cell: int
    error: str
    message: str
    source: str = ""

    def sentence(self) -> str:
        """Say it in one line, without the source."""
        where = f" in code cell {self.cell}" if self.cell else ""
        said = [self.error, *self.message.strip().splitlines()[:1]]
        return f"{self.notebook or 'the run'} stopped{where}: {': '.join(said)}"


@dataclass(frozen=True)
class Run:
    """A report run: when, on what, with which parameters, and what came of it."""

    run_id: str
    folder: Path
    status: str  # complete or failed; in memory also unchanged or unreadable
    started: str  # ISO 8601, UTC
    seconds: float
    data: str  # the name only, never the path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pages: tuple[Page, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None  # the first of those of its pages
    fingerprint: str = ""  # of the values of the data, as `Dataset.fingerprint`
    window: Mapping[str, str] = field(default_factory=dict)  # first and last time, ISO 8601
    key: str = ""  # of all that the run was made from; empty if that is not known
    part: str = ""  # numbers of its notebooks, where it is not all of them
    ledger: str = ""  # the seal of the ledger of forecasts as it left it
    brand: Mapping[str, str] = field(default_factory=dict)  # as touchlab.reporting.brand reads it

    @property
    def page(self) -> Path:
        """The page to open first."""
        return self.folder / "index.html"

    @property
    def answer(self) -> str:
        """What it found, in a line: the first page that has an answer, of 00_overview if it ran."""
        return next((first_sentence(page.answer) for page in self.pages if page.answer), "")


def first_sentence(text: str, most: int = _LINE) -> str:
    """Cut a text after its first sentence (`U.S.` ends none), and after `most` letters.

    >>> first_sentence("69 % would have come anyway (badge: adjusted). email keeps most. More.")
    '69 % would have come anyway (badge: adjusted).'
    """
    found = _SENTENCE.match(text)
    return textwrap.shorten(found[0] if found else text, most, placeholder=" …")


def stopped(pages: Iterable[Page]) -> list[Page]:
    """List the pages with a failure: first those that failed, then those never run for it."""
    return sorted((page for page in pages if page.failure), key=lambda page: page.status)


def write_record(run: Run) -> None:
    """Write `run.json` into the folder of the run; the folder itself is not named in it."""
    record = {name: value for name, value in asdict(run).items() if name != "folder"}
    text = json.dumps(record, indent=1, ensure_ascii=False)
    (run.folder / FILE).write_text(f"{text}\n", encoding="utf-8")


def read_record(folder: Path) -> Run:
    """Read a run back; one that cannot be read comes back with status `unreadable`.

    Whoever may write to the folder may have written it: so it is read as from a stranger.
    """
    try:
        record = json.loads(read_own(folder / FILE, _LARGEST))
        _measure(record, _DEEPEST)
        pages = tuple(_of(Page, page) for page in record["pages"])
        if any({"/", "\\"} & {*page.name} or len(ascii(page.name)) > _LINE for page in pages):
            raise ValueError("a page is not a file of the folder")
        return _of(Run, {**record, "folder": folder, "pages": pages})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        broken = Failure(folder.name, 0, "run.json cannot be read", str(error))
        return Run(folder.name, folder, "unreadable", "", 0.0, "", failure=broken)


def _measure(value: Any, levels: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not levels:
        raise ValueError("too many levels")
    for one in inner:
        _measure(one, levels - 1)


def _of(kind: type[Any], record: Mapping[str, Any]) -> Any:
    """Make a Run, Page or Failure of what is known of it; other versions may have written more."""
    types = {field.name: _KINDS.get(field.type, object) for field in fields(kind)}
    known = {name: record[name] for name in types if name in record}
    if wrong := [name for name, value in known.items() if not isinstance(value, types[name])]:
        raise TypeError(f"of another type: {', '.join(wrong)}")
    if known.get("failure"):
        known["failure"] = _of(Failure, known["failure"])
    return kind(**known)


def read_records(out: Path) -> list[Run]:
    """Read all runs below `out`, newest first."""
    folders = [path.parent for path in out.glob(f"*/{FILE}")]
    own = [f for f in folders if f.name[0] != "." and not f.is_symlink()]  # as `latest` is
    # names begin with the time, so they order even the unreadable ones
    own.sort(key=lambda folder: folder.name.removeprefix("failed-"), reverse=True)
    return [read_record(folder) for folder in own]


def tables_of(run: Run) -> Path | None:
    """Find the tables that a run wrote itself; a link among them would lead to others."""
    tables = run.folder / TABLES
    linked = any(path.is_symlink() for path in (tables, *tables.rglob("*")))
    return tables if tables.is_dir() and not linked else None


def put_in_place(draft: Path, target: Path) -> None:
    """Rename a finished file, folder or link to its name, once all of it is on the disk itself.

    Else after a power cut there could be a run with empty files: a system may keep a rename before
    the content of what was renamed. A file or link of that name is replaced.
    """
    if not draft.is_symlink():
        for path in (*draft.rglob("*"), draft):
            _sync(path)
    draft.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk itself."""
    folder, windows = path.is_dir(), os.name == "nt"
    if folder and windows:  # it opens no folder
        return
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network disks take files only
        if not folder or error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
