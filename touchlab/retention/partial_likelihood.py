"""Cox's partial likelihood over (start, stop] episodes: estimate, robust errors, residuals.

A row is at risk of the outcomes at times t with start < t <= stop. Ties by Efron. All sums
over risk sets are differences of running sums, so a step costs one pass over the rows
(docs/decisions/0011-retention.md compares statsmodels' PHReg).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from touchlab.numeric import Floats

Codes = npt.NDArray[np.int64]

MOST_STEPS, PRECISION = 50, 1e-10
RIDGE = 1e-4
"""Pull of coefficients, per standard deviation, to 0: keeps separated ones finite. Against the
information of ten outcomes it is one part in 100,000."""
LARGEST_STEP = 2.0


@dataclass(frozen=True)
class Episodes:
    """Rows at risk: start, stop, event (0 or 1), customer (numbers from 0), covariates x."""

    start: Floats
    stop: Floats
    event: Codes
    customer: Codes
    x: Floats

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: npt.NDArray[np.bool_]) -> Episodes:
        return Episodes(
            self.start[rows], self.stop[rows], self.event[rows], self.customer[rows], self.x[rows]
        )

    @property
    def customers(self) -> int:
        return len(np.unique(self.customer))

    @cached_property
    def times(self) -> Floats:
        """Times with an outcome, increasing."""
        return np.unique(self.stop[self.event == 1])

    @cached_property
    def first(self) -> Codes:
        """The first of `times` at which a row is at risk."""
        return np.searchsorted(self.times, self.start, side="right")

    @cached_property
    def beyond(self) -> Codes:
        """The first of `times` at which a row is no longer at risk."""
        return np.searchsorted(self.times, self.stop, side="right")


@dataclass(frozen=True)
class Fit:
    """A fit: coefficients (p,), covariance as if the model were true, robust one by customer."""

    coefficients: Floats
    covariance: Floats
    robust: Floats
    log_likelihood: float

    @property
    def errors(self) -> Floats:
        """Standard errors: the larger of the two, which covers with few customers too."""
        return np.sqrt(np.maximum(np.diag(self.covariance), np.diag(self.robust)))


@dataclass(frozen=True)
class Sums:
    """Sums over risk sets, an entry an outcome; ties take out part of their own (Efron).

    Of rows: weight, exp(x b). Of outcomes: time (its place among the times), part (the share
    of the tied outcomes taken as gone before this one), total (of weights at risk), and
    mean (outcomes, p), the weighted mean of x at risk.
    """

    weight: Floats
    time: Codes
    part: Floats
    total: Floats
    mean: Floats


def fit_partial(episodes: Episodes) -> Fit:
    """Maximise the partial likelihood by Newton steps, halved where they do not improve.

    >>> rows = Episodes(np.zeros(4), np.array([1.0, 2, 3, 4]), np.array([1, 1, 1, 0]),
    ...                 np.arange(4), np.array([[1.0], [0], [1], [0]]))
    >>> fit_partial(rows).coefficients.round(3)
    array([0.941])
    """
    centre, scale = episodes.x.mean(axis=0), episodes.x.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    scaled = replace(episodes, x=(episodes.x - centre) / scale)
    b = np.zeros(episodes.x.shape[1])
    loss, slope, information = _evaluate(scaled, b)
    for _ in range(MOST_STEPS):
        step = np.linalg.solve(information, slope)
        step *= min(1.0, LARGEST_STEP / max(np.abs(step).max(initial=0.0), 1e-300))
        trial = _evaluate(scaled, b + step)
        while trial[0] > loss + 1e-9 and np.abs(step).max() > PRECISION:
            step /= 2
            trial = _evaluate(scaled, b + step)
        b, (loss, slope, information) = b + step, trial
        if np.abs(step).max(initial=0.0) < PRECISION:
            break
    covariance = np.linalg.inv(information)
    residuals = score_residuals(scaled, b)
    score = np.column_stack([np.bincount(episodes.customer, column) for column in residuals.T])
    robust = covariance @ (score.T @ score) @ covariance
    unit = np.outer(scale, scale)
    likelihood = -loss + 0.5 * RIDGE * float(b @ b)
    return Fit(b / scale, covariance / unit, robust / unit, likelihood)


def risk_sums(rows: Episodes, b: Floats) -> Sums:
    """Add up weights and covariates of those at risk at each outcome."""
    eta = rows.x @ b
    weight = np.exp(eta - eta.max(initial=0.0))
    weight *= np.exp(eta.max(initial=0.0))
    event = rows.event == 1
    own = rows.beyond[event] - 1
    tied = np.bincount(own, minlength=len(rows.times))
    time = np.repeat(np.arange(len(rows.times)), tied)
    place = np.arange(len(time)) - np.repeat(np.cumsum(tied) - tied, tied)
    part = place / tied[time]

    def at_risk(values: Floats) -> Floats:
        size = len(rows.times) + 1
        entered = np.bincount(rows.first, values, minlength=size)
        left = np.bincount(rows.beyond, values, minlength=size)
        gone = np.bincount(own, values[event], minlength=len(rows.times))
        return np.cumsum(entered - left)[:-1][time] - part * gone[time]

    total = at_risk(weight)
    first = [at_risk(weight * column) for column in rows.x.T]
    mean = np.column_stack(first) / total[:, None] if first else np.empty((len(time), 0))
    return Sums(weight, time, part, total, mean)


def _evaluate(rows: Episodes, b: Floats) -> tuple[float, Floats, Floats]:
    """Return minus the penalised log-likelihood, its downhill slope, and the information."""
    sums = risk_sums(rows, b)
    event = rows.event == 1
    loss = float(np.log(sums.total).sum() - (rows.x[event] @ b).sum()) + 0.5 * RIDGE * float(b @ b)
    slope = rows.x[event].sum(axis=0) - sums.mean.sum(axis=0) - RIDGE * b
    share = sums.weight * _passed(rows, sums, 1 / sums.total)
    information = (rows.x * share[:, None]).T @ rows.x - sums.mean.T @ sums.mean
    return loss, slope, information + RIDGE * np.eye(len(b))


def _passed(rows: Episodes, sums: Sums, values: Floats) -> Floats:
    """Add up values of the outcomes at which a row is at risk, its own by its Efron part."""
    size = len(rows.times)
    running = np.append(0.0, np.cumsum(np.bincount(sums.time, values, minlength=size)))
    own = np.bincount(sums.time, values * sums.part, minlength=size)
    event = rows.event == 1
    passed = running[rows.beyond] - running[rows.first]
    passed[event] -= own[rows.beyond[event] - 1]
    return passed


def score_residuals(rows: Episodes, b: Floats) -> Floats:
    """(rows, p): what each row adds to the slope of the log-likelihood [Lin & Wei 1989]."""
    sums = risk_sums(rows, b)
    event = rows.event == 1
    residual = -rows.x * (sums.weight * _passed(rows, sums, 1 / sums.total))[:, None]
    for column, mean in enumerate(sums.mean.T):
        residual[:, column] += sums.weight * _passed(rows, sums, mean / sums.total)
    residual[event] += rows.x[event] - _average(rows, sums)[rows.beyond[event] - 1]
    return residual


def _average(rows: Episodes, sums: Sums) -> Floats:
    """(times, p): mean of x at risk, over the outcomes tied at each time."""
    tied = np.bincount(sums.time, minlength=len(rows.times))
    columns = [np.bincount(sums.time, mean, minlength=len(tied)) / tied for mean in sums.mean.T]
    return np.column_stack(columns) if columns else np.empty((len(tied), 0))


def proportional_tests(rows: Episodes, fit: Fit) -> tuple[Floats, float]:
    """Return chi-squared (1) of each coefficient drifting with time, and (p) of all together.

    Scaled Schoenfeld residuals against the rank of time [Grambsch & Therneau 1994].
    """
    event = rows.event == 1
    mean = _average(rows, risk_sums(rows, fit.coefficients))[rows.beyond[event] - 1]
    clock = rankdata(rows.stop[event])
    clock -= clock.mean()
    spread, events = float(clock @ clock), len(clock)
    if not spread:
        return np.full(len(fit.coefficients), np.nan), float("nan")
    drift = clock @ (rows.x[event] - mean)
    scaled = events * (drift @ fit.covariance)
    each = scaled**2 / (events * np.diag(fit.covariance) * spread)
    together = float(events * drift @ fit.covariance @ drift / spread)
    return each, together


MOST_OUTCOMES = 1_000
"""Outcomes looked at, evenly through time, where there are more."""
CELLS = 10_000_000


def concordance(rows: Episodes, score: Floats) -> tuple[float, float]:
    """Return the share of pairs ranked right, and how many pairs can be ranked.

    A pair is an outcome and somebody at risk then who did not have it at that time; it is
    right if the outcome had the higher score, half right if scores are equal [Harrell 1982;
    for episodes, Therneau & Grambsch 2000].

    >>> none = np.zeros((3, 0))
    >>> rows = Episodes(np.zeros(3), np.array([1.0, 2, 3]), np.array([1, 1, 0]), np.arange(3), none)
    >>> concordance(rows, np.array([2.0, 3.0, 1.0]))    # 2 of the 3 pairs
    (0.666..., 3.0)
    """
    outcomes = np.flatnonzero(rows.event == 1)
    outcomes = outcomes[np.argsort(rows.stop[outcomes], kind="stable")]
    outcomes = outcomes[:: max(1, -(-len(outcomes) // MOST_OUTCOMES))]
    right = pairs = 0.0
    for part in np.array_split(outcomes, max(1, len(outcomes) * len(rows) // CELLS)):
        time, own = rows.stop[part][:, None], score[part][:, None]
        there = (rows.start < time) & (rows.stop >= time)
        there &= ~((rows.stop == time) & (rows.event == 1))
        pairs += float(there.sum())
        right += float((there & (score < own)).sum()) + 0.5 * float((there & (score == own)).sum())
    return (right / pairs if pairs else float("nan")), pairs
