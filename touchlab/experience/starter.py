"""The usual touchpoints before, during and after a purchase, and a map proposed from names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

import pandas as pd

from touchlab.dataset import Dataset
from touchlab.errors import DataError, ParameterError
from touchlab.experience.seen import seen_touchpoints

COLUMNS = ["touchpoint", "stage", "channel", "owner", "goal", "phase"]
NOT_KNOWN = "not known by its name: fill in"


@cache
def _starter() -> pd.DataFrame:
    return pd.read_csv(str(files(__package__) / "starter_map.csv"), dtype=str)


def starter_map() -> pd.DataFrame:
    """List the usual touchpoints before, during and after a purchase, to begin a map from.

    Returns
    -------
    pandas.DataFrame
        ``touchpoint, stage, channel, owner, goal, phase``, as in the contract.

    Examples
    --------
    >>> starter_map().groupby("phase").size().to_dict()
    {'after': 17, 'before': 30, 'during': 5}
    """
    return _starter()[COLUMNS].copy()


def propose_map(data: Dataset) -> pd.DataFrame:
    """Propose a map of the touchpoints that the data holds, from their names, to be edited.

    A name says little of who runs a touchpoint and what it is for: read every row.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint of touches and surveys, most touches first: ``touchpoint,
        stage, channel, owner, goal, phase`` (missing where the name is not known),
        ``touches`` and ``reason`` (what the proposal rests on).

    Examples
    --------
    >>> import touchlab as tl
    >>> propose_map(tl.open_data("data/sample")).loc[0, ["touchpoint", "stage", "reason"]].tolist()
    ['email_newsletter', 'consideration', "named like 'email newsletter'"]
    """
    seen = seen_touchpoints(data)
    table = guess(seen.touchpoint).assign(touches=seen.touches.to_numpy())
    return table[[*COLUMNS, "touches", "reason"]]


def guess(names: Iterable[str]) -> pd.DataFrame:
    """Look each name up: the columns of the map, and the reason."""
    known = _starter()
    phrases = sorted(
        ((phrase, row) for row, words in enumerate(known.words) for phrase in words.split("|")),
        key=lambda pair: (-len(pair[0].split()), -len(pair[0]), pair[0]),
    )
    rows = []
    for name in names:
        text = f" {_words(name)} "
        hit = next(((p, row) for p, row in phrases if f" {p} " in text), None)
        own = known.loc[hit[1], COLUMNS[1:]].to_dict() if hit else dict.fromkeys(COLUMNS[1:])
        reason = f"named like {hit[0]!r}" if hit else NOT_KNOWN
        rows.append({"touchpoint": name, **own, "reason": reason})
    return pd.DataFrame(rows, columns=[*COLUMNS, "reason"])


def _words(name: str) -> str:
    """Write a name as lower-case words: ``emailNewsletter`` and ``email_newsletter`` alike."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", str(name))
    return " ".join(re.findall(r"[^\W_]+", apart.lower()))


def default_path(data: Dataset, source: str) -> Path:
    """Name the file beside the data: touchpoints.csv in its folder.

    Raises
    ------
    DataError, ParameterError
        If the data has a map already, or is no folder.
    """
    if data.has("touchpoints"):
        raise DataError(
            "map init: the data has a map already, which is left as it is\n"
            "  edit it, or name another file with --out to compare"
        )
    if not Path(source).is_dir():
        raise ParameterError(
            "map init: the data is not a folder that a file could be written to\n"
            "  name the file with --out touchpoints.csv"
        )
    return Path(source) / "touchpoints.csv"


def write_map(data: Dataset, path: Path) -> pd.DataFrame:
    """Write the proposal as CSV and return it; an existing file is never touched.

    Raises
    ------
    DataError
        If the file exists or cannot be written.
    """
    table = propose_map(data)
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            table.to_csv(file, index=False)
    except FileExistsError:
        raise DataError(
            f"{path}: the file exists and is left as it is\n"
            "  edit it, or name another file with --out"
        ) from None
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror}\n  name another file with --out"
        ) from None
    return table
