"""Comments with planted themes, in two languages."""

from __future__ import annotations

import numpy as np
import pandas as pd

WORDS = {
    "en": {
        "wait": "queue slow wait minutes long hours delay",
        "price": "price expensive cost money charge fee",
        "staff": "friendly staff helpful kind advice smile",
    },
    "de": {
        "wait": "schlange langsam warten minuten lange stunden verzug",
        "price": "preis teuer kosten geld rechnung gebühr",
        "staff": "freundlich personal hilfreich nett beratung lächeln",
    },
}
FILL = {
    "en": "the was very and it for with this there my",
    "de": "die war sehr und es für mit das dort mein",
}
USUAL = {
    "en": "shop order visit product again store",
    "de": "laden bestellung besuch produkt nochmal geschäft",
}
SCORE = {"wait": 2.2, "price": 3.2, "staff": 4.4}


def comment_surveys(*, seed: int, comments: int = 240, themes: bool = True) -> pd.DataFrame:
    """Answers with comments, half in German; `planted` is the theme of each.

    Each has words of its theme, of shops in general, function words, and a name of its own. Without
    themes, words are drawn from all of them alike.
    """
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(comments):
        language = ("en", "de")[number % 2]
        theme = str(draw.choice(list(SCORE)))
        every = " ".join(WORDS[language].values()).split()
        pool = WORDS[language][theme].split() if themes else every
        said = [*draw.choice(pool, 4), *draw.choice(USUAL[language].split(), 2)]
        said += [*draw.choice(FILL[language].split(), 5, replace=False), f"Zq{_letters(number)}"]
        score = np.clip(round(SCORE[theme] + draw.normal()), 1, 5)
        rows.append((f"c{number}", " ".join(draw.permutation(said)), score, theme, language))
    table = pd.DataFrame(rows, columns=["customer_id", "comment", "score", "planted", "spoken"])
    times = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.arange(comments), unit="h")
    return table.assign(timestamp=times, touchpoint="visit", metric="csat")


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:04d}")
