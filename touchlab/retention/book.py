"""Customers in memory with their order counts: what every figure of lifetime value reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from touchlab.retention import bgnbd, gamma_gamma
from touchlab.retention.bags import Places
from touchlab.retention.newton import Floats
from touchlab.retention.purchases import DAY, group_codes


@dataclass(frozen=True)
class Book:
    """Customers in memory: a row each, merged where they are alike."""

    frame: pd.DataFrame
    rows: bgnbd.Alike
    place: Places

    @cached_property
    def groups(self) -> tuple[Places, list[str]]:
        return group_codes(self.frame)

    @property
    def bag(self) -> Places:
        return self.frame.bag.to_numpy()

    @property
    def spent(self) -> tuple[Floats, Floats]:
        """Repeat orders with a value, and what they are worth on average."""
        value = self.frame.value.fillna(0.0).to_numpy(float)
        return self.frame.valued.to_numpy(float), value

    @cached_property
    def ages(self) -> tuple[Floats, Floats, Places]:
        """What the future of a customer alive depends on: frequency and age, each pair once."""
        pairs = np.column_stack([self.rows.frequency, self.rows.age])
        distinct, place = np.unique(pairs, axis=0, return_inverse=True)
        return distinct[:, 0], distinct[:, 1], place.ravel()

    def expected(self, rates: Floats, ahead: Floats | float, discount: float = 0.0) -> Floats:
        """Expected purchases of each customer in the weeks `ahead`, one number or by age."""
        frequency, age, place = self.ages
        weeks = np.broadcast_to(np.asarray(ahead, dtype=float), age.shape)
        if_alive = bgnbd.expected_if_alive(rates, frequency, age, weeks, discount=discount)
        return (bgnbd.chance_alive(rates, self.rows) * if_alive[place])[self.place]

    def alive_by_age(self, rates: Floats, power: int) -> Floats:
        """Sum of P(alive) to a power over the customers of each pair of `ages`."""
        alive = bgnbd.chance_alive(rates, self.rows) ** power
        frequency, _, place = self.ages
        sums = np.bincount(place, weights=self.rows.weight * alive, minlength=len(frequency))
        return sums.astype(float)

    def expected_value(self, spend: Floats) -> Floats:
        """Expected value of the next order of each customer."""
        return gamma_gamma.expected_value(spend, *self.spent)


def open_book(frame: pd.DataFrame) -> Book:
    columns = (frame[name].to_numpy(float) for name in ("frequency", "recency", "age"))
    return Book(frame, *bgnbd.merge_alike(*columns, unit=DAY))
