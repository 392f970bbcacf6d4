"""Figures that draw themselves light or dark, for wide and narrow screens, with words."""

from __future__ import annotations

import base64
import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from itertools import chain
from typing import Any

import matplotlib as mpl
import pandas as pd
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox
from PIL import Image

from touchlab.privacy.shown import all_safe, why_hidden
from touchlab.show.tables import numbers_of
from touchlab.show.words import Show, note

DPI = 170
MARGIN = 0.12
"""Inches around a picture."""


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; the palette is told apart by colour-blind readers [Okabe & Ito 2008]."""

    ink: str
    soft: str
    line: str
    paper: str
    accent: str
    palette: tuple[str, ...]


LIGHT = Theme(
    "#1c2126", "#55606a", "#dfe3e6", "#ffffff", "#0b6e99",
    ("#0b6e99", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#6a51a3", "#7f7f7f"),
)  # fmt: skip
DARK = Theme(
    "#e4e8eb", "#a3adb5", "#39424a", "#1c2125", "#6dc1e6",
    ("#6dc1e6", "#f0924d", "#3dcfa6", "#e8a5cb", "#e6c34a", "#9ad4f5", "#b3a2e0", "#b0b0b0"),
)  # fmt: skip
WIDE, NARROW = 8.6, 4.4
"""Width in inches on a desk and on a phone: the same letters, fewer of them beside one another."""
LETTERS = 14
"""Small letters to an inch."""


@dataclass(frozen=True)
class Picture:
    """A figure that draws itself light or dark, for wide and narrow screens, with words.

    `draw` takes a theme and a width in inches; `alt` says what there is to see;
    `table` holds the numbers drawn; `left_out` says what is not.
    """

    draw: Callable[[Theme, float], Figure]
    alt: str
    table: pd.DataFrame
    left_out: str = ""

    def png(self, theme: Theme = LIGHT, width: float = WIDE) -> bytes:
        """Draw the picture as a PNG of few colours."""
        return self._pngs([theme], width)[0]

    def _pngs(self, themes: Sequence[Theme], width: float) -> list[bytes]:
        """Draw it in several themes, laid out once: colours move nothing."""
        found, layout = [], None
        for theme in themes:
            with mpl.rc_context(_style(theme)), warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*missing from.*font.*")
                figure = self.draw(theme, width)
                layout = layout or Layout.of(figure)
                picture = layout.paint(figure)
                if self.left_out:
                    picture = _with_small_print(picture, self.left_out, width)
            found.append(_packed(picture))
        return found

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        shapes = [self._pngs([LIGHT, DARK], width) for width in (WIDE, NARROW)]
        names = ("light", "dark", "narrow", "narrow_dark")
        variants = zip(names, chain(*shapes), strict=True)
        words = {name: base64.b64encode(png).decode() for name, png in variants}
        alt = f"{self.alt} {self.left_out}".strip()
        data = {"image/png": words.pop("light"), "text/plain": alt}
        return data, {"image/png": {"alt": alt, "table": numbers_of(self.table), **words}}


@dataclass(frozen=True)
class Layout:
    """Where the parts of a figure stand, and the region in inches that holds them all."""

    axes: list[Bbox]
    words: list[tuple[float, float]]
    region: Bbox

    @classmethod
    def of(cls, figure: Figure) -> Layout:
        """Find room for all parts of a figure."""
        FigureCanvasAgg(figure)  # takes the place of the one that cannot measure text
        if figure.axes:
            ConstrainedLayoutEngine().execute(figure)
        region = figure.get_tightbbox().padded(MARGIN)
        axes = [axes.get_position(original=True) for axes in figure.axes]
        return cls(axes, [text.get_position() for text in figure.texts], region)

    def paint(self, figure: Figure) -> Image.Image:
        """Draw this figure, or one like it in other colours."""
        for axes, place in zip(figure.axes, self.axes, strict=True):
            axes.set_position(place)
        for text, words in zip(figure.texts, self.words, strict=True):
            text.set_position(words)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="rgba", bbox_inches=self.region)
        width, height = (int(length * DPI) for length in self.region.size)
        return Image.frombuffer("RGBA", (width, height), drawn.getvalue()).convert("RGB")


def safe_picture(plot: Show) -> Show:
    """Let a function that draws see safe rows only; the picture says what is left out."""

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

    return drawn  # type: ignore[return-value]


def _packed(picture: Image.Image) -> bytes:
    # an octree takes a fifth of the time of a median cut, and comes nearer to rare colours
    few = picture.quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    few.save(packed, format="png")
    return packed.getvalue()


def _with_small_print(picture: Image.Image, words: str, width: float) -> Image.Image:
    """Put words under a picture; within the figure, they would meet a legend at its foot."""
    figure, lines = Figure(figsize=(width, 0.2)), textwrap.wrap(words, int(width * LETTERS))
    figure.text(0.0, 0.0, "\n".join(lines), fontsize=8, alpha=0.75)
    words_below = Layout.of(figure).paint(figure)
    size = max(picture.width, words_below.width), picture.height + words_below.height
    both = Image.new("RGB", size, mpl.rcParams["figure.facecolor"])
    both.paste(picture, (0, 0))
    both.paste(words_below, (0, picture.height))
    return both


def _style(theme: Theme) -> Any:
    return {
        "axes.edgecolor": theme.line,
        "axes.facecolor": theme.paper,
        "axes.grid": False,
        "axes.labelcolor": theme.soft,
        "axes.labelsize": 9.5,
        "axes.prop_cycle": cycler(color=list(theme.palette)),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "figure.dpi": DPI,
        "figure.facecolor": theme.paper,
        "font.size": 9.5,
        "grid.color": theme.line,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "savefig.dpi": "figure",
        "text.color": theme.ink,
        "text.parse_math": False,
        "xtick.color": theme.soft,
        "xtick.labelsize": 9,
        "ytick.color": theme.ink,
        "ytick.labelsize": 9.5,
        "ytick.left": False,
    }
