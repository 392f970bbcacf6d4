"""Report pages in a real browser: no request, no script, no sideways scroll, words for figures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from touchlab.reporting import run_report

playwright = pytest.importorskip("playwright.sync_api", reason="the browser extra is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOSTILE = ["<img src=x onerror=alert(1)>", "<script>alert(2)</script>", "$\\frac{ $", "a > b"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("hostile shop ü")
    touches = ["customer_id,timestamp,touchpoint"]
    outcomes = ["customer_id,timestamp,outcome"]
    for i in range(200):
        for j in range(1 + i % 4):
            name = HOSTILE[(i + j) % len(HOSTILE)]
            touches.append(f'c{i},2026-01-{1 + (i + 3 * j) % 27:02d}T0{j}:00Z,"{name}"')
        if i % 3 == 0:
            outcomes.append(f"c{i},2026-01-28T10:00Z,conversion")
    (folder / "touches.csv").write_text("\n".join(touches))
    (folder / "outcomes.csv").write_text("\n".join(outcomes))
    small = {"customers": 2000, "days": 60, "seeds": [1]}
    run = run_report(folder, out=tmp_path_factory.mktemp("reports"), parameters=small)
    return [run.folder.parent / "index.html", *sorted(run.folder.glob("*.html"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_ask_for_nothing_run_nothing_and_fit(
    pages: list[Path], browser: object, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in pages:
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda r, asked=asked: asked.append(r.url))
        page.on("console", lambda m, said=said: said.append(m.text))
        page.on("dialog", lambda d, said=said: (said.append(d.message), d.dismiss()))
        page.goto(path.as_uri())
        page.wait_for_timeout(200)
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        assert said == []
        assert page.locator("script, iframe, object, embed").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for figure in page.locator("img").all():
            assert figure.get_attribute("alt")
            assert figure.evaluate("f => f.complete && f.naturalWidth > 0")
        page.close()
    context.close()
