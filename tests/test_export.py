"""What pages hand on and carry inside: CSV no spreadsheet runs, numbers no browser runs."""

import base64
import csv
import io
import json
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from report_runs import HOSTILE, Markup, digests, drivers, notebook_of, stopped, write_run

from touchlab.overview import compare, read_tables
from touchlab.reporting import Page, export_html, write_index
from touchlab.reporting.files import BOM, csv_of, download
from touchlab.reporting.index import moved, newest_pair, packed, read_estimates
from touchlab.reporting.page import blocks_of, duration, moment, setting, window
from touchlab.reporting.record import first_sentence, read_records
from touchlab.show import Table, keep, note


def cells_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix(BOM))))


# --- CSV ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("  =1", "'  =1"),
        ("\uff1d1+1", "'\uff1d1+1"),  # the wide sign is one as well
        ("mail;=1+1", "mail;'=1+1"),  # where a semicolon parts cells
        ("a\n@b", "a\n'@b"),
        ("mail", "mail"),
        ("a-b = c", "a-b = c"),
        ("-5", "-5"),  # a number as text stays one
        ("+1.5e3", "+1.5e3"),
        ("", ""),
    ],
)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text, written):
    table = {"columns": [text, "n"], "data": [[text, -1]]}
    assert cells_of(csv_of(table)) == [[written, "n"], [written, "-1"]]


@given(st.text())
def test_no_cell_begins_as_a_formula(text):
    ((cell,),) = cells_of(csv_of({"columns": [f"={text}"], "data": []}))
    assert cell.startswith("'=")
    assert cell.replace("'", "") == f"={text}".replace("'", "")


def test_numbers_missing_ones_and_letters_stay_what_they_are():
    table = {
        "columns": ["name", "x", "clear"],
        "data": [["Köln", -0.25, True], [None, None, False]],
    }
    assert csv_of(table).startswith("\ufeffname,x,clear\r\n")
    read = pd.read_csv(io.StringIO(csv_of(table).removeprefix(BOM)))
    assert read.name.tolist()[0] == "Köln"
    assert read.x.tolist()[0] == -0.25
    assert read.clear.tolist() == [True, False]


@pytest.mark.parametrize(
    "table", [None, [], "x", {}, {"columns": ["a"]}, {"columns": ["a"], "data": [[1, 2]]}]
)
def test_what_is_no_table_is_no_download(table):
    assert download(table, "x") is None


def test_tables_and_figures_offer_their_numbers():
    frame = pd.DataFrame({"touchpoint": ["=1+1", "mail"], "n": [1000, 2000]})
    figure = {"alt": "Mail leads: by far. More.", "table": {"columns": ["a"], "data": [[1]]}}
    table = Table(frame, "Touches, by name")
    picture = ({"image/png": base64.b64encode(b"x").decode()}, {"image/png": figure})
    offered = [b.numbers for b in blocks_of(notebook_of(table._repr_mimebundle_(), picture))]
    named = [file.name for file in offered if file]
    assert named == ["touches-by-name.csv", "mail-leads.csv"]
    (first, _) = filter(None, offered)
    packed_text = first.source.removeprefix("data:text/csv;base64,")
    text = base64.b64decode(packed_text).decode("utf-8-sig")
    assert text == "touchpoint,n\r\n'=1+1,1000\r\nmail,2000\r\n"


def test_what_is_hidden_on_the_page_is_not_in_its_download():
    frame = pd.DataFrame({"touchpoint": ["rare"], "customers": [3], "touches": [7]})
    (data, words) = Table(frame, "t")._repr_mimebundle_()
    (file,) = [b.numbers for b in blocks_of(notebook_of((data, words))) if b.numbers]
    text = base64.b64decode(file.source.partition(",")[2]).decode("utf-8-sig")
    assert text.splitlines()[1].split(",")[1] == ""


def test_tables_kept_for_other_pages_are_not_shown():
    page = export_html(notebook_of(keep(t=drivers(mail=1.0))._repr_mimebundle_()), name="01_q")
    assert "Kept for other pages" not in page and "mail" not in page


def test_sections_without_content_become_one_list():
    def cell(*shown):
        outputs = [new_output("display_data", data=d, metadata=m) for d, m in shown]
        return new_code_cell("x", outputs=outputs)

    lacking = note("With costs, <this> is said.")._repr_html_()
    table = Table(pd.DataFrame({"n": [5000]}), "t")._repr_mimebundle_()
    cells = [
        new_markdown_cell("# Q?"), new_markdown_cell("## What it costs\n\nPrices."),
        cell(({"text/html": lacking, "text/plain": "x"}, {})), cell(),
        new_markdown_cell("## Why & so"), cell(),
        new_markdown_cell("## Seen"), cell(({"text/html": lacking, "text/plain": "x"}, {}), table),
        new_markdown_cell("## Only words"),
    ]  # fmt: skip
    soup = BeautifulSoup(export_html(new_notebook(cells=cells), name="07_b"), "html.parser")
    assert [h.text for h in soup("h2")] == [
        "Seen", "Only words", "Not answered, and what it would take",
    ]  # fmt: skip
    assert [li.text.strip() for li in soup.select(".unanswered li")] == [
        "What it costs: With costs, <this> is said.", "Why & so",
    ]  # fmt: skip


def test_the_index_shows_figures_and_what_they_were(tmp_path):
    for day, orders in ((1, "4,000"), (2, "4,057")):
        shown = pd.DataFrame({"what": ["orders", HOSTILE], "shown": [orders, "9"]})
        run = write_run(tmp_path, day, {"figures": shown})
        drawing = '<svg viewBox="0 0 1 1" class="narrow"><path d="M0 0"/></svg>'
        (run.folder / "04_d.html").write_text(f"<p>{drawing}</p>")
    soup = BeautifulSoup(write_index(tmp_path).read_text(), "html.parser")
    assert [dd.text for dd in soup.select(".figures dd")] == ["4,057", "was 4,000", "9"]
    assert soup.select_one(".figures div:last-child dt").text == HOSTILE
    assert soup.select_one(".card .thumb svg path")["d"] == "M0 0"


def test_times_and_settings_are_written_for_reading():
    assert moment("2026-02-28T09:30:00+00:00") == "28 Feb 2026, 09:30 UTC"
    assert moment("no time") == "no time"
    year = {"first": "2025-01-01T00:00:00", "last": "2025-12-31T23:10:00"}
    assert (window(year), window({})) == ("1 Jan 2025 to 31 Dec 2025", "")
    assert (duration(8.24), duration(75)) == ("8.2 s", "1 min 15 s")
    assert [setting(v) for v in ("churn", True, [0.4, 0.2], {"a": False})] == [
        "churn", "true", "0.4, 0.2", "a: false",
    ]  # fmt: skip


# --- scripts and the numbers inside the index ---------------------------------------------


def policy_of(page: str) -> str:
    return re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")


@pytest.fixture
def reports(tmp_path):
    write_run(tmp_path, 1, {"drivers": drivers(mail=10.0, tv=50.0, gone=1.0)})
    write_run(tmp_path, 2, {"drivers": drivers(mail=90.0)}, data="other")
    write_run(tmp_path, 3, {}, **stopped("no touches left"))
    tables = {"drivers": drivers(tv=52.0, mail=40.0, fresh=2.0)}
    write_run(tmp_path, 4, tables, parameters={"outcome": "churn"})
    return tmp_path


def test_the_policy_names_the_scripts_and_styles_of_the_page(reports):
    pages = {
        2: write_index(reports).read_text(encoding="utf-8"),
        1: export_html(notebook_of(), name="03_q"),
        0: (reports / "20260101T060000Z-shop" / "index.html").read_text(encoding="utf-8"),
    }
    for scripts, page in pages.items():
        assert len(digests(page, "script")) == scripts
        allowed = " ".join(digests(page, "script")) or "'none'"
        (style,) = digests(page, "style")
        assert policy_of(page) == (
            f"default-src 'none'; img-src data:; style-src {style}; "
            f"script-src {allowed}; base-uri 'none'; form-action 'none'"
        )


def test_the_index_reads_without_scripts(reports):
    page = Markup(write_index(reports).read_text(encoding="utf-8"))
    for said in ("1 Jan 2026, 06:00 UTC", "no touches left", "outcome = churn", "other"):
        assert said in page.text
    # The newest against the one before on the same data: mail moved by 30, tv by 2; the
    # interval of a difference reaches sqrt(10^2 + 10^2) = 14.1.
    assert "Moved beyond their intervals: 1 . Within them: 1" in page.text
    assert "mail drivers: incremental 10.0 (0.0 to 20.0) 40.0 (30.0 to 50.0) beyond" in page.text
    assert "tv drivers: incremental 50.0 (40.0 to 60.0) 52.0 (42.0 to 62.0) within" in page.text
    assert "The runs differ in: outcome." in page.text
    controls = page.all("form")
    assert len(controls) == 2
    assert all("hidden" in attributes for attributes in controls)  # useless without the script


def test_each_run_is_listed_with_its_answer(tmp_path):
    def pages(*answers):
        return tuple(
            Page(f"{n:02d}_q", "Q?", answer, 1.0, "complete") for n, answer in enumerate(answers)
        )

    write_run(tmp_path, 1, {}, pages=pages("69 % came anyway (1 to 2). mail keeps most.", "Other."))
    write_run(tmp_path, 2, {}, pages=pages("", "Sold in the U.S. most. More."))
    write_run(tmp_path, 3, {}, pages=pages(""))
    write_run(tmp_path, 4, {}, pages=pages(HOSTILE), **stopped("no touches left"))
    write_run(tmp_path, 5, {}, pages=pages(f"{HOSTILE} leads. More."))
    rows = BeautifulSoup(write_index(tmp_path).read_text(), "html.parser").select(".runs tbody tr")
    assert [" ".join(row.td.get_text().split()) for row in rows] == [
        f"complete {' '.join(HOSTILE.split())} leads.",
        "failed 04_d stopped in code cell 2: ValueError: no touches left",
        "complete",
        "complete Sold in the U.S. most.",
        "complete 69 % came anyway (1 to 2).",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("no end", "no end"),
        ("Up by 1.5 % now! email too.", "Up by 1.5 % now!"),
        ("Is it “mail”? yes", "Is it “mail”?"),
        ("gain of 20 %. tv: none.", "gain of 20 %."),
        ("word " * 100, "word " * 47 + "…"),  # 47 words of 5 letters and the sign: 236 of 240
        ("x" * 5000, "…"),
    ],
)
def test_a_line_of_an_answer(text, line):
    assert first_sentence(text) == line


def test_tables_of_a_page_carry_no_buttons_before_the_script_ran():
    page = Markup(export_html(notebook_of(Table(drivers(mail=1.0))._repr_mimebundle_()), name="q"))
    assert not page.all("button")
    assert "incremental" in page.text


def test_numbers_inside_the_index_are_inert_and_exact(tmp_path):
    for day in (1, 2):
        tables = {"drivers": drivers(**{HOSTILE: float(day)}), "map": drivers(mail=1.0)}
        write_run(tmp_path, day, tables, parameters={HOSTILE: HOSTILE}, data=HOSTILE)
    page = write_index(tmp_path).read_text(encoding="utf-8")
    inside = re.findall(r'<script type="application/json" id="estimates">(.*?)</script>', page)
    assert len(inside) == 1
    assert not set("<>&'\u2028\u2029") & set(inside[0])
    runs = json.loads(inside[0])
    assert [run["settings"]["data"] for run in runs] == [HOSTILE, HOSTILE]
    assert runs[0]["rows"][0][0] == HOSTILE
    assert len(Markup(page).all("script")) == 3


def test_the_newest_pair_is_of_one_data_set_and_finished(reports):
    known = [read_estimates(run) for run in read_records(reports)]
    before, after = newest_pair(known)
    assert (before.run.run_id[:8], after.run.run_id[:8]) == ("20260101", "20260104")
    assert newest_pair(known[1:3]) is None


def test_moved_says_what_compare_finds(reports):
    known = [one for one in map(read_estimates, read_records(reports)) if len(one.found)]
    for before in known:
        for after in known:
            found = compare(*(read_tables(one.run.folder / "tables") for one in (before, after)))
            told = moved(before, after)
            assert [row[0] for row in told.rows] == found.row.tolist()
            assert [row[4] for row in told.rows] == found.beyond.tolist()
            assert (told.beyond, told.within) == (found.beyond.sum(), (~found.beyond).sum())


def test_tables_without_intervals_have_no_say_in_what_moved():
    plain = {"map": pd.DataFrame({"touchpoint": ["mail"], "touches": [7]})}
    one, other = ({"drivers": drivers(mail=amount)} for amount in (1.0, 9.0))
    assert compare(plain, plain).empty
    pd.testing.assert_frame_equal(compare(plain | one, plain | other), compare(one, other))


def test_broken_tables_and_missing_names_do_not_stop_the_index(tmp_path):
    table = drivers(mail=1.0, tv=2.0).assign(owner=["me", None])
    runs = [write_run(tmp_path, day, {"drivers": table}) for day in (1, 2)]
    (runs[0].folder / "tables" / "04_d" / "keepers.parquet").write_bytes(b"PAR1 no")
    assert "What changed" in write_index(tmp_path).read_text(encoding="utf-8")


def test_an_estimate_outside_of_its_interval_is_of_another_column(tmp_path):
    # `ci_low, ci_high` here are of `baseline`; read as those of `share` they would mislead.
    run = {"outcome": ["churn"], "baseline": [80.0], "share": [0.8], "ci_low": [70.0]}
    tables = [pd.DataFrame({**run, "share": [share], "ci_high": [90.0]}) for share in (0.8, 0.7)]
    known = [
        read_estimates(write_run(tmp_path, day, {"churn": table}))
        for day, table in enumerate(tables, start=1)
    ]
    assert not [row for row in moved(*known).rows if "share" in row[1]]
    assert not [row for row in packed(known[0])["rows"] if "share" in row[1]]


def test_the_index_of_twenty_runs_stays_small(tmp_path):
    many = {f"touchpoint_{i}": 100.0 / 7 * i for i in range(15)}
    for day in range(1, 21):
        tables = {name: drivers(**many) for name in ("drivers", "keepers", "bringers")}
        write_run(tmp_path, day, tables)
    assert write_index(tmp_path).stat().st_size < 300_000
