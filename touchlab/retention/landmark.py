"""Customers touched and not touched by a touchpoint, compared without immortal time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ibis
import numpy as np
import pandas as pd

from touchlab.data.customers import DAY_SECONDS, seconds
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput, ParameterError, TooThin, need_name
from touchlab.numeric import Floats, Z
from touchlab.results import Result
from touchlab.retention import orders
from touchlab.retention.cox import (
    as_episodes,
    build_episodes,
    check_touchpoints,
    made_by_customers,
    ratio_table,
    sample_spells,
)
from touchlab.retention.curves import Spells, count_ends, curve_table, find_spells
from touchlab.retention.lifetime import Lifetime, look_ahead
from touchlab.retention.partial_likelihood import fit_partial

BADGE = "descriptive"
TOUCHED, NOT_TOUCHED = "touched", "not touched"
WHY = (
    "Ever touched against never is not shown: a customer must stay to be touched, so the time "
    "before the touch would count for it, and a touch without any effect would look protective."
)


@dataclass(frozen=True, repr=False)
class TouchedSurvival(Result):
    """How long customers stay, touched or not, with touches taken as they were known then.

    `table` has ``method, hazard_ratio, ci_low, ci_high, n, events``: ``landmark`` parts those
    still there on the landmark day by touches before it; ``time-varying`` compares, at each
    time, customers touched already with those not yet. `curves`: `survival_curves` from then on.
    """

    touchpoint: str
    outcome: str
    landmark_days: int
    table: pd.DataFrame
    curves: pd.DataFrame
    notes: tuple[str, ...]

    def sentence(self) -> str:
        """Say what goes with the touch, and why ever against never is not shown."""
        rows = self.table.set_index("method")
        now, then = rows.loc["time-varying"], rows.loc["landmark"]
        return (
            f"Customers touched already by {self.touchpoint} have {_ratio(now)} the {self.outcome} "
            f"rate of those not yet touched; of customers still there after {self.landmark_days} "
            f"days, those touched by then have {_ratio(then)} the rate of the others. {WHY} "
            "Badge: descriptive."
        )

    def plot(self) -> Any:
        """Draw how long customers stay from the landmark on, touched by then or not."""
        from touchlab import plots

        then = self.table.set_index("method").loc["landmark"]
        title = (
            f"Touched by {self.touchpoint} in the first {self.landmark_days} days: {_ratio(then)} "
            f"the {self.outcome} rate of the others from then on"
        )
        return plots.plot_survival(self.curves, outcome=self.outcome, title=title)


def _ratio(row: pd.Series) -> str:
    if not np.isfinite(row.hazard_ratio):
        return "an unknown multiple of"
    return f"{row.hazard_ratio:.2f} times ({row.ci_low:.2f} to {row.ci_high:.2f})"


def touched_survival(
    data: Dataset,
    touchpoint: str = "",
    *,
    outcome: str = "churn",
    landmark_days: int = 30,
    after: str | None = "auto",
    seed: int = 1,
) -> TouchedSurvival:
    """Compare how long customers stay who were touched and who were not, in two fair ways.

    Touches count from the start of risk on. Who is touched is not random, so it does not
    say what the touch brought about: see `fit_drivers`.

    Parameters
    ----------
    data, outcome, after
        As in `survival_curves`, as are errors.
    touchpoint
        A name in ``touches.touchpoint``; empty for the one that meets most customers.
    landmark_days
        Whole days after the start of risk on which customers are parted: earlier outcomes
        are left out, later touches do not change the part.
    seed
        Of the sample of customers for hazard ratios, where there are many.

    Returns
    -------
    TouchedSurvival
        With ``.table``, ``.curves``, ``.notes``, ``.sentence()``. A hazard ratio is missing
        (NaN) where no outcome happens, or all customers or none are touched.

    Raises
    ------
    ParameterError, DataError, MissingInput
        Also for a landmark that nobody reaches.

    Notes
    -----
    Landmark [Anderson, Cain & Gelber 1983]; Cox over (start, stop] episodes, intervals as in
    `fit_cox`.

    Examples
    --------
    >>> import touchlab as tl
    >>> touched = touched_survival(tl.open_data("data/sample"), "mobile_app_push")
    >>> touched.table.round(2)
             method  hazard_ratio  ci_low  ci_high     n  events
    0      landmark          0.91    0.78     1.07  2472     610
    1  time-varying          0.85    0.74     0.99  3048     785
    """
    name = check_touchpoints(data, [touchpoint or _by_use(data)[0]])[0]
    if isinstance(landmark_days, bool) or landmark_days != int(landmark_days) or landmark_days < 0:
        raise ParameterError(
            f"landmark_days: {landmark_days!r}\n  give whole days, 0 or more; 30 is common"
        )
    spells = find_spells(data, [outcome], after)
    still = _parted(data, spells, name, int(landmark_days))
    counts = count_ends(still)
    if counts.empty:
        raise TooThin(
            f"landmark_days: no customer is still at risk of {outcome} after {landmark_days} days\n"
            "  give an earlier day"
        )
    sample = sample_spells(data, spells, [name], None, seed)
    varying = build_episodes(data, sample, [name], None)
    table = pd.DataFrame(
        [
            _ratio_row("landmark", _from_landmark(still, sample), "touched"),
            _ratio_row("time-varying", varying, "x0"),
        ]
    )
    curves = curve_table(counts)
    curves = curves[curves.day >= landmark_days].reset_index(drop=True)
    alone = [
        f"nobody is {group} by {name} on the landmark day"
        for group in (TOUCHED, NOT_TOUCHED)
        if group not in set(counts.group)
    ]
    notes = (*sample.notes, *alone, *made_by_customers(data, [name]))
    return TouchedSurvival(name, outcome, int(landmark_days), table, curves, notes)


def _parted(data: Dataset, spells: Spells, touchpoint: str, landmark_days: int) -> Spells:
    """Customers at risk beyond the landmark, by whether they had been touched by then."""
    table, width = spells.table, landmark_days * DAY_SECONDS
    still = table.filter(table.stop > table.start + width + 1e-4)
    own = data.touches.filter(data.touches.touchpoint == touchpoint)
    own = own.select("customer_id", time=seconds(own.timestamp)).inner_join(still, "customer_id")
    own = own.filter(own.time.between(own.start, own.start + width))
    known = own.select("customer_id", touched=ibis.literal(True)).distinct()
    joined = still.left_join(known, "customer_id")
    group = ibis.ifelse(joined.touched.fill_null(False), TOUCHED, NOT_TOUCHED)
    return replace(
        spells, table=joined.select(*[c for c in still.columns if c != "group"], group=group)
    )


def _from_landmark(still: Spells, sample: Spells) -> pd.DataFrame:
    table = still.table.semi_join(sample.table, "customer_id")
    rows = table.select(
        "customer_id",
        start=ibis.literal(0.0),
        stop=((table.stop - table.start) / DAY_SECONDS).round(8),
        event=ibis.ifelse(table.ended != "", 1, 0),
        touched=ibis.ifelse(table.group == TOUCHED, 1.0, 0.0),
    )
    return rows.to_pandas().sort_values("customer_id", ignore_index=True)


def _ratio_row(method: str, rows: pd.DataFrame, x: str) -> dict[str, object]:
    episodes = as_episodes(rows, rows[[x]])
    row = {"method": method, **dict.fromkeys(("hazard_ratio", "ci_low", "ci_high"), np.nan)}
    if episodes.event.any() and rows[x].nunique() > 1:
        row |= ratio_table([method], fit_partial(episodes))[list(row)[1:]].iloc[0].to_dict()
    return row | {"n": episodes.customers, "events": int(episodes.event.sum())}


def value_by_exposure(
    lifetime: Lifetime,
    *,
    touchpoint: str | None = None,
    landmark_days: int = 30,
    horizon_days: float = 365,
    discount_rate: float = 0.1,
) -> pd.DataFrame:
    """Compare what customers are worth after a landmark, by the touchpoints met before it.

    Everybody is classed by what they met in the first `landmark_days` after their first order,
    and only value after that counts: nobody has to stay in order to be touched. It is an
    association. Those who were touched may have been the better customers.

    Parameters
    ----------
    lifetime
        What `fit_lifetime` returned.
    touchpoint
        One touchpoint; None for all that some customers met and others did not.
    landmark_days
        Customers not observed for longer, or on record as gone by then, are left out.
    horizon_days, discount_rate
        As in `Lifetime.value`, from the landmark on.

    Returns
    -------
    pandas.DataFrame
        ``touchpoint, value_touched, value_untouched, difference, ci_low, ci_high, n,
        customers, observed, badge``: mean value a customer; the interval is that of the
        difference; `n` of `customers` were touched; the share `observed` of the value lies in
        the data, the rest is the model's expectation.

    Raises
    ------
    ParameterError, MissingInput, DataError
        For unknown touchpoints, orders without value, and where there is nobody to compare.
    """
    weeks, discount = look_ahead(horizon_days, discount_rate)
    if not isinstance(landmark_days, int) or landmark_days < 1:
        raise ParameterError(
            f"landmark_days: {landmark_days!r} is not a whole number of days above 0"
        )
    if lifetime.spend is None:
        raise MissingInput(
            f"outcomes.value: too few repeat {lifetime.outcome} outcomes have a value\n"
            "  give values, to know what customers are worth"
        )
    names = _touchpoints(lifetime.data, touchpoint)
    landmark = orders.Landmark(landmark_days, names, horizon_days, discount * orders.DAY)
    frame = orders.pull_purchases(
        lifetime.data, lifetime.outcome, lifetime.until, landmark=landmark
    )
    if frame.empty:
        raise TooThin(
            f"landmark_days: no customer is observed for more than {landmark_days} days after "
            "the first order\n  use fewer days"
        )
    history = orders.order_history(frame)
    met = (frame.touched.to_numpy()[:, None] >> np.arange(len(names))) & 1
    some = np.flatnonzero((met.min(axis=0) == 0) & (met.max(axis=0) == 1))
    if not len(some):
        raise MissingInput(
            "touches: no touchpoint is met by some customers and not by others in the "
            f"{landmark_days} days after the first order\n  use other landmark_days"
        )
    means, logs, observed = _compare(
        lifetime, history, [met[:, k] for k in some], landmark_days * orders.DAY, weeks, discount
    )
    differences = np.exp(logs[:, 1]) - np.exp(logs[:, 0])
    difference = means[1] - means[0]
    reach = Z * np.nanstd(differences, axis=0, ddof=1)
    return pd.DataFrame(
        {
            "touchpoint": [names[k] for k in some],
            "value_touched": means[1],
            "value_untouched": means[0],
            "difference": difference,
            "ci_low": difference - reach,
            "ci_high": difference + reach,
            "n": met[:, some].sum(axis=0),
            "customers": len(frame),
            "observed": observed,
            "badge": BADGE,
        }
    ).sort_values("difference", ascending=False, ignore_index=True)


def _compare(
    lifetime: Lifetime,
    history: orders.OrderHistory,
    met: Sequence[orders.Places],
    landmark: float,
    weeks: float,
    discount: float,
) -> tuple[Floats, Floats, float]:
    """Means (2, k), logarithms of their replicates (replicates, 2, k), share observed."""
    realised = history.frame.realised.to_numpy(float)
    elapsed = np.clip(history.ages[1] - landmark, 0.0, weeks)
    later = np.exp(-discount * elapsed)[history.ages[2]][history.place]

    def each(packed: Floats) -> Floats:
        return realised + later * history.worth(packed, weeks - elapsed, discount)

    fit = lifetime.packed, lifetime.replicates, lifetime.draws
    mean, logs = orders.mean_by_cell(each, *fit, history.block, [(cells, 2) for cells in met])
    observed = float(realised.sum() / each(lifetime.packed).sum())
    return mean.reshape(-1, 2).T, logs.reshape(len(logs), -1, 2).transpose(0, 2, 1), observed


def _by_use(data: Dataset) -> list[str]:
    """Touchpoints, those first that meet most customers."""
    counts = data.touches.group_by("touchpoint").aggregate(n=data.touches.customer_id.nunique())
    table = counts.to_pandas().sort_values(["n", "touchpoint"], ascending=[False, True])
    return [str(name) for name in table.touchpoint]


def _touchpoints(data: Dataset, touchpoint: str | None) -> tuple[str, ...]:
    """The touchpoint asked for, or all: the most used where there are very many."""
    known = _by_use(data)
    if touchpoint is None:
        return tuple(sorted(known[: orders.MOST_TOUCHPOINTS]))
    need_name("touchpoint", touchpoint, known, "is not in the data", offer="the touchpoints are")
    return (touchpoint,)
