"""Picture files at full size."""

from __future__ import annotations

from .face import Picture


def read_picture(content: bytes, where: str, source: str) -> Picture:
    """An image file's content, any size and mode, as an upright picture of 8 bits.

    Raises:
        InputError: it is no image, a damaged one, one that is too large, or several images in one file.
    """
    raise NotImplementedError
