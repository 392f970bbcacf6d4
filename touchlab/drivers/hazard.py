"""One hazard regression for conversion, churn and referral, with estimated half-lives."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm
from scipy.special import xlogy
from threadpoolctl import threadpool_limits

from touchlab.drivers.model import (
    Model,
    Parameters,
    Sets,
    blocks,
    chance,
    exposures_at,
    probability,
    products,
    some_of,
)
from touchlab.errors import TouchlabWarning
from touchlab.numeric import GROUPS, Floats

SHRINKAGE = 2.0
"""Penalty per squared doubling of a half-life away from the common one."""
RIDGE = 0.02
"""Weak pull of log hazard ratios to 0 (a prior of sd 5): keeps separation finite."""
PAIR_RIDGE = 0.5
"""Pull of synergies to 0 (a prior of sd 1)."""
CONTROL_RIDGE = 0.001
"""Pull of controls, which are scaled, to 0 (a prior of sd 22): a level without events."""
ANCHOR, USUAL_DAYS = 0.05, 4.0
"""Weak pull of every half-life to 4 days: where nothing has an effect, none is identified."""
LARGEST = 8.0
one_thread = threadpool_limits.wrap(limits=1)
"""Matrices are small: threads that wait for one another cost up to six times what they gain
as soon as another process (a second kernel) wants the cores."""
MAX_STEPS, PRECISION = 100, 1e-4
SMALLEST = 1e-6
ROUGH = 25_000
"""Moments of a first fit, from which the fit of a larger sample starts."""
LARGE = 100_000
"""Moments from which on leaving out a group is as good as linear."""


@dataclass(frozen=True)
class Tangent:
    """The model linearised at some parameters: what a Newton step and the replicates need."""

    design: Floats
    """(parameters, moments): slope of the log odds in each parameter."""
    probability: Floats
    event: Floats

    @property
    def weight(self) -> Floats:
        return self.probability * (1 - self.probability)

    @property
    def loss(self) -> float:
        """Minus the log likelihood."""
        p, event = self.probability, self.event
        found = xlogy(event, p.clip(1e-300)) + xlogy(1 - event, (1 - p).clip(1e-300))
        return -float(found.sum())

    @property
    def slope(self) -> Floats:
        """Of the loss in each parameter."""
        return self.design @ (self.probability - self.event)

    @property
    def curvature(self) -> Floats:
        """Of the loss, to first order; (parameters, parameters)."""
        root = self.design * np.sqrt(self.weight)
        return root @ root.T


def tangent(model: Model, given: Parameters) -> Tangent:
    """Linearise the likelihood at `given`."""
    p, exposure, slope = probability(model, given)
    bend = given.effects[:, None] * slope
    for (a, b), own in zip(model.pairs, given.synergies, strict=True):
        bend[a] += own * slope[a] * exposure[b]
        bend[b] += own * slope[b] * exposure[a]
    parts = [exposure, bend, model.controls.matrix.T, products(exposure, model.pairs)]
    return Tangent(np.concatenate(parts), p, model.event)


@dataclass(frozen=True)
class Sums:
    """The penalised likelihood at some parameters: what a Newton step needs."""

    curvature: Floats
    slope: Floats
    loss: float


def _sums(parts: Sequence[Model], given: Parameters) -> Sums:
    """Add up the loss over parts of the moments, and the penalties."""
    penalty, target = penalty_of(parts[0])
    pull = penalty @ (given.packed - target)
    curvature, slope, loss = penalty, pull, 0.5 * float(pull @ (given.packed - target))
    for part in parts:
        now = tangent(part, given)
        curvature, slope, loss = curvature + now.curvature, slope + now.slope, loss + now.loss
    return Sums(curvature, slope, loss)


def penalty_of(model: Model) -> tuple[Floats, Floats]:
    """Curvature of the penalties, and where they are least."""
    k, size, pairs = model.touchpoints, model.size, len(model.pairs)
    weight = np.full(size, 2 * CONTROL_RIDGE)
    weight[:k], weight[2 * k], weight[size - pairs :] = 2 * RIDGE, 0.0, 2 * PAIR_RIDGE
    penalty, target, lives = np.diag(weight), np.zeros(size), slice(k, 2 * k)
    penalty[lives, lives] = 2 * SHRINKAGE * (np.eye(k) - 1 / max(k, 1)) + 2 * ANCHOR * np.eye(k)
    target[lives] = np.log2(USUAL_DAYS)
    return penalty, target


@one_thread
def fit(model: Model, start: Floats | None = None) -> Parameters:
    """Maximise the penalised likelihood over effects, half-lives and controls at once.

    Damped Newton steps with the curvature of the linearised model [Levenberg 1944]: a
    handful of passes over the sample, where a quasi-Newton search took hundreds.
    `start` are packed parameters to begin at.
    """
    if start is None:
        step = len(model.event) // ROUGH
        rough = some_of(model, slice(None, None, step)) if step > 1 else None
        start = _start(model) if rough is None else fit(rough).packed
    packed = start.clip(*_bounds(model))
    parts = [some_of(model, rows) for rows in blocks(len(model.event))]
    now, damping = _sums(parts, model.parameters(packed)), 1e-3
    for _ in range(MAX_STEPS):
        while damping < 1e8:
            system = now.curvature + damping * np.diag(np.diag(now.curvature) + 1e-9)
            tried = _step(model, packed, system, now.slope)
            then = _sums(parts, model.parameters(tried))
            if then.loss <= now.loss:
                break
            damping *= 10
        else:  # no step gains: this is the optimum, to the precision of the sums
            return _settle(model, packed)
        gained, packed, now, damping = now.loss - then.loss, tried, then, damping / 10
        if gained < PRECISION:
            return _settle(model, packed)
    unfinished = f"drivers: the fit was still gaining {gained:.2g} after {MAX_STEPS} steps"
    warnings.warn(unfinished, TouchlabWarning, stacklevel=2)
    return _settle(model, packed)


def _step(model: Model, packed: Floats, system: Floats, slope: Floats) -> Floats:
    """Take a Newton step within the bounds; what pushes against its bound stays there."""
    low, high = _bounds(model)
    held = ((packed <= low) & (slope > 0)) | ((packed >= high) & (slope < 0))
    free = _free(model) & ~held
    tried = packed.copy()
    # the least weight of all: an intercept that no moment is left to tell
    system = system[np.ix_(free, free)] + SMALLEST * np.eye(free.sum())
    tried[free] -= np.linalg.solve(system, slope[free])
    return tried.clip(low, high)


def _settle(model: Model, packed: Floats) -> Parameters:
    """Move the intercept the last bit, until expected outcomes are the observed ones."""
    place, observed = 2 * model.touchpoints, model.event.sum()
    exposure = exposures_at(model, model.parameters(packed).log_half_lives)
    for _ in range(4):
        p = chance(model, model.parameters(packed), exposure)
        packed = packed.copy()
        packed[place] += (observed - p.sum()) / max((p * (1 - p)).sum(), 1e-12)
    return model.parameters(packed)


def _start(model: Model) -> Floats:
    event = model.event
    k, packed = model.touchpoints, np.zeros(model.size)
    packed[k : 2 * k] = np.log2(USUAL_DAYS if model.fixed is None else model.fixed)
    packed[2 * k] = np.log(event.mean() / (1 - event.mean())) - model.offset
    return packed


@one_thread
def leave_group_out(model: Model, given: Parameters) -> Floats:
    """Return the parameters without each customer group; shape (groups, parameters).

    Newton steps from the full fit with the curvature of the rest, kept for all steps: the
    first takes away the group's share of the score. In large samples that is enough; small
    ones bend more, and get two more steps (docs/decisions/0009).
    """
    near = [tangent(some_of(model, np.flatnonzero(model.group == g)), given) for g in range(GROUPS)]
    curvature = np.stack([own.curvature for own in near])
    score = np.stack([own.slope for own in near])
    penalty, target = penalty_of(model)
    left = curvature.sum(axis=0) + penalty - curvature
    slope = score.sum(axis=0) + penalty @ (given.packed - target) - score
    packed = _steps(model, np.repeat(given.packed[None], GROUPS, axis=0), left, slope)
    for _ in range(0 if len(model.event) > LARGE else 2):
        packed = _steps(model, packed, left, _slopes_without(model, packed))
    return packed


def _steps(model: Model, packed: Floats, systems: Floats, slopes: Floats) -> Floats:
    """Take a Newton step from each of several sets of parameters."""
    each = zip(packed, systems, slopes, strict=True)
    return np.stack([_step(model, *one) for one in each])


def _slopes_without(model: Model, packed: Floats) -> Floats:
    """Slope of the penalised loss in each parameter without each group; (groups, parameters)."""
    penalty, target = penalty_of(model)
    slopes = (packed - target) @ penalty
    for rows in blocks(len(model.event)):
        sets = Sets.of(model, packed, rows)
        rest = model.group[rows] != np.arange(GROUPS)[:, None]
        slopes += sets.slopes((sets.chances(model.offset) - model.event[rows]) * rest)
    return slopes


@one_thread
def clustered_errors(model: Model, given: Parameters) -> Floats:
    """Standard errors of the parameters, clustered by customer group: the sandwich."""
    free, now = _free(model), tangent(model, given)
    design, (penalty, _) = now.design[free], penalty_of(model)
    bread = np.linalg.pinv((now.curvature + penalty)[np.ix_(free, free)], hermitian=True)
    score = design * (now.event - now.probability)
    by_group = np.stack([np.bincount(model.group, row, GROUPS) for row in score])
    variance = GROUPS / (GROUPS - 1) * ((bread @ by_group) ** 2).sum(axis=1)
    errors = np.full(model.size, np.nan)
    errors[free] = np.sqrt(variance)
    return errors


def _free(model: Model) -> npt.NDArray[np.bool_]:
    free = np.ones(model.size, dtype=bool)
    free[model.touchpoints : 2 * model.touchpoints] = model.fixed is None
    return free


def _bounds(model: Model) -> tuple[Floats, Floats]:
    k, grid = model.touchpoints, np.log2(model.moments.half_lives)
    high = np.full(model.size, np.inf)
    high[:k], high[model.size - len(model.pairs) :] = LARGEST, LARGEST
    low = -high
    low[k : 2 * k], high[k : 2 * k] = grid[0], grid[-1]
    return low, high


def regression(model: Model, given: Parameters) -> Any:
    """Refit with statsmodels at these half-lives: its results, clustered by customer.

    Columns are named as the touchpoints, then as the controls, which say so where a
    touchpoint has that very name, then as pairs.
    """
    exposure, _ = model.exposures(given.log_half_lives)
    own = model.moments.touchpoints
    controls = [f"{n} (control)" if n in own else n for n in model.controls.names]
    pairs = [f"{own[a]} x {own[b]}" for a, b in model.pairs]
    parts = [exposure.T, model.controls.matrix, products(exposure, model.pairs).T]
    design = pd.DataFrame(np.column_stack(parts), columns=[*own, *controls, *pairs])
    table = model.moments.table
    binomial = sm.GLM(
        table.event.to_numpy(float),
        design,
        family=sm.families.Binomial(),
        offset=np.full(len(design), model.offset),
    )
    groups = pd.factorize(table.customer)[0]
    return binomial.fit(cov_type="cluster", cov_kwds={"groups": groups})


class Scorer:
    """Score tests of columns against one fitted model [Rao 1948]."""

    def __init__(self, model: Model, given: Parameters) -> None:
        now, (penalty, _) = tangent(model, given), penalty_of(model)
        self.design = now.design
        self.residual = now.event - now.probability
        self.weight = now.weight
        self.curvature = now.curvature + penalty
        self.group = model.group

    @one_thread
    def z(self, columns: Floats) -> Floats:
        """How far each column's score is from 0, in standard errors; `columns` (c, moments).

        The score is taken free of what the model's own parameters explain. Its variance is
        the larger of the model's and the one between groups of customers.
        """
        # lstsq: parameters that nothing depends on have zero rows
        explained = np.linalg.lstsq(
            self.curvature, self.design @ (self.weight * columns).T, rcond=None
        )[0]
        own = columns - explained.T @ self.design
        score = own * self.residual
        by_group = np.stack([np.bincount(self.group, row, GROUPS) for row in score])
        clustered = GROUPS / (GROUPS - 1) * (by_group**2).sum(axis=1)
        variance = np.maximum((own**2) @ self.weight, clustered)
        return score.sum(axis=1) / np.sqrt(np.maximum(variance, 1e-12))
