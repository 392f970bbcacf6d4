"""Customers that customers brought, and what a touchpoint is worth with those that it won."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from touchlab.data.customers import DAY_SECONDS, outcome_counts, seconds
from touchlab.data.dataset import Dataset
from touchlab.drivers.effects import MOST
from touchlab.drivers.model import Sets, saturate
from touchlab.drivers.result import UNCHECKED, Drivers
from touchlab.errors import MissingInput, ParameterError, TooThin
from touchlab.journeys.counts import need_measure
from touchlab.moments.look import look
from touchlab.moments.risk import risk_ends, risk_windows, within
from touchlab.numeric import LEFT_OUT, Floats, customer_group, interval, jackknife, one_thread
from touchlab.privacy.shown import count
from touchlab.results import Result

if TYPE_CHECKING:
    from touchlab.show import Picture

NO_LINKS = (
    "No customer names who referred them. With referred_by in customers (or referred_id in "
    "outcomes), what touchpoints are worth with those whom their customers brought would be shown "
    "here."
)
NOBODY = -1
PAST = (0.125, 0.375, 0.625, 0.875)
"""Parts of a customer's time until the first outcome at which the hazard is looked at: had it not
come, the customer would have gone on so (docs/decisions/0022)."""
TABLE = ["touchpoint", "badge", "incremental", "brought", "brought_low", "brought_high", "worth"]
TABLE += ["ci_low", "ci_high", "n"]


@dataclass(frozen=True, repr=False)
class ReferralWorth(Result):
    """What touchpoints are worth with those whom their customers brought; see `.table`."""

    table: pd.DataFrame
    notes: tuple[str, ...]
    unit: str
    depth: int

    def sentence(self) -> str:
        from touchlab import sentences

        return sentences.about_referral_worth(self.table, self.unit, self.depth)

    def plot(self) -> Picture:
        from touchlab import plots

        title = f"Worth with customers brought, to depth {self.depth}"
        given: dict[str, Any] = {"value": "worth", "names": "touchpoint", "percent": False}
        return plots.plot_intervals(self.table, label=self.unit, title=title, **given)


def referral_links(data: Dataset) -> pd.DataFrame:
    """How many customers were brought by customers, and what have they done since?

    Parameters
    ----------
    data
        Customers name who referred them in ``referred_by``, or outcomes of the referrer name the
        customer in ``referred_id``.

    Returns
    -------
    pandas.DataFrame
        A row a generation and outcome: ``generation`` (1: brought by a customer whom nobody
        brought), ``outcome, customers, outcomes``. What is left out is in ``attrs["notes"]``:
        links to oneself, to unknown customers, in a circle, or to a second referrer.

    Raises
    ------
    MissingInput
        Without any link that holds.

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> day = pd.Timestamp("2026-03-01")
    >>> made = {"customer_id": ["ann", "bob", "cy"], "referred_by": [None, "ann", "bob"]}
    >>> people = pd.DataFrame(made).assign(observed_from=day, observed_to=day + pd.Timedelta("9D"))
    >>> bought = pd.DataFrame({"customer_id": ["bob", "cy"], "timestamp": day, "outcome": "order"})
    >>> met = bought.drop(columns="outcome").assign(touchpoint="ad")
    >>> referral_links(tl.open_data({"touches": met, "outcomes": bought, "customers": people}))
       generation outcome  customers  outcomes
    0           1   order          1         1
    1           2   order          1         1
    """
    links, notes = _links(data)
    names = list(outcome_counts(data))
    rows = data.outcomes.inner_join(ibis.memtable(links[["child"]]), [("customer_id", "child")])
    each = rows.group_by("child", "outcome").aggregate(n=rows.count()).to_pandas()
    ids, parent = _family(links)
    steps, up = np.zeros(len(ids), dtype=int), np.arange(len(ids))
    while (up := np.where(up == NOBODY, NOBODY, parent[up])).max(initial=NOBODY) > NOBODY:
        steps += up != NOBODY
    generation = pd.Series(steps, ids)
    size = generation[generation > 0].value_counts().sort_index()
    done = each.groupby([each.child.map(generation), "outcome"]).n.sum()
    table = pd.DataFrame(
        [(g, name, n, int(done.get((g, name), 0))) for g, n in size.items() for name in names],
        columns=["generation", "outcome", "customers", "outcomes"],
    )
    table.attrs["notes"] = notes
    return table


def _links(data: Dataset) -> tuple[pd.DataFrame, list[str]]:
    """Who was brought by whom (child, parent), each child once; and what is left out."""
    found = []
    if data.has("customers") and "referred_by" in data.tables["customers"].columns:
        rows = data.tables["customers"]
        found.append(rows.select(child="customer_id", parent="referred_by", time=0.0))
    if data.has("outcomes") and "referred_id" in data.outcomes.columns:
        time = seconds(data.outcomes.timestamp)
        found.append(data.outcomes.select(child="referred_id", parent="customer_id", time=time))
    frames = [one.filter(one.child.notnull() & one.parent.notnull()).to_pandas() for one in found]
    links = pd.concat(frames or [pd.DataFrame(columns=["child", "parent", "time"])])
    links = links.sort_values(["time", "parent"], kind="stable", ignore_index=True)
    known = set(data.tables["customers"].customer_id.to_pandas()) if data.has("customers") else None
    notes: list[str] = []

    def keep(good: Any, why: str) -> None:
        nonlocal links
        if lost := int((~good).sum()):
            notes.append(f"referrals left out ({count(lost)}): {why}")
        links = links[good].reset_index(drop=True)

    keep(links.child != links.parent, "customers who name themselves")
    if known is not None:
        both = links.child.isin(known) & links.parent.isin(known)
        keep(both, "one of the two is not among the customers")
    links = links.drop_duplicates(["child", "parent"], ignore_index=True)
    keep(~links.duplicated("child"), "a customer has a referrer already")
    ids, parent = _family(links)
    own = np.flatnonzero(parent != NOBODY)
    graph = coo_matrix((np.ones(len(own)), (own, parent[own])), shape=(len(ids), len(ids)))
    part = connected_components(graph, connection="strong")[1] if len(ids) else np.zeros(0, int)
    circle = pd.Series(np.bincount(part)[part] > 1 if len(ids) else [], ids, dtype=bool)
    keep(~links.child.map(circle).astype(bool), "referrers in a circle")
    if links.empty:
        raise MissingInput("; ".join([NO_LINKS, *notes]))
    return links, notes


def _family(links: pd.DataFrame) -> tuple[pd.Index, npt.NDArray[np.int64]]:
    """Everybody in a link, and the place of their referrer among them."""
    ids = pd.Index(pd.unique(pd.concat([links.child, links.parent])))
    parent = np.full(len(ids), NOBODY)
    parent[ids.get_indexer(links.child)] = ids.get_indexer(links.parent)
    return ids, parent


def lost_through(won: Floats, parent: npt.NDArray[np.int64], first: Floats, depth: int) -> Floats:
    """Chance that a customer would not have been brought, (touchpoints, customers).

    `won` is the chance that a customer would not have become one, by touchpoint; `first` when that
    was (missing: never). It takes one of the `depth` referrers above who would not: 1 less the
    product of 1 - won.

    >>> chain = np.array([-1, 0, 1, 2])  # 0 brought 1, who brought 2, who brought 3
    >>> lost_through(np.full((1, 4), 0.5), chain, np.arange(4.0), 2).tolist()
    [[0.0, 0.5, 0.75, 0.75]]
    """
    still, up = np.ones_like(won), np.arange(len(parent))
    for _ in range(depth):
        up = np.where(up == NOBODY, NOBODY, parent[up])
        before = (up != NOBODY) & (first[up] < first)  # who came later brought nobody here
        still *= np.where(before, 1 - won[:, up], 1.0)
    return np.asarray(1 - still)


@one_thread
def referral_worth(
    data: Dataset, drivers: Drivers, *, depth: int = 2, checks: Any = None, measure: str = "count"
) -> ReferralWorth:
    """What is a touchpoint worth, with the customers whom its customers brought?

    It takes it that those brought would not have come otherwise, so it is an upper bound. Worths
    of several touchpoints count the same customers, and do not add up.

    Parameters
    ----------
    data, drivers, checks
        As from ``open_data`` (see `referral_links`), ``fit_drivers``, ``check_drivers``.
    depth
        Referrers above a customer that count: 1, who brought them; 2, who brought those, too.
    measure
        ``"count"``, outcomes of the drivers, or ``"value"``.

    Returns
    -------
    ReferralWorth
        ``.table``, a row a touchpoint: ``touchpoint, badge, incremental`` (as the drivers say),
        ``brought, brought_low, brought_high`` (more, of customers brought), ``worth, ci_low,
        ci_high`` (both, 95 %) and ``n`` (touches). ``.notes`` on links left out.

    Raises
    ------
    MissingInput, ParameterError
        Without referrals or, for ``"value"``, values; for a depth below 1.

    Notes
    -----
    A touchpoint won a customer with the chance that the first outcome would not have come without
    it, 1 - exp(-b s(A)), times exp(-H), that none would have come later either. An outcome of a
    customer brought is lost if one of `depth` referrers is, and it is not owed to the touchpoint
    itself: w (1 - prod(1 - won)) (1 - owed). Intervals leave out groups of families.

    Examples
    --------
    >>> import touchlab as tl
    >>> data, nobody = tl.open_data("data/sample"), None  # who brought whom is not recorded there
    >>> referral_worth(data, nobody)
    Traceback (most recent call last):
        ...
    touchlab.errors.MissingInput: No customer names who referred them. ...
    """
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ParameterError(f"depth: {depth!r}\n  give a whole number, 1 or more")
    need_measure(measure)
    links, notes = _links(data)
    ids, parent = _family(links)
    rows = _events(data, drivers, links, measure)
    if rows.empty:
        raise TooThin("Customers who brought others, or were brought, had no such outcome at risk.")
    place = ids.get_indexer(rows.customer_id)
    first = np.full(len(ids), np.nan)
    first[place[::-1]] = rows.time.to_numpy()[::-1]
    root = np.arange(len(ids))
    while (parent[root] != NOBODY).any():
        root = np.where(parent[root] == NOBODY, root, parent[root])
    group = _groups(ids[root])[place]
    model, moments = drivers.model, drivers.moments
    packed = np.vstack([drivers.parameters.packed, drivers.replicates])
    opening = rows[rows.time.to_numpy() == first[place]].drop_duplicates("customer_id")
    gone = opening.time - opening.start
    past = [opening.assign(time=opening.start + part * gone) for part in PAST]
    asked = pd.concat([rows, *past])[["customer_id", "time", "start"]]
    grid = {"touchpoints": moments.touches.index, "half_lives": moments.half_lives}
    points = look(data, asked, origin=moments.start_seconds, **grid)
    saturated = saturate(points.exposure, model.saturation)
    sets, n = Sets(model, packed, saturated, model.controls.at(points)), len(rows)
    hazards, brought, who = sets.log_hazards(), [], ids.get_indexer(opening.customer_id)
    for i, weights in enumerate(LEFT_OUT):
        each = sets.ratios(i).each
        owed = -np.expm1(-each[:, :n]).clip(min=-1.0)
        without = np.exp((hazards[i, n:] - each[:, n:]).clip(max=MOST))
        ahead = without.reshape(len(each), len(PAST), -1).mean(axis=1) * opening.left.to_numpy()
        won = np.zeros((len(each), len(ids)))
        won[:, who] = owed[:, opening.index] * np.exp(-ahead)
        lost = lost_through(won, parent, first, depth)[:, place]
        brought.append((lost * (1 - owed)) @ (rows.amount.to_numpy() * weights[group]))
    if measure == "count":
        point, replicates = drivers._removed
        own = np.vstack([point[None, :, 0], replicates[:, :, 0]])
    else:
        found = drivers.value._whole
        own = (found["more"] + found["larger"])[:, :, 0]
    more = np.array(brought)
    table = pd.DataFrame({"touchpoint": moments.touchpoints, "n": moments.touches.to_numpy()})
    table["badge"] = checks.badges(table.touchpoint) if checks else UNCHECKED
    table["incremental"] = own[0]
    for name, stem, of in (("brought", "brought", more), ("worth", "ci", own + more)):
        ends = interval(of[0], *jackknife(of[0], of[1:]))
        table[name], table[f"{stem}_low"], table[f"{stem}_high"] = of[0], *ends
    unit = f"{moments.risk.outcome} outcomes" if measure == "count" else "value"
    table = table[TABLE].sort_values("worth", ascending=False, ignore_index=True)
    return ReferralWorth(table, tuple(notes), unit, depth)


def _events(data: Dataset, drivers: Drivers, links: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Outcomes at risk of all in a link, by time: customer_id, time, start, left (days), amount.

    Only outcomes of customers brought have an amount; `left` until the customer is seen no more.
    """
    risk, family = (
        drivers.moments.risk,
        ibis.memtable(_family(links)[0].to_frame(name="customer_id")),
    )
    if measure == "value" and "value" not in data.outcomes.columns:
        raise MissingInput("outcomes has no value: with it, value is told beside outcomes.")
    rows = data.outcomes.filter(data.outcomes.outcome == risk.outcome)
    amount = rows.value.fill_null(0.0) if measure == "value" else ibis.literal(1.0)
    rows = rows.select("customer_id", time=seconds(rows.timestamp), amount=amount)
    windows = risk_windows(data, risk).semi_join(family, "customer_id")
    frame = within(rows, windows).to_pandas().sort_values(["time", "customer_id"])
    frame = frame.merge(risk_ends(data, risk, frame), on="customer_id", how="left")
    left = ((frame.until - frame.time) / DAY_SECONDS).fillna(0.0).clip(lower=0)
    return frame.assign(
        left=left, amount=frame.amount.where(frame.customer_id.isin(links.child), 0.0)
    )


def _groups(ids: pd.Index) -> npt.NDArray[np.int64]:
    """Customer groups of ids that may repeat."""
    table = ibis.memtable(pd.DataFrame({"customer_id": ids.unique()}))
    found = table.mutate(group=customer_group(table.customer_id)).to_pandas()
    return found.set_index("customer_id").group.reindex(ids).to_numpy(np.int64)
