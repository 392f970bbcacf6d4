"""What a change of a touchpoint brought: before and after, beside what was not changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
SCORE, BETWEEN = "score", ": "
NO_CHANGES = (
    "There is no changes table: with one (timestamp, touchpoint, what, and if you like segment "
    "and cost), what an improvement of a touchpoint brought is shown here."
)
FEWEST = 30
"""Answers, or outcomes, before and after, below which nothing is estimated."""
NEAR = 0.25
"""Exposure from which a moment is one of the touchpoint: a touch within two half-lives."""
FEWEST_DATES, MOST_DATES = 3, 12
QUIET, POWER, ALIKE, SHARED = 0.05, 0.8, 0.5, 0.1
"""Level and power of the test at dates without a change; the part of the effect from which a move
of what was not changed is a season; the part of its rows that another change may share."""
COLUMNS = ["touchpoint", "what", "date", "segment", "measure", "before", "after", "expected"]
COLUMNS += ["change", "ci_low", "ci_high", "value", "value_low", "value_high", "cost", "roi"]
COLUMNS += ["roi_low", "roi_high", "dates", "loud", "badge", "n", "customers"]


@dataclass(frozen=True)
class ChangeEffects(Result):
    """What changes brought; see `change_effects`.

    `placebos` has the same comparison at dates without a change: touchpoint, what, date,
    estimate, ci_low, ci_high (points of the score; log of the ratio of outcomes).
    """

    table: pd.DataFrame
    placebos: pd.DataFrame
    notes: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        """The columns that a reader needs; return where it is known."""
        some = [c for c in COLUMNS if self.table[c].notna().any()]
        return self.table[[c for c in some if c not in ("measure", "before", "loud")]]

    def sentence(self) -> str:
        """Say what each change brought, and how sure that is."""
        from touchlab import sentences

        return sentences.about_improvements(self.table)

    def plot(self) -> Picture:
        """Show each change with its interval; its mark says its badge."""
        from touchlab import plots

        return plots.plot_changes(self.table)


def change_effects(
    data: Dataset, *, drivers: Drivers | None = None, days: int = 30
) -> ChangeEffects:
    """What did an improvement of a touchpoint bring, in its survey score or in outcomes?

    Before and after the date, less what happened meanwhile where nothing was changed. It
    cannot tell a change from something else that came to this touchpoint alone on the same
    day; that the touchpoint moves on other days too, it can.

    Parameters
    ----------
    data
        With a table changes: ``timestamp, touchpoint, what``, and ``segment`` (such as
        ``region: north``, a trait and its level) and ``cost`` where they are known.
    drivers
        None: the mean survey score of the touchpoint, 0 worst to 100 best. Fitted
        drivers: their outcome, observed over what they expect.
    days
        Length of the watch before and after.

    Returns
    -------
    ChangeEffects
        ``.table``, a row a change: ``touchpoint, what, date, segment, measure, before,
        after`` (mean score; outcomes near a touch of it), ``expected`` (without the change),
        ``change, ci_low, ci_high`` (after less expected, 95 %), ``value, value_low,
        value_high`` (of these outcomes), ``cost, roi, roi_low, roi_high`` (value over cost
        less 1, within `days` alone), ``dates`` (without a change), ``loud`` (share of them
        with an interval beyond 0), ``badge, n`` (answers; outcomes), ``customers``.
        ``.placebos``, ``.notes``, ``.sentence()``, ``.plot()``.

    Raises
    ------
    MissingInput, DataError
        Without changes, or without surveys; for a segment that no trait has.

    Notes
    -----
    Compared with what no change met within `days`, so that staggered starts do not stand in
    for one another [Goodman-Bacon 2021]: with a segment, the same touchpoint elsewhere;
    without, answers on other touchpoints (each touchpoint and metric with itself), or, for
    outcomes, customers without a touch of it in two half-lives. Outcomes: log of (observed over
    expected by the drivers), after less before. Intervals leave out groups of customers, and
    are widened by what the comparison moves at up to 12 dates without a change.
    Badge: ``adjusted`` where a comparison exists and those dates are quiet (Hotelling, 5 %)
    and would have shown moves as large as the effect (power 80 %); ``descriptive`` where they
    are not, where another change or a season coincides (what was not changed moves by half
    the effect or more), or without comparison; else ``untested``.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> tables = {name: table.to_pandas() for name, table in data.tables.items()}
    >>> tables["changes"] = pd.DataFrame({
    ...     "timestamp": ["2025-07-01"], "touchpoint": ["store_visit"], "what": ["new floor"],
    ... })
    >>> found = change_effects(tl.open_data(tables), days=60)
    >>> found.table[["touchpoint", "what", "dates", "badge"]]
        touchpoint       what  dates     badge
    0  store_visit  new floor      3  untested
    """
    if not data.has("changes"):
        raise MissingInput(NO_CHANGES)
    need_days(days)
    changes = data.tables["changes"]
    listed = changes.mutate(at=seconds(changes.timestamp)).to_pandas()
    listed = listed.reindex(columns=[*listed.columns, *({"segment", "cost"} - {*listed.columns})])
    listed = listed.sort_values(["at", "touchpoint", "what"], ignore_index=True)
    measured = _scores(data) if drivers is None else _outcomes(drivers)
    watch = _Watch(data, measured, listed, days * DAY_SECONDS)
    found = [watch.row(place) for place in range(len(listed))]
    placebos = pd.concat([dates for _, dates, _ in found], ignore_index=True)
    table = pd.DataFrame([row for row, _, _ in found]).reindex(columns=COLUMNS)
    return ChangeEffects(table, placebos, tuple(note for *_, why in found for note in why))


@dataclass(frozen=True)
class _Measured:
    """Answers, or moments of the drivers' sample, and how some of them moved.

    `rows` has customer, time, group, amount (answers; outcomes) and value; `near` says which
    rows are of a touchpoint; `move` gives from rows before and after the move, (sets,), whole
    first, then without each group of customers.
    """

    name: str
    rows: pd.DataFrame
    near: Callable[[str], Mask]
    move: Move
    worth: float = np.nan


def _scores(data: Dataset) -> _Measured:
    surveys = surveys_of(data)
    answers = surveys.filter(surveys.score.notnull() & surveys.timestamp.notnull())
    rows = answers.select(
        "touchpoint",
        "metric",
        customer="customer_id",
        time=seconds(answers.timestamp),
        group=customer_group(answers.customer_id),
        value=scaled(answers.score, answers.metric),
    ).to_pandas()
    rows = rows.sort_values(["time", "touchpoint", "metric", "value"], ignore_index=True)
    rows["customer"] = rows.customer.where(rows.customer.notna(), rows.index.to_series())
    rows["group"] = rows.group.fillna(rows.index.to_series() % GROUPS).astype(int)
    rows = rows.assign(amount=1.0)
    move = within_strata(rows.group, rows.touchpoint + rows.metric, rows.value)
    return _Measured(SCORE, rows, lambda name: (rows.touchpoint == name).to_numpy(), move)


def within_strata(group: pd.Series, stratum: pd.Series, value: pd.Series) -> Move:
    """Differences of means between two sets of rows, each stratum compared with itself.

    Weighted by n1 n2 / (n1 + n2) [Mantel & Haenszel 1959]; (sets,), all customers first, then
    without each of their groups.
    """
    code, names = pd.factorize(stratum, sort=True)
    place, values = group.to_numpy() * len(names) + code, value.to_numpy(float)

    def move(before: Mask, after: Mask) -> Floats:
        n, mean = np.empty((2, 2, GROUPS + 1, len(names)))
        for i, mask in enumerate((before, after)):
            counts, sums = (
                np.bincount(place[mask], weights, GROUPS * len(names)).reshape(GROUPS, len(names))
                for weights in (None, values[mask])
            )
            n[i] = (LEFT_OUT > 0) @ counts
            mean[i] = ((LEFT_OUT > 0) @ sums) / np.maximum(n[i], 1)
        weight = n[0] * n[1] / np.maximum(n[0] + n[1], 1)
        moved: Floats = (weight * (mean[1] - mean[0])).sum(axis=1) / weight.sum(axis=1)
        return moved

    return move


def _outcomes(drivers: Drivers) -> _Measured:
    model, moments = drivers.model, drivers.moments
    packed = np.vstack([drivers.parameters.packed, drivers.replicates])
    left = LEFT_OUT[:, model.group] > 0
    expected = (Sets.of(model, packed).chances() * left).astype(np.float32)
    seen, exposure = left * model.event, model.exposure(drivers.parameters)
    rows = moments.table[["customer", "time", "group"]].reset_index(drop=True)
    rows = rows.assign(amount=model.event * moments.events_each, value=1.0)
    own = moments.data.outcomes.filter(moments.data.outcomes.outcome == moments.risk.outcome)
    worth = own.value.mean().to_pyarrow().as_py() if "value" in own.columns else None

    def near(name: str) -> Mask:
        if name not in moments.touchpoints:
            return np.zeros(len(rows), dtype=bool)
        place = moments.touchpoints.index(name)
        return np.asarray(exposure[place] > saturate(NEAR, model.saturation))

    def move(before: Mask, after: Mask) -> Floats:
        ratios = [seen[:, m].sum(axis=1) / expected[:, m].sum(axis=1) for m in (before, after)]
        return np.asarray(np.log(ratios[1] / ratios[0]))

    return _Measured(moments.risk.outcome, rows, near, move, np.nan if worth is None else worth)


class _Watch:
    """Every change with the rows that it met, and those it is compared with."""

    def __init__(
        self, data: Dataset, measured: _Measured, changes: pd.DataFrame, length: float
    ) -> None:
        self.measured, self.changes, self.length = measured, changes, length
        self.time = measured.rows.time.to_numpy(float)
        self.near = [measured.near(name) for name in changes.touchpoint]
        inside = [_in_segment(data, measured.rows, segment) for segment in changes.segment]
        self.own = [near & where for near, where in zip(self.near, inside, strict=True)]

    def row(self, place: int) -> tuple[dict[str, Any], pd.DataFrame, list[str]]:
        """The row of a change, its dates without a change, and what to say of it."""
        change, measured = self.changes.iloc[place], self.measured
        name = f"{change.touchpoint}, {change.what}"
        known = {c: change[c] for c in ("touchpoint", "what", "segment", "cost")}
        known |= {"date": change.timestamp, "measure": measured.name, "badge": "untested"}
        before, after = self._windows(self.own[place], change["at"])
        amount = measured.rows.amount.to_numpy(float)
        n = [float(amount[mask].sum()) for mask in (before, after)]
        people = measured.rows.customer[(before | after) & (amount > 0)].nunique()
        known |= {"n": round(sum(n)), "customers": people, "dates": 0}
        dates = pd.DataFrame(
            columns=["touchpoint", "what", "date", "estimate", "ci_low", "ci_high"]
        )
        if min(n) < FEWEST:
            unit = "answers" if measured.name == SCORE else f"{measured.name} outcomes"
            return known, dates, [f"{name}: fewer than {FEWEST} {unit} before or after it"]
        estimate, others = self._compare(place, change["at"])
        at, sets = self._placebos(place)
        dates = _dated(sets, at).assign(touchpoint=change.touchpoint, what=change.what)
        test = _Placebo.of(sets, float(estimate[0]))
        error, _ = jackknife(estimate[0], estimate[1:])
        low, high = interval(estimate[0], np.hypot(error, test.excess))
        ends = np.array([estimate[0], low, high])
        if measured.name == SCORE:
            value = measured.rows.value.to_numpy(float)
            levels, changed = (value[before].mean(), value[after].mean()), ends
        else:
            levels, changed = (n[0], n[1]), n[1] * -np.expm1(-ends)
        known |= {"before": levels[0], "after": levels[1], "expected": levels[1] - changed[0]}
        known |= {"dates": len(at), "loud": (dates.ci_low * dates.ci_high > 0).mean()}
        for i, end in enumerate(("", "_low", "_high")):
            worth = changed[i] * measured.worth
            known |= {("change", "ci_low", "ci_high")[i]: changed[i], f"value{end}": worth}
            known[f"roi{end}"] = worth / change.cost - 1 if change.cost else np.nan
        doubts = self._doubts(place, float(estimate[0]), others, test)
        known["badge"] = "descriptive" if doubts else "adjusted" if test.power else "untested"
        if not doubts and not test.power:
            doubts = [f"the {len(at)} dates without a change would not show moves as large"]
        return known, dates, [f"{name}: {doubt}" for doubt in doubts]

    def _windows(self, rows: Mask, at: float) -> tuple[Mask, Mask]:
        after = (self.time >= at) & (self.time < at + self.length)
        before = (self.time < at) & (self.time >= at - self.length)
        return rows & before, rows & after

    def _meets(self, at: float, place: int | None = None) -> list[int]:
        """Changes within the watch around a time, but the one at `place`."""
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

    def _placebos(self, place: int) -> tuple[list[float], Floats]:
        """Dates without a change around, the nearest ones, and the same comparison at them.

        None in the weeks after the change: there its effect may still build up.
        """
        at, own = float(self.changes["at"].iloc[place]), self.own[place]
        first, last = self.time[own].min(), self.time[own].max()
        steps = sorted(range(-500, 501), key=abs)
        dates = [at + step * self.length for step in steps if step not in (0, 1)]
        dates = [d for d in dates if d - self.length >= first and d + self.length <= last + 1]
        found: dict[float, Floats] = {}
        overlap = [i for i in range(len(self.own)) if (self.own[i] & own).any()]
        for date in dates:
            if len(found) < MOST_DATES and not {*self._meets(date)} & {*overlap}:
                moved, others = self._compare(place, date)
                if others is not None and np.isfinite(moved).all():
                    found[date] = moved
        chosen = sorted(found)
        return chosen, np.array([found[d] for d in chosen]).reshape(len(chosen), GROUPS + 1)

    def _doubts(
        self, place: int, effect: float, others: Floats | None, test: _Placebo
    ) -> list[str]:
        """Say why a change is no more than described."""
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
        if test.loud:
            doubts.append("it moves at dates without a change, too: a season of its own")
        return doubts


@dataclass(frozen=True)
class _Placebo:
    """What dates without a change say: beyond chance, able to tell, and by how much they move."""

    loud: bool
    power: bool
    excess: float

    @classmethod
    def of(cls, sets: Floats, effect: float) -> _Placebo:
        """From (dates, sets): Hotelling's test with the covariance of the jackknife."""
        m = len(sets)
        if m < FEWEST_DATES:
            return cls(False, False, 0.0)
        apart = sets[:, 1:] - sets[:, 1:].mean(axis=1, keepdims=True)
        spread = apart @ apart.T * (GROUPS - 1) / GROUPS
        size, noise = sets[:, 0], float(np.diag(spread).mean())
        square = float(size @ np.linalg.pinv(spread, hermitian=True) @ size)
        tail = stats.f.sf(square * (GROUPS - m) / (m * (GROUPS - 1)), m, GROUPS - m)
        seen = stats.ncx2.sf(stats.chi2.isf(QUIET, m), m, m * effect**2 / max(noise, 1e-12))
        excess = np.sqrt(max(float((size**2).mean()) - noise, 0.0))
        return cls(bool(tail < QUIET), bool(seen >= POWER), float(excess))


def _dated(sets: Floats, at: list[float]) -> pd.DataFrame:
    error, freedom = jackknife(sets[:, 0], sets[:, 1:].T)
    low, high = interval(sets[:, 0], error, freedom)
    when = pd.to_datetime(at, unit="s")
    return pd.DataFrame({"date": when, "estimate": sets[:, 0], "ci_low": low, "ci_high": high})


def _in_segment(data: Dataset, rows: pd.DataFrame, segment: object) -> Mask:
    """Say which rows are of customers in a segment, written ``trait: level``; none is all."""
    if not isinstance(segment, str):
        return np.ones(len(rows), dtype=bool)
    trait, _, level = segment.partition(BETWEEN)
    if trait not in traits(data):
        known = listing(traits(data)) or "no traits"
        raise DataError(
            f"changes.segment: {segment!r} names no trait of customers\n"
            f"  give a trait and its level, such as 'region: north'; the data has {known}"
        )
    groups = trait_groups(data, trait)
    inside = groups.filter(groups.group == level).customer_id.to_pandas()
    return rows.customer.isin(inside).to_numpy()
