"""NPS, CSAT and CES: published intervals, clusters, small n, what follows, who answers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import customers, refusal, surveys, tables, touchpoints, utc

import touchlab as tl
from touchlab import show
from touchlab.errors import MissingInput, ParameterError
from touchlab.experience.followup import contrast_bands, responders, scores_and_outcomes
from touchlab.experience.stages import between, channel_consistency
from touchlab.experience.surveys import nps_interval, survey_scores
from touchlab.numeric import share_interval
from touchlab.plots.experience import plot_gaps, plot_survey_scores
from touchlab.sentences import experience as sentences_experience

END_OF_CHURN = pd.Timestamp("2026-03-11T00:00:01")


def asked(scores: Sequence[float | None], metric: str = "nps", **more: object) -> pd.DataFrame:
    """Surveys of one touchpoint, a customer each."""
    return pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2026-03-02"),
            "touchpoint": "email",
            "metric": metric,
            "score": pd.Series(scores, dtype=float),
            "customer_id": [f"c{i}" for i in range(len(scores))],
            **more,
        }
    )


def scored(table: pd.DataFrame, **choices: object) -> pd.DataFrame:
    return survey_scores(tl.open_data(tables(surveys=table)), **choices)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_newcombes(part: int, n: int, low: float, high: float) -> None:
    ends = share_interval(part, n)
    assert float(ends[0]) == pytest.approx(low, abs=5e-5)
    assert float(ends[1]) == pytest.approx(high, abs=5e-5)


def test_nps_of_50_promoters_30_passives_20_detractors() -> None:
    plain = nps_interval(50, 30, 20, extra=0)
    assert [round(float(e), 2) for e in plain] == [14.69, 45.31]  # 30 +- 15.31
    low, high = nps_interval(50, 30, 20)
    assert (round(float(low), 2), round(float(high), 2)) == (14.05, 44.20)
    assert round(float(low + high) / 2, 2) == 29.13
    row = scored(asked([10] * 25 + [9] * 25 + [8] * 15 + [7] * 15 + [6] * 10 + [0] * 10)).iloc[0]
    assert row.score == pytest.approx(30)
    assert (round(row.ci_low, 2), round(row.ci_high, 2)) == (14.05, 44.20)
    assert (row.n, row.customers, row.share) == (100, 100, 0.5)


def test_csat_is_the_top_two_with_wilson() -> None:
    row = scored(asked([5] * 40 + [4] * 41 + [3] * 182, "csat")).iloc[0]  # 81 of 263
    assert row.score == pytest.approx(100 * 81 / 263)
    assert (round(row.ci_low, 2), round(row.ci_high, 2)) == (25.53, 36.62)


def test_ces_is_the_mean_with_a_t_interval() -> None:
    # 4, 5, 6: mean 5, standard error 1 / sqrt 3, t(2) = 4.3027; cut at 7
    row = scored(asked([4, 5, 6], "ces")).iloc[0]
    assert row.score == pytest.approx(5)
    assert row.ci_low == pytest.approx(5 - 4.3027 / 3**0.5, abs=1e-4)
    assert row.ci_high == 7
    assert row.share == pytest.approx(2 / 3)  # 5 and 6 of 4, 5, 6


def test_scale_pools_metrics_from_worst_to_best() -> None:
    table = pd.concat([asked([0, 10]), asked([1, 5], "csat"), asked([4], "ces")])
    row = scored(table, metric="scale").iloc[0]
    assert (row.score, row.n) == (50.0, 5)  # 0, 100, 0, 100, 50


def test_answers_of_one_customer_count_for_less() -> None:
    # two customers, 0 0 and 6 6 on a scale of 1 to 7 shifted: totals 2 and 14, n = 4, mean 4;
    # variance between customers: ((2 - 8)^2 + (14 - 8)^2) / 4^2 * 2 / 1 = 9, error 3, t(1)
    table = asked([1, 1, 7, 7], "ces", customer_id=["a", "a", "b", "b"])
    row = scored(table).iloc[0]
    assert (row.n, row.customers) == (4, 2)
    assert (row.ci_low, row.ci_high) == (1, 7)  # 4 +- 12.7 * 3, cut at the scale
    apart = scored(asked([1, 1, 7, 7], "ces")).iloc[0]
    # four customers: standard deviation sqrt 12, error sqrt 3, t(3) = 3.1824: 4 +- 5.5
    assert (apart.ci_low, apart.ci_high) == (1, 7)
    many = asked([1, 7] * 50, "ces", customer_id=[i // 4 for i in range(100)])
    balanced = scored(many).iloc[0]  # each customer gives both: no difference between customers
    single = scored(asked([1, 7] * 50, "ces")).iloc[0]
    # the design effect is at least 1; only the degrees of freedom are those of 25 customers
    wide = (balanced.ci_high - balanced.ci_low) / (single.ci_high - single.ci_low)
    assert wide == pytest.approx(2.0639 / 1.9842, abs=1e-4)


def test_repeating_every_answer_changes_nothing() -> None:
    once = asked([10, 9, 8, 7, 3, 10, 2, 9, 9, 6] * 4)
    one, four = scored(once).iloc[0], scored(pd.concat([once] * 4)).iloc[0]
    assert (four.score, four.n, four.customers) == (one.score, 160, 40)
    # four alike answers of a customer are worth one, up to n - 1 for n
    assert four.ci_high - four.ci_low == pytest.approx(one.ci_high - one.ci_low, rel=0.02)


@pytest.mark.parametrize(("metric", "score"), [("nps", 10), ("csat", 5), ("ces", 7), ("ces", 4)])
def test_answers_all_alike_still_leave_doubt(metric: str, score: float) -> None:
    few, many = (
        scored(asked([score] * 3, metric)).iloc[0],
        scored(asked([score] * 300, metric)).iloc[0],
    )
    for row in (few, many):
        assert np.isfinite([row.score, row.ci_low, row.ci_high]).all()
        assert row.ci_low < row.ci_high
    assert many.ci_high - many.ci_low < few.ci_high - few.ci_low
    # twenty customers who answer alike twenty times are twenty, not four hundred
    repeated = asked([score] * 400, metric, customer_id=[i % 20 for i in range(400)])
    one, both = scored(asked([score] * 20, metric)).iloc[0], scored(repeated).iloc[0]
    assert both.ci_low == pytest.approx(one.ci_low, abs=1e-9)


def test_one_answer_is_shown_not_ranked() -> None:
    row = scored(asked([9])).iloc[0]
    assert not row.ranked and row.score == 100 and row.ci_low < 30
    ranked = scored(asked([9] * 30)).iloc[0]
    assert ranked.ranked


def test_anonymous_answers_each_stand_alone() -> None:
    known = scored(asked([10, 3, 8, 9, 9, 2] * 5)).drop(columns="customers")
    anonymous = scored(asked([10, 3, 8, 9, 9, 2] * 5).drop(columns="customer_id"))
    assert anonymous.customers.tolist() == [30]
    pd.testing.assert_frame_equal(known, anonymous.drop(columns="customers"))


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=30), st.integers(0, 99))
def test_order_of_rows_does_not_matter(scores: list[int], seed: int) -> None:
    table = asked(
        [float(s) for s in scores], "ces", customer_id=[i % 3 for i in range(len(scores))]
    )
    pd.testing.assert_frame_equal(scored(table), scored(table.sample(frac=1, random_state=seed)))


def test_response_rate_is_of_what_was_sent() -> None:
    table = asked([9, None, None, 3], sent_at=utc("2026-03-01").repeat(4))
    row = scored(table).iloc[0]
    assert (row.n, row.sent, row.response_rate) == (2, 4, 0.5)
    some = table.assign(
        sent_at=[None, *table.sent_at[1:]]
    )  # the first: nobody knows when it was sent
    row = scored(some).iloc[0]
    assert (row.n, row.sent) == (2, 3)
    assert row.response_rate == pytest.approx(1 / 3)
    only = scored(asked([9, 3], sent_at=utc("2026-03-01").repeat(2))).iloc[0]
    assert pd.isna(only.response_rate) and pd.isna(only.sent)  # answers alone: not known


def test_groups_follow_the_map_the_traits_and_the_months() -> None:
    both = surveys(
        timestamp=utc("2026-03-31T23:00Z", "2026-04-01T01:00Z"),
        touchpoint=["email", "unmapped"],
        metric=["nps", "nps"],
        score=[9, 1],
        customer_id=["a", "stranger"],
    )
    data = tl.open_data(
        tables(
            surveys=both,
            touchpoints=touchpoints(),
            customers=customers().assign(region=["north", "south"]),
        )
    )
    assert survey_scores(data, by="stage").stage.tolist() == ["purchase", "(unknown)"]
    assert survey_scores(data, by="month").month.tolist() == ["2026-03", "2026-04"]
    assert survey_scores(data, by="region").region.tolist() == ["(unknown)", "north"]


def test_unknown_groups_and_metrics_are_refused() -> None:
    data = tl.open_data(tables(surveys=surveys(), customers=customers().assign(region="x", n=1)))
    for choices, said in (
        (
            {"by": "regoin"},
            "by: 'regoin' is not a way to group surveys; did you mean 'region'?\n"
            "  use one of touchpoint, stage, channel, owner, goal, phase, month, n, region",
        ),
        ({"metric": "npss"}, "metric: 'npss' is not a metric; did you mean 'nps'?\n"
                             "  use one of nps, csat, ces, scale"),
    ):  # fmt: skip
        with pytest.raises(ParameterError) as caught:
            survey_scores(data, **choices)
        assert str(caught.value) == said
    named = tl.open_data(
        tables(surveys=surveys(customer_id=["a", "b"]), customers=customers().assign(n=1))
    )
    with pytest.raises(ParameterError) as caught:
        survey_scores(named, by="n")
    assert str(caught.value) == "by: 'n' is also a column of the result\n  rename the trait"


def test_what_is_missing_is_said_with_what_it_would_answer() -> None:
    bare, some = tl.open_data(tables()), tl.open_data(tables(surveys=surveys()))
    silent = tl.open_data(tables(surveys=surveys(score=[None, None])))
    for ask, said in (
        (
            lambda: survey_scores(bare),
            "The data has no surveys. With a table of them (timestamp, touchpoint, metric, "
            "score), NPS, CSAT and CES by touchpoint would be shown here, and whether they matter.",
        ),
        (
            lambda: survey_scores(silent),
            "No survey was answered. With scores, how customers feel would be shown here.",
        ),
        (
            lambda: survey_scores(some, metric="ces"),
            "No survey asks for ces; the data has csat, nps. With it, ces would be shown here.",
        ),
        (
            lambda: survey_scores(some, by="stage"),
            "The data has no map of its touchpoints. With one (`touchlab map init` proposes it), "
            "scores by stage would be shown here.",
        ),
        (
            lambda: scores_and_outcomes(some, outcome="conversion"),
            "The surveys are anonymous. With their customer_id, what customers did after they "
            "answered would be shown here.",
        ),
        (
            lambda: responders(some),
            "The surveys are anonymous. With their customer_id, who answered would be shown here.",
        ),
        (
            lambda: survey_scores(
                tl.open_data(tables(surveys=surveys(customer_id=["a", "b"]))), by="region"
            ),
            "The data has no customers table. With one (customer_id, observed_from, observed_to, "
            "traits), scores by region would be shown here.",
        ),
        (
            lambda: scores_and_outcomes(tl.open_data(tables(surveys=asked([9])))),
            "The data has no outcome named churn. With it, what follows low and high scores "
            "would be shown here.",
        ),
    ):
        with pytest.raises(MissingInput) as caught:
            ask()
        assert str(caught.value) == said


def test_bad_surveys_are_refused_in_whole_sentences() -> None:
    assert refusal(tables(surveys=surveys(score=[11, 4])))[1:] == [
        "surveys.score: 1 of 2 rows are off the scale of nps",
        "  first: row 1, value 11",
        "  give nps from 0 to 10",
    ]
    assert refusal(tables(surveys=surveys(metric=["NPS", "csat"])))[1:] == [
        "surveys.metric: 1 of 2 rows are not an allowed word",
        "  first: row 1, value 'NPS'",
        "  use nps, csat, ces",
    ]


def test_a_half_point_is_neither_promoter_nor_detractor() -> None:
    # the contract takes averaged scores; 8.5 is below 9 and 6.5 above 6
    assert scored(asked([8.5, 6.5])).score.tolist() == [0.0]


def answers_and_outcomes() -> tl.Dataset:
    """Ten low and ten high answers on 1 March; churn after 10 days of 4 and of 1 of them."""
    ids = [f"l{i}" for i in range(10)] + [f"h{i}" for i in range(10)]
    bought = pd.DataFrame(
        {"customer_id": ids, "timestamp": pd.Timestamp("2026-02-01"), "outcome": "conversion"}
    )
    gone = ["l0", "l1", "l2", "l3", "h0"]
    left = pd.DataFrame(
        {"customer_id": gone, "timestamp": pd.Timestamp("2026-03-11"), "outcome": "churn"}
    )
    people = pd.DataFrame(
        {
            "customer_id": ids,
            "observed_from": pd.Timestamp("2026-01-01"),
            "observed_to": [END_OF_CHURN if i in gone else pd.Timestamp("2026-12-31") for i in ids],
        }
    )
    people.loc[people.customer_id == "h9", "observed_to"] = pd.Timestamp("2026-03-20")
    touched = pd.DataFrame(
        {"customer_id": ids, "timestamp": pd.Timestamp("2026-02-02"), "touchpoint": "email"}
    )
    table = asked([2] * 10 + [10] * 10, timestamp=pd.Timestamp("2026-03-01"), customer_id=ids)
    return tl.open_data(
        {
            "touches": touched,
            "outcomes": pd.concat([bought, left]),
            "customers": people,
            "surveys": table,
        }
    )


def test_outcomes_after_answers_by_hand() -> None:
    later = scores_and_outcomes(answers_and_outcomes(), outcome="churn", days=30)
    assert later[["metric", "touchpoint", "band", "scores"]].to_numpy().tolist() == [
        ["nps", "email", "low", "0-6"],
        ["nps", "email", "high", "9-10"],
    ]
    # h9 is not watched for 30 days; those who left are, though their windows are short
    assert later.outcomes.tolist() == [4, 1] and later.n.tolist() == [10, 9]
    low, high = share_interval([4, 1], [10, 9])
    assert later.ci_low.tolist() == pytest.approx(low) and later.ci_high.tolist() == pytest.approx(
        high
    )
    early = scores_and_outcomes(answers_and_outcomes(), outcome="churn", days=9)
    assert early.outcomes.tolist() == [0, 0] and early.n.tolist() == [10, 10]
    gap = contrast_bands(later).iloc[0]
    assert gap.difference == pytest.approx(100 * (4 / 10 - 1 / 9))
    assert not gap.clear and gap.n == 19


def test_only_what_comes_after_the_answer_counts() -> None:
    data = answers_and_outcomes()
    frames = {name: table.to_pandas() for name, table in data.tables.items()}
    frames["surveys"]["timestamp"] = pd.Timestamp("2026-03-11T00:00:00")
    same = tl.open_data(frames)  # at the instant of the churn they are no longer customers
    assert scores_and_outcomes(same, outcome="churn", days=30).n.tolist() == [6, 8]


def test_touchpoints_are_compared_with_themselves() -> None:
    # everywhere the outcome is as frequent after low as after high scores; the hotline has more
    # low scores and more outcomes, so a table without touchpoints would show a difference
    later = pd.DataFrame(
        {
            "metric": "csat",
            "touchpoint": ["hotline", "hotline", "shop", "shop"],
            "band": ["low", "high"] * 2,
            "rate": [0.5, 0.5, 0.1, 0.1],
            "n": [80, 20, 20, 80],
        }
    )
    low, high = share_interval(later.rate * later.n, later.n)
    gap = contrast_bands(later.assign(ci_low=low, ci_high=high)).iloc[0]
    assert gap.difference == pytest.approx(0) and not gap.clear
    pooled = later.assign(hits=later.rate * later.n).groupby("band")[["hits", "n"]].sum()
    assert (pooled.hits / pooled.n).to_dict() == {"low": 0.42, "high": 0.18}


def test_bad_watch_and_outcome_are_refused() -> None:
    data = answers_and_outcomes()
    with pytest.raises(ParameterError) as caught:
        scores_and_outcomes(data, days=0)
    assert str(caught.value) == "days: 0 is not above 0\n  give a number of days"
    with pytest.raises(ParameterError, match="outcome: no outcome is named 'chrn'"):
        scores_and_outcomes(data, outcome="chrn")
    with pytest.raises(MissingInput) as missing:
        scores_and_outcomes(data, days=4000)
    assert str(missing.value) == (
        "No answer was watched for 4000 days. With longer observation, or fewer days, whether "
        "scores foretell churn would be shown here."
    )


def test_responders_beside_everyone_by_hand() -> None:
    data = answers_and_outcomes()
    frames = {name: table.to_pandas() for name, table in data.tables.items()}
    frames["customers"]["age"] = [30.0] * 10 + [50.0] * 10
    frames["surveys"].loc[5:, "score"] = None  # l0 to l4 answered
    frames["surveys"] = frames["surveys"].iloc[:15]  # five were never asked
    table = responders(tl.open_data(frames)).set_index("what")
    assert table.loc["churn", ["everyone", "asked", "answered"]].tolist() == pytest.approx(
        [25, 100 * 5 / 15, 80]
    )
    assert table.loc["age", ["everyone", "asked", "answered"]].tolist() == pytest.approx(
        [40, (10 * 30 + 5 * 50) / 15, 30]
    )
    assert (table.n == 5).all()
    # 80 % of 5 out of 20: reach 1.96 sqrt(80 * 20 / 5 * (1 - 5 / 20))
    reach = 1.959964 * (80 * 20 / 5 * 0.75) ** 0.5
    assert table.difference["churn"] == pytest.approx(55)
    assert table.ci_low["churn"] == pytest.approx(55 - reach)


def test_channels_of_a_stage_are_drawn_together_as_far_as_they_are_unsure() -> None:
    random = np.random.default_rng(1)
    parts = []
    for name, mean, n in (("phone", 3.0, 400), ("chat", 4.5, 400), ("fax", 4.5, 4)):
        scores = np.clip(np.round(random.normal(mean, 0.7, n)), 1, 5)
        own = asked(list(scores), "csat", touchpoint=name)
        parts.append(own.assign(customer_id=[f"{name}{i}" for i in range(n)]))
    own = touchpoints(
        touchpoint=["phone", "chat", "fax"], stage=["retention"] * 3, owner=None
    ).assign(channel=["phone", "chat", "fax"])
    table = channel_consistency(tl.open_data(tables(surveys=pd.concat(parts), touchpoints=own)))
    table = table.set_index("channel")
    assert table.differs.all() and (table.spread > 10).all()
    moved = (table.shrunken - table.score).abs()
    assert moved["fax"] > 5 * moved["chat"]  # four answers are drawn to the mean, 400 are not
    alike = between(np.array([50.0, 50.5]), np.array([2.0, 2.0]))
    assert alike[0] == 0.0 and alike[1] > 0.8


def test_one_channel_says_what_is_missing() -> None:
    own = touchpoints().assign(channel=["mail", "web"])
    with pytest.raises(MissingInput) as caught:
        channel_consistency(tl.open_data(tables(surveys=surveys(), touchpoints=own)))
    assert str(caught.value) == (
        "No metric is asked in two channels of one stage. With the same question in both, "
        "whether the channels are consistent would be shown here."
    )


def test_sentences_name_the_weakest_and_say_when_nothing_differs() -> None:
    parts = [
        asked([1] * 30 + [5] * 10, "csat", touchpoint="hotline"),
        asked([5] * 38 + [1] * 2, "csat", touchpoint="shop"),
        asked([9, 3] * 20, "nps", touchpoint="hotline"),
        asked([9, 3, 8, 7] * 10, "nps", touchpoint="shop"),
    ]
    table = scored(pd.concat(parts))
    assert sentences_experience.about_lowest(table) == (
        "Scores are lowest at hotline: CSAT 25\N{NO-BREAK SPACE}% (highest: "
        "95\N{NO-BREAK SPACE}%, shop). NPS does not clearly differ between touchpoints."
    )
    assert plot_survey_scores(table).alt.startswith(
        "hotline has the lowest CSAT: 25\N{NO-BREAK SPACE}%; shop the highest: 95"
    )
    few = scored(asked([9, 3]))
    assert sentences_experience.about_lowest(few) == (
        "No metric was asked at two touchpoints with enough answers to compare them."
    )
    gaps = contrast_bands(scores_and_outcomes(answers_and_outcomes(), days=30))
    assert (
        sentences_experience.about_later(gaps, "churn")
        == "Low scores (NPS) do not clearly foretell churn."
    )
    clear = gaps.assign(ci_low=12.0, difference=29.0, ci_high=46.0, clear=True)
    assert sentences_experience.about_later(clear, "churn") == (
        "After a low NPS, churn is 29 points more frequent than after a high one (12 to 46), at "
        "the same touchpoints."
    )


@pytest.mark.parametrize("width", [show.WIDE, show.NARROW])
def test_figures_draw_ties_small_n_and_odd_names(width: float) -> None:
    odd = ["<img src=x>", "$\\frac{ $", "_x", "y" * 200]
    table = pd.concat(
        [
            asked([9] * n, "nps", touchpoint=name)
            for n, name in zip((1, 5, 40, 40), odd, strict=True)
        ]
    )
    months = scored(table, by="month")
    gaps = contrast_bands(scores_and_outcomes(answers_and_outcomes(), days=30))
    every = scored(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scores in (every, months):
            assert plot_survey_scores(scores.assign(n=100)).svg(width)[:4] == "<svg"
        assert plot_gaps(gaps, outcome="churn").svg(width)


@pytest.mark.slow
def test_intervals_hold_the_truth_where_customers_answer_often() -> None:
    """Forty customers, one to six answers each, half of the variance between customers.

    Naive intervals (each answer on its own) hold it 79 to 83 times in a hundred.
    """
    rounds, held = 400, {"nps": 0, "csat": 0, "ces": 0}
    scales = {"nps": (7.4, 2.0, 0, 10), "csat": (3.8, 0.8, 1, 5), "ces": (5.1, 1.2, 1, 7)}
    random = np.random.default_rng(5)

    def draw(metric: str, customers: int, most: int) -> tuple[np.ndarray, np.ndarray]:
        middle, step, low, high = scales[metric]
        who = np.repeat(np.arange(customers), random.integers(1, most + 1, customers))
        mood = np.sqrt(0.5) * random.normal(size=customers)[who]
        felt = mood + np.sqrt(0.5) * random.normal(size=len(who))
        return who, np.clip(np.round(middle + step * felt), low, high)

    for metric in scales:
        _, many = draw(metric, 300_000, 1)
        truth = {
            "nps": 100 * ((many >= 9).mean() - (many <= 6).mean()),
            "csat": 100 * (many >= 4).mean(),
            "ces": many.mean(),
        }[metric]
        parts = []
        for i in range(rounds):
            who, score = draw(metric, 40, 6)
            parts.append(asked(list(score), metric, touchpoint=f"r{i}", customer_id=who))
        table = scored(pd.concat(parts))
        held[metric] = int(((table.ci_low <= truth) & (truth <= table.ci_high)).sum())
    for count in held.values():
        assert 0.91 <= count / rounds <= 0.985  # binomial error of 400 rounds: 1.1 points
