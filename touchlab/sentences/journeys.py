"""What came in, and what was mended."""

from __future__ import annotations

import pandas as pd

from touchlab.data.contract import listing
from touchlab.data.customers import outcome_counts
from touchlab.data.dataset import Dataset
from touchlab.show import count, data_called, per_cent, safe_sentence

MOST_NAMED = 6


def about_data(data: Dataset) -> str:
    """Say what came in: touches, outcomes, customers, dates, and which tables are missing."""
    table = data.overview.set_index("table")
    if "steps" in table.index:
        return (
            f"{data_called(data)} is a paths table: journeys already counted, without customers or "
            "times."
        )
    if not {"touches", "outcomes"} <= {*table.index}:
        parts = [f"{count(rows)} rows of {name}" for name, rows in table.rows.items()]
        return f"{data.name} holds {' and '.join(parts)}, and no touches."
    touches, outcomes = table.loc["touches"], table.loc["outcomes"]
    first, last = min(touches["first"], outcomes["first"]), max(touches["last"], outcomes["last"])
    counts = (f"{count(n)} {name} outcomes" for name, n in outcome_counts(data).items())
    optional = ("customers", "surveys", "touchpoints", "experiments")
    missing = [name for name in optional if not data.has(name)]
    said = (
        f"{data_called(data)} holds {count(touches.rows)} touches of {count(touches.customers)} "
        f"customers, from {day(first)} to {day(last)}, and {listing(counts, most=MOST_NAMED)}."
    )
    return said + (f" Not given: {', '.join(missing)}." if missing else "")


def about_repairs(data: Dataset) -> str:
    """Say how much was dropped on the way in, and how much is folded into others."""
    dropped = data.notes[data.notes.note.str.contains("dropped|folded into")]
    if dropped.empty:
        return "Nothing of it was dropped when it was opened."
    said = dropped.rows.map(lambda n: f"{n:,} " if n else "") + dropped.table + ": " + dropped.note
    return "; ".join(said) + "."


def notes_in_brief(data: Dataset) -> pd.DataFrame:
    """List repairs and assumptions, one row for what holds of several tables or columns."""
    notes = data.notes.assign(note=data.notes.note.str.replace(r"^\w+: ", "", regex=True))
    grouped = notes.groupby("note", sort=False)
    brief = grouped.agg(
        table=("table", lambda t: ", ".join(dict.fromkeys(t))), rows=("rows", "sum")
    )
    return brief.reset_index()[["table", "rows", "note"]]


def day(time: pd.Timestamp) -> str:
    """Write a day for reading."""
    return f"{time.day} {time:%B %Y}"


def about_journeys(overview: pd.DataFrame, use: pd.DataFrame, outcome: str) -> str:
    """Answer how customers move: how long journeys are, how many convert, where they begin."""
    own = overview.drop(columns=["outcomes", "no_touch"], errors="ignore")
    return _about_journeys(own, use[["touchpoint", "starts", "ends"]], outcome)


@safe_sentence
def _about_journeys(overview: pd.DataFrame, use: pd.DataFrame, outcome: str) -> str:
    row = overview.iloc[0]
    start, end = use.loc[use.starts.idxmax()], use.loc[use.ends.idxmax()]
    begin = f"{per_cent(start.starts / row.journeys)} of journeys begin with {start.touchpoint}"
    close = f"{per_cent(end.ends / row.journeys)} end with {end.touchpoint}"
    rest = "their lookback had not passed when the data ended"
    if row.open == row.journeys:
        return f"All {row.journeys:,.0f} journeys are open: {rest}. {begin}, {close}."
    going_on = (
        f" {row.open:,.0f} of them {'is' if row.open == 1 else 'are'} open, and not in the rate: "
        f"{rest}."
        if row.open
        else ""
    )
    return (
        f"{per_cent(row.rate)} of journeys lead to {outcome} outcomes "
        f"(95 % range {per_cent(row.ci_low)} to {per_cent(row.ci_high)}); {row.journeys:,.0f} "
        f"journeys have {row.touches_per_journey:.1f} touches on average. {begin}, {close}."
        f"{going_on}"
    )


def about_ties(tied: int, overview: pd.DataFrame) -> str:
    """Say how many touches have no known order."""
    if not tied:
        return "No touches share customer and time: the order of touches is known throughout."
    said = count(tied)
    if said == f"{tied:,}":
        said += f" ({per_cent(tied / overview.touches.iloc[0])})"
    return (
        f"{said} touches share customer and time with the one before: "
        "their order is not known, and taken by name."
    )


@safe_sentence
def about_paths(paths: pd.DataFrame) -> str:
    """Say which paths stand out by how often they convert."""
    named = paths[~paths.path.str.startswith("(")]
    if named.empty:
        return "No path is shared by enough customers to be shown."
    often, ended = named.iloc[0], named.dropna(subset="rate")
    equal = (named.journeys == often.journeys).sum() - 1
    others = f", as {equal} more are" if equal else ""
    most = f"The most common path is {often.path} ({often.journeys:,.0f} journeys{others})."
    if ended.empty:
        return f"{most} How often it converts is not known yet: no journey's lookback has passed."
    best = ended.loc[ended.rate.idxmax()]
    others = ended.drop(index=best.name)
    apart = others.empty or best.ci_low > others.ci_high.max()
    return (
        f"{most} Among the paths listed, {best.path} has the highest rate: {per_cent(best.rate)} "
        f"({per_cent(best.ci_low)} to {per_cent(best.ci_high)}) of {best.journeys:,.0f} journeys"
        f"{'' if apart else '; others are not clearly below it'}."
    )


@safe_sentence
def about_order(orders: pd.DataFrame) -> str:
    """Say how many touches back matter for what comes next."""
    chosen, longest = orders.loc[orders.chosen, "order"].iloc[0], orders.order.max()
    back = (
        "the last touch alone foretells" if chosen == 1 else f"the last {chosen} touches foretell"
    )
    tried = f"about as well as up to {longest}, the most that were tried"
    said = "better than fewer; more were not tried" if chosen == longest > 1 else tried
    drawn = "" if chosen == 1 else " The figures on this page take the last touch alone."
    return f"On customers held out, {back} the next step {said}.{drawn}"
