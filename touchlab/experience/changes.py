"""What a change of a touchpoint brought: before and after, beside what was not changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from touchlab.data.customers import DAY_SECONDS, seconds, trait_groups, traits
from touchlab.data.dataset import Dataset
from touchlab.drivers.model import Sets, saturate
from touchlab.drivers.result import Drivers
from touchlab.errors import DataError, MissingInput, listing
from touchlab.experience.surveys import need_days, scaled, surveys_of
from touchlab.numeric import GROUPS, LEFT_OUT, Floats, customer_group, interval, jackknife
from touchlab.results import Result

if TYPE_CHECKING:
    from touchlab.show import Picture

Mask = npt.NDArray[np.bool_]
Move = Callable[[Mask, Mask], Floats]
SCORE = "score"
NO_CHANGES = "With a table of changes (timestamp, touchpoint, what), what they did is shown here."
FEWEST, NEAR = 30, 0.25
"""Answers or outcomes before and after; exposure near a touch: within two half-lives of one."""
FEWEST_DATES, MOST_DATES, QUIET, POWER = 3, 12, 0.05, 0.8
"""Dates without a change; level and power of the test on them."""
ALIKE, SHARED = 0.5, 0.1
"""Part of the effect from which what was not changed shows a season; of rows two changes share."""
COLUMNS = ["touchpoint", "what", "date", "segment", "measure", "before", "after", "expected"]
COLUMNS += ["change", "ci_low", "ci_high", "value", "value_low", "value_high", "cost", "roi"]
COLUMNS += ["roi_low", "roi_high", "dates", "loud", "badge", "n", "customers"]


@dataclass(frozen=True)
class ChangeEffects(Result):
    """What changes brought."""

    table: pd.DataFrame
    notes: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        some = [c for c in COLUMNS if self.table[c].notna().any()]
        return self.table[[c for c in some if c not in ("measure", "before", "loud")]]

    def sentence(self) -> str:
        from touchlab import sentences

        return sentences.about_improvements(self.table)

    def plot(self) -> Picture:
        from touchlab import plots

        return plots.plot_changes(self.table)


def change_effects(
    data: Dataset, *, drivers: Drivers | None = None, days: int = 30
) -> ChangeEffects:
    """What did an improvement of a touchpoint bring, in its survey score or in outcomes?

    It cannot tell a change from what else came to this touchpoint alone on that day only.

    Parameters
    ----------
    data
        With changes: ``timestamp, touchpoint, what``, and ``segment`` (such as ``region: north``)
        and ``cost`` where they are known.
    drivers
        None: the mean score, 0 worst to 100 best. Else their outcome, over what they expect.
    days
        Watched before and after.

    Returns
    -------
    ChangeEffects
        ``.table``, a row a change: ``touchpoint, what, date, segment, measure, before, after``
        (mean score; outcomes near a touch of it), ``expected`` (without the change), ``change,
        ci_low, ci_high`` (after less expected, 95 %), ``value`` (of the outcomes) and ``roi`` (over
        ``cost`` less 1, within `days`) with their ends, ``dates`` (without a change), ``loud``
        (share of them beyond 0), ``badge, n`` (answers; outcomes), ``customers``.

    Notes
    -----
    After less before, less that of what no change met (staggered starts do not stand in for one
    another [Goodman-Bacon 2021]): the touchpoint in other segments, else other touchpoints or
    customers without a touch in two half-lives. Outcomes: log of observed over expected. Intervals
    leave out customers, and are widened by moves at up to 12 dates without a change. ``adjusted``:
    those are quiet (Hotelling, 5 %), and would have told (power 80 %); ``descriptive``: they are
    not, a season or another change coincides, or nothing compares; else ``untested``.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> times = pd.date_range("2026-01-01", periods=200)
    >>> surveys = pd.DataFrame({"timestamp": times, "touchpoint": "call", "metric": "csat"})
    >>> surveys["score"] = 3 + (times >= "2026-05-01")
    >>> made = {"timestamp": ["2026-05-01"], "touchpoint": "call", "what": "less waiting"}
    >>> data = tl.open_data({"surveys": surveys, "changes": pd.DataFrame(made)})
    >>> change_effects(data).table[["what", "before", "after", "badge"]]
               what  before  after        badge
    0  less waiting    50.0   75.0  descriptive
    """
    if not data.has("changes"):
        raise MissingInput(NO_CHANGES)
    need_days(days)
    changes = data.tables["changes"]
    listed = changes.mutate(at=seconds(changes.timestamp)).to_pandas()
    listed = listed.reindex(columns=["timestamp", "touchpoint", "what", "segment", "cost", "at"])
    listed = listed.sort_values(["at", "touchpoint", "what"], ignore_index=True)
    watch = _Watch(data, _outcomes(drivers) if drivers else _scores(data), listed, days)
    found = [watch.row(place) for place in range(len(listed))]
    table = pd.DataFrame([row for row, _ in found]).reindex(columns=COLUMNS)
    return ChangeEffects(table, tuple(note for _, why in found for note in why))


@dataclass(frozen=True)
class _Measured:
    """Answers, or moments: which are of a touchpoint, and how some moved from others, (sets,)."""

    name: str
    rows: pd.DataFrame
    near: Callable[[str], Mask]
    move: Move
    worth: float = np.nan


def _scores(data: Dataset) -> _Measured:
    surveys = surveys_of(data)
    rows = answer_rows(surveys.filter(surveys.score.notnull()), "touchpoint").assign(amount=1.0)
    move = within_strata(rows.group, rows.touchpoint + rows.metric, rows.value)
    return _Measured(SCORE, rows, lambda name: (rows.touchpoint == name).to_numpy(), move)


def answer_rows(answers: ir.Table, *more: str) -> pd.DataFrame:
    """Bring answers: metric, time, value (0 to 100), customer and group; the nameless each own."""
    rows = answers.select(
        "metric", "customer_id", *more, time=seconds(answers.timestamp),
        group=customer_group(answers.customer_id), value=scaled(answers.score, answers.metric),
    ).to_pandas()  # fmt: skip
    order = [*more, "time", "metric", "value"]
    rows = rows.dropna(subset="time").sort_values(order, ignore_index=True)
    number = rows.index.to_series()
    customer = rows.customer_id.astype(object).where(rows.customer_id.notna(), number)
    return rows.assign(customer=customer, group=rows.group.fillna(number % GROUPS).astype(int))


def within_strata(group: pd.Series, stratum: pd.Series, value: pd.Series) -> Move:
    """Differences of means between two sets of rows, each stratum with itself [Mantel 1959]."""
    code, names = pd.factorize(stratum, sort=True)
    place, values = group.to_numpy() * len(names) + code, value.to_numpy(float)

    def move(before: Mask, after: Mask) -> Floats:
        n, mean = np.empty((2, 2, GROUPS + 1, len(names)))
        for i, mask in enumerate((before, after)):
            for total, weights in ((n, None), (mean, values[mask])):
                sums = np.bincount(place[mask], weights, GROUPS * len(names))
                total[i] = (LEFT_OUT > 0) @ sums.reshape(GROUPS, len(names))
        mean /= np.maximum(n, 1)
        weight = n[0] * n[1] / np.maximum(n[0] + n[1], 1)
        with np.errstate(invalid="ignore"):  # no stratum on both sides: nothing to compare
            return np.asarray((weight * (mean[1] - mean[0])).sum(axis=1) / weight.sum(axis=1))

    return move


def _outcomes(drivers: Drivers) -> _Measured:
    model, moments = drivers.model, drivers.moments
    left, whole = LEFT_OUT[:, model.group] > 0, drivers.parameters.packed
    expected = Sets.of(model, np.vstack([whole, drivers.replicates])).chances() * left
    seen, exposure = left * model.event, model.exposure(drivers.parameters)
    rows = moments.table[["customer", "time", "group"]].reset_index(drop=True)
    rows = rows.assign(amount=model.event * moments.events_each, value=1.0)
    own = moments.data.outcomes.filter(moments.data.outcomes.outcome == moments.risk.outcome)
    worth = own.value.mean().to_pyarrow().as_py() if "value" in own.columns else None

    def near(name: str) -> Mask:
        of_it = np.array([one == name for one in moments.touchpoints])
        return np.asarray((exposure[of_it] > saturate(NEAR, model.saturation)).any(axis=0))

    def move(before: Mask, after: Mask) -> Floats:
        ratios = [seen[:, m].sum(axis=1) / expected[:, m].sum(axis=1) for m in (before, after)]
        return np.asarray(np.log(ratios[1] / ratios[0]))

    return _Measured(moments.risk.outcome, rows, near, move, np.nan if worth is None else worth)


class _Watch:
    """Every change with the rows that it met."""

    def __init__(self, data: Dataset, measured: _Measured, changes: pd.DataFrame, days: int):
        self.measured, self.changes, self.length = measured, changes, days * DAY_SECONDS
        self.time = measured.rows.time.to_numpy(float)
        self.near = [measured.near(name) for name in changes.touchpoint]
        inside = [_in_segment(data, measured.rows, segment) for segment in changes.segment]
        self.own = [near & where for near, where in zip(self.near, inside, strict=True)]

    def row(self, place: int) -> tuple[dict[str, Any], list[str]]:
        """The row of a change, and what to say of it."""
        change, measured = self.changes.iloc[place], self.measured
        name = f"{change.touchpoint}, {change.what}"
        known = {c: change[c] for c in ("touchpoint", "what", "segment", "cost")}
        known |= {"date": change.timestamp, "measure": measured.name, "badge": "untested"}
        before, after = self._windows(self.own[place], change["at"])
        amount = measured.rows.amount.to_numpy(float)
        n = [float(amount[mask].sum()) for mask in (before, after)]
        people = measured.rows.customer[(before | after) & (amount > 0)].nunique()
        known |= {"n": round(sum(n)), "customers": people, "dates": 0}
        if min(n) < FEWEST:
            return known, [f"{name}: fewer than {FEWEST} answers or outcomes before or after it"]
        estimate, others = self._compare(place, change["at"])
        sets = self._placebos(place)
        loud, power, excess = _placebo_test(sets, float(estimate[0]))
        error = np.hypot(jackknife(estimate[0], estimate[1:])[0], excess)
        ends = np.array([estimate[0], *interval(estimate[0], error)])
        low, high = interval(sets[:, 0], jackknife(sets[:, 0], sets[:, 1:].T)[0])
        if measured.name == SCORE:
            levels, changed = [measured.rows.value[m].mean() for m in (before, after)], ends
        else:
            levels, changed = n, n[1] * -np.expm1(-ends)
        known |= {"before": levels[0], "after": levels[1], "expected": levels[1] - changed[0]}
        known |= {"dates": len(sets), "loud": (low * high > 0).sum() / max(len(sets), 1)}
        for i, end in enumerate(("", "_low", "_high")):
            worth = changed[i] * measured.worth
            known |= {("change", "ci_low", "ci_high")[i]: changed[i], f"value{end}": worth}
            known[f"roi{end}"] = worth / change.cost - 1 if change.cost else np.nan
        doubts = self._doubts(place, float(estimate[0]), others)
        doubts += ["it moves at dates without a change, too: a season of its own"] * loud
        known["badge"] = "descriptive" if doubts else "adjusted" if power else "untested"
        if not doubts and not power:
            doubts = [f"the {len(sets)} dates without a change would not show moves as large"]
        return known, [f"{name}: {doubt}" for doubt in doubts]

    def _windows(self, rows: Mask, at: float) -> tuple[Mask, Mask]:
        days = (self.time - at) / self.length
        return rows & (days < 0) & (days >= -1), rows & (days >= 0) & (days < 1)

    def _meets(self, at: float, place: int | None = None) -> list[int]:
        close = (self.changes["at"] - at).abs() < self.length
        return [int(i) for i in np.flatnonzero(close) if i != place]

    def _compare(self, place: int, at: float) -> tuple[Floats, Floats | None]:
        """Move of what was changed less that of what was not, and the latter; (sets,)."""
        segment = self.changes.segment.iloc[place]
        pool = self.near[place] if isinstance(segment, str) else np.ones(len(self.time), bool)
        pool = pool & ~self.own[place]
        for other in self._meets(at, place):
            pool &= ~self.own[other]
        amount, windows = self.measured.rows.amount.to_numpy(float), self._windows(pool, at)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = self.measured.move(*self._windows(self.own[place], at))
            if min(amount[mask].sum() for mask in windows) < FEWEST:
                return moved, None
            others = self.measured.move(*windows)
        return moved - others, others

    def _placebos(self, place: int) -> Floats:
        """Compare at the nearest dates without a change; just after one, it may still build up."""
        at, own = float(self.changes["at"].iloc[place]), self.own[place]
        first, last = self.time[own].min(), self.time[own].max()
        found: list[Floats] = []
        overlap = {i for i in range(len(self.own)) if (self.own[i] & own).any()}
        for step in sorted({*range(-500, 501)} - {0, 1}, key=abs):
            date = at + step * self.length
            inside = date - self.length >= first and date + self.length <= last + 1
            if inside and len(found) < MOST_DATES and not {*self._meets(date)} & overlap:
                moved, others = self._compare(place, date)
                if others is not None and np.isfinite(moved).all():
                    found.append(moved)
        return np.array(found).reshape(len(found), GROUPS + 1)

    def _doubts(self, place: int, effect: float, others: Floats | None) -> list[str]:
        doubts, own = [], self.own[place]
        for other in self._meets(self.changes["at"].iloc[place], place):
            if (self.own[other] & own).sum() > SHARED * own.sum():
                doubts.append(f"{self.changes.what.iloc[other]} came within the same days")
        if others is None:
            doubts.append("there is nothing to compare it with that was not changed")
        else:
            low, high = interval(others[0], jackknife(others[0], others[1:])[0])
            if low * high > 0 and abs(others[0]) >= ALIKE * abs(effect):
                doubts.append("what was not changed moved as well: a season coincides")
        return doubts


def _placebo_test(sets: Floats, effect: float) -> tuple[bool, bool, float]:
    """Whether dates without a change move (Hotelling), would have told, and how far they move."""
    m = len(sets)
    if m < FEWEST_DATES:
        return False, False, 0.0
    apart = sets[:, 1:] - sets[:, 1:].mean(axis=1, keepdims=True)
    spread = apart @ apart.T * (GROUPS - 1) / GROUPS
    size, noise = sets[:, 0], float(np.diag(spread).mean())
    square = float(size @ np.linalg.pinv(spread, hermitian=True) @ size)
    tail = stats.f.sf(square * (GROUPS - m) / (m * (GROUPS - 1)), m, GROUPS - m)
    seen = stats.ncx2.sf(stats.chi2.isf(QUIET, m), m, m * effect**2 / max(noise, 1e-12))
    return bool(tail < QUIET), bool(seen >= POWER), max(float(size @ size) / m - noise, 0.0) ** 0.5


def _in_segment(data: Dataset, rows: pd.DataFrame, segment: object) -> Mask:
    """Say which rows are of customers in a segment, written ``trait: level``; none is all."""
    if not isinstance(segment, str):
        return np.ones(len(rows), dtype=bool)
    trait, _, level = segment.partition(": ")
    if trait not in traits(data):
        said = f"changes.segment: {segment!r} names no trait of customers\n  give one and its level"
        raise DataError(f"{said}, as in 'region: north'; there are {listing(traits(data))}")
    groups = trait_groups(data, trait).to_pandas()
    return rows.customer.isin(groups.customer_id[groups.group == level]).to_numpy()
