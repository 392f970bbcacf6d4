"""Four monthly report runs of a simulated company: its record, a break and a changed ledger."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from touchlab.overview import read_tables
from touchlab.reporting import Run, run_report
from touchlab.reporting.record import TABLES
from touchlab.simulate import TouchpointSpec, World, simulate

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from track_record import halved, spliced, until

ENDS = pd.date_range("2025-07-31", periods=4, freq="ME") + pd.Timedelta(days=1)
BREAK = ENDS[-2]


def company() -> dict[str, pd.DataFrame]:
    """Customers whose orders fall to a quarter a month before the data ends."""
    ad = TouchpointSpec("ad", rate=0.02, effects={"conversion": 0.5})
    mail = TouchpointSpec("mail", rate=0.03, effects={"conversion": 1.0})
    world = World((ad, mail), customers=900, days=305)
    usual = replace(world.outcomes["conversion"], rate=0.01, intent=0.0)
    world = replace(world, outcomes={"conversion": usual})
    then = simulate(halved(halved(world)), seed=1).tables
    return spliced(simulate(world, seed=1).tables, then, BREAK)


def report(tables: dict[str, pd.DataFrame], folder: Path, end: pd.Timestamp) -> Run:
    """Run page 10 on what was known at the beginning of a day."""
    (folder / "shop").mkdir(exist_ok=True)
    for name, table in until(tables, end).items():
        table.to_parquet(folder / "shop" / f"{name}.parquet", index=False)
    return run_report(folder / "shop", out=folder / "reports", only=["10"])


def answer(run: Run) -> str:
    return run.pages[0].answer


@pytest.mark.slow
def test_monthly_reports_keep_their_record(tmp_path: Path) -> None:
    tables, ledger = company(), tmp_path / "reports" / "forecasts-shop.jsonl"
    runs = [report(tables, tmp_path, end) for end in ENDS]
    first, second, *_, last = map(answer, runs)
    assert "No forecast is on record yet" in first
    assert "past forecasts held" in second
    assert all("missed by far" not in answer(run) for run in runs[:-1])
    assert "missed by far" in last and "Something has changed" in last
    lines = ledger.read_text().splitlines()
    assert len(lines) >= 4 * 3 and runs[-1].ledger.startswith(f"{len(lines)} ")
    said = read_tables(runs[-1].folder / TABLES)["record"].said.iloc[0]
    assert said in last.replace("\N{NO-BREAK SPACE}", " ") or "missed by far" in said
    page = (runs[-1].folder / "10_track_record.html").read_text()
    assert str(tmp_path) not in page and "Past forecasts, the newest first" in page

    assert report(tables, tmp_path, ENDS[-1]).status == "unchanged"
    assert ledger.read_text().splitlines() == lines
    changed = lines[0].replace('"forecast": ', '"forecast": 1')
    ledger.write_text("\n".join([changed, *lines[1:], ""]))
    again = report(tables, tmp_path, ENDS[-1])
    assert "The ledger was changed after run" in answer(again)
    assert ledger.read_text().splitlines()[1:] == lines[1:]  # nothing is added to it
