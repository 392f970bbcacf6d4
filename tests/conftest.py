"""Builders that several test files share."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pandas as pd
import pytest
from hypothesis import settings
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_output

import touchlab as tl
from touchlab.data.dataset import Dataset, open_data
from touchlab.reporting import Run, run_report

settings.register_profile("untimed", deadline=None)  # a busy machine makes no law false
settings.load_profile("untimed")

LONG = [
    "test_runs_hard", "test_pages_true", "test_pages_in_a_browser", "test_privacy_reports",
    "test_track_record", "test_backends", "test_ordinary_data", "test_runs", "test_attribute",
    "test_notebooks",
]  # fmt: skip
"""Files that take longest, the longest first: begun last, one of them would end alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))  # stable: files stay whole


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole report of the sample, with a small simulation on 08, once for all workers.

    A second worker waits for the first one's run, and then finds that nothing has changed.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    small = {"customers": 1500, "days": 60, "seeds": [1]}
    return run_report(SAMPLE, out=shared / "sample", parameters=small)


START = pd.Timestamp("2026-03-01T00:00:00Z")
SAMPLE = Path(__file__).parents[1] / "data" / "sample"
CLICKS = Path(__file__).parents[1] / ".." / "shared" / "data" / "clicks4campaigns.parquet"


def parse_events(journeys: Mapping[object, str]) -> dict[str, pd.DataFrame]:
    """Read ``{"ann": "search@0 email@2.5 *@3 *20@3"}`` as tables.

    A word is a touchpoint at a time: days since 2026-03-01, a duration (``1500us``) or
    an ISO time. ``*`` is an outcome, with its value where one follows.
    """
    touches, outcomes = [], []
    for customer, text in journeys.items():
        for name, _, time in (word.partition("@") for word in text.split()):
            when = _time(time)
            if name.startswith("*"):
                value = float(name[1:]) if name[1:] else None
                outcomes.append((customer, when, "conversion", value))
            else:
                touches.append((customer, when, name))
    columns = ["customer_id", "timestamp", "outcome", "value"]
    return {
        "touches": pd.DataFrame(touches, columns=["customer_id", "timestamp", "touchpoint"]),
        "outcomes": pd.DataFrame(outcomes, columns=columns).astype({"value": float}),
    }


def _time(text: str) -> pd.Timestamp:
    if re.fullmatch(r"[\d.]+", text):
        return START + pd.Timedelta(days=float(text))
    return pd.Timestamp(text) if "T" in text else START + pd.Timedelta(text)


@pytest.fixture(scope="session")
def open_events() -> Callable[..., Dataset]:
    """Open journeys written as text, with other tables beside them."""

    def open_them(journeys: Mapping[object, str], **tables: pd.DataFrame) -> Dataset:
        return open_data({**parse_events(journeys), **tables})

    return open_them


@pytest.fixture(scope="session")
def open_paths() -> Callable[..., Dataset]:
    """Open ``("a > b", conversions, null[, value])`` rows as a paths table."""

    def open_them(*rows: Sequence[object]) -> Dataset:
        columns = ["path", "conversions", "null", "value"][: len(rows[0])]
        return open_data({"paths": pd.DataFrame(rows, columns=columns)})

    return open_them


@pytest.fixture(scope="session")
def clicks() -> pd.DataFrame:
    """Ten thousand users with up to five clicks in four campaigns."""
    if not CLICKS.is_file():
        pytest.skip("the clicks4campaigns data is not beside the repository")
    return pd.read_parquet(CLICKS)


POSTGRES = os.environ.get("TOUCHLAB_TEST_POSTGRES", "")
"""Address of a PostgreSQL whose user may create databases; its password is in PGPASSWORD."""


def lacking(reason: str) -> None:
    """Skip what an engine is missing for; where all engines are wanted, fail."""
    if os.environ.get("TOUCHLAB_TEST_ENGINES") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Make a database that sorts by language, as many do, and drop it afterwards: its address."""
    if not POSTGRES:
        lacking("no PostgreSQL: TOUCHLAB_TEST_POSTGRES is not set (see .ci/run)")
    try:
        import psycopg
    except ImportError:
        lacking("no driver: make engines")
    name = f"touchlab_test_{secrets.token_hex(4)}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        language = "ENCODING 'UTF8' LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0 {language}")
        parts = urlsplit(POSTGRES)
        yield f"postgres://{parts.netloc}/{name}"
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """Start a small session in this process, quick at small tables."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        lacking("no PySpark: make engines")
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        lacking("no Java")
    settings = {
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.log.level": "OFF",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def load_postgres(address: str, tables: Mapping[str, pd.DataFrame], schema: str) -> str:
    """Write frames into a schema of their own, in PostgreSQL's own types: its address."""
    import ibis
    import psycopg

    with psycopg.connect(address, autocommit=True) as server:
        server.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    parts = urlsplit(address)
    connection = ibis.postgres.connect(
        host=parts.hostname,
        port=parts.port or 5432,
        user=parts.username,
        database=parts.path[1:],
        schema=schema,
    )
    for name, table in tables.items():
        connection.create_table(name, table, overwrite=True)
    connection.disconnect()
    return f"{address}/{schema}"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A kernel in this very process, with touchlab in it."""
    made = InteractiveShell.instance()
    tl.load_ipython_extension(made)
    yield made
    tl.unload_ipython_extension(made)
    made.reset()
    InteractiveShell.clear_instance()


def run_notebook(shell: InteractiveShell, path: Path, **parameters: object) -> Any:
    """Run a notebook in this very process, sooner than a kernel would; with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    shown: dict[str, Any] = {}  # what can be taken back, by its id
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        with capture_output() as captured:
            result = shell.run_cell(cell.source, cell_id=cell.id)
        assert result.success, captured.stdout
        if "parameters" in cell.metadata.get("tags", []):
            shell.user_ns.update({n: v for n, v in parameters.items() if n in shell.user_ns})
        for one in captured.outputs:
            if one.update:
                shown[one.transient["display_id"]].data = one.data
                continue
            made = new_output("display_data", data=one.data, metadata=one.metadata or {})
            shown[(one.transient or {}).get("display_id", "")] = made
            cell.outputs.append(made)
        if result.result is not None:
            data, metadata = shell.display_formatter.format(result.result)
            cell.outputs.append(new_output("display_data", data=data, metadata=metadata))
    return notebook
