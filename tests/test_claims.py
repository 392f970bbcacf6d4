"""Words are claims: each is true of its table, whatever the table."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import touchlab as tl
from touchlab import overview, plots, sentences, show
from touchlab.journeys.build import build_journeys
from touchlab.journeys.describe import first_steps, journey_lengths
from touchlab.plots.drivers import sum_up
from touchlab.sentences.drivers import FEWEST
from touchlab.show.words import BACKED, forget_words, speak

NB = "\N{NO-BREAK SPACE}"
NAMES = ["ad", "mail", "shop", "call"]
numbers = st.floats(-900, 900).map(lambda v: round(v, 1))


@st.composite
def effects(draw: st.DrawFn) -> pd.DataFrame:
    rows = []
    for name in NAMES[: draw(st.integers(1, 4))]:
        amount, reach = draw(numbers), draw(st.floats(1, 400))
        ends = {"ci_low": amount - reach, "ci_high": amount + reach}
        badge = draw(st.sampled_from(sorted(BACKED)))
        rows.append({"touchpoint": name, "incremental": amount, **ends, "badge": badge, "n": 5000})
    return pd.DataFrame(rows)


def base(n: float, anyway: float = 0.5) -> pd.DataFrame:
    row = {"outcome": "conversion", "baseline": anyway * n, "share": anyway, "n": n}
    return pd.DataFrame([row | {"ci_low": 0.4 * n, "ci_high": 0.6 * n}])


@settings(max_examples=40, deadline=None)
@given(effects(), st.integers(60, 3000))
def test_share_words_are_true_of_the_shares(table: pd.DataFrame, n: int) -> None:
    said = sentences.about_drivers(table, base(n), "conversion")
    found = re.search(r"(\w+) (?:brings|goes with) (nearly all|most|more than any other)", said)
    if not found:
        return
    own = table.set_index("touchpoint").incremental
    assert own[found[1]] == own.max()
    share = own[found[1]] / n
    assert (found[2] == "nearly all") == (share >= 0.9)
    assert (found[2] == "most") == (0.5 < share < 0.9)


@settings(max_examples=40, deadline=None)
@given(effects(), st.integers(10, 3000))
def test_no_effect_stands_first_that_cannot_be(table: pd.DataFrame, n: int) -> None:
    whole = {"drivers": table, "baseline": base(n), "bringers": table, "referral": base(n)}
    said = [
        sentences.about_drivers(table, base(n), "conversion"),
        " ".join(sentences.in_brief(whole, "conversion")),
    ]
    impossible = table.incremental.clip(lower=0).sum() > n or n < FEWEST
    for text in said:
        assert ("No effect stands first" in text) == impossible
        if impossible:
            assert "would have come" not in text and "any other touchpoint" not in text
    if impossible:
        with pytest.raises(tl.MissingInput):
            sentences.propose_actions({"drivers": table, "baseline": base(n)}, "conversion")


def received(**given: Any) -> pd.DataFrame:
    row = {"outcome": "conversion", "n": 762, "customers": 2469, "untouched": 0.37}
    times = {"first": pd.Timestamp("2025-01-01"), "last": pd.Timestamp("2025-12-31")}
    return pd.DataFrame([row | times | {"only_touched": True} | given])


def test_an_outcome_defined_by_the_touch_has_no_effects() -> None:
    assert sentences.about_occasion(received()).replace(NB, " ") == (
        "No effect stands first: 37 % of 2,469 customers were never touched, and none of 762 "
        "conversion outcomes is theirs. An outcome that only those have who were touched may be "
        "defined by the touch."
    )
    assert sentences.about_occasion(received(only_touched=False)) == ""
    assert sentences.about_occasion(received(untouched=0.01)) == ""


def test_who_was_touched_before_is_read_from_the_data() -> None:
    day = pd.Timestamp("2026-01-10", tz="UTC")
    touches = pd.DataFrame({"customer_id": ["a", "b"], "timestamp": day, "touchpoint": "mail"})
    bought = pd.DataFrame({"customer_id": ["a"], "timestamp": day + pd.Timedelta("1D")})
    people = pd.DataFrame({"customer_id": [*"abcd"]})
    window = {"observed_from": day, "observed_to": day + pd.Timedelta("30D")}
    tables = {"touches": touches, "customers": people.assign(**window)}

    def only(rows: pd.DataFrame) -> pd.Series:
        data = tl.open_data(tables | {"outcomes": rows.assign(outcome="conversion")})
        return overview.received(data, "conversion").iloc[0]

    row = only(bought)
    assert (row.n, row.customers, row.untouched, row.only_touched) == (1, 4, 0.5, True)
    stranger = pd.DataFrame({"customer_id": ["c"], "timestamp": day + pd.Timedelta("2D")})
    assert not only(pd.concat([bought, stranger])).only_touched


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(numbers, st.floats(-300, 300), st.booleans()), min_size=1, max_size=4))
def test_money_goes_first_where_it_is_safe_and_gains_most(rows: list[tuple[Any, ...]]) -> None:
    moves = pd.DataFrame(rows, columns=["change", "gain", "safe"])
    moves = moves.assign(
        touchpoint=NAMES[: len(rows)], cost_now=1000.0, gain_low=moves.gain - 9,
        gain_high=moves.gain + 9, badge="adjusted",
    )  # fmt: skip
    gain = pd.DataFrame([{"outcome": "conversion", "gain": 9.0, "ci_low": 5.0, "ci_high": 12.0}])
    try:
        found = sentences.propose_actions({"moves": moves, "gain": gain}, "conversion")
    except tl.MissingInput:
        found = pd.DataFrame({"action": []})
    spent = [text.split(" more on ")[1].split(",")[0] for text in found.action]
    may = moves.touchpoint[moves.safe & (moves.change > 0) & (moves.gain > 0)]
    assert spent == list(may.head(2))


@given(st.floats(-2, 3, allow_nan=False))
def test_a_share_is_nothing_or_all_only_where_it_is(share: float) -> None:
    for places in (None, 0, 1):
        said = show.per_cent(share, places).replace(NB, " ")
        if said == "0 %":
            assert abs(share) < 0.005 and share <= 0
        if said in ("100 %", "100.0 %"):
            assert share >= 1
        assert not re.match(r"-0(\.0)? ", said)


@given(st.floats(-1e6, 1e6), st.floats(0.01, 1e5), st.floats(0.01, 1e5))
def test_an_estimate_is_as_fine_as_its_interval(value: float, down: float, up: float) -> None:
    said = show.ranged(value, value - down, value + up)
    found = [float(one.replace(",", "")) for one in re.findall(r"-?[\d,]+(?:\.\d)?", said)]
    step = max((down + up) / 20, 1.01)
    for shown, true in zip(found, (value, value - down, value + up), strict=True):
        assert abs(shown - true) <= step, said
    assert found[1] <= found[0] <= found[2]


@given(effects(), st.integers(1, 5000))
def test_the_parts_of_the_waterfall_add_up_to_all(table: pd.DataFrame, n: int) -> None:
    rows = sum_up(table, base(n).iloc[0])
    assert rows.amount[:-1].sum() == pytest.approx(n) and rows.amount.iloc[-1] == n
    np.testing.assert_allclose(rows.begin[1:-1], rows.end[:-2])


def test_steps_keep_every_journey_until_it_has_ended() -> None:
    paths = {"path": ["a > b", "a", "b > a > b > a > b > a > b"], "conversions": [10, 0, 20]}
    data = tl.open_data({"paths": pd.DataFrame(paths | {"null": [0, 30, 0]})})
    steps = first_steps(build_journeys(data))
    whole = steps.groupby(["group", "step"]).n.sum().unstack()
    assert (whole.loc["with outcome"] == 30).all() and (whole.loc["without outcome"] == 30).all()
    first = steps[(steps.step == 1) & (steps.group == "with outcome")]
    assert dict(zip(first.source + first.target, first.n, strict=True)) == {"ab": 10.0, "ba": 20.0}
    second = steps[(steps.step == 2) & (steps.group == "with outcome")]
    assert dict(zip(second.source + second.target, second.n, strict=True)) == {
        "ab": 20.0, "b(outcome)": 10.0,
    }  # fmt: skip
    assert plots.plot_first_steps(steps, outcome="conversion").alt.startswith(
        f"a is the first touch of 33{NB}% of journeys that lead to conversion outcomes, and of "
        f"100{NB}% of the others."
    )


def test_a_title_names_no_first_touch_that_is_hidden() -> None:
    rows = [("ad", "(outcome)", 40, "with outcome"), ("spa", "(outcome)", 4, "with outcome")]
    rows += [("shop", "(outcome)", 6, "with outcome"), ("ad", "(end)", 200, "without outcome")]
    rows += [("spa", "(end)", 100, "without outcome"), ("shop", "(end)", 20, "without outcome")]
    steps = pd.DataFrame(rows, columns=["source", "target", "n", "group"]).assign(step=1)
    alt = plots.plot_first_steps(steps, outcome="conversion").alt
    assert alt.startswith("ad is the first touch of 80") and "spa is" not in alt


def test_where_no_effect_can_be_told_the_front_page_says_what_journeys_do() -> None:
    paths = {"path": ["ad > mail", "mail", "ad"], "conversions": [90, 60, 10]}
    data = tl.open_data({"paths": pd.DataFrame(paths | {"null": [110, 40, 590]})})
    found = overview.gather(data, outcome="conversion")
    said = [one.replace(NB, " ") for one in sentences.in_brief(found, "conversion")]
    assert said == [
        "18 % of journeys lead to conversion outcomes (95 % range 15 % to 20 %); 900 journeys have "
        "1.2 touches on average. 89 % of journeys begin with ad, 67 % end with ad. Journeys with "
        "mail end with it most often (50 %), those with ad least (12 %).",
        "5 of 6 models give mail the largest share; by all of them it is between 38 % and 94 % of "
        "conversion outcomes. Credit is no effect.",
        "What touchpoints bring is not known: a paths table has no times; give touches and "
        "outcomes with their times.",
    ]
    assert plots.plot_origins(found).alt.startswith("ad depends most on the model")


def test_models_that_agree_and_touchpoints_that_tie_are_not_ranked() -> None:
    data = tl.open_data({"paths": pd.DataFrame({"path": ["ad", "mail"], "conversions": [40, 40]})})
    credit = tl.attribute(data)
    assert sentences.about_credit(credit, "conversion") == (
        "By no model has one touchpoint more credit than every other."
    )
    assert sentences.about_agreement(credit) == "The models agree on every touchpoint."
    assert plots.plot_credit(credit).alt.startswith("The models agree on every touchpoint.")
    more = tl.open_data({"paths": pd.DataFrame({"path": ["ad", "mail"], "conversions": [60, 20]})})
    assert sentences.about_credit(tl.attribute(more), "conversion").replace(NB, " ") == (
        "All 6 models give ad the largest share; by all of them it is 75 % of conversion outcomes."
    )


def test_what_ties_is_not_said_to_be_ahead() -> None:
    rows = {"touchpoint": ["ad", "mail"], "stage": ["awareness", "purchase"], "touches": 40}
    alt = plots.plot_map(pd.DataFrame(rows | {"mapped": True})).alt
    assert alt.replace(NB, " ").startswith("ad, mail have the most touches: 50 % of all each")
    months = pd.DataFrame({"month": ["2026-01", "2026-02"], "touches": 90, "outcomes": 17.0})
    alt = plots.plot_months(months, outcome="conversion").alt
    assert alt.startswith("Most conversion outcomes in 2026-01, 2026-02: 17 each")
    flow = {"stage": ["awareness", "purchase"], "rate": [0.9, 0.88], "ci_low": [0.87, 0.85]}
    flow |= {"ci_high": [0.92, 0.91], "n": 400, "customers": 400, "touchpoints": 2}
    for said in (sentences.about_flow(pd.DataFrame(flow)), plots.plot_flow(pd.DataFrame(flow)).alt):
        assert said.endswith("; not clearly more than at purchase.")
    apart = pd.DataFrame(flow | {"ci_high": [0.92, 0.86]})
    assert "not clearly" not in sentences.about_flow(apart)


def test_pages_call_things_by_the_words_of_readers(tmp_path: Any) -> None:
    day = pd.Timestamp("2026-01-10", tz="UTC")
    names = ["mobile_app_push", "ad"]
    touches = pd.DataFrame({"customer_id": "a", "timestamp": day, "touchpoint": names})
    bought = {"customer_id": "a", "timestamp": day + pd.Timedelta("1D")}
    outcomes = pd.DataFrame([bought | {"outcome": name} for name in ("conversion", "churn")])
    touches.to_csv(tmp_path / "touches.csv", index=False)
    outcomes.to_csv(tmp_path / "outcomes.csv", index=False)
    words = '[names]\ndata = "a shop"\nconversion = "delivery"\nad = "Poster"\n'
    (tmp_path / "touchlab.toml").write_text(words)
    data = tl.open_data(tmp_path)
    speak(data)
    try:
        text = "ad brings 9 conversion outcomes, mobile_app_push 3; 2 churn outcomes, min_customers"
        assert str(show.note(text)) == (
            "Poster brings 9 deliveries, mobile app push 3; 2 customers lost, min_customers"
        )
        assert show.readable(pd.DataFrame({"touchpoint": ["ad"]})).touchpoint[0] == "Poster"
        assert sentences.about_data(data).startswith(f"{tmp_path.name} (a shop) holds")
        rows = pd.DataFrame({"touchpoint": names, "incremental": [3.0, 9.0], "badge": "adjusted"})
        rows = rows.assign(ci_low=1.0, ci_high=20.0, n=500)
        picture = plots.plot_incremental(rows, outcome="conversion")
        drawn = picture.svg()
        assert "mobile app push" in drawn and "Poster" in drawn and "mobile_app_push" not in drawn
        assert list(picture.table.touchpoint) == ["mobile_app_push", "ad"]  # data keep their names
    finally:
        forget_words()


def test_a_rate_that_nobody_knows_yet_is_not_drawn() -> None:
    """All within the lookback of the end: every journey is open."""
    day = pd.Timestamp("2026-03-01", tz="UTC")
    who = [f"c{i % 150}" for i in range(400)]
    when = day + pd.to_timedelta(range(400), unit="h")
    touches = pd.DataFrame({"customer_id": who, "timestamp": when, "touchpoint": "ad"})
    bought = touches[::5].drop(columns="touchpoint").assign(outcome="conversion")
    bought["timestamp"] += pd.Timedelta("2h")
    data = tl.open_data({"touches": touches, "outcomes": bought})
    journeys = build_journeys(data, outcome="conversion", lookback="30D")
    with pytest.raises(tl.MissingInput, match="No journey is over yet"):
        plots.plot_lengths(journey_lengths(journeys))


def test_paths_of_open_journeys_have_no_rate_to_speak_of() -> None:
    paths = pd.DataFrame({"path": ["ad > mail", "ad"], "journeys": [40, 30], "rate": float("nan")})
    said = sentences.about_paths(paths.assign(ci_low=float("nan"), ci_high=float("nan")))
    assert said == (
        "The most common path is ad > mail (40 journeys). How often it converts is not known yet: "
        "no journey's lookback has passed."
    )
    one = paths.assign(rate=[float("nan"), 0.5], ci_low=[0.3, 0.3], ci_high=[0.7, 0.7])
    said = sentences.about_paths(one).replace("\N{NO-BREAK SPACE}", " ")
    assert "ad has the highest rate: 50 % (30 % to 70 %) of 30 journeys." in said


def test_shares_of_which_none_is_shown_are_not_drawn() -> None:
    rows = {"segment": ["a", "b"], "touchpoint": ["ad", "ad"], "share": [np.nan, np.nan]}
    with pytest.raises(tl.MissingInput, match="Shares stand on too few customers"):
        plots.plot_credit_by_segment(pd.DataFrame(rows))
