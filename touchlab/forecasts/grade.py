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
from touchlab.forecasts.happened import HORIZON, Happened, What, what_happened
from touchlab.forecasts.ledger import read_ledger
from touchlab.moments.risk import AFTER
from touchlab.numeric import LEVEL, Z
from touchlab.privacy.shown import safe
from touchlab.results import Result

GRADED, PENDING = "graded", "to come"
RESTATED, GONE = "the data tells another past now", "not in the data at hand"
ENDS = ["forecast", "forecast_low", "forecast_high"]
COLUMNS = ["period", "outcome", "what", "touchpoint", *ENDS, "came", "error", "held"]
COLUMNS += ["z", "before", "until", "status", "afterwards"]
FAR, SELDOM = 2.6, 0.01
"""Standard errors from which a forecast was missed by far, and how often that is chance."""
RESTATED_BY = 0.05, 3.0  # share, or outcomes, by which the month before may differ from then


@dataclass(frozen=True, repr=False)
class Record(Result):
    """The forecasts on record and what came of them; see `grade_forecasts`."""

    table: pd.DataFrame
    given_touches: pd.DataFrame
    troubles: tuple[str, ...]

    @property
    def graded(self) -> pd.DataFrame:
        """Those whose time is over, the newest first."""
        return self.table[self.table.status == GRADED]

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the ledger cannot be graded, or was no forecast."""
        lost = self.table.status.value_counts().drop([GRADED, PENDING], errors="ignore")
        said = [f"{n} forecasts cannot be graded: {why}" for why, n in lost.items()]
        late = int(self.table.afterwards.sum())
        return (*said, *[f"{late} forecasts were written when their time was over"] * bool(late))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """How good they were, by what was foretold; small counts are left out.

        `coverage` as if they were independent [Clopper-Pearson], `bias` over what came, `skill` 1
        less their misses over those of the month before, `one_sided` chance of so many to a side.
        """
        rows = []
        for (outcome, what), own in safe(self.graded).groupby(["outcome", "what"]):
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
        parts = own.what == What.LAST
        far = np.where(parts, stats.norm.isf(SELDOM / 2 / max(parts.sum(), 1)), FAR)
        return own[own.z.abs() >= far].sort_values("z", key=abs, ascending=False)

    def summary(self) -> pd.DataFrame:
        """What a reader needs."""
        return self.graded.loc[:, :"held"]

    def sentence(self) -> str:
        """Say how many forecasts held, whether something broke, and whether the ledger did."""
        from touchlab import sentences

        return " ".join(sentences.about_record(self))


def grade_forecasts(data: Dataset, ledger: str | Path, *, seals: Sequence[str] = ()) -> Record:
    """Were the forecasts of earlier runs right?

    Each whose 28 days are over in `data` is held against what came, counted as it was foretold.
    It does not say whether drivers are causal: more touches where customers are about to buy pass
    too. Drivers whose touches bring nothing can fail, where touches change. `ledger` is the
    ``forecasts-NAME.jsonl`` beside the reports, empty for none; `seals` what its runs remember.

    Returns a Record: `.table` (as `forecast`; came, error (forecast over came, less 1), held, z
    (miss in standard errors), status, afterwards (written when its time was over)), `.scores`,
    `.broken`, `.given_touches` (what was foretold and, knowing the touches that came, would have
    been, by what each brings), `.notes`, `.troubles` (of the ledger).

    >>> import touchlab as tl
    >>> tl.grade_forecasts(tl.open_data("data/sample"), "").sentence()
    'No forecast is on record yet: reports write theirs down, for later ones to grade.'
    """
    known, troubles = read_ledger(ledger, seals)
    counted = dict[tuple[str, str], Happened | None]()
    rows, given = list[dict[str, Any]](), list[dict[str, Any]]()
    for line in known.to_dict("records"):
        outcome = AFTER[What.CHURNED] if line["what"] == What.CHURN else line["outcome"]
        source = outcome, line["lookback"]
        if source not in counted:
            counted[source] = None
            with suppress(ParameterError, DataError):  # of other data, or a stranger's
                counted[source] = what_happened(data, *source)
        rows.append(_graded(line, found := counted[source]))
        if found and line["what"] == What.ALL and rows[-1]["status"] == GRADED:
            same = (
                known[["outcome", "lookback", "period"]].eq([*source, line["period"]]).all(axis=1)
            )
            given.append(_given_touches(rows[-1], known[same], found))
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"held": bool, "afterwards": bool})
    table = table.sort_values("period", ascending=False, kind="stable", ignore_index=True)
    names = ["period", "outcome", "came", "forecast", "by_drivers", "by_last_touch"]
    return Record(table, pd.DataFrame(given, columns=names), troubles)


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
    most = max(RESTATED_BY[0] * line["before"], RESTATED_BY[1])
    if start - HORIZON >= found.first and differs > most:
        return row | {"status": RESTATED}
    came, mean, low, high = found.count(*name, start), *(line[n] for n in ENDS)
    one = max((high - mean if came > mean else mean - low) / Z, 1e-9)
    error = mean / came - 1 if came else np.nan
    row |= {"came": came, "error": error, "held": low <= came <= high, "z": (came - mean) / one}
    return row | {"status": GRADED}


def _given_touches(row: dict[str, Any], lines: pd.DataFrame, found: Happened) -> dict[str, Any]:
    """Correct a forecast for touches beyond those that would have grown along with it."""
    parts, start = lines[lines.brings.notna()], (row["period"] - pd.Timestamp(0)).days
    came = np.array([found.count(What.TOUCHES, name, start) for name in parts.touchpoint])
    more = came - parts.touches * row["forecast"] / max(row["before"], 1.0)
    by = {"by_drivers": parts.brings, "by_last_touch": parts.credit_each}
    return row | {name: row["forecast"] + float((more * each).sum()) for name, each in by.items()}
