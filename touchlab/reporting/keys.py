"""What has a notebook's result been made from? A key that is the same only if nothing changed."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from touchlab.data.locate import REPORT, SWEEP, address_in, read_settings
from touchlab.errors import DataError

HASHES = ".hashes.json"
_ENDINGS = (".parquet", ".csv", ".csv.gz")
_FILE_DATABASES = ("duckdb", "sqlite")
_RACY = 2_000_000_000  # nanoseconds in which a file may change without its time changing
_REMEMBERED = 10_000


def data_key(place: str, out: Path) -> str:
    """Hash the content of the data; empty for a database server, whose content is not known.

    Reading gigabytes takes seconds, so hashes of files are remembered in `out` and used again
    while size, both times and number of the file are the same. The system sets the time of
    change, so a file that was exchanged and dated back is read again.
    """
    scheme, found, rest = place.partition("://")
    if found:
        if scheme not in _FILE_DATABASES:
            return ""
        place = rest.split("?")[0]
    path = Path(place)
    known = _remembered(out)
    files = {_relative(file, path): _file_hash(file, known) for file in _data_files(path)}
    _remember(known, out)
    if found and not files:
        return ""
    tables = {}
    if path.is_dir():
        settings = read_settings(path)
        if address_in(settings):
            return ""
        tables = {name: settings[name] for name in settings if name not in (REPORT, SWEEP)}
    return digest([files, tables])


def digest(value: Any) -> str:
    """Hash a plain value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def notebook_key(
    notebook: Any,
    parameters: Mapping[str, Any],
    *,
    data: Iterable[str],
    upstream: Mapping[str, str],
    versions: Mapping[str, str],
) -> str:
    """Hash all that a result depends on; empty if any of it is not known.

    `data` are name and key of the data the notebook reads, `upstream` the keys of the notebooks
    whose tables it reads.
    """
    if not all([*data, *upstream.values()]):
        return ""
    cells = [[cell.cell_type, cell.source, cell.metadata.get("tags")] for cell in notebook.cells]
    made_from = [cells, parameters, list(data), upstream, dict(versions), _code()]
    return digest(made_from)


@cache
def _code() -> str:
    """Hash this package: every file of code and every template."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(
        file
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and "_notebooks" not in file.parts
    )
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.relative_to(package)}\0{file.stat().st_size}\0".encode())
        whole.update(file.read_bytes())
    return whole.hexdigest()[:32]


def _data_files(path: Path) -> list[Path]:
    if not path.is_dir():
        log = path.with_name(f"{path.name}.wal")
        return [file for file in (path, log) if file.is_file()]
    files = (file for file in path.rglob("*") if file.name.lower().endswith(_ENDINGS))
    return sorted(file for file in files if file.is_file() and file.name[0] not in "._")


def _relative(file: Path, path: Path) -> str:
    return file.relative_to(path).as_posix() if path.is_dir() else file.suffix


def _file_hash(file: Path, known: dict[str, list[Any]]) -> str:
    """Hash one file, or recall its hash; changes `known`."""
    name = digest(str(file.resolve()))  # its path does not belong into a folder of reports
    try:
        stat = file.stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        if known.get(name, [None])[0] == state:
            return known[name][1]
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{file.name}: cannot be read: {error.strerror}\n  mend it") from error
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _RACY:
        known[name] = [state, found]
    return found


def _remembered(out: Path) -> dict[str, list[Any]]:
    try:
        known = json.loads((out / HASHES).read_text(encoding="utf-8"))
        return {name: [list(state), str(found)] for name, (state, found) in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # absent, or not ours
        return {}


def _remember(known: Mapping[str, list[Any]], out: Path) -> None:
    newest = dict(list(known.items())[-_REMEMBERED:])
    text = json.dumps(newest)
    target, draft = out / HASHES, out / f".work-{HASHES}"
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
