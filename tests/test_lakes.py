"""Delta and Iceberg tables are opened as they are now, where their readers are installed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from conftest import lacking
from tiny import OUTCOMES_CSV, utc

import touchlab as tl

pytestmark = pytest.mark.slow


def _reader(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        lacking(f"no {name}: make engines")


def rows() -> pa.Table:
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "b", "b"],
            "timestamp": utc("2026-03-01", "2026-03-02", "2026-03-03").as_unit("us"),
            "touchpoint": ["email", "search", "old"],
            "cost": [1.0, 2.5, 9.0],
            "campaign": ["x", "y", "x"],
        }
    )
    return pa.Table.from_pandas(frame)


def opened(folder: Path) -> list[tuple[Any, ...]]:
    (folder / "outcomes.csv").write_text(OUTCOMES_CSV)
    touches = tl.open_data(folder).touches.order_by("customer_id").to_pandas()
    named = touches[["customer_id", "touchpoint", "cost", "campaign"]]
    return list(named.itertuples(index=False, name=None))


def test_a_delta_table_without_what_was_deleted(tmp_path: Path) -> None:
    delta = _reader("deltalake")
    place = str(tmp_path / "touches")
    delta.write_deltalake(place, rows(), partition_by=["campaign"])
    delta.DeltaTable(place).delete("touchpoint = 'old'")
    assert opened(tmp_path) == [("a", "email", 1.0, "x"), ("b", "search", 2.5, "y")]


def test_an_iceberg_table_without_what_was_deleted(tmp_path: Path) -> None:
    sql = _reader("pyiceberg.catalog.sql")
    shop = tmp_path / "shop"
    shop.mkdir()
    catalog = sql.SqlCatalog("x", uri=f"sqlite:///{tmp_path}/x.db", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("n")
    table = catalog.create_table("n.touches", rows().schema, location=f"file://{shop}/touches")
    table.append(rows())
    table.delete("touchpoint == 'old'")
    assert opened(shop) == [("a", "email", 1.0, "x"), ("b", "search", 2.5, "y")]


def test_a_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    _reader("deltalake")
    (tmp_path / "touches" / "_delta_log").mkdir(parents=True)
    (tmp_path / "touches" / "_delta_log" / "00000000000000000000.json").write_text("{}")
    with pytest.raises(tl.DataError, match="touches cannot be read as a Delta table"):
        opened(tmp_path)
