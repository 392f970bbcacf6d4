"""What is foretold for the four weeks after the data, with intervals learnt from its own past."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.dataset import Dataset
from touchlab.drivers.result import Drivers
from touchlab.errors import ParameterError, TooThin
from touchlab.forecasts.happened import HORIZON, LATE, Happened, What, last_touches, what_happened
from touchlab.numeric import LEVEL, Floats, Z
from touchlab.retention.lifetime import fit_lifetime
from touchlab.retention.validation import orders_between

COLUMNS = ["outcome", "what", "touchpoint", "forecast", "forecast_low", "forecast_high", "before"]
COLUMNS += ["customers", "touches", "brings", "credit_each", "lookback", "period", "until", "days"]
WEEK, STEP = 7, HORIZON // 7
LAGS = 3  # months looked back on, where rolling origins then remain
WAYS = ((1, 0.0), (2, 0.0), (3, 0.0), (1, 0.5), (1, 1.0))
"""How the months before foretell the next: the mean of so many, and the part of growth kept."""
SPREAD, WEIGHT = 0.1, 2.0
"""What months differ by beyond the noise of counts before any is seen, worth so many months."""


def forecast(
    data: Dataset, drivers: Drivers, *, lookback: str = "30D", seed: int = 1
) -> pd.DataFrame:
    """What will the 28 days after the data bring, to be graded once they are over?

    Outcomes in all and by last touch, churn of customers so far and orders of buyers so far, as
    the data has them: what comes if things go on, not what a moved budget would bring. `drivers`
    add what a touch brings, which is held against the touches that then come. `lookback` is that
    of `build_journeys`; TooThin is raised below eight whole weeks (docs/decisions/0030).

    Returns outcome, what, touchpoint, forecast, forecast_low, forecast_high (95 %), before (in the
    28 days before), customers (behind that), touches (then), brings, credit_each (outcomes a touch,
    by drivers and by last touch), lookback, period, until (first and last day), days.

    The mean of one to three months, or growth: what would have missed least from weekly origins in
    the data's own past; orders by BG/NBD. Intervals are negative binomial: noise of counts, error
    of the level and what past months missed beyond, by t with as many degrees as there were months.

    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> tl.forecast(data, tl.fit_drivers(data)).what.unique().tolist()
    ['in all', 'among customers so far', 'by last touch', 'of buyers so far']
    """
    outcome = drivers.moments.risk.outcome
    found = what_happened(data, outcome, lookback)
    days, month = found.end - found.first, found.end - HORIZON
    if days < 2 * HORIZON:
        raise TooThin(
            f"forecast: of {2 * HORIZON} whole days needed, there are {days}: wait for more"
        )
    known, rows, prior = _customers(found), list[dict[str, Any]](), SPREAD**2
    table = drivers.incremental(total=False).set_index("touchpoint")
    asked = (own for own in found.by_name if own[0] in What.FORETOLD)
    for what, name in sorted(asked, key=lambda own: (own[0] != What.ALL, own)):
        if what == What.ORDERS:
            row = _orders(data, found, outcome, seed, prior)
        else:
            row = _foretold(found, what, name, prior)
        prior = max(prior, row.pop("spread")) if what == What.ALL else prior
        row |= {"what": what, "touchpoint": name, "before": found.count(what, name, month)}
        row["customers"] = known.get(name or what, row["before"])
        if name in table.index:
            kinds = (What.TOUCHES, What.LAST)
            touches, credit = (found.count(w, name, found.first, days) for w in kinds)
            row |= {"touches": found.count(What.TOUCHES, name, month)}
            row |= {
                "credit_each": credit / touches,
                "brings": table.incremental[name] / table.n[name],
            }
        rows.append(row | {"outcome": What.CHURNED if what == What.CHURN else outcome})
    start = pd.Timestamp(found.end, unit="D")
    until = start + pd.Timedelta(days=HORIZON - 1)
    told = pd.DataFrame(rows).assign(lookback=lookback, period=start, until=until, days=HORIZON)
    return told[told.forecast * told.customers > 0].reindex(columns=COLUMNS).reset_index(drop=True)


def _foretold(found: Happened, what: str, name: str, prior: float) -> dict[str, Any]:
    """Foretell one count from months, newest first, of which the first has yet to come."""
    days = [int(day) for day in np.arange(found.end, found.first - 1, -WEEK)]
    risk = [found.count(What.AT_RISK, "", day, LATE) if what == What.CHURN else 1.0 for day in days]
    y, whole = (
        np.array([found.count(*w, day) for day in days]) for w in ((what, name), (What.ALL, ""))
    )
    if what == What.LAST:  # its share of all, which moves less than all does
        f, _ = _best(whole, np.ones(len(days)))
        past = _before(y).sum(axis=0)
        f = f * past / _before(whole).sum(axis=0).clip(1)
        noise = f + f**2 / past.clip(1)
    else:
        f, noise = _best(y, np.array(risk).clip(1))
    tried = np.flatnonzero(f[STEP:] > 0) + STEP
    excess = ((y[tried] - f[tried]) ** 2 - noise[tried]) / f[tried] ** 2
    return limits(f[0], noise[0], excess, len(tried) / STEP, prior)


def limits(
    mean: float, noise: float, excess: Floats, months: float, prior: float
) -> dict[str, Any]:
    """The interval of a count; `excess` is what past months missed beyond noise, shares squared."""
    spread = max((months * excess.mean() if months else 0.0) + WEIGHT * prior, 0.0) / (
        months + WEIGHT
    )
    tail = stats.norm.sf(stats.t.ppf(0.5 + LEVEL / 2, months + WEIGHT))
    size = max(mean, 1e-9) ** 2 / max(noise + spread * mean**2 - mean, 1e-9)
    low, high = stats.nbinom(size, size / (size + max(mean, 1e-9))).ppf([tail, 1 - tail])
    return {"forecast": mean, "forecast_low": low, "forecast_high": high, "spread": spread}


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
) -> dict[str, Any]:
    """Foretell orders of buyers so far by the lifetime model; 0 where too few come back."""
    made = {}
    for end in (found.end - HORIZON * back for back in range(LAGS + 1)):
        until = f"{pd.Timestamp(end - 1, unit='D'):%Y-%m-%d}"
        with suppress(TooThin, ParameterError), warnings.catch_warnings(action="ignore"):
            lifetime = fit_lifetime(data, outcome=outcome, until=until, seed=seed)
            row = orders_between(lifetime, np.array([0, STEP])).iloc[0]
            error = (row.ci_high - row.predicted) / Z
            made[end] = (found.count(What.ORDERS, "", end), row.predicted, error)
    _, mean, error = made.pop(found.end, (0.0, 0.0, 0.0))
    excess = np.array([((came - f) ** 2 - own**2) / f**2 for came, f, own in made.values()])
    return limits(mean, error**2, excess, len(excess), prior)


def _customers(found: Happened) -> dict[str, int]:
    """Customers behind the outcomes of the 28 days before, by last touch and in all."""
    last = last_touches(found.journeys)
    last = last.filter((last.day >= found.end - HORIZON) & (last.day < found.end))
    rows = last.select("customer", "touchpoint").distinct().to_pandas()
    return {
        What.ALL: rows.customer.nunique(),
        **rows.groupby("touchpoint").customer.nunique().to_dict(),
    }
