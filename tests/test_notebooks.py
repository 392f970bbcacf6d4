"""Every notebook runs on its own, on whole data and on data that lacks what it would like."""

from __future__ import annotations

import ast
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMALL = {"08_method_check": {"customers": 1500, "days": 60, "seeds": [1]}}
HOSTILE = ["<img src=x onerror=alert(1)>", "a > b", "🛒 shop", "$\\frac{ $", "_x", "' OR 1=1 --"]


def run_cells(path: Path, **parameters: object) -> list[str]:
    """Execute the code cells in order, twice as fast as a kernel; return what they show."""
    space: dict[str, Any] = {}
    shown = []
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(path), "exec"), space)
        if "parameters" in cell["metadata"].get("tags", []):
            assert parameters.keys() <= space.keys()
            space.update(parameters)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), str(path), "eval"), space)
            shown.append(_show(value))
    return shown


def _show(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "_repr_mimebundle_"):
        shown = value._repr_mimebundle_()[0]
        return shown.get("text/html") or html.escape(shown["text/plain"])
    return value._repr_html_()


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
    path: Path, names: list[str], tmp_path: Path
) -> None:
    shown = run_cells(path, data=_folder(tmp_path, _frames(names)), **SMALL.get(path.stem, {}))
    assert any('class="answer"' in page for page in shown)
    assert not any("<img" in page for page in shown)


def test_retention_ends_well_where_orders_repeat_without_a_value(tmp_path: Path) -> None:
    tables = _frames(["a", "b", "c"], customers=250)
    orders = tables["touches"].sample(frac=0.4, random_state=1)[["customer_id", "timestamp"]]
    orders["timestamp"] += pd.Timedelta(hours=3)
    data = _folder(tmp_path, tables | {"outcomes": orders.assign(outcome="conversion")})
    shown = run_cells(ROOT / "notebooks" / "05_retention_drivers.ipynb", data=data)
    assert any("Orders carry no value" in page for page in shown)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_ends_well_on_a_paths_table(path: Path, tmp_path: Path) -> None:
    paths = pd.DataFrame(
        {
            "path": ["a > b > c", "a", "b > c", "c > a", "b"],
            "conversions": [40, 10, 20, 30, 5],
            "null": [100, 200, 80, 50, 300],
        }
    )
    shown = run_cells(path, data=_folder(tmp_path, {"paths": paths}))
    needs_times = path.stem[:2] in {"04", "07", "08"}
    assert any('class="answer"' in page for page in shown) != needs_times
    notes = [page for page in shown if 'class="note"' in page]
    assert notes
    assert sum("A paths table has no times" in page for page in notes) <= 3  # said, not repeated
