"""Dense SIFT: Lowe's descriptor (2004) at every few pixels instead of at key points, of all images at once.

OpenCV describes one key point of one image at a time; here the same sums are two matrix products for a batch.
"""

from __future__ import annotations

import numpy as np

from .features import SIZE

ORIENTATIONS = 8
BINS = 4
LENGTH = BINS**2 * ORIENTATIONS
#: A gradient's share of a descriptor is clipped here, as Lowe does: a hard shadow counts no more than an edge.
CLIP = 0.2


def places(bin_width: int, step: int) -> np.ndarray:
    """(P,) the centres, in pixels along one axis, of the descriptors that lie within the image, in the middle of it.

    P is even, so that an image has a left half and a right half; where it would be odd, the outermost descriptors reach
    half a step beyond the image.
    """
    count = (SIZE - BINS * bin_width) // step + 1
    count += count % 2
    return (SIZE - 1) / 2 + step * (np.arange(count) - (count - 1) / 2)


def dense_sift(images: np.ndarray, bin_width: int, step: int) -> np.ndarray:
    """Histograms of the gradients around each place, in 4x4 bins of 8 orientations.

    A gradient is shared between neighbouring bins and orientations by its distance to them. A histogram is made a unit
    vector, clipped at 0.2, made one whose sum is 1, and its square root taken: the distance of two is Hellinger's
    (RootSIFT of Arandjelović and Zisserman 2012).

    Args:
        images: (N, 48, 48) uint8.
        bin_width: side of a bin in pixels; a descriptor sees 4 of them each way.
        step: pixels between one descriptor and the next.

    Returns:
        (N, P, P, 128) float32, P as in ``places``; 0 where there is no gradient.
    """
    along = places(bin_width, step)
    centres = (along[:, None] + (np.arange(BINS) - (BINS - 1) / 2) * bin_width).ravel()
    share = np.maximum(0, 1 - np.abs(np.arange(SIZE) - centres[:, None]) / bin_width).astype(np.float32)
    pooled = share @ gradients(images) @ share.T
    pooled = pooled.reshape(len(images), ORIENTATIONS, len(along), BINS, len(along), BINS)
    found = pooled.transpose(0, 2, 4, 1, 3, 5).reshape(len(images), len(along), len(along), LENGTH)
    found /= np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-6)
    np.minimum(found, CLIP, out=found)
    found /= np.maximum(found.sum(axis=-1, keepdims=True), 1e-6)
    return np.sqrt(found, out=found)


def gradients(images: np.ndarray) -> np.ndarray:
    """(N, 48, 48) uint8 -> (N, 8, 48, 48) float32: each pixel's gradient, shared between its two nearest orientations.

    The gradient is half the difference of a pixel's neighbours, one-sided at the border.
    """
    down, right = np.gradient(images.astype(np.float32), axis=(1, 2))
    size = np.hypot(down, right)
    angle = np.arctan2(down, right) * np.float32(ORIENTATIONS / (2 * np.pi)) % ORIENTATIONS
    lower = np.floor(angle)
    upper_share = angle - lower
    lower = lower.astype(np.intp) % ORIENTATIONS
    image, row, column = np.ogrid[: len(images), :SIZE, :SIZE]
    shared = np.zeros((len(images), ORIENTATIONS, SIZE, SIZE), np.float32)
    shared[image, lower, row, column] = size * (1 - upper_share)
    shared[image, (lower + 1) % ORIENTATIONS, row, column] += size * upper_share
    return shared


def mirrored() -> np.ndarray:
    """(128,) such that ``descriptor[mirrored()]`` is the descriptor of the same place in the mirrored image."""
    index = np.arange(LENGTH).reshape(ORIENTATIONS, BINS, BINS)
    turned = (ORIENTATIONS // 2 - np.arange(ORIENTATIONS)) % ORIENTATIONS
    return index[turned][:, :, ::-1].ravel()
