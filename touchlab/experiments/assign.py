"""Who is held back: the assignment of an experiment, as the `experiments` table has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.customers import need_group, touchpoint_names, trait_groups, traits
from touchlab.data.dataset import Dataset, open_data
from touchlab.drivers.experiments import ARMS, FEWEST_CLUSTERS
from touchlab.errors import ParameterError, TooThin, need_name
from touchlab.experiments.design import at_the_end, need_clusters
from touchlab.experiments.plan import held_back
from touchlab.moments.risk import Risk

FEWEST = 10  # customers held out
COLUMNS = ["customer_id", "touchpoint", "arm", "start", "end", "share", "stratum"]


def assign_experiment(
    data: Dataset, touchpoint: str, *, share: float = 0.1, weeks: float = 4,
    start: str | pd.Timestamp | None = None, seed: int = 1, strata: Sequence[str] = (),
    by: str | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Who is held back from a touchpoint, drawn by lot?

    Written to a file, it tells the CRM whom to leave out; put into the data as `experiments`, it
    is what ``check_experiments`` and ``holdout_effects`` read. It does not hold anybody back.

    Parameters
    ----------
    data
        All observed at its end are assigned, but those in an experiment that has not ended.
    touchpoint
        A name in ``touches.touchpoint``.
    share, weeks
        Of customers, or of groups, held out (above 0, up to 0.5); length.
    start
        First moment (UTC); None: midnight after the last touch or outcome.
    seed
        Of the draw: the same data and seed, the same arms.
    strata, by
        Traits within whose levels the share is kept, to one customer; a trait whose groups
        (regions, stores) are held back whole.

    Returns
    -------
    pandas.DataFrame
        ``customer_id, touchpoint, arm`` (treated, holdout), ``start, end`` (not included),
        ``share, stratum``, a row a customer, by customer.

    Raises
    ------
    ParameterError, TooThin
        For what is unknown or cannot be held back; if too few customers would be held out.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> arms = tl.assign_experiment(data, "display", share=0.2, weeks=6, strata=["plan"])
    >>> int((arms.arm == "holdout").mean() * 1000), str(arms.end[0] - arms.start[0])
    (200, '42 days 00:00:00')
    """
    named = [*strata, *([by] if by else [])]
    known, cannot = touchpoint_names(data), held_back(data, by)
    need_name("touchpoint", touchpoint, known, "is not in touches")
    free = [one for one in known if one not in cannot]
    what = "is the customer's own, or only comes in, and cannot be held back"
    need_name("touchpoint", touchpoint, free, what, offer="what can be:")
    if not (0 < share <= 0.5 and 0 < weeks < np.inf):
        mend = "give a share above 0, up to 0.5, held out, and a length above 0"
        raise ParameterError(f"share: {share}, weeks: {weeks}\n  {mend}")
    for trait in named:
        need_group(trait, traits(data))
    last = data.overview.set_index("table").loc[["touches", "outcomes"], "last"].max()
    begin = last.normalize() + pd.Timedelta(days=1) if start is None else pd.Timestamp(start)
    begin = begin.tz_convert("UTC").tz_localize(None) if begin.tzinfo else begin
    people, random = _free(data, begin, named), np.random.default_rng(seed)
    people["stratum"] = people[named].agg(" / ".join, axis=1) if named else "all"
    if by is None:
        lot = held = _draw(people.stratum, share, random)
        least, what = FEWEST, "customers"
    else:
        groups = np.sort(people[by].unique())
        need_clusters(by, len(groups))
        lot = _draw(pd.Series("all", index=groups), share, random)
        held = people[by].isin(groups[lot]).to_numpy()
        least, what = FEWEST_CLUSTERS, f"groups of {by}"
    if lot.sum() < least:
        raise TooThin(
            f"{touchpoint}: {lot.sum():,} {what} would be held out, at least {least} are needed\n"
            f"  of {len(people):,} customers free at {begin:%Y-%m-%d}; give a larger share, or "
            "start when other experiments have ended"
        )
    arm, end = np.where(held, ARMS[1], ARMS[0]), begin + pd.Timedelta(weeks=weeks)
    return people.assign(touchpoint=touchpoint, arm=arm, start=begin, end=end, share=share)[COLUMNS]


def _free(data: Dataset, begin: pd.Timestamp, named: list[str]) -> pd.DataFrame:
    """Customers observed when the data ends, and in no running experiment, with some traits."""
    people = at_the_end(data, Risk(""))
    if data.has("experiments"):
        running = data.tables["experiments"]
        running = running.filter(running.end > begin.to_pydatetime())
        people = people.anti_join(running, "customer_id")
    for trait in named:
        groups = trait_groups(data, trait).rename({trait: "group"})
        people = people.left_join(groups, "customer_id").select(*people.columns, trait)
    return people.to_pandas().sort_values("customer_id", ignore_index=True)


def _draw(strata: pd.Series, share: float, random: np.random.Generator) -> Any:
    """Hold out every 1 / share-th in a random order within strata, counting on from one to the
    next: neither a stratum nor the whole is off by more than one."""
    order = np.lexsort([random.random(len(strata)), strata.to_numpy(str)])
    turns = np.floor(np.arange(len(strata) + 1) * share + random.random())
    held = np.empty(len(strata), dtype=bool)
    held[order] = np.diff(turns) > 0
    return held


def write_assignment(source: str, touchpoint: str, out: str, **design: Any) -> str:
    """Draw an experiment on data, write it as CSV or Parquet, and say what was written."""
    path = Path(out)
    if path.suffix not in (".csv", ".parquet") or path.exists():
        mend = "give a new file that ends on .csv or .parquet; arms stay as they were drawn"
        raise ParameterError(f"out: {out!r} is there already, or of another kind\n  {mend}")
    arms = assign_experiment(open_data(source), touchpoint, **design)
    if path.suffix == ".csv":  # with its zone: a bare date would mean the whole day
        arms.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    else:
        arms.to_parquet(path, index=False)
    held, row = int((arms.arm == ARMS[1]).sum()), arms.iloc[0]
    return (
        f"{touchpoint}: {held:,} of {len(arms):,} held out, {row.start:%F} to {row.end:%F} (not "
        f"included)\nwritten: {path}\nnext: add its rows to experiments"
    )
