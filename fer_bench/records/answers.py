"""What the runs of one system say of the same images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .predictions import Predictions


@dataclass(frozen=True, eq=False)
class Answers:
    """What the runs of a system say of the same images.

    rows: (N,) int64, the images as rows of the data set, ascending. labels: (N,) int64. probabilities: (runs, N, C)
    float16 or float32.
    """

    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable label of each image by each run, the first of equals: (runs, N) int64."""
        return self.probabilities.argmax(axis=2)

    @property
    def right(self) -> np.ndarray:
        """Which images each run got right: (runs, N) bool."""
        return self.predicted == self.labels

    def same_images(self, other: Answers) -> bool:
        """Whether both systems answer the same images under the same labels."""
        return np.array_equal(self.rows, other.rows) and np.array_equal(self.labels, other.labels)


def answers(predictions: Iterable[Predictions]) -> Answers | None:
    """The predictions of a system's runs, brought into one order; None where they are not of the same images."""
    single = [
        Answers(given.rows.astype(np.int64), given.labels.astype(np.int64), given.probabilities[None])
        for given in (one.in_order() for one in predictions)
    ]
    if not all(one.same_images(single[0]) for one in single):
        return None
    return replace(single[0], probabilities=np.concatenate([one.probabilities for one in single]))
