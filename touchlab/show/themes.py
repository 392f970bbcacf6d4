"""Light and dark: the colours of figures, and a light picture made dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from PIL import Image

DPI = 170
FAINT = 0.07
"""Share of the accent where a number is least."""
LESS_LIKELY = 3.0
"""So much nearer, of 255, a colour must be to a blend of two inks than to one on paper."""


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; the palette is told apart by colour-blind readers [Okabe & Ito 2008]."""

    ink: str
    soft: str
    line: str
    paper: str
    accent: str
    palette: tuple[str, ...]

    @property
    def shades(self) -> LinearSegmentedColormap:
        """From little to much, for maps of numbers: the accent on paper, and never paper alone."""
        paper, accent = np.array(to_rgb(self.paper)), np.array(to_rgb(self.accent))
        faint = paper + FAINT * (accent - paper)
        return LinearSegmentedColormap.from_list("shades", [tuple(faint), self.accent])


LIGHT = Theme(
    "#1c2126", "#55606a", "#dfe3e6", "#ffffff", "#0b6e99",
    ("#0b6e99", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#6a51a3", "#7f7f7f"),
)  # fmt: skip
DARK = Theme(
    "#e4e8eb", "#a3adb5", "#39424a", "#1c2125", "#6dc1e6",
    ("#6dc1e6", "#f0924d", "#3dcfa6", "#e8a5cb", "#e6c34a", "#9ad4f5", "#b3a2e0", "#b0b0b0"),
)  # fmt: skip


def recolour(picture: Image.Image, before: Theme, after: Theme) -> Image.Image:
    """Give a picture of few colours another theme, without drawing it again.

    Every colour of a figure is an ink of its theme or, at edges and where it is transparent, a
    blend of two, mostly of an ink and the paper. Each becomes the same blend of the new inks;
    where three meet, it is near to that (docs/decisions/0021).
    """
    old, new = _inks(before), _inks(after)
    one, other = np.triu_indices(len(old), 1)  # the paper is the first: blends with it come first
    way = old[other] - old[one]
    colours = np.array(picture.getpalette(), dtype=float).reshape(-1, 1, 3)
    part = (((colours - old[one]) * way).sum(axis=2) / (way**2).sum(axis=1)).clip(0, 1)
    blends = old[one] + part[..., None] * way
    away = np.abs(colours - blends).max(axis=2) + LESS_LIKELY * (one > 0)
    best = away.argmin(axis=1)
    share = np.take_along_axis(part, best[:, None], axis=1)
    found = new[one[best]] + share * (new[other[best]] - new[one[best]])
    recoloured = picture.copy()
    recoloured.putpalette(found.round().astype(np.uint8).tobytes())
    return recoloured


def _inks(theme: Theme) -> npt.NDArray[np.float64]:
    """(inks, 3), of 255: the paper first."""
    names = (theme.paper, theme.ink, theme.soft, theme.line, theme.accent, *theme.palette[1:])
    return 255 * np.array([to_rgb(name) for name in names])


def style(theme: Theme) -> Any:
    """What matplotlib has to know of a theme."""
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
