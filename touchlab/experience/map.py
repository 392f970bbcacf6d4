"""The map of touchpoints, and its audit: where are the gaps?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import pandas as pd

from touchlab.data.contract import STAGES, listing
from touchlab.data.dataset import Dataset
from touchlab.errors import DataError, MissingInput, ParameterError, need_name
from touchlab.experience.stages import stage_flow
from touchlab.experience.surveys import MAP_COLUMNS, SCALE, map_of, survey_scores
from touchlab.results import Result

AUDITED = "which touchpoints are missing from it, and where customers drop off"
HEAVY = 0.5
NO_TOUCHPOINTS = (
    "map: the data has neither touches nor surveys\n  with either, this lays out its touchpoints"
)
MISSING, NOT_KNOWN = "(not given)", "not known by its name: fill in"
COLUMNS = ["touchpoint", *MAP_COLUMNS]
Row = tuple[str, str | None, str | None, str]
"""A finding: what, touchpoint, stage, detail."""


def touchpoint_map(data: Dataset, *, scores: bool = False) -> pd.DataFrame:
    """Lay out the touchpoints: where each belongs, who runs it, how much it is used.

    Parameters
    ----------
    data
        An opened Dataset.
    scores
        Adds ``score``, the mean answer from 0 to 100 of the scale, where surveys ask for it.

    Returns
    -------
    pandas.DataFrame
        ``touchpoint, stage, channel, owner, goal, phase, mapped, touches, share,
        customers``, by stage and then most touches first. Touchpoints of the data that
        the map does not have (all, where there is no map) carry the proposal of
        `propose_map` with `mapped` False. `share` is of all touches; `customers` have
        at least one touch (missing for a paths table).

    Notes
    -----
    Counts of all touches recorded, not estimates: they have no interval.

    Examples
    --------
    >>> import touchlab as tl
    >>> table = touchpoint_map(tl.open_data("data/sample"))
    >>> table[["touchpoint", "stage", "touches", "mapped"]].head(2)
       touchpoint      stage  touches  mapped
    0     display  awareness    69018    True
    1  social_ads  awareness    44458    True
    """
    seen = seen_touchpoints(data)
    own = pd.DataFrame(columns=COLUMNS, dtype=object)
    if data.has("touchpoints"):
        own = map_of(data, "").select(COLUMNS).to_pandas().astype(object)
        own = own.where(own.notna(), None)
    proposed = guess(seen.touchpoint[~seen.touchpoint.isin(own.touchpoint)]).drop(columns="reason")
    table = pd.concat([own.assign(mapped=True), proposed.assign(mapped=False)], ignore_index=True)
    table = table.merge(seen, on="touchpoint", how="left", validate="one_to_one")
    table["touches"] = table.touches.fillna(0).astype("int64")
    table["customers"] = table.customers.where(table.touches > 0, 0)
    table["share"] = table.touches / max(table.touches.sum(), 1)
    order = table.stage.map({stage: place for place, stage in enumerate(STAGES)})
    table = table.assign(order=order.fillna(len(STAGES)))
    table = table.sort_values(["order", "touches", "touchpoint"], ascending=[True, False, True])
    table = table[[*COLUMNS, "mapped", "touches", "share", "customers"]].reset_index(drop=True)
    if not scores:
        return table
    with suppress(MissingInput):  # without surveys, it has none
        asked = survey_scores(data, metric=SCALE).set_index("touchpoint")
        return table.assign(score=table.touchpoint.map(asked.score))
    return table


def touch_shares(data: Dataset, *, by: str = "owner") -> pd.DataFrame:
    """How many touches belong to each owner, stage, channel or phase?

    Parameters
    ----------
    data
        An opened Dataset with a map.
    by
        ``"owner"``, ``"stage"``, ``"channel"``, ``"phase"`` or ``"goal"``.

    Returns
    -------
    pandas.DataFrame
        A column named like `by`, ``touchpoints`` (on the map, seen or not), ``touches``
        and ``share`` of all touches, largest first; touchpoints without it or not on
        the map are ``(not given)``. A count of all touches recorded: no interval.

    Examples
    --------
    >>> import touchlab as tl
    >>> touch_shares(tl.open_data("data/sample")).round(2)
          owner  touchpoints  touches  share
    0   company            9   253695   0.78
    1  customer            3    52979   0.16
    2   partner            2    16682   0.05
    """
    map_of(data, f"touches by {by}")
    need_name("by", by, MAP_COLUMNS, "is not a column of the map")
    table = touchpoint_map(data)
    key = table[by].where(table.mapped).fillna(MISSING).rename(by)
    sums = table.groupby(key).agg(touchpoints=("touchpoint", "size"), touches=("touches", "sum"))
    sums = sums.reset_index().assign(share=lambda t: t.touches / max(t.touches.sum(), 1))
    return sums.sort_values(["touches", by], ascending=[False, True], ignore_index=True)


@dataclass(frozen=True, repr=False)
class MapAudit(Result):
    """What is missing from the map, or on it and never used: `table` has a row a finding."""

    table: pd.DataFrame
    notes: tuple[str, ...]
    touchpoints: int
    """Touchpoints on the map."""
    to_add: pd.DataFrame
    """Usual touchpoints that stages without any, or with heavy drop-off, do not have yet: ideas."""

    def sentence(self) -> str:
        """Say how many gaps of which kind there are, and name the first of each."""
        if self.table.empty:
            return f"The map of {self.touchpoints} touchpoints has no gaps."
        parts = []
        for finding, own in self.table.groupby("finding", sort=False):
            names = own.touchpoint.fillna(own.stage).dropna()
            parts.append(f"{finding}: {listing(names, most=4) or 'throughout'}")
        return f"The map has {self.touchpoints} touchpoints. Gaps: {'; '.join(parts)}."


def audit_map(data: Dataset, *, days: int = 90) -> MapAudit:
    """Where are the gaps between the map and what happens?

    It finds what can be counted. Whether a touchpoint is the right one for its goal is
    for the scores and the drivers to say.

    Parameters
    ----------
    data
        An opened Dataset with a map.
    days
        Watch after the first touch of a stage, as in `stage_flow`.

    Returns
    -------
    MapAudit
        ``.table``: ``finding, touchpoint, stage, detail``, worst kinds first: ``not on
        the map`` (seen in touches or surveys), ``never seen``, ``no touchpoints`` and
        ``no touches`` (of a stage), ``heavy drop-off`` (a stage that most customers
        leave, with fewer touchpoints in use than the average stage), ``stage missing``,
        ``owner missing``, ``goal missing``, ``never asked`` (seen, but in no survey, where
        there are surveys); ``.to_add``: usual touchpoints for stages that are
        empty or leak (``stage, finding, touchpoint, channel, owner, goal``); ``.notes,
        .sentence()``.

    Raises
    ------
    MissingInput
        Without a map.

    Examples
    --------
    >>> import touchlab as tl
    >>> audit_map(tl.open_data("data/sample")).table[["finding", "touchpoint", "stage"]].head(2)
              finding       touchpoint     stage
    0      never seen  community_forum  advocacy
    1  heavy drop-off              NaN  purchase
    """
    map_of(data, AUDITED)
    table = touchpoint_map(data)
    mapped = table[table.mapped]
    rows: list[Row] = []
    for row in table[~table.mapped].itertuples():
        belongs = f"; by its name it belongs to {row.stage}" if row.stage else ""
        rows.append(("not on the map", row.touchpoint, None, f"{row.touches:,} touches{belongs}"))
    unseen = "on the map, but the data has no touch of it: closed, or not recorded?"
    rows += _each(mapped[mapped.touches == 0], "never seen", unseen)
    rows += _empty_stages(mapped)
    notes: tuple[str, ...] = ()
    if data.has("touches"):
        rows += _drop_off(mapped, stage_flow(data, days=days))
    else:
        notes = ("a paths table has no customers: drop-off by stage is not judged",)
    for column in ("stage", "owner", "goal"):
        without = mapped[mapped[column].isna()]
        if len(without) == len(mapped):
            rows.append((f"{column} missing", None, None, f"the map gives no {column} at all"))
        else:
            rows += _each(without, f"{column} missing", "")
    if data.has("surveys"):
        asked = data.tables["surveys"].select("touchpoint").distinct().to_pandas().touchpoint
        silent = table[(table.touches > 0) & ~table.touchpoint.isin(asked)]
        rows += _each(silent, "never asked", "no survey asks how customers find it")
    findings = pd.DataFrame(rows, columns=["finding", "touchpoint", "stage", "detail"])
    return MapAudit(findings, notes, len(mapped), to_add(findings, table))


def _each(table: pd.DataFrame, finding: str, detail: str) -> list[Row]:
    """Find the same of each touchpoint."""
    return [(finding, row.touchpoint, row.stage, detail) for row in table.itertuples()]


def _empty_stages(mapped: pd.DataFrame) -> list[Row]:
    usual = starter_map()
    rows: list[Row] = []
    for stage in STAGES:
        own = mapped[mapped.stage == stage]
        if own.empty:
            names = listing(usual.touchpoint[usual.stage == stage], most=4)
            rows.append(("no touchpoints", None, stage, f"usual ones are {names}"))
        elif own.touches.sum() == 0:
            rows.append(("no touches", None, stage, "none of its touchpoints is ever seen"))
    return rows


def to_add(findings: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """List what the starter map has for stages that are empty or leak, and this map has not."""
    gaps = findings[findings.finding.isin(("no touchpoints", "no touches", "heavy drop-off"))]
    there = {hit[1] for hit in map(_hit, table.touchpoint) if hit}
    usual = starter_map().drop(index=sorted(there))
    found = gaps[["stage", "finding"]].merge(usual, on="stage", sort=False)
    return found[["stage", "finding", "touchpoint", "channel", "owner", "goal"]]


def _drop_off(mapped: pd.DataFrame, flow: pd.DataFrame) -> list[Row]:
    counts = mapped[mapped.touches > 0].stage.value_counts()
    rows: list[Row] = []
    for row in flow[flow.ci_low > HEAVY].itertuples():
        if counts[row.stage] < counts.mean():
            detail = (
                f"{100 * row.rate:.0f} % of {row.n:,} customers go no further, and "
                f"{counts[row.stage]} of {counts.sum()} touchpoints in use are here"
            )
            rows.append(("heavy drop-off", None, row.stage, detail))
    return rows


def seen_touchpoints(data: Dataset) -> pd.DataFrame:
    """List touchpoints of touches and surveys, most touches first: touchpoint, touches, customers.

    Of a paths table, touches are counted and customers are missing.
    """
    if data.has("touches"):
        rows = data.touches
        counts = rows.group_by("touchpoint").aggregate(
            touches=rows.count().cast("float64"), customers=rows.customer_id.nunique()
        )
        table = counts.to_pandas()
    elif not data.has("steps"):
        if not data.has("surveys"):
            raise MissingInput(NO_TOUCHPOINTS)
        table = pd.DataFrame(columns=["touchpoint", "touches", "customers"])
    else:
        rows = data.tables["steps"]
        counts = rows.group_by("touchpoint").aggregate(touches=rows.weight.sum())
        table = counts.to_pandas().assign(customers=pd.NA)
    if data.has("surveys"):
        asked = data.tables["surveys"].select("touchpoint").distinct().to_pandas()
        only = asked[~asked.touchpoint.isin(table.touchpoint)]
        table = pd.concat([table, only.assign(touches=0.0, customers=0)], ignore_index=True)
    table = table.sort_values(["touches", "touchpoint"], ascending=[False, True], ignore_index=True)
    return table.astype({"touches": "int64", "customers": "Int64"})


@cache
def _starter() -> pd.DataFrame:
    return pd.read_csv(str(files(__package__) / "starter_map.csv"), dtype=str)


def starter_map() -> pd.DataFrame:
    """List the usual touchpoints before, during and after a purchase, to begin a map from.

    Columns: touchpoint, stage, channel, owner, goal, phase, as in the contract.

    >>> starter_map().groupby("phase").size().to_dict()
    {'after': 21, 'before': 34, 'during': 7}
    """
    return _starter()[COLUMNS].copy()


def propose_map(data: Dataset) -> pd.DataFrame:
    """Propose a map of the touchpoints that the data holds, from their names, to be edited.

    A name says little of who runs a touchpoint and what it is for: read every row.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint of touches and surveys, most touches first: ``touchpoint,
        stage, channel, owner, goal, phase`` (missing where the name is not known),
        ``touches`` and ``reason`` (what the proposal rests on).

    Examples
    --------
    >>> import touchlab as tl
    >>> propose_map(tl.open_data("data/sample")).loc[0, ["touchpoint", "stage", "reason"]].tolist()
    ['email_newsletter', 'consideration', "named like 'email newsletter'"]
    """
    seen = seen_touchpoints(data)
    table = guess(seen.touchpoint).assign(touches=seen.touches.to_numpy())
    return table[[*COLUMNS, "touches", "reason"]]


def guess(names: Iterable[str]) -> pd.DataFrame:
    """Look each name up: the columns of the map, and the reason."""
    known, rows = _starter(), []
    for name in names:
        hit = _hit(name)
        own = known.loc[hit[1], COLUMNS[1:]].to_dict() if hit else dict.fromkeys(COLUMNS[1:])
        reason = f"named like {hit[0]!r}" if hit else NOT_KNOWN
        rows.append({"touchpoint": name, **own, "reason": reason})
    return pd.DataFrame(rows, columns=[*COLUMNS, "reason"])


@cache
def _phrases() -> list[tuple[str, int]]:
    """Words of the starter map with their rows, the longest first."""
    every = enumerate(_starter().words)
    return sorted(
        ((phrase, row) for row, words in every for phrase in words.split("|")),
        key=lambda pair: (-len(pair[0].split()), -len(pair[0]), pair[0]),
    )


def _hit(name: str) -> tuple[str, int] | None:
    """Find the words of the starter map that a name has in it, and their row."""
    text = f" {_one(_words(name))} "
    return next(((phrase, row) for phrase, row in _phrases() if f" {_one(phrase)} " in text), None)


def _words(name: str) -> str:
    """Write a name as lower-case words: ``emailNewsletter`` and ``email_newsletter`` alike."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", str(name))
    return " ".join(re.findall(r"[^\W_]+", apart.lower()))


def _one(words: str) -> str:
    """Take the plural off: ``emails`` and ``email`` alike."""
    return re.sub(r"(?<=[^\Ws]{3})s\b", "", words)


def default_path(data: Dataset, source: str) -> Path:
    """Name the file beside the data: touchpoints.csv in its folder; refuse data that has a map."""
    if data.has("touchpoints"):
        raise DataError(
            "map init: the data has a map already, which is left as it is\n"
            "  edit it, or name another file with --out to compare"
        )
    if not Path(source).is_dir():
        raise ParameterError(
            "map init: the data is not a folder that a file could be written to\n"
            "  name the file with --out touchpoints.csv"
        )
    return Path(source) / "touchpoints.csv"


def write_map(data: Dataset, path: Path) -> pd.DataFrame:
    """Write the proposal as CSV and return it; an existing file is never touched."""
    table = propose_map(data)
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            table.to_csv(file, index=False)
    except FileExistsError:
        raise DataError(
            f"{path}: the file exists and is left as it is\n"
            "  edit it, or name another file with --out"
        ) from None
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror}\n  name another file with --out"
        ) from None
    return table
