"""Lifetime value from orders: counted by hand, published, planted, validated, refused."""

from __future__ import annotations

import warnings

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pytest
from conftest import parse_events
from ibis.config import Config
from lifetime_data import (
    SPEND,
    START,
    TRUTH,
    cdnow_orders,
    open_orders,
    simulate_orders,
)

import touchlab as tl
from touchlab.plots.retention import plot_lifetime_value, plot_validation
from touchlab.retention.bgnbd import Alike, chance_alive, expected_if_alive, expected_value
from touchlab.retention.landmark import value_by_exposure
from touchlab.retention.lifetime import Lifetime, fit_lifetime
from touchlab.retention.orders import Landmark, last_day, pull_purchases
from touchlab.retention.validation import Validation, validate_lifetime
from touchlab.sentences.retention import (
    about_exposure,
    about_lifetime,
    about_renewals,
    about_risk,
    about_validation,
)
from touchlab.show import NARROW

VALUE_COLUMNS = [
    "group", "expected_purchases", "purchases_low", "purchases_high", "value", "ci_low",
    "ci_high", "n",
]  # fmt: skip


def quiet(data: tl.Dataset, **choices: object) -> Lifetime:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tl.TouchlabWarning)
        return fit_lifetime(data, **choices)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    return simulate_orders(3000, seed=1)


@pytest.fixture(scope="module")
def traits(orders: pd.DataFrame) -> pd.DataFrame:
    """Two regions, dealt out by id: no difference between them."""
    ids = np.sort(orders.customer_id.unique())
    end = START + pd.Timedelta(days=364)
    table = pd.DataFrame({"customer_id": ids, "observed_from": START, "observed_to": end})
    return table.assign(region=np.where(ids % 3 == 0, "north", "south"))


@pytest.fixture(scope="module")
def shop(orders: pd.DataFrame, traits: pd.DataFrame) -> tl.Dataset:
    return open_orders(orders, customers=traits)


@pytest.fixture(scope="module")
def fitted(shop: tl.Dataset) -> Lifetime:
    return quiet(shop)


@pytest.fixture(scope="module")
def cdnow() -> tl.Dataset:
    return open_orders(cdnow_orders())


@pytest.fixture(scope="module")
def cdnow_check(cdnow: tl.Dataset) -> Validation:
    return validate_lifetime(cdnow, split="1997-09-30")


# ---- counting --------------------------------------------------------------------------


def test_orders_are_counted_by_hand() -> None:
    tables = parse_events(
        {
            # two on day 7: one order of 20 + 40; recency 14 days, age 20
            "ann": "a@0 *10@0.2 *20@7 *40@7.5 *30@14.9",
            "bob": "a@3 *5@6",
            # an order after the end does not count, nor does an unvalued one in the mean
            "cat": "a@1 *@1 *@2 *8@4 *9@25",
            "dan": "a@30 *1@30",
        }
    )
    data = tl.open_data(tables)
    until = last_day(data, "conversion", "2026-03-21")
    frame = pull_purchases(data, "conversion", until, ids=True).set_index("customer_id")
    assert frame.index.tolist() == ["ann", "bob", "cat"]
    assert frame.frequency.tolist() == [2, 0, 2]
    assert (frame.recency * 7).round(9).tolist() == [14, 0, 3]
    assert (frame.age * 7).round(9).tolist() == [20, 14, 19]
    assert frame.valued.tolist() == [2, 0, 1]
    # (60 + 30) / 2; no repeat order; the 8 alone
    assert frame.value.fillna(-1).tolist() == [45, -1, 8]
    assert frame.rows.tolist() == [4, 1, 3]


def test_windows_end_observation_but_recorded_churn_does_not() -> None:
    tables = parse_events({"ann": "a@0 *1@0", "bob": "a@0 *1@0", "cat": "a@0 *1@0"})
    churn = pd.DataFrame(
        {"customer_id": ["bob"], "timestamp": [START_2026 + pd.Timedelta(days=9)]}
    ).assign(outcome="churn", value=np.nan)
    tables["outcomes"] = pd.concat([tables["outcomes"], churn])
    ends = [START_2026 + pd.Timedelta(days=d) for d in (10, 9, 20)]
    windows = pd.DataFrame({"customer_id": ["ann", "bob", "cat"], "observed_to": ends})
    data = tl.open_data({**tables, "customers": windows.assign(observed_from=START_2026)})
    frame = pull_purchases(data, "conversion", last_day(data, "conversion", None))
    # a window up to midnight of day 10 holds ten days, 0 to 9; bob is known to be silent
    assert (frame.age * 7).round(9).tolist() == [9, 19, 19]
    assert frame.gone.notna().tolist() == [False, True, False]


START_2026 = pd.Timestamp("2026-03-01", tz="UTC")


def test_value_after_a_landmark_by_hand() -> None:
    tables = parse_events(
        {
            # touched on days 2 and 10 after the first order; 7 is worth .9^(4/365) of 7, the
            # order on day 60 lies beyond the horizon of 30 days
            "ann": "x@0 *5@0 mail@2 mail@3 call@10 *6@10 *7@14 *8@60",
            "bob": "x@0 *5@0 call@11 *9@40",
            # not observed for more than ten days
            "cat": "x@55 *5@55",
        }
    )
    data = tl.open_data(tables)
    until = last_day(data, "conversion", None)
    rate = -np.log(0.9) / 365
    landmark = Landmark(10, ("call", "mail", "x"), 30.0, rate)
    frame = pull_purchases(data, "conversion", until, landmark=landmark)
    # bits: call 1, mail 2, x 4; touches of the first day and after the landmark do not count
    assert frame.touched.tolist() == [3, 0]
    assert frame.realised.tolist() == pytest.approx([7 * 0.9 ** (4 / 365), 9 * 0.9 ** (30 / 365)])


# ---- published figures -----------------------------------------------------------------


def test_cdnow_from_orders_to_parameters(cdnow: tl.Dataset) -> None:
    fitted = fit_lifetime(cdnow, until="1997-09-30")
    # in exact days; the table from weeks of two places is in test_bgnbd
    found = fitted.parameters.set_index("name").estimate
    assert found[["r", "alpha", "a", "b"]].round(3).tolist() == [0.243, 4.414, 0.793, 2.426]
    assert found[["p", "q", "v"]].round(2).tolist() == [6.25, 3.74, 15.44]
    assert round(fitted.log_likelihood, 2) == -9582.43
    assert round(fitted.correlation[0], 4) == 0.1139
    assert fitted.parameters.n.tolist() == [2357] * 4 + [946] * 3
    table = fitted.per_customer(horizon_days=39 * 7).set_index("customer_id")
    # customer 1 has the history of the published example, of 30.43 and 38.86 weeks
    assert table.orders[1] == 3
    assert round(table.alive[1], 4) == 0.7266
    assert round(table.expected_purchases[1], 3) == 1.226


def test_cdnow_is_validated(cdnow: tl.Dataset, cdnow_check: Validation) -> None:
    total, weeks = cdnow_check.total.iloc[0], cdnow_check.weeks
    held = weeks[weeks.part == "holdout"]
    assert len(held) == 39 and len(weeks) == 78
    # counted here with pandas: repeat order days in the 39 weeks from 1 October 1997
    orders = cdnow_orders()
    later = orders[orders.timestamp > pd.Timestamp("1997-09-30", tz="UTC")]
    assert total.actual == held.actual.sum() == len(later) == 1882
    first = orders.groupby("customer_id").timestamp.transform("min")
    earlier = orders[(orders.timestamp > first) & (orders.timestamp <= "1997-09-30")]
    assert weeks.actual[weeks.part == "fit"].sum() == len(earlier)
    # two routes to the prediction: week by week, and customer by customer
    per = cdnow_check.lifetime.per_customer(horizon_days=39 * 7)
    assert total.predicted == pytest.approx(per.expected_purchases.sum())
    assert held.predicted.sum() == pytest.approx(total.predicted)
    assert total.error == pytest.approx(total.predicted / 1882 - 1)
    assert round(total.error, 2) == -0.12
    # the fitted curve has the repeat orders that came, nearly
    fit = weeks[weeks.part == "fit"]
    assert fit.predicted.sum() == pytest.approx(fit.actual.sum(), rel=0.02)


# ---- laws ------------------------------------------------------------------------------


class PySpark(Config):  # type: ignore[misc]
    """What Ibis registers when PySpark is there; needed to compile for it without."""

    treat_nan_as_null: bool = False


@pytest.mark.parametrize("dialect", ["postgres", "pyspark"])
def test_every_query_can_be_written_for_other_engines(
    shop: tl.Dataset, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    monkeypatch.setattr(ibis.options, "pyspark", PySpark())
    compiled = []
    run = ir.Table.to_pandas

    def compile_and_run(table: ir.Table, *args: object, **named: object) -> pd.DataFrame:
        compiled.append(ibis.to_sql(table, dialect=dialect))
        return run(table, *args, **named)

    monkeypatch.setattr(ir.Table, "to_pandas", compile_and_run)
    fitted = quiet(shop)
    fitted.value(by="region")
    fitted.value(by="first_touchpoint")
    fitted.per_customer()
    validate_lifetime(shop)
    with pytest.raises(tl.DataError):  # after its queries: everybody has met the same
        value_by_exposure(fitted)
    assert len(compiled) >= 12


@pytest.mark.parametrize("by", ["cohort", "first_touchpoint", "region"])
def test_groups_add_up_to_the_whole(fitted: Lifetime, by: str) -> None:
    whole, parts = fitted.value().iloc[0], fitted.value(by=by)
    assert parts.columns.tolist() == VALUE_COLUMNS
    assert parts.n.sum() == whole.n == 3000
    for column in ("expected_purchases", "value"):
        assert (parts[column] * parts.n).sum() == pytest.approx(whole[column] * whole.n)
    assert (parts.ci_low < parts.value).all() and (parts.value < parts.ci_high).all()
    bands, all_bands = fitted.at_risk(by=by), fitted.at_risk()
    assert (
        bands.groupby("band").customers.sum()[all_bands.band].tolist()
        == all_bands.customers.tolist()
    )


def test_customers_add_up_to_the_whole(fitted: Lifetime) -> None:
    per, whole = (
        fitted.per_customer(horizon_days=90, discount_rate=0.2),
        fitted.value(horizon_days=90, discount_rate=0.2),
    )
    assert per.customer_id.is_unique and len(per) == 3000
    assert per.expected_purchases.mean() == pytest.approx(whole.expected_purchases[0])
    assert per.value.mean() == pytest.approx(whole.value[0])
    again = per[per.orders > 1]
    assert again.alive.mean() == pytest.approx(fitted.alive().alive[0])
    assert fitted.alive().n[0] == len(again)
    bands = fitted.at_risk().set_index("band").customers
    assert bands["one order"] == (per.orders == 1).sum()
    assert bands["80 % and more"] == (again.alive >= 0.8).sum()
    assert bands.sum() == 3000


def test_discount_and_horizon_move_value_as_they_should(fitted: Lifetime) -> None:
    free, year = fitted.value(discount_rate=0).value[0], fitted.value().value[0]
    assert free / 1.1 < year < free
    short = fitted.value(horizon_days=30).value[0]
    assert 0 < short < year
    p, q, v = SPEND
    # orders of customers are worth about p v / (q - 1) on average
    orders = fitted.value(discount_rate=0).expected_purchases[0]
    assert free / orders == pytest.approx(p * v / (q - 1), rel=0.15)


def test_the_order_of_rows_does_not_matter(orders: pd.DataFrame, fitted: Lifetime) -> None:
    mixed = quiet(open_orders(orders.sample(frac=1, random_state=3)))
    assert mixed.packed == pytest.approx(fitted.packed, abs=1e-6)
    assert mixed.replicates == pytest.approx(fitted.replicates, abs=1e-5)


def test_the_seed_draws_the_bootstrap(shop: tl.Dataset, fitted: Lifetime) -> None:
    again, other = quiet(shop), quiet(shop, seed=1)
    pd.testing.assert_frame_equal(again.parameters, fitted.parameters)
    # the engine adds values up in any order
    assert other.packed == pytest.approx(fitted.packed, abs=1e-9)
    assert (other.parameters.ci_low != fitted.parameters.ci_low).all()


# ---- planted truth ---------------------------------------------------------------------


def test_planted_parameters_are_found(fitted: Lifetime) -> None:
    table = fitted.parameters
    truth = np.concatenate([TRUTH, SPEND])
    # whole days lose a little of what happened, so intervals are given a tenth more
    assert (table.ci_low < truth * 1.1).all() and (truth < table.ci_high * 1.1).all()
    assert fitted.correlation[1] < 0 < fitted.correlation[2]


def test_a_group_worth_more_is_found(orders: pd.DataFrame, traits: pd.DataFrame) -> None:
    north = traits.set_index("customer_id").region[orders.customer_id].to_numpy() == "north"
    dear = orders.assign(value=orders.value * np.where(north, 3.0, 1.0))
    table = quiet(open_orders(dear, customers=traits)).value(by="region").set_index("group")
    assert table.ci_low["north"] > 2 * table.ci_high["south"] / 1.5
    assert table.value["north"] / table.value["south"] == pytest.approx(3, rel=0.35)


def test_holdout_of_true_customers_is_foreseen(shop: tl.Dataset) -> None:
    check = validate_lifetime(shop, split="2025-07-31")
    total, held = check.total.iloc[0], check.weeks[check.weeks.part == "holdout"]
    assert total.ci_low <= total.actual <= total.ci_high
    # 22 weeks; fewer than 18 within a true 95 % interval would come by chance in 1 of 200
    assert len(held) == 21
    assert held.actual.between(held.ci_low, held.ci_high).sum() >= 17


def test_exposure_without_effect_has_none(orders: pd.DataFrame) -> None:
    # a tenth of customers met the call within a month, whatever they ordered: ever against
    # never would favour it, as only customers who stay are called later on
    random = np.random.default_rng(4)
    first = orders.groupby("customer_id").timestamp.min()
    met = first[random.random(len(first)) < 0.3] + pd.Timedelta(days=9)
    last = orders.groupby("customer_id").timestamp.max()
    late = last[last > first + pd.Timedelta(days=90)]
    calls = pd.concat([met, late]).rename("timestamp").reset_index().assign(touchpoint="call")
    shop = first.reset_index().assign(touchpoint="shop")
    outcomes = orders.assign(outcome="conversion")
    data = tl.open_data({"touches": pd.concat([calls, shop]), "outcomes": outcomes})
    table = value_by_exposure(quiet(data))
    assert table.columns.tolist() == [
        "touchpoint", "value_touched", "value_untouched", "difference", "ci_low", "ci_high", "n",
        "customers", "observed", "badge",
    ]  # fmt: skip
    assert table.touchpoint.tolist() == ["call"]
    row = table.iloc[0]
    assert row.n == len(met) and row.customers == 3000
    assert row.ci_low < 0 < row.ci_high
    assert row.difference == pytest.approx(row.value_touched - row.value_untouched)
    assert 0 < row.observed < 1 and row.badge == "descriptive"
    assert "No touchpoint met in the first 30 days" in about_exposure(table)


def test_exposure_values_are_realised_and_expected(orders: pd.DataFrame) -> None:
    """Two routes: with a horizon inside the data, the value is what came and nothing else."""
    touches = orders.groupby("customer_id").timestamp.min().reset_index()
    mail = touches[touches.customer_id % 2 == 0]
    mail = mail.assign(timestamp=mail.timestamp + pd.Timedelta(days=5), touchpoint="mail")
    touches = pd.concat([touches.assign(touchpoint="shop"), mail])
    data = tl.open_data({"touches": touches, "outcomes": orders.assign(outcome="conversion")})
    table = value_by_exposure(quiet(data), touchpoint="mail", horizon_days=60, discount_rate=0)
    first = orders.groupby("customer_id").timestamp.transform("min")
    later = (orders.timestamp - first).dt.days
    came = orders[(later > 30) & (later <= 90)].groupby("customer_id").value.sum()
    came = came.reindex(range(3000), fill_value=0.0)
    row = table.iloc[0]
    assert row.value_touched == pytest.approx(came[came.index % 2 == 0].mean())
    assert row.value_untouched == pytest.approx(came[came.index % 2 == 1].mean())
    assert row.observed == pytest.approx(1.0)


@pytest.mark.slow
def test_intervals_cover() -> None:
    """95 % intervals of parameters and of mean value hold the truth in 85 to 100 % of worlds."""
    hits = []
    weeks = np.array([365 / 7])
    for seed in range(100):
        orders = simulate_orders(1000, seed=seed + 100)
        fitted = quiet(open_orders(orders))
        table, value = fitted.parameters, fitted.value(discount_rate=0).iloc[0]
        # what these customers are worth by the parameters that made them
        rows, place = fitted.history.rows, fitted.history.place
        ahead = expected_if_alive(
            np.log(TRUTH), rows.frequency, rows.age, np.broadcast_to(weeks, rows.age.shape)
        )
        packed = np.log(SPEND - [0, 1, 0])
        each = (chance_alive(np.log(TRUTH), rows) * ahead)[place]
        worth = (each * expected_value(packed, *fitted.history.spent)).mean()
        inside = (table.ci_low <= [*TRUTH, *SPEND]) & (table.ci_high >= [*TRUTH, *SPEND])
        hits.append([*inside, value.ci_low <= worth <= value.ci_high])
    assert (np.mean(hits, axis=0) >= 0.85).all(), np.mean(hits, axis=0)


# ---- figures and sentences -------------------------------------------------------------


def test_figures_state_the_finding(cdnow_check: Validation, fitted: Lifetime) -> None:
    picture = plot_validation(cdnow_check.weeks, cdnow_check.total)
    assert picture.alt == (
        "1,653 repeat orders were predicted for 39 weeks not seen, 1,882 came: 12\xa0% too few. "
        "30 of 39 weeks lie within their prediction interval."
    )
    for drawn in (picture, plot_lifetime_value(fitted.value(by="cohort"))):
        assert drawn.svg()[:4] == drawn.svg(NARROW)[:4] == "<svg"
    regions = plot_lifetime_value(fitted.value(by="region"))
    assert regions.alt.startswith("No group is surely worth more than another: ")


def test_sentences_say_the_numbers(cdnow_check: Validation) -> None:
    assert about_validation(cdnow_check.total, cdnow_check.weeks).startswith(
        "Fitted on the time before 1997-10-01, the model predicted 1,653 repeat orders of 2,357 "
        "customers in the 39 weeks after it (1,4"
    )
    value = pd.DataFrame([["all", 2.04, 1.9, 2.2, 40.0, 36.0, 44.2, 1000]], columns=VALUE_COLUMNS)
    assert about_lifetime(value) == (
        "A customer is expected to order 2.0 times in the next 365 days (1.9 to 2.2), worth 40 "
        "today (36 to 44); the 1,000 customers together 40,000. That is what they are likely to "
        "order, no profit, and without customers yet to come."
    )
    unvalued = value.assign(value=np.nan, ci_low=np.nan, ci_high=np.nan)
    assert about_lifetime(unvalued).endswith("what orders are worth is not known. 1,000 customers.")
    bands = pd.DataFrame(
        {
            "group": "all",
            "band": ["one order", "below 20 %", "20 to 50 %", "50 to 80 %", "80 % and more"],
            "customers": [500, 3, 4, 1000, 2000],
        }
    )
    assert about_risk(bands) == (
        "Of 3,007 customers who came back, fewer than 10 have more likely left than not and 3,000 "
        "are likely still customers. 500 ordered once: their silence does not yet tell."
    )
    curve = pd.DataFrame(
        {
            "renewal": [0, 1, 2],
            "survival": [1, 0.8, 0.7],
            "ci_low": [1, 0.7, 0.6],
            "ci_high": [1, 0.9, 0.8],
            "retention": [1, 0.8, 0.875],
            "n": [99, 99, 70],
        }
    )
    assert about_renewals(curve) == (
        "80\xa0% of customers renew at first, 88\xa0% of those who are still there at renewal 2; "
        "after 2 periods of 30 days 70\xa0% are left (60\xa0% to 80\xa0%)."
    )


# ---- bad input -------------------------------------------------------------------------


def few_orders(repeaters: int, customers: int = 60) -> pd.DataFrame:
    """Everybody orders on day 0, some again on another day, of value 10."""
    days = [(c, 0) for c in range(customers)] + [(c, 5 + 3 * c) for c in range(repeaters)]
    rows = pd.DataFrame(days, columns=["customer_id", "day"])
    time = START + pd.to_timedelta(rows.day, unit="D")
    return pd.DataFrame({"customer_id": rows.customer_id, "timestamp": time, "value": 10.0})


FEW = (
    "\n  at least 10 are needed to tell buying slowly from having left; use a longer time or an "
    "outcome that recurs"
)


@pytest.mark.parametrize(
    ("orders", "choices", "message"),
    [
        (
            few_orders(0),
            {},
            "lifetime: 0 of 60 customers have a second conversion on a later day, up to "
            "2025-01-01" + FEW,
        ),
        (
            few_orders(9),
            {},
            "lifetime: 9 of 60 customers have a second conversion on a later day, up to "
            "2025-01-30" + FEW,
        ),
        (
            few_orders(30),
            {"until": "2024-12-31"},
            "lifetime: no customer has a conversion up to 2024-12-31\n  give a later date",
        ),
        (
            few_orders(30),
            {"until": "soon"},
            "until: 'soon' is not a date\n  give '2026-02-28' or None",
        ),
        (
            few_orders(30),
            {"outcome": "order"},
            "outcome: no outcome is named 'order'\n"
            "  the data has conversion (90); use one of these",
        ),
        (
            few_orders(30),
            {"outcome": "churn"},
            "outcome: churn comes once, and lifetime value counts what comes again\n"
            "  use fit_renewals for recorded churn, or name the outcome that is an order",
        ),
    ],
)
def test_refusals(orders: pd.DataFrame, choices: dict[str, object], message: str) -> None:
    with pytest.raises(tl.TouchlabError) as error:
        fit_lifetime(open_orders(orders), **choices)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_negative_values_do_not_come_in() -> None:
    with pytest.raises(tl.DataError) as error:
        open_orders(few_orders(30).assign(value=-1.0))
    assert "outcomes.value: 90 of 90 rows are below 0" in str(error.value)


@pytest.mark.parametrize("value", [0.0, None])
def test_orders_without_value_are_counted_not_valued(value: float | None) -> None:
    orders = simulate_orders(400, seed=3).assign(value=value).astype({"value": float})
    with warnings.catch_warnings():
        warnings.simplefilter("error", tl.TouchlabWarning)
        fitted = fit_lifetime(open_orders(orders))
    assert "repeat customers with a value above 0: 0, too few to say what orders are worth" in (
        fitted.notes
    )
    table = fitted.value()
    assert table.expected_purchases[0] > 0 and table.value.isna().all()
    assert fitted.parameters.name.tolist() == ["r", "alpha", "a", "b"]
    assert fitted.per_customer().value.isna().all()
    with pytest.raises(tl.DataError) as error:
        value_by_exposure(fitted)
    assert str(error.value) == (
        "outcomes.value: too few repeat conversion outcomes have a value\n"
        "  give values, to know what customers are worth"
    )


def test_some_zeros_and_gaps_are_noted() -> None:
    orders = simulate_orders(400, seed=3).sort_values(["customer_id", "timestamp"])
    again = orders.groupby("customer_id").cumcount() > 0
    often = orders.groupby("customer_id").customer_id.transform("size") > 3
    gap = orders[again & often].index[0]
    nothing = orders[again & often & (orders.customer_id != orders.customer_id[gap])]
    free = nothing.customer_id.iloc[0]
    orders.loc[orders.customer_id == free, "value"] = 0.0
    orders.loc[gap, "value"] = np.nan
    notes = quiet(open_orders(orders)).notes
    assert "repeat orders without a value: 1; left out of mean values" in notes
    assert (
        "repeat customers with orders of value 0 only: 1; their orders count, their values are "
        "left out of the fit of values" in notes
    )


def test_churn_on_record_is_noted_and_purchases_after_it() -> None:
    orders = simulate_orders(400, seed=5).assign(outcome="conversion")
    first = orders.groupby("customer_id").timestamp.min()
    churn = first[:200].reset_index()
    churn["timestamp"] += pd.Timedelta(days=20)
    later = orders.merge(churn, on="customer_id", suffixes=("", "_churn"))
    after = int((later.timestamp > later.timestamp_churn).sum())
    data = open_orders(pd.concat([orders, churn.assign(outcome="churn")]))
    fitted = quiet(data)
    assert after > 20
    assert fitted.notes[:2] == (
        "churn is on record for 200 of 400 customers: this model does not use the record, it "
        "infers who left from silence; fit_renewals uses it",
        f"orders after the customer's recorded churn: {after}; kept as orders",
    )
    # on record as gone, and silent since
    gone = int(
        (~churn.customer_id.isin(later[later.timestamp > later.timestamp_churn].customer_id)).sum()
    )
    assert fitted.at_risk().set_index("band").customers["gone (recorded)"] == gone
    assert fitted.per_customer().gone.sum() == 200


def test_troubles_are_warnings_and_notes() -> None:
    with pytest.warns(tl.TouchlabWarning) as caught:
        fitted = fit_lifetime(open_orders(few_orders(30)))
    said = [str(w.message) for w in caught if w.category is tl.TouchlabWarning]
    assert "few repeat customers: 30; intervals are rough" in said
    assert (
        "100 % of customers have their first order in the first twelfth of the time: if they "
        "bought before the data begins, they count as new, and buying looks the steadier" in said
    )
    assert set(said) <= set(fitted.notes)


def test_value_that_goes_with_frequency_is_a_warning() -> None:
    orders = simulate_orders(1500, seed=6)
    size = orders.groupby("customer_id").customer_id.transform("size")
    with pytest.warns(tl.TouchlabWarning, match="customers who order more often spend more"):
        fitted = fit_lifetime(open_orders(orders.assign(value=orders.value * size)))
    assert fitted.correlation[1] > 0


def test_same_day_orders_are_noted(orders: pd.DataFrame, fitted: Lifetime) -> None:
    twice = orders.assign(timestamp=orders.timestamp + pd.Timedelta(hours=1))
    doubled = quiet(open_orders(pd.concat([orders, twice])))
    assert doubled.rates == pytest.approx(fitted.rates)
    assert doubled.notes[0] == (
        "conversion outcomes on a day with another one of the same customer: "
        f"{len(orders):,}; counted as one order"
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda f: f.value(horizon_days=0), "horizon_days: 0 is not a number of days above 0"),
        (
            lambda f: f.value(horizon_days="1y"),
            "horizon_days: '1y' is not a number of days above 0",
        ),
        (
            lambda f: f.value(discount_rate=-0.1),
            "discount_rate: -0.1 is not a share a year\n  give 0.1 for 10 %, or 0",
        ),
        (
            lambda f: f.value(by="regio"),
            "by: 'regio' is not a trait of customers; did you mean 'region'?\n"
            "  use one of: cohort, first_touchpoint, region",
        ),
        (
            lambda f: value_by_exposure(f, touchpoint="shopp"),
            "touchpoint: 'shopp' is not in the data; did you mean 'shop'?\n"
            "  the touchpoints are shop",
        ),
        (
            lambda f: value_by_exposure(f, landmark_days=0.5),
            "landmark_days: 0.5 is not a whole number of days above 0",
        ),
        (
            lambda f: value_by_exposure(f, landmark_days=400),
            "landmark_days: no customer is observed for more than 400 days after the first order\n"
            "  use fewer days",
        ),
        (
            lambda f: validate_lifetime(f.data, split="2025-12-20"),
            "split: 2025-12-20 leaves too little before or after it, in orders from 2025-01-01 "
            "to 2025-12-30\n  give a day with at least 4 weeks after it",
        ),
    ],
)
def test_choices_are_checked(fitted: Lifetime, ask, message: str) -> None:
    with pytest.raises(tl.TouchlabError) as error:
        ask(fitted)
    assert str(error.value) == message


def test_nobody_to_compare_is_said(fitted: Lifetime) -> None:
    with pytest.raises(tl.DataError) as error:
        value_by_exposure(fitted)
    assert str(error.value) == (
        "touches: no touchpoint is met by some customers and not by others in the 30 days after "
        "the first order\n  use other landmark_days"
    )


def test_a_fit_prints_itself_in_a_line(fitted: Lifetime) -> None:
    assert repr(fitted) == "Lifetime of 3,000 customers, conversion until 2025-12-30"


def test_one_order_is_not_silence() -> None:
    # the model has nobody leave before a repeat order
    rows = Alike(np.zeros(1), np.zeros(1), np.array([500.0]), np.ones(1))
    assert chance_alive(np.log(TRUTH), rows)[0] == 1
