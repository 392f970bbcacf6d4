"""What each touchpoint truly brought about: the same world, rerun without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from touchlab.errors import ParameterError
from touchlab.numeric import Floats
from touchlab.simulate.engine import Points, decide, draw_points, in_turns, processes, respond
from touchlab.simulate.population import Flags, draw_population, uniform_at
from touchlab.simulate.rules import is_number
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


START = np.datetime64("2025-01-01T00:00:00", "us")
HOURS = np.timedelta64(3600, "s").astype("timedelta64[us]")
DAYS = 180


def simulate_paths(
    powers: Mapping[str, float],
    *,
    customers: int = 30_000,
    touch_chance: float = 0.3,
    baseline: float = 0.02,
    seed: int,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """One journey a customer, in which every touchpoint met has one independent chance.

    A customer meets each touchpoint with chance `touch_chance`, in random order, an hour
    apart. The journey converts unless the baseline and all touchpoints met fail:
    P = 1 - (1 - baseline) * product of (1 - power). Order and time do nothing. This does not
    show how a method copes with time, repetition or customers who were never watched.

    Parameters
    ----------
    powers : mapping of touchpoint to float
        Chance, from 0 to 1, that meeting the touchpoint alone converts.
    customers : int
    touch_chance, baseline : float
        Chances from 0 to 1.
    seed : int

    Returns
    -------
    tables : dict of DataFrame
        touches, outcomes and customers of the data contract.
    truth : DataFrame
        outcome, touchpoint, incremental_direct and incremental_total (equal here: journeys
        that would not have converted without it), outcomes, baseline (the same random
        numbers without touchpoints), power.

    Raises
    ------
    ParameterError
        If a chance is not from 0 to 1, or `customers` or `seed` is out of range.

    Examples
    --------
    >>> tables, truth = simulate_paths({"ad": 0.1, "idle": 0.0}, customers=1000, seed=1)
    >>> truth.set_index("touchpoint")["incremental_direct"]["idle"]
    np.float64(0.0)
    """
    check_paths(powers, customers, touch_chance, baseline)
    check_seed(seed)
    everyone = np.arange(customers)
    met = np.array([uniform_at(seed, f"met {name}", everyone) < touch_chance for name in powers])
    worked = np.array(
        [uniform_at(seed, f"works {name}", everyone) < power for name, power in powers.items()]
    )
    alone = uniform_at(seed, "baseline", everyone) < baseline
    converted = alone | (met & worked).any(axis=0)
    order = np.array([uniform_at(seed, f"order {name}", everyone) for name in powers])
    tables = path_tables(list(powers), met, order, converted)
    return tables, path_truth(powers, met & worked, alone)


def path_tables(
    names: list[str], met: Flags, order: Floats, converted: Flags
) -> dict[str, pd.DataFrame]:
    everyone = np.arange(met.shape[1])
    ids = pd.array([f"c-{number + 1:05d}" for number in everyone], dtype="str")
    # Touchpoints not met sort last, so that ranks of the others count hours without gaps.
    rank = np.where(met, order, 2.0).argsort(axis=0).argsort(axis=0)
    touchpoint, customer = np.nonzero(met)
    hour = rank[touchpoint, customer]
    touches = pd.DataFrame(
        {
            "customer_id": ids.take(customer),
            "timestamp": START + (customer % DAYS * 24 + hour) * HOURS,
            "touchpoint": pd.array(names, dtype="str").take(touchpoint),
        }
    )
    end = START + (everyone % DAYS * 24 + met.sum(axis=0)) * HOURS
    outcomes = pd.DataFrame(
        {
            "customer_id": ids[converted],
            "timestamp": end[converted],
            "outcome": pd.array(["conversion"] * int(converted.sum()), dtype="str"),
        }
    )
    until = np.full(len(ids), START + (DAYS + 1) * 24 * HOURS)
    customers = pd.DataFrame(
        {"customer_id": ids, "observed_from": np.full(len(ids), START), "observed_to": until}
    )
    touches = touches.sort_values(["customer_id", "timestamp"], ignore_index=True)
    return {"touches": touches, "outcomes": outcomes, "customers": customers}


def path_truth(powers: Mapping[str, float], hits: Flags, alone: Flags) -> pd.DataFrame:
    """A touchpoint made the difference where it was the only one that worked."""
    only_one = (hits.sum(axis=0) == 1) & ~alone
    incremental = (hits & only_one).sum(axis=1).astype(float)
    return pd.DataFrame(
        {
            "outcome": pd.array(["conversion"] * len(powers), dtype="str"),
            "touchpoint": pd.array(list(powers), dtype="str"),
            "incremental_direct": incremental,
            "incremental_total": incremental,
            "outcomes": float((alone | hits.any(axis=0)).sum()),
            "baseline": float(alone.sum()),
            "power": list(powers.values()),
        }
    )


def check_paths(
    powers: Mapping[str, float], customers: int, touch_chance: float, baseline: float
) -> None:
    if not powers:
        raise ParameterError("powers: no touchpoint was given; give at least one: {'ad': 0.1}")
    if not isinstance(customers, int) or isinstance(customers, bool) or customers < 1:
        raise ParameterError(
            f"customers: {customers!r} was given; it must be a whole number, 1 or more"
        )
    chances = {f"powers[{name!r}]": power for name, power in powers.items()}
    for name, chance in (chances | {"touch_chance": touch_chance, "baseline": baseline}).items():
        if not (is_number(chance) and 0 <= chance <= 1):
            raise ParameterError(
                f"{name}: {chance!r} was given; it must be a chance from 0 to 1; 0.1 is 10 %"
            )
