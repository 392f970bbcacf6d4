"""How well the regression foretells customers it has not seen, beside a flexible learner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import xlogy
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from touchlab.drivers.hazard import fit, one_thread
from touchlab.drivers.model import Model, Parameters, only, probability, products, some_of
from touchlab.drivers.result import Drivers
from touchlab.errors import DataError, ParameterError
from touchlab.numeric import GROUPS, Floats, interval

Rows = npt.NDArray[np.int64]
MOST_MOMENTS = 100_000
BINS = 10
REGRESSION, BOOSTING = "regression", "gradient boosting"
CONTROLS, NULL = "without touchpoints", "one rate for all"


@dataclass(frozen=True)
class Prediction:
    """Out-of-fold predictions of several models, judged.

    `table` has a row a model: model, log_loss, worse (than the regression, in log-loss),
    worse_low, worse_high, auc, auc_low, auc_high, n (moments), events. `calibration` has a
    row a tenth of the moments, by the hazard that the regression predicts: decile, hazard
    (events per customer-day), expected, observed, ratio (observed / expected), ci_low,
    ci_high, n.
    """

    outcome: str
    table: pd.DataFrame
    calibration: pd.DataFrame
    notes: tuple[str, ...]

    def sentence(self) -> str:
        """Say what the figures come to."""
        own, other, blind = (
            self.table.set_index("model").loc[name] for name in (REGRESSION, BOOSTING, CONTROLS)
        )
        inside = self.calibration.ci_low.le(1) & self.calibration.ci_high.ge(1)
        missed = "more" if other.worse_high < 0 else "no more"
        return (
            f"For customers it has not seen, the regression tells moments of {self.outcome} from "
            f"other moments with AUC {own.auc:.2f} ({own.auc_low:.2f} to {own.auc_high:.2f}); "
            f"without touchpoints it would be {blind.auc:.2f}. Gradient boosting on the same "
            f"columns reaches {other.auc:.2f} and finds {missed} than the regression. Observed "
            f"and expected agree in {int(inside.sum())} of {len(inside)} tenths."
        )


@one_thread
def check_prediction(drivers: Drivers, *, folds: int = 5, seed: int = 1) -> Prediction:
    """Predict every moment from a fit on other customers, and compare with what happened.

    It answers whether the regression misses shapes or interactions that a flexible learner
    finds in the same columns. It does not say whether effects are causal: a model can
    predict well and be wrong about what would have happened otherwise.

    Parameters
    ----------
    drivers
        As returned by ``fit_drivers``.
    folds
        Parts of customers, 2 to 20; a customer's moments stay together.
    seed
        Of the gradient boosting, and of the part of a large sample that is used.

    Returns
    -------
    Prediction
        With ``.table``, ``.calibration``, ``.notes`` and ``.sentence()``.

    Raises
    ------
    ParameterError, DataError
        For a number of folds out of range, and where there are too few customers or events.

    Notes
    -----
    Log-loss (nats a moment) and AUC are those of the case-base sample, in which events are
    far more frequent than in life: they compare models, not data sets. Intervals are
    clustered by customer [for AUC: Obuchowski 1997], those of the calibration exact Poisson.

    Examples
    --------
    >>> import touchlab as tl
    >>> from touchlab.drivers.fit import fit_drivers
    >>> drivers = fit_drivers(tl.open_data("data/sample"), outcome="referral")
    >>> check_prediction(drivers, folds=2).table.model.tolist()
    ['regression', 'gradient boosting', 'without touchpoints', 'one rate for all']
    """
    if not isinstance(folds, int) or not 2 <= folds <= 20:
        raise ParameterError(f"folds: {folds!r}\n  give a whole number from 2 to 20")
    model, notes = _manageable(drivers.model, seed)
    table = model.moments.table
    event = table.event.to_numpy(float)
    customers, holding = table.customer.nunique(), table.customer[event == 1].nunique()
    if holding < 2 * folds:
        raise DataError(
            f"check_prediction: {holding} of {customers} customers have the outcome, "
            f"for {folds} folds\n  give fewer folds, or more customers"
        )
    found = {name: np.zeros(len(event)) for name in (REGRESSION, BOOSTING, CONTROLS, NULL)}
    start = drivers.parameters.packed
    for rest, part in _folds(table, folds):
        for name, own in _predict(model, start, rest, part, seed).items():
            found[name][part] = own
    group = table.group.to_numpy()
    best = _loss(event, found[REGRESSION])
    rows = [{"model": name} | _judge(event, own, best, group) for name, own in found.items()]
    calibration = _calibrate(event, found[REGRESSION], model.offset)
    return Prediction(model.moments.risk.outcome, pd.DataFrame(rows), calibration, notes)


def _manageable(model: Model, seed: int) -> tuple[Model, tuple[str, ...]]:
    customers = model.moments.table.customer
    if len(customers) <= MOST_MOMENTS:
        return model, ()
    known = np.sort(customers.unique())
    count = int(len(known) * MOST_MOMENTS / len(customers))
    some = np.random.default_rng(seed).choice(known, count, replace=False)
    note = f"prediction is checked on {count:,} of {len(known):,} sampled customers"
    return some_of(model, np.flatnonzero(customers.isin(some).to_numpy())), (note,)


def _folds(table: pd.DataFrame, folds: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows to fit on and rows to predict; customers kept together."""
    customer = pd.factorize(table.customer)[0]
    yield from GroupKFold(n_splits=folds).split(table, groups=customer)


def _predict(model: Model, start: Floats, rest: Rows, part: Rows, seed: int) -> dict[str, Floats]:
    learn, judge = some_of(model, rest), some_of(model, part)
    event = learn.moments.table.event.to_numpy(int)
    given = fit(learn, start)
    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=50, random_state=seed
    ).fit(_columns(learn, given), event)
    return {
        REGRESSION: probability(judge, given)[0],
        BOOSTING: trees.predict_proba(_columns(judge, given))[:, 1],
        CONTROLS: _without_touchpoints(learn, judge),
        NULL: np.full(len(part), event.mean()),
    }


def _columns(model: Model, given: Parameters) -> Floats:
    exposure, _ = model.exposures(given.log_half_lives)
    parts = [exposure.T, model.controls.matrix, products(exposure, model.pairs).T]
    return np.column_stack(parts)


def _without_touchpoints(learn: Model, judge: Model) -> Floats:
    """The same regression on controls alone."""
    blind, other = (_blind(model) for model in (learn, judge))
    return probability(other, fit(blind))[0]


def _blind(model: Model) -> Model:
    return replace(model, moments=only(model.moments, []), fixed=None, pairs=())


def _loss(event: Floats, p: Floats) -> Floats:
    """Log-loss of each moment, in nats."""
    return -xlogy(event, p.clip(1e-12)) - xlogy(1 - event, (1 - p).clip(1e-12))


def _judge(
    event: Floats, p: Floats, other: Floats, group: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Log-loss beside that of `other` predictions, moment by moment, and AUC."""
    loss = _loss(event, p)
    worse = float((loss - other).mean())
    worse_low, worse_high = _interval(worse, (loss - other - worse) / len(loss), group)
    rank = stats.rankdata(p)
    places = np.empty(len(p))
    for kind in (0, 1):
        own = event == kind
        below = rank[own] - stats.rankdata(p[own])  # of the other kind, ties half
        others = len(p) - own.sum()
        places[own] = below / others if kind else 1 - below / others
    auc = float(places[event == 1].mean())
    share = np.where(event == 1, event.sum(), len(event) - event.sum())
    auc_low, auc_high = _interval(auc, (places - auc) / share, group)
    return {
        "log_loss": float(loss.mean()),
        "worse": worse,
        "worse_low": worse_low,
        "worse_high": worse_high,
        "auc": auc,
        "auc_low": auc_low,
        "auc_high": auc_high,
        "n": len(event),
        "events": int(event.sum()),
    }


def _interval(
    estimate: float, influence: Floats, group: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """An interval from what each group of customers adds to the error."""
    by_group = np.bincount(group, influence, GROUPS)
    error = np.sqrt(GROUPS / (GROUPS - 1) * (by_group**2).sum())
    ends = interval(np.array(estimate), error, np.array(GROUPS - 1))
    return float(ends[0]), float(ends[1])


def _calibrate(event: Floats, p: Floats, offset: float) -> pd.DataFrame:
    place = np.argsort(np.argsort(p, kind="stable"), kind="stable") * BINS // len(p)
    hazard = p / (1 - p).clip(1e-12) / np.exp(offset)
    expected, observed = np.bincount(place, p, BINS), np.bincount(place, event, BINS)
    count = np.bincount(place, minlength=BINS)
    low = stats.chi2.ppf(0.025, 2 * observed) / 2
    high = stats.chi2.ppf(0.975, 2 * (observed + 1)) / 2
    return pd.DataFrame(
        {
            "decile": np.arange(1, BINS + 1),
            "hazard": np.bincount(place, hazard, BINS) / count,
            "expected": expected,
            "observed": observed.astype(int),
            "ratio": observed / expected,
            "ci_low": np.nan_to_num(low) / expected,
            "ci_high": high / expected,
            "n": count,
        }
    )
