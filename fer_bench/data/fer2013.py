"""FER-2013 as CSV: Kaggle's ``fer2013.csv`` (emotion,pixels,Usage) and ``icml_face_data.csv`` (emotion, Usage, pixels)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ..errors import InputError
from .dataset import EMOTIONS, IMAGE_SIZE, USAGES
from .names import Classes, subject_names, usage_code

if TYPE_CHECKING:
    import pyarrow as pa

#: Names of the CSV in Kaggle's downloads, preferred first.
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
PIXELS = IMAGE_SIZE * IMAGE_SIZE
_LABELS = {str(label): label for label in range(len(EMOTIONS))}
#: Bytes split into columns, and rows then parsed, at a time: what these need stays in the processor's cache.
_BLOCK, _ROWS = 1 << 19, 64
#: Bytes of a first line, and columns: beyond these it is no header of faces.
LONGEST_LINE, MOST_COLUMNS = 1 << 16, 1000


class Faces(NamedTuple):
    """What a reader returns: images (N, 48, 48) uint8, labels (N,) int8, usage (N,) int8 or None, class names.

    ``subjects`` (N,) names whom each image shows, where the reader was told where that stands. ``files`` are the paths of
    the images below the data's folder, or in its archive; None where they are in no files of their own.
    """

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray | None
    classes: tuple[str, ...] = EMOTIONS
    subjects: np.ndarray | None = None
    files: tuple[str, ...] | None = None


#: What a reader of tables returns to whom asks for files alone.
NO_FILES = Faces(np.empty((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8), np.empty(0, np.int8), None)


class Reading(NamedTuple):
    """What a reader makes of data that is not FER-2013's.

    With ``foreign``, emotions that FER-2013 lacks are classes of their own names; without, they are mistakes.
    ``subject`` is the column (of .npz: the array) that names each image's subject, or "folder", or "". With ``listing``
    only ``Faces.files`` is wanted: nothing is decoded, and a table is not read.
    """

    foreign: bool = False
    subject: str = ""
    listing: bool = False


STRICT = Reading()


class CellError(ValueError):
    """A cell that can't be read: ``row`` counts from 0 within what was given."""

    def __init__(self, row: int, column: str, message: str) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class PixelError(CellError):
    """A row of pixels that can't be read."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(row, "pixels", message)


def read_csv(reopen: Callable[[], IO[bytes]], where: str, how: Reading = STRICT) -> Faces:
    """Reads a CSV with the columns emotion, pixels and, if there is one, Usage; any order, any case, spaces ignored.

    ``reopen`` opens the file from its beginning (again, where a mistake has to be located); ``where`` names it in
    messages. Pixels are 2,304 whole numbers from 0 to 255. Blocks of lines are split by pyarrow and turned into numbers
    by vector arithmetic, so memory stays near the size of the result.

    Raises:
        InputError: for the first line that can't be read, with its number and column.
    """
    if how.listing:
        return NO_FILES
    import pyarrow as pa

    subject = how.subject.strip().lower()
    needed = ("emotion", "pixels", *filter(None, [subject]))
    faces = bytearray()  # grows in place, where joining blocks would take the memory twice
    labels, usages = [np.empty(0, np.int8)], [np.empty(0, np.int8)]
    classes, subjects = Classes(foreign=how.foreign), []
    label = partial(_foreign_label, classes) if how.foreign else _label
    with reopen() as stream:
        header = _header(stream, where, needed)
        try:
            for block in _blocks(stream, header, {*needed, "usage"}):
                try:
                    labels.append(_codes(block["emotion"], "emotion", label, "is no label; 0 to 6 are known"))
                    if "usage" in block:
                        known = f"is unknown; {', '.join(USAGES)} are known"
                        usages.append(_codes(block["usage"], "Usage", usage_code, known))
                    if subject:
                        subjects += block[subject].to_pylist()
                    faces += parse_pixels(block["pixels"].to_pylist()).data
                except CellError as error:
                    row = len(faces) // PIXELS + error.row
                    _fail(reopen, where, row, error.column, str(error))
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(_malformed(reopen, where, header.width, str(error))) from None

    if not faces:
        raise InputError(f"{where}: no rows below the header line; is the download complete?")
    return Faces(
        np.frombuffer(faces, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE),
        np.concatenate(labels),
        np.concatenate(usages) if "usage" in header else None,
        tuple(classes.names),
        subject_names(subjects, where) if subject else None,
    )


def _blocks(stream: IO[bytes], header: _Header, wanted: Collection[str]) -> Iterator[dict[str, Any]]:
    """The columns ``wanted``, some lines at a time: pixels as texts, the others, which repeat themselves, by dictionary."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [f"f{place}" for place in range(header.width)]  # a header may have the same name twice
    places = {names[place]: name for name, place in header.items() if name in wanted}
    coded = pa.dictionary(pa.int32(), pa.string())
    types = {place: pa.string() if name == "pixels" else coded for place, name in places.items()}
    for block in arrow_csv.open_csv(
        stream,
        arrow_csv.ReadOptions(column_names=names, block_size=_BLOCK),
        convert_options=arrow_csv.ConvertOptions(column_types=types, include_columns=list(types)),
    ):
        yield {name: block.column(place) for place, name in places.items()}


def _label(text: str) -> int | None:
    return _LABELS.get(text.strip())


def _foreign_label(classes: Classes, text: str) -> int | None:
    """FER-2013's numbers mean what they mean there; others, as an 8th emotion may have, are names as any word is."""
    label = _label(text)
    return classes.code(text) if label is None else label


def _codes(column: pa.DictionaryArray, name: str, code_of: Callable[[str], int | None], complaint: str) -> np.ndarray:
    """The code of each text, (n,) int8; CellError names the first text that has none."""
    texts = column.dictionary.to_pylist()
    codes = [code_of(text) for text in texts]
    of_row = np.from_dlpack(column.indices)  # to_numpy() would import pandas
    unknown = np.array([code is None for code in codes], bool)[of_row]
    if unknown.any():
        row = int(unknown.argmax())
        raise CellError(row, name, f"{texts[of_row[row]][:40]!r} {complaint}")
    return np.array(codes, np.int8)[of_row]


def parse_pixels(rows: Sequence[str]) -> np.ndarray:
    """N texts of 2,304 numbers -> (N, 2304) uint8; PixelError names the first text that is anything else."""
    _keep_freed_memory()
    images = np.empty((len(rows), PIXELS), np.uint8)
    for first in range(0, len(rows), _ROWS):
        part = rows[first : first + _ROWS]
        pixels = _parse_regular(part)
        if pixels is None:
            pixels = np.array([_parse_row(row, text) for row, text in enumerate(part, start=first)], np.uint8)
        images[first : first + len(part)] = pixels
    return images


def _parse_regular(rows: Sequence[str]) -> np.ndarray | None:
    """The same by vector arithmetic on the bytes, for texts of nothing but numbers and spaces; None for any others."""
    text = np.frombuffer("\n".join([*rows, ""]).encode(), np.uint8)
    digits = text - np.uint8(ord("0"))  # wraps: whatever is no digit ends up above 9
    is_digit = digits <= 9
    pairs = is_digit[:-1] & is_digit[1:]
    lasts = np.flatnonzero(is_digit[:-1] > is_digit[1:])  # the last digit of each number
    feeds = np.flatnonzero(text == ord("\n"))
    regular = (
        np.count_nonzero(is_digit) + np.count_nonzero(text == ord(" ")) + len(rows) == len(text)
        and len(feeds) == len(rows)
        and (np.searchsorted(lasts, feeds) == PIXELS * np.arange(1, len(rows) + 1)).all()
        and not (pairs[:-2] & pairs[2:]).any()  # four digits in a row
    )
    if not regular:
        return None
    digits *= is_digit.view(np.uint8)
    hundreds = digits[:-2] * pairs[1:].view(np.uint8)
    tens = digits.copy()
    tens[1:] += digits[:-1] * np.uint8(10)  # below 100, and right at the last digit of each number
    values = tens.copy()
    values[2:] += hundreds * np.uint8(100)
    if (hundreds > 2).any() or (values < tens).any():  # beyond 255, where a byte starts again from 0
        return None
    return values[lasts].reshape(-1, PIXELS)


def _keep_freed_memory() -> None:
    """Lets the arrays of some rows take the memory that those of the rows before left.

    glibc gives memory back to the system as soon as it is free, until it has seen a larger piece come and go (mallopt(3),
    M_MMAP_THRESHOLD). Getting it anew each time takes longer than the arithmetic.
    """
    np.empty(16 * _BLOCK, np.uint8)  # not touched, so never really there


def _parse_row(row: int, text: str) -> list[int]:
    """The same one number at a time: slower, but it can say what is wrong, and extra spaces do no harm."""
    tokens = text.split()
    if len(tokens) != PIXELS:
        raise PixelError(row, f"{len(tokens):,} pixels; an image has {PIXELS:,} (48x48)")
    values = []
    for place, token in enumerate(tokens, start=1):
        if not (token.isascii() and token.isdigit() and len(token) <= 3 and int(token) <= 255):
            raise PixelError(row, f"pixel {place:,} is {token[:20]!r}; whole numbers from 0 to 255 are wanted")
        values.append(int(token))
    return values


class _Header(dict[str, int]):
    """Column name, stripped and in lower case, -> its place; ``width`` counts the columns."""

    width = 0


def _header(stream: IO[bytes], where: str, needed: Sequence[str]) -> _Header:
    """The first line of a file. Raises InputError where it is no header, or lacks a column that is ``needed``."""
    line = stream.readline(LONGEST_LINE)
    if not line.strip():
        raise InputError(f"{where}: empty; a first line such as emotion,pixels,Usage is wanted")
    try:
        fields = next(csv.reader([line.decode("utf-8-sig")]))
    except (UnicodeDecodeError, csv.Error):
        fields = []
    if not fields or len(fields) > MOST_COLUMNS or (len(line) == LONGEST_LINE and not line.endswith(b"\n")):
        raise InputError(
            f"{where}, line 1: not CSV text in UTF-8 with lines that end in LF or CR LF; a first line such as "
            "emotion,pixels,Usage is wanted"
        )
    header = _Header((name.strip().lower(), place) for place, name in enumerate(fields))
    header.width = len(fields)
    missing = next((name for name in needed if name not in header), None)
    if missing:
        found = ", ".join(name[:20] for name in list(header)[:6])
        raise InputError(
            f"{where}, line 1: no column {missing!r}, only {found}; columns {' and '.join(needed)} are needed"
        )
    return header


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """The lines as pyarrow counts them, which end in LF, CR LF or CR; cut where they are longer than it reads."""
    text = io.TextIOWrapper(stream, "utf-8", errors="replace", newline=None)
    return iter(partial(text.readline, 2 * _BLOCK), "")


def _fail(reopen: Callable[[], IO[bytes]], where: str, row: int, column: str, message: str) -> NoReturn:
    """Raises InputError with the line of the file on which data row ``row`` (from 0) stands."""
    with reopen() as stream:
        filled = (number for number, line in enumerate(_lines(stream), start=1) if line.strip())
        line = next(islice(filled, row + 1, None), None)
    place = f"row {row} (from 0)" if line is None else f"line {line}"
    raise InputError(f"{where}, {place}, column {column}: {message}")


def _malformed(reopen: Callable[[], IO[bytes]], where: str, width: int, reason: str) -> str:
    """Says which line is too long or has too few or too many columns, or else what pyarrow said."""
    with reopen() as stream:
        for number, line in enumerate(_lines(stream), start=1):
            if len(line) >= _BLOCK:
                return f"{where}, line {number}: more than {_BLOCK:,} characters; an image's pixels have 9,215 at most"
            try:
                fields = next(csv.reader([line]), [])
            except csv.Error:
                break
            if fields and len(fields) != width:
                return f"{where}, line {number}: {len(fields)} columns where the header has {width}; is the file whole?"
    if reason.startswith("Empty CSV file"):
        return f"{where}: nothing below the header; a row for each image is wanted"
    return f"{where}: not readable as CSV ({' '.join(reason.split())[:120]})"
