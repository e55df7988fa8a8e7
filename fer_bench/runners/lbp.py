"""Local binary patterns: what lies around each pixel is brighter than it or not, counted over the face's regions."""

from __future__ import annotations

from functools import cache

import numpy as np

from .features import SIZE

NEIGHBOURS = 8
#: Uniform patterns change between darker and brighter twice at most around the circle; the others are counted as one.
UNIFORM = NEIGHBOURS * (NEIGHBOURS - 1) + 2
PATTERNS = UNIFORM + 1
#: The face is cut into so many regions each way, of 6 pixels.
REGIONS = 8
RADIUS = 2
TIE = 1e-6
LBP_LENGTH = REGIONS**2 * PATTERNS


def lbp(images: np.ndarray, chunk: int = 256) -> np.ndarray:
    """Regional histograms of uniform local binary patterns (Ahonen, Hadid and Pietikäinen 2006).

    8 neighbours at a distance of 2 pixels, 59 patterns, 8x8 regions. A histogram's square root stands for it, so that
    the distance of two is Hellinger's.

    Args:
        images: (N, 48, 48) uint8.
        chunk: images at a time, which bounds the memory.

    Returns:
        (N, 3776) float32.
    """
    described = np.empty((len(images), LBP_LENGTH), np.float32)
    for start in range(0, len(images), chunk):
        some = images[start : start + chunk]
        described[start : start + chunk] = np.sqrt(_regional(patterns(some, RADIUS)))
    return described


def patterns(images: np.ndarray, radius: int) -> np.ndarray:
    """(N, 48, 48) uint8 -> (N, 48, 48) uint8, the pattern at each pixel, 0 to 58.

    What lies between pixels is interpolated, and there is black around the image. The patterns are those of
    ``skimage.feature.local_binary_pattern(image, 8, radius, "nri_uniform")``, in another order.
    """
    around = np.pad(images.astype(np.float64), ((0, 0), (radius, radius), (radius, radius)))
    code = np.zeros(images.shape, np.intp)
    for neighbour in range(NEIGHBOURS):
        angle = 2 * np.pi * neighbour / NEIGHBOURS
        down, right = -radius * np.sin(angle), radius * np.cos(angle)
        rows = _between(around, np.round(down, 5), radius, axis=1)
        seen = _between(rows, np.round(right, 5), radius, axis=2)
        # Between four equal pixels lies that value, but for what rounding makes of it.
        code |= (seen > images - TIE).astype(np.intp) << neighbour
    return _numbers()[code]


def _between(images: np.ndarray, shift: float, radius: int, axis: int) -> np.ndarray:
    """The images ``shift`` pixels further along an axis, interpolated; the axis loses what was padded."""
    places = np.arange(SIZE) + shift
    lower = np.floor(places).astype(np.intp)
    share = (places - lower).reshape([-1 if at == axis else 1 for at in range(images.ndim)])
    upper = np.ceil(places).astype(np.intp)
    return (1 - share) * images.take(lower + radius, axis) + share * images.take(upper + radius, axis)


@cache
def _numbers() -> np.ndarray:
    """(256,) uint8: the number of each code's pattern, in ascending order of the uniform ones; 58 for all others."""
    bits = np.arange(1 << NEIGHBOURS)[:, None] >> np.arange(NEIGHBOURS) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, UNIFORM).astype(np.uint8)


def _regional(found: np.ndarray) -> np.ndarray:
    """(N, 48, 48) patterns -> (N, 8 * 8 * 59) float32, how often each stands in each region, over all its pixels."""
    region = np.arange(SIZE) // (SIZE // REGIONS)
    image = np.arange(len(found))[:, None, None]
    index = ((image * REGIONS + region[:, None]) * REGIONS + region) * PATTERNS + found
    counts = np.bincount(index.ravel(), minlength=len(found) * REGIONS**2 * PATTERNS)
    return counts.reshape(len(found), -1).astype(np.float32) / np.float32((SIZE // REGIONS) ** 2)
