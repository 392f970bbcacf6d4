"""Intent seen in the touches: what draws touches and outcome alike, customer by customer.

Customers differ in something that no column shows. Where it draws touches too, customers who
have more of them than chance and traits explain tell of it. Each has hidden factors x ~ N(0, I):
touches of touchpoint k come at a rate times exp(b_k x), the outcome at its hazard times exp(c x).
The loadings b follow from the counts of touches alone; c, effects, half-lives and controls from
the outcomes, together, along whole paths of a cohort of customers. Their likelihood integrates x
out; its curvature is that of Louis [1982]. Where c differs from 0 beyond chance, what is learnt of
each customer becomes a control that no later fit moves (docs/decisions/0023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import ibis
import numpy as np
import pandas as pd
from scipy import optimize, stats
from scipy.special import logsumexp, softmax

from touchlab.data.customers import DAY_SECONDS
from touchlab.drivers.design import Columns
from touchlab.drivers.hazard import (
    Curve,
    descend,
    limits,
    penalty_of,
    slopes,
    sum_by_group,
    with_outcomes_observed,
)
from touchlab.drivers.model import Model, Parameters, Rows, log_hazard, some_of
from touchlab.errors import MissingInput
from touchlab.moments.look import Points, look
from touchlab.moments.risk import risk_events, risk_windows
from touchlab.moments.sample import on_the_clock, touch_paths
from touchlab.numeric import GROUPS, Floats, one_thread

NAME = "intent seen in the touches"
FACTORS, NODES, RAREST_NODE = 2, (1, 21, 13), -16.0
"""Most factors; points of Gauss-Hermite quadrature along each, by their number; log weight below
which a point is left out."""
MOST_DRAWS, FEWEST_DRAWS, DRAWS = 400_000, 2, 12
"""Moments of all paths; the fewest and the most of each customer's."""
MOST_CUSTOMERS, MOST_COUNTED = 20_000, 5_000
"""Customers whose outcomes, and whose counts of touches, are fitted."""
FEWEST_EVENTS, PIECES, RAKES = 100, 12, 5
USUAL = 0.995
"""No customer counts for more touches than that share of those who have any."""
OWN_RIDGE, OTHER_RIDGE = 1.0, 0.01
"""Pull of b and c to 0 (a prior of sd 1), and of all else that tells of touches (sd 10)."""
FIRST, LARGEST, STRONGEST, STEEPEST = 0.1, 4.0, 3.0, 12.0
"""Where c starts; bounds of c, of loadings, and of what both come to."""
BEYOND_CHANCE = 0.001


@dataclass(frozen=True)
class Intent:
    """What the touches tell of a hidden intent that lasts, and whether the outcome follows it.

    `factors` 0: customers differ in their touches by no more than chance and traits. `p` is that
    of an outcome which does not follow (likelihood ratio). `strength`: log hazard of the outcome
    for one standard deviation of intent, `error` its standard error. `loadings`: log rate of
    touches for one standard deviation, by touchpoint.
    """

    factors: int
    p: float = np.nan
    strength: float = np.nan
    error: float = np.nan
    loadings: pd.Series | None = None
    alike: bool = False
    """Whether it draws touches, all in all, where it draws the outcome. Where not, something
    else sorts customers: who may be mailed, say."""

    @property
    def found(self) -> bool:
        """Whether the outcome follows it, beyond chance; then the drivers hold it constant."""
        return self.alike and self.p < BEYOND_CHANCE

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


UNSEEN = Intent(0)


@one_thread
def take_out(model: Model, given: Parameters) -> tuple[Intent, Model, Parameters, Floats | None]:
    """Look for intent in the touches; where the outcome follows it, fit again with it held.

    The last is the fit without each customer group, None where the model is as it was.
    """
    if model.event.sum() < FEWEST_EVENTS or not model.touchpoints:
        return UNSEEN, model, given, None
    cohort = draw_cohort(model)
    arrivals = fit_arrivals(cohort)
    if not arrivals.factors:
        return UNSEEN, model, given, None
    return Joint(model, cohort, arrivals).fit(given)


@dataclass(frozen=True)
class Cohort:
    """Customers of the sample: when they are at risk, their touches, moments of their paths."""

    table: pd.DataFrame
    """A row a customer, those with the outcome first: customer_id, group, start, stop, days,
    weight (customers that it stands for), outcomes, until (the first of them, or stop)."""
    counts: Floats
    """(customers, touchpoints): touches at risk, before what the first outcome may change."""
    expected: Floats
    """(customers, touchpoints): touches of an average customer over the same times."""
    traits: Floats
    """(customers, columns), the first of ones."""
    paths: Model
    """The model at as many moments of each customer, spread over the time at risk."""

    @property
    def draws(self) -> int:
        return len(self.paths.moments.table) // len(self.table)


def draw_cohort(model: Model) -> Cohort:
    """Take every customer of the sample, and look at moments of their paths."""
    moments = model.moments
    known = moments.table.drop_duplicates("customer")[["customer", "group"]]
    ids = ibis.memtable(known[["customer"]].rename(columns={"customer": "customer_id"}))
    windows = risk_windows(moments.data, moments.risk).semi_join(ids, "customer_id")
    events = risk_events(moments.data, windows, moments.risk)
    had = events.group_by("customer_id").aggregate(outcomes=events.count(), first=events.time.min())
    table = known.rename(columns={"customer": "customer_id"}).merge(windows.to_pandas())
    table = table.merge(had.to_pandas(), how="left").fillna({"outcomes": 0.0})
    table["until"] = table.pop("first").fillna(table.stop)
    missed = (1 - 1 / moments.events_each) ** table.outcomes
    missed *= (1 - table.days / moments.days_each).clip(lower=0)
    draw = np.random.default_rng([moments.seed, 6])
    table = table.assign(weight=1 / (1 - missed), place=draw.random(len(table)))
    table["without"] = table.outcomes == 0
    table = table.sort_values(["without", "place", "customer_id"], ignore_index=True)
    paths = _paths(model, table, draw)
    own = [i for i, n in enumerate(paths.controls.names) if n.split(": ")[0] in moments.traits]
    draws = len(paths.moments.table) // len(table)
    traits = np.column_stack([np.ones(len(table)), paths.controls.matrix[::draws, own]])
    return Cohort(table, *_touches(model, table, paths.moments.table), traits, paths)


def _paths(model: Model, table: pd.DataFrame, draw: np.random.Generator) -> Model:
    """The model at one moment in each of as many equal parts of every customer's time at risk."""
    moments = model.moments
    draws = int(np.clip(MOST_DRAWS // len(table), FEWEST_DRAWS, DRAWS))
    part = (np.arange(draws) + draw.random((len(table), draws))) / draws
    asked = table.loc[table.index.repeat(draws), ["customer_id", "start", "stop"]]
    time = asked.start + (asked.stop - asked.start) * part.ravel()
    asked["time"] = on_the_clock(time, asked.start, moments.clock)
    points = look(
        moments.data,
        asked,
        touchpoints=moments.touches.index,
        half_lives=moments.half_lives,
        origin=moments.start_seconds,
    )
    most = moments.exposure.max(axis=2, keepdims=True)  # as the sample is capped
    exposure = np.minimum(points.exposure, most)
    seen = replace(moments, table=points.table, exposure=exposure, earlier=None)
    controls = replace(model.controls, matrix=model.controls.at(points))
    return replace(model, moments=seen, controls=controls)


def _touches(model: Model, table: pd.DataFrame, drawn: pd.DataFrame) -> tuple[Floats, Floats]:
    """Count touches before the first outcome, and those of an average customer meanwhile.

    Rates change with time at risk and over the calendar: a factor for each of 12 parts of both,
    raked until expected touches are the observed ones in every part. Who has the outcome tells
    nothing of these: customers with more intent would leave earlier, and rates seem to fall.
    """
    moments, k, draws = model.moments, model.touchpoints, len(drawn) // len(table)
    columns = ["customer", "start", "until", "telling", "place"]
    known = table.rename(columns={"customer_id": "customer"}).assign(
        telling=table.weight * (table.outcomes == 0), place=table.index
    )
    rows = touch_paths(moments, table.customer_id).merge(known[columns])
    rows = rows[(rows.time > rows.start) & (rows.time <= rows.until)]
    rows["since"] = (rows.time - rows.start) / DAY_SECONDS
    rows["day"] = (rows.time - moments.start_seconds) / DAY_SECONDS
    counts = np.zeros((len(table), k))
    np.add.at(counts, (rows.place, rows.touchpoint), 1)
    usual = [np.quantile(n[n > 0], USUAL) if n.any() else 0.0 for n in counts.T]

    before = (drawn.time.to_numpy().reshape(-1, draws) <= table.until.to_numpy()[:, None]) * 1.0
    before[:, 0] = 1.0  # an outcome before the first moment drawn
    before *= ((table.until - table.start) / DAY_SECONDS / before.sum(axis=1)).to_numpy()[:, None]
    days = before.ravel()
    base = moments.table[model.event == 0]
    cuts = [np.quantile(base[c], np.linspace(0, 1, PIECES + 1)[1:-1]) for c in ("since", "day")]
    touched, risked = (
        [np.searchsorted(cut, seen[c]) for cut, c in zip(cuts, ("since", "day"), strict=True)]
        for seen in (rows, drawn)
    )
    seen, at_risk = np.zeros((k, PIECES, PIECES)), np.zeros((PIECES, PIECES))
    np.add.at(seen, (rows.touchpoint.to_numpy(), *touched), rows.telling)
    np.add.at(at_risk, tuple(risked), np.repeat(known.telling.to_numpy(), draws) * days)
    rate = np.ones_like(seen)
    for axis in (2, 1) * RAKES:
        expected = (rate * at_risk).sum(axis=axis, keepdims=True)
        rate *= (seen.sum(axis=axis, keepdims=True) + 0.5) / (expected + 0.5)
    expected = (rate[:, risked[0], risked[1]] * days).reshape(k, -1, draws).sum(axis=2)
    return np.minimum(counts, usual), expected.T


def nodes(factors: int) -> tuple[Floats, Floats]:
    """Points (nodes, factors) and log weights of a quadrature over N(0, I)."""
    if not factors:
        return np.zeros((1, 0)), np.zeros(1)
    points, weight = np.polynomial.hermite_e.hermegauss(NODES[factors])
    places = np.indices((len(points),) * factors).reshape(factors, -1)
    weights = np.log(weight / weight.sum())[places].sum(axis=0)
    return points[places].T[weights > RAREST_NODE], weights[weights > RAREST_NODE]


@dataclass(frozen=True)
class Arrivals:
    """How touches come: log rates by traits (touchpoints, columns), and what a factor adds."""

    rates: Floats
    loadings: Floats
    """(touchpoints, factors)"""

    @property
    def factors(self) -> int:
        return self.loadings.shape[1]

    def usual(self, cohort: Cohort, rows: Rows) -> Floats:
        """Touches expected of customers where x is 0; (customers, touchpoints)."""
        return cohort.expected[rows] * np.exp((cohort.traits[rows] @ self.rates.T).clip(-30, 10))

    @cached_property
    def pull(self) -> Floats:
        """What every node does to the rates; (touchpoints, nodes)."""
        points, _ = nodes(self.factors)
        return np.exp((self.loadings @ points.T).clip(-STEEPEST, STEEPEST))

    def log_nodes(self, cohort: Cohort, rows: Rows) -> Floats:
        """Log of weight and chance of a customer's counts at each node; (customers, nodes)."""
        points, weights = nodes(self.factors)
        told = (cohort.counts[rows] @ self.loadings) @ points.T
        return weights + told - self.usual(cohort, rows) @ self.pull


def fit_arrivals(cohort: Cohort) -> Arrivals:
    """With as many factors as the counts call for, by the criterion of Schwarz [1978]."""
    draw = np.random.default_rng([cohort.paths.moments.seed, 7])
    rows = np.sort(draw.permutation(len(cohort.table))[:MOST_COUNTED])
    price = cohort.counts.shape[1] * np.log(len(rows)) / 2
    best, told = _maximise(cohort, rows, 0)
    # two factors of one or two counts could not be told from one
    for factors in range(1, min(FACTORS, (cohort.counts.shape[1] + 1) // 2) + 1):
        tried, tells = _maximise(cohort, rows, factors)
        if tells - told < price:
            break
        best, told = tried, tells
    return best


def _maximise(cohort: Cohort, rows: Rows, factors: int) -> tuple[Arrivals, float]:
    """Arrivals by marginal likelihood, and its log; customers weigh 1 on average."""
    counts, traits = cohort.counts[rows], cohort.traits[rows]
    weight = cohort.table.weight.to_numpy()[rows]
    weight = weight / weight.mean()
    k, p, (points, _) = counts.shape[1], traits.shape[1], nodes(factors)
    ridge = np.concatenate([np.full(p, OTHER_RIDGE), np.full(factors, OWN_RIDGE)])

    def loss(packed: Floats) -> tuple[float, Floats]:
        given = packed.reshape(k, -1)
        arrivals = Arrivals(given[:, :p], given[:, p:])
        usual, at = arrivals.usual(cohort, rows), arrivals.log_nodes(cohort, rows)
        told = weight @ (logsumexp(at, axis=1) + (counts * (traits @ given[:, :p].T)).sum(axis=1))
        own, seen = softmax(at, axis=1) * weight[:, None], counts * weight[:, None]
        of_rates = (seen - (own @ arrivals.pull.T) * usual).T @ traits
        bent = [(usual * (own @ (arrivals.pull * x).T)).sum(axis=0) for x in points.T]
        of_loadings = seen.T @ (own @ points / weight[:, None])
        of_loadings -= np.reshape(bent, (factors, k)).T
        slope = given * ridge - np.column_stack([of_rates, of_loadings])
        total = weight.sum()
        return float(((given**2 * ridge).sum() / 2 - told) / total), slope.ravel() / total

    found = optimize.minimize(
        loss, _start(cohort, rows, weight, factors).ravel(), jac=True, method="L-BFGS-B",
        bounds=[*[(None, None)] * p, *[(-STRONGEST, STRONGEST)] * factors] * k,
        options={"maxiter": 300, "ftol": 1e-9, "gtol": 1e-6},
    )  # fmt: skip
    given = found.x.reshape(k, -1)
    return Arrivals(given[:, :p], given[:, p:]), float(-found.fun * weight.sum())


def _start(cohort: Cohort, rows: Rows, weight: Floats, factors: int) -> Floats:
    """Loadings from what standardised counts have in common."""
    counts, usual = cohort.counts[rows], cohort.expected[rows]
    scale = (weight @ counts + 0.5) / (weight @ usual + 0.5)
    apart = (counts - usual * scale) / np.sqrt(usual * scale + 1e-9)
    common = (apart * weight[:, None]).T @ apart / weight.sum() - np.eye(len(scale))
    values, vectors = np.linalg.eigh(common)
    chosen = np.argsort(-values)[:factors]
    mean = np.average(usual * scale, axis=0, weights=weight).clip(0.05)
    loadings = vectors[:, chosen] * np.sqrt(values[chosen].clip(0.02)) / np.sqrt(mean)[:, None]
    rates = np.zeros((len(scale), cohort.traits.shape[1]))
    rates[:, 0] = np.log(scale)
    return np.column_stack([rates, loadings.clip(-1, 1)])


class Joint:
    """Outcomes of a cohort given what its touches tell; parameters are c, then the model's."""

    def __init__(self, model: Model, cohort: Cohort, arrivals: Arrivals) -> None:
        table, count = cohort.table, min(len(cohort.table), MOST_CUSTOMERS)
        self.model, self.cohort, self.arrivals = model, cohort, arrivals
        self.factors, (self.points, _) = arrivals.factors, nodes(arrivals.factors)
        self.all = Seen.of(cohort, arrivals, len(table))
        # those with the outcome come first; of the rest, some stand for all
        weight, bare = table.weight.to_numpy(copy=True), table.outcomes.to_numpy() == 0
        weight[bare] *= weight[bare].sum() / max(weight[:count][bare[:count]].sum(), 1e-9)
        self.seen, self.weight = Seen.of(cohort, arrivals, count), weight[:count]
        self.norm = logsumexp(self.seen.touched, axis=1)
        place = pd.Index(table.customer_id[:count]).get_indexer(model.moments.table.customer)
        chosen = np.flatnonzero((model.event == 1) & (place >= 0))
        self.events, self.customer = some_of(model, chosen), place[chosen]

    def curve(self, packed: Floats) -> Curve:
        """Curvature [Louis 1982], slope and value of the loss."""
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
        scale = self.model.moments.events_each
        told += scale * log_hazard(self.events, given, exposure).sum()
        self.by_customer = np.concatenate([moved.T * weight, -along * (weight * mean)])
        np.add.at(self.by_customer[f:].T, self.customer, scale * of_events.T)

        penalty, target = penalty_of(self.model)
        info = np.zeros((len(packed), len(packed)))
        rise = weight @ (own * raised * hazard[:, None] - score * surplus)
        info[:f, :f] = (x.T * rise) @ x + (moved.T * weight) @ moved + OWN_RIDGE * np.eye(f)
        mixed = ((own + score) * raised) @ x - moved * mean[:, None]
        info[f:, :f] = along @ (weight[:, None] * mixed)
        info[:f, f:] = info[f:, :f].T
        root = design * np.sqrt(each * np.repeat(weight * mean, self.cohort.draws))
        bent = weight * (own @ raised**2 - mean**2)
        info[f:, f:] = root @ root.T - (along * bent) @ along.T + penalty
        away = np.concatenate([c, packed[f:] - target])
        pull = np.concatenate([OWN_RIDGE * c, penalty @ away[f:]])
        return info, pull - self.by_customer.sum(axis=1), float(pull @ away / 2 - told)

    def fit(self, given: Parameters) -> tuple[Intent, Model, Parameters, Floats | None]:
        """Compare with an outcome that follows no intent; hold what is found constant."""
        f, (low, high, free) = self.factors, limits(self.model)
        low, high = np.append(np.full(f, -LARGEST), low), np.append(np.full(f, LARGEST), high)
        start, own = np.append(np.zeros(f), given.packed), np.append(np.zeros(f, bool), free)
        null, (_, _, without) = descend(self.curve, start, low, high, own)
        own[:f], null[:f] = True, FIRST
        packed, (info, _, loss) = descend(self.curve, null, low, high, own)
        inverse = np.zeros_like(info)
        inverse[np.ix_(own, own)] = np.linalg.pinv(info[np.ix_(own, own)], hermitian=True)
        strength = float(np.linalg.norm(packed[:f]))
        way = packed[:f] / max(strength, 1e-12)
        loadings = self.arrivals.loadings @ way
        intent = Intent(
            factors=f,
            p=float(stats.chi2.sf(2 * (without - loss), f)),
            strength=strength,
            error=float(np.sqrt(np.maximum(way @ inverse[:f, :f] @ way, 0.0))),
            loadings=pd.Series(loadings, self.model.moments.touchpoints),
            alike=bool(self.cohort.counts.sum(axis=0) @ loadings > 0),
        )
        if not intent.found:
            return intent, self.model, given, None
        self.curve(packed)
        score = sum_by_group(
            self.by_customer, self.cohort.table.group.to_numpy()[: len(self.weight)]
        )
        left = (packed - score.T @ inverse * GROUPS / (GROUPS - 1)).clip(low, high)
        told = self._told(packed) / strength
        values = told.reindex(self.model.moments.table.customer).to_numpy()
        controls = self.model.controls.and_one(NAME, values, partial(_known, told), held=True)
        model = replace(self.model, controls=controls)
        wide = [
            np.insert(one[f:], self.model.size - len(model.pairs), one[:f] @ way)
            for one in (packed, *left)
        ]
        return intent, model, with_outcomes_observed(model, wide[0]), np.stack(wide[1:])

    def _told(self, packed: Floats) -> pd.Series:
        """Log of what is expected of exp(c x), by customer."""
        given = self.model.parameters(packed[self.factors :])
        _, hazard = self.all.hazards(given, self.all.paths.exposure(given))
        at, raised = self.all.posterior(hazard, self.points @ packed[: self.factors])
        return pd.Series(np.log(softmax(at, axis=1) @ raised), self.cohort.table.customer_id)


@dataclass(frozen=True)
class Seen:
    """The first customers of a cohort: their paths, outcomes, and chance of their touches."""

    paths: Model
    days: Floats
    """(moments,): days that each moment stands for."""
    outcomes: Floats
    touched: Floats
    """(customers, nodes)"""

    @classmethod
    def of(cls, cohort: Cohort, arrivals: Arrivals, count: int) -> Seen:
        table = cohort.table[:count]
        days = np.repeat(table.days.to_numpy() / cohort.draws, cohort.draws)
        paths = some_of(cohort.paths, slice(0, len(days)))
        touched = arrivals.log_nodes(cohort, np.arange(count))
        return cls(paths, days, table.outcomes.to_numpy(), touched)

    def hazards(self, given: Parameters, exposure: Floats) -> tuple[Floats, Floats]:
        """Outcomes expected where x is 0: (moments,), and (customers,)."""
        log = log_hazard(self.paths, given, exposure)
        each: Floats = np.exp(log.clip(max=STEEPEST)) * self.days
        return each, each.reshape(len(self.outcomes), -1).sum(axis=1)

    def posterior(self, hazard: Floats, shift: Floats) -> tuple[Floats, Floats]:
        """Log chance of touches and outcomes at each node, and what it does to the hazard."""
        shift = shift.clip(-STEEPEST, STEEPEST)
        raised: Floats = np.exp(shift)
        return self.touched + np.outer(self.outcomes, shift) - np.outer(hazard, raised), raised


def _known(told: pd.Series, points: Points) -> Columns:
    return {NAME: told.reindex(points.table.customer).fillna(0.0).to_numpy()}
