"""Figures as SVG: drawn once for light, dark and paper, on wide and narrow screens, with words.

A drawing holds the colours of `LIGHT` and nothing that a page would have to trust: no style,
no script, no address outside itself. A page replaces each colour by a variable of its style
sheet, so one drawing serves light, dark and print; shown elsewhere it is light.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from inspect import Parameter, signature
from itertools import cycle, islice
from os import PathLike
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import Collection
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from touchlab.errors import ParameterError
from touchlab.privacy.shown import all_safe, why_hidden
from touchlab.show.notes import note
from touchlab.show.tables import numbers_of
from touchlab.show.words import begun, in_words

MARGIN = 0.12
"""Inches around a figure."""
WIDE, NARROW = 8.6, 4.4
"""Width in inches on a desk and on a phone: the same letters, fewer of them beside one another."""
LETTERS = 14
"""Small letters to an inch."""
SMALL_PRINT = 8.0
"""Size of letters below a figure, in points."""
FAINT = 0.07
"""How solid the shade is where a number is least."""

_XLINK = "{http://www.w3.org/1999/xlink}href"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONG_NUMBER = re.compile(r"\d+\.\d{3,}")
_DROPPED = {"font-family", "target", "style", "id", _XLINK}


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; the palette is told apart by colour-blind readers [Okabe & Ito 2008].

    Ink is readable on the whole of `shade`, which fills maps of numbers.
    """

    ink: str
    soft: str
    line: str
    paper: str
    accent: str
    shade: str
    palette: tuple[str, ...]
    axes: Axes | None = None
    """Of somebody's own figure, to draw on."""

    def in_colours(self, palette: str | Sequence[str]) -> Theme:
        """Take the colours of a list, or of a name that matplotlib knows, such as ``"Set2"``."""
        try:
            names = mpl.color_sequences[palette] if isinstance(palette, str) else palette
            own = [to_hex(colour) for colour in names]
            paler = to_hex(tuple(0.55 + 0.45 * np.array(to_rgb(own[0]))))  # ink is read on it
        except (IndexError, KeyError, TypeError, ValueError):
            known = ", ".join(sorted(mpl.color_sequences))
            raise ParameterError(
                f"palette: {palette!r} is neither a list of colours nor a name of one\n"
                f"  give colours, as ['#0b6e99', 'orange'], or any of {known}"
            ) from None
        more = tuple(islice(cycle(own), len(self.palette)))
        return replace(self, accent=own[0], shade=paler, palette=more)

    def by_name(self, names: Iterable[str]) -> dict[str, str]:
        """A colour for each name, by the alphabet: figures of the same names agree in them."""
        ordered = sorted(names, key=lambda name: (name.startswith("("), name))
        return dict(zip(ordered, cycle(self.palette), strict=False))

    @property
    def shades(self) -> LinearSegmentedColormap:
        """From little to much, for maps of numbers: the shade, from faint to solid."""
        ends = [(*to_rgb(self.shade), solid) for solid in (FAINT, 1.0)]
        return LinearSegmentedColormap.from_list("shades", ends)


LIGHT = Theme(
    "#1c2126", "#55606a", "#dfe3e6", "#ffffff", "#0b6e99", "#4398bd",
    ("#0b6e99", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#6a51a3", "#7f7f7f"),
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A figure that draws itself for wide and narrow screens, with words.

    `draw` takes a theme and a width in inches; `alt` says what there is to see;
    `table` holds the numbers drawn; `left_out` says what is not. A `title` of the reader's takes
    the place of the computed one; `theme` has the colours.
    """

    draw: Callable[[Theme, float], Figure]
    alt: str
    table: pd.DataFrame
    left_out: str = ""
    title: str | None = None
    theme: Theme = LIGHT

    def svg(self, width: float = WIDE) -> str:
        """Draw the picture; the same picture gives the same text."""
        salt = {"svg.hashsalt": f"{self.alt}{width}"}  # ids must differ between those of a page
        with mpl.rc_context(STYLE | salt), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*missing from.*font.*")
            drawn = _painted(self._drawn(self.theme, width))
        below = textwrap.wrap(self.left_out, int(width * LETTERS))
        return tostring(_plain_drawing(drawn, below), encoding="unicode")

    def savefig(self, path: str | PathLike[str], *, width: float = WIDE, dpi: float = 200) -> None:
        """Write the picture to a file, as its name ends: ``.svg``, ``.png`` or ``.pdf``.

        `width` is in inches; the height follows from what there is to see. What is left out, as
        few customers stand behind it, is said below the picture in the file too.

        Raises
        ------
        ParameterError
            If the name ends otherwise.
        """
        kind = Path(path).suffix.lower()
        if kind not in (".svg", ".png", ".pdf"):
            raise ParameterError(
                f"savefig: {str(path)!r} is no picture's name\n  let it end on .svg, .png or .pdf"
            )
        if kind == ".svg":
            Path(path).write_text(self.svg(width), encoding="utf-8")
            return
        undated = {"CreationDate": None} if kind == ".pdf" else {}
        with mpl.rc_context(STYLE):
            figure = self._drawn(self.theme, width)
            for text in figure.findobj(Text):
                text.set_text(in_words(text.get_text()))
            below = textwrap.fill(self.left_out, int(width * LETTERS))
            figure.text(0.01, -0.02, below, va="top", size=SMALL_PRINT, color=self.theme.soft)
            region, paper = _room(figure), self.theme.paper
            figure.savefig(
                path, dpi=dpi, facecolor=paper, bbox_inches=region, metadata=undated
            )  # fmt: skip

    def on(self, axes: Axes) -> None:
        """Draw on axes of somebody's own figure, of which nothing else is touched."""
        inches = axes.get_window_extent().width / axes.figure.dpi
        with mpl.rc_context(STYLE):
            drawn: Any = self._drawn(replace(self.theme, axes=axes), inches)
        if not isinstance(drawn, Guest):
            raise ParameterError(
                "ax: this figure has several panels, which one pair of axes cannot hold\n"
                "  leave ax out, and write it with .savefig(path)"
            )
        if self.left_out:
            axes.set_xlabel("\n".join(filter(None, [axes.get_xlabel(), self.left_out])), wrap=True)

    def _drawn(self, theme: Theme, width: float) -> Figure:
        figure = self.draw(theme, width)
        if self.title is not None:
            entitle(figure, self.title, width)
        return figure

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        alt = in_words(f"{self.alt} {self.left_out}".strip())
        more = {"alt": alt, "table": numbers_of(self.table), "narrow": self.svg(NARROW)}
        return {"image/svg+xml": self.svg(), "text/plain": alt}, {"image/svg+xml": more}


@dataclass(frozen=True)
class Guest:
    """Axes of somebody's own figure, where a plot asks for a figure of its own."""

    axes: Axes

    def suptitle(self, title: str, **looks: Any) -> None:
        self.axes.set_title(title, loc="left", **{n: looks[n] for n in ("fontsize", "fontweight")})

    def supxlabel(self, text: str, *, x: float, **looks: Any) -> None:
        self.axes.text(x, 0, text, va="top", transform=self.axes.transAxes, **looks)

    def legend(self, *, loc: str, **looks: Any) -> None:
        self.axes.legend(loc="upper left", bbox_to_anchor=(0, -0.15), **looks)


def entitle(figure: Figure, title: str, width: float) -> None:
    """Put a title over a figure; a long one takes more lines."""
    title = textwrap.fill(begun(in_words(title)), int(width * 9.2))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")


def styled(plot: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function that draws take `title`, `palette` and `ax`, as its signature says then."""
    own = signature(plot)
    types = {"title": "str", "palette": "str | Sequence[str]", "ax": "Axes"}
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=f"{kind} | None")
        for name, kind in types.items()
        if name not in own.parameters
    ]

    @wraps(plot)
    def drawn(*given: Any, palette: Any = None, ax: Axes | None = None, **choices: Any) -> Any:
        title = None if "title" in own.parameters else choices.pop("title", None)
        picture = plot(*given, **choices)
        if not isinstance(picture, Picture):  # a note, as all of it is hidden
            return picture
        theme = picture.theme if palette is None else picture.theme.in_colours(palette)
        alt = picture.alt if title is None else f"{title.rstrip('.')}. {picture.alt}"
        picture = replace(picture, title=title or picture.title, alt=alt, theme=theme)
        if ax is not None:
            picture.on(ax)
        return picture

    # what is wrapped is said of functions that leave rows out, and is the plain plot
    vars(drawn).pop("__wrapped__")
    vars(drawn).update(vars(plot))
    drawn.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]
    return drawn


def safe_picture(plot: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function that draws see safe rows only; the picture says what is left out."""

    @styled
    @wraps(plot)
    def drawn(*frames: Any, **choices: Any) -> Any:
        given, left_out, empty = all_safe(frames)
        if empty:
            return note(f"Not drawn, all of it is hidden: {why_hidden()}.")
        picture = plot(*given, **choices)
        if not left_out:
            return picture
        rows = "1 row" if left_out == 1 else f"{left_out:,} rows"
        said = f"Left out ({rows}): {why_hidden()}. The title speaks of what is drawn."
        return replace(picture, left_out=said)

    return drawn


def on_hover(marks: Collection, words: Iterable[str]) -> None:
    """Let each mark of a collection say its words to who points at it; empty ones say nothing."""
    marks.set_urls([word or None for word in words])  # `_plain` makes titles of them


def _room(figure: Figure) -> Bbox:
    """Find room for all parts of a figure: the region that holds them."""
    if figure.axes:
        ConstrainedLayoutEngine().execute(figure)
    return figure.get_tightbbox().padded(MARGIN)


def _painted(figure: Figure) -> str:
    FigureCanvasSVG(figure)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", bbox_inches=_room(figure))
    return drawn.getvalue()


def _plain_drawing(svg: str, below: list[str]) -> Element:
    """Say a drawing of matplotlib's without styles, with small print below it."""
    found = fromstring(_NO_XML.sub("", svg))
    width, height = (float(size) for size in found.attrib["viewBox"].split()[2:])
    step = 1.35 * SMALL_PRINT
    size = {"width": f"{width:.2f}", "height": f"{height + step * (len(below) + bool(below)):.2f}"}
    box = f"0 0 {size['width']} {size['height']}"
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=box)
    root.attrib |= {name: f"{points}pt" for name, points in size.items()}
    root.attrib |= {"font-family": "system-ui, sans-serif", "stroke-linejoin": "round"}
    SubElement(root, "rect", size, fill=LIGHT.paper)
    root.extend(part for child in found for part in _plain(child))
    for place, line in enumerate(below, 1):
        at = {"x": "9", "y": f"{height + step * place:.2f}", "fill": LIGHT.soft}
        SubElement(root, "text", {**at, "font-size": f"{SMALL_PRINT}px"}).text = line
    return root


def _plain(element: Element, *, named: bool = False) -> Iterator[Element]:
    """Write styles as attributes and addresses as titles; drop groups that say nothing."""
    tag = element.tag.partition("}")[2]
    if tag in ("metadata", "style"):
        return
    said = dict(part.split(": ", 1) for part in element.get("style", "").split("; ") if part)
    given = {**said, **element.attrib}
    kept = {name: _shorter(value) for name, value in given.items() if name not in _DROPPED}
    if kept.get("transform", "").startswith("rotate(-0 "):
        del kept["transform"]
    if named and "id" in given:
        kept["id"] = given["id"]
    if tag == "use":
        kept["href"] = given[_XLINK]
    parts = [p for child in element for p in _plain(child, named=named or tag == "defs")]
    if not kept and tag in ("g", "defs") and not (tag == "defs" and parts):
        yield from parts
        return
    plain = Element("g" if tag == "a" else tag, kept)
    if tag == "a":
        SubElement(plain, "title").text = in_words(element.get(_XLINK, ""))
    else:
        plain.text = in_words((element.text or "").strip()) or None
    plain.extend(parts)
    yield plain


def _shorter(value: str) -> str:
    """A hundredth of a point is more than a screen shows."""
    rounded = _LONG_NUMBER.sub(lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), value)
    return " ".join(rounded.split())


STYLE: Any = {
    "axes.edgecolor": LIGHT.line,
    "axes.facecolor": LIGHT.paper,
    "axes.labelcolor": LIGHT.soft,
    "axes.prop_cycle": cycler(color=list(LIGHT.palette)),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "font.size": 9.5,
    "grid.color": LIGHT.line,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "none",
    "text.color": LIGHT.ink,
    "text.parse_math": False,
    "xtick.color": LIGHT.soft,
    "xtick.labelsize": 9,
    "ytick.color": LIGHT.ink,
    "ytick.left": False,
}
"""What matplotlib has to know."""
