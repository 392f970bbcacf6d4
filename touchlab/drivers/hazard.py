"""Fitting the hazard: effects, half-lives and controls at once, whole and without each group."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm
from scipy.special import xlogy

from touchlab.drivers.model import (
    USUAL_DAYS,
    Model,
    Parameters,
    Rows,
    Sets,
    blocks,
    chance,
    products,
    some_of,
)
from touchlab.errors import TouchlabWarning
from touchlab.numeric import GROUPS, Floats, one_thread

Flags = npt.NDArray[np.bool_]
Curve = tuple[Floats, Floats, float]
"""Curvature, slope and value of a loss at some parameters."""
Curves = Callable[[Floats], Curve]
RIDGE = 0.02
"""Weak pull of log hazard ratios to 0 (a prior of sd 5): keeps separation finite."""
PAIR_RIDGE = 0.5
"""Pull of synergies to 0 (a prior of sd 1)."""
CONTROL_RIDGE = 0.001
"""Pull of controls, which are scaled, to 0 (a prior of sd 22): a level without events."""
ANCHOR = 0.05
"""Weak pull of every half-life to 4 days: where nothing has an effect, none is identified."""
TIE = 1e5
"""Pull of twins to one effect and one half-life."""
KNOWN = 2.0
"""What is known of how far half-lives differ before any data: as if from so many touchpoints, an
sd of one doubling."""
ROUNDS, SETTLED = 5, 0.1
LARGEST = 8.0
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
        return float(log_loss(self.event, self.probability, 1e-300).sum())

    @property
    def slope(self) -> Floats:
        """Of the loss in each parameter."""
        return self.design @ (self.probability - self.event)

    @property
    def curvature(self) -> Floats:
        """Of the loss, to first order; (parameters, parameters)."""
        root = self.design * np.sqrt(self.weight)
        return root @ root.T


def log_loss(event: Floats, p: Floats, least: float = 1e-12) -> Floats:
    """Minus the log likelihood of each moment, in nats."""
    return -xlogy(event, p.clip(least)) - xlogy(1 - event, (1 - p).clip(least))


def sum_by_group(values: Floats, group: Rows) -> Floats:
    """Add up (rows, moments) by customer group; (rows, groups)."""
    return np.stack([np.bincount(group, row, GROUPS) for row in values])


def clustered(values: Floats, group: Rows) -> Floats:
    """Variance between customer groups of a sum over moments; (rows,)."""
    return GROUPS / (GROUPS - 1) * (sum_by_group(values, group) ** 2).sum(axis=1)


def tangent(model: Model, given: Parameters) -> Tangent:
    """Linearise the likelihood at `given`."""
    exposure, design = slopes(model, given)
    return Tangent(design, chance(model, given, exposure), model.event)


def slopes(model: Model, given: Parameters) -> tuple[Floats, Floats]:
    """Exposures, and slopes of the log hazard in each parameter; (.., moments) both."""
    exposure, slope = model.exposures(given.log_half_lives)
    bend = given.effects[:, None] * slope
    for (a, b), own in zip(model.pairs, given.synergies, strict=True):
        bend[a] += own * slope[a] * exposure[b]
        bend[b] += own * slope[b] * exposure[a]
    parts = [exposure, bend, model.controls.matrix.T, products(exposure, model.pairs)]
    return exposure, np.concatenate(parts)


def _penalised(parts: Sequence[Model], given: Parameters) -> Curve:
    """Curvature, slope and loss, added up over parts of the moments, with the penalties."""
    penalty, target = penalty_of(parts[0])
    pull = penalty @ (given.packed - target)
    curvature, slope, loss = penalty, pull, 0.5 * float(pull @ (given.packed - target))
    for part in parts:
        now = tangent(part, given)
        curvature, slope, loss = curvature + now.curvature, slope + now.slope, loss + now.loss
    return curvature, slope, loss


def penalty_of(model: Model) -> tuple[Floats, Floats]:
    """Curvature of the penalties, and where they are least."""
    k, size, pairs = model.touchpoints, model.size, len(model.pairs)
    weight = np.full(size, 2 * CONTROL_RIDGE)
    weight[:k], weight[2 * k], weight[size - pairs :] = 2 * RIDGE, 0.0, 2 * PAIR_RIDGE
    penalty, target, lives = np.diag(weight), np.zeros(size), slice(k, 2 * k)
    penalty[lives, lives] = 2 * model.shrinkage * (np.eye(k) - 1 / max(k, 1))
    penalty[lives, lives] += 2 * ANCHOR * np.eye(k)
    target[lives] = np.log2(USUAL_DAYS)
    for a, b in model.twins:
        for one, other in ((a, b), (k + a, k + b)):
            penalty[np.ix_([one, other], [one, other])] += TIE * np.array([[1, -1], [-1, 1]])
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
        start = fit(some_of(model, slice(None, None, step))).packed if step > 1 else _start(model)
    parts = [some_of(model, rows) for rows in blocks(len(model.event))]
    packed, _ = descend(lambda at: _penalised(parts, model.parameters(at)), start, *limits(model))
    return with_outcomes_observed(model, packed)


@one_thread
def learn_shrinkage(model: Model) -> tuple[Model, Parameters]:
    """Fit with half-lives drawn together as much as they are alike [MacKay 1992].

    The spread of half-lives is set to what they show beyond their own errors, and the fit done
    again, until it stays.
    """
    k, given, free = model.touchpoints, fit(model), limits(model)[2]
    together = np.eye(k) - 1 / max(k, 1)
    for _ in range(ROUNDS if k > 1 and model.fixed is None else 0):
        info = tangent(model, given).curvature + penalty_of(model)[0]
        unsure = np.zeros_like(info)
        unsure[np.ix_(free, free)] = np.linalg.pinv(info[np.ix_(free, free)], hermitian=True)
        told = k - 1 - 2 * model.shrinkage * np.trace(together @ unsure[k : 2 * k, k : 2 * k])
        spread = given.log_half_lives @ together @ given.log_half_lives
        learnt = (max(told, 0.0) + KNOWN) / (spread + KNOWN) / 2
        if abs(np.log(learnt / model.shrinkage)) < SETTLED:
            break
        model = replace(model, shrinkage=float(learnt))
        given = fit(model, given.packed)
    return model, given


def descend(
    curve: Curves,
    packed: Floats,
    low: Floats,
    high: Floats,
    free: Flags,
    precision: float = PRECISION,
) -> tuple[Floats, Curve]:
    """Go to the least loss within the bounds by damped Newton steps; and the curve there.

    Steps that lose are tried again with more damping [Levenberg 1944]. The last one gains less than
    `precision`.
    """
    packed = packed.clip(low, high)
    now, damping = curve(packed), 1e-3
    for _ in range(MAX_STEPS):
        while damping < 1e8:
            system = now[0] + damping * np.diag(np.abs(np.diag(now[0])) + 1e-9)
            tried = step_within(packed, system, now[1], low, high, free)
            then = curve(tried)
            gained = now[2] - then[2]
            if gained >= 0:
                break
            damping *= 10
        else:  # no step gains: this is the optimum, to the precision of the sums
            break
        packed, now, damping = tried, then, damping / 10
        if gained < precision:
            break
    else:
        unfinished = f"drivers: the fit was still gaining {gained:.2g} after {MAX_STEPS} steps"
        warnings.warn(unfinished, TouchlabWarning, stacklevel=2)
    return packed, now


def step_within(
    packed: Floats, system: Floats, slope: Floats, low: Floats, high: Floats, free: Flags
) -> Floats:
    """Take a Newton step within the bounds; what pushes against its bound stays there."""
    held = ((packed <= low) & (slope > 0)) | ((packed >= high) & (slope < 0))
    free = free & ~held
    tried = packed.copy()
    # the least weight of all: an intercept that no moment is left to tell
    system = system[np.ix_(free, free)] + SMALLEST * np.eye(free.sum())
    tried[free] -= np.linalg.solve(system, slope[free])
    return tried.clip(low, high)


def with_outcomes_observed(model: Model, packed: Floats) -> Parameters:
    """Move the intercept the last bit, until expected outcomes are the observed ones."""
    place, packed = 2 * model.touchpoints, packed.copy()
    exposure = model.exposure(model.parameters(packed))
    for _ in range(4):
        p = chance(model, model.parameters(packed), exposure)
        step = (model.event.sum() - p.sum()) / max((p * (1 - p)).sum(), 1e-12)
        packed[place] += np.clip(step, -1, 1)
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
    slopes = score.sum(axis=0) + penalty @ (given.packed - target) - score
    packed = np.repeat(given.packed[None], GROUPS, axis=0)
    for again in range(1 if len(model.event) > LARGE else 3):
        slopes = _slopes_without(model, packed) if again else slopes
        each = zip(packed, left, slopes, strict=True)
        packed = np.stack([step_within(*one, *limits(model)) for one in each])
    return packed


def _slopes_without(model: Model, packed: Floats) -> Floats:
    """Slope of the penalised loss in each parameter without each group; (groups, parameters)."""
    penalty, target = penalty_of(model)
    slopes = (packed - target) @ penalty
    for rows in blocks(len(model.event)):
        sets = Sets.of(model, packed, rows)
        rest = model.group[rows] != np.arange(GROUPS)[:, None]
        slopes += sets.slopes((sets.chances() - model.event[rows]) * rest)
    return slopes


@one_thread
def clustered_errors(model: Model, given: Parameters) -> Floats:
    """Standard errors of the parameters, clustered by customer group: the sandwich."""
    free, now = limits(model)[2], tangent(model, given)
    bread = (now.curvature + penalty_of(model)[0])[np.ix_(free, free)]
    score = sum_by_group(now.design[free] * (now.event - now.probability), model.group)
    variance = ((np.linalg.pinv(bread, hermitian=True) @ score) ** 2).sum(axis=1)
    errors = np.full(model.size, np.nan)
    errors[free] = np.sqrt(GROUPS / (GROUPS - 1) * variance)
    return errors


def limits(model: Model) -> tuple[Floats, Floats, Flags]:
    """The least and the largest value of each parameter, and which are estimated at all."""
    k, grid = model.touchpoints, np.log2(model.moments.half_lives)
    high = np.full(model.size, np.inf)
    high[:k], high[model.size - len(model.pairs) :] = LARGEST, LARGEST
    low, free = -high, np.ones(model.size, dtype=bool)
    low[k : 2 * k], high[k : 2 * k] = grid[0], grid[-1]
    free[k : 2 * k] = model.fixed is None
    free[2 * k + np.flatnonzero(np.isin(model.controls.names, model.controls.held))] = False
    return low, high, free


def columns(model: Model, given: Parameters) -> Floats:
    """What the log hazard is linear in at these half-lives; (moments, columns)."""
    exposure = model.exposure(given)
    parts = [exposure.T, model.controls.matrix, products(exposure, model.pairs).T]
    return np.column_stack(parts)


def regression(model: Model, given: Parameters) -> Any:
    """Refit with statsmodels at these half-lives: its results, clustered by customer.

    Columns are named as the touchpoints, then as the controls, which say so where a
    touchpoint has that very name, then as pairs. What is held is part of the offset.
    """
    own, table = model.moments.touchpoints, model.moments.table
    controls = [f"{n} (control)" if n in own else n for n in model.controls.names]
    names = [*own, *controls, *model.pair_names]
    design = pd.DataFrame(columns(model, given), columns=names)
    held = list(model.controls.held)
    known = given.controls[np.isin(model.controls.names, held)]
    offset, design = model.offset + design[held] @ known, design.drop(columns=held)
    binomial = sm.GLM(model.event, design, family=sm.families.Binomial(), offset=offset)
    groups = pd.factorize(table.customer)[0]
    return binomial.fit(cov_type="cluster", cov_kwds={"groups": groups})


class Scorer:
    """Score tests of columns against one fitted model [Rao 1948]."""

    def __init__(self, model: Model, given: Parameters) -> None:
        self.now, self.group, self.free = tangent(model, given), model.group, limits(model)[2]
        self.curvature = self.now.curvature + penalty_of(model)[0]

    @one_thread
    def followed(self, columns: Floats) -> Floats:
        """How far the model's own parameters move against columns (c, moments) with an effect of 1;
        (parameters, c)."""
        shared, free = self.now.design @ (self.now.weight * columns).T, self.free
        found = np.zeros_like(shared)
        # lstsq: parameters that nothing depends on have zero rows
        system = self.curvature[np.ix_(free, free)]
        found[free] = -np.linalg.lstsq(system, shared[free], rcond=None)[0]
        return found

    @one_thread
    def z(self, columns: Floats) -> Floats:
        """How far each column's score is from 0, in standard errors; `columns` (c, moments).

        The score is taken free of what the model's own parameters explain. Its variance is
        the larger of the model's and the one between groups of customers.
        """
        now, own = self.now, columns + self.followed(columns).T @ self.now.design
        score = own * (now.event - now.probability)
        variance = np.maximum((own**2) @ now.weight, clustered(score, self.group))
        return score.sum(axis=1) / np.sqrt(np.maximum(variance, 1e-12))
