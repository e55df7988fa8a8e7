"""Test-time augmentation: the same few variants of every image, and the mean of what a runner says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

#: How far a corner crop is from the centre, in pixels.
SHIFT = 4
#: Method -> where its windows lie, (down, right) of the image in pixels; each is seen as it is, and mirrored.
#: Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 4.1.
WINDOWS: dict[str, tuple[tuple[int, int], ...]] = {
    "flip": ((0, 0),),
    "ten-crop": ((0, 0), (-SHIFT, -SHIFT), (-SHIFT, SHIFT), (SHIFT, -SHIFT), (SHIFT, SHIFT)),
}


class Predictor(Protocol):
    """What predicts (N, 48, 48) uint8 images as (N, classes) probabilities: a fitted runner, say."""

    def predict_proba(self, images: np.ndarray) -> np.ndarray: ...


def variants(images: np.ndarray, method: str) -> Iterator[np.ndarray]:
    """The variants of (N, H, W) uint8 images, each of that shape: the images themselves first, then their mirror.

    A window that leaves an image sees its edge repeated. A model that looks at the centre of its input only (40 of 48
    pixels) so sees the four corners of the image, and no edge.
    """
    height, width = images.shape[1:]
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    for down, right in WINDOWS[method]:
        top, left = SHIFT + down, SHIFT + right
        window = padded[:, top : top + height, left : left + width]
        yield np.ascontiguousarray(window)
        yield np.ascontiguousarray(window[:, :, ::-1])


@dataclass(frozen=True)
class Augmented:
    """A fitted runner that is asked about every variant of an image."""

    runner: Predictor
    method: str

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, classes) float32, the mean over the variants of what the runner says of each."""
        said = [self.runner.predict_proba(variant) for variant in variants(images, self.method)]
        return np.asarray(np.mean(said, axis=0, dtype=np.float64), np.float32)
