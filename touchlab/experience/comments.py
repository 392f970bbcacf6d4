"""What customers write about: themes of their comments, by touchpoint and language."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.experience.changes import answer_rows, within_strata
from touchlab.experience.followup import followed_answers
from touchlab.experience.surveys import surveys_of
from touchlab.numeric import Floats, interval, jackknife, one_thread
from touchlab.privacy.suppress import MIN_CUSTOMERS, check_k

NO_COMMENTS = "With comments in the surveys, what customers write about is shown here."
WORD = re.compile(r"[^\W\d_]{3,}")
FEWEST, COMPARED = 60, 30
"""Comments of a touchpoint and language for themes; answers with and without one to compare."""
MOST_THEMES, FITS, STABLE, EQUAL, NAMED = 8, 5, 0.5, 0.02, 5
"""Themes and fits tried; agreement that makes themes, difference that is none; words shown."""
COLUMNS = ["touchpoint", "language", "theme", "n", "customers", "share", "score", "difference"]
COLUMNS += ["ci_low", "ci_high", "later", "later_low", "later_high", "stability", "badge"]


@one_thread
def comment_themes(
    data: Dataset, *, outcome: str = "churn", days: int = 90,
    min_customers: int = MIN_CUSTOMERS, seed: int = 1,
) -> pd.DataFrame:  # fmt: skip
    """What do customers write about each touchpoint, and does it go with scores and with leaving?

    It quotes nobody. What goes with a theme need not be caused by it.

    Parameters
    ----------
    data
        Its surveys have comments; without ``customer_id``, each is that of one customer.
    outcome, days
        What may follow, and how long it is watched.
    min_customers
        Who use a word at a touchpoint, in a language, before it appears; and a theme.

    Returns
    -------
    pandas.DataFrame
        A row a theme: ``touchpoint, language, theme`` (its words), ``n`` (comments), ``customers,
        share`` (of the comments there), ``score`` (mean, 0 to 100), ``difference, ci_low, ci_high``
        (less other comments there, metric by metric, 95 %), ``later, later_low, later_high``
        (points by which the outcome follows more often), ``stability``, ``badge`` (descriptive).
        What is left out and why is in ``attrs["notes"]``.

    Notes
    -----
    TF-IDF and non-negative matrix factorisation [Lee & Seung 1999]; as many themes, of 2 to 8, as
    random halves of the customers agree on best [Ben-Hur, Elisseeff & Guyon 2002], none below .5.
    A language is that of most of a comment's stop words (en, de, fr, es, it, nl).

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> texts = ["the queue was slow and the wait long", "a friendly clerk with great advice"]
    >>> surveys = pd.DataFrame({
    ...     "timestamp": pd.Timestamp("2026-03-02"), "touchpoint": "shop", "metric": "csat",
    ...     "score": [1, 5] * 60, "comment": texts * 60, "customer_id": range(120),
    ... })
    >>> comment_themes(tl.open_data({"surveys": surveys}))[["theme", "n", "difference"]]
                                     theme   n  difference
    0  advice, clerk, friendly, great       60       100.0
    1         long, queue, slow, wait       60      -100.0
    """
    check_k(min_customers)
    rows, notes = themed(_with_later(data, _comments(data), outcome, days), min_customers, seed)
    unknown = bool(rows.happened.isna().all())
    notes += [f"whether {outcome} follows a theme is not known from this data"] * unknown
    shown = rows[rows.theme != ""].groupby(["touchpoint", "language", "theme"])
    found = [_theme(rows, own) for _, own in shown if own.customer.nunique() >= min_customers]
    table = pd.DataFrame(found).reindex(columns=COLUMNS)
    table.attrs["notes"] = notes
    return table


def themed(rows: pd.DataFrame, k: int, seed: int) -> tuple[pd.DataFrame, list[str]]:
    """Comments with their theme (empty: none) and its stability, and where there are none."""
    rows, notes = rows.assign(theme="", stability=np.nan), []
    for (touchpoint, language), own in rows.groupby(["touchpoint", "language"]):
        named, stability = _themes(own, str(language), k, seed)
        if stability >= STABLE:
            rows.loc[own.index, "theme"], rows.loc[own.index, "stability"] = named, stability
        else:
            why = "too few" if np.isnan(stability) else "which fall into no stable themes"
            notes.append(f"{touchpoint} ({language}, {len(own):,} comments): {why}")
    return rows, notes


def _comments(data: Dataset) -> pd.DataFrame:
    surveys = surveys_of(data)
    if "comment" not in surveys.columns:
        raise MissingInput(NO_COMMENTS)
    rows = answer_rows(surveys.filter(surveys.comment.notnull()), "touchpoint", "comment")
    rows["words"] = [WORD.findall(comment.casefold()) for comment in rows.comment]
    if not rows.words.map(bool).any():
        raise MissingInput(NO_COMMENTS)
    return rows.assign(language=_languages(rows.comment))


@cache
def stop_words() -> dict[str, frozenset[str]]:
    """Words that say nothing of a theme, by language."""
    text = files("touchlab.experience").joinpath("stopwords.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines())
    return {language: frozenset(words) for language, *words in lines}


def _languages(comments: pd.Series[str]) -> list[str]:
    """The language most of whose own stop words each has; without any, that of most comments."""
    lists = stop_words()
    every = Counter(word for words in lists.values() for word in words)
    own = {name: {word for word in words if every[word] == 1} for name, words in lists.items()}
    each = [re.findall(r"[^\W\d_]+", comment.casefold()) for comment in comments]
    best = [max((sum(w in own[name] for w in words), name) for name in own) for words in each]
    hits = [name if count else "" for count, name in best]
    usual = Counter(filter(None, hits)).most_common(1)
    return [hit or (usual[0][0] if usual else "en") for hit in hits]


def _themes(rows: pd.DataFrame, language: str, k: int, seed: int) -> tuple[list[str], float]:
    """The theme of each comment, as its words, and how far fits agree; NaN where too few."""
    from sklearn.decomposition import NMF
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import adjusted_rand_score

    spoken = rows.groupby("customer").words.agg(lambda each: {w for one in each for w in one})
    users = Counter(word for words in spoken for word in words)
    kept = sorted(w for w, n in users.items() if n >= k and w not in stop_words()[language])
    if len(rows) < FEWEST or len(kept) < NAMED - 1:
        return [""] * len(rows), np.nan
    weigh = TfidfVectorizer(analyzer=lambda words: words, vocabulary=kept, sublinear_tf=True)
    matrix, person = weigh.fit_transform(rows.words), pd.factorize(rows.customer)[0]

    def fit(count: int, draw: int, half: bool) -> tuple[Any, Floats]:
        chance = np.random.default_rng([seed, draw])
        inside = chance.random(person.max() + 1)[person] < (0.5 if half else 2)
        model = NMF(count, init="nndsvdar", random_state=seed + draw, max_iter=300, tol=1e-3)
        model.fit(matrix[inside])
        weight = model.transform(matrix) * np.linalg.norm(model.components_, axis=1)
        return model, np.where(weight.max(axis=1) > 0, weight.argmax(axis=1), -1)

    agreed = {}
    for count in range(2, min(MOST_THEMES, len(kept) - 1) + 1):
        each = [fit(count, draw, True)[1] for draw in range(FITS)]
        agreed[count] = np.mean([adjusted_rand_score(a, b) for a, b in combinations(each, 2)])
    best = max(agreed.values())
    count = max(number for number, value in agreed.items() if value >= best - EQUAL)
    model, theme = fit(count, 0, False)
    names = []
    for loads in model.components_:
        top = [i for i in np.argsort(-loads, kind="stable")[:NAMED] if loads[i] > 0.1 * loads.max()]
        names.append(", ".join(sorted(kept[i] for i in top)))
    return [names[i] if i >= 0 else "" for i in theme], float(agreed[count])


def _with_later(data: Dataset, rows: pd.DataFrame, outcome: str, days: int) -> pd.DataFrame:
    """Add whether the outcome followed; missing where nobody knows."""
    keys = ["customer_id", "touchpoint", "metric", "time"]
    with suppress(MissingInput):
        after = followed_answers(data, outcome, days).to_pandas().drop_duplicates(keys)
        return rows.merge(after[[*keys, "happened"]], on=keys, how="left")
    return rows.assign(happened=np.nan)


def _theme(rows: pd.DataFrame, inside: pd.DataFrame) -> dict[str, Any]:
    """How many comments are of a theme, and what goes with it."""
    row: dict[str, Any] = inside[["touchpoint", "language", "theme", "stability"]].iloc[0].to_dict()
    own = rows[(rows.touchpoint == row["touchpoint"]) & (rows.language == row["language"])]
    row |= {"n": len(inside), "customers": inside.customer.nunique()}
    row |= {"share": len(inside) / len(own), "score": inside.value.mean(), "badge": "descriptive"}
    gap, later = ("difference", "ci_low", "ci_high"), ("later", "later_low", "later_high")
    for column, scale, names in (("value", 1.0, gap), ("happened", 100.0, later)):
        known = own[own[column].notna()]
        of_it = (known.theme == row["theme"]).to_numpy()
        if min(of_it.sum(), (~of_it).sum()) >= COMPARED:
            move = within_strata(known.group, known.metric, known[column])
            sets = scale * move(~of_it, of_it)
            ends = interval(sets[0], *jackknife(sets[0], sets[1:]))
            row |= dict(zip(names, (sets[0], *ends), strict=True))
    return row
