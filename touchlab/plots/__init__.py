"""Figures, from tidy tables only. Titles state what the table says, not what it holds."""

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
from touchlab.plots.journeys import plot_lengths, plot_months, plot_steps, plot_times
from touchlab.plots.parts import plot_intervals, plot_lines

__all__ = [
    "plot_credit",
    "plot_credit_and_drivers",
    "plot_credit_by_month",
    "plot_credit_by_segment",
    "plot_incremental",
    "plot_intervals",
    "plot_lengths",
    "plot_lines",
    "plot_lookbacks",
    "plot_markov",
    "plot_months",
    "plot_positions",
    "plot_removal",
    "plot_scores",
    "plot_steps",
    "plot_times",
]
