"""Customer ids as pseudonyms: keyed, the same wherever the key is the same."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ibis
import pyarrow as pa

from touchlab.data.contract import PEOPLE
from touchlab.data.dataset import Dataset, open_data
from touchlab.data.readers import write_parquet
from touchlab.errors import MissingInput, ParameterError

KEY = "TOUCHLAB_KEY"
SHORTEST_KEY = 16
LENGTH = 32
"""Hexadecimal characters kept: 128 bits, at which two customers never meet."""


NAMED = (*PEOPLE, "agent")
SHORT = 8
"""Characters by which agents are told apart on a page."""


def pseudonymise(data: Dataset, *, key: str | None = None) -> Dataset:
    """Replace every customer id by a pseudonym that only the holder of the key can make again.

    Names of agents are replaced likewise, and ids of customers who referred another.

    A pseudonym is the start of HMAC-SHA256 of the id under the key [RFC 2104], so it joins
    tables and later deliveries under one key, and cannot be undone by trying ids without the
    key. It does not make data anonymous: times and traits can still give a customer away.

    Parameters
    ----------
    data
        An opened Dataset.
    key
        A secret of 16 characters or more; None takes the environment variable
        ``TOUCHLAB_KEY``. It is not kept, and no message shows it.

    Returns
    -------
    Dataset
        ``customer_id`` is text in every table: 32 hexadecimal characters. An id that is the
        number 17 and one that is the text "17" get the same.

    Raises
    ------
    ParameterError
        Without a key, or with a short one.
    MissingInput
        For a paths table, which has no customers.

    Examples
    --------
    >>> import touchlab as tl
    >>> data = pseudonymise(tl.open_data("data/sample"), key="not a key to be used again")
    >>> data.outcomes.customer_id.min().to_pyarrow().as_py()
    '0008bbee6d7980133e331ca07613bab5'
    """
    secret = _secret(key)
    places = [(n, c) for n, table in data.tables.items() for c in NAMED if c in table.columns]
    if not places:
        raise MissingInput("pseudonymise: a paths table has no customers; there is nothing to do")
    ids: dict[bool, set[object]] = {True: set(), False: set()}
    for name, column in places:
        own = data.tables[name].select(column).distinct().to_pyarrow().column(0)
        ids[column in PEOPLE] |= set(own.drop_null().to_pylist())
    names = {}
    for people, some in ids.items():
        known = list(some) or [""]  # a table of nothing has no type to join by
        pairs = pa.table({"plain": known, "pseudonym": _hashed(known, secret)})
        names[people] = ibis.memtable(pairs)
    tables = dict(data.tables)
    for name, column in places:
        joined = tables[name].left_join(names[column in PEOPLE], [(column, "plain")])
        joined = joined.mutate(**{column: joined.pseudonym})
        tables[name] = joined.select(tables[name].columns)
    return replace(data, tables=tables)


def code_names(names: Sequence[str], what: str) -> list[str]:
    """Call people by pseudonyms: with a key in the environment the same in every report.

    Without one by their place, which the order of `names` alone tells.

    >>> code_names(["Ann", "Bob"], "agent")
    ['agent 1', 'agent 2']
    """
    if os.environ.get(KEY):
        return [f"{what} {one[:SHORT]}" for one in _hashed(list(names), _secret(None))]
    return [f"{what} {place}" for place in range(1, len(names) + 1)]


def pseudonymise_folder(
    source: str | Path, out: str | Path, *, key: str | None = None
) -> dict[str, Path]:
    """Write checked data with pseudonyms to a new folder, a Parquet file a table.

    Returns the files by table; other files of `source` are not copied.
    """
    _secret(key)
    target = Path(out).expanduser()
    if target.exists():
        raise ParameterError(f"pseudonymise: {str(out)!r} is there already\n  name a new folder")
    if "://" not in str(source) and target.resolve().is_relative_to(Path(source).resolve()):
        raise ParameterError(
            f"pseudonymise: {str(out)!r} lies inside the data\n"
            "  name a folder beside it, or both would be read as one"
        )
    data = pseudonymise(open_data(source), key=key)
    target.mkdir(parents=True)
    files = {name: target / f"{name}.parquet" for name in data.tables}
    for name, file in files.items():
        write_parquet(data.tables[name], file)
    return files


def _secret(key: str | None) -> bytes:
    found = os.environ.get(KEY, "") if key is None else key
    if not found:
        raise ParameterError(
            f"pseudonymise: there is no key\n  set the environment variable {KEY} to a secret of "
            f"{SHORTEST_KEY} characters or more, and keep it apart from the data"
        )
    if len(found) < SHORTEST_KEY:
        raise ParameterError(
            f"pseudonymise: the key has {len(found)} characters, at least {SHORTEST_KEY} are "
            "needed\n  ids are few and can be tried one after the other; take a long random one"
        )
    return found.encode()


def _hashed(ids: list[object], secret: bytes) -> list[str]:
    keyed = hmac.new(secret, digestmod="sha256")  # the key is mixed in once, not for every id
    found = []
    for one in ids:
        own = keyed.copy()
        own.update(str(one).encode())
        found.append(own.hexdigest()[:LENGTH])
    return found
