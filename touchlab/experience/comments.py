"""What customers write about: themes of their comments, by touchpoint and language."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from touchlab.data.customers import seconds
from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput
from touchlab.experience.changes import within_strata
from touchlab.experience.followup import followed_answers
from touchlab.experience.surveys import scaled, surveys_of
from touchlab.numeric import GROUPS, Floats, customer_group, interval, jackknife, one_thread
from touchlab.privacy.suppress import MIN_CUSTOMERS, check_k
from touchlab.results import Result

if TYPE_CHECKING:
    from touchlab.show import Picture

NO_COMMENTS = (
    "The surveys have no comments. With a column comment, what customers write about each "
    "touchpoint, and whether that goes with their scores and with who leaves, is shown here."
)
WORD = re.compile(r"[^\W\d_]{3,}")
FEWEST = 60
"""Comments of a touchpoint and language below which no themes are looked for."""
COMPARED = 30
"""Answers with and without a theme below which they are not compared."""
MOST_THEMES, FITS, STABLE, EQUAL, NAMED = 8, 5, 0.5, 0.02, 5
"""Themes tried; fits of each number; agreement of fits that makes themes, and difference of
agreements that is none; words that name a theme."""
COLUMNS = ["touchpoint", "language", "theme", "n", "customers", "share", "score", "difference"]
COLUMNS += ["ci_low", "ci_high", "later", "later_low", "later_high", "stability", "badge"]


@dataclass(frozen=True)
class CommentThemes(Result):
    """Themes of comments; see `comment_themes`.

    `answers` says which theme each comment is of: customer, touchpoint, time (seconds), language,
    theme (empty: none).
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    answers: pd.DataFrame = field(repr=False)

    def sentence(self) -> str:
        """Say which themes go with low scores."""
        from touchlab import sentences

        return sentences.about_themes(self.table)

    def plot(self) -> Picture:
        """Show how the scores with a theme differ from those without."""
        from touchlab import plots

        return plots.plot_themes(self.table)


@one_thread
def comment_themes(
    data: Dataset,
    *,
    outcome: str = "churn",
    days: int = 90,
    min_customers: int = MIN_CUSTOMERS,
    seed: int = 1,
) -> CommentThemes:
    """What do customers write about each touchpoint, and does it go with scores and with leaving?

    It quotes nobody. A theme is words that come together; it does not say whether they are
    meant well, which its scores do. What goes with a theme need not be caused by it.

    Parameters
    ----------
    data
        Its surveys have comments; with ``customer_id``, what follows them is told. Without,
        each comment counts as that of one customer.
    outcome, days
        What may follow, and for how long it is watched, as in ``scores_and_outcomes``.
    min_customers
        Customers who use a word at a touchpoint, in a language, before it can appear, and
        who have a theme before it is shown.
    seed
        Of the fits.

    Returns
    -------
    CommentThemes
        ``.table``, a row a theme: ``touchpoint, language, theme`` (its words), ``n``
        (comments), ``customers, share`` (of the comments there), ``score`` (mean, 0 worst
        to 100 best), ``difference, ci_low, ci_high`` (less the other comments there, metric by
        metric, 95 % by customer), ``later, later_low, later_high`` (points by which the
        outcome follows more often), ``stability`` (adjusted Rand index between fits),
        ``badge`` (always descriptive). ``.notes``, ``.answers``, ``.sentence()``, ``.plot()``.

    Raises
    ------
    MissingInput
        Without surveys or comments.

    Notes
    -----
    TF-IDF of words of three letters or more, without stop words, and non-negative matrix
    factorisation [Lee & Seung 1999]. As many themes, of 2 to 8, as random halves of the
    customers agree on best [stability: Ben-Hur, Elisseeff & Guyon 2002]; below .5 there are
    none. A language is that of most of a comment's stop words (en, de, fr, es, it, nl).

    Examples
    --------
    >>> import pandas as pd, touchlab as tl
    >>> texts = ["the queue was slow and the wait long", "a friendly clerk with great advice"]
    >>> surveys = pd.DataFrame({
    ...     "timestamp": pd.Timestamp("2026-03-02"), "touchpoint": "shop", "metric": "csat",
    ...     "score": [1, 5] * 60, "comment": texts * 60, "customer_id": range(120),
    ... })
    >>> comment_themes(tl.open_data({"surveys": surveys})).table[["theme", "n", "difference"]]
                                     theme   n  difference
    0  advice, clerk, friendly, great       60       100.0
    1         long, queue, slow, wait       60      -100.0
    """
    check_k(min_customers)
    rows = _comments(data)
    rows, notes, found = _with_later(data, rows, outcome, days), list[str](), []
    rows["theme"] = ""
    for (touchpoint, language), own in rows.groupby(["touchpoint", "language"]):
        named, stability = _themes(own, str(language), min_customers, seed)
        place = f"{touchpoint} ({language}, {len(own):,} comments)"
        if not stability >= STABLE:
            why = "too few" if np.isnan(stability) else "which fall into no stable themes"
            notes.append(f"{place}: {why}")
            continue
        rows.loc[own.index, "theme"] = named
        own = own.assign(theme=named)
        for theme in sorted({*named} - {""}):
            row = _theme(own, theme) | {"stability": stability}
            if row["customers"] >= min_customers:
                found.append(row)
    if rows.happened.isna().all():
        notes.append(f"whether {outcome} follows a theme is not known from this data")
    table = pd.DataFrame(found).reindex(columns=COLUMNS)
    answers = rows[["customer", "touchpoint", "time", "language", "theme"]]
    return CommentThemes(table, tuple(notes), answers)


def _comments(data: Dataset) -> pd.DataFrame:
    surveys = surveys_of(data)
    if "comment" not in surveys.columns:
        raise MissingInput(NO_COMMENTS)
    given = surveys.filter(surveys.comment.notnull() & surveys.timestamp.notnull())
    rows = given.select(
        "touchpoint", "metric", "customer_id", "comment",
        time=seconds(given.timestamp), group=customer_group(given.customer_id),
        value=scaled(given.score, given.metric),
    ).to_pandas()  # fmt: skip
    rows = rows[rows.comment.str.contains(WORD)]
    if rows.empty:
        raise MissingInput(NO_COMMENTS)
    rows = rows.sort_values(["touchpoint", "time", "comment"], ignore_index=True)
    number = rows.index.to_series()
    rows["customer"] = rows.customer_id.astype(object).where(rows.customer_id.notna(), number)
    rows["group"] = rows.group.fillna(number % GROUPS).astype(int)
    return rows.assign(words=rows.comment.map(_words), language=_languages(rows.comment))


def _words(comment: str) -> list[str]:
    return WORD.findall(comment.casefold())


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
    hits = []
    for comment in comments:
        words = re.findall(r"[^\W\d_]+", comment.casefold())
        found = {name: sum(word in stops for word in words) for name, stops in own.items()}
        best = max(found, key=lambda name: found[name])
        hits.append(best if found[best] else "")
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
    keys, happened = ["customer_id", "touchpoint", "metric", "time"], None
    with suppress(MissingInput):
        happened = followed_answers(data, outcome, days).to_pandas().drop_duplicates(keys)
    if happened is None:
        return rows.assign(happened=np.nan)
    return rows.merge(happened[[*keys, "happened"]], on=keys, how="left")


def _theme(own: pd.DataFrame, theme: str) -> dict[str, Any]:
    """How many comments are of a theme, and what goes with it."""
    inside = own[own.theme == theme]
    row: dict[str, Any] = {c: inside[c].iloc[0] for c in ("touchpoint", "language", "theme")}
    row |= {"n": len(inside), "customers": inside.customer.nunique()}
    row |= {"share": len(inside) / len(own), "score": inside.value.mean(), "badge": "descriptive"}
    for column, scale, names in (
        ("value", 1.0, ("difference", "ci_low", "ci_high")),
        ("happened", 100.0, ("later", "later_low", "later_high")),
    ):
        known = own[own[column].notna()]
        of_it = (known.theme == theme).to_numpy()
        if min(of_it.sum(), (~of_it).sum()) >= COMPARED:
            move = within_strata(known.group, known.metric, known[column])
            sets = scale * move(~of_it, of_it)
            ends = interval(sets[0], *jackknife(sets[0], sets[1:]))
            row |= dict(zip(names, (sets[0], *ends), strict=True))
    return row
