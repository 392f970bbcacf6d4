"""Sentences computed from tables, so that no number is ever typed into prose."""

from __future__ import annotations

import pandas as pd

from touchlab.credit.attribute import NO_TOUCH
from touchlab.credit.sensitivity import most_debated
from touchlab.dataset import Dataset
from touchlab.plots import MODEL_NAMES

DESCRIPTIVE = (
    "Credit describes what happened (badge: descriptive). It adds up to every outcome, so it "
    "cannot tell which ones would have happened anyway."
)


def about_data(data: Dataset) -> str:
    """Say what came in: touches, outcomes, customers, dates, and which tables are missing."""
    table = data.overview.set_index("table")
    if "steps" in table.index:
        return (
            f"{data.name} is a paths table: journeys already counted, without customers or times."
        )
    touches, outcomes = table.loc["touches"], table.loc["outcomes"]
    first, last = min(touches["first"], outcomes["first"]), max(touches["last"], outcomes["last"])
    optional = ("customers", "surveys", "touchpoints", "experiments")
    missing = [name for name in optional if not data.has(name)]
    said = (
        f"{data.name} holds {touches.rows:,} touches of {touches.customers:,} customers and "
        f"{outcomes.rows:,} outcomes, from {_date(first)} to {_date(last)}."
    )
    return said + (f" Not given: {', '.join(missing)}." if missing else "")


def about_repairs(data: Dataset) -> str:
    """Say how much was dropped on the way in."""
    dropped = data.notes[data.notes.note.str.contains("dropped", regex=False)]
    if dropped.empty:
        return "Nothing was dropped."
    return "; ".join(f"{row.rows:,} {row.table}: {row.note}" for row in dropped.itertuples()) + "."


def notes_in_brief(data: Dataset) -> pd.DataFrame:
    """List repairs and assumptions, one row for what holds of several tables or columns."""
    notes = data.notes.assign(note=data.notes.note.str.replace(r"^\w+: ", "", regex=True))
    grouped = notes.groupby("note", sort=False)
    brief = grouped.agg(
        table=("table", lambda t: ", ".join(dict.fromkeys(t))), rows=("rows", "sum")
    )
    return brief.reset_index()[["table", "rows", "note"]]


def about_journeys(overview: pd.DataFrame, use: pd.DataFrame, outcome: str) -> str:
    """Answer how customers move: how long journeys are, how many convert, where they begin."""
    row = overview.iloc[0]
    start, end = use.loc[use.starts.idxmax()], use.loc[use.ends.idxmax()]
    begin = f"{_percent(start.starts / row.journeys)} of journeys begin with {start.touchpoint}"
    close = f"{_percent(end.ends / row.journeys)} end with {end.touchpoint}"
    return (
        f"{_percent(row.rate)} of {row.journeys:,.0f} journeys end in {outcome} "
        f"(95 % interval {_percent(row.ci_low)} to {_percent(row.ci_high)}), after "
        f"{row.touches_per_journey:.1f} touches on average. {begin}, {close}."
    )


def about_ties(tied: int, overview: pd.DataFrame) -> str:
    """Say how many touches have no known order."""
    if not tied:
        return "No touches share customer and time: the order of touches is known throughout."
    share = tied / overview.touches.iloc[0]
    return (
        f"{tied:,} touches ({_percent(share)}) share customer and time with the one before: "
        "their order is not known, and taken by name."
    )


def about_paths(paths: pd.DataFrame) -> str:
    """Say which paths stand out by how often they convert."""
    named = paths[~paths.path.str.startswith("(")]
    if named.empty:
        return "No path is shared by enough customers to be shown."
    often, best = named.iloc[0], named.loc[named.rate.idxmax()]
    return (
        f"The most common path is {often.path} ({often.journeys:,.0f} journeys). Among the paths "
        f"listed, {best.path} converts best: {_percent(best.rate)} "
        f"({_percent(best.ci_low)} to {_percent(best.ci_high)}) of {best.journeys:,.0f} journeys."
    )


def about_credit(credit: pd.DataFrame, outcome: str) -> str:
    """Answer who gets the credit, and how much the choice of the model matters."""
    table = credit[credit.touchpoint != NO_TOUCH]
    shares = table.pivot_table(index="touchpoint", columns="model", values="share")
    leaders = shares.idxmax().value_counts()
    top, models = leaders.index[0], len(shares.columns)
    low, high = shares.loc[top].min(), shares.loc[top].max()
    agree = (
        f"All {models} models credit {top} most"
        if leaders.iloc[0] == models
        else f"{leaders.iloc[0]} of {models} models credit {top} most"
    )
    untouched = credit[credit.touchpoint == NO_TOUCH]
    alone = (
        f" {_percent(untouched.share.iloc[0])} of the {credit.n.iloc[0]:,.0f} outcomes had no "
        "touch before them and credit nobody."
        if len(untouched)
        else ""
    )
    return (
        f"{agree}: between {_percent(low)} and {_percent(high)} of all {outcome} outcomes.{alone}"
    )


def about_agreement(credit: pd.DataFrame) -> str:
    """Say which touchpoint's credit hangs on the model, and whether that is more than noise."""
    swing = most_debated(credit)
    beyond = "more than" if swing.beyond_chance else "not clearly more than"
    return (
        f"{swing.touchpoint} swings from {_percent(swing.low.share)} ({_model(swing.low.model)}) "
        f"to {_percent(swing.high.share)} ({_model(swing.high.model)}), {beyond} chance alone "
        f"would give; on {swing.least} the models agree to within {_percent(swing.least_spread)}."
    )


def about_removal(effects: pd.DataFrame, outcome: str) -> str:
    """Say what the chain would lose without a touchpoint, and that losses overlap."""
    first = effects.loc[effects.removal.idxmax()]
    return (
        f"Without {first.touchpoints}, the chain would lose {_percent(first.removal)} of its "
        f"{outcome} outcomes ({_percent(first.ci_low)} to {_percent(first.ci_high)}). The losses "
        f"of single touchpoints add up to {_percent(effects.removal.sum())}: journeys overlap, so "
        "they are not shares of one cake."
    )


def about_order(orders: pd.DataFrame) -> str:
    """Say how many touches back matter for what comes next."""
    chosen = orders.loc[orders.chosen, "order"].iloc[0]
    back = "the last touch alone" if chosen == 1 else f"the last {chosen} touches"
    return (
        f"On customers held out, {back} foretell the next step about as well as any longer memory."
    )


def about_lookback(table: pd.DataFrame) -> str:
    """Say how far the leading share, and the outcomes without a touch, move with the lookback."""
    named = table[table.touchpoint != NO_TOUCH]
    top = named.groupby("touchpoint").share.mean().idxmax()
    own, alone = table[table.touchpoint == top], table[table.touchpoint == NO_TOUCH]
    said = (
        f"With lookbacks from {own.lookback.iloc[0]} to {own.lookback.iloc[-1]}, the share of "
        f"{top} moves between {_percent(own.share.min())} and {_percent(own.share.max())}"
    )
    if alone.empty:
        return said + "."
    low, high = _percent(alone.share.min()), _percent(alone.share.max())
    return f"{said}; {low} to {high} of outcomes have no touch within it."


def _percent(value: float) -> str:
    places = 1 if abs(value) < 0.0995 else 0
    return f"{100 * value:.{places}f}\N{NO-BREAK SPACE}%"


def _model(name: str) -> str:
    return MODEL_NAMES.get(name, name.replace("_", " "))


def _date(time: pd.Timestamp) -> str:
    return f"{time.day} {time:%B %Y}"
