"""Where in the journey a touchpoint earns its credit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from touchlab.credit.attribute import MARKOV, check_outcomes, check_shared_out, choose_models
from touchlab.credit.frame import credit_of_cells, segments, tidy_credit, total_by_group
from touchlab.credit.rules import Rule
from touchlab.dataset import Dataset
from touchlab.errors import ParameterError
from touchlab.journeys.build import Journeys, build_journeys
from touchlab.journeys.counts import Measure, rule_sums
from touchlab.journeys.ordered import order_events
from touchlab.journeys.touches import NO_CODE

POSITIONS = 10


def credit_by_position(
    data: Dataset | Journeys,
    *,
    model: str | Rule = "shapley",
    measure: Measure = "count",
    outcome: str = "conversion",
    lookback: str | None = "30D",
    repeats: str = "keep",
) -> pd.DataFrame:
    """Split the credit of each touchpoint by the position of its touches.

    With ``shapley`` this is the ordered Shapley value: each distinct touchpoint of a
    journey gets an equal share of its outcome, and divides it equally among its
    touches there [Zhao, Mahboobi, Bagheri 2018]. Markov models credit touchpoints as
    a whole, and have no positions.

    Parameters
    ----------
    data
        An opened Dataset, or journeys already built.
    model
        A rule's name, or a `Rule` of your own.
    measure, outcome, lookback, repeats
        As in `attribute`.

    Returns
    -------
    pandas.DataFrame
        ``[segment], model, touchpoint, position, credit, share, ci_low, ci_high, n``;
        every touchpoint at every position, ``"1"`` to ``"10"`` and ``"11+"``. Credits
        of a touchpoint add up to those of `attribute`; `share` is of all outcomes `n`,
        with those that no touch can be credited with.

    Raises
    ------
    ParameterError, DataError
        As in `attribute`, and for Markov models.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> paths = pd.DataFrame({"path": ["ad > email > ad", "email"], "conversions": [1, 1]})
    >>> table = credit_by_position(tl.open_data({"paths": paths}))
    >>> table.pivot(index="touchpoint", columns="position", values="credit")
    position       1    2     3
    touchpoint
    ad          0.25  0.0  0.25
    email       1.00  0.5  0.00
    """
    if isinstance(model, str) and model in MARKOV:
        raise ParameterError(
            f"model: {model!r} credits touchpoints as a whole, not at positions\n"
            "  use 'shapley' or a rule, such as 'linear'"
        )
    journeys = build_journeys(data, outcome=outcome, lookback=lookback, repeats=repeats)
    rule: Any = choose_models([model], journeys)[0]
    sums = rule_sums(order_events(journeys), [rule], measure=measure, positions=POSITIONS)
    check_outcomes(sums, journeys, measure)
    deepest = int(sums.position.max())
    names = pd.MultiIndex.from_product(
        [journeys.touchpoints, range(1, deepest + 1)], names=["touchpoint", "position"]
    )
    labels = names.to_frame(index=False)
    labels.insert(0, "model", rule.name)
    labels["position"] = [str(p) if p <= POSITIONS else f"{p}+" for p in labels.position]
    frames = []
    for segment, own in segments(sums):
        total = total_by_group(own, journeys.groups)
        touched = own[own.code != NO_CODE]
        cell = (touched.code * deepest + touched.position - 1).to_numpy(dtype=np.int64)
        check_shared_out(touched.sum_0, total, rule)
        credit = credit_of_cells(touched, cell, "sum_0", len(labels), journeys.groups)
        frames.append(tidy_credit(labels, credit, total, segment))
    return pd.concat(frames, ignore_index=True)
