"""What several notebooks of a run ask alike is computed once, and is the same for all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers import calibrate, fit
from touchlab.drivers import checks as badges
from touchlab.errors import DataError
from touchlab.once import FOLDER, once
from touchlab.privacy.fold import fold_rare

DAYS = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(range(40), unit="D")
TOUCHES = pd.DataFrame(
    {"customer_id": [f"c{i % 12}" for i in range(40)], "timestamp": DAYS}
).assign(touchpoint=[("email", "search", "ad")[i % 3] for i in range(40)])
OUTCOMES = pd.DataFrame(
    {"customer_id": ["c1", "c2", "c5"], "outcome": "conversion", "timestamp": DAYS[[20, 21, 35]]}
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "found"
    found.mkdir()
    monkeypatch.setenv(FOLDER, str(found))
    return found


@pytest.fixture(scope="module")
def sample() -> tl.Dataset:
    return tl.open_data("data/sample")


def _counted(answer: object) -> tuple[Callable[[], object], list[int]]:
    calls: list[int] = []

    def compute() -> object:
        calls.append(1)
        return answer

    return compute, calls


def _write(place: Path, touches: pd.DataFrame, *, ending: str = "parquet") -> Path:
    place.mkdir(exist_ok=True)
    for name, frame in (("touches", touches), ("outcomes", OUTCOMES)):
        if ending == "parquet":
            frame.to_parquet(place / f"{name}.parquet")
        else:
            frame.to_csv(place / f"{name}.csv", index=False)
    return place


def test_without_a_run_everything_is_computed_where_it_is_asked() -> None:
    assert FOLDER not in os.environ
    compute, calls = _counted(7)
    assert [once(("a",), compute), once(("a",), compute)] == [7, 7] and len(calls) == 2


def test_in_a_run_an_answer_is_computed_once_for_each_question(folder: Path) -> None:
    compute, calls = _counted({"rows": [1, 2]})
    for asked in (("a", 1), ("a", 1), ("a", "1"), ("a", 1)):
        assert once(asked, compute) == {"rows": [1, 2]}
    assert len(calls) == 2 and len(list(folder.iterdir())) == 2


def test_a_failure_is_not_remembered_and_leaves_nothing(folder: Path) -> None:
    def fail() -> object:
        raise DataError("no such outcome")

    for _ in range(2):
        with pytest.raises(DataError, match="no such outcome"):
            once(("a",), fail)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="Linux has such a folder")
def test_where_nothing_can_be_written_everything_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a folder of the system in which nobody can make a file
    monkeypatch.setenv(FOLDER, "/proc/self")
    compute, calls = _counted(7)
    assert [once(("a",), compute), once(("a",), compute)] == [7, 7] and len(calls) == 2


def test_where_the_disk_is_nearly_full_nothing_is_left_on_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    compute, calls = _counted(7)
    assert [once(("a",), compute), once(("a",), compute)] == [7, 7] and len(calls) == 2
    assert list(folder.iterdir()) == []


def test_a_broken_answer_is_computed_again(folder: Path) -> None:
    compute, calls = _counted(list(range(1000)))
    once(("a",), compute)
    (file,) = folder.iterdir()
    for content in (b"", file.read_bytes()[:100], b"not a pickle"):
        file.write_bytes(content)
        assert once(("a",), compute) == list(range(1000))
    assert len(calls) == 4


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_data_opened_again_is_what_it_was(tmp_path: Path, folder: Path, ending: str) -> None:
    twice = pd.concat([TOUCHES, TOUCHES.iloc[:3]])
    place = _write(tmp_path / "shop", twice, ending=ending)
    first, again = (tl.open_data(place) for _ in range(2))
    assert len(list(folder.iterdir())) > 4
    pd.testing.assert_frame_equal(first.notes, again.notes)
    repeated = again.notes[again.notes.note.str.startswith("equal rows, kept: on one day")]
    assert repeated.rows.tolist() == [3]
    pd.testing.assert_frame_equal(first.overview, again.overview)
    assert first.fingerprint == again.fingerprint
    for name in first.tables:
        pd.testing.assert_frame_equal(
            *(
                one.tables[name]
                .to_pandas()
                .sort_values(["customer_id", "timestamp"])
                .reset_index(drop=True)
                for one in (first, again)
            ),
            check_like=True,
        )


def test_a_file_of_duckdb_is_checked_once_until_it_changes(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "shop.duckdb"
    for rows in (40, 30):
        with duckdb.connect(str(path)) as connection:
            for name, frame in (("touches", TOUCHES.iloc[:rows]), ("outcomes", OUTCOMES)):
                connection.register("frame", frame)
                connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM frame")
        seen = [tl.open_data(path).overview.rows[0] for _ in range(2)]
        assert seen == [rows, rows]


def test_changed_files_are_checked_anew(tmp_path: Path, folder: Path) -> None:
    place = _write(tmp_path / "shop", TOUCHES)
    before = tl.open_data(place)
    assert before.overview.rows[0] == 40 and before.fingerprint
    _write(place, TOUCHES.iloc[:30])
    after = tl.open_data(place)
    assert after.overview.rows[0] == 30 and after.fingerprint != before.fingerprint
    bad = TOUCHES.assign(touchpoint=None)
    with pytest.raises(DataError, match="touchpoint"):
        tl.open_data(_write(place, bad))
    (place / "touchlab.toml").write_text('[touches]\ntouchpoint = "channel"\n')
    with pytest.raises(DataError, match="channel"):
        tl.open_data(_write(place, TOUCHES))


def test_changed_tables_are_not_taken_for_those_of_the_files(tmp_path: Path, folder: Path) -> None:
    rare = TOUCHES.assign(touchpoint=["fair", *TOUCHES.touchpoint[1:]])
    data = tl.open_data(_write(tmp_path / "shop", rare))
    folded = [fold_rare(data, k=3) for _ in range(2)]
    assert data.files and not folded[0].files
    assert folded[0].fingerprint == folded[1].fingerprint != data.fingerprint
    assert fold_rare(data, k=1) is data
    assert "fair" not in set(folded[1].touches.touchpoint.to_pandas())


def test_drivers_of_a_run_are_fitted_once_and_answer_alike(
    sample: tl.Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdouts = tl.holdout_effects(sample)
    fitted = tl.calibrate(tl.fit_drivers(sample, seed=1), holdouts)
    checks = tl.check_drivers(sample, fitted)

    def again(*_: object, **__: object) -> object:
        raise AssertionError("asked for a second time")

    monkeypatch.setattr(fit, "sample_moments", again)
    monkeypatch.setattr(calibrate, "_find_targets", again)
    monkeypatch.setattr(badges, "lead_test", again)
    read = tl.calibrate(tl.fit_drivers(sample, outcome="conversion", seed=1), holdouts)
    assert isinstance(read, calibrate.CalibratedDrivers) and read is not fitted
    assert read.moments.data is sample  # not a copy in another engine
    pd.testing.assert_frame_equal(tl.check_drivers(sample, read).table, checks.table)
    for answer in (
        lambda d: d.incremental(checks=checks),
        lambda d: d.baseline,
        lambda d: d.incremental(by="month"),
        lambda d: d.with_touch_rate(),
        lambda d: d.change,
    ):
        pd.testing.assert_frame_equal(answer(fitted), answer(read))


def test_other_drivers_are_not_checked_by_what_is_known_of_these(
    sample: tl.Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = tl.fit_drivers(sample, outcome="churn")
    other = tl.fit_drivers(sample, outcome="churn", half_lives=dict.fromkeys(
        fitted.moments.touchpoints, 3.0
    ))  # fmt: skip
    known, own = tl.check_drivers(sample, fitted), tl.check_drivers(sample, other)
    assert not np.allclose(known.table.e_value, own.table.e_value)
    monkeypatch.delenv(FOLDER)
    pd.testing.assert_frame_equal(own.table, tl.check_drivers(sample, other).table)
