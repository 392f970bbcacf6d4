"""What moved between runs, for the index: the estimates that each run kept, and two compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from touchlab.reporting.export import setting
from touchlab.reporting.record import Run

if TYPE_CHECKING:
    import pandas as pd

TABLES = "tables"
OTHERS = 10
"""Numbers shown of those that moved within their intervals; of those beyond, all are."""


@dataclass(frozen=True)
class Estimates:
    """The tables of a run that hold estimates with an interval, by name."""

    run: Run
    tables: Mapping[str, "pd.DataFrame"]


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
    found = {}
    for path in (path for path in paths if not path.stem[0].isdigit()):  # those are shown only
        frame = _read(path)
        if frame is not None:
            found[path.stem] = frame
    return Estimates(run, found)


def moved(before: Estimates, after: Estimates) -> Moved:
    """Compare two runs as `touchlab.overview.compare` does; the template's script does the same."""
    from touchlab.overview import compare

    found = compare(before.tables, after.tables)
    sound = found.before.between(found.before_low, found.before_high)
    sound &= found.after.between(found.after_low, found.after_high)
    found = found[sound]
    beyond = int(found.beyond.sum())
    shown = found.head(beyond + OTHERS)
    return Moved(
        before=before.run,
        after=after.run,
        rows=[_set(row) for row in shown.itertuples()],
        beyond=beyond,
        within=len(found) - beyond,
        differing=_differing(before.run, after.run),
    )


def newest_pair(known: Sequence[Estimates]) -> tuple[Estimates, Estimates] | None:
    """Choose the newest good run and the good one before it on the same data, newest first."""
    good = [one for one in known if one.run.status == "complete"]
    earlier = [one for one in good[1:] if one.run.data == good[0].run.data]
    return (earlier[0], good[0]) if earlier else None


def packed(estimates: Estimates) -> dict[str, Any]:
    """Pack the estimates of a run as plain JSON, for the script of the index."""
    run = estimates.run
    return {
        "run": run.run_id,
        "settings": _settings(run),
        "tables": [_packed(name, frame) for name, frame in estimates.tables.items()],
    }


def _read(path: Any) -> "pd.DataFrame | None":
    import pandas as pd

    from touchlab.overview import measures

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError):  # pyarrow's errors are of these kinds
        return None
    if not any(True for _ in measures(frame)):
        return None
    # Rows go by their text: a missing one has to be text, too.
    return frame.assign(**{name: frame[name].fillna("–") for name in _texts(frame)})


def _texts(frame: "pd.DataFrame") -> list[str]:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return [c for c in frame.columns if not (is_numeric_dtype(frame[c]) or is_bool_dtype(frame[c]))]


def _packed(name: str, frame: "pd.DataFrame") -> dict[str, Any]:
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


def _values(frame: "pd.DataFrame", columns: tuple[str, str, str]) -> list[list[float] | None]:
    """List estimate, lower and upper end of each row; nothing where they do not fit together."""
    rows = frame[list(columns)].astype(float).to_numpy().tolist()
    return [[v, low, high] if low <= v <= high else None for v, low, high in rows]


def _set(row: Any) -> tuple[str, str, str, str, bool]:
    places = _places(row.what, max(abs(row.before), abs(row.after)))
    before = _interval(places, row.before, row.before_low, row.before_high)
    after = _interval(places, row.after, row.after_low, row.after_high)
    title = f"{row.table}: {row.what}".replace("_", " ")
    return str(row.row), title, before, after, bool(row.beyond)


def _places(what: str, size: float) -> int:
    """Choose the decimals of a number by its size; -1 for a share in per cent."""
    if _is_percent(what):
        return -1
    return 0 if size >= 100 else 1 if size >= 10 else 2


def _interval(places: int, value: float, low: float, high: float) -> str:
    def text(number: float) -> str:
        return f"{100 * number:,.1f} %" if places < 0 else f"{number:,.{places}f}"

    return f"{text(value)} ({text(low)} to {text(high)})"


def _is_percent(what: str) -> bool:
    from touchlab.show.tables import PERCENT

    return what in PERCENT


def _differing(before: Run, after: Run) -> list[str]:
    """Name the settings in which two runs differ."""
    one, other = _settings(before), _settings(after)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _settings(run: Run) -> dict[str, str]:
    return {"data": run.data} | {name: setting(value) for name, value in run.parameters.items()}
