"""Time, memory and likelihood of BG/NBD beside `lifetimes`, in the same run.

    python benchmarks/lifetime.py [--customers 500000] [--folder .bench]

`lifetimes` needs pandas, numpy and scipy of its time: the first run makes an environment for
it in the folder, by uv if it is there, else by venv and pip. Both get the same customers
(frequency, recency and age, to the day), the smallest of three runs counts, and both
likelihoods are computed by the same function. Then fit and lifetime value of a data folder
of as many customers, from opening on. Memory is the highest of this process.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import touchlab as tl
from touchlab.retention import bgnbd
from touchlab.retention.lifetime import fit_lifetime
from touchlab.retention.orders import (
    BLOCKS,
    DAY,
    OrderHistory,
    draw_blocks,
    fit_rates,
    order_history,
)

PEER = (
    "lifetimes==0.11.3",
    "pandas<2",
    "numpy<1.24",
    "scipy<1.11",
    "autograd<1.6",
    "setuptools<80",
)
TRUTH = {"r": 0.25, "alpha": 4.4, "a": 0.8, "b": 2.4}
WEEKS = 52
RUNS = 3
TIME_PEER = f"""
import sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from lifetimes import BetaGeoFitter
d = pd.read_csv(sys.argv[1])
times = []
for _ in range({RUNS}):
    begin = time.perf_counter()
    fit = BetaGeoFitter().fit(d.frequency, d.recency, d.age)
    times.append(time.perf_counter() - begin)
print(min(times), *fit.params_[["r", "alpha", "a", "b"]])
"""


def make_orders(customers: int, seed: int = 0) -> pd.DataFrame:
    """Draw orders as BG/NBD has them, first orders spread over the year: customer_id, day."""
    random = np.random.default_rng(seed)
    first = random.integers(0, 7 * WEEKS, customers)
    rate = random.gamma(TRUTH["r"], 1 / (7 * TRUTH["alpha"]), customers)
    leave = random.beta(TRUTH["a"], TRUTH["b"], customers)
    who, time_now = np.arange(customers), first.astype(float)
    parts = [pd.DataFrame({"customer_id": who, "day": first})]
    while len(who):
        time_now = time_now + random.exponential(1 / np.maximum(rate[who], 1e-12))
        inside = time_now < 7 * WEEKS
        who, time_now = who[inside], time_now[inside]
        parts.append(pd.DataFrame({"customer_id": who, "day": np.floor(time_now).astype(int)}))
        stay = random.random(len(who)) > leave[who]
        who, time_now = who[stay], time_now[stay]
    orders = pd.concat(parts, ignore_index=True).drop_duplicates()
    mean = 1 / random.gamma(3.7, 1 / 60, customers)
    value = random.gamma(6.0, mean[orders.customer_id] / 6)
    return orders.assign(value=np.round(value, 2) + 0.01)


def count_orders(orders: pd.DataFrame) -> pd.DataFrame:
    """Reduce orders to a row a customer, as both programs take them; times in weeks."""
    days = orders.groupby("customer_id").day.agg(["min", "max", "size"])
    return pd.DataFrame(
        {
            "frequency": days["size"].to_numpy() - 1.0,
            "recency": (days["max"] - days["min"]).to_numpy() * DAY,
            "age": (7 * WEEKS - days["min"]).to_numpy() * DAY,
            "block": np.arange(len(days)) % BLOCKS,
        }
    )


def write_folder(orders: pd.DataFrame, folder: Path) -> Path:
    """Write the orders as a data folder; every customer has one touch."""
    folder.mkdir(parents=True, exist_ok=True)
    start = pd.Timestamp("2025-01-01", tz="UTC")
    rows = orders.assign(timestamp=start + pd.to_timedelta(orders.day, unit="D"))
    rows = rows.assign(outcome="conversion").drop(columns="day")
    rows.to_parquet(folder / "outcomes.parquet", index=False)
    touches = rows.drop_duplicates("customer_id")[["customer_id", "timestamp"]]
    touches.assign(touchpoint="search").to_parquet(folder / "touches.parquet", index=False)
    return folder


def peer_python(folder: Path) -> Path:
    """Make the environment of `lifetimes` unless it is there."""
    home = folder / "lifetimes"
    python = home / "bin" / "python"
    if not python.exists():
        beside = Path(__file__).parents[1] / ".uv" / "bin" / "uv"
        uv = str(beside) if beside.exists() else shutil.which("uv")
        if uv:
            subprocess.run([uv, "venv", "-q", "--python", sys.executable, home], check=True)
            install = [uv, "pip", "install", "-q", "--python", python]
        else:
            subprocess.run([sys.executable, "-m", "venv", home], check=True)
            install = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*install, *PEER], check=True)
    return python


def run_peer(folder: Path, counts: pd.DataFrame) -> tuple[float, np.ndarray]:
    """Return the seconds of a fit by `lifetimes`, and its parameters."""
    table = folder / "lifetimes.csv"
    counts.to_csv(table, index=False)
    done = subprocess.run(
        [peer_python(folder), "-W", "ignore", "-c", TIME_PEER, table],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, *parameters = map(float, done.stdout.split())
    return seconds, np.array(parameters)


def log_likelihood(parameters: np.ndarray, history: OrderHistory) -> float:
    each = bgnbd.bgnbd_derivatives(np.log(parameters), history.rows)[0]
    return float(each @ history.rows.weight)


def timed(task: Callable[[], Any], runs: int = RUNS) -> tuple[float, Any]:
    seconds, result = [], None
    for _ in range(runs):
        begin = time.perf_counter()
        result = task()
        seconds.append(time.perf_counter() - begin)
    return min(seconds), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--customers", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    orders = make_orders(chosen.customers)
    counts = count_orders(orders)
    theirs, peer = run_peer(chosen.folder, counts)

    single, rates = timed(lambda: bgnbd.fit_bgnbd(order_history(counts).rows))
    draws = draw_blocks(0)
    both, _ = timed(lambda: fit_rates(order_history(counts), draws))
    history = order_history(counts)
    kinds = len(history.rows.weight)
    sys.stdout.write(
        f"{len(counts):,} customers of {kinds:,} kinds ({len(counts) / kinds:.1f} a kind)\n"
        f"lifetimes  {theirs:6.2f} s  log-likelihood {log_likelihood(peer, history):,.3f}  {peer}\n"
        f"touchlab   {single:6.2f} s  log-likelihood "
        f"{log_likelihood(np.exp(rates), history):,.3f}  {np.exp(rates)}\n"
        f"one fit: {theirs / single:.1f} times faster; with {len(draws)} bootstrap replicates "
        f"{both:.2f} s, {both / single:.1f} single fits\n"
    )
    folder = write_folder(orders, chosen.folder / "orders")
    opened, data = timed(lambda: tl.open_data(folder), 1)
    fitted, lifetime = timed(lambda: fit_lifetime(data), 1)
    valued, table = timed(lambda: lifetime.value(by="cohort"), 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(
        f"from {len(orders):,} orders: open {opened:.1f} s, fit with values and intervals "
        f"{fitted:.1f} s, value of {len(table)} cohorts {valued:.1f} s; memory {peak:.1f} GB\n"
    )


if __name__ == "__main__":
    main()
