"""What moved between two sets of results: the numbers beyond their intervals first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from touchlab.budget.costs import response_curves
from touchlab.budget.plan import reallocate
from touchlab.credit.attribute import attribute
from touchlab.data.dataset import Dataset
from touchlab.drivers.calibrate import calibrate
from touchlab.drivers.checks import Checks, check_drivers
from touchlab.drivers.experiments import holdout_effects, never_sent_out
from touchlab.drivers.fit import fit_drivers
from touchlab.drivers.result import Drivers
from touchlab.errors import DataError, MissingInput, as_sentence
from touchlab.experience.key_drivers import key_drivers, weak_links
from touchlab.experience.map import touchpoint_map
from touchlab.experience.stages import stage_flow
from touchlab.journeys.build import build_journeys
from touchlab.journeys.describe import journey_overview, touchpoint_use
from touchlab.retention.churn import with_churn
from touchlab.sentences.overview import guard

COLUMNS = ["table", "row", "what", "before", "before_low", "before_high"]
COLUMNS += ["after", "after_low", "after_high", "beyond"]
REMARKS = {"badge", "advice", "warning", "reading"}
"""Text columns that say something of a row, and do not name it."""


def compare(before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Which estimates changed from one run to another, and by more than their intervals allow?

    It looks at estimates that have an interval, in tables that both runs have. Two runs on
    overlapping data share much of their chance, so what is `beyond` is so all the more.

    Columns: table, row, what, before, before_low, before_high, after, after_low, after_high,
    beyond (the difference exceeds the 95 % interval of one between independent estimates,
    sqrt(r1^2 + r2^2) of their half widths). Those first, then by how far.

    >>> import pandas as pd
    >>> def drivers(amount):
    ...     row = {"touchpoint": "mail", "incremental": amount}
    ...     return {"drivers": pd.DataFrame([row | {"ci_low": amount - 3, "ci_high": amount + 3}])}
    >>> compare(drivers(10.0), drivers(20.0))[["row", "what", "before", "after", "beyond"]]
        row         what  before  after  beyond
    0  mail  incremental    10.0   20.0    True
    """
    return changes(estimates(before), estimates(after))


def changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """`compare` for tables of which the `estimates` are known."""
    key, was, now = COLUMNS[:3], COLUMNS[3:6], COLUMNS[6:9]
    found = before.set_axis(key + was, axis=1).merge(after.set_axis(key + now, axis=1), on=key)
    reach = np.hypot(found.after_high - found.after_low, found.before_high - found.before_low) / 2
    moved = (found.after - found.before).abs()
    found = found.assign(beyond=moved > reach, far=moved / reach.where(reach > 0))
    ordered = found[moved > 0].sort_values(["beyond", "far"], ascending=False, ignore_index=True)
    return ordered[COLUMNS]


def estimates(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """List the estimates that lie in their interval: `table, row, what, value, low, high`.

    A row goes by its text columns but `REMARKS`; one whose name is not its own is left out.
    """
    rows: list[tuple[Any, ...]] = []
    for table, frame in ((name, frame) for name, frame in tables.items() if len(frame)):
        texts = frame[[c for c in frame if not _numeric(frame[c]) and c not in REMARKS]]
        words = texts.astype(str).mask(texts.isna(), "–")
        names = (
            words.agg(", ".join, axis=1) if len(words.columns) else pd.Series("all", words.index)
        )
        own = ~names.duplicated(keep=False)
        for columns in measures(frame):
            numbers = [frame.loc[own, c] for c in columns]
            rows += zip(repeat(table), names[own], repeat(columns[0]), *numbers, strict=False)
    found = pd.DataFrame(rows, columns=["table", "row", "what", "value", "low", "high"])
    found = found.astype(dict.fromkeys(["value", "low", "high"], float))
    return found[found.value.between(found.low, found.high)]


def measures(frame: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Name the estimates of a table that have an interval: column, lower and upper end.

    >>> import pandas as pd
    >>> row = {"touchpoint": "mail", "credit": 9.0, "share": 0.2, "ci_low": 7.0, "ci_high": 11.0}
    >>> list(measures(pd.DataFrame([row])))
    [('credit', 'ci_low', 'ci_high')]
    """
    columns = [str(c) for c in frame.columns]
    for low in (c for c in columns if c.endswith("_low")):
        stem, high = low.removesuffix("_low"), low.removesuffix("_low") + "_high"
        own = stem
        if stem == "ci":  # of the nearest column before it that lies within
            ahead = [c for c in columns[: columns.index(low)] if not c.endswith(("_low", "_high"))]
            own = next((c for c in reversed(ahead) if _within(frame, c, low, high)), "")
        if own in columns and high in columns:
            yield own, low, high


def _within(frame: pd.DataFrame, name: str, low: str, high: str) -> bool:
    known = frame[[name, low, high]].dropna()
    inside = _numeric(frame[name]) and (known[name] >= known[low]) & (known[name] <= known[high])
    return bool(np.all(inside)) and _numeric(frame[name])


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)


# overview: The one page for whoever decides: what the other pages found, and what to do next.


Tables = Mapping[str, pd.DataFrame]
MOST_MOVED = 10


def gather(data: Dataset, *, outcome: str, results: str = "", seed: int = 1) -> Tables:
    """Bring together the tables that the overview rests on.

    Those that other pages of the run kept in the folder `results`, or computed here. By name, as
    far as the data allows: ``drivers, baseline`` (of `outcome`), ``keepers, churn``, ``bringers,
    referral`` (drivers and baseline of churn and referral), ``map``, ``links`` (weak links of the
    experience), ``plan, gain`` (of the budget), ``cannot_hold_back`` (touchpoints that customers
    run, or that are never sent out). Without drivers: ``unexplained`` (why, as `said`), ``journeys,
    use, credit`` (what can be described in their place).
    """
    found = read_tables(Path(results)) if results else {}
    if not found:
        work = _Work(data, outcome, seed)
        asked = (work.conversion, work.retention, work.referral, work.map, work.flow, work.links)
        for make in (*asked, work.plan):
            with suppress(MissingInput, DataError):  # told by the page whose question it is
                found |= make()
    if "drivers" not in found:
        found |= described(data, outcome, seed)
    with suppress(MissingInput):
        found["received"] = received(data, outcome)
    if "map" in found:
        table = found["map"]
        bound = (table.owner == "customer") | table.touchpoint.isin(never_sent_out(data))
        found["cannot_hold_back"] = table.loc[bound, ["touchpoint"]]
    return found


def described(data: Dataset, outcome: str, seed: int) -> Tables:
    """Why the drivers do not speak, and what journeys say in their place."""
    found = {}
    try:
        fit_drivers(data, outcome=outcome, seed=seed)
    except MissingInput as reason:
        found["unexplained"] = pd.DataFrame({"said": [as_sentence(reason)]})
    except DataError:  # told by the page of the drivers
        pass
    with suppress(MissingInput, DataError):
        journeys = build_journeys(data, outcome=outcome)
        found |= {"journeys": journey_overview(journeys), "use": touchpoint_use(journeys)}
        found["credit"] = attribute(journeys)
    return found


def received(data: Dataset, outcome: str) -> pd.DataFrame:
    """Say when an outcome came, and whether only those have it who were touched before.

    Columns: outcome, n (outcomes), first, last, customers, untouched (share of customers never
    touched; 0 without a customers table, which alone knows them), only_touched.
    """
    touches, outcomes = data.touches, data.outcomes.filter(data.outcomes.outcome == outcome)
    first = touches.group_by("customer_id").aggregate(touched=touches.timestamp.min())
    joined = outcomes.left_join(first, "customer_id")
    before = (joined.touched <= joined.timestamp).fill_null(False)
    counts = joined.aggregate(n=joined.count(), after=before.sum()).to_pandas().iloc[0]
    everyone = data.tables.get("customers", touches).select("customer_id").distinct()
    everyone = everyone.left_join(first, "customer_id")
    people = everyone.aggregate(
        customers=everyone.count(), untouched=everyone.touched.isnull().mean()
    )
    overview = data.overview.set_index("table").loc[["touches", "outcomes"]]
    row = {"outcome": outcome, "n": int(counts.n), "first": overview["first"].min()}
    row |= {"last": overview["last"].max(), **people.to_pandas().iloc[0].to_dict()}
    return pd.DataFrame([row | {"only_touched": counts.after == counts.n}])


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables that the pages of a run kept, by name; one that is broken is left out."""
    found = {}
    for path in sorted(folder.glob("*/*.parquet")):
        if not path.stem[0].isdigit():  # those are shown only
            with suppress(OSError, ValueError):  # pyarrow's errors are of these kinds
                found[path.stem] = pd.read_parquet(path)
    return found


@dataclass
class _Work:
    """The other pages' tables, computed here; what several need is computed once."""

    data: Dataset
    outcome: str
    seed: int

    @cached_property
    def drivers(self) -> tuple[Drivers, Checks]:
        return self._fit(self.data, self.outcome)

    def _fit(self, data: Dataset, outcome: str) -> tuple[Drivers, Checks]:
        drivers = fit_drivers(data, outcome=outcome, seed=self.seed)
        with suppress(MissingInput):  # without experiments, they are what they are
            drivers = calibrate(drivers, holdout_effects(data, outcome=outcome))
        return drivers, check_drivers(data, drivers)

    def conversion(self) -> Tables:
        return _of(*self.drivers, names=("drivers", "baseline"))

    def retention(self) -> Tables:
        known = with_churn(self.data, activity=self.outcome)
        return _of(*self._fit(known, "churn"), names=("keepers", "churn"))

    def referral(self) -> Tables:
        return _of(*self._fit(self.data, "referral"), names=("bringers", "referral"))

    def map(self) -> Tables:
        return {"map": touchpoint_map(self.data, scores=True)}

    def flow(self) -> Tables:
        return {"flow": stage_flow(self.data)}

    def links(self) -> Tables:
        return {"links": weak_links(key_drivers(self.data, seed=self.seed))}

    def plan(self) -> Tables:
        drivers, checks = self.drivers
        plan = reallocate(drivers, checks=checks, seed=self.seed)
        return {"gain": plan.gain, "moves": plan.moves(response_curves(drivers, seed=self.seed))}


def _of(drivers: Drivers, checks: Checks, names: tuple[str, str]) -> Tables:
    return dict(zip(names, (drivers.summary(checks), drivers.baseline), strict=True))


def journey(tables: Tables, outcome: str) -> pd.DataFrame:
    """The map with what each touchpoint does: one row a touchpoint, ready to be drawn.

    Adds what it brings of the outcome, under its name, ``retention`` (customers that it keeps) and
    ``referral``, each with the badge of its figure in ``referral_badge`` and so on; 0 where the
    figure cannot be told from nothing. What may be no headline is left out.
    """
    if "map" not in tables:
        raise MissingInput("There is no map of touchpoints to draw.")
    table = tables["map"].copy()
    sources = {"drivers": ("baseline", "", 1), "keepers": ("churn", "retention", -1)}
    sources |= {"bringers": ("referral", "referral", 1)}
    for source, (events, called, sign) in sources.items():
        barred = source == "drivers" and guard(tables, outcome)
        if source in tables and events in tables and not barred:
            name = called or tables[events].outcome.iloc[0]
            own = tables[source].set_index("touchpoint")
            beyond = own.incremental.where((own.ci_low > 0) | (own.ci_high < 0), 0.0)
            table[name] = sign * table.touchpoint.map(beyond) + 0.0  # no minus before nothing
            table[f"{name}_badge"] = table.touchpoint.map(own.badge)
    return table


def since(previous: str, tables: Tables) -> pd.DataFrame:
    """What changed since the run before, whose tables are in the folder `previous`."""
    before = read_tables(Path(previous)) if previous else {}
    if not before:
        raise MissingInput(
            "There is no run before this one to compare with. From the second run on the same "
            "data, what moved beyond its interval would be shown here."
        )
    return compare(before, tables)


def most_moved(changes: pd.DataFrame) -> pd.DataFrame:
    """The changes to look at first."""
    if changes.empty:
        raise MissingInput("Every estimate is what it was.")
    return changes.head(MOST_MOVED)
