"""Incremental outcomes: what would not have happened without a touchpoint.

Every moment carries its expected events mu; with hazard ratio r_k at the moment,
touchpoint k alone accounts for mu (1 - 1 / r_k). Moments and events together are
one sample of all time at risk with weight mu, and mu adds up to the observed
outcomes (the score equation of the intercept), so expected is observed.

An outcome that comes once leaves fewer at risk the more often it comes. Without k,
those whom it took would still be at risk, and the hazard h0 meets exp(H1 - H0) times
as many: H are the hazards accumulated since the start of risk, over draws from the
customer's own past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from touchlab.drivers.ratios import Ratios

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Past:
    """Draws from the past of every moment: `hazard` is what each adds to its H1."""

    ratios: Ratios
    hazard: Floats
    """(moments * draws,), the draws of one moment together."""
    moments: int

    def gather(self, values: Floats) -> Floats:
        """Add up (..., moments * draws) by moment."""
        return values.reshape(*values.shape[:-1], self.moments, -1).sum(axis=-1)


def removal(
    expected: Floats, log_ratio: Floats | Ratios, cells: Floats, past: Past | None = None
) -> Floats:
    """Expected outcomes lost when one touchpoint is removed; (touchpoints, cells).

    `expected` (moments,), `log_ratio` (touchpoints, moments) or Ratios, `cells`
    (moments, cells): the weight of each moment in each segment.

    Examples
    --------
    >>> import numpy as np
    >>> doubling = np.log([[2.0, 1.0]])              # one touchpoint at two moments
    >>> removal(np.array([10.0, 5.0]), doubling, np.ones((2, 1))).tolist()
    [[5.0]]
    """
    left = -_ratios(log_ratio).each
    if past is not None:
        left = left + past.gather(past.hazard * -np.expm1(-past.ratios.each))
    return (expected * -np.expm1(left)) @ cells


def baseline(
    expected: Floats, log_ratio: Floats | Ratios, cells: Floats, past: Past | None = None
) -> Floats:
    """Expected outcomes without any touchpoint; (cells,)."""
    left = -_ratios(log_ratio).whole
    if past is not None:
        left = left + past.gather(past.hazard * -np.expm1(-past.ratios.whole))
    return (expected * np.exp(left)) @ cells


def fair_shares(
    expected: Floats, log_ratio: Floats | Ratios, cells: Floats, past: Past | None = None
) -> Floats:
    """Shapley shares of expected minus baseline; (touchpoints, cells), at any number.

    The game is v(S) = sum of base * r(S). Its multilinear extension along the diagonal
    is a polynomial of degree `touchpoints` in q, and the shares are integrals of its
    slopes, which Gauss-Legendre quadrature with half as many nodes gives exactly
    [Owen 1972]. No coalition of all touchpoints is enumerated.

    With `past`, v(S) = sum of base * r(S) exp(H1 - H(S)): the exponent too is extended
    along the diagonal. Shares then add up as before, but are those of a game that differs
    from v by the variance of H(S) over coalitions (docs/decisions/0006).
    """
    ratios = _ratios(log_ratio)
    count = len(ratios.single)
    nodes, weights = np.polynomial.legendre.leggauss(count // 2 + (1 if past is None else 8))
    base = expected * np.exp(-ratios.whole)
    shares = np.zeros((count, cells.shape[1]))
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        value, slopes = ratios.along(float(node))
        if past is not None:
            without = past.hazard * np.exp(-past.ratios.whole)
            past_value, past_slopes = past.ratios.along(float(node))
            again = np.exp(past.gather(past.hazard - without * past_value))
            slopes = again * (slopes - value * past.gather(without * past_slopes))
        shares += weight * ((base * slopes) @ cells)
    return shares


def _ratios(given: Floats | Ratios) -> Ratios:
    if isinstance(given, Ratios):
        return given
    return Ratios(given, (), np.zeros((0, given.shape[1])))
