"""What a notebook shows is escaped, formatted by column, and carries words for pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

import touchlab as tl
from touchlab import plots, show
from touchlab.errors import MissingInput
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
    assert said._repr_html_() == '<p class="answer">Best: &lt;b&gt;email&lt;/b&gt; &amp; more.</p>'
    assert repr(said) == "Best: <b>email</b> & more."


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


def test_or_note_turns_missing_input_into_a_note_and_nothing_else() -> None:
    def missing() -> None:
        raise MissingInput("no costs: with them, the return would be shown")

    lacking = show.or_note(missing)
    said = '<p class="note">no costs: with them, the return would be shown</p>'
    assert lacking._repr_html_() == said
    assert show.or_note(lambda: lacking.table["cost"].sum()) is lacking
    assert show.or_note(lambda: lacking["cost"]) is lacking
    assert lacking._repr_html_() == ""  # said once
    assert show.or_note(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        show.or_note(lambda: 1 / 0)


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


@pytest.mark.filterwarnings("error")
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
