"""touchlab: which touchpoints drive conversion, retention and referral, and how sure that is."""

from touchlab.credit.attribute import attribute
from touchlab.credit.rules import Rule, position, time_decay
from touchlab.dataset import Dataset, open_data
from touchlab.errors import DataError, ParameterError, ReportError, TouchlabError, TouchlabWarning
from touchlab.journeys import Journeys, build_journeys

__all__ = [
    "DataError",
    "Dataset",
    "Journeys",
    "ParameterError",
    "ReportError",
    "Rule",
    "TouchlabError",
    "TouchlabWarning",
    "attribute",
    "build_journeys",
    "open_data",
    "position",
    "time_decay",
]
