"""From touchpoint to touchpoint: where customers go next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.journeys.build import Journeys, build_journeys
from touchlab.journeys.counts import step_counts
from touchlab.journeys.ordered import order_events
from touchlab.replicates import interval, jackknife

Floats = npt.NDArray[np.float64]

START, OUTCOME, END = "(start)", "(outcome)", "(end)"


def transition_matrix(
    data: Dataset | Journeys,
    *,
    outcome: str = "conversion",
    lookback: str | None = "30D",
    repeats: str = "keep",
) -> pd.DataFrame:
    """Say what comes next after each touchpoint: another one, the outcome or the end.

    It describes the order of touches; a touchpoint that is often followed by the
    outcome need not have caused it. Outcomes without a touch before them are not in it.

    Parameters
    ----------
    data
        An opened Dataset, or journeys already built; segments are put together.
    outcome, lookback, repeats
        As in `build_journeys`.

    Returns
    -------
    pandas.DataFrame
        ``source, target, n, probability, ci_low, ci_high``: a row a step that was
        taken `n` times, its share of all steps from the source with a 95 % interval.
        Sources begin with ``(start)``; targets end with ``(outcome)`` and ``(end)``,
        the end of a journey without the outcome.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> paths = pd.DataFrame({
    ...     "path": ["ad > email", "email"], "conversions": [1, 1], "null": [2, 0],
    ... })
    >>> steps = transition_matrix(tl.open_data({"paths": paths}))
    >>> steps[["source", "target", "n", "probability"]]
        source     target    n  probability
    0  (start)         ad  3.0         0.75
    1  (start)      email  1.0         0.25
    2       ad      email  3.0         1.00
    3    email  (outcome)  2.0         0.50
    4    email      (end)  2.0         0.50
    """
    journeys = build_journeys(data, outcome=outcome, lookback=lookback, repeats=repeats)
    width, groups = journeys.width, journeys.groups
    steps = step_counts(order_events(journeys), 1)
    cell = steps.group.to_numpy(dtype=np.int64) * width**2 + steps.key.to_numpy(dtype=np.int64)
    counts = np.bincount(cell, steps.n, minlength=groups * width**2).astype(np.float64)
    counts = counts.reshape(groups, width, width)
    start, last = journeys.start_code, journeys.outcome_code
    counts[:, start, last] = 0.0
    # nothing steps to the start: its column holds the ends
    entered = counts[:, :, :start].sum(axis=1)
    counts[:, :start, start] = entered - counts[:, :start].sum(axis=2)
    names = list(journeys.touchpoints)
    table = _shares(counts)[:, [start, *range(start)]][:, :, [*range(start), last, start]]
    return _tidy(table, [START, *names], [*names, OUTCOME, END])


def _shares(counts: Floats) -> Floats:
    """Stack n, probability, ci_low and ci_high of every step."""
    whole = counts.sum(axis=0)
    probability = _divide(whole)
    replicates = _divide(whole - counts) if len(counts) > 1 else counts[:0]
    low, high = interval(probability, *jackknife(probability, replicates), low=0.0, high=1.0)
    return np.stack([whole, probability, low, high])


def _divide(counts: Floats) -> Floats:
    whole = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, whole, out=np.full_like(counts, np.nan), where=whole > 0)


def _tidy(table: Floats, sources: list[str], targets: list[str]) -> pd.DataFrame:
    source, target = np.nonzero(table[0] > 1e-9)
    columns = dict(zip(("n", "probability", "ci_low", "ci_high"), table, strict=True))
    values = {name: column[source, target] for name, column in columns.items()}
    places = {"source": [sources[i] for i in source], "target": [targets[i] for i in target]}
    return pd.DataFrame({**places, **values})
