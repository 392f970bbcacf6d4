"""Once in a run: what several notebooks ask alike is computed for the first and read by the rest.

A report run gives its kernels a folder that ends with it. Where there is none, as in JupyterLab,
everything is computed where it is asked.
"""

from __future__ import annotations

import contextlib
import copyreg
import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

FOLDER = "TOUCHLAB_ONCE"
"""Names the folder. It is the run's own: what is read from it was written by its kernels."""
ROOM = 2 * 1024**3
"""Bytes free on the disk below which nothing is shared: drivers take a hundred million, and a
report must not fail for want of the room that they took."""

Answer = TypeVar("Answer")


def once(asked: tuple[object, ...], compute: Callable[[], Answer], *, data: Any = None) -> Answer:
    """Give the answer that another kernel of the run has found, or compute it.

    `asked` is all that the answer depends on, as plain values, and `data` a Dataset that it
    depends on: where that is part of the answer, whoever reads it finds its own there, in its own
    engine. Two that ask at the same moment both compute: neither waits for the other.

    >>> once(("two and two",), lambda: 2 + 2)
    4
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return compute()
    if data is not None:
        asked = (*asked, data.fingerprint)
    path = Path(folder, hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass")).hexdigest())
    with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError), path.open("rb") as file:
        return _Reader(file, data).load()
    answer = compute()
    own = path.with_suffix(f".{uuid4().hex}")
    try:
        if shutil.disk_usage(folder).free > ROOM:
            with own.open("wb") as file:
                _Writer(file, data).dump(answer)
            own.replace(path)  # whole or not at all
    except OSError:  # the others compute it too
        with contextlib.suppress(OSError):
            own.unlink(missing_ok=True)
    return answer


def once_about(files: tuple[object, ...], what: str, compute: Callable[[], Answer]) -> Answer:
    """`once` for what is asked of files in a state; where there are none, nothing is known."""
    return once((*files, what), compute) if files else compute()


class _Writer(pickle.Pickler):
    def __init__(self, file: Any, data: Any) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._data = data

    def reducer_override(self, value: Any) -> Any:
        """Leave out what a dataclass has worked out from its fields: it will do so again."""
        if not is_dataclass(value) or isinstance(value, type):
            return NotImplemented
        given = {field.name: getattr(value, field.name) for field in fields(value)}
        return copyreg.__newobj__, (type(value),), given  # type: ignore[attr-defined]

    def persistent_id(self, value: Any) -> str | None:
        return "data" if self._data is not None and value is self._data else None


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any, data: Any) -> None:
        super().__init__(file)
        self._data = data

    def persistent_load(self, _name: str) -> Any:
        return self._data
