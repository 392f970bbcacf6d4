"""The explorer's way in a real browser: open a notebook, change a parameter, run all, see."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter

import touchlab as tl

playwright = pytest.importorskip("playwright.sync_api", reason="the browser extra is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
ROOT = Path(__file__).parents[1]
NOTEBOOK = "notebooks/02_journeys.ipynb"
LACKING = "notebooks/06_experience.ipynb"  # asked for no segment, so it lacks one
MINUTE = 60_000  # of milliseconds
NOTEBOOK_CELLS = "window.jupyterapp.shell.currentWidget.content"
PARAMETERS_CELL = 1
PARAMETERS = f"() => {NOTEBOOK_CELLS}.widgets[{PARAMETERS_CELL}].model.sharedModel.getSource()"
# what JupyterLab itself says of the notebook in front; nothing before there is one
STATE = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const cells = panel?.content?.widgets?.filter(c => c.model.type === "code");
  return cells && {
    status: panel.sessionContext.session?.kernel?.status,
    counts: cells.map(c => c.model.executionCount),
    errors: cells.flatMap(c => c.model.outputs.toJSON())
      .filter(o => o.output_type === "error").map(o => `${o.ename}: ${o.evalue}`),
  };
}"""
DONE = f"""() => {{
  const state = ({STATE})();
  return state.status === "idle" && (state.errors.length > 0 || state.counts.every(n => n > 0));
}}"""


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """JupyterLab on a copy of the notebooks beside the sample, as `make lab` starts it."""
    root = tmp_path / "lab"
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    shutil.copytree(ROOT / "data/sample", root / "data/sample")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    own = {f"JUPYTER_{kind}_DIR": str(root / kind) for kind in ("CONFIG", "RUNTIME")}
    own["JUPYTERLAB_SETTINGS_DIR"] = str(_settings(root / "settings"))
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--expose-app-in-browser",
        "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", "--notebook-dir=.",
    ]  # fmt: skip
    with (root / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=root, env={**os.environ, **own}, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_up(f"{address}/api/status?token={token}", server, root / "lab.log")
            opened = getattr(request, "param", NOTEBOOK)
            yield f"{address}/lab/tree/{opened}?token={token}"
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture
def page(lab: str) -> Iterator[Any]:
    """The notebook just opened, its kernel ready."""
    quiet = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=quiet)
        opened = browser.new_page(viewport={"width": 1280, "height": 1000})
        opened.set_default_timeout(2 * MINUTE)
        opened.goto(lab)
        opened.wait_for_function(f"() => ({STATE})()?.status === 'idle'")
        yield opened
        browser.close()


def test_change_a_parameter_run_all_and_see(page: Any, tmp_path: Path) -> None:
    assert _shown(page)["figures"] == 0  # the notebooks come without outputs

    assert _run_all(page) == []
    default = _shown(page)
    page.screenshot(path=tmp_path / "default.png")
    _set_parameter(page, '"30D"', '"14D"')
    page.screenshot(path=tmp_path / "edited.png")
    assert _run_all(page) == []
    changed = _shown(page)

    assert default["figures"] == changed["figures"] >= 3
    # a shorter quiet time cuts more journeys, of which fewer convert
    assert _journeys(changed["answer"]) > _journeys(default["answer"])
    assert _go_to_first_figure(page)["width"] > 300
    page.screenshot(path=tmp_path / "figure.png")


def test_a_mistyped_value_is_told_on_the_page(page: Any, tmp_path: Path) -> None:
    _set_parameter(page, '"conversion"', '"convertion"')
    assert _run_all(page) == [
        "ParameterError: outcome: no outcome is named 'convertion'\n"
        "  the data has conversion (4,057), churn (785), referral (609); use one of these"
    ]
    told = page.locator(".jp-OutputArea-output").get_by_text("no outcome is named 'convertion'")
    told.last.scroll_into_view_if_needed()  # running leaves the last cell in sight
    page.screenshot(path=tmp_path / "mistyped.png")
    assert _shown(page)["figures"] == 0  # nothing was drawn from it


@pytest.mark.parametrize("lab", [LACKING], indirect=True)
def test_what_is_missing_is_a_note_and_what_builds_on_it_passes(page: Any, tmp_path: Path) -> None:
    assert _run_all(page) == []
    noted = page.locator(".jp-OutputArea-output").get_by_text("No segment was asked for.")
    noted.last.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "missing.png")
    assert _shown(page)["figures"] >= 3  # those after it were drawn


def test_what_a_cell_ends_in_shows_no_customer() -> None:
    data = tl.open_data(ROOT / "data/sample")
    drivers, experiments = tl.fit_drivers(data), tl.holdout_effects(data)
    for result in (
        data, tl.build_journeys(data), drivers, tl.check_drivers(data, drivers), experiments,
        tl.calibrate(drivers, experiments), tl.reallocate(drivers), tl.fit_lifetime(data),
    ):  # fmt: skip
        shown, _ = DisplayFormatter().format(result)
        assert not re.search(r"\bc-\d{5}\b", json.dumps(shown)), type(result)
    assert data.tables["customers"].customer_id.max().execute() == "c-20000"  # so they look


def _settings(folder: Path) -> Path:
    """Ask for no news; all else is as an analyst finds it."""
    file = folder / "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    return folder


def _run_all(page: Any) -> list[str]:
    """Restart and run; return the errors that the cells ended in."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Restart Kernel and Run All Cells…", exact=True).click()
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    # a restart empties the counts; without it the old ones would look like the end
    page.wait_for_function(f"() => ({STATE})().counts.some(n => n === null)")
    page.wait_for_function(DONE, timeout=4 * MINUTE)
    return page.evaluate(STATE)["errors"]


def _set_parameter(page: Any, old: str, new: str) -> None:
    """Double-click a quoted value in the parameters cell and type over the word selected.

    Cells out of sight are in the page but not drawn, and what is not drawn has no text to
    read: the pointer waits until the value can be seen, and the model tells what was typed.
    """
    before = page.evaluate(PARAMETERS)
    assert before.count(old) == 1, before
    page.evaluate(f"() => {NOTEBOOK_CELLS}.scrollToItem({PARAMETERS_CELL})")
    page.locator(".jp-CodeCell").first.get_by_text(old, exact=True).dblclick()
    page.keyboard.type(new.strip('"'))
    page.wait_for_function(f"source => ({PARAMETERS})() === source", arg=before.replace(old, new))


def _go_to_first_figure(page: Any) -> dict[str, float]:
    figure = page.locator(".jp-OutputArea-output img").first
    figure.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete", arg=figure.element_handle())
    return figure.bounding_box()


def _shown(page: Any) -> dict[str, Any]:
    """Read what a person would: the answer, and how many figures there are."""
    return page.evaluate(
        """() => {
          const panel = window.jupyterapp.shell.currentWidget;
          const outputs = panel.content.widgets.filter(c => c.model.type === "code")
            .map(c => c.model.outputs.toJSON()).flat();
          const html = outputs.map(o => [o.data?.["text/html"] ?? ""].flat().join(""))
            .find(t => t.includes("journeys have")) ?? "";
          const page = new DOMParser().parseFromString(html, "text/html");
          return {
            answer: page.body.textContent,
            figures: outputs.filter(o => o.data?.["image/svg+xml"]).length,
          };
        }"""
    )


def _journeys(answer: str) -> int:
    found = re.search(r"([\d,]+) journeys have", answer)
    assert found, answer
    return int(found[1].replace(",", ""))


def _wait_until_up(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])
