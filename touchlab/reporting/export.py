"""An executed notebook as one HTML page that asks the network for nothing.

nbconvert is not used: its templates do not escape by default, load scripts from elsewhere,
read amounts in dollars as formulas, and take 1.5 s to import.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from touchlab.reporting.cells import TABLE, Block, blocks_of
from touchlab.reporting.notebooks import title_of
from touchlab.reporting.record import Run
from touchlab.reporting.sanitise import plain

_TEMPLATES = Path(__file__).parent / "template"
_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_NAMED_HEADING = re.compile(r"<h([1-6])[^>]*>(.*?)</h\1>", re.DOTALL)
_UNNAMED_TABLE = re.compile(rf'aria-label="{TABLE}"')
_NOTEBOOK_LINK = re.compile(r'<a href="([\w-]+)\.(?:ipynb|html)(#[\w-]*)?">(.*?)</a>', re.DOTALL)


@dataclass(frozen=True)
class Heading:
    """A heading of a page: its level, its words and the name to link to."""

    level: int
    words: str
    name: str


def export_html(
    notebook: Any, *, name: str, run: Run | None = None, blocks: Sequence[Block] | None = None
) -> str:
    """Render an executed notebook as a page that is safe to open and to pass on.

    Code is hidden behind one switch. Markup in outputs is reduced to an allow-list, so text
    from data cannot run. The same notebook and run give the same page, byte by byte.

    Parameters
    ----------
    notebook
        NotebookNode of format 4.
    name
        Name of the notebook without ending; it names the page.
    run
        The run it belongs to: its data, parameters and other pages are linked.
    blocks
        What `blocks_of` made of the notebook, where that is known already.

    Returns
    -------
    The text of a complete HTML document.
    """
    pages = [page.name for page in run.pages] if run else []
    found = blocks_of(notebook) if blocks is None else blocks
    linked, headings = _with_headings([_with_links(block, pages) for block in found])
    position = pages.index(name) if name in pages else None
    return render_page(
        "notebook.html.j2",
        title=title_of(notebook, name),
        name=name,
        run=run,
        blocks=_with_names(linked),
        toc=[heading for heading in headings if heading.level == 2],
        has_code=any(block.kind == "code" for block in linked),
        previous=run.pages[position - 1] if run and position else None,
        following=_at(run.pages, position + 1) if run and position is not None else None,
    )


def render_page(template: str, *, scripts: Sequence[str] = ("page.js",), **values: Any) -> str:
    """Render one of the templates with the shared style, its scripts and its content policy.

    A page reads fully without its scripts: they add the sorting, filtering and comparing.
    """
    style, sources = _source("report.css"), [_source(name) for name in scripts]
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            scripts=[Markup(source) for source in sources],
            policy=_policy(style, sources),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    # StrictUndefined: a misspelt name in a template fails loudly instead of showing nothing.
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    environment.filters["setting"] = setting
    environment.filters["duration"] = duration
    environment.filters["window"] = window
    return environment


@cache
def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Allow this very style sheet, these scripts and embedded pictures, and nothing else."""
    allowed = " ".join(map(_digest, scripts)) or "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )


def _digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def moment(text: str) -> str:
    """Write an ISO time for reading.

    Examples
    --------
    >>> moment("2026-02-28T09:30:00+00:00")
    '28 Feb 2026, 09:30 UTC'
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    # Not %b, which speaks the language of the machine.
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * time.month - 3 : 3 * time.month]
    return f"{time.day} {month} {time:%Y, %H:%M} UTC"


def window(ends: Mapping[str, str]) -> str:
    """Write the first and last day of data for reading; empty if they are not known.

    Examples
    --------
    >>> window({"first": "2025-01-01T00:00:00", "last": "2025-12-31T23:10:00"})
    '1 Jan 2025 to 31 Dec 2025'
    """
    days = [moment(str(ends.get(end, ""))).partition(",")[0] for end in ("first", "last")]
    return " to ".join(days) if all(days) else ""


def duration(seconds: float) -> str:
    """Write seconds for reading.

    Examples
    --------
    >>> duration(8.24), duration(75)
    ('8.2 s', '1 min 15 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def setting(value: object) -> str:
    """Write the value of a parameter for reading.

    Examples
    --------
    >>> setting("churn"), setting(True), setting([0.4, 0.2])
    ('churn', 'true', '0.4, 0.2')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(setting, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {setting(item)}" for key, item in value.items())
    return str(value)


def _with_headings(blocks: Sequence[Block]) -> tuple[list[Block], list[Heading]]:
    """Give headings names that stay the same from run to run, and collect them."""
    taken: dict[str, int] = {}
    headings: list[Heading] = []

    def named(match: re.Match[str]) -> str:
        words = plain(match[2])
        name = re.sub(r"[^\w]+", "-", words.lower()).strip("-") or "section"
        taken[name] = taken.get(name, 0) + 1
        name = name if taken[name] == 1 else f"{name}-{taken[name]}"
        headings.append(Heading(int(match[1]), words, name))
        return f'<h{match[1]} id="{escape(name)}">{match[2]}</h{match[1]}>'

    changed = [replace(block, html=_substitute(_HEADING, named, block)) for block in blocks]
    return changed, headings


def _with_links(block: Block, pages: Sequence[str]) -> Block:
    """Let links between notebooks lead to their pages; without a page, leave the words."""

    def linked(match: re.Match[str]) -> str:
        if match[1] not in pages:
            return match[3]
        return f'<a href="{match[1]}.html{match[2] or ""}">{match[3]}</a>'

    return replace(block, html=_substitute(_NOTEBOOK_LINK, linked, block))


def _substitute(pattern: re.Pattern[str], change: Any, block: Block) -> str:
    if block.kind not in ("prose", "html"):
        return block.html
    return Markup(pattern.sub(change, str(block.html)))


def _with_names(blocks: Sequence[Block]) -> list[Block]:
    """Name tables without a caption and figures without a description after their section."""
    section = ""
    number = 0
    named = []

    def table(_match: re.Match[str]) -> str:
        nonlocal number
        number += 1
        return f'aria-label="{escape(_placed(f"{TABLE} {number}", section))}"'

    for block in blocks:
        words = [plain(match[2]) for match in _NAMED_HEADING.finditer(block.html)]
        section = words[-1] if words and block.kind == "prose" else section
        if block.kind == "figure" and not block.alt.strip():
            block = replace(block, alt=_placed("Figure without a description", section))
        named.append(replace(block, html=_substitute(_UNNAMED_TABLE, table, block)))
    return named


def _placed(name: str, section: str) -> str:
    return f"{name}, in the section “{section}”" if section else name


def _at(items: Sequence[Any], position: int) -> Any:
    return items[position] if position < len(items) else None
