"""Credit by all models in one tidy frame, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.checks import nearest
from touchlab.credit.markov import build_chain, lower_order, removal_effects, removal_replicates
from touchlab.credit.rules import RULES, Rule
from touchlab.dataset import Dataset
from touchlab.errors import DataError, ParameterError
from touchlab.journeys.build import Journeys, build_journeys
from touchlab.journeys.counts import rule_sums, totals, transition_counts
from touchlab.replicates import interval, jackknife

Floats = npt.NDArray[np.float64]
Measure = Literal["count", "value"]

MARKOV = {"markov": 1, "markov_2": 2, "markov_3": 3, "markov_4": 4}
NO_TOUCH = "(no touch)"
COLUMNS = ["model", "touchpoint", "credit", "share", "ci_low", "ci_high", "n"]


def attribute(
    data: Dataset | Journeys,
    *,
    outcome: str = "conversion",
    models: Sequence[str | Rule] | None = None,
    measure: Measure = "count",
    lookback: str | None = "30D",
    repeats: str = "keep",
    by: str | None = None,
) -> pd.DataFrame:
    """Share out the outcomes that happened among the touchpoints before them.

    Credit describes: it adds up to all outcomes, so it cannot tell what would have
    happened without a touchpoint. For that, see the drivers.

    Parameters
    ----------
    data
        An opened Dataset, or journeys already built (then `outcome`, `lookback`,
        `repeats` and `by` are those of the journeys).
    models
        Any of ``first, last, last_non_direct, linear, position, time_decay,
        shapley, markov, markov_2, markov_3, markov_4``, or a `Rule` of your own;
        None for all that apply, with Markov of order 1.
    measure
        ``"count"`` shares out outcomes, ``"value"`` their value.
    outcome, lookback, repeats, by
        As in `build_journeys`.

    Returns
    -------
    pandas.DataFrame
        A row a model and touchpoint: ``[segment], model, touchpoint, credit, share,
        ci_low, ci_high, n``; `credit` in outcomes or value with its 95 % interval,
        `share` of all outcomes `n` (or of their value). The row ``(no touch)``
        holds outcomes with no touch within the lookback.

    Raises
    ------
    ParameterError, DataError
        For unknown models or choices, and where no outcome can be credited.

    Examples
    --------
    >>> import touchlab as tl
    >>> credit = tl.attribute(tl.open_data("data/sample"), models=["last", "markov"])
    >>> bool(np.isclose(credit[credit.model == "last"].credit.sum(), credit.n.iloc[0]))
    True
    """
    if measure not in ("count", "value"):
        raise ParameterError(f"measure: {measure!r} is not a choice\n  use 'count' or 'value'")
    journeys = build_journeys(data, outcome=outcome, lookback=lookback, repeats=repeats, by=by)
    chosen = _chosen(models, journeys)
    whole = totals(journeys)
    if not whole.empty and measure == "value" and whole.value.sum() == 0:
        raise DataError(
            f"outcomes.value: no {journeys.outcome} has a value\n"
            "  give values, or use measure='count'"
        )
    if (whole.outcomes - whole.untouched).sum() <= 0:
        raise DataError(
            f"attribute: no {journeys.outcome} has a touch before it within the lookback\n"
            f"  {whole.outcomes.sum():,.0f} outcomes were found; "
            "check that ids agree between the tables, or use a longer lookback"
        )
    groups = journeys.groups
    rules = [model for model in chosen if isinstance(model, Rule)]
    orders = {model: MARKOV[model] for model in chosen if isinstance(model, str)}
    sums = rule_sums(journeys, rules) if rules else pd.DataFrame()
    steps = transition_counts(journeys, max(orders.values())) if orders else pd.DataFrame()
    frames = []
    for segment, own_totals in _segments(whole, journeys.by):
        total = _total_by_group(own_totals, groups, measure)
        for model in chosen:
            if isinstance(model, Rule):
                column = f"{measure}_{rules.index(model)}"
                credit = _rule_credit(_of(sums, segment), column, len(journeys.touchpoints), groups)
            else:
                own_steps = _of(steps, segment)
                credit = _markov_credit(journeys, own_steps, orders[model], total)
            name = model if isinstance(model, str) else model.name
            frames.append(_tidy(journeys, name, credit, total, segment))
    return pd.concat(frames, ignore_index=True)


def _chosen(models: Sequence[str | Rule] | None, journeys: Journeys) -> list[Rule | str]:
    if models is None:
        skip = set() if "direct" in journeys.touchpoints else {"last_non_direct"}
        rules = [r for r in RULES.values() if journeys.timed or not r.timed]
        return [*(r for r in rules if r.name not in skip), "markov"]
    if isinstance(models, str) or not models:
        raise ParameterError(f"models: {models!r} is not a list of models\n  give ['linear', ...]")
    chosen: list[Rule | str] = []
    for model in models:
        if isinstance(model, str) and model not in MARKOV and model not in RULES:
            known = [*RULES, *MARKOV]
            raise ParameterError(
                f"models: {model!r} is not a model{nearest(model, known)}\n"
                f"  use any of {', '.join(known)}, or a Rule of your own"
            )
        if not isinstance(model, str | Rule):
            raise ParameterError(f"models: {model!r} is neither a name nor a Rule")
        rule = RULES.get(model, model) if isinstance(model, str) else model
        if isinstance(rule, Rule) and rule.timed and not journeys.timed:
            raise ParameterError(
                f"models: {rule.name} needs times, and a paths table has none\n  leave it out"
            )
        chosen.append(rule)
    names = [m if isinstance(m, str) else m.name for m in chosen]
    if len(set(names)) < len(names):
        raise ParameterError(f"models: two are named alike in {', '.join(names)}\n  rename one")
    return chosen


@dataclass(frozen=True)
class Credit:
    """Credit of each touchpoint, and the same without each customer group."""

    point: Floats
    """(touchpoints,)"""
    replicates: Floats
    """(groups, touchpoints), scaled up to all customers; no rows where there are no groups."""


@dataclass(frozen=True)
class Total:
    """What there is to share out, by customer group."""

    touched: Floats
    untouched: Floats

    @property
    def n(self) -> float:
        return float(self.touched.sum() + self.untouched.sum())


def _segments(whole: pd.DataFrame, by: str | None) -> Iterator[tuple[str | None, pd.DataFrame]]:
    if by is None:
        yield None, whole
    else:
        yield from ((str(name), frame) for name, frame in whole.groupby("segment"))


def _of(frame: pd.DataFrame, segment: str | None) -> pd.DataFrame:
    return frame if segment is None else frame[frame.segment == segment]


def _total_by_group(frame: pd.DataFrame, groups: int, measure: Measure) -> Total:
    every, alone = (
        ("outcomes", "untouched") if measure == "count" else ("value", "untouched_value")
    )
    add = lambda values: np.bincount(frame.group, values, minlength=groups)  # noqa: E731
    return Total(add(frame[every] - frame[alone]), add(frame[alone]))


def _leave_one_out(by_group: Floats) -> Floats:
    """Totals without each group, scaled up to all customers."""
    groups = len(by_group)
    if groups < 2:
        return np.empty((0, *by_group.shape[1:]))
    return (by_group.sum(axis=0) - by_group) * groups / (groups - 1)


def _rule_credit(sums: pd.DataFrame, column: str, touchpoints: int, groups: int) -> Credit:
    cell = sums.group * touchpoints + sums.code
    flat = np.bincount(cell, sums[column], minlength=groups * touchpoints)
    by_group = flat.reshape(groups, touchpoints)
    return Credit(by_group.sum(axis=0), _leave_one_out(by_group))


def _markov_credit(
    journeys: Journeys, steps: pd.DataFrame, order: int, total: Total
) -> Credit:
    width, groups = journeys.width, journeys.groups
    chain = build_chain(
        lower_order(steps.key.to_numpy(), width=width, order=order),
        steps.n.to_numpy(),
        width=width,
        order=order,
        group=steps.group.to_numpy(),
        groups=groups,
    )
    each = [[code] for code in range(len(journeys.touchpoints))]
    point = _shares(removal_effects(chain, each)) * total.touched.sum()
    if groups < 2:
        return Credit(point, np.empty((0, len(each))))
    shares = _shares(removal_replicates(chain, each))
    return Credit(point, shares * _leave_one_out(total.touched)[:, None])


def _shares(effects: Floats) -> Floats:
    whole = effects.sum(axis=-1, keepdims=True)
    return np.divide(effects, whole, out=np.zeros_like(effects), where=whole > 0)


def _tidy(
    journeys: Journeys, model: str, credit: Credit, total: Total, segment: str | None
) -> pd.DataFrame:
    names, point, replicates = list(journeys.touchpoints), credit.point, credit.replicates
    if total.untouched.sum() > 0:
        names.append(NO_TOUCH)
        point = np.append(point, total.untouched.sum())
        alone = _leave_one_out(total.untouched[:, None])
        replicates = np.concatenate([replicates, alone], axis=1)
    error, freedom = jackknife(point, replicates)
    low, high = interval(point, error, freedom, low=0.0)
    share = point / total.n if total.n else np.zeros_like(point)
    table = pd.DataFrame(
        {
            "model": model,
            "touchpoint": names,
            "credit": point,
            "share": share,
            "ci_low": low,
            "ci_high": high,
            "n": total.n,
        }
    )
    if segment is not None:
        table.insert(0, "segment", segment)
    return table[["segment", *COLUMNS] if segment is not None else COLUMNS]
