"""Finished runs written by hand: a record, kept tables, and a page of every kind of output."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from touchlab.reporting import Failure, Page, Run
from touchlab.reporting.index import write_run_page
from touchlab.reporting.record import write_record

HOSTILE = "</script><script>alert(1)</script>\u2028<img src=x onerror=alert(2)>"


def drivers(**amounts: float) -> pd.DataFrame:
    """A kept table: a row a touchpoint, each amount with an interval of 10 to both sides."""
    rows = [
        {"touchpoint": name, "incremental": v, "ci_low": v - 10, "ci_high": v + 10, "badge": "b"}
        for name, v in amounts.items()
    ]
    return pd.DataFrame(rows)


def write_run(out: Path, day: int, tables: dict[str, pd.DataFrame], **record: object) -> Run:
    """Write the run of one day of January 2026 into a folder of reports."""
    run_id = f"202601{day:02d}T060000Z-shop"
    started = f"2026-01-{day:02d}T06:00:00+00:00"
    pages = (Page("04_d", "Which?", "mail.", 1.0, "complete"),)
    about = {"status": "complete", "seconds": 60.0 + day, "data": "shop", "pages": pages}
    run = Run(run_id=run_id, folder=out / run_id, started=started, **{**about, **record})
    (run.folder / "tables" / "04_d").mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(run.folder / "tables" / "04_d" / f"{name}.parquet", index=False)
    write_record(run)
    write_run_page(run)
    return run


def stopped(message: str) -> dict[str, object]:
    """What the record of a failed run says more."""
    return {"status": "failed", "failure": Failure("04_d", 2, "ValueError", message)}


def notebook_of(*bundles: tuple[dict[str, object], dict[str, object]]) -> object:
    """A notebook whose one cell shows outputs, given as data and metadata."""
    outputs = [new_output("display_data", data=data, metadata=meta) for data, meta in bundles]
    return new_notebook(cells=[new_markdown_cell("# Q?"), new_code_cell("x", outputs=outputs)])
