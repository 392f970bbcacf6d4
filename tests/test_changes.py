"""What changes brought: found where planted, silent where not, described where confounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from change_worlds import DATE, NAMES, change_table, outcome_world, score_world
from tiny import surveys, tables, utc

import touchlab as tl
from touchlab import plots, sentences, show
from touchlab.errors import DataError, MissingInput
from touchlab.experience.changes import within_strata
from touchlab.numeric import GROUPS


def of_scores(kind: str, **more: object) -> tl.ChangeEffects:
    return tl.change_effects(tl.open_data(score_world(kind, seed=1, **more)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def improved() -> tl.ChangeEffects:
    return of_scores("improved")


def test_a_planted_improvement_is_found(improved: tl.ChangeEffects) -> None:
    """Half a point of CSAT is 12.5 of 100, a little less where answers end at 5."""
    row = improved.table.iloc[0]
    assert row.badge == "adjusted"
    assert 5 < row.ci_low < 11.5 < row.ci_high
    assert row.after - row.expected == pytest.approx(row.change)
    assert "shorter wait (call, 2025-07-01) made the score higher by" in improved.sentence()
    assert "checked, without an experiment" in improved.sentence()


def test_no_change_is_not_called_one() -> None:
    found = of_scores("nothing")
    row = found.table.iloc[0]
    assert row.ci_low < 0 < row.ci_high
    assert row.badge == "untested"
    assert found.sentence() == "No clear change shows after shorter wait (call)."


@pytest.mark.parametrize(
    ("kind", "why"), [("season", "a season coincides"), ("own season", "a season of its own")]
)
def test_a_season_makes_it_descriptive(kind: str, why: str) -> None:
    found = of_scores(kind)
    assert found.table.badge.tolist() == ["descriptive"]
    assert why in found.notes[0]
    assert "made the score" not in found.sentence()


def test_a_segment_is_compared_with_the_same_touchpoint_elsewhere() -> None:
    world = score_world("improved", seed=2, segment=True, answers=9_000)
    row = tl.change_effects(tl.open_data(world)).table.iloc[0]
    answers, people = world["surveys"], world["customers"].set_index("customer_id").region
    own = answers[answers.touchpoint == NAMES[0]]
    days = (own.timestamp - DATE) / pd.Timedelta("1D")
    own = own.assign(after=days >= 0, north=own.customer_id.map(people) == "north")
    means = 25 * (own[days.abs() < 30].groupby(["north", "after"]).score.mean() - 1)
    expected = means[True, True] - means[True, False] - means[False, True] + means[False, False]
    assert row.change == pytest.approx(expected)
    assert row.ci_low < 12.5 < row.ci_high


def test_a_staggered_start_does_not_stand_in_for_what_was_not_changed() -> None:
    """South changes twenty days later: nothing is left to compare either with."""
    world = score_world("improved", seed=1, segment=True)
    later = change_table(True).assign(segment="region: south", timestamp=DATE + pd.Timedelta("20D"))
    world["changes"] = pd.concat([world["changes"], later], ignore_index=True)
    found = tl.change_effects(tl.open_data(world))
    assert found.table.badge.tolist() == ["descriptive"] * 2
    assert all("nothing to compare it with" in note for note in found.notes)


def test_another_change_of_the_same_touchpoint_makes_it_descriptive() -> None:
    world = score_world("improved", seed=1)
    other = change_table().assign(what="new script", timestamp=DATE + pd.Timedelta("5D"))
    world["changes"] = pd.concat([world["changes"], other], ignore_index=True)
    found = tl.change_effects(tl.open_data(world))
    assert set(found.table.badge) == {"descriptive"}
    assert "call, shorter wait: new script came within the same days" in found.notes


def test_differences_within_strata_by_hand() -> None:
    """Stratum a: 1 to 3 (weight 1/2), b: 5 to 6 of two (2/3): (1 + 2/3) / (7/6) = 10/7."""
    group, value = pd.Series([0, 1, 0, 1, 2]), pd.Series([1.0, 3, 5, 5, 7])
    before = np.array([True, False, True, False, False])
    move = within_strata(group, pd.Series(list("aabbb")), value)(before, ~before)
    assert len(move) == GROUPS + 1
    assert move[0] == pytest.approx(10 / 7)
    assert move[3] == pytest.approx((1 / 2 * 2 + 1 / 2 * 0) / 1)  # without the last row


def test_what_is_missing_or_wrong_is_said() -> None:
    with pytest.raises(MissingInput, match="With a table of changes"):
        tl.change_effects(tl.open_data(tables(surveys=surveys())))
    world = score_world("nothing", seed=1, answers=300)
    few = tl.change_effects(tl.open_data(world))
    why = "fewer than 30 answers or outcomes before or after it"
    assert few.notes == (f"call, shorter wait: {why}",)
    assert few.sentence() == "No change has enough before and after it to say what it brought."
    world["changes"] = world["changes"].assign(segment="north")
    with pytest.raises(DataError, match=r"changes.segment: 'north' names no trait of customers"):
        tl.change_effects(tl.open_data(world))


def test_a_change_without_what_is_a_problem_of_the_data() -> None:
    bad = pd.DataFrame({"timestamp": utc("2026-03-01"), "touchpoint": ["email"], "what": [None]})
    with pytest.raises(DataError, match=r"changes.what"):
        tl.open_data(tables(changes=bad))


def test_a_page_shows_it_and_hides_few_customers(improved: tl.ChangeEffects) -> None:
    assert "1 of 1 changes show a clear move" in improved.plot().alt
    assert "shorter wait" in repr(show.Table(improved.summary()))
    few = improved.table.assign(customers=4, n=31)
    assert sentences.about_improvements(few).startswith("Not said, all of it is hidden")
    assert "hidden" in repr(show.Table(few)) and plots.plot_changes(few)


@pytest.mark.slow
def test_outcomes_are_held_against_the_drivers() -> None:
    """One fit: improved where it was, silent at the touchpoints that were not."""
    data = tl.open_data(outcome_world("improved", seed=2, customers=1_500))
    drivers = tl.fit_drivers(data)
    row = tl.change_effects(data, drivers=drivers).table.iloc[0]
    assert row.measure == "conversion"
    assert 0 < row.ci_low < row.change < row.ci_high
    assert row.value == pytest.approx(50 * row.change)
    assert row.roi == pytest.approx(row.value / 1_000 - 1)
    changes = data.tables["changes"].mutate(touchpoint=data.tables["changes"].touchpoint + "")
    other = changes.mutate(touchpoint=changes.touchpoint.replace(NAMES[0], NAMES[1]))
    quiet = replace(data, tables={**data.tables, "changes": other})
    found = tl.change_effects(quiet, drivers=drivers).table.iloc[0]
    assert found.ci_low < 0 < found.ci_high
