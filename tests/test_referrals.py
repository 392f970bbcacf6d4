"""Customers whom customers brought: chains by hand, links that do not hold, and a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referral_worlds import family_world, truly_brought
from tiny import customers, notes, outcomes, tables, touches, utc

import touchlab as tl
from touchlab import sentences, show
from touchlab.drivers.checks import Checks
from touchlab.errors import MissingInput, ParameterError
from touchlab.retention.referrals import NOBODY, _family, _links, lost_through


def people(*pairs: str, times: int = 1) -> pd.DataFrame:
    """Customers and who brought them, as ``ann<bob``: bob brought ann."""
    made = [(one.partition("<")[0], one.partition("<")[2] or None) for one in pairs] * times
    frame = pd.DataFrame(made, columns=["customer_id", "referred_by"])
    return frame.assign(observed_from="2026-01-01", observed_to="2026-06-01")


def opened(given: pd.DataFrame, **more: pd.DataFrame) -> tl.Dataset:
    who = {"customer_id": [str(given.customer_id[0])], "timestamp": utc("2026-03-05")}
    met = touches(**who, touchpoint=["ad"])
    return tl.open_data(tables(touches=met, outcomes=outcomes(**who), customers=given) | more)


def test_a_regular_family_by_its_formula() -> None:
    """Each brings two, all won with chance p: generation g is lost with 1 - (1 - p)^min(g, d)."""
    parent = np.array([NOBODY, *((i - 1) // 2 for i in range(1, 31))])
    generation = np.floor(np.log2(np.arange(31) + 1))
    for depth in (1, 2, 9):
        lost = lost_through(np.full((1, 31), 0.3), parent, np.arange(31.0), depth)[0]
        assert lost == pytest.approx(1 - 0.7 ** np.minimum(generation, depth))


def test_who_came_first_was_brought_by_nobody() -> None:
    chain, won = np.array([NOBODY, 0, 1]), np.full((1, 3), 0.5)
    first = np.array([5.0, 3.0, 9.0])  # 1 bought before 0 did; 2 after both
    assert lost_through(won, chain, first, 2).tolist() == [[0, 0, 0.75]]
    first[1] = np.nan  # 1 never bought: only 0 may have been needed
    assert lost_through(won, chain, first, 2).tolist() == [[0, 0, 0.5]]


def test_links_that_do_not_hold_are_told() -> None:
    given = people(
        "ann", "bob<ann", "cy<cy", "dan<eve", "eve<fay", "fay<dan", "gus<nobody", "hal<bob"
    )
    table = tl.referral_links(opened(given))
    assert table[["generation", "customers"]].values.tolist() == [[1, 1], [2, 1]]
    assert table.attrs["notes"] == [
        "referrals left out (fewer than 10): customers who name themselves",
        "referrals left out (fewer than 10): one of the two is not among the customers",
        "referrals left out (fewer than 10): referrers in a circle",
    ]
    with pytest.raises(MissingInput, match="referrers in a circle"):
        tl.referral_links(opened(people("ann<bob", "bob<ann")))


def test_outcomes_may_name_whom_they_brought() -> None:
    """cy is ann's, by the earlier of two outcomes; customers.referred_by comes before both."""
    rows = outcomes(
        customer_id=["bob", "ann", "ann"], outcome=["referral"] * 3,
        timestamp=utc("2026-03-09", "2026-03-07", "2026-03-08"), referred_id=["cy", "cy", "bob"],
    )  # fmt: skip
    links, said = _links(opened(people("ann", "bob<dan", "cy", "dan"), outcomes=rows))
    assert sorted(zip(links.child, links.parent, strict=True)) == [("bob", "dan"), ("cy", "ann")]
    assert said == ["referrals left out (fewer than 10): a customer has a referrer already"]


def test_ids_are_read_exchanged_and_hidden_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    given = customers(customer_id=[1, 2], referred_by=[np.nan, 1.0])
    numbered = touches(customer_id=[1, 1, 2]), outcomes(customer_id=["1"])
    data = tl.open_data(tables(touches=numbered[0], outcomes=numbered[1], customers=given))
    assert data.tables["customers"].referred_by.to_pandas().dropna().tolist() == ["1"]
    assert not any("trait" in said for _, _, said in notes(data))
    aliases = pd.DataFrame({"alias": ["cookie"], "customer_id": ["ann"]})
    known = opened(people("ann", "bob<cookie"), identities=aliases)
    assert known.tables["customers"].referred_by.to_pandas().dropna().tolist() == ["ann"]
    named = tl.pseudonymise(known, key="a key for this test").tables["customers"].to_pandas()
    (brought_by,) = named.referred_by.dropna()
    assert len(brought_by) == 32 and brought_by in set(named.customer_id)
    with pytest.raises(tl.DataError, match=r"customers.referred_by: 1 of 2 rows are not whole"):
        opened(customers(referred_by=[1.5, None]))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=10, max_size=10))
def test_no_family_goes_in_circles(referrers: list[int]) -> None:
    given = people(*(f"{i}<{by}" if by else str(i) for i, by in enumerate(referrers)))
    try:
        links, said = _links(opened(given))
    except MissingInput as missing:
        assert "referr" in str(missing)
        return
    ids, parent = _family(links)
    up = np.arange(len(ids))
    for _ in range(len(ids)):
        up = np.where(up == NOBODY, NOBODY, parent[up])
    assert (up == NOBODY).all()
    assert bool(said) == (len(links) < sum(by > 0 for by in referrers))


@pytest.fixture(scope="module")
def family() -> tuple[tl.Drivers, pd.DataFrame]:
    made, truth = family_world(seed=14)
    return tl.fit_drivers(tl.open_data(made)), truth


def test_worth_is_what_is_brought_on_top(family: tuple[tl.Drivers, pd.DataFrame]) -> None:
    drivers, truth = family
    data = drivers.moments.data
    checks = Checks(pd.DataFrame({"touchpoint": ["ad", "mail"], "badge": "adjusted"}), (), "x")
    worth = {d: tl.referral_worth(data, drivers, depth=d, checks=checks) for d in (1, 2, 5)}
    mail = {d: one.table.set_index("touchpoint").loc["mail"] for d, one in worth.items()}
    assert mail[1].brought < mail[2].brought <= mail[5].brought
    assert mail[2].worth == pytest.approx(mail[2].incremental + mail[2].brought)
    own = drivers.incremental(total=False).set_index("touchpoint").incremental
    assert mail[2].incremental == pytest.approx(own["mail"])
    nothing = worth[2].table.set_index("touchpoint").loc["ad"]
    assert nothing.brought_low < 0 < nothing.brought_high
    chance = 2 * truly_brought(truth, 2) ** 0.5
    assert mail[2].brought_low - chance < truly_brought(truth, 2) < mail[2].brought_high + chance
    value = tl.referral_worth(data, drivers, measure="value").table.set_index("touchpoint")
    assert value.brought["mail"] == pytest.approx(20 * mail[2].brought)
    said = worth[2].sentence()
    assert said.startswith("With those whom its customers brought, to depth 2, mail is worth ")
    assert "mail" in worth[2].plot().alt
    unchecked = tl.referral_worth(data, drivers)
    assert unchecked.sentence() == "No touchpoint clearly brings customers by way of its customers."
    with pytest.raises(ParameterError, match="depth: 0"):
        tl.referral_worth(data, drivers, depth=0)


def test_few_who_were_brought_are_not_shown() -> None:
    table = tl.referral_links(opened(people("ann", "bob<ann")))
    assert sentences.about_brought(table, "conversion").startswith("Not said, all of it is hidden")
    assert "hidden" in repr(show.Table(table))


@pytest.mark.slow
def test_what_mail_brought_is_found_over_seeds() -> None:
    """Means of ten families: what mail brings itself, and by way of its customers."""
    found = []
    for seed in range(40, 50):
        made, truth = family_world(seed=seed)
        data = tl.open_data(made)
        row = (
            tl.referral_worth(data, tl.fit_drivers(data)).table.set_index("touchpoint").loc["mail"]
        )
        found.append((row.incremental, truth.owed.sum(), row.brought, truly_brought(truth, 2)))
    own, owed, brought, truly = np.mean(found, axis=0)
    assert own == pytest.approx(owed, rel=0.1)
    assert brought == pytest.approx(truly, rel=0.2)
