"""A CSV as text: its first line, and on which line of the file something stands."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO, NoReturn

from ..errors import InputError, brief
from .pixels import BLOCK, PIXELS

#: Bytes of a first line, and columns: beyond these it is no header of faces.
LONGEST_LINE, MOST_COLUMNS = 1 << 16, 1000
_BLANK_LINES = 100
_WANTED = "a first line such as emotion,pixels,Usage is wanted"


def plain_name(column: str) -> str:
    """The name of a column as it was: pandas calls a second one of a name "emotion.1"."""
    return re.sub(r"\.[0-9]{1,3}$", "", column)


def disguised(start: bytes) -> str:
    """What a file is that is no text of a table, by how it begins; "" where that is not known."""
    kinds = {
        b"PK": "a zip archive or an Excel workbook; name it .zip, or save the sheet as CSV",
        b"\x1f\x8b": "a gzip file; unpack it",
        b"PAR1": "a parquet file; name it .parquet",
        b"version https://git-lfs": "a pointer of Git LFS to the file; fetch that with git lfs pull",
        b"<": "a web page, as failed downloads are; download the file again",
    }
    return next((what for sign, what in kinds.items() if start.lstrip(b"\xef\xbb\xbf \r\n").startswith(sign)), "")


@dataclass(frozen=True)
class Header:
    """The first line of a CSV: the ``names`` of its columns, stripped and in lower case, and what stands between
    them.
    """

    where: str
    names: tuple[str, ...]
    delimiter: str

    @property
    def shown(self) -> str:
        """Some of the names, for a message."""
        return ", ".join(name[:20] for name in self.names[:6])

    def columns(self, wanted: Collection[str]) -> list[str]:
        """Those of ``wanted`` that are there, in that order. Raises InputError where one of them is there twice."""
        for name in wanted:
            places = [place for place, other in enumerate(self.names, start=1) if plain_name(other) == name]
            if len(places) > 1:
                raise InputError(
                    f"{self.where}: columns {' and '.join(map(str, places))} are both called {name[:40]!r} (pandas"
                    f" writes {name[:40]}.1 for a second one); leave one of them out"
                )
        return [name for name in wanted if name in self.names]

    def place(self, name: str) -> int:
        return self.names.index(name)


def read_header(stream: IO[bytes], where: str, known: Collection[str]) -> Header:
    """The first line of a file that is not blank; names stand between commas, semicolons or tabs, whatever finds
    ``known``.

    Raises:
        InputError: it is no header.
    """
    number, line = 1, stream.readline(LONGEST_LINE)
    while line and not line.removeprefix(b"\xef\xbb\xbf").strip() and number <= _BLANK_LINES:
        number, line = number + 1, stream.readline(LONGEST_LINE)
    if not line.removeprefix(b"\xef\xbb\xbf").strip():
        raise InputError(f"{where}: {'empty' if number == 1 else 'begins with blank lines'}; {_WANTED}")
    where = f"{where}, line {number}"
    if what := disguised(line):
        raise InputError(f"{where}: {what}")
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{where}: UTF-16 text; save it as UTF-8")
    if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
        raise InputError(
            f"{where}: not CSV text with lines that end in LF or CR LF: more than {LONGEST_LINE:,} bytes; {_WANTED}"
        )
    try:
        text = line.decode("utf-8-sig")
        found = [(_names(text, delimiter), delimiter) for delimiter in ",;\t"]
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{where}: not CSV text in UTF-8; {_WANTED}") from None
    names, delimiter = max(found, key=lambda one: (len(set(one[0]) & set(known)), one[1] == ","))
    if len(names) > PIXELS:
        raise InputError(
            f"{where}: {len(names):,} columns, one for each pixel; all pixels of an image are wanted in one column"
            " 'pixels', as numbers with spaces between them"
        )
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{where}: {len(names):,} columns; {MOST_COLUMNS:,} are the limit, and {_WANTED}")
    if "pixels" not in names and any(name.count(" ") >= PIXELS - 1 for name in names):
        raise InputError(f"{where}: an image and no header; {_WANTED}")
    return Header(where, tuple(names), delimiter)


def _names(text: str, delimiter: str) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([text], delimiter=delimiter), [])]


def missing(header: Header, name: str, needed: Sequence[str]) -> InputError:
    """That a column is not there."""
    return InputError(
        f"{header.where}: no column {name!r}, only {header.shown}; columns {' and '.join(needed)} are needed"
    )


def breaks_in_quotes(reopen: Callable[[], IO[bytes]]) -> bool:
    """Whether a line of a file ends within quotes, so that its cell goes on in the next one."""
    with reopen() as stream:
        return any(piece.count(b'"') % 2 for piece in iter(partial(stream.readline, 2 * BLOCK), b""))


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """The lines as pyarrow counts them, which end in LF, CR LF or CR; cut where they are longer than it reads."""
    text = io.TextIOWrapper(stream, "utf-8", errors="replace", newline=None)
    return iter(partial(text.readline, 2 * BLOCK), "")


def _records(stream: IO[bytes], delimiter: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, the header too, each with the number of the line on which it begins.

    With ``quoted``, cells may hold line ends. A row that can't be split ends it.
    """
    lines = _lines(stream)
    if not quoted:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, [line]
        return
    reader, began = csv.reader(lines, delimiter=delimiter), 1
    try:
        for fields in reader:
            if any(fields):
                yield began, fields
            began = reader.line_num + 1
    except csv.Error:
        return


def fail(
    reopen: Callable[[], IO[bytes]], header: Header, quoted: bool, where: str, row: int, column: str, message: str
) -> NoReturn:
    """Raises InputError with the line of the file on which data row ``row`` (from 0) begins."""
    with reopen() as stream:
        line = next(islice((number for number, _ in _records(stream, header.delimiter, quoted)), row + 1, None), None)
    place = f"row {row} (from 0)" if line is None else f"line {line}"
    raise InputError(f"{where}, {place}, column {column}: {message}")


def malformed(reopen: Callable[[], IO[bytes]], header: Header, quoted: bool, where: str, reason: str) -> str:
    """Says which line is too long or has too few or too many columns, or else what pyarrow said."""
    width = len(header.names)
    with reopen() as stream:
        for number, fields in _records(stream, header.delimiter, quoted):
            if sum(map(len, fields)) >= BLOCK:
                return f"{where}, line {number}: more than {BLOCK:,} characters; an image's pixels have 9,215 at most"
            if not quoted:
                try:
                    fields = next(csv.reader(fields, delimiter=header.delimiter), [])
                except csv.Error:
                    break
            if fields and len(fields) != width:
                return f"{where}, line {number}: {len(fields)} columns where the header has {width}; is the file whole?"
    if reason.startswith("Empty CSV file"):
        return f"{where}: nothing below the header; a row for each image is wanted"
    return f"{where}: not readable as CSV ({brief(' '.join(reason.split()), 120)})"
