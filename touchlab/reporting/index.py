"""The pages around the notebooks: one for each run, and the index of all runs.

The index also says what moved between runs: the estimates that each run kept, and two compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from touchlab.reporting.page import render_page, setting
from touchlab.reporting.record import FILE, TABLES, Run, put_in_place, read_records

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

    Failed runs are listed as what they are. The reports of a sweep lie in folders of their own;
    the page has a row for each. It is replaced in one step, so a reader never meets half of it.
    The estimates of all runs are inside it, so any two can be compared.
    """
    runs = read_records(out)
    known = [one for one in map(read_estimates, runs) if one.tables]
    pair = newest_pair(known)
    page = render_page(
        "index.html.j2",
        scripts=("page.js", "runs.js"),
        title="Reports",
        newest=runs[0] if runs else None,
        good=_newest_good(runs),
        runs=runs,
        known=[one.run for one in known],
        estimates=[packed(one) for one in known] if len(known) > 1 else [],
        moved=moved(*pair) if pair else None,
        others=OTHERS,
        parts=read_parts(out),
        link=partial(_link, out),
    )
    target = out / "index.html"
    draft = out / ".work-index.html"  # a run clears away what begins so
    draft.write_text(page, encoding="utf-8")
    put_in_place(draft, target)
    return target


def read_parts(out: Path) -> list[Part]:
    """Read the reports of a sweep, by name: folders in `out` that hold runs themselves."""
    folders = {path.parents[1] for path in out.glob(f"*/*/{FILE}")}
    found = []
    for folder in sorted(f for f in folders if f.name[0] != "." and not f.is_symlink()):
        if runs := read_records(folder):
            found.append(Part(folder, runs[0], _newest_good(runs)))
    return found


def _newest_good(runs: Sequence[Run]) -> Run | None:
    return next((run for run in runs if run.status == "complete"), None)


def write_run_page(run: Run) -> None:
    """Write the front page of one run: its answers, or why it stopped."""
    title = f"Report on {run.data}" if run.status == "complete" else f"Unfinished: {run.data}"
    link = partial(_link, run.folder)
    page = render_page("run.html.j2", scripts=(), title=title, run=run, link=link)
    run.page.write_text(page, encoding="utf-8")


def _link(base: Path, of: Run | Part, file: str = "index.html") -> str:
    """Make the relative address of a page of a run from a page in `base`; empty if it is not."""
    page = of.folder / file
    return quote(page.relative_to(base).as_posix()) if page.is_file() else ""


# --- what moved ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimates:
    """The tables of a run that hold estimates with an interval, by name."""

    run: Run
    tables: Mapping[str, pd.DataFrame]


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
    """Read the tables that a run kept and that have estimates; one that is broken is left out."""
    paths = sorted((run.folder / TABLES).glob("*/*.parquet"))
    kept = [path for path in paths if not path.stem[0].isdigit()]  # the others are shown only
    found = {path.stem: _read(path) for path in kept}
    return Estimates(run, {name: frame for name, frame in found.items() if frame is not None})


def _read(path: Path) -> pd.DataFrame | None:
    import pandas as pd

    from touchlab.overview import measures

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError):  # pyarrow's errors are of these kinds
        return None
    # rows go by their text: a missing one has to be text, too
    words = {name: frame[name].fillna("–") for name in _texts(frame)}
    return frame.assign(**words) if any(True for _ in measures(frame)) else None


def newest_pair(known: Sequence[Estimates]) -> tuple[Estimates, Estimates] | None:
    """Choose the newest good run and the good one before it on the same data, newest first."""
    good = [one for one in known if one.run.status == "complete"]
    earlier = [one for one in good[1:] if one.run.data == good[0].run.data]
    return (earlier[0], good[0]) if earlier else None


def moved(before: Estimates, after: Estimates) -> Moved:
    """Compare two runs as `touchlab.overview.compare` does; the template's script does the same."""
    from touchlab.overview import compare

    found = compare(before.tables, after.tables)
    sound = found.before.between(found.before_low, found.before_high)
    found = found[sound & found.after.between(found.after_low, found.after_high)]
    beyond = int(found.beyond.sum())
    one, other = _settings(before.run), _settings(after.run)
    return Moved(
        before=before.run,
        after=after.run,
        rows=[_row(row) for row in found.head(beyond + OTHERS).itertuples()],
        beyond=beyond,
        within=len(found) - beyond,
        differing=sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n)),
    )


def _row(row: Any) -> tuple[str, str, str, str, bool]:
    size = max(abs(row.before), abs(row.after))
    places = 0 if size >= 100 else 1 if size >= 10 else 2
    form = "{:,.1f} %" if _is_percent(row.what) else f"{{:,.{places}f}}"
    times = 100 if _is_percent(row.what) else 1

    def interval(*numbers: float) -> str:
        value, low, high = (form.format(times * number) for number in numbers)
        return f"{value} ({low} to {high})"

    before = interval(row.before, row.before_low, row.before_high)
    after = interval(row.after, row.after_low, row.after_high)
    title = f"{row.table}: {row.what}".replace("_", " ")
    return str(row.row), title, before, after, bool(row.beyond)


def packed(estimates: Estimates) -> dict[str, Any]:
    """Pack the estimates of a run as plain JSON, for the script of the index."""
    return {
        "run": estimates.run.run_id,
        "settings": _settings(estimates.run),
        "tables": [_packed(name, frame) for name, frame in estimates.tables.items()],
    }


def _packed(name: str, frame: pd.DataFrame) -> dict[str, Any]:
    from touchlab.overview import REMARKS, measures

    texts = _texts(frame)
    names = [c for c in texts if c not in REMARKS]
    return {
        "name": name,
        "names": names,
        "numbers": [c for c in frame.columns if c not in texts],
        "rows": frame[names].astype(str).to_numpy().tolist() if names else [[]] * len(frame),
        "measures": [
            {"columns": found, "percent": _is_percent(found[0]), "values": _values(frame, found)}
            for found in measures(frame)
        ],
    }


def _values(frame: pd.DataFrame, columns: tuple[str, str, str]) -> list[list[float] | None]:
    """List estimate, lower and upper end of each row; nothing where they do not fit together."""
    rows = frame[list(columns)].astype(float).to_numpy().tolist()
    return [[v, low, high] if low <= v <= high else None for v, low, high in rows]


def _texts(frame: pd.DataFrame) -> list[str]:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return [c for c in frame.columns if not (is_numeric_dtype(frame[c]) or is_bool_dtype(frame[c]))]


def _is_percent(what: str) -> bool:
    from touchlab.show.tables import PERCENT

    return what in PERCENT


def _settings(run: Run) -> dict[str, str]:
    return {"data": run.data} | {name: setting(value) for name, value in run.parameters.items()}
