"""How touches come to customers: rates of their own, and hidden factors that draw several kinds.

Counts of touches up to the customer's first outcome are Poisson. Traits, time at risk and calendar
change the rates; what customers still differ by are factors x ~ N(0, I), which multiply the rate
of touchpoint k by exp(b_k x). As many as the counts call for, two at most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import ibis
import numpy as np
import pandas as pd
from scipy import optimize
from scipy.special import logsumexp, softmax

from touchlab.data.customers import DAY_SECONDS
from touchlab.drivers.model import Model, Rows
from touchlab.moments.look import look
from touchlab.moments.risk import risk_events, risk_windows
from touchlab.moments.sample import on_the_clock, touch_paths
from touchlab.numeric import Floats

FACTORS, NODES, RAREST_NODE = 2, (1, 21, 13), -16.0
"""Most factors; points of Gauss-Hermite quadrature along each, by their number; log weight below
which a point is left out."""
MOST_DRAWS, FEWEST_DRAWS, DRAWS = 120_000, 2, 12
"""Moments of all paths; the fewest and the most of each customer's."""
MOST_CUSTOMERS, MOST_COUNTED = 20_000, 5_000
"""Customers whose outcomes are fitted; and whose counts alone are fitted first."""
PIECES, RAKES = 12, 5
"""Pieces of each clock of the rates, and rounds of raking."""
USUAL = 0.995
"""No customer counts for more touches than that share of those who have any."""
LOADING_RIDGE, RATE_RIDGE = 1.0, 0.01
"""Pull of loadings to 0 (a prior of sd 1), and of rates (sd 10)."""
STRONGEST, STEEPEST = 3.0, 12.0
"""Bounds of a loading, and of what it comes to at a node."""


@dataclass(frozen=True)
class Cohort:
    """Customers of the sample: when they are at risk, their touches, moments of their paths."""

    table: pd.DataFrame
    """A row a customer: customer_id, group, start, stop, days, weight (customers that it stands
    for), outcomes, until (the first of them, or stop), told (whether any of them is a moment)."""
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


def at_risk(model: Model) -> pd.DataFrame:
    """Every customer of the sample in an order by chance, as in `Cohort`."""
    moments = model.moments
    each = moments.table.groupby("customer", sort=False)
    known = each.agg(group=("group", "first"), told=("event", "max")).reset_index()
    ids = ibis.memtable(known[["customer"]].rename(columns={"customer": "customer_id"}))
    windows = risk_windows(moments.data, moments.risk).semi_join(ids, "customer_id")
    events = risk_events(moments.data, windows, moments.risk)
    had = events.group_by("customer_id").aggregate(outcomes=events.count(), first=events.time.min())
    table = known.rename(columns={"customer": "customer_id"}).merge(windows.to_pandas())
    table = table.merge(had.to_pandas(), how="left").fillna({"outcomes": 0.0})
    table["until"] = table.pop("first").fillna(table.stop)
    missed = np.where(
        table.outcomes > 0,
        (1 - 1 / moments.events_each) ** table.outcomes,
        (1 - table.days / moments.days_each).clip(lower=0),
    )
    place = np.random.default_rng([moments.seed, 6]).random(len(table))
    table = table.assign(weight=1 / (1 - missed), place=place)
    return table.sort_values(["place", "customer_id"], ignore_index=True).drop(columns="place")


def some_of_both(table: pd.DataFrame) -> pd.DataFrame:
    """Keep so many customers with and without the outcome that they tell; they stand for all.

    With it are those of whom an outcome is a moment.
    """
    parts, groups = [], (table.told == 1, table.outcomes == 0)
    for own, others in (groups, groups[::-1]):
        kept = table[own][: max(MOST_CUSTOMERS // 2, MOST_CUSTOMERS - others.sum())]
        stands = table.weight[own].sum() / max(kept.weight.sum(), 1e-9)
        parts.append(kept.assign(weight=kept.weight * stands))
    return pd.concat(parts, ignore_index=True)


def draw_cohort(model: Model, table: pd.DataFrame) -> Cohort:
    """Look at moments of the paths of these customers, and count their touches."""
    moments = model.moments
    paths = _paths(model, table, np.random.default_rng([moments.seed, 8]))
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
    best, told = _maximise(cohort, rows, _start(cohort, rows, 0))
    # two factors of one or two counts could not be told from one
    for factors in range(1, min(FACTORS, (cohort.counts.shape[1] + 1) // 2) + 1):
        tried, tells = _maximise(cohort, rows, _start(cohort, rows, factors))
        if tells - told < price:
            break
        best, told = tried, tells
    return best


def refit_arrivals(cohort: Cohort, given: Arrivals, outcomes: Floats) -> Arrivals:
    """Fit again with what outcomes tell of each customer, logs by node: counts end with them."""
    return _maximise(cohort, np.arange(len(cohort.table)), given, outcomes)[0]


def _weights(cohort: Cohort, rows: Rows) -> Floats:
    """Customers weigh 1 on average."""
    weight = cohort.table.weight.to_numpy()[rows]
    return np.asarray(weight / weight.mean())


def _maximise(
    cohort: Cohort, rows: Rows, start: Arrivals, outcomes: Floats | float = 0.0
) -> tuple[Arrivals, float]:
    """Arrivals by marginal likelihood, and its log."""
    counts, traits, factors = cohort.counts[rows], cohort.traits[rows], start.factors
    weight = _weights(cohort, rows)
    k, p, (points, _) = counts.shape[1], traits.shape[1], nodes(factors)
    ridge = np.concatenate([np.full(p, RATE_RIDGE), np.full(factors, LOADING_RIDGE)])

    def loss(packed: Floats) -> tuple[float, Floats]:
        given = packed.reshape(k, -1)
        arrivals = Arrivals(given[:, :p], given[:, p:])
        usual, at = arrivals.usual(cohort, rows), arrivals.log_nodes(cohort, rows) + outcomes
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
        loss, np.column_stack([start.rates, start.loadings]).ravel(), jac=True, method="L-BFGS-B",
        bounds=[*[(None, None)] * p, *[(-STRONGEST, STRONGEST)] * factors] * k,
        options={"maxiter": 300, "ftol": 1e-9, "gtol": 1e-6},
    )  # fmt: skip
    given = found.x.reshape(k, -1)
    return Arrivals(given[:, :p], given[:, p:]), float(-found.fun * weight.sum())


def _start(cohort: Cohort, rows: Rows, factors: int) -> Arrivals:
    """Loadings from what standardised counts have in common."""
    counts, usual, weight = cohort.counts[rows], cohort.expected[rows], _weights(cohort, rows)
    scale = (weight @ counts + 0.5) / (weight @ usual + 0.5)
    apart = (counts - usual * scale) / np.sqrt(usual * scale + 1e-9)
    common = (apart * weight[:, None]).T @ apart / weight.sum() - np.eye(len(scale))
    values, vectors = np.linalg.eigh(common)
    chosen = np.argsort(-values)[:factors]
    mean = np.average(usual * scale, axis=0, weights=weight).clip(0.05)
    loadings = vectors[:, chosen] * np.sqrt(values[chosen].clip(0.02)) / np.sqrt(mean)[:, None]
    rates = np.zeros((len(scale), cohort.traits.shape[1]))
    rates[:, 0] = np.log(scale)
    return Arrivals(rates, loadings.clip(-1, 1))
