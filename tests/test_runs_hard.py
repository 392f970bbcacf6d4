"""Report runs under bad luck: killed at any moment, disk full, no memory, two at once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_runs import left_over, write_notebook
from test_runs import report, shop  # noqa: F401

from touchlab.reporting import publish
from touchlab.reporting.record import read_record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs signals, mounts and /proc"),
]
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
KILLS = 100


def command(folder: Path, *more: str) -> list[str]:
    code = (
        "import sys; from pathlib import Path; from touchlab.reporting import notebooks as n\n"
        "n.notebooks_folder = lambda: Path('notebooks').resolve()  # instead of the nine\n"
        "from touchlab.cli import main; sys.exit(main())"
    )
    return [sys.executable, "-c", code, "report", str(folder / "shop"), *more]


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(
        command(folder, *more), cwd=folder, preexec_fn=_heed_interrupts, **quiet
    )


def _heed_interrupts() -> None:
    """As on a terminal; a shell lets what it starts in the background ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(folder: Path, *more: str) -> tuple[int, str]:
    process = start(folder, *more)
    said, _ = process.communicate(timeout=300)
    return process.returncode, said


def assert_whole(out: Path) -> None:
    """What `latest` leads to has its record, and every page it names."""
    latest = out / "latest"
    found = read_record(latest)
    assert found.status == "complete", found
    for page in found.pages:
        assert (latest / page.file).read_text(encoding="utf-8").rstrip().endswith("</html>")
        json.loads((latest / f"{page.name}.ipynb").read_text(encoding="utf-8"))
    assert (latest / "index.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert (out / "index.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


def kernels_of(folder: Path) -> list[str]:
    """Processes whose working directory, or a path among their arguments, is in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            if str(folder) in words or (process / "cwd").resolve() == folder:
                found.append(words)
        except OSError:
            continue
    return found


def test_killed_at_a_hundred_moments(shop: Path) -> None:  # noqa: F811
    """Every kill leaves a whole `latest`, no lock and no kernel; the next run succeeds."""
    draw, out = random.Random(1), shop / "reports"
    for name in ("02_b", "03_c"):
        write_notebook(shop / "notebooks", name, "n", parameters="data = ''\nn = 1")
    began = time.monotonic()
    code, said = run(shop)
    assert code == 0, said
    usual = time.monotonic() - began
    killed = 0
    for trial in range(KILLS):
        process = start(shop, "--param", f"n={trial + 2}", "--keep", "3")
        time.sleep(draw.uniform(0, 1.2 * usual))
        process.kill()
        process.communicate()
        killed += process.returncode == -9
        assert_whole(out)
        if trial % 10 == 9:
            code, said = run(shop, "--param", f"n={-trial}", "--keep", "3")
            assert code == 0, said
            assert_whole(out)
            assert left_over(out) == set()
            assert f"n = {-trial}" in (out / "latest" / "index.html").read_text()
    assert killed > KILLS / 2
    deadline = time.monotonic() + 15
    while kernels_of(shop) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert kernels_of(shop) == []


def test_two_started_at_the_same_moment(shop: Path) -> None:  # noqa: F811
    write_notebook(shop / "notebooks", "01_a", "import time; time.sleep(2)\nprint('n', n)",
                   parameters="data = ''\nn = 1")  # fmt: skip
    both = [start(shop, "--param", f"n={n}") for n in (1, 2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("another run is writing to 'reports': waiting" in text for text in said) == 1
    runs = [read_record(path.parent) for path in (shop / "reports").glob("2*/run.json")]
    assert sorted(one.parameters["n"] for one in runs) == [1, 2]
    for one in runs:
        assert f">n {one.parameters['n']}</pre>" in (one.folder / "01_a.html").read_text()
    assert_whole(shop / "reports")


def test_an_end_by_signal_clears_up(shop: Path) -> None:  # noqa: F811
    write_notebook(shop / "notebooks", "01_a", "import time; time.sleep(60)")
    for number, code in ((1, 129), (2, 130), (15, 143)):
        process = start(shop)
        while not list((shop / "reports").glob(".work-*/k/*.json")):
            time.sleep(0.1)
            assert process.poll() is None
        time.sleep(2)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == code, said
        assert left_over(shop / "reports") == set()
    assert not list((shop / "reports").glob("*/run.json"))
    assert kernels_of(shop) == []


STOPS = {
    "exit": ("import sys; sys.exit(0)", "SystemExit"),
    "dead": ("import os; os.kill(os.getpid(), 11)", "Dead kernel"),
    "hung": ("import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(99)", "Timeout"),
    "hung in C": ("int('9' * 4300) ** 9_999_999", "Timeout"),
    "memory": ("import resource as r; r.setrlimit(r.RLIMIT_AS, (2 << 30, 2 << 30))\n"
               "b'x' * (4 << 30)", "MemoryError"),
}  # fmt: skip


@pytest.mark.parametrize("kind", STOPS)
def test_a_cell_that_ends_badly_is_told(kind: str, shop: Path) -> None:  # noqa: F811
    assert run(shop)[0] == 0
    good = publish.leads_to(shop / "reports" / "latest")
    cell, error = STOPS[kind]
    write_notebook(shop / "notebooks", "02_b", "print('so far')", cell, "'never'")
    code, said = run(shop, "--timeout", "10")
    assert code == 1, said
    assert f"02_b stopped in code cell 3: {error}" in said
    failed = read_record(next((shop / "reports").glob("failed-*")))
    assert (failed.status, failed.failure.cell, failed.failure.error) == ("failed", 3, error)
    assert "so far" in (failed.folder / "02_b.html").read_text()
    assert publish.leads_to(shop / "reports" / "latest") == good
    assert_whole(shop / "reports")
    assert kernels_of(shop) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if not IS_ROOT:
        pytest.skip("mounting needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this system does not let us mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_leaves_the_last_report(shop: Path, small_disk: Path) -> None:  # noqa: F811
    out = small_disk / "reports"
    assert run(shop, "--out", str(out))[0] == 0
    free = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(b"x" * (free - 30_000))
    big = "print('x' * 400_000)"
    write_notebook(shop / "notebooks", "01_a", big)
    code, said = run(shop, "--out", str(out))
    assert code == 3, said
    assert "NotWritten: reports cannot be written to" in said
    assert "No space left on device" in said
    assert_whole(out)
    assert left_over(out) == set()
    (small_disk / "filler").unlink()
    write_notebook(shop / "notebooks", "01_a", "'small'")
    assert run(shop, "--out", str(out))[0] == 0
    assert_whole(out)


def test_a_read_only_folder_is_told(shop: Path, small_disk: Path) -> None:  # noqa: F811
    out = small_disk / "reports"
    assert run(shop, "--out", str(out))[0] == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for more in ((), ("--force",)):
        code, said = run(shop, "--out", str(out), *more)
        assert code == 3, said
        assert "Read-only file system" in said
    assert_whole(out)


def test_the_kernel_goes_when_memory_is_gone(shop: Path) -> None:  # noqa: F811
    group = Path("/sys/fs/cgroup/memory/touchlab-test")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(700 << 20))
    except OSError:
        pytest.skip("no memory group can be made here")
    try:
        write_notebook(shop / "notebooks", "01_a", "print('so far')", "b = b'x' * (2 << 30)")
        join = f'echo $$ > {group}/cgroup.procs; exec "$@"'
        process = subprocess.run(
            ["sh", "-c", join, "sh", *command(shop, "--retries", "0")],
            cwd=shop, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert process.returncode == 1, process.stderr
        assert "01_a stopped in code cell 3: Dead kernel" in process.stderr
        failed = next((shop / "reports").glob("failed-*"))
        assert "ran out of memory" in (failed / "index.html").read_text()
    finally:
        for _ in range(50):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.2)
