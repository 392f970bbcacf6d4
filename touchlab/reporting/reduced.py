"""Files of a run with all left out that a reader does not need and a stranger should not have."""

import base64
import io
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    import pandas as pd

_CSV = "data:text/csv;base64,"
EMBEDDED_TABLE = re.compile(rf"{_CSV}([A-Za-z0-9+/=]+)")
_MARK = "\ufeff"

_LINK = re.compile(
    r'<a\b[^>]*?\shref="(?!#|[a-z][\w+.-]*:)([^"#]*)[^"]*"[^>]*>(.*?)</a>', re.DOTALL
)


def reduced(notebook: Any) -> Any:
    """Copy a notebook without what only machines read: times, and numbers beside pictures."""

    def cell(one: Any) -> Any:
        kept = {k: v for k, v in one["metadata"].items() if k not in {"execution", "papermill"}}
        changed = {**one, "metadata": kept}
        if "outputs" in one:
            changed["outputs"] = [output(each) for each in one["outputs"]]
        return changed

    def output(one: Any) -> Any:
        metadata = {
            mime: {k: v for k, v in words.items() if k not in {"table", "kept"}}
            if isinstance(words, dict)
            else words
            for mime, words in one.get("metadata", {}).items()
        }
        return {**one, "metadata": metadata} if "metadata" in one else one

    kept = {k: v for k, v in notebook["metadata"].items() if k in {"kernelspec", "language_info"}}
    return {**notebook, "metadata": kept, "cells": [cell(one) for one in notebook["cells"]]}


def without_links(page: str, sent: set[str]) -> str:
    """Turn links to files that are not sent into plain words.

    Examples
    --------
    >>> without_links('<a href="../index.html">All</a> <a href="a.html#b">A</a>', {"a.html"})
    'All <a href="a.html#b">A</a>'
    """
    return _LINK.sub(lambda match: match[0] if unquote(match[1]) in sent else match[2], page)


def without_few(page: str, limit: int) -> tuple[str, int]:
    """Empty cells of few customers in the tables a page offers as files; return how many."""
    count = 0

    def reduce(match: re.Match[str]) -> str:
        nonlocal count
        text, emptied = empty_few(unpacked(match), limit)
        count += emptied
        packed = base64.b64encode(text.encode()).decode("ascii") if emptied else match[1]
        return f"{_CSV}{packed}"

    return EMBEDDED_TABLE.sub(reduce, page), count


def embedded_tables(page: str) -> list[str]:
    """Unpack the tables that a page offers as files, as CSV."""
    return [unpacked(match) for match in EMBEDDED_TABLE.finditer(page)]


def empty_few(text: str, limit: int) -> tuple[str, int]:
    """Empty the cells of a CSV that count fewer than `limit` customers; return how many.

    Examples
    --------
    >>> empty_few("day,events\\n1,3\\n2,40\\n", 10)
    ('day,events\\n1,\\n2,40\\n', 1)
    """
    from touchlab.privacy.suppress import suppress

    table, words = read_csv(text), read_csv(text, as_text=True)
    few = suppress(table, k=limit).isna() & table.notna()
    if not (emptied := int(few.to_numpy().sum())):
        return text, 0
    begin = _MARK if text.startswith(_MARK) else ""
    end = "\r\n" if "\r\n" in text else "\n"
    return begin + words.mask(few).to_csv(index=False, lineterminator=end), emptied


def read_csv(text: str, *, as_text: bool = False) -> "pd.DataFrame":
    """Read a CSV whose empty cells alone are missing; nothing at all is an empty table."""
    import pandas as pd

    if not text.removeprefix(_MARK).strip():
        return pd.DataFrame()
    return pd.read_csv(
        io.StringIO(text.removeprefix(_MARK)),
        keep_default_na=False,
        na_values=[""],
        dtype=str if as_text else None,
    )


def unpacked(match: re.Match[str]) -> str:
    """Read what `EMBEDDED_TABLE` found."""
    return base64.b64decode(match[1]).decode("utf-8", errors="replace")
