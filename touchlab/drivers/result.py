"""Fitted drivers, and the amounts of outcomes that they come to, with intervals."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.customers import NO_TOUCH, UNKNOWN, need_group
from touchlab.drivers import effects
from touchlab.drivers.design import build_controls
from touchlab.drivers.effects import Ahead
from touchlab.drivers.hazard import fit, regression
from touchlab.drivers.induced import Induced, follow_induced
from touchlab.drivers.intent import NOT_LOOKED_FOR, Intent
from touchlab.drivers.model import Earlier, Model, Parameters, Quantity, amounts, chance
from touchlab.drivers.value import Value, value_of
from touchlab.errors import MissingInput, TooThin
from touchlab.journeys.counts import need_measure
from touchlab.moments.risk import ENDING
from touchlab.moments.sample import Moments
from touchlab.numeric import LEFT_OUT, Floats, interval, jackknife, one_thread
from touchlab.results import Result

UNCHECKED = "unchecked"
NOTHING_BROUGHT = (
    "What the touchpoints bring cannot be told from nothing. Credit shares out the outcomes all "
    "the same, so the two are not set side by side."
)
FOR_READING = ["touchpoint", "badge", "incremental", "ci_low", "ci_high", "share", "total"]
FOR_READING += ["value", "value_low", "value_high", "hazard_ratio", "half_life_days", "n"]


@dataclass(frozen=True, repr=False)
class Drivers(Result):
    """A fitted hazard regression; ask it `.incremental()`, `.baseline`, `.hazard_ratios`."""

    model: Model
    parameters: Parameters
    replicates: Floats
    """(groups, parameters): the fit without each group of customers."""
    notes: tuple[str, ...]
    intent: Intent = NOT_LOOKED_FOR
    left_out: tuple[str, ...] = ()
    """Those of the notes that name touchpoints left out of the fit, and say why."""
    misfit: tuple[str, ...] = ()
    """Where the fitted hazard does not meet what happened: size, time, touchpoints."""

    def __repr__(self) -> str:
        # the default would print the moments, and with them ids of customers
        return (
            f"Drivers of {self.moments.risk.outcome}, {len(self.moments.touchpoints)} touchpoints"
        )

    @property
    def moments(self) -> Moments:
        return self.model.moments

    @property
    def key(self) -> tuple[object, ...]:
        """What tells this fit from others on the same data."""
        moments, packed = self.moments, self.parameters.packed.tobytes()
        return type(self).__name__, moments.risk.outcome, moments.seed, packed

    @cached_property
    def table(self) -> pd.DataFrame:
        """The regression: a row a term of the log hazard, touchpoints first.

        Columns: term, kind (touchpoint, control, fatigue, synergy), coefficient (of a touchpoint's
        saturated exposure; of a control's own unit), ci_low, ci_high (from leaving out groups
        of customers), hazard_ratio (for one unit more), n (touches; moments). Half-lives are
        in ``.hazard_ratios``, the same regression by statsmodels in ``.regression``.
        """
        names, k, controls = self.moments.touchpoints, self.model.touchpoints, self.model.controls
        pairs = self.model.pair_names
        unit = np.concatenate([np.ones(k), controls.spread, np.ones(len(pairs))])
        rows = np.delete(np.arange(self.model.size), np.s_[k : 2 * k])  # half-lives are no terms
        point, replicates = self.parameters.packed[rows], self.replicates[:, rows]
        low, high = self._interval(point, replicates)
        counts = [k, len(controls.names), len(pairs)]
        tires = [a == b for a, b in self.model.pairs]
        kinds = [*np.repeat(["touchpoint", "control"], counts[:2])]
        kinds += np.where(tires, "fatigue", "synergy").tolist()
        table = pd.DataFrame({"term": [*names, *controls.names, *pairs], "kind": kinds})
        ends = {"coefficient": point, "ci_low": low, "ci_high": high}
        table = table.assign(**{name: values / unit for name, values in ends.items()})
        others = [len(self.moments.table)] * (len(table) - k)
        table = table.assign(
            hazard_ratio=np.exp(table.coefficient), n=[*self.moments.touches, *others]
        )
        return table[table.term != "intercept"].reset_index(drop=True)

    @cached_property
    def regression(self) -> Any:
        """statsmodels results at the estimated half-lives, clustered by customer."""
        return regression(self.model, self.parameters)

    @cached_property
    def hazard_ratios(self) -> pd.DataFrame:
        """Hazard just after one first touch over hazard without it, and half-lives.

        Columns: touchpoint, hazard_ratio, ci_low, ci_high, half_life_days,
        half_life_low, half_life_high, n (touches). The ratio of a touchpoint in a synergy
        holds without the other; of one that tires, for the first touch.
        """
        k = self.model.touchpoints
        one = self.model.after_one(self.parameters.packed)
        low, high = self._interval(one, self.model.after_one(self.replicates))
        life_low, life_high = self._interval(
            self.parameters.log_half_lives, self.replicates[:, k : 2 * k]
        )
        grid = np.log2(self.moments.half_lives)
        return pd.DataFrame(
            {
                "touchpoint": self.moments.touchpoints,
                "hazard_ratio": np.exp(one),
                "ci_low": np.exp(low),
                "ci_high": np.exp(high),
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
        two = [a != b for a, b in pairs]
        ends = np.exp(one * np.array([self.parameters.synergies, low, high])[:, two])
        names = [[self.moments.touchpoints[t] for t in pair] for pair in pairs if len({*pair}) > 1]
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
        self._need_sense(point)
        return pd.DataFrame([row])

    @property
    def removed(self) -> Floats:
        """(touchpoints,): outcomes lost with each touchpoint, all told."""
        return self._removed[0][:, 0]

    @cached_property
    def value(self) -> Value:
        """What touchpoints do to the value of outcomes: ``.table``, ``.baseline``, ``.notes``."""
        return value_of(self)

    def _need_sense(self, baseline: Floats) -> None:
        """Refuse what cannot be: numbers without end, and more outcomes than customers."""
        most = np.inf if self.moments.risk.recurrent else self.moments.customers
        if not np.isfinite(baseline).all() or baseline.sum() > most:
            raise MissingInput(
                f"drivers: without touchpoints {baseline.sum():,.0f} {self.moments.risk.outcome} "
                f"outcomes of {self.moments.customers:,} customers would be expected, which cannot "
                "be\n  the touchpoints nearly separate who has it from who has not; more data, or "
                "fewer touchpoints, would help"
            )

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
        self,
        *,
        by: str | None = None,
        total: bool = True,
        checks: Any = None,
        measure: str = "count",
    ) -> pd.DataFrame:
        """Outcomes that would not have happened without each touchpoint, or their value.

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
        measure
            ``"count"``, outcomes, or ``"value"``, what is recorded of their value.

        Returns
        -------
        pandas.DataFrame
            A row a touchpoint: ``[segment], touchpoint, incremental, share, ci_low, ci_high,
            [total], fair_share, hazard_ratio, half_life_days, badge, n``. `incremental`
            is the direct effect of removal over the observed time at risk, in outcomes,
            with its interval; `share` of all outcomes; `total` without the touches that
            the touchpoint brought either (its interval is in ``.totals``); `fair_share` the
            Shapley share, which with the baseline adds up to all outcomes; `n` touches.
            Of value, its columns are those of ``Drivers.value.by``.

        Raises
        ------
        ParameterError, MissingInput
            If `by` is neither ``"month"`` nor a trait; if values are asked for and missing.
        """
        names, cells = self._cells(by)
        if measure != "count":
            need_measure(measure)
            table = self.value.table if by is None else self.value.by(names, cells)
            return table.assign(badge=checks.badges(table.touchpoint) if checks else UNCHECKED)
        found = self._removed if by is None else self._replicated(effects.removal, cells)
        point, (low, high) = found[0], self._interval(*found)
        whole = self.parameters.packed[None], LEFT_OUT[:1]
        (fair,) = amounts(self.model, self._earlier, *whole, effects.fair_shares, cells)
        outcomes = self._expected(self.parameters) @ cells
        high = np.minimum(high, np.maximum(outcomes, point))  # nothing brings more than there are
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

    def summary(self, checks: Any = None, *, by: str | None = None) -> pd.DataFrame:
        """What a reader needs, with the value of outcomes, largest first; by segment as it is."""
        table = self.incremental(by=by, checks=checks)
        if by is not None:
            return table[["segment", "touchpoint", *FOR_READING[2:6]]]
        with suppress(MissingInput):
            table = self.value.beside(table)
        ordered = table.sort_values("incremental", ascending=False)
        return ordered[[name for name in FOR_READING if name in ordered.columns]]

    def sentence(self, checks: Any = None) -> str:
        """Say what the touchpoints bring or prevent, and what would happen without them."""
        from touchlab import sentences

        table, outcome = self.incremental(checks=checks), self.moments.risk.outcome
        if outcome in ENDING:
            return sentences.about_keepers(table, self.baseline)
        return sentences.about_drivers(table, self.baseline, outcome)

    def plot(self, checks: Any = None) -> Any:
        """Draw what would not have happened without each touchpoint."""
        from touchlab import plots

        table = self.incremental(checks=checks)
        return plots.plot_incremental(table, outcome=self.moments.risk.outcome)

    @property
    def basis(self) -> pd.DataFrame:
        """What the fit rests on (what, seen): events, moments, customers, time at risk, notes."""
        moments = self.moments
        drawn = int((moments.table.event == 0).sum())
        start = f"the first {moments.risk.after}" if moments.risk.after else "observation"
        rows = [
            ("outcomes", f"{moments.events:,.0f} {moments.risk.outcome}"),
            ("customers at risk", f"{moments.customers:,}, from {start} on"),
            ("time at risk", f"{moments.customer_days:,.0f} customer-days"),
            ("moments drawn", f"{drawn:,}, one for {moments.days_each:,.1f} customer-days"),
        ]
        if not moments.risk.recurrent:
            ends = f"with the {moments.risk.outcome}: nobody has it twice"
            rows.append(("time at risk ends", ends))
        if not moments.windows_known:
            rows.append(("baseline", "leans on windows taken from the events: no customers table"))
        rows += [("note", text) for text in self.notes]
        return pd.DataFrame(rows, columns=["what", "seen"])

    def twins_of(self, touchpoint: str) -> list[str]:
        """Touchpoints that come together with one, so that no data tells them apart."""
        names = self.moments.touchpoints
        pairs = [{names[a], names[b]} for a, b in self.model.twins]
        return sorted(set().union(*(pair for pair in pairs if touchpoint in pair)) - {touchpoint})

    def before_and_after(self) -> pd.DataFrame:
        """Incremental outcomes before and after calibration, with the experiment's weight."""
        raise MissingInput("Nothing was calibrated: no experiment bears on this outcome.")

    def beside(self, credit: pd.DataFrame) -> pd.DataFrame:
        """Set what a touchpoint is credited with beside what it brings: touchpoint, a column for
        each model of `credit`, as `attribute` returns it, and incremental."""
        table = self.incremental(total=False)
        if not (table.ci_low > 0).any():
            raise TooThin(NOTHING_BROUGHT)
        own = credit.pivot_table(index="touchpoint", columns="model", values="credit")
        told = {m: {"touchpoint": [*own.index], "credit": [*own[m]]} for m in own}
        both = own.drop(index=NO_TOUCH, errors="ignore").reset_index()
        both = both.merge(table[["touchpoint", "incremental"]], on="touchpoint")
        both.attrs["stands_on"] = told  # hidden wherever the credit of that model is
        return both

    def with_touch_rate(self) -> pd.DataFrame:
        """Incremental outcomes, and what they are with customers' touch rate as a control.

        Columns: touchpoint, incremental, ci_low, ci_high, with_touch_rate (no interval).
        """
        own = self.incremental(total=False)[["touchpoint", "incremental", "ci_low", "ci_high"]]
        controls = build_controls(self.moments, touch_rate=True)
        model = replace(self.model, controls=controls)
        given = fit(model).packed[None], LEFT_OUT[:1]
        (lost,) = amounts(model, Earlier.of(model), *given, effects.removal, self._one_cell)
        return own.assign(with_touch_rate=lost[:, 0])

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

    def _ahead(self, given: Parameters) -> Ahead | None:
        if self._earlier is None:
            return None
        return next(self._earlier.ahead(self.model, given.packed[None]))

    @cached_property
    def _removed(self) -> tuple[Floats, Floats]:
        """Outcomes lost with each touchpoint, all told: what most questions begin with.

        Without one, no more customers have what comes once than there are.
        """
        point, replicates = self._replicated(effects.removal, self._one_cell)
        most = np.inf if self.moments.risk.recurrent else self.moments.customers
        return np.maximum(point, min(self.moments.events - most, 0.0)), replicates

    @one_thread
    def _replicated(self, quantity: Quantity, cells: Floats) -> tuple[Floats, Floats]:
        """The quantity, and the same without each group of customers."""
        packed = np.vstack([self.parameters.packed, self.replicates])
        found = amounts(self.model, self._earlier, packed, LEFT_OUT, quantity, cells)
        return found[0], found[1:]

    def _interval(self, point: Floats, replicates: Floats) -> tuple[Floats, Floats]:
        return interval(point, *jackknife(point, replicates))
