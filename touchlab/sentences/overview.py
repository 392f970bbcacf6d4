"""The answer in a few sentences, and what to do next, from the tables of the other pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from touchlab.data.contract import listing
from touchlab.data.customers import outcome_counts
from touchlab.data.dataset import Dataset
from touchlab.drivers.checks import CAUSAL
from touchlab.experience.stages import largest_leak
from touchlab.moments.risk import ENDING
from touchlab.sentences.drivers import (
    about_baseline,
    about_credit,
    backed,
    leading,
    no_headline,
    some,
)
from touchlab.sentences.journeys import about_journeys, day
from touchlab.show import count, counted, in_words, per_cent, ranged, safe_sentence

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
        (_journeys, ("journeys", "use")),
        (_credited, ("credit",)),
        (_no_effect, ("unexplained",)),
        (_keeps, ("keepers", "churn")),
        (_refers, ("bringers", "referral")),
        (_lost, ("flow",)),
        (_weak, ("links", "map")),
        (_fund, ("moves",)),
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
    if (leak := largest_leak(flow)) is None:
        return ""
    row, others = leak
    return (
        f"Customers are lost most at the stage {row.stage}: {per_cent(row.rate)} of {row.n:,} who "
        f"were touched there go no further{others}."
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


def gaining(moves: pd.DataFrame) -> pd.DataFrame:
    """The moves that may be made now and bring something, what gains most for its money ahead."""
    return moves[moves.safe.astype(bool) & (moves.change > 0) & (moves.gain > 0)]


@safe_sentence
def _fund(moves: pd.DataFrame, *, outcome: str, currency: str) -> str:
    rows = gaining(moves)
    if rows.empty:
        return ""
    row, what = rows.iloc[0], "fewer" if outcome in ENDING else "more"
    return (
        f"Fund {row.touchpoint} next: {row.change:,.0f} {currency} more would bring "
        f"{ranged(row.gain, row.gain_low, row.gain_high)} {what} {outcome} outcomes; its effect is "
        f"{backed(row.badge)}."
    )


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


def _no_effect(unexplained: pd.DataFrame, **_: str) -> str:
    return f"What touchpoints bring is not known: {unexplained.said.iloc[0]}"


def _journeys(journeys: pd.DataFrame, use: pd.DataFrame, *, outcome: str, **_: str) -> str:
    return " ".join(filter(None, (about_journeys(journeys, use, outcome), _apart(use))))


@safe_sentence
def _apart(use: pd.DataFrame) -> str:
    """Say with which touchpoint journeys end well most and least often, if that is no chance."""
    rows = use[use.rate.notna()]
    if len(rows) < 2:
        return ""
    best, worst = rows.loc[rows.rate.idxmax()], rows.loc[rows.rate.idxmin()]
    if not best.ci_low > worst.ci_high:
        return "Which touchpoint's journeys end with it most often cannot be told from chance."
    return (
        f"Journeys with {best.touchpoint} end with it most often ({per_cent(best.rate)}), those "
        f"with {worst.touchpoint} least ({per_cent(worst.rate)})."
    )


def _credited(credit: pd.DataFrame, *, outcome: str, **_: str) -> str:
    return f"{about_credit(credit, outcome)} Credit is no effect."


def _record(record: pd.DataFrame, **_: str) -> str:
    return str(record.said.iloc[0]) if len(record) else ""  # what the track record says of itself


OF_EFFECTS = (_anyway, _brings, _fund, _money, _unknown)
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
