"""Forecasts of earlier runs, graded once their time is over in the data at hand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.dataset import Dataset
from touchlab.errors import DataError, ParameterError
from touchlab.forecasts.happened import (
    ALL,
    CHURN,
    CHURNED,
    HORIZON,
    LAST,
    TOUCHES,
    Happened,
    what_happened,
)
from touchlab.forecasts.ledger import read_ledger
from touchlab.moments.risk import AFTER
from touchlab.numeric import LEVEL, Z
from touchlab.results import Result

GRADED, PENDING, RESTATED, GONE = "graded", "to come", "restated", "not in the data"
COLUMNS = ["outcome", "what", "touchpoint", "period", "until", "forecast", "forecast_low"]
COLUMNS += ["forecast_high", "came", "error", "held", "z", "before", "status", "afterwards"]
WHY = {
    RESTATED: "cannot be graded: the data tells another past now than it did then",
    GONE: "cannot be graded: their time, touchpoint or outcome is not in the data at hand",
}
FAR, SELDOM = 2.6, 0.01
"""Standard errors from which a forecast was missed by far, and how often that is chance."""
RESTATED_BY = 0.05, 3.0
"""How far the month before may differ from what was counted then: a share, or so many."""


@dataclass(frozen=True, repr=False)
class Record(Result):
    """The forecasts on record and what came of them; see `grade_forecasts`."""

    table: pd.DataFrame
    given_touches: pd.DataFrame
    troubles: tuple[str, ...]

    @property
    def graded(self) -> pd.DataFrame:
        """Those whose time is over, the newest first."""
        own = self.table[self.table.status == GRADED]
        return own.sort_values("period", ascending=False, kind="stable", ignore_index=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the ledger cannot be graded, or is no forecast."""
        counts = {why: (self.table.status == status).sum() for status, why in WHY.items()}
        counts["were written down after their time was over"] = self.table.afterwards.sum()
        return tuple(f"{n} forecasts {why}" for why, n in counts.items() if n)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """How good they were: a row a kind of forecast.

        Columns: outcome, what, graded, held (forecasts), coverage, coverage_low, coverage_high
        (Clopper-Pearson, as if forecasts were independent), bias (mean error over what came),
        skill (1 less their misses over those of the month before), one_sided (chance of so many
        misses to one side).
        """
        rows = []
        for (outcome, what), own in self.graded.groupby(["outcome", "what"]):
            n, held, came = len(own), int(own.held.sum()), max(own.came.sum(), 1.0)
            ends = stats.binomtest(held, n).proportion_ci(LEVEL)
            naive = (own.came - own.before).abs().sum()
            skill = 1 - (own.came - own.forecast).abs().sum() / naive if naive else np.nan
            bias, side = (own.forecast - own.came).sum() / came, int((own.z > 0).sum())
            row = (outcome, what, n, held, held / n, ends.low, ends.high, bias, skill)
            rows.append((*row, stats.binomtest(side, n).pvalue))
        names = ["outcome", "what", "graded", "held", "coverage", "coverage_low", "coverage_high"]
        return pd.DataFrame(rows, columns=[*names, "bias", "skill", "one_sided"])

    @cached_property
    def broken(self) -> pd.DataFrame:
        """Forecasts of the newest time that is over which were missed by far, farthest first."""
        own = self.graded[self.graded.period == self.graded.period.max()]
        parts = own.what == LAST
        far = np.where(parts, stats.norm.isf(SELDOM / 2 / max(parts.sum(), 1)), FAR)
        return own[own.z.abs() >= far].sort_values("z", key=abs, ascending=False)

    def summary(self) -> pd.DataFrame:
        """What a reader needs."""
        first = ["period", "outcome", "what", "touchpoint"]
        return self.graded[[*first, *COLUMNS[5:11]]]

    def sentence(self) -> str:
        """Say how many forecasts held, whether something broke, and whether the ledger did."""
        from touchlab import sentences

        return sentences.about_record(self)

    def plot(self, forecasts: Result) -> Any:
        """Draw outcomes in all as foretold and as they came; `forecasts` are those of this run."""
        from touchlab import plots

        now = forecasts.table
        return plots.plot_record(self.table[self.table.what == ALL], now[now.what == ALL])


def grade_forecasts(data: Dataset, ledger: str | Path, *, seals: Sequence[str] = ()) -> Record:
    """Were the forecasts of earlier runs right?

    Each whose 28 days are over in the data is held against what came, counted as it was foretold.
    It does not say whether drivers are causal: more touches where customers are about to buy pass
    too. Drivers whose touches bring nothing can fail, where touches change.

    Parameters
    ----------
    data
        An opened Dataset, the same as then and longer.
    ledger
        ``forecasts-NAME.jsonl`` beside the reports; empty for none.
    seals
        What earlier runs remember of it; a report gives them.

    Returns
    -------
    Record
        `.table` (as `forecast`; came, error (forecast over came, less 1), held, z (miss in standard
        errors), status, afterwards (written when its time was over)), `.scores`, `.broken`,
        `.given_touches` (period, outcome, came, forecast; by_drivers, by_last_touch: the forecast
        once touches came that it did not expect, by what each brings), `.notes`, `.troubles`.

    Examples
    --------
    >>> import touchlab as tl
    >>> tl.grade_forecasts(tl.open_data("data/sample"), "").sentence()
    'No forecast of an earlier run is on record.'
    """
    known = read_ledger(ledger, seals)
    counted = dict[tuple[str, str], Happened | None]()
    rows, given = list[dict[str, Any]](), list[dict[str, Any]]()
    for line in known.table.to_dict("records"):
        source = AFTER[CHURNED] if line["what"] == CHURN else line["outcome"], line["lookback"]
        if source not in counted:
            counted[source] = None
            with suppress(ParameterError, DataError):  # of other data, or a stranger's
                counted[source] = what_happened(data, *source)
        rows.append(_graded(line, found := counted[source]))
        if found and line["what"] == ALL and rows[-1]["status"] == GRADED:
            same = (
                known.table[["outcome", "lookback", "period"]] == [*source, line["period"]]
            ).all(axis=1)
            given.append(_given_touches(rows[-1], known.table[same], found))
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"held": bool, "afterwards": bool})
    names = ["period", "outcome", "came", "forecast", "by_drivers", "by_last_touch"]
    return Record(table, pd.DataFrame(given, columns=names), known.troubles)


def _graded(line: dict[str, Any], found: Happened | None) -> dict[str, Any]:
    period, name = pd.Timestamp(line["period"]), (line["what"], line["touchpoint"])
    start, until = (period - pd.Timestamp(0)).days, period + pd.Timedelta(days=HORIZON - 1)
    row = {n: line.get(n, np.nan) for n in COLUMNS} | {"period": period, "until": until}
    row |= {"held": False, "afterwards": line["made_at"][:10] > f"{until:%Y-%m-%d}"}
    if not found or line["days"] != HORIZON or start < found.first or name not in found.by_name:
        return row | {"status": GONE}
    if start + HORIZON > found.end:
        return row | {"status": PENDING}
    differs = abs(found.count(*name, start - HORIZON) - line["before"])
    share, least = RESTATED_BY
    if start - HORIZON >= found.first and differs > max(share * line["before"], least):
        return row | {"status": RESTATED}
    came, mean, low, high = found.count(*name, start), *(line[n] for n in COLUMNS[5:8])
    one = max((high - mean if came > mean else mean - low) / Z, 1e-9)
    error = mean / came - 1 if came else np.nan
    row |= {"came": came, "error": error, "held": low <= came <= high, "z": (came - mean) / one}
    return row | {"status": GRADED}


def _given_touches(row: dict[str, Any], lines: pd.DataFrame, found: Happened) -> dict[str, Any]:
    """Correct a forecast for touches beyond those that would have grown along with it."""
    parts, start = lines[lines.brings.notna()], (row["period"] - pd.Timestamp(0)).days
    came = np.array([found.count(TOUCHES, name, start) for name in parts.touchpoint])
    more = came - parts.touches * row["forecast"] / max(row["before"], 1.0)
    by = {"by_drivers": parts.brings, "by_last_touch": parts.credit_each}
    return row | {name: row["forecast"] + float((more * each).sum()) for name, each in by.items()}
