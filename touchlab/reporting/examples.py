"""Errors name a first example, a row of the data; what is kept and passed on must not."""

import re
from typing import Any

_EXAMPLE = re.compile(r"^( *first: ).*$", re.MULTILINE)
_HIDDEN = r"\1(a row of the data; `touchlab check` shows it)"


def hide_examples(error: Any) -> None:
    """Take rows of the data out of an error in a notebook.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> error = SimpleNamespace(evalue="3 rows are no times\\n  first: c-88", traceback=[])
    >>> hide_examples(error)
    >>> print(error.evalue)
    3 rows are no times
      first: (a row of the data; `touchlab check` shows it)
    """
    error.evalue = _EXAMPLE.sub(_HIDDEN, error.evalue)
    error.traceback = [_EXAMPLE.sub(_HIDDEN, text) for text in error.traceback]
