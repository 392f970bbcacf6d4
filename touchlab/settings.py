"""`touchlab.toml` beside the data: its address, names of one's own, report parameters, a sweep."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from touchlab.contract import PATHS, TABLES
from touchlab.errors import DataError

SETTINGS = "touchlab.toml"
REPORT, SWEEP, DATA = "report", "sweep", "data"


def read_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """Read `touchlab.toml`: a section for each table, [data], [report] and [sweep.name]."""
    path = folder / SETTINGS
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{SETTINGS}: it is not UTF-8 text\n  save it again in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{SETTINGS}: {error}\n  give valid TOML, such as name = 'text'") from None
    tables = [*TABLES, PATHS.name]
    for section, values in settings.items():
        if section not in (*tables, REPORT, SWEEP, DATA):
            from touchlab.checks import nearest  # only where needed: it loads the engine

            rule = f"{SETTINGS}: [{section}] is not a section" + nearest(section, tables)
            raise DataError(
                f"{rule}\n  the sections are {', '.join(tables)}, report, sweep and data"
            )
        if not isinstance(values, dict):
            rule = f"{SETTINGS}: {section} is a value, not a section"
            raise DataError(f"{rule}\n  write [{section}] on a line of its own")
    if DATA in settings and [*settings[DATA]] != ["address"]:
        rule = f"{SETTINGS}: [{DATA}] holds {', '.join(settings[DATA]) or 'nothing'}"
        raise DataError(f"{rule}\n  give one line: address = 'postgres://user@host/database'")
    return settings


def settings_of(source: str, section: str) -> dict[str, Any]:
    """Read one section beside the data; empty if there is none, or the data is no folder."""
    folder = Path(source)
    return dict(read_settings(folder).get(section, {})) if folder.is_dir() else {}


def address_in(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """Read where the tables are, if they are not in the folder of the settings itself."""
    return str(settings.get(DATA, {}).get("address", ""))
