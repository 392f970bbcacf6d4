"""How a run is going, for who waits at a terminal or reads a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from touchlab.reporting.run import Progress, Step


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Progress]:
    """Show steps the way `stream` (stdout if not given) can take it: a bar, or plain lines."""
    stream = stream or sys.stdout
    if stream.isatty():
        with _bar(stream) as progress:
            yield progress
    else:
        yield lambda step: _line(step, stream)


def _line(step: Step, stream: TextIO) -> None:
    """Write one plain line with the time of day; starts are left out."""
    took = f"{step.seconds:>8.1f} s  " if step.word in ("done", "failed") else " " * 12
    clock = f"{datetime.now(UTC):%H:%M:%S}"
    if not step.name:
        stream.write(f"{clock}  {step.word}\n")
    elif step.word != "started":
        stream.write(f"{clock}  {step.name:<28}{took}{step.word}\n")
    stream.flush()


@contextmanager
def _bar(stream: TextIO) -> Iterator[Callable[[Step], None]]:
    from tqdm import tqdm

    running: list[str] = []
    form = "{l_bar}{bar:24}| {n_fmt} of {total_fmt} [{elapsed}{postfix}]"
    with tqdm(file=stream, bar_format=form, desc="report", dynamic_ncols=True, leave=False) as bar:

        def progress(step: Step) -> None:
            if step.total:
                bar.reset(total=step.total)
            if step.word == "started":
                running.append(step.name)
            elif step.name in running and step.ended:
                running.remove(step.name)
            if step.ended:
                bar.update()
            if step.word in ("failed", "retried") or not (step.name or step.total):
                bar.write(f"{step.name} {step.word}".strip(), file=stream)
            bar.set_postfix_str(", ".join(running))

        yield progress
