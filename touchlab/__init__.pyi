"""The public names; `__init__.py` loads each on first use."""

from .credit.attribute import attribute
from .credit.by_position import credit_by_position
from .credit.cost import return_on_cost, touch_costs
from .credit.order import choose_order
from .credit.removal import removal_effects
from .credit.rules import Rule, position, time_decay
from .dataset import Dataset, open_data
from .drivers.calibration import calibrate, holdout_effects
from .drivers.checks import check_drivers
from .drivers.fit import fit_drivers
from .drivers.result import Drivers
from .errors import (
    DataError,
    MissingInput,
    ParameterError,
    ReportError,
    TouchlabError,
    TouchlabWarning,
)
from .journeys import Journeys, build_journeys
from .journeys.timing import time_to_outcome
from .journeys.transitions import transition_matrix

__all__ = [
    "DataError",
    "Dataset",
    "Drivers",
    "Journeys",
    "MissingInput",
    "ParameterError",
    "ReportError",
    "Rule",
    "TouchlabError",
    "TouchlabWarning",
    "attribute",
    "build_journeys",
    "calibrate",
    "check_drivers",
    "choose_order",
    "credit_by_position",
    "fit_drivers",
    "holdout_effects",
    "open_data",
    "position",
    "removal_effects",
    "return_on_cost",
    "time_decay",
    "time_to_outcome",
    "touch_costs",
    "transition_matrix",
]
