"""FER-2013 as CSV: Kaggle's ``fer2013.csv`` (emotion,pixels,Usage) and ``icml_face_data.csv`` (emotion, Usage, pixels)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import IO, NamedTuple, NoReturn

import numpy as np

from ..errors import InputError
from .dataset import EMOTIONS, IMAGE_SIZE
from .names import usage_code

#: Names of the CSV in Kaggle's downloads, preferred first.
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
PIXELS = IMAGE_SIZE * IMAGE_SIZE
_LABELS = {str(label): label for label in range(len(EMOTIONS))}
_BLOCK = 1 << 20  # bytes parsed at a time: what a block needs then stays in the processor's cache


class Faces(NamedTuple):
    """What a reader returns: images (N, 48, 48) uint8, labels (N,) int8, usage (N,) int8 or None, class names."""

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray | None
    classes: tuple[str, ...] = EMOTIONS


class PixelError(ValueError):
    """A row of pixels that can't be read: ``row`` counts from 0 within what was given."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def read_csv(reopen: Callable[[], IO[bytes]], where: str) -> Faces:
    """Reads a CSV with the columns emotion, pixels and, if there is one, Usage; any order, any case, spaces ignored.

    ``reopen`` opens the file from its beginning (again, where a mistake has to be located); ``where`` names it in
    messages. Pixels are 2,304 whole numbers from 0 to 255. Blocks of lines are split by pyarrow and turned into numbers
    by vector arithmetic, so memory stays near the size of the result.

    Raises:
        InputError: for the first line that can't be read, with its number and column.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    with reopen() as stream:
        header = _header(stream, where)
        emotion, pixels, usage = (header.get(name) for name in ("emotion", "pixels", "usage"))
        if emotion is None or pixels is None:
            missing = "emotion" if emotion is None else "pixels"
            found = ", ".join(name[:20] for name in list(header)[:6])
            raise InputError(
                f"{where}, line 1: no column {missing!r}, only {found}; columns emotion and pixels are needed"
            )

        names = [f"f{i}" for i in range(header.width)]
        wanted = [names[i] for i in (emotion, pixels, usage) if i is not None]
        images, labels, usages = [np.empty((0, PIXELS), np.uint8)], list[int](), list[int]()
        try:
            for block in arrow_csv.open_csv(
                stream,
                arrow_csv.ReadOptions(column_names=names, block_size=_BLOCK),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), include_columns=wanted
                ),
            ):
                columns = [column.to_pylist() for column in block.columns]
                for row, text in enumerate(columns[0], start=len(labels)):
                    label = _LABELS.get(text.strip())
                    if label is None:
                        _fail(reopen, where, row, "emotion", f"{text[:40]!r} is no label; 0 to 6 are known")
                    labels.append(label)
                for row, text in enumerate(columns[2] if usage is not None else (), start=len(usages)):
                    code = usage_code(text)
                    if code is None:
                        known = "Training, PublicTest, PrivateTest"
                        _fail(reopen, where, row, "Usage", f"{text[:40]!r} is unknown; {known} are known")
                    usages.append(code)
                try:
                    images.append(parse_pixels(columns[1]))
                except PixelError as error:
                    _fail(reopen, where, len(labels) - len(columns[1]) + error.row, "pixels", str(error))
        except pa.ArrowInvalid as error:
            raise InputError(_malformed(reopen, where, header.width, str(error))) from None

    if not labels:
        raise InputError(f"{where}: no rows below the header line; is the download complete?")
    faces = np.concatenate(images).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    return Faces(faces, np.array(labels, np.int8), np.array(usages, np.int8) if usage is not None else None)


def parse_pixels(rows: Sequence[str]) -> np.ndarray:
    """N texts of 2,304 numbers -> (N, 2304) uint8; PixelError names the first text that is anything else."""
    text = np.frombuffer("\n".join([*rows, ""]).encode(), np.uint8)
    ends = np.flatnonzero(text <= ord(" "))  # one separator after each number, a line feed after each row
    digits = text - np.uint8(ord("0"))  # wraps: whatever is no digit ends up above 9
    length = np.diff(ends, prepend=-1) - 1
    regular = (
        len(ends) == len(rows) * PIXELS
        and np.count_nonzero(digits <= 9) + len(ends) == len(text)
        and (text[ends[PIXELS - 1 :: PIXELS]] == ord("\n")).all()
        and (not len(length) or (length.min() >= 1 and length.max() <= 3))
    )
    if regular:
        values = digits[ends - 1].astype(np.uint16)
        values += np.where(length > 1, digits[ends - 2], 0).astype(np.uint16) * np.uint16(10)
        values += np.where(length > 2, digits[ends - 3], 0).astype(np.uint16) * np.uint16(100)
        if not len(values) or values.max() <= 255:
            return values.astype(np.uint8).reshape(-1, PIXELS)
    return np.array([_parse_row(row, text) for row, text in enumerate(rows)], np.uint8).reshape(-1, PIXELS)


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


def _header(stream: IO[bytes], where: str) -> _Header:
    line = stream.readline(1 << 16)
    if not line.strip():
        raise InputError(f"{where}: empty; a first line such as emotion,pixels,Usage is wanted")
    try:
        fields = next(csv.reader([line.decode("utf-8-sig")]))
    except (UnicodeDecodeError, csv.Error):
        raise InputError(
            f"{where}, line 1: not CSV text; a first line such as emotion,pixels,Usage is wanted"
        ) from None
    header = _Header((name.strip().lower(), place) for place, name in enumerate(fields))
    header.width = len(fields)
    return header


def _fail(reopen: Callable[[], IO[bytes]], where: str, row: int, column: str, message: str) -> NoReturn:
    """Raises InputError with the line of the file on which data row ``row`` (from 0) stands."""
    with reopen() as stream:
        filled = (number for number, line in enumerate(stream, start=1) if line.strip())
        line = next(number for place, number in enumerate(filled) if place == row + 1)
    raise InputError(f"{where}, line {line}, column {column}: {message}")


def _malformed(reopen: Callable[[], IO[bytes]], where: str, width: int, reason: str) -> str:
    """Says which line has too few or too many columns, or else what pyarrow said."""
    with reopen() as stream:
        reader = csv.reader(io.TextIOWrapper(stream, "utf-8", errors="replace", newline=""))
        for fields in reader:
            if fields and len(fields) != width:
                return f"{where}, line {reader.line_num}: {len(fields)} columns where the header has {width}"
    return f"{where}: not readable as CSV ({reason[:120]})"
