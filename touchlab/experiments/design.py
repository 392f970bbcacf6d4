"""What a holdout can find, from the customers' own outcomes; and what knowing it is worth."""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
from scipy import stats

from touchlab.data.customers import DAY_SECONDS
from touchlab.data.dataset import Dataset
from touchlab.drivers.arms import cluster_changes, cluster_difference, counted, places, with_amounts
from touchlab.drivers.experiments import FEWEST_CLUSTERS, POWER
from touchlab.errors import TooThin
from touchlab.moments.risk import Risk, risk_windows
from touchlab.numeric import LEVEL, Floats

WEEK = 7.0
CLUSTERS = 10  # fewer groups of customers are not held back: chance drowns what the arms do
FEWEST_LEFT = 5  # outcomes among those held out, if the effect is as large as can just be found
ROUNDS = 8  # of finding the smallest effect: held-out customers vary less, having fewer outcomes


@dataclass(frozen=True)
class Sample:
    """Outcomes a customer over the last weeks of the data, which an experiment would meet again."""

    weeks: int
    customers: int
    """At risk at the end of the data: who could be in an experiment now."""
    amount: Floats
    chance: Floats  # share of customers who had so many
    change: Floats  # by cluster, where customers are not split: of the rate
    sizes: Floats  # their customers

    @property
    def mean(self) -> float:
        return float(self.amount @ self.chance)

    def error(self, share: float, effect: float = 0.0) -> tuple[float, float]:
        """Standard error of treated less held out, and its degrees of freedom."""
        if len(self.change):
            n, count = self.sizes / self.sizes.mean(), len(self.sizes)
            spread = ((n * (self.change - (n * self.change).mean())) ** 2).sum() / (count - 1)
            held = round(share * count)
            return float(np.sqrt(spread * (1 / held + 1 / (count - held)))), count - 2.0
        kept = self.without(effect)
        own = self.amount**2 @ self.chance - self.mean**2
        less = self.amount**2 @ kept - (self.amount @ kept) ** 2
        n = self.customers * np.array([1 - share, share])
        return float(np.sqrt(own / n[0] + less / n[1])), float(n.sum() - 2)

    def without(self, effect: float) -> Floats:
        """Chances where each outcome is left out at random, until `effect` a customer is gone."""
        lost = float(np.clip(effect / self.mean, 0, 1)) if self.mean > 0 else 0.0
        kept = stats.binom.pmf(self.amount[:, None], self.amount[None], 1 - lost)
        return np.asarray(kept @ self.chance)

    def carries(self, share: float) -> bool:
        """Say whether both arms would have their clusters, or outcomes enough for a normal mean."""
        if len(self.change):
            return round(share * len(self.change)) >= FEWEST_CLUSTERS
        left = self.mean - self.detectable(share)
        return share * self.customers * left >= FEWEST_LEFT

    def detectable(self, share: float) -> float:
        """The smallest effect a customer that four experiments in five would find."""
        effect = 0.0
        for _ in range(ROUNDS):
            se, freedom = self.error(share, effect)
            effect = se * float(stats.t.ppf([0.5 + LEVEL / 2, POWER], freedom).sum())
        return effect


def simulate_power(
    sample: Sample, share: float, effect: float, *, repeats: int = 1000, seed: int = 1
) -> float:
    """Share of experiments that find an effect a customer, on customers drawn from the data's own.

    Clusters are dealt to the arms anew each time, with the change that they had.
    """
    random = np.random.default_rng(seed)
    if len(sample.change):
        held = np.arange(len(sample.change)) < round(share * len(sample.change))
        lots = [random.permutation(held) for _ in range(repeats)]
        found = [cluster_difference(sample.change + effect * ~a, sample.sizes, a) for a in lots]
        difference, se, freedom = np.array(found).T
    else:
        means, errors = [], []
        for part, chance in ((1 - share, sample.chance), (share, sample.without(effect))):
            n = round(part * sample.customers)
            drawn = random.multinomial(n, chance / chance.sum(), repeats) / n
            means.append(drawn @ sample.amount)
            errors.append((drawn @ sample.amount**2 - means[-1] ** 2) / (n - 1))
        difference, se = means[0] - means[1], np.sqrt(errors[0] + errors[1])
        freedom = np.full(repeats, sample.customers - 2.0)
    return float((np.abs(difference) > stats.t.ppf(0.5 + LEVEL / 2, freedom) * se).mean())


def sample_weeks(data: Dataset, risk: Risk, weeks: int, by: str | None = None) -> Sample | None:
    """Take the outcomes of those at risk over the last `weeks`; None where the data is shorter."""
    windows = risk_windows(data, risk)
    ends = windows.aggregate(first=windows.start.min(), last=windows.stop.max()).to_pandas()
    first, last = ends.iloc[0]
    begun = last - weeks * WEEK * DAY_SECONDS
    customers = int(at_the_end(data, risk).count().to_pyarrow().as_py())
    if not first + DAY_SECONDS <= begun or customers < 2:
        return None
    there = windows.filter((windows.start <= begun) & (windows.stop > begun))
    rows = with_amounts(data, risk, counted(data, risk, places(there, begun, last)))
    table = rows.group_by("amount").aggregate(n=rows.count()).to_pandas()
    counts = np.bincount(table.amount.astype(int), table.n, minlength=1)
    change = sizes = np.empty(0)
    if by is not None:
        found, _ = cluster_changes(data, risk, there.select("customer_id"), (begun, last), by)
        change, sizes = found.change.to_numpy(float), found.n.to_numpy(float)
        need_clusters(by, len(change))
    chance = (counts / max(counts.sum(), 1.0)).astype(float)
    return Sample(weeks, customers, np.arange(len(counts)).astype(float), chance, change, sizes)


def at_the_end(data: Dataset, risk: Risk) -> ir.Table:
    """Customers at risk when the data ends, who could be in an experiment now: customer_id."""
    windows = risk_windows(data, risk)
    last = windows.stop.max().to_pyarrow().as_py() or 0.0
    return windows.filter(windows.stop >= last - DAY_SECONDS).select("customer_id")


def value_of_information(
    mean: npt.ArrayLike, prior: npt.ArrayLike, error: npt.ArrayLike
) -> tuple[Floats, Floats]:  # fmt: skip
    """Value of a result before a decision to keep or stop, and the chance that it turns it round.

    The pay-off is normal, and kept if above 0; `prior` and `error` are the variances of what is
    believed and of the result. The mean after it is normal with variance s^2 = prior^2 /
    (prior + error), and the value s phi(m / s) - |m| Phi(-|m| / s) [Raiffa & Schlaifer 1961].

    >>> [found.round(4).tolist() for found in value_of_information([0.0, 2.0], 1.0, [0.0, 1.0])]
    [[0.3989, 0.0005], [0.5, 0.0023]]
    """
    m, before = np.abs(np.asarray(mean, dtype=float)), np.asarray(prior, dtype=float)
    s = before / np.sqrt(np.maximum(before + np.asarray(error, dtype=float), 1e-300))
    far = m / np.maximum(s, 1e-300)
    worth = np.maximum(s * stats.norm.pdf(far) - m * stats.norm.cdf(-far), 0.0)
    return np.asarray(worth), np.asarray(stats.norm.cdf(-far))


def need_clusters(by: str, count: int) -> None:
    """Refuse a trait with too few groups to hold some of them back."""
    if count < CLUSTERS:
        wrong = f"{by} sorts customers into {count} groups, at least {CLUSTERS} are needed"
        raise TooThin(f"by: {wrong}\n  group by something finer, such as stores or postcodes")
