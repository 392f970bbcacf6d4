"""Statistical trouble that leaves a usable result, by name."""

from __future__ import annotations

import ibis
import numpy as np

from touchlab.contract import listing, shorten
from touchlab.drivers.hazard import Model, Parameters
from touchlab.moments import Moments, seconds

FEW_EVENTS, FEW_CUSTOMERS = 30, 100
FEW_MOMENTS = 50
PRESENT, ALWAYS = 0.05, 0.95
ALIKE = 0.95
EXTREME = 5.0
AT_ONCE = 0.05
"""Share of outcomes at the instant of a touch from which on it is told."""


def find_troubles(model: Model, given: Parameters) -> list[str]:
    """Name what makes the result weak; a sentence each."""
    return [
        *_few(model),
        *_at_once(model.moments),
        *_presence(model, given),
        *_separation(model, given),
        *_alike(model, given),
    ]


def _few(model: Model) -> list[str]:
    moments, found = model.moments, []
    events = int(moments.table.event.sum())
    if events < FEW_EVENTS:
        found.append(f"few events: {events} {moments.risk.outcome}; intervals are rough")
    if moments.customers < FEW_CUSTOMERS:
        found.append(f"few customers: {moments.customers} at risk; intervals are rough")
    if not moments.windows_known:
        found.append(
            "no customers table: people who were never touched are unknown, so the baseline and "
            "what leans on it hold for people who were touched at some time"
        )
    return found


def _at_once(moments: Moments) -> list[str]:
    """Outcomes whose touch has their very time: dates without times, or a log of both at once."""
    events = moments.table[moments.table.event == 1][["customer", "time"]]
    touches = moments.data.touches
    own = touches.select(customer="customer_id", time=seconds(touches.timestamp))
    met = own.semi_join(ibis.memtable(events), ["customer", "time"]).distinct().to_pandas()
    count = len(events.merge(met, on=["customer", "time"]))
    if count < AT_ONCE * len(events):
        return []
    return [
        f"{count:,} of {len(events):,} {moments.risk.outcome} come at the very instant of a touch, "
        "which cannot count as earlier; give times to the second, and the touch first"
    ]


def _presence(model: Model, given: Parameters) -> list[str]:
    exposure, _ = model.exposures(given.log_half_lives)
    present = exposure > PRESENT
    few, always = present.sum(axis=1) < FEW_MOMENTS, present.mean(axis=1) > ALWAYS
    found = []
    if few.any():
        rule = "hardly ever present at a moment at risk; the effect is a guess"
        found.append(f"{_names(model, few)}: {rule}")
    if always.any():
        rule = "nearly always present; the effect leans on how recent touches are"
        found.append(f"{_names(model, always)}: {rule}")
    return found


def _separation(model: Model, given: Parameters) -> list[str]:
    extreme = np.abs(given.effects) > EXTREME
    if not extreme.any():
        return []
    rule = "nearly separates outcomes from the rest; the effect is held finite"
    return [f"{_names(model, extreme)}: {rule}"]


def _alike(model: Model, given: Parameters) -> list[str]:
    exposure, _ = model.exposures(given.log_half_lives)
    varying = np.flatnonzero(exposure.std(axis=1) > 0)
    if len(varying) < 2:
        return []
    alike = np.triu(np.corrcoef(exposure[varying]), 1) > ALIKE
    names = np.array(model.moments.touchpoints, dtype=object)[varying]
    rule = "come together: their effects cannot be told apart"
    return [
        f"{_quote(names[i])} and {_quote(names[j])} {rule}"
        for i, j in zip(*np.nonzero(alike), strict=True)
    ]


def _names(model: Model, chosen: np.ndarray) -> str:
    return listing([t for t, yes in zip(model.moments.touchpoints, chosen, strict=True) if yes])


def _quote(name: str) -> str:
    return shorten(name)[1:-1]
