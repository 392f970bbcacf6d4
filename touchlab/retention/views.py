"""Retention set for reading: what notebooks show, and what they say where the data is thin."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.drivers import views
from touchlab.drivers.result import Drivers
from touchlab.errors import DataError, MissingInput, ParameterError, TouchlabWarning
from touchlab.retention.churn import with_inactivity_churn
from touchlab.retention.contracts import Renewals, fit_renewals
from touchlab.retention.cox import Cox, fit_cox
from touchlab.retention.landmark import TouchedSurvival, touched_survival
from touchlab.retention.lifetime import Lifetime, fit_lifetime
from touchlab.retention.validation import Validation, validate_lifetime

Answer = TypeVar("Answer")
CHURN = "churn"


def with_churn(data: Dataset, *, silent_days: int = 0, order: str = "conversion") -> Dataset:
    """Take churn as recorded; where it is not, or days are given, by inactivity.

    Parameters
    ----------
    data
        An opened Dataset.
    silent_days
        Days without an order that count as churn; 0 for churn as recorded, or for a number
        of days from the usual gaps between orders where none is recorded.
    order
        The outcome that shows that a customer is still there.
    """
    if not silent_days and records(data, CHURN):
        return data
    return told(
        lambda: with_inactivity_churn(data, silent_days=silent_days or None, activity=order)
    )


def with_times(data: Dataset) -> Dataset:
    """Give the data back if it has customers and times, which a paths table has not."""
    data.outcomes  # noqa: B018  raises what is missing
    return data


def about_churn(data: Dataset, given: Dataset) -> str:
    """Say what churn is here: recorded, or the rule it was inferred by."""
    if data is given:
        return "Churn is taken as it was recorded."
    rule = given.notes.note[given.notes.note.str.startswith("churn is ")].iloc[-1]
    return f"Churn is inferred: {rule}."


def drivers_of(data: Dataset, outcome: str, *, seed: int) -> Drivers:
    """Fit the drivers of an outcome; where it is not recorded, say what would be shown."""
    if not records(data, outcome):
        raise MissingInput(
            f"No {outcome} is recorded. With {outcome} among the outcomes, which touchpoints "
            "bring it, and how many would not have happened without them, would be shown here."
        )
    return told(lambda: views.fit(data, outcome=outcome, seed=seed))


def touched(data: Dataset, touchpoint: str, *, landmark_days: int) -> TouchedSurvival:
    """Compare customers touched and not touched; without a name, by what follows most starts."""
    name = touchpoint or _most_used(data)
    return told(lambda: touched_survival(data, name, landmark_days=landmark_days))


def cox_by_touchpoint(data: Dataset) -> Cox:
    """Fit Cox on all touchpoints: touched already against not yet."""
    return told(lambda: fit_cox(data))


def cox_table(cox: Cox) -> pd.DataFrame:
    """Hazard ratios of touchpoints, lowest first."""
    own = cox.table[cox.table.kind == "touchpoint"].rename(columns={"name": "touchpoint"})
    columns = ["touchpoint", "hazard_ratio", "ci_low", "ci_high", "p_proportional", "n"]
    return own.sort_values("hazard_ratio")[columns]


def lifetime(data: Dataset, *, order: str, seed: int) -> Lifetime:
    """Fit what customers will still order; troubles are in `.notes`."""
    return told(lambda: fit_lifetime(data, outcome=order, seed=seed))


def worth(
    fitted: Lifetime, horizon_days: float, discount_rate: float, by: str | None = None
) -> pd.DataFrame:
    """What customers are worth today, all together or by group."""
    return told(lambda: fitted.value(horizon_days=horizon_days, discount_rate=discount_rate, by=by))


def validation(data: Dataset, *, order: str, seed: int) -> Validation:
    """Hold the prediction of orders against weeks that the model has not seen."""
    try:
        return told(lambda: validate_lifetime(data, outcome=order, seed=seed))
    except ParameterError as short:  # no weeks are left to predict
        raise MissingInput(str(short)) from short


def renewals(data: Dataset, *, period_days: float, seed: int) -> Renewals:
    """Fit contracts on recorded churn."""
    return told(lambda: fit_renewals(data, period_days=period_days, seed=seed))


def records(data: Dataset, outcome: str) -> bool:
    """Say whether the data has any such outcome."""
    own = data.outcomes
    return bool(own.filter(own.outcome == outcome).count().to_pyarrow().as_py())


def told(make: Callable[[], Answer]) -> Answer:
    """Let data that is too thin for a question be a note, and warnings be part of its notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TouchlabWarning)
        try:
            return make()
        except MissingInput:
            raise
        except DataError as problem:
            raise MissingInput(str(problem)) from problem


def _most_used(data: Dataset) -> str:
    counts = data.touches.group_by("touchpoint").aggregate(n=data.touches.customer_id.nunique())
    table = counts.to_pandas().sort_values(["n", "touchpoint"], ascending=[False, True])
    return str(table.touchpoint.iloc[0])
