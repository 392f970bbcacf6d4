"""Sentences on money, computed from tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from touchlab.budget.plan import SURE
from touchlab.data.contract import listing
from touchlab.data.dataset import Dataset
from touchlab.data.validate import NO_COST
from touchlab.drivers.checks import CAUSAL
from touchlab.moments.risk import ENDING
from touchlab.plots.budget import FLAT, growth
from touchlab.plots.parts import named
from touchlab.sentences.drivers import backed
from touchlab.show import count, counted, money, per_cent, ranged, safe_sentence

NBSP = "\N{NO-BREAK SPACE}"


@safe_sentence
def about_touches(table: pd.DataFrame, outcome: str) -> str:
    """Say what 1,000 touches bring, whatever they cost; `table` is `Drivers.incremental()`."""
    prevents = outcome in ENDING
    if "share" in table and table.share.clip(lower=0).sum() > 1:
        return ""  # more than there are: see `no_headline`
    each = table[["incremental", "ci_low", "ci_high"]].div(table.n / 1000, axis=0)
    each = -each.rename(columns={"ci_low": "ci_high", "ci_high": "ci_low"}) if prevents else each
    verb = "prevents" if prevents else "brings"
    place = each.ci_low.idxmax()
    first, name = each.loc[place], table.touchpoint[place]
    if not first.ci_low > 0:
        return f"Of no touchpoint is it sure that it {verb} any {outcome} outcomes."
    what = f"{outcome} outcomes"
    if table.badge[place] not in CAUSAL:
        verb, what = "goes with", f"{'fewer' if prevents else 'more'} {what}"
    amount = ranged(first.incremental, first.ci_low, first.ci_high)
    return (
        f"For 1,000 touches, {name} {verb} {amount} {what}, the highest lower end of all; "
        f"{backed(table.badge[place])}."
    )


@safe_sentence
def about_costs(table: pd.DataFrame, *, outcome: str, credit: str, currency: str = "euro") -> str:
    """Say what an incremental outcome costs, and what credit makes of that."""
    bounded, causal = table.reading == "bounded", table.badge.isin(CAUSAL)
    sure = table[bounded & causal].sort_values("cost_per_incremental")
    doubted, rest = table.touchpoint[bounded & ~causal], table.touchpoint[~bounded]
    said = []
    if len(sure):
        first = sure.iloc[0]
        verb = "prevent" if outcome in ENDING else "bring"
        said.append(
            f"{len(sure)} of {len(table)} touchpoints with a cost {verb} {outcome} outcomes "
            f"beyond chance; cheapest is {first.touchpoint} at "
            f"{money(first.cost_per_incremental)} {currency} each "
            f"({money(first.cost_per_incremental_low)} to "
            f"{money(first.cost_per_incremental_high)})."
        )
        times = (sure.cost_per_incremental / sure.cost_per_credited).median()
        if not np.isnan(times):
            said.append(
                f"Counted by {named(credit).lower()} credit they look {times:.1f} times cheaper, "
                "because credit includes outcomes that would have come anyway."
            )
    if len(doubted):
        said.append(f"Not settled, as the effect is doubted or untested: {listing(doubted)}.")
    if len(rest):
        said.append(f"Not surely above zero: {listing(rest)}.")
    return " ".join(said)


def about_missing_costs(data: Dataset) -> str:
    """Say how many touches come without a cost: every figure of costs counts them as free."""
    notes = data.notes[(data.notes.table == "touches") & (data.notes.note == f"cost: {NO_COST}")]
    if notes.empty:
        return ""
    return f"Touches without a cost count as free: {count(notes.rows.iloc[0])}."


@safe_sentence
def about_curves(curves: pd.DataFrame) -> str:
    """Say whether returns fall as touches become more."""
    times, brought = growth(curves)
    if brought > FLAT * times:
        return (
            f"Up to {counted(times)} times the touches returns hardly fall: customers are touched "
            "so rarely that a further touch seldom meets one that still works. It matters more "
            "which touchpoint gets money than how much exactly."
        )
    return (
        f"At {counted(times)} times the touches, touchpoints bring {brought:.1f} times the "
        "outcomes: further touches meet customers on whom others still work."
    )


@safe_sentence
def about_moves(moves: pd.DataFrame, outcome: str, currency: str = "euro") -> str:
    """Say which moves of a plan are safe to make now, and which are not; `plan.moves(curves)`."""
    safe, rest = moves[moves.safe.astype(bool)], moves[~moves.safe.astype(bool)]
    more = "fewer" if outcome in ENDING else "more"
    if safe.empty:
        return "No move is safe to make now: effects are doubted, or the direction is not clear."
    named = (f"{row.touchpoint} ({row.change:+,.0f} {currency})" for row in safe.itertuples())
    wait = f" Not yet: {listing(rest.touchpoint)}." if len(rest) else ""
    first, best = safe.iloc[0], ""
    if first.change > 0:
        amount = ranged(first.gain, first.gain_low, first.gain_high)
        best = f" {first.touchpoint} gains {amount} {more} {outcome} outcomes by itself."
    return f"Safe to make now: {listing(named)}.{best}{wait}"


@safe_sentence
def about_experiments(table: pd.DataFrame) -> str:
    """Say where an experiment would tell most; `table` is that of a plan."""
    lean = table.probability_more.where(table.change > 0, 1 - table.probability_more)
    open_cases = table[(table.advice == "test first") | ((table.change != 0) & (lean < SURE))]
    if open_cases.empty:
        most = table.loc[table.change.idxmax()]
        return f"Every move is sure; a holdout on {most.touchpoint}, which gains most, keeps it so."
    ordered = open_cases.sort_values("cost_now", ascending=False)
    named = (f"{row.touchpoint} (costs {counted(row.cost_now)})" for row in ordered.itertuples())
    return (
        f"An experiment tells most about {listing(named)}: the effect is doubted, or which way to "
        "move is not sure."
    )


def about_notes(notes: Sequence[str]) -> str:
    """Say what the plan left as it is, and why."""
    said = "; ".join(notes)
    return f"{said[:1].upper()}{said[1:]}." if said else "Every touchpoint could be moved."


def costs_in_brief(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of `cost_per_incremental` that a reader needs, cheapest first."""
    ordered = table.sort_values(["cost_per_incremental", "cost_per_incremental_low"])
    ordered = _open_ends(ordered, "cost_per_incremental")
    columns = ["touchpoint", "badge", "cost", "incremental", "ci_low", "ci_high"]
    columns += ["cost_per_incremental", "interval_of_cost", "cost_per_credited"]
    if table.roi.notna().any():
        columns += ["value", "value_over_cost"]
        ordered = ordered.assign(value_over_cost=[counted(1 + roi) for roi in ordered.roi])
    credited = _amounts(ordered.cost_per_credited)
    return ordered.assign(cost_per_credited=credited)[[*columns, "n"]]


def plan_in_brief(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of a plan that a reader needs, what gets more first."""
    ordered = table.sort_values("change", ascending=False)
    ordered = _open_ends(ordered, "next_cost").rename(columns={"probability_more": "probability"})
    ordered["probability"] = [_drawn(value) for value in ordered.probability]
    columns = ["touchpoint", "cost_now", "cost_planned", "change", "probability", "next_cost"]
    return ordered[[*columns, "interval_of_cost", "advice", "badge"]]


def _drawn(probability: float) -> str:
    """Write a share of a hundred draws: none of them is not never."""
    if np.isnan(probability):
        return "–"
    return per_cent(min(max(probability, 0.001), 0.999), 0)


def _open_ends(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Write costs and their intervals as words, since some have no upper end."""
    ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    words = [_interval(low, high).replace(" ", NBSP) for low, high in ends]
    return table.assign(**{name: _amounts(table[name])}, interval_of_cost=words)


def _amounts(values: pd.Series[float]) -> list[str]:
    return [money(v) if np.isfinite(v) else "–" for v in values]


def _interval(low: float, high: float) -> str:
    if np.isnan(low):
        return "–"
    if np.isinf(low):
        return "brings none"
    return f"{money(low)} and more" if np.isinf(high) else f"{money(low)} to {money(high)}"
