"""Service: planted effects found, hard cases seen, small groups and names kept off every page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import run_notebook
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from service_worlds import service_world
from tiny import notes, outcomes, refusal, surveys, tables, touches, utc

import touchlab as tl
from touchlab.errors import MissingInput
from touchlab.experience.service import _folded
from touchlab.experience.within import Within, draw_together

DAYS = {"days": 30}
ROOT = Path(__file__).parents[1]


def effects_of(**world: float) -> pd.DataFrame:
    found = tl.service_effects(tl.open_data(service_world(**world)), **DAYS)  # type: ignore[arg-type]
    return found.table.set_index(["measure", "term"])


@pytest.fixture(scope="module")
def desk() -> dict[str, pd.DataFrame]:
    return service_world(seed=1)


@pytest.fixture(scope="module")
def found(desk: dict[str, pd.DataFrame]) -> tl.ServiceEffects:
    return tl.service_effects(tl.open_data(desk), **DAYS)  # type: ignore[arg-type]


def test_planted_effects_are_found(found: tl.ServiceEffects) -> None:
    """A repeat, 15 points more likely, is one of .85 who would not come anyway, .95 who stay."""
    table = found.table.set_index(["measure", "term"])
    wait, left_open = (
        table.xs("twice the duration", level=1),
        table.xs("open, not resolved", level=1),
    )
    for measure, truth in {"score": -3.0, "churn": 0.0, "repeat contact": 0.0}.items():
        assert wait.ci_low[measure] < truth < wait.ci_high[measure]
    for measure, truth in {"score": -20.0, "churn": 6.0, "repeat contact": 12.1}.items():
        assert left_open.ci_low[measure] < truth < left_open.ci_high[measure]
    assert wait.badge["score"] == "adjusted"
    assert found.sentence().startswith("twice the duration makes for a score 3")
    assert "churn 5.5 (4.2 to 6.9) points more often" in found.sentence()


def test_training_is_what_lifts_the_lower_half(found: tl.ServiceEffects) -> None:
    worth = found.training.set_index(["level", "measure"])
    draw = np.random.default_rng(1)
    skill = (draw.normal(size=2_500), draw.normal(size=(2, 24)))[1]  # as the world drew them
    solving = 8 * skill[1]  # points of 100, which move the score by 20 of 100 each
    for measure, level in {"score": 4 * skill[0] + 0.2 * solving, "resolved": solving}.items():
        gain = np.maximum(np.median(level) - level, 0).mean()
        row = worth.loc[("agent", measure)]
        assert row.differ and row.ci_low < gain < row.ci_high
    assert row.contacts == pytest.approx(row.gain / 100 * row.n)
    assert "more of 5,774 contacts would be resolved" in found.sentence()


def test_hard_cases_make_it_descriptive() -> None:
    """A hard case is slow, stays open and ends in a low score: the wait is not what lowers it."""
    table = effects_of(seed=2, wait=0.0, hard=10.0)
    row = table.loc[("score", "twice the duration")]
    assert row.ci_high < -1
    assert row.badge == "descriptive"


def test_agents_who_get_content_customers_are_descriptive() -> None:
    world = service_world(seed=3, sorted_cases=2.0)
    content = world["surveys"].groupby("customer_id").score.mean() > 6
    people = world["customers"]
    world["customers"] = people.assign(content=people.customer_id.map(content).astype(object))
    groups = tl.service_effects(tl.open_data(world), **DAYS).groups  # type: ignore[arg-type]
    assert set(groups[(groups.level == "agent") & (groups.measure == "score")].badge) == {
        "descriptive"
    }


def test_nothing_is_found_where_nothing_is() -> None:
    world = {"wait": 0.0, "solve": 0.0, "leave": 0.0, "again": 0.0, "skill": 0.0}
    found = tl.service_effects(tl.open_data(service_world(seed=4, **world)))  # type: ignore[arg-type]
    clear = found.table.ci_low * found.table.ci_high > 0
    assert clear.sum() <= 1  # of six
    assert not found.training.differ.any() and not found.training.ci_low.any()
    assert "do not differ beyond chance" in found.sentence()


@pytest.mark.slow
def test_levels_hold_over_seeds() -> None:
    """Intervals at 5 %, and checks that fire where nothing is hidden; 24 seeds, 6 effects each."""
    nothing = {"wait": 0.0, "solve": 0.0, "leave": 0.0, "again": 0.0}
    tried = pd.concat([effects_of(seed=s, contacts=3_000, **nothing) for s in range(30, 54)])
    assert 0.01 <= (tried.ci_low * tried.ci_high > 0).mean() <= 0.11
    waits = tried.xs("twice the duration", level=1)
    assert (waits.badge == "descriptive").mean() <= 0.12


def test_least_squares_is_that_of_statsmodels() -> None:
    draw = np.random.default_rng(0)
    code, group = draw.integers(0, 8, 900), draw.integers(0, 50, 900)
    others = draw.normal(size=(900, 3))
    x = draw.normal(size=900) + others[:, 0] + code
    y = 2 * x + others @ [1, 2, 3] + code**2 + draw.normal(size=900)
    design = np.column_stack([x, others, np.eye(8)[code]])
    whole = sm.OLS(y, design).fit()
    within = Within(np.column_stack([y, x, others]), code, group)
    found = within.slope(0, 1, [2, 3, 4])
    assert found[0] == pytest.approx(whole.params[0])
    assert found[5] == pytest.approx(sm.OLS(y[group != 4], design[group != 4]).fit().params[0])
    levels = whole.params[4:] - np.average(whole.params[4:], weights=np.bincount(code))
    assert within.levels(0, [1, 2, 3, 4])[0] == pytest.approx(levels)


def test_groups_are_drawn_together_as_far_as_they_are_alike() -> None:
    """Intervals of 15 groups hold the truth at their rate."""
    held = []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        truth = draw.normal(0, 3, 15)
        drawn = draw_together(truth + 2 * draw.normal(size=15), np.full(15, 2.0), seed=seed)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        held.append((low < truth) & (truth < high))
    assert 0.92 < np.mean(held) < 0.98


def test_few_customers_are_put_together() -> None:
    sizes = {"large": 40, "other": 30, "small": 6, "tiny": 2}
    rows = pd.DataFrame({"team": np.repeat([*sizes], [*sizes.values()])}).assign(result="open")
    rows["customer_id"] = range(len(rows))
    code, names, few = _folded(rows, "team", 10)
    assert (names, few) == (["large", "(other)"], 3)  # 6 and 2 are fewer than 10 together
    assert np.bincount(code).tolist() == [40, 38]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", "(other)", None]), min_size=5, max_size=60),
    st.integers(1, 8),
)
def test_no_group_is_below_k(teams: list[str | None], k: int) -> None:
    rows = pd.DataFrame({"team": pd.Series(teams, dtype=object)})
    rows["customer_id"] = np.arange(len(rows)) // 2
    code, names, _ = _folded(rows, "team", k)
    people = rows.groupby(code).customer_id.nunique()
    every = rows[rows.team.notna()].customer_id.nunique()
    assert all(n >= min(k, every) for place, n in people.items() if place >= 0)
    assert names.count("(other)") <= 1


def test_no_name_and_no_small_group_is_on_the_page(
    desk: dict[str, pd.DataFrame],
    tmp_path: Path,
    shell: InteractiveShell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rare = desk["touches"].agent == "Nora Example 3"
    kept = rare & (desk["touches"].groupby("agent").cumcount() < 5)
    for name, table in {**desk, "touches": desk["touches"][~rare | kept]}.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    monkeypatch.delenv("TOUCHLAB_KEY", raising=False)
    page = run_notebook(shell, ROOT / "notebooks/06_experience.ipynb", data=str(tmp_path))
    shown = str([cell.get("outputs") for cell in page.cells])
    assert "Nora" not in shown
    assert "agent 1" in shown and "agents of few, put together" in shown
    assert "makes for a score" in shown


def test_agents_keep_their_pseudonym_under_a_key(
    desk: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tl.open_data(desk)
    monkeypatch.setenv("TOUCHLAB_KEY", "a key for this test")
    hidden = tl.pseudonymise(data).touches.agent.to_pandas().dropna()
    assert hidden.str.fullmatch("[0-9a-f]{32}").all()
    groups = tl.service_effects(data, **DAYS).groups  # type: ignore[arg-type]
    agents = set(groups.group[groups.level == "agent"])
    assert agents == {f"agent {one[:8]}" for one in hidden}


def test_odd_columns_are_refused_or_told() -> None:
    assert refusal(tables(touches=touches(duration=[5, -1, None])))[1:] == [
        "touches.duration: 1 of 3 rows are below 0",
        "  first: row 2, customer 'a', value -1.0",
        "  give values of at least 0",
    ]
    assert refusal(tables(touches=touches(duration=["5", "5 min", None])))[1:] == [
        "touches.duration: 1 of 3 rows are not numbers",
        "  first: row 2, customer 'a', value '5 min'",
        "  use digits and a decimal point (1.50)",
    ]
    data = tl.open_data(tables(touches=touches(agent=[7, None, 8], result=["", "open", "open"])))
    assert data.touches.agent.to_pandas().dropna().tolist() == ["7", "8"]
    assert not any("not used" in said for _, _, said in notes(data))
    with pytest.raises(MissingInput, match="Too few touches tell of service"):
        tl.service_effects(data)
    with pytest.raises(MissingInput, match="No touch has agent, team, duration or result"):
        tl.service_effects(tl.open_data(tables(surveys=surveys(customer_id=["a", "b"]))))


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 90.0, 1e9, None]), min_size=12, max_size=12),
    st.lists(st.sampled_from(["resolved", "open", "", None, "x" * 300]), min_size=12, max_size=12),
)
def test_odd_values_end_well(durations: list[float | None], results: list[str | None]) -> None:
    n = 240
    met = {"customer_id": [f"c{i % 80}" for i in range(n)], "touchpoint": ["call"] * n}
    met |= {"timestamp": pd.date_range("2026-01-01", periods=n, freq="5h", tz="UTC")}
    met |= {"duration": durations * 20, "result": results * 20}
    bought = outcomes(timestamp=utc("2026-01-01"), customer_id=["c1"])
    data = tl.open_data({"touches": pd.DataFrame(met), "outcomes": bought})
    try:
        found = tl.service_effects(data)
    except MissingInput as missing:
        assert "Too few touches" in str(missing) or "No touch has" in str(missing)
    else:
        assert np.isfinite(found.table[["effect", "ci_low", "ci_high"]].to_numpy(float)).all()
        assert found.sentence()
