"""Pixels as text: 2,304 numbers with spaces between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .dataset import IMAGE_SIZE

PIXELS = IMAGE_SIZE * IMAGE_SIZE
#: Bytes split into columns, and rows then parsed, at a time: what these need stays in the processor's cache.
BLOCK, _ROWS = 1 << 19, 64


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

    glibc gives memory back to the system as soon as it is free, until it has seen a larger piece come and go
    (mallopt(3), M_MMAP_THRESHOLD). Getting it anew each time takes longer than the arithmetic.
    """
    np.empty(16 * BLOCK, np.uint8)  # not touched, so never really there


def _parse_row(row: int, text: str) -> list[int]:
    """The same one number at a time: slower, but it can say what is wrong, and extra spaces do no harm."""
    tokens = text.split()
    if "..." in tokens or "...," in tokens:
        raise PixelError(
            row, f"'...' stands for pixels that were left out when they were printed; all {PIXELS:,} are wanted"
        )
    if len(tokens) != PIXELS:
        raise PixelError(row, f"{len(tokens):,} pixels; an image has {PIXELS:,} (48x48)")
    values = []
    for place, token in enumerate(tokens, start=1):
        if not (token.isascii() and token.isdigit() and len(token) <= 3 and int(token) <= 255):
            raise PixelError(row, f"pixel {place:,} is {token[:20]!r}; whole numbers from 0 to 255 are wanted")
        values.append(int(token))
    return values
