"""Where the data is, and what it may be called in a report: its name, never its path."""

import re
import sysconfig
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from touchlab.errors import DataError


@dataclass(frozen=True)
class Cut:
    """A part of the data: customers with these traits, times from `first` up to before `last`."""

    where: Mapping[str, Any] = field(default_factory=dict)
    first: str = ""
    last: str = ""

    def __str__(self) -> str:
        traits = [f"{name} = {value!r}" for name, value in sorted(self.where.items())]
        since = [f"from {self.first}"] if self.first else []
        until = [f"until {self.last}"] if self.last else []
        return ", ".join([*traits, *since, *until])


@dataclass(frozen=True)
class Source:
    """The data of a report: the name shown, where it is, and which part of it."""

    name: str
    place: str
    cut: Cut | None = None


def data_place(data: str | Path, root: Path) -> str:
    """Make a data path absolute: from the working directory, or from the notebooks' side."""
    if "://" in str(data):
        return str(data)
    for base in (Path.cwd(), root):
        place = (base / Path(data).expanduser()).resolve()
        if place.exists():
            return str(place)
    raise DataError(
        f"data: there is nothing at {str(data)!r}\n"
        "  looked in the working directory and beside the notebooks\n"
        "  give a folder of Parquet or CSV files, or a database address"
    )


def data_name(place: str) -> str:
    """Take the name of the data out of its path or address, without folders or passwords.

    Examples
    --------
    >>> data_name("/home/eva/shop 2026")
    'shop 2026'
    >>> data_name("postgres://eva:secret@host/shop?sslmode=require")
    'shop'
    """
    if "://" not in place:
        return Path(place).name or "data"
    address = urlsplit(place)
    return Path(address.path).name or address.scheme


def slug(text: str) -> str:
    """Make a short name of safe characters for a folder.

    Examples
    --------
    >>> slug("../../Köln & Söhne 2026")
    'Koln-Sohne-2026'
    >>> slug("../..")
    'data'
    """
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^A-Za-z0-9]+", "-", letters).strip("-")[:40].strip("-") or "data"


def hidden_names(place: str, root: Path) -> dict[str, str]:
    """List the paths that do not belong into a report, with what stands there instead."""
    return {
        str(Path.home()): "~",
        sysconfig.get_path("purelib"): "packages",
        sysconfig.get_path("stdlib"): "python",
        str(root): ".",
        place: data_name(place),
    }
