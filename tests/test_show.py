"""What a notebook shows is escaped, formatted by column, and carries words for pictures."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image, ImageColor

import touchlab as tl
from touchlab import plots, show
from touchlab.errors import MissingInput
from touchlab.show.themes import recolour

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


def test_picture_carries_words_and_four_drawings_of_two_shapes() -> None:
    data, metadata = plots.plot_credit(_credit(["email", "search"]))._repr_mimebundle_()
    words = metadata["image/png"]
    assert words.keys() == {"alt", "dark", "narrow", "narrow_dark", "table"}
    assert words["alt"] == data["text/plain"]
    wide, narrow = (
        Image.open(io.BytesIO(base64.b64decode(png)))
        for png in (data["image/png"], words["narrow"])
    )
    assert wide.width > 1.6 * narrow.width
    light, dark = (
        Image.open(io.BytesIO(base64.b64decode(png))).convert("L").getpixel((1, 1))
        for png in (data["image/png"], words["dark"])
    )
    assert light > 240 and dark < 60


def _pixels(png: bytes) -> npt.NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


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


def test_a_dark_picture_is_what_would_have_been_drawn_dark() -> None:
    # it is the light one in other colours; blends of three colours are not quite the same
    for picture in _drawings():
        words = picture._repr_mimebundle_()[1]["image/png"]
        for name, width in (("dark", show.WIDE), ("narrow_dark", show.NARROW)):
            shown = _pixels(base64.b64decode(words[name]))
            apart = np.abs(shown - _pixels(picture.png(show.DARK, width))).max(axis=2)
            assert (apart > 40).mean() < 0.003 and (apart > 16).mean() < 0.03


def test_blends_of_two_inks_are_blends_of_the_new_ones() -> None:
    light, dark = show.LIGHT, show.DARK
    pairs = [(light.paper, dark.paper), (light.accent, dark.accent), (light.ink, dark.ink)]
    inks = [(ImageColor.getrgb(one), ImageColor.getrgb(other)) for one, other in pairs]
    for (one, new_one), (two, new_two) in itertools.combinations(inks, 2):
        for share in (0.0, 0.25, 0.5, 1.0):
            blend, wanted = (
                np.array(a) * (1 - share) + np.array(b) * share
                for a, b in ((one, two), (new_one, new_two))
            )
            picture = Image.new("RGB", (4, 4), tuple(round(v) for v in blend)).quantize()
            found = recolour(picture, light, dark).convert("RGB").getpixel((0, 0))
            assert np.abs(np.array(found) - wanted).max() <= 4, (one, two, share)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("names", [HOSTILE, ["only"], [f"t{i:02d}" for i in range(60)]])
@pytest.mark.parametrize("intervals", [True, False])
def test_credit_figures_draw_whatever_the_names_are(names: list[str], intervals: bool) -> None:
    credit = _credit(names, intervals=intervals)
    for picture in (plots.plot_credit(credit), plots.plot_markov(credit[credit.model == "markov"])):
        assert picture.png(show.DARK, show.NARROW)[:4] == b"\x89PNG"
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
    drawn = metadata["image/png"]["table"]
    assert [row[0] for row in drawn["data"]] == ["d", "a"]
    show.protect(tl.open_data(PATHS), min_customers=100)
    assert repr(plots.plot_times(rows)).startswith("Not drawn, all of it is hidden: what stands")
