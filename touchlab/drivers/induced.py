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
import pandas as pd
from scipy import stats

from touchlab.data.customers import DAY_SECONDS
from touchlab.drivers.design import build_controls
from touchlab.drivers.hazard import Scorer, clustered_errors, fit
from touchlab.drivers.model import Model, Parameters, Rows, chance, only, ratios, saturate, some_of
from touchlab.moments.look import Points
from touchlab.moments.sample import Moments, sample_touches, touch_paths
from touchlab.numeric import GROUPS, Floats, Z, one_thread

CUSTOMERS, FEWER_CUSTOMERS = 4_000, 1_000
DRAWS = 12
"""Draws of the links' effects, each on the fewer customers, for the error that they bring."""
MOST_TOUCHES, BASE_MOMENTS = 3_000, 12_000
FEWEST_TOUCHES = 200
LOOKED_AT = (1, 3, 4)
"""Half-lives, by number, at which the score test looks."""
FOUND = ["source", "target", "effect", "error", "half_life_days"]
LOPSIDED = 2.0
"""A link so many times stronger than the one back is a link all the same."""
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
    error: float = 0.0
    """Standard error of `effect`."""


@dataclass(frozen=True)
class Induced:
    """`arrivals`: pairs of touchpoints that come together. `indirect`: outcomes by touchpoint.

    `arrivals` has touchpoint, brings, rate_ratio (touches of `brings` just after one touch,
    over the rate without), ci_low, ci_high, half_life_days, both_ways (each brings the other:
    not followed), kept (above 1 beyond chance, and followed).
    """

    arrivals: pd.DataFrame
    indirect: Floats
    """(touchpoints,): outcomes lost with touches that the touchpoint brought."""
    replicates: Floats
    """(groups, touchpoints): the same without each group of customers."""
    link_error: Floats
    """(touchpoints,): standard error from not knowing the links exactly."""


@one_thread
def follow_induced(model: Model, given: Parameters, replicates: Floats) -> Induced:
    """Estimate which touches bring which, and what is lost with those a touchpoint brought.

    It does not follow outcomes that bring touches, nor touches that replace others. A
    hidden intent that brings touches of several kinds looks as if they brought one another.
    `replicates` (groups, parameters) are the fit without each group of customers.
    """
    arrivals, links = find_links(model)
    nothing = np.zeros(model.touchpoints)
    if not links:
        return Induced(arrivals, nothing, np.zeros((GROUPS, len(nothing))), nothing)
    scene = _scene(model, given, links, _rows_of_some_customers(model.moments, CUSTOMERS))
    felt = _felt(scene, links)
    group = scene.model.moments.table.group.to_numpy()
    without = [
        _amounts(scene, model.parameters(packed), felt, (group != g) * GROUPS / (GROUPS - 1))
        for g, packed in enumerate(replicates)
    ]
    indirect = _amounts(scene, given, felt, np.ones(len(group)))
    return Induced(arrivals, indirect, np.stack(without), _link_error(model, given, links))


@dataclass(frozen=True)
class Scene:
    """Moments of some customers, which touchpoints are switched off, and which are brought."""

    model: Model
    scenarios: list[int]
    targets: list[int]
    tracks: Tracks
    steps: pd.DataFrame
    """Touches and moments by turn; see `_steps`."""
    scale: float
    """Outcomes that one expected outcome here stands for."""


@dataclass(frozen=True)
class Tracks:
    """Decayed stocks to be kept while a path is gone through: of whom, at which half-life.

    The first are those of the links, in their order, then those of the outcome.
    """

    source: Rows
    half_life_days: Floats
    links: int


def _scene(model: Model, given: Parameters, links: list[Link], rows: Rows) -> Scene:
    targets = sorted({link.target for link in links})
    lives = 2**given.log_half_lives
    tracks = Tracks(
        np.array([link.source for link in links] + targets),
        np.array([link.half_life_days for link in links] + [lives[t] for t in targets]),
        len(links),
    )
    p = chance(model, given)
    scale = model.moments.events_each * p.sum() / p[rows].sum()
    scenarios, part = sorted({link.source for link in links}), some_of(model, rows)
    return Scene(part, scenarios, targets, tracks, _steps(part.moments, tracks), float(scale))


def _rows_of_some_customers(moments: Moments, most: int) -> Rows:
    customers = np.sort(moments.table.customer.unique())
    if len(customers) > most:
        draw = np.random.default_rng([moments.seed, 4])
        customers = draw.choice(customers, most, replace=False)
    return np.flatnonzero(moments.table.customer.isin(customers).to_numpy())


def _felt(scene: Scene, links: list[Link]) -> Floats:
    """Exposures to the targets as they enter the log hazard; (moments, targets, 1 + scenarios)."""
    stocks = _roll(scene.steps, links, scene.tracks, scene.scenarios)
    return np.asarray(saturate(stocks, scene.model.saturation))


def _amounts(scene: Scene, given: Parameters, felt: Floats, weight: Floats) -> Floats:
    """Outcomes lost with touches brought, by touchpoint."""
    model, targets = scene.model, scene.targets
    here = model.exposure(given)
    expected = chance(model, given, here) * weight * scene.scale
    usual = ratios(model, given, here).whole
    indirect = np.zeros(model.touchpoints)
    for i, source in enumerate(scene.scenarios):
        without = here.copy()
        without[source] = 0.0
        direct = np.exp(ratios(model, given, without).whole - usual)
        without[targets] = (here[targets] + (felt[:, :, i + 1] - felt[:, :, 0]).T).clip(min=0)
        without[source] = 0.0
        left = np.exp(ratios(model, given, without).whole - usual)
        indirect[source] = (expected * (direct - left)).sum()
    return indirect


def _link_error(model: Model, given: Parameters, links: list[Link]) -> Floats:
    """Standard error of the indirect amounts from that of the links, by draws of them."""
    draw = np.random.default_rng([model.moments.seed, 5])
    rows = _rows_of_some_customers(model.moments, FEWER_CUSTOMERS)
    scene = _scene(model, given, links, rows)
    found = []
    for _ in range(DRAWS):
        drawn = [replace(k, effect=k.effect + k.error * draw.standard_normal()) for k in links]
        found.append(_amounts(scene, given, _felt(scene, drawn), np.ones(len(rows))))
    return np.std(found, axis=0, ddof=1)


def _roll(steps: pd.DataFrame, links: list[Link], tracks: Tracks, scenarios: list[int]) -> Floats:
    """Go through the paths turn by turn; (moments, outcome tracks, 1 + scenarios) stocks.

    The first scenario is what happened.
    """
    count = int(steps.customer.max()) + 1
    stock = np.zeros((count, len(tracks.source), 1 + len(scenarios)))
    seen = np.zeros(count)
    looked = int((steps.row >= 0).sum())
    found = np.zeros((looked, len(tracks.source) - tracks.links, 1 + len(scenarios)))
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


def _weights(stock: Floats, touchpoint: Rows, links: list[Link], scenarios: list[int]) -> Floats:
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


def _steps(moments: Moments, tracks: Tracks) -> pd.DataFrame:
    """Touches and moments of the chosen customers, numbered by turn; `row` -1 for touches."""
    looks = moments.table[["customer", "time"]].assign(
        touchpoint=-1, row=np.arange(len(moments.table))
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


def find_links(model: Model) -> tuple[pd.DataFrame, list[Link]]:
    """Say which touchpoints bring which: a score test of all, then a fit of those that pass.

    In the fit of one touchpoint's arrival the others that passed stand side by side, so that
    only direct links stay; both thresholds allow for all pairs looked at. Two touchpoints
    that each seem to bring the other, about equally, come in bursts, as something else brings
    both: neither link is kept (docs/decisions/0007).
    """
    moments, count = model.moments, model.touchpoints
    touches, counts = sample_touches(moments, most=MOST_TOUCHES)
    base = _some_base(moments)
    looked = max(count * (count - 1), 1)
    frames = [pd.DataFrame(columns=FOUND).astype(dict.fromkeys(FOUND[2:], float))]
    for target, name in enumerate(moments.touchpoints):
        rows = np.flatnonzero((touches.table.touchpoint == name).to_numpy())
        if len(rows) >= FEWEST_TOUCHES and count > 1:
            sample = _arrivals(base, touches.take(rows), float(counts.iloc[target]))
            frames.append(_bringers(sample, target, looked))
    table = pd.concat([f for f in frames if len(f)] or frames, ignore_index=True)
    beyond = table.effect > stats.norm.isf(LEVEL / 2 / looked) * table.error
    effects = table[beyond].set_index(["source", "target"]).effect.to_dict()
    pairs = zip(table.source, table.target, strict=True)
    back = np.array([effects.get((target, source), -np.inf) for source, target in pairs])
    table["both_ways"] = beyond & (back > table.effect / LOPSIDED)
    table["kept"] = beyond & ~table.both_ways
    links = [
        Link(int(row.source), int(row.target), row.effect, row.half_life_days, row.error)
        for row in table[table.kept].itertuples()
    ]
    return _shown(table, moments.touchpoints), links


def _shown(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    one, known = np.log(2.0), np.array(names, dtype=object)
    found = table.assign(
        touchpoint=known[table.source.astype(int)],
        brings=known[table.target.astype(int)],
        rate_ratio=np.exp(one * table.effect),
        ci_low=np.exp(one * (table.effect - Z * table.error)),
        ci_high=np.exp(one * (table.effect + Z * table.error)),
    )
    columns = ["touchpoint", "brings", "rate_ratio", "ci_low", "ci_high", "half_life_days"]
    return found[[*columns, "both_ways", "kept"]]


def _some_base(moments: Moments) -> Moments:
    base = np.flatnonzero(moments.table.event.to_numpy() == 0)
    if len(base) > BASE_MOMENTS:
        draw = np.random.default_rng([moments.seed, 3])
        base = np.sort(draw.choice(base, BASE_MOMENTS, replace=False))
    return moments.take(base)


def _arrivals(base: Moments, touches: Points, count: float) -> Moments:
    """Moments at which the events are touches of one touchpoint."""
    own = touches.table.drop(columns="touchpoint").assign(event=1)
    table = pd.concat([own, base.table], ignore_index=True)
    table[list(base.histories)] = table[list(base.histories)].fillna(0.0)
    return replace(
        base,
        table=table,
        exposure=np.concatenate([touches.exposure, base.exposure], axis=2),
        days_each=base.customer_days / len(base.table),
        events_each=count / len(own),
        earlier=None,
    )


def _bringers(sample: Moments, target: int, looked: int) -> pd.DataFrame:
    """Fit the arrival of `target` on the touchpoints that a score test passes.

    Its own earlier touches are in the model as what is known of the customer's reach;
    they are not taken to bring more of themselves.
    """
    controls = build_controls(sample)
    reach = np.array([sample.half_lives[-1]])
    alone = Model(only(sample, [target]), controls, "log", reach)
    scorer = Scorer(alone, fit(alone))
    passed = np.zeros(len(sample.touchpoints), dtype=bool)
    for place in LOOKED_AT:
        z = scorer.z(np.log1p(sample.exposure[:, place]).astype(float))
        passed |= np.abs(z) > stats.norm.isf(LEVEL / 2 / looked / len(LOOKED_AT))
    passed[target] = False
    sources = np.flatnonzero(passed)
    if not len(sources):
        return pd.DataFrame(columns=FOUND)
    model = Model(only(sample, [*sources, target]), controls, "log", None)
    given = fit(model)
    numbers = (given.effects, clustered_errors(model, given), 2**given.log_half_lives)
    effect, error, life = (values[: len(sources)] for values in numbers)
    return pd.DataFrame(dict(zip(FOUND, (sources, target, effect, error, life), strict=True)))
