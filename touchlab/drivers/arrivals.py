"""Which touchpoints bring touches of which others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from touchlab.drivers.design import build_controls
from touchlab.drivers.hazard import Model, clustered_errors, fit, only
from touchlab.drivers.score import Scorer
from touchlab.moments import Moments, Points, sample_touches

Floats = npt.NDArray[np.float64]
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
            sample = _arrivals(moments, base, touches, rows, float(counts.iloc[target]))
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
    one, reach = np.log(2.0), stats.norm.isf(0.025) * table.error
    return pd.DataFrame(
        {
            "touchpoint": [names[int(i)] for i in table.source],
            "brings": [names[int(i)] for i in table.target],
            "rate_ratio": np.exp(one * table.effect),
            "ci_low": np.exp(one * (table.effect - reach)),
            "ci_high": np.exp(one * (table.effect + reach)),
            "half_life_days": table.half_life_days,
            "both_ways": table.both_ways,
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
