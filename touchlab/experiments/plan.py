"""Which experiment to run next: what each could find, what it would cost, and what for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from touchlab.budget.costs import find_costs, wanted
from touchlab.data.contract import listing
from touchlab.data.customers import need_group, traits
from touchlab.data.dataset import Dataset
from touchlab.drivers.arms import carried
from touchlab.drivers.calibrate import DOUBT
from touchlab.drivers.checks import DESCRIPTIVE, RANDOMISED
from touchlab.drivers.experiments import never_sent_out
from touchlab.drivers.result import UNCHECKED, Drivers
from touchlab.errors import MissingInput, ParameterError, TooThin
from touchlab.experiments.design import WEEK, Sample, sample_weeks
from touchlab.experiments.design import simulate_power as simulated
from touchlab.experiments.design import value_of_information as informed
from touchlab.numeric import Floats, jackknife, one_thread
from touchlab.results import Result

SHARES, WEEKS, HORIZON = (0.05, 0.1, 0.2, 0.3, 0.5), (2, 4, 8, 12), 365
AT_BREAK_EVEN = "each is taken to cost what it brings, and whether a result turns it is not said"
WORTHWHILE = 1.0  # outcomes that a result must bring beyond what is forgone, to be proposed
OUT_OF_REACH = 10.0  # times the expected effect, beyond which no part of it is told
FOR_READING = ["touchpoint", "badge", "share", "weeks", "detectable", "part", "forgone"]
FOR_READING += ["worth", "probability"]


@dataclass(frozen=True, repr=False)
class ExperimentPlan(Result):
    """The queue: `.table`, a row a touchpoint, first what to try first; see `plan_experiments`."""

    table: pd.DataFrame
    designs: pd.DataFrame
    outcome: str
    horizon_days: int
    notes: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        """The columns that a reader needs."""
        return self.table[FOR_READING]

    def sentence(self) -> str:
        """Say what to try next, what it would find and cost, and how it may change the plan."""
        from touchlab import sentences

        return sentences.about_queue(self.table, self.outcome, self.horizon_days)

    def plot(self) -> Any:
        """Draw what each experiment is worth, less what is forgone for it."""
        from touchlab import plots

        table = self.table.assign(ci_low=np.nan, ci_high=np.nan)
        pay = (table.net >= WORTHWHILE).sum()
        title = f"{pay} of {len(table)} experiments are worth {WORTHWHILE:.0f} outcome or more"
        what = {"label": f"worth less outcomes forgone, in {self.outcome} outcomes", "title": title}
        return plots.plot_intervals(table, value="net", names="touchpoint", percent=False, **what)


@one_thread
def plan_experiments(
    data: Dataset, drivers: Drivers, *, checks: Any = None, by: str | None = None,
    shares: Sequence[float] = SHARES, weeks: Sequence[int] = WEEKS, horizon_days: int = HORIZON,
    costs: Mapping[str, float] | None = None, value: float | None = None, seed: int = 1,
) -> ExperimentPlan:  # fmt: skip
    """Which touchpoint should be held back from some customers next, and what would that tell?

    It weighs one decision a touchpoint, to keep it or to stop it, for one outcome, over the
    customers at risk now. It does not weigh other outcomes, nor moves of money between touchpoints.

    Parameters
    ----------
    data, drivers
        Drivers as returned by ``fit_drivers`` or ``calibrate``, and the Dataset they are of.
    checks
        What ``check_drivers`` found: the badge says what bias is granted to a figure.
    by
        A trait of customers, such as ``"region"``, whose groups are held back whole.
    shares, weeks
        Of customers held out, and lengths, to choose from.
    horizon_days
        For how long the decision would hold, from now.
    costs, value
        Cost by touchpoint over the time at risk (None: the sums of ``touches.cost``), and value
        of one outcome (None: the mean that is recorded).
    seed
        Of the simulated experiments.

    Returns
    -------
    ExperimentPlan
        ``.table``, the most rewarding first: ``touchpoint, badge, share`` (held out), ``weeks,
        customers`` (in the experiment), ``detectable`` (smallest effect that four experiments in
        five find, in outcomes of all these customers), ``part`` (of the drivers' estimate of
        that; missing beyond ten times), ``forgone`` (outcomes meanwhile, if that is right),
        ``worth`` (expected gain by deciding after it, in outcomes over the horizon),
        ``probability`` (that it turns the decision round), ``net`` (`worth` less `forgone`),
        ``simulated`` (share of experiments on the data's own customers that found
        `detectable`); ``.designs`` (the others), ``.notes``.

    Raises
    ------
    MissingInput, TooThin, ParameterError
        If nothing can be held back; for too short data, too few groups.

    Notes
    -----
    The true effect is normal about the drivers' estimate, with the variance of sampling and the
    squared bias of its badge: none for *randomised*, 0.5 in the coefficient for others, as in
    ``calibrate``, and the whole estimate beside that for *descriptive*. Keeping pays the effect
    less the cost over the value of an outcome (0 where one is not known). Value and chance are
    those of ``value_of_information``, for what is left of the horizon. Earlier touches still work
    in an experiment, so only part of the effect shows (``carried``).

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> plan = tl.plan_experiments(data, tl.fit_drivers(data))
    >>> sorted(plan.table.touchpoint)[:2]
    ['display', 'email_newsletter']
    """
    if by is not None:
        need_group(by, traits(data))
    right = all(0 < share <= 0.5 for share in shares) and min(weeks, default=0) > 0
    lengths = [week for week in sorted(weeks) if WEEK * week < horizon_days]
    if not (shares and right and lengths):
        mend = f"give shares above 0, up to 0.5, and lengths below {horizon_days} days"
        raise ParameterError(f"shares: {shares!r}, weeks: {weeks!r}\n  {mend}")
    names, cannot = drivers.moments.touchpoints, held_back(data, by)
    free, bound = ([n for n in names if (n in cannot) is own] for own in (False, True))
    if not free:
        mend = "with one that is sent out, this says what to try next"
        raise MissingInput(f"No touchpoint can be held back from customers; {mend}.")
    samples = [sample_weeks(data, drivers.moments.risk, week, by) for week in lengths]
    found = [sample for sample in samples if sample is not None]
    if not found:
        mend = "with more, and customers at risk at its end, this says what a holdout would find"
        raise TooThin(f"The data is shorter than {min(weeks)} weeks: {mend}.")
    believed, more = _believed(drivers, checks, costs, value, found[0].customers * horizon_days)
    pairs = [(own, share) for own in found for share in shares if own.carries(share)]
    rows = [_rows(believed.loc[free], own, share, horizon_days) for own, share in pairs]
    if not rows:
        few = f"Too few {drivers.moments.risk.outcome} outcomes, or groups, for any holdout"
        raise TooThin(f"{few}: of no share and length would enough be left to compare with.")
    designs = pd.concat(rows, ignore_index=True)
    best = designs.loc[designs.groupby("touchpoint").net.idxmax()]
    best = best.sort_values("net", ascending=False, ignore_index=True)
    of = {sample.weeks: sample for sample in found}
    best["simulated"] = [
        simulated(of[row.weeks], row.share, row.detectable / row.customers, seed=seed)
        for row in best.itertuples()
    ]
    outcome = drivers.moments.risk.outcome
    notes = (f"cannot be held back: {listing(bound)}",) * bool(bound) + more
    return ExperimentPlan(best, designs, outcome, horizon_days, notes)


def held_back(data: Dataset, by: str | None = None) -> set[str]:
    """Touchpoints that cannot be held back: the customer's own, and what comes in from customers,
    though that can be switched off for whole groups of them."""
    found = set() if by else never_sent_out(data)
    if data.has("touchpoints") and "owner" in data.tables["touchpoints"].columns:
        own = data.tables["touchpoints"].filter(lambda t: t.owner == "customer")
        found |= set(own.select("touchpoint").to_pandas().touchpoint)
    return found


def _believed(
    drivers: Drivers, checks: Any, costs: Mapping[str, float] | None, value: float | None,
    customer_days: float,
) -> tuple[pd.DataFrame, tuple[str, ...]]:  # fmt: skip
    """What is believed of each touchpoint over so many customer-days: effect, variance, pay-off."""
    point, replicates = drivers._removed
    estimate = point[:, 0]
    error, _ = jackknife(estimate, replicates[:, :, 0])
    names, scale = drivers.moments.touchpoints, customer_days / drivers.moments.customer_days
    badges = [UNCHECKED] * len(names) if checks is None else checks.badges(names)
    bias = granted_bias(drivers, badges, estimate)
    effect = wanted(drivers) * estimate * scale
    table = pd.DataFrame({"badge": badges, "effect": effect}, index=list(names))
    table["variance"] = (np.nan_to_num(error) ** 2 + bias**2) * scale**2
    table["half_life"] = 2**drivers.parameters.log_half_lives
    table = table.assign(payoff=0.0, weighed=False)
    try:
        known = find_costs(drivers, costs)
    except MissingInput:
        return table, (f"touches have no cost: {AT_BREAK_EVEN}",)
    worth = known.value if value is None else value
    if not worth > 0:
        return table, (f"outcomes have no value to hold costs against: {AT_BREAK_EVEN}",)
    cost = known.table.cost.reindex(table.index).fillna(0.0) * scale
    return table.assign(payoff=table.effect - cost / worth, weighed=True), ()


def granted_bias(drivers: Drivers, badges: Sequence[str], estimate: Floats) -> Floats:
    """Bias (standard deviation, in outcomes) that is granted to each figure by its badge."""
    given = drivers.parameters
    exposure, effects = drivers.model.exposure(given), given.effects[:, None]
    bias = DOUBT * (exposure * np.exp(-effects * exposure)) @ drivers._expected(given)
    bias = np.where([badge == DESCRIPTIVE for badge in badges], np.hypot(bias, estimate), bias)
    return np.where([badge == RANDOMISED for badge in badges], 0.0, bias)


def _rows(believed: pd.DataFrame, sample: Sample, share: float, horizon: int) -> pd.DataFrame:
    """What one design would find of each touchpoint, and what for."""
    days = sample.weeks * WEEK
    shown = carried(days, believed.half_life)
    part = days / horizon * shown  # of the effect over the horizon, in an experiment on all
    each = believed.effect.to_numpy(float) * part / sample.customers
    error = np.array([sample.error(share, max(effect, 0.0))[0] for effect in each])
    noise = (error * sample.customers / part) ** 2
    worth, chance = informed(believed.payoff, believed.variance, noise)
    detectable = sample.detectable(share)
    table = believed[["badge"]].rename_axis("touchpoint").reset_index()
    table = table.assign(share=share, weeks=sample.weeks, customers=sample.customers)
    table["detectable"] = detectable * sample.customers
    part = detectable / np.where(each > 0, each, np.nan)
    table["part"] = np.where(part <= OUT_OF_REACH, part, np.nan)
    table["forgone"] = share * sample.customers * each.clip(min=0)
    table["worth"] = worth * (1 - days / horizon)
    table["probability"] = np.where(believed.weighed, chance, np.nan)
    return table.assign(net=table.worth - table.forgone)
