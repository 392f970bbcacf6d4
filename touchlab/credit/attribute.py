"""Credit by all models in one tidy frame, with intervals; the weights of the rules among them.

A rule is a weight for a touch from its place in the journey; weights are then shared out within
the journey, so credits add up to the outcomes. Rules describe: they know nothing of what would
have happened without the touch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import ibis
import numpy as np
import pandas as pd

from touchlab.credit.frame import (
    Credit,
    Total,
    credit_of_cells,
    leave_one_out,
    of_segment,
    segments,
    shares,
    tidy_credit,
    total_by_group,
    with_untouched,
)
from touchlab.credit.markov import chain_of_order, removals
from touchlab.data.customers import NO_TOUCH
from touchlab.data.dataset import Dataset
from touchlab.data.level import at_level
from touchlab.errors import DataError, MissingInput, ParameterError, nearest
from touchlab.journeys.build import Journeys, build_journeys, kept_journeys, order_events
from touchlab.journeys.counts import (
    NO_CODE,
    Measure,
    Rule,
    Touch,
    need_measure,
    outcome_sums,
    rule_sums,
    step_counts,
)


def position(first: float = 0.4, last: float = 0.4) -> Rule:
    """Give fixed shares to the first and last touch; the others divide the rest.

    With two touches the ends share in proportion; with one it gets everything.
    """
    if not (first >= 0 and last >= 0 and 0 < first + last <= 1):
        raise ParameterError(
            f"position: first={first}, last={last} are not shares\n"
            "  give two shares of at least 0 that add up to at most 1"
        )
    first_of_two = first / (first + last)

    def weight(t: Touch) -> Any:
        middle = (1 - first - last) / (t.n - 2).nullif(0)
        return ibis.cases(
            (t.n == 1, 1.0),
            ((t.n == 2) & (t.position == 1), first_of_two),
            (t.n == 2, 1 - first_of_two),
            (t.position == 1, first),
            (t.position == t.n, last),
            else_=middle,
        )

    return Rule("position", weight, whole=True)


def time_decay(half_life_days: float = 7) -> Rule:
    """Halve the weight of a touch for every `half_life_days` before the outcome."""
    if not half_life_days > 0:
        raise ParameterError(
            f"time_decay: half_life_days={half_life_days}\n  give a number of days above 0"
        )

    def weight(t: Touch) -> Any:
        # counted from the last touch, and capped: engines refuse a power that underflows
        return 0.5 ** ibis.least((t.age_days - t.youngest_days) / half_life_days, 1000.0)

    return Rule("time_decay", weight, timed=True)


def _share(condition: Any) -> Any:
    return ibis.ifelse(condition, 1.0, 0.0)


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("first", lambda t: _share(t.position == 1), whole=True),
        Rule("last", lambda t: _share(t.position == t.n), whole=True),
        Rule(
            "last_non_direct",
            lambda t: _share(t.position == ibis.ifelse(t.last_other == 0, t.n, t.last_other)),
            whole=True,
        ),
        Rule("linear", lambda t: 1.0 / t.n, whole=True),
        position(),
        time_decay(),
        # Each outcome in equal parts to the distinct touchpoints of its journey: the exact
        # Shapley value of v(S) = outcomes of journeys within S [Zhao, Mahboobi, Bagheri 2018].
        Rule("shapley", lambda t: 1.0 / t.repeats),
    )
}
MARKOV = {"markov": 1, "markov_2": 2, "markov_3": 3, "markov_4": 4}


def attribute(
    data: Dataset | Journeys,
    *,
    outcome: str = "conversion",
    models: Sequence[str | Rule] | None = None,
    measure: Measure = "count",
    lookback: str | None = "30D",
    before_outcome: str | None = None,
    repeats: str = "keep",
    by: str | None = None,
    level: str = "touchpoint",
) -> pd.DataFrame:
    """Share out the outcomes that happened among the touchpoints before them.

    Credit describes: it adds up to all outcomes, so it cannot tell what would have
    happened without a touchpoint. For that, see the drivers. Rules and Shapley give
    nothing to a touchpoint that no converting journey holds; Markov may, because its
    chain joins journeys together (see `touchlab.credit.markov`).

    Parameters
    ----------
    data
        An opened Dataset, or journeys already built (then `outcome` and all below
        are those of the journeys).
    models
        Any of ``first, last, last_non_direct, linear, position, time_decay,
        shapley, markov, markov_2, markov_3, markov_4``, or a `Rule` of your own;
        None for all that apply, with Markov of order 1.
    measure
        ``"count"`` shares out outcomes, ``"value"`` their value.
    outcome, lookback, before_outcome, repeats, by
        As in `build_journeys`.
    level
        ``"campaign"`` credits campaigns, as ``"touchpoint: campaign"``, where touches name them.

    Returns
    -------
    pandas.DataFrame
        A row a model and touchpoint: ``[segment], model, touchpoint, credit, share,
        ci_low, ci_high, n``; `credit` in outcomes or value with its 95 % interval,
        `share` of `n`, which is all outcomes (or their value). The row ``(no touch)`` holds
        outcomes with no touch within `lookback` and `before_outcome`. Segments without
        an outcome have no rows. Intervals are missing (NaN) for a paths table whose
        counts cannot be dealt out to customer groups.

    Raises
    ------
    ParameterError, DataError
        For unknown models or choices, and where no outcome can be credited.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> paths = pd.DataFrame({
    ...     "path": ["c1 > c2 > c3", "c1", "c2 > c3"], "conversions": [1, 0, 0], "null": [0, 1, 1],
    ... })
    >>> credit = tl.attribute(tl.open_data({"paths": paths}), models=["linear", "markov"])
    >>> credit[["model", "touchpoint", "credit"]].round(2)
        model touchpoint  credit
    0  linear         c1    0.33
    1  linear         c2    0.33
    2  linear         c3    0.33
    3  markov         c1    0.20
    4  markov         c2    0.40
    5  markov         c3    0.40
    """
    need_measure(measure)
    journeys = build_journeys(
        at_level(data, level) if isinstance(data, Dataset) else data,
        outcome=outcome,
        lookback=lookback,
        before_outcome=before_outcome,
        repeats=repeats,
        by=by,
    )
    chosen = choose_models(models, journeys)
    rules = [model for model in chosen if isinstance(model, Rule)]
    deepest = max((MARKOV[model] for model in chosen if isinstance(model, str)), default=0)
    with kept_journeys(journeys) as ready:
        ordered = order_events(ready, deepest)
        count = partial(rule_sums, rules=rules) if rules else outcome_sums
        sums = count(ordered, measure=measure)
        check_outcomes(sums, journeys, measure)
        steps = step_counts(ordered, deepest) if deepest else pd.DataFrame()
    frames = []
    for segment, own_sums in segments(sums):
        total = total_by_group(own_sums, journeys.groups)
        own_steps = of_segment(steps, segment) if deepest else steps
        alone = bool(total.untouched.sum() > 0)
        names = [*journeys.touchpoints, NO_TOUCH] if alone else list(journeys.touchpoints)
        for model in chosen:
            if isinstance(model, Rule):
                place, name = rules.index(model), model.name
                credit = _rule_credit(own_sums, f"sum_{place}", journeys, total, model)
            else:
                order, name = MARKOV[model], model
                credit = _markov_credit(own_steps, order, deepest, journeys, total)
            labels = pd.DataFrame({"model": name, "touchpoint": names})
            credit = with_untouched(credit, total) if alone else credit
            frames.append(tidy_credit(labels, credit, total, segment))
    return pd.concat(frames, ignore_index=True)


def choose_models(models: Sequence[str | Rule] | None, journeys: Journeys) -> list[Rule | str]:
    """Look the models up by name, or choose all that apply; Markov models stay names."""
    if models is None:
        skip = set() if "direct" in journeys.touchpoints else {"last_non_direct"}
        rules = [r for r in RULES.values() if journeys.timed or not r.timed]
        return [*(r for r in rules if r.name not in skip), "markov"]
    if isinstance(models, str | Rule) or not models:
        raise ParameterError(f"models: {models!r} is not a list of models\n  give ['linear', ...]")
    chosen = [_choose(model, journeys) for model in models]
    names = [m if isinstance(m, str) else m.name for m in chosen]
    if len(set(names)) < len(names):
        raise ParameterError(f"models: two are named alike in {', '.join(names)}\n  rename one")
    return chosen


def _choose(model: str | Rule, journeys: Journeys) -> Rule | str:
    known = [*RULES, *MARKOV]
    wrong = "" if isinstance(model, str | Rule) else "is neither a name nor a Rule"
    if isinstance(model, str) and model not in known:
        wrong = f"is not a model{nearest(model, known)}"
    if wrong:
        raise ParameterError(
            f"models: {model!r} {wrong}\n  use any of {', '.join(known)}, or a Rule of your own"
        )
    rule = RULES.get(model, model) if isinstance(model, str) else model
    if isinstance(rule, Rule) and rule.timed and not journeys.timed:
        raise ParameterError(
            f"models: {rule.name} needs times, and a paths table has none\n  leave it out"
        )
    return rule


def check_outcomes(sums: pd.DataFrame, journeys: Journeys, measure: Measure) -> None:
    """Refuse journeys without an outcome, or a value, that could be credited."""
    if measure == "value" and sums.total.sum() == 0:
        raise MissingInput(
            f"outcomes.value: no {journeys.outcome} has a value\n"
            "  give values, or use measure='count'"
        )
    if sums.total[sums.code != NO_CODE].sum() <= 0:
        found = "outcomes were" if measure == "count" else "of their value was"
        raise DataError(
            f"attribute: no {journeys.outcome} has a touch before it within the lookback\n"
            f"  {sums.total.sum():,.0f} {found} found; "
            "check that ids agree between the tables, or use a longer lookback"
        )


def _rule_credit(
    sums: pd.DataFrame, column: str, journeys: Journeys, total: Total, rule: Rule
) -> Credit:
    touched = sums[sums.code != NO_CODE]
    check_shared_out(touched[column], total, rule)
    cell = touched.code.to_numpy(dtype=np.int64)
    return credit_of_cells(touched, cell, column, len(journeys.touchpoints), journeys.groups)


def check_shared_out(given: pd.Series[float], total: Total, rule: Rule) -> None:
    """Refuse a rule that leaves outcomes over; touchlab's own never do."""
    owed = total.touched.sum()
    if (given >= 0).all() and abs(given.sum() - owed) <= 1e-6 * max(owed, 1.0):
        return
    raise ParameterError(
        f"models: rule {rule.name!r} shared out {given.sum():,.6g} of {owed:,.6g}, "
        f"in parts of {given.min():,.6g} and more\n"
        "  a rule must give every touch a number of 0 or more, and one above 0 in every journey"
    )


def _markov_credit(
    steps: pd.DataFrame, order: int, counted: int, journeys: Journeys, total: Total
) -> Credit:
    chain = chain_of_order(steps, journeys, order=order, counted=counted)
    each = [[code] for code in range(len(journeys.touchpoints))]
    removal, replicates = removals(chain, each)
    point = shares(removal) * total.touched.sum()
    return Credit(point, shares(replicates) * leave_one_out(total.touched)[:, None])
