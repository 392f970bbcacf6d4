"""Sentences on a page, and notes that stand where the data lacks what a cell asks for.

A kernel with `install` in it (importing touchlab in IPython does that, and so does
``%load_ext touchlab``) ends a cell well that raises `MissingInput`: it shows the message once,
as a note, and lets pass silently what builds on the names that the cell would have assigned.
Every other error stays an error.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar

from IPython.display import DisplayHandle, display

from touchlab.errors import MissingInput, as_sentence
from touchlab.privacy.shown import all_safe, why_hidden
from touchlab.show.words import NBSP, begun, in_words

Role = Literal["answer", "takeaway", "note"]
Show = TypeVar("Show", bound=Callable[..., Any])


@dataclass(frozen=True)
class Sentence:
    """A sentence computed from the tables; `role` says how a page sets it."""

    text: str
    role: Role

    def __repr__(self) -> str:
        return re.sub(r"(?<=\d)%", f"{NBSP}%", in_words(self.text))

    def _repr_html_(self) -> str:
        said = repr(self)
        lines = html.escape(said if self.role == "note" else begun(said)).splitlines()
        return "".join(f'<p class="{self.role}">{line}</p>' for line in lines)


def answer(*sentences: str) -> Sentence:
    """Show the answer of a notebook, first of all; each sentence on a line of its own."""
    return Sentence("\n".join(filter(None, sentences)), "answer")


def takeaway(*sentences: str) -> Sentence:
    """Show what a table or figure says."""
    return Sentence(" ".join(filter(None, sentences)), "takeaway")


def note(*sentences: str) -> Sentence:
    """Show what was assumed, mended or is missing."""
    return Sentence(" ".join(sentences), "note")


def safe_sentence(say: Show) -> Show:
    """Let a function that computes a sentence see safe rows only."""

    @wraps(say)
    def said(*frames: Any, **choices: Any) -> Any:
        given, _, empty = all_safe(frames)
        return (
            f"Not said, all of it is hidden: {why_hidden()}." if empty else say(*given, **choices)
        )

    return said  # type: ignore[return-value]


class Notes:
    """What one kernel knows of missing input: which names lack a value, and where notes stand."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.missing: dict[str, str] = {}
        """Why, by name."""
        self.cells: dict[str, str] = {}
        """The cell in which a note stands: run again, it shows it again; others do not."""
        self.waiting: dict[str, DisplayHandle] = {}
        """Notes in cells that would have shown nothing, until one lacks something to show."""

    def caught(self, shell: Any, kind: type, problem: Exception, trace: Any, **_: Any) -> None:
        """Show a traceback, unless `ended` will show a note."""
        if not self.why(problem):
            shell.showtraceback(running_compiled_code=True)

    def why(self, problem: object) -> str:
        """Say what input is missing where a cell stops; nothing if that is not the problem."""
        if isinstance(problem, MissingInput):
            return as_sentence(problem)
        return self.missing.get(str(problem.name), "") if isinstance(problem, NameError) else ""

    def ended(self, result: Any) -> None:
        """End a cell well that lacks input."""
        problem: Any = result.error_in_exec if result else None
        if text := self.why(problem):
            result.error_in_exec = None
            cell = ast.parse(self.shell.transform_cell(result.info.raw_cell)).body
            self.forget(cell, problem.__traceback__.tb_next.tb_lineno, text)
            self.show(text, cell, result.info.cell_id or result.info.raw_cell)

    def forget(self, cell: list[ast.stmt], line: int, text: str) -> None:
        """Take note of the names that the rest of a cell would have assigned.

        What it would have made anew has no value from now on, not even one of an earlier run.
        What it would only have changed, as in ``drivers = tl.calibrate(drivers, found)``,
        stays what it is.
        """
        read, made = set[str](), set[str]()
        for statement in cell:
            if (statement.end_lineno or 0) < line:
                continue
            names = [one for one in ast.walk(statement) if isinstance(one, ast.Name)]
            read |= {one.id for one in names if isinstance(one.ctx, ast.Load)} - made
            made |= {one.id for one in names if isinstance(one.ctx, ast.Store)}
        for name in made - read:
            self.shell.user_ns.pop(name, None)
        own = made - self.shell.user_ns.keys() - (read & self.missing.keys())
        self.missing |= dict.fromkeys(own, text)

    def show(self, text: str, cell: list[ast.stmt], key: str) -> None:
        """Show a note once: where the first thing would have been shown that it explains."""
        last = cell[-1]
        shows = isinstance(last, ast.Expr)
        if shows and text in self.waiting:
            self.waiting.pop(text).update({"text/plain": ""}, raw=True)  # type: ignore[no-untyped-call]
        elif self.cells.get(text, key) != key:
            return
        self.cells[text] = key
        # what stands in the place of an answer is the answer
        answers = shows and ast.unparse(last).startswith("show.answer(")
        said = answer(text) if answers else note(text)
        handle = display(said, display_id=True)  # type: ignore[no-untyped-call]
        if not shows:
            self.waiting[text] = handle
