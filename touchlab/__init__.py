"""touchlab: which touchpoints drive conversion, retention and referral, and how sure that is.

The rooms, in the order in which data flows: `dataset` opens and checks, `journeys` cuts
touches into journeys, `credit` shares out what happened, `moments` samples time at risk,
`drivers` says what would not have happened; `show`, `plots` and `sentences` set the answers
for reading, `reporting` runs the notebooks into pages. `simulate` makes customers with a
known truth, `sources` brings in foreign data.
"""

from touchlab.credit.attribute import attribute
from touchlab.credit.by_position import credit_by_position
from touchlab.credit.cost import return_on_cost, touch_costs
from touchlab.credit.order import choose_order
from touchlab.credit.removal import removal_effects
from touchlab.credit.rules import Rule, position, time_decay
from touchlab.dataset import Dataset, open_data
from touchlab.drivers.calibration import calibrate, holdout_effects
from touchlab.drivers.checks import check_drivers
from touchlab.drivers.fit import fit_drivers
from touchlab.drivers.result import Drivers
from touchlab.errors import (
    DataError,
    MissingInput,
    ParameterError,
    ReportError,
    TouchlabError,
    TouchlabWarning,
)
from touchlab.journeys import Journeys, build_journeys
from touchlab.journeys.timing import time_to_outcome
from touchlab.journeys.transitions import transition_matrix

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
