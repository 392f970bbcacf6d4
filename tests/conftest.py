"""Builders that several test files share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from touchlab.dataset import Dataset, open_data

START = pd.Timestamp("2026-03-01T00:00:00Z")
CLICKS = Path(__file__).parents[1] / ".." / "shared" / "data" / "clicks4campaigns.parquet"


def parse_events(journeys: Mapping[object, str]) -> dict[str, pd.DataFrame]:
    """Read ``{"ann": "search@0 email@2.5 *@3 *20@3"}`` as tables.

    A word is a touchpoint at a time: days since 2026-03-01, a duration (``1500us``) or
    an ISO time. ``*`` is an outcome, with its value where one follows.
    """
    touches, outcomes = [], []
    for customer, text in journeys.items():
        for name, _, time in (word.partition("@") for word in text.split()):
            when = _time(time)
            if name.startswith("*"):
                value = float(name[1:]) if name[1:] else None
                outcomes.append((customer, when, "conversion", value))
            else:
                touches.append((customer, when, name))
    columns = ["customer_id", "timestamp", "outcome", "value"]
    return {
        "touches": pd.DataFrame(touches, columns=["customer_id", "timestamp", "touchpoint"]),
        "outcomes": pd.DataFrame(outcomes, columns=columns).astype({"value": float}),
    }


def _time(text: str) -> pd.Timestamp:
    if re.fullmatch(r"[\d.]+", text):
        return START + pd.Timedelta(days=float(text))
    return pd.Timestamp(text) if "T" in text else START + pd.Timedelta(text)


@pytest.fixture(scope="session")
def open_events() -> Callable[..., Dataset]:
    """Open journeys written as text, with other tables beside them."""

    def open_them(journeys: Mapping[object, str], **tables: pd.DataFrame) -> Dataset:
        return open_data({**parse_events(journeys), **tables})

    return open_them


@pytest.fixture(scope="session")
def open_paths() -> Callable[..., Dataset]:
    """Open ``("a > b", conversions, null[, value])`` rows as a paths table."""

    def open_them(*rows: Sequence[object]) -> Dataset:
        columns = ["path", "conversions", "null", "value"][: len(rows[0])]
        return open_data({"paths": pd.DataFrame(rows, columns=columns)})

    return open_them


@pytest.fixture(scope="session")
def clicks() -> pd.DataFrame:
    """Ten thousand users with up to five clicks in four campaigns."""
    if not CLICKS.is_file():
        pytest.skip("the clicks4campaigns data is not beside the repository")
    return pd.read_parquet(CLICKS)
