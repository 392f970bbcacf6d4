"""What the experiments say: intention-to-treat effect of every touchpoint with a holdout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.customers import DAY_SECONDS, directions, seconds
from touchlab.data.dataset import Dataset
from touchlab.data.readers import keep
from touchlab.errors import MissingInput, ParameterError, TooThin
from touchlab.moments.risk import Risk, comes_again, find_risk, risk_windows
from touchlab.numeric import GROUPS, LEVEL, Floats, Z, customer_group, jackknife
from touchlab.results import Result

MEASURES = ("count", "value")
POWER = 0.8
UNEVEN = 4.0
"""Standard errors by which the days observed a customer may differ between arms."""
KEPT = 0.5
"""A holdout touched this often, relative to the treated, was not kept."""
FEWEST = 2
ARMS = ("treated", "holdout")


@dataclass(frozen=True, repr=False)
class Holdouts(Result):
    """Effects of the experiments: `table` has a row a touchpoint; see ``holdout_effects``."""

    table: pd.DataFrame
    groups: pd.DataFrame
    """By touchpoint, arm and customer group: n, total, squares, touched, days."""
    units: ir.Table
    """A row a customer in an experiment: customer_id, touchpoint, arm, start, stop (seconds)."""
    data: Dataset
    risk: Risk
    measure: str
    notes: tuple[str, ...]

    def sentence(self) -> str:
        """Say what each experiment found, with its interval, or that it could not see it."""
        what = self.risk.outcome if self.measure == "count" else f"value of {self.risk.outcome}"
        parts = []
        for row in self.table.itertuples():
            found = f"{row.incremental:,.0f} [{row.ci_low:,.0f} to {row.ci_high:,.0f}]"
            clear = row.ci_low > 0 or row.ci_high < 0
            size = row.detectable * row.n_treated
            blind = "" if clear else f", not told from none (it could see {size:,.0f})"
            parts.append(f"{row.touchpoint} {found}{blind}")
        return f"Incremental {what} among the treated, by experiment: {'; '.join(parts)}."

    def summary(self) -> pd.DataFrame:
        """What each experiment says by itself, and what the arms did."""
        columns = ["touchpoint", "incremental", "ci_low", "ci_high", "rate_treated"]
        table = self.table[[*columns, "rate_holdout", "n_treated", "n_holdout"]]
        table = table.assign(could_see=self.table.detectable * self.table.n_treated)
        if self.measure == "count":
            return table
        return table.rename(columns=lambda name: name.replace("rate_", "value_"))

    def plot(self) -> Any:
        """Draw the effect of each experiment with its interval."""
        from touchlab import plots

        table = self.table.assign(badge="randomised")
        return plots.plot_incremental(table, outcome=self.risk.outcome)


def holdout_effects(
    data: Dataset,
    *,
    outcome: str = "conversion",
    measure: str = "count",
    after: str | None = "auto",
    recurrent: bool | None = None,
) -> Holdouts:
    """What did each experiment of the `experiments` table find?

    Intention to treat: outcomes per customer of all who were to be treated, touched or not,
    minus those of all who were held out, from the start to the end of the experiment. That is
    the effect of the *decision* to use the touchpoint, with all that its touches brought about;
    it is free of confounding if the arms were drawn by lot. Several arms with one control:
    the control's customers are ``holdout`` in the rows of each touchpoint.

    Parameters
    ----------
    data
        A Dataset with ``experiments``.
    outcome
        A name in ``outcomes.outcome``.
    measure
        ``"count"``: outcomes per customer, each counted; ``"value"``: their value per customer.
    after
        Outcome that starts the risk; ``"auto"`` as in ``fit_drivers``. Only customers who had
        it before their experiment started are counted: who has it later may do so because
        of the treatment.
    recurrent
        Whether a customer can have the outcome again; by default what some customer of the
        data has twice, and never churn. If not, only customers who have not had it when the
        experiment starts are counted.

    Returns
    -------
    Holdouts
        ``.table``, a row a touchpoint: ``touchpoint, incremental, ci_low, ci_high``
        (for all treated: difference x n_treated), ``difference, se, difference_low,
        difference_high`` (per customer), ``rate_treated, rate_holdout, ratio, ratio_low,
        ratio_high, p, detectable`` (smallest true difference seen in 80 % of such experiments),
        ``n_treated, n_holdout, touched_treated, touched_holdout`` (shares with a touch of it),
        ``days`` (per customer). ``.notes``, ``.sentence()``.

    Raises
    ------
    MissingInput, DataError, ParameterError
        Without experiments, if none has both arms, for unknown names.

    Notes
    -----
    Welch interval of the difference from the variance between customers, which allows for
    repeated outcomes; ratio by the delta method on the log.

    Examples
    --------
    >>> import touchlab as tl
    >>> found = tl.holdout_effects(tl.open_data("data/sample")).table.set_index("touchpoint")
    >>> found.n_holdout.to_dict()
    {'email_newsletter': 4957, 'retargeting': 5885}
    """
    if measure not in MEASURES:
        raise ParameterError(f"measure: {measure!r} is not a choice\n  use 'count' or 'value'")
    if not data.has("experiments"):
        raise MissingInput(
            "There is no experiments table: with arms treated and holdout by customer, "
            "effects free of confounding are shown."
        )
    if measure == "value" and "value" not in data.outcomes.columns:
        raise MissingInput("outcomes has no value: with it, value per customer is compared.")
    if recurrent is None:
        recurrent = comes_again(data, outcome)
    risk = find_risk(data, outcome, after, recurrent)
    units, notes = _units(data, risk)
    groups = _sums(data, risk, units, measure)
    if measure == "value" and not groups.total.any():
        raise MissingInput(
            f"No {outcome} in an experiment has a value: with it, value is compared."
        )
    groups, left_out = _with_both_arms(data, groups, risk)
    notes = (*notes, *left_out, *_doubts(groups))
    table = pd.DataFrame([_effect(groups, name) for name in sorted(groups.touchpoint.unique())])
    return Holdouts(table, groups, units, data, risk, measure, notes)


def _units(data: Dataset, risk: Risk) -> tuple[ir.Table, tuple[str, ...]]:
    """Who counts, and from when to when, with what was left out."""
    rows = data.tables["experiments"]
    arms = rows.group_by("customer_id", "touchpoint").aggregate(arms=rows.arm.nunique())
    both = arms.filter(arms.arms > 1)
    mixed = int(both.select("customer_id").distinct().count().to_pyarrow().as_py())
    rows = rows.anti_join(both, ["customer_id", "touchpoint"])
    # `begun` is the start of the experiment, `start` that of the customer's part in it.
    times = {"begun": seconds(rows.start), "stop": seconds(rows.end)}
    units = rows.select("customer_id", "touchpoint", "arm", **times).distinct()
    before = int(units.count().to_pyarrow().as_py())
    units = keep(_at_risk(data, risk, _observed(data, units)), "units")
    left = before - int(units.count().to_pyarrow().as_py())
    notes = []
    if mixed:
        notes.append(f"{mixed:,} customers are in both arms of an experiment, and left out")
    if left:
        why = f"not at risk of {risk.outcome} at its start, or not observed during it"
        notes.append(f"{left:,} of {before:,} places in experiments are not counted: {why}")
    return units, tuple(notes)


def _observed(data: Dataset, units: ir.Table) -> ir.Table:
    """Cut to the observation window; without a customers table, everyone is observed."""
    if not data.has("customers"):
        return units.mutate(start=units.begun)
    own = data.tables["customers"]
    own = own.select("customer_id", first=seconds(own.observed_from), last=seconds(own.observed_to))
    units = units.inner_join(own, "customer_id")
    units = units.mutate(
        start=ibis.greatest(units.begun, units["first"]), stop=ibis.least(units.stop, units["last"])
    )
    units = units.filter(units.stop > units.start)
    return units.drop("first", "last")


def _at_risk(data: Dataset, risk: Risk, units: ir.Table) -> ir.Table:
    """Keep who could have the outcome when the experiment began: settled before the treatment."""
    windows = risk_windows(data, risk).select("customer_id", since="start", until="stop")
    joined = units.left_join(windows, "customer_id")
    if risk.after is not None:
        keep = joined.since.notnull() & (joined.since <= joined.begun)
    else:
        keep = joined.since.isnull() if not data.has("customers") else ibis.literal(False)
        keep = keep | joined.since.notnull()
    ended = joined.until.notnull() & (joined.until <= joined.start)
    return joined.filter(keep & ~ended).select("customer_id", "touchpoint", "arm", "start", "stop")


def unit_rows(data: Dataset, risk: Risk, units: ir.Table, measure: str) -> ir.Table:
    """Units with what became of each: amount, touched, group."""
    keys, columns = ["customer_id", "touchpoint", "start", "stop"], ["arm", "amount", "touched"]
    events = data.outcomes.filter(data.outcomes.outcome == risk.outcome)
    amount = ibis.literal(1.0)
    if measure == "value":
        amount = events["value"].fill_null(0).cast("float64")
    events = events.select("customer_id", at=seconds(events.timestamp), amount=amount)
    joined = units.select(*keys).inner_join(events, "customer_id")
    joined = joined.filter((joined["at"] >= joined.start) & (joined["at"] < joined.stop))
    amounts = joined.group_by(keys).aggregate(
        amount=joined.amount.sum() if risk.recurrent else joined.amount.max()
    )
    touches = data.touches.select(
        "customer_id", "touchpoint", touch=seconds(data.touches.timestamp)
    )
    met = units.select(*keys).inner_join(touches, ["customer_id", "touchpoint"])
    met = met.filter((met.touch >= met.start) & (met.touch < met.stop)).select(*keys).distinct()
    rows = units.left_join(amounts, keys).select(*keys, "arm", "amount")
    rows = rows.left_join(met.mutate(touched=ibis.literal(1)), keys).select(*keys, *columns)
    return rows.mutate(amount=rows.amount.fill_null(0.0), group=customer_group(rows.customer_id))


def _sums(data: Dataset, risk: Risk, units: ir.Table, measure: str) -> pd.DataFrame:
    """Add up each arm by customer group: n, total, squares, touched, days."""
    rows = unit_rows(data, risk, units, measure)
    cells = ["touchpoint", "arm", "group"]
    sums = rows.group_by(cells).aggregate(
        n=rows.count(),
        total=rows.amount.sum(),
        squares=(rows.amount * rows.amount).sum(),
        touched=rows.touched.fill_null(0).sum(),
        days=((rows.stop - rows.start) / DAY_SECONDS).sum(),
    )
    return sums.to_pandas().sort_values(cells, ignore_index=True)


def _with_both_arms(
    data: Dataset, groups: pd.DataFrame, risk: Risk
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out touchpoints that lack an arm, with a note; refuse if none is left."""
    named = data.tables["experiments"].select("touchpoint").distinct().to_pandas().touchpoint
    counts = groups.pivot_table(index="touchpoint", columns="arm", values="n", aggfunc="sum")
    counts = counts.reindex(index=sorted(named), columns=list(ARMS)).fillna(0).astype(int)
    short = counts[(counts < FEWEST).any(axis=1)]
    if len(short) == len(counts):
        raise TooThin(
            f"experiments: none has {FEWEST} customers at risk of {risk.outcome} in each arm\n"
            f"  first: {_sizes(short.iloc[0])}\n"
            "  give both arms, with customers observed between start and end"
        )
    few = f"customers at risk of {risk.outcome}: too few, left out"
    left_out = tuple(f"{_sizes(row)} {few}" for _, row in short.iterrows())
    return groups[~groups.touchpoint.isin(short.index)], left_out


def _sizes(row: pd.Series) -> str:
    return f"{row.name}: treated {row.treated:,}, holdout {row.holdout:,}"


def by_group(groups: pd.DataFrame, touchpoint: str, column: str) -> Floats:
    """Read one column of `Holdouts.groups`: (arms treated and holdout, groups)."""
    own = groups[groups.touchpoint == touchpoint].set_index(["arm", "group"])[column].unstack()
    return own.reindex(index=list(ARMS), columns=range(GROUPS)).fillna(0).to_numpy(float)


def _effect(groups: pd.DataFrame, name: str) -> dict[str, object]:
    n, total, squares, touched, days = (
        by_group(groups, name, column).sum(axis=1)
        for column in ("n", "total", "squares", "touched", "days")
    )
    rate = total / n
    error = ((squares - n * rate**2) / (n - 1)).clip(min=0) / n  # of each mean, squared
    se = float(np.sqrt(error.sum()))
    difference = float(rate[0] - rate[1])
    freedom = error.sum() ** 2 / max((error**2 / (n - 1)).sum(), 1e-300)
    reach = stats.t.ppf(0.5 + LEVEL / 2, max(freedom, 1.0))
    seen = Z + stats.norm.ppf(POWER)
    ratio = rate[0] / rate[1] if rate[1] > 0 else np.nan
    some = bool((rate > 0).all())
    spread = np.exp(reach * np.sqrt((error / rate**2).sum())) if some else np.nan
    low, high = difference - reach * se, difference + reach * se
    return {
        "touchpoint": name,
        "incremental": difference * n[0],
        "ci_low": low * n[0],
        "ci_high": high * n[0],
        "difference": difference,
        "se": se,
        "difference_low": low,
        "difference_high": high,
        "rate_treated": rate[0],
        "rate_holdout": rate[1],
        "ratio": ratio,
        "ratio_low": ratio / spread,
        "ratio_high": ratio * spread,
        "p": float(2 * stats.t.sf(abs(difference) / se, max(freedom, 1.0))) if se > 0 else np.nan,
        "detectable": seen * se,
        "n_treated": int(n[0]),
        "n_holdout": int(n[1]),
        "touched_treated": touched[0] / n[0],
        "touched_holdout": touched[1] / n[1],
        "days": days.sum() / n.sum(),
    }


def _doubts(groups: pd.DataFrame) -> tuple[str, ...]:
    """Name what a sound experiment should not show."""
    found = []
    for name in sorted(groups.touchpoint.unique()):
        people = by_group(groups, name, "n")
        n, touched = people.sum(axis=1), by_group(groups, name, "touched").sum(axis=1)
        days = by_group(groups, name, "days")
        if touched[0] == 0:
            found.append(f"{name}: no touch of it in the treated arm is recorded")
        elif touched[1] / n[1] >= KEPT * touched[0] / n[0]:
            found.append(f"{name}: the holdout was touched as well; the effect is understated")
        length = days.sum(axis=1) / n
        less = (days.sum(axis=1) - days.T) / (n - people.T).clip(min=1)
        error, _ = jackknife(length[0] - length[1], less[:, 0] - less[:, 1])
        if abs(length[0] - length[1]) > UNEVEN * error:
            found.append(
                f"{name}: arms were observed for {length[0]:.1f} and {length[1]:.1f} days a "
                "customer; were they drawn by lot?"
            )
    return tuple(found)


def never_sent_out(data: Dataset) -> set[str]:
    """Touchpoints all of whose touches come in from customers: no experiment can hold them back."""
    return {name for name, ways in directions(data).items() if "out" not in ways}
