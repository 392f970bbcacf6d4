"""One row a customer: mean score by touchpoint, and what it should explain."""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.contract import METRIC_RANGES, listing
from touchlab.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError
from touchlab.experience.answers import NO_SCORES, need_ids, of_metric, scaled, surveys_of
from touchlab.experience.later import USUAL, followed_answers

TARGET = "target"
NOT_WATCHED = (
    "No answer was watched for {days} days. With longer observation, or fewer days, what goes "
    "with the outcome would be shown here."
)


def driver_frame(data: Dataset, target: str, days: int) -> pd.DataFrame:
    """Give each customer's mean score by touchpoint, from 0 to 100 of the scale, and the target.

    Columns: the touchpoints, and last `target`. For a metric, the target is the customer's
    mean score and the touchpoints' scores are those of the other metrics. For an outcome,
    it is 1 if it followed within `days` after the customer's last answer that was followed
    that long, else 0, and all metrics up to then count.
    """
    need_ids(data, "which touchpoint's score goes with the overall opinion")
    if target in METRIC_RANGES:
        rows = surveys_of(data)
        of_metric(data, rows, target)
        rows = rows.filter(rows.score.notnull() & rows.customer_id.notnull())
        own = rows.filter(rows.metric == target)
        wanted = own.group_by("customer_id").aggregate(target=own.score.mean()).to_pandas()
        rows = rows.filter(rows.metric != target)
    else:
        _refuse_target(data, target)
        rows = followed_answers(data, target, days)
        last = rows.group_by("customer_id").aggregate(time=rows.time.max())
        ends = rows.inner_join(last, ["customer_id", "time"])
        wanted = ends.group_by("customer_id").aggregate(target=ends.happened.max()).to_pandas()
    if wanted.empty:
        raise MissingInput(NO_SCORES if target in METRIC_RANGES else NOT_WATCHED.format(days=days))
    wide = _mean_scores(rows)
    frame = wide.join(wanted.set_index("customer_id"), how="outer")
    return frame.astype(np.float64)


def _mean_scores(rows: ir.Table) -> pd.DataFrame:
    score = scaled(rows.score, rows.metric)
    table = rows.group_by("customer_id", "touchpoint").aggregate(score=score.mean()).to_pandas()
    wide = table.pivot(index="customer_id", columns="touchpoint", values="score")
    return wide.rename(columns={TARGET: f"{TARGET} (touchpoint)"}).rename_axis(columns=None)


def _refuse_target(data: Dataset, target: str) -> None:
    if target in USUAL:
        return
    known = sorted(data.outcomes.select("outcome").distinct().to_pandas().outcome)
    if target not in known:
        raise ParameterError(
            f"target: {target!r} is neither a metric nor an outcome\n"
            f"  use one of {', '.join(METRIC_RANGES)}, or of {listing(known)}"
        )
