"""A runner for plugins of tests: it imports no learning library, which would cost each worker seconds."""

from __future__ import annotations

import numpy as np

from fer_bench import Runner
from fer_bench.api.runner import RunnerInfo
from fer_bench.errors import InputError


class Quick(Runner):
    """Nearest centroids of some pixels."""

    info = RunnerInfo(family="classical")
    uses = frozenset()

    def fit(self, train, validation, context):
        rows, classes = pixels(train.images), range(len(context.classes))
        # An emotion without an image is far from all.
        self.centroids = np.stack(
            [rows[train.labels == c].mean(0) if c in train.labels else rows[0] + 9 for c in classes]
        )

    def predict_proba(self, images):
        distances = np.square(pixels(images)[:, None] - self.centroids).sum(-1)
        closeness = np.exp(distances.min(1, keepdims=True) - distances)
        return closeness / closeness.sum(1, keepdims=True)

    def save(self, directory):
        np.save(directory / "centroids.npy", self.centroids)

    def load(self, directory):
        try:
            self.centroids = np.load(directory / "centroids.npy")
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{directory / 'centroids.npy'}: {error}") from None


def pixels(images: np.ndarray) -> np.ndarray:
    """(N, 48, 48) uint8 -> (N, 64) float32: every sixth of a row and of a column."""
    return images[:, ::6, ::6].reshape(len(images), -1).astype(np.float32) / 255
