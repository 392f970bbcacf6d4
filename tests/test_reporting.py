"""Reports: parameters refused before anything runs, failures told, pages that cannot bite."""

import base64
import json
import math
import os
import re
import struct
import zlib
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from report_runs import Markup, digests, drivers, left_over, notebook_of, write_notebook, write_run

from touchlab import plots
from touchlab.errors import DataError, ParameterError
from touchlab.reporting import (
    Limits,
    NotFinished,
    NotWritten,
    Page,
    Run,
    check_parameters,
    choose_notebooks,
    declared_parameters,
    export_html,
    parse_assignments,
    read_parameters,
    run_report,
    write_index,
)
from touchlab.reporting.clean import (
    clean_drawing,
    clean_html,
    clean_markdown,
    clean_text,
    dress_tables,
)
from touchlab.reporting.execute import hide_paths
from touchlab.reporting.record import read_records, tables_of
from touchlab.reporting.source import data_name, folder_name

HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>"
    "<iframe src=https://evil.example></iframe>[x](javascript:alert(4))"
    '<a href="https://evil.example" onclick=alert(5)>go</a>"\'><style>*{background:url(//e.eu)}'
)


# --- parameters ---------------------------------------------------------------------------

CELL = """
data = "data/sample"  # folder
outcome = "conversion"  # conversion, churn or referral
lookback_days = 30  # days
half_life_days: float = 7.0
synergy = False
code = "007"
weights = [0.4, 0.2, 0.4]
limit = None
"""


def test_parameters_cell_is_read_with_comments():
    found = read_parameters(CELL)
    assert list(found) == [
        "data", "outcome", "lookback_days", "half_life_days", "synergy", "code", "weights", "limit",
    ]  # fmt: skip
    assert found["lookback_days"].default == 30
    assert found["lookback_days"].comment == "days"
    assert found["half_life_days"].default == 7.0
    assert found["half_life_days"].comment == ""


@pytest.mark.parametrize(
    "line", ["import os", "a, b = 1, 2", "x = 30 * 24", "x = open('f')", "x: int"]
)
def test_parameters_cell_holds_literals_only(line):
    with pytest.raises(ParameterError) as error:
        read_parameters(f"y = 1\n{line}", notebook="03_attribution")
    assert str(error.value) == (
        "03_attribution: the parameters cell holds something other than name = literal\n"
        f"  line 2: {line}\n"
        "  allowed are text, numbers, True, False, None, lists and dicts; move the rest to a cell"
        " below"
    )


def test_parameters_cell_with_a_magic_is_refused():
    with pytest.raises(ParameterError, match="03: the parameters cell is not Python\n  line 1:"):
        read_parameters("%matplotlib inline", notebook="03")


def test_command_line_values_follow_the_default():
    texts = ["code=010", "lookback_days=010", "half_life_days=3", "synergy=TRUE", "weights=1,0"]
    assert parse_assignments([*texts, "outcome=a=b"], read_parameters(CELL)) == {
        "code": "010",
        "lookback_days": 10,
        "half_life_days": 3.0,
        "synergy": True,
        "weights": [1.0, 0.0],
        "outcome": "a=b",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("2.5", 2.5), ("010", "010"), ("email", "email"), ("true", "true")],
)
def test_a_default_of_none_takes_text_and_numbers(text, value):
    parsed = parse_assignments([f"limit={text}"], read_parameters(CELL))["limit"]
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("outcome", "parameter 'outcome' has no name or no value\n  write it as name=value"),
        (
            "lookback_days=ten",
            "parameter 'lookback_days' must be a whole number, not 'ten'\n"
            "  its default is 30 (days)",
        ),
        (
            "synergy=maybe",
            "parameter 'synergy' must be true or false, not 'maybe'\n  its default is False",
        ),
        ('weights={"a": 1}', "parameter 'weights' must be a number, not '{\"a\": 1}'\n"
         "  its default is 0.4"),
        (
            "outcme=churn",
            "unknown parameter 'outcme'; did you mean 'outcome'?\n  the chosen notebooks know: "
            "code, half_life_days, limit, lookback_days, outcome, synergy, weights",
        ),
    ],
)  # fmt: skip
def test_command_line_values_are_refused_with_the_mend(text, message):
    with pytest.raises(ParameterError) as error:
        parse_assignments([text], read_parameters(CELL))
    assert str(error.value) == message


def test_values_go_only_to_the_notebooks_that_know_them():
    notebooks = {"01_a": read_parameters("x = 1"), "02_b": read_parameters("x = 2.5\ny = ''")}
    assert check_parameters({"x": 3, "y": "z"}, notebooks) == {
        "01_a": {"x": 3},
        "02_b": {"x": 3, "y": "z"},
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lookback_days", True, "of 03 must be a whole number, not True"),
        ("lookback_days", 3.5, "of 03 must be a whole number, not 3.5"),
        ("outcome", 3, "of 03 must be text, not 3"),
        ("synergy", 1, "of 03 must be true or false, not 1"),
        ("half_life_days", "7", "of 03 must be a number, not '7'"),
        ("half_life_days", float("nan"), ": nan is not a finite number"),
        ("limit", [1], "of 03 must be text or a number, not [1]"),
        ("weights", [object], "is a type, not a plain value"),
        ("weights", (1, 2), ": (1, 2) is a tuple, not a plain value"),
        ("x = 1; import os #", 1, "is not a name"),
        ("data", "elsewhere", "parameter 'data' cannot be set here"),
        ("nothing_like_it", 1, "unknown parameter 'nothing_like_it'"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(name, value, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        check_parameters({name: value}, {"03": read_parameters(CELL)})


def test_all_wrong_parameters_are_named_at_once():
    with pytest.raises(ParameterError) as error:
        check_parameters({"outcme": 1, "synergy": "x"}, {"03": read_parameters(CELL)})
    assert "'outcme'" in str(error.value)
    assert "'synergy'" in str(error.value)


# --- which notebooks ----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A repository with one notebook that answers and a data folder with an awkward name."""
    (tmp_path / "data" / "Köln & Söhne").mkdir(parents=True)
    write_notebook(
        tmp_path / "notebooks",
        "01_first",
        "import os, sys, warnings\nfrom IPython.display import HTML, display",
        "display(HTML(f'<p class=\"answer\">Found {os.path.isdir(data)}, {outcome}.</p>'))",
        "warnings.warn('few outcomes')\nprint(sys.executable == '{}')".format(
            __import__("sys").executable
        ),
        parameters="data = 'data/sample'\noutcome = 'conversion'",
        prose="# Which *touchpoints*?\n\nFor the team.",
    )
    return tmp_path / "notebooks"


def test_notebooks_are_chosen_by_name_or_number(tmp_path):
    for name in ("02_b", "01_a", "draft"):
        write_notebook(tmp_path, name)
    assert [path.stem for path in choose_notebooks(tmp_path)] == ["01_a", "02_b"]
    assert [path.stem for path in choose_notebooks(tmp_path, ["02", "01_a.ipynb"])] == [
        "01_a",
        "02_b",
    ]
    with pytest.raises(ParameterError) as error:
        choose_notebooks(tmp_path, ["02_c"])
    assert str(error.value) == (
        "unknown notebook '02_c'; did you mean '02_b'?\n  there are: 01_a, 02_b"
    )


def test_declared_parameters_are_collected(folder):
    assert {name: set(found) for name, found in declared_parameters(folder).items()} == {
        "01_first": {"data", "outcome"}
    }


# --- a run --------------------------------------------------------------------------------


def test_a_report_is_published_with_its_answers(folder, tmp_path):
    steps = []
    run = run_report(
        str(tmp_path / "data" / "Köln & Söhne"),
        out=tmp_path / "out {x}",
        parameters={"outcome": "churn"},
        folder=folder,
        progress=steps.append,
    )
    assert [(step.name, step.word) for step in steps] == [
        ("", "Köln & Söhne: 1 notebook"),
        ("01_first", "started"),
        ("01_first", "done"),
    ]
    assert run.folder.name.endswith("Z-Koln-Sohne")
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "01_first.html", "01_first.ipynb", "index.html", "run.json",
    ]  # fmt: skip
    assert run.pages[0].title == "Which touchpoints?"
    assert run.pages[0].answer == "Found True, churn."
    index = (tmp_path / "out {x}" / "index.html").read_text(encoding="utf-8")
    assert "Found True, churn." in index
    assert "outcome = churn" in index
    assert f'href="{run.folder.name}/01_first.html"' in index
    page = (run.folder / "01_first.html").read_text(encoding="utf-8")
    assert "UserWarning: few outcomes" in page
    assert '<pre class="text" tabindex="0" role="group" aria-label="Output">True</pre>' in page
    for path in [*run.folder.iterdir(), tmp_path / "out {x}" / "index.html"]:
        assert str(tmp_path) not in path.read_text(encoding="utf-8"), path.name
    assert left_over(tmp_path / "out {x}") == set()


FAILURES = {
    "error": (
        "raise ValueError('no \\x1b[31mtouches\\x1b[0m left')",
        "ValueError: no touches left",
    ),
    "exit": (
        "import sys; sys.exit(0)",
        "SystemExit: the notebook ended itself; 1 code cell below never ran",
    ),
    "killed": (
        "import os; os.kill(os.getpid(), 9)",
        "Dead kernel: the kernel died: it was killed, crashed or ran out of memory",
    ),
    "slow": (
        "import time; time.sleep(60)",
        "Timeout: the notebook was not finished after 6 seconds",
    ),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_notebook_that_stops_is_told_and_the_good_report_stays(kind, tmp_path):
    cell, reason = FAILURES[kind]
    out = good_report(tmp_path / "reports")
    before = (out / "20260101T000000Z-shop" / "run.json").read_bytes()
    write_notebook(tmp_path / "notebooks", "01_stops", "print('came this far')", cell, "1 + 1")
    (tmp_path / "shop").mkdir()
    limits = Limits(timeout=6 if kind == "slow" else 60)
    with pytest.raises(NotFinished) as error:
        run_report(tmp_path / "shop", out=out, folder=tmp_path / "notebooks", limits=limits)
    assert str(error.value).splitlines()[0] == f"01_stops stopped in code cell 3: {reason}"
    failed = next(out.glob("failed-*"))
    page = (failed / "01_stops.html").read_text(encoding="utf-8")
    assert "This notebook did not finish" in page
    assert "came this far" in page
    assert "\x1b" not in page + (failed / "run.json").read_text(encoding="utf-8")
    assert (out / "20260101T000000Z-shop" / "run.json").read_bytes() == before
    index = (out / "index.html").read_text(encoding="utf-8")
    assert "The newest run did not finish" in index
    assert "All is well." in index
    assert left_over(out) == set()
    partial = nbformat.read(failed / "01_stops.ipynb", as_version=4)
    states = [cell.metadata.papermill.status for cell in partial.cells if cell.cell_type == "code"]
    assert states[-2:] == ["failed", "pending"]


def good_report(out: Path) -> Path:
    run = {
        "run_id": "20260101T000000Z-shop", "status": "complete", "seconds": 1.0, "data": "shop",
        "started": "2026-01-01T00:00:00+00:00", "parameters": {}, "versions": {}, "failure": None,
        "pages": [{"name": "01_a", "title": "Q?", "answer": "All is well.", "seconds": 1.0,
                   "status": "complete"}],
    }  # fmt: skip
    folder = out / run["run_id"]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return out


def test_nothing_starts_when_a_parameter_is_wrong(folder, tmp_path):
    with pytest.raises(ParameterError, match="did you mean 'outcome'"):
        run_report(tmp_path, out=tmp_path / "out", folder=folder, parameters={"outcom": "churn"})
    assert not (tmp_path / "out").exists()


def test_data_that_is_not_there_is_refused(folder, tmp_path):
    with pytest.raises(DataError) as error:
        run_report("no/such", out=tmp_path / "out", folder=folder)
    assert str(error.value) == (
        "data: there is nothing at 'no/such'\n"
        "  looked in the working directory and beside the notebooks\n"
        "  give a folder of Parquet or CSV files, or a database address"
    )


def test_out_that_is_a_file_is_refused(folder, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(NotWritten, match="reports cannot be written to"):
        run_report(tmp_path, out=tmp_path / "out", folder=folder)


def test_names_cannot_leave_the_folder():
    assert folder_name("../../x") == "x"
    assert folder_name("..") == "data"
    assert folder_name("a/b\\c\x00" + "d" * 99) == "a-b-c-" + "d" * 34
    assert data_name("postgres://eva:secret@host/../../shop") == "shop"
    assert data_name("duckdb://") == "duckdb"


def test_paths_are_replaced_by_names_in_whole_parts_only():
    names = {"/srv/a": ".", "/srv/a/data b": "data b", "pg://eva:secret@h/shop": "shop"}
    nested = {
        "x": ["/srv/a/data b/t.csv", "/srv/ab", "/srv/a:1"],
        "image/png": "/srv/a",
        "image/svg+xml": "at /srv/a",
    }
    assert hide_paths(nested, names) == {
        "x": ["data b/t.csv", "/srv/ab", ".:1"],
        "image/png": "/srv/a",
        "image/svg+xml": "at .",  # its words are text
    }
    injected = {"/srv/Köln \U0001f6d2": "shop"}  # papermill writes other letters as escapes
    assert hide_paths(r'data = "/srv/K\xf6ln \U0001f6d2"', injected) == 'data = "shop"'
    assert hide_paths("at pg://eva:secret@h/shop?x", names) == "at shop?x"


# --- pages --------------------------------------------------------------------------------


def assert_harmless(text: str, *, links_out: tuple[str, ...] = ()) -> Markup:
    page = Markup(text)
    assert {tag for tag, _ in page.elements}.isdisjoint(
        {"iframe", "object", "embed", "svg", "math", "link", "base", "video"}
    )
    assert_own_scripts(text, page)
    assert len(page.all("style")) == 1
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert "style" not in attributes
        for name in ("src", "srcset"):
            assert (attributes.get(name) or "data:image/png").startswith("data:image/"), attributes
        address = attributes.get("href") or ""
        if attributes.get("download"):
            assert re.fullmatch(r"data:text/csv;base64,[\w+/=]+", address), address
            continue
        assert address in links_out or re.fullmatch(r"[\w.%/#-]*", address), address
    policy = page.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    return page


def assert_own_scripts(text: str, page: Markup) -> None:
    """No script but ours, by hash; the numbers of the index are data that never runs."""
    policy = page.all("meta")[1]["content"] or ""
    allowed = re.findall(r"'sha256-[^']+'", policy.partition("script-src ")[2])
    assert digests(text, "script") == allowed
    others = [attributes for attributes in page.all("script") if attributes]
    assert others in ([], [{"type": "application/json", "id": "estimates"}])
    assert len(page.all("script")) == len(allowed) + len(others)
    assert {form["id"] for form in page.all("form")} <= {"filters", "compared"}


def png(width: int = 2, height: int = 1) -> str:
    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress((b"\0" + b"\xff" * width) * height))
    raw = b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")
    return base64.b64encode(raw).decode()


def page_of(*outputs, cells=()):
    cell = new_code_cell("x = 1", outputs=list(outputs))
    notebook = new_notebook(cells=[new_markdown_cell("# Q?\n\n## Part"), cell, *cells])
    return export_html(notebook, name="03_q")


def shown(data, metadata=None):
    return new_output("display_data", data=data, metadata=metadata or {})


def test_hostile_text_runs_nowhere():
    outputs = [
        shown({"text/html": f'<p class="answer" onclick="x()">{HOSTILE}</p>'}),
        shown({"text/html": f"<table><caption>{HOSTILE}</caption><tr><td>{HOSTILE}</table>"}),
        shown({"text/markdown": f"{HOSTILE}\n\n# {HOSTILE}\n\n| a |\n|---|\n| {HOSTILE} |"}),
        shown({"text/plain": HOSTILE}),
        shown({"text/latex": HOSTILE, "application/javascript": HOSTILE, "text/plain": "words"}),
        shown({"image/png": png()}, {"image/png": {"alt": HOSTILE, "narrow": HOSTILE}}),
        shown({"image/svg+xml": f"<svg>{HOSTILE}</svg>"}),
        new_output("stream", name="stderr", text=HOSTILE),
        new_output("stream", name="stdout", text=HOSTILE),
        new_output("error", ename=HOSTILE, evalue=HOSTILE, traceback=[HOSTILE]),
    ]
    prose = new_markdown_cell(f"# {HOSTILE}\n\n{HOSTILE}\n\n## {HOSTILE}")
    text = page_of(*outputs, cells=[prose, new_code_cell(HOSTILE)])
    page = assert_harmless(text, links_out=("https://evil.example",))
    assert "alert(2)" in text  # shown as the text it is
    assert page.all("img")[0]["alt"] == HOSTILE


def test_hostile_records_do_not_harm_the_index(tmp_path):
    out = good_report(tmp_path)
    record = json.loads((out / "20260101T000000Z-shop" / "run.json").read_text())
    record |= {"data": HOSTILE, "parameters": {HOSTILE: HOSTILE}, "started": HOSTILE}
    record["pages"][0] |= {"title": HOSTILE, "answer": HOSTILE}
    record["failure"] = {
        "notebook": HOSTILE, "cell": 1, "error": HOSTILE, "message": HOSTILE, "source": "",
    }  # fmt: skip
    for name, change in {
        "a": {},
        "b": {"pages": [{**record["pages"][0], "name": "../../x"}]},
    }.items():
        (out / name).mkdir()
        (out / name / "run.json").write_text(json.dumps({**record, **change}))
    (out / "c").mkdir()
    (out / "c" / "run.json").write_text("{")
    text = write_index(out).read_text(encoding="utf-8")
    assert_harmless(text)
    assert [run.status for run in read_records(out)].count("unreadable") == 2
    assert "run.json cannot be read" in text


def deep(levels: int, end: object = 1) -> object:
    for _ in range(levels):
        end = [end]
    return end


ODD = [
    None,
    True,
    7,
    -1.5,
    math.nan,
    math.inf,
    "",
    HOSTILE,
    [],
    {},
    deep(8),
    deep(400),
    {"a": None},
]


@pytest.mark.parametrize("part", ["", "pages", "failure"])
def test_records_of_a_stranger_stop_nothing(part, tmp_path):
    """Every field of a record, a page and a failure with every odd value: read, or skipped."""
    out = good_report(tmp_path)
    first = json.loads((out / "20260101T000000Z-shop" / "run.json").read_text())
    failure = {"notebook": "01_a", "cell": 1, "error": "E", "message": "m", "source": ""}
    first |= {"failure": failure}
    of = {"": first, "pages": first["pages"][0], "failure": failure}[part]
    for number, (field, value) in enumerate((f, v) for f in [*of, "other"] for v in ODD):
        record = json.loads(json.dumps(first))
        changed = {"": record, "pages": record["pages"][0], "failure": record["failure"]}[part]
        changed[field] = value
        (out / f"r{number}").mkdir()
        (out / f"r{number}" / "run.json").write_text(json.dumps(record))
    assert_harmless(write_index(out).read_text(encoding="utf-8"))
    states = {run.status for run in read_records(out)}
    assert {"complete", "unreadable"} <= states


def test_records_that_are_no_files_are_skipped_and_said(tmp_path):
    out = good_report(tmp_path)
    for name, text in {"deep": "[" * 100_000, "large": " " * 2_000_001 + "{}", "bytes": ""}.items():
        (out / name).mkdir()
        (out / name / "run.json").write_text(text)
    (out / "bytes" / "run.json").write_bytes(b"\xff\xfe")
    first = json.loads((out / "20260101T000000Z-shop" / "run.json").read_text())
    first["pages"][0]["name"] = "\u00e9" * 130  # no disk takes such a name
    (out / "long").mkdir()
    (out / "long" / "run.json").write_text(json.dumps(first))
    for name in ("fifo", "linked", "folder"):
        (out / name).mkdir()
    os.mkfifo(out / "fifo" / "run.json")  # which would be waited for
    (out / "linked" / "run.json").symlink_to(out / "20260101T000000Z-shop" / "run.json")
    (out / "folder" / "run.json").mkdir()
    text = write_index(out).read_text(encoding="utf-8")
    read = {run.folder.name: run for run in read_records(out)}
    assert read.pop("20260101T000000Z-shop").status == "complete"
    assert {run.status for run in read.values()} == {"unreadable"} and len(read) == 7
    assert text.count("run.json cannot be read") == 8  # in the list, and of the newest on top
    assert "not a file of the size of a record" in text


def test_linked_tables_are_not_read(tmp_path):
    out = tmp_path / "reports"
    for day in (1, 2):
        run = write_run(out, day, {"drivers": drivers(mail=day)})
    outside = (run.folder / "tables").rename(tmp_path / "outside")
    (run.folder / "tables").symlink_to(outside)
    assert tables_of(run) is None
    assert 'id="estimates"' not in write_index(out).read_text(encoding="utf-8")


def test_outputs_lose_links_out_and_prose_keeps_them():
    link = '<a href="https://example.org">paper</a>'
    assert clean_html(link) == "<a>paper</a>"
    assert clean_html(link, own=True) == link
    cleaned = clean_html('<p class="answer" onclick="x()">Email <img src=x onerror=alert(1)></p>')
    assert cleaned == '<p class="answer">Email &lt;img src=x onerror=alert(1)&gt;</p>'
    assert clean_markdown("**12 %** of <b>all</b>") == "<p><strong>12 %</strong> of <b>all</b></p>"
    assert (
        clean_markdown("[p](javascript:alert(1))", own=True)
        == '<p><a href="#harmful-link">p</a></p>'
    )


def test_a_page_is_complete_and_named():
    page = assert_harmless(page_of(shown({"text/html": '<p class="takeaway">Do it.</p>'})))
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("main")[0]["id"] == "main"
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    assert page.all("h2")[0]["id"] == "part"
    assert {"href": "#part"} in page.all("a")
    assert {"class": "takeaway"} in page.all("p")


def picture(words="email"):
    """A figure of our own, as a notebook keeps it."""
    rows = {"touchpoint": [words, "tv"], "credit": [90, 40]}
    rows |= {"ci_low": [80, 30], "ci_high": [95, 50]}
    drawn = plots.plot_intervals(
        pd.DataFrame(rows), value="credit", names="touchpoint", label="credit", title="Email leads"
    )
    return shown(*drawn._repr_mimebundle_())


def test_figures_carry_their_description_and_colours_for_light_and_dark():
    text = page_of(picture())
    page = Markup(text)
    (drawing,) = [one for one in page.all("div") if one.get("role") == "img"]
    assert drawing["aria-label"].startswith("Email leads. From email (9,000")
    assert [svg["class"] for svg in page.all("svg")] == ["wide", "narrow"]
    inks = {
        shape[name] for _, shape in page.elements for name in ("fill", "stroke") if name in shape
    }
    assert all(ink == "none" or ink.startswith("var(--figure-") for ink in inks)
    assert {"var(--figure-ink)", "var(--figure-paper)"} <= inks
    assert "style" not in {name for _, attributes in page.elements for name in attributes}
    assert len(text) < 60_000
    unnamed = Markup(page_of(shown({"image/png": png()}))).all("img")[0]
    assert unnamed["alt"] == "Figure without a description, in the section “Part”"
    assert (unnamed["width"], unnamed["height"]) == ("2", "1")


def test_names_in_figures_are_words_and_nothing_else():
    page = Markup(page_of(picture(HOSTILE[:29])))
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"img", "iframe", "foreignobject"})
    assert "&lt;img src=x onerror=alert(1" in page_of(picture(HOSTILE[:29]))


PLAIN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<style>*{fill:red}</style>",
        '<path d="M 0 0" style="fill: red"/>',
        '<path d="M 0 0" onclick="alert(1)"/>',
        '<path d="M 0 0" fill="url(https://evil.example)"/>',
        '<path d="M 0 0" clip-path="url(https://evil.example#a)"/>',
        '<path d="M 0 0" clip-path="url(#main)"/>',
        '<path d="M 0 0" fill="red;}*{background:url(//e.eu)"/>',
        '<path d="M 0 0" class="skip"/>',
        '<path d="M 0 0" id="main"/>',
        '<use href="https://evil.example#a"/>',
        '<use xmlns:x="http://www.w3.org/1999/xlink" x:href="#m0123456789"/>',
        '<g id="g0123456789"><use href="#g0123456789"/></g>',
        '<a href="https://evil.example"><path d="M 0 0"/></a>',
        '<image href="data:image/png;base64,AAAA"/>',
        '<animate attributeName="href"/><set attributeName="href" to="javascript:alert(1)"/>',
        '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>',
        '<p xmlns="http://www.w3.org/1999/xhtml">x</p>',
        '<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>',
        "<![CDATA[<script>alert(1)</script>]]>",
        "<?xml-stylesheet href='https://evil.example'?>",
        "<svg/>",
        "<g>" * 5000 + "</g>" * 5000,
        "<g>",
        "",
    ],
)
def test_drawings_that_hold_more_than_shapes_and_words_stay_pictures(inside):
    content = PLAIN.format(inside) if inside else "words"
    metadata = {"image/svg+xml": {"alt": "x", "narrow": PLAIN.format("<script>alert(1)</script>")}}
    page = assert_harmless(page_of(shown({"image/svg+xml": content}, metadata)))
    (image,) = page.all("img")
    assert image["src"].startswith("data:image/svg+xml;base64,")
    assert clean_drawing(content, "wide") is None


def test_a_drawing_with_entities_is_no_drawing():
    bomb = '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + PLAIN.format("&b;")
    assert clean_drawing(bomb, "wide") is None


def test_a_plain_drawing_of_any_origin_is_taken_in():
    drawn = clean_drawing(PLAIN.format('<text x="1">a &lt; b</text>'), "wide")
    assert drawn == (
        '<svg viewBox="0 0 9 9" class="wide" preserveAspectRatio="xMinYMin">'
        '<text x="1">a &lt; b</text></svg>'
    )


def test_removed_cells_vanish_but_not_their_errors():
    quiet = new_code_cell("secret = 1", metadata={"tags": ["remove"]})
    quiet.outputs = [
        new_output("stream", name="stdout", text="unseen"),
        new_output("error", ename="ValueError", evalue="seen", traceback=[]),
    ]
    text = page_of(cells=[quiet])
    assert "secret" not in text
    assert "unseen" not in text
    assert "seen" in text


def test_a_picture_that_is_none_is_left_out():
    odd = {"image/png": "\u00e4\u00f6", "text/plain": "words"}
    page = export_html(notebook_of((odd, {})), name="01_a")
    assert "words" in page and "<img" not in page


def test_the_same_notebook_gives_the_same_page():
    pages = [page_of(shown({"text/plain": "1"})) for _ in range(2)]  # cell ids differ
    assert pages[0] == pages[1]


def test_money_is_no_formula_and_overwritten_lines_are_gone():
    assert clean_markdown("from $5 to $10 _now_") == "<p>from $5 to $10 <em>now</em></p>"
    assert clean_text("10 %\r50 %\r\n\x1b[1mdone\x1b[0m\x07") == "50 %\ndone"


def test_frames_are_dressed_for_reading():
    frame = pd.DataFrame({"touchpoint": ["email", "<b>"], "share": ["1.5 %", "-2 %"]})
    plain = dress_tables(clean_html(frame._repr_html_()), label="Table 1")
    page = Markup(plain)
    assert {
        "aria-label": "Table 1",
        "class": "scroll",
        "role": "region",
        "tabindex": "0",
    } in page.all("div")
    # The counting index is gone; numbers stand to the right, under a header with a scope.
    assert page.all("th") == [{"scope": "col"}, {"class": "num", "scope": "col"}]
    assert page.all("td") == [{}, {"class": "num"}] * 2
    assert "&lt;b&gt;" in plain
    indexed = dress_tables(clean_html(frame.set_index("touchpoint")._repr_html_()), label="t")
    assert len(Markup(indexed).all("tr")) == 3  # the name of the index moved up beside `share`
    assert indexed.index("touchpoint") < indexed.index("share")


def test_links_between_notebooks_lead_to_pages_that_exist(tmp_path):
    pages = tuple(Page(name, name, "", 1.0, "complete") for name in ("01_a", "02_b"))
    run = Run("r", tmp_path, "complete", "2026-01-01T00:00:00+00:00", 2.0, "shop", pages=pages)
    prose = new_markdown_cell("# Q?\n\n[one](01_a.ipynb#part) [none](09_none.ipynb)")
    text = export_html(new_notebook(cells=[prose]), name="02_b", run=run)
    links = Markup(text).all("a")
    assert {"href": "01_a.html#part"} in links
    assert {"class": "previous", "href": "01_a.html"} in links
    assert "09_none" not in text
