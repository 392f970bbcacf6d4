"""Names of this machine do not belong into a report: where a folder is known, say its name."""

import json
import re
from collections.abc import Mapping
from typing import Any


def hide_paths(value: Any, names: Mapping[str, str]) -> Any:
    """Replace paths and addresses by names, in every text of a nested value.

    Pictures of pixels are left alone. Longer paths go first, and only whole path parts match.

    Examples
    --------
    >>> hide_paths({"text": "open('/home/eva/shop/a.csv')"}, {"/home/eva/shop": "shop"})
    {'text': "open('shop/a.csv')"}
    >>> hide_paths("/home/eva/shopping", {"/home/eva/shop": "shop"})
    '/home/eva/shopping'
    """
    pattern, replacements = _pattern(names)
    return _hide(value, pattern, replacements) if pattern else value


def _pattern(names: Mapping[str, str]) -> tuple[re.Pattern[str] | None, dict[str, str]]:
    replacements: dict[str, str] = {}
    for path, name in names.items():
        if len(path) > 1:
            replacements |= dict.fromkeys(_spellings(path), name)
    longest_first = sorted(replacements, key=len, reverse=True)
    if not longest_first:
        return None, {}
    choices = "|".join(map(re.escape, longest_first))
    return re.compile(rf"(?<![\w.-])(?:file://)?({choices})(?![\w-])"), replacements


def _spellings(path: str) -> set[str]:
    """Spell a path as it stands, as Python and JSON write it, and as papermill injects it."""
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    escaped = quoted.encode("unicode_escape").decode("ascii").replace("\\\\", "\\")
    return {path, quoted, escaped, repr(path)[1:-1], json.dumps(path)[1:-1]}


def _hide(value: Any, pattern: re.Pattern[str], replacements: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(lambda match: replacements[match[1]], value)
    if isinstance(value, list):
        return [_hide(item, pattern, replacements) for item in value]
    if isinstance(value, dict):
        changed = {
            key: item if _pixels(str(key)) else _hide(item, pattern, replacements)
            for key, item in value.items()
        }
        return type(value)(changed)  # a NotebookNode stays one
    return value


def _pixels(mime: str) -> bool:
    return mime.startswith("image/") and mime != "image/svg+xml"
