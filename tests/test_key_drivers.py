"""Key drivers: published decompositions, laws of LMG, gaps in the answers, weak links."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from test_survey_scores import answers_and_outcomes, asked
from tiny import surveys, tables

import touchlab as tl
from touchlab import show
from touchlab.errors import MissingInput, ParameterError
from touchlab.experience.importance import (
    Likelihood,
    correlations,
    johnson,
    lmg,
    relative_importance,
    to_correlation,
)
from touchlab.experience.key_drivers import KeyDrivers, driver_frame, key_drivers, weak_links
from touchlab.plots.experience import plot_importance
from touchlab.sentences import experience as sentences_experience

Floats = npt.NDArray[np.float64]

# R's `swiss`: agriculture, examination, education, catholic, infant mortality; fertility last
SWISS = np.array(
    [
        [1.0, -0.686542, -0.639523, 0.401095, -0.060859, 0.353079],
        [-0.686542, 1.0, 0.698415, -0.572742, -0.114022, -0.645883],
        [-0.639523, 0.698415, 1.0, -0.153859, -0.099322, -0.663789],
        [0.401095, -0.572742, -0.153859, 1.0, 0.175496, 0.463685],
        [-0.060859, -0.114022, -0.099322, 0.175496, 1.0, 0.416556],
        [0.353079, -0.645883, -0.663789, 0.463685, 0.416556, 1.0],
    ]
)


def stackloss() -> pd.DataFrame:
    data = sm.datasets.stackloss.load_pandas()
    return data.exog.assign(loss=data.endog)


def correlated(columns: int, rows: int, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(rows, columns)) @ random.normal(size=(columns, columns))
    return np.asarray(np.corrcoef(mixed, rowvar=False))


def by_all_orders(correlation: Floats) -> Floats:
    """LMG by its definition: the mean gain in R2 over all orders of entry."""
    p = len(correlation) - 1

    def r2(drivers: tuple[int, ...]) -> float:
        own = list(drivers)
        if not own:
            return 0.0
        return float(
            correlation[p, own]
            @ np.linalg.solve(correlation[np.ix_(own, own)], correlation[own, p])
        )

    parts = np.zeros(p)
    for order in itertools.permutations(range(p)):
        for place, driver in enumerate(order):
            parts[driver] += r2(order[: place + 1]) - r2(order[:place])
    return parts / math.factorial(p)


def test_lmg_of_swiss_is_the_published_one() -> None:
    parts = lmg(SWISS)
    assert parts.round(5).tolist() == [0.05709, 0.17117, 0.26013, 0.10557, 0.11277]
    assert parts.sum() == pytest.approx(0.7067, abs=5e-5)


def test_lmg_and_johnson_of_stackloss_are_the_published_ones() -> None:
    correlation = np.corrcoef(stackloss().to_numpy(), rowvar=False)
    assert lmg(correlation).round(5).tolist() == [0.46848, 0.38875, 0.05635]
    assert johnson(correlation).round(5).tolist() == [0.46128, 0.39642, 0.05587]
    drivers = key_drivers(stackloss().pipe(lambda t: pd.concat([t] * 2)), target="loss", draws=20)
    assert drivers.table.driver.tolist() == ["AIRFLOW", "WATERTEMP", "ACIDCONC"]
    assert drivers.table.r2.round(5).tolist() == [0.46848, 0.38875, 0.05635]
    assert drivers.r2 == pytest.approx(
        sm.OLS(stackloss().loss, sm.add_constant(stackloss().iloc[:, :3])).fit().rsquared
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 10_000))
def test_lmg_is_the_mean_over_all_orders(drivers: int, seed: int) -> None:
    correlation = correlated(drivers + 1, 40, seed)
    assert lmg(correlation) == pytest.approx(by_all_orders(correlation), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10_000))
def test_parts_add_up_to_r2_and_are_never_negative(drivers: int, seed: int) -> None:
    correlation = correlated(drivers + 1, 60, seed)
    inner, outer = correlation[:-1, :-1], correlation[:-1, -1]
    r2 = outer @ np.linalg.solve(inner, outer)
    for divide in (lmg, johnson):
        parts = divide(correlation)
        assert parts.sum() == pytest.approx(r2, abs=1e-8)
        assert (parts >= -1e-12).all()
    order = np.random.default_rng(seed).permutation(drivers)
    places = [*order, drivers]
    assert lmg(correlation[np.ix_(places, places)]) == pytest.approx(lmg(correlation)[order])


def test_uncorrelated_drivers_get_their_squared_correlation() -> None:
    correlation = np.eye(4)
    correlation[-1, :-1] = correlation[:-1, -1] = [0.5, 0.4, 0.0]
    assert lmg(correlation) == pytest.approx([0.25, 0.16, 0.0])
    assert johnson(correlation) == pytest.approx([0.25, 0.16, 0.0])


def test_a_driver_given_twice_shares_with_its_double() -> None:
    # x, x again, z with r(x, y) = .6, r(z, y) = .3, r(x, z) = 0: .18, .18, .09
    correlation = np.array(
        [[1, 1, 0, 0.6], [1, 1, 0, 0.6], [0, 0, 1, 0.3], [0.6, 0.6, 0.3, 1]], dtype=float
    )
    for divide in (lmg, johnson):
        assert divide(correlation) == pytest.approx([0.18, 0.18, 0.09])
    near = correlation + np.where(np.eye(4) == 1, 0, 1e-13)  # as rounding leaves it
    assert lmg(near) == pytest.approx([0.18, 0.18, 0.09], abs=1e-6)


def test_twelve_drivers_are_exact_and_thirteen_are_johnsons() -> None:
    twelve, thirteen = correlated(13, 200, 1), correlated(14, 200, 1)
    assert relative_importance(twelve) == pytest.approx(lmg(twelve))
    assert relative_importance(thirteen) == pytest.approx(johnson(thirteen))
    names = [f"d{i}" for i in range(13)]
    frame = pd.DataFrame(np.random.default_rng(2).normal(size=(80, 14)), columns=[*names, "y"])
    assert key_drivers(frame, target="y", draws=10).method == "Johnson"


def test_correlations_without_gaps_are_the_ordinary_ones() -> None:
    values = np.random.default_rng(3).normal(size=(50, 3)) @ np.array(
        [[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]]
    )
    assert correlations(values)[0] == pytest.approx(np.corrcoef(values, rowvar=False))
    drawn = correlations(values, draws=300, seed=1)[1:]
    # the bootstrap spread of a correlation is near (1 - r2) / sqrt n
    spread, r = drawn[:, 0, 1].std(), np.corrcoef(values, rowvar=False)[0, 1]
    assert spread == pytest.approx((1 - r**2) / 50**0.5, rel=0.35)


def test_gaps_are_bridged_by_what_is_there() -> None:
    """z is answered only where x is low: listwise correlations of z are bent, these are not."""
    random = np.random.default_rng(4)
    x = random.normal(size=20_000)
    y = 0.7 * x + np.sqrt(0.51) * random.normal(size=20_000)
    z = 0.7 * x + np.sqrt(0.51) * random.normal(size=20_000)
    values = np.column_stack([x, np.where(x < 0, z, np.nan), y])
    answered = values[~np.isnan(values).any(axis=1)]
    assert abs(np.corrcoef(answered, rowvar=False)[0, 1] - 0.7) > 0.15
    found = correlations(values)[0]
    assert found[0, 1] == pytest.approx(0.7, abs=0.02)
    assert found[1, 2] == pytest.approx(0.49, abs=0.03)


def test_scores_never_given_together_stay_uncorrelated() -> None:
    random = np.random.default_rng(5)
    values = random.normal(size=(400, 3))
    values[:200, 0], values[200:, 1] = np.nan, np.nan
    found = correlations(values)[0]
    assert abs(found[0, 1]) < 0.15
    assert (np.linalg.eigvalsh(found) > 0).all()


def by_expectation_maximisation(values: Floats) -> Floats:
    """The same estimate the slow way, row by row [Dempster, Laird & Rubin 1977]."""
    scores = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    mean, cov = np.zeros(scores.shape[1]), np.eye(scores.shape[1])
    for _ in range(3000):
        filled, spread = scores.copy(), np.eye(len(cov))  # one row's worth of no correlation
        for row in filled:
            gap = np.isnan(row)
            if gap.any():
                slope = np.linalg.solve(cov[np.ix_(~gap, ~gap)], cov[np.ix_(~gap, gap)]).T
                row[gap] = mean[gap] + slope @ (row[~gap] - mean[~gap])
                left = cov[np.ix_(gap, gap)] - slope @ cov[np.ix_(~gap, gap)]
                spread[np.ix_(gap, gap)] += left
        before, mean = cov, filled.mean(axis=0)
        cov = ((filled - mean).T @ (filled - mean) + spread) / (len(filled) + 1)
        if np.abs(cov - before).max() < 1e-9:
            break
    return to_correlation(cov)


def test_correlations_despite_gaps_are_those_of_expectation_maximisation() -> None:
    values = planted(150, 0.4, 10).to_numpy()
    # expectation-maximisation ends within 1e-9 / (1 - its rate) of where it would end
    assert correlations(values)[0] == pytest.approx(by_expectation_maximisation(values), abs=1e-6)


def test_a_draw_is_near_the_rows_drawn_estimated_anew() -> None:
    values, draws = planted(600, 0.4, 11).to_numpy(), 40
    drawn = np.random.default_rng(1).multinomial(600, np.full(600, 1 / 600), size=draws)
    anew = [correlations(np.repeat(values, times, axis=0))[0] for times in drawn]
    both = (np.array(anew), correlations(values, draws=draws)[1:])
    shares = [p / p.sum(axis=1, keepdims=True) for p in map(relative_importance, both)]
    spread = shares[0].std(axis=0)
    # one step is off by the square of what a draw moves: found, a tenth of its spread
    assert (np.abs(shares[1] - shares[0]).mean(axis=0) < 0.2 * spread).all()
    assert shares[1].std(axis=0) == pytest.approx(spread, rel=0.1)


def test_the_number_of_draws_costs_no_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,831 answers to 20 items with some 1,100 patterns of gaps: what takes time is counted."""
    random = np.random.default_rng(12)
    values = random.normal(size=(2831, 1)) + random.normal(size=(2831, 21))
    gaps = random.random((2831, 20)) < random.beta(0.3, 1.7, (2831, 1))
    values[:, :-1][gaps] = np.nan
    assert 1000 < len(np.unique(gaps, axis=0)) < 1200
    passes: list[int] = []
    whole = Likelihood.derivatives

    def counted(self: Likelihood, packed: Floats) -> tuple[float, Floats, Floats]:
        passes.append(1)
        return whole(self, packed)

    monkeypatch.setattr(Likelihood, "derivatives", counted)
    few = correlations(values, draws=2)
    size, _ = len(passes), passes.clear()
    many = correlations(values, draws=200)
    assert len(passes) == size <= 25  # found: 17
    assert np.array_equal(few[0], many[0])
    # every pair of items has the correlation .5
    assert many[0][np.triu_indices(21, 1)].mean() == pytest.approx(0.5, abs=0.03)


def planted(rows: int, missing: float, seed: int) -> pd.DataFrame:
    """Four touchpoints of one mood; overall = .6 support + .4 store + nothing of the others."""
    random = np.random.default_rng(seed)
    mood = random.normal(size=(rows, 1))
    felt = np.sqrt(0.3) * mood + np.sqrt(0.7) * random.normal(size=(rows, 4))
    overall = felt @ [0.6, 0.4, 0.0, 0.0] + 0.5 * random.normal(size=rows)
    felt[random.random(felt.shape) < missing] = np.nan
    names = ["support", "store", "app", "site"]
    return pd.DataFrame(felt, columns=names).assign(overall=overall)


def truth() -> Floats:
    inner = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
    weights = np.array([0.6, 0.4, 0.0, 0.0])
    whole = np.eye(5)
    whole[:4, :4] = inner
    whole[4, :4] = whole[:4, 4] = inner @ weights / np.sqrt(weights @ inner @ weights + 0.25)
    return lmg(whole)


@pytest.mark.parametrize("missing", [0.0, 0.6])
def test_planted_importance_is_found(missing: float) -> None:
    true = pd.Series(truth() / truth().sum(), index=["support", "store", "app", "site"])
    table = key_drivers(planted(4000, missing, 6), target="overall", draws=60).table
    found = table.set_index("driver").importance[true.index]
    assert found.to_numpy() == pytest.approx(true.to_numpy(), abs=0.05)
    assert table.driver.tolist()[:2] == ["support", "store"]
    assert table.importance.sum() == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize(("missing", "least"), [(0.0, 0.86), (0.6, 0.78)])
def test_importance_intervals_hold_the_truth(missing: float, least: float) -> None:
    true = pd.Series(truth() / truth().sum(), index=["support", "store", "app", "site"])
    held = []
    for seed in range(40):
        table = key_drivers(planted(600, missing, seed), target="overall", draws=100).table
        table = table.set_index("driver").loc[["support", "store"]]
        own = true[table.index]
        held += list((table.ci_low <= own) & (own <= table.ci_high))
    # found: 93 % without gaps, 87 % with; less twice the binomial error of 80 intervals
    assert np.mean(held) >= least


def test_noise_is_called_noise() -> None:
    frame = pd.DataFrame(np.random.default_rng(7).normal(size=(100, 4)), columns=[*"abc", "y"])
    drivers = key_drivers(frame, target="y", draws=30)
    assert drivers.p_value > 0.05
    assert drivers.notes == (
        "The scores explain no more than chance would; their order may be chance.",
    )
    assert drivers.sentence().endswith("no more than chance would: no driver stands out.")
    assert not weak_links(drivers).weak.any()
    assert not weak_links(drivers).important.any()


def test_chance_level_is_the_f_test() -> None:
    frame = stackloss().pipe(lambda t: pd.concat([t] * 2))
    fit = sm.OLS(frame.loss, sm.add_constant(frame.drop(columns="loss"))).fit()
    assert key_drivers(frame, target="loss", draws=5).p_value == pytest.approx(fit.f_pvalue)


def test_alike_and_rare_scores_are_left_out_and_said() -> None:
    frame = planted(200, 0.0, 8).assign(flat=3.0, rare=np.nan)
    frame.loc[:19, "rare"] = np.arange(20.0)
    drivers = key_drivers(frame, target="overall", draws=5)
    assert drivers.notes == (
        "flat is left out: its scores are all alike.",
        "rare is left out: fewer than 30 customers have both its score and overall.",
    )
    one = key_drivers(frame[["support", "overall"]], target="overall", draws=5)
    assert one.notes == ("There is one driver only, and nothing to compare it with.",)
    assert one.table.importance.tolist() == [1.0]


def test_nothing_to_explain_is_missing_input() -> None:
    frame = planted(200, 0.0, 8)
    with pytest.raises(MissingInput) as caught:
        key_drivers(frame[["support", "overall"]].head(20), target="overall")
    assert str(caught.value) == (
        "There is nothing to explain overall by (support is left out: fewer than 30 customers "
        "have both its score and overall). With 30 customers who have both overall and a "
        "touchpoint's score, what goes with it would be shown here."
    )
    with pytest.raises(MissingInput, match="overall is the same for all customers"):
        key_drivers(frame.assign(overall=1.0), target="overall")


def test_unknown_targets_are_refused() -> None:
    frame = planted(100, 0.0, 8)
    with pytest.raises(ParameterError) as caught:
        key_drivers(frame, target="overal")
    assert str(caught.value) == (
        "target: the frame has no column 'overal'; did you mean 'overall'?\n"
        "  use one of support, store, app, site, overall"
    )
    with pytest.raises(ParameterError) as caught:
        key_drivers(frame.assign(name="x"), target="overall")
    assert str(caught.value) == (
        "key_drivers: columns that are not numbers: name\n"
        "  leave them out, or give their scores as numbers"
    )
    with pytest.raises(ParameterError) as caught:
        key_drivers(answers_and_outcomes(), target="npss")
    assert str(caught.value) == (
        "target: 'npss' is neither a metric nor an outcome\n"
        "  use one of nps, csat, ces, or of churn, conversion"
    )
    with pytest.raises(ParameterError, match="draws: 1 is too few"):
        key_drivers(frame, target="overall", draws=1)


def test_a_dataset_becomes_a_row_a_customer() -> None:
    table = pd.concat(
        [
            asked([8, 10], "nps", customer_id=["a", "a"]),
            asked([5, 1], "csat", touchpoint="shop", customer_id=["a", "b"]),
            asked([7], "ces", touchpoint="shop", customer_id=["a"]),
            asked([3], "nps", touchpoint="shop", customer_id=["b"]),
        ]
    )
    frame = driver_frame(tl.open_data(tables(surveys=table)), "nps", 90)
    # shop of a: CSAT 5 and CES 7 are both 100; NPS is the target, wherever it was asked
    assert frame.loc["a"].to_dict() == {"shop": 100.0, "target": 9.0}
    assert frame.loc["b"].to_dict() == {"shop": 0.0, "target": 3.0}
    after = driver_frame(answers_and_outcomes(), "churn", 30)
    assert after.target.sum() == 5 and len(after) == 19
    assert after.loc["l0"].to_dict() == {"email": 20.0, "target": 1.0}


def test_missing_surveys_are_said() -> None:
    for source, said in (
        (tables(), "The data has no surveys."),
        (tables(surveys=surveys()), "The surveys are anonymous. With their customer_id, which "
                                    "touchpoint's score goes with the overall opinion would be"),
        (tables(surveys=asked([5], "csat")), "No survey asks for nps; the data has csat."),
    ):  # fmt: skip
        with pytest.raises(MissingInput, match=said):
            key_drivers(tl.open_data(source))


def test_same_seed_same_table_and_input_untouched() -> None:
    frame = planted(300, 0.3, 9)
    before = frame.copy()
    one, two = (key_drivers(frame, target="overall", draws=20, seed=3).table for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(frame, before)


def drawn(performance: list[float], importance: list[float]) -> KeyDrivers:
    table = pd.DataFrame({"driver": [f"t{i}" for i in range(len(performance))]})
    table["importance"], table["performance"] = importance, performance
    for name, reach in (("ci", 0.02), ("performance", 1.0)):
        middle = table.importance if name == "ci" else table.performance
        table[f"{name}_low"], table[f"{name}_high"] = middle - reach, middle + reach
    return KeyDrivers(table.assign(n=500, r2=0.1), (), "nps", 0.4, 0.001, "LMG")


def test_weak_links_are_important_and_poor() -> None:
    drivers = drawn([40, 80, 45, 90], [0.4, 0.3, 0.2, 0.1])  # means: 63.75, equal share .25
    links = weak_links(drivers).set_index("driver")
    assert links.weak.to_dict() == {"t0": True, "t1": False, "t2": False, "t3": False}
    assert links.clear.to_dict() == links.weak.to_dict()
    assert (
        sentences_experience.about_links(drivers)
        == "Important for NPS and poor: t0, beyond chance."
    )
    assert plot_importance(drivers).alt.startswith("Important and poor: t0. ")
    even = drawn([80, 80], [0.5, 0.5])
    assert not weak_links(even).weak.any()  # ties: neither above an equal share nor below the mean
    assert plot_importance(even).alt.startswith(
        "No touchpoint is both important for NPS and poor. "
    )


@pytest.mark.parametrize("width", [show.WIDE, show.NARROW])
def test_importance_draws_many_and_few(width: float) -> None:
    many = drawn([50.0] * 15, [1 / 15] * 15)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for drivers in (many, drawn([50.0], [1.0])):
            assert plot_importance(drivers).svg(width)[:4] == "<svg"
