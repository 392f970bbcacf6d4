"""Which touch next, for customers in which state, and for whom none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd

from touchlab.budget.costs import find_costs, mean_value, owners, wanted
from touchlab.data.customers import DAY_SECONDS
from touchlab.data.dataset import Dataset
from touchlab.drivers.checks import CAUSAL, check_drivers
from touchlab.drivers.effects import MOST, Ahead
from touchlab.drivers.experiments import never_sent_out
from touchlab.drivers.fit import EXTREME
from touchlab.drivers.model import Earlier, Model, Parameters, log_hazard, saturate, some_of
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, listing
from touchlab.moments.look import look
from touchlab.moments.risk import risk_windows
from touchlab.moments.sample import sample_touches
from touchlab.next.states import States, find_states, stocks, unsaturated
from touchlab.numeric import GROUPS, Floats, interval, jackknife, one_thread
from touchlab.results import Result

NODES = 6
"""Of the quadrature over the decay of a touch: enough for 1e-4 of it."""
MOST_MOMENTS, MOST_TOUCHES, DRAWS = 8_000, 2_000, 200
NONE = "none"
ENDS = ("", "_low", "_high")


@dataclass(frozen=True, repr=False)
class NextTouch(Result):
    """One more touch of each touchpoint by state, and what to send; see ``next_touch``."""

    table: pd.DataFrame
    policy: pd.DataFrame
    gain: pd.DataFrame
    """One row: outcome, gain, ci_low, ci_high, flattered, saved, value, value_low, value_high,
    touches (sent now, of touchpoints whose effect may be called one), kept, other, dropped."""
    notes: tuple[str, ...]
    drivers: Drivers = field(repr=False)
    states: States = field(repr=False)

    def summary(self) -> pd.DataFrame:
        """The policy."""
        return self.policy

    def sentence(self) -> str:
        """Say for which state which touch is next, for which none, and what that gains."""
        from touchlab import sentences

        return sentences.about_next_touch(self.policy, self.gain)

    def plot(self) -> Any:
        """Draw what the best touch of each state brings."""
        from touchlab import plots

        return plots.plot_next_touch(self.policy, outcome=self.gain.outcome.iloc[0])

    def customers(self) -> pd.DataFrame:
        """Whom the policy means: customers at risk at the end of the data, for the analyst alone.

        Columns: customer_id, state, next, and by touchpoint what is left of its touches. It is
        never part of a page.
        """
        moments = self.drivers.moments
        windows = risk_windows(moments.data, moments.risk)
        last = windows.stop.max().to_pyarrow().as_py()
        open_at = windows.filter(windows.stop > last - DAY_SECONDS)
        asked = open_at.select("customer_id", "start", time="stop").to_pandas()
        points = look(
            moments.data, asked.sort_values("customer_id"), touchpoints=moments.touches.index,
            half_lives=moments.half_lives, origin=moments.start_seconds,
        )  # fmt: skip
        state = self.states.of(points)
        left = stocks(self.drivers, points)
        frame = pd.DataFrame({"customer_id": points.table.customer, "state": state + 1})
        frame["next"] = self.policy.next.to_numpy()[state]
        return frame.assign(**dict(zip(moments.touchpoints, left, strict=True)))


@one_thread
def next_touch(
    data: Dataset,
    drivers: Drivers,
    *,
    checks: Any = None,
    by: str | None = None,
    costs: Mapping[str, float] | None = None,
    value: float | None = None,
    states: int = 6,
    seed: int = 1,
) -> NextTouch:
    """Which touch should come next for customers in which state, and for whom none?

    It answers for one more touch now, while the customer is touched on as lately. It knows
    states as the drivers know them: what is left of earlier touches, earlier outcomes and
    traits. It does not follow what the touch brings about elsewhere, nor a plan of many touches.

    Parameters
    ----------
    data, drivers
        As opened, and as ``fit_drivers`` or ``calibrate`` returned them.
    checks
        What ``check_drivers`` found; None: it is asked.
    by
        A trait of ``customers``: states are found within each of its levels.
    costs
        Cost by touchpoint over the time at risk; None: the sums of ``touches.cost``.
    value
        Worth of one outcome, in the currency of the costs; None: the mean of its values. Where
        there is none, costs are not set off.
    states
        The most states, in each segment.
    seed
        Of the draws behind the gain of the policy.

    Returns
    -------
    NextTouch
        ``.table``, a row a state and touchpoint that can be sent: ``[segment], state, who,
        touchpoint, per_1000, ci_low, ci_high`` (outcomes wanted that 1,000 more touches bring:
        for churn, prevented), ``net, net_low, net_high`` (their value after cost), ``badge,
        touches`` (sent in that state now), ``customers`` (seen in it). ``.policy``, a row a
        state: ``touchpoint`` (the best one), ``next`` (the same, or none) and its numbers,
        ``days_since`` (median, since the last touch of any), ``share`` (of time at risk).
        ``.gain`` of following it with the touches sent now, ``.notes``, ``.sentence()``,
        ``.plot()``, ``.customers()``.

    Raises
    ------
    MissingInput, ParameterError
        If no touchpoint can be sent; for a `by` that is no trait, or has too many levels.

    Notes
    -----
    At a moment with hazard L and exposure A to a touchpoint of half-life h, a touch brings

        L h / ln 2 * integral from 0 to 1 of (r(A + x) / r(A) - 1) / x dx,

    r its hazard ratio with saturation, fatigue and synergies, x what is left of the touch. L and
    A stay as they are: averaged over all time at risk that is exact for a touch at random, as
    moments after it are like those before. Outcomes that come once gain
    exp(-H) (1 - exp(-that)), H the hazard ahead. States are leaves of a tree that tells apart
    moments with another best touch, weighted by what the wrong one costs [Zhao et al. 2012].
    None is next unless a touch is clear of 0 after cost, under a badge that lets it be called an
    effect. The gain takes every touch of such a touchpoint as it was sent, and puts in its place
    what the policy says for that state, to first order; it is stated after taking off
    what choosing by estimates flatters, as in ``reallocate``.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> found = tl.next_touch(data, tl.fit_drivers(data))
    >>> found.policy.columns.tolist()[:3]
    ['state', 'who', 'touchpoint']
    """
    checks = checks or check_drivers(data, drivers)
    choices, notes = _choices(drivers, costs, checks)
    names, places = list(choices.index), choices.place.to_numpy()
    model = _base(drivers)
    worth = mean_value(drivers) if value is None else float(value)
    known = not np.isnan(worth)
    price = choices.cost.to_numpy() if known else np.zeros(len(choices))
    packed = np.vstack([drivers.parameters.packed, drivers.replicates])
    every = _each(model, packed, places, wanted(drivers))
    net = next(every) * (worth if known else 1.0) - price[:, None]
    found = find_states(drivers, model.moments, net[choices.effect.to_numpy()], by, states)
    cells = found.cells(model.moments)
    point, replicates = _means(_each(model, packed, places, wanted(drivers)), cells, model.group)
    sent = _sent(drivers, found, names)
    own = _Judged(point, replicates, price, worth if known else 1.0, choices.effect.to_numpy())
    table = _table(own, found, choices, sent, known)
    seen = pd.Series(model.moments.table.customer).groupby(found.of(model.moments)).nunique()
    table["customers"] = seen.reindex(range(found.count)).fillna(0).to_numpy()[table.state - 1]
    policy = _policy(own, table, found, model.moments, cells)
    gain = _gain(own, sent, drivers.moments.risk.outcome, worth, choices.cost.to_numpy(), seed)
    if not known:
        notes.append("outcomes have no value: costs are not set off; give `value`")
    drop = [] if by else ["segment"]
    return NextTouch(
        table.drop(columns=drop), policy.drop(columns=drop), gain, tuple(notes), drivers, found
    )


def _choices(
    drivers: Drivers, costs: Mapping[str, float] | None, checks: Any
) -> tuple[pd.DataFrame, list[str]]:
    """Touchpoints that can be sent: place, cost (of a touch), badge, effect (may be called one)."""
    names = list(drivers.moments.touchpoints)
    table = pd.DataFrame({"place": range(len(names)), "cost": 0.0}, index=names)
    try:
        paid = find_costs(drivers, costs).table
        table.loc[paid.index, "cost"] = paid.cost / paid.n.clip(lower=1)
    except MissingInput:  # touches without a cost are free
        if costs is not None:
            raise
    table["badge"] = list(checks.badges(names))
    own = never_sent_out(drivers.moments.data)
    own |= {name for name, owner in owners(drivers).items() if owner == "customer"}
    extreme = np.abs(drivers.parameters.effects) > EXTREME
    left_out = [name for name, far in zip(names, extreme, strict=True) if far or name in own]
    table = table.drop(index=left_out)
    if table.empty:
        raise MissingInput("next touch: every touchpoint is the customer's own: none can be sent")
    table["effect"] = table.badge.isin(CAUSAL)
    doubted, notes = list(table.index[~table.effect]), []
    if left_out:
        notes.append(f"cannot be sent, or what more would bring cannot be told: {listing(left_out)}")
    if doubted:
        notes.append(f"no next touch, as none lets it be called an effect: {listing(doubted)}")
    return table, notes


def _base(drivers: Drivers) -> Model:
    """The model at moments drawn from the time at risk."""
    rows = np.flatnonzero(drivers.model.event == 0)
    rows = rows[:: -(-len(rows) // MOST_MOMENTS)]
    return some_of(drivers.model, rows, past=True)


def _each(model: Model, packed: Floats, places: Floats, sign: int) -> Any:
    """What one more touch brings, wanted outcomes, for each set of parameters."""
    earlier = Earlier.of(model)
    aheads = earlier.ahead(model, packed) if earlier else repeat(None, len(packed))
    for own, ahead in zip(packed, aheads, strict=True):
        yield sign * one_more(model, model.parameters(own), ahead)[places]


def one_more(model: Model, given: Parameters, ahead: Ahead | None) -> Floats:
    """Outcomes that one more touch of each touchpoint brings at each moment: see `next_touch`."""
    seen = model.exposure(given)
    hazard = np.exp(log_hazard(model, given, seen).clip(max=MOST))
    stock = unsaturated(seen, model.saturation)
    slope, bend = np.repeat(given.effects[:, None], seen.shape[1], axis=1), np.zeros(len(seen))
    for (a, b), own in zip(model.pairs, given.synergies, strict=True):
        if a == b:
            bend[a] += own
        else:
            slope[a] += own * seen[b]
            slope[b] += own * seen[a]
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    factor = np.zeros_like(seen)
    for left, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        raised = saturate(stock + left, model.saturation)
        rise = slope * (raised - seen) + bend[:, None] * (raised**2 - seen**2)
        factor += weight / left * np.expm1(rise.clip(-MOST, MOST))
    more = factor * hazard * (2**given.log_half_lives / np.log(2))[:, None]
    if ahead is None:
        return np.asarray(more)
    through = np.exp(-ahead.gather(ahead.hazard))
    return np.maximum(-np.expm1(-more) * through, through - 1)  # nobody has it twice, or less often


def _means(every: Any, cells: Floats, group: Any) -> tuple[Floats, Floats]:
    """Means by state, of all and without each group: (states, touchpoints), (groups, ...)."""
    found = []
    for without, own in enumerate(every, start=-1):
        kept = cells * (group != without)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((own @ kept / kept.sum(axis=0)).T)
    return found[0], np.array(found[1:])


def _sent(drivers: Drivers, states: States, names: Sequence[str]) -> Floats:
    """Touches sent now, by state and touchpoint; (states, touchpoints)."""
    points, n = sample_touches(drivers.moments, most=MOST_TOUCHES)
    rows = pd.crosstab(states.of(points), points.table.touchpoint)
    rows = rows.reindex(index=range(states.count), columns=names).fillna(0)
    return np.asarray(rows / rows.sum().clip(lower=1) * n.reindex(names))


@dataclass(frozen=True)
class _Judged:
    """Outcomes a touch by state and touchpoint, and how they are weighed against cost."""

    point: Floats
    replicates: Floats
    price: Floats
    worth: float
    effect: Any

    @property
    def error(self) -> Floats:
        return jackknife(self.point, self.replicates)[0]

    def net(self, found: Floats) -> Floats:
        return found * self.worth - self.price

    def choose(self, found: Floats) -> Any:
        """The next touch in each state, by number; -1 for none."""
        low, _ = interval(self.net(found), self.error * self.worth)
        clear = np.where(self.effect & (low > 0), self.net(found), -np.inf)
        return np.where(np.isfinite(clear).any(axis=1), clear.argmax(axis=1), -1)

    def draws(self, seed: int) -> Floats:
        """Drawn with the covariance of the group jackknife; (draws, states, touchpoints)."""
        leaning = np.random.default_rng([seed, 7]).standard_normal((DRAWS, GROUPS))
        rest = np.nan_to_num(self.replicates - np.nanmean(self.replicates, axis=0))
        scale = np.sqrt((GROUPS - 1) / GROUPS)
        return np.asarray(self.point + scale * np.einsum("dg,gsk->dsk", leaning, rest))


def _table(
    own: _Judged, states: States, choices: pd.DataFrame, sent: Floats, known: bool
) -> pd.DataFrame:
    count, names = states.count, list(choices.index)
    low, high = interval(own.point, own.error)
    frame = pd.DataFrame(
        {
            "segment": np.repeat(states.segments, len(names)),
            "state": np.repeat(np.arange(count) + 1, len(names)),
            "who": np.repeat(states.who, len(names)),
            "touchpoint": np.tile(names, count),
        }
    )
    ends = dict(zip(ENDS, (own.point, low, high), strict=True))
    for end, values in ends.items():
        frame["per_1000" if end == "" else f"ci{end}"] = 1000 * values.ravel()
    for end, values in ends.items():
        frame[f"net{end}"] = 1000 * own.net(values).ravel() if known else np.nan
    return frame.assign(badge=np.tile(choices.badge, count), touches=sent.ravel().round())


def _policy(
    own: _Judged, table: pd.DataFrame, states: States, moments: Any, cells: Floats
) -> pd.DataFrame:
    choice, width = own.choose(own.point), own.point.shape[1]
    best = np.where(own.effect, own.net(own.point), -np.inf)
    place = np.where(choice >= 0, choice, best.argmax(axis=1))
    rows = table.iloc[np.arange(len(place)) * width + place].reset_index(drop=True)
    # at the shortest half-life the last touch is nearly all that is left
    left = moments.exposure[:, 0].max(axis=0).clip(1e-30, 1.0)
    days = pd.Series(-moments.half_lives[0] * np.log2(left)).where(left > 1e-30)
    since = days.groupby(states.of(moments)).median().reindex(range(states.count))
    rows.insert(4, "next", np.where(choice >= 0, rows.touchpoint, NONE))
    rows["touches"] = table.groupby("state").touches.sum().to_numpy()
    return rows.assign(days_since=since.to_numpy(), share=cells.mean(axis=0))


def _gain(
    own: _Judged, sent: Floats, outcome: str, worth: float, cost: Floats, seed: int
) -> pd.DataFrame:
    """What the policy gains, with the touches sent now, beyond what those bring."""
    weighed = sent * own.effect
    each = weighed.sum(axis=1)

    def gained(found: Floats, choice: Any) -> float:
        chosen = np.where(choice >= 0, found[np.arange(len(found)), choice], 0.0)
        return float(each @ chosen - (weighed * found).sum())

    choice = own.choose(own.point)
    excess = np.array(
        [gained(d, c) - gained(own.point, c) for d in own.draws(seed) for c in [own.choose(d)]]
    )
    flattered, point = float(excess.mean()), gained(own.point, choice)
    low, high = map(float, interval(point - flattered, float(excess.std(ddof=1))))
    saved = float((weighed * cost).sum() - each @ np.where(choice >= 0, cost[choice], 0.0))
    ends = dict(zip(ENDS, (point - flattered, low, high), strict=True))
    kept = weighed[np.arange(len(choice)), choice][choice >= 0].sum()
    row = {"outcome": outcome, "gain": ends[""], "ci_low": low, "ci_high": high}
    row |= {"flattered": flattered, "saved": saved}
    row |= {f"value{end}": worth * amount + saved for end, amount in ends.items()}
    dropped = each[choice < 0].sum()
    row |= {"touches": each.sum(), "kept": kept, "other": each.sum() - kept - dropped}
    return pd.DataFrame([row | {"dropped": dropped}])
