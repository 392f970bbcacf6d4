"""The answer in a few sentences, and what to do next, from the tables of the other pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.contract import listing
from touchlab.data.customers import outcome_counts
from touchlab.data.dataset import Dataset
from touchlab.drivers.checks import CAUSAL, DESCRIPTIVE
from touchlab.errors import MissingInput
from touchlab.moments.risk import ENDING
from touchlab.sentences.drivers import about_baseline, backed, leading, no_headline, some
from touchlab.sentences.journeys import day
from touchlab.show import count, counted, in_words, money, per_cent, ranged, safe_sentence

Tables = Mapping[str, pd.DataFrame]
SELDOM = 0.01
SELDOM_TOUCHED = 0.1
"""Share of customers never touched from which on an outcome that none of them has is suspect."""
MOST_NAMED = 3


def in_brief(tables: Tables, outcome: str, currency: str = "euro") -> list[str]:
    """Answer what would have come anyway, what brings outcomes, what keeps customers, what brings
    referrals, where customers are lost, which experience hurts, what to do with the money, and
    what is not known; what the data lacks is left out."""
    asked: list[tuple[Callable[..., str], tuple[str, ...]]] = [
        (_anyway, ("drivers", "baseline", "received")),
        (_brings, ("drivers", "baseline")),
        (_keeps, ("keepers", "churn")),
        (_refers, ("bringers", "referral")),
        (_lost, ("flow",)),
        (_weak, ("links", "map")),
        (_money, ("gain", "moves")),
        (_unknown, ("drivers", "map")),
        (_record, ("record",)),
    ]
    guarded = guard(tables, outcome)
    said = [guarded] * bool(guarded)
    for say, names in asked:
        if all(name in tables for name in names) and not (guarded and say in OF_EFFECTS):
            said.append(say(*(tables[name] for name in names), outcome=outcome, currency=currency))
    found = [one for one in said if one]
    return found or ["The data carries none of the answers that this page brings together."]


def guard(tables: Tables, outcome: str) -> str:
    """Say why no effect on the outcome may be a headline or an action; nothing where one may."""
    if "received" in tables and (reason := about_occasion(tables["received"])):
        return reason
    if "drivers" not in tables or "baseline" not in tables:
        return ""
    return no_headline(tables["drivers"], tables["baseline"].n.iloc[0], outcome)


def in_figures(tables: Tables, outcome: str) -> pd.DataFrame:
    """The four figures of the index, in words: what, shown."""
    found: list[tuple[str, str]] = []
    if "baseline" in tables:
        base = tables["baseline"].iloc[0]
        found.append((f"{base.outcome} outcomes", count(base.n)))
        if not guard(tables, outcome):
            share = per_cent(max(1 - base["share"], 0.0))
            found.append(
                (f"of {base.outcome} outcomes would be missing without touchpoints", share)
            )
    if "churn" in tables:
        found.append(("churn outcomes", count(tables["churn"].n.iloc[0])))
    table = tables.get("map", pd.DataFrame())
    scored = table[table.score.notna()] if "score" in table else table[:0]
    if len(scored):
        row = scored.loc[scored.score.idxmin()]
        found.append((f"lowest score: {row.touchpoint}", f"{row.score:.0f} of 100"))
    return pd.DataFrame(
        [(in_words(what), shown) for what, shown in found], columns=["what", "shown"]
    )


@safe_sentence
def about_occasion(received: pd.DataFrame) -> str:
    """Say that an outcome comes only where somebody was touched; nothing if it does not."""
    row = received.iloc[0]
    if not (row.only_touched and row.untouched > SELDOM_TOUCHED):
        return ""
    return (
        f"No effect stands first: {per_cent(row.untouched)} of {row.customers:,.0f} customers were "
        f"never touched, and none of {row.n:,.0f} {row.outcome} outcomes is theirs. An outcome "
        "that only those have who were touched may be defined by the touch."
    )


def about_unexplained(tables: Tables, data: Dataset, outcome: str) -> str:
    """Say how many outcomes the first sentence is not about; nothing where it is about all."""
    if "baseline" not in tables:
        return ""
    explained, recorded = tables["baseline"].n.iloc[0], outcome_counts(data)[outcome]
    if not recorded - explained > SELDOM * recorded:
        return ""
    return (
        f"Of {count(recorded)} {outcome} outcomes, the drivers explain {count(explained)}: for the "
        "others nothing is known of the time before them (page 04, what the regression was made "
        "from, says why)."
    )


@safe_sentence
def _anyway(drivers: pd.DataFrame, baseline: pd.DataFrame, received: pd.DataFrame, **_: str) -> str:
    row = received.iloc[0]
    said = about_baseline(baseline.iloc[0], row.outcome, drivers)
    return f"From {day(row['first'])} to {day(row['last'])}, {said}."


@safe_sentence
def _brings(drivers: pd.DataFrame, baseline: pd.DataFrame, *, outcome: str, currency: str) -> str:
    return _first(_most(drivers, baseline.n.iloc[0], f"{outcome} outcomes", currency))


@safe_sentence
def _keeps(keepers: pd.DataFrame, churn: pd.DataFrame, **_: str) -> str:
    left, fewer = churn.n.iloc[0], keepers[keepers.ci_high < 0]
    if reason := no_headline(keepers, left, "churn"):
        return f"What keeps customers: {reason[:1].lower()}{reason[1:]}"
    if fewer.empty:
        return "No touchpoint can be shown to keep customers."
    row = fewer.loc[fewer.incremental.idxmin()]
    amount = ranged(-row.incremental, -row.ci_high, -row.ci_low)
    if row.badge not in CAUSAL:
        return (
            f"{row.touchpoint} goes with less churn: {amount} fewer than expected otherwise, on "
            f"top of the {left:,.0f} who left ({backed(row.badge)}: that need not be its doing)."
        )
    return (
        f"{row.touchpoint} keeps customers: {amount} more would have left without it, on top of "
        f"the {left:,.0f} who left ({backed(row.badge)})."
    )


@safe_sentence
def _refers(bringers: pd.DataFrame, referral: pd.DataFrame, *, currency: str, **_: str) -> str:
    n = referral.n.iloc[0]
    if reason := no_headline(bringers, n, "referral"):
        return f"Referrals: {reason[:1].lower()}{reason[1:]}"
    return _first(_most(bringers, n, f"of the {n:,.0f} referral outcomes", currency))


def _first(said: str) -> str:
    return f"{said[0].upper() if said.startswith('no ') else said[0]}{said[1:]}."


def _most(table: pd.DataFrame, n: float, what: str, currency: str) -> str:
    row, verb, leads = leading(table, n)
    if row is None:
        return f"no touchpoint's figure for {what.removeprefix('of the ')} can be told from zero"
    worth = ""
    if "value" in table and pd.notna(row.value):
        worth = f", worth {ranged(row.value, row.value_low, row.value_high)} {currency}"
    more, others = leads.split(" ", 1) if leads.startswith("more ") else (leads, "")
    said = " ".join(filter(None, (verb, more, what, others)))
    amount = ranged(row.incremental, row.ci_low, row.ci_high)
    return f"{row.touchpoint} {said}: {amount}{worth}; {backed(row.badge)}"


@safe_sentence
def _lost(flow: pd.DataFrame, **_: str) -> str:
    rows = flow[flow.rate.notna()]
    if rows.empty:
        return ""
    row = rows.loc[rows.rate.idxmax()]
    return (
        f"Customers are lost most at the stage {row.stage}: {per_cent(row.rate)} of {row.n:,} who "
        "were touched there go no further."
    )


@safe_sentence
def _weak(links: pd.DataFrame, table: pd.DataFrame, **_: str) -> str:
    weak = links[links.weak.astype(bool)]
    if weak.empty:
        return "No touchpoint is both important to customers and scored below the others."
    row = weak.loc[weak.importance.idxmax()]
    sure = "" if row.clear else "; that it matters could be chance"
    return f"Experience is weak at {row.driver}: {score_of(row, table):.0f} of 100{sure}."


def score_of(link: Any, table: pd.DataFrame | None) -> float:
    """The score of a touchpoint as the map has it, so that all of a page says one number."""
    if table is not None and "score" in table:
        for score in table.score[table.touchpoint == link.driver].dropna():
            return float(score)
    return float(link.performance)


@safe_sentence
def _money(gain: pd.DataFrame, moves: pd.DataFrame, *, outcome: str, currency: str) -> str:
    row, doubted = gain.iloc[0], moves[~moves.badge.isin(CAUSAL)]
    if len(doubted):
        names = listing(doubted.touchpoint)
        return f"What moving money gains is not settled: the effect of {names} is in doubt."
    ends = ranged(row.gain, row.ci_low, row.ci_high)
    if row.ci_low <= 0:
        return f"That moving money between touchpoints gains anything is not shown: {ends}."
    unsure = listing(moves.touchpoint[~moves.safe.astype(bool)])
    what = "fewer" if row.outcome in ENDING else "more"
    return (
        f"The same money, moved between touchpoints, would bring {ends} {what} {row.outcome} "
        f"outcomes{f'; which way to move {unsure} is not sure' if unsure else ''}."
    )


@safe_sentence
def _unknown(drivers: pd.DataFrame, table: pd.DataFrame, **_: str) -> str:
    open_cases = some(drivers.touchpoint[~drivers.badge.isin(CAUSAL)])
    asked = "score" in table and table.score.notna().any()
    used = table[table.touches > 0]
    silent = some(used.touchpoint[used.score.isna()]) if asked else ""
    said = [f"what {open_cases} bring by themselves"] * bool(open_cases)
    said += [f"how customers find {silent}, which no survey covers"] * bool(silent)
    return f"Not known: {'; '.join(said)}." if said else ""


def _record(record: pd.DataFrame, **_: str) -> str:
    return str(record.said.iloc[0]) if len(record) else ""  # what the track record says of itself


OF_EFFECTS = (_anyway, _brings, _money, _unknown)
"""What is not said where no effect may be a headline."""


@safe_sentence
def about_changes(changes: pd.DataFrame) -> str:
    """Say what moved since the run before, beyond what its intervals allow."""
    if changes.empty:
        return "No estimate has changed since the run before."
    beyond = changes[changes.beyond]
    if beyond.empty:
        return (
            f"{len(changes):,} estimates have changed since the run before, none beyond its "
            "interval."
        )
    row = beyond.iloc[0]
    return (
        f"{len(beyond):,} of {len(changes):,} changed estimates moved beyond their intervals since "
        f"the run before; first {row.what.replace('_', ' ')} of {row.row}: "
        f"{counted(row.before)} to {counted(row.after)}."
    )


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
    moves = found.tables["moves"][found.tables["moves"].safe.astype(bool)]
    less, more = moves[moves.change < 0], "fewer" if found.outcome in ENDING else "more"
    for row in moves[(moves.change > 0) & (moves.gain > 0)].head(MOVES).itertuples():
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
