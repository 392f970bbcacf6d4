"""The names of the room; `__init__.py` loads each on first use."""

from .budget import plot_cost_per_incremental, plot_moves, plot_reallocation, plot_response_curves
from .drivers import (
    plot_credit,
    plot_credit_and_drivers,
    plot_credit_by_month,
    plot_credit_by_segment,
    plot_incremental,
    plot_lookbacks,
    plot_markov,
    plot_origins,
    plot_positions,
    plot_removal,
    plot_scores,
    plot_waterfall,
)
from .experience import (
    plot_changes,
    plot_flow,
    plot_gaps,
    plot_importance,
    plot_survey_scores,
)
from .forecasts import plot_record
from .journey_map import plot_map
from .journeys import plot_first_steps, plot_lengths, plot_months, plot_steps, plot_times
from .parts import plot_intervals, plot_lines
from .retention import (
    plot_cohorts,
    plot_incidence,
    plot_lifetime_value,
    plot_survival,
    plot_validation,
)

__all__ = [
    "plot_changes",
    "plot_cohorts",
    "plot_cost_per_incremental",
    "plot_credit",
    "plot_credit_and_drivers",
    "plot_credit_by_month",
    "plot_credit_by_segment",
    "plot_first_steps",
    "plot_flow",
    "plot_gaps",
    "plot_importance",
    "plot_incidence",
    "plot_incremental",
    "plot_intervals",
    "plot_lengths",
    "plot_lifetime_value",
    "plot_lines",
    "plot_lookbacks",
    "plot_map",
    "plot_markov",
    "plot_months",
    "plot_moves",
    "plot_origins",
    "plot_positions",
    "plot_reallocation",
    "plot_record",
    "plot_removal",
    "plot_response_curves",
    "plot_scores",
    "plot_steps",
    "plot_survey_scores",
    "plot_survival",
    "plot_times",
    "plot_validation",
    "plot_waterfall",
]
