"""Campaigns as touchpoints: the same data, told apart one level further down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import pandas as pd

from touchlab.errors import MissingInput, ParameterError, nearest

if TYPE_CHECKING:
    from touchlab.data.dataset import Dataset

LEVELS = ("touchpoint", "campaign")
BETWEEN = ": "
NONE_GIVEN = r"^(\(.*\)|\s*)$"
"""Campaigns that are none: blank, and what GA4 puts in brackets, such as (not set)."""
WHOLE = "on touchpoints as a whole, which say nothing of one campaign, left out"
OF_TOUCHPOINTS = ("experiments", "lifts", "surveys", "changes")
NO_CAMPAIGNS = (
    "level: no touch names a campaign\n"
    "  with a column campaign in touches, credit, drivers and costs would be shown by campaign"
)


def at_level(data: Dataset, level: str) -> Dataset:
    """Give the data with each campaign as a touchpoint of its own, ``"touchpoint: campaign"``.

    Touches without a campaign stay with their touchpoint. Each campaign has the place of its
    touchpoint on the map. An experiment or lift of a whole touchpoint, a survey that asks about it
    and a change of it say nothing of one campaign of several: they are left out. Where there is but
    one, they are of it.

    Raises
    ------
    MissingInput, ParameterError
        If no touch names a campaign; for a level that there is not.
    """
    if level not in LEVELS:
        said = f"level: {level!r} is not a level{nearest(level, LEVELS)}"
        raise ParameterError(f"{said}\n  use 'touchpoint' or 'campaign'")
    if level == LEVELS[0]:
        return data
    finer, both = campaigns(data)
    tables = {**data.tables, "touches": data.touches.mutate(touchpoint=finer)}
    notes = [("touches", 0, "each campaign is a touchpoint of its own, as level says")]
    split = {*both.old[both.old != both.new]}
    if "touchpoints" in tables:
        gone = split - {*both.new}  # every touch has a campaign: nothing is left under the name
        tables["touchpoints"] = _map(tables["touchpoints"], both, sorted(gone))
    names = both.groupby("old").new.agg(list)
    alone = {old: new[0] for old, new in names.items() if len(new) == 1}
    several = sorted(split - {*alone})
    for name in [name for name in OF_TOUCHPOINTS if name in tables]:
        own = tables[name].touchpoint
        tables[name] = given = tables[name].mutate(touchpoint=own.substitute(alone, else_=own))
        whole = given.touchpoint.isin(several)
        if left_out := int(whole.sum().to_pyarrow().as_py() or 0):
            notes.append((name, left_out, WHOLE))
            tables[name] = given.filter(~whole)
            if not tables[name].limit(1).to_pyarrow().num_rows:
                del tables[name]
    more = pd.DataFrame(notes, columns=["table", "rows", "note"])
    return replace(data, tables=tables, notes=pd.concat([data.notes, more], ignore_index=True))


def campaigns(data: Dataset) -> tuple[ir.Value, pd.DataFrame]:
    """What each touch is called with its campaign; the names that there are: old, new."""
    if not data.has("touches") or "campaign" not in data.touches.columns:
        raise MissingInput(NO_CAMPAIGNS)
    touches = data.touches
    named = touches.campaign.notnull() & ~touches.campaign.re_search(NONE_GIVEN)
    finer = ibis.ifelse(
        named.fill_null(False), touches.touchpoint + BETWEEN + touches.campaign, touches.touchpoint
    )
    both = touches.select(old=touches.touchpoint, new=finer).distinct().to_pandas()
    if (both.old == both.new).all():
        raise MissingInput(NO_CAMPAIGNS)
    return finer, both


def _map(given: ir.Table, both: pd.DataFrame, gone: list[str]) -> ir.Table:
    """Give each campaign the row of its touchpoint."""
    new = ibis.memtable(both[both.old != both.new])
    finer = given.inner_join(new, given.touchpoint == new.old)
    finer = finer.select(**{c: "new" if c == "touchpoint" else c for c in given.columns})
    return given.filter(~given.touchpoint.isin(gone)).union(finer)
