"""Churn by inactivity: the rule by hand, its default, its sensitivity, errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from retention_data import BASE, day, idle_company, spells

import touchlab as tl
from touchlab.retention.churn import inactivity_rules, usual_silence, with_inactivity_churn
from touchlab.retention.curves import survival_curves
from touchlab.sentences.retention import about_inactivity

pytestmark = pytest.mark.filterwarnings("ignore::touchlab.TouchlabWarning")


def shop(orders: dict[str, list[float]], until: float = 100) -> tl.Dataset:
    """Customers who order on given days and are seen until a day."""
    rows = [(name, day([at])[0]) for name, days in orders.items() for at in days]
    ids = list(orders)
    return tl.open_data(
        {
            "touches": pd.DataFrame(
                {"customer_id": ids[:1], "timestamp": [BASE], "touchpoint": ["ad"]}
            ),
            "outcomes": pd.DataFrame(rows, columns=["customer_id", "timestamp"]).assign(
                outcome="conversion", value=1.0
            ),
            "customers": pd.DataFrame(
                {"customer_id": ids, "observed_from": BASE, "observed_to": day([until])[0]}
            ),
        }
    )


def churn_of(data: tl.Dataset) -> dict[str, float]:
    rows = data.outcomes.filter(data.outcomes.outcome == "churn").to_pandas()
    days = (rows.timestamp - BASE.tz_localize(None)) / pd.Timedelta(days=1)
    return dict(sorted(zip(rows.customer_id, days, strict=True)))


def test_the_rule_by_hand() -> None:
    # 30 days of silence: ann from day 10 on (churn on day 40, back on day 60, and silent
    # again: one churn); bob orders on day 30 just in time and is silent from then on; cat is
    # seen for 29 days only after her order; dan is seen for exactly 30
    data = shop({"ann": [0, 10, 60], "bob": [0, 30], "cat": [71], "dan": [70]})
    ruled = with_inactivity_churn(data, silent_days=30)
    assert churn_of(ruled) == {"ann": 40, "bob": 60, "dan": 100}
    last = ruled.notes.iloc[-1]
    assert (last["table"], last["rows"], last.note) == (
        "outcomes", 3, "churn is 30 days without a conversion",
    )  # fmt: skip
    assert churn_of(data) == {}  # the data given stay as they are
    curves = survival_curves(ruled)
    assert curves.loc[curves.events > 0, "day"].tolist() == [30, 40, 60]


def test_recorded_churn_is_set_aside_and_noted() -> None:
    data = spells([90, 50], [0, 1])
    ruled = with_inactivity_churn(data, silent_days=60)
    assert churn_of(ruled) == {0: 60}
    assert ruled.notes.note.tolist()[-3:-1] == [
        "recorded churn, set aside", "churn is 60 days without a conversion",
    ]  # fmt: skip


def test_a_long_rule_is_noted() -> None:
    ruled = with_inactivity_churn(shop({"ann": [0, 60], "bob": [0]}), silent_days=40)
    assert ruled.notes.note.iloc[-1] == (
        "silence of 40 days is long for 60 days of data: little churn can be seen"
    )


def test_the_default_by_hand() -> None:
    # gaps of 1 to 9 days and one of 30, none cut off but the last of each customer, at which
    # ten of ten have come back: nine in ten within 9 days
    data = shop({f"c{i}": [100 - gap, 100] for i, gap in enumerate([*range(1, 10), 30])})
    assert usual_silence(data) == 9


def test_the_default_does_not_shrink_because_observation_ends() -> None:
    # gaps between orders are exponential with mean 40 days, so nine in ten are within 92; of
    # those that 120 days of data show whole, nine in ten are within about 70
    random, found, plain = np.random.default_rng(2), [], []
    for _ in range(5):
        orders = {}
        for i in range(400):
            times = np.cumsum(random.exponential(40, 30)) - 40
            inside = times[(times >= 0) & (times <= 120)]
            if len(inside):
                orders[f"c{i}"] = inside.round(3).tolist()
        found.append(usual_silence(shop(orders, until=120)))
        plain.append(np.quantile(np.concatenate([np.diff(t) for t in orders.values()]), 0.9))
    truth = -40 * np.log(1 - 0.9 * (1 - np.exp(-120 / 40)))  # within the 120 days one can see
    assert np.mean(found) == pytest.approx(truth, rel=0.1)
    assert np.mean(plain) < 0.9 * truth


def test_rules_by_hand() -> None:
    data = shop({"ann": [0, 10, 60], "bob": [0, 30], "cat": [71], "dan": [70]})
    rules = inactivity_rules(data, silent_days=[60, 30])
    assert rules.columns.tolist() == [
        "silent_days", "chosen", "churn", "returned", "rate", "ci_low", "ci_high",
        "horizon_days", "n",
    ]  # fmt: skip
    assert rules.silent_days.tolist() == [30, 60]
    assert rules.churn.tolist() == [3, 1]  # 60 days: bob, silent from day 30 to 90
    assert rules.returned.tolist() == [pytest.approx(1 / 3), 0]  # ann comes back
    # 30 days: cat is seen to day 29, then dan, ann and bob leave one by one
    assert rules.rate.tolist() == [1, 0.5]
    assert not rules.chosen.any() and (rules.n == 4).all()


def test_rules_agree_with_curves() -> None:
    data = idle_company(3)
    rules = inactivity_rules(data, silent_days=[20, 40], horizon_days=90)
    for row in rules.itertuples():
        curves = survival_curves(with_inactivity_churn(data, silent_days=row.silent_days))
        end = curves[curves.day == min(90, curves.day.max())].iloc[0]
        assert row.rate == pytest.approx(1 - end.survival)
        assert row.churn == curves.events.sum()


def test_the_sentence() -> None:
    rules = inactivity_rules(idle_company(3))
    own = rules[rules.chosen].iloc[0]
    said = about_inactivity(rules)
    assert said.startswith(f"With {own.silent_days} days of silence as churn, {own.churn}")


def test_longer_silence_means_less_churn_and_fewer_returns() -> None:
    rules = inactivity_rules(idle_company(4), silent_days=[10, 20, 40, 80])
    assert (np.diff(rules.churn) < 0).all()
    assert (np.diff(rules.returned) < 0).all()


PAIR = {"ann": [0.0, 10.0], "bob": [0.0]}
MESSAGES: dict[str, tuple[Callable[[], object], str]] = {
    "no days": (
        lambda: with_inactivity_churn(shop(PAIR), silent_days=0),
        "silent_days: 0\n  give whole days, 1 or more, or None to choose from the gaps",
    ),
    "part of a day": (
        lambda: with_inactivity_churn(shop(PAIR), silent_days=1.5),  # type: ignore[arg-type]
        "silent_days: 1.5\n  give whole days, 1 or more, or None to choose from the gaps",
    ),
    "too few to choose from": (
        lambda: with_inactivity_churn(shop(PAIR)),
        "silent_days: 1 repeated conversion outcomes are too few to choose from\n"
        "  give silent_days",
    ),
    "nobody silent for so long": (
        lambda: with_inactivity_churn(shop(PAIR), silent_days=200),
        "silent_days: nobody is observed for 200 days without a conversion\n  give fewer days",
    ),
    "no list of rules": (
        lambda: inactivity_rules(shop(PAIR), silent_days=30),  # type: ignore[arg-type]
        "silent_days: 30 is not a list\n  give [60, 90, 180]",
    ),
    "no horizon": (
        lambda: inactivity_rules(shop(PAIR), silent_days=[30], horizon_days=0),
        "horizon_days: 0\n  give whole days, 1 or more",
    ),
    "an unknown activity": (
        lambda: with_inactivity_churn(shop(PAIR), activity="order"),
        "outcome: no outcome is named 'order'\n  the data has conversion (3); use one of these",
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_what_cannot_be_answered_is_refused(case: str) -> None:
    ask, message = MESSAGES[case]
    with pytest.raises(tl.TouchlabError) as caught:
        ask()
    assert str(caught.value) == message


def test_a_paths_table_has_no_silence(open_paths: Callable[..., tl.Dataset]) -> None:
    with pytest.raises(tl.MissingInput):
        with_inactivity_churn(open_paths(("a > b", 1, 1)), silent_days=30)
