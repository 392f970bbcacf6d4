"""Run the full scoreboard: every world, every method, over seeds (some hours).

python benchmarks/scoreboard.py [--worlds NAME ...] [--customers 30000] [--seeds 5] [--table F]
"""

from __future__ import annotations

import argparse
import sys

from rivals import RIVALS

from touchlab.scoreboard import run_scoreboard, score


def main() -> None:
    parser = argparse.ArgumentParser(description="Every method against the truth.")
    parser.add_argument("--worlds", nargs="*")
    parser.add_argument("--customers", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", help="CSV file to write the scores to")
    given = parser.parse_args()
    answers = run_scoreboard(
        given.worlds,
        customers=given.customers,
        seeds=range(1, given.seeds + 1),
        methods=RIVALS,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    table = score(answers).round(3)
    print(table.to_string(index=False))
    if given.table:
        table.to_csv(given.table, index=False)


if __name__ == "__main__":
    main()
