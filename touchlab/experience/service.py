"""What waiting and resolution do to customers, by team and agent; what training would be worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.dataset import Dataset
from touchlab.drivers.design import columns_of
from touchlab.errors import MissingInput, listing, shorten
from touchlab.experience.changes import POWER, QUIET
from touchlab.experience.contacts import contacts, results_of_others, waits_of_others
from touchlab.experience.stages import between
from touchlab.experience.surveys import need_days
from touchlab.experience.within import Codes, Within, draw_together, errors
from touchlab.numeric import GROUPS, interval, jackknife, one_thread
from touchlab.privacy.pseudonyms import code_names
from touchlab.privacy.suppress import MIN_CUSTOMERS, check_k
from touchlab.results import Result

if TYPE_CHECKING:
    from touchlab.show import Picture

SCORE, REPEAT, RESOLVED, DOUBLED = "score", "repeat contact", "resolved", "twice the duration"
OTHER, LEVELS = "(other)", ("team", "agent")
FEWEST, FEWEST_BOTH, MOST_RESULTS, FEWEST_GROUPS, FEWEST_AGENTS = 100, 30, 6, 3, 3
"""Touches of a measure; with and without what is counted; results told apart; groups that are
compared; agents of a team that is named, since a team of one is an agent by name."""
NOBODY = "no agents are named, so nothing moves a result whatever the case is"
FEW_OTHERS = "too few touches have others to compare with"
BLIND = "the check could not have seen a bias as large"
WHY = (
    "agents who reach it more often differ in more than that, or hard cases take part",
    "it is otherwise where the wait comes of the hour: hard cases take part",
)
SEEN = float(stats.norm.isf(QUIET / 2) + stats.norm.ppf(POWER))
"""Errors of a difference that a test at 5 % sees in 80 % of cases."""
ENDS = ["ci_low", "ci_high", "badge", "n", "customers"]
EFFECTS, BY_GROUP = ["measure", "term", "effect", *ENDS], ["level", "group", "measure"]
BY_GROUP += ["difference", *ENDS]
TRAINING = ["level", "measure", "gain", "ci_low", "ci_high", "contacts", "contacts_low"]
TRAINING += ["contacts_high", "differ", "groups", *ENDS[2:]]


@dataclass(frozen=True, repr=False)
class ServiceEffects(Result):
    """What service does, in `.table`; how `.groups` differ; what `.training` would be worth."""

    table: pd.DataFrame
    groups: pd.DataFrame
    training: pd.DataFrame
    notes: tuple[str, ...]

    def sentence(self) -> str:
        from touchlab import sentences

        return f"{sentences.about_service(self.table)} {sentences.about_training(self.training)}"

    def plot(self) -> Picture:
        """Draw how teams and agents differ in the score, or in what is resolved."""
        from touchlab import plots

        if self.groups.empty:
            raise MissingInput(f"With {FEWEST_GROUPS} teams or agents, their difference is drawn.")
        own = self.groups[self.groups.measure == self.groups.measure.iloc[0]]
        title = f"How teams and agents differ: {own.measure.iloc[0]}"
        given: dict[str, Any] = {"value": "difference", "names": "group", "percent": False}
        return plots.plot_intervals(own, label="points from the mean", title=title, **given)


@one_thread
def service_effects(
    data: Dataset, *, outcome: str = "churn", days: int = 60, repeat_days: int = 14,
    resolved: str = RESOLVED, min_customers: int = MIN_CUSTOMERS,
) -> ServiceEffects:  # fmt: skip
    """What do waiting and resolution do to score, outcome and repeat contact, and who does better?

    It cannot see how hard a case was, except by what did not depend on it (Notes).

    Parameters
    ----------
    data
        Its touches have some of ``agent``, ``team``, ``duration`` (seconds, of waiting or of
        handling: the same throughout) and ``result``.
    outcome, days
        What may follow, and how long it and the next score are waited for.
    repeat_days
        Another touch of the same touchpoint within so many days is a repeat contact.
    resolved
        The value of ``result`` that is aimed at; others are compared with it.
    min_customers
        Groups of fewer customers, and teams of fewer than 3 agents, are put together.

    Returns
    -------
    ServiceEffects
        ``.table``: ``measure`` (score, the outcome, repeat contact), ``term`` (``twice the
        duration``, or a result and the one it is compared with), ``effect, ci_low, ci_high``
        (points of 100), ``badge, n`` (touches), ``customers``. ``.groups``: ``level`` (team,
        agent), ``group`` (agents as pseudonyms), ``measure, difference, ci_low, ci_high`` (from
        the mean, drawn together), ``badge, n, customers``. ``.training``: ``gain`` in points if
        those below the median reached it, in ``contacts`` more that are resolved, ``differ``
        (beyond chance, 5 %).

    Raises
    ------
    MissingInput, ParameterError
        Without the columns, or too few touches; for lengths that are not above 0.

    Notes
    -----
    Linear regression on both terms, time, touchpoint, earlier touches and traits, within agents.
    The score is the answer at the same touchpoint before the customer comes again. Intervals
    leave out groups of customers. The check: waiting times of other customers in the same hour
    move a wait whatever the case is, and results of an agent with others move a result
    (two-stage least squares). ``descriptive`` where that differs from the regression,
    ``adjusted`` where it would have told a difference as large as the effect, else ``untested``.
    Groups: ``descriptive`` where their customers differ, else ``untested``.

    Examples
    --------
    >>> import numpy as np, pandas as pd, touchlab as tl
    >>> times = pd.date_range("2026-01-01", periods=400, freq="3h")
    >>> calls = pd.DataFrame({"timestamp": times, "touchpoint": "call"})
    >>> calls["customer_id"] = np.arange(400) % 200
    >>> calls["result"] = np.where(np.arange(400) % 3, "resolved", "open")
    >>> answers = calls.assign(metric="csat", score=np.where(calls.result == "open", 2, 4))
    >>> answers["timestamp"] += pd.Timedelta("1h")
    >>> bought = calls.head(1)[["customer_id", "timestamp"]].assign(outcome="conversion")
    >>> data = tl.open_data({"touches": calls, "outcomes": bought, "surveys": answers})
    >>> service_effects(data).table[["measure", "term", "effect", "badge"]].head(1)
      measure                term  effect     badge
    0   score  open, not resolved   -50.0  untested
    """
    check_k(min_customers)
    need_days(days)
    need_days(repeat_days)
    rows, notes = contacts(data, outcome, days, repeat_days), list[str]()
    named = _results(rows, resolved, min_customers)
    measures = {SCORE: "score", outcome: "happened", REPEAT: "repeated", RESOLVED: "resolved"}
    rows["resolved"] = np.nan
    if "result" in rows and (rows.result == resolved).any():
        rows["resolved"] = (100.0 * (rows.result == resolved)).where(rows.result.notna())
    elif "result" in rows:
        notes.append(f"no result is {shorten(resolved)}: name the one aimed at, resolved=...")
    if "duration" in rows:
        rows[DOUBLED] = waits_of_others(rows)
    for name in named[1:] if "agent" in rows else ():
        rows[f"{name}, not {named[0]}"] = results_of_others(rows, name)
    effects, reasons = list[dict[str, Any]](), dict[str, list[str]]()
    groups, training = list[pd.DataFrame](), list[dict[str, Any]]()
    for measure, column in measures.items():
        own = rows[rows[column].notna()].reset_index(drop=True)
        both = (own[column] > 0).sum(), (own[column] < 100).sum()
        people = own.customer_id.nunique()
        if len(own) < FEWEST or min(*both, people) < max(FEWEST_BOTH, min_customers):
            notes += [f"{measure}: too few touches tell of it"] * (measure != RESOLVED)
            continue
        looked = _Looked(own, measure, column, named)
        for row, why in looked.effects() if measure != RESOLVED else ():
            effects.append({"measure": measure, "n": len(own), "customers": people} | row)
            reasons.setdefault(why, []).append(f"{measure}, {row['term']}")
        for level in LEVELS if measure in (SCORE, RESOLVED) else ():
            if level in own:
                table, worth, said = looked.groups(level, min_customers)
                groups, training, notes = [*groups, table], [*training, *worth], [*notes, *said]
    if not effects and not training:
        raise MissingInput(f"Too few touches tell of service: {listing(notes)}.")
    notes += [f"{why}: {listing(where, most=20)}" for why, where in reasons.items() if why]
    found = pd.concat([one for one in groups if len(one)] or [pd.DataFrame(columns=BY_GROUP)])
    told = (found.level == "agent") & (found.group != OTHER)
    agents = [*dict.fromkeys(found.group[told])]  # the best first, whatever they are called
    called = dict(zip(agents, code_names(agents, "agent"), strict=True))
    found["group"] = found.group.mask(told, found.group.map(called))
    tables = pd.DataFrame(effects, columns=EFFECTS), found.reset_index(drop=True)
    return ServiceEffects(*tables, pd.DataFrame(training, columns=TRAINING), tuple(notes))


def _results(rows: pd.DataFrame, resolved: str, k: int) -> list[str]:
    """Results of `k` customers or more, what others are compared with first."""
    if "result" not in rows:
        return []
    people, order = rows.groupby("result").customer_id.nunique(), rows.result.value_counts().index
    common = [name for name in order if people[name] >= max(k, FEWEST_BOTH)]
    return sorted(common, key=lambda name: name != resolved)[:MOST_RESULTS]


class _Looked:
    """Touches of one measure: the measure, terms and controls as columns."""

    def __init__(self, rows: pd.DataFrame, measure: str, y: str, results: list[str]) -> None:
        self.rows, self.measure = rows, measure
        self.group, beside = rows.group.to_numpy(np.int64), []
        terms: dict[str, Any] = {}
        if "duration" in rows and rows.duration.notna().any():
            # less than a second is a second: nothing cannot be doubled
            terms[DOUBLED] = np.log2(rows.duration.clip(lower=1)).fillna(0.0)
            beside.append(rows.duration.isna())
        terms |= {f"{name}, not {results[0]}": rows.result == name for name in results[1:]}
        beside += [~rows.result.isin(results)] if results else []
        asked = ["metric", "touchpoint"] if measure == SCORE else ["touchpoint"]
        clocks = columns_of(rows, asked, clocks=True)
        known = [*(c for c in rows if c.startswith("trait ")), "earlier", "here"]
        people = columns_of(rows, known, clocks=False)
        self.columns = np.column_stack([rows[y], *terms.values(), *beside, clocks, people]).astype(
            float
        )
        self.names, first, last = [*terms], 1 + len(terms), self.columns.shape[1]
        self.terms, self.rest = [*range(1, first)], [*range(first, last)]
        self.held, self.people = (
            self.rest[len(beside) :],
            self.rest[last - first - people.shape[1] :],
        )

    def effects(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Of each term: what it does, with its badge, and why that is no better."""
        who = next((level for level in reversed(LEVELS) if level in self.rows), "touchpoint")
        code = self.rows[who].fillna("").factorize()[0].astype(np.int64)
        within = Within(self.columns, code, self.group)
        for x, name in zip(self.terms, self.names, strict=True):
            found = within.slope(0, x, self._beside(x))
            error, freedom = jackknife(found[0], found[1:])
            low, high = interval(found[0], error, freedom)
            if np.isfinite(found[0]):
                badge, why = self._check(x, within, max(abs(found[0]), float(high - found[0])))
                row = {"term": name, "effect": found[0], "ci_low": low, "ci_high": high}
                yield {**row, "badge": badge}, why

    def _beside(self, x: int) -> list[int]:
        return [*(one for one in self.terms if one != x), *self.rest]

    def _check(self, x: int, within: Within, size: float) -> tuple[str, str]:
        """Hold a term against what moves it whatever the case is; see `service_effects`."""
        name = self.names[x - 1]
        if name not in self.rows:
            return "untested", NOBODY
        told = self.rows[name].notna().to_numpy()
        lot = self.rows.day.to_numpy(np.int64) if name == DOUBLED else within.code
        if told.sum() < FEWEST or len(np.unique(lot[told])) < FEWEST_GROUPS:
            return "untested", FEW_OTHERS
        columns = np.column_stack([self.columns, self.rows[name]])[told]
        # agents' own ways must not be taken out where agents move the result
        code, gaps = within.code if name == DOUBLED else np.zeros_like(within.code), []
        for group in (self.group, lot % GROUPS):  # customers; days, or agents
            other = Within(columns, code[told], group[told])
            moved = other.slope(0, x, self._beside(x), by=columns.shape[1] - 1)
            gaps.append(replace(within, group=group).slope(0, x, self._beside(x)) - moved)
        gap, error = abs(gaps[0][0]), max(float(jackknife(one[0], one[1:])[0]) for one in gaps)
        if not error > 0:
            return "untested", FEW_OTHERS
        if gap > stats.norm.isf(QUIET / 2) * error:
            return "descriptive", WHY[name == DOUBLED]
        return ("untested", BLIND) if error * SEEN > size else ("adjusted", "")

    def groups(self, level: str, k: int) -> tuple[pd.DataFrame, list[dict[str, Any]], list[str]]:
        """How teams or agents differ, what training would be worth, and what to say of it."""
        code, names, few = _folded(self.rows, level, k)
        notes = [f"{self.measure}: {few} {level}s of few, put together"] if few else []
        if len(names) < FEWEST_GROUPS:
            return pd.DataFrame(), [], [*notes, f"{self.measure}: too few {level}s to compare"]
        rows, told = self.rows[code >= 0], code >= 0
        # what they do about waits and results is their doing: it is not held constant
        within = Within(self.columns[told], code[told], self.group[told])
        n, found, mix = within.n[0], *(within.levels(0, self.held, of) for of in ((), self.people))
        error = errors(found, n)
        if not np.isfinite(error).all():  # as few customers as groups of them
            return pd.DataFrame(), [], [*notes, f"{self.measure}: too few customers to compare"]
        differ, apart = (between(one[0], errors(one, n))[1] < QUIET for one in (found, mix))
        drawn = draw_together(found[0], error)
        table = pd.DataFrame({"level": level, "group": names, "measure": self.measure})
        table["difference"] = drawn.mean(axis=0)
        table["ci_low"], table["ci_high"] = np.quantile(drawn, [0.025, 0.975], axis=0)
        table["badge"] = badge = "descriptive" if apart else "untested"
        table["n"] = n.round().astype(int)
        table["customers"] = rows.groupby(code[told]).customer_id.nunique().to_numpy()
        below = np.maximum(np.median(drawn, axis=1)[:, None] - drawn, 0) @ (n / n.sum())
        ends = np.array([below.mean(), *np.quantile(below, [0.025, 0.975])])
        ends[1] *= differ  # where they may all be alike, there may be nothing to gain
        more = ends / 100 * (len(rows) if self.measure == RESOLVED else np.nan)
        row = [level, self.measure, *ends, *more, differ, len(names), badge, len(rows)]
        worth = dict(zip(TRAINING, [*row, rows.customer_id.nunique()], strict=True))
        return table.sort_values("difference", ascending=False), [worth], notes


def _folded(rows: pd.DataFrame, level: str, k: int) -> tuple[Codes, list[str], int]:
    """Number of each touch's team or agent (-1: none), their names, how many are put together."""
    people = rows.groupby(level).customer_id.nunique().sort_values()
    rare = {*people.index[people < k]} | ({OTHER} & {*people.index})
    if level == "team" and "agent" in rows:
        staff = rows.groupby(level).agent.nunique()
        rare |= {*staff.index[staff < FEWEST_AGENTS]}
    for name in people.index:  # nor may what is put together be of few
        if not rare or rows.customer_id[rows[level].isin(rare)].nunique() >= k:
            break
        rare |= {name}
    names = [*(name for name in sorted(people.index) if name not in rare), *[OTHER] * bool(rare)]
    given = rows[level].astype(object).mask(rows[level].isin(rare), OTHER)
    return pd.Categorical(given, categories=names).codes.astype(np.int64), names, len(rare)
