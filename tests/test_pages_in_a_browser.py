"""Report pages in a real browser: no request, nothing foreign run, axe, sorting, downloads."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from importlib.resources import files
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report_runs import (
    EVIL,
    HOSTILE,
    TRAIT,
    drivers,
    notebook_of,
    stopped,
    write_hostile_shop,
    write_run,
)

from touchlab import plots
from touchlab.overview import compare, read_tables
from touchlab.reporting import Page, Run, export_html, run_report, write_index
from touchlab.reporting.index import OTHERS, moved, read_estimates
from touchlab.reporting.record import read_records
from touchlab.show import HIDDEN, Table

playwright = pytest.importorskip("playwright.sync_api", reason="the browser extra is not installed")
axe = pytest.importorskip("axe_playwright_python", reason="the browser extra is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def sample(sample_run: Run) -> list[Path]:
    """Every page of the sample, its run page and the index."""
    pages = sorted(sample_run.folder.glob("*.html"))
    notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [page.stem for page in pages] == [*notebooks, "index"]
    return [sample_run.folder.parent / "index.html", *pages]


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pages of hostile data, cut by a hostile trait; beside them, records just as hostile."""
    folder = tmp_path_factory.mktemp("shop")
    data = write_hostile_shop(folder / f"{EVIL[0][:-1]}ü", customers=600)
    out = tmp_path_factory.mktemp("reports")
    run = run_report(data, out=out, only=["01", "03", "04", "06"], parameters={"segment": TRAIT})
    for place in (ROOT, folder, out):
        assert not list(place.rglob("*hacked*"))
    answering = (Page("00_o", HOSTILE, HOSTILE, 1.0, "complete"),)
    for day, name in enumerate((HOSTILE, "shop", "shop"), start=1):
        tables = {"drivers": drivers(mail=10.0 * day, **{HOSTILE: 5.0 * day})}
        write_run(out, day, tables, data=name, parameters={name: name}, pages=answering)
    failed = write_run(out, 4, {}, **stopped(HOSTILE))
    part = out / 'a"><img src=x onerror=alert(4)> javascript:alert(5)'
    write_run(part, 1, {}, data=HOSTILE, pages=answering)
    write_index(part)
    return [write_index(out), failed.page, *sorted(run.folder.glob("*.html"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that must not complain."""
    context = browser.new_context()
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda m: said.append(m.text))
    opened.on("pageerror", lambda e: said.append(str(e)))
    yield opened
    context.close()
    assert said == []


@pytest.mark.parametrize("which", ["sample", "hostile"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_ask_for_nothing_run_nothing_fit_and_can_be_used_by_all(
    which: str, width: int, scheme: str, browser: Any, request: pytest.FixtureRequest
) -> None:
    source = (files(axe) / "axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    found = []
    for path in request.getfixturevalue(which):
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda r, asked=asked: asked.append(r.url))
        page.on("console", lambda m, said=said: said.append(m.text))
        page.on("pageerror", lambda e, said=said: said.append(str(e)))
        page.on("dialog", lambda d, said=said: (said.append(d.message), d.dismiss()))
        page.goto(path.as_uri())
        page.wait_for_timeout(200)
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        assert page.locator("iframe, object, embed").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for figure in page.locator("img").all():
            assert figure.get_attribute("alt")
            assert figure.evaluate("f => f.complete && f.naturalWidth > 0")
        for figure in page.locator("figure").all():
            (drawing,) = [one for one in figure.locator("svg").all() if one.is_visible()]
            assert drawing.bounding_box()["width"] > 300
            assert figure.locator("[role=img]").get_attribute("aria-label")
        assert said == []
        page.evaluate(source)
        report = page.evaluate("axe.run({resultTypes: ['violations']})")
        for finding in report["violations"]:
            if finding["impact"] in ("moderate", "serious", "critical"):
                found.append((path.name, finding["id"], finding["nodes"][0]["html"]))
        page.close()
    context.close()
    assert found == []


# --- sorting and taking data along --------------------------------------------------------

# As set for reading: thousands, per cent, an interval, a negative one, nothing, hidden.
SHOWN = {
    "name": ["b", "A", "c10", "c9", "=1+1", "ä"],
    "count": ["1,200", "90", HIDDEN, "–", "1,000", "7"],
    "share": ["9.5 %", "12 %", "−3 %", "", "100 %", "-4 %"],
    "interval": ["31 to 56", "4 to 99", "-12 to 3", "–", "200 to 300", "5 to 6"],
}


@pytest.fixture
def table(page: Any, tmp_path: Path) -> Any:
    frame = pd.DataFrame(SHOWN)
    data, words = Table(frame, "Touches, by name")._repr_mimebundle_()
    path = tmp_path / "03_q.html"
    path.write_text(export_html(notebook_of((data, words)), name="03_q"), encoding="utf-8")
    page.goto(path.as_uri())
    return page


def column(page: Any, place: int) -> list[str]:
    return page.locator(f"tbody tr > :nth-child({place})").all_inner_texts()


@pytest.mark.parametrize(
    ("place", "falling"),
    [
        (2, ["1,200", "1,000", "90", "7", "hidden", "–"]),
        (3, ["100 %", "12 %", "9.5 %", "−3 %", "-4 %", ""]),
        (4, ["200 to 300", "31 to 56", "5 to 6", "4 to 99", "-12 to 3", "–"]),
    ],
)
def test_numbers_sort_by_value_and_what_is_missing_last(
    table: Any, place: int, falling: list[str]
) -> None:
    header = table.locator(f"thead th:nth-child({place})")
    first = column(table, place)
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert column(table, place) == falling
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    missing = [text for text in falling if text in ("hidden", "–", "")]
    known = falling[: len(falling) - len(missing)]
    assert column(table, place) == known[::-1] + missing
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") is None
    assert column(table, place) == first


def test_text_sorts_by_keyboard_and_one_column_at_a_time(table: Any) -> None:
    table.locator("thead button").nth(1).press("Space")
    table.keyboard.press("Shift+Tab")
    table.keyboard.press("Enter")
    assert column(table, 1) == ["=1+1", "A", "ä", "b", "c9", "c10"]
    assert table.locator("[aria-sort]").count() == 1


def test_data_of_a_table_can_be_taken_along(table: Any, tmp_path: Path) -> None:
    with table.expect_download() as started:
        table.get_by_role("link", name="Data of this table as CSV").click()
    assert started.value.suggested_filename == "touches-by-name.csv"
    started.value.save_as(tmp_path / "taken.csv")
    text = (tmp_path / "taken.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == list(SHOWN)
    assert [row[0] for row in rows[1:]] == ["b", "A", "c10", "c9", "'=1+1", "ä"]


def test_print_is_light_and_without_controls(table: Any) -> None:
    table.emulate_media(media="print", color_scheme="dark")
    assert table.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for words in (".data", ".switch", ".skip"):
        assert not table.locator(words).first.is_visible()


@pytest.fixture
def figure(tmp_path: Path) -> Path:
    """A page with one figure of many numbers."""
    rows = [(f"2025-{m:02d}", k, 0.5 / k) for m in range(1, 7) for k in range(1, 8 - m)]
    rates = pd.DataFrame(rows, columns=["cohort", "months_since", "rate"])
    rates = rates.assign(n=400, customers=400, active=rates.rate * 400)
    drawn = plots.plot_cohorts(rates)._repr_mimebundle_()
    (tmp_path / "q.html").write_text(export_html(notebook_of(drawn), name="q"), encoding="utf-8")
    return tmp_path / "q.html"


COLOURS = """size => [...document.querySelectorAll(`svg.${size} :is(path, rect, text)`)].map(
  (shape) => getComputedStyle(shape).fill + getComputedStyle(shape).stroke).sort().join(";")"""


def test_figures_print_light_from_a_dark_screen(browser: Any, figure: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page = browser.new_context(color_scheme=scheme).new_page()
        page.goto(figure.as_uri())
        seen[scheme] = page.evaluate(COLOURS, "wide")
        page.emulate_media(media="print", color_scheme=scheme)
        assert page.locator("svg.wide").is_visible()
        seen[f"{scheme} printed"] = page.evaluate(COLOURS, "wide")
        page.context.close()
    assert seen["light"] == seen["light printed"] == seen["dark printed"] != seen["dark"]
    assert "rgb(28, 33, 38)" in seen["light"] and "rgb(28, 33, 38)" not in seen["dark"]


def test_figures_fit_the_screen_and_their_words_can_be_selected(page: Any, figure: Path) -> None:
    page.goto(figure.as_uri())
    for width, shown, other in ((1280, "wide", "narrow"), (390, "narrow", "wide")):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator(f"svg.{shown}").is_visible()
        assert not page.locator(f"svg.{other}").is_visible()
        frame = page.locator(f"svg.{shown}").bounding_box()
        for word in page.locator(f"svg.{shown} text").all():
            box = word.bounding_box()
            assert frame["x"] <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"]
        page.locator(f"svg.{shown} text", has_text="months after the first").select_text()
        assert "months after" in page.evaluate("getSelection().toString()")


# --- the index ----------------------------------------------------------------------------


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    many = {f"t{i}": 7.0 * i for i in range(14)}
    moving = {f"t{i}": 7.0 * i + (50.0 if i % 5 == 0 else i / 9) for i in range(13, -1, -1)}
    shares = drivers(mail=1.0).assign(share=[0.25], share_low=[0.2], share_high=[0.3])
    write_run(tmp_path, 1, {"drivers": drivers(**many), "map": shares})
    write_run(tmp_path, 2, {"drivers": drivers(**moving), "map": shares.assign(share=[0.2625])})
    write_run(tmp_path, 3, {}, **stopped("no touches left"))
    tables = {"drivers": drivers(big=123456.0, t3=22.5), "keepers": drivers(mail=1.0)}
    write_run(tmp_path, 4, tables, data="other", parameters={"outcome": "churn"})
    return write_index(tmp_path)


def runs_shown(page: Any) -> list[str]:
    names = page.locator("table.runs tbody th").all()
    return [name.inner_text().split()[0] for name in names if name.is_visible()]


def test_runs_are_filtered_by_state_data_and_words(page: Any, reports: Path) -> None:
    page.goto(reports.as_uri())
    assert runs_shown(page) == ["4", "3", "2", "1"]
    page.get_by_label("State").select_option("failed")
    assert runs_shown(page) == ["3"]
    assert page.locator("#filtered").inner_text() == "1 of 4"
    page.get_by_label("State").select_option("")
    page.get_by_label("Data").select_option("shop")
    assert runs_shown(page) == ["3", "2", "1"]
    page.get_by_label("Containing").fill("NO TOUCHES")
    assert runs_shown(page) == ["3"]
    page.get_by_label("Data").select_option("other")
    assert runs_shown(page) == []
    page.get_by_label("Containing").fill("churn")
    assert runs_shown(page) == ["4"]


def test_runs_sort_by_time_and_duration(page: Any, reports: Path) -> None:
    page.goto(reports.as_uri())
    page.get_by_role("button", name="Run", exact=True).click()
    assert runs_shown(page) == ["1", "2", "3", "4"]
    page.get_by_role("button", name="Took").click()
    assert runs_shown(page) == ["4", "3", "2", "1"]


def test_any_two_runs_compare_in_the_page_as_they_do_in_python(page: Any, reports: Path) -> None:
    known = [one for one in map(read_estimates, read_records(reports.parent)) if len(one.found)]
    page.goto(reports.as_uri())
    for before, after in permutations(range(len(known)), 2):
        page.locator("#compared [name=before]").select_option(str(before))
        page.locator("#compared [name=after]").select_option(str(after))
        told = moved(known[before], known[after])
        lines = page.locator("table.changes tbody tr").all()
        shown = [line.locator("th, td").all_text_contents() for line in lines]
        words = [(*row[:4], "beyond" if row[4] else "within") for row in told.rows]
        assert shown == [list(row) for row in words]
        assert page.locator("#moved-beyond").inner_text() == str(told.beyond)
        assert page.locator("#moved-within").inner_text() == str(told.within)
        differ = ", ".join(told.differing)
        said = f"The runs differ in: {differ}." if differ else ""
        assert page.locator("#differing").inner_text() == said
        tables = (read_tables(known[one].run.folder / "tables") for one in (before, after))
        found = compare(*tables)
        assert [row[0] for row in shown] == found.row.head(told.beyond + OTHERS).tolist()


def test_the_index_shows_without_scripts_what_it_shows_with_them(page: Any, reports: Path) -> None:
    shutil.rmtree(reports.parent / "20260104T060000Z-shop")  # now the newest two are of one shop
    page.goto(write_index(reports.parent).as_uri())
    still = page.context.browser.new_context(java_script_enabled=False)
    plain = still.new_page()
    plain.goto(reports.as_uri())
    assert runs_shown(plain) == runs_shown(page) == ["3", "2", "1"]
    assert page.locator("form").first.is_visible()
    assert not plain.locator("form").first.is_visible()
    lines = plain.locator("table.changes tbody tr").all_text_contents()
    assert len(lines) == 3 + OTHERS
    for name in ("0", "1"):  # to and fro, so that the script has written the lines
        page.locator("#compared [name=before]").select_option(name)
    assert page.locator("table.changes tbody tr").all_text_contents() == lines
    still.close()


def test_the_overview_prints_on_one_sheet_and_other_pages_in_full(
    browser: Any, sample: list[Path]
) -> None:
    page = browser.new_page()
    for path in sample[1:3]:
        page.goto(path.as_uri())
        printed = page.pdf(format="A4")
        assert (printed.count(b"/Type /Page\n") == 1) == (path.stem == "00_overview")
    page.close()


def test_a_figure_is_saved_by_one_press_light_and_whole(
    browser: Any, page: Any, tmp_path: Path
) -> None:
    table = pd.DataFrame({"touchpoint": ["mail", *EVIL], "share": 0.1, "ci_low": 0, "ci_high": 0.2})
    words: dict[str, Any] = {"value": "share", "names": "touchpoint", "label": "of all"}
    picture = plots.plot_intervals(table, title="One, of ten", **words)
    file = tmp_path / "page.html"
    file.write_text(export_html(notebook_of(picture._repr_mimebundle_()), name="01_a"))
    page.emulate_media(color_scheme="dark")
    page.goto(file.as_uri())
    saved = {}
    for kind in ("SVG", "PNG"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"{kind} of this figure").click()
        assert download.value.suggested_filename == f"one-of-ten.{kind.lower()}"
        saved[kind] = Path(download.value.path()).read_bytes()
    svg = saved["SVG"].decode()
    assert svg.startswith("<svg ") and "var(" not in svg and 'fill="#ffffff"' in svg
    assert "&lt;script&gt;" in svg and "<script" not in svg
    assert saved["PNG"].startswith(b"\x89PNG")
    assert int.from_bytes(saved["PNG"][16:20]) > 2000
