"""Themes of comments: planted ones found in two languages, none where there are none, no names."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from comment_worlds import WORDS, comment_surveys
from sklearn.metrics import adjusted_rand_score
from tiny import surveys, tables

import touchlab as tl
from touchlab import sentences, show
from touchlab.errors import MissingInput
from touchlab.experience.comments import _comments, stop_words, themed


def opened(table: pd.DataFrame) -> tl.Dataset:
    return tl.open_data({"surveys": table.drop(columns=["planted", "spoken"])})


@pytest.fixture(scope="module")
def given() -> pd.DataFrame:
    return comment_surveys(seed=1, comments=400)


@pytest.fixture(scope="module")
def found(given: pd.DataFrame) -> pd.DataFrame:
    return tl.comment_themes(opened(given))


def test_planted_themes_are_found_in_two_languages(
    given: pd.DataFrame, found: pd.DataFrame
) -> None:
    rows, _ = themed(_comments(opened(given)), 10, 1)
    both = rows.merge(given, on="customer_id")
    assert len(both) == len(given)
    assert (both.language == both.spoken).mean() > 0.98
    for _, own in both.groupby("spoken"):
        assert adjusted_rand_score(own.planted, own.theme) > 0.85
    assert found.groupby("language").size().to_dict() == {"de": 3, "en": 3}
    assert (found.stability > 0.8).all()


def test_no_word_of_few_customers_appears(found: pd.DataFrame, given: pd.DataFrame) -> None:
    """Each customer's own name, in every comment of hers, and words of nine customers."""
    nine = given.comment + pd.Series([" Gerlinde" if i < 18 else "" for i in range(len(given))])
    again = tl.comment_themes(opened(given.assign(comment=nine)))
    for one in (found, again):
        page = show.Table(one)._repr_html_() + sentences.about_themes(one) + repr(one)
        assert not re.search("zq[a-j]{4}|gerlinde", page, re.IGNORECASE)
        lists = [words for of_one in WORDS.values() for words in of_one.values()]
        allowed = set(" ".join(lists).split())
        shown = {word for theme in one.theme for word in theme.split(", ")}
        users = {w: given.comment.str.contains(rf"\b{w}\b").sum() for w in shown}
        assert min(users.values()) >= 10
        assert shown & allowed
        assert not shown & {word for words in stop_words().values() for word in words}
        assert not any(text in page for text in given.comment)


def test_a_theme_of_few_customers_is_not_shown(given: pd.DataFrame) -> None:
    assert tl.comment_themes(opened(given), min_customers=150).empty


def test_what_goes_with_low_scores_is_said(found: pd.DataFrame) -> None:
    english = found[found.language == "en"].set_index("theme")
    wait = english[english.index.str.contains("queue|slow|wait")].iloc[0]
    staff = english[english.index.str.contains("friendly|staff")].iloc[0]
    assert wait.ci_high < 0 < staff.ci_low
    assert wait.badge == staff.badge == "descriptive"
    assert sentences.about_themes(found).startswith(
        "Comments that go with lower scores (a link only): visit ("
    )
    assert found.later.isna().all()
    assert found.attrs["notes"] == ["whether churn follows a theme is not known from this data"]


def test_words_at_random_are_no_themes() -> None:
    found = tl.comment_themes(opened(comment_surveys(seed=1, comments=400, themes=False)))
    assert found.empty
    assert all("no stable themes" in note for note in found.attrs["notes"][:2])
    assert sentences.about_themes(found).startswith("No touchpoint has comments enough")


def test_what_follows_a_theme_is_the_difference_of_rates(given: pd.DataFrame) -> None:
    """Who waits leaves twenty days later, every second one; nobody else does."""
    wait = given[given.planted == "wait"].iloc[::2]
    left = pd.DataFrame(
        {
            "customer_id": wait.customer_id,
            "timestamp": wait.timestamp + pd.Timedelta(days=20),
            "outcome": "churn",
        }
    )
    last = pd.Timestamp("2026-12-01")
    people = pd.DataFrame({"customer_id": given.customer_id, "observed_from": "2026-01-01"})
    ends = people.customer_id.map(left.set_index("customer_id").timestamp).fillna(last)
    bought = left.assign(outcome="conversion", timestamp=pd.Timestamp("2026-01-02"))
    every = bought.iloc[:1].merge(people[["customer_id"]], how="cross", suffixes=("_", ""))
    touches = every.assign(touchpoint="visit")[["customer_id", "timestamp", "touchpoint"]]
    data = tl.open_data(
        {
            "touches": touches,
            "outcomes": pd.concat([left, every[left.columns]]),
            "customers": people.assign(observed_to=ends + pd.Timedelta(seconds=1)),
            "surveys": given.drop(columns=["planted", "spoken"]),
        }
    )
    table = tl.comment_themes(data, days=60)
    for language, word in (("en", "queue|slow|wait"), ("de", "schlange|langsam|warten")):
        own = table[(table.language == language) & table.theme.str.contains(word)].iloc[0]
        assert own.later_low < 50 < own.later_high + 5
        assert own.later_low > 25


def test_without_comments_it_is_missing() -> None:
    with pytest.raises(MissingInput, match="With comments in the surveys"):
        tl.comment_themes(tl.open_data(tables(surveys=surveys())))
