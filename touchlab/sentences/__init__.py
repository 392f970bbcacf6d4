"""Sentences computed from tables, so that no number is ever typed into prose."""

from touchlab.sentences.budget import (
    about_costs,
    about_curves,
    about_experiments,
    about_next_euro,
    about_notes,
    about_touches,
)
from touchlab.sentences.credit import (
    DESCRIPTIVE,
    about_agreement,
    about_credit,
    about_lookback,
    about_removal,
)
from touchlab.sentences.data import about_data, about_repairs, notes_in_brief
from touchlab.sentences.drivers import about_drivers, about_scores
from touchlab.sentences.experience import (
    ASSOCIATION,
    about_experience,
    about_flow,
    about_later,
    about_links,
    about_lowest,
    about_map,
    about_owners,
    about_reach,
    about_responders,
)
from touchlab.sentences.journeys import about_journeys, about_order, about_paths, about_ties
from touchlab.sentences.lifetime import (
    about_exposure,
    about_lifetime,
    about_renewals,
    about_risk,
    about_validation,
)
from touchlab.sentences.overview import about_changes, in_five_sentences
from touchlab.sentences.retention import (
    about_cohorts,
    about_inactivity,
    about_keepers,
    about_referrals,
    about_staying,
    about_survival,
)

__all__ = [
    "ASSOCIATION",
    "DESCRIPTIVE",
    "about_agreement",
    "about_changes",
    "about_cohorts",
    "about_costs",
    "about_credit",
    "about_curves",
    "about_data",
    "about_drivers",
    "about_experience",
    "about_experiments",
    "about_exposure",
    "about_flow",
    "about_inactivity",
    "about_journeys",
    "about_keepers",
    "about_later",
    "about_lifetime",
    "about_links",
    "about_lookback",
    "about_lowest",
    "about_map",
    "about_next_euro",
    "about_notes",
    "about_order",
    "about_owners",
    "about_paths",
    "about_reach",
    "about_referrals",
    "about_removal",
    "about_renewals",
    "about_repairs",
    "about_responders",
    "about_risk",
    "about_scores",
    "about_staying",
    "about_survival",
    "about_ties",
    "about_touches",
    "about_validation",
    "in_five_sentences",
    "notes_in_brief",
]
