"""Markup of any origin made fit for a page: only what is on a list gets there, tables are dressed.

A touchpoint may be called ``<img src=x onerror=alert(1)>``. Whatever is not on the list is
shown as the text it is, so that nothing runs and nothing is lost.
"""

import html
import re
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring, tostring

from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "template"
TABLE = "Table"  # name of a table without a caption, until its place on the page is known
CLASSES = frozenset({"answer", "takeaway", "note", "dataframe", "num", "badge"})

_TAGS = {
    "a", "abbr", "b", "br", "code", "del", "em", "i", "kbd", "mark", "q", "s", "small", "span",
    "strong", "sub", "sup", "u", "blockquote", "div", "hr", "p", "pre", "dd", "dl", "dt", "li",
    "ol", "ul", "details", "summary", "h1", "h2", "h3", "h4", "h5", "h6", "caption", "col",
    "colgroup", "table",
    "tbody", "td", "tfoot", "th", "thead", "tr",
}  # fmt: skip
_ATTRIBUTES = frozenset({"colspan", "rowspan", "scope", "title", "alt", "start"})
_LINK = re.compile(r"(#[\w-]*|[\w-]+\.(html|ipynb)(#[\w-]*)?)")
_LINK_OUT = re.compile(r"(https?://|mailto:)[^\s]+", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_STYLE_ELEMENT = re.compile(r"<style\b[^>]*>.*?</style\s*>", re.DOTALL | re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b.")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_SVG = "{http://www.w3.org/2000/svg}"
_SHAPES = frozenset({"svg", "g", "defs", "clipPath", "path", "use", "rect", "text", "title"})
_SHAPE_ATTRIBUTE = re.compile(
    "id|href|clip-(path|rule)|d|x|y|width|height|viewBox|transform|opacity|text-anchor"
    "|fill(-opacity|-rule)?|font-(family|size|style|weight)"
    "|stroke(-dasharray|-dashoffset|-linecap|-linejoin|-miterlimit|-opacity|-width)?"
)
_NAME = r"[A-Za-z0-9_]{0,30}[0-9a-f]{10}"  # as matplotlib makes them: no part of a page has one
_SHAPE_VALUES = {
    "id": re.compile(_NAME),
    "href": re.compile(f"#{_NAME}"),
    "clip-path": re.compile(rf"url\(#{_NAME}\)"),
}
_SHAPE_VALUE = re.compile(r"(?!.*url)[\w\s.,#()-]*")

_MISSING = frozenset({"", "-", "\u2013", "\u2014", "nan", "NaN", "NaT", "None", "<NA>", "..."})
_HIDDEN = "hidden"  # as touchlab.show.Table writes numbers of few customers
# A number, with what may stand around it: signs, currencies, per cent, an interval, a unit.
_NUMBERLIKE = re.compile(r"[^A-Za-z]*\d[^A-Za-z]*(e[-+]?\d+)?[^A-Za-z]*(pp|x|d|s)?")
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")


def clean_html(markup: str, *, own: bool = False) -> str:
    """Keep the allowed markup, show the rest as text; prose of our own may link out."""
    # pandas puts a style element before each frame; as text it would be noise.
    return str(_cleaner(own).clean(_STYLE_ELEMENT.sub("", markup)))


def clean_markdown(text: str, *, own: bool = False) -> str:
    """Render Markdown and keep the allowed markup only; dollar signs are money, not formulas."""
    import mistune

    render = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])
    # Not clean_html: here a style element is text from data, and is shown.
    return str(_cleaner(own).clean(str(render(text)))).strip()


@cache
def _cleaner(own: bool) -> Any:
    from bleach.sanitizer import Cleaner

    def allowed(tag: str, name: str, value: str) -> bool:
        if name == "class":
            return bool(value.split()) and set(value.split()) <= CLASSES
        if tag == "a" and name == "href":
            return bool(_LINK.fullmatch(value) or (own and _LINK_OUT.fullmatch(value)))
        if tag == "img" and name == "src":
            return _IMAGE.fullmatch(value) is not None
        return name in _ATTRIBUTES

    return Cleaner(
        tags=_TAGS | {"img"} if own else _TAGS,
        attributes=allowed,
        protocols={"http", "https", "mailto", "data"},
    )


def without_colours(text: str) -> str:
    """Drop the codes by which a terminal colours text and moves about."""
    return _ANSI.sub("", text)


def clean_text(text: str) -> str:
    """Drop colour codes and control characters; of overwritten lines keep the last state."""
    text = without_colours(text).replace("\r\n", "\n")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return _CONTROL.sub("", "\n".join(lines))


def plain(markup: str) -> str:
    """Read the words of cleaned markup, on one line."""
    words = html.unescape(re.sub(r"<[^>]*>", " ", markup)).split()
    return re.sub(r" ([.,;:!?)]+)(?=\s|$)", r"\1", " ".join(words))


def clean_drawing(svg: str, dress: str) -> Markup | None:
    """Take a drawing into a page, in the colours of its style sheet; nothing if it is not plain.

    Plain is what `touchlab.show.Picture` draws: shapes and words, no styles, no scripts, no
    addresses. Any other SVG belongs into an ``img``, where a browser runs nothing.
    """
    try:
        root = fromstring("" if "<!" in svg or "<?" in svg else svg)
        for element in root.iter():
            element.tag = element.tag.removeprefix(_SVG)
            # what has a name draws no other thing by its name: no drawing in a drawing in a drawing
            named = "id" in element.attrib and element.tag not in ("path", "clipPath")
            known = element.tag in _SHAPES and (element.tag == "svg") == (element is root)
            if not known or named:
                return None
            for name, value in element.items():
                allowed = _SHAPE_VALUES.get(name, _SHAPE_VALUE)
                if not _SHAPE_ATTRIBUTE.fullmatch(name) or not allowed.fullmatch(value):
                    return None
            for name in ("fill", "stroke"):
                if (colour := element.get(name)) in figure_colours():
                    element.set(name, f"var(--figure-{figure_colours()[colour]})")
        root.attrib.pop("font-family", None)
        root.attrib |= {"class": dress, "preserveAspectRatio": "xMinYMin"}
        return Markup(tostring(root, encoding="unicode"))
    except (ParseError, RecursionError):
        return None


@cache
def figure_colours() -> dict[str | None, str]:
    """The colours that figures are drawn in, and what the style sheet calls them."""
    light = source("report.css").partition("@media")[0]
    return {colour: name for name, colour in re.findall(r"--figure-(\w+): (#\w+);", light)}


@cache
def source(name: str) -> str:
    """Read a style sheet or script of the pages."""
    return (TEMPLATES / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def dress_tables(markup: str, *, label: str = TABLE) -> Markup:
    """Give the tables of cleaned markup alignment, header scopes and a named scroll region."""
    if "<table" not in markup:
        return Markup(markup)
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(markup, "html.parser")
    for table in soup.find_all("table"):
        if table.find_parent("table") is None:
            _merge_header_rows(table)
            _drop_counting_index(table)
            _dress_cells(table)
            caption = table.find("caption")
            name = " ".join(caption.get_text(" ").split()) if caption else label
            region = {"aria-label": name, "class": "scroll", "role": "region", "tabindex": "0"}
            table.wrap(soup.new_tag("div", attrs=region))
    return Markup(soup)


def _dress_cells(table: Any) -> None:
    """Numbers to the right; a header names its column or row; dates do not break."""
    rows = [row.find_all(["td", "th"], recursive=False) for row in table.find_all("tr")]
    whole = [row for row in rows if not any(cell.has_attr("colspan") for cell in row)]
    # From the right, where the names of rows that span several do not move the numbers.
    for column in zip_longest(*map(reversed, whole)):
        cells = [cell for cell in column if cell is not None]
        texts = {
            _text(cell) for cell in cells if cell.name == "td" and not cell.find_parent("thead")
        }
        if texts - _MISSING and all(map(_is_number, texts - _MISSING)):
            for cell in cells:
                cell["class"] = ["num"]
    for cell in (cell for row in rows for cell in row):
        if cell.name == "th" and not _text(cell):
            cell.name = "td"  # an empty header names nothing
        elif cell.name == "th":
            cell["scope"] = "col" if cell.find_parent("thead") else "row"
        elif _DATE.match(_text(cell)):
            cell["class"] = ["when"]


def _text(cell: Any) -> str:
    return str(cell.get_text(" ", strip=True))


def _is_number(text: str) -> bool:
    # Intervals are written "1.2 to 3.4". The length first: the pattern is slow on long texts.
    text = text.replace(" to ", " ")
    number = len(text) < 40 and _NUMBERLIKE.fullmatch(text) and not _DATE.match(text)
    return text == _HIDDEN or bool(number)


def _merge_header_rows(table: Any) -> None:
    """Lift the names of an index into the row of the column names, as pandas prints two."""
    rows = table.select("thead tr")
    names = [row.find_all("th", recursive=False) for row in rows]
    if len(rows) != 2 or len(names[0]) != len(names[1]):
        return
    pairs = list(zip(*names, strict=True))
    both = any(_text(above) and _text(below) for above, below in pairs)
    if both or any(cell.has_attr("colspan") for row in names for cell in row):
        return
    for above, below in pairs:
        if _text(below):
            above.replace_with(below.extract())
    rows[1].decompose()


def _drop_counting_index(table: Any) -> None:
    """Drop the first column where it only counts 0, 1, 2: the default index of a frame."""
    corners, counts = (
        [row.find(["td", "th"]) for row in table.select(f"{part} tr")]
        for part in ("thead", "tbody")
    )
    cells = corners + counts
    if not corners or not counts or None in cells or any(cell.name == "td" for cell in counts):
        return
    spans = any(cell.has_attr("rowspan") or cell.has_attr("colspan") for cell in cells)
    counted = [""] * len(corners) + [str(number) for number in range(len(counts))]
    if not spans and list(map(_text, cells)) == counted:
        for cell in cells:
            cell.decompose()
