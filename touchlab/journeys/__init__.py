"""Journeys: touches cut by one rule, counted in the engine."""

from touchlab.journeys.build import Journeys, build_journeys
from touchlab.journeys.timing import time_to_outcome
from touchlab.journeys.transitions import transition_matrix

__all__ = ["Journeys", "build_journeys", "time_to_outcome", "transition_matrix"]
