"""What tests of reports share: notebooks, finished runs and data written by hand; pages read."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from touchlab.reporting import Failure, Page, Run
from touchlab.reporting.index import write_run_page
from touchlab.reporting.record import write_record

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
HOSTILE = "</script><script>alert(1)</script>\u2028<img src=x onerror=alert(2)>"

EVIL = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "$\\frac{ $",
    "=1+1",
    "'); DROP TABLE touches; --",
    "__import__('os').mkdir('hacked')",
    "../../hacked",
    "{{ 7 * 7 }} {% raw %}",
    "`touch hacked` $(touch hacked)",
)
TRAIT = '<img src=x onerror=alert(3)> Q(\'__import__("os").mkdir("hacked")\')'


def write_hostile_shop(folder: Path, *, customers: int) -> Path:
    """Write a part of the sample with hostile text in every column that takes free text.

    The names of outcomes that notebooks ask for stay; a further one is hostile. So is the name
    of a trait of customers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(SAMPLE.glob("*.parquet")):
        if path.stem == "truth":
            continue
        frame = pd.read_parquet(path)
        if "customer_id" in frame:
            frame = frame[frame.customer_id <= f"c-{customers:05d}"]
        free = {"customer_id", "touchpoint", "campaign", "channel", "goal", "region", "plan"}
        for column in free & set(frame.columns):
            frame[column] = frame[column].map(_hostile, na_action="ignore")
        if path.stem == "outcomes":
            more = frame[frame.outcome == "referral"].assign(outcome=HOSTILE)
            frame = pd.concat([frame, more], ignore_index=True)
        frame.rename(columns={"region": TRAIT}).to_parquet(folder / path.name, index=False)
    return folder


def _hostile(text: str) -> str:
    return f"{EVIL[sum(text.encode()) % len(EVIL)]} {text}"


def write_notebook(
    folder: Path,
    name: str,
    *cells: str,
    parameters: str = "data = 'data/sample'  # folder",
    prose: str = "",
) -> None:
    tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    title = new_markdown_cell(prose or f"# {name}?")
    notebook = new_notebook(cells=[title, tagged, *map(new_code_cell, cells)])
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


def left_over(out: Path) -> set[str]:
    """What lies hidden in a folder of reports beside the lock, which stays."""
    return {path.name for path in out.glob(".*")} - {".lock"}


class Markup(HTMLParser):
    """Every element and attribute of a page, and the words without scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def digests(page: str, tag: str) -> list[str]:
    """The hashes of the scripts or styles of a page, as its policy has to name them."""
    sources = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    hashed = [hashlib.sha256(source.encode()).digest() for source in sources]
    return [f"'sha256-{base64.b64encode(one).decode()}'" for one in hashed]


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
