"""The look of one's own house: `[brand]` checked in words, on every page, and harmless."""

from __future__ import annotations

import base64
import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import Markup, digests, notebook_of, write_notebook, write_run
from test_pptx import BRAND, PIXEL

from touchlab.errors import DataError, ParameterError
from touchlab.reporting import Run, export_html, run_report, write_index
from touchlab.reporting.brand import (
    DARK_INK,
    DARK_PAPER,
    INK,
    PAPER,
    READABLE,
    contrast,
    known,
    read_brand,
    shades,
    style_of,
)
from touchlab.reporting.page import render_page

PLAIN = (
    b'<svg xmlns="http://www.w3.org/2000/svg"><style>.a{fill:red}</style><path class="a"/></svg>'
)


def written(folder: Path, text: str) -> Path:
    (folder / "touchlab.toml").write_text(text, encoding="utf-8")
    (folder / "logo.png").write_bytes(base64.b64decode(PIXEL))
    (folder / "logo.svg").write_bytes(PLAIN)
    return folder


def test_a_colour_and_a_logo_are_read(tmp_path: Path) -> None:
    place = str(written(tmp_path, '[brand]\ncolour = "#7A1F5C"\nlogo = "logo.png"\n'))
    assert read_brand(place) == BRAND
    written(tmp_path, '[brand]\nlogo = "logo.svg"\n')
    packed = base64.b64encode(PLAIN).decode()
    assert read_brand(place) == {"logo": f"data:image/svg+xml;base64,{packed}"}
    written(tmp_path, "")
    assert read_brand(place) == {} == read_brand("duckdb://elsewhere.duckdb")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('color = "#000000"', "'color' is not known; did you mean 'colour'?\n  use logo, colour"),
        ("colour = 7", 'colour is 7\n  write colour = "text"'),
        ('colour = "teal"', "colour: 'teal' is not a colour\n  write it as '#0b6e99'"),
        (
            'colour = "#ffd100"',
            "colour: '#ffd100' has a contrast of 1.5 on white, where words of it stand\n"
            "  give one of 4.5 or more, such as '#8c7300'",
        ),
        ('logo = "none.png"', "logo: there is no file 'none.png' beside the data\n  put it there"),
        ('logo = "../a.png"', "logo: there is no file '../a.png' beside the data\n  put it there"),
        (
            'logo = "touchlab.toml"',
            "logo: 'touchlab.toml' is neither PNG nor SVG\n  save it as PNG, or as plain SVG",
        ),
    ],
)
def test_what_is_wrong_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (tmp_path / "a.png").write_bytes(base64.b64decode(PIXEL))
    with pytest.raises(ParameterError) as refused:
        read_brand(str(written(folder, f"[brand]\n{text}\n")))
    assert str(refused.value) == f"touchlab.toml: [brand] {said}"


def test_a_section_that_is_nearly_brand_and_a_logo_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the sections are .* names, brand, report"):
        read_brand(str(written(tmp_path, "[brands]\n")))
    written(tmp_path, '[brand]\nlogo = "logo.png"\n')
    (tmp_path / "logo.png").write_bytes(base64.b64decode(PIXEL) + bytes(200_000))
    with pytest.raises(ParameterError, match=r"has 200,0\d\d bytes, and is in every page"):
        read_brand(str(tmp_path))


@pytest.mark.parametrize(
    "part",
    [
        "<script>alert(1)</script>", '<path onload="alert(1)"/>', '<image href="/etc/passwd"/>',
        '<use xlink:href="https://example.org/x.svg#a"/>', '<path fill="url(/x)"/>',
        '<style>@import "https://example.org"</style>', "<style>a{fill:url(x)}</style>",
        '<foreignObject/>', '<a href="javascript:alert(1)"/>',
    ],
)  # fmt: skip
def test_a_logo_is_a_drawing_and_nothing_else(tmp_path: Path, part: str) -> None:
    place = written(tmp_path, '[brand]\nlogo = "logo.svg"\n')
    spaces = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    (place / "logo.svg").write_bytes(spaces + part.encode() + b"</svg>")
    with pytest.raises(ParameterError, match="is an SVG with"):
        read_brand(str(place))


@given(st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}"))
def test_every_shade_is_readable_light_and_dark(colour: str) -> None:
    for paper, ink in ((PAPER, INK), (DARK_PAPER, DARK_INK)):
        found = shades(colour, paper, ink)
        assert contrast(found["accent"], paper) >= READABLE
        assert contrast(found["shade"], ink) >= READABLE
    if contrast(colour, PAPER) >= READABLE:
        assert shades(colour)["accent"] == colour


def test_pages_wear_it_and_their_policy_allows_that_very_style(tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, {}, brand=BRAND)
    page = export_html(notebook_of(), name="04_d", run=run)
    for text in (page, run.page.read_text(), write_index(tmp_path).read_text()):
        assert f"--accent: {BRAND['colour']};" in text and digests(text, "style")[0] in unescape(
            text
        )
        (logo,) = [a for a in Markup(text).all("img") if (a["src"] or "").endswith(PIXEL)]
        assert logo["alt"] == ""
    plain = export_html(notebook_of(), name="04_d")
    assert '<div class="logo">' not in plain and page.count("<style>") == 1


def test_a_record_from_a_stranger_brings_a_colour_and_a_picture_or_nothing() -> None:
    evil = {"colour": "red;} body{display:none", "logo": 'data:image/png;base64,"onerror=', "x": 1}
    assert known(evil) == {} and style_of(evil) == ""
    page = render_page("run.html.j2", scripts=(), brand=evil, title="t", figures=[],
                       run=Run("r", Path("r"), "complete", "", 0.0, "shop"),
                       link=lambda *_: "", thumbnail=lambda *_: "")  # fmt: skip
    assert "display:none" not in page and not re.search("<img", page)


def test_a_changed_logo_makes_a_new_report(tmp_path: Path) -> None:
    shop, notebooks = tmp_path / "shop", tmp_path / "notebooks"
    shop.mkdir()
    lines = {"touches": "customer_id,timestamp,touchpoint\na,2026-01-01,mail\n",
             "outcomes": "customer_id,timestamp,outcome\na,2026-01-02,conversion\n"}  # fmt: skip
    for name, text in lines.items():
        (shop / f"{name}.csv").write_text(text)
    written(shop, '[brand]\nlogo = "logo.svg"\n')
    write_notebook(notebooks, "01_a", "1")
    runs = [run_report(shop, out=tmp_path / "out", folder=notebooks) for _ in range(2)]
    assert [run.status for run in runs] == ["complete", "unchanged"]
    (shop / "logo.svg").write_bytes(PLAIN.replace(b"red", b"blue"))
    assert run_report(shop, out=tmp_path / "out", folder=notebooks).status == "complete"
