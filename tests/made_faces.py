"""Made-up faces for tests of runners: seven smooth patterns under noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import zoom

from fer_bench.api.context import Context, Part

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def faces(
    count: int, seed: int, classes: tuple[int, ...] = tuple(range(7)), mislabelled: float = 0.0, strength: float = 25.0
) -> Part:
    """Seven smooth patterns under noise, so that a good classifier is right in most cases and not in all."""
    rng = np.random.default_rng(seed)
    patterns = zoom(np.random.default_rng(1).normal(size=(7, 6, 6)), (1, 8, 8), order=1)
    labels = rng.choice(classes, size=count).astype(np.int8)
    images = 128 + strength * patterns[labels] + 20 * rng.normal(size=(count, 48, 48))
    wrong = rng.random(count) < mislabelled
    labels[wrong] = rng.choice(classes, size=wrong.sum())
    return Part(images.clip(0, 255).astype(np.uint8), labels)


def context(**changes: Any) -> Context:
    return Context(**{"classes": CLASSES, "key": "a job"} | changes)
