"""Every figure takes a title, colours and axes of the reader's, and writes itself to a file."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

import touchlab as tl
from touchlab import plots, show
from touchlab.experience.key_drivers import KeyDrivers
from touchlab.journeys import describe
from touchlab.plots.parts import in_order

SEVERAL = {
    "plot_first_steps", "plot_lengths", "plot_months", "plot_response_curves", "plot_survey_scores",
}  # fmt: skip
"""They draw several panels, so they need a figure of their own."""
FULL = {"n": [900, 800, 700], "badge": ["randomised", "adjusted", "untested"]}
ENDS = {"ci_low": [4.0, 3.0, 2.0], "ci_high": [9.0, 8.0, 7.0]}
THREE = {"touchpoint": ["ad", "mail", "shop"], **ENDS, **FULL}
Drawn = Callable[..., show.Picture]


@pytest.fixture(scope="module")
def shop() -> tl.Dataset:
    random = np.random.default_rng(1)
    people = np.repeat([f"c{i}" for i in range(300)], 4)
    days = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(random.random(1200) * 90, "D")
    touches = pd.DataFrame({"customer_id": people, "timestamp": days.floor("s")})
    touches["touchpoint"] = random.choice(["ad", "mail", "shop"], 1200)
    bought = touches.groupby("customer_id").timestamp.max() + pd.Timedelta(hours=9)
    outcomes = bought.iloc[::2].reset_index().assign(outcome="conversion", value=20.0)
    return tl.open_data({"touches": touches, "outcomes": outcomes})


def drawn(name: str, shop: tl.Dataset, **looks: Any) -> show.Picture:
    """Draw each public figure of what its table looks like."""
    plot: Drawn = getattr(plots, name)
    three, of = pd.DataFrame(THREE), {"outcome": "conversion"}
    effects = three.assign(incremental=[6.0, 5.0, 4.0], outcome="conversion")
    base = pd.DataFrame([{"outcome": "conversion", "baseline": 80.0, "n": 150.0,
                          "ci_low": 70.0, "ci_high": 90.0, "badge": "adjusted"}])  # fmt: skip
    curve = pd.DataFrame({"touchpoint": np.repeat(["ad", "mail"], 3), "multiplier": [0, 1, 2] * 2,
                          "cost": [0.0, 90, 180] * 2, "incremental": [0.0, 40, 60, 0, 20, 25],
                          "n": 900})  # fmt: skip
    curve = curve.assign(ci_low=curve.incremental - 5, ci_high=curve.incremental + 5)
    priced = effects.assign(
        cost_per_incremental=[20.0, 30.0, 40.0], cost_per_incremental_low=[15.0, 20.0, 30.0],
        cost_per_incremental_high=[25.0, 40.0, 60.0], cost_per_credited=[10.0, 11.0, 12.0],
    )  # fmt: skip
    plan = three.assign(
        cost_now=[100.0, 90.0, 80.0], cost_planned=[150.0, 60.0, 60.0], multiplier=[1.5, 0.7, 0.75],
        change=[50.0, -30.0, -20.0], probability_more=[1.0, 0.0, 0.2],
    )  # fmt: skip
    gain = {"outcome": "conversion", "gain": 12.0, "ci_low": 5.0, "ci_high": 20.0, "n": 900.0}
    moves = three.assign(change=[5.0, -3.0, -2.0], gain=6.0, gain_low=2.0, gain_high=9.0, safe=True)
    moves = moves.drop(columns=["ci_low", "ci_high"])
    scores = pd.DataFrame({"metric": "nps", "touchpoint": ["ad", "mail", "shop"], "score": 40.0,
                           "ci_low": 30.0, "ci_high": 50.0, "n": 200, "ranked": True})  # fmt: skip
    gaps = pd.DataFrame({"metric": ["nps", "ces"], "difference": [9.0, 4.0], "ci_low": [5.0, -2.0],
                         "ci_high": [12.0, 9.0], "clear": [True, False], "n": 400, "low": 20.0,
                         "high": 11.0, "n_low": 200, "n_high": 200})  # fmt: skip
    key = pd.DataFrame({"driver": ["ad", "mail", "shop"], "importance": [0.5, 0.3, 0.2],
                        "performance": [40.0, 60.0, 70.0], "ci_low": 0.1, "ci_high": 0.6,
                        "performance_low": 35.0, "performance_high": 75.0, "n": 500,
                        "r2": 0.1})  # fmt: skip
    changed = three.assign(
        change=5.0, what="new page", date=pd.Timestamp("2026-02-01"), measure="score", n=500
    )
    told = pd.DataFrame({"what": "in all", "outcome": "conversion", "forecast": 50.0, "n": 900,
                         "period": pd.Timestamp("2026-02-01"), "forecast_low": 40.0,
                         "forecast_high": 60.0}, index=[0])  # fmt: skip
    truth = {"method": ["last", "drivers"], "world": "plain", "amount_error": [2.0, 0.2]}
    weeks = pd.DataFrame({"week": pd.date_range("2026-01-05", periods=4, freq="7D"), "n": 900,
                          "part": ["fit", "fit", "holdout", "holdout"], "predicted": 30.0,
                          "ci_low": 20.0, "ci_high": 40.0, "actual": 31.0})  # fmt: skip
    total = pd.DataFrame({"predicted": [60.0], "actual": [62.0], "error": [-0.03], "n": [900]})
    days = pd.DataFrame({"outcome": "churn", "group": "all", "day": [0, 1, 2], "at_risk": 500,
                         "incidence": [0.0, 0.2, 0.4], "ci_low": 0.0, "ci_high": 0.5, "n": 500,
                         "events": 100})  # fmt: skip
    months = pd.DataFrame({"cohort": ["2026-01", "2026-01", "2026-02"], "months_since": [1, 2, 1],
                           "customers": 300, "active": [90, 60, 80], "rate": [0.3, 0.2, 0.27],
                           "ci_low": 0.1, "ci_high": 0.4, "n": 300})  # fmt: skip
    lasting = pd.DataFrame({"group": ["north", "south"], "value": [90.0, 70.0], "ci_low": 60.0,
                            "ci_high": 110.0, "n": 150})  # fmt: skip
    flow = pd.DataFrame({"stage": ["awareness", "purchase"], "rate": [0.4, 0.2], "ci_low": 0.1,
                         "ci_high": 0.5, "n": 200, "customers": 200})  # fmt: skip
    mapped = three.assign(stage=["awareness", "purchase", "retention"], touches=90, mapped=True)
    steps = pd.DataFrame({"touchpoint": ["ad", "mail"], "position": ["1", "1"], "within": 1.0,
                          "credit": [60.0, 40.0]})  # fmt: skip
    lines = {"x": "month", "lines": "touchpoint", "y": "share", "label": "share"}
    table = pd.DataFrame({"month": ["1", "2"] * 2, "touchpoint": ["ad", "ad", "mail", "mail"],
                          "share": 0.4})  # fmt: skip
    interval = {"value": "incremental", "names": "touchpoint", "label": "outcomes"}
    titled = {"title": "A title", **looks}
    credit = lambda: tl.attribute(shop)  # noqa: E731
    journeys = lambda: tl.build_journeys(shop)  # noqa: E731
    every: dict[str, Callable[[], show.Picture]] = {
        "plot_changes": lambda: plot(changed, **looks),
        "plot_cohorts": lambda: plot(months, **looks),
        "plot_cost_per_incremental": lambda: plot(priced, **of, **looks),
        "plot_credit": lambda: plot(credit(), **looks),
        "plot_credit_and_drivers": lambda: plot(
            effects.assign(last=[20.0, 30.0, 40.0], markov=30.0), **looks
        ),
        "plot_credit_by_month": lambda: plot(credit().assign(segment="2026-01"), **looks),
        "plot_credit_by_segment": lambda: plot(credit().assign(segment="north"), **looks),
        "plot_first_steps": lambda: plot(describe.first_steps(journeys()), **of, **looks),
        "plot_flow": lambda: plot(flow, **looks),
        "plot_gaps": lambda: plot(gaps, **of, **looks),
        "plot_importance": lambda: plot(KeyDrivers(key, (), "nps", 0.4, 0.001, "LMG"), **looks),
        "plot_incidence": lambda: plot(days, **looks),
        "plot_incremental": lambda: plot(effects, **of, **looks),
        "plot_intervals": lambda: plot(effects, **interval, **titled),
        "plot_lengths": lambda: plot(describe.journey_lengths(journeys()), **looks),
        "plot_lifetime_value": lambda: plot(lasting, **looks),
        "plot_lines": lambda: plot(table, **lines, **titled),
        "plot_lookbacks": lambda: plot(credit().assign(lookback="30D"), **looks),
        "plot_map": lambda: plot(mapped, **looks),
        "plot_markov": lambda: plot(tl.attribute(shop, models=["markov"]), **looks),
        "plot_months": lambda: plot(describe.by_month(journeys()), **of, **looks),
        "plot_moves": lambda: plot(moves, **of, **looks),
        "plot_origins": lambda: plot({"drivers": effects, "baseline": base}, **looks),
        "plot_positions": lambda: plot(steps, **looks),
        "plot_reallocation": lambda: plot(plan, pd.DataFrame([gain]), **looks),
        "plot_record": lambda: plot(told.assign(came=51.0), told, **looks),
        "plot_removal": lambda: plot(tl.removal_effects(shop), **of, **looks),
        "plot_response_curves": lambda: plot(curve, **of, **looks),
        "plot_scores": lambda: plot(pd.DataFrame(truth), **looks),
        "plot_steps": lambda: plot(tl.transition_matrix(journeys()), **looks),
        "plot_survey_scores": lambda: plot(scores, **looks),
        "plot_survival": lambda: plot(days.assign(survival=1 - days.incidence), **looks),
        "plot_times": lambda: plot(tl.time_to_outcome(shop), **looks),
        "plot_validation": lambda: plot(weeks, total, **looks),
        "plot_waterfall": lambda: plot(effects, base, **looks),
    }
    return every[name]()


@pytest.mark.parametrize("name", plots.__all__)
def test_a_figure_takes_title_and_colours_and_writes_itself(
    name: str, shop: tl.Dataset, tmp_path: Path
) -> None:
    assert {"title", "palette", "ax"} <= signature(getattr(plots, name)).parameters.keys()
    looks = {"title": "A title of <ours>", "palette": ["#112233", "orange"]}
    own = drawn(name, shop, **looks)
    assert own.alt.startswith("A title of <ours>")
    assert own.theme.accent == "#112233" and own.theme.palette[1::2] == (to_hex("orange"),) * 4
    own.savefig(tmp_path / "own.svg")
    written = (tmp_path / "own.svg").read_text(encoding="utf-8")
    assert "A title of <ours>" in " ".join(fromstring(written).itertext())
    assert show.LIGHT.accent not in written
    for ending, begins in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        own.savefig(tmp_path / f"own.{ending}", dpi=20)
        assert (tmp_path / f"own.{ending}").read_bytes().startswith(begins)


def test_a_file_of_the_same_picture_is_the_same(tmp_path: Path) -> None:
    effects = pd.DataFrame({**THREE, "incremental": 6.0})
    for ending in ("svg", "png", "pdf"):
        paths = [tmp_path / f"{name}.{ending}" for name in ("one", "two")]
        for path in paths:
            plots.plot_incremental(effects, outcome="conversion").savefig(path)
        assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("name", plots.__all__)
def test_a_figure_draws_on_axes_of_the_readers(name: str, shop: tl.Dataset) -> None:
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    if name in SEVERAL:
        with pytest.raises(tl.ParameterError, match="ax: this figure has several panels"):
            drawn(name, shop, ax=left)
        return
    assert isinstance(drawn(name, shop, ax=left, title="Ours"), show.Picture)
    assert left.get_title(loc="left") == "Ours"
    assert len(left.get_children()) > len(right.get_children())
    assert not right.has_data() and not figure.legends and not figure.texts
    figure.draw_without_rendering()


def test_what_is_left_out_is_said_in_a_file_and_on_axes(tmp_path: Path) -> None:
    few = pd.DataFrame({**THREE, "n": [900, 800, 3], "incremental": [6.0, 5.0, 4.0]})
    picture = plots.plot_incremental(few, outcome="conversion")
    assert picture.left_out.startswith("Left out (2 rows): ")
    picture.savefig(tmp_path / "without.pdf")
    axes = Figure().subplots()
    plots.plot_incremental(few, outcome="conversion", ax=axes)
    assert axes.get_xlabel().endswith(picture.left_out)
    whole = pd.DataFrame({**THREE, "n": 3, "incremental": 6.0})
    plots.plot_incremental(whole, outcome="conversion", ax=axes)  # a note: there is nothing to draw


def test_a_palette_has_a_name_that_matplotlib_knows_or_is_refused() -> None:
    theme = show.LIGHT.in_colours("Set2")
    assert len(set(theme.palette)) == len(theme.palette) == len(show.LIGHT.palette)
    assert max(to_rgb(show.LIGHT.in_colours(["black"]).shade)) > 0.5  # ink is read on it
    for wrong in ("Set99", ["#12"], [], 3):
        with pytest.raises(tl.ParameterError, match="is neither a list of colours nor a name"):
            show.LIGHT.in_colours(wrong)  # type: ignore[arg-type]


def test_a_picture_is_written_as_its_name_ends(shop: tl.Dataset, tmp_path: Path) -> None:
    with pytest.raises(tl.ParameterError) as problem:
        drawn("plot_flow", shop).savefig("flow.gif")
    assert str(problem.value) == (
        "savefig: 'flow.gif' is no picture's name\n  let it end on .svg, .png or .pdf"
    )


def test_hidden_credit_is_no_zero_and_positions_stay_in_order() -> None:
    places = [*map(str, range(1, 11)), "11+"]
    credit = np.array([[400.0, 90, 60, 40, 30, 20, 15, 12, 4, 3, 11], [30.0, *np.full(10, 0.0)]])
    table = pd.DataFrame({
        "model": "shapley", "touchpoint": np.repeat(["ad", "mail"], 11), "position": places * 2,
        "credit": credit.ravel(), "within": (credit / credit.sum(axis=1)[:, None]).ravel(),
    }).assign(share=lambda t: t.credit / 900, ci_low=0.0, ci_high=0.5, n=900)  # fmt: skip
    seen = plots.plot_positions(table).table.set_index("touchpoint")
    assert list(seen.columns) == [p for p in places if p in seen.columns]
    assert np.isnan(seen.loc["ad"].get("9", np.nan))
    assert np.isnan(seen.loc["ad"].get("10", np.nan))
    assert seen.loc["ad", "1"] == pytest.approx(400 / credit[0].sum())  # of all, also the hidden


def test_a_touchpoint_keeps_its_colour_from_figure_to_figure() -> None:
    first, then = (show.LIGHT.by_name(names) for names in (["shop", "ad"], ["ad", "mail", "shop"]))
    assert first["ad"] == then["ad"]
    assert show.LIGHT.by_name(["(others)", "ad"])["ad"] == first["ad"]


def test_months_and_lookbacks_stand_in_their_order_where_one_is_hidden() -> None:
    assert in_order(["14D", "7D", "90D"]) == ["7D", "14D", "90D"]
    assert in_order(["2025-11", "2025-02"]) == ["2025-02", "2025-11"]
    assert in_order(["²", "b2", "", "b10"]) == ["", "b2", "b10", "²"]
