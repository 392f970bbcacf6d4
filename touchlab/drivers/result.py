"""Fitted drivers, and the amounts of outcomes that they come to, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.customers import UNKNOWN, need_group
from touchlab.drivers import effects
from touchlab.drivers.effects import Past, Ratios
from touchlab.drivers.hazard import regression
from touchlab.drivers.induced import Induced, follow_induced
from touchlab.drivers.model import Earlier, Model, Parameters, Sets, blocks, chance
from touchlab.moments.sample import Moments
from touchlab.numeric import GROUPS, Floats, interval, jackknife, one_thread

Quantity = Callable[[Floats, Ratios, Floats, Past | None], Floats]
LEFT_OUT = np.vstack([np.ones(GROUPS), (1 - np.eye(GROUPS)) * GROUPS / (GROUPS - 1)])
"""Weights of the customer groups, (sets, groups): all as they are, then without one each."""
UNCHECKED = "unchecked"


def amounts(
    model: Model,
    earlier: Earlier | None,
    packed: Floats,
    weights: Floats,
    quantity: Quantity,
    cells: Floats,
) -> Floats:
    """Add up a quantity over all moments, for each set of parameters; (sets, ...).

    `packed` has shape (sets, parameters), `weights` (sets, groups), `cells` (moments, cells).
    """
    found = []
    for rows in blocks(len(model.event)):
        sets = Sets.of(model, packed, rows)
        expected = sets.chances() * model.moments.events_each * weights[:, model.group[rows]]
        pasts = earlier.pasts(model, packed, rows) if earlier else repeat(None, len(packed))
        each = enumerate(zip(expected, pasts, strict=True))
        found.append([quantity(own, sets.ratios(i), cells[rows], past) for i, (own, past) in each])
    return np.sum(found, axis=0)


@dataclass(frozen=True, repr=False)
class Drivers:
    """A fitted hazard regression; ask it `.incremental()`, `.baseline`, `.hazard_ratios`."""

    model: Model
    parameters: Parameters
    replicates: Floats
    """(groups, parameters): the fit without each group of customers."""
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        # the default would print the moments, and with them ids of customers
        return (
            f"Drivers of {self.moments.risk.outcome}, {len(self.moments.touchpoints)} touchpoints"
        )

    def _repr_html_(self) -> str:
        form = "{:,.3f}".format
        return str(self.hazard_ratios.to_html(index=False, na_rep="", float_format=form))

    @property
    def moments(self) -> Moments:
        return self.model.moments

    @cached_property
    def regression(self) -> Any:
        """statsmodels results at the estimated half-lives, clustered by customer."""
        return regression(self.model, self.parameters)

    @cached_property
    def hazard_ratios(self) -> pd.DataFrame:
        """Hazard just after one first touch over hazard without it, and half-lives.

        Columns: touchpoint, hazard_ratio, ci_low, ci_high, half_life_days,
        half_life_low, half_life_high, n (touches). The ratio of a touchpoint in a synergy
        holds without the other.
        """
        k = self.model.touchpoints
        one = self.model.one_touch
        low, high = self._interval(self.parameters.effects, self.replicates[:, :k])
        life_low, life_high = self._interval(
            self.parameters.log_half_lives, self.replicates[:, k : 2 * k]
        )
        grid = np.log2(self.moments.half_lives)
        return pd.DataFrame(
            {
                "touchpoint": self.moments.touchpoints,
                "hazard_ratio": np.exp(one * self.parameters.effects),
                "ci_low": np.exp(one * low),
                "ci_high": np.exp(one * high),
                "half_life_days": 2**self.parameters.log_half_lives,
                "half_life_low": 2 ** life_low.clip(grid[0], grid[-1]),
                "half_life_high": 2 ** life_high.clip(grid[0], grid[-1]),
                "n": self.moments.touches.to_numpy(),
            }
        )

    @cached_property
    def synergies(self) -> pd.DataFrame:
        """Pairs that work better or worse together than apart.

        Columns: first, second, synergy_ratio (hazard just after one touch of each, over the
        product of what they do apart), ci_low, ci_high.
        """
        one, pairs = self.model.one_touch**2, self.model.pairs
        own = self.replicates[:, self.replicates.shape[1] - len(pairs) :]
        low, high = self._interval(self.parameters.synergies, own)
        ends = np.exp(one * np.array([self.parameters.synergies, low, high]))
        names = [[self.moments.touchpoints[t] for t in pair] for pair in pairs]
        table = pd.DataFrame(names, columns=["first", "second"])
        return table.assign(**dict(zip(("synergy_ratio", "ci_low", "ci_high"), ends, strict=True)))

    @cached_property
    def baseline(self) -> pd.DataFrame:
        """Outcomes expected without touches: outcome, baseline, share, ci_low, ci_high, n."""
        point, replicates = self._replicated(effects.baseline, self._one_cell)
        low, high = self._interval(point, replicates)
        n = self.moments.events
        row = {"outcome": self.moments.risk.outcome, "baseline": point[0], "share": point[0] / n}
        row |= {"ci_low": low[0].clip(min=0), "ci_high": high[0], "n": n}
        return pd.DataFrame([row])

    @cached_property
    def induced(self) -> Induced:
        """Touches that other touches brought, and the outcomes that go with them."""
        return follow_induced(self.model, self.parameters, self.replicates)

    @cached_property
    def totals(self) -> pd.DataFrame:
        """Outcomes lost with a touchpoint and with the touches that it brought.

        Columns: touchpoint, direct, indirect (with touches brought), total, ci_low, ci_high
        (of the total), n (touches).
        """
        point, replicates = self._removed
        direct, indirect = point[:, 0], self.induced.indirect
        total = direct + indirect
        error, freedom = jackknife(total, replicates[:, :, 0] + self.induced.replicates)
        low, high = interval(total, np.hypot(error, self.induced.link_error), freedom)
        return pd.DataFrame(
            {
                "touchpoint": self.moments.touchpoints,
                "direct": direct,
                "indirect": indirect,
                "total": total,
                "ci_low": low,
                "ci_high": high,
                "n": self.moments.touches.to_numpy(),
            }
        )

    def incremental(
        self, *, by: str | None = None, total: bool = True, checks: Any = None
    ) -> pd.DataFrame:
        """Outcomes that would not have happened without each touchpoint.

        It does not say what another touch would bring, and not what happens to other
        outcomes: `total` follows touches, not customers won or lost.

        Parameters
        ----------
        by
            ``"month"`` or a trait of ``customers``; None for all together.
        total
            Whether to follow induced touches too (some seconds); never with `by`.
        checks
            What ``check_drivers`` found, for the badges; without it they say unchecked.

        Returns
        -------
        pandas.DataFrame
            A row a touchpoint: ``[segment], touchpoint, incremental, share, ci_low, ci_high,
            [total], fair_share, hazard_ratio, half_life_days, badge, n``. `incremental`
            is the direct effect of removal over the observed time at risk, in outcomes,
            with its interval; `share` of all outcomes; `total` without the touches that
            the touchpoint brought either (its interval is in ``.totals``); `fair_share` the
            Shapley share, which with the baseline adds up to all outcomes; `n` touches.

        Raises
        ------
        ParameterError
            If `by` is neither ``"month"`` nor a trait.
        """
        names, cells = self._cells(by)
        found = self._removed if by is None else self._replicated(effects.removal, cells)
        point, (low, high) = found[0], self._interval(*found)
        whole = self.parameters.packed[None], LEFT_OUT[:1]
        (fair,) = amounts(self.model, self._earlier, *whole, effects.fair_shares, cells)
        outcomes = self._expected(self.parameters) @ cells
        ratios = self.hazard_ratios
        frames = [
            pd.DataFrame(
                {
                    "segment": name,
                    "touchpoint": ratios.touchpoint,
                    "incremental": point[:, i],
                    "share": point[:, i] / outcomes[i],
                    "ci_low": low[:, i],
                    "ci_high": high[:, i],
                    "fair_share": fair[:, i],
                    "hazard_ratio": ratios.hazard_ratio,
                    "half_life_days": ratios.half_life_days,
                    "badge": UNCHECKED if checks is None else checks.badges(ratios.touchpoint),
                    "n": ratios.n,
                }
            )
            for i, name in enumerate(names)
        ]
        table = pd.concat(frames, ignore_index=True)
        if by is not None:
            return table
        if total:
            table.insert(6, "total", point[:, 0] + self.induced.indirect)
        return table.drop(columns="segment")

    @property
    def _one_cell(self) -> Floats:
        return np.ones((len(self.moments.table), 1))

    def _cells(self, by: str | None) -> tuple[list[str], Floats]:
        if by is None:
            return ["all"], self._one_cell
        table = self.moments.table
        columns = {c.removesuffix(" (trait)"): c for c in self.moments.traits}
        need_group(by, ["month", *columns])
        if by == "month":
            time = self.moments.origin + pd.to_timedelta(table.day, unit="D")
            label = time.dt.strftime("%Y-%m")
        else:
            label = table[columns[by]].astype("string").fillna(UNKNOWN)
        names = sorted(label.unique())
        return names, np.column_stack([(label == name).to_numpy(float) for name in names])

    def _expected(self, given: Parameters) -> Floats:
        return chance(self.model, given) * self.moments.events_each

    @cached_property
    def _earlier(self) -> Earlier | None:
        return Earlier.of(self.model)

    def _past(self, given: Parameters) -> Past | None:
        if self._earlier is None:
            return None
        return next(self._earlier.pasts(self.model, given.packed[None]))

    @cached_property
    def _removed(self) -> tuple[Floats, Floats]:
        """Outcomes lost with each touchpoint, all told: what most questions begin with."""
        return self._replicated(effects.removal, self._one_cell)

    @one_thread
    def _replicated(self, quantity: Quantity, cells: Floats) -> tuple[Floats, Floats]:
        """The quantity, and the same without each group of customers."""
        packed = np.vstack([self.parameters.packed, self.replicates])
        found = amounts(self.model, self._earlier, packed, LEFT_OUT, quantity, cells)
        return found[0], found[1:]

    def _interval(self, point: Floats, replicates: Floats) -> tuple[Floats, Floats]:
        return interval(point, *jackknife(point, replicates))
