"""Drivers on data as it comes: heavy tails, bursts, dates only, one customer, next to nothing.

Every answer is finite and can be, or it is refused in our own words; nobody else's warning.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import touchlab as tl

DAY0 = pd.Timestamp("2024-01-01")
SEEDS = range(12)
FELL = (24, 58)
"""Found when intent is sought: outcomes of windows that had moved, a fit that ran away."""
MANY_SEEDS = [
    pytest.param(seed, marks=() if seed in FELL else pytest.mark.slow) for seed in range(200)
]
ROOM = 1e-6
"""Amounts are sums of thousands of floats."""


def heavy_tailed(
    seed: int,
    *,
    customers: int = 400,
    shape: float = 0.8,
    most: int = 100,
    names: int = 2,
    again: bool = False,
    dates_only: bool = False,
) -> dict[str, pd.DataFrame]:
    """Numbers of touches follow a Pareto law; half come in bursts of minutes."""
    rng = np.random.default_rng(seed)
    touches, outcomes = [], []
    for c in range(customers):
        n = min(int(rng.pareto(shape) * 2) + 1, most)
        start = rng.uniform(0, 150)
        gap = rng.choice([0.02, 5])
        days = start + np.sort(rng.exponential(gap, n).cumsum()) if n > 1 else np.array([start])
        own = [(f"c{c}", day, f"t{rng.integers(names)}") for day in days if day < 280]
        touches += own
        last = min(days[-1], 279)
        for _ in range(rng.integers(1, 4) if again else 1):
            if rng.random() < 0.45:
                outcomes.append((f"c{c}", last + rng.exponential(2), "conversion"))
    tables = {
        "touches": pd.DataFrame(touches, columns=["customer_id", "timestamp", "touchpoint"]),
        "outcomes": pd.DataFrame(outcomes, columns=["customer_id", "timestamp", "outcome"]),
    }
    for table in tables.values():
        table["timestamp"] = DAY0 + pd.to_timedelta(table.timestamp, unit="D")
        if dates_only:
            table["timestamp"] = table.timestamp.dt.normalize()
    return tables


def told(tables: dict[str, pd.DataFrame]) -> tl.Drivers | None:
    """Fit without a foreign warning; None where it is refused in our words."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", tl.TouchlabWarning)
        warnings.filterwarnings("ignore", ".*fetch_arrow_table|.*infer_string")  # of Ibis 12
        try:
            drivers = tl.fit_drivers(tl.open_data(tables), outcome="conversion")
            return drivers if len(drivers.incremental()) and len(drivers.baseline) else None
        except (tl.DataError, tl.MissingInput):
            return None


def what_cannot_be(drivers: tl.Drivers | None) -> list[str]:
    """Name what is said and cannot be; nothing where nothing is said."""
    if drivers is None:
        return []
    found, baseline = drivers.incremental(), drivers.baseline.iloc[0]
    numbers, n, most = found.select_dtypes("number"), baseline.n, drivers.moments.customers
    rules = {
        "finite": np.isfinite(numbers.drop(columns=["ci_low", "ci_high"])).all(axis=None),
        "no more than all": (found.incremental <= n * (1 + ROOM)).all(),
        "low end": (found.ci_low <= found.incremental + ROOM * n).all(),
        "high end": (found.incremental <= found.ci_high + ROOM * n).all(),
    }
    if not drivers.moments.risk.recurrent:  # nobody has it twice
        fair = found.fair_share.sum() + baseline.baseline
        rules |= {
            "baseline": -ROOM * n <= baseline.baseline <= most * (1 + ROOM),
            "without one": (n - found.incremental <= most * (1 + ROOM)).all(),
            "adds up": np.isclose(fair, n, rtol=1e-6),
        }
    return [name for name, holds in rules.items() if not holds]


@pytest.mark.parametrize("seed", SEEDS)
def test_heavy_tails_and_bursts_give_amounts_that_can_be(seed: int) -> None:
    drivers = told(heavy_tailed(seed))
    assert drivers is not None
    assert what_cannot_be(drivers) == []


@pytest.mark.parametrize("seed", MANY_SEEDS)
def test_two_hundred_more_like_them(seed: int) -> None:
    rng = np.random.default_rng([seed, 7])
    tables = heavy_tailed(
        seed + 1000,
        customers=int(rng.choice([30, 120, 400])),
        shape=float(rng.choice([0.5, 0.8, 1.5])),
        most=int(rng.choice([20, 100, 1000])),
        names=int(rng.integers(1, 6)),
        again=bool(rng.random() < 0.5),
        dates_only=bool(rng.random() < 0.3),
    )
    assert what_cannot_be(told(tables)) == []


@settings(max_examples=15, deadline=None)
@example(seed=2000, customers=5, names=2, again=False, dates_only=False)
@example(seed=2483, customers=20, names=2, again=False, dates_only=False)
@given(
    seed=st.integers(0, 10_000),
    customers=st.sampled_from([1, 2, 5, 20, 60]),
    names=st.integers(1, 3),
    again=st.booleans(),
    dates_only=st.booleans(),
)
def test_next_to_nothing_is_told_or_refused(
    seed: int, customers: int, names: int, again: bool, dates_only: bool
) -> None:
    tables = heavy_tailed(
        seed, customers=customers, names=names, again=again, dates_only=dates_only
    )
    nothing = tables["outcomes"].empty or tables["touches"].empty
    assert what_cannot_be(None if nothing else told(tables)) == []


def test_a_trait_with_a_heavy_tail_does_not_run_away() -> None:
    """A count up to 22 as a straight line in the log hazard once gave a baseline of millions."""
    tables = heavy_tailed(3, customers=1500)
    ids = [f"c{c}" for c in range(1500)]
    rng = np.random.default_rng(5)
    tables["customers"] = pd.DataFrame(
        {
            "customer_id": ids,
            "observed_from": DAY0,
            "observed_to": DAY0 + pd.Timedelta(days=300),
            "orders_before": np.minimum(rng.pareto(1.0, len(ids)).astype(int), 10_000),
            "income": rng.lognormal(10, 2, len(ids)),
        }
    )
    drivers = told(tables)
    assert drivers is not None
    assert what_cannot_be(drivers) == []


def test_dates_without_times_say_what_times_say() -> None:
    # touches of the day of an outcome cannot count as earlier: moments of the afternoon, which
    # know theirs, made 350 of the 206 that direct is said to bring, and 22 of the 57 of app push
    tables = {
        name: pd.read_parquet(f"data/sample/{name}.parquet")
        for name in ("touches", "outcomes", "customers")
    }
    by_time = tl.fit_drivers(tl.open_data(tables))
    for name in ("touches", "outcomes"):
        tables[name]["timestamp"] = tables[name].timestamp.dt.floor("D")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tl.TouchlabWarning)
        by_date = tl.fit_drivers(tl.open_data(tables))
    assert by_time.moments.clock is None and by_date.moments.clock == 0.0
    known, found = (d.incremental(total=False).set_index("touchpoint") for d in (by_time, by_date))
    assert (
        (found.incremental - known.incremental).abs() < (known.ci_high - known.ci_low) / 2
    ).all()
    assert found.incremental["mobile_app_push"] == pytest.approx(61, abs=20)  # the truth
    assert by_date.baseline.baseline[0] == pytest.approx(by_time.baseline.baseline[0], rel=0.05)


def test_surveys_alone_or_orders_alone_open() -> None:
    """What can be answered is, and what cannot be says what it lacks; a note tells beforehand."""
    company = tl.open_data("data/sample")
    frames = {name: company.tables[name].to_pandas() for name in ("surveys", "outcomes")}
    asked = tl.open_data({"surveys": frames["surveys"]})
    pd.testing.assert_frame_equal(tl.survey_scores(asked), tl.survey_scores(company))
    assert (tl.touchpoint_map(asked).touches == 0).all()
    ordered = tl.open_data({"outcomes": frames["outcomes"]})
    lacks = "The data has no {}: with a table of them, this is answered."
    no_map = "map: the data has neither touches nor surveys\n  with either, this "
    no_map += "lays out its touchpoints"
    for data, question, message in (
        (asked, tl.attribute, lacks.format("outcomes")),
        (asked, tl.fit_lifetime, lacks.format("outcomes")),
        (ordered, tl.fit_drivers, lacks.format("touches")),
        (ordered, tl.attribute, lacks.format("touches")),
        (ordered, tl.touchpoint_map, no_map),
    ):
        with pytest.raises(tl.MissingInput) as error:
            question(data)
        assert str(error.value) == message
        assert "no touches table: what touchpoints do is not answered" in data.notes.note.tolist()
