"""Fitting drivers: what is asked for, what is left out, and troubles by name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import ibis
import numpy as np

from touchlab.data.contract import listing, shorten
from touchlab.data.customers import outcome_counts, seconds
from touchlab.data.dataset import Dataset
from touchlab.data.level import at_level
from touchlab.drivers.design import build_controls
from touchlab.drivers.gate import misfits, runaways
from touchlab.drivers.hazard import Flags, learn_shrinkage, leave_group_out
from touchlab.drivers.intent import NOT_LOOKED_FOR, take_out
from touchlab.drivers.lead import go_by_outcomes
from touchlab.drivers.model import (
    PRESENT,
    SATURATIONS,
    Model,
    Parameters,
    find_twins,
    only,
)
from touchlab.drivers.pairs import Synergy, choose_pairs, let_tire
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, ParameterError, TouchlabWarning
from touchlab.moments.risk import at_the_start, comes_again, observed
from touchlab.moments.sample import Moments, sample_moments
from touchlab.moments.unusual import about_concentration, occasions, without_extremes
from touchlab.numeric import Floats
from touchlab.once import once

FEW_EVENTS, FEW_CUSTOMERS, FEW_MOMENTS = 30, 100, 50
ALWAYS, EXTREME, SELDOM = 0.95, 5.0, 0.01
FEWEST_EVENTS = 5
FREE_OF_OUTCOMES = (
    "touches do not follow earlier outcomes, so these are not held constant: it would set touches "
    "against whatever else makes customers come back"
)
AT_ONCE = 0.05
"""Share of outcomes at the instant of a touch from which on it is told."""
EXTREME_CUSTOMERS = "extreme customers"


def fit_drivers(
    data: Dataset | Moments,
    *,
    outcome: str = "conversion",
    half_lives: Mapping[str, float] | None = None,
    saturation: str = "log",
    traits: bool = True,
    touch_rate: bool = False,
    intent: str = "auto",
    synergy: Synergy = None,
    without: str | None = None,
    level: str = "touchpoint",
    seed: int = 1,
) -> Drivers:
    """Estimate which touchpoints change the rate of an outcome, and for how long.

    It answers what would not have happened without a touchpoint, for touches that come
    at random given what the data shows: time at risk, calendar, traits, earlier outcomes
    and the other touches. Touches aimed at an intent that nothing shows look better than
    they are; only an experiment corrects that.

    Parameters
    ----------
    data
        An opened Dataset, or moments already sampled (`outcome` and `seed` are theirs then).
    outcome
        A name in ``outcomes.outcome``. Risk of churn and referral starts at the first
        conversion; churn ends all risk. An outcome that nobody in the data has twice comes
        once, and ends its own.
    half_lives
        Days by touchpoint, to hold them fixed; None estimates them, shrunk towards a
        common one.
    saturation
        How exposure A enters the log hazard: ``"log"`` as log(1 + A), ``"exp"`` as
        1 - exp(-A). Where many touches of a touchpoint do less than that, its square is added:
        its effect may then fall, and turn (fatigue).
    traits
        Whether traits of customers are controlled for.
    touch_rate
        Adds the customer's long-run rate of touches as a stand-in for intent.
    intent
        ``"auto"`` looks for a lasting intent in the counts of touches, and holds it constant
        where the outcome follows it (see ``.intent``); ``"ignore"`` does not look.
    synergy
        Pairs of touchpoints, by name, that may work better or worse together than apart;
        ``"screen"`` looks for such pairs and keeps those beyond chance. None, the default,
        takes none: pairs tell more, but the amounts are no nearer to the truth
        (docs/decisions/0008).
    without
        ``"extreme customers"`` leaves out those with more than ten times the touches of a
        touchpoint that 95 in 100 of its customers stay below: robots, as a rule.
    level
        ``"campaign"`` makes each campaign a touchpoint, as ``"touchpoint: campaign"``.
    seed
        Of the sample of moments.

    Returns
    -------
    Drivers
        With ``.incremental()``, ``.baseline``, ``.hazard_ratios``, ``.synergies``,
        ``.regression``, ``.notes``.

    Raises
    ------
    ParameterError, DataError
        For unknown names, and where nobody is at risk or nothing happens.

    Warns
    -----
    TouchlabWarning
        For each trouble that leaves a usable result; also in ``.notes``.

    Notes
    -----
    Case-base sampling [Hanley & Miettinen 2009]; exposure A = sum of 0.5^(age / half-life).

    Examples
    --------
    >>> import touchlab as tl
    >>> drivers = tl.fit_drivers(tl.open_data("data/sample"), outcome="churn")
    >>> drivers.incremental().columns.tolist()[:5]
    ['touchpoint', 'incremental', 'share', 'ci_low', 'ci_high']
    """
    if without not in (None, EXTREME_CUSTOMERS) or (without and isinstance(data, Moments)):
        raise ParameterError(
            f"without: {without!r} is not a choice\n"
            f"  use {EXTREME_CUSTOMERS!r} or None; with moments sampled already, None"
        )
    lives = None if half_lives is None else tuple(sorted(half_lives.items()))
    choices = Choices(lives, saturation, traits, touch_rate, intent, synergy)
    if isinstance(data, Moments):
        return _fitted(data, choices)
    data = at_level(data, level)

    def fitted() -> Drivers:
        kept = without_extremes(data) if without else data
        again = comes_again(kept, outcome)
        return _fitted(sample_moments(kept, outcome=outcome, recurrent=again, seed=seed), choices)

    return once(("drivers", outcome, choices, without, seed), fitted, data=data)


@dataclass(frozen=True)
class Choices:
    """What was asked of a fit, beside the moments; see `fit_drivers`."""

    half_lives: tuple[tuple[str, float], ...] | None
    saturation: str
    traits: bool
    touch_rate: bool
    intent: str
    synergy: Synergy

    def __post_init__(self) -> None:
        for name, known in (("intent", ("auto", "ignore")), ("saturation", SATURATIONS)):
            if (given := getattr(self, name)) not in known:
                choices = " or ".join(map(repr, known))
                raise ParameterError(f"{name}: {given!r} is not a choice\n  use {choices}")


def _fitted(moments: Moments, choices: Choices) -> Drivers:
    """Fit, and again without what no fit can speak of, until all that is left makes sense."""
    if moments.events < FEWEST_EVENTS:
        raise MissingInput(
            f"drivers: too few {moments.risk.outcome} outcomes at risk to tell what brings them, "
            f"{moments.events:,.0f}\n  with {FEWEST_EVENTS} or more, this is answered"
        )
    moments, parts = _without_occasions(moments)
    first = _first_fit(moments, choices)
    drivers, troubles = _with_intent(first, choices, parts)
    unheld: tuple[str, ...] = ()
    while wild := runaways(drivers):
        if drivers.intent.found:
            unheld = tuple(wild)
        else:
            out = np.isin(moments.touchpoints, list(wild))
            moments, parts = _without(moments, out), [*parts, *wild.values()]
            first = _first_fit(moments, choices)
        drivers, troubles = _with_intent(first, choices, parts, unheld)
    for trouble in troubles:
        warnings.warn(trouble, TouchlabWarning, stacklevel=5)  # the line that asked for the fit
    return drivers


@dataclass(frozen=True)
class FirstFit:
    """The fit to all that the data shows; and what it says."""

    model: Model
    parameters: Parameters
    misfit: dict[str, str]
    notes: tuple[str, ...]
    troubles: list[str]


def _first_fit(moments: Moments, choices: Choices) -> FirstFit:
    """Fit all that is in the moments, before an intent that they do not show is looked for."""
    histories = go_by_outcomes(moments)
    controls = build_controls(
        moments, touch_rate=choices.touch_rate, traits=choices.traits, histories=histories
    )
    lives = _fixed(moments, choices.half_lives)
    model = Model(moments, controls, choices.saturation, lives, twins=find_twins(moments))
    model, parameters = learn_shrinkage(model)
    model, parameters, tired = let_tire(model, parameters)
    model, parameters, found = choose_pairs(model, parameters, choices.synergy)
    # what is learnt of customers from their outcomes foretells none
    misfit = misfits(model, parameters)
    free = () if histories else (FREE_OF_OUTCOMES,)
    notes = (*controls.notes, *free, *_left_out(moments), *tired, *found)
    troubles = [*_troubles_of_data(moments), *misfit.values()]
    return FirstFit(model, parameters, misfit, notes, troubles)


def _with_intent(
    first: FirstFit, choices: Choices, parts: list[str], unheld: tuple[str, ...] = ()
) -> tuple[Drivers, list[str]]:
    """Hold an intent constant that the touches tell of; and the troubles that are left.

    `parts` says what was left out before; `unheld` names touchpoints that ran away with an intent
    held constant, so that none is.
    """
    model, parameters = first.model, first.parameters
    unseen, replicates = NOT_LOOKED_FOR, None
    if choices.intent == "auto" and not unheld:
        unseen, model, parameters, replicates = take_out(model, parameters)
    troubles = [*first.troubles, *_troubles_of_effects(model, parameters)]
    if unheld:
        troubles.append(
            "touches tell of an intent that lasts, but with it held constant the effect of "
            f"{listing(unheld)} would be beyond all outcomes; it was not held"
        )
    if replicates is None:
        replicates = leave_group_out(model, parameters)
    notes, off = (*first.notes, *parts, *troubles), (*first.misfit, *unheld)
    return Drivers(model, parameters, replicates, notes, unseen, tuple(parts), off), troubles


def _without_occasions(moments: Moments) -> tuple[Moments, list[str]]:
    """Leave touchpoints out that are part of the outcome's own occasion, by name; or refuse."""
    met, outcome = occasions(moments), moments.risk.outcome
    part = met.part.to_numpy()
    if not part.any():
        return moments, []
    if met.near.all():
        raise MissingInput(
            f"drivers: {met.share.sum():.0%} of {outcome} outcomes come within an hour of a "
            "touch, so touches are part of the occasion (a session in which one buys), and what "
            "would come without them has no meaning\n  ask instead which touches start a session, "
            "with sessions as the outcome; and compare sources by the share of their sessions with "
            "it"
        )
    found = [
        f"{row.touchpoint}: the last touch less than an hour before {row.share:.0%} of {outcome} "
        f"outcomes, {row.times:,.0f} times as often as by chance; it is part of the "
        "occasion, so it is descriptive, and the others were fitted without it"
        for row in met[part].itertuples()
    ]
    return _without(moments, part), found


def _without(moments: Moments, part: Flags) -> Moments:
    """The moments, and their data, without some touchpoints; customers are at risk as before."""
    own, tables = moments.data.touches, dict(moments.data.tables)
    names = [name for name, out in zip(moments.touchpoints, part, strict=True) if not out]
    tables["touches"] = own.filter(own.touchpoint.isin(names))
    tables["windows"] = observed(moments.data)
    earlier = moments.earlier
    earlier = earlier and replace(earlier, exposure=earlier.exposure[~part])
    left = only(moments, np.flatnonzero(~part).tolist())
    return replace(left, earlier=earlier, data=replace(moments.data, tables=tables))


def _left_out(moments: Moments) -> list[str]:
    """Say how many outcomes the drivers cannot speak of, and why."""
    risk, all_of_them = moments.risk, outcome_counts(moments.data)[moments.risk.outcome]
    missed = round(all_of_them - moments.events)
    if missed <= SELDOM * all_of_them:
        return []
    first = min(at_the_start(moments.data, risk), missed)
    start = f"with their customer's first {risk.after}" if risk.after else "as observation begins"
    reasons = {
        f"come just {start}, and nothing is known of what led to them": first,
        "come when their customer could not have them, or again where one counts": missed - first,
    }
    said = "; ".join(f"{n:,} {why}" for why, n in reasons.items() if n)
    return [
        f"{missed:,} of {all_of_them:,} {risk.outcome} outcomes are not explained: {said}. "
        f"Amounts and shares are of the other {all_of_them - missed:,}."
    ]


def _fixed(moments: Moments, given: tuple[tuple[str, float], ...] | None) -> Floats | None:
    if given is None:
        return None
    half_lives = dict(given)
    missing = [t for t in moments.touchpoints if t not in half_lives]
    unknown = [t for t in half_lives if t not in moments.touchpoints]
    if missing or unknown:
        failed = "none given for" if missing else "no touchpoint is named"
        raise ParameterError(
            f"half_lives: {failed} {listing(missing or unknown, most=5)}\n"
            "  give days for every touchpoint, or None to estimate them"
        )
    low, high = moments.half_lives[0], moments.half_lives[-1]
    wrong = [t for t, days in half_lives.items() if not low <= days <= high]
    if wrong:
        raise ParameterError(
            f"half_lives: {wrong[0]!r} has {half_lives[wrong[0]]!r}\n"
            f"  give days from {low:g} to {high:g}"
        )
    return np.array([float(half_lives[t]) for t in moments.touchpoints])


def _troubles_of_data(moments: Moments) -> list[str]:
    """Name what makes any fit to these moments weak, a sentence each."""
    found, outcome, events = [], moments.risk.outcome, int(moments.table.event.sum())
    if events < FEW_EVENTS:
        found.append(f"few events: {events} {outcome}; intervals are rough")
    if moments.customers < FEW_CUSTOMERS:
        found.append(f"few customers: {moments.customers} at risk; intervals are rough")
    if not moments.windows_known:
        found.append(
            "no customers table: people who were never touched are unknown, so the baseline and "
            "what leans on it hold for people who were touched at some time"
        )
    if (met := _count_at_once(moments)) >= AT_ONCE * events:
        found.append(
            f"{met:,} of {events:,} {outcome} come at the very instant of a touch, "
            "which cannot count as earlier; give times to the second, and the touch first"
        )
    return found + about_concentration(moments.data)


def _troubles_of_effects(model: Model, given: Parameters) -> list[str]:
    """Name what makes the effects of some touchpoints weak, a sentence each."""
    exposure, names = model.exposure(given), np.array(model.moments.touchpoints, dtype=object)
    present = exposure > PRESENT
    few, always = present.sum(axis=1) < FEW_MOMENTS, present.mean(axis=1) > ALWAYS
    weak = {
        "hardly ever present at a moment at risk; the effect is a guess": few,
        "nearly always present; the effect leans on how recent touches are": always,
        "nearly separates outcomes from the rest; the effect is held finite": (
            np.abs(given.effects) > EXTREME
        ),
    }
    found = [f"{listing(names[which])}: {rule}" for rule, which in weak.items() if which.any()]
    rule = "come together: fitted as one, each is given half of what they bring between them"
    pairs = [[shorten(names[place])[1:-1] for place in pair] for pair in model.twins]
    return found + [f"{one} and {other} {rule}" for one, other in pairs]


def _count_at_once(moments: Moments) -> int:
    """Events whose touch has their very time: dates without times, or a log of both at once."""
    events = moments.table[moments.table.event == 1][["customer", "time"]]
    touches = moments.data.touches
    own = touches.select(customer="customer_id", time=seconds(touches.timestamp))
    met = own.semi_join(ibis.memtable(events), ["customer", "time"]).distinct().to_pandas()
    return len(events.merge(met, on=["customer", "time"]))
