"""Three emails of a bank, sent by lot to some and to chosen customers by rule: can drivers tell?

The data is that of Facure, "Causal Inference for the Brave and True" (MIT licence); figures and
reading are in docs/invest_email.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

import touchlab as tl
from touchlab.drivers import effects
from touchlab.drivers.design import KNOTS
from touchlab.numeric import GROUPS, customer_group, interval, jackknife

SOURCE = Path(__file__).parents[1] / ".." / "shared" / "data" / "invest_email_rnd_biased.parquet"
TRAITS = ["age", "income", "insurance", "invested"]
EMAILS = ["em1", "em2", "em3"]
START, DAY = pd.Timestamp("2026-01-01T00:00:00Z"), pd.Timedelta("1D")
ALL_DAY = dict.fromkeys(EMAILS, 24.0)
"""Half-lives so long that an email counts alike at all times of its day."""


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    if not SOURCE.is_file():
        pytest.skip("the invest_email data is not beside the repository")
    return pd.read_parquet(SOURCE)


def arm(customers: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = customers[customers.arm == name].reset_index(drop=True)
    return rows.assign(customer_id=rows.index.astype(str))


def tables(rows: pd.DataFrame, *, by_lot: np.ndarray | None = None) -> dict[str, pd.DataFrame]:
    """One day for everybody: all emails at its start, conversions at some time of it.

    The data has no times, so times must say nothing. `by_lot`: whose emails were drawn by lot.
    """
    converted = rows[rows.converted == 1]
    hours = np.random.default_rng(1).random(len(converted))
    traits = rows[["customer_id", *TRAITS, "arm"]].rename(columns={"arm": "source"})
    sent = [rows.loc[rows[e] == 1, ["customer_id"]].assign(touchpoint=e) for e in EMAILS]
    found = {
        "touches": pd.concat(sent).assign(timestamp=START),
        "outcomes": converted[["customer_id"]].assign(
            timestamp=START + DAY * hours, outcome="conversion"
        ),
        "customers": traits.assign(observed_from=START, observed_to=START + DAY),
    }
    if by_lot is not None:
        drawn = rows[by_lot]
        arms = [
            drawn[["customer_id"]].assign(
                touchpoint=e, arm=np.where(drawn[e] == 1, "treated", "holdout")
            )
            for e in EMAILS
        ]
        found["experiments"] = pd.concat(arms).assign(start=START, end=START + DAY)
    return found


def least_squares(rows: pd.DataFrame, *controls: str) -> np.ndarray:
    """Difference in the chance of conversion per email, by ordinary least squares."""
    own = rows[[*EMAILS, *controls]].to_numpy(float)
    scaled = np.column_stack([np.ones(len(own)), own / own.std(axis=0)])
    fitted = np.linalg.lstsq(scaled, rows.converted.to_numpy(float), rcond=None)[0][1:4]
    return np.asarray(fitted / own.std(axis=0)[:3])


def hats(trait: pd.Series) -> np.ndarray:
    """A trait as the drivers take it: a broken line through quantiles."""
    knots = np.unique(trait.quantile(list(KNOTS)))
    return np.array([np.interp(trait, knots, own) for own in np.eye(len(knots))[1:]])


def groups_of(rows: pd.DataFrame) -> np.ndarray:
    ids = ibis.memtable(rows[["customer_id"]])
    return ids.mutate(group=customer_group(ids.customer_id)).to_pandas().group.to_numpy()


def leave_out(rows: pd.DataFrame, *controls: str) -> np.ndarray:
    """Least squares of all, then without each group of customers; (1 + groups, emails)."""
    group = groups_of(rows)
    parts = [rows, *(rows[group != g] for g in range(GROUPS))]
    return np.array([least_squares(part, *controls) for part in parts])


def per_email(drivers: tl.Drivers, rows: pd.DataFrame, among: np.ndarray | None = None) -> Any:
    """Incremental conversions per email sent: of all, then without each group of customers."""
    among = np.ones(len(rows), dtype=bool) if among is None else among
    chosen = set(rows.customer_id[among])
    cells = drivers.moments.table.customer.isin(chosen).to_numpy(float)[:, None]
    amount, without = drivers._replicated(effects.removal, cells)
    group, sent = groups_of(rows), rows[EMAILS].to_numpy() * among[:, None]
    left = np.array([sent[group != g].sum(axis=0) for g in range(GROUPS)])
    share = (GROUPS - 1) / GROUPS
    return np.vstack([amount[:, 0] / sent.sum(axis=0), without[:, :, 0] * share / left])


def distance(estimates: np.ndarray, by_lot: np.ndarray) -> np.ndarray:
    """Sum of absolute distances from what the lot says: of all, then without each group."""
    return np.abs(estimates - by_lot).sum(axis=1)


def with_interval(replicated: np.ndarray) -> tuple[float, float, float]:
    low, high = interval(replicated[0], *jackknife(replicated[0], replicated[1:]))
    return float(replicated[0]), float(low), float(high)


def fit(rows: pd.DataFrame, **settings: Any) -> tl.Drivers:
    return tl.fit_drivers(tl.open_data(tables(rows)), half_lives=ALL_DAY, **settings)


def test_published_figures(customers):
    assert least_squares(arm(customers, "randomised")).round(3).tolist() == [0.069, 0.062, 0.036]
    assert least_squares(arm(customers, "biased")).round(3).tolist() == [0.053, 0.179, 0.090]


def test_where_emails_were_drawn_by_lot_drivers_and_least_squares_agree(customers):
    rows = arm(customers, "randomised")
    drivers = fit(rows)
    assert not drivers.moments.risk.recurrent  # nobody converts twice
    # 20 draws an event leave 5 % of the variance of .006 to .008: less than .002 each
    assert per_email(drivers, rows)[0] == pytest.approx(least_squares(rows), abs=0.002)


def test_drivers_come_closer_to_the_lot_than_plain_regression(customers):
    rows = arm(customers, "biased")
    by_lot = leave_out(arm(customers, "randomised"))
    own = distance(per_email(fit(rows), rows), by_lot)
    bent = rows.assign(**{f"{t}{i}": hat for t in TRAITS for i, hat in enumerate(hats(rows[t]))})
    lines = [c for c in bent if c[:-1] in TRAITS]
    plain, same_traits = (distance(leave_out(bent, *c), by_lot) for c in ((), lines))
    _, low, _ = with_interval(plain - own)
    assert low > 0
    # with the same traits, least squares comes as close: what is left is not in the traits
    assert own[0] == pytest.approx(same_traits[0], abs=0.01)
    assert own[0] > 0.08


def test_the_arms_differ_in_more_than_who_got_which_email(customers):
    """Row for row the same people, so what differs is not who they are."""
    lot, chosen = arm(customers, "randomised"), arm(customers, "biased")
    pd.testing.assert_frame_equal(lot[TRAITS], chosen[TRAITS])
    alike = (lot[EMAILS] == chosen[EMAILS]).all(axis=1)
    both = pd.crosstab(lot.converted[alike], chosen.converted[alike])
    # same person, same emails: 596 convert in the confounded arm only, 13 in the other only
    assert both.to_numpy().tolist() == [[4023, 596], [13, 625]]


@pytest.mark.slow
def test_drivers_told_of_an_experiment_repeat_it(customers):
    """5,000 of the 15,000 customers are in an experiment, for the others emails were chosen."""
    lot, chosen = arm(customers, "randomised"), arm(customers, "biased")
    by_lot = np.zeros(len(lot), dtype=bool)
    by_lot[np.random.default_rng(0).choice(len(lot), 5_000, replace=False)] = True
    rows = chosen.copy()
    rows[by_lot] = lot[by_lot]
    data = tl.open_data(tables(rows, by_lot=by_lot))
    drivers = tl.fit_drivers(data, half_lives=ALL_DAY)
    found = tl.holdout_effects(data).table.set_index("touchpoint")
    held = tl.calibrate(drivers, tl.holdout_effects(data), doubted=EMAILS)
    assert tl.check_drivers(data, held).badges(EMAILS) == ["randomised"] * 3
    own = per_email(held, rows, among=by_lot)[0]
    # the drivers allow for what the other emails brought to one arm more than to the other
    assert own == pytest.approx(found.difference[EMAILS].to_numpy(), abs=0.006)
