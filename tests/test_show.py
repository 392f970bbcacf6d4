"""What a notebook shows is escaped, formatted by column, and carries words for pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.colors import to_rgb
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import touchlab as tl
from touchlab import plots, show
from touchlab.reporting.clean import figure_colours

SVG = "{http://www.w3.org/2000/svg}"
STYLE_SHEET = Path(tl.__file__).parent / "reporting" / "template" / "report.css"

HOSTILE = ["<img src=x onerror=alert(1)>", "a > b", "🛒 shop", "$\\frac{ $", "_hidden", "x" * 300]


def _credit(names: list[str], *, intervals: bool = True) -> pd.DataFrame:
    rows = []
    for shift, model in enumerate(["first", "linear", "markov"]):
        for i, name in enumerate(names):
            credit = 10.0 + 3 * ((i + shift) % len(names))
            reach = 2.0 if intervals else np.nan
            rows.append((model, name, credit, credit / 100, credit - reach, credit + reach, 100.0))
    columns = ["model", "touchpoint", "credit", "share", "ci_low", "ci_high", "n"]
    return pd.DataFrame(rows, columns=columns)


def test_sentence_is_escaped_in_html_and_plain_in_text() -> None:
    said = show.answer("Best: <b>email</b>", "& more.")
    assert said._repr_html_() == (
        '<p class="answer">Best: &lt;b&gt;email&lt;/b&gt;</p><p class="answer">&amp; more.</p>'
    )
    assert repr(said) == "Best: <b>email</b>\n& more."


def test_table_sets_shares_counts_dates_and_joins_interval_ends() -> None:
    frame = pd.DataFrame(
        {
            "touchpoint": ["<i>email</i>", "search"],
            "credit": [12.345, np.nan],
            "share": [0.1234, 0.5],
            "ci_low": [10.0, np.nan],
            "ci_high": [14.71, np.nan],
            "n": [1234567, 20],
            "first": pd.to_datetime(["2026-02-28 09:30", None]),
        }
    )
    shown = show.readable(frame)
    assert list(shown) == ["touchpoint", "credit", "share", "95 % interval", "n", "first"]
    assert shown.iloc[0, 1:].tolist() == [
        "12.3",
        "12.3 %",
        "10.0 to 14.7",
        "1,234,567",
        "2026-02-28",
    ]
    assert shown.iloc[1, 1:].tolist() == ["–", "50.0 %", "–", "20", "–"]
    html = show.Table(frame, "A & B")._repr_html_()
    assert "<caption>A &amp; B</caption>" in html
    assert "<i>" not in html and "&lt;i&gt;email&lt;/i&gt;" in html


def test_a_column_of_which_nothing_is_known_is_set_too() -> None:
    frame = pd.DataFrame({"customers": pd.array([None, None], dtype="Int64"), "n": [np.nan, 2.5]})
    assert show.readable(frame).to_numpy().tolist() == [["–", "–"], ["–", "2.5"]]


def _run(shell: InteractiveShell, *cells: str) -> list[tuple[bool, str]]:
    """Run cells; whether each ended well, and all that it showed."""
    ran = []
    for cell in cells:
        with capture_output() as captured:
            result = shell.run_cell(cell)
        shown = "".join(str(one.data.get("text/html", "")) for one in captured.outputs)
        ran.append((result.success, shown + captured.stdout))
    return ran


LACKS = """import touchlab as tl
def ask(what="no costs:\\n  give `cost`"):
    raise tl.MissingInput(what)"""
NO_COSTS = '<p class="note">no costs:; give cost.</p>'


def test_a_cell_that_lacks_input_ends_well_and_shows_a_note_once(shell: InteractiveShell) -> None:
    ran = _run(shell, LACKS, "kept = 1\nask()", "ask()", "kept")
    assert ran[1:3] == [(True, NO_COSTS), (True, "")]
    assert shell.user_ns["kept"] == 1 and ran[3][0]
    assert _run(shell, "kept = 1\nask()")[0] == (True, NO_COSTS)  # the cell that said it, again


def test_what_builds_on_missing_input_passes_silently_and_nothing_else_does(
    shell: InteractiveShell,
) -> None:
    ran = _run(shell, LACKS, "costs = ask()\ncosts", "plan = costs * 2\nplan", "plan.table")
    assert [ended for ended, _ in ran] == [True] * 4
    assert [said for _, said in ran[1:]] == [NO_COSTS, "", ""]
    for wrong, name in (("1 / 0", "ZeroDivisionError"), ("cots", "NameError")):
        ended, said = _run(shell, wrong)[0]
        assert not ended and name in said and "Traceback" in said
    given = _run(shell, "costs = 5", "plan = costs * 2\nplan")
    assert given[1][0] and shell.user_ns["plan"] == 10


def test_what_a_cell_would_only_change_stays_and_what_it_would_make_anew_goes(
    shell: InteractiveShell,
) -> None:
    # as with data changed under a notebook: a table of the earlier data must not be shown
    ran = _run(shell, LACKS, "drivers, table = 1, 2", "drivers = drivers + ask()\ntable = drivers")
    assert all(ended for ended, _ in ran)
    assert shell.user_ns["drivers"] == 1 and "table" not in shell.user_ns


def test_the_note_moves_to_where_the_first_thing_is_missing(shell: InteractiveShell) -> None:
    cells = "costs = ask()", "plan = costs", "from touchlab import show\nshow.answer(plan)"
    asked, built, answered = _run(shell, LACKS, *cells)[1:]
    assert (asked[1], built[1]) == (NO_COSTS, "")
    assert answered == (True, NO_COSTS.replace("note", "answer").replace("no costs", "No costs"))
    other = "found = ask('no experiment')\nplan = plan + found", "show.answer(plan)", "found"
    asked, built, found = _run(shell, *other)  # the plan lacks costs still
    said = NO_COSTS.replace("no costs:; give cost", "no experiment")
    assert (asked[1], built[1]) == (said, "")
    assert found == (True, said)


def test_warnings_that_are_notes_stay_off_the_page(shell: InteractiveShell) -> None:
    warned = "import warnings, touchlab as tl\nwarnings.warn('few', tl.TouchlabWarning)"
    with capture_output() as captured:
        shell.run_cell(warned)
    assert captured.stderr == ""


def test_left_alone_a_kernel_is_as_it_was(shell: InteractiveShell) -> None:
    tl.unload_ipython_extension(shell)
    ended, said = _run(shell, LACKS, "ask()")[1]
    assert not ended and "MissingInput" in said
    assert "hidden" not in repr(SMALL)


SMALL = pd.DataFrame({"touchpoint": ["a", "b", "c"], "starts": [90, 3, 20]})


def test_frames_hide_small_groups_on_every_way_to_a_page(shell: InteractiveShell) -> None:
    data, metadata = shell.display_formatter.format(SMALL)
    assert data["text/html"].count("<td>hidden</td>") == 2
    assert data["text/plain"].count("hidden") == 2
    assert metadata["text/html"]["table"]["data"] == [["a", 90], ["b", None], ["c", None]]
    assert "<td>hidden</td>" in shell.display_formatter.format(SMALL.starts)[0]["text/html"]
    for words in (repr(SMALL), str(SMALL), f"{SMALL}", repr(SMALL.starts)):
        assert "hidden" in words and " 3" not in words
    with capture_output() as captured:
        print(SMALL)
    assert captured.stdout.count("hidden") == 2
    assert SMALL.starts.tolist() == [90, 3, 20]


def test_shares_of_many_times_the_whole_have_three_digits() -> None:
    frame = pd.DataFrame({"touchpoint": ["push", "mail", "ad"], "roi": [195.422, 2.7884, -0.52]})
    assert list(show.readable(frame).roi) == ["19,500 %", "278.8 %", "-52.0 %"]


def test_bare_frames_of_any_shape_are_shown(shell: InteractiveShell) -> None:
    form = shell.display_formatter.format
    long = pd.DataFrame({"day": range(1000), "x": 0.5})
    assert form(long)[0]["text/html"].count("<tr>") == 60
    assert "the first 60 of 1,000 rows" in form(long)[0]["text/html"]
    by_name = SMALL.set_index("touchpoint")
    assert "<td>a</td>" in form(by_name)[0]["text/html"]
    for odd in (by_name.T, pd.DataFrame([[1, 2]]), pd.concat([SMALL, SMALL], axis=1)):
        assert "<table" in form(odd)[0]["text/html"]
    assert form(pd.DataFrame({"a": []}))[0]["text/html"]
    assert "none." in show.Table(SMALL.head(0), "Warnings")._repr_html_()


def test_a_real_kernel_sees_no_error(tmp_path: Path) -> None:
    cells = [LACKS, "costs = ask()\nmore = 1", "print(more)", "1", "1 / 0"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        NotebookClient(notebook, kernel_name="python3", timeout=120).execute(cwd=str(tmp_path))
    kinds = [[output.output_type for output in cell.outputs] for cell in notebook.cells]
    assert kinds == [[], ["display_data"], ["display_data"], ["execute_result"], ["error"]]
    left, moved = (cell.outputs[0].data for cell in notebook.cells[1:3])
    assert left == {"text/plain": ""} and moved["text/html"] == NO_COSTS


def test_picture_carries_words_and_two_drawings_of_two_shapes() -> None:
    data, metadata = plots.plot_credit(_credit(["email", "search"]))._repr_mimebundle_()
    words = metadata["image/svg+xml"]
    assert data.keys() == {"image/svg+xml", "text/plain"}
    assert words.keys() == {"alt", "narrow", "table"}
    assert words["alt"] == data["text/plain"]
    wide, narrow = (fromstring(svg) for svg in (data["image/svg+xml"], words["narrow"]))
    assert float(wide.attrib["viewBox"].split()[2]) > 1.6 * float(
        narrow.attrib["viewBox"].split()[2]
    )
    assert wide.find(f"{SVG}rect").attrib["fill"] == show.LIGHT.paper


def _drawings() -> list[show.Picture]:
    """Markers, half transparent; bands over one another; a map of shades with numbers."""
    credit = _credit(["email", "a search engine nobody knows", "search"])
    drawn = plots.plot_credit(credit)
    days = np.arange(0, 360, 30)
    curves = pd.DataFrame(
        [(name, day, 1 - day / end) for name, end in (("a", 900.0), ("b", 700.0)) for day in days],
        columns=["group", "day", "survival"],
    ).assign(n=900, at_risk=900, events=30)
    curves["ci_low"], curves["ci_high"] = curves.survival - 0.05, curves.survival + 0.05
    rates = pd.DataFrame(
        [(f"2025-{m:02d}", k, 0.5 / k) for m in range(1, 7) for k in range(1, 8 - m)],
        columns=["cohort", "months_since", "rate"],
    ).assign(n=400, customers=400, active=lambda t: t.rate * 400)
    return [
        drawn,
        replace(drawn, left_out="Left out (2 rows): small groups."),
        plots.plot_survival(curves),
        plots.plot_cohorts(rates),
    ]


def _named(drawing: str, *names: str) -> list[Element]:
    return [e for e in fromstring(drawing).iter() if e.tag in {SVG + name for name in names}]


def _light() -> dict[str, str]:
    theme = show.LIGHT
    names = ("ink", "soft", "line", "paper", "accent", "shade")
    palette = {str(place): colour for place, colour in enumerate(theme.palette) if place}
    return {name: getattr(theme, name) for name in names} | palette


def _dark() -> dict[str, str]:
    """The colours of figures on a dark screen, as the pages' style sheet has them."""
    dark = STYLE_SHEET.read_text().partition("(prefers-color-scheme: dark)")[2]
    return dict(re.findall(r"--figure-(\w+): (#[0-9a-f]{6});", dark))


def test_the_style_sheet_knows_the_colours_of_figures() -> None:
    assert {name: colour for colour, name in figure_colours().items()} == _light()
    assert _dark().keys() == _light().keys()


def test_every_colour_of_a_figure_has_a_dark_one() -> None:
    for picture in _drawings():
        for width in (show.WIDE, show.NARROW):
            for element in _named(picture.svg(width), "path", "use", "rect", "text", "g"):
                inks = {element.attrib.get(name, "none") for name in ("fill", "stroke")} - {"none"}
                assert inks <= set(_light().values())
                if element.tag == f"{SVG}text":  # black where it is not said
                    assert inks


def _light_of(colour: str) -> float:
    parts = np.array(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _contrast(one: str, other: str) -> float:
    low, high = sorted(_light_of(colour) + 0.05 for colour in (one, other))
    return high / low


def test_words_can_be_read_on_all_they_stand_on() -> None:
    for colours in (_light(), _dark()):
        assert _contrast(colours["ink"], colours["paper"]) > 7
        assert _contrast(colours["soft"], colours["paper"]) > 4.5
        assert _contrast(colours["ink"], colours["shade"]) > 4.5  # digits on a map of numbers
        for place in ("accent", *map(str, range(1, 8))):  # marks, and names beside lines
            assert _contrast(colours[place], colours["paper"]) > 2.2


def test_numbers_on_a_map_are_ink_on_one_shade() -> None:
    cells = [e for e in _named(_drawings()[-1].svg(), "path") if "fill-opacity" in e.attrib]
    assert {cell.attrib["fill"] for cell in cells} == {show.LIGHT.shade}
    solid = [float(cell.attrib["fill-opacity"]) for cell in cells]
    assert 0.07 < min(solid) < max(solid) < 1


def test_a_picture_is_drawn_the_same_again_and_shares_no_names() -> None:
    picture = _drawings()[2]
    assert picture.svg() == picture.svg()
    ids = [
        set(re.findall(r' id="(\w+)"', picture.svg(width))) for width in (show.WIDE, show.NARROW)
    ]
    assert all(ids) and not set.intersection(*ids)
    for width in (show.WIDE, show.NARROW):
        drawing = picture.svg(width)
        used = set(re.findall(r'href="#(\w+)"|url\(#(\w+)\)', drawing))
        assert {one or other for one, other in used} <= set(re.findall(r' id="(\w+)"', drawing))


def test_a_drawing_says_its_words_as_text_and_what_is_left_out_below() -> None:
    credit = _credit(["email", "a search engine nobody knows"])
    picture = replace(plots.plot_credit(credit), left_out="Left out (2 rows): small groups.")
    for width in (show.WIDE, show.NARROW):
        said = [element.text for element in _named(picture.svg(width), "text")]
        assert {"email", "a search engine nobody knows", "First touch", "Markov"} <= set(said)
        assert said[-1] == "Left out (2 rows): small groups."


def test_marks_say_their_numbers_to_who_points_at_them() -> None:
    credit = _credit(["email", "search"])
    said = [e.text for e in _named(plots.plot_credit(credit).svg(), "title")]
    assert len(said) == 6
    assert "First touch, email: 10\N{NO-BREAK SPACE}%" in said
    markov = plots.plot_markov(credit[credit.model == "markov"])
    assert [e.text for e in _named(markov.svg(), "title")] == [
        "email: 10 (8 to 12)", "search: 13 (11 to 15)",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what other tests left
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what other tests left
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("names", [HOSTILE, ["only"], [f"t{i:02d}" for i in range(60)]])
@pytest.mark.parametrize("intervals", [True, False])
def test_credit_figures_draw_whatever_the_names_are(names: list[str], intervals: bool) -> None:
    credit = _credit(names, intervals=intervals)
    for picture in (plots.plot_credit(credit), plots.plot_markov(credit[credit.model == "markov"])):
        said = "".join(element.text or "" for element in _named(picture.svg(show.NARROW), "text"))
        assert all(plots.parts.short(name) in said for name in names[:6])
        assert picture.alt


def test_title_states_the_widest_swing() -> None:
    credit = _credit(["email", "search"])
    assert plots.plot_credit(credit).alt.startswith(
        "email depends most on the model: 10\N{NO-BREAK SPACE}% by First touch, "
        "13\N{NO-BREAK SPACE}% by Linear"
    )


PATHS = {"paths": pd.DataFrame({"path": ["a", "b"], "conversions": [40, 30], "null": [10, 4]})}


@pytest.fixture
def ten_again() -> Iterator[None]:
    yield
    show.protect(tl.open_data(PATHS))


def test_table_hides_small_groups_and_says_why(ten_again: None) -> None:
    frame = pd.DataFrame({"touchpoint": ["a", "b", "c"], "starts": [90, 3, 20], "note": "x"})
    html = show.Table(frame, "Starts")._repr_html_()
    assert html.count("<td>hidden</td>") == 2 and "<td>90</td>" in html
    assert html.endswith(
        '<p class="note">Hidden: what stands on fewer than 10 customers (parameter min_customers), '
        "or would give such a number away.</p>"
    )
    assert repr(show.Table(frame, "Starts")).count("hidden") == 2  # saved with the notebook
    assert frame.starts.tolist() == [90, 3, 20]
    show.protect(tl.open_data(PATHS), min_customers=3)
    assert "hidden" not in show.Table(frame)._repr_html_()


def test_protect_folds_rare_names_and_provenance_says_the_limit(ten_again: None) -> None:
    data = show.protect(tl.open_data(PATHS), min_customers=40)
    assert tl.build_journeys(data).touchpoints == ("(other)", "a")
    made = show.provenance(data).set_index("what").value
    assert made["min_customers"] == "40"


def test_picture_says_what_it_leaves_out_and_draws_nothing_of_nothing(ten_again: None) -> None:
    rows = pd.DataFrame({"touchpoint": ["a", "b", "c", "d"], "n": [90, 3, 20, 40]})
    rows = rows.assign(median_days=[1.0, 2.0, 3.0, 4.0], p25_days=0.5, p75_days=9.0)
    picture = plots.plot_times(rows)
    assert sorted(picture.table.touchpoint) == ["a", "d"]
    data, metadata = picture._repr_mimebundle_()
    assert data["text/plain"].endswith(
        "Left out (2 rows): what stands on fewer than 10 customers (parameter min_customers), "
        "or would give such a number away. The title speaks of what is drawn."
    )
    drawn = metadata["image/svg+xml"]["table"]
    assert [row[0] for row in drawn["data"]] == ["d", "a"]
    show.protect(tl.open_data(PATHS), min_customers=100)
    assert repr(plots.plot_times(rows)).startswith("Not drawn, all of it is hidden: what stands")
