"""What the experiments say: intention-to-treat effect of every touchpoint with a holdout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.customers import directions, seconds, trait_groups
from touchlab.data.dataset import Dataset
from touchlab.drivers.arms import (
    KEYS,
    LIFT_COLUMNS,
    cluster_changes,
    cluster_difference,
    clusters_of,
    counted,
    given_lifts,
    group_sums,
)
from touchlab.errors import MissingInput, ParameterError, TooThin
from touchlab.moments.risk import Risk, comes_again, find_risk
from touchlab.numeric import GROUPS, LEVEL, Floats, Z, jackknife
from touchlab.results import Result

MEASURES = ("count", "value")
POWER = 0.8
UNEVEN = 4.0
"""Standard errors by which the days observed a customer may differ between arms."""
KEPT = 0.5
"""A holdout touched this often, relative to the treated, was not kept."""
FEWEST = 2
FEWEST_CLUSTERS = 3  # in each arm
ARMS = ("treated", "holdout")
Compared = tuple[float, float, float]
_NO_LIFTS = pd.DataFrame(columns=LIFT_COLUMNS)
_NO_GROUPS = pd.DataFrame(columns=["touchpoint", "arm", "group", "n", "total", "squares"])
_NO_UNITS = ibis.memtable(pd.DataFrame({name: ["x"] for name in [*KEYS, "arm"]})).limit(0)


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
    lifts: pd.DataFrame = field(default_factory=_NO_LIFTS.copy)
    """Results that are no comparison of single customers, a row a touchpoint; see `arms`."""

    def sentence(self) -> str:
        """Say what each experiment found, with its interval, or that it could not see it."""
        what = self.risk.outcome if self.measure == "count" else f"value of {self.risk.outcome}"
        parts = []
        for row in self.table.itertuples():
            found = f"{row.incremental:,.0f} ({row.ci_low:,.0f} to {row.ci_high:,.0f})"
            clear = row.ci_low > 0 or row.ci_high < 0
            blind = "" if clear else f", not told from none (it could see {row.could_see:,.0f})"
            parts.append(f"{row.touchpoint} {found}{blind}")
        return f"Incremental {what} among the treated, by experiment: {'; '.join(parts)}."

    def summary(self) -> pd.DataFrame:
        """What each experiment says by itself, and what the arms did."""
        columns = ["touchpoint", "incremental", "ci_low", "ci_high", "rate_treated"]
        columns += ["rate_holdout", "n_treated", "n_holdout", "could_see"]
        table = self.table.reindex(columns=[*columns, *["source"] * len(self.lifts[:1])])
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

    Arms that a trait of customers decides (regions, stores) are compared by cluster: what changed
    from as long before, with the error between clusters. A `lifts` table is listed as it is.

    Parameters
    ----------
    data
        A Dataset with ``experiments`` or ``lifts``.
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
        ``days`` (per customer), ``could_see`` (`detectable` for all treated), ``source``
        (what was compared); of a lift only what it says. ``.notes``, ``.sentence()``.

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
    if not data.has("experiments") and not (data.has("lifts") and measure == "count"):
        raise MissingInput(
            "There is no experiments table: with arms treated and holdout by customer, "
            "effects free of confounding are shown."
        )
    if measure == "value" and "value" not in data.outcomes.columns:
        raise MissingInput("outcomes has no value: with it, value per customer is compared.")
    if recurrent is None:
        recurrent = comes_again(data, outcome)
    risk = find_risk(data, outcome, after, recurrent)
    lifts, notes = given_lifts(data, risk) if measure == "count" else (_NO_LIFTS, ())
    groups, units = _NO_GROUPS, _NO_UNITS
    clusters: dict[str, tuple[Compared, str]] = {}
    if data.has("experiments"):
        units, more = _units(data, risk)
        groups = group_sums(data, risk, units, measure)
        if measure == "value" and not groups.total.any():
            none = f"No {outcome} in an experiment has a value"
            raise MissingInput(f"{none}: with it, value is compared.")
        clusters, few = _clusters(data, risk, units, measure)
        groups, left_out = _with_both_arms(data, groups[~groups.touchpoint.isin(few)], risk, lifts)
        notes = (*notes, *more, *left_out, *few.values(), *_doubts(groups))
    names = sorted(groups.touchpoint.unique())
    apart = lifts[~lifts.touchpoint.isin(names)]
    if not names and apart.empty:
        raise TooThin(f"lifts: none is of {outcome}, with a standard error: with one, it is shown")
    if len(apart) < len(lifts):
        notes += ("lifts of touchpoints that an experiment here is on are not used",)
    rows = [_effect(groups, name, *clusters.get(name, ())) for name in names]
    rows += [_given(row) for row in apart.itertuples()]
    own = [row for row in rows if row["touchpoint"] in clusters]
    own = [row | {"lift": row["incremental"], "se": row["se"] * row["n_treated"]} for row in own]
    lifts = pd.DataFrame([*own, *apart.to_dict("records")], columns=LIFT_COLUMNS)
    return Holdouts(pd.DataFrame(rows), groups, units, data, risk, measure, notes, lifts)


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
    units = counted(data, risk, units)
    left = before - int(units.count().to_pyarrow().as_py())
    notes = []
    if mixed:
        notes.append(f"{mixed:,} customers are in both arms of an experiment, and left out")
    if left:
        why = f"not at risk of {risk.outcome} at its start, or not observed during it"
        notes.append(f"{left:,} of {before:,} places in experiments are not counted: {why}")
    return units, tuple(notes)


def _clusters(
    data: Dataset, risk: Risk, units: ir.Table, measure: str
) -> tuple[dict[str, tuple[Compared, str]], dict[str, str]]:  # fmt: skip
    """Compare by cluster what was assigned so: found, with its source, and too few, with why."""
    found, few = {}, {}
    for name, trait in clusters_of(data).items():
        own = units.filter(units.touchpoint == name)
        ends = own.aggregate(start=own.start.min(), stop=own.stop.max()).to_pandas().iloc[0]
        if pd.isna(ends.start):
            continue
        table, before = cluster_changes(data, risk, own, (ends.start, ends.stop), trait)
        arms = own.inner_join(trait_groups(data, trait), "customer_id")
        arm = arms.select("group", "arm").distinct().to_pandas().set_index("group").arm
        held = (arm.reindex(table.index) == ARMS[1]).to_numpy()
        if min(held.sum(), (~held).sum()) < FEWEST_CLUSTERS or measure == "value":
            why = f"{(~held).sum()} treated and {held.sum()} held out: too few to compare"
            why = why if measure == "count" else "where only numbers are compared"
            few[name] = f"{name}: assigned by {trait}, {why}, left out"
            continue
        source = f"{len(table)} groups by {trait}" + ("" if before else ", without a time before")
        both = cluster_difference(table.change.to_numpy(float), table.n.to_numpy(float), held)
        found[name] = both, source
    return found, few


def _with_both_arms(
    data: Dataset, groups: pd.DataFrame, risk: Risk, lifts: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out touchpoints that lack an arm, with a note; refuse if none is left."""
    named = data.tables["experiments"].select("touchpoint").distinct().to_pandas().touchpoint
    counts = groups.pivot_table(index="touchpoint", columns="arm", values="n", aggfunc="sum")
    counts = counts.reindex(index=sorted(named), columns=list(ARMS)).fillna(0).astype(int)
    short = counts[(counts < FEWEST).any(axis=1)]
    if len(short) == len(counts) and lifts.empty:
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


def _given(row: Any) -> dict[str, Any]:
    """List a lift as an effect: only what it says."""
    low, high = row.lift - Z * row.se, row.lift + Z * row.se
    found = {"touchpoint": row.touchpoint, "incremental": row.lift, "ci_low": low, "ci_high": high}
    return found | {"could_see": (Z + stats.norm.ppf(POWER)) * row.se, "source": row.source}


def _effect(
    groups: pd.DataFrame, name: str, clusters: Compared | None = None, source: str = "customers"
) -> dict[str, Any]:
    n, total, squares, touched, days = (
        by_group(groups, name, column).sum(axis=1)
        for column in ("n", "total", "squares", "touched", "days")
    )
    rate = total / n
    error = ((squares - n * rate**2) / (n - 1)).clip(min=0) / n  # of each mean, squared
    se = float(np.sqrt(error.sum()))
    difference = float(rate[0] - rate[1])
    freedom = error.sum() ** 2 / max((error**2 / (n - 1)).sum(), 1e-300)
    if clusters is not None:
        difference, se, freedom = clusters
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
        "could_see": seen * se * n[0],
        "source": source,
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
