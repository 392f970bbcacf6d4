"""Drivers set for reading: short tables, beside credit, before and after experiments."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from touchlab.credit.attribute import attribute
from touchlab.data.customers import NO_TOUCH
from touchlab.data.dataset import Dataset
from touchlab.drivers import hazard
from touchlab.drivers.calibrate import CalibratedDrivers, calibrate
from touchlab.drivers.checks import Checks, check_drivers
from touchlab.drivers.design import build_controls
from touchlab.drivers.effects import removal
from touchlab.drivers.experiments import holdout_effects
from touchlab.drivers.fit import fit_drivers
from touchlab.drivers.model import Earlier, Model
from touchlab.drivers.result import Drivers, amounts
from touchlab.errors import DataError, MissingInput, TouchlabWarning
from touchlab.numeric import GROUPS, Floats
from touchlab.once import once

NO_EXPERIMENTS = (
    "No experiment stands behind these numbers. With a table of experiments (who was held "
    "out from which touchpoint), effects free of hidden intent would be shown here."
)
NOTHING_BROUGHT = (
    "What the touchpoints bring cannot be told from nothing. Credit shares out the outcomes all "
    "the same, so the two are not set side by side."
)


def fit(data: Dataset, *, outcome: str, seed: int) -> Drivers:
    """Fit the drivers, and bring them in line with experiments where there are any.

    Warnings are in the notes of the result, which `fit_notes` shows.
    """

    def fitted() -> Drivers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TouchlabWarning)
            return with_experiments(data, fit_drivers(data, outcome=outcome, seed=seed))

    return once(("drivers", outcome, seed), fitted, data=data)


def check(data: Dataset, drivers: Drivers) -> Checks:
    """How far the drivers can be trusted; see `check_drivers`."""
    moments, fitted = drivers.moments, drivers.parameters.packed.tobytes()
    asked = "checks", moments.risk.outcome, moments.seed, type(drivers).__name__, fitted
    return once(asked, lambda: check_drivers(data, drivers), data=data)


def with_experiments(data: Dataset, drivers: Drivers) -> Drivers:
    """Bring drivers in line with the experiments, where the data has any on this outcome."""
    if not data.has("experiments"):
        return drivers
    try:
        return calibrate(drivers, holdout_effects(data, outcome=drivers.moments.risk.outcome))
    except DataError:  # an arm without customers at risk of this outcome says nothing of it
        return drivers


def brief(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of `incremental` that a reader needs, largest first."""
    columns = ["touchpoint", "incremental", "ci_low", "ci_high", "share", "total"]
    more = ["hazard_ratio", "half_life_days", "badge", "n"]
    ordered = table.sort_values("incremental", ascending=False)
    return ordered[[c for c in [*columns, *more] if c in ordered.columns]]


def fit_notes(drivers: Drivers) -> pd.DataFrame:
    """Say what the regression saw: events, moments, customers, time at risk, troubles."""
    moments = drivers.moments
    drawn = int((moments.table.event == 0).sum())
    start = f"the first {moments.risk.after}" if moments.risk.after else "observation"
    rows = [
        ("outcomes", f"{moments.events:,.0f} {moments.risk.outcome}"),
        ("customers at risk", f"{moments.customers:,}, from {start} on"),
        ("time at risk", f"{moments.customer_days:,.0f} customer-days"),
        ("moments drawn", f"{drawn:,}, one for {moments.days_each:,.1f} customer-days"),
    ]
    if not moments.risk.recurrent:
        rows.append(("time at risk ends", f"with the {moments.risk.outcome}: nobody has it twice"))
    if not moments.windows_known:
        rows.append(("baseline", "leans on windows taken from the events: no customers table"))
    rows += [("note", text) for text in drivers.notes]
    return pd.DataFrame(rows, columns=["what", "seen"])


def beside_credit(
    data: Dataset, table: pd.DataFrame, *, outcome: str, lookback: str | None
) -> pd.DataFrame:
    """Set Markov credit beside incremental outcomes: ``touchpoint, credit, incremental``."""
    if not (table.ci_low > 0).any():
        raise MissingInput(NOTHING_BROUGHT)
    credit = attribute(data, outcome=outcome, lookback=lookback, models=["markov"])
    credit = credit[credit.touchpoint != NO_TOUCH][["touchpoint", "credit"]]
    return credit.merge(table[["touchpoint", "incremental"]], on="touchpoint")


def brief_checks(checks: Checks) -> pd.DataFrame:
    """The checks that decide the badge."""
    columns = ["touchpoint", "badge", "lead_ratio", "lead_low", "lead_high", "e_value", "present"]
    return checks.table[columns]


def warnings_by_name(checks: Checks) -> pd.DataFrame:
    """Touchpoints with a warning, and what it is; what holds for several comes last."""
    table = checks.table[checks.table.warning != ""][["touchpoint", "warning"]]
    several = pd.DataFrame({"touchpoint": "(several)", "warning": list(checks.notes)})
    if table.empty and several.empty:
        raise MissingInput("No check has anything to say against a touchpoint.")
    return pd.concat([table, several], ignore_index=True)


def experiments(data: Dataset, outcome: str) -> pd.DataFrame:
    """What the experiments say by themselves, with what they could have seen."""
    if not data.has("experiments"):
        raise MissingInput(NO_EXPERIMENTS)
    found = holdout_effects(data, outcome=outcome).table
    columns = ["touchpoint", "incremental", "ci_low", "ci_high", "rate_treated", "rate_holdout"]
    return found[[*columns, "n_treated", "n_holdout"]]


def before_and_after(drivers: Drivers) -> pd.DataFrame:
    """Incremental outcomes before and after calibration, with the experiment's weight."""
    if not isinstance(drivers, CalibratedDrivers):
        raise MissingInput("Nothing was calibrated: no experiment bears on this outcome.")
    columns = ["touchpoint", "before", "before_low", "before_high"]
    return drivers.change[[*columns, "after", "after_low", "after_high", "weight"]]


def by_month(drivers: Drivers) -> pd.DataFrame:
    """Incremental outcomes by month, as shares of the month's outcomes."""
    return drivers.incremental(by="month")


def by_segment(drivers: Drivers, segment: str) -> pd.DataFrame:
    """Incremental outcomes by the values of a trait."""
    traits = drivers.moments.traits
    if not segment:
        named = f"one of {', '.join(traits)}" if traits else "a trait of customers"
        raise MissingInput(f"No segment was asked for. Set the parameter “segment” to {named}.")
    table = drivers.incremental(by=segment)
    return table[["segment", "touchpoint", "incremental", "ci_low", "ci_high", "share"]]


def with_touch_rate(drivers: Drivers) -> pd.DataFrame:
    """Incremental outcomes without and with the long-run touch rate as a control."""
    own = drivers.incremental(total=False)
    table = own[["touchpoint", "incremental", "ci_low", "ci_high"]]
    return table.assign(with_touch_rate=_lost_beside_touch_rate(drivers))


def _lost_beside_touch_rate(drivers: Drivers) -> Floats:
    """Outcomes lost with each touchpoint, the fit without intervals."""
    moments, saturation = drivers.moments, drivers.model.saturation
    model = Model(moments, build_controls(moments, touch_rate=True), saturation, None)
    given, cells = hazard.fit(model).packed[None], np.ones((len(moments.table), 1))
    (lost,) = amounts(model, Earlier.of(model), given, np.ones((1, GROUPS)), removal, cells)
    return lost[:, 0]
