"""What the advised next touch would have brought in experiments, by who happened to get it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from touchlab.drivers.arms import with_amounts
from touchlab.drivers.experiments import Holdouts
from touchlab.errors import TooThin
from touchlab.moments.look import look
from touchlab.next.touch import NONE, NextTouch
from touchlab.numeric import Floats, one_thread

DRAWS, FEWEST = 1_000, 30
COLUMNS = ["touchpoint", "share", "advised", "everybody", "gain", "ci_low", "ci_high", "n"]
TOO_FEW = (
    "No experiment has 30 customers in each arm for whom the next touch is its touchpoint, or is "
    "another: with them, what the advice would have brought is shown here."
)


@one_thread
def policy_value(advice: NextTouch, experiments: Holdouts, *, seed: int = 1) -> pd.DataFrame:
    """What would experiments have brought, had a touchpoint gone only to those it is advised for?

    It says nothing of touches that no experiment held back. The advice was found on the same
    data, and is flattered by that.

    Parameters
    ----------
    advice
        Of ``next_touch``.
    experiments
        Of ``holdout_effects``: arms by lot, for the same outcome.
    seed
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        A row an experiment's touchpoint: ``touchpoint, share`` (of its customers for whom it is
        next when the experiment begins), ``advised, everybody`` (outcomes of 1,000 customers, if
        those get it, and if all do), ``gain, ci_low, ci_high`` (advised less everybody) and ``n``.

    Raises
    ------
    TooThin
        Where no experiment has enough customers of each kind in each arm.

    Notes
    -----
    Customers whose arm is what was advised stand for all, weighted by one over the chance of
    their arm, and divided by the sum of the weights [Hajek 1971; Swaminathan & Joachims 2015].
    Intervals: 1,000 bootstrap samples of customers.
    """
    moments = advice.states.drivers.moments
    units = with_amounts(experiments.data, experiments.risk, experiments.units).to_pandas()
    units = units.sort_values(["touchpoint", "customer_id"], ignore_index=True)
    asked = units[["customer_id", "start"]].assign(time=units.start)
    points = look(
        moments.data, asked, touchpoints=moments.touches.index, half_lives=moments.half_lives,
        origin=moments.start_seconds,
    )  # fmt: skip
    units["next"] = np.append(advice.policy.next, NONE)[advice.states.of(points)]
    rows = []
    for name, own in units.groupby("touchpoint"):
        given, wanted = (own.arm == "treated").to_numpy(), (own.next == name).to_numpy()
        sizes = pd.crosstab(given, wanted).to_numpy()
        if len(sizes) < 2 or sizes.min() < FEWEST or wanted.all():
            continue
        drawn = worth(given, wanted, own.amount.to_numpy(float), seed)
        ends = np.quantile(drawn[1:, 0] - drawn[1:, 1], [0.025, 0.975])
        row = [name, wanted.mean(), *drawn[0], drawn[0, 0] - drawn[0, 1], *ends, len(own)]
        rows.append(dict(zip(COLUMNS, row, strict=True)))
    if not rows:
        raise TooThin(TOO_FEW)
    return pd.DataFrame(rows)


def worth(
    given: npt.NDArray[np.bool_], wanted: npt.NDArray[np.bool_], amount: Floats, seed: int
) -> Floats:
    """Outcomes of 1,000 customers as advised and if all get it, then resampled; (1 + draws, 2).

    >>> arm, advised = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    >>> worth(arm, advised, np.array([4.0, 1.0, 2.0, 3.0]), 1)[0].tolist()
    [3500.0, 2500.0]
    """
    chance = np.where(given, given.mean(), 1 - given.mean())
    weights = np.array([(given == wanted) / chance, given / chance])
    random, found = np.random.default_rng(seed), []
    for draw in range(DRAWS + 1):
        own = weights * (random.poisson(1.0, len(given)) if draw else 1.0)
        found.append(1000 * (own @ amount) / own.sum(axis=1))
    return np.array(found)
