"""The public names; `__init__.py` loads each on first use."""

from .budget import Reallocation, cost_per_incremental, reallocate, response_curves
from .credit.attribute import attribute
from .credit.by_position import credit_by_position
from .credit.cost import return_on_cost, touch_costs
from .credit.order import choose_order
from .credit.removal import removal_effects
from .credit.rules import Rule, position, time_decay
from .dataset import Dataset
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
from .experience.consistency import channel_consistency
from .experience.key_drivers import key_drivers, weak_links
from .experience.later import scores_and_outcomes
from .experience.responders import responders
from .experience.scores import survey_scores
from .experience.stages import coverage_by_segment, stage_flow
from .experience.starter import propose_map
from .experience.touchpoint_map import audit_map, touch_shares, touchpoint_map
from .journeys import Journeys, build_journeys
from .journeys.timing import time_to_outcome
from .journeys.transitions import transition_matrix
from .opening import open_data
from .privacy import fold_rare, pseudonymise
from .retention.cohorts import cohort_table
from .retention.compare import compare_groups
from .retention.competing import cumulative_incidence
from .retention.cox import fit_cox
from .retention.curves import survival_curves
from .retention.exposure import value_by_exposure
from .retention.holdout import validate_lifetime
from .retention.inactivity import inactivity_rules, with_inactivity_churn
from .retention.landmark import touched_survival
from .retention.lifetime import fit_lifetime
from .retention.lifetime_result import Lifetime
from .retention.renewals import Renewals, fit_renewals

__all__ = [
    "DataError",
    "Dataset",
    "Drivers",
    "Journeys",
    "Lifetime",
    "MissingInput",
    "ParameterError",
    "Reallocation",
    "Renewals",
    "ReportError",
    "Rule",
    "TouchlabError",
    "TouchlabWarning",
    "attribute",
    "audit_map",
    "build_journeys",
    "calibrate",
    "channel_consistency",
    "check_drivers",
    "choose_order",
    "cohort_table",
    "compare_groups",
    "cost_per_incremental",
    "coverage_by_segment",
    "credit_by_position",
    "cumulative_incidence",
    "fit_cox",
    "fit_drivers",
    "fit_lifetime",
    "fit_renewals",
    "fold_rare",
    "holdout_effects",
    "inactivity_rules",
    "key_drivers",
    "open_data",
    "position",
    "propose_map",
    "pseudonymise",
    "reallocate",
    "removal_effects",
    "responders",
    "response_curves",
    "return_on_cost",
    "scores_and_outcomes",
    "stage_flow",
    "survey_scores",
    "survival_curves",
    "time_decay",
    "time_to_outcome",
    "touch_costs",
    "touch_shares",
    "touched_survival",
    "touchpoint_map",
    "transition_matrix",
    "validate_lifetime",
    "value_by_exposure",
    "weak_links",
    "with_inactivity_churn",
]
