"""Write the sample company and its truth as Parquet files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from touchlab.errors import ParameterError
from touchlab.simulate.company import CUSTOMERS, SEED, company_world
from touchlab.simulate.tables import simulate
from touchlab.simulate.truth import true_effects


def write_company(
    folder: str | Path, *, seed: int = SEED, customers: int = CUSTOMERS
) -> dict[str, Path]:
    """Write the sample company and its truth as Parquet files.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there; files of the same names are replaced.
    seed, customers : int
        The defaults give `data/sample`.

    Returns
    -------
    dict of Path
        By table: the six of the data contract and `truth`, which is not part of it.

    Raises
    ------
    ParameterError
        If `folder` is a file, or `seed` or `customers` is out of range.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     paths = write_company(folder, customers=50)
    >>> list(paths)
    ['touches', 'outcomes', 'customers', 'surveys', 'touchpoints', 'experiments', 'truth']
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise ParameterError(f"folder: {place} is a file; give a folder, new or existing")
    tables = company_tables(seed=seed, customers=customers)
    place.mkdir(parents=True, exist_ok=True)
    paths = {name: place / f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        write_parquet(table, paths[name])
    return paths


def company_tables(*, seed: int = SEED, customers: int = CUSTOMERS) -> dict[str, pd.DataFrame]:
    """The six tables of the sample company, and `truth`."""
    world = company_world(customers)
    truth = true_effects(world, seed=seed)
    return simulate(world, seed=seed).tables | {"truth": truth}


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Plain columns, no trace of a pandas index."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    texts = [pa.field(f.name, pa.string() if is_text(f.type) else f.type) for f in arrow.schema]
    pq.write_table(arrow.cast(pa.schema(texts)), path, compression="zstd", compression_level=19)


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_string(kind))
