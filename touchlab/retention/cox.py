"""Cox regression with touches that change over time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from touchlab.checks import nearest
from touchlab.contract import listing
from touchlab.dataset import Dataset
from touchlab.errors import DataError, ParameterError, TouchlabWarning
from touchlab.retention.curves import Z
from touchlab.retention.episodes import as_episodes, build_episodes, sample_spells, trait_frame
from touchlab.retention.partial_likelihood import (
    Episodes,
    Fit,
    fit_partial,
    proportional_tests,
)
from touchlab.retention.ranking import concordance
from touchlab.retention.spells import find_spells

Floats = npt.NDArray[np.float64]

FOLDS = 5
FEWEST_EACH = 10
"""Outcomes a covariate below which a fit follows chance."""
EXTREME = 5.0
DRIFT_P = 0.01


@dataclass(frozen=True)
class Cox:
    """Hazard ratios of touchpoints and traits for one outcome.

    `table` has ``name, kind, coefficient, se, hazard_ratio, ci_low, ci_high,
    p_proportional, n``; kind is ``touchpoint`` or ``trait``, the interval is 95 %, and a small
    `p_proportional` says that the ratio changes with time since the start of risk.
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

    def _repr_html_(self) -> str:
        form = "{:,.3f}".format
        return str(self.table.to_html(index=False, na_rep="", float_format=form))

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
        As in `survival_curves`; the first outcome counts.
    touchpoints
        Names; None for all.
    exposure
        ``"touched"``: 1 from the first touch since the start of risk on. ``"recent"``: the
        number of touches in the last `window_days`.
    window_days
        Days a touch counts as recent.
    traits
        Whether traits of customers are adjusted for.
    seed
        Of the sample of customers, where there are more than 100,000, and of the parts
        that concordance holds out.

    Returns
    -------
    Cox
        With ``.table``, ``.concordance``, ``.p_proportional``, ``.notes``, ``.sentence()``.

    Raises
    ------
    ParameterError, DataError, MissingInput
        For unknown names and choices, where nobody is at risk or no outcome happens, and
        for a paths table.

    Warns
    -----
    TouchlabWarning
        For few outcomes, and covariates that (nearly) separate them; also in ``.notes``.

    Notes
    -----
    Partial likelihood over (start, stop] episodes, ties by Efron [Cox 1972; Efron 1977]. The
    standard error is the larger of the model's and the customer-robust one [Lin & Wei 1989];
    proportionality by scaled Schoenfeld residuals against the rank of time [Grambsch &
    Therneau 1994].

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
        raise DataError(
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
        table.assign(p_proportional=stats.chi2.sf(drift, 1), n=rows.customers),
        outcome,
        exposure,
        rows.customers,
        int(rows.event.sum()),
        fit.log_likelihood,
        held_out_concordance(rows, seed),
        float(stats.chi2.sf(together, max(len(used), 1))),
        (*spells.notes, *made_by_customers(data, names), *troubles),
    )


def check_touchpoints(data: Dataset, asked: Sequence[str] | None) -> list[str]:
    """Return the touchpoints asked for, or all; refuse names that the data does not have."""
    if not data.has("touches"):
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
    if not data.has("touchpoints") or "owner" not in data.tables["touchpoints"].columns:
        return ()
    owned = data.tables["touchpoints"].filter(data.tables["touchpoints"].owner == "customer")
    names = set(owned.select("touchpoint").to_pandas().touchpoint) & set(touchpoints)
    if not names:
        return ()
    rule = "customers make these touches themselves, so they may follow from what makes them leave"
    return (f"{listing(sorted(names))}: {rule}",)


def ratio_table(names: Sequence[str], fit: Fit) -> pd.DataFrame:
    """Set coefficients as hazard ratios with their 95 % intervals."""
    coefficients, errors = fit.coefficients, fit.errors
    with np.errstate(over="ignore"):
        return pd.DataFrame(
            {
                "name": list(names),
                "coefficient": coefficients,
                "se": errors,
                "hazard_ratio": np.exp(coefficients),
                "ci_low": np.exp(coefficients - Z * errors),
                "ci_high": np.exp(coefficients + Z * errors),
            }
        )


def held_out_concordance(rows: Episodes, seed: int) -> pd.DataFrame:
    """Fit without a fifth of the customers and rank those, five times; a row with its interval.

    The interval is the t interval of the five parts.
    """
    part = np.random.default_rng([seed, 3]).permutation(int(rows.customer.max()) + 1) % FOLDS
    found, pairs = [], 0.0
    for fold in range(FOLDS):
        held = part[rows.customer] == fold
        own, others = rows.take(held), rows.take(~held)
        if not own.event.any() or not others.event.any():
            continue
        value, count = concordance(own, own.x @ fit_partial(others).coefficients)
        if count:
            found.append(value)
            pairs += count
    values = np.array(found)
    mean = float(values.mean()) if len(values) else float("nan")
    reach = float("nan")
    if len(values) > 1:
        spread = values.std(ddof=1) / np.sqrt(len(values))
        reach = float(stats.t.ppf(0.975, len(values) - 1) * spread)
    row = {"concordance": mean, "ci_low": mean - reach, "ci_high": mean + reach}
    row |= {"n": rows.customers}
    return pd.DataFrame([row])


def _troubles(rows: Episodes, fit: Fit, names: list[str], constant: list[str]) -> list[str]:
    """Name what makes the result weak; a sentence each."""
    found, events = [], int(rows.event.sum())
    if constant:
        found.append(f"left out, as they never vary: {listing(constant)}")
    if events < FEWEST_EACH * len(names):
        found.append(
            f"few outcomes: {events} for {len(names)} covariates; ask for fewer touchpoints"
        )
    extreme = np.abs(fit.coefficients * rows.x.std(axis=0)) > EXTREME
    lone = (rows.x[rows.event == 1].std(axis=0) == 0) | extreme
    if lone.any():
        some = [name for name, yes in zip(names, lone, strict=True) if yes]
        found.append(f"{listing(some)}: (nearly) separates outcomes from the rest; a guess")
    return found
