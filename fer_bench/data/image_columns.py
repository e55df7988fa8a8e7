"""The columns of a table that hold images: image files, texts of pixels, or lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .dataset import IMAGE_SIZE
from .decoding import MAX_IMAGE_BYTES
from .pictures import Pictures
from .pixels import PIXELS, PixelError, parse_pixels

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns that hold images, preferred first. The first that can be read is read.
IMAGE_COLUMNS = ("image", "bytes", "img", "pixels")
#: Two columns show different pictures where their pixels differ by more on average; compression and resizing do less.
_DIFFERENT = 16


def read_images(table: pa.Table, columns: Sequence[str], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """(N, 48, 48) uint8 from the first column that can be read, and notes on their depth.

    One of plain pixels beside it has to show the same.
    """
    kinds = {name: _kind(table.column(name)) for name in columns}
    first, *others = [name for name, kind in kinds.items() if kind] or columns[:1]
    images, notes = _decoded(table.column(first), first, where)
    for name in others:
        if kinds[name] == "file":
            continue
        theirs, _ = _decoded(table.column(name), name, where)
        differ = np.abs(images.astype(np.int16) - theirs).mean(axis=(1, 2))
        apart = np.flatnonzero(differ > (_DIFFERENT if kinds[first] == "file" else 0))
        if len(apart):
            raise InputError(
                f"{where}, row {apart[0]}: columns {first} and {name} show different pictures; leave one out"
            )
    return images, notes


def _kind(column: pa.ChunkedArray) -> str:
    """What a column of images holds: "text", "numbers", "file", or "" where it can't be read."""
    import pyarrow as pa

    types, kind = pa.types, column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    if types.is_struct(kind):
        place = kind.get_field_index("bytes")
        held = place >= 0 and any(chunk.field(place).null_count < len(chunk) for chunk in column.chunks)
        return "file" if held else ""
    if types.is_binary(kind) or types.is_large_binary(kind):
        return "file"
    while _is_list(kind):
        kind = kind.value_type
    return "numbers" if types.is_integer(kind) else ""


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _decoded(column: pa.ChunkedArray, name: str, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    kind = _kind(column)
    if kind == "text":
        try:
            texts = ["" if text is None else text for text in column.to_pylist()]
            return parse_pixels(texts).reshape(-1, IMAGE_SIZE, IMAGE_SIZE), ()
        except PixelError as error:
            raise InputError(f"{where}, row {error.row}, column {name}: {error}") from None
    if kind == "numbers" and _is_list(column.type):
        return _from_lists(column, name, where), ()
    pictures = Pictures(len(column), where)
    for row, scalar in enumerate(column):
        value = scalar.as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise InputError(
                f"{where}, row {row}: the image holds no bytes; save the data set with its images embedded"
            )
        if len(content) > MAX_IMAGE_BYTES:
            raise InputError(
                f"{where}, row {row}: an image of {len(content):,} bytes; {MAX_IMAGE_BYTES:,} are the limit"
            )
        pictures.put(row, content, f"{where}, row {row}")
    return pictures.done()


def _from_lists(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """Lists of 48 lists of 48 numbers, or of 2,304 -> (N, 48, 48) uint8."""
    images = np.empty((len(column), PIXELS), np.uint8)
    for row, scalar in enumerate(column):
        try:
            values = np.array(scalar.as_py(), np.int64).ravel()
        except (TypeError, ValueError, OverflowError):
            values = np.empty(0, np.int64)
        if len(values) != PIXELS or values.min() < 0 or values.max() > 255:
            raise InputError(f"{where}, row {row}, column {name}: no image of 48 x 48 whole numbers from 0 to 255")
        images[row] = values
    return images.reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
