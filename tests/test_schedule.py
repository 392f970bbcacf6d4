"""Lines for cron: right times, quoting that survives, and that they run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from touchlab.cli import main
from touchlab.errors import DataError, ParameterError
from touchlab.reporting import schedule
from touchlab.reporting.schedule import cron_command, write_schedule

ROOT = Path(__file__).parents[1]
AWKWARD = 'the shop\'s 100% "new" $HOME & co; `x` \\ ü'


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / AWKWARD).mkdir()
    return tmp_path / AWKWARD


@pytest.mark.parametrize(
    ("every", "at", "cron"),
    [
        ("day", "06:00", "0 6 * * * "),
        ("week", "7:30", "30 7 * * 1 "),
        ("month", "23:59", "59 23 1 * * "),
    ],
)
def test_times_in_the_words_of_cron(
    shop: Path, tmp_path: Path, every: str, at: str, cron: str
) -> None:
    planned = write_schedule(shop, every=every, at=at, out=tmp_path / "r")
    assert planned.cron.startswith(cron)


def _as_cron_does(line: str) -> str:
    """Take the times off, end at the first bare %, and take the backslash before the others."""
    command = line.split(" ", 5)[5]
    return re.split(r"(?<!\\)%", command)[0].replace("\\%", "%")


def _in_an_empty_environment(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["env", "-i", f"HOME={home}", "PATH=/usr/bin:/bin", "/bin/sh", "-c", command],
        capture_output=True, text=True, cwd="/", check=False,
    )  # fmt: skip


def test_cron_hands_over_every_word_as_it_was(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "say 5%.py"
    script.write_text("import os, sys\nprint([os.getcwd(), *sys.argv[1:]])\nsys.exit(3)\n")
    monkeypatch.setattr(schedule, "_touchlab", lambda: [sys.executable, str(script)])
    planned = write_schedule(shop, out=tmp_path / "re ports 5%", only=["02"])
    done = _in_an_empty_environment(_as_cron_does(planned.cron), tmp_path)
    words = [str(ROOT), "report", str(shop), "--out", str(tmp_path / "re ports 5%"), "--only", "02"]
    assert planned.log == tmp_path / "re ports 5%.log"
    assert planned.log.read_text() == f"{words}\n"
    # it failed, so the end of the log is printed, which cron mails; the code is kept
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{words}\n", "")


def test_the_command_itself_runs_without_an_environment(shop: Path, tmp_path: Path) -> None:
    planned = write_schedule(shop, out=tmp_path / "r", only=["02"])
    # one word changed, or it would make a report: what is unknown is refused with code 2
    command = _as_cron_does(planned.cron).replace("--only 02", "--only nothing")
    done = _in_an_empty_environment(command, tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith("ParameterError: ")
    assert not (tmp_path / "r").exists()


def test_no_mail_where_it_went_well(tmp_path: Path) -> None:
    line = cron_command(["echo", "100 %"], tmp_path, tmp_path / "a.log")
    done = _in_an_empty_environment(_as_cron_does(f"0 0 * * * {line}"), tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "a.log").read_text() == "100 %\n"


def test_what_is_refused(shop: Path, tmp_path: Path) -> None:
    def refused(error: type[Exception] = ParameterError, **given: object) -> str:
        settings = {"data": shop, "out": tmp_path / "r", **given}
        with pytest.raises(error) as caught:
            write_schedule(settings.pop("data"), **settings)
        return str(caught.value)

    assert refused(every="hour") == ("every: 'hour' is not allowed\n  use any of day, week, month")
    for at in ("24:00", "6", "06:60", "06:00\n* * * * * rm"):
        assert refused(at=at) == f"at: {at!r} is not a time of day\n  give hours and minutes: 06:00"
    assert "there is no folder" in refused(out=tmp_path / "a/b")
    assert "control character" in refused(out=f"{tmp_path}/a\nb")
    assert refused(only=["99"]).startswith("unknown notebook '99'\n")
    assert refused(DataError, data=tmp_path / "nowhere").startswith("data: there is nothing at")
    said = refused(DataError, data="postgres://eva:hunter2@host/shop")
    assert "a secret is written into the address" in said and "hunter2" not in said
    planned = write_schedule("postgres://eva@host/shop", out=tmp_path / "r")
    assert " postgres://eva@host/shop " in planned.cron


def test_the_users_word_for_an_address_goes_with_it(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHLAB_ALLOW_ADDRESS", "")
    settings = ["--out", str(tmp_path / "r"), "--allow-address", "postgres://${PGUSER}@host/shop"]
    assert main(["schedule", str(shop), *settings]) == 0
    planned = write_schedule(shop, out=tmp_path / "r")
    assert " --allow-address 'postgres://${PGUSER}@host/shop' >>" in planned.cron


def test_the_command(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", str(shop), "--every", "week", "--out", str(tmp_path / "r")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# Nothing has been installed.")
    for part in (
        "\n0 6 * * 1 cd ",
        "# MAILTO=",
        "\n#     1  a notebook",
    ):
        assert part in said
    assert os.listdir(tmp_path) == [AWKWARD]  # nothing was written
    assert main(["schedule", str(shop), "--at", "noon"]) == 2


def test_the_examples_hold() -> None:
    compile((ROOT / "docs/examples/airflow_dag.py").read_text(), "airflow_dag.py", "exec")
    workflow = yaml.safe_load((ROOT / "docs/examples/github-workflow.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["report"]["steps"] if "run" in step]
    assert commands[0].startswith("make report ") and "touchlab share " in commands[1]
    assert re.search("^report:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.slow
def test_plain_papermill_runs_a_notebook_as_it_stands(tmp_path: Path) -> None:
    papermill = Path(sys.executable).with_name("papermill")
    command = [
        str(papermill), "notebooks/03_attribution.ipynb", str(tmp_path / "out.ipynb"),
        "-p", "outcome", "conversion",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'outcome = \\"conversion\\"' in (tmp_path / "out.ipynb").read_text()
