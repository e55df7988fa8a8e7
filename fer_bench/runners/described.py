"""What the runners share that give one estimator of scikit-learn the pixels of a face, or a description of it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..api.context import Context, FitSummary, Part
from ..errors import InputError
from .features import NAMED
from .sklearn import SklearnRunner


class DescribedRunner(SklearnRunner):
    """A scikit-learn classifier on HOG, or on pixels with features=pixels; a subclass implements ``build``.

    A recipe's option ``mirrored`` fits to each training image and its mirror.
    """

    parameters: ClassVar = {"features": "hog"}

    def __init__(self, recipe: str = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        name = self.params["features"]
        if name not in NAMED:
            raise InputError(f"runner {self.info.name} has no features {name!r}; it has {', '.join(NAMED)}")
        self.describe = NAMED[name]

    def features(self, images: np.ndarray) -> np.ndarray:
        return self.describe(images)

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        return super().fit(mirrored(train) if self.recipe.option("mirrored") else train, validation, context)


def mirrored(part: Part) -> Part:
    """Each image, then each image's mirror, with its label and weight."""
    return Part(
        np.concatenate([part.images, part.images[:, :, ::-1]]),
        np.tile(part.labels, 2),
        None if part.weights is None else np.tile(part.weights, 2),
    )
