"""Open made-up Google Analytics 4 events beside DuckDB's own read and sort of the same file.

    python benchmarks/ga4.py FOLDER [--sessions 833333] [--runs 3]

Events are as BigQuery exports them to Parquet: nested parameters, times in microseconds; six a
session, of which 3 % end in a purchase. The file is made on the first run. Sort and touchlab take
turns, each in a process of its own; touchlab reads, makes touches of sessions, brings devices
together, and checks all of it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import duckdb

EVENTS = """
COPY (
  WITH sessions AS (
    SELECT s, hash(s, 1) % (1 + $sessions // 3) AS person,
      1767225600000000 + (hash(s, 2) % 15552000)::BIGINT * 1000000 AS began,
      1 + (hash(s, 3) % 6)::BIGINT AS kind,
      ['google', 'google', '(direct)', 'newsletter', 'facebook', 'bing'][kind] AS source,
      ['organic', 'cpc', '(none)', 'email', 'paid_social', 'organic'][kind] AS medium,
      hash(s, 4) % 100 < 3 AS buys
    FROM range($sessions) AS all_of_them(s)),
  events AS (
    SELECT *, ['session_start', 'page_view', 'scroll', 'page_view', 'user_engagement',
      CASE WHEN buys THEN 'purchase' ELSE 'page_view' END][1 + e] AS name,
      began + e * 20000000 + (hash(s, e, 5) % 9000000)::BIGINT AS moment
    FROM sessions, range(6) AS steps(e))
  SELECT strftime(make_timestamp(moment), '%Y%m%d') AS event_date, moment AS event_timestamp,
    name AS event_name,
    [param('ga_session_id', NULL, s), param('ga_session_number', NULL, 1),
     param('source', CASE WHEN e = 1 THEN source END, NULL),
     param('medium', CASE WHEN e = 1 THEN medium END, NULL),
     param('page_location', 'https://shop.example/p' || e, NULL)] AS event_params,
    person::VARCHAR || '.' || (person * 7)::VARCHAR AS user_pseudo_id,
    CASE WHEN name = 'purchase' THEN 'u' || (person // 2)::VARCHAR END AS user_id,
    CASE WHEN name = 'purchase' THEN {'purchase_revenue': 20.0 + hash(s, 6) % 80,
      'transaction_id': 'T' || s::VARCHAR} END AS ecommerce
  FROM events ORDER BY event_date, hash(s, e)
) TO '$file' (FORMAT parquet)
"""
PARAM = """CREATE MACRO param(name, text, number) AS {'key': name, 'value': {'string_value': text,
'int_value': number, 'float_value': NULL::DOUBLE, 'double_value': NULL::DOUBLE}}"""


def make_events(folder: Path, sessions: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    query = EVENTS.replace("$sessions", str(sessions))
    with duckdb.connect() as engine:
        engine.execute(PARAM)
        engine.execute(query.replace("$file", str(folder / "events.parquet")))
    (folder / "touchlab.toml").write_text('[data]\nsource = "ga4"\n', encoding="utf-8")


def sort(folder: Path) -> str:
    """All columns in the order of person and time: the least that following people takes."""
    with duckdb.connect() as engine:
        order = "ORDER BY user_pseudo_id, event_timestamp"
        engine.execute(f"CREATE TABLE s AS SELECT * FROM '{folder}/events.parquet' {order}")
        (row,) = engine.execute("SELECT count(*) FROM s").fetchall()
    return f"{row[0]:,} events"


def open_events(folder: Path) -> str:
    import touchlab as tl

    rows = tl.open_data(folder).overview
    return ", ".join(f"{row.rows:,} {row.table}" for row in rows.itertuples())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sessions", type=int, default=833_333)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--task", choices=("sort", "touchlab"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.task:
        began = time.perf_counter()
        said = {"sort": sort, "touchlab": open_events}[chosen.task](chosen.folder)
        took = time.perf_counter() - began
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        peak = next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)
        print(f"{took:.2f} {int(peak) / 2**20:.2f} {said}")
        return
    if not (chosen.folder / "events.parquet").exists():
        make_events(chosen.folder, chosen.sessions)
    seconds: dict[str, list[float]] = {"sort": [], "touchlab": []}
    for _ in range(chosen.runs):
        for task, took in seconds.items():
            command = [sys.executable, "-W", "ignore", __file__, str(chosen.folder), "--task", task]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            clock, peak, said = done.stdout.splitlines()[-1].split(" ", 2)
            took.append(float(clock))
            print(f"{task}: {clock} s, {peak} GB, {said}")
    bare, own = (statistics.median(took) for took in seconds.values())
    print(f"touchlab takes {own / bare:.2f} times the read and sort")


if __name__ == "__main__":
    main()
