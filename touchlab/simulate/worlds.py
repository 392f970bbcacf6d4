"""Worlds that are ready: those of the scoreboard, and the sample company.

The company is an online shop with a membership, watched for one year: its settings are those of
`data/sample`. A further world, in which a whole journey decides at once, is
`touchlab.simulate.simulate_paths`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import ndtri

from touchlab.errors import ParameterError
from touchlab.simulate.tables import simulate
from touchlab.simulate.truth import true_effects
from touchlab.simulate.world import (
    Holdout,
    OutcomeSpec,
    SurveySpec,
    Synergy,
    TouchpointSpec,
    Trait,
    World,
)

HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 3.0, 3.0, 6.0, 1.5, 3.0, 5.0)
EFFECTS = (1.5, 0.0, 1.0, 0.6, 0.4, 0.0, 0.8, 1.2, 0.2, -0.2)
RATES = (0.006, 0.02, 0.012, 0.02, 0.015, 0.01, 0.006, 0.01, 0.02, 0.008)
CONVERSION = OutcomeSpec(0.0006, intent=1.0, ceiling=0.05)
ONCE = {"conversion": replace(CONVERSION, rate=0.003, ceiling=1.0, ends=True)}
LOGNORMAL = [round(float(np.exp(1.5 * ndtri((i + 0.5) / 500))), 3) for i in range(500)]
SEEKS = {"targets_intent": 0.8}
FOLLOWED = dict.fromkeys(("t1", "t2", "t5", "t7", "t8"), SEEKS | {"ceiling": 0.5})
"""Half of the touchpoints, strong, weak and idle ones."""

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    # Every sound method should be right.
    "random touches": ({}, {}),
    # The idle t1 follows touches of t0 and t2: last-touch credit goes to the follower.
    "observed history": (
        {},
        {"t1": {"rate": 0.01, "targets_history": {"t0": 1.0, "t2": 1.0}, "ceiling": 0.15}},
    ),
    # Three touchpoints seek customers who are about to buy; only an experiment helps.
    "hidden intent": (
        {"intent_half_life_days": 20.0},
        dict.fromkeys(("t1", "t2", "t7"), SEEKS),
    ),
    # The total effect of t3 is beyond its direct one.
    "induced touches": ({}, {"t3": {"induces": {"t0": 0.15, "t7": 0.15}}}),
    # t3 and t4 help each other, t2 and t6 stand in each other's way.
    "synergy": ({"synergies": (Synergy("t3", "t4", 1.2), Synergy("t2", "t6", -0.8))}, {}),
    # One customer in a hundred converts: intervals should be wide, not wrong.
    "rare outcomes": (
        {"outcomes": {"conversion": replace(CONVERSION, rate=0.00006, ceiling=0.005)}},
        {},
    ),
    # A 20 % experiment on two of the touchpoints that seek.
    "hidden intent with holdouts": (
        {
            "intent_half_life_days": 20.0,
            "holdouts": (Holdout("t2", share=0.2), Holdout("t7", share=0.2)),
        },
        dict.fromkeys(("t1", "t2", "t7"), SEEKS),
    ),
    # Touches end with the conversion, and half of them follow who the customer is.
    "constant intent": ({"days": 60, "outcomes": ONCE, "intent_spread": 1.0}, FOLLOWED),
    "intent drifts, 30 days": (
        {"days": 60, "outcomes": ONCE, "intent_spread": 1.0, "intent_half_life_days": 30.0},
        FOLLOWED,
    ),
    "intent drifts, 5 days": (
        {"days": 60, "outcomes": ONCE, "intent_spread": 1.0, "intent_half_life_days": 5.0},
        FOLLOWED,
    ),
    # A number known of each customer, half of them below 1 and some near 100, moves both.
    "heavy-tailed trait": (
        {
            "traits": (
                Trait(
                    "orders_before",
                    dict.fromkeys(LOGNORMAL, 1.0),
                    hazards={"conversion": {x: 0.6 * float(np.log1p(x)) for x in LOGNORMAL}},
                    touches={x: 0.3 * float(np.log1p(x)) for x in LOGNORMAL},
                ),
            ),
            "outcomes": {"conversion": replace(CONVERSION, ceiling=0.5)},
        },
        {},
    ),
    "one bot": ({"bot": {"t2": 15_000}}, {}),
    # Seldom enough t3 helps; t4 comes so often that it harms.
    "fatigue": (
        {},
        {
            "t3": {"rate": 0.15, "response": "fatigue"},
            "t4": {
                "rate": 0.9,
                "ceiling": 1.0,
                "response": "fatigue",
                "half_life_days": 8.0,
                "reach": 0.5,
            },
        },
    ),
    "delayed effect": ({}, {name: {"peak_days": 3.0} for name in ("t0", "t2", "t6", "t7")}),
    # Offers on fixed days, one of them to everybody, when the season is high.
    "waves": (
        {
            "season": (0.7, 1.4) * 6,
            "outcomes": {"conversion": replace(CONVERSION, seasonality=1.0)},
        },
        {
            "t0": {"sent_on": (40, 100, 160)},
            "t3": {"sent_on": (15, 45, 75, 105, 135, 165), "reach": 0.6},
            "t5": {"sent_on": (30, 90, 150)},
        },
    ),
    # As many buy, for ten times as much.
    "value only": (
        {"outcomes": {"conversion": replace(CONVERSION, value=40.0, value_spread=0.5)}},
        {
            name: {"cost": 0.2} | ({"value_effect": 3.32} if name == "t1" else {})
            for name in (f"t{number}" for number in range(10))
        },
    ),
    # Customers differ a good deal in how often they buy; touches come to all alike.
    "frailty": (
        {
            "intent_spread": 1.5,
            "outcomes": {"conversion": replace(CONVERSION, rate=0.001, ceiling=2.0)},
        },
        {},
    ),
}
"""By name, what is different from random touches: in the world, and by touchpoint.

Of t0 to t9 some are strong and some idle (t1, t5), some quick and some slow; t9 harms.
"""


def world_named(name: str, customers: int, days: int) -> World:
    """A world of `SETTINGS`."""
    of_world, of_touchpoints = SETTINGS[name]
    touchpoints = tuple(
        replace(
            TouchpointSpec(f"t{number}", rate, {"conversion": effect}, half_life),
            **of_touchpoints.get(f"t{number}", {}),
        )
        for number, (rate, effect, half_life) in enumerate(
            zip(RATES, EFFECTS, HALF_LIVES, strict=True)
        )
    )
    usual: dict[str, Any] = {
        "days": days,
        "outcomes": {"conversion": CONVERSION},
        "intent_spread": 0.7,
    }
    return World(touchpoints, customers, **(usual | of_world))


WORLDS: dict[str, Callable[[int, int], World]] = {
    name: partial(world_named, name) for name in SETTINGS
}
"""By name, functions of (customers, days)."""

# --- The sample company -------------------------------------------------------------

SEED = 2025
CUSTOMERS = 20_000
DAYS = 365
SEASON = (0.9, 0.88, 0.95, 0.98, 1.0, 0.95, 0.9, 0.88, 0.98, 1.05, 1.3, 1.6)
OUTCOMES = {
    "conversion": OutcomeSpec(
        0.0003, intent=1.0, repeat=1.1, seasonality=1.0, value=54.0, value_spread=0.5, ceiling=0.03
    ),
    "churn": OutcomeSpec(0.002, intent=-0.3, needs_conversion=True, ceiling=0.04),
    "referral": OutcomeSpec(0.0013, intent=0.3, needs_conversion=True, ceiling=0.03),
}
MAP = {
    "display": ("awareness", "display", "company", "be known", "out"),
    "social_ads": ("awareness", "social", "company", "be known", "out"),
    "paid_search": ("consideration", "search", "company", "be found", "in"),
    "retargeting": ("purchase", "display", "company", "bring back", "out"),
    "affiliate": ("consideration", "partner site", "partner", "be compared", "in"),
    "partner_review": ("consideration", "review site", "partner", "be trusted", "in"),
    "direct": ("consideration", "website", "customer", "inform", "in"),
    "email_newsletter": ("consideration", "email", "company", "stay in mind", "out"),
    "store_visit": ("purchase", "store", "company", "advise", "in"),
    "onboarding_call": ("retention", "phone", "company", "start well", "out"),
    "mobile_app_push": ("retention", "app", "company", "keep in use", "out"),
    "support_contact": ("retention", "phone", "customer", "solve problems", "in"),
    "referral_program": ("advocacy", "email", "company", "be recommended", "out"),
    "community_forum": ("advocacy", "community", "customer", "help each other", "in"),
    "trouble": ("consideration", "other", "company", "", "out"),
}
"""Stage, channel, owner, goal and direction of its touchpoints."""
COMES: dict[str, dict[str, Any]] = {
    "display": dict(
        rate=0.016,
        reach=0.7,
        seasonality=0.5,
        response="saturating",
        induces={"paid_search": 0.08, "direct": 0.06},
    ),
    "social_ads": dict(rate=0.012, reach=0.6, seasonality=0.5, induces={"direct": 0.05}),
    "paid_search": dict(rate=0.0035, targets_intent=0.5, ceiling=0.06, seasonality=0.7),
    "retargeting": dict(
        rate=0.003, targets_history={"direct": 1.0, "paid_search": 0.8}, ceiling=0.05
    ),
    "affiliate": dict(rate=0.003, reach=0.5),
    "partner_review": dict(rate=0.002, reach=0.6, targets_intent=0.3),
    "direct": dict(rate=0.007, targets_intent=0.6, ceiling=0.06, seasonality=0.5),
    "email_newsletter": dict(rate=0.027, reach=0.55),
    "store_visit": dict(rate=0.003, reach=0.4, targets_intent=0.3, seasonality=0.7, phase="during"),
    "onboarding_call": dict(rate=0.06, reach=0.8, phase="after", within_days=14.0, ceiling=0.3),
    "mobile_app_push": dict(rate=0.06, reach=0.6, phase="after", ceiling=0.3),
    "support_contact": dict(rate=0.0004, phase="after", ceiling=0.15),
    "referral_program": dict(rate=0.012, phase="after"),
    "community_forum": dict(rate=0.0, phase="after"),
    "trouble": dict(
        rate=0.005,
        phase="after",
        hidden=True,
        induces={"support_contact": 0.6},
        echo_half_life_days=3.0,
    ),
}
"""How often its touches come and to whom, and which touches they bring about."""
DOES: dict[str, tuple[dict[str, float], float]] = {
    "display": ({"conversion": 1.1}, 4.0),
    "social_ads": ({"conversion": 0.8}, 3.0),
    "paid_search": ({"conversion": 1.5}, 3.0),
    "affiliate": ({"conversion": 1.1}, 3.0),
    "partner_review": ({"conversion": 1.6}, 7.0),
    "direct": ({"conversion": 0.4}, 2.0),
    "email_newsletter": ({"conversion": 1.0, "churn": -0.4}, 5.0),
    "store_visit": ({"conversion": 2.0}, 4.0),
    "onboarding_call": ({"referral": 0.4}, 20.0),
    "mobile_app_push": ({"conversion": 0.4, "churn": -0.6}, 4.0),
    "support_contact": ({"churn": -0.5}, 7.0),
    "referral_program": ({"referral": 1.0}, 5.0),
    "trouble": ({"churn": 2.2}, 10.0),
}
"""Effects by outcome, and half-life in days; retargeting and the forum do nothing."""
COSTS: dict[str, tuple[float, tuple[str, ...]]] = {
    "display": (0.14, ("brand_spring", "brand_autumn")),
    "social_ads": (0.18, ("stories_h1", "stories_h2")),
    "paid_search": (0.48, ("brand_terms", "generic_terms")),
    "retargeting": (0.22, ("come_back",)),
    "affiliate": (0.4, ()),
    "email_newsletter": (0.012, ("winter_news", "spring_news", "summer_news", "christmas_news")),
    "store_visit": (1.8, ()),
    "onboarding_call": (6.5, ("welcome",)),
    "mobile_app_push": (0.004, ("tips_h1", "tips_h2")),
    "support_contact": (4.8, ()),
    "referral_program": (0.05, ("bring_a_friend",)),
}
"""Euro a touch, and campaigns."""
FEELS = {
    "paid_search": (0.1, 0.0),
    "direct": (0.2, 0.25),
    "email_newsletter": (-0.1, 0.05),
    "store_visit": (0.5, 0.25),
    "onboarding_call": (0.6, 0.15),
    "mobile_app_push": (0.0, 0.05),
    "support_contact": (-0.6, 0.25),
}
"""Quality of the experience, and its weight in the overall opinion."""
TRAITS = (
    Trait(
        "region",
        {"north": 0.3, "south": 0.35, "east": 0.2, "west": 0.15},
        hazards={"conversion": {"south": 0.1, "east": -0.1}},
    ),
    Trait(
        "segment",
        {"private": 0.6, "family": 0.28, "business": 0.12},
        hazards={"conversion": {"family": 0.3, "business": 0.5}},
        touches={"family": 0.1, "business": -0.15},
    ),
    Trait(
        "age_band",
        {"18-29": 0.22, "30-44": 0.33, "45-59": 0.27, "60+": 0.18},
        hazards={"conversion": {"30-44": 0.2, "60+": -0.3}, "churn": {"18-29": 0.3}},
        touches={"18-29": 0.15, "60+": -0.25},
    ),
    Trait(
        "plan",
        {"basic": 0.6, "plus": 0.3, "premium": 0.1},
        hazards={"churn": {"plus": -0.25, "premium": -0.5}, "referral": {"premium": 0.3}},
    ),
)
SURVEYS = (
    SurveySpec("direct", "ces", sent=0.06, answered=0.2),
    SurveySpec("store_visit", "csat", sent=0.4, answered=0.3),
    SurveySpec("onboarding_call", "csat", sent=0.8, answered=0.45),
    SurveySpec("support_contact", "csat", sent=0.7, answered=0.4),
    SurveySpec("support_contact", "ces", sent=0.7, answered=0.4),
    SurveySpec("mobile_app_push", "nps", sent=0.12, answered=0.35),
    SurveySpec("email_newsletter", "nps", sent=0.02, answered=0.15),
)


def company_world(customers: int = CUSTOMERS) -> World:
    """The settings of the sample company."""
    return World(
        touchpoints=tuple(company_touchpoint(name) for name in MAP),
        customers=customers,
        days=DAYS,
        outcomes=OUTCOMES,
        intent_spread=0.5,
        late_share=0.4,
        season=SEASON,
        holdouts=(
            Holdout("email_newsletter", share=0.25, start_day=31),
            Holdout("retargeting", share=0.3, start_day=90),
        ),
        traits=TRAITS,
        surveys=SURVEYS,
    )


def company_touchpoint(name: str) -> TouchpointSpec:
    """All that the tables above say of a touchpoint."""
    effects, half_life = DOES.get(name, ({}, 3.0))
    cost, campaigns = COSTS.get(name, (0.0, ()))
    quality, weight = FEELS.get(name, (0.0, 0.0))
    settings = dict(zip(("stage", "channel", "owner", "goal", "direction"), MAP[name], strict=True))
    return TouchpointSpec(
        name, effects=effects, half_life_days=half_life, cost=cost, campaigns=campaigns,
        quality=quality, weight=weight, **(COMES[name] | settings),
    )  # fmt: skip


WORDS = """# How the pages call what the data names
[names]
data = "a simulated company"
conversion = "order"
"""


def write_company(
    folder: str | Path, *, seed: int = SEED, customers: int = CUSTOMERS
) -> dict[str, Path]:
    """Write the sample company and its truth as Parquet files; return their paths by table.

    What pages call things is in `touchlab.toml` beside them.

    The defaults give `data/sample`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     paths = write_company(folder, customers=50)
    >>> list(paths)
    ['touches', 'outcomes', 'customers', 'surveys', 'touchpoints', 'experiments', 'truth']
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise ParameterError(f"folder: {place} is a file; give a folder, new or existing")
    tables = company_tables(seed=seed, customers=customers)
    place.mkdir(parents=True, exist_ok=True)
    paths = {name: place / f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        write_parquet(table, paths[name])
    (place / "touchlab.toml").write_text(WORDS, encoding="utf-8")
    return paths


def company_tables(*, seed: int = SEED, customers: int = CUSTOMERS) -> dict[str, pd.DataFrame]:
    """The six tables of the sample company, and `truth`."""
    world = company_world(customers)
    return simulate(world, seed=seed).tables | {"truth": true_effects(world, seed=seed)}


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Plain columns, no trace of a pandas index."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    plain = [
        pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type)
        for f in arrow.schema
    ]
    pq.write_table(arrow.cast(pa.schema(plain)), path, compression="zstd", compression_level=19)
