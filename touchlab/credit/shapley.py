"""Shapley values of any game given as a table of coalition worths."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from touchlab.errors import ParameterError

MAX_PLAYERS = 20


def shapley_values(worth: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Share out the worth of the grand coalition by the Shapley formula, exactly.

    The credit model ``shapley`` does not need it: for the game v(S) = outcomes of
    journeys whose touchpoints all lie in S, the value is each outcome in equal
    parts to the distinct touchpoints of its journey [Zhao, Mahboobi, Bagheri
    2018], at any number of touchpoints. This is for games without such a form.

    Parameters
    ----------
    worth
        2^n numbers; entry S is the worth of the players whose bits are set in S.

    Returns
    -------
    numpy.ndarray
        n values that add up to ``worth[-1] - worth[0]``.

    Raises
    ------
    ParameterError
        If the length is no power of two, or there are more than 20 players.

    Examples
    --------
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
