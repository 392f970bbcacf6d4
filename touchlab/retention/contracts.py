"""Shifted-beta-geometric: how many contracts are left after each renewal.

At each renewal a customer leaves with a chance that differs between customers (beta) and
stays the same for each. Many of those likely to leave do so early, so that retention rises
with age although nobody becomes more loyal [Fader & Hardie 2007, How to project customer
retention]. Packed as log alpha and log beta; alpha / (alpha + beta) leave at first.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import betaln, polygamma, psi

from touchlab.data.contract import shorten
from touchlab.data.customers import DAY_SECONDS
from touchlab.data.dataset import Dataset
from touchlab.errors import DataError, MissingInput, ParameterError, TooThin, TouchlabWarning
from touchlab.numeric import SCALE, SHAPE, Floats, add_up, in_logs, maximise
from touchlab.results import Result
from touchlab.retention.curves import find_spells
from touchlab.retention.lifetime import look_ahead
from touchlab.retention.orders import DAY, REPLICATES, follow, log_interval, refit

NAMES = ("alpha", "beta")
BOUND = np.array([SHAPE, SCALE])
START = np.log([1.0, 3.0])
FEWEST, FEW, ALIKE = 10, 30, 300.0
SLACK = 1e-9
"""Periods by which a float may miss a whole number."""
NO_RISE = (
    "retention does not rise with age: customers do not seem to differ in how readily they leave"
)
GIVE = "give counts of customers left, as [1000, 869, 743]: at the start, then after each renewal"


@dataclass(frozen=True, repr=False)
class Renewals(Result):
    """Fitted contracts; ask them `.parameters`, `.curve()` and `.value()`."""

    counts: pd.DataFrame
    """Customers by what is known of them: renewals (made), churned (then), customers."""
    packed: Floats
    """Logarithms of alpha and beta."""
    replicates: Floats
    """(replicates, 2): the same of bootstrapped customers."""
    log_likelihood: float
    period_days: float
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        return self.parameters

    def summary(self) -> pd.DataFrame:
        return self.curve()

    def sentence(self) -> str:
        """Say how many contracts renew, first and later."""
        from touchlab import sentences

        return sentences.about_renewals(self.curve(), self.period_days)

    def plot(self) -> Any:
        """Draw which share of customers is left after so many days."""
        from touchlab import plots

        curve = self.curve().assign(group="all", at_risk=lambda rows: rows.n, events=0)
        return plots.plot_survival(curve.assign(day=curve.renewal * self.period_days))

    @property
    def parameters(self) -> pd.DataFrame:
        """Columns: name, estimate, ci_low, ci_high, n; alpha / (alpha + beta) leave at first."""
        low, high = log_interval(np.exp(self.packed), self.replicates)
        numbers = {"estimate": np.exp(self.packed), "ci_low": low, "ci_high": high}
        return pd.DataFrame({"name": NAMES, **numbers, "n": int(self.counts.customers.sum())})

    def curve(self, renewals: int = 12) -> pd.DataFrame:
        """Which share of customers is left after each renewal.

        Columns: renewal, survival, ci_low, ci_high, retention (of those before it), observed
        (retention in the data), n (customers observed to face the renewal).
        """
        if isinstance(renewals, bool) or not isinstance(renewals, int) or renewals < 1:
            raise ParameterError(f"renewals: {renewals!r} is not a whole number above 0")
        step = np.arange(renewals + 1)
        left, low, high = self._interval(lambda packed: survival(packed, step))
        faced, stayed = _faced(self.counts, renewals)
        table = pd.DataFrame({"renewal": step, "survival": left, "ci_low": low})
        table["ci_high"] = high.clip(max=1.0)
        table["retention"] = left / np.append(1.0, left[:-1])
        table["observed"] = np.divide(
            stayed, faced, out=np.full(len(faced), np.nan), where=faced > 0
        )
        return table.assign(n=faced.astype(int))

    def value(
        self,
        *,
        value_per_period: float = 1.0,
        horizon_days: float = 1095,
        discount_rate: float = 0.1,
    ) -> pd.DataFrame:
        """How many more periods a customer is expected to renew for, and what they are worth.

        Parameters
        ----------
        value_per_period
            What one period is worth, paid at its renewal; 1 counts discounted periods.
        horizon_days
            How far to look ahead; without an end, the expectation may be infinite.
        discount_rate
            What a period a year from now is worth less, as a share.

        Returns
        -------
        pandas.DataFrame
            ``renewals, periods, periods_low, periods_high, value, ci_low, ci_high, n``: of the
            `n` customers there now, by renewals made; periods after the running one, which is
            paid for, with 95 % bootstrap intervals.
        """
        _, discount = look_ahead(horizon_days, discount_rate)
        ahead = int(horizon_days // self.period_days)
        if ahead < 1:
            raise ParameterError(
                f"horizon_days: {horizon_days!r} holds no period of {self.period_days:g} days"
            )
        now = self.counts[~self.counts.churned].groupby("renewals").customers.sum()
        most = int(self.counts.renewals.max())
        step, worth = np.arange(most + ahead + 1), np.arange(1, ahead + 1) * self.period_days
        worth = value_per_period * np.exp(-discount * DAY * worth)

        def ahead_of(packed: Floats, each: Floats) -> Floats:
            return residual(survival(packed, step), each)

        found: dict[str, Floats] = {}
        for name, ends, each in (("periods", "periods", np.ones(ahead)), ("value", "ci", worth)):
            interval = self._interval(partial(ahead_of, each=each))
            found[name], found[f"{ends}_low"], found[f"{ends}_high"] = interval
        n = now.reindex(range(most + 1)).fillna(0).astype(int).to_numpy()
        return pd.DataFrame({"renewals": np.arange(most + 1), **found, "n": n})

    def _interval(self, quantity: Callable[[Floats], Floats]) -> tuple[Floats, Floats, Floats]:
        point, logs = follow(quantity, self.packed, self.replicates)
        return point, *log_interval(point, logs)


def fit_renewals(
    customers: Dataset | Sequence[float] | Mapping[str, Sequence[float]],
    *,
    period_days: float = 30,
    seed: int = 0,
) -> Renewals:
    """Estimate how long customers stay under contract, beyond what has been seen.

    For businesses where churn is recorded: subscriptions, memberships. Where customers leave
    without a word, use `fit_lifetime`. It describes: what would keep customers is another
    question, and so is whether the next years will be like these.

    Parameters
    ----------
    customers
        Counts of customers left, at the start and after each renewal (``[1000, 869, 743]``),
        or such counts by cohort; or a Dataset with ``churn`` among its outcomes, whose
        contracts start at the first conversion.
    period_days
        Days from one renewal to the next.
    seed
        Of the bootstrap.

    Returns
    -------
    Renewals
        With ``.parameters``, ``.curve()``, ``.value()`` and ``.notes``.

    Raises
    ------
    MissingInput, DataError, ParameterError
        Where churn is not recorded or too few customers churn, and for counts that rise.

    Warns
    -----
    TouchlabWarning
        Where few churned; also in ``.notes``.

    Notes
    -----
    P(leaving at renewal t) = B(alpha + 1, beta + t - 1) / B(alpha, beta) and survival
    B(alpha, beta + t) / B(alpha, beta) [Fader & Hardie 2007]; 500 bootstraps of customers.

    Examples
    --------
    >>> import touchlab as tl
    >>> regular = tl.fit_renewals([1000, 631, 468, 382, 326, 289, 262, 241], period_days=365)
    >>> regular.parameters.round(3)[["name", "estimate"]]
        name  estimate
    0  alpha     0.704
    1   beta     1.182
    """
    if not isinstance(period_days, int | float) or not 0 < period_days < np.inf:
        raise ParameterError(f"period_days: {period_days!r} is not a number of days above 0")
    notes: tuple[str, ...] = ()
    if isinstance(customers, Dataset):
        counts, notes = _count_contracts(customers, period_days)
    else:
        cohorts = customers if isinstance(customers, Mapping) else {"customers": customers}
        parts = [_count_survivors(name, left) for name, left in cohorts.items()]
        counts = pd.concat(parts).groupby(["renewals", "churned"]).customers.sum().reset_index()
    churned = counts.customers[counts.churned].sum()
    _refuse_few(counts, churned)
    made, left, weight = (counts[c].to_numpy(float) for c in ("renewals", "churned", "customers"))
    share, random = weight / weight.sum(), np.random.default_rng(seed)
    draws = random.multinomial(round(weight.sum()), share, REPLICATES)
    each = partial(sbg_derivatives, made=made, left=left)
    packed = maximise(add_up(each, weight), START, BOUND)
    loglik, slope, triangle = each(packed)
    replicates = refit(packed, slope.T, triangle.T, draws.astype(float))
    if churned < FEW:
        few = f"few customers churned: {churned:,g}; intervals are rough"
        warnings.warn(few, TouchlabWarning, stacklevel=2)
        notes += (few,)
    if np.exp(packed).sum() > ALIKE:
        notes += (NO_RISE,)
    log_likelihood = float(loglik @ weight)
    return Renewals(counts, packed, replicates, log_likelihood, period_days, notes)


def sbg_derivatives(packed: Floats, made: Floats, left: Floats) -> tuple[Floats, Floats, Floats]:
    """Log-likelihood (n,), slopes (2, n) and curvatures (3, n, upper triangle) of rows.

    Each row made so many renewals and then left (1) or is still there (0): B(alpha + 1,
    beta + t - 1) / B(alpha, beta) at renewal t, B(alpha, beta + t) / B(alpha, beta) after it.
    """
    alpha, beta = theta = np.exp(packed)
    total = alpha + beta + made + left
    loglik = betaln(alpha + left, beta + made) - betaln(alpha, beta)
    whole = psi(alpha + beta) - psi(total)
    slope = np.stack([whole + psi(alpha + left) - psi(alpha), whole + psi(beta + made) - psi(beta)])
    bend = polygamma(1, alpha + beta) - polygamma(1, total)
    triangle = np.stack(
        [
            bend + polygamma(1, alpha + left) - polygamma(1, alpha),
            bend,
            bend + polygamma(1, beta + made) - polygamma(1, beta),
        ]
    )
    return loglik, *in_logs(theta, slope, triangle)


def survival(packed: Floats, renewals: npt.ArrayLike) -> Floats:
    """Share of customers left after each number of renewals."""
    alpha, beta = np.exp(packed)
    return np.asarray(np.exp(betaln(alpha, beta + np.asarray(renewals)) - betaln(alpha, beta)))


def residual(left: Floats, worth: Floats) -> Floats:
    """Worth of the renewals ahead by renewals made, n: the sum of worth_t S(n + t) / S(n).

    `left` is survival, as far as `worth` (t,) leads beyond the last n.
    """
    made = len(left) - len(worth)
    later = np.lib.stride_tricks.sliding_window_view(left[1:], len(worth))
    return np.asarray(later[:made] @ worth / left[:made])


def _faced(counts: pd.DataFrame, renewals: int) -> tuple[Floats, Floats]:
    """Customers who faced each renewal, and those of them who stayed; all at the start."""
    step = np.arange(renewals + 1)[:, None]
    made, churned = counts.renewals.to_numpy(), counts.churned.to_numpy()
    weight = counts.customers.to_numpy(float)
    stayed = (made >= step) @ weight
    return stayed + ((made == step - 1) & churned) @ weight, stayed


def _count_survivors(name: str, left: Sequence[float]) -> pd.DataFrame:
    counts = np.asarray(left, dtype=float) if np.ndim(left) == 1 else np.empty(0)
    if len(counts) < 2 or not np.isfinite(counts).all() or counts[0] <= 0 or counts[-1] < 0:
        raise ParameterError(f"{name}: {shorten(left)} are not counts of customers\n  {GIVE}")
    rises = np.flatnonzero(np.diff(counts) > 0)
    if len(rises):
        k = rises[0]
        raise DataError(
            f"{name}: {counts[k + 1]:,g} customers after renewal {k + 1}, more than the "
            f"{counts[k]:,g} before it\n  {GIVE}"
        )
    last = len(counts) - 1
    gone = np.append(-np.diff(counts), counts[-1])
    table = pd.DataFrame({"renewals": np.append(np.arange(last), last), "customers": gone})
    return table.assign(churned=table.index < last)


def _count_contracts(data: Dataset, period_days: float) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Reduce contracts to counts: one that ends on day 31 of 30-day periods was renewed once."""
    if not data.outcomes.filter(data.outcomes.outcome == "churn").limit(1).to_pyarrow().num_rows:
        raise MissingInput(
            "outcomes.churn: no churn is recorded, so nobody knows which contract ended\n"
            "  record churn, or use fit_lifetime, which infers leaving from silence"
        )
    spells = find_spells(data, ["churn"])
    table = spells.table.mutate(churned=spells.table.ended != "")
    periods = (table.stop - table.start) / (period_days * DAY_SECONDS)
    made = ibis.ifelse(table.churned, (periods - SLACK).ceil() - 1, (periods + SLACK).floor())
    table = table.mutate(renewals=made.cast("int64"))
    counts = table.group_by("renewals", "churned").aggregate(customers=table.count()).to_pandas()
    counts = counts.astype({"customers": float})
    counts = counts.sort_values(["renewals", "churned"], ignore_index=True)
    return counts, spells.notes


def _refuse_few(counts: pd.DataFrame, churned: float) -> None:
    if churned < FEWEST:
        raise TooThin(
            f"renewals: {churned:,g} of {counts.customers.sum():,g} customers churned while "
            f"observed\n  at least {FEWEST} are needed to tell how long customers stay; use a "
            "longer time"
        )
    if counts.renewals.max() < 1:
        raise TooThin(
            "renewals: no customer is observed beyond the first renewal\n"
            "  use a longer time, or a shorter period_days if contracts are shorter"
        )
