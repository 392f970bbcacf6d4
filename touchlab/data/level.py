"""Campaigns as touchpoints: the same data, told apart one level further down."""

from __future__ import annotations

from collections.abc import Mapping
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
NO_CAMPAIGNS = (
    "level: no touch names a campaign\n"
    "  with a column campaign in touches, credit, drivers and costs would be shown by campaign"
)


def at_level(data: Dataset, level: str) -> Dataset:
    """Give the data with each campaign as a touchpoint of its own, ``"touchpoint: campaign"``.

    Touches without a campaign stay with their touchpoint. Each campaign has the place of its
    touchpoint on the map. Surveys go on to ask about touchpoints, not about campaigns, and an
    experiment that held a whole touchpoint back says nothing of one campaign: it is left out,
    by name, where its touchpoint has campaigns.

    Raises
    ------
    MissingInput, ParameterError
        If no touch names a campaign; for a level that there is not.
    """
    if level not in LEVELS:
        mend = f"use {' or '.join(map(repr, LEVELS))}"
        raise ParameterError(f"level: {level!r} is not a level{nearest(level, LEVELS)}\n  {mend}")
    if level == LEVELS[0]:
        return data
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
    tables = {**data.tables, "touches": touches.mutate(touchpoint=finer)}
    notes = [("touches", 0, "each campaign is a touchpoint of its own, as level says")]
    split = sorted({*both.old[both.old != both.new]} - {*both.new})
    """Touchpoints of which every touch has a campaign: nothing is left under their name."""
    if "touchpoints" in tables:
        tables["touchpoints"] = _map(tables, both, split)
    if "experiments" in tables:
        given = tables["experiments"]
        whole = given.touchpoint.isin(sorted({*both.old[both.old != both.new]}))
        left_out = int(whole.sum().to_pyarrow().as_py() or 0)
        if left_out:
            said = "on touchpoints as a whole, which say nothing of one campaign, left out"
            notes.append(("experiments", left_out, said))
            tables["experiments"] = given.filter(~whole)
            if not tables["experiments"].limit(1).to_pyarrow().num_rows:
                del tables["experiments"]
    more = pd.DataFrame(notes, columns=["table", "rows", "note"])
    return replace(data, tables=tables, notes=pd.concat([data.notes, more], ignore_index=True))


def _map(tables: Mapping[str, ir.Table], both: pd.DataFrame, split: list[str]) -> ir.Table:
    """Give each campaign the row of its touchpoint; one that only surveys name keeps its own."""
    given, new = tables["touchpoints"], ibis.memtable(both[both.old != both.new])
    finer = given.inner_join(new, given.touchpoint == new.old)
    finer = finer.select(**{c: "new" if c == "touchpoint" else c for c in given.columns})
    kept = ~given.touchpoint.isin(split)
    if "surveys" in tables:
        asked = tables["surveys"].select("touchpoint").distinct().to_pandas().touchpoint
        kept |= given.touchpoint.isin(asked.tolist())
    return given.filter(kept).union(finer)
