"""The public names; `__init__.py` loads each on first use."""

from . import plots, scoreboard, sentences, show
from .budget.costs import cost_per_incremental, response_curves
from .budget.plan import Reallocation, budget_scenarios, reallocate
from .credit.attribute import attribute, position, time_decay
from .credit.order import choose_order, removal_effects
from .credit.sensitivity import credit_by_position, return_on_cost, touch_costs
from .data.dataset import Dataset, open_data
from .drivers.calibrate import calibrate
from .drivers.checks import check_drivers
from .drivers.experiments import holdout_effects
from .drivers.fit import fit_drivers
from .drivers.prediction import check_prediction
from .drivers.result import Drivers
from .errors import (
    DataError,
    MissingInput,
    ParameterError,
    ReportError,
    TooThin,
    TouchlabError,
    TouchlabWarning,
)
from .experience.changes import ChangeEffects, change_effects
from .experience.comments import comment_themes
from .experience.followup import responders, scores_and_outcomes
from .experience.key_drivers import key_drivers, weak_links
from .experience.map import audit_map, propose_map, touch_shares, touchpoint_map
from .experience.service import ServiceEffects, service_effects
from .experience.stages import channel_consistency, coverage_by_segment, stage_flow
from .experience.surveys import survey_scores
from .experiments.assign import assign_experiment
from .experiments.plan import ExperimentPlan, plan_experiments
from .experiments.watch import check_experiments
from .forecasts.forecast import forecast
from .forecasts.grade import grade_forecasts
from .journeys.build import Journeys, build_journeys
from .journeys.counts import Rule, transition_matrix
from .journeys.describe import time_to_outcome
from .next.touch import next_touch
from .next.value import policy_value
from .next.whom import whom_to_treat
from .privacy.fold import fold_rare
from .privacy.pseudonyms import pseudonymise
from .retention.churn import cohort_table, inactivity_rules, with_churn, with_inactivity_churn
from .retention.compare import compare_groups, cumulative_incidence
from .retention.contracts import Renewals, fit_renewals
from .retention.cox import fit_cox
from .retention.curves import survival_curves
from .retention.landmark import touched_survival, value_by_exposure
from .retention.lifetime import Lifetime, fit_lifetime
from .retention.referrals import ReferralWorth, referral_links, referral_worth
from .retention.validation import validate_lifetime

__version__: str

__all__ = [
    "ChangeEffects",
    "DataError",
    "Dataset",
    "Drivers",
    "ExperimentPlan",
    "Journeys",
    "Lifetime",
    "MissingInput",
    "ParameterError",
    "Reallocation",
    "ReferralWorth",
    "Renewals",
    "ReportError",
    "Rule",
    "ServiceEffects",
    "TooThin",
    "TouchlabError",
    "TouchlabWarning",
    "assign_experiment",
    "attribute",
    "audit_map",
    "budget_scenarios",
    "build_journeys",
    "calibrate",
    "change_effects",
    "channel_consistency",
    "check_drivers",
    "check_experiments",
    "check_prediction",
    "choose_order",
    "cohort_table",
    "comment_themes",
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
    "forecast",
    "grade_forecasts",
    "holdout_effects",
    "inactivity_rules",
    "key_drivers",
    "next_touch",
    "open_data",
    "plan_experiments",
    "plots",
    "policy_value",
    "position",
    "propose_map",
    "pseudonymise",
    "reallocate",
    "referral_links",
    "referral_worth",
    "removal_effects",
    "responders",
    "response_curves",
    "return_on_cost",
    "scoreboard",
    "scores_and_outcomes",
    "sentences",
    "service_effects",
    "show",
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
    "whom_to_treat",
    "with_churn",
    "with_inactivity_churn",
]
