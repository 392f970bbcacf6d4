"""Which touch next, for customers in which state, and for whom none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
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
from touchlab.next.states import States, features, find_states, unsaturated
from touchlab.numeric import GROUPS, Floats, interval, jackknife, one_thread
from touchlab.results import Result

NODES = 6
"""Of the quadrature over the decay of a touch."""
MOST_MOMENTS, MOST_TOUCHES, DRAWS = 6_000, 1_000, 200
NONE = "none"


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
        own, row = self.policy, self.gain.iloc[0]
        if (own.next == NONE).all():
            return "For nobody a next touch is advised: none is clear of 0 under a sound badge."
        who = own.segment + ": " + own.who if "segment" in own else own.who
        parts = [f"{name} for {'; '.join(rows)}" for name, rows in who.groupby(own.next)]
        ends = f"{row.gain:,.1f} ({row.ci_low:,.1f} to {row.ci_high:,.1f})"
        verb = "gain" if row.ci_low > 0 else "are not shown to gain"
        return (
            f"Next touch: {' | '.join(parts)}. 1,000 touches sent so, in place of as now, {verb} "
            f"{row.outcome} outcomes: {ends}."
        )

    def plot(self) -> Any:
        """Draw what the best touch of each state brings."""
        from touchlab import plots

        own = self.policy.assign(best=self.policy.touchpoint + ", " + self.policy.who)
        label = "outcomes wanted that 1,000 more touches bring, 95 % interval"
        return plots.plot_intervals(
            own, value="per_1000", names="best", label=label, percent=False,
            title=self.sentence().partition(". ")[0],
        )  # fmt: skip

    def customers(self) -> pd.DataFrame:
        """Whom the policy means: customers at risk as the data ends, for the analyst alone.

        Columns: customer_id, state, next, and what states are told by.
        """
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
    seed: int = 1,
) -> NextTouch:
    """Which touch should come next for customers in which state, and for whom none?

    It answers for one more touch now, the customer touched on as lately; not for a plan of many
    touches, nor for what the touch brings about elsewhere. See docs/methods/budget.md.

    Parameters
    ----------
    data, drivers, checks
        As from ``open_data``, ``fit_drivers`` or ``calibrate``, and ``check_drivers`` (None: asked).
    by, states
        A trait of ``customers`` whose levels are kept apart; the most states told apart in each.
    costs, value
        Cost by touchpoint over the time at risk (None: the sums of ``touches.cost``), and worth of
        an outcome (None: the mean of its values; without, costs are not set off).
    seed
        Of the draws behind the gain.

    Returns
    -------
    NextTouch
        ``.table``, a row a state and touchpoint that can be sent: ``[segment], state, who,
        touchpoint, per_1000, ci_low, ci_high`` (outcomes wanted that 1,000 more touches bring; of
        churn, prevented), ``cost`` (of 1,000), ``badge, touches`` (sent in it now), ``customers``
        (seen in it). ``.policy``, a row a state: its best touchpoint, ``next`` (the same, or
        none: not clear of 0 after cost, or no badge lets it be called an effect), ``days_since``
        (median, since the last touch), ``share`` (of time). ``.gain``, of 1,000 touches as the
        policy says in place of as now: ``outcome, gain, ci_low, ci_high, flattered, saved`` (cost).

    Raises
    ------
    MissingInput, ParameterError
        If no touchpoint can be sent; for a `by` that is no trait, or has too many levels.

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
    model = some_of(drivers.model, rows[:: -(-len(rows) // MOST_MOMENTS)], past=True)
    earlier, packed = Earlier.of(model), np.vstack([drivers.parameters.packed, drivers.replicates])
    aheads = earlier.ahead(model, packed) if earlier else repeat(None, len(packed))
    every = (
        wanted(drivers) * one_more(model, model.parameters(own), ahead)[choices.place]
        for own, ahead in zip(packed, aheads, strict=True)
    )
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
    sent = pd.crosstab(found.of(points), points.table.touchpoint)
    sent = sent.reindex(index=range(len(cells.T)), columns=choices.index).fillna(0)
    sent = (sent / sent.sum().clip(lower=1) * n.reindex(choices.index)).round().to_numpy()

    seen = model.moments.table.customer.groupby(state).nunique().reindex(range(len(sent)))
    table = found.table.assign(state=range(1, len(sent) + 1), customers=seen.fillna(0))
    table = table.loc[table.index.repeat(len(choices))].reset_index(drop=True)
    table["touchpoint"], table["badge"] = [
        np.tile(own, len(sent)) for own in (choices.index, choices.badge)
    ]
    ends = means[0], *interval(means[0], error)
    for name, values in zip(("per_1000", "ci_low", "ci_high"), ends, strict=True):
        table[name] = 1000 * values.ravel()
    table["cost"], table["touches"] = np.tile(1000 * choices.cost, len(sent)), sent.ravel()
    columns = ["segment"] * (by is not None) + ["state", "who", "touchpoint", "per_1000", "ci_low"]
    table = table[[*columns, "ci_high", "cost", "badge", "touches", "customers"]]

    judged = _Judged(error, price, effect)
    choice, net = judged.choose(means[0]), np.where(effect, means[0] - price, -np.inf)
    best = np.where(choice >= 0, choice, net.argmax(axis=1)) + len(choices) * np.arange(len(sent))
    policy = table.iloc[best].reset_index(drop=True)
    policy["next"] = np.where(choice >= 0, policy.touchpoint, NONE)
    # at the shortest half-life, the last touch is nearly all that is left
    left = model.moments.exposure[:, 0].max(axis=0).astype(float)
    days = pd.Series(-model.moments.half_lives[0] * np.log2(left.clip(1e-30, 1)))
    days = days.where(left > 1e-30).groupby(state).median().reindex(range(len(sent)))
    policy = policy.assign(days_since=days, share=cells.mean(axis=0), touches=sent.sum(axis=1))
    gain = judged.gain(np.array(means), sent * effect, choices.cost.to_numpy(), seed)
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
    own = never_sent_out(drivers.moments.data)
    own |= {name for name, owner in owners(drivers).items() if owner == "customer"}
    far = np.abs(drivers.parameters.effects) > EXTREME
    kept = table[~far & ~table.index.isin(list(own))]
    if kept.empty:
        raise MissingInput("next touch: no touchpoint is sent by the company, so none is next")
    kept = kept.assign(effect=kept.badge.isin(CAUSAL))
    doubted, left_out = kept.index[~kept.effect], table.index.difference(kept.index)
    notes = [f"no effect by its badge, so not next: {listing(doubted)}"] * bool(len(doubted))
    other = f"come from customers, or nearly separate outcomes: {listing(left_out)}"
    return kept, notes + [other] * bool(len(left_out))


def one_more(model: Model, given: Parameters, ahead: Ahead | None) -> Floats:
    """Outcomes that one more touch brings, (touchpoints, moments): L h / ln 2 times the integral
    over x from 0 to 1 of (r(A + x) / r(A) - 1) / x, at hazard L, exposure A, half-life h."""
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
    factor = np.zeros_like(seen)
    for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
        raised = saturate(stock + (left := (node + 1) / 2), model.saturation)
        rise = slope * (raised - seen) + bend[:, None] * (raised**2 - seen**2)
        factor += weight / 2 / left * np.expm1(rise.clip(-MOST, MOST))
    more = factor * hazard * (2**given.log_half_lives / np.log(2))[:, None]
    if ahead is None:
        return np.asarray(more)
    through = np.exp(-ahead.gather(ahead.hazard))
    return np.maximum(-np.expm1(-more) * through, through - 1)  # nobody has it more than once


@dataclass(frozen=True)
class _Judged:
    """How outcomes a touch, by state and touchpoint, are weighed; price in outcomes."""

    error: Floats
    price: Floats
    effect: Any

    def choose(self, found: Floats) -> Any:
        """The next touch in each state, by number; -1 for none."""
        clear = self.effect & (interval(found - self.price, self.error)[0] > 0)
        best = np.where(clear, found - self.price, -np.inf).argmax(axis=1)
        return np.where(clear.any(axis=1), best, -1)

    def gain(self, means: Floats, sent: Floats, cost: Floats, seed: int) -> pd.DataFrame:
        """What 1,000 touches bring beyond as now, less what choosing by estimates flatters."""
        sent = 1000 * sent / max(sent.sum(), 1.0)

        def beyond(found: Floats, choice: Any) -> float:
            chosen = np.where(choice >= 0, found[np.arange(len(found)), choice], 0.0)
            return float(sent.sum(axis=1) @ chosen - (sent * found).sum())

        leaning = np.random.default_rng([seed, 7]).standard_normal((DRAWS, GROUPS))
        leaning *= np.sqrt((GROUPS - 1) / GROUPS)
        rest = np.nan_to_num(means[1:] - np.nanmean(means[1:], axis=0))
        choice, excess = self.choose(means[0]), []
        for drawn in means[0] + np.einsum("dg,gsk->dsk", leaning, rest):
            other = self.choose(drawn)
            excess.append(beyond(drawn, other) - beyond(means[0], other))
        flattered = float(np.mean(excess))
        gain = beyond(means[0], choice) - flattered
        low, high = map(float, interval(gain, float(np.std(excess, ddof=1))))
        row = {"gain": gain, "ci_low": low, "ci_high": high, "flattered": flattered}
        return pd.DataFrame([row | {"saved": -beyond(np.tile(cost, (len(sent), 1)), choice)}])
