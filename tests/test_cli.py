"""The `touchlab` command: what a user types, sees and gets as an exit code."""

from __future__ import annotations

import os
import re
import signal
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from touchlab.cli import _terminated, main

ROOT = Path(__file__).parents[1]


def _write(folder: Path, touches: str, outcomes: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "touches.csv").write_text(touches)
    (folder / "outcomes.csv").write_text(outcomes)
    return folder


GOOD = "customer_id,timestamp,touchpoint\na,2026-01-01T08:00Z,search\na,2026-01-02T08:00Z,email\n"
SOLD = "customer_id,timestamp,outcome\na,2026-01-03T08:00Z,conversion\n"


def test_check_says_what_the_data_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(_write(tmp_path / "shop", GOOD, SOLD))]) == 0
    said = capsys.readouterr().out
    assert re.search(r"touches +2 +1 2026-01-01 2026-01-02", said)
    assert said.rstrip().endswith("shop keeps the contract")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    import touchlab as tl

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"touchlab {tl.__version__}\n"
    assert tl.__version__ == version("touchlab")


ODD = "\x1b[2Jred\x00\u200b\u202e\u2028"


def test_no_control_character_of_data_reaches_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = GOOD.replace("2026-01-02T08:00Z", f"2026{ODD.replace(chr(0), '')}")
    named = GOOD.replace("touchpoint", f"tp{ODD[:4]}")
    cases = {"touches.timestamp: 1 of 2 rows": wrong, "touchpoint: the column is": named}
    for head, touches in cases.items():
        assert main(["check", str(_write(tmp_path / head[:9], touches, SOLD))]) == 2
        said = capsys.readouterr()
        assert head in said.err and "\\x1b[2J" in said.err
        assert [c for c in said.err + said.out if not c.isprintable() and c != "\n"] == []
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "touchlab.toml").write_text('[data]\naddress = "x\\u001b[2Jx://a"')
    assert main(["check", str(tmp_path / "s")]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_check_lists_problems_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = GOOD.replace("touchpoint", "chanel").replace("2026-01-02T08:00Z", "31/02/2026")
    assert main(["check", str(_write(tmp_path / "shop", bad, SOLD))]) == 2
    said = capsys.readouterr().err
    assert said.startswith("DataError: shop: 2 problems\n")
    assert "touches.touchpoint: the column is missing" in said
    assert "touches.timestamp: 1 of 2 rows are not times" in said


def test_report_refuses_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reports"
    for wrong in (
        ["--param", "lookbak=7D"],
        ["--only", "99_nothing"],
        ["--param", "min_customers=many"],
    ):
        assert main(["report", str(ROOT / "data/sample"), "--out", str(out), *wrong]) == 2
        assert capsys.readouterr().err.startswith("ParameterError: ")
    assert main(["report", str(tmp_path / "nowhere"), "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith("DataError: ")
    assert not out.exists()


def test_simulate_writes_a_folder_that_opens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(tmp_path / "c"), "--customers", "300", "--seed", "3"]) == 0
    assert main(["check", str(tmp_path / "c")]) == 0
    assert "c keeps the contract" in capsys.readouterr().out
    assert len(pd.read_parquet(tmp_path / "c" / "customers.parquet")) == 300


def test_report_takes_its_parameters_from_beside_the_data(tmp_path: Path) -> None:
    from touchlab.data.settings import settings_of

    folder = _write(tmp_path / "shop", GOOD, SOLD)
    assert settings_of(str(folder), "report") == {}
    (folder / "touchlab.toml").write_text('[report]\nlookback = "14D"\n')
    assert settings_of(str(folder), "report") == {"lookback": "14D"}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that signals")
def test_an_end_asked_for_while_an_object_goes_comes_after_it() -> None:
    """What is raised in a finaliser is printed and forgotten: the run would go on."""

    class Goes:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        with pytest.raises(SystemExit) as ended:
            Goes()
            time.sleep(30)
        assert ended.value.code == 143
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
