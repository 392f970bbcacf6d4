"""The world that path models assume: a whole journey decides at once, without time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from touchlab.errors import ParameterError
from touchlab.simulate.draws import Flags, Floats, uniform_at
from touchlab.simulate.rules import is_number
from touchlab.simulate.tables import check_seed

START = np.datetime64("2025-01-01T00:00:00", "us")
HOURS = np.timedelta64(3600, "s").astype("timedelta64[us]")
DAYS = 180


def simulate_paths(
    powers: Mapping[str, float],
    *,
    customers: int = 30_000,
    touch_chance: float = 0.3,
    baseline: float = 0.02,
    seed: int,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """One journey a customer, in which every touchpoint met has one independent chance.

    A customer meets each touchpoint with chance `touch_chance`, in random order, an hour
    apart. The journey converts unless the baseline and all touchpoints met fail:
    P = 1 - (1 - baseline) * product of (1 - power). Order and time do nothing. This does not
    show how a method copes with time, repetition or customers who were never watched.

    Parameters
    ----------
    powers : mapping of touchpoint to float
        Chance, from 0 to 1, that meeting the touchpoint alone converts.
    customers : int
    touch_chance, baseline : float
        Chances from 0 to 1.
    seed : int

    Returns
    -------
    tables : dict of DataFrame
        touches, outcomes and customers of the data contract.
    truth : DataFrame
        outcome, touchpoint, incremental_direct and incremental_total (equal here: journeys
        that would not have converted without it), outcomes, baseline (the same random
        numbers without touchpoints), power.

    Raises
    ------
    ParameterError
        If a chance is not from 0 to 1, or `customers` or `seed` is out of range.

    Examples
    --------
    >>> tables, truth = simulate_paths({"ad": 0.1, "idle": 0.0}, customers=1000, seed=1)
    >>> truth.set_index("touchpoint")["incremental_direct"]["idle"]
    np.float64(0.0)
    """
    check_paths(powers, customers, touch_chance, baseline)
    check_seed(seed)
    everyone = np.arange(customers)
    met = np.array([uniform_at(seed, f"met {name}", everyone) < touch_chance for name in powers])
    worked = np.array(
        [uniform_at(seed, f"works {name}", everyone) < power for name, power in powers.items()]
    )
    alone = uniform_at(seed, "baseline", everyone) < baseline
    converted = alone | (met & worked).any(axis=0)
    order = np.array([uniform_at(seed, f"order {name}", everyone) for name in powers])
    tables = path_tables(list(powers), met, order, converted)
    return tables, path_truth(powers, met & worked, alone)


def path_tables(
    names: list[str], met: Flags, order: Floats, converted: Flags
) -> dict[str, pd.DataFrame]:
    everyone = np.arange(met.shape[1])
    ids = pd.array([f"c-{number + 1:05d}" for number in everyone], dtype="str")
    # Touchpoints not met sort last, so that ranks of the others count hours without gaps.
    rank = np.where(met, order, 2.0).argsort(axis=0).argsort(axis=0)
    touchpoint, customer = np.nonzero(met)
    hour = rank[touchpoint, customer]
    touches = pd.DataFrame(
        {
            "customer_id": ids.take(customer),
            "timestamp": START + (customer % DAYS * 24 + hour) * HOURS,
            "touchpoint": pd.array(names, dtype="str").take(touchpoint),
        }
    )
    end = START + (everyone % DAYS * 24 + met.sum(axis=0)) * HOURS
    outcomes = pd.DataFrame(
        {
            "customer_id": ids[converted],
            "timestamp": end[converted],
            "outcome": pd.array(["conversion"] * int(converted.sum()), dtype="str"),
        }
    )
    until = np.full(len(ids), START + (DAYS + 1) * 24 * HOURS)
    customers = pd.DataFrame(
        {"customer_id": ids, "observed_from": np.full(len(ids), START), "observed_to": until}
    )
    touches = touches.sort_values(["customer_id", "timestamp"], ignore_index=True)
    return {"touches": touches, "outcomes": outcomes, "customers": customers}


def path_truth(powers: Mapping[str, float], hits: Flags, alone: Flags) -> pd.DataFrame:
    """A touchpoint made the difference where it was the only one that worked."""
    only_one = (hits.sum(axis=0) == 1) & ~alone
    incremental = (hits & only_one).sum(axis=1).astype(float)
    return pd.DataFrame(
        {
            "outcome": pd.array(["conversion"] * len(powers), dtype="str"),
            "touchpoint": pd.array(list(powers), dtype="str"),
            "incremental_direct": incremental,
            "incremental_total": incremental,
            "outcomes": float((alone | hits.any(axis=0)).sum()),
            "baseline": float(alone.sum()),
            "power": list(powers.values()),
        }
    )


def check_paths(
    powers: Mapping[str, float], customers: int, touch_chance: float, baseline: float
) -> None:
    if not powers:
        raise ParameterError("powers: no touchpoint was given; give at least one: {'ad': 0.1}")
    if not isinstance(customers, int) or isinstance(customers, bool) or customers < 1:
        raise ParameterError(
            f"customers: {customers!r} was given; it must be a whole number, 1 or more"
        )
    chances = {f"powers[{name!r}]": power for name, power in powers.items()}
    for name, chance in (chances | {"touch_chance": touch_chance, "baseline": baseline}).items():
        if not (is_number(chance) and 0 <= chance <= 1):
            raise ParameterError(
                f"{name}: {chance!r} was given; it must be a chance from 0 to 1; 0.1 is 10 %"
            )
