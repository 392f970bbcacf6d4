"""E-value, presence, stability over time and negative controls of fitted drivers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import expit

from touchlab.drivers.fit import Drivers
from touchlab.drivers.hazard import RIDGE, products
from touchlab.drivers.lead import fires
from touchlab.errors import ParameterError
from touchlab.replicates import GROUPS, jackknife

Floats = npt.NDArray[np.float64]
PRESENT = 0.05
"""Exposure above which a touchpoint counts as present: about four half-lives after one touch."""
NEWTON_STEPS = 4


def e_value(ratio: npt.ArrayLike) -> Floats:
    """How strong hidden confounding must be to explain a ratio away.

    A hidden cause would have to be tied to both touch and outcome by a risk ratio of at
    least this, beyond what is controlled for. 1: nothing is needed. It does not say
    whether such a cause exists.

    Parameters
    ----------
    ratio
        Risk or hazard ratios above 0 (hazard ratios of rare outcomes are near risk ratios).

    Returns
    -------
    numpy.ndarray
        RR + sqrt(RR (RR - 1)), of 1 / RR where RR is below 1 [VanderWeele & Ding 2017].

    Raises
    ------
    ParameterError
        If a ratio is not above 0.

    Examples
    --------
    >>> e_value([3.9, 1.8, 1 / 1.8, 1.0]).round(2).tolist()
    [7.26, 3.0, 3.0, 1.0]
    """
    given = np.asarray(ratio, dtype=float)
    if (given <= 0).any():
        raise ParameterError(f"e_value: ratio {given.min():g}\n  give ratios above 0")
    harm = np.where(given < 1, 1 / given, given)
    return np.asarray(harm + np.sqrt(harm * (harm - 1)))


def e_values(drivers: Drivers) -> pd.DataFrame:
    """Give the E-value of every hazard ratio and of the end of its interval nearest 1.

    Columns: touchpoint, e_value, e_value_low (1 where the interval holds 1).
    """
    ratios = drivers.hazard_ratios
    covers = (ratios.ci_low <= 1) & (ratios.ci_high >= 1)
    nearest = np.where(covers, 1.0, np.where(ratios.ci_low > 1, ratios.ci_low, ratios.ci_high))
    return pd.DataFrame(
        {
            "touchpoint": ratios.touchpoint,
            "e_value": e_value(ratios.hazard_ratio),
            "e_value_low": e_value(nearest),
        }
    )


def presence(drivers: Drivers) -> pd.DataFrame:
    """Tell at which share of all time at risk each touchpoint is present: touchpoint, present, n.

    Present: exposure above 0.05, that is for about four half-lives after one touch. `n` is the
    number of moments of time at risk, the denominator. Without moments of both kinds there
    is nothing to compare.
    """
    base = drivers.moments.table.event.to_numpy() == 0
    exposure, _ = drivers.model.exposures(drivers.parameters.log_half_lives)
    return pd.DataFrame(
        {
            "touchpoint": drivers.moments.touchpoints,
            "present": (exposure[:, base] > PRESENT).mean(axis=1),
            "n": int(base.sum()),
        }
    )


def stability(drivers: Drivers) -> pd.DataFrame:
    """Does the effect of a touchpoint differ between the earlier and the later half?

    The halves hold equally many events. A difference says that one number for the whole
    time hides something (a new campaign, a season, another mix of customers); it does not
    say what.

    Parameters
    ----------
    drivers
        As returned by ``fit_drivers``.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint: ``touchpoint, early, late, stable_p, stable``: hazard ratios just
        after one touch in each half, the p-value of their difference (group jackknife), and
        whether it is unremarkable given the number of touchpoints.

    Notes
    -----
    The regression is refitted with exposure x half added, half-lives, controls and synergies held.
    """
    moments, k = drivers.moments, drivers.model.touchpoints
    event, day = moments.table.event.to_numpy(float), moments.table.day.to_numpy(float)
    late = day > np.median(day[event == 1])
    one = np.log(2.0) if drivers.model.saturation == "log" else 1 - np.exp(-1.0)
    exposure, _ = drivers.model.exposures(drivers.parameters.log_half_lives)
    known = drivers.model.controls.matrix @ drivers.parameters.controls + drivers.model.offset
    known = known + drivers.parameters.synergies @ products(exposure, drivers.model.pairs)
    design = np.concatenate([exposure * ~late, exposure * late, [np.ones(len(late)), late]])
    effects, replicates = _refit(design, known, event, moments.table.group.to_numpy(), 2 * k)
    change = effects[k : 2 * k] - effects[:k]
    error, freedom = jackknife(change, replicates[:, k : 2 * k] - replicates[:, :k])
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * stats.t.sf(np.abs(change) / error, np.maximum(freedom, 1))
    # Present in one half only: there is no second effect to compare with.
    halves = (exposure[:, half].max(axis=1, initial=0.0) for half in (~late, late))
    both = np.logical_and.reduce([most > PRESENT for most in halves])
    p = np.where(both, p, np.nan)
    return pd.DataFrame(
        {
            "touchpoint": moments.touchpoints,
            "early": np.exp(one * effects[:k]),
            "late": np.exp(one * effects[k : 2 * k]),
            "stable_p": p,
            "stable": ~fires(p),
        }
    )


def _refit(
    design: Floats, known: Floats, event: Floats, group: npt.NDArray[np.int64], pulled: int
) -> tuple[Floats, Floats]:
    """Fit a ridge logistic regression, whole and with each group left out by one Newton step."""
    penalty = np.diag(np.where(np.arange(len(design)) < pulled, 2 * RIDGE, 1e-6))
    effects = np.zeros(len(design))
    for _ in range(2 * NEWTON_STEPS):
        p = expit(known + effects @ design)
        curvature = (design * (p * (1 - p))) @ design.T + penalty
        step = np.linalg.solve(curvature, design @ (event - p) - penalty @ effects)
        # A step of more than one hazard doubling overshoots where a half has few touches.
        effects = effects + step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-12))
    p = expit(known + effects @ design)
    replicates = np.repeat(effects[None], GROUPS, axis=0)
    whole = (design * (p * (1 - p))) @ design.T + penalty
    for g in range(GROUPS):
        own = design[:, group == g]
        part = (own * (p * (1 - p))[group == g]) @ own.T
        score = own @ (event - p)[group == g]
        replicates[g] -= np.linalg.lstsq(whole - part, score, rcond=None)[0]
    return effects, replicates


def negative_control(
    drivers: Drivers, touchpoints: Sequence[str] | str | None = None
) -> pd.DataFrame:
    """Is there an effect where there cannot be one?

    Name touchpoints that cannot change the outcome; or fit the drivers to an outcome that
    no touchpoint can change, and name none. An interval that leaves out 0 says that the
    model mistakes something else for an effect, and may do so for other touchpoints too.
    One that holds 0 does not prove the others right.

    Parameters
    ----------
    drivers
        As returned by ``fit_drivers``.
    touchpoints
        Names, or None for all touchpoints (an outcome as the control).

    Returns
    -------
    pandas.DataFrame
        ``touchpoint, outcome, incremental, ci_low, ci_high, hazard_ratio, n, passes``.

    Raises
    ------
    ParameterError
        For a touchpoint that the drivers do not have.
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
