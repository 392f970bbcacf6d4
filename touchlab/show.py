"""What a notebook shows: computed sentences, tables for reading, pictures with words.

Each object has a rich display in JupyterLab and carries what a report page needs.
"""

from __future__ import annotations

import base64
import html
import io
import platform
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import matplotlib as mpl
import pandas as pd
from cycler import cycler
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from touchlab.dataset import Dataset
from touchlab.errors import MissingInput

Role = Literal["answer", "takeaway", "note"]

PERCENT = {"share", "rate", "probability", "removal", "roi", "present", "weight"}
PERCENT |= {"rate_treated", "rate_holdout", "share_error", "coverage", "false_alarms"}
RATIOS = {"hazard_ratio", "lead_ratio", "lead", "e_value", "amount_error", "baseline_error", "rank"}
LIKELIHOODS = {"log_likelihood", "se", "log_loss"}
MONEY = {"cost", "cost_per_outcome"}
INTERVAL_OF = ("credit", "removal", "rate", "probability", "incremental", "median_days")
COLOURS = 128


@dataclass(frozen=True)
class Sentence:
    """A sentence computed from the tables; `role` says how a page sets it."""

    text: str
    role: Role

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<p class="{self.role}">{html.escape(self.text)}</p>'


def answer(*sentences: str) -> Sentence:
    """Show the answer of a notebook, first of all."""
    return Sentence(" ".join(sentences), "answer")


def takeaway(*sentences: str) -> Sentence:
    """Show what a table or figure says."""
    return Sentence(" ".join(sentences), "takeaway")


def note(*sentences: str) -> Sentence:
    """Show what was assumed, mended or is missing."""
    return Sentence(" ".join(sentences), "note")


class Missing:
    """Stands for a result that the data lacks the input for.

    Shown, it is a note, once. Used, it raises the same `MissingInput`, so that what
    builds on it is missing too, and `or_note` hands the same object on.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.told = False

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        told, self.told = self.told, True
        return "" if told else note(self.text)._repr_html_()

    def _ipython_display_(self) -> None:
        if not self.told:
            self.told = True
            display(note(self.text))  # type: ignore[no-untyped-call]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        missing = MissingInput(self.text)
        missing.by = self
        raise missing

    def __getitem__(self, key: object) -> Any:
        return self.value


def or_note(make: Callable[[], Any]) -> Any:
    """Return what `make` returns, or a note of what the data lacks for it."""
    try:
        return make()
    except MissingInput as missing:
        text = "; ".join(line.strip() for line in str(missing).splitlines()).replace("`", "")
        return missing.by or Missing(text)


@dataclass(frozen=True)
class Table:
    """A frame set for reading; `.frame` holds the numbers."""

    frame: pd.DataFrame
    caption: str = ""

    def __post_init__(self) -> None:
        self.frame.columns  # noqa: B018  a missing frame says so when the table is made

    def _repr_html_(self) -> str:
        body = readable(self.frame).to_html(index=False, border=0, na_rep="–", escape=True)
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        return body.replace("<thead>", caption + "<thead>", 1)


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Set numbers as text by what their column is: shares in per cent, intervals as one column."""
    shown = pd.DataFrame(index=frame.index)
    for name in map(str, frame.columns):
        stem = name.removesuffix("_low")
        if name.endswith("_high") and f"{name.removesuffix('_high')}_low" in frame.columns:
            continue
        if name.endswith("_low") and f"{stem}_high" in frame.columns:
            measured = next((c for c in INTERVAL_OF if c in frame.columns), "")
            of = measured if stem == "ci" else stem
            title = "95 % interval" if stem == "ci" else f"{stem.replace('_', ' ')}, 95 % interval"
            shown[title] = _pairs(of, frame[name], frame[f"{stem}_high"])
        else:
            shown[name.replace("_", " ")] = frame[name].map(_setter(name, frame[name]))
    return shown


def _pairs(name: str, low: pd.Series[Any], high: pd.Series[Any]) -> list[str]:
    setter = _setter(name, pd.concat([low, high]))
    ends = zip(low.map(setter), high.map(setter), strict=True)
    return [f"{a} to {b}" if "–" not in (a, b) else "–" for a, b in ends]


def _setter(name: str, values: pd.Series[Any]) -> Callable[[Any], str]:
    """Choose one format for a whole column."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return lambda v: "–" if pd.isna(v) else f"{v:%Y-%m-%d}"
    if pd.api.types.is_bool_dtype(values):
        return lambda v: "✓" if v else ""
    if not pd.api.types.is_numeric_dtype(values):
        return lambda v: "–" if v is None or v is pd.NA or v != v else str(v)
    if name in PERCENT:
        return lambda v: "–" if pd.isna(v) else f"{100 * v:,.1f} %"
    if name in LIKELIHOODS:
        return lambda v: "–" if pd.isna(v) else f"{v:.4f}"
    if name in RATIOS:
        return lambda v: "–" if pd.isna(v) else f"{v:.2f}"
    known = values.dropna()
    places = 0 if (known == known.round()).all() or known.abs().max() >= 1000 else 1
    if name in MONEY and known.abs().max() < 1000:
        places = 2
    return lambda v: "–" if pd.isna(v) else f"{v:,.{places}f}"


def provenance(data: Dataset, **parameters: object) -> pd.DataFrame:
    """List what a page was made from: data, fingerprint, parameters, versions."""
    versions = {name: version(name) for name in ("touchlab", "pandas", "duckdb", "ibis-framework")}
    made = {"data": data.name, "data fingerprint": data.fingerprint, **parameters}
    made |= {"Python": platform.python_version(), **versions}
    return pd.DataFrame({"what": list(made), "value": [str(v) or "(none)" for v in made.values()]})


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


@dataclass(frozen=True)
class Picture:
    """A figure that draws itself light or dark, for wide and narrow screens, with words.

    `draw` takes a theme and a width in inches; `alt` says what there is to see;
    `table` holds the numbers drawn.
    """

    draw: Callable[[Theme, float], Figure]
    alt: str
    table: pd.DataFrame

    def png(self, theme: Theme = LIGHT, width: float = WIDE) -> bytes:
        """Draw the picture as a PNG of few colours."""
        with mpl.rc_context(_style(theme)), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*missing from.*font.*")
            figure = self.draw(theme, width)
            drawn = io.BytesIO()
            figure.savefig(drawn, format="png", dpi=170, bbox_inches="tight", pad_inches=0.12)
        small = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        packed = io.BytesIO()
        small.save(packed, format="png", optimize=True)
        return packed.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        variants = {
            "dark": self.png(DARK),
            "narrow": self.png(LIGHT, NARROW),
            "narrow_dark": self.png(DARK, NARROW),
        }
        words = {name: base64.b64encode(png).decode() for name, png in variants.items()}
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, **words}}


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
        "figure.facecolor": theme.paper,
        "font.size": 9.5,
        "grid.color": theme.line,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "text.color": theme.ink,
        "text.parse_math": False,
        "xtick.color": theme.soft,
        "xtick.labelsize": 9,
        "ytick.color": theme.ink,
        "ytick.labelsize": 9.5,
        "ytick.left": False,
    }
