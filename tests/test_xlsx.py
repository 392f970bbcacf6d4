"""All tables of a run as one spreadsheet: text stays text, hidden stays hidden, names hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import openpyxl
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from touchlab.cli import main
from touchlab.reporting.export import write_xlsx
from touchlab.reporting.record import Page, Run, write_record
from touchlab.show import Table


def output(table: Table) -> Any:
    data, metadata = table._repr_mimebundle_()
    return new_output("display_data", data=data, metadata=metadata)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two pages, one with a figure's numbers and names that would do harm."""
    names = ["=HYPERLINK(1)", "https://example.org", "00123", "Köln 🛒"]
    plain = pd.DataFrame({"touchpoint": names, "score": [1.5, None, 3.0, 1e9], "weeks": [50] * 4})
    few = pd.DataFrame({"touchpoint": ["a", "b"], "customers": [3, 400], "rate": [0.5, 0.25]})
    figure = {"table": {"columns": ["x", "y"], "data": [[1, 2.5]]}, "alt": "A [figure]: x/y."}
    folder = tmp_path / "20260301T000000Z-shop"
    folder.mkdir()
    cells = {
        "01_map": [output(Table(plain, "Credit by touchpoint"))],
        "02_more": [
            output(Table(few, "Few customers")),
            new_output("display_data", data={"image/svg+xml": "<svg/>"},
                       metadata={"image/svg+xml": figure}),
        ],
    }  # fmt: skip
    for name, outputs in cells.items():
        notebook = new_notebook(cells=[new_code_cell("x", outputs=outputs)])
        (folder / f"{name}.ipynb").write_text(nbformat.writes(notebook))
    pages = tuple(Page(name, name, "", 1.0, "complete") for name in cells)
    write_record(Run(folder.name, folder, "complete", "", 1.0, "shop", pages=pages))
    return folder


def cells_of(sheet: Any) -> list[tuple[Any, ...]]:
    return [row for row in sheet.iter_rows(values_only=True)]


def test_a_sheet_a_table_with_its_numbers(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "run.xlsx"
    assert main(["export", str(run), "--xlsx", str(target)]) == 0
    book = openpyxl.load_workbook(target)
    assert book.sheetnames == [
        "Contents", "01.01 Credit by touchpoint", "02.01 Few customers", "02.02 A figure x y.",
    ]  # fmt: skip
    assert cells_of(book[book.sheetnames[1]]) == [
        ("touchpoint", "score", "weeks"),
        ("=HYPERLINK(1)", 1.5, 50),
        ("https://example.org", None, 50),
        ("00123", 3, 50),
        ("Köln 🛒", 1e9, 50),
    ]
    first = book[book.sheetnames[1]]
    assert first["A2"].data_type == "s" and first["A3"].hyperlink is None
    assert cells_of(book["Contents"])[1:] == [
        ("01_map", book.sheetnames[1], "Credit by touchpoint"),
        ("02_more", book.sheetnames[2], "Few customers"),
        ("02_more", book.sheetnames[3], "A [figure]: x/y."),
    ]
    assert book["Contents"]["B2"].hyperlink.location == f"'{book.sheetnames[1]}'!A1"
    assert cells_of(book[book.sheetnames[3]]) == [("x", "y"), (1, 2.5)]


def test_what_a_page_hides_is_hidden(run: Path, tmp_path: Path) -> None:
    write_xlsx(run, tmp_path / "run.xlsx")
    few = cells_of(openpyxl.load_workbook(tmp_path / "run.xlsx")["02.01 Few customers"])
    assert few[0] == ("touchpoint", "customers", "rate")
    assert [row[1] for row in few[1:]] != [3, 400] and 3 not in [row[1] for row in few]


def test_a_file_that_is_there_and_a_folder_that_is_no_run_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "run.xlsx"
    target.write_text("mine")
    assert main(["export", str(run), "--xlsx", str(target)]) == 2
    assert "is there already" in capsys.readouterr().err and target.read_text() == "mine"
    assert main(["export", str(run), "--xlsx", str(target), "--force"]) == 0
    assert main(["export", str(tmp_path / "none"), "--xlsx", str(tmp_path / "x.xlsx")]) == 2
    assert not (tmp_path / "x.xlsx").exists()
    away = tmp_path / "no" / "folder.xlsx"
    assert main(["export", str(run), "--xlsx", str(away)]) == 3
    assert "folder.xlsx cannot be written" in capsys.readouterr().err
