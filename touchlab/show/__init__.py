"""What a notebook shows: computed sentences, tables for reading, pictures with words.

Each object has a rich display in JupyterLab and carries what a report page needs.

State that outlives a call is kept here alone, as a kernel is one report: the fewest customers
that may be shown and how things are called (`protect`), the names that lack input (`Notes`),
and how pandas writes frames (`show_frames`); `uninstall` takes back all that `install` did.
"""

import warnings
from typing import Any

from touchlab.data.dataset import Dataset
from touchlab.errors import MissingInput, TouchlabWarning
from touchlab.privacy import shown
from touchlab.privacy.shown import count, safe
from touchlab.show.figures import (
    LIGHT,
    NARROW,
    WIDE,
    Guest,
    Picture,
    Theme,
    entitle,
    on_hover,
    safe_picture,
    styled,
)
from touchlab.show.notes import Notes, Sentence, answer, note, safe_sentence, takeaway
from touchlab.show.tables import HIDDEN, Table, keep, provenance, readable, show_frames
from touchlab.show.words import (
    BACKED,
    begun,
    counted,
    data_called,
    forget_words,
    in_words,
    lead,
    money,
    per_cent,
    ranged,
    speak,
)

__all__ = [
    "BACKED", "HIDDEN", "LIGHT", "NARROW", "WIDE", "Guest", "Picture", "Sentence", "Table",
    "Theme", "answer", "begun", "count", "counted", "data_called", "entitle", "in_words",
    "install", "keep", "lead", "money", "note", "on_hover", "per_cent", "protect", "provenance",
    "ranged", "readable", "safe", "safe_picture", "safe_sentence", "styled", "takeaway",
    "uninstall",
]  # fmt: skip


def protect(data: Dataset, **choices: Any) -> Dataset:
    """Show no small group from now on, and call things by the words of readers.

    Called once in a notebook, where the data is opened; see `touchlab.privacy.shown.protect`.
    """
    speak(data)
    return shown.protect(data, **choices)


def install(shell: Any) -> None:
    """Let a kernel show notes where input is missing, and frames as tables; once is enough."""
    if not hasattr(shell, "touchlab_notes"):
        notes = shell.touchlab_notes = Notes(shell)
        shell.set_custom_exc((MissingInput, NameError), notes.caught)
        shell.events.register("post_run_cell", notes.ended)
        # results carry the troubles that they warn of in `.notes`, where a page shows them
        warnings.simplefilter("ignore", TouchlabWarning)
        show_frames(shell)


def uninstall(shell: Any) -> None:
    if hasattr(shell, "touchlab_notes"):
        shell.set_custom_exc((), None)
        shell.events.unregister("post_run_cell", shell.touchlab_notes.ended)
        warnings.simplefilter("default", TouchlabWarning)
        show_frames(shell, plain=True)
        forget_words()
        del shell.touchlab_notes
