"""What each touchpoint truly brought about: the same world, rerun without it.

`simulate_paths` is the one world that needs no rerun: the one that path models assume.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from touchlab.errors import ParameterError
from touchlab.numeric import Floats
from touchlab.simulate.engine import Points, decide, draw_points, in_turns, processes, respond
from touchlab.simulate.population import Flags, draw_population, uniform_at
from touchlab.simulate.tables import check_seed, ids, named
from touchlab.simulate.world import OUTCOMES, World, is_number, is_whole

COLUMNS = [
    "outcome", "touchpoint", "incremental_direct", "incremental_total", "share_direct",
    "share_total", "outcomes", "baseline_direct", "baseline", "effect", "hazard_ratio",
    "half_life_days",
]  # fmt: skip
START = np.datetime64("2025-01-01T00:00:00", "us")
HOURS = np.timedelta64(3600, "s").astype("timedelta64[us]")
DAYS = 180


def true_effects(world: World, *, seed: int, repeats: int = 1) -> pd.DataFrame:
    """How many outcomes would not have happened without each touchpoint.

    Everything is counted over the whole window and all customers, experiments included as they
    ran. All reruns meet the same random numbers, so a difference is caused by the touchpoint
    alone; a touchpoint that does nothing gets exactly 0. Columns that need words:

    - ``incremental_direct``: what the touchpoint did to the hazard of this very outcome. All
      other touches and outcomes are facts, at the moments at which they happened, also those that
      would not have followed; its own touches are deleted, and only this outcome is decided anew.
    - ``incremental_total``: it is switched off and the rest lives on by its own rules: touches
      that it induced, and what needs a prevented conversion, do not occur either. So a touchpoint
      that wins customers has a total effect on churn: more customers can leave.
    - ``baseline_direct, baseline``: all touchpoints switched off at once, in either sense. Hidden
      ones (trouble with a delivery) still happen. Direct effects do not add up to outcomes minus
      baseline: effects multiply and overlap.
    - ``effect``: coefficient of g(exposure) in the log hazard; ``hazard_ratio``: just after one
      first touch, nothing else going on.

    With `repeats=1` it is the truth of the very data that `simulate(world, seed=seed)` gives; with
    more, the mean over so many sets of outcomes drawn anew, of which the first is that data. One
    run carries chance of about the square root of the count, the mean of 10 a third of it.

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
    if not is_whole(repeats) or repeats < 1:
        raise ParameterError(f"repeats: {repeats!r} was given; it must be a whole number from 1")
    runs = [count_once(world, seed, repeat) for repeat in range(repeats)]
    mean = Counts(
        *(np.mean([getattr(run, part.name) for run in runs], axis=0) for part in fields(Counts))
    )
    table = pd.DataFrame(list(truth_rows(world, mean)), columns=COLUMNS)
    return table.astype({"outcome": "str", "touchpoint": "str"})


@dataclass(frozen=True)
class Counts:
    """Outcomes by kind in one repeat: as it happened, and lost without a touchpoint."""

    outcomes: Floats
    baseline_direct: Floats
    baseline: Floats
    direct: Floats
    total: Floats


def count_once(world: World, seed: int, repeat: int) -> Counts:
    """One factual run, and the reruns without each touchpoint."""
    points = draw_points(world, draw_population(world, seed), seed=seed, repeat=repeat)
    happened = decide(world, points).happened
    conversion = world.outcomes.get("conversion")
    met_in = happened
    if conversion and conversion.ends:
        # Facts are also the touches that would have followed, had the conversion not come.
        lasting = {**world.outcomes, "conversion": replace(conversion, ends=False)}
        met_in = decide(replace(world, outcomes=lasting), points).happened
    # Direct reruns need no candidates of touches, which are most of the points.
    facts = in_turns([points.where(met_in | (points.process < len(OUTCOMES)))])
    # The same events, in fewer turns.
    fact_happened = decide(world, facts).happened | (facts.process >= len(OUTCOMES))
    codes = [processes(world).index(name) for name in world.names]
    direct, total = np.zeros((2, len(codes), len(OUTCOMES)))
    for row, code in enumerate(codes):
        met = np.zeros(world.customers, bool)  # nobody else's history depends on the touchpoint
        met[facts.customer[fact_happened & (facts.process == code)]] = True
        was = count(facts.where(fact_happened & met[facts.customer]))
        left = met[facts.customer] & (facts.process != code)
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
        if name in world.outcomes:
            facts = points.where(left & (happened | (points.process == outcome)))
            again = decide(world, facts, only=outcome).happened
            counts[outcome] = count(facts.where(again))[outcome]
    return counts


def count(events: Points) -> Floats:
    codes = events.process[events.process < len(OUTCOMES)]
    return np.bincount(codes, minlength=len(OUTCOMES)).astype(float)


def truth_rows(world: World, counts: Counts) -> Iterator[tuple[Any, ...]]:
    """Rows of `COLUMNS`."""
    shown = [spec for spec in world.touchpoints if not spec.hidden]
    for number, outcome in enumerate(OUTCOMES):
        every = counts.outcomes[number]
        base = counts.baseline_direct[number], counts.baseline[number]
        for row, spec in enumerate(shown if outcome in world.outcomes else ()):
            brought = np.array([counts.direct[row, number], counts.total[row, number]])
            shares = brought / every if every else np.full(2, np.nan)
            effect = spec.effects.get(outcome, 0.0)
            ratio = float(np.exp(effect * respond(spec, 1.0)))
            yield (
                outcome,
                spec.name,
                *brought,
                *shares,
                every,
                *base,
                effect,
                ratio,
                spec.half_life_days,
            )


# --- The world of path models -------------------------------------------------------


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
    P = 1 - (1 - baseline) * product of (1 - power), where `powers` are the chances that meeting
    a touchpoint alone converts. Order and time do nothing. This does not show how a method copes
    with time, repetition or customers who were never watched.

    Returns the tables touches, outcomes and customers, and the truth: outcome, touchpoint,
    incremental_direct and incremental_total (equal here: journeys that would not have converted
    without it), outcomes, baseline (the same random numbers without touchpoints), power.

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
    who = ids(len(everyone), everyone)
    begins = START + everyone % DAYS * 24 * HOURS
    # Touchpoints not met sort last, so that ranks of the others count hours without gaps.
    rank = np.where(met, order, 2.0).argsort(axis=0).argsort(axis=0)
    touchpoint, customer = np.nonzero(met)
    touches = pd.DataFrame(
        {
            "customer_id": who[customer],
            "timestamp": begins[customer] + rank[touchpoint, customer] * HOURS,
            "touchpoint": named(touchpoint, names),
        }
    )
    outcomes = pd.DataFrame(
        {
            "customer_id": who[converted],
            "timestamp": (begins + met.sum(axis=0) * HOURS)[converted],
            "outcome": pd.array(["conversion"] * int(converted.sum()), dtype="str"),
        }
    )
    ends = START + (DAYS + 1) * 24 * HOURS
    customers = pd.DataFrame({"customer_id": who, "observed_from": START, "observed_to": ends})
    touches = touches.sort_values(["customer_id", "timestamp"], ignore_index=True)
    return {"touches": touches, "outcomes": outcomes, "customers": customers}


def path_truth(powers: Mapping[str, float], hits: Flags, alone: Flags) -> pd.DataFrame:
    """A touchpoint made the difference where it was the only one that worked."""
    only_one = (hits.sum(axis=0) == 1) & ~alone
    incremental = (hits & only_one).sum(axis=1).astype(float)
    return pd.DataFrame(
        {
            "outcome": "conversion",
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
    if not is_whole(customers) or customers < 1:
        raise ParameterError(
            f"customers: {customers!r} was given; it must be a whole number, 1 or more"
        )
    chances = {f"powers[{name!r}]": power for name, power in powers.items()}
    for name, chance in (chances | {"touch_chance": touch_chance, "baseline": baseline}).items():
        if not (is_number(chance) and 0 <= chance <= 1):
            raise ParameterError(
                f"{name}: {chance!r} was given; it must be a chance from 0 to 1; 0.1 is 10 %"
            )
