"""The map and the experience set for reading: what notebooks show."""

from __future__ import annotations

import pandas as pd

from touchlab.data.customers import traits
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError
from touchlab.experience.key_drivers import KeyDrivers
from touchlab.experience.map import touchpoint_map
from touchlab.experience.stages import coverage_by_segment
from touchlab.experience.surveys import SCALE, map_of, survey_scores, surveys_of

MOST_DIFFERENT = 6
NO_SEGMENT = (
    "No trait was chosen. With the parameter segment set to a trait of customers ({traits}), "
    "{what} would be shown here."
)


def with_surveys(data: Dataset) -> Dataset:
    """Give the data back if it has surveys."""
    surveys_of(data)
    return data


def with_map(data: Dataset) -> Dataset:
    """Give the data back if it has a map."""
    map_of(data, "its gaps, drop-off by stage, and touches by owner and channel")
    return data


def map_with_scores(data: Dataset) -> pd.DataFrame:
    """Add each touchpoint's mean answer, from 0 to 100 of the scale, where surveys ask for it."""
    table = touchpoint_map(data)
    try:
        scores = survey_scores(data, metric=SCALE).set_index("touchpoint")
    except MissingInput:
        return table
    return table.assign(score=table.touchpoint.map(scores.score))


def brief_map(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of the map that a reader needs."""
    columns = ["touchpoint", "stage", "channel", "owner", "goal", "touches", "share", "score"]
    if not table.mapped.all():
        columns.insert(1, "mapped")
    return table[[c for c in columns if c in table.columns]]


def brief_drivers(drivers: KeyDrivers) -> pd.DataFrame:
    """Importance as a share of what is explained, beside performance."""
    table = drivers.table.drop(columns="r2")
    names = {"importance": "share", "ci_low": "share_low", "ci_high": "share_high"}
    return table.rename(columns=names)


def chosen_segment(data: Dataset, segment: str, what: str) -> str:
    """Give the trait, or say which could be chosen."""
    if segment:
        return segment
    known = traits(data)
    raise MissingInput(
        NO_SEGMENT.format(traits=", ".join(known), what=what)
        if known
        else f"The data has no traits of customers. With a customers table that has some, {what} "
        "would be shown here."
    )


def reach(data: Dataset, segment: str) -> pd.DataFrame:
    """Share of each segment that touchpoints reach, the few that differ most first."""
    by = chosen_segment(data, segment, "which touchpoints reach which segments")
    table = coverage_by_segment(data, by=by)
    spread = table.groupby("touchpoint").rate.transform(lambda r: r.max() - r.min())
    ordered = table.assign(spread=spread).sort_values(
        ["spread", "touchpoint", "segment"], ascending=[False, True, True], ignore_index=True
    )
    most = ordered.touchpoint.unique()[:MOST_DIFFERENT]
    return ordered[ordered.touchpoint.isin(most)].drop(columns=["spread", "overall"])


def by_segment(data: Dataset, segment: str) -> pd.DataFrame:
    """Scores by a trait of customers."""
    by = chosen_segment(data, segment, "scores by segment")
    if by in {"touchpoint", "month"}:
        raise ParameterError(f"segment: {by!r} is no trait of customers\n  name one")
    return brief_scores(survey_scores(data, by=by))


def brief_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """The columns of `survey_scores` that a reader needs, metrics in capitals."""
    columns = ["metric", scores.columns[1], "score", "ci_low", "ci_high", "n", "sent"]
    table = scores[[*columns, "response_rate", "ranked"]]
    table = table.assign(metric=table.metric.str.upper())
    return table if table.sent.notna().any() else table.drop(columns=["sent", "response_rate"])


def capitals(table: pd.DataFrame) -> pd.DataFrame:
    """Write metrics in capitals."""
    return table.assign(metric=table.metric.str.upper())
