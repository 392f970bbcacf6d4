"""What a Markov chain loses without touchpoints, and how many touches it should remember."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from touchlab.credit.attribute import check_outcomes
from touchlab.credit.frame import (
    Ints,
    add_up,
    jackknife_interval,
    of_segment,
    segments,
    shares,
    total_by_group,
)
from touchlab.credit.markov import chain_of_order, removals
from touchlab.data.customers import NO_TOUCH
from touchlab.data.dataset import Dataset
from touchlab.errors import ParameterError, TooThin, need_name
from touchlab.journeys.build import Journeys, build_journeys, kept_journeys, order_events
from touchlab.journeys.counts import outcome_sums, start_key, step_counts
from touchlab.numeric import Floats

MAX_ORDER = 4
FOLDS = 5


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
    with kept_journeys(journeys) as ready:
        ordered = order_events(ready, order)
        sums = outcome_sums(ordered)
        check_outcomes(sums, journeys, "count")
        steps = step_counts(ordered, order)
    codes = [[journeys.touchpoints.index(name) for name in names] for names in chosen]
    frames, bases = [], []
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
        credited = shares(removal) * total.touched.sum()
        base = pd.DataFrame({"touchpoints": table.touchpoints, "credit": credited})
        base.loc[len(base)] = [NO_TOUCH, total.untouched.sum()]
        for one in (table, base) if segment is not None else ():
            one.insert(0, "segment", segment)
        frames.append(table)
        bases.append(base)
    table = pd.concat(frames, ignore_index=True)
    if sets is None:  # over their sum they are the credit: hidden wherever that is
        base = pd.concat(bases).to_dict("list")
        table.attrs["stands_on"] = dict.fromkeys(
            ["removal", "outcomes_lost", "ci_low", "ci_high"], base
        )
    return table


def _chosen_sets(
    sets: Iterable[str | Iterable[str]] | None, known: Sequence[str]
) -> list[list[str]]:
    if sets is None:
        return [[name] for name in known]
    if isinstance(sets, str):
        raise ParameterError(f"sets: {sets!r} is not a list of sets\n  give [{sets!r}, ...]")
    chosen = [[names] if isinstance(names, str) else list(names) for names in sets]
    for name in (name for names in chosen for name in names):
        need_name("sets", name, known, "is not a touchpoint", offer="the touchpoints are")
    if not chosen or not all(chosen):
        raise ParameterError("sets: a set is empty\n  name at least one touchpoint in each")
    return chosen


def choose_order(
    data: Dataset | Journeys,
    *,
    max_order: int = MAX_ORDER,
    outcome: str = "conversion",
    lookback: str | None = "30D",
    repeats: str = "keep",
) -> pd.DataFrame:
    """Say how many touches back help to foretell the next step of customers not seen before.

    Each fifth of the customers is foretold from the others. A longer memory h falls
    back on a shorter one h' where it has seen little [Witten & Bell 1991]:
    p(x | h) = (n_hx + d_h p(x | h')) / (n_h + d_h), with d_h the different steps seen
    after h, and at the end of the line an equal chance for every step. It is the
    smallest order within one standard error of the best.

    Parameters
    ----------
    data
        An opened Dataset, or journeys already built; segments are put together.
    max_order
        Longest memory to try, 1 to 4.
    outcome, lookback, repeats
        As in `build_journeys`.

    Returns
    -------
    pandas.DataFrame
        ``order, log_likelihood, se, parameters, n, chosen``: the held-out
        log-likelihood a step, the standard error of its difference to the best
        order's, the free probabilities seen, the steps (the end of a journey is one).

    Raises
    ------
    ParameterError, DataError
        For an order out of range, and for paths without customer groups.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> paths = pd.DataFrame({"path": ["a > b", "b > a > b", "b"], "conversions": [90, 50, 30]})
    >>> orders = choose_order(tl.open_data({"paths": paths}), max_order=2)
    >>> orders.loc[orders.chosen, "order"].item()
    2
    """
    if max_order not in range(1, MAX_ORDER + 1):
        raise ParameterError(f"max_order: {max_order!r} is not a choice\n  use 1, 2, 3 or 4")
    journeys = build_journeys(data, outcome=outcome, lookback=lookback, repeats=repeats)
    if journeys.groups < FOLDS:
        raise TooThin(
            "choose_order: these paths have no customer groups to hold out\n"
            "  give whole numbers of journeys, 50 or more of them"
        )
    counted = step_counts(order_events(journeys, max_order), max_order)
    steps = all_steps(counted, journeys, max_order)
    return score_orders(steps, width=journeys.width, max_order=max_order)


def all_steps(steps: pd.DataFrame, journeys: Journeys, order: int) -> pd.DataFrame:
    """Add the steps that end journeys without the outcome, with the start's code as target."""
    width, start = journeys.width, start_key(journeys.width, order)
    outright = (steps.key // width == start) & (steps.key % width == journeys.outcome_code)
    steps = steps.loc[~outright, ["group", "key", "n"]]
    touches = steps[steps.key % width != journeys.outcome_code]
    later = steps[steps.key // width != start]
    entered = touches.groupby(["group", touches.key % width**order]).n.sum()
    left = later.groupby(["group", later.key // width]).n.sum()
    ended = entered.sub(left, fill_value=0.0).reset_index()
    ended = ended[ended.n > 1e-9].assign(key=lambda t: t.key * width + journeys.start_code)
    return pd.concat([steps, ended], ignore_index=True)


def score_orders(steps: pd.DataFrame, *, width: int, max_order: int) -> pd.DataFrame:
    """Compare orders on `all_steps` counted at `max_order`; see `choose_order`."""
    group, n = steps.group.to_numpy(dtype=np.int64), steps.n.to_numpy(dtype=float)
    levels = _levels(steps.key.to_numpy(dtype=np.int64), width, max_order)
    groups = int(group.max()) + 1
    likelihood = np.zeros((max_order + 1, groups))
    for fold in range(FOLDS):
        unseen = group % FOLDS == fold
        chance = _foretell(levels, np.where(unseen, 0.0, n), width)
        for order, level in enumerate(levels):
            score = n[unseen] * np.log(chance[order][level.row[unseen]])
            likelihood[order] += add_up(group[unseen], score, groups)
    return _compare(likelihood[1:], add_up(group, n, groups), levels[1:])


@dataclass(frozen=True)
class Level:
    """The different steps at one order, and where each row finds its own."""

    row: Ints
    """(rows,) step of each row."""
    memory: Ints
    """(steps,) what each step remembers."""
    shorter: Ints
    """(steps,) the same step at the next lower order; itself at order 0."""


def _levels(key: Ints, width: int, max_order: int) -> list[Level]:
    levels: list[Level] = []
    lower = np.empty(0, dtype=np.int64)
    for order in range(max_order + 1):
        steps, row = np.unique(key % width ** (order + 1), return_inverse=True)
        memory = np.unique(steps // width, return_inverse=True)[1]
        shorter = np.searchsorted(lower, steps % width**order) if order else np.arange(len(steps))
        levels.append(Level(row, memory, shorter))
        lower = steps
    return levels


def _foretell(levels: list[Level], n: Floats, width: int) -> list[Floats]:
    """Give the chance of each step at each order, learnt from rows weighed by `n`."""
    chances: list[Floats] = []
    for level in levels:
        seen = add_up(level.row, n, len(level.memory))
        visits = add_up(level.memory, seen, 0)[level.memory]
        different = add_up(level.memory, seen > 0, 0)[level.memory]
        behind = chances[-1][level.shorter] if chances else np.full(len(seen), 1 / width)
        weight = visits + different
        mixed = (seen + different * behind) / np.maximum(weight, 1e-300)
        chances.append(np.where(weight > 0, mixed, behind))
    return chances


def _compare(likelihood: Floats, n: Floats, levels: list[Level]) -> pd.DataFrame:
    score = likelihood.sum(axis=1) / n.sum()
    best = int(score.argmax())
    apart = likelihood - likelihood[best] - (score - score[best])[:, None] * n
    groups = int((n > 0).sum())
    error = np.sqrt(groups / max(groups - 1, 1) * (apart**2).sum(axis=1)) / n.sum()
    chosen = int(np.flatnonzero(score >= score[best] - error)[0])
    table = pd.DataFrame({"order": np.arange(len(score)) + 1, "log_likelihood": score, "se": error})
    free = [len(level.memory) - int(level.memory.max()) - 1 for level in levels]
    return table.assign(parameters=free, n=n.sum(), chosen=table.index == chosen)
