"""Experiments: what they say by themselves, and drivers brought in line with them."""

from touchlab.drivers.calibration.calibrate import CalibratedDrivers, calibrate
from touchlab.drivers.calibration.holdouts import Holdouts, holdout_effects

__all__ = ["CalibratedDrivers", "Holdouts", "calibrate", "holdout_effects"]
