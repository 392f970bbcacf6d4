"""Text from data may be hostile: only an allow-list of markup reaches a page.

A touchpoint may be called ``<img src=x onerror=alert(1)>``. Whatever is not on the list is
shown as the text it is, so that nothing runs and nothing is lost.
"""

import html
import re
from functools import cache
from itertools import starmap
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring, tostring

from markupsafe import Markup

from touchlab.show.figures import colour_names

CLASSES = frozenset({"answer", "takeaway", "note", "dataframe", "num", "badge"})

_TAGS = frozenset(
    tag
    for group in (
        ("a", "abbr", "b", "br", "code", "del", "em", "i", "kbd", "mark", "q", "s"),
        ("small", "span", "strong", "sub", "sup", "u"),
        ("blockquote", "div", "hr", "p", "pre", "h1", "h2", "h3", "h4", "h5", "h6"),
        ("dd", "dl", "dt", "li", "ol", "ul"),
        ("caption", "col", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"),
    )
    for tag in group
)
_PLAIN_ATTRIBUTES = frozenset({"colspan", "rowspan", "scope", "title", "alt", "start"})
_SVG = "{http://www.w3.org/2000/svg}"
_SHAPES = frozenset({"g", "defs", "clipPath", "path", "use", "rect", "text", "title"})
_SHAPE_ATTRIBUTES = frozenset(
    name
    for group in (
        ("clip-path", "d", "height", "href", "id", "transform", "viewBox", "width", "x", "y"),
        ("fill", "fill-opacity", "fill-rule", "clip-rule", "opacity"),
        ("stroke", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin"),
        ("stroke-miterlimit", "stroke-opacity", "stroke-width"),
        ("font-family", "font-size", "font-style", "font-weight", "text-anchor"),
    )
    for name in group
)
_SHAPE_ID = r"[A-Za-z0-9_]{0,30}[0-9a-f]{10}"  # as matplotlib makes them: no part of a page has one
_SHAPE_VALUE = {
    "id": re.compile(_SHAPE_ID),
    "href": re.compile(rf"#{_SHAPE_ID}"),
    "clip-path": re.compile(rf"url\(#{_SHAPE_ID}\)"),
}
_PLAIN_VALUE = re.compile(r"(?!.*url)[\w\s.,#()-]*")
_LINK = re.compile(r"(#[\w-]*|[\w-]+\.(html|ipynb)(#[\w-]*)?)")
_COLOURS = colour_names()
_LINK_OUT = re.compile(r"(https?://|mailto:)[^\s]+", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_STYLE_ELEMENT = re.compile(r"<style\b[^>]*>.*?</style\s*>", re.DOTALL | re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b.")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def clean_html(markup: str, *, own: bool = False) -> str:
    """Keep the allowed markup; show everything else as text.

    Parameters
    ----------
    markup
        HTML of any origin.
    own
        It is prose of a notebook, not an output that may carry data: links that leave the
        report and embedded pictures are kept.

    Examples
    --------
    >>> clean_html('<p class="answer" onclick="x()">Email <img src=x onerror=alert(1)></p>')
    '<p class="answer">Email &lt;img src=x onerror=alert(1)&gt;</p>'
    """
    # pandas puts a style element before each frame; as text it would be noise.
    return str(_cleaner(own).clean(_STYLE_ELEMENT.sub("", markup)))


def clean_markdown(text: str, *, own: bool = False) -> str:
    """Render Markdown and keep the allowed markup only.

    Dollar signs stay dollar signs: amounts of money are more common here than formulas.

    Examples
    --------
    >>> clean_markdown("**12 %** of <b>all</b>")
    '<p><strong>12 %</strong> of <b>all</b></p>'
    """
    import mistune

    render = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])
    rendered = str(render(text))
    # Not clean_html: here a style element is text from data, and is shown.
    return str(_cleaner(own).clean(rendered)).strip()


def clean_text(text: str) -> str:
    """Drop colour codes and control characters; of overwritten lines keep the last state."""
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return _CONTROL.sub("", "\n".join(lines))


def clean_drawing(svg: str, dress: str) -> Markup | None:
    """Take a drawing into a page, in the colours of its style sheet; nothing if it is not plain.

    Plain is what `touchlab.show.Picture` draws: shapes and words, no styles, no scripts, no
    addresses. Any other SVG belongs into an ``img``, where a browser runs nothing.
    """
    try:
        root = fromstring("" if "<!" in svg or "<?" in svg else svg)
        for element in root.iter():
            element.tag = element.tag.removeprefix(_SVG)
            shape = element.tag in _SHAPES or (element is root and element.tag == "svg")
            # what has a name draws no other thing by its name: no drawing within a drawing within
            named = "id" in element.attrib and element.tag not in ("path", "clipPath")
            if not shape or named or not all(starmap(_is_plain, element.items())):
                return None
            for name in {"fill", "stroke"}.intersection(element.attrib):
                colour = element.attrib[name]
                if colour in _COLOURS:
                    element.set(name, f"var(--figure-{_COLOURS[colour]}, {colour})")
        root.attrib.pop("font-family", None)
        root.attrib |= {"class": dress, "preserveAspectRatio": "xMinYMin"}
        return Markup(tostring(root, encoding="unicode"))
    except (ParseError, RecursionError):
        return None


def _is_plain(name: str, value: str) -> bool:
    pattern = _SHAPE_VALUE.get(name, _PLAIN_VALUE)
    return name in _SHAPE_ATTRIBUTES and pattern.fullmatch(value) is not None


def plain(markup: str) -> str:
    """Read the words of cleaned markup, on one line."""
    words = html.unescape(re.sub(r"<[^>]*>", " ", markup)).split()
    return re.sub(r" ([.,;:!?)]+)(?=\s|$)", r"\1", " ".join(words))


@cache
def _cleaner(own: bool) -> Any:
    from bleach.sanitizer import Cleaner

    def allowed(tag: str, name: str, value: str) -> bool:
        if name == "class":
            return bool(value.split()) and set(value.split()) <= CLASSES
        if tag == "a" and name == "href":
            inside = _LINK.fullmatch(value) is not None
            return inside or (own and _LINK_OUT.fullmatch(value) is not None)
        if tag == "img" and name == "src":
            return _IMAGE.fullmatch(value) is not None
        return name in _PLAIN_ATTRIBUTES

    return Cleaner(
        tags=_TAGS | {"img"} if own else _TAGS,
        attributes=allowed,
        protocols={"http", "https", "mailto", "data"},
        strip=False,
        strip_comments=True,
    )
