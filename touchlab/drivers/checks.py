"""E-value, presence, stability over time and negative controls of fitted drivers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import expit

from touchlab.data.customers import directions
from touchlab.data.dataset import Dataset
from touchlab.drivers.calibrate import CalibratedDrivers
from touchlab.drivers.fit import FEW_EVENTS
from touchlab.drivers.gate import BY_SIZE, BY_TIME, power, where_off
from touchlab.drivers.hazard import RIDGE, Tangent
from touchlab.drivers.lead import fires, follows_outcome, lead_test
from touchlab.drivers.model import PRESENT, Model, products
from touchlab.drivers.result import Drivers
from touchlab.errors import DataError, ParameterError, TooThin, listing
from touchlab.moments.risk import ENDING
from touchlab.numeric import GROUPS, Floats, jackknife
from touchlab.once import once
from touchlab.results import Result

NEWTON_STEPS = 8
RANDOMISED, ADJUSTED = "randomised", "adjusted"
UNTESTED, DESCRIPTIVE = "untested", "descriptive"
MEANING = {
    RANDOMISED: "an experiment stands behind its figure",
    ADJUSTED: "a check that could have seen a bias as large as its figure or its error saw none",
    UNTESTED: "no check could have seen a bias as large as its figure; a holdout would",
    DESCRIPTIVE: "something speaks against calling its figure an effect",
}
CAUSAL = (RANDOMISED, ADJUSTED)
"""Badges under which a figure may be said to bring, keep or cost something; no other may."""
RARE, COMMON = 0.01, 0.99
OFTEN = 0.15
"""Share with the outcome from which on its hazard ratio is no risk ratio."""
TROUBLE = re.compile(r"support|complain|hotline|help.?desk|refund|trouble|cancel", re.IGNORECASE)
COLUMNS = ["touchpoint", "badge", "lead_ratio", "lead_low", "lead_high", "lead_fires", "e_value"]
COLUMNS += ["e_value_low", "smallest_bias", "present", "early", "late", "stable_p", "stable"]
COLUMNS += ["warning"]


def e_value(ratio: npt.ArrayLike, *, share: float = 0.0) -> Floats:
    """How strong hidden confounding must be to explain a hazard ratio away.

    A hidden cause would have to be tied to both touch and outcome by a risk ratio of at
    least this, beyond what is controlled for. 1: nothing is needed. It does not say
    whether such a cause exists. RR + sqrt(RR (RR - 1)), of 1 / RR where RR is below 1. Up to a
    `share` of 15 % with the outcome in the end, RR is the hazard ratio; beyond,
    (1 - .5^sqrt(HR)) / (1 - .5^sqrt(1 / HR)) [VanderWeele & Ding 2017].

    >>> e_value([3.9, 1.8, 1 / 1.8, 1.0]).round(2).tolist()
    [7.26, 3.0, 3.0, 1.0]
    >>> e_value([3.9, 1.8, 1 / 1.8, 1.0], share=0.4).round(2).tolist()
    [4.47, 2.37, 2.37, 1.0]
    """
    given = np.asarray(ratio, dtype=float)
    if (given <= 0).any():
        raise ParameterError(f"e_value: ratio {given.min():g}\n  give ratios above 0")
    harm = np.where(given < 1, 1 / given, given)
    if share > OFTEN:
        harm = (1 - 0.5 ** np.sqrt(harm)) / (1 - 0.5 ** np.sqrt(1 / harm))
    return np.asarray(harm + np.sqrt(harm * (harm - 1)))


def _e_values(drivers: Drivers) -> pd.DataFrame:
    """E-values of every hazard ratio, and of the end of its interval nearest 1."""
    ratios, moments = drivers.hazard_ratios, drivers.moments
    # of an outcome that recurs, the hazard ratio is that of its numbers, common or not
    share = 0.0 if moments.risk.recurrent else moments.events / moments.customers
    # 1 where the interval holds 1
    nearest = np.clip(1.0, ratios.ci_low, ratios.ci_high)
    values = {"e_value": ratios.hazard_ratio, "e_value_low": nearest}
    values = {name: e_value(ratio, share=share) for name, ratio in values.items()}
    return pd.DataFrame({"touchpoint": ratios.touchpoint, **values})


def presence(drivers: Drivers) -> pd.DataFrame:
    """Tell at which share of all time at risk each touchpoint is present: touchpoint, present, n.

    `n` is the number of moments of time at risk, the denominator. Without moments of both kinds
    there is nothing to compare.
    """
    base = drivers.model.event == 0
    present = (drivers.model.exposure(drivers.parameters)[:, base] > PRESENT).mean(axis=1)
    names = drivers.moments.touchpoints
    return pd.DataFrame({"touchpoint": names, "present": present, "n": int(base.sum())})


def stability(drivers: Drivers) -> pd.DataFrame:
    """Does the effect of a touchpoint differ between the earlier and the later half?

    The halves hold equally many events. A difference says that one number for the whole
    time hides something (a new campaign, a season, another mix of customers); it does not
    say what. The regression is refitted with exposure x half added; half-lives, controls and
    synergies are held.

    Columns: touchpoint, early, late (hazard ratios just after one touch), stable_p (of their
    difference), stable (unremarkable given the number of touchpoints).
    """
    model, given, k = drivers.model, drivers.parameters, drivers.model.touchpoints
    day = drivers.moments.table.day.to_numpy(float)
    late = day > np.median(day[model.event == 1])
    exposure = model.exposure(given)
    known = model.controls.matrix @ given.controls + model.offset
    known = known + given.synergies @ products(exposure, model.pairs)
    design = np.concatenate([exposure * ~late, exposure * late, [np.ones(len(late)), late]])
    pull = np.diag(np.repeat([2 * RIDGE, 1e-6], [2 * k, 2]))
    effects, replicates = _refit(design, known, pull, model)
    change = effects[k : 2 * k] - effects[:k]
    error, freedom = jackknife(change, replicates[:, k : 2 * k] - replicates[:, :k])
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * stats.t.sf(np.abs(change) / error, np.maximum(freedom, 1))
    # Present in one half only: there is no second effect to compare with.
    halves = (exposure[:, half].max(axis=1, initial=0.0) for half in (~late, late))
    p = np.where(np.minimum(*halves) > PRESENT, p, np.nan)
    early, later = np.exp(model.one_touch * effects[: 2 * k]).reshape(2, k)
    found = {"early": early, "late": later, "stable_p": p, "stable": ~fires(p)}
    return pd.DataFrame({"touchpoint": drivers.moments.touchpoints, **found})


def _refit(design: Floats, known: Floats, penalty: Floats, model: Model) -> tuple[Floats, Floats]:
    """Fit a ridge logistic regression, whole and with each group left out by one Newton step."""
    effects = np.zeros(len(design))
    for _ in range(NEWTON_STEPS):
        now = Tangent(design, expit(known + effects @ design), model.event)
        step = np.linalg.solve(now.curvature + penalty, -now.slope - penalty @ effects)
        # A step of more than one hazard doubling overshoots where a half has few touches.
        effects = effects + step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-12))
    p, replicates = expit(known + effects @ design), np.repeat(effects[None], GROUPS, axis=0)
    whole = Tangent(design, p, model.event).curvature + penalty
    for g in range(GROUPS):
        own = model.group == g
        part = Tangent(design[:, own], p[own], model.event[own])
        replicates[g] += np.linalg.lstsq(whole - part.curvature, part.slope, rcond=None)[0]
    return effects, replicates


def negative_control(
    drivers: Drivers, touchpoints: Sequence[str] | str | None = None
) -> pd.DataFrame:
    """Is there an effect where there cannot be one?

    Name touchpoints that cannot change the outcome; or fit the drivers to an outcome that
    no touchpoint can change, and name none. An interval that leaves out 0 says that the
    model mistakes something else for an effect, and may do so for other touchpoints too.
    One that holds 0 does not prove the others right.

    Columns: touchpoint, outcome, incremental, ci_low, ci_high, hazard_ratio, n, passes.
    """
    known = list(drivers.moments.touchpoints)
    named = [touchpoints] if isinstance(touchpoints, str) else touchpoints
    for name in named or []:
        if name not in known:
            raise ParameterError(
                f"negative_control: {name!r} is not a touchpoint of these drivers\n"
                f"  use one of: {', '.join(known)}"
            )
    table = drivers.incremental(total=False)
    table = table if named is None else table.set_index("touchpoint").loc[list(named)].reset_index()
    table["outcome"] = drivers.moments.risk.outcome
    table["passes"] = (table.ci_low <= 0) & (table.ci_high >= 0)
    columns = ["touchpoint", "outcome", "incremental", "ci_low", "ci_high", "hazard_ratio", "n"]
    return table[[*columns, "passes"]]


@dataclass(frozen=True, repr=False)
class Checks(Result):
    """How far each driver can be trusted: `table` has a row a touchpoint."""

    table: pd.DataFrame
    notes: tuple[str, ...]
    outcome: str

    def badges(self, touchpoints: Iterable[str]) -> list[str]:
        """The badge of each touchpoint named."""
        known = dict(zip(self.table.touchpoint, self.table.badge, strict=True))
        return [known[name] for name in touchpoints]

    def sentence(self) -> str:
        """Say how many touchpoints carry each badge, and name those not to be called effects."""
        counts = self.table.badge.value_counts()
        if len(counts) == 1:
            badge = counts.index[0]
            return f"Every touchpoint for {self.outcome} is {badge}: {MEANING[badge]}."
        parts = [f"{counts[badge]} {badge}" for badge in MEANING if badge in counts]
        text = f"Of {len(self.table)} touchpoints for {self.outcome}: {', '.join(parts)}."
        weak = list(self.table.touchpoint[self.table.badge == DESCRIPTIVE])
        if weak:
            text += f" Do not speak of effects of {', '.join(weak)}."
        return text

    def summary(self) -> pd.DataFrame:
        """The checks that decide the badge."""
        columns = ["touchpoint", "badge", "lead_ratio", "lead_low", "lead_high", "smallest_bias"]
        return self.table[[*columns, "e_value", "present"]]

    def plot(self) -> Any:
        """Draw the lead test: beyond 1, later touches foretell the outcome."""
        from touchlab import plots

        lead = self.table.rename(columns={"lead_low": "ci_low", "lead_high": "ci_high"})
        lead = lead.dropna(subset="lead_ratio")
        if lead.empty:
            raise TooThin(" ".join(self.notes))
        return plots.plot_intervals(
            lead, value="lead_ratio", names="touchpoint",
            label="ratio of the lead test, 95 % interval", title=self.sentence(), percent=False,
        )  # fmt: skip

    @property
    def warnings(self) -> pd.DataFrame:
        """What is to be said against figures (touchpoint, warning); what holds for all comes last.

        What is said of several alike is one row that names them.
        """
        table = self.table[self.table.warning != ""][["touchpoint", "warning"]].copy()
        table["warning"] = [
            warning.removeprefix(f"{name}: ") for name, warning in table.to_numpy().tolist()
        ]
        table = table.groupby("warning", sort=False).touchpoint.agg(listing).reset_index()
        table = table[["touchpoint", "warning"]]
        several = pd.DataFrame({"touchpoint": "(several)", "warning": list(self.notes)})
        return pd.concat([table, several], ignore_index=True)


def check_drivers(data: Dataset, drivers: Drivers, *, lead_days: float | None = None) -> Checks:
    """How far can the drivers of an outcome be trusted, touchpoint by touchpoint?

    Badges: *randomised*, the effect rests on a holdout (see ``calibrate``); *descriptive*,
    something speaks against calling it an effect; *adjusted*, a check that could have seen a
    bias as large as the figure or its error saw none, which is no proof: an intent that shows in
    nothing passes every check but an experiment; *untested*, no check could have seen such a bias.

    Parameters
    ----------
    data
        The Dataset that the drivers were fitted to.
    drivers
        As returned by ``fit_drivers`` or ``calibrate``.
    lead_days
        Window of the lead test; see ``lead_test``.

    Returns
    -------
    Checks
        ``.table``: ``touchpoint, badge, lead_ratio, lead_low, lead_high, lead_fires,
        e_value, e_value_low, smallest_bias, present, early, late, stable_p, stable, warning``
        (`smallest_bias` in outcomes, the smallest that a check would have seen four times in
        five, missing where none could be run; `present` a share of time at risk; `early` and
        `late` hazard ratios of the two halves; `warning` empty or sentences), ``.notes``,
        ``.sentence()``.

    Raises
    ------
    DataError
        If the data has none of the touchpoints of the drivers.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = tl.open_data("data/sample")
    >>> checks = tl.check_drivers(data, tl.fit_drivers(data, outcome="churn"))
    >>> checks.table.set_index("touchpoint").badge["support_contact"]
    'descriptive'
    """
    _same_data(data, drivers)
    asked = "checks", drivers.key, lead_days
    return once(asked, lambda: _check(data, drivers, lead_days), data=data)


def _check(data: Dataset, drivers: Drivers, lead_days: float | None) -> Checks:
    lead = lead_test(data, drivers, lead_days=lead_days)
    table = lead.drop(columns=["lead_p", "lead_events", "lead_seen"])
    table["smallest_bias"], powerful = power(drivers, lead.lead_seen.to_numpy(float))
    for part in (_e_values(drivers), presence(drivers).drop(columns="n"), stability(drivers)):
        table = table.merge(part, on="touchpoint", validate="one_to_one")
    names = drivers.moments.touchpoints
    follows = dict(zip(names, follows_outcome(data, drivers.moments), strict=True))
    trouble = _caused_by_trouble(data, drivers)
    reasons = [_reasons(row, drivers, follows, trouble) for _, row in table.iterrows()]
    randomised: set[str] = set()
    if isinstance(drivers, CalibratedDrivers):
        found = drivers.experiments
        randomised = set(found.touchpoint[found.randomised])
    table["badge"] = [
        RANDOMISED if name in randomised else DESCRIPTIVE if against else known
        for name, (against, _), known in zip(
            table.touchpoint, reasons, np.where(powerful, ADJUSTED, UNTESTED), strict=True
        )
    ]
    table["warning"] = [
        " ".join([*against, *([_untested(row)] if row.badge == UNTESTED else []), *remarks])
        for (_, row), (against, remarks) in zip(table.iterrows(), reasons, strict=True)
    ]
    return Checks(table[COLUMNS], _notes(lead, drivers), drivers.moments.risk.outcome)


def _untested(row: pd.Series) -> str:
    """Say why no check speaks for a figure, and what would settle it."""
    why = (
        "no check of it could be run"
        if np.isnan(row.smallest_bias)
        else f"its checks see no bias below {row.smallest_bias:,.0f} outcomes, more than its figure"
    )
    return f"{row.touchpoint}: untested, {why}; a holdout would settle it."


def _same_data(data: Dataset, drivers: Drivers) -> None:
    names = set(data.touches.select("touchpoint").distinct().to_pandas().touchpoint)
    if not names & set(drivers.moments.touchpoints):
        raise DataError(
            "check_drivers: the data has none of the touchpoints of the drivers\n"
            "  give the data that the drivers were fitted to"
        )


def _caused_by_trouble(data: Dataset, drivers: Drivers) -> set[str]:
    """Touchpoints that seem to bring churn, and that customers in trouble would seek."""
    if drivers.moments.risk.outcome not in ENDING:
        return set()
    ratios = drivers.hazard_ratios
    sought = ratios.touchpoint.isin(_sought(data)) & (ratios.ci_low > 1)
    named = ratios.touchpoint.map(lambda name: TROUBLE.search(name) is not None)
    return set(ratios.touchpoint[sought | (named & (ratios.hazard_ratio > 1))])


def _sought(data: Dataset) -> list[str]:
    """Touchpoints that belong to the customer and come in, by the map."""
    if not data.has("touchpoints") or "owner" not in data.tables["touchpoints"].columns:
        return []
    known = data.tables["touchpoints"]
    names = set(known.filter(known.owner == "customer").touchpoint.to_pandas())
    return sorted(names - {name for name, ways in directions(data).items() if "out" in ways})


def _reasons(
    row: pd.Series, drivers: Drivers, follows: dict[str, np.bool_], trouble: set[str]
) -> tuple[list[str], list[str]]:
    """Sentences that speak against an effect, and remarks that do not."""
    name, outcome = row.touchpoint, drivers.moments.risk.outcome
    against, remarks = [], []
    if name in trouble:
        against.append(
            f"{name}: reverse causality; trouble brings both {name} and {outcome}, so it looks "
            f"harmful (hazard ratio above 1) even where it helps."
        )
    if row.lead_fires:
        more = "more" if row.lead_ratio > 1 else "fewer"
        cause = f"or {outcome} itself brings touches" if follows[name] else _cause(row.lead_ratio)
        against.append(
            f"{name}: the {outcome} is followed by {more} of its touches than the past explains "
            f"(ratio {row.lead_ratio:.2f}); something unseen drives both, {cause}."
        )
    if row.present < RARE or row.present > COMMON:
        kind = "hardly ever" if row.present < RARE else "nearly always"
        against.append(f"{name}: {kind} present ({row.present:.1%} of time at risk).")
    if isinstance(drivers, CalibratedDrivers) and name in drivers.beyond_reach:
        against.append(
            f"{name}: no effect that the regression could have agrees with its experiment."
        )
    if off := [by for by in (BY_SIZE, BY_TIME, name) if by in drivers.misfit]:
        against.append(f"{name}: the fit is off {where_off(off[0])}, see the notes.")
    if twins := drivers.twins_of(name):
        against.append(f"{name}: comes with {listing(twins)}; only what they bring together shows.")
    if drivers.moments.events < FEW_EVENTS:
        against.append(f"{name}: {drivers.moments.events:.0f} {outcome} are too few to adjust.")
    if not drivers.moments.windows_known:
        against.append(f"{name}: observation windows are guessed, people never touched unknown.")
    if not row.stable:
        remarks.append(
            f"{name}: its effect changed over time (hazard ratio {row.early:.2f} in the earlier "
            f"half, {row.late:.2f} in the later)."
        )
    return against, remarks


def _cause(ratio: float) -> str:
    """What could make touches after an outcome differ from those that the past explains."""
    if ratio < 1:
        return "or who has just had it is touched less, which leaves its figure right"
    return "as hidden intent would, touches aimed at recent activity, or robots"


def _notes(lead: pd.DataFrame, drivers: Drivers) -> tuple[str, ...]:
    left_out = drivers.left_out
    unknown = lead[lead.lead_ratio.isna()]
    if unknown.empty:
        return left_out
    outcome, names = drivers.moments.risk.outcome, "any touchpoint"
    why = "too few events or touches whose whole window is observed"
    if outcome in ENDING:
        why = f"{outcome} ends the observation, nothing can come after it"
    elif len(unknown) < len(lead):
        names = ", ".join(unknown.touchpoint)
    return (*left_out, f"the lead test could not be run for {names}: {why}")
