"""What figures have to pass: the fit meets what happened, stays within it, and could be checked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from touchlab.drivers.calibrate import CalibratedDrivers
from touchlab.drivers.effects import MOST, Ratios, removal
from touchlab.drivers.hazard import Scorer
from touchlab.drivers.lead import SEEN
from touchlab.drivers.model import PRESENT, Model, Parameters, chance
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, listing
from touchlab.numeric import Floats

PIECES, FEWEST_EXPECTED = 10, 20.0
OFF, LEVEL = 1.5, 1e-4
"""A piece is off if what happened is so many times more or less than expected, beyond chance."""
BENDING = 0.05
"""Chance that any effect is said to bend up where none does; and the same of down."""
BY_SIZE, BY_TIME = "size", "time"


def hazard_calibration(model: Model, given: Parameters) -> pd.DataFrame:
    """Expected against observed outcomes, in tenths of each: by, piece, expected, observed, p.

    `by` is the size of the fitted hazard, time, or a touchpoint (tenths of its exposure, at
    moments where it is present). `p`: of the difference, as independent outcomes would have it;
    missing where fewer than 20 are expected.
    """
    exposure, p = model.exposure(given), chance(model, given)
    day = model.moments.table.day.to_numpy(float)
    everywhere = np.ones(len(p), dtype=bool)
    looks = [(BY_SIZE, p, everywhere), (BY_TIME, day, everywhere)]
    names = model.moments.touchpoints
    looks += [(name, own, own > PRESENT) for name, own in zip(names, exposure, strict=True)]
    found = pd.concat([_pieces(by, values, used, p, model.event) for by, values, used in looks])
    scale = model.moments.events_each
    return found.assign(expected=found.expected * scale, observed=found.observed * scale)


def _pieces(by: str, values: Floats, used: Floats, p: Floats, event: Floats) -> pd.DataFrame:
    """Pieces with equally many expected outcomes, in order of some values."""
    order = np.flatnonzero(used)[np.argsort(values[used], kind="stable")]
    expected = np.cumsum(p[order])
    whole = expected[-1] if len(order) else 0.0
    piece = np.minimum((expected - p[order]) * PIECES / max(whole, 1e-12), PIECES - 1).astype(int)
    sums = [np.bincount(piece, w, PIECES) for w in (p[order], event[order], (p * (1 - p))[order])]
    with np.errstate(invalid="ignore", divide="ignore"):
        tail = 2 * stats.norm.sf(np.abs(sums[1] - sums[0]) / np.sqrt(sums[2]))
    tail = np.where(sums[0] >= FEWEST_EXPECTED, tail, np.nan)
    columns = {"piece": np.arange(PIECES) + 1, "expected": sums[0], "observed": sums[1], "p": tail}
    return pd.DataFrame({"by": by, **columns})


def misfits(model: Model, given: Parameters) -> dict[str, str]:
    """Say what the fitted hazard does not meet, by size, time or touchpoint, and what to do."""
    table = hazard_calibration(model, given)
    with np.errstate(divide="ignore"):
        times = np.abs(np.log(table.observed / table.expected))
    bad = table.assign(times=times)[(table.p < LEVEL / len(table)) & (times > np.log(OFF))]
    worst = bad.sort_values("times", ascending=False).drop_duplicates("by")
    outcome, bent = model.moments.risk.outcome, bends(model, given)
    more = {
        name: f"the fit is off {where_off(name)}: many touches of it do "
        f"{'more' if own > 0 else 'less'} than the curve of saturation says, few the contrary; "
        "another saturation may mend it"
        for name, own in zip(model.moments.touchpoints, bent, strict=True)
        if own
    }
    return more | {
        row.by: f"the fit is off {where_off(row.by)}: in one tenth of it "
        f"{row.expected:,.0f} {outcome} outcomes were expected and {row.observed:,.0f} seen; "
        "another saturation, or a trait that tells these customers apart, may mend it"
        for row in worst.itertuples()
    }


def bends(model: Model, given: Parameters) -> Floats:
    """Tell where many touches do more than the curve says (1), or less (-1) [Rao 1948].

    Shape (touchpoints,). More is a misfit, such as intent leaves behind; less is fatigue, and
    `fit_drivers` lets the curve bend down.
    """
    z = Scorer(model, given).z(model.exposure(given) ** 2)
    return np.sign(z) * (np.abs(z) > stats.norm.isf(BENDING / max(len(z), 1)))


def where_off(by: str) -> str:
    """Say where a fit is off."""
    where = {BY_SIZE: "by the size of the fitted rate", BY_TIME: "over time"}
    return where.get(by, f"where {by} is present")


def runaways(drivers: Drivers) -> dict[str, str]:
    """Say of which touchpoints the effect is beyond all outcomes: no data reaches there."""
    lost, outcome = drivers.removed, drivers.moments.risk.outcome
    wild = ~np.isfinite(lost) | (np.abs(lost) > drivers.moments.events)
    beyond = f"beyond all {outcome} outcomes that there are, so no moments tell what would be"
    names = [drivers.moments.touchpoints[i] for i in np.flatnonzero(wild)]
    if names and wild.all():
        raise MissingInput(
            f"drivers: what {listing(names, most=5)} would bring or cost is {beyond} without\n"
            "  more customers who are not touched would tell"
        )
    left = "without it; the others were fitted without it"
    return {name: f"{name}: its effect would be {beyond} {left}" for name in names}


def unseen_bends(drivers: Drivers) -> Floats:
    """(touchpoints,): outcomes by which a bend of the curve moves amounts and is missed one time
    in five; to first order, the other parameters following it."""
    model, given, k = drivers.model, drivers.parameters, drivers.model.touchpoints
    exposure, slope = model.exposures(given.log_half_lives)
    scorer, squared = Scorer(model, given), exposure**2
    moved = scorer.followed(squared)
    told = ((squared + moved.T @ scorer.now.design) ** 2) @ scorer.now.weight
    rise = np.diag(moved[:k])[:, None] * exposure + squared
    rise += (given.effects * np.diag(moved[k : 2 * k]))[:, None] * slope
    without = np.exp(-(given.effects[:, None] * exposure).clip(-MOST, MOST))
    tested = [place for pair in (*model.pairs, *model.twins) for place in pair]
    bias = SEEN * np.abs((without * rise) @ drivers._expected(given)) / np.sqrt(told.clip(1e-12))
    bias[tested] = 0.0
    return np.asarray(bias)


def power(drivers: Drivers, lead_seen: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The smallest bias that a check would have seen, in outcomes; and whether that is enough.

    An intent that multiplies the touches after an outcome multiplies the outcomes after a touch
    as much, so the excess that the lead test would have seen is a bias of one touch's hazard ratio.
    It is enough up to the figure itself, or up to chance where that is larger. A touchpoint that is
    hardly ever absent leans on its curve: there the test of the curve must have seen as much too.
    """
    model, given, table = drivers.model, drivers.parameters, drivers.incremental(total=False)
    bias = np.log1p(np.where(np.isfinite(lead_seen), lead_seen, 0.0)) / model.one_touch
    biased = Ratios.within_reason(bias[:, None] * model.exposure(given), (), np.zeros((0, 1)))
    every = np.ones((len(model.event), 1))
    seen = removal(drivers._expected(given), biased, every, drivers._ahead(given))[:, 0]
    seen = np.where(np.isfinite(lead_seen), np.maximum(seen, unseen_bends(drivers)), np.nan)
    if isinstance(drivers, CalibratedDrivers):
        own = drivers.uncalibrated.incremental(total=False).set_index("touchpoint").incremental
        for row in drivers.experiments.itertuples():
            place = drivers.moments.touchpoints.index(row.touchpoint)
            scale = abs(own[row.touchpoint] / row.model) if row.model else np.inf
            seen[place] = np.fmin(seen[place], row.seen * scale)
    figure = np.maximum(table.incremental.abs(), (table.ci_high - table.ci_low) / 2)
    return seen, seen <= figure.to_numpy(float)
