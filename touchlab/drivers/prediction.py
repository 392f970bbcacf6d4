"""How well the regression foretells customers it has not seen, beside a flexible learner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from touchlab.drivers.hazard import clustered, columns, fit, log_loss
from touchlab.drivers.model import Model, Rows, chance, only, some_of
from touchlab.drivers.result import Drivers
from touchlab.errors import MissingInput, ParameterError, TooThin
from touchlab.numeric import LEVEL, Floats, interval, one_thread
from touchlab.results import Result

MOST_MOMENTS = 100_000
BINS = 10
REGRESSION, BOOSTING = "regression", "gradient boosting"
CONTROLS, NULL = "without touchpoints", "one rate for all"
NOT_ASKED = (
    "No check of the prediction was asked for. With the parameter folds set to 5, say, how well "
    "the regression foretells customers that it has not seen would be shown here."
)


@dataclass(frozen=True, repr=False)
class Prediction(Result):
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

    def plot(self) -> Any:
        """Draw how well each model tells the moments of an outcome from others."""
        from touchlab import plots

        table = self.table.rename(columns={"auc_low": "ci_low", "auc_high": "ci_high"})
        return plots.plot_intervals(
            table, value="auc", names="model", label="AUC, 95 % interval", percent=False,
            title=self.sentence().partition(";")[0],
        )  # fmt: skip


@one_thread
def check_prediction(drivers: Drivers, *, folds: int = 5, seed: int = 1) -> Prediction:
    """Predict every moment from a fit on other customers, and compare with what happened.

    It answers whether the regression misses shapes or interactions that a flexible learner
    finds in the same columns. It does not say whether effects are causal: a model can
    predict well and be wrong about what would have happened otherwise. A customer's moments
    stay in one of the `folds`, 2 to 20; 0 asks for no check.

    Log-loss (nats a moment) and AUC are those of the case-base sample, in which events are
    far more frequent than in life: they compare models, not data sets. Intervals are
    clustered by customer [for AUC: Obuchowski 1997], those of the calibration exact Poisson.
    """
    if folds == 0:
        raise MissingInput(NOT_ASKED)
    if not isinstance(folds, int) or not 2 <= folds <= 20:
        raise ParameterError(f"folds: {folds!r}\n  give a whole number from 2 to 20")
    model, start = _without_held(drivers.model, drivers.parameters.packed)
    model, notes = _manageable(model, seed)
    table, event = model.moments.table, model.event
    customers, holding = table.customer.nunique(), table.customer[event == 1].nunique()
    if holding < 2 * folds:
        raise TooThin(
            f"check_prediction: {holding} of {customers} customers have the outcome, "
            f"for {folds} folds\n  give fewer folds, or more customers"
        )
    found = {name: np.zeros(len(event)) for name in (REGRESSION, BOOSTING, CONTROLS, NULL)}
    for rest, part in _folds(table, folds):
        for name, own in _predict(model, start, rest, part, seed).items():
            found[name][part] = own
    best = log_loss(event, found[REGRESSION])
    rows = [{"model": name} | _judge(event, own, best, model.group) for name, own in found.items()]
    calibration = _calibrate(event, found[REGRESSION], model.offset)
    return Prediction(model.moments.risk.outcome, pd.DataFrame(rows), calibration, notes)


def _without_held(model: Model, packed: Floats) -> tuple[Model, Floats]:
    """Leave out what was learnt from a customer's own outcomes: nobody could foretell with it."""
    controls = model.controls
    held = np.isin(controls.names, controls.held)
    names = tuple(name for name in controls.names if name not in controls.held)
    controls = replace(controls, matrix=controls.matrix[:, ~held], names=names, held=())
    places = 2 * model.touchpoints + np.flatnonzero(held)
    return replace(model, controls=controls), np.delete(packed, places)


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
    return GroupKFold(n_splits=folds).split(table, groups=customer)


def _predict(model: Model, start: Floats, rest: Rows, part: Rows, seed: int) -> dict[str, Floats]:
    learn, judge = some_of(model, rest), some_of(model, part)
    given, blind = fit(learn, start), _blind(learn)
    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=50, random_state=seed
    ).fit(columns(learn, given), learn.event.astype(int))
    return {
        REGRESSION: chance(judge, given),
        BOOSTING: trees.predict_proba(columns(judge, given))[:, 1],
        CONTROLS: chance(_blind(judge), fit(blind)),
        NULL: np.full(len(part), learn.event.mean()),
    }


def _blind(model: Model) -> Model:
    """The same regression on controls alone."""
    return replace(model, moments=only(model.moments, []), fixed=None, pairs=())


def _judge(event: Floats, p: Floats, other: Floats, group: Rows) -> dict[str, float]:
    """Log-loss beside that of `other` predictions, moment by moment, and AUC."""
    loss = log_loss(event, p)
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
    judged = {"log_loss": float(loss.mean()), "worse": worse}
    judged |= {"worse_low": worse_low, "worse_high": worse_high}
    judged |= {"auc": auc, "auc_low": auc_low, "auc_high": auc_high}
    return judged | {"n": len(event), "events": int(event.sum())}


def _interval(estimate: float, influence: Floats, group: Rows) -> tuple[float, float]:
    """An interval from what each group of customers adds to the error."""
    (variance,) = clustered(influence[None], group)
    low, high = interval(estimate, np.sqrt(variance))
    return float(low), float(high)


def _calibrate(event: Floats, p: Floats, offset: float) -> pd.DataFrame:
    place = np.argsort(np.argsort(p, kind="stable"), kind="stable") * BINS // len(p)
    hazard = p / (1 - p).clip(1e-12) / np.exp(offset)
    expected, observed = np.bincount(place, p, BINS), np.bincount(place, event, BINS)
    count = np.bincount(place, minlength=BINS)
    low = stats.chi2.ppf(0.5 - LEVEL / 2, 2 * observed) / 2
    high = stats.chi2.ppf(0.5 + LEVEL / 2, 2 * (observed + 1)) / 2
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
