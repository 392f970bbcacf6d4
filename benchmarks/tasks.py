"""Run one task in a process of its own, and print what it took and found as JSON.

    python benchmarks/tasks.py TASK FOLDER

Every task begins with the event log in FOLDER. Imports are not timed. `work` is the time that
processors spent, which other work on the machine changes less than seconds on the clock. The
file runs in touchlab's environment and in that of the peers: each task imports what it needs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Credits = dict[str, dict[str, float]]
Task = Callable[[Path], Callable[[], Credits]]

MARKOV = ("markov", "markov_2", "markov_3", "markov_4")
DEFAULT = ("first", "last", "linear", "position", "time_decay", "shapley", "markov")


def sort(folder: Path) -> Callable[[], Credits]:
    """Let DuckDB order the touches by customer and time: the least that following them takes."""
    import duckdb

    def run() -> Credits:
        with duckdb.connect() as connection:
            touches = f"'{folder}/touches.parquet'"
            order = "ORDER BY customer_id, timestamp"
            connection.execute(f"CREATE TABLE s AS SELECT * FROM {touches} {order}")
        return {}

    return run


def touchlab(*models: str) -> Task:
    """Open, check and attribute by these models, with intervals."""

    def prepare(folder: Path) -> Callable[[], Credits]:
        from touchlab import attribute, open_data

        def run() -> Credits:
            credit = attribute(open_data(folder), models=models)
            rows = credit[credit.touchpoint != "(no touch)"].groupby("model")
            return {m: dict(zip(t.touchpoint, t.credit, strict=True)) for m, t in rows}

        return run

    return prepare


def channel_attribution(paths: Callable[[Path], Any]) -> Task:
    """Build paths, then its three rules and its Markov model of orders 1 to 3."""

    def prepare(folder: Path) -> Callable[[], Credits]:
        import ChannelAttribution as Peer

        def run() -> Credits:
            frame = paths(folder)
            rules = Peer.heuristic_models(frame, "path", "won", flg_pro=False)
            found = {
                rule: dict(zip(rules.channel_name, rules[f"{rule}_touch"], strict=True))
                for rule in ("first", "last", "linear")
            }
            for order, name in enumerate(MARKOV[:3], 1):
                told = {"order": order, "verbose": False, "flg_pro": False}
                credit = Peer.markov_model(frame, "path", "won", var_null="lost", **told)
                found[name] = dict(zip(credit.channel_name, credit.total_conversions, strict=True))
            return found

        return run

    return prepare


def paths_by_pandas(folder: Path) -> Any:
    """Cut the log as touchlab does, in the frames that the peer takes."""
    import pandas as pd

    columns = ["customer_id", "timestamp", "touchpoint"]
    touches = pd.read_parquet(folder / "touches.parquet", columns=columns)
    ends = pd.read_parquet(folder / "outcomes.parquet", columns=columns[:2])
    rows = pd.concat([touches, ends.assign(touchpoint=None)])
    rows = rows.sort_values(columns, na_position="last", ignore_index=True)
    ended, quiet = rows.touchpoint.isna(), rows.timestamp.diff() > pd.Timedelta("30D")
    begins = (rows.customer_id != rows.customer_id.shift()) | ended.shift(fill_value=True) | quiet
    journey = begins.cumsum()
    path = rows[~ended].groupby(journey[~ended]).touchpoint.agg(">".join)
    won = ended.groupby(journey).sum().reindex(path.index)
    frame = pd.DataFrame({"path": path, "won": won, "lost": (won == 0).astype("int64")})
    return frame.groupby("path", as_index=False)[["won", "lost"]].sum()


def paths_by_polars(folder: Path) -> Any:
    """Cut the log as touchlab does, by the fastest way we found."""
    import polars as pl

    touchpoint = pl.col("touchpoint")
    journeys = _journeys(folder).group_by("journey")
    journeys = journeys.agg(path=touchpoint.str.join(">"), won=touchpoint.is_null().sum())
    paths = journeys.filter(pl.col("path") != "").group_by("path")
    paths = paths.agg(won=pl.col("won").sum(), lost=(pl.col("won") == 0).sum())
    return paths.cast({"won": pl.Int64, "lost": pl.Int64}).collect().to_pandas()


def marketing_attribution_models(folder: Path) -> Callable[[], Credits]:
    """Cut journeys, then all of its models; it has Markov of order 1 alone."""
    import polars as pl
    from mam import MAM

    def run() -> Credits:
        ended = pl.col("touchpoint").is_null()
        rows = _journeys(folder).with_columns(converts=ended.any().over("journey"))
        peer = MAM(
            rows.filter(~ended).collect(),
            format_type="session",
            channels_colname="touchpoint",
            journey_with_conv_colname="converts",
            datetime_colname="timestamp",
            user_id_colname="journey",
        )
        found = {
            "first": peer.run_first_click(),
            "last": peer.run_last_click(),
            "linear": peer.run_linear(),
            "position": peer.run_position_based(),
            "time_decay": peer.run_time_decay(),
            "shapley": peer.run_shapley(),
            "markov": peer.run_markov(transition_to_same_state=True),
        }
        tables = {model: result.to_dict() for model, result in found.items()}
        return {
            model: dict(zip(t["channels"], t["attribution"], strict=True))
            for model, t in tables.items()
        }

    return run


def _journeys(folder: Path) -> Any:
    """Cut the log as touchlab does, in polars; an outcome is a row without a touchpoint."""
    import polars as pl

    touches = pl.scan_parquet(folder / "touches.parquet")
    outcomes = pl.scan_parquet(folder / "outcomes.parquet")
    columns = ["customer_id", "timestamp", "touchpoint"]
    ends = outcomes.with_columns(touchpoint=pl.lit(None, pl.String)).select(columns)
    rows = pl.concat([touches.select(columns), ends]).sort(columns, nulls_last=True)
    customer, quiet = pl.col("customer_id"), pl.col("timestamp").diff() > pl.duration(days=30)
    begins = (customer != customer.shift(1)) | pl.col("touchpoint").shift(1).is_null() | quiet
    return rows.with_columns(journey=begins.fill_null(True).cum_sum())


TASKS: dict[str, Task] = {
    "sort": sort,
    "touchlab": touchlab(*DEFAULT),
    "touchlab, Markov 1-3": touchlab(*DEFAULT, *MARKOV[1:3]),
    "ChannelAttribution, paths by pandas": channel_attribution(paths_by_pandas),
    "ChannelAttribution, paths by polars": channel_attribution(paths_by_polars),
    "marketing-attribution-models": marketing_attribution_models,
    **{f"order {order}": touchlab(name) for order, name in enumerate(MARKOV, 1)},
}


def _peak() -> float:
    """Most memory of this process; getrusage would begin with that of the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    run = TASKS[chosen.task](chosen.folder)
    begin, worked = time.perf_counter(), time.process_time()
    credits = run()
    measured = {
        "seconds": time.perf_counter() - begin,
        "work": time.process_time() - worked,
        "gigabytes": _peak(),
        "credits": credits,
    }
    sys.stdout.write("\n" + json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
