"""What is remembered of a run: one `run.json` in its folder, read back for the index."""

import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE = "run.json"
_LINE = 240  # letters of an answer in a list of runs
_SENTENCE = re.compile(r".*?(?:\w\w|[%)\]”\"'])[.!?](?=\s|$)", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """One notebook of a run: its question, its answer, how long it took and its page."""

    name: str
    title: str
    answer: str
    seconds: float
    status: str  # complete, failed or not run
    key: str = ""  # what it was made from (keys.py); empty if that is not known
    copied_from: str = ""  # the run that computed it, if nothing had changed since
    failure: "Failure | None" = None

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
        lines = self.message.strip().splitlines()
        said = f": {lines[0]}" if lines else ""
        return f"{self.notebook} stopped{where}: {self.error}{said}"


def no_window() -> dict[str, str]:
    """Give the window of data without times: its first and last time, ISO 8601 or empty."""
    return {"first": "", "last": ""}


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
    window: Mapping[str, str] = field(default_factory=no_window)
    data_key: str = ""  # of the files of the data

    @property
    def page(self) -> Path:
        """The page to open first."""
        return self.folder / "index.html"

    @property
    def answer(self) -> str:
        """What it found, in a line: the first page that has an answer, of 00_overview if it ran."""
        return next((first_sentence(page.answer) for page in self.pages if page.answer), "")


def first_sentence(text: str) -> str:
    """Cut a text after its first sentence, and a very long one after some words.

    A point after a single letter, as in `U.S.`, ends no sentence; one after a longer short form
    does.

    Examples
    --------
    >>> first_sentence("69 % would have come anyway (badge: adjusted). email keeps most. More.")
    '69 % would have come anyway (badge: adjusted).'
    """
    found = _SENTENCE.match(text)
    return textwrap.shorten(found[0] if found else text, _LINE, placeholder=" …")


def stopped(pages: Iterable[Page]) -> list[Page]:
    """List the pages with a failure: first those that failed, then those never run for it."""
    return sorted((page for page in pages if page.failure), key=lambda page: page.status)


def write_record(run: Run) -> Path:
    """Write `run.json` into the folder of the run; the folder itself is not named in it."""
    record = asdict(run)
    del record["folder"]
    path = run.folder / FILE
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_record(folder: Path) -> Run:
    """Read a run back; one that cannot be read comes back with status `unreadable`."""
    try:
        record = json.loads((folder / FILE).read_text(encoding="utf-8"))
        failure = record["failure"] and Failure(**record["failure"])
        pages = tuple(map(_read_page, record["pages"]))
        run = Run(**{**record, "folder": folder, "failure": failure, "pages": pages})
        return _checked(run)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        broken = Failure(folder.name, 0, "run.json cannot be read", str(error))
        return Run(folder.name, folder, "unreadable", "", 0.0, "", failure=broken)


def _read_page(page: Any) -> Page:
    failure = page.get("failure") and Failure(**page["failure"])
    return Page(**{**page, "failure": failure})


def _checked(run: Run) -> Run:
    """Refuse records whose types would break a page, or whose names would leave the folder."""
    texts = (run.run_id, run.status, run.started, run.data, *run.versions.values())
    texts += tuple(text for page in run.pages for text in _texts(page))
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is missing")
    seconds = (run.seconds, *(page.seconds for page in run.pages))
    if not all(isinstance(number, int | float) for number in seconds):
        raise TypeError("a duration is missing")
    if not isinstance(run.parameters, dict) or not isinstance(run.window, dict):
        raise TypeError("parameters or window are not a mapping")
    if any("/" in name or "\\" in name for page in run.pages for name in _names(page)):
        raise ValueError("a page lies outside the folder")
    return run


def _texts(page: Page) -> tuple[str, ...]:
    return page.name, page.title, page.answer, page.status, page.key, page.copied_from


def _names(page: Page) -> tuple[str, ...]:
    return page.name, page.copied_from


def read_records(out: Path) -> list[Run]:
    """Read all runs below `out`, newest first."""
    folders = [
        path.parent
        for path in out.glob(f"*/{FILE}")
        if path.parent.name[0] != "." and not path.parent.is_symlink()  # as `latest` is
    ]
    return sorted(map(read_record, folders), key=_age, reverse=True)


def _age(run: Run) -> str:
    # Names begin with the time, so folder names order even the unreadable ones.
    return run.folder.name.removeprefix("failed-")
