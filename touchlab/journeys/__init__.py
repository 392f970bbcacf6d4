"""Journeys: touches cut by one rule, counted in the engine."""

from touchlab.journeys.build import Journeys, build_journeys

__all__ = ["Journeys", "build_journeys"]
