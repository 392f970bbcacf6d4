"""What a notebook shows: computed sentences, tables for reading, pictures with words.

Each object has a rich display in JupyterLab and carries what a report page needs.
"""

from touchlab.privacy.shown import count, protect, safe
from touchlab.show.figures import LIGHT, NARROW, WIDE, Picture, Theme, on_hover, safe_picture
from touchlab.show.tables import HIDDEN, Table, keep, provenance, readable
from touchlab.show.words import (
    Missing,
    Sentence,
    answer,
    note,
    or_note,
    safe_sentence,
    takeaway,
)

__all__ = [
    "HIDDEN", "LIGHT", "NARROW", "WIDE", "Missing", "Picture", "Sentence", "Table",
    "Theme", "answer", "count", "keep", "note", "on_hover", "or_note", "protect",
    "provenance", "readable", "safe", "safe_picture", "safe_sentence", "takeaway",
]  # fmt: skip
