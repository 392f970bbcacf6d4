"""The pages around the notebooks: one for each run, and the index of all runs.

The index also says what moved between any two runs, from the estimates that each of them kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup

from touchlab.reporting.page import first_drawing, render_page, setting
from touchlab.reporting.record import FILE, Run, put_in_place, read_records, tables_of

if TYPE_CHECKING:
    import pandas as pd

OTHERS = 10
"""Numbers shown of those that moved within their intervals; of those beyond, all are."""


@dataclass(frozen=True)
class Part:
    """One report of a sweep: where its runs are, the newest run, and the newest good one."""

    folder: Path
    newest: Run
    good: Run | None


def write_index(out: Path) -> Path:
    """Write ``index.html`` of a folder of reports: newest answers, what changed, every run.

    The reports of a sweep lie in folders of their own; the page has a row for each. It is replaced
    in one step, so a reader never meets half of it.
    """
    runs = read_records(out)
    good = _newest_good(runs)
    known = [one for one in map(read_estimates, runs) if len(one.found)]
    pair = newest_pair(known)
    page = render_page(
        "index.html.j2",
        scripts=("page.js", "runs.js"),
        brand=good.brand if good else None,
        title="Reports",
        newest=runs[0] if runs else None,
        good=good,
        runs=runs,
        known=[one.run for one in known],
        estimates=[packed(one) for one in known] if len(known) > 1 else [],
        moved=moved(*pair) if pair else None,
        others=OTHERS,
        parts=_read_parts(out),
        link=partial(_link, out),
        thumbnail=thumbnail,
        figures=key_figures(good, _before(good, runs)) if good else [],
    )
    draft = out / ".work-index.html"  # a run clears away what begins so
    draft.write_text(page, encoding="utf-8")
    put_in_place(draft, target := out / "index.html")
    return target


def _read_parts(out: Path) -> list[Part]:
    """Read the reports of a sweep, by name: folders in `out` that hold runs themselves."""
    folders = {path.parents[1] for path in out.glob(f"*/*/{FILE}")}
    named = sorted(f for f in folders if f.name[0] != "." and not f.is_symlink())
    read = {folder: runs for folder in named if (runs := read_records(folder))}
    return [Part(folder, runs[0], _newest_good(runs)) for folder, runs in read.items()]


def _newest_good(runs: Sequence[Run]) -> Run | None:
    good = [run for run in runs if run.status == "complete"]
    return next((run for run in good if not run.part), good[0] if good else None)


def write_run_page(run: Run) -> None:
    """Write the front page of one run: its answers, or why it stopped."""
    title = f"Report on {run.data}" if run.status == "complete" else f"Unfinished: {run.data}"
    link = partial(_link, run.folder)
    page = render_page(
        "run.html.j2", scripts=(), title=title, run=run, link=link, thumbnail=thumbnail,
        brand=run.brand, figures=key_figures(run, None),
    )  # fmt: skip
    run.page.write_text(page, encoding="utf-8")


def _link(base: Path, of: Run | Part, file: str = "index.html") -> str:
    """Make the relative address of a page of a run from a page in `base`; empty if it is not."""
    page = of.folder / file
    return quote(page.relative_to(base).as_posix()) if page.is_file() else ""


def thumbnail(run: Run, file: str) -> Markup:
    """Find the first drawing of a page, to stand for it; empty if it has none."""
    try:
        return first_drawing((run.folder / file).read_text(encoding="utf-8"))
    except OSError:
        return Markup("")


def key_figures(run: Run, before: Run | None) -> list[tuple[str, str, str]]:
    """The figures that the overview kept for the index: what, its value, what it was before."""
    now = _figures(run)
    was = {} if before is None else {what: shown for what, shown in _figures(before)}
    changes = [f"was {was[what]}" if was.get(what, shown) != shown else "" for what, shown in now]
    return [(*one, change) for one, change in zip(now, changes, strict=True)]


def _figures(run: Run) -> list[tuple[str, str]]:
    from touchlab.overview import read_tables

    folder = tables_of(run)
    table = read_tables(folder).get("figures") if folder else None
    return [] if table is None else list(zip(table.what, table.shown, strict=True))


def _before(good: Run | None, runs: Sequence[Run]) -> Run | None:
    """The good run before, on the same data."""
    alike = [run for run in runs if good and run.status == "complete" and run.data == good.data]
    return alike[1] if len(alike) > 1 else None


# --- what moved ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimates:
    """What a run found with an interval, as `touchlab.overview.estimates` lists it."""

    run: Run
    found: pd.DataFrame

    @property
    def settings(self) -> dict[str, str]:
        given = {name: setting(value) for name, value in self.run.parameters.items()}
        return {"data": self.run.data, **given}


@dataclass(frozen=True)
class Moved:
    """What moved between two runs, set for reading: a row is number, table, before, after."""

    before: Run
    after: Run
    rows: Sequence[tuple[str, str, str, str, bool]]
    beyond: int
    within: int
    differing: Sequence[str]


def read_estimates(run: Run) -> Estimates:
    """Read the estimates of the tables that a run kept."""
    from touchlab.overview import estimates, read_tables

    tables = tables_of(run)
    return Estimates(run, estimates(read_tables(tables) if tables else {}))


def newest_pair(known: Sequence[Estimates]) -> tuple[Estimates, Estimates] | None:
    """Choose the newest good run and the good one before it on the same data, newest last."""
    good = [one for one in known if one.run.status == "complete"]
    earlier = [one for one in good[1:] if one.run.data == good[0].run.data]
    return (earlier[0], good[0]) if earlier else None


def moved(before: Estimates, after: Estimates) -> Moved:
    """Compare two runs; `runs.js` does the same with what is `packed`."""
    from touchlab.overview import changes

    found = changes(before.found, after.found)
    beyond, old, new = int(found.beyond.sum()), before.settings, after.settings
    rows = [
        (
            row.row,
            _title(row.table, row.what),
            _interval(row.what, row.before, row.before_low, row.before_high),
            _interval(row.what, row.after, row.after_low, row.after_high),
            bool(row.beyond),
        )
        for row in found.head(beyond + OTHERS).itertuples()
    ]
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return Moved(before.run, after.run, rows, beyond, len(found) - beyond, differing)


def packed(known: Estimates) -> dict[str, Any]:
    """Pack what a run found as plain JSON: row, table, the estimate in words, its numbers."""
    rows = [
        [row.row, _title(row.table, row.what), _interval(row.what, *numbers), *numbers]
        for row in known.found.itertuples()
        for numbers in [(row.value, row.low, row.high)]
    ]
    return {"settings": known.settings, "rows": rows}


def _title(table: str, what: str) -> str:
    return f"{table}: {what}".replace("_", " ")


def _interval(what: str, *numbers: float) -> str:
    """Write an estimate with its interval; how fine depends on its size."""
    from touchlab.show.tables import PERCENT

    size = abs(numbers[0])
    form = f"{{:,.{0 if size >= 100 else 1 if size >= 10 else 2}f}}"
    percent = [f"{100 * number:,.1f} %" for number in numbers]
    value, low, high = percent if what in PERCENT else map(form.format, numbers)
    return f"{value} ({low} to {high})"
