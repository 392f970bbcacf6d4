"""Every notebook runs on its own, on whole data and on data that lacks what it would like."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import run_notebook
from IPython.core.interactiveshell import InteractiveShell

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMALL = {"08_method_check": {"customers": 1500, "days": 60, "seeds": [1]}}
HOSTILE = ["<img src=x onerror=alert(1)>", "a > b", "🛒 shop", "$\\frac{ $", "_x", "' OR 1=1 --"]


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_cells(shell: InteractiveShell, path: Path, **parameters: object) -> list[str]:
    """Run a notebook and return what it shows."""
    cells = run_notebook(shell, path, **parameters).cells
    return [_markup(one.data) for cell in cells for one in cell.get("outputs", [])]


def _markup(data: dict[str, str]) -> str:
    return data.get("text/html") or html.escape(data.get("text/plain", ""))


def _frames(names: list[str], customers: int = 120) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(4)
    start = pd.Timestamp("2026-01-01")
    rows = [
        (f"c{c}", start + pd.Timedelta(hours=int(h)), names[random.integers(len(names))])
        for c in range(customers)
        for h in random.integers(0, 2000, random.integers(1, 6))
    ]
    touches = pd.DataFrame(rows, columns=["customer_id", "timestamp", "touchpoint"])
    buyers = touches.groupby("customer_id").timestamp.max().iloc[::3] + pd.Timedelta(hours=5)
    outcomes = buyers.reset_index().assign(outcome="conversion")
    return {"touches": touches, "outcomes": outcomes}


def _folder(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> str:
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return str(tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.parametrize("names", [HOSTILE, ["email"]], ids=["hostile", "one touchpoint"])
def test_notebook_ends_well_on_two_bare_tables(
    path: Path, names: list[str], tmp_path: Path, shell: InteractiveShell
) -> None:
    shown = run_cells(
        shell, path, data=_folder(tmp_path, _frames(names)), **SMALL.get(path.stem, {})
    )
    assert any('class="answer"' in page for page in shown)
    assert not any("<img" in page for page in shown)


def test_retention_ends_well_where_orders_repeat_without_a_value(
    tmp_path: Path, shell: InteractiveShell
) -> None:
    tables = _frames(["a", "b", "c"], customers=250)
    orders = tables["touches"].sample(frac=0.4, random_state=1)[["customer_id", "timestamp"]]
    orders["timestamp"] += pd.Timedelta(hours=3)
    data = _folder(tmp_path, tables | {"outcomes": orders.assign(outcome="conversion")})
    shown = run_cells(shell, ROOT / "notebooks" / "05_retention_drivers.ipynb", data=data)
    assert any("Orders carry no value" in page for page in shown)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_ends_well_on_a_paths_table(
    path: Path, tmp_path: Path, shell: InteractiveShell
) -> None:
    paths = pd.DataFrame(
        {
            "path": ["a > b > c", "a", "b > c", "c > a", "b"],
            "conversions": [40, 10, 20, 30, 5],
            "null": [100, 200, 80, 50, 300],
        }
    )
    shown = run_cells(shell, path, data=_folder(tmp_path, {"paths": paths}))
    assert any('class="answer"' in page for page in shown)  # which may be what is missing
    notes = [page for page in shown if 'class="note"' in page or 'class="answer"' in page]
    assert any("would be shown" in page or " has no " in page for page in notes)
    assert sum("A paths table has no times" in page for page in notes) <= 3
    assert max(map(notes.count, notes)) == 1  # said, not repeated


@pytest.mark.parametrize(
    "name", ["fit_drivers", "fit_cox", "fit_lifetime", "key_drivers", "reallocate"]
)
def test_models_are_fitted_in_sight(name: str) -> None:
    sources = ["".join(cell["source"]) for path in NOTEBOOKS for cell in code_cells(path)]
    assert any(f"tl.{name}(" in source for source in sources)
