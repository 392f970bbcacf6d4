"""Sentences on the map of touchpoints and on the experience, computed from tables."""

from __future__ import annotations

import pandas as pd

from touchlab.data.contract import STAGES, listing
from touchlab.experience.key_drivers import KeyDrivers, called, weak_links
from touchlab.experience.map import MISSING, MapAudit
from touchlab.experience.stages import largest_leak
from touchlab.plots.experience import in_points
from touchlab.show import per_cent, safe_sentence

ASSOCIATION = (
    "Scores are compared with what customers say and do elsewhere (badge: descriptive): what goes "
    "with a score need not be caused by it."
)


MOST_NAMED = 3
RUN_BY = {"company": "the company", "customer": "customers", "partner": "partners"}


@safe_sentence
def about_map(table: pd.DataFrame) -> str:
    """Answer which touchpoints there are, and at how many stages."""
    used = int((table.touches > 0).sum())
    if not table.mapped.any():
        guessed = int(table.stage.isin(STAGES).sum())
        return (
            f"{used} touchpoints are in use; stages are guessed from names, for {guessed} of "
            f"{len(table)}."
        )
    stages = table[table.mapped & (table.touches > 0)].stage
    held = stages[stages.isin(STAGES)].nunique()
    return f"{used} touchpoints are in use, in {held} of {len(STAGES)} stages."


def about_gaps(audit: MapAudit) -> str:
    """Answer where the gaps of the map are."""
    return _gaps(audit.table) if len(audit.table) else "The map has no gaps."


def _gaps(findings: pd.DataFrame) -> str:
    parts = []
    for finding, own in findings.groupby("finding", sort=False):
        names = list(own.touchpoint.where(own.touchpoint.notna(), own.stage).dropna())
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        parts.append(f"{finding}: {listing(names[:MOST_NAMED]) or 'throughout'}{more}")
    return f"Gaps: {'; '.join(parts)}."


@safe_sentence
def about_flow(flow: pd.DataFrame) -> str:
    """Say at which stage most customers go no further."""
    leak = largest_leak(flow)
    if leak is None:
        return "Touches are seen in one stage only: there is nothing to drop off from."
    worst, others = leak
    ends = [per_cent(end, 1) for end in (worst.rate, worst.ci_low, worst.ci_high)]
    return (
        f"Drop-off is largest at {worst.stage}: {ends[0]} ({ends[1]} to {ends[2]}) of {worst.n:,} "
        f"customers touched there go no further, and {worst.touchpoints} touchpoints in use serve "
        f"them{others}."
    )


@safe_sentence
def about_owners(shares: pd.DataFrame) -> str:
    """Say whose touches they are."""
    known = shares[shares.owner != MISSING]
    if known.empty:
        return "The map names no owner."
    rest = 1 - known.share.sum()
    if len(known) == 1 and rest <= 1e-9:
        return f"All touches are run by {RUN_BY[known.owner.iloc[0]]}."
    parts = [f"{per_cent(row.share)} by {RUN_BY[row.owner]}" for row in known.itertuples()]
    without = f"; for {per_cent(rest)} the map names nobody" if rest > 1e-9 else ""
    return f"Touches are run {', '.join(parts)}{without}."


@safe_sentence
def about_reach(reach: pd.DataFrame) -> str:
    """Say which touchpoint reaches segments most unequally."""
    own = reach[reach.touchpoint == reach.touchpoint.iloc[0]]
    low, high = own.loc[own.rate.idxmin()], own.loc[own.rate.idxmax()]
    clear = "" if low.ci_high < high.ci_low else "; not clearly apart"
    return (
        f"{own.touchpoint.iloc[0]} differs most: it reaches {per_cent(high.rate)} of the customers "
        f"in {high.segment}, {per_cent(low.rate)} in {low.segment}{clear}."
    )


def about_lowest(scores: pd.DataFrame) -> str:
    """Name the lowest score of each metric, beside the highest, among those with enough answers."""
    shown = ["metric", str(scores.columns[1]), "score", "ci_low", "ci_high", "n"]
    return _about_lowest(scores.loc[scores.ranked, shown])


@safe_sentence
def _about_lowest(ranked: pd.DataFrame) -> str:
    by, lowest, alike = str(ranked.columns[1]), dict[str, list[str]](), []
    for metric, own in ranked.groupby("metric"):
        worst, best = own.loc[own.score.idxmin()], own.loc[own.score.idxmax()]
        if worst.ci_high < best.ci_low:
            said = (
                f"{str(metric).upper()} {in_points(worst)} (highest: {in_points(best)}, {best[by]})"
            )
            lowest.setdefault(worst[by], []).append(said)
        elif len(own) > 1:
            alike.append(str(metric).upper())
    parts = [f"Scores are lowest at {name}: {', '.join(said)}." for name, said in lowest.items()]
    if alike:
        verb = "does" if len(alike) == 1 else "do"
        parts.append(f"{' and '.join(alike)} {verb} not clearly differ between {by}s.")
    return (
        " ".join(parts) or f"No metric was asked at two {by}s with enough answers to compare them."
    )


def about_links(drivers: KeyDrivers) -> str:
    """Say which touchpoint is important and poor, and how sure that is."""
    links = weak_links(drivers)
    weak = links[links.weak]
    if weak.empty:
        return f"{drivers.sentence()} No touchpoint is both important and poor."
    said = f"Important for {called(drivers.target)} and poor: "
    sure, rest = weak.driver[weak.clear], weak.driver[~weak.clear]
    parts = [f"{listing(sure, most=MOST_NAMED)}, beyond chance"] * bool(len(sure))
    parts += [f"{listing(rest, most=MOST_NAMED)}, which could be chance"] * bool(len(rest))
    return f"{said}{'; '.join(parts)}."


@safe_sentence
def about_later(gaps: pd.DataFrame, outcome: str) -> str:
    """Say whether low scores are followed by the outcome more often than high ones.

    `gaps` is that of `contrast_bands`.
    """
    clear = gaps[gaps.clear]
    if gaps.empty:
        return f"No touchpoint has low and high scores to compare {outcome} after them."
    if clear.empty:
        tried = ", ".join(gaps.metric.str.upper())
        return f"Low scores ({tried}) do not clearly foretell {outcome}."
    best = clear.loc[clear.difference.abs().idxmax()]
    more = "more" if best.difference > 0 else "less"
    ends = sorted([abs(best.ci_low), abs(best.ci_high)])
    return (
        f"After a low {best.metric.upper()}, {outcome} is {abs(best.difference):.0f} points "
        f"{more} frequent than after a high one ({ends[0]:.0f} to {ends[1]:.0f}), at the same "
        "touchpoints."
    )


@safe_sentence
def about_responders(table: pd.DataFrame) -> str:
    """Say in what those who answered differ most from everyone."""
    rows = table[table.unit.str.startswith("%")]
    widest = rows.loc[rows.difference.abs().idxmax()] if len(rows) else table.iloc[0]
    unit = "\N{NO-BREAK SPACE}%" if len(rows) else ""
    clear = widest.ci_low > 0 or widest.ci_high < 0
    verdict = "Those who answered are not like everyone" if clear else "No clear difference shows"
    return (
        f"{verdict}: {widest.what} {widest.answered:.0f}{unit} among the {widest.n:,} who "
        f"answered, {widest.everyone:.0f}{unit} among all."
    )


def map_in_brief(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of the map that a reader needs."""
    columns = ["touchpoint", "stage", "channel", "owner", "goal", "touches", "share", "score"]
    if not table.mapped.all():
        columns.insert(1, "mapped")
    return table[[c for c in columns if c in table.columns]]


def map_by_channel(table: pd.DataFrame) -> pd.DataFrame:
    """The map as people draw it: a row a channel, a column a stage, touchpoints in the fields."""
    known = table.assign(channel=table.channel.fillna(MISSING), stage=table.stage.fillna(MISSING))
    stages = [*STAGES, *([MISSING] if (~known.stage.isin(STAGES)).any() else [])]
    known["stage"] = known.stage.where(known.stage.isin(STAGES), MISSING)
    fields = known.groupby(["channel", "stage"], sort=False).touchpoint.agg(listing)
    grid = fields.unstack().reindex(columns=stages).astype(object)
    first = grid.notna().to_numpy().argmax(axis=1)  # channels in the order of the journey
    return (
        grid.iloc[first.argsort(kind="stable")].fillna("").rename_axis(None, axis=1).reset_index()
    )


def scores_in_brief(scores: pd.DataFrame) -> pd.DataFrame:
    """The columns of `survey_scores` that a reader needs, metrics in capitals."""
    columns = ["metric", scores.columns[1], "score", "ci_low", "ci_high", "n", "sent"]
    table = scores[[*columns, "response_rate", "ranked"]]
    table = table.assign(metric=table.metric.str.upper())
    return table if table.sent.notna().any() else table.drop(columns=["sent", "response_rate"])
