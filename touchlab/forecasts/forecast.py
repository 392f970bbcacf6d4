"""What is foretold for the four weeks after the data, with intervals learnt from its own past."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.dataset import Dataset
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError, TooThin
from touchlab.forecasts.happened import (
    ALL,
    CHURN,
    CHURNED,
    HORIZON,
    LAST,
    ORDERS,
    TOUCHES,
    Happened,
    last_touches,
    what_happened,
)
from touchlab.numeric import LEVEL, Floats
from touchlab.results import Result
from touchlab.retention.lifetime import fit_lifetime
from touchlab.retention.validation import predict_orders

COLUMNS = ["outcome", "what", "touchpoint", "lookback", "period", "until", "days", "forecast"]
COLUMNS += ["forecast_low", "forecast_high", "before", "customers", "touches", "brings"]
COLUMNS += ["credit_each"]
WEEK, STEP = 7, HORIZON // 7
LAGS = 3
"""Months looked back on, where rolling origins then remain."""
WAYS = ((1, 0.0), (2, 0.0), (3, 0.0), (1, 0.5), (1, 1.0))
"""How the months before foretell the next: the mean of so many, and the part of growth kept."""
SPREAD, WEIGHT = 0.1, 2.0
"""What a month differs by beyond counts' own noise, before any is seen, and the months that this
is worth: the more are seen, the less it counts."""


@dataclass(frozen=True, repr=False)
class Forecasts(Result):
    """What is foretold for the 28 days from `period` on; see `forecast`."""

    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def summary(self) -> pd.DataFrame:
        """What a reader needs."""
        return self.table.drop(columns=[*COLUMNS[3:7], *COLUMNS[12:]])

    def sentence(self) -> str:
        """Say what is foretold in all, and for when."""
        from touchlab import sentences

        return sentences.about_forecasts(self.table)


def forecast(data: Dataset, drivers: Drivers, *, lookback: str = "30D", seed: int = 1) -> Forecasts:
    """What will the 28 days after the data bring, to be graded once they are over?

    Outcomes in all and by last touch, churn of customers so far and orders of buyers so far, as
    the data has them: what comes if things go on, not what a moved budget would bring. With what
    a touch brings by the `drivers`, which `grade_forecasts` holds against the touches that then
    come (docs/decisions/0030). `lookback` is that of `build_journeys`.

    Returns
    -------
    Forecasts
        `.table`: outcome, what, touchpoint, lookback, period and until (first and last day), days,
        forecast, forecast_low, forecast_high (95 %), before (what came in the 28 days before),
        customers (behind that), touches (then), brings, credit_each (outcomes a touch, by the
        drivers and by last touch).

    Raises
    ------
    TooThin, MissingInput
        Where the data has not eight whole weeks, or no touches.

    Notes
    -----
    The mean of one to three months, or growth: what would have missed least from weekly origins in
    the data's own past. Orders by BG/NBD. Intervals are negative binomial: noise of counts, error
    of the level and what past months missed beyond, by t with as many degrees as there were months.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> tl.forecast(data, tl.fit_drivers(data)).table.what.unique().tolist()
    ['in all', 'by last touch', 'of customers so far', 'of buyers so far']
    """
    outcome = drivers.moments.risk.outcome
    found = what_happened(data, outcome, lookback)
    days, month = found.end - found.first, found.end - HORIZON
    if days < 2 * HORIZON:
        raise TooThin(f"forecast: of {2 * HORIZON} whole days needed, the data has {days}")
    known, rows, prior = _customers(found), list[dict[str, Any]](), SPREAD**2
    table = drivers.incremental(total=False).set_index("touchpoint")
    for what, name in [(w, n) for w in (ALL, LAST, CHURN, ORDERS) for n in found.touchpoints(w)]:
        if what == ORDERS:
            row = _orders(data, found, outcome, seed, prior)
        else:
            row = _foretold(found, what, name, prior)
        prior = max(prior, row["spread"]) if what == ALL else prior
        customers = row["before"] if what in (CHURN, ORDERS) else known.get(name or ALL, 0)
        row |= {"what": what, "touchpoint": name, "customers": customers}
        if name in table.index:
            touches, credit = (found.count(w, name, found.first, days) for w in (TOUCHES, LAST))
            row |= {"touches": found.count(TOUCHES, name, month), "credit_each": credit / touches}
            row |= {"brings": table.incremental[name] / table.n[name]}
        rows.append(row | {"outcome": CHURNED if what == CHURN else outcome})
    start = pd.Timestamp(found.end, unit="D")
    until = start + pd.Timedelta(days=HORIZON - 1)
    found_all = pd.DataFrame(rows).assign(
        lookback=lookback, period=start, until=until, days=HORIZON
    )
    found_all = found_all[found_all.forecast > 0].reindex(columns=COLUMNS)
    return Forecasts(found_all.reset_index(drop=True))


def _foretold(
    found: Happened, what: str, touchpoint: str = "", prior: float = SPREAD**2
) -> dict[str, float]:
    """Foretell one count; `spread` is how much its months differ beyond the noise of counts."""
    y, at_risk = _months(found, what, touchpoint)
    if what == LAST:  # its share of all, which moves less than all does
        whole, own = _months(found, ALL, "")
        f, _ = _best(whole, own)
        past = _before(y).sum(axis=0)
        f = f * past / _before(whole).sum(axis=0).clip(1)
        noise = f + f**2 / past.clip(1)
    else:
        f, noise = _best(y, at_risk)
    missed = (y[STEP : len(f)] - f[STEP:]) ** 2 - noise[STEP:]
    tried = f[STEP:] > 0
    months = tried.sum() / STEP
    return _row(f[0], noise[0], list(missed[tried] / f[STEP:][tried] ** 2), months, prior) | {
        "before": y[STEP]
    }


def _row(
    mean: float, noise: float, excess: list[float], months: float, prior: float
) -> dict[str, float]:
    """The interval of a count by what past months missed beyond noise, as shares squared."""
    seen = float(np.mean(excess)) if excess else 0.0
    spread = max((months * seen + WEIGHT * prior) / (months + WEIGHT), 0.0)
    low, high = limits(mean, noise + spread * mean**2, months + WEIGHT)
    return {"forecast": mean, "forecast_low": low, "forecast_high": high, "spread": spread}


def limits(mean: float, variance: float, freedom: float) -> tuple[float, float]:
    """The 95 % interval of a count, negative binomial, with tails of t."""
    tail = stats.norm.sf(stats.t.ppf(0.5 + LEVEL / 2, freedom))
    size = max(mean, 1e-9) ** 2 / max(variance - mean, 1e-9)
    low, high = stats.nbinom(size, size / (size + max(mean, 1e-9))).ppf([tail, 1 - tail])
    return float(low), float(high)


def _months(found: Happened, what: str, touchpoint: str) -> tuple[Floats, Floats]:
    """Count the 28 days from each weekly origin on, newest first, and those at risk on it.

    The first is the month to come, of which nothing is known.
    """
    days = [int(day) for day in np.arange(found.end, found.first - 1, -WEEK)]
    y = np.array([found.count(what, touchpoint, day) for day in days])
    return y, np.array([found.at_risk(what, day) for day in days])


def _before(values: Floats) -> Floats:
    """The months before each origin, nearest first: (lags, origins)."""
    lags = LAGS if len(values) > STEP * (LAGS + 1) else 1
    return np.array([values[STEP * i :][: len(values) - STEP * lags] for i in range(1, lags + 1)])


def _best(y: Floats, at_risk: Floats) -> tuple[Floats, Floats]:
    """Foretell from every origin in the way that missed least; variance of noise and level."""
    counts, risk = _before(y), _before(at_risk)
    found = []
    for months, growth in WAYS if len(counts) > 1 else WAYS[:1]:
        total, error = counts[:months].sum(axis=0), 0.0
        f = at_risk[: len(total)] * total / risk[:months].sum(axis=0)
        if growth:
            ratio = (counts[0] / risk[0]) / (counts[1] / risk[1]).clip(1e-12)
            f = f * ratio.clip(0.5, 2.0) ** growth
            error = (2 * growth + growth**2) / total.clip(1) + growth**2 / counts[1].clip(1)
        found.append((f, f + f**2 * (1 / total.clip(1) + error)))
    missed = [((y[STEP : len(f)] - f[STEP:]) ** 2).sum() for f, _ in found]
    return found[int(np.argmin(missed))]


def _orders(
    data: Dataset, found: Happened, outcome: str, seed: int, prior: float
) -> dict[str, float]:
    """Foretell orders of buyers so far by the lifetime model; 0 where too few come back."""
    made = {}
    for end in (found.end - HORIZON * back for back in range(LAGS + 1)):
        until = f"{pd.Timestamp(end - 1, unit='D'):%Y-%m-%d}"
        with suppress(TooThin, ParameterError), warnings.catch_warnings(action="ignore"):
            lifetime = fit_lifetime(data, outcome=outcome, until=until, seed=seed)
            made[end] = (found.count(ORDERS, "", end), *predict_orders(lifetime, STEP))
    _, mean, error = made.pop(found.end, (0.0, 0.0, 0.0))
    excess = [((came - f) ** 2 - own**2) / f**2 for came, f, own in made.values()]
    row = _row(mean, error**2, excess, len(excess), prior)
    return row | {"before": found.count(ORDERS, "", found.end - HORIZON)}


def _customers(found: Happened) -> dict[str, int]:
    """Customers behind the outcomes of the 28 days before, by last touch and in all."""
    last = last_touches(found.journeys)
    last = last.filter((last.day >= found.end - HORIZON) & (last.day < found.end))
    rows = last.select("customer", "touchpoint").distinct().to_pandas()
    return {ALL: rows.customer.nunique(), **rows.groupby("touchpoint").customer.nunique().to_dict()}
