"""Customers with a known truth: worlds to try methods in, and the sample company.

``world`` declares what touches customers and what it does (``rules`` refuses nonsense);
``population`` draws who they are; ``points`` scatters candidate moments; ``engine`` decides
them in time order; ``tables`` and ``surveys`` write down what an analyst sees; ``truth``
reruns a world without a touchpoint; ``worlds`` are those of the scoreboard; ``paths`` is
the one that path models assume; ``company`` is the sample, and ``files`` writes it to
``data/sample``.
"""

from touchlab.simulate.company import company_world, write_company
from touchlab.simulate.tables import Simulation, simulate
from touchlab.simulate.truth import simulate_paths, true_effects
from touchlab.simulate.world import (
    WORLDS,
    Holdout,
    OutcomeSpec,
    SurveySpec,
    Synergy,
    TouchpointSpec,
    Trait,
    World,
)

__all__ = [
    "WORLDS",
    "Holdout",
    "OutcomeSpec",
    "Simulation",
    "SurveySpec",
    "Synergy",
    "TouchpointSpec",
    "Trait",
    "World",
    "company_world",
    "simulate",
    "simulate_paths",
    "true_effects",
    "write_company",
]
