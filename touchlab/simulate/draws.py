"""Random numbers with an address, so that a rerun meets the same ones again.

Whatever is switched off in a world, every other number stays as it was: streams are
keyed by (seed, name), numbers of single events by (seed, name, customer, second).
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def stream(seed: int, name: str, repeat: int = 0) -> np.random.Generator:
    """A generator of its own for one purpose.

    Examples
    --------
    >>> stream(1, "a").random() == stream(1, "a").random()
    True
    >>> stream(1, "a").random() == stream(1, "b").random()
    False
    """
    # crc32 and not hash(): the latter changes from one Python process to the next.
    key = np.random.SeedSequence([seed, crc32(name.encode()), repeat])
    return np.random.Generator(np.random.Philox(key))


def uniform_at(seed: int, name: str, customer: npt.ArrayLike, second: npt.ArrayLike = 0) -> Floats:
    """One uniform number in (0, 1) for each address: splitmix64 of customer and second.

    The numbers do not depend on how many addresses are asked for, or in which order.

    Examples
    --------
    >>> uniform_at(1, "cost", [3, 4], [50, 50])[1] == uniform_at(1, "cost", 4, 50)
    np.True_
    """
    key = np.random.SeedSequence([seed, crc32(name.encode())])
    start = key.generate_state(1, dtype=np.uint64)[0]
    places = np.asarray(customer).astype(np.uint64)
    with np.errstate(over="ignore"):  # hashing is arithmetic modulo 2^64
        mixed = splitmix64(start + splitmix64(places))
        mixed = splitmix64(mixed + np.asarray(second).astype(np.uint64))
    return ((mixed >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52


def normal_at(seed: int, name: str, customer: npt.ArrayLike, second: npt.ArrayLike = 0) -> Floats:
    """One standard normal number for each address, as `uniform_at`."""
    return np.asarray(ndtri(uniform_at(seed, name, customer, second)))


def splitmix64(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of Steele, Lea and Flood (2014), one step."""
    z = state + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
