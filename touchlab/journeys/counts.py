"""What all credit models need, counted by customer group: steps, outcomes, shares by a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.data.channels import is_direct
from touchlab.data.dataset import Dataset
from touchlab.errors import ParameterError
from touchlab.journeys.build import DAY_MS, Journeys, Ordered, build_journeys, order_events
from touchlab.numeric import Floats, interval, jackknife

Measure = Literal["count", "value"]
NO_CODE = -1
"""Stands for the touchpoint of an outcome without a touch before it."""
START, OUTCOME, END = "(start)", "(outcome)", "(end)"


def need_measure(measure: str) -> None:
    """Refuse what is neither a count nor a value."""
    if measure not in ("count", "value"):
        raise ParameterError(f"measure: {measure!r} is not a choice\n  use 'count' or 'value'")


@dataclass(frozen=True)
class Touch:
    """What a rule may look at; each field is a column, usable in arithmetic and comparisons."""

    position: Any
    """1 for the first touch of the journey."""
    n: Any
    """Touches in the journey."""
    age_days: Any
    """Days from the touch to the outcome."""
    youngest_days: Any
    """The same for the last touch of the journey."""
    last_other: Any
    """Position of the last touch that is not direct; 0 if all are."""
    repeats: Any
    """Touches of the same touchpoint in the journey."""


@dataclass(frozen=True)
class Rule:
    """A named weight of a touch, for example ``Rule("ours", lambda t: 1 / t.position)``.

    The weight is 0 or more, and above 0 for some touch of every journey; the function
    gets a `Touch`, whose fields are columns: choose with ``ibis.ifelse``.
    """

    name: str
    weight: Callable[[Touch], Any]
    timed: bool = False
    """True where it needs times, which a paths table does not have."""
    whole: bool = False
    """True where its weights add up to 1 in every journey as they are; else they are scaled."""


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


def step_counts(ordered: Ordered, order: int) -> pd.DataFrame:
    """Count every step from the last `order` touches to the next touch or the outcome.

    Returns columns ``[segment], group, key, n``. `key` holds the codes as digits to
    base `width`, oldest first, the step's target last; `n` counts journeys. Journeys
    that end without the outcome are the touches that no step leaves.
    """
    journeys, events = ordered.journeys, ordered.events
    size = journeys.width ** (order + 1)
    key = _memory(ordered, order) * journeys.width + journeys.code(events.order)
    # with the group as first digit: engines count best by one number
    rows = events.mutate(cell=journeys.group(events) * size + key)
    # not the sum of `weight`: two outcomes at one instant are one step
    n = rows.count() if journeys.timed else rows.weight.sum()
    counts = _sum_by(rows, [*journeys.segment, "cell"], n=n)
    return counts.assign(group=counts.cell // size, key=counts.cell % size).drop(columns="cell")


def _memory(ordered: Ordered, order: int) -> ir.Value:
    """Write the codes of the last `order` events as digits; the start's beyond the journey."""
    journeys, memory = ordered.journeys, ibis.literal(0, "int64")
    for depth in range(order, 0, -1):
        later, earlier = ordered.lag(depth - 1), ordered.lag(depth)
        longer = memory * journeys.width + journeys.code(earlier)
        start = start_key(journeys.width, order - depth + 1)
        memory = ibis.ifelse(journeys.follows(later, earlier), longer, start)
    return memory


def start_key(width: int, order: int) -> int:
    """Write the state before the first touch: the start code in every digit."""
    return (width - 2) * sum(width**place for place in range(order))


def rule_sums(
    ordered: Ordered,
    rules: Sequence[Rule],
    *,
    measure: Measure = "count",
    positions: int | None = None,
) -> pd.DataFrame:
    """Share out the outcomes, or their value, among the touches before them by each rule.

    Returns columns ``[segment], group, code, [position], total`` and for rule i
    ``sum_i``; `total` shares out evenly. Outcomes without a touch are whole in the
    rows of code `NO_CODE`. Positions beyond `positions` are counted as one.
    """
    found = converting_touches(ordered)
    touches = _weighed(found, rules)
    what = touches.outcomes if measure == "count" else touches.worth
    alone = touches.code == NO_CODE
    sums = {"total": (what / touches.n).sum()}
    for i in range(len(rules)):
        given = ibis.ifelse(alone, 1.0, touches[f"w{i}"]) * what
        sums[f"sum_{i}"] = given.sum().fill_null(0.0)
    keys = ["code"]
    if positions is not None:
        touches = touches.mutate(position=ibis.least(touches.position, positions + 1))
        keys.append("position")
    return _sum_by(touches, [*ordered.journeys.segment, "group", *keys], **sums)


def outcome_sums(ordered: Ordered, *, measure: Measure = "count") -> pd.DataFrame:
    """Count the outcomes, or add up their value, with and without a touch before them.

    Returns columns ``[segment], group, code, total`` as `rule_sums` does, in a fraction of its
    time; `code` is 0 for all outcomes with a touch.
    """
    journeys = ordered.journeys
    ends = with_outcomes(journeys, ordered.converting)
    touched = journeys.follows(ends.order, ends.lag1).fill_null(False)
    rows = ends.mutate(group=journeys.group(ends), code=ibis.ifelse(touched, 0, NO_CODE))
    what = rows.outcomes if measure == "count" else rows.worth.fill_null(0.0)
    return _sum_by(rows, [*journeys.segment, "group", "code"], total=what.sum())


def _weighed(found: ConvertingTouches, rules: Sequence[Rule]) -> ir.Table:
    """Add the weight of each rule as w0, w1, ..., scaled to 1 in each journey."""
    names = {f"w{i}": rule for i, rule in enumerate(rules)}
    scaled = {w: _expression(r.weight(found.touch)) for w, r in names.items() if not r.whole}
    table = found.table.mutate(**scaled)
    journey = ibis.window(group_by=list(found.keys))
    # all the sums in one statement: one pass for the engine, and no column more than it needs
    table = table.mutate(**{f"all_{w}": table[w].sum().over(journey) for w in scaled})
    touch = replace(found, table=table).touch
    whole = {w: _expression(r.weight(touch)) for w, r in names.items() if r.whole}
    return table.mutate(**whole, **{w: table[w] / table[f"all_{w}"].nullif(0) for w in scaled})


def _sum_by(table: ir.Table, keys: list[str], **sums: ir.Value) -> pd.DataFrame:
    counted = table.group_by(keys).aggregate(**sums).to_pyarrow()
    frame = counted.to_pandas(split_blocks=True)  # millions of rows: not copied together
    return frame.sort_values(keys, ignore_index=True)


def _expression(weight: Any) -> ir.Value:
    """Let a rule answer with a column or with a plain number."""
    value = weight if isinstance(weight, ir.Value) else ibis.literal(float(weight))
    return value.cast("float64")


@dataclass(frozen=True)
class ConvertingTouches:
    """A row a touch of each converting journey, still in the engine.

    Columns of `table`: the `keys` of a journey, group, [segment], code, position, n,
    age_days, youngest_days, last_other, repeats (see `Touch`; ages are steps where
    there are no times), outcomes and worth (of the journey). An outcome without a
    touch before it has one row, of code `NO_CODE`: position and n are 1 there, since
    some engines refuse to divide by 0 even where nobody asks for the result.
    """

    table: ir.Table
    keys: tuple[str, ...]

    @property
    def touch(self) -> Touch:
        """The columns that a rule may look at."""
        return Touch(**{name: self.table[name] for name in Touch.__dataclass_fields__})


def converting_touches(ordered: Ordered) -> ConvertingTouches:
    """Give every touch of a converting journey its place and its age."""
    journeys = ordered.journeys
    keys = (*journeys.keys, "begin")
    shared = [*keys, *journeys.segment]
    placed = _placed(ordered)
    ends = with_outcomes(journeys, placed)
    ends = ends.select(
        *shared,
        group=journeys.group(ends),
        end=ends.order,
        youngest=ends.lag1,
        n=ibis.greatest(ends.place - ends.begin, 1),
        last_other=ibis.greatest(ends.other - ends.begin + 1, 0),
        outcomes=ends.outcomes,
        worth=ends.worth.fill_null(0.0),
    )
    touches = placed.filter(placed.code != journeys.outcome_code)
    touches = touches.select(
        *keys, "order", touch_code=touches.code, position=touches.place - touches.begin + 1
    )
    joined = ends.left_join(touches, list(keys))
    per_day = journeys.tick * (DAY_MS if journeys.timed else 1)

    def days_before_end(order: ir.Value) -> ir.Value:
        age = (joined.end - journeys.outcome_code) - (order - journeys.code(order))
        return age.cast("float64") / per_day

    table = joined.select(
        *(joined[c] for c in (*shared, "group", "n", "last_other", "outcomes", "worth")),
        code=joined.touch_code.fill_null(NO_CODE),
        position=joined.position.fill_null(1),
        age_days=days_before_end(joined.order),
        youngest_days=days_before_end(joined.youngest),
    )
    same = ibis.window(group_by=[*keys, "code"])
    return ConvertingTouches(table.mutate(repeats=table.count().over(same)), keys)


def with_outcomes(journeys: Journeys, events: ir.Table) -> ir.Table:
    """Keep the events that are outcomes, with how many they are and their worth."""
    happened = journeys.ends.select(
        "customer", "order", outcomes=journeys.ends.weight, worth=journeys.ends.value
    )
    ends = events.filter(journeys.code(events.order) == journeys.outcome_code)
    return ends.inner_join(happened, ["customer", "order"])


def _placed(ordered: Ordered) -> ir.Table:
    """Say where each event's journey begins, and where its last touch that is not direct is.

    `begin` is the place of the journey's first event, `other` that of the last touch
    so far that is not direct.
    """
    journeys, events = ordered.journeys, ordered.converting
    running = ibis.cumulative_window(**journeys.following)
    goes_on = journeys.follows(events.order, events.lag1)
    events = events.mutate(
        code=journeys.code(events.order),
        begin=ibis.ifelse(goes_on, 0, events.place).max().over(running),
    )
    direct = [code for code, name in enumerate(journeys.touchpoints) if is_direct(name)]
    if not direct:
        return events.mutate(other=events.place - 1)
    skipped = (*direct, journeys.outcome_code)
    other = ibis.ifelse(events.code.isin(skipped), 0, events.place).max().over(running)
    return events.mutate(other=other)
