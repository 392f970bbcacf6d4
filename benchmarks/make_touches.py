"""Write a folder of made-up touches and outcomes, large enough to time the engine.

    python benchmarks/make_touches.py FOLDER [--journeys 1000000] [--ids int|text]
                                            [--touchpoints 20]

The same seed gives the same rows. Every customer has one journey on average; about
15 % of the customers convert. Rows are shuffled, as they are in an event log.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

TOUCHPOINTS = 20
TOUCHES_PER_JOURNEY = 4
CONVERTING = 0.15
SEED = 11
MINUTE = 60_000_000
START = 1_767_225_600_000_000  # 2026-01-01 in microseconds


def make_touches(
    folder: Path, *, journeys: int = 1_000_000, ids: str = "int", touchpoints: int = TOUCHPOINTS
) -> None:
    """Write ``touches.parquet`` and ``outcomes.parquet`` into `folder`."""
    random = np.random.default_rng(SEED)
    length = random.geometric(1 / TOUCHES_PER_JOURNEY, journeys)
    customer = random.integers(0, journeys, journeys)
    begin = START + random.integers(0, 180 * 24 * 60, journeys) * MINUTE
    of_journey = np.repeat(np.arange(journeys), length)
    gap = random.exponential(2 * 24 * 60 * MINUTE, len(of_journey)).astype("int64")
    passed = np.cumsum(gap)
    first = np.cumsum(length) - length
    time = begin[of_journey] + passed - passed[first][of_journey]
    popularity = 1 / np.arange(1, touchpoints + 1)
    touchpoint = random.choice(touchpoints, len(time), p=popularity / popularity.sum())
    shuffled = random.permutation(len(time))
    names = pa.array([f"touchpoint {i:02d}" for i in range(touchpoints)])
    touches = {
        "customer_id": _ids(customer[of_journey][shuffled], ids),
        "timestamp": pa.array(time[shuffled], pa.timestamp("us", tz="UTC")),
        "touchpoint": names.take(pa.array(touchpoint[shuffled])),
    }
    converts = np.flatnonzero(random.random(journeys) < CONVERTING)
    wait = 60 + random.exponential(2 * 24 * 60, len(converts)).astype("int64")  # no session's end
    end = time[(first + length - 1)[converts]] + wait * MINUTE
    outcomes = {
        "customer_id": _ids(customer[converts], ids),
        "timestamp": pa.array(end, pa.timestamp("us", tz="UTC")),
        "outcome": pa.repeat("conversion", len(converts)),
        "value": pa.array(np.round(random.gamma(2.0, 25.0, len(converts)), 2)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(touches), folder / "touches.parquet")
    pq.write_table(pa.table(outcomes), folder / "outcomes.parquet")


def _ids(numbers: npt.NDArray[np.int64], kind: str) -> pa.Array:
    if kind == "int":
        return pa.array(numbers)
    return pa.array([f"c-{number:08d}" for number in numbers])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--journeys", type=int, default=1_000_000)
    parser.add_argument("--ids", choices=("int", "text"), default="int")
    parser.add_argument("--touchpoints", type=int, default=TOUCHPOINTS)
    chosen = parser.parse_args()
    make_touches(
        chosen.folder,
        journeys=chosen.journeys,
        ids=chosen.ids,
        touchpoints=chosen.touchpoints,
    )


if __name__ == "__main__":
    main()
