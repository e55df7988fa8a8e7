"""What the numbers of an array of pixels mean: bytes, more bits than eight, or fractions."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

#: Values of so many bits are told from others by the largest of the set, which has to need the uppermost bit.
_DEPTHS = (10, 12)
#: Scans and exports of 16 bits reach this, a quarter of their range, somewhere in a set.
_FULL_FROM = 1 << 14
#: Images turned into numbers of eight bits at a time, so that little is in memory twice.
_IMAGES = 4096


def to_bytes(images: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pixels of any scale that the whole set shows -> (N, H, W) uint8, and what a user should know of it.

    Whole numbers from 0 to 255 are taken as they are, in whatever type they stand. Arrays of uint16 may be of 10, 12 or
    16 bits, floating-point ones fractions from 0 to 1.

    Args:
        images: (N, H, W), N > 0, of any dtype.
        where: the file, for messages.

    Raises:
        InputError: another dtype, or values that are of no scale that anybody could tell, with the first one's row.
    """
    if images.dtype == np.uint8:
        return images, ()
    if images.dtype.kind not in "uif":
        raise InputError(f"{where}: images are {images.dtype}; whole numbers from 0 to 255 are wanted")
    least, most = images.min(), images.max()  # NaN, where there is one
    whole = images.dtype.kind != "f" or _all_whole(images)
    if whole and least >= 0 and most <= 255:
        return images.astype(np.uint8), ()
    if not whole and least >= 0 and most <= 1:
        note = f"pixels are {images.dtype} from {least:.4g} to {most:.4g}: read as fractions, 1 is white"
        return _scaled(images, 255), (note,)
    if images.dtype == np.uint16:
        depth = 16 if most >= _FULL_FROM else next((bits for bits in _DEPTHS if most >> (bits - 1) == 1), 0)
        if not depth:
            raise InputError(
                f"{where}: pixels of 16 bits with values up to {most:,} in the whole set, which are neither 8, 10 or 12"
                " bits nor all 16; convert the images to 8 bits"
            )
        return _scaled(images, 2.0 ** (8 - depth)), (
            f"pixels are uint16, with values up to {most:,}: read as {depth} bits",
        )
    if whole or np.isnan(least):
        row = np.flatnonzero(~((images >= 0) & (images <= 255)).all(axis=(1, 2)))[0]
        value = next(one for one in images[row].flat if not 0 <= one <= 255)
        raise InputError(f"{where}, row {row}: a pixel is {value:.6g}, outside 0 to 255")
    raise InputError(
        f"{where}: images are {images.dtype} from {least:.4g} to {most:.4g}, which is no scale; whole numbers from 0 to"
        " 255, or fractions from 0 to 1, are wanted"
    )


def _all_whole(images: np.ndarray) -> bool:
    """Whether every number is a whole one; False also where one is no number."""
    return all(bool((part == np.floor(part)).all()) for part in _parts(images))


def _scaled(images: np.ndarray, factor: float) -> np.ndarray:
    """(N, H, W) uint8: of fractions the nearest value, of more bits the upper eight."""
    rounded = np.rint if images.dtype.kind == "f" else np.floor
    return np.concatenate([rounded(part * factor).astype(np.uint8) for part in _parts(images)])


def _parts(images: np.ndarray) -> list[np.ndarray]:
    return [images[first : first + _IMAGES] for first in range(0, len(images), _IMAGES)]
