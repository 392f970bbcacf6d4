"""How often a model ranks customers right: concordance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from touchlab.retention.partial_likelihood import Episodes

Floats = npt.NDArray[np.float64]

MOST_OUTCOMES = 1_000
"""Outcomes looked at, evenly through time, where there are more."""
CELLS = 10_000_000


def concordance(rows: Episodes, score: Floats) -> tuple[float, float]:
    """Return the share of pairs ranked right, and how many pairs can be ranked.

    A pair is an outcome and somebody at risk then who did not have it at that time; it is
    right if the outcome had the higher score, half right if scores are equal [Harrell 1982;
    for episodes, Therneau & Grambsch 2000].

    Examples
    --------
    >>> import numpy as np
    >>> none = np.zeros((3, 0))
    >>> rows = Episodes(np.zeros(3), np.array([1.0, 2, 3]), np.array([1, 1, 0]), np.arange(3), none)
    >>> concordance(rows, np.array([2.0, 3.0, 1.0]))    # 2 of the 3 pairs
    (0.666..., 3.0)
    """
    outcomes = np.flatnonzero(rows.event == 1)
    outcomes = outcomes[np.argsort(rows.stop[outcomes], kind="stable")]
    outcomes = outcomes[:: max(1, -(-len(outcomes) // MOST_OUTCOMES))]
    right = pairs = 0.0
    for part in np.array_split(outcomes, max(1, len(outcomes) * len(rows) // CELLS)):
        time, own = rows.stop[part][:, None], score[part][:, None]
        there = (rows.start < time) & (rows.stop >= time)
        there &= ~((rows.stop == time) & (rows.event == 1))
        pairs += float(there.sum())
        right += float((there & (score < own)).sum()) + 0.5 * float((there & (score == own)).sum())
    return (right / pairs if pairs else float("nan")), pairs
