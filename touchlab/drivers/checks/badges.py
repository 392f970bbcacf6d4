"""One row a touchpoint: all checks, and the badge that says how far to trust its effect."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from touchlab.dataset import Dataset
from touchlab.drivers.calibration import CalibratedDrivers
from touchlab.drivers.checks.strength import e_values, presence, stability
from touchlab.drivers.fit import Drivers
from touchlab.drivers.lead import follows_outcome, lead_test
from touchlab.errors import DataError
from touchlab.moments import ENDING

RANDOMISED, ADJUSTED, DESCRIPTIVE = "randomised", "adjusted", "descriptive"
RARE, COMMON = 0.01, 0.99
FEW_EVENTS = 30
TROUBLE = re.compile(r"support|complain|hotline|help.?desk|refund|trouble|cancel", re.IGNORECASE)
MEANING = {
    RANDOMISED: "an experiment stands behind its figure",
    ADJUSTED: "no check speaks against its figure, which is no proof",
    DESCRIPTIVE: "something speaks against calling its figure an effect",
}
COLUMNS = [
    "touchpoint",
    "badge",
    "lead_ratio",
    "lead_low",
    "lead_high",
    "lead_fires",
    "e_value",
    "e_value_low",
    "present",
    "early",
    "late",
    "stable_p",
    "stable",
    "warning",
]
NO_LEAD = "the lead test could not be run for {names}: {why}"


@dataclass(frozen=True)
class Checks:
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
        parts = [
            f"{counts[badge]} {badge}"
            for badge in (RANDOMISED, ADJUSTED, DESCRIPTIVE)
            if badge in counts
        ]
        text = f"Of {len(self.table)} touchpoints for {self.outcome}: {', '.join(parts)}."
        weak = list(self.table.touchpoint[self.table.badge == DESCRIPTIVE])
        if weak:
            text += f" Do not speak of effects of {', '.join(weak)}."
        return text

    def _repr_html_(self) -> str:
        # warnings are sentences: in a column they would make rows half a page high
        numbers = self.table.drop(columns="warning")
        table = numbers.to_html(index=False, na_rep="", float_format="{:,.3f}".format)
        warned = "".join(f"<li>{html.escape(said)}</li>" for said in self.table.warning if said)
        return f"<p>{html.escape(self.sentence())}</p>{table}<ul>{warned}</ul>"


def check_drivers(data: Dataset, drivers: Drivers, *, lead_days: float | None = None) -> Checks:
    """How far can the drivers of an outcome be trusted, touchpoint by touchpoint?

    Badges: *randomised*, the effect rests on a holdout (see ``calibrate``); *descriptive*,
    something speaks against calling it an effect; *adjusted*, nothing found does, which is
    no proof: an intent that shows in nothing passes every check but an experiment.

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
        e_value, e_value_low, present, early, late, stable_p, stable, warning``
        (`present` a share of time at risk; `early` and `late` hazard ratios of the two
        halves; `warning` empty or sentences), ``.notes``, ``.sentence()``.

    Raises
    ------
    DataError
        If the data has none of the touchpoints of the drivers.

    Examples
    --------
    >>> import touchlab as tl
    >>> from touchlab.drivers.checks import check_drivers
    >>> data = tl.open_data("data/sample")
    >>> checks = check_drivers(data, tl.fit_drivers(data, outcome="churn"))
    >>> checks.table.set_index("touchpoint").badge["support_contact"]
    'descriptive'
    """
    _same_data(data, drivers)
    lead = lead_test(data, drivers, lead_days=lead_days)
    table = lead.drop(columns=["lead_p", "lead_events"])
    for part in (e_values(drivers), presence(drivers).drop(columns="n"), stability(drivers)):
        table = table.merge(part, on="touchpoint", validate="one_to_one")
    names = drivers.moments.touchpoints
    follows = dict(zip(names, follows_outcome(data, drivers.moments), strict=True))
    trouble = _caused_by_trouble(data, drivers)
    reasons = [_reasons(row, drivers, follows, trouble) for _, row in table.iterrows()]
    randomised = _randomised(drivers)
    table["badge"] = [
        RANDOMISED if name in randomised else DESCRIPTIVE if against else ADJUSTED
        for name, (against, _) in zip(table.touchpoint, reasons, strict=True)
    ]
    table["warning"] = [" ".join([*against, *remarks]) for against, remarks in reasons]
    return Checks(table[COLUMNS], _notes(lead, drivers), drivers.moments.risk.outcome)


def _same_data(data: Dataset, drivers: Drivers) -> None:
    names = set(data.touches.select("touchpoint").distinct().to_pandas().touchpoint)
    if not names & set(drivers.moments.touchpoints):
        raise DataError(
            "check_drivers: the data has none of the touchpoints of the drivers\n"
            "  give the data that the drivers were fitted to"
        )


def _randomised(drivers: Drivers) -> set[str]:
    if not isinstance(drivers, CalibratedDrivers):
        return set()
    found = drivers.experiments
    return set(found.touchpoint[found.randomised])


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
    if "direction" in data.touches.columns:
        sent = data.touches.filter(data.touches.direction == "out")
        names -= set(sent.select("touchpoint").distinct().to_pandas().touchpoint)
    return sorted(names)


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
        cause = f"or {outcome} itself brings touches" if follows[name] else "as hidden intent would"
        against.append(
            f"{name}: the {outcome} is followed by {more} of its touches than the past explains "
            f"(ratio {row.lead_ratio:.2f}); something unseen drives both, {cause}."
        )
    if row.present < RARE or row.present > COMMON:
        kind = "hardly ever" if row.present < RARE else "nearly always"
        against.append(f"{name}: {kind} present ({row.present:.1%} of time at risk).")
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


def _notes(lead: pd.DataFrame, drivers: Drivers) -> tuple[str, ...]:
    unknown = lead[lead.lead_ratio.isna()]
    if unknown.empty:
        return ()
    outcome = drivers.moments.risk.outcome
    if outcome in ENDING:
        why = f"{outcome} ends the observation, nothing can come after it"
        return (NO_LEAD.format(names="any touchpoint", why=why),)
    names = ", ".join(unknown.touchpoint) if len(unknown) < len(lead) else "any touchpoint"
    why = "too few events or touches whose whole window is observed"
    return (NO_LEAD.format(names=names, why=why),)
