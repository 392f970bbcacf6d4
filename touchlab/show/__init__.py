"""What a notebook shows: computed sentences, tables for reading, pictures with words.

Each object has a rich display in JupyterLab and carries what a report page needs.
"""

from typing import Any

from touchlab.privacy.shown import count, protect, safe
from touchlab.show.figures import LIGHT, NARROW, WIDE, Picture, Theme, on_hover, safe_picture
from touchlab.show.notes import Notes, Sentence, answer, note, safe_sentence, takeaway
from touchlab.show.tables import HIDDEN, Table, keep, provenance, readable, show_frames

__all__ = [
    "HIDDEN", "LIGHT", "NARROW", "WIDE", "Picture", "Sentence", "Table", "Theme", "answer",
    "count", "install", "keep", "note", "on_hover", "protect", "provenance", "readable", "safe",
    "safe_picture", "safe_sentence", "takeaway", "uninstall",
]  # fmt: skip


def install(shell: Any) -> None:
    """Let a kernel show notes where input is missing, and frames as tables; once is enough."""
    if not hasattr(shell, "touchlab_notes"):
        shell.touchlab_notes = Notes(shell)
        shell.touchlab_notes.install()
        show_frames(shell)


def uninstall(shell: Any) -> None:
    """Leave a kernel as it was."""
    if hasattr(shell, "touchlab_notes"):
        shell.touchlab_notes.uninstall()
        del shell.touchlab_notes
        show_frames(shell, plain=True)
