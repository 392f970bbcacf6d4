"""What to do next, from the tables of the other pages: surest and most for its money first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from touchlab.drivers.checks import CAUSAL, DESCRIPTIVE
from touchlab.errors import MissingInput
from touchlab.moments.risk import ENDING
from touchlab.sentences.overview import Tables, gaining, guard, score_of
from touchlab.show import money, ranged

Action = dict[str, Any]
ACTIONS, MOVES = 4, 2
NOT_KNOWN = "Not known."
CHECKED = "No holdout has confirmed it."


def propose_actions(tables: Tables, outcome: str, currency: str = "euro") -> pd.DataFrame:
    """What should be done next, what would that bring, and how far can it be trusted?

    Returns up to four rows: ``action, brings, costs, risk, owner, badge``. First moves of money
    that are safe to make, what gains most for its money ahead; then what keeps customers, weak
    experience, what an experiment should settle, what brings referrals, and what brings outcomes.
    """
    rules: list[Callable[..., Iterator[Action]]] = [
        _move_money, _keep_customers, _mend_experience, _run_experiment, _ask_for_referrals,
        _do_more,
    ]  # fmt: skip
    found = _Found(tables, outcome, currency)
    actions = [action for rule in rules for action in rule(found)]
    if not actions:
        raise MissingInput(
            "The data does not carry an action: no touchpoint has an effect, a cost or a score "
            "that stands out beyond chance."
        )
    return pd.DataFrame(actions[:ACTIONS])


@dataclass(frozen=True)
class _Found:
    """What actions rest on, and what each says alike."""

    tables: Tables
    outcome: str
    currency: str

    def about(self, row: Any, *said: str) -> Action:
        table = self.tables.get("map", pd.DataFrame({"touchpoint": [], "owner": []}))
        owner = dict(zip(table.touchpoint, table.owner, strict=True)).get(row.touchpoint)
        words = dict(zip(("action", "brings", "costs", "risk"), said, strict=True))
        return words | {"owner": owner or "not known", "badge": row.badge}

    @property
    def guarded(self) -> bool:
        return bool(guard(self.tables, self.outcome))


def _move_money(found: _Found) -> Iterator[Action]:
    if "moves" not in found.tables or found.guarded:
        return
    moves = found.tables["moves"]
    less = moves[moves.safe.astype(bool) & (moves.change < 0)]
    more = "fewer" if found.outcome in ENDING else "more"
    for row in gaining(moves).head(MOVES).itertuples():
        source, enough = "", less[-less.change >= row.change]
        if len(enough):
            one = enough.loc[enough.gain.idxmax()]  # what loses least
            lost = ranged(-one.gain, -one.gain_high, -one.gain_low)
            amount = f"{-one.change:,.0f} {found.currency}"
            source = f" Or take it from {one.touchpoint}, where {amount} less loses {lost}."
        each = NOT_KNOWN
        if row.gain > 0:
            each = f"{money(row.change / row.gain)} {found.currency} for each."
        yield found.about(
            row,
            f"Spend {row.change:,.0f} {found.currency} more on {row.touchpoint}, which had "
            f"{row.cost_now:,.0f}.",
            f"{ranged(row.gain, row.gain_low, row.gain_high)} {more} {found.outcome} outcomes.",
            f"{each}{source}",
            f"{row.change:,.0f} {found.currency} for less than that: more touches of the same "
            "customers are taken to work as those before.",
        )


def _keep_customers(found: _Found) -> Iterator[Action]:
    for row in _standing(found.tables, "keepers", -1):
        yield found.about(
            row,
            f"Reach more customers with {row.touchpoint} after their first order.",
            f"Without it {ranged(-row.incremental, -row.ci_high, -row.ci_low)} more would have "
            "left; what more of it brings is not known.",
            NOT_KNOWN, CHECKED,
        )  # fmt: skip


def _mend_experience(found: _Found) -> Iterator[Action]:
    links = found.tables.get("links", pd.DataFrame({"weak": []}))
    for row in links[links.weak.astype(bool)].head(1).itertuples():
        sure = "beyond chance" if row.clear else "which could be chance"
        yield found.about(
            pd.Series({"touchpoint": row.driver, "badge": DESCRIPTIVE}),
            f"Mend the experience at {row.driver}.",
            f"Scored {score_of(row, found.tables.get('map')):.0f} of 100, below the others; its "
            f"score goes with customers' overall opinion, {sure}.",
            NOT_KNOWN, "What goes with a score need not be caused by it.",
        )  # fmt: skip


def _run_experiment(found: _Found) -> Iterator[Action]:
    if "drivers" not in found.tables or "cannot_hold_back" not in found.tables:
        return
    table = found.tables["drivers"]
    free = ~table.touchpoint.isin(found.tables["cannot_hold_back"].touchpoint)
    doubted = ~table.badge.isin(CAUSAL) & (table.incremental > 0)
    at_stake = table.incremental
    if "moves" in found.tables:
        moves = found.tables["moves"].set_index("touchpoint")
        unsure = moves.index[~moves.safe.astype(bool)]
        doubted |= table.touchpoint.isin(unsure)
        at_stake = table.touchpoint.map(moves.cost_now).fillna(0.0)
    for place in at_stake[doubted & free].sort_values(ascending=False, kind="stable").index[:1]:
        row = table.loc[place]
        yield found.about(
            row,
            f"Hold {row.touchpoint} back from one customer in ten for a while.",
            f"Settles whether its {ranged(row.incremental, row.ci_low, row.ci_high)} "
            f"{found.outcome} outcomes are its doing, or what to spend on it.",
            "What it brings, among those held back.",
            "Too short a test sees nothing.",
        )


def _ask_for_referrals(found: _Found) -> Iterator[Action]:
    action = "Use {} more where referrals are wanted."
    return _use(found, "bringers", action, "referral outcomes")


def _do_more(found: _Found) -> Iterator[Action]:
    if not found.guarded:
        action = "Do more of {}, as far as its cost allows."
        yield from _use(found, "drivers", action, f"{found.outcome} outcomes")


def _use(found: _Found, name: str, action: str, what: str) -> Iterator[Action]:
    for row in _standing(found.tables, name, 1):
        yield found.about(
            row, action.format(row.touchpoint),
            f"{ranged(row.incremental, row.ci_low, row.ci_high)} {what} would not have come "
            "without it; what more of it brings is not known.",
            NOT_KNOWN, CHECKED,
        )  # fmt: skip


def _standing(tables: Tables, name: str, sign: int) -> Iterator[Any]:
    """Yield the touchpoint whose effect of that sign is largest, if it is beyond chance."""
    if name not in tables:
        return
    table = tables[name][tables[name].badge.isin(CAUSAL)]
    near = np.where(sign > 0, table.ci_low, -table.ci_high)
    beyond = table[near > 0]
    if len(beyond):
        yield beyond.loc[(sign * beyond.incremental).idxmax()]
