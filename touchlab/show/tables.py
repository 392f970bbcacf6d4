"""Frames set for reading, and the numbers that a page hands on."""

from __future__ import annotations

import html
import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.privacy.shown import hidden_here, min_customers, why_hidden
from touchlab.privacy.suppress import empty_cells
from touchlab.show.notes import note
from touchlab.show.words import NBSP, in_words, per_cent

PERCENT = {"share", "rate", "probability", "removal", "roi", "present", "weight"}
PERCENT |= {"rate_treated", "rate_holdout", "share_error", "coverage", "false_alarms"}
PERCENT |= {"response_rate", "returned", "alive", "retention", "survival", "observed", "error"}
PERCENT |= {"incidence", "concordance", "importance", "skill"}
RATIOS = {"hazard_ratio", "lead_ratio", "lead", "e_value", "amount_error", "baseline_error", "rank"}
RATIOS |= {"p_proportional", "one_sided"}
FINE = {"log_likelihood", "se", "log_loss", "coefficient"}
MONEY = {"cost", "cost_per_outcome"}
INTERVAL_OF = ["credit", "removal", "rate", "probability", "incremental", "median_days", "alive"]
INTERVAL_OF += ["value", "coefficient", "survival", "hazard_ratio"]
"""What `ci_low, ci_high` are the interval of: the first of these that is there."""
HIDDEN = "hidden"
MOST_ROWS = 60  # of a bare frame


class Table:
    """A frame set for reading; `.frame` holds the numbers without those that are hidden.

    A `folded` one shows its caption until somebody opens it.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        caption: str = "",
        *,
        most: int | None = None,
        folded: bool = False,
    ) -> None:
        if most and len(frame) > most:
            caption = f"{caption} (the first {most} of {len(frame):,} rows)".strip()
        hidden, rows = hidden_here(frame), most or len(frame)
        self.caption, self.hidden, self.folded = caption, hidden.head(rows), folded
        self.frame = empty_cells(frame, hidden).head(rows)

    def __repr__(self) -> str:
        return f"{self.caption}\n{readable(self.frame, self.hidden).to_string(index=False)}"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        numbers = {"table": numbers_of(self.frame), "caption": self.caption}
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}, {"text/html": numbers}

    def _repr_html_(self) -> str:
        if self.frame.empty and self.caption:
            return note(f"{self.caption}: none.")._repr_html_()
        shown = readable(self.frame, self.hidden)
        body = shown.to_html(index=False, border=0, na_rep="–", escape=True)
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        body = body.replace("<thead>", caption + "<thead>", 1)
        notes = self.frame.attrs.get("notes", [])
        if self.hidden.any(axis=None):
            notes = [*notes, f"Hidden: {why_hidden()}."]
        body += "".join(note(one)._repr_html_() for one in notes)
        if not self.folded:
            return body
        return f"<details><summary>{html.escape(self.caption)}</summary>{body}</details>"


def numbers_of(frame: pd.DataFrame) -> dict[str, Any]:
    """Turn a frame into plain JSON: columns and data; what is missing or infinite is null."""
    return json.loads(frame.to_json(orient="split", index=False, date_format="iso"))


class Kept:
    """Tables handed on by name to other pages and to the run, without showing them."""

    def __init__(self, **tables: pd.DataFrame) -> None:
        self.tables = {n: empty_cells(t, hidden_here(t)) for n, t in tables.items()}

    def __repr__(self) -> str:
        return f"Kept for other pages: {', '.join(self.tables)}"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        kept = {name: numbers_of(table) for name, table in self.tables.items()}
        return {"text/plain": repr(self)}, {"text/plain": {"kept": kept}}


keep = Kept  # what a notebook says


def show_frames(shell: Any, *, plain: bool = False) -> None:
    """Let frames show themselves in a kernel as `Table` does; or as pandas does again.

    Small groups are hidden on every way to a page: where a cell ends in a frame, and where one
    is printed, for which pandas leaves no other door.
    """
    formatter = shell.display_formatter.mimebundle_formatter
    for kind, usual in _USUAL.items():
        kind.__repr__ = usual if plain else _printed
        if plain:
            formatter.pop(kind, None)
        else:
            formatter.for_type(kind, _bundle)


_USUAL = {kind: kind.__repr__ for kind in (pd.DataFrame, pd.Series)}


def _printed(self: pd.DataFrame | pd.Series) -> str:
    table = isinstance(self, pd.DataFrame)
    hidden, usual = hidden_here(pd.DataFrame(self)), _USUAL[pd.DataFrame if table else pd.Series]
    if hidden.any(axis=None):
        self = self.astype(object).mask(hidden if table else hidden.iloc[:, 0], HIDDEN)
    return usual(self)


def _bundle(value: pd.DataFrame | pd.Series) -> Any:
    """Show what stands alone as a table; None, for pandas to show it, where columns lack names."""
    frame = pd.DataFrame(value)
    counting = frame.index.name is None and frame.index.dtype.kind == "i"
    frame = frame.reset_index(drop=counting, allow_duplicates=True)
    if not frame.columns.is_unique or not all(isinstance(name, str) for name in frame.columns):
        return None
    return Table(frame, most=MOST_ROWS)._repr_mimebundle_()


def readable(frame: pd.DataFrame, hidden: pd.DataFrame | None = None) -> pd.DataFrame:
    """Set numbers as text by what their column is: shares in per cent, intervals as one column."""
    shown = pd.DataFrame(index=frame.index)
    measured = next((c for c in INTERVAL_OF if c in frame.columns), "")
    for name in map(str, frame.columns):
        stem, _, end = name.rpartition("_")
        if end in ("low", "high") and {f"{stem}_low", f"{stem}_high"} <= set(frame.columns):
            if end == "low":
                low, high = frame[name], frame[f"{stem}_high"]
                form = _setter(measured if stem == "ci" else stem, pd.concat([low, high]))
                ends = zip(low.map(form), high.map(form), strict=True)
                title = "95 % interval" if stem == "ci" else f"{stem}, 95 % interval"
                shown[title.replace("_", " ")] = [
                    f"{a} to {b}" if "–" not in (a, b) else "–" for a, b in ends
                ]
        else:
            text = frame[name].map(_setter(name, frame[name]))
            text = text if hidden is None else text.mask(hidden[name], HIDDEN)
            shown[name.replace("_", " ")] = text
    return shown


def _setter(name: str, values: pd.Series[Any]) -> Callable[[Any], str]:
    """Choose one format for a whole column."""
    if pd.api.types.is_bool_dtype(values):
        return lambda v: "✓" if v else ""
    form = "{:,.0f}"
    if pd.api.types.is_datetime64_any_dtype(values):
        form = "{:%Y-%m-%d}"
    elif not pd.api.types.is_numeric_dtype(values):
        form = "{}"
    elif name in PERCENT:
        return lambda v: "–" if pd.isna(v) else _short(_share(v))
    elif name in FINE:
        form = "{:.4f}"
    elif name in RATIOS:
        form = "{:.2f}"
    elif not (values.abs() >= 1000).any():  # also where nothing is known
        whole = (values.dropna() % 1 == 0).all()
        form = "{:,.2f}" if name in MONEY else "{:,.0f}" if whole else "{:,.1f}"
    return lambda v: "–" if v is None or v is pd.NA or v != v else _unsigned(form.format(v))


def _share(value: float) -> str:
    """Write a share; what is many times the whole in three digits."""
    return per_cent(float(f"{value:.3g}"), 0) if abs(value) >= 10 else per_cent(value, 1)


def _short(share: str) -> str:
    return share.replace(NBSP, " ").replace("under ", "<").replace("over ", ">")


def _unsigned(text: str) -> str:
    """Nothing has no sign, and names are those of readers."""
    return in_words(text) if text.strip("-0.") else text.lstrip("-")


def provenance(data: Dataset, **parameters: object) -> pd.DataFrame:
    """List what a page was made from: data, fingerprint, parameters, versions."""
    versions = {name: version(name) for name in ("touchlab", "pandas", "duckdb", "ibis-framework")}
    made = {"data": data.name, "data fingerprint": data.fingerprint, **parameters}
    made |= {"min_customers": min_customers()}
    made |= {"Python": platform.python_version(), **versions}
    return pd.DataFrame({"what": list(made), "value": [str(v) or "(none)" for v in made.values()]})
