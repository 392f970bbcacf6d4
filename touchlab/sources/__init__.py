"""Foreign formats, one file each: read them, map them, write a folder in touchlab's contract.

A source knows the foreign format and the contract, and nothing of journeys, models or
plots. What it leaves out, and why, it says in the summary it returns and in the README.md
it writes beside the tables. Here is what all sources share: a folder is written as a whole
or not at all, and never over files that the same source did not write.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from touchlab.data.locate import SETTINGS
from touchlab.errors import ParameterError


def check_folder(folder: Path, *, source: str, tables: Iterable[str]) -> None:
    """Refuse a folder that is neither absent, nor empty, nor written by this source.

    Parameters
    ----------
    folder : Path
        Where the source wants to write.
    source : str
        The name of the source on the command line, such as `completejourney`.
    tables : iterable of str
        The tables it writes, without `.parquet`.

    Raises
    ------
    ParameterError
        With the entries that are in the way; nothing is changed.
    """
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise ParameterError(
                f"import {source}: '{folder}' is a file\n  give a folder, new or empty"
            )
        found = sorted(entry.name for entry in folder.iterdir())
        ours = _is_ours(folder, source)
    except OSError as problem:
        raise _no_access(folder, source, "read", problem) from problem
    written = {"README.md", SETTINGS, *(f"{name}.parquet" for name in tables)}
    expected = written if ours else set()
    foreign = [name for name in found if name not in expected]
    if foreign:
        shown = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise ParameterError(
            f"import {source}: the folder '{folder}' holds {len(foreign)} "
            f"{'entry' if len(foreign) == 1 else 'entries'} that this import did not write\n"
            f"  found: {shown}\n"
            "  nothing was changed; give a new or empty folder, or move these away"
        )


def write_folder(
    tables: Mapping[str, pd.DataFrame], folder: Path, *, source: str, readme: str, settings: str
) -> None:
    """Write tables, settings and README.md beside the folder, then rename: all or nothing.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Written as `<name>.parquet`, compressed with zstd, without the index.
    folder : Path
        Replaced as a whole if this source wrote it before.
    source : str
        The name of the source; the first line of README.md carries it.
    readme : str
        Markdown: where the data comes from, whose it is and what was mapped.
    settings : str
        TOML for `touchlab.toml`: the report's parameters that suit this data.

    Raises
    ------
    ParameterError
        If the folder holds foreign files or cannot be written.
    """
    place = folder.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as aside:
            # A folder inside: the temporary one itself is closed to other users.
            fresh = Path(aside, "new")
            fresh.mkdir()
            for name, table in tables.items():
                table.to_parquet(fresh / f"{name}.parquet", compression="zstd", index=False)
            (fresh / SETTINGS).write_text(settings, encoding="utf-8", newline="\n")
            text = f"{_mark(source)}\n{readme}"
            (fresh / "README.md").write_text(text, encoding="utf-8", newline="\n")
            check_folder(folder, source=source, tables=tables)
            _swap(fresh, place, Path(aside, "old"))
    except OSError as problem:
        raise _no_access(folder, source, "written", problem) from problem


def _mark(source: str) -> str:
    return f"<!-- written by: touchlab import {source} -->"


def _is_ours(folder: Path, source: str) -> bool:
    readme = folder / "README.md"
    return readme.is_file() and readme.read_bytes().startswith(_mark(source).encode())


def _swap(fresh: Path, place: Path, old: Path) -> None:
    if not place.exists():
        fresh.rename(place)
        return
    place.rename(old)
    try:
        fresh.rename(place)
    except OSError:
        old.rename(place)
        raise


def _no_access(folder: Path, source: str, verb: str, problem: OSError) -> ParameterError:
    return ParameterError(
        f"import {source}: '{folder}' cannot be {verb}: {problem.strerror or problem}\n"
        "  give a folder in a place that you may write to, with space left"
    )


def _complete_journey(folder: str) -> pd.DataFrame:
    from touchlab.sources.complete_journey import import_complete_journey

    return import_complete_journey(folder)


SOURCES: dict[str, Callable[[str], pd.DataFrame]] = {"completejourney": _complete_journey}
"""What `touchlab import` can bring in: a name and a function that writes a folder."""
