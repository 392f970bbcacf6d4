"""Customers touched and not touched by a touchpoint, compared without immortal time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.errors import DataError, ParameterError
from touchlab.moments.risk import DAY_SECONDS, seconds
from touchlab.retention.cox import check_touchpoints, made_by_customers, ratio_table
from touchlab.retention.curves import COLUMNS, curve_frame, life_table
from touchlab.retention.episodes import as_episodes, build_episodes, sample_spells
from touchlab.retention.partial_likelihood import fit_partial
from touchlab.retention.spells import SLACK, Spells, count_days, find_spells

TOUCHED, NOT_TOUCHED = "touched", "not touched"
WHY = (
    "Ever touched against never is not shown: a customer must stay to be touched, so the time "
    "before the touch would count for it, and a touch without any effect would look protective."
)


@dataclass(frozen=True)
class TouchedSurvival:
    """How long customers stay, touched or not, with touches taken as they were known then.

    `table` has ``method, hazard_ratio, ci_low, ci_high, n, events``: ``landmark`` compares
    customers still there on the landmark day, touched before it or not, from that day on;
    ``time-varying`` compares, at each time, customers touched already with those not yet.
    `curves` are survival curves from the landmark on, as `survival_curves` gives them.
    """

    touchpoint: str
    outcome: str
    landmark_days: int
    table: pd.DataFrame
    curves: pd.DataFrame
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        form = "{:,.3f}".format
        return str(self.table.to_html(index=False, na_rep="", float_format=form))

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


def _ratio(row: pd.Series) -> str:
    if not np.isfinite(row.hazard_ratio):
        return "an unknown multiple of"
    return f"{row.hazard_ratio:.2f} times ({row.ci_low:.2f} to {row.ci_high:.2f})"


def touched_survival(
    data: Dataset,
    touchpoint: str,
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
        As in `survival_curves`; the first outcome counts.
    touchpoint
        A name in ``touches.touchpoint``.
    landmark_days
        Whole days after the start of risk on which customers are parted. Earlier outcomes
        are left out; later touches do not change the part.
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
        For unknown names, a landmark that nobody reaches, and a paths table.

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
    name = check_touchpoints(data, [touchpoint])[0]
    if isinstance(landmark_days, bool) or landmark_days != int(landmark_days) or landmark_days < 0:
        raise ParameterError(
            f"landmark_days: {landmark_days!r}\n  give whole days, 0 or more; 30 is common"
        )
    spells = find_spells(data, [outcome], after)
    still = _parted(data, spells, name, int(landmark_days))
    counts = count_days(still)
    if counts.empty:
        raise DataError(
            f"landmark_days: no customer is still at risk of {outcome} after {landmark_days} days\n"
            "  give an earlier day"
        )
    sample = sample_spells(data, spells, [name], None, seed)
    table = pd.concat(
        [_landmark_ratio(replace(still, table=still.table.semi_join(sample.table, "customer_id"))),
         _varying_ratio(data, sample, name)],
        ignore_index=True,
    )  # fmt: skip
    curves = pd.concat(
        [_curve(str(group), own, int(landmark_days)) for group, own in counts.groupby("group")],
        ignore_index=True,
    )
    notes = (*sample.notes, *_alone(counts, name), *made_by_customers(data, [name]))
    return TouchedSurvival(name, outcome, int(landmark_days), table, curves[COLUMNS], notes)


def _parted(data: Dataset, spells: Spells, touchpoint: str, landmark_days: int) -> Spells:
    """Customers at risk beyond the landmark, by whether they had been touched by then."""
    table, width = spells.table, landmark_days * DAY_SECONDS
    still = table.filter(table.stop > table.start + width + SLACK * DAY_SECONDS)
    own = data.touches.filter(data.touches.touchpoint == touchpoint)
    own = own.select("customer_id", time=seconds(own.timestamp)).inner_join(still, "customer_id")
    own = own.filter(own.time.between(own.start, own.start + width))
    known = own.select("customer_id", touched=ibis.literal(True)).distinct()
    joined = still.left_join(known, "customer_id")
    group = ibis.ifelse(joined.touched.fill_null(False), TOUCHED, NOT_TOUCHED)
    return replace(
        spells, table=joined.select(*[c for c in still.columns if c != "group"], group=group)
    )


def _curve(group: str, counts: pd.DataFrame, landmark_days: int) -> pd.DataFrame:
    life = life_table(counts.day, counts.ended != "", counts.n)
    frame = curve_frame(group, life)
    return frame[frame.day >= landmark_days]


def _landmark_ratio(still: Spells) -> pd.DataFrame:
    table: ir.Table = still.table
    days = ((table.stop - table.start) / DAY_SECONDS).round(8)
    rows = table.select(
        "customer_id",
        start=ibis.literal(0.0),
        stop=days,
        event=ibis.ifelse(table.ended != "", 1, 0),
        touched=ibis.ifelse(table.group == TOUCHED, 1.0, 0.0),
    ).to_pandas()
    rows = rows.sort_values("customer_id", ignore_index=True)
    return _ratio_row("landmark", rows, rows[["touched"]])


def _varying_ratio(data: Dataset, spells: Spells, touchpoint: str) -> pd.DataFrame:
    rows = build_episodes(data, spells, [touchpoint], None)
    return _ratio_row("time-varying", rows, rows[["x0"]])


def _ratio_row(method: str, rows: pd.DataFrame, x: pd.DataFrame) -> pd.DataFrame:
    episodes = as_episodes(rows, x)
    counts = {"n": episodes.customers, "events": int(episodes.event.sum())}
    if not counts["events"] or x.iloc[:, 0].nunique() < 2:
        gone = {name: float("nan") for name in ("hazard_ratio", "ci_low", "ci_high")}
        return pd.DataFrame([{"method": method} | gone | counts])
    ratio = ratio_table([method], fit_partial(episodes)).rename(columns={"name": "method"})
    return ratio[["method", "hazard_ratio", "ci_low", "ci_high"]].assign(**counts)


def _alone(counts: pd.DataFrame, touchpoint: str) -> tuple[str, ...]:
    sizes = counts.groupby("group").n.sum().reindex([TOUCHED, NOT_TOUCHED], fill_value=0)
    found = [f"nobody is {g} by {touchpoint} on the landmark day" for g in sizes[sizes == 0].index]
    return tuple(found)
