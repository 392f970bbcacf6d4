"""Journeys already counted: a paths table as attribution tools take it."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.contract import Note
from touchlab.errors import DataError, ParameterError
from touchlab.locate import engine
from touchlab.replicates import GROUPS

SEPARATOR = ">"
SEED = 20260228  # only decides which journey falls in which group
NO_INTERVALS = "fractional counts: journeys cannot be put in groups, so no intervals"


def paths_from_columns(
    frame: pd.DataFrame, *, steps: Sequence[str], conversions: str, value: str | None = None
) -> pd.DataFrame:
    """Turn a table of one row a journey, a column a step, into a paths table.

    Parameters
    ----------
    frame
        A row a journey.
    steps
        Its columns with touchpoints, first step first; missing values are skipped.
    conversions, value
        Its columns with the number of outcomes (0 for a journey without) and their value.

    Returns
    -------
    pandas.DataFrame
        ``path, conversions, null`` and ``value`` where given; open it with
        ``open_data({"paths": ...})``.

    Raises
    ------
    ParameterError
        For columns that the frame does not have.

    Examples
    --------
    >>> import pandas as pd
    >>> clicks = pd.DataFrame({"one": ["a", "b"], "two": ["b", None], "sold": [1, 0]})
    >>> paths_from_columns(clicks, steps=["one", "two"], conversions="sold")
        path  conversions  null
    0  a > b            1     0
    1      b            0     1
    """
    wanted = [*steps, conversions, *([value] if value else [])]
    missing = [c for c in wanted if c not in frame.columns]
    if missing or not steps:
        found = ", ".join(map(str, frame.columns))
        raise ParameterError(
            f"paths_from_columns: no column {', '.join(map(repr, missing)) or 'for steps'}\n"
            f"  found {found}; name the columns of the frame"
        )
    path = [f" {SEPARATOR} ".join(str(v) for v in row if pd.notna(v)) for row in frame[[*steps]].values]
    table = pd.DataFrame({"path": path, "conversions": frame[conversions].to_numpy()})
    if value:
        table["value"] = frame[value].to_numpy()
    table["null"] = (table.conversions == 0).astype("int64")
    return table


def split_paths(paths: pd.DataFrame) -> tuple[dict[str, ir.Table], list[Note]]:
    """Turn checked paths into `steps` (a row a touch) and `ends` (a row an outcome).

    Counts of whole journeys are dealt out to customer groups at random, with a
    fixed seed, as if each journey were its own customer; fractional counts
    cannot be, and stay in one group.
    """
    null = paths["null"].fillna(0.0) if "null" in paths else pd.Series(0.0, index=paths.index)
    value = paths["value"].fillna(0.0) if "value" in paths else pd.Series(np.nan, index=paths.index)
    names = paths.path.str.split(SEPARATOR).map(lambda parts: [p.strip() for p in parts])
    if (blank := names.map(lambda parts: "" in parts)).any():
        example = paths.path[blank].iloc[0]
        raise DataError(
            f"paths.path: {blank.sum():,} of {len(paths):,} rows have a step without a name\n"
            f"  first: value {example[:60]!r}\n"
            f"  separate touchpoints by {SEPARATOR!r} and name each"
        )
    counts = np.column_stack([paths.conversions, null])
    whole = bool((counts == np.round(counts)).all()) and counts.sum() >= GROUPS
    journeys = _deal_out(counts, value.to_numpy()) if whole else _one_group(counts, value.to_numpy())
    journeys["customer"] = np.arange(len(journeys))
    journeys["length"] = names.map(len).to_numpy()[journeys.path]
    steps = journeys.loc[np.repeat(journeys.index, journeys.length), ["customer", "group"]]
    steps["weight"] = np.repeat((journeys.conversions + journeys.null).to_numpy(), journeys.length)
    steps["touchpoint"] = names.iloc[journeys.path].explode().to_numpy()
    steps["step"] = steps.groupby("customer").cumcount().to_numpy()
    ends = journeys.loc[journeys.conversions > 0, ["customer", "group", "value"]]
    ends["weight"] = journeys.conversions[ends.index]
    ends["step"] = journeys.length[ends.index]
    notes = [] if whole else [Note("paths", len(paths), NO_INTERVALS)]
    tables = {
        name: engine().create_table(ibis.util.gen_name(name), frame.reset_index(drop=True), temp=True)
        for name, frame in (("steps", steps), ("ends", ends))
    }
    return tables, notes


def _deal_out(counts: npt.NDArray[np.float64], value: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Split each path's counts over the groups; value follows the conversions."""
    random = np.random.default_rng(SEED)
    even = np.full(GROUPS, 1 / GROUPS)
    dealt = random.multinomial(counts.astype("int64").ravel(), even).reshape(len(counts), 2, GROUPS)
    path, group = np.nonzero(dealt.sum(axis=1))
    conversions, null = dealt[path, 0, group], dealt[path, 1, group]
    each = np.divide(value, counts[:, 0], out=np.zeros_like(value), where=counts[:, 0] > 0)
    columns = {"path": path, "group": group, "conversions": conversions, "null": null}
    return pd.DataFrame(columns | {"value": each[path] * conversions}).astype(
        {"conversions": float, "null": float}
    )


def _one_group(counts: npt.NDArray[np.float64], value: npt.NDArray[np.float64]) -> pd.DataFrame:
    columns = {"path": np.arange(len(counts)), "group": 0}
    table = pd.DataFrame(columns | {"conversions": counts[:, 0], "null": counts[:, 1], "value": value})
    return table[counts.sum(axis=1) > 0].reset_index(drop=True)
