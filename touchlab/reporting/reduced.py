"""Files of a run with all left out that a reader does not need and a stranger should not have."""

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_LINK = re.compile(r'<a\b[^>]*?\shref="(?!#|[a-z][\w+.-]*:)([^"#]*)[^"]*"[^>]*>(.*?)</a>', re.DOTALL)


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


def copy_table(path: Path, copy: Path, limit: int) -> int:
    """Copy a table with cells of few customers emptied; return how many those were."""
    import pandas as pd

    from touchlab.privacy import suppress

    try:
        table = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    hidden = suppress(table, k=limit)
    emptied = int((hidden.isna() & table.notna()).to_numpy().sum())
    if emptied:
        hidden.to_csv(copy, index=False)
    else:
        shutil.copyfile(path, copy)
    return emptied
