"""Parquet files of unknown origin: what they claim is held against limits, and they are read some rows at a time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: No set of faces has more rows.
MOST_ROWS = 1_000_000
#: Of all values, unpacked. A value that is repeated is stored once, so that a small file can hold very many.
MOST_BYTES = 4 << 30
MOST_COLUMNS = 1000
_ROWS = 256


def read_table(path: Path, wanted: Collection[str] | None = None, most_bytes: int = MOST_BYTES) -> pa.Table:
    """The columns whose names, stripped and in lower case, are ``wanted``; all of them where that is None.

    Raises:
        InputError: not readable as parquet, or beyond a limit.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, thrift_string_size_limit=100 << 20, thrift_container_size_limit=1 << 20) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            if not 0 <= rows <= MOST_ROWS or len(schema.names) > MOST_COLUMNS:
                raise InputError(
                    f"{path}: {rows:,} rows of {len(schema.names):,} columns; {MOST_ROWS:,} of {MOST_COLUMNS:,} are the limit"
                )
            names = [name for name in schema.names if wanted is None or name.strip().lower() in wanted]
            batches, size = [], 0
            for batch in file.iter_batches(_ROWS, columns=names):
                batches.append(batch)
                size += batch.nbytes
                if size > most_bytes:
                    raise InputError(f"{path}: values of more than {most_bytes:,} bytes")
            fields = pa.schema([schema.field(name) for name in names], schema.metadata)
            return pa.Table.from_batches(batches, fields)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not readable as parquet ({reason})") from None
