"""Figures, from tidy tables only. Titles state what the table says, not what it holds."""

from touchlab.plots.budget import plot_cost_per_incremental, plot_reallocation, plot_response_curves
from touchlab.plots.credit import (
    plot_credit,
    plot_credit_by_month,
    plot_credit_by_segment,
    plot_lookbacks,
    plot_markov,
    plot_positions,
    plot_removal,
)
from touchlab.plots.drivers import plot_credit_and_drivers, plot_incremental, plot_scores
from touchlab.plots.experience import plot_flow, plot_gaps, plot_importance, plot_survey_scores
from touchlab.plots.journeys import plot_lengths, plot_months, plot_steps, plot_times
from touchlab.plots.parts import plot_intervals, plot_lines
from touchlab.plots.retention import (
    plot_cohorts,
    plot_incidence,
    plot_lifetime_value,
    plot_survival,
    plot_validation,
)
from touchlab.plots.touchpoint_map import plot_map

__all__ = [
    "plot_cohorts",
    "plot_cost_per_incremental",
    "plot_credit",
    "plot_credit_and_drivers",
    "plot_credit_by_month",
    "plot_credit_by_segment",
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
    "plot_positions",
    "plot_reallocation",
    "plot_removal",
    "plot_response_curves",
    "plot_scores",
    "plot_steps",
    "plot_survey_scores",
    "plot_survival",
    "plot_times",
    "plot_validation",
]
