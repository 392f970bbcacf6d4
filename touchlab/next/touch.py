"""Which touch next, for customers in which state, and for whom none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from touchlab.budget.costs import find_costs, mean_value, wanted
from touchlab.data.customers import DAY_SECONDS, UNKNOWN, need_group, owners, traits
from touchlab.data.dataset import Dataset
from touchlab.drivers import model as models
from touchlab.drivers.checks import CAUSAL, check_drivers
from touchlab.drivers.effects import MOST, Ahead
from touchlab.drivers.experiments import never_sent_out
from touchlab.drivers.fit import EXTREME
from touchlab.drivers.model import Model, Parameters, between, saturate, unsaturated
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, ParameterError, listing
from touchlab.moments.look import PRIOR, look, trait_columns
from touchlab.moments.risk import risk_windows
from touchlab.moments.sample import sample_touches
from touchlab.numeric import GROUPS, Floats, interval, jackknife, one_thread
from touchlab.privacy.shown import safe, why_hidden
from touchlab.results import Result

NODES, MOST_MOMENTS, MOST_TOUCHES, DRAWS, NONE = 6, 6_000, 1_000, 200, "none"
ENDS = ("per_1000", "ci_low", "ci_high")
FEWEST, LEAST, MOST_COMMON = 50, 0.02, 0.99
"""Moments that a state has at least, and their share; one counts for no more than 99 in 100 do."""


@dataclass(frozen=True)
class States:
    """Leaves of a tree of the best touch, in every segment; `table`: segment, who."""

    drivers: Drivers
    column: str | None
    tree: DecisionTreeClassifier
    leaves: Any
    table: pd.DataFrame

    def of(self, points: Any) -> Any:
        """The state at each moment, by number; -1 in a segment that was not there before."""
        leaves = self.tree.apply(features(self.drivers, points)[1])
        levels = pd.Index(self.table.segment.unique())
        segment = levels.get_indexer(_segments(points, self.column))
        own = np.searchsorted(self.leaves, leaves)
        return np.where(segment < 0, -1, segment * (len(self.table) // len(levels)) + own)


def find_states(drivers: Drivers, points: Any, net: Floats, by: str | None, most: int) -> States:
    """Grow the tree; `net` (touchpoints, moments) is what one more touch is worth."""
    if not most >= 2:
        raise ParameterError(f"states: {most!r}\n  give a whole number, 2 or more")
    if by is not None:
        need_group(by, traits(drivers.moments.data))
    column = by and trait_columns(drivers.moments.data)[by]
    levels = sorted(set(_segments(points, column)))
    names, known = features(drivers, points)
    worth = np.vstack([np.zeros(len(known)), net])
    lost = np.ptp(np.sort(worth, axis=0)[-2:], axis=0) + 1e-12
    lost = lost.clip(max=np.quantile(lost, MOST_COMMON))
    least = max(FEWEST, int(LEAST * len(known)))
    tree = DecisionTreeClassifier(max_leaf_nodes=most, min_samples_leaf=least, random_state=0)
    tree.fit(known, worth.argmax(axis=0), sample_weight=lost)
    leaves, said = np.unique(tree.apply(known)), who(tree.tree_, names)
    rows = [(level, said[leaf]) for level in levels for leaf in leaves]
    return States(drivers, column, tree, leaves, pd.DataFrame(rows, columns=["segment", "who"]))


def who(tree: Any, names: Sequence[str]) -> list[str]:
    """Say each node by the splits above it: the least and most of a state are one customer's."""
    ends: list[dict[int, tuple[float, float]]] = [{} for _ in range(tree.node_count)]
    for node in np.flatnonzero(tree.feature >= 0):  # parents come before their children
        split, at = int(tree.feature[node]), float(tree.threshold[node])
        low, high = ends[node].get(split, (-np.inf, np.inf))
        ends[tree.children_left[node]] = ends[node] | {split: (low, at)}
        ends[tree.children_right[node]] = ends[node] | {split: (at, high)}
    return [", ".join(f"{names[f]} {_between(*of)}" for f, of in sorted(own.items())) or "everybody"
            for own in ends]  # fmt: skip


def _between(low: float, high: float) -> str:
    a, b = (f"{round(end, 2):g}" for end in (low, high))
    return f"below {b}" if low == -np.inf else f"above {a}" if high == np.inf else f"{a} to {b}"


def _segments(points: Any, column: str | None) -> Any:
    own = points.table[column] if column else points.table.group * 0
    return own.astype("string").fillna(UNKNOWN)


def features(drivers: Drivers, points: Any) -> tuple[list[str], Floats]:
    """What is left of earlier touches, to a tenth of one, and how many outcomes came before."""
    saturation, lives = drivers.model.saturation, drivers.parameters.log_half_lives
    saturated = saturate(points.exposure, saturation)
    left = unsaturated(between(saturated, drivers.moments.half_lives, lives)[0], saturation)
    prior = [name for name in drivers.moments.histories if name.startswith(PRIOR)]
    before = [points.table[n] if n in points.table else np.zeros(left.shape[1]) for n in prior]
    names = [f"{name} lately" for name in drivers.moments.touchpoints]
    names += [f"earlier {name.removeprefix(PRIOR)} outcomes" for name in prior]
    return names, np.column_stack([*left.round(1), *before])


@dataclass(frozen=True, repr=False)
class NextTouch(Result):
    """One more touch of each touchpoint by state, and what to send; see ``next_touch``."""

    table: pd.DataFrame
    policy: pd.DataFrame
    gain: pd.DataFrame
    notes: tuple[str, ...]
    states: States

    def summary(self) -> pd.DataFrame:
        """The policy, as far as a reader needs it."""
        return self.policy.drop(columns=["state", "cost"])

    def sentence(self) -> str:
        """Say for which state which touch is next, for which none, and what that gains."""
        own, row = safe(self.policy), self.gain.iloc[0]
        if own.empty:
            return f"Not said, all of it is hidden: {why_hidden()}."
        if (own.next == NONE).all():
            return "No next touch is advised for anybody: none is clear of 0 under a sound badge."
        who = own.segment + ": " + own.who if "segment" in own else own.who
        parts = [f"{name} for {' or '.join(rows)}" for name, rows in who.groupby(own.next)]
        parts = parts if len(parts) > 1 else [f"{own.next.iloc[0]} for everybody"]
        ends = f"{row.outcome} outcomes: {row.gain:,.1f} ({row.ci_low:,.1f} to {row.ci_high:,.1f})"
        verb = "gain, costs set off," if row.ci_low > 0 else "are not shown to gain"
        return f"Next touch: {'; '.join(parts)}. 1,000 touches sent so, not as now, {verb} {ends}."

    def plot(self) -> Any:
        """Draw what the best touch of each state brings."""
        from touchlab import plots

        own = self.policy.assign(best=self.policy.touchpoint + ", " + self.policy.who)
        title, label = self.sentence().partition(". ")[0], "outcomes of 1,000 more touches"
        return plots.plot_intervals(
            own, value="per_1000", names="best", label=label, title=title, percent=False
        )

    def customers(self) -> pd.DataFrame:
        """Whom it means as the data ends: customer_id, state, next, and what tells states apart."""
        moments = self.states.drivers.moments
        asked = risk_windows(moments.data, moments.risk)
        asked = asked.select("customer_id", "start", time="stop").to_pandas()
        asked = asked[asked.time > asked.time.max() - DAY_SECONDS].sort_values("customer_id")
        points = look(
            moments.data, asked, touchpoints=moments.touches.index,
            half_lives=moments.half_lives, origin=moments.start_seconds,
        )  # fmt: skip
        state, (names, known) = self.states.of(points), features(self.states.drivers, points)
        frame = pd.DataFrame({"customer_id": points.table.customer, "state": state + 1})
        frame["next"] = np.append(self.policy.next, NONE)[state]
        return frame.assign(**dict(zip(names, known.T, strict=True)))


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
) -> NextTouch:
    """Which touch should come next for customers in which state, and for whom none?

    It answers for one more touch now, the customer touched on as lately, not for a plan of many
    touches. Method: docs/methods/budget.md.

    Parameters
    ----------
    data, drivers, checks
        As from ``open_data``, ``fit_drivers`` or ``calibrate``, ``check_drivers`` (None: asked).
    by, states
        A trait of ``customers`` whose levels are kept apart; the most states told apart in each.
    costs, value
        Cost by touchpoint over the time at risk (None: the sums of ``touches.cost``), and worth of
        an outcome (None: the mean of its values; without, costs are not set off).

    Returns
    -------
    NextTouch
        ``.table``, a row a state and touchpoint that can be sent: ``[segment], state, who,
        touchpoint, per_1000, ci_low, ci_high`` (outcomes wanted of 1,000 more touches; of churn,
        prevented), ``cost`` (of 1,000), ``badge, touches`` (sent now), ``customers`` (seen).
        ``.policy``, a row a state: its best touchpoint, ``next`` (the same, or none: not clear of
        0 after cost, or no badge lets it be called an effect), median ``days_since`` the last
        touch, ``share`` of time. ``.gain``, of 1,000 touches so, not as now, in outcomes less
        what touches cost: ``outcome, gain, ci_low, ci_high, flattered``.

    Raises
    ------
    MissingInput, ParameterError
        If no touchpoint can be sent; for a `by` that is no trait.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> tl.next_touch(data, tl.fit_drivers(data)).gain.outcome.tolist()
    ['conversion']
    """
    checks = checks or check_drivers(data, drivers)
    choices, notes = _choices(drivers, costs, checks)
    worth = mean_value(drivers) if value is None else float(value)
    if np.isnan(worth):
        notes.append("outcomes have no value: costs are not set off; give `value`")
    price = np.nan_to_num(choices.cost.to_numpy() / worth)
    rows = np.flatnonzero(drivers.model.event == 0)
    model = models.some_of(drivers.model, rows[:: -(-len(rows) // MOST_MOMENTS)], past=True)
    packed = np.vstack([drivers.parameters.packed, drivers.replicates])
    earlier = models.Earlier.of(model)
    aheads = earlier.ahead(model, packed) if earlier else repeat(None, len(packed))
    pairs = zip(packed, aheads, strict=True)
    moved = (one_more(model, model.parameters(own), ahead) for own, ahead in pairs)
    every = (wanted(drivers) * each[choices.place] for each in moved)
    whole, effect = next(every), choices.effect.to_numpy()
    found = find_states(drivers, model.moments, (whole - price[:, None])[effect], by, states)
    state, means = found.of(model.moments), []
    cells = np.eye(len(found.table))[state]
    for without, each in enumerate((whole, *every), start=-1):
        own = cells * (model.group != without)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):  # a state of one group alone
            means.append((each @ own / own.sum(axis=0)).T)
    error = jackknife(means[0], np.array(means[1:]))[0]
    points, n = sample_touches(drivers.moments, most=MOST_TOUCHES)
    if points.table.empty:
        raise MissingInput("next touch: no touch was sent at a moment at risk, so none is next")
    met = pd.crosstab(found.of(points), points.table.touchpoint)
    met = met.reindex(index=range(len(cells.T)), columns=choices.index).fillna(0)
    sent = (met / met.sum().clip(lower=1) * n.reindex(choices.index)).round().to_numpy()
    seen = model.moments.table.customer.groupby(state).nunique().reindex(range(len(sent)))
    table = found.table.assign(state=range(1, len(sent) + 1), customers=seen.fillna(0))
    table = table.merge(choices.rename_axis("touchpoint").reset_index(), how="cross")
    for name, values in zip(ENDS, (means[0], *interval(means[0], error)), strict=True):
        table[name] = 1000 * values.ravel()
    table = table.assign(cost=1000 * table.cost, touches=sent.ravel())
    columns = ["segment"] * (by is not None) + ["state", "who", "touchpoint", *ENDS]
    table = table[[*columns, "cost", "badge", "touches", "customers"]]
    choice, net = (
        _choose(means[0], error, price, effect),
        np.where(effect, means[0] - price, -np.inf),
    )
    best = np.where(choice >= 0, choice, net.argmax(axis=1)) + len(choices) * np.arange(len(sent))
    policy = table.iloc[best].reset_index(drop=True)
    policy["next"] = np.where(choice >= 0, policy.touchpoint, NONE)
    # at the shortest half-life, the last touch is nearly all that is left
    left = model.moments.exposure[:, 0].max(axis=0).astype(float)
    days = pd.Series(-model.moments.half_lives[0] * np.log2(left.clip(1e-30, 1)))
    days = days.where(left > 1e-30).groupby(state).median().reindex(range(len(sent)))
    policy = policy.assign(days_since=days, share=cells.mean(axis=0), touches=sent.sum(axis=1))
    gain = _gain(np.array(means) - price, (error, 0 * price, effect), sent * effect)
    gain.insert(0, "outcome", model.moments.risk.outcome)
    return NextTouch(table, policy, gain, tuple(notes), found)


def _choices(
    drivers: Drivers, costs: Mapping[str, float] | None, checks: Any
) -> tuple[pd.DataFrame, list[str]]:
    """Touchpoints that can be sent: place, cost (of a touch), badge, effect (may be called one)."""
    names = list(drivers.moments.touchpoints)
    table = pd.DataFrame({"place": range(len(names)), "cost": 0.0}, index=names)
    with suppress(MissingInput):  # touches without a cost are free
        paid = find_costs(drivers, costs).table
        table.loc[paid.index, "cost"] = paid.cost / paid.n.clip(lower=1)
    table["badge"] = list(checks.badges(names))
    own, known = never_sent_out(drivers.moments.data), owners(drivers.moments.data)
    own |= {name for name, owner in known.items() if owner == "customer"}
    own |= set(table.index[np.abs(drivers.parameters.effects) > EXTREME])
    kept = table[~table.index.isin(list(own))]
    if kept.empty:
        raise MissingInput("next touch: no touchpoint is sent by the company, so none is next")
    doubted = kept.index[~kept.badge.isin(CAUSAL)]
    notes = [f"no effect by its badge, so not next: {listing(doubted)}"] * bool(len(doubted))
    return kept.assign(effect=kept.badge.isin(CAUSAL)), notes


def one_more(model: Model, given: Parameters, ahead: Ahead | None) -> Floats:
    """Outcomes that one more touch brings, (touchpoints, moments): L h / ln 2 times the integral
    over x from 0 to 1 of (r(A + x) / r(A) - 1) / x, at hazard L, exposure A, half-life h."""
    seen = model.exposure(given)
    hazard = np.exp(models.log_hazard(model, given, seen).clip(max=MOST))
    stock = unsaturated(seen, model.saturation)
    slope, bend = np.repeat(given.effects[:, None], seen.shape[1], axis=1), np.zeros(len(seen))
    for (a, b), own in zip(model.pairs, given.synergies, strict=True):
        if a == b:
            bend[a] += own
        else:
            slope[a] += own * seen[b]
            slope[b] += own * seen[a]
    factor = np.zeros_like(seen)
    for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
        raised = saturate(stock + (left := (node + 1) / 2), model.saturation)
        rise = slope * (raised - seen) + bend[:, None] * (raised**2 - seen**2)
        factor += weight / 2 / left * np.expm1(rise.clip(-MOST, MOST))
    more = factor * hazard * (2**given.log_half_lives / np.log(2))[:, None]
    if ahead is None:
        return np.asarray(more)
    through = np.exp(-ahead.gather(ahead.hazard))
    # nobody has it more than once
    return np.asarray(np.maximum(-np.expm1(-more) * through, through - 1))


def _choose(found: Floats, error: Floats, price: Floats, effect: Any) -> Any:
    """The next touch in each state, by number, -1 for none; price in outcomes."""
    clear = effect & (interval(found - price, error)[0] > 0)
    best = np.where(clear, found - price, -np.inf).argmax(axis=1)
    return np.where(clear.any(axis=1), best, -1)


def _gain(means: Floats, weighed: Any, sent: Floats) -> pd.DataFrame:
    """What 1,000 touches bring beyond as now, less what choosing by estimates flatters."""
    sent = 1000 * sent / max(sent.sum(), 1.0)

    def beyond(found: Floats, choice: Any) -> float:
        chosen = np.where(choice >= 0, found[np.arange(len(found)), choice], 0.0)
        return float(sent.sum(axis=1) @ chosen - (sent * found).sum())

    leaning = np.random.default_rng(7).standard_normal((DRAWS, GROUPS))
    means = np.nan_to_num(means)  # states of nobody, or of one group alone
    rest = (means[1:] - means[1:].mean(axis=0)) * np.sqrt(1 - 1 / GROUPS)
    choice, excess = _choose(means[0], *weighed), []
    for drawn in means[0] + np.einsum("dg,gsk->dsk", leaning, rest):
        other = _choose(drawn, *weighed)
        excess.append(beyond(drawn, other) - beyond(means[0], other))
    gain = beyond(means[0], choice) - float(np.mean(excess))
    low, high = interval(gain, float(np.std(excess, ddof=1)))
    row = np.array([[gain, low, high, np.mean(excess)]], dtype=float)
    return pd.DataFrame(row, columns=["gain", "ci_low", "ci_high", "flattered"])
