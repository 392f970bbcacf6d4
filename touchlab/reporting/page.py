"""An executed notebook as one HTML page that asks the network for nothing (decision 0019)."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from html import escape
from itertools import groupby
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from touchlab.reporting.brand import known, style_of
from touchlab.reporting.clean import (
    CLASSES,
    TABLE,
    TEMPLATES,
    clean_drawing,
    clean_html,
    clean_markdown,
    clean_text,
    dress_tables,
    plain,
    source,
)
from touchlab.reporting.files import Download, download
from touchlab.reporting.notebooks import title_of
from touchlab.reporting.record import Run, first_sentence

_DRAWN = "image/svg+xml"
_IMAGES = ("image/png", "image/jpeg", _DRAWN)
_OURS = re.compile(rf"class=[\"']({'|'.join(sorted(CLASSES))})\b")
_ANSWER = re.compile(r'<(\w+) class="answer">(.*?)</\1>', re.DOTALL)
_WARNING_CODE = re.compile(r"^(\S[^\n]*:\d+: \w+: [^\n]*)\n  [^\n]*$", re.MULTILINE)
_CELL_PLACE = re.compile(r"^\S*ipykernel_\d+\S*:\d+: ", re.MULTILINE)
_WARNING_PATH = re.compile(r"^(?:[A-Za-z]:)?[^\s:]*[/\\]([^/\\:]+):(\d+): ", re.MULTILINE)
_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_NOTES = re.compile(r'(<p class="note">((?!</?p).)*</p>\s*)+', re.DOTALL)
_NARROW = re.compile(r'<svg (?:[^>]*)class="narrow"[^>]*>.*?</svg>', re.DOTALL)
_UNNAMED_TABLE = f'aria-label="{TABLE}"'
_NOTEBOOK_LINK = re.compile(r'<a href="([\w-]+)\.(?:ipynb|html)(#[\w-]*)?">(.*?)</a>', re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One thing on a page. `kind` chooses its dress: prose, code, html, text, figure, note, error.

    `html` is cleaned; every other field is plain text and escaped by the template. A figure is a
    drawing in `html`, or an image: its data address in `text`, its size in pixels where it is
    known. `numbers` is the table behind it, to be taken along.
    """

    kind: str
    html: str = ""
    text: str = ""
    title: str = ""
    alt: str = ""
    size: tuple[int, int] | None = None
    numbers: Download | None = None


def export_html(
    notebook: Any, *, name: str, run: Run | None = None, blocks: Sequence[Block] | None = None
) -> str:
    """Render an executed notebook as a page that is safe to open and to pass on.

    The same notebook and run give the same page, byte by byte. `blocks` is what `blocks_of` made
    of the notebook, where that is known already.
    """
    pages = run.pages if run else ()
    names = [page.name for page in pages]
    found = blocks_of(notebook) if blocks is None else blocks
    stopped = bool(run and run.failure and run.failure.notebook == name)
    shown, unanswered = (list(found), []) if stopped else answered(found)
    placed, headings = _placed(shown, names)
    place = names.index(name) if name in names else len(names)
    return render_page(
        "notebook.html.j2",
        brand=run.brand if run else None,
        title=title_of(notebook, name),
        name=name,
        run=run,
        blocks=placed,
        toc=[heading for heading in headings if heading["level"] == "2"],
        unanswered=unanswered,
        menu=[(page, menu_name(page.name)) for page in pages],
        has_code=any(block.kind == "code" for block in placed),
        previous=pages[place - 1] if 0 < place < len(names) else None,
        following=pages[place + 1] if place + 1 < len(names) else None,
    )


def blocks_of(notebook: Any) -> list[Block]:
    """Turn an executed notebook into the blocks of its page, in order."""
    return [block for cell in notebook.cells for block in _cell_blocks(cell)]


def menu_name(name: str) -> str:
    """Call a page in a menu: ``Touchpoint map`` for ``01_touchpoint_map``."""
    return name.lstrip("0123456789_-").replace("_", " ").capitalize() or name


def answered(blocks: Iterable[Block]) -> tuple[list[Block], list[tuple[str, str]]]:
    """Take out the sections whose cells show nothing but what is missing.

    Returns the rest, and the heading of each section taken out with what it would take.
    """
    sections: list[list[Block]] = [[]]
    for block in blocks:
        if block.kind == "prose" and "<h2>" in block.html:
            sections.append([])
        sections[-1].append(block)
    kept, missing = sections[0], []
    for section in sections[1:]:
        cells = [block for block in section if block.kind != "prose"]
        shown = [block for block in cells if block.kind != "code"]
        if not cells or not all(map(_only_note, shown)):
            kept += section
            continue
        heading = _HEADING.search(section[0].html)
        said = " ".join(plain(block.html) for block in shown)
        missing.append((plain(heading[2]) if heading else "", said))
    return [block for block in kept if block.kind != "kept"], missing


def _only_note(block: Block) -> bool:
    return block.kind == "html" and bool(_NOTES.fullmatch(block.html.strip()))


def first_drawing(page: str) -> Markup:
    """Find the first drawing of a page, as it is on narrow screens; empty if there is none."""
    found = _NARROW.search(page)
    return Markup(found[0]) if found else Markup("")


def answer_of(blocks: Iterable[Block]) -> str:
    """Read the computed answers of a page, as one line; empty if it has none."""
    return " ".join(answers_of(blocks))


def answers_of(blocks: Iterable[Block]) -> list[str]:
    """Read the computed answers of a page, each line of it."""
    found = (_ANSWER.finditer(block.html) for block in blocks if block.kind == "html")
    return [plain(answer[2]) for answers in found for answer in answers]


def _cell_blocks(cell: Any) -> Iterator[Block]:
    outputs = list(_output_blocks(cell.get("outputs", [])))
    if "remove" in cell.metadata.get("tags", []):
        yield from (block for block in outputs if block.kind == "error")
        return
    if cell.source.strip():
        if cell.cell_type == "markdown":
            yield Block("prose", dress_tables(clean_markdown(_with_attachments(cell), own=True)))
        if cell.cell_type == "code":
            yield Block("code", _highlight(cell.source))
    yield from outputs


def _highlight(code: str) -> Markup:
    """Colour Python source by class names, without any style of its own."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(highlight(code, PythonLexer(stripnl=True), HtmlFormatter(nowrap=True)).rstrip())


def _output_blocks(outputs: list[Any]) -> Iterator[Block]:
    """Where a stream was cut depends on timing: neighbouring pieces are one block."""
    for (kind, name), group in groupby(outputs, lambda one: (one["output_type"], one.get("name"))):
        if kind == "stream":
            text = clean_text("".join(piece["text"] for piece in group)).strip("\n")
            if text.strip():
                yield Block("note" if name == "stderr" else "text", text=_readable(text))
            continue
        for output in group:
            if kind == "error":
                trace = clean_text("\n".join(output.get("traceback", []))).strip("\n")
                title, message = clean_text(output["ename"]), clean_text(output["evalue"])
                yield Block("error", title=title, alt=message, text=trace)
            else:
                yield from _data_block(output.get("data", {}), output.get("metadata", {}))


def _data_block(data: Any, metadata: Any) -> Iterator[Block]:
    told = {mime: words for mime, words in metadata.items() if isinstance(words, dict)}
    for mime in _IMAGES:
        if address := _address(mime, data.get(mime)):
            yield _figure(address, data[mime] if mime == _DRAWN else "", told.get(mime, {}))
            return
    if "kept" in told.get("text/plain", {}):
        yield Block("kept")  # tables handed on, for other pages and not for readers
        return
    words, markup = data.get("text/plain", ""), data.get("text/html", "")
    says_something = bool(words.strip()) and not re.fullmatch(r"<[\w.]+ object[^>]*>", words)
    if (markup and not says_something) or "<table" in markup or _OURS.search(markup):
        carried = told.get("text/html", {})
        numbers = download(carried.get("table"), str(carried.get("caption", "")))
        yield Block("html", dress_tables(clean_html(markup)), numbers=numbers)
    elif "text/markdown" in data:
        yield Block("html", dress_tables(clean_markdown(data["text/markdown"])))
    elif words.strip():
        yield Block("text", text=clean_text(words))


def _figure(address: str, svg: str, told: Mapping[str, Any]) -> Block:
    """Show a plain drawing, wide and narrow, or else the image."""
    drawings = [clean_drawing(svg, "wide"), clean_drawing(str(told.get("narrow", svg)), "narrow")]
    alt = clean_text(str(told.get("alt", "")))
    numbers = download(told.get("table"), alt)
    if all(drawings):
        return Block("figure", Markup().join(filter(None, drawings)), alt=alt, numbers=numbers)
    given = (told.get("width"), told.get("height"))
    size: Any = given if all(isinstance(length, int) for length in given) else _size(address)
    return Block("figure", text=address, size=size, alt=alt, numbers=numbers)


def _address(mime: str, content: object) -> str:
    """Make a data address of base64 or SVG text; empty if it is neither."""
    if not isinstance(content, str) or not content:
        return ""
    if mime == _DRAWN:
        content = base64.b64encode(content.encode()).decode()
    packed = "".join(content.split())
    try:
        base64.b64decode(packed, validate=True)
    except ValueError:  # binascii's errors, and of letters outside ASCII
        return ""
    return f"data:{mime};base64,{packed}"


def _size(address: str) -> tuple[int, int] | None:
    """Read width and height of a PNG, so that the page does not jump while it loads."""
    raw = base64.b64decode(address.partition(",")[2])
    known = raw[:8] == b"\x89PNG\r\n\x1a\n" and raw[12:16] == b"IHDR"
    return (int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])) if known else None


def _with_attachments(cell: Any) -> str:
    """Put pictures pasted into a prose cell where the prose refers to them."""
    text: str = cell.source
    for name, versions in cell.get("attachments", {}).items():
        for mime in ("image/png", "image/jpeg"):
            if address := _address(mime, versions.get(mime)):
                text = text.replace(f"attachment:{name}", address)
    return text


def _readable(text: str) -> str:
    """Keep what a warning says; drop its place, which differs from run to run, and its code."""
    return _WARNING_PATH.sub(r"\1:\2: ", _CELL_PLACE.sub("", _WARNING_CODE.sub(r"\1", text)))


def _placed(
    blocks: Iterable[Block], pages: Sequence[str]
) -> tuple[list[Block], list[dict[str, str]]]:
    """Name headings the same from run to run, and tables and figures by where they stand.

    Links between notebooks lead to their pages; where there is none, the words stay. Of each
    heading it returns level, words and the name to link to.
    """
    headings: list[dict[str, str]] = []
    taken: Counter[str] = Counter()
    section = ""

    def heading(match: re.Match[str]) -> str:
        words = plain(match[2])
        name = re.sub(r"[^\w]+", "-", words.lower()).strip("-") or "section"
        taken[name] += 1
        name = name if taken[name] == 1 else f"{name}-{taken[name]}"
        headings.append({"level": match[1], "words": words, "name": name})
        return f'<h{match[1]} id="{escape(name)}">{match[2]}</h{match[1]}>'

    def link(match: re.Match[str]) -> str:
        known = match[1] in pages
        return f'<a href="{match[1]}.html{match[2] or ""}">{match[3]}</a>' if known else match[3]

    def described(what: str) -> str:
        return f"{what}, in the section “{section}”" if section else what

    placed = []
    for block in blocks:
        if block.kind in ("prose", "html"):
            html = _NOTEBOOK_LINK.sub(link, _HEADING.sub(heading, block.html))
            section = headings[-1]["words"] if block.kind == "prose" and headings else section
            while _UNNAMED_TABLE in html:
                taken[TABLE] += 1
                name = escape(described(f"{TABLE} {taken[TABLE]}"))
                html = html.replace(_UNNAMED_TABLE, f'aria-label="{name}"', 1)
            block = replace(block, html=Markup(html))
        elif block.kind == "figure" and not block.alt.strip():
            block = replace(block, alt=described("Figure without a description"))
        placed.append(block)
    return placed, headings


def render_page(
    template: str,
    *,
    scripts: Sequence[str] = ("page.js",),
    brand: Mapping[str, Any] | None = None,
    **values: Any,
) -> str:
    """Render a template; its policy allows this very style, these scripts and embedded pictures."""
    style, values["logo"] = source("report.css"), known(brand or {}).get("logo", "")
    style += style_of(brand or {})
    sources = [source(name) for name in scripts]
    allowed = " ".join(map(_digest, sources)) or "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template(template)
        .render(style=Markup(style), scripts=map(Markup, sources), policy=policy, **values)
    )


@cache
def _environment() -> Environment:
    # StrictUndefined: a misspelt name in a template fails loudly instead of showing nothing.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        f.__name__: f for f in (moment, setting, duration, window, first_sentence)
    }
    return environment


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def moment(text: str) -> str:
    """Write an ISO time for reading: 28 Feb 2026, 09:30 UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    # Not %b, which speaks the language of the machine.
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * time.month - 3 : 3 * time.month]
    return f"{time.day} {month} {time:%Y, %H:%M} UTC"


def window(ends: Mapping[str, str]) -> str:
    """Write the first and last day of data for reading; empty if they are not known."""
    days = [moment(str(ends.get(end, ""))).partition(",")[0] for end in ("first", "last")]
    return " to ".join(days) if all(days) else ""


def duration(seconds: float) -> str:
    """Write seconds for reading: 8.2 s, or 1 min 15 s."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def setting(value: object) -> str:
    """Write the value of a parameter for reading: true, or 0.4, 0.2."""
    if isinstance(value, list):
        return ", ".join(map(setting, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {setting(item)}" for key, item in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)
