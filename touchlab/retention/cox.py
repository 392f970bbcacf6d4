"""Hazard ratios of touchpoints by Cox, over the episodes between a customer's touches."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import chi2, sem

from touchlab.data.contract import listing
from touchlab.data.customers import DAY_SECONDS, owners, seconds, traits
from touchlab.data.dataset import Dataset
from touchlab.errors import ParameterError, TooThin, TouchlabWarning, nearest
from touchlab.numeric import Z, customer_group, interval
from touchlab.results import Result
from touchlab.retention.curves import Spells, find_spells
from touchlab.retention.partial_likelihood import (
    Episodes,
    Fit,
    concordance,
    fit_partial,
    proportional_tests,
)

MOST_ROWS = 200_000
"""Episodes that are looked at, about; of more, customers are sampled, which a note says."""
MOST_LEVELS, RAREST_LEVEL = 12, 0.005
PARTS, PART_STEP = 1000, 617
"""Parts that customers are drawn in, and how far another seed begins among them."""
PLACES = 8
"""Decimals of days, a millisecond: equal times must stay equal."""
FOLDS = 5
FEWEST_EACH = 10
"""Outcomes a covariate below which a fit follows chance."""
EXTREME = 5.0
DRIFT_P = 0.01


@dataclass(frozen=True, repr=False)
class Cox(Result):
    """Hazard ratios of touchpoints and traits for one outcome.

    `table` has ``name, kind, coefficient, se, hazard_ratio, ci_low, ci_high, p_proportional,
    n``; a small `p_proportional` says that a ratio changes with time since the start of risk.
    """

    table: pd.DataFrame
    outcome: str
    exposure: str
    n: int
    events: int
    log_likelihood: float
    concordance: pd.DataFrame
    """A row: ``concordance, ci_low, ci_high, n`` of customers held out, in five parts."""
    p_proportional: float
    """Of all ratios together."""
    notes: tuple[str, ...]

    def sentence(self) -> str:
        """Say which touchpoint goes with the largest change, and whether ratios hold over time."""
        own = self.table[self.table.kind == "touchpoint"]
        own = own[np.abs(own.coefficient) < EXTREME]
        if own.empty:
            return f"No touchpoint changes while customers are at risk of {self.outcome}."
        first = own.loc[(own.coefficient.abs() / own.se).idxmax()]
        when = "once touched" if self.exposure == "touched" else "for each further recent touch"
        drift = self.table[self.table.p_proportional < DRIFT_P].name
        steady = f"The ratio of {listing(drift, 3)} changes over time." if len(drift) else ""
        return (
            f"{first['name']} stands out most: {when}, customers have {first.hazard_ratio:.2f} "
            f"times the {self.outcome} rate ({first.ci_low:.2f} to {first.ci_high:.2f}) of others "
            f"alike at the same time since their start. Badge: descriptive. {steady}"
        ).strip()

    def summary(self) -> pd.DataFrame:
        """Hazard ratios of touchpoints, lowest first."""
        own = self.table[self.table.kind == "touchpoint"].rename(columns={"name": "touchpoint"})
        columns = ["touchpoint", "hazard_ratio", "ci_low", "ci_high", "p_proportional", "n"]
        return own.sort_values("hazard_ratio")[columns]

    def plot(self) -> Any:
        """Draw the hazard ratio of each touchpoint."""
        from touchlab import plots

        return plots.plot_intervals(
            self.summary(), value="hazard_ratio", names="touchpoint", percent=False,
            label=f"rate of {self.outcome} over that of others, 95 % interval",
            title=self.sentence().partition(". Badge")[0],
        )  # fmt: skip


def fit_cox(
    data: Dataset,
    *,
    outcome: str = "churn",
    touchpoints: Sequence[str] | None = None,
    exposure: str = "touched",
    window_days: float = 30,
    after: str | None = "auto",
    traits: bool = True,
    seed: int = 1,
) -> Cox:
    """Compare the rate of an outcome with and without touches, at equal time since the start.

    A customer counts as untouched until touched, so time before a touch is never credited to
    it. The hazard ratios describe: who is touched is not random. What would not have happened
    without a touchpoint is `fit_drivers`' answer; Cox is the familiar check beside it.

    Parameters
    ----------
    data, outcome, after
        As in `survival_curves`, as are errors.
    touchpoints
        Names; None for all.
    exposure, window_days
        ``"touched"``: 1 from the first touch since the start of risk on. ``"recent"``: the
        number of touches in the last `window_days`.
    traits
        Whether traits of customers are adjusted for.
    seed
        Of the sample of customers, where there are many, and of the parts held out.

    Returns
    -------
    Cox
        With ``.table``, ``.concordance``, ``.p_proportional``, ``.notes``, ``.sentence()``.

    Raises
    ------
    ParameterError, DataError, MissingInput
        Also for unknown names and choices, and where no outcome happens.

    Warns
    -----
    TouchlabWarning
        For few outcomes, and covariates that (nearly) separate them; also in ``.notes``.

    Notes
    -----
    Partial likelihood over (start, stop] episodes, ties by Efron [Cox 1972; Efron 1977]. The
    error is the larger of the model's and the customer-robust one [Lin & Wei 1989]; drift by
    scaled Schoenfeld residuals against ranked time [Grambsch & Therneau 1994].

    Examples
    --------
    >>> import touchlab as tl
    >>> cox = fit_cox(tl.open_data("data/sample"), touchpoints=["mobile_app_push"], traits=False)
    >>> cox.table[["name", "hazard_ratio", "ci_low", "ci_high", "n"]].round(2)
                  name  hazard_ratio  ci_low  ci_high     n
    0  mobile_app_push          0.85    0.74     0.99  3048
    """
    names = check_touchpoints(data, touchpoints)
    if exposure not in ("touched", "recent"):
        raise ParameterError(f"exposure: {exposure!r} is not a choice\n  use 'touched' or 'recent'")
    if not window_days > 0:
        raise ParameterError(f"window_days: {window_days!r}\n  give days above 0")
    whole = find_spells(data, [outcome], after)
    if not whole.events:
        raise TooThin(
            f"fit_cox: no {outcome} happens while its customer is at risk\n"
            "  check the times of outcomes against the observation windows, or `after`"
        )
    window = float(window_days) if exposure == "recent" else None
    spells = sample_spells(data, whole, names, window, seed)
    frame = build_episodes(data, spells, names, window)
    x = frame[[f"x{i}" for i in range(len(names))]].set_axis(names, axis=1)
    if traits:
        x = pd.concat([x, trait_frame(data, frame.customer_id)], axis=1)
    varies = (x.max() > x.min()).to_numpy()
    kinds = np.where(np.arange(x.shape[1]) < len(names), "touchpoint", "trait")[varies]
    used, constant = x.columns[varies], x.columns[~varies]
    rows = as_episodes(frame, x.loc[:, varies])
    fit = fit_partial(rows)
    troubles = _troubles(rows, fit, list(used), list(constant))
    for trouble in troubles:
        warnings.warn(trouble, TouchlabWarning, stacklevel=2)
    drift, together = proportional_tests(rows, fit)
    table = ratio_table(list(used), fit)
    table.insert(1, "kind", kinds)
    return Cox(
        table.assign(p_proportional=chi2.sf(drift, 1), n=rows.customers),
        outcome,
        exposure,
        rows.customers,
        int(rows.event.sum()),
        fit.log_likelihood,
        held_out_concordance(rows, seed),
        float(chi2.sf(together, max(len(used), 1))),
        (*spells.notes, *made_by_customers(data, names), *troubles),
    )


def sample_spells(
    data: Dataset, spells: Spells, touchpoints: Sequence[str], window_days: float | None, seed: int
) -> Spells:
    """Take spells out of the engine; of many customers, those of groups of ids drawn at random."""
    share = MOST_ROWS / (spells.n + _most_changes(data, spells, touchpoints, window_days))
    table = spells.table
    if share >= 1:
        return replace(spells, table=ibis.memtable(table.to_pandas()))
    place = (customer_group(table.customer_id, PARTS) + PART_STEP * seed) % PARTS
    drawn = table.filter(place < max(1, round(share * PARTS))).to_pandas()
    of = f"{len(drawn):,} of {spells.n:,} customers"
    note = f"hazard ratios are of {of}, drawn at random (seed {seed})"
    return replace(spells, table=ibis.memtable(drawn), notes=(*spells.notes, note))


def _most_changes(
    data: Dataset, spells: Spells, touchpoints: Sequence[str], window_days: float | None
) -> int:
    """Count how often exposures change at most; touches before the start are looked at last."""
    own = data.touches.filter(data.touches.touchpoint.isin(list(touchpoints)))
    each = 2 if window_days else 1
    limit = MOST_ROWS if window_days else spells.n * len(touchpoints)
    count = each * int(own.count().to_pyarrow().as_py())
    if spells.n + min(count, limit) > MOST_ROWS and spells.n < MOST_ROWS:
        times = own.select("customer_id", time=seconds(own.timestamp))
        pairs = times.inner_join(spells.table.select("customer_id", "start"), "customer_id")
        near = pairs.filter(pairs.time > pairs.start - (window_days or 0) * DAY_SECONDS)
        count = each * int(near.count().to_pyarrow().as_py())
    return count if window_days else min(count, limit)


def build_episodes(
    data: Dataset, spells: Spells, touchpoints: Sequence[str], window_days: float | None
) -> pd.DataFrame:
    """Cut spells where touches change: customer_id, start, stop (days), event, x0, x1, ...

    Column xk is touchpoint k: 1 from the first touch since the start of risk on or, with a
    window, the number of touches within it. A touch counts from the moment after it.
    """
    spell = spells.table.select("customer_id", "start", "stop", "ended")
    own = data.touches.filter(data.touches.touchpoint.isin(list(touchpoints)))
    own = own.select("customer_id", "touchpoint", time=seconds(own.timestamp))
    pairs = own.inner_join(spell, "customer_id")
    changes = _firsts(pairs) if window_days is None else _counts(pairs, window_days)
    begin = spell.select("customer_id", touchpoint=ibis.literal(""), time="start", change=0)
    changes = changes.union(begin.mutate(change=begin.change.cast("int64")))
    sums = {
        f"x{i}": changes.change.sum(where=changes.touchpoint == name).fill_null(0)
        for i, name in enumerate(touchpoints)
    }
    moments = changes.group_by("customer_id", "time").aggregate(**sums)
    order = {"group_by": "customer_id", "order_by": "time"}
    running = ibis.cumulative_window(**order)
    until = moments.time.lead(1).over(ibis.window(**order))
    cut = moments.mutate(until=until, **{x: moments[x].sum().over(running) for x in sums})
    joined = cut.inner_join(spell, "customer_id")
    last = joined.until.isnull()
    rows = joined.select(
        "customer_id",
        start=joined.time - joined.start,
        stop=ibis.ifelse(last, joined.stop, joined.until) - joined.start,
        event=ibis.ifelse(last & (joined.ended != ""), 1, 0),
        **{name: joined[name] for name in sums},
    )
    frame = rows.to_pandas().sort_values(["customer_id", "start"], ignore_index=True)
    for name in ("start", "stop"):
        frame[name] = (frame[name] / DAY_SECONDS).round(PLACES)
    return frame[frame.stop > frame.start].reset_index(drop=True)


def _firsts(pairs: ir.Table) -> ir.Table:
    """The first touch of each touchpoint since the start of risk."""
    inside = pairs.filter((pairs.time >= pairs.start) & (pairs.time < pairs.stop))
    first = inside.group_by("customer_id", "touchpoint").aggregate(time=inside.time.min())
    return first.mutate(change=ibis.literal(1, "int64"))


def _counts(pairs: ir.Table, window_days: float) -> ir.Table:
    """Touches come in, and go out after the window."""
    width = window_days * DAY_SECONDS
    near = pairs.filter((pairs.time > pairs.start - width) & (pairs.time < pairs.stop))
    came = near.mutate(time=ibis.greatest(near.time, near.start), change=ibis.literal(1, "int64"))
    gone = near.filter(near.time + width < near.stop)
    gone = gone.mutate(time=gone.time + width, change=ibis.literal(-1, "int64"))
    columns = ["customer_id", "touchpoint", "time", "change"]
    return came.select(columns).union(gone.select(columns))


def trait_frame(data: Dataset, customers: pd.Series) -> pd.DataFrame:
    """Traits as columns of numbers, a row for each entry of `customers`.

    Numbers as they are (missing ones at the mean), words as a column for each common level
    but the most common; missing is a level.
    """
    names = traits(data)
    if not names:
        return pd.DataFrame(index=customers.index)
    ids = ibis.memtable(pd.DataFrame({"customer_id": customers.unique()}))
    own = data.tables["customers"].semi_join(ids, "customer_id")
    known = own.select("customer_id", *names).to_pandas().set_index("customer_id")
    columns = [pd.DataFrame(_trait(name, known[name]), index=known.index) for name in names]
    coded = pd.concat(columns, axis=1)
    return coded.loc[customers].reset_index(drop=True)


def _trait(name: str, values: pd.Series) -> dict[str, pd.Series]:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        number = values.astype(float).replace([np.inf, -np.inf], np.nan)
        return {name: number.fillna(number.mean()).fillna(0.0)}
    words = values.astype("string").fillna("(missing)")
    shares = words.value_counts(normalize=True)
    common = shares[shares >= RAREST_LEVEL].index[:MOST_LEVELS]
    return {f"{name}: {level}": (words == level).astype(float) for level in common[1:]}


def as_episodes(frame: pd.DataFrame, x: pd.DataFrame) -> Episodes:
    """Turn a frame of episodes and its covariates into arrays."""
    return Episodes(
        frame.start.to_numpy(float),
        frame.stop.to_numpy(float),
        frame.event.to_numpy(np.int64),
        pd.factorize(frame.customer_id)[0].astype(np.int64),
        x.to_numpy(float).reshape(len(frame), x.shape[1]),
    )


def check_touchpoints(data: Dataset, asked: Sequence[str] | None) -> list[str]:
    """Return the touchpoints asked for, or all; refuse names that the data does not have."""
    if data.has("steps"):
        return []
    known = sorted(data.touches.select("touchpoint").distinct().to_pandas().touchpoint)
    if asked is None:
        return known
    if isinstance(asked, str):
        raise ParameterError(f"touchpoints: {asked!r} is not a list\n  give [{asked!r}]")
    for name in asked:
        if name not in known:
            raise ParameterError(
                f"touchpoints: no touchpoint is named {name!r}{nearest(str(name), known)}\n"
                f"  the data has {listing(known) or 'none'}"
            )
    return list(dict.fromkeys(asked))


def made_by_customers(data: Dataset, touchpoints: Sequence[str]) -> tuple[str, ...]:
    """Warn of touches that customers make themselves, which may follow from what they plan."""
    names = {name for name, owner in owners(data).items() if owner == "customer"}
    names &= set(touchpoints)
    if not names:
        return ()
    rule = "customers make these touches themselves, so they may follow from what makes them leave"
    return (f"{listing(sorted(names))}: {rule}",)


def ratio_table(names: Sequence[str], fit: Fit) -> pd.DataFrame:
    """Set coefficients as hazard ratios with their 95 % intervals."""
    table = pd.DataFrame({"name": list(names), "coefficient": fit.coefficients, "se": fit.errors})
    with np.errstate(over="ignore"):
        return table.assign(
            hazard_ratio=np.exp(table.coefficient),
            ci_low=np.exp(table.coefficient - Z * table.se),
            ci_high=np.exp(table.coefficient + Z * table.se),
        )


def held_out_concordance(rows: Episodes, seed: int) -> pd.DataFrame:
    """Fit without a fifth of the customers and rank those, five times; t interval of the five."""
    part = np.random.default_rng([seed, 3]).permutation(int(rows.customer.max()) + 1) % FOLDS
    found = []
    for fold in range(FOLDS):
        held = part[rows.customer] == fold
        own, others = rows.take(held), rows.take(~held)
        if own.event.any() and others.event.any():
            value, count = concordance(own, own.x @ fit_partial(others).coefficients)
            found += [value] if count else []
    mean = float(np.mean(found)) if found else float("nan")
    error = float(sem(found)) if len(found) > 1 else float("nan")
    low, high = interval(mean, error, len(found) - 1)
    row = {"concordance": mean, "ci_low": low, "ci_high": high, "n": rows.customers}
    return pd.DataFrame([row])


def _troubles(rows: Episodes, fit: Fit, names: list[str], constant: list[str]) -> list[str]:
    """Name what makes the result weak; a sentence each."""
    found, events = [], int(rows.event.sum())
    if constant:
        found.append(f"left out, as they never vary: {listing(constant)}")
    if events < FEWEST_EACH * len(names):
        many = f"{events} for {len(names)} covariates"
        found.append(f"few outcomes: {many}; ask for fewer touchpoints")
    extreme = np.abs(fit.coefficients * rows.x.std(axis=0)) > EXTREME
    lone = (rows.x[rows.event == 1].std(axis=0) == 0) | extreme
    if lone.any():
        some = [name for name, yes in zip(names, lone, strict=True) if yes]
        found.append(f"{listing(some)}: (nearly) separates outcomes from the rest; a guess")
    return found
