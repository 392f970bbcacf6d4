"""Intent seen in the touches: what draws touches and outcome alike, customer by customer.

Customers differ in something that no column shows. Where it draws touches too, customers who
have more of them than chance and traits explain tell of it. What the counts tell of the hidden
factors x is known (see `arrivals`); the outcome has its hazard times exp(c x). c, effects,
half-lives and controls follow from the outcomes, together, along whole paths of a cohort of
customers. Their likelihood integrates x out; its curvature is that of Louis [1982]. Where c
differs from 0 beyond chance, touches and outcomes are fitted in turns until they agree: counts end
with the outcome, so that they tell of x only together with it. What is then learnt of each customer
becomes a control that no later fit moves (docs/decisions/0023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import logsumexp, softmax

from touchlab.drivers.arrivals import (
    STEEPEST,
    Arrivals,
    Cohort,
    at_risk,
    draw_cohort,
    fit_arrivals,
    nodes,
    refit_arrivals,
    some_of_both,
)
from touchlab.drivers.design import Columns
from touchlab.drivers.hazard import (
    Curve,
    Flags,
    descend,
    limits,
    penalty_of,
    slopes,
    sum_by_group,
    with_outcomes_observed,
)
from touchlab.drivers.model import Model, Parameters, log_hazard, some_of
from touchlab.errors import MissingInput
from touchlab.moments.look import Points
from touchlab.numeric import GROUPS, Floats, one_thread

NAME = "intent seen in the touches"
FEWEST_EVENTS = 100
"""Outcomes below which intent is not looked for."""
RIDGE = 1.0
"""Pull of c to 0 (a prior of sd 1)."""
FIRST, LARGEST = 0.1, 4.0
"""Where c starts, and its bound."""
BEYOND_CHANCE = 0.001
ROUNDS, SETTLED = 8, 0.01
"""Most turns of touches and outcomes, and the change of c at which they agree."""
OVERFLOWS = 300.0
"""Log hazard at which it is cut: far beyond what any outcome could gain, and still a number."""
ENOUGH = 0.02
"""Log likelihood to which c is sought: a fifth of a standard error. Four of five steps went on
from there, between kinks of half-lives."""
SHARED = 0.2
"""How much it draws a second touchpoint at least, in terms of the first."""


@dataclass(frozen=True)
class Intent:
    """What the touches tell of a hidden intent that lasts, and whether the outcome follows it.

    `factors` None: it was not looked for, or outcomes were too few to; 0: customers differ in their
    touches by no more than chance and traits. `p` is that of an outcome which does not follow
    (likelihood ratio). `strength`: log hazard of the outcome for one standard deviation of intent,
    `error` its standard error. `loadings`: log rate of touches for one, by touchpoint.
    """

    factors: int | None
    p: float = np.nan
    strength: float = np.nan
    error: float = np.nan
    loadings: pd.Series | None = None
    alike: bool = False
    """Whether it draws touches, all in all, where it draws the outcome, and of more than one
    touchpoint. Where not, something else sorts customers: who may be mailed, say."""

    @property
    def follows(self) -> bool:
        """Whether the outcome goes with it beyond chance, more or less of it."""
        return self.p < BEYOND_CHANCE

    @property
    def found(self) -> bool:
        """Whether it draws touches and outcome alike; then the drivers hold it constant.

        Not at its bound: there it takes the place of all that touches do.
        """
        return self.alike and self.follows and self.strength < LARGEST

    @property
    def table(self) -> pd.DataFrame:
        """What one standard deviation more does: (what, ratio), outcome and touchpoints drawn."""
        if self.loadings is None:
            raise MissingInput("Nothing in the touches tells of an intent that lasts.")
        rows = pd.concat([pd.Series({"the outcome": self.strength}), self.loadings])
        return pd.DataFrame({"what": rows.index, "ratio": np.exp(rows.to_numpy(float))})

    def sentence(self) -> str:
        """Say whether customers who attract touches have the outcome more by themselves."""
        from touchlab import sentences

        return sentences.about_intent(self)


NOT_LOOKED_FOR, NONE_SEEN = Intent(None), Intent(0)


@one_thread
def take_out(model: Model, given: Parameters) -> tuple[Intent, Model, Parameters, Floats | None]:
    """Look for intent in the touches; where the outcome follows it, fit again with it held.

    The last is the fit without each customer group, None where the model is as it was.
    """
    if model.event.sum() < FEWEST_EVENTS or not model.touchpoints:
        return NOT_LOOKED_FOR, model, given, None
    everyone = at_risk(model)
    cohort = draw_cohort(model, some_of_both(everyone))
    arrivals = fit_arrivals(cohort)
    if not arrivals.factors:
        return NONE_SEEN, model, given, None
    return Joint(model, cohort, arrivals).fit(given, everyone)


class Joint:
    """Outcomes of a cohort given what its touches tell; parameters are c, then the model's."""

    def __init__(self, model: Model, cohort: Cohort, arrivals: Arrivals) -> None:
        self.model, self.cohort, self.arrivals = model, cohort, arrivals
        self.factors, (self.points, _) = arrivals.factors, nodes(arrivals.factors)
        self.seen, table = Seen.of(cohort, arrivals), cohort.table
        self.norm = logsumexp(self.seen.touched, axis=1)
        place = pd.Index(table.customer_id).get_indexer(model.moments.table.customer)
        chosen = np.flatnonzero((model.event == 1) & (place >= 0))
        self.events, self.customer = some_of(model, chosen), place[chosen]
        # moments that are outcomes weigh 1 each, for chance is that of so many
        weight = table.weight.to_numpy()
        self.weight = weight * len(chosen) / (weight @ table.outcomes.to_numpy())

    def curve(self, packed: Floats) -> Curve:
        """Curvature, slope and value of the loss."""
        return self.by_customer(packed)[0]

    def by_customer(self, packed: Floats) -> tuple[Curve, Floats]:
        """The curve of the loss [Louis 1982]; what each customer adds to the slope of the fit."""
        f, weight, x, seen = self.factors, self.weight, self.points, self.seen
        c, given = packed[:f], self.model.parameters(packed[f:])
        exposure, design = slopes(seen.paths, given)
        each, hazard = seen.hazards(given, exposure)
        at, raised = seen.posterior(hazard, x @ c)
        own = softmax(at, axis=1)
        surplus = seen.outcomes[:, None] - np.outer(hazard, raised)
        score, mean = own * surplus, own @ raised
        moved = score @ x
        along = (each * design).reshape(len(design), len(weight), -1).sum(axis=2)

        exposure, of_events = slopes(self.events, given)
        told = weight @ (logsumexp(at, axis=1) - self.norm)
        told += log_hazard(self.events, given, exposure).sum()
        adds = np.concatenate([moved.T * weight, -along * (weight * mean)])
        np.add.at(adds[f:].T, self.customer, of_events.T)

        penalty, target = penalty_of(self.model)
        info = np.zeros((len(packed), len(packed)))
        rise = weight @ (own * raised * hazard[:, None] - score * surplus)
        info[:f, :f] = (x.T * rise) @ x + (moved.T * weight) @ moved + RIDGE * np.eye(f)
        mixed = ((own + score) * raised) @ x - moved * mean[:, None]
        info[f:, :f] = along @ (weight[:, None] * mixed)
        info[:f, f:] = info[f:, :f].T
        root = design * np.sqrt(each * np.repeat(weight * mean, self.cohort.draws))
        bent = weight * (own @ raised**2 - mean**2)
        info[f:, f:] = root @ root.T - (along * bent) @ along.T + penalty
        away = np.concatenate([c, packed[f:] - target])
        pull = np.concatenate([RIDGE * c, penalty @ away[f:]])
        return (info, pull - adds.sum(axis=1), float(pull @ away / 2 - told)), adds

    def fit(
        self, given: Parameters, everyone: pd.DataFrame
    ) -> tuple[Intent, Model, Parameters, Floats | None]:
        """Compare with an outcome that follows no intent; hold what is found constant."""
        f, (low, high, free) = self.factors, limits(self.model)
        low, high = np.append(np.full(f, -LARGEST), low), np.append(np.full(f, LARGEST), high)
        start, own = np.append(np.zeros(f), given.packed), np.append(np.zeros(f, bool), free)
        null, (_, _, without) = descend(self.curve, start, low, high, own, ENOUGH)
        own[:f], null[:f] = True, FIRST
        packed, (_, _, loss) = descend(self.curve, null, low, high, own, ENOUGH)
        p = float(stats.chi2.sf(2 * (without - loss), f))
        intent, _ = self._learnt(packed, own, p)
        if not intent.found:
            return intent, self.model, given, None
        joint = self
        for _ in range(ROUNDS):
            arrivals = refit_arrivals(self.cohort, joint.arrivals, joint._of_outcomes(packed))
            joint, before = Joint(self.model, self.cohort, arrivals), packed
            packed, _ = descend(joint.curve, packed, low, high, own, ENOUGH)
            if np.abs(packed[:f] - before[:f]).max() < SETTLED:
                break
        intent, inverse = joint._learnt(packed, own, p)
        strength, way = intent.strength, packed[:f] / intent.strength
        group = self.cohort.table.group.to_numpy()
        score = sum_by_group(joint.by_customer(packed)[1], group)
        left = (packed - score.T @ inverse * GROUPS / (GROUPS - 1)).clip(low, high)
        told = joint._told(packed, everyone) / strength
        values = told.reindex(self.model.moments.table.customer).to_numpy()
        controls = self.model.controls.and_one(NAME, values, partial(_known, told), held=True)
        model = replace(self.model, controls=controls)
        wide = [
            np.insert(one[f:], self.model.size - len(model.pairs), one[:f] @ way)
            for one in (packed, *left)
        ]
        return intent, model, with_outcomes_observed(model, wide[0]), np.stack(wide[1:])

    def _learnt(self, packed: Floats, free: Flags, p: float) -> tuple[Intent, Floats]:
        """What the fit says of intent; and the inverse of its curvature."""
        f, (info, _, _) = self.factors, self.curve(packed)
        inverse = np.zeros_like(info)
        inverse[np.ix_(free, free)] = np.linalg.pinv(info[np.ix_(free, free)], hermitian=True)
        strength = float(np.linalg.norm(packed[:f]))
        way = packed[:f] / max(strength, 1e-12)
        loadings = self.arrivals.loadings @ way
        error = float(np.sqrt(np.maximum(way @ inverse[:f, :f] @ way, 0.0)))
        drawn = np.sort(np.append(np.abs(loadings), 0.0))
        alike = self.cohort.counts.sum(axis=0) @ loadings > 0 and drawn[-2] >= SHARED * drawn[-1]
        named = pd.Series(loadings, self.model.moments.touchpoints)
        return Intent(f, p, strength, error, named, bool(alike)), inverse

    def _of_outcomes(self, packed: Floats) -> Floats:
        """Log chance of every customer's outcomes at each node; (customers, nodes)."""
        return self._posterior(self.seen, packed)[0] - self.seen.touched

    def _told(self, packed: Floats, everyone: pd.DataFrame) -> pd.Series:
        """Log of what is expected of exp(c x), by customer."""
        whole = len(everyone) == len(self.cohort.table)
        cohort = self.cohort if whole else draw_cohort(self.model, everyone)
        at, raised = self._posterior(Seen.of(cohort, self.arrivals), packed)
        return pd.Series(np.log(softmax(at, axis=1) @ raised), cohort.table.customer_id)

    def _posterior(self, seen: Seen, packed: Floats) -> tuple[Floats, Floats]:
        given = self.model.parameters(packed[self.factors :])
        _, hazard = seen.hazards(given, seen.paths.exposure(given))
        return seen.posterior(hazard, self.points @ packed[: self.factors])


@dataclass(frozen=True)
class Seen:
    """Customers of a cohort: their paths, outcomes, and chance of their touches."""

    paths: Model
    days: Floats
    """(moments,): days that each moment stands for."""
    outcomes: Floats
    touched: Floats
    """(customers, nodes)"""

    @classmethod
    def of(cls, cohort: Cohort, arrivals: Arrivals) -> Seen:
        table = cohort.table
        days = np.repeat(table.days.to_numpy() / cohort.draws, cohort.draws)
        touched = arrivals.log_nodes(cohort, np.arange(len(table)))
        return cls(cohort.paths, days, table.outcomes.to_numpy(), touched)

    def hazards(self, given: Parameters, exposure: Floats) -> tuple[Floats, Floats]:
        """Outcomes expected where x is 0: (moments,), and (customers,)."""
        log = log_hazard(self.paths, given, exposure)
        each: Floats = np.exp(log.clip(max=OVERFLOWS)) * self.days
        return each, each.reshape(len(self.outcomes), -1).sum(axis=1)

    def posterior(self, hazard: Floats, shift: Floats) -> tuple[Floats, Floats]:
        """Log chance of touches and outcomes at each node, and what it does to the hazard."""
        shift = shift.clip(-STEEPEST, STEEPEST)
        raised: Floats = np.exp(shift)
        return self.touched + np.outer(self.outcomes, shift) - np.outer(hazard, raised), raised


def _known(told: pd.Series, points: Points) -> Columns:
    return {NAME: told.reindex(points.table.customer).fillna(0.0).to_numpy()}
