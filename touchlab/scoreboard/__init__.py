"""Every method against a known truth."""

from touchlab.scoreboard.like import Shape, shape_of, shape_table, worlds_like
from touchlab.scoreboard.run import all_worlds, run_scoreboard, score

__all__ = [
    "Shape",
    "all_worlds",
    "run_scoreboard",
    "score",
    "shape_of",
    "shape_table",
    "worlds_like",
]
