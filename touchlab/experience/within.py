"""Least squares within groups, whole and without some customers; groups drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from touchlab.numeric import GROUPS, LEFT_OUT, Floats, jackknife

Codes = npt.NDArray[np.int64]
NOTHING, TINY, ALIKE = 1e-8, 1e-10, 1e-6
"""Share of a column that is left beside the others, below which they determine it; of what is
inverted, that is nothing; error of levels whose rows are all alike."""
DRAWS, SPREADS, WIDEST = 4_000, 200, 5.0


@dataclass(frozen=True)
class Within:
    """Rows of columns, each code with its own mean; all sums whole, then without each `group`."""

    columns: Floats
    """(rows, columns)"""
    code: Codes
    group: Codes

    @cached_property
    def n(self) -> Floats:
        """(sets, codes): rows."""
        return self._by_code(None)

    @cached_property
    def means(self) -> Floats:
        """(sets, codes, columns); not known of codes without rows."""
        sums = np.stack([self._by_code(own) for own in self.columns.T], axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums / self.n[:, :, None])

    @cached_property
    def products(self) -> Floats:
        """(sets, columns, columns): cross products around the means."""
        parts = (self.columns[self.group == g] for g in range(GROUPS))
        whole = np.tensordot(LEFT_OUT, np.stack([own.T @ own for own in parts]), 1)
        means = np.nan_to_num(self.means)
        return np.asarray(whole - np.einsum("sc,scv,scw->svw", self.n, means, means))

    def slope(self, y: int, x: int, others: Sequence[int], *, by: int | None = None) -> Floats:
        """(sets,): of y on x, others held constant; `by` moves x and is not moved by y.

        Without `by` that is least squares, with it two-stage least squares. Sets that leave out a
        group without rows, and columns that the others determine, have none.
        """
        z, rest = x if by is None else by, list(others)
        inner = self.products[:, rest][:, :, rest]
        inverse = np.linalg.pinv(inner, rcond=TINY, hermitian=True)

        def left(a: int, b: int) -> Floats:
            both = self.products[:, a, rest], inverse, self.products[:, rest, b]
            return np.asarray(self.products[:, a, b] - np.einsum("si,sij,sj->s", *both))

        told = np.ones(GROUPS + 1, dtype=bool)
        for one in (x, z):
            told &= left(one, one) > NOTHING * self.products[:, one, one]
        told[1:] &= np.isin(np.arange(GROUPS), self.group)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(told, left(z, y) / left(z, x), np.nan)

    def levels(self, y: int, others: Sequence[int], of: Sequence[int] = ()) -> Floats:
        """(sets, codes): y of each code less the mean of all, others held constant.

        With `of`: only what those of the others come to.
        """
        rest = list(others)
        inner = self.products[:, rest][:, :, rest]
        inverse = np.linalg.pinv(inner, rcond=TINY, hermitian=True)
        given = np.einsum("sij,sj->si", inverse, self.products[:, rest, y])
        if of:
            part = [rest.index(one) for one in of]
            found = np.einsum("scv,sv->sc", self.means[:, :, list(of)], given[:, part])
        else:
            found = self.means[:, :, y] - np.einsum("scv,sv->sc", self.means[:, :, rest], given)
        weight = self.n / self.n.sum(axis=1, keepdims=True)
        return np.asarray(found - np.nansum(weight * found, axis=1, keepdims=True))

    def _by_code(self, weights: Floats | None) -> Floats:
        codes = int(self.code.max()) + 1
        sums = np.bincount(self.group * codes + self.code, weights, GROUPS * codes)
        return np.asarray(LEFT_OUT @ sums.reshape(GROUPS, codes))


def errors(found: Floats, n: Floats) -> Floats:
    """Standard errors of levels (sets, codes) of n rows: one spread of rows for all codes.

    A code that few customers are behind does not know its own error well enough.
    """
    own = jackknife(found[0], found[1:])[0]
    told = np.isfinite(own)
    usual = np.average(own[told] ** 2 * n[told], weights=n[told]) if told.any() else np.nan
    return np.maximum(np.sqrt(usual / n), ALIKE)


def draw_together(level: Floats, error: Floats, *, seed: int = 7) -> Floats:
    """(draws, groups): what groups may truly be, when each is one of many alike.

    Normal levels around a centre, normal errors, flat priors of centre and spread: drawn from the
    posterior [Rubin 1981; Gelman et al., Bayesian Data Analysis, 5.4].

    >>> drawn = draw_together(np.array([-4.0, 0.0, 4.0]), np.array([4.0, 1.0, 4.0]))
    >>> bool(-4 < drawn[:, 0].mean() < -0.2)
    True
    """
    random = np.random.default_rng(seed)
    spreads = np.linspace(0, WIDEST * max(float(level.std()), TINY), SPREADS)
    weight = 1 / (error**2 + spreads[:, None] ** 2)
    total = weight.sum(axis=1)
    centre = weight @ level / total
    fit = np.log(weight).sum(axis=1) - np.log(total)
    fit -= (weight * (level - centre[:, None]) ** 2).sum(axis=1)
    chance = np.exp((fit - fit.max()) / 2)
    place = random.choice(SPREADS, DRAWS, p=chance / chance.sum())
    middle = centre[place] + random.standard_normal(DRAWS) / np.sqrt(total[place])
    kept = spreads[place, None] ** 2 * weight[place]
    noise = random.standard_normal((DRAWS, len(level))) * error * np.sqrt(kept)
    return np.asarray(middle[:, None] + kept * (level - middle[:, None]) + noise)
