"""Methods of others, rebuilt to stand beside the drivers on the scoreboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from touchlab.data.dataset import Dataset

RECENT_DAYS = 7
NOT_CONVERTED_EACH = 20
AGES = (0.0, 1.0, 3.0, 7.0, 14.0, 30.0)
"""Days since a touch between which its effect is constant."""
DRAWS = 200
BASELINE = "(baseline)"


def person_days(data: Dataset) -> pd.DataFrame:
    """The plain logit: does a customer convert on a day, given the touches of the last week?

    A row a customer-day at risk; all days with a conversion and 20 times as many without, which
    the offset makes up for. Touches enter as log(1 + count of the seven days before); controls are
    the day and the customer's traits. Incremental: predicted conversions less those without.
    """
    touches, outcomes, customers = _tables(data)
    origin = customers["observed_from"].min()
    customers["from"] = _days(customers["observed_from"], origin)
    customers["to"] = _days(customers["observed_to"], origin)
    outcomes["day"] = np.floor(_days(outcomes["timestamp"], origin))
    if outcomes["customer_id"].is_unique:  # comes once, and ends the days at risk
        first = outcomes.set_index("customer_id")["day"] + 1
        customers["to"] = customers["customer_id"].map(first).fillna(customers["to"])
    rng = np.random.default_rng(1)
    all_days = (customers["to"] - customers["from"]).clip(lower=0)
    count = NOT_CONVERTED_EACH * len(outcomes)
    drawn = customers.iloc[rng.choice(len(customers), count, p=all_days / all_days.sum())]
    quiet = pd.DataFrame({"customer_id": drawn["customer_id"]})
    quiet["day"] = np.floor(rng.uniform(drawn["from"], drawn["to"]))
    rows = pd.concat([outcomes[["customer_id", "day"]].assign(event=1.0), quiet.assign(event=0.0)])
    rows = rows.reset_index(drop=True)

    touches["day"] = _days(touches["timestamp"], origin)
    ages = _ages(rows, touches, RECENT_DAYS)
    names = sorted(touches["touchpoint"].unique())
    counts = ages.pivot_table(index="row", columns="touchpoint", values="age", aggfunc="count")
    seen = np.log1p(counts.reindex(index=rows.index, columns=names).fillna(0.0))
    known = customers.set_index("customer_id").drop(
        columns=["observed_from", "observed_to", "from", "to"]
    )
    if len(known.columns):
        known = pd.get_dummies(known, drop_first=True, dtype=float)
    traits = known.loc[rows["customer_id"]].fillna(0.0)
    design = np.column_stack([seen, rows["day"], rows["day"] ** 2, traits, np.ones(len(rows))])
    spread = design.std(axis=0)
    design = design[:, (spread > 0) | (np.arange(design.shape[1]) == design.shape[1] - 1)]
    scale = np.abs(design).max(axis=0)
    each = all_days.sum() / count
    offset = np.full(len(rows), np.log(each))
    found = sm.GLM(rows["event"], design / scale, sm.families.Binomial(), offset=offset).fit()

    def removed(coefficients: np.ndarray) -> np.ndarray:
        scaled, k = design / scale, len(names)
        whole = scaled @ coefficients
        weight = np.where(rows["event"] == 1, 1.0, each)
        own = scaled[:, :k] * coefficients[:k]
        less = np.column_stack([own, own.sum(axis=1)])
        lost = _chance(whole)[:, None] - _chance(whole[:, None] - less)
        amounts = weight @ lost
        amounts[-1] = weight @ _chance(whole) - amounts[-1]
        return np.asarray(amounts)

    draws = rng.multivariate_normal(found.params, found.cov_params(), DRAWS)
    low, high = np.quantile([removed(draw) for draw in draws], [0.025, 0.975], axis=0)
    answer = {"estimate": removed(np.asarray(found.params)), "low": low, "high": high}
    return pd.DataFrame({"touchpoint": [*names, BASELINE], **answer})


def last_ad_removed(data: Dataset) -> pd.DataFrame:
    """Conversions as a Poisson process whose log rate touches raise by age; the last ad is
    removed again and again. After the summary of Shender et al. [2023, arXiv 2009.08432]: pieces of
    age, ridge and sample are ours.

    The log rate is a constant plus, for every touch of the last 30 days, a number that depends on
    its touchpoint and on its age, constant between 0, 1, 3, 7, 14 and 30 days. Fitted by a
    weighted Poisson regression on all conversions and random moments at risk, with a light ridge.
    Credit of a touch before a conversion: rate with the touches up to it less rate with those
    before it, over the rate with all. What is left over is the baseline. No intervals.
    """
    touches, outcomes, customers = _tables(data)
    origin = customers["observed_from"].min()
    outcomes["day"] = _days(outcomes["timestamp"], origin)
    touches["day"] = _days(touches["timestamp"], origin)
    start = _days(customers["observed_from"], origin)
    end = _days(customers["observed_to"], origin)
    if outcomes["customer_id"].is_unique:
        once = customers["customer_id"].map(outcomes.set_index("customer_id")["day"])
        end = once.fillna(end)
    rng = np.random.default_rng(1)
    time = (end - start).clip(lower=0)
    count = NOT_CONVERTED_EACH * len(outcomes)
    drawn = rng.choice(len(customers), count, p=time / time.sum())
    quiet = pd.DataFrame(
        {
            "customer_id": customers["customer_id"].to_numpy()[drawn],
            "day": rng.uniform(start.to_numpy()[drawn], end.to_numpy()[drawn]),
        }
    )
    rows = pd.concat([outcomes[["customer_id", "day"]], quiet], ignore_index=True)
    event = np.arange(len(rows)) < len(outcomes)

    ages = _ages(rows, touches, AGES[-1])
    names = sorted(touches["touchpoint"].unique())
    bins = len(AGES) - 1
    age_bin = np.searchsorted(AGES[1:-1], ages["age"], side="right")
    column = pd.Categorical(ages["touchpoint"], names).codes.astype(int) * bins + age_bin
    design = np.zeros((len(rows), len(names) * bins + 1))
    np.add.at(design, (ages["row"].to_numpy(), column), 1.0)
    design[:, -1] = 1.0
    effects = _log_rate(design, event, time.sum() / count)

    own = ages.assign(effect=effects[column])[event[ages["row"]]]
    own = own.sort_values(["row", "age"], ascending=[True, False])
    upto = own.groupby("row")["effect"].cumsum()
    whole = own.groupby("row")["effect"].transform("sum")
    own["credit"] = np.exp(upto - whole) - np.exp(upto - own["effect"] - whole)
    credit = own.groupby("touchpoint")["credit"].sum().reindex(names).fillna(0.0)
    credit[BASELINE] = len(outcomes) - credit.sum()
    return credit.rename("estimate").rename_axis("touchpoint").reset_index()


def _log_rate(design: np.ndarray, event: np.ndarray, each: float) -> np.ndarray:
    """Newton steps for events at all `event` rows and time `each` at the others."""
    ridge = np.append(np.full(design.shape[1] - 1, 1.0), 1e-9)
    found = np.append(np.zeros(design.shape[1] - 1), np.log(event.sum() / (each * (~event).sum())))
    for _ in range(25):
        expected = each * np.exp((design[~event] @ found).clip(max=20))
        slope = design[event].sum(axis=0) - expected @ design[~event] - ridge * found
        bend = (design[~event].T * expected) @ design[~event] + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        found = found + step.clip(-2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return found


def _tables(data: Dataset) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Touches, conversions and customers in memory."""
    touches = data.touches.select("customer_id", "timestamp", "touchpoint").to_pandas()
    outcomes = data.outcomes.to_pandas()
    outcomes = outcomes[outcomes["outcome"] == "conversion"][["customer_id", "timestamp"]]
    return touches, outcomes.reset_index(drop=True), data.tables["customers"].to_pandas()


def _days(times: pd.Series, origin: pd.Timestamp) -> pd.Series:
    return (times - origin).dt.total_seconds() / 86_400


def _ages(rows: pd.DataFrame, touches: pd.DataFrame, most: float) -> pd.DataFrame:
    """Touches in the `most` days before each row's day: row, touchpoint, age in days."""
    asked = rows[["customer_id", "day"]].rename_axis("row").reset_index()
    met = asked.merge(touches, on="customer_id", suffixes=("", "_of_touch"))
    met["age"] = met["day"] - met["day_of_touch"]
    return met.loc[(met["age"] > 0) & (met["age"] <= most), ["row", "touchpoint", "age"]]


def _chance(log_odds: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-log_odds)))


RIVALS: dict[str, Callable[[Dataset], Any]] = {
    "person-day logit": person_days,
    "Shender et al. 2023": last_ad_removed,
}
