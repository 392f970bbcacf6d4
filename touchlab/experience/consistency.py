"""Whether customers meet the same experience in all channels of a stage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from touchlab.contract import STAGES
from touchlab.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.experience.answers import NO_SCORES, map_of, scaled, surveys_of
from touchlab.experience.intervals import Z, cluster_error
from touchlab.experience.scores import answer_sums

Floats = npt.NDArray[np.float64]
SURE = 0.05


def channel_consistency(data: Dataset) -> pd.DataFrame:
    """Do the channels of a stage treat customers alike?

    Compared are channels of one stage in which the same metric is asked. Other customers
    use other channels, so a difference need not be the channel's doing.

    Parameters
    ----------
    data
        An opened Dataset with surveys and a map that names channels.

    Returns
    -------
    pandas.DataFrame
        A row a stage, metric and channel: ``stage, metric, channel, score`` (mean, from
        0, worst, to 100, best answer), ``shrunken, ci_low, ci_high`` (drawn to the mean of
        the stage as far as its own answers are few, 95 %), ``n, spread`` (standard
        deviation between the channels of the stage, beyond chance), ``p_value`` (of no
        difference between them) and ``differs`` (below 5 %).

    Raises
    ------
    MissingInput
        Without surveys, map or channels, or where no metric is asked in two channels of
        one stage.

    Notes
    -----
    Empirical Bayes with normal errors: spread by Paule & Mandel [1982], p-value by
    Cochran's Q. Two channels tell little of the spread.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> channel_consistency(data)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    touchlab.errors.MissingInput: No metric is asked in two channels of one stage. With ...
    """
    surveys, own = surveys_of(data), map_of(data, "whether channels are consistent")
    own = own.filter(own.stage.notnull() & own.channel.notnull())
    rows = surveys.inner_join(own.select("touchpoint", "stage", "channel"), "touchpoint")
    keys = ["stage", "metric", "channel"]
    table = answer_sums(rows, keys, scaled(rows.score, rows.metric))
    table = table[table.n > 0]
    if table.empty:
        raise MissingInput(NO_SCORES)
    table["error"] = _errors(table)
    places = [own for _, own in table.groupby(["stage", "metric"], sort=False) if len(own) > 1]
    if not places:
        raise MissingInput(
            "No metric is asked in two channels of one stage. With the same question in both, "
            "whether the channels are consistent would be shown here."
        )
    result = pd.concat([_shrunken(own) for own in places])
    order = {stage: place for place, stage in enumerate(STAGES)}
    return result.sort_values(keys, key=lambda c: c.map(order) if c.name == "stage" else c,
                              ignore_index=True)  # fmt: skip


def _errors(table: pd.DataFrame) -> Floats:
    """Give each mean its error; that of all channels together where a channel's cannot be told."""
    error, _ = cluster_error(table)
    variance = error**2 * table.n
    usual = (
        np.average(variance[error > 0], weights=table.n[error > 0]) if (error > 0).any() else 1.0
    )
    return np.where(error > 0, error, np.sqrt(usual / table.n))


def _shrunken(own: pd.DataFrame) -> pd.DataFrame:
    mean, error = (own.total / own.n).to_numpy(float), own.error.to_numpy(float)
    spread, p_value = between(mean, error)
    weight = 1 / (error**2 + spread**2)
    centre = np.average(mean, weights=weight)
    kept = spread**2 * weight
    shrunken = centre + kept * (mean - centre)
    # the centre is estimated too [Morris 1983]
    wide = Z * np.sqrt(kept * error**2 + (1 - kept) ** 2 / weight.sum())
    return pd.DataFrame(
        {
            "stage": own.stage,
            "metric": own.metric,
            "channel": own.channel,
            "score": mean,
            "shrunken": shrunken,
            "ci_low": np.clip(shrunken - wide, 0, 100),
            "ci_high": np.clip(shrunken + wide, 0, 100),
            "n": own.n.astype(np.int64),
            "spread": spread,
            "p_value": p_value,
            "differs": p_value < SURE,
        }
    )


def between(mean: Floats, error: Floats) -> tuple[float, float]:
    """Give the standard deviation between means beyond their errors, and the p-value of none.

    Examples
    --------
    >>> spread, p_value = between(np.array([60.0, 80.0]), np.array([2.0, 2.0]))
    >>> round(spread, 2), p_value < 0.001
    (14.0, True)
    """

    def excess(variance: float) -> float:
        weight = 1 / (error**2 + variance)
        centre = np.average(mean, weights=weight)
        return float((weight * (mean - centre) ** 2).sum() - (len(mean) - 1))

    p_value = float(stats.chi2.sf(excess(0.0) + len(mean) - 1, len(mean) - 1))
    if excess(0.0) <= 0:
        return 0.0, p_value
    most = float(((mean - mean.mean()) ** 2).sum()) + 1.0
    return float(np.sqrt(brentq(excess, 0.0, most))), p_value
