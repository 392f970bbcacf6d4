"""Raw removal effects: what a Markov chain of the journeys would lose without touchpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from touchlab.checks import nearest
from touchlab.credit.attribute import check_outcomes
from touchlab.credit.frame import jackknife_interval, of_segment, segments, total_by_group
from touchlab.credit.markov import chain_of_order, removals
from touchlab.dataset import Dataset
from touchlab.errors import ParameterError
from touchlab.journeys.build import Journeys, build_journeys
from touchlab.journeys.counts import outcome_sums, step_counts
from touchlab.journeys.ordered import held, order_events

MAX_ORDER = 4


def removal_effects(
    data: Dataset | Journeys,
    *,
    sets: Iterable[str | Iterable[str]] | None = None,
    order: int = 1,
    outcome: str = "conversion",
    lookback: str | None = "30D",
    repeats: str = "keep",
) -> pd.DataFrame:
    """Say which share of outcomes the chain loses when touchpoints are taken out of it.

    Every journey that meets a removed touchpoint ends there. The losses of single
    touchpoints add up to more than everything, since journeys overlap; the credit of
    `attribute` is these numbers scaled to add up. It is a property of the chain, not
    of customers: it does not say what they would have done instead.

    Parameters
    ----------
    data
        An opened Dataset, or journeys already built.
    sets
        Touchpoints, or sets of touchpoints to remove together, such as
        ``[["email", "push"], "display"]``; None for each touchpoint by itself.
    order
        Touches that the chain remembers, 1 to 4.
    outcome, lookback, repeats
        As in `build_journeys`.

    Returns
    -------
    pandas.DataFrame
        ``[segment], touchpoints, removal, outcomes_lost, ci_low, ci_high, n``: the
        share lost with its 95 % interval, that share of the outcomes with a touch
        before them, and all outcomes.

    Raises
    ------
    ParameterError, DataError
        For unknown touchpoints or orders, and where no outcome can be credited.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> paths = pd.DataFrame({
    ...     "path": ["c1 > c2 > c3", "c1", "c2 > c3"], "conversions": [1, 0, 0], "null": [0, 1, 1],
    ... })
    >>> effects = removal_effects(tl.open_data({"paths": paths}), sets=["c1", ["c1", "c2"]])
    >>> effects[["touchpoints", "removal"]].round(3)
      touchpoints  removal
    0          c1      0.5
    1     c1 + c2      1.0
    """
    if order not in range(1, MAX_ORDER + 1):
        raise ParameterError(f"order: {order!r} is not a choice\n  use 1, 2, 3 or 4")
    journeys = build_journeys(data, outcome=outcome, lookback=lookback, repeats=repeats)
    chosen = _chosen_sets(sets, journeys.touchpoints)
    with held(journeys) as ready:
        ordered = order_events(ready, order)
        sums = outcome_sums(ordered)
        check_outcomes(sums, journeys, "count")
        steps = step_counts(ordered, order)
    codes = [[journeys.touchpoints.index(name) for name in names] for names in chosen]
    frames = []
    for segment, own in segments(sums):
        total = total_by_group(own, journeys.groups)
        chain = chain_of_order(of_segment(steps, segment), journeys, order=order, counted=order)
        removal, replicates = removals(chain, codes)
        low, high = jackknife_interval(removal, replicates, high=1.0)
        table = pd.DataFrame(
            {
                "touchpoints": [" + ".join(names) for names in chosen],
                "removal": removal,
                "outcomes_lost": removal * total.touched.sum(),
                "ci_low": low,
                "ci_high": high,
                "n": total.n,
            }
        )
        if segment is not None:
            table.insert(0, "segment", segment)
        frames.append(table)
    return pd.concat(frames, ignore_index=True)


def _chosen_sets(
    sets: Iterable[str | Iterable[str]] | None, known: Sequence[str]
) -> list[list[str]]:
    if sets is None:
        return [[name] for name in known]
    if isinstance(sets, str):
        raise ParameterError(f"sets: {sets!r} is not a list of sets\n  give [{sets!r}, ...]")
    chosen = [[names] if isinstance(names, str) else list(names) for names in sets]
    for name in (name for names in chosen for name in names):
        if name not in known:
            raise ParameterError(
                f"sets: {name!r} is not a touchpoint{nearest(str(name), known)}\n"
                f"  the touchpoints are {', '.join(known)}"
            )
    if not chosen or not all(chosen):
        raise ParameterError("sets: a set is empty\n  name at least one touchpoint in each")
    return chosen
