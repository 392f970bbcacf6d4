"""Cutting journeys, counting their steps and timing their touches, on a few by hand."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pytest
from ibis.config import Config

import touchlab as tl
from touchlab.credit.order import choose_order, removal_effects
from touchlab.credit.sensitivity import credit_by_position
from touchlab.errors import MissingInput
from touchlab.journeys.build import Journeys, build_journeys, order_events
from touchlab.journeys.counts import converting_touches, step_counts, transition_matrix
from touchlab.journeys.describe import journey_lengths, journey_overview, time_to_outcome

Open = Callable[..., tl.Dataset]


def cut(data: tl.Dataset, **parameters: object) -> list[str]:
    """Write journeys as text, in the order of customer and time: ``["a b *", "c"]``."""
    journeys = build_journeys(data, **parameters).numbered  # type: ignore[arg-type]
    names = [*journeys.touchpoints, "", "*"]
    frame = journeys.events.to_pandas().sort_values(["customer", "order"])
    words = frame.order.map(lambda order: names[order % journeys.tick])
    return words.groupby([frame.customer, frame.journey]).agg(" ".join).tolist()


def test_an_outcome_ends_a_journey_and_later_touches_start_the_next(open_events: Open) -> None:
    data = open_events({"ann": "a@0 *@1 b@2 c@3 *@4 d@5"})
    assert cut(data) == ["a *", "b c *", "d"]


def test_quiet_time_cuts_converting_and_other_journeys_alike(open_events: Open) -> None:
    data = open_events({"ann": "a@0 b@11 *@12", "bob": "a@0 b@11"})
    assert cut(data, lookback="10D") == ["a", "b *", "a", "b"]
    assert cut(data, lookback="11D") == ["a b *", "a b"]


def test_a_gap_of_just_the_lookback_does_not_cut(open_events: Open) -> None:
    data = open_events({"ann": "a@0 *@10", "bob": "a@0ms *@864000001ms"})
    assert cut(data, lookback="10D") == ["a *", "a", "*"]


def test_only_the_gap_counts_not_the_length_of_the_journey(open_events: Open) -> None:
    data = open_events({"ann": "a@0 b@9 c@18 *@27"})
    assert cut(data, lookback="10D") == ["a b c *"]


def test_no_lookback_never_cuts(open_events: Open) -> None:
    assert cut(open_events({"ann": "a@0 *@4000"}), lookback=None) == ["a *"]


def test_an_outcome_without_a_touch_is_a_journey_of_its_own(open_events: Open) -> None:
    data = open_events({"ann": "*@0", "bob": "a@0 *@1 *@2"})
    assert cut(data) == ["*", "a *", "*"]


def test_outcomes_at_one_instant_end_one_journey_together(open_events: Open) -> None:
    data = open_events({"ann": "a@0 *5@1 *7@1"})
    assert cut(data) == ["a *"]
    # both outcomes, and the value of both, belong to the journey
    assert tl.attribute(data, models=["last"]).credit.tolist() == [2.0]
    assert tl.attribute(data, models=["last"], measure="value").credit.tolist() == [12.0]
    # but the chain passes once: the step to the outcome is one of one
    assert transition_matrix(data).probability.tolist() == [1.0, 1.0]


def test_ties_go_by_name_and_before_the_outcome(open_events: Open) -> None:
    assert cut(open_events({"ann": "b@1 *@1 a@1"})) == ["a b *"]


def test_times_count_to_the_millisecond(open_events: Open) -> None:
    later = open_events({"ann": "z@0ms a@1ms *@2ms b@3ms"})
    assert cut(later) == ["z a *", "b"]
    # within one millisecond: by name, touches before the outcome
    same = open_events({"ann": "z@100us a@200us *@300us b@999us c@1000us"})
    assert cut(same) == ["a b z *", "c"]


def test_dropping_repeats_keeps_the_first_of_a_run(open_events: Open) -> None:
    data = open_events({"ann": "a@0 a@1 b@2 a@3 a@4 *@5"})
    assert cut(data, repeats="drop") == ["a b a *"]
    assert cut(data) == ["a a b a a *"]


def test_dropping_repeats_does_not_change_where_journeys_are_cut(open_events: Open) -> None:
    # the run lasts 24 days; what is left of it is 28 days before the outcome
    data = open_events({"ann": "a@0 a@8 a@16 a@24 *@28", "bob": "a@0 *@1 a@2"})
    assert cut(data, repeats="drop", lookback="10D") == ["a *", "a *", "a"]
    ages = converting_touches(
        order_events(build_journeys(data, repeats="drop", lookback="10D"))
    ).table.to_pandas()
    assert sorted(ages.age_days) == [1.0, 28.0]


def test_a_month_is_that_of_the_last_event(open_events: Open) -> None:
    data = open_events(
        {
            "ann": "a@2026-01-31T12:00Z *@2026-02-02T12:00Z",
            "bob": "a@2026-01-31T23:59:59.999Z",
            "cat": "a@2026-02-01T00:00Z",
        }
    )
    journeys = build_journeys(data, by="month")
    months = journeys.events.group_by("customer").agg(month=journeys.events.segment.max())
    assert dict(months.to_pandas().to_numpy()) == {
        "ann": "2026-02", "bob": "2026-01", "cat": "2026-02",
    }  # fmt: skip
    assert tl.attribute(data, models=["last"], by="month").segment.tolist() == ["2026-02"]


def test_the_month_of_a_journey_does_not_move_when_repeats_are_dropped(open_events: Open) -> None:
    # the last touch of both is in February; as a repeat, bob's is dropped, his journey stays there
    data = open_events(
        {
            "ann": "a@2026-01-30T12:00Z b@2026-02-02T12:00Z *@2026-02-03T12:00Z",
            "bob": "a@2026-01-30T12:00Z a@2026-02-02T12:00Z",
        }
    )
    for repeats in ("keep", "drop"):
        events = build_journeys(data, by="month", repeats=repeats).events.to_pandas()
        assert events.groupby("customer").segment.unique().map(list).to_dict() == {
            "ann": ["2026-02"], "bob": ["2026-02"],
        }  # fmt: skip
    credit = tl.attribute(data, models=["markov"], by="month", repeats="drop")
    assert credit.segment.unique().tolist() == ["2026-02"]


def test_a_window_before_the_outcome_parts_older_touches_from_it(open_events: Open) -> None:
    data = open_events({"ann": "a@0 b@9 c@18 *@27 a@28", "bob": "a@0 b@9 c@18"})
    assert cut(data, lookback="10D") == ["a b c *", "a", "a b c"]
    assert cut(data, before_outcome="18D", lookback="10D") == ["a", "b c *", "a", "a b c"]
    assert cut(data, before_outcome="8D", lookback="10D") == ["a b c", "*", "a", "a b c"]
    assert cut(data, before_outcome="27D", lookback=None) == ["a b c *", "a", "a b c"]
    # within the window, gaps still cut
    assert cut(data, before_outcome="27D", lookback="8D") == [
        "a", "b", "c", "*", "a", "a", "b", "c",
    ]  # fmt: skip


def _slowly(
    rows: list[tuple[int, str]], gap: float, window: float
) -> tuple[list[list[str]], list[list[str]]]:
    """Walk through one customer's events: journeys with the outcome, and without."""
    with_it, without, open_one = [], [], []
    for time, name in rows:
        if open_one and time - open_one[-1][0] > gap:
            without.append(open_one)
            open_one = []
        if name != "*":
            open_one.append((time, name))
            continue
        old = [touch for touch in open_one if time - touch[0] > window]
        without += [old] if old else []
        with_it.append(open_one[len(old) :])
        open_one = []
    without += [open_one] if open_one else []
    names = [[[name for _, name in one] for one in several] for several in (with_it, without)]
    return names[0], names[1]


@pytest.mark.parametrize(("gap", "window"), [(3, None), (None, 5), (3, 5), (5, 3), (6, 1)])
def test_gap_and_window_are_those_of_a_slow_loop(
    open_events: Open, gap: int | None, window: int | None
) -> None:
    random = np.random.default_rng(11)
    people = {
        f"c{i:02}": [
            (int(time), str(random.choice(["a", "b", "c", "*"], p=[0.3, 0.25, 0.25, 0.2])))
            for time in np.sort(random.choice(40, size=random.integers(3, 14), replace=False))
        ]
        for i in range(60)
    }
    data = open_events({n: " ".join(f"{e}@{t}" for t, e in rows) for n, rows in people.items()})
    limits = {"lookback": gap and f"{gap}D", "before_outcome": window and f"{window}D"}
    parts = [_slowly(rows, gap or np.inf, window or np.inf) for rows in people.values()]
    expected = [[*one, "*"] for with_it, _ in parts for one in with_it]
    expected += [one for _, without in parts for one in without]
    assert sorted(cut(data, **limits)) == sorted(" ".join(one) for one in expected)
    last = tl.attribute(data, models=["last"], **limits).set_index("touchpoint").credit
    ends = pd.Series([one[-1] if one else "(no touch)" for w, _ in parts for one in w])
    assert last[last > 0].to_dict() == ends.value_counts().to_dict()


def test_a_paths_table_has_no_window_before_the_outcome(
    open_paths: Callable[..., tl.Dataset],
) -> None:
    with pytest.raises(tl.ParameterError) as error:
        build_journeys(open_paths(("a > b", 1, 0)), before_outcome="30D")
    assert str(error.value) == "before_outcome: a paths table has no times\n  leave it out"


def test_a_missing_trait_is_a_segment_of_its_own(open_events: Open) -> None:
    customers = pd.DataFrame(
        {
            "customer_id": ["ann", "bob"],
            "observed_from": pd.Timestamp("2026-02-01", tz="UTC"),
            "observed_to": pd.Timestamp("2026-04-01", tz="UTC"),
            "plan": ["pro", None],
        }
    )
    data = open_events({"ann": "a@0 *@1", "bob": "a@0 *@1"}, customers=customers)
    credit = tl.attribute(data, models=["last"], by="plan")
    assert credit[["segment", "credit", "n"]].values.tolist() == [
        ["(unknown)", 1.0, 1.0], ["pro", 1.0, 1.0],
    ]  # fmt: skip


def test_a_transition_matrix_by_hand(open_events: Open) -> None:
    # a b *, a, b, and an outcome by itself
    data = open_events({"ann": "a@0 b@1 *@2", "bob": "a@0", "cat": "b@0", "dan": "*@0"})
    steps = transition_matrix(data)
    assert steps[["source", "target", "n", "probability"]].values.tolist() == [
        ["(start)", "a", 2, 2 / 3],  # of three journeys with touches
        ["(start)", "b", 1, 1 / 3],
        ["a", "b", 1, 1 / 2],
        ["a", "(end)", 1, 1 / 2],
        ["b", "(outcome)", 1, 1 / 2],
        ["b", "(end)", 1, 1 / 2],
    ]
    assert steps.groupby("source").probability.sum().round(12).eq(1).all()


def test_a_transition_has_the_interval_of_its_share(open_events: Open) -> None:
    # 200 customers, a quarter of them go on: se = sqrt(.25 * .75 / 200) = .0306
    data = open_events({i: "a@0 b@1 *@2" if i % 4 == 0 else "a@0" for i in range(200)})
    step = transition_matrix(data).query("source == 'a' and target == 'b'").iloc[0]
    half = (step.ci_high - step.ci_low) / 2
    assert step.probability == 0.25
    # 2.01 standard errors, themselves known to a tenth from 50 groups; ids are not random
    assert 0.5 < half / (2.01 * 0.0306) < 1.5


def test_steps_of_a_higher_order_hold_those_of_a_lower_one(open_events: Open) -> None:
    data = open_events({"ann": "a@0 b@1 c@2 a@3 *@4", "bob": "b@0 c@1 *@2 c@3"})
    ordered = order_events(build_journeys(data), 4)
    width = ordered.journeys.width
    four = step_counts(ordered, 4)
    for order in (1, 2, 3):
        own = step_counts(ordered, order).groupby("key").n.sum()
        shorter = four.n.groupby(four.key % width ** (order + 1)).sum()
        assert own.tolist() == shorter.tolist()
        assert own.index.tolist() == shorter.index.tolist()


def test_times_to_the_outcome_by_hand(open_events: Open) -> None:
    # touches of a come 1, 2, 3 and 4 days before the outcome, that of b 90 minutes
    data = open_events(
        {"ann": "a@0 a@1 *@4", "bob": "a@0 a@1 b@1.9375 *@2", "cat": "a@0", "dan": "*@9"}
    )
    times = time_to_outcome(data).set_index("touchpoint")
    assert times.loc["a", ["p25_days", "median_days", "p75_days", "n"]].tolist() == [1, 2, 3, 4]
    # 1.5 hours are rounded up to 2
    assert times.loc["b", "median_days"] == pytest.approx(2 / 24)
    assert (times.ci_low <= times.median_days).all() and (times.ci_high >= times.median_days).all()


def test_the_interval_of_the_median_covers_it(open_events: Open) -> None:
    # times uniform on 0 to 20 days: the median is 10; 40 data sets of 150 customers
    random = np.random.default_rng(5)
    frames = {}
    for s in range(40):
        for c in range(150):
            frames[f"{s}-{c}"] = f"set{s:02d}@0 *@{random.uniform(0, 20):.3f}"
    times = time_to_outcome(open_events(frames))
    covered = ((times.ci_low <= 10 + 1 / 24) & (times.ci_high >= 10)).mean()
    assert covered >= 0.85  # 95 % of 40, less two standard errors


def test_whole_hours_are_not_rounded_up(open_events: Open) -> None:
    data = open_events({i: f"a@{i}h *@{2 * i}h" for i in range(1, 200)})
    hours = converting_touches(order_events(build_journeys(data))).table.age_days.to_pandas() * 24
    assert np.allclose(sorted(hours), range(1, 200))
    assert time_to_outcome(data).median_days.tolist() == [100 / 24]


def test_a_paths_table_has_no_times(open_paths: Open) -> None:
    with pytest.raises(MissingInput) as error:
        time_to_outcome(open_paths(("a > b", 1, 0)))
    assert str(error.value) == (
        "time_to_outcome: a paths table has no times\n"
        "  with touches and outcomes, it would say how long before the outcome touches come"
    )


@pytest.mark.parametrize("lookback", ["soon", "0D", "-3D", "1us", 30, "", "NaT"])
def test_a_lookback_must_be_a_duration(open_events: Open, lookback: object) -> None:
    with pytest.raises(tl.ParameterError) as error:
        build_journeys(open_events({"ann": "a@0 *@1"}), lookback=lookback)  # type: ignore[arg-type]
    assert str(error.value) == (
        f"lookback: {lookback!r} is not a positive duration\n  give '30D', '12h' or None"
    )


def test_unknown_choices_are_refused_with_what_is_allowed(open_events: Open) -> None:
    data = open_events({"ann": "a@0 *@1", "bob": "a@0 *@1"})
    for parameters, message in (
        ({"repeats": "no"}, "repeats: 'no' is not a choice\n  use 'keep' or 'drop'"),
        (
            {"outcome": "sale"},
            "outcome: no outcome is named 'sale'\n  the data has conversion (2); use one of these",
        ),
        ({"by": "plan"}, "by: 'plan' is not a trait of customers\n  use one of: month"),
    ):
        with pytest.raises(tl.ParameterError) as error:
            build_journeys(data, **parameters)
        assert str(error.value) == message


def test_a_paths_table_has_no_segments(open_paths: Open) -> None:
    with pytest.raises(tl.ParameterError) as error:
        build_journeys(open_paths(("a > b", 1, 0)), by="month")
    assert str(error.value) == "by: a paths table has no 'month'\n  leave `by` out"


def test_too_many_touchpoints_are_refused(open_events: Open) -> None:
    data = open_events({"ann": " ".join(f"page{i}@{i}ms" for i in range(1001)), "bob": "*@0"})
    with pytest.raises(tl.DataError) as error:
        build_journeys(data)
    assert str(error.value) == (
        "touches.touchpoint: 1,001 different names, at most 1,000\n"
        "  are these pages or campaigns? put those in `campaign` and name the kind here"
    )


def test_journeys_already_built_are_taken_as_they_are(open_events: Open) -> None:
    journeys = build_journeys(open_events({"ann": "a@0 b@9 *@10"}), lookback="5D")
    assert build_journeys(journeys) is journeys
    assert tl.attribute(journeys, models=["first"]).credit.tolist() == [0.0, 1.0]


class PySpark(Config):  # type: ignore[misc]
    """What Ibis registers when PySpark is there; needed to compile for it without."""

    treat_nan_as_null: bool = False


@pytest.mark.parametrize("dialect", ["postgres", "pyspark"])
def test_every_query_can_be_written_for_other_engines(
    open_events: Open, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    customers = pd.DataFrame(
        {
            "customer_id": ["ann", "bob"],
            "observed_from": pd.Timestamp("2026-02-01", tz="UTC"),
            "observed_to": pd.Timestamp("2026-04-01", tz="UTC"),
            "plan": ["pro", None],
        }
    )
    data = open_events({"ann": "a@0 direct@1 *5@2", "bob": "a@0"}, customers=customers)
    journeys = [
        build_journeys(data, by=by, repeats=repeats)
        for by, repeats in ((None, "keep"), ("month", "drop"), ("plan", "keep"))
    ]
    monkeypatch.setattr(ibis.options, "pyspark", PySpark())
    compiled = []
    for way in ("to_pandas", "to_pyarrow"):
        run = getattr(ir.Table, way)

        def compile_and_run(
            table: ir.Table, *args: object, run: Callable[..., object] = run, **named: object
        ) -> object:
            compiled.append(ibis.to_sql(table, dialect=dialect))
            return run(table, *args, **named)

        monkeypatch.setattr(ir.Table, way, compile_and_run)
    for built in journeys:
        compile_all(built, dialect)
    assert len(compiled) >= 3 * 7


def compile_all(journeys: Journeys, dialect: str) -> None:
    """Run every question once, with each model."""
    ibis.to_sql(order_events(journeys, 4).events, dialect=dialect)
    models = ["first", "last_non_direct", "position", "time_decay", "shapley", "markov_4"]
    tl.attribute(journeys, models=models, measure="value")
    credit_by_position(journeys)
    removal_effects(journeys, order=2)
    transition_matrix(journeys)
    time_to_outcome(journeys)
    choose_order(journeys, max_order=2)


def test_journeys_whose_lookback_has_not_passed_are_open(
    open_events: Callable[..., tl.Dataset],
) -> None:
    # the data ends on day 40, so what was touched last after day 30 is not known yet, won or not:
    # of ann, bob and cem one is won; dan may still convert, and eva has
    log = {"ann": "ad@0 *@5", "bob": "ad@1", "cem": "ad@2", "dan": "ad@33", "eva": "ad@35 *@40"}
    row = journey_overview(tl.build_journeys(open_events(log), lookback="10D")).iloc[0]
    assert (row.journeys, row.open, row.outcomes) == (5, 2, 2)
    assert row.rate == pytest.approx(1 / 3)
    lengths = journey_lengths(tl.build_journeys(open_events(log), lookback=None))
    assert lengths.open.tolist() == [0]
    assert lengths.rate.tolist() == [2 / 5]
