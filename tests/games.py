"""Shapley values of any game, by their formula: what closed forms are held against."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from touchlab.errors import ParameterError

MAX_PLAYERS = 20


def shapley_values(worth: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Share out the worth of the grand coalition by the Shapley formula, exactly.

    `worth` has 2^n numbers; entry S is that of the players whose bits are set in S.

    >>> shapley_values([0, 1, 2, 5]).tolist()   # alone 1 and 2, together 5
    [2.0, 3.0]
    """
    values = np.asarray(worth, dtype=float)
    n = int(values.size).bit_length() - 1
    if values.ndim != 1 or not 1 <= n <= MAX_PLAYERS or values.size != 1 << n:
        raise ParameterError(
            f"shapley_values: {values.size} worths\n"
            f"  give 2^n of them, one for each coalition of n = 1 to {MAX_PLAYERS} players"
        )
    coalition = np.arange(values.size)
    size = np.array([int(c).bit_count() for c in coalition])
    weight = np.array([1.0 / (n * math.comb(n - 1, s)) for s in range(n)])
    shares = np.empty(n)
    for player in range(n):
        without = coalition[(coalition >> player) & 1 == 0]
        gain = values[without | (1 << player)] - values[without]
        shares[player] = (weight[size[without]] * gain).sum()
    return shares
