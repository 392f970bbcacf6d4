"""Forecasts on record: the chain of the ledger, tampering, and grades worked out by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.forecasts.forecast import _foretold, limits
from touchlab.forecasts.grade import GONE, RESTATED
from touchlab.forecasts.happened import LATE, What, what_happened
from touchlab.forecasts.ledger import read_ledger, seal_of, with_forecasts

MIDNIGHT = pd.Timestamp("2026-01-01")


def row(**more: Any) -> dict[str, Any]:
    known = {
        "outcome": "conversion",
        "what": What.ALL,
        "touchpoint": "",
        "lookback": "30D",
        "days": 28,
    }
    numbers = {"forecast": 20.0, "forecast_low": 10.0, "forecast_high": 30.0, "before": 28.0}
    return known | {"period": pd.Timestamp("2026-01-30"), "customers": 28} | numbers | more


def written(path: Path, *rows: dict[str, Any], run: str = "run1") -> str:
    """Write rows down; return the seal that the run remembers."""
    path.write_text(with_forecasts(path, pd.DataFrame([*rows]), run, "2026-01-30T06:00:00"))
    return f"{run} {seal_of(path)}"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "forecasts-shop.jsonl"
    written(
        path,
        row(),
        row(what=What.LAST, touchpoint="mail", touches=50.0, brings=0.1, credit_each=0.2),
    )
    return path


def test_each_line_holds_the_hash_of_the_one_before_and_nobody(ledger: Path) -> None:
    first, second = (json.loads(line) for line in ledger.read_text().splitlines())
    assert (first["after"], len(second["after"])) == ("", 64)
    assert read_ledger(ledger)[1] == ()
    assert read_ledger(ledger)[0].touchpoint.tolist() == ["", "mail"]
    assert "customers" not in first


def test_nothing_is_foretold_twice_and_small_groups_not_at_all(ledger: Path) -> None:
    before = ledger.read_text()
    written(ledger, row(forecast=25.0), row(period=pd.Timestamp("2026-02-10")), run="run2")
    assert ledger.read_text() == before  # the same days, and days that overlap
    written(
        ledger,
        row(touchpoint="x", what=What.LAST, before=np.nan),
        row(customers=np.nan, what=What.CHURN),
    )
    assert ledger.read_text() == before
    written(ledger, row(period=pd.Timestamp("2026-02-27")), row(lookback="7D"), run="run2")
    assert len(read_ledger(ledger)[0]) == 4


TAMPERING = {
    "a number": lambda lines: [lines[0].replace("20.0", "21.0"), *lines[1:]],
    "a line taken out": lambda lines: [lines[0], *lines[2:]],
    "a line put in": lambda lines: [lines[0], lines[0], *lines[1:]],
    "another order": lambda lines: [lines[1], lines[0], *lines[2:]],
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_breaks_the_chain_and_is_said(how: str, ledger: Path) -> None:
    written(ledger, row(period=pd.Timestamp("2026-02-27")), run="run2")
    changed = TAMPERING[how](ledger.read_text().splitlines())
    ledger.write_text("".join(f"{line}\n" for line in changed))
    _, found = read_ledger(ledger)
    assert any("is not what line" in trouble for trouble in found)
    record = tl.grade_forecasts(shop(), ledger)
    assert "is not what line" in record.sentence()
    more = written(ledger, row(period=pd.Timestamp("2026-03-27")), run="run3")
    assert read_ledger(ledger, [more])[1] == found  # it stays seen


def test_what_the_chain_cannot_see_the_seals_of_runs_do(ledger: Path, tmp_path: Path) -> None:
    seal = f"run1 {seal_of(ledger)}"
    written(ledger, row(period=pd.Timestamp("2026-02-27")), run="run2")
    assert read_ledger(ledger, [seal])[1] == ()
    said = ("the ledger was changed after run run1, which left 2 lines",)
    kept = ledger.read_text().splitlines()
    ledger.write_text(f"{kept[0]}\n")  # the newest lines are gone
    assert read_ledger(ledger, [seal])[1] == said
    ledger.unlink()  # written anew, with a chain that holds
    written(ledger, row(forecast=25.0), row(what=What.LAST, touchpoint="mail"))
    assert read_ledger(ledger)[1] == ()
    assert read_ledger(ledger, [seal])[1] == said
    assert read_ledger(tmp_path / "none", [seal])[1] == said
    assert read_ledger(ledger, ["nonsense", "run seven", ""])[1] == ()


HOSTILE = [
    "not json", "[1, 2]", '{"after": 1}', "[" * 1500, "\x00", "null",
    json.dumps(row(after="", run="r", made_at="x", period="9999-99-99")),
    json.dumps(row(after="", run="r", made_at="x", period="2026-01-30", forecast=1e300)),
    json.dumps(row(after="", run="r", made_at="x", period="2026-01-30", forecast=float("nan"))),
    json.dumps(row(after="", run="r", made_at="x", period="2026-01-30", forecast=True)),
    json.dumps(row(after="", run="r", made_at="x", period="2026-01-30", forecast_low=25.0)),
    json.dumps(row(after="", run="r", made_at=["x"], period="2026-01-30")),
    json.dumps(row(after="", run="r" * 3000, made_at="x", period="2026-01-30")),
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_line_is_left_out_and_said(line: str, ledger: Path) -> None:
    with ledger.open("a") as file:
        file.write(f"{line}\n")
    table, troubles = read_ledger(ledger)
    assert len(table) == 2
    assert troubles == ("line 3 of the ledger cannot be read, and is left out",)
    assert "cannot be read" in tl.grade_forecasts(shop(), ledger).sentence()
    written(ledger, row(period=pd.Timestamp("2026-02-27")), run="run2")
    assert len(read_ledger(ledger)[0]) == 3


def test_a_line_cut_off_by_the_power_is_seen(ledger: Path) -> None:
    ledger.write_text(ledger.read_text()[:-40])
    assert read_ledger(ledger)[1] == ("line 2 of the ledger cannot be read, and is left out",)


def test_a_ledger_that_is_no_file_of_its_own_is_left_alone(ledger: Path, tmp_path: Path) -> None:
    link, pipe, huge = tmp_path / "link", tmp_path / "pipe", tmp_path / "huge"
    link.symlink_to(ledger)
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(6_000_000)
    for place in (link, pipe, huge, tmp_path):
        assert "cannot be read" in read_ledger(place)[1][0]
        with pytest.raises((OSError, ValueError)):
            with_forecasts(place, pd.DataFrame([row()]), "run", "2026-01-30")


def shop(days: int = 90, each: int = 1, brings: int = 1) -> tl.Dataset:
    """A mail at noon to one customer a day, who orders an hour later; after day 60, `each`."""
    rows = []
    for day in range(days):
        for nth in range(each if day >= 60 else 1):
            rows.append((f"c{day % 30}-{nth}", MIDNIGHT + pd.Timedelta(days=day, hours=12), "mail"))
    touches = pd.DataFrame(rows, columns=["customer_id", "timestamp", "touchpoint"])
    outcomes = touches.assign(
        outcome="conversion", timestamp=touches.timestamp + pd.Timedelta(hours=1)
    )
    return tl.open_data({"touches": touches, "outcomes": outcomes.drop(columns="touchpoint")})


def test_what_happened_is_counted_by_day() -> None:
    found = what_happened(shop(), "conversion", "30D")
    start = (pd.Timestamp("2026-01-30") - pd.Timestamp(0)).days
    # one a day; the first day and the last are left out
    assert found.end - found.first == 88
    assert found.count(What.ALL, "", start) == found.count(What.LAST, "mail", start) == 28
    assert found.count(What.TOUCHES, "mail", start) == 28
    # customers of 30 January and after were known by 30 days before, but those of the first day:
    # on days 29 to 56, 27 orders are of the customers of days 0 to 26 and one of day 29, its first
    assert found.count(What.ORDERS, "", start) == 27
    assert found.count(What.ALL, "", start + 200) == 0


def test_churn_is_of_those_known_and_still_there() -> None:
    when = [MIDNIGHT + pd.Timedelta(days=day, hours=9) for day in (1, 2, 40, 45, 90)]
    touches = pd.DataFrame({"customer_id": list("abcde"), "timestamp": when, "touchpoint": "mail"})
    won = touches.assign(outcome="conversion").drop(columns="touchpoint")
    gone = won.assign(outcome="churn", timestamp=won.timestamp + pd.Timedelta(days=5))[1:4]
    data = tl.open_data({"touches": touches, "outcomes": pd.concat([won, gone])})
    found = what_happened(data, "conversion", "30D")
    start = (MIDNIGHT + pd.Timedelta(days=42) - pd.Timestamp(0)).days
    # a is there, b left on day 7, c is there until day 45, d is not yet known
    assert found.count(What.AT_RISK, "", start, LATE) == 2
    assert found.count(What.CHURN, "", start) == 1


def test_grades_are_what_they_are_by_hand(ledger: Path) -> None:
    written(ledger, row(what=What.LAST, touchpoint="gone"), row(lookback="7D", before=50.0),
            row(period=pd.Timestamp("2026-03-20")), row(outcome="unknown"))  # fmt: skip
    record = tl.grade_forecasts(shop(each=2), ledger)
    table = record.table.set_index(["outcome", "what", "touchpoint", "period"])
    status = record.table.status.tolist()
    assert status == ["to come", "graded", "graded", GONE, RESTATED, GONE]
    # 30 January is day 29; of days 29 to 56 all are before day 60: 28 came
    one = table.iloc[1]
    assert (one.came, one.held, one.error) == (28, True, 20 / 28 - 1)
    assert one.z == pytest.approx((28 - 20) / (10 / 1.959964))
    scores = record.scores.set_index("what")
    assert scores.loc[What.ALL, ["graded", "held", "bias"]].tolist() == [1, 1, -8 / 28]
    # 50 touches then, 28 orders; for 20 orders 50 x 20 / 28 = 35.7 touches: 28 are 7.7 fewer
    assert record.given_touches.by_drivers.tolist() == pytest.approx([20 - 0.1 * (250 / 7 - 28)])
    assert record.given_touches.by_last_touch.tolist() == pytest.approx([20 - 0.2 * (250 / 7 - 28)])
    assert "2 of 2 past forecasts held" in record.sentence()
    assert any("another past" in note for note in record.notes)


def test_a_break_is_said_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    later = pd.Timestamp("2026-03-02")  # day 60
    numbers = {"forecast": 28.0, "forecast_low": 18.0, "forecast_high": 39.0, "before": 28.0}
    written(path, row(period=later, **numbers), row(**numbers))
    usual, broken = (tl.grade_forecasts(shop(each=each), path) for each in (1, 3))
    assert usual.broken.empty and "missed by far" not in usual.sentence()
    assert broken.broken.came.tolist() == [84]
    assert "Something has changed" in broken.sentence()


def test_an_empty_record_and_one_that_waits(tmp_path: Path) -> None:
    assert tl.grade_forecasts(shop(), "").sentence() == (
        "No forecast is on record yet: reports write theirs down, for later ones to grade."
    )
    written(tmp_path / "ledger", row(period=pd.Timestamp("2026-03-31")))
    record = tl.grade_forecasts(shop(), tmp_path / "ledger")
    assert record.sentence() == "1 forecasts are on record; the first are graded on 2026-04-28."
    assert record.scores.empty and record.summary().empty


def test_intervals_hold_counts_at_their_rate() -> None:
    random = np.random.default_rng(3)
    for mean, spread in ((5.0, 0.0), (40.0, 0.2), (400.0, 0.1)):
        ends = limits(mean, mean, np.full(9, spread**2), 1e6, 0.0)
        shape = 1 / spread**2 if spread else np.inf
        rate = mean * (random.gamma(shape, 1 / shape, 20_000) if spread else 1.0)
        came = random.poisson(rate, 20_000)
        held = (came >= ends["forecast_low"]) & (came <= ends["forecast_high"])
        assert 0.945 < np.mean(held) < 0.985  # counts are coarse


def test_a_steady_past_is_foretold_as_it_was() -> None:
    found = _foretold(what_happened(shop(days=250), "conversion", "30D"), What.ALL, "", 0.01)
    assert found["forecast"] == pytest.approx(28)
    assert found["forecast_low"] < 28 - 1.96 * np.sqrt(28)
    assert found["spread"] < 0.01
