"""Where the next euro should go, what that gains, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from touchlab.budget.costs import (
    USUAL_CAPS,
    Caps,
    Costs,
    find_costs,
    held,
    limits,
    per_outcome,
    refuse_unknown,
    settle_budget,
    wanted,
)
from touchlab.budget.response import Response, Responses, best_plan
from touchlab.data.contract import listing
from touchlab.drivers.checks import CAUSAL, DESCRIPTIVE, RANDOMISED
from touchlab.drivers.result import UNCHECKED, Drivers
from touchlab.errors import ParameterError
from touchlab.moments.risk import ENDING
from touchlab.numeric import Floats, interval, one_thread
from touchlab.results import Result

CHANGED = 0.01
"""Share of its cost by which a touchpoint has to change to count as changed."""
RUNG = 0.2
"""Of what is spent now: steps in which more money is tried."""
DRAWS, MOST_MOMENTS = 100, 20_000
UNSPENT = "more money would gain less than choosing by estimates flatters: the rest is left"
OTHER_BUDGETS = (0.8, 1.2)
"""Of what is spent now, for other scenarios."""
SURE = 0.8
"""Probability from which on the direction of a move counts as sure."""
COLUMNS = ["touchpoint", "cost_now", "cost_planned", "change", "multiplier", "probability_more"]
COLUMNS += ["next_cost", "next_cost_low", "next_cost_high", "advice", "badge", "n"]


@dataclass(frozen=True, repr=False)
class Reallocation(Result):
    """A proposal: `.table`, a row a touchpoint, and its `.gain`; see ``reallocate``."""

    table: pd.DataFrame
    gain: pd.DataFrame
    """One row: outcome, gain, ci_low, ci_high, flattered, value, value_low, value_high, n."""
    budget: float
    """For what can be moved; the rest keeps what it has."""
    notes: tuple[str, ...]

    def sentence(self, currency: str = "euro") -> str:
        """Answer where the next euro should go, what that brings, and what to test first."""
        row, table = self.gain.iloc[0], self.table
        up, down = table[table.change > 0], table[table.change < 0]
        more, less = (
            ", ".join(f"{one.touchpoint} ({one.change:+,.0f})" for one in moved.itertuples())
            for moved in (up.sort_values("change", ascending=False), down.sort_values("change"))
        )
        parts = [f"more to {more}"] * bool(more) + [f"less to {less}"] * bool(less)
        free = table[table.probability_more.notna()]
        now, spared = free.cost_now.sum(), self.budget - free.cost_planned.sum()
        what = f"Move {max(up.change.sum(), -down.change.sum()):,.0f} {currency}"
        if abs(self.budget - now) > CHANGED * now:
            what = f"Spend {self.budget:,.0f} {currency} on what costs {now:,.0f} now"
        if not parts:
            return f"Leave the money where it is: within the caps no move gains {row.outcome}."
        said = f"{what}: {'; '.join(parts)}."
        if spared > CHANGED * now:
            said += f" {spared:,.0f} {currency} of it are better not spent on any of these."
        said += f" {self._brings(row, currency)}"
        lean = table.probability_more.where(table.change > 0, 1 - table.probability_more)
        unsure = table.touchpoint[(table.change != 0) & (lean < SURE)]
        doubted = table.touchpoint[table.advice == "test first"]
        if len(unsure):
            said += f" Which way to move {listing(unsure)} is not sure."
        if len(doubted):
            said += f" Test first, as the effect is doubted: {listing(doubted)}."
        return said

    @staticmethod
    def _brings(row: Any, currency: str) -> str:
        ends = f"{row.ci_low:,.0f} to {row.ci_high:,.0f}"
        if row.ci_low <= 0:
            return f"That it gains is not shown: {row.gain:,.0f} {row.outcome} ({ends})."
        what = "leave {} fewer" if row.outcome in ENDING else "bring {} more"
        worth = "" if np.isnan(row.value) else f", worth {row.value:,.0f} {currency}"
        return (
            f"That is expected to {what.format(f'{row.gain:,.0f}')} {row.outcome} outcomes "
            f"({ends}) than the {row.n:,.0f} now{worth}."
        )

    def moves(self, curves: pd.DataFrame) -> pd.DataFrame:
        """What does each move of the plan gain by itself, and which is safe to make now?

        `curves` are those of ``response_curves``, for the same drivers and costs; between their
        multipliers a straight line is taken. Columns: touchpoint, cost_now, change, gain,
        gain_low, gain_high (outcomes wanted, beyond those of now), safe (a badge that allows it,
        a sure direction and, for more money, a gain beyond chance), badge. What gets more comes
        first, experiments before other badges, then by what is gained for the money at the lower
        end of its interval.
        """
        sign = -1 if self.gain.outcome.iloc[0] in ENDING else 1
        moved = self.table[self.table.change != 0].reset_index(drop=True)
        names = ["gain", "gain_low", "gain_high"]
        for name in names:
            own = curves.pivot_table(index="touchpoint", columns="multiplier", values=name)
            pairs = zip(moved.touchpoint, moved.multiplier, strict=True)
            moved[name] = [sign * np.interp(m, own.columns, own.loc[t]) for t, m in pairs]
        ends = moved[names[1:]].agg(["min", "max"], axis=1)
        moved[names[1:]] = ends.to_numpy()
        lean = moved.probability_more.where(moved.change > 0, 1 - moved.probability_more)
        safe = moved.badge.isin(CAUSAL) & (lean >= SURE)
        moved["safe"] = safe & ((moved.change < 0) | (moved.gain_low > 0))
        keys = {"less": moved.change < 0, "untried": moved.badge != RANDOMISED}
        keys |= {"each": -moved.gain_low / moved.change.abs()}
        order = pd.DataFrame(keys).sort_values(list(keys)).index
        columns = ["touchpoint", "cost_now", "change", *names, "safe", "badge"]
        return moved.loc[order, columns].reset_index(drop=True)

    def summary(self) -> pd.DataFrame:
        """The columns that a reader needs, what gets more first; costs as words."""
        from touchlab import sentences

        return sentences.plan_in_brief(self.table)

    def plot(self, currency: str = "euro") -> Any:
        """Draw what each touchpoint costs now, and in the plan."""
        from touchlab import plots

        return plots.plot_reallocation(self.table, self.gain, currency=currency)


@dataclass(frozen=True)
class Case:
    """One budget under one pair of caps, for what may be moved."""

    known: Costs
    table: pd.DataFrame
    """A row a touchpoint with a cost: its badge, and whether it is held."""
    cost: Floats
    budget: float
    low: Floats
    high: Floats
    sign: int
    """-1 where fewer outcomes are wanted."""
    notes: tuple[str, ...]


def reallocate(
    drivers: Drivers,
    *,
    budget: float | None = None,
    caps: Caps = USUAL_CAPS,
    costs: Mapping[str, float] | None = None,
    checks: Any = None,
    move_doubted: bool = False,
    seed: int = 1,
) -> Reallocation:
    """Where should the next euro go, what would that bring, and how sure is it?

    It answers for one outcome, over a time like the one observed: what touchpoints do for
    other outcomes is not counted, nor what touches bring about elsewhere (`direct` effects),
    nor what rivals or prices of media do when spending changes.

    Parameters
    ----------
    drivers
        As returned by ``fit_drivers`` or ``calibrate``, without synergies.
    budget
        To be spent on what can be moved, in the currency of the costs, over the time
        observed; None: the same as now.
    caps
        Least and most that a touchpoint may get, as multiples of what it costs now: a pair
        for all, or pairs by touchpoint (0.5 to 2 for those not named). ``(1, 1)`` holds one.
    costs
        Cost by touchpoint over the time at risk; None: the sums of ``touches.cost``.
    checks
        What ``check_drivers`` found. Touchpoints whose badge is descriptive then keep what
        they have until an experiment has spoken; without checks nothing is held.
    move_doubted
        Whether those are moved all the same.
    seed
        Of the draws that say how sure the plan is.

    Returns
    -------
    Reallocation
        ``.table``, a row a touchpoint with a cost: ``touchpoint, cost_now, cost_planned,
        change, multiplier, probability_more`` (that it deserves more than now, under the
        caps), ``next_cost, next_cost_low, next_cost_high`` (of one further outcome, at what is
        spent now; infinite where none may come), ``advice`` (more, less, keep, test first),
        ``badge, n`` (touches); ``.gain``, one row: ``outcome, gain, ci_low, ci_high``
        (outcomes beyond those of now; for churn, outcomes prevented), ``flattered`` (what was
        taken off, see Notes), ``value, value_low, value_high, n`` (outcomes now);
        ``.budget, .notes``, ``.sentence()``.

    Raises
    ------
    MissingInput
        If nothing has a cost, or fewer than two touchpoints can be moved.
    ParameterError
        For budgets, caps and costs that make no sense or cannot be met.

    Notes
    -----
    A plan chosen by estimates flatters itself: what is overestimated is given more. So the
    same choice is made for each of 100 draws of the parameters; on average its gain under the
    draw exceeds its gain under the estimate by `flattered`, which is taken off, and the spread
    of that excess gives the interval [the bootstrap's pivot, Efron & Tibshirani 1993]. More money
    is tried in steps of a fifth of what is spent now; where a smaller step is stated to gain more,
    the rest of the budget is left, so that the stated gain does not fall as the budget grows.

    Examples
    --------
    >>> import touchlab as tl
    >>> plan = tl.reallocate(tl.fit_drivers(tl.open_data("data/sample")))
    >>> plan.table.columns.tolist()[:4]
    ['touchpoint', 'cost_now', 'cost_planned', 'change']
    >>> bool(abs(plan.table.change.sum()) < 0.01)
    True
    """
    case = settle(
        drivers, budget=budget, caps=caps, costs=costs, checks=checks, move_doubted=move_doubted
    )
    now = float(case.cost.sum())
    if case.budget <= now:
        return propose(drivers, [case], seed)[0]
    # more money may flatter the choice by more than it brings: then some is left
    rungs = now * (1 + RUNG * np.arange(np.ceil((case.budget / now - 1) / RUNG) + 1))
    tried = [*np.minimum(rungs, case.cost @ case.high), case.budget]
    *less, more, own = propose(drivers, [replace(case, budget=float(b)) for b in tried], seed)
    best = max(less, key=lambda plan: plan.gain.gain[0])
    if best.gain.gain[0] <= min(more.gain.gain[0], own.gain.gain[0]):
        return own
    return replace(best, budget=case.budget, notes=(*best.notes, UNSPENT))


def budget_scenarios(
    drivers: Drivers,
    plan: Reallocation,
    *,
    caps: tuple[float, float] = USUAL_CAPS,
    costs: Mapping[str, float] | None = None,
    checks: Any = None,
    move_doubted: bool = False,
    seed: int = 1,
) -> pd.DataFrame:
    """What would a plan gain with more or less money, or in smaller steps?

    Parameters
    ----------
    drivers, caps, costs, checks, move_doubted, seed
        As given to ``reallocate``.
    plan
        What it returned.

    Returns
    -------
    pandas.DataFrame
        A row a case, the plan first: ``budget`` (as a share of what is spent now), ``limits``
        (multiples of what each costs now), ``cost`` (planned, of what can be moved),
        ``incremental, ci_low, ci_high`` (outcomes beyond those of now).

    Raises
    ------
    MissingInput, ParameterError
        As ``reallocate``.
    """
    tight = (float(np.sqrt(caps[0])), float(np.sqrt(caps[1])))
    now = _spent(plan, "cost_now")
    asked, cases = [(plan.budget / now, caps)], []
    for share, own in [*((share, caps) for share in OTHER_BUDGETS), (1.0, tight)]:
        try:
            case = settle(
                drivers, budget=share * now, caps=own, costs=costs, checks=checks,
                move_doubted=move_doubted,
            )  # fmt: skip
        except ParameterError:  # caps that leave no room for this budget
            continue
        asked.append((share, own))
        cases.append(case)
    others = propose(drivers, cases, seed) if cases else []
    for i, (share, own) in enumerate(asked[1:]):
        if share > asked[0][0] and own == caps:  # the plan is still there to choose
            others[i] = max(others[i], plan, key=lambda one: one.gain.gain[0])
    rows = [
        {
            "budget": f"{100 * share:.0f}\N{NO-BREAK SPACE}%",
            "limits": f"{own[0]:.2g} to {own[1]:.2g}".replace(" ", "\N{NO-BREAK SPACE}"),
            "cost": _spent(one, "cost_planned"),
            "incremental": one.gain.gain[0],
            "ci_low": one.gain.ci_low[0],
            "ci_high": one.gain.ci_high[0],
        }
        for (share, own), one in zip(asked, [plan, *others], strict=True)
    ]
    return pd.DataFrame(rows)


def _spent(plan: Reallocation, column: str) -> float:
    """Add up costs of what can be moved."""
    return float(plan.table[column][plan.table.probability_more.notna()].sum())


def settle(
    drivers: Drivers,
    *,
    budget: float | None,
    caps: Caps,
    costs: Mapping[str, float] | None,
    checks: Any,
    move_doubted: bool,
) -> Case:
    """Settle what may be moved, how far, and how much there is to spend, or refuse."""
    known = find_costs(drivers, costs)
    table = known.table.assign(badge=UNCHECKED)
    if checks is not None:
        table["badge"] = list(checks.badges(table.index))
    table["held"] = held(table, move_doubted)
    moved = table[~table.held]
    low, high = limits(caps, moved.index, list(drivers.moments.touchpoints))
    cost = moved.cost.to_numpy()
    budget = settle_budget(budget, moved, cost @ low, cost @ high)
    notes = _notes(table, known, checks)
    return Case(known, table, cost, budget, low, high, wanted(drivers), notes)


@one_thread
def propose(drivers: Drivers, cases: Sequence[Case], seed: int) -> list[Reallocation]:
    """Plan each case, by the estimate and anew under each draw of the parameters.

    All cases move the same touchpoints, and meet the same draws.
    """
    names = list(cases[0].table.index[~cases[0].table.held])
    whole, few = Responses(drivers, names).whole(), Responses(drivers, names, MOST_MOMENTS)
    estimate, slopes = few.whole(), []
    excess, more = np.empty((DRAWS, len(cases))), np.empty((DRAWS, len(cases), len(names)))
    for draw, drawn in enumerate(few.drawn(DRAWS, seed)):
        slopes.append(drawn.slopes_now)
        for place, case in enumerate(cases):
            plan = _plan(drawn, case)
            excess[draw, place] = case.sign * (_gained(drawn, plan) - _gained(estimate, plan))
            more[draw, place] = plan > 1 + CHANGED
    found = []
    for case, own, chance in zip(cases, excess.T, more.mean(axis=0), strict=True):
        multiplier = _plan(whole, case).round(6)  # no dust of the search
        gain = case.sign * _gained(whole, multiplier)
        moved = pd.DataFrame({"multiplier": multiplier, "probability_more": chance}, index=names)
        slope = case.sign * whole.slopes_now
        low, high = interval(slope, np.std(slopes, axis=0, ddof=1))
        for end, brought in {"": slope, "_low": high, "_high": low}.items():
            moved[f"next_cost{end}"] = per_outcome(case.cost, brought)
        gains = _gain(drivers, case.known.value, gain, own)
        found.append(Reallocation(_tidy(case.table.join(moved)), gains, case.budget, case.notes))
    return found


def _plan(response: Response, case: Case) -> Floats:
    return best_plan(response, case.cost, case.budget, case.low, case.high, case.sign)


def _gained(response: Response, multipliers: Floats) -> float:
    return response.outcomes(multipliers) - response.now


def _gain(drivers: Drivers, worth: float, gain: float, excess: Floats) -> pd.DataFrame:
    flattered = float(excess.mean())
    low, high = map(float, interval(gain - flattered, float(excess.std(ddof=1))))
    refuse_unknown([gain, flattered, low, high], drivers)
    ends = {"": gain - flattered, "_low": low, "_high": high}
    row = {"outcome": drivers.moments.risk.outcome, "gain": ends[""]}
    row |= {"ci_low": ends["_low"], "ci_high": ends["_high"], "flattered": flattered}
    row |= {f"value{end}": worth * amount for end, amount in ends.items()}
    return pd.DataFrame([row | {"n": drivers.moments.events}])


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    table = table.fillna({"multiplier": 1.0}).rename(columns={"cost": "cost_now"})
    table["cost_planned"] = table.cost_now * table.multiplier
    table["change"] = table.cost_planned - table.cost_now
    changed = [table.multiplier > 1 + CHANGED, table.multiplier < 1 - CHANGED]
    doubted = (table.badge == DESCRIPTIVE) & (table.owner != "customer")
    table["advice"] = np.select([doubted, *changed], ["test first", "more", "less"], "keep")
    return table.rename_axis("touchpoint").reset_index()[COLUMNS]


def _notes(table: pd.DataFrame, known: Costs, checks: Any) -> tuple[str, ...]:
    notes = []
    own = table.index[table.owner == "customer"]
    doubted = table.index[table.held & (table.owner != "customer")]
    if len(own):
        notes.append(f"the customer's own, cannot be bought, left as they are: {listing(own)}")
    if len(doubted):
        notes.append(
            f"effect doubted (descriptive), left as they are until tested: {listing(doubted)}"
        )
    if known.free:
        notes.append(f"no cost, left as they are: {listing(known.free)}")
    if checks is None:
        notes.append("effects are unchecked: give `checks` to hold those that are doubted")
    if np.isnan(known.value):
        notes.append("outcomes have no value: the gain is in outcomes alone")
    return tuple(notes)
