"""The same questions on DuckDB, PostgreSQL and Spark: the same answers, to the last count."""

from __future__ import annotations

import re
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import load_postgres
from test_odd_input import ODD, Odd
from tiny import notes

import touchlab as tl
from touchlab import scoreboard
from touchlab.data.readers import KEPT, kept
from touchlab.journeys import describe
from touchlab.simulate import company_world, simulate

Case = Callable[[tl.Dataset], pd.DataFrame]

ROOT = Path(__file__).parents[1]
ENGINES = [
    pytest.param("postgres", marks=pytest.mark.slow),
    pytest.param("spark", marks=pytest.mark.slow),
]
ODD_NAME = """E-mail "B\\C", 50 % für's {x}"""
"""What a name may hold: quotes of both kinds, a backslash, a per cent sign, braces."""
FITTED: dict[tuple[int, str], Any] = {}


def company() -> dict[str, pd.DataFrame]:
    """Draw a small company whose touches come on the hour, so many at once, some of them twice.

    Names of touchpoints sort differently by byte and by language: "Store" comes before "ad"
    in Python and in DuckDB, after it in most databases.
    """
    made = simulate(company_world(customers=2000), seed=7)
    names = {"store_visit": "Store visit", "mobile_app_push": ODD_NAME}
    tables = {name: table.copy() for name, table in made.tables.items()}
    for table in tables.values():
        if "touchpoint" in table:
            table["touchpoint"] = table.touchpoint.replace(names)
    touches = tables["touches"]
    touches["timestamp"] = touches.timestamp.dt.floor("h")
    tables["touches"] = pd.concat([touches, touches.head(50)], ignore_index=True)
    return tables


def fitted(data: tl.Dataset, outcome: str) -> tl.Drivers:
    """Fit drivers once for all cases on the same data."""
    key = id(data), outcome
    if key not in FITTED:
        FITTED[key] = tl.fit_drivers(data, outcome=outcome)
    return FITTED[key]


def valued(data: tl.Dataset) -> tl.Lifetime:
    key = id(data), "lifetime"
    if key not in FITTED:
        FITTED[key] = tl.fit_lifetime(data)
    return FITTED[key]


def calibrated(data: tl.Dataset) -> pd.DataFrame:
    return tl.calibrate(fitted(data, "conversion"), tl.holdout_effects(data)).change


def opinion_drivers(data: tl.Dataset) -> pd.DataFrame:
    return tl.key_drivers(data, target="churn").table


CASES: dict[str, Case] = {
    "tables": lambda d: d.overview,
    "notes": lambda d: d.notes,
    "journeys": lambda d: describe.journey_overview(tl.build_journeys(d)),
    "journeys without repeats": lambda d: describe.journey_overview(
        tl.build_journeys(d, lookback=None, repeats="drop")
    ),
    "lengths": lambda d: describe.journey_lengths(tl.build_journeys(d)),
    "paths": lambda d: describe.common_paths(tl.build_journeys(d)),
    "use": lambda d: describe.touchpoint_use(tl.build_journeys(d)),
    "months": lambda d: describe.by_month(tl.build_journeys(d)),
    "ties": lambda d: pd.DataFrame({"n": [describe.tied_touches(tl.build_journeys(d))]}),
    "steps": lambda d: tl.transition_matrix(d),
    "times": lambda d: tl.time_to_outcome(d),
    "credit": lambda d: tl.attribute(d),
    "credit of value": lambda d: tl.attribute(
        d, models=["last_non_direct", "position", "time_decay", "markov_3"], measure="value"
    ),
    "credit by month": lambda d: tl.attribute(
        tl.build_journeys(d, by="month"), models=["last", "markov"]
    ),
    "credit by trait": lambda d: tl.attribute(
        tl.build_journeys(d, by="plan"), models=["last", "markov"]
    ),
    "credit by position": lambda d: tl.credit_by_position(d),
    "order": lambda d: tl.choose_order(d, max_order=2),
    "removal": lambda d: tl.removal_effects(d),
    "costs": lambda d: tl.touch_costs(d).to_frame(),
    "drivers": lambda d: fitted(d, "conversion").incremental(),
    "drivers of churn": lambda d: fitted(d, "churn").incremental(total=False),
    "drivers by segment": lambda d: fitted(d, "conversion").summary(by="plan"),
    "checks": lambda d: tl.check_drivers(d, fitted(d, "conversion")).table,
    "holdouts": lambda d: tl.holdout_effects(d, measure="value").table,
    "calibrated": calibrated,
    "cost per outcome": lambda d: tl.cost_per_incremental(fitted(d, "conversion")),
    "plan": lambda d: tl.reallocate(fitted(d, "conversion")).table,
    "survival": lambda d: tl.survival_curves(d),
    "survival by cohort": lambda d: tl.survival_curves(d, by="cohort"),
    "survival by first touch": lambda d: tl.survival_curves(d, by="first_touchpoint"),
    "survival by trait": lambda d: tl.survival_curves(d, by="plan"),
    "incidence": lambda d: tl.cumulative_incidence(d, outcomes=["churn", "referral"]),
    "cohorts": lambda d: tl.cohort_table(d),
    "hazard ratios": lambda d: tl.fit_cox(d).table,
    "touched": lambda d: tl.touched_survival(d, ODD_NAME).table,
    "inactivity": lambda d: tl.inactivity_rules(d, silent_days=[60, 120]),
    "churn by inactivity": lambda d: tl.with_inactivity_churn(d, silent_days=90).overview,
    "lifetime value": lambda d: valued(d).value(by="first_touchpoint"),
    "value by exposure": lambda d: tl.value_by_exposure(valued(d)),
    "renewals": lambda d: tl.fit_renewals(d).value(),
    "scores": lambda d: tl.survey_scores(d),
    "scores by month": lambda d: tl.survey_scores(d, by="month"),
    "scores by stage": lambda d: tl.survey_scores(d, by="stage", metric="scale"),
    "scores by trait": lambda d: tl.survey_scores(d, by="plan"),
    "responders": lambda d: tl.responders(d),
    "opinion": opinion_drivers,
    "after answers": lambda d: tl.scores_and_outcomes(d),
    "map": lambda d: tl.touchpoint_map(d),
    "audit": lambda d: tl.audit_map(d).table,
    "flow": lambda d: tl.stage_flow(d),
    "coverage": lambda d: tl.coverage_by_segment(d, by="plan"),
    "owners": lambda d: tl.touch_shares(d, by="owner"),
    "rare ones folded": lambda d: tl.attribute(tl.fold_rare(d, k=400), models=["last"]),
    "pseudonyms": lambda d: tl.attribute(tl.pseudonymise(d, key="k" * 16), models=["last"]),
    "shape": lambda d: scoreboard.shape_table(d),
}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return company()


@pytest.fixture(scope="module")
def embedded(tables: dict[str, pd.DataFrame]) -> tl.Dataset:
    return tl.open_data(tables)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def put(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Any]]:
    """Bring frames into the engine; returns what `open_data` takes."""
    if engine == "postgres":
        address = request.getfixturevalue("postgres")
        yield lambda frames, name: load_postgres(address, frames, name)
    else:
        session = request.getfixturevalue("spark")
        folder = tmp_path_factory.mktemp("spark")
        yield lambda frames, name: in_spark(session, frames, folder / name)


def in_spark(session: Any, frames: Mapping[str, pd.DataFrame], folder: Path) -> dict[str, Any]:
    """Give frames to Spark by files, so that times without a zone stay without one."""
    folder.mkdir()
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return {name: session.read.parquet(str(folder / f"{name}.parquet")) for name in frames}


@pytest.fixture(scope="module")
def there(put: Callable[..., Any], tables: dict[str, pd.DataFrame]) -> tl.Dataset:
    return tl.open_data(put(tables, "company"))


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Counts are the same; sums of floats come in another order, hence 1e-9."""
    pd.testing.assert_frame_equal(left, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_answers_are_those_of_duckdb(name: str, there: tl.Dataset, embedded: tl.Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tl.TouchlabWarning)
        assert_same(CASES[name](there), CASES[name](embedded))


ODD_FRAMES = [
    odd
    for odd in ODD
    if isinstance(odd.source, dict) and odd.kind in {"Times", "Repeats", "Names", "Units", "Shares"}
]


@pytest.mark.parametrize("odd", ODD_FRAMES, ids=lambda odd: f"{odd.kind}: {odd.given}")
def test_odd_input_is_told_alike(odd: Odd, put: Callable[..., Any]) -> None:
    source = put(odd.source, f"odd_{ODD.index(odd)}")
    if odd.refused:
        with pytest.raises(tl.DataError) as refused:
            tl.open_data(source)
        told = [re.sub(r"row [\d,]+, ", "", line) for line in odd.refused]  # rows have no order
        # Spark writes times without their zone
        found, told = (re.sub(r"(?<=:\d\d)\+00\b", "", "\n".join(x)) for x in (
            str(refused.value).splitlines()[1:], told
        ))  # fmt: skip
        assert found == told
        return
    data = tl.open_data(source)
    assert [n for n in notes(data) if "without a zone" not in n[2]] == list(odd.noted)
    if odd.gives:
        assert odd.gives(data) == odd.right


def test_types_of_a_warehouse(put: Callable[..., Any]) -> None:
    """Whole numbers as ids, zoned times, dates, decimals, true and false."""
    draw = np.random.default_rng(3)
    days = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(draw.random(600) * 80, unit="D")
    touches = pd.DataFrame(
        {
            "customer_id": draw.integers(-40, 10**9, 60)[draw.integers(0, 60, 600)],
            "timestamp": days.as_unit("us"),
            "touchpoint": draw.choice(["ad", "mail", "shop"], 600),
            "cost": draw.integers(0, 9, 600) / 4,
        }
    )
    bought = touches[::7].assign(timestamp=touches.timestamp + pd.Timedelta("9h"))
    people = pd.DataFrame({"customer_id": touches.customer_id.unique()})
    frames = {
        "touches": touches,
        "outcomes": bought[["customer_id", "timestamp"]].assign(outcome="conversion", value=2.5),
        "customers": people.assign(
            observed_from=pd.Timestamp("2025-12-31").date(),
            observed_to=pd.Timestamp("2026-04-01").date(),
            member=people.customer_id % 2 == 0,
            age=people.customer_id % 60,
        ),
    }
    there, here = tl.open_data(put(frames, "types")), tl.open_data(frames)
    # Ibis shows Spark's times, which are instants, without their zone
    told = there.notes[~there.notes.note.str.contains("without a zone")]
    assert_same(told.reset_index(drop=True), here.notes)
    for ask in (
        lambda d: tl.attribute(tl.build_journeys(d, by="member"), models=["linear", "markov"]),
        lambda d: tl.attribute(tl.build_journeys(d, by="age"), models=["last"]),
        lambda d: tl.fit_drivers(d).incremental(total=False),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tl.TouchlabWarning)
            assert_same(ask(there), ask(here))


def test_nothing_is_left_behind(there: tl.Dataset) -> None:
    """Tables kept for a question go with its answer, also where it fails in the middle."""
    journeys = tl.build_journeys(there)
    before = kept_tables(there)
    with kept(journeys.events, "events"):
        assert len(kept_tables(there) - before) == 1
    tl.attribute(journeys, models=["last"])
    tl.fit_drivers(there, outcome="referral")
    with pytest.raises(ZeroDivisionError), kept(journeys.events, "events"):
        raise ZeroDivisionError
    assert kept_tables(there) == before


def kept_tables(data: tl.Dataset) -> set[str]:
    """Name the temporary tables of a session, without the small ones brought into it."""
    backend = data.touches.get_backend()
    names = backend.list_tables()
    if backend.name == "postgres":
        query = "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()"
        names = [name for (name,) in backend.con.execute(query).fetchall()]
    return {name for name in names if name.startswith(KEPT)}


def test_extras_and_their_lock_name_the_same_drivers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {n for e in ("postgres", "spark", "lake") for n in project["optional-dependencies"][e]}
    listed = (ROOT / "locks" / "engines.in").read_text().splitlines()
    drivers = {line.replace("[sql-sqlite]", "") for line in listed if line and line[0] != "#"}
    # pyarrow comes with touchlab itself; the tests alone write a catalogue of Iceberg's
    own = {name for name in extras if not name.startswith("ibis-framework")} - {"pyarrow"}
    assert drivers - {"setuptools"} == own
