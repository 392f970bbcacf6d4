"""One hazard regression for conversion, churn and referral, with estimated half-lives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm
from scipy.special import expit

from touchlab.drivers.design import Controls
from touchlab.moments import Moments
from touchlab.replicates import GROUPS

Floats = npt.NDArray[np.float64]
SHRINKAGE = 2.0
"""Penalty per squared doubling of a half-life away from the common one."""
RIDGE = 0.02
"""Weak pull of log hazard ratios to 0 (a prior of sd 5): keeps separation finite."""
ANCHOR, USUAL_DAYS = 0.05, 4.0
"""Weak pull of every half-life to 4 days: where nothing has an effect, none is identified."""
LARGEST = 8.0
SATURATIONS = ("log", "exp")
MAX_STEPS, PRECISION = 60, 1e-5


@dataclass(frozen=True)
class Model:
    """What the fit is made of: moments, controls, saturation, which half-lives are free."""

    moments: Moments
    controls: Controls
    saturation: str
    fixed: Floats | None

    @property
    def touchpoints(self) -> int:
        return len(self.moments.touchpoints)

    @cached_property
    def saturated(self) -> Floats:
        """(touchpoints, half-lives, moments): exposure as it enters the log hazard."""
        exposure = self.moments.exposure
        if self.saturation == "log":
            return np.log1p(exposure, dtype=np.float32)
        return -np.expm1(-exposure, dtype=np.float32)

    @cached_property
    def offset(self) -> float:
        """The log odds at a hazard of one event a day."""
        return float(np.log(self.moments.days_each / self.moments.events_each))

    def exposures(self, log_half_lives: Floats) -> tuple[Floats, Floats]:
        """Read exposures between grid points, with their slope in the log2 half-life.

        Both of shape (touchpoints, moments).
        """
        grid = np.log2(self.moments.half_lives)
        place = np.clip(np.searchsorted(grid, log_half_lives, side="right") - 1, 0, len(grid) - 2)
        step = grid[place + 1] - grid[place]
        part = np.clip((log_half_lives - grid[place]) / step, 0.0, 1.0)[:, None]
        rows = np.arange(self.touchpoints)
        low, high = self.saturated[rows, place], self.saturated[rows, place + 1]
        return low + (high - low) * part, (high - low) / step[:, None]


@dataclass(frozen=True)
class Parameters:
    """Log hazard ratios, log2 half-lives and control coefficients, in one vector `packed`."""

    packed: Floats
    touchpoints: int

    @property
    def effects(self) -> Floats:
        return self.packed[: self.touchpoints]

    @property
    def log_half_lives(self) -> Floats:
        return self.packed[self.touchpoints : 2 * self.touchpoints]

    @property
    def controls(self) -> Floats:
        return self.packed[2 * self.touchpoints :]


def probability(model: Model, given: Parameters) -> tuple[Floats, Floats, Floats]:
    """Return the probability that each moment is an event, exposures and their slopes."""
    exposure, slope = model.exposures(given.log_half_lives)
    score = given.effects @ exposure + model.controls.matrix @ given.controls + model.offset
    return expit(score), exposure, slope


@dataclass(frozen=True)
class Tangent:
    """The model linearised at some parameters: what a Newton step and the replicates need."""

    design: Floats
    """(parameters, moments): slope of the log odds in each parameter."""
    probability: Floats
    loss: float
    penalty: Floats
    """(parameters, parameters): curvature of the penalties."""
    pull: Floats
    """(parameters,): slope of the penalties."""


def tangent(model: Model, given: Parameters) -> Tangent:
    """Linearise the penalised likelihood at `given`."""
    k, event = model.touchpoints, model.moments.table.event.to_numpy(float)
    p, exposure, slope = probability(model, given)
    design = np.concatenate([exposure, given.effects[:, None] * slope, model.controls.matrix.T])
    away = given.log_half_lives - given.log_half_lives.mean()
    off = given.log_half_lives - np.log2(USUAL_DAYS)
    likelihood = np.log(np.where(event == 1, p, 1 - p).clip(1e-300)).sum()
    loss = -likelihood + RIDGE * (given.effects**2).sum()
    loss += SHRINKAGE * (away**2).sum() + ANCHOR * (off**2).sum()
    penalty, pull = np.zeros((len(design), len(design))), np.zeros(len(design))
    lives = slice(k, 2 * k)
    penalty[:k, :k] = 2 * RIDGE * np.eye(k)
    penalty[lives, lives] = 2 * SHRINKAGE * (np.eye(k) - 1 / k) + 2 * ANCHOR * np.eye(k)
    pull[:k], pull[lives] = 2 * RIDGE * given.effects, 2 * SHRINKAGE * away + 2 * ANCHOR * off
    return Tangent(design, p, float(loss), penalty, pull)


def fit(model: Model) -> Parameters:
    """Maximise the penalised likelihood over effects, half-lives and controls at once.

    Damped Newton steps with the curvature of the linearised model: a handful of
    passes over the sample, where a quasi-Newton search took hundreds.
    """
    k, event = model.touchpoints, model.moments.table.event.to_numpy(float)
    free, (low, high) = _free(model), _bounds(model)
    packed = np.zeros(2 * k + model.controls.matrix.shape[1])
    packed[k : 2 * k] = np.log2(USUAL_DAYS if model.fixed is None else model.fixed)
    packed[2 * k] = np.log(event.mean() / (1 - event.mean())) - model.offset
    packed = packed.clip(low, high)
    now, damping = tangent(model, Parameters(packed, k)), 1e-3
    for _ in range(MAX_STEPS):
        weight = now.probability * (1 - now.probability)
        curvature = (now.design * weight) @ now.design.T + now.penalty
        slope = now.design @ (now.probability - event) + now.pull
        while damping < 1e8:
            system = curvature + damping * np.diag(np.diag(curvature) + 1e-9)
            step = np.zeros_like(packed)
            step[free] = np.linalg.solve(system[np.ix_(free, free)], slope[free])
            tried = (packed - step).clip(low, high)
            then = tangent(model, Parameters(tried, k))
            if then.loss <= now.loss:
                break
            damping *= 10
        else:
            break
        gained, packed, now, damping = now.loss - then.loss, tried, then, damping / 10
        if gained < PRECISION:
            break
    return Parameters(packed, k)


def leave_group_out(model: Model, given: Parameters) -> Floats:
    """Return the parameters without each customer group; shape (groups, parameters).

    One Newton step from the full fit, with each group's own share of score and
    curvature taken away: the fit itself need not be repeated 50 times.
    """
    k, event = model.touchpoints, model.moments.table.event.to_numpy(float)
    free, (low, high), now = _free(model), _bounds(model), tangent(model, given)
    weight = now.probability * (1 - now.probability)
    group = model.moments.table.group.to_numpy()
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(GROUPS + 1))
    curvature, score = [], []
    for g in range(GROUPS):
        rows = order[bounds[g] : bounds[g + 1]]
        own = now.design[:, rows]
        curvature.append((own * weight[rows]) @ own.T)
        score.append(own @ (event[rows] - now.probability[rows]))
    whole = np.sum(curvature, axis=0) + now.penalty
    replicates = np.repeat(given.packed[None], GROUPS, axis=0)
    for g in range(GROUPS):
        left = (whole - curvature[g])[np.ix_(free, free)]
        replicates[g, free] -= np.linalg.lstsq(left, score[g][free], rcond=None)[0]
    return replicates.clip(low, high)


def _free(model: Model) -> npt.NDArray[np.bool_]:
    k = model.touchpoints
    free = np.ones(2 * k + model.controls.matrix.shape[1], dtype=bool)
    free[k : 2 * k] = model.fixed is None
    return free


def _bounds(model: Model) -> tuple[Floats, Floats]:
    k, grid = model.touchpoints, np.log2(model.moments.half_lives)
    high = np.full(2 * k + model.controls.matrix.shape[1], np.inf)
    low = -high
    low[:k], high[:k] = -LARGEST, LARGEST
    low[k : 2 * k], high[k : 2 * k] = grid[0], grid[-1]
    return low, high


def regression(model: Model, given: Parameters) -> Any:
    """Refit with statsmodels at these half-lives: its results, clustered by customer."""
    exposure, _ = model.exposures(given.log_half_lives)
    names = [*model.moments.touchpoints, *model.controls.names]
    design = pd.DataFrame(np.column_stack([exposure.T, model.controls.matrix]), columns=names)
    table = model.moments.table
    binomial = sm.GLM(
        table.event.to_numpy(float),
        design,
        family=sm.families.Binomial(),
        offset=np.full(len(design), model.offset),
    )
    groups = pd.factorize(table.customer)[0]
    return binomial.fit(cov_type="cluster", cov_kwds={"groups": groups})
