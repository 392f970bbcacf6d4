"""Figures that draw themselves light or dark, for wide and narrow screens, with words."""

from __future__ import annotations

import base64
import io
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from touchlab.privacy.shown import all_safe, why_hidden
from touchlab.show.tables import numbers_of
from touchlab.show.themes import DARK, DPI, LIGHT, Theme, recolour, style
from touchlab.show.words import Show, note

MARGIN = 0.12
"""Inches around a picture."""


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
        return _png(self._drawn(theme, width))

    def _drawn(self, theme: Theme, width: float) -> Image.Image:
        with mpl.rc_context(style(theme)), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*missing from.*font.*")
            picture = _painted(self.draw(theme, width))
            if self.left_out:
                picture = _with_small_print(picture, self.left_out, width)
        # an octree takes a fifth of the time of a median cut, and comes nearer to rare colours
        return picture.quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        light = {"light": self._drawn(LIGHT, WIDE), "narrow": self._drawn(LIGHT, NARROW)}
        dark = {name: recolour(picture, LIGHT, DARK) for name, picture in light.items()}
        drawn = {**light, "dark": dark["light"], "narrow_dark": dark["narrow"]}
        words = {name: base64.b64encode(_png(one)).decode() for name, one in drawn.items()}
        alt = f"{self.alt} {self.left_out}".strip()
        data = {"image/png": words.pop("light"), "text/plain": alt}
        return data, {"image/png": {"alt": alt, "table": numbers_of(self.table), **words}}


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


def _painted(figure: Figure) -> Image.Image:
    """Find room for all parts of a figure, and draw the region that holds them."""
    FigureCanvasAgg(figure)  # takes the place of the one that cannot measure text
    if figure.axes:
        ConstrainedLayoutEngine().execute(figure)
    region = figure.get_tightbbox().padded(MARGIN)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="rgba", bbox_inches=region)
    width, height = (int(length * DPI) for length in region.size)
    return Image.frombuffer("RGBA", (width, height), drawn.getvalue()).convert("RGB")


def _png(picture: Image.Image) -> bytes:
    packed = io.BytesIO()
    picture.save(packed, format="png")
    return packed.getvalue()


def _with_small_print(picture: Image.Image, words: str, width: float) -> Image.Image:
    """Put words under a picture; within the figure, they would meet a legend at its foot."""
    figure, lines = Figure(figsize=(width, 0.2)), textwrap.wrap(words, int(width * LETTERS))
    figure.text(0.0, 0.0, "\n".join(lines), fontsize=8, alpha=0.75)
    words_below = _painted(figure)
    size = max(picture.width, words_below.width), picture.height + words_below.height
    both = Image.new("RGB", size, mpl.rcParams["figure.facecolor"])
    both.paste(picture, (0, 0))
    both.paste(words_below, (0, picture.height))
    return both
