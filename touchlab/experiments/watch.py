"""How an experiment goes: are the arms as drawn, are they kept, and what does it say so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np
import pandas as pd
from scipy import stats

from touchlab.data.dataset import Dataset
from touchlab.drivers.experiments import ARMS, Holdouts, holdout_effects
from touchlab.errors import MissingInput
from touchlab.numeric import LEVEL, Floats
from touchlab.results import Result

MISMATCH = 0.001  # chance below which arms so far from the share drawn are no luck [Fabijan 2019]
LEAK = 0.1  # of the holdout touched, over that of the treated, from which the arms are not kept
UNTESTED, OVER = "untested", 0.99
COLUMNS = ["touchpoint", "start", "end", "elapsed", "n_treated", "n_holdout", "mismatch_p", "arms"]
COLUMNS += ["touched_treated", "touched_holdout", "leak", "incremental", "ci_low", "ci_high"]
COLUMNS += ["always_low", "always_high", "could_see", "verdict"]


@dataclass(frozen=True, repr=False)
class Watched(Result):
    """Experiments as they stand: `.table`, a row a touchpoint; see ``check_experiments``."""

    table: pd.DataFrame
    outcome: str
    notes: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        """The columns that a reader needs."""
        columns = ["touchpoint", "n_treated", "n_holdout", "arms", "leak", "elapsed", "incremental"]
        return self.table[[*columns, "ci_low", "ci_high", "always_low", "always_high", "verdict"]]

    def sentence(self) -> str:
        """Say which experiments are sound, and what can be read from them by now."""
        from touchlab import sentences

        return sentences.about_running(self.table, self.outcome)


def check_experiments(data: Dataset, *, outcome: str = "conversion") -> Watched:
    """Is each experiment sound, and what does it say so far, however often one looks?

    It does not say whether to stop one early: an effect that takes weeks is seen before it is over.

    Parameters
    ----------
    data, outcome
        A Dataset with ``experiments``; a name in ``outcomes.outcome``.

    Returns
    -------
    Watched
        ``.table``, a row a touchpoint: ``touchpoint, start, end, elapsed`` (share of its planned
        time), ``n_treated, n_holdout, mismatch_p`` (of their sizes under the `share` drawn),
        ``arms`` (as drawn, mismatch, untested), ``touched_treated, touched_holdout, leak`` (shares
        with a touch of it, and their ratio), ``incremental, ci_low, ci_high`` (of the treated, for
        one look), ``always_low, always_high`` (for all looks), ``could_see`` (an effect that four
        in five find by now), ``verdict``; ``.notes``.

    Raises
    ------
    MissingInput, TooThin
        Without experiments, or where none has begun with customers in both arms.

    Notes
    -----
    Arms: chi-square of counts against the share, added over strata. Always-valid: the asymptotic
    confidence sequence of the normal mixture, +- sqrt((v + r) log((v + r) / (r alpha^2))), v the
    squared standard error so far and r = v_end / (-2 log alpha + log(1 - 2 log alpha)), narrowest
    at the planned end [Howard et al. 2021; Waudby-Smith et al. 2021]. Outcomes of customers who
    are watched go together more than independent steps, which makes it safer [Slepian 1962].

    Examples
    --------
    >>> import touchlab as tl
    >>> checked = tl.check_experiments(tl.open_data("data/sample"))
    >>> checked.table[["touchpoint", "arms"]].to_numpy().tolist()
    [['email_newsletter', 'untested'], ['retargeting', 'untested']]
    """
    if not data.has("experiments"):
        mend = "with experiments, as `touchlab experiment` writes them, their state is told"
        raise MissingInput(f"No experiment runs: {mend}.")
    found = holdout_effects(data, outcome=outcome)
    table = found.table[found.table.touchpoint.isin(found.groups.touchpoint)]
    table = table.merge(_times(data), on="touchpoint").reset_index(drop=True)
    table["mismatch_p"] = p = pd.Series([_mismatch(found, name) for name in table.touchpoint])
    table["arms"] = np.select([p.isna(), p < MISMATCH], [UNTESTED, "mismatch"], "as drawn")
    table["leak"] = table.touched_holdout / table.touched_treated.where(table.touched_treated > 0)
    reach = table.n_treated * always_reach(table.se.to_numpy(), table.elapsed.to_numpy())
    table["always_low"], table["always_high"] = table.incremental - reach, table.incremental + reach
    table["verdict"] = [_verdict(row) for row in table.itertuples()]
    return Watched(table[COLUMNS], outcome, found.notes)


def always_reach(error: Floats, elapsed: Floats) -> Floats:
    """Half the width of the always-valid interval, by standard error and share of the time.

    >>> always_reach(np.array([1.0, 1.0]), np.array([0.25, 1.0])).round(2).tolist()
    [3.26, 3.04]
    """
    alpha, v = 1 - LEVEL, error**2
    end = v / np.clip(elapsed, 1e-9, 1.0)  # outcomes add up about evenly
    r = end / (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha)))
    with np.errstate(invalid="ignore", divide="ignore"):  # nothing varies: there is no interval
        return np.asarray(np.sqrt((v + r) * np.log((v + r) / np.maximum(r * alpha**2, 1e-300))))


def _times(data: Dataset) -> pd.DataFrame:
    """When each experiment began, ends, and which share of that is over: by touchpoint."""
    rows = data.tables["experiments"].group_by("touchpoint")
    table = rows.aggregate(start=lambda t: t.start.min(), end=lambda t: t.end.max()).to_pandas()
    last = data.overview.set_index("table").loc[["touches", "outcomes"], "last"].max()
    elapsed = (last - table.start) / (table.end - table.start)
    return table.assign(elapsed=elapsed.clip(0, 1).astype(float))


def _mismatch(found: Holdouts, name: str) -> float:
    """How often arms drawn by the share would be so far from it; NaN where no share is known."""
    rows = found.data.tables["experiments"].filter(lambda t: t.touchpoint == name)
    if "share" not in rows.columns or name in set(found.lifts.touchpoint):
        return np.nan  # or whole groups were dealt: customers in arms are not by lot
    stratum = rows.stratum.fill_null("") if "stratum" in rows.columns else ibis.literal("")
    rows = rows.select("customer_id", "share", stratum=stratum).distinct(on="customer_id")
    units = found.units.filter(found.units.touchpoint == name)
    joined = units.select("customer_id", "arm").distinct().inner_join(rows, "customer_id")
    counts = {"n": joined.count(), "held": (joined.arm == ARMS[1]).sum()}
    table = joined.group_by("stratum", "share").aggregate(**counts).to_pandas()
    table["by_lot"] = table.n * table.share * (1 - table.share)
    table = table[table.by_lot >= 1]
    chi = ((table.held - table.n * table.share) ** 2 / table.by_lot).sum()
    return float(stats.chi2.sf(chi, len(table))) if len(table) else np.nan


def _verdict(row: Any) -> str:
    if row.arms == "mismatch":
        return "arms are not as drawn: read nothing from it"
    if row.touched_treated == 0:
        return "no treated customer was touched: nothing is tried"
    if row.leak >= LEAK:
        return f"{row.leak:.0%} leaks to the holdout: the effect is understated"
    if row.elapsed >= OVER:
        return "over: read the interval for one look"
    clear = row.always_low > 0 or row.always_high < 0
    return "beyond zero already, however often looked at" if clear else "goes on"
