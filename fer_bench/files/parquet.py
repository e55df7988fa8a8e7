"""Parquet files of unknown origin: what they claim is held against limits, and they are read some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .zips import MOST_RATIO, RATIO_FROM

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

#: No set of faces has more rows.
MOST_ROWS = 1_000_000
#: Of all values, unpacked. A value that is repeated is stored once, so that a small file can hold very many.
MOST_BYTES = 4 << 30
MOST_COLUMNS = 1000
_ROWS = 256


def read_table(path: Path, wanted: Callable[[str], bool] | None = None, most_bytes: int = MOST_BYTES) -> pa.Table:
    """The columns whose names, stripped and in lower case, are ``wanted``; all of them where that is None.

    Raises:
        InputError: not readable as parquet, or beyond a limit.
    """
    import pyarrow as pa

    with _opened(path) as file:
        schema = file.schema_arrow
        names = [name for name in schema.names if wanted is None or wanted(name.strip().lower())]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path}: two columns are called {twice[:40]!r}; leave one of them out")
        batches, size, limit = [], 0, min(most_bytes, _limit([path]))
        for batch in file.iter_batches(_batch_rows(file, names, limit), columns=names):
            batches.append(batch)
            size += batch.nbytes
            if size > limit:
                raise InputError(f"{path}: values of more than {limit:,} bytes in {path.stat().st_size:,}")
        fields = pa.schema([schema.field(name) for name in names], schema.metadata)
        return pa.Table.from_batches(batches, fields)


def column_names(path: Path) -> list[str]:
    """The names of all columns. Raises InputError where the file is not readable as parquet."""
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def check_rows(paths: Sequence[Path], row_bytes: int) -> None:
    """Raises InputError where the rows of all files become too much, at ``row_bytes`` each, for what the files hold."""
    rows = 0
    for path in paths:
        with _opened(path) as file:
            rows += file.metadata.num_rows
        limit = _limit(paths)
        if rows * row_bytes > limit:
            raise InputError(
                f"{path}: {rows:,} rows, which become {rows * row_bytes:,} bytes; {limit:,} are the limit for files of "
                f"{sum(one.stat().st_size for one in paths):,}"
            )


def _limit(paths: Sequence[Path]) -> int:
    """Bytes that the contents of files may become."""
    return min(MOST_BYTES, max(RATIO_FROM, MOST_RATIO * sum(path.stat().st_size for path in paths)))


def _batch_rows(file: parquet.ParquetFile, names: Sequence[str], limit: int) -> int:
    """Rows to read at a time: so few that half the limit holds them even if each repeats all that a column stores."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    largest = max((c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] in names), default=0)
    return max(1, min(_ROWS, limit // 2 // max(largest, 1)))


@contextmanager
def _opened(path: Path) -> Iterator[parquet.ParquetFile]:
    """Raises InputError for what is not readable as parquet, then or while it is read, or has too many rows or
    columns.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, thrift_string_size_limit=100 << 20, thrift_container_size_limit=1 << 20) as file:
            rows, columns = file.metadata.num_rows, len(file.schema_arrow.names)
            if not 0 <= rows <= MOST_ROWS or columns > MOST_COLUMNS:
                raise InputError(
                    f"{path}: {rows:,} rows of {columns:,} columns; {MOST_ROWS:,} of {MOST_COLUMNS:,} are the limit"
                )
            yield file
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not readable as parquet ({reason})") from None
