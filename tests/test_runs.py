"""Report runs: what is run and in which order, one at a time, published whole or not at all."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from report_runs import left_over, write_notebook

from touchlab.cli import main, shown
from touchlab.data.dataset import open_data
from touchlab.errors import ParameterError
from touchlab.reporting import (
    Busy,
    Limits,
    NotFinished,
    NotWritten,
    Run,
    Step,
    notebooks,
    parameters,
    publish,
    run_report,
    run_sweep,
    source,
    sweep,
)
from touchlab.reporting import run as running
from touchlab.reporting.kernel import Kernels
from touchlab.reporting.notebooks import choose_tasks
from touchlab.reporting.publish import locked
from touchlab.reporting.record import put_in_place, read_record, read_records, write_record
from touchlab.reporting.run import run_key
from touchlab.reporting.source import Cut, Source, cut_data
from touchlab.reporting.sweep import read_sweep

DESCRIBE = Kernels.describe
NO_DATA = "data = 'data/sample'  # folder"


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare each run the look into its data, which takes longer than these notebooks."""
    if "run_again_whole" not in request.node.name:
        monkeypatch.setattr(Kernels, "describe", lambda *_: {})


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A working folder with data and one notebook; `reports` is where reports go."""
    data = tmp_path / "shop"
    data.mkdir()
    (data / "touches.csv").write_text(
        "customer_id,timestamp,touchpoint\na,2026-01-01T08:00Z,search\nb,2026-01-02T08:00Z,email\n"
    )
    (data / "outcomes.csv").write_text(
        "customer_id,timestamp,outcome\na,2026-01-03T08:00Z,conversion\n"
    )
    write_notebook(tmp_path / "notebooks", "01_a", "n * 2", parameters=f"{NO_DATA}\nn = 1  # days")
    return tmp_path


def report(shop: Path, data: str = "shop", **settings: object) -> Run:
    place = {"out": shop / "reports", "folder": shop / "notebooks"}
    return run_report(shop / data, **{**place, **settings})


@pytest.fixture
def typed(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of what is typed; its notebooks stand in the place of the nine."""
    monkeypatch.chdir(shop)
    for module in (notebooks, running, sweep):
        monkeypatch.setattr(module, "notebooks_folder", lambda: shop / "notebooks")
    return shop


def written(out: Path) -> dict[Path, int]:
    """When each file was written."""
    return {path: path.lstat().st_mtime_ns for path in out.rglob("*")}


# --- the order ----------------------------------------------------------------------------


def begun(shop: Path, **settings: object) -> list[str]:
    """The names of the notebooks in the order in which they started."""
    names: list[str] = []
    report(
        shop, limits=Limits(jobs=1), force=True,
        progress=lambda step: names.append(step.name) if step.word == "started" else None,
    )  # fmt: skip
    return names


def test_the_longest_begins_and_what_reads_tables_comes_last(shop: Path):
    notebooks = shop / "notebooks"
    write_notebook(notebooks, "00_o", "1", parameters="results = ''")
    write_notebook(notebooks, "01_a", "'much code, little time'  # " + 40 * "long ")
    write_notebook(notebooks, "02_b", "import time; time.sleep(2)")
    assert begun(shop) == ["01_a", "02_b", "00_o"]
    assert begun(shop) == ["02_b", "01_a", "00_o"]  # now it is known how long each takes


def test_data_that_changes_while_it_is_read_makes_no_report(shop: Path):
    cell = "open(f'{data}/touches.csv', 'a').write('c,2026-01-02T09:00Z,email\\n')"
    write_notebook(shop / "notebooks", "01_a", cell)
    with pytest.raises(NotFinished) as error:
        report(shop)
    assert str(error.value).splitlines()[0] == (
        "the run stopped: Data changed: files of the data were written to while it ran; "
        "run again once they stay as they are"
    )
    failed = read_record(next((shop / "reports").glob("failed-*")))
    assert (failed.status, failed.failure.error) == ("failed", "Data changed")
    assert "files of the data were written to" in failed.page.read_text()
    assert not os.path.lexists(shop / "reports" / "latest")
    write_notebook(shop / "notebooks", "01_a", "'reads alone'")
    assert report(shop).status == "complete"


def test_no_more_at_a_time_than_jobs(shop: Path):
    for name in ("02_b", "03_c", "04_d"):
        write_notebook(shop / "notebooks", name, "1")
    running, most = [0], [0]

    def count(step: Step) -> None:
        running[0] += (step.word == "started") - (step.name != "" and step.ended)
        most[0] = max(most[0], running[0])

    report(shop, progress=count)
    assert (most, running) == ([2], [0])


def test_with_no_time_known_the_most_code_begins(shop: Path):
    write_notebook(shop / "notebooks", "02_b", "1 + 1  # " + 40 * "long ")
    write_notebook(shop / "notebooks", "03_c", "1 + 1")
    assert begun(shop) == ["02_b", "01_a", "03_c"]


def test_trouble_in_one_piece_stops_the_others_at_once(shop: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(running, "write_tables", fail)
    write_notebook(shop / "notebooks", "02_b", "import time; time.sleep(300)")
    write_notebook(shop / "notebooks", "03_c", "1")
    clock = time.monotonic()
    with pytest.raises(NotWritten, match="full"):
        report(shop)
    assert time.monotonic() - clock < 60
    assert left_over(shop / "reports") == set()


# --- what is unchanged --------------------------------------------------------------------


def test_what_has_changed_is_run_again_whole(shop: Path):
    notebooks = shop / "notebooks"
    write_notebook(notebooks, "02_b", "print('b')")
    write_notebook(
        notebooks, "00_o", "import os\nprint(os.path.basename(results), os.path.isdir(results))",
        parameters="results = ''  # folder of tables",
    )  # fmt: skip
    first = report(shop)
    assert first.status == "complete"
    assert [page.name for page in first.pages] == ["00_o", "01_a", "02_b"]
    assert "tables True" in (first.folder / "00_o.html").read_text()
    assert first.window == {"first": "2026-01-01T08:00:00", "last": "2026-01-03T08:00:00"}

    before = written(shop / "reports")
    again = report(shop)
    assert (again.status, again.run_id) == ("unchanged", first.run_id)
    assert written(shop / "reports") == before

    steps: list[Step] = []
    other = report(shop, parameters={"n": 2}, progress=steps.append)
    assert {step.name for step in steps if step.word == "done"} == {"00_o", "01_a", "02_b"}
    assert (other.key != first.key, other.fingerprint) == (True, first.fingerprint)
    assert publish.leads_to(shop / "reports" / "latest") == other.folder.name
    assert [run.run_id for run in read_records(shop / "reports")] == [other.run_id, first.run_id]

    # Back to the first values: the newest report has others, so a new one is made.
    back = report(shop)
    assert (back.status, back.key) == ("complete", first.key)

    # A page that is gone is made again.
    (back.folder / "01_a.html").unlink()
    assert report(shop).status == "complete"


def test_a_failed_run_is_never_taken_for_the_newest_report(shop: Path):
    write_notebook(shop / "notebooks", "02_b", "1 / 0")
    for _ in range(2):
        with pytest.raises(NotFinished):
            report(shop)
    write_notebook(shop / "notebooks", "02_b", "1 / 1")
    assert report(shop).status == "complete"
    assert report(shop).status == "unchanged"


def test_every_ingredient_changes_the_key(shop: Path, monkeypatch: pytest.MonkeyPatch):
    write_notebook(shop / "notebooks", "00_o", "1", parameters="results = ''")

    def made(
        content: str = "c",
        name: str = "shop",
        cut: Cut | None = None,
        pandas="3",
        only=(),
        colour: str = "",
        **given,
    ) -> str:
        plan = choose_tasks(shop / "notebooks", only, given)
        return run_key(
            plan.tasks, Source(name, "x", cut), content, {"pandas": pandas}, {"c": colour}
        )

    first = made()
    assert made() == first
    others = [
        made(n=2),
        made(content="d"),
        made(cut=Cut({"region": "north"})),
        made(name="else"),
        made(pandas="4"),
        made(only=["01"]),
        made(colour="#7a1f5c"),
    ]
    write_notebook(shop / "notebooks", "01_a", "n * 3", parameters=f"{NO_DATA}\nn = 1")
    others.append(made())
    monkeypatch.setattr(running, "code_key", lambda: "other code")
    others.append(made())
    assert len({first, *others}) == 10
    assert made(content="") == ""


def test_data_of_a_server_is_never_taken_for_unchanged(tmp_path: Path):
    assert source.data_key("postgres://eva:secret@host/shop") == ""
    assert source.data_key("duckdb://no/such.duckdb") == ""
    (tmp_path / "shop.duckdb").write_bytes(b"one")
    found = source.data_key(f"duckdb://{tmp_path}/shop.duckdb")
    assert found == source.data_key(f"{tmp_path}/shop.duckdb") != ""


def test_data_is_known_by_its_content(shop: Path):
    data, touches = shop / "shop", shop / "shop" / "touches.csv"
    first = source.data_key(str(data))
    old = touches.stat()
    touches.write_text(touches.read_text().replace("email", "e-mai"))  # the same size
    os.utime(touches, ns=(old.st_atime_ns, old.st_mtime_ns))  # and dated back
    second = source.data_key(str(data))
    assert second != first
    (data / "touchlab.toml").write_text('[report]\nlookback = "7D"\n[sweep.a]\nn = 1\n')
    (data / "notes.txt").write_text("not data")
    plain = source.data_key(str(data))
    (data / "touchlab.toml").write_text('[report]\nlookback = "8D"\n')
    assert source.data_key(str(data)) == plain
    (data / "touchlab.toml").write_text('[touches]\ntouchpoint = "channel"\n')
    assert source.data_key(str(data)) != plain


# --- one at a time ------------------------------------------------------------------------


def test_the_second_run_waits_and_finds_its_work_done(shop: Path):
    write_notebook(shop / "notebooks", "01_a", "import time; time.sleep(1)")
    runs, steps = [], []

    def go() -> None:
        runs.append(report(shop, progress=steps.append))

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.status for run in runs) == ["complete", "unchanged"]
    assert runs[0].run_id == runs[1].run_id
    waited = "another run is writing to 'reports': waiting for its end"
    said = sorted(step.word for step in steps if not step.name)
    assert said == [waited, "shop: 1 notebook"]


def test_a_run_that_waited_too_long_declines(tmp_path: Path):
    with (
        locked(tmp_path, patience=0),
        pytest.raises(Busy) as error,
        locked(tmp_path, patience=0.1),
    ):
        pass
    assert str(error.value) == (
        f"another run has held {tmp_path.name!r} for 0.1 seconds\n"
        "  wait for its end, or write to another folder with --out"
    )


def test_the_lock_dies_with_its_process(tmp_path: Path):
    code = (
        "import time; from pathlib import Path; from touchlab.reporting.publish import locked\n"
        f"with locked(Path({str(tmp_path)!r}), patience=0):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(Busy), locked(tmp_path, patience=0):
        pass
    other.kill()
    other.communicate()
    with locked(tmp_path, patience=0):
        pass


# --- publishing ---------------------------------------------------------------------------


def fake_run(out: Path, name: str) -> Path:
    folder = out / name
    folder.mkdir(parents=True)
    run = Run(name.removeprefix("failed-"), folder, "complete", "2026-01-01", 1.0, "shop")
    write_record(run)
    run.page.write_text(name)
    return folder


def test_old_runs_are_dropped_and_nothing_else(tmp_path: Path):
    out, work = tmp_path / "reports", tmp_path / "reports" / ".work-1"
    days = [f"202601{day:02d}T000000Z-shop" for day in range(1, 6)]
    for name in [*days, *(f"failed-{name}" for name in days)]:
        fake_run(out, name)
    fake_run(out, "my-run")  # has a record, but not a run's name
    (out / "20250101T000000Z-notes").mkdir()  # a run's name, but no record
    (out / "20250102T000000Z-elsewhere").symlink_to(fake_run(tmp_path, "elsewhere"))
    work.mkdir()
    gone = publish.prune(out, keep=2, spare={days[0]}, work=work)
    assert gone == [days[1], days[2], *(f"failed-{name}" for name in days[:3])]
    stays = {days[0], days[3], days[4], "my-run", "20250101T000000Z-notes"}
    stays |= {f"failed-{name}" for name in days[3:]} | {"20250102T000000Z-elsewhere"}
    assert {path.name for path in out.iterdir() if path != work} == stays
    assert (tmp_path / "elsewhere" / "run.json").is_file()


def test_latest_leads_to_the_new_run_in_one_step(tmp_path: Path):
    out = tmp_path / "reports"
    for name in ("20260101T000000Z-shop", "20260102T000000Z-shop"):
        with publish.workspace(publish.made(out)) as work:
            run = replace(read_record(fake_run(work, name)), run_id=name)
            publish.publish(run, out, keep=20, work=work)
        assert (out / "latest" / "index.html").read_text() == name
        assert publish.leads_to(out / "latest") == name
        assert left_over(out) == set()


def test_without_links_there_is_no_latest_and_the_index_leads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("a required privilege is not held by the client")

    out, name = tmp_path / "reports", "20260102T000000Z-shop"
    monkeypatch.setattr(Path, "symlink_to", refuse)
    with publish.workspace(publish.made(out)) as work:
        publish.publish(read_record(fake_run(work, name)), out, keep=20, work=work)
    assert not os.path.lexists(out / "latest")
    assert f'<h1><a href="{name}/index.html">shop</a></h1>' in (out / "index.html").read_text()


def test_latest_is_of_one_data_and_no_part_moves_it(shop: Path):
    out = shop / "reports"
    write_notebook(shop / "notebooks", "02_b", "1")
    shutil.copytree(shop / "shop", shop / "Köln & Co")
    whole = report(shop)
    part = report(shop, only=["02"])
    assert part.folder.name.endswith("Z-shop-only-02")
    assert report(shop, only=["02"]).status == "unchanged"
    other = report(shop, "Köln & Co")
    report(shop, "Köln & Co", only=["01"])
    linked = {path.name: publish.leads_to(path) for path in out.glob("latest*")}
    assert linked == {"latest": whole.folder.name, "latest-Koln-Co": other.folder.name}
    assert (part.part, whole.part, report(shop).status) == ("02", "", "unchanged")
    # the page of all reports begins with a whole one, though a part is newer
    page = BeautifulSoup((out / "index.html").read_text(), "html.parser")
    assert page.h1.a["href"] == f"{quote(other.folder.name)}/index.html"
    # a kill between the two last steps: the next run lets the link lead on
    (out / "latest").unlink()
    assert report(shop).status == "unchanged"
    assert publish.leads_to(out / "latest") == whole.folder.name


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_latest_of_someone_else_is_left_alone(shop: Path, kind: str):
    latest = shop / "reports" / "latest"
    latest.parent.mkdir()
    {
        "folder": latest.mkdir,
        "file": latest.touch,
        "link": lambda: latest.symlink_to(shop / "shop"),
    }[kind]()
    with pytest.raises(NotWritten) as error:
        report(shop)
    assert str(error.value) == (
        "'latest' in 'reports' is not from touchlab, and is left alone\n"
        "  rename it, or write to another folder with --out"
    )


def test_a_run_is_on_the_disk_itself_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out, name, told = tmp_path / "reports", "20260101T000000Z-shop", []
    sync, rename = os.fsync, Path.replace

    def noted_sync(descriptor: int) -> None:
        told.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    def noted_rename(draft: Path, target: Path) -> Path:
        told.append(f"{draft.name} -> {Path(target).name}")
        return rename(draft, target)

    with publish.workspace(publish.made(out)) as work:
        run = replace(read_record(fake_run(work, name)), run_id=name)
        (run.folder / "tables").mkdir()
        (run.folder / "tables" / "a.csv").write_text("a\n")
        monkeypatch.setattr(os, "fsync", noted_sync)
        monkeypatch.setattr(Path, "replace", noted_rename)
        publish.publish(run, out, keep=20, work=work)
    first = told.index(f"{name} -> {name}")
    assert sorted(told[:first]) == [name, "a.csv", "index.html", "run.json", "tables"]
    assert told[first + 1 :] == [
        "reports",
        ".work-index.html",
        ".work-index.html -> index.html",
        "reports",
        ".work-latest -> latest",
        "reports",
    ]


def test_a_disk_that_settles_no_folders_is_taken_and_one_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(number: int, folders: bool) -> None:
        def fsync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode) == folders:
                raise OSError(number, "no")

        monkeypatch.setattr(os, "fsync", fsync)

    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "page").write_text("x")
    refuse(errno.EINVAL, folders=True)
    put_in_place(tmp_path / "draft", tmp_path / "run")
    assert (tmp_path / "run" / "page").read_text() == "x"
    for number, folders in ((errno.EIO, True), (errno.EINVAL, False)):
        refuse(number, folders)
        with pytest.raises(OSError, match="no"):
            put_in_place(tmp_path / "run", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_a_killed_run_left_is_cleared_away(shop: Path):
    out = shop / "reports"
    (out / ".work-dead" / "run").mkdir(parents=True)
    (out / ".work-index.html").touch()
    (out / ".workspace").mkdir()  # not ours
    report(shop)
    assert left_over(out) == {".workspace"}


# --- what stops a run ---------------------------------------------------------------------


def test_a_failed_run_tells_of_every_notebook_and_latest_stays(shop: Path):
    good = report(shop)
    write_notebook(shop / "notebooks", "02_b", "print('so far')", "1 / 0", "2")
    write_notebook(shop / "notebooks", "00_o", "1", parameters="results = ''")
    steps: list[Step] = []
    with pytest.raises(NotFinished) as error:
        report(shop, parameters={"n": 3}, progress=steps.append)
    first, second, where, _ = str(error.value).splitlines()
    assert first == "02_b stopped in code cell 3: ZeroDivisionError: division by zero"
    assert second == "00_o stopped: Not run: a notebook whose tables it reads stopped"
    assert where.startswith("  what ran up to there: ")
    failed = next((shop / "reports").glob("failed-*"))
    assert "so far" in (failed / "02_b.html").read_text()
    assert not (failed / "00_o.html").exists()
    states = {page.name: page.status for page in read_record(failed).pages}
    assert states == {"00_o": "not run", "01_a": "complete", "02_b": "failed"}
    assert read_record(failed).failure.notebook == "02_b"
    assert publish.leads_to(shop / "reports" / "latest") == good.folder.name
    assert {(s.name, s.word) for s in steps} >= {("02_b", "failed"), ("00_o", "not run")}


def test_a_kernel_that_dies_once_is_tried_again(shop: Path):
    cell = (
        "import os\nif not os.path.exists('tried'):\n"
        "    open('tried', 'w')\n    os.kill(os.getpid(), 9)"
    )
    write_notebook(shop / "notebooks", "01_a", cell, "'well'")
    steps: list[Step] = []
    assert report(shop, progress=steps.append).status == "complete"
    assert [step.word for step in steps if step.name] == ["started", "retried", "done"]
    (shop / "tried").unlink()
    with pytest.raises(NotFinished, match="Dead kernel"):
        report(shop, limits=Limits(retries=0), force=True)


def test_a_run_keeps_to_its_total_time(shop: Path):
    write_notebook(shop / "notebooks", "01_a", "import time; time.sleep(60)")
    write_notebook(shop / "notebooks", "02_b", "1")
    with pytest.raises(NotFinished) as error:
        report(shop, limits=Limits(jobs=1, total=8))
    first, second, *_ = str(error.value).splitlines()
    assert re.search(r"(Timeout: the notebook was not finished after|Not run: the run had)", first)
    assert second == "02_b stopped: Not run: the run had used its 8 seconds"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"jobs": 0}, "jobs must be 1 or more, not 0"),
        ({"keep": 0}, "keep must be 1 or more, not 0"),
        ({"retries": -1}, "retries must be 0 or more, not -1"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0, not 0"),
        ({"total": float("nan")}, "total must be a number of seconds above 0, not nan"),
    ],
)
def test_limits_are_checked(settings: dict[str, float], message: str):
    with pytest.raises(ParameterError) as error:
        Limits(**settings)
    assert str(error.value) == message


def test_exit_codes_are_those_of_the_help(typed: Path, capsys: pytest.CaptureFixture[str]):
    shop = typed
    assert main(["report", "shop"]) == 0
    assert main(["report", "shop"]) == 0
    said = capsys.readouterr().out
    assert "nothing has changed since the run" in said
    write_notebook(shop / "notebooks", "01_a", "1 / 0")
    assert main(["report", "shop"]) == 1
    assert main(["report", "shop", "--param", "m=1"]) == 2
    assert main(["report", "shop", "--jobs", "0"]) == 2
    (shop / "file").touch()
    assert main(["report", "shop", "--out", "file"]) == 3
    with locked(shop / "reports", patience=0):
        assert main(["report", "shop", "--total-timeout", "0.3"]) == 4
    assert main(["report", "--help"]) == 0
    assert "    4  another run held the folder for too long\n" in capsys.readouterr().out


# --- kernels ------------------------------------------------------------------------------


def test_kernels_are_on_their_own(shop: Path):
    cell = (
        "import os, random, sys, numpy as np\n"
        f"print('itself', sys.executable == '{sys.executable}')\n"
        "print('here', os.getcwd() == os.path.dirname(data))\n"
        "print('group', os.getpgid(0) == os.getpid())\n"
        "print('random', np.random.rand(), random.random())"
    )
    plot = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    for name in ("01_a", "02_b", "03_c"):
        write_notebook(shop / "notebooks", name, cell, plot)
    run = report(shop)
    drawn = set()
    for page in run.pages:
        outputs = nbformat.read(run.folder / f"{page.name}.ipynb", as_version=4).cells
        printed = outputs[-2].outputs[0].text.splitlines()
        assert printed[:3] == ["itself True", "here True", "group True"]
        drawn.add(printed[3])
        assert "image/png" in outputs[-1].outputs[0].data
    assert len(drawn) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", ["", "start_new_session=True", "env={}"])
@pytest.mark.parametrize("end", ["1 / 1", "1 / 0"])
def test_what_a_kernel_started_ends_with_the_run(shop: Path, how: str, end: str):
    cell = f"import subprocess; print(subprocess.Popen(['sleep', '321'], {how}).pid)"
    write_notebook(shop / "notebooks", "01_a", cell, end)
    with suppress(NotFinished):
        report(shop)
    runs = [run for run in (shop / "reports").iterdir() if not run.is_symlink()]
    (ended,) = [run / "01_a.ipynb" for run in runs if (run / "01_a.ipynb").exists()]
    pid = nbformat.read(ended, as_version=4).cells[-2].outputs[0].text
    deadline = time.monotonic() + 30  # the system takes the zombie away
    while Path(f"/proc/{int(pid)}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{int(pid)}").exists()


def test_much_output_is_cut_and_said(shop: Path, monkeypatch: pytest.MonkeyPatch):
    from touchlab.reporting import execute

    monkeypatch.setattr(execute, "MOST", 2_000_000)
    cell = "from IPython.display import HTML, display\ndisplay(HTML('<p>' + 'y' * 3_000_000))"
    write_notebook(shop / "notebooks", "01_a", "print('x' * 20_000_000)", cell, "print('end')")
    run = report(shop)
    page = (run.folder / "01_a.html").read_text()
    assert len(page) < 1_500_000
    assert "(and 19,500,001 characters more, left out)" in page
    assert "(outputs of more than 2 MB in a notebook are left out)" in page
    assert "yyy" not in page and ">end<" in page
    assert (run.folder / "01_a.ipynb").stat().st_size < 1_500_000


def test_paths_in_colours_are_hidden_on_failed_pages(shop: Path):
    said = "print(f'\\x1b[32m{data}\\x1b[0m/a \\x1b[1m{data[:9]}\\x1b[0m{data[9:]}')"
    cell = f"{said}\nopen(data + '/x')"
    write_notebook(shop / "notebooks", "01_a", cell)
    with pytest.raises(NotFinished):
        report(shop)
    for file in next((shop / "reports").glob("failed-*")).iterdir():
        assert str(shop) not in re.sub(r"\x1b\[\d*m|\\u001b\[[\d;]*m|<[^>]*>", "", file.read_text())


def test_nothing_is_no_folder_of_reports(typed: Path, capsys: pytest.CaptureFixture[str]):
    before = set(typed.rglob("*"))
    for more in ([], ["--sweep"]):
        assert main(["report", "shop", "--out", " ", *more]) == 2
        said = capsys.readouterr().err
        if not more:
            assert said == (
                "ParameterError: out: the folder of the reports is empty\n"
                "  name one, or leave it out\n"
            )
    assert set(typed.rglob("*")) == before


# --- parameters ---------------------------------------------------------------------------


def test_ranges_and_choices_are_checked_before_anything_starts(
    shop: Path, monkeypatch: pytest.MonkeyPatch
):
    own = {
        "rate": ("0 to 1", lambda value: 0 <= value <= 1),
        "metric": ("one of nps, csat", lambda value: value in ("nps", "csat")),
    }
    monkeypatch.setattr(parameters, "RANGES", {**parameters.RANGES, **own})
    cell = "rate = 0.5\nmetric = 'nps'\nseeds = [1]\nlookback = '30D'\noutcome = 'conversion'"
    write_notebook(shop / "notebooks", "01_a", "1", parameters=cell)
    wrong = {"rate": 2, "metric": "npx", "seeds": [3, -1], "lookback": "30", "outcome": ""}
    with pytest.raises(ParameterError) as error:
        report(shop, parameters=wrong)
    assert str(error.value).splitlines() == [
        "parameter 'rate' must be 0 to 1, not 2",
        "parameter 'metric' must be one of nps, csat, not 'npx'",
        "parameter 'seeds' must be 0 or more, not [3, -1]",
        "parameter 'lookback' must be a duration such as 30D or 12h, not '30'",
        "parameter 'outcome' must be not empty, not ''",
    ]
    choose_tasks(shop / "notebooks", [], {"rate": 1, "lookback": "2W", "seeds": []})
    assert not (shop / "reports").exists()


def test_values_come_from_three_places_and_the_last_holds(
    typed: Path, capsys: pytest.CaptureFixture[str]
):
    shop = typed
    cell = "n = 1  # days\nm = 1\nk = 1"
    write_notebook(shop / "notebooks", "01_a", "print('seen', n, m, k)", parameters=cell)
    (shop / "shop" / "touchlab.toml").write_text("[report]\nn = 2\nm = 2\nk = 2\n")
    (shop / "own.toml").write_text("m = 3\nk = 3\n")
    assert main(["report", "shop", "--params", "own.toml", "--param", "k=4"]) == 0
    assert "seen 2 3 4" in (shop / "reports/latest/01_a.html").read_text()
    (shop / "own.toml").write_text("m: 3")
    assert main(["report", "shop", "--params", "own.toml"]) == 2
    assert capsys.readouterr().err.startswith("ParameterError: own.toml: cannot be read as TOML: ")
    assert main(["params"]) == 0
    heads, first, *_ = capsys.readouterr().out.splitlines()
    assert re.split("  +", heads) == [
        "parameter", "default", "allowed", "meaning and unit", "notebooks",
    ]  # fmt: skip
    assert first.split() == ["k", "1", "01"]


HOSTILE = [
    "'; import os; os.mkdir('hacked') #",
    '"""\nimport os; os.mkdir("hacked")\n"""',
    "\\'; __import__('os').mkdir('hacked')  # {os.mkdir('hacked')}",
    "{{n}} %(n)s $n `touch hacked` $(touch hacked)",
    "\n!touch hacked\n%mkdir hacked",
]


def test_hostile_values_and_names_are_text(shop: Path):
    cell = "text = ''\nlist_ = ['']\nmap_ = {}"
    odd = "01_;touch hacked;{n}<b>'\"$(touch hacked)"
    (shop / "notebooks" / "01_a.ipynb").unlink()
    write_notebook(
        shop / "notebooks", odd, "import json\nprint(json.dumps([text, list_, map_]))",
        parameters=cell,
    )  # fmt: skip
    before = {path for path in shop.rglob("*")}
    for value in [" ".join(HOSTILE), *HOSTILE[:1]]:
        given = {"text": value, "list_": [value], "map_": {value: [value]}}
        run = report(shop, parameters=given)
        cells = nbformat.read(run.folder / f"{odd}.ipynb", as_version=4).cells
        assert json.loads(cells[-1].outputs[0].text) == [value, [value], {value: [value]}]
        assert "<b>" not in run.page.read_text()
    new = {path for path in shop.rglob("*") if (shop / "reports") not in (path, *path.parents)}
    assert new == before
    for name in HOSTILE:
        with pytest.raises(ParameterError, match="is not a name"):
            choose_tasks(shop / "notebooks", [], {name: 1})
    for only in ("../../x", "/etc/passwd", odd + "/.."):
        with pytest.raises(ParameterError, match="unknown notebook"):
            choose_tasks(shop / "notebooks", [only], {})


# --- sweeps -------------------------------------------------------------------------------

SWEEP = """
[sweep."../../x"]
n = 5
[sweep.north]
where = { region = ["north"] }
[sweep.january]
from = 2026-01-02
until = 2026-01-04
"""


def test_a_sweep_makes_a_report_in_a_folder_each(shop: Path):
    data = shop / "shop"
    (data / "touchlab.toml").write_text(SWEEP)
    (data / "customers.csv").write_text(
        "customer_id,observed_from,observed_to,region\n"
        "a,2026-01-01,2026-02-01,north\nb,2026-01-01,2026-02-01,south\n"
    )
    cell = (
        "import touchlab as tl\nd = tl.open_data(data)\n"
        "rows = {t: int(d.tables[t].count().to_pandas()) for t in sorted(d.tables)}\n"
        "print(d.name, n, rows)"
    )
    write_notebook(shop / "notebooks", "01_a", cell, parameters=f"{NO_DATA}\nn = 1")
    before = {path for path in shop.rglob("*")} | {shop / "reports"}
    settings = {"out": shop / "reports", "folder": shop / "notebooks"}
    runs = run_sweep(data, **settings)
    shown_ = [(run.folder / "01_a.html").read_text() for run in runs]
    # All: 2 touches, 1 outcome. North is customer a alone. From the 2nd up to before the
    # 4th: the touch of b and the outcome of a; both customers are under observation.
    for page, words in zip(
        shown_,
        [
            "shop 5 {'customers': 2, 'outcomes': 1, 'touches': 2}",
            "shop-north 1 {'customers': 1, 'outcomes': 1, 'touches': 1}",
            "shop-january 1 {'customers': 2, 'outcomes': 1, 'touches': 1}",
        ],
        strict=True,
    ):
        assert words.replace("'", "&#39;") in page
    assert [run.data for run in runs] == ["shop ../../x", "shop north", "shop january"]
    made = {path.name for path in (shop / "reports").iterdir()}
    assert made == {"x", "north", "january", "index.html", ".lock"}
    assert {path for path in shop.rglob("*") if shop / "reports" not in path.parents} == before
    assert str(shop) not in "".join(shown_)
    again = run_sweep(data, **settings)
    assert {run.status for run in again} == {"unchanged"}


def test_a_period_keeps_the_experiments_that_begin_in_it(shop: Path, tmp_path: Path):
    (shop / "shop" / "experiments.csv").write_text(
        "customer_id,touchpoint,arm,start,end\n"
        "a,mail,treated,2026-01-01,2026-01-03\nb,mail,holdout,2026-01-03,2026-01-09\n"
    )
    cut = Cut(first="2026-01-02", last="2026-01-05")
    part = cut_data(Source("january", str(shop / "shop"), cut), tmp_path)
    rows = pd.read_parquet(Path(part, "experiments.parquet"))
    # a's began before the period; b's goes on after it
    assert rows.customer_id.tolist() == ["b"]
    assert rows.end.dt.strftime("%Y-%m-%d").tolist() == ["2026-01-05"]


def test_what_a_period_has_nothing_of_is_left_out(shop: Path, tmp_path: Path):
    (shop / "shop" / "surveys.csv").write_text(
        "customer_id,timestamp,touchpoint,metric,score\na,2026-01-01T09:00Z,search,csat,4\n"
    )
    cut = Cut(first="2026-01-02", last="2026-01-05")
    part = cut_data(Source("january", str(shop / "shop"), cut), tmp_path)
    assert sorted(open_data(part).tables) == ["outcomes", "touches"]


def test_the_rest_of_a_sweep_is_no_small_group(shop: Path):
    rows = [f"c{i},2026-01-01,2026-02-01,{r}\n" for i, r in enumerate("nnnnsssse")]
    folder = shop / "shop"
    (folder / "customers.csv").write_text(
        "customer_id,observed_from,observed_to,region\na,2026-01-01,2026-02-01,n\n"
        "b,2026-01-01,2026-02-01,s\n" + "".join(rows)
    )
    own = f"{NO_DATA}\nmin_customers = 3"
    write_notebook(shop / "notebooks", "01_a", "1", parameters=own)
    parts = '[sweep.n]\nwhere = { region = "n" }\n[sweep.s]\nwhere = { region = "s" }\n'
    (folder / "touchlab.toml").write_text(parts)
    settings = {"out": shop / "reports", "folder": shop / "notebooks"}
    with pytest.raises(ParameterError) as error:  # all - n - s is one customer
        run_sweep(folder, **settings)
    assert str(error.value).startswith(
        "the customers that are in none of these parts: fewer than 3 customers"
    )
    (folder / "touchlab.toml").write_text(parts.replace('"s"', '["s", "e"]'))
    assert [run.status for run in run_sweep(folder, **settings)] == ["complete"] * 2


def test_a_sweep_has_a_page_with_a_row_for_each_report(shop: Path):
    (shop / "shop" / "touchlab.toml").write_text("[sweep.a]\nn = 1\n[sweep.b]\nn = 0\n")
    words = "f'<p class=\"answer\">mail brings {8 // n} more. The rest is noise.</p>'"
    cell = f"from IPython.display import HTML\nHTML({words})"
    write_notebook(shop / "notebooks", "01_a", cell, parameters=f"{NO_DATA}\nn = 1")
    settings = {"out": shop / "reports", "folder": shop / "notebooks"}
    with pytest.raises(NotFinished, match="b: 01_a stopped in code cell 2: ZeroDivisionError"):
        run_sweep(shop / "shop", **settings)
    newest = [next((shop / "reports").glob(f"{name}/*2*")).name for name in ("a", "b")]
    assert rows_of(shop / "reports") == [
        ("shop a", f"a/{newest[0]}/index.html", "mail brings 8 more."),
        ("shop b", f"b/{newest[1]}/index.html",
         "failed 01_a stopped in code cell 2: ZeroDivisionError: integer division or modulo by"
         " zero"),
    ]  # fmt: skip
    # another run in the folder above keeps the rows, and lists itself
    report(shop)
    assert len(rows_of(shop / "reports")) == 2
    assert "All runs" in (shop / "reports" / "index.html").read_text()


def rows_of(out: Path) -> list[tuple[str, str, str]]:
    """Name, address and answer of each row of the reports side by side."""
    page = BeautifulSoup((out / "index.html").read_text(), "html.parser")
    return [
        (row.th.a.text, row.th.a["href"], " ".join(row.td.text.split()))
        for row in page.select("table.parts tbody tr")
    ]


@pytest.mark.parametrize("name", ["/etc/x", "..", "x\u0000y", "<b>x</b>", "\\\\host\\x"])
def test_no_name_of_a_sweep_leads_out_of_the_folder(shop: Path, name: str):
    (shop / "shop" / "touchlab.toml").write_text(f"[sweep.{json.dumps(name)}]\nn = 2\n")
    before = {path for path in shop.parent.rglob("*")}
    (run,) = run_sweep(shop / "shop", out=shop / "reports", folder=shop / "notebooks")
    assert run.folder.parents[1] == shop / "reports"
    assert re.fullmatch("[A-Za-z0-9-]+", run.folder.parent.name)
    new = {path for path in shop.parent.rglob("*")} - before - {shop / "reports"}
    assert all(shop / "reports" in path.parents for path in new)
    assert "<b>x" not in (shop / "reports" / "index.html").read_text()


REGIONS = (
    "customer_id,observed_from,observed_to,region\n"
    "a,2026-01-01,2026-02-01,north\nb,2026-01-01,2026-02-01,south\n"
)


def test_wrong_names_and_small_parts_of_a_sweep_are_said_before_anything_runs(
    typed: Path, capsys: pytest.CaptureFixture[str]
):
    data = typed / "shop"
    (data / "customers.csv").write_text(REGIONS)
    own = f"{NO_DATA}\noutcome = 'conversion'\nsegment = ''\nmin_customers = 2"
    write_notebook(typed / "notebooks", "01_a", "1", parameters=own)
    sections = [
        "[sweep.a]\nwhere = { region = \"x' OR '1'='1\" }",
        '[sweep.b]\nwhere = { regoin = "north" }',
        '[sweep.c]\noutcome = "conversoin"\nsegment = "regions"',
        '[sweep.d]\nwhere = { region = "north" }',
        '[sweep.e]\nwhere = { region = ["north", "south"] }',
        "[sweep.f]\nfrom = 2027-01-01",
    ]
    (data / "touchlab.toml").write_text("\n".join(sections))
    expected = [
        "ParameterError: a: sweep: customers.region has no \"x' OR '1'='1\"",
        "  it has north, south",
        "b: sweep: customers has no column 'regoin'; did you mean 'region'?",
        "  its columns are customer_id, observed_from, observed_to, region",
        "c: parameter 'outcome': the data has no outcome 'conversoin'; did you mean 'conversion'?",
        "  it has conversion",
        "parameter 'segment': the data has no trait 'regions'; did you mean 'region'?",
        "  it has region",
        "d: region = 'north': fewer than 2 customers (parameter min_customers)",
        "  a report on so few would give single ones away: take more of them together",
        "f: sweep: no customer is in from 2027-01-01T00:00:00",
        "  check the values in touchlab.toml",
    ]
    for command in (["report", "shop", "--sweep"], ["check", "shop"]):
        assert main(command) == 2
        assert capsys.readouterr().err.splitlines() == expected
    assert not (typed / "reports").exists()


def test_wrong_names_and_few_customers_are_said_before_a_notebook_runs(
    typed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(Kernels, "describe", DESCRIBE)
    own = f"{NO_DATA}\noutcome = ''\ntarget = 'nps'\ntouchpoint = ''\nmin_customers = 10"
    write_notebook(typed / "notebooks", "01_a", "1", parameters=own)
    given = ("outcome=churn", "touchpoint=serach", "target=npx", "min_customers=1")
    assert main(["report", "shop", *(f"--param={one}" for one in given)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "ParameterError: parameter 'outcome': the data has no outcome 'churn'",
        "  it has conversion",
        "parameter 'touchpoint': the data has no touchpoint 'serach'; did you mean 'search'?",
        "  it has email, search",
        "parameter 'target': the data has no outcome 'npx'",
        "  it has conversion",
    ]
    assert main(["report", "shop"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "ParameterError: shop: fewer than 10 customers (parameter min_customers)",
        "  a report on so few would give single ones away: take more of them together",
    ]
    (typed / "shop" / "touchlab.toml").write_text("[report]\nlookbak = '7D'\n")
    assert main(["check", "shop"]) == 2
    assert "unknown parameter 'lookbak'" in capsys.readouterr().err
    assert [path.name for path in (typed / "reports").iterdir()] == [".lock"]


def test_own_notebooks_are_named_and_never_found(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(shop)  # here is a folder `notebooks`, and it is not run
    assert main(["report", "shop", "--only", "01_a"]) == 2
    assert "unknown notebook '01_a'" in capsys.readouterr().err
    theirs = [path.stem for path in notebooks.choose_notebooks(notebooks.notebooks_folder())]
    write_notebook(shop / "pages", "04_conversion_drivers", "'mine'")
    write_notebook(shop / "pages", "50_logo", "print('mine')")
    (shop / "shop" / "touchlab.toml").write_text('[report]\nnotebooks = "../pages"\n')
    (shop / "shop" / "touchlab.toml").write_text('[report]\nnotebooks = "../pages"\ndepth = 3\n')
    write_notebook(shop / "pages", "50_logo", "print('mine')", parameters=f"{NO_DATA}\ndepth = 1")
    assert main(["check", "shop"]) == 0  # which knows the parameters of own notebooks
    capsys.readouterr()
    assert main(["report", "shop", "--only", "50"]) == 2
    assert capsys.readouterr().err == (
        "ParameterError: touchlab.toml: it brings notebooks along, '../pages', which would run "
        "with your rights\n  look at them; if you trust them, add --notebooks shop/../pages\n"
    )
    assert main(["report", "shop", "--only", "50", "--notebooks", "pages"]) == 0
    (run,) = read_records(shop / "reports")
    assert ([page.name for page in run.pages], run.part) == (["50_logo"], "50")
    beside = notebooks.choose_notebooks(notebooks.notebooks_folder(), own="pages")
    assert [path.stem for path in beside] == [*theirs, "50_logo"]
    assert beside[4] == shop / "pages" / "04_conversion_drivers.ipynb"


def test_a_value_of_a_sweep_is_no_query_and_a_report_that_stops_stops_no_other(shop: Path):
    odd = "north'; DROP TABLE customers; --"
    (shop / "shop" / "customers.csv").write_text(REGIONS.replace("north", odd))
    (shop / "shop" / "touchlab.toml").write_text(
        f'[sweep.a]\nwhere = {{ region = "{odd}" }}\n[sweep.b]\nn = 0\n[sweep.c]\nn = 2\n'
    )
    write_notebook(shop / "notebooks", "01_a", "1 // n", parameters=f"{NO_DATA}\nn = 1")
    with pytest.raises(NotFinished, match="b: 01_a stopped in code cell 2: ZeroDivisionError"):
        run_sweep(shop / "shop", out=shop / "reports", folder=shop / "notebooks")
    states = [read_records(shop / "reports" / name)[0].status for name in "abc"]
    assert states == ["complete", "failed", "complete"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no sweep in touchlab.toml beside the data"),
        ('[sweep]\na = 1', "sweep: 'a' is a value"),
        ('[sweep.a]\nwhere = "north"', "sweep 'a': where is 'north'"),
        ('[sweep.a]\nfrom = "soon"', "sweep 'a': from is 'soon', not a time"),
        ('[sweep."a b"]\n[sweep."a/b"]', "sweep: 'a/b' and 'a b' would share a folder"),
        ("[sweep.Latest]", "sweep: 'Latest' and 'latest' would share a folder"),
        ('[sweep."../latest"]', "sweep: '../latest' and 'latest' would share a folder"),
    ],
)  # fmt: skip
def test_a_sweep_that_cannot_be_meant_is_refused(shop: Path, text: str, message: str):
    (shop / "shop" / "touchlab.toml").write_text(text)
    with pytest.raises(ParameterError) as error:
        read_sweep(str(shop / "shop"))
    assert str(error.value).splitlines()[0] == message


def test_a_sweep_is_checked_before_its_first_report(shop: Path):
    (shop / "shop" / "touchlab.toml").write_text("[sweep.a]\nn = 1\n[sweep.b]\nm = 1\n")
    settings = {"out": shop / "reports", "folder": shop / "notebooks"}
    with pytest.raises(ParameterError, match="unknown parameter 'm'"):
        run_sweep(shop / "shop", **settings)
    with pytest.raises(ParameterError, match="'n' is set by the sweep 'a'"):
        run_sweep(shop / "shop", **settings, parameters={"n": 2})
    assert not (shop / "reports").exists()


# --- progress -----------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress_of(stream: io.StringIO) -> str:
    with shown(stream) as progress:
        for step in (
            Step("", "waiting"), Step("", "shop: 2 notebooks", total=2), Step("01_a", "started"),
            Step("02_b", "started"), Step("02_b", "retried", 0.5), Step("01_a", "done", 1.25),
            Step("02_b", "failed", 2.0),
        ):  # fmt: skip
            progress(step)
    return stream.getvalue()


def test_a_log_gets_plain_timed_lines():
    lines = progress_of(io.StringIO()).splitlines()
    assert [line[10:] for line in lines] == [
        "waiting",
        "shop: 2 notebooks",
        "02_b                                    retried",
        "01_a                             1.2 s  done",
        "02_b                             2.0 s  failed",
    ]
    assert all(time.strptime(line[:8], "%H:%M:%S") for line in lines)


def test_a_terminal_gets_a_bar():
    said = progress_of(Terminal())
    assert "01_a, 02_b" in said
    assert "2 of 2" in said
    assert "02_b failed\n" in said
    assert said.endswith("\r")
