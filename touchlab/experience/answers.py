"""Surveys in the engine: what was asked, what was answered, and in which group."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from touchlab.checks import nearest
from touchlab.contract import METRIC_RANGES, listing
from touchlab.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError

UNKNOWN = "(unknown)"
SCALE = "scale"
"""All metrics together, each from 0 (worst answer) to 100 (best answer) of its scale."""
FAVOURABLE = {"nps": 9, "csat": 4, "ces": 5}
"""The lowest score of a content customer: a promoter, satisfied, finds it easy."""
POOR = {"nps": 6, "csat": 2, "ces": 3}
"""The highest score of a customer who is not: a detractor, dissatisfied, finds it hard."""
MAP_COLUMNS = ("stage", "channel", "owner", "goal", "phase")
WINDOW = ("customer_id", "observed_from", "observed_to")

NO_SURVEYS = (
    "The data has no surveys. With a table of them (timestamp, touchpoint, metric, score), NPS, "
    "CSAT and CES by touchpoint would be shown here, and whether they matter."
)
NO_SCORES = "No survey was answered. With scores, how customers feel would be shown here."
NO_MAP = (
    "The data has no map of its touchpoints. With one (`touchlab map init` proposes it), {what} "
    "would be shown here."
)
NO_CUSTOMERS = (
    "The data has no customers table. With one (customer_id, observed_from, observed_to, traits), "
    "{what} would be shown here."
)
NO_IDS = "The surveys are anonymous. With their customer_id, {what} would be shown here."


def surveys_of(data: Dataset) -> ir.Table:
    """Give the surveys with every optional column in place."""
    if not data.has("surveys"):
        raise MissingInput(NO_SURVEYS)
    table = data.tables["surveys"]
    kinds = {"customer_id": "string", "sent_at": "timestamp"}
    more = {name: ibis.null(kind) for name, kind in kinds.items() if name not in table.columns}
    return table.mutate(**more) if more else table


def has_ids(data: Dataset) -> bool:
    """Say whether surveys name their customers."""
    return data.has("surveys") and "customer_id" in data.tables["surveys"].columns


def need_ids(data: Dataset, what: str) -> None:
    """Refuse surveys that do not name their customers."""
    surveys_of(data)
    if not has_ids(data):
        raise MissingInput(NO_IDS.format(what=what))


def map_of(data: Dataset, what: str) -> ir.Table:
    """Give the map with every optional column in place; `what` it would show if it were there."""
    if not data.has("touchpoints"):
        raise MissingInput(NO_MAP.format(what=what))
    table = data.tables["touchpoints"]
    more = {c: ibis.null("string") for c in MAP_COLUMNS if c not in table.columns}
    return table.mutate(**more) if more else table


def traits_of(data: Dataset) -> list[str]:
    """Name the traits of customers."""
    if not data.has("customers"):
        return []
    return sorted(set(data.tables["customers"].columns) - set(WINDOW))


def trait_table(data: Dataset, by: str, what: str) -> ir.Table:
    """Give each customer's trait as text: customer_id, group."""
    if not data.has("customers"):
        raise MissingInput(NO_CUSTOMERS.format(what=what))
    customers = data.tables["customers"]
    refuse_name("by", by, traits_of(data), "a trait of customers")
    text = customers[by].cast("string").fill_null(UNKNOWN)
    return customers.select("customer_id", group=text)


def refuse_name(parameter: str, name: str, known: list[str], what: str) -> None:
    """Refuse a name that is not known."""
    if name not in known:
        raise ParameterError(
            f"{parameter}: {name!r} is not {what}{nearest(str(name), known)}\n"
            f"  use one of {listing(known) or '(none)'}"
        )


def one_if(condition: ir.Value) -> ir.Value:
    """Give 1.0 where it holds, else 0.0; PostgreSQL turns no boolean into a float by itself."""
    return ibis.ifelse(condition, 1.0, 0.0)


def by_metric(values: Mapping[str, float], metric: ir.Value) -> ir.Value:
    """Look a number up by metric."""
    return ibis.cases(*((metric == name, float(v)) for name, v in values.items()))


def scaled(score: ir.Value, metric: ir.Value) -> ir.Value:
    """Bring a score to 0 (worst answer) to 100 (best answer)."""
    low = by_metric({m: a for m, (a, _) in METRIC_RANGES.items()}, metric)
    width = by_metric({m: b - a for m, (a, b) in METRIC_RANGES.items()}, metric)
    return (score - low) / width * 100.0


def of_metric(data: Dataset, surveys: ir.Table, metric: str | None) -> ir.Table:
    """Keep one metric, or all for None and for ``"scale"``."""
    if metric is None or metric == SCALE:
        return surveys
    refuse_name("metric", metric, [*METRIC_RANGES, SCALE], "a metric")
    known = sorted(surveys.select("metric").distinct().to_pandas().metric)
    if metric not in known:
        found = ", ".join(known)
        raise MissingInput(
            f"No survey asks for {metric}; the data has {found}. With it, {metric} would be "
            "shown here."
        )
    return surveys.filter(surveys.metric == metric)


def grouped(data: Dataset, surveys: ir.Table, by: str) -> ir.Table:
    """Add `group`: the touchpoint, stage, channel, month (UTC) or trait of each survey."""
    if by == "touchpoint":
        return surveys.mutate(group=surveys.touchpoint)
    if by == "month":
        time = ibis.coalesce(surveys.sent_at, surveys.timestamp)
        return surveys.mutate(group=time.strftime("%Y-%m").fill_null(UNKNOWN))
    if by in MAP_COLUMNS:
        own = map_of(data, f"scores by {by}")
        own = own.select("touchpoint", group=own[by])
        joined = surveys.left_join(own, "touchpoint")
    else:
        known = ["touchpoint", *MAP_COLUMNS, "month", *traits_of(data)]
        if data.has("customers"):
            refuse_name("by", by, known, "a way to group surveys")
        need_ids(data, f"scores by {by}")
        joined = surveys.left_join(trait_table(data, by, f"scores by {by}"), "customer_id")
    return joined.select(*surveys.columns, group=joined.group.fill_null(UNKNOWN))
