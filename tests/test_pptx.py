"""A run as slides: sentences are titles, figures are pictures, text is text, hidden is hidden."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pptx import Presentation
from pptx.util import Inches
from report_runs import EVIL

from touchlab.cli import main
from touchlab.plots.parts import plot_intervals
from touchlab.reporting.record import Page, Run, read_record, write_record
from touchlab.reporting.slides import UNKNOWN, slides_of, write_pptx
from touchlab.show import answer, note, takeaway

LONG = (
    "Display has the most credit of all touchpoints in this shop, the third of it, and no other "
    "touchpoint comes near it in any of the models"
)
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)
BRAND = {"colour": "#7a1f5c", "logo": f"data:image/png;base64,{PIXEL}"}


def output(shown: Any) -> Any:
    bundle = getattr(shown, "_repr_mimebundle_", None)
    data, metadata = bundle() if bundle else ({"text/html": shown._repr_html_()}, {})
    return new_output("display_data", data=data, metadata=metadata)


def figure() -> Any:
    table = pd.DataFrame({"touchpoint": ["mail", *EVIL[:3], "東京"], "share": [0.1] * 5})
    table = table.assign(ci_low=0.05, ci_high=0.2, customers=[400, 400, 3, 400, 400])
    return output(plot_intervals(table, value="share", names="touchpoint", label="x", title=LONG))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two pages: an answer, a drawing, a foreign image, and a question not answered."""
    evil = {"data": {"image/svg+xml": '<svg><image href="/etc/passwd"/></svg>'}, "metadata": {}}
    cells = {
        "00_overview": [
            new_markdown_cell("# What next?"),
            new_code_cell("x", outputs=[output(answer("Mail brings most. It is sure.", "Not known: "
                                                      f"what {EVIL[0]} brings."))]),
            new_code_cell("x", outputs=[figure()]),
            new_code_cell("x", outputs=[output(takeaway("Take this along."))]),
        ],
        "01_more": [
            new_markdown_cell("# More?"),
            new_code_cell("x", outputs=[output(answer(f"{EVIL[3]} {EVIL[0]} is said."))]),
            new_code_cell("x", outputs=[new_output("display_data", **evil)]),
            new_markdown_cell("## Who left"),
            new_code_cell("x", outputs=[output(note("With churn, this would be shown."))]),
        ],
    }  # fmt: skip
    folder = tmp_path / "20260301T000000Z-shop"
    folder.mkdir()
    for name, found in cells.items():
        (folder / f"{name}.ipynb").write_text(nbformat.writes(new_notebook(cells=found)))
    pages = tuple(Page(name, f"{name}?", "", 1.0, "complete") for name in cells)
    window = {"first": "2025-01-01T00:00:00", "last": "2025-12-31T00:00:00"}
    began = "2026-03-01T00:00:00+00:00"
    write_record(Run(folder.name, folder, "complete", began, 1.0, "shop", pages=pages,
                     window=window, brand=BRAND))  # fmt: skip
    return folder


def words_of(slide: Any) -> list[str]:
    return [s.text_frame.text for s in slide.shapes if s.has_text_frame and s.text_frame.text]


def pictures_of(slide: Any) -> list[Any]:
    return [s for s in slide.shapes if s.shape_type == 13 and s.image.size != (1, 1)]


def test_titles_are_the_sentences_and_figures_are_sharp(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "run.pptx"
    assert main(["export", str(run), "--pptx", str(target)]) == 0
    deck = Presentation(target)
    assert [slide.shapes.title.text for slide in deck.slides] == [
        "Report on shop", "Mail brings most.", LONG, f"{EVIL[3]} {EVIL[0]} is said.", UNKNOWN,
    ]  # fmt: skip
    cover, first, drawn, _, last = deck.slides
    assert "Data from 1 Jan 2025 to 31 Dec 2025" in "\n".join(words_of(cover))
    assert first.placeholders[1].text_frame.text.splitlines()[0] == "It is sure."
    assert last.placeholders[1].text_frame.text == (
        f"Not known: what {EVIL[0]} brings.\nWho left: With churn, this would be shown."
    )
    (picture,) = pictures_of(drawn)
    assert picture.image.content_type == "image/png" and picture.image.size[0] >= 2000
    alt = picture._element.nvPicPr.cNvPr.get("descr")
    assert alt.startswith(LONG) and drawn.notes_slide.notes_text_frame.text == alt
    assert "Take this along." in words_of(drawn)
    assert picture.left >= 0 and picture.left + picture.width <= deck.slide_width
    assert picture.top + picture.height < Inches(7)


def test_names_do_no_harm_and_small_groups_stay_hidden(run: Path, tmp_path: Path) -> None:
    write_pptx(run, tmp_path / "run.pptx")
    deck = Presentation(tmp_path / "run.pptx")
    linked = [
        part for slide in deck.slides for part in slide.part.rels.values() if part.is_external
    ]
    assert not linked  # nothing leads out, nothing is fetched
    figures = [one for one in slides_of(read_record(run)) if one.picture]
    assert len(figures) == 1  # the image that would read a file of this machine is left out
    assert "<script>" not in figures[0].alt  # three customers; mail hides them
    assert "Left out (2 rows)" in figures[0].alt


def test_the_house_colour_is_on_slides_and_in_figures(run: Path, tmp_path: Path) -> None:
    own = next(one for one in slides_of(read_record(run)) if one.picture)
    record = read_record(run)
    plain = Run(
        **{**vars(record), "brand": {"colour": "red;}", "logo": "https://example.org/x.png"}}
    )
    assert own.picture != next(one for one in slides_of(plain) if one.picture).picture
    write_pptx(run, tmp_path / "own.pptx")
    slide = Presentation(tmp_path / "own.pptx").slides[1]
    assert "7A1F5C" in {str(s.fill.fore_color.rgb) for s in slide.shapes if s.shape_type == 1}
    logos = [s for s in slide.shapes if s.shape_type == 13]
    assert [logo.image.blob for logo in logos] == [base64.b64decode(PIXEL)]


def test_what_cannot_be_written_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run)]) == 2
    assert "give --pptx FILE, --xlsx FILE or both" in capsys.readouterr().err
    both = {kind: tmp_path / f"run.{kind}" for kind in ("xlsx", "pptx")}
    both["pptx"].write_text("mine")
    asked = ["export", str(run), *(f"--{k}={path}" for k, path in both.items())]
    assert main(asked) == 2 and not both["xlsx"].exists()
    assert "run.pptx' is there already" in capsys.readouterr().err
    assert main([*asked, "--force"]) == 0 and both["xlsx"].is_file()
    assert main(["export", str(run), "--pptx", str(tmp_path / "no" / "run.pptx")]) == 3
    assert "run.pptx cannot be written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not on this machine")
def test_libreoffice_opens_every_slide(run: Path, tmp_path: Path) -> None:
    write_pptx(run, tmp_path / "run.pptx")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path)]
    subprocess.run([*command, str(tmp_path / "run.pptx")], check=True, timeout=300)
    assert (tmp_path / "run.pdf").read_bytes().count(b"/Type/Page\n") in (0, 5)
