"""Journeys: touches cut by one rule, counted in the engine."""
