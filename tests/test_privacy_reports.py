"""Reports read as a stranger would: no few customers, none computable, nobody named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import run_notebook
from nbformat.v4 import new_output

import touchlab as tl
from touchlab import plots, sentences, show
from touchlab.privacy.suppress import hidden_cells
from touchlab.reporting import export_html, run_report
from touchlab.reporting.leaks import Finding, check_run
from touchlab.simulate.worlds import write_company

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMALL = {"customers": 1500, "days": 60, "seeds": [1]}


@pytest.fixture(autouse=True)
def _ten_customers() -> Any:
    """Leave the number of customers to be shown as it was: tests share one kernel."""
    yield
    show.protect(tl.open_data({"paths": pd.DataFrame({"path": ["a"], "conversions": [60]})}))


def _shop(seed: int = 3, customers: int = 250) -> dict[str, pd.DataFrame]:
    """A small shop in which most tables have small cells: rare touchpoints, few outcomes."""
    random = np.random.default_rng(seed)
    names = ["ad", "email", "search", "shop", "fair", "call", "spa"]
    often = np.array([30, 25, 20, 10, 2, 0.6, 0.15])
    rows = [
        (f"buyer-{c:04d}", pd.Timestamp("2026-01-01") + pd.Timedelta(hours=int(hour)), name)
        for c in range(customers)
        for hour, name in zip(
            random.integers(0, 3600, 4), random.choice(names, 4, p=often / often.sum()), strict=True
        )
    ]
    touches = pd.DataFrame(rows, columns=["customer_id", "timestamp", "touchpoint"])
    touches = touches.drop_duplicates(["customer_id", "timestamp"])
    last = touches.groupby("customer_id").timestamp.max() + pd.Timedelta(hours=5)
    outcomes = last.iloc[::5].reset_index().assign(outcome="conversion")
    traits = pd.DataFrame({"customer_id": sorted(touches.customer_id.unique())})
    traits["observed_from"] = pd.Timestamp("2026-01-01")
    traits["observed_to"] = pd.Timestamp("2026-12-01")
    traits["region"] = random.choice(["n", "s", "w"], len(traits), p=[0.7, 0.27, 0.03])
    return {"touches": touches, "outcomes": outcomes, "customers": traits}


def _run(shell: Any, folder: Path, data: Path, notebook: Path, **parameters: Any) -> Path:
    """Run a notebook in this process, as a report would keep it: page and saved notebook."""
    made = run_notebook(shell, notebook, data=str(data), **parameters)
    folder.mkdir(exist_ok=True)
    nbformat.write(made, folder / notebook.name)
    page = export_html(made, name=notebook.stem)
    (folder / f"{notebook.stem}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures without their drawings, which nobody reads here."""
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>'
    monkeypatch.setattr(show.Picture, "svg", lambda *_: drawing)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    for name, table in _shop().items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("name", ["02_journeys", "03_attribution"])
def test_report_on_a_small_shop_gives_nobody_away(
    name: str, shop: Path, tmp_path: Path, shell: Any
) -> None:
    notebook = ROOT / "notebooks" / f"{name}.ipynb"
    run = _run(shell, tmp_path / "run", shop, notebook, segment="region")
    assert check_run(run, tl.open_data(shop)) == []
    page = (run / f"{name}.html").read_text(encoding="utf-8")
    assert "fewer than 10 customers (parameter min_customers)" in page
    assert 'class="answer"' in page


@pytest.mark.usefixtures("_undrawn")
def test_the_same_report_without_the_limit_is_found_out(
    shop: Path, tmp_path: Path, shell: Any
) -> None:
    notebook = ROOT / "notebooks" / "02_journeys.ipynb"
    run = _run(shell, tmp_path / "run", shop, notebook, min_customers=1)
    found = check_run(run, tl.open_data(shop))
    assert {"small cell"} <= {one.kind for one in found}
    assert {one.file for one in found} == {"02_journeys.html", "02_journeys.ipynb"}


@pytest.mark.slow
@pytest.mark.parametrize("k", [10, 300])
def test_report_on_the_sample_gives_nobody_away(k: int, tmp_path: Path) -> None:
    run = run_report(
        ROOT / "data/sample", out=tmp_path,
        parameters={**SMALL, "min_customers": k, "segment": "region"},
    )  # fmt: skip
    assert len(list(run.folder.glob("*.ipynb"))) == len(NOTEBOOKS)
    assert check_run(run.folder, tl.open_data(ROOT / "data/sample"), k=k) == []


# --- words follow from what is shown alone -------------------------------------------------


OF_SUMS = ("about_risk",)
"""What adds up over groups, and hides sums of few itself: exchanged numbers give other sums."""
TRIES, LONG = 30, 400
"""Pairs of hidden numbers that are tried to be exchanged; rows of a table that takes too long."""


def _otherwise(frame: pd.DataFrame) -> pd.DataFrame | None:
    """The frame with hidden numbers of its columns exchanged; None where none can be.

    What is hidden stays so, and sums are what they were.
    """
    hidden, other, draw = hidden_cells(frame), frame.copy(), np.random.default_rng(1)
    numbers = [n for n in frame.select_dtypes("number") if hidden[n].sum() > 1]
    for _ in range(TRIES if numbers and len(frame) < LONG else 0):
        name = str(draw.choice(numbers))
        a, b = draw.choice(np.flatnonzero(hidden[name]), 2, replace=False)
        tried, column = other.copy(), frame.columns.get_loc(name)
        tried.iloc[[a, b], column] = other.iloc[[b, a], column].to_numpy()
        if hidden_cells(tried).equals(hidden):
            other = tried
    return None if other.equals(frame) else other


def _replayed(function: Any, said: list[tuple[str, str, str]]) -> Any:
    """The function, which is called again for every frame whose hidden numbers are others."""

    def called(*given: Any, **choices: Any) -> Any:
        answer = function(*given, **choices)
        for place, frame in enumerate(given):
            own = isinstance(frame, pd.DataFrame) and frame.index.is_unique
            other = _otherwise(frame) if own else None
            if other is not None:
                swapped = [*given[:place], other, *given[place + 1 :]]
                again = function(*swapped, **choices)
                words = [getattr(one, "alt", str(one)) for one in (answer, again)]
                said.append((function.__name__, *words))
        return answer

    return called


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_words_stay_the_same_whatever_the_hidden_numbers_are(
    shop: Path, tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_company(tmp_path, customers=900)
    said: list[tuple[str, str, str]] = []
    for room, kind in ((sentences, "about_"), (plots, "plot_")):
        for name in (n for n in room.__all__ if n.startswith(kind) and n not in OF_SUMS):
            monkeypatch.setattr(room, name, _replayed(getattr(room, name), said))
    for data, notebooks in ((shop, NOTEBOOKS[2:4]), (tmp_path, NOTEBOOKS[1:7])):
        for notebook in notebooks:
            run_notebook(shell, notebook, data=str(data), segment="region")
    assert len({name for name, *_ in said}) > 9
    assert [one for one in said if one[1] != one[2]] == []


# --- the reader itself finds what there is to find -----------------------------------------


def _shown(value: Any) -> list[Any]:
    if value is None:
        return []
    if hasattr(value, "_repr_mimebundle_"):
        data, metadata = value._repr_mimebundle_()
        return [new_output("display_data", data=data, metadata=metadata)]
    data = {"text/html": value._repr_html_(), "text/plain": repr(value)}
    return [new_output("display_data", data=data)]


def _page(folder: Path, *shown: Any) -> Path:
    cells = [
        nbformat.v4.new_code_cell("1", outputs=_shown(one), id=f"c{i}")
        for i, one in enumerate(shown)
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, folder / "page.ipynb")
    (folder / "page.html").write_text(export_html(notebook, name="page"), encoding="utf-8")
    return folder


def _data(*ids: Any) -> tl.Dataset:
    times = pd.date_range("2026-01-01", periods=len(ids), tz="UTC")
    touches = pd.DataFrame({"customer_id": ids, "timestamp": times, "touchpoint": "ad"})
    outcomes = touches.drop(columns="touchpoint").assign(outcome="conversion")
    return tl.open_data({"touches": touches, "outcomes": outcomes})


class _Raw:
    """Shows a frame as it is."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def _repr_html_(self) -> str:
        return show.readable(self.frame).to_html(index=False)

    def __repr__(self) -> str:
        return "a table"


def _found(folder: Path, data: tl.Dataset) -> list[tuple[str, str]]:
    return [(one.kind, one.what) for one in check_run(folder, data)]


def test_small_cell_and_small_rate_are_found(tmp_path: Path) -> None:
    counts = pd.DataFrame({"touchpoint": ["a", "b"], "starts": [1200, 3]})
    rates = pd.DataFrame({"method": ["x"], "rate": [0.031], "n": [160]})  # 5 of 160
    page = _page(tmp_path, _Raw(counts), _Raw(rates))
    assert _found(page, _data("c-1")) == [
        ("small cell", "table 1: row 1: starts"),
        ("small cell", "table 1: row 2: starts"),
        ("small cell", "table 2: row 1: rate"),
    ]


def test_rounded_rates_of_many_are_not_taken_for_few(tmp_path: Path) -> None:
    rates = pd.DataFrame({"method": ["x", "y"], "rate": [10 / 24_000, 0.0], "n": [24_000, 500]})
    assert _found(_page(tmp_path, _Raw(rates)), _data("c-1")) == []


def test_hidden_cell_that_the_sum_gives_away_is_found(tmp_path: Path) -> None:
    alone = pd.DataFrame({"touchpoint": ["a", "b", "c"], "starts": ["1,200", "hidden", "40"]})
    paired = pd.DataFrame({"touchpoint": ["a", "b", "c"], "ends": ["1,200", "hidden", "hidden"]})
    lonely = pd.DataFrame({"touchpoint": ["a", "b"], "ends": ["0", "hidden"]})
    page = _page(tmp_path, _Raw(alone), _Raw(paired), _Raw(lonely))
    assert _found(page, _data("c-1")) == [("recoverable", "table 1: row 2: starts")]


def test_hidden_outcomes_beside_their_rate_are_found(tmp_path: Path) -> None:
    table = pd.DataFrame({
        "path": ["a", "b"], "journeys": ["900", "300"], "outcomes": ["hidden", "hidden"],
        "rate": ["1.0 %", "hidden"],
    })  # fmt: skip
    assert _found(_page(tmp_path, _Raw(table)), _data("c-1")) == [
        ("recoverable", "table 1: row 1: outcomes from rate and journeys")
    ]


@pytest.mark.usefixtures("_undrawn")
def test_numbers_drawn_in_a_figure_are_read(tmp_path: Path) -> None:
    lengths = pd.DataFrame({
        "touches": ["1", "2", "3"], "journeys": [900, 80, 40], "outcomes": [90, 16, 3],
        "rate": [0.1, 0.2, 0.075], "open": 0, "ci_low": 0.0, "ci_high": 0.3,
    })  # fmt: skip
    safe = _page(tmp_path, plots.plot_lengths(lengths))
    assert _found(safe, _data("c-1")) == []
    assert "Left out (2 rows): " in (safe / "page.html").read_text(encoding="utf-8")
    raw = _page(tmp_path, plots.plot_lengths.__wrapped__(lengths))
    assert [kind for kind, _ in _found(raw, _data("c-1"))] == ["small cell"] * 2


def test_small_count_in_a_sentence_is_found(tmp_path: Path) -> None:
    page = _page(tmp_path, show.note("Of 1,009 customers, 4 customers came back 3.5 times."))
    assert _found(page, _data("c-1")) == [("small count", "the number 4 in a sentence")]


@pytest.mark.parametrize(
    ("one", "text", "named"),
    [
        ("c-00017", "seen: c-00017.", True),
        ("c-00017", "seen: c-000171", False),
        ("eva@shop.example", "sent to eva@shop.example, twice", True),
        ("Eva Ek / 7", "it was Eva Ek / 7", True),
        ("Eva Ek / 7", "Eva met Ek", False),
        (17, "17 % of 1,017 in 2017", False),
        (17, "first: customer 17 came", True),
        (1234567, "1,234,567 touches", False),
        (1234567, "see 1234567", True),
        ("ad", "the ad leads", False),
        ("ad", "customer_id: ad", True),
    ],
)
def test_customer_ids_are_found_as_whole_words(
    one: Any, text: str, named: bool, tmp_path: Path
) -> None:
    found = _found(_page(tmp_path, show.note(text)), _data(one))
    assert found == [("customer id", "1 of the data")] * (2 * named)  # page and notebook


def test_id_in_the_saved_notebook_alone_is_found(tmp_path: Path) -> None:
    page = _page(tmp_path, show.note("nobody"))
    notebook = json.loads((page / "page.ipynb").read_text())
    notebook["cells"][0]["metadata"]["left"] = ["behind", "c-00017"]
    (page / "page.ipynb").write_text(json.dumps(notebook))
    assert check_run(page, _data("c-00017")) == [
        Finding("page.ipynb", "customer id", "1 of the data")
    ]


@pytest.mark.slow
def test_failed_report_keeps_the_rows_of_its_error_to_itself(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "touches.csv").write_text(
        "customer_id,timestamp,touchpoint\nc-secret-88,31/02/2026,ad\n"
    )
    (bad / "outcomes.csv").write_text(
        "customer_id,timestamp,outcome\nc-secret-88,2026-01-01,conversion\n"
    )
    with pytest.raises(tl.DataError, match="31/02/2026"):
        tl.open_data(bad)
    with pytest.raises(tl.ReportError):
        run_report(bad, out=tmp_path / "out", only=["02"])
    kept = [p for p in (tmp_path / "out").rglob("*") if p.suffix in {".html", ".ipynb", ".json"}]
    text = "".join(path.read_text(encoding="utf-8") for path in kept)
    assert "touches.timestamp" in text and "c-secret" not in text and "31/02" not in text
