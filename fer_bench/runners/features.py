"""What classical models see of an image: its pixels, or its histograms of oriented gradients."""

from __future__ import annotations

import numpy as np

SIZE = 48
CELL = 6
CELLS = SIZE // CELL
ORIENTATIONS = 9
BLOCK = 2
HOG_LENGTH = (CELLS - BLOCK + 1) ** 2 * BLOCK**2 * ORIENTATIONS


def pixels(images: np.ndarray) -> np.ndarray:
    """(N, 48, 48) uint8 -> (N, 2304) float32 in [0, 1]."""
    return images.reshape(len(images), SIZE * SIZE).astype(np.float32) / np.float32(255)


def hog(images: np.ndarray, chunk: int = 512) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005): (N, 48, 48) uint8 -> (N, 1764) float32.

    6-pixel cells, 9 unsigned orientations, L2-Hys over blocks of 2x2 cells. The numbers are those of
    ``skimage.feature.hog( image, 9, (6, 6), (2, 2))``, which takes one image at a time and several times as long.
    """
    described = np.empty((len(images), HOG_LENGTH), np.float32)
    for start in range(0, len(images), chunk):
        described[start : start + chunk] = _blocks(_cell_histograms(images[start : start + chunk]))
    return described


def _cell_histograms(images: np.ndarray) -> np.ndarray:
    """(N, 48, 48) -> (N, 8, 8, 9): mean gradient magnitude per cell and orientation; border gradients are 0."""
    signed = images.astype(np.float32)
    down, right = np.zeros_like(signed), np.zeros_like(signed)
    down[:, 1:-1] = signed[:, 2:] - signed[:, :-2]
    right[:, :, 1:-1] = signed[:, :, 2:] - signed[:, :, :-2]
    angle = np.degrees(np.arctan2(down, right)) % 180
    orientation = (angle * (ORIENTATIONS / 180)).astype(np.intp) % ORIENTATIONS
    cell = np.arange(SIZE) // CELL
    image = np.arange(len(images))[:, None, None]
    index = ((image * CELLS + cell[:, None]) * CELLS + cell) * ORIENTATIONS + orientation
    total = np.bincount(index.ravel(), np.hypot(down, right).ravel(), len(images) * CELLS**2 * ORIENTATIONS)
    return total.reshape(-1, CELLS, CELLS, ORIENTATIONS) / CELL**2


def _blocks(histograms: np.ndarray) -> np.ndarray:
    """(N, 8, 8, 9) -> (N, 1764): every block of 2x2 cells, normalised, clipped at 0.2, normalised again."""
    windows = np.lib.stride_tricks.sliding_window_view(histograms, (BLOCK, BLOCK), axis=(1, 2))
    blocks = np.moveaxis(windows, 3, -1).reshape(-1, BLOCK**2 * ORIENTATIONS)
    return _unit(np.minimum(_unit(blocks), 0.2)).reshape(-1, HOG_LENGTH)


def _unit(blocks: np.ndarray) -> np.ndarray:
    return blocks / np.sqrt((blocks**2).sum(axis=1, keepdims=True) + 1e-10)


#: What a runner's parameter ``features`` may be.
NAMED = {"pixels": pixels, "hog": hog}
