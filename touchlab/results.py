"""What every fit answers with, alike: tables, a sentence, a figure and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd


class Result:
    """An answer: `.table` and its `.summary()`, `.sentence()`, `.plot()`, `.notes`.

    Where a cell ends in it, it says its sentence and shows the summary and the notes.
    """

    if TYPE_CHECKING:  # dataclasses would take them for defaults of their fields

        @property
        def table(self) -> pd.DataFrame: ...
        @property
        def notes(self) -> tuple[str, ...]: ...

    def summary(self) -> pd.DataFrame:
        """The columns that a reader needs."""
        return self.table

    def sentence(self) -> str:
        """What the numbers come to."""
        raise NotImplementedError

    def __repr__(self) -> str:
        # the default would print moments or orders, and with them ids of customers
        return self.sentence()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # figures, sentences and tables know of results; results meet them when they are shown
        from touchlab.show import Table, note, takeaway

        said = takeaway(self.sentence())
        data, numbers = Table(self.summary())._repr_mimebundle_()
        data["text/html"] = said._repr_html_() + data["text/html"]
        data["text/html"] += "".join(note(one)._repr_html_() for one in self.notes)
        data["text/plain"] = "\n".join([repr(said), data["text/plain"], *self.notes])
        return data, numbers
