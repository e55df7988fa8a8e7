"""Picture files at full size, decoded by the same rules as the images of data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.decoding import decode, depth_of
from ..data.pictures import small
from ..errors import InputError
from .face import Picture

if TYPE_CHECKING:
    from PIL import Image

#: Pillow's modes that hold no color: black and white, gray, and gray with transparency.
_GRAY = ("1", "L", "LA", "La")


def read_picture(content: bytes, where: str, source: str) -> Picture:
    """An image file's content, any size and mode, as an upright picture of 8 bits: gray stays gray, the rest is RGB.

    Where a file has 16 bits a pixel and does not say how many of them count, its largest value tells. Transparency is
    left aside, as for images of data sets: pixels have the colors that stand in the file. Of a phone's MPO file it is
    the first picture.

    Args:
        content: of the file.
        where: what messages call it.
        source: what rows call it.

    Raises:
        InputError: it is no image, a damaged one, one of more than 50 megapixels, several images in one file, or
            pixels that have no scale.
    """
    found = decode(content, where, _full)
    if isinstance(found, np.ndarray):
        return Picture(source, found)
    images, largest = found
    depth = depth_of(largest)
    if depth is None:
        raise InputError(
            f"{where}: pixels of 16 bits with values up to {largest:,}, which are neither 8, 10 or 12 bits nor all 16;"
            " convert the image to 8 bits"
        )
    return Picture(source, images[depth])


def as_face(picture: Picture) -> np.ndarray:
    """The whole picture as (48, 48) uint8 gray, exactly as data sets are read: one of that size stays as it is."""
    from PIL import Image

    return small(Image.fromarray(picture.pixels))


def _full(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L" if image.mode in _GRAY else "RGB"))
