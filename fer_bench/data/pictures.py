"""The images of a set as 48x48 gray, whatever their files are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .dataset import IMAGE_SIZE
from .decoding import decode, depth_of

if TYPE_CHECKING:
    from PIL import Image


class Pictures:
    """The images of a set, filled one by one; what pixels of 16 bits mean is decided by all of them together."""

    def __init__(self, count: int, where: str) -> None:
        self._images = np.empty((count, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
        self._where = where
        self._deep: dict[int, dict[int, np.ndarray]] = {}  # row -> the image for each depth that its values fit
        self._largest = 0
        self._first = ""

    def put(self, row: int, content: bytes, where: str) -> None:
        """Takes an image file as bytes, any size and mode.

        Raises:
            InputError: it is no image, a damaged one, one of more than 50 megapixels, several images in one file, or
                pixels that have no scale (32 bits, floating point).
        """
        found = decode(content, where, small)
        if isinstance(found, np.ndarray):
            self._images[row] = found
            return
        self._deep[row], largest = found
        if largest >= self._largest:
            self._largest, self._first = largest, where

    def done(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """(N, 48, 48) uint8, and what a user should know of how they were read.

        Raises:
            InputError: values in 16 bits that are of no known depth.
        """
        if not self._deep:
            return self._images, ()
        largest = self._largest
        depth = depth_of(largest)
        if depth is None:
            raise InputError(
                f"{self._first}: pixels of 16 bits with values up to {largest:,} in the whole set, which are neither 8,"
                " 10 or 12 bits nor all 16; convert the images to 8 bits"
            )
        for row, images in self._deep.items():
            self._images[row] = images[depth]
        return self._images, (
            (
                f"{len(self._deep):,} of {len(self._images):,} images have 16 bits a pixel, with values up to"
                f" {largest:,}: read as {depth} bits"
            ),
        )


def one_depth(notes: Sequence[tuple[str, ...]], where: str) -> tuple[str, ...]:
    """The notes of a set's files, each of which was read by itself.

    Raises:
        InputError: the files were read with different depths.
    """
    told = tuple(dict.fromkeys(note for each in notes for note in each))
    if len({note.rpartition(": ")[2] for note in told}) > 1:
        raise InputError(f"{where}: {'; '.join(told)[:240]}; one depth for the whole set is wanted: convert to 8 bits")
    return told


def small(image: Image.Image) -> np.ndarray:
    """A picture as (48, 48) uint8, gray."""
    from PIL import Image

    image = image.convert("L")
    if image.size != (IMAGE_SIZE, IMAGE_SIZE):
        image = image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(image)
