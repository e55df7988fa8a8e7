"""A plugin with a runner that knows faces by their brightness, and that some first pixels lead astray."""

from __future__ import annotations

import os

import numpy as np

from fer_bench import Runner, register

#: First pixel of an image -> what becomes of who asks about it.
CRASH, RAISE, NAN = 251, 252, 253


@register("brightness")
class Brightness(Runner):
    """The nearer an image is to a class's mean brightness, the more probable that is."""

    def fit(self, train, validation, context):
        mean = train.images.mean(axis=(1, 2))
        self.levels = np.array([mean[train.labels == label].mean() for label in range(len(context.classes))])

    def predict_proba(self, images):
        first = set(images[:, 0, 0].tolist())
        if CRASH in first:
            os._exit(3)
        if RAISE in first:
            raise ValueError("this face is too much for me")
        scores = -np.abs(images.mean(axis=(1, 2))[:, None] - self.levels) / 10
        raised = np.exp(scores) * (np.nan if NAN in first else 1)
        return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)

    def save(self, directory):
        np.save(directory / "levels.npy", self.levels)

    def load(self, directory):
        self.levels = np.load(directory / "levels.npy")
