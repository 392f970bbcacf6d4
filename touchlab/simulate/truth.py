"""What each touchpoint truly brought about: the same world, rerun without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from touchlab.errors import ParameterError
from touchlab.simulate.draws import Flags, Floats
from touchlab.simulate.engine import decide, respond
from touchlab.simulate.points import Points, draw_points, in_turns, processes
from touchlab.simulate.population import draw_population
from touchlab.simulate.tables import check_seed
from touchlab.simulate.world import OUTCOMES, World

COLUMNS = [
    "outcome",
    "touchpoint",
    "incremental_direct",
    "incremental_total",
    "share_direct",
    "share_total",
    "outcomes",
    "baseline_direct",
    "baseline",
    "effect",
    "hazard_ratio",
    "half_life_days",
]


@dataclass(frozen=True)
class Counts:
    """Outcomes by kind in one repeat: as it happened, and lost without a touchpoint."""

    outcomes: Floats
    baseline_direct: Floats
    baseline: Floats
    direct: Floats
    total: Floats


def true_effects(world: World, *, seed: int, repeats: int = 1) -> pd.DataFrame:
    """How many outcomes would not have happened without each touchpoint.

    Everything is counted over the whole window and all customers, experiments included
    as they ran. All reruns meet the same random numbers, so a difference is caused by the
    touchpoint alone; a touchpoint that does nothing gets exactly 0.

    - **Direct**: what the touchpoint did to the hazard of this very outcome. The touches of
      all other touchpoints and the other outcomes are facts, at the moments at which they
      happened; the touches of the touchpoint are deleted; only this outcome is decided anew.
      Facts stay facts: if a first conversion is now missing, the touches that followed it
      (an onboarding call) stay and keep their effect. For churn and referral the
      conversions are facts, so the customers at risk are the same with and without the
      touchpoint; if churn is now missing or later, the customer lives on without the
      touches that churn had prevented.
    - **Total**: the touchpoint is switched off and the rest lives on by its own rules:
      touches that it induced, touches targeted at those it touched, and touches, churn and
      referrals that need the prevented conversion do not occur either. So a touchpoint
      that wins customers has a total effect on churn: more customers can leave.
    - **Baseline**: all touchpoints switched off at once, in either sense. Hidden ones
      (trouble with a delivery) still happen.

    Direct effects do not add up to outcomes minus baseline: effects multiply and overlap.

    Parameters
    ----------
    world : World
    seed : int
    repeats : int
        1: the truth of the very data that `simulate(world, seed=seed)` gives. More: mean
        over so many sets of outcomes drawn anew for the same customers and the same
        touch candidates, of which the first is that data. Counts of a single run
        carry chance of about the square root of the count; the mean of 10 carries a third.

    Returns
    -------
    DataFrame
        outcome, touchpoint, incremental_direct, incremental_total (outcomes; negative where
        the touchpoint prevents the outcome), share_direct, share_total (of all outcomes),
        outcomes, baseline_direct, baseline (counts; `baseline` in the total sense), effect
        (coefficient of g(exposure) in the log hazard), hazard_ratio (just after one first
        touch, nothing else going on), half_life_days.

    Raises
    ------
    ParameterError
        If `seed` or `repeats` is out of range.

    Examples
    --------
    >>> from touchlab.simulate import TouchpointSpec, World, true_effects
    >>> ad = TouchpointSpec("ad", rate=0.05, effects={"conversion": 1.0})
    >>> idle = TouchpointSpec("idle", rate=0.05)
    >>> truth = true_effects(World((ad, idle), customers=2000, days=90), seed=1)
    >>> truth = truth[truth["outcome"] == "conversion"].set_index("touchpoint")
    >>> float(truth.loc["idle", "incremental_direct"]), float(truth.loc["ad", "hazard_ratio"])
    (0.0, 2.0)
    """
    check_seed(seed)
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise ParameterError(f"repeats: {repeats!r} was given; it must be a whole number from 1")
    runs = [count_once(world, seed, repeat) for repeat in range(repeats)]
    mean = Counts(
        *(np.mean([getattr(run, part.name) for run in runs], axis=0) for part in fields(Counts))
    )
    table = pd.DataFrame(truth_rows(world, mean), columns=COLUMNS)
    return table.astype({"outcome": "str", "touchpoint": "str"})


def count_once(world: World, seed: int, repeat: int) -> Counts:
    """One factual run, and the reruns without each touchpoint."""
    points = draw_points(world, draw_population(world, seed), seed=seed, repeat=repeat)
    happened = decide(world, points).happened
    # Direct reruns need no candidates of touches, which are most of the points.
    facts = in_turns([points.where(happened | (points.process < len(OUTCOMES)))])
    fact_happened = decide(world, facts).happened  # the same events, in fewer turns
    codes = [processes(world).index(name) for name in world.names]
    direct, total = np.zeros((2, len(codes), len(OUTCOMES)))
    for row, code in enumerate(codes):
        met = met_customers(world, facts, fact_happened, code)
        left = met[facts.customer] & (facts.process != code)
        was = count(facts.where(fact_happened & met[facts.customer]))
        direct[row] = was - direct_count(world, facts, fact_happened, left)
        left = met[points.customer] & (points.process != code)
        total[row] = was - total_count(world, points, left)
    return Counts(
        outcomes=count(points.where(happened)),
        baseline_direct=direct_count(world, facts, fact_happened, ~np.isin(facts.process, codes)),
        baseline=total_count(world, points, ~np.isin(points.process, codes)),
        direct=direct,
        total=total,
    )


def total_count(world: World, points: Points, left: Flags) -> Floats:
    """Outcomes when only the points left can happen."""
    points = points.where(left)
    return count(points.where(decide(world, points).happened))


def direct_count(world: World, points: Points, happened: Flags, left: Flags) -> Floats:
    """The same, each outcome decided anew among facts."""
    counts = np.zeros(len(OUTCOMES))
    for outcome, name in enumerate(OUTCOMES):
        if name not in world.outcomes:
            continue
        facts = points.where(left & (happened | (points.process == outcome)))
        again = decide(world, facts, only=outcome).happened
        counts[outcome] = count(facts.where(again))[outcome]
    return counts


def met_customers(world: World, points: Points, happened: Flags, code: int) -> Flags:
    """Customers touched by a touchpoint: nobody else's history depends on it."""
    met = np.zeros(world.customers, bool)
    met[points.customer[happened & (points.process == code)]] = True
    return met


def count(events: Points) -> Floats:
    codes = events.process[events.process < len(OUTCOMES)]
    return np.bincount(codes, minlength=len(OUTCOMES)).astype(float)


def truth_rows(world: World, counts: Counts) -> Iterator[dict[str, object]]:
    specs = {spec.name: spec for spec in world.touchpoints}
    for number, outcome in enumerate(OUTCOMES):
        if outcome not in world.outcomes:
            continue
        everything = counts.outcomes[number]
        for row, name in enumerate(world.names):
            spec, effect = specs[name], specs[name].effects.get(outcome, 0.0)
            direct, total = counts.direct[row, number], counts.total[row, number]
            yield {
                "outcome": outcome,
                "touchpoint": name,
                "incremental_direct": direct,
                "incremental_total": total,
                "share_direct": direct / everything if everything else np.nan,
                "share_total": total / everything if everything else np.nan,
                "outcomes": everything,
                "baseline_direct": counts.baseline_direct[number],
                "baseline": counts.baseline[number],
                "effect": effect,
                "hazard_ratio": float(np.exp(effect * respond(spec, 1.0))),
                "half_life_days": spec.half_life_days,
            }
