"""Customers with a known truth: worlds to try methods in, and the sample company.

`world` declares what touches customers and what it does, and refuses nonsense; `worlds` are those
of the scoreboard and the sample company; `population` draws who the customers are; `engine`
decides candidate moments in time order; `tables` writes down what an analyst sees; `truth` reruns
a world without a touchpoint.
"""

from touchlab.simulate.tables import Simulation as Simulation
from touchlab.simulate.tables import simulate as simulate
from touchlab.simulate.truth import simulate_paths as simulate_paths
from touchlab.simulate.truth import true_effects as true_effects
from touchlab.simulate.world import Holdout as Holdout
from touchlab.simulate.world import OutcomeSpec as OutcomeSpec
from touchlab.simulate.world import SurveySpec as SurveySpec
from touchlab.simulate.world import Synergy as Synergy
from touchlab.simulate.world import TouchpointSpec as TouchpointSpec
from touchlab.simulate.world import Trait as Trait
from touchlab.simulate.world import World as World
from touchlab.simulate.worlds import WORLDS as WORLDS
from touchlab.simulate.worlds import company_world as company_world
from touchlab.simulate.worlds import write_company as write_company
