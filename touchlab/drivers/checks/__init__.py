"""How far the drivers of an outcome can be trusted, touchpoint by touchpoint."""

from touchlab.drivers.checks.badges import Checks, check_drivers
from touchlab.drivers.checks.strength import e_value, negative_control, presence, stability
from touchlab.drivers.lead import lead_test

__all__ = [
    "Checks",
    "check_drivers",
    "e_value",
    "lead_test",
    "negative_control",
    "presence",
    "stability",
]
