"""A table of predictions as it stands in its file, read within limits: a small file can unpack to very much."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.csv_text import LONGEST_LINE, MOST_COLUMNS, disguised
from ..data.dataset import EMOTIONS
from ..errors import InputError, brief
from ..files.parquet import read_table

if TYPE_CHECKING:
    import pandas as pd

#: Of a table, unpacked; predictions have some hundred bytes an image.
MOST_BYTES = 128 << 20
#: Lines, and lines times columns: the largest set of faces that people train on has 450,000 images.
MOST_LINES, MOST_CELLS = 1_000_000, 5_000_000


@dataclass(frozen=True)
class Places:
    """Where the entries of a file stand, for people."""

    path: Path
    unit: str
    numbers: Sequence[int]

    def within(self, entry: int) -> str:
        """ "line 12" """
        return f"{self.unit} {self.numbers[entry]}"

    def at(self, entry: int) -> str:
        """ "predictions.csv, line 12" """
        return f"{self.path}, {self.within(entry)}"


def read_frame(path: Path) -> tuple[pd.DataFrame, Places]:
    """The table in a .csv, .csv.gz or .parquet file, of a CSV as text, and where each of its rows stands.

    Raises:
        InputError: not readable, not in UTF-8, lines of different lengths, or more than a limit allows.
    """
    return _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)


def _parquet(path: Path) -> tuple[pd.DataFrame, Places]:
    import pyarrow as pa

    table = read_table(path, most_bytes=MOST_BYTES)
    _check_size(path, table.num_rows, table.num_columns)
    try:
        frame = table.to_pandas(ignore_metadata=True)  # an index is a column as any other
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: not readable as a table ({brief(' '.join(str(error).split()), 120)})") from None
    return frame, Places(path, "entry", range(len(frame)))


def _csv(path: Path) -> tuple[pd.DataFrame, Places]:
    import pandas as pd

    header: list[str] = []
    columns: list[list[str]] = []
    numbers: list[int] = []
    for number, fields in _records(path):
        if not header:
            header, columns = fields, [[] for _ in fields]
            sign = next((sign for sign in (";", "\t", "|") if sign in fields[0]), "") if len(fields) == 1 else ""
            if sign:
                raise InputError(f"{path}, line {number}: columns separated by {sign!r}; commas are wanted")
            continue
        if len(fields) > len(header):
            raise InputError(
                f"{path}: not readable as CSV (line {number} has {len(fields)} columns, the first line {len(header)})"
            )
        numbers.append(number)
        _check_size(path, len(numbers), len(header))
        for column, field in zip(columns, fields + [""] * (len(header) - len(fields)), strict=True):
            column.append(field)
    if not header:
        raise InputError(f"{path}: empty; a first line such as row,{','.join(EMOTIONS)} is wanted")
    frame = pd.DataFrame(dict(enumerate(columns)), dtype=object).set_axis(header, axis=1)
    return frame, Places(path, "line", numbers)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, each with its number from 1, split into their fields; a value ends on its line."""
    content = _unpacked(path)
    if what := disguised(content[:64]):
        raise InputError(f"{path}: {what}")
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=None)
    number = 0
    try:
        while line := lines.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                what = "a first line" if number == 1 else f"line {number}: a line"
                raise InputError(
                    f"{path}: {what} of more than {LONGEST_LINE:,} characters; one such as row,{','.join(EMOTIONS)} is"
                    " wanted"
                )
            fields = next(csv.reader([line], strict=True), [])
            if any(fields):
                yield number, fields
    except UnicodeDecodeError:
        raise InputError(f"{path}: not readable as CSV (no text in UTF-8)") from None
    except csv.Error as error:
        raise InputError(f"{path}: not readable as CSV (line {number}: {brief(str(error), 120)})") from None


def _unpacked(path: Path) -> bytes:
    """What a .csv or .csv.gz file holds, unpacked no further than a table of predictions goes."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not readable as CSV ({brief(' '.join(str(error).split()), 120)})") from None
    if len(text) > MOST_BYTES:
        raise _too_large(path, f"more than {MOST_BYTES:,} bytes")
    if text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n") > MOST_LINES:
        raise _too_large(path, f"more than {MOST_LINES:,} lines")
    return text


def _check_size(path: Path, rows: int, columns: int) -> None:
    """Raises InputError for a table with more values than any of predictions has."""
    if columns > MOST_COLUMNS:
        raise _too_large(path, f"{columns:,} columns")
    if rows > MOST_LINES or rows * columns > MOST_CELLS:
        raise _too_large(path, f"{rows:,} or more lines of {columns:,} columns")


def _too_large(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}; predictions have one line for each image of the test part")
