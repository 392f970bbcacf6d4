"""The scoreboard scores rightly, and the drivers earn their place on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.errors import ParameterError
from touchlab.scoreboard import all_worlds, run_scoreboard, score, shape_of, worlds_like
from touchlab.simulate import simulate_paths


def _answers(method: str, estimate: list[float], reach: float) -> pd.DataFrame:
    names, true = ["a", "b", "idle", "(baseline)"], [30.0, 10.0, 0.0, 60.0]
    own = pd.DataFrame({"touchpoint": names, "estimate": estimate, "true": true})
    own["low"], own["high"] = own.estimate - reach, own.estimate + reach
    return own.assign(world="w", seed=1, method=method)


def test_scores_by_hand() -> None:
    near = _answers("near", [33.0, 9.0, 2.0, 56.0], reach=3.0)
    far = _answers("far", [10.0, 50.0, 40.0, 0.0], reach=5.0)
    table = score(pd.concat([near, far])).set_index("method")
    assert table.amount_error["near"] == pytest.approx((3 + 1 + 2) / 40)
    assert table.amount_error["far"] == pytest.approx((20 + 40 + 40) / 40)
    # shares of near: 33, 9, 2 of 44; of the truth: .75, .25, 0
    assert table.share_error["near"] == pytest.approx(0.5 * (0 + (0.25 - 9 / 44) + 2 / 44))
    assert table.false_alarms.to_dict() == {"near": 0.0, "far": 1.0}
    assert table.coverage.to_dict() == {"near": 1.0, "far": 0.0}
    assert table.baseline_error["near"] == pytest.approx(0.04)
    assert table["rank"]["near"] == pytest.approx(1.0)


def test_amounts_that_take_away_earn_no_share() -> None:
    harm = _answers("harm", [40.0, -20.0, 0.0, 60.0], reach=1.0)
    assert score(harm).share_error[0] == pytest.approx(0.25)


def test_decisions_go_by_the_interval_or_by_cost() -> None:
    sure, unsure = _answers("w", [33.0, 9.0, 2.0, 56.0], 1.0), _answers("w", [33, 9, 2, 56.0], 10.0)
    assert score(sure).decision_error[0] == pytest.approx(1 / 3)  # the idle one looks effective
    assert score(unsure).decision_error[0] == pytest.approx(1 / 3)  # b is not dared
    silent = sure.assign(low=np.nan, high=np.nan)
    assert score(silent).decision_error[0] == pytest.approx(1 / 3)
    money = sure.assign(cost=[100.0, 100.0, 100.0, np.nan], worth_each=10.0)
    money["true_worth"] = [300.0, 99.0, 500.0, np.nan]
    # worth 330, 90 and 20 against 100: only the third is said otherwise than the truth
    assert score(money).decision_error[0] == pytest.approx(1 / 3)


def test_badges_are_counted_and_so_is_false_assurance() -> None:
    badges = ["adjusted", "adjusted", "randomised", None]
    far = _answers("far", [10.0, 50.0, 40.0, 0.0], reach=5.0).assign(badge=badges)
    near = _answers("near", [33.0, 9.0, 2.0, 56.0], reach=3.0).assign(badge=badges)
    doubted = far.assign(method="doubted", badge=["adjusted", "adjusted", "untested", None])
    plain = _answers("plain", [10.0, 50.0, 40.0, 0.0], reach=5.0)
    table = score(pd.concat([far, near, doubted, plain])).set_index("method")
    assert table.assured.to_dict() == pytest.approx(
        {"far": 1.0, "near": 0.0, "doubted": 0.0, "plain": np.nan}, nan_ok=True
    )
    shares = table.loc["doubted", ["randomised", "adjusted", "untested", "descriptive"]]
    assert shares.tolist() == pytest.approx([0, 2 / 3, 1 / 3, 0])


def test_drivers_beat_every_rule_where_touches_come_at_random() -> None:
    answers = run_scoreboard(["random touches"], customers=8000, days=120, seeds=[1])
    table = score(answers).set_index("method")
    rules = table.loc[["first", "last", "linear", "position", "time_decay", "shapley", "markov"]]
    assert table.amount_error["drivers"] < 0.4 * rules.amount_error.min()
    assert table.baseline_error["drivers"] < 0.1 < rules.baseline_error.min()


def test_worlds_of_one_seed_do_not_share_their_luck() -> None:
    names = ["random touches", "rare outcomes"]
    answers = run_scoreboard(names, customers=5000, days=60, seeds=[1])
    first = answers[(answers.method == "first") & (answers.touchpoint == "t3")]
    again = run_scoreboard(names[1:], customers=5000, days=60, seeds=[1])
    alone = again[(again.method == "first") & (again.touchpoint == "t3")]
    assert first.estimate.iloc[1] == alone.estimate.iloc[0]  # whatever else is asked for
    assert first.estimate.nunique() == 2


def test_a_world_that_is_not_there() -> None:
    with pytest.raises(ParameterError) as caught:
        run_scoreboard(["utopia"], customers=100, days=10, seeds=[1])
    allowed = ", ".join(all_worlds())
    assert str(caught.value) == f"worlds: 'utopia' is not a world\n  use any of {allowed}"


def test_worlds_like_the_data_take_its_sizes_and_rates_and_nothing_else() -> None:
    tables, _ = simulate_paths({"ad": 0.2, "mail": 0.1}, customers=2000, seed=3)
    data = tl.open_data(tables)
    shape = shape_of(data)
    assert shape.customers == 2000
    by_name = tables["touches"].touchpoint.value_counts()
    window = tables["customers"].observed_to - tables["customers"].observed_from
    days = window.dt.total_seconds().sum() / 86_400
    np.testing.assert_allclose(shape.touch_rates.sort_index(), by_name.sort_index() / days)
    assert list(worlds_like(data)) == ["touches at random", "hidden intent"]


def test_touchpoints_may_be_called_what_outcomes_are_called() -> None:
    tables, _ = simulate_paths({"ad": 0.2, "mail": 0.1}, customers=2000, seed=3)
    tables["touches"]["touchpoint"] = tables["touches"].touchpoint.replace("mail", "referral")
    game = worlds_like(tl.open_data(tables))["touches at random"]
    assert {"ad", "referral (touch)"} < set(game(2000, 90, 1, {}).touchpoint)
