"""Which arm for which segment: learnt on one half of the customers, measured on the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_calibration import HILLSTROM, hillstrom

import touchlab as tl
from touchlab.next.whom import _classes


def day(n: float) -> pd.Timestamp:
    return pd.Timestamp("2025-01-01") + pd.Timedelta(days=n)


def company(effects: dict[str, tuple[float, float]], *, seed: int, each: int = 4_000) -> tl.Dataset:
    """Customers of two kinds, arms by lot; chances of the outcome by arm and kind."""
    rng, arms = np.random.default_rng(seed), list(effects)
    ids = np.arange(each * len(arms))
    kind, arm = rng.integers(0, 2, len(ids)), rng.integers(0, len(arms), len(ids))
    chance = np.array([effects[name] for name in arms])[arm, kind]
    had = ids[rng.random(len(ids)) < chance]
    rows, touches = [], []
    for place, name in enumerate(arms[1:], start=1):
        for own, label in ((place, "treated"), (0, "holdout")):
            part = pd.DataFrame({"customer_id": ids[arm == own], "touchpoint": name, "arm": label})
            rows.append(part)
        touches.append(pd.DataFrame({"customer_id": ids[arm == place], "touchpoint": name}))
    customers = {"customer_id": ids, "kind": np.array(["old", "new"])[kind]}
    return tl.open_data(
        {
            "touches": pd.concat(touches).assign(timestamp=day(0.01)),
            "outcomes": pd.DataFrame({"customer_id": had}).assign(
                timestamp=day(7), outcome="conversion"
            ),
            "customers": pd.DataFrame(customers).assign(observed_from=day(0), observed_to=day(14)),
            "experiments": pd.concat(rows).assign(start=day(0), end=day(14)),
        }
    )


CROSSED = {"none": (0.10, 0.10), "mail": (0.20, 0.08), "call": (0.10, 0.18)}
ALIKE = {"none": (0.10, 0.10), "mail": (0.20, 0.20), "call": (0.15, 0.15)}


def test_each_segment_gets_what_works_for_it() -> None:
    found = tl.whom_to_treat(company(CROSSED, seed=1), by="kind")
    table = found.table.set_index("segment")
    assert table.next.to_dict() == {"kind new": "call", "kind old": "mail"}
    # for all alike, mail or call bring .14 at most; by segment .19
    own = found.gain.iloc[0]
    assert own.ci_low < 50 < own.ci_high and own.ci_low > 0
    assert found.sentence().startswith("Choosing by segment is better than ")


def test_one_arm_for_all_where_segments_do_not_differ() -> None:
    found = tl.whom_to_treat(company(ALIKE, seed=2), by=["kind"])
    assert set(found.table.next) == {"mail"}
    assert found.gain.ci_low[0] <= 0 < found.gain.ci_low[1]
    assert found.sentence().startswith("No choice by segment is better than mail for all")


def test_refusals_name_what_is_missing() -> None:
    data = company(CROSSED, seed=1, each=200)
    with pytest.raises(tl.ParameterError, match="advert are not arms of one experiment"):
        tl.whom_to_treat(data, by="kind", touchpoints=["advert"])
    with pytest.raises(tl.ParameterError, match="by: 'shoe' is not a trait"):
        tl.whom_to_treat(data, by="shoe")
    few = company(CROSSED, seed=1, each=12)
    with pytest.raises(tl.MissingInput, match="has fewer than 10 customers in arm"):
        tl.whom_to_treat(few, by="kind")


def test_nothing_randomised() -> None:
    tables = {
        "touches": pd.DataFrame({"customer_id": [1], "touchpoint": ["a"], "timestamp": [day(1)]}),
        "outcomes": pd.DataFrame(
            {"customer_id": [1], "outcome": ["conversion"], "timestamp": [day(2)]}
        ),
    }
    with pytest.raises(tl.MissingInput, match="no experiments table"):
        tl.whom_to_treat(tl.open_data(tables), by="kind")


@pytest.mark.skipif(not HILLSTROM.exists(), reason="needs ../shared/data/hillstrom.parquet")
def test_hillstrom_by_what_was_bought() -> None:
    tables, rows = hillstrom(), pd.read_parquet(HILLSTROM)
    bought = rows[["customer_id", "mens", "womens"]].astype({"mens": str, "womens": str})
    tables["customers"] = tables["customers"].merge(bought, on="customer_id")
    found = tl.whom_to_treat(tl.open_data(tables), by=["mens", "womens"], outcome="visit")
    own, best = found.gain.itertuples()
    assert best.arm == "mens_email" and best.ci_low > 0
    # in either half men's e-mail is best in every segment, so nothing is gained by choosing
    assert own.per_1000 == 0 and set(found.table.next) == {"mens_email"}
    assert best.ci_low < 76.5 < best.ci_high


def test_classes_of_a_number_do_not_name_the_least_or_most() -> None:
    ages = pd.Series([18.0, 25, 31, 40, 44, 52, 60, 71, 103, np.nan])
    assert dict.fromkeys(_classes(ages, "age")) == dict.fromkeys(
        ["age up to 37", "age 37 to 54.6667", "age above 54.6667", "age (unknown)"]
    )
