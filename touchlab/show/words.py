"""Sentences on a page, and notes that stand where the data lacks something."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar

from IPython.display import display

from touchlab.errors import MissingInput
from touchlab.privacy.shown import all_safe, why_hidden

Role = Literal["answer", "takeaway", "note"]
Show = TypeVar("Show", bound=Callable[..., Any])


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


def safe_sentence(say: Show) -> Show:
    """Let a function that computes a sentence see safe rows only."""

    @wraps(say)
    def said(*frames: Any, **choices: Any) -> Any:
        given, _, empty = all_safe(frames)
        return (
            f"Not said, all of it is hidden: {why_hidden()}." if empty else say(*given, **choices)
        )

    return said  # type: ignore[return-value]
