"""The worlds of the scoreboard: same touchpoints, one difficulty each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from touchlab.simulate.world import OutcomeSpec, Synergy, TouchpointSpec, World

CONVERSION_ONLY = {"conversion": OutcomeSpec(0.0006, intent=1.0, ceiling=0.05)}
RARE = {"conversion": OutcomeSpec(0.00006, intent=1.0, ceiling=0.005)}
HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 3.0, 3.0, 6.0, 1.5, 3.0, 5.0)
EFFECTS = (1.5, 0.0, 1.0, 0.6, 0.4, 0.0, 0.8, 1.2, 0.2, -0.2)
RATES = (0.006, 0.02, 0.012, 0.02, 0.015, 0.01, 0.006, 0.01, 0.02, 0.008)


def ten_touchpoints() -> tuple[TouchpointSpec, ...]:
    """t0 to t9: strong and idle ones (t1, t5), quick and slow ones, one that harms (t9)."""
    return tuple(
        TouchpointSpec(f"t{number}", rate, {"conversion": effect}, half_life)
        for number, (rate, effect, half_life) in enumerate(
            zip(RATES, EFFECTS, HALF_LIVES, strict=True)
        )
    )


def random_touches(customers: int, days: int) -> World:
    """Touches come at random: every sound method should be right."""
    return World(ten_touchpoints(), customers, days, CONVERSION_ONLY, intent_spread=0.7)


def observed_history(customers: int, days: int) -> World:
    """The idle t1 follows touches of t0 and t2: last-touch credit goes to the follower."""
    world = random_touches(customers, days)
    return changed(world, "t1", rate=0.01, targets_history={"t0": 1.0, "t2": 1.0}, ceiling=0.15)


def hidden_intent(customers: int, days: int) -> World:
    """t1, t2 and t7 seek customers who are about to buy, and intent drifts: nothing in the
    data tells. Only an experiment helps."""
    world = replace(random_touches(customers, days), intent_half_life_days=20.0)
    for name in ("t1", "t2", "t7"):
        world = changed(world, name, targets_intent=0.8)
    return world


def induced_touches(customers: int, days: int) -> World:
    """t3 brings touches of t0 and t7: its total effect is beyond its direct one."""
    return changed(random_touches(customers, days), "t3", induces={"t0": 0.15, "t7": 0.15})


def synergy(customers: int, days: int) -> World:
    """t3 and t4 help each other, t2 and t6 stand in each other's way."""
    pairs = (Synergy("t3", "t4", 1.2), Synergy("t2", "t6", -0.8))
    return replace(random_touches(customers, days), synergies=pairs)


def rare_outcomes(customers: int, days: int) -> World:
    """One customer in a hundred converts: intervals should be wide, not wrong."""
    return replace(random_touches(customers, days), outcomes=RARE)


WORLDS: dict[str, Callable[[int, int], World]] = {
    "random touches": random_touches,
    "observed history": observed_history,
    "hidden intent": hidden_intent,
    "induced touches": induced_touches,
    "synergy": synergy,
    "rare outcomes": rare_outcomes,
}
"""By name, functions of (customers, days). The seventh world, in which a whole journey
decides at once, is `touchlab.simulate.simulate_paths`."""


def changed(world: World, touchpoint: str, **settings: object) -> World:
    """The world with other settings of one touchpoint.

    Examples
    --------
    >>> changed(random_touches(100, 30), "t1", rate=0.5).touchpoints[1].rate
    0.5
    """
    return replace(
        world,
        touchpoints=tuple(
            replace(spec, **settings) if spec.name == touchpoint else spec  # type: ignore[arg-type]
            for spec in world.touchpoints
        ),
    )
