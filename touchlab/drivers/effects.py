"""Log hazard ratios of touchpoints at moments, alone and in pairs, and games on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np

from touchlab.numeric import Floats

Pairs = tuple[tuple[int, int], ...]
NOTHING = 1e-200
"""A sum below it is as good as none, and safe to divide by."""
MOST = 30.0
"""Log of the largest hazard ratio that is told from a larger one."""


@dataclass(frozen=True)
class Ratios:
    """What each touchpoint, and each pair, adds to the log hazard at each moment.

    `single` has shape (touchpoints, moments), `joint` (pairs, moments).
    """

    single: Floats
    pairs: Pairs = ()
    joint: Floats = field(default_factory=lambda: np.zeros((0, 1)))

    @classmethod
    def within_reason(cls, single: Floats, pairs: Pairs, joint: Floats) -> Ratios:
        """Ratios that cannot overflow: beyond exp(30), more says no more."""
        return cls(single.clip(-MOST, MOST), pairs, joint.clip(-MOST, MOST))

    @cached_property
    def each(self) -> Floats:
        """(touchpoints, moments): what goes when one touchpoint goes, its pairs with it."""
        if not self.pairs:
            return self.single
        lost = self.single.copy()
        for pair, own in zip(self.pairs, self.joint, strict=True):
            lost[list(pair)] += own
        return lost

    @cached_property
    def whole(self) -> Floats:
        """(moments,): what goes when all go."""
        return self.single.sum(axis=0) + self.joint.sum(axis=0)

    @cached_property
    def tied(self) -> tuple[tuple[int, ...], ...]:
        """Touchpoints that pairs tie together, in groups."""
        return tie(self.pairs)

    def along(self, q: float) -> tuple[Floats, Floats]:
        """Hazard ratio over baseline if each touchpoint counts with probability q, and its slopes.

        The multilinear extension of r(S) [Owen 1972]: a product over touchpoints without
        pairs, a sum over coalitions within each tied group. The value has shape (moments,),
        the slope in each touchpoint's own probability (touchpoints, moments).
        """
        gain = np.expm1(self.single)
        factor = 1 + q * gain
        slopes = gain / factor
        alone = np.ones(len(self.single), dtype=bool)
        alone[[t for group in self.tied for t in group]] = False
        value = np.prod(factor[alone], axis=0)
        for group in self.tied:
            own, own_slopes = self._along_tied(group, q)
            value = value * own
            slopes[list(group)] = own_slopes / own
        return value, value * slopes

    def _along_tied(self, group: tuple[int, ...], q: float) -> tuple[Floats, Floats]:
        value = np.zeros(self.single.shape[1])
        slopes = np.zeros((len(group), len(value)))
        for counts in product((False, True), repeat=len(group)):
            inside = {t for t, counted in zip(group, counts, strict=True) if counted}
            joint = [i for i, pair in enumerate(self.pairs) if inside.issuperset(pair)]
            log_ratio = self.single[sorted(inside)].sum(axis=0) + self.joint[joint].sum(axis=0)
            own = np.exp(log_ratio) * np.prod(np.where(counts, q, 1 - q))
            value += own
            slopes += own / np.where(counts, q, q - 1)[:, None]
        return value, slopes


def tie(pairs: Pairs) -> tuple[tuple[int, ...], ...]:
    """Group touchpoints that are connected by pairs.

    >>> tie(((0, 1), (4, 5), (1, 3)))
    ((0, 1, 3), (4, 5))
    """
    groups: list[set[int]] = []
    for pair in pairs:
        met = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in met] + [set(pair).union(*met)]
    return tuple(sorted(tuple(sorted(group)) for group in groups))


@dataclass(frozen=True)
class Ahead:
    """What is still ahead of each moment, for outcomes that come once; `hazard` a draw of it."""

    ratios: Ratios
    hazard: Floats
    """(moments * draws,), the draws of one moment together."""
    moments: int
    room: Floats | float = np.inf
    """(moments,): outcomes that a moment can gain, as no customer has more than one."""

    def gather(self, values: Floats) -> Floats:
        """Add up (..., moments * draws) by moment."""
        return values.reshape(*values.shape[:-1], self.moments, -1).sum(axis=-1)


def removal(expected: Floats, ratios: Ratios, cells: Floats, ahead: Ahead | None = None) -> Floats:
    """Expected outcomes lost when one touchpoint is removed; (touchpoints, cells).

    At a moment that is expected * (1 - exp(-beta s(A))). `expected` has shape (moments,),
    `cells` (moments, cells): the weight of each moment in each segment.

    >>> doubling = Ratios(np.log([[2.0, 1.0]]))              # one touchpoint at two moments
    >>> removal(np.array([10.0, 5.0]), doubling, np.ones((2, 1))).tolist()
    [[5.0]]
    """
    return lost(expected, lambda found: found.each, ratios, ahead) @ cells


def baseline(expected: Floats, ratios: Ratios, cells: Floats, ahead: Ahead | None = None) -> Floats:
    """Expected outcomes without any touchpoint; (cells,)."""
    return (expected - lost(expected, lambda found: found.whole, ratios, ahead)) @ cells


def lost(
    expected: Floats, gone: Callable[[Ratios], Floats], ratios: Ratios, ahead: Ahead | None
) -> Floats:
    """Outcomes lost at each moment, if part of the log hazard goes.

    For outcomes that come once, who does not have it at a moment may have it later all the same:
    it is lost for good with the chance exp(-H0) to get through the time ahead without it
    (docs/decisions/0022).
    """
    fewer = expected * -np.expm1(-gone(ratios))
    if ahead is None:
        return fewer
    without = ahead.gather(ahead.hazard * np.exp(-gone(ahead.ratios)))
    return np.maximum(fewer, -ahead.room) * np.exp(-without)


def fair_shares(
    expected: Floats, ratios: Ratios, cells: Floats, ahead: Ahead | None = None
) -> Floats:
    """Shapley shares of expected minus baseline; (touchpoints, cells), at any number.

    The game is v(S) = sum of base * r(S). Its multilinear extension along the diagonal
    is a polynomial of degree `touchpoints` in q, and the shares are integrals of its
    slopes, which Gauss-Legendre quadrature with half as many nodes gives exactly
    [Owen 1972]. No coalition of all touchpoints is enumerated.

    With `ahead`, v(S) = sum of (base * r(S) - expected) exp(-H(S)): the exponent too is extended
    along the diagonal. Shares then add up as before, but are those of a game that differs
    from v by the variance of H(S) over coalitions. Where `room` holds a moment back, all shares
    give way in proportion.
    """
    count = len(ratios.single)
    order, shares = count // 2 + (1 if ahead is None else 8), np.zeros((count, len(expected)))
    for _, weight, _, slopes in along_diagonal(expected, ratios, ahead, order):
        shares += weight * slopes
    if ahead is not None:
        left = lost(expected, lambda found: found.whole, ratios, ahead) - shares.sum(axis=0)
        shares = share_rest(shares, left, np.abs(ratios.each))
    return shares @ cells


def along_diagonal(
    expected: Floats, ratios: Ratios, ahead: Ahead | None, order: int
) -> Iterator[tuple[float, float, Floats, Floats]]:
    """Go along the diagonal of the game: node and weight of the quadrature, what the game is
    worth beyond `expected`, (moments,), and its slopes, (touchpoints, moments)."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    base = expected * np.exp(-ratios.whole)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        value, slopes = ratios.along(float(node))
        beyond, slopes = base * value - expected, base * slopes
        if ahead is not None:
            without = ahead.hazard * np.exp(-ahead.ratios.whole)
            met, met_slopes = ahead.ratios.along(float(node))
            through = np.exp(-ahead.gather(without * met))
            slopes = (slopes - beyond * ahead.gather(without * met_slopes)) * through
            beyond = beyond * through
        yield float(node), float(weight), beyond, slopes


def share_rest(shares: Floats, left: Floats, otherwise: Floats) -> Floats:
    """Shares (touchpoints, moments) with what is left over, (moments,), in proportion to them.

    Where all are 0 (a hazard so steep that all nodes lie beyond its rise) in proportion to
    `otherwise`.
    """
    size = np.abs(shares)
    size = np.where(size.sum(axis=0) > NOTHING, size, otherwise)
    return shares + left * size / np.maximum(size.sum(axis=0), NOTHING)
