"""Sentences computed from tables, so that no number is ever typed into prose."""

from __future__ import annotations

import pandas as pd

from touchlab.credit.attribute import NO_TOUCH
from touchlab.credit.sensitivity import most_debated
from touchlab.dataset import Dataset
from touchlab.plots.parts import named, per_cent

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
    begin = f"{per_cent(start.starts / row.journeys)} of journeys begin with {start.touchpoint}"
    close = f"{per_cent(end.ends / row.journeys)} end with {end.touchpoint}"
    return (
        f"{per_cent(row.rate)} of {row.journeys:,.0f} journeys end in {outcome} "
        f"(95 % interval {per_cent(row.ci_low)} to {per_cent(row.ci_high)}), after "
        f"{row.touches_per_journey:.1f} touches on average. {begin}, {close}."
    )


def about_ties(tied: int, overview: pd.DataFrame) -> str:
    """Say how many touches have no known order."""
    if not tied:
        return "No touches share customer and time: the order of touches is known throughout."
    share = tied / overview.touches.iloc[0]
    return (
        f"{tied:,} touches ({per_cent(share)}) share customer and time with the one before: "
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
        f"listed, {best.path} converts best: {per_cent(best.rate)} "
        f"({per_cent(best.ci_low)} to {per_cent(best.ci_high)}) of {best.journeys:,.0f} journeys."
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
        f" {per_cent(untouched.share.iloc[0])} of the {credit.n.iloc[0]:,.0f} outcomes had no "
        "touch before them and credit nobody."
        if len(untouched)
        else ""
    )
    return (
        f"{agree}: between {per_cent(low)} and {per_cent(high)} of all {outcome} outcomes.{alone}"
    )


def about_agreement(credit: pd.DataFrame) -> str:
    """Say which touchpoint's credit hangs on the model, and whether that is more than noise."""
    swing = most_debated(credit)
    beyond = "more than" if swing.beyond_chance else "not clearly more than"
    return (
        f"{swing.touchpoint} swings from {per_cent(swing.low.share)} ({named(swing.low.model)}) "
        f"to {per_cent(swing.high.share)} ({named(swing.high.model)}), {beyond} chance alone "
        f"would give; on {swing.least} the models agree to within {per_cent(swing.least_spread)}."
    )


def about_removal(effects: pd.DataFrame, outcome: str) -> str:
    """Say what the chain would lose without a touchpoint, and that losses overlap."""
    first = effects.loc[effects.removal.idxmax()]
    return (
        f"Without {first.touchpoints}, the chain would lose {per_cent(first.removal)} of its "
        f"{outcome} outcomes ({per_cent(first.ci_low)} to {per_cent(first.ci_high)}). The losses "
        f"of single touchpoints add up to {per_cent(effects.removal.sum())}: journeys overlap, so "
        "they are not shares of one cake."
    )


def about_drivers(table: pd.DataFrame, baseline: pd.DataFrame, outcome: str) -> str:
    """Answer what the touchpoints bring, beyond what would have happened anyway."""
    base, first = baseline.iloc[0], table.loc[table.incremental.idxmax()]
    known = "" if base["share"] <= 1 else " (touchpoints together hold some back)"
    return (
        f"{per_cent(base['share'])} of {base.n:,.0f} {outcome} outcomes would have happened "
        f"without any touchpoint{known}, between {base.ci_low:,.0f} and {base.ci_high:,.0f}. "
        f"{first.touchpoint} brings most: {first.incremental:,.0f} of them "
        f"({first.ci_low:,.0f} to {first.ci_high:,.0f}), badge {first.badge}."
    )


def about_scores(scores: pd.DataFrame) -> str:
    """Answer how far the numbers can be trusted, on customers like these with a known truth."""
    said = []
    for world, own in scores.groupby("world", sort=False):
        table = own.set_index("method")
        rules = table.drop(index=[m for m in table.index if m.startswith(("drivers", "oracle"))])
        best, drivers = rules.amount_error.min(), table.loc["drivers"]
        said.append(
            f"With {world}, the drivers are off by "
            f"{per_cent(drivers.amount_error)} of the truth, the best attribution model by "
            f"{per_cent(best)}; {per_cent(drivers.coverage)} of the drivers' 95 % intervals hold it"
        )
    return "On simulated customers shaped like these: " + ". ".join(said) + "."


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
        f"{top} moves between {per_cent(own.share.min())} and {per_cent(own.share.max())}"
    )
    if alone.empty:
        return said + "."
    low, high = per_cent(alone.share.min()), per_cent(alone.share.max())
    return f"{said}; {low} to {high} of outcomes have no touch within it."


def _date(time: pd.Timestamp) -> str:
    return f"{time.day} {time:%B %Y}"
