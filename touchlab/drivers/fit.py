"""Fit the drivers of an outcome and answer from them in tidy frames."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.drivers import effects
from touchlab.drivers.design import build_controls
from touchlab.drivers.hazard import (
    SATURATIONS,
    Model,
    Parameters,
    fit,
    leave_group_out,
    probability,
    regression,
)
from touchlab.errors import ParameterError, TouchlabWarning
from touchlab.moments import Moments, sample_moments
from touchlab.replicates import GROUPS, interval, jackknife

Floats = npt.NDArray[np.float64]
Quantity = Callable[[Floats, Floats, Floats], Floats]
FEW_EVENTS = 30
FEW_MOMENTS = 50
ALIKE = 0.95
EXTREME = 5.0


@dataclass(frozen=True)
class Drivers:
    """A fitted hazard regression; ask it `.incremental()`, `.baseline`, `.hazard_ratios`."""

    model: Model
    parameters: Parameters
    replicates: Floats
    notes: tuple[str, ...]

    @property
    def moments(self) -> Moments:
        return self.model.moments

    @cached_property
    def regression(self) -> Any:
        """statsmodels results at the estimated half-lives, clustered by customer."""
        return regression(self.model, self.parameters)

    @cached_property
    def hazard_ratios(self) -> pd.DataFrame:
        """Hazard just after one first touch over hazard without it, and half-lives.

        Columns: touchpoint, hazard_ratio, ci_low, ci_high, half_life_days,
        half_life_low, half_life_high, n (touches).
        """
        k = self.model.touchpoints
        one = np.log(2.0) if self.model.saturation == "log" else 1 - np.exp(-1.0)
        low, high = self._interval(self.parameters.effects, self.replicates[:, :k])
        life_low, life_high = self._interval(
            self.parameters.log_half_lives, self.replicates[:, k : 2 * k]
        )
        grid = np.log2(self.moments.half_lives)
        return pd.DataFrame(
            {
                "touchpoint": self.moments.touchpoints,
                "hazard_ratio": np.exp(one * self.parameters.effects),
                "ci_low": np.exp(one * low),
                "ci_high": np.exp(one * high),
                "half_life_days": 2**self.parameters.log_half_lives,
                "half_life_low": 2 ** life_low.clip(grid[0], grid[-1]),
                "half_life_high": 2 ** life_high.clip(grid[0], grid[-1]),
                "n": self.moments.touches.to_numpy(),
            }
        )

    @cached_property
    def baseline(self) -> pd.DataFrame:
        """Outcomes expected without any touchpoint: outcome, baseline, share, ci_low, ci_high, n."""
        low, high, point = self._with_interval(effects.baseline, self._one_cell)
        n = self.moments.events
        return pd.DataFrame(
            {
                "outcome": [self.moments.risk.outcome],
                "baseline": point[0],
                "share": point[0] / n,
                "ci_low": low[0].clip(min=0),
                "ci_high": high[0],
                "n": n,
            }
        )

    def incremental(self, *, by: str | None = None) -> pd.DataFrame:
        """Outcomes that would not have happened without each touchpoint.

        Parameters
        ----------
        by
            ``"month"`` or a trait of ``customers``; None for all together.

        Returns
        -------
        pandas.DataFrame
            A row a touchpoint: ``[segment], touchpoint, incremental, share, ci_low,
            ci_high, fair_share, hazard_ratio, half_life_days, n``. `incremental` is
            the direct effect of removal over the observed time at risk, in outcomes,
            with its interval; `share` of all outcomes; `fair_share` the Shapley
            share, which with the baseline adds up to all outcomes; `n` touches.
        """
        names, cells = self._cells(by)
        low, high, point = self._with_interval(effects.removal, cells)
        fair = self._evaluate(effects.fair_shares, self.parameters, cells, None)
        outcomes = self._evaluate(
            lambda mu, _, c: (mu @ c)[None], self.parameters, cells, None
        )[0]
        ratios = self.hazard_ratios
        frames = [
            pd.DataFrame(
                {
                    "segment": name,
                    "touchpoint": ratios.touchpoint,
                    "incremental": point[:, i],
                    "share": point[:, i] / outcomes[i],
                    "ci_low": low[:, i],
                    "ci_high": high[:, i],
                    "fair_share": fair[:, i],
                    "hazard_ratio": ratios.hazard_ratio,
                    "half_life_days": ratios.half_life_days,
                    "n": ratios.n,
                }
            )
            for i, name in enumerate(names)
        ]
        table = pd.concat(frames, ignore_index=True)
        return table if by is not None else table.drop(columns="segment")

    @property
    def _one_cell(self) -> Floats:
        return np.ones((len(self.moments.table), 1))

    def _cells(self, by: str | None) -> tuple[list[str], Floats]:
        if by is None:
            return ["all"], self._one_cell
        table = self.moments.table
        if by == "month":
            time = self.moments.origin + pd.to_timedelta(table.day, unit="D")
            label = time.dt.strftime("%Y-%m")
        elif by in self.moments.traits:
            label = table[by].astype("string").fillna("(unknown)")
        else:
            allowed = ", ".join(["month", *self.moments.traits])
            raise ParameterError(f"by: {by!r} is not a trait of customers\n  use one of: {allowed}")
        names = sorted(label.unique())
        return names, np.column_stack([(label == name).to_numpy(float) for name in names])

    def _evaluate(
        self, quantity: Quantity, given: Parameters, cells: Floats, without: int | None
    ) -> Floats:
        p, exposure, _ = probability(self.model, given)
        expected = p * self.moments.events_each
        if without is not None:
            rest = self.moments.table.group.to_numpy() != without
            expected = expected * rest * GROUPS / (GROUPS - 1)
        return quantity(expected, given.effects[:, None] * exposure, cells)

    def _with_interval(self, quantity: Quantity, cells: Floats) -> tuple[Floats, Floats, Floats]:
        k = self.model.touchpoints
        point = self._evaluate(quantity, self.parameters, cells, None)
        replicates = np.stack(
            [
                self._evaluate(quantity, Parameters(packed, k), cells, g)
                for g, packed in enumerate(self.replicates)
            ]
        )
        low, high = self._interval(point, replicates)
        return low, high, point

    def _interval(self, point: Floats, replicates: Floats) -> tuple[Floats, Floats]:
        return interval(point, *jackknife(point, replicates))


def fit_drivers(
    data: Dataset | Moments,
    *,
    outcome: str = "conversion",
    half_lives: Mapping[str, float] | None = None,
    saturation: str = "log",
    traits: bool = True,
    touch_rate: bool = False,
    seed: int = 1,
) -> Drivers:
    """Estimate which touchpoints change the rate of an outcome, and for how long.

    It answers what would not have happened without a touchpoint, for touches that come
    at random given what the data shows: time at risk, calendar, traits, earlier outcomes
    and the other touches. Touches aimed at an intent that nothing shows look better than
    they are; only an experiment corrects that.

    Parameters
    ----------
    data
        An opened Dataset, or moments already sampled.
    outcome
        A name in ``outcomes.outcome``. Risk of churn and referral starts at the first
        conversion; churn ends all risk.
    half_lives
        Days by touchpoint, to hold them fixed; None estimates them, shrunk towards a
        common one.
    saturation
        How exposure A enters the log hazard: ``"log"`` as log(1 + A), ``"exp"`` as
        1 - exp(-A).
    traits
        Whether traits of customers are controlled for.
    touch_rate
        Adds the customer's long-run rate of touches as a stand-in for intent.
    seed
        Of the sample of moments.

    Returns
    -------
    Drivers
        With ``.incremental()``, ``.baseline``, ``.hazard_ratios``, ``.regression``, ``.notes``.

    Raises
    ------
    ParameterError, DataError
        For unknown names, and where nobody is at risk or nothing happens.

    Notes
    -----
    Case-base sampling [Hanley & Miettinen 2009]; exposure A = sum of 0.5^(age / half-life).

    Examples
    --------
    >>> import touchlab as tl
    >>> drivers = tl.fit_drivers(tl.open_data("data/sample"), outcome="churn")
    >>> drivers.incremental().columns.tolist()[:5]
    ['touchpoint', 'incremental', 'share', 'ci_low', 'ci_high']
    """
    if saturation not in SATURATIONS:
        raise ParameterError(f"saturation: {saturation!r} is not a choice\n  use 'log' or 'exp'")
    moments = data if isinstance(data, Moments) else sample_moments(data, outcome=outcome, seed=seed)
    controls = build_controls(moments, touch_rate=touch_rate, traits=traits)
    model = Model(moments, controls, saturation, _fixed(moments, half_lives))
    parameters = fit(model)
    troubles = _troubles(model, parameters)
    for trouble in troubles:
        warnings.warn(trouble, TouchlabWarning, stacklevel=2)
    notes = (*controls.notes, *troubles)
    return Drivers(model, parameters, leave_group_out(model, parameters), notes)


def _fixed(moments: Moments, half_lives: Mapping[str, float] | None) -> Floats | None:
    if half_lives is None:
        return None
    missing = [t for t in moments.touchpoints if t not in half_lives]
    if missing:
        raise ParameterError(
            f"half_lives: none given for {', '.join(missing[:5])}\n"
            "  give days for every touchpoint, or None to estimate them"
        )
    low, high = moments.half_lives[0], moments.half_lives[-1]
    given = np.array([float(half_lives[t]) for t in moments.touchpoints])
    if not ((given >= low) & (given <= high)).all():
        raise ParameterError(f"half_lives: give days from {low:g} to {high:g}")
    return given


def _troubles(model: Model, given: Parameters) -> list[str]:
    """Name statistical trouble that leaves a usable result."""
    moments, found = model.moments, []
    exposure, _ = model.exposures(given.log_half_lives)
    event = moments.table.event.to_numpy() == 1
    if event.sum() < FEW_EVENTS:
        found.append(f"few events: {int(event.sum())} {moments.risk.outcome}; intervals are rough")
    touched = exposure > 0.05
    for name, own in zip(moments.touchpoints, touched, strict=True):
        if own.sum() < FEW_MOMENTS:
            found.append(f"{name}: hardly ever present at a moment at risk; its effect is a guess")
        elif own.mean() > 0.95:
            found.append(f"{name}: nearly always present; its effect leans on how recent it is")
    for name, effect in zip(moments.touchpoints, given.effects, strict=True):
        if abs(effect) > EXTREME:
            found.append(f"{name}: nearly separates outcomes from the rest; effect is held finite")
    spread = exposure.std(axis=1)
    alike = np.corrcoef(exposure[spread > 0]) if (spread > 0).sum() > 1 else np.eye(1)
    names = np.array(moments.touchpoints)[spread > 0]
    for i, j in zip(*np.where(np.triu(np.atleast_2d(alike), 1) > ALIKE), strict=True):
        found.append(f"{names[i]} and {names[j]} come together: their effects cannot be told apart")
    return found
