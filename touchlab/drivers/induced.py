"""Touches that other touches bring, and the outcomes that go with them.

The arrival of each touchpoint is modelled by the same regression as outcomes, on the
same base moments. Then the paths of sampled customers are gone through in time order,
once as they are and once for each touchpoint that is switched off: its own touches
weigh nothing, and a touch that others brought weighs the share of its rate that is left.
Weights, not coin tosses: every scenario meets the same touches, so a difference is caused
by the touchpoint alone, and chains (k brings j, j brings l) follow by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from touchlab.drivers.design import build_controls
from touchlab.drivers.hazard import (
    Model,
    Parameters,
    clustered_errors,
    fit,
    one_thread,
    only,
    probability,
    ratios,
    saturate,
)
from touchlab.drivers.score import Scorer
from touchlab.moments import DAY_SECONDS, Moments, Points, sample_touches, touch_paths

Floats = npt.NDArray[np.float64]
MOST_TOUCHES, BASE_MOMENTS = 3_000, 12_000
CUSTOMERS = 4_000
FEWEST_TOUCHES = 200
LOOKED_AT = (1, 3, 4)
"""Half-lives, by number, at which the score test looks."""
FOUND = ["source", "target", "effect", "error", "half_life_days"]
LEVEL = 0.05
"""Chance that any link is kept where no touchpoint brings another."""


@dataclass(frozen=True)
class Link:
    """One touchpoint that brings touches of another."""

    source: int
    target: int
    effect: float
    """Log rate ratio of the target for each unit of g(exposure to the source)."""
    half_life_days: float


@dataclass(frozen=True)
class Induced:
    """`arrivals`: pairs of touchpoints that come together. `indirect`: outcomes by touchpoint.

    `arrivals` has touchpoint, brings, rate_ratio (touches of `brings` just after one touch,
    over the rate without), ci_low, ci_high, half_life_days, kept (above 1 beyond chance).
    """

    arrivals: pd.DataFrame
    indirect: Floats
    """(touchpoints,): outcomes lost with touches that the touchpoint brought."""


@one_thread
def follow_induced(model: Model, given: Parameters) -> Induced:
    """Estimate which touches bring which, and what is lost with those a touchpoint brought.

    It does not follow outcomes that bring touches, nor touches that replace others.
    """
    arrivals, links = find_links(model)
    if not links:
        return Induced(arrivals, np.zeros(model.touchpoints))
    return Induced(arrivals, _indirect(model, given, links))


def find_links(model: Model) -> tuple[pd.DataFrame, list[Link]]:
    """Say which touchpoints bring which: a score test of all, then a fit of those that pass.

    In the fit of one touchpoint's arrival the others that passed stand side by side, so that
    only direct links stay; both thresholds allow for all pairs looked at.
    """
    moments, count = model.moments, model.touchpoints
    touches, counts = sample_touches(moments, most=MOST_TOUCHES)
    base = _some_base(moments)
    looked = max(count * (count - 1), 1)
    frames = [pd.DataFrame(columns=FOUND).astype(dict.fromkeys(FOUND[2:], float))]
    for target, name in enumerate(moments.touchpoints):
        rows = np.flatnonzero((touches.table.touchpoint == name).to_numpy())
        if len(rows) >= FEWEST_TOUCHES and count > 1:
            sample = _arrivals(moments, base, touches, rows, float(counts.iloc[target]))
            frames.append(_bringers(sample, target, looked))
    table = pd.concat([f for f in frames if len(f)] or frames, ignore_index=True)
    table["kept"] = table.effect > stats.norm.isf(LEVEL / 2 / looked) * table.error
    links = [
        Link(int(row.source), int(row.target), row.effect, row.half_life_days)
        for row in table[table.kept].itertuples()
    ]
    return _shown(table, moments.touchpoints), links


def _shown(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    one, reach = np.log(2.0), stats.norm.isf(0.025) * table.error
    return pd.DataFrame(
        {
            "touchpoint": [names[int(i)] for i in table.source],
            "brings": [names[int(i)] for i in table.target],
            "rate_ratio": np.exp(one * table.effect),
            "ci_low": np.exp(one * (table.effect - reach)),
            "ci_high": np.exp(one * (table.effect + reach)),
            "half_life_days": table.half_life_days,
            "kept": table.kept,
        }
    )


def _some_base(moments: Moments) -> npt.NDArray[np.int64]:
    base = np.flatnonzero(moments.table.event.to_numpy() == 0)
    if len(base) <= BASE_MOMENTS:
        return base
    return np.sort(np.random.default_rng([moments.seed, 3]).choice(base, BASE_MOMENTS, False))


def _arrivals(
    moments: Moments,
    base: npt.NDArray[np.int64],
    touches: Points,
    rows: npt.NDArray[np.int64],
    count: float,
) -> Moments:
    """Moments at which the events are touches of one touchpoint."""
    own = touches.table.iloc[rows].drop(columns="touchpoint").assign(event=1)
    table = pd.concat([own, moments.table.iloc[base]], ignore_index=True)
    table[list(moments.histories)] = table[list(moments.histories)].fillna(0.0)
    exposure = np.concatenate([touches.exposure[:, :, rows], moments.exposure[:, :, base]], axis=2)
    return replace(
        moments,
        table=table,
        exposure=exposure,
        days_each=moments.customer_days / len(base),
        events_each=count / len(rows),
        earlier=None,
    )


def _bringers(sample: Moments, target: int, looked: int) -> pd.DataFrame:
    """Fit the arrival of `target` on the touchpoints that a score test passes.

    Its own earlier touches are in the model as what is known of the customer's reach;
    they are not taken to bring more of themselves.
    """
    controls = build_controls(sample)
    alone = Model(only(sample, [target]), controls, "log", None)
    scorer = Scorer(alone, fit(alone))
    passed = np.zeros(len(sample.touchpoints), dtype=bool)
    for place in LOOKED_AT:
        z = scorer.z(np.log1p(sample.exposure[:, place]).astype(float))
        passed |= np.abs(z) > stats.norm.isf(LEVEL / 2 / looked / len(LOOKED_AT))
    passed[target] = False
    sources = np.flatnonzero(passed)
    model = Model(only(sample, [*sources, target]), controls, "log", None)
    given = fit(model)
    found = slice(0, len(sources))
    return pd.DataFrame(
        {
            "source": sources,
            "target": target,
            "effect": given.effects[found],
            "error": clustered_errors(model, given)[found],
            "half_life_days": 2 ** given.log_half_lives[found],
        }
    )


@dataclass(frozen=True)
class Tracks:
    """Decayed stocks to be kept while a path is gone through: of whom, at which half-life.

    The first are those of the links, in their order, then those of the outcome.
    """

    source: npt.NDArray[np.int64]
    half_life_days: Floats
    links: int


def _indirect(model: Model, given: Parameters, links: list[Link]) -> Floats:
    """Outcomes lost with touches brought, by touchpoint: from a sample, scaled up."""
    moments = model.moments
    rows = _rows_of_some_customers(moments)
    targets = sorted({link.target for link in links})
    scenarios = sorted({link.source for link in links})
    lives = 2**given.log_half_lives
    tracks = Tracks(
        np.array([link.source for link in links] + targets),
        np.array([link.half_life_days for link in links] + [lives[t] for t in targets]),
        len(links),
    )
    stocks = _roll(moments, rows, links, tracks, scenarios)
    felt = saturate(stocks, model.saturation)
    p, exposure, _ = probability(model, given)
    here = exposure[:, rows]
    expected = p[rows] * moments.events_each
    scale = p.sum() / p[rows].sum()
    usual = ratios(model, given, here).whole
    indirect = np.zeros(model.touchpoints)
    for i, source in enumerate(scenarios):
        without = here.copy()
        without[source] = 0.0
        direct = np.exp(ratios(model, given, without).whole - usual)
        without[targets] = (here[targets] + (felt[:, :, i + 1] - felt[:, :, 0]).T).clip(min=0)
        without[source] = 0.0
        left = np.exp(ratios(model, given, without).whole - usual)
        indirect[source] = scale * (expected * (direct - left)).sum()
    return indirect


def _rows_of_some_customers(moments: Moments) -> npt.NDArray[np.int64]:
    customers = np.sort(moments.table.customer.unique())
    if len(customers) > CUSTOMERS:
        draw = np.random.default_rng([moments.seed, 4])
        customers = draw.choice(customers, CUSTOMERS, replace=False)
    return np.flatnonzero(moments.table.customer.isin(customers).to_numpy())


def _roll(
    moments: Moments,
    rows: npt.NDArray[np.int64],
    links: list[Link],
    tracks: Tracks,
    scenarios: list[int],
) -> Floats:
    """Go through the paths turn by turn; (moments, outcome tracks, 1 + scenarios) stocks.

    The first scenario is what happened.
    """
    steps = _steps(moments, rows, tracks)
    count = int(steps.customer.max()) + 1
    stock = np.zeros((count, len(tracks.source), 1 + len(scenarios)))
    seen = np.zeros(count)
    found = np.zeros((len(rows), len(tracks.source) - tracks.links, 1 + len(scenarios)))
    bounds = np.flatnonzero(np.diff(steps.turn.to_numpy(), prepend=-1, append=-1))
    columns = [steps[c].to_numpy() for c in ("customer", "day", "touchpoint", "row")]
    for first, last in pairwise(bounds):
        customer, day, touchpoint, row = (column[first:last] for column in columns)
        age = (day - seen[customer])[:, None] / tracks.half_life_days
        now = stock[customer] * np.exp2(-age)[:, :, None]
        looks = row >= 0
        found[row[looks]] = now[looks, tracks.links :]
        weight = _weights(now[:, : tracks.links], touchpoint, links, scenarios)
        touched = tracks.source[None] == touchpoint[:, None]
        stock[customer] = now + touched[:, :, None] * weight[:, None, :]
        seen[customer] = day
    return found


def _weights(
    stock: Floats, touchpoint: npt.NDArray[np.int64], links: list[Link], scenarios: list[int]
) -> Floats:
    """(steps, 1 + scenarios): the share of each touch that would still have come."""
    felt = np.log1p(stock)
    lost = np.zeros((len(stock), 1 + len(scenarios)))
    for i, link in enumerate(links):
        own = touchpoint == link.target
        lost[own] += link.effect * (felt[own, i, :1] - felt[own, i])
    weight = np.exp(-lost).clip(0.0, 1.0)
    for i, source in enumerate(scenarios):
        weight[touchpoint == source, i + 1] = 0.0
    return weight


def _steps(moments: Moments, rows: npt.NDArray[np.int64], tracks: Tracks) -> pd.DataFrame:
    """Touches and moments of the chosen customers, numbered by turn; `row` -1 for touches."""
    looks = moments.table.iloc[rows][["customer", "time"]].assign(
        touchpoint=-1, row=np.arange(len(rows))
    )
    touches = touch_paths(moments, looks.customer.drop_duplicates()).assign(row=-1)
    touches = touches[touches.touchpoint.isin(np.unique(tracks.source))]
    steps = pd.concat([looks, touches], ignore_index=True)
    # at one instant moments come first: only touches strictly before count
    steps = steps.sort_values(["customer", "time", "touchpoint", "row"], ignore_index=True)
    steps["customer"] = pd.factorize(steps.customer)[0]
    steps["day"] = (steps.time - moments.start_seconds) / DAY_SECONDS
    steps["turn"] = steps.groupby("customer").cumcount()
    return steps.sort_values(["turn", "customer"], ignore_index=True)
