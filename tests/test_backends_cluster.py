"""A Spark cluster of two workers on this machine: one dies in the middle, the numbers stay."""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from conftest import lacking

import touchlab as tl
from touchlab.simulate import write_company

ROOT = Path(__file__).parents[1]
QUESTIONS = """
import sys
import touchlab as tl
data = tl.open_data(sys.argv[1])
print("opened", flush=True)
for outcome in ("referral", "churn", "conversion"):
    credit = tl.attribute(data, outcome=outcome, models=["linear", "markov"])
print(credit.to_json(orient="split", double_precision=15))
"""
"""Asked by a process of their own: one can have one Spark session at a time."""


@pytest.fixture
def spark_cluster() -> ModuleType:
    if importlib.util.find_spec("pyspark") is None:
        lacking("no PySpark: make engines")
    if not shutil.which("java"):
        lacking("no Java")
    place = ROOT / "benchmarks" / "spark_cluster.py"
    spec = importlib.util.spec_from_file_location("spark_cluster", place)
    assert spec and spec.loader
    module = sys.modules["spark_cluster"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_worker_dies_in_the_middle(spark_cluster: ModuleType, tmp_path: Path) -> None:
    write_company(tmp_path / "company", customers=1500)
    expected = tl.attribute(tl.open_data(tmp_path / "company"), models=["linear", "markov"])
    with spark_cluster.running() as cluster:
        address = cluster.address(tmp_path / "company")
        command = [sys.executable, "-c", QUESTIONS, address]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as asking:
            assert asking.stdout and asking.stdout.readline() == "opened\n"
            cluster.kill_worker()
            said, _ = asking.communicate(timeout=300)
        assert asking.returncode == 0
        workers = [worker.poll() is None for worker in cluster.workers]
    assert workers == [False, True]
    found = pd.read_json(io.StringIO(said), orient="split", precise_float=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-9)
