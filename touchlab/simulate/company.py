"""The sample company: an online shop with a membership, one year, its truth known.

Settings only; `touchlab.simulate.company` writes them out as `data/sample`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from touchlab.errors import ParameterError
from touchlab.simulate.tables import simulate
from touchlab.simulate.truth import true_effects
from touchlab.simulate.world import (
    Holdout,
    OutcomeSpec,
    SurveySpec,
    TouchpointSpec,
    Trait,
    World,
)

SEED = 2025
CUSTOMERS = 20_000
DAYS = 365

OUTCOMES = {
    "conversion": OutcomeSpec(
        0.0003,
        intent=1.0,
        repeat=1.1,
        seasonality=1.0,
        value=54.0,
        value_spread=0.5,
        ceiling=0.03,
    ),
    "churn": OutcomeSpec(0.002, intent=-0.3, needs_conversion=True, ceiling=0.04),
    "referral": OutcomeSpec(0.0013, intent=0.3, needs_conversion=True, ceiling=0.03),
}

ADVERTISING = (
    TouchpointSpec(
        "display",
        rate=0.016,
        reach=0.7,
        effects={"conversion": 1.1},
        half_life_days=4.0,
        response="saturating",
        induces={"paid_search": 0.08, "direct": 0.06},
        seasonality=0.5,
        stage="awareness",
        channel="display",
        goal="be known",
        cost=0.14,
        campaigns=("brand_spring", "brand_autumn"),
    ),
    TouchpointSpec(
        "social_ads",
        rate=0.012,
        reach=0.6,
        effects={"conversion": 0.8},
        half_life_days=3.0,
        induces={"direct": 0.05},
        seasonality=0.5,
        stage="awareness",
        channel="social",
        goal="be known",
        cost=0.18,
        campaigns=("stories_h1", "stories_h2"),
    ),
    TouchpointSpec(
        "paid_search",
        rate=0.0035,
        effects={"conversion": 1.5},
        half_life_days=3.0,
        targets_intent=0.5,
        ceiling=0.06,
        seasonality=0.7,
        stage="consideration",
        channel="search",
        goal="be found",
        direction="in",
        cost=0.48,
        campaigns=("brand_terms", "generic_terms"),
        quality=0.1,
    ),
    TouchpointSpec(
        "retargeting",
        rate=0.003,
        targets_history={"direct": 1.0, "paid_search": 0.8},
        ceiling=0.05,
        stage="purchase",
        channel="display",
        goal="bring back",
        cost=0.22,
        campaigns=("come_back",),
    ),
)

PARTNERS = (
    TouchpointSpec(
        "affiliate",
        rate=0.003,
        reach=0.5,
        effects={"conversion": 1.1},
        half_life_days=3.0,
        stage="consideration",
        channel="partner site",
        owner="partner",
        goal="be compared",
        direction="in",
        cost=0.4,
    ),
    TouchpointSpec(
        "partner_review",
        rate=0.002,
        reach=0.6,
        effects={"conversion": 1.6},
        half_life_days=7.0,
        targets_intent=0.3,
        stage="consideration",
        channel="review site",
        owner="partner",
        goal="be trusted",
        direction="in",
    ),
)

OWN_SITES = (
    TouchpointSpec(
        "direct",
        rate=0.007,
        effects={"conversion": 0.4},
        half_life_days=2.0,
        targets_intent=0.6,
        ceiling=0.06,
        seasonality=0.5,
        stage="consideration",
        channel="website",
        owner="customer",
        goal="inform",
        direction="in",
        quality=0.2,
        weight=0.25,
    ),
    TouchpointSpec(
        "email_newsletter",
        rate=0.027,
        reach=0.55,
        effects={"conversion": 1.0, "churn": -0.4},
        half_life_days=5.0,
        stage="consideration",
        channel="email",
        goal="stay in mind",
        cost=0.012,
        campaigns=("winter_news", "spring_news", "summer_news", "christmas_news"),
        quality=-0.1,
        weight=0.05,
    ),
    TouchpointSpec(
        "store_visit",
        rate=0.003,
        reach=0.4,
        effects={"conversion": 2.0},
        half_life_days=4.0,
        targets_intent=0.3,
        seasonality=0.7,
        phase="during",
        stage="purchase",
        channel="store",
        goal="advise",
        direction="in",
        cost=1.8,
        quality=0.5,
        weight=0.25,
    ),
)

CARE = (
    TouchpointSpec(
        "onboarding_call",
        rate=0.06,
        reach=0.8,
        effects={"referral": 0.4},
        half_life_days=20.0,
        phase="after",
        within_days=14.0,
        ceiling=0.3,
        stage="retention",
        channel="phone",
        goal="start well",
        cost=6.5,
        campaigns=("welcome",),
        quality=0.6,
        weight=0.15,
    ),
    TouchpointSpec(
        "mobile_app_push",
        rate=0.06,
        reach=0.6,
        effects={"conversion": 0.4, "churn": -0.6},
        half_life_days=4.0,
        phase="after",
        ceiling=0.3,
        stage="retention",
        channel="app",
        goal="keep in use",
        cost=0.004,
        campaigns=("tips_h1", "tips_h2"),
        weight=0.05,
    ),
    TouchpointSpec(
        "support_contact",
        rate=0.0004,
        effects={"churn": -0.5},
        half_life_days=7.0,
        phase="after",
        ceiling=0.15,
        stage="retention",
        channel="phone",
        owner="customer",
        goal="solve problems",
        direction="in",
        cost=4.8,
        quality=-0.6,
        weight=0.25,
    ),
    TouchpointSpec(
        "referral_program",
        rate=0.012,
        effects={"referral": 1.0},
        half_life_days=5.0,
        phase="after",
        stage="advocacy",
        channel="email",
        goal="be recommended",
        cost=0.05,
        campaigns=("bring_a_friend",),
    ),
    TouchpointSpec(
        "community_forum",
        rate=0.0,
        phase="after",
        stage="advocacy",
        channel="community",
        owner="customer",
        goal="help each other",
        direction="in",
    ),
    TouchpointSpec(
        "trouble",
        rate=0.005,
        effects={"churn": 2.2},
        half_life_days=10.0,
        induces={"support_contact": 0.6},
        echo_half_life_days=3.0,
        phase="after",
        hidden=True,
    ),
)

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
        hazards={
            "churn": {"plus": -0.25, "premium": -0.5},
            "referral": {"premium": 0.3},
        },
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

SEASON = (0.9, 0.88, 0.95, 0.98, 1.0, 0.95, 0.9, 0.88, 0.98, 1.05, 1.3, 1.6)


def company_world(customers: int = CUSTOMERS) -> World:
    """The settings of the sample company.

    Examples
    --------
    >>> company_world(customers=100).days
    365
    """
    return World(
        touchpoints=(*ADVERTISING, *PARTNERS, *OWN_SITES, *CARE),
        customers=customers,
        days=DAYS,
        outcomes=OUTCOMES,
        start="2025-01-01",
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


def write_company(
    folder: str | Path, *, seed: int = SEED, customers: int = CUSTOMERS
) -> dict[str, Path]:
    """Write the sample company and its truth as Parquet files.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there; files of the same names are replaced.
    seed, customers : int
        The defaults give `data/sample`.

    Returns
    -------
    dict of Path
        By table: the six of the data contract and `truth`, which is not part of it.

    Raises
    ------
    ParameterError
        If `folder` is a file, or `seed` or `customers` is out of range.

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
    return paths


def company_tables(*, seed: int = SEED, customers: int = CUSTOMERS) -> dict[str, pd.DataFrame]:
    """The six tables of the sample company, and `truth`."""
    world = company_world(customers)
    truth = true_effects(world, seed=seed)
    return simulate(world, seed=seed).tables | {"truth": truth}


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Plain columns, no trace of a pandas index."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    texts = [pa.field(f.name, pa.string() if is_text(f.type) else f.type) for f in arrow.schema]
    pq.write_table(arrow.cast(pa.schema(texts)), path, compression="zstd", compression_level=19)


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_string(kind))
