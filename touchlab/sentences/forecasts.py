"""Sentences on what is foretold, and on how earlier forecasts turned out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from touchlab.show import begun, count, per_cent, ranged, safe, safe_sentence

if TYPE_CHECKING:
    from touchlab.forecasts.grade import Record

FEW, FEWEST, CHANCE = 20, 3, 0.05
"""Forecasts that show how well intervals hold, and months how well forecasts do; a rare chance."""


@safe_sentence
def about_forecasts(forecasts: pd.DataFrame) -> str:
    """Say what is foretold in all, and for when."""
    whole = forecasts[forecasts.what != "by last touch"]
    said = [f"{_foretold(row)} ({count(row.before)} before)" for row in whole.itertuples()]
    return (
        f"Foretold for the 28 days from {whole.period.iloc[0]:%Y-%m-%d} on, beside those before: "
        f"{'; '.join(said)}. Graded from {whole.until.iloc[0] + pd.Timedelta(days=1):%Y-%m-%d} on."
    )


def about_record(record: Record) -> Iterator[str]:
    """Say whether the ledger was changed, what broke, how many forecasts held, and how well."""
    yield from (f"{begun(one)}." for one in record.troubles)
    graded, waiting = record.graded, record.table[record.table.status == "to come"]
    if record.table.empty:
        yield "No forecast is on record yet: reports write theirs down, for later ones to grade."
    elif graded.empty:
        when = waiting.until.min() + pd.Timedelta(days=1)
        then = f"the first are graded on {when:%Y-%m-%d}" if len(waiting) else "none can be graded"
        yield f"{len(record.table)} forecasts are on record; {then}."
    if graded.empty:
        return
    for row in safe(record.broken)[:1].itertuples():
        more = len(record.broken) - 1
        yield (
            f"Forecasts were missed by far: from {row.period:%Y-%m-%d} to {row.until:%Y-%m-%d} "
            f"{_foretold(row)} were foretold and {count(row.came)} came"
            f"{f', and {more} more were missed so' if more else ''}. Something has changed."
        )
    yield f"{graded.held.sum()} of {len(graded)} past forecasts held (95 % intervals)."
    if len(graded) < FEW:
        yield "So few cannot show how well intervals hold."
    for row in record.scores.itertuples():
        if row.what == "in all" and row.graded >= FEWEST and row.skill == row.skill:
            less = f"{per_cent(abs(row.skill))} {'less' if row.skill >= 0 else 'more'}"
            yield f"Outcomes in all were missed by {less} than by taking the month before."
        if row.what != "by last touch" and row.one_sided < CHANCE:
            side = f"too {'high' if row.bias > 0 else 'low'}, by {per_cent(abs(row.bias))}"
            yield f"Forecasts of {row.outcome} outcomes {row.what} err to one side: {side}."


@safe_sentence
def about_given_touches(given: pd.DataFrame) -> str:
    """Say whose outcomes a touch account better for what came, given the touches that came."""
    if len(given) < FEWEST:
        return ""
    by = ("forecast", "by_drivers", "by_last_touch")
    missed = [per_cent((given[n] - given.came).abs().sum() / given.came.sum()) for n in by]
    return (
        f"Outcomes in all were missed by {missed[0]}. Had one known how many touches would come, "
        f"and had each brought what the drivers say, by {missed[1]}; what last touch credits it "
        f"with, by {missed[2]}. Months counted: {len(given)}."
    )


def in_a_line(record: Record) -> pd.DataFrame:
    """What the overview says of the record; nothing where there is none."""
    there = len(record.table) or record.troubles
    return pd.DataFrame({"said": [record.sentence()] if there else []})


def _foretold(row: Any) -> str:
    what = f"{row.outcome} outcomes {row.what} {row.touchpoint}".rstrip()
    return f"{ranged(row.forecast, row.forecast_low, row.forecast_high)} {what}"
