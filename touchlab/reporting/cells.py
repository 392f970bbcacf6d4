"""The cells of an executed notebook as blocks of a page: what is shown, in which dress."""

import base64
import binascii
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from touchlab.reporting.sanitise import (
    CLASSES,
    clean_drawing,
    clean_html,
    clean_markdown,
    clean_text,
    plain,
)
from touchlab.reporting.spreadsheet import Download, download
from touchlab.reporting.tables import dress_tables

TABLE = "Table"  # name of a table without a caption, until its place on the page is known
_IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
_OURS = re.compile(rf"class=[\"']({'|'.join(sorted(CLASSES))})\b")
_WARNING_CODE = re.compile(r"^(\S[^\n]*:\d+: \w+: [^\n]*)\n  [^\n]*$", re.MULTILINE)
_CELL_PLACE = re.compile(r"^\S*ipykernel_\d+\S*:\d+: ", re.MULTILINE)
_WARNING_PATH = re.compile(r"^(?:[A-Za-z]:)?[^\s:]*[/\\]([^/\\:]+):(\d+): ", re.MULTILINE)


@dataclass(frozen=True)
class Image:
    """A picture inside the page: its data address and its size in pixels, 0 if unknown."""

    source: str
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Block:
    """One thing on a page. `kind` chooses its dress: prose, code, html, text, figure, note, error.

    `html` is Markup, cleaned; every other field is plain text and escaped by the template.
    `numbers` is the table behind it, to be taken along.
    """

    kind: str
    html: str = ""
    text: str = ""
    title: str = ""
    image: Image | None = None
    drawings: tuple[Markup, ...] = ()
    alt: str = ""
    numbers: Download | None = None


def blocks_of(notebook: Any) -> list[Block]:
    """Turn an executed notebook into the blocks of its page, in order."""
    return [block for cell in notebook.cells for block in _cell_blocks(cell)]


def first_answer(blocks: Iterable[Block]) -> str:
    """Read the first computed answer of a page, as one line; empty if it has none."""
    for block in blocks:
        if block.kind == "html":
            found = re.search(r'<(\w+) class="answer">(.*?)</\1>', block.html, re.DOTALL)
            if found:
                return plain(found[2])
    return ""


def _cell_blocks(cell: Any) -> Iterator[Block]:
    outputs = list(_output_blocks(cell.get("outputs", [])))
    if "remove" in cell.metadata.get("tags", []):
        yield from (block for block in outputs if block.kind == "error")
        return
    if cell.cell_type == "markdown" and cell.source.strip():
        markup = clean_markdown(_with_attachments(cell), own=True)
        yield Block("prose", html=_dressed(markup))
    if cell.cell_type == "code" and cell.source.strip():
        yield Block("code", html=highlight(cell.source))
    yield from outputs


def highlight(source: str) -> Markup:
    """Colour Python source by class names, without any style of its own."""
    from pygments import highlight as colour
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(colour(source, PythonLexer(stripnl=True), HtmlFormatter(nowrap=True)).rstrip())


def _output_blocks(outputs: list[Any]) -> Iterator[Block]:
    for output in _joined_streams(outputs):
        if output["output_type"] == "stream":
            text = clean_text(output["text"]).strip("\n")
            if text.strip():
                kind = "note" if output["name"] == "stderr" else "text"
                yield Block(kind, text=_readable(text))
        elif output["output_type"] == "error":
            yield error_block(output)
        else:
            yield from _data_block(output.get("data", {}), output.get("metadata", {}))


def error_block(output: Any) -> Block:
    """Show an error: its name and message at once, its traceback on demand."""
    trace = clean_text("\n".join(output.get("traceback", [])))
    return Block(
        "error",
        title=clean_text(output["ename"]),
        alt=clean_text(output["evalue"]),
        text=trace.strip("\n"),
    )


def _joined_streams(outputs: list[Any]) -> list[Any]:
    """Join neighbouring pieces of a stream: where they were cut depends on timing."""
    joined: list[Any] = []
    for output in outputs:
        same = joined and output["output_type"] == joined[-1]["output_type"] == "stream"
        if same and output["name"] == joined[-1]["name"]:
            joined[-1] = {**joined[-1], "text": joined[-1]["text"] + output["text"]}
        else:
            joined.append(output)
    return joined


def _data_block(data: Any, metadata: Any) -> Iterator[Block]:
    for mime in _IMAGES:
        image = _image(mime, data.get(mime))
        if image:
            words = metadata.get(mime, {})
            svg = data[mime] if mime == "image/svg+xml" else ""
            yield _figure(image, words if isinstance(words, dict) else {}, svg)
            return
    if "kept" in metadata.get("text/plain", {}):
        return  # tables handed on, for other pages and not for readers
    words = data.get("text/plain", "")
    says_something = bool(words.strip()) and not re.fullmatch(r"<[\w.]+ object[^>]*>", words)
    markup = data.get("text/html", "")
    if (markup and not says_something) or "<table" in markup or _OURS.search(markup):
        yield Block(
            "html",
            html=_dressed(clean_html(markup)),
            numbers=_numbers(metadata.get("text/html"), "caption"),
        )
    elif "text/markdown" in data:
        yield Block("html", html=_dressed(clean_markdown(data["text/markdown"])))
    elif words.strip():
        yield Block("text", text=clean_text(words))


def _dressed(markup: str) -> Markup:
    return Markup(dress_tables(markup, label=TABLE))


def _figure(image: Image, metadata: Any, svg: str) -> Block:
    """Show a plain drawing, wide and narrow, or else the image."""
    alt = clean_text(str(metadata.get("alt", "")))
    wide = clean_drawing(svg, "wide")
    narrow = clean_drawing(str(metadata.get("narrow", svg)), "narrow")
    if isinstance(metadata.get("width"), int) and isinstance(metadata.get("height"), int):
        image = Image(image.source, metadata["width"], metadata["height"])
    return Block(
        "figure",
        image=image,
        drawings=(wide, narrow) if wide and narrow else (),
        alt=alt,
        numbers=_numbers(metadata, "alt"),
    )


def _numbers(metadata: Any, title: str) -> Download | None:
    """Offer the table that an output carries, named after the first sentence of its title."""
    if not isinstance(metadata, dict) or "table" not in metadata:
        return None
    words = str(metadata.get(title, ""))
    return download(metadata["table"], re.split(r"[.:;] ", words, maxsplit=1)[0])


def _image(mime: str, content: object) -> Image | None:
    """Make a picture of base64 or SVG text, if it is one. SVG inside img cannot run scripts."""
    if not isinstance(content, str) or not content:
        return None
    try:
        if mime == "image/svg+xml":
            raw = content.encode("utf-8")
        else:
            raw = base64.b64decode("".join(content.split()), validate=True)
    except binascii.Error:
        return None
    return Image(f"data:{mime};base64,{base64.b64encode(raw).decode('ascii')}", *_size(raw))


def _size(raw: bytes) -> tuple[int, int]:
    """Read width and height of a PNG, so that the page does not jump while it loads."""
    if raw[:8] != b"\x89PNG\r\n\x1a\n" or raw[12:16] != b"IHDR":
        return 0, 0
    width, height = struct.unpack(">II", raw[16:24])
    return width, height


def _with_attachments(cell: Any) -> str:
    """Put pictures pasted into a prose cell where the prose refers to them."""
    source: str = cell.source
    for name, versions in cell.get("attachments", {}).items():
        for mime in ("image/png", "image/jpeg"):
            image = _image(mime, versions.get(mime))
            if image:
                source = source.replace(f"attachment:{name}", image.source)
    return source


def _readable(text: str) -> str:
    """Keep what a warning says; drop its place in a cell and the line of code it repeats.

    The place names a temporary file that differs from run to run. The notebook has it all.
    """
    text = _WARNING_CODE.sub(r"\1", text)
    text = _CELL_PLACE.sub("", text)
    return _WARNING_PATH.sub(r"\1:\2: ", text)
